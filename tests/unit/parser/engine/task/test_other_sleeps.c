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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_changes_the_way_it_waits_has_missed_nothing),
		cmocka_unit_test(naps_shorter_than_the_period_are_parts_of_a_late_job),
		cmocka_unit_test(naps_at_the_distance_of_the_period_are_parts_of_a_late_job),
	};

	return cmocka_run_group_tests_name("other sleeps", tests, NULL, NULL);
}
