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

/** flight_arm - what happens from @from_ns on, CLOCK_MONOTONIC, is a reason; nothing is before
 * this was called */
void flight_arm(struct flight *flight, int64_t from_ns);

/** flight_fd - becomes readable when there is a reason to save */
int flight_fd(const struct flight *flight);

/** flight_reason - what it was, or NULL if there was nothing yet; good until the end */
const char *flight_reason(const struct flight *flight);

/**
 * flight_when - when that was, CLOCK_MONOTONIC: for a miss its deadline, for an overrun the
 * end of its period, which may be seconds ago, as guests' events come late; without a reason: now
 */
int64_t flight_when(const struct flight *flight);

/** flight_end - stop watching, free; NULL is allowed */
void flight_end(struct flight *flight);

#endif
