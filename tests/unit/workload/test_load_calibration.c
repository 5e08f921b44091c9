/* SPDX-License-Identifier: MIT */
/* vmrt-load: percentiles, the amount of work for a job, the calibration file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/units.h>

#include "workload/load.h"

static char path[] = "/tmp/vmrt-calibration-XXXXXX";

static int make_path(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	return fd < 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static void percentiles_are_the_nearest_rank(void **state)
{
	const int64_t ten[] = {10, 20, 30, 40, 50, 60, 70, 80, 90, 100};

	(void)state;
	assert_int_equal(load_percentile(ten, 10, 50), 50);
	assert_int_equal(load_percentile(ten, 10, 51), 60);
	assert_int_equal(load_percentile(ten, 10, 90), 90);
	assert_int_equal(load_percentile(ten, 10, 99), 100);
	assert_int_equal(load_percentile(ten, 10, 100), 100);
	assert_int_equal(load_percentile(ten, 10, 0.1), 10);
	assert_int_equal(load_percentile(ten, 1, 50), 10);
}

static void three_of_300_samples_lie_above_the_99th_percentile(void **state)
{
	int64_t samples[300];

	(void)state;
	for (int i = 0; i < 300; i++)
		samples[i] = i + 1;
	assert_int_equal(load_percentile(samples, 300, 99), 297);
	assert_int_equal(load_percentile(samples, 300, 50), 150);
}

static void a_job_gets_the_whole_units_that_fit_into_its_wcet(void **state)
{
	(void)state;
	assert_int_equal(load_units_for(8000000, 1.0, 500.0), 16000);
	assert_int_equal(load_units_for(8000000, 0.5, 500.0), 8000);
	assert_int_equal(load_units_for(8000499, 1.0, 500.0), 16000);
	assert_int_equal(load_units_for(10, 1.0, 500.0), 1);
	/* ten times the WCET, ten times the work: the same time per unit for short and long jobs */
	assert_int_equal(load_units_for(80000000, 1.0, 500.0), 160000);
}

static void slowness_at_a_percentile_is_per_unit(void **state)
{
	int64_t samples[] = {8000, 8100, 9000, 16000};
	const struct load_calibration cal = {.sample_units = 16, .n = 4, .sample_ns = samples};

	(void)state;
	assert_true(load_ns_per_unit(&cal, 50) == 506.25);
	assert_true(load_ns_per_unit(&cal, 99) == 1000);
}

static void an_episode_in_the_samples_is_noticed(void **state)
{
	int64_t quiet[] = {8000, 8100, 8200, 9000};
	int64_t slow[] = {8000, 8100, 8200, 60000};
	struct load_calibration cal = {.sample_units = 16, .n = 4, .sample_ns = quiet};

	(void)state;
	assert_true(load_calibration_is_steady(&cal));
	cal.sample_ns = slow;
	assert_false(load_calibration_is_steady(&cal));
}

static void a_calibration_is_read_as_it_was_written(void **state)
{
	int64_t samples[] = {7999999, 8000000, 8000000, 9123456, 50000000};
	const struct load_calibration cal = {
		.attempts = 2, .sample_units = 16044, .n = 5, .sample_ns = samples};
	struct load_calibration read;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(load_calibration_write(path, &cal, &err), VMRT_OK);
	assert_int_equal(load_calibration_read(path, &read, &err), VMRT_OK);
	assert_int_equal(read.sample_units, 16044);
	assert_int_equal(read.attempts, 2);
	assert_int_equal(read.n, 5);
	assert_memory_equal(read.sample_ns, samples, sizeof(samples));
	load_calibration_free(&read);
}

static void expect_refusal(const char *text, enum vmrt_status expected, const char *words)
{
	struct load_calibration cal;
	struct vmrt_error err = {0};

	assert_int_equal(vmrt_write_file(path, text, strlen(text), &err), VMRT_OK);
	assert_int_equal(load_calibration_read(path, &cal, &err), expected);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in '%s'", words, err.text);
}

static void a_damaged_calibration_is_refused_with_its_line(void **state)
{
	struct load_calibration cal;
	struct vmrt_error err;

	(void)state;
	expect_refusal("", VMRT_ETRUNCATED, "no complete calibration");
	expect_refusal(
		"sample_units = 5\nsamples = 2\n", VMRT_ETRUNCATED, "no complete calibration");
	expect_refusal("samples\n", VMRT_EFORMAT, ":1:");
	expect_refusal(
		"sample_units = 5\nsamples = -2\n", VMRT_EFORMAT, ":2: bad value of 'samples'");
	expect_refusal("sample_units = 5\nsamples = 2\nsamples = 3\n", VMRT_EFORMAT, ":3:");
	expect_refusal("samples = 99999999999\n", VMRT_EFORMAT, ":1:");
	expect_refusal("sample_units = 5\nall_ns = 1 2\n", VMRT_EFORMAT, ":2:");
	expect_refusal("sample_units = 5\nsamples = 2\nall_ns = 1\n", VMRT_EFORMAT, ":3:");
	expect_refusal("sample_units = 5\nsamples = 2\nall_ns = 1 2 3\n", VMRT_EFORMAT, ":3:");
	expect_refusal("sample_units = 5\nsamples = 2\nall_ns = 2 1\n", VMRT_EFORMAT, ":3:");
	expect_refusal("sample_units = 5\nsamples = 2\nall_ns = 0 1\n", VMRT_EFORMAT, ":3:");
	expect_refusal("sample_units = 0\n", VMRT_EFORMAT, ":1:");
	expect_refusal("unit_iterations = 3\n", VMRT_EMISMATCH, "other units of work");
	assert_int_equal(load_calibration_read("/nonexistent/cal", &cal, &err), VMRT_ENOENT);
}

static void work_takes_time_in_proportion_to_its_units(void **state)
{
	int64_t begin, one = INT64_MAX, ten = INT64_MAX;

	(void)state;
	/* the best of several, since the machine may do something else meanwhile */
	for (int i = 0; i < 20; i++) {
		begin = vmrt_now_ns();
		load_work(200);
		one = vmrt_now_ns() - begin < one ? vmrt_now_ns() - begin : one;
		begin = vmrt_now_ns();
		load_work(2000);
		ten = vmrt_now_ns() - begin < ten ? vmrt_now_ns() - begin : ten;
	}
	assert_in_range(ten, 5 * one, 20 * one);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles_are_the_nearest_rank),
		cmocka_unit_test(three_of_300_samples_lie_above_the_99th_percentile),
		cmocka_unit_test(a_job_gets_the_whole_units_that_fit_into_its_wcet),
		cmocka_unit_test(slowness_at_a_percentile_is_per_unit),
		cmocka_unit_test(an_episode_in_the_samples_is_noticed),
		cmocka_unit_test(a_calibration_is_read_as_it_was_written),
		cmocka_unit_test(a_damaged_calibration_is_refused_with_its_line),
		cmocka_unit_test(work_takes_time_in_proportion_to_its_units),
	};

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
