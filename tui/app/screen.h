/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_SCREEN_H
#define VMRT_TUI_APP_SCREEN_H

/* The terminal, through ncurses. A process has at most one. */

#include "tui/rows/cells.h"

/**
 * top_terminal_open - take over the terminal
 * @theme: the styles, if the terminal has colours; NULL: use no colours
 * @mouse: take the wheel and the clicks of the mouse, too
 *
 * Text that is written to stderr until top_terminal_close() is kept, and top_terminal_close()
 * prints it.
 */
enum vmrt_status top_terminal_open(
	const struct top_theme *theme, bool mouse, struct vmrt_error *err);

/** top_terminal_size - the current size of the terminal */
void top_terminal_size(int *width, int *height);

/** top_terminal_draw - show @screen; @all: draw everything again, as on an empty terminal */
void top_terminal_draw(const struct top_screen *screen, bool all);

/**
 * top_terminal_key - the name of the next key, as in the table of keys
 *
 * Return: the name, valid until the next call; "" for a key without a name; NULL: there is no key
 * now.
 */
const char *top_terminal_key(void);

void top_terminal_beep(void);

/** top_terminal_close - restore the terminal; does nothing if it is not open */
void top_terminal_close(void);

#endif
