/* SPDX-License-Identifier: MIT */
/* The jobs of a task against the true ones: each is there once, and the release mechanism was
 * found. */
#include "sim-check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OFF_GRID_NS (25 * US) /* releases of tasks that sleep for what is left of a period */
#define SOON_NS (60 * US)     /* a wake-up follows its timer so soon */

/* The time of the first record that has the name of the task's thread, which was made at @born. */
int64_t sim_named(const struct got *g, uint32_t task, int64_t born)
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

/* Has the engine reported a job of the task that began between the last hole and @t? */
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

/* Does the recording have enough records of the job, so that the engine must report it? */
static bool must_be_there(const struct got *g, const struct sim_job *t)
{
	uint32_t m = sim_machine_of(g, t->job.task);

	if (t->optional || (!t->armed_ns && sim_undeclared(g, t->job.task)))
		return false;
	if (!t->ended && t->job.arrival_ns + t->loose_ns >= g->r->truth.end_ns)
		return false;
	/* the name of a thread is unknown before its first record */
	if (g->late && g->renames)
		return false;
	/* how a thread waits shows when it is woken, which the first job of a recording may lack */
	if (g->late ? sim_waits(g, t->job.task)
		    : (g->clipped || g->lossy) && sim_waits(g, t->job.task) &&
				!g->r->tasks[t->job.task].release)
		return false;
	if ((g->lossy || g->clipped) && sim_waits(g, t->job.task) && !resumed(g, t))
		return false;
	/* the priority of a thread shows at a switch */
	if ((g->late || g->lossy || g->clipped) && g->r->how[t->job.task] == VMRT_RELEASE_DEADLINE)
		return false;
	/* the switch that shows the end of the job may be missing */
	if (g->broken && g->r->how[t->job.task] != VMRT_RELEASE_NANOSLEEP)
		return false;
	if ((g->clipped || g->lossy || g->broken ||
		    (g->late && g->r->how[t->job.task] != VMRT_RELEASE_NANOSLEEP)) &&
		t->armed_ns < sim_named(g, t->job.task, t->born_ns))
		return false;
	if (g->late && (!t->armed_ns || t->armed_ns < g->r->truth.start_ns))
		return false;
	/* the timer may have been armed on a CPU of which nothing is recorded */
	if (sim_has_silent_cpu(g, m))
		return false;
	if ((g->lossy || g->clipped) &&
		(!t->armed_ns || sim_in_hole(g, m, t->armed_ns, t->proof_ns)))
		return false;
	if (g->broken || ((g->r->truth.clock_error_ns || g->record_ns) && !t->ended))
		return t->ended;
	/* clocks of such an error do not show which of two CPUs was first */
	if (g->record_ns && (g->r->how[t->job.task] == VMRT_RELEASE_WAKEUP ||
				    (sim_waits(g, t->job.task) && g->r->machines[m].cpus > 1) ||
				    t->proof_ns + SOON_NS + g->record_ns >= g->r->truth.end_ns))
		return false;
	/* no record may have had the task's name yet */
	if (t->first && !t->ended)
		return false;
	return true;
}

/*
 * When @e arrived in truth, if the record that is nearest to its arrival shows that. Record clocks
 * may be off by more than there is between two jobs; which one the engine's records are from is
 * known here nevertheless.
 */
static int64_t true_arrival(const struct got *g, const struct vmrt_job *e)
{
	int64_t least = INT64_MAX, at = e->arrival_local_ns;
	uint32_t m = sim_machine_of(g, e->task);

	for (size_t i = 0; i < g->r->n_events; i++) {
		const struct sim_event *x = &g->r->events[i];
		int64_t off = llabs(x->ev.ts - e->arrival_local_ns);

		if (x->machine != m || off >= least)
			continue;
		least = off;
		at = e->arrival_local_ns - (x->ev.ts - x->local_ns);
	}
	return at;
}

/* Is another job of @task nearer to @at than @t? */
static bool is_nearer_to_another(
	const struct got *g, uint32_t task, int64_t at, const struct sim_job *t)
{
	int64_t off = llabs(at - t->job.arrival_local_ns);

	for (size_t i = 0; i < g->r->truth.n_jobs; i++) {
		const struct sim_job *o = &g->r->truth.jobs[i];

		if (o->job.task == task && llabs(at - o->job.arrival_local_ns) < off)
			return true;
	}
	return false;
}

/* How the jobs of one task are compared with the true ones. */
struct task_check {
	struct got *g;
	uint32_t task;
	int64_t blur; /* the records' own times show the arrivals, to this error */
	bool exact;   /* the recording is whole */
	bool counted; /* the numbers of its jobs must agree, too */
	int64_t left_out;
	bool missing; /* the last true job was not found */
	int bare; /* jobs without any time that the engine gave instead of some it cannot tell */
};

/*
 * Where record clocks show the records of two CPUs in the wrong order, the engine cannot tell which
 * jobs they belong to: it gives jobs without times. How many may it have given for this task?
 */
static int bare_jobs(const struct got *g, uint32_t task)
{
	int n = 0;

	if (!g->record_ns || g->r->machines[sim_machine_of(g, task)].cpus < 2)
		return 0;
	for (size_t j = 0; j < g->n_jobs; j++)
		n += g->jobs[j].task == task && g->jobs[j].arrival_ns == VMRT_UNKNOWN &&
		     g->jobs[j].outcome == VMRT_OUTCOME_UNKNOWN;
	return n;
}

/* The engine's job that is the true job @t. @n: how many the engine gave. */
static const struct vmrt_job *find_job(const struct task_check *c, const struct sim_job *t, int *n)
{
	const struct got *g = c->g;
	const struct vmrt_job *found = NULL;
	int64_t least = INT64_MAX;

	*n = 0;
	for (size_t j = 0; j < g->n_jobs; j++) {
		const struct vmrt_job *e = &g->jobs[j];
		int64_t at;

		if (e->task != c->task || !sim_near(e->arrival_local_ns, t->job.arrival_local_ns,
						  t->loose_ns + c->blur))
			continue;
		at = c->blur ? true_arrival(g, e) : e->arrival_local_ns;
		if ((c->blur || t->loose_ns) && is_nearer_to_another(g, c->task, at, t))
			continue;
		if (c->blur && llabs(at - t->job.arrival_local_ns) > least)
			continue;
		least = llabs(at - t->job.arrival_local_ns);
		found = e;
		*n = c->blur ? 1 : *n + 1;
	}
	return found;
}

/* Numbers of jobs go on, with those that the task skipped. @gap: the true job before was not
 * found. */
static void check_number(struct task_check *c, const struct vmrt_job *e, const struct sim_job *t,
	bool gap, const char *name)
{
	if (!c->counted)
		return;
	/* how many jobs were skipped behind a job without records is unknown */
	if (gap && e->skipped < t->job.skipped)
		c->left_out += t->job.skipped - e->skipped;
	else if (e->k != t->job.k - c->left_out || e->skipped != t->job.skipped)
		sim_wrong(c->g,
			"%s: k %" PRId64 ", %" PRId64 " skipped; true %" PRId64 ", %" PRId64, name,
			e->k, e->skipped, t->job.k, t->job.skipped);
}

/* The true job @t is there once, and the engine is right about it. */
static void check_true_job(struct task_check *c, const struct sim_job *t)
{
	struct got *g = c->g;
	bool gap = c->missing;
	const struct vmrt_job *e;
	char name[64];
	int n;

	e = find_job(c, t, &n);
	snprintf(name, sizeof(name), "t%u, job %" PRId64 " at %s us", c->task, t->job.k,
		sim_at(g, t->job.arrival_ns));
	if (n > 1)
		sim_wrong(g, "%s: given %d times", name, n);
	c->missing = !e;
	c->left_out += !e;
	if (!e && must_be_there(g, t) && --c->bare < 0)
		sim_wrong(g, "%s: is missing (armed at %s)", name, sim_at(g, t->armed_ns));
	if (!e || (g->late && !must_be_there(g, t)))
		return;
	check_number(c, e, t, gap, name);
	g->behind_gap = gap;
	sim_check_job(g, e, t, name);
}

/* Is the engine's job @e a true one? */
static bool is_true_job(const struct task_check *c, const struct vmrt_job *e)
{
	const struct got *g = c->g;
	const struct sim_truth *truth = &g->r->truth;
	bool by_period = sim_undeclared(g, c->task) && e->release_ns == VMRT_UNKNOWN &&
			 g->r->how[c->task] == VMRT_RELEASE_RESCH;
	int64_t off = c->blur;

	/* the arrivals of jobs that were never released follow one from the other by the period,
	 * each as exactly as the period was found out */
	for (size_t i = 0; by_period && i < g->n_jobs; i++)
		if (g->jobs[i].task == c->task && g->jobs[i].release_ns == VMRT_UNKNOWN &&
			g->jobs[i].k <= e->k)
			off += g->r->periods[c->task] / 100;
	for (size_t i = 0; i < truth->n_jobs; i++)
		if (truth->jobs[i].job.task == c->task &&
			sim_near(truth->jobs[i].job.arrival_local_ns, e->arrival_local_ns,
				truth->jobs[i].loose_ns + off))
			return true;
	return false;
}

/* May the engine's job @e be part of something that the recording shows only in part? */
static bool may_be_part(const struct task_check *c, const struct vmrt_job *e)
{
	const struct got *g = c->g;
	const struct sim_truth *truth = &g->r->truth;

	/* the thread has the task's name again, in a job that began under another name */
	if (g->renames && (e->outcome == VMRT_OUTCOME_TRUNCATED || e->start_ns == VMRT_UNKNOWN))
		return true;
	/* the thread did the job under another name, in a hole that showed only later */
	if (g->renames && g->lossy && e->end_ns != VMRT_UNKNOWN &&
		sim_in_hole(g, sim_machine_of(g, c->task), e->arrival_ns, e->end_ns) &&
		truth->holes[0].to_ns > e->end_ns)
		return true;
	/* the expiry of a timer that was armed before the recording is known only to a multiple of
	 * the period */
	if (g->late && sim_waits(g, c->task) && truth->start_ns + 100 * MS > e->arrival_ns)
		return true;
	return (e->outcome == VMRT_OUTCOME_UNKNOWN && !c->counted) ||
	       ((e->outcome == VMRT_OUTCOME_TRUNCATED ||
			e->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE) &&
		       !c->exact);
}

void sim_check_jobs_of(struct got *g, uint32_t task)
{
	const struct sim_truth *truth = &g->r->truth;
	enum vmrt_release how = g->r->how[task];
	struct task_check c = {.g = g,
		.task = task,
		.bare = bare_jobs(g, task),
		.blur = how == VMRT_RELEASE_WAKEUP || how == VMRT_RELEASE_RESCH ? g->record_ns : 0,
		.exact = !g->late && !g->lossy && !g->broken && !truth->clock_error_ns &&
			 !g->record_ns && !g->clipped};
	int64_t last_k = -1;

	c.counted =
		c.exact && !sim_undeclared(g, task) && !g->renames && how != VMRT_RELEASE_RELATIVE;
	for (size_t i = 0; i < truth->n_jobs; i++)
		if (truth->jobs[i].job.task == task && !truth->jobs[i].ghost)
			check_true_job(&c, &truth->jobs[i]);
	for (size_t j = 0; j < g->n_jobs; j++) {
		const struct vmrt_job *e = &g->jobs[j];

		if (e->task != task)
			continue;
		if (e->k <= last_k)
			sim_wrong(g, "t%u: k %" PRId64 " behind %" PRId64, task, e->k, last_k);
		last_k = e->k;
		if (!is_true_job(&c, e) && !may_be_part(&c, e))
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
