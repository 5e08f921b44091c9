/* SPDX-License-Identifier: MIT */
/*
 * Tasks that are late and go on without a sleep, and threads that wait in another way than their
 * task. Times are in us.
 */
#include "catchupfix.h"

#include <string.h>

/*
 * rt-app's relative timer: four jobs in time, then one from 50 to 67 ms, after which the period
 * begins anew at 67 ms without a sleep: the next job goes from 67 to 69 ms and sleeps until 77 ms.
 */
static void a_period_that_begins_anew_shows_the_end_of_the_late_job(void **state)
{
	static struct fixture f;
	const struct vmrt_job *late, *next;

	(void)state;
	begin(&f, "period = 10ms\nwcet = 12ms\ndeadline = 15ms\n", 10 * MS);
	for (int k = 1; k < 5; k++)
		runs_until(&f, k * 10 * MS, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
	runs_until(&f, 50 * MS, 69 * MS, 77 * MS);
	runs_until(&f, 77 * MS, 79 * MS, 87 * MS);
	assert_int_equal(contradiction_of(&f).missing, 0);
	fx_end(&f, 80 * MS, NULL);
	assert_int_equal(f.n, 7);
	late = fx_job(&f, 4);
	assert_us(late->arrival_ns, 50 * MS);
	assert_us(late->end_ns, 67 * MS);
	assert_us(late->response_ns, 17 * MS);
	assert_us(late->exec_ns, 17 * MS - 50);
	assert_us(late->blame_ns[VMRT_BLAME_OVERRUN], 5 * MS - 50);
	assert_int_equal(late->outcome, VMRT_OUTCOME_MISSED);
	next = fx_job(&f, 5);
	assert_int_equal(next->k, late->k + 1);
	assert_us(next->arrival_ns, 67 * MS);
	assert_us(next->start_ns, 67 * MS);
	assert_us(next->end_ns, 69 * MS);
	assert_us(next->exec_ns, 2 * MS);
	/* no overrun of its own */
	assert_us(next->blame_ns[VMRT_BLAME_EXEC], 2 * MS);
	assert_us(next->blame_ns[VMRT_BLAME_OVERRUN], 0);
	assert_int_equal(next->outcome, VMRT_OUTCOME_MET);
	assert_us(fx_job(&f, 6)->arrival_ns, 77 * MS);
	assert_int_equal(fx_job(&f, 6)->skipped, 0);
}

/* From 50 ms until the period begins anew at 73 ms there may have been one late job, or two. */
static void a_late_job_that_may_hide_another_one_has_no_end(void **state)
{
	static struct fixture f;
	const struct vmrt_job *late;

	(void)state;
	begin(&f, "period = 10ms\n", 10 * MS);
	for (int k = 1; k < 5; k++)
		runs_until(&f, k * 10 * MS, k * 10 * MS + 8 * MS, (k + 1) * 10 * MS);
	runs_until(&f, 50 * MS, 81 * MS, 83 * MS);
	runs_until(&f, 83 * MS, 85 * MS, 93 * MS);
	assert_int_equal(contradiction_of(&f).missing, 1);
	assert_non_null(strstr(contradiction_of(&f).text, "1 job may be missing"));
	fx_end(&f, 86 * MS, NULL);
	late = fx_job(&f, 4);
	assert_int_equal(late->outcome, VMRT_OUTCOME_MISSED);
	assert_true(late->end_ns == VMRT_UNKNOWN);
	assert_true(late->response_ns == VMRT_UNKNOWN);
	assert_true(late->exec_ns == VMRT_UNKNOWN);
	assert_us(fx_job(&f, 5)->arrival_ns, 73 * MS);
	assert_us(fx_job(&f, 5)->response_ns, 8 * MS);
}

/* The first job began at 70 ms, after a long wait: no other one can have been late before 73 ms. */
static void a_job_that_began_late_hides_no_other(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n", 10 * MS);
	for (int k = 1; k < 5; k++)
		runs_until(&f, k * 10 * MS, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
	fx_sw(&f, 49 * MS, 0, 0, Y);
	fx_expire(&f, 50 * MS, Y, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 50 * MS, Y, HARD);
	fx_sw(&f, 70 * MS, Y, 0, X);
	fx_sleep_until(&f, 76 * MS, 83 * MS);
	runs_until(&f, 83 * MS, 85 * MS, 93 * MS);
	assert_int_equal(contradiction_of(&f).missing, 0);
	fx_end(&f, 86 * MS, NULL);
	assert_us(fx_job(&f, 4)->response_ns, 23 * MS);
	assert_us(fx_job(&f, 4)->blame_ns[VMRT_BLAME_INTERFERENCE], 20 * MS);
	assert_us(fx_job(&f, 5)->response_ns, 3 * MS);
}

/*
 * Nine jobs of 8 ms, then one that begins at 113 ms, after a wait; the period begins anew at 125
 * ms. A first job of 1 ms and a second one from 114 to 125 ms would look like that, too: that none
 * has been shorter than 8 ms so far does not say that none is.
 */
static void a_job_may_be_shorter_than_all_before(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n", 10 * MS);
	for (int k = 1; k < 10; k++)
		runs_until(&f, k * 10 * MS, k * 10 * MS + 8 * MS, (k + 1) * 10 * MS);
	fx_sw(&f, 99 * MS, 0, 0, Y);
	fx_expire(&f, 100 * MS, Y, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 100 * MS, Y, HARD);
	fx_sw(&f, 113 * MS, Y, 0, X);
	fx_sleep_until(&f, 130 * MS, 135 * MS);
	runs_until(&f, 135 * MS, 137 * MS, 145 * MS);
	assert_int_equal(contradiction_of(&f).missing, 1);
	fx_end(&f, 138 * MS, NULL);
	assert_us(fx_job(&f, 9)->arrival_ns, 100 * MS);
	assert_int_equal(fx_job(&f, 9)->outcome, VMRT_OUTCOME_MISSED);
	assert_true(fx_job(&f, 9)->end_ns == VMRT_UNKNOWN);
	assert_us(fx_job(&f, 10)->arrival_ns, 125 * MS);
	assert_us(fx_job(&f, 10)->response_ns, 5 * MS);
}

/* It computes its next release when it is ready, late or not: there is one job, not two. */
static void a_job_that_only_arms_late_is_one(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n", 10 * MS);
	for (int k = 1; k < 5; k++)
		runs_until(&f, k * 10 * MS, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
	runs_until(&f, 50 * MS, 63 * MS + 20, 73 * MS);
	runs_until(&f, 73 * MS, 75 * MS, 83 * MS);
	fx_end(&f, 76 * MS, NULL);
	assert_int_equal(f.n, 6);
	assert_us(fx_job(&f, 4)->response_ns, 13 * MS + 20);
	assert_us(fx_job(&f, 5)->arrival_ns, 73 * MS);
}

/*
 * A loop that sleeps for what is left: its releases are some us behind the grid. From 60 ms it is
 * at work until 85 ms, and the releases of 70 and 80 ms pass.
 */
static void a_loop_that_sleeps_for_what_is_left_catches_up(void **state)
{
	for (int relative = 0; relative < 2; relative++) {
		static struct fixture f;
		static const int off[] = {11, 17, 9, 14, 21, 12, 10, 8, 19, 15, 13};
		int64_t due = 10 * MS + 7;
		size_t first = 0;

		(void)state;
		begin(&f, relative ? "period = 10ms\nrelease = relative\n" : "period = 10ms\n",
			due);
		for (int k = 1; k < 10; k++) {
			int64_t end = k == 6 ? 85 * MS : k * 10 * MS + 2 * MS + off[k] * 50;
			int64_t next = (k == 6	       ? 90
					       : k > 6 ? (k + 3) * 10
						       : (k + 1) * 10) *
					       MS +
				       off[k];

			if (k > 6)
				end += 20 * MS;
			fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
			if (relative)
				fx_sleep_for(&f, end, next);
			else
				fx_sleep_until(&f, end, next);
			due = next;
		}
		assert_int_equal(contradiction_of(&f).missing, 0);
		fx_end(&f, due + 1, NULL);
		while (first < f.n && (fx_job(&f, first)->arrival_ns == VMRT_UNKNOWN ||
					      fx_job(&f, first)->arrival_ns < 59 * MS * US))
			first++;
		assert_int_equal(fx_job(&f, first)->outcome, VMRT_OUTCOME_MISSED);
		assert_int_equal(fx_job(&f, first + 1)->outcome, VMRT_OUTCOME_MISSED);
		assert_true(fx_job(&f, first)->end_ns == VMRT_UNKNOWN);
		assert_true(fx_job(&f, first + 1)->end_ns == VMRT_UNKNOWN);
		assert_int_equal(fx_job(&f, first + 2)->outcome, VMRT_OUTCOME_MET);
		assert_us(fx_job(&f, first + 2)->end_ns, 85 * MS);
		assert_us(fx_job(&f, first + 2)->response_ns, 5 * MS - off[5]);
		assert_true(fx_job(&f, first + 2)->exec_ns == VMRT_UNKNOWN);
		assert_us(fx_job(&f, first + 3)->arrival_ns, 90 * MS + off[6]);
		for (size_t i = 0; i < f.n; i++)
			assert_int_equal(f.jobs[i].skipped, 0);
	}
}

/*
 * The same where no period is declared: it is found from the distances, since the sleeps are of
 * many lengths. From @late * 10 ms it is at work for 25 ms. Before the period is certain, the two
 * releases that pass are only counted.
 */
static void a_loop_without_a_declared_period_catches_up(void **state)
{
	(void)state;
	for (int late = 3; late <= 24; late += late < 11 ? 4 : 13) {
		static struct fixture f;
		static const int off[] = {11, 17, 9, 14, 21, 12, 10, 8, 19, 15, 13};
		struct vmrt_task_contradiction found;
		int passed = 0, missed = 0, due = 10 * MS + 7;

		fx_begin(&f, "");
		fx_runs_from_the_beginning(&f);
		fx_sleep_for(&f, 2 * MS, 10 * MS + 7);
		for (int k = 1; k < 30; k++) {
			int end = (k + passed) * 10 * MS + 1 * MS + k % 7 * 700;

			fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
			if (k == late) {
				end = k * 10 * MS + 25 * MS;
				passed = 2;
			}
			due = (k + 1 + passed) * 10 * MS + off[k % 11];
			fx_sleep_for(&f, end, due);
		}
		found = contradiction_of(&f);
		fx_end(&f, 313 * MS, NULL);
		for (size_t i = 0; i < f.n; i++)
			missed += fx_job(&f, i)->end_ns == VMRT_UNKNOWN &&
				  fx_job(&f, i)->outcome == VMRT_OUTCOME_UNKNOWN;
		assert_int_equal(found.missing, late < 11 ? 2 : 0);
		assert_int_equal(missed, late < 11 ? 0 : 2);
	}
}

/*
 * The same with jobs that take 2 ms, and sleeps of 8 ms, but for every sixth job, which takes 25
 * ms; two jobs of 2 ms follow without a sleep, of which the first one ends 17 ms, the second one 9
 * ms after its release, and then a sleep of 1 ms. That it comes back to the grid at 90, 170 and 250
 * ms shows its period: the late jobs before that hide 6 others. Those at 300, 380 and 460 ms, and
 * the ones behind them, have missed and have no end.
 * @fixed: it sleeps for 8 ms whatever its jobs take, and has no grid to come back to.
 */
static void a_loop_with_jobs_of_one_length_shows_its_period_when_it_was_late(void **state)
{
	static const int off[] = {11, 17, 9, 14, 21, 12, 10, 8, 19, 15, 13};

	(void)state;
	for (int fixed = 0; fixed < 2; fixed++) {
		static struct fixture f;
		struct vmrt_task_contradiction found;
		int due = 10 * MS, grid = 10 * MS, without = 0, late = 0;

		fx_begin(&f, "deadline = 10ms\n");
		fx_runs_from_the_beginning(&f);
		fx_sleep_for(&f, 2 * MS, due);
		for (int k = 1; k < 42; k++) {
			int end = due + (k % 6 ? 2 : 25) * MS;

			fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
			/* two jobs of 2 ms, which are late, too */
			end += k % 6 || fixed ? 0 : 4 * MS;
			grid += (k % 6 ? 10 : 30) * MS;
			due = fixed ? end + 8 * MS : grid + off[k % 11];
			fx_sleep_for(&f, end, due);
		}
		found = contradiction_of(&f);
		fx_end(&f, due - MS, NULL);
		for (size_t i = 0; i < f.n; i++) {
			without += fx_job(&f, i)->outcome == VMRT_OUTCOME_MISSED &&
				   fx_job(&f, i)->end_ns == VMRT_UNKNOWN;
			late += fx_job(&f, i)->outcome == VMRT_OUTCOME_MISSED;
		}
		assert_int_equal(found.missing, fixed ? 0 : 6);
		assert_int_equal(late, fixed ? 6 : 3 + 3 * 2);
		assert_int_equal(without, fixed ? 0 : 3 * 2);
	}
}

/* Its next release has passed, so it sleeps for no time at all. */
static void a_sleep_of_zero_is_for_the_release_that_has_passed(void **state)
{
	static struct fixture f;
	int64_t due = 10 * MS + 7;

	(void)state;
	begin(&f, "period = 10ms\n", due);
	for (int k = 1; k < 6; k++) {
		fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
		due = (k + 1) * 10 * MS + 5 + k * 7 % 20; /* at last 20 us behind */
		fx_sleep_until(&f, k * 10 * MS + 2 * MS, due);
	}
	fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
	fx_arm(&f, 74 * MS, T2, VMRT_FN_WAKEUP, 74 * MS - 1);
	fx_expire(&f, 74 * MS + 2, X, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 74 * MS + 3, X, HARD);
	fx_sleep_until(&f, 76 * MS, 80 * MS + 6);
	fx_wakes(&f, 80 * MS + 6, T2, VMRT_FN_WAKEUP);
	fx_end(&f, 81 * MS, NULL);
	assert_us(fx_job(&f, 5)->arrival_ns, 60 * MS + 20);
	assert_us(fx_job(&f, 5)->end_ns, 74 * MS);
	assert_us(fx_job(&f, 6)->arrival_ns, 70 * MS + 20);
	assert_us(fx_job(&f, 6)->response_ns, 6 * MS - 20);
	assert_us(fx_job(&f, 7)->arrival_ns, 80 * MS + 6);
}

/* It was ready at 62 ms, and slept until 80 ms nevertheless. */
static void a_release_that_is_left_out_in_time_is_no_job(void **state)
{
	static struct fixture f;
	int64_t due = 10 * MS + 7;

	(void)state;
	begin(&f, "period = 10ms\n", due);
	for (int k = 1; k < 7; k++) {
		fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
		due = (k + (k == 6 ? 2 : 1)) * 10 * MS + 5 + k * 7 % 20;
		fx_sleep_until(&f, k * 10 * MS + 2 * MS, due);
	}
	fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 82 * MS, 90 * MS);
	fx_end(&f, 83 * MS, NULL);
	assert_int_equal(f.n, 7);
	for (size_t i = 0; i < f.n; i++)
		assert_int_equal(fx_job(&f, i)->outcome, VMRT_OUTCOME_MET);
	assert_int_equal(fx_job(&f, 6)->skipped, 1);
}

static void releases_left_out_on_the_grid_are_skipped_as_before(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n", 10 * MS);
	for (int k = 1; k < 5; k++)
		runs_until(&f, k * 10 * MS, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
	runs_until(&f, 50 * MS, 75 * MS, 80 * MS);
	runs_until(&f, 80 * MS, 82 * MS, 90 * MS);
	assert_string_equal(contradiction_of(&f).text, "");
	fx_end(&f, 83 * MS, NULL);
	assert_int_equal(f.n, 6);
	assert_us(fx_job(&f, 4)->response_ns, 25 * MS);
	assert_int_equal(fx_job(&f, 5)->skipped, 2);
}

/*
 * While it is on trial whether relative sleeps are releases, a late job is one job, too: that of 40
 * ms ends at 58 ms, and the sleep of 7 ms behind it is not the rest of a period that began anew.
 */
static void a_relative_sleep_on_trial_begins_no_period_anew(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_for(&f, 2 * MS, 10 * MS);
	for (int k = 1; k < 6; k++) {
		fx_wakes(&f, k < 5 ? k * 10 * MS : 65 * MS, T2, VMRT_FN_WAKEUP);
		if (k < 4)
			fx_sleep_for(&f, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
		else
			fx_sleep_for(&f, k == 4 ? 58 * MS : 67 * MS, k == 4 ? 65 * MS : 75 * MS);
	}
	assert_int_equal(fx_end(&f, 70 * MS, NULL), VMRT_RELEASE_RELATIVE);
	assert_int_equal(f.n, 5);
	assert_us(fx_job(&f, 3)->arrival_ns, 40 * MS);
	assert_us(fx_job(&f, 3)->end_ns, 58 * MS);
	assert_us(fx_job(&f, 3)->response_ns, 18 * MS);
	assert_us(fx_job(&f, 3)->exec_ns, 18 * MS - 50);
	assert_us(fx_job(&f, 4)->arrival_ns, 65 * MS);
}

/*
 * The second job is at work until 45 ms, and the next release, at 50 ms, is near the grid but not
 * on it: whether the task sleeps for what is left of a period, and was late for three jobs, or left
 * two out, no record has shown yet.
 */
static void before_it_is_known_how_a_task_catches_up_a_late_job_has_no_end(void **state)
{
	static struct fixture f;
	struct vmrt_task_contradiction found;

	(void)state;
	begin(&f, "period = 10ms\n", 10 * MS + 7);
	runs_until(&f, 10 * MS + 7, 12 * MS, 20 * MS + 11);
	runs_until(&f, 20 * MS + 11, 45 * MS, 50 * MS + 16);
	runs_until(&f, 50 * MS + 16, 52 * MS, 60 * MS + 9);
	found = contradiction_of(&f);
	fx_end(&f, 55 * MS, NULL);
	assert_int_equal(f.n, 3);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS + 11);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_MISSED);
	assert_true(fx_job(&f, 1)->end_ns == VMRT_UNKNOWN);
	assert_true(fx_job(&f, 1)->exec_ns == VMRT_UNKNOWN);
	assert_us(fx_job(&f, 2)->arrival_ns, 50 * MS + 16);
	assert_int_equal(fx_job(&f, 2)->skipped, 0);
	assert_int_equal(found.missing, 2);
	assert_non_null(strstr(found.text, "2 jobs may be missing"));
}

/* A sleep of 6 to 8 ms behind each job: that one ends near the grid, by chance, says nothing. */
static void a_task_that_never_keeps_a_grid_does_not_come_back_to_it(void **state)
{
	static struct fixture f;
	static const int sleeps[] = {7100, 6300, 7600, 6900};
	int64_t due = 10 * MS;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = relative\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_for(&f, 2 * MS, due);
	for (int k = 0; k < 4; k++) {
		fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
		fx_sleep_for(&f, due + 1 * MS, due + 1 * MS + sleeps[k]);
		due += 1 * MS + sleeps[k];
	}
	fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
	fx_sleep_for(&f, due + 13 * MS, due + 20 * MS + 15);
	fx_wakes(&f, due + 20 * MS + 15, T2, VMRT_FN_WAKEUP);
	fx_end(&f, due + 21 * MS, NULL);
	assert_us(fx_job(&f, 4)->arrival_ns, due);
	assert_us(fx_job(&f, 4)->end_ns, due + 13 * MS);
}

/*
 * Sleeps of 5 to 8 ms behind each job, whose ends are by chance less than 100 us more than a period
 * apart: after four of them the last one is 270 us off the grid of the first. Then the task is late
 * once, and the sleep behind that ends 90 us off two periods. Nothing shows that it knew of a
 * release between them.
 */
static void distances_near_the_period_by_chance_are_no_grid(void **state)
{
	static struct fixture f;
	static const int distances[] = {10080, 10070, 10060, 10060};
	static const int sleeps[] = {7100, 5300, 7600, 6900};
	int64_t due = 10 * MS;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = relative\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_for(&f, 2 * MS, due);
	for (int k = 0; k < 4; k++) {
		fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
		due += distances[k];
		fx_sleep_for(&f, due - sleeps[k], due);
	}
	fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
	fx_sleep_for(&f, due + 15 * MS, due + 20 * MS + 90);
	fx_wakes(&f, due + 20 * MS + 90, T2, VMRT_FN_WAKEUP);
	assert_int_equal(contradiction_of(&f).missing, 1);
	fx_end(&f, due + 21 * MS, NULL);
	assert_int_equal(f.n, 6);
	assert_us(fx_job(&f, 4)->arrival_ns, due);
	assert_int_equal(fx_job(&f, 4)->outcome, VMRT_OUTCOME_MISSED);
	assert_true(fx_job(&f, 4)->end_ns == VMRT_UNKNOWN);
	assert_us(fx_job(&f, 5)->arrival_ns, due + 20 * MS + 90);
}

/*
 * Four sleeps behind jobs in time: three releases are near the grid, one is 0.6 ms off it. So the
 * task may not know of the grid: that the release behind a late job, 20.02 ms on, is near it, shows
 * no job in between that ended in time.
 */
static void a_task_that_strays_from_the_grid_in_time_has_no_job_on_it_for_certain(void **state)
{
	static struct fixture f;
	static const int distances[] = {9950, 10030, 9400, 9920, 20020};
	struct vmrt_task_contradiction found;
	int64_t due = 10 * MS;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 20ms\nrelease = relative\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_for(&f, 2 * MS, due);
	for (int k = 0; k < 5; k++) {
		fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
		fx_sleep_for(&f, due + (k < 4 ? 2 : 13) * MS, due + distances[k]);
		due += distances[k];
	}
	found = contradiction_of(&f);
	fx_wakes(&f, due, T2, VMRT_FN_WAKEUP);
	fx_end(&f, due + 1 * MS, NULL);
	assert_us(fx_job(&f, 4)->arrival_ns, due - 20020);
	assert_int_equal(fx_job(&f, 4)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_us(fx_job(&f, 5)->arrival_ns, due);
	assert_int_equal(found.missing, 1);
}

/* One release exactly one declared period behind another is enough to know the period. The late job
 * is at work from 30 ms on, and its period begins anew at 42 ms. */
static void a_declared_period_is_believed_with_the_first_release_on_it(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n", 10 * MS);
	runs_until(&f, 10 * MS, 12 * MS, 20 * MS);
	runs_until(&f, 20 * MS, 22 * MS, 30 * MS);
	runs_until(&f, 30 * MS, 44 * MS, 52 * MS);
	runs_until(&f, 52 * MS, 54 * MS, 62 * MS);
	fx_end(&f, 55 * MS, NULL);
	assert_int_equal(f.n, 5);
	assert_us(fx_job(&f, 2)->arrival_ns, 30 * MS);
	assert_us(fx_job(&f, 2)->end_ns, 42 * MS);
	assert_us(fx_job(&f, 3)->arrival_ns, 42 * MS);
	assert_us(fx_job(&f, 3)->end_ns, 44 * MS);
}

/* From 50 to 73 ms there may have been two jobs that executed as little as one usually does. */
static void two_short_late_jobs_look_like_a_long_one(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n", 10 * MS);
	for (int k = 1; k < 5; k++)
		runs_until(&f, k * 10 * MS, k * 10 * MS + 8 * MS, (k + 1) * 10 * MS);
	fx_wakes(&f, 50 * MS, T2, VMRT_FN_WAKEUP);
	fx_sw(&f, 53 * MS, X, 0, Y);
	fx_sw(&f, 70 * MS, Y, 1, X);
	fx_sleep_until(&f, 76 * MS, 83 * MS);
	runs_until(&f, 83 * MS, 85 * MS, 93 * MS);
	assert_int_equal(contradiction_of(&f).missing, 1);
	fx_end(&f, 86 * MS, NULL);
	assert_true(fx_job(&f, 4)->end_ns == VMRT_UNKNOWN);
	assert_us(fx_job(&f, 5)->arrival_ns, 73 * MS);
}

/* Its period has begun anew before. So nothing is due at 100 ms while it is late since 90 ms. */
static void where_the_period_begins_anew_no_releases_queue(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "period = 10ms\n", 10 * MS);
	for (int k = 1; k < 5; k++)
		runs_until(&f, k * 10 * MS, k * 10 * MS + 2 * MS, (k + 1) * 10 * MS);
	runs_until(&f, 50 * MS, 69 * MS, 77 * MS);
	runs_until(&f, 77 * MS, 79 * MS, 87 * MS);
	fx_wakes(&f, 87 * MS, T2, VMRT_FN_WAKEUP);
	fx_end(&f, 109 * MS, NULL);
	assert_int_equal(f.n, 8);
	assert_us(fx_job(&f, 7)->arrival_ns, 87 * MS);
	assert_int_equal(fx_job(&f, 7)->outcome, VMRT_OUTCOME_MISSED_INCOMPLETE);
}

/*
 * X sleeps twice within its first job; the ends of these sleeps happen to be near a period apart,
 * as releases of a task are that sleeps for what is left. Its absolute sleeps are its releases: the
 * job of 20 ms runs until 65 ms, and X leaves the four releases until 70 ms out.
 */
static void naps_in_the_first_job_say_nothing_of_the_releases(void **state)
{
	static struct fixture f;
	const struct vmrt_job *late;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_sw(&f, 1, 0, 0, X);
	fx_sleep_for(&f, 1 * MS, 5 * MS);
	fx_wakes(&f, 5 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_for(&f, 6 * MS, 15 * MS + 50);
	fx_wakes(&f, 15 * MS + 50, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 16 * MS, 20 * MS);
	runs_until(&f, 20 * MS, 65 * MS, 70 * MS);
	runs_until(&f, 70 * MS, 72 * MS, 80 * MS);
	assert_int_equal(contradiction_of(&f).missing, 0);
	fx_end(&f, 75 * MS, NULL);
	assert_int_equal(f.n, 3);
	late = fx_job(&f, 1);
	assert_us(late->arrival_ns, 20 * MS);
	assert_us(late->end_ns, 65 * MS);
	assert_us(late->exec_ns, 45 * MS - 50);
	assert_int_equal(late->outcome, VMRT_OUTCOME_MISSED);
	assert_int_equal(fx_job(&f, 2)->skipped, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(naps_in_the_first_job_say_nothing_of_the_releases),
		cmocka_unit_test(a_loop_without_a_declared_period_catches_up),
		cmocka_unit_test(a_loop_with_jobs_of_one_length_shows_its_period_when_it_was_late),
		cmocka_unit_test(a_period_that_begins_anew_shows_the_end_of_the_late_job),
		cmocka_unit_test(a_late_job_that_may_hide_another_one_has_no_end),
		cmocka_unit_test(a_job_that_began_late_hides_no_other),
		cmocka_unit_test(a_job_may_be_shorter_than_all_before),
		cmocka_unit_test(distances_near_the_period_by_chance_are_no_grid),
		cmocka_unit_test(a_job_that_only_arms_late_is_one),
		cmocka_unit_test(a_relative_sleep_on_trial_begins_no_period_anew),
		cmocka_unit_test(before_it_is_known_how_a_task_catches_up_a_late_job_has_no_end),
		cmocka_unit_test(a_task_that_never_keeps_a_grid_does_not_come_back_to_it),
		cmocka_unit_test(
			a_task_that_strays_from_the_grid_in_time_has_no_job_on_it_for_certain),
		cmocka_unit_test(where_the_period_begins_anew_no_releases_queue),
		cmocka_unit_test(a_declared_period_is_believed_with_the_first_release_on_it),
		cmocka_unit_test(two_short_late_jobs_look_like_a_long_one),
		cmocka_unit_test(a_loop_that_sleeps_for_what_is_left_catches_up),
		cmocka_unit_test(a_sleep_of_zero_is_for_the_release_that_has_passed),
		cmocka_unit_test(a_release_that_is_left_out_in_time_is_no_job),
		cmocka_unit_test(releases_left_out_on_the_grid_are_skipped_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
