/* SPDX-License-Identifier: MIT */
/* What differs from one host to the next: its kernel, and how well its record clock is known. */
#include "srv-world.h"

#include <stdlib.h>
#include <string.h>

/* Of the kernel's own server of ordinary threads, which has a timer of SCHED_DEADLINE, too. */
#define FAIR_TIMER UINT64_C(0x7300)
#define CLOCK_MAX_NS (2 * US)

void srv_draw_kernel(struct srv_case *c, uint64_t *state)
{
	c->kernel = sim_draw_kernel(state);
	if (c->policy == VMRT_POLICY_DEADLINE && c->kernel.gen == GEN_3_10)
		c->kernel.gen = GEN_4_4; /* 3.14 was the first to have it */
	if (c->policy == VMRT_POLICY_RT_GROUP)
		c->kernel.rt = false; /* PREEMPT_RT has no such groups */
	c->remote = sim_chance(state, 50);
	if (c->fault == FAULT_NONE && !c->lossy && sim_chance(state, 25))
		c->clock_ns = sim_between(state, 100, CLOCK_MAX_NS);
}

void machine_start(struct world *w)
{
	const struct sim_kernel *k = &w->r->c.kernel;

	w->flags = VMRT_FLAG_HARDIRQ;
	for (int c = 0; c < w->n_cpus && k->rt; c++) {
		/* 5.10 has no thread for timers alone */
		int prio = k->gen == GEN_5_10 ? FAIR : FIFO(1);

		w->cpus[c].soft = add_thread(w, K_SOFT, 20 + c, "ktimers/0", prio, c);
		w->cpus[c].soft->state = BLOCKED;
		w->cpus[c].soft->work = 0;
	}
}

/* Is this a timer that expires in a softirq, which a thread handles? */
bool machine_defers(struct world *w, const struct timer *t)
{
	const struct server *s = t->s ? t->s : t->t ? t->t->server : NULL;
	bool soft = (t->kind == T_PERIOD && s->spec->policy == VMRT_POLICY_CFS_QUOTA) ||
		    (t->kind == T_WAKE && t->t->prio >= FAIR);
	int cpu = t->kind == T_WAKE ? t->cpu : s ? s->members[0]->cpu : 0;
	struct cpu *c = &w->cpus[cpu];

	if (!c->soft || !soft)
		return false;
	if (c->n_deferred == SRV_TIMERS)
		abort();
	c->deferred[c->n_deferred++] = *t;
	if (c->soft->state == BLOCKED)
		c->soft->work = between(w, US, 8 * US);
	wake(w, c->soft, cpu, VMRT_FLAG_HARDIRQ);
	return true;
}

void machine_softirqs(struct world *w, struct thread *t)
{
	struct cpu *c = &w->cpus[t->cpu];

	w->flags = sim_threads_have_flag(&w->r->c.kernel) ? VMRT_FLAG_SOFTIRQ : 0;
	for (int i = 0; i < c->n_deferred; i++)
		do_timer(w, &c->deferred[i]);
	w->flags = VMRT_FLAG_HARDIRQ;
	c->n_deferred = 0;
	t->want_block = true;
	resched(w, t->cpu);
}

static bool has_fair_server(const struct world *w)
{
	return w->r->c.kernel.gen >= GEN_6_12;
}

static int count_fair(const struct world *w, int cpu)
{
	int n = 0;

	for (int i = 0; i < w->n_threads; i++)
		n += w->threads[i].cpu == cpu && w->threads[i].prio >= FAIR &&
		     (w->threads[i].state == READY || w->threads[i].state == RUN);
	return n;
}

static struct timer *fair_timer(struct world *w, int cpu)
{
	for (int i = 0; i < SRV_TIMERS; i++)
		if (w->timers[i].used && w->timers[i].kind == T_FAIR && w->timers[i].cpu == cpu)
			return &w->timers[i];
	return NULL;
}

/* The first ordinary thread of a CPU: when is it to run at last? */
void machine_fair_comes(struct world *w, const struct thread *t, int by_cpu)
{
	uint8_t flags = w->flags;
	struct timer *timer;

	if (!has_fair_server(w) || t->prio < FAIR || count_fair(w, t->cpu) || fair_timer(w, t->cpu))
		return;
	timer = timer_set(w, T_FAIR, w->now + between(w, 5, 95) * MS);
	timer->cpu = t->cpu;
	w->flags = 0;
	emit_timer(w, by_cpu, VMRT_EV_TIMER_START, FAIR_TIMER + (uint64_t)t->cpu * 64,
		VMRT_FN_DEADLINE, timer->at);
	w->flags = flags;
}

/* The last ordinary thread of a CPU has gone to sleep. */
void machine_fair_goes(struct world *w, const struct thread *prev, int cpu)
{
	struct timer *timer = fair_timer(w, cpu);

	if (!timer || !prev || prev->prio < FAIR || count_fair(w, cpu))
		return;
	timer->used = false;
	emit(w, cpu, VMRT_EV_TIMER_CANCEL, 0)->timer.timer = FAIR_TIMER + (uint64_t)cpu * 64;
}

void machine_fair_expires(struct world *w, const struct timer *t)
{
	emit_timer(w, t->cpu, VMRT_EV_TIMER_EXPIRE, FAIR_TIMER + (uint64_t)t->cpu * 64,
		VMRT_FN_DEADLINE, t->at);
}

static int by_time(const void *a, const void *b)
{
	const struct srv_event *x = a, *y = b;

	if (x->ev.ts != y->ev.ts)
		return (x->ev.ts > y->ev.ts) - (x->ev.ts < y->ev.ts);
	return (x->order > y->order) - (x->order < y->order);
}

/* Each CPU's record clock is wrong by so much; who merges them cannot know. */
static void shift_clocks(struct srv_result *r)
{
	uint64_t state = r->c.seed ^ UINT64_C(0x636c6f636b);
	int64_t off[SRV_CPUS];

	for (int c = 0; c < SRV_CPUS; c++)
		off[c] = sim_between(&state, -r->c.clock_ns, r->c.clock_ns);
	for (size_t i = 0; i < r->n_events; i++) {
		r->events[i].ev.ts += off[r->events[i].ev.cpu];
		r->events[i].order = i;
	}
	qsort(r->events, r->n_events, sizeof(*r->events), by_time);
}

/* Everything is written as this kernel does, and read again. */
void machine_record(struct srv_result *r)
{
	if (r->c.clock_ns)
		shift_clocks(r);
	for (size_t i = 0; i < r->n_events; i++) {
		struct srv_event *e = &r->events[i];
		struct sim_event through = {.ev = e->ev, .comm = {"x", "x"}};

		snprintf(through.text, sizeof(through.text), "%s", e->text);
		sim_through_record(&r->c.kernel, &through);
		e->ev = through.ev;
		/* what events point to lies in the result */
		if (e->ev.type == VMRT_EV_MARK)
			e->ev.mark.text = e->text;
		else if (e->ev.type == VMRT_EV_SWITCH)
			e->ev.sw.prev_comm = e->ev.sw.next_comm = "x";
		else if (e->ev.type == VMRT_EV_WAKING || e->ev.type == VMRT_EV_WAKEUP)
			e->ev.wake.comm = "x";
	}
}
