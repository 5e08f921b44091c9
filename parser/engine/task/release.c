/* SPDX-License-Identifier: MIT */
/*
 * What releases a task's jobs, and by which timer.
 *
 * A mechanism is declared or found out (release_decide() is called with the first proof):
 *   nanosleep  the thread arms two absolute sleeps of its own;
 *   timerfd, itimer, posix  such a timer's expiry wakes the thread, twice if it also armed one
 * absolute sleep (to begin on the grid, as many programs do); relative   it sleeps for a time again
 * and again, and does nothing of the above. Until that is certain the jobs in question are held
 * back, at most HELD_MAX; resch      it arms RESCH's job release timer and is switched out in state
 * D; deadline   it gives up the CPU while the timer of its SCHED_DEADLINE reservation is armed. The
 * first absolute sleep is taken for a release at once: a job is given only when it ends, which is
 * after the proof.
 */
#include "parser/engine/core/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Relative sleeps in a row that prove a relative period, where it is declared and where it is not.
 */
#define TRIAL_DECLARED 4
#define TRIAL_UNDECLARED HELD_MAX
/* A SCHED_DEADLINE reservation is replenished sooner; the kernel's fair server later. */
#define FAIR_SERVER_NS (900 * VMRT_NS_PER_MS)
#define STATE_SLEEP 1
#define STATE_DISK 2
#define STATE_STOPPED 0x0c /* T, t */
#define DEADLINE_PRIO (-1)
/* Locks held in sched_yield() when it arms the timer. The scheduler itself, throttling, holds one
 * more. */
#define YIELD_DEPTH 2
/* A server's timer that puts a thread to sleep is followed by its switch so soon, in time in which
 * the CPU runs. */
#define SUSPENDS_WITHIN_NS VMRT_NS_PER_MS
/* Sleeps that show that a thread waits in another way than its task. */
#define OTHER_SLEEPS 4
#define IN_INTERRUPT (VMRT_FLAG_HARDIRQ | VMRT_FLAG_SOFTIRQ)

static bool is_wait(enum vmrt_release r)
{
	return r == VMRT_RELEASE_TIMERFD || r == VMRT_RELEASE_ITIMER || r == VMRT_RELEASE_POSIX;
}

/* What a timer with function @fn that goes on by itself would mean, or AUTO. */
static enum vmrt_release wait_of(enum vmrt_timer_fn fn)
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

void release_init(struct jobs *j)
{
	const enum vmrt_release *waits = j->machine->engine->config->waits;

	j->rel.mechanism = j->spec->release;
	if (j->rel.mechanism == VMRT_RELEASE_AUTO && waits)
		j->rel.mechanism = waits[j->task];
	/* as an earlier thread of the task did */
	if (j->rel.mechanism == VMRT_RELEASE_AUTO)
		j->rel.mechanism = j->machine->engine->found[j->task].mechanism;
	j->rel.period_ns = j->spec->period_ns;
	j->rel.clock = CLOCK_IS_MONOTONIC;
	j->rel.next_ns = VMRT_UNKNOWN;
	j->rel.off_grid = j->rel.mechanism == VMRT_RELEASE_RELATIVE ||
			  j->rel.mechanism == VMRT_RELEASE_WAKEUP;
	if (!j->rel.period_ns && !j->rel.off_grid)
		j->rel.period_ns = period_found(&j->machine->engine->found[j->task]);
	if (j->rel.mechanism != VMRT_RELEASE_AUTO)
		j->machine->engine->found[j->task].mechanism = j->rel.mechanism;
}

void release_free(struct jobs *j)
{
	free(j->rel.held);
}

/* Of threads of one task that wait in different ways, those with the strongest one are the task. */
static int strength(enum vmrt_release mechanism)
{
	switch (mechanism) {
	case VMRT_RELEASE_AUTO:
		return 0;
	case VMRT_RELEASE_WAKEUP:
		return 1;
	case VMRT_RELEASE_RELATIVE:
		return 2;
	case VMRT_RELEASE_RESCH:
	case VMRT_RELEASE_DEADLINE:
		return 4;
	default:
		return 3;
	}
}

/* The thread waits in another way than its task does: what it does is no job. */
static void follow_task(struct jobs *j, enum vmrt_release mechanism)
{
	release_discard(j);
	j->rel.mechanism = mechanism;
	j->rel.off_grid = mechanism == VMRT_RELEASE_WAKEUP;
	j->rel.mark.set = false;
	if (j->state != JOB_HEAD)
		j->state = JOB_NONE;
}

void release_decide(struct jobs *j, enum vmrt_release mechanism)
{
	struct machine *m = j->machine;
	struct task_found *found = &m->engine->found[j->task];

	j->rel.mechanism = mechanism;
	if (strength(found->mechanism) >= strength(mechanism))
		return;
	found->again |= found->mechanism != VMRT_RELEASE_AUTO;
	found->mechanism = mechanism;
	for (size_t i = 0; found->again && i < m->n_jobs; i++)
		if (m->jobs[i] != j && m->jobs[i]->task == j->task)
			follow_task(m->jobs[i], mechanism);
}

/*
 * The thread is done. If it had no job, since it waits in another way than its task, it is named,
 * and true is returned.
 */
bool release_is_other(struct jobs *j)
{
	struct task_found *found = &j->machine->engine->found[j->task];
	size_t used = strlen(found->others);
	int n;

	if (j->rel.other_sleeps < OTHER_SLEEPS || j->rel.had_job || j->rel.holding ||
		j->rel.mechanism == VMRT_RELEASE_AUTO || j->state > JOB_HEAD)
		return false;
	found->n_others++;
	n = snprintf(found->others + used, sizeof(found->others) - used, "%s%s/%d",
		used ? ", " : "", j->thr->pub.comm, j->thr->pub.tid);
	if (n < 0 || (size_t)n >= sizeof(found->others) - used)
		found->others[used] = '\0';
	return true;
}

/* Keeps the job just made while it is not certain that it is one. */
bool release_give(struct jobs *j)
{
	struct release *r = &j->rel;

	if (!r->holding)
		return false;
	if (r->n_held < HELD_MAX)
		r->held[r->n_held++] = j->job;
	return true;
}

/* The trial is over: they were jobs, or the thread ends before it is known. */
void release_flush(struct jobs *j)
{
	struct release *r = &j->rel;
	struct vmrt_job open = j->job;
	int n = r->n_held;

	if (!r->holding)
		return;
	r->holding = false;
	r->n_held = 0;
	if (r->mechanism == VMRT_RELEASE_AUTO)
		n = r->was_head ? 1 : 0;
	for (int i = 0; i < n; i++)
		jobs_give_open((j->job = r->held[i], j), r->held[i].outcome);
	j->job = open;
}

/* They were sleeps within a job. */
void release_discard(struct jobs *j)
{
	struct release *r = &j->rel;

	if (!r->holding)
		return;
	r->holding = false;
	r->n_held = 0;
	r->off_grid = false;
	j->state = r->was_head ? JOB_HEAD : JOB_NONE;
	jobs_clear(j);
}

static int64_t sleep_expiry(const struct machine *m, int clock, int64_t raw)
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
		release_discard(j);
	if (!jobs_timer_start(j, local_ns, host_ns, sleep_expiry(j->machine, clock, raw), timer))
		return;
	r->clock = clock;
	r->raw_expires = raw;
	if (r->mechanism == VMRT_RELEASE_AUTO && ++r->sleeps == 2)
		release_decide(j, VMRT_RELEASE_NANOSLEEP);
	else if (r->mechanism == VMRT_RELEASE_AUTO)
		r->suspect = 0;
}

/* Do the relative sleeps so far look like the task's period? */
static bool trial_agrees(const struct jobs *j)
{
	const struct release *r = &j->rel;
	int need = j->spec->period_ns ? TRIAL_DECLARED : TRIAL_UNDECLARED;
	int64_t before = VMRT_UNKNOWN;

	if (r->n_held < need)
		return false;
	for (int i = 0; j->spec->period_ns && i < r->n_held; i++) {
		int64_t at = r->held[i].arrival_local_ns;

		if (before != VMRT_UNKNOWN && at != VMRT_UNKNOWN &&
			(at - before < j->spec->period_ns / 2 ||
				at - before > 2 * j->spec->period_ns))
			return false;
		before = at;
	}
	return true;
}

static void relative_sleep(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	struct release *r = &j->rel;

	if (r->mechanism == VMRT_RELEASE_RELATIVE) {
		r->clock = CLOCK_IS_MONOTONIC;
		jobs_timer_start(j, ev->ts, host_ns, ev->timer.softexpires, ev->timer.timer);
		return;
	}
	if (r->mechanism == VMRT_RELEASE_AUTO && !r->sleeps && !r->timer &&
		strength(j->machine->engine->found[j->task].mechanism) >
			strength(VMRT_RELEASE_RELATIVE))
		follow_task(j, j->machine->engine->found[j->task].mechanism);
	r->other_sleeps++;
	if (r->mechanism != VMRT_RELEASE_AUTO || r->sleeps || r->timer || r->suspect)
		return;
	if (!r->holding) {
		if (!r->held)
			r->held = calloc(HELD_MAX, sizeof(*r->held));
		if (!r->held) {
			j->machine->engine->out_of_memory = true;
			return;
		}
		r->holding = true;
		r->was_head = j->state == JOB_HEAD;
		r->off_grid = true;
	}
	r->clock = CLOCK_IS_MONOTONIC;
	jobs_timer_start(j, ev->ts, host_ns, ev->timer.softexpires, ev->timer.timer);
	if (trial_agrees(j)) {
		release_decide(j, VMRT_RELEASE_RELATIVE);
		release_flush(j);
	} else if (r->n_held == HELD_MAX) {
		/* they are not: what comes is judged anew */
		release_discard(j);
		r->was_head = false;
	}
}

/* A timer that ends the job if the thread is switched out right now. */
static void may_end(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, uint64_t timer,
	int64_t raw, int clock)
{
	wait_mark_end(j, ev->ts, host_ns);
	j->rel.confirm = true;
	j->rel.confirm_timer = timer;
	j->rel.confirm_raw = raw;
	j->rel.confirm_clock = clock;
}

static bool may_be(const struct jobs *j, enum vmrt_release mechanism)
{
	return j->rel.mechanism == mechanism ||
	       (j->rel.mechanism == VMRT_RELEASE_AUTO && j->rel.sleeps < 2);
}

static void deadline_timer(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	int64_t ahead;

	if (ev->depth > YIELD_DEPTH) /* its runtime is used up */
		return;
	/*
	 * Of a thread that became a deadline task in this run the priority is not known yet: the
	 * switch that follows tells it.
	 */
	if (!may_be(j, VMRT_RELEASE_DEADLINE) ||
		(j->thr->prio != DEADLINE_PRIO && j->state > JOB_HEAD &&
			j->rel.mechanism != VMRT_RELEASE_AUTO) ||
		__builtin_sub_overflow(ev->timer.expires, ev->ts, &ahead) || ahead <= 0)
		return;
	if (ahead > (j->spec->period_ns ? j->spec->period_ns : FAIR_SERVER_NS))
		return;
	may_end(j, ev, host_ns, ev->timer.timer, ev->timer.expires, CLOCK_IS_MONOTONIC);
}

void release_timer_setup(struct machine *m, const struct vmrt_event *ev)
{
	int clock = ev->timer.clock;

	/* the kernel takes relative timers of the settable clock to the monotonic one */
	if (clock == CLOCK_IS_REALTIME && (ev->timer.mode & VMRT_TIMER_REL))
		clock = CLOCK_IS_MONOTONIC;
	if (!m->has_tasks)
		return;
	clocks_setup(m, ev->timer.timer, clock);
	clocks_note_mode(m, ev->timer.timer, ev->timer.mode);
}

void release_timer_start(
	struct machine *m, const struct vmrt_event *ev, int64_t host_ns, struct timer *timer)
{
	/* armed by the thread itself in a system call, not by an interrupt that came upon it */
	bool own = !(ev->flags & IN_INTERRUPT);
	int mode = clocks_mode_of(m, ev);
	bool relative = mode & VMRT_TIMER_REL;
	bool wakes = ev->timer.fn == VMRT_FN_WAKEUP || ev->timer.fn == VMRT_FN_UNKNOWN;
	struct thr *t;

	if (!own || !m->has_tasks || ev->pid <= 0)
		return;
	t = threads_find(m, ev->pid);
	if (!t && wakes && !relative && !(mode & VMRT_TIMER_PINNED))
		t = threads_get(m, ev->pid, NULL);
	if (!t)
		return;
	timer->owner = t;
	if (t->jobs && t->jobs->rel.mechanism == VMRT_RELEASE_WAKEUP)
		return;
	if (t->jobs && (wait_of(ev->timer.fn) || (is_wait(t->jobs->rel.mechanism) &&
							 ev->timer.fn == VMRT_FN_UNKNOWN))) {
		wait_armed(t->jobs, ev, host_ns);
	} else if (t->jobs && ev->timer.fn == VMRT_FN_DEADLINE) {
		deadline_timer(t->jobs, ev, host_ns);
	} else if (!wakes || (mode & VMRT_TIMER_PINNED)) {
		return;
	} else if (relative) {
		if (t->jobs)
			relative_sleep(t->jobs, ev, host_ns);
	} else if (t->jobs) {
		release_armed(t->jobs, ev->ts, host_ns, ev->timer.softexpires, ev->timer.timer,
			clocks_of(m, ev->timer.timer));
	} else {
		t->armed_local_ns = ev->ts;
		t->armed_expires_ns = ev->timer.softexpires;
		t->armed_timer = ev->timer.timer;
		t->fired_local_ns = VMRT_UNKNOWN;
	}
}

/* @timer was cancelled (@gone), or this turns out to have been its expiry. */
void release_timer_gone(const struct timer *timer, bool gone)
{
	if (timer->owner && timer->owner->jobs && timer->owner->jobs->rel.timer == timer->ptr)
		timer->owner->jobs->rel.gone = gone;
}

static void confirmed(struct jobs *j, enum vmrt_release mechanism, int64_t host_ns);

/* The timer of which it is not known yet whether it ends the job has expired before the thread got
 * to sleep: it did. */
static void expired_early(struct jobs *j, uint64_t timer, bool wheel, int64_t host_ns)
{
	if (!j->rel.confirm || j->rel.confirm_timer != timer ||
		(j->rel.confirm_clock == CLOCK_IS_TICKS) != wheel)
		return;
	blame_settle(j->machine, host_ns);
	confirmed(j, wheel ? VMRT_RELEASE_RESCH : VMRT_RELEASE_DEADLINE, host_ns);
}

static int64_t minus(int64_t a, int64_t b)
{
	int64_t difference;

	return __builtin_sub_overflow(a, b, &difference) ? -1 : difference;
}

/*
 * The sleep of @j is over, @late after it should have been. That may tell more of its arrival than
 * was known before, or that the clock was set meanwhile.
 */
static void arrive(struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t late)
{
	int64_t step =
		CLOCK_STEP_NS + (j->rel.clock == CLOCK_IS_TICKS ? j->machine->clocks.tick_ns : 0);
	int64_t arrival, change;

	if (late < 0 || __builtin_sub_overflow(local_ns, late, &arrival))
		arrival = local_ns;
	/* that many ticks ago it had arrived for certain */
	if (!j->rel.pending &&
		j->job.arrival_local_ns <= (j->rel.clock == CLOCK_IS_TICKS ? arrival : local_ns) &&
		!__builtin_sub_overflow(arrival, j->job.arrival_local_ns, &change) &&
		llabs(change) <= step)
		return;
	blame_settle(j->machine, host_ns);
	j->rel.pending = false;
	jobs_set_arrival(j, arrival);
	blame_open(j, host_ns);
}

/*
 * Since when a timer may have been due that expires on CPU @cpu at @host_ns: where that has just
 * begun to run, since its vCPU thread began to wait.
 */
static int64_t due_from(const struct machine *m, unsigned cpu, int64_t host_ns)
{
	const struct thr *v = m->index ? vcpu_of(m, cpu) : NULL;

	if (!v || v->state == THR_UNKNOWN || host_ns - v->start_ns > WAKE_NEAR_NS + m->error_ns)
		return host_ns;
	return v->start_truncated ? INT64_MIN : v->ready_ns;
}

void release_timer_expire(
	struct machine *m, const struct vmrt_event *ev, int64_t host_ns, const struct timer *timer)
{
	int clock = clocks_of(m, ev->timer.timer);
	struct fired fired = {
		.ptr = ev->timer.timer,
		.fn = ev->timer.fn,
		.arrival_ns = VMRT_UNKNOWN,
		.local_ns = ev->ts,
		.host_ns = host_ns,
		/* PREEMPT_RT: records of such a thread may bear no flag of an interrupt */
		.thread = interrupt_level(ev->flags) ? 0 : ev->pid,
	};
	struct jobs *j = timer && timer->owner ? timer->owner->jobs : NULL;

	if (clock != CLOCK_IS_MONOTONIC)
		clocks_expired(m, clock, ev->timer.now, ev->ts);
	if (timer) {
		int64_t late;

		fired.owner = timer->owner;
		/* how late it is, the timer's own clock tells best */
		if (clock == CLOCK_IS_MONOTONIC)
			fired.arrival_ns = timer->expires;
		else if (!__builtin_sub_overflow(ev->timer.now, timer->expires, &late) && late >= 0)
			fired.arrival_ns = ev->ts - late;
	}
	if (fired.arrival_ns == VMRT_UNKNOWN)
		fired.due_from_ns = due_from(m, ev->cpu, host_ns);
	m->cpus[ev->cpu].fired = fired;
	if (j)
		expired_early(j, fired.ptr, false, host_ns);
	if (j && j->state == JOB_SLEEPING && j->rel.clock != CLOCK_IS_MONOTONIC &&
		j->timer == fired.ptr)
		arrive(j, ev->ts, host_ns, minus(ev->timer.now, j->rel.raw_expires));
	if (j && j->rel.timer == fired.ptr && is_wait(j->rel.mechanism)) {
		j->rel.seen_ns = ev->ts;
		if (!j->rel.foreseen)
			j->rel.fired = fired;
		j->rel.foreseen = false;
	}
}

void release_wheel_start(struct machine *m, const struct vmrt_event *ev, int64_t host_ns)
{
	struct thr *t = threads_find(m, ev->pid);
	bool named = ev->wheel.fn == VMRT_FN_RESCH_JOB;

	if (m->has_tasks)
		clocks_ticked(m, ev->wheel.now, ev->ts);
	if ((ev->flags & IN_INTERRUPT) || !t || !t->jobs)
		return;
	if (!named &&
		!(ev->wheel.fn == VMRT_FN_UNKNOWN && t->jobs->spec->release == VMRT_RELEASE_RESCH))
		return;
	if (!may_be(t->jobs, VMRT_RELEASE_RESCH))
		return;
	may_end(t->jobs, ev, host_ns, ev->wheel.timer, (int64_t)ev->wheel.expires, CLOCK_IS_TICKS);
	/* after a miss RESCH counts the period from now on */
	t->jobs->rel.rephased =
		m->clocks.tick_ns && t->jobs->spec->period_ns &&
		(int32_t)(uint32_t)(ev->wheel.expires - ev->wheel.now) ==
			(t->jobs->spec->period_ns + m->clocks.tick_ns - 1) / m->clocks.tick_ns;
}

void release_wheel_expire(struct machine *m, const struct vmrt_event *ev, int64_t host_ns)
{
	if (!m->has_tasks)
		return;
	clocks_ticked(m, ev->wheel.now, ev->ts);
	if (ev->wheel.fn == VMRT_FN_RESCH_SERVER) {
		m->cpus[ev->cpu].server_timer = true;
		m->cpus[ev->cpu].server_ran_ns = cpus_ran(m, ev->cpu, host_ns);
	}
	m->cpus[ev->cpu].fired = (struct fired){.ptr = ev->wheel.timer,
		.fn = ev->wheel.fn,
		.arrival_ns = VMRT_UNKNOWN,
		.local_ns = ev->ts,
		.host_ns = host_ns};
	for (size_t i = 0; i < m->n_jobs; i++) {
		struct jobs *j = m->jobs[i];
		int64_t late;

		expired_early(j, ev->wheel.timer, true, host_ns);
		if (j->state != JOB_SLEEPING || j->timer != ev->wheel.timer ||
			j->rel.clock != CLOCK_IS_TICKS)
			continue;
		late = (int32_t)(uint32_t)(ev->wheel.now - (uint64_t)j->rel.raw_expires);
		arrive(j, ev->ts, host_ns, late * m->clocks.tick_ns);
		jobs_timer_expire(j, ev->wheel.timer, ev->ts, host_ns);
	}
}

/* Was this wake-up by a timer that expired on the same CPU right before? */
static const struct fired *waker(const struct machine *m, const struct vmrt_event *ev)
{
	const struct fired *f = &m->cpus[ev->cpu].fired;
	bool interrupt = interrupt_level(ev->flags) != LEVEL_THREAD;

	return f->ptr && (f->thread ? !interrupt && ev->pid == f->thread : interrupt) ? f : NULL;
}

/* A timer of the wrong kind, or another one than the task's own, is no release. */
static bool is_own_timer(struct jobs *j, const struct fired *f)
{
	struct release *r = &j->rel;
	enum vmrt_release kind = wait_of(f->fn);
	int64_t patience = r->period_ns ? 2 * r->period_ns : VMRT_NS_PER_S;

	/* another task's: it expired in the same interrupt in which something else woke this one */
	if (f->owner && f->owner != j->thr && f->owner->jobs)
		return false;

	if (is_wait(r->mechanism)) {
		if (kind != r->mechanism && f->fn != VMRT_FN_UNKNOWN)
			return false;
		if (r->timer && r->timer != f->ptr && !r->gone &&
			f->local_ns - r->seen_ns < patience)
			return false;
		r->timer = f->ptr;
		r->gone = false;
		r->seen_ns = f->local_ns;
		return true;
	}
	if (r->mechanism != VMRT_RELEASE_AUTO || kind == VMRT_RELEASE_AUTO || r->sleeps > 1)
		return false;
	/* it may be a watchdog within the first job, or a timer that expired in the interrupt of
	 * something else */
	if ((r->sleeps || f->owner != j->thr) && r->suspect != f->ptr) {
		r->suspect = f->ptr;
		return false;
	}
	release_discard(j);
	release_decide(j, kind);
	if (r->sleeps && (j->state == JOB_RELEASED || j->state == JOB_STARTED))
		jobs_bare(j, VMRT_OUTCOME_TRUNCATED);
	if (j->state != JOB_HEAD)
		j->state = JOB_NONE;
	r->timer = f->ptr;
	r->seen_ns = f->local_ns;
	return true;
}

/* A thread that slept is woken. */
void release_waking(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	const struct fired *f = waker(j->machine, ev);

	blame_settle(j->machine, host_ns);
	if (j->rel.mechanism == VMRT_RELEASE_WAKEUP && !j->thr->suspended) {
		wakeup_woken(j, ev, host_ns);
		return;
	}
	wakeup_note(j, f);
	/* what it was asleep for is known only if it was seen falling asleep */
	if (f && j->thr->state != THR_UNKNOWN && !j->thr->suspended && is_own_timer(j, f))
		wait_woken(j, host_ns, f);
	else
		wait_forget_end(j);
	j->rel.woke = true;
}

void release_switch_in(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	struct release *r = &j->rel;

	/* the wake-up was not recorded; unless that it fell asleep was not either, but was
	 * inferred: then it was preempted */
	if (r->mark.set && !r->confirm && !r->mark.inferred &&
		r->mechanism == VMRT_RELEASE_WAKEUP) {
		wakeup_unseen(j, local_ns, host_ns);
	} else if (r->mark.set && !r->confirm) {
		struct fired fired = r->fired;

		if (fired.ptr && fired.host_ns >= r->mark.host_ns && !r->mark.inferred)
			wait_woken(j, host_ns, &fired);
		else
			wait_forget_end(j);
	}
}

/* The thread was switched out as a job's end would: it ended when it armed its timer. */
static void confirmed(struct jobs *j, enum vmrt_release mechanism, int64_t host_ns)
{
	struct release *r = &j->rel;
	int64_t before = j->job.arrival_local_ns, skipped = 0;
	int64_t expires = sleep_expiry(j->machine, r->confirm_clock, r->confirm_raw);
	bool off_grid;

	release_discard(j);
	off_grid = r->off_grid;
	if (r->mechanism == VMRT_RELEASE_AUTO)
		release_decide(j, mechanism);
	r->confirm = false;
	r->off_grid = off_grid || r->rephased;
	if (j->state == JOB_HEAD) {
		jobs_bare(j, VMRT_OUTCOME_TRUNCATED);
	} else if (j->state >= JOB_RELEASED) {
		wait_complete_at_mark(j);
		if (expires != VMRT_UNKNOWN)
			skipped = jobs_skip(j, before, expires);
	}
	r->off_grid = off_grid;
	r->rephased = false;
	r->mark.set = false;
	r->clock = r->confirm_clock;
	r->raw_expires = r->confirm_raw;
	jobs_await(j, host_ns, skipped, expires, r->confirm_timer);
}

void release_switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns)
{
	struct release *r = &j->rel;

	/* S: the switch itself was not recorded */
	if (r->confirm && r->confirm_clock == CLOCK_IS_TICKS &&
		(state & (STATE_DISK | STATE_SLEEP))) {
		confirmed(j, VMRT_RELEASE_RESCH, host_ns);
	} else if (r->confirm && r->confirm_clock == CLOCK_IS_MONOTONIC &&
		   (state == 0 || state == STATE_SLEEP) && j->thr->prio == DEADLINE_PRIO) {
		confirmed(j, VMRT_RELEASE_DEADLINE, host_ns);
	} else if (r->confirm && !(r->confirm_clock == CLOCK_IS_TICKS && state == 0)) {
		r->confirm = false;
		wait_forget_end(j);
	}
	if ((is_wait(r->mechanism) || r->mechanism == VMRT_RELEASE_WAKEUP) &&
		(state & STATE_SLEEP) &&
		(j->state == JOB_STARTED || j->state == JOB_HEAD || j->state == JOB_RELEASED))
		wait_mark_end(j, local_ns, host_ns);
}

/* Did RESCH put to sleep who leaves the CPU? Its timer's interrupt does that, and the switch
 * follows. */
static bool by_server(const struct machine *m, unsigned cpu)
{
	const struct cpu *c = &m->cpus[cpu];

	return c->server_timer &&
	       cpus_ran(m, cpu, m->engine->now_ns) - c->server_ran_ns < SUSPENDS_WITHIN_NS;
}

/* @out was just switched out for the next thread of @ev: did somebody take the CPU from it? */
void release_left(struct machine *m, const struct vmrt_event *ev, struct thr *out)
{
	int64_t state = ev->sw.prev_state;
	struct thr_now left = change_of(out);

	left.throttled = false;
	left.suspended = (state & STATE_STOPPED) ||
			 ((state & STATE_DISK) && by_server(m, ev->cpu) &&
				 (!out->jobs || out->jobs->state != JOB_SLEEPING));
	if (state == 0 && ev->sw.prev_prio == DEADLINE_PRIO && ev->sw.next_prio >= 0)
		left.suspended = true;
	else if (state == 0 &&
		 (ev->sw.next_pid == 0 || (ev->sw.prev_prio < FIRST_FAIR_PRIO &&
						  ev->sw.next_prio >= FIRST_FAIR_PRIO)))
		left.throttled = true;
	if (left.throttled != out->throttled || left.suspended != out->suspended)
		change_thread(m, out, m->engine->now_ns, &left);
}

/* Does the thread serve all releases that it is late for with one job? */
bool release_merges(const struct jobs *j)
{
	return is_wait(j->rel.mechanism);
}

/* The recording, or the thread's time as this task, ends: is its open job still under way? */
bool release_ends(struct jobs *j)
{
	struct release *r = &j->rel;

	if (r->no_arrival) {
		jobs_bare(j, VMRT_OUTCOME_TRUNCATED);
		return false;
	}
	if (!r->mark.set)
		return true;
	/* its timer did not wake it: it sleeps for something else */
	if (r->fired.ptr && j->machine->stats.last_ns - r->fired.host_ns > WAKE_NEAR_NS)
		return true;
	/* asleep: for its next release, or within the job */
	jobs_give_open(j, VMRT_OUTCOME_TRUNCATED);
	return false;
}

/* The thread ends. Does that end the open job, or had it ended before? */
bool release_exits(struct jobs *j)
{
	const struct release *r = &j->rel;

	if (!is_wait(r->mechanism))
		return true;
	return !r->no_arrival && !j->rel.slept;
}

enum vmrt_release vmrt_engine_task_again(const struct vmrt_engine *e, uint32_t task)
{
	const struct task_found *found = &e->found[task];

	if (e->config->experiment->tasks[task].release != VMRT_RELEASE_AUTO ||
		(e->config->waits && e->config->waits[task] != VMRT_RELEASE_AUTO))
		return VMRT_RELEASE_AUTO;
	if (wakeup_fits(found))
		return VMRT_RELEASE_WAKEUP;
	return found->again ? found->mechanism : VMRT_RELEASE_AUTO;
}

enum vmrt_release vmrt_engine_task_release(
	const struct vmrt_engine *e, uint32_t task, int64_t *period_ns)
{
	int64_t found = period_found(&e->found[task]);

	if (period_ns)
		*period_ns = found ? found : VMRT_UNKNOWN;
	return e->found[task].mechanism;
}
