/* SPDX-License-Identifier: MIT */
/* Which differences are more than chance. */
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/significance.h>

#define NOT_SHOWN(key, type)                                                                       \
	{                                                                                          \
		key, key, NULL, VMRT_CELL_##type, -1, VMRT_DATA_GROUP                              \
	}

static const char *const titles[] = {
	"Tests against the base (95 % intervals of differences, two-sided p)"};

#define COLUMNS(run_group)                                                                         \
	{                                                                                          \
		{"task", "task", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},                         \
			NOT_SHOWN("metric", TEXT),                                                 \
			{"words", "", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY}, \
			{"run", "run", NULL, VMRT_CELL_TEXT, 0, run_group},                        \
			{"test", "test", NULL, VMRT_CELL_TEXT, 0, 1},                              \
			{"n_base", "n base", NULL, VMRT_CELL_COUNT, 0, 1},                         \
			{"n_run", "n", NULL, VMRT_CELL_COUNT, 0, 1},                               \
			{"low", "from", NULL, VMRT_CELL_ANY, 3, 1},                                \
			{"high", "to", NULL, VMRT_CELL_ANY, 3, 1},                                 \
			{"p", "p", NULL, VMRT_CELL_P, 3, 1}, NOT_SHOWN("superiority", REAL),       \
			NOT_SHOWN("comparable", BOOL), NOT_SHOWN("why", TEXT),                     \
	}
#define N_COLUMNS 13

/* With two runs people need not be told which one is compared with the base. */
static const struct vmrt_column columns_of_two[N_COLUMNS] = COLUMNS(VMRT_DATA_GROUP);
static const struct vmrt_column columns_of_many[N_COLUMNS] = COLUMNS(VMRT_KEY_GROUP);

static bool differs(const char *what, int64_t a, int64_t b, char *why, size_t room)
{
	char x[VMRT_UNITS_TEXT], y[VMRT_UNITS_TEXT];

	if (a == b)
		return false;
	snprintf(why, room, "%s %s against %s", what, vmrt_format_duration(b, x),
		vmrt_format_duration(a, y));
	return true;
}

static const char *feasibility_word(enum vmrt_feasibility f)
{
	return f == VMRT_FEASIBLE     ? "feasible"
	       : f == VMRT_INFEASIBLE ? "not feasible"
				      : "not analysed";
}

bool vmrt_comparable(const struct vmrt_variant *base, const struct vmrt_variant *variant,
	const char *label, bool allow_loss, char *why, size_t room)
{
	const struct vmrt_task_facts *a = vmrt_find_task(base->facts, label);
	const struct vmrt_task_facts *b = vmrt_find_task(variant->facts, label);
	enum vmrt_feasibility x, y;

	*why = '\0';
	if (!a || !b) {
		snprintf(why, room, "only one of them has it");
		return false;
	}
	if (differs("period", a->period_ns, b->period_ns, why, room) ||
		differs("WCET", a->wcet_ns, b->wcet_ns, why, room) ||
		differs("deadline", a->deadline_ns, b->deadline_ns, why, room))
		return false;
	if (!allow_loss && (vmrt_task_loss(base->facts, a) || vmrt_task_loss(variant->facts, b))) {
		snprintf(why, room, "events were lost (--allow-loss compares all the same)");
		return false;
	}
	/* of a run each: what is pooled has lost its machines */
	x = vmrt_task_feasibility(base->runs[0], vmrt_find_task(base->runs[0], label));
	y = vmrt_task_feasibility(variant->runs[0], vmrt_find_task(variant->runs[0], label));
	if (x != y)
		snprintf(why, room, "by analysis its VM's tasks are %s here and %s there",
			feasibility_word(y), feasibility_word(x));
	return !*why;
}

static double fisher(const struct vmrt_task_metric *m, const struct vmrt_task_facts *a,
	const struct vmrt_task_facts *b)
{
	return vmrt_fisher((uint64_t)m->hits(a), (uint64_t)vmrt_task_known(a), (uint64_t)m->hits(b),
		(uint64_t)vmrt_task_known(b));
}

double vmrt_compare_p(
	const struct vmrt_task_metric *m, struct vmrt_task_facts *a, struct vmrt_task_facts *b)
{
	if (m->test == VMRT_TEST_FISHER)
		return fisher(m, a, b);
	if (m->test == VMRT_TEST_RANKS)
		return vmrt_mann_whitney(&a->responses, &b->responses).p;
	return NAN;
}

static void put_sizes(struct vmrt_table *t, int64_t a, int64_t b)
{
	vmrt_put_count(t, a);
	vmrt_put_count(t, b);
}

static void put_nothing(struct vmrt_table *t, size_t n)
{
	while (n--)
		vmrt_put_unknown(t);
}

/* From column "test" to "superiority". */
static void put_test(struct vmrt_table *t, const struct vmrt_task_metric *m,
	struct vmrt_task_facts *a, struct vmrt_task_facts *b, uint64_t seed)
{
	struct vmrt_rank_test ranks;
	int64_t low, high;

	switch (m->test) {
	case VMRT_TEST_FISHER:
		vmrt_put_text(t, "Fisher");
		put_sizes(t, vmrt_task_known(a), vmrt_task_known(b));
		put_nothing(t, 2);
		vmrt_put_p(t, fisher(m, a, b));
		put_nothing(t, 1);
		return;
	case VMRT_TEST_RANKS:
		ranks = vmrt_mann_whitney(&a->responses, &b->responses);
		vmrt_put_text(t, ranks.exact ? "Mann-Whitney, exact" : "Mann-Whitney");
		put_sizes(t, (int64_t)a->responses.n, (int64_t)b->responses.n);
		put_nothing(t, 2);
		vmrt_put_p(t, ranks.p);
		vmrt_put_real(t, ranks.superiority);
		return;
	case VMRT_TEST_BOOTSTRAP:
		vmrt_bootstrap_percentile(
			&a->responses, &b->responses, m->num, m->den, seed, &low, &high);
		vmrt_put_text(t, "bootstrap");
		put_sizes(t, (int64_t)a->responses.n, (int64_t)b->responses.n);
		vmrt_put_ns(t, low);
		vmrt_put_ns(t, high);
		put_nothing(t, 2);
		return;
	case VMRT_TEST_NONE:
		return;
	}
}

static void put_task(struct vmrt_table *table, const struct vmrt_variant *base,
	const struct vmrt_variant *variant, const char *label, const struct vmrt_compare_options *o)
{
	char why[128];
	bool comparable = vmrt_comparable(base, variant, label, o->allow_loss, why, sizeof(why));
	struct vmrt_task_facts *a = vmrt_find_task(base->facts, label);
	struct vmrt_task_facts *b = vmrt_find_task(variant->facts, label);
	size_t n;
	const struct vmrt_task_metric *metrics = vmrt_task_metrics(&n);

	if (a && b && !a->jobs && !b->jobs)
		return;
	for (size_t m = 0; m < n; m++) {
		if (metrics[m].test == VMRT_TEST_NONE)
			continue;
		vmrt_put_text(table, label);
		vmrt_put_text(table, metrics[m].key);
		vmrt_put_text(table, metrics[m].words);
		vmrt_put_text(table, variant->facts->label);
		if (comparable) {
			put_test(table, &metrics[m], a, b, o->seed);
		} else {
			vmrt_put_text(table, "not comparable");
			put_nothing(table, 6);
		}
		vmrt_put_bool(table, comparable);
		vmrt_put_text(table, comparable ? NULL : why);
	}
	if (!comparable)
		vmrt_put_line(table, "note", "%s: %s is not comparable with %s: %s", label,
			variant->facts->label, base->facts->label, why);
}

void vmrt_compare_tests(struct vmrt_doc *doc, const struct vmrt_variant *v, size_t n,
	const struct vmrt_compare_options *options)
{
	struct vmrt_table *table = vmrt_doc_table(doc, "tests", titles,
		n > 2 ? columns_of_many : columns_of_two, N_COLUMNS, VMRT_TABLE_SPAN);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < v[i].facts->n_tasks; j++)
			for (size_t k = 1; vmrt_task_is_new(v, i, j) && k < n; k++)
				put_task(table, &v[0], &v[k], v[i].facts->tasks[j].label, options);
	vmrt_put_line(table, "tests",
		"Fisher: exact test of misses among jobs of known outcome; Mann-Whitney: U test of "
		"response times, "
		"corrected for ties; bootstrap: %d rounds, SplitMix64 with seed %" PRIu64
		"; all take jobs for independent",
		VMRT_BOOTSTRAP_ROUNDS, options->seed);
}
