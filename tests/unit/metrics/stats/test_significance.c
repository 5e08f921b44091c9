/* SPDX-License-Identifier: MIT */
/* Mann-Whitney's test and bootstrap intervals, against tables, counting by hand and exact
 * distributions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "near.h"

#include "metrics/stats/buckets.h"
#include "metrics/stats/significance.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static struct vmrt_samples samples_of(const int64_t *values, size_t n)
{
	struct vmrt_samples s = {0};

	for (size_t i = 0; i < n; i++)
		assert_int_equal(vmrt_samples_add(&s, values[i]), VMRT_OK);
	return s;
}

static struct vmrt_rank_test test_of(const int64_t *x, size_t n, const int64_t *y, size_t m)
{
	struct vmrt_samples a = samples_of(x, n), b = samples_of(y, m);
	struct vmrt_rank_test t = vmrt_mann_whitney(&a, &b);

	vmrt_samples_free(&a);
	vmrt_samples_free(&b);
	return t;
}

static void small_sets_have_the_p_of_the_printed_tables(void **state)
{
	static const int64_t low[] = {1, 2, 3}, high[] = {4, 5, 6};
	/* U = 2: the critical value of n = m = 5 for 5 % two-sided; (1 + 1 + 2) * 2 of 252 ways */
	static const int64_t five[] = {1, 2, 3, 5, 6}, other[] = {4, 7, 8, 9, 10};
	/* the hare and the tortoises: U = 11 or 25 of 36 */
	static const int64_t hares[] = {2, 3, 4, 5, 6, 12}, tortoises[] = {1, 7, 8, 9, 10, 11};
	struct vmrt_rank_test t = test_of(low, 3, high, 3);

	(void)state;
	assert_true(t.exact);
	assert_near(t.u, 9, 1e-12);
	assert_near(t.superiority, 1, 1e-12);
	assert_near(t.p, 2.0 / 20, 1e-12);
	t = test_of(five, 5, other, 5);
	assert_near(t.u, 23, 1e-12);
	assert_near(t.p, 8.0 / 252, 1e-12);
	t = test_of(hares, 6, tortoises, 6);
	assert_near(t.u, 25, 1e-12);
	/* counted by a program that goes through all 924 ways */
	assert_near(t.p, 286.0 / 924, 1e-12);
}

static void equal_values_share_their_ranks(void **state)
{
	/* ranks 1, 2.5, 2.5, 4, 5: 10 ways to choose two of them */
	static const int64_t x[] = {10, 20}, y[] = {20, 30, 40};
	struct vmrt_rank_test t = test_of(x, 2, y, 3);

	(void)state;
	assert_near(t.u, 5.5, 1e-12);
	/* sums 3.5 3.5 5 6 5 6.5 7.5 6.5 7.5 9: 2.5 or more from 6 are 3.5, 3.5 and 9 */
	assert_near(t.p, 3.0 / 10, 1e-12);
	t = test_of(x, 2, x, 2);
	assert_near(t.u, 2, 1e-12);
	assert_near(t.p, 1, 1e-12);
}

static void empty_set_gives_no_verdict(void **state)
{
	static const int64_t x[] = {1};

	(void)state;
	assert_true(isnan(test_of(x, 1, NULL, 0).p));
	assert_true(isnan(test_of(NULL, 0, x, 1).p));
}

/* From the definition: all pairs, and the variance of what is left of the ranks with their ties. */
static double p_by_definition(const int64_t *x, size_t n, const int64_t *y, size_t m, double *u)
{
	double mean = ((double)(n + m) + 1) / 2, squares = 0, variance, z;

	*u = 0;
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < m; j++)
			*u += x[i] < y[j] ? 1 : x[i] == y[j] ? 0.5 : 0;
	for (size_t i = 0; i < n + m; i++) {
		int64_t v = i < n ? x[i] : y[i - n];
		double rank = 0.5;

		for (size_t j = 0; j < n + m; j++) {
			int64_t w = j < n ? x[j] : y[j - n];

			rank += w < v ? 1 : w == v ? 0.5 : 0;
		}
		squares += (rank - mean) * (rank - mean);
	}
	variance = (double)(n * m) / (double)((n + m) * (n + m - 1)) * squares;
	z = (fabs(*u - (double)(n * m) / 2) - 0.5) / sqrt(variance);
	return z > 0 ? erfc(z / sqrt(2)) : 1;
}

static void larger_sets_agree_with_the_definition(void **state)
{
	struct splitmix random = {7};
	int64_t x[60], y[45];

	(void)state;
	for (int round = 0; round < 200; round++) {
		uint64_t values = 2 + splitmix_next(&random) % 50,
			 shift = splitmix_next(&random) % 8;
		struct vmrt_rank_test t;
		double u, p;

		for (size_t i = 0; i < ARRAY_SIZE(x); i++)
			x[i] = (int64_t)(splitmix_next(&random) % values);
		for (size_t i = 0; i < ARRAY_SIZE(y); i++)
			y[i] = (int64_t)(splitmix_next(&random) % values + shift);
		t = test_of(x, ARRAY_SIZE(x), y, ARRAY_SIZE(y));
		p = p_by_definition(x, ARRAY_SIZE(x), y, ARRAY_SIZE(y), &u);
		assert_false(t.exact);
		assert_near(t.u, u, 1e-9);
		assert_near(t.p, p, 1e-9);
	}
}

static void normal_distribution_comes_near_the_exact_p(void **state)
{
	struct splitmix random = {3};
	int64_t x[20], y[20];

	(void)state;
	for (int round = 0; round < 50; round++) {
		double u, p;

		for (size_t i = 0; i < 20; i++) {
			x[i] = (int64_t)(splitmix_next(&random) % 1000);
			y[i] = (int64_t)(splitmix_next(&random) % 1000) + 100;
		}
		p = p_by_definition(x, 20, y, 20, &u);
		assert_true(test_of(x, 20, y, 20).exact);
		assert_near(test_of(x, 20, y, 20).p, p, 0.02);
	}
}

static void random_numbers_are_those_of_splitmix64(void **state)
{
	struct splitmix random = {1234567};

	(void)state;
	/* the generator's widely published test vector */
	assert_true(splitmix_next(&random) == UINT64_C(6457827717110365317));
	assert_true(splitmix_next(&random) == UINT64_C(3203168211198807973));
	assert_true(splitmix_next(&random) == UINT64_C(9817491932198370423));
}

/* P(binomial(n, q) >= r) */
static double at_least(int n, double q, int r)
{
	double sum = 0;

	for (int i = r; i <= n; i++)
		sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * log(q) +
			   (n - i) * log(1 - q));
	return sum;
}

static void interval_is_that_of_drawing_again_with_replacement(void **state)
{
	/*
	 * Against a base that never varies the redrawn percentile alone decides. The r-th smallest
	 * of n drawn values is at most the i-th smallest measured one if at least r draws hit one
	 * of the first i: a binomial distribution.
	 */
	const int n = 200;
	struct vmrt_samples a = {0}, b = {0};
	int64_t low, high;

	(void)state;
	for (int i = 0; i < n; i++) {
		assert_int_equal(vmrt_samples_add(&a, 1000), VMRT_OK);
		assert_int_equal(vmrt_samples_add(&b, 1000 + (i * 37 % n + 1)), VMRT_OK);
	}
	for (unsigned p = 10; p <= 90; p += 20) {
		int r = (int)vmrt_samples_rank((size_t)n, p, 100);

		assert_true(vmrt_bootstrap_percentile(&a, &b, p, 100, 1, &low, &high));
		assert_true(at_least(n, (double)low / n, r) > 0.020);
		assert_true(at_least(n, (double)(low - 1) / n, r) < 0.030);
		assert_true(at_least(n, (double)high / n, r) > 0.970);
		assert_true(at_least(n, (double)(high - 1) / n, r) < 0.980);
	}
	vmrt_samples_free(&a);
	vmrt_samples_free(&b);
}

static void same_seed_gives_the_same_interval(void **state)
{
	struct vmrt_samples a = {0}, b = {0};
	int64_t low[10], high[10];
	bool others = false;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		assert_int_equal(vmrt_samples_add(&a, i * 7919 % 10007), VMRT_OK);
		assert_int_equal(vmrt_samples_add(&b, i * 7907 % 10009 + 3000), VMRT_OK);
	}
	for (size_t i = 0; i < ARRAY_SIZE(low); i++) {
		assert_true(vmrt_bootstrap_percentile(
			&a, &b, 99, 100, i < 2 ? 1 : i, &low[i], &high[i]));
		others = others || low[i] != low[0] || high[i] != high[0];
	}
	assert_int_equal(low[0], low[1]);
	assert_int_equal(high[0], high[1]);
	assert_true(others);
	/* the difference that is there is found: 3000 */
	assert_true(low[0] < 3000 + 100 && high[0] > 3000 - 100 && low[0] > 2500 && high[0] < 3500);
	vmrt_samples_free(&a);
	vmrt_samples_free(&b);
}

static void too_few_values_for_a_tail_give_no_interval(void **state)
{
	struct vmrt_samples a = {0};
	int64_t low, high;

	(void)state;
	/* 0.99^367 is 2.501 %, 0.99^368 is 2.476 % */
	for (int i = 0; i < 367; i++)
		assert_int_equal(vmrt_samples_add(&a, i), VMRT_OK);
	assert_false(vmrt_bootstrap_percentile(&a, &a, 99, 100, 1, &low, &high));
	assert_true(low == VMRT_UNKNOWN && high == VMRT_UNKNOWN);
	assert_int_equal(vmrt_samples_add(&a, 367), VMRT_OK);
	assert_true(vmrt_bootstrap_percentile(&a, &a, 99, 100, 1, &low, &high));
	vmrt_samples_free(&a);
}

static void add_values(struct vmrt_samples *values, struct vmrt_buckets *buckets, int n, int first)
{
	/* below 256 each value has a bucket */
	for (int i = 0; i < n; i++) {
		int64_t value = (first + i * 37) % 23 - 7;

		assert_int_equal(vmrt_samples_add(values, value), VMRT_OK);
		assert_int_equal(vmrt_buckets_add(buckets, value), VMRT_OK);
	}
}

static void histograms_are_tested_as_their_values(void **state)
{
	/* up to 40 values, and more */
	static const int sizes[][2] = {{5, 6}, {20, 20}, {20, 21}, {300, 50}};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vmrt_samples a = {0}, b = {0};
		struct vmrt_buckets x = VMRT_BUCKETS_EMPTY, y = VMRT_BUCKETS_EMPTY;
		struct vmrt_rank_test of_values, of_buckets;

		add_values(&a, &x, sizes[i][0], 0);
		add_values(&b, &y, sizes[i][1], 3);
		of_values = vmrt_mann_whitney(&a, &b);
		assert_int_equal(vmrt_mann_whitney_buckets(&x, &y, &of_buckets), VMRT_OK);
		assert_true(of_values.exact == of_buckets.exact);
		assert_near(of_values.p, of_buckets.p, 1e-12);
		assert_near(of_values.u, of_buckets.u, 1e-9);
		assert_near(of_values.superiority, of_buckets.superiority, 1e-12);
		vmrt_samples_free(&a);
		vmrt_samples_free(&b);
		vmrt_buckets_free(&x);
		vmrt_buckets_free(&y);
	}
}

static void a_strangers_histogram_of_any_number_of_values_takes_no_memory_for_them(void **state)
{
	struct vmrt_buckets a = VMRT_BUCKETS_EMPTY, b = VMRT_BUCKETS_EMPTY;
	const int64_t many = INT64_C(1) << 50;
	struct vmrt_rank_test t;

	(void)state;
	assert_int_equal(vmrt_buckets_append(&a, 10, many), VMRT_OK);
	assert_int_equal(vmrt_mann_whitney_buckets(&a, &b, &t), VMRT_OK);
	assert_true(isnan(t.p));
	assert_int_equal(vmrt_buckets_append(&b, 10, many), VMRT_OK);
	assert_int_equal(vmrt_mann_whitney_buckets(&a, &b, &t), VMRT_OK);
	assert_near(t.superiority, 0.5, 1e-9);
	assert_near(t.p, 1, 1e-9);
	/* as many again, all larger than those of the first: 3 of 4 pairs, with the halves */
	assert_int_equal(vmrt_buckets_append(&b, 11, many), VMRT_OK);
	assert_int_equal(vmrt_mann_whitney_buckets(&a, &b, &t), VMRT_OK);
	assert_near(t.superiority, 0.75, 1e-9);
	assert_near(t.p, 0, 1e-9);
	vmrt_buckets_free(&a);
	vmrt_buckets_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_sets_have_the_p_of_the_printed_tables),
		cmocka_unit_test(equal_values_share_their_ranks),
		cmocka_unit_test(empty_set_gives_no_verdict),
		cmocka_unit_test(larger_sets_agree_with_the_definition),
		cmocka_unit_test(normal_distribution_comes_near_the_exact_p),
		cmocka_unit_test(random_numbers_are_those_of_splitmix64),
		cmocka_unit_test(interval_is_that_of_drawing_again_with_replacement),
		cmocka_unit_test(same_seed_gives_the_same_interval),
		cmocka_unit_test(too_few_values_for_a_tail_give_no_interval),
		cmocka_unit_test(histograms_are_tested_as_their_values),
		cmocka_unit_test(
			a_strangers_histogram_of_any_number_of_values_takes_no_memory_for_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
