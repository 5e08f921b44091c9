/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_FLIGHT_H
#define VMRT_COLLECTOR_RECORD_FLIGHT_H

/* What makes a flight recorder save: SIGUSR1, a deadline miss, a server beyond its budget. */

#include <sched.h>
#include <stdbool.h>

#include <vmrt/experiment.h>

struct flight;

struct flight_options {
	const struct vmrt_experiment *experiment; /* NULL: only the signal */
	bool on_miss, on_overrun;
	const cpu_set_t *cpus; /* where its thread shall run, or NULL */
};

/** flight_start - begin to watch; @out: end with flight_end() */
enum vmrt_status flight_start(
	const struct flight_options *options, struct flight **out, struct vmrt_error *err);

/** flight_arm - misses and overruns from @from_ns (CLOCK_MONOTONIC) on are reasons to save; before
 * this call nothing is */
void flight_arm(struct flight *flight, int64_t from_ns);

/** flight_fd - becomes readable when there is a reason to save */
int flight_fd(const struct flight *flight);

/** flight_reason - the reason to save as text, or NULL if there is none yet; valid until
 * flight_end() */
const char *flight_reason(const struct flight *flight);

/**
 * flight_when - the time of the reason, CLOCK_MONOTONIC: of a miss the deadline, of an overrun the
 * end of the period. The time may be seconds ago, because events of guests come late. Without a
 * reason: now
 */
int64_t flight_when(const struct flight *flight);

/** flight_end - stop watching, free; NULL is allowed */
void flight_end(struct flight *flight);

#endif
