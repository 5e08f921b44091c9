/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_MODEL_RESPONSES_H
#define VMRT_TUI_MODEL_RESPONSES_H

/* Percentiles of response times in bounded memory. All zeros is an empty set. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>

/* Each power of two is cut into 2^TOP_BUCKET_BITS buckets of equal width. */
#define TOP_BUCKET_BITS 6
#define TOP_BUCKETS ((64 - TOP_BUCKET_BITS) << TOP_BUCKET_BITS)

/* How many values are kept; if there are more, percentiles come from a histogram. A live view may
 * run for days, so it keeps few values; for a recording, 32 MiB of values are kept. */
#define TOP_EXACT_MAX 16384
#define TOP_EXACT_RECORDED (4 << 20)

struct top_responses {
	int64_t *exact; /* all values, while there are no more than @exact_max */
	size_t room;
	size_t exact_max; /* 0: TOP_EXACT_MAX */
	bool whole; /* no more values will come, so that it is worth the time to sort many of them
		     */
	uint64_t *buckets; /* the TOP_BUCKETS buckets of the histogram of all values */
	uint64_t n;
	int64_t max;
	int64_t p99; /* of @p99_n values */
	uint64_t p99_n, sorted_n;
};

/** top_responses_add - add @ns, negative ones count as 0; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status top_responses_add(struct top_responses *r, int64_t ns);

/**
 * top_responses_p99 - the 99th percentile by the nearest-rank rule
 * @approximate: the value is an upper bound, at most 1/64 too high; else it is exact
 *
 * Return: the value; VMRT_UNKNOWN of an empty set.
 */
int64_t top_responses_p99(struct top_responses *r, bool *approximate);

/**
 * top_responses_bounds - percentile @num / @den: it is at least @low and at most @high; both are
 * the exact percentile if all values are kept; VMRT_UNKNOWN of an empty set
 */
void top_responses_bounds(
	struct top_responses *r, unsigned num, unsigned den, int64_t *low, int64_t *high);

/** top_bucket_from, top_bucket_to - the least and the largest value of bucket @i */
int64_t top_bucket_from(size_t i);
int64_t top_bucket_to(size_t i);

void top_responses_free(struct top_responses *r);

#endif
