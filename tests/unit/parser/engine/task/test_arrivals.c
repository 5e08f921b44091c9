/* SPDX-License-Identifier: MIT */
/* Periods and least distances that the arrivals contradict. Times are in us. */
#include "catchupfix.h"

#include <string.h>

static void arrivals_that_contradict_the_declared_period_are_reported(void **state)
{
	static const struct {
		const char *keys, *text;
		int period;
	} kinds[] = {
		{"period = 25ms\n", "arrivals are 20 ms apart, declared 25 ms", 20},
		{"period = 10ms\n", "arrivals are 20 ms apart, declared 10 ms", 20},
		{"period = 40ms\n", "arrivals are 20 ms apart, declared 40 ms", 20},
		{"period = 20ms\n", "", 20},
		{"deadline = 20ms\n", "", 20},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		static struct fixture f;

		begin(&f, kinds[i].keys, kinds[i].period * MS);
		for (int k = 1; k < 9; k++)
			runs_until(&f, k * kinds[i].period * MS, k * kinds[i].period * MS + 2 * MS,
				(k + 1) * kinds[i].period * MS);
		assert_string_equal(contradiction_of(&f).text, kinds[i].text);
		assert_int_equal(contradiction_of(&f).missing, 0);
		fx_end(&f, 9 * 20 * MS - 1, NULL);
	}
}

/*
 * Arrivals at 10, 30, 50, 70 and 80 ms: most are 20 ms apart. Jobs of 18 ms are at work at the
 * declared release between them, at 20, 40 and 60 ms: 3 jobs may be part of them. Jobs of 8 ms are
 * not, so that the task sleeps at these times, and nothing is missing.
 */
static void releases_passed_at_work_are_missing_where_the_arrivals_contradict(void **state)
{
	static const int arrivals[] = {10, 30, 50, 70, 80};

	(void)state;
	for (int late = 0; late < 2; late++) {
		static struct fixture f;
		struct vmrt_task_contradiction found;

		fx_begin(&f, "period = 10ms\nrelease = relative\n");
		fx_runs_from_the_beginning(&f);
		fx_sleep_for(&f, 2 * MS, 10 * MS);
		for (int k = 0; k < 4; k++) {
			int ms = k == 3 ? 2 : late ? 18 : 8;

			fx_wakes(&f, arrivals[k] * MS, T2, VMRT_FN_WAKEUP);
			fx_sleep_for(&f, (arrivals[k] + ms) * MS, arrivals[k + 1] * MS);
		}
		found = contradiction_of(&f);
		fx_end(&f, 79 * MS, NULL);
		assert_int_equal(found.missing, late ? 3 : 0);
		assert_non_null(strstr(found.text, "arrivals are 20 ms apart, declared 10 ms"));
		assert_int_equal(strstr(found.text, "3 jobs may be missing") != NULL, late);
	}
}

/*
 * 20 ms between the arrivals of 20 to 200 ms, then 12 ms, then 35 ms: on average 20 ms, as
 * declared. Two distances of 12 ms among those of 20 ms are not many.
 */
static void a_period_that_changes_meanwhile_is_reported(void **state)
{
	static const struct {
		int n20, n12, n35;
		const char *text;
	} kinds[] = {
		{9, 15, 8, "many arrivals are 12 ms apart, declared 20 ms"},
		{30, 15, 0, "many arrivals are 12 ms apart, declared 20 ms"},
		{30, 2, 0, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		static struct fixture f;
		int at = 20;

		begin(&f, "period = 20ms\n", 20 * MS);
		for (int k = 0; k < kinds[i].n20 + kinds[i].n12 + kinds[i].n35; k++) {
			int next = at + (k < kinds[i].n20			  ? 20
						: k < kinds[i].n20 + kinds[i].n12 ? 12
										  : 35);

			runs_until(&f, at * MS, at * MS + 2 * MS, next * MS);
			at = next;
		}
		assert_string_equal(contradiction_of(&f).text, kinds[i].text);
		fx_end(&f, at * MS - 1, NULL);
	}
}

/*
 * Sleeps until every multiple of @real us. If the declared period is more than twice that, every
 * second one, or more of them, seem to be sleeps within a job: 19.8 ms look like 39.6 ms, which is
 * near the declared 40 ms.
 */
static void a_period_below_half_of_the_declared_one_is_reported(void **state)
{
	static const struct {
		const char *keys, *text;
		int real;
	} kinds[] = {
		{"period = 40ms\n",
			"it sleeps until times 19.8 ms apart, declared 40 ms: what counts as one "
			"job may be several",
			19800},
		{"period = 100ms\n",
			"it sleeps until times 10 ms apart, declared 100 ms: what counts as one "
			"job may be several",
			10000},
		{"period = 40ms\nrelease = relative\n",
			"it sleeps until times 19.8 ms apart, declared 40 ms: what counts as one "
			"job may be several",
			19800},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		static struct fixture f;
		int real = kinds[i].real;

		begin(&f, kinds[i].keys, real);
		if (i == 2)
			fx_sleep_for(&f, 2 * MS + 100, real);
		for (int k = 1; k < 80; k++) {
			fx_wakes(&f, k * real, T2, VMRT_FN_WAKEUP);
			if (i == 2)
				fx_sleep_for(&f, k * real + 2 * MS, (k + 1) * real);
			else
				fx_sleep_until(&f, k * real + 2 * MS, (k + 1) * real);
		}
		assert_string_equal(contradiction_of(&f).text, kinds[i].text);
		fx_end(&f, 80 * real - 1, NULL);
	}
}

/* Each job of 20 ms sleeps once within, until 5 ms behind its release: that is no other period. */
static void a_sleep_at_the_same_place_of_each_job_is_no_period(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 20ms\n", 20 * MS);
	for (int k = 1; k < 30; k++) {
		runs_until(&f, k * 20 * MS, k * 20 * MS + 2 * MS, k * 20 * MS + 5 * MS);
		runs_until(&f, k * 20 * MS + 5 * MS, k * 20 * MS + 7 * MS, (k + 1) * 20 * MS);
	}
	assert_string_equal(contradiction_of(&f).text, "");
	fx_end(&f, 30 * 20 * MS - 1, NULL);
	assert_int_equal(f.n, 29);
	assert_us(fx_job(&f, 5)->response_ns, 7 * MS);
}

/*
 * A nap until 1.982 ms, then sleeps until each multiple of 2 ms: the first distance is 2.018 ms.
 * The period is 2 ms, so that the task sleeps until points of the grid; behind a late job until 20
 * ms, just before which it goes to sleep.
 */
static void one_distance_that_is_nearly_the_period_is_not_taken_for_it(void **state)
{
	static struct fixture f;
	int64_t period;

	(void)state;
	fx_begin(&f, "");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 1 * MS, 1982);
	runs_until(&f, 1982, 2500, 4 * MS);
	for (int k = 2; k < 7; k++)
		runs_until(&f, k * 2 * MS, k * 2 * MS + 500, (k + 1) * 2 * MS);
	runs_until(&f, 14 * MS, 20 * MS - 100, 20 * MS);
	runs_until(&f, 20 * MS, 20 * MS + 500, 22 * MS);
	runs_until(&f, 22 * MS, 22 * MS + 500, 24 * MS);
	fx_end(&f, 23 * MS, &period);
	assert_us(period, 2 * MS);
	assert_int_equal(f.n, 9);
	assert_us(fx_job(&f, 7)->arrival_local_ns, 20 * MS);
	assert_us(fx_job(&f, 8)->arrival_local_ns, 22 * MS);
}

static void arrivals_closer_than_the_least_distance_are_reported(void **state)
{
	static struct fixture f;
	static const int at[] = {10, 30, 35, 60, 64, 90};

	(void)state;
	fx_begin(&f, "release = wakeup\nmin_distance = 8ms\n");
	fx_sw(&f, 1 * MS, X, 1, 0);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		fx_wake(&f, at[i] * MS, 0, HARD);
		fx_sw(&f, at[i] * MS + 5, 0, 0, X);
		fx_sw(&f, at[i] * MS + 1 * MS, X, 1, 0);
	}
	assert_string_equal(contradiction_of(&f).text,
		"2 arrivals are closer than min_distance 8 ms, the closest 4 ms");
	fx_end(&f, 100 * MS, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arrivals_that_contradict_the_declared_period_are_reported),
		cmocka_unit_test(releases_passed_at_work_are_missing_where_the_arrivals_contradict),
		cmocka_unit_test(a_period_that_changes_meanwhile_is_reported),
		cmocka_unit_test(a_period_below_half_of_the_declared_one_is_reported),
		cmocka_unit_test(a_sleep_at_the_same_place_of_each_job_is_no_period),
		cmocka_unit_test(one_distance_that_is_nearly_the_period_is_not_taken_for_it),
		cmocka_unit_test(arrivals_closer_than_the_least_distance_are_reported),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
