/* SPDX-License-Identifier: MIT */
/*
 * Server periods: what the members of a server got in each period of its grid. Until the grid is
 * known, what they got is kept by server/phase.c.
 */
#include "servers.h"

#include <string.h>

void server_begin_period(struct server *s, int64_t k, int64_t start_ns)
{
	bool whole = !s->truncated && !s->slept;

	s->n_periods++;
	memset(&s->now, 0, sizeof(s->now));
	s->now.server = s->pub.id;
	s->now.k = k;
	s->now.start_ns = start_ns;
	s->now.end_ns = start_ns + s->pub.period_ns;
	s->now.budget_ns = s->pub.budget_ns;
	s->now.replenished_ns = s->now.first_ns = s->now.depleted_ns = VMRT_UNKNOWN;
	s->now.wanted_ns = s->now.blackout_at_ns = VMRT_UNKNOWN;
	if (s->early_ns == start_ns)
		s->now.replenished_ns = start_ns;
	s->uncertainty_ns = start_ns < s->uncertain_to_ns ? s->uncertain_by_ns : 0;
	s->touched = s->loss_to_ns != VMRT_UNKNOWN && start_ns < s->loss_to_ns;
	s->truncated = false;
	s->slept &= start_ns != s->point_ns;
	if (!s->checker)
		check_begin(s->engine, s, start_ns);
	/* how several vCPUs share a supply is another theory */
	if (!s->curve && s->n_members == 1) {
		s->curve = curve_new(s->pub.period_ns, start_ns);
		s->engine->out_of_memory |= !s->curve;
	}
	check_period(s->engine, s, whole);
	periods_release(s, check_safe_ns(s->engine));
}

void server_close_period(struct vmrt_engine *e, struct server *s)
{
	if (!s->announced)
		server_announce(e, s);
	check_ran_over(s);
	if (!s->n_members) {
		/* who would have consumed it is not in the recording */
		s->touched = true;
		s->now.consumed_ns = s->now.background_ns = s->now.waiting_ns = VMRT_UNKNOWN;
		s->now.blackout_ns = VMRT_UNKNOWN;
	}
	if (s->truncated)
		s->now.outcome = VMRT_PERIOD_TRUNCATED;
	else if (s->touched || s->uncertainty_ns > PERIOD_UNCERTAINTY_NS)
		s->now.outcome = VMRT_PERIOD_UNKNOWN;
	else if (!s->pub.enforced)
		s->now.outcome = VMRT_PERIOD_UNENFORCED;
	else
		s->now.outcome = s->now.depleted_ns != VMRT_UNKNOWN ? VMRT_PERIOD_DEPLETED
								    : VMRT_PERIOD_SERVED;
	periods_hold(s);
}

bool server_is_priority(const struct server *s, int prio)
{
	switch (s->pub.policy) {
	case VMRT_POLICY_DEADLINE:
		return prio < 0;
	case VMRT_POLICY_RT_GROUP:
		return prio >= 0 && prio < FIRST_FAIR_PRIO;
	case VMRT_POLICY_CFS_QUOTA:
		return prio >= FIRST_FAIR_PRIO;
	default:
		return prio == FIFO_PRIO(s->pub.priority);
	}
}

static bool has_priority(const struct server *s, const struct thread *t)
{
	return s->pub.enforced ? s->at_priority : server_is_priority(s, t->prio);
}

static void describe_segment(const struct vmrt_engine *e, struct server *s, struct segment *out)
{
	memset(out, 0, sizeof(*out));
	out->supply.eligible = s->pub.enforced && s->at_priority;
	out->supply.selected = s->checker && check_selected(e, s);
	for (size_t i = 0; i < s->n_seen; i++) {
		const struct thread *t = s->seen[i];

		if (t->state == THREAD_READY) {
			out->ready++;
			out->supply.wanting += !servers_nudged(s, t);
			out->supply.doubt |= servers_may_be_nudged(s, t);
			check_supply(e, s, t, &out->supply);
		} else if (t->state == THREAD_RUNNING) {
			out->supply.wanting++;
			if (has_priority(s, t))
				out->supply.served++;
			else
				out->background++;
		} else if (t->suspended && !servers_nudged(s, t)) {
			/* stopped by a server, which is no lack of work */
			out->supply.wanting++;
			out->supply.doubt |= servers_may_be_nudged(s, t);
		}
	}
}

/* Demand without supply: in this period, and since before it. */
static void account_blackout(struct server *s, const struct segment *seg, int64_t from, int64_t to)
{
	bool supplied = seg->supply.served + seg->background;

	if (seg->supply.wanting && s->now.wanted_ns == VMRT_UNKNOWN)
		s->now.wanted_ns = from;
	if (s->curve && !supplied)
		curve_put(s->curve, from, to, !seg->supply.wanting, from == s->now.start_ns);
	if (supplied || !seg->supply.wanting) {
		s->blackout_from_ns = VMRT_UNKNOWN;
		return;
	}
	if (s->blackout_from_ns == VMRT_UNKNOWN)
		s->blackout_from_ns = from;
	if (to - s->blackout_from_ns > s->now.blackout_ns) {
		s->now.blackout_ns = to - s->blackout_from_ns;
		s->now.blackout_at_ns = s->blackout_from_ns;
	}
}

static void account(struct server *s, const struct segment *seg, int64_t from, int64_t to)
{
	s->now.waiting_ns += seg->ready * (to - from);
	s->now.consumed_ns += seg->supply.served * (to - from);
	s->now.background_ns += seg->background * (to - from);
	s->now.steal_ns += seg->stolen * (to - from);
	if (s->now.first_ns == VMRT_UNKNOWN && seg->supply.served + seg->background)
		s->now.first_ns = from;
	s->slept |=
		s->pub.policy == VMRT_POLICY_DEADLINE && seg->supply.wanting < (int)s->n_members;
	account_blackout(s, seg, from, to);
	if (s->unsure) {
		s->touched = true;
		if (s->checker)
			checker_unsure(s->checker, from, to);
	}
	if (s->checker)
		checker_supply(s->checker, from, to, &seg->supply);
}

/* Nothing was recorded for more periods than there may be: those up to @to_ns are left out, and the
 * time is reported as a loss. */
static void leave_out_periods(struct vmrt_engine *e, struct server *s, int64_t to_ns)
{
	int64_t n = (to_ns - s->now.end_ns) / s->pub.period_ns;

	if (n <= 0)
		return;
	cpus_emit_loss(&e->machines[0], 0, s->now.end_ns, s->now.end_ns + n * s->pub.period_ns, 0,
		VMRT_LOSS_CLIPPED);
	s->touched = true;
	s->settled_ns = s->now.end_ns;
	if (s->checker)
		checker_unsure(s->checker, s->now.start_ns, to_ns);
	server_close_period(e, s);
	server_begin_period(s, s->now.k + n + 1, s->now.end_ns + n * s->pub.period_ns);
	s->settled_ns = s->now.start_ns;
	s->touched = true;
}

/* Puts what went on from settled_ns to the segment's end into periods. */
static void put(struct vmrt_engine *e, struct server *s, const struct segment *seg)
{
	while (s->active && s->settled_ns < seg->to_ns) {
		if (s->n_periods >= engine_most_rows(e)) {
			leave_out_periods(e, s, seg->to_ns);
			if (s->settled_ns >= seg->to_ns)
				break;
		}
		int64_t to = seg->to_ns < s->now.end_ns ? seg->to_ns : s->now.end_ns;

		if (to > s->settled_ns)
			account(s, seg, s->settled_ns, to);
		s->settled_ns = to;
		if (to == s->now.end_ns) {
			server_close_period(e, s);
			server_begin_period(s, s->now.k + 1, to);
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

/* Events were lost until @to_ns: it touches the period in progress, and those that begin before it
 * ends. */
static void lose(struct server *s, int64_t to_ns)
{
	s->touched = true;
	if (s->loss_to_ns == VMRT_UNKNOWN || to_ns > s->loss_to_ns)
		s->loss_to_ns = to_ns;
}

/* The grid is known from here on: what was kept until now is accounted on it. */
void server_lay_grid(struct vmrt_engine *e, struct server *s, int64_t phase_ns,
	enum vmrt_phase source, int64_t phase_k)
{
	int64_t from = phase_from(s->fit), period = s->pub.period_ns, start = phase_ns;
	struct phase_fit *fit = s->fit;
	const struct segment *seg;

	s->fit = NULL;
	if (phase_ns == VMRT_UNKNOWN) {
		source = VMRT_PHASE_START;
		start = from;
	}
	if (start > from) {
		int64_t n = (start - from + period - 1) / period;

		start -= n * period;
		phase_k -= n;
	}
	s->pub.phase_ns = start;
	s->pub.phase = source;
	s->active = true;
	s->settled_ns = from;
	/* losses from before the first segment make unsure what follows now, later ones when their
	 * time comes */
	if (phase_last(fit))
		s->loss_to_ns = phase_loss_before(fit);
	server_begin_period(s, phase_k > 0 ? phase_k : 0, start);
	s->truncated = start < from;
	while ((seg = phase_replay(fit))) {
		if (seg->loss_to_ns && seg->loss_from_ns < seg->to_ns) {
			struct segment before = *seg;

			before.to_ns = seg->loss_from_ns;
			put(e, s, &before);
			lose(s, seg->loss_to_ns);
		}
		put(e, s, seg);
		if (seg->uncertainty_ns)
			uncertain(s, seg->uncertainty_ns, seg->to_ns, seg->uncertain_to_ns);
		if (seg->loss_to_ns)
			lose(s, seg->loss_to_ns);
		if (s->checker && (seg->loss_to_ns || seg->uncertainty_ns || seg->stolen))
			checker_unsure(s->checker, seg->from_ns, seg->to_ns);
	}
	phase_free(fit);
}

/* @stolen: so many members were taken to run since the last settling, but did not. */
static void settle(struct vmrt_engine *e, struct server *s, int64_t host_ns, int stolen)
{
	struct segment seg;

	if (s->settled_ns >= host_ns)
		return;
	describe_segment(e, s, &seg);
	seg.from_ns = s->settled_ns;
	seg.to_ns = host_ns;
	seg.stolen = stolen;
	if (!s->fit) {
		put(e, s, &seg);
		return;
	}
	s->settled_ns = host_ns;
	if (!phase_add(s->fit, &seg))
		e->out_of_memory = true;
	if (!phase_ready(s->fit, host_ns))
		return;
	if (s->awaits_marks)
		phase_restart(s->fit, host_ns, s->pub.period_ns);
	else
		server_lay_grid(e, s, phase_fit(s->fit, s->pub.period_ns), VMRT_PHASE_FITTED, 0);
}

void servers_settle(struct vmrt_engine *e, struct server *s, int64_t host_ns)
{
	settle(e, s, host_ns, 0);
}

/*
 * The budget is used up, but a member ran on at the server's priority, as its switch has shown now:
 * that is consumption beyond the budget, and was taken for background.
 */
void server_ran_over(struct server *s, int64_t from_ns, int64_t to_ns)
{
	int64_t ns = to_ns - (from_ns > s->now.start_ns ? from_ns : s->now.start_ns);

	if (ns > s->now.background_ns)
		ns = s->now.background_ns;
	if (ns <= 0)
		return;
	s->now.background_ns -= ns;
	s->now.consumed_ns += ns;
}

void servers_settle_all(struct vmrt_engine *e, int64_t host_ns)
{
	for (size_t i = 0; i < e->n_servers; i++)
		servers_settle(e, &e->servers[i], host_ns);
}

void servers_settle_of(struct vmrt_engine *e, const struct thread *t, int64_t host_ns)
{
	servers_settle(e, t->server, host_ns);
	for (size_t i = 0; i < t->n_also; i++)
		servers_settle(e, t->also[i], host_ns);
}

/* A member runs there from now on, so that servers on the same CPUs know of each other. */
void servers_ran_on(const struct thread *t, unsigned cpu)
{
	uint64_t bit = UINT64_C(1) << (cpu & 63);

	t->server->cpus |= bit;
	for (size_t i = 0; i < t->n_also; i++)
		t->also[i]->cpus |= bit;
}

static void server_uncertain(
	struct vmrt_engine *e, struct server *s, int64_t from_ns, int64_t to_ns)
{
	int64_t by = (to_ns - from_ns + 1) / 2;

	servers_settle(e, s, from_ns);
	if (!s->fit) {
		uncertain(s, by, from_ns, to_ns);
	} else if (phase_last(s->fit)) {
		phase_last(s->fit)->uncertainty_ns += by;
		if (phase_last(s->fit)->uncertain_to_ns < to_ns)
			phase_last(s->fit)->uncertain_to_ns = to_ns;
	}
}

/* Member @t was switched at some time between the two. Whatever period that touches is uncertain by
 * half. */
void servers_uncertain(
	struct vmrt_engine *e, const struct thread *t, int64_t from_ns, int64_t to_ns)
{
	if (t->server)
		server_uncertain(e, t->server, from_ns, to_ns);
	for (size_t i = 0; i < t->n_also; i++)
		server_uncertain(e, t->also[i], from_ns, to_ns);
}

/*
 * A member was taken to run from @from_ns to @to_ns, but its CPU did not. Periods may have ended
 * meanwhile: each has its own part of that.
 */
static void server_steal(struct vmrt_engine *e, struct server *s, int64_t from_ns, int64_t to_ns)
{
	int64_t settled = s->settled_ns < to_ns ? s->settled_ns : to_ns;

	if (from_ns < settled && !s->fit)
		periods_steal(s, from_ns, settled);
	else if (from_ns < settled && !phase_steal(s->fit, from_ns))
		e->out_of_memory = true;
	settle(e, s, from_ns, 0);
	/* periods that end behind that may be emitted right now */
	settle(e, s, to_ns, 1);
}

/** servers_steal - member @t, which "ran", did so from @from_ns until now, @to_ns, on a CPU that
 * did not run */
void servers_steal(struct vmrt_engine *e, const struct thread *t, int64_t from_ns, int64_t to_ns)
{
	if (to_ns <= from_ns)
		return;
	server_steal(e, t->server, from_ns, to_ns);
	for (size_t i = 0; i < t->n_also; i++)
		server_steal(e, t->also[i], from_ns, to_ns);
}
