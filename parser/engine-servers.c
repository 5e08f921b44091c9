/* SPDX-License-Identifier: MIT */
/*
 * Server periods: what the members of a server got in each period of its grid.
 *
 * Where an enforcer wrote markers, the grid is its own and the members are "at priority" from each
 * replenishment to the depletion. Where nobody enforced, the declared grid is laid over the recording,
 * by the kernel's period timer or the phase that fits best, and the priority seen at the members' switches
 * decides.
 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_PERIOD_NS (50 * VMRT_NS_PER_US) /* shorter ones in markers are not believed */
#define FARTHEST_T0_NS (100 * VMRT_NS_PER_S)
/* Between the arming of a throttled thread's timer and its switch. */
#define THROTTLE_LATE_NS (200 * VMRT_NS_PER_US)
/* A group's timer may be idle for so many periods and still be known by its rhythm. */
#define RHYTHM_PERIODS 4

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

/* Is @vm what @pattern names: NAME, NAME:N for its vCPU N alone, or pid:N? @vcpu: which one, or -1 for all. */
static bool names_vm(const char *pattern, const struct vmrt_engine_vm *vm, int *vcpu)
{
	size_t len = strlen(vm->name);
	int64_t number;

	*vcpu = -1;
	if (!strcmp(pattern, vm->name))
		return true;
	if (!strncmp(pattern, "pid:", 4) && vmrt_parse_int(pattern + 4, 1, INT32_MAX, &number) == VMRT_OK) {
		for (size_t t = 0; t < vm->n_threads; t++)
			if (vm->threads[t].tid == number)
				return true;
		return false;
	}
	if (strncmp(pattern, vm->name, len) != 0 || pattern[len] != ':' ||
		vmrt_parse_int(pattern + len + 1, 0, UINT16_MAX, &number) != VMRT_OK)
		return false;
	*vcpu = (int)number;
	return true;
}

/* The members of a server are the vCPU threads of its VM; each belongs to one server. */
static bool find_members(struct vmrt_engine *e, struct server *s, const char *pattern)
{
	for (size_t v = 0; v < e->config->n_vms; v++) {
		const struct vmrt_engine_vm *vm = &e->config->vms[v];
		int vcpu;

		if (s->members || !names_vm(pattern, vm, &vcpu))
			continue;
		s->pub.vm = (uint32_t)v;
		s->members = calloc(vm->n_threads ? vm->n_threads : 1, sizeof(*s->members));
		if (!s->members)
			return false;
		for (size_t t = 0; t < vm->n_threads; t++) {
			struct thr *thr;

			if (vm->threads[t].role != VMRT_ROLE_VCPU ||
				(vcpu >= 0 && vm->threads[t].vcpu != vcpu))
				continue;
			thr = threads_find(&e->machines[0], vm->threads[t].tid);
			if (thr && !thr->server) {
				thr->server = s;
				s->members[s->n_members++] = thr;
			}
		}
	}
	return true;
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
		s->pub.policy = spec->policy;
		s->pub.depletion = spec->depletion;
		s->pub.period_ns = spec->period_ns;
		s->pub.budget_ns = spec->budget_ns;
		s->pub.priority = spec->priority;
		s->pub.phase_ns = VMRT_UNKNOWN;
		s->loss_to_ns = VMRT_UNKNOWN;
		if (!find_members(e, s, spec->vm))
			return vmrt_fail(err, VMRT_ENOMEM, "engine: out of memory"), false;
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
	bool whole = !s->truncated;

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
	if (!s->checker)
		check_begin(s->engine, s, start_ns);
	check_period(s->engine, s, whole);
	periods_release(s, check_safe_ns(s->engine));
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
		s->fit = phase_new(host_ns, s->pub.period_ns);
		if (!s->fit)
			e->out_of_memory = true;
		else if (s->loss_to_ns != VMRT_UNKNOWN)
			phase_loss(s->fit, s->loss_to_ns);
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
	periods_hold(s);
}

static bool has_priority(const struct server *s, const struct thr *t)
{
	if (s->pub.enforced)
		return s->at_priority;
	switch (s->pub.policy) {
	case VMRT_POLICY_DEADLINE:
		return t->prio < 0;
	case VMRT_POLICY_RT_GROUP:
		return t->prio >= 0 && t->prio < FIRST_FAIR_PRIO;
	case VMRT_POLICY_CFS_QUOTA:
		return t->prio >= FIRST_FAIR_PRIO;
	default:
		return t->prio == FIFO_PRIO(s->pub.priority);
	}
}

static void look_at(const struct vmrt_engine *e, struct server *s, struct segment *out)
{
	memset(out, 0, sizeof(*out));
	out->supply.eligible = s->pub.enforced && s->at_priority;
	for (size_t i = 0; i < s->n_members; i++) {
		const struct thr *t = s->members[i];

		if (t->state == THR_READY) {
			out->ready++;
			out->supply.wanting++;
			check_supply(e, s, t, &out->supply);
		} else if (t->state == THR_RUNNING) {
			s->cpus |= UINT64_C(1) << (t->cpu & 63);
			out->supply.wanting++;
			if (has_priority(s, t))
				out->supply.served++;
			else
				out->background++;
		} else if (t->suspended) {
			/* stopped by a server, which is no lack of work */
			out->supply.wanting++;
		}
	}
}

static void account(struct server *s, const struct segment *seg, int64_t from, int64_t to)
{
	s->now.waiting_ns += seg->ready * (to - from);
	s->now.consumed_ns += seg->supply.served * (to - from);
	s->now.background_ns += seg->background * (to - from);
	if (s->now.first_ns == VMRT_UNKNOWN && seg->supply.served + seg->background)
		s->now.first_ns = from;
	if (s->checker)
		checker_supply(s->checker, from, to, &seg->supply);
}

/* Puts what went on from settled_ns to the segment's end into periods. */
static void put(struct vmrt_engine *e, struct server *s, const struct segment *seg)
{
	while (s->active && s->settled_ns < seg->to_ns) {
		int64_t to = seg->to_ns < s->now.end_ns ? seg->to_ns : s->now.end_ns;

		if (to > s->settled_ns)
			account(s, seg, s->settled_ns, to);
		s->settled_ns = to;
		if (to == s->now.end_ns) {
			give(e, s);
			begin_period(s, s->now.k + 1, to);
		}
	}
	if (s->settled_ns < seg->to_ns)
		s->settled_ns = seg->to_ns;
}

/* The present period, and those that begin before @to_ns, are uncertain by @by. */
static void uncertain(struct server *s, int64_t by, int64_t from_ns, int64_t to_ns)
{
	s->uncertainty_ns += by;
	s->uncertain_by_ns = s->uncertain_to_ns > from_ns ? s->uncertain_by_ns + by : by;
	if (s->uncertain_to_ns < to_ns)
		s->uncertain_to_ns = to_ns;
}

/* The grid is known from here on: what was kept until now is accounted on it. */
static void lay_grid(struct vmrt_engine *e, struct server *s, int64_t phase_ns, enum vmrt_phase source)
{
	int64_t from = phase_from(s->fit), period = s->pub.period_ns, start = phase_ns;
	struct phase_fit *fit = s->fit;
	const struct segment *seg;

	s->fit = NULL;
	if (phase_ns == VMRT_UNKNOWN) {
		source = VMRT_PHASE_START;
		start = from;
	}
	if (start > from)
		start -= (start - from + period - 1) / period * period;
	s->pub.phase_ns = start;
	s->pub.phase = source;
	s->active = true;
	s->settled_ns = from;
	/* losses from before the first segment taint what follows now, later ones when their time comes */
	if (phase_last(fit))
		s->loss_to_ns = phase_loss_before(fit);
	begin_period(s, 0, start);
	s->truncated = start < from;
	while ((seg = phase_replay(fit))) {
		put(e, s, seg);
		/* as far as it is of this period */
		if (seg->steal_ns)
			s->now.steal_ns += seg->steal_ns < seg->to_ns - s->now.start_ns
				? seg->steal_ns : seg->to_ns - s->now.start_ns;
		if (seg->uncertainty_ns)
			uncertain(s, seg->uncertainty_ns, seg->to_ns, seg->uncertain_to_ns);
		if (seg->loss_to_ns) {
			s->tainted = true;
			s->loss_to_ns = seg->loss_to_ns;
		}
		if (s->checker && (seg->loss_to_ns || seg->uncertainty_ns || seg->steal_ns))
			checker_doubt(s->checker, seg->from_ns, seg->to_ns);
	}
	phase_free(fit);
}

void servers_settle(struct vmrt_engine *e, struct server *s, int64_t host_ns)
{
	struct segment seg;

	if (s->settled_ns >= host_ns)
		return;
	look_at(e, s, &seg);
	seg.from_ns = s->settled_ns;
	seg.to_ns = host_ns;
	if (!s->fit) {
		put(e, s, &seg);
		return;
	}
	s->settled_ns = host_ns;
	if (!phase_add(s->fit, &seg))
		e->out_of_memory = true;
	if (phase_ready(s->fit, host_ns))
		lay_grid(e, s, phase_fit(s->fit, s->pub.period_ns), VMRT_PHASE_FITTED);
}

/* A member begins to run: if it had been made to wait, that may have been for want of budget. */
void servers_start(struct vmrt_engine *e, const struct thr *t, int64_t host_ns)
{
	(void)e;
	if (t->server && t->server->fit && t->state == THR_READY && t->woken_ns == VMRT_UNKNOWN)
		phase_start(t->server->fit, host_ns - t->ready_ns, host_ns, t->server->pub.period_ns);
}

/* Another thread gets @cpu, on which members may wait. */
void servers_waiters(struct vmrt_engine *e, unsigned cpu, int64_t host_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		for (size_t m = 0; s->checker && m < s->n_members; m++) {
			if (s->members[m]->state == THR_READY && s->members[m]->cpu == cpu) {
				servers_settle(e, s, host_ns);
				break;
			}
		}
	}
}

/* The kernel's own word on where a period begins. */
static void on_grid_point(struct vmrt_engine *e, struct server *s, int64_t at)
{
	/* a timer that is said to have expired far from now is no clock */
	if (at > e->now_ns || at < e->now_ns - s->pub.period_ns)
		return;
	if (s->fit) {
		lay_grid(e, s, at, VMRT_PHASE_TIMER);
		return;
	}
	if (!s->active || s->pub.enforced)
		return;
	if (at <= s->settled_ns)
		at += s->pub.period_ns;
	if (at <= s->settled_ns)
		return;
	if (s->pub.phase == VMRT_PHASE_TIMER && at == s->now.end_ns)
		return;
	/* the period in progress ends there, and is not a whole one */
	s->truncated |= at != s->now.end_ns;
	s->now.end_ns = at;
	if (s->pub.phase == VMRT_PHASE_TIMER)
		return;
	s->pub.phase_ns = at;
	s->pub.phase = VMRT_PHASE_TIMER;
	check_end(s); /* the grid it had was a guess */
	announce(e, s);
}

/*
 * A period timer of the kernel has expired. That of a SCHED_DEADLINE thread is armed when the thread is throttled, on its
 * own behalf. A group's is known by its rhythm.
 */
void servers_timer(struct vmrt_engine *e, const struct vmrt_event *ev, const struct timer *timer)
{
	const struct thr *t = threads_find(&e->machines[0], timer->pid);

	if (ev->timer.fn == VMRT_FN_DEADLINE) {
		if (t && t->server && t->server->pub.policy == VMRT_POLICY_DEADLINE &&
			t->state == THR_READY && t->last_out_ns != VMRT_UNKNOWN &&
			t->last_out_ns - timer->since < THROTTLE_LATE_NS &&
			timer->since - t->last_out_ns < THROTTLE_LATE_NS)
			on_grid_point(e, t->server, timer->expires);
		return;
	}
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];
		int64_t since, period = s->pub.period_ns;
		bool rhythm = s->grid_timer.timer &&
			!__builtin_sub_overflow(timer->expires, s->grid_timer.expires_ns, &since) &&
			since > 0 && since / RHYTHM_PERIODS <= period;

		if (s->pub.policy != (ev->timer.fn == VMRT_FN_RT_PERIOD ? VMRT_POLICY_RT_GROUP
									: VMRT_POLICY_CFS_QUOTA))
			continue;
		if (rhythm && s->grid_timer.timer != timer->ptr)
			continue;
		if (rhythm && since % period == 0)
			on_grid_point(e, s, timer->expires);
		s->grid_timer.timer = timer->ptr;
		s->grid_timer.expires_ns = timer->expires;
	}
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
	if (s->fit)
		lay_grid(e, s, phase_fit(s->fit, s->pub.period_ns), VMRT_PHASE_FITTED);
	if (s->active && s->now.start_ns < host_ns) {
		s->truncated = true;
		s->now.end_ns = host_ns;
		give(e, s);
	}
	check_end(s);
	s->pub.period_ns = period;
	s->pub.budget_ns = budget;
	s->pub.priority = (int)priority;
	s->pub.phase_ns = t0;
	s->pub.phase = VMRT_PHASE_MARKER;
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
	int64_t at, budget;

	s->at_priority = true;
	if (!mark_number(rest, "at", &at))
		return;
	if (at == s->now.start_ns)
		s->now.replenished_ns = host_ns;
	if (s->checker && mark_number(rest, "budget", &budget))
		checker_replenished(s->checker, at, budget);
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
	for (size_t i = 0; i < e->config->n_machines; i++)
		blame_settle(&e->machines[i], host_ns);
	if (!strcmp(word, "srv_start")) {
		enforce(e, s, rest, host_ns);
		return;
	}
	if (!s->pub.enforced || !s->active)
		return;
	/* members of other servers may wait for this one's */
	for (size_t i = 0; i < e->n_servers; i++)
		servers_settle(e, &e->servers[i], host_ns);
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
		check_end(s);
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
	if (!s->fit) {
		uncertain(s, by, from_ns, to_ns);
	} else if (phase_last(s->fit)) {
		phase_last(s->fit)->uncertainty_ns += by;
		if (phase_last(s->fit)->uncertain_to_ns < to_ns)
			phase_last(s->fit)->uncertain_to_ns = to_ns;
	}
}

/* A member "ran" on a CPU that did not, as far as the present period is concerned. */
void servers_steal(struct server *s, int64_t from_ns, int64_t to_ns)
{
	if (s->fit && phase_last(s->fit))
		phase_last(s->fit)->steal_ns += to_ns - from_ns;
	if (from_ns < s->now.start_ns)
		from_ns = s->now.start_ns;
	if (s->active && to_ns > from_ns)
		s->now.steal_ns += to_ns - from_ns;
}

/* Host events were lost between the two. Periods that are over by @from_ns are not concerned. */
void servers_taint(struct vmrt_engine *e, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		servers_settle(e, s, from_ns);
		if (s->fit)
			phase_loss(s->fit, to_ns);
		s->tainted = true;
		s->loss_to_ns = to_ns;
	}
}

/* Nothing certain is known of what went on on the host from @from_ns to @to_ns. */
void servers_doubt(struct vmrt_engine *e, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		periods_doubt(&e->servers[i], from_ns, to_ns);
		if (e->servers[i].checker)
			checker_doubt(e->servers[i].checker, from_ns, to_ns);
	}
}

/* Or on one CPU: it concerns servers whose members are there. */
void servers_doubt_cpu(struct vmrt_engine *e, unsigned cpu, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		struct server *s = &e->servers[i];

		for (size_t m = 0; s->checker && m < s->n_members; m++) {
			const struct thr *t = s->members[m];

			if (t->cpu != cpu || (t->state != THR_RUNNING && t->state != THR_READY &&
						     t->last_out_ns < from_ns))
				continue;
			checker_doubt(s->checker, from_ns, to_ns);
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
		if (s->fit)
			lay_grid(e, s, phase_fit(s->fit, s->pub.period_ns), VMRT_PHASE_FITTED);
		if (s->active && s->now.start_ns < end_ns) {
			s->truncated = true;
			give(e, s);
		}
		if (!s->announced)
			announce(e, s);
		s->active = false;
		periods_release(s, INT64_MAX);
		check_finish(s);
	}
}

void servers_free(struct vmrt_engine *e)
{
	for (size_t i = 0; i < e->n_servers; i++) {
		phase_free(e->servers[i].fit);
		free(e->servers[i].held);
		checker_free(e->servers[i].checker);
		free(e->servers[i].members);
	}
	free(e->servers);
}
