/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_CELLS_H
#define VMRT_TUI_CELLS_H

/*
 * A screen as data: pieces of text, each with its place and its look. ncurses, --batch and the
 * tests print the same screens.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>

/* What a piece means. Colour only repeats what a letter or a glyph says already. */
enum top_attr {
	TOP_PLAIN,
	TOP_TITLE,
	TOP_HEAD,
	TOP_DIM,
	TOP_BAR,
	TOP_MISS,
	TOP_DEPLETED,
	TOP_LOSS,
	TOP_PAUSED,
	TOP_ATTRS
};

#define TOP_TEXT 192 /* bytes of a piece, with its NUL */

struct top_span {
	int y, x, width; /* in columns */
	enum top_attr attr;
	char text[TOP_TEXT];
};

struct top_screen {
	int width, height;
	struct top_span *spans;
	size_t n, room;
	int scroll_max; /* lines that do not fit below */
	bool failed;	/* out of memory */
};

/** top_columns - columns that UTF-8 @text takes; all our characters are one column wide */
int top_columns(const char *text);

/**
 * top_put - a piece of text at (@x, @y), cut or padded to @width columns
 * @right: align it to the right
 *
 * What lies outside of the screen is left out.
 */
void top_put(struct top_screen *screen, int y, int x, int width, bool right, enum top_attr attr,
	const char *text);

/** top_screen_clear - empty it for another screen of this size */
void top_screen_clear(struct top_screen *screen, int width, int height);

/**
 * top_screen_line - line @y as text without blanks at its end
 *
 * Return: the text, to be freed; NULL: no memory.
 */
char *top_screen_line(const struct top_screen *screen, int y);

void top_screen_free(struct top_screen *screen);

#endif
