/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_DRAIN_H
#define VMRT_COLLECTOR_RECORD_DRAIN_H

/* Moves the ring buffers of a session into a file, one thread per CPU, while it records. */

#include <sched.h>

#include <vmrt/tracer.h>

#include "parser/dat/datfile.h"

struct drain;

struct drain_options {
	struct vmrt_datfile *file; /* kept by reference */
	const cpu_set_t *cpus;	   /* CPUs that the threads shall run on, or NULL */
	uint64_t max_size; /* ask to stop when so many bytes were moved in all; 0: no limit */
	uint64_t reserve;  /* bytes; ask to stop when the disk has less room than this and a quarter
			      of what was moved */
	bool hold;	   /* no threads: leave everything in the buffers until the end */
};

/* Why recording should end. */
enum drain_stop {
	VMRT_DRAIN_GO_ON,
	VMRT_DRAIN_MAX_SIZE,
	VMRT_DRAIN_DISK, /* nearly full */
	VMRT_DRAIN_FAILED,
};

/* How well the buffer of one CPU was emptied. */
struct drain_figures {
	uint64_t fill;	   /* bytes, the most that was found in it */
	int64_t unread_ns; /* longest time between two reads */
	int64_t unread_at; /* when unread_ns ended, CLOCK_MONOTONIC */
	int64_t first_ns;  /* when the first sub-buffer begins that drain_finish() moved; 0: there
			      was none */
};

/**
 * drain_start - begin to empty all buffers of @tracer
 * @out: end with drain_free(), before the tracer is closed
 */
enum vmrt_status drain_start(struct vmrt_tracer *tracer, const struct drain_options *options,
	struct drain **out, struct vmrt_error *err);

/** drain_size - bytes moved so far */
uint64_t drain_size(const struct drain *drain);

/**
 * drain_follow - from now on also move events from sub-buffers that are not full
 *
 * Otherwise a program that follows the recording would not see the events of a CPU that has few.
 */
void drain_follow(struct drain *drain);

/** drain_upto - time before which all events of all CPUs have been moved; VMRT_UNKNOWN before
 * drain_follow() has taken effect */
int64_t drain_upto(const struct drain *drain);

/** drain_stop - should recording end? */
enum drain_stop drain_stop(const struct drain *drain);

/** drain_stop_fd - becomes readable when recording should end */
int drain_stop_fd(const struct drain *drain);

/**
 * drain_finish - after vmrt_tracer_off(): move the rest, also partly filled sub-buffers
 * @since: leave out sub-buffers that end before this time; INT64_MIN: none
 *
 * Return: VMRT_OK, or the first error of a thread; the file has all events that were moved before
 * the error.
 */
enum vmrt_status drain_finish(struct drain *drain, int64_t since, struct vmrt_error *err);

/** drain_take - move the rest of one CPU's events, without a drain; @moved: bytes; @first: as
 * first_ns in struct drain_figures */
enum vmrt_status drain_take(struct vmrt_tracer *tracer, struct vmrt_datfile *file, unsigned cpu,
	int64_t since, uint64_t *moved, int64_t *first, struct vmrt_error *err);

/** drain_figures - after drain_finish(): how well the buffer of @cpu was emptied */
struct drain_figures drain_figures(const struct drain *drain, unsigned cpu);

/** drain_free - end the threads, free; NULL is allowed */
void drain_free(struct drain *drain);

#endif
