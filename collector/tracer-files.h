/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACER_FILES_H
#define VMRT_COLLECTOR_TRACER_FILES_H

/* The inside of a tracing session, for tracer.c and tracer-meta.c. */

#include <vmrt/tracer.h>

#define VMRT_TRACER_PATH 512
#define VMRT_TRACER_EVENTS 12

struct tracefs_instance;

struct vmrt_tracer {
	struct tracefs_instance *instance;
	char name[64];
	char tracing[128]; /* where tracefs is */
	char folder[256];  /* of the instance */
	struct {
		const char *system, *name;
	} events[VMRT_TRACER_EVENTS];
	unsigned cpus;
	int *fds; /* trace_pipe_raw by CPU; -1 for a CPU that cannot be there */
	int switch_fd;
	uint32_t page_size;
	uint64_t buffer;
};

/** vmrt_tracer_read_file - a file of the instance, or of tracefs if the instance has none */
enum vmrt_status vmrt_tracer_read_file(
	const struct vmrt_tracer *tracer, const char *name, char **out, struct vmrt_error *err);

/** vmrt_start_ticks - when process @pid started, in clock ticks since boot; 0 if it is not there */
uint64_t vmrt_start_ticks(pid_t pid);

#endif
