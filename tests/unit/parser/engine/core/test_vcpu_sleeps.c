/* SPDX-License-Identifier: MIT */
/* A vCPU that sleeps past its guest's timer: the guest asked to be woken up for that, so the time
 * until it is woken is the hypervisor's. */
#include "enginefix.h"

/* The vCPU is woken at @at by the main loop, and runs 0.1 ms later on a CPU that was idle. */
static void vcpu_wakes(struct fixture *f, int64_t at)
{
	wake(f, HOST, at, 0, VCPU);
	sw(f, HOST, at + 100 * US, 0, 0, VCPU);
}

/* t1 arms its sleep until 10 ms, or @slack later; its vCPU sleeps from 4 to 13 ms. */
static void sleeps_past_the_timer(struct fixture *f, int64_t slack)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_START, .pid = T1};

	begin(f, false);
	sw(f, HOST, 0, 0, 0, VCPU);
	born(f, GUEST, 1 * MS, 0, T1);
	sw(f, GUEST, 2 * MS, 0, 0, T1);
	ev.timer.timer = UINT64_C(0xffff000000000000) + T1 * 64;
	ev.timer.fn = VMRT_FN_WAKEUP;
	ev.timer.softexpires = 10 * MS + f->offset;
	ev.timer.expires = ev.timer.softexpires + slack;
	push(f, GUEST, &ev, 3 * MS);
	sw(f, GUEST, 3 * MS + 5 * US, T1, 1, 0);
	sw(f, HOST, 4 * MS, VCPU, 1, 0);
	vcpu_wakes(f, 13 * MS);
	t1_starts(f, 13 * MS + 100 * US);
	arm(f, GUEST, 15 * MS, T1, 30 * MS);
	sw(f, GUEST, 15 * MS + 5 * US, T1, 1, 0);
	end(f, 16 * MS);
	assert_int_equal(f->jobs[0].response_ns, 5 * MS);
	assert_int_equal(f->jobs[0].exec_ns, 2 * MS - 150 * US);
	assert_int_equal(f->jobs[0].blame_ns[VMRT_BLAME_WAKEUP], 100 * US);
}

static void a_vcpu_that_sleeps_past_its_guests_timer_is_the_vmms(void **state)
{
	static struct fixture f;

	(void)state;
	sleeps_past_the_timer(&f, 0);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_VMM], 3 * MS);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_RELEASE], 50 * US);
}

/* The guest may have asked for a later time itself. */
static void a_sleep_that_may_end_late_is_the_guests(void **state)
{
	static struct fixture f;

	(void)state;
	sleeps_past_the_timer(&f, 50 * US);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_VMM], 0);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_RELEASE], 3 * MS + 50 * US);
}

/* T1 works from 10 to 12 ms, and waits for its timer until 30 ms. */
static void job_of_timerfd(struct fixture *f)
{
	begin_with(f, false,
		"[experiment]\nname = t\n[task vm1/t1]\nperiod = 20ms\nwcet = 8ms\n"
		"priority = 60\nrelease = timerfd\n");
	sw(f, HOST, 0, 0, 0, VCPU);
	waits_for_timerfd(f);
	timerfd_wakes(f, 10 * MS, 30 * MS);
	sw(f, GUEST, 12 * MS, T1, 1, 0);
}

/* The job before ended with its sleep at 12 ms; the vCPU sleeps from 13 to 33 ms, the timer is due
 * at 30 ms. */
static void so_it_is_where_the_thread_waits_for_a_timer_that_goes_on_by_itself(void **state)
{
	static struct fixture f;
	const struct vmrt_job *j = &f.jobs[1];

	(void)state;
	job_of_timerfd(&f);
	sw(&f, HOST, 13 * MS, VCPU, 1, 0);
	vcpu_wakes(&f, 33 * MS);
	timerfd_wakes(&f, 33 * MS + 120 * US, 50 * MS);
	sw(&f, GUEST, 35 * MS, T1, 1, 0);
	timerfd_wakes(&f, 50 * MS, 70 * MS);
	end(&f, 51 * MS);
	assert_int_equal(f.jobs[0].response_ns, 2 * MS);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_VMM], 0);
	assert_int_equal(j->arrival_ns, 30 * MS);
	assert_int_equal(j->response_ns, 5 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_VMM], 3 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_WAKEUP], 100 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_RELEASE], 30 * US);
	assert_int_equal(j->exec_ns, 2 * MS - 130 * US);
}

/* As before, but T1 is woken 0.9 ms behind the expiry, perhaps by something else: that its vCPU
 * slept for 3 ms past the timer is true all the same. */
static void so_it_is_where_the_timer_may_not_have_woken_the_thread(void **state)
{
	static struct fixture f;

	(void)state;
	job_of_timerfd(&f);
	sw(&f, HOST, 13 * MS, VCPU, 1, 0);
	vcpu_wakes(&f, 33 * MS);
	timerfd(&f, 33 * MS + 120 * US, VMRT_EV_TIMER_EXPIRE, 0);
	wake(&f, GUEST, 34 * MS, 0, T1);
	sw(&f, GUEST, 34 * MS + 10 * US, 0, 0, T1);
	timerfd(&f, 34 * MS + 20 * US, VMRT_EV_TIMER_START, 50 * MS);
	sw(&f, GUEST, 35 * MS, T1, 1, 0);
	timerfd_wakes(&f, 50 * MS, 70 * MS);
	end(&f, 51 * MS);
	assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
	assert_int_equal(f.jobs[1].blame_ns[VMRT_BLAME_VMM], 3 * MS);
}

/* The vCPU leaves CPU 1 of the host, or runs there: @prev and @next are the threads. */
static void switch_on_cpu_1(
	struct fixture *f, int64_t at, int32_t prev, int64_t state, int32_t next)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .cpu = 1, .pid = prev};

	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_comm = name_of(prev);
	ev.sw.next_comm = name_of(next);
	ev.sw.prev_prio = prio_of(prev);
	ev.sw.next_prio = prio_of(next);
	ev.sw.prev_state = state;
	push(f, HOST, &ev, at);
}

static void vcpu_wakes_on_cpu_1(struct fixture *f, int64_t at)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .cpu = 1, .flags = VMRT_FLAG_HARDIRQ};

	ev.wake.pid = VCPU;
	ev.wake.comm = name_of(VCPU);
	ev.wake.prio = prio_of(VCPU);
	ev.wake.target_cpu = 1;
	push(f, HOST, &ev, at);
	switch_on_cpu_1(f, at, 0, 0, VCPU);
}

/* Twice the vCPU sleeps past the timer: from 30 to 31 ms on CPU 0, which turns out at 52 ms not to
 * have run since 25 ms, and from 50 to 51 ms on CPU 1. The steal is none of the second job. */
static void steal_before_a_job_arrived_takes_nothing_of_its_sleep(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {.type = VMRT_EV_TIMER_START, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	job_of_timerfd(&f);
	sw(&f, HOST, 13 * MS, VCPU, 1, 0);
	arm_tick(&f, &tick, 15 * MS, 25 * MS);
	vcpu_wakes_on_cpu_1(&f, 31 * MS);
	timerfd_wakes(&f, 31 * MS + 10 * US, 50 * MS);
	sw(&f, GUEST, 32 * MS, T1, 1, 0);
	switch_on_cpu_1(&f, 33 * MS, VCPU, 1, 0);
	vcpu_wakes_on_cpu_1(&f, 51 * MS);
	timerfd_wakes(&f, 51 * MS + 10 * US, 70 * MS);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 52 * MS;
	push(&f, HOST, &tick, 52 * MS);
	sw(&f, GUEST, 53 * MS, T1, 1, 0);
	timerfd_wakes(&f, 70 * MS, 90 * MS);
	end(&f, 71 * MS);
	assert_int_equal(f.jobs[2].arrival_ns, 50 * MS);
	assert_int_equal(f.jobs[2].response_ns, 3 * MS);
	assert_int_equal(f.jobs[2].blame_ns[VMRT_BLAME_VMM], 1 * MS);
	assert_int_equal(f.jobs[2].blame_ns[VMRT_BLAME_RELEASE], 20 * US);
	assert_int_equal(f.jobs[2].blame_ns[VMRT_BLAME_STEAL], 0);
}

/*
 * The first job sleeps from 12 to 33 ms and ends at 35 ms. The timer of the second one is due at
 * 30 ms and expires at 45.01 ms: until 33 ms it is blocked by the first one, until 35 ms the first
 * one runs. Then nobody runs: the vCPU sleeps on CPU 0 from 36 to 45 ms, which turns out at 47 ms
 * not to have run since 40 ms. What that takes of 11 ms was no sleep within the first job. The
 * thread gets the CPU 10 us after 33 ms, and 20 us after 45 ms.
 */
static void steal_between_two_jobs_takes_nothing_of_a_sleep_within_the_first(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {.type = VMRT_EV_TIMER_START, .flags = VMRT_FLAG_HARDIRQ};
	const struct vmrt_job *j = &f.jobs[1];

	(void)state;
	job_of_timerfd(&f);
	wake(&f, GUEST, 33 * MS, 0, T1);
	sw(&f, GUEST, 33 * MS + 10 * US, 0, 0, T1);
	sw(&f, GUEST, 35 * MS, T1, 1, 0);
	sw(&f, HOST, 36 * MS, VCPU, 1, 0);
	arm_tick(&f, &tick, 37 * MS, 40 * MS);
	vcpu_wakes_on_cpu_1(&f, 45 * MS);
	timerfd_wakes(&f, 45 * MS + 10 * US, 50 * MS);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 47 * MS;
	push(&f, HOST, &tick, 47 * MS);
	sw(&f, GUEST, 48 * MS, T1, 1, 0);
	timerfd_wakes(&f, 50 * MS, 70 * MS);
	end(&f, 51 * MS);
	assert_int_equal(j->arrival_ns, 30 * MS);
	assert_int_equal(j->response_ns, 18 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_BLOCKING], 3 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_INTERFERENCE], 2 * MS - 10 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_VMM], 4 * MS);
	assert_int_equal(j->blame_ns[VMRT_BLAME_RELEASE], 1 * MS + 30 * US);
	assert_int_equal(j->blame_ns[VMRT_BLAME_STEAL], 5 * MS);
	assert_int_equal(j->exec_ns, 3 * MS - 20 * US);
}

/* The timer expires at 30 ms, but the vCPU is taken away before the wake-up, gets 10 us more, and
 * the recording ends: the thread may sleep for its next job, so that the one of 10 ms was met. */
static void a_timer_whose_wake_up_is_cut_off_says_nothing_of_the_job_before(void **state)
{
	static struct fixture f;
	struct vmrt_event other = {.type = VMRT_EV_TIMER_EXPIRE, .flags = VMRT_FLAG_HARDIRQ};

	(void)state;
	job_of_timerfd(&f);
	timerfd(&f, 30 * MS, VMRT_EV_TIMER_EXPIRE, 0);
	sw(&f, HOST, 30 * MS + 5 * US, VCPU, 0, HOG);
	sw(&f, HOST, 33 * MS, HOG, 0, VCPU);
	other.timer.timer = 0xcccc00;
	other.timer.fn = VMRT_FN_OTHER;
	other.timer.now = 33 * MS + 10 * US + f.offset;
	push(&f, GUEST, &other, 33 * MS + 10 * US);
	end(&f, 33 * MS + 20 * US);
	assert_int_equal(f.n_jobs, 2);
	assert_int_equal(f.jobs[0].arrival_ns, 10 * MS);
	assert_int_equal(f.jobs[0].outcome, VMRT_OUTCOME_TRUNCATED);
	assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
	assert_int_equal(f.jobs[1].outcome, VMRT_OUTCOME_TRUNCATED);
}

/* T1's timer, armed before the recording, expires as the vCPU goes on at 30 ms; before, the vCPU
 * ran for @ran until it was preempted at 12 ms. The next expiries are at 50 and 70 ms. */
static void expires_behind_a_run_of(struct fixture *f, int64_t ran)
{
	begin_with(f, false,
		"[experiment]\nname = t\n[task vm1/t1]\nperiod = 20ms\nwcet = 8ms\n"
		"priority = 60\nrelease = timerfd\n");
	sw(f, HOST, 0, 0, 0, HOG);
	sw(f, HOST, 12 * MS - ran, HOG, 0, VCPU);
	sw(f, HOST, 12 * MS, VCPU, 0, HOG);
	sw(f, HOST, 30 * MS, HOG, 0, VCPU);
	timerfd_wakes(f, 30 * MS + 5 * US, 50 * MS);
	sw(f, GUEST, 32 * MS, T1, 1, 0);
	timerfd_wakes(f, 50 * MS, 70 * MS);
	sw(f, GUEST, 52 * MS, T1, 1, 0);
	end(f, 53 * MS);
}

static void a_vcpu_that_was_preempted_at_once_does_not_say_since_when_a_timer_was_due(void **state)
{
	static struct fixture f;

	(void)state;
	/* a timer due before 12 ms would have expired by then: it was due at 30 ms */
	expires_behind_a_run_of(&f, 5 * MS);
	assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
	assert_int_equal(f.jobs[1].end_ns, 32 * MS);
	/* within 5 us another timer may have expired, and this one was due 10 ms before, say */
	expires_behind_a_run_of(&f, 5 * US);
	for (size_t i = 0; i < f.n_jobs; i++)
		assert_true(
			f.jobs[i].arrival_ns == VMRT_UNKNOWN || f.jobs[i].arrival_ns >= 50 * MS);
}

/* T1 is woken at @at and sleeps at @until. */
static void t1_is_woken(struct fixture *f, int64_t at, int64_t until)
{
	wake(f, GUEST, at, 0, T1);
	sw(f, GUEST, at + 10 * US, 0, 0, T1);
	sw(f, GUEST, until, T1, 1, 0);
}

/*
 * A job of T2, whose priority is higher, is pending from 10 ms on. T1 is woken at 12, 33, 52 and
 * 55 ms and works for 1 ms each time. From 30 to 32 ms the vCPU waits for CPU 0, which turns out at
 * 50.6 ms not to have run since 25 ms: T2 has lost 7 ms by that, no job of T1 anything.
 */
static void steal_between_two_wake_ups_is_no_excess(void **state)
{
	static struct fixture f;
	struct vmrt_event tick = {.type = VMRT_EV_TIMER_START, .flags = VMRT_FLAG_HARDIRQ};
	struct vmrt_event waking = {.type = VMRT_EV_WAKING, .cpu = 1, .flags = VMRT_FLAG_HARDIRQ};
	struct vmrt_event moves = {.type = VMRT_EV_MIGRATE, .cpu = 1};

	(void)state;
	begin_with(&f, false,
		"[experiment]\nname = t\n[task vm1/t1]\npriority = 60\nrelease = wakeup\n"
		"[task vm1/t2]\nperiod = 100ms\nwcet = 30ms\npriority = 70\n"
		"release = nanosleep\n");
	sw(&f, HOST, 0, 0, 0, VCPU);
	born(&f, GUEST, 1 * MS, 0, T2);
	sw(&f, GUEST, 2 * MS, 0, 0, T2);
	arm(&f, GUEST, 3 * MS, T2, 10 * MS);
	sw(&f, GUEST, 3 * MS + 5 * US, T2, 1, 0);
	expire(&f, GUEST, 10 * MS, 0, T2);
	wake(&f, GUEST, 10 * MS, 0, T2);
	sw(&f, GUEST, 10 * MS + 10 * US, 0, 0, T2);
	sw(&f, GUEST, 11 * MS, T2, 2, 0);
	t1_is_woken(&f, 12 * MS, 13 * MS);
	sw(&f, HOST, 14 * MS, VCPU, 1, 0);
	arm_tick(&f, &tick, 15 * MS, 25 * MS);
	waking.wake.pid = VCPU;
	waking.wake.comm = name_of(VCPU);
	waking.wake.prio = prio_of(VCPU);
	push(&f, HOST, &waking, 30 * MS);
	moves.migrate.pid = VCPU;
	moves.migrate.dest_cpu = 1;
	push(&f, HOST, &moves, 32 * MS);
	switch_on_cpu_1(&f, 32 * MS, 0, 0, VCPU);
	t1_is_woken(&f, 33 * MS, 34 * MS);
	tick.type = VMRT_EV_TIMER_EXPIRE;
	tick.timer.now = 50 * MS + 600 * US;
	push(&f, HOST, &tick, 50 * MS + 600 * US);
	t1_is_woken(&f, 52 * MS, 53 * MS);
	t1_is_woken(&f, 55 * MS, 56 * MS);
	end(&f, 60 * MS);
	for (size_t i = 0; i < f.n_jobs; i++)
		assert_int_equal(
			f.jobs[i].excess_ns[VMRT_BLAME_STEAL], f.jobs[i].task ? 7 * MS : 0);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_STEAL);
	assert_int_equal(f.jobs[2].arrival_ns, 52 * MS);
	assert_int_equal(f.jobs[2].end_ns, 53 * MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steal_before_a_job_arrived_takes_nothing_of_its_sleep),
		cmocka_unit_test(steal_between_two_jobs_takes_nothing_of_a_sleep_within_the_first),
		cmocka_unit_test(steal_between_two_wake_ups_is_no_excess),
		cmocka_unit_test(
			a_vcpu_that_was_preempted_at_once_does_not_say_since_when_a_timer_was_due),
		cmocka_unit_test(so_it_is_where_the_timer_may_not_have_woken_the_thread),
		cmocka_unit_test(a_vcpu_that_sleeps_past_its_guests_timer_is_the_vmms),
		cmocka_unit_test(a_sleep_that_may_end_late_is_the_guests),
		cmocka_unit_test(
			so_it_is_where_the_thread_waits_for_a_timer_that_goes_on_by_itself),
		cmocka_unit_test(a_timer_whose_wake_up_is_cut_off_says_nothing_of_the_job_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
