/* SPDX-License-Identifier: MIT */
/* Sleeps within a job in another way than the task's: parts of the job, or releases? Times are in
 * us. */
#include "catchupfix.h"

/* Four jobs of 2 ms, each with a sleep until the next 10 ms, and from 50 ms on a fifth one. */
static void begins_a_fifth_job(struct fixture *f)
{
	begin(f, "period = 10ms\n", 10 * MS);
	for (int k = 1; k < 5; k++)
		runs_until(f, k * 10 * MS, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
	fx_wakes(f, 50 * MS, T2, VMRT_FN_WAKEUP);
}

/* X slept until 10, 20, ... 50 ms; from 52 ms on it does what its job does and sleeps for 8 ms,
 * again and again. Nobody can say whether that is one long job, or one every 10 ms. */
static void who_changes_the_way_it_waits_has_missed_nothing(void **state)
{
	static struct fixture f;

	(void)state;
	begins_a_fifth_job(&f);
	for (int k = 5; k < 15; k++) {
		fx_sleep_for(&f, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
		fx_wakes(&f, (k + 1) * 10 * MS, T2, VMRT_FN_WAKEUP);
	}
	assert_string_equal(contradiction_of(&f).text,
		"behind one job it sleeps in another way at the distance of its period: it may "
		"have "
		"changed the way it waits, and that job is unknown");
	fx_end(&f, 151 * MS, NULL);
	for (size_t i = 0; i < f.n; i++)
		assert_int_equal(fx_job(&f, i)->outcome, i < 4 ? VMRT_OUTCOME_MET
							 : fx_job(&f, i)->arrival_ns < 150 * MS * US
								 ? VMRT_OUTCOME_UNKNOWN
								 : VMRT_OUTCOME_TRUNCATED);
}

/* The same task polls: six naps of 1 ms within the job of 50 ms are parts of it. */
static void naps_shorter_than_the_period_are_parts_of_a_late_job(void **state)
{
	static struct fixture f;

	(void)state;
	begins_a_fifth_job(&f);
	for (int k = 0; k < 6; k++) {
		fx_sleep_for(&f, 51 * MS + k * 2 * MS, 52 * MS + k * 2 * MS);
		fx_wakes(&f, 52 * MS + k * 2 * MS, T2, VMRT_FN_WAKEUP);
	}
	fx_sleep_until(&f, 63 * MS, 70 * MS);
	assert_string_equal(contradiction_of(&f).text, "");
	fx_end(&f, 65 * MS, NULL);
	assert_int_equal(fx_job(&f, 4)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(fx_job(&f, 4)->response_ns, 13 * MS);
}

/* In its job of 50 ms X naps for 0.1 ms every 10 ms: such naps are no releases. */
static void naps_at_the_distance_of_the_period_are_parts_of_a_late_job(void **state)
{
	static struct fixture f;

	(void)state;
	begins_a_fifth_job(&f);
	for (int k = 0; k < 6; k++) {
		fx_sleep_for(&f, 52 * MS + k * 10 * MS, 52 * MS + k * 10 * MS + 100);
		fx_wakes(&f, 52 * MS + k * 10 * MS + 100, T2, VMRT_FN_WAKEUP);
	}
	fx_sleep_until(&f, 113 * MS, 120 * MS);
	fx_wakes(&f, 120 * MS, T2, VMRT_FN_WAKEUP);
	fx_end(&f, 121 * MS, NULL);
	assert_int_equal(fx_job(&f, 4)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(fx_job(&f, 4)->response_ns, 63 * MS);
}

static void wake_y(struct fixture *f, int64_t at)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .pid = X, .flags = HARD};

	ev.wake.pid = Y;
	ev.wake.comm = "y";
	fx_push(f, &ev, at);
	ev.type = VMRT_EV_WAKEUP;
	fx_push(f, &ev, at);
}

/*
 * X sleeps for a time behind each of its jobs, of 0.85 ms. Within that of 20 ms it waits for
 * something, and a timer of another thread expires right before it is woken: it may wait for that
 * timer. So its sleeps are not judged any more, and the job of 20 ms has no end. But what X runs
 * from 30 and 40 ms on is no overrun of that job: y, woken at 40.1 ms, waits until 40.9 ms for X,
 * and until 41.5 ms it runs.
 */
static void a_job_on_trial_that_nothing_ends_is_no_overrun(void **state)
{
	static struct fixture f;
	const struct vmrt_job *y = NULL;

	(void)state;
	fx_begin(&f, "period = 10ms\nwcet = 1ms\npriority = 60\n[task host/y]\nrelease = wakeup\n"
		     "deadline = 1ms\npriority = 50\n");
	fx_sw(&f, 500, 0, 0, Y);
	fx_sw(&f, 600, Y, 1, 0);
	fx_sw(&f, 1 * MS, 0, 0, X);
	fx_sleep_for(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_for(&f, 10 * MS + 900, 20 * MS);
	fx_wakes(&f, 20 * MS, T2, VMRT_FN_WAKEUP);
	fx_sw(&f, 20 * MS + 200, X, 1, 0);
	fx_wakes(&f, 21 * MS, T1, VMRT_FN_TIMERFD);
	fx_sleep_for(&f, 21 * MS + 750, 30 * MS);
	fx_wakes(&f, 30 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_for(&f, 30 * MS + 900, 40 * MS);
	fx_wakes(&f, 40 * MS, T2, VMRT_FN_WAKEUP);
	wake_y(&f, 40 * MS + 100);
	fx_arm_raw(&f, 40 * MS + 900, T2, VMRT_FN_WAKEUP, VMRT_TIMER_REL, 50 * MS * US, 0);
	fx_sw(&f, 40 * MS + 900, X, 1, Y);
	fx_sw(&f, 41 * MS + 500, Y, 1, 0);
	fx_end(&f, 45 * MS, NULL);
	for (size_t i = 0; i < f.n; i++)
		if (fx_job(&f, i)->task == 1 && fx_job(&f, i)->response_ns != VMRT_UNKNOWN)
			y = fx_job(&f, i);
	assert_non_null(y);
	assert_us(y->response_ns, 1400);
	assert_us(y->blame_ns[VMRT_BLAME_INTERFERENCE], 800);
	assert_us(y->blame_ns[VMRT_BLAME_GUEST_OVERRUN], 0);
	assert_us(y->excess_ns[VMRT_BLAME_GUEST_OVERRUN], 0);
	assert_int_equal(y->outcome, VMRT_OUTCOME_MISSED);
	assert_false(y->excused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_changes_the_way_it_waits_has_missed_nothing),
		cmocka_unit_test(naps_shorter_than_the_period_are_parts_of_a_late_job),
		cmocka_unit_test(naps_at_the_distance_of_the_period_are_parts_of_a_late_job),
		cmocka_unit_test(a_job_on_trial_that_nothing_ends_is_no_overrun),
	};

	return cmocka_run_group_tests_name("other sleeps", tests, NULL, NULL);
}
