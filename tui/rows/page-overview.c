/* SPDX-License-Identifier: MIT */
/* The first page: a table of the servers and one of the tasks. */
#include <stdlib.h>

#include "columns.h"
#include "pages.h"

#define GUTTER 2

int top_list_window(int cursor, int n, int shown)
{
	int first = cursor - shown / 2;

	if (first > n - shown)
		first = n - shown;
	return first > 0 ? first : 0;
}

void top_gutter(struct top_screen *screen, int y)
{
	top_put(screen, y, 0, 1, false, TOP_KEY, ">");
}

int top_scrolled(const struct top_area *area, int lines)
{
	int hidden = lines - area->height, first = area->ui->scroll;

	if (hidden < 0)
		hidden = 0;
	if (first > hidden)
		first = hidden;
	area->screen->lines_hidden = hidden - first;
	area->screen->page_rows = area->height;
	return first;
}

int64_t top_since(const struct top_view *view, int64_t ns)
{
	return ns == VMRT_UNKNOWN || view->start_ns == VMRT_UNKNOWN ? VMRT_UNKNOWN
								    : ns - view->start_ns;
}

struct lists {
	size_t *order[TOP_TABLES], n[TOP_TABLES];
	struct top_plan plans[TOP_TABLES];
};

/* Prints one line of the two tables, which stand one below the other: a head, rows, and a blank
 * line between the tables. */
static void put_line(
	const struct top_area *area, const struct lists *l, int line, int y, int cursor)
{
	int row = 0;

	for (enum top_table table = TOP_SERVERS; table < TOP_TABLES; table++) {
		int n = (int)l->n[table];

		if (!n)
			continue;
		if (line == 0) {
			top_plan_head(&l->plans[table], area->screen, y, GUTTER);
		} else if (line <= n) {
			if (row + line - 1 == cursor)
				top_gutter(area->screen, y);
			top_plan_row(&l->plans[table], area->view, l->order[table][line - 1],
				area->screen, y, GUTTER);
		}
		line -= n + 2;
		row += n;
		if (line < 0)
			return;
	}
}

static void put_lists(const struct top_area *area, const struct lists *l)
{
	int servers = (int)l->n[TOP_SERVERS], tasks = (int)l->n[TOP_TASKS], rows = servers + tasks;
	int cursor = area->ui->cursor[TOP_PAGE_OVERVIEW], line, lines, first;

	if (cursor >= rows)
		cursor = rows - 1;
	lines = rows + !!servers + !!tasks + (servers && tasks);
	line = cursor < servers ? cursor + 1 : cursor + 1 + (servers ? 2 : 0);
	/* with the first row of a table its head is shown, too */
	first = top_list_window(line, lines, area->height);
	for (int i = 0; i < area->height && first + i < lines; i++)
		put_line(area, l, first + i, area->y + i, cursor);
	area->screen->rows = rows;
	area->screen->page_rows = area->height - (lines - rows);
	if (cursor < 0)
		return;
	area->screen->kind = cursor < servers ? TOP_A_SERVER : TOP_A_TASK;
	area->screen->index = cursor < servers ? l->order[TOP_SERVERS][cursor]
					       : l->order[TOP_TASKS][cursor - servers];
}

void top_page_overview(const struct top_area *area)
{
	const struct top_view *view = area->view;
	struct lists l = {0};

	l.order[TOP_SERVERS] = calloc(view->n_servers + 1, sizeof(size_t));
	l.order[TOP_TASKS] = calloc(view->n_tasks + 1, sizeof(size_t));
	if (l.order[TOP_SERVERS] && l.order[TOP_TASKS]) {
		for (enum top_table t = TOP_SERVERS; t < TOP_TABLES; t++)
			l.n[t] = top_order_make(view, area->ui, t, l.order[t]);
		top_plans_make(view, area->ui, area->screen->width - GUTTER, l.plans);
		put_lists(area, &l);
	} else {
		area->screen->failed = true;
	}
	if (!view->n_servers && !view->n_tasks)
		top_say(area->screen, area->y, 0, TOP_PLAIN, "%s",
			area->ui->live ? "No VM runs here, and no periodic task is known yet."
				       : "Nothing to show: no server, no task, no VM.");
	else if (!l.n[TOP_SERVERS] && !l.n[TOP_TASKS])
		top_say(area->screen, area->y, 0, TOP_PLAIN, "No name has '%s' in it.",
			area->ui->filter);
	free(l.order[TOP_SERVERS]);
	free(l.order[TOP_TASKS]);
}
