/* SPDX-License-Identifier: MIT */
/* Jobs in which a switch is missing: what they ran is right, or marked as unsure. Times in us. */
#include "taskfix.h"

/* Another CPU's thread leaves, so that all accounts are settled then. */
static void elsewhere(struct fixture *f, int64_t at, int prev, int next)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .pid = prev, .cpu = 1};

	ev.sw.prev_comm = ev.sw.next_comm = "z";
	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_prio = ev.sw.next_prio = FAIR;
	ev.sw.prev_state = 1;
	fx_push(f, &ev, at);
}

static void begin(struct fixture *f)
{
	fx_begin(f, "period = 10ms\ndeadline = 10ms\nwcet = 5ms\n");
	fx_runs_from_the_beginning(f);
	fx_sleep_until(f, 2 * MS, 10 * MS);
}

/* X is woken at 10.002 ms on the idle CPU; the switch to it is missing, and 1.5 ms later it shows.
 */
static void a_thread_that_was_woken_on_an_idle_cpu_has_run_since_then(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f);
	fx_expire(&f, 10 * MS, 0, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 10 * MS + 2, 0, HARD);
	elsewhere(&f, 10 * MS + 400, 0, 77);
	elsewhere(&f, 11 * MS, 77, 0);
	fx_sleep_until(&f, 11 * MS + 500, 20 * MS);
	fx_end(&f, 12 * MS, NULL);
	assert_int_equal(f.n, 1);
	assert_true(fx_job(&f, 0)->inferred);
	/* from 5 us behind its wake-up on, which the kernel needs */
	assert_us(fx_job(&f, 0)->start_ns, 10 * MS + 7);
	assert_us(fx_job(&f, 0)->exec_ns, 1500 - 7);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_RELEASE], 7);
	/* but nothing proves that it was not the whole time between the records later */
	assert_us(fx_job(&f, 0)->unsure_ns, 1500 - 2);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MET);
}

/* From 11 to 14 ms it is not known whether X or Y had the CPU. */
static void time_that_may_be_another_threads_is_unsure(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_expire(&f, 11 * MS, X, 0xf9000, VMRT_FN_TICK);
	fx_expire(&f, 14 * MS, Y, 0xf9000, VMRT_FN_TICK);
	fx_sw(&f, 15 * MS, Y, 1, X);
	fx_sleep_until(&f, 16 * MS, 20 * MS);
	fx_end(&f, 17 * MS, NULL);
	assert_int_equal(f.n, 1);
	/* 0.95 ms up to 11 ms, 1 ms from 15 ms on, and half of the three in between */
	assert_us(fx_job(&f, 0)->exec_ns, 950 + 1000 + 1500);
	assert_us(fx_job(&f, 0)->unsure_ns, 3 * MS);
}

/* The next job has nothing to do with that. */
static void a_job_behind_the_missing_switch_is_sure(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_expire(&f, 11 * MS, X, 0xf9000, VMRT_FN_TICK);
	fx_expire(&f, 14 * MS, Y, 0xf9000, VMRT_FN_TICK);
	fx_sw(&f, 15 * MS, Y, 1, X);
	fx_sleep_until(&f, 16 * MS, 20 * MS);
	fx_wakes(&f, 20 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 22 * MS, 30 * MS);
	fx_end(&f, 23 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_us(fx_job(&f, 1)->exec_ns, 1950);
	assert_us(fx_job(&f, 1)->unsure_ns, 0);
	assert_false(fx_job(&f, 1)->inferred);
}

/* Y takes the CPU at 11 ms. That X, 40 us later, arms the timer of its sleep shows that it has come
 * back: no kernel does that on behalf of a thread that has left. */
static void a_sleep_armed_shortly_behind_a_preemption_shows_a_missing_switch(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sw(&f, 11 * MS, X, 0, Y);
	fx_sleep_until(&f, 11 * MS + 40, 20 * MS);
	fx_end(&f, 12 * MS, NULL);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.stats.broken_chains, 1);
	/* from 10.05 to 11 ms, and half of the 40 us */
	assert_us(fx_job(&f, 0)->exec_ns, 950 + 20);
	assert_us(fx_job(&f, 0)->unsure_ns, 40);
	assert_us(fx_job(&f, 0)->end_ns, 11 * MS + 40);
}

/*
 * X goes on on CPU 1 at 13 ms; that it left CPU 0 is missing. Its tick of 11 ms was there, but its
 * cancelled timer 3 us later may have been recorded when it had left already.
 */
static void who_goes_on_elsewhere_may_have_left_before_its_last_cancelled_timer(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_expire(&f, 11 * MS, X, 0xf9000, VMRT_FN_TICK);
	fx_cancel(&f, 11 * MS + 3, X, 0, 0xf8000);
	f.cpu = 1;
	fx_sw(&f, 13 * MS, 0, 0, X);
	fx_sleep_until(&f, 14 * MS, 20 * MS);
	fx_end(&f, 15 * MS, NULL);
	assert_int_equal(f.n, 1);
	assert_us(fx_job(&f, 0)->end_ns, 14 * MS);
	assert_us(fx_job(&f, 0)->unsure_ns, 2 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_thread_that_was_woken_on_an_idle_cpu_has_run_since_then),
		cmocka_unit_test(time_that_may_be_another_threads_is_unsure),
		cmocka_unit_test(a_job_behind_the_missing_switch_is_sure),
		cmocka_unit_test(
			who_goes_on_elsewhere_may_have_left_before_its_last_cancelled_timer),
		cmocka_unit_test(a_sleep_armed_shortly_behind_a_preemption_shows_a_missing_switch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
