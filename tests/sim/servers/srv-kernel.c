/* SPDX-License-Identifier: MIT */
/*
 * What the kernel does with SCHED_DEADLINE threads, groups of real-time threads and CFS quotas:
 * budgets are looked at when it ticks (SCHED_DEADLINE: or at once, with HRTICK), and an overrun is
 * carried on.
 */
#include "srv-world.h"

static bool is(const struct server *s, enum vmrt_policy policy)
{
	return s->spec->policy == policy;
}

static struct thread *member_on(const struct server *s, int cpu)
{
	for (int i = 0; i < s->n; i++)
		if (s->members[i]->cpu == cpu)
			return s->members[i];
	return NULL;
}

static void set_off(struct world *w, struct thread *t, bool off)
{
	if (t->off == off)
		return;
	log_advance(w, w->now);
	t->off = off;
	changed(w, t);
}

static void arm_period(struct world *w, struct server *s, int64_t at)
{
	struct timer *t =
		timer_set(w, T_PERIOD, (at > w->now ? at : w->now) + between(w, 0, 5 * US));

	t->s = s;
	t->due = at;
	s->timer_on = true;
	emit_timer(w, s->members[0]->cpu, VMRT_EV_TIMER_START, s->ptr,
		is(s, VMRT_POLICY_RT_GROUP) ? VMRT_FN_RT_PERIOD : VMRT_FN_CFS_PERIOD, at);
}

void kernel_start(struct world *w, struct server *s)
{
	s->ptr = UINT64_C(0xffff888300000000) + (uint64_t)s->index * 4096;
	s->hrtick = chance(w, 30);
	s->q = s->pool = s->spec->budget_ns;
	s->d = w->now + s->spec->period_ns;
	for (int i = 0; i < s->n; i++)
		s->members[i]->prio = is(s, VMRT_POLICY_DEADLINE)   ? DL_PRIO
				      : is(s, VMRT_POLICY_RT_GROUP) ? FIFO(s->spec->priority)
								    : FAIR;
	if (!is(s, VMRT_POLICY_DEADLINE))
		arm_period(w, s, w->now + between(w, 0, s->spec->period_ns));
}

void kernel_advance(struct world *w, struct server *s, int64_t ns)
{
	(void)w;
	for (int i = 0; i < s->n; i++) {
		struct thread *t = s->members[i];

		if (t->state != RUN)
			continue;
		s->q -= ns;
		s->local -= ns;
		s->rt_time[t->cpu] += ns;
	}
}

int64_t kernel_next(const struct world *w, const struct server *s)
{
	if (is(s, VMRT_POLICY_DEADLINE) && s->hrtick && !s->exceeded && s->members[0]->state == RUN)
		return w->now + (s->q > 0 ? s->q : 0);
	return NEVER;
}

/* SCHED_DEADLINE: the budget is used up, and the kernel notices. */
static void exceed(struct world *w, struct server *s)
{
	struct thread *t = s->members[0];
	struct timer *timer;

	s->exceeded = true;
	if (s->fault == FAULT_RECLAIM && w->now > w->start + 4 * s->spec->period_ns) {
		broke_rule(w, s);
		s->q += s->spec->budget_ns;
		s->exceeded = false;
		return;
	}
	if (s->d <= w->now) {
		/* no timer for that: it goes on in the next period, if that is not over, too */
		while (s->q <= 0) {
			s->q += s->spec->budget_ns;
			s->d += s->spec->period_ns;
		}
		s->exceeded = false;
		if (s->d > w->now)
			return;
		s->q = s->spec->budget_ns;
		s->d = w->now + s->spec->period_ns;
		log_border(s, VMRT_UNKNOWN);
		return;
	}
	/* it is set by a clock that was read a little earlier */
	s->noise = between(w, 0, 4 * US);
	emit_timer(w, t->cpu, VMRT_EV_TIMER_START, s->ptr, VMRT_FN_DEADLINE, s->d + s->noise);
	timer = timer_set(w, T_DL, s->d + s->noise + between(w, 0, 10 * US));
	timer->s = s;
	timer->due = s->d;
	set_off(w, t, true);
}

void kernel_due(struct world *w, struct server *s)
{
	if (is(s, VMRT_POLICY_DEADLINE) && s->hrtick && !s->exceeded &&
		s->members[0]->state == RUN && s->q <= 0)
		exceed(w, s);
}

static void refill(struct server *s)
{
	int64_t take = s->pool < CFS_SLICE_NS - s->local ? s->pool : CFS_SLICE_NS - s->local;

	if (s->local > 0)
		return;
	s->pool -= take;
	s->local += take;
}

/* @t runs: does it have budget left? At each tick, and when it leaves the CPU. */
void kernel_check_budget(struct world *w, struct thread *t)
{
	struct server *s = t->server;

	if (is(s, VMRT_POLICY_DEADLINE) && !s->exceeded && s->q <= 0)
		exceed(w, s);
	if (is(s, VMRT_POLICY_RT_GROUP) && s->rt_time[t->cpu] > s->spec->budget_ns) {
		s->rt_throttled[t->cpu] = true;
		set_off(w, t, true);
	}
	if (is(s, VMRT_POLICY_CFS_QUOTA)) {
		refill(s);
		if (s->local <= 0) {
			s->throttled = true;
			set_off(w, t, true);
		}
	}
}

void kernel_tick(struct world *w, int cpu)
{
	for (int i = 0; i < w->n_servers; i++) {
		struct thread *t = member_on(&w->servers[i], cpu);

		if (t && t->state == RUN)
			kernel_check_budget(w, t);
	}
}

static void dl_timer(struct world *w, struct timer *t)
{
	struct server *s = t->s;
	struct thread *m = s->members[0];

	emit_timer(w, m->cpu, VMRT_EV_TIMER_EXPIRE, s->ptr, VMRT_FN_DEADLINE, t->due + s->noise);
	/* one that sleeps meanwhile learns nothing */
	log_border(s, m->state == READY ? t->due : VMRT_UNKNOWN);
	/* so late that what it gives is over already */
	do {
		s->q += s->spec->budget_ns;
		s->d += s->spec->period_ns;
	} while (s->q <= 0);
	s->exceeded = false;
	set_off(w, m, false);
}

static void rt_timer(struct world *w, struct server *s)
{
	bool idle = true;

	for (int c = 0; c < w->n_cpus; c++) {
		int64_t back =
			s->spec->budget_ns < s->rt_time[c] ? s->spec->budget_ns : s->rt_time[c];
		struct thread *t = member_on(s, c);

		s->rt_time[c] -= back;
		if (s->fault == FAULT_RECLAIM && s->rt_time[c] &&
			w->now > w->start + 4 * s->spec->period_ns) {
			s->rt_time[c] = 0;
			broke_rule(w, s);
		}
		idle &= !s->rt_time[c] && (!t || t->state == BLOCKED);
		if (!s->rt_throttled[c] || s->rt_time[c] >= s->spec->budget_ns)
			continue;
		s->rt_throttled[c] = false;
		set_off(w, t, false);
	}
	s->timer_on = false;
	if (!idle)
		arm_period(w, s, s->grid + s->spec->period_ns);
}

static void cfs_timer(struct world *w, struct server *s)
{
	s->pool = s->spec->budget_ns;
	if (s->fault == FAULT_RECLAIM && w->now > w->start + 4 * s->spec->period_ns) {
		s->pool *= 2;
		broke_rule(w, s);
	}
	if (s->throttled) {
		int64_t returned = 1 - s->local;

		if (returned > s->pool)
			returned = s->pool;
		s->pool -= returned;
		s->local += returned;
		if (s->local > 0) {
			s->throttled = false;
			set_off(w, s->members[0], false);
		}
	}
	arm_period(w, s, s->grid + s->spec->period_ns);
}

void kernel_timer(struct world *w, struct timer *t)
{
	struct server *s = t->s;

	if (t->kind == T_DL) {
		dl_timer(w, t);
		return;
	}
	s->grid = t->due;
	log_border(s, t->due);
	emit_timer(w, s->members[0]->cpu, VMRT_EV_TIMER_EXPIRE, s->ptr,
		is(s, VMRT_POLICY_RT_GROUP) ? VMRT_FN_RT_PERIOD : VMRT_FN_CFS_PERIOD, t->due);
	if (is(s, VMRT_POLICY_RT_GROUP))
		rt_timer(w, s);
	else
		cfs_timer(w, s);
}

/* After a sleep the old budget is kept if its bandwidth is not too large. */
void kernel_woken(struct world *w, struct thread *t)
{
	struct server *s = t->server;

	if (is(s, VMRT_POLICY_DEADLINE) && !s->exceeded) {
		if (s->d <= w->now ||
			(double)s->q / (double)(s->d - w->now) >
				(double)s->spec->budget_ns / (double)s->spec->period_ns) {
			s->q = s->spec->budget_ns;
			s->d = w->now + s->spec->period_ns;
			log_border(s, VMRT_UNKNOWN);
		}
	} else if (is(s, VMRT_POLICY_RT_GROUP) && !s->timer_on) {
		log_border(s, VMRT_UNKNOWN);
		arm_period(w, s, w->now);
	}
}

/* What is left of a slice goes back. */
void kernel_sleeps(struct world *w, struct thread *t)
{
	struct server *s = t->server;

	(void)w;
	if (!is(s, VMRT_POLICY_CFS_QUOTA) || s->local <= MS)
		return;
	s->pool += s->local - MS;
	s->local = MS;
}
