/* SPDX-License-Identifier: MIT */
/* Servers through the engine: where periods begin, who belongs to them, what the checker is told,
 * what is clipped. */
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
static void keep_periods(void *ctx, const struct vmrt_server_period *r)
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

static void begin_at(struct fixture *f, const char *text, bool hsf, int64_t start_ns)
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

static void begin(struct fixture *f, const char *text, bool hsf)
{
	begin_at(f, text, hsf, 0);
}

static void end(struct fixture *f, int64_t at)
{
	assert_int_equal(vmrt_engine_finish(f->engine, at), VMRT_OK);
	vmrt_engine_free(f->engine);
	vmrt_experiment_free(f->exp);
}

static void push(struct fixture *f, struct vmrt_event *ev, int64_t at)
{
	ev->ts = at;
	assert_int_equal(vmrt_engine_push(f->engine, 0, ev, at, 0), VMRT_OK);
}

static void sw_on(struct fixture *f, unsigned cpu, int64_t at, int32_t prev, int prev_prio,
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
static void in(struct fixture *f, int64_t at, int32_t v, int prio)
{
	sw_on(f, 0, at, HOG, FAIR, 0, v, prio);
}

static void out(struct fixture *f, int64_t at, int32_t v, int prio, int64_t state)
{
	sw_on(f, 0, at, v, prio, state, HOG, FAIR);
}

static void wake(struct fixture *f, int64_t at, int32_t by, int32_t who, int prio)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .pid = by};

	ev.wake.pid = who;
	ev.wake.comm = "x";
	ev.wake.prio = prio;
	push(f, &ev, at);
}

static void timer(struct fixture *f, enum vmrt_event_type type, int64_t at, int32_t on,
	uint64_t ptr, enum vmrt_timer_fn fn, int64_t expires)
{
	struct vmrt_event ev = {.type = type, .pid = on, .flags = VMRT_FLAG_HARDIRQ};

	ev.timer.timer = ptr;
	ev.timer.fn = fn;
	ev.timer.expires = ev.timer.softexpires = expires;
	ev.timer.now = at;
	push(f, &ev, at);
}

static void mark(struct fixture *f, int64_t at, int32_t by, const char *text)
{
	struct vmrt_event ev = {.type = VMRT_EV_MARK, .pid = by};

	ev.mark.text = text;
	ev.mark.len = (uint32_t)strlen(text);
	push(f, &ev, at);
}

static void beat(struct fixture *f, unsigned cpu, int64_t at, int32_t pid, uint64_t lost)
{
	struct vmrt_event ev = {
		.type = VMRT_EV_OTHER, .pid = pid, .cpu = (uint16_t)cpu, .lost = lost};

	push(f, &ev, at);
}

static const struct vmrt_check *check(const struct fixture *f, enum vmrt_rule rule)
{
	static const struct vmrt_check none;

	for (size_t i = 0; i < f->n_checks; i++)
		if (f->checks[i].rule == rule)
			return &f->checks[i];
	return &none;
}

static const char deferrable[] = "[server vm1]\nperiod = 10ms\nbudget = 4ms\npriority = 50\n";

/* Supply begins at 3, 13, 23... ms after a wait, 20 times. */
static void the_phase_is_fitted_to_where_supply_begins(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	sw_on(&f, 0, 0, 0, FAIR, 0, V0, FIFO(50));
	out(&f, 1 * MS, V0, FIFO(50), 0);
	for (int k = 0; k < 20; k++) {
		in(&f, (3 + 10 * k) * MS + k * 10 * US, V0, FIFO(50));
		out(&f, (7 + 10 * k) * MS, V0, FIFO(50), 0);
	}
	end(&f, 203 * MS);
	assert_int_equal(f.servers[f.n_servers - 1].phase, VMRT_PHASE_FITTED);
	/* the first 16 periods hold 16 starts, 0 to 150 us late: the middle one of them is 80 us
	 * late */
	assert_int_equal(f.servers[f.n_servers - 1].phase_ns, -7 * MS + 80 * US);
	assert_int_equal(f.periods[0].start_ns, -7 * MS + 80 * US);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_TRUNCATED);
	assert_int_equal(f.periods[1].start_ns, 3 * MS + 80 * US);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNENFORCED);
	/* from 3.08 to 7 ms, and what of the next start, at 13.01 ms, is before 13.08 ms */
	assert_int_equal(f.periods[1].consumed_ns, 3920 * US + 70 * US);
	/* from 7 to 13.01 ms */
	assert_int_equal(f.periods[1].waiting_ns, 6010 * US);
	/* nobody enforces it */
	assert_int_equal(f.n_checks, 0);
}

static void without_a_common_phase_the_grid_begins_with_the_recording(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	sw_on(&f, 0, 0, 0, FAIR, 0, V0, FIFO(50));
	for (int k = 0; k < 20; k++) {
		out(&f, (5 + 7 * k) * MS, V0, FIFO(50), 0);
		in(&f, (7 + 7 * k) * MS, V0, FIFO(50));
	}
	end(&f, 170 * MS);
	assert_int_equal(f.servers[0].phase, VMRT_PHASE_START);
	assert_int_equal(f.servers[0].phase_ns, 0);
	assert_int_equal(f.n_periods, 17);
	assert_int_equal(f.periods[0].start_ns, 0);
	assert_int_equal(f.periods[0].consumed_ns, 8 * MS); /* all but 5 to 7 ms */
}

/* SCHED_DEADLINE 3 / 10 ms: throttled at 6, its timer expires at 12.5 and 22.5 ms. */
static void periods_of_sched_deadline_begin_with_its_timer(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "[server vm1]\nvm = vm1:0\npolicy = deadline\nperiod = 10ms\nbudget = 3ms\n",
		false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 2500 * US, V0, -1);
	for (int k = 0; k < 4; k++) {
		int64_t at = 2500 * US + k * 10 * MS;

		timer(&f, VMRT_EV_TIMER_START, at + 3 * MS, V0, 0xd1, VMRT_FN_DEADLINE,
			at + 10 * MS);
		out(&f, at + 3 * MS + 5 * US, V0, -1, 0);
		timer(&f, VMRT_EV_TIMER_EXPIRE, at + 10 * MS + 3 * US, HOG, 0xd1, VMRT_FN_DEADLINE,
			0);
		in(&f, at + 10 * MS + 6 * US, V0, -1);
	}
	end(&f, 43 * MS);
	assert_int_equal(f.servers[0].phase, VMRT_PHASE_TIMER);
	assert_int_equal(f.n_periods, 6);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_TRUNCATED);
	assert_int_equal(f.periods[2].start_ns, 12500 * US);
	assert_int_equal(f.periods[2].consumed_ns, 3 * MS - 1 * US); /* 12.506 to 15.505 ms */
	/* not the one that begins before the first timer: the thread slept in it, which may have
	 * moved it */
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 3);
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->violations, 0);
	/* two ticks, for a budget below one, and what a user-level enforcer is allowed */
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->tolerance_ns, 8250 * US);
	assert_int_equal(f.n_violations, 0);
}

/* The fair server's timer, armed while a member runs, is another one. */
static void the_timer_of_somebody_else_is_no_period(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, "[server vm1]\npolicy = deadline\nperiod = 10ms\nbudget = 3ms\n", false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 2500 * US, V0, -1);
	timer(&f, VMRT_EV_TIMER_START, 3 * MS, V0, 0xd2, VMRT_FN_DEADLINE, 13 * MS);
	out(&f, 5 * MS, V0, -1, 0);
	timer(&f, VMRT_EV_TIMER_EXPIRE, 13 * MS, HOG, 0xd2, VMRT_FN_DEADLINE, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.servers[0].phase, VMRT_PHASE_START);
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 0);
}

/* Two groups' timers, one of them every 10 ms from 4 ms on, the other every @other from 11 ms on;
 * V0 goes on @behind it. */
static void groups(struct fixture *f, int64_t other, int64_t behind)
{
	int64_t next = 11 * MS;

	begin(f, "[server vm1]\npolicy = cfs_quota\nperiod = 10ms\nbudget = 3ms\n", false);
	beat(f, 0, 0, HOG, 0);
	timer(f, VMRT_EV_TIMER_START, 1 * MS, HOG, 0xc1, VMRT_FN_CFS_PERIOD, 4 * MS);
	timer(f, VMRT_EV_TIMER_START, 1 * MS, HOG, 0xc2, VMRT_FN_CFS_PERIOD, next);
	for (int k = 0; k < 13; k++) {
		int64_t at = 4 * MS + k * 10 * MS;

		timer(f, VMRT_EV_TIMER_EXPIRE, at + 1 * US, HOG, 0xc1, VMRT_FN_CFS_PERIOD, 0);
		timer(f, VMRT_EV_TIMER_START, at + 2 * US, HOG, 0xc1, VMRT_FN_CFS_PERIOD,
			at + 10 * MS);
		in(f, at + behind, V0, FAIR);
		out(f, at + behind + 3 * MS, V0, FAIR, 0);
		if (next >= at + 10 * MS)
			continue;
		timer(f, VMRT_EV_TIMER_EXPIRE, next + 1 * US, HOG, 0xc2, VMRT_FN_CFS_PERIOD, 0);
		timer(f, VMRT_EV_TIMER_START, next + 2 * US, HOG, 0xc2, VMRT_FN_CFS_PERIOD,
			next + other);
		next += other;
	}
	end(f, 134 * MS);
}

static void periods_of_a_group_begin_with_the_timer_of_that_rhythm(void **state)
{
	static struct fixture f;

	(void)state;
	/* twice as long, or behind which nobody goes on */
	for (int i = 0; i < 2; i++) {
		groups(&f, (i ? 10 : 20) * MS, i ? 20 * US : 1 * MS);
		assert_int_equal(f.servers[0].phase, VMRT_PHASE_TIMER);
		assert_int_equal(f.periods[1].start_ns, 4 * MS);
		assert_int_equal(f.periods[1].consumed_ns, 3 * MS);
		assert_int_equal(f.n_violations, 0);
		assert_true(check(&f, VMRT_RULE_BUDGET)->judged >= 3);
	}
	/* it may be the one or the other */
	groups(&f, 10 * MS, 1 * MS);
	assert_int_not_equal(f.servers[0].phase, VMRT_PHASE_TIMER);
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 0);
}

/* Nothing happens to V0 from 12 ms on, but the kernel's timer tells of each period. */
static void a_member_that_runs_through_its_periods_has_each_of_them(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f,
		"[server vm1]\nvm = vm1:0\npolicy = rt_group\nperiod = 10ms\nbudget = "
		"9ms\npriority = 50\n",
		false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 12 * MS, V0, FIFO(50));
	timer(&f, VMRT_EV_TIMER_START, 12 * MS, V0, 0xc1, VMRT_FN_RT_PERIOD, 14 * MS);
	for (int k = 0; k < 5; k++) {
		timer(&f, VMRT_EV_TIMER_EXPIRE, (14 + 10 * k) * MS + US, V0, 0xc1,
			VMRT_FN_RT_PERIOD, 0);
		timer(&f, VMRT_EV_TIMER_START, (14 + 10 * k) * MS + 2 * US, V0, 0xc1,
			VMRT_FN_RT_PERIOD, (24 + 10 * k) * MS);
	}
	end(&f, 56 * MS);
	for (size_t i = 0; i < f.n_periods; i++)
		assert_int_equal(f.periods[i].end_ns - f.periods[i].start_ns, 10 * MS);
	assert_int_equal(f.periods[f.n_periods - 2].start_ns, 44 * MS);
	assert_int_equal(f.periods[f.n_periods - 2].consumed_ns, 10 * MS);
}

/* Out of budget from 6 ms on. */
static void run_out(struct fixture *f, const char *depletion)
{
	char text[160];

	begin(f, deferrable, true);
	sw_on(f, 0, 0, 0, FAIR, 0, HOG, FAIR);
	beat(f, 1, 0, 0, 0);
	snprintf(text, sizeof(text),
		"vmrt srv_start server=vm1 depletion=%s period=10000000 budget=4000000 "
		"priority=50 t0=1000000",
		depletion);
	mark(f, 500 * US, HOG, text);
	mark(f, 1 * MS, HOG, "vmrt srv_replenish server=vm1 k=0 at=1000000 budget=4000000");
	wake(f, 2 * MS, HOG, V0, FIFO(50));
	in(f, 2 * MS, V0, FIFO(50));
	mark(f, 6 * MS, V0, "vmrt srv_deplete server=vm1 k=0 consumed=4000000");
}

static void a_member_that_is_stopped_wants_to_run(void **state)
{
	static struct fixture f;

	(void)state;
	run_out(&f, "hard");
	out(&f, 6 * MS + 10 * US, V0, FIFO(50), 4);
	/* the budget is due at 11 ms, and comes at 13 */
	wake(&f, 13 * MS, HOG, V0, FIFO(50));
	mark(&f, 13 * MS, HOG, "vmrt srv_replenish server=vm1 k=1 at=11000000 budget=4000000");
	in(&f, 13 * MS, V0, FIFO(50));
	out(&f, 14 * MS, V0, FIFO(50), 0);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(check(&f, VMRT_RULE_REPLENISH)->violations, 1);
	assert_int_equal(check(&f, VMRT_RULE_REPLENISH)->worst_ns, 2 * MS);
	/* it never slept in the second period, but got 1 ms */
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->violations, 1);
}

static void a_member_that_slept_when_it_was_stopped_does_not_want_to_run(void **state)
{
	static struct fixture f;

	(void)state;
	run_out(&f, "hard");
	/* it sleeps of itself, and who wrote the last marker wakes it up to stop it */
	out(&f, 6 * MS + 10 * US, V0, FIFO(50), 1);
	mark(&f, 6 * MS + 15 * US, HOG, "vmrt srv_deplete server=vm1 k=0 consumed=4000000");
	wake(&f, 6 * MS + 20 * US, HOG, V0, FIFO(50));
	in(&f, 6 * MS + 30 * US, V0, FIFO(50));
	out(&f, 6 * MS + 40 * US, V0, FIFO(50), 4);
	wake(&f, 13 * MS, HOG, V0, FIFO(50));
	mark(&f, 13 * MS, HOG, "vmrt srv_replenish server=vm1 k=1 at=11000000 budget=4000000");
	in(&f, 13 * MS, V0, FIFO(50));
	out(&f, 14 * MS, V0, FIFO(50), 0);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(check(&f, VMRT_RULE_SUPPLY)->violations, 0);
}

static void a_run_behind_the_depletion_at_the_servers_priority_is_consumption(void **state)
{
	static struct fixture f;

	(void)state;
	run_out(&f, "soft");
	out(&f, 6 * MS + 30 * US, V0, FIFO(50), 0); /* the marker was at 6 ms */
	in(&f, 7 * MS, V0, FAIR);
	out(&f, 8 * MS, V0, FAIR, 0);
	beat(&f, 1, 25 * MS, 0, 0);
	end(&f, 25 * MS);
	assert_int_equal(f.periods[0].consumed_ns, 4 * MS + 30 * US);
	assert_int_equal(f.periods[0].background_ns, 1 * MS);
}

static void periods_are_in_proportion_to_what_was_recorded(void **state)
{
	static struct fixture f;
	int64_t year = INT64_C(365) * 86400 * VMRT_NS_PER_S;

	(void)state;
	begin(&f, deferrable, false);
	in(&f, 15 * MS, V0, FIFO(50));
	out(&f, 18 * MS, V0, FIFO(50), 0);
	in(&f, year, V0, FIFO(50));
	out(&f, year + 30 * MS, V0, FIFO(50), 0);
	end(&f, year + 40 * MS);
	assert_true(f.n_periods < 10000);
	/* the time that is left out is told */
	assert_true(f.n_losses > 0);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_CLIPPED);
	assert_true(f.losses[0].to_ns - f.losses[0].from_ns > year / 2);
	assert_true(f.last_end_ns > year);
}

static void who_runs_on_without_budget_is_told(void **state)
{
	static const struct {
		const char *depletion;
		int in_prio, out_prio;
		int64_t forbidden_ns;
	} runs[] = {
		{"soft", FAIR, FAIR, 0},
		{"soft", FIFO(50), FIFO(50), 2 * MS},
		{"hard", FIFO(50), FIFO(50), 2 * MS},
		{"hard", FAIR, FAIR, 2 * MS},
	};
	static struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		run_out(&f, runs[i].depletion);
		out(&f, 6 * MS + 10 * US, V0, FAIR, 0);
		in(&f, 7 * MS, V0, runs[i].in_prio);
		out(&f, 9 * MS, V0, runs[i].out_prio, 0);
		mark(&f, 11 * MS, HOG,
			"vmrt srv_replenish server=vm1 k=1 at=11000000 budget=4000000");
		beat(&f, 1, 25 * MS, 0, 0);
		end(&f, 25 * MS);
		assert_int_equal(check(&f, VMRT_RULE_DEPLETED)->judged, 1);
		assert_int_equal(
			check(&f, VMRT_RULE_DEPLETED)->violations, runs[i].forbidden_ns > 0);
		assert_true(check(&f, VMRT_RULE_DEPLETED)->worst_ns >= runs[i].forbidden_ns);
		assert_true(
			check(&f, VMRT_RULE_DEPLETED)->worst_ns <= runs[i].forbidden_ns + 10 * US);
	}
}

static void servers_of_single_vcpus_have_them_alone(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f,
		"[server a]\nvm = vm1:0\nperiod = 10ms\nbudget = 4ms\npriority = 50\n"
		"[server b]\nvm = vm1:1\nperiod = 10ms\nbudget = 4ms\npriority = 40\n"
		"[server c]\nvm = pid:99\nperiod = 10ms\nbudget = 4ms\npriority = 40\n"
		"[server d]\nvm = vm1:2\nperiod = 10ms\nbudget = 4ms\npriority = 40\n",
		false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 1 * MS, V0, FIFO(50));
	sw_on(&f, 0, 3 * MS, V0, FIFO(50), 1, V1, FIFO(40));
	out(&f, 8 * MS, V1, FIFO(40), 1);
	end(&f, 10 * MS);
	assert_int_equal(f.n_periods, 4);
	assert_int_equal(f.periods[0].consumed_ns, 2 * MS);
	assert_int_equal(f.periods[1].consumed_ns, 5 * MS);
	assert_int_equal(f.servers[2].vm, 0); /* of the whole VM, but both belong to others */
	/* without members nothing is known */
	assert_int_equal(f.periods[2].consumed_ns, VMRT_UNKNOWN);
	assert_int_equal(f.periods[3].consumed_ns, VMRT_UNKNOWN);
}

static void starts(struct fixture *f)
{
	begin(f, deferrable, true);
	sw_on(f, 0, 0, 0, FAIR, 0, HOG, FAIR);
	beat(f, 1, 0, 0, 0);
	mark(f, 500 * US, HOG,
		"vmrt srv_start server=vm1 vm=vm1 policy=deferrable depletion=soft period=10000000 "
		"budget=4000000 priority=50 t0=1000000");
	mark(f, 1 * MS, HOG, "vmrt srv_replenish server=vm1 k=0 at=1000000 budget=4000000");
}

/* Runs from 2 ms on for 4 ms and @more, then is demoted. */
static void uses_up(struct fixture *f, int64_t more)
{
	starts(f);
	wake(f, 2 * MS, HOG, V0, FIFO(50));
	in(f, 2 * MS, V0, FIFO(50));
	mark(f, 6 * MS + more, V0, "vmrt srv_deplete server=vm1 k=0 consumed=4000000");
	out(f, 6 * MS + more + 10 * US, V0, FAIR, 1);
}

static void an_enforcer_that_is_late_by_more_than_the_tolerance_violates(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		uses_up(&f, 250 * US + more);
		end(&f, 12 * MS);
		assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 1);
		assert_int_equal(f.n_violations, more);
	}
	assert_int_equal(f.violations[0].rule, VMRT_RULE_BUDGET);
	assert_int_equal(f.violations[0].from_ns, 1 * MS);
	assert_int_equal(f.violations[0].to_ns, 11 * MS);
	assert_int_equal(f.violations[0].measured_ns, 4250 * US + 1);
}

static void a_loss_on_another_cpu_that_shows_later_makes_it_unknown(void **state)
{
	static struct fixture f;

	(void)state;
	uses_up(&f, 1 * MS);
	beat(&f, 0, 25 * MS, HOG,
		0); /* two periods have ended, but CPU 1 has been silent since 0 */
	assert_int_equal(f.n_periods, 0);
	beat(&f, 1, 26 * MS, 0, 3);
	end(&f, 27 * MS);
	assert_int_equal(f.n_violations, 0);
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->judged, 0);
	assert_int_equal(check(&f, VMRT_RULE_BUDGET)->unknown, 2);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNKNOWN);
	/* the same without loss */
	uses_up(&f, 1 * MS);
	beat(&f, 1, 26 * MS, 0, 0);
	end(&f, 27 * MS);
	assert_int_equal(f.n_violations, 1);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_DEPLETED);
}

/* It wakes at 2 ms and runs at 2 ms + @ns; until then @who has the CPU. */
static void wakes_while(struct fixture *f, int32_t who, int prio, int64_t ns)
{
	starts(f);
	sw_on(f, 0, 1500 * US, HOG, FAIR, 0, who, prio);
	wake(f, 2 * MS, who, V0, FIFO(50));
	sw_on(f, 0, 2 * MS + ns, who, prio, 0, V0, FIFO(50));
	out(f, 4 * MS, V0, FIFO(50), 1);
	beat(f, 1, 12 * MS, 0, 0);
	end(f, 12 * MS);
}

static void a_member_with_budget_waits_for_higher_threads_only(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		wakes_while(&f, LOW, FIFO(49), 250 * US + more);
		assert_int_equal(f.n_violations, more);
		wakes_while(&f, 0, FAIR, 250 * US + more); /* an idle CPU is lower than all */
		assert_int_equal(f.n_violations, more);
		assert_int_equal(check(&f, VMRT_RULE_PRIORITY)->worst_ns, 250 * US + more);
	}
	assert_int_equal(f.violations[0].rule, VMRT_RULE_PRIORITY);
	assert_int_equal(f.violations[0].from_ns, 2 * MS);
	wakes_while(&f, LOW, FIFO(50), 1 * MS);
	assert_int_equal(f.n_violations, 0);
	wakes_while(&f, LOW, FIFO(51), 1 * MS);
	assert_int_equal(f.n_violations, 0);
	assert_int_equal(check(&f, VMRT_RULE_PRIORITY)->worst_ns, 0);
	/* an ordinary thread does not keep a real-time one waiting, unless the kernel wants it */
	wakes_while(&f, HOG + 5, FAIR, 1 * MS);
	assert_int_equal(f.n_violations, 0);
	assert_int_equal(check(&f, VMRT_RULE_PRIORITY)->unknown, 1);
}

static void a_cpu_whose_buffer_had_wrapped_is_clipped(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 1 * MS, V0, FIFO(50));
	out(&f, 14 * MS, V0, FIFO(50), 0);
	beat(&f, 1, 15 * MS, 0, UINT64_MAX);
	beat(&f, 0, 35 * MS, HOG, 0);
	end(&f, 35 * MS);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_CLIPPED);
	assert_int_equal(f.losses[0].cpu, 1);
	assert_int_equal(f.losses[0].from_ns, 0);
	assert_int_equal(f.losses[0].to_ns, 15 * MS);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_UNENFORCED);
}

static void a_cpu_whose_recording_ends_early_is_clipped(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	beat(&f, 0, 0, HOG, 0);
	beat(&f, 1, 12 * MS, 0, 0);
	in(&f, 13 * MS, V0, FIFO(50));
	vmrt_engine_clip(f.engine, 0, 1, VMRT_UNKNOWN, VMRT_UNKNOWN);
	vmrt_engine_clip(f.engine, 0, 1, VMRT_UNKNOWN, VMRT_UNKNOWN); /* once is enough */
	beat(&f, 0, 14 * MS, V0, 0);
	end(&f, 30 * MS);
	assert_int_equal(f.n_losses, 1);
	assert_int_equal(f.losses[0].kind, VMRT_LOSS_CLIPPED);
	assert_int_equal(f.losses[0].from_ns, 12 * MS);
	assert_int_equal(f.losses[0].to_ns, 30 * MS);
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_UNENFORCED);
	assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_UNKNOWN);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_UNKNOWN);
}

/* Starts at 10, 38, 66 ms, 3 ms each with an interruption of 20 us; then a sleep. */
static void the_natural_period_is_from_supply_to_supply(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, false);
	beat(&f, 0, 0, HOG, 0);
	in(&f, 1 * MS, V0, FAIR);
	out(&f, 2 * MS, V0, FAIR, 0);
	for (int k = 0; k < 3; k++) {
		in(&f, (10 + 28 * k) * MS, V0, FAIR);
		out(&f, (11 + 28 * k) * MS, V0, FAIR, 0);
		in(&f, (11 + 28 * k) * MS + 20 * US, V0, FAIR);
		out(&f, (13 + 28 * k) * MS + 20 * US, V0, FAIR, k < 2 ? 0 : 1);
	}
	wake(&f, 80 * MS, HOG, V0, FAIR);
	in(&f, 90 * MS, V0, FAIR);
	out(&f, 91 * MS, V0, FAIR, 0);
	end(&f, 100 * MS);
	assert_int_equal(f.n_unmanaged, 1);
	assert_int_equal(f.unmanaged[0].vm, 0);
	assert_int_equal(f.unmanaged[0].n, 2);
	assert_int_equal(f.unmanaged[0].period_p10_ns, 28 * MS);
	assert_int_equal(f.unmanaged[0].period_p90_ns, 28 * MS);
	assert_int_equal(f.unmanaged[0].supply_p50_ns, 3 * MS);
}

static void blackout_is_demand_without_supply(void **state)
{
	static struct fixture f;
	const struct vmrt_server_period *last;

	(void)state;
	begin(&f, deferrable, false);
	beat(&f, 0, 0, HOG, 0);
	wake(&f, 1 * MS, HOG, V0, FAIR);
	in(&f, 3 * MS, V0, FAIR);
	out(&f, 4 * MS, V0, FAIR, 0); /* made to wait */
	in(&f, 29 * MS, V0, FAIR);
	out(&f, 30 * MS, V0, FAIR, 1); /* sleeps */
	wake(&f, 71 * MS, HOG, V0, FAIR);
	in(&f, 72 * MS, V0, FAIR);
	beat(&f, 0, 100 * MS, V0, 0);
	end(&f, 100 * MS);
	assert_true(f.n_periods >= 5);
	for (size_t i = 0; i < f.n_periods; i++) {
		const struct vmrt_server_period *p = &f.periods[i];
		/* as far as the wait from 4 to 29 ms had lasted */
		int64_t to = p->end_ns < 29 * MS ? p->end_ns : 29 * MS;

		if (p->start_ns < 29 * MS && p->end_ns > 4 * MS + 2 * MS) {
			assert_int_equal(p->blackout_at_ns, 4 * MS);
			assert_int_equal(p->blackout_ns, to - 4 * MS);
		}
		if (p->start_ns >= 30 * MS && p->end_ns <= 71 * MS) {
			assert_int_equal(p->blackout_ns, 0);
			assert_true(
				p->wanted_ns == VMRT_UNKNOWN && p->blackout_at_ns == VMRT_UNKNOWN);
		}
		if (p->start_ns <= 71 * MS && p->end_ns > 72 * MS) {
			assert_int_equal(p->wanted_ns, 71 * MS);
			assert_int_equal(p->first_ns, 72 * MS);
			assert_int_equal(p->blackout_ns, 1 * MS);
		}
	}
	last = &f.periods[f.n_periods - 1];
	assert_int_equal(last->wanted_ns, last->start_ns);
}

/* Replenishments at 21, 33 and 45 ms, @more late; the enforcer began before the recording. */
static void begins_in_the_middle(struct fixture *f, const char *text)
{
	begin(f, text, true);
	sw_on(f, 0, 15 * MS, 0, FAIR, 0, HOG, FAIR);
	beat(f, 1, 15 * MS, 0, 0);
	mark(f, 20 * MS, HOG, "vmrt srv_deplete server=vm1 k=6 consumed=4000000");
	mark(f, 21 * MS + 50 * US, HOG,
		"vmrt srv_replenish server=vm1 k=7 at=21000000 budget=5000000");
	in(f, 22 * MS, V0, FIFO(50));
	mark(f, 33 * MS, V0, "vmrt srv_replenish server=vm1 k=8 at=33000000 budget=5000000");
	out(f, 35 * MS, V0, FIFO(50), 1);
	mark(f, 45 * MS + 20 * US, HOG,
		"vmrt srv_replenish server=vm1 k=9 at=45000000 budget=5000000");
	in(f, 46 * MS, V0, FIFO(50));
	out(f, 47 * MS, V0, FIFO(50), 1);
	beat(f, 1, 60 * MS, 0, 0);
	end(f, 60 * MS);
}

static void an_enforcer_whose_beginning_is_not_recorded_is_known_by_its_replenishments(void **state)
{
	static struct fixture f;

	(void)state;
	begins_in_the_middle(&f, deferrable);
	/* the declared 10 and 4 ms are not what it does */
	assert_true(f.servers[f.n_servers - 1].enforced);
	assert_int_equal(f.servers[f.n_servers - 1].period_ns, 12 * MS);
	assert_int_equal(f.servers[f.n_servers - 1].budget_ns, 5 * MS);
	assert_int_equal(f.servers[f.n_servers - 1].phase, VMRT_PHASE_MARKER);
	assert_int_equal((f.servers[f.n_servers - 1].phase_ns - 21 * MS) % (12 * MS), 0);
	/* from the second one on: 33 to 45 and 45 to 57 ms, by the enforcer's own numbers */
	assert_int_equal(f.n_periods, 3);
	assert_int_equal(f.periods[0].k, 8);
	assert_int_equal(f.periods[0].start_ns, 33 * MS);
	assert_int_equal(f.periods[0].consumed_ns, 2 * MS);
	assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_SERVED);
	assert_int_equal(f.periods[1].k, 9);
	assert_int_equal(f.periods[1].replenished_ns, 45 * MS + 20 * US);
	assert_int_equal(f.periods[1].consumed_ns, 1 * MS);
	assert_int_equal(f.periods[2].outcome, VMRT_PERIOD_TRUNCATED);
}

static void the_first_whole_period_of_a_recording_under_enforcement_is_enforced(void **state)
{
	static struct fixture f;

	(void)state;
	for (int hsf = 0; hsf < 2; hsf++) {
		begin_at(&f, deferrable, hsf, VMRT_UNKNOWN);
		sw_on(&f, 0, 15 * MS, 0, FAIR, 0, HOG, FAIR);
		in(&f, 16 * MS, V0, FIFO(50));
		mark(&f, 20 * MS, V0, "vmrt srv_deplete server=vm1 k=6 consumed=4000000");
		/* it ran until the enforcer came */
		out(&f, 21 * MS + 20 * US, V0, FAIR, 0);
		mark(&f, 21 * MS + 50 * US, HOG,
			"vmrt srv_replenish server=vm1 k=7 at=21000000 budget=4000000");
		in(&f, 22 * MS, V0, FIFO(50));
		out(&f, 25 * MS, V0, FIFO(50), 1);
		mark(&f, 31 * MS + 50 * US, HOG,
			"vmrt srv_replenish server=vm1 k=8 at=31000000 budget=4000000");
		beat(&f, 1, 45 * MS, 0, 0);
		end(&f, 45 * MS);
		assert_true(f.n_periods >= 4);
		assert_int_equal(f.periods[0].outcome, VMRT_PERIOD_TRUNCATED);
		assert_int_equal(f.periods[0].end_ns, 21 * MS);
		assert_int_equal(f.periods[1].k, 7);
		assert_int_equal(f.periods[1].start_ns, 21 * MS);
		assert_int_equal(f.periods[1].end_ns, 31 * MS);
		assert_int_equal(f.periods[1].outcome, VMRT_PERIOD_SERVED);
		assert_int_equal(f.periods[1].consumed_ns, 3 * MS);
		assert_int_equal(f.periods[1].background_ns, 20 * US);
		assert_int_equal(f.periods[2].k, 8);
		assert_int_equal(f.periods[2].start_ns, 31 * MS);
	}
}

static void one_replenishment_alone_or_a_wild_one_tells_no_grid(void **state)
{
	static const char *const marks[] = {
		"vmrt srv_replenish server=vm1 k=7 at=21000000 budget=5000000",
		"vmrt srv_replenish server=vm1 k=7 at=21000000 budget=5000000", /* again: no later
										   one */
		"vmrt srv_replenish server=vm1 k=8 at=21000001 budget=5000000", /* periods of 1 ns
										 */
		"vmrt srv_replenish server=vm1 k=9223372036854775807 at=21000002 budget=5000000",
		("vmrt srv_replenish server=vm1 k=-9223372036854775807 at=-9223372036854775807 "
		 "budget=5000000"),
		"vmrt srv_replenish server=vm1 k=10 at=9000000000000000000 budget=5000000",
		"vmrt srv_replenish server=vm1 k=3 at=2000000 budget=90000000", /* more than the
										   period */
		"vmrt srv_replenish server=vm1 k=4 at=21500000 budget=90000000",
	};
	static struct fixture f;

	(void)state;
	begin(&f, deferrable, true);
	sw_on(&f, 0, 15 * MS, 0, FAIR, 0, HOG, FAIR);
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		mark(&f, 22 * MS + (int64_t)i, HOG, marks[i]);
	in(&f, 23 * MS, V0, FIFO(50));
	end(&f, 60 * MS);
	assert_int_equal(f.n_periods, 0);
	assert_false(f.servers[f.n_servers - 1].enforced);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_phase_is_fitted_to_where_supply_begins),
		cmocka_unit_test(without_a_common_phase_the_grid_begins_with_the_recording),
		cmocka_unit_test(periods_of_sched_deadline_begin_with_its_timer),
		cmocka_unit_test(the_timer_of_somebody_else_is_no_period),
		cmocka_unit_test(periods_of_a_group_begin_with_the_timer_of_that_rhythm),
		cmocka_unit_test(a_member_that_runs_through_its_periods_has_each_of_them),
		cmocka_unit_test(a_member_that_is_stopped_wants_to_run),
		cmocka_unit_test(who_runs_on_without_budget_is_told),
		cmocka_unit_test(servers_of_single_vcpus_have_them_alone),
		cmocka_unit_test(an_enforcer_that_is_late_by_more_than_the_tolerance_violates),
		cmocka_unit_test(a_loss_on_another_cpu_that_shows_later_makes_it_unknown),
		cmocka_unit_test(a_member_with_budget_waits_for_higher_threads_only),
		cmocka_unit_test(a_cpu_whose_buffer_had_wrapped_is_clipped),
		cmocka_unit_test(a_cpu_whose_recording_ends_early_is_clipped),
		cmocka_unit_test(the_natural_period_is_from_supply_to_supply),
		cmocka_unit_test(blackout_is_demand_without_supply),
		cmocka_unit_test(
			an_enforcer_whose_beginning_is_not_recorded_is_known_by_its_replenishments),
		cmocka_unit_test(
			the_first_whole_period_of_a_recording_under_enforcement_is_enforced),
		cmocka_unit_test(a_member_that_slept_when_it_was_stopped_does_not_want_to_run),
		cmocka_unit_test(a_run_behind_the_depletion_at_the_servers_priority_is_consumption),
		cmocka_unit_test(periods_are_in_proportion_to_what_was_recorded),
		cmocka_unit_test(one_replenishment_alone_or_a_wild_one_tells_no_grid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
