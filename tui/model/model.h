/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_MODEL_MODEL_H
#define VMRT_TUI_MODEL_MODEL_H

/*
 * The model holds the data of vmrt-top: counters, windows and the recent past, filled by the
 * engine's records. A view is a plain copy of these data, from which a screen is made.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/engine.h>
#include <vmrt/stats.h>

#include "metrics/facts/facts.h"

#define TOP_WINDOW_NS VMRT_NS_PER_S /* CPU shares are those of the last second */
#define TOP_RECENT_JOBS 64	    /* of each task */
#define TOP_RECENT_PERIODS 256	    /* of each server */
#define TOP_MISSES_MAX 512	    /* the last ones of all tasks */
#define TOP_MARKS_MAX 16384	    /* jobs on the timeline */
#define TOP_SLICES_MAX 65536	    /* runs on the timeline */
#define TOP_CURVE_MAX 16

enum top_server_state {
	TOP_SERVER_IDLE,       /* no vCPU of the server wants to run */
	TOP_SERVER_WAITING,    /* a vCPU wants to run, and no vCPU runs */
	TOP_SERVER_RUNNING,    /* at the server's priority; at any priority if nobody enforces the
				  server */
	TOP_SERVER_DEPLETED,   /* no budget left, and nothing runs */
	TOP_SERVER_BACKGROUND, /* no budget left, but running below its priority */
	TOP_SERVER_ABSENT,     /* none of the server's threads exists */
};

enum top_task_state {
	TOP_TASK_NONE, /* no job seen yet */
	TOP_TASK_MET,  /* its last job met its deadline */
	TOP_TASK_MISSED,
	TOP_TASK_UNKNOWN, /* events were lost in its last job */
	TOP_TASK_OVERDUE, /* a job is in progress, and its deadline has passed */
	TOP_TASK_QUIET,	 /* no job is in progress, and none has ended for two periods and a deadline
			  */
	TOP_TASK_UNSEEN, /* its machine is not recorded */
};

/* A thread on the timeline, or one that a job waited for. */
struct top_thread {
	uint32_t machine, vm, task; /* VMRT_NONE: it belongs to none */
	int32_t tid;
	int vcpu; /* or -1 */
	char comm[VMRT_COMM_MAX];
};

/* A thread ran on a CPU. */
struct top_slice {
	int64_t start_ns, end_ns;
	uint32_t thread;
	int16_t prio;
	uint8_t cpu;
	bool ready; /* the thread still wanted to run at the end of the slice */
};

/* What is kept of a job. */
struct top_job {
	uint32_t task, thread;
	int64_t k, arrival_ns, release_ns, start_ns, end_ns, deadline_ns; /* host clock */
	int64_t exec_ns, response_ns, tardiness_ns;
	int64_t blame_ns[VMRT_BLAMES];
	int preemptions, migrations, cause;
	enum vmrt_outcome outcome;
	bool excused, inferred;
};

struct top_miss {
	struct top_job job;
	struct vmrt_blamed blamed[VMRT_BLAMED_MAX];
	size_t n_blamed;
	int64_t unsure_ns;
	uint64_t number; /* number among all misses, from 1 */
};

/* A job as the timeline shows it. */
struct top_mark {
	uint32_t task;
	int64_t k, arrival_ns, end_ns, deadline_ns;
	enum vmrt_outcome outcome;
};

struct top_server_row {
	char name[VMRT_NAME_MAX], vm[VMRT_NAME_MAX];
	enum vmrt_policy policy; /* VMRT_POLICY_NONE: no server, the CPU time of a VM */
	bool enforced;
	bool stopped; /* the server was enforced, and is no longer */
	int priority;
	uint32_t vm_index; /* of the configuration, or VMRT_NONE */
	int vcpu;	   /* the server is for this vCPU alone; -1: for all */
	int64_t period_ns, budget_ns;
	int64_t period_start_ns; /* begin of the current period; VMRT_UNKNOWN: there is none */
	int64_t used_ns;	 /* in the current period, at the server's priority */
	int64_t soft_ns; /* in the current period, below this priority; either may be VMRT_UNKNOWN
			  */
	int64_t depleted_ns; /* when the budget of the current period was used up, or VMRT_UNKNOWN
			      */
	int64_t max_ns; /* largest use in a whole period; VMRT_UNKNOWN before the end of the first
			   one */
	double share,
		background; /* of one CPU in the window, and the part below the priority; or NaN */
	uint64_t periods, depletions, overruns; /* overruns: periods with more than the budget */
	int64_t unmanaged_period_ns,
		unmanaged_supply_ns; /* recent values of a VM that has no enforced server */
	enum top_server_state state;
	struct vmrt_server_facts facts;	   /* as the report has them */
	struct vmrt_server_period *recent; /* the last periods, the oldest first */
	size_t n_recent;
	struct vmrt_supply_point curve[TOP_CURVE_MAX];
	size_t n_curve;
};

struct top_task_row {
	char machine[VMRT_NAME_MAX], name[VMRT_COMM_MAX];
	uint32_t machine_index; /* or VMRT_NONE */
	int64_t period_ns, wcet_ns, deadline_ns;
	uint64_t jobs, known, missed, excused;
	uint64_t unknown; /* unknown or truncated */
	uint64_t fresh;	  /* misses since the last key */
	int64_t last_ns;  /* response time of the last job known from arrival to end */
	int64_t max_ns, max_k;
	int64_t p99_ns;
	bool p99_approximate;
	enum top_task_state state;
	int64_t open_deadline_ns;	  /* of the job in progress; VMRT_UNKNOWN: no job is */
	struct vmrt_task_facts facts;	  /* as the report has them, without `responses` */
	int64_t blame_ns[2][VMRT_BLAMES]; /* sums over all jobs; sums over the missed ones */
	uint64_t blamed_jobs[2];
	const uint64_t *buckets; /* response times: see responses.h */
	struct top_job *recent;	 /* the last ones, the oldest first */
	size_t n_recent;
};

struct top_machine_row {
	char name[VMRT_NAME_MAX];
	unsigned cpus;
	struct vmrt_machine_stats stats;
	double events_per_s; /* in the window; or NaN */
	int64_t steal_ns;
	bool guest, mapped;
	int64_t clock_error_ns;
};

struct top_vm_row {
	char name[VMRT_NAME_MAX];
	bool recorded; /* its guest is recorded */
	struct top_thread *vcpus;
	size_t n_vcpus;
};

struct top_view {
	struct top_server_row *servers;
	size_t n_servers;
	struct top_task_row *tasks;
	size_t n_tasks;
	struct top_machine_row *machines;
	size_t n_machines;
	struct top_vm_row *vms;
	size_t n_vms;
	struct top_thread *threads; /* by vmrt_thread.id */
	size_t n_threads;
	struct top_slice *slices; /* in the order of their ends, the last ones are open */
	size_t n_slices;
	struct top_mark *marks;
	size_t n_marks;
	struct top_miss *misses; /* the oldest first */
	size_t n_misses;
	uint64_t all_misses, seen_misses; /* how many misses there were; how many when the user last
					     saw their list */
	int64_t start_ns, now_ns;	  /* host clock; VMRT_UNKNOWN before the first event */
	int64_t since_ns; /* statistics begin here; VMRT_UNKNOWN: at the beginning */
	uint64_t events;
	uint64_t lost;	    /* lost events; a loss of unknown size counts as one */
	bool lost_at_least; /* there was a loss of unknown size */
	uint64_t broken;    /* switches that were missing */
	int64_t steal_ns;   /* time in which the host itself did not run, as far as it is known */
	bool mapped;	    /* there is a guest whose clock is mapped */
	int64_t clock_error_ns; /* worst bound; VMRT_UNKNOWN: none known */
	char *arena;		/* memory of all the lists */
	size_t arena_room;
};

struct top_model;

/**
 * top_experiment_new - a copy of @exp in which every VM without a server has one of policy `none`
 * @exp: may be NULL
 * @only: leave out the servers and tasks of other VMs; NULL: keep all
 * @out: free with vmrt_experiment_free()
 */
enum vmrt_status top_experiment_new(const struct vmrt_experiment *exp,
	const struct vmrt_engine_vm *vms, size_t n_vms, const char *only,
	struct vmrt_experiment **out, struct vmrt_error *err);

/**
 * top_model_new - an empty model
 * @config: of the engine whose records the model will get; kept by reference
 * @out: free with top_model_free()
 */
enum vmrt_status top_model_new(
	const struct vmrt_engine_config *config, struct top_model **out, struct vmrt_error *err);

/** top_model_sink - fill in @sink, through which @model gets the records */
void top_model_sink(struct top_model *model, struct vmrt_sink *sink);

/**
 * top_model_rest - call before @engine and its configuration are freed
 *
 * After this, @model can only be passed to top_model_take_over() and be freed.
 */
void top_model_rest(struct top_model *model, struct vmrt_engine *engine);

/**
 * top_model_take_over - continue the counts of @old for everything that both models have
 * @model: a new model, of a new engine
 * @old: the old model, after top_model_rest(); after this call it can only be freed
 *
 * Servers, tasks and machines are found by their names. Job and period numbers continue. The new
 * engine does not know the job that was in progress.
 */
void top_model_take_over(struct top_model *model, struct top_model *old);

/** top_model_whole - the recording is at its end: its percentiles are exact from now on */
void top_model_whole(struct top_model *model);

/**
 * top_model_lost - the recording is at its end: add the losses that the recorder counted of machine
 * @machine
 * @more: lost events that no record shows
 * @intervals: losses of which no record shows the time
 * @sizeless: losses of unknown size that nobody counted
 */
void top_model_lost(struct top_model *model, size_t machine, uint64_t more, unsigned intervals,
	uint64_t sizeless);

/** top_model_reset - count anew from host time @now_ns on; what the timeline shows stays */
void top_model_reset(struct top_model *model, struct vmrt_engine *engine, int64_t now_ns);

/** top_model_seen - a user has seen the tasks of @view, or its list of misses: what happens later
 * is new */
void top_model_seen(struct top_model *model, const struct top_view *view, bool tasks, bool misses);

/** top_model_misses - misses so far, of all tasks */
uint64_t top_model_misses(const struct top_model *model);

/** top_model_recent_miss - the last miss, or the miss @back misses before it; NULL: there is no
 * such miss */
const struct top_miss *top_model_recent_miss(const struct top_model *model, uint64_t back);

/**
 * top_model_facts - the figures that conditions need, computed like those of the report
 * @out: points into the model; valid until more events come
 *
 * @out has no percentiles of more than TOP_EXACT_MAX response times: see top_model_percentile().
 */
void top_model_facts(
	struct top_model *model, struct vmrt_engine *engine, struct vmrt_run_facts *out);

/**
 * top_model_percentile - percentile @num / @den of all response times of task @i
 * @low: the percentile is at least @low and at most @high, which are equal if it is exact
 *
 * Both become VMRT_UNKNOWN if there is no response time.
 */
void top_model_percentile(
	struct top_model *model, size_t i, unsigned num, unsigned den, int64_t *low, int64_t *high);

/**
 * top_model_view - copy the state of the model at host time @now_ns
 * @start_ns: begin of the recording or of the live view; or VMRT_UNKNOWN
 * @view: all zeros, or a former view, whose memory is used again; free with top_view_free()
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status top_model_view(struct top_model *model, struct vmrt_engine *engine,
	int64_t start_ns, int64_t now_ns, struct top_view *view);

void top_model_free(struct top_model *model);
void top_view_free(struct top_view *view);

#endif
