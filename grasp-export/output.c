/* SPDX-License-Identifier: MIT */
/* Where an export goes: a file that has its name only when it is whole, or standard output. */
#include "export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/tool.h>

/*
 * A file is written beside and renamed, so that a failure leaves a former one as it was. What is
 * there and is no ordinary file (/dev/stdout, a pipe, a link) is written to as it is: renaming
 * would put a file in its place.
 */
enum vmrt_status export_open(struct export_output *o, const char *path, struct vmrt_error *err)
{
	struct stat there;

	*o = (struct export_output){.out = stdout};
	if (!path || !strcmp(path, "-"))
		return VMRT_OK;
	o->path = path;
	if (lstat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
		o->out = fopen(path, "we");
		return o->out ? VMRT_OK : vmrt_fail_errno(err, errno, "cannot write %s", path);
	}
	if (asprintf(&o->beside, "%s.%ld.new", path, (long)getpid()) < 0) {
		*o = (struct export_output){0};
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	o->out = fopen(o->beside, "we");
	if (o->out)
		return VMRT_OK;
	vmrt_fail_errno(err, errno, "cannot write %s", path);
	free(o->beside);
	o->beside = NULL;
	return VMRT_EIO;
}

enum vmrt_status export_close(
	struct export_output *o, enum vmrt_status status, struct vmrt_error *err)
{
	bool failed;

	if (!o->path || !o->out)
		return status;
	failed = ferror(o->out) != 0;
	errno = 0;
	if ((fclose(o->out) != 0 || failed) && status == VMRT_OK)
		status = vmrt_fail_errno(err, errno ? errno : EIO, "cannot write %s", o->path);
	if (status == VMRT_OK && vmrt_stop_requested())
		status = vmrt_fail(err, VMRT_EINTR, "stopped: %s was not written", o->path);
	if (status == VMRT_OK && o->beside && rename(o->beside, o->path) != 0)
		status = vmrt_fail_errno(err, errno, "cannot write %s", o->path);
	if (status != VMRT_OK && o->beside)
		unlink(o->beside);
	free(o->beside);
	o->beside = NULL;
	return status;
}

struct vmrt_tl_wanted export_wanted(const struct export_options *o)
{
	struct vmrt_tl_wanted w = VMRT_TL_ALL;

	w.tasks = o->tasks;
	w.n_tasks = o->n_tasks;
	w.servers = o->servers;
	w.n_servers = o->n_servers;
	w.from = o->from_ns;
	w.to = o->to_ns;
	return w;
}

#define PROGRESS_AFTER_NS VMRT_NS_PER_S
#define PROGRESS_EVERY_NS (VMRT_NS_PER_S / 5)

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * VMRT_NS_PER_S + t.tv_nsec;
}

static struct {
	int64_t begun, last;
	bool shown;
} progress;

void export_progress(int64_t done, int64_t all)
{
	int64_t now = now_ns();

	if (!progress.begun)
		progress.begun = now;
	if (now - progress.begun < PROGRESS_AFTER_NS || now - progress.last < PROGRESS_EVERY_NS ||
		!isatty(STDERR_FILENO) || all <= 0)
		return;
	fprintf(stderr, "\rvmrt-export: %3d %% ", (int)(100. * (double)done / (double)all));
	progress.last = now;
	progress.shown = true;
}

void export_progress_end(void)
{
	if (progress.shown)
		fputs("\r                   \r", stderr);
	progress.shown = false;
}
