/* SPDX-License-Identifier: MIT */
#ifndef VMRT_UTF8_H
#define VMRT_UTF8_H

/* Reading UTF-8 that may be none. */

#include <stdint.h>

/**
 * vmrt_utf8_next - the next character of a text of unknown origin
 * @text: moved behind it
 *
 * Return: the code point; 0xFFFD for a byte that is not UTF-8; 0 at the end.
 */
uint32_t vmrt_utf8_next(const char **text);

#endif
