/* SPDX-License-Identifier: MIT */
/*
 * Tasks of the RESCH module, which waits for the period in the kernel: it arms a timer of the timer
 * wheel and puts the thread to sleep in state D. Its times are ticks.
 */
#include "parser/engine/task/mechanism.h"

static bool arm(struct jobs *j, const struct armed *a)
{
	const struct vmrt_event *ev = a->ev;
	const struct release_clocks *c = &j->machine->clocks;
	bool own = ev->wheel.fn == VMRT_FN_RESCH_JOB ||
		   (ev->wheel.fn == VMRT_FN_UNKNOWN && j->spec->release == VMRT_RELEASE_RESCH);

	if (a->kind != ARMED_WHEEL)
		return false;
	if (!own || !release_may_be(j, VMRT_RELEASE_RESCH))
		return true;
	confirm_begin(j, a, ev->wheel.timer, (int64_t)ev->wheel.expires, CLOCK_IS_TICKS);
	/* after a miss RESCH counts the period from now on */
	j->rel.confirm.rephased = c->tick_ns && j->spec->period_ns &&
				  (int32_t)(uint32_t)(ev->wheel.expires - ev->wheel.now) ==
					  (j->spec->period_ns + c->tick_ns - 1) / c->tick_ns;
	return true;
}

static void expire(
	struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, const struct fired *fired)
{
	int64_t late;

	if (ev->type != VMRT_EV_WHEEL_EXPIRE)
		return;
	confirm_expired(j, fired->ptr, CLOCK_IS_TICKS, VMRT_RELEASE_RESCH, host_ns);
	if (j->state != JOB_SLEEPING || j->timer != fired->ptr ||
		j->rel.sleep.clock != CLOCK_IS_TICKS)
		return;
	late = (int32_t)(uint32_t)(ev->wheel.now - (uint64_t)j->rel.sleep.raw_expires);
	sleep_arrives(j, ev->ts, host_ns, late * j->machine->clocks.tick_ns);
	jobs_timer_expire(j, fired->ptr, ev->ts, host_ns);
}

static void switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns)
{
	(void)local_ns;
	if (!j->confirming || j->rel.confirm.clock != CLOCK_IS_TICKS)
		return;
	/* S: the switch itself was not recorded */
	if (state & (STATE_DISK | STATE_SLEEP))
		confirm_ended(j, VMRT_RELEASE_RESCH, host_ns);
	else if (state != 0)
		confirm_forget(j, host_ns);
}

const struct mechanism mechanism_resch = {
	.release = VMRT_RELEASE_RESCH,
	.strength = 4,
	.arm = arm,
	.expire = expire,
	.switch_out = switch_out,
};
