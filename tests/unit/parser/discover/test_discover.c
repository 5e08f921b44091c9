/* SPDX-License-Identifier: MIT */
/* Threads that nobody declared are found from what they do. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/discover.h>
#include <vmrt/hypervisors.h>

#define MS INT64_C(1000000)
#define US INT64_C(1000)

static struct vmrt_discovery *d;
static struct vmrt_found *found;
static size_t n_found;

static int begin(void **state)
{
	(void)state;
	d = vmrt_discovery_new(2);
	found = NULL;
	return d ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	free(found);
	vmrt_discovery_free(d);
	return 0;
}

static void push(struct vmrt_event e)
{
	assert_int_equal(vmrt_discovery_push(d, 1, &e), VMRT_OK);
}

static void switch_to(int64_t ts, int32_t prev, const char *prev_comm, int64_t state, int32_t next,
	const char *next_comm, int32_t prio)
{
	push((struct vmrt_event){.ts = ts,
		.type = VMRT_EV_SWITCH,
		.pid = prev,
		.sw = {prev_comm, prev, prio, state, next_comm, next, prio}});
}

/* One job: a timer armed by the thread expires at @arrival, the thread runs for @exec and sleeps.
 */
static void timer_job(int64_t arrival, int64_t exec, int32_t tid, const char *comm, int32_t prio,
	enum vmrt_timer_fn fn, int32_t mode)
{
	push((struct vmrt_event){.ts = arrival - 5 * MS,
		.type = VMRT_EV_TIMER_START,
		.pid = tid,
		.timer = {.timer = 0xffff0000u + (unsigned)tid,
			.fn = fn,
			.softexpires = arrival,
			.expires = arrival,
			.mode = mode}});
	push((struct vmrt_event){.ts = arrival + 5 * US,
		.type = VMRT_EV_TIMER_EXPIRE,
		.flags = VMRT_FLAG_HARDIRQ,
		.timer = {
			.timer = 0xffff0000u + (unsigned)tid, .fn = fn, .now = arrival + 4 * US}});
	push((struct vmrt_event){.ts = arrival + 6 * US,
		.type = VMRT_EV_WAKING,
		.flags = VMRT_FLAG_HARDIRQ,
		.wake = {comm, tid, prio, 0}});
	switch_to(arrival + 10 * US, 0, "swapper/0", 0, tid, comm, prio);
	switch_to(arrival + 10 * US + exec, tid, comm, 1, 0, "swapper/0", prio);
}

static void judge(void)
{
	assert_int_equal(vmrt_discovery_judge(d, &found, &n_found), VMRT_OK);
}

static void a_timer_task_is_found_with_its_exact_period(void **state)
{
	(void)state;
	for (int k = 1; k <= 40; k++)
		timer_job(1000 * MS + k * 20 * MS, 3 * MS + k * US, 100, "control", 39,
			VMRT_FN_WAKEUP, 0);
	judge();
	assert_int_equal(n_found, 1);
	assert_string_equal(found[0].comm, "control");
	assert_int_equal(found[0].machine, 1);
	assert_int_equal(found[0].waker, VMRT_WAKER_NANOSLEEP);
	assert_int_equal(found[0].period_ns, 20 * MS);
	assert_int_equal(found[0].jitter_ns, 0);
	assert_int_equal(found[0].exec_max_ns, 3 * MS + 40 * US);
	assert_int_equal(found[0].jobs, 40);
	assert_true(found[0].sure > 0.9);
	assert_true(found[0].task);
}

/* Recordings of sched_wakeup alone, as perf sched makes them; and without sched_switch. */
static void wakeups_stand_for_wakings_and_executions_need_switches(void **state)
{
	(void)state;
	for (int k = 1; k <= 40; k++) {
		int64_t at = 1000 * MS + k * 20 * MS;

		push((struct vmrt_event){.ts = at,
			.type = VMRT_EV_TIMER_EXPIRE,
			.flags = VMRT_FLAG_HARDIRQ,
			.timer = {.timer = 77, .fn = VMRT_FN_TIMERFD, .now = at}});
		push((struct vmrt_event){.ts = at + 6 * US,
			.type = VMRT_EV_WAKEUP,
			.flags = VMRT_FLAG_HARDIRQ,
			.wake = {"plc", 9, 39, 0}});
		push((struct vmrt_event){.ts = at + 3 * MS,
			.type = VMRT_EV_TIMER_START,
			.pid = 9,
			.timer = {.timer = 77,
				.fn = VMRT_FN_TIMERFD,
				.softexpires = at + 20 * MS,
				.expires = at + 20 * MS}});
	}
	judge();
	assert_int_equal(n_found, 1);
	assert_int_equal(found[0].period_ns, 20 * MS);
	assert_int_equal(found[0].waker, VMRT_WAKER_TIMERFD);
	assert_true(found[0].exec_max_ns == VMRT_UNKNOWN && found[0].exec_p50_ns == VMRT_UNKNOWN);
	assert_true(isnan(found[0].share));
}

static void every_third_release_left_out_keeps_the_period(void **state)
{
	(void)state;
	for (int k = 1; k <= 60; k++)
		if (k % 3)
			timer_job(1000 * MS + k * 10 * MS, MS, 7, "skips", 50, VMRT_FN_TIMERFD, 0);
	judge();
	assert_int_equal(n_found, 1);
	assert_int_equal(found[0].period_ns, 10 * MS);
	assert_int_equal(found[0].waker, VMRT_WAKER_TIMERFD);
}

/* Sleeps for 10 ms after each job of 1 to 3 ms: 11 to 13 ms, about 12. */
static void a_relative_sleeper_has_a_period_with_jitter(void **state)
{
	int64_t at = 1000 * MS;

	(void)state;
	for (int k = 0; k < 60; k++) {
		int64_t exec = MS + (k * 7 % 5) * MS / 2;

		timer_job(at, exec, 9, "python3", 120, VMRT_FN_WAKEUP, VMRT_TIMER_REL);
		at += exec + 10 * MS;
	}
	judge();
	assert_int_equal(n_found, 1);
	assert_int_equal(found[0].waker, VMRT_WAKER_RELATIVE);
	assert_true(llabs(found[0].period_ns - 12 * MS) <= MS);
	assert_true(found[0].jitter_ns <= 2 * MS);
}

static void wakes_by_a_thread(int64_t ts, int32_t by, int32_t tid, const char *comm, int32_t prio)
{
	push((struct vmrt_event){
		.ts = ts, .type = VMRT_EV_WAKING, .pid = by, .wake = {comm, tid, prio, 0}});
	switch_to(ts + 10 * US, by, "sender", 0, tid, comm, prio);
	switch_to(ts + MS, tid, comm, 1, by, "sender", prio);
}

static void a_thread_that_others_wake_is_found_with_its_waker(void **state)
{
	(void)state;
	for (int k = 1; k <= 30; k++)
		wakes_by_a_thread(1000 * MS + k * k * 3 * MS, 50, 51, "server", 20);
	judge();
	assert_int_equal(n_found, 1);
	assert_int_equal(found[0].waker, VMRT_WAKER_THREAD);
	assert_string_equal(found[0].woken_by, "sender");
	assert_int_equal(found[0].period_ns, VMRT_UNKNOWN);
	assert_true(found[0].task);
}

static void kernel_threads_and_threads_that_are_left_out_are_no_tasks(void **state)
{
	(void)state;
	assert_int_equal(vmrt_discovery_skip(d, 1, 12), VMRT_OK);
	for (int k = 1; k <= 30; k++) {
		timer_job(1000 * MS + k * 4 * MS, US, 11, "kworker/0:1", 120, VMRT_FN_WAKEUP, 0);
		timer_job(1001 * MS + k * 4 * MS, US, 12, "CPU 0/KVM", 49, VMRT_FN_WAKEUP, 0);
		timer_job(1002 * MS + k * 4 * MS, US, 13, "rcu_preempt", 120, VMRT_FN_WAKEUP, 0);
		timer_job(1003 * MS + k * 4 * MS, US, 14, "vmrt-agent", 120, VMRT_FN_WAKEUP, 0);
	}
	judge();
	assert_int_equal(n_found, 0);
}

static void vcpus_of_all_hypervisors_are_no_tasks(void **state)
{
#define WORDS(...) __VA_ARGS__
#define X(name, describe, accel, without_vcpus, programs, vcpu_threads) vcpu_threads,
	static const char *const names[] = {VMRT_HYPERVISOR_LIST(X)};
#undef X
#undef WORDS
	const size_t n = sizeof(names) / sizeof(*names);

	(void)state;
	for (size_t i = 0; i <= n; i++) {
		/* one thread more, which is a task: threads are found in this recording */
		const char *pattern = i < n ? names[i] : "my-task-#";
		int fixed = (int)strcspn(pattern, "#");
		char comm[VMRT_COMM_MAX];

		snprintf(comm, sizeof(comm), "%.*s%s%s", fixed, pattern, pattern[fixed] ? "1" : "",
			pattern[fixed] ? pattern + fixed + 1 : "");
		for (int k = 1; k <= 30; k++)
			timer_job(1000 * MS + ((int64_t)i * 30 + k) * 4 * MS, US, 20 + (int)i, comm,
				49, VMRT_FN_WAKEUP, 0);
	}
	judge();
	assert_int_equal(n_found, 1);
	assert_string_equal(found[0].comm, "my-task-1");
}

/* The timer wheel's softirq runs behind a timer's interrupt: whom it wakes that timer did not wake.
 */
static void whom_the_timer_wheel_wakes_is_not_released_by_the_timer_before(void **state)
{
	(void)state;
	for (int k = 1; k <= 40; k++) {
		int64_t at = 1000 * MS + k * 30 * MS;

		timer_job(at, MS, 9, "sleeper", 59, VMRT_FN_WAKEUP, 0);
		push((struct vmrt_event){.ts = at + 6 * MS,
			.type = VMRT_EV_TIMER_EXPIRE,
			.flags = VMRT_FLAG_HARDIRQ,
			.timer = {.timer = 0xffff0077u, .fn = VMRT_FN_WAKEUP, .now = at}});
		push((struct vmrt_event){.ts = at + 6 * MS + 10 * US,
			.type = VMRT_EV_WAKING,
			.flags = VMRT_FLAG_SOFTIRQ,
			.wake = {"kcompactd0", 30, 120, 0}});
		push((struct vmrt_event){.ts = at + 6 * MS + 10 * US,
			.type = VMRT_EV_WAKING,
			.flags = VMRT_FLAG_SOFTIRQ,
			.wake = {"reader", 31, 49, 0}});
		switch_to(at + 7 * MS, 0, "swapper/0", 0, 30, "kcompactd0", 120);
		switch_to(at + 8 * MS, 30, "kcompactd0", 1, 31, "reader", 49);
		switch_to(at + 9 * MS, 31, "reader", 1, 0, "swapper/0", 120);
	}
	judge();
	assert_int_equal(n_found, 2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(found[i].waker,
			found[i].tid == 9 ? VMRT_WAKER_NANOSLEEP : VMRT_WAKER_INTERRUPT);
}

/* With PREEMPT_RT the thread that expires the timer still holds a lock that the woken one needs. */
static void a_wait_for_a_lock_of_the_waker_is_no_end_of_a_job(void **state)
{
	(void)state;
	for (int k = 1; k <= 40; k++) {
		int64_t at = 1000 * MS + k * 30 * MS;

		push((struct vmrt_event){.ts = at - 20 * MS,
			.type = VMRT_EV_TIMER_START,
			.pid = 9,
			.timer = {.timer = 0xffff0009u,
				.fn = VMRT_FN_TIMERFD,
				.softexpires = at,
				.expires = at}});
		push((struct vmrt_event){.ts = at + 5 * US,
			.type = VMRT_EV_TIMER_EXPIRE,
			.pid = 18,
			.flags = VMRT_FLAG_SOFTIRQ,
			.timer = {
				.timer = 0xffff0009u, .fn = VMRT_FN_TIMERFD, .now = at + 4 * US}});
		for (int lock = 0; lock < 2; lock++) {
			int64_t ts = at + (10 + lock * 50) * US;

			push((struct vmrt_event){.ts = ts,
				.type = VMRT_EV_WAKING,
				.pid = 18,
				.flags = VMRT_FLAG_SOFTIRQ,
				.wake = {"reader", 9, 59, 0}});
			switch_to(ts + 10 * US, 18, "ktimers/0", 0, 9, "reader", 59);
			switch_to(ts + 20 * US, 9, "reader", lock ? 1 : 2, 18, "ktimers/0", 59);
		}
	}
	judge();
	assert_int_equal(n_found, 1);
	assert_int_equal(found[0].waker, VMRT_WAKER_TIMERFD);
	assert_int_equal(found[0].jobs, 40);
	assert_int_equal(found[0].period_ns, 30 * MS);
	assert_int_equal(found[0].exec_max_ns, 20 * US);
}

/* Names that programs and threads of the kernel may have: who sleeps by its own timer is a program.
 */
static void a_program_may_be_called_like_a_thread_of_the_kernel(void **state)
{
	(void)state;
	for (int k = 1; k <= 30; k++) {
		timer_job(1000 * MS + k * 4 * MS, US, 11, "loop0", 49, VMRT_FN_WAKEUP, 0);
		timer_job(1001 * MS + k * 4 * MS, US, 12, "watchdogd", 49, VMRT_FN_TIMERFD, 0);
		wakes_by_a_thread(1002 * MS + k * 4 * MS, 50, 13, "loop1", 49);
		wakes_by_a_thread(1003 * MS + k * 4 * MS, 50, 14, "card0-crtc1", 49);
	}
	judge();
	assert_int_equal(n_found, 2);
	assert_int_equal(found[0].tid, 11);
	assert_int_equal(found[1].tid, 12);
}

static void what_kthreadd_makes_is_a_thread_of_the_kernel(void **state)
{
	(void)state;
	for (int32_t tid = 21; tid <= 22; tid++)
		push((struct vmrt_event){.ts = 999 * MS,
			.type = VMRT_EV_FORK,
			.process = {"parent", tid == 21 ? 2 : 3, tid}});
	for (int k = 1; k <= 30; k++) {
		wakes_by_a_thread(1002 * MS + k * 4 * MS, 50, 21, "new_name", 49);
		wakes_by_a_thread(1003 * MS + k * 4 * MS, 50, 22, "new_name", 49);
	}
	judge();
	assert_int_equal(n_found, 1);
	assert_int_equal(found[0].tid, 22);
}

/* Up to 400 us late, and each tenth wake-up 2 ms more: the mean of the distances is the period. */
static void late_wake_ups_do_not_move_the_period(void **state)
{
	static const int64_t late[] = {0, 130 * US, 50 * US, 390 * US, 270 * US};

	(void)state;
	for (int k = 1; k <= 81; k++)
		wakes_by_a_thread(
			1000 * MS + k * 12345 * US + late[k % 5] + (k % 10 == 5 ? 2 * MS : 0), 50,
			31, "consumer", 49);
	judge();
	assert_int_equal(n_found, 1);
	assert_int_equal(found[0].period_ns, 12345 * US);
	assert_int_equal(found[0].waker, VMRT_WAKER_THREAD);
}

/* The mean of the distances of 29 would be 276 us too short, as the first one is 8 ms late. */
static void a_late_first_wake_up_does_not_move_the_period(void **state)
{
	(void)state;
	for (int k = 0; k <= 29; k++)
		wakes_by_a_thread(
			1000 * MS + k * 84 * MS + (k ? 0 : 8 * MS), 50, 31, "consumer", 49);
	judge();
	assert_int_equal(n_found, 1);
	assert_int_equal(found[0].period_ns, 84 * MS);
}

/* The tasks of the experiment file that was made of what has been found. */
static struct vmrt_experiment *as_experiment(void)
{
	static const char *const machines[] = {"host", "vm"};
	struct vmrt_experiment *exp;
	struct vmrt_error err;
	char *text;

	judge();
	assert_int_equal(vmrt_discovery_experiment(found, n_found, machines, 2, &text), VMRT_OK);
	if (vmrt_experiment_parse(text, "found", &exp, &err) != VMRT_OK)
		fail_msg("%s\n%s", err.text, text);
	free(text);
	return exp;
}

static void an_exact_period_is_written_exactly(void **state)
{
	struct vmrt_experiment *exp;

	(void)state;
	for (int k = 1; k <= 60; k++)
		timer_job(1000 * MS + k * 37401 * US, MS, 31, "signal", 39, VMRT_FN_POSIX, 0);
	exp = as_experiment();
	assert_int_equal(exp->n_tasks, 1);
	assert_int_equal(exp->tasks[0].period_ns, 37401 * US);
	assert_int_equal(exp->tasks[0].release, VMRT_RELEASE_AUTO);
	vmrt_experiment_free(exp);
}

static void who_is_woken_in_a_rhythm_is_written_with_it_and_as_woken(void **state)
{
	struct vmrt_experiment *exp;

	(void)state;
	for (int k = 1; k <= 60; k++)
		wakes_by_a_thread(1000 * MS + k * 30 * MS, 50, 31, "consumer", 39);
	exp = as_experiment();
	assert_int_equal(exp->n_tasks, 1);
	assert_int_equal(exp->tasks[0].period_ns, 30 * MS);
	assert_int_equal(exp->tasks[0].release, VMRT_RELEASE_WAKEUP);
	vmrt_experiment_free(exp);
}

/* An experiment file has priorities up to 97; the kernel has 98 and 99, too. */
static void the_highest_priorities_are_left_out_of_the_file(void **state)
{
	struct vmrt_experiment *exp;

	(void)state;
	for (int k = 1; k <= 60; k++) {
		timer_job(1000 * MS + k * 20 * MS, MS, 31, "p97", 2, VMRT_FN_WAKEUP, 0);
		timer_job(1001 * MS + k * 20 * MS, MS, 32, "p98", 1, VMRT_FN_WAKEUP, 0);
		timer_job(1002 * MS + k * 20 * MS, MS, 33, "p99", 0, VMRT_FN_WAKEUP, 0);
	}
	exp = as_experiment();
	assert_int_equal(exp->n_tasks, 3);
	for (size_t i = 0; i < 3; i++)
		if (!strcmp(exp->tasks[i].name, "p97"))
			assert_int_equal(exp->tasks[i].priority, 97);
	vmrt_experiment_free(exp);
}

static void real_time_tasks_come_first(void **state)
{
	(void)state;
	for (int k = 1; k <= 30; k++) {
		timer_job(1000 * MS + k * 4 * MS, US, 21, "ordinary", 120, VMRT_FN_WAKEUP, 0);
		timer_job(1001 * MS + k * 4 * MS, US, 22, "low", 80, VMRT_FN_WAKEUP, 0);
		timer_job(1002 * MS + k * 4 * MS, US, 23, "high", 10, VMRT_FN_WAKEUP, 0);
	}
	judge();
	assert_int_equal(n_found, 3);
	assert_string_equal(found[0].comm, "high");
	assert_string_equal(found[1].comm, "low");
	assert_string_equal(found[2].comm, "ordinary");
}

static void the_experiment_is_one_that_every_program_reads(void **state)
{
	static const char *const machines[] = {"host", "vm [1]"};
	struct vmrt_experiment *exp;
	struct vmrt_error err;
	char *text;

	(void)state;
	for (int k = 1; k <= 60; k++) {
		timer_job(1000 * MS + k * 20 * MS, MS, 31, "a]b;c", 39, VMRT_FN_WAKEUP, 0);
		if (k <= 40)
			timer_job(1001 * MS + k * 30 * MS, MS, 32, "cyclictest", 19, VMRT_FN_WAKEUP,
				0);
		timer_job(1002 * MS + k * 20 * MS, MS, 33, "cyclictest", 19, VMRT_FN_WAKEUP, 0);
	}
	judge();
	assert_int_equal(vmrt_discovery_experiment(found, n_found, machines, 2, &text), VMRT_OK);
	if (vmrt_experiment_parse(text, "found", &exp, &err) != VMRT_OK)
		fail_msg("%s\n%s", err.text, text);
	assert_int_equal(exp->n_tasks, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct vmrt_task_spec *t = &exp->tasks[i];

		assert_string_equal(t->machine, "vm [1]");
		if (!strcmp(t->name, "a]b;c")) {
			assert_int_equal(t->period_ns, 20 * MS);
			assert_int_equal(t->priority, 60);
		} else {
			/* two threads of one name with two periods: by thread id */
			assert_true(t->tid == 32 || t->tid == 33);
			assert_int_equal(t->period_ns, t->tid == 32 ? 30 * MS : 20 * MS);
		}
	}
	vmrt_experiment_free(exp);
	free(text);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(a_timer_task_is_found_with_its_exact_period),
		TEST(wakeups_stand_for_wakings_and_executions_need_switches),
		TEST(every_third_release_left_out_keeps_the_period),
		TEST(a_relative_sleeper_has_a_period_with_jitter),
		TEST(a_thread_that_others_wake_is_found_with_its_waker),
		TEST(kernel_threads_and_threads_that_are_left_out_are_no_tasks),
		TEST(vcpus_of_all_hypervisors_are_no_tasks),
		TEST(whom_the_timer_wheel_wakes_is_not_released_by_the_timer_before),
		TEST(a_wait_for_a_lock_of_the_waker_is_no_end_of_a_job),
		TEST(a_program_may_be_called_like_a_thread_of_the_kernel),
		TEST(what_kthreadd_makes_is_a_thread_of_the_kernel),
		TEST(late_wake_ups_do_not_move_the_period),
		TEST(a_late_first_wake_up_does_not_move_the_period),
		TEST(an_exact_period_is_written_exactly),
		TEST(who_is_woken_in_a_rhythm_is_written_with_it_and_as_woken),
		TEST(the_highest_priorities_are_left_out_of_the_file),
		TEST(real_time_tasks_come_first),
		TEST(the_experiment_is_one_that_every_program_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
