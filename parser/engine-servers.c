/* SPDX-License-Identifier: MIT */
/*
 * Server periods: what the members of a server got in each period of its grid.
 *
 * Where an enforcer wrote markers, the grid is its own and the members are "at priority" from each
 * replenishment to the depletion. Where nobody enforced, the declared grid is laid over the recording
 * and the priority seen at the members' switches decides.
 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_PERIOD_NS (50 * VMRT_NS_PER_US) /* shorter ones in markers are not believed */
#define FARTHEST_T0_NS (100 * VMRT_NS_PER_S)

bool servers_depleted(const struct server *s)
{
	return s && s->pub.enforced && s->active && !s->at_priority;
}

/* Are the members at their priority because an enforcer says so? */
bool servers_has_budget(const struct server *s)
{
	return s && s->pub.enforced && s->active && s->at_priority;
}

/* Does a vCPU thread wait or run at a real-time priority? Its priority may have changed since a switch told. */
bool servers_real_time(const struct thr *t)
{
	const struct server *s = t->server;

	if (s && s->pub.enforced && s->active)
		return s->at_priority;
	return t->prio < FIRST_FAIR_PRIO;
}

bool servers_init(struct vmrt_engine *e, struct vmrt_error *err)
{
	const struct vmrt_experiment *exp = e->config->experiment;

	if (!exp || !exp->n_servers)
		return true;
	e->servers = calloc(exp->n_servers, sizeof(*e->servers));
	if (!e->servers)
		return vmrt_fail(err, VMRT_ENOMEM, "engine: out of memory"), false;
	e->n_servers = exp->n_servers;
	for (size_t i = 0; i < exp->n_servers; i++) {
		const struct vmrt_server_spec *spec = &exp->servers[i];
		struct server *s = &e->servers[i];

		s->pub.id = (uint32_t)i;
		snprintf(s->pub.name, sizeof(s->pub.name), "%s", spec->name);
		s->pub.vm = VMRT_NONE;
		s->pub.policy = spec->policy;
		s->pub.depletion = spec->depletion;
		s->pub.period_ns = spec->period_ns;
		s->pub.budget_ns = spec->budget_ns;
		s->pub.priority = spec->priority;
		s->pub.phase_ns = VMRT_UNKNOWN;
		s->loss_to_ns = VMRT_UNKNOWN;
		for (size_t v = 0; v < e->config->n_vms; v++) {
			const struct vmrt_engine_vm *vm = &e->config->vms[v];

			if (strcmp(vm->name, spec->vm) != 0)
				continue;
			s->pub.vm = (uint32_t)v;
			s->members = calloc(vm->n_threads ? vm->n_threads : 1, sizeof(*s->members));
			if (!s->members)
				return vmrt_fail(err, VMRT_ENOMEM, "engine: out of memory"), false;
			for (size_t t = 0; t < vm->n_threads; t++) {
				struct thr *thr;

				if (vm->threads[t].role != VMRT_ROLE_VCPU)
					continue;
				thr = threads_find(&e->machines[0], vm->threads[t].tid);
				if (thr) {
					thr->server = s;
					s->members[s->n_members++] = thr;
				}
			}
		}
	}
	return true;
}

static void announce(struct vmrt_engine *e, struct server *s)
{
	s->announced = true;
	if (e->sink.server)
		e->sink.server(e->sink.ctx, &s->pub);
}

static void begin_period(struct server *s, int64_t k, int64_t start_ns)
{
	memset(&s->now, 0, sizeof(s->now));
	s->now.server = s->pub.id;
	s->now.k = k;
	s->now.start_ns = start_ns;
	s->now.end_ns = start_ns + s->pub.period_ns;
	s->now.budget_ns = s->pub.budget_ns;
	s->now.replenished_ns = s->now.first_ns = s->now.depleted_ns = VMRT_UNKNOWN;
	s->uncertainty_ns = start_ns < s->uncertain_to_ns ? s->uncertain_by_ns : 0;
	s->tainted = s->loss_to_ns != VMRT_UNKNOWN && start_ns < s->loss_to_ns;
	s->truncated = false;
}

void servers_begin(struct vmrt_engine *e, int64_t host_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		/* an enforcer's own grid is waited for, where there is one to come */
		bool marked = e->config->hsf && s->pub.policy != VMRT_POLICY_NONE;

		s->settled_ns = host_ns;
		if (marked || s->pub.period_ns <= 0)
			continue;
		s->pub.phase_ns = host_ns;
		s->active = true;
		begin_period(s, 0, host_ns);
	}
}

static void give(struct vmrt_engine *e, struct server *s)
{
	if (!s->announced)
		announce(e, s);
	if (s->truncated)
		s->now.outcome = VMRT_PERIOD_TRUNCATED;
	else if (s->tainted || s->uncertainty_ns > PERIOD_UNCERTAINTY_NS)
		s->now.outcome = VMRT_PERIOD_UNKNOWN;
	else if (!s->pub.enforced)
		s->now.outcome = VMRT_PERIOD_UNENFORCED;
	else
		s->now.outcome = s->now.depleted_ns != VMRT_UNKNOWN ? VMRT_PERIOD_DEPLETED
								    : VMRT_PERIOD_SERVED;
	if (e->sink.server_period)
		e->sink.server_period(e->sink.ctx, &s->now);
}

static bool has_priority(const struct server *s, const struct thr *t)
{
	if (s->pub.enforced)
		return s->at_priority;
	return t->prio == FIFO_PRIO(s->pub.priority);
}

static void account(struct server *s, int64_t from, int64_t to)
{
	for (size_t i = 0; i < s->n_members; i++) {
		const struct thr *t = s->members[i];

		if (t->state == THR_READY) {
			s->now.waiting_ns += to - from;
			continue;
		}
		if (t->state != THR_RUNNING)
			continue;
		if (has_priority(s, t))
			s->now.consumed_ns += to - from;
		else
			s->now.background_ns += to - from;
		if (s->now.first_ns == VMRT_UNKNOWN)
			s->now.first_ns = from;
	}
}

void servers_settle(struct vmrt_engine *e, struct server *s, int64_t host_ns)
{
	while (s->active && s->settled_ns < host_ns) {
		int64_t to = host_ns < s->now.end_ns ? host_ns : s->now.end_ns;

		if (to > s->settled_ns)
			account(s, s->settled_ns, to);
		s->settled_ns = to;
		if (to == s->now.end_ns) {
			give(e, s);
			begin_period(s, s->now.k + 1, to);
		}
	}
	if (s->settled_ns < host_ns)
		s->settled_ns = host_ns;
}

static struct server *by_name(struct vmrt_engine *e, const char *name)
{
	for (size_t i = 0; i < e->n_servers; i++)
		if (!strcmp(e->servers[i].pub.name, name))
			return &e->servers[i];
	return NULL;
}

/* An enforcer begins: its own words replace what was declared. */
static void enforce(struct vmrt_engine *e, struct server *s, const char *rest, int64_t host_ns)
{
	int64_t period, budget, priority, t0;
	char word[32];

	if (!mark_number(rest, "period", &period) || !mark_number(rest, "budget", &budget) ||
		!mark_number(rest, "priority", &priority) || !mark_number(rest, "t0", &t0))
		return;
	if (period < LEAST_PERIOD_NS || budget <= 0 || budget > period || priority < 1 || priority > 99)
		return;
	/* nobody enforces a grid that begins much before or after it is announced */
	if (t0 < host_ns - period || t0 > host_ns + FARTHEST_T0_NS)
		return;
	servers_settle(e, s, host_ns);
	if (s->active) {
		s->truncated = true;
		s->now.end_ns = host_ns;
		give(e, s);
	}
	s->pub.period_ns = period;
	s->pub.budget_ns = budget;
	s->pub.priority = (int)priority;
	s->pub.phase_ns = t0;
	s->pub.enforced = true;
	if (mark_text(rest, "depletion", word, sizeof(word)))
		s->pub.depletion = strcmp(word, "hard") ? VMRT_DEPLETION_SOFT : VMRT_DEPLETION_HARD;
	for (size_t i = 0; i < s->n_members && !s->active; i++)
		s->members[i]->former_prio = s->members[i]->prio;
	s->at_priority = false;
	s->active = true;
	/* the time before the first grid point belongs to no period */
	s->first_k = s->announced ? s->now.k + 1 : 0;
	begin_period(s, s->first_k, t0);
	if (t0 > host_ns)
		s->settled_ns = t0;
	else
		s->truncated = t0 < host_ns;
	announce(e, s);
}

static void replenish(struct server *s, const char *rest, int64_t host_ns)
{
	int64_t at;

	s->at_priority = true;
	if (mark_number(rest, "at", &at) && at == s->now.start_ns)
		s->now.replenished_ns = host_ns;
}

void servers_mark(struct vmrt_engine *e, const char *word, const char *rest, int64_t host_ns)
{
	char name[VMRT_NAME_MAX];
	struct server *s;

	if (!mark_text(rest, "server", name, sizeof(name)))
		return;
	s = by_name(e, name);
	if (!s)
		return;
	/* what was waited for until now has the old reason, also where others waited for this server */
	for (size_t i = 1; i < e->config->n_machines; i++)
		blame_settle(&e->machines[i], host_ns);
	if (!strcmp(word, "srv_start")) {
		enforce(e, s, rest, host_ns);
		return;
	}
	if (!s->pub.enforced || !s->active)
		return;
	if (host_ns > s->settled_ns)
		servers_settle(e, s, host_ns);
	if (!strcmp(word, "srv_replenish")) {
		replenish(s, rest, host_ns);
	} else if (!strcmp(word, "srv_deplete")) {
		int64_t k;

		s->at_priority = false;
		/* not if it comes so late that it is about the period before */
		if (!mark_number(rest, "k", &k) || k + s->first_k == s->now.k)
			s->now.depleted_ns = host_ns;
	} else if (!strcmp(word, "srv_stop")) {
		s->truncated = true;
		s->now.end_ns = host_ns;
		give(e, s);
		s->active = false;
		for (size_t i = 0; i < s->n_members; i++)
			s->members[i]->prio = s->members[i]->former_prio;
	}
}

/* A member was switched at some time between the two. Whatever period that touches is uncertain by half. */
void servers_uncertain(struct vmrt_engine *e, struct server *s, int64_t from_ns, int64_t to_ns)
{
	int64_t by = (to_ns - from_ns + 1) / 2;

	if (!s)
		return;
	servers_settle(e, s, from_ns);
	s->uncertainty_ns += by;
	s->uncertain_by_ns = s->uncertain_to_ns > from_ns ? s->uncertain_by_ns + by : by;
	if (s->uncertain_to_ns < to_ns)
		s->uncertain_to_ns = to_ns;
}

/* A member "ran" on a CPU that did not, as far as the present period is concerned. */
void servers_steal(struct server *s, int64_t from_ns, int64_t to_ns)
{
	if (from_ns < s->now.start_ns)
		from_ns = s->now.start_ns;
	if (s->active && to_ns > from_ns)
		s->now.steal_ns += to_ns - from_ns;
}

/* Host events were lost between the two. Periods that are over by @from_ns are not concerned. */
void servers_taint(struct vmrt_engine *e, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		servers_settle(e, &e->servers[i], from_ns);
		e->servers[i].tainted = true;
		e->servers[i].loss_to_ns = to_ns;
	}
}

void servers_finish(struct vmrt_engine *e, int64_t end_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		if (end_ns > s->settled_ns)
			servers_settle(e, s, end_ns);
		if (s->active && s->now.start_ns < end_ns) {
			s->truncated = true;
			give(e, s);
		}
		if (!s->announced)
			announce(e, s);
		s->active = false;
	}
}
