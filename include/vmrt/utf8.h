/* SPDX-License-Identifier: MIT */
#ifndef VMRT_UTF8_H
#define VMRT_UTF8_H

/* Reads texts that may not be valid UTF-8. */

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
 * vmrt_utf8_is_harmless - can @c be printed without an effect on the terminal or on the text around
 * it?
 *
 * Control characters (those of 8 bits, too), characters that change the direction of the text
 * behind them, and bytes that are not UTF-8 are not harmless.
 */
bool vmrt_utf8_is_harmless(uint32_t c);

/** vmrt_utf8_length - how many characters @text has */
size_t vmrt_utf8_length(const char *text);

/**
 * vmrt_utf8_width - how many columns of a terminal character @c takes: 0 for a combining character,
 * 2 for a Chinese, Japanese or Korean one and for most emoji, 1 for others
 */
unsigned vmrt_utf8_width(uint32_t c);

/** vmrt_utf8_columns - how many columns of a terminal @text takes */
size_t vmrt_utf8_columns(const char *text);

/** vmrt_utf8_put - print @text with a question mark for each character that is not harmless */
void vmrt_utf8_put(FILE *out, const char *text);

/** vmrt_utf8_sanitize - change @text itself: a question mark for each byte of a character that is
 * not harmless
 */
void vmrt_utf8_sanitize(char *text);

#endif
