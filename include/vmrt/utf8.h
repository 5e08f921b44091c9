/* SPDX-License-Identifier: MIT */
#ifndef VMRT_UTF8_H
#define VMRT_UTF8_H

/* Reading UTF-8 that may be none. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/**
 * vmrt_utf8_next - the next character of a text of unknown origin
 * @text: moved behind it
 *
 * Return: the code point; 0xFFFD for a byte that is not UTF-8; 0 at the end.
 */
uint32_t vmrt_utf8_next(const char **text);

/**
 * vmrt_utf8_is_harmless - is @c only what it looks like?
 *
 * Not so are control characters, also those of 8 bits; those that change the direction of what
 * follows; and bytes that are no UTF-8.
 */
bool vmrt_utf8_is_harmless(uint32_t c);

/** vmrt_utf8_length - how many characters @text has */
size_t vmrt_utf8_length(const char *text);

/**
 * vmrt_utf8_width - how many columns of a terminal character @c takes: 0 of a combining one, 2 of a
 * Chinese, Japanese or Korean one and of most emoji, 1 of others
 */
unsigned vmrt_utf8_width(uint32_t c);

/** vmrt_utf8_columns - how many columns of a terminal @text takes */
size_t vmrt_utf8_columns(const char *text);

/** vmrt_utf8_put - print @text with a question mark for each character that is not harmless */
void vmrt_utf8_put(FILE *out, const char *text);

/** vmrt_utf8_tame - do the same to @text itself: a question mark for each byte of such a character
 */
void vmrt_utf8_tame(char *text);

#endif
