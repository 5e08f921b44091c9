/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_SCREEN_H
#define VMRT_TUI_SCREEN_H

/* The terminal, by ncurses. There is one at most. */

#include "cells.h"
#include "keys.h"

/**
 * top_terminal_open - take over the terminal
 * @color: whether to use colours, if the terminal has them
 *
 * What is written to stderr meanwhile is kept and shown by top_terminal_close().
 */
enum vmrt_status top_terminal_open(bool color, struct vmrt_error *err);

/** top_terminal_size - its size now */
void top_terminal_size(int *width, int *height);

void top_terminal_draw(const struct top_screen *screen);

/** top_terminal_key - the next key; false if there is none, @resized: the size has changed */
bool top_terminal_key(enum top_action *action, bool *resized);

/** top_terminal_close - give the terminal back as it was; harmless if it is not open */
void top_terminal_close(void);

#endif
