/* SPDX-License-Identifier: MIT */
/*
 * Tasks that sleep for a time instead of until one, again and again.
 *
 * Any thread may do that within its jobs. So the jobs that it would make are held back, at most
 * HELD_MAX, until there are enough at the right distances and nothing else has shown.
 */
#include "parser/engine/task/mechanism.h"

#include <stdlib.h>

/* Relative sleeps in a row that prove a relative period, where it is declared and where it is not.
 */
#define TRIAL_DECLARED 4
#define TRIAL_UNDECLARED HELD_MAX
/* A thread that has armed timers which go on by themselves as often waits for those. */
#define TRIAL_TIMERS 2

/* So many absolute sleeps may come first, as those that let all threads begin together. */
#define FIRST_SLEEPS 2

/* Counts the sleeps of a thread by their kind, whatever it is known to wait for. */
void trial_count(struct jobs *j, const struct vmrt_event *ev, bool relative)
{
	struct wait_trial *t = &j->rel.trial;
	int64_t period = j->spec->period_ns, apart = 0;

	if (!relative) {
		t->absolute++;
		t->in_row = 0;
		t->enough = false;
		return;
	}
	if (t->in_row && period &&
		(__builtin_sub_overflow(ev->timer.softexpires, t->last_ns, &apart) ||
			apart < period / 2 || apart > 2 * period))
		t->in_row = 0;
	t->in_row++;
	t->enough |= t->in_row >= TRIAL_UNDECLARED;
	t->last_ns = ev->timer.softexpires;
}

/* The thread, or the recording, ends: did it sleep absolutely at first only? */
void trial_close(const struct jobs *j)
{
	struct task_found *found = &j->machine->engine->found[j->task];
	const struct wait_trial *t = &j->rel.trial;

	found->stays_absolute |= t->absolute > FIRST_SLEEPS;
	/* the first one may have been armed before the thread was known to be of a task */
	found->naps_then |= (t->absolute || j->rel.sleep.absolute) && t->absolute <= FIRST_SLEEPS &&
			    !j->rel.timer.ptr && t->enough;
}

/*
 * Were the absolute sleeps of the task's threads only those at the beginning, so that its relative
 * ones are its releases? The first one was taken for a release, whose job never ended.
 */
bool relative_fits(const struct task_found *found)
{
	return found->naps_then && !found->stays_absolute &&
	       (found->mechanism == VMRT_RELEASE_AUTO ||
		       found->mechanism == VMRT_RELEASE_NANOSLEEP) &&
	       found->own_wakeups > found->wakeups;
}

/* Keeps the job just made while it is not certain that it is one. */
bool trial_holds(struct jobs *j)
{
	struct release *r = &j->rel;

	if (!r->trial.running)
		return false;
	if (r->trial.n_held < HELD_MAX)
		r->trial.held[r->trial.n_held++] = j->job;
	return true;
}

/*
 * Which of the jobs held is behind the first sleep, if that was of another length than those that
 * came behind it, by half of it or more: it was a nap before the task began, and no release. Else
 * -1.
 */
static int behind_a_nap(const struct release *r)
{
	int64_t least = INT64_MAX, most = 0;
	int first = 0;

	while (first < r->trial.n_held && r->trial.held[first].arrival_local_ns == VMRT_UNKNOWN)
		first++;
	for (int i = first + 1; i < r->trial.n_held; i++) {
		int64_t end = r->trial.held[i - 1].end_local_ns;
		int64_t arrival = r->trial.held[i].arrival_local_ns, ns;

		if (end == VMRT_UNKNOWN || arrival == VMRT_UNKNOWN ||
			__builtin_sub_overflow(arrival, end, &ns) || ns <= 0)
			return -1;
		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
	}
	if (!most || (r->trial.first_ns >= least / 2 && r->trial.first_ns / 2 <= most))
		return -1;
	return first;
}

/* The trial is over: they were jobs, or the thread ends before it is known. */
void release_flush(struct jobs *j)
{
	struct release *r = &j->rel;
	struct vmrt_job open = j->job;
	int n = r->trial.n_held, nap;

	if (!r->trial.running)
		return;
	nap = r->mechanism == VMRT_RELEASE_RELATIVE ? behind_a_nap(r) : -1;
	r->trial.running = false;
	r->trial.n_held = 0;
	if (r->mechanism == VMRT_RELEASE_AUTO)
		n = r->trial.was_head ? 1 : 0;
	for (int i = 0; i < n; i++)
		if (i != nap)
			jobs_emit_open((j->job = r->trial.held[i], j), r->trial.held[i].outcome);
	j->job = open;
}

/* They were sleeps within a job. */
void release_discard(struct jobs *j, int64_t host_ns)
{
	struct release *r = &j->rel;

	if (!r->trial.running)
		return;
	r->trial.running = false;
	r->trial.n_held = 0;
	r->off_grid = false;
	arrivals_forget(j);
	change_job_state(j, host_ns, r->trial.was_head ? JOB_HEAD : JOB_NONE);
	jobs_clear(j);
}

/*
 * Do the relative sleeps so far look like the task's period? Naps within a job are no longer than
 * that; so many longer ones in a row show that the declared period is wrong.
 */
static bool trial_agrees(const struct jobs *j)
{
	const struct release *r = &j->rel;
	int need = j->spec->period_ns ? TRIAL_DECLARED : TRIAL_UNDECLARED;
	int64_t before = VMRT_UNKNOWN;

	if (r->trial.n_held < need || r->trial.timers >= TRIAL_TIMERS)
		return false;
	for (int i = 0; j->spec->period_ns && i < r->trial.n_held; i++) {
		int64_t at = r->trial.held[i].arrival_local_ns;

		if (before != VMRT_UNKNOWN && at != VMRT_UNKNOWN &&
			(at - before < j->spec->period_ns / 2 ||
				(at - before > 2 * j->spec->period_ns &&
					r->trial.n_held < TRIAL_UNDECLARED)))
			return false;
		before = at;
	}
	return true;
}

static void relative_sleep(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	struct release *r = &j->rel;

	if (r->mechanism == VMRT_RELEASE_RELATIVE) {
		r->sleep.clock = CLOCK_IS_MONOTONIC;
		jobs_timer_start(j, ev->ts, host_ns, ev->timer.softexpires, ev->timer.timer);
		return;
	}
	release_follow_stronger(j, VMRT_RELEASE_RELATIVE, host_ns);
	r->other_sleeps++;
	if (r->mechanism != VMRT_RELEASE_AUTO || r->sleep.absolute || r->timer.ptr ||
		r->timer.suspect) {
		/* whether the job that is open on trial ends here nobody can say: it must not go
		 * on for ever */
		if (r->trial.running) {
			release_discard(j, host_ns);
			blame_busy_ends(j->machine, host_ns);
		}
		return;
	}
	if (!r->trial.running) {
		if (!r->trial.held)
			r->trial.held = calloc(HELD_MAX, sizeof(*r->trial.held));
		if (!r->trial.held) {
			j->machine->engine->out_of_memory = true;
			return;
		}
		r->trial.running = true;
		r->trial.timers = 0;
		r->trial.was_head = j->state == JOB_HEAD;
		if (__builtin_sub_overflow(ev->timer.softexpires, ev->ts, &r->trial.first_ns))
			r->trial.first_ns = 0;
		r->off_grid = true;
	}
	r->sleep.clock = CLOCK_IS_MONOTONIC;
	jobs_timer_start(j, ev->ts, host_ns, ev->timer.softexpires, ev->timer.timer);
	if (trial_agrees(j)) {
		release_decide(j, VMRT_RELEASE_RELATIVE, host_ns);
		release_flush(j);
	} else if (r->trial.n_held == HELD_MAX) {
		/* they are not: what comes is judged anew */
		release_discard(j, host_ns);
		r->trial.was_head = false;
	}
}

/* A thread that sleeps only until absolute times is none of this kind, whatever an earlier thread
 * of its task is. */
static void absolute_sleep(struct jobs *j, int64_t host_ns)
{
	const enum vmrt_release *waits = j->machine->engine->config->waits;

	if (is_undecided(j) || j->spec->release != VMRT_RELEASE_AUTO || j->rel.trial.naps ||
		(waits && waits[j->task] == VMRT_RELEASE_RELATIVE) || ++j->rel.sleep.absolute < 2)
		return;
	j->rel.off_grid = false;
	change_job_state(j, host_ns, JOB_NONE);
	release_decide(j, VMRT_RELEASE_NANOSLEEP, host_ns);
}

void sleep_otherwise(struct jobs *j, const struct armed *a)
{
	const struct vmrt_event *ev = a->ev;
	enum vmrt_release is = j->rel.mechanism;

	if (is_undecided(j) ||
		(a->kind == ARMED_FOR ? is == VMRT_RELEASE_RELATIVE
				      : a->kind != ARMED_UNTIL || is == VMRT_RELEASE_NANOSLEEP))
		return;
	j->rel.other_sleeps += a->kind == ARMED_FOR;
	arrivals_note_other(j, ev->ts,
		sleep_expiry(
			j->machine, clocks_of(j->machine, ev->timer.timer), ev->timer.softexpires));
}

static bool arm(struct jobs *j, const struct armed *a)
{
	if (a->kind == ARMED_FOR) {
		j->rel.trial.naps++;
		relative_sleep(j, a->ev, a->host_ns);
	} else if (a->kind == ARMED_UNTIL && j->state == JOB_SLEEPING) {
		/* a signal has cut a sleep short, and it goes on */
		release_armed(j, a->ev->ts, a->host_ns, a->ev->timer.softexpires,
			a->ev->timer.timer, clocks_of(j->machine, a->ev->timer.timer));
	} else if (a->kind == ARMED_UNTIL) {
		absolute_sleep(j, a->host_ns);
	} else {
		return false;
	}
	return true;
}

const struct mechanism mechanism_relative = {
	.release = VMRT_RELEASE_RELATIVE,
	.strength = 2,
	.off_grid = true,
	.arm = arm,
};
