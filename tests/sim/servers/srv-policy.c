/* SPDX-License-Identifier: MIT */
/* An enforcer in user space: budgets by the rules of each policy, with its latencies, and broken on
 * purpose. */
#include "srv-world.h"

static bool by_kernel(const struct server *s)
{
	return vmrt_policy_by_kernel(s->spec->policy);
}

static bool is(const struct server *s, enum vmrt_policy policy)
{
	return s->spec->policy == policy;
}

bool has_work(const struct server *s)
{
	for (int i = 0; i < s->n; i++) {
		const struct thread *t = s->members[i];

		if (t->state != BLOCKED && !(t->state == RUN && t->want_block) &&
			!(t->idle && !t->due))
			return true;
	}
	return false;
}

static int running(const struct server *s)
{
	int n = 0;

	for (int i = 0; i < s->n; i++)
		n += s->members[i]->state == RUN;
	return n;
}

static bool on_cpu(const struct server *s, int cpu)
{
	for (int i = 0; i < s->n; i++)
		if (s->members[i]->cpu == cpu)
			return true;
	return false;
}

/* Is there no server above that has its CPUs, or could have? */
bool is_selected(const struct world *w, const struct server *s)
{
	for (int i = 0; i < w->n_servers; i++) {
		const struct server *o = &w->servers[i];
		bool shares = false;

		for (int m = 0; m < s->n; m++)
			shares |= on_cpu(o, s->members[m]->cpu);
		if (o != s && shares && o->spec->priority >= s->spec->priority && o->budget &&
			(is(o, VMRT_POLICY_PERIODIC) || has_work(o)))
			return false;
	}
	return true;
}

/* How fast the budget goes. */
static int rate(const struct world *w, const struct server *s)
{
	int n = running(s);

	if (!s->budget || by_kernel(s))
		return 0;
	if (!n && is(s, VMRT_POLICY_PERIODIC) && s->fault != FAULT_KEEP_BUDGET && is_selected(w, s))
		return 1;
	return n;
}

void policy_advance(struct world *w, int64_t ns)
{
	for (int i = 0; i < w->n_servers; i++) {
		struct server *s = &w->servers[i];

		if (by_kernel(s)) {
			kernel_advance(w, s, ns);
			continue;
		}
		s->left -= rate(w, s) * ns;
		if (s->active)
			s->active_used += running(s) * ns;
	}
}

int64_t policy_next(const struct world *w)
{
	int64_t next = NEVER, at;

	for (int i = 0; i < w->n_servers; i++) {
		const struct server *s = &w->servers[i];
		int n = rate(w, s);

		if (by_kernel(s))
			at = kernel_next(w, s);
		else if (!n || s->overflowed)
			continue;
		else
			at = w->now + (s->left > 0 ? (s->left + n - 1) / n : 0);
		if (at < next)
			next = at;
	}
	return next;
}

static void recheck_at(struct world *w, struct server *s, int64_t at)
{
	struct timer *t = timer_set(w, T_OVERFLOW, at);

	t->s = s;
}

bool policy_misbehaves(struct world *w, struct server *s, enum srv_fault fault, int percent)
{
	if (s->fault != fault || s->fault_done || w->now < w->start + s->spec->period_ns * 4 ||
		!chance(w, percent))
		return false;
	s->fault_done = true;
	broke_rule(w, s);
	return true;
}

void policy_due(struct world *w)
{
	for (int i = 0; i < w->n_servers; i++) {
		struct server *s = &w->servers[i];
		int64_t late = between(w, US, 15 * US);

		if (by_kernel(s)) {
			kernel_due(w, s);
			continue;
		}
		if (s->overflowed || !s->budget || s->left > 0)
			continue;
		s->overflowed = true;
		if (policy_misbehaves(w, s, FAULT_OVERRUN, 50))
			late += between(w, MS, 3 * MS);
		recheck_at(w, s, w->now + late);
	}
}

/* A sporadic server begins or ceases to be active. */
void policy_activity(struct world *w, struct server *s)
{
	bool active = s->budget && has_work(s);
	int64_t amount = s->active_used, due = s->active_ns + s->spec->period_ns;
	struct timer *t;

	if (active == s->active)
		return;
	s->active = active;
	if (active) {
		s->active_ns = w->now;
		s->active_used = 0;
		return;
	}
	if (!amount)
		return;
	t = timer_set(w, T_CHUNK, 0);
	t->s = s;
	t->due = due;
	t->amount = amount;
	t->spent = w->now;
	t->at = due + between(w, 0, 20 * US);
	if (policy_misbehaves(w, s, FAULT_CHUNK_EARLY, 50))
		t->at -= between(w, MS, s->spec->period_ns / 2);
	if (policy_misbehaves(w, s, FAULT_CHUNK_MORE, 50))
		t->amount += between(w, MS, 2 * MS);
	if (t->at < w->now)
		t->at = w->now;
}

/* A member has gone to sleep, or has work again. */
void policy_changed(struct world *w, struct server *s)
{
	if (!s->started || by_kernel(s))
		return;
	if (is(s, VMRT_POLICY_SPORADIC))
		policy_activity(w, s);
	if (is(s, VMRT_POLICY_POLLING) && s->budget && !has_work(s) &&
		s->fault != FAULT_KEEP_BUDGET) {
		struct timer *t = timer_set(w, T_CHECK, w->now + between(w, US, 15 * US));

		t->s = s;
	}
	/* one above that waits for a budget to be discarded */
	for (int i = 0; i < w->n_servers; i++) {
		struct server *o = &w->servers[i];

		if (o != s && is(o, VMRT_POLICY_POLLING) && o->budget && o->selected_only &&
			!has_work(o) && o->fault != FAULT_KEEP_BUDGET)
			timer_set(w, T_CHECK, w->now + between(w, US, 15 * US))->s = o;
	}
}

static struct thread *enforcer_of(const struct world *w, const struct server *s)
{
	return w->cpus[s->members[0]->cpu].enforcer;
}

void policy_arm_grid(struct world *w, struct server *s)
{
	struct timer *t;
	int64_t at = s->t0 + s->next_k * s->spec->period_ns;

	at += between(w, 0, 20 * US);
	if (policy_misbehaves(w, s, FAULT_LATE, 30))
		at += between(w, MS, 2 * MS);
	else if (policy_misbehaves(w, s, FAULT_SKIP, 30)) {
		s->next_k++;
		at += s->spec->period_ns;
	}
	t = timer_set(w, T_GRID, at);
	t->s = s;
}

void policy_timer(struct world *w, struct timer *t)
{
	struct server *s = t->s;

	switch (t->kind) {
	case T_START:
		s->start = true;
		break;
	case T_GRID:
		s->replenish = true;
		break;
	case T_OVERFLOW:
		s->deplete = true;
		s->deplete_k = s->k;
		break;
	case T_CHECK:
		s->recheck = true;
		break;
	case T_CHUNK:
		if (s->n_chunks < SRV_CHUNKS) {
			s->due_chunks[s->n_chunks].due = t->due;
			s->due_chunks[s->n_chunks].spent = t->spent;
			s->due_chunks[s->n_chunks++].amount = t->amount;
		}
		break;
	default:
		break;
	}
	wake(w, enforcer_of(w, s), s->members[0]->cpu, w->flags);
}

void policy_start(struct world *w)
{
	for (int i = 0; i < w->n_servers; i++) {
		struct server *s = &w->servers[i];

		if (by_kernel(s))
			kernel_start(w, s);
		else if (!is(s, VMRT_POLICY_NONE))
			timer_set(w, T_START, w->now + between(w, 100 * US, MS))->s = s;
	}
}
