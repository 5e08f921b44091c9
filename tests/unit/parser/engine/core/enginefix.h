/* SPDX-License-Identifier: MIT */
#ifndef ENGINEFIX_H
#define ENGINEFIX_H

/* Events by hand for the tests of the whole engine: a host with one VM, and their threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/engine.h>

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define HOST 0
#define GUEST 1
#define VCPU 100 /* host thread ids */
#define MAIN 99
#define HOG 300
#define T1 11 /* guest thread ids */
#define T2 12
#define FIFO(p) (99 - (p))
#define FAIR 120
#define MAX_RECORDS 512

static const char experiment_text[] = "[experiment]\nname = t\n"
				      "[server vm1]\nperiod = 12ms\nbudget = 10ms\npriority = 50\n"
				      "[task vm1/t1]\nperiod = 20ms\nwcet = 8ms\npriority = 60\n"
				      "[task vm1/t2]\nperiod = 100ms\nwcet = 30ms\npriority = 59\n";

struct fixture {
	struct vmrt_experiment *exp;
	struct vmrt_engine *engine;
	struct vmrt_engine_machine machines[2];
	struct vmrt_vm_thread threads[2];
	struct vmrt_engine_vm vm;
	struct vmrt_engine_config config;
	struct vmrt_clockmap map;
	struct vmrt_job jobs[MAX_RECORDS];
	struct vmrt_slice slices[MAX_RECORDS];
	struct vmrt_server_period periods[MAX_RECORDS];
	struct vmrt_loss losses[MAX_RECORDS];
	struct vmrt_thread seen[MAX_RECORDS];
	size_t n_jobs, n_slices, n_periods, n_losses, n_seen;
	int64_t offset; /* guest - host */
	int64_t error;	/* of the guest's clock */
};

#define KEEP(what, type)                                                                           \
	static void keep_##what(void *ctx, const struct type *r)                                   \
	{                                                                                          \
		struct fixture *f = ctx;                                                           \
                                                                                                   \
		assert_true(f->n_##what < MAX_RECORDS);                                            \
		f->what[f->n_##what++] = *r;                                                       \
	}

KEEP(jobs, vmrt_job)
KEEP(slices, vmrt_slice)
KEEP(periods, vmrt_server_period)
KEEP(losses, vmrt_loss)
KEEP(seen, vmrt_thread)

static const char *vcpu_name = "CPU 0/TCG"; /* of the thread that carries the guest's CPU 0 */
static unsigned guest_cpus = 1;
static int32_t second_vcpu; /* the thread that carries the guest's CPU 1; 0: there is none */

static inline void begin_with(struct fixture *f, bool hsf, const char *experiment)
{
	struct vmrt_sink sink = {
		.ctx = f,
		.thread = keep_seen,
		.slice = keep_slices,
		.server_period = keep_periods,
		.job = keep_jobs,
		.loss = keep_losses,
	};
	struct vmrt_error err;

	memset(f, 0, sizeof(*f));
	f->offset = 1000 * MS;
	assert_int_equal(vmrt_experiment_parse(experiment, "t.ini", &f->exp, &err), VMRT_OK);
	assert_int_equal(vmrt_clockmap_constant(f->offset, 0, VMRT_CLOCK_FILE, &f->map), VMRT_OK);
	f->machines[0] = (struct vmrt_engine_machine){.name = "host", .cpus = 2};
	f->machines[1] =
		(struct vmrt_engine_machine){.name = "vm1", .cpus = guest_cpus, .clock = &f->map};
	f->threads[0] = (struct vmrt_vm_thread){
		.tid = VCPU, .role = VMRT_ROLE_VCPU, .vcpu = 0, .policy = SCHED_OTHER};
	snprintf(f->threads[0].comm, sizeof(f->threads[0].comm), "%s", vcpu_name);
	f->threads[1] = (struct vmrt_vm_thread){
		.tid = MAIN, .role = VMRT_ROLE_MAIN, .vcpu = -1, .comm = "qemu"};
	if (second_vcpu)
		f->threads[1] = (struct vmrt_vm_thread){.tid = second_vcpu,
			.role = VMRT_ROLE_VCPU,
			.vcpu = 1,
			.policy = SCHED_OTHER,
			.comm = "CPU 1/TCG"};
	f->vm = (struct vmrt_engine_vm){
		.name = "vm1", .machine = GUEST, .threads = f->threads, .n_threads = 2};
	f->config = (struct vmrt_engine_config){
		.experiment = f->exp,
		.machines = f->machines,
		.n_machines = 2,
		.vms = &f->vm,
		.n_vms = 1,
		.start_ns = 0,
		.end_ns = VMRT_UNKNOWN,
		.hsf = hsf,
	};
	assert_int_equal(vmrt_engine_new(&f->config, &sink, &f->engine, &err), VMRT_OK);
}

static inline void begin(struct fixture *f, bool hsf)
{
	begin_with(f, hsf, experiment_text);
}

static inline void end(struct fixture *f, int64_t at)
{
	assert_int_equal(vmrt_engine_finish(f->engine, at), VMRT_OK);
	for (size_t i = 0; i < f->n_jobs; i++) {
		int64_t sum = 0;

		if (f->jobs[i].response_ns == VMRT_UNKNOWN)
			continue;
		for (int p = 0; p < VMRT_BLAMES; p++)
			sum += f->jobs[i].blame_ns[p];
		assert_int_equal(sum, f->jobs[i].response_ns);
	}
	vmrt_engine_free(f->engine);
	vmrt_experiment_free(f->exp);
	vmrt_clockmap_free(&f->map);
}

/* All times below are host time; guest events are stamped with the guest's clock. */
static inline void push(struct fixture *f, uint32_t machine, struct vmrt_event *ev, int64_t at)
{
	ev->ts = at + (machine == GUEST ? f->offset : 0);
	assert_int_equal(
		vmrt_engine_push(f->engine, machine, ev, at, machine == GUEST ? f->error : 0),
		VMRT_OK);
}

static const char *alike; /* the name of threads 901 to 903, if they have one in common */

static const char *name_of(int32_t pid)
{
	static const char names[][VMRT_COMM_MAX] = {
		"swapper/0", "t1", "t2", "CPU 0/TCG", "qemu", "hog", "other1", "other2", "other3"};

	switch (pid) {
	case T1:
		return names[1];
	case T2:
		return names[2];
	case VCPU:
		return names[3];
	case MAIN:
		return names[4];
	case HOG:
		return names[5];
	case 901:
	case 902:
	case 903:
		return alike ? alike : names[pid - 901 + 6];
	default:
		return names[0];
	}
}

static inline int prio_of(int32_t pid)
{
	return pid == T1 ? FIFO(60) : pid == T2 ? FIFO(59) : FAIR;
}

static inline void sw_prio(struct fixture *f, uint32_t machine, int64_t at, int32_t prev,
	int64_t state, int32_t next, int prev_prio, int next_prio)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .pid = prev};

	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_comm = name_of(prev);
	ev.sw.next_comm = name_of(next);
	ev.sw.prev_prio = prev_prio;
	ev.sw.next_prio = next_prio;
	ev.sw.prev_state = state;
	push(f, machine, &ev, at);
}

static inline void sw(
	struct fixture *f, uint32_t machine, int64_t at, int32_t prev, int64_t state, int32_t next)
{
	sw_prio(f, machine, at, prev, state, next, prio_of(prev), prio_of(next));
}

static inline void wake(struct fixture *f, uint32_t machine, int64_t at, int32_t by, int32_t who)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .pid = by, .flags = VMRT_FLAG_HARDIRQ};

	ev.wake.pid = who;
	ev.wake.comm = name_of(who);
	ev.wake.prio = prio_of(who);
	push(f, machine, &ev, at);
	ev.type = VMRT_EV_WAKEUP;
	push(f, machine, &ev, at + 1 * US);
}

static inline void born(struct fixture *f, uint32_t machine, int64_t at, int32_t by, int32_t who)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKEUP_NEW, .pid = by};

	ev.wake.pid = who;
	ev.wake.comm = "vmrt-load";
	ev.wake.prio = FAIR;
	push(f, machine, &ev, at);
}

/* Thread @who arms its sleep until host time @until. */
static inline void arm(struct fixture *f, uint32_t machine, int64_t at, int32_t who, int64_t until)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_START, .pid = who};

	ev.timer.timer = UINT64_C(0xffff000000000000) + (uint64_t)who * 64;
	ev.timer.fn = VMRT_FN_WAKEUP;
	ev.timer.expires = ev.timer.softexpires = until + (machine == GUEST ? f->offset : 0);
	push(f, machine, &ev, at);
}

static inline void expire(struct fixture *f, uint32_t machine, int64_t at, int32_t on, int32_t who)
{
	struct vmrt_event ev = {
		.type = VMRT_EV_TIMER_EXPIRE, .pid = on, .flags = VMRT_FLAG_HARDIRQ};

	ev.timer.timer = UINT64_C(0xffff000000000000) + (uint64_t)who * 64;
	ev.timer.fn = VMRT_FN_WAKEUP;
	ev.timer.now = at + (machine == GUEST ? f->offset : 0);
	push(f, machine, &ev, at);
}

/* The host's tick @tick is armed at @at, for @due. */
static inline void arm_tick(struct fixture *f, struct vmrt_event *tick, int64_t at, int64_t due)
{
	tick->timer.timer = 0xaaaa00;
	tick->timer.fn = VMRT_FN_TICK;
	tick->timer.expires = tick->timer.softexpires = due;
	push(f, HOST, tick, at);
}

static inline void died(struct fixture *f, uint32_t machine, int64_t at, int32_t who)
{
	struct vmrt_event ev = {.type = VMRT_EV_EXIT, .pid = who};

	ev.process.pid = who;
	push(f, machine, &ev, at);
}

/* The vCPU runs from 0 on; t1 is created and sleeps until 10 ms. */
static inline void t1_is_set_up(struct fixture *f)
{
	sw(f, HOST, 0, 0, 0, VCPU);
	born(f, GUEST, 1 * MS, 0, T1);
	sw(f, GUEST, 2 * MS, 0, 0, T1);
	arm(f, GUEST, 3 * MS, T1, 10 * MS);
	sw(f, GUEST, 3 * MS + 5 * US, T1, 1, 0);
}

/* It is released at @at + 20 us and starts 30 us later. */
static inline void t1_starts(struct fixture *f, int64_t at)
{
	expire(f, GUEST, at + 20 * US, 0, T1);
	wake(f, GUEST, at + 21 * US, 0, T1);
	sw(f, GUEST, at + 50 * US, 0, 0, T1);
}

/* t1 runs its first job, which arrived at 10 ms, from 10.05 ms on. */
static inline void begin_with_t1_running(struct fixture *f)
{
	begin(f, false);
	t1_is_set_up(f);
	t1_starts(f, 10 * MS);
}

/* T1's timer, which goes on by itself: T1 arms it to @until, or it expires in an interrupt of
 * @on. */
static inline void timerfd_of(
	struct fixture *f, int64_t at, enum vmrt_event_type type, int64_t until, int32_t on)
{
	struct vmrt_event ev = {.type = type};

	ev.pid = until ? T1 : on;
	ev.flags = until ? 0 : VMRT_FLAG_HARDIRQ;
	ev.timer.timer = 0xbbbb00;
	ev.timer.fn = VMRT_FN_TIMERFD;
	ev.timer.expires = ev.timer.softexpires = until + f->offset;
	ev.timer.now = at + f->offset;
	push(f, GUEST, &ev, at);
}

static inline void timerfd(struct fixture *f, int64_t at, enum vmrt_event_type type, int64_t until)
{
	timerfd_of(f, at, type, until, 0);
}

/* It wakes T1, which arms it to @next. */
static inline void timerfd_wakes(struct fixture *f, int64_t at, int64_t next)
{
	timerfd(f, at, VMRT_EV_TIMER_EXPIRE, 0);
	wake(f, GUEST, at + 1 * US, 0, T1);
	sw(f, GUEST, at + 10 * US, 0, 0, T1);
	timerfd(f, at + 20 * US, VMRT_EV_TIMER_START, next);
}

/* T1 is created and waits for its timer until 10 ms. */
static inline void waits_for_timerfd(struct fixture *f)
{
	born(f, GUEST, 1 * MS, 0, T1);
	sw(f, GUEST, 2 * MS, 0, 0, T1);
	timerfd(f, 3 * MS, VMRT_EV_TIMER_START, 10 * MS);
	sw(f, GUEST, 3 * MS + 5 * US, T1, 1, 0);
}

#endif
