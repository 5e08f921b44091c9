/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_TEXT_H
#define VMRT_TUI_ROWS_TEXT_H

/* Numbers, names and bars as text of a given width. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/units.h>

#include "cells.h"

/** top_text_ms - milliseconds with as many decimals as fit @width, two at most; "-" if unknown */
void top_text_ms(char *out, int64_t ns, int width);

/** top_text_count - a count; "12.3k" if it does not fit, always rounded down */
void top_text_count(char *out, uint64_t n, int width);

/** top_text_percent - a fraction as percent; "-" for NaN; 0 % and 100 % are shown only if they are
 * exact */
void top_text_percent(char *out, double ratio);

/** top_text_name - a name without characters that control a terminal; the end of a name that is cut
 * shows this
 */
void top_text_name(char *out, const char *name, int width);

/** top_text_time - a time such as 1:02:03.4 with @decimals digits; "-" if unknown; returns @out */
const char *top_text_time(char *out, int64_t ns, int decimals);

/** top_text_bar - @part of 1 as a bar of @width columns; @full, @rest: its characters */
void top_text_bar(char *out, double part, int width, const char *full, const char *rest);

/** top_text_level - one character whose height shows @part of 1; " " for zero */
const char *top_text_level(double part, bool ascii);

/** top_text_spark - the last values as levels relative to @most, one column each; '?' for an
 * unknown value */
void top_text_spark(char *out, const int64_t *values, size_t n, int64_t most, bool ascii);

#endif
