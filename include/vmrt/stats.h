/* SPDX-License-Identifier: MIT */
#ifndef VMRT_STATS_H
#define VMRT_STATS_H

/* Statistics of measured durations and of misses, as docs/metrics.md defines them. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>
#include <vmrt/units.h>

/* A growing set of values. All zeros is an empty one. */
struct vmrt_samples {
	int64_t *values;
	size_t n, room;
	size_t n_sorted; /* how many values at the beginning are in rising order */
};

/** vmrt_samples_add - add @value; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status vmrt_samples_add(struct vmrt_samples *samples, int64_t value);

/**
 * vmrt_samples_percentile - percentile by the nearest-rank rule
 * @num: the percentile is @num / @den, in (0, 1], e.g. 999 and 1000
 *
 * The smallest value such that at least @num / @den of all values are not above it: always a value
 * that was measured, never an interpolation. Sorts the values when needed.
 *
 * Return: the value; VMRT_UNKNOWN of an empty set.
 */
int64_t vmrt_samples_percentile(struct vmrt_samples *samples, unsigned num, unsigned den);

/** vmrt_samples_sort - put the values in rising order; does nothing if they are in order */
void vmrt_samples_sort(struct vmrt_samples *samples);

/** vmrt_samples_rank - the rank, from 1, of the percentile @num / @den of @n values, by the
 * nearest-rank rule */
size_t vmrt_samples_rank(size_t n, unsigned num, unsigned den);

/** vmrt_samples_free - free the values, not @samples itself */
void vmrt_samples_free(struct vmrt_samples *samples);

struct vmrt_bin {
	int64_t from_ns, to_ns; /* from <= value < to */
	int64_t n;
};

/**
 * vmrt_histogram - about 2 n^(1/3) bins, from 5 to 20, of equal width, 1, 2 or 5 times a power of
 * ten ns
 * @s: sorted
 * @out: to be freed
 *
 * Where the largest thousandth reaches far beyond the others, it has one wider bin, the last.
 *
 * Return: the number of bins; 0 without values or memory.
 */
size_t vmrt_histogram(const struct vmrt_samples *s, struct vmrt_bin **out);

/* A streaming summary of one value per job. Begin with VMRT_SERIES_EMPTY. */
struct vmrt_series {
	size_t n;
	int64_t min, min_k, max,
		max_k; /* the values, and the first job that has each; VMRT_UNKNOWN if n is 0 */
	double sum;
	int64_t relative, relative_k; /* largest step between jobs k - 1 and k */
	int64_t last, last_k;
};

#define VMRT_SERIES_EMPTY                                                                          \
	((struct vmrt_series){0, VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_UNKNOWN, 0,        \
		VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_UNKNOWN, VMRT_UNKNOWN})

/** vmrt_series_add - the value of job @k, in rising order of @k; VMRT_UNKNOWN is left out */
void vmrt_series_add(struct vmrt_series *series, int64_t k, int64_t value);

/** vmrt_series_jitter - absolute jitter, max - min; VMRT_UNKNOWN without values */
int64_t vmrt_series_jitter(const struct vmrt_series *series);

/** vmrt_series_mean - the mean, rounded to ns; VMRT_UNKNOWN without values */
int64_t vmrt_series_mean(const struct vmrt_series *series);

/**
 * vmrt_wilson - Wilson's score interval (95 %, no continuity correction) of a proportion
 * @hits: out of @n
 * @low, @high: the interval; NaN if @n is 0
 */
void vmrt_wilson(uint64_t hits, uint64_t n, double *low, double *high);

/**
 * vmrt_fisher - Fisher's exact test, two-sided
 * @hits_a: out of @n_a
 * @hits_b: out of @n_b
 *
 * The sum of the probabilities of all tables with these margins that are no more likely than the
 * observed one.
 *
 * The computing time grows only with the square root of the counts, since the counts may come from
 * a stranger's file.
 *
 * Return: the p value; NaN if a group is empty, larger than 2^32, or has more hits than members.
 */
double vmrt_fisher(uint64_t hits_a, uint64_t n_a, uint64_t hits_b, uint64_t n_b);

#endif
