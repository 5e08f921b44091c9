/* SPDX-License-Identifier: MIT */
#include "columns.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/units.h>

#define NAME_MIN 8
#define NAME_MAX_WIDTH 24
#define WIDE_GAP_FROM 70 /* from this screen width on there are two blanks between columns */
#define BAR_MAX 24

struct cell {
	enum top_attr attr;
	char text[TOP_TEXT];
};

struct column {
	const char *head; /* with the unit */
	int narrow, wide; /* widths; wide 0: as long as the longest name */
	int shrink;	  /* when it becomes narrow, and */
	int drop;	  /* when it is left out: the highest number of all columns comes first */
	bool left;
	bool server; /* says nothing of a VM without a server */
	void (*fill)(const void *row, int width, bool ascii, struct cell *cell);
};

/* ---- numbers ---- */

/* Milliseconds with as many decimals as fit, two at most. */
static void put_ms(struct cell *cell, int64_t ns, int width)
{
	int decimals = 2;

	do {
		vmrt_format_ms(ns, decimals, cell->text);
	} while ((int)strlen(cell->text) > width && decimals-- > 0);
}

static void put_count(struct cell *cell, uint64_t n, int width)
{
	static const char units[] = "kMGTPE";
	double value = (double)n;
	size_t unit = 0;

	snprintf(cell->text, sizeof(cell->text), "%" PRIu64, n);
	while ((int)strlen(cell->text) > width && units[unit]) {
		value /= 1000;
		/* never more than there are */
		snprintf(cell->text, sizeof(cell->text), "%.1f%c", floor(value * 10) / 10,
			units[unit++]);
	}
}

/* Percent; neither none nor all unless it really is. */
static void put_percent(struct cell *cell, double ratio)
{
	if (isnan(ratio))
		snprintf(cell->text, sizeof(cell->text), "-");
	else if (ratio > 0 && ratio < 0.0005)
		snprintf(cell->text, sizeof(cell->text), "<0.1");
	else if (ratio < 1 && ratio >= 0.9995)
		snprintf(cell->text, sizeof(cell->text), ">99.9");
	else
		snprintf(cell->text, sizeof(cell->text), "%.1f", ratio * 100);
}

static void put_word(struct cell *cell, const char *word)
{
	snprintf(cell->text, sizeof(cell->text), "%s", word);
}

/* A name that does not fit shows that it does not. */
static void put_name(struct cell *cell, const char *name, int width)
{
	put_word(cell, name);
	if (width > 0 && (int)strlen(name) > width) {
		cell->text[width - 1] = '~';
		cell->text[width] = '\0';
	}
}

/* ---- servers ---- */

static void server_name(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)ascii;
	put_name(cell, s->name, width);
}

static void server_state(const void *row, int width, bool ascii, struct cell *cell)
{
	static const char *const words[] = {"I idle", "R running", "T depleted", "T soft"};
	const struct top_server_row *s = row;

	(void)width;
	(void)ascii;
	put_word(cell, words[s->state]);
	if (s->state == TOP_SERVER_DEPLETED || s->state == TOP_SERVER_BACKGROUND)
		cell->attr = TOP_DEPLETED;
	else if (s->state == TOP_SERVER_IDLE)
		cell->attr = TOP_DIM;
}

static void server_bar(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;
	const char *full = ascii ? "#" : "\u2588", *rest = ascii ? "." : "\u2591";
	bool depleted = s->state == TOP_SERVER_DEPLETED || s->state == TOP_SERVER_BACKGROUND;
	size_t used = 0;
	int filled;

	/* without an enforcer's markers, what ran at the priority still tells */
	if (s->policy == VMRT_POLICY_NONE || (!s->enforced && s->used_ns <= 0 && s->max_ns <= 0)) {
		put_word(cell, s->policy == VMRT_POLICY_NONE ? "-" : "unenforced");
		cell->attr = TOP_DIM;
		return;
	}
	if (depleted)
		full = ascii ? "x" : "\u2593";
	filled = s->budget_ns > 0 ? (int)((double)s->used_ns / (double)s->budget_ns * width) : 0;
	if (depleted || filled > width)
		filled = width;
	else if (!filled && s->used_ns > 0)
		filled = 1;
	for (int i = 0; i < width; i++) {
		const char *glyph = i < filled ? full : rest;

		if (used + strlen(glyph) >= sizeof(cell->text))
			break;
		used += (size_t)snprintf(cell->text + used, sizeof(cell->text) - used, "%s", glyph);
	}
	cell->attr = depleted ? TOP_DEPLETED : TOP_BAR;
}

#define SERVER_MS(function, value)                                                                 \
	static void function(const void *row, int width, bool ascii, struct cell *cell)            \
	{                                                                                          \
		const struct top_server_row *s = row;                                              \
                                                                                                   \
		(void)ascii;                                                                       \
		put_ms(cell, s->policy == VMRT_POLICY_NONE ? VMRT_UNKNOWN : (value), width);       \
	}

SERVER_MS(server_used, s->used_ns)
SERVER_MS(server_budget, s->budget_ns)
SERVER_MS(server_period, s->period_ns)
SERVER_MS(server_max, s->max_ns)

static void server_share(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)width;
	(void)ascii;
	put_percent(cell, s->share);
}

static void server_background(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)width;
	(void)ascii;
	put_percent(cell, s->policy == VMRT_POLICY_NONE ? NAN : s->background);
}

static void server_depletions(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)ascii;
	if (s->enforced)
		put_count(cell, s->depletions, width);
	else
		put_word(cell, "-");
}

static void server_periods(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)ascii;
	if (s->policy == VMRT_POLICY_NONE)
		put_word(cell, "-");
	else
		put_count(cell, s->periods, width);
}

static void server_policy(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)width;
	(void)ascii;
	put_word(cell, vmrt_policy_name(s->policy));
}

static void server_priority(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)ascii;
	if (s->policy == VMRT_POLICY_NONE)
		put_word(cell, "-");
	else
		put_count(cell, (uint64_t)s->priority, width);
}

static void server_vm(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_server_row *s = row;

	(void)ascii;
	put_name(cell, s->vm, width);
}

static const struct column server_columns[] = {
	{"SERVER", NAME_MIN, 0, 60, 0, true, false, server_name},
	{"STATE", 1, 10, 55, 50, true, false, server_state},
	{"BUDGET", 8, BAR_MAX, 130, 57, true, true, server_bar},
	{"USED ms", 7, 7, 0, 20, false, true, server_used},
	{"OF ms", 6, 6, 0, 40, false, true, server_budget},
	{"SHARE %", 7, 7, 0, 10, false, false, server_share},
	{"SOFT %", 6, 6, 0, 70, false, true, server_background},
	{"DEPL", 5, 5, 0, 30, false, true, server_depletions},
	{"MAX ms", 7, 7, 0, 80, false, true, server_max},
	{"PERIOD ms", 9, 9, 0, 90, false, true, server_period},
	{"PERIODS", 7, 7, 0, 100, false, true, server_periods},
	{"PRIO", 4, 4, 0, 120, false, true, server_priority},
	{"POLICY", 10, 10, 0, 110, true, true, server_policy},
	{"VM", NAME_MIN, 12, 145, 140, true, true, server_vm},
};

/* ---- tasks ---- */

static void task_name(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_task_row *t = row;

	(void)ascii;
	snprintf(cell->text, sizeof(cell->text), "%s/%s", t->machine, t->name);
	if ((int)strlen(cell->text) > width)
		put_name(cell, t->name, width);
}

static void task_state(const void *row, int width, bool ascii, struct cell *cell)
{
	static const char *const words[] = {
		"- none", "= met", "M missed", "? unknown", "M overdue", "Q quiet"};
	static const enum top_attr attrs[] = {
		TOP_DIM, TOP_PLAIN, TOP_MISS, TOP_LOSS, TOP_MISS, TOP_DIM};
	const struct top_task_row *t = row;

	(void)width;
	(void)ascii;
	put_word(cell, words[t->state]);
	cell->attr = attrs[t->state];
}

#define TASK_COUNT(function, value, attribute)                                                     \
	static void function(const void *row, int width, bool ascii, struct cell *cell)            \
	{                                                                                          \
		const struct top_task_row *t = row;                                                \
                                                                                                   \
		(void)ascii;                                                                       \
		put_count(cell, value, width);                                                     \
		if (value)                                                                         \
			cell->attr = attribute;                                                    \
	}

TASK_COUNT(task_jobs, t->jobs, TOP_PLAIN)
TASK_COUNT(task_missed, t->missed, TOP_MISS)
TASK_COUNT(task_excused, t->excused, TOP_PLAIN)
TASK_COUNT(task_unknown, t->unknown, TOP_PLAIN)

static void task_ratio(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_task_row *t = row;

	(void)width;
	(void)ascii;
	put_percent(cell, t->known ? (double)t->missed / (double)t->known : NAN);
	if (t->missed)
		cell->attr = TOP_MISS;
}

#define TASK_MS(function, value)                                                                   \
	static void function(const void *row, int width, bool ascii, struct cell *cell)            \
	{                                                                                          \
		const struct top_task_row *t = row;                                                \
                                                                                                   \
		(void)ascii;                                                                       \
		put_ms(cell, value, width);                                                        \
	}

TASK_MS(task_last, t->last_ns)
TASK_MS(task_max, t->max_ns)
TASK_MS(task_deadline, t->deadline_ns)
TASK_MS(task_period, t->period_ns)
TASK_MS(task_wcet, t->wcet_ns)

static void task_p99(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_task_row *t = row;
	struct cell number;

	(void)ascii;
	put_ms(&number, t->p99_ns, t->p99_approximate ? width - 1 : width);
	snprintf(cell->text, sizeof(cell->text), "%s%.64s", t->p99_approximate ? "~" : "",
		number.text);
}

static void task_max_job(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_task_row *t = row;

	(void)ascii;
	if (t->max_k == VMRT_UNKNOWN)
		put_word(cell, "-");
	else
		put_count(cell, (uint64_t)t->max_k, width);
}

static const struct column task_columns[] = {
	{"TASK", NAME_MIN, 0, 68, 0, true, false, task_name},
	{"STATE", 1, 9, 75, 50, true, false, task_state},
	{"JOBS", 6, 6, 0, 60, false, false, task_jobs},
	{"MISSED", 6, 6, 0, 30, false, false, task_missed},
	{"MISS %", 6, 6, 0, 10, false, false, task_ratio},
	{"LAST ms", 7, 7, 0, 40, false, false, task_last},
	{"MAX ms", 7, 7, 0, 20, false, false, task_max},
	{"OF JOB", 6, 6, 0, 90, false, false, task_max_job},
	{"P99 ms", 7, 7, 0, 70, false, false, task_p99},
	{"DEADLINE ms", 11, 11, 0, 100, false, false, task_deadline},
	{"UNKNOWN", 7, 7, 0, 80, false, false, task_unknown},
	{"EXCUSED", 7, 7, 0, 110, false, false, task_excused},
	{"PERIOD ms", 9, 9, 0, 120, false, false, task_period},
	{"WCET ms", 7, 7, 0, 130, false, false, task_wcet},
};

/* ---- plans ---- */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct column *columns_of(enum top_table table, size_t *n)
{
	*n = table == TOP_SERVERS ? COUNT(server_columns) : COUNT(task_columns);
	return table == TOP_SERVERS ? server_columns : task_columns;
}

size_t top_table_rows(const struct top_view *view, enum top_table table)
{
	return table == TOP_SERVERS ? view->n_servers : view->n_tasks;
}

static int longest_name(const struct top_view *view)
{
	size_t longest = NAME_MIN;

	for (size_t i = 0; i < view->n_servers; i++)
		if (strlen(view->servers[i].name) > longest)
			longest = strlen(view->servers[i].name);
	for (size_t i = 0; i < view->n_tasks; i++) {
		size_t len = strlen(view->tasks[i].machine) + 1 + strlen(view->tasks[i].name);

		if (len > longest)
			longest = len;
	}
	return longest > NAME_MAX_WIDTH ? NAME_MAX_WIDTH : (int)longest;
}

static bool any_server(const struct top_view *view)
{
	for (size_t i = 0; i < view->n_servers; i++)
		if (view->servers[i].policy != VMRT_POLICY_NONE)
			return true;
	return false;
}

static int total_width(const struct top_plan *plan)
{
	int sum = 0;

	for (size_t i = 0; i < plan->n; i++)
		sum += plan->columns[i].width + (i ? plan->gap : 0);
	return sum;
}

/* Makes the least important column narrow, or leaves it out; the first one stays. */
static bool give_way(struct top_plan *plan, const struct column *columns)
{
	size_t victim = 0;
	int first = 0;
	bool shrink = false;

	for (size_t i = 0; i < plan->n; i++) {
		const struct column *c = &columns[plan->columns[i].column];

		if (plan->columns[i].width > c->narrow && c->shrink > first) {
			first = c->shrink;
			victim = i;
			shrink = true;
		}
		if (c->drop > first) {
			first = c->drop;
			victim = i;
			shrink = false;
		}
	}
	if (!first)
		return false;
	if (shrink) {
		plan->columns[victim].width = columns[plan->columns[victim].column].narrow;
		return true;
	}
	memmove(&plan->columns[victim], &plan->columns[victim + 1],
		(plan->n - victim - 1) * sizeof(plan->columns[0]));
	plan->n--;
	return true;
}

/* Room that is left makes the bar longer. */
static void stretch(struct top_plan *plan, const struct column *columns, int left)
{
	for (size_t i = 0; i < plan->n && left > 0; i++) {
		const struct column *c = &columns[plan->columns[i].column];
		int more = c->wide - plan->columns[i].width;

		if (c->fill != server_bar || more <= 0)
			continue;
		plan->columns[i].width += more < left ? more : left;
		left -= more;
	}
}

static void make_plan(const struct top_view *view, enum top_table table, int width, bool ascii,
	int name, struct top_plan *plan)
{
	size_t n;
	const struct column *columns = columns_of(table, &n);
	int x = 0;

	plan->table = table;
	plan->ascii = ascii;
	plan->gap = width < WIDE_GAP_FROM ? 1 : 2;
	plan->servers = any_server(view);
	plan->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (columns[i].server && !plan->servers)
			continue;
		plan->columns[plan->n].column = i;
		plan->columns[plan->n++].width = columns[i].wide ? columns[i].wide : name;
	}
	while (total_width(plan) > width && give_way(plan, columns))
		;
	stretch(plan, columns, width - total_width(plan));
	for (size_t i = 0; i < plan->n; i++) {
		plan->columns[i].x = x;
		x += plan->columns[i].width + plan->gap;
	}
}

void top_plans_make(const struct top_view *view, int width, bool ascii, struct top_plan *plans)
{
	int name = longest_name(view), least = name;

	for (enum top_table table = TOP_SERVERS; table <= TOP_TASKS; table++) {
		make_plan(view, table, width, ascii, name, &plans[table]);
		if (top_table_rows(view, table) && plans[table].columns[0].width < least)
			least = plans[table].columns[0].width;
	}
	/* names of the same width, so that the second columns stand in line */
	for (enum top_table table = TOP_SERVERS; table <= TOP_TASKS && least < name; table++)
		make_plan(view, table, width, ascii, least, &plans[table]);
}

void top_plan_head(const struct top_plan *plan, struct top_screen *screen, int y, int x)
{
	size_t n;
	const struct column *columns = columns_of(plan->table, &n);

	for (size_t i = 0; i < plan->n; i++) {
		const struct column *c = &columns[plan->columns[i].column];
		bool vms = plan->table == TOP_SERVERS && !i && !plan->servers;

		top_put(screen, y, x + plan->columns[i].x, plan->columns[i].width, !c->left,
			TOP_HEAD, vms ? "VM" : c->head);
	}
}

void top_plan_row(const struct top_plan *plan, const struct top_view *view, size_t index,
	struct top_screen *screen, int y, int x)
{
	size_t n;
	const struct column *columns = columns_of(plan->table, &n);
	const void *row = plan->table == TOP_SERVERS ? (const void *)&view->servers[index]
						     : (const void *)&view->tasks[index];

	for (size_t i = 0; i < plan->n; i++) {
		const struct column *c = &columns[plan->columns[i].column];
		struct cell cell = {.attr = TOP_PLAIN};

		c->fill(row, plan->columns[i].width, plan->ascii, &cell);
		top_put(screen, y, x + plan->columns[i].x, plan->columns[i].width, !c->left,
			cell.attr, cell.text);
	}
}
