/* SPDX-License-Identifier: MIT */
/* Chooses the columns of a table that fit, and sorts its rows. */
#include "columns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <vmrt/utf8.h>

#include "columns-local.h"
#include "text.h"

#define NAME_MIN 8
#define NAME_MAX_WIDTH 24
#define WIDE_GAP_FROM 96 /* from this screen width on there are two blanks between columns */

static const struct column *columns_of(enum top_table table, size_t *n)
{
	*n = table == TOP_SERVERS ? top_n_server_columns : top_n_task_columns;
	return table == TOP_SERVERS ? top_server_columns : top_task_columns;
}

size_t top_table_columns(enum top_table table)
{
	size_t n;

	columns_of(table, &n);
	return n;
}

const char *top_column_head(enum top_table table, size_t i)
{
	size_t n;
	const struct column *columns = columns_of(table, &n);

	return i < n ? columns[i].head : "";
}

const char *top_column_words(enum top_table table, size_t i)
{
	size_t n;
	const struct column *columns = columns_of(table, &n);

	return i < n ? columns[i].words : "";
}

/* ---- rows ---- */

static size_t rows_of(const struct top_view *view, enum top_table table)
{
	return table == TOP_SERVERS ? view->n_servers : view->n_tasks;
}

static const void *row_of(const struct top_view *view, enum top_table table, size_t i)
{
	return table == TOP_SERVERS ? (const void *)&view->servers[i]
				    : (const void *)&view->tasks[i];
}

const char *top_row_name(const struct top_view *view, enum top_table table, size_t i, char *out)
{
	if (table == TOP_SERVERS)
		snprintf(out, TOP_TEXT, "%s", view->servers[i].name);
	else
		snprintf(out, TOP_TEXT, "%s/%s", view->tasks[i].machine, view->tasks[i].name);
	return out;
}

struct sorting {
	const struct top_view *view;
	enum top_table table;
	const struct column *column;
	bool invert;
};

/* Unknown values come last in both directions of sorting. */
static int compare(const void *a, const void *b, void *ctx)
{
	const struct sorting *s = ctx;
	size_t i = *(const size_t *)a, k = *(const size_t *)b;
	const void *x = row_of(s->view, s->table, i), *y = row_of(s->view, s->table, k);
	bool down = s->column->descending != s->invert;
	int order = 0;

	if (s->column->value) {
		double v = s->column->value(x), w = s->column->value(y);

		if (isnan(v) || isnan(w))
			order = isnan(v) - isnan(w);
		else
			order = down ? (v < w) - (v > w) : (v > w) - (v < w);
	} else {
		struct cell v = {0}, w = {0};

		s->column->fill(x, TOP_TEXT - 1, true, &v);
		s->column->fill(y, TOP_TEXT - 1, true, &w);
		order = strcmp(v.text, w.text);
		order = down ? -order : order;
	}
	return order ? order : (i > k) - (i < k);
}

size_t top_order_make(
	const struct top_view *view, const struct top_ui *ui, enum top_table table, size_t *out)
{
	const struct top_arrangement *how = &ui->tables[table];
	size_t n = 0, n_columns;
	const struct column *columns = columns_of(table, &n_columns);
	char name[TOP_TEXT];

	for (size_t i = 0; i < rows_of(view, table); i++)
		if (!ui->filter[0] || strcasestr(top_row_name(view, table, i, name), ui->filter))
			out[n++] = i;
	if (how->sort > 0 && (size_t)how->sort <= n_columns) {
		struct sorting s = {view, table, &columns[how->sort - 1], how->invert};

		qsort_r(out, n, sizeof(*out), compare, &s);
	} else if (how->invert) {
		for (size_t i = 0; i < n / 2; i++) {
			size_t other = out[n - 1 - i];

			out[n - 1 - i] = out[i];
			out[i] = other;
		}
	}
	return n;
}

/* ---- plans ---- */

static int longest_name(const struct top_view *view)
{
	size_t longest = NAME_MIN;

	for (size_t i = 0; i < view->n_servers; i++)
		if (vmrt_utf8_columns(view->servers[i].name) > longest)
			longest = vmrt_utf8_columns(view->servers[i].name);
	for (size_t i = 0; i < view->n_tasks; i++) {
		size_t len = vmrt_utf8_columns(view->tasks[i].machine) + 1 +
			     vmrt_utf8_columns(view->tasks[i].name);

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

/* Makes the least important column narrow, or leaves it out; the first column is never left out. */
static bool shrink_one(struct top_plan *plan, const struct column *columns)
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

/* Makes the bars longer if there is room left. */
static void stretch(struct top_plan *plan, const struct column *columns, int left)
{
	for (size_t i = 0; i < plan->n && left > 0; i++) {
		const struct column *c = &columns[plan->columns[i].column];
		int more = c->wide - plan->columns[i].width;

		if (!c->stretches || more <= 0)
			continue;
		plan->columns[i].width += more < left ? more : left;
		left -= more;
	}
}

static void make_plan(const struct top_view *view, const struct top_ui *ui, enum top_table table,
	int width, int name, struct top_plan *plan)
{
	size_t n;
	const struct column *columns = columns_of(table, &n);
	int x = 0;

	plan->table = table;
	plan->ascii = ui->ascii;
	plan->sorted = ui->tables[table].sort;
	plan->invert = ui->tables[table].invert;
	plan->gap = width < WIDE_GAP_FROM ? 1 : 2;
	plan->servers = any_server(view);
	plan->n = 0;
	for (size_t i = 0; i < n; i++) {
		if ((columns[i].server && !plan->servers) ||
			(i && ui->tables[table].hidden >> i & 1))
			continue;
		plan->columns[plan->n].column = i;
		plan->columns[plan->n++].width = columns[i].wide ? columns[i].wide : name;
	}
	while (total_width(plan) > width && shrink_one(plan, columns))
		;
	stretch(plan, columns, width - total_width(plan));
	for (size_t i = 0; i < plan->n; i++) {
		plan->columns[i].x = x;
		x += plan->columns[i].width + plan->gap;
	}
}

void top_plans_make(
	const struct top_view *view, const struct top_ui *ui, int width, struct top_plan *plans)
{
	int name = longest_name(view), least = name;

	for (enum top_table table = TOP_SERVERS; table <= TOP_TASKS; table++) {
		make_plan(view, ui, table, width, name, &plans[table]);
		if (rows_of(view, table) && plans[table].columns[0].width < least)
			least = plans[table].columns[0].width;
	}
	/* both tables get the same width of names, so that their second columns are aligned */
	for (enum top_table table = TOP_SERVERS; table <= TOP_TASKS && least < name; table++)
		make_plan(view, ui, table, width, least, &plans[table]);
}

void top_plan_head(const struct top_plan *plan, struct top_screen *screen, int y, int x)
{
	size_t n;
	const struct column *columns = columns_of(plan->table, &n);

	for (size_t i = 0; i < plan->n; i++) {
		const struct column *c = &columns[plan->columns[i].column];
		bool vms = plan->table == TOP_SERVERS && !i && !plan->servers;
		int width = plan->columns[i].width, at = x + plan->columns[i].x;
		const char *head = vms ? "VM" : c->head;

		top_put(screen, y, at, width, !c->left, TOP_HEAD, head);
		/* the mark of the sorted column is in the gap behind the head */
		if (plan->sorted == (int)plan->columns[i].column + 1)
			top_put(screen, y, c->left ? at + top_columns(head) : at + width, 1, false,
				TOP_HEAD, c->descending != plan->invert ? "v" : "^");
	}
}

void top_plan_row(const struct top_plan *plan, const struct top_view *view, size_t index,
	struct top_screen *screen, int y, int x)
{
	size_t n;
	const struct column *columns = columns_of(plan->table, &n);
	const void *row = row_of(view, plan->table, index);

	for (size_t i = 0; i < plan->n; i++) {
		const struct column *c = &columns[plan->columns[i].column];
		struct cell cell = {.attr = TOP_PLAIN};

		c->fill(row, plan->columns[i].width, plan->ascii, &cell);
		top_put(screen, y, x + plan->columns[i].x, plan->columns[i].width, !c->left,
			cell.attr, cell.text);
	}
}
