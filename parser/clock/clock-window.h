/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_CLOCK_WINDOW_H
#define VMRT_PARSER_CLOCK_CLOCK_WINDOW_H

/* Counts for every place of one recording in another how many events speak for it, or against it.
 */

#include <stdint.h>

/* A window of offsets, in bins. */
struct clock_window {
	int64_t low_ns, bin_ns, bins;
};

/** clock_window_count - one more event for the offsets from @low_ns to @high_ns; @change: from bin
 * to bin, of the number of events */
static inline void clock_window_count(
	int32_t *change, const struct clock_window *w, int64_t low_ns, int64_t high_ns)
{
	int64_t from = low_ns - w->low_ns, to = high_ns - w->low_ns;

	from = from < 0 ? 0 : (from + w->bin_ns - 1) / w->bin_ns;
	to = to < 0 ? 0 : to / w->bin_ns;
	if (to > w->bins)
		to = w->bins;
	if (from >= to)
		return;
	change[from]++;
	change[to]--;
}

#endif
