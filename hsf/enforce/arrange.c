/* SPDX-License-Identifier: MIT */
/*
 * Decides which members may run at which priority on one CPU.
 *
 * For servers of fixed priority the kernel decides: members have their server's priority as long as
 * there is budget. Two kinds of servers need more than that. A server by slot (policy periodic) has
 * the CPU to itself while it is the first server with budget, also when its members sleep: the
 * servers below it are held back meanwhile. Servers by deadline change places with every period.
 */
#include "enforcer.h"

#include <inttypes.h>

/* Servers above @slot may take the CPU from @slot; its budget is not consumed during that time. */
static bool is_above(const struct hsf_server *s, const struct hsf_server *slot)
{
	return hsf_params_priority(&s->params) > hsf_params_priority(&slot->params);
}

/* Another server by slot has no budget while @slot has the CPU, so only the other servers may
 * interrupt it. */
static bool may_interrupt(const struct hsf_server *s, const struct hsf_server *slot)
{
	return is_above(s, slot) && !s->budget.rules->by_slot;
}

/* The time that the servers which may interrupt @slot have been served so far. */
static int64_t served_above(struct hsf_enforcer *e, const struct hsf_server *slot, int64_t now)
{
	int64_t sum = 0;

	for (size_t i = 0; i < e->n; i++) {
		struct hsf_server *s = e->servers[i];

		if (!may_interrupt(s, slot))
			continue;
		if (server_open(s) && server_charge(s, now) == HSF_DEPLETED)
			server_spent(s, false);
		sum += s->figures.served_ns;
	}
	return sum;
}

static void begin_slot(struct hsf_enforcer *e, struct hsf_server *s, int64_t now)
{
	e->slot = s;
	e->slot_ns = now;
	e->above_ns = s ? served_above(e, s, now) : 0;
}

int64_t arrange_slot_end(const struct hsf_enforcer *e)
{
	return e->slot ? e->slot_ns + hsf_budget_left(&e->slot->budget) : HSF_NEVER;
}

/* The servers above are charged, too, because the time that they consumed since the last call is
 * not taken from the slot's budget. */
enum hsf_action arrange_charge_slot(struct hsf_enforcer *e, int64_t now)
{
	struct hsf_server *s = e->slot;
	int64_t above, used;

	if (!s)
		return HSF_NOTHING;
	above = served_above(e, s, now);
	used = now - e->slot_ns - (above - e->above_ns);
	e->slot_ns = now;
	e->above_ns = above;
	if (used <= 0 || hsf_budget_use(&s->budget, now, used) != HSF_DEPLETED)
		return HSF_NOTHING;
	server_spent(s, false);
	return HSF_DEPLETED;
}

/* If several servers by slot have the same priority, the one that has the CPU keeps it. */
static struct hsf_server *choose_slot(const struct hsf_enforcer *e)
{
	struct hsf_server *best = NULL;

	for (size_t i = 0; i < e->n; i++) {
		struct hsf_server *s = e->servers[i];

		if (!s->budget.rules->by_slot || !s->budget.eligible || atomic_load(&s->gone))
			continue;
		if (!best || is_above(s, best) || (s == e->slot && !is_above(best, s)))
			best = s;
	}
	return best;
}

/* Returns how many servers with budget have an earlier deadline than server @of. Servers with the
 * same deadline are counted in the order in which they were added. */
static int rank(const struct hsf_enforcer *e, size_t of)
{
	const struct hsf_budget *b = &e->servers[of]->budget;
	int before = 0;

	for (size_t i = 0; i < e->n; i++) {
		const struct hsf_budget *o = &e->servers[i]->budget;
		int64_t d = hsf_budget_deadline(o) - hsf_budget_deadline(b);

		if (i != of && o->rules->by_deadline && o->eligible &&
			(d < 0 || (d == 0 && i < of)))
			before++;
	}
	return before;
}

static int level_of(const struct hsf_enforcer *e, size_t i)
{
	const struct hsf_server *s = e->servers[i];

	if (!s->budget.eligible)
		return 0;
	if (e->slot && s != e->slot && !is_above(s, e->slot))
		return 0;
	if (s->budget.rules->by_deadline)
		return HSF_DEADLINE_PRIORITY - rank(e, i);
	return s->params.priority;
}

/*
 * Finds the levels of all servers. A server whose level changes is charged before the change,
 * because its consumption belongs to the old level; this charge may use up a budget and change the
 * levels again.
 */
static void find_levels(struct hsf_enforcer *e, int64_t now)
{
	bool again = true;

	while (again) {
		struct hsf_server *slot;

		again = false;
		slot = choose_slot(e);
		if (slot != e->slot) {
			arrange_charge_slot(e, now);
			slot = choose_slot(e);
			begin_slot(e, slot, now);
		}
		for (size_t i = 0; i < e->n; i++) {
			struct hsf_server *s = e->servers[i];

			if (s->budget.rules->measures)
				continue;
			s->wanted = level_of(e, i);
			if (!s->wanted == !server_open(s) || !server_members(s))
				continue;
			if (server_charge(s, now) == HSF_DEPLETED) {
				server_spent(s, false);
				again = true;
			}
		}
	}
}

static void mark_replenished(struct hsf_enforcer *e, struct hsf_server *s, int64_t now)
{
	for (size_t i = 0; i < s->n_fresh; i++) {
		const struct hsf_chunk *c = &s->fresh[i];

		hsf_hist_add(&s->figures.lateness, now - c->at_ns);
		if (!s->budget.rules->measures)
			vmrt_mark(e->marker,
				"vmrt srv_replenish server=%s k=%" PRId64 " at=%" PRId64
				" budget=%" PRId64,
				s->name, s->budget.k - (int64_t)(s->n_fresh - 1 - i), c->at_ns,
				c->amount_ns);
		s->figures.replenishments++;
	}
	s->n_fresh = 0;
}

static void mark_spent(struct hsf_enforcer *e, struct hsf_server *s)
{
	int64_t consumed = s->over_ns + s->budget.budget_ns;

	vmrt_mark(e->marker, "vmrt srv_deplete server=%s k=%" PRId64 " consumed=%" PRId64 "%s",
		s->name, s->budget.k, consumed, s->gave_up ? " idle=1" : "");
	s->spent = false;
	if (s->gave_up) {
		s->figures.discards++;
		return;
	}
	s->figures.depletions++;
	hsf_hist_add(&s->figures.overshoot, s->over_ns);
	if (-s->over_ns > s->figures.most_short)
		s->figures.most_short = -s->over_ns;
}

/* Marks server @s, which has budget but is held back. */
static void mark_suspended(struct hsf_enforcer *e, struct hsf_server *s)
{
	bool suspended = s->budget.eligible && !server_open(s);

	if (suspended == s->suspended)
		return;
	s->suspended = suspended;
	if (suspended) {
		vmrt_mark(e->marker, "vmrt srv_preempt server=%s k=%" PRId64 " by=%s", s->name,
			s->budget.k, e->slot ? e->slot->name : "-");
		s->figures.suspensions++;
	} else if (s->budget.eligible) {
		vmrt_mark(e->marker, "vmrt srv_resume server=%s k=%" PRId64, s->name, s->budget.k);
	}
}

void arrange(struct hsf_enforcer *e, int64_t now)
{
	find_levels(e, now);
	for (size_t i = 0; i < e->n; i++) {
		struct hsf_server *s = e->servers[i];
		bool was = server_open(s);

		if (s->budget.rules->measures)
			continue;
		if (s->wanted != s->level)
			server_level(s, s->wanted);
		/* what a sporadic server kept of its budget while it was held back counts from now
		 * on */
		if (s->suspended && server_open(s))
			hsf_budget_wake(&s->budget, now);
		if (s->n_fresh || was != server_open(s))
			server_arm(s);
		if (s->idle && server_open(s) && (s->n_fresh || !was))
			idle_watch(s->idle, s->level);
		else if (s->idle && was && !server_open(s))
			idle_forget(s->idle);
	}
	for (size_t i = 0; i < e->n; i++) {
		struct hsf_server *s = e->servers[i];

		if (s->spent)
			mark_spent(e, s);
		if (s->n_fresh)
			mark_replenished(e, s, vmrt_now_ns());
		if (!s->budget.rules->measures)
			mark_suspended(e, s);
	}
}
