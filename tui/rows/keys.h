/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_KEYS_H
#define VMRT_TUI_ROWS_KEYS_H

/* The keys: the actions, the help screen, scripts and the check of the man page all use one table.
 */

#include <stddef.h>

#include "ui.h"

enum top_action {
	TOP_ACT_NONE,
	TOP_ACT_QUIT,
	TOP_ACT_HELP,
	TOP_ACT_NEXT_PAGE,
	TOP_ACT_PREVIOUS_PAGE,
	TOP_ACT_PAGE_1,
	TOP_ACT_PAGE_2,
	TOP_ACT_PAGE_3,
	TOP_ACT_PAGE_4,
	TOP_ACT_PAGE_5,
	TOP_ACT_PAGE_6,
	TOP_ACT_UP,
	TOP_ACT_DOWN,
	TOP_ACT_LEFT,
	TOP_ACT_RIGHT,
	TOP_ACT_PAGE_UP,
	TOP_ACT_PAGE_DOWN,
	TOP_ACT_FIRST,
	TOP_ACT_LAST,
	TOP_ACT_ENTER,
	TOP_ACT_BACK,
	TOP_ACT_SEARCH,
	TOP_ACT_FIND_NEXT,
	TOP_ACT_FILTER,
	TOP_ACT_SORT,
	TOP_ACT_SORT_BACK,
	TOP_ACT_INVERT,
	TOP_ACT_SETUP,
	TOP_ACT_PAUSE,
	TOP_ACT_SLOWER, /* a longer delay */
	TOP_ACT_FASTER,
	TOP_ACT_SNAPSHOT,
	TOP_ACT_RESET,
	TOP_ACT_EVENTS,
	TOP_ACT_SAVE,
	TOP_ACT_ZOOM_IN,
	TOP_ACT_ZOOM_OUT,
	TOP_ACT_PAN_LEFT,
	TOP_ACT_PAN_RIGHT,
	TOP_ACT_SPEED_UP,
	TOP_ACT_SPEED_DOWN,
	TOP_ACT_STEP,
	TOP_ACT_STEP_BACK,
	TOP_ACT_SEEK,
	TOP_ACT_SEEK_ON,
	TOP_ACT_SEEK_BACK,
	TOP_ACT_NEXT_MISS,
	TOP_ACT_PREVIOUS_MISS,
	TOP_ACT_REDRAW,
	TOP_ACTIONS /* how many */
};

/* The place where a row of the table applies. */
enum top_where {
	TOP_ANYWHERE,
	TOP_ON_TIMELINE,
	TOP_ON_LISTS, /* anywhere but on the timeline */
	TOP_ON_MISSES,
	TOP_ON_SETUP,
	TOP_ON_REPLAY, /* of a recording */
};

struct top_key {
	enum top_action action;
	enum top_where where;
	const char *names; /* separated by blanks: single characters, and Space F1 Up PgUp... */
	const char *does;
};

extern const struct top_key top_keys[];
extern const size_t top_n_keys;

/** top_key_action - what the key called @name does on the page of @ui; TOP_ACT_NONE: nothing */
enum top_action top_key_action(const char *name, const struct top_ui *ui);

/** top_key_known - does the key do something at any place? */
int top_key_known(const char *name);

#endif
