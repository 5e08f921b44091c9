/* SPDX-License-Identifier: MIT */
/* Makes the tables that show several variants side by side. */
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NOT_SHOWN(key, type)                                                                       \
	{                                                                                          \
		key, key, NULL, VMRT_CELL_##type, -1, VMRT_DATA_GROUP                              \
	}
#define HEAD_MAX 14 /* longer names of runs are cut at the front of columns */

#define RUN_COLUMNS(X)                                                                             \
	VMRT_DATA(X, run, TEXT, label)                                                             \
	VMRT_DATA(X, origin, TEXT, f->origin)                                                      \
	VMRT_DATA(X, recorded_at, TEXT, f->recorded_at)                                            \
	VMRT_DATA(X, duration_ns, NS, duration)                                                    \
	VMRT_DATA(X, hsf, BOOL, f->hsf)                                                            \
	VMRT_DATA(X, loss, BOOL, vmrt_facts_loss(f))

static const struct vmrt_column run_columns[] = {RUN_COLUMNS(VMRT_COLUMN)};

struct vmrt_comparison {
	struct vmrt_doc *doc;
	const struct vmrt_variant *variants;
	size_t n;
	const struct vmrt_compare_options *options;
	struct vmrt_column *columns, *server_columns;
	char **texts; /* heads and keys of the columns */
	size_t n_texts;
	char title_difference[96], title_ratio[96], title_p[96];
	const char *titles[5], *server_titles[4];
};

/* A metric of a task or of a server, or a task's misses by @cause. */
struct row {
	const char *name;
	const struct compare_task_metric *task;
	const char *cause;
	const struct compare_server_metric *server;
};

/* The row's value of variant @i; false if it has no such task or server. */
static bool value_of(
	const struct vmrt_comparison *c, const struct row *row, size_t i, struct vmrt_value *out)
{
	const struct vmrt_run_facts *f = c->variants[i].facts;
	const struct vmrt_task_facts *t = row->server ? NULL : compare_find_task(f, row->name);
	const struct vmrt_server_facts *s = row->server ? compare_find_server(f, row->name) : NULL;

	if (!t && !s)
		return false;
	if (s) {
		*out = row->server->value(s);
	} else if (row->task) {
		*out = row->task->value(t);
	} else {
		*out = (struct vmrt_value){VMRT_CELL_COUNT, 0, NAN};
		for (size_t k = 0; k < t->n_causes; k++)
			if (!strcmp(t->causes[k].name, row->cause))
				out->number = t->causes[k].misses;
	}
	return true;
}

/* The row up to the ratios. */
static void put_row(struct vmrt_comparison *c, struct vmrt_table *table, const struct row *row)
{
	struct vmrt_value base, value;
	bool has_base = value_of(c, row, 0, &base);
	char key[48], words[48];

	snprintf(key, sizeof(key), "missed_by_%s", row->cause ? row->cause : "");
	snprintf(words, sizeof(words), "  by %s", row->cause ? row->cause : "");
	vmrt_put_text(table, row->name);
	vmrt_put_text(table, row->task ? row->task->key : row->server ? row->server->key : key);
	vmrt_put_text(table, row->task	   ? row->task->words
			     : row->server ? row->server->words
					   : words);
	vmrt_put_text(table, row->task	   ? row->task->unit
			     : row->server ? row->server->unit
					   : "count");
	for (size_t i = 0; i < c->n; i++) {
		if (value_of(c, row, i, &value))
			vmrt_put_value(table, value);
		else
			vmrt_put_unknown(table);
	}
	for (size_t i = 1; i < c->n; i++) {
		if (has_base && value_of(c, row, i, &value))
			vmrt_put_value(table, compare_value_subtract(value, base));
		else
			vmrt_put_unknown(table);
	}
	for (size_t i = 1; i < c->n; i++) {
		double divisor = has_base ? compare_value_number(base) : 0;

		if (divisor != 0 && value_of(c, row, i, &value))
			vmrt_put_real(table, compare_value_number(value) / divisor);
		else
			vmrt_put_unknown(table);
	}
}

static void put_task_row(struct vmrt_comparison *c, struct vmrt_table *table, const struct row *row)
{
	struct vmrt_task_facts *base = compare_find_task(c->variants[0].facts, row->name);
	char why[128];

	put_row(c, table, row);
	for (size_t i = 1; i < c->n; i++) {
		struct vmrt_task_facts *t = compare_find_task(c->variants[i].facts, row->name);

		if (row->task && row->task->test != VMRT_TEST_NONE &&
			compare_comparable(&c->variants[0], &c->variants[i], row->name,
				c->options->allow_loss, why, sizeof(why)))
			vmrt_put_p(table, compare_p(row->task, base, t));
		else
			vmrt_put_unknown(table);
	}
}

/* Has a variant before @v, or a cause of this one before @cause, that cause? */
static bool cause_was_there(const struct vmrt_comparison *c, const char *label, size_t v,
	size_t cause, const char *name)
{
	for (size_t i = 0; i <= v; i++) {
		const struct vmrt_task_facts *t = compare_find_task(c->variants[i].facts, label);

		for (size_t k = 0; t && k < (i < v ? t->n_causes : cause); k++)
			if (!strcmp(t->causes[k].name, name))
				return true;
	}
	return false;
}

static void put_task(struct vmrt_comparison *c, struct vmrt_table *table, const char *label)
{
	size_t n;
	const struct compare_task_metric *metrics = compare_task_metrics(&n);
	int64_t jobs = 0;

	for (size_t v = 0; v < c->n; v++) {
		const struct vmrt_task_facts *t = compare_find_task(c->variants[v].facts, label);

		jobs += t ? t->jobs : 0;
	}
	for (size_t m = 0; m < (jobs ? n : 1); m++) /* the first is their number */
		put_task_row(c, table, &(struct row){.name = label, .task = &metrics[m]});
	for (size_t v = 0; v < c->n; v++) {
		const struct vmrt_task_facts *t = compare_find_task(c->variants[v].facts, label);

		for (size_t k = 0; t && k < t->n_causes; k++)
			if (!cause_was_there(c, label, v, k, t->causes[k].name))
				put_task_row(c, table,
					&(struct row){.name = label, .cause = t->causes[k].name});
	}
}

static void put_server(struct vmrt_comparison *c, struct vmrt_table *table, const char *name)
{
	size_t n;
	const struct compare_server_metric *metrics = compare_server_metrics(&n);

	for (size_t m = 0; m < n; m++)
		put_row(c, table, &(struct row){.name = name, .server = &metrics[m]});
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

/* Columns: name, metric, a value of each variant, its difference and ratio to the base, and @tests.
 */
static void make_columns(
	struct vmrt_comparison *c, struct vmrt_column *columns, const char *what, bool tests)
{
	bool wide =
		c->n > 2; /* then differences, ratios and p are tables of their own for people */
	struct vmrt_column *p = columns;

	*p++ = (struct vmrt_column){what, what, NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP};
	*p++ = (struct vmrt_column)NOT_SHOWN("metric", TEXT);
	*p++ = (struct vmrt_column){
		"words", "", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY};
	*p++ = (struct vmrt_column)NOT_SHOWN("unit", TEXT);
	for (size_t i = 0; i < c->n; i++)
		*p++ = (struct vmrt_column){keep(c, "value_", c->variants[i].facts->label, false),
			keep(c, "", c->variants[i].facts->label, true), NULL, VMRT_CELL_ANY, 3, 1};
	for (size_t i = 1; i < c->n; i++)
		*p++ = (struct vmrt_column){
			keep(c, "difference_", c->variants[i].facts->label, false),
			wide ? keep(c, "", c->variants[i].facts->label, true) : "difference", NULL,
			VMRT_CELL_ANY, 3, wide ? 2 : 1};
	for (size_t i = 1; i < c->n; i++)
		*p++ = (struct vmrt_column){keep(c, "ratio_", c->variants[i].facts->label, false),
			wide ? keep(c, "", c->variants[i].facts->label, true) : "ratio", NULL,
			VMRT_CELL_REAL, 2, wide ? 3 : 1};
	for (size_t i = 1; tests && i < c->n; i++)
		*p++ = (struct vmrt_column){keep(c, "p_", c->variants[i].facts->label, false),
			wide ? keep(c, "", c->variants[i].facts->label, true) : "p", NULL,
			VMRT_CELL_P, 3, wide ? 4 : 1};
}

static void put_run(struct vmrt_table *table, const char *label, const struct vmrt_run_facts *f)
{
	bool timed = f->start_ns != VMRT_UNKNOWN && f->end_ns != VMRT_UNKNOWN;
	int64_t duration = timed ? f->end_ns - f->start_ns : VMRT_UNKNOWN;
	char buf[VMRT_UNITS_TEXT];

	RUN_COLUMNS(VMRT_CELL)
	vmrt_put_line(table, "run", "%s: HSF %s, %s, recorded %s%s; %s", label,
		f->hsf ? "on" : "off", vmrt_format_duration(duration, buf),
		f->recorded_at ? f->recorded_at : "-", vmrt_facts_loss(f) ? ", with loss" : "",
		f->origin);
}

static void put_runs(struct vmrt_comparison *c)
{
	struct vmrt_table *t = vmrt_doc_table(
		c->doc, "runs", NULL, run_columns, ARRAY_SIZE(run_columns), VMRT_TABLE_PROSE);

	for (size_t i = 0; i < c->n; i++)
		for (size_t r = 0; r < c->variants[i].n; r++)
			put_run(t, c->variants[i].facts->label, c->variants[i].runs[r]);
}

static void fill(struct vmrt_comparison *c)
{
	const struct vmrt_variant *v = c->variants;
	bool repetitions = false;
	struct vmrt_table *t;

	vmrt_doc_section(c->doc, "Comparison");
	compare_answer(c->doc, v, c->n, c->options);
	put_runs(c);
	t = vmrt_doc_table(
		c->doc, "tasks", c->titles, c->columns, 4 + c->n + 3 * (c->n - 1), VMRT_TABLE_SPAN);
	for (size_t i = 0; i < c->n; i++) {
		repetitions = repetitions || v[i].n > 1;
		for (size_t j = 0; j < v[i].facts->n_tasks; j++)
			if (compare_task_is_new(v, i, j))
				put_task(c, t, v[i].facts->tasks[j].label);
	}
	compare_tests(c->doc, v, c->n, c->options);
	if (repetitions)
		compare_spread(c->doc, v, c->n);
	t = vmrt_doc_table(c->doc, "servers", c->server_titles, c->server_columns,
		4 + c->n + 2 * (c->n - 1), VMRT_TABLE_SPAN);
	for (size_t i = 0; i < c->n; i++) {
		for (size_t j = 0; j < v[i].facts->n_servers; j++) {
			const struct vmrt_server_facts *server = &v[i].facts->servers[j];
			bool earlier = false;

			for (size_t k = 0; k < i; k++)
				earlier = earlier || compare_find_server(v[k].facts, server->name);
			if (server->selected && !earlier)
				put_server(c, t, server->name);
		}
	}
}

struct vmrt_comparison *vmrt_report_compare(
	const struct vmrt_variant *variants, size_t n, const struct vmrt_compare_options *options)
{
	struct vmrt_comparison *c = calloc(1, sizeof(*c));
	const char *base = variants[0].facts->label;

	if (!c)
		return NULL;
	c->variants = variants;
	c->n = n;
	c->options = options;
	c->doc = vmrt_doc_new("comparison", false);
	c->columns = calloc(4 + 4 * n, sizeof(*c->columns));
	c->server_columns = calloc(4 + 4 * n, sizeof(*c->server_columns));
	c->texts = calloc(16 * n, sizeof(*c->texts));
	if (!c->doc || !c->columns || !c->server_columns || !c->texts) {
		vmrt_comparison_free(c);
		return NULL;
	}
	snprintf(c->title_difference, sizeof(c->title_difference), "Difference to %s", base);
	snprintf(c->title_ratio, sizeof(c->title_ratio), "Ratio to %s", base);
	snprintf(c->title_p, sizeof(c->title_p), "p against %s", base);
	c->titles[0] = n > 2 ? "Tasks" : "Tasks (p: of the test named below)";
	c->titles[1] = c->title_difference;
	c->titles[2] = c->title_ratio;
	c->titles[3] = c->title_p;
	c->server_titles[0] = "Servers";
	c->server_titles[1] = c->title_difference;
	c->server_titles[2] = c->title_ratio;
	make_columns(c, c->columns, "task", true);
	make_columns(c, c->server_columns, "server", false);
	fill(c);
	return c;
}

struct vmrt_doc *vmrt_comparison_doc(const struct vmrt_comparison *c)
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
