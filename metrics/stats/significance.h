/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_STATS_SIGNIFICANCE_H
#define VMRT_METRICS_STATS_SIGNIFICANCE_H

/* Is a difference between two sets of measured durations more than chance? docs/metrics.md,
 * Comparison. */

#include <stdbool.h>
#include <stdint.h>

#include <vmrt/stats.h>

/* Result of the Mann-Whitney U test. */
struct vmrt_rank_test {
	double u; /* pairs in which the value of the second set is larger; equal ones count half */
	double superiority; /* u / number of pairs: how often a value of the second set is larger */
	double p;	    /* two-sided; NaN if a set is empty */
	bool exact;	    /* by all permutations of the ranks; else by the normal distribution */
};

#define VMRT_RANK_EXACT_MAX 40 /* values in both sets together up to which the test is exact */

/**
 * vmrt_mann_whitney - Mann-Whitney U test, two-sided
 * @a, @b: sorted when needed
 *
 * Equal values get the mean of their ranks. With at most VMRT_RANK_EXACT_MAX values p is the share
 * of all ways to choose the ranks of @a that deviate as much from the mean; beyond that it is of
 * the normal distribution with the variance corrected for ties (Lehmann, Nonparametrics, 1975,
 * section 1.4) and a continuity correction of 1/2.
 */
struct vmrt_rank_test vmrt_mann_whitney(struct vmrt_samples *a, struct vmrt_samples *b);

struct vmrt_buckets;

/**
 * vmrt_mann_whitney_buckets - the same of histograms, whose values are equal within a bucket
 *
 * Time and memory depend on the number of buckets and not on the number of values, because a
 * histogram from a stranger may claim to have any number of values.
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_mann_whitney_buckets(
	const struct vmrt_buckets *a, const struct vmrt_buckets *b, struct vmrt_rank_test *out);

#define VMRT_BOOTSTRAP_ROUNDS 10000
#define VMRT_BOOTSTRAP_SEED 1

/* Random numbers that are the same everywhere for the same seed: SplitMix64 (Steele, Lea, Flood,
 * OOPSLA 2014). */
struct splitmix {
	uint64_t state;
};

/** splitmix_next - 64 random bits */
uint64_t splitmix_next(struct splitmix *random);

/**
 * vmrt_bootstrap_percentile - bootstrap interval (95 %, percentile method) of a difference of
 * percentiles
 * @a, @b: sorted when needed; the difference is that of @b minus that of @a
 * @num, @den: the percentile, as for vmrt_samples_percentile()
 * @seed: of the random numbers
 * @low, @high: the interval
 *
 * The r-th smallest of n values drawn with replacement from n values is the one whose rank is
 * ceil(n B), where B is distributed as Beta(r, n - r + 1). So each of the VMRT_BOOTSTRAP_ROUNDS
 * rounds draws two numbers instead of resampling all values; the result has the distribution of the
 * ordinary bootstrap (Efron 1979).
 *
 * Return: false, and VMRT_UNKNOWN as interval, if a set is too small: there the percentile lies
 * above or below all measured values with a probability of more than 2.5 %, so that no interval
 * between them can have 95 %.
 */
bool vmrt_bootstrap_percentile(struct vmrt_samples *a, struct vmrt_samples *b, unsigned num,
	unsigned den, uint64_t seed, int64_t *low, int64_t *high);

#endif
