/* SPDX-License-Identifier: MIT */
/* Writes markers into the trace, by several threads at a time. */
#include <vmrt/marks.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_INSTANCES 16
#define NAME_ROOM 128

struct vmrt_marker {
	int fds[MAX_INSTANCES];
	char names[MAX_INSTANCES]
		  [NAME_ROOM]; /* "": dropped, and the descriptor now writes to /dev/null */
	_Atomic size_t n; /* a slot is filled in before it is counted, and its descriptor number
			     never changes */
};

static const char *const instance_folders[] = {
	"/sys/kernel/tracing/instances", "/sys/kernel/debug/tracing/instances"};

static int open_marker(const char *folder, const char *instance)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/trace_marker", folder, instance);
	return open(path, O_WRONLY | O_CLOEXEC);
}

/* Other threads may write at the same time. So a descriptor in use is never closed: dup3() makes it
 * refer to another file.
 */
static void take_slot(struct vmrt_marker *marker, int fd, const char *instance)
{
	size_t i = 0;

	while (i < marker->n && marker->names[i][0])
		i++;
	if (i == MAX_INSTANCES) {
		close(fd);
		return;
	}
	snprintf(marker->names[i], NAME_ROOM, "%s", instance);
	if (i < marker->n) {
		dup3(fd, marker->fds[i], O_CLOEXEC);
		close(fd);
	} else {
		marker->fds[i] = fd;
		marker->n = i + 1;
	}
}

static bool has_slot(const struct vmrt_marker *marker, const char *instance)
{
	for (size_t i = 0; i < marker->n; i++)
		if (!strcmp(marker->names[i], instance))
			return true;
	return false;
}

static enum vmrt_status open_named(
	struct vmrt_marker *marker, const char *instance, struct vmrt_error *err)
{
	int errnum = ENOENT;

	for (size_t i = 0; i < sizeof(instance_folders) / sizeof(instance_folders[0]); i++) {
		int fd = open_marker(instance_folders[i], instance);

		if (fd >= 0) {
			take_slot(marker, fd, instance);
			return VMRT_OK;
		}
		if (errno != ENOENT)
			errnum = errno;
	}
	return vmrt_fail_errno(
		err, errnum, "cannot write markers into the tracefs instance %s", instance);
}

static void open_ours(struct vmrt_marker *marker)
{
	for (size_t i = 0; i < sizeof(instance_folders) / sizeof(instance_folders[0]) && !marker->n;
		i++) {
		DIR *dir = opendir(instance_folders[i]);
		struct dirent *entry;

		while (dir && marker->n < MAX_INSTANCES && (entry = readdir(dir))) {
			int fd;

			if (strncmp(entry->d_name, VMRT_INSTANCE_PREFIX,
				    strlen(VMRT_INSTANCE_PREFIX)) != 0)
				continue;
			fd = open_marker(instance_folders[i], entry->d_name);
			if (fd >= 0)
				take_slot(marker, fd, entry->d_name);
		}
		if (dir)
			closedir(dir);
	}
}

enum vmrt_status vmrt_marker_open(
	const char *instance, struct vmrt_marker **out, struct vmrt_error *err)
{
	struct vmrt_marker *marker = calloc(1, sizeof(*marker));

	if (!marker)
		return vmrt_fail(err, VMRT_ENOMEM, "markers: out of memory");
	if (instance) {
		enum vmrt_status status = open_named(marker, instance, err);

		if (status != VMRT_OK) {
			free(marker);
			return status;
		}
	} else {
		open_ours(marker);
	}
	*out = marker;
	return VMRT_OK;
}

enum vmrt_status vmrt_marker_add(
	struct vmrt_marker *marker, const char *instance, struct vmrt_error *err)
{
	return has_slot(marker, instance) ? VMRT_OK : open_named(marker, instance, err);
}

void vmrt_marker_drop(struct vmrt_marker *marker, const char *instance)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	for (size_t i = 0; null >= 0 && i < marker->n; i++) {
		if (strcmp(marker->names[i], instance) != 0)
			continue;
		dup3(null, marker->fds[i], O_CLOEXEC);
		marker->names[i][0] = '\0';
	}
	if (null >= 0)
		close(null);
}

void vmrt_mark(const struct vmrt_marker *marker, const char *fmt, ...)
{
	char line[VMRT_MARK_MAX];
	va_list ap;
	int len;

	if (!marker || !marker->n)
		return;
	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	if ((size_t)len >= sizeof(line))
		len = sizeof(line) - 1;
	for (size_t i = 0; i < marker->n; i++)
		(void)!write(marker->fds[i], line, (size_t)len);
}

void vmrt_marker_close(struct vmrt_marker *marker)
{
	if (!marker)
		return;
	for (size_t i = 0; i < marker->n; i++)
		close(marker->fds[i]);
	free(marker);
}
