/* SPDX-License-Identifier: MIT */
/* The answer that a comparison begins with: per task one line for each variant, what changed, and
 * whether by chance. */
#include "compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metrics/figures/figures.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ROWS_MAX 11	   /* so that all fits 24 lines */
#define SCHEDULES_MAX 4	   /* in one figure */
#define SIGNIFICANT_P 0.05 /* below it a difference is said to be more than chance */

#define COLUMNS(X)                                                                                 \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP, label)                                      \
	X(variant, "variant", NULL, TEXT, 14, VMRT_KEY_GROUP, v->facts->label)                     \
	X(jobs, "jobs", NULL, COUNT, 0, 1, t ? t->jobs : VMRT_UNKNOWN)                             \
	X(miss_ratio, "miss", "%", RATIO, 1, 1, t ? vmrt_task_miss_ratio(t) : NAN)                 \
	X(response_p50_ns, "p50", "ms", NS, VMRT_SIGNIFICANT, 1,                                   \
		t ? t->response_p50 : VMRT_UNKNOWN)                                                \
	X(response_p99_ns, "p99", "ms", NS, VMRT_SIGNIFICANT, 1,                                   \
		t ? t->response_p99 : VMRT_UNKNOWN)                                                \
	X(response_max_ns, "max", "ms", NS, VMRT_SIGNIFICANT, 1,                                   \
		t ? t->response.max : VMRT_UNKNOWN)                                                \
	X(change, "against the first", NULL, TEXT, 40, 1, change)

static const struct vmrt_column columns[] = {COLUMNS(VMRT_COLUMN)};

/* "p<0.001" */
static const char *p_words(double p, char *buf, size_t room)
{
	if (p < 0.001)
		snprintf(buf, room, "p<0.001");
	else
		snprintf(buf, room, "p=%.3f", p);
	return buf;
}

static const char *misses_words(const struct vmrt_task_facts *a, const struct vmrt_task_facts *b)
{
	return vmrt_task_miss_ratio(b) < vmrt_task_miss_ratio(a) ? "fewer misses" : "MORE misses";
}

static const char *speed_words(const struct vmrt_task_facts *a, const struct vmrt_task_facts *b)
{
	return b->response_p50 < a->response_p50 ? "faster" : "slower";
}

/* "fewer misses, faster, p<0.001": what is more than chance, or that nothing is. */
static void describe(const struct vmrt_variant *base, const struct vmrt_variant *v,
	const char *label, bool allow_loss, char *buf, size_t room)
{
	struct vmrt_task_facts *a = compare_find_task(base->facts, label);
	struct vmrt_task_facts *b = compare_find_task(v->facts, label);
	double misses = NAN, responses = NAN;
	char why[128], p[16];
	size_t n;
	const struct compare_task_metric *metrics = compare_task_metrics(&n);

	if (!compare_comparable(base, v, label, allow_loss, why, sizeof(why))) {
		snprintf(buf, room, "not tested (see --full)");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(metrics[i].key, "miss_ratio"))
			misses = compare_p(&metrics[i], a, b);
		else if (metrics[i].test == VMRT_TEST_RANKS)
			responses = compare_p(&metrics[i], a, b);
	}
	if (isnan(misses) && isnan(responses))
		snprintf(buf, room, "not tested (too few jobs)");
	else if (!(misses < SIGNIFICANT_P) && !(responses < SIGNIFICANT_P))
		snprintf(buf, room, "no significant change");
	else if (!(responses < SIGNIFICANT_P))
		snprintf(buf, room, "%s, %s", misses_words(a, b), p_words(misses, p, sizeof(p)));
	else if (!(misses < SIGNIFICANT_P))
		snprintf(buf, room, "%s, %s", speed_words(a, b), p_words(responses, p, sizeof(p)));
	else /* the larger of the two holds for both */
		snprintf(buf, room, "%s, %s, %s", misses_words(a, b), speed_words(a, b),
			p_words(fmax(misses, responses), p, sizeof(p)));
}

static void put_row(struct vmrt_table *table, const char *label, const struct vmrt_variant *v,
	const char *change)
{
	const struct vmrt_task_facts *t = compare_find_task(v->facts, label);

	COLUMNS(VMRT_CELL)
}

static void put_task(struct vmrt_table *table, const struct vmrt_variant *v, size_t n,
	const char *label, bool allow_loss)
{
	char change[160];

	put_row(table, label, &v[0], "(base)");
	for (size_t i = 1; i < n; i++) {
		describe(&v[0], &v[i], label, allow_loss, change, sizeof(change));
		put_row(table, label, &v[i], change);
	}
}

/* On a page of HTML, the schedules of the first run of each variant, one above the other. */
static void put_figure(struct vmrt_table *t, const struct vmrt_variant *v, size_t n)
{
	struct vmrt_figure_run runs[SCHEDULES_MAX];
	size_t shown = n < SCHEDULES_MAX ? n : SCHEDULES_MAX;

	for (size_t i = 0; i < shown; i++) {
		if (!(v[i].runs[0]->filter.show & VMRT_SHOW_PICTURES))
			return;
		runs[i] = (struct vmrt_figure_run){
			.label = v[i].facts->label, .origin = v[i].runs[0]->origin};
	}
	vmrt_page_schedule(t, runs, shown);
}

void compare_answer(struct vmrt_doc *doc, const struct vmrt_variant *v, size_t n,
	const struct vmrt_compare_options *options)
{
	unsigned flags = VMRT_TABLE_BRIEF | VMRT_TABLE_PEOPLE;
	struct vmrt_table *t =
		vmrt_doc_table(doc, "answer", NULL, columns, ARRAY_SIZE(columns), flags);
	size_t rows = 0, hidden = 0, lines = 0;
	char trust[512], words[1024], run[400];

	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < v[i].facts->n_tasks; j++) {
			if (!compare_task_is_new(v, i, j))
				continue;
			if (rows && rows + n > ROWS_MAX) {
				hidden++;
				continue;
			}
			put_task(t, v, n, v[i].facts->tasks[j].label, options->allow_loss);
			rows += n;
		}
	}
	if (hidden)
		vmrt_put_line(t, "more", "%zu tasks are not shown here", hidden);
	for (size_t i = 0; i < n; i++) {
		size_t runs = v[i].n;

		if (lines++ == 2 && n > 3) {
			vmrt_put_line(t, "trust", "%zu more variants: see --full", n - i);
			break;
		}
		vmrt_facts_trust(v[i].runs[0], trust, sizeof(trust));
		if (runs > 1)
			vmrt_put_line(t, "trust", "%s: first of %zu runs: %s", v[i].facts->label,
				runs, trust);
		else
			vmrt_put_line(t, "trust", "%s: %s", v[i].facts->label, trust);
	}
	put_figure(t, v, n);
	*words = '\0';
	for (size_t i = 0; i < n && i < 4; i++)
		snprintf(words + strlen(words), sizeof(words) - strlen(words), " %s%s",
			vmrt_shell_word(v[i].runs[0]->origin, run, sizeof(run)),
			v[i].n > 1 ? ",..." : "");
	vmrt_put_line(t, "next", "vmrt-report --compare --full%s%s", words, n > 4 ? " ..." : "");
}
