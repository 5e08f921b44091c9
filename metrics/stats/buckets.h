/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_STATS_BUCKETS_H
#define VMRT_METRICS_STATS_BUCKETS_H

/*
 * Histograms whose buckets are the same for every run, so that those of many runs add up and a
 * percentile of all their values is known to a bucket.
 *
 * Values below 256 ns have a bucket each; above, every power of two is cut into 128 buckets of
 * equal width, so that a bucket is at most 1/128 (0.8 %) as wide as the values in it are large.
 * Negative values mirror that: value v has bucket -1 - b, where b is that of -1 - v.
 * docs/many-runs.md has the same in SQL.
 */

#include <stdint.h>
#include <stddef.h>

#include <vmrt/stats.h>

struct bucket_count {
	int32_t bucket;
	int64_t n;
};

/* Begin with all zeros and min_ns, max_ns VMRT_UNKNOWN: VMRT_BUCKETS_EMPTY. */
struct vmrt_buckets {
	struct bucket_count *counts; /* in rising order, none with n 0 */
	size_t n_counts, room;
	int64_t n;		/* values */
	int64_t min_ns, max_ns; /* VMRT_UNKNOWN without values */
	double sum_ns;
};

#define VMRT_BUCKETS_EMPTY ((struct vmrt_buckets){.min_ns = VMRT_UNKNOWN, .max_ns = VMRT_UNKNOWN})

/** vmrt_bucket_of - the bucket of a value from -2^61 to 2^61 */
int32_t vmrt_bucket_of(int64_t ns);

/** bucket_from - the least value in bucket @bucket; VMRT_UNKNOWN if no value is in it */
int64_t bucket_from(int32_t bucket);

/** bucket_last - the largest value in it */
int64_t bucket_last(int32_t bucket);

/** vmrt_buckets_add - one value more; VMRT_UNKNOWN is left out; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status vmrt_buckets_add(struct vmrt_buckets *buckets, int64_t ns);

/** vmrt_buckets_append - @n values in a bucket behind all that are there; VMRT_OK, VMRT_EINVAL if
 * it is not behind them or @n is not above 0, VMRT_ENOMEM. min, max and sum are the caller's. */
enum vmrt_status vmrt_buckets_append(struct vmrt_buckets *buckets, int32_t bucket, int64_t n);

/** vmrt_buckets_merge - add all values of @from to @to; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status vmrt_buckets_merge(struct vmrt_buckets *to, const struct vmrt_buckets *from);

/**
 * vmrt_buckets_percentile - the percentile @num / @den by the nearest-rank rule, to a bucket
 *
 * Return: the largest value of the bucket in which it is, but at most the largest value of all:
 * never below the percentile, and above it by less than 0.8 %. VMRT_UNKNOWN without values.
 */
int64_t vmrt_buckets_percentile(const struct vmrt_buckets *buckets, unsigned num, unsigned den);

/** buckets_values - every value as the least of its bucket, sorted, for tests of ranks;
 * VMRT_OK or VMRT_ENOMEM. @out: empty; free with vmrt_samples_free() */
enum vmrt_status buckets_values(const struct vmrt_buckets *buckets, struct vmrt_samples *out);

/** vmrt_buckets_free - free what is in it, not @buckets itself */
void vmrt_buckets_free(struct vmrt_buckets *buckets);

/**
 * vmrt_holm - correct p values of many tests, so that the chance that any of them is below a limit
 * without a reason stays below that limit
 * @p: replaced; NaN: no test, not counted
 *
 * The step-down procedure of Holm (Scandinavian Journal of Statistics 6, 1979), which needs no
 * assumption on how the tests depend on one another.
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_holm(double *p, size_t n);

#endif
