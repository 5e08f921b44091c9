/* SPDX-License-Identifier: MIT */
/* What wakes a thread long behind the expiry of its timer may be the timer or something else. Times
 * are in us. */
#include "taskfix.h"

#include <string.h>

/* X's timer expires at @expires, which wakes nobody. A device wakes X 5 ms later, X reads its timer
 * @us after it has begun to run, and works until @sleeps. */
static void reads_its_timer_late(struct fixture *f, int64_t expires, int64_t us, int64_t sleeps)
{
	int64_t runs = expires + 5 * MS + 50, next = expires + 10 * MS;

	fx_expire(f, expires, 0, T1, VMRT_FN_TIMERFD);
	/* the CPU is idle, and its tick is stopped: nothing is recorded in between */
	fx_wake(f, expires + 5 * MS, 0, HARD);
	fx_sw(f, runs, 0, 0, X);
	fx_arm(f, runs + us, T1, VMRT_FN_TIMERFD, next);
	fx_sw(f, sleeps, X, 1, 0);
	fx_wakes(f, next, T1, VMRT_FN_TIMERFD);
	fx_end(f, next + 1 * MS, NULL);
}

/* X sleeps in its first job from 12 ms on. Its timer expires at 20 ms, which wakes nobody. A device
 * wakes it at 25 ms, and X works on for @works_us before it reads the timer. */
static void woken_by_a_device(struct fixture *f, int64_t works_us)
{
	fx_begin(f, "period = 10ms\nrelease = timerfd\n");
	fx_works_once_by_timer(f);
	reads_its_timer_late(f, 20 * MS, works_us, 28 * MS);
	assert_int_equal(f->n, 3);
}

static void a_device_that_wakes_a_thread_long_after_its_timer_does_not_release_it(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	woken_by_a_device(&f, 950);
	j = fx_job(&f, 0);
	assert_us(j->end_ns, 26 * MS);
	assert_us(j->exec_ns, 2 * MS - 50 + 950);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MISSED);
	j = fx_job(&f, 1);
	assert_us(j->arrival_ns, 20 * MS);
	assert_us(j->release_ns, 20 * MS);
	assert_us(j->start_ns, 26 * MS);
	assert_us(j->end_ns, 28 * MS);
	assert_us(j->exec_ns, 2 * MS);
}

/* It reads the timer at once: then it may have been the timer after all, in an interrupt that took
 * long, and the job before it have ended with the sleep. */
static void what_wakes_a_thread_that_reads_its_timer_at_once_is_not_known(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	woken_by_a_device(&f, 10);
	j = fx_job(&f, 0);
	assert_us(j->arrival_ns, 10 * MS);
	assert_true(j->end_ns == VMRT_UNKNOWN);
	assert_int_equal(j->outcome, VMRT_OUTCOME_UNKNOWN);
	j = fx_job(&f, 1);
	assert_us(j->arrival_ns, 20 * MS);
	assert_us(j->start_ns, 25 * MS + 50);
	assert_us(j->end_ns, 28 * MS);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
}

/* epoll_wait() with a limit of 100 ms, which is given up each time: the timerfd releases it. */
static void the_time_limit_of_a_wait_for_a_timer_is_no_release(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sleep_until(&f, 3 * MS, 103 * MS);
	for (int k = 0; k < 6; k++) {
		int64_t at = (k + 1) * 10 * MS;

		fx_wakes(&f, at, T1, VMRT_FN_TIMERFD);
		fx_cancel(&f, at + 60, X, 0, T2);
		fx_arm(&f, at + 80, T1, VMRT_FN_TIMERFD, at + 10 * MS);
		fx_sleep_until(&f, at + 3 * MS, at + 103 * MS);
	}
	assert_int_equal(fx_end(&f, 65 * MS, NULL), VMRT_RELEASE_TIMERFD);
	/* the first one passed for something else: that is what a second reading is for */
	assert_int_equal(f.n, 5);
	for (size_t i = 0; i < 4; i++) {
		assert_us(fx_job(&f, i)->arrival_ns, ((int)i + 2) * 10 * MS);
		assert_us(fx_job(&f, i)->response_ns, 3 * MS);
	}
}

/* A task that is said to wait for a timerfd and sleeps until times: none of its jobs is known. */
static void a_task_at_work_without_any_job_is_noted(void **state)
{
	static struct fixture f;
	struct vmrt_task_contradiction found;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	for (int k = 0; k < 9; k++) {
		if (k == 7) {
			vmrt_engine_task_contradiction(f.engine, 0, &found);
			assert_string_equal(found.text, "");
		}
		fx_sleep_until(&f, k * 10 * MS + 3 * MS, (k + 1) * 10 * MS);
		fx_wakes(&f, (k + 1) * 10 * MS, T2, VMRT_FN_WAKEUP);
	}
	vmrt_engine_task_contradiction(f.engine, 0, &found);
	assert_non_null(strstr(found.text, "it was woken 9 times, but no job was found"));
	fx_end(&f, 95 * MS, NULL);
}

/* The first expiry of X's timer, long before X is woken: the host did not run in between, say.
 * There is no job before that could have gone on. */
static void a_first_job_that_is_woken_late_is_there(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_born(&f, 0);
	fx_sw(&f, 1 * MS, 0, 0, X);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	fx_expire(&f, 10 * MS, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 12 * MS, 0, HARD);
	fx_sw(&f, 12 * MS + 50, 0, 0, X);
	fx_arm(&f, 12 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_sw(&f, 14 * MS, X, 1, 0);
	fx_wakes(&f, 20 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 21 * MS, NULL);
	j = fx_job(&f, 0);
	assert_us(j->arrival_ns, 10 * MS);
	assert_us(j->release_ns, 10 * MS);
	assert_us(j->start_ns, 12 * MS + 50);
	assert_us(j->end_ns, 14 * MS);
	assert_int_equal(j->outcome, VMRT_OUTCOME_MET);
}

/* The thread has another name when it arms its timer. Something wakes it long behind the expiry at
 * 10 ms; the next one, at 20 ms, comes while it works. */
static void a_timer_that_was_armed_under_another_name_is_the_tasks(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	f.name = "sh";
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	f.name = "x";
	fx_sw(&f, 3 * MS, X, 1, 0);
	fx_expire(&f, 10 * MS, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 15 * MS, 0, HARD);
	fx_sw(&f, 15 * MS + 50, 0, 0, X);
	fx_arm(&f, 15 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_expire(&f, 20 * MS, X, T1, VMRT_FN_TIMERFD);
	fx_arm(&f, 21 * MS, T1, VMRT_FN_TIMERFD, 30 * MS);
	fx_sw(&f, 23 * MS, X, 1, 0);
	fx_wakes(&f, 30 * MS, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 31 * MS, NULL);
	assert_int_equal(f.n, 3);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_us(fx_job(&f, 1)->end_ns, 23 * MS);
}

/* X sleeps from 12 ms on. Its timer expires at 20 ms; the CPU records nothing until it wakes X at
 * 25 ms, and the recording ends before X runs. The host may have taken the CPU away, or a device
 * may have woken X from a sleep within its job. */
static void a_wake_up_in_doubt_at_the_end_leaves_the_job_before_unknown(void **state)
{
	static struct fixture f;

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_works_once_by_timer(&f);
	fx_expire(&f, 20 * MS, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 25 * MS, 0, HARD);
	fx_end(&f, 25 * MS + 40, NULL);
	assert_int_equal(f.n, 2);
	assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
	assert_true(fx_job(&f, 0)->end_ns == VMRT_UNKNOWN);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_UNKNOWN);
	assert_us(fx_job(&f, 1)->arrival_ns, 20 * MS);
	assert_int_equal(fx_job(&f, 1)->outcome, VMRT_OUTCOME_TRUNCATED);
}

/* X sleeps from 12 ms on. The expiry of its timer at 20 ms is the last record of CPU 0; the other
 * CPU goes on until 35 ms. The host may have stopped CPU 0, or X may have slept for something else.
 */
static void a_timer_whose_cpu_records_nothing_more_leaves_the_job_before_unknown(void **state)
{
	static const struct {
		const char *keys;
		enum vmrt_outcome outcome;
	} kinds[] = {{"period = 10ms\nrelease = timerfd\n", VMRT_OUTCOME_UNKNOWN},
		/* missed, wherever it ended */
		{"period = 10ms\ndeadline = 1500us\nrelease = timerfd\n",
			VMRT_OUTCOME_MISSED_INCOMPLETE},
		{"period = 10ms\ndeadline = 60ms\nrelease = timerfd\n", VMRT_OUTCOME_TRUNCATED}};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		static struct fixture f;

		fx_begin(&f, kinds[i].keys);
		fx_works_once_by_timer(&f);
		fx_expire(&f, 20 * MS, 0, T1, VMRT_FN_TIMERFD);
		f.cpu = 1;
		fx_sw(&f, 35 * MS, 0, 0, Y);
		fx_end(&f, 40 * MS, NULL);
		assert_us(fx_job(&f, 0)->arrival_ns, 10 * MS);
		assert_int_equal(fx_job(&f, 0)->outcome, kinds[i].outcome);
		assert_true(fx_job(&f, 0)->end_ns == VMRT_UNKNOWN);
	}
}

/* X sleeps at 12 ms; records are lost until 18 ms; its timer expires at 20 ms and X runs, without a
 * wake-up: it may have been woken, and preempted, where records are lost. It ends without reading
 * the timer. */
static void who_runs_behind_a_loss_and_ends_has_begun_no_job_for_certain(void **state)
{
	static struct fixture f;
	struct vmrt_event ev = {.type = VMRT_EV_OTHER, .lost = 1};

	(void)state;
	fx_begin(&f, "period = 10ms\nrelease = timerfd\n");
	fx_works_once_by_timer(&f);
	fx_push(&f, &ev, 18 * MS);
	fx_expire(&f, 20 * MS, 0, T1, VMRT_FN_TIMERFD);
	fx_sw(&f, 20 * MS + 100, 0, 0, X);
	fx_died(&f, 23 * MS);
	fx_sw(&f, 23 * MS + 10, X, 16, 0);
	fx_end(&f, 31 * MS, NULL);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_UNKNOWN);
	for (size_t i = 0; i < f.n; i++)
		assert_true(fx_job(&f, i)->outcome != VMRT_OUTCOME_MET);
}

/* T1 expires on CPU 0 at 10 ms and wakes X, which runs on CPU 1 and waits for T1 again there. CPU 0
 * has lost records meanwhile: a device wakes X there 80 us later. */
static void an_expiry_before_a_loss_wakes_nobody_behind_it(void **state)
{
	static struct fixture f;
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .flags = HARD, .lost = 1};

	(void)state;
	fx_begin(&f, "period = 40us\nrelease = timerfd\n");
	fx_runs_from_the_beginning(&f);
	fx_arm(&f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(&f, 3 * MS, X, 1, 0);
	fx_expire(&f, 10 * MS, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 10 * MS, 0, HARD);
	f.cpu = 1;
	fx_sw(&f, 10 * MS + 5, 0, 0, X);
	fx_arm(&f, 10 * MS + 7, T1, VMRT_FN_TIMERFD, 10 * MS + 40);
	fx_sw(&f, 10 * MS + 20, X, 1, 0);
	fx_expire(&f, 10 * MS + 40, 0, T1, VMRT_FN_TIMERFD);
	fx_wake(&f, 10 * MS + 40, 0, HARD);
	f.cpu = 0;
	ev.wake.pid = X;
	ev.wake.comm = "x";
	ev.wake.prio = FIFO;
	fx_push(&f, &ev, 10 * MS + 80);
	fx_sw(&f, 10 * MS + 85, 0, 0, X);
	fx_sw(&f, 10 * MS + 95, X, 1, 0);
	fx_wakes(&f, 10 * MS + 120, T1, VMRT_FN_TIMERFD);
	fx_end(&f, 11 * MS, NULL);
	for (size_t i = 1; i < f.n; i++)
		assert_true(fx_job(&f, i)->arrival_ns != fx_job(&f, 0)->arrival_ns);
}

/* The recording begins while X sleeps within a job, before any timer is armed in it. X's timer
 * expires at 10 ms, a device wakes X at 15 ms, and X reads its timer @us later. */
static void begins_within_a_job(struct fixture *f, int64_t us)
{
	fx_begin(f, "period = 10ms\nrelease = timerfd\n");
	fx_sw(f, 9 * MS, Y, 1, 0);
	reads_its_timer_late(f, 10 * MS, us, 17 * MS);
}

static void who_reads_its_timer_late_worked_on_the_job_before(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j;

	(void)state;
	begins_within_a_job(&f, 250);
	assert_int_equal(f.n, 3);
	assert_int_equal(fx_job(&f, 0)->outcome, VMRT_OUTCOME_TRUNCATED);
	j = fx_job(&f, 1);
	assert_us(j->arrival_ns, 10 * MS);
	assert_us(j->release_ns, 10 * MS);
	assert_us(j->start_ns, 15 * MS + 300);
	assert_us(j->end_ns, 17 * MS);
	assert_us(j->exec_ns, 1700);
	/* at once: nobody knows */
	begins_within_a_job(&f, 60);
	assert_us(fx_job(&f, 1)->start_ns, 15 * MS + 50);
	assert_true(fx_job(&f, 1)->unsure_ns != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_device_that_wakes_a_thread_long_after_its_timer_does_not_release_it),
		cmocka_unit_test(what_wakes_a_thread_that_reads_its_timer_at_once_is_not_known),
		cmocka_unit_test(the_time_limit_of_a_wait_for_a_timer_is_no_release),
		cmocka_unit_test(a_task_at_work_without_any_job_is_noted),
		cmocka_unit_test(a_first_job_that_is_woken_late_is_there),
		cmocka_unit_test(a_timer_that_was_armed_under_another_name_is_the_tasks),
		cmocka_unit_test(a_wake_up_in_doubt_at_the_end_leaves_the_job_before_unknown),
		cmocka_unit_test(who_runs_behind_a_loss_and_ends_has_begun_no_job_for_certain),
		cmocka_unit_test(an_expiry_before_a_loss_wakes_nobody_behind_it),
		cmocka_unit_test(who_reads_its_timer_late_worked_on_the_job_before),
		cmocka_unit_test(
			a_timer_whose_cpu_records_nothing_more_leaves_the_job_before_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
