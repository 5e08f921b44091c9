/* SPDX-License-Identifier: MIT */
/* Judges the conditions for a run. */
#include "failif.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const titles[] = {"Conditions of --fail-if"};

#define COLUMNS(X)                                                                                 \
	X(condition, "condition", NULL, TEXT, 0, VMRT_DATA_GROUP, c->text)                         \
	X(words, "fails if", NULL, TEXT, 0, 1 + VMRT_PEOPLE_ONLY, c->words)                        \
	X(of, "of", NULL, TEXT, 0, 1, judged->name)                                                \
	X(limits, "is", NULL, TEXT, 0, 1 + VMRT_PEOPLE_ONLY, c->limits)                            \
	X(shown, "measured", NULL, TEXT, 0, 1, words_of(c->metric->type, f->value, shown))         \
	X(measured, "measured", NULL, ANY, 3, VMRT_DATA_GROUP,                                     \
		value_of(c->metric->type, f->value))                                               \
	X(least, "least", NULL, ANY, 3, VMRT_DATA_GROUP, value_of(c->metric->type, f->low))        \
	X(most, "most", NULL, ANY, 3, VMRT_DATA_GROUP, value_of(c->metric->type, f->high))         \
	X(verdict, "verdict", NULL, TEXT, 0, 1, verdict_word(judged->verdict))                     \
	X(why, "why", NULL, TEXT, 0, VMRT_DATA_GROUP,                                              \
		judged->verdict == VMRT_VERDICT_UNKNOWN && *f->why ? f->why : NULL)

static const struct vmrt_column columns[] = {
	{"run", "run", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP}, /* where there are several */
	COLUMNS(VMRT_COLUMN)};

static const char *verdict_word(enum vmrt_verdict verdict)
{
	return verdict == VMRT_VERDICT_OK	  ? "ok"
	       : verdict == VMRT_VERDICT_VIOLATED ? "violated"
						  : "unknown";
}

static struct vmrt_value value_of(enum vmrt_cell_type type, double value)
{
	bool known = !isnan(value) && !isinf(value);
	struct vmrt_value v = {type, VMRT_UNKNOWN, known ? value : NAN};

	if (known)
		v.number = (int64_t)value;
	return v;
}

/* The value with its unit: "0.50 %", "12 ms"; NULL: it is not known. */
static const char *words_of(enum vmrt_cell_type type, double value, char text[VMRT_UNITS_TEXT])
{
	if (isnan(value))
		return NULL;
	if (type == VMRT_CELL_RATIO)
		snprintf(text, VMRT_UNITS_TEXT, "%.2f %%", value * 100);
	else if (type == VMRT_CELL_NS)
		vmrt_format_duration((int64_t)value, text);
	else
		snprintf(text, VMRT_UNITS_TEXT, "%lld", (long long)value);
	return text;
}

struct judge {
	const struct vmrt_condition *condition;
	void (*each)(void *ctx, const struct vmrt_judged *judged);
	void *ctx;
	bool allow_loss;
	size_t found;
	enum vmrt_verdict worst;
};

static bool is_about(const struct vmrt_condition *c, const char *name, const char *short_name)
{
	return !*c->name || !strcmp(c->name, name) || !strcmp(c->name, short_name);
}

/* Judges the condition if it is about this one, which goes by one of two names. */
static void judge(struct judge *j, const void *of, const char *name, const char *short_name)
{
	const struct vmrt_condition *c = j->condition;
	struct vmrt_judged judged = {.condition = c,
		.name = name,
		.figure = {.num = c->num, .den = c->den, .value = NAN, .low = NAN, .high = NAN}};
	struct vmrt_figure *f = &judged.figure;

	if (!is_about(c, name, short_name))
		return;
	j->found++;
	c->metric->figure(of, f);
	if (j->allow_loss && !isnan(f->value))
		f->low = f->high = f->value;
	judged.verdict = vmrt_condition_judge(c, f);
	if (judged.verdict > j->worst)
		j->worst = judged.verdict;
	j->each(j->ctx, &judged);
}

/* Where the rows of conditions go. */
struct sheet {
	struct vmrt_table *table;
	const char *run; /* NULL: is not said */
};

static void put_row(void *ctx, const struct vmrt_judged *judged)
{
	const struct vmrt_condition *c = judged->condition;
	const struct vmrt_figure *f = &judged->figure;
	const struct sheet *sheet = ctx;
	struct vmrt_table *table = sheet->table;
	char shown[VMRT_UNITS_TEXT];

	if (sheet->run)
		vmrt_put_text(table, sheet->run);
	COLUMNS(VMRT_CELL)
	if (judged->verdict == VMRT_VERDICT_VIOLATED)
		vmrt_warn("'%s' is true of %s", c->text, judged->name);
	if (judged->verdict == VMRT_VERDICT_UNKNOWN)
		vmrt_put_line(table, "unknown", "'%s' of %s: %s", c->text, judged->name,
			*f->why ? f->why : "nothing was measured");
}

struct vmrt_table *vmrt_conditions_table(struct vmrt_doc *doc, bool runs)
{
	return vmrt_doc_table(doc, "conditions", titles, columns + !runs,
		ARRAY_SIZE(columns) - !runs, VMRT_TABLE_BRIEF);
}

static const char *name_of(const struct vmrt_run_facts *f, enum vmrt_scope scope, size_t i)
{
	return scope == VMRT_SCOPE_TASK	    ? f->tasks[i].label
	       : scope == VMRT_SCOPE_SERVER ? f->servers[i].name
					    : f->machines[i].name;
}

const char *vmrt_scope_word(enum vmrt_scope scope)
{
	return scope == VMRT_SCOPE_TASK	    ? "task"
	       : scope == VMRT_SCOPE_SERVER ? "server"
					    : "machine";
}

bool vmrt_condition_misses(const struct vmrt_run_facts *f, const struct vmrt_condition *c,
	char list[VMRT_SIMILAR_TEXT])
{
	enum vmrt_scope scope = c->metric->scope;
	size_t n = scope == VMRT_SCOPE_TASK	? f->n_tasks
		   : scope == VMRT_SCOPE_SERVER ? f->n_servers
						: f->n_machines;
	const char **names = *c->name ? calloc(n + 1, sizeof(*names)) : NULL;
	bool found = !n || !names;

	for (size_t i = 0; names && i < n; i++) {
		names[i] = name_of(f, scope, i);
		found |= is_about(
			c, names[i], scope == VMRT_SCOPE_TASK ? f->tasks[i].name : names[i]);
	}
	if (!found)
		vmrt_similar(c->name, names, n, list);
	free(names);
	return !found;
}

static enum vmrt_status about_nothing(
	const struct vmrt_run_facts *f, const struct vmrt_condition *c, struct vmrt_error *err)
{
	char list[VMRT_SIMILAR_TEXT];
	bool misses = vmrt_condition_misses(f, c, list);

	return vmrt_fail(err, VMRT_ENOENT, "--fail-if '%s': %s has no %s%s%s%s%s", c->text,
		f->label, vmrt_scope_word(c->metric->scope), *c->name ? " " : "", c->name,
		misses ? "; it has: " : "", misses ? list : "");
}

enum vmrt_status vmrt_conditions_judge(const struct vmrt_run_facts *f,
	const struct vmrt_condition *conditions, size_t n, bool allow_loss,
	void (*each)(void *ctx, const struct vmrt_judged *judged), void *ctx,
	enum vmrt_verdict *verdict, struct vmrt_error *err)
{
	*verdict = VMRT_VERDICT_OK;
	for (size_t c = 0; c < n; c++) {
		enum vmrt_scope scope = conditions[c].metric->scope;
		struct judge j = {&conditions[c], each, ctx, allow_loss, 0, VMRT_VERDICT_OK};

		for (size_t i = 0; scope == VMRT_SCOPE_TASK && i < f->n_tasks; i++)
			if (f->tasks[i].selected)
				judge(&j, &f->tasks[i], f->tasks[i].label, f->tasks[i].name);
		for (size_t i = 0; scope == VMRT_SCOPE_SERVER && i < f->n_servers; i++)
			if (f->servers[i].selected)
				judge(&j, &f->servers[i], f->servers[i].name, f->servers[i].name);
		for (size_t i = 0; scope == VMRT_SCOPE_MACHINE && i < f->n_machines; i++)
			judge(&j, &f->machines[i], f->machines[i].name, f->machines[i].name);
		if (!j.found)
			return about_nothing(f, &conditions[c], err);
		if (j.worst > *verdict)
			*verdict = j.worst;
	}
	return VMRT_OK;
}

enum vmrt_status vmrt_report_conditions(struct vmrt_table *table, bool runs,
	const struct vmrt_run_facts *f, const struct vmrt_condition *conditions, size_t n,
	bool allow_loss, enum vmrt_verdict *verdict, struct vmrt_error *err)
{
	struct sheet sheet = {table, runs ? f->label : NULL};

	return vmrt_conditions_judge(f, conditions, n, allow_loss, put_row, &sheet, verdict, err);
}
