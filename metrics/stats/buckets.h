/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_STATS_BUCKETS_H
#define VMRT_METRICS_STATS_BUCKETS_H

/*
 * Histograms whose buckets are the same for every run. So the histograms of many runs can be
 * added, and the sum tells in which bucket a percentile of all their values lies.
 *
 * Values below 256 ns have a bucket each; above, every power of two is cut into 128 buckets of
 * equal width, so that a bucket is at most 1/128 (0.8 %) as wide as the values in it are large.
 * Negative values have the same buckets, mirrored: value v is in bucket -1 - b, where b is the
 * bucket of value -1 - v. docs/many-runs.md computes buckets in SQL.
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

/** bucket_last - the largest value in bucket @bucket; VMRT_UNKNOWN if no value is in it */
int64_t bucket_last(int32_t bucket);

/** vmrt_buckets_add - count one more value, unless it is VMRT_UNKNOWN; returns VMRT_OK or
 * VMRT_ENOMEM */
enum vmrt_status vmrt_buckets_add(struct vmrt_buckets *buckets, int64_t ns);

/** vmrt_buckets_append - count @n values in @bucket, which must lie behind all buckets that have
 * values. The caller sets min, max and sum. Returns VMRT_OK; VMRT_EINVAL if @bucket does not lie
 * behind the others or @n is not above 0; VMRT_ENOMEM */
enum vmrt_status vmrt_buckets_append(struct vmrt_buckets *buckets, int32_t bucket, int64_t n);

/** vmrt_buckets_merge - add all values of @from to @to; returns VMRT_OK or VMRT_ENOMEM */
enum vmrt_status vmrt_buckets_merge(struct vmrt_buckets *to, const struct vmrt_buckets *from);

/**
 * vmrt_buckets_percentile - the percentile @num / @den by the nearest-rank rule, as exactly as
 * a bucket tells it
 *
 * Return: the largest value of the bucket that contains the percentile, but at most the largest
 * value of all. So the result is never below the percentile, and above it by less than 0.8 %.
 * VMRT_UNKNOWN if there are no values.
 */
int64_t vmrt_buckets_percentile(const struct vmrt_buckets *buckets, unsigned num, unsigned den);

/** buckets_values - put all values into @out, sorted, each as the least value of its bucket, for
 * tests of ranks; returns VMRT_OK or VMRT_ENOMEM. @out must be empty before; free it with
 * vmrt_samples_free() */
enum vmrt_status buckets_values(const struct vmrt_buckets *buckets, struct vmrt_samples *out);

/** vmrt_buckets_free - free the counts in @buckets, but not @buckets itself */
void vmrt_buckets_free(struct vmrt_buckets *buckets);

/**
 * vmrt_holm - correct the p values of many tests: if nothing really differs, the chance that any
 * corrected value is below a limit is at most that limit
 * @p: replaced by the corrected values; NaN stands for a test that was not made, and is not counted
 *
 * The step-down procedure of Holm (Scandinavian Journal of Statistics 6, 1979), which needs no
 * assumption on how the tests depend on one another.
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_holm(double *p, size_t n);

#endif
