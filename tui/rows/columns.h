/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_COLUMNS_H
#define VMRT_TUI_ROWS_COLUMNS_H

/* The two tables, servers and tasks: their columns, which of these fit, and the order of the rows.
 */

#include "ui.h"
#include "tui/model/model.h"
#include "tui/rows/cells.h"

#define TOP_COLUMNS_MAX 24

struct top_plan {
	enum top_table table;
	bool ascii;
	bool servers; /* there is a server, and not only VMs without one */
	int gap;
	int sorted; /* the column to mark, from 1; 0: none */
	bool invert;
	struct {
		size_t column;
		int x, width;
	} columns[TOP_COLUMNS_MAX];
	size_t n;
};

/** top_of_server - return @value; VMRT_UNKNOWN if @row is a VM without a server, which has no such
 * value */
int64_t top_of_server(const struct top_server_row *row, int64_t value);

/** top_never_seen - was the machine of the task never recorded? Then the number of its jobs is
 * unknown */
bool top_never_seen(const struct top_task_row *row);

/** top_table_columns - how many columns a table has */
size_t top_table_columns(enum top_table table);

/** top_column_head - the head of column @i; "" if there is no such column */
const char *top_column_head(enum top_table table, size_t i);

/** top_column_words - the description of column @i */
const char *top_column_words(enum top_table table, size_t i);

/**
 * top_order_make - the rows that the filter leaves, sorted
 * @out: room for all rows of the table
 *
 * Return: how many there are.
 */
size_t top_order_make(
	const struct top_view *view, const struct top_ui *ui, enum top_table table, size_t *out);

/** top_row_name - write the name of row @i of a table into @out, of TOP_TEXT bytes; returns @out */
const char *top_row_name(const struct top_view *view, enum top_table table, size_t i, char *out);

/**
 * top_plans_make - choose the columns of both tables for @width: first make columns narrower, then
 * leave columns out
 * @plans: TOP_TABLES of them
 */
void top_plans_make(
	const struct top_view *view, const struct top_ui *ui, int width, struct top_plan *plans);

/** top_plan_head - put the head of the table at (@x, @y) */
void top_plan_head(const struct top_plan *plan, struct top_screen *screen, int y, int x);

/** top_plan_row - put row @index of the table at (@x, @y) */
void top_plan_row(const struct top_plan *plan, const struct top_view *view, size_t index,
	struct top_screen *screen, int y, int x);

#endif
