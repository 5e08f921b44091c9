/* SPDX-License-Identifier: MIT */
/* Histograms whose buckets are the same for all runs, so that histograms can be added; and the
 * correction of the p values of many tests. */
#include "buckets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define BITS 7 /* 2^BITS buckets for each power of two */
#define LEAST_COARSE (INT64_C(1) << (BITS + 1))
#define BUCKET_MOST ((62 - BITS) << BITS) /* the buckets above hold values above 2^61 */

static int32_t bucket_of_positive(uint64_t v)
{
	unsigned shift;

	if (v < (uint64_t)LEAST_COARSE)
		return (int32_t)v;
	shift = 63 - (unsigned)__builtin_clzll(v) - BITS;
	return (int32_t)((shift << BITS) + (v >> shift));
}

int32_t vmrt_bucket_of(int64_t ns)
{
	return ns < 0 ? -1 - bucket_of_positive((uint64_t)(-1 - ns))
		      : bucket_of_positive((uint64_t)ns);
}

static int64_t from_of_positive(int32_t bucket)
{
	unsigned shift;

	if (bucket < LEAST_COARSE)
		return bucket;
	shift = ((unsigned)bucket >> BITS) - 1;
	return (int64_t)((unsigned)bucket - (shift << BITS)) << shift;
}

int64_t bucket_from(int32_t bucket)
{
	if (bucket > BUCKET_MOST || bucket < -1 - BUCKET_MOST)
		return VMRT_UNKNOWN;
	return bucket < 0 ? -from_of_positive(-bucket) : from_of_positive(bucket);
}

int64_t bucket_last(int32_t bucket)
{
	if (bucket > BUCKET_MOST || bucket < -1 - BUCKET_MOST)
		return VMRT_UNKNOWN;
	return bucket < 0 ? -1 - from_of_positive(-1 - bucket) : from_of_positive(bucket + 1) - 1;
}

/* Makes room for one more count at position @at; NULL without memory. */
static struct bucket_count *insert(struct vmrt_buckets *b, size_t at)
{
	if (b->n_counts == b->room) {
		size_t room = b->room ? b->room * 2 : 64;
		struct bucket_count *more = realloc(b->counts, room * sizeof(*more));

		if (!more)
			return NULL;
		b->counts = more;
		b->room = room;
	}
	memmove(b->counts + at + 1, b->counts + at, (b->n_counts - at) * sizeof(*b->counts));
	b->n_counts++;
	return &b->counts[at];
}

/* The position of the first count that is not below @bucket. */
static size_t find(const struct vmrt_buckets *b, int32_t bucket)
{
	size_t low = 0, high = b->n_counts;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (b->counts[middle].bucket < bucket)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static enum vmrt_status add(struct vmrt_buckets *b, int32_t bucket, int64_t n)
{
	size_t at = find(b, bucket);
	bool known = at < b->n_counts && b->counts[at].bucket == bucket;
	struct bucket_count *count;

	/* the sum of many histograms that strangers made may not fit into 64 bits */
	if (n > INT64_MAX - b->n)
		return VMRT_ERANGE;
	count = known ? &b->counts[at] : insert(b, at);
	if (!count)
		return VMRT_ENOMEM;
	if (!known)
		*count = (struct bucket_count){bucket, 0};
	count->n += n;
	b->n += n;
	return VMRT_OK;
}

enum vmrt_status vmrt_buckets_add(struct vmrt_buckets *b, int64_t ns)
{
	if (ns == VMRT_UNKNOWN)
		return VMRT_OK;
	if (add(b, vmrt_bucket_of(ns), 1) != VMRT_OK)
		return VMRT_ENOMEM;
	b->min_ns = b->min_ns == VMRT_UNKNOWN || ns < b->min_ns ? ns : b->min_ns;
	b->max_ns = b->max_ns == VMRT_UNKNOWN || ns > b->max_ns ? ns : b->max_ns;
	b->sum_ns += (double)ns;
	return VMRT_OK;
}

enum vmrt_status vmrt_buckets_append(struct vmrt_buckets *b, int32_t bucket, int64_t n)
{
	if (n <= 0 || bucket_from(bucket) == VMRT_UNKNOWN ||
		(b->n_counts && b->counts[b->n_counts - 1].bucket >= bucket) ||
		n > INT64_MAX - b->n)
		return VMRT_EINVAL;
	return add(b, bucket, n);
}

enum vmrt_status vmrt_buckets_merge(struct vmrt_buckets *to, const struct vmrt_buckets *from)
{
	for (size_t i = 0; i < from->n_counts; i++)
		if (add(to, from->counts[i].bucket, from->counts[i].n) != VMRT_OK)
			return VMRT_ENOMEM;
	if (from->n) {
		to->min_ns = to->min_ns == VMRT_UNKNOWN || from->min_ns < to->min_ns ? from->min_ns
										     : to->min_ns;
		to->max_ns = to->max_ns == VMRT_UNKNOWN || from->max_ns > to->max_ns ? from->max_ns
										     : to->max_ns;
	}
	to->sum_ns += from->sum_ns;
	return VMRT_OK;
}

int64_t vmrt_buckets_percentile(const struct vmrt_buckets *b, unsigned num, unsigned den)
{
	int64_t rank, below = 0;

	if (!b->n)
		return VMRT_UNKNOWN;
	rank = (int64_t)vmrt_samples_rank((size_t)b->n, num, den);
	for (size_t i = 0; i < b->n_counts; i++) {
		below += b->counts[i].n;
		if (below >= rank) {
			int64_t last = bucket_last(b->counts[i].bucket);

			return last < b->max_ns ? last : b->max_ns;
		}
	}
	return b->max_ns;
}

enum vmrt_status buckets_values(const struct vmrt_buckets *b, struct vmrt_samples *out)
{
	for (size_t i = 0; i < b->n_counts; i++)
		for (int64_t k = 0; k < b->counts[i].n; k++)
			if (vmrt_samples_add(out, bucket_from(b->counts[i].bucket)) != VMRT_OK)
				return VMRT_ENOMEM;
	out->n_sorted = out->n;
	return VMRT_OK;
}

void vmrt_buckets_free(struct vmrt_buckets *b)
{
	free(b->counts);
	*b = VMRT_BUCKETS_EMPTY;
}

static int by_p(const void *a, const void *b)
{
	const double *const *x = a, *const *y = b;

	return (**x > **y) - (**x < **y);
}

enum vmrt_status vmrt_holm(double *p, size_t n)
{
	double **order = malloc((n + 1) * sizeof(*order)), least = 0;
	size_t tests = 0;

	if (!order)
		return VMRT_ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (!isnan(p[i]))
			order[tests++] = &p[i];
	qsort(order, tests, sizeof(*order), by_p);
	for (size_t i = 0; i < tests; i++) {
		double corrected = *order[i] * (double)(tests - i);

		/* the corrected value of a larger p is never below the one of a smaller p */
		least = corrected > least ? corrected : least;
		*order[i] = least < 1 ? least : 1;
	}
	free(order);
	return VMRT_OK;
}
