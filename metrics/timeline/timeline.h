/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_TIMELINE_TIMELINE_H
#define VMRT_METRICS_TIMELINE_TIMELINE_H

/*
 * What happened in a run between two times: jobs, which thread ran when, and budgets. Figures and
 * the exporters that draw along a time axis read a run through this, so that all of them draw the
 * same.
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

/** vmrt_outcome_word - the word that stands for @outcome in the database */
const char *vmrt_outcome_word(enum vmrt_outcome outcome);

struct vmrt_span {
	int64_t start, end;
	int32_t cpu;	   /* of the thread's machine */
	uint8_t end_state; /* 0: the thread was preempted at @end */
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
	struct vmrt_spans spans;      /* when the task was on a CPU of its machine */
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
	int64_t vcpu; /* the server serves this vCPU alone; VMRT_UNKNOWN: all vCPUs of the VM */
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
		error; /* error: bound of the clock's error; 0: host, VMRT_UNKNOWN: not known */
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
	int64_t from, to; /* after the start of the run; VMRT_UNKNOWN: its start, its end */
	/* if @to is unknown: the length of the part at most; VMRT_UNKNOWN: no limit */
	int64_t window;
	bool from_first_job; /* if @from is unknown: begin with the first job, not with the run */
	/* if @from and @to are unknown: the part around this miss, counted from 1; 0: around
	 * none */
	size_t around_misses;
	/* load where the time went of all jobs of a task that has so many jobs at most, else only
	 * of its jobs that missed; 0: of no job */
	size_t blame;
	bool jobs_only; /* without slices and server periods */
};

#define VMRT_TL_ALL                                                                                \
	((struct vmrt_tl_wanted){.from = VMRT_UNKNOWN, .to = VMRT_UNKNOWN, .window = VMRT_UNKNOWN})

/**
 * vmrt_timeline_load - read a part of a run
 * @run: a run folder or a database
 * @out: free with vmrt_timeline_free()
 *
 * A job, slice or period that lies in the part only partly is loaded as a whole.
 *
 * Return: VMRT_OK; VMRT_ENOENT also if one of the names is not that of a task or server;
 * VMRT_ERANGE if the part is empty; errors of vmrt_db_open(); VMRT_EDB.
 */
enum vmrt_status vmrt_timeline_load(const char *run, const struct vmrt_tl_wanted *wanted,
	struct vmrt_timeline **out, struct vmrt_error *err);

void vmrt_timeline_free(struct vmrt_timeline *timeline);

/** vmrt_job_begin - the time at which drawings let a job begin: its arrival or, if that is later
 * than its start, its start; VMRT_UNKNOWN if neither is known */
int64_t vmrt_job_begin(const struct vmrt_tl_job *job);

/** vmrt_timeline_steps - how many steps all calls of vmrt_timeline_segments() together may take.
 * These are enough for all jobs of a run unless very many of them wait at the same time */
size_t vmrt_timeline_steps(const struct vmrt_timeline *timeline);

/**
 * vmrt_timeline_segments - whether job @j of task @t ran or waited, from its begin to its end
 * @out: room for @room segments, whose times are of the host's clock
 * @steps: set to vmrt_timeline_steps() before the first call; if it becomes 0, the last segments
 * are missing
 *
 * A job that is not known to have ended lasts until the next job of its task begins, or until
 * the part ends.
 *
 * Return: how many segments there are; 0 if the times of the job are not known.
 */
size_t vmrt_timeline_segments(const struct vmrt_timeline *timeline, size_t t, size_t j,
	struct vmrt_segment *out, size_t room, size_t *steps);

/* A point of a server's budget over time. */
struct vmrt_tl_point {
	int64_t at, left;
};

/**
 * vmrt_timeline_budget - how a server's budget fell and rose
 * @out: points, to be freed; the budget is linear between two points, and jumps where two points
 * have the same time
 *
 * From its replenishment until it is depleted, the budget falls as the VM's vCPU threads run.
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_timeline_budget(
	const struct vmrt_timeline *timeline, size_t server, struct vmrt_tl_point **out, size_t *n);

#endif
