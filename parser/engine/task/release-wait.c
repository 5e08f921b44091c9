/* SPDX-License-Identifier: MIT */
/*
 * Tasks that wait for a timer which goes on by itself: timerfd, setitimer, timer_create.
 *
 * Such a thread does nothing that shows when its job ends; it only sleeps, as it may within a job,
 * too. So the state of the job is marked at each switch-out to sleep, and if the timer's expiry is
 * what wakes the thread next, the job ended there. The kernel arms the timer again when the thread
 * consumes the expiry. Where it expires while the thread works (no wake-up), consuming it ends the
 * job and begins the next one, which arrived at that expiry; expiries that the kernel left out
 * meanwhile show in how far ahead the timer is armed, and count as skipped.
 */
#include "parser/engine/core/engine.h"

#include <string.h>

/* Has the timer's next expiry, which was not consumed yet, been due already? */
static bool next_has_arrived(const struct jobs *j)
{
	const struct snapshot *last;

	if (!j->backlog_n || j->rel.next_ns == VMRT_UNKNOWN)
		return false;
	last = &j->backlog[(j->backlog_first + j->backlog_n - 1) % j->backlog_size];
	return last->at_local_ns >= j->rel.next_ns;
}

void wait_mark_end(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	struct end_mark *mark = &j->rel.mark;

	blame_settle(j->machine, host_ns);
	/* an inferred switch may lie before what is accounted already */
	if (host_ns < j->machine->settled_ns) {
		local_ns += j->machine->settled_ns - host_ns;
		host_ns = j->machine->settled_ns;
	}
	mark->set = true;
	mark->inferred = false;
	/* the next job may have arrived before */
	mark->passed = next_has_arrived(j);
	mark->idle_to_ns = mark->passed ? host_ns : INT64_MAX;
	mark->local_ns = local_ns;
	mark->host_ns = host_ns;
	memcpy(mark->cum, j->cum, sizeof(mark->cum));
	memcpy(mark->excess, j->excess, sizeof(mark->excess));
	mark->exec_ns = j->exec_ns;
	memset(mark->forgiven, 0, sizeof(mark->forgiven));
	if (j->state == JOB_STARTED || j->state == JOB_RELEASED)
		blame_busy_ends(j->machine, host_ns);
}

/* The job went on: it was a sleep within it, and the busy period goes on, too. */
void wait_forget_end(struct jobs *j)
{
	struct end_mark *mark = &j->rel.mark;

	for (int p = 0; mark->set && p < VMRT_BLAMES; p++)
		j->excess[p] += mark->forgiven[p];
	if (mark->set)
		mark->idle_to_ns = mark->host_ns;
	j->rel.slept |= mark->set;
	mark->set = false;
}

/* For how long between the two no job of @j was pending, since the last one ended. */
int64_t wait_idle_ns(const struct jobs *j, int64_t from_ns, int64_t to_ns)
{
	const struct end_mark *mark = &j->rel.mark;

	if (from_ns < mark->host_ns)
		from_ns = mark->host_ns;
	if (to_ns > mark->idle_to_ns)
		to_ns = mark->idle_to_ns;
	return to_ns > from_ns ? to_ns - from_ns : 0;
}

/* The host turns out not to have run from @from_ns to @to_ns, which were booked as @part. */
void wait_stolen(struct jobs *j, enum vmrt_blame part, int64_t from_ns, int64_t to_ns)
{
	struct end_mark *mark = &j->rel.mark;
	int64_t ns = (to_ns < mark->host_ns ? to_ns : mark->host_ns) - from_ns, over = 0;

	if (!mark->set || ns <= 0)
		return;
	if (part == VMRT_BLAME_EXEC || part == VMRT_BLAME_OVERRUN) {
		if (j->spec->wcet_ns > 0 && mark->exec_ns > j->spec->wcet_ns)
			over = mark->exec_ns - j->spec->wcet_ns;
		if (over > ns)
			over = ns;
		mark->cum[VMRT_BLAME_OVERRUN] -= over;
		mark->cum[VMRT_BLAME_EXEC] -= ns - over;
		mark->excess[VMRT_BLAME_OVERRUN] -= over;
		mark->exec_ns -= ns;
	} else {
		mark->cum[part] -= ns;
	}
	mark->cum[VMRT_BLAME_STEAL] += ns;
	mark->excess[VMRT_BLAME_STEAL] += ns;
}

/* While no job is pending, nothing is lost by steal and throttling. Overruns of others remain to be
 * waited for. */
static void forgive(struct jobs *j)
{
	static const enum vmrt_blame waits[] = {VMRT_BLAME_STEAL, VMRT_BLAME_THROTTLING};
	struct end_mark *mark = &j->rel.mark;

	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		int64_t *excess = &j->excess[waits[i]];
		int64_t base = j->busy_from_ns >= mark->host_ns ? 0 : mark->excess[waits[i]];

		mark->forgiven[waits[i]] += *excess - base;
		*excess = base;
	}
}

/* The next job arrives at @host_ns, while the thread sleeps. */
void wait_arrival_passed(struct jobs *j, int64_t host_ns)
{
	if (!j->rel.mark.set || j->rel.mark.passed)
		return;
	forgive(j);
	j->rel.mark.passed = true;
	j->rel.mark.idle_to_ns = host_ns;
}

/* The open job ended where it was marked. */
void wait_complete_at_mark(struct jobs *j)
{
	struct end_mark *mark = &j->rel.mark, now;

	if (!mark->set || j->rel.no_arrival) {
		jobs_bare(j, j->rel.no_arrival ? VMRT_OUTCOME_TRUNCATED : VMRT_OUTCOME_UNKNOWN);
		mark->set = false;
		return;
	}
	if (!mark->passed) {
		forgive(j);
		mark->idle_to_ns = j->machine->settled_ns;
	}
	memcpy(now.cum, j->cum, sizeof(now.cum));
	memcpy(now.excess, j->excess, sizeof(now.excess));
	memcpy(j->cum, mark->cum, sizeof(mark->cum));
	memcpy(j->excess, mark->excess, sizeof(mark->excess));
	j->exec_ns = mark->exec_ns;
	jobs_complete(j, mark->local_ns, mark->host_ns);
	memcpy(j->cum, now.cum, sizeof(now.cum));
	memcpy(j->excess, now.excess, sizeof(now.excess));
	mark->set = false;
}

/* Opens the job that arrived with the expiry @fired. */
static void open_job(struct jobs *j, int64_t before, int64_t host_ns, const struct fired *fired)
{
	struct release *r = &j->rel;
	int64_t skipped = 0;

	if (fired->arrival_ns != VMRT_UNKNOWN)
		skipped = jobs_skip(j, before, fired->arrival_ns);
	jobs_clear(j);
	j->job.skipped = skipped;
	j->job.release_local_ns = fired->local_ns;
	j->job.release_ns = fired->host_ns;
	r->no_arrival = fired->arrival_ns == VMRT_UNKNOWN;
	r->opened_ns = host_ns;
	r->due_from_ns = fired->due_from_ns;
	jobs_set_arrival(j, r->no_arrival ? fired->local_ns : fired->arrival_ns);
	j->state = JOB_RELEASED;
	j->timer = 0;
	r->fired.ptr = 0;
	r->slept = false;
	blame_open(j, host_ns);
}

/* The thread slept, and the expiry @fired of its timer wakes it. */
void wait_woken(struct jobs *j, int64_t host_ns, const struct fired *fired)
{
	int64_t before = j->job.arrival_local_ns, idle;

	blame_settle(j->machine, host_ns);
	idle = j->cum[VMRT_BLAME_BLOCKING] -
	       (j->rel.mark.set ? j->rel.mark.cum[VMRT_BLAME_BLOCKING] : 0);
	if (j->rel.no_arrival)
		before = VMRT_UNKNOWN;
	switch (j->state) {
	case JOB_HEAD:
		jobs_bare(j, VMRT_OUTCOME_TRUNCATED);
		before = VMRT_UNKNOWN;
		break;
	case JOB_RELEASED:
	case JOB_STARTED:
		wait_complete_at_mark(j);
		break;
	default:
		before = VMRT_UNKNOWN;
		break;
	}
	j->rel.mark.set = false;
	j->rel.idle_ns = idle;
	open_job(j, before, host_ns, fired);
	blame_busy_ends(j->machine, host_ns);
}

/* The thread consumes the expiry that came while it worked: the next job begins at once. */
static void begins_at_once(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	struct fired fired = j->rel.fired;
	int64_t before = j->rel.no_arrival ? VMRT_UNKNOWN : j->job.arrival_local_ns;

	if (j->state == JOB_HEAD) {
		jobs_bare(j, VMRT_OUTCOME_TRUNCATED);
		before = VMRT_UNKNOWN;
	} else if (j->rel.no_arrival) {
		jobs_bare(j, VMRT_OUTCOME_TRUNCATED);
	} else {
		jobs_complete(j, ev->ts, host_ns);
	}
	j->rel.idle_ns = 0;
	open_job(j, before, host_ns, &fired);
	jobs_start(j, ev->ts, host_ns);
	blame_busy_ends(j->machine, host_ns);
}

/*
 * When the open job's timer was due, from what it is armed to next: the last point before it
 * expired. Unless the CPU did not run then, so that it may have expired a period late or more.
 */
static void find_arrival(struct jobs *j, int64_t expires)
{
	struct release *r = &j->rel;
	int64_t period = r->period_ns, ahead, arrival;

	if (!period || __builtin_sub_overflow(expires, j->job.release_local_ns, &ahead) ||
		ahead <= 0)
		return;
	arrival = expires - (ahead + period - 1) / period * period;
	if (r->due_from_ns <
		to_host(j->machine, arrival - period) + WAKE_NEAR_NS + j->machine->error_ns)
		return;
	r->no_arrival = false;
	jobs_set_arrival(j, arrival);
	j->unknown_ns = r->opened_ns > j->job.arrival_ns ? r->opened_ns - j->job.arrival_ns : 0;
}

/* A timer that goes on by itself is armed by the thread. */
void wait_armed(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	struct release *r = &j->rel;
	int clock = clocks_of(j->machine, ev->timer.timer);
	int64_t expires;

	if (!r->timer && r->mechanism == VMRT_RELEASE_AUTO)
		return;
	/* of several timers the one that wakes it counts; until one did, the one armed last */
	if (r->timer && r->timer != ev->timer.timer && !r->gone && j->state > JOB_HEAD)
		return;
	r->timer = ev->timer.timer;
	r->gone = false;
	r->seen_ns = ev->ts;
	if (!clocks_to_local(j->machine, clock, ev->timer.expires, &expires))
		expires = VMRT_UNKNOWN;
	r->next_ns = expires;
	blame_settle(j->machine, host_ns);
	if (r->fired.ptr &&
		(j->state == JOB_STARTED || j->state == JOB_RELEASED || j->state == JOB_HEAD))
		begins_at_once(j, ev, host_ns);
	else if (expires != VMRT_UNKNOWN && expires <= ev->ts && j->state == JOB_STARTED) {
		/* armed to an instant that has passed: the next job has arrived */
		r->fired = (struct fired){.ptr = r->timer,
			.fn = ev->timer.fn,
			.arrival_ns = expires,
			.local_ns = ev->ts,
			.host_ns = host_ns};
		begins_at_once(j, ev, host_ns);
		r->foreseen = true;
		return;
	}
	r->fired.ptr = 0;
	r->foreseen = false;
	if (r->no_arrival && expires != VMRT_UNKNOWN)
		find_arrival(j, expires);
	if (expires == VMRT_UNKNOWN || (j->state != JOB_STARTED && j->state != JOB_RELEASED))
		return;
	blame_expect(j, expires, host_ns);
}
