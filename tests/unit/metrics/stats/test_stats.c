/* SPDX-License-Identifier: MIT */
/* Percentiles, jitter, intervals and tests, against figures worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>

#include "near.h"

#include <vmrt/stats.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static struct vmrt_samples samples_of(const int64_t *values, size_t n)
{
	struct vmrt_samples s = {0};

	for (size_t i = 0; i < n; i++)
		assert_int_equal(vmrt_samples_add(&s, values[i]), VMRT_OK);
	return s;
}

static void percentile_is_the_nearest_rank(void **state)
{
	static const int64_t values[] = {50, 15, 40, 20, 35};
	struct vmrt_samples s = samples_of(values, ARRAY_SIZE(values));

	(void)state;
	assert_int_equal(vmrt_samples_percentile(&s, 5, 100), 15);
	assert_int_equal(vmrt_samples_percentile(&s, 20, 100), 15);
	assert_int_equal(vmrt_samples_percentile(&s, 21, 100), 20);
	assert_int_equal(vmrt_samples_percentile(&s, 30, 100), 20);
	assert_int_equal(vmrt_samples_percentile(&s, 40, 100), 20);
	assert_int_equal(vmrt_samples_percentile(&s, 50, 100), 35);
	assert_int_equal(vmrt_samples_percentile(&s, 99, 100), 50);
	assert_int_equal(vmrt_samples_percentile(&s, 1, 1), 50);
	vmrt_samples_free(&s);
}

static void values_added_after_a_percentile_count_too(void **state)
{
	static const int64_t values[] = {3, 1, 2};
	struct vmrt_samples s = samples_of(values, ARRAY_SIZE(values));

	(void)state;
	assert_int_equal(vmrt_samples_percentile(&s, 1, 1), 3);
	assert_int_equal(vmrt_samples_add(&s, 9), VMRT_OK);
	assert_int_equal(vmrt_samples_add(&s, -4), VMRT_OK);
	assert_int_equal(vmrt_samples_percentile(&s, 1, 1), 9);
	assert_int_equal(vmrt_samples_percentile(&s, 50, 100), 2);
	vmrt_samples_free(&s);
}

static void tail_of_a_thousand_values(void **state)
{
	struct vmrt_samples s = {0};

	(void)state;
	for (int64_t i = 1000; i >= 1; i--)
		assert_int_equal(vmrt_samples_add(&s, i), VMRT_OK);
	assert_int_equal(vmrt_samples_percentile(&s, 99, 100), 990);
	assert_int_equal(vmrt_samples_percentile(&s, 999, 1000), 999);
	assert_int_equal(vmrt_samples_add(&s, 1001), VMRT_OK);
	assert_int_equal(vmrt_samples_percentile(&s, 99, 100), 991);
	vmrt_samples_free(&s);
}

static void percentile_of_nothing_is_unknown(void **state)
{
	struct vmrt_samples s = {0};

	(void)state;
	assert_true(vmrt_samples_percentile(&s, 50, 100) == VMRT_UNKNOWN);
	vmrt_samples_free(&s);
}

static void perfectly_paced_input_has_no_jitter(void **state)
{
	struct vmrt_series s = VMRT_SERIES_EMPTY;

	(void)state;
	for (int64_t k = 0; k < 100; k++)
		vmrt_series_add(&s, k, 123456);
	assert_int_equal(vmrt_series_jitter(&s), 0);
	assert_int_equal(s.relative, 0);
	assert_int_equal(vmrt_series_mean(&s), 123456);
}

static void jitter_is_deviation_and_extremes_know_their_job(void **state)
{
	static const int64_t values[] = {10, 12, 25, 22, 25};
	struct vmrt_series s = VMRT_SERIES_EMPTY;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		vmrt_series_add(&s, 7 + (int64_t)i, values[i]);
	assert_int_equal(s.min, 10);
	assert_int_equal(s.min_k, 7);
	assert_int_equal(s.max, 25);
	assert_int_equal(s.max_k, 9);
	assert_int_equal(vmrt_series_jitter(&s), 15);
	assert_int_equal(s.relative, 13);
	assert_int_equal(s.relative_k, 9);
}

static void jobs_that_do_not_follow_each_other_make_no_relative_jitter(void **state)
{
	struct vmrt_series s = VMRT_SERIES_EMPTY;

	(void)state;
	vmrt_series_add(&s, 1, 10);
	vmrt_series_add(&s, 2, VMRT_UNKNOWN);
	vmrt_series_add(&s, 3, 90);
	assert_true(s.relative == VMRT_UNKNOWN);
	assert_int_equal(s.n, 2);
	vmrt_series_add(&s, 4, 85);
	assert_int_equal(s.relative, 5);
}

static void series_without_values_is_unknown(void **state)
{
	struct vmrt_series s = VMRT_SERIES_EMPTY;

	(void)state;
	assert_true(vmrt_series_jitter(&s) == VMRT_UNKNOWN);
	assert_true(vmrt_series_mean(&s) == VMRT_UNKNOWN);
	assert_true(s.max == VMRT_UNKNOWN);
}

static void wilson_interval_of_published_proportions(void **state)
{
	double low, high;

	(void)state;
	/* Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29 */
	vmrt_wilson(81, 263, &low, &high);
	assert_near(low, 0.2553, 5e-5);
	assert_near(high, 0.3662, 5e-5);
	vmrt_wilson(15, 148, &low, &high);
	assert_near(low, 0.0624, 5e-5);
	assert_near(high, 0.1605, 5e-5);
	vmrt_wilson(0, 20, &low, &high);
	assert_near(low, 0, 1e-12);
	assert_near(high, 0.1611, 5e-5);
	vmrt_wilson(1, 29, &low, &high);
	assert_near(low, 0.0061, 5e-5);
	assert_near(high, 0.1718, 5e-5);
	vmrt_wilson(20, 20, &low, &high);
	assert_near(low, 1 - 0.1611, 5e-5);
	assert_near(high, 1, 1e-12);
	vmrt_wilson(0, 0, &low, &high);
	assert_true(isnan(low) && isnan(high));
}

static void fisher_test_of_tables_counted_by_hand(void **state)
{
	(void)state;
	/* 3 of 4 cups of tea: (1 + 16 + 16 + 1) / 70 */
	assert_near(vmrt_fisher(3, 4, 1, 4), 34.0 / 70, 1e-9);
	assert_near(vmrt_fisher(4, 4, 0, 4), 2.0 / 70, 1e-9);
	/* 8 of 10 against 3 of 6: (252 + 900 + 150 + 6) / 4368 */
	assert_near(vmrt_fisher(8, 10, 3, 6), 1308.0 / 4368, 1e-9);
	assert_near(vmrt_fisher(3, 6, 8, 10), 1308.0 / 4368, 1e-9);
	assert_near(vmrt_fisher(0, 5, 0, 7), 1, 1e-9);
	assert_true(isnan(vmrt_fisher(0, 0, 1, 2)));
}

static void fisher_test_of_large_counts_is_stable(void **state)
{
	(void)state;
	assert_near(vmrt_fisher(500, 100000, 500, 100000), 1, 1e-6);
	assert_true(vmrt_fisher(4000, 10000, 100, 10000) < 1e-100);
	assert_true(vmrt_fisher(520, 100000, 480, 100000) > 0.15);
	assert_true(vmrt_fisher(520, 100000, 480, 100000) < 0.25);
}

/* By the definition, with Pascal's triangle, whose numbers are exact in doubles. */
static double fisher_by_definition(unsigned hits_a, unsigned n_a, unsigned hits_b, unsigned n_b)
{
	static double choose[51][51];
	unsigned hits = hits_a + hits_b;
	double sum = 0, observed;

	for (unsigned n = 0; n <= 50; n++)
		for (unsigned k = 0; k <= n; k++)
			choose[n][k] = !k || k == n ? 1 : choose[n - 1][k - 1] + choose[n - 1][k];
	observed = choose[n_a][hits_a] * choose[n_b][hits_b];
	for (unsigned i = 0; i <= hits && i <= n_a; i++)
		if (hits - i <= n_b &&
			choose[n_a][i] * choose[n_b][hits - i] <= observed * (1 + 1e-9))
			sum += choose[n_a][i] * choose[n_b][hits - i];
	return sum / choose[n_a + n_b][hits];
}

static void fisher_test_is_the_sum_of_its_definition(void **state)
{
	(void)state;
	for (unsigned n_a = 1; n_a <= 13; n_a++)
		for (unsigned n_b = 1; n_b <= 37; n_b += 4)
			for (unsigned a = 0; a <= n_a; a++)
				for (unsigned b = 0; b <= n_b; b++)
					assert_near(vmrt_fisher(a, n_a, b, n_b),
						fisher_by_definition(a, n_a, b, n_b), 1e-9);
}

static void fisher_test_of_a_strangers_counts_ends(void **state)
{
	const uint64_t most = UINT64_C(1) << 32;

	(void)state;
	assert_near(vmrt_fisher(most / 2, most, most / 2, most), 1, 1e-5);
	assert_near(vmrt_fisher(1, most, most, most), 0, 1e-9);
	/* shares of 1/2 that differ by two standard deviations, sqrt(2 / 4n): P(|z| > 2) */
	assert_near(vmrt_fisher(500022361, 1000000000, 499977639, 1000000000), 0.0455, 1e-4);
	assert_true(isnan(vmrt_fisher(1, most + 1, 1, 2)));
	/* impossible ones */
	assert_true(isnan(vmrt_fisher(3, 2, 1, 2)));
	assert_true(isnan(vmrt_fisher(1, 2, 3, 2)));
}

static int rising(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void many_values_are_sorted_whatever_their_range(void **state)
{
	static const uint64_t ranges[] = {1, 7, 2048, UINT64_C(1) << 33, UINT64_MAX};
	static int64_t want[10000];
	unsigned seed = 3;

	(void)state;
	for (size_t r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++) {
		struct vmrt_samples s = {0};

		for (size_t i = 0; i < 10000; i++) {
			uint64_t x = (uint64_t)rand_r(&seed) << 42 ^ (uint64_t)rand_r(&seed) << 21 ^
				     (uint64_t)rand_r(&seed);

			want[i] = (int64_t)(x % ranges[r]) - (ranges[r] == 2048 ? 1000 : 0);
			assert_int_equal(vmrt_samples_add(&s, want[i]), VMRT_OK);
		}
		qsort(want, 10000, sizeof(want[0]), rising);
		vmrt_samples_sort(&s);
		assert_memory_equal(s.values, want, sizeof(want));
		vmrt_samples_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_values_are_sorted_whatever_their_range),
		cmocka_unit_test(percentile_is_the_nearest_rank),
		cmocka_unit_test(values_added_after_a_percentile_count_too),
		cmocka_unit_test(tail_of_a_thousand_values),
		cmocka_unit_test(percentile_of_nothing_is_unknown),
		cmocka_unit_test(perfectly_paced_input_has_no_jitter),
		cmocka_unit_test(jitter_is_deviation_and_extremes_know_their_job),
		cmocka_unit_test(jobs_that_do_not_follow_each_other_make_no_relative_jitter),
		cmocka_unit_test(series_without_values_is_unknown),
		cmocka_unit_test(wilson_interval_of_published_proportions),
		cmocka_unit_test(fisher_test_of_tables_counted_by_hand),
		cmocka_unit_test(fisher_test_of_large_counts_is_stable),
		cmocka_unit_test(fisher_test_is_the_sum_of_its_definition),
		cmocka_unit_test(fisher_test_of_a_strangers_counts_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
