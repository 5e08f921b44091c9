/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_LAYOUT_H
#define VMRT_TUI_LAYOUT_H

/* From a view to a screen; a pure function. */

#include "cells.h"
#include "model.h"

#define TOP_WIDTH_MIN 40
#define TOP_HEIGHT_MIN 8

/* What the screen shows besides the view. */
struct top_look {
	const char *title; /* what is looked at */
	const char *note;  /* what is wrong, or "" */
	int64_t elapsed_ns;
	int64_t total_ns; /* of a recording; VMRT_UNKNOWN: live, or not known */
	int64_t delay_ns;
	double speed; /* of a replay; 0: as fast as possible */
	bool live;
	bool paused, ended, help, ascii;
	int scroll; /* lines of the tables scrolled away at the top */
};

/** top_layout - fill in @screen, @width x @height; any size is fine */
void top_layout(const struct top_view *view, const struct top_look *look, int width, int height,
	struct top_screen *screen);

/** top_status_text - loss, clock, steal, events in words, the most important first, @room bytes */
void top_status_text(const struct top_view *view, bool ascii, char *buf, size_t room);

/** top_loss_text - what was lost, in words */
void top_loss_text(const struct top_view *view, char *buf, size_t room);

/** top_time_text - a time such as 1:02:03.4, returns @buf of VMRT_UNITS_TEXT bytes */
const char *top_time_text(int64_t ns, char *buf);

#endif
