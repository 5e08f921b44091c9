/* SPDX-License-Identifier: MIT */
/*
 * Exact while there are few values, then a log-linear histogram: each power of two is cut into 64
 * buckets of equal width, so that a bucket is at most 1/64 of its values wide.
 */
#include "responses.h"

#include <stdlib.h>

#include <vmrt/units.h>

#define SUB_BITS 6
#define SUB (1u << SUB_BITS)
#define BUCKETS ((64 - SUB_BITS) * SUB)

static size_t bucket_of(int64_t ns)
{
	uint64_t v = (uint64_t)ns;
	unsigned exponent;

	if (v < SUB)
		return (size_t)v;
	exponent = 63 - (unsigned)__builtin_clzll(v) - SUB_BITS;
	return (exponent + 1) * SUB + (size_t)(v >> exponent) - SUB;
}

/* The largest value that falls into bucket @i. */
static int64_t bucket_top(size_t i)
{
	unsigned exponent;

	if (i < SUB)
		return (int64_t)i;
	exponent = (unsigned)(i / SUB) - 1;
	return (int64_t)((((uint64_t)(i % SUB) + SUB + 1) << exponent) - 1);
}

static enum vmrt_status begin_histogram(struct top_responses *r)
{
	r->buckets = calloc(BUCKETS, sizeof(*r->buckets));
	if (!r->buckets)
		return VMRT_ENOMEM;
	for (size_t i = 0; i < TOP_EXACT_MAX; i++)
		r->buckets[bucket_of(r->exact[i])]++;
	free(r->exact);
	r->exact = NULL;
	r->room = 0;
	return VMRT_OK;
}

enum vmrt_status top_responses_add(struct top_responses *r, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	if (r->n == TOP_EXACT_MAX && !r->buckets && begin_histogram(r) != VMRT_OK)
		return VMRT_ENOMEM;
	if (r->buckets) {
		r->buckets[bucket_of(ns)]++;
	} else {
		if (r->n == r->room) {
			size_t room = r->room ? r->room * 2 : 256;
			int64_t *more = realloc(r->exact, room * sizeof(*more));

			if (!more)
				return VMRT_ENOMEM;
			r->exact = more;
			r->room = room;
		}
		r->exact[r->n] = ns;
	}
	if (!r->n || ns > r->max)
		r->max = ns;
	r->n++;
	return VMRT_OK;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t top_responses_p99(struct top_responses *r, bool *approximate)
{
	uint64_t rank = r->n - r->n / 100, seen = 0;

	*approximate = r->buckets != NULL;
	if (!r->n)
		return VMRT_UNKNOWN;
	if (r->p99_n == r->n)
		return r->p99;
	if (!r->buckets) {
		/* the order they came in is of no use any more */
		qsort(r->exact, (size_t)r->n, sizeof(*r->exact), by_value);
		r->p99 = r->exact[rank - 1];
	} else {
		size_t i = 0;

		while ((seen += r->buckets[i]) < rank)
			i++;
		r->p99 = bucket_top(i) < r->max ? bucket_top(i) : r->max;
	}
	r->p99_n = r->n;
	return r->p99;
}

void top_responses_free(struct top_responses *r)
{
	free(r->exact);
	free(r->buckets);
	*r = (struct top_responses){0};
}
