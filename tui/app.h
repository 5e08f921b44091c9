/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_H
#define VMRT_TUI_APP_H

/* A session of vmrt-top without a terminal: source, engine, model, and what the keys do. */

#include "keys.h"
#include "layout.h"
#include "source.h"

#define TOP_DELAY_MIN (50 * VMRT_NS_PER_MS)
#define TOP_DELAY_MAX (3600 * VMRT_NS_PER_S)

struct top_options {
	struct top_source_options source;
	int64_t delay_ns;
	int64_t iterations; /* 0: until it is told to end */
	double speed;	    /* of a replay; 0: as fast as possible */
	bool batch, ascii;
	int color; /* 1 always, 0 auto, -1 never */
	const char *script, *dump;
	int width, height; /* of a script's screen */
};

struct top_app {
	const struct top_options *options;
	struct top_source *source;
	struct vmrt_engine_config config;
	struct vmrt_experiment *exp;
	struct top_model *model;
	struct vmrt_engine *engine;
	struct top_view view;
	struct top_look look;
	char note[TOP_TEXT];
	double played_ns; /* of a recording */
	bool quit;
};

/** top_app_open - open the source and make the engine; end with top_app_close(), also on failure */
enum vmrt_status top_app_open(
	struct top_app *app, const struct top_options *options, struct vmrt_error *err);

/**
 * top_app_pass - let @ns of time pass, and feed the engine what belongs to it
 * @deadline_ns: give up for now at this CLOCK_MONOTONIC time; INT64_MAX: never
 */
enum top_fed top_app_pass(
	struct top_app *app, int64_t ns, int64_t deadline_ns, struct vmrt_error *err);

/** top_app_refresh - make the view new, unless it is paused */
enum vmrt_status top_app_refresh(struct top_app *app, struct vmrt_error *err);

/** top_app_key - do what a key says; @screen: the last one drawn, for scrolling */
void top_app_key(struct top_app *app, enum top_action action, const struct top_screen *screen);

void top_app_close(struct top_app *app);

/** top_script_run - keys and commands from a file, screens into a file; VMRT_OK or an error */
enum vmrt_status top_script_run(struct top_app *app, struct vmrt_error *err);

#endif
