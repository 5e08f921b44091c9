/* SPDX-License-Identifier: MIT */
/* The jobs of a task against the true ones: each is there once, and the release mechanism was
 * found. */
#include "sim-check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OFF_GRID_NS (25 * US) /* releases of tasks that sleep for what is left of a period */
#define SOON_NS (60 * US)     /* a wake-up follows its timer so soon */

/* When a thread of the task that was made at @born was seen first by its name. */
static int64_t named(const struct got *g, uint32_t task, int64_t born)
{
	for (size_t i = 0; i < g->r->n_events; i++) {
		const struct sim_event *e = &g->r->events[i];
		const char *name = g->r->tasks[task].name;

		if (e->true_ns >= born && e->machine == sim_machine_of(g, task) &&
			(!strcmp(e->comm[0], name) || !strcmp(e->comm[1], name)))
			return e->true_ns;
	}
	return INT64_MAX;
}

/* Since the last hole before it a job of its task was seen that began then. */
static bool resumed(const struct got *g, const struct sim_job *t)
{
	const struct sim_truth *truth = &g->r->truth;
	int64_t hole = INT64_MIN;

	for (size_t i = 0; i < truth->n_holes; i++)
		if (truth->holes[i].from_ns < t->job.arrival_ns && truth->holes[i].to_ns > hole)
			hole = truth->holes[i].to_ns;
	for (size_t i = 0; i < truth->n_clips; i++)
		if (truth->clips[i].from_ns < t->job.arrival_ns && truth->clips[i].to_ns > hole)
			hole = truth->clips[i].to_ns;
	for (size_t i = 0; i < g->n_jobs; i++)
		if (g->jobs[i].task == t->job.task && g->jobs[i].arrival_ns < t->job.arrival_ns &&
			g->jobs[i].arrival_ns > hole)
			return true;
	return hole == INT64_MIN;
}

/* What is not in the recording at all cannot be asked for. */
static bool must_be_there(const struct got *g, const struct sim_job *t)
{
	uint32_t m = sim_machine_of(g, t->job.task);

	if (t->optional || (!t->armed_ns && sim_undeclared(g, t->job.task)))
		return false;
	if (!t->ended && t->job.arrival_ns + t->loose_ns >= g->r->truth.end_ns)
		return false;
	/* nor under which name it was, before it was seen */
	if (g->late && g->renames)
		return false;
	/* what it waits for is found out when that wakes it, not in what it was doing when the
	 * recording began */
	if (g->late ? sim_waits(g, t->job.task)
		    : (g->clipped || g->lossy) && sim_waits(g, t->job.task) &&
				!g->r->tasks[t->job.task].release)
		return false;
	if ((g->lossy || g->clipped) && sim_waits(g, t->job.task) && !resumed(g, t))
		return false;
	/* at which priority it runs is seen at a switch */
	if ((g->late || g->lossy || g->clipped) && g->r->how[t->job.task] == VMRT_RELEASE_DEADLINE)
		return false;
	/* the switch that shows its end may be the one that is missing */
	if (g->broken && g->r->how[t->job.task] != VMRT_RELEASE_NANOSLEEP)
		return false;
	if ((g->clipped || g->lossy ||
		    (g->late && g->r->how[t->job.task] != VMRT_RELEASE_NANOSLEEP)) &&
		t->armed_ns < named(g, t->job.task, t->born_ns))
		return false;
	if (g->late && (!t->armed_ns || t->armed_ns < g->r->truth.start_ns))
		return false;
	/* nor what was armed on a CPU of which nothing is recorded */
	if (sim_has_silent_cpu(g, m))
		return false;
	if ((g->lossy || g->clipped) &&
		(!t->armed_ns || sim_in_hole(g, m, t->armed_ns, t->proof_ns)))
		return false;
	if (g->broken || ((g->r->truth.clock_error_ns || g->record_ns) && !t->ended))
		return t->ended;
	/* which of two CPUs was first, clocks of such an error do not show */
	if (g->record_ns && (g->r->how[t->job.task] == VMRT_RELEASE_WAKEUP ||
				    (sim_waits(g, t->job.task) && g->r->machines[m].cpus > 1) ||
				    t->proof_ns + SOON_NS + g->record_ns >= g->r->truth.end_ns))
		return false;
	/* its thread may not have been seen under the task's name */
	if (t->first && !t->ended)
		return false;
	return true;
}

/* Is another job of its task nearer to @e than @t? */
static bool is_nearer_to_another(
	const struct got *g, const struct vmrt_job *e, const struct sim_job *t)
{
	int64_t off = llabs(e->arrival_local_ns - t->job.arrival_local_ns);

	for (size_t i = 0; i < g->r->truth.n_jobs; i++) {
		const struct sim_job *o = &g->r->truth.jobs[i];

		if (o->job.task == e->task &&
			llabs(e->arrival_local_ns - o->job.arrival_local_ns) < off)
			return true;
	}
	return false;
}

void sim_check_jobs_of(struct got *g, uint32_t task)
{
	const struct sim_truth *truth = &g->r->truth;
	/* of these the records' own times say when they arrived */
	int64_t blur =
		g->r->how[task] == VMRT_RELEASE_WAKEUP || g->r->how[task] == VMRT_RELEASE_RESCH
			? g->record_ns
			: 0;
	bool exact = !g->late && !g->lossy && !g->broken && !truth->clock_error_ns &&
		     !g->record_ns && !g->clipped;
	bool counted = exact && !sim_undeclared(g, task) && !g->renames &&
		       g->r->how[task] != VMRT_RELEASE_RELATIVE;
	int64_t last_k = -1, left_out = 0;
	bool gap, missing = false;
	char name[64];

	for (size_t i = 0; i < truth->n_jobs; i++) {
		const struct sim_job *t = &truth->jobs[i];
		const struct vmrt_job *e = NULL;
		int n = 0;

		if (t->job.task != task || t->ghost)
			continue;
		for (size_t j = 0; j < g->n_jobs; j++) {
			if (g->jobs[j].task != task ||
				!sim_near(g->jobs[j].arrival_local_ns, t->job.arrival_local_ns,
					t->loose_ns + blur) ||
				((blur || t->loose_ns) && is_nearer_to_another(g, &g->jobs[j], t)))
				continue;
			if (e && blur &&
				llabs(g->jobs[j].arrival_local_ns - t->job.arrival_local_ns) >
					llabs(e->arrival_local_ns - t->job.arrival_local_ns))
				continue;
			e = &g->jobs[j];
			n = blur ? 1 : n + 1;
		}
		snprintf(name, sizeof(name), "t%u, job %" PRId64 " at %s us", task, t->job.k,
			sim_at(g, t->job.arrival_ns));
		if (n > 1)
			sim_wrong(g, "%s: given %d times", name, n);
		gap = missing;
		missing = !n;
		left_out += !n;
		if (!n && must_be_there(g, t))
			sim_wrong(g, "%s: is missing (armed at %s)", name, sim_at(g, t->armed_ns));
		if (!n || (g->late && !must_be_there(g, t)))
			continue;
		/* how many were skipped behind a job without records is not known either */
		if (counted && gap && e->skipped < t->job.skipped)
			left_out += t->job.skipped - e->skipped;
		else if (counted && (e->k != t->job.k - left_out || e->skipped != t->job.skipped))
			sim_wrong(g,
				"%s: k %" PRId64 ", %" PRId64 " skipped; true %" PRId64
				", %" PRId64,
				name, e->k, e->skipped, t->job.k, t->job.skipped);
		sim_check_job(g, e, t, name);
	}
	for (size_t j = 0; j < g->n_jobs; j++) {
		const struct vmrt_job *e = &g->jobs[j];
		bool found = false;

		if (e->task != task)
			continue;
		if (e->k <= last_k)
			sim_wrong(g, "t%u: k %" PRId64 " behind %" PRId64, task, e->k, last_k);
		last_k = e->k;
		/* of a job that was never released the period shows, as well as it was found out */
		int64_t found_only = sim_undeclared(g, task) && e->release_ns == VMRT_UNKNOWN &&
						     g->r->how[task] == VMRT_RELEASE_RESCH
					     ? g->r->periods[task] / 100
					     : 0;

		for (size_t i = 0; i < truth->n_jobs && !found; i++)
			found = truth->jobs[i].job.task == task &&
				sim_near(truth->jobs[i].job.arrival_local_ns, e->arrival_local_ns,
					truth->jobs[i].loose_ns + found_only + blur);
		/* under a name that is the task's again, in a job that began under another */
		if (g->renames &&
			(e->outcome == VMRT_OUTCOME_TRUNCATED || e->start_ns == VMRT_UNKNOWN))
			continue;
		/* or within one that it did under another, in a hole that showed only later */
		if (g->renames && g->lossy && e->end_ns != VMRT_UNKNOWN &&
			sim_in_hole(g, sim_machine_of(g, task), e->arrival_ns, e->end_ns) &&
			truth->holes[0].to_ns > e->end_ns)
			continue;
		/* when a timer that was armed before the recording was due is known only to a
		 * multiple of the period */
		if (g->late && sim_waits(g, task) && truth->start_ns + 100 * MS > e->arrival_ns)
			continue;
		if (found || (e->outcome == VMRT_OUTCOME_UNKNOWN && !counted) ||
			(e->outcome == VMRT_OUTCOME_TRUNCATED && !exact))
			continue;
		if (e->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE && !exact)
			continue;
		sim_wrong(g, "t%u: a job at %s us that is not there: %s", task,
			sim_at(g, e->arrival_ns), vmrt_outcome_name(e->outcome));
	}
}

/* Is @e right about job @t of a task that catches up? */
static bool is_right(const struct got *g, const struct vmrt_job *e, const struct sim_job *t)
{
	/* releases of one that sleeps for what is left are behind the grid */
	int64_t off = g->r->late[e->task] == CATCH_UP_REST ? OFF_GRID_NS : 0;
	enum vmrt_outcome outcome = t->job.outcome;

	if (!t->ended || e->outcome == VMRT_OUTCOME_UNKNOWN ||
		e->outcome == VMRT_OUTCOME_TRUNCATED ||
		e->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE)
		return e->end_ns == VMRT_UNKNOWN;
	if (e->outcome != outcome &&
		!sim_near(t->job.response_ns, t->job.deadline_ns - t->job.arrival_ns, off))
		return false;
	if (e->end_ns == VMRT_UNKNOWN)
		return e->response_ns == VMRT_UNKNOWN && e->exec_ns == VMRT_UNKNOWN;
	return sim_near(e->end_ns, t->job.end_ns, 0) &&
	       sim_near(e->response_ns, t->job.response_ns, off) &&
	       (e->exec_ns == VMRT_UNKNOWN || sim_near(e->exec_ns, t->job.exec_ns, 0));
}

/* Does a job follow of the same task that the engine knows? Else the task may have been late until
 * the recording ended, in what looks like one job. */
static bool has_come_to_rest(const struct got *g, const struct sim_job *t)
{
	for (size_t j = 0; j < g->n_jobs; j++)
		if (g->jobs[j].task == t->job.task && g->jobs[j].release_ns != VMRT_UNKNOWN &&
			g->jobs[j].arrival_local_ns > t->job.arrival_local_ns)
			return true;
	return false;
}

/* Of a task that goes on without a sleep when it is late: what is reported is right, unknown, or
 * the task is marked. */
void sim_check_caught_up(struct got *g, uint32_t task)
{
	const struct sim_truth *truth = &g->r->truth;
	int64_t off = g->r->late[task] == CATCH_UP_REST ? OFF_GRID_NS : 0;
	bool marked = g->unsure[task].missing > 0, anew = false;

	/* before it has done so nothing shows that its period begins anew when it is late */
	for (size_t i = 1; i < g->n_jobs; i++)
		for (size_t k = 0; k < i; k++)
			anew |= g->jobs[i].task == task && g->jobs[k].task == task &&
				g->jobs[k].end_ns != VMRT_UNKNOWN &&
				g->jobs[k].end_ns == g->jobs[i].arrival_ns;
	for (size_t i = 0; i < truth->n_jobs; i++) {
		const struct sim_job *t = &truth->jobs[i];
		const struct vmrt_job *e = NULL;

		if (t->job.task != task || t->ghost)
			continue;
		for (size_t j = 0; j < g->n_jobs && !e; j++)
			if (g->jobs[j].task == task &&
				sim_near(g->jobs[j].arrival_local_ns, t->job.arrival_local_ns, off))
				e = &g->jobs[j];
		if (!e && !marked && t->ended && !t->optional && !t->first &&
			has_come_to_rest(g, t))
			sim_wrong(g, "t%u: the job at %s us is missing, and nothing says so", task,
				sim_at(g, t->job.arrival_ns));
		if (e && !marked && !is_right(g, e, t))
			sim_wrong(g,
				"t%u: the job at %s us: %s, end %s, exec %" PRId64
				"; true %s, %s, %" PRId64,
				task, sim_at(g, t->job.arrival_ns), vmrt_outcome_name(e->outcome),
				sim_at(g, e->end_ns), e->exec_ns, vmrt_outcome_name(t->job.outcome),
				sim_at(g, t->job.end_ns), t->job.exec_ns);
	}
	for (size_t j = 0; j < g->n_jobs; j++) {
		const struct vmrt_job *e = &g->jobs[j];
		bool found = marked || e->task != task || e->outcome == VMRT_OUTCOME_UNKNOWN ||
			     e->outcome == VMRT_OUTCOME_TRUNCATED ||
			     (e->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE && !anew);

		for (size_t i = 0; i < truth->n_jobs && !found; i++)
			found = truth->jobs[i].job.task == task &&
				sim_near(truth->jobs[i].job.arrival_local_ns, e->arrival_local_ns,
					off);
		if (!found)
			sim_wrong(g, "t%u: a job at %s us that is not there: %s", task,
				sim_at(g, e->arrival_ns), vmrt_outcome_name(e->outcome));
	}
}

/* What the engine found out about the task: nothing wrong, and where there was enough to see, all
 * of it. */
void sim_check_found(struct got *g, uint32_t task)
{
	const struct sim_truth *truth = &g->r->truth;
	int64_t before = VMRT_UNKNOWN, period = g->r->periods[task];
	int regular = 0, others = 0;

	if (g->late || g->lossy || g->broken || g->clipped || g->renames || g->r->late[task])
		return;
	for (size_t i = 0; i < truth->n_jobs; i++) {
		const struct sim_job *t = &truth->jobs[i];

		if (t->job.task != task || !t->ended || t->unproven)
			continue;
		if (before != VMRT_UNKNOWN && !t->first &&
			sim_near(t->job.arrival_local_ns - before, period, t->loose_ns))
			regular++;
		else if (before != VMRT_UNKNOWN && !t->first)
			others++;
		before = t->job.arrival_local_ns;
	}
	if (g->found[task] != g->r->how[task] && g->found[task] != VMRT_RELEASE_AUTO)
		sim_wrong(g, "t%u: taken for %s, true %s", task, vmrt_release_name(g->found[task]),
			vmrt_release_name(g->r->how[task]));
	if (g->r->how[task] == VMRT_RELEASE_RELATIVE || regular < 8 || others > regular / 2)
		return;
	if (g->found[task] == VMRT_RELEASE_AUTO)
		sim_wrong(g, "t%u: not found out that it is %s", task,
			vmrt_release_name(g->r->how[task]));
	if (!sim_near(g->found_periods[task], period, period / 100))
		sim_wrong(g, "t%u: its period is said to be %" PRId64 ", true %" PRId64, task,
			g->found_periods[task], period);
}
