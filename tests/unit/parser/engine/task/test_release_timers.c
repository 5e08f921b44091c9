/* SPDX-License-Identifier: MIT */
/* Tasks that wait for a timer which goes on by itself: timerfd, setitimer, timer_create. */
#include "taskfix.h"

#include <stdio.h>
#include <string.h>

static void a_job_of_a_periodic_timer_ends_with_the_sleep_before_its_next_expiry(void **state)
{
	static const struct {
		enum vmrt_timer_fn fn;
		enum vmrt_release release;
	} kinds[] = {{VMRT_FN_TIMERFD, VMRT_RELEASE_TIMERFD}, {VMRT_FN_ITIMER, VMRT_RELEASE_ITIMER},
		{VMRT_FN_POSIX, VMRT_RELEASE_POSIX}};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		static struct fixture f;
		enum vmrt_timer_fn fn = kinds[i].fn;
		int64_t period;

		fx_begin(&f, "period = 10ms\n");
		fx_runs_from_the_beginning(&f);
		fx_arm(&f, 2 * MS, T1, fn, 10 * MS);
		fx_sw(&f, 3 * MS, X, 1, 0);
		for (int k = 0; k < 5; k++) {
			int64_t at = (k + 1) * 10 * MS;

			fx_wakes(&f, at + 20, T1, fn);
			fx_arm(&f, at + 80, T1, fn, at + 10 * MS);
			fx_sw(&f, at + 3 * MS, X, 1, 0);
		}
		assert_int_equal(fx_end(&f, 55 * MS, &period), kinds[i].release);
		assert_us(period, 10 * MS);
		assert_int_equal(f.n, 5);
		for (int k = 0; k < 4; k++) {
			const struct vmrt_job *j = fx_job(&f, (size_t)k);
			int64_t at = (k + 1) * 10 * MS;

			assert_int_equal(j->k, k);
			assert_us(j->arrival_ns, at);
			assert_us(j->release_ns, at + 20);
			assert_us(j->start_ns, at + 70);
			assert_us(j->end_ns, at + 3 * MS);
			assert_us(j->exec_ns, 3 * MS - 70);
			/* it is not known before the first expiry that the task waits for it */
			assert_us(j->blame_ns[VMRT_BLAME_UNKNOWN], k ? 0 : 20);
			assert_us(j->blame_ns[VMRT_BLAME_RELEASE], k ? 70 : 50);
			assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
			assert_int_equal(j->skipped, 0);
		}
		/* asleep when the recording ends: whether within its job, nobody can say */
		assert_int_equal(fx_job(&f, 4)->outcome, VMRT_OUTCOME_TRUNCATED);
		assert_true(fx_job(&f, 4)->end_ns == VMRT_UNKNOWN);
	}
}

static void expiries_consumed_together_are_one_job_and_skipped_ones(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	/* works until 33 ms: the expiry at 20 ms wakes nobody, that at 30 ms does not happen */
	fx_expire(&f, 20 * MS, X, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 33 * MS, T1, VMRT_FN_TIMERFD, 40 * MS);
	fx_sw(&f, 35 * MS, X, 1, 0);
	fx_wakes(&f, 40 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 40 * MS + 60, T1, VMRT_FN_TIMERFD, 50 * MS);
	fx_sw(&f, 41 * MS, X, 1, 0);
	fx_wakes(&f, 50 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 51 * MS, NULL);
	assert_int_equal(f.n, 4);
	j = fx_job(&f, 0);
	assert_us(j->response_ns, 23 * MS);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MISSED);
	j = fx_job(&f, 1);
	assert_us(j->arrival_ns, 20 * MS);
	assert_us(j->release_ns, 20 * MS);
	assert_us(j->start_ns, 33 * MS);
	assert_us(j->response_ns, 15 * MS);
	assert_us(j->blame_ns[VMRT_BLAME_INTERFERENCE], 13 * MS); /* the job before it */
	assert_us(j->exec_ns, 2 * MS);
	assert_int_equal(j->k, 1);
	j = fx_job(&f, 2);
	assert_us(j->arrival_ns, 40 * MS);
	assert_int_equal(j->skipped, 1); /* that of 30 ms */
	assert_int_equal(j->k, 3);
	assert_us(j->response_ns, 1 * MS);
}

static void a_sleep_within_a_job_does_not_end_it(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_sleep_for(&f, 11 * MS, 12 * MS); /* usleep */
	fx_wakes(&f, 12 * MS, T2, VMRT_FN_WAKEUP);
	fx_sw(&f, 13 * MS, X, 1, Y); /* a mutex, whose owner gives it up */
	fx_wake(&f, 14 * MS, Y, 0);
	fx_sw(&f, 14 * MS, Y, 1, X);
	fx_sw(&f, 15 * MS, X, 2, 0); /* a disk */
	fx_wake(&f, 16 * MS, 0, SOFT);
	fx_sw(&f, 16 * MS, 0, 0, X);
	fx_sw(&f, 17 * MS, X, 1, 0);
	fx_wakes(&f, 20 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 21 * MS, NULL);
	j = fx_job(&f, 0);
	assert_us(j->end_ns, 17 * MS);
	assert_us(j->blame_ns[VMRT_BLAME_BLOCKING], 3 * MS);
	assert_us(
		j->blame_ns[VMRT_BLAME_RELEASE], 100); /* twice woken on an idle CPU, 50 us each */
	assert_us(j->exec_ns, 4 * MS - 100);
}

/* @name: that of the thread until it runs at 50 ms. */
static void woken_on_a_cpu_without_records(const char *name)
{
	static struct fixture f;
	struct vmrt_event ev = {.type = VMRT_EV_WAKEUP, .pid = 0, .flags = HARD};

	fx_begin(&f, "period = 10ms\ndeadline = 10ms\nrelease = nanosleep\n");
	f.name = name;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_expire(&f, 10 * MS, 0, T2, VMRT_FN_WAKEUP);
	ev.wake.pid = X;
	ev.wake.comm = name;
	ev.wake.prio = FIFO;
	ev.wake.target_cpu = 1;
	fx_push(&f, &ev, 10 * MS + 10);
	f.name = "x";
	/* it may have ended there, and several more */
	fx_sw(&f, 50 * MS, 0, 0, X);
	fx_sleep_until(&f, 51 * MS, 60 * MS);
	fx_expire(&f, 60 * MS, 0, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 60 * MS + 10, 0, HARD);
	fx_sw(&f, 60 * MS + 50, 0, 0, X);
	fx_sleep_until(&f, 61 * MS, 70 * MS);
	fx_end(&f, 62 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_us(fx_job(&f, f.n - 1)->arrival_ns, 60 * MS);
	assert_int_equal(fx_job(&f, f.n - 1)->outcome, VMRT_OUTCOME_MET);
}

static void a_job_whose_thread_was_woken_on_a_cpu_that_is_not_recorded_is_unknown(void **state)
{
	(void)state;
	woken_on_a_cpu_without_records("x");
	/* the thread is known to be the task's only when it runs again */
	woken_on_a_cpu_without_records("sh");
}

static void a_job_that_began_before_the_recording_gives_the_grid_away(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = posix\n");
	fx_sw(&f, 1 * MS, X, 1, 0); /* it is there already, and its timer is armed */
	fx_wakes(&f, 10 * MS + 30, T1, VMRT_FN_POSIX);
	fx_arm(&f, 10 * MS + 90, T1, VMRT_FN_POSIX, 20 * MS);
	fx_sw(&f, 12 * MS, X, 1, 0);
	fx_wakes(&f, 20 * MS, T1, VMRT_FN_POSIX);
	fx_end(&f, 21 * MS, NULL);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
	assert_us(fx_job(&f, 1)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 1)->release_ns, 10 * MS + 30);
	assert_us(fx_job(&f, 1)->response_ns, 2 * MS);
	assert_int_equal(fx_job(&f, 1)->k, 1);
}

static void without_records_of_armed_timers_arrivals_are_unknown_not_cut_off(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_sw(&f, 1 * MS, X, 1, 0);
	for (int k = 1; k < 5; k++) {
		fx_wakes(&f, k * 10 * MS, T1, VMRT_FN_TIMERFD);
		fx_sw(&f, k * 10 * MS + 2 * MS, X, 1, 0);
	}
	fx_end(&f, 55 * MS, NULL);
	assert_true(f.n >= 4);
	/* its timer may have been armed before the recording */
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_TRUNCATED);
	for (size_t k = 2; k < f.n - 1; k++)
		assert_int_equal(fx_job(&f, k)->outcome, VMRT_OUTCOME_UNKNOWN);
}

static void a_timer_set_anew_to_the_past_ends_the_job_at_once(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	/* not periodic: the thread sets it again when its job is done */
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 2 * MS + 5, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 13 * MS, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_sw(&f, 13 * MS + 5, X, 1, 0);
	fx_wakes(&f, 20 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 33 * MS, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_expire(&f, 33 * MS + 2, X, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 35 * MS, T1, VMRT_FN_TIMERFD, 40 * MS);
	fx_sw(&f, 35 * MS + 5, X, 1, 0);
	fx_wakes(&f, 40 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 41 * MS, NULL);
	assert_us(fx_job(&f, 0)->response_ns, 3 * MS + 5);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->end_ns, 33 * MS);
	assert_us(fx_job(&f, 2)->arrival_ns, 30 * MS);
	assert_us(fx_job(&f, 2)->response_ns, 5 * MS + 5);
	assert_us(fx_job(&f, 3)->arrival_ns, 40 * MS);
	assert_int_equal(fx_job(&f, 3)->skipped, 0);
}

static void an_absolute_sleep_before_a_periodic_timer_only_begins_on_the_grid(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 5 * MS);
	fx_wakes(&f, 5 * MS, T2, VMRT_FN_WAKEUP);
	fx_arm(&f, 5 * MS + 100, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 5 * MS + 110, X, 1, 0);
	for (int at = 10 * MS; at <= 40 * MS; at += 10 * MS) {
		fx_wakes(&f, at, T1, VMRT_FN_TIMERFD);
		fx_arm(&f, at + 60, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		fx_sw(&f, at + MS, X, 1, 0);
	}
	/* a second reading knows what it waits for, and finds the first job, too */
	assert_int_equal(vmrt_engine_task_again(f.engine, 0), VMRT_RELEASE_TIMERFD);
	assert_int_equal(fx_end(&f, 45 * MS, NULL), VMRT_RELEASE_TIMERFD);
	/* the first job is given up to be sure, the last one is not known to have ended */
	assert_int_equal(f.n, 4);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->response_ns, 1 * MS);
	assert_us(fx_job(&f, 2)->arrival_ns, 30 * MS);
	assert_int_equal(fx_job(&f, 3)->outcome, VMRT_OUTCOME_TRUNCATED);
}

static void a_watchdog_timer_is_no_release_of_a_task_that_sleeps_absolutely(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	for (int at = 10 * MS; at <= 30 * MS; at += 10 * MS) {
		fx_wakes(&f, at, T2, VMRT_FN_WAKEUP);
		fx_arm(&f, at + 100, T1, VMRT_FN_TIMERFD, at + MS);
		fx_sw(&f, at + 200, X, 1, 0);
		fx_wakes(&f, at + MS, T1, VMRT_FN_TIMERFD);
		fx_sleep_until(&f, at + 2 * MS, at + 10 * MS);
	}
	assert_int_equal(fx_end(&f, 35 * MS, NULL), VMRT_RELEASE_NANOSLEEP);
	assert_int_equal(f.n, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_us(fx_job(&f, i)->response_ns, 2 * MS);
		assert_us(fx_job(&f, i)->blame_ns[VMRT_BLAME_BLOCKING], 800);
	}
}

static void a_timers_task_that_is_killed_in_its_sleep_leaves_its_last_job_open(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_sw(&f, 11 * MS, X, 1, 0);
	fx_wake(&f, 18 * MS, Y, 0);
	fx_sw(&f, 18 * MS, 0, 0, X);
	fx_died(&f, 18 * MS + 100);
	fx_end(&f, 30 * MS, NULL);
	assert_int_equal(f.n, 1);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
	assert_true(fx_job(&f, 0)->end_ns == VMRT_UNKNOWN);
}

/* Jobs of 3 ms every 10 ms; with @nap one of them sleeps within. The recording ends in a sleep. */
static const struct vmrt_job *last_of(struct fixture *f, int jobs, int nap)
{
	fx_begin(f, "period = 10ms\ndeadline = 10ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(f);
	fx_arm(f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(f, 3 * MS, X, 1, 0);
	for (int k = 1; k <= jobs; k++) {
		int64_t at = k * 10 * MS;

		fx_wakes(f, at, T1, VMRT_FN_TIMERFD);
		fx_arm(f, at + 60, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		if (k == nap) {
			fx_sleep_for(f, at + MS, at + 2 * MS);
			fx_wakes(f, at + 2 * MS, T2, VMRT_FN_WAKEUP);
		}
		fx_sw(f, at + 3 * MS, X, 1, 0);
	}
	fx_end(f, jobs * 10 * MS + 5 * MS, NULL);
	assert_int_equal(f->n, jobs);
	return fx_job(f, f->n - 1);
}

static void a_task_that_never_sleeps_within_jobs_has_ended_its_last_one(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	j = last_of(&f, 30, 0);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
	assert_us(j->response_ns, 3 * MS);
	assert_us(j->exec_ns, 3 * MS - 50);
	/* too few to know */
	assert_int_equal(last_of(&f, 20, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
	/* one has, perhaps this one does, too */
	assert_int_equal(last_of(&f, 30, 7)->outcome, VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(last_of(&f, 30, 30)->outcome, VMRT_OUTCOME_TRUNCATED);
}

/* X gives the rest of its reservation up at 12 ms, but is switched out at 23 ms only; the timer of
 * 20 ms expires then. */
static void a_thread_on_its_way_out_of_its_job_waits_for_the_next_release(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nwcet = 1ms\nrelease = deadline\n");
	f.prio = DL;
	fx_runs_from_the_beginning(&f);
	f.depth = 2;
	fx_arm_raw(&f, 2 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 10 * MS * US, 0);
	fx_sw(&f, 2 * MS, X, 0, Y);
	fx_expire(&f, 10 * MS, Y, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 10 * MS, Y, 0, X);
	fx_arm_raw(&f, 12 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 20 * MS * US, 0);
	fx_sw(&f, 23 * MS, X, 0, Y);
	fx_expire(&f, 23 * MS + 10, Y, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 23 * MS + 30, Y, 0, X);
	fx_arm_raw(&f, 24 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 30 * MS * US, 0);
	fx_sw(&f, 24 * MS, X, 0, Y);
	fx_end(&f, 25 * MS, NULL);
	assert_us(fx_job(&f, 0)->end_ns, 12 * MS);
	assert_us(fx_job(&f, 0)->exec_ns, 2 * MS);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->blame_ns[VMRT_BLAME_RELEASE], 3 * MS + 10);
	/* Y has the CPU for 20 us behind the expiry */
	assert_us(fx_job(&f, 1)->blame_ns[VMRT_BLAME_INTERFERENCE], 20);
	assert_us(fx_job(&f, 1)->exec_ns, 970);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_job_of_a_periodic_timer_ends_with_the_sleep_before_its_next_expiry),
		cmocka_unit_test(expiries_consumed_together_are_one_job_and_skipped_ones),
		cmocka_unit_test(a_sleep_within_a_job_does_not_end_it),
		cmocka_unit_test(
			a_job_whose_thread_was_woken_on_a_cpu_that_is_not_recorded_is_unknown),
		cmocka_unit_test(a_job_that_began_before_the_recording_gives_the_grid_away),
		cmocka_unit_test(without_records_of_armed_timers_arrivals_are_unknown_not_cut_off),
		cmocka_unit_test(a_timer_set_anew_to_the_past_ends_the_job_at_once),
		cmocka_unit_test(an_absolute_sleep_before_a_periodic_timer_only_begins_on_the_grid),
		cmocka_unit_test(a_watchdog_timer_is_no_release_of_a_task_that_sleeps_absolutely),
		cmocka_unit_test(
			a_timers_task_that_is_killed_in_its_sleep_leaves_its_last_job_open),
		cmocka_unit_test(a_task_that_never_sleeps_within_jobs_has_ended_its_last_one),
		cmocka_unit_test(a_thread_on_its_way_out_of_its_job_waits_for_the_next_release),
	};
	int failed = cmocka_run_group_tests_name("kernels that report expiries", tests, NULL, NULL);

	cancels_first = true;
	return failed +
	       cmocka_run_group_tests_name(
		       "kernels that report each expiry as cancelled first", tests, NULL, NULL);
}
