/* SPDX-License-Identifier: MIT */
/* What the enforcer's thread does when it runs: it begins, replenishes and depletes, and says so.
 */
#include "srv-world.h"

#include <inttypes.h>
#include <string.h>

#define BEGIN_MAX_NS (2 * MS)

static bool is(const struct server *s, enum vmrt_policy policy)
{
	return s->spec->policy == policy;
}

static int priority_now(const struct server *s)
{
	return FIFO(s->spec->priority - s->rank);
}

/* A thread that sleeps wakes up for the signal that stops it. */
static void nudge(struct world *w, struct thread *t, int by_cpu)
{
	if (t->state != BLOCKED)
		return;
	t->idle = true;
	t->due = false;
	wake(w, t, by_cpu, 0);
}

/* One that slept when it was stopped goes back to sleep, unless there is work for it by now. */
static void go_on(struct world *w, struct thread *t, int by_cpu)
{
	if (t->idle) {
		t->idle = false;
		t->resumes = true;
		t->work = between(w, 2 * US, 8 * US);
	}
	if (t->state == STOPPED)
		wake(w, t, by_cpu, 0);
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
			go_on(w, t, s->members[0]->cpu);
		}
		changed(w, t);
	}
	s->budget = budget;
	for (int i = 0; i < s->n && w->r->c.nudges && !budget && !in_words_only; i++)
		nudge(w, s->members[i], s->members[0]->cpu);
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

static void say(
	struct world *w, struct server *s, bool replenish, int64_t at, int64_t amount, int64_t k)
{
	struct srv_word word = {.replenish = replenish,
		.now_ns = w->now,
		.at_ns = at,
		.due_ns = at,
		.amount_ns = amount,
		.k = k};
	int cpu = s->members[0]->cpu;

	if (w->r->c.markers && replenish)
		emit_mark(w, cpu,
			"vmrt srv_replenish server=%s k=%" PRId64 " at=%" PRId64 " budget=%" PRId64,
			s->spec->name, k, at, amount);
	else if (w->r->c.markers)
		emit_mark(w, cpu, "vmrt srv_deplete server=%s k=%" PRId64 " consumed=%" PRId64,
			s->spec->name, k, amount);
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
			"vmrt srv_start server=%s vm=%s policy=%s depletion=%s period=%" PRId64
			" budget=%" PRId64 " priority=%d t0=%" PRId64,
			s->spec->name, s->spec->vm, vmrt_policy_name(s->spec->policy),
			vmrt_depletion_name(s->spec->depletion), s->spec->period_ns,
			s->spec->budget_ns, s->spec->priority, s->t0);
	set_budget(w, s, false, false);
	if (is(s, VMRT_POLICY_SPORADIC)) {
		struct timer *t = timer_set(w, T_CHUNK, s->t0 + between(w, 0, 20 * US));

		t->s = s;
		t->due = s->t0;
		t->amount = s->spec->budget_ns;
	} else {
		policy_arm_grid(w, s);
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
		policy_arm_grid(w, s);
		return;
	}
	s->left = s->spec->budget_ns;
	if (s->fault == FAULT_CARRY && left > MS) {
		s->left += left;
		broke_rule(w, s);
	}
	set_budget(w, s, true, policy_misbehaves(w, s, FAULT_NOT_RAISED, 30));
	rank(w, s);
	say(w, s, true, s->t0 + s->k * s->spec->period_ns, s->spec->budget_ns, s->k);
	if (policy_misbehaves(w, s, FAULT_EARLY, 50) && s->left > 2 * MS) {
		s->left -= between(w, MS, s->left - MS / 2);
	}
	policy_arm_grid(w, s);
}

static void chunk(struct world *w, struct server *s)
{
	int64_t due = s->due_chunks[0].due, amount = s->due_chunks[0].amount,
		spent = s->due_chunks[0].spent;
	size_t first = s->log->n_words;

	s->n_chunks--;
	memmove(&s->due_chunks[0], &s->due_chunks[1],
		(size_t)s->n_chunks * sizeof(s->due_chunks[0]));
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
	policy_activity(w, s);
}

static void deplete(struct world *w, struct server *s)
{
	bool words_only;

	s->deplete = false;
	if (!s->budget || (!is(s, VMRT_POLICY_SPORADIC) && s->deplete_k != s->k) || s->left > 0)
		return;
	words_only = policy_misbehaves(w, s, FAULT_KEEP_PRIORITY, 50);
	set_budget(w, s, false, words_only);
	rank(w, s);
	say(w, s, false, 0, s->spec->budget_ns - s->left,
		is(s, VMRT_POLICY_SPORADIC) ? s->chunk_k : s->k);
	policy_changed(w, s);
}

/* Polling: still no work? */
static void recheck(struct world *w, struct server *s)
{
	s->recheck = false;
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
		bool any = s->start || s->replenish || s->n_chunks || s->deplete || s->recheck;

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
			recheck(w, s);
		return true;
	}
	return false;
}
