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
#include "parser/engine/task/mechanism.h"

#define SLACK_SHARE 10 /* of a period, for errors of clocks */

static bool is_timer(enum vmrt_release r)
{
	return r == VMRT_RELEASE_TIMERFD || r == VMRT_RELEASE_ITIMER || r == VMRT_RELEASE_POSIX;
}

/* What a timer with function @fn that goes on by itself would mean, or AUTO. */
enum vmrt_release timers_kind(enum vmrt_timer_fn fn)
{
	switch (fn) {
	case VMRT_FN_TIMERFD:
		return VMRT_RELEASE_TIMERFD;
	case VMRT_FN_ITIMER:
		return VMRT_RELEASE_ITIMER;
	case VMRT_FN_POSIX:
		return VMRT_RELEASE_POSIX;
	default:
		return VMRT_RELEASE_AUTO;
	}
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
	r->open.again |= r->open.no_arrival;
	r->open.no_arrival = fired->arrival_ns == VMRT_UNKNOWN;
	r->open.at_ns = host_ns;
	r->timer.due_from_ns = fired->due_from_ns;
	jobs_set_arrival(j, host_ns, r->open.no_arrival ? fired->local_ns : fired->arrival_ns);
	change_job_state(j, host_ns, JOB_RELEASED);
	j->timer = 0;
	r->timer.fired.ptr = 0;
	r->open.slept = r->open.in_doubt = false;
	r->open.guess.ptr = 0;
	blame_open(j, host_ns);
}

/* The open job is over: did it sleep within? */
static void note_breaks(struct release *r)
{
	r->timer.sleeps_within |= r->open.slept;
	if (r->timer.unbroken < UNBROKEN_JOBS)
		r->timer.unbroken++;
}

/* The open job ended where its thread fell asleep; unless that was not recorded. */
static void end_before_sleep(struct jobs *j, int64_t host_ns, bool seen)
{
	if (seen || j->rel.open.no_arrival)
		wait_complete_at_mark(j, host_ns);
	else
		jobs_emit_open(j, VMRT_OUTCOME_UNKNOWN);
}

/* The thread slept, and the expiry @fired of its timer wakes it. @seen: it was seen falling asleep.
 */
static void woken_by_timer(struct jobs *j, int64_t host_ns, const struct fired *fired, bool seen)
{
	int64_t before = j->job.arrival_local_ns, idle;
	int64_t idle_from = j->marked ? j->rel.mark.host_ns : INT64_MIN;

	accounts_at(j->machine, host_ns);
	idle = j->cum[VMRT_BLAME_BLOCKING] - (j->marked ? j->rel.mark.cum[VMRT_BLAME_BLOCKING] : 0);
	if (j->rel.open.no_arrival)
		before = VMRT_UNKNOWN;
	switch (j->state) {
	case JOB_HEAD:
		jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
		before = VMRT_UNKNOWN;
		break;
	case JOB_RELEASED:
	case JOB_STARTED:
		note_breaks(&j->rel);
		end_before_sleep(j, host_ns, seen);
		break;
	default:
		before = VMRT_UNKNOWN;
		break;
	}
	wait_drop_mark(j, host_ns);
	j->rel.open.idle_ns = idle;
	j->rel.open.idle_from_ns = idle_from;
	j->rel.open.vmm_ns = seen ? j->rel.mark.vmm_ns : 0;
	open_job(j, before, host_ns, fired);
	j->rel.open.in_doubt = !seen;
	blame_busy_ends(j->machine, host_ns);
}

/* The thread runs until now, perhaps in the job before the open one. */
static void doubt_run(struct jobs *j, int64_t host_ns)
{
	if (j->rel.open.in_doubt && j->state == JOB_STARTED && j->thread->state == THREAD_RUNNING)
		unsure_whose(j, j->thread->start_ns, host_ns);
}

/* The thread consumes the expiry that came while it worked: the next job begins at once. */
static void begins_at_once(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	struct fired fired = j->rel.timer.fired;
	int64_t before = j->rel.open.no_arrival ? VMRT_UNKNOWN : j->job.arrival_local_ns;

	/* it may have slept, and the timer may have woken it, where a switch is missing */
	if (j->job.inferred)
		unsure_whose(j,
			fired.host_ns < j->thread->start_ns ? fired.host_ns : j->thread->start_ns,
			host_ns);
	if (j->state == JOB_HEAD) {
		jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
		before = VMRT_UNKNOWN;
	} else if (j->rel.open.no_arrival) {
		jobs_emit_bare(j, wait_blind_outcome(j));
	} else {
		note_breaks(&j->rel);
		jobs_complete(j, ev->ts, host_ns);
	}
	j->rel.open.idle_ns = j->rel.open.vmm_ns = 0;
	open_job(j, before, host_ns, &fired);
	jobs_start(j, ev->ts, host_ns);
	blame_busy_ends(j->machine, host_ns);
}

/*
 * When the open job's timer was due, from what it is armed to next: the last point before it
 * expired, or right behind that, for clocks are known with an error. Unless the CPU did not run
 * then, so that it may have expired a period late or more.
 */
static void find_arrival(struct jobs *j, int64_t host_ns, int64_t expires)
{
	struct release *r = &j->rel;
	int64_t period = r->period_ns, ahead, arrival, slack;

	if (!period || __builtin_sub_overflow(expires, j->job.release_local_ns, &ahead) ||
		ahead <= 0)
		return;
	slack = period / SLACK_SHARE < CONTRADICTION_NS ? period / SLACK_SHARE : CONTRADICTION_NS;
	ahead = ahead > period ? ahead - slack : ahead;
	arrival = expires - (ahead + period - 1) / period * period;
	if (r->timer.due_from_ns <
		to_host(j->machine, arrival - period) + WAKE_NEAR_NS + j->machine->error_ns)
		return;
	r->open.no_arrival = false;
	jobs_set_arrival(j, host_ns, arrival);
	j->unknown_ns = r->open.at_ns > j->job.arrival_ns ? r->open.at_ns - j->job.arrival_ns : 0;
}

/*
 * Its timer has expired: may a record of a wake-up follow by which that woke the thread? Only while
 * the context in which it expired goes on. Without records of wake-ups nobody knows.
 */
static bool may_wake_yet(const struct machine *m, const struct fired *fired)
{
	if (!m->wakes_seen)
		return true;
	for (unsigned c = 0; c < m->n_cpus; c++) {
		const struct fired *f = &m->cpus[c].fired[fired->level];

		if (f->ptr == fired->ptr && f->host_ns == fired->host_ns)
			return true;
	}
	return false;
}

/*
 * The thread arms its timer anew, which was due at @due_ns, and runs though nothing showed that it
 * was woken. Has the timer expired, and woke it? The records of that come late, where record clocks
 * of CPUs differ, or are missing.
 */
static bool was_woken(const struct jobs *j, const struct vmrt_event *ev, int64_t due_ns)
{
	const struct fired *fired = &j->rel.timer.fired;
	int64_t window = record_window_ns(j->machine);

	if (j->state != JOB_STARTED || !wait_began_unwoken(j))
		return false;
	if (fired->ptr)
		return fired->host_ns - j->thread->start_ns <= window &&
		       (fired->host_ns > j->thread->start_ns || may_wake_yet(j->machine, fired));
	/* the open job was released by another expiry; else the timer was armed meanwhile, unseen
	 */
	return window && due_ns != VMRT_UNKNOWN && due_ns <= ev->ts &&
	       due_ns > j->job.arrival_local_ns;
}

/* It has: its job began when the thread began to run. */
static void wake_late(struct jobs *j, const struct vmrt_event *ev, int64_t due_ns, int64_t host_ns)
{
	const struct thread *t = j->thread;
	struct fired fired = j->rel.timer.fired;

	j->rel.timer.consumed = !fired.ptr;
	if (!fired.ptr)
		fired = (struct fired){.ptr = ev->timer.timer,
			.fn = ev->timer.fn,
			.owner = t,
			.arrival_ns = due_ns,
			.local_ns = t->start_local_ns,
			.host_ns = t->start_ns};
	wait_remember_end(j, host_ns);
	woken_by_timer(j, host_ns, &fired, true);
	jobs_start(j, t->start_local_ns, t->start_ns);
}

/*
 * The thread arms its timer anew, which had expired so long before the thread was woken that
 * something else may have woken it. If it consumes the expiry as soon as it runs, nobody knows
 * which of both it was, and so not where the job before ended either.
 */
static bool began_in_doubt(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	const struct thread *t = j->thread;
	struct fired fired = j->rel.timer.fired;

	if (!fired.ptr || !j->rel.timer.doubtful || t->state != THREAD_RUNNING ||
		ev->ts - t->start_local_ns > WAKES_WITHIN_NS ||
		(j->state != JOB_NONE && j->state != JOB_STARTED && j->state != JOB_HEAD))
		return false;
	woken_by_timer(j, host_ns, &fired, false);
	/* it slept, whoever woke it */
	j->rel.open.vmm_ns = j->rel.mark.vmm_ns;
	jobs_start(j, t->start_local_ns, t->start_ns);
	unsure_whose(j, t->start_ns, host_ns);
	return true;
}

/*
 * What woke the thread long after its timer had expired was taken for the timer, before any was
 * seen being armed. The thread reads its timer only now: until now it worked on the job before, of
 * which nothing else is recorded.
 */
static void begins_after_all(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	struct fired fired = j->rel.open.guess;

	if (!fired.ptr || fired.ptr != ev->timer.timer || j->state != JOB_STARTED ||
		ev->ts - j->job.start_local_ns <= WAKES_WITHIN_NS)
		return;
	open_job(j, VMRT_UNKNOWN, host_ns, &fired);
	jobs_start(j, ev->ts, host_ns);
}

/* Was the thread woken so late that this time runs out before it is known whether it reads its
 * timer at once? */
static bool ends_in_doubt(const struct jobs *j, int64_t host_ns)
{
	const struct thread *t = j->thread;

	if (!j->rel.timer.fired.ptr || !j->rel.timer.doubtful)
		return false;
	return t->state == THREAD_RUNNING ? host_ns - t->start_ns <= WAKES_WITHIN_NS
					  : t->state == THREAD_READY && t->start_ns < t->woken_ns;
}

static void finish(struct jobs *j, int64_t host_ns)
{
	struct fired fired = j->rel.timer.fired;

	if (ends_in_doubt(j, host_ns) && (j->state == JOB_STARTED || j->state == JOB_HEAD))
		woken_by_timer(j, host_ns, &fired, false);
}

/* A timer that goes on by itself is armed by the thread. */
static void armed(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	struct release *r = &j->rel;
	int clock = clocks_of(j->machine, ev->timer.timer);
	bool again = r->timer.ptr == ev->timer.timer;
	int64_t expires, due_ns;

	if (!r->timer.ptr && r->mechanism == VMRT_RELEASE_AUTO) {
		r->trial.timers++;
		return;
	}
	/* of several timers the one that wakes it counts; until one did, the one armed last */
	if (r->timer.ptr && r->timer.ptr != ev->timer.timer && !r->timer.gone &&
		j->state > JOB_HEAD)
		return;
	r->timer.ptr = ev->timer.timer;
	r->timer.gone = false;
	r->timer.seen_ns = ev->ts;
	if (!clocks_to_local(j->machine, clock, ev->timer.expires, &expires))
		expires = VMRT_UNKNOWN;
	due_ns = r->timer.next_ns;
	r->timer.next_ns = expires;
	r->timer.consumed = false;
	doubt_run(j, host_ns);
	r->open.in_doubt = false;
	begins_after_all(j, ev, host_ns);
	r->open.guess.ptr = 0;
	if (again && was_woken(j, ev, due_ns))
		wake_late(j, ev, due_ns, host_ns);
	else if (began_in_doubt(j, ev, host_ns))
		r->open.in_doubt = false;
	else if (r->timer.fired.ptr &&
		 (j->state == JOB_STARTED || j->state == JOB_RELEASED || j->state == JOB_HEAD))
		begins_at_once(j, ev, host_ns);
	else if (expires != VMRT_UNKNOWN && has_passed(j->machine, expires, ev->ts) &&
		 j->state == JOB_STARTED) {
		/* armed to an instant that has passed: the next job has arrived */
		r->timer.fired = (struct fired){.ptr = r->timer.ptr,
			.fn = ev->timer.fn,
			.arrival_ns = expires,
			.local_ns = ev->ts,
			.host_ns = host_ns};
		begins_at_once(j, ev, host_ns);
		r->timer.foreseen = true;
		return;
	}
	r->timer.fired.ptr = 0;
	r->timer.foreseen = r->timer.doubtful = false;
	if (r->open.no_arrival && expires != VMRT_UNKNOWN)
		find_arrival(j, host_ns, expires);
	if (expires == VMRT_UNKNOWN || (j->state != JOB_STARTED && j->state != JOB_RELEASED))
		return;
	blame_expect(j, expires, host_ns);
}

/* A timer of the wrong kind, or another one than the task's own, is no release. */
static bool is_own_timer(struct jobs *j, int64_t host_ns, const struct fired *f)
{
	struct release *r = &j->rel;
	enum vmrt_release kind = timers_kind(f->fn);
	int64_t patience = r->period_ns ? 2 * r->period_ns : VMRT_NS_PER_S;

	/* another task's: it expired in the same interrupt in which something else woke this one */
	if (f->owner && f->owner != j->thread && f->owner->jobs)
		return false;

	if (is_timer(r->mechanism)) {
		if (kind != r->mechanism && f->fn != VMRT_FN_UNKNOWN)
			return false;
		if (r->timer.ptr && r->timer.ptr != f->ptr && !r->timer.gone &&
			f->local_ns - r->timer.seen_ns < patience &&
			!release_lost_since(j, r->timer.seen_ns))
			return false;
		r->timer.ptr = f->ptr;
		r->timer.gone = false;
		r->timer.seen_ns = f->local_ns;
		return true;
	}
	if (r->mechanism != VMRT_RELEASE_AUTO || kind == VMRT_RELEASE_AUTO || r->sleep.absolute > 1)
		return false;
	/* it may be a watchdog within the first job, or a timer that expired in the interrupt of
	 * something else */
	if ((r->sleep.absolute || f->owner != j->thread) && r->timer.suspect != f->ptr) {
		r->timer.suspect = f->ptr;
		return false;
	}
	release_discard(j, host_ns);
	release_decide(j, kind, host_ns);
	/* its first release passed for something else: a second reading finds that job, too */
	j->machine->engine->found[j->task].again |= r->timer.suspect == f->ptr;
	if (r->sleep.absolute && (j->state == JOB_RELEASED || j->state == JOB_STARTED))
		jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
	if (j->state != JOB_HEAD)
		change_job_state(j, host_ns, JOB_NONE);
	r->timer.ptr = f->ptr;
	r->timer.seen_ns = f->local_ns;
	return true;
}

static bool arm(struct jobs *j, const struct armed *a)
{
	/* of an unknown kind it is the task's if the task is known to wait for such a timer */
	bool own = a->kind == ARMED_TIMER ||
		   (is_timer(j->rel.mechanism) && a->ev->timer.fn == VMRT_FN_UNKNOWN);

	if (own)
		armed(j, a->ev, a->host_ns);
	return own;
}

static void expire(
	struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, const struct fired *fired)
{
	struct release *r = &j->rel;
	bool early = fired->arrival_ns != VMRT_UNKNOWN &&
		     fired->arrival_ns - fired->local_ns > CONTRADICTION_NS;

	if (ev->type != VMRT_EV_TIMER_EXPIRE || !is_timer(r->mechanism))
		return;
	/* the thread armed it before its name showed that it is the task's */
	if (!r->timer.ptr && fired->owner == j->thread && timers_kind(fired->fn) == r->mechanism)
		r->timer.ptr = fired->ptr;
	if (r->timer.ptr != fired->ptr)
		return;
	r->timer.seen_ns = ev->ts;
	/* long before it is due: it was armed anew behind that, on a CPU whose clock is not known
	 * that well, and what came first is not known of the others either */
	if (early && r->timer.consumed) {
		r->timer.consumed = false;
		return;
	}
	if (early)
		machine_lost(j->machine, host_ns);
	accounts_at(j->machine, host_ns);
	if (!r->timer.foreseen)
		r->timer.fired = *fired;
	r->timer.foreseen = false;
}

/* Did a record show that the thread, which is woken, fell asleep? */
static bool is_seen_asleep(const struct jobs *j)
{
	return j->thread->state != THREAD_UNKNOWN && j->thread->state != THREAD_READY &&
	       !j->rel.mark.inferred;
}

static bool wake(
	struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, const struct fired *by)
{
	(void)ev;
	/* it may have waited for a lock since, which who handles the timer gives up */
	if (!by || j->thread->suspended || by->host_ns == j->rel.timer.woke_ns ||
		!is_own_timer(j, host_ns, by))
		return false;
	j->rel.timer.woke_ns = by->host_ns;
	woken_by_timer(j, host_ns, by, is_seen_asleep(j));
	if (!j->machine->starts_seen && release_is_over(j->machine, by))
		j->rel.open.guess = *by;
	return true;
}

static bool switch_in(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	struct fired fired = j->rel.timer.fired;

	(void)local_ns;
	if (!fired.ptr || fired.host_ns < j->rel.mark.host_ns || j->rel.mark.inferred)
		return false;
	/* the record of a wake-up by something else may still come, where records of two CPUs are
	 * out of order */
	if (record_window_ns(j->machine) && j->machine->wakes_seen)
		return false;
	/* where records are lost, it may not have slept */
	woken_by_timer(j, host_ns, &fired, !jobs_lost_since(j, j->rel.mark.host_ns));
	return true;
}

static void slept(struct jobs *j, int64_t host_ns, const struct fired *by)
{
	if (j->rel.timer.fired.ptr == by->ptr)
		woken_by_timer(j, host_ns, by, false);
}

static void switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns)
{
	doubt_run(j, host_ns);
	if (!is_undecided(j) && (state & STATE_SLEEP) &&
		(j->state == JOB_STARTED || j->state == JOB_HEAD || j->state == JOB_RELEASED))
		wait_mark_end(j, local_ns, host_ns);
}

/* What began in doubt may be the rest of the job before: only reading the timer would show it. */
static bool exits(const struct jobs *j)
{
	return !j->rel.open.no_arrival && !j->rel.open.slept && !j->rel.open.in_doubt;
}

#define TIMER_MECHANISM(name, kind)                                                                \
	const struct mechanism mechanism_##name = {                                                \
		.release = VMRT_RELEASE_##kind,                                                    \
		.strength = 3,                                                                     \
		.merges = true,                                                                    \
		.arm = arm,                                                                        \
		.expire = expire,                                                                  \
		.wake = wake,                                                                      \
		.switch_in = switch_in,                                                            \
		.slept = slept,                                                                    \
		.switch_out = switch_out,                                                          \
		.exits = exits,                                                                    \
		.finish = finish,                                                                  \
	}

TIMER_MECHANISM(timerfd, TIMERFD);
TIMER_MECHANISM(itimer, ITIMER);
TIMER_MECHANISM(posix, POSIX);
