/* SPDX-License-Identifier: MIT */
/* Where the kernel itself says a period begins, or the members' waits do. */
#include "engine-servers.h"

/* Between the arming of a throttled thread's timer and its switch. */
#define THROTTLE_LATE_NS (200 * VMRT_NS_PER_US)
/* A group's timer may be idle for so many periods and still be known by its rhythm. */
#define RHYTHM_PERIODS 4

/* A member begins to run: if it had been made to wait, that may have been for want of budget. */
void servers_start(struct vmrt_engine *e, const struct thr *t, int64_t host_ns)
{
	(void)e;
	if (t->server && t->server->fit && t->state == THR_READY && t->woken_ns == VMRT_UNKNOWN)
		phase_start(t->server->fit, host_ns - t->ready_ns, host_ns, t->server->pub.period_ns);
}

/* The kernel's own word on where a period begins. */
static void on_grid_point(struct vmrt_engine *e, struct server *s, int64_t at)
{
	/* a timer that is said to have expired far from now is no clock */
	if (at > e->now_ns || at < e->now_ns - s->pub.period_ns)
		return;
	if (s->fit) {
		s->point_ns = at;
		server_lay_grid(e, s, at, VMRT_PHASE_TIMER);
		return;
	}
	if (!s->active || s->pub.enforced)
		return;
	if (at <= s->settled_ns)
		at += s->pub.period_ns;
	if (at <= s->settled_ns)
		return;
	s->point_ns = at;
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
	server_announce(e, s);
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
