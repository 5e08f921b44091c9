/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_COMPARE_COMPARE_H
#define VMRT_METRICS_COMPARE_COMPARE_H

/* Variants, each of one or several runs, side by side. */

#include <vmrt/table.h>

#include "metrics/facts/facts.h"

/* A column of a comparison: one run, or repetitions pooled as if they were one run. */
struct vmrt_variant {
	char *name; /* given on the command line, or NULL */
	struct vmrt_run_facts **runs;
	size_t n;
	struct vmrt_run_facts *facts; /* of all its runs; runs[0] if that is the only one; its label
					 is the variant's */
};

/**
 * vmrt_variants_load - the variants named on a command line
 * @words: RUN, or with @compare [NAME=]RUN[,RUN...]
 * @pool: runs of the same experiment, with or without enforcement, are repetitions of one variant
 * @filter: as for vmrt_facts_load()
 * @out, @n_out: free with vmrt_variants_free(); their labels differ
 *
 * Return: VMRT_OK; errors of vmrt_facts_load(); VMRT_EINVAL if the runs of a variant cannot be
 * repetitions.
 */
enum vmrt_status vmrt_variants_load(const char *const *words, size_t n, bool compare, bool pool,
	const struct vmrt_filter *filter, struct vmrt_variant **out, size_t *n_out,
	struct vmrt_error *err);

/** vmrt_variants_free - free @n variants and all in them; NULL is allowed */
void vmrt_variants_free(struct vmrt_variant *variants, size_t n);

/**
 * compare_facts_pool - the facts of several runs as if all their jobs and periods had been in one
 * @out: free with vmrt_facts_free(); it has no VMs and no times of its own
 *
 * Counts add up, percentiles are of all values together, extremes are the extremes of all; what is
 * said of successive jobs is of jobs of the same run.
 *
 * Return: VMRT_OK; VMRT_EINVAL if tasks or servers differ; VMRT_ENOMEM.
 */
enum vmrt_status compare_facts_pool(struct vmrt_run_facts *const *runs, size_t n,
	struct vmrt_run_facts **out, struct vmrt_error *err);

enum compare_test { VMRT_TEST_NONE, VMRT_TEST_FISHER, VMRT_TEST_RANKS, VMRT_TEST_BOOTSTRAP };

struct compare_task_metric {
	const char *key, *unit, *words;
	struct vmrt_value (*value)(const struct vmrt_task_facts *task);
	enum compare_test test;
	int64_t (*hits)(const struct vmrt_task_facts
			*task); /* for Fisher's test, out of the jobs of known outcome */
	unsigned num, den;	/* which percentile, for the bootstrap */
};

struct compare_server_metric {
	const char *key, *unit, *words;
	struct vmrt_value (*value)(const struct vmrt_server_facts *server);
};

/** compare_task_metrics - what is compared of tasks; @n: how many */
const struct compare_task_metric *compare_task_metrics(size_t *n);

/** compare_server_metrics - what is compared of servers; @n: how many */
const struct compare_server_metric *compare_server_metrics(size_t *n);

/** compare_value_subtract - a - b, unknown if one of them is */
struct vmrt_value compare_value_subtract(struct vmrt_value a, struct vmrt_value b);

/** compare_value_number - as a number; NaN if it is unknown */
double compare_value_number(struct vmrt_value value);

/** compare_find_task, compare_find_server - the one so called that was asked for, or NULL */
struct vmrt_task_facts *compare_find_task(const struct vmrt_run_facts *facts, const char *label);
struct vmrt_server_facts *compare_find_server(const struct vmrt_run_facts *facts, const char *name);

/** compare_task_is_new - is task @j of variant @i one that was asked for and that no variant before
 * it has? */
bool compare_task_is_new(const struct vmrt_variant *variants, size_t i, size_t j);

struct vmrt_compare_options {
	bool allow_loss;
	uint64_t seed; /* of the bootstrap */
};

/**
 * compare_tests - a table "tests": tests of each task against the base, and its lines
 * @variants: the first is the base
 */
void compare_tests(struct vmrt_doc *doc, const struct vmrt_variant *variants, size_t n,
	const struct vmrt_compare_options *options);

/** compare_answer - the table "answer": what changed against the base, in a few lines for
 * people */
void compare_answer(struct vmrt_doc *doc, const struct vmrt_variant *variants, size_t n,
	const struct vmrt_compare_options *options);

/** compare_spread - a table "spread": how figures differ between the repetitions of a variant
 */
void compare_spread(struct vmrt_doc *doc, const struct vmrt_variant *variants, size_t n);

/**
 * compare_comparable - may the task called @label be tested in @variant against @base?
 * @why: set to the reason if not
 */
bool compare_comparable(const struct vmrt_variant *base, const struct vmrt_variant *variant,
	const char *label, bool allow_loss, char *why, size_t room);

/** compare_p - p of the metric's test of @b against @a; NaN: it has no such test */
double compare_p(const struct compare_task_metric *metric, struct vmrt_task_facts *a,
	struct vmrt_task_facts *b);

struct vmrt_comparison;

/**
 * vmrt_report_compare - tables of several variants side by side, with the first as the base
 * @variants: at least 2, with labels that differ; kept by reference
 *
 * Return: to be freed with vmrt_comparison_free(); NULL without memory.
 */
struct vmrt_comparison *vmrt_report_compare(
	const struct vmrt_variant *variants, size_t n, const struct vmrt_compare_options *options);

/** vmrt_comparison_doc - the document, owned by @comparison */
struct vmrt_doc *vmrt_comparison_doc(const struct vmrt_comparison *comparison);

void vmrt_comparison_free(struct vmrt_comparison *comparison);

#endif
