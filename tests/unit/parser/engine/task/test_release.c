/* SPDX-License-Identifier: MIT */
/* Tasks that sleep, yield or wait in other ways: what releases and ends their jobs. */
#include "taskfix.h"

#include <stdio.h>
#include <string.h>

static void a_thread_whose_switch_out_was_not_recorded_and_that_nothing_woke_was_preempted(
	void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = posix\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 1 * MS, T1, VMRT_FN_POSIX, 10 * MS);
	fx_sw(&f, 2 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_POSIX);
	fx_arm(&f, 10 * MS + 90, T1, VMRT_FN_POSIX, 20 * MS);
	/* the switch to Y, in between, is missing */
	fx_expire(&f, 20 * MS, Y, T1, VMRT_FN_POSIX);
	fx_sw(&f, 22 * MS, Y, 1, X);
	fx_arm(&f, 23 * MS, T1, VMRT_FN_POSIX, 30 * MS);
	fx_sw(&f, 24 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_POSIX);
	fx_end(&f, 31 * MS, NULL);
	/* so it was at work up to 23 ms */
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 23 * MS);
	assert_true(fx_job(&f, 0)->inferred);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->start_ns, 23 * MS);
	assert_us(fx_job(&f, 1)->end_ns, 24 * MS);
}

static void relative_sleeps_are_releases_where_that_is_declared(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = relative\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_for(&f, 2 * MS, 12 * MS);
	fx_wakes(&f, 12 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_for(&f, 32 * MS,
		42 * MS); /* 20 ms late: nothing is skipped, the next one is due later */
	fx_wakes(&f, 42 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_for(&f, 43 * MS, 53 * MS);
	fx_end(&f, 45 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(fx_job(&f, 0)->response_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->arrival_ns, 42 * MS);
	assert_int_equal(fx_job(&f, 1)->skipped, 0);
	assert_us(fx_job(&f, 1)->response_ns, 1 * MS);
}

static void relative_sleeps_at_the_declared_distance_are_found_to_be_releases(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	for (int at = 2 * MS; at < 72 * MS; at += 11 * MS) {
		fx_sleep_for(&f, at, at + 10 * MS);
		fx_wakes(&f, at + 10 * MS, T2, VMRT_FN_WAKEUP);
	}
	assert_int_equal(fx_end(&f, 79 * MS + 50, NULL), VMRT_RELEASE_RELATIVE);
	assert_int_equal(f.n, 7);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(fx_job(&f, i)->k, (int)i);
		assert_us(fx_job(&f, i)->arrival_ns, 12 * MS + (int)i * 11 * MS);
		assert_us(fx_job(&f, i)->response_ns, 1 * MS);
		assert_int_equal(fx_job(&f, i)->outcome, VMRT_OUTCOME_MET);
	}
}

/*
 * A nap of 1 ms, or of 50 ms, before the first sleep of 10 ms is no release. At the end it sleeps
 * for 500 ms: no job can be hidden in that.
 */
static void a_nap_before_the_first_relative_sleep_is_no_release(void **state)
{
	static struct fixture f;
	struct vmrt_task_contradiction found;

	(void)state;
	for (int nap = 1; nap <= 50; nap += 49) {
		fx_begin(&f, "period = 11ms\n");
		fx_runs_from_the_beginning(&f);
		fx_sleep_for(&f, 1 * MS, (nap + 1) * MS);
		fx_wakes(&f, (nap + 1) * MS, T2, VMRT_FN_WAKEUP);
		for (int i = 0; i < 6; i++) {
			int at = (nap + 2 + i * 11) * MS;

			fx_sleep_for(&f, at, at + 10 * MS);
			fx_wakes(&f, at + 10 * MS, T2, VMRT_FN_WAKEUP);
		}
		fx_sleep_for(&f, (nap + 68) * MS, (nap + 568) * MS);
		vmrt_engine_task_contradiction(f.engine, 0, &found);
		assert_int_equal(found.missing, 0);
		assert_string_equal(found.text, "");
		assert_int_equal(fx_end(&f, (nap + 70) * MS, NULL), VMRT_RELEASE_RELATIVE);
		assert_int_equal(f.n, 6);
		assert_us(fx_job(&f, 0)->arrival_ns, (nap + 12) * MS);
		assert_int_equal(fx_job(&f, 0)->k, 0);
		assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MET);
	}
}

/* A signal that comes while the thread runs shows no more than that it arms its timer again. */
static void relative_sleeps_of_a_thread_that_has_a_timer_of_its_own_are_no_releases(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	for (int at = 2 * MS; at < 72 * MS; at += 11 * MS) {
		fx_arm(&f, at - 500, T1, VMRT_FN_ITIMER, at + 5 * MS);
		fx_sleep_for(&f, at, at + 10 * MS);
		fx_wakes(&f, at + 10 * MS, T2, VMRT_FN_WAKEUP);
	}
	assert_int_equal(fx_end(&f, 79 * MS + 50, NULL), VMRT_RELEASE_AUTO);
	for (size_t i = 0; i < f.n; i++)
		assert_int_equal(fx_job(&f, i)->outcome, VMRT_OUTCOME_TRUNCATED);
}

static void relative_sleeps_within_jobs_that_sleep_absolutely_are_no_releases(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	for (int i = 0; i < 3; i++) { /* getting ready */
		fx_sleep_for(&f, (2 + i) * MS, (2 + i) * MS + 500);
		fx_wakes(&f, (2 + i) * MS + 500, T2, VMRT_FN_WAKEUP);
	}
	fx_sleep_until(&f, 6 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_for(&f, 11 * MS, 12 * MS);
	fx_wakes(&f, 12 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 13 * MS, 20 * MS);
	assert_int_equal(fx_end(&f, 15 * MS, NULL), VMRT_RELEASE_NANOSLEEP);
	assert_int_equal(f.n, 1);
	assert_int_equal(fx_job(&f, 0)->k, 0);
	assert_us(fx_job(&f, 0)->response_ns, 3 * MS);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_BLOCKING], 1 * MS);
}

static void the_softer_expiry_of_an_ordinary_thread_is_its_arrival(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	f.slack_us = 50;
	f.prio = FAIR;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS + 50, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 11 * MS, 20 * MS);
	fx_end(&f, 15 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 0)->response_ns, 1 * MS);
}

static void sleep_on_wall_clock(struct fixture *f, int64_t at, int64_t until, int64_t lead)
{
	fx_setup_timer(f, at, T2, 0, 0);
	fx_arm_raw(f, at, T2, VMRT_FN_WAKEUP, 0, until * US + lead, 0);
	fx_sw(f, at, X, 1, 0);
}

static void wall_clock_wakes(struct fixture *f, int64_t at, int64_t lead)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_EXPIRE, .flags = HARD};

	/* the kernel looked at the clock 2 us before it wrote the record */
	ev.timer.timer = T2;
	ev.timer.fn = VMRT_FN_WAKEUP;
	ev.timer.now = (at - 2) * US + lead;
	fx_push(f, &ev, at);
	fx_wake(f, at, 0, HARD);
	fx_sw(f, at + 50, 0, 0, X);
}

static void arrivals_on_the_wall_clock_are_found_from_its_expiries_also_across_a_step(void **state)
{
	static struct fixture f;
	int64_t lead = LEAD;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	sleep_on_wall_clock(&f, 2 * MS, 10 * MS, lead);
	wall_clock_wakes(&f, 10 * MS + 12, lead);
	sleep_on_wall_clock(&f, 13 * MS, 20 * MS, lead);
	wall_clock_wakes(&f, 20 * MS + 5, lead);
	/* set back by 3 ms: 30 ms on the clock that was are 33 ms now */
	lead -= 3 * MS * US;
	sleep_on_wall_clock(&f, 23 * MS, 33 * MS, lead);
	wall_clock_wakes(&f, 33 * MS + 2, lead);
	sleep_on_wall_clock(&f, 34 * MS, 43 * MS, lead);
	fx_end(&f, 36 * MS, NULL);
	assert_int_equal(f.n, 3);
	/* the lead is known but for the 2 us, so the arrivals are so much late */
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS + 2);
	assert_us(fx_job(&f, 0)->release_ns, 10 * MS + 12);
	assert_us(fx_job(&f, 0)->response_ns, 3 * MS - 2);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS + 2);
	assert_us(fx_job(&f, 1)->response_ns, 3 * MS - 2);
	assert_us(fx_job(&f, 2)->arrival_ns, 33 * MS + 2);
	assert_us(fx_job(&f, 2)->response_ns, 1 * MS - 2);
}

static void a_resch_job_ends_with_its_release_timer_and_sleep_in_state_d(void **state)
{
	static struct fixture f;

	(void)state;
	/* ticks of 4 ms; tick 1000 is at 0 */
	fx_begin(&f, "period = 20ms\nrelease = auto\n");
	fx_runs_from_the_beginning(&f);
	/* two expiries 60 ticks apart show the tick's length */
	fx_wheel(&f, 4 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_OTHER, 1001, 0);
	fx_wheel(&f, 244 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_OTHER, 1061, 0);
	fx_wheel(&f, 245 * MS, VMRT_EV_WHEEL_START, X, 0, VMRT_FN_RESCH_JOB, 1061, 1065);
	fx_sw(&f, 245 * MS + 5, X, 2, 0);
	fx_wheel(&f, 260 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_RESCH_JOB, 1065, 0);
	fx_wake(&f, 260 * MS, 0, SOFT);
	fx_sw(&f, 260 * MS + 50, 0, 0, X);
	/* HSF takes the CPU from it for 4 ms */
	fx_wheel(&f, 264 * MS, VMRT_EV_WHEEL_EXPIRE, X, SOFT, VMRT_FN_RESCH_SERVER, 1066, 0);
	fx_sw(&f, 264 * MS, X, 2, 0);
	fx_wake(&f, 268 * MS, 0, SOFT);
	fx_sw(&f, 268 * MS, 0, 0, X);
	fx_wheel(&f, 270 * MS, VMRT_EV_WHEEL_START, X, 0, VMRT_FN_RESCH_JOB, 1067, 1070);
	fx_sw(&f, 270 * MS + 5, X, 2, 0);
	fx_wheel(&f, 280 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_RESCH_JOB, 1070, 0);
	fx_wake(&f, 280 * MS, 0, SOFT);
	fx_sw(&f, 280 * MS, 0, 0, X);
	/* it misses: RESCH counts the period from now, tick 1080, on */
	fx_wheel(&f, 320 * MS + 100, VMRT_EV_WHEEL_START, X, 0, VMRT_FN_RESCH_JOB, 1080, 1085);
	fx_sw(&f, 320 * MS + 105, X, 2, 0);
	fx_wheel(&f, 340 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_RESCH_JOB, 1085, 0);
	fx_wake(&f, 340 * MS, 0, SOFT);
	fx_sw(&f, 340 * MS, 0, 0, X);
	/* HSF's timer is about another thread: X waits for something by itself, 2 ms later */
	fx_wheel(&f, 341 * MS, VMRT_EV_WHEEL_EXPIRE, X, SOFT, VMRT_FN_RESCH_SERVER, 1085, 0);
	fx_sw(&f, 343 * MS, X, 2, 0);
	fx_wake(&f, 344 * MS, 0, SOFT);
	fx_sw(&f, 344 * MS, 0, 0, X);
	fx_wheel(&f, 345 * MS, VMRT_EV_WHEEL_START, X, 0, VMRT_FN_RESCH_JOB, 1086, 1090);
	fx_sw(&f, 345 * MS, X, 2, 0);
	assert_int_equal(fx_end(&f, 346 * MS, NULL), VMRT_RELEASE_RESCH);
	assert_int_equal(f.n, 3);
	assert_us(fx_job(&f, 0)->arrival_ns, 260 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 270 * MS);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_BUDGET], 4 * MS);
	assert_us(fx_job(&f, 0)->exec_ns, 6 * MS - 50);
	assert_us(fx_job(&f, 1)->arrival_ns, 280 * MS);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(fx_job(&f, 2)->arrival_ns, 340 * MS);
	/* 60 ms are three periods, but the grid began anew */
	assert_int_equal(fx_job(&f, 2)->skipped, 0);
	assert_us(fx_job(&f, 2)->response_ns, 5 * MS);
	assert_us(fx_job(&f, 2)->blame_ns[VMRT_BLAME_BLOCKING], 1 * MS);
	assert_us(fx_job(&f, 2)->blame_ns[VMRT_BLAME_BUDGET], 0);
}

/* The CPU may not have run between the timer and the switch, which nothing shows. */
static void who_is_woken_by_a_servers_timer_had_been_put_to_sleep_by_it(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 20ms\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_wheel(&f, 11 * MS, VMRT_EV_WHEEL_EXPIRE, X, SOFT, VMRT_FN_RESCH_SERVER, 1000, 0);
	fx_sw(&f, 13 * MS, X, 2, 0);
	fx_wheel(&f, 16 * MS, VMRT_EV_WHEEL_EXPIRE, 0, SOFT, VMRT_FN_RESCH_SERVER, 1001, 0);
	fx_wake(&f, 16 * MS, 0, SOFT);
	fx_sw(&f, 16 * MS, 0, 0, X);
	fx_sleep_until(&f, 20 * MS, 30 * MS);
	fx_end(&f, 25 * MS, NULL);
	assert_int_equal(f.n, 1);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_BUDGET], 3 * MS);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_BLOCKING], 0);
	assert_us(fx_job(&f, 0)->exec_ns, 7 * MS - 50);
}

static void a_deadline_task_yields_until_its_reservation_is_replenished(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	f.prio = DL;
	fx_runs_from_the_beginning(&f);
	f.depth = 2;
	fx_arm_raw(&f, 2 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 10 * MS * US, 0);
	fx_sw(&f, 2 * MS + 3, X, 0, Y);
	fx_expire(&f, 10 * MS, Y, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 10 * MS + 20, Y, 0, X);
	/* its runtime is used up: the scheduler itself arms the timer */
	f.depth = 3;
	fx_arm_raw(&f, 15 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 20 * MS * US, 0);
	fx_sw(&f, 15 * MS + 3, X, 0, Y);
	fx_expire(&f, 20 * MS, Y, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 20 * MS, Y, 0, X);
	f.depth = 2;
	fx_arm_raw(&f, 22 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 30 * MS * US, 0);
	fx_sw(&f, 22 * MS + 3, X, 0, 0);
	fx_expire(&f, 30 * MS, 0, T1, VMRT_FN_DEADLINE);
	fx_sw(&f, 30 * MS, 0, 0, X);
	fx_arm_raw(&f, 31 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, 40 * MS * US, 0);
	fx_sw(&f, 31 * MS + 3, X, 0, 0);
	assert_int_equal(fx_end(&f, 35 * MS, NULL), VMRT_RELEASE_DEADLINE);
	assert_int_equal(f.n, 2);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 22 * MS);
	assert_us(fx_job(&f, 0)->exec_ns, 7 * MS - 17);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_BUDGET], 5 * MS - 3);
	assert_int_equal(fx_job(&f, 1)->skipped, 1);
	assert_us(fx_job(&f, 1)->arrival_ns, 30 * MS);
	assert_us(fx_job(&f, 1)->response_ns, 1 * MS);
}

/* The task has a period of 20 ms and is declared with one of 3 ms: its jobs are found all the same,
 * so that the analysis can say that the arrivals contradict the declared period. */
static void a_declared_period_that_is_far_too_short_hides_no_jobs(void **state)
{
	static struct fixture f;
	int64_t period;

	(void)state;
	fx_begin(&f, "period = 3ms\n");
	f.prio = DL;
	fx_runs_from_the_beginning(&f);
	f.depth = 2;
	for (int k = 1; k < 13; k++) {
		int64_t at = k * 20 * MS;

		fx_arm_raw(&f, at - 18 * MS, T1, VMRT_FN_DEADLINE, VMRT_TIMER_HARD, at * US, 0);
		fx_sw(&f, at - 18 * MS + 3, X, 0, 0);
		fx_expire(&f, at, 0, T1, VMRT_FN_DEADLINE);
		fx_sw(&f, at, 0, 0, X);
	}
	assert_int_equal(fx_end(&f, 241 * MS, &period), VMRT_RELEASE_DEADLINE);
	assert_us(period, 20 * MS);
	/* the last one is still at work */
	assert_int_equal(f.n, 12);
	assert_us(fx_job(&f, 0)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 22 * MS);

	fx_begin(&f, "period = 3ms\n");
	fx_runs_from_the_beginning(&f);
	for (int k = 1; k < 13; k++) {
		fx_sleep_for(&f, k * 20 * MS - 18 * MS, k * 20 * MS);
		fx_wakes(&f, k * 20 * MS, T2, VMRT_FN_WAKEUP);
	}
	assert_int_equal(fx_end(&f, 241 * MS, &period), VMRT_RELEASE_RELATIVE);
	assert_us(period, 20 * MS);
	assert_int_equal(f.n, 12);
	assert_us(fx_job(&f, 0)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 22 * MS);
}

/* A job from 10 to 20 ms, in the middle of which @what is done to the thread for 4 ms. */
static const struct vmrt_job *disturbed(struct fixture *f, int out_state, int next, int wakes_it)
{
	fx_begin(f, "period = 20ms\n");
	fx_runs_from_the_beginning(f);
	fx_sleep_until(f, 2 * MS, 10 * MS);
	fx_wakes(f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sw(f, 12 * MS, X, out_state, next);
	if (wakes_it)
		fx_wake(f, 16 * MS, next, 0);
	fx_sw(f, 16 * MS, next, 0, X);
	fx_sleep_until(f, 20 * MS, 30 * MS);
	fx_end(f, 25 * MS, NULL);
	assert_int_equal(f->n, 1);
	assert_us(f->jobs[0].response_ns, 10 * MS);
	assert_us(f->jobs[0].exec_ns, 6 * MS - 50);
	return &f->jobs[0];
}

static void a_real_time_thread_that_leaves_for_an_ordinary_or_no_thread_is_throttled(void **state)
{
	static struct fixture f;

	(void)state;
	assert_us(disturbed(&f, 0, Y, 0)->blame_ns[VMRT_BLAME_THROTTLING], 4 * MS);
	assert_us(disturbed(&f, 0, 0, 0)->blame_ns[VMRT_BLAME_THROTTLING], 4 * MS);
}

static void a_stopped_thread_is_suspended_and_a_sleeping_one_blocks(void **state)
{
	static struct fixture f;

	(void)state;
	assert_us(disturbed(&f, 4, Y, 1)->blame_ns[VMRT_BLAME_BUDGET], 4 * MS);
	assert_us(disturbed(&f, 2, Y, 1)->blame_ns[VMRT_BLAME_BLOCKING], 4 * MS);
	assert_us(disturbed(&f, 1, 0, 1)->blame_ns[VMRT_BLAME_BLOCKING], 4 * MS);
}

static void without_a_deadline_no_job_is_met_or_missed_and_the_period_is_measured(void **state)
{
	static struct fixture f;
	int64_t period;

	(void)state;
	fx_begin(&f, "");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	for (int k = 1; k <= 6; k++) {
		fx_wakes(&f, k * 10 * MS, T2, VMRT_FN_WAKEUP);
		/* the fifth job is so long that a release is skipped */
		if (k == 5)
			break;
		fx_sleep_until(&f, k * 10 * MS + 1 * MS, (k + 1) * 10 * MS);
	}
	fx_sleep_until(&f, 65 * MS, 70 * MS);
	fx_wakes(&f, 70 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 71 * MS, 80 * MS);
	fx_end(&f, 72 * MS, &period);
	assert_us(period, 10 * MS);
	assert_int_equal(f.n, 6);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(fx_job(&f, i)->outcome, VMRT_OUTCOME_UNKNOWN);
		assert_true(fx_job(&f, i)->deadline_ns == VMRT_UNKNOWN);
		assert_us(fx_job(&f, i)->response_ns, i == 4 ? 15 * MS : 1 * MS);
	}
	assert_int_equal(fx_job(&f, 5)->skipped, 1);
	assert_int_equal(fx_job(&f, 5)->k, 6);
}

static void a_thread_that_is_renamed_is_a_task_only_while_it_has_the_name(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	f.name = "starter";
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 3 * MS);
	fx_wakes(&f, 3 * MS, T2, VMRT_FN_WAKEUP);
	f.name = "x";
	fx_sleep_until(&f, 4 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 11 * MS, 20 * MS);
	fx_wakes(&f, 20 * MS, T2, VMRT_FN_WAKEUP);
	f.name = "other";
	fx_sw(&f, 21 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 31 * MS, 40 * MS);
	fx_end(&f, 60 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_us(fx_job(&f, 0)->response_ns, 1 * MS);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_true(fx_job(&f, 1)->end_ns == VMRT_UNKNOWN);
}

static void a_thread_id_that_is_used_again_begins_anew(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	for (int64_t at = 0; at < 100 * MS; at += 50 * MS) {
		f.name = "x";
		fx_born(&f, at);
		fx_sw(&f, at + 1 * MS, 0, 0, X);
		fx_sleep_until(&f, at + 2 * MS, at + 10 * MS);
		fx_wakes(&f, at + 10 * MS, T2, VMRT_FN_WAKEUP);
		fx_died(&f, at + 12 * MS);
		fx_sw(&f, at + 12 * MS, X, 16, 0);
	}
	fx_end(&f, 99 * MS, NULL);
	assert_int_equal(f.n, 2);
	assert_us(fx_job(&f, 0)->response_ns, 2 * MS);
	assert_us(fx_job(&f, 1)->response_ns, 2 * MS);
	assert_int_equal(fx_job(&f, 1)->k, 1);
	assert_int_equal(fx_job(&f, 1)->skipped, 0);
	assert_true(fx_job(&f, 0)->thread != fx_job(&f, 1)->thread);
}

/* Jobs at 10, 20 and 30 ms. Then X is woken 3 ms early, by Y, while it sleeps until 40 ms. */
static void begin_woken_early(struct fixture *f)
{
	fx_begin(f, "period = 10ms\n");
	fx_runs_from_the_beginning(f);
	for (int at = 2; at < 30; at += at == 2 ? 9 : 10) {
		int64_t until = (at / 10 + 1) * 10 * MS;

		fx_sleep_until(f, at * MS, until);
		fx_wakes(f, until, T2, VMRT_FN_WAKEUP);
	}
	fx_sleep_until(f, 31 * MS, 40 * MS);
	fx_sw(f, 36 * MS, 0, 0, Y);
	fx_wake(f, 37 * MS, Y, 0);
	fx_sw(f, 37 * MS + 10, Y, 1, X);
	fx_cancel(f, 37 * MS + 12, X, 0, T2);
}

static void a_sleep_that_is_given_up_before_its_end_is_no_arrival(void **state)
{
	static struct fixture f;

	(void)state;
	begin_woken_early(&f);
	/* it waits for something else, beyond the time that it was to sleep until */
	fx_sw(&f, 38 * MS, X, 1, 0);
	fx_sw(&f, 60 * MS, 0, 0, Y);
	fx_wake(&f, 61 * MS, Y, 0);
	fx_sw(&f, 61 * MS + 10, Y, 1, X);
	fx_sw(&f, 62 * MS, X, 1, 0);
	fx_end(&f, 95 * MS, NULL);
	assert_int_equal(f.n, 3);
	for (int i = 0; i < 3; i++) {
		assert_us(fx_job(&f, (size_t)i)->arrival_ns, (i + 1) * 10 * MS);
		assert_us(fx_job(&f, (size_t)i)->response_ns, 1 * MS);
		assert_int_equal(fx_job(&f, (size_t)i)->outcome, VMRT_OUTCOME_MET);
	}
}

static void a_sleep_that_goes_on_behind_a_signal_is_one(void **state)
{
	static struct fixture f;

	(void)state;
	begin_woken_early(&f);
	fx_sleep_until(&f, 37 * MS + 30, 40 * MS);
	fx_wakes(&f, 40 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 42 * MS, 50 * MS);
	fx_end(&f, 45 * MS, NULL);
	assert_int_equal(f.n, 4);
	assert_us(fx_job(&f, 3)->arrival_ns, 40 * MS);
	assert_us(fx_job(&f, 3)->release_ns, 40 * MS);
	assert_us(fx_job(&f, 3)->response_ns, 2 * MS);
	assert_int_equal(fx_job(&f, 3)->outcome, VMRT_OUTCOME_MET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sleep_that_is_given_up_before_its_end_is_no_arrival),
		cmocka_unit_test(a_sleep_that_goes_on_behind_a_signal_is_one),
		cmocka_unit_test(
			a_thread_whose_switch_out_was_not_recorded_and_that_nothing_woke_was_preempted),
		cmocka_unit_test(a_declared_period_that_is_far_too_short_hides_no_jobs),
		cmocka_unit_test(relative_sleeps_are_releases_where_that_is_declared),
		cmocka_unit_test(a_nap_before_the_first_relative_sleep_is_no_release),
		cmocka_unit_test(
			relative_sleeps_of_a_thread_that_has_a_timer_of_its_own_are_no_releases),
		cmocka_unit_test(relative_sleeps_at_the_declared_distance_are_found_to_be_releases),
		cmocka_unit_test(relative_sleeps_within_jobs_that_sleep_absolutely_are_no_releases),
		cmocka_unit_test(the_softer_expiry_of_an_ordinary_thread_is_its_arrival),
		cmocka_unit_test(
			arrivals_on_the_wall_clock_are_found_from_its_expiries_also_across_a_step),
		cmocka_unit_test(a_resch_job_ends_with_its_release_timer_and_sleep_in_state_d),
		cmocka_unit_test(who_is_woken_by_a_servers_timer_had_been_put_to_sleep_by_it),
		cmocka_unit_test(a_deadline_task_yields_until_its_reservation_is_replenished),
		cmocka_unit_test(
			a_real_time_thread_that_leaves_for_an_ordinary_or_no_thread_is_throttled),
		cmocka_unit_test(a_stopped_thread_is_suspended_and_a_sleeping_one_blocks),
		cmocka_unit_test(
			without_a_deadline_no_job_is_met_or_missed_and_the_period_is_measured),
		cmocka_unit_test(a_thread_that_is_renamed_is_a_task_only_while_it_has_the_name),
		cmocka_unit_test(a_thread_id_that_is_used_again_begins_anew),
	};
	int failed = cmocka_run_group_tests_name("kernels that report expiries", tests, NULL, NULL);

	cancels_first = true;
	return failed +
	       cmocka_run_group_tests_name(
		       "kernels that report each expiry as cancelled first", tests, NULL, NULL);
}
