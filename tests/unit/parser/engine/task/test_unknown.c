/* SPDX-License-Identifier: MIT */
/* What a recording does not say, or says in contradiction to itself, is unknown. Times are in us.
 */
#include "taskfix.h"

#include <string.h>

#define S (1000 * MS)

/* X runs since 1 ms and sleeps until 10 ms. */
static void begin_periodic(struct fixture *f)
{
	fx_begin(f, "period = 10ms\nwcet = 5ms\n");
	fx_runs_from_the_beginning(f);
	fx_sleep_until(f, 2 * MS, 10 * MS);
}

/* The job that is due at @due is released at @release, runs for 2 ms and sleeps until @next. */
static void one_job(struct fixture *f, int64_t release, int64_t next)
{
	fx_wakes(f, release, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(f, release + 2 * MS, next);
}

static void assert_times_unknown(const struct vmrt_job *j)
{
	assert_int_equal(j->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_true(j->release_ns == VMRT_UNKNOWN);
	assert_true(j->start_ns == VMRT_UNKNOWN);
	assert_true(j->end_ns == VMRT_UNKNOWN);
	assert_true(j->response_ns == VMRT_UNKNOWN);
	assert_true(j->exec_ns == VMRT_UNKNOWN);
	for (int p = 0; p < VMRT_BLAMES; p++)
		assert_int_equal(j->blame_ns[p], 0);
}

static void an_expiry_a_little_early_counts_from_the_arrival(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	begin_periodic(&f);
	one_job(&f, 10 * MS - 20, 20 * MS);
	fx_end(&f, 15 * MS, NULL);
	j = fx_job(&f, 0);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
	assert_us(j->response_ns, 2 * MS - 20);
	assert_us(j->blame_ns[VMRT_BLAME_RELEASE], 30); /* of 50 us, 20 were before the arrival */
	assert_us(j->exec_ns, 2 * MS - 50);
	assert_int_equal(f.stats.contradictions, 0);
}

static void an_expiry_long_before_it_was_due_makes_the_job_unknown(void **state)
{
	static struct fixture f;

	(void)state;
	begin_periodic(&f);
	one_job(&f, 5 * MS, 20 * MS);  /* ends before it should have begun */
	one_job(&f, 19 * MS, 30 * MS); /* ends behind that, but is no better */
	one_job(&f, 30 * MS, 40 * MS);
	fx_end(&f, 35 * MS, NULL);
	assert_int_equal(f.n, 3);
	for (size_t i = 0; i < 2; i++) {
		assert_times_unknown(fx_job(&f, i));
		assert_us(fx_job(&f, i)->arrival_ns, (10 + 10 * (int)i) * MS);
	}
	assert_int_equal(fx_job(&f, 2)->outcome, VMRT_OUTCOME_MET);
	assert_int_equal(f.stats.contradictions, 2);
}

static void jobs_in_which_the_time_runs_back_are_unknown(void **state)
{
	static struct fixture f;

	(void)state;
	begin_periodic(&f);
	one_job(&f, 10 * MS, 20 * MS);
	fx_wakes(&f, 20 * MS, T2, VMRT_FN_WAKEUP);
	/* from here on all records are one second early */
	f.now_us = 20 * MS + 50;
	fx_sleep_until(&f, 22 * MS - S, 30 * MS);
	fx_wakes(&f, 30 * MS - S, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 32 * MS - S, 40 * MS);
	fx_end(&f, 33 * MS, NULL);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MET);
	assert_times_unknown(fx_job(&f, 1));
	assert_times_unknown(fx_job(&f, 2));
}

static void a_clock_map_that_moves_within_a_job_is_harmless(void **state)
{
	static const int64_t moves[] = {-50, 50, -300, 300, -5000, 5000};

	(void)state;
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		static struct fixture f;
		struct vmrt_clock_segment segment = {
			.from_local_ns = 0, .to_local_ns = INT64_MAX, .rate = 0};
		struct vmrt_clockmap map = {.segments = &segment, .n = 1};
		const struct vmrt_job *j;

		begin_periodic(&f);
		f.machine.clock = &map;
		f.clock_moves = true;
		for (int k = 1; k < 6; k++) {
			one_job(&f, k * 10 * MS + 10, (k + 1) * 10 * MS);
			segment.offset_ns += moves[i] * US;
			f.lead_us += moves[i];
		}
		fx_end(&f, 75 * MS, NULL);
		for (size_t k = 0; k < 5; k++) {
			j = fx_job(&f, k);
			assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
			assert_us(j->response_ns, 2 * MS + 10);
		}
	}
}

static void without_switches_the_execution_is_unknown(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nwcet = 5ms\n");
	fx_wake(&f, 1 * MS, 0, HARD);
	for (int k = 1; k < 5; k++) {
		fx_arm(&f, k * 10 * MS - 8 * MS, T2, VMRT_FN_WAKEUP, k * 10 * MS);
		fx_expire(&f, k * 10 * MS + 5, 0, T2, VMRT_FN_WAKEUP);
		fx_wake(&f, k * 10 * MS + 6, 0, HARD);
	}
	fx_arm(&f, 42 * MS, T2, VMRT_FN_WAKEUP, 50 * MS);
	fx_end(&f, 43 * MS, NULL);
	assert_true(f.n >= 4);
	for (size_t i = f.n - 4; i < f.n; i++) {
		const struct vmrt_job *j = fx_job(&f, i);

		assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
		assert_us(j->response_ns, 2 * MS);
		assert_true(j->exec_ns == VMRT_UNKNOWN);
		assert_true(j->start_ns == VMRT_UNKNOWN);
		assert_us(j->blame_ns[VMRT_BLAME_UNKNOWN], 2 * MS);
	}
}

/* A thread that is late arms its timer in the past and goes on, so that only wake-ups show it. */
static void where_only_sched_waking_is_recorded_it_begins_late_jobs(void **state)
{
	static struct fixture f;
	int64_t at = 12 * MS;

	(void)state;
	f.n = 0;
	begin_periodic(&f);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	f.only_waking = true;
	for (int k = 2; k < 30; k++) {
		at += 12 * MS;
		fx_arm(&f, at, T2, VMRT_FN_WAKEUP, k * 10 * MS);
		fx_expire(&f, at + 2, X, T2, VMRT_FN_WAKEUP);
		fx_wake(&f, at + 3, X, HARD);
	}
	fx_end(&f, at + 4, NULL);
	for (size_t i = 1; i < 28; i++) {
		const struct vmrt_job *j = fx_job(&f, i);

		assert_int_equal(j->outcome, VMRT_OUTCOME_MISSED);
		if (i > 10)
			assert_us(j->exec_ns, 12 * MS - 3);
		else if (j->exec_ns != VMRT_UNKNOWN)
			assert_us(j->exec_ns, 12 * MS - 3);
	}
}

static void releases_pending_on_a_timerfd_at_the_end_are_one_job_and_skips(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_expire(&f, 20 * MS, X, T1, VMRT_FN_TIMERFD);
	fx_expire(&f, 55 * MS, X, T2, VMRT_FN_OTHER);
	fx_end(&f, 55 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MISSED_INCOMPLETE);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_MISSED_INCOMPLETE);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_int_equal(fx_job(&f, 1)->k, 1);
	assert_int_equal(fx_job(&f, 1)->skipped, 0);
	assert_int_equal(fx_job(&f, 1)->skipped_behind, 3); /* 30, 40 and 50 ms */
}

static void behind_the_end_of_a_recording_there_are_no_jobs(void **state)
{
	static struct fixture f;

	(void)state;
	begin_periodic(&f);
	one_job(&f, 10 * MS, 20 * MS);
	fx_wakes(&f, 20 * MS, T2, VMRT_FN_WAKEUP);
	/* the recording of another machine went on for a second */
	fx_end(&f, 1 * S, NULL);
	assert_int_equal(f.n, 2);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_TRUNCATED);
	assert_true(fx_job(&f, 1)->exec_ns == VMRT_UNKNOWN);
}

static void a_job_without_deadline_that_is_open_at_the_end_is_truncated(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "release = nanosleep\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_end(&f, 13 * MS, NULL);
	assert_int_equal(f.n, 1);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
}

/* Nothing is recorded of CPU 1. That CPU 0 loses an event, or its times run back, at 15 ms ends
 * nothing of that. */
static void what_is_lost_to_the_end_is_not_found_again_by_a_smaller_loss(void **state)
{
	static struct fixture f;

	(void)state;
	for (int back = 0; back < 2; back++) {
		struct vmrt_event ev = {.type = VMRT_EV_OTHER, .lost = !back};

		begin_periodic(&f);
		vmrt_engine_clip(f.engine, 0, 1, VMRT_UNKNOWN, VMRT_UNKNOWN);
		one_job(&f, 10 * MS, 20 * MS);
		fx_push(&f, &ev, back ? 11 * MS : 15 * MS);
		one_job(&f, 20 * MS, 30 * MS);
		one_job(&f, 30 * MS, 40 * MS);
		fx_end(&f, 35 * MS, NULL);
		assert_us(fx_job(&f, 2)->arrival_ns, 30 * MS);
		for (size_t i = 0; i < f.n; i++)
			assert_int_equal(fx_job(&f, i)->outcome, VMRT_OUTCOME_UNKNOWN);
	}
}

/* CPU 1 loses what it records between 11 and 25 ms. Where that is known at once, the job that ends
 * at 12 ms is unknown, too; in a live view only that which is open at 25 ms. */
static void a_job_that_ends_within_a_loss_is_unknown_where_the_loss_is_known(void **state)
{
	static struct fixture f;

	(void)state;
	for (int ahead = 0; ahead < 2; ahead++) {
		struct vmrt_event ev = {.type = VMRT_EV_OTHER, .cpu = 1};

		begin_periodic(&f);
		fx_push(&f, &ev, 5 * MS);
		fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
		fx_push(&f, &ev, 11 * MS);
		if (ahead)
			vmrt_engine_losing(f.engine, 0, 1);
		fx_sleep_until(&f, 12 * MS, 20 * MS);
		fx_wakes(&f, 20 * MS, T2, VMRT_FN_WAKEUP);
		ev.lost = 1;
		fx_push(&f, &ev, 25 * MS);
		fx_sleep_until(&f, 26 * MS, 30 * MS);
		one_job(&f, 30 * MS, 40 * MS);
		fx_end(&f, 35 * MS, NULL);
		assert_int_equal(f.n, 3);
		assert_int_equal(
			fx_job(&f, 0)->outcome, ahead ? VMRT_OUTCOME_UNKNOWN : VMRT_OUTCOME_MET);
		assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_UNKNOWN);
		assert_int_equal(fx_job(&f, 2)->outcome, VMRT_OUTCOME_MET);
	}
}

/* X leaves CPU 1 for CPU 0, which the records of CPU 1 would show that are lost: when the loss
 * shows at 15 ms, X goes on to run on CPU 0, and its next job is known. */
static void a_loss_on_a_cpu_that_a_thread_has_left_does_not_stop_it(void **state)
{
	static struct fixture f;
	struct vmrt_event ev = {.type = VMRT_EV_OTHER, .cpu = 1, .lost = 1};

	(void)state;
	fx_begin(&f, "period = 10ms\nwcet = 5ms\n");
	f.cpu = 1;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	f.cpu = 0;
	fx_sw(&f, 11 * MS, 0, 0, X);
	fx_push(&f, &ev, 15 * MS);
	/* late for its next job, it goes on at once */
	fx_arm(&f, 22 * MS, T2, VMRT_FN_WAKEUP, 20 * MS);
	fx_expire(&f, 22 * MS + 5, X, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 22 * MS + 10, X, HARD);
	fx_sleep_until(&f, 24 * MS, 30 * MS);
	fx_end(&f, 25 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_us(fx_job(&f, 1)->start_ns, 22 * MS + 10);
	assert_us(fx_job(&f, 1)->exec_ns, 2 * MS - 10);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_MET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_loss_on_a_cpu_that_a_thread_has_left_does_not_stop_it),
		cmocka_unit_test(a_job_that_ends_within_a_loss_is_unknown_where_the_loss_is_known),
		cmocka_unit_test(an_expiry_a_little_early_counts_from_the_arrival),
		cmocka_unit_test(an_expiry_long_before_it_was_due_makes_the_job_unknown),
		cmocka_unit_test(jobs_in_which_the_time_runs_back_are_unknown),
		cmocka_unit_test(a_clock_map_that_moves_within_a_job_is_harmless),
		cmocka_unit_test(without_switches_the_execution_is_unknown),
		cmocka_unit_test(where_only_sched_waking_is_recorded_it_begins_late_jobs),
		cmocka_unit_test(releases_pending_on_a_timerfd_at_the_end_are_one_job_and_skips),
		cmocka_unit_test(behind_the_end_of_a_recording_there_are_no_jobs),
		cmocka_unit_test(a_job_without_deadline_that_is_open_at_the_end_is_truncated),
		cmocka_unit_test(what_is_lost_to_the_end_is_not_found_again_by_a_smaller_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
