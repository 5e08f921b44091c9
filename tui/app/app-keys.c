/* SPDX-License-Identifier: MIT */
/* Carries out the actions of the keys. */
#include <stdio.h>
#include <string.h>

#include "app-local.h"
#include "app-timeline.h"
#include "snapshot.h"
#include "tui/rows/columns.h"
#include "tui/rows/pages.h"

#define SIDE_STEP 16 /* columns by which a text moves sideways */
#define SPEED_LEAST (1.0 / 1024)
#define SPEED_MOST 1024.0
#define ALL_ROWS 1000000 /* more than any page has */

static int clamp(int value, int low, int high)
{
	if (value > high)
		value = high;
	return value < low ? low : value;
}

/* ---- moving ---- */

static int *cursor_of(struct top_app *app)
{
	return app->ui.sheet == TOP_SHEET_SETUP ? &app->ui.setup_cursor
						: &app->ui.cursor[app->ui.page];
}

static bool scrolls(const struct top_app *app)
{
	return app->ui.sheet == TOP_SHEET_HELP || app->ui.sheet == TOP_SHEET_TEXT;
}

static void move(struct top_app *app, int by)
{
	int last = app->screen.lines_hidden + app->ui.scroll;

	if (scrolls(app)) {
		app->ui.scroll = clamp(app->ui.scroll + by, 0, last);
		return;
	}
	*cursor_of(app) = clamp(*cursor_of(app) + by, 0, app->screen.rows - 1);
	top_app_draw(app, app->width, app->height);
	app_take_item(app);
}

static void move_screen(struct top_app *app, int by)
{
	int rows = app->screen.page_rows > 1 ? app->screen.page_rows - 1 : 1;

	move(app, by * rows);
}

static void neighbour(struct top_app *app, int by)
{
	size_t n = app->view.n_servers, *at = &app->ui.server;

	if (app->ui.sheet == TOP_SHEET_TEXT) {
		app->ui.scroll_x = clamp(app->ui.scroll_x + by * SIDE_STEP, 0, TOP_TEXT);
		return;
	}
	if (app->ui.page == TOP_PAGE_TASK) {
		n = app->view.n_tasks;
		at = &app->ui.task;
	} else if (app->ui.page != TOP_PAGE_SERVER) {
		return;
	}
	if (n)
		*at = by < 0 ? (*at + n - 1) % n : (*at + 1) % n;
}

/* ---- sorting ---- */

/* Returns the table that the cursor is in. */
static enum top_table table_of(const struct top_app *app)
{
	return app->screen.kind == TOP_A_TASK ? TOP_TASKS : TOP_SERVERS;
}

static void sort(struct top_app *app, int by)
{
	enum top_table table = table_of(app);
	struct top_arrangement *how = &app->ui.tables[table];
	int n = (int)top_table_columns(table) + 1;

	if (app->ui.page == TOP_PAGE_MISSES) {
		app->ui.misses_sort = (app->ui.misses_sort + by + 3) % 3;
		return;
	}
	app->ui.page = TOP_PAGE_OVERVIEW;
	do {
		how->sort = (how->sort + by + n) % n;
	} while (how->sort > 1 && how->hidden >> (how->sort - 1) & 1);
	if (how->sort)
		top_app_notice(app, "%s sorted by %s: %s",
			table == TOP_TASKS ? "Tasks are" : "Servers are",
			top_column_head(table, (size_t)how->sort - 1),
			top_column_words(table, (size_t)how->sort - 1));
	else
		top_app_notice(app, "%s in the order of the experiment.",
			table == TOP_TASKS ? "Tasks are" : "Servers are");
}

static void invert(struct top_app *app)
{
	enum top_table table = table_of(app);

	if (app->ui.page == TOP_PAGE_MISSES)
		app->ui.misses_invert = !app->ui.misses_invert;
	else
		app->ui.tables[table].invert = !app->ui.tables[table].invert;
}

static void show_or_hide(struct top_app *app)
{
	int row = app->ui.setup_cursor, servers = (int)top_table_columns(TOP_SERVERS);
	enum top_table table = row < servers ? TOP_SERVERS : TOP_TASKS;
	int column = row < servers ? row : row - servers;

	if (!column)
		top_app_notice(app, "The names are always shown.");
	else
		app->ui.tables[table].hidden ^= UINT32_C(1) << column;
}

/* ---- opening and closing ---- */

static const struct top_miss *miss_under_cursor(const struct top_app *app)
{
	return app->screen.kind == TOP_A_MISS && app->screen.index < app->view.n_misses
		       ? &app->view.misses[app->screen.index]
		       : NULL;
}

static void open_sheet(struct top_app *app, enum top_sheet sheet)
{
	app->ui.sheet = sheet;
	app->ui.scroll = 0;
}

/* Shows the timeline at the deadline of a miss. */
static void show_place(struct top_app *app, const struct top_miss *miss)
{
	int64_t at = miss->job.deadline_ns;

	app->ui.sheet = TOP_SHEET_NONE;
	app->ui.page = TOP_PAGE_TIMELINE;
	if (at == VMRT_UNKNOWN)
		return;
	app->ui.at_ns = at;
	timeline_end_at(app, at + app->ui.span_ns / 4);
}

static void enter(struct top_app *app)
{
	const struct top_miss *miss = miss_under_cursor(app);

	if (app->ui.sheet == TOP_SHEET_SPLIT && miss)
		show_place(app, miss);
	else if (app->ui.sheet == TOP_SHEET_SETUP)
		show_or_hide(app);
	else if (app->ui.sheet)
		app->ui.sheet = TOP_SHEET_NONE;
	else if (miss) {
		app->ui.miss = miss->number;
		open_sheet(app, TOP_SHEET_SPLIT);
	} else if (app->screen.kind == TOP_A_SERVER || app->screen.kind == TOP_A_TASK) {
		app_take_item(app);
		app->ui.page = app->screen.kind == TOP_A_SERVER ? TOP_PAGE_SERVER : TOP_PAGE_TASK;
	}
}

static enum vmrt_status back(struct top_app *app, int n, struct vmrt_error *err)
{
	(void)n;
	if (app->seek.under_way)
		return top_app_stay(app, err);
	if (app->ui.sheet)
		app->ui.sheet = TOP_SHEET_NONE;
	else if (app->ui.filter[0])
		app->ui.filter[0] = '\0';
	else if (app->ui.page != TOP_PAGE_OVERVIEW)
		app->ui.page = TOP_PAGE_OVERVIEW;
	return VMRT_OK;
}

static void go_to(struct top_app *app, int page)
{
	app->ui.sheet = TOP_SHEET_NONE;
	app->ui.page = (enum top_page)page;
}

static void turn_page(struct top_app *app, int by)
{
	go_to(app, ((int)app->ui.page + TOP_PAGES + by) % TOP_PAGES);
}

static void open_or_close(struct top_app *app, int sheet)
{
	open_sheet(app, (int)app->ui.sheet == sheet ? TOP_SHEET_NONE : (enum top_sheet)sheet);
}

static enum vmrt_status events(struct top_app *app, int n, struct vmrt_error *err)
{
	const struct top_miss *miss = miss_under_cursor(app);
	const struct top_task_row *t;
	int64_t from_ns, to_ns;
	char title[TOP_TEXT];

	(void)n;
	if (!miss || !app_span_of_miss(miss, &from_ns, &to_ns))
		return VMRT_OK;
	t = &app->view.tasks[miss->job.task];
	snprintf(title, sizeof(title), "Events around %s/%s job %lld", t->machine, t->name,
		(long long)miss->job.k);
	return top_app_events(app, title, from_ns, to_ns, err);
}

/* ---- time ---- */

/* 100 ms, 200 ms, 500 ms, 1 s, 2 s... */
static int64_t next_delay(int64_t now, bool longer)
{
	static const int64_t steps[] = {100 * VMRT_NS_PER_MS, 200 * VMRT_NS_PER_MS,
		500 * VMRT_NS_PER_MS, VMRT_NS_PER_S, 2 * VMRT_NS_PER_S, 5 * VMRT_NS_PER_S,
		10 * VMRT_NS_PER_S, 30 * VMRT_NS_PER_S, 60 * VMRT_NS_PER_S};
	size_t n = sizeof(steps) / sizeof(steps[0]);

	if (longer) {
		for (size_t i = 0; i < n; i++)
			if (steps[i] > now)
				return steps[i];
		return now;
	}
	for (size_t i = n; i-- > 0;)
		if (steps[i] < now)
			return steps[i];
	return now;
}

static void pause_or_go_on(struct top_app *app)
{
	app->ui.paused = !app->ui.paused;
	/* then the next miss is the next one after the time that is shown */
	app->miss = 0;
}

static void change_speed(struct top_app *app, int by)
{
	double speed = app->ui.speed > 0 ? app->ui.speed : SPEED_MOST;

	speed = by > 0 ? speed * 2 : speed / 2;
	if (speed >= SPEED_LEAST && speed <= SPEED_MOST)
		app->ui.speed = speed;
}

static enum vmrt_status seek_by(struct top_app *app, int64_t ns, struct vmrt_error *err)
{
	return top_app_seek(app, top_app_shown_ns(app) + ns, err);
}

/* Moves by a tenth of the time that the timeline shows. */
static enum vmrt_status step(struct top_app *app, int by, struct vmrt_error *err)
{
	app->ui.paused = true;
	return seek_by(app, app->ui.span_ns / (by * 10), err);
}

/* Moves by a tenth of the recording. */
static enum vmrt_status seek(struct top_app *app, int by, struct vmrt_error *err)
{
	int64_t all = app->ui.total_ns == VMRT_UNKNOWN ? app->ui.elapsed_ns : app->ui.total_ns;

	return seek_by(app, by * all / 10, err);
}

static void change_delay(struct top_app *app, int by)
{
	app->ui.delay_ns = next_delay(app->ui.delay_ns, by > 0);
}

static void count_anew(struct top_app *app)
{
	top_model_reset(app->model, app->engine, app->source->now_ns);
	if (app->source->ops->reset)
		app->source->ops->reset(app->source);
	app->miss = 0;
	app->stale = true;
	top_app_notice(app, "Counted anew from now on.");
}

/* ---- keys that mean one thing here and another there ---- */

static bool on_timeline(const struct top_app *app)
{
	return app->ui.page == TOP_PAGE_TIMELINE && !app->ui.sheet;
}

static void first(struct top_app *app)
{
	if (on_timeline(app))
		timeline_oldest(app);
	else
		move(app, -ALL_ROWS);
}

static void last(struct top_app *app)
{
	if (!on_timeline(app)) {
		move(app, ALL_ROWS);
		return;
	}
	timeline_follow(app);
	top_app_present(app);
}

static void sideways(struct top_app *app, int by)
{
	if (on_timeline(app))
		timeline_move(app, by);
	else
		neighbour(app, by);
}

static void space(struct top_app *app)
{
	if (app->ui.sheet == TOP_SHEET_SETUP)
		show_or_hide(app);
	else
		pause_or_go_on(app);
}

/* ---- the table ---- */

static void quit(struct top_app *app)
{
	app->quit = true;
}

static void save(struct top_app *app)
{
	app->reconfigure = true;
}

static void ask(struct top_app *app, int prompt)
{
	app_ask(app, (enum top_prompt)prompt);
}

static void redraw(struct top_app *app)
{
	app->redraw = true;
}

/* What each action does: it calls one of three functions, the last two with a number. */
static const struct {
	void (*plain)(struct top_app *app);
	void (*by)(struct top_app *app, int n);
	enum vmrt_status (*reads)(struct top_app *app, int n, struct vmrt_error *err);
	int n;
} actions[TOP_ACTIONS] = {
	[TOP_ACT_QUIT] = {.plain = quit},
	[TOP_ACT_HELP] = {.by = open_or_close, .n = TOP_SHEET_HELP},
	[TOP_ACT_SETUP] = {.by = open_or_close, .n = TOP_SHEET_SETUP},
	[TOP_ACT_NEXT_PAGE] = {.by = turn_page, .n = 1},
	[TOP_ACT_PREVIOUS_PAGE] = {.by = turn_page, .n = -1},
	[TOP_ACT_PAGE_1] = {.by = go_to, .n = TOP_PAGE_OVERVIEW},
	[TOP_ACT_PAGE_2] = {.by = go_to, .n = TOP_PAGE_SERVER},
	[TOP_ACT_PAGE_3] = {.by = go_to, .n = TOP_PAGE_TASK},
	[TOP_ACT_PAGE_4] = {.by = go_to, .n = TOP_PAGE_TIMELINE},
	[TOP_ACT_PAGE_5] = {.by = go_to, .n = TOP_PAGE_MISSES},
	[TOP_ACT_PAGE_6] = {.by = go_to, .n = TOP_PAGE_SYSTEM},
	[TOP_ACT_UP] = {.by = move, .n = -1},
	[TOP_ACT_DOWN] = {.by = move, .n = 1},
	[TOP_ACT_PAGE_UP] = {.by = move_screen, .n = -1},
	[TOP_ACT_PAGE_DOWN] = {.by = move_screen, .n = 1},
	[TOP_ACT_FIRST] = {.plain = first},
	[TOP_ACT_LAST] = {.plain = last},
	[TOP_ACT_LEFT] = {.by = sideways, .n = -1},
	[TOP_ACT_RIGHT] = {.by = sideways, .n = 1},
	[TOP_ACT_PAN_LEFT] = {.by = timeline_pan, .n = -1},
	[TOP_ACT_PAN_RIGHT] = {.by = timeline_pan, .n = 1},
	[TOP_ACT_ZOOM_IN] = {.by = timeline_zoom, .n = 1},
	[TOP_ACT_ZOOM_OUT] = {.by = timeline_zoom, .n = -1},
	[TOP_ACT_ENTER] = {.plain = enter},
	[TOP_ACT_BACK] = {.reads = back},
	[TOP_ACT_SEARCH] = {.by = ask, .n = TOP_PROMPT_SEARCH},
	[TOP_ACT_FIND_NEXT] = {.plain = app_find_next},
	[TOP_ACT_FILTER] = {.by = ask, .n = TOP_PROMPT_FILTER},
	[TOP_ACT_SEEK] = {.by = ask, .n = TOP_PROMPT_SEEK},
	[TOP_ACT_SORT] = {.by = sort, .n = 1},
	[TOP_ACT_SORT_BACK] = {.by = sort, .n = -1},
	[TOP_ACT_INVERT] = {.plain = invert},
	[TOP_ACT_PAUSE] = {.plain = space},
	[TOP_ACT_SLOWER] = {.by = change_delay, .n = 1},
	[TOP_ACT_FASTER] = {.by = change_delay, .n = -1},
	[TOP_ACT_SNAPSHOT] = {.plain = top_snapshot},
	[TOP_ACT_RESET] = {.plain = count_anew},
	[TOP_ACT_EVENTS] = {.reads = events},
	[TOP_ACT_SAVE] = {.plain = save},
	[TOP_ACT_SPEED_UP] = {.by = change_speed, .n = 1},
	[TOP_ACT_SPEED_DOWN] = {.by = change_speed, .n = -1},
	[TOP_ACT_REDRAW] = {.plain = redraw},
	[TOP_ACT_STEP] = {.reads = step, .n = 1},
	[TOP_ACT_STEP_BACK] = {.reads = step, .n = -1},
	[TOP_ACT_SEEK_ON] = {.reads = seek, .n = 1},
	[TOP_ACT_SEEK_BACK] = {.reads = seek, .n = -1},
	[TOP_ACT_NEXT_MISS] = {.reads = top_app_jump, .n = 1},
	[TOP_ACT_PREVIOUS_MISS] = {.reads = top_app_jump, .n = -1},
};

static enum vmrt_status act(struct top_app *app, enum top_action action, struct vmrt_error *err)
{
	if (actions[action].reads)
		return actions[action].reads(app, actions[action].n, err);
	if (actions[action].by)
		actions[action].by(app, actions[action].n);
	else if (actions[action].plain)
		actions[action].plain(app);
	return VMRT_OK;
}

enum vmrt_status top_app_key(struct top_app *app, const char *name, struct vmrt_error *err)
{
	enum top_page page = app->ui.page;
	enum vmrt_status status;

	if (page == TOP_PAGE_OVERVIEW)
		top_model_seen(app->model, &app->view, true, false);
	if (app->ui.prompt != TOP_PROMPT_NONE) {
		status = app_type(app, name, err);
	} else {
		app->notice[0] = '\0';
		top_alarms_clear(app->alarms);
		status = act(app, top_key_action(name, &app->ui), err);
	}
	/* the marks of new misses stay until their list is left */
	if (page == TOP_PAGE_MISSES && app->ui.page != page) {
		top_model_seen(app->model, &app->view, false, true);
		app->view.seen_misses = app->view.all_misses;
	}
	if (status == VMRT_OK)
		top_app_draw(app, app->width, app->height);
	return status;
}
