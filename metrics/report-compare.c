/* SPDX-License-Identifier: MIT */
/* Several runs side by side. */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NOT_SHOWN(key, type) {key, key, NULL, VMRT_CELL_##type, -1, VMRT_DATA_GROUP}
#define HEAD_MAX 14 /* longer names of runs are cut at the front of columns */

static const struct vmrt_column run_columns[] = {
	NOT_SHOWN("run", TEXT),
	NOT_SHOWN("origin", TEXT),
	NOT_SHOWN("recorded_at", TEXT),
	NOT_SHOWN("duration_ns", NS),
	NOT_SHOWN("hsf", BOOL),
	NOT_SHOWN("loss", BOOL),
};

struct vmrt_comparison {
	struct vmrt_doc *doc;
	struct vmrt_run_facts *const *runs;
	size_t n;
	bool allow_loss;
	struct vmrt_column *columns, *server_columns;
	char **texts; /* heads and keys of the columns */
	size_t n_texts;
	char title_difference[96], title_p[96];
	const char *titles[4], *server_titles[3];
};

/* What one metric of one run is. */
struct value {
	enum vmrt_cell_type type;
	int64_t number; /* COUNT, NS, BOOL; VMRT_UNKNOWN: unknown */
	double ratio;	/* RATIO; NaN: unknown */
};

enum task_metric { JOBS, KNOWN, MISSED, MISS, EXPLAINED, UNEXPLAINED, P50, P99, MAX, JITTER, RELATIVE, RELEASE };

static const struct metric {
	const char *key, *unit, *words;
} task_metrics[] = {
	[JOBS] = {"jobs", "count", "jobs"},
	[KNOWN] = {"known", "count", "with known outcome"},
	[MISSED] = {"missed", "count", "missed"},
	[MISS] = {"miss_ratio", "ratio", "missed, %"},
	[EXPLAINED] = {"explained", "count", "explained"},
	[UNEXPLAINED] = {"unexplained_ratio", "ratio", "unexplained, %"},
	[P50] = {"response_p50", "ns", "response p50, ms"},
	[P99] = {"response_p99", "ns", "response p99, ms"},
	[MAX] = {"response_max", "ns", "response max, ms"},
	[JITTER] = {"response_jitter", "ns", "response jitter, ms"},
	[RELATIVE] = {"response_jitter_relative", "ns", "  relative, ms"},
	[RELEASE] = {"release_jitter", "ns", "release jitter, ms"},
};

enum server_metric { ENFORCED, JUDGED, DEPLETED, CONSUMED, BACKGROUND, OVER_P50, OVER_P99, OVER_MAX, BLACKOUT };

static const struct metric server_metrics[] = {
	[ENFORCED] = {"enforced", "bool", "enforced"},
	[JUDGED] = {"judged", "count", "judged periods"},
	[DEPLETED] = {"depleted", "count", "depleted"},
	[CONSUMED] = {"consumed_ratio", "ratio", "consumed, %"},
	[BACKGROUND] = {"background_ratio", "ratio", "background, %"},
	[OVER_P50] = {"overshoot_p50", "ns", "overshoot p50, ms"},
	[OVER_P99] = {"overshoot_p99", "ns", "overshoot p99, ms"},
	[OVER_MAX] = {"overshoot_max", "ns", "overshoot max, ms"},
	[BLACKOUT] = {"blackout_max", "ns", "longest blackout, ms"},
};

static struct value count(int64_t n)
{
	return (struct value){VMRT_CELL_COUNT, n, NAN};
}

static struct value ns(int64_t n)
{
	return (struct value){VMRT_CELL_NS, n, NAN};
}

static struct value ratio(double r)
{
	return (struct value){VMRT_CELL_RATIO, 0, r};
}

static struct value task_value(const struct vmrt_task_facts *t, enum task_metric metric)
{
	switch (metric) {
	case JOBS:
		return count(t->jobs);
	case KNOWN:
		return count(vmrt_task_known(t));
	case MISSED:
		return count(vmrt_task_missed(t));
	case MISS:
		return ratio(vmrt_task_miss_ratio(t));
	case EXPLAINED:
		return count(t->excused);
	case UNEXPLAINED:
		return ratio(vmrt_task_unexplained_ratio(t));
	case P50:
		return ns(t->response_p50);
	case P99:
		return ns(t->response_p99);
	case MAX:
		return ns(t->response.max);
	case JITTER:
		return ns(vmrt_series_jitter(&t->response));
	case RELATIVE:
		return ns(t->response.relative);
	case RELEASE:
		return ns(vmrt_series_jitter(&t->release));
	}
	return count(VMRT_UNKNOWN);
}

static struct value server_value(const struct vmrt_server_facts *s, enum server_metric metric)
{
	switch (metric) {
	case ENFORCED:
		return (struct value){VMRT_CELL_BOOL, s->enforced, NAN};
	case JUDGED:
		return count(s->judged);
	case DEPLETED:
		return count(s->depleted);
	case CONSUMED:
		return ratio(s->consumed_ratio);
	case BACKGROUND:
		return ratio(s->background_ratio);
	case OVER_P50:
		return ns(s->over_p50);
	case OVER_P99:
		return ns(s->over_p99);
	case OVER_MAX:
		return ns(s->over_max);
	case BLACKOUT:
		return ns(s->blackout_max);
	}
	return count(VMRT_UNKNOWN);
}

static void put_value(struct vmrt_table *table, struct value v)
{
	if (v.type == VMRT_CELL_RATIO)
		vmrt_put_ratio(table, v.ratio);
	else if (v.type == VMRT_CELL_NS)
		vmrt_put_ns(table, v.number);
	else if (v.type == VMRT_CELL_BOOL)
		vmrt_put_bool(table, v.number);
	else
		vmrt_put_count(table, v.number);
}

static struct value subtract(struct value a, struct value b)
{
	if (a.type == VMRT_CELL_BOOL)
		return count(VMRT_UNKNOWN);
	a.ratio -= b.ratio;
	if (a.number == VMRT_UNKNOWN || b.number == VMRT_UNKNOWN)
		a.number = VMRT_UNKNOWN;
	else
		a.number -= b.number;
	return a;
}

static const struct vmrt_task_facts *find_task(const struct vmrt_run_facts *f, const char *label)
{
	for (size_t i = 0; i < f->n_tasks; i++)
		if (f->tasks[i].selected && !strcmp(f->tasks[i].label, label))
			return &f->tasks[i];
	return NULL;
}

static const struct vmrt_server_facts *find_server(const struct vmrt_run_facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_servers; i++)
		if (!strcmp(f->servers[i].name, name))
			return &f->servers[i];
	return NULL;
}

/* Fisher's test of a count of misses of @b against @a; NaN for metrics that are no such count. */
static double test_misses(
	const struct vmrt_task_facts *a, const struct vmrt_task_facts *b, enum task_metric metric)
{
	int64_t hits_a = vmrt_task_missed(a), hits_b = vmrt_task_missed(b);

	if (metric != MISS && metric != UNEXPLAINED)
		return NAN;
	if (metric == UNEXPLAINED) {
		hits_a -= a->excused;
		hits_b -= b->excused;
	}
	return vmrt_fisher((uint64_t)hits_a, (uint64_t)vmrt_task_known(a), (uint64_t)hits_b,
		(uint64_t)vmrt_task_known(b));
}

static bool differs(const char *what, int64_t a, int64_t b, char *why, size_t room)
{
	char x[VMRT_UNITS_TEXT], y[VMRT_UNITS_TEXT];

	if (a == b)
		return false;
	snprintf(why, room, "%s %s against %s", what, vmrt_format_duration(b, x),
		vmrt_format_duration(a, y));
	return true;
}

/* May task @b of run @i be compared with @a of the base? If not, @why says why. */
static bool comparable(const struct vmrt_comparison *c, size_t i, const struct vmrt_task_facts *a,
	const struct vmrt_task_facts *b, char *why, size_t room)
{
	*why = '\0';
	if (!a || !b)
		snprintf(why, room, "only one of them has it");
	else if (differs("period", a->period_ns, b->period_ns, why, room) ||
		differs("WCET", a->wcet_ns, b->wcet_ns, why, room) ||
		differs("deadline", a->deadline_ns, b->deadline_ns, why, room))
		return false;
	else if (!c->allow_loss && (vmrt_facts_loss(c->runs[0]) || vmrt_facts_loss(c->runs[i])))
		snprintf(why, room, "events were lost (--allow-loss compares all the same)");
	return !*why;
}

static void put_task(struct vmrt_comparison *c, struct vmrt_table *table, const char *label)
{
	const struct vmrt_task_facts *base = find_task(c->runs[0], label);
	char why[128];

	for (size_t m = 0; m < ARRAY_SIZE(task_metrics); m++) {
		vmrt_put_text(table, label);
		vmrt_put_text(table, task_metrics[m].key);
		vmrt_put_text(table, task_metrics[m].words);
		vmrt_put_text(table, task_metrics[m].unit);
		for (size_t i = 0; i < c->n; i++) {
			const struct vmrt_task_facts *t = find_task(c->runs[i], label);

			if (t)
				put_value(table, task_value(t, m));
			else
				vmrt_put_unknown(table);
		}
		for (size_t i = 1; i < c->n; i++) {
			const struct vmrt_task_facts *t = find_task(c->runs[i], label);

			if (comparable(c, i, base, t, why, sizeof(why)))
				put_value(table, subtract(task_value(t, m), task_value(base, m)));
			else
				vmrt_put_unknown(table);
		}
		for (size_t i = 1; i < c->n; i++) {
			const struct vmrt_task_facts *t = find_task(c->runs[i], label);

			if (comparable(c, i, base, t, why, sizeof(why)))
				vmrt_put_p(table, test_misses(base, t, m));
			else
				vmrt_put_unknown(table);
		}
	}
	for (size_t i = 1; i < c->n; i++)
		if (!comparable(c, i, base, find_task(c->runs[i], label), why, sizeof(why)))
			vmrt_put_line(table, "note", "%s: %s is not comparable with %s: %s", label,
				c->runs[i]->label, c->runs[0]->label, why);
}

static void put_server(struct vmrt_comparison *c, struct vmrt_table *table, const char *name)
{
	const struct vmrt_server_facts *base = find_server(c->runs[0], name);

	for (size_t m = 0; m < ARRAY_SIZE(server_metrics); m++) {
		vmrt_put_text(table, name);
		vmrt_put_text(table, server_metrics[m].key);
		vmrt_put_text(table, server_metrics[m].words);
		vmrt_put_text(table, server_metrics[m].unit);
		for (size_t i = 0; i < c->n; i++) {
			const struct vmrt_server_facts *s = find_server(c->runs[i], name);

			if (s)
				put_value(table, server_value(s, m));
			else
				vmrt_put_unknown(table);
		}
		for (size_t i = 1; i < c->n; i++) {
			const struct vmrt_server_facts *s = find_server(c->runs[i], name);

			if (s && base)
				put_value(table, subtract(server_value(s, m), server_value(base, m)));
			else
				vmrt_put_unknown(table);
		}
	}
}

/* A formatted text that lives as long as the comparison; "" without memory. */
static const char *keep(struct vmrt_comparison *c, const char *prefix, const char *label, bool cut)
{
	char *text = NULL;
	size_t length = strlen(label);

	if (cut && length > HEAD_MAX)
		length = (size_t)asprintf(&text, "%s..%s", prefix, label + length - (HEAD_MAX - 2));
	else
		length = (size_t)asprintf(&text, "%s%s", prefix, label);
	if (length == (size_t)-1) {
		vmrt_doc_fail(c->doc);
		return "";
	}
	c->texts[c->n_texts++] = text;
	return text;
}

/* Columns: name, metric, a value of each run, its difference to the base, and @tests. */
static void make_columns(
	struct vmrt_comparison *c, struct vmrt_column *columns, const char *what, bool tests)
{
	bool wide = c->n > 2; /* then differences and tests are tables of their own for people */
	struct vmrt_column *p = columns;

	*p++ = (struct vmrt_column){what, what, NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP};
	*p++ = (struct vmrt_column)NOT_SHOWN("metric", TEXT);
	*p++ = (struct vmrt_column){
		"words", "", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY};
	*p++ = (struct vmrt_column)NOT_SHOWN("unit", TEXT);
	for (size_t i = 0; i < c->n; i++)
		*p++ = (struct vmrt_column){keep(c, "value_", c->runs[i]->label, false),
			keep(c, "", c->runs[i]->label, true), NULL, VMRT_CELL_ANY, 3, 1};
	for (size_t i = 1; i < c->n; i++)
		*p++ = (struct vmrt_column){keep(c, "difference_", c->runs[i]->label, false),
			wide ? keep(c, "", c->runs[i]->label, true) : "difference", NULL, VMRT_CELL_ANY, 3,
			wide ? 2 : 1};
	for (size_t i = 1; tests && i < c->n; i++)
		*p++ = (struct vmrt_column){keep(c, "p_", c->runs[i]->label, false),
			wide ? keep(c, "", c->runs[i]->label, true) : "p", NULL, VMRT_CELL_P, 3,
			wide ? 3 : 1};
}

static void put_runs(struct vmrt_comparison *c)
{
	struct vmrt_table *t = vmrt_doc_table(
		c->doc, "runs", NULL, run_columns, ARRAY_SIZE(run_columns), VMRT_TABLE_PROSE);

	for (size_t i = 0; i < c->n; i++) {
		const struct vmrt_run_facts *f = c->runs[i];
		bool timed = f->start_ns != VMRT_UNKNOWN && f->end_ns != VMRT_UNKNOWN;
		int64_t duration = timed ? f->end_ns - f->start_ns : VMRT_UNKNOWN;
		char buf[VMRT_UNITS_TEXT];

		vmrt_put_text(t, f->label);
		vmrt_put_text(t, f->origin);
		vmrt_put_text(t, f->recorded_at);
		vmrt_put_ns(t, duration);
		vmrt_put_bool(t, f->hsf);
		vmrt_put_bool(t, vmrt_facts_loss(f));
		vmrt_put_line(t, "run", "%s: HSF %s, %s, recorded %s%s; %s", f->label, f->hsf ? "on" : "off",
			vmrt_format_duration(duration, buf), f->recorded_at ? f->recorded_at : "-",
			vmrt_facts_loss(f) ? ", with loss" : "", f->origin);
	}
}

static void fill(struct vmrt_comparison *c)
{
	struct vmrt_table *t;

	vmrt_doc_section(c->doc, "Comparison");
	put_runs(c);
	t = vmrt_doc_table(c->doc, "tasks", c->titles, c->columns, 2 + c->n * 3, VMRT_TABLE_SPAN);
	for (size_t i = 0; i < c->n; i++) {
		for (size_t j = 0; j < c->runs[i]->n_tasks; j++) {
			const struct vmrt_task_facts *task = &c->runs[i]->tasks[j];
			bool earlier = false;

			for (size_t k = 0; k < i; k++)
				earlier = earlier || find_task(c->runs[k], task->label);
			if (task->selected && !earlier)
				put_task(c, t, task->label);
		}
	}
	t = vmrt_doc_table(c->doc, "servers", c->server_titles, c->server_columns, 3 + c->n * 2,
		VMRT_TABLE_SPAN);
	for (size_t i = 0; i < c->n; i++) {
		for (size_t j = 0; j < c->runs[i]->n_servers; j++) {
			const char *name = c->runs[i]->servers[j].name;
			bool earlier = false;

			for (size_t k = 0; k < i; k++)
				earlier = earlier || find_server(c->runs[k], name);
			if (!earlier)
				put_server(c, t, name);
		}
	}
}

struct vmrt_comparison *vmrt_report_compare(
	struct vmrt_run_facts *const *runs, size_t n, bool allow_loss)
{
	struct vmrt_comparison *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->runs = runs;
	c->n = n;
	c->allow_loss = allow_loss;
	c->doc = vmrt_doc_new("comparison", false);
	c->columns = calloc(4 + 3 * n, sizeof(*c->columns));
	c->server_columns = calloc(4 + 3 * n, sizeof(*c->server_columns));
	c->texts = calloc(12 * n, sizeof(*c->texts));
	if (!c->doc || !c->columns || !c->server_columns || !c->texts) {
		vmrt_comparison_free(c);
		return NULL;
	}
	snprintf(c->title_difference, sizeof(c->title_difference), "Difference to %s", runs[0]->label);
	snprintf(c->title_p, sizeof(c->title_p), "p of the misses against %s (Fisher's exact test)",
		runs[0]->label);
	c->titles[0] = n > 2 ? "Tasks" : "Tasks (p: Fisher's exact test of the misses, two-sided)";
	c->titles[1] = c->title_difference;
	c->titles[2] = c->title_p;
	c->server_titles[0] = "Servers";
	c->server_titles[1] = c->title_difference;
	make_columns(c, c->columns, "task", true);
	make_columns(c, c->server_columns, "server", false);
	fill(c);
	return c;
}

const struct vmrt_doc *vmrt_comparison_doc(const struct vmrt_comparison *c)
{
	return c->doc;
}

void vmrt_comparison_free(struct vmrt_comparison *c)
{
	if (!c)
		return;
	vmrt_doc_free(c->doc);
	for (size_t i = 0; i < c->n_texts; i++)
		free(c->texts[i]);
	free(c->texts);
	free(c->columns);
	free(c->server_columns);
	free(c);
}
