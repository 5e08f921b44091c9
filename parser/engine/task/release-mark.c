/* SPDX-License-Identifier: MIT */
/*
 * Where a job may have ended: the state of the job is marked when its thread goes to sleep, and
 * becomes that of its end if the next release shows that it did end there.
 */
#include "parser/engine/task/mechanism.h"

#include <string.h>

/* The arrival of the job behind the open one: the timer's next expiry, which was not consumed yet,
 * has been due. NULL: it has not, or that is not known. */
static const struct snapshot *next_arrival(const struct jobs *j)
{
	if (j->rel.timer.next_ns == VMRT_UNKNOWN)
		return NULL;
	for (size_t n = 0; n < j->backlog_n; n++) {
		const struct snapshot *s = &j->backlog[(j->backlog_first + n) % j->backlog_size];

		if (s->at_local_ns >= j->rel.timer.next_ns)
			return s;
	}
	return NULL;
}

void wait_mark_end(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	struct end_mark *mark = &j->rel.mark;

	accounts_at(j->machine, host_ns);
	/* a gap that ends at this very time was throttling for this job, too */
	gap_settle(j->machine);
	/* the next job may have arrived before */
	change_job_mark(j, host_ns, true, next_arrival(j) != NULL);
	/* an inferred switch may lie before what is accounted already */
	if (host_ns < j->machine->settled_ns) {
		local_ns += j->machine->settled_ns - host_ns;
		host_ns = j->machine->settled_ns;
	}
	mark->inferred = false;
	mark->vmm_ns = 0;
	mark->forgotten_ns = VMRT_UNKNOWN;
	mark->former_ns = mark->host_ns;
	mark->former_to_ns = mark->idle_to_ns < host_ns ? mark->idle_to_ns : mark->host_ns;
	mark->idle_to_ns = j->passed ? host_ns : INT64_MAX;
	mark->local_ns = local_ns;
	mark->host_ns = host_ns;
	memcpy(mark->cum, j->cum, sizeof(mark->cum));
	memcpy(mark->excess, j->excess, sizeof(mark->excess));
	mark->exec_ns = j->exec_ns;
	mark->migrations = j->job.migrations;
	mark->n_throttled = 0;
	memset(mark->forgiven, 0, sizeof(mark->forgiven));
	if (j->state == JOB_STARTED || j->state == JOB_RELEASED)
		blame_busy_ends(j->machine, host_ns);
}

/* The job went on: it was a sleep within it, and the busy period goes on, too. */
void wait_forget_end(struct jobs *j, int64_t host_ns)
{
	struct end_mark *mark = &j->rel.mark;
	bool marked = j->marked;

	change_job_mark(j, host_ns, false, false);
	for (int p = 0; marked && p < VMRT_BLAMES; p++)
		j->excess[p] += mark->forgiven[p];
	if (marked)
		mark->idle_to_ns = mark->host_ns;
	j->rel.open.slept |= marked;
}

/* The job seems to have gone on at @host_ns, but no record showed that its thread was woken. */
void wait_forget_unwoken(struct jobs *j, int64_t host_ns)
{
	struct end_mark *mark = &j->rel.mark;

	accounts_at(j->machine, host_ns);
	mark->slept_before = j->rel.open.slept;
	mark->passed_before = j->passed;
	mark->idle_before_ns = mark->idle_to_ns;
	wait_forget_end(j, host_ns);
	mark->forgotten_ns = host_ns;
}

/* Did the thread begin to run where the end was forgotten, so that it may be remembered? */
bool wait_began_unwoken(const struct jobs *j)
{
	const struct end_mark *mark = &j->rel.mark;

	return mark->forgotten_ns != VMRT_UNKNOWN && mark->forgotten_ns == j->thread->start_ns &&
	       !mark->inferred;
}

/* The wake-up has come now: it may have ended where it was marked after all. */
void wait_remember_end(struct jobs *j, int64_t host_ns)
{
	struct end_mark *mark = &j->rel.mark;

	change_job_mark(j, host_ns, true, mark->passed_before);
	for (int p = 0; p < VMRT_BLAMES; p++)
		j->excess[p] -= mark->forgiven[p];
	j->rel.open.slept = mark->slept_before;
	mark->idle_to_ns = mark->idle_before_ns;
	mark->forgotten_ns = VMRT_UNKNOWN;
}

static int64_t common_ns(int64_t from_ns, int64_t to_ns, int64_t a_ns, int64_t b_ns)
{
	if (from_ns < a_ns)
		from_ns = a_ns;
	if (to_ns > b_ns)
		to_ns = b_ns;
	return to_ns > from_ns ? to_ns - from_ns : 0;
}

/* For how long between the two no job of @j was pending, since the last but one ended: steal may be
 * found only when the next job is over, too. */
int64_t wait_idle_ns(const struct jobs *j, int64_t from_ns, int64_t to_ns)
{
	const struct end_mark *mark = &j->rel.mark;

	return common_ns(from_ns, to_ns, mark->host_ns, mark->idle_to_ns) +
	       common_ns(from_ns, to_ns, mark->former_ns, mark->former_to_ns);
}

/* The host turns out not to have run from @from_ns to @to_ns, which were booked as @part. */
void wait_stolen(struct jobs *j, enum vmrt_blame part, int64_t from_ns, int64_t to_ns)
{
	struct end_mark *mark = &j->rel.mark;
	int64_t to = to_ns < mark->host_ns ? to_ns : mark->host_ns, over = 0;
	int64_t opened = j->opened_ns < to ? j->opened_ns : to, ns = to - from_ns;
	int64_t busy = j->busy_from_ns > from_ns ? j->busy_from_ns : from_ns, excess;

	if (!j->marked || ns <= 0)
		return;
	excess = to > busy ? to - busy - wait_idle_ns(j, busy, to) : 0;
	mark->cum[VMRT_BLAME_STEAL] += ns;
	mark->excess[VMRT_BLAME_STEAL] += excess;
	/* what it was before the job was opened is none of its execution */
	if (opened > from_ns) {
		mark->cum[part] -= opened - from_ns;
		ns = to - opened;
	}
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
		if (part == VMRT_BLAME_THROTTLING)
			mark->excess[part] -= excess;
	}
}

/*
 * Gap number @i turns out to have been throttling. For a job that ended in it, it was not that
 * long: then the next job has lost by it only what followed its own arrival.
 */
void wait_throttled(struct jobs *j, unsigned i)
{
	struct end_mark *mark = &j->rel.mark;
	const struct gap *gap = &j->gaps[i];
	const struct snapshot *next = next_arrival(j);
	int64_t before = next ? next->gap_ns[i] - gap->idle_ns : 0;

	if (!j->marked || gap->from_ns >= mark->host_ns)
		return;
	if (mark->n_throttled < GAPS_MAX)
		mark->throttled[mark->n_throttled++] = *gap;
	if (before <= 0)
		return;
	j->excess[VMRT_BLAME_THROTTLING] -= before;
	mark->forgiven[VMRT_BLAME_THROTTLING] += before;
}

/* Who ran in such gaps had the CPU until the job ended, @as which part of it. */
static void rebook_throttled(struct jobs *j, enum vmrt_blame part, enum vmrt_blame as)
{
	for (unsigned i = 0; i < j->rel.mark.n_throttled; i++)
		journal_rebook_gap(j, &j->rel.mark.throttled[i], part, as);
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
	if (!j->marked || j->passed)
		return;
	forgive(j);
	change_job_mark(j, host_ns, true, true);
	j->rel.mark.idle_to_ns = host_ns;
}

/* Nothing ended where it was marked: no job was open. From now on the next one is waited for. */
void wait_drop_mark(struct jobs *j, int64_t host_ns)
{
	struct end_mark *mark = &j->rel.mark;
	bool marked = j->marked;

	change_job_mark(j, host_ns, false, false);
	if (marked && mark->idle_to_ns == INT64_MAX)
		mark->idle_to_ns = j->machine->settled_ns;
}

/* What can be said of a job whose arrival is not known: it began before the recording, or the timer
 * that released it is not recorded when it is armed. */
enum vmrt_outcome wait_blind_outcome(const struct jobs *j)
{
	return j->rel.open.no_arrival && !j->rel.open.again ? VMRT_OUTCOME_TRUNCATED
							    : VMRT_OUTCOME_UNKNOWN;
}

/* The open job ended where it was marked. */
void wait_complete_at_mark(struct jobs *j, int64_t host_ns)
{
	struct end_mark *mark = &j->rel.mark, now;

	accounts_at(j->machine, host_ns);
	/* what is kept is as of the mark; a gap that is over has come since */
	gap_settle(j->machine);
	if (!j->marked || j->rel.open.no_arrival) {
		jobs_emit_bare(j, wait_blind_outcome(j));
		change_job_mark(j, host_ns, false, false);
		return;
	}
	if (!j->passed) {
		forgive(j);
		mark->idle_to_ns = j->machine->settled_ns;
	}
	memcpy(now.cum, j->cum, sizeof(now.cum));
	memcpy(now.excess, j->excess, sizeof(now.excess));
	memcpy(j->cum, mark->cum, sizeof(mark->cum));
	memcpy(j->excess, mark->excess, sizeof(mark->excess));
	j->exec_ns = mark->exec_ns;
	j->job.migrations = mark->migrations;
	rebook_throttled(j, VMRT_BLAME_THROTTLING, VMRT_BLAME_HOST_THREAD);
	jobs_complete(j, mark->local_ns, mark->host_ns);
	rebook_throttled(j, VMRT_BLAME_HOST_THREAD, VMRT_BLAME_THROTTLING);
	memcpy(j->cum, now.cum, sizeof(now.cum));
	memcpy(j->excess, now.excess, sizeof(now.excess));
	change_job_mark(j, host_ns, false, false);
}
