/* SPDX-License-Identifier: MIT */
/* Removes instances: those of this program, and those that ended programs have left. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/marks.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "enforcers.h"
#include "journal.h"
#include "tracer-files.h"

#define RETRY_NS (20 * VMRT_NS_PER_MS) /* between two attempts to remove a busy instance */
#define OTHERS_PATIENCE_MS 200

/* Removes the instance's folder. The kernel refuses that while a process has one of its files open,
 * so it is tried again for a while. */
int tracer_remove(const char *folder, int patience_ms)
{
	int64_t until = vmrt_now_ns() + patience_ms * VMRT_NS_PER_MS;

	enforcers_unmark(strrchr(folder, '/') + 1);
	for (;;) {
		struct timespec pause = {.tv_nsec = RETRY_NS};

		if (rmdir(folder) == 0 || errno == ENOENT)
			return 0;
		if (errno != EBUSY || vmrt_now_ns() >= until)
			return -1;
		nanosleep(&pause, NULL);
	}
}

/* An instance that cannot be removed shall cost as little as possible: no events, and the smallest
 * buffers. */
void tracer_make_idle(const char *folder)
{
	int errnum = errno;

	tracer_write(folder, "events/enable", "0");
	tracer_write(folder, "buffer_size_kb", "1");
	errno = errnum;
}

/* Was instance @name made by the process that made @like? Names are PREFIX PID - TICKS - NUMBER -
 * LABEL. */
static bool same_owner(const char *name, const char *like)
{
	const char *end = strchr(like + strlen(VMRT_INSTANCE_PREFIX), '-');

	end = end ? strchr(end + 1, '-') : NULL;
	return end && !strncmp(name, like, (size_t)(end + 1 - like));
}

enum vmrt_status vmrt_tracer_reset(const char *label, const char *like, unsigned *removed,
	unsigned *kept, void (*report)(void *ctx, const char *name, const char *why), void *ctx,
	struct vmrt_error *err)
{
	unsigned gone = 0, left = 0;
	char path[VMRT_TRACER_PATH];
	struct dirent *entry;
	const char *tracing;
	enum vmrt_status status = tracer_find(&tracing, err);
	DIR *dir;

	if (status != VMRT_OK)
		return status;
	snprintf(path, sizeof(path), "%s/instances", tracing);
	dir = opendir(path);
	/* for each instance in use this waits a while, but not after ^C */
	while (dir && !vmrt_stop_requested() && (entry = readdir(dir))) {
		const char *name = entry->d_name, *why = NULL, *dash = strrchr(name, '-');

		/* an owner whose state is unknown counts as alive */
		if (vmrt_journal_owner_lives(name) ||
			(label && (!dash || strcmp(dash + 1, label) != 0)) ||
			(like && !same_owner(name, like)) ||
			(size_t)snprintf(path, sizeof(path), "%s/instances/%s", tracing, name) >=
				sizeof(path))
			continue;
		tracer_write(path, "tracing_on", "0");
		if (tracer_remove(path, OTHERS_PATIENCE_MS) != 0) {
			why = strerror(errno);
			tracer_make_idle(path);
		}
		*(why ? &left : &gone) += 1;
		if (report)
			report(ctx, name, why);
	}
	if (dir)
		closedir(dir);
	if (removed)
		*removed = gone;
	if (kept)
		*kept = left;
	return VMRT_OK;
}
