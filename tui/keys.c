/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <string.h>

const struct top_key top_keys[] = {
	{TOP_ACT_QUIT, "q F10 ^C", "quit"},
	{TOP_ACT_HELP, "h ? F1", "this help, and back"},
	{TOP_ACT_PAUSE, "Space Z", "pause, and go on"},
	{TOP_ACT_SLOWER, "+", "longer delay between two updates"},
	{TOP_ACT_FASTER, "-", "shorter delay"},
	{TOP_ACT_UP, "Up k", "scroll up, if rows do not fit"},
	{TOP_ACT_DOWN, "Down j", "scroll down"},
	{TOP_ACT_PAGE_UP, "PgUp", "scroll up by a page"},
	{TOP_ACT_PAGE_DOWN, "PgDn", "scroll down by a page"},
	{TOP_ACT_TOP, "Home g", "to the first row"},
	{TOP_ACT_BOTTOM, "End G", "to the last row"},
};

const size_t top_n_keys = sizeof(top_keys) / sizeof(top_keys[0]);

enum top_action top_key_action(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; len && i < top_n_keys; i++) {
		const char *at = top_keys[i].names;

		while (*at) {
			size_t n = strcspn(at, " ");

			if (n == len && !strncmp(at, name, n))
				return top_keys[i].action;
			at += n + (at[n] == ' ');
		}
	}
	return TOP_ACT_NONE;
}
