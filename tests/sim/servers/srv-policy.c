/* SPDX-License-Identifier: MIT */
/* An enforcer in user space: budgets by the rules of each policy, with its latencies, and broken on purpose. */
#include "srv-world.h"

#include <inttypes.h>
#include <string.h>

#define BEGIN_MAX_NS (2 * MS)

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
	for (int i = 0; i < s->n; i++)
		if (s->members[i]->state != BLOCKED && !(s->members[i]->state == RUN && s->members[i]->want_block))
			return true;
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

static void look_soon(struct world *w, struct server *s, int64_t at)
{
	struct timer *t = timer_set(w, T_OVERFLOW, at);

	t->s = s;
}

static bool misbehaves(struct world *w, struct server *s, enum srv_fault fault, int percent)
{
	if (s->fault != fault || s->fault_done || w->now < w->start + s->spec->period_ns * 4 || !chance(w, percent))
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
		if (misbehaves(w, s, FAULT_OVERRUN, 50))
			late += between(w, MS, 3 * MS);
		look_soon(w, s, w->now + late);
	}
}

/* A sporadic server begins or ceases to be active. */
static void activity(struct world *w, struct server *s)
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
	if (misbehaves(w, s, FAULT_CHUNK_EARLY, 50))
		t->at -= between(w, MS, s->spec->period_ns / 2);
	if (misbehaves(w, s, FAULT_CHUNK_MORE, 50))
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
		activity(w, s);
	if (is(s, VMRT_POLICY_POLLING) && s->budget && !has_work(s) && s->fault != FAULT_KEEP_BUDGET) {
		struct timer *t = timer_set(w, T_LOOK, w->now + between(w, US, 15 * US));

		t->s = s;
	}
	/* one above that waits for a budget to be discarded */
	for (int i = 0; i < w->n_servers; i++) {
		struct server *o = &w->servers[i];

		if (o != s && is(o, VMRT_POLICY_POLLING) && o->budget && o->selected_only && !has_work(o) &&
			o->fault != FAULT_KEEP_BUDGET)
			timer_set(w, T_LOOK, w->now + between(w, US, 15 * US))->s = o;
	}
}

static struct thread *enforcer_of(const struct world *w, const struct server *s)
{
	return w->cpus[s->members[0]->cpu].enforcer;
}

static void arm_grid(struct world *w, struct server *s)
{
	struct timer *t;
	int64_t at = s->t0 + s->next_k * s->spec->period_ns;

	at += between(w, 0, 20 * US);
	if (misbehaves(w, s, FAULT_LATE, 30))
		at += between(w, MS, 2 * MS);
	else if (misbehaves(w, s, FAULT_SKIP, 30)) {
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
	case T_LOOK:
		s->look = true;
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
	wake(w, enforcer_of(w, s), s->members[0]->cpu);
}

static int priority_now(const struct server *s)
{
	return FIFO(s->spec->priority - s->rank);
}

static void set_budget(struct world *w, struct server *s, bool budget, bool in_words_only)
{
	bool hard = s->spec->depletion == VMRT_DEPLETION_HARD;

	log_advance(w, w->now);
	for (int i = 0; i < s->n && !in_words_only; i++) {
		struct thread *t = s->members[i];

		t->prio = budget ? priority_now(s) : hard ? t->prio : FAIR;
		if (hard && !budget && t->state != STOPPED) {
			t->stop = true;
		} else if (hard && budget) {
			t->stop = false;
			if (t->state == STOPPED)
				wake(w, t, s->members[0]->cpu);
		}
		changed(w, t);
	}
	s->budget = budget;
	if (budget)
		s->overflowed = false;
}

/* Servers under EDF: the one whose period ends first is on top. */
static void rank(struct world *w, const struct server *of)
{
	int cpu = of->members[0]->cpu;

	if (!is(of, VMRT_POLICY_EDF))
		return;
	for (int i = 0; i < w->n_servers; i++) {
		struct server *s = &w->servers[i];

		s->rank = 0;
		for (int j = 0; j < w->n_servers && s->members[0]->cpu == cpu; j++) {
			const struct server *o = &w->servers[j];
			int64_t mine = s->t0 + (s->k + 1) * s->spec->period_ns;
			int64_t others = o->t0 + (o->k + 1) * o->spec->period_ns;
			bool before = others < mine || (others == mine && j < i);

			if (w->r->c.fault == FAULT_ORDER)
				before = others > mine;
			s->rank += o != s && o->members[0]->cpu == cpu && o->budget && before;
		}
		for (int m = 0; m < s->n && s->budget; m++) {
			if (s->members[m]->prio == priority_now(s) || s->members[m]->cpu != cpu)
				continue;
			s->members[m]->prio = priority_now(s);
			changed(w, s->members[m]);
		}
	}
}

static void say(struct world *w, struct server *s, bool replenish, int64_t at, int64_t amount, int64_t k)
{
	struct srv_word word = {.replenish = replenish, .now_ns = w->now, .at_ns = at, .due_ns = at, .amount_ns = amount, .k = k};
	int cpu = s->members[0]->cpu;

	if (w->r->c.markers && replenish)
		emit_mark(w, cpu, "vmrt srv_replenish server=%s k=%" PRId64 " at=%" PRId64 " budget=%" PRId64,
			s->spec->name, k, at, amount);
	else if (w->r->c.markers)
		emit_mark(w, cpu, "vmrt srv_deplete server=%s k=%" PRId64 " consumed=%" PRId64, s->spec->name, k,
			amount);
	log_word(s, &word);
}

static void start(struct world *w, struct server *s)
{
	s->start = false;
	s->started = true;
	s->t0 = w->now + between(w, 100 * US, BEGIN_MAX_NS);
	s->log->t0 = s->t0;
	s->k = -1;
	if (w->r->c.markers)
		emit_mark(w, s->members[0]->cpu,
			"vmrt srv_start server=%s vm=%s policy=%s depletion=%s period=%" PRId64 " budget=%" PRId64
			" priority=%d t0=%" PRId64,
			s->spec->name, s->spec->vm, vmrt_policy_name(s->spec->policy),
			vmrt_depletion_name(s->spec->depletion), s->spec->period_ns, s->spec->budget_ns,
			s->spec->priority, s->t0);
	set_budget(w, s, false, false);
	if (is(s, VMRT_POLICY_SPORADIC)) {
		struct timer *t = timer_set(w, T_CHUNK, s->t0 + between(w, 0, 20 * US));

		t->s = s;
		t->due = s->t0;
		t->amount = s->spec->budget_ns;
	} else {
		arm_grid(w, s);
	}
}

static void replenish(struct world *w, struct server *s)
{
	int64_t left = s->left > 0 ? s->left : 0;

	s->replenish = s->deplete = false;
	s->k = s->next_k++;
	if (is(s, VMRT_POLICY_POLLING) && !has_work(s) && s->fault != FAULT_KEEP_BUDGET) {
		if (s->budget) {
			set_budget(w, s, false, false);
			say(w, s, false, 0, 0, s->k);
		}
		s->left = 0;
		arm_grid(w, s);
		return;
	}
	s->left = s->spec->budget_ns;
	if (s->fault == FAULT_CARRY && left > MS) {
		s->left += left;
		broke_rule(w, s);
	}
	set_budget(w, s, true, misbehaves(w, s, FAULT_NOT_RAISED, 30));
	rank(w, s);
	say(w, s, true, s->t0 + s->k * s->spec->period_ns, s->spec->budget_ns, s->k);
	if (misbehaves(w, s, FAULT_EARLY, 50) && s->left > 2 * MS) {
		s->left -= between(w, MS, s->left - MS / 2);
	}
	arm_grid(w, s);
}

static void chunk(struct world *w, struct server *s)
{
	int64_t due = s->due_chunks[0].due, amount = s->due_chunks[0].amount, spent = s->due_chunks[0].spent;
	size_t first = s->log->n_words;

	s->n_chunks--;
	memmove(&s->due_chunks[0], &s->due_chunks[1], (size_t)s->n_chunks * sizeof(s->due_chunks[0]));
	s->left += amount;
	/* if it was used later than that, it returns as soon as it was */
	if (spent < due)
		spent = due;
	if (s->left <= 0 && !s->budget) {
		say(w, s, true, due, amount, s->chunk_k++);
		set_budget(w, s, false, true);
		s->log->words[first].due_ns = spent;
		say(w, s, false, 0, 0, s->chunk_k);
		return;
	}
	set_budget(w, s, true, false);
	say(w, s, true, due, amount, s->chunk_k++);
	s->log->words[first].due_ns = spent;
	activity(w, s);
}

static void deplete(struct world *w, struct server *s)
{
	bool words_only;

	s->deplete = false;
	if (!s->budget || (!is(s, VMRT_POLICY_SPORADIC) && s->deplete_k != s->k) || s->left > 0)
		return;
	words_only = misbehaves(w, s, FAULT_KEEP_PRIORITY, 50);
	set_budget(w, s, false, words_only);
	rank(w, s);
	say(w, s, false, 0, s->spec->budget_ns - s->left, is(s, VMRT_POLICY_SPORADIC) ? s->chunk_k : s->k);
	policy_changed(w, s);
}

/* Polling: still no work? */
static void look(struct world *w, struct server *s)
{
	s->look = false;
	if (!s->budget || has_work(s) || (s->selected_only && !is_selected(w, s)))
		return;
	s->left = 0;
	s->overflowed = true;
	set_budget(w, s, false, false);
	say(w, s, false, 0, 0, s->k);
}

/* One thing that is to be done; @dry: is there one? */
bool enforcer_act(struct world *w, struct thread *t, bool dry)
{
	for (int i = 0; i < w->n_servers; i++) {
		struct server *s = &w->servers[i];
		bool any = s->start || s->replenish || s->n_chunks || s->deplete || s->look;

		if (s->members[0]->cpu != t->cpu || !any)
			continue;
		if (dry)
			return true;
		if (s->start)
			start(w, s);
		else if (s->replenish)
			replenish(w, s);
		else if (s->deplete)
			deplete(w, s);
		else if (s->n_chunks)
			chunk(w, s);
		else
			look(w, s);
		return true;
	}
	return false;
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
