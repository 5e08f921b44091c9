/* SPDX-License-Identifier: MIT */
/*
 * A CPU that records nothing for a while though it runs, and no counter says so: where the records
 * behind that contradict those before by more than a missing switch, what happened meanwhile is
 * unknown. Times are in us.
 */
#include "catchupfix.h"

/* Both CPUs record something; X is on CPU 0. */
static void begin_on_two(struct fixture *f)
{
	struct vmrt_event ev = {.type = VMRT_EV_OTHER, .cpu = 1};

	begin(f, "period = 10ms\ndeadline = 100ms\n", 10 * MS);
	fx_push(f, &ev, 3 * MS);
}

/* In time until the job of 50 ms, which begins at 50.005 ms. Then nothing is recorded. */
static void begin_with_five_jobs(struct fixture *f)
{
	begin_on_two(f);
	for (int k = 1; k < 5; k++)
		runs_until(f, k * 10 * MS, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
}

/* The jobs that arrive from 50 to @last ms are unknown, all others met. */
static void assert_unknown_until(struct fixture *f, int64_t last)
{
	size_t unknown = 0;

	for (size_t i = 0; i < f->n; i++)
		unknown += fx_job(f, i)->outcome == VMRT_OUTCOME_UNKNOWN;
	assert_int_equal(unknown, (last - 50 * MS) / (10 * MS) + 1);
	assert_us(fx_job(f, 4)->arrival_ns, 50 * MS);
	assert_int_equal(fx_job(f, 4)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_true(fx_job(f, 4)->exec_ns == VMRT_UNKNOWN);
	assert_us(fx_job(f, f->n - 1)->arrival_ns, last + 10 * MS);
	assert_us(fx_job(f, f->n - 1)->response_ns, 2 * MS);
	assert_int_equal(fx_job(f, f->n - 1)->outcome, VMRT_OUTCOME_MET);
	assert_int_equal(f->stats.unrecorded, 1);
}

/* X runs at 90.005 ms, and in time from 100 ms on: the jobs from 50 to 90 ms are unknown. */
static void assert_unknown_until_it_runs_at_90(struct fixture *f)
{
	fx_sw(f, 90 * MS + 5, 0, 0, X);
	fx_sleep_until(f, 92 * MS, 100 * MS);
	runs_until(f, 100 * MS, 102 * MS, 110 * MS);
	fx_end(f, 105 * MS, NULL);
	assert_unknown_until(f, 90 * MS);
}

/* At 90 ms the timer of X expires again, though it was armed to 50 ms last: X has slept, and armed
 * it, perhaps more than once. Without that there would be one job of 42 ms, met. */
static void a_timer_that_expires_twice_was_armed_in_between(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_five_jobs(&f);
	fx_wakes(&f, 50 * MS, T2, VMRT_FN_WAKEUP);
	fx_expire(&f, 90 * MS, 0, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 90 * MS, 0, HARD);
	assert_unknown_until_it_runs_at_90(&f);
}

/* At 90.005 ms X runs, which slept until 50 ms: neither the expiry of its timer nor its wake-up was
 * recorded, as they were before. */
static void who_runs_without_expiry_and_wake_up_has_run_before(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_five_jobs(&f);
	assert_unknown_until_it_runs_at_90(&f);
}

/* At 90 ms another timer, which nobody has armed, wakes X, which seems to work since 50.05 ms. */
static void a_sleep_that_nobody_began_was_not_recorded(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_five_jobs(&f);
	fx_wakes(&f, 50 * MS, T2, VMRT_FN_WAKEUP);
	fx_sw(&f, 51 * MS, X, 1, 0); /* within its job */
	fx_expire(&f, 90 * MS, 0, T2 + 64, VMRT_FN_WAKEUP);
	fx_wake(&f, 90 * MS, 0, HARD);
	assert_unknown_until_it_runs_at_90(&f);
}

/* X slept until 50 ms; at 90 ms it is woken by another thread, but that its timer has expired was
 * not recorded. */
static void who_is_woken_behind_an_expiry_that_is_missing_has_run_before(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_five_jobs(&f);
	fx_wake(&f, 90 * MS, Y, 0);
	assert_unknown_until_it_runs_at_90(&f);
}

/* The same where CPU 1 is not recorded: the timer may have expired there. */
static void what_another_cpu_may_have_done_is_not_missing(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\ndeadline = 100ms\n", 10 * MS);
	for (int k = 1; k < 5; k++)
		runs_until(&f, k * 10 * MS, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
	fx_sw(&f, 50 * MS + 205, 0, 0, X);
	fx_sleep_until(&f, 52 * MS, 60 * MS);
	fx_end(&f, 55 * MS, NULL);
	assert_int_equal(f.stats.unrecorded, 0);
	assert_int_equal(fx_job(&f, 4)->outcome, VMRT_OUTCOME_MET);
	assert_us(fx_job(&f, 4)->response_ns, 2 * MS);
}

/* Only the switch to X is missing: its job has begun between 50 and 52 ms, and ends at 52 ms. */
static void a_missing_switch_alone_is_no_silent_hole(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_five_jobs(&f);
	fx_expire(&f, 50 * MS, 0, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 50 * MS, 0, HARD);
	fx_sleep_until(&f, 52 * MS, 60 * MS);
	runs_until(&f, 60 * MS, 62 * MS, 70 * MS);
	fx_end(&f, 65 * MS, NULL);
	assert_us(fx_job(&f, 4)->response_ns, 2 * MS);
	assert_int_equal(fx_job(&f, 4)->outcome, VMRT_OUTCOME_MET);
	assert_int_equal(f.stats.inferred_switches, 1);
	assert_int_equal(f.stats.unrecorded, 0);
}

/* CPU 1 expires the timer 0.6 ms too late and wakes X, which by the record clock, known to 20 us,
 * had begun to run on CPU 0 before. */
static void a_late_expiry_may_be_recorded_behind_the_run(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_five_jobs(&f);
	f.machine.record_error_ns = 20 * US;
	fx_sw(&f, 50 * MS + 600, 0, 0, X);
	fx_expire(&f, 50 * MS + 605, 1, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 50 * MS + 605, 1, HARD);
	fx_sleep_until(&f, 52 * MS, 60 * MS);
	runs_until(&f, 60 * MS, 62 * MS, 70 * MS);
	fx_end(&f, 65 * MS, NULL);
	assert_int_equal(f.stats.unrecorded, 0);
	assert_us(fx_job(&f, 4)->arrival_ns, 50 * MS);
	assert_us(fx_job(&f, 4)->response_ns, 2 * MS);
	assert_int_equal(fx_job(&f, 4)->outcome, VMRT_OUTCOME_MET);
}

/* Where no expiries are recorded at all, none is missing. */
static void what_is_never_recorded_is_not_missing(void **state)
{
	static struct fixture f;

	(void)state;
	begin_on_two(&f);
	for (int k = 1; k < 7; k++) {
		fx_wake(&f, k * 10 * MS + 200, 0, HARD);
		fx_sw(&f, k * 10 * MS + 205, 0, 0, X);
		fx_sleep_until(&f, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
	}
	fx_end(&f, 65 * MS, NULL);
	assert_int_equal(f.stats.unrecorded, 0);
	assert_int_equal(fx_job(&f, 4)->outcome, VMRT_OUTCOME_MET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timer_that_expires_twice_was_armed_in_between),
		cmocka_unit_test(who_runs_without_expiry_and_wake_up_has_run_before),
		cmocka_unit_test(a_sleep_that_nobody_began_was_not_recorded),
		cmocka_unit_test(who_is_woken_behind_an_expiry_that_is_missing_has_run_before),
		cmocka_unit_test(what_another_cpu_may_have_done_is_not_missing),
		cmocka_unit_test(a_missing_switch_alone_is_no_silent_hole),
		cmocka_unit_test(a_late_expiry_may_be_recorded_behind_the_run),
		cmocka_unit_test(what_is_never_recorded_is_not_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
