/* SPDX-License-Identifier: MIT */
/*
 * What an enforcer says of its servers in markers. The grid is then its own, and the members are
 * "at priority" from each replenishment to the depletion.
 */
#include "servers.h"

#include <string.h>

#define LEAST_PERIOD_NS (50 * VMRT_NS_PER_US) /* shorter ones in markers are not believed */
#define FARTHEST_T0_NS (100 * VMRT_NS_PER_S)
/* A first period is whole if it was joined this early, before its members can have had its budget.
 */
#define JOIN_LATE_NS (1 * VMRT_NS_PER_MS)

static struct server *by_name(struct vmrt_engine *e, const char *name)
{
	for (size_t i = 0; i < e->n_servers; i++)
		if (!strcmp(e->servers[i].pub.name, name))
			return &e->servers[i];
	return NULL;
}

/* So long the members ran since @from_ns; before the enforcer's word they were not raised. */
static int64_t runs_since(const struct server *s, int64_t from_ns, int64_t host_ns)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->n_seen; i++) {
		const struct thread *t = s->seen[i];
		int64_t to = t->state == THREAD_RUNNING ? host_ns : t->last_out_ns;
		int64_t from = t->start_ns > from_ns ? t->start_ns : from_ns;

		if (to != VMRT_UNKNOWN && to > from)
			sum += to - from;
	}
	return sum;
}

/* The last @ns of supply belong to the next period. */
static void take_runs(struct server *s, int64_t ns)
{
	int64_t background = ns < s->now.background_ns ? ns : s->now.background_ns;

	s->now.background_ns -= background;
	ns -= background;
	s->now.consumed_ns -= ns < s->now.consumed_ns ? ns : s->now.consumed_ns;
}

/* The grid and the parameters are the enforcer's own from here on; its period @k begins at
 * @start_ns. */
static void begin_enforced(struct vmrt_engine *e, struct server *s, const struct vmrt_server *own,
	int64_t k, int64_t start_ns, int64_t host_ns)
{
	int64_t ran = 0;

	servers_settle(e, s, host_ns);
	if (s->fit && s->awaits_marks) {
		phase_free(s->fit);
		s->fit = NULL;
	} else if (s->fit) {
		server_lay_grid(e, s, phase_fit(s->fit, s->pub.period_ns), VMRT_PHASE_FITTED, 0);
	}
	if (start_ns < host_ns)
		ran = runs_since(s, start_ns, host_ns);
	if (s->active && s->now.start_ns < host_ns) {
		s->truncated = true;
		/* the word on the new period comes a little after it has begun */
		if (start_ns < host_ns && start_ns > s->now.start_ns) {
			s->now.end_ns = start_ns;
			take_runs(s, ran);
		} else {
			s->now.end_ns = host_ns;
		}
		server_close_period(e, s);
	}
	check_end(s);
	s->pub = *own;
	s->pub.enforced = true;
	s->joined.known = false;
	for (size_t i = 0; i < s->n_members && !s->active; i++)
		s->members[i]->former_prio = s->members[i]->prio;
	change_budget(s, host_ns, false);
	s->out_ns = host_ns;
	s->active = true;
	curve_free(s->curve);
	s->curve = NULL;
	s->blackout_from_ns = VMRT_UNKNOWN;
	/* the time before the first grid point belongs to no period */
	s->first_k = s->announced ? s->now.k + 1 - k : 0;
	server_begin_period(s, s->first_k + k, start_ns);
	if (start_ns > host_ns) {
		s->settled_ns = start_ns;
	} else {
		s->now.background_ns = ran;
		s->truncated = host_ns - start_ns > JOIN_LATE_NS;
	}
	server_announce(e, s);
}

static bool is_believable(const struct vmrt_server *s)
{
	return s->period_ns >= LEAST_PERIOD_NS && s->budget_ns > 0 &&
	       s->budget_ns <= s->period_ns && s->priority >= 1 && s->priority <= 99;
}

/* An enforcer begins: its own words replace what was declared. */
static void enforce(struct vmrt_engine *e, struct server *s, const char *rest, int64_t host_ns)
{
	struct vmrt_server own = s->pub;
	int64_t priority, t0;
	char word[32];

	if (!mark_number(rest, "period", &own.period_ns) ||
		!mark_number(rest, "budget", &own.budget_ns) ||
		!mark_number(rest, "priority", &priority) || !mark_number(rest, "t0", &t0))
		return;
	if (priority < 1 || priority > 99)
		return;
	own.priority = (int)priority;
	/* nobody enforces a grid that begins much before or after it is announced */
	if (!is_believable(&own) || t0 < host_ns - own.period_ns || t0 > host_ns + FARTHEST_T0_NS)
		return;
	own.phase_ns = t0;
	own.phase = VMRT_PHASE_MARKER;
	s->late = false;
	if (mark_text(rest, "depletion", word, sizeof(word)))
		own.depletion = strcmp(word, "hard") ? VMRT_DEPLETION_SOFT : VMRT_DEPLETION_HARD;
	s->others_charged =
		mark_text(rest, "helpers", word, sizeof(word)) && !strcmp(word, "charged");
	begin_enforced(e, s, &own, 0, t0, host_ns);
}

/*
 * The grid of an enforcer whose beginning was not seen is laid over what was recorded so far: the
 * periods on it are enforced, too.
 */
static void lay_enforced(struct vmrt_engine *e, struct server *s, const struct vmrt_server *own,
	int64_t k, int64_t at, int64_t host_ns)
{
	int64_t from;

	servers_settle(e, s, host_ns);
	/* with its period 0 the enforcer begins, though its word on that was lost */
	if (!s->fit || k == 0) {
		begin_enforced(e, s, own, k, at, host_ns);
		return;
	}
	from = phase_from(s->fit);
	s->pub = *own;
	s->pub.enforced = true;
	for (size_t i = 0; i < s->n_members; i++)
		s->members[i]->former_prio = s->members[i]->prio;
	change_budget(s, host_ns, false);
	s->out_ns = host_ns;
	server_lay_grid(e, s, at, VMRT_PHASE_MARKER, k);
	s->first_k = s->now.k - k;
	server_announce(e, s);
	if (own->policy == VMRT_POLICY_POLLING || at - from < own->period_ns)
		return;
	/* whole periods without a replenishment: it may have begun later than the recording */
	periods_unsure(s, from, at);
	if (s->checker)
		checker_unsure(s->checker, from, at);
}

/* Fills in the phase of @own, whose period @k begins at @at; false: that is not to be believed. */
static bool has_grid(struct vmrt_server *own, int64_t k, int64_t at, int64_t host_ns)
{
	int64_t ns;

	own->phase = VMRT_PHASE_MARKER;
	return is_believable(own) && at >= host_ns - own->period_ns &&
	       !__builtin_mul_overflow(k, own->period_ns, &ns) &&
	       !__builtin_sub_overflow(at, ns, &own->phase_ns);
}

/* The period that two replenishments show, or 0. */
static int64_t period_between(const struct server *s, int64_t k, int64_t at)
{
	int64_t ns, ks = k - s->joined.k;

	if (k <= s->joined.k || __builtin_sub_overflow(at, s->joined.at_ns, &ns) || ns % ks)
		return 0;
	return ns / ks;
}

/*
 * An enforcer whose beginning is not in the recording. One replenishment shows the grid if its
 * budget is the declared one, for then the period is, too. Else the second one shows the period;
 * priority and depletion are as declared. The chunks of a sporadic server are on no grid.
 */
static void join(struct vmrt_engine *e, struct server *s, const char *rest, int64_t host_ns)
{
	struct vmrt_server own = s->pub;
	int64_t k, at;

	if (!mark_number(rest, "k", &k) || !mark_number(rest, "at", &at) ||
		!mark_number(rest, "budget", &own.budget_ns) || at > host_ns || k < 0)
		return;
	s->late = true;
	if (own.policy == VMRT_POLICY_SPORADIC) {
		own.budget_ns = s->pub.budget_ns;
		own.phase_ns = host_ns;
		own.phase = VMRT_PHASE_START;
		if (is_believable(&own))
			begin_enforced(e, s, &own, 0, host_ns, host_ns);
		return;
	}
	if (s->joined.known && k > s->joined.k) {
		own.period_ns = period_between(s, k, at);
		s->joined.known = false;
		if (has_grid(&own, k, at, host_ns))
			begin_enforced(e, s, &own, k, at, host_ns);
		return;
	}
	if (own.budget_ns == s->pub.budget_ns && has_grid(&own, k, at, host_ns))
		lay_enforced(e, s, &own, k, at, host_ns);
	s->joined.known = true;
	s->joined.k = k;
	s->joined.at_ns = at;
}

/* The next replenishment has the word on the period of an enforcer that was joined by one. */
static void confirm(struct vmrt_engine *e, struct server *s, const char *rest, int64_t host_ns)
{
	struct vmrt_server own = s->pub;
	int64_t k, at, joined_ns = s->joined.at_ns;

	if (!mark_number(rest, "k", &k) || !mark_number(rest, "at", &at) || at > host_ns)
		return;
	own.period_ns = period_between(s, k, at);
	s->joined.known = false;
	if (own.period_ns == s->pub.period_ns || !has_grid(&own, k, at, host_ns))
		return;
	/* it is not the declared one: the periods so far were laid on a wrong grid */
	servers_settle(e, s, host_ns);
	periods_unsure(s, joined_ns, host_ns);
	begin_enforced(e, s, &own, k, at, host_ns);
}

static void replenish(struct server *s, const char *rest, int64_t host_ns)
{
	int64_t at, budget;

	check_raised(s, host_ns);
	check_runs_on(s, host_ns);
	change_budget(s, host_ns, true);
	/* by the time this is said, the members have been raised */
	for (size_t i = 0; i < s->n_seen; i++)
		s->seen[i]->unraised = false;
	if (!mark_number(rest, "at", &at))
		return;
	if (at == s->now.start_ns)
		s->now.replenished_ns = host_ns;
	else if (at == s->now.end_ns)
		s->early_ns = at; /* the record's clock is a little behind the enforcer's */
	/* numbers that no enforcer says */
	if (at < 0 || at > host_ns + FARTHEST_T0_NS)
		return;
	if (s->checker && mark_number(rest, "budget", &budget) && budget >= 0 &&
		budget <= s->pub.period_ns)
		checker_replenished(s->checker, host_ns, at, budget);
}

static void deplete(struct server *s, const char *rest, int64_t host_ns)
{
	int64_t k;

	if (s->at_priority)
		s->out_ns = host_ns;
	change_budget(s, host_ns, false);
	/* not if it comes so late that it is about the period before */
	if (!mark_number(rest, "k", &k) || k == s->now.k - s->first_k) {
		s->now.depleted_ns = host_ns;
		if (s->checker)
			checker_depleted(s->checker, host_ns);
	}
}

static void stop(struct vmrt_engine *e, struct server *s, int64_t host_ns)
{
	s->truncated = true;
	s->now.end_ns = host_ns;
	server_close_period(e, s);
	s->active = false;
	check_end(s);
	for (size_t i = 0; i < s->n_members; i++) {
		struct thread_now former = change_of(s->members[i]);

		former.prio = s->members[i]->former_prio;
		change_thread(&e->machines[0], s->members[i], host_ns, &former);
	}
}

void servers_mark(
	struct vmrt_engine *e, int32_t pid, const char *word, const char *rest, int64_t host_ns)
{
	char name[VMRT_NAME_MAX];
	struct server *s;

	if (!mark_text(rest, "server", name, sizeof(name)))
		return;
	s = by_name(e, name);
	if (!s)
		return;
	change_rules(e, host_ns);
	s->enforcer = pid;
	if (!strcmp(word, "srv_start")) {
		enforce(e, s, rest, host_ns);
		return;
	}
	if ((!s->pub.enforced || !s->active) && !strcmp(word, "srv_replenish"))
		join(e, s, rest, host_ns);
	else if (s->joined.known && !strcmp(word, "srv_replenish"))
		confirm(e, s, rest, host_ns);
	if (!s->pub.enforced || !s->active)
		return;
	/* members that were woken in a hole are known to wait when they run at last */
	if (s->unsure && s->checker)
		checker_appears(s->checker, host_ns + s->pub.period_ns);
	s->unsure = false;
	if (!strcmp(word, "srv_replenish")) {
		replenish(s, rest, host_ns);
	} else if (!strcmp(word, "srv_deplete")) {
		deplete(s, rest, host_ns);
	} else if (!strcmp(word, "srv_preempt") && s->at_priority) {
		/* held back by a server above that has the CPU to itself: the budget is kept */
		change_budget(s, host_ns, false);
		s->out_ns = host_ns;
	} else if (!strcmp(word, "srv_resume")) {
		check_runs_on(s, host_ns);
		change_budget(s, host_ns, true);
	} else if (!strcmp(word, "srv_stop")) {
		stop(e, s, host_ns);
	}
}
