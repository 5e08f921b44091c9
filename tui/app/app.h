/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_APP_H
#define VMRT_TUI_APP_APP_H

/* A session of vmrt-top, without the terminal: source, engine, model, and the actions of the keys.
 */

#include "alarms.h"
#include "tui/model/model.h"
#include "tui/rows/cells.h"
#include "tui/rows/keys.h"
#include "tui/rows/ui.h"
#include "tui/source/source.h"

#define TOP_DELAY_MIN (50 * VMRT_NS_PER_MS)
#define TOP_DELAY_MAX (3600 * VMRT_NS_PER_S)
#define TOP_ALARMS_MAX 32

enum top_color { TOP_COLOR_NEVER = -1, TOP_COLOR_AUTO, TOP_COLOR_ALWAYS };

struct top_options {
	struct top_source_options source;
	int64_t delay_ns;
	int64_t iterations; /* 0: without an end */
	double speed;	    /* of a replay; 0: as fast as possible */
	bool batch, json, ascii, mouse, no_config;
	int color; /* enum top_color */
	const char *script, *dump;
	int width, height; /* of a script's screen */
	int page;	   /* the first page; -1: as configured */
	const char *alarms[TOP_ALARMS_MAX];
	size_t n_alarms;
	const char *alarm_run;	/* a program that each alarm starts; or NULL */
	const char *prometheus; /* [ADDR:]PORT; or NULL */
	const char
		*alarm_save; /* a run folder whose flight recorder saves at each alarm; or NULL */
};

/* A seek to a time of a recording, or to a miss. */
struct top_seek {
	bool under_way;
	int64_t until_ns; /* host clock */
	uint64_t miss;	  /* number of the miss; 0: seek to the time */
};

struct top_app {
	const struct top_options *options;
	struct top_source *source;
	struct vmrt_engine_config config;
	struct vmrt_experiment *exp;
	struct top_model *model;
	struct vmrt_engine *engine;
	struct top_view view;
	struct top_ui ui;
	struct top_screen screen; /* as it was last drawn */
	int width, height;
	struct top_source_state state;
	struct top_alarms *alarms;
	char notice[TOP_TEXT];
	double played_ns; /* of a recording: the time that was played */
	uint64_t miss;	  /* number of the miss that was last jumped to; 0: none */
	uint64_t kept;	  /* live: for how many misses the events were kept */
	/* Names of what pages 2 and 3 show, to find it again when others come or go; "": found by
	 * its index. */
	char server[VMRT_NAME_MAX], task[VMRT_NAME_MAX + VMRT_COMM_MAX + 1];
	char **text; /* lines of the sheet with a text */
	size_t n_text;
	char text_title[TOP_TEXT];
	bool scripted; /* a script controls the time, and nothing depends on the clock */
	bool to_end;   /* a recording that has just ended is played to its end at once */
	struct top_seek seek;
	bool in_pieces;	  /* a seek is done in pieces by top_app_pass(), so that keys are answered
			     meanwhile */
	bool behind;	  /* a followed recording is shown at an earlier time than the present */
	bool stale;	  /* the view must be made anew even though it is paused */
	bool reconfigure; /* a key asked to write the configuration */
	bool redraw;
	bool quit;
};

/** top_app_open - open the source and make the engine; end with top_app_close(), also on failure */
enum vmrt_status top_app_open(
	struct top_app *app, const struct top_options *options, struct vmrt_error *err);

/**
 * top_app_pass - let time @ns pass, and feed the engine the events of this time
 * @deadline_ns: interrupt the work at this CLOCK_MONOTONIC time; INT64_MAX: never
 */
enum top_fed top_app_pass(
	struct top_app *app, int64_t ns, int64_t deadline_ns, struct vmrt_error *err);

/**
 * top_app_settle - end the live view and the recording that was made at the same time, and show
 * this recording
 *
 * The figures are then those of the report: they come from the same events, and the clocks are
 * known better at the end of a recording than during it.
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no recording, and then the session can only be closed;
 * or the error if the recording cannot be read.
 */
enum vmrt_status top_app_settle(struct top_app *app, struct vmrt_error *err);

/** top_app_refresh - update the view, unless it is paused; judge the alarms */
enum vmrt_status top_app_refresh(struct top_app *app, struct vmrt_error *err);

/** top_app_draw - lay out the screen anew */
void top_app_draw(struct top_app *app, int width, int height);

/**
 * top_app_key - do the action that the key called @name has now, or take the key as text
 *
 * Return: VMRT_OK, or why the session cannot go on.
 */
enum vmrt_status top_app_key(struct top_app *app, const char *name, struct vmrt_error *err);

/**
 * top_app_seek - in a recording: go to time @ns after its beginning, and show this time
 *
 * With app->in_pieces this only begins the seek; top_app_pass() continues it.
 */
enum vmrt_status top_app_seek(struct top_app *app, int64_t ns, struct vmrt_error *err);

/** top_app_jump - go to the next miss (@by 1), or to the miss before (-1), and pause */
enum vmrt_status top_app_jump(struct top_app *app, int by, struct vmrt_error *err);

/** top_app_shown_ns - the time that is shown, from the beginning */
int64_t top_app_shown_ns(const struct top_app *app);

/** top_app_present - show the present of a followed recording */
void top_app_present(struct top_app *app);

/** top_app_stay - end the seek that is in progress, and stay at the time that it has reached */
enum vmrt_status top_app_stay(struct top_app *app, struct vmrt_error *err);

/** top_app_notice - show a message until the next key */
void top_app_notice(struct top_app *app, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** top_app_events - show the raw events between two times (host clock) as a text */
enum vmrt_status top_app_events(struct top_app *app, const char *title, int64_t from_ns,
	int64_t to_ns, struct vmrt_error *err);

void top_app_close(struct top_app *app);

/** top_script_run - run keys and commands from a file, and write screens into a file; VMRT_OK or an
 * error */
enum vmrt_status top_script_run(struct top_app *app, struct vmrt_error *err);

#endif
