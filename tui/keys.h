/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_KEYS_H
#define VMRT_TUI_KEYS_H

/* The keys: one table for what they do, the help screen, scripts and the man page's check. */

#include <stddef.h>

enum top_action {
	TOP_ACT_NONE,
	TOP_ACT_QUIT,
	TOP_ACT_HELP,
	TOP_ACT_PAUSE,
	TOP_ACT_SLOWER, /* a longer delay */
	TOP_ACT_FASTER,
	TOP_ACT_UP,
	TOP_ACT_DOWN,
	TOP_ACT_PAGE_UP,
	TOP_ACT_PAGE_DOWN,
	TOP_ACT_TOP,
	TOP_ACT_BOTTOM,
};

struct top_key {
	enum top_action action;
	const char *names; /* separated by blanks: single characters, and Space F1 Up PgUp... */
	const char *does;
};

extern const struct top_key top_keys[];
extern const size_t top_n_keys;

/** top_key_action - what the key called @name does */
enum top_action top_key_action(const char *name);

#endif
