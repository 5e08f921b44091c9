/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GLOB_H
#define VMRT_GLOB_H

/* Patterns of names, as in a shell. */

#include <stdbool.h>
#include <stddef.h>

/**
 * vmrt_glob - does @text match @pattern as a whole?
 * @pattern: `*` stands for any text, `?` for one character, `[a-z]` for one of a set (`[!a-z]`: not
 * of it), `\` takes the meaning from the next character
 * @room: @text ends there or at its NUL, whatever comes first
 */
bool vmrt_glob(const char *pattern, const char *text, size_t room);

/** vmrt_glob_is_plain - does @pattern match nothing but itself? */
bool vmrt_glob_is_plain(const char *pattern);

#endif
