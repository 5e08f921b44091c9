/* SPDX-License-Identifier: MIT */
/*
 * Tasks that sleep until an absolute time: arming such a sleep ends the job, and the time is the
 * arrival of the next one, also when it has passed because the job ran too long.
 *
 * Two sleeps prove the mechanism, if they are not given up as time limits are. The first one is
 * taken for a release at once: a job is given only when it ends, which is after the proof.
 */
#include "parser/engine/task/mechanism.h"

#include <stdlib.h>

int64_t sleep_expiry(const struct machine *m, int clock, int64_t raw)
{
	int64_t local;

	return clocks_to_local(m, clock, raw, &local) ? local : VMRT_UNKNOWN;
}

/* The thread arms a sleep until @raw of @clock. */
void release_armed(
	struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t raw, uint64_t timer, int clock)
{
	struct release *r = &j->rel;

	if (r->mechanism != VMRT_RELEASE_AUTO && r->mechanism != VMRT_RELEASE_NANOSLEEP &&
		r->mechanism != VMRT_RELEASE_RELATIVE)
		return;
	/* a relative sleep that a signal cut short goes on as an absolute one to the same end */
	if (r->mechanism == VMRT_RELEASE_RELATIVE && j->state != JOB_SLEEPING)
		return;
	if (r->mechanism == VMRT_RELEASE_AUTO)
		release_discard(j, host_ns);
	if (!jobs_timer_start(j, local_ns, host_ns, sleep_expiry(j->machine, clock, raw), timer))
		return;
	r->sleep.clock = clock;
	r->sleep.raw_expires = raw;
	if (r->mechanism == VMRT_RELEASE_AUTO && ++r->sleep.absolute == 2)
		release_decide(j, VMRT_RELEASE_NANOSLEEP, host_ns);
	else if (r->mechanism == VMRT_RELEASE_AUTO && !r->sleep.given_up)
		r->timer.suspect = 0;
}

static int64_t minus(int64_t a, int64_t b)
{
	int64_t difference;

	return __builtin_sub_overflow(a, b, &difference) ? -1 : difference;
}

/*
 * The sleep of @j is over, @late after it should have been. That may say more of its arrival than
 * was known before, or that the clock was set meanwhile.
 */
void sleep_arrives(struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t late)
{
	int64_t step = CLOCK_STEP_NS +
		       (j->rel.sleep.clock == CLOCK_IS_TICKS ? j->machine->clocks.tick_ns : 0);
	int64_t arrival, change;

	if (late < 0 || __builtin_sub_overflow(local_ns, late, &arrival))
		arrival = local_ns;
	/* that many ticks ago it had arrived for certain */
	if (!j->rel.sleep.pending &&
		j->job.arrival_local_ns <=
			(j->rel.sleep.clock == CLOCK_IS_TICKS ? arrival : local_ns) &&
		!__builtin_sub_overflow(arrival, j->job.arrival_local_ns, &change) &&
		llabs(change) <= step)
		return;
	j->rel.sleep.pending = false;
	jobs_set_arrival(j, host_ns, arrival);
	blame_open(j, host_ns);
}

/*
 * The thread was woken before its sleep was over, and gives it up: that time is no arrival. If it
 * goes on sleeping until then, as behind a signal, it arms the timer again.
 */
void sleep_given_up(struct jobs *j, uint64_t timer, int64_t local_ns, int64_t host_ns)
{
	if (j->state != JOB_SLEEPING || j->timer != timer || j->rel.trial.running ||
		j->job.arrival_local_ns <= local_ns || !release_may_be(j, VMRT_RELEASE_NANOSLEEP))
		return;
	if (is_undecided(j) && j->rel.sleep.absolute) {
		j->rel.sleep.absolute--;
		j->rel.sleep.given_up = true;
	}
	change_job_state(j, host_ns, JOB_NONE);
	blame_busy_ends(j->machine, host_ns);
}

static bool arm(struct jobs *j, const struct armed *a)
{
	if (a->kind != ARMED_UNTIL)
		return false;
	release_armed(j, a->ev->ts, a->host_ns, a->ev->timer.softexpires, a->ev->timer.timer,
		clocks_of(j->machine, a->ev->timer.timer));
	return true;
}

static void expire(
	struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, const struct fired *fired)
{
	if (ev->type == VMRT_EV_TIMER_EXPIRE && j->state == JOB_SLEEPING &&
		j->rel.sleep.clock != CLOCK_IS_MONOTONIC && j->timer == fired->ptr)
		sleep_arrives(j, ev->ts, host_ns, minus(ev->timer.now, j->rel.sleep.raw_expires));
}

const struct mechanism mechanism_nanosleep = {
	.release = VMRT_RELEASE_NANOSLEEP,
	.strength = 3,
	.arm = arm,
	.expire = expire,
};
