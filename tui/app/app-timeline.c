/* SPDX-License-Identifier: MIT */
/* Moves the cursor and the view on the timeline, and zooms. */
#include "app-timeline.h"

static int64_t right_of(const struct top_app *app)
{
	return app->ui.right_ns == VMRT_UNKNOWN ? app->view.now_ns : app->ui.right_ns;
}

/* The right end is neither after the present nor before the first event. */
void timeline_end_at(struct top_app *app, int64_t right)
{
	if (app->view.now_ns == VMRT_UNKNOWN)
		return;
	if (right > app->view.now_ns)
		right = app->view.now_ns;
	if (right < app->view.start_ns + app->ui.span_ns / 8)
		right = app->view.start_ns + app->ui.span_ns / 8;
	app->ui.right_ns = right;
}

void timeline_move(struct top_app *app, int by)
{
	int64_t step = app->ui.span_ns / (app->screen.columns > 0 ? app->screen.columns : 1);
	int64_t right = right_of(app), at = app->ui.at_ns;

	if (app->view.now_ns == VMRT_UNKNOWN)
		return;
	if (step < 1)
		step = 1;
	if (at == VMRT_UNKNOWN)
		at = right - 1;
	at += by * step;
	if (at < app->view.start_ns)
		at = app->view.start_ns;
	if (at >= app->view.now_ns)
		at = app->view.now_ns - 1;
	app->ui.at_ns = at;
	/* the view moves only when the cursor would leave it */
	if (at < right - app->ui.span_ns)
		right = at + app->ui.span_ns;
	else if (at >= right)
		right = at + 1;
	timeline_end_at(app, right);
}

void timeline_pan(struct top_app *app, int by)
{
	int64_t half = app->ui.span_ns / 2;

	if (app->view.now_ns == VMRT_UNKNOWN)
		return;
	if (app->ui.at_ns == VMRT_UNKNOWN)
		app->ui.at_ns = right_of(app) - 1;
	timeline_end_at(app, right_of(app) + by * half);
	app->ui.at_ns += by * half;
	if (app->ui.at_ns >= app->ui.right_ns)
		app->ui.at_ns = app->ui.right_ns - 1;
	if (app->ui.at_ns < app->ui.right_ns - app->ui.span_ns)
		app->ui.at_ns = app->ui.right_ns - app->ui.span_ns;
}

/* Zooms; the cursor stays at its place on the screen. */
void timeline_zoom(struct top_app *app, int by)
{
	int64_t old = app->ui.span_ns, new = by > 0 ? old / 2 : old * 2;
	int64_t right = right_of(app), at = app->ui.at_ns;

	if (new < TOP_SPAN_MIN || new > TOP_SPAN_MAX)
		return;
	app->ui.span_ns = new;
	if (at == VMRT_UNKNOWN || app->ui.right_ns == VMRT_UNKNOWN)
		return;
	timeline_end_at(app, at + (right - at) * new / old);
	if (app->ui.at_ns >= app->ui.right_ns)
		app->ui.at_ns = app->ui.right_ns - 1;
}

void timeline_oldest(struct top_app *app)
{
	if (app->view.now_ns == VMRT_UNKNOWN)
		return;
	app->ui.at_ns = app->view.start_ns;
	timeline_end_at(app, app->view.start_ns + app->ui.span_ns);
}

void timeline_follow(struct top_app *app)
{
	app->ui.right_ns = app->ui.at_ns = VMRT_UNKNOWN;
}
