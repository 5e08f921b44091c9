/* SPDX-License-Identifier: MIT */
/* What differs between kernels: the reports of an expiring timer, threads that expire timers, modes
 * and clocks of timers, states. Times are in us. */
#include "taskfix.h"

/*
 * X waits for T1, every 10 ms. At 16 ms an interrupt cancels T1 and X arms T2 instead, whose expiry
 * at 25 ms is its next release: a timer that is cancelled is not waited for.
 */
static void a_timer_that_an_interrupt_cancels_does_not_expire(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_cancel(&f, 16 * MS, X, HARD, T1);
	fx_expire(&f, 16 * MS, X, 0xf3000, VMRT_FN_TICK);
	fx_arm(&f, 17 * MS, T2, VMRT_FN_TIMERFD, 25 * MS);
	fx_sw(&f, 18 * MS, X, 1, 0);
	fx_wakes(&f, 25 * MS, T2, VMRT_FN_TIMERFD);
	fx_arm(&f, 25 * MS + 60, T2, VMRT_FN_TIMERFD, 35 * MS);
	fx_sw(&f, 26 * MS, X, 1, 0);
	fx_wakes(&f, 35 * MS, T2, VMRT_FN_TIMERFD);
	fx_end(&f, 36 * MS, NULL);
	assert_int_equal(f.n, 3);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 18 * MS);
	assert_us(fx_job(&f, 1)->arrival_ns, 25 * MS);
	assert_us(fx_job(&f, 1)->release_ns, 25 * MS);
	assert_us(fx_job(&f, 1)->end_ns, 26 * MS);
}

/* Behind the cancel that belongs to an expiry in a softirq another timer's interrupt may come. */
static void an_interrupt_may_come_between_the_two_reports_of_an_expiry(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	for (int k = 1; k < 4; k++) {
		int64_t at = k * 10 * MS;

		fx_cancel(&f, at + 5, 0, SOFT, T1);
		fx_cancel(&f, at + 6, 0, SOFT | HARD, 0xf3000);
		fx_expire_only(&f, at + 7, 0, SOFT | HARD, 0xf3000, VMRT_FN_TICK);
		fx_expire_only(&f, at + 8, 0, SOFT, T1, VMRT_FN_TIMERFD);
		fx_wake(&f, at + 9, 0, SOFT);
		fx_sw(&f, at + 50, 0, 0, X);
		fx_arm(&f, at + 60, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		fx_sw(&f, at + 2 * MS, X, 1, 0);
	}
	fx_end(&f, 35 * MS, NULL);
	assert_int_equal(f.n, 3);
	for (size_t k = 0; k < 2; k++) {
		assert_us(fx_job(&f, k)->arrival_ns, ((int64_t)k + 1) * 10 * MS);
		assert_us(fx_job(&f, k)->release_ns, ((int64_t)k + 1) * 10 * MS + 8);
		assert_us(fx_job(&f, k)->end_ns, ((int64_t)k + 1) * 10 * MS + 2 * MS);
	}
}

/*
 * PREEMPT_RT before 5.12: Y is the kernel thread that expires soft timers, and its records bear no
 * flag of a softirq. In the second of three periods an interrupt of another thread takes the CPU
 * between the cancel and the expiry, in the third one between the expiry and the wake-up.
 */
static void a_kernel_thread_without_flags_may_expire_the_timers(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	for (int k = 1; k < 5; k++) {
		int64_t at = k * 10 * MS;

		fx_sw(&f, at + 10, 0, 0, Y);
		if (cancels_first)
			fx_cancel(&f, at + 12, Y, 0, T1);
		if (k == 2) {
			fx_sw(&f, at + 13, Y, 0, 7);
			/* the kernel's own, on behalf of Y, which has left */
			fx_cancel(&f, at + 13, Y, 0, T2);
			fx_sw(&f, at + 14, 7, 1, Y);
		}
		fx_expire_only(&f, at + 15, Y, 0, T1, VMRT_FN_TIMERFD);
		if (k == 3) {
			fx_sw(&f, at + 16, Y, 0, 7);
			fx_sw(&f, at + 17, 7, 1, Y);
		}
		fx_wake(&f, at + 18, Y, 0);
		fx_sw(&f, at + 20, Y, 1, X);
		fx_arm(&f, at + 30, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		fx_sw(&f, at + 2 * MS, X, 1, 0);
	}
	assert_int_equal(fx_end(&f, 45 * MS, NULL), VMRT_RELEASE_TIMERFD);
	assert_int_equal(f.n, 4);
	for (size_t k = 0; k < 3; k++) {
		assert_us(fx_job(&f, k)->arrival_ns, ((int64_t)k + 1) * 10 * MS);
		assert_us(fx_job(&f, k)->release_ns, ((int64_t)k + 1) * 10 * MS + 15);
		assert_us(fx_job(&f, k)->end_ns, ((int64_t)k + 1) * 10 * MS + 2 * MS);
		assert_int_equal(fx_job(&f, k)->outcome, VMRT_OUTCOME_MET);
	}
}

/* CLOCK_TAI leads the monotonic clock, too; its number was once taken for that of the ticks. */
static void sleeps_on_any_clock_are_releases(void **state)
{
	static const int clocks[] = {0 /* REALTIME */, 7 /* BOOTTIME */, 11 /* TAI */};

	(void)state;
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		static struct fixture f;
		int64_t lead = INT64_C(37) * VMRT_NS_PER_S;

		fx_begin(&f, "period = 10ms\n");
		fx_runs_from_the_beginning(&f);
		for (int k = 1; k < 6; k++) {
			int64_t at = k * 10 * MS;
			struct vmrt_event ev = {
				.type = VMRT_EV_TIMER_EXPIRE, .pid = 0, .flags = HARD};

			fx_setup_timer(&f, at - 8 * MS, T2, clocks[i], 0);
			fx_arm_raw(&f, at - 8 * MS, T2, VMRT_FN_WAKEUP, 0, at * US + lead, 0);
			fx_sw(&f, at - 8 * MS, X, 1, 0);
			if (cancels_first)
				fx_cancel(&f, at + 1, 0, HARD, T2);
			ev.timer.timer = T2;
			ev.timer.fn = VMRT_FN_WAKEUP;
			ev.timer.now = (at + 1) * US + lead;
			fx_push(&f, &ev, at + 1);
			fx_wake(&f, at + 2, 0, HARD);
			fx_sw(&f, at + 50, 0, 0, X);
		}
		assert_int_equal(fx_end(&f, 55 * MS, NULL), VMRT_RELEASE_NANOSLEEP);
		assert_int_equal(f.n, 5);
		for (size_t k = 0; k < 4; k++) {
			assert_us(fx_job(&f, k)->arrival_ns, ((int64_t)k + 1) * 10 * MS);
			assert_us(fx_job(&f, k)->release_ns, ((int64_t)k + 1) * 10 * MS + 1);
			assert_int_equal(fx_job(&f, k)->outcome, VMRT_OUTCOME_MET);
		}
	}
}

/*
 * The thread opened its timerfd before the recording began, as all programs do that ran already:
 * which clock the timer has, no record says. The one of another thread is 37 s from it, as TAI is.
 */
static void a_timer_set_up_before_the_recording_shows_its_clock_when_it_expires(void **state)
{
	static const int64_t leads[] = {LEAD, LEAD + INT64_C(37) * VMRT_NS_PER_S,
		INT64_C(3600) * VMRT_NS_PER_S /* suspended for an hour */};

	(void)state;
	for (size_t i = 0; i < sizeof(leads) / sizeof(leads[0]); i++) {
		static struct fixture f;
		int64_t lead = leads[i], period;

		fx_begin(&f, "period = 10ms\n");
		fx_runs_from_the_beginning(&f);
		fx_arm_raw(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 0, 10 * MS * US + lead, 0);
		fx_sw(&f, 3 * MS, X, 1, 0);
		for (int k = 1; k < 6; k++) {
			int64_t at = k * 10 * MS;
			struct vmrt_event ev = {
				.type = VMRT_EV_TIMER_EXPIRE, .pid = 0, .flags = HARD};

			ev.timer.timer = T2;
			ev.timer.fn = VMRT_FN_TIMERFD;
			ev.timer.now = (at - 3 * MS) * US + LEAD;
			fx_push(&f, &ev, at - 3 * MS);
			if (cancels_first)
				fx_cancel(&f, at + 20, 0, HARD, T1);
			ev.timer.timer = T1;
			ev.timer.now = (at + 20) * US + lead;
			fx_push(&f, &ev, at + 20);
			fx_wake(&f, at + 21, 0, HARD);
			fx_sw(&f, at + 50, 0, 0, X);
			fx_arm_raw(
				&f, at + 80, T1, VMRT_FN_TIMERFD, 0, (at + 10 * MS) * US + lead, 0);
			fx_sw(&f, at + 3 * MS - 1, X, 1, 0);
		}
		assert_int_equal(fx_end(&f, 55 * MS, &period), VMRT_RELEASE_TIMERFD);
		assert_us(period, 10 * MS);
		assert_int_equal(f.n, 5);
		for (size_t k = 0; k < 4; k++) {
			int64_t at = ((int64_t)k + 1) * 10 * MS;

			assert_us(fx_job(&f, k)->arrival_ns, at);
			assert_us(fx_job(&f, k)->release_ns, at + 20);
			assert_us(fx_job(&f, k)->end_ns, at + 3 * MS - 1);
			assert_int_equal(fx_job(&f, k)->outcome, VMRT_OUTCOME_MET);
			assert_int_equal(fx_job(&f, k)->skipped, 0);
		}
	}
}

/* Before 4.16 hrtimer_start has no mode; the set-up right before it has. */
static void where_the_arming_has_no_mode_that_of_the_set_up_counts(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 10ms\n");
	fx_runs_from_the_beginning(&f);
	for (int k = 1; k < 6; k++) {
		int64_t at = k * 10 * MS;

		fx_setup_timer(&f, at - 5 * MS, T2, 1, 0);
		fx_arm_raw(&f, at - 5 * MS, T2, VMRT_FN_WAKEUP, VMRT_TIMER_NO_MODE, at * US, 0);
		fx_sw(&f, at - 5 * MS, X, 1, 0);
		fx_wakes(&f, at, T2, VMRT_FN_WAKEUP);
		/* a nap within the job, at the same place of the stack, to the middle of the
		 * period: with a period that was not declared it would be a release, too */
		fx_setup_timer(&f, at + MS, T2, 1, VMRT_TIMER_REL);
		fx_arm_raw(
			&f, at + MS, T2, VMRT_FN_WAKEUP, VMRT_TIMER_NO_MODE, (at + 4 * MS) * US, 0);
		fx_sw(&f, at + MS, X, 1, 0);
		fx_wakes(&f, at + 4 * MS, T2, VMRT_FN_WAKEUP);
	}
	assert_int_equal(fx_end(&f, 58 * MS, NULL), VMRT_RELEASE_NANOSLEEP);
	assert_int_equal(f.n, 5);
	for (size_t k = 0; k < 4; k++) {
		assert_us(fx_job(&f, k)->arrival_ns, ((int64_t)k + 1) * 10 * MS);
		assert_us(fx_job(&f, k)->response_ns, 5 * MS);
		assert_us(fx_job(&f, k)->blame_ns[VMRT_BLAME_BLOCKING], 3 * MS);
	}
}

/* A thread that ended left with state 64 before 4.14: its id may belong to another one next. */
static void a_thread_that_left_as_dead_in_an_old_kernel_is_dead(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_died(&f, 12 * MS);
	fx_sw(&f, 12 * MS + 10, X, 64, 0);
	fx_born(&f, 20 * MS);
	fx_sw(&f, 21 * MS, 0, 0, X);
	fx_sleep_until(&f, 22 * MS, 30 * MS);
	fx_wakes(&f, 30 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 32 * MS, 40 * MS);
	fx_end(&f, 35 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_us(fx_job(&f, 0)->end_ns, 12 * MS);
	assert_us(fx_job(&f, 1)->arrival_ns, 30 * MS);
	assert_int_equal(fx_job(&f, 1)->skipped, 0);
}

/*
 * PREEMPT_RT: the tick comes upon the thread that handles timers, and another thread takes the CPU
 * from it, before it wakes X; which then waits for a lock that the thread gives up.
 */
static void an_interrupt_within_the_softirq_thread_does_not_hide_who_woke_the_task(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	f.other = "ksoftirqd/0";
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	for (int at = 10 * MS; at < 50 * MS; at += 10 * MS) {
		fx_sw(&f, at, 0, 0, Y);
		fx_expire_only(&f, at + 10, Y, SOFT, T1, VMRT_FN_TIMERFD);
		fx_expire_only(&f, at + 20, Y, HARD, 0xf9000, VMRT_FN_TICK);
		fx_sw(&f, at + 30, Y, 0, 33);
		fx_sw(&f, at + 40, 33, 1, Y);
		fx_wake(&f, at + 50, Y, SOFT);
		fx_sw(&f, at + 60, Y, 0, X);
		fx_sw(&f, at + 70, X, 2, Y);
		fx_wake(&f, at + 80, Y, SOFT);
		fx_sw(&f, at + 90, Y, 0, X);
		fx_arm(&f, at + 100, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		fx_sw(&f, at + 2 * MS, X, 1, Y);
		fx_sw(&f, at + 2 * MS + 20, Y, 1, 0);
	}
	fx_end(&f, 55 * MS, NULL);
	assert_true(f.n >= 4);
	for (int k = 0; k < 4; k++) {
		const struct vmrt_job *j = fx_job(&f, (size_t)k);
		int64_t at = (k + 1) * 10 * MS;

		assert_us(j->arrival_ns, at);
		assert_us(j->release_ns, at + 10);
		assert_us(j->start_ns, at + 60);
		if (k < 3)
			assert_us(j->end_ns, at + 2 * MS);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_interrupt_within_the_softirq_thread_does_not_hide_who_woke_the_task),
		cmocka_unit_test(a_timer_that_an_interrupt_cancels_does_not_expire),
		cmocka_unit_test(an_interrupt_may_come_between_the_two_reports_of_an_expiry),
		cmocka_unit_test(a_kernel_thread_without_flags_may_expire_the_timers),
		cmocka_unit_test(sleeps_on_any_clock_are_releases),
		cmocka_unit_test(
			a_timer_set_up_before_the_recording_shows_its_clock_when_it_expires),
		cmocka_unit_test(where_the_arming_has_no_mode_that_of_the_set_up_counts),
		cmocka_unit_test(a_thread_that_left_as_dead_in_an_old_kernel_is_dead),
	};
	int failed = cmocka_run_group_tests_name("kernels that report expiries", tests, NULL, NULL);

	cancels_first = true;
	return failed +
	       cmocka_run_group_tests_name(
		       "kernels that report each expiry as cancelled first", tests, NULL, NULL);
}
