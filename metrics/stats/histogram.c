/* SPDX-License-Identifier: MIT */
/* Chooses the bins of a histogram and counts values in them. */
#include <math.h>
#include <stdlib.h>

#include <vmrt/stats.h>

#define BINS_MAX 20 /* approximately: the width of a bin is rounded */
#define BINS_MIN 5
#define ROUND_MAX INT64_C(1000000000000000000) /* the greatest power of ten */

/* The least of 1, 2 and 5 times a power of ten that is not below @ns. */
static int64_t round_up(int64_t ns)
{
	int64_t power = 1;

	while (power < ROUND_MAX && power * 10 < ns)
		power *= 10;
	return ns <= power			       ? power
	       : ns <= 2 * power		       ? 2 * power
	       : ns <= 5 * power || power == ROUND_MAX ? 5 * power
						       : 10 * power;
}

size_t vmrt_histogram(const struct vmrt_samples *s, struct vmrt_bin **out)
{
	int64_t max, end, width, from, room;
	struct vmrt_bin *bins;
	size_t n = 0, i = 0;

	*out = NULL;
	if (!s->n)
		return 0;
	max = s->values[s->n - 1];
	/* If few values lie far away from all others, equal bins would put all others into one bin.
	 * So the values behind @end, at most 0.1 %, share the last bin. */
	end = s->values[vmrt_samples_rank(s->n, 999, 1000) - 1];
	if ((max - s->values[0]) / 2 <= end - s->values[0])
		end = max;
	/* Rice's rule for the number of bins */
	room = (int64_t)ceil(2 * cbrt((double)s->n));
	room = room < BINS_MIN ? BINS_MIN : room > BINS_MAX ? BINS_MAX : room;
	width = round_up((end - s->values[0]) / room + 1);
	from = s->values[0] - ((s->values[0] % width) + width) % width;
	bins = calloc((size_t)((end - from) / width) + 2, sizeof(*bins));
	if (!bins)
		return 0;
	while (i < s->n) {
		struct vmrt_bin *b = &bins[n++];

		b->from_ns = from;
		b->to_ns = from + width;
		if (from > end)
			b->to_ns = max + 1;
		for (; i < s->n && s->values[i] < b->to_ns; i++)
			b->n++;
		from = b->to_ns;
	}
	*out = bins;
	return n;
}
