/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_MODEL_H
#define VMRT_TUI_MODEL_H

/*
 * What vmrt-top knows: counters and windows filled by the engine's records, and a view of them, a
 * plain copy that the screen is made of.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/engine.h>

#define TOP_WINDOW_NS VMRT_NS_PER_S /* CPU shares are those of the last second */

enum top_server_state {
	TOP_SERVER_IDLE,       /* no vCPU of it runs */
	TOP_SERVER_RUNNING,    /* at its priority, or as it is if nobody enforces it */
	TOP_SERVER_DEPLETED,   /* no budget left, and nothing runs */
	TOP_SERVER_BACKGROUND, /* no budget left, but running below its priority */
};

enum top_task_state {
	TOP_TASK_NONE, /* no job seen yet */
	TOP_TASK_MET,  /* its last job met its deadline */
	TOP_TASK_MISSED,
	TOP_TASK_UNKNOWN, /* events were lost in its last job */
	TOP_TASK_OVERDUE, /* a job is under way and its deadline has passed */
	TOP_TASK_QUIET,	  /* none is, and none has ended for two periods and a deadline */
};

struct top_server_row {
	char name[VMRT_NAME_MAX], vm[VMRT_NAME_MAX];
	enum vmrt_policy policy; /* VMRT_POLICY_NONE: no server, the CPU time of a VM */
	bool enforced;
	int priority;
	int64_t period_ns, budget_ns;
	int64_t used_ns; /* in the current period, at the server's priority */
	int64_t max_ns;	 /* most in a whole period; VMRT_UNKNOWN before there was one */
	double share,
		background; /* of one CPU in the window, and the part below the priority; or NaN */
	uint64_t periods, depletions;
	enum top_server_state state;
};

struct top_task_row {
	char machine[VMRT_NAME_MAX], name[VMRT_COMM_MAX];
	int64_t period_ns, wcet_ns, deadline_ns;
	uint64_t jobs, known, missed, excused;
	uint64_t unknown; /* unknown or truncated */
	int64_t last_ns;  /* response time of the last job known from arrival to end */
	int64_t max_ns, max_k;
	int64_t p99_ns;
	bool p99_approximate;
	enum top_task_state state;
};

struct top_view {
	struct top_server_row *servers;
	size_t n_servers;
	struct top_task_row *tasks;
	size_t n_tasks;
	int64_t now_ns; /* host clock; VMRT_UNKNOWN before the first event */
	uint64_t events;
	uint64_t lost;		/* events; of a loss of unknown size one is counted */
	bool lost_at_least;	/* there was one of unknown size */
	uint64_t broken;	/* switches that were missing */
	int64_t steal_ns;	/* in which the host itself was seen not to run */
	bool mapped;		/* there is a guest whose clock is mapped */
	int64_t clock_error_ns; /* worst bound; VMRT_UNKNOWN: none known */
};

struct top_model;

/**
 * top_experiment_new - a copy of @exp in which every VM without a server has one of policy `none`
 * @exp: may be NULL
 * @only: leave out the servers and tasks of other VMs; NULL: keep all
 * @out: free with top_experiment_free()
 */
enum vmrt_status top_experiment_new(const struct vmrt_experiment *exp,
	const struct vmrt_engine_vm *vms, size_t n_vms, const char *only,
	struct vmrt_experiment **out, struct vmrt_error *err);

void top_experiment_free(struct vmrt_experiment *exp);

/**
 * top_model_new - an empty model
 * @config: of the engine whose records it will take; kept by reference
 * @out: free with top_model_free()
 */
enum vmrt_status top_model_new(
	const struct vmrt_engine_config *config, struct top_model **out, struct vmrt_error *err);

/** top_model_sink - fill in @sink, with which records get into @model */
void top_model_sink(struct top_model *model, struct vmrt_sink *sink);

/**
 * top_model_view - copy what there is to see at host time @now_ns
 * @view: all zeros, or a former view, whose memory is used again; free with top_view_free()
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status top_model_view(
	struct top_model *model, struct vmrt_engine *engine, int64_t now_ns, struct top_view *view);

void top_model_free(struct top_model *model);
void top_view_free(struct top_view *view);

#endif
