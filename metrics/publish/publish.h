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
 * @allow_loss: judge the figures as if no event had been lost, and ignore jobs of unknown outcome
 *
 * A test whose result is unknown is skipped, and the reason is given.
 *
 * Return: VMRT_OK; errors of vmrt_conditions_judge(). Write errors are left in @out.
 */
enum vmrt_status publish_junit(FILE *out, const struct vmrt_run_facts *const *runs, size_t n,
	const struct vmrt_condition *conditions, size_t n_conditions, bool allow_loss,
	struct vmrt_error *err);

#define PUBLISH_BOUNDS 25 /* buckets of the histograms, without the one up to infinity */

/** publish_bound - the upper end of bucket @i of response times, in ns: about 1, 2 or 5 times a
 * power of ten, but exactly the end of a bucket of vmrt's own histograms, so that every count is
 * exact */
int64_t publish_bound(size_t i);

/* Figures of one task; names are kept by reference. */
struct publish_task {
	const char *run; /* label of the run; NULL: live figures, which are of no run */
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

/** publish_prometheus - write the text format 0.0.4: each metric with HELP and TYPE, and a sample
 * for each run, machine, task or server that has a value. Write errors are left in @out. */
void publish_prometheus(FILE *out, const struct publish_set *set);

/** publish_runs - write the facts of @n runs with publish_prometheus(); VMRT_OK or VMRT_ENOMEM */
enum vmrt_status publish_runs(
	FILE *out, const struct vmrt_run_facts *const *runs, size_t n, struct vmrt_error *err);

/** publish_file - replace the file @path by @size bytes of @text at once: a program that reads the
 * file sees either all of the former text or all of the new text */
enum vmrt_status publish_file(
	const char *path, const char *text, size_t size, struct vmrt_error *err);

#endif
