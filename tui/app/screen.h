/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_SCREEN_H
#define VMRT_TUI_APP_SCREEN_H

/* The terminal, by ncurses. There is one at most. */

#include "tui/rows/cells.h"

/**
 * top_terminal_open - take over the terminal
 * @theme: looks, if the terminal has colours; NULL: without any
 * @mouse: take its wheel and its clicks, too
 *
 * What is written to stderr meanwhile is kept and shown by top_terminal_close().
 */
enum vmrt_status top_terminal_open(
	const struct top_theme *theme, bool mouse, struct vmrt_error *err);

/** top_terminal_size - its size now */
void top_terminal_size(int *width, int *height);

/** top_terminal_draw - show @screen; @all: as if nothing were on the terminal yet */
void top_terminal_draw(const struct top_screen *screen, bool all);

/**
 * top_terminal_key - the name of the next key, as in the table of keys
 *
 * Return: it, good until the next call; "" for one without a name; NULL: there is no key now.
 */
const char *top_terminal_key(void);

void top_terminal_beep(void);

/** top_terminal_close - give the terminal back as it was; harmless if it is not open */
void top_terminal_close(void);

#endif
