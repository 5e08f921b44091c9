/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_CELLS_H
#define VMRT_TUI_ROWS_CELLS_H

/*
 * A screen as data: pieces of text, each with its place and its style. ncurses, --batch and the
 * tests print the same screens.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>

#include "theme.h"

#define TOP_TEXT 192 /* bytes of a piece, with its NUL */

struct top_span {
	int y, x, width; /* in columns */
	enum top_attr attr;
	bool reverse; /* true in the row under the cursor */
	char text[TOP_TEXT];
};

/* What the cursor is on. */
enum top_kind { TOP_NOTHING, TOP_A_SERVER, TOP_A_TASK, TOP_A_MISS };

struct top_screen {
	int width, height;
	struct top_span *spans;
	size_t n, room;
	bool reverse;	 /* applies to the pieces that are put from now on */
	bool only_ascii; /* question marks for all other characters */
	bool failed;	 /* out of memory */
	/* The keys need these facts about the screen that was drawn. */
	int rows;	  /* number of rows that the cursor can be on */
	int page_rows;	  /* number of rows that fit */
	int lines_hidden; /* on a page without a cursor: number of lines below that do not fit */
	enum top_kind kind;
	size_t index;		  /* of the server, the task, the miss under the cursor */
	int64_t left_ns, span_ns; /* what the timeline shows */
	int columns;		  /* of the timeline */
	int tabs_y, tabs[16];	  /* where the names of the pages are: the line, and the columns at
				     which the names begin */
	/* A box in front of the page: its content is a separate screen, and front_y and front_x are
	 * the place of its border. */
	struct top_screen *front; /* the screen inside the box, or NULL */
	bool has_front, ascii;	  /* the box is shown; its border consists of ASCII characters */
	int front_y, front_x;
};

/** top_screen_front - put an empty box with room for @width and @height at (@x, @y), border not
 * counted; NULL: no memory */
struct top_screen *top_screen_front(
	struct top_screen *screen, int y, int x, int width, int height, bool ascii);

/** top_columns - columns that UTF-8 @text takes */
int top_columns(const char *text);

/** top_behind - the rest of @text behind its first @columns columns */
const char *top_behind(const char *text, int columns);

/**
 * top_put - put a piece of text at (@x, @y), cut or padded to @width columns
 * @right: align it to the right
 *
 * The part outside of the screen is left out. Text that is cut ends with ~. Characters that would
 * change the terminal or the direction of the text become question marks.
 */
void top_put(struct top_screen *screen, int y, int x, int width, bool right, enum top_attr attr,
	const char *text);

/** top_say - put formatted text at (@x, @y), cut at the edge of the screen; returns the column
 * behind the text */
int top_say(struct top_screen *screen, int y, int x, enum top_attr attr, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));

/** top_screen_clear - empty @screen for new contents of this size */
void top_screen_clear(struct top_screen *screen, int width, int height);

/**
 * top_screen_line - line @y as text without blanks at its end
 * @theme: add the escape sequences of this theme; NULL: add none
 *
 * Return: the text, to be freed; NULL: no memory.
 */
char *top_screen_line(const struct top_screen *screen, int y, const struct top_theme *theme);

void top_screen_free(struct top_screen *screen);

#endif
