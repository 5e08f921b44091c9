/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_DRAIN_H
#define VMRT_COLLECTOR_RECORD_DRAIN_H

/* Moves the ring buffers of a session into a file, one thread per CPU, while it records. */

#include <sched.h>

#include <vmrt/tracer.h>

#include "parser/dat/datfile.h"

struct vmrt_drain;

struct vmrt_drain_options {
	struct vmrt_datfile *file; /* kept by reference */
	const cpu_set_t *cpus;	   /* CPUs that the threads shall run on, or NULL */
	uint64_t max_size;	   /* ask to stop when so much was moved in all; 0: no limit */
	uint64_t reserve; /* ask to stop when the disk has less left than this, and a quarter of
			     what was moved */
	bool hold;	  /* no threads: leave everything in the buffers until the end */
};

/* Why recording should end. */
enum vmrt_drain_stop {
	VMRT_DRAIN_GO_ON,
	VMRT_DRAIN_MAX_SIZE,
	VMRT_DRAIN_DISK, /* nearly full */
	VMRT_DRAIN_FAILED,
};

/* How well the buffer of one CPU was emptied. */
struct vmrt_drain_figures {
	uint64_t fill;	   /* bytes, the most that was found in it */
	int64_t unread_ns; /* longest time between two looks */
	int64_t unread_at; /* when that ended, CLOCK_MONOTONIC */
	int64_t first_ns;  /* of the rest: when its first sub-buffer begins; 0 without one */
};

/**
 * vmrt_drain_start - begin to empty all buffers of @tracer
 * @out: end with vmrt_drain_free(), before the tracer is closed
 */
enum vmrt_status vmrt_drain_start(struct vmrt_tracer *tracer,
	const struct vmrt_drain_options *options, struct vmrt_drain **out, struct vmrt_error *err);

/** vmrt_drain_size - bytes moved so far */
uint64_t vmrt_drain_size(const struct vmrt_drain *drain);

/**
 * vmrt_drain_follow - from now on move what is in sub-buffers that are not full, too
 *
 * Who follows the recording would else not see what a CPU with few events did.
 */
void vmrt_drain_follow(struct vmrt_drain *drain);

/** vmrt_drain_upto - time before which all events of all CPUs have been moved; VMRT_UNKNOWN before
 * vmrt_drain_follow() has taken effect */
int64_t vmrt_drain_upto(const struct vmrt_drain *drain);

/** vmrt_drain_stop - should recording end? */
enum vmrt_drain_stop vmrt_drain_stop(const struct vmrt_drain *drain);

/** vmrt_drain_stop_fd - becomes readable when it should */
int vmrt_drain_stop_fd(const struct vmrt_drain *drain);

/**
 * vmrt_drain_finish - after vmrt_tracer_off(): take the rest, partly filled sub-buffers too
 * @since: leave out sub-buffers that end before this time; INT64_MIN: none
 *
 * Return: VMRT_OK, or the first error of a thread; what was moved before it is there.
 */
enum vmrt_status vmrt_drain_finish(struct vmrt_drain *drain, int64_t since, struct vmrt_error *err);

/** vmrt_drain_take - the same for one CPU, without a drain; @moved: bytes; @first: as first_ns
 * above */
enum vmrt_status vmrt_drain_take(struct vmrt_tracer *tracer, struct vmrt_datfile *file,
	unsigned cpu, int64_t since, uint64_t *moved, int64_t *first, struct vmrt_error *err);

/** vmrt_drain_figures - after vmrt_drain_finish(): how well the buffer of @cpu was emptied */
struct vmrt_drain_figures vmrt_drain_figures(const struct vmrt_drain *drain, unsigned cpu);

/** vmrt_drain_free - end the threads, free; NULL is allowed */
void vmrt_drain_free(struct vmrt_drain *drain);

#endif
