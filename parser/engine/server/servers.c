/* SPDX-License-Identifier: MIT */
/*
 * The declared servers: made, asked, doubted, finished.
 *
 * Where an enforcer wrote markers (server/enforcer.c), the grid of a server's periods is its own.
 * Where nobody enforced, the declared grid is laid over the recording (server/supply.c), by the
 * kernel's period timer (server/grid.c) or the phase that fits best (server/phase.c), and the
 * priority seen at the members' switches decides.
 */
#include "servers.h"

#include <stdio.h>
#include <stdlib.h>

/* So long a thread runs at most between its wake-up for a signal and the stop. */
#define NUDGED_RUN_NS (50 * VMRT_NS_PER_US)

bool servers_depleted(const struct server *s)
{
	return s && s->pub.enforced && s->active && !s->at_priority;
}

/* Are the members at their priority because an enforcer says so? */
bool servers_has_budget(const struct server *s)
{
	return s && s->pub.enforced && s->active && s->at_priority;
}

/* It slept, was woken while its server has no budget, and has not run since: if its enforcer woke
 * it, then to stop it. */
static bool is_to_be_stopped(const struct server *s, const struct thread *t)
{
	return t->state == THREAD_READY && t->woken_ns != VMRT_UNKNOWN &&
	       s->pub.depletion == VMRT_DEPLETION_HARD && servers_depleted(s);
}

/* So short as the run of a thread that was woken up to be stopped, as far as it is recorded. */
static bool last_run_was_short(const struct thread *t)
{
	return t->last_out_ns != VMRT_UNKNOWN && t->last_out_ns - t->start_ns < NUDGED_RUN_NS;
}

/*
 * Was @t woken up only to be stopped? A thread that slept when its enforcer stopped it does not
 * want to run. Who the enforcer is may become known by a marker behind that. Kernels before 4.3 do
 * not say who wakes a thread on another CPU: then one that stops as soon as it runs was woken for
 * that.
 */
bool servers_nudged(const struct server *s, const struct thread *t)
{
	if (!t->suspended && !is_to_be_stopped(s, t))
		return false;
	if (t->waker || s->engine->machines[0].has_wakings)
		return t->waker > 0 && t->waker == s->enforcer;
	return t->suspended && last_run_was_short(t);
}

/* May it have been, though nothing shows who woke it? That may have been before the recording
 * began. */
bool servers_may_be_nudged(const struct server *s, const struct thread *t)
{
	if (t->suspended)
		return !t->waker && last_run_was_short(t);
	return is_to_be_stopped(s, t) && !t->waker && !s->engine->machines[0].has_wakings;
}

/* Does a vCPU thread wait or run at a real-time priority? Its priority may have changed since a
 * switch showed. */
bool servers_real_time(const struct thread *t)
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

		s->engine = e;
		s->pub.id = (uint32_t)i;
		snprintf(s->pub.name, sizeof(s->pub.name), "%s", spec->name);
		s->pub.vm = VMRT_NONE;
		s->pub.vcpu = spec->vcpu;
		s->pub.policy = spec->policy;
		s->pub.depletion = spec->depletion;
		s->pub.period_ns = spec->period_ns;
		s->pub.budget_ns = spec->budget_ns;
		s->pub.priority = spec->priority;
		s->pub.phase_ns = VMRT_UNKNOWN;
		s->loss_to_ns = s->point_ns = s->blackout_from_ns = VMRT_UNKNOWN;
		s->early_ns = VMRT_UNKNOWN;
		s->refill.period_ns = VMRT_UNKNOWN;
		if (!server_find_members(e, s, spec))
			return vmrt_fail(err, VMRT_ENOMEM, "engine: out of memory"), false;
	}
	return true;
}

void server_announce(struct vmrt_engine *e, struct server *s)
{
	s->announced = true;
	if (e->sink.server)
		e->sink.server(e->sink.ctx, &s->pub);
}

void servers_begin(struct vmrt_engine *e, int64_t host_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		/* an enforcer's own grid is waited for, where there is one to come */
		bool marked = e->config->hsf && s->pub.policy != VMRT_POLICY_NONE &&
			      !vmrt_policy_by_kernel(s->pub.policy);

		s->settled_ns = host_ns;
		s->awaits_marks = marked;
		if (s->pub.period_ns <= 0)
			continue;
		s->fit = phase_new(host_ns, s->pub.period_ns);
		if (!s->fit)
			e->out_of_memory = true;
		else if (s->loss_to_ns != VMRT_UNKNOWN)
			phase_loss(s->fit, host_ns, s->loss_to_ns);
	}
}

/* Another thread gets @cpu, on which members may wait. */
void servers_waiters(struct vmrt_engine *e, unsigned cpu, int64_t host_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		if (s->checker && s->n_members && check_watches(s, cpu))
			servers_settle(e, s, host_ns);
	}
}

/* Host events were lost between the two. Periods that are over by @from_ns are not concerned. */
void servers_lost(struct vmrt_engine *e, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		servers_settle(e, s, from_ns);
		if (s->fit)
			phase_loss(s->fit, from_ns, to_ns);
		s->touched = true;
		if (s->loss_to_ns == VMRT_UNKNOWN || to_ns > s->loss_to_ns)
			s->loss_to_ns = to_ns;
		/* what it would have said, or when the kernel began a period */
		s->unsure = s->pub.enforced;
		s->slept |= vmrt_policy_by_kernel(s->pub.policy);
	}
}

/* Nothing certain is known of what went on on the host from @from_ns to @to_ns. */
void servers_unsure(struct vmrt_engine *e, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		periods_unsure(&e->servers[i], from_ns, to_ns);
		if (e->servers[i].checker)
			checker_unsure(e->servers[i].checker, from_ns, to_ns);
	}
}

/* Events of @cpu were lost: members that waited there may have run since then, and slept. */
void servers_forget(struct vmrt_engine *e, unsigned cpu, int64_t host_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		for (size_t m = 0; m < s->n_seen; m++) {
			struct thread *t = s->seen[m];

			if (t->state != THREAD_READY || t->cpu != cpu)
				continue;
			cpus_lose_track(&e->machines[0], t, host_ns);
		}
	}
}

/* Or on one CPU: it concerns servers whose members are there. */
void servers_unsure_cpu(struct vmrt_engine *e, unsigned cpu, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		for (size_t m = 0; s->checker && m < s->n_seen; m++) {
			const struct thread *t = s->seen[m];

			if (t->cpu != cpu ||
				(t->state != THREAD_RUNNING && t->state != THREAD_READY &&
					t->last_out_ns < from_ns))
				continue;
			checker_unsure(s->checker, from_ns, to_ns);
			break;
		}
	}
}

void servers_finish(struct vmrt_engine *e, int64_t end_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		if (end_ns > s->settled_ns)
			servers_settle(e, s, end_ns);
		if (s->fit && !s->awaits_marks)
			server_lay_grid(
				e, s, phase_fit(s->fit, s->pub.period_ns), VMRT_PHASE_FITTED, 0);
		if (s->active && s->now.start_ns < end_ns) {
			s->truncated = true;
			server_close_period(e, s);
		}
		if (!s->announced)
			server_announce(e, s);
		s->active = false;
		/* where switches are missing, one may be behind which nothing is recorded */
		if (e->machines[0].stats.broken_chains)
			periods_unsure(s, e->machines[0].stats.last_ns, INT64_MAX);
		periods_release(s, INT64_MAX);
		if (s->curve)
			curve_finish(s->curve, s->pub.id, &e->sink);
		check_finish(s);
	}
}

void servers_free(struct vmrt_engine *e)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		phase_free(e->servers[i].fit);
		curve_free(e->servers[i].curve);
		free(e->servers[i].held);
		checker_free(e->servers[i].checker);
		free(e->servers[i].members);
		free(e->servers[i].seen);
	}
	free(e->servers);
}
