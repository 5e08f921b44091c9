/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TESTS_SIM_CHECK_H
#define VMRT_TESTS_SIM_CHECK_H

/* What the engine made of a simulated recording, and how its parts are compared with the truth. */

#include "sim.h"

#include <stdio.h>

struct got {
	int64_t record_ns; /* so far times may be off by the clocks that machines were recorded in
			    */
	const struct sim_result *r;
	FILE *out;
	int show, bad;
	bool knows_ahead; /* who feeds the engine knows of a loss before the record behind it */
	bool behind_gap;  /* the job before the one that is compared is missing, as it may be */
	bool lossy, broken, late, blurred_clock, steal, clipped, renames, respawns;
	enum vmrt_release found[SIM_TASKS];
	int64_t found_periods[SIM_TASKS];
	struct vmrt_task_contradiction unsure[SIM_TASKS];
	struct vmrt_job *jobs;
	struct vmrt_slice *slices;
	struct vmrt_server_period *periods;
	struct vmrt_loss *losses;
	struct vmrt_thread *threads;
	enum vmrt_phase phases[SIM_GUESTS]; /* by server */
	size_t n_jobs, n_slices, n_periods, n_losses, n_threads;
	size_t jobs_room, slices_room, periods_room, losses_room, threads_room;
	struct vmrt_machine_stats stats[1 + SIM_GUESTS];
};

/* Are the two times equal but for @tolerance, or both unknown? */
static inline bool sim_near(int64_t a, int64_t b, int64_t tolerance)
{
	if (a == VMRT_UNKNOWN || b == VMRT_UNKNOWN)
		return a == b;
	return a - b <= tolerance && b - a <= tolerance;
}

/* sim-check.c: what all checks use */

/** sim_wrong - the engine says something that is not so: counts it, and prints the first ones */
void sim_wrong(struct got *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** sim_at - @ns as text: microseconds since the recording began; good for eight more calls */
const char *sim_at(const struct got *g, int64_t ns);

/** sim_in_hole - are events of @machine missing between the two times? */
bool sim_in_hole(const struct got *g, uint32_t machine, int64_t from, int64_t to);

/** sim_is_silent - is nothing recorded of CPU @cpu at all, with no sign that it might have been? */
bool sim_is_silent(const struct got *g, uint32_t machine, unsigned cpu);

/** sim_has_silent_cpu - does @machine have such a CPU? */
bool sim_has_silent_cpu(const struct got *g, uint32_t machine);

/** sim_behind_unreported - is @to behind a hole that nothing shows? There the engine may say
 * anything */
bool sim_behind_unreported(const struct got *g, int64_t to);

/** sim_doubted - has the engine reported a loss that reaches into a hole, and overlaps the time
 * from
 * @from to @to? */
bool sim_doubted(const struct got *g, int64_t from, int64_t to);

/** sim_machine_of - the machine of @task */
uint32_t sim_machine_of(const struct got *g, uint32_t task);

/** sim_undeclared - has @task no declared deadline? */
bool sim_undeclared(const struct got *g, uint32_t task);

/** sim_waits - does @task wait by a timer that its arming does not show? */
bool sim_waits(const struct got *g, uint32_t task);

/* sim-check-job.c */

/** sim_check_job - the engine's job @e against the true one @t */
void sim_check_job(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name);

/* sim-check-parts.c */

/** sim_check_parts - the parts of the response of the engine's job @e, and its cause */
void sim_check_parts(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name);

/* sim-check-tasks.c */

/** sim_named - the time of the first record, from @born on, that has the name of @task */
int64_t sim_named(const struct got *g, uint32_t task, int64_t born);

/** sim_check_jobs_of - all jobs of @task */
void sim_check_jobs_of(struct got *g, uint32_t task);

/** sim_check_caught_up - all jobs of a task that goes on without a sleep when it is late */
void sim_check_caught_up(struct got *g, uint32_t task);

/** sim_check_found - what the engine found out of the release mechanism of @task */
void sim_check_found(struct got *g, uint32_t task);

/* sim-check-servers.c */

void sim_check_slices(struct got *g);
void sim_check_periods(struct got *g);
void sim_check_losses(struct got *g);

#endif
