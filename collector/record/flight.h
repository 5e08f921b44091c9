/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_FLIGHT_H
#define VMRT_COLLECTOR_RECORD_FLIGHT_H

/* What makes a flight recorder save: SIGUSR1, a deadline miss, a server beyond its budget. */

#include <sched.h>
#include <stdbool.h>

#include <vmrt/experiment.h>

struct vmrt_flight;

struct vmrt_flight_options {
	const struct vmrt_experiment *experiment; /* NULL: only the signal */
	bool on_miss, on_overrun;
	const cpu_set_t *cpus; /* where its thread shall run, or NULL */
};

/** vmrt_flight_start - begin to watch; @out: end with vmrt_flight_end() */
enum vmrt_status vmrt_flight_start(const struct vmrt_flight_options *options,
	struct vmrt_flight **out, struct vmrt_error *err);

/** vmrt_flight_arm - what happens from @from_ns on, CLOCK_MONOTONIC, is a reason; nothing is before
 * this was called */
void vmrt_flight_arm(struct vmrt_flight *flight, int64_t from_ns);

/** vmrt_flight_fd - becomes readable when there is a reason to save */
int vmrt_flight_fd(const struct vmrt_flight *flight);

/** vmrt_flight_reason - what it was, or NULL if there was nothing yet; good until the end */
const char *vmrt_flight_reason(const struct vmrt_flight *flight);

/**
 * vmrt_flight_when - when that was, CLOCK_MONOTONIC: for a miss its deadline, for an overrun the
 * end of its period, which may be seconds ago, as guests' events come late; without a reason: now
 */
int64_t vmrt_flight_when(const struct vmrt_flight *flight);

/** vmrt_flight_end - stop watching, free; NULL is allowed */
void vmrt_flight_end(struct vmrt_flight *flight);

#endif
