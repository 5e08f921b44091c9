/* SPDX-License-Identifier: MIT */
/*
 * Real-time vCPU threads that wait for ordinary ones. Short waits are normal; that one is long is
 * known only when it ends, so what was booked meanwhile is booked anew.
 */
#include "task.h"

void gap_forget(struct jobs *j)
{
	j->n_gaps = 0;
}

/* The backlog's snapshot number @n, counted from the oldest one. */
static struct snapshot *kept(struct jobs *j, size_t n)
{
	return &j->backlog[(j->backlog_first + n) % j->backlog_size];
}

/* Gap number @i is over: the last one takes its place. */
static void drop(struct jobs *j, unsigned i)
{
	unsigned last = --j->n_gaps;

	j->gaps[i] = j->gaps[last];
	for (size_t n = 0; n < j->backlog_n; n++)
		kept(j, n)->gap_ns[i] = kept(j, n)->gap_ns[last];
}

/* How much of each gap had been booked when the snapshot is taken; of gaps that come later nothing.
 */
void gap_remember(const struct jobs *j, struct snapshot *at)
{
	memset(at->gap_ns, 0, sizeof(at->gap_ns));
	for (unsigned i = 0; i < j->n_gaps; i++)
		at->gap_ns[i] = j->gaps[i].ns;
}

/* The job of @j that is opened arrived when the snapshot was taken: what was booked since is its
 * own. */
void gap_arrived(struct jobs *j, const struct snapshot *at)
{
	for (unsigned i = 0; i < j->n_gaps; i++) {
		j->gaps[i].ns -= at->gap_ns[i];
		j->gaps[i].idle_ns = 0;
		for (size_t n = 0; n < j->backlog_n; n++)
			kept(j, n)->gap_ns[i] -= at->gap_ns[i];
	}
}

/* A gap that was long enough counts as throttling for a job that waited in it. */
static void rebook(struct jobs *j, unsigned i)
{
	const struct gap *gap = &j->gaps[i];

	j->cum[VMRT_BLAME_HOST_THREAD] -= gap->ns;
	j->cum[VMRT_BLAME_THROTTLING] += gap->ns;
	j->excess[VMRT_BLAME_THROTTLING] += gap->ns - gap->idle_ns;
	journal_rebook_gap(j, gap, VMRT_BLAME_HOST_THREAD, VMRT_BLAME_THROTTLING);
	wait_throttled(j, i);
	for (size_t n = 0; n < j->backlog_n; n++) {
		kept(j, n)->cum[VMRT_BLAME_HOST_THREAD] -= kept(j, n)->gap_ns[i];
		kept(j, n)->cum[VMRT_BLAME_THROTTLING] += kept(j, n)->gap_ns[i];
	}
}

/* The wait of @v for an ordinary thread is over. */
static void close_gap(struct machine *m, struct thread *v)
{
	for (size_t k = 0; k < m->n_jobs; k++) {
		struct jobs *j = m->jobs[k];

		for (unsigned i = j->n_gaps; i--;) {
			if (j->gaps[i].vcpu != v)
				continue;
			if (v->gap_ns >= THROTTLE_MIN_NS)
				rebook(j, i);
			drop(j, i);
		}
	}
	v->gap_ns = 0;
}

/* Ends the gaps that are over; what stands now has stood since the last settling. */
void gap_settle(struct machine *m)
{
	for (unsigned i = 0; i < m->n_seen; i++) {
		struct thread *v = m->seen[i];

		if (v->gap_ns && !gap_open(m->engine, v))
			close_gap(m, v);
	}
}

void gap_extend(struct machine *m, int64_t ns)
{
	for (unsigned i = 0; i < m->n_seen; i++)
		if (gap_open(m->engine, m->seen[i]))
			m->seen[i]->gap_ns += ns;
}

/* The gap of @v, which begins now if it is not known yet. If there are too many gaps, the shortest
 * is dropped: that the job was throttled in it stays unknown. */
static unsigned find_gap(struct jobs *j, const struct thread *v, int64_t from_ns)
{
	unsigned i = 0;

	while (i < j->n_gaps && j->gaps[i].vcpu != v)
		i++;
	if (i < j->n_gaps)
		return i;
	if (j->n_gaps == GAPS_MAX) {
		unsigned least = 0;

		for (i = 1; i < GAPS_MAX; i++)
			if (j->gaps[i].ns < j->gaps[least].ns)
				least = i;
		drop(j, least);
	}
	i = j->n_gaps++;
	if (!++j->last_gap)
		j->last_gap++;
	j->gaps[i] = (struct gap){.vcpu = v, .from_ns = from_ns, .id = j->last_gap};
	for (size_t n = 0; n < j->backlog_n; n++)
		kept(j, n)->gap_ns[i] = 0;
	return i;
}

/* Time in a gap is booked as waiting for a thread until it is known to be throttling. Returns the
 * gap's id. */
uint32_t gap_note(struct jobs *j, const struct thread *v, int64_t from_ns, int64_t ns)
{
	struct gap *gap = &j->gaps[find_gap(j, v, from_ns)];

	gap->ns += ns;
	if (j->marked && !j->passed)
		gap->idle_ns += ns;
	return gap->id;
}
