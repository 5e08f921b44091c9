/* SPDX-License-Identifier: MIT */
/*
 * From top to bottom: title and time; loss and clock, always; a note, if there is one, or nothing;
 * the tables, which scroll; the most important keys.
 */
#include "layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/units.h>

#include "columns.h"
#include "keys.h"

#define HEAD_LINES 3 /* above the tables */
#define FOOT_LINES 1
#define LOW 12 /* a screen lower than this has no line for a note that is not there */

const char *top_time_text(int64_t ns, char *buf)
{
	int64_t tenths = ns == VMRT_UNKNOWN || ns < 0 ? 0 : ns / (VMRT_NS_PER_S / 10);
	int64_t s = tenths / 10;

	if (s >= 3600)
		snprintf(buf, VMRT_UNITS_TEXT, "%" PRId64 ":%02" PRId64 ":%02" PRId64 ".%" PRId64,
			s / 3600, s / 60 % 60, s % 60, tenths % 10);
	else
		snprintf(buf, VMRT_UNITS_TEXT, "%" PRId64 ":%02" PRId64 ".%" PRId64, s / 60, s % 60,
			tenths % 10);
	return buf;
}

static bool has_loss(const struct top_view *view)
{
	return view->lost || view->lost_at_least;
}

void top_loss_text(const struct top_view *view, char *buf, size_t room)
{
	if (has_loss(view))
		snprintf(buf, room, "L %" PRIu64 "%s lost", view->lost,
			view->lost_at_least ? "+" : "");
	else
		snprintf(buf, room, "loss none");
}

/* Switches that were not recorded but must have been; with their uncertainty they are no loss. */
static void inferred_text(const struct top_view *view, char *buf, size_t room)
{
	buf[0] = '\0';
	if (view->broken)
		snprintf(buf, room, "%" PRIu64 " inferred", view->broken);
}

static void clock_text(const struct top_view *view, bool ascii, char *buf, size_t room)
{
	char error[VMRT_UNITS_TEXT];

	if (!view->mapped)
		snprintf(buf, room, "clock host");
	else if (view->clock_error_ns == VMRT_UNKNOWN)
		snprintf(buf, room, "clock ?");
	else {
		/* whole microseconds are as exact as a bound needs to be, and stand still */
		int64_t us = (view->clock_error_ns + VMRT_NS_PER_US - 1) / VMRT_NS_PER_US;

		snprintf(buf, room, "clock %s%s", ascii ? "+-" : "\u00b1",
			vmrt_format_duration(us * VMRT_NS_PER_US, error));
	}
}

static void steal_text(const struct top_view *view, char *buf, size_t room)
{
	char ns[VMRT_UNITS_TEXT];

	buf[0] = '\0';
	if (view->steal_ns)
		snprintf(buf, room, "steal %s ms", vmrt_format_ms(view->steal_ns, 1, ns));
}

void top_status_text(const struct top_view *view, bool ascii, char *buf, size_t room)
{
	char loss[64], clock[64], inferred[64], steal[64];

	top_loss_text(view, loss, sizeof(loss));
	clock_text(view, ascii, clock, sizeof(clock));
	steal_text(view, steal, sizeof(steal));
	inferred_text(view, inferred, sizeof(inferred));
	snprintf(buf, room, "%s, %s%s%s%s%s, %" PRIu64 " events", loss, clock,
		inferred[0] ? ", " : "", inferred, steal[0] ? ", " : "", steal, view->events);
}

/* Puts @text at @x if there is room; returns where the next piece may begin. */
static int piece(
	struct top_screen *screen, int y, int x, int until, enum top_attr attr, const char *text)
{
	int width = top_columns(text);

	if (!width || x + width > until)
		return x;
	top_put(screen, y, x, width, false, attr, text);
	return x + width + 3;
}

static void put_title(const struct top_look *look, struct top_screen *screen)
{
	const char *state = look->paused  ? "PAUSED"
			    : look->ended ? "END"
			    : look->live  ? "LIVE"
					  : "";
	char elapsed[VMRT_UNITS_TEXT], total[VMRT_UNITS_TEXT], time[128];
	int right = screen->width, width;

	if (look->total_ns != VMRT_UNKNOWN && screen->width >= 60)
		snprintf(time, sizeof(time), "%s of %s", top_time_text(look->elapsed_ns, elapsed),
			top_time_text(look->total_ns, total));
	else
		top_time_text(look->elapsed_ns, time);
	if (!look->live && look->speed > 0 && look->speed != 1 && screen->width >= 60)
		snprintf(time + strlen(time), sizeof(time) - strlen(time), "  x%g", look->speed);
	/* a place of its own, so that nothing moves when the state changes */
	width = 6;
	right -= width;
	if (state[0])
		top_put(screen, 0, right, width, true, look->paused ? TOP_PAUSED : TOP_TITLE,
			state);
	width = top_columns(time);
	right -= width + 2;
	if (right > 0)
		top_put(screen, 0, right, width, true, TOP_PLAIN, time);
	top_put(screen, 0, 0, 8, false, TOP_TITLE, "vmrt-top");
	width = top_columns(look->title);
	if (width > right - 12)
		width = right - 12;
	top_put(screen, 0, 10, width, false, TOP_PLAIN, look->title);
}

static void put_status(
	const struct top_view *view, const struct top_look *look, struct top_screen *screen)
{
	char text[128];
	int x = 0, width = screen->width;

	top_loss_text(view, text, sizeof(text));
	x = piece(screen, 1, x, width, has_loss(view) ? TOP_LOSS : TOP_PLAIN, text);
	clock_text(view, look->ascii, text, sizeof(text));
	x = piece(screen, 1, x, width, TOP_PLAIN, text);
	inferred_text(view, text, sizeof(text));
	x = piece(screen, 1, x, width, TOP_PLAIN, text);
	steal_text(view, text, sizeof(text));
	x = piece(screen, 1, x, width, TOP_PLAIN, text);
	snprintf(text, sizeof(text), "%" PRIu64 " events", view->events);
	piece(screen, 1, x, width, TOP_DIM, text);
	if (look->note[0])
		top_put(screen, 2, 0, width, false, TOP_MISS, look->note);
}

static void put_keys(const struct top_look *look, struct top_screen *screen, int lines, int shown)
{
	char text[96], delay[VMRT_UNITS_TEXT];
	int y = screen->height - 1, right = screen->width, x = 0;

	if (screen->scroll_max > 0 && !look->help) {
		int from = look->scroll < screen->scroll_max ? look->scroll : screen->scroll_max;

		snprintf(text, sizeof(text), "lines %d-%d of %d", from + 1, from + shown, lines);
		right -= top_columns(text);
		top_put(screen, y, right, top_columns(text), true, TOP_PLAIN, text);
		right -= 2;
	}
	x = piece(screen, y, x, right, TOP_DIM, look->help ? "h back" : "h help");
	x = piece(screen, y, x, right, TOP_DIM, "q quit");
	x = piece(screen, y, x, right, TOP_DIM, look->paused ? "space go on" : "space pause");
	snprintf(text, sizeof(text), "+ - delay %s", vmrt_format_duration(look->delay_ns, delay));
	piece(screen, y, x, right, TOP_DIM, text);
}

static void put_help(struct top_screen *screen, int head)
{
	static const char *const words[] = {
		"",
		"USED is of the current period, SHARE and SOFT (below the priority) of",
		"one CPU in the last second; MAX is of the whole time.",
		"T: budget used up.  M: deadline missed.  L: events lost.  ?: unknown.",
		"inferred: switches that were not recorded.  Q: no job for two periods.",
	};
	int y = head, limit = screen->height - FOOT_LINES;

	for (size_t i = 0; i < top_n_keys && y < limit; i++, y++) {
		top_put(screen, y, 0, 10, false, TOP_TITLE, top_keys[i].names);
		top_put(screen, y, 12, screen->width - 12, false, TOP_PLAIN, top_keys[i].does);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]) && y < limit; i++, y++)
		top_put(screen, y, 0, screen->width, false, TOP_PLAIN, words[i]);
}

/* Line @line of all lines that the tables have, drawn at @y. */
static void put_body_line(const struct top_plan *plans, const struct top_view *view,
	struct top_screen *screen, int line, int y)
{
	for (enum top_table table = TOP_SERVERS; table <= TOP_TASKS; table++) {
		int rows = (int)top_table_rows(view, table);

		if (!rows)
			continue;
		if (line == 0)
			top_plan_head(&plans[table], screen, y, 0);
		else if (line <= rows)
			top_plan_row(&plans[table], view, (size_t)line - 1, screen, y, 0);
		line -= rows + 2; /* with its head and a blank line */
		if (line < 0)
			return;
	}
}

static int put_body(const struct top_view *view, const struct top_look *look,
	struct top_screen *screen, int head, int shown)
{
	int lines = 0, scroll = look->scroll;
	struct top_plan plans[2];

	top_plans_make(view, screen->width, look->ascii, plans);
	for (enum top_table table = TOP_SERVERS; table <= TOP_TASKS; table++) {
		int rows = (int)top_table_rows(view, table);

		if (rows)
			lines += rows + 1 + (lines > 0);
	}
	if (!lines)
		top_put(screen, head, 0, screen->width, false, TOP_PLAIN,
			"Nothing to show: no server, no task, no VM.");
	screen->scroll_max = lines > shown ? lines - shown : 0;
	if (scroll > screen->scroll_max)
		scroll = screen->scroll_max;
	for (int i = 0; i < shown && scroll + i < lines; i++)
		put_body_line(plans, view, screen, scroll + i, head + i);
	return lines;
}

void top_layout(const struct top_view *view, const struct top_look *look, int width, int height,
	struct top_screen *screen)
{
	int head = height < LOW && !look->note[0] ? HEAD_LINES - 1 : HEAD_LINES;
	int shown = height - head - FOOT_LINES, lines = 0;

	top_screen_clear(screen, width, height);
	if (width < TOP_WIDTH_MIN || height < TOP_HEIGHT_MIN) {
		char text[64];

		snprintf(text, sizeof(text), "needs %dx%d, is %dx%d", TOP_WIDTH_MIN, TOP_HEIGHT_MIN,
			width, height);
		top_put(screen, 0, 0, width, false, TOP_PLAIN, text);
		top_put(screen, 1, 0, width, false, TOP_PLAIN, "q quits");
		return;
	}
	put_title(look, screen);
	put_status(view, look, screen);
	if (look->help)
		put_help(screen, head);
	else
		lines = put_body(view, look, screen, head, shown);
	put_keys(look, screen, lines, shown);
}
