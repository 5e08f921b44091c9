/* SPDX-License-Identifier: MIT */
#ifndef VMRT_SORT_H
#define VMRT_SORT_H

/* Sorts numbers, and sorts them again at little cost when some more were added. */

#include <stddef.h>
#include <stdint.h>

/**
 * vmrt_sort_values - put @values in rising order
 * @sorted: how many values at the beginning are in order already, since this function sorted them
 * @n: how many values there are in all
 *
 * The values behind these are sorted and merged into them, so that a series to which a few values
 * have been added costs about one pass over those above the least of them.
 */
void vmrt_sort_values(int64_t *values, size_t sorted, size_t n);

#endif
