/* SPDX-License-Identifier: MIT */
/* Tasks that others release: a job from each wake-up to the next sleep. Times are in us. */
#include "taskfix.h"

#include <stdio.h>
#include <string.h>

/* Y wakes X at @at; X runs from 30 us later on. */
static void woken_by_y(struct fixture *f, int64_t at)
{
	fx_sw(f, at - 500, 0, 0, Y);
	fx_wake(f, at, Y, 0);
	fx_sw(f, at + 30, Y, 0, X);
}

static void begin_wakeup(struct fixture *f, const char *keys)
{
	char text[128];

	snprintf(text, sizeof(text), "release = wakeup\n%s", keys);
	fx_begin(f, text);
	fx_runs_from_the_beginning(f);
	fx_sw(f, 2 * MS, X, 1, 0); /* what it did until here was no job */
}

static void a_job_goes_from_a_wakeup_to_the_next_sleep(void **state)
{
	static struct fixture f;
	static const int64_t at[] = {10 * MS, 17 * MS, 40 * MS};

	(void)state;
	begin_wakeup(&f, "deadline = 5ms\nwcet = 2ms\n");
	for (int k = 0; k < 3; k++) {
		woken_by_y(&f, at[k]);
		fx_sw(&f, at[k] + 1000, X, 0, Y); /* preempted */
		fx_sw(&f, at[k] + 1200, Y, 0, X);
		fx_sw(&f, at[k] + 2 * MS + k * 2 * MS, X, 1, 0);
	}
	assert_int_equal(fx_end(&f, 60 * MS, NULL), VMRT_RELEASE_WAKEUP);
	assert_int_equal(f.n, 3);
	for (int k = 0; k < 3; k++) {
		const struct vmrt_job *j = fx_job(&f, (size_t)k);

		assert_int_equal(j->k, k);
		assert_us(j->arrival_ns, at[k]);
		assert_us(j->release_ns, at[k]);
		assert_us(j->start_ns, at[k] + 30);
		assert_us(j->end_ns, at[k] + 2 * MS + k * 2 * MS);
		assert_us(j->response_ns, 2 * MS + k * 2 * MS);
		assert_us(j->exec_ns, 2 * MS + k * 2 * MS - 30 - 200);
		assert_us(j->deadline_ns, at[k] + 5 * MS);
		assert_int_equal(j->preemptions, 1);
		assert_int_equal(j->skipped, 0);
		assert_string_equal(j->woken_by, "y");
		assert_int_equal(j->outcome, k == 2 ? VMRT_OUTCOME_MISSED : VMRT_OUTCOME_MET);
	}
}

static void a_job_that_runs_for_longer_than_its_deadline_misses_by_its_own_execution(void **state)
{
	static struct fixture f;

	(void)state;
	begin_wakeup(&f, "deadline = 5ms\n");
	woken_by_y(&f, 10 * MS);
	fx_sw(&f, 17 * MS, X, 1, 0);
	fx_end(&f, 60 * MS, NULL);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(fx_job(&f, 0)->exec_ns, 7 * MS - 30);
	assert_int_equal(fx_job(&f, 0)->cause, VMRT_BLAME_EXEC);
}

static void the_least_distance_of_a_sporadic_task_is_its_deadline_and_period(void **state)
{
	static struct fixture f;

	(void)state;
	begin_wakeup(&f, "min_distance = 4ms\n");
	assert_int_equal(f.exp->tasks[0].period_ns, 4 * VMRT_NS_PER_MS);
	woken_by_y(&f, 10 * MS);
	fx_sw(&f, 15 * MS, X, 1, 0);
	woken_by_y(&f, 30 * MS);
	fx_sw(&f, 31 * MS, X, 1, 0);
	fx_end(&f, 40 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MISSED);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_MET);
	assert_int_equal(fx_job(&f, 1)->skipped, 0); /* it is not periodic */
	assert_int_equal(fx_job(&f, 1)->k, 1);
}

static void waiting_for_a_device_or_a_stop_is_within_the_job(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	begin_wakeup(&f, "deadline = 20ms\n");
	woken_by_y(&f, 10 * MS);
	fx_sw(&f, 11 * MS, X, 2, 0); /* state D */
	fx_wake(&f, 13 * MS, 0, HARD);
	fx_sw(&f, 13 * MS, 0, 0, X);
	fx_sw(&f, 14 * MS, X, 4, 0); /* stopped */
	fx_wake(&f, 16 * MS, 0, 0);
	fx_sw(&f, 16 * MS, 0, 0, X);
	fx_sw(&f, 17 * MS, X, 1, 0);
	fx_end(&f, 30 * MS, NULL);
	assert_int_equal(f.n, 1);
	j = fx_job(&f, 0);
	assert_us(j->response_ns, 7 * MS);
	assert_us(j->blame_ns[VMRT_BLAME_BLOCKING], 2 * MS);
	assert_us(j->blame_ns[VMRT_BLAME_BUDGET], 2 * MS);
	assert_us(j->exec_ns, 3 * MS - 30);
}

static void what_interrupted_the_cpu_is_who_woke_it(void **state)
{
	static const struct {
		int flags;
		const char *by;
	} kinds[] = {{HARD, "<irq>"}, {SOFT, "<softirq>"}, {HARD | SOFT, "<irq>"}, {0, "<idle>"}};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		static struct fixture f;

		begin_wakeup(&f, "deadline = 20ms\n");
		fx_wake(&f, 10 * MS, 0, kinds[i].flags);
		fx_sw(&f, 10 * MS + 5, 0, 0, X);
		fx_sw(&f, 11 * MS, X, 1, 0);
		fx_end(&f, 30 * MS, NULL);
		assert_string_equal(fx_job(&f, 0)->woken_by, kinds[i].by);
	}
}

static void its_own_timers_wake_it_like_anything_else(void **state)
{
	static struct fixture f;

	(void)state;
	begin_wakeup(&f, "deadline = 20ms\n");
	woken_by_y(&f, 10 * MS);
	fx_sleep_for(&f, 11 * MS, 15 * MS); /* poll() with a timeout */
	fx_wakes(&f, 15 * MS, T2, VMRT_FN_WAKEUP);
	fx_arm(&f, 15 * MS + 60, T1, VMRT_FN_TIMERFD, 15 * MS); /* in the past */
	fx_sw(&f, 16 * MS, X, 1, 0);
	fx_end(&f, 30 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_string_equal(fx_job(&f, 1)->woken_by, "<timer>");
	assert_us(fx_job(&f, 1)->response_ns, 1 * MS);
}

static void at_work_when_the_recording_ends_or_begins_it_is_truncated(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "release = wakeup\ndeadline = 20ms\n");
	fx_sw(&f, 1 * MS, X, 1, 0);
	woken_by_y(&f, 10 * MS);
	fx_end(&f, 12 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_true(fx_job(&f, 0)->arrival_ns == VMRT_UNKNOWN);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(fx_job(&f, i)->outcome, VMRT_OUTCOME_TRUNCATED);
}

static void asleep_when_the_recording_begins_it_is_in_no_job(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "release = wakeup\ndeadline = 20ms\n");
	woken_by_y(&f, 10 * MS);
	fx_sw(&f, 12 * MS, X, 1, 0);
	fx_end(&f, 20 * MS, NULL);
	assert_int_equal(f.n, 1);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MET);
}

/* Nothing periodic is seen, so that the second reading takes each wake-up for a release. */
static void it_is_found_out_where_nothing_periodic_fits(void **state)
{
	enum vmrt_release waits = VMRT_RELEASE_AUTO;

	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		static struct fixture f;
		static const int64_t gaps[] = {3, 9, 4, 17, 5, 8, 2, 11, 6, 4, 13, 7};
		int64_t at = 10 * MS;

		fx_begin(&f, "deadline = 20ms\n");
		f.config.waits = &waits;
		fx_runs_from_the_beginning(&f);
		fx_sw(&f, 2 * MS, X, 1, 0);
		for (size_t i = 0; i < 12; i++) {
			at += gaps[i] * MS;
			woken_by_y(&f, at);
			fx_sw(&f, at + 1 * MS, X, 1, 0);
		}
		waits = vmrt_engine_task_again(f.engine, 0);
		assert_int_equal(waits, pass ? VMRT_RELEASE_AUTO : VMRT_RELEASE_WAKEUP);
		assert_int_equal(fx_end(&f, at + 9 * MS, NULL),
			pass ? VMRT_RELEASE_WAKEUP : VMRT_RELEASE_AUTO);
		assert_int_equal(f.n, pass ? 12 : 0);
	}
}

static void a_live_view_does_not_wait_for_the_end(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "deadline = 20ms\n");
	f.config.live = true;
	fx_runs_from_the_beginning(&f);
	fx_sw(&f, 2 * MS, X, 1, 0);
	for (int k = 1; k < 61; k++) {
		woken_by_y(&f, k * 10 * MS + k * k * 10);
		fx_sw(&f, k * 10 * MS + k * k * 10 + 1 * MS, X, 1, 0);
	}
	assert_int_equal(fx_end(&f, 700 * MS, NULL), VMRT_RELEASE_WAKEUP);
	assert_in_range(f.n, 9, 12);
}

/* Locks wake a periodic task more often than its timer does. */
static void a_periodic_task_that_waits_for_locks_is_periodic(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	for (int k = 1; k < 6; k++) {
		fx_wakes(&f, k * 10 * MS, T2, VMRT_FN_WAKEUP);
		for (int i = 1; i < 6; i++) {
			fx_sw(&f, k * 10 * MS + i * MS, X, 1, 0);
			fx_wake(&f, k * 10 * MS + i * MS + 100, 0, 0);
			fx_sw(&f, k * 10 * MS + i * MS + 110, 0, 0, X);
		}
		fx_sleep_until(&f, k * 10 * MS + 6 * MS, (k + 1) * 10 * MS);
	}
	assert_int_equal(vmrt_engine_task_again(f.engine, 0), VMRT_RELEASE_AUTO);
	assert_int_equal(fx_end(&f, 58 * MS, NULL), VMRT_RELEASE_NANOSLEEP);
	assert_int_equal(f.n, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_goes_from_a_wakeup_to_the_next_sleep),
		cmocka_unit_test(
			a_job_that_runs_for_longer_than_its_deadline_misses_by_its_own_execution),
		cmocka_unit_test(the_least_distance_of_a_sporadic_task_is_its_deadline_and_period),
		cmocka_unit_test(waiting_for_a_device_or_a_stop_is_within_the_job),
		cmocka_unit_test(what_interrupted_the_cpu_is_who_woke_it),
		cmocka_unit_test(its_own_timers_wake_it_like_anything_else),
		cmocka_unit_test(at_work_when_the_recording_ends_or_begins_it_is_truncated),
		cmocka_unit_test(asleep_when_the_recording_begins_it_is_in_no_job),
		cmocka_unit_test(it_is_found_out_where_nothing_periodic_fits),
		cmocka_unit_test(a_live_view_does_not_wait_for_the_end),
		cmocka_unit_test(a_periodic_task_that_waits_for_locks_is_periodic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
