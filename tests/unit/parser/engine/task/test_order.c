/* SPDX-License-Identifier: MIT */
/* Records of two CPUs whose clocks are not quite the same come in another order than they were
 * written in. */
#include "taskfix.h"

/* Timer T1 expires on CPU 1 and wakes X, which runs on CPU 0, whose records seem to be earlier. */
static void wakes_too_late(struct fixture *f, int64_t runs, int64_t expires)
{
	fx_sw(f, runs, 0, 0, X);
	f->cpu = 1;
	fx_expire(f, expires, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(f, expires, 0, HARD);
	f->cpu = 0;
}

/* A recording whose clock is known to 20 us; the first job runs from 10 to 12 ms, the next is due
 * at 20 ms. */
static void begin_with_one_job(struct fixture *f)
{
	fx_begin(f, "period = 10ms\ndeadline = 5ms\nrelease = timerfd\n");
	f->machine.record_error_ns = 20 * US;
	fx_works_once_by_timer(f);
}

static void a_job_ends_at_its_sleep_if_the_wake_up_comes_behind_the_switch(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	begin_with_one_job(&f);
	wakes_too_late(&f, 20 * MS, 20 * MS + 20);
	fx_arm(&f, 20 * MS + 60, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 23 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	j = fx_job(&f, 0);
	assert_us(j->end_ns, 12 * MS);
	assert_us(j->exec_ns, 2 * MS - 50);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
	j = fx_job(&f, 1);
	assert_us(j->arrival_ns, 20 * MS);
	assert_us(j->release_ns, 20 * MS + 20);
	assert_us(j->end_ns, 23 * MS);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
}

/* X was on its way to a CPU when the recording began: its first run comes before the record of CPU
 * 1 that woke it. That X is woken the next time shows no missing run. */
static void the_first_run_of_all_may_come_before_its_wake_up_too(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 5ms\nrelease = timerfd\n");
	f.machine.record_error_ns = 20 * US;
	f.cpu = 1;
	fx_sw(&f, 1, Y, 1, 0);
	f.cpu = 0;
	fx_expire(&f, 1 * MS, 0, T2, VMRT_FN_TICK);
	fx_sw(&f, 2 * MS, 0, 0, X);
	fx_sw(&f, 2 * MS + 5, X, 1, 0);
	f.cpu = 1;
	fx_wake(&f, 2 * MS + 8, 0, HARD);
	fx_wake(&f, 9 * MS, 0, HARD);
	f.cpu = 0;
	fx_sw(&f, 9 * MS + 50, 0, 0, X);
	fx_sw(&f, 9 * MS + 90, X, 1, 0);
	fx_end(&f, 31 * MS, NULL);
	assert_int_equal(f.stats.broken_chains, 0);
}

/* X consumes its expiry of 20 ms at 30 ms. By the record clock, which may be 20 us ahead, it arms
 * its timer to 2 us ago: that does not show that the time has come. X works until 33 ms. */
static void armed_to_just_now_is_not_armed_to_the_past(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_one_job(&f);
	fx_expire(&f, 20 * MS, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 20 * MS, 0, HARD);
	fx_sw(&f, 29 * MS, 0, 0, X);
	fx_arm(&f, 30 * MS + 2, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_expire(&f, 30 * MS + 10, X, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 33 * MS, T1, VMRT_FN_TIMERFD, 40 * MS);
	fx_sw(&f, 35 * MS, X, 1, 0);
	fx_wakes(&f, 40 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 41 * MS, NULL);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->end_ns, 33 * MS);
	assert_us(fx_job(&f, 2)->arrival_ns, 30 * MS);
	assert_us(fx_job(&f, 2)->start_ns, 33 * MS);
	assert_us(fx_job(&f, 2)->end_ns, 35 * MS);
}

/* The same by a clock that is known to 5 ms only: 3 ms ago does not show it either. */
static void what_is_past_by_less_than_the_clocks_error_may_lie_ahead(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_one_job(&f);
	f.machine.record_error_ns = 5 * MS * US;
	fx_expire(&f, 20 * MS, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 20 * MS, 0, HARD);
	fx_sw(&f, 29 * MS, 0, 0, X);
	fx_arm(&f, 33 * MS, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_expire(&f, 34 * MS, X, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 36 * MS, T1, VMRT_FN_TIMERFD, 40 * MS);
	fx_sw(&f, 38 * MS, X, 1, 0);
	fx_wakes(&f, 40 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 60 * MS, NULL);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->end_ns, 36 * MS);
	assert_us(fx_job(&f, 2)->arrival_ns, 30 * MS);
	assert_us(fx_job(&f, 2)->start_ns, 36 * MS);
}

/* X is preempted on CPU 0 at 21 ms and goes on on CPU 1, whose record of that comes first. */
static void a_preemption_that_is_recorded_behind_the_next_run_counts(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_one_job(&f);
	fx_wakes(&f, 20 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 20 * MS + 60, T1, VMRT_FN_TIMERFD, 30 * MS);
	f.cpu = 1;
	fx_sw(&f, 21 * MS, 0, 0, X);
	f.cpu = 0;
	fx_sw(&f, 21 * MS + 10, X, 0, Y);
	f.cpu = 1;
	fx_sw(&f, 23 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 1)->end_ns, 23 * MS);
	assert_int_equal(fx_job(&f, 1)->preemptions, 1);
	assert_int_equal(fx_job(&f, 1)->migrations, 1);
}

/* X waits for a lock within its job from 12 ms on. Its timer expires at 20 ms, which wakes nobody;
 * the lock's owner on CPU 1 wakes X right behind, and the record of that comes behind X's run. */
static void who_runs_right_behind_its_timer_may_have_been_woken_by_another(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	begin_with_one_job(&f);
	f.cpu = 1;
	fx_expire(&f, 20 * MS, 0, T1, VMRT_FN_TIMERFD);
	f.cpu = 0;
	fx_sw(&f, 20 * MS + 10, 0, 0, X);
	f.cpu = 1;
	fx_wake(&f, 20 * MS + 15, Y, 0);
	f.cpu = 0;
	fx_arm(&f, 21 * MS, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 23 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	j = fx_job(&f, 0);
	assert_us(j->end_ns, 21 * MS);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MISSED);
	j = fx_job(&f, 1);
	assert_us(j->arrival_ns, 20 * MS);
	assert_us(j->start_ns, 21 * MS);
	assert_us(j->end_ns, 23 * MS);
}

static void a_wake_up_that_comes_much_later_is_another_one(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_one_job(&f);
	/* it was woken before: the job goes on */
	wakes_too_late(&f, 19 * MS, 20 * MS);
	fx_arm(&f, 21 * MS, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 23 * MS, X, 1, 0);
	fx_end(&f, 24 * MS, NULL);
	assert_us(fx_job(&f, 0)->end_ns, 21 * MS);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_BLOCKING], 7 * MS);
}

/* X sleeps within its first job. CPU 1 wakes it, and its timer expires there 5 us later, while X
 * runs; the record of the wake-up comes behind that of the switch. X reads the timer at 21 ms. */
static void a_late_wake_up_before_the_expiry_is_not_the_timers(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_one_job(&f);
	fx_sw(&f, 20 * MS - 1, 0, 0, X);
	f.cpu = 1;
	fx_wake(&f, 20 * MS, 0, 0);
	fx_expire(&f, 20 * MS + 5, 0, T1, VMRT_FN_TIMERFD);
	f.cpu = 0;
	fx_arm(&f, 21 * MS, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 22 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 21 * MS);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(fx_job(&f, 1)->start_ns, 21 * MS);
	assert_us(fx_job(&f, 1)->end_ns, 22 * MS);
}

static void a_timer_that_is_armed_anew_by_who_was_not_woken_has_expired(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	begin_with_one_job(&f);
	fx_sw(&f, 20 * MS + 10, 0, 0, X);
	fx_arm(&f, 20 * MS + 15, T1, VMRT_FN_TIMERFD, 30 * MS);
	f.cpu = 1;
	fx_expire(&f, 20 * MS + 20, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 20 * MS + 20, 0, HARD);
	f.cpu = 0;
	fx_sw(&f, 23 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_int_equal(f.n, 3);
	assert_us(fx_job(&f, 0)->end_ns, 12 * MS);
	j = fx_job(&f, 1);
	assert_us(j->arrival_ns, 20 * MS);
	assert_us(j->start_ns, 20 * MS + 10);
	assert_us(j->end_ns, 23 * MS);
	/* what it ran before it armed the timer is not counted: records may be as far apart */
	assert_us(j->exec_ns, 3 * MS - 15);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
	assert_us(fx_job(&f, 2)->arrival_ns, 30 * MS);
}

/* CPU 1, on which it armed its timer and was woken, is not read. */
static void no_two_jobs_are_released_by_one_expiry(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 5ms\nrelease = timerfd\n");
	f.machine.record_error_ns = 20 * US;
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	fx_wakes(&f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_sw(&f, 12 * MS, X, 1, 0);
	fx_sw(&f, 30 * MS + 10, 0, 0, X);
	fx_arm(&f, 30 * MS + 15, T1, VMRT_FN_TIMERFD, 40 * MS);
	fx_sw(&f, 33 * MS, X, 1, 0);
	fx_wakes(&f, 40 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 41 * MS, NULL);
	for (size_t i = 1; i < f.n; i++)
		assert_true(fx_job(&f, i)->arrival_ns > fx_job(&f, i - 1)->arrival_ns);
}

static void a_sleeper_that_runs_before_its_timer_expired_was_released_when_it_started(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 5ms\nrelease = nanosleep\n");
	f.machine.record_error_ns = 20 * US;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_sw(&f, 10 * MS + 10, 0, 0, X);
	f.cpu = 1;
	fx_expire(&f, 10 * MS + 30, 0, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 10 * MS + 30, 0, HARD);
	f.cpu = 0;
	fx_sleep_until(&f, 12 * MS, 20 * MS);
	fx_end(&f, 13 * MS, NULL);
	assert_us(fx_job(&f, 0)->release_ns, 10 * MS + 10);
	assert_us(fx_job(&f, 0)->start_ns, 10 * MS + 10);
	assert_us(fx_job(&f, 0)->exec_ns, 2 * MS - 10);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MET);
}

/* X sleeps between the two records of the wake-up that CPU 1 wrote. */
static void a_sleep_between_the_records_of_a_wake_up_goes_on(void **state)
{
	static struct fixture f;
	struct vmrt_event ev = {.type = VMRT_EV_WAKING};

	(void)state;
	fx_begin(&f, "period = 100ms\nrelease = nanosleep\n");
	f.machine.record_error_ns = 20 * US;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sw(&f, 12 * MS, X, 1, 0);
	fx_sw(&f, 14 * MS, 0, 0, X);
	ev.wake.pid = X;
	ev.wake.comm = fx_comm(&f, X);
	ev.wake.prio = FIFO;
	f.cpu = 1;
	fx_push(&f, &ev, 14 * MS + 5);
	f.cpu = 0;
	fx_sw(&f, 14 * MS + 8, X, 1, 0);
	ev.type = VMRT_EV_WAKEUP;
	f.cpu = 1;
	fx_push(&f, &ev, 14 * MS + 9);
	f.cpu = 0;
	fx_wake(&f, 18 * MS, 0, HARD);
	fx_sw(&f, 18 * MS, 0, 0, X);
	fx_sleep_until(&f, 20 * MS, 110 * MS);
	fx_end(&f, 25 * MS, NULL);
	assert_int_equal(f.n, 1);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_BLOCKING], 6 * MS - 8);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_RELEASE], 50);
}

/* X sleeps within its job until T2 wakes it, at 19.95 ms, whose records CPU 1 writes 3 us behind
 * the run. T1 expires while X works on, which reads it at 20.05 ms. */
static void a_late_wake_up_by_another_timer_is_not_the_own_ones(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_one_job(&f);
	f.machine.record_error_ns = 200 * US;
	fx_sw(&f, 19950, 0, 0, X);
	f.cpu = 1;
	fx_expire(&f, 19953, 0, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 19953, 0, HARD);
	fx_expire(&f, 20 * MS, 0, T1, VMRT_FN_TIMERFD);
	f.cpu = 0;
	fx_arm(&f, 20 * MS + 50, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 23 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 0)->end_ns, 20 * MS + 50);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(fx_job(&f, 1)->start_ns, 20 * MS + 50);
	assert_us(fx_job(&f, 1)->end_ns, 23 * MS);
}

/* A job whose deadline is at 15 ms is open when the recording ends at @end. */
static enum vmrt_outcome open_at(int64_t end, int64_t error_ns)
{
	static struct fixture f;

	fx_begin(&f, "period = 100ms\ndeadline = 5ms\nrelease = nanosleep\n");
	f.machine.record_error_ns = error_ns;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_end(&f, end, NULL);
	assert_int_equal(f.n, 1);
	return fx_job(&f, 0)->outcome;
}

static void a_deadline_that_the_clock_does_not_show_to_have_passed_is_not_missed(void **state)
{
	(void)state;
	assert_int_equal(open_at(15 * MS + 10, 0), VMRT_OUTCOME_MISSED_INCOMPLETE);
	assert_int_equal(open_at(15 * MS + 10, 20 * US), VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(open_at(15 * MS + 30, 20 * US), VMRT_OUTCOME_MISSED_INCOMPLETE);
	assert_int_equal(open_at(90 * MS, 400 * VMRT_NS_PER_S), VMRT_OUTCOME_TRUNCATED);
}

static void a_job_that_arrives_as_the_recording_ends_is_not_in_it(void **state)
{
	static struct fixture f;

	(void)state;
	for (int later = 0; later < 2; later++) {
		fx_begin(&f, "period = 10ms\nrelease = nanosleep\n");
		fx_runs_from_the_beginning(&f);
		fx_sleep_until(&f, 2 * MS, 10 * MS);
		fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
		fx_sleep_until(&f, 12 * MS, 20 * MS);
		fx_end(&f, 20 * MS + later, NULL);
		assert_int_equal(f.n, later ? 2 : 1);
	}
}

/* X sleeps within its job when T1 expires. What wakes it, T2 on CPU 1, is recorded behind the
 * switch on CPU 0: the job goes on until X arms T1 anew. */
static void an_expiry_that_woke_nobody_did_not_end_the_job(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_one_job(&f);
	f.cpu = 1;
	fx_expire(&f, 20 * MS, 0, T1, VMRT_FN_TIMERFD);
	fx_sw(&f, 20 * MS + 300, 0, 0, Y);
	f.cpu = 0;
	fx_sw(&f, 20 * MS + 600, 0, 0, X);
	f.cpu = 1;
	fx_expire(&f, 20 * MS + 605, Y, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 20 * MS + 605, Y, HARD);
	f.cpu = 0;
	fx_arm(&f, 21 * MS, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 23 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 0)->end_ns, 21 * MS);
	assert_us(fx_job(&f, 0)->blame_ns[VMRT_BLAME_BLOCKING], 8 * MS + 600);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MISSED);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->start_ns, 21 * MS);
	assert_us(fx_job(&f, 1)->end_ns, 23 * MS);
}

/* The machine was suspended for 1000 s behind 10 ms, and its clock is said to be wrong by as much:
 * more periods than a task may be behind. */
static void a_job_ends_also_by_a_clock_that_may_be_wrong_by_hours(void **state)
{
	const int64_t step = 1000 * 1000 * MS;
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = nanosleep\n");
	f.machine.record_error_ns = step * US;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, step + 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, step + 12 * MS, 20 * MS);
	fx_wakes(&f, step + 20 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, step + 23 * MS, 30 * MS);
	fx_end(&f, step + 24 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 0)->end_ns, step + 12 * MS);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->end_ns, step + 23 * MS);
}

/* X wakes up on CPU 1; that T1 has expired on CPU 0 is recorded behind that. */
static void a_thread_that_wakes_up_elsewhere_has_not_moved_within_its_job(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with_one_job(&f);
	f.cpu = 1;
	fx_sw(&f, 20 * MS, 0, 0, X);
	f.cpu = 0;
	fx_expire(&f, 20 * MS + 20, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 20 * MS + 20, 0, HARD);
	f.cpu = 1;
	fx_arm(&f, 20 * MS + 60, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 23 * MS, X, 1, 0);
	f.cpu = 0;
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_us(fx_job(&f, 0)->end_ns, 12 * MS);
	assert_int_equal(fx_job(&f, 0)->migrations, 0);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_int_equal(fx_job(&f, 1)->migrations, 0);
}

/* X begins its job on CPU 1, is preempted after 1 us, and goes on on CPU 0, whose records are 6 us
 * ahead: they say first that it runs there. */
static void a_run_that_is_recorded_behind_the_next_one_does_not_end_that(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 5ms\nrelease = nanosleep\n");
	f.machine.record_error_ns = 20 * US;
	f.cpu = 1;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_expire(&f, 10 * MS, 0, T2, VMRT_FN_WAKEUP);
	fx_wake(&f, 10 * MS, 0, HARD);
	f.cpu = 0;
	fx_sw(&f, 10 * MS + 1, 0, 0, X);
	f.cpu = 1;
	fx_sw(&f, 10 * MS + 4, 0, 0, X);
	fx_sw(&f, 10 * MS + 5, X, 0, Y);
	f.cpu = 0;
	fx_sleep_until(&f, 12 * MS, 20 * MS);
	fx_end(&f, 15 * MS, NULL);
	assert_int_equal(f.n, 1);
	j = fx_job(&f, 0);
	assert_us(j->end_ns, 12 * MS);
	assert_us(j->exec_ns, 2 * MS - 1);
	assert_int_equal(j->preemptions, 1);
	assert_int_equal(j->migrations, 1);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
}

/* The clock was set while it was recorded: it ends 8 ms, or 208 ms, or anything behind its arrival.
 */
static void by_a_clock_that_is_wrong_by_more_than_a_job_lasts_none_is_judged(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\ndeadline = 5ms\nrelease = nanosleep\n");
	f.machine.record_error_ns = 200 * MS * US;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 18 * MS, 20 * MS);
	fx_end(&f, 19 * MS, NULL);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 0)->end_ns, 18 * MS);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_int_equal(fx_job(&f, 0)->cause, -1);
	assert_false(fx_job(&f, 0)->excused);
}

/* The clock of CPU 0 is 13 ms behind, where X does its job of 30 ms, from 30 to 31 ms: by the
 * records it does so before the one of 20 ms, which it does on CPU 1, and sleeps until two times.
 */
static void who_sleeps_until_two_times_at_once_did_no_job_for_certain(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = nanosleep\n");
	f.machine.record_error_ns = 15 * MS * US;
	fx_sw(&f, 1, Y, 1, 0);
	f.cpu = 1;
	fx_runs_from_the_beginning(&f);
	fx_sleep_until(&f, 2 * MS, 10 * MS);
	fx_wakes(&f, 10 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 12 * MS, 20 * MS);
	f.cpu = 0;
	fx_sw(&f, 17 * MS, 0, 0, X);
	fx_arm(&f, 18 * MS, T1, VMRT_FN_WAKEUP, 40 * MS);
	fx_sw(&f, 18 * MS, X, 1, 0);
	f.cpu = 1;
	fx_wakes(&f, 20 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 22 * MS, 30 * MS);
	f.cpu = 0;
	fx_wakes(&f, 30 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 32 * MS, 60 * MS);
	fx_wakes(&f, 60 * MS, T2, VMRT_FN_WAKEUP);
	fx_sleep_until(&f, 62 * MS, 70 * MS);
	fx_end(&f, 69 * MS, NULL);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_MET);
	/* those of 20, 30, 40 and 50 ms */
	assert_int_equal(f.n, 6);
	for (size_t i = 1; i < 5; i++)
		assert_int_equal(fx_job(&f, i)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_us(fx_job(&f, 5)->arrival_ns, 60 * MS);
	assert_int_equal(fx_job(&f, 5)->outcome, VMRT_OUTCOME_MET);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_a_clock_that_is_wrong_by_more_than_a_job_lasts_none_is_judged),
		cmocka_unit_test(a_run_that_is_recorded_behind_the_next_one_does_not_end_that),
		cmocka_unit_test(who_sleeps_until_two_times_at_once_did_no_job_for_certain),
		cmocka_unit_test(a_late_wake_up_by_another_timer_is_not_the_own_ones),
		cmocka_unit_test(no_two_jobs_are_released_by_one_expiry),
		cmocka_unit_test(a_job_that_arrives_as_the_recording_ends_is_not_in_it),
		cmocka_unit_test(a_job_ends_at_its_sleep_if_the_wake_up_comes_behind_the_switch),
		cmocka_unit_test(the_first_run_of_all_may_come_before_its_wake_up_too),
		cmocka_unit_test(who_runs_right_behind_its_timer_may_have_been_woken_by_another),
		cmocka_unit_test(armed_to_just_now_is_not_armed_to_the_past),
		cmocka_unit_test(what_is_past_by_less_than_the_clocks_error_may_lie_ahead),
		cmocka_unit_test(a_preemption_that_is_recorded_behind_the_next_run_counts),
		cmocka_unit_test(a_wake_up_that_comes_much_later_is_another_one),
		cmocka_unit_test(a_late_wake_up_before_the_expiry_is_not_the_timers),
		cmocka_unit_test(a_sleep_between_the_records_of_a_wake_up_goes_on),
		cmocka_unit_test(
			a_deadline_that_the_clock_does_not_show_to_have_passed_is_not_missed),
		cmocka_unit_test(a_timer_that_is_armed_anew_by_who_was_not_woken_has_expired),
		cmocka_unit_test(
			a_sleeper_that_runs_before_its_timer_expired_was_released_when_it_started),
		cmocka_unit_test(an_expiry_that_woke_nobody_did_not_end_the_job),
		cmocka_unit_test(a_job_ends_also_by_a_clock_that_may_be_wrong_by_hours),
		cmocka_unit_test(a_thread_that_wakes_up_elsewhere_has_not_moved_within_its_job),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
