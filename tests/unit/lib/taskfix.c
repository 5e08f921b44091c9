/* SPDX-License-Identifier: MIT */
/* Makes an engine for one task and the events that its thread causes. */
#include "taskfix.h"

#include <stdio.h>
#include <string.h>

bool cancels_first;

static void keep_job(void *ctx, const struct vmrt_job *job)
{
	struct fixture *f = ctx;
	int64_t sum = 0;

	assert_true(f->n < MAX_JOBS);
	f->jobs[f->n++] = *job;
	if (job->response_ns == VMRT_UNKNOWN)
		return;
	for (int p = 0; p < VMRT_BLAMES; p++)
		sum += job->blame_ns[p];
	assert_int_equal(sum, job->response_ns);
	if (!f->clock_moves)
		assert_int_equal(job->blame_ns[VMRT_BLAME_CLOCK], 0);
}

void fx_begin(struct fixture *f, const char *task)
{
	struct vmrt_sink sink = {.ctx = f, .job = keep_job};
	struct vmrt_error err;
	char text[512];

	memset(f, 0, sizeof(*f));
	snprintf(text, sizeof(text), "[task host/x]\n%s", task);
	assert_int_equal(vmrt_experiment_parse(text, "t.ini", &f->exp, &err), VMRT_OK);
	f->machine = (struct vmrt_engine_machine){.name = "host", .cpus = 2};
	f->config = (struct vmrt_engine_config){.experiment = f->exp,
		.machines = &f->machine,
		.n_machines = 1,
		.start_ns = 0,
		.end_ns = VMRT_UNKNOWN};
	assert_int_equal(vmrt_engine_new(&f->config, &sink, &f->engine, &err), VMRT_OK);
	f->name = "x";
	f->prio = FIFO;
}

/* What was found out is asked for before the engine goes. */
enum vmrt_release fx_end(struct fixture *f, int64_t at, int64_t *period)
{
	enum vmrt_release release;

	assert_int_equal(vmrt_engine_finish(f->engine, at * US), VMRT_OK);
	vmrt_engine_stats(f->engine, 0, &f->stats);
	release = vmrt_engine_task_release(f->engine, 0, period);
	vmrt_engine_free(f->engine);
	vmrt_experiment_free(f->exp);
	return release;
}

void fx_push(struct fixture *f, struct vmrt_event *ev, int64_t at)
{
	ev->ts = at * US;
	ev->depth = f->depth;
	if (f->cpu)
		ev->cpu = f->cpu;
	if (at + f->lead_us > f->now_us)
		f->now_us = at + f->lead_us;
	assert_int_equal(vmrt_engine_push(f->engine, 0, ev, f->now_us * US, 0), VMRT_OK);
}

const char *fx_comm(const struct fixture *f, int pid)
{
	static char name[VMRT_COMM_MAX];

	if (pid == Y && f->other)
		return f->other;
	if (pid != X)
		return pid ? "y" : "swapper/0";
	memset(name, 0, sizeof(name));
	snprintf(name, sizeof(name), "%s", f->name);
	return name;
}

void fx_sw(struct fixture *f, int64_t at, int prev, int state, int next)
{
	struct vmrt_event ev = {.type = VMRT_EV_SWITCH, .pid = prev};
	char prev_comm[VMRT_COMM_MAX] = "", next_comm[VMRT_COMM_MAX] = "";

	strcpy(prev_comm, fx_comm(f, prev));
	strcpy(next_comm, fx_comm(f, next));
	ev.sw.prev_comm = prev_comm;
	ev.sw.next_comm = next_comm;
	ev.sw.prev_pid = prev;
	ev.sw.next_pid = next;
	ev.sw.prev_state = state;
	ev.sw.prev_prio = prev == X ? f->prio : FAIR;
	ev.sw.next_prio = next == X ? f->prio : FAIR;
	fx_push(f, &ev, at);
}

/* X is woken in the context of @by, in an interrupt if @flags say so. */
void fx_wake(struct fixture *f, int64_t at, int by, int flags)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKING, .pid = by, .flags = (uint8_t)flags};

	ev.wake.pid = X;
	ev.wake.comm = fx_comm(f, X);
	ev.wake.prio = f->prio;
	fx_push(f, &ev, at);
	ev.type = VMRT_EV_WAKEUP;
	if (!f->only_waking)
		fx_push(f, &ev, at);
}

void fx_born(struct fixture *f, int64_t at)
{
	struct vmrt_event ev = {.type = VMRT_EV_WAKEUP_NEW};

	ev.wake.pid = X;
	ev.wake.comm = "sh";
	fx_push(f, &ev, at);
}

void fx_died(struct fixture *f, int64_t at)
{
	struct vmrt_event ev = {.type = VMRT_EV_EXIT, .pid = X};

	ev.process.pid = X;
	fx_push(f, &ev, at);
}

void fx_setup_timer(struct fixture *f, int64_t at, uint64_t timer, int clock, int mode)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_SETUP, .pid = X};

	ev.timer.timer = timer;
	ev.timer.clock = clock;
	ev.timer.mode = mode;
	fx_push(f, &ev, at);
}

void fx_arm_raw(struct fixture *f, int64_t at, uint64_t timer, enum vmrt_timer_fn fn, int mode,
	int64_t expires, int flags)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_START, .pid = X, .flags = (uint8_t)flags};

	ev.timer.timer = timer;
	ev.timer.fn = fn;
	ev.timer.mode = mode;
	ev.timer.softexpires = expires;
	ev.timer.expires = expires + f->slack_us * US;
	fx_push(f, &ev, at);
}

void fx_arm(struct fixture *f, int64_t at, uint64_t timer, enum vmrt_timer_fn fn, int64_t until)
{
	fx_arm_raw(f, at, timer, fn, 0, until * US, 0);
}

void fx_sleep_until(struct fixture *f, int64_t at, int64_t until)
{
	fx_arm(f, at, T2, VMRT_FN_WAKEUP, until);
	fx_sw(f, at, X, 1, 0);
}

void fx_sleep_for(struct fixture *f, int64_t at, int64_t until)
{
	fx_arm_raw(f, at, T2, VMRT_FN_WAKEUP, VMRT_TIMER_REL, until * US, 0);
	fx_sw(f, at, X, 1, 0);
}

void fx_cancel(struct fixture *f, int64_t at, int on, int flags, uint64_t timer)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_CANCEL, .pid = on, .flags = (uint8_t)flags};

	ev.timer.timer = timer;
	fx_push(f, &ev, at);
}

void fx_expire_only(
	struct fixture *f, int64_t at, int on, int flags, uint64_t timer, enum vmrt_timer_fn fn)
{
	struct vmrt_event ev = {.type = VMRT_EV_TIMER_EXPIRE, .pid = on, .flags = (uint8_t)flags};

	ev.timer.timer = timer;
	ev.timer.fn = fn;
	ev.timer.now = at * US;
	fx_push(f, &ev, at);
}

void fx_expire(struct fixture *f, int64_t at, int on, uint64_t timer, enum vmrt_timer_fn fn)
{
	if (cancels_first)
		fx_cancel(f, at, on, HARD, timer);
	fx_expire_only(f, at, on, HARD, timer, fn);
}

/* The timer expires on the idle CPU at @at, and X runs 50 us later. */
void fx_wakes(struct fixture *f, int64_t at, uint64_t timer, enum vmrt_timer_fn fn)
{
	fx_expire(f, at, 0, timer, fn);
	fx_wake(f, at, 0, HARD);
	fx_sw(f, at + 50, 0, 0, X);
}

void fx_wheel(struct fixture *f, int64_t at, enum vmrt_event_type type, int pid, int flags,
	enum vmrt_timer_fn fn, uint64_t now, uint64_t expires)
{
	struct vmrt_event ev = {.type = type, .pid = pid, .flags = (uint8_t)flags};

	ev.wheel.timer = T1;
	ev.wheel.fn = fn;
	ev.wheel.now = now;
	ev.wheel.expires = expires;
	fx_push(f, &ev, at);
}

void fx_runs_from_the_beginning(struct fixture *f)
{
	fx_born(f, 0);
	fx_sw(f, 1 * MS, 0, 0, X);
}

/* X's timerfd T1 releases its first job, from 10 to 12 ms, and is due again at 20 ms. */
void fx_works_once_by_timer(struct fixture *f)
{
	fx_runs_from_the_beginning(f);
	fx_arm(f, 2 * MS, T1, VMRT_FN_TIMERFD, 10 * MS);
	fx_sw(f, 3 * MS, X, 1, 0);
	fx_wakes(f, 10 * MS, T1, VMRT_FN_TIMERFD);
	fx_arm(f, 10 * MS + 60, T1, VMRT_FN_TIMERFD, 20 * MS);
	fx_sw(f, 12 * MS, X, 1, 0);
}

const struct vmrt_job *fx_job(const struct fixture *f, size_t i)
{
	assert_true(i < f->n);
	return &f->jobs[i];
}
