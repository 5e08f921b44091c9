/* SPDX-License-Identifier: MIT */
/* Tests which differences between variants are more than chance. */
#include "compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metrics/stats/significance.h"

static const char *const titles[] = {
	"Tests against the base (95 % intervals of differences, two-sided p)"};

/* What a test of one metric found; what it does not have is unknown. */
struct tested {
	const char *test;
	int64_t n_base, n_run;
	int64_t low_ns, high_ns;
	double p, superiority;
};

#define COLUMNS(X, run_group)                                                                      \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP, label)                                      \
	VMRT_DATA(X, metric, TEXT, metrics[m].key)                                                 \
	X(words, "", NULL, TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY, metrics[m].words)           \
	X(run, "run", NULL, TEXT, 0, run_group, variant->facts->label)                             \
	X(test, "test", NULL, TEXT, 0, 1, tested.test)                                             \
	X(n_base, "n base", NULL, COUNT, 0, 1, tested.n_base)                                      \
	X(n_run, "n", NULL, COUNT, 0, 1, tested.n_run)                                             \
	X(low, "from", NULL, ANY, 3, 1, duration(tested.low_ns))                                   \
	X(high, "to", NULL, ANY, 3, 1, duration(tested.high_ns))                                   \
	X(p, "p", NULL, P, 3, 1, tested.p)                                                         \
	VMRT_DATA(X, superiority, REAL, tested.superiority)                                        \
	VMRT_DATA(X, comparable, BOOL, comparable)                                                 \
	VMRT_DATA(X, why, TEXT, comparable ? NULL : why)

/* With two runs it is clear which one is compared with the base. */
static const struct vmrt_column columns_of_two[] = {COLUMNS(VMRT_COLUMN, VMRT_DATA_GROUP)};
static const struct vmrt_column columns_of_many[] = {COLUMNS(VMRT_COLUMN, VMRT_KEY_GROUP)};

#define N_COLUMNS (sizeof(columns_of_two) / sizeof(columns_of_two[0]))

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

bool compare_comparable(const struct vmrt_variant *base, const struct vmrt_variant *variant,
	const char *label, bool allow_loss, char *why, size_t room)
{
	const struct vmrt_task_facts *a = compare_find_task(base->facts, label);
	const struct vmrt_task_facts *b = compare_find_task(variant->facts, label);
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
	x = vmrt_task_feasibility(base->runs[0], compare_find_task(base->runs[0], label));
	y = vmrt_task_feasibility(variant->runs[0], compare_find_task(variant->runs[0], label));
	if (x != y)
		snprintf(why, room, "by analysis its VM's tasks are %s here and %s there",
			feasibility_word(y), feasibility_word(x));
	return !*why;
}

static double fisher(const struct compare_task_metric *m, const struct vmrt_task_facts *a,
	const struct vmrt_task_facts *b)
{
	return vmrt_fisher((uint64_t)m->hits(a), (uint64_t)vmrt_task_known(a), (uint64_t)m->hits(b),
		(uint64_t)vmrt_task_known(b));
}

double compare_p(
	const struct compare_task_metric *m, struct vmrt_task_facts *a, struct vmrt_task_facts *b)
{
	if (m->test == VMRT_TEST_FISHER)
		return fisher(m, a, b);
	if (m->test == VMRT_TEST_RANKS)
		return vmrt_mann_whitney(&a->responses, &b->responses).p;
	return NAN;
}

static struct vmrt_value duration(int64_t ns)
{
	return (struct vmrt_value){VMRT_CELL_NS, ns, NAN};
}

static struct tested test(const struct compare_task_metric *m, struct vmrt_task_facts *a,
	struct vmrt_task_facts *b, uint64_t seed)
{
	struct tested t = {NULL, VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_UNKNOWN, NAN, NAN};
	struct vmrt_rank_test ranks;

	switch (m->test) {
	case VMRT_TEST_FISHER:
		t.test = "Fisher";
		t.n_base = vmrt_task_known(a);
		t.n_run = vmrt_task_known(b);
		t.p = fisher(m, a, b);
		return t;
	case VMRT_TEST_RANKS:
		ranks = vmrt_mann_whitney(&a->responses, &b->responses);
		t.test = ranks.exact ? "Mann-Whitney, exact" : "Mann-Whitney";
		t.p = ranks.p;
		t.superiority = ranks.superiority;
		break;
	case VMRT_TEST_BOOTSTRAP:
		vmrt_bootstrap_percentile(
			&a->responses, &b->responses, m->num, m->den, seed, &t.low_ns, &t.high_ns);
		t.test = "bootstrap";
		break;
	case VMRT_TEST_NONE:
		return t;
	}
	t.n_base = (int64_t)a->responses.n;
	t.n_run = (int64_t)b->responses.n;
	return t;
}

static void put_task(struct vmrt_table *table, const struct vmrt_variant *base,
	const struct vmrt_variant *variant, const char *label, const struct vmrt_compare_options *o)
{
	char why[128];
	bool comparable = compare_comparable(base, variant, label, o->allow_loss, why, sizeof(why));
	struct vmrt_task_facts *a = compare_find_task(base->facts, label);
	struct vmrt_task_facts *b = compare_find_task(variant->facts, label);
	size_t n;
	const struct compare_task_metric *metrics = compare_task_metrics(&n);
	const struct tested none = {
		"not comparable", VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_UNKNOWN, NAN, NAN};
	struct tested tested;

	if (a && b && !a->jobs && !b->jobs)
		return;
	for (size_t m = 0; m < n; m++) {
		if (metrics[m].test == VMRT_TEST_NONE)
			continue;
		tested = comparable ? test(&metrics[m], a, b, o->seed) : none;
		COLUMNS(VMRT_CELL, 0)
	}
	if (!comparable)
		vmrt_put_line(table, "note", "%s: %s is not comparable with %s: %s", label,
			variant->facts->label, base->facts->label, why);
}

void compare_tests(struct vmrt_doc *doc, const struct vmrt_variant *v, size_t n,
	const struct vmrt_compare_options *options)
{
	struct vmrt_table *table = vmrt_doc_table(doc, "tests", titles,
		n > 2 ? columns_of_many : columns_of_two, N_COLUMNS, VMRT_TABLE_SPAN);

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < v[i].facts->n_tasks; j++)
			for (size_t k = 1; compare_task_is_new(v, i, j) && k < n; k++)
				put_task(table, &v[0], &v[k], v[i].facts->tasks[j].label, options);
	vmrt_put_line(table, "tests",
		"Fisher: exact test of misses among jobs of known outcome; Mann-Whitney: U test of "
		"response times, "
		"corrected for ties; bootstrap: %d rounds, SplitMix64 with seed %" PRIu64
		"; all take jobs for independent",
		VMRT_BOOTSTRAP_ROUNDS, options->seed);
}
