/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACEFS_TRACER_FILES_H
#define VMRT_COLLECTOR_TRACEFS_TRACER_FILES_H

/* What the files tracer*.c share of a tracing session. */

#include <vmrt/tracer.h>

#define VMRT_TRACER_PATH 512

struct tracer_event {
	char system[32], name[64];
};

struct vmrt_tracer {
	bool made; /* this program made the instance and has to remove it */
	char name[64];
	char tracing[128]; /* where tracefs is */
	char folder[256];  /* of the instance */
	struct tracer_event *events;
	size_t n_events;
	unsigned cpus;
	int *fds; /* trace_pipe_raw of each CPU; -1 for a CPU that cannot exist */
	int switch_fd;
	uint32_t page_size;
	uint64_t buffer;
};

/** tracer_find - find where tracefs is mounted, and mount it if necessary and possible */
enum vmrt_status tracer_find(const char **out, struct vmrt_error *err);

/** tracer_write - @text into file @name of @folder; VMRT_OK, or VMRT_EIO with errno */
enum vmrt_status tracer_write(const char *folder, const char *name, const char *text);

/** tracer_remove - remove an instance; tries again for @patience_ms while a process has one of its
 * files open; 0, or -1 with errno */
int tracer_remove(const char *folder, int patience_ms);

/** tracer_make_idle - reduce the cost of an instance that cannot be removed; leaves errno as it
 * is */
void tracer_make_idle(const char *folder);

/** tracer_holder - name in words a process that has a file of the instance open; false if none is
 * found */
bool tracer_holder(const char *folder, char *buf, size_t room);

/** tracer_read_file - read a file of the instance, or of tracefs if the instance has none of that
 * name */
enum vmrt_status tracer_read_file(
	const struct vmrt_tracer *tracer, const char *name, char **out, struct vmrt_error *err);

/** tracer_set - write a file of the instance */
enum vmrt_status tracer_set(const struct vmrt_tracer *tracer, const char *name, const char *text,
	struct vmrt_error *err);

/** tracer_enable - choose the events as the options say, and switch them on */
enum vmrt_status tracer_enable(
	struct vmrt_tracer *tracer, const char *list, struct vmrt_error *err);

/** tracer_start_ticks - when process @pid started, in clock ticks since boot; 0 if it is not there
 */
uint64_t tracer_start_ticks(pid_t pid);

#endif
