/* SPDX-License-Identifier: MIT */
/*
 * A task waits for a timer that goes on by itself, and the switch with which it fell asleep is
 * missing: that its timer wakes it shows that it slept, but not since when. Times are in us.
 */
#include "taskfix.h"

static void switches_on(struct fixture *f, unsigned cpu, int64_t at, int prev, int state, int next)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .pid = prev, .cpu = (uint16_t)cpu};

	ev.sw.prev_comm = prev == X ? "x" : "swapper";
	ev.sw.next_comm = next == X ? "x" : "swapper";
	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_state = state;
	ev.sw.prev_prio = prev == X ? FIFO : FAIR;
	ev.sw.next_prio = next == X ? FIFO : FAIR;
	fx_push(f, &ev, at);
}

/* T1 expires on the idle CPU @cpu and wakes X there. */
static void expires_on(struct fixture *f, unsigned cpu, int64_t at)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_EXPIRE, .flags = HARD, .cpu = (uint16_t)cpu};

	ev.timer.timer = T1;
	ev.timer.fn = VMRT_FN_ITIMER;
	ev.timer.now = at * US;
	fx_push(f, &ev, at);
	ev = (struct vmrt_event){.type = VMRT_EV_WAKING, .flags = HARD, .cpu = (uint16_t)cpu};
	ev.wake.pid = X;
	ev.wake.comm = "x";
	ev.wake.prio = FIFO;
	ev.wake.target_cpu = (int32_t)cpu;
	fx_push(f, &ev, at);
	ev.type = VMRT_EV_WAKEUP;
	fx_push(f, &ev, at);
}

static void arms_on(struct fixture *f, unsigned cpu, int64_t at, int64_t until)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_START, .pid = X, .cpu = (uint16_t)cpu};

	ev.timer.timer = T1;
	ev.timer.fn = VMRT_FN_ITIMER;
	ev.timer.expires = ev.timer.softexpires = until * US;
	fx_push(f, &ev, at);
}

static void assert_has_no_end(const struct vmrt_job *job)
{
	assert_int_equal(job->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_true(job->end_ns == VMRT_UNKNOWN);
	assert_true(job->response_ns == VMRT_UNKNOWN);
	assert_true(job->exec_ns == VMRT_UNKNOWN);
}

/* Between 10.09 and 15 ms X fell asleep. The job of 20 ms is preempted for a while. */
static void a_job_is_woken_whose_thread_was_not_seen_falling_asleep(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 5ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 1 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 2 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 10 * MS + 90, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_sw(&f, 15 * MS, 0, 0, Y);
	fx_sw(&f, 16 * MS, Y, 1, 0);
	fx_wakes(&f, 20 * MS, T1, VMRT_FN_TIMERFD);
	fx_sw(&f, 20 * MS + 60, X, 0, Y);
	fx_sw(&f, 21 * MS, Y, 1, X);
	fx_arm(&f, 21 * MS + 10, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 22 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_has_no_end(fx_job(&f, 0));
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->start_ns, 20 * MS + 50);
	assert_us(fx_job(&f, 1)->end_ns, 22 * MS);
	assert_us(fx_job(&f, 1)->exec_ns, 1 * MS + 10);
	/* what it ran before it armed its timer, twice 10 us, may still be of the job before */
	assert_us(fx_job(&f, 1)->unsure_ns, 20);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_MET);
}

/* All events from 30.09 to 70 ms are missing, of four jobs, and no counter shows it. */
static void a_hole_that_holds_the_next_releases_leaves_the_job_unknown(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 5ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 1 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 2 * MS, X, 1, 0);
	for (int64_t at = 10 * MS; at <= 20 * MS; at += 10 * MS) {
		fx_wakes(&f, at, T1, VMRT_FN_TIMERFD);
		fx_arm(&f, at + 90, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		fx_sw(&f, at + 2 * MS, X, 1, 0);
	}
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 30 * MS + 90, T1, VMRT_FN_TIMERFD, 40 * MS);
	fx_sw(&f, 70 * MS + 50, 0, 0, X);
	fx_arm(&f, 70 * MS + 90, T1, VMRT_FN_TIMERFD, 80 * MS);
	fx_sw(&f, 72 * MS, X, 1, 0);
	fx_wakes(&f, 80 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 81 * MS, NULL);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_MET);
	assert_us(fx_job(&f, 2)->arrival_ns, 30 * MS);
	assert_has_no_end(fx_job(&f, 2));
}

/* It seems to run on CPU 0 until its timer wakes it on CPU 1. */
static void a_thread_that_is_woken_elsewhere_while_it_seems_to_run_had_slept(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = itimer\n");
	fx_runs_from_the_beginning(&f);
	arms_on(&f, 0, 1 * MS, 10 * MS);
	switches_on(&f, 0, 2 * MS, X, 1, 0);
	expires_on(&f, 0, 10 * MS);
	switches_on(&f, 0, 10 * MS + 50, 0, 0, X);
	arms_on(&f, 0, 10 * MS + 60, 20 * MS);
	expires_on(&f, 1, 20 * MS);
	switches_on(&f, 1, 20 * MS + 50, 0, 0, X);
	arms_on(&f, 1, 20 * MS + 60, 30 * MS);
	switches_on(&f, 1, 22 * MS, X, 1, 0);
	expires_on(&f, 1, 30 * MS);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_has_no_end(fx_job(&f, 0));
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->release_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->start_ns, 20 * MS + 50);
	assert_us(fx_job(&f, 1)->end_ns, 22 * MS);
}

/* The timer expired while X was on its way to sleep: it never slept, and its job ended when it
 * consumed the expiry. */
static void a_thread_that_is_woken_on_its_way_to_sleep_had_not_slept(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 1 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 2 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 10 * MS + 90, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_expire(&f, 20 * MS, X, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 20 * MS, X, HARD);
	fx_arm(&f, 20 * MS + 10, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 22 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 0)->end_ns, 20 * MS + 10);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->start_ns, 20 * MS + 10);
	assert_us(fx_job(&f, 1)->end_ns, 22 * MS);
}

/* CPU 1 is behind: by its records X arms its timer to 30 ms before that of 20 ms expires. */
static void a_timer_that_expires_long_before_it_is_due_makes_the_order_unknown(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 10ms\nrelease = itimer\n");
	fx_runs_from_the_beginning(&f);
	arms_on(&f, 0, 1 * MS, 10 * MS);
	switches_on(&f, 0, 2 * MS, X, 1, 0);
	expires_on(&f, 0, 10 * MS);
	switches_on(&f, 0, 10 * MS + 50, 0, 0, X);
	arms_on(&f, 0, 10 * MS + 60, 20 * MS);
	arms_on(&f, 0, 20 * MS + 10, 30 * MS);
	expires_on(&f, 1, 20 * MS + 200);
	switches_on(&f, 0, 23 * MS, X, 1, 0);
	expires_on(&f, 0, 30 * MS);
	switches_on(&f, 0, 30 * MS + 50, 0, 0, X);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	for (size_t i = 0; i < f.n; i++)
		assert_true(fx_job(&f, i)->outcome != VMRT_OUTCOME_MET &&
			    fx_job(&f, i)->outcome != VMRT_OUTCOME_MISSED);
}

/* X was stopped within its job, say, and somebody let it go on behind the timer's expiry: it read
 * its timer 400 us later only. */
static void what_runs_before_the_timer_is_armed_may_be_of_the_job_before(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 5ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 1 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 2 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 10 * MS + 90, T1, VMRT_FN_TIMERFD, 20 * MS);
	/* that X left is missing */
	fx_sw(&f, 15 * MS, 0, 0, Y);
	fx_sw(&f, 16 * MS, Y, 1, 0);
	fx_wakes(&f, 20 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 20 * MS + 450, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 22 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_has_no_end(fx_job(&f, 0));
	assert_us(fx_job(&f, 1)->exec_ns, 1 * MS + 950);
	assert_us(fx_job(&f, 1)->unsure_ns, 400);
}

/* X is woken in the context of CPU 0, to run on CPU 1, of which nothing is recorded. */
static void woken_to_cpu_1(struct fixture *f, int64_t at)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .flags = HARD};

	ev.wake.pid = X;
	ev.wake.comm = "x";
	ev.wake.prio = FIFO;
	ev.wake.target_cpu = 1;
	fx_push(f, &ev, at);
	ev.type = VMRT_EV_WAKEUP;
	fx_push(f, &ev, at);
}

/* X sleeps within its job from 11 to 12 ms. That its timer wakes it at 20 ms shows that it has
 * slept again: it ran, and its job may have ended long before. */
static void is_woken_twice(struct fixture *f, int64_t error_us)
{
	fx_begin(f, "period = 10ms\ndeadline = 15ms\nrelease = timerfd\n");
	f->machine.record_error_ns = error_us * US;
	fx_runs_from_the_beginning(f);
	fx_arm(f, 1 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(f, 2 * MS, X, 1, 0);
	fx_wakes(f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_sw(f, 11 * MS, X, 2, 0);
	woken_to_cpu_1(f, 12 * MS);
	fx_wakes(f, 20 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(f, 20 * MS + 60, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(f, 22 * MS, X, 1, 0);
	fx_wakes(f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(f, 31 * MS, NULL);
}

static void who_is_woken_twice_has_run_in_between(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	is_woken_twice(&f, 0);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_has_no_end(fx_job(&f, 0));
	j = fx_job(&f, 1);
	assert_us(j->arrival_ns, 20 * MS);
	assert_us(j->start_ns, 20 * MS + 50);
	assert_us(j->end_ns, 22 * MS);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
	assert_int_equal(f.stats.broken_chains, 1);
}

/* The clocks of two CPUs may be 10 ms apart: both records may be of one wake-up. */
static void by_bad_clocks_who_is_woken_twice_may_be_woken_once(void **state)
{
	static struct fixture f;

	(void)state;
	is_woken_twice(&f, 5 * MS);
	assert_int_equal(f.stats.broken_chains, 0);
	is_woken_twice(&f, 200);
	assert_int_equal(f.stats.broken_chains, 1);
}

/* CPU 1 wakes X, whose records come 0.5 ms late: meanwhile X has run on CPU 0, and has slept, was
 * woken there, has run and slept again. That X is woken at 20 ms shows no missing run. */
static void a_late_wake_up_behind_another_one_is_over(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 100ms\nrelease = nanosleep\n");
	f.machine.record_error_ns = 500 * US;
	fx_runs_from_the_beginning(&f);
	fx_sw(&f, 2 * MS, X, 1, 0);
	fx_sw(&f, 10 * MS, 0, 0, X);
	fx_sw(&f, 10 * MS + 20, X, 1, 0);
	fx_wake(&f, 10 * MS + 30, 0, HARD);
	fx_sw(&f, 10 * MS + 40, 0, 0, X);
	fx_sw(&f, 10 * MS + 60, X, 1, 0);
	f.cpu = 1;
	fx_wake(&f, 10 * MS + 500, 0, HARD);
	f.cpu = 0;
	fx_wake(&f, 20 * MS, 0, HARD);
	fx_sw(&f, 20 * MS + 50, 0, 0, X);
	fx_sw(&f, 21 * MS, X, 1, 0);
	fx_end(&f, 25 * MS, NULL);
	assert_int_equal(f.stats.broken_chains, 0);
}

/* The same task sleeps until an absolute time: how often it has done so unseen is not known. */
static void a_sleeper_that_is_woken_twice_has_a_job_without_an_end(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 15ms\nrelease = nanosleep\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_expire(&f, 10 * MS, 0, T2, VMRT_FN_WAKEUP);
	woken_to_cpu_1(&f, 10 * MS);
	/* it has slept until 20 ms */
	fx_wake(&f, 20 * MS, 0, HARD);
	fx_sw(&f, 20 * MS + 50, 0, 0, X);
	fx_sleep_until(&f, 21 * MS, 30 * MS);
	fx_wakes(&f, 30 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 32 * MS, 40 * MS);
	fx_end(&f, 33 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_us(fx_job(&f, f.n - 1)->arrival_ns, 30 * MS);
	assert_int_equal(fx_job(&f, f.n - 1)->outcome, VMRT_OUTCOME_MET);
}

/* X runs under another name, and is woken twice on its way to sleep: nothing is missing. */
static void who_runs_and_is_woken_twice_on_its_way_to_sleep_has_not_run_unseen(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = nanosleep\n");
	f.name = "sh";
	fx_sw(&f, 1, 0, 0, X);
	fx_arm(&f, 1 * MS, T2, VMRT_FN_WAKEUP, 500);
	fx_expire(&f, 1 * MS + 5, X, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 1 * MS + 10, X, HARD);
	fx_wake(&f, 2 * MS, X, HARD);
	f.name = "x";
	fx_sleep_until(&f, 3 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 12 * MS, 20 * MS);
	fx_end(&f, 13 * MS, NULL);
	assert_int_equal(f.stats.broken_chains, 0);
	assert_int_equal(fx_job(&f, f.n - 1)->outcome, VMRT_OUTCOME_MET);
}

/* X is woken to CPU 1, of which nothing is recorded until the recording ends at @end: in 100 ms X
 * would have run there. */
static enum vmrt_outcome waits_on_cpu_1_until(int64_t end)
{
	static struct fixture f;

	fx_begin(&f, "period = 200ms\ndeadline = 15ms\nrelease = nanosleep\n");
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_expire(&f, 10 * MS, 0, T2, VMRT_FN_WAKEUP);
	woken_to_cpu_1(&f, 10 * MS);
	fx_end(&f, end, NULL);
	assert_int_equal(f.n, 1);
	return fx_job(&f, 0)->outcome;
}

static void who_waits_for_a_cpu_without_records_may_have_run_there(void **state)
{
	(void)state;
	assert_int_equal(waits_on_cpu_1_until(109 * MS), VMRT_OUTCOME_MISSED_INCOMPLETE);
	assert_int_equal(waits_on_cpu_1_until(110 * MS), VMRT_OUTCOME_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			who_runs_and_is_woken_twice_on_its_way_to_sleep_has_not_run_unseen),
		cmocka_unit_test(who_waits_for_a_cpu_without_records_may_have_run_there),
		cmocka_unit_test(who_is_woken_twice_has_run_in_between),
		cmocka_unit_test(a_late_wake_up_behind_another_one_is_over),
		cmocka_unit_test(by_bad_clocks_who_is_woken_twice_may_be_woken_once),
		cmocka_unit_test(a_sleeper_that_is_woken_twice_has_a_job_without_an_end),
		cmocka_unit_test(a_job_is_woken_whose_thread_was_not_seen_falling_asleep),
		cmocka_unit_test(a_hole_that_holds_the_next_releases_leaves_the_job_unknown),
		cmocka_unit_test(a_thread_that_is_woken_elsewhere_while_it_seems_to_run_had_slept),
		cmocka_unit_test(a_thread_that_is_woken_on_its_way_to_sleep_had_not_slept),
		cmocka_unit_test(
			a_timer_that_expires_long_before_it_is_due_makes_the_order_unknown),
		cmocka_unit_test(what_runs_before_the_timer_is_armed_may_be_of_the_job_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
