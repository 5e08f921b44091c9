/* SPDX-License-Identifier: MIT */
#ifndef VMRT_SORT_H
#define VMRT_SORT_H

/* Numbers in rising order, also when some more have come. */

#include <stddef.h>
#include <stdint.h>

/**
 * vmrt_sort_values - put @values in rising order
 * @sorted: the first so many are in order already, as this function has left them
 * @n: of all
 *
 * The rest is sorted and merged into them, so that a series to which a few values have been added
 * costs about one pass over those above the least of them.
 */
void vmrt_sort_values(int64_t *values, size_t sorted, size_t n);

#endif
