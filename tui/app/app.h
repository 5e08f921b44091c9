/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_APP_H
#define VMRT_TUI_APP_APP_H

/* A session of vmrt-top without a terminal: source, engine, model, and what the keys do. */

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
	int page;	   /* to begin with; -1: as configured */
	const char *alarms[TOP_ALARMS_MAX];
	size_t n_alarms;
	const char *alarm_run;	/* a program that each alarm starts; or NULL */
	const char *prometheus; /* [ADDR:]PORT; or NULL */
	const char
		*alarm_save; /* a run folder whose flight recorder each alarm has save; or NULL */
};

/* On the way to a time of a recording, or to a miss. */
struct top_seek {
	bool under_way;
	int64_t until_ns; /* host clock */
	uint64_t miss;	  /* number of the miss; 0: to the time */
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
	struct top_screen screen; /* as it was drawn last */
	int width, height;
	struct top_source_state state;
	struct top_alarms *alarms;
	char notice[TOP_TEXT];
	double played_ns; /* of a recording */
	uint64_t miss;	  /* number of the one that was jumped to last; 0: none */
	uint64_t kept;	  /* live: so many misses have their events kept */
	/* what pages 2 and 3 are about, when others come or go; "": as it is numbered */
	char server[VMRT_NAME_MAX], task[VMRT_NAME_MAX + VMRT_COMM_MAX + 1];
	char **text; /* of the sheet with a text */
	size_t n_text;
	char text_title[TOP_TEXT];
	bool scripted; /* the clock stands still: nothing depends on it */
	bool to_end;   /* a recording that has just ended is played to its end at once */
	struct top_seek seek;
	bool in_pieces;	  /* a seek goes on with top_app_pass(), so that keys are answered */
	bool behind;	  /* what is followed is shown as it was before, not as it is */
	bool stale;	  /* the view is not what there is now, although it is paused */
	bool reconfigure; /* a key asks for the configuration to be written */
	bool redraw;
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

/**
 * top_app_settle - what was live has been recorded, too: end both, and show the recording instead
 *
 * The figures are then those of the report: from the same events, with clocks that are known
 * better at the end than in between.
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no recording, and then the session can only be closed;
 * or why it cannot be read.
 */
enum vmrt_status top_app_settle(struct top_app *app, struct vmrt_error *err);

/** top_app_refresh - make the view new, unless it is paused; judge the alarms */
enum vmrt_status top_app_refresh(struct top_app *app, struct vmrt_error *err);

/** top_app_draw - lay out the screen anew */
void top_app_draw(struct top_app *app, int width, int height);

/**
 * top_app_key - do what the key called @name means now, or take it as text
 *
 * Return: VMRT_OK, or why the session cannot go on.
 */
enum vmrt_status top_app_key(struct top_app *app, const char *name, struct vmrt_error *err);

/**
 * top_app_seek - of a recording: go to time @ns after its beginning, and show it
 *
 * With app->in_pieces it is begun; top_app_pass() goes on with it.
 */
enum vmrt_status top_app_seek(struct top_app *app, int64_t ns, struct vmrt_error *err);

/** top_app_jump - go to the next miss (@by 1), or to the one before (-1), and pause */
enum vmrt_status top_app_jump(struct top_app *app, int by, struct vmrt_error *err);

/** top_app_shown_ns - time since the beginning, of what is shown */
int64_t top_app_shown_ns(const struct top_app *app);

/** top_app_present - of what is followed: show it as it is now */
void top_app_present(struct top_app *app);

/** top_app_stay - break a seek off: stay where it is */
enum vmrt_status top_app_stay(struct top_app *app, struct vmrt_error *err);

/** top_app_notice - say something until the next key */
void top_app_notice(struct top_app *app, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** top_app_events - show the raw events between two times (host clock) as a text */
enum vmrt_status top_app_events(struct top_app *app, const char *title, int64_t from_ns,
	int64_t to_ns, struct vmrt_error *err);

void top_app_close(struct top_app *app);

/** top_script_run - keys and commands from a file, screens into a file; VMRT_OK or an error */
enum vmrt_status top_script_run(struct top_app *app, struct vmrt_error *err);

#endif
