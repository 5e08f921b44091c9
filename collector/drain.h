/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_DRAIN_H
#define VMRT_COLLECTOR_DRAIN_H

/* Moves the ring buffers of a session into files, one thread per CPU, while it records. */

#include <sched.h>

#include <vmrt/tracer.h>

struct vmrt_drain;

/**
 * vmrt_drain_start - begin to empty all buffers of @tracer
 * @folder: where the files of raw sub-buffers go
 * @prefix: they are called PREFIX-cpuN.pages
 * @cpus: CPUs that the threads shall run on, or NULL
 * @max_size: stop to keep data beyond so many bytes in all; 0: no limit
 * @out: end with vmrt_drain_free(), before the tracer is closed
 */
enum vmrt_status vmrt_drain_start(struct vmrt_tracer *tracer, const char *folder,
	const char *prefix, const cpu_set_t *cpus, uint64_t max_size, struct vmrt_drain **out,
	struct vmrt_error *err);

/** vmrt_drain_size - bytes moved so far */
uint64_t vmrt_drain_size(const struct vmrt_drain *drain);

/** vmrt_drain_failed - did one of the threads give up, as when the disk is full? */
bool vmrt_drain_failed(const struct vmrt_drain *drain);

/**
 * vmrt_drain_finish - after vmrt_tracer_off(): take the rest, partly filled sub-buffers too
 *
 * Return: VMRT_OK, or the first error of a thread; what was moved before it is there.
 */
enum vmrt_status vmrt_drain_finish(struct vmrt_drain *drain, struct vmrt_error *err);

/** vmrt_drain_file - descriptor and size of the file of @cpu; -1 if there is none */
int vmrt_drain_file(const struct vmrt_drain *drain, unsigned cpu, uint64_t *size);

/** vmrt_drain_free - end the threads, remove the files, free; NULL is allowed */
void vmrt_drain_free(struct vmrt_drain *drain);

#endif
