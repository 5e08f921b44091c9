/* SPDX-License-Identifier: MIT */
/*
 * Threads that are followed: when each begins and ends to run, and its slices.
 */
#include "flow.h"

#include <stdlib.h>
#include <string.h>

static int64_t max_ns(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Guest events seen while their vCPU was off: judged when it runs again. */
static void judge_pending(struct machine *g, const struct thread *vcpu, int64_t run_start_ns)
{
	size_t kept = 0;

	for (size_t i = 0; i < g->n_pending; i++) {
		if (vcpu_of(g, g->pending[i].cpu) != vcpu)
			g->pending[kept++] = g->pending[i];
		else if (run_start_ns <= g->pending[i].host_ns + g->pending[i].error_ns)
			g->stats.inside++;
		else
			g->stats.outside++;
	}
	g->n_pending = kept;
}

void run_judge_event(struct machine *g, unsigned cpu, int64_t host_ns, int64_t error_ns)
{
	const struct thread *v = vcpu_of(g, cpu);
	const struct machine *host = &g->engine->machines[0];

	g->stats.without_vcpu += !v;
	if (!v || error_ns == VMRT_UNKNOWN)
		return;
	/* behind the end of the host's recording, or in a gap of it, nobody knows */
	if (v->cpu < host->n_cpus && (host->cpus[v->cpu].ended || host->cpus[v->cpu].losing))
		return;
	/* it may run on another CPU, in whose gap, or behind whose end, its switches are */
	if (v->state != THREAD_RUNNING &&
		(host->losing || (host->loss_to_ns != VMRT_UNKNOWN && host->loss_to_ns > host_ns)))
		return;
	if (v->state == THREAD_RUNNING ||
		(v->last_out_ns != VMRT_UNKNOWN && host_ns - error_ns <= v->last_out_ns)) {
		g->stats.inside++;
		return;
	}
	unsure_guest_cpu(g, cpu, v, host_ns);
	if (g->n_pending == PENDING_MAX) {
		g->stats.outside++;
		return;
	}
	g->pending[g->n_pending].host_ns = host_ns;
	g->pending[g->n_pending].error_ns = error_ns;
	g->pending[g->n_pending++].cpu = (uint16_t)cpu;
}

/*
 * A task's thread that was waiting on a CPU of which nothing is recorded begins to run on another
 * one, and no migration was recorded: what became of it in between is not known.
 */
static void check_whereabouts(
	struct machine *m, unsigned cpu, const struct thread *t, int64_t host_ns)
{
	if (t->cpu == cpu || !waits_unseen(m, t))
		return;
	if (m->loss_to_ns != VMRT_UNKNOWN &&
		m->loss_to_ns >= host_ns) /* that is reported already */
		return;
	cpus_emit_loss(m, t->cpu, t->ready_ns, host_ns, 0, VMRT_LOSS_CLIPPED);
	machine_lost(m, host_ns);
}

/*
 * @t waits on a CPU since it was woken, and is woken again: the kernel wakes none that waits
 * already. So it ran meanwhile, and slept, and nothing was recorded of that.
 */
bool run_was_unseen(struct machine *m, const struct thread *t, int64_t host_ns)
{
	int64_t window = record_doubt_ns(m);

	if (window < CONTRADICTION_NS)
		window = CONTRADICTION_NS;
	/* the two records of one wake-up may come in the wrong order */
	if (t->woken_ns == VMRT_UNKNOWN || host_ns - t->woken_ns <= window)
		return false;
	/* and the first of these two, from another CPU, behind the run that it began or came in */
	if (m->config->record_error_ns &&
		(t->last_out_ns == VMRT_UNKNOWN || t->woken_ns - t->last_out_ns <= window))
		return false;
	/* it runs, though its name was not known when it began: on its way to sleep it was woken */
	for (unsigned c = 0; c < m->n_cpus; c++)
		if (m->cpus[c].known && m->cpus[c].pid == t->pub.tid)
			return false;
	if (t->cpu < m->n_cpus)
		cpus_note_hole(m, t->cpu, t->woken_ns, host_ns);
	unsure_switch(m, t->cpu, t, NULL, t->woken_ns, host_ns);
	jobs_unseen(m, t->cpu, t, host_ns);
	servers_uncertain(m->engine, t, t->woken_ns, host_ns);
	if (!m->index)
		servers_unsure_cpu(m->engine, t->cpu, t->woken_ns, host_ns);
	return true;
}

static void close_slice(
	struct machine *m, struct thread *t, struct instant at, int64_t state, bool truncated)
{
	run_emit_slice(m, t, at, state, truncated);
	if (truncated)
		return;
	unmanaged_ran(t, at.host_ns - t->start_ns);
	t->ran_ns += at.host_ns - t->start_ns;
	if (t->guest)
		t->guest->silent_ns += at.host_ns - max_ns(t->start_ns, t->guest->stats.last_ns);
}

/*
 * The records of two CPUs may come in the wrong order, where a record clock is mapped: @t has been
 * preempted on CPU @cpu, or has slept for a moment, and runs on another one already. It ended to
 * run here when it began there.
 */
bool run_has_moved(const struct machine *m, const struct thread *t, unsigned cpu, int64_t state,
	int64_t host_ns)
{
	int64_t window = record_window_ns(m);

	if (!state && window < CONTRADICTION_NS)
		window = CONTRADICTION_NS;
	return t->state == THREAD_RUNNING && t->cpu != cpu && t->cpu < m->n_cpus &&
	       m->cpus[t->cpu].thread == t && host_ns - t->start_ns <= window;
}

/*
 * @t leaves CPU @cpu. Was that a run of before it went to the CPU on which it seemed to run
 * already, and whose records come earlier? Then it still runs there.
 */
void run_goes_on(struct machine *m, unsigned cpu, struct thread *t, struct instant at)
{
	const struct cpu *there = &m->cpus[t->left_cpu];

	if ((t->state != THREAD_READY && t->state != THREAD_BLOCKED) || t->cpu != cpu ||
		!there->known || there->thread != t ||
		at.host_ns - t->start_ns > record_window_ns(m))
		return;
	/* its ways there, here and there again are counted as three, if its job had begun before,
	 * but were one */
	if (t->jobs && t->jobs->state == JOB_STARTED)
		t->jobs->job.migrations -= t->jobs->job.start_ns == t->left_begun_ns ? 1 : 2;
	run_begins(m, t->left_cpu, t, at, PRIO_UNKNOWN, 0, false);
}

void run_begins(struct machine *m, unsigned cpu, struct thread *t, struct instant at, int prio,
	int64_t uncertainty_ns, bool truncated)
{
	struct thread_now runs;
	bool unwoken;

	t->left_begun_ns = VMRT_UNKNOWN;
	if (t->jobs)
		check_whereabouts(m, cpu, t, at.host_ns);
	if (t->jobs)
		unsure_unwoken(t->jobs, m->engine->now_ns);
	/* that it left its former CPU was not recorded */
	if (t->state == THREAD_RUNNING && t->cpu != cpu && t->cpu < m->n_cpus) {
		t->left_cpu = t->cpu;
		if (at.host_ns - t->start_ns < record_window_ns(m))
			t->left_begun_ns = t->start_ns;
		unsure_switch(m, t->cpu, t, NULL, cpus_surely_before(&m->cpus[t->cpu]), at.host_ns);
		/* or is recorded only later: it ran there, at the end at this priority, but where
		 * nothing was recorded for long, nobody knows how long */
		if (prio >= 0)
			change_learned(m, t, at.host_ns, prio);
		if (!uncertainty_ns && !truncated && at.host_ns > t->start_ns)
			close_slice(m, t, at, 0,
				at.host_ns - m->cpus[t->cpu].last_ns > CONTRADICTION_NS);
	}
	servers_start(t, at.host_ns, prio);
	unmanaged_starts(m->engine, t, at.host_ns, truncated ? INT64_MAX : uncertainty_ns);
	if (t->guest)
		judge_pending(t->guest, t, at.host_ns - uncertainty_ns);
	if (t->jobs && t->last_out_ns != VMRT_UNKNOWN && t->ran_cpu != cpu &&
		t->jobs->state == JOB_STARTED)
		t->jobs->job.migrations++;
	if (t->state == THREAD_UNKNOWN)
		check_appears(t, at.host_ns);
	unwoken = t->state == THREAD_BLOCKED ||
		  (t->state != THREAD_READY && t->last_out_ns == VMRT_UNKNOWN);
	t->unwoken_ns = unwoken && !uncertainty_ns ? at.host_ns : VMRT_UNKNOWN;
	runs = change_of(t);
	runs.state = THREAD_RUNNING;
	runs.throttled = runs.suspended = false;
	runs.cpu = t->ran_cpu = (uint16_t)cpu;
	if (prio >= 0)
		runs.prio = prio;
	change_thread(m, t, at.host_ns, &runs);
	if (t->server)
		servers_ran_on(t, cpu);
	if (prio >= 0)
		check_run_begins(t);
	t->start_ns = at.host_ns;
	t->start_local_ns = at.local_ns;
	t->uncertainty_ns = uncertainty_ns;
	t->start_truncated = truncated;
	t->begun_prio = runs.prio;
	t->armed_local_ns = VMRT_UNKNOWN;
	if (t->jobs)
		jobs_switch_in(t->jobs, at.local_ns, at.host_ns, uncertainty_ns > 0);
}

void run_emit_slice(
	struct machine *m, struct thread *t, struct instant at, int64_t state, bool truncated)
{
	struct vmrt_slice slice = {
		.cpu = t->cpu,
		.prio = t->prio,
		.start_ns = t->start_ns,
		.end_ns = at.host_ns,
		.start_local_ns = t->start_local_ns,
		.end_local_ns = at.local_ns,
		.uncertainty_ns = t->uncertainty_ns,
		.end_state = state,
		.truncated = truncated || t->start_truncated,
	};

	if (t->pub.vm == VMRT_NONE && t->pub.task == VMRT_NONE)
		return;
	threads_announce(m, t);
	slice.thread = t->pub.id;
	if (m->engine->sink.slice)
		m->engine->sink.slice(m->engine->sink.ctx, &slice);
}

void run_ends(struct machine *m, struct thread *t, struct instant at, int64_t state)
{
	struct thread_now leaves;

	if (t->jobs)
		jobs_switch_out(t->jobs, state, at.local_ns, at.host_ns);
	if (t->state == THREAD_RUNNING)
		close_slice(m, t, at, state, false);
	leaves = change_of(t);
	if (state & STATE_DEAD_MASK)
		leaves.state = THREAD_DEAD;
	else
		leaves.state = state == 0 ? THREAD_READY : THREAD_BLOCKED;
	change_thread(m, t, at.host_ns, &leaves);
	t->last_out_ns = at.host_ns;
	t->last_run_ns = at.host_ns - t->start_ns;
	t->ready_ns = at.host_ns;
	t->woken_ns = VMRT_UNKNOWN;
}

/* A thread turns out to be a task's while it is on a CPU. */
static void found_running(struct machine *m, unsigned index, struct thread *t, struct instant now)
{
	struct cpu *cpu = &m->cpus[index];
	bool exact = cpu->in_ns != VMRT_UNKNOWN;
	struct thread_now runs = change_of(t);

	check_whereabouts(m, index, t, now.host_ns);
	runs.state = THREAD_RUNNING;
	runs.cpu = t->ran_cpu = (uint16_t)index;
	if (cpu->prio != PRIO_UNKNOWN)
		runs.prio = cpu->prio;
	change_followed(m, index, now.host_ns, t);
	change_thread(m, t, now.host_ns, &runs);
	t->start_ns = exact ? cpu->in_ns : now.host_ns;
	t->start_local_ns = exact ? cpu->in_local_ns : now.local_ns;
	t->uncertainty_ns = 0;
	t->start_truncated = !exact;
	t->begun_prio = runs.prio;
}

void run_unbind(struct machine *m, struct thread *t)
{
	for (size_t i = 0; i < m->n_jobs; i++) {
		if (m->jobs[i] != t->jobs)
			continue;
		m->jobs[i] = m->jobs[--m->n_jobs];
		break;
	}
	blame_free(t->jobs);
	release_free(t->jobs);
	free(t->jobs);
	t->jobs = NULL;
}

/* A task's thread goes on under another name. */
static void renamed(struct machine *m, struct thread *t, const char *comm)
{
	jobs_renamed(t->jobs, m->engine->now_ns);
	run_unbind(m, t);
	if (t->pub.vm != VMRT_NONE && !t->selected)
		return;
	threads_forget(t);
	t->created = false;
	threads_name(t, comm);
}

/* Is this thread id gone, or on its way out? Where events were lost since then, it may belong to
 * another thread. */
static bool is_gone(const struct machine *m, const struct thread *t)
{
	return t->exited && (m->loss_to_ns == VMRT_UNKNOWN || m->loss_to_ns <= t->exited_ns);
}

/* A task's thread that has another name now: the task goes on if it may have that name, too. */
static void check_name(struct machine *m, struct thread *t, int32_t pid, const char *comm, int prio)
{
	if (comm_is(comm, t->pub.comm))
		return;
	if (matching_find(&m->matching, pid, comm, prio) == t->pub.task)
		threads_name(t, comm);
	else
		renamed(m, t, comm);
}

/* run_follow() on a machine with tasks; @t: the thread if it is followed already. */
struct thread *run_follow_named(struct machine *m, struct thread *t, int32_t pid, const char *comm,
	int prio, struct instant now)
{
	uint32_t task;

	if (t && t->jobs && comm)
		check_name(m, t, pid, comm, prio);
	if (!comm || pid <= 0 ||
		(t && (t->jobs || is_gone(m, t) || (t->pub.vm != VMRT_NONE && !t->selected))))
		return t;
	if (!matching_may_fit(&m->matching, comm))
		return t;
	task = matching_find(&m->matching, pid, comm, prio);
	if (task == VMRT_NONE)
		return t;
	if (!t)
		t = threads_get(m, pid, comm);
	if (t)
		jobs_bind(t, m, comm, task);
	for (unsigned c = 0; t && t->state != THREAD_RUNNING && c < m->n_cpus; c++)
		if (m->cpus[c].known && m->cpus[c].pid == pid)
			found_running(m, c, t, now);
	return t;
}
