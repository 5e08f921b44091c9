/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_ADVISE_ADVISE_H
#define VMRT_METRICS_ADVISE_ADVISE_H

/* The server that each VM should get, computed from the execution times of its tasks.
 * docs/metrics.md, Advice. */

#include <vmrt/experiment.h>
#include <vmrt/rta.h>
#include <vmrt/table.h>

#include "metrics/facts/facts.h"

enum vmrt_advise_execution {
	VMRT_EXECUTION_ANY, /* the declared time, if there is one, otherwise the measured one */
	VMRT_EXECUTION_DECLARED,
	VMRT_EXECUTION_MEASURED, /* the longest */
	VMRT_EXECUTION_LARGER,	 /* of both */
};

struct vmrt_advise_options {
	enum vmrt_advise_execution execution;
	double margin;	     /* added to execution times, as a fraction */
	int64_t overhead_ns; /* of the budget, lost in each period to switching and enforcement */
	int64_t step_ns;     /* budgets are multiples of it */
	int64_t period_ns;   /* of all servers; 0: the declared one, or the best */
};

#define VMRT_ADVISE_DEFAULTS                                                                       \
	((struct vmrt_advise_options){.margin = 0.1,                                               \
		.overhead_ns = 100 * VMRT_NS_PER_US,                                               \
		.step_ns = 100 * VMRT_NS_PER_US})

struct advised_task {
	const struct vmrt_task_spec *spec;
	int64_t measured_ns; /* the longest execution; VMRT_UNKNOWN */
	int64_t used_ns;     /* the execution time of the analysis, with the margin */
	int64_t response_ns; /* bound of its response time in the advised server, or VMRT_UNKNOWN */
	bool elsewhere;	     /* the task ran on other vCPUs, too, and is counted on each of them */
};

/* A period with the least budget that is enough; VMRT_UNKNOWN: no budget is enough. */
struct advised_choice {
	int64_t period_ns, budget_ns;
};

#define VMRT_CHOICES_MAX 24

struct advised_vm {
	const char *name;		     /* of the machine */
	int vcpu;			     /* the server is for this one alone; -1: for all */
	char label[VMRT_SERVER_VM];	     /* NAME or NAME:VCPU */
	char server[VMRT_NAME_MAX];	     /* its server's name */
	const struct vmrt_server_spec *spec; /* its declared server, or NULL */
	struct advised_task *tasks;
	size_t n_tasks;
	double utilisation, used_utilisation; /* without and with the margin */
	struct advised_choice chosen;
	struct advised_choice choices[VMRT_CHOICES_MAX];
	size_t n_choices;
	enum vmrt_policy policy;
	enum vmrt_depletion depletion;
	int priority;
	int cpu; /* that of the host it is reckoned on: a number; below 0 the (-1 - cpu)th of those
		    of which none is declared */
	int64_t server_response_ns; /* time until the server gets its budget beside the other
				       servers; or VMRT_UNKNOWN */
	double growth; /* by what fraction all execution times may grow beyond those used until a
			  deadline is missed */
	bool feasible; /* the tasks in the server, and the server among the others */
	char why[160]; /* why not; "" */
};

/* A task that cannot be judged, and what is missing for that. */
struct advise_left_out {
	const struct vmrt_task_spec *spec;
	const char *why; /* a constant */
};

/* A task of a VM with several vCPUs was seen on one of them. */
struct advise_ran {
	char *machine, *name;
	int vcpu;
	int64_t moves;	 /* inside its jobs, in all */
	int64_t threads; /* of the host that run vCPUs of its machine; 0: none is known */
};

struct advice {
	char *origin;
	struct vmrt_experiment *experiment;
	struct vmrt_run_facts *facts; /* of a run; or NULL */
	struct vmrt_advise_options options;
	struct advise_ran *ran;
	size_t n_ran;
	struct advised_vm *vms;
	size_t n_vms;
	struct advise_left_out *left_out;
	size_t n_left_out;
	bool feasible; /* all of them */
};

/**
 * advise_make - work out the servers for a run or an experiment file
 * @origin: a run folder, a database or an experiment file
 * @out: free with advice_free()
 *
 * Return: VMRT_OK, also if nothing is feasible; VMRT_EINVAL if there are no tasks in VMs, or one
 * has no period or no execution time of the kind that is wanted; errors of vmrt_facts_load() and
 * vmrt_experiment_load().
 */
enum vmrt_status advise_make(const char *origin, const struct vmrt_advise_options *options,
	struct advice **out, struct vmrt_error *err);

void advice_free(struct advice *advice);

/**
 * advise_load - read the run or experiment, and list VMs and tasks with their execution times
 * @advice: zeroed, with its options
 */
enum vmrt_status advise_load(struct advice *advice, const char *origin, struct vmrt_error *err);

/** advise_cpus - how many CPUs machine @name has; 1 if no run says so */
int64_t advise_cpus(const struct advice *advice, const char *name);

/** advise_load_ran - on which vCPUs the tasks of guests with several of them ran */
enum vmrt_status advise_load_ran(struct advice *advice, struct vmrt_error *err);

/** advise_place - which servers share a CPU of the host: as vmrt-hsf puts them */
void advise_place(struct advice *advice);

/**
 * advice_ini - the advice as an experiment file, with the reasons as comments
 * @out: the text, to be freed; every vmrt program reads it
 *
 * Return: VMRT_OK; VMRT_EFORMAT if a name cannot be in an experiment file; VMRT_ENOMEM.
 */
enum vmrt_status advice_ini(const struct advice *advice, char **out, struct vmrt_error *err);

/** advice_tables - the tables "advice", "advice_tasks" and "advice_periods" in a new section
 * of @doc */
void advice_tables(const struct advice *advice, struct vmrt_doc *doc);

/**
 * vmrt_advise_run - advise and print it to stdout
 * @how: as text it is the experiment file, unless a table or columns are selected
 *
 * Return: an enum vmrt_exit, VMRT_EXIT_VIOLATED if something is not feasible; errors have been
 * printed.
 */
int vmrt_advise_run(const char *origin, const struct vmrt_advise_options *options,
	const struct vmrt_print *how);

#endif
