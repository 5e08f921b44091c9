/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_FAILIF_FAILIF_H
#define VMRT_METRICS_FAILIF_FAILIF_H

/* Conditions on figures of a run, as in --fail-if 'miss(rt_task1) > 1%'. */

#include <stdbool.h>
#include <stddef.h>

#include <vmrt/similar.h>
#include <vmrt/table.h>

#include "metrics/facts/facts.h"

enum vmrt_scope { VMRT_SCOPE_TASK, VMRT_SCOPE_SERVER, VMRT_SCOPE_MACHINE };

/*
 * A figure, and the least and the largest value that it can have, because parts of the run are
 * unknown. If nothing is unknown, all three are the same. Durations are in ns, shares are
 * fractions.
 */
struct vmrt_figure {
	unsigned num, den;	 /* which percentile is wanted, where it is one */
	double value, low, high; /* NaN: nothing is known */
	char why[96];		 /* why it is unknown, or may be another; "" */
};

struct condition_metric {
	const char *name;
	enum vmrt_scope scope;
	enum vmrt_cell_type type; /* RATIO, COUNT or NS */
	/* @of: a struct vmrt_task_facts, vmrt_server_facts or vmrt_machine_facts */
	void (*figure)(const void *of, struct vmrt_figure *figure);
	const char *words;
};

/** condition_metric_list - all metrics, up to one without a name; response_p stands for all
 * percentiles
 */
const struct condition_metric *condition_metric_list(void);

enum condition_relation {
	VMRT_ABOVE,
	VMRT_FROM,
	VMRT_BELOW,
	VMRT_UPTO,
	VMRT_EQUAL,
	VMRT_DIFFERENT
};

struct vmrt_condition {
	const char *text;
	char words[32];	    /* the metric as it was written */
	const char *limits; /* the part of @text that begins with the relation */
	const struct condition_metric *metric;
	unsigned num, den; /* of a percentile */
	char name[128];	   /* of a task, server or machine; "": each of them */
	enum condition_relation relation;
	double limit;
};

/**
 * vmrt_condition_parse - read METRIC[(NAME)] RELATION VALUE[UNIT]
 * @text: kept by reference
 *
 * Return: VMRT_OK; VMRT_EINVAL, with an error that names the position and what is allowed there.
 */
enum vmrt_status vmrt_condition_parse(
	const char *text, struct vmrt_condition *out, struct vmrt_error *err);

enum vmrt_verdict { VMRT_VERDICT_OK, VMRT_VERDICT_UNKNOWN, VMRT_VERDICT_VIOLATED };

/** vmrt_condition_has_relation - is there anything behind METRIC[(NAME)]? True as well if that is
 * malformed */
bool vmrt_condition_has_relation(const char *text);

/** vmrt_condition_judge - is the condition true of @figure for certain (violated), false for
 * certain (ok), or neither? */
enum vmrt_verdict vmrt_condition_judge(
	const struct vmrt_condition *condition, const struct vmrt_figure *figure);

/** vmrt_scope_word - "task", "server" or "machine" */
const char *vmrt_scope_word(enum vmrt_scope scope);

/**
 * vmrt_condition_misses - does the condition name something that is not there, while others are?
 * @list: set to what there is, if so
 */
bool vmrt_condition_misses(const struct vmrt_run_facts *facts,
	const struct vmrt_condition *condition, char list[VMRT_SIMILAR_TEXT]);

/* A condition and its verdict for one task, server or machine. */
struct vmrt_judged {
	const struct vmrt_condition *condition;
	const char *name; /* of the task, server or machine */
	struct vmrt_figure figure;
	enum vmrt_verdict verdict;
};

/**
 * vmrt_conditions_judge - judge conditions for a run
 * @allow_loss: judge figures as if nothing had been lost
 * @each: called for each condition and what it is about
 * @verdict: set to the worst: violated before unknown before ok
 *
 * Return: VMRT_OK; VMRT_ENOENT if a named task, server or machine is not in the run, or a condition
 * applies to none.
 */
enum vmrt_status vmrt_conditions_judge(const struct vmrt_run_facts *facts,
	const struct vmrt_condition *conditions, size_t n, bool allow_loss,
	void (*each)(void *ctx, const struct vmrt_judged *judged), void *ctx,
	enum vmrt_verdict *verdict, struct vmrt_error *err);

/**
 * vmrt_conditions_table - an empty table "conditions" in the last section of @doc
 * @runs: it is about several runs and says which
 */
struct vmrt_table *vmrt_conditions_table(struct vmrt_doc *doc, bool runs);

/**
 * vmrt_report_conditions - a row for each condition and what it is about
 * @table: as made with @runs
 * @allow_loss: judge figures as if nothing had been lost
 * @verdict: set to the worst: violated before unknown before ok
 *
 * Return: VMRT_OK; VMRT_ENOENT if a named task, server or machine is not in the run, or a condition
 * applies to none.
 */
enum vmrt_status vmrt_report_conditions(struct vmrt_table *table, bool runs,
	const struct vmrt_run_facts *facts, const struct vmrt_condition *conditions, size_t n,
	bool allow_loss, enum vmrt_verdict *verdict, struct vmrt_error *err);

#endif
