/* SPDX-License-Identifier: MIT */
/* What the checker gets of servers: which of them can be checked, how exactly, and when nothing
 * can change any more. */
#include "server.h"

#include <stdlib.h>

/*
 * A user-level enforcer acts some time after the instant: up to here it is as good as it can be
 * expected to be. The kernel looks at budgets when it ticks, and hands CFS quota out in slices.
 */
#define ENFORCER_TOLERANCE_NS (250 * VMRT_NS_PER_US)
#define TICK_NS (4 * VMRT_NS_PER_MS)
#define CFS_SLICE_NS (5 * VMRT_NS_PER_MS)
#define ITERATIONS 1000
/* The order of a marker and a switch on another CPU is not known so well where record clocks are
 * mapped. */
#define MARK_NOISE_NS (20 * VMRT_NS_PER_US)
/* Between the raising of the members and the marker. */
#define UNSEEN_CPU 0 /* where a thread is taken to be that no event has shown */
#define RAISED_BEFORE_NS (100 * VMRT_NS_PER_US)

static int64_t tick_of(const struct vmrt_engine *e)
{
	const struct vmrt_experiment *exp = e->config->experiment;

	return exp && exp->tick_ns ? exp->tick_ns : TICK_NS;
}

static int64_t tolerance_of(const struct vmrt_engine *e, const struct server *s)
{
	int64_t tick = tick_of(e);

	if (!vmrt_policy_by_kernel(s->pub.policy))
		return ENFORCER_TOLERANCE_NS;
	if (s->pub.policy == VMRT_POLICY_CFS_QUOTA)
		tick += CFS_SLICE_NS;
	/* an overrun larger than the budget is paid with several budgets at once, which may be
	 * overrun again */
	else if (s->pub.budget_ns < tick)
		tick *= 2;
	/* on each CPU that they may be on */
	return ENFORCER_TOLERANCE_NS + (int64_t)s->n_members * tick;
}

static void put_late(struct server *s);

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
		.others_charged = s->others_charged,
		.joined = s->late,
		.members = (int)s->n_members,
		.reservations = s->pub.policy == VMRT_POLICY_DEADLINE ? (int)s->n_members : 0,
		.ctx = s,
		.violation = on_violation,
		.check = on_check,
	};

	/* each thread has periods of its own */
	if (config.reservations > 1)
		config.grid = false;
	if (s->pub.policy == VMRT_POLICY_NONE || s->pub.period_ns <= 0 || s->pub.budget_ns <= 0)
		return;
	/* what nobody enforces cannot be violated */
	if (!s->pub.enforced && !vmrt_policy_by_kernel(s->pub.policy))
		return;
	s->checker = checker_new(&config, from_ns);
	if (!s->checker)
		e->out_of_memory = true;
	if (s->checker && s->loss_to_ns != VMRT_UNKNOWN && s->loss_to_ns > from_ns)
		checker_unsure(s->checker, from_ns, s->loss_to_ns);
}

void check_end(struct server *s)
{
	if (!s->checker)
		return;
	put_late(s);
	checker_finish(s->checker);
	checker_free(s->checker);
	s->checker = NULL;
}

static bool above(const struct server *other, const struct server *s)
{
	return other->pub.priority >= s->pub.priority && (other->cpus & s->cpus);
}

/*
 * Under EDF, is the budget sure to be there by the end of the period? In an interval of its length
 * each other server on the same CPUs has at most floor(length / period) + 1 budgets to be used by
 * then, which may all come late.
 */
static bool fits(const struct vmrt_engine *e, const struct server *s)
{
	int64_t sum = s->pub.budget_ns;

	for (size_t i = 0; i < e->n_servers && sum <= s->pub.period_ns; i++) {
		const struct vmrt_server *o = &e->servers[i].pub;

		if (&e->servers[i] != s && e->servers[i].active && o->period_ns > 0 &&
			(e->servers[i].cpus & s->cpus))
			sum += (s->pub.period_ns / o->period_ns + 1) * o->budget_ns;
	}
	return sum <= s->pub.period_ns;
}

/* Others whose overruns the kernel notices late take from what it should have by the end of its
 * period. */
static int count_company(const struct vmrt_engine *e, const struct server *s)
{
	int n = 0;

	for (size_t i = 0; i < e->n_servers; i++)
		n += &e->servers[i] != s && (e->servers[i].cpus & s->cpus);
	return n;
}

/*
 * The least R with R = budget + sum over the servers above on the same CPUs of ceil((R + J) /
 * period) budget, where J, period - budget, is for servers that may keep their budget until the end
 * of a period.
 */
static int64_t response(const struct vmrt_engine *e, const struct server *s)
{
	int64_t last = 0, now = s->pub.budget_ns;

	/* where others are is not known before they have run */
	for (size_t o = 0; o < e->n_servers; o++)
		if (e->servers[o].active && !e->servers[o].cpus)
			return VMRT_UNKNOWN;
	for (int i = 0; i < ITERATIONS && now != last && now <= s->pub.period_ns; i++) {
		last = now;
		now = s->pub.budget_ns;
		for (size_t o = 0; o < e->n_servers; o++) {
			const struct vmrt_server *x = &e->servers[o].pub;
			int64_t jitter =
				x->policy == VMRT_POLICY_PERIODIC ? 0 : x->period_ns - x->budget_ns;

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

/* Up to here nothing that @cpu records can change. Its last records may be the first ones of an
 * expiry that shows that the CPU did not run before them. */
static int64_t safe_on(const struct cpu *cpu)
{
	const struct cancelled *cancelled =
		cpu->n_cancelled ? &cpu->cancelled[cpu->n_cancelled - 1] : NULL;
	int64_t first_ns, last = timers_before_expiry(cpu, cancelled, &first_ns);

	/* the host's own clock is the time of all */
	return last != VMRT_UNKNOWN && last < cpu->last_ns ? last : cpu->last_ns;
}

int64_t check_safe_ns(const struct vmrt_engine *e)
{
	const struct machine *host = &e->machines[0];
	int64_t safe = INT64_MAX;

	for (unsigned c = 0; c < host->n_cpus; c++) {
		const struct cpu *cpu = &host->cpus[c];

		if (!cpu->ended && cpu->last_ns != VMRT_UNKNOWN && safe_on(cpu) < safe)
			safe = safe_on(cpu);
	}
	return safe == INT64_MAX ? VMRT_UNKNOWN : safe;
}

/* Has the kernel given the budget of the period in progress, and how late? Its timer may expire in
 * a thread that has to wait for the CPU. */
void check_refilled(struct server *s)
{
	bool known = s->refill.period_ns == s->now.start_ns;

	if (s->checker &&
		(s->pub.policy == VMRT_POLICY_CFS_QUOTA || s->pub.policy == VMRT_POLICY_RT_GROUP))
		checker_late(s->checker, known ? s->refill.late_ns : s->pub.period_ns);
}

void check_period(struct vmrt_engine *e, struct server *s, bool whole)
{
	int64_t by;

	if (!s->checker)
		return;
	if (vmrt_policy_by_kernel(s->pub.policy))
		by = count_company(e, s) ? VMRT_UNKNOWN : s->pub.period_ns;
	else if (s->pub.policy == VMRT_POLICY_EDF)
		by = fits(e, s) ? s->pub.period_ns : VMRT_UNKNOWN;
	else
		by = response(e, s);
	if (s->pub.policy == VMRT_POLICY_DEADLINE)
		checker_company(s->checker, 2 * tick_of(e) * count_company(e, s));
	checker_width(s->checker, __builtin_popcountll(s->cpus));
	put_late(s);
	check_runs_on(s, s->now.start_ns);
	checker_period(s->checker, s->now.start_ns, whole, by);
	check_refilled(s);
	checker_safe(s->checker, check_safe_ns(e));
}

/* When the period ends that @s is in at @ns; it may be settled behind that, or not so far. */
static int64_t deadline_at(const struct server *s, int64_t ns)
{
	int64_t late = ns - s->now.end_ns, period = s->pub.period_ns;

	if (late >= 0)
		return s->now.end_ns + (late / period + 1) * period;
	if (ns < s->now.start_ns)
		return s->now.end_ns - (s->now.start_ns - ns + period - 1) / period * period;
	return s->now.end_ns;
}

static bool has_later_deadline(const struct server *other, const struct server *s)
{
	return other && other != s && other->pub.policy == VMRT_POLICY_EDF &&
	       servers_has_budget(other) &&
	       deadline_at(other, s->settled_ns) > deadline_at(s, s->settled_ns);
}

/* Does @t, which is ready and has budget, wait for a thread that is below its server? */
static bool waits_for_lower(
	const struct vmrt_engine *e, const struct server *s, const struct thread *t)
{
	const struct machine *host = &e->machines[0];
	const struct cpu *cpu = &host->cpus[t->cpu];
	int limit = FIFO_PRIO(s->pub.priority), prio;

	if (t->cpu >= host->n_cpus || !cpu->known || cpu->pid == t->pub.tid)
		return false;
	prio = cpu->prio;
	if (cpu->thread && cpu->thread->server && cpu->thread->server->pub.enforced)
		prio = servers_depleted(cpu->thread->server)
			       ? FIRST_FAIR_PRIO
			       : FIFO_PRIO(cpu->thread->server->pub.priority);
	if (s->pub.policy == VMRT_POLICY_EDF && cpu->thread &&
		has_later_deadline(cpu->thread->server, s))
		return true;
	if (s->pub.policy == VMRT_POLICY_EDF)
		limit = FIRST_FAIR_PRIO - 1;
	return prio > limit;
}

/* Is a member of @s there, or was last? */
static bool has_member_on(const struct server *s, unsigned cpu)
{
	if (s->n_seen < s->n_members && cpu == UNSEEN_CPU)
		return true;
	for (size_t i = 0; i < s->n_seen; i++)
		if (s->seen[i]->cpu == cpu)
			return true;
	return false;
}

/* Could a server above @s have @cpu now? One that idles has it, too, if its budget passes with
 * time. */
static bool is_taken(const struct vmrt_engine *e, const struct server *s, unsigned index)
{
	const struct cpu *cpu = &e->machines[0].cpus[index];

	if (!cpu->known)
		return true;
	if (cpu->pid && !(cpu->thread && cpu->thread->server == s) &&
		cpu->prio <= FIFO_PRIO(s->pub.priority))
		return true;
	for (size_t i = 0; i < e->n_servers; i++) {
		const struct server *o = &e->servers[i];
		/* of one that was enforced before anybody looked, or behind a loss, nothing has
		 * been said yet */
		bool silent = o->unsure || (s->late && !(o->pub.enforced && o->active));

		if (o == s || o->pub.priority < s->pub.priority ||
			o->pub.policy != VMRT_POLICY_PERIODIC || !(silent || servers_has_budget(o)))
			continue;
		if (has_member_on(o, index))
			return true;
	}
	return false;
}

/* Is it certain that the CPUs of @s are its own, whether or not it has work for them? */
bool check_selected(const struct vmrt_engine *e, const struct server *s)
{
	if (s->pub.policy != VMRT_POLICY_PERIODIC && s->pub.policy != VMRT_POLICY_POLLING)
		return false;
	if (s->n_seen < s->n_members && (!e->machines[0].n_cpus || is_taken(e, s, UNSEEN_CPU)))
		return false;
	for (size_t i = 0; i < s->n_seen; i++)
		if (s->seen[i]->cpu >= e->machines[0].n_cpus || is_taken(e, s, s->seen[i]->cpu))
			return false;
	return s->n_members > 0 && servers_has_budget(s);
}

/* Does it matter to @s, which has members and a checker, who has @cpu? */
bool check_watches(const struct server *s, unsigned cpu)
{
	bool passes = s->pub.policy == VMRT_POLICY_PERIODIC || s->pub.policy == VMRT_POLICY_POLLING;

	if (passes)
		return has_member_on(s, cpu);
	for (size_t m = 0; m < s->n_seen; m++)
		if (s->seen[m]->cpu == cpu && s->seen[m]->state == THREAD_READY)
			return true;
	return false;
}

static void forbid(const struct server *s, const struct thread *t, int64_t to_ns)
{
	int64_t from = t->start_ns > s->out_ns ? t->start_ns : s->out_ns;

	checker_forbidden(s->checker, from > t->forbidden_to_ns ? from : t->forbidden_to_ns, to_ns);
}

/* What a run out of budget consumed, before another period begins: it belongs to this one. */
void check_ran_over(struct server *s)
{
	if (s->late_to_ns && s->over_from_ns < s->late_to_ns)
		server_ran_over(s, s->over_from_ns, s->late_to_ns);
	s->over_from_ns = s->late_to_ns;
}

/* A run out of budget that no replenishment explains. */
static void put_late(struct server *s)
{
	check_ran_over(s);
	if (s->checker && s->late_to_ns)
		checker_forbidden(s->checker, s->late_from_ns, s->late_to_ns);
	s->late_to_ns = s->over_from_ns = 0;
}

/*
 * The run of @t ends, of which its priority at the end is known now. If that is a real-time one, it
 * was so since the members are out of budget.
 */
void check_run_ends(struct thread *t, int64_t host_ns)
{
	struct server *s = t->server;
	int64_t from;
	bool over = t->prio < FIRST_FAIR_PRIO && !t->boosted;

	t->unraised = s && s->checker && servers_has_budget(s) && t->prio >= FIRST_FAIR_PRIO;
	if (!servers_depleted(s) || t->state != THREAD_RUNNING || t->start_truncated)
		return;
	/* periods that have ended meanwhile have had their part */
	servers_settle(s->engine, s, host_ns);
	from = t->start_ns > s->out_ns ? t->start_ns : s->out_ns;
	if (s->pub.depletion == VMRT_DEPLETION_HARD) {
		if (over)
			server_ran_over(s, from, host_ns);
		if (s->checker)
			forbid(s, t, host_ns);
	} else if (over) {
		put_late(s);
		s->over_from_ns = from;
		s->late_from_ns = t->forbidden_to_ns > from ? t->forbidden_to_ns : from;
		s->late_to_ns = host_ns;
		s->late_cpu = t->cpu;
	}
}

/*
 * The enforcer raises its members and says so afterwards: one that has left another CPU in between
 * bore the priority of its next budget. On its own CPU none runs until it has said so.
 */
void check_raised(struct server *s, int64_t host_ns)
{
	const struct machine *host = &s->engine->machines[0];
	bool own = s->late_cpu < host->n_cpus && host->cpus[s->late_cpu].known &&
		   host->cpus[s->late_cpu].pid == s->enforcer;

	if (own || host_ns - s->late_to_ns > RAISED_BEFORE_NS)
		put_late(s);
	s->late_to_ns = s->over_from_ns = 0;
}

/* @t is seen for the first time. */
void check_appears(const struct thread *t, int64_t host_ns)
{
	if (t->server && t->server->checker)
		checker_appears(t->server->checker, host_ns);
}

/* A member begins to run. Has the enforcer raised it? */
void check_run_begins(struct thread *t)
{
	const struct server *s = t->server;

	t->unraised = s && s->checker && servers_has_budget(s) && t->prio >= FIRST_FAIR_PRIO;
	if (t->unraised)
		checker_not_raised(s->checker);
}

/* Members run on into another period, or into new budget. What they began at a real-time priority,
 * they had it in. */
void check_runs_on(struct server *s, int64_t host_ns)
{
	for (size_t i = 0; s->checker && servers_depleted(s) && i < s->n_seen; i++) {
		struct thread *t = s->seen[i];
		bool known = t->start_ns >= s->out_ns + MARK_NOISE_NS &&
			     t->begun_prio < FIRST_FAIR_PRIO && !t->boosted;

		if (t->state != THREAD_RUNNING || t->start_truncated)
			continue;
		if (s->pub.depletion == VMRT_DEPLETION_HARD || known) {
			forbid(s, t, host_ns);
			t->forbidden_to_ns = host_ns;
		}
	}
}

void check_supply(const struct vmrt_engine *e, const struct server *s, const struct thread *t,
	struct checker_supply *sum)
{
	const struct cpu *cpu = &e->machines[0].cpus[t->cpu];

	if (!sum->eligible || t->state != THREAD_READY || t->cpu >= e->machines[0].n_cpus)
		return;
	sum->yields |= cpu->known && cpu->thread && cpu->thread->server != s &&
		       servers_has_budget(cpu->thread->server);
	if (!waits_for_lower(e, s, t))
		return;
	sum->lower = true;
	/* a real-time thread does not wait for an ordinary one unless the kernel has it so */
	sum->kernels |= !t->unraised && gap_open(e, t) && e->machines[0].cpus[t->cpu].pid != 0;
}
