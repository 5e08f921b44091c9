/* SPDX-License-Identifier: MIT */
/* Real-time vCPUs that wait for ordinary threads while jobs end on other vCPUs. */
#include "enginefix.h"

#define VCPU1 101
#define RT FIFO(50)

/* On CPU 1 of a machine. */
static void sw_on_cpu_1(
	struct fixture *f, uint32_t machine, int64_t at, int32_t prev, int64_t state, int32_t next)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .cpu = 1, .pid = prev};

	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_comm = name_of(prev);
	ev.sw.next_comm = next == VCPU1 ? "CPU 1/TCG" : name_of(next);
	ev.sw.prev_prio = prio_of(prev);
	ev.sw.next_prio = prio_of(next);
	ev.sw.prev_state = state;
	push(f, machine, &ev, at);
}

/* T1, which waits on CPU 0 of the guest, goes on on CPU 1. */
static void moves_to_cpu_1(struct fixture *f, int64_t at)
{
	struct vmrt_event ev = {.type = VMRT_EV_MIGRATE, .cpu = 1};

	ev.migrate.pid = T1;
	ev.migrate.orig_cpu = 0;
	ev.migrate.dest_cpu = 1;
	push(f, GUEST, &ev, at);
	sw_on_cpu_1(f, GUEST, at, 0, 0, T1);
}

/* T1's timer of 30 ms expires at 34 ms and wakes it on CPU 1, where it works until 36 ms. */
static void next_job_on_cpu_1(struct fixture *f)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .flags = VMRT_FLAG_HARDIRQ, .pid = T2};

	timerfd_of(f, 34 * MS, VMRT_EV_TIMER_EXPIRE, 0, T2);
	ev.wake.pid = T1;
	ev.wake.comm = name_of(T1);
	ev.wake.prio = prio_of(T1);
	ev.wake.target_cpu = 1;
	push(f, GUEST, &ev, 34 * MS + 1 * US);
	ev.type = VMRT_EV_WAKEUP;
	push(f, GUEST, &ev, 34 * MS + 1 * US);
	sw_on_cpu_1(f, GUEST, 34 * MS + 10 * US, 0, 0, T1);
	ev = (struct vmrt_event){.type = VMRT_EV_TIMER_START, .cpu = 1, .pid = T1};
	ev.timer.timer = 0xbbbb00;
	ev.timer.fn = VMRT_FN_TIMERFD;
	ev.timer.expires = ev.timer.softexpires = 50 * MS + f->offset;
	push(f, GUEST, &ev, 34 * MS + 20 * US);
	sw_on_cpu_1(f, GUEST, 36 * MS, T1, 1, 0);
	timerfd_of(f, 50 * MS, VMRT_EV_TIMER_EXPIRE, 0, T2);
	wake(f, GUEST, 50 * MS + 1 * US, T2, T1);
	sw(f, GUEST, 50 * MS + 10 * US, T2, 0, T1);
	end(f, 51 * MS);
}

/*
 * The vCPU of CPU 0 makes room for an ordinary thread from 28 to 33 ms. T1 waits there until it
 * goes on on CPU 1 at 31 ms, and its job ends at 32 ms, when it is not known yet whether the vCPU
 * is throttled. The next job, which arrived at 30 ms, has lost 1 ms by that, not 3.
 */
static void throttling_before_a_job_arrived_is_no_excess_of_it(void **state)
{
	static struct fixture f;

	(void)state;
	guest_cpus = 2;
	second_vcpu = VCPU1;
	begin_with(&f, false,
		"[experiment]\nname = t\n[task vm1/t1]\nperiod = 20ms\nwcet = 20ms\n"
		"priority = 60\nrelease = timerfd\n");
	sw_prio(&f, HOST, 0, 0, 0, VCPU, FAIR, RT);
	sw_on_cpu_1(&f, HOST, 0, 0, 0, VCPU1);
	waits_for_timerfd(&f);
	timerfd_wakes(&f, 10 * MS, 30 * MS);
	sw(&f, GUEST, 27 * MS, T1, 0, T2);
	sw_prio(&f, HOST, 28 * MS, VCPU, 0, HOG, RT, FAIR);
	moves_to_cpu_1(&f, 31 * MS);
	sw_on_cpu_1(&f, GUEST, 32 * MS, T1, 1, 0);
	sw_prio(&f, HOST, 33 * MS, HOG, 0, VCPU, FAIR, RT);
	next_job_on_cpu_1(&f);
	guest_cpus = 1;
	second_vcpu = 0;
	assert_int_equal(f.jobs[0].end_ns, 32 * MS);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_HOST_THREAD], 3 * MS);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_THROTTLING], 0);
	assert_int_equal(f.jobs[1].arrival_ns, 30 * MS);
	assert_int_equal(f.jobs[1].end_ns, 36 * MS);
	assert_int_equal(f.jobs[1].blame_ns[VMRT_BLAME_THROTTLING], 1 * MS);
	assert_int_equal(f.jobs[1].excess_ns[VMRT_BLAME_THROTTLING], 1 * MS);
}

/*
 * The vCPU makes room for an ordinary thread from 12 to 16 ms. When it goes on, T1 has only to go
 * to sleep, which it does in the same nanosecond: its job was throttled for 4 ms.
 */
static void a_gap_that_ends_with_the_job_is_throttling(void **state)
{
	static struct fixture f;

	(void)state;
	begin_with(&f, false,
		"[experiment]\nname = t\n[task vm1/t1]\nperiod = 20ms\nwcet = 20ms\n"
		"priority = 60\nrelease = timerfd\n");
	sw_prio(&f, HOST, 0, 0, 0, VCPU, FAIR, RT);
	waits_for_timerfd(&f);
	timerfd_wakes(&f, 10 * MS, 30 * MS);
	sw_prio(&f, HOST, 12 * MS, VCPU, 0, HOG, RT, FAIR);
	sw_prio(&f, HOST, 16 * MS, HOG, 0, VCPU, FAIR, RT);
	sw(&f, GUEST, 16 * MS, T1, 1, 0);
	timerfd_wakes(&f, 30 * MS, 50 * MS);
	end(&f, 31 * MS);
	assert_int_equal(f.jobs[0].end_ns, 16 * MS);
	assert_int_equal(f.jobs[0].exec_ns, 2 * MS - 10 * US);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_THROTTLING], 4 * MS);
	assert_int_equal(f.jobs[0].blame_ns[VMRT_BLAME_HOST_THREAD], 0);
	assert_int_equal(f.jobs[0].excess_ns[VMRT_BLAME_THROTTLING], 4 * MS);
}

/* T1, which runs on CPU @cpu, sleeps until @until, which has passed: the next job begins. */
static void is_late(struct fixture *f, unsigned cpu, int64_t at, int64_t until)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_START, .cpu = (uint16_t)cpu, .pid = T1};

	ev.timer.timer = 0xaaaa00;
	ev.timer.fn = VMRT_FN_WAKEUP;
	ev.timer.expires = ev.timer.softexpires = until + f->offset;
	push(f, GUEST, &ev, at);
	ev.type = VMRT_EV_TIMER_EXPIRE;
	ev.flags = VMRT_FLAG_HARDIRQ;
	ev.timer.now = at + f->offset;
	push(f, GUEST, &ev, at + 1 * US);
	ev = (struct vmrt_event){.type = VMRT_EV_WAKING,
		.cpu = (uint16_t)cpu,
		.flags = VMRT_FLAG_HARDIRQ,
		.pid = T1};
	ev.wake.pid = T1;
	ev.wake.comm = name_of(T1);
	ev.wake.prio = prio_of(T1);
	ev.wake.target_cpu = cpu;
	push(f, GUEST, &ev, at + 1 * US);
	ev.type = VMRT_EV_WAKEUP;
	push(f, GUEST, &ev, at + 1 * US);
}

/*
 * T1 is 36 ms late when the recording begins, at 100 ms. From 107 to 109 ms it waits on CPU 0,
 * whose vCPU makes room for an ordinary thread until 113 ms, and then goes on on CPU 1 with jobs
 * that arrived before the recording. The job of 105 ms has lost 2 ms by that.
 */
static void a_job_that_queues_behind_older_ones_keeps_its_throttling(void **state)
{
	static struct fixture f;
	const struct vmrt_job *last;

	(void)state;
	guest_cpus = 2;
	second_vcpu = VCPU1;
	begin_with(&f, false,
		"[experiment]\nname = t\n[task vm1/t1]\nperiod = 10ms\nwcet = 10ms\n"
		"priority = 60\nrelease = nanosleep\n");
	sw_prio(&f, HOST, 100 * MS, 0, 0, VCPU, FAIR, RT);
	sw_on_cpu_1(&f, HOST, 100 * MS, 0, 0, VCPU1);
	sw(&f, GUEST, 100 * MS, 0, 0, T1);
	is_late(&f, 0, 101 * MS, 65 * MS);
	sw(&f, GUEST, 106 * MS, T1, 0, T2);
	sw_prio(&f, HOST, 107 * MS, VCPU, 0, HOG, RT, FAIR);
	moves_to_cpu_1(&f, 109 * MS);
	is_late(&f, 1, 110 * MS, 75 * MS);
	sw_prio(&f, HOST, 113 * MS, HOG, 0, VCPU, FAIR, RT);
	is_late(&f, 1, 114 * MS, 85 * MS);
	is_late(&f, 1, 115 * MS, 95 * MS);
	is_late(&f, 1, 116 * MS, 105 * MS);
	is_late(&f, 1, 117 * MS, 115 * MS);
	end(&f, 118 * MS);
	guest_cpus = 1;
	second_vcpu = 0;
	last = &f.jobs[f.n_jobs - 2];
	assert_int_equal(last->arrival_ns, 105 * MS);
	assert_int_equal(last->end_ns, 117 * MS);
	assert_int_equal(last->blame_ns[VMRT_BLAME_THROTTLING], 2 * MS);
	assert_int_equal(last->blame_ns[VMRT_BLAME_HOST_THREAD], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_job_that_queues_behind_older_ones_keeps_its_throttling),
		cmocka_unit_test(a_gap_that_ends_with_the_job_is_throttling),
		cmocka_unit_test(throttling_before_a_job_arrived_is_no_excess_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
