/* SPDX-License-Identifier: MIT */
/*
 * A switch that was not recorded lies somewhere between two records. What was booked in between for
 * the jobs that it concerns is corrected where that is known better now; how much of it may be
 * wrong is kept, and reported with the job.
 */
#include "parser/engine/task/mechanism.h"

#include <string.h>

/* Between the two times it is not certain which part of its time job @j was in. */
void unsure_add(struct jobs *j, int64_t from_ns, int64_t to_ns)
{
	struct unsure *last = j->n_unsure ? &j->unsure[j->n_unsure - 1] : NULL;

	if (to_ns <= from_ns)
		return;
	if (last && from_ns <= last->to_ns) {
		if (from_ns < last->from_ns)
			last->from_ns = from_ns;
		if (to_ns > last->to_ns)
			last->to_ns = to_ns;
		return;
	}
	if (j->n_unsure == UNSURE_MAX) {
		j->unsure[1].from_ns = j->unsure[0].from_ns;
		memmove(&j->unsure[0], &j->unsure[1], (UNSURE_MAX - 1) * sizeof(j->unsure[0]));
		j->n_unsure--;
	}
	j->unsure[j->n_unsure++] = (struct unsure){from_ns, to_ns};
}

/* How much of the time between the two is uncertain; what lies before it is forgotten. */
int64_t unsure_within(struct jobs *j, int64_t from_ns, int64_t to_ns)
{
	int64_t sum = 0;
	size_t old = 0;

	for (size_t i = 0; i < j->n_unsure; i++) {
		const struct unsure *d = &j->unsure[i];
		int64_t from = d->from_ns > from_ns ? d->from_ns : from_ns;
		int64_t to = d->to_ns < to_ns ? d->to_ns : to_ns;

		if (to > from)
			sum += to - from;
		old += d->to_ns <= from_ns;
	}
	j->n_unsure -= old;
	memmove(&j->unsure[0], &j->unsure[old], j->n_unsure * sizeof(j->unsure[0]));
	return sum;
}

static bool concerns(
	const struct thread *t, unsigned cpu, const struct thread *out, const struct thread *in)
{
	return t == out || t == in || (t->state == THREAD_READY && t->cpu == cpu);
}

/*
 * On CPU @cpu of @m somebody made room for thread @in, or nobody did for @out, between the two
 * times: jobs of these threads, of those that wait there, and of the guest CPUs that they carry.
 */
void unsure_switch(struct machine *m, unsigned cpu, const struct thread *out,
	const struct thread *in, int64_t low_ns, int64_t high_ns)
{
	const struct vmrt_engine *e = m->engine;

	for (size_t i = 0; i < m->n_jobs; i++)
		if (concerns(m->jobs[i]->thread, cpu, out, in))
			unsure_add(m->jobs[i], low_ns, high_ns);
	for (size_t g = 1; m->index == 0 && g < e->config->n_machines; g++) {
		struct machine *guest = &e->machines[g];

		for (size_t i = 0; i < guest->n_jobs; i++) {
			const struct thread *v = vcpu_of(guest, guest->jobs[i]->thread->cpu);

			if (v && concerns(v, cpu, out, in))
				unsure_add(guest->jobs[i], low_ns, high_ns);
		}
	}
}

/*
 * Between the two times the thread of @j ran, and it is not certain in which of its jobs: nor is it
 * for those that wait for its CPU whether a job that had overrun kept them waiting.
 */
void unsure_whose(struct jobs *j, int64_t from_ns, int64_t to_ns)
{
	struct machine *m = j->machine;

	unsure_add(j, from_ns, to_ns);
	for (size_t i = 0; j->spec->wcet_ns > 0 && i < m->n_jobs; i++) {
		const struct thread *t = m->jobs[i]->thread;

		if (t != j->thread && t->state == THREAD_READY && t->cpu == j->thread->cpu)
			unsure_add(m->jobs[i], from_ns, to_ns);
	}
}

/*
 * Thread @t ran on CPU @cpu since it was woken and slept before @host_ns, and no record shows it:
 * nor is it known of the others that wait there whether they ran.
 */
void jobs_unseen(struct machine *m, unsigned cpu, const struct thread *t, int64_t host_ns)
{
	for (size_t i = 0; i < m->n_jobs; i++) {
		struct jobs *j = m->jobs[i];

		if (concerns(j->thread, cpu, t, NULL))
			j->lost_to_ns = j->thread == t ? t->woken_ns : host_ns;
	}
}

/*
 * What the thread of @j does now cannot be without records that are not there: since @from_ns, when
 * it was seen last, a CPU did something and recorded nothing of it, though no counter says so. What
 * else happened meanwhile, nobody knows.
 */
static void unrecorded(struct jobs *j, int64_t from_ns, int64_t host_ns)
{
	struct machine *m = j->machine;

	if (from_ns == VMRT_UNKNOWN || from_ns >= host_ns || jobs_lost_since(j, from_ns))
		return;
	cpus_emit_loss(m, j->thread->cpu, from_ns, host_ns, 0, VMRT_LOSS_CLIPPED);
	m->stats.unrecorded++;
	machine_lost(m, host_ns);
	if (m->index)
		return;
	servers_lost(m->engine, from_ns, host_ns);
	servers_unsure(m->engine, from_ns, host_ns);
}

/* So long after the other one, record clocks do not explain that a record comes behind it. */
static bool is_long_ago(const struct machine *m, int64_t since_ns, int64_t host_ns)
{
	return since_ns != VMRT_UNKNOWN &&
	       host_ns - since_ns - CONTRADICTION_NS > record_doubt_ns(m);
}

/* Have all CPUs of @m recorded something? Timers expire, and threads are woken, on any of them. */
static bool all_recorded(const struct machine *m)
{
	for (unsigned c = 0; c < m->n_cpus; c++)
		if (m->cpus[c].last_ns == VMRT_UNKNOWN)
			return false;
	return m->n_cpus >= m->config->cpus;
}

/* By the records the thread of @j works on its job. A sleep that it has not begun ends now, so it
 * has slept meanwhile. */
static void slept_unseen(struct jobs *j, int64_t host_ns)
{
	int64_t since = j->state == JOB_STARTED ? j->thread->start_ns : j->job.release_ns;

	/* where records are known to be lost, that says nothing new */
	if ((j->state == JOB_STARTED || j->state == JOB_RELEASED) && !jobs_lost_events(j) &&
		is_long_ago(j->machine, since, host_ns) && all_recorded(j->machine))
		unrecorded(j, since, host_ns);
}

/*
 * Timer @ptr expires, which by the records has not been armed since it expired last. It may be that
 * of the open job of a thread.
 */
void unsure_unarmed(struct machine *m, uint64_t ptr, int64_t host_ns)
{
	for (size_t i = 0; m->starts_seen && i < m->n_jobs; i++)
		if (m->jobs[i]->timer == ptr)
			slept_unseen(m->jobs[i], host_ns);
}

/* When the timer that the sleeping thread of @j has armed is due, if it has not expired; or
 * VMRT_UNKNOWN. */
static int64_t timer_due(const struct jobs *j)
{
	const struct wait_timer *timer = &j->rel.timer;

	/* only a signal ends such a sleep before its time */
	if (j->state == JOB_SLEEPING && j->slept && !j->rel.sleep.pending)
		return j->arrives_ns;
	if (release_merges(j) && timer->ptr && !timer->gone && !timer->fired.ptr &&
		timer->next_ns != VMRT_UNKNOWN && !release_lost_since(j, timer->seen_ns))
		return to_host(j->machine, timer->next_ns);
	return VMRT_UNKNOWN;
}

/* The thread of @j, which sleeps, goes on though its timer is overdue: has it not expired, as the
 * records have it? */
static void check_overdue(struct jobs *j, int64_t host_ns)
{
	const struct machine *m = j->machine;
	int64_t due = timer_due(j);

	if (!j->thread->suspended && m->starts_seen && m->expiries_seen &&
		is_long_ago(m, due, host_ns) && !jobs_lost_since(j, due) && all_recorded(m))
		unrecorded(j, j->thread->last_out_ns, host_ns);
}

/*
 * The thread of @j is woken from its sleep. If no timer that is due has been seen to expire, or one
 * that nobody has armed, more than a switch is missing.
 */
void unsure_woken(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns)
{
	struct machine *m = j->machine;
	const struct cpu *cpu = &m->cpus[ev->cpu];
	const struct fired *f = &cpu->fired[interrupt_level(ev->flags)];

	if (j->thread->state == THREAD_BLOCKED && j->state == JOB_SLEEPING)
		check_overdue(j, host_ns);
	/* its expiry wakes its thread before anything else happens */
	else if (m->starts_seen && j->thread->state != THREAD_RUNNING && f->ptr &&
		 f->pid == ev->pid && f->local_ns == cpu->last_local_ns &&
		 f->fn == VMRT_FN_WAKEUP && !f->owner && f->arrival_ns == VMRT_UNKNOWN &&
		 clocks_of(m, f->ptr) == CLOCK_IS_MONOTONIC)
		slept_unseen(j, host_ns);
}

/*
 * The thread of @j runs, which slept until a timer that is due, but neither the expiry nor its
 * wake-up were recorded, while others were. By record clocks with an error both may yet come: an
 * expiry may be late by any time, since old PREEMPT_RT kernels expire soft timers in threads.
 */
void unsure_unwoken(struct jobs *j, int64_t host_ns)
{
	const struct machine *m = j->machine;

	if (j->thread->state == THREAD_BLOCKED && m->wakes_seen && !m->config->record_error_ns)
		check_overdue(j, host_ns);
}

/* Guest CPU @cpu shows an event, but its vCPU thread is not known to run since it left: a switch of
 * the host is missing. */
void unsure_guest_cpu(struct machine *g, unsigned cpu, const struct thread *v, int64_t host_ns)
{
	if (v->last_out_ns == VMRT_UNKNOWN)
		return;
	for (size_t i = 0; i < g->n_jobs; i++)
		if (g->jobs[i]->thread->cpu == cpu)
			unsure_add(g->jobs[i], v->last_out_ns, host_ns);
}

/* It turns out that the thread of @j has run since @from_ns, while something else was booked. */
void unsure_ran(struct jobs *j, int64_t from_ns)
{
	const unsigned waits = 1u << VMRT_BLAME_RELEASE | 1u << VMRT_BLAME_INTERFERENCE |
			       1u << VMRT_BLAME_GUEST_OVERRUN | 1u << VMRT_BLAME_BLOCKING |
			       1u << VMRT_BLAME_UNKNOWN;

	if (j->state != JOB_STARTED)
		return;
	if (from_ns < j->opened_ns)
		from_ns = j->opened_ns;
	if (from_ns < j->job.arrival_ns)
		from_ns = j->job.arrival_ns;
	j->exec_ns += steal_rebook_since(j, from_ns, waits, VMRT_BLAME_EXEC);
}
