/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_PUBLISH_PUBLISH_H
#define VMRT_METRICS_PUBLISH_PUBLISH_H

/* The result of runs in the formats that other programs expect: JUnit's XML, Prometheus' text. */

#include <stdio.h>

#include "metrics/failif/failif.h"

/**
 * publish_junit - a test suite for each run: its conditions, deadlines and rules of servers
 * @runs: the facts of @n runs
 * @conditions: of --fail-if
 * @allow_loss: take figures as they are, and jobs of unknown outcome for none
 *
 * What is unknown is a skipped test, with the reason.
 *
 * Return: VMRT_OK; errors of vmrt_conditions_judge(). Write errors are left in @out.
 */
enum vmrt_status publish_junit(FILE *out, const struct vmrt_run_facts *const *runs, size_t n,
	const struct vmrt_condition *conditions, size_t n_conditions, bool allow_loss,
	struct vmrt_error *err);

#define PUBLISH_BOUNDS 25 /* of the histograms, without the infinite one */

/** publish_bound - the upper end of bucket @i of response times, in ns: about 1, 2, 5 times a power
 * of ten, and the end of a bucket of vmrt's own histograms, so that every count is exact */
int64_t publish_bound(size_t i);

/* Figures of one task; names are kept by reference. */
struct publish_task {
	const char *run; /* label; NULL: none, of what is live */
	const struct vmrt_task_facts *facts;
	const char *machine, *name;
	int64_t response_max_ns;
	uint64_t upto[PUBLISH_BOUNDS]; /* response times up to each bound */
	uint64_t n;		       /* all */
	double sum_ns;
};

struct publish_server {
	const char *run;
	const struct vmrt_server_facts *facts;
	const char *name, *vm; /* vm: or NULL */
};

struct publish_machine {
	const char *run;
	const char *name;
	int64_t events, lost, steal_ns, clock_error_ns; /* or VMRT_UNKNOWN */
};

struct publish_run {
	const struct vmrt_run_facts *facts;
};

/* All that is written at once; the arrays are the caller's. */
struct publish_set {
	const struct publish_run *runs;
	size_t n_runs;
	const struct publish_machine *machines;
	size_t n_machines;
	const struct publish_task *tasks;
	size_t n_tasks;
	const struct publish_server *servers;
	size_t n_servers;
};

/** publish_prometheus - text format 0.0.4: each metric with HELP and TYPE, and a sample for each
 * that has it. Write errors are left in @out. */
void publish_prometheus(FILE *out, const struct publish_set *set);

/** publish_runs - publish_prometheus() of the facts of @n runs; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status publish_runs(
	FILE *out, const struct vmrt_run_facts *const *runs, size_t n, struct vmrt_error *err);

/** publish_file - put @size bytes of @text in the place of the file @path at once: whoever reads it
 * sees the former or the new one, whole */
enum vmrt_status publish_file(
	const char *path, const char *text, size_t size, struct vmrt_error *err);

#endif
