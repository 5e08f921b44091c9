/* SPDX-License-Identifier: MIT */
/*
 * The engine's core: who runs on which CPU, slices, missing switches, losses and steal.
 *
 * Jobs, server periods and blame hang on the changes seen here.
 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t to_host(struct machine *m, int64_t local_ns)
{
	return m->config->clock ? vmrt_clockmap_to_host(m->config->clock, local_ns, &m->clock_hint)
				: local_ns;
}

/* The thread that carries a guest CPU; one thread may carry them all (QEMU without MTTCG). */
struct thr *vcpu_of(const struct machine *m, unsigned cpu)
{
	if (m->n_vcpus == 1)
		return m->vcpus[0];
	return cpu < m->n_vcpus ? m->vcpus[cpu] : NULL;
}

static void give_loss(struct machine *m, unsigned cpu, int64_t from, int64_t to, uint64_t events,
	enum vmrt_loss_kind kind)
{
	struct vmrt_loss loss = {
		.machine = m->index,
		.cpu = (uint16_t)cpu,
		.from_ns = from,
		.to_ns = to,
		.events = events,
		.kind = kind,
	};

	if (m->engine->sink.loss)
		m->engine->sink.loss(m->engine->sink.ctx, &loss);
}

/* What waits or runs on behalf of @t is about to change. */
static void settle_around(struct machine *m, struct thr *t, int64_t host_ns)
{
	if (t->server)
		servers_settle(m->engine, t->server, host_ns);
	if (t->guest)
		blame_settle(t->guest, host_ns);
}

/* A switch on a host CPU changes for whom the vCPUs that queue there wait. */
static void settle_waiters(struct vmrt_engine *e, unsigned cpu, int64_t host_ns)
{
	for (size_t i = 1; i < e->config->n_machines; i++) {
		struct machine *g = &e->machines[i];

		for (unsigned v = 0; g->n_jobs && v < g->n_vcpus; v++) {
			if (g->vcpus[v] && g->vcpus[v]->state == THR_READY && g->vcpus[v]->cpu == cpu) {
				blame_settle(g, host_ns);
				break;
			}
		}
	}
}

/* Guest events seen while their vCPU was off: judged when it runs again. */
static void judge_pending(struct machine *g, const struct thr *vcpu, int64_t run_start_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n_pending; i++) {
		if (vcpu_of(g, g->pending[i].cpu) != vcpu)
			g->pending[kept++] = g->pending[i];
		else if (run_start_ns <= g->pending[i].host_ns + g->pending[i].error_ns)
			g->stats.inside++;
		else
			g->stats.outside++;
	}
	g->n_pending = kept;
}

static void judge_inside(struct machine *g, unsigned cpu, int64_t host_ns, int64_t error_ns)
{
	const struct thr *v = vcpu_of(g, cpu);

	if (!v || error_ns == VMRT_UNKNOWN)
		return;
	if (v->state == THR_RUNNING ||
		(v->last_out_ns != VMRT_UNKNOWN && host_ns - error_ns <= v->last_out_ns)) {
		g->stats.inside++;
		return;
	}
	if (g->n_pending == PENDING_MAX) {
		g->stats.outside++;
		return;
	}
	g->pending[g->n_pending].host_ns = host_ns;
	g->pending[g->n_pending].error_ns = error_ns;
	g->pending[g->n_pending++].cpu = (uint16_t)cpu;
}

static bool is_throttled(const struct thr *t, const struct cpu *cpu)
{
	return t->prio < FIRST_FAIR_PRIO && cpu->known && cpu->prio >= FIRST_FAIR_PRIO &&
		!servers_depleted(t->server);
}

struct instant {
	int64_t host_ns, local_ns;
};

static void run_begins(struct machine *m, unsigned cpu, struct thr *t, struct instant at, int prio,
	int64_t uncertainty_ns, bool truncated)
{
	if (t->state == THR_READY && t->throttle_gap && t->ready_ns != VMRT_UNKNOWN &&
		at.host_ns - t->ready_ns >= THROTTLE_MIN_NS && t->guest) {
		blame_settle(t->guest, at.host_ns);
		blame_gap_ends(t->guest, t, at.host_ns - t->ready_ns, at.host_ns);
	}
	t->throttle_gap = false;
	settle_around(m, t, at.host_ns);
	if (t->jobs)
		blame_settle(m, at.host_ns);
	if (t->guest)
		judge_pending(t->guest, t, at.host_ns - uncertainty_ns);
	if (t->jobs && t->state != THR_UNKNOWN && t->cpu != cpu && t->jobs->state == JOB_STARTED)
		t->jobs->job.migrations++;
	t->state = THR_RUNNING;
	t->throttled = t->suspended = false;
	t->cpu = (uint16_t)cpu;
	if (prio >= 0)
		t->prio = prio;
	t->start_ns = at.host_ns;
	t->start_local_ns = at.local_ns;
	t->uncertainty_ns = uncertainty_ns;
	t->start_truncated = truncated;
	t->armed_local_ns = VMRT_UNKNOWN;
	if (uncertainty_ns)
		servers_uncertain(t->server, uncertainty_ns);
	if (t->jobs)
		jobs_switch_in(t->jobs, at.local_ns, at.host_ns, uncertainty_ns > 0);
}

static void give_slice(struct machine *m, struct thr *t, struct instant at, int64_t state, bool truncated)
{
	struct vmrt_slice slice = {
		.cpu = t->cpu,
		.prio = t->prio,
		.start_ns = t->start_ns,
		.end_ns = at.host_ns,
		.start_local_ns = t->start_local_ns,
		.end_local_ns = at.local_ns,
		.uncertainty_ns = t->uncertainty_ns,
		.end_state = state,
		.truncated = truncated || t->start_truncated,
	};

	if (t->pub.vm == VMRT_NONE && t->pub.task == VMRT_NONE)
		return;
	threads_announce(m, t);
	slice.thread = t->pub.id;
	if (m->engine->sink.slice)
		m->engine->sink.slice(m->engine->sink.ctx, &slice);
}

static void run_ends(struct machine *m, struct thr *t, struct instant at, int64_t state)
{
	settle_around(m, t, at.host_ns);
	if (t->jobs) {
		blame_settle(m, at.host_ns);
		jobs_switch_out(t->jobs, state, at.local_ns, at.host_ns);
	}
	if (t->state == THR_RUNNING)
		give_slice(m, t, at, state, false);
	t->last_out_ns = at.host_ns;
	t->ready_ns = at.host_ns;
	t->woken_ns = VMRT_UNKNOWN;
	if (state & STATE_DEAD_MASK)
		t->state = THR_DEAD;
	else
		t->state = state == 0 ? THR_READY : THR_BLOCKED;
	if (t->guest && t->state == THR_READY)
		blame_gap_begins(t->guest);
}

static void set_current(
	struct machine *m, struct cpu *cpu, int32_t pid, const char *comm, int prio)
{
	cpu->known = true;
	cpu->left_pid = -1;
	cpu->pid = pid;
	cpu->prio = prio;
	memset(cpu->comm, 0, sizeof(cpu->comm));
	if (comm)
		strncpy(cpu->comm, comm, sizeof(cpu->comm) - 1);
	cpu->thr = threads_find(m, pid);
}

static void unbind(struct machine *m, struct thr *t)
{
	for (size_t i = 0; i < m->n_jobs; i++) {
		if (m->jobs[i] != t->jobs)
			continue;
		m->jobs[i] = m->jobs[--m->n_jobs];
		break;
	}
	blame_free(t->jobs);
	release_free(t->jobs);
	free(t->jobs);
	t->jobs = NULL;
}

/* What is told of the thread from now on is told of another one. */
static void forget_identity(struct thr *t)
{
	t->announced = false;
	t->pub.id = VMRT_NONE;
	t->pub.task = VMRT_NONE;
}

/* A task's thread goes on under another name. */
static void renamed(struct machine *m, struct thr *t, const char *comm)
{
	jobs_renamed(t->jobs, m->engine->now_ns);
	unbind(m, t);
	if (t->pub.vm != VMRT_NONE)
		return;
	forget_identity(t);
	t->created = false;
	threads_name(t, comm);
}

/* Finds a followed thread, or begins to follow it because its name is a task's. */
static struct thr *follow(struct machine *m, int32_t pid, const char *comm)
{
	struct thr *t = threads_find(m, pid);

	if (t && t->jobs && comm && !comm_is(comm, t->jobs->spec->name))
		renamed(m, t, comm);
	if (!m->has_tasks || (t && (t->jobs || t->pub.vm != VMRT_NONE)))
		return t;
	const struct vmrt_experiment *exp = m->engine->config->experiment;

	for (size_t i = 0; comm && i < exp->n_tasks; i++) {
		if (!comm_is(comm, exp->tasks[i].name) ||
			strcmp(exp->tasks[i].machine, m->config->name) != 0)
			continue;
		if (!t)
			t = threads_get(m, pid, comm);
		if (t)
			jobs_bind(t, m, comm);
		break;
	}
	return t;
}

static void close_hole(struct machine *m, unsigned index)
{
	struct cpu *cpu = &m->cpus[index];

	if (cpu->hole_count)
		give_loss(m, index, cpu->hole_from_ns, cpu->hole_to_ns, cpu->hole_count,
			VMRT_LOSS_BROKEN_CHAIN);
	cpu->hole_count = 0;
}

static void note_hole(struct machine *m, unsigned index, int64_t from, int64_t to)
{
	struct cpu *cpu = &m->cpus[index];

	m->stats.broken_chains++;
	if (cpu->hole_count && from - cpu->hole_to_ns > HOLE_MERGE_NS)
		close_hole(m, index);
	if (!cpu->hole_count)
		cpu->hole_from_ns = from;
	cpu->hole_to_ns = to;
	cpu->hole_count++;
}

/*
 * The record at hand proves that @pid runs, but the last switch said otherwise: a sched_switch is
 * missing. The switch was after the last record of this CPU and before this one. On a CPU that was
 * idle it followed the thread's wake-up; else the middle is taken.
 */
static void infer_switch(
	struct machine *m, unsigned index, int32_t pid, const char *comm, struct instant now)
{
	struct cpu *cpu = &m->cpus[index];
	struct thr *out = cpu->thr, *in = follow(m, pid, comm);
	int64_t low = cpu->last_ns, high = now.host_ns;
	int64_t shift = now.local_ns - now.host_ns, uncertainty;
	struct instant at;

	note_hole(m, index, low, high);
	if (in && in->woken_ns != VMRT_UNKNOWN && in->woken_ns > low)
		low = in->woken_ns < high ? in->woken_ns : high;
	uncertainty = (high - low) / 2;
	at.host_ns = low + uncertainty;
	if (in && cpu->pid == 0 && in->woken_ns != VMRT_UNKNOWN &&
		low - in->woken_ns < WAKE_NEAR_NS && low + WAKE_TO_SWITCH_NS < high)
		at.host_ns = low + WAKE_TO_SWITCH_NS;
	at.local_ns = at.host_ns + shift;
	if (!uncertainty)
		uncertainty = 1;
	m->stats.inferred_switches++;
	if (m->index == 0)
		settle_waiters(m->engine, index, at.host_ns);
	if (m->n_jobs)
		blame_settle(m, at.host_ns);
	if (out && out->state == THR_RUNNING && out->cpu == index) {
		servers_uncertain(out->server, uncertainty);
		run_ends(m, out, at, 1);
		if (out->jobs)
			out->jobs->job.inferred = true;
		/* how it left is not known either */
		out->state = THR_UNKNOWN;
	}
	set_current(m, cpu, pid, comm, in ? in->prio : FIRST_FAIR_PRIO);
	if (in)
		run_begins(m, index, in, at, -1, uncertainty, false);
}

/* The first record of a CPU, or the first after lost ones: its thread has been running since when? */
static void adopt(struct machine *m, unsigned index, int32_t pid, const char *comm, int prio,
	struct instant now)
{
	struct thr *in = follow(m, pid, comm);

	set_current(m, &m->cpus[index], pid, comm, prio);
	if (in)
		run_begins(m, index, in, now, prio, 0, true);
}

static void check_chain(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct cpu *cpu = &m->cpus[ev->cpu];
	bool is_switch = ev->type == VMRT_EV_SWITCH;
	int32_t pid = is_switch ? ev->sw.prev_pid : ev->pid;
	const char *comm = is_switch ? ev->sw.prev_comm : NULL;

	/* the record of a switch precedes the switch: timers are still cancelled for who leaves */
	if (cpu->known && !is_switch && cpu->pid != pid && cpu->left_pid == pid &&
		now.host_ns - cpu->left_ns < SWITCH_TAIL_NS)
		return;
	if (!cpu->known)
		adopt(m, ev->cpu, pid, comm, is_switch ? ev->sw.prev_prio : FIRST_FAIR_PRIO, now);
	else if (cpu->pid != pid)
		infer_switch(m, ev->cpu, pid, comm, now);
}

static void on_switch(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct cpu *cpu = &m->cpus[ev->cpu];
	struct thr *out = follow(m, ev->sw.prev_pid, ev->sw.prev_comm);
	struct thr *in;

	if (m->index == 0)
		settle_waiters(m->engine, ev->cpu, now.host_ns);
	if (m->n_jobs)
		blame_settle(m, now.host_ns);
	if (out) {
		/* it became a task since it was switched in */
		if (out->state != THR_RUNNING && out->state != THR_DEAD)
			run_begins(m, ev->cpu, out, now, ev->sw.prev_prio, 0, true);
		out->prio = ev->sw.prev_prio;
		run_ends(m, out, now, ev->sw.prev_state);
		release_left(m, ev, out);
	}
	cpu->fired.ptr = 0;
	set_current(m, cpu, ev->sw.next_pid, ev->sw.next_comm, ev->sw.next_prio);
	cpu->left_pid = ev->sw.prev_pid;
	cpu->left_ns = now.host_ns;
	in = follow(m, ev->sw.next_pid, ev->sw.next_comm);
	cpu->thr = in;
	if (out && out->state == THR_READY && out->guest && is_throttled(out, cpu))
		out->throttle_gap = true;
	if (in)
		run_begins(m, ev->cpu, in, now, ev->sw.next_prio, 0, false);
}

static void on_waking(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct thr *t = follow(m, ev->wake.pid, ev->wake.comm);
	unsigned target = (unsigned)ev->wake.target_cpu;

	if (!t)
		return;
	if (t->jobs && ev->type == VMRT_EV_WAKEUP)
		jobs_wakeup(t->jobs, ev, now.host_ns);
	if (t->state == THR_RUNNING || t->state == THR_READY)
		return;
	if (t->jobs)
		release_waking(t->jobs, ev, now.host_ns);
	else
		t->suspended = false;
	settle_around(m, t, now.host_ns);
	if (t->jobs)
		blame_settle(m, now.host_ns);
	t->state = THR_READY;
	t->woken_ns = t->ready_ns = now.host_ns;
	t->prio = ev->wake.prio;
	if (target < m->n_cpus)
		t->cpu = (uint16_t)target;
	if (t->guest) {
		blame_gap_begins(t->guest);
		if (target < m->n_cpus && is_throttled(t, &m->cpus[target]))
			t->throttle_gap = true;
	}
}

/* Priority inheritance, or its end: a thread that runs on keeps its slice, at the new priority. */
static void on_pi(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct thr *t = threads_find(m, ev->pi.pid);

	if (!t)
		return;
	settle_around(m, t, now.host_ns);
	t->prio = ev->pi.new_prio;
}

/* A thread id is born, perhaps again. */
static void on_birth(struct machine *m, int32_t pid, const char *comm)
{
	struct thr *t;

	if (!m->has_tasks)
		return;
	t = threads_find(m, pid);
	if (t && (t->pub.vm != VMRT_NONE || (t->created && t->state != THR_DEAD)))
		return;
	if (t) {
		/* its exit was not recorded */
		if (t->jobs) {
			jobs_renamed(t->jobs, m->engine->now_ns);
			unbind(m, t);
		}
		forget_identity(t);
		t->woken_ns = t->ready_ns = t->last_out_ns = t->armed_local_ns = VMRT_UNKNOWN;
		threads_name(t, comm ? comm : "");
	} else {
		t = threads_get(m, pid, comm);
	}
	if (!t)
		return;
	t->created = true;
	t->state = THR_BLOCKED;
}

static void on_exit_event(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct thr *t = threads_find(m, ev->process.pid);

	if (!t)
		return;
	timers_forget(&m->timers, t);
	if (t->jobs) {
		jobs_exit(t->jobs, now.local_ns, now.host_ns);
		unbind(m, t);
	}
}

static void on_timer_start(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct timer timer = {
		.ptr = ev->timer.timer,
		.expires = ev->timer.expires,
		.since = ev->ts,
		.pid = ev->pid,
	};

	release_timer_start(m, ev, now.host_ns, &timer);
	if (!timers_put(&m->timers, &timer))
		m->engine->out_of_memory = true;
}

/* Running vCPUs got nothing meanwhile, and sleeping ones had their timers delayed. */
static void steal_from_guest(struct machine *g, unsigned cpu, int64_t ns, int64_t host_ns)
{
	for (unsigned v = 0; g->n_jobs && v < g->n_vcpus; v++) {
		const struct thr *t = g->vcpus[v];

		if (t && t->cpu == cpu && (t->state == THR_RUNNING || t->state == THR_BLOCKED))
			blame_steal(g, t, ns, host_ns);
	}
}

/*
 * A timer that fires late on a CPU from which nothing was recorded since it was due: the CPU did
 * not run. Certainly so between the expiry and now; how much longer is not known.
 */
static void check_steal(struct machine *m, const struct vmrt_event *ev, const struct timer *timer,
	struct instant now)
{
	const struct cpu *cpu = &m->cpus[ev->cpu];
	int64_t due = timer->expires > timer->since ? timer->expires : timer->since;
	const struct thr *t = cpu->thr;

	if (ev->ts - due < STEAL_MIN_NS || cpu->last_ns == VMRT_UNKNOWN || cpu->last_local_ns > due)
		return;
	give_loss(m, ev->cpu, now.host_ns - (ev->ts - due), now.host_ns, 0, VMRT_LOSS_STEAL);
	if (t && t->state == THR_RUNNING && t->server) {
		servers_settle(m->engine, t->server, now.host_ns);
		servers_steal(t->server, ev->ts - due);
	}
	for (size_t i = 1; i < m->engine->config->n_machines; i++)
		steal_from_guest(&m->engine->machines[i], ev->cpu, ev->ts - due, now.host_ns);
}

static void on_timer_expire(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct timer timer;
	bool known = timers_take(&m->timers, ev->timer.timer, &timer);

	if (m->has_tasks)
		release_timer_expire(m, ev, now.host_ns, known ? &timer : NULL);
	if (!known)
		return;
	/* in a guest, late timers are what is being measured; on the host they are steal */
	if (m->index == 0)
		check_steal(m, ev, &timer, now);
	if (timer.owner && timer.owner->jobs)
		jobs_timer_expire(timer.owner->jobs, ev->timer.timer, ev->ts, now.host_ns);
}

static void on_mark(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	size_t prefix = strlen(VMRT_MARK_PREFIX), len = ev->mark.len;
	char line[VMRT_MARK_MAX], *rest;

	if (len >= sizeof(line) || len <= prefix || memcmp(ev->mark.text, VMRT_MARK_PREFIX, prefix) != 0)
		return;
	memcpy(line, ev->mark.text + prefix, len - prefix);
	line[len - prefix] = '\0';
	rest = line + strcspn(line, " ");
	if (*rest)
		*rest++ = '\0';
	if (!strncmp(line, "job_", 4)) {
		struct thr *t = threads_find(m, ev->pid);

		if (t && t->jobs)
			jobs_mark(t->jobs, line, now.local_ns);
	} else if (!strncmp(line, "srv_", 4) && m->index == 0) {
		servers_mark(m->engine, line, rest, now.host_ns);
	}
}

static void on_lost(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct cpu *cpu = &m->cpus[ev->cpu];
	int64_t from = cpu->last_ns == VMRT_UNKNOWN ? m->engine->start_ns : cpu->last_ns;

	give_loss(m, ev->cpu, from, now.host_ns, ev->lost == UINT64_MAX ? 0 : ev->lost,
		VMRT_LOSS_OVERRUN);
	m->stats.lost += ev->lost == UINT64_MAX ? 1 : ev->lost;
	m->loss_to_ns = now.host_ns;
	if (cpu->thr && cpu->thr->state == THR_RUNNING) {
		struct instant at = {from, now.local_ns - (now.host_ns - from)};

		run_ends(m, cpu->thr, at, 1);
		cpu->thr->state = THR_UNKNOWN;
	}
	cpu->known = false;
	cpu->thr = NULL;
	if (m->index == 0)
		servers_taint(m->engine, now.host_ns);
}

static bool have_cpu(struct machine *m, unsigned cpu)
{
	struct cpu *more;

	if (cpu < m->n_cpus)
		return true;
	more = realloc(m->cpus, (cpu + 1) * sizeof(*more));
	if (!more)
		return false;
	m->cpus = more;
	for (unsigned i = m->n_cpus; i <= cpu; i++) {
		memset(&more[i], 0, sizeof(more[i]));
		more[i].last_ns = more[i].last_local_ns = VMRT_UNKNOWN;
	}
	m->n_cpus = cpu + 1;
	return true;
}

enum vmrt_status vmrt_engine_push(struct vmrt_engine *e, uint32_t machine,
	const struct vmrt_event *ev, int64_t host_ns, int64_t error_ns)
{
	struct machine *m = &e->machines[machine];
	struct instant now;
	struct cpu *cpu;

	if (!have_cpu(m, ev->cpu))
		return VMRT_ENOMEM;
	if (e->now_ns == VMRT_UNKNOWN) {
		if (e->start_ns == VMRT_UNKNOWN || e->start_ns > host_ns)
			e->start_ns = host_ns;
		e->now_ns = e->start_ns;
		for (size_t i = 0; i < e->config->n_machines; i++)
			e->machines[i].settled_ns = e->start_ns;
		servers_begin(e, e->start_ns);
	}
	if (host_ns < e->now_ns) {
		m->stats.out_of_order++;
		host_ns = e->now_ns;
	}
	e->now_ns = host_ns;
	now.host_ns = host_ns;
	now.local_ns = ev->ts;
	m->stats.events++;
	if (m->stats.first_ns == VMRT_UNKNOWN)
		m->stats.first_ns = host_ns;
	m->stats.last_ns = host_ns;
	if (ev->lost)
		on_lost(m, ev, now);
	if (m->index)
		judge_inside(m, ev->cpu, host_ns, error_ns);
	check_chain(m, ev, now);
	switch (ev->type) {
	case VMRT_EV_SWITCH:
		on_switch(m, ev, now);
		break;
	case VMRT_EV_WAKEUP_NEW:
		on_birth(m, ev->wake.pid, ev->wake.comm);
		on_waking(m, ev, now);
		break;
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
		on_waking(m, ev, now);
		break;
	case VMRT_EV_EXIT:
		on_exit_event(m, ev, now);
		break;
	case VMRT_EV_TIMER_SETUP:
		release_timer_setup(m, ev);
		break;
	case VMRT_EV_WHEEL_START:
		release_wheel_start(m, ev, host_ns);
		break;
	case VMRT_EV_WHEEL_EXPIRE:
		release_wheel_expire(m, ev, host_ns);
		break;
	case VMRT_EV_PI:
		on_pi(m, ev, now);
		break;
	case VMRT_EV_TIMER_START:
		on_timer_start(m, ev, now);
		break;
	case VMRT_EV_TIMER_CANCEL: {
		struct timer timer;

		if (timers_take(&m->timers, ev->timer.timer, &timer))
			release_timer_cancel(m, &timer);
		break;
	}
	case VMRT_EV_TIMER_EXPIRE:
		on_timer_expire(m, ev, now);
		break;
	case VMRT_EV_MARK:
		on_mark(m, ev, now);
		break;
	default:
		break;
	}
	cpu = &m->cpus[ev->cpu];
	cpu->last_ns = host_ns;
	cpu->last_local_ns = ev->ts;
	return e->out_of_memory ? VMRT_ENOMEM : VMRT_OK;
}

void vmrt_engine_advance(struct vmrt_engine *e, int64_t host_ns)
{
	if (e->now_ns == VMRT_UNKNOWN)
		return;
	if (host_ns > e->now_ns)
		e->now_ns = host_ns;
	for (size_t i = 0; i < e->n_servers; i++)
		servers_settle(e, &e->servers[i], e->now_ns);
}

enum vmrt_status vmrt_engine_finish(struct vmrt_engine *e, int64_t end_ns)
{
	if (end_ns == VMRT_UNKNOWN || end_ns < e->now_ns)
		end_ns = e->now_ns;
	for (size_t i = 0; i < e->config->n_machines; i++) {
		struct machine *m = &e->machines[i];

		m->stats.outside += m->n_pending;
		m->n_pending = 0;
		for (unsigned c = 0; c < m->n_cpus; c++)
			close_hole(m, c);
	}
	servers_finish(e, end_ns);
	for (size_t i = 0; i < e->config->n_machines; i++) {
		struct machine *m = &e->machines[i];

		for (size_t j = 0; j < m->n_jobs; j++)
			jobs_finish(m->jobs[j], end_ns);
		for (unsigned c = 0; c < m->n_cpus; c++) {
			struct cpu *cpu = &m->cpus[c];
			struct instant at = {.host_ns = end_ns};

			if (!cpu->known || !cpu->thr || cpu->thr->state != THR_RUNNING)
				continue;
			at.local_ns = cpu->last_local_ns + (end_ns - cpu->last_ns);
			give_slice(m, cpu->thr, at, 0, true);
		}
	}
	return e->out_of_memory ? VMRT_ENOMEM : VMRT_OK;
}

static bool init_machine(struct vmrt_engine *e, size_t index)
{
	struct machine *m = &e->machines[index];
	const struct vmrt_experiment *exp = e->config->experiment;

	m->engine = e;
	m->index = (uint32_t)index;
	m->config = &e->config->machines[index];
	m->loss_to_ns = VMRT_UNKNOWN;
	m->stats.first_ns = m->stats.last_ns = VMRT_UNKNOWN;
	m->pending = calloc(PENDING_MAX, sizeof(*m->pending));
	for (size_t i = 0; exp && i < exp->n_tasks; i++)
		m->has_tasks |= !strcmp(exp->tasks[i].machine, m->config->name);
	return m->pending && (!m->config->cpus || have_cpu(m, m->config->cpus - 1));
}

/* The threads of all VMs are followed from the start, and vCPUs are tied to their guests. */
static bool init_vm(struct vmrt_engine *e, size_t index)
{
	const struct vmrt_engine_vm *vm = &e->config->vms[index];
	struct machine *host = &e->machines[0], *guest = NULL;

	if (vm->machine != VMRT_NONE)
		guest = &e->machines[vm->machine];
	for (size_t i = 0; i < vm->n_threads; i++) {
		const struct vmrt_vm_thread *info = &vm->threads[i];
		struct thr *t = threads_get(host, info->tid, info->comm);

		if (!t)
			continue;
		t->pub.vm = (uint32_t)index;
		t->pub.role = info->role;
		t->pub.vcpu = info->vcpu;
		t->prio = info->policy == SCHED_FIFO || info->policy == SCHED_RR ? FIFO_PRIO(info->priority)
										 : FIRST_FAIR_PRIO + 20;
		threads_announce(host, t);
		if (!guest || info->role != VMRT_ROLE_VCPU || info->vcpu < 0 || info->vcpu > UINT16_MAX)
			continue;
		if ((unsigned)info->vcpu >= guest->n_vcpus) {
			unsigned n = (unsigned)info->vcpu + 1;
			struct thr **more = realloc(guest->vcpus, n * sizeof(*more));

			if (!more)
				return false;
			memset(more + guest->n_vcpus, 0, (n - guest->n_vcpus) * sizeof(*more));
			guest->vcpus = more;
			guest->n_vcpus = n;
		}
		guest->vcpus[info->vcpu] = t;
		t->guest = guest;
	}
	return !e->out_of_memory;
}

enum vmrt_status vmrt_engine_new(const struct vmrt_engine_config *config,
	const struct vmrt_sink *sink, struct vmrt_engine **out, struct vmrt_error *err)
{
	struct vmrt_engine *e;
	size_t n_tasks = config->experiment ? config->experiment->n_tasks : 0;
	bool ok = true;

	if (!config->n_machines)
		return vmrt_fail(err, VMRT_EINVAL, "engine: no machine");
	e = calloc(1, sizeof(*e));
	if (!e)
		return vmrt_fail(err, VMRT_ENOMEM, "engine: out of memory");
	e->config = config;
	e->sink = *sink;
	e->start_ns = config->start_ns;
	e->now_ns = VMRT_UNKNOWN;
	e->machines = calloc(config->n_machines, sizeof(*e->machines));
	e->next_k = calloc(n_tasks ? n_tasks : 1, sizeof(*e->next_k));
	e->found = calloc(n_tasks ? n_tasks : 1, sizeof(*e->found));
	ok = e->machines && e->next_k && e->found;
	for (size_t i = 0; ok && i < config->n_machines; i++)
		ok = init_machine(e, i);
	for (size_t i = 0; ok && i < config->n_vms; i++)
		ok = init_vm(e, i);
	if (!ok || !servers_init(e, err)) {
		vmrt_engine_free(e);
		return vmrt_fail(err, VMRT_ENOMEM, "engine: out of memory");
	}
	*out = e;
	return VMRT_OK;
}

void vmrt_engine_stats(
	const struct vmrt_engine *e, uint32_t machine, struct vmrt_machine_stats *out)
{
	*out = e->machines[machine].stats;
}

size_t vmrt_engine_servers(const struct vmrt_engine *e)
{
	return e->n_servers;
}

void vmrt_engine_server_now(
	const struct vmrt_engine *e, size_t index, struct vmrt_server_now *out)
{
	const struct server *s = &e->servers[index];

	memset(out, 0, sizeof(*out));
	out->server = &s->pub;
	out->period_start_ns = s->now.start_ns;
	out->consumed_ns = s->now.consumed_ns;
	out->background_ns = s->now.background_ns;
	out->depleted = servers_depleted(s);
	for (size_t i = 0; i < s->n_members; i++)
		out->running |= s->members[i]->state == THR_RUNNING;
}

void vmrt_engine_free(struct vmrt_engine *e)
{
	if (!e)
		return;
	for (size_t i = 0; e->machines && i < e->config->n_machines; i++) {
		struct machine *m = &e->machines[i];

		for (size_t j = 0; j < m->n_jobs; j++) {
			blame_free(m->jobs[j]);
			release_free(m->jobs[j]);
			free(m->jobs[j]);
		}
		free(m->jobs);
		free(m->vcpus);
		free(m->cpus);
		free(m->pending);
		timers_free(&m->timers);
		clocks_free(m);
		threads_free(m);
	}
	for (size_t i = 0; i < e->n_servers; i++)
		free(e->servers[i].members);
	free(e->servers);
	free(e->machines);
	free(e->next_k);
	free(e->found);
	free(e);
}
