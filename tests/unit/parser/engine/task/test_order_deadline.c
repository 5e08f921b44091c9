/* SPDX-License-Identifier: MIT */
/* Tasks under SCHED_DEADLINE, recorded in a clock with an error: yields and replenishments seem to
 * come too early or too late. */
#include "taskfix.h"

/* X yields: its reservation ends at @until. */
static void yields(struct fixture *f, int64_t at, int64_t until)
{
	fx_arm_raw(f, at, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, until * US, 0);
	fx_sw(f, at + 3, X, 0, 0);
}

/* A recording whose clock is known to 500 us; X has yielded until 10 ms. */
static void begin_with_reservation(struct fixture *f, const char *keys)
{
	fx_begin(f, keys);
	f->machine.record_error_ns = 500 * US;
	f->prio = DL;
	fx_runs_from_the_beginning(f);
	f->depth = 2;
	yields(f, 2 * MS, 10 * MS);
}

/*
 * The record clock is known to 500 us: what X does behind its release of 10 ms is recorded 400 us
 * early, so that its reservation, which ends at 20 ms, seems to be armed 10.2 ms ahead, longer than
 * its period.
 */
static void a_reservation_may_seem_to_end_behind_the_next_period(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_reservation(&f, "period = 10ms\nrelease = deadline\n");
	fx_sw(&f, 9 * MS + 700, 0, 0, X);
	yields(&f, 9 * MS + 800, 20 * MS);
	fx_expire(&f, 20 * MS + 5, 0, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 20 * MS + 20, 0, 0, X);
	yields(&f, 23 * MS, 30 * MS);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 23 * MS);
	assert_us(fx_job(&f, 0)->exec_ns, 3 * MS - 20);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MET);
}

/*
 * The record clock is off by up to 500 us. A job uses up its runtime and ends behind the
 * replenishment; by the clock, which is 400 us behind then, the next one is 10.4 ms ahead. The next
 * job ends by a clock that is ahead: the replenishment it waits for seems to be due already.
 */
static void a_yield_by_a_clock_with_an_error_waits_for_the_replenishment(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_reservation(&f, "period = 10ms\ndeadline = 20ms\nrelease = deadline\n");
	fx_expire(&f, 10 * MS, 0, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 10 * MS + 20, 0, 0, X);
	f.depth = 3;
	yields(&f, 15 * MS, 20 * MS);
	fx_expire(&f, 19 * MS + 600, 0, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 19 * MS + 602, 0, 0, X);
	f.depth = 2;
	yields(&f, 19 * MS + 650, 30 * MS);
	fx_expire(&f, 30 * MS, 0, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 30 * MS + 20, 0, 0, X);
	yields(&f, 40 * MS + 300, 40 * MS);
	fx_expire(&f, 40 * MS + 400, 0, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 40 * MS + 410, 0, 0, X);
	yields(&f, 42 * MS, 50 * MS);
	fx_end(&f, 43 * MS, NULL);
	assert_int_equal(f.n, 3);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 19 * MS + 650);
	assert_us(fx_job(&f, 1)->arrival_ns, 30 * MS);
	assert_us(fx_job(&f, 1)->end_ns, 40 * MS + 300);
	assert_us(fx_job(&f, 2)->arrival_ns, 40 * MS);
	assert_us(fx_job(&f, 2)->end_ns, 42 * MS);
}

/* X runs again on CPU 0, and CPU 1 records the replenishment of 20 ms behind that. */
static void replenished_too_late(struct fixture *f, int64_t runs, int64_t expires)
{
	begin_with_reservation(f, "period = 10ms\nrelease = deadline\n");
	fx_expire(f, 10 * MS, 0, T1, VMRT_FN_DEADLINE);
	fx_sw(f, 10 * MS + 20, 0, 0, X);
	yields(f, 12 * MS, 20 * MS);
	fx_sw(f, runs, 0, 0, X);
	f->cpu = 1;
	fx_expire(f, expires, 0, T1, VMRT_FN_DEADLINE);
	f->cpu = 0;
	yields(f, 23 * MS, 30 * MS);
	fx_end(f, 24 * MS, NULL);
	assert_us(fx_job(f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(f, 1)->end_ns, 23 * MS);
	assert_int_equal(fx_job(f, 1)->outcome, VMRT_OUTCOME_MET);
}

/* It runs only because it was replenished: the job starts there. */
static void who_yielded_starts_when_it_runs_though_its_timer_is_recorded_later(void **state)
{
	static struct fixture f;

	(void)state;
	replenished_too_late(&f, 20 * MS + 100, 20 * MS + 180);
	assert_us(fx_job(&f, 1)->start_ns, 20 * MS + 100);
	assert_us(fx_job(&f, 1)->release_ns, 20 * MS + 100);
	assert_us(fx_job(&f, 1)->exec_ns, 3 * MS - 100);
	assert_us(fx_job(&f, 1)->blame_ns[VMRT_BLAME_RELEASE], 100);
}

/* Its run is recorded before the job can have arrived: the job starts when its timer shows. */
static void who_yielded_and_seems_to_run_too_early_starts_with_its_timer(void **state)
{
	static struct fixture f;

	(void)state;
	replenished_too_late(&f, 19 * MS + 800, 20 * MS + 100);
	assert_us(fx_job(&f, 1)->start_ns, 20 * MS + 100);
	assert_us(fx_job(&f, 1)->release_ns, 20 * MS + 100);
	assert_us(fx_job(&f, 1)->exec_ns, 3 * MS - 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reservation_may_seem_to_end_behind_the_next_period),
		cmocka_unit_test(a_yield_by_a_clock_with_an_error_waits_for_the_replenishment),
		cmocka_unit_test(
			who_yielded_starts_when_it_runs_though_its_timer_is_recorded_later),
		cmocka_unit_test(who_yielded_and_seems_to_run_too_early_starts_with_its_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
