/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACER_FILES_H
#define VMRT_COLLECTOR_TRACER_FILES_H

/* The inside of a tracing session, for tracer.c and tracer-meta.c. */

#include <vmrt/tracer.h>

#define VMRT_TRACER_PATH 512

struct tracefs_instance;

struct vmrt_tracer_event {
	char system[32], name[64];
};

struct vmrt_tracer {
	struct tracefs_instance *instance;
	char name[64];
	char tracing[128]; /* where tracefs is */
	char folder[256];  /* of the instance */
	struct vmrt_tracer_event *events;
	size_t n_events;
	unsigned cpus;
	int *fds; /* trace_pipe_raw by CPU; -1 for a CPU that cannot be there */
	int switch_fd;
	uint32_t page_size;
	uint64_t buffer;
};

/** vmrt_tracer_read_file - a file of the instance, or of tracefs if the instance has none */
enum vmrt_status vmrt_tracer_read_file(
	const struct vmrt_tracer *tracer, const char *name, char **out, struct vmrt_error *err);

/** vmrt_tracer_set - write a file of the instance */
enum vmrt_status vmrt_tracer_set(
	const struct vmrt_tracer *tracer, const char *name, const char *text, struct vmrt_error *err);

/** vmrt_tracer_enable - choose the events as the options say, and switch them on */
enum vmrt_status vmrt_tracer_enable(
	struct vmrt_tracer *tracer, const char *list, struct vmrt_error *err);

/** vmrt_start_ticks - when process @pid started, in clock ticks since boot; 0 if it is not there */
uint64_t vmrt_start_ticks(pid_t pid);

#endif
