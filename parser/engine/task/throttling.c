/* SPDX-License-Identifier: MIT */
/*
 * Real-time vCPU threads that wait for ordinary ones. Short waits are normal; that one is long is
 * known only when it ends, so what was booked meanwhile is booked anew.
 */
#include "task.h"

void gap_forget(struct jobs *j)
{
	j->gap_ns = j->gap_idle_ns = 0;
	j->gap_vcpu = NULL;
	for (size_t n = 0; n < j->backlog_n; n++)
		j->backlog[(j->backlog_first + n) % j->backlog_size].gap_ns = 0;
}

/* The job of @j that is opened arrived when @before_ns of the gap had passed: the rest is its own.
 */
void gap_arrived(struct jobs *j, int64_t before_ns)
{
	j->gap_ns -= before_ns;
	j->gap_idle_ns = 0;
	for (size_t n = 0; n < j->backlog_n; n++)
		j->backlog[(j->backlog_first + n) % j->backlog_size].gap_ns -= before_ns;
}

/* A wait of @v that is long enough was throttling, for the jobs that waited with it. */
static void close_gap(struct machine *m, struct thread *v)
{
	for (size_t i = 0; i < m->n_jobs; i++) {
		struct jobs *j = m->jobs[i];

		if (j->gap_vcpu != v)
			continue;
		if (v->gap_ns >= THROTTLE_MIN_NS) {
			j->cum[VMRT_BLAME_HOST_THREAD] -= j->gap_ns;
			j->cum[VMRT_BLAME_THROTTLING] += j->gap_ns;
			j->excess[VMRT_BLAME_THROTTLING] += j->gap_ns - j->gap_idle_ns;
			journal_throttled(j);
			for (size_t n = 0; n < j->backlog_n; n++) {
				struct snapshot *s =
					&j->backlog[(j->backlog_first + n) % j->backlog_size];

				s->cum[VMRT_BLAME_HOST_THREAD] -= s->gap_ns;
				s->cum[VMRT_BLAME_THROTTLING] += s->gap_ns;
			}
		}
		gap_forget(j);
	}
	v->gap_ns = 0;
}

/* Ends the gaps that are over; what stands now has stood since the last settling. */
void gap_settle(struct machine *m)
{
	for (unsigned i = 0; i < m->n_vcpus; i++) {
		struct thread *v = m->vcpus[i];

		if (v && v->gap_ns && !gap_open(m->engine, v))
			close_gap(m, v);
	}
}

void gap_extend(struct machine *m, int64_t ns)
{
	for (unsigned i = 0; i < m->n_vcpus; i++)
		if (m->vcpus[i] && gap_open(m->engine, m->vcpus[i]))
			m->vcpus[i]->gap_ns += ns;
}

/* Time in a gap is booked as waiting for a thread until it is known to be throttling. */
void gap_note(struct jobs *j, const struct thread *v, int64_t ns)
{
	if (j->gap_vcpu != v)
		gap_forget(j);
	j->gap_vcpu = v;
	j->gap_ns += ns;
	if (j->marked && !j->passed)
		j->gap_idle_ns += ns;
}
