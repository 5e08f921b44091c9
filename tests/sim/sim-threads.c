/* SPDX-License-Identifier: MIT */
/* What threads do when the work at hand is done, and what timers do when they fire. */
#include "world.h"

#include <inttypes.h>
#include <string.h>

struct wtimer *arm_timer(struct wcpu *c, enum timer_kind kind, struct wthread *t, int64_t due)
{
	struct wmachine *m = c->m;

	for (int i = 0; i < SIM_TIMERS; i++) {
		struct wtimer *timer = &m->timers[i];

		if (timer->armed || timer->pushed)
			continue;
		if (i >= m->n_timers)
			m->n_timers = i + 1;
		*timer = (struct wtimer){
			.armed = true, .kind = kind, .due = due, .t = t, .cpu = c->index};
		timer->since = m->w->now;
		/* timers of sleeps are on stacks: addresses come again */
		timer->ptr = UINT64_C(0xffff888000000000) + (uint64_t)(t ? t->pid : 9999) * 4096 +
			     sim_rand(&m->w->rand) % 4 * 64;
		if (kind == TM_TICK || kind == TM_GRID)
			timer->ptr = UINT64_C(0xffff888100000000) + ++m->w->ptr * 64;
		timer->expires = local_at(m, due);
		/* PREEMPT_RT: but for sleeps of real-time threads, and what the kernel itself needs
		 */
		timer->soft =
			m->kernel->rt && (kind == TM_WAIT || (kind == TM_REL && t->prio >= FAIR));
		return timer;
	}
	snprintf(m->w->broken_story, sizeof(m->w->broken_story), "too many timers");
	return &m->timers[0];
}

/* The thread on @c arms a timer that it has just initialised. */
void start_timer(struct wcpu *c, struct wtimer *timer)
{
	if (!sim_start_has_mode(c->m->kernel))
		emit_timer(c, VMRT_EV_TIMER_SETUP, false, timer);
	emit_timer(c, VMRT_EV_TIMER_START, false, timer);
}

/* @timer expires on @c in @delay, in an interrupt or in the thread that handles softirqs. */
void push_expiry(struct wcpu *c, struct wtimer *timer, int64_t delay, bool front)
{
	struct op op = {.kind = OP_EXPIRE, .timer = timer, .delay = delay};
	bool shows = timer->kind != TM_LOCK && timer->kind != TM_REBORN &&
		     timer->kind != TM_WHEEL && timer->kind != TM_RESUME && timer->kind != TM_EVENT;

	if (timer->soft) {
		op.kind = OP_RAISE;
	} else if (shows && sim_cancels_first(c->m->kernel)) {
		op.kind = OP_CANCEL;
		op.then = sim_between(&c->m->w->kernel_rand, 0, delay < 800 ? delay : 800);
		op.delay -= op.then;
	}
	push_op(c, op, front);
}

int64_t timers_next(const struct world *w)
{
	int64_t next = NEVER;

	for (int m = 0; m < w->n_machines; m++) {
		for (int i = 0; i < w->m[m].n_timers; i++) {
			const struct wtimer *t = &w->m[m].timers[i];

			if (t->armed && !t->pushed && t->due < next && !w->m[m].cpus[t->cpu].stolen)
				next = t->due;
		}
	}
	return next;
}

void timers_due(struct world *w)
{
	for (int m = 0; m < w->n_machines; m++) {
		for (int i = 0; i < w->m[m].n_timers; i++) {
			struct wtimer *t = &w->m[m].timers[i];
			struct wcpu *c = &w->m[m].cpus[t->cpu];
			int64_t delay;

			if (!t->armed || t->pushed || t->due > w->now || c->stolen) {
				sim_rand_skip(&w->rand, 1);
				continue;
			}
			delay = between(w, 0, m ? 20 * US : 4 * US);
			if (m && t->kind == TM_TICK && !c->cur && !c->n_ops) {
				/* idle guests have no tick */
				t->due += TICK_NS;
				t->expires = local_at(&w->m[m], t->due);
				continue;
			}
			t->pushed = true;
			push_expiry(c, t, delay, false);
		}
		/* timers that were never used have their numbers, too */
		sim_rand_skip(&w->rand, (unsigned)(SIM_TIMERS - w->m[m].n_timers));
	}
}

static void wake_from(struct wcpu *c, struct wthread *t, bool wheel)
{
	push_op(c,
		(struct op){.kind = OP_WAKING,
			.delay = between(c->m->w, 0, US),
			.t = t,
			.irq = !c->in_soft,
			.soft = c->in_soft,
			.wheel = wheel && !c->in_soft},
		true);
}

void wake_next(struct wcpu *c, struct wthread *t)
{
	wake_from(c, t, false);
}

void wake_by_wheel(struct wcpu *c, struct wthread *t)
{
	wake_from(c, t, true);
}

/* The lock is released by the thread that held it, or by a device; not by the thread that may have
 * expired its timer right before. */
static void lock_timer(struct wcpu *c, struct wtimer *timer)
{
	lock_released(c, timer->t);
	if (timer->t->task && task_waits(timer->t->task) && !(c->cur && c->cur->kind == K_SOFTIRQ))
		push_op(c,
			(struct op){
				.kind = OP_WAKING, .delay = between(c->m->w, 0, US), .t = timer->t},
			true);
	else
		wake_next(c, timer->t);
}

void timer_fires(struct wcpu *c, struct wtimer *timer)
{
	struct world *w = c->m->w;

	timer->armed = timer->pushed = false;
	switch (timer->kind) {
	case TM_RELEASE:
		emit_timer(c, VMRT_EV_TIMER_EXPIRE, true, timer);
		truth_released(timer->t->task);
		wake_next(c, timer->t);
		break;
	case TM_REL:
		emit_timer(c, VMRT_EV_TIMER_EXPIRE, true, timer);
		if (timer->arg)
			truth_released(timer->t->task);
		wake_next(c, timer->t);
		break;
	case TM_LOCK:
		lock_timer(c, timer);
		break;
	case TM_WAIT:
	case TM_WHEEL:
	case TM_DEADLINE:
	case TM_RESUME:
	case TM_EVENT:
		task_timer(c, timer);
		break;
	case TM_TICK:
		emit_timer(c, VMRT_EV_TIMER_EXPIRE, true, timer);
		timer->pushed = true; /* the slot is taken until it is armed again */
		while (timer->due <= w->now)
			timer->due += TICK_NS;
		timer->expires = local_at(c->m, timer->due);
		push_op(c,
			(struct op){
				.kind = OP_TICK, .timer = timer, .delay = between(w, 0, 2 * US)},
			true);
		break;
	case TM_GRID:
		emit_timer(c, VMRT_EV_TIMER_EXPIRE, true, timer);
		w->servers[timer->arg].replenish_pending = true;
		wake_next(c, timer->t);
		break;
	case TM_REBORN:
		/* a thread that handles softirqs makes no others */
		if (c->cur && c->cur->kind == K_SOFTIRQ)
			arm_timer(c, TM_REBORN, timer->t, c->m->w->now + 30 * US);
		else
			push_op(c, (struct op){.kind = OP_BORN, .t = timer->t}, true);
		break;
	}
}

void go_to_sleep(struct wthread *t, int64_t state)
{
	t->want_block = true;
	t->block_state = state;
	t->work = NEVER;
	resched(&t->m->cpus[t->cpu]);
}

/* Runs for a while, sleeps for a while. */
static void load_step(struct wthread *t)
{
	struct world *w = t->m->w;
	struct wcpu *c = &t->m->cpus[t->cpu];

	if (t->phase == PH_WORK) {
		start_timer(c, arm_timer(c, TM_REL, t, w->now + between(w, 100 * US, 8 * MS)));
		t->sleeping = true;
		t->woken = false;
		t->phase = PH_WAIT;
		t->work = between(w, 100, 3 * US);
	} else if (t->phase == PH_WAIT && t->sleeping && !t->woken) {
		t->phase = PH_WAITING;
		go_to_sleep(t, 1);
	} else {
		t->woken = false;
		t->phase = PH_WORK;
		t->work = chance(w, 10) ? between(w, MS, 6 * MS) : between(w, 10 * US, MS);
	}
}

static void main_step(struct wthread *t)
{
	struct wmachine *g = t->guest;
	struct wcpu *c = &t->m->cpus[t->cpu];
	bool any = false;

	for (int i = 0; i < g->n_cpus; i++) {
		if (!g->kicks[i] || (g->vcpus[i]->woken && g->vcpus[i]->sleeping))
			continue;
		push_op(c,
			(struct op){.kind = OP_WAKING,
				.delay = between(t->m->w, 0, US),
				.t = g->vcpus[i]},
			false);
		any = true;
	}
	if (any) {
		t->work = between(t->m->w, 500, 5 * US);
		return;
	}
	t->sleeping = true;
	t->woken = false;
	go_to_sleep(t, 1);
}

/* Expires the timers of the softirq one after the other. */
void softirq_step(struct wthread *t)
{
	struct wcpu *c = &t->m->cpus[t->cpu];
	struct world *w = t->m->w;
	struct wtimer *timer = c->raised[0];

	if (!c->n_raised) {
		t->sleeping = true;
		t->woken = false;
		go_to_sleep(t, 1);
		return;
	}
	c->in_soft = true;
	if (!t->reported_cancelled && sim_cancels_first(t->m->kernel)) {
		/* it may be preempted in between */
		emit_timer(c, VMRT_EV_TIMER_CANCEL, true, timer);
		t->reported_cancelled = true;
		t->work = sim_between(&w->kernel_rand, 100, 800);
	} else {
		c->n_raised--;
		memmove(&c->raised[0], &c->raised[1], (size_t)c->n_raised * sizeof(timer));
		t->reported_cancelled = false;
		timer_fires(c, timer);
		t->work = sim_between(&w->kernel_rand, 500, 3 * US);
	}
	c->in_soft = false;
}

static void arm_grid(struct wthread *t, struct wserver *s)
{
	struct wcpu *c = &t->m->cpus[t->cpu];
	struct wtimer *timer = arm_timer(c, TM_GRID, t, s->t0 + s->next_k * s->spec->period_ns);

	timer->arg = (int)s->index;
	emit_timer(c, VMRT_EV_TIMER_START, false, timer);
}

static void set_priority(struct wserver *s, bool at_priority)
{
	s->at_priority = at_priority;
	for (int i = 0; i < s->n_members; i++) {
		s->members[i]->prio = at_priority ? FIFO(s->spec->priority) : FAIR;
		priority_changed(s->members[i]);
	}
}

static void start_server(struct wthread *t, struct wserver *s)
{
	struct world *w = t->m->w;

	s->t0 = w->now + between(w, 0, 2 * MS);
	emit_mark(&t->m->cpus[t->cpu],
		"vmrt srv_start server=%s vm=%s policy=%s depletion=soft period=%" PRId64
		" budget=%" PRId64 " priority=%d t0=%" PRId64,
		s->spec->name, s->spec->vm, vmrt_policy_name(s->spec->policy), s->spec->period_ns,
		s->spec->budget_ns, s->spec->priority, s->t0);
	s->started = true;
	set_priority(s, false);
	truth_server_started(s);
	arm_grid(t, s);
}

static void replenish(struct wthread *t, struct wserver *s)
{
	struct world *w = t->m->w;
	struct wcpu *c = &t->m->cpus[t->cpu];
	int64_t at = s->t0 + s->next_k * s->spec->period_ns;

	s->replenish_pending = false;
	if (w->now > w->end - w->end / 10 && chance(w, 20)) {
		emit_mark(c, "vmrt srv_stop server=%s", s->spec->name);
		s->stopped = true;
		set_priority(s, false);
		return;
	}
	/* an enforcer that is very late goes on with the present period */
	while (at + s->spec->period_ns <= w->now) {
		s->next_k++;
		at += s->spec->period_ns;
	}
	emit_mark(c, "vmrt srv_replenish server=%s k=%" PRId64 " at=%" PRId64 " budget=%" PRId64,
		s->spec->name, s->next_k, at, s->spec->budget_ns);
	s->used = 0;
	s->deplete_known = s->deplete_pending = false;
	set_priority(s, true);
	if (s->now.start_ns == at)
		s->now.replenished_ns = w->now;
	s->next_k++;
	arm_grid(t, s);
}

static void deplete(struct wthread *t, struct wserver *s)
{
	struct world *w = t->m->w;

	s->deplete_pending = false;
	if (w->now >= s->t0 + (s->deplete_k + 1) * s->spec->period_ns &&
		!has(w, SIM_LATE_DEPLETION))
		return;
	emit_mark(&t->m->cpus[t->cpu], "vmrt srv_deplete server=%s k=%" PRId64 " consumed=%" PRId64,
		s->spec->name, s->deplete_k, s->used);
	if (s->now.k == s->deplete_k)
		s->now.depleted_ns = w->now;
	set_priority(s, false);
}

static void enforcer_step(struct wthread *t)
{
	struct world *w = t->m->w;

	for (int i = 0; i < w->n_servers; i++) {
		struct wserver *s = &w->servers[i];

		if (!s->enforced || s->stopped)
			continue;
		if (!s->started)
			start_server(t, s);
		else if (s->deplete_pending)
			deplete(t, s);
		else if (s->replenish_pending)
			replenish(t, s);
		else
			continue;
		t->work = between(w, 2 * US, 15 * US);
		return;
	}
	t->sleeping = true;
	t->woken = false;
	go_to_sleep(t, 1);
}

void server_used_up(struct wserver *s)
{
	struct wthread *e = s->members[0]->m->w->enforcer;
	struct wthread *t = s->members[0];

	if (s->deplete_known)
		return;
	s->deplete_known = s->deplete_pending = true;
	s->deplete_k = s->next_k - 1;
	for (int i = 0; i < s->n_members; i++)
		if (s->members[i]->state == RUN)
			t = s->members[i];
	wake_by_irq(&t->m->cpus[t->cpu], e, between(e->m->w, US, 15 * US));
}

void thread_step(struct wthread *t)
{
	t->work = 0;
	switch (t->kind) {
	case K_TASK:
		task_step(t);
		break;
	case K_LOAD:
		load_step(t);
		break;
	case K_MAIN:
		main_step(t);
		break;
	case K_ENFORCER:
		enforcer_step(t);
		break;
	case K_SOFTIRQ:
		softirq_step(t);
		break;
	case K_HOG:
	case K_VCPU:
		t->work = NEVER;
		break;
	}
}
