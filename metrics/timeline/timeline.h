/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_TIMELINE_TIMELINE_H
#define VMRT_METRICS_TIMELINE_TIMELINE_H

/*
 * What happened in a run between two times: jobs, who ran when, and budgets. Figures and the
 * exporters that draw along a time axis read a run through this, so that all of them draw the same.
 *
 * Times are ns of the host's clock; VMRT_UNKNOWN where the run does not say.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>
#include <vmrt/units.h>

#include "metrics/facts/facts.h"

#define VMRT_OUTCOME_LIST(X)                                                                       \
	X(MET, "met")                                                                              \
	X(MISSED, "missed")                                                                        \
	X(INCOMPLETE, "missed_incomplete")                                                         \
	X(UNKNOWN, "unknown")                                                                      \
	X(TRUNCATED, "truncated")

enum vmrt_outcome {
#define X(name, words) VMRT_OUTCOME_##name,
	VMRT_OUTCOME_LIST(X)
#undef X
};

/** vmrt_outcome_word - as the database has it */
const char *vmrt_outcome_word(enum vmrt_outcome outcome);

struct vmrt_span {
	int64_t start, end;
	int32_t cpu;	   /* of the thread's machine */
	uint8_t end_state; /* 0: it was preempted */
};

struct vmrt_spans {
	struct vmrt_span *all; /* by start, not overlapping */
	size_t n, room;
};

struct vmrt_tl_job {
	int64_t k, arrival, release, start, end, deadline, response, exec;
	int32_t preemptions, migrations;
	uint8_t outcome; /* enum vmrt_outcome */
	int8_t cause;	 /* index into causes, -1: none */
	bool excused;
};

#define VMRT_TL_CAUSES 32

/* A part of the time of job @k of a task. */
struct vmrt_tl_blame {
	int64_t k, ns;
	int part; /* index into parts */
};

struct vmrt_tl_task {
	int64_t id, machine; /* of the database; machine VMRT_UNKNOWN: not recorded */
	char *label, *name, *machine_name;
	int64_t period, deadline, wcet, priority;
	int64_t tid;		  /* of its first thread */
	struct vmrt_tl_job *jobs; /* by k */
	size_t n_jobs, room;
	struct vmrt_spans spans;      /* it was on a CPU of its machine */
	struct vmrt_tl_blame *blames; /* by k, if they were wanted */
	size_t n_blames, blames_room;
};

struct vmrt_tl_vcpu {
	int64_t thread, vm, machine, vcpu, tid; /* machine: the guest's, or VMRT_UNKNOWN */
	char *name;				/* "demo vCPU 0" */
	struct vmrt_spans spans;		/* on the host's CPUs */
};

struct tl_period {
	int64_t k, start, end, budget, replenished, depleted, consumed;
	bool enforced;
};

struct vmrt_tl_server {
	int64_t id, vm;
	int64_t vcpu; /* of this vCPU alone; VMRT_UNKNOWN: of all */
	char *name, *policy;
	int64_t period, budget;
	bool enforced;
	struct tl_period *periods;
	size_t n_periods, room;
};

struct vmrt_tl_loss {
	int64_t machine, cpu, from, to, events;
	char kind[16];
};

struct vmrt_tl_machine {
	int64_t id, cpus,
		error; /* error: bound of the clock map, VMRT_UNKNOWN: not known, 0 of the host */
	char *name;
	bool host;
};

struct vmrt_timeline {
	char *name;	    /* of the run */
	int64_t start, end; /* of the run */
	int64_t tick;	    /* of the host, or VMRT_UNKNOWN */
	int64_t from, to;   /* what was loaded */
	int64_t first_job;  /* arrival of the run's first job */
	char causes[VMRT_TL_CAUSES][24];
	size_t n_causes;
	char parts[VMRT_TL_CAUSES][24];
	size_t n_parts;
	struct vmrt_tl_machine *machines;
	size_t n_machines;
	struct vmrt_tl_task *tasks; /* by machine, higher priorities first */
	size_t n_tasks;
	struct vmrt_tl_vcpu *vcpus;
	size_t n_vcpus;
	struct vmrt_tl_server *servers;
	size_t n_servers;
	struct vmrt_tl_loss *losses;
	size_t n_losses;
};

struct vmrt_tl_wanted {
	const char *const *tasks; /* NAME or MACHINE/NAME; none: all */
	size_t n_tasks;
	const char *const *servers;
	size_t n_servers;
	int64_t from, to;     /* after the run's start; VMRT_UNKNOWN: its start and end */
	int64_t window;	      /* where @to is not said: so much at most; VMRT_UNKNOWN: all */
	bool from_first_job;  /* where @from is not said: not from the run's start */
	size_t around_misses; /* where neither is said: around this miss, from 1; 0: no */
	size_t blame; /* of all jobs if a task has so many at most, else of those that missed; 0: of
			 none */
	bool jobs_only; /* without slices and server periods */
};

#define VMRT_TL_ALL                                                                                \
	((struct vmrt_tl_wanted){.from = VMRT_UNKNOWN, .to = VMRT_UNKNOWN, .window = VMRT_UNKNOWN})

/**
 * vmrt_timeline_load - read a part of a run
 * @run: a run folder or a database
 * @out: free with vmrt_timeline_free()
 *
 * Jobs, slices and periods that lie in the part at least partly are there, not cut.
 *
 * Return: VMRT_OK; VMRT_ENOENT also if no task or server goes by one of the names; VMRT_ERANGE if
 * the part is empty; errors of vmrt_db_open(); VMRT_EDB.
 */
enum vmrt_status vmrt_timeline_load(const char *run, const struct vmrt_tl_wanted *wanted,
	struct vmrt_timeline **out, struct vmrt_error *err);

void vmrt_timeline_free(struct vmrt_timeline *timeline);

/** vmrt_job_begin - when a job began to be seen: arrival or, if it came earlier, start; or
 * VMRT_UNKNOWN */
int64_t vmrt_job_begin(const struct vmrt_tl_job *job);

/** vmrt_timeline_steps - how many steps all calls of vmrt_timeline_segments() together may take:
 * enough for all jobs of a run in which they do not wait in crowds */
size_t vmrt_timeline_steps(const struct vmrt_timeline *timeline);

/**
 * vmrt_timeline_segments - what became of job @j of task @t from its begin to its end
 * @out: room for @room segments, whose times are of the host's clock
 * @steps: begins with vmrt_timeline_steps(); where it becomes 0, the last segments are missing
 *
 * A job that is not known to have ended lasts until the next one of its task begins, or the part
 * ends.
 *
 * Return: how many segments there are; 0 if it is not known when the job was.
 */
size_t vmrt_timeline_segments(const struct vmrt_timeline *timeline, size_t t, size_t j,
	struct vmrt_segment *out, size_t room, size_t *steps);

/* A point of a server's budget over time. */
struct vmrt_tl_point {
	int64_t at, left;
};

/**
 * vmrt_timeline_budget - how a server's budget fell and rose
 * @out: to be freed; between points it is linear, at equal times it jumps
 *
 * From its replenishment until it is depleted, the budget falls as the VM's vCPU threads run.
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_timeline_budget(
	const struct vmrt_timeline *timeline, size_t server, struct vmrt_tl_point **out, size_t *n);

#endif
