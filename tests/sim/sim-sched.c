/* SPDX-License-Identifier: MIT */
/*
 * CPUs of both levels: each works off a queue of things that happen in interrupts and switches, and
 * runs its thread when the queue is empty. Guest CPUs stand still while their vCPU thread does not
 * run.
 */
#include "world.h"

#include <string.h>

void push_op(struct wcpu *c, struct op op, bool front)
{
	if (c->n_ops == SIM_OPS) {
		snprintf(c->m->w->broken_story, sizeof(c->m->w->broken_story),
			"queue of a CPU is full");
		return;
	}
	if (front)
		memmove(&c->ops[1], &c->ops[0], (size_t)c->n_ops * sizeof(op));
	c->ops[front ? 0 : c->n_ops] = op;
	c->n_ops++;
	if (c->vcpu && c->vcpu->sleeping && !c->vcpu->woken)
		kick(c->m, c->index);
}

void resched(struct wcpu *c)
{
	if (c->switch_queued)
		return;
	c->switch_queued = true;
	push_op(c, (struct op){.kind = OP_SWITCH, .delay = between(c->m->w, 0, 4 * US)}, false);
}

bool cpu_progresses(const struct wcpu *c)
{
	const struct wcpu *host;

	if (!c->vcpu)
		return !c->stolen;
	if (c->vcpu->state != RUN)
		return false;
	host = &c->vcpu->m->cpus[c->vcpu->cpu];
	return !host->stolen && host->n_ops == 0;
}

/*
 * Has a guest recorded nothing for nearly 100 ms, though a vCPU of it runs, or all of them sleep?
 * Whether its recording has ended then, nobody can say.
 */
bool guest_is_silent(const struct world *w)
{
	for (int m = 1; w->now - w->start > 95 * MS && m < w->n_machines; m++) {
		bool silent = true, runs = false, sleeps = true;

		for (int i = 0; i < w->m[m].n_cpus; i++) {
			const struct wcpu *c = &w->m[m].cpus[i];

			silent &= c->last_recorded == VMRT_UNKNOWN ||
				  w->now - c->last_recorded > 95 * MS;
			runs |= c->vcpu->state == RUN;
			sleeps &= c->vcpu->state == BLOCKED;
		}
		if (silent && (runs || sleeps))
			return true;
	}
	return false;
}

void wake_by_irq(struct wcpu *c, struct wthread *t, int64_t delay)
{
	push_op(c, (struct op){.kind = OP_WAKING, .delay = delay, .t = t, .irq = true}, false);
}

/* Guest CPU @cpu has something to do, but its vCPU thread sleeps. */
void kick(struct wmachine *g, int cpu)
{
	struct wthread *v = g->vcpus[cpu], *main_loop = g->main_loop;
	struct wmachine *host = v->m;

	if (g->kicks[cpu])
		return;
	g->kicks[cpu] = true;
	if (main_loop)
		wake_by_irq(&host->cpus[main_loop->cpu], main_loop, between(g->w, US / 2, 8 * US));
	else
		wake_by_irq(&host->cpus[v->cpu], v, between(g->w, US / 2, 8 * US));
}

static bool is_rt(const struct wthread *t)
{
	return t->prio < 100;
}

void preempt_check(struct wthread *t)
{
	struct wcpu *c = &t->m->cpus[t->cpu];

	if (!c->cur || (is_rt(t) && t->prio < c->cur->prio)) {
		resched(c);
	} else if (!is_rt(t) && !is_rt(c->cur) && chance(t->m->w, 30)) {
		c->rotate = true;
		resched(c);
	}
}

void priority_changed(struct wthread *t)
{
	if (t->state == RUN)
		resched(&t->m->cpus[t->cpu]);
	else if (t->state == READY && t->queued)
		preempt_check(t);
}

static void move_on_wakeup(struct wcpu *by, bool irq, struct wthread *t)
{
	struct wmachine *m = t->m;
	int from = t->cpu;

	if (!t->roams || m->n_cpus < 2 || !chance(m->w, 25))
		return;
	t->cpu = (int)between(m->w, 0, m->n_cpus - 1);
	if (t->cpu != from)
		emit_migrate(by, irq, t, from);
}

static void do_waking(struct wcpu *c, const struct op *op)
{
	struct wthread *t = op->t;
	int64_t delay;

	if (t->kind == K_VCPU)
		t->guest->kicks[t->gcpu] = false;
	if (!t->sleeping || t->woken)
		return;
	emit_wake(c, VMRT_EV_WAKING, op->irq, t);
	if (t->task && t->task->how == VMRT_RELEASE_WAKEUP && t->state == BLOCKED &&
		t->phase == PH_ASLEEP)
		truth_wakeup(t->task);
	else if (t->task)
		truth_woken(t->task);
	t->woken = true;
	t->suspended = false;
	if (t->state == BLOCKED) {
		t->state = READY;
		t->queued = false;
		move_on_wakeup(c, op->irq, t);
	}
	delay = between(t->m->w, 0, 1500);
	push_op(c,
		(struct op){.kind = OP_WAKEUP,
			.delay = sim_has_waking(c->m->kernel) ? delay : 0,
			.t = t,
			.irq = op->irq,
			.soft = op->soft,
			.wheel = op->wheel},
		true);
}

static void do_wakeup(struct wcpu *c, const struct op *op)
{
	struct wthread *t = op->t;

	emit_wake(c, VMRT_EV_WAKEUP, op->irq, t);
	t->sleeping = false;
	if (t->state == READY && !t->queued) {
		t->queued = true;
		t->woken = false;
		t->seq = ++t->m->w->seq;
		preempt_check(t);
	} else if (t->state == RUN && t->task) {
		truth_awake(t->task);
	}
}

static bool better(const struct wcpu *c, const struct wthread *a, const struct wthread *b)
{
	if (!b)
		return true;
	if (a->prio < 0 || b->prio < 0)
		return a->prio < b->prio;
	if (c->throttled && is_rt(a) != is_rt(b))
		return !is_rt(a);
	if ((is_rt(a) || is_rt(b)) && a->prio != b->prio)
		return a->prio < b->prio;
	if (!is_rt(a) && c->rotate && (a == c->cur || b == c->cur))
		return b == c->cur;
	if (a == c->cur || b == c->cur)
		return a == c->cur;
	return a->seq < b->seq;
}

static struct wthread *pick(struct wcpu *c, bool cur_too)
{
	struct wthread *best = NULL;

	for (int i = 0; i < c->m->n_threads; i++) {
		struct wthread *t = &c->m->threads[i];

		if (t->cpu != c->index ||
			(t == c->cur ? !cur_too : t->state != READY || !t->queued))
			continue;
		if (better(c, t, best))
			best = t;
	}
	return best;
}

/* An idle CPU takes a thread that waits elsewhere. */
static struct wthread *pull(struct wcpu *c)
{
	struct wmachine *m = c->m;

	for (int i = 0; i < m->n_threads; i++) {
		struct wthread *t = &m->threads[i];
		int from = t->cpu;

		if (!t->roams || t->state != READY || !t->queued || from == c->index ||
			!chance(m->w, 50))
			continue;
		t->cpu = c->index;
		emit_migrate(c, false, t, from);
		return t;
	}
	return NULL;
}

/* Thread @t blocks; its next work is what it does after it was woken. */
static void block(struct wthread *t)
{
	struct world *w = t->m->w;

	t->state = t->block_state & 0x30 ? DEAD : BLOCKED;
	t->want_block = false;
	t->work = between(w, 0, 2 * US);
	if (t->kind == K_VCPU)
		t->work = NEVER;
	else if (t->kind == K_SOFTIRQ)
		t->work = sim_between(&w->kernel_rand, 500, 5 * US);
	else if (t->kind == K_MAIN || t->kind == K_ENFORCER)
		t->work = between(w, 3 * US, 30 * US);
}

static void do_switch(struct wcpu *c)
{
	struct wthread *prev = c->cur, *next;
	struct world *w = c->m->w;
	int64_t state = 0;
	bool stays;

	c->switch_queued = false;
	if (prev && prev->want_block && prev->woken) {
		prev->want_block = prev->woken = false;
		prev->work = 0;
	}
	stays = prev && !prev->want_block && !prev->parked;
	next = pick(c, stays);
	if (!next)
		next = pull(c);
	c->rotate = false;
	if (next == prev)
		return;
	c->server_timer = false;
	if (prev) {
		if (prev->want_block) {
			state = prev->block_state;
			block(prev);
		} else {
			prev->state = READY;
			prev->queued = !prev->parked;
			prev->displaced = is_rt(prev) && prev->prio >= 0 && (!next || !is_rt(next));
			if (!is_rt(prev))
				prev->seq = ++w->seq;
		}
		prev->last_cpu = c->index;
	}
	emit_switch(c, prev, state, next);
	if (prev)
		truth_switch_out(prev, state);
	c->cur = next;
	if (next) {
		next->state = RUN;
		next->displaced = next->suspended = false;
		next->queued = false;
		next->in_ns = w->now;
		truth_switch_in(next);
		if (next->kind == K_VCPU)
			next->guest->cpus[next->gcpu].halt_left = between(w, 500, 20 * US);
		if (next->kind == K_TASK && !next->task->renaming && !next->task->renamed_jobs)
			strcpy(next->comm, next->task->spec->name);
	} else if (c->vcpu) {
		c->halt_left = between(w, 500, 20 * US);
	}
	if (prev && chance(w, 5))
		push_op(c,
			(struct op){
				.kind = OP_TAIL, .delay = between(w, 0, 4 * US), .pid = prev->pid},
			true);
}

/* A new thread under an old id. */
static void do_born(struct wcpu *c, struct wthread *t)
{
	t->cpu = c->index;
	strcpy(t->comm, "vmrt-load");
	t->state = READY;
	t->queued = true;
	t->sleeping = t->woken = t->want_block = t->parked = t->suspended = false;
	if (t->boosts)
		t->prio = t->base_prio;
	t->boosts = 0;
	t->phase = PH_BOOT;
	t->work = between(c->m->w, 5 * US, 50 * US);
	t->seq = ++c->m->w->seq;
	emit_wake(c, VMRT_EV_WAKEUP_NEW, false, t);
	preempt_check(t);
}

/*
 * Timers of the wheel expire in the thread that handles softirqs, too, one after the other: not
 * between the two reports of another timer that expires there.
 */
static bool wheel_waits(struct wcpu *c, struct op op)
{
	struct wthread *t = c->cur;

	if (op.kind != OP_EXPIRE || !t || t->kind != K_SOFTIRQ || !t->reported_cancelled ||
		(op.timer->kind != TM_WHEEL && op.timer->kind != TM_RESUME))
		return false;
	op.delay = sim_between(&c->m->w->kernel_rand, 100, 800);
	push_op(c, op, true);
	softirq_step(t);
	return true;
}

/* An event of another kind, in an interrupt; then the tick of this CPU is armed anew. */
static void do_other(struct wcpu *c)
{
	emit(c, VMRT_EV_OTHER, VMRT_FLAG_HARDIRQ);
	for (int i = 0; i < SIM_TIMERS; i++) {
		struct wtimer *tick = &c->m->timers[i];

		if (!tick->armed || tick->pushed || tick->kind != TM_TICK || tick->cpu != c->index)
			continue;
		tick->since = c->m->w->now;
		if (sim_cancels_first(c->m->kernel))
			emit_timer(c, VMRT_EV_TIMER_CANCEL, true, tick);
		emit_timer(c, VMRT_EV_TIMER_START, true, tick);
	}
}

/* The first thing in the queue is due. */
void run_op(struct wcpu *c)
{
	struct op op = c->ops[0];

	c->n_ops--;
	memmove(&c->ops[0], &c->ops[1], (size_t)c->n_ops * sizeof(op));
	if (wheel_waits(c, op))
		return;
	c->in_soft = op.soft;
	c->in_wheel = op.wheel;
	switch (op.kind) {
	case OP_CANCEL:
		emit_timer(c, VMRT_EV_TIMER_CANCEL, true, op.timer);
		push_op(c, (struct op){.kind = OP_EXPIRE, .timer = op.timer, .delay = op.then},
			true);
		break;
	case OP_RAISE:
		c->raised[c->n_raised++] = op.timer;
		push_op(c, (struct op){.kind = OP_WAKING, .t = c->softirq, .irq = true}, true);
		break;
	case OP_EXPIRE:
		timer_fires(c, op.timer);
		break;
	case OP_WAKING:
		do_waking(c, &op);
		break;
	case OP_WAKEUP:
		do_wakeup(c, &op);
		break;
	case OP_SWITCH:
		do_switch(c);
		break;
	case OP_TAIL:
		emit_as(c, VMRT_EV_TIMER_CANCEL, 0, op.pid);
		break;
	case OP_TICK:
		op.timer->since = c->m->w->now;
		emit_timer(c, VMRT_EV_TIMER_START, true, op.timer);
		op.timer->armed = true;
		op.timer->pushed = false;
		if (c->cur && !is_rt(c->cur)) {
			c->rotate = true;
			resched(c);
		}
		break;
	case OP_BORN:
		do_born(c, op.t);
		break;
	case OP_OTHER:
		do_other(c);
		break;
	}
	c->in_soft = c->in_wheel = false;
	if (c->vcpu && !c->cur && !c->n_ops)
		c->halt_left = between(c->m->w, 500, 20 * US);
}
