/* SPDX-License-Identifier: MIT */
/* Means, percentiles and intervals of series of values. */
#include <vmrt/stats.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/sort.h>

#define Z_95 1.959963984540054 /* two-sided 95 % quantile of the normal distribution */

/* Tables whose probability differs by less than this (relatively) count as equally likely. */
#define SAME_PROBABILITY 1e-7

enum vmrt_status vmrt_samples_add(struct vmrt_samples *samples, int64_t value)
{
	if (samples->n == samples->room) {
		size_t room = samples->room ? samples->room * 2 : 256;
		int64_t *more = realloc(samples->values, room * sizeof(*more));

		if (!more)
			return VMRT_ENOMEM;
		samples->values = more;
		samples->room = room;
	}
	samples->values[samples->n++] = value;
	return VMRT_OK;
}

void vmrt_samples_sort(struct vmrt_samples *samples)
{
	vmrt_sort_values(samples->values, samples->n_sorted, samples->n);
	samples->n_sorted = samples->n;
}

size_t vmrt_samples_rank(size_t n, unsigned num, unsigned den)
{
	uint64_t rank = ((uint64_t)n * num + den - 1) / den;

	return rank ? rank : 1;
}

int64_t vmrt_samples_percentile(struct vmrt_samples *samples, unsigned num, unsigned den)
{
	if (!samples->n)
		return VMRT_UNKNOWN;
	vmrt_samples_sort(samples);
	return samples->values[vmrt_samples_rank(samples->n, num, den) - 1];
}

void vmrt_samples_free(struct vmrt_samples *samples)
{
	free(samples->values);
	*samples = (struct vmrt_samples){0};
}

/* |a - b|, or INT64_MAX if the difference is larger than that. */
static int64_t distance(int64_t a, int64_t b)
{
	int64_t d;

	return __builtin_sub_overflow(a > b ? a : b, a > b ? b : a, &d) ? INT64_MAX : d;
}

void vmrt_series_add(struct vmrt_series *s, int64_t k, int64_t value)
{
	if (value == VMRT_UNKNOWN)
		return;
	if (!s->n || value < s->min) {
		s->min = value;
		s->min_k = k;
	}
	if (!s->n || value > s->max) {
		s->max = value;
		s->max_k = k;
	}
	if (s->n && s->last_k == k - 1) {
		int64_t step = distance(value, s->last);

		/* also for the first step: VMRT_UNKNOWN is less than any */
		if (step > s->relative) {
			s->relative = step;
			s->relative_k = k;
		}
	}
	s->sum += (double)value;
	s->last = value;
	s->last_k = k;
	s->n++;
}

int64_t vmrt_series_jitter(const struct vmrt_series *series)
{
	return series->n ? distance(series->max, series->min) : VMRT_UNKNOWN;
}

int64_t vmrt_series_mean(const struct vmrt_series *series)
{
	return series->n ? llround(series->sum / (double)series->n) : VMRT_UNKNOWN;
}

void vmrt_wilson(uint64_t hits, uint64_t n, double *low, double *high)
{
	double p, size = (double)n, z2 = Z_95 * Z_95, middle, half;

	*low = *high = NAN;
	if (!n)
		return;
	p = (double)hits / size;
	middle = (p + z2 / (2 * size)) / (1 + z2 / size);
	half = Z_95 / (1 + z2 / size) * sqrt(p * (1 - p) / size + z2 / (4 * size * size));
	/* 0 and 1 are set exactly, since rounding would leave an error of 1e-17 */
	*low = hits ? middle - half : 0;
	*high = hits < n ? middle + half : 1;
}

/* Counts above this are not tested: rounding of the logarithms would be seen in the result. */
#define FISHER_MOST (UINT64_C(1) << 32)
/* The sum ends at a term that is smaller than this share of the sum, since that term and all later
 * ones change nothing. */
#define NEGLIGIBLE 1e-18

static long double log_choose(uint64_t n, uint64_t k)
{
	return lgammal((long double)n + 1) - lgammal((long double)k + 1) -
	       lgammal((long double)(n - k) + 1);
}

/* All tables of two rows with the same sums of rows and columns. Table i is the one in which i of
 * the @hits are in the first row, which has @n_a elements. */
struct tables {
	uint64_t n_a, n_b, hits;
	long double whole;
};

static long double log_probability(const struct tables *t, uint64_t i)
{
	return log_choose(t->n_a, i) + log_choose(t->n_b, t->hits - i) - t->whole;
}

/* How much more likely table @i + 1 is than table @i. */
static double growth(const struct tables *t, uint64_t i)
{
	return (double)(t->n_a - i) / (double)(i + 1) * (double)(t->hits - i) /
	       (double)(t->n_b + i + 1 - t->hits);
}

/* The sum of the probabilities of all tables from @peak_side outward to @end that are no more
 * likely than @least. The probabilities have one peak and fall ever faster on both sides of it. So
 * the first of these tables is found by bisection, and the sum ends where terms change nothing. For
 * n values, about sqrt(n) terms are added. */
static double sum_tail(const struct tables *t, uint64_t peak_side, uint64_t end, long double least)
{
	uint64_t near = 0, distance = end > peak_side ? end - peak_side : peak_side - end;
	uint64_t far = distance + 1, i;
	bool up = end > peak_side;
	double term, sum = 0;

	while (near < far) {
		uint64_t middle = near + (far - near) / 2;

		if (log_probability(t, up ? peak_side + middle : peak_side - middle) <= least)
			far = middle;
		else
			near = middle + 1;
	}
	if (near > distance)
		return 0;
	i = up ? peak_side + near : peak_side - near;
	term = (double)expl(log_probability(t, i));
	for (;;) {
		sum += term;
		if (i == end || term <= NEGLIGIBLE * sum)
			return sum;
		term *= up ? growth(t, i) : 1 / growth(t, i - 1);
		i += up ? 1 : UINT64_MAX;
	}
}

double vmrt_fisher(uint64_t hits_a, uint64_t n_a, uint64_t hits_b, uint64_t n_b)
{
	struct tables t = {n_a, n_b, hits_a + hits_b, 0};
	uint64_t first = t.hits > n_b ? t.hits - n_b : 0, last = t.hits < n_a ? t.hits : n_a, peak;
	long double least;
	double sum;

	if (!n_a || !n_b || n_a > FISHER_MOST || n_b > FISHER_MOST || hits_a > n_a || hits_b > n_b)
		return NAN;
	t.whole = log_choose(n_a + n_b, t.hits);
	least = log_probability(&t, hits_a) + SAME_PROBABILITY;
	peak = (uint64_t)(((unsigned __int128)t.hits + 1) * (n_a + 1) / (n_a + n_b + 2));
	peak = peak < first ? first : peak > last ? last : peak;
	sum = sum_tail(&t, peak, first, least);
	if (peak < last)
		sum += sum_tail(&t, peak + 1, last, least);
	return sum < 1 ? sum : 1;
}
