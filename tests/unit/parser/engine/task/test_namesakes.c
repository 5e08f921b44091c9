/* SPDX-License-Identifier: MIT */
/* Threads of one name that are not one task: X and Y are both called x. Times are in us. */
#include "taskfix.h"

#include <string.h>

static void begin(struct fixture *f)
{
	fx_begin(f, "period = 10ms\n");
	f->other = "x";
	fx_sw(f, 0, 0, 0, X);
}

/* Thread @pid sleeps until @until. */
static void sleeps(struct fixture *f, int64_t at, int pid, int64_t until)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_START, .pid = pid};

	ev.timer.timer = T2 + (uint64_t)pid;
	ev.timer.fn = VMRT_FN_WAKEUP;
	ev.timer.softexpires = ev.timer.expires = until * US;
	fx_push(f, &ev, at);
	fx_sw(f, at, pid, 1, 0);
}

static void is_woken(struct fixture *f, int64_t at, int pid, int flags)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .flags = (uint8_t)flags};

	ev.wake.pid = pid;
	ev.wake.comm = fx_comm(f, pid);
	ev.wake.prio = FIFO;
	fx_push(f, &ev, at);
	ev.type = VMRT_EV_WAKEUP;
	fx_push(f, &ev, at);
	fx_sw(f, at + 20, 0, 0, pid);
}

static void wakes(struct fixture *f, int64_t at, int pid)
{
	fx_expire(f, at, 0, T2 + (uint64_t)pid, VMRT_FN_WAKEUP);
	is_woken(f, at, pid, HARD);
}

/* What is said of the task once all is over. */
static struct vmrt_task_contradiction end(struct fixture *f, int64_t at)
{
	struct vmrt_task_contradiction out;

	assert_int_equal(vmrt_engine_finish(f->engine, at * US), VMRT_OK);
	vmrt_engine_task_contradiction(f->engine, 0, &out);
	vmrt_engine_free(f->engine);
	vmrt_experiment_free(f->exp);
	return out;
}

/* X is released every 10 ms, Y every @ms. */
static struct vmrt_task_contradiction periods(struct fixture *f, int ms)
{
	int64_t due[] = {10 * MS, 33 * MS};

	sleeps(f, 1 * MS, X, due[0]);
	is_woken(f, 2 * MS, Y, 0);
	sleeps(f, 3 * MS, Y, due[1]);
	while (due[0] < 300 * MS) {
		int i = due[1] < due[0];
		int pid = i ? Y : X;

		wakes(f, due[i], pid);
		sleeps(f, due[i] + MS, pid, due[i] + (i ? ms : 10) * MS);
		due[i] += (i ? ms : 10) * MS;
	}
	return end(f, 301 * MS);
}

static void threads_with_periods_of_their_own_are_named(void **state)
{
	static struct fixture f;
	struct vmrt_task_contradiction out;

	(void)state;
	begin(&f);
	out = periods(&f, 25);
	assert_non_null(strstr(out.text, "periods of their own: 10 ms and 25 ms"));
}

static void threads_that_leave_releases_out_have_the_same_period(void **state)
{
	static struct fixture f;
	struct vmrt_task_contradiction out;

	(void)state;
	begin(&f);
	out = periods(&f, 20);
	assert_null(strstr(out.text, "periods of their own"));
}

/* Y waits for a semaphore. */
static void a_thread_that_others_wake_is_named_beside_a_periodic_one(void **state)
{
	static struct fixture f;
	struct vmrt_task_contradiction out;

	(void)state;
	begin(&f);
	sleeps(&f, 1 * MS, X, 10 * MS);
	for (int k = 1; k < 10; k++) {
		wakes(&f, k * 10 * MS, X);
		sleeps(&f, k * 10 * MS + MS, X, (k + 1) * 10 * MS);
		is_woken(&f, k * 10 * MS + 3 * MS, Y, 0);
		fx_sw(&f, k * 10 * MS + 4 * MS, Y, 1, 0);
	}
	out = end(&f, 99 * MS);
	assert_non_null(strstr(out.text, "1 thread waits in another way and is not counted: x/12"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_with_periods_of_their_own_are_named),
		cmocka_unit_test(threads_that_leave_releases_out_have_the_same_period),
		cmocka_unit_test(a_thread_that_others_wake_is_named_beside_a_periodic_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
