/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PROGRESS_H
#define VMRT_PROGRESS_H

/*
 * How far long work is, as one line on the terminal that is written over again and again. Nothing
 * is shown of work that takes less than a second, with --quiet, or if standard error is no
 * terminal.
 */

#include <stdint.h>

/**
 * vmrt_progress_start - the program wants its work to be shown, and the work begins now
 *
 * A program that never calls this shows nothing, whatever it calls below.
 */
void vmrt_progress_start(void);

/** vmrt_progress_part - what the work is at, such as "file 3"; NULL: there is only one thing to do
 */
void vmrt_progress_part(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** vmrt_progress_count - @n of something, as in "rows read", are done, and it is not known how many
 * there will be */
void vmrt_progress_count(const char *words, int64_t n);

/** vmrt_progress_share - @done of @all of the work that @words names are done */
void vmrt_progress_share(const char *words, int64_t done, int64_t all);

/** vmrt_progress_clear - take the line away; the next call may show it again */
void vmrt_progress_clear(void);

#endif
