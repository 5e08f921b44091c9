/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_THEME_H
#define VMRT_TUI_ROWS_THEME_H

/* The style for each meaning. A colour only repeats what a letter or another character shows
 * already. */

#include <stdbool.h>

#include <vmrt/status.h>

/*
 * Each line: the meaning, its name in VMRT_COLORS, and its default as numbers of an SGR escape
 * sequence. People who cannot distinguish red and green can distinguish blue and orange, on dark
 * and on light screens.
 */
#define TOP_ATTR_LIST(X)                                                                           \
	X(PLAIN, "plain", "")                                                                      \
	X(TITLE, "title", "1")                                                                     \
	X(HEAD, "head", "1")                                                                       \
	X(DIM, "dim", "2")                                                                         \
	X(KEY, "key", "1")                                                                         \
	X(BAR, "bar", "38;5;33")                                                                   \
	X(RUN, "run", "38;5;33")                                                                   \
	X(BACKGROUND, "background", "38;5;67")                                                     \
	X(WAIT, "wait", "38;5;245")                                                                \
	X(MISS, "miss", "1;38;5;208")                                                              \
	X(DEPLETED, "depleted", "38;5;172")                                                        \
	X(LOSS, "loss", "1;7")                                                                     \
	X(PAUSED, "paused", "1;7")                                                                 \
	X(ALARM, "alarm", "1;7;38;5;208")

enum top_attr {
#define X(name, words, codes) TOP_##name,
	TOP_ATTR_LIST(X)
#undef X
		TOP_ATTRS
};

struct top_style {
	bool bold, dim, italic, underline, reverse;
	short foreground, background; /* 0..255; -1: the terminal's own */
};

struct top_theme {
	struct top_style styles[TOP_ATTRS];
};

#define TOP_CODES 64 /* bytes of the longest escape sequence */

/** top_theme_default - the styles of the list above */
void top_theme_default(struct top_theme *theme);

/**
 * top_theme_parse - change @theme by the text of VMRT_COLORS: NAME=CODES, separated by colons
 *
 * Return: VMRT_OK; VMRT_EINVAL, with what is wrong in @err; the items before the wrong one are
 * applied.
 */
enum vmrt_status top_theme_parse(struct top_theme *theme, const char *text, struct vmrt_error *err);

/** top_theme_codes - the escape sequence for @attr into @out, of TOP_CODES bytes; "" where nothing
 * is needed, or without @theme */
void top_theme_codes(const struct top_theme *theme, enum top_attr attr, bool reverse, char *out);

#endif
