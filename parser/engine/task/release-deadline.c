/* SPDX-License-Identifier: MIT */
/*
 * Tasks that give up the CPU with sched_yield() until their SCHED_DEADLINE reservation is
 * replenished: the timer of the replenishment is armed there, and the switch follows.
 */
#include "parser/engine/task/mechanism.h"

/* A SCHED_DEADLINE reservation is replenished sooner; the kernel's fair server later. */
#define FAIR_SERVER_NS (900 * VMRT_NS_PER_MS)
/* Locks held in sched_yield() when it arms the timer. The scheduler itself, throttling, holds one
 * more. */
#define YIELD_DEPTH 2

static void armed(struct jobs *j, const struct armed *a)
{
	const struct vmrt_event *ev = a->ev;
	int64_t ahead;

	if (ev->depth > YIELD_DEPTH) /* its runtime is used up */
		return;
	/*
	 * Of a thread that became a deadline task in this run the priority is not known yet: the
	 * switch that follows shows it.
	 */
	if (!release_may_be(j, VMRT_RELEASE_DEADLINE) ||
		(j->thread->prio != DEADLINE_PRIO && j->state > JOB_HEAD &&
			j->rel.mechanism != VMRT_RELEASE_AUTO) ||
		__builtin_sub_overflow(ev->timer.expires, ev->ts, &ahead) ||
		has_passed(j->machine, ev->timer.expires, ev->ts))
		return;
	/* by the error of the record's time it may seem to be too far away, and a declared period
	 * may be wrong and too short */
	if (ahead - j->machine->config->record_error_ns >
		(j->spec->period_ns > FAIR_SERVER_NS ? j->spec->period_ns : FAIR_SERVER_NS))
		return;
	confirm_begin(j, a, ev->timer.timer, ev->timer.expires, CLOCK_IS_MONOTONIC);
}

static bool arm(struct jobs *j, const struct armed *a)
{
	if (a->kind != ARMED_DEADLINE)
		return false;
	armed(j, a);
	return true;
}

static void expire(
	struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, const struct fired *fired)
{
	if (ev->type != VMRT_EV_TIMER_EXPIRE)
		return;
	confirm_expired(j, fired->ptr, CLOCK_IS_MONOTONIC, VMRT_RELEASE_DEADLINE, host_ns);
	/* the thread runs already, by the clock of another CPU before its job arrived; no wake-up
	 * follows that would start the job */
	if (j->state == JOB_SLEEPING && j->timer == fired->ptr && j->slept &&
		j->thread->state == THREAD_RUNNING) {
		jobs_timer_expire(j, fired->ptr, ev->ts, host_ns);
		jobs_start(j, ev->ts, host_ns);
	}
}

static void switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns)
{
	(void)local_ns;
	if (!j->confirming || j->rel.confirm.clock != CLOCK_IS_MONOTONIC)
		return;
	/* S: the switch itself was not recorded */
	if ((state != 0 && state != STATE_SLEEP) || j->thread->prio != DEADLINE_PRIO) {
		confirm_forget(j, host_ns);
		return;
	}
	confirm_ended(j, VMRT_RELEASE_DEADLINE, host_ns);
	/* it runs again only when its reservation has been replenished, also if the record of that
	 * comes late */
	j->slept = true;
}

const struct mechanism mechanism_deadline = {
	.release = VMRT_RELEASE_DEADLINE,
	.strength = 4,
	.arm = arm,
	.expire = expire,
	.switch_out = switch_out,
};
