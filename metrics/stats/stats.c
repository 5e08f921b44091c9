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

/* |a - b|, or the greatest number where that is more. */
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

		if (step > s->relative) { /* VMRT_UNKNOWN is less than any */
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
	/* exact at the ends, where rounding would leave 1e-17 */
	*low = hits ? middle - half : 0;
	*high = hits < n ? middle + half : 1;
}

static double log_choose(double n, double k)
{
	return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1);
}

double vmrt_fisher(uint64_t hits_a, uint64_t n_a, uint64_t hits_b, uint64_t n_b)
{
	uint64_t hits = hits_a + hits_b, all = n_a + n_b;
	uint64_t first = hits > n_b ? hits - n_b : 0;
	uint64_t last = hits < n_a ? hits : n_a;
	double whole = log_choose((double)all, (double)hits);
	double observed, sum = 0;

	if (!n_a || !n_b)
		return NAN;
	observed = log_choose((double)n_a, (double)hits_a) +
		   log_choose((double)n_b, (double)hits_b) - whole;
	for (uint64_t i = first; i <= last; i++) {
		double p = log_choose((double)n_a, (double)i) +
			   log_choose((double)n_b, (double)(hits - i)) - whole;

		if (p <= observed + SAME_PROBABILITY)
			sum += exp(p);
	}
	return sum < 1 ? sum : 1;
}
