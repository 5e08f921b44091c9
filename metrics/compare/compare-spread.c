/* SPDX-License-Identifier: MIT */
/* Shows how far the repetitions of a variant differ. */
#include "compare.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const titles[] = {"Spread between repetitions"};

#define COLUMNS(X)                                                                                 \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP, pooled->label)                              \
	X(metric, "metric", NULL, TEXT, 0, VMRT_DATA_GROUP, metric->key)                           \
	X(words, "", NULL, TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY, metric->words)              \
	X(unit, "unit", NULL, TEXT, 0, VMRT_DATA_GROUP, metric->unit)                              \
	X(run, "run", NULL, TEXT, 0, VMRT_KEY_GROUP, v->facts->label)                              \
	X(runs, "runs", NULL, COUNT, 0, 1, (int64_t)v->n)                                          \
	X(lowest, "lowest", NULL, ANY, 3, 1, lowest)                                               \
	X(pooled, "pooled", NULL, ANY, 3, 1, metric->value(pooled))                                \
	X(highest, "highest", NULL, ANY, 3, 1, highest)

static const struct vmrt_column columns[] = {COLUMNS(VMRT_COLUMN)};

static void put_metric(struct vmrt_table *table, const struct vmrt_variant *v,
	const struct vmrt_task_facts *pooled, const struct compare_task_metric *metric)
{
	struct vmrt_value lowest, highest;
	bool any = false;

	for (size_t r = 0; r < v->n; r++) {
		const struct vmrt_task_facts *t = compare_find_task(v->runs[r], pooled->label);
		struct vmrt_value value = metric->value(t);

		/* comparisons with NaN are false: a run without a value changes nothing */
		if (!any || compare_value_number(value) < compare_value_number(lowest))
			lowest = value;
		if (!any || compare_value_number(value) > compare_value_number(highest))
			highest = value;
		any = any || compare_value_number(value) == compare_value_number(value);
	}
	COLUMNS(VMRT_CELL)
}

void compare_spread(struct vmrt_doc *doc, const struct vmrt_variant *v, size_t n)
{
	size_t n_metrics;
	const struct compare_task_metric *metrics = compare_task_metrics(&n_metrics);
	struct vmrt_table *table = vmrt_doc_table(
		doc, "spread", titles, columns, ARRAY_SIZE(columns), VMRT_TABLE_SPAN);

	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; v[i].n > 1 && t < v[i].facts->n_tasks; t++)
			for (size_t m = 0; v[i].facts->tasks[t].selected && m < n_metrics; m++)
				put_metric(table, &v[i], &v[i].facts->tasks[t], &metrics[m]);
}
