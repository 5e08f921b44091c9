/* SPDX-License-Identifier: MIT */
#ifndef SERVERSFIX_H
#define SERVERSFIX_H

/* Switches and timers by hand for the tests of servers on a host. */
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
#define V0 100
#define V1 101
#define MAIN 99
#define HOG 300
#define LOW 301 /* a real-time thread below the server */
#define FIFO(p) (99 - (p))
#define FAIR 120
#define MANY 256

struct fixture {
	struct vmrt_experiment *exp;
	struct vmrt_engine *engine;
	struct vmrt_engine_machine machine;
	struct vmrt_vm_thread threads[3];
	struct vmrt_engine_vm vm;
	struct vmrt_engine_config config;
	struct vmrt_server servers[MANY];
	struct vmrt_server_period periods[MANY];
	struct vmrt_loss losses[MANY];
	struct vmrt_violation violations[MANY];
	struct vmrt_check checks[MANY];
	struct vmrt_unmanaged unmanaged[MANY];
	int64_t last_end_ns; /* of the periods */
	size_t n_servers, n_periods, n_losses, n_violations, n_checks, n_unmanaged;
};

#define KEEP(what, type)                                                                           \
	static void keep_##what(void *ctx, const struct type *r)                                   \
	{                                                                                          \
		struct fixture *f = ctx;                                                           \
                                                                                                   \
		assert_true(f->n_##what < MANY);                                                   \
		f->what[f->n_##what++] = *r;                                                       \
	}

KEEP(servers, vmrt_server)

/* There may be more periods than are kept. */
static inline void keep_periods(void *ctx, const struct vmrt_server_period *r)
{
	struct fixture *f = ctx;

	if (f->n_periods < MANY)
		f->periods[f->n_periods] = *r;
	f->n_periods++;
	f->last_end_ns = r->end_ns;
}

KEEP(losses, vmrt_loss)
KEEP(violations, vmrt_violation)
KEEP(checks, vmrt_check)
KEEP(unmanaged, vmrt_unmanaged)

static inline void begin_at(struct fixture *f, const char *text, bool hsf, int64_t start_ns)
{
	struct vmrt_sink sink = {
		.ctx = f,
		.server = keep_servers,
		.server_period = keep_periods,
		.loss = keep_losses,
		.violation = keep_violations,
		.check = keep_checks,
		.unmanaged = keep_unmanaged,
	};
	struct vmrt_error err;

	memset(f, 0, sizeof(*f));
	assert_int_equal(vmrt_experiment_parse(text, "t.ini", &f->exp, &err), VMRT_OK);
	f->machine = (struct vmrt_engine_machine){.name = "host", .cpus = 2};
	f->threads[0] =
		(struct vmrt_vm_thread){.tid = V0, .role = VMRT_ROLE_VCPU, .comm = "CPU 0/TCG"};
	f->threads[1] = (struct vmrt_vm_thread){
		.tid = V1, .role = VMRT_ROLE_VCPU, .vcpu = 1, .comm = "CPU 1/TCG"};
	f->threads[2] = (struct vmrt_vm_thread){
		.tid = MAIN, .role = VMRT_ROLE_MAIN, .vcpu = -1, .comm = "qemu"};
	f->vm = (struct vmrt_engine_vm){
		.name = "vm1", .machine = VMRT_NONE, .threads = f->threads, .n_threads = 3};
	f->config = (struct vmrt_engine_config){
		.experiment = f->exp,
		.machines = &f->machine,
		.n_machines = 1,
		.vms = &f->vm,
		.n_vms = 1,
		.start_ns = start_ns,
		.end_ns = VMRT_UNKNOWN,
		.hsf = hsf,
	};
	assert_int_equal(vmrt_engine_new(&f->config, &sink, &f->engine, &err), VMRT_OK);
}

static inline void begin(struct fixture *f, const char *text, bool hsf)
{
	begin_at(f, text, hsf, 0);
}

static inline void end(struct fixture *f, int64_t at)
{
	assert_int_equal(vmrt_engine_finish(f->engine, at), VMRT_OK);
	vmrt_engine_free(f->engine);
	vmrt_experiment_free(f->exp);
}

static inline void push(struct fixture *f, struct vmrt_event *ev, int64_t at)
{
	ev->ts = at;
	assert_int_equal(vmrt_engine_push(f->engine, 0, ev, at, 0), VMRT_OK);
}

static inline void sw_on(struct fixture *f, unsigned cpu, int64_t at, int32_t prev, int prev_prio,
	int64_t state, int32_t next, int next_prio)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .pid = prev, .cpu = (uint16_t)cpu};

	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_comm = ev.sw.next_comm = "x";
	ev.sw.prev_prio = prev_prio;
	ev.sw.next_prio = next_prio;
	ev.sw.prev_state = state;
	push(f, &ev, at);
}

/* The vCPU @v, at @prio, and a hog take turns. */
static inline void in(struct fixture *f, int64_t at, int32_t v, int prio)
{
	sw_on(f, 0, at, HOG, FAIR, 0, v, prio);
}

static inline void out(struct fixture *f, int64_t at, int32_t v, int prio, int64_t state)
{
	sw_on(f, 0, at, v, prio, state, HOG, FAIR);
}

static inline void timer(struct fixture *f, enum vmrt_event_type type, int64_t at, int32_t on,
	uint64_t ptr, enum vmrt_timer_fn fn, int64_t expires)
{
	struct vmrt_event ev = {.type = type, .pid = on, .flags = VMRT_FLAG_HARDIRQ};

	ev.timer.timer = ptr;
	ev.timer.fn = fn;
	ev.timer.expires = ev.timer.softexpires = expires;
	ev.timer.now = at;
	push(f, &ev, at);
}

static inline void mark(struct fixture *f, int64_t at, int32_t by, const char *text)
{
	struct vmrt_event ev = {.type = VMRT_EV_MARK, .pid = by};

	ev.mark.text = text;
	ev.mark.len = (uint32_t)strlen(text);
	push(f, &ev, at);
}

static inline void beat(struct fixture *f, unsigned cpu, int64_t at, int32_t pid, uint64_t lost)
{
	struct vmrt_event ev = {
		.type = VMRT_EV_OTHER, .pid = pid, .cpu = (uint16_t)cpu, .lost = lost};

	push(f, &ev, at);
}

static inline const struct vmrt_check *check(const struct fixture *f, enum vmrt_rule rule)
{
	static const struct vmrt_check none;

	for (size_t i = 0; i < f->n_checks; i++)
		if (f->checks[i].rule == rule)
			return &f->checks[i];
	return &none;
}

static const char deferrable[] = "[server vm1]\nperiod = 10ms\nbudget = 4ms\npriority = 50\n";

static inline void starts(struct fixture *f)
{
	begin(f, deferrable, true);
	sw_on(f, 0, 0, 0, FAIR, 0, HOG, FAIR);
	beat(f, 1, 0, 0, 0);
	mark(f, 500 * US, HOG,
		"vmrt srv_start server=vm1 vm=vm1 policy=deferrable depletion=soft period=10000000 "
		"budget=4000000 priority=50 t0=1000000");
	mark(f, 1 * MS, HOG, "vmrt srv_replenish server=vm1 k=0 at=1000000 budget=4000000");
}

#endif
