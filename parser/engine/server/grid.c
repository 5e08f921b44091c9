/* SPDX-License-Identifier: MIT */
/* Finds where a server's periods begin, from the kernel's period timer or from the ends of the
 * members' waits. */
#include "servers.h"

/* Between the arming of a throttled thread's timer and its switch. */
#define THROTTLE_LATE_NS (200 * VMRT_NS_PER_US)
/* A group's timer may be idle for so many periods and still be known by its rhythm. */
#define RHYTHM_PERIODS 4
/* Between that timer and the switch to a thread that it lets go on. */
#define RESUME_NS (50 * VMRT_NS_PER_US)
/* Timers of SCHED_DEADLINE threads are set by a clock that was read at another instant. */
#define GRID_NOISE_NS (10 * VMRT_NS_PER_US)
/* A record clock that is mapped to the timers' may be behind by so much. */
#define CLOCK_NOISE_NS (100 * VMRT_NS_PER_US)
/* So often, and so much more often than behind any other. */
#define LEAST_HITS 3
/* A timer that stops while there is nothing to do begins anew at any time, but not so often. */
#define ODD_TIMES 4

/* A member begins to run at @prio: if it had been made to wait, that may have been for want of
 * budget. */
void servers_start(const struct thread *t, int64_t host_ns, int prio)
{
	struct server *s = t->server;

	if (!s || t->state != THREAD_READY || t->woken_ns != VMRT_UNKNOWN)
		return;
	/* without the server's priority, not even now, it was a wait like others; chunks return on
	 * no grid */
	if (s->fit && s->pub.policy != VMRT_POLICY_SPORADIC && server_is_priority(s, prio))
		phase_start(s->fit, host_ns - t->ready_ns, host_ns, s->pub.period_ns);
	for (int i = 0; i < GRID_TIMERS; i++)
		if (s->grid_timers[i].timer && host_ns - s->grid_timers[i].seen_ns < RESUME_NS)
			s->grid_timers[i].hits++;
}

/*
 * The grid's own border that is meant by @at, if there is one so shortly before. The kernel arms a
 * timer later than the border by the time since it read the clock, never earlier: an earlier one
 * shows the border better.
 */
static int64_t on_grid(const struct server *s, int64_t at)
{
	int64_t off = (at - s->now.start_ns) % s->pub.period_ns;

	return at > s->now.start_ns && off < GRID_NOISE_NS ? at - off : at;
}

/* Is a period whole that ends at @at? That of a SCHED_DEADLINE thread may have begun a little late.
 */
static bool is_whole(const struct server *s, int64_t at)
{
	int64_t early = s->now.end_ns - at;

	return !early ||
	       (s->pub.policy == VMRT_POLICY_DEADLINE && early > 0 && early < GRID_NOISE_NS);
}

/* The kernel's own word on where a period begins. */
static void on_grid_point(struct vmrt_engine *e, struct server *s, int64_t at)
{
	int64_t late;

	/* a timer that is said to have expired far from now is no clock */
	if (at > e->now_ns + CLOCK_NOISE_NS || __builtin_sub_overflow(e->now_ns, at, &late) ||
		late / RHYTHM_PERIODS > s->pub.period_ns)
		return;
	/* a thread of the kernel handles it, which had to wait: more periods have begun since */
	if (late > s->pub.period_ns)
		at += late / s->pub.period_ns * s->pub.period_ns;
	if (s->fit) {
		/* where periods began before that is a guess */
		s->point_ns = at;
		s->slept = true;
		server_lay_grid(e, s, at, VMRT_PHASE_TIMER, 0);
		return;
	}
	if (!s->active || s->pub.enforced)
		return;
	if (s->pub.phase == VMRT_PHASE_TIMER && s->pub.policy == VMRT_POLICY_DEADLINE)
		at = on_grid(s, at);
	s->point_ns = at;
	servers_settle(e, s, at < e->now_ns ? at : e->now_ns);
	if (s->now.start_ns != at) {
		/* what is accounted already stays in the period that ends now */
		if (at < s->settled_ns && at < s->now.end_ns && is_whole(s, at))
			s->point_ns = at = s->settled_ns;
		/* the period in progress ends there, or one period later, and is not a whole one */
		if (at < s->settled_ns)
			s->point_ns = at += s->pub.period_ns;
		if (at < s->settled_ns)
			return;
		s->truncated |= !is_whole(s, at);
		s->now.end_ns = at;
	}
	if (s->pub.phase == VMRT_PHASE_TIMER)
		return;
	s->pub.phase_ns = at;
	s->pub.phase = VMRT_PHASE_TIMER;
	check_end(s); /* the grid it had was a guess */
	server_announce(e, s);
}

/* The slot of @timer, or one for it. */
static struct grid_timer *slot_of(struct server *s, uint64_t timer)
{
	struct grid_timer *oldest = &s->grid_timers[0];

	for (int i = 0; i < GRID_TIMERS; i++) {
		struct grid_timer *g = &s->grid_timers[i];

		if (g->timer == timer)
			return g;
		if (!g->timer || (oldest->timer && g->seen_ns < oldest->seen_ns))
			oldest = g;
	}
	*oldest = (struct grid_timer){.timer = timer};
	return oldest;
}

/*
 * Does a timer of the right rhythm belong to the server? While its members run, its own is among
 * those seen. So it does if there is no other that has, or may have, that rhythm, or if it is
 * clearly the one behind which members go on.
 */
static bool is_own(const struct server *s, const struct grid_timer *own, int64_t now_ns)
{
	for (int i = 0; i < GRID_TIMERS; i++) {
		const struct grid_timer *g = &s->grid_timers[i];

		if (g == own || !g->timer || g->odd >= ODD_TIMES ||
			(now_ns - g->seen_ns) / RHYTHM_PERIODS > s->pub.period_ns)
			continue;
		if (own->hits < LEAST_HITS || own->hits < g->hits * LEAST_HITS)
			return false;
	}
	return true;
}

static void on_group_timer(struct vmrt_engine *e, struct server *s, const struct timer *timer)
{
	struct grid_timer *g = slot_of(s, timer->ptr);
	int64_t since, period = s->pub.period_ns;
	bool before = g->seen_ns,
	     rhythm = before && !__builtin_sub_overflow(timer->expires, g->expires_ns, &since) &&
		      since > 0 && since / RHYTHM_PERIODS <= period && since % period == 0;

	g->expires_ns = timer->expires;
	g->seen_ns = e->now_ns;
	/* one that always takes longer belongs to others */
	g->matches = rhythm && (g->matches || since == period);
	/* it had stopped: periods begin elsewhere now */
	s->slept |= !g->matches && before && !g->odd;
	g->odd = g->matches ? 0 : g->odd + before;
	if (!g->matches || !is_own(s, g, e->now_ns))
		return;
	on_grid_point(e, s, timer->expires);
	s->refill.period_ns = timer->expires;
	s->refill.late_ns = e->now_ns > timer->expires ? e->now_ns - timer->expires : 0;
	check_refilled(s);
}

/*
 * A period timer of the kernel has expired. That of a SCHED_DEADLINE thread is armed when the
 * thread is throttled, on its own behalf. A group's is known by its rhythm, and by the members that
 * go on behind it.
 */
void servers_timer(struct vmrt_engine *e, const struct vmrt_event *ev, const struct timer *timer)
{
	const struct thread *t = threads_find(&e->machines[0], timer->pid);
	enum vmrt_policy policy =
		ev->timer.fn == VMRT_FN_RT_PERIOD ? VMRT_POLICY_RT_GROUP : VMRT_POLICY_CFS_QUOTA;

	if (ev->timer.fn == VMRT_FN_DEADLINE) {
		if (t && t->server && t->server->pub.policy == VMRT_POLICY_DEADLINE &&
			t->state == THREAD_READY && t->last_out_ns != VMRT_UNKNOWN &&
			t->last_out_ns - timer->since < THROTTLE_LATE_NS &&
			timer->since - t->last_out_ns < THROTTLE_LATE_NS)
			on_grid_point(e, t->server, timer->expires);
		return;
	}
	for (size_t i = 0; i < e->n_servers; i++)
		if (e->servers[i].pub.policy == policy && e->servers[i].pub.period_ns > 0)
			on_group_timer(e, &e->servers[i], timer);
}
