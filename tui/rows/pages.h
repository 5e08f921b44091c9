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
	int y, height; /* of the part to fill; it is as wide as the screen */
};

typedef void top_page_fn(const struct top_area *area);

top_page_fn top_page_overview, top_page_server, top_page_task, top_page_timeline, top_page_misses,
	top_page_system;
top_page_fn top_sheet_help, top_sheet_setup, top_sheet_split, top_sheet_text;

/** top_sheet_lines - how many lines help, or the choice of columns, has in all */
int top_sheet_lines(enum top_sheet sheet);

/** top_list_window - the first of @n rows to show so that row @cursor is among the @shown */
int top_list_window(int cursor, int n, int shown);

/** top_gutter - the mark left of the row under the cursor */
void top_gutter(struct top_screen *screen, int y);

/** top_scrolled - a scrolled sheet of @lines lines: returns the first one to show, notes how many
 * are hidden */
int top_scrolled(const struct top_area *area, int lines);

/** top_since - host time @ns as time since the beginning of what is looked at */
int64_t top_since(const struct top_view *view, int64_t ns);

/** top_thread_text - "COMM/TID" of a thread, with its machine if it is not @machine; returns @out,
 * of TOP_TEXT bytes */
const char *top_thread_text(
	const struct top_view *view, uint32_t thread, uint32_t machine, char *out);

/** top_misses_order - the misses that the filter leaves, in the order of their list; @out: room for
 * all of them; returns how many there are */
size_t top_misses_order(const struct top_view *view, const struct top_ui *ui, size_t *out);

/** top_blame_bars - the parts of a time as bars, the largest first; returns the line behind them */
int top_blame_bars(
	const struct top_area *area, int y, int until_y, const int64_t *blame_ns, int64_t total_ns);

#endif
