/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACEFS_TRACER_FILES_H
#define VMRT_COLLECTOR_TRACEFS_TRACER_FILES_H

/* The inside of a tracing session, for tracer*.c. */

#include <vmrt/tracer.h>

#define VMRT_TRACER_PATH 512

struct tracer_event {
	char system[32], name[64];
};

struct vmrt_tracer {
	bool made; /* the instance is there, and ours to remove */
	char name[64];
	char tracing[128]; /* where tracefs is */
	char folder[256];  /* of the instance */
	struct tracer_event *events;
	size_t n_events;
	unsigned cpus;
	int *fds; /* trace_pipe_raw by CPU; -1 for a CPU that cannot be there */
	int switch_fd;
	uint32_t page_size;
	uint64_t buffer;
};

/** tracer_find - where tracefs is; mounts it if that can be done */
enum vmrt_status tracer_find(const char **out, struct vmrt_error *err);

/** tracer_write - @text into file @name of @folder; VMRT_OK, or VMRT_EIO with errno */
enum vmrt_status tracer_write(const char *folder, const char *name, const char *text);

/** tracer_remove - remove an instance; while somebody has a file of it open, try again; 0, or
 * -1 with errno */
int tracer_remove(const char *folder, int patience_ms);

/** tracer_make_idle - what cannot be removed shall at least cost nothing; leaves errno as it
 * is */
void tracer_make_idle(const char *folder);

/** tracer_holder - in words, which process has a file of the instance open; false: none that
 * we may look at */
bool tracer_holder(const char *folder, char *buf, size_t room);

/** tracer_read_file - a file of the instance, or of tracefs if the instance has none */
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
