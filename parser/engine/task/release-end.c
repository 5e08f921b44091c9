/* SPDX-License-Identifier: MIT */
/* What the end of the recording, or of a thread, says of the job that is open then. */
#include "parser/engine/task/mechanism.h"

#include <stdio.h>
#include <string.h>

/* Sleeps that show that a thread waits in another way than its task. */
#define OTHER_SLEEPS 4

/*
 * The thread ends. If it had no job because it waits in another way than its task, its name is
 * noted, and true is returned.
 */
static bool is_other(struct jobs *j)
{
	struct task_found *found = &j->machine->engine->found[j->task];
	size_t used = strlen(found->others);
	int n;

	if (j->rel.other_sleeps < OTHER_SLEEPS || j->rel.had_job || j->rel.trial.running ||
		found->mechanism == VMRT_RELEASE_AUTO || j->state > JOB_HEAD)
		return false;
	found->n_others++;
	n = snprintf(found->others + used, sizeof(found->others) - used, "%s%s/%d",
		used ? ", " : "", j->thread->pub.comm, j->thread->pub.tid);
	if (n < 0 || (size_t)n >= sizeof(found->others) - used)
		found->others[used] = '\0';
	return true;
}

/* The recording, or the thread's time as this task, ends: what is certain now? */
void release_finish(struct jobs *j, int64_t host_ns)
{
	const struct mechanism *m = mechanism_of(j->rel.mechanism);

	trial_close(j);
	if (m->finish)
		m->finish(j, host_ns);
	if (is_other(j))
		change_job_state(j, host_ns, JOB_NONE);
}

/* Has the CPU on which timer @f expired gone on since, so that it would have woken by now who waits
 * for it? Then that thread sleeps for something else. */
static bool wakes_nobody(const struct machine *m, const struct fired *f)
{
	return m->stats.last_ns - f->host_ns > WAKE_NEAR_NS &&
	       cpus_ran(m, f->cpu, m->engine->now_ns) - f->ran_ns > WAKE_NEAR_NS;
}

/* Did the CPU on which timer @f expired record anything since? Else it may not have run, so that
 * who waits for the timer has yet to be woken. */
static bool has_gone_on(const struct machine *m, const struct fired *f)
{
	return m->cpus[f->cpu].last_local_ns != f->local_ns;
}

/* The open job ended where its thread fell asleep, or goes on: did it miss its deadline? */
static enum vmrt_outcome either_way(const struct jobs *j, int64_t host_ns)
{
	int64_t deadline_ns = j->job.deadline_ns;

	if (deadline_ns == VMRT_UNKNOWN || deadline_ns >= host_ns)
		return VMRT_OUTCOME_TRUNCATED;
	/* by a clock of such an error it may not have passed then */
	return deadline_ns < j->rel.mark.host_ns - j->machine->config->record_error_ns
		       ? VMRT_OUTCOME_MISSED_INCOMPLETE
		       : VMRT_OUTCOME_UNKNOWN;
}

/* The recording, or the thread's time as this task, ends: is its open job still under way? */
bool release_ends(struct jobs *j, int64_t host_ns)
{
	struct release *r = &j->rel;

	if (r->open.no_arrival) {
		jobs_emit_bare(j, VMRT_OUTCOME_TRUNCATED);
		return false;
	}
	if (!j->marked)
		return true;
	if (r->timer.fired.ptr && wakes_nobody(j->machine, &r->timer.fired)) {
		if (has_gone_on(j->machine, &r->timer.fired))
			return true;
		jobs_emit_open(j, either_way(j, host_ns));
		return false;
	}
	/* asleep: for its next release, or within the job */
	if (r->timer.ptr && !r->open.slept && !r->timer.sleeps_within && !r->mark.inferred &&
		r->timer.unbroken >= UNBROKEN_JOBS &&
		!release_lost_since(j, j->job.arrival_local_ns))
		wait_complete_at_mark(j, host_ns);
	else
		jobs_emit_open(j, VMRT_OUTCOME_TRUNCATED);
	return false;
}

/* The thread ends. Does that end the open job, or had it ended before? */
bool release_exits(struct jobs *j)
{
	const struct mechanism *m = mechanism_of(j->rel.mechanism);

	return !m->exits || m->exits(j);
}
