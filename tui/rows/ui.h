/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_UI_H
#define VMRT_TUI_ROWS_UI_H

/* The choices of the user, and everything that a screen shows besides the view of the model. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/units.h>

/* The pages, in the order of their number keys. */
#define TOP_PAGE_LIST(X)                                                                           \
	X(OVERVIEW, "overview")                                                                    \
	X(SERVER, "server")                                                                        \
	X(TASK, "task")                                                                            \
	X(TIMELINE, "timeline")                                                                    \
	X(MISSES, "misses")                                                                        \
	X(SYSTEM, "system")

enum top_page {
#define X(name, words) TOP_PAGE_##name,
	TOP_PAGE_LIST(X)
#undef X
		TOP_PAGES
};

/* A page in front of the others. */
enum top_sheet { TOP_SHEET_NONE, TOP_SHEET_HELP, TOP_SHEET_SETUP, TOP_SHEET_SPLIT, TOP_SHEET_TEXT };

enum top_prompt { TOP_PROMPT_NONE, TOP_PROMPT_SEARCH, TOP_PROMPT_FILTER, TOP_PROMPT_SEEK };

enum top_table { TOP_SERVERS, TOP_TASKS, TOP_TABLES };

#define TOP_INPUT_MAX 64
#define TOP_SPAN_MIN (100 * VMRT_NS_PER_US) /* of the timeline */
#define TOP_SPAN_MAX (60 * VMRT_NS_PER_S)

/* How a table is shown. */
struct top_arrangement {
	int sort;	 /* column to sort by, from 1; 0: as in the experiment */
	bool invert;	 /* sort in the other direction */
	uint32_t hidden; /* bit by column */
};

/* The state of the user interface: page, cursors, filters, and the lines around a page. */
struct top_ui {
	const char *title;  /* name of the run, or "live" */
	const char *note;   /* a problem, or what is being done, or "" */
	bool note_mild;	    /* the note is no problem */
	const char *alarm;  /* a condition that is true, or "" */
	const char *notice; /* an answer to the last key, or "" */
	int64_t elapsed_ns;
	int64_t total_ns; /* of a recording; VMRT_UNKNOWN: live, or not known */
	int64_t delay_ns;
	double speed;			 /* of a replay; 0: as fast as possible */
	bool live, recording, following; /* following: another process makes the recording */
	bool behind, seeking; /* behind: a followed recording is shown at an earlier time than the
				 present */
	bool paused, ended, ascii;
	enum top_page page;
	enum top_sheet sheet;
	int cursor[TOP_PAGES]; /* row */
	int scroll;	       /* of a sheet */
	int scroll_x;	       /* of a text, to the right */
	int setup_cursor;
	size_t server, task; /* which are shown on their pages */
	enum top_prompt prompt;
	char input[TOP_INPUT_MAX], search[TOP_INPUT_MAX], filter[TOP_INPUT_MAX];
	struct top_arrangement tables[TOP_TABLES];
	int misses_sort; /* by time, by lateness, by task */
	bool misses_invert;
	uint64_t miss; /* number of the miss that is open */
	/* the timeline */
	int64_t span_ns;
	int64_t right_ns; /* right end of the timeline, host clock; VMRT_UNKNOWN: it is always the
			     present */
	int64_t at_ns;	  /* time under the cursor; VMRT_UNKNOWN: the cursor is at the right end */
	/* a text in front */
	const char *text_title;
	char *const *text;
	size_t n_text;
	/* the resources that vmrt-top itself uses; unknown in scripts */
	double own_cpu;	  /* share of one CPU; NaN */
	int64_t own_size; /* bytes; VMRT_UNKNOWN */
	int64_t buffer_fill,
		buffer_size; /* bytes in the fullest trace buffer, and its size; VMRT_UNKNOWN */
};

/** top_page_name - "overview"... */
const char *top_page_name(enum top_page page);

#endif
