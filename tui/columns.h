/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_COLUMNS_H
#define VMRT_TUI_COLUMNS_H

/* The two tables, servers and tasks: what columns there are, and which of them fit. */

#include "cells.h"
#include "model.h"

enum top_table { TOP_SERVERS, TOP_TASKS };

#define TOP_COLUMNS_MAX 16

struct top_plan {
	enum top_table table;
	bool ascii;
	bool servers; /* there are some, not only VMs without */
	int gap;
	struct {
		size_t column;
		int x, width;
	} columns[TOP_COLUMNS_MAX];
	size_t n;
};

/** top_table_rows - how many rows the table has */
size_t top_table_rows(const struct top_view *view, enum top_table table);

/**
 * top_plans_make - choose the columns of both tables for @width: first narrower ones, then fewer
 * @ascii: no characters but those of ASCII
 * @plans: two of them
 */
void top_plans_make(const struct top_view *view, int width, bool ascii, struct top_plan *plans);

/** top_plan_head - put the head of the table at (@x, @y) */
void top_plan_head(const struct top_plan *plan, struct top_screen *screen, int y, int x);

/** top_plan_row - put row @index of the table at (@x, @y) */
void top_plan_row(const struct top_plan *plan, const struct top_view *view, size_t index,
	struct top_screen *screen, int y, int x);

#endif
