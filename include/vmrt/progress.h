/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PROGRESS_H
#define VMRT_PROGRESS_H

/*
 * The progress of long work, as one line on the terminal that is overwritten again and again.
 * Nothing is shown if the work takes less than a second, with --quiet, or if standard error is no
 * terminal.
 */

#include <stdint.h>

/**
 * vmrt_progress_start - the program wants its work to be shown, and the work begins now
 *
 * A program that never calls this shows nothing, whatever it calls below.
 */
void vmrt_progress_start(void);

/** vmrt_progress_part - the part of the work that is being done, such as "file 3"; NULL: the work
 * has no parts
 */
void vmrt_progress_part(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** vmrt_progress_count - @n of something, as in "rows read", are done, and it is not known how many
 * there will be */
void vmrt_progress_count(const char *words, int64_t n);

/** vmrt_progress_share - @done of @all of the work that @words names are done */
void vmrt_progress_share(const char *words, int64_t done, int64_t all);

/** vmrt_progress_clear - remove the line; the next call may show it again */
void vmrt_progress_clear(void);

#endif
