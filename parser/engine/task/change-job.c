/* SPDX-License-Identifier: MIT */
/*
 * The only place where the state of a job changes by which its time is charged: each function first
 * charges the time so far, as core/change.c does for threads and CPUs.
 *
 * Who reads or corrects the accounts asks for them with accounts_at(), which does the same.
 */
#include "task.h"

#include <stddef.h>
#include <stdlib.h>

_Static_assert(offsetof(struct jobs, passed) - offsetof(struct jobs, arrives_ns) ==
			       offsetof(struct job_now, passed) &&
		       offsetof(struct jobs, state) - offsetof(struct jobs, arrives_ns) ==
			       offsetof(struct job_now, state),
	"struct job_now is not as in struct jobs");

/** accounts_at - all time of the jobs of @m until @host_ns is charged: the accounts are of then */
void accounts_at(struct machine *m, int64_t host_ns)
{
	blame_settle(m, host_ns);
}

static struct job_now *settled(struct jobs *j, int64_t host_ns)
{
	blame_settle(j->machine, host_ns);
	return (void *)((char *)j + offsetof(struct jobs, arrives_ns));
}

/** change_jobs - from @host_ns on, the jobs of @j are followed, too; false: no memory */
bool change_jobs(struct jobs *j, int64_t host_ns)
{
	struct machine *m = j->machine;
	struct jobs **more = realloc(m->jobs, (m->n_jobs + 1) * sizeof(*more));

	if (!more)
		return false;
	m->jobs = more;
	blame_settle(m, host_ns);
	m->jobs[m->n_jobs++] = j;
	return true;
}

/** change_job_state - from @host_ns on, the job is in @state */
void change_job_state(struct jobs *j, int64_t host_ns, enum job_state state)
{
	settled(j, host_ns)->state = state;
}

/** change_job_arrival - at @host_ns it becomes known that the open job arrives, or arrived, at
 * @arrives_ns */
void change_job_arrival(struct jobs *j, int64_t host_ns, int64_t arrives_ns)
{
	settled(j, host_ns)->arrives_ns = arrives_ns;
}

/** change_job_confirming - from @host_ns on, the next switch has to show whether the job has ended,
 * or no longer */
void change_job_confirming(struct jobs *j, int64_t host_ns, bool confirming)
{
	settled(j, host_ns)->confirming = confirming;
}

/** change_job_mark - from @host_ns on, the job may have ended (@marked), and the next one has
 * arrived since (@passed) */
void change_job_mark(struct jobs *j, int64_t host_ns, bool marked, bool passed)
{
	struct job_now *now = settled(j, host_ns);

	now->marked = marked;
	now->passed = marked && passed;
}
