/* SPDX-License-Identifier: MIT */
/*
 * A switch that was not recorded lies somewhere between two records. What was booked in between for
 * the jobs that it concerns is corrected where that is known better now; how much of it may be
 * wrong is kept, and told with the job.
 */
#include "task.h"

#include <string.h>

/* Between the two times it is not certain which part of its time job @j was in. */
void doubt_add(struct jobs *j, int64_t from_ns, int64_t to_ns)
{
	struct doubt *last = j->n_doubts ? &j->doubts[j->n_doubts - 1] : NULL;

	if (to_ns <= from_ns)
		return;
	if (last && from_ns <= last->to_ns) {
		if (from_ns < last->from_ns)
			last->from_ns = from_ns;
		if (to_ns > last->to_ns)
			last->to_ns = to_ns;
		return;
	}
	if (j->n_doubts == DOUBTS_MAX) {
		j->doubts[1].from_ns = j->doubts[0].from_ns;
		memmove(&j->doubts[0], &j->doubts[1], (DOUBTS_MAX - 1) * sizeof(j->doubts[0]));
		j->n_doubts--;
	}
	j->doubts[j->n_doubts++] = (struct doubt){from_ns, to_ns};
}

/* So much of the time between the two is in doubt; what lies before it is forgotten. */
int64_t doubt_within(struct jobs *j, int64_t from_ns, int64_t to_ns)
{
	int64_t sum = 0;
	size_t old = 0;

	for (size_t i = 0; i < j->n_doubts; i++) {
		const struct doubt *d = &j->doubts[i];
		int64_t from = d->from_ns > from_ns ? d->from_ns : from_ns;
		int64_t to = d->to_ns < to_ns ? d->to_ns : to_ns;

		if (to > from)
			sum += to - from;
		old += d->to_ns <= from_ns;
	}
	j->n_doubts -= old;
	memmove(&j->doubts[0], &j->doubts[old], j->n_doubts * sizeof(j->doubts[0]));
	return sum;
}

static bool concerns(const struct thr *t, unsigned cpu, const struct thr *out, const struct thr *in)
{
	return t == out || t == in || (t->state == THR_READY && t->cpu == cpu);
}

/*
 * On CPU @cpu of @m somebody made room for thread @in, or nobody did for @out, between the two
 * times: jobs of these threads, of those that wait there, and of the guest CPUs that they carry.
 */
void doubt_switch(struct machine *m, unsigned cpu, const struct thr *out, const struct thr *in,
	int64_t low_ns, int64_t high_ns)
{
	const struct vmrt_engine *e = m->engine;

	for (size_t i = 0; i < m->n_jobs; i++)
		if (concerns(m->jobs[i]->thr, cpu, out, in))
			doubt_add(m->jobs[i], low_ns, high_ns);
	for (size_t g = 1; m->index == 0 && g < e->config->n_machines; g++) {
		struct machine *guest = &e->machines[g];

		for (size_t i = 0; i < guest->n_jobs; i++) {
			const struct thr *v = vcpu_of(guest, guest->jobs[i]->thr->cpu);

			if (v && concerns(v, cpu, out, in))
				doubt_add(guest->jobs[i], low_ns, high_ns);
		}
	}
}

/* Guest CPU @cpu shows an event, but its vCPU thread is not known to run since it left: a switch of
 * the host is missing. */
void doubt_guest_cpu(struct machine *g, unsigned cpu, const struct thr *v, int64_t host_ns)
{
	if (v->last_out_ns == VMRT_UNKNOWN)
		return;
	for (size_t i = 0; i < g->n_jobs; i++)
		if (g->jobs[i]->thr->cpu == cpu)
			doubt_add(g->jobs[i], v->last_out_ns, host_ns);
}

/* It turns out that the thread of @j has run since @from_ns, while something else was booked. */
void doubt_ran(struct jobs *j, int64_t from_ns)
{
	const struct thr *v = vcpu_of(j->machine, j->thr->cpu);
	struct stretch found[RECENT_MAX];
	size_t n = 0;

	if (j->state != JOB_STARTED)
		return;
	if (from_ns < j->opened_ns)
		from_ns = j->opened_ns;
	if (from_ns < j->job.arrival_ns)
		from_ns = j->job.arrival_ns;
	for (size_t i = 0; i < RECENT_MAX; i++) {
		struct stretch *s = &j->recent[i];

		if (s->to_ns <= from_ns || (v && s->host_cpu < 0) ||
			(s->part != VMRT_BLAME_RELEASE && s->part != VMRT_BLAME_INTERFERENCE &&
				s->part != VMRT_BLAME_GUEST_OVERRUN &&
				s->part != VMRT_BLAME_BLOCKING && s->part != VMRT_BLAME_UNKNOWN))
			continue;
		found[n] = *s;
		if (found[n].from_ns < from_ns)
			found[n].from_ns = from_ns;
		j->cum[s->part] -= found[n].to_ns - found[n].from_ns;
		j->cum[VMRT_BLAME_EXEC] += found[n].to_ns - found[n].from_ns;
		j->exec_ns += found[n].to_ns - found[n].from_ns;
		/* jobs that have arrived meanwhile queue behind this one */
		for (size_t b = 0; b < j->backlog_n; b++) {
			struct snapshot *snap =
				&j->backlog[(j->backlog_first + b) % j->backlog_size];

			steal_rebook_kept(snap->cum, snap->at_host_ns, &found[n], found[n].from_ns,
				VMRT_BLAME_EXEC);
		}
		journal_rebook(j, found[n].from_ns, found[n].to_ns, VMRT_BLAME_EXEC);
		s->to_ns = found[n++].from_ns;
	}
	for (size_t i = 0; i < n; i++)
		steal_remember(j, found[i].from_ns, found[i].to_ns, VMRT_BLAME_EXEC);
}
