/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_PAGES_H
#define VMRT_TUI_ROWS_PAGES_H

/* The pages: each fills the part of a screen between the head and the line of keys. */

#include "ui.h"
#include "tui/model/model.h"
#include "tui/rows/cells.h"

struct top_area {
	const struct top_view *view;
	const struct top_ui *ui;
	struct top_screen *screen;
	int y, height; /* of the part that the page fills; its width is that of the screen */
};

typedef void top_page_fn(const struct top_area *area);

top_page_fn top_page_overview, top_page_server, top_page_task, top_page_timeline, top_page_misses,
	top_page_system;
top_page_fn top_sheet_help, top_sheet_setup, top_sheet_split, top_sheet_text;

/** top_sheet_lines - how many lines the sheet (help, or the choice of columns) has in all */
int top_sheet_lines(enum top_sheet sheet);

/** top_list_window - the first of @n rows to show so that row @cursor is among the @shown */
int top_list_window(int cursor, int n, int shown);

/** top_gutter - put the mark to the left of the row under the cursor */
void top_gutter(struct top_screen *screen, int y);

/** top_scrolled - for a sheet of @lines lines: returns the first line to show, and stores how many
 * lines are hidden */
int top_scrolled(const struct top_area *area, int lines);

/** top_since - convert host time @ns to the time since the beginning of the view */
int64_t top_since(const struct top_view *view, int64_t ns);

/** top_thread_text - "COMM/TID" of a thread, with its machine if it is not @machine; returns @out,
 * of TOP_TEXT bytes */
const char *top_thread_text(
	const struct top_view *view, uint32_t thread, uint32_t machine, char *out);

/** top_misses_order - list the misses that match the filter, in the order of the page; @out: room
 * for all misses; returns how many match */
size_t top_misses_order(const struct top_view *view, const struct top_ui *ui, size_t *out);

/** top_blame_bars - draw the parts of a time as bars, the largest first; returns the line behind
 * the bars */
int top_blame_bars(
	const struct top_area *area, int y, int until_y, const int64_t *blame_ns, int64_t total_ns);

#endif
