/* SPDX-License-Identifier: MIT */
/* Host CPUs: who runs, what is recorded of it, and when something happens next. */
#include "srv-world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SPINS 100000 /* so many things at one instant are an error of the simulator */

void *srv_grow(void *items, size_t n, size_t *room, size_t size)
{
	if (n < *room)
		return items;
	*room = *room ? *room * 2 : 256;
	items = realloc(items, *room * size);
	if (!items)
		abort();
	return items;
}

struct timer *timer_set(struct world *w, enum timer_kind kind, int64_t at)
{
	for (int i = 0; i < SRV_TIMERS; i++) {
		struct timer *t = &w->timers[i];

		if (t->used)
			continue;
		*t = (struct timer){.used = true, .kind = kind, .at = at};
		return t;
	}
	fprintf(stderr, "simulator of servers, seed %" PRIu64 ": too many timers\n", w->r->c.seed);
	abort();
}

void resched(struct world *w, int cpu)
{
	int64_t at = w->now + between(w, 500, 4 * US);

	if (at < w->cpus[cpu].resched_at)
		w->cpus[cpu].resched_at = at;
}

static struct srv_event *add(struct world *w, int cpu, enum vmrt_event_type type, uint8_t flags)
{
	static struct srv_event unrecorded;
	struct srv_result *r = w->r;
	struct srv_event *e = &unrecorded;

	if (w->now >= w->start) {
		r->events = srv_grow(r->events, r->n_events, &r->events_room, sizeof(*r->events));
		e = &r->events[r->n_events++];
	}
	memset(e, 0, sizeof(*e));
	e->ev.ts = w->now;
	e->ev.type = type;
	e->ev.cpu = (uint16_t)cpu;
	e->ev.flags = flags;
	e->ev.pid = w->cpus[cpu].cur ? w->cpus[cpu].cur->pid : 0;
	return e;
}

struct vmrt_event *emit(struct world *w, int cpu, enum vmrt_event_type type, uint8_t flags)
{
	return &add(w, cpu, type, flags)->ev;
}

void emit_timer(struct world *w, int cpu, enum vmrt_event_type type, uint64_t ptr,
	enum vmrt_timer_fn fn, int64_t expires)
{
	struct vmrt_event *ev;

	if (type == VMRT_EV_TIMER_EXPIRE && sim_cancels_first(&w->r->c.kernel))
		emit(w, cpu, VMRT_EV_TIMER_CANCEL, w->flags)->timer.timer = ptr;
	ev = emit(w, cpu, type, w->flags);
	ev->timer.timer = ptr;
	ev->timer.fn = fn;
	ev->timer.expires = ev->timer.softexpires = expires;
	ev->timer.now = w->now;
}

void emit_mark(struct world *w, int cpu, const char *fmt, ...)
{
	struct srv_event *e = add(w, cpu, VMRT_EV_MARK, 0);
	va_list args;

	va_start(args, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, args);
	va_end(args);
	e->ev.mark.len = (uint32_t)strlen(e->text);
}

/* Another CPU may leave the second half to the one where the thread is to run. */
static void emit_wake(struct world *w, int cpu, const struct thread *t, uint8_t flags)
{
	const struct srv_case *c = &w->r->c;
	struct vmrt_event *ev;

	for (int half = 0; half < 2; half++) {
		if (!half && !sim_has_waking(&c->kernel))
			continue;
		if (half && c->remote && cpu != t->cpu) {
			cpu = t->cpu;
			flags = VMRT_FLAG_HARDIRQ;
		}
		ev = emit(w, cpu, half ? VMRT_EV_WAKEUP : VMRT_EV_WAKING, flags);
		ev->wake.pid = t->pid;
		ev->wake.prio = t->prio;
		ev->wake.target_cpu = t->cpu;
	}
}

static bool better(const struct cpu *c, const struct thread *a, const struct thread *b)
{
	if (!b)
		return true;
	if (a->prio >= FAIR && b->prio >= FAIR) {
		if (a == c->cur || b == c->cur)
			return (a == c->cur) != c->rotate;
		return a->seq < b->seq;
	}
	if (a->prio != b->prio)
		return a->prio < b->prio;
	if (a->prio == DL_PRIO && a->server->d != b->server->d)
		return a->server->d < b->server->d;
	if (a == c->cur || b == c->cur)
		return a == c->cur;
	return a->seq < b->seq;
}

/* The priority or the state of @t has changed: does its CPU go on with the same thread? */
void changed(struct world *w, struct thread *t)
{
	struct cpu *c = &w->cpus[t->cpu];

	if (c->cur == t || (t->state == READY && !t->off && (!c->cur || better(c, t, c->cur))))
		resched(w, t->cpu);
}

void wake(struct world *w, struct thread *t, int by_cpu, uint8_t flags)
{
	if (t->state == RUN && t->want_block) {
		t->want_block = false;
		return;
	}
	if (t->state != BLOCKED && t->state != STOPPED)
		return;
	log_advance(w, w->now);
	emit_wake(w, by_cpu, t, flags);
	machine_fair_comes(w, t, by_cpu);
	t->state = READY;
	t->seq = ++w->seq;
	t->preempted = false;
	t->ready_ns = w->now;
	if (t->server)
		kernel_woken(w, t);
	if (t->server)
		policy_changed(w, t->server);
	changed(w, t);
}

static struct thread *pick(struct world *w, int cpu)
{
	struct cpu *c = &w->cpus[cpu];
	struct thread *best = NULL;

	for (int i = 0; i < w->n_threads; i++) {
		struct thread *t = &w->threads[i];

		if (t->cpu != cpu || t->off ||
			(t == c->cur ? t->want_block || t->stop : t->state != READY))
			continue;
		if (better(c, t, best))
			best = t;
	}
	return best;
}

static void do_switch(struct world *w, int cpu)
{
	struct cpu *c = &w->cpus[cpu];
	struct thread *prev = c->cur, *next;
	struct vmrt_event *ev;

	if (prev && prev->server)
		kernel_check_budget(w, prev);
	next = pick(w, cpu);
	c->resched_at = NEVER;
	c->rotate = false;
	if (next == prev)
		return;
	log_advance(w, w->now);
	ev = emit(w, cpu, VMRT_EV_SWITCH, 0);
	ev->sw.prev_pid = prev ? prev->pid : 0;
	ev->sw.next_pid = next ? next->pid : 0;
	ev->sw.prev_prio = prev ? prev->prio : FAIR;
	ev->sw.next_prio = next ? next->prio : FAIR;
	if (prev) {
		ev->sw.prev_state = prev->stop ? 4 : prev->want_block ? 1 : 0;
		prev->state = prev->stop ? STOPPED : prev->want_block ? BLOCKED : READY;
		/* what stops when it was to sleep anyway sleeps on when it goes on */
		if (prev->stop && prev->want_block)
			prev->work = prev->work ? prev->work : US;
		prev->stop = prev->want_block = false;
		if (prev->state == READY && prev->prio >= FAIR)
			prev->seq = ++w->seq;
		log_switched_out(w, prev);
		prev->out_ns = prev->ready_ns = w->now;
		prev->preempted = prev->state == READY;
	}
	c->cur = next;
	machine_fair_goes(w, prev, cpu);
	if (next) {
		log_switched_in(w, next);
		next->state = RUN;
		next->in_ns = w->now;
		next->in_prio = next->prio;
		/* a stop that was sent to a thread that did not run takes effect now */
		if (next->stop)
			c->resched_at = w->now + 8 * US;
	}
	if (prev && prev->server && prev->state == BLOCKED) {
		kernel_sleeps(w, prev);
		policy_changed(w, prev->server);
	}
}

/* The work at hand is done. */
static void step(struct world *w, struct thread *t)
{
	struct timer *timer;

	if (t->kind == K_SOFT) {
		machine_softirqs(w, t);
		return;
	}
	if (t->kind == K_ENFORCER) {
		if (t->working)
			enforcer_act(w, t, false);
		t->working = enforcer_act(w, t, true);
		t->work = t->working ? between(w, 2 * US, 12 * US) : 0;
		t->want_block = !t->working;
		if (t->want_block)
			resched(w, t->cpu);
		return;
	}
	if (t->resumes && !t->due) {
		t->resumes = false;
		t->want_block = true;
		resched(w, t->cpu);
		return;
	}
	t->resumes = t->due = false;
	t->work = t->burst_ns ? between(w, 5 * US, t->burst_ns) : NEVER;
	if (!t->burst_ns || chance(w, 10))
		return;
	t->want_block = true;
	timer = timer_set(w, T_WAKE, w->now + between(w, 10 * US, t->sleep_ns));
	timer->t = t;
	timer->cpu = t->cpu;
	resched(w, t->cpu);
}

static void tick(struct world *w, struct timer *t)
{
	struct cpu *c = &w->cpus[t->cpu];
	int64_t due = t->at;

	emit_timer(
		w, t->cpu, VMRT_EV_TIMER_EXPIRE, 0x7100 + (uint64_t)t->cpu * 64, VMRT_FN_TICK, due);
	if (c->cur && c->cur->prio >= FAIR) {
		c->rotate = true;
		resched(w, t->cpu);
	}
	kernel_tick(w, t->cpu);
	t->at = due + TICK_NS;
	emit_timer(w, t->cpu, VMRT_EV_TIMER_START, 0x7100 + (uint64_t)t->cpu * 64, VMRT_FN_TICK,
		t->at);
}

void do_timer(struct world *w, struct timer *t)
{
	struct timer copy = *t;

	switch (copy.kind) {
	case T_WAKE:
		/* one that is stopped goes on when it is let */
		if (copy.t->idle || copy.t->resumes)
			copy.t->due = true;
		else if (copy.t->state != STOPPED)
			wake(w, copy.t, copy.cpu, w->flags);
		break;
	case T_DL:
	case T_PERIOD:
		kernel_timer(w, &copy);
		break;
	case T_FAIR:
		machine_fair_expires(w, &copy);
		break;
	default:
		policy_timer(w, &copy);
		break;
	}
}

static void fire(struct world *w, struct timer *t)
{
	struct timer copy = *t;

	if (t->kind == T_TICK) {
		tick(w, t);
		return;
	}
	t->used = false;
	if (!machine_defers(w, &copy))
		do_timer(w, &copy);
}

static int64_t next_instant(const struct world *w)
{
	int64_t next = w->end, policy = policy_next(w);

	if (policy < next)
		next = policy;
	for (int i = 0; i < SRV_TIMERS; i++)
		if (w->timers[i].used && w->timers[i].at < next)
			next = w->timers[i].at;
	for (int c = 0; c < w->n_cpus; c++) {
		const struct thread *t = w->cpus[c].cur;

		if (w->cpus[c].resched_at < next)
			next = w->cpus[c].resched_at;
		if (t && t->work != NEVER && !t->want_block && !t->stop && w->now + t->work < next)
			next = w->now + t->work;
	}
	return next < w->now ? w->now : next;
}

static void do_what_is_due(struct world *w)
{
	for (int i = 0; i < SRV_TIMERS; i++)
		if (w->timers[i].used && w->timers[i].at <= w->now)
			fire(w, &w->timers[i]);
	policy_due(w);
	for (int c = 0; c < w->n_cpus; c++) {
		struct thread *t = w->cpus[c].cur;

		if (t && t->work == 0 && !t->want_block && !t->stop)
			step(w, t);
		if (w->cpus[c].resched_at <= w->now)
			do_switch(w, c);
	}
}

void run_world(struct world *w)
{
	int spins = 0;

	for (int c = 0; c < w->n_cpus; c++) {
		struct timer *t = timer_set(w, T_TICK, w->now + between(w, 10 * US, TICK_NS));

		t->cpu = c;
		resched(w, c);
	}
	while (w->now < w->end) {
		int64_t next;

		do_what_is_due(w);
		next = next_instant(w);
		spins = next > w->now ? 0 : spins + 1;
		if (spins > SPINS) {
			fprintf(stderr,
				"simulator of servers, seed %" PRIu64 ": time stands still\n",
				w->r->c.seed);
			abort();
		}
		log_advance(w, next);
		policy_advance(w, next - w->now);
		for (int c = 0; c < w->n_cpus; c++) {
			struct thread *t = w->cpus[c].cur;

			if (t && t->work != NEVER && t->work > 0)
				t->work -= next - w->now < t->work ? next - w->now : t->work;
			if (t)
				t->supply_ns += next - w->now;
		}
		w->now = next;
	}
	log_advance(w, w->end);
}
