/* SPDX-License-Identifier: MIT */
/* Sorting numbers: many at once by their digits, a few more by merging. */
#include <vmrt/sort.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DIGIT_BITS 11
#define DIGIT_MASK ((UINT64_C(1) << DIGIT_BITS) - 1)
#define BY_DIGITS_FROM 4096 /* fewer values are sorted by comparing */

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/*
 * Sorts by one digit after the other, from the lowest. If there are many values and they differ in
 * few digits, this is several times as fast as comparing. False without memory.
 */
static bool sort_by_digits(int64_t *values, size_t n)
{
	int64_t *from = values, *to = malloc(n * sizeof(*to)), *beside = to;
	int64_t min = values[0], max = values[0];
	uint64_t range;

	if (!to)
		return false;
	for (size_t i = 1; i < n; i++) {
		min = values[i] < min ? values[i] : min;
		max = values[i] > max ? values[i] : max;
	}
	range = (uint64_t)max - (uint64_t)min;
	for (unsigned shift = 0; shift < 64 && range >> shift; shift += DIGIT_BITS) {
		size_t at[1 << DIGIT_BITS] = {0}, sum = 0;
		int64_t *last = from;

		for (size_t i = 0; i < n; i++)
			at[((uint64_t)from[i] - (uint64_t)min) >> shift & DIGIT_MASK]++;
		for (size_t d = 0; d <= DIGIT_MASK; d++) {
			size_t count = at[d];

			at[d] = sum;
			sum += count;
		}
		for (size_t i = 0; i < n; i++)
			to[at[((uint64_t)from[i] - (uint64_t)min) >> shift & DIGIT_MASK]++] =
				from[i];
		from = to;
		to = last;
	}
	if (from != values)
		memcpy(values, from, n * sizeof(*values));
	free(beside);
	return true;
}

static void sort_all(int64_t *values, size_t n)
{
	if (n < BY_DIGITS_FROM || !sort_by_digits(values, n))
		qsort(values, n, sizeof(*values), compare);
}

/* Merges two parts that are each in order. False without memory. */
static bool merge(int64_t *values, size_t first, size_t n)
{
	size_t more = n - first, to = n;
	int64_t *behind = malloc(more * sizeof(*behind));

	if (!behind)
		return false;
	memcpy(behind, values + first, more * sizeof(*behind));
	/* merge from the end; the rest of the first part is then in its place already */
	while (more)
		values[--to] = first && values[first - 1] > behind[more - 1] ? values[--first]
									     : behind[--more];
	free(behind);
	return true;
}

void vmrt_sort_values(int64_t *values, size_t sorted, size_t n)
{
	if (sorted >= n)
		return;
	sort_all(values + sorted, n - sorted);
	if (sorted && values[sorted - 1] > values[sorted] && !merge(values, sorted, n))
		sort_all(values, n);
}
