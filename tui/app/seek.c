/* SPDX-License-Identifier: MIT */
/*
 * Seeks in a recording, to a time or to a miss. To go back, the recording is read again from its
 * beginning. So a seek may take seconds, and is done in pieces.
 */
#include <inttypes.h>
#include <string.h>

#include "app-local.h"
#include "tui/rows/text.h"

#define GOING "Going to "
#define CHUNK_NS (2 * VMRT_NS_PER_MS) /* time of a recording between two checks for a miss */

int64_t app_total_ns(const struct top_app *app)
{
	const struct top_source *source = app->source;
	int64_t end = source->end_ns;

	if (end == VMRT_UNKNOWN && app->behind)
		end = source->upto_ns;
	return end == VMRT_UNKNOWN || source->start_ns == VMRT_UNKNOWN ? VMRT_UNKNOWN
								       : end - source->start_ns;
}

int64_t top_app_shown_ns(const struct top_app *app)
{
	int64_t now = app->source->now_ns;

	/* a live view goes on while the screen is paused */
	if (app->source->live && app->ui.paused && app->view.now_ns != VMRT_UNKNOWN)
		now = app->view.now_ns;
	return now - app->source->start_ns;
}

/* Has the followed recording been read up to the last recorded event? */
static bool is_present(const struct top_source *source)
{
	return source->live && source->now_ns >= source->upto_ns;
}

/* ---- arriving ---- */

/* The timeline shows the miss three quarters from the left. */
static void show_around_miss(struct top_app *app, const struct top_miss *miss)
{
	int64_t at = miss->job.deadline_ns;

	if (at == VMRT_UNKNOWN)
		return;
	app->ui.at_ns = at;
	app->ui.right_ns = at + app->ui.span_ns / 4;
	if (app->ui.right_ns > app->view.now_ns)
		app->ui.right_ns = app->view.now_ns;
}

static bool select_miss(struct top_app *app, uint64_t number)
{
	for (size_t i = 0; i < app->view.n_misses; i++) {
		const struct top_miss *miss = &app->view.misses[i];

		if (miss->number != number)
			continue;
		app->miss = app->ui.miss = number;
		app->ui.task = miss->job.task;
		show_around_miss(app, miss);
		top_app_notice(app, "Miss %" PRIu64 ": %s/%s job %" PRId64, number,
			app->view.tasks[miss->job.task].machine,
			app->view.tasks[miss->job.task].name, miss->job.k);
		return true;
	}
	return false;
}

static enum vmrt_status arrive(struct top_app *app, struct vmrt_error *err)
{
	struct top_seek seek = app->seek;
	enum vmrt_status status;

	app->seek.under_way = false;
	if (!strncmp(app->notice, GOING, strlen(GOING)))
		app->notice[0] = '\0';
	app->played_ns = (double)(app->source->now_ns - app->source->start_ns);
	app->to_end = false;
	if (is_present(app->source) && (!seek.miss || top_model_misses(app->model) < seek.miss))
		app->behind = false;
	else if (seek.miss)
		app->ui.paused = true;
	app->stale = true;
	status = top_app_refresh(app, err);
	/* the next refresh must make the view again even though it is paused */
	app->stale = app->in_pieces;
	if (status == VMRT_OK && seek.miss && !select_miss(app, seek.miss))
		top_app_notice(app, app->source->live ? "There is no further miss so far."
						      : "There is no further miss.");
	return status;
}

/* ---- on the way ---- */

static bool is_there(const struct top_app *app)
{
	if (app->seek.miss)
		return top_model_misses(app->model) >= app->seek.miss || is_present(app->source);
	return app->source->now_ns >= app->seek.until_ns || is_present(app->source);
}

enum top_fed app_seek_on(struct top_app *app, int64_t deadline_ns, struct vmrt_error *err)
{
	struct top_source *source = app->source;
	enum top_fed fed = TOP_FED_PART;

	do {
		int64_t until = app->seek.miss ? source->now_ns + CHUNK_NS : app->seek.until_ns;

		fed = source->ops->feed(source, app->engine, until, deadline_ns, err);
		/* the recording is played again, since it is known only now what releases the tasks
		 */
		if (fed == TOP_FED_ANEW)
			fed = app_begin_anew(app, err);
		if (!app->seek.under_way)
			return fed;
		if (fed == TOP_FED_END)
			app_end(app);
	} while (fed == TOP_FED_ALL && !is_there(app) && vmrt_now_ns() < deadline_ns);
	if (fed == TOP_FED_PART || (fed == TOP_FED_ALL && !is_there(app)))
		return TOP_FED_PART;
	if (fed != TOP_FED_ERROR && arrive(app, err) != VMRT_OK)
		return TOP_FED_ERROR;
	return fed;
}

static enum vmrt_status begin(
	struct top_app *app, struct top_seek seek, bool back, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	char time[VMRT_UNITS_TEXT];

	app->seek = seek;
	app->seek.under_way = true;
	app->behind = app->source->following;
	if (seek.miss)
		top_app_notice(app, GOING "miss %" PRIu64 "; Esc stays here.", seek.miss);
	else
		top_app_notice(app, GOING "%s; Esc stays here.",
			top_text_time(time, seek.until_ns - app->source->start_ns, 3));
	if (back) {
		status = app->source->ops->rewind(app->source, err);
		if (status == VMRT_OK)
			status = app_make_engine(app, err);
	}
	if (back || !app->ui.ended)
		app->ui.ended = false;
	else
		return arrive(app, err);
	while (status == VMRT_OK && !app->in_pieces && app->seek.under_way)
		if (app_seek_on(app, INT64_MAX, err) == TOP_FED_ERROR)
			status = err->status;
	return status;
}

void app_seek_again(struct top_app *app)
{
	if (!app->seek.under_way)
		app->seek = (struct top_seek){.under_way = true,
			.until_ns = app->source->start_ns + (int64_t)app->played_ns};
}

/* ---- what keys ask for ---- */

static bool can_seek(struct top_app *app)
{
	if (app->source->live && !app->source->following)
		top_app_notice(app, "What is live cannot be played again: record it (-o).");
	else if (app->source->start_ns == VMRT_UNKNOWN)
		top_app_notice(app, "No event has come yet.");
	else
		return true;
	return false;
}

enum vmrt_status top_app_seek(struct top_app *app, int64_t ns, struct vmrt_error *err)
{
	struct top_source *source = app->source;
	struct top_seek seek = {.until_ns = source->start_ns + (ns > 0 ? ns : 0)};

	if (!can_seek(app))
		return VMRT_OK;
	app->miss = 0;
	if (source->end_ns != VMRT_UNKNOWN && seek.until_ns > source->end_ns)
		seek.until_ns = source->end_ns;
	app->ui.right_ns = app->ui.at_ns = VMRT_UNKNOWN;
	return begin(app, seek, seek.until_ns < source->now_ns, err);
}

/* Jumps to a miss of a live view, which keeps only the last misses. */
static void jump_live(struct top_app *app, uint64_t number)
{
	const struct top_view *v = &app->view;

	if (select_miss(app, number))
		app->ui.paused = true;
	else if (v->n_misses && number < v->misses[0].number)
		top_app_notice(app, "The misses before this one are forgotten.");
	else
		top_app_notice(app, "There is no further miss so far.");
}

enum vmrt_status top_app_jump(struct top_app *app, int by, struct vmrt_error *err)
{
	uint64_t all = app->view.all_misses, at = app->miss && app->miss <= all ? app->miss : 0;
	struct top_seek seek = {0};

	/* during a seek, the next jump starts at the goal of the seek, so that a key that is held
	 * down moves further each time */
	if (app->seek.under_way && app->seek.miss)
		at = app->seek.miss;
	seek.miss = by > 0 ? (at ? at : all) + 1 : (at ? at - 1 : all);

	/* after the present there are no misses, so the last miss is the first one to go to */
	if (app->source->live && !app->behind && !at)
		seek.miss = all;
	if (!seek.miss) {
		top_app_notice(app, at ? "There is no miss before this one."
				       : "No job is known to have missed its deadline so far.");
		return VMRT_OK;
	}
	if (app->source->live && !app->source->following) {
		jump_live(app, seek.miss);
		return VMRT_OK;
	}
	if (!can_seek(app))
		return VMRT_OK;
	return begin(app, seek, top_model_misses(app->model) >= seek.miss, err);
}

void top_app_present(struct top_app *app)
{
	if (!app->behind)
		return;
	app->seek = (struct top_seek){.under_way = true, .until_ns = INT64_MAX};
	app->ui.paused = false;
}

enum vmrt_status top_app_stay(struct top_app *app, struct vmrt_error *err)
{
	app->seek.miss = 0;
	app->ui.paused = true;
	return arrive(app, err);
}
