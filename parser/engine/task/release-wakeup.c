/* SPDX-License-Identifier: MIT */
/*
 * Tasks that others release: a thread, a socket, an interrupt or a lock wakes them.
 *
 * A job begins with the wake-up of the sleeping thread and ends when the thread sleeps again. Where
 * it sleeps uninterruptibly (state D) it waits for a device or a lock, within its job. The end is
 * marked when the thread goes to sleep, and is certain when the next wake-up shows that it slept.
 */
#include "parser/engine/task/mechanism.h"

#include <stdio.h>
#include <string.h>

/* After this many wake-ups by others, a task counts as released by others, if nothing
 * periodic fits. */
#define WAKEUPS_CERTAIN 8
/* The same in a live view, where it is decided once and for all. */
#define WAKEUPS_LIVE 50
/* And this many wake-ups by others for each of its own sleeps, if these have no period. */
#define WAKEUPS_PER_SLEEP 4

/* Who wakes the thread: another thread by its name, or what interrupted whoever ran. */
static void name_waker(struct jobs *j, const struct vmrt_event *ev)
{
	const struct cpu *cpu = &j->machine->cpus[ev->cpu];
	char *name = j->job.woken_by;
	size_t room = sizeof(j->job.woken_by);

	const struct fired *fired = &cpu->fired[LEVEL_HARDIRQ];

	if (fired->ptr && fired->fn != VMRT_FN_TICK && (ev->flags & VMRT_FLAG_HARDIRQ) &&
		!release_is_over(j->machine, fired))
		snprintf(name, room, "<timer>");
	else if (ev->flags & VMRT_FLAG_HARDIRQ)
		snprintf(name, room, "<irq>");
	else if (ev->flags & VMRT_FLAG_SOFTIRQ)
		snprintf(name, room, "<softirq>");
	else if (cpu->known && cpu->pid == ev->pid)
		snprintf(name, room, "%s", ev->pid ? cpu->comm : "<idle>");
}

/* The open job, if there is one, ended where the thread went to sleep. */
static int64_t end_at_mark(struct jobs *j, int64_t host_ns)
{
	int64_t before = VMRT_UNKNOWN;

	if (j->state == JOB_HEAD) {
		/* it was in a job only if it was seen at work */
		if (j->marked)
			jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
	} else if (j->state == JOB_RELEASED || j->state == JOB_STARTED) {
		before = j->rel.open.no_arrival ? VMRT_UNKNOWN : j->job.arrival_local_ns;
		/* without any sched_switch nothing tells when it slept */
		if (j->machine->switches_seen)
			wait_complete_at_mark(j, host_ns);
		else
			jobs_emit_bare(j, VMRT_OUTCOME_UNKNOWN);
	}
	change_job_mark(j, host_ns, false, false);
	change_job_state(j, host_ns, JOB_NONE);
	return before;
}

static void open_job(struct jobs *j, int64_t before, int64_t local_ns, int64_t host_ns)
{
	struct release *r = &j->rel;

	jobs_skip(j, before, local_ns);
	jobs_clear(j);
	r->open.no_arrival = false;
	r->open.slept = false;
	r->open.idle_ns = 0;
	r->open.at_ns = host_ns;
	jobs_set_arrival(j, host_ns, local_ns);
	j->job.release_local_ns = local_ns;
	j->job.release_ns = host_ns;
	change_job_state(j, host_ns, JOB_RELEASED);
	j->timer = 0;
	blame_open(j, host_ns);
}

/* The sleeping thread is woken: that is its release, unless it slept within its job. */
static bool wake(
	struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, const struct fired *by)
{
	int64_t before;

	(void)by;
	if (is_undecided(j) || j->thread->suspended)
		return false;
	if (j->state >= JOB_RELEASED && !j->marked)
		return true;
	before = end_at_mark(j, host_ns);
	open_job(j, before, ev->ts, host_ns);
	name_waker(j, ev);
	blame_busy_ends(j->machine, host_ns);
	return true;
}

/* The thread runs again although no record showed that it was woken: when it was is not known. */
static bool switch_in(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	if (j->rel.mark.inferred)
		return false;
	end_at_mark(j, host_ns);
	open_job(j, VMRT_UNKNOWN, local_ns, host_ns);
	j->job.release_ns = j->job.release_local_ns = VMRT_UNKNOWN;
	j->rel.open.no_arrival = true;
	blame_busy_ends(j->machine, host_ns);
	return true;
}

/* The record of the wake-up comes when the thread runs already: it was woken no later than that. */
void wakeup_comes_late(struct jobs *j, const struct vmrt_event *ev)
{
	if (j->state != JOB_STARTED || !j->rel.open.no_arrival)
		return;
	j->rel.open.no_arrival = false;
	j->job.release_ns = j->job.start_ns;
	j->job.release_local_ns = j->job.start_local_ns;
	name_waker(j, ev);
}

static void switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns)
{
	if (!is_undecided(j) && (state & STATE_SLEEP) &&
		(j->state == JOB_STARTED || j->state == JOB_HEAD || j->state == JOB_RELEASED))
		wait_mark_end(j, local_ns, host_ns);
}

/* The job ended where it was marked. */
static void finish(struct jobs *j, int64_t host_ns)
{
	if (j->marked && !j->rel.mark.inferred)
		end_at_mark(j, host_ns);
}

/* Timers expire in interrupts, and in threads of PREEMPT_RT. */
static bool may_be_a_timer(const struct machine *m, const struct vmrt_event *ev)
{
	const struct cpu *cpu = &m->cpus[ev->cpu];

	return interrupt_level(ev->flags) || !ev->pid ||
	       (cpu->known && cpu->pid == ev->pid &&
		       (!strncmp(cpu->comm, "ksoftirqd/", 10) ||
			       !strncmp(cpu->comm, "ktimers", 7)));
}

/*
 * Wake-ups that are certainly by others. Where timers are not recorded, any wake-up by an interrupt
 * may be by the thread's own timer.
 */
static uint64_t by_others(const struct task_found *found)
{
	if (found->machine && found->machine->starts_seen && found->machine->expiries_seen)
		return found->wakeups;
	return found->wakeups - found->from_interrupts;
}

/* Counts what wakes a thread of which it is not known what releases it. */
void wakeup_note(
	struct jobs *j, const struct vmrt_event *ev, const struct fired *by, int64_t host_ns)
{
	struct task_found *found = &j->machine->engine->found[j->task];
	struct release *r = &j->rel;

	/* a timer of its own whose function is none that is known, says no more than a device */
	if (by && by->owner == j->thread && by->fn != VMRT_FN_OTHER) {
		found->own_wakeups++;
	} else {
		found->wakeups++;
		found->from_interrupts += may_be_a_timer(j->machine, ev);
	}
	/* a recording is read again once this is known; a live view must do without its first jobs
	 */
	if (!j->machine->engine->config->live || by_others(found) < WAKEUPS_LIVE ||
		r->mechanism != VMRT_RELEASE_AUTO || r->sleep.absolute || r->timer.ptr ||
		r->trial.running)
		return;
	release_decide(j, VMRT_RELEASE_WAKEUP, host_ns);
	r->off_grid = true;
	change_job_mark(j, host_ns, false, false);
	change_job_state(j, host_ns, JOB_NONE);
}

bool wakeup_fits(const struct task_found *found)
{
	if (by_others(found) < WAKEUPS_CERTAIN)
		return false;
	if (found->mechanism == VMRT_RELEASE_AUTO)
		return true;
	return found->mechanism == VMRT_RELEASE_NANOSLEEP && !period_found(found) &&
	       by_others(found) / WAKEUPS_PER_SLEEP > found->own_wakeups;
}

const struct mechanism mechanism_wakeup = {
	.release = VMRT_RELEASE_WAKEUP,
	.strength = 1,
	.off_grid = true,
	.wake = wake,
	.switch_in = switch_in,
	.switch_out = switch_out,
	.finish = finish,
};
