/* SPDX-License-Identifier: MIT */
/* Histograms that add up: every value is in its bucket, and percentiles are those of all values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "near.h"

#include <vmrt/rundb.h>

#include "metrics/stats/buckets.h"
#include "metrics/stats/significance.h"

static void check_value(int64_t v)
{
	int32_t b = vmrt_bucket_of(v);
	int64_t from = bucket_from(b), last = bucket_last(b);

	assert_true(from <= v && v <= last);
	assert_true(vmrt_bucket_of(from) == b && vmrt_bucket_of(last) == b);
	assert_true(last - from <= (v < 0 ? -(v + 1) : v) / 128);
	assert_true(b == vmrt_bucket_of(-1 - v) * -1 - 1);
}

static void every_value_is_in_its_bucket(void **state)
{
	struct splitmix random = {1};

	(void)state;
	for (int64_t v = -5000; v < 5000; v++)
		check_value(v);
	for (int shift = 8; shift < 61; shift++)
		for (int64_t v = (INT64_C(1) << shift) - 3; v < (INT64_C(1) << shift) + 3; v++) {
			check_value(v);
			check_value(-v);
		}
	for (int i = 0; i < 100000; i++)
		check_value((int64_t)(splitmix_next(&random) >> (3 + i % 60)));
	check_value(VMRT_DB_MOST);
	check_value(-VMRT_DB_MOST);
}

static void buckets_follow_one_another_without_a_gap(void **state)
{
	(void)state;
	for (int32_t b = -7040; b < 7040; b++)
		assert_true(bucket_last(b) + 1 == bucket_from(b + 1));
	assert_true(bucket_from(8000) == VMRT_UNKNOWN);
	assert_true(bucket_last(-8000) == VMRT_UNKNOWN);
}

static void a_percentile_of_merged_ones_is_that_of_all_values(void **state)
{
	static const struct {
		unsigned num, den;
	} percentiles[] = {{1, 1000}, {50, 100}, {99, 100}, {999, 1000}, {1, 1}};
	struct vmrt_buckets all = VMRT_BUCKETS_EMPTY;
	struct splitmix random = {7};
	struct vmrt_samples truth = {0};

	(void)state;
	for (int run = 0; run < 20; run++) {
		struct vmrt_buckets one = VMRT_BUCKETS_EMPTY;

		for (int i = 0; i < 500; i++) {
			int64_t v = (int64_t)(splitmix_next(&random) >> (30 + i % 20)) - 1000;

			assert_int_equal(vmrt_buckets_add(&one, v), VMRT_OK);
			assert_int_equal(vmrt_samples_add(&truth, v), VMRT_OK);
		}
		assert_int_equal(vmrt_buckets_merge(&all, &one), VMRT_OK);
		vmrt_buckets_free(&one);
	}
	assert_int_equal(all.n, 10000);
	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
		int64_t exact =
			vmrt_samples_percentile(&truth, percentiles[i].num, percentiles[i].den);
		int64_t upper =
			vmrt_buckets_percentile(&all, percentiles[i].num, percentiles[i].den);

		assert_true(upper >= exact && vmrt_bucket_of(upper) == vmrt_bucket_of(exact));
	}
	assert_true(all.max_ns == truth.values[truth.n - 1] && all.min_ns == truth.values[0]);
	vmrt_buckets_free(&all);
	vmrt_samples_free(&truth);
}

static void counts_of_a_stranger_are_checked(void **state)
{
	struct vmrt_buckets b = VMRT_BUCKETS_EMPTY;

	(void)state;
	assert_int_equal(vmrt_buckets_append(&b, 5, 0), VMRT_EINVAL);
	assert_int_equal(vmrt_buckets_append(&b, 5, 7), VMRT_OK);
	assert_int_equal(vmrt_buckets_append(&b, 5, 1), VMRT_EINVAL);
	assert_int_equal(vmrt_buckets_append(&b, 4, 1), VMRT_EINVAL);
	assert_int_equal(vmrt_buckets_append(&b, 999999, 1), VMRT_EINVAL);
	assert_int_equal(vmrt_buckets_append(&b, 6, INT64_MAX), VMRT_EINVAL);
	vmrt_buckets_free(&b);
}

/* Holm's own steps by hand: p 0.01, 0.04, 0.03 and 0.005 of four tests. */
static void p_of_many_tests_is_corrected(void **state)
{
	double p[] = {0.01, NAN, 0.04, 0.03, 0.005};

	(void)state;
	assert_int_equal(vmrt_holm(p, 5), VMRT_OK);
	assert_near(p[0], 0.03, 1e-12);
	assert_true(isnan(p[1]));
	assert_near(p[2], 0.06, 1e-12); /* not 0.04: it is not below that of 0.03 */
	assert_near(p[3], 0.06, 1e-12);
	assert_near(p[4], 0.02, 1e-12);
}

static void a_corrected_p_is_at_most_one(void **state)
{
	double p[] = {0.6, 0.7, 1};

	(void)state;
	assert_int_equal(vmrt_holm(p, 3), VMRT_OK);
	for (int i = 0; i < 3; i++)
		assert_near(p[i], 1, 0);
	assert_int_equal(vmrt_holm(NULL, 0), VMRT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_is_in_its_bucket),
		cmocka_unit_test(buckets_follow_one_another_without_a_gap),
		cmocka_unit_test(a_percentile_of_merged_ones_is_that_of_all_values),
		cmocka_unit_test(counts_of_a_stranger_are_checked),
		cmocka_unit_test(p_of_many_tests_is_corrected),
		cmocka_unit_test(a_corrected_p_is_at_most_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
