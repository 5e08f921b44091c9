/* SPDX-License-Identifier: MIT */
/* Statistical tests of whether a difference between runs is more than chance. */
#include "significance.h"

#include "buckets.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A distinct value of two sorted sets that are read together: how many elements of each set have
 * this value, and how many are smaller. next_step() goes to the next distinct value. */
struct step {
	size_t a, b;		 /* so many elements have this value */
	size_t below_a, below_b; /* so many elements are smaller */
};

static bool next_step(const struct vmrt_samples *a, const struct vmrt_samples *b, struct step *s)
{
	size_t i = s->below_a + s->a, j = s->below_b + s->b;
	int64_t value;

	*s = (struct step){0, 0, i, j};
	if (i == a->n && j == b->n)
		return false;
	value = j == b->n || (i < a->n && a->values[i] < b->values[j]) ? a->values[i]
								       : b->values[j];
	while (i + s->a < a->n && a->values[i + s->a] == value)
		s->a++;
	while (j + s->b < b->n && b->values[j + s->b] == value)
		s->b++;
	return true;
}

#define RANKS VMRT_RANK_EXACT_MAX
#define SUMS (RANKS * (RANKS + 1) + 1) /* a doubled sum of ranks is less than this */

/* The exact p value: among all ways to choose @n_a of the @n ranks, the share of those whose sum is
 * at least as far from the mean as @observed is. Ranks and sums are doubled, since equal values
 * have a mean rank, which may be a multiple of a half. Doubles count the ways exactly, since there
 * are less than 2^53 ways. */
static double exact_p(const int *ranks, size_t n, size_t n_a, int observed)
{
	static _Thread_local double ways[RANKS + 1][SUMS];
	int mean = (int)(n_a * (n + 1)), off = abs(observed - mean); /* both are of doubled sums */
	double all = 0, as_far = 0;
	int top = 0;

	memset(ways, 0, sizeof(ways));
	ways[0][0] = 1;
	for (size_t i = 0; i < n; i++) {
		top += ranks[i];
		for (size_t k = i + 1 < n_a ? i + 1 : n_a; k > 0; k--)
			for (int sum = top; sum >= ranks[i]; sum--)
				ways[k][sum] += ways[k - 1][sum - ranks[i]];
	}
	for (int sum = 0; sum <= top; sum++) {
		all += ways[n_a][sum];
		if (abs(sum - mean) >= off)
			as_far += ways[n_a][sum];
	}
	return as_far / all;
}

/* The approximation by the normal distribution needs Mann-Whitney's U, and a sum that corrects the
 * variance for ties (equal values). */
struct rank_sums {
	double u, ties;
};

/* Adds one distinct value: @a elements of the first set and @b elements of the second set have it,
 * and @below_a elements of the first set are smaller. */
static void add_value(struct rank_sums *r, double a, double b, double below_a)
{
	double same = a + b;

	r->u += b * (below_a + a / 2);
	r->ties += same * (same * same - 1);
}

static struct vmrt_rank_test conclude(const struct rank_sums *r, double n_a, double n_b)
{
	double n = n_a + n_b, off = fabs(r->u - n_a * n_b / 2) - 0.5;
	double variance = n_a * n_b / 12 * (n + 1 - r->ties / (n * (n - 1)));

	return (struct vmrt_rank_test){.u = r->u,
		.superiority = r->u / (n_a * n_b),
		.p = variance > 0 && off > 0 ? erfc(off / sqrt(2 * variance)) : 1};
}

struct vmrt_rank_test vmrt_mann_whitney(struct vmrt_samples *a, struct vmrt_samples *b)
{
	struct vmrt_rank_test result = {NAN, NAN, NAN, false};
	struct rank_sums sums = {0};
	struct step s = {0};
	int ranks[RANKS], sum_a = 0;
	size_t done = 0;
	bool exact;

	if (!a->n || !b->n)
		return result;
	vmrt_samples_sort(a);
	vmrt_samples_sort(b);
	exact = a->n + b->n <= RANKS;
	while (next_step(a, b, &s)) {
		int rank = (int)(2 * (s.below_a + s.below_b) + s.a + s.b +
				 1); /* the mean rank, doubled */

		add_value(&sums, (double)s.a, (double)s.b, (double)s.below_a);
		for (size_t i = 0; exact && i < s.a + s.b; i++)
			ranks[done++] = rank;
		if (exact)
			sum_a += (int)s.a * rank;
	}
	result = conclude(&sums, (double)a->n, (double)b->n);
	result.exact = exact;
	if (exact)
		result.p = exact_p(ranks, done, a->n, sum_a);
	return result;
}

/* The test of so few values that p can be computed exactly. */
static enum vmrt_status test_values(
	const struct vmrt_buckets *a, const struct vmrt_buckets *b, struct vmrt_rank_test *out)
{
	struct vmrt_samples x = {0}, y = {0};
	enum vmrt_status status = buckets_values(a, &x);

	if (status == VMRT_OK)
		status = buckets_values(b, &y);
	if (status == VMRT_OK)
		*out = vmrt_mann_whitney(&x, &y);
	vmrt_samples_free(&x);
	vmrt_samples_free(&y);
	return status;
}

enum vmrt_status vmrt_mann_whitney_buckets(
	const struct vmrt_buckets *a, const struct vmrt_buckets *b, struct vmrt_rank_test *out)
{
	struct rank_sums sums = {0};
	double below_a = 0;
	size_t i = 0, j = 0;

	*out = (struct vmrt_rank_test){NAN, NAN, NAN, false};
	if (a->n <= RANKS && b->n <= RANKS - a->n)
		return test_values(a, b, out);
	if (!a->n || !b->n)
		return VMRT_OK;
	while (i < a->n_counts || j < b->n_counts) {
		bool of_a = i < a->n_counts &&
			    (j == b->n_counts || a->counts[i].bucket <= b->counts[j].bucket);
		bool of_b = j < b->n_counts &&
			    (i == a->n_counts || b->counts[j].bucket <= a->counts[i].bucket);
		double n_a = of_a ? (double)a->counts[i].n : 0;

		add_value(&sums, n_a, of_b ? (double)b->counts[j].n : 0, below_a);
		below_a += n_a;
		i += of_a;
		j += of_b;
	}
	*out = conclude(&sums, (double)a->n, (double)b->n);
	return VMRT_OK;
}

uint64_t splitmix_next(struct splitmix *random)
{
	uint64_t z = random->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A random number that is above 0 and below 1. */
static double uniform(struct splitmix *random)
{
	return ((double)(splitmix_next(random) >> 11) + 0.5) * 0x1p-53;
}

/* A random number of the normal distribution, by Marsaglia's polar method. The second number that
 * the method gives is not kept, so that the result depends on the state of @random alone. */
static double normal(struct splitmix *random)
{
	double x, y, r;

	do {
		x = 2 * uniform(random) - 1;
		y = 2 * uniform(random) - 1;
		r = x * x + y * y;
	} while (r >= 1 || r == 0);
	return x * sqrt(-2 * log(r) / r);
}

/* A random number of the gamma distribution with a shape of at least 1, by the method of Marsaglia
 * and Tsang, ACM TOMS 26 (2000). */
static double gamma_of(struct splitmix *random, double shape)
{
	double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);

	for (;;) {
		double x = normal(random), v = 1 + c * x;

		v = v * v * v;
		if (v > 0 && log(uniform(random)) < x * x / 2 + d * (1 - v + log(v)))
			return d * v;
	}
}

/* Resamples @s: the @rank-th smallest of as many values as @s has, drawn from @s with replacement.
 * Only this one value is drawn: the @rank-th smallest of uniform random numbers has a beta
 * distribution, and two gamma numbers give a beta number. */
static int64_t redraw(const struct vmrt_samples *s, size_t rank, struct splitmix *random)
{
	double low = gamma_of(random, (double)rank);
	double high = gamma_of(random, (double)(s->n - rank + 1));
	size_t i = (size_t)((double)s->n * (low / (low + high)));

	return s->values[i < s->n ? i : s->n - 1];
}

#define OUTSIDE 0.025 /* the probability on either side of a 95 % interval */

static bool large_enough(const struct vmrt_samples *s, double p)
{
	return pow(p, (double)s->n) <= OUTSIDE && pow(1 - p, (double)s->n) <= OUTSIDE;
}

bool vmrt_bootstrap_percentile(struct vmrt_samples *a, struct vmrt_samples *b, unsigned num,
	unsigned den, uint64_t seed, int64_t *low, int64_t *high)
{
	struct splitmix random = {seed};
	struct vmrt_samples differences = {0};
	double p = (double)num / den;
	bool done = false;

	*low = *high = VMRT_UNKNOWN;
	if (!a->n || !b->n || !large_enough(a, p) || !large_enough(b, p))
		return false;
	vmrt_samples_sort(a);
	vmrt_samples_sort(b);
	for (int i = 0; i < VMRT_BOOTSTRAP_ROUNDS; i++) {
		int64_t base = redraw(a, vmrt_samples_rank(a->n, num, den), &random);

		if (vmrt_samples_add(&differences,
			    redraw(b, vmrt_samples_rank(b->n, num, den), &random) - base) !=
			VMRT_OK)
			goto out;
	}
	*low = vmrt_samples_percentile(&differences, 25, 1000);
	*high = vmrt_samples_percentile(&differences, 975, 1000);
	done = true;
out:
	vmrt_samples_free(&differences);
	return done;
}
