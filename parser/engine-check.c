/* SPDX-License-Identifier: MIT */
/* What the checker is told of servers: which of them can be checked, how exactly, and when nothing can change any more. */
#include "engine.h"

#include <stdlib.h>

/*
 * A user-level enforcer acts some time after the instant: up to here it is as good as it can be expected
 * to be. The kernel looks at budgets when it ticks, and hands CFS quota out in slices.
 */
#define ENFORCER_TOLERANCE_NS (250 * VMRT_NS_PER_US)
#define TICK_NS (4 * VMRT_NS_PER_MS)
#define CFS_SLICE_NS (5 * VMRT_NS_PER_MS)
#define ITERATIONS 1000

static int64_t tolerance_of(const struct vmrt_engine *e, const struct server *s)
{
	const struct vmrt_experiment *exp = e->config->experiment;
	int64_t tick = exp && exp->tick_ns ? exp->tick_ns : TICK_NS;

	if (!vmrt_policy_by_kernel(s->pub.policy))
		return ENFORCER_TOLERANCE_NS;
	return ENFORCER_TOLERANCE_NS + tick +
		(s->pub.policy == VMRT_POLICY_CFS_QUOTA ? CFS_SLICE_NS : 0);
}

static void on_violation(void *ctx, const struct vmrt_violation *violation)
{
	const struct server *s = ctx;

	if (s->engine->sink.violation)
		s->engine->sink.violation(s->engine->sink.ctx, violation);
}

/* An enforcer may have come and gone several times. */
static void on_check(void *ctx, const struct vmrt_check *check)
{
	struct server *s = ctx;
	struct vmrt_check *sum = &s->counts[check->rule];

	if (!sum->judged || (check->judged && check->worst_ns > sum->worst_ns)) {
		sum->worst_ns = check->worst_ns;
		sum->worst_at_ns = check->worst_at_ns;
		sum->tolerance_ns = check->tolerance_ns;
	}
	sum->server = check->server;
	sum->rule = check->rule;
	sum->judged += check->judged;
	sum->unknown += check->unknown;
	sum->violations += check->violations;
}

void check_finish(struct server *s)
{
	check_end(s);
	for (int r = 0; r < VMRT_RULES; r++)
		if ((s->counts[r].judged || s->counts[r].unknown) && s->engine->sink.check)
			s->engine->sink.check(s->engine->sink.ctx, &s->counts[r]);
}

void check_begin(struct vmrt_engine *e, struct server *s, int64_t from_ns)
{
	struct checker_config config = {
		.server = s->pub.id,
		.policy = s->pub.policy,
		.period_ns = s->pub.period_ns,
		.budget_ns = s->pub.budget_ns,
		.tolerance_ns = tolerance_of(e, s),
		.grid = s->pub.phase == VMRT_PHASE_MARKER || s->pub.phase == VMRT_PHASE_TIMER,
		.enforced = s->pub.enforced,
		.ctx = s,
		.violation = on_violation,
		.check = on_check,
	};

	if (s->pub.policy == VMRT_POLICY_NONE || s->pub.period_ns <= 0 || s->pub.budget_ns <= 0)
		return;
	/* what nobody enforces cannot be violated */
	if (!s->pub.enforced && !vmrt_policy_by_kernel(s->pub.policy))
		return;
	s->checker = checker_new(&config, from_ns);
	if (!s->checker)
		e->out_of_memory = true;
	if (s->checker && s->loss_to_ns != VMRT_UNKNOWN && s->loss_to_ns > from_ns)
		checker_doubt(s->checker, from_ns, s->loss_to_ns);
}

void check_end(struct server *s)
{
	if (!s->checker)
		return;
	checker_finish(s->checker);
	checker_free(s->checker);
	s->checker = NULL;
}

static bool above(const struct server *other, const struct server *s)
{
	return other->pub.priority >= s->pub.priority && (other->cpus & s->cpus);
}

/* Is every server's budget sure to be there by the end of its period, by the sum of the bandwidths? */
static bool fits(const struct vmrt_engine *e, const struct server *s)
{
	double sum = 0;

	for (size_t i = 0; i < e->n_servers; i++) {
		const struct server *o = &e->servers[i];

		if (o == s || (o->active && o->pub.period_ns > 0 && (o->cpus & s->cpus)))
			sum += (double)o->pub.budget_ns / (double)o->pub.period_ns;
	}
	return sum <= 1;
}

/*
 * The least R with R = budget + sum over the servers above on the same CPUs of ceil((R + J) / period) budget, where J,
 * period - budget, is for servers that may keep their budget until the end of a period.
 */
static int64_t response(const struct vmrt_engine *e, const struct server *s)
{
	int64_t last = 0, now = s->pub.budget_ns;

	for (int i = 0; i < ITERATIONS && now != last && now <= s->pub.period_ns; i++) {
		last = now;
		now = s->pub.budget_ns;
		for (size_t o = 0; o < e->n_servers; o++) {
			const struct vmrt_server *x = &e->servers[o].pub;
			int64_t jitter = x->policy == VMRT_POLICY_PERIODIC ? 0 : x->period_ns - x->budget_ns;

			if (&e->servers[o] == s || !e->servers[o].active || x->period_ns <= 0 ||
				!above(&e->servers[o], s))
				continue;
			now += (last + jitter + x->period_ns - 1) / x->period_ns * x->budget_ns;
			if (now > s->pub.period_ns)
				break;
		}
	}
	return now == last ? now : VMRT_UNKNOWN;
}

int64_t check_safe_ns(const struct vmrt_engine *e)
{
	const struct machine *host = &e->machines[0];
	int64_t safe = INT64_MAX;

	for (unsigned c = 0; c < host->n_cpus; c++)
		if (!host->cpus[c].ended && host->cpus[c].last_ns != VMRT_UNKNOWN &&
			host->cpus[c].last_ns < safe)
			safe = host->cpus[c].last_ns;
	return safe == INT64_MAX ? VMRT_UNKNOWN : safe;
}

void check_period(struct vmrt_engine *e, struct server *s, bool whole)
{
	int64_t by;

	if (!s->checker)
		return;
	if (s->pub.policy == VMRT_POLICY_EDF || vmrt_policy_by_kernel(s->pub.policy))
		by = fits(e, s) ? s->pub.period_ns : VMRT_UNKNOWN;
	else
		by = response(e, s);
	checker_period(s->checker, s->now.start_ns, whole, by);
	checker_safe(s->checker, check_safe_ns(e));
}

/* Does @t, which is ready and has budget, wait for a thread that is below its server? */
static bool waits_for_lower(const struct vmrt_engine *e, const struct server *s, const struct thr *t)
{
	const struct machine *host = &e->machines[0];
	const struct cpu *cpu = &host->cpus[t->cpu];
	int limit = FIFO_PRIO(s->pub.priority), prio;

	if (t->cpu >= host->n_cpus || !cpu->known || cpu->pid == t->pub.tid)
		return false;
	prio = cpu->prio;
	if (cpu->thr && cpu->thr->server && cpu->thr->server->pub.enforced)
		prio = servers_depleted(cpu->thr->server) ? FIRST_FAIR_PRIO
							  : FIFO_PRIO(cpu->thr->server->pub.priority);
	if (s->pub.policy == VMRT_POLICY_EDF)
		limit = FIRST_FAIR_PRIO - 1;
	return prio > limit;
}

void check_supply(
	const struct vmrt_engine *e, const struct server *s, const struct thr *t, struct checker_supply *sum)
{
	if (!sum->eligible || t->state != THR_READY || !waits_for_lower(e, s, t))
		return;
	sum->lower = true;
	/* a real-time thread does not wait for an ordinary one unless the kernel has it so */
	sum->kernels |= gap_open(e, t) && e->machines[0].cpus[t->cpu].pid != 0;
}
