/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_MANY_TREND_H
#define VMRT_METRICS_MANY_TREND_H

/* How the figures of tasks and servers change from run to run, and whether they became worse than
 * in a baseline. */

#include <vmrt/table.h>

#include "many.h"

#define TREND_LIMIT 0.05 /* a difference counts if its corrected p is below this */

struct trend_options {
	const char *const *tasks; /* NAME or MACHINE/NAME; none: all */
	size_t n_tasks;
	const char *const *servers;
	size_t n_servers;
	const char *baseline; /* a run: UUID, path or name of its folder; NULL: the first ones */
	size_t first;	      /* how many of the first runs are the baseline */
	/* how many of the last runs of each series are judged; 0: all runs after the baseline */
	size_t last;
	double least; /* response times that grow by a smaller share are not worse */
	bool allow_loss;
};

enum trend_verdict { TREND_NOT_TESTED, TREND_SAME, TREND_BETTER, TREND_WORSE };

/** trend_word - the word for a verdict, such as "worse" */
const char *trend_word(enum trend_verdict verdict);

/* A task or server of a run, compared with the baseline by one test. */
struct trend_test {
	const struct many_run *run;
	const char *of;		  /* MACHINE/NAME or the server */
	const char *metric;	  /* miss, response, tail, violations, overshoot */
	const char *test;	  /* its name */
	enum vmrt_cell_type type; /* of the two figures: RATIO or NS */
	double base, value;	  /* the figure that grew or shrank: of the baseline, of the run */
	int64_t n_base, n_run;
	double p, corrected; /* NaN: not tested */
	bool beyond; /* the figure is beyond those of all runs of the baseline, and far enough */
	bool lower;  /* the run is the better one */
	enum trend_verdict verdict;
	char why[96]; /* why it was not tested; "" */
};

/* Runs of one host and experiment, with or without enforcement, in order of time. */
struct trend_series {
	const char *host, *name;
	bool hsf;
	struct many_run **runs; /* of the trend's array */
	size_t n;
	bool *is_base; /* by run */
	size_t n_base;
	struct trend_test *tests;
	size_t n_tests;
};

struct trend {
	struct many_run **runs; /* sorted by series and time */
	size_t n;
	struct trend_series *series;
	size_t n_series;
	size_t tests, worse, better; /* tests that were made */
	bool lost;		     /* a test could not be made because events were lost */
};

/**
 * trend_make - sort runs into series, and test all runs after the baseline
 * @runs: the function takes over the runs and the array, even if it fails
 * @out: free with trend_free()
 *
 * Return: VMRT_OK; VMRT_ENOENT if no run is the baseline, or if one of the names is not that of a
 * task or server; VMRT_ENOMEM.
 */
enum vmrt_status trend_make(struct many_run **runs, size_t n, const struct trend_options *options,
	struct trend **out, struct vmrt_error *err);

/** trend_free - free a trend; NULL is allowed */
void trend_free(struct trend *trend);

/** trend_run_name - what a run is called in tables: the name of its folder; @buf of 64 bytes */
const char *trend_run_name(const struct many_run *run, char *buf);

/** trend_wants - is the task or server asked for by name? @label: the long name of a task, or
 * NULL */
bool trend_wants(const char *const *names, size_t n_names, const char *name, const char *label);

/** trend_report - a section for each series with the tables "regressions", "tasks", "servers",
 * "tests" */
void trend_report(
	struct vmrt_doc *doc, const struct trend *trend, const struct trend_options *options);

#endif
