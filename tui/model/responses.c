/* SPDX-License-Identifier: MIT */
/*
 * Keeps the values themselves while there are few, and a log-linear histogram of all values: each
 * power of two is cut into 64 buckets of equal width, so that a bucket is at most 1/64 of its
 * values wide.
 */
#include "responses.h"

#include <stdlib.h>

#include <vmrt/sort.h>
#include <vmrt/stats.h>
#include <vmrt/units.h>

#define SUB (1u << TOP_BUCKET_BITS)

static size_t bucket_of(int64_t ns)
{
	uint64_t v = (uint64_t)ns;
	unsigned exponent;

	if (v < SUB)
		return (size_t)v;
	exponent = 63 - (unsigned)__builtin_clzll(v) - TOP_BUCKET_BITS;
	return (exponent + 1) * SUB + (size_t)(v >> exponent) - SUB;
}

int64_t top_bucket_from(size_t i)
{
	unsigned exponent;

	if (i < SUB)
		return (int64_t)i;
	exponent = (unsigned)(i / SUB) - 1;
	return (int64_t)(((uint64_t)(i % SUB) + SUB) << exponent);
}

int64_t top_bucket_to(size_t i)
{
	unsigned exponent;

	if (i < SUB)
		return (int64_t)i;
	exponent = (unsigned)(i / SUB) - 1;
	return (int64_t)((((uint64_t)(i % SUB) + SUB + 1) << exponent) - 1);
}

static bool keep(struct top_responses *r, int64_t ns)
{
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 256;
		int64_t *more = realloc(r->exact, room * sizeof(*more));

		if (!more)
			return false;
		r->exact = more;
		r->room = room;
	}
	r->exact[r->n] = ns;
	return true;
}

enum vmrt_status top_responses_add(struct top_responses *r, int64_t ns)
{
	size_t most = r->exact_max ? r->exact_max : TOP_EXACT_MAX;

	if (ns < 0)
		ns = 0;
	if (!r->buckets)
		r->buckets = calloc(TOP_BUCKETS, sizeof(*r->buckets));
	if (!r->buckets)
		return VMRT_ENOMEM;
	if (r->n == most) {
		free(r->exact);
		r->exact = NULL;
		r->room = 0;
	} else if (r->n < most && !keep(r, ns)) {
		return VMRT_ENOMEM;
	}
	r->buckets[bucket_of(ns)]++;
	if (!r->n || ns > r->max)
		r->max = ns;
	r->n++;
	return VMRT_OK;
}

/* Are exact percentiles computed now? Millions of values are sorted only once, at the end, and not
 * for each screen. */
static bool is_exact(const struct top_responses *r)
{
	return r->exact && (r->n <= TOP_EXACT_MAX || r->whole);
}

void top_responses_bounds(
	struct top_responses *r, unsigned num, unsigned den, int64_t *low, int64_t *high)
{
	uint64_t rank = vmrt_samples_rank((size_t)r->n, num, den), seen = 0;
	size_t i = 0;

	*low = *high = VMRT_UNKNOWN;
	if (!r->n)
		return;
	if (is_exact(r)) {
		/* the order in which the values came is not needed any more */
		vmrt_sort_values(r->exact, (size_t)r->sorted_n, (size_t)r->n);
		r->sorted_n = r->n;
		*low = *high = r->exact[rank - 1];
		return;
	}
	while ((seen += r->buckets[i]) < rank)
		i++;
	*low = top_bucket_from(i);
	*high = top_bucket_to(i) < r->max ? top_bucket_to(i) : r->max;
}

int64_t top_responses_p99(struct top_responses *r, bool *approximate)
{
	int64_t low;

	*approximate = r->n && !is_exact(r);
	if (r->p99_n != r->n || !r->n)
		top_responses_bounds(r, 99, 100, &low, &r->p99);
	r->p99_n = r->n;
	return r->p99;
}

/* Frees the values. The limit exact_max keeps its value. */
void top_responses_free(struct top_responses *r)
{
	free(r->exact);
	free(r->buckets);
	*r = (struct top_responses){.exact_max = r->exact_max};
}
