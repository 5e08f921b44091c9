/* SPDX-License-Identifier: MIT */
/* The table of keys, and the search for a key in this table. */
#include "keys.h"

#include <stdbool.h>
#include <string.h>

/* If several rows have the same key, the first row whose place matches the current page is used. */
const struct top_key top_keys[] = {
	{TOP_ACT_LEFT, TOP_ON_TIMELINE, "Left h", "move the cursor back in time"},
	{TOP_ACT_RIGHT, TOP_ON_TIMELINE, "Right l", "move the cursor on in time"},
	{TOP_ACT_ZOOM_IN, TOP_ON_TIMELINE, "i", "zoom in, around the cursor"},
	{TOP_ACT_ZOOM_OUT, TOP_ON_TIMELINE, "o", "zoom out"},
	{TOP_ACT_PAN_LEFT, TOP_ON_TIMELINE, "H", "half a screen back in time"},
	{TOP_ACT_PAN_RIGHT, TOP_ON_TIMELINE, "L", "half a screen on"},
	{TOP_ACT_QUIT, TOP_ANYWHERE, "q F10 ^C", "quit"},
	{TOP_ACT_HELP, TOP_ANYWHERE, "F1 h ?", "this help, and back (on the timeline: F1 ?)"},
	{TOP_ACT_NEXT_PAGE, TOP_ANYWHERE, "Tab", "next page"},
	{TOP_ACT_PREVIOUS_PAGE, TOP_ANYWHERE, "S-Tab", "previous page"},
	{TOP_ACT_PAGE_1, TOP_ANYWHERE, "1", "overview: servers and tasks"},
	{TOP_ACT_PAGE_2, TOP_ANYWHERE, "2", "one server: its periods, its supply"},
	{TOP_ACT_PAGE_3, TOP_ANYWHERE, "3", "one task: response times, causes"},
	{TOP_ACT_PAGE_4, TOP_ANYWHERE, "4", "timeline"},
	{TOP_ACT_PAGE_5, TOP_ANYWHERE, "5", "list of misses"},
	{TOP_ACT_PAGE_6, TOP_ANYWHERE, "6", "system: losses, clocks, own load, whole messages"},
	{TOP_ACT_UP, TOP_ANYWHERE, "Up k", "up"},
	{TOP_ACT_DOWN, TOP_ANYWHERE, "Down j", "down"},
	{TOP_ACT_LEFT, TOP_ON_LISTS, "Left", "previous server or task, on pages 2 and 3"},
	{TOP_ACT_RIGHT, TOP_ON_LISTS, "Right l", "next server or task"},
	{TOP_ACT_PAGE_UP, TOP_ANYWHERE, "PgUp", "up by a screen"},
	{TOP_ACT_PAGE_DOWN, TOP_ANYWHERE, "PgDn", "down by a screen"},
	{TOP_ACT_FIRST, TOP_ANYWHERE, "Home g", "to the first row; on the timeline: the oldest"},
	{TOP_ACT_LAST, TOP_ANYWHERE, "End G", "to the last row; on the timeline: the present"},
	{TOP_ACT_ENTER, TOP_ANYWHERE, "Enter", "open what the cursor is on"},
	{TOP_ACT_BACK, TOP_ANYWHERE, "Esc",
		"back; without anything open: no filter; while it seeks: stay"},
	{TOP_ACT_SEARCH, TOP_ANYWHERE, "/", "search a name"},
	{TOP_ACT_FIND_NEXT, TOP_ANYWHERE, "F3 n", "search on"},
	{TOP_ACT_FILTER, TOP_ANYWHERE, "F4 f \\", "show only names that contain a text"},
	{TOP_ACT_SORT, TOP_ANYWHERE, "F6 >", "sort by the next column"},
	{TOP_ACT_SORT_BACK, TOP_ANYWHERE, "<", "sort by the previous column"},
	{TOP_ACT_INVERT, TOP_ANYWHERE, "I", "sort the other way round"},
	{TOP_ACT_SETUP, TOP_ANYWHERE, "F2 S", "choose columns"},
	{TOP_ACT_PAUSE, TOP_ON_SETUP, "Space", "show or hide the column"},
	{TOP_ACT_SAVE, TOP_ON_SETUP, "w", "write the configuration file"},
	{TOP_ACT_PAUSE, TOP_ANYWHERE, "Space Z", "pause, and go on"},
	{TOP_ACT_SLOWER, TOP_ANYWHERE, "+", "longer delay between two updates"},
	{TOP_ACT_FASTER, TOP_ANYWHERE, "-", "shorter delay"},
	{TOP_ACT_SNAPSHOT, TOP_ANYWHERE, "s", "write this page into files, as text and as CSV"},
	{TOP_ACT_RESET, TOP_ANYWHERE, "r", "count anew from now on"},
	{TOP_ACT_EVENTS, TOP_ON_MISSES, "e", "the raw events around the miss"},
	{TOP_ACT_SPEED_UP, TOP_ON_REPLAY, "}", "replay twice as fast"},
	{TOP_ACT_SPEED_DOWN, TOP_ON_REPLAY, "{", "replay half as fast"},
	{TOP_ACT_STEP, TOP_ON_REPLAY, ".", "pause, and a step on: a tenth of the timeline"},
	{TOP_ACT_STEP_BACK, TOP_ON_REPLAY, ",", "pause, and a step back"},
	{TOP_ACT_SEEK, TOP_ON_REPLAY, "t", "go to a time"},
	{TOP_ACT_SEEK_ON, TOP_ON_REPLAY, "]", "on by a tenth of the recording"},
	{TOP_ACT_SEEK_BACK, TOP_ON_REPLAY, "[", "back by a tenth"},
	{TOP_ACT_NEXT_MISS, TOP_ANYWHERE, "m",
		"pause, and on to the next miss; live: to the last one"},
	{TOP_ACT_PREVIOUS_MISS, TOP_ANYWHERE, "M", "pause, and back to the miss before"},
	{TOP_ACT_REDRAW, TOP_ANYWHERE, "^L", "draw the screen anew"},
};

const size_t top_n_keys = sizeof(top_keys) / sizeof(top_keys[0]);

static bool has_name(const struct top_key *key, const char *name)
{
	size_t len = strlen(name);
	const char *at = key->names;

	while (len && *at) {
		size_t n = strcspn(at, " ");

		if (n == len && !strncmp(at, name, n))
			return true;
		at += n + (at[n] == ' ');
	}
	return false;
}

static bool fits(enum top_where where, const struct top_ui *ui)
{
	bool plain = ui->sheet == TOP_SHEET_NONE;

	switch (where) {
	case TOP_ON_TIMELINE:
		return plain && ui->page == TOP_PAGE_TIMELINE;
	case TOP_ON_LISTS:
		return !plain || ui->page != TOP_PAGE_TIMELINE;
	case TOP_ON_MISSES:
		return (plain && ui->page == TOP_PAGE_MISSES) || ui->sheet == TOP_SHEET_SPLIT;
	case TOP_ON_SETUP:
		return ui->sheet == TOP_SHEET_SETUP;
	case TOP_ON_REPLAY:
		return !ui->live || ui->following;
	default:
		return true;
	}
}

enum top_action top_key_action(const char *name, const struct top_ui *ui)
{
	for (size_t i = 0; i < top_n_keys; i++)
		if (has_name(&top_keys[i], name) && fits(top_keys[i].where, ui))
			return top_keys[i].action;
	return TOP_ACT_NONE;
}

int top_key_known(const char *name)
{
	for (size_t i = 0; i < top_n_keys; i++)
		if (has_name(&top_keys[i], name))
			return 1;
	return 0;
}
