/* SPDX-License-Identifier: MIT */
/*
 * The layout of the screen, from top to bottom: title and time; losses and clock error, which are
 * always shown; the names of the pages; an alarm or a note, if there is one; the current page; the
 * most important keys.
 */
#include "layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/units.h>

#include "keys.h"
#include "pages.h"
#include "text.h"

#define LOW 14	  /* a screen lower than this has the line for a note only if there is a note */
#define NARROW 60 /* a screen narrower than this does not show the names of all pages */
#define TIME_DIGITS 3
#define BOX_WIDTH 88 /* width inside a box in front, for the longest line of help */
#define BOX_HEIGHT_MIN 12
#define KEYS_MIN 30 /* columns for the keys; other text on their line gets only the rest */

const char *top_page_name(enum top_page page)
{
	static const char *const names[] = {
#define X(name, words) words,
		TOP_PAGE_LIST(X)
#undef X
	};

	return page < TOP_PAGES ? names[page] : "";
}

/* ---- the status ---- */

static bool has_loss(const struct top_view *view)
{
	return view->lost || view->lost_at_least;
}

/* Describes the losses in words. */
static void loss_text(const struct top_view *view, char *buf, size_t room)
{
	if (has_loss(view))
		snprintf(buf, room, "L %" PRIu64 "%s lost", view->lost,
			view->lost_at_least ? "+" : "");
	else
		snprintf(buf, room, "loss none");
}

/* Describes switches that were not recorded but must have happened. They are no loss, because their
 * uncertainty is known. */
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
		/* a bound in whole microseconds is exact enough, and the number on the screen does
		 * not change all the time */
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

	loss_text(view, loss, sizeof(loss));
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

static void put_status(
	const struct top_view *view, const struct top_ui *ui, struct top_screen *screen)
{
	char text[128], since[VMRT_UNITS_TEXT];
	int x = 0, width = screen->width;

	loss_text(view, text, sizeof(text));
	x = piece(screen, 1, x, width, has_loss(view) ? TOP_LOSS : TOP_PLAIN, text);
	clock_text(view, ui->ascii, text, sizeof(text));
	x = piece(screen, 1, x, width, TOP_PLAIN, text);
	inferred_text(view, text, sizeof(text));
	x = piece(screen, 1, x, width, TOP_PLAIN, text);
	steal_text(view, text, sizeof(text));
	x = piece(screen, 1, x, width, TOP_PLAIN, text);
	if (view->since_ns != VMRT_UNKNOWN) {
		snprintf(text, sizeof(text), "counted since %s",
			top_text_time(since, top_since(view, view->since_ns), 1));
		x = piece(screen, 1, x, width, TOP_PLAIN, text);
	}
	if (ui->filter[0]) {
		snprintf(text, sizeof(text), "only '%s'", ui->filter);
		x = piece(screen, 1, x, width, TOP_PLAIN, text);
	}
	snprintf(text, sizeof(text), "%" PRIu64 " events", view->events);
	piece(screen, 1, x, width, TOP_DIM, text);
}

/* ---- title, pages, keys ---- */

static const char *state_word(const struct top_ui *ui)
{
	if (ui->seeking)
		return "SEEK";
	if (ui->paused)
		return "PAUSED";
	if (ui->ended)
		return "END";
	if (ui->recording)
		return "REC";
	if (ui->following && !ui->behind)
		return "FOLLOW";
	return ui->live && !ui->behind ? "LIVE" : "PLAY";
}

static void put_title(const struct top_ui *ui, struct top_screen *screen)
{
	char elapsed[VMRT_UNITS_TEXT], total[VMRT_UNITS_TEXT], time[128];
	int right = screen->width, width = 6;

	top_text_time(elapsed, ui->elapsed_ns, TIME_DIGITS);
	if (ui->total_ns != VMRT_UNKNOWN && screen->width >= NARROW)
		snprintf(time, sizeof(time), "%s of %s", elapsed,
			top_text_time(total, ui->total_ns, TIME_DIGITS));
	else
		snprintf(time, sizeof(time), "%s", elapsed);
	if ((!ui->live || ui->behind) && screen->width >= NARROW) {
		if (ui->speed <= 0)
			strcat(time, "  x max");
		else if (ui->speed != 1)
			snprintf(time + strlen(time), sizeof(time) - strlen(time), "  x%g",
				ui->speed);
	}
	/* the state has a place of fixed width, so that nothing moves when the state changes */
	right -= width;
	top_put(screen, 0, right, width, true, ui->paused ? TOP_PAUSED : TOP_TITLE, state_word(ui));
	width = top_columns(time);
	right -= width + 2;
	if (right > 0)
		top_put(screen, 0, right, width, true, TOP_PLAIN, time);
	top_put(screen, 0, 0, 8, false, TOP_TITLE, "vmrt-top");
	width = top_columns(ui->title);
	if (width > right - 12)
		width = right - 12;
	top_put(screen, 0, 10, width, false, TOP_PLAIN, ui->title);
}

static const char *sheet_name(enum top_sheet sheet)
{
	static const char *const names[] = {"", "help", "columns", "one miss", "text"};

	return names[sheet];
}

/* "1 overview  2 server..."; the page that is shown is in brackets. */
static void put_tabs(
	const struct top_view *view, const struct top_ui *ui, struct top_screen *screen, int y)
{
	bool narrow = screen->width < NARROW + 10;
	int x = 0;

	screen->tabs_y = y;
	for (enum top_page page = 0; page < TOP_PAGES; page++) {
		bool here = page == ui->page;
		const char *name = here || !narrow ? top_page_name(page) : "";
		uint64_t fresh = view->all_misses - view->seen_misses;

		screen->tabs[page] = x;
		x = top_say(screen, y, x, here ? TOP_TITLE : TOP_DIM, "%s%d%s%s", here ? "[" : " ",
			(int)page + 1, name[0] ? " " : "", name);
		if (page == TOP_PAGE_MISSES && fresh && view->n_misses)
			x = top_say(screen, y, x, TOP_MISS, "+%" PRIu64, fresh);
		x = top_say(screen, y, x, here ? TOP_TITLE : TOP_DIM, here ? "]" : " ");
	}
	if (ui->sheet != TOP_SHEET_NONE)
		top_say(screen, y, x + 1, TOP_TITLE, "%s", sheet_name(ui->sheet));
}

static int put_key(struct top_screen *screen, int x, int until, const char *key, const char *does)
{
	int y = screen->height - 1, width = top_columns(key) + 1 + top_columns(does);

	if (x + width > until)
		return x;
	x = top_say(screen, y, x, TOP_KEY, "%s", key);
	return top_say(screen, y, x + 1, TOP_DIM, "%s", does) + 2;
}

static void put_prompt(const struct top_ui *ui, struct top_screen *screen)
{
	static const char *const words[] = {
		"", "Search: ", "Only names with: ", "Go to (0:12.5, 300ms): "};
	int y = screen->height - 1, x = top_say(screen, y, 0, TOP_TITLE, "%s", words[ui->prompt]);

	x = top_say(screen, y, x, TOP_PLAIN, "%s", ui->input);
	top_put(screen, y, x, 1, false, TOP_PAUSED, "_");
}

static void put_page_keys(const struct top_ui *ui, struct top_screen *screen, int x, int right)
{
	if (ui->sheet == TOP_SHEET_SETUP) {
		x = put_key(screen, x, right, "space", "show/hide");
		put_key(screen, x, right, "w", "write");
	} else if (ui->sheet == TOP_SHEET_SPLIT) {
		x = put_key(screen, x, right, "enter", "timeline");
		put_key(screen, x, right, "e", "events");
	} else if (ui->sheet == TOP_SHEET_TEXT) {
		put_key(screen, x, right, "left right", "sideways");
	} else if (ui->sheet != TOP_SHEET_NONE) {
		return;
	} else if (ui->page == TOP_PAGE_TIMELINE) {
		x = put_key(screen, x, right, "i o", "zoom");
		x = put_key(screen, x, right, "h l", "cursor");
		put_key(screen, x, right, "H L", "pan");
	} else if (ui->page == TOP_PAGE_MISSES) {
		x = put_key(screen, x, right, "enter", "why");
		x = put_key(screen, x, right, "e", "events");
		put_key(screen, x, right, "F6", "sort");
	} else if (ui->page == TOP_PAGE_OVERVIEW) {
		x = put_key(screen, x, right, "enter", "open");
		x = put_key(screen, x, right, "/", "search");
		x = put_key(screen, x, right, "F4", "filter");
		put_key(screen, x, right, "F6", "sort");
	} else if (ui->page == TOP_PAGE_SERVER || ui->page == TOP_PAGE_TASK) {
		put_key(screen, x, right, "left right", "others");
	}
}

static void put_keys(const struct top_ui *ui, struct top_screen *screen)
{
	char text[96], delay[VMRT_UNITS_TEXT];
	int y = screen->height - 1, right = screen->width, x = 0;

	if (ui->prompt != TOP_PROMPT_NONE) {
		put_prompt(ui, screen);
		return;
	}
	if (screen->lines_hidden > 0)
		snprintf(text, sizeof(text), "%d more lines", screen->lines_hidden);
	else if (screen->rows > 0 && screen->rows > screen->page_rows)
		snprintf(text, sizeof(text), "row %d of %d",
			(ui->sheet == TOP_SHEET_SETUP ? ui->setup_cursor : ui->cursor[ui->page]) +
				1,
			screen->rows);
	else
		snprintf(text, sizeof(text), "every %s", vmrt_format_duration(ui->delay_ns, delay));
	right -= top_columns(text);
	if (right > KEYS_MIN)
		top_put(screen, y, right, top_columns(text), true, TOP_DIM, text);
	else
		right = screen->width;
	right -= 2;
	x = put_key(screen, x, right, ui->sheet ? "esc" : "F1", ui->sheet ? "back" : "help");
	x = put_key(screen, x, right, "q", "quit");
	/* on the sheet of columns the space key does something else */
	if (ui->sheet != TOP_SHEET_SETUP)
		x = put_key(screen, x, right, "space", ui->paused ? "go on" : "pause");
	if (!ui->sheet && ui->page != TOP_PAGE_TIMELINE)
		x = put_key(screen, x, right, "m M", "misses");
	put_page_keys(ui, screen, x, right);
}

/* Shows the most important message: an alarm, else an answer to a key, else a note. */
static bool put_note(const struct top_ui *ui, struct top_screen *screen, int y)
{
	if (ui->alarm && ui->alarm[0])
		top_say(screen, y, 0, TOP_ALARM, "! %s", ui->alarm);
	else if (ui->notice && ui->notice[0])
		top_say(screen, y, 0, TOP_TITLE, "%s", ui->notice);
	else if (ui->note && ui->note[0])
		top_say(screen, y, 0, ui->note_mild ? TOP_PLAIN : TOP_MISS, "%s", ui->note);
	else
		return false;
	return true;
}

/* Is there room to show help and the choice of columns as a box in front of the page? */
static bool is_box(const struct top_area *area)
{
	return (area->ui->sheet == TOP_SHEET_HELP || area->ui->sheet == TOP_SHEET_SETUP) &&
	       area->screen->width >= BOX_WIDTH + 4 && area->height >= BOX_HEIGHT_MIN + 2;
}

static void put_box(const struct top_area *area, top_page_fn *sheet)
{
	struct top_screen *screen = area->screen, *front;
	int lines = top_sheet_lines(area->ui->sheet);
	struct top_area inside = *area;

	inside.y = 0;
	inside.height = area->height - 2 < lines ? area->height - 2 : lines;
	front = top_screen_front(screen, area->y + (area->height - inside.height - 2) / 2,
		(screen->width - BOX_WIDTH - 2) / 2, BOX_WIDTH, inside.height, area->ui->ascii);
	if (!front)
		return;
	inside.screen = front;
	sheet(&inside);
	/* keys act on the box in front */
	screen->rows = front->rows;
	screen->page_rows = front->page_rows;
	screen->lines_hidden = front->lines_hidden;
	screen->kind = front->kind;
}

static void put_page(const struct top_area *area)
{
	static top_page_fn *const pages[] = {top_page_overview, top_page_server, top_page_task,
		top_page_timeline, top_page_misses, top_page_system};
	static top_page_fn *const sheets[] = {
		NULL, top_sheet_help, top_sheet_setup, top_sheet_split, top_sheet_text};

	enum top_sheet sheet = area->ui->sheet;

	if (area->height <= 0)
		return;
	if (!sheet || is_box(area))
		pages[area->ui->page](area);
	if (sheet && is_box(area))
		put_box(area, sheets[sheet]);
	else if (sheet)
		sheets[sheet](area);
}

void top_layout(const struct top_view *view, const struct top_ui *ui, int width, int height,
	struct top_screen *screen)
{
	struct top_area area = {.view = view, .ui = ui, .screen = screen, .y = 3};

	top_screen_clear(screen, width, height);
	screen->only_ascii = ui->ascii;
	if (width < TOP_WIDTH_MIN || height < TOP_HEIGHT_MIN) {
		top_say(screen, 0, 0, TOP_PLAIN, "needs %dx%d, is %dx%d", TOP_WIDTH_MIN,
			TOP_HEIGHT_MIN, width, height);
		top_say(screen, 1, 0, TOP_PLAIN, "q quits");
		return;
	}
	put_title(ui, screen);
	put_status(view, ui, screen);
	put_tabs(view, ui, screen, 2);
	if (put_note(ui, screen, 3) || height >= LOW)
		area.y++;
	area.height = height - 1 - area.y;
	/* a page cannot write on the line of keys */
	screen->height--;
	put_page(&area);
	screen->height++;
	put_keys(ui, screen);
}
