/* SPDX-License-Identifier: MIT */
/* The parts of a job's response and its cause, against the true ones. */
#include "sim-check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define YIELD_NS (20 * US) /* the way out of sched_yield() takes at most so long */

/* If the times come from record clocks, parts that only a limit or a priority distinguishes are
 * compared together. */
static const unsigned alike[] = {1u << VMRT_BLAME_EXEC | 1u << VMRT_BLAME_OVERRUN,
	1u << VMRT_BLAME_INTERFERENCE | 1u << VMRT_BLAME_GUEST_OVERRUN,
	1u << VMRT_BLAME_HOST_THREAD | 1u << VMRT_BLAME_THROTTLING | 1u << VMRT_BLAME_SERVER |
		1u << VMRT_BLAME_WAKEUP,
	1u << VMRT_BLAME_RELEASE, 1u << VMRT_BLAME_BLOCKING, 1u << VMRT_BLAME_BUDGET,
	1u << VMRT_BLAME_VMM, 1u << VMRT_BLAME_IRQ};

#define N_ALIKE (sizeof(alike) / sizeof(alike[0]))

static void show_parts(struct got *g, const struct vmrt_job *e, const struct vmrt_job *t)
{
	for (int p = 0; p < VMRT_BLAMES && g->bad <= g->show; p++)
		if (e->blame_ns[p] || t->blame_ns[p])
			fprintf(g->out, "#       %-14s engine %12.3f us, true %12.3f us%s\n",
				vmrt_blame_name(p), (double)e->blame_ns[p] / 1000,
				(double)t->blame_ns[p] / 1000,
				e->blame_ns[p] == t->blame_ns[p] ? "" : "  <--");
}

/* The time from which each CPU of the host has recorded a switch, and so the priority of the thread
 * that runs on it. */
static int64_t priorities_known(const struct got *g)
{
	int64_t known = g->r->truth.start_ns, first;

	for (unsigned c = 0; c < g->r->machines[0].cpus; c++) {
		first = g->r->truth.end_ns;
		for (size_t i = 0; i < g->r->n_events && first == g->r->truth.end_ns; i++)
			if (!g->r->events[i].machine && g->r->events[i].ev.cpu == c &&
				g->r->events[i].ev.type == VMRT_EV_SWITCH)
				first = g->r->events[i].true_ns;
		if (first > known)
			known = first;
	}
	return known;
}

/* Did a task of the machine run between the two times, while the recording does not show to which
 * job that run time belongs? */
static bool is_ambiguous(const struct got *g, uint32_t machine, int64_t from, int64_t to)
{
	const struct sim_truth *truth = &g->r->truth;

	if (g->renames)
		return true;
	/* nor does the recording show whether a late task ran one long job or several */
	for (uint32_t i = 0; i < g->r->exp.n_tasks; i++)
		if (g->r->late[i] && sim_machine_of(g, i) == machine)
			return true;
	for (size_t i = 0; i < truth->n_jobs; i++)
		if (truth->jobs[i].optional &&
			sim_machine_of(g, truth->jobs[i].job.task) == machine &&
			truth->jobs[i].job.arrival_ns < to && truth->jobs[i].closed_ns > from)
			return true;
	return false;
}

/*
 * Did a task that also waits for its jobs by sleeping sleep within a job between the two times? Or
 * was it in the first job of its thread? Only the end of the next wait shows how a thread waits.
 */
static bool has_slept_within(const struct got *g, uint32_t machine, int64_t from, int64_t to)
{
	const struct sim_truth *truth = &g->r->truth;

	for (size_t i = 0; i < truth->n_jobs; i++)
		if ((truth->jobs[i].slept || truth->jobs[i].first) &&
			sim_waits(g, truth->jobs[i].job.task) &&
			sim_machine_of(g, truth->jobs[i].job.task) == machine &&
			truth->jobs[i].job.arrival_ns < to && truth->jobs[i].closed_ns > from)
			return true;
	return false;
}

/*
 * Did the first run of a new thread of the machine end behind @from? A new thread has the name of
 * its maker, and the run times of all threads with one name are added up.
 */
static bool has_new_thread(const struct got *g, uint32_t machine, int64_t from, int64_t to)
{
	for (size_t i = 0; i < g->r->n_events; i++) {
		const struct sim_event *born = &g->r->events[i];

		if (born->machine != machine || born->ev.type != VMRT_EV_WAKEUP_NEW ||
			born->true_ns >= to)
			continue;
		for (size_t k = i; k < g->r->n_events; k++) {
			const struct sim_event *e = &g->r->events[k];

			if (e->machine != machine || e->ev.type != VMRT_EV_SWITCH ||
				e->ev.sw.prev_pid != born->ev.wake.pid)
				continue;
			if (e->true_ns > from)
				return true;
			break;
		}
	}
	return false;
}

/*
 * Is there a job whose arrival the recording shows only roughly, and that may have arrived between
 * the two times? The engine may see the end of a busy period before it, where in truth the busy
 * period went on.
 */
static bool has_vague_arrival(const struct got *g, uint32_t machine, int64_t from, int64_t to)
{
	const struct sim_truth *truth = &g->r->truth;

	for (size_t i = 0; i < truth->n_jobs; i++) {
		const struct sim_job *o = &truth->jobs[i];

		if (o->loose_ns && sim_machine_of(g, o->job.task) == machine &&
			o->job.arrival_ns < to && o->job.arrival_ns + o->loose_ns > from)
			return true;
	}
	return false;
}

/* The recording cannot distinguish two parts: is their sum at most the true one? */
static bool at_most_together(const struct vmrt_job *e, const struct vmrt_job *t, enum vmrt_blame a,
	enum vmrt_blame b, int64_t tolerance)
{
	return e->blame_ns[a] + e->blame_ns[b] <= t->blame_ns[a] + t->blame_ns[b] + tolerance;
}

/* The cause of a miss as docs/metrics.md defines it: the largest part, or the largest excess.
 * @lead_ns: by how much it is larger than the second one. */
static int true_cause(const struct vmrt_job *t, int64_t *lead_ns)
{
	int64_t parts[VMRT_BLAMES], second = 0;
	int cause = -1;

	memcpy(parts, t->excused ? t->excess_ns : t->blame_ns, sizeof(parts));
	parts[VMRT_BLAME_EXEC] = parts[VMRT_BLAME_CLOCK] = 0;
	for (int p = 0; p < VMRT_BLAMES; p++)
		if (parts[p] > 0 && (cause < 0 || parts[p] > parts[cause]))
			cause = p;
	for (int p = 0; p < VMRT_BLAMES; p++)
		if (p != cause && parts[p] > second)
			second = parts[p];
	*lead_ns = cause < 0 ? 0 : parts[cause] - second;
	return cause;
}

/* Are the two parts compared together if the times come from record clocks? */
static bool are_alike(int a, int b)
{
	for (size_t i = 0; a >= 0 && b >= 0 && i < N_ALIKE; i++)
		if ((alike[i] >> a & 1) && (alike[i] >> b & 1))
			return true;
	return false;
}

/* Does the engine blame the thread @tid for @part? If @blur, also for a part that is compared
 * together with @part. */
static bool is_blamed(
	const struct got *g, const struct vmrt_job *e, enum vmrt_blame part, int32_t tid, bool blur)
{
	for (int p = 0; p < VMRT_BLAMES; p++) {
		uint32_t thread = vmrt_job_blamed(e, p);

		if ((p == (int)part || (blur && are_alike(p, part))) &&
			(thread == VMRT_NONE ? 0 : g->threads[thread].tid) == tid)
			return true;
	}
	/* by record clocks, whether a thread had overrun by then may differ: its part counts in the
	 * one that is compared with it, where another thread may have more */
	for (size_t i = 0; g->record_ns && i < e->n_blamed; i++)
		if (are_alike(e->blamed[i].part, part) &&
			g->threads[e->blamed[i].thread].tid == tid)
			return true;
	return false;
}

/* The cause of the miss, and the thread that is blamed for each part. A lead of at most twice @blur
 * proves nothing. */
static void check_cause(struct got *g, const struct vmrt_job *e, const struct sim_job *t,
	const char *name, int64_t blur)
{
	static const enum vmrt_blame parts[] = {VMRT_BLAME_INTERFERENCE, VMRT_BLAME_GUEST_OVERRUN,
		VMRT_BLAME_SERVER, VMRT_BLAME_HOST_THREAD};

	int64_t lead;
	int cause = true_cause(&t->job, &lead);

	if (e->outcome == VMRT_OUTCOME_MISSED && e->cause != cause &&
		!(blur && are_alike(e->cause, cause)) && (!blur || lead > 2 * blur))
		sim_wrong(g, "%s: cause %s, true %s", name,
			e->cause < 0 ? "none" : vmrt_blame_name(e->cause), vmrt_blame_name(cause));
	/* the simulator does not know who is to blame if the job queued behind another one, or if
	 * its thread was found to have waited for something else */
	if (t->job.arrival_ns < t->armed_ns || sim_waits(g, e->task) || g->renames || g->respawns ||
		t->job.blame_ns[VMRT_BLAME_STEAL] || t->job.blame_ns[VMRT_BLAME_THROTTLING])
		return;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		bool host = parts[i] == VMRT_BLAME_SERVER || parts[i] == VMRT_BLAME_HOST_THREAD;
		uint32_t thread = vmrt_job_blamed(e, parts[i]);
		int32_t tid = thread == VMRT_NONE ? 0 : g->threads[thread].tid;

		if (!is_blamed(g, e, parts[i], t->who_tid[parts[i]], blur > 0) &&
			t->who_lead[parts[i]] > 2 * blur &&
			!has_new_thread(g, host ? 0 : sim_machine_of(g, e->task), t->job.arrival_ns,
				t->closed_ns))
			sim_wrong(g, "%s: %s by thread %d, true %d", name,
				vmrt_blame_name(parts[i]), tid, t->who_tid[parts[i]]);
	}
}

/* How many changes does a record show? A switch is one. If a late thread goes on with its next job,
 * there are two: the end of the job and the wake-up for the next one. */
static int changes_at(const struct vmrt_event *ev)
{
	if (ev->type == VMRT_EV_TIMER_START && ev->timer.expires <= ev->ts)
		return 2;
	return ev->type == VMRT_EV_SWITCH;
}

/*
 * How much of the time between the two may be reported wrongly: each CPU's clock has an error of
 * its own, which moves each change that the host or machine @m records.
 */
static int64_t blur_between(const struct got *g, uint32_t m, int64_t from, int64_t to)
{
	int64_t least = 0, most = 0, changes = 1;

	for (size_t i = 0; i < g->r->n_events; i++) {
		const struct sim_event *e = &g->r->events[i];
		int64_t off = e->host_ns - e->true_ns;

		if ((e->machine && e->machine != m) || e->true_ns < from - g->record_ns ||
			e->true_ns > to + g->record_ns)
			continue;
		least = off < least ? off : least;
		most = off > most ? off : most;
		changes += changes_at(&e->ev);
	}
	return changes * (most - least);
}

/* Record clocks may show a change too early or too late, and two changes in the wrong order. */
static bool check_parts_by_clocks(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	int64_t unknown = e->blame_ns[VMRT_BLAME_UNKNOWN];
	/* unknown time may belong to any part, if it is not more than the error of the clocks, or
	 * lies before the release of a job that nothing announced */
	int64_t blur = t->loose_ns + (unknown <= g->record_ns || g->behind_gap ? unknown : 0) +
		       blur_between(g, sim_machine_of(g, e->task), t->job.arrival_ns, t->closed_ns);

	/* the arrival, which has been compared, may be off as well */
	if (e->arrival_ns != VMRT_UNKNOWN)
		blur += llabs(e->arrival_ns - t->job.arrival_ns);
	for (size_t i = 0; i < N_ALIKE; i++) {
		int64_t is = 0, should = 0;

		for (int p = 0; p < VMRT_BLAMES; p++)
			if (alike[i] >> p & 1) {
				is += e->blame_ns[p];
				should += t->job.blame_ns[p];
			}
		if (sim_near(is, should, blur))
			continue;
		sim_wrong(g, "%s: by its clocks, to %.3f us, its time went elsewhere", name,
			(double)blur / 1000);
		show_parts(g, e, &t->job);
		return false;
	}
	if (!sim_near(e->exec_ns, t->job.exec_ns, blur))
		sim_wrong(g, "%s: exec %" PRId64 ", true %" PRId64 " to %" PRId64, name, e->exec_ns,
			t->job.exec_ns, blur);
	return true;
}

/* The excess of each part over the model in the job's busy period, whether it excuses the miss, and
 * the cause. */
static void check_excess(struct got *g, const struct vmrt_job *e, const struct sim_job *t,
	const char *name, int64_t tolerance)
{
	uint32_t m = sim_machine_of(g, e->task);
	int64_t since = t->busy_ns < t->job.arrival_ns ? t->busy_ns : t->job.arrival_ns;

	/* if other tasks have no period, the arrivals of their jobs are unknown */
	for (uint32_t i = 0; i < g->r->exp.n_tasks; i++)
		if (sim_undeclared(g, i) && sim_machine_of(g, i) == m)
			return;
	/* overruns before the task began are unknown */
	if (t->fresh || sim_undeclared(g, e->task) || is_ambiguous(g, m, since, t->closed_ns))
		return;
	/* steal of one CPU may be found only after the end of a job on another */
	if (g->steal && g->r->c.features >> SIM_SMP_GUEST & 1)
		return;
	/* a sleep after which no job seemed to be pending may have ended the busy period; the
	 * excess is then less than the true one */
	bool less = has_slept_within(g, m, since, t->closed_ns) ||
		    has_vague_arrival(g, m, since, t->closed_ns);

	/* steal before any record bears the name of the task's thread is not booked for it */
	less |= g->steal && since < sim_named(g, e->task, t->born_ns);

	/* a microsecond can decide whether a busy period ended between two jobs */
	if (g->record_ns) {
		if (!tolerance && !e->excused && !t->job.excused)
			check_cause(
				g, e, t, name, blur_between(g, m, t->job.arrival_ns, t->closed_ns));
		return;
	}
	for (int p = 0; p < VMRT_BLAMES; p++)
		if ((!less || e->excess_ns[p] > t->job.excess_ns[p] + tolerance) &&
			!sim_near(e->excess_ns[p], t->job.excess_ns[p], tolerance))
			sim_wrong(g, "%s: excess %s %" PRId64 ", true %" PRId64, name,
				vmrt_blame_name(p), e->excess_ns[p], t->job.excess_ns[p]);
	if (tolerance || less)
		return;
	if (e->excused != t->job.excused)
		sim_wrong(g, "%s: excused %d, true %d", name, e->excused, t->job.excused);
	check_cause(g, e, t, name, 0);
}

/* How exact the parts of one job must be. */
struct exactness {
	int64_t tolerance;
	bool partly_unknown; /* part of the time may be reported as unknown */
	bool ambiguous;	     /* other jobs of its machine are, see is_ambiguous() */
	bool in_hole;	     /* events of the host or of its machine are lost in it */
};

/*
 * Did it or another job of its machine begin in doubt while it was pending? In which of its jobs
 * that thread ran is not known then, nor whether those who waited for it waited for an overrun.
 */
static bool in_doubt(const struct got *g, const struct sim_job *t)
{
	uint32_t m = sim_machine_of(g, t->job.task);

	for (size_t i = 0; i < g->r->truth.n_jobs; i++) {
		const struct sim_job *o = &g->r->truth.jobs[i];

		if (o->begins_in_doubt && sim_machine_of(g, o->job.task) == m &&
			o->job.arrival_ns < t->closed_ns && o->closed_ns > t->job.arrival_ns)
			return true;
	}
	return false;
}

static struct exactness exactness_of(
	const struct got *g, const struct vmrt_job *e, const struct sim_job *t)
{
	uint32_t m = sim_machine_of(g, e->task);
	int64_t from = t->job.arrival_ns, to = t->closed_ns;
	struct exactness x = {.tolerance = t->loose_ns,
		.ambiguous = is_ambiguous(g, m, from, to),
		.in_hole = sim_in_hole(g, 0, from, to) || sim_in_hole(g, m, from, to)};

	/* clocks drift by up to 50 ppm of the time in question */
	if (g->blurred_clock)
		x.tolerance += 3 * US + t->job.response_ns / 10000;
	if (e->unsure_ns != VMRT_UNKNOWN && in_doubt(g, t))
		x.tolerance += e->unsure_ns;
	/* what a CPU did before its first record is unknown, and so is a thread before its name was
	 * recorded */
	x.partly_unknown = g->late || from < g->r->truth.known_ns || t->fresh || t->first ||
			   sim_undeclared(g, e->task);
	/* the arrival of such a job is known only when the job is released */
	x.partly_unknown |=
		g->r->how[e->task] == VMRT_RELEASE_RESCH && e->blame_ns[VMRT_BLAME_UNKNOWN];
	return x;
}

/* No part is negative, and the parts sum up to the response time. */
static void check_sum(struct got *g, const struct vmrt_job *e, const char *name)
{
	int64_t sum = 0;

	for (int p = 0; p < VMRT_BLAMES; p++) {
		sum += e->blame_ns[p];
		if (e->blame_ns[p] < 0 && p != VMRT_BLAME_CLOCK)
			sim_wrong(g, "%s: part %s is negative: %" PRId64, name, vmrt_blame_name(p),
				e->blame_ns[p]);
	}
	if (sum != e->response_ns)
		sim_wrong(g, "%s: the parts sum to %" PRId64 ", the response is %" PRId64, name,
			sum, e->response_ns);
}

/* Was time stolen of which another CPU showed only after the end of the job? */
static bool has_late_steal(const struct got *g, const struct sim_job *t)
{
	for (size_t i = 0; i < g->r->truth.n_steals; i++)
		if (g->r->truth.steals[i].from_ns < t->closed_ns &&
			g->r->truth.steals[i].to_ns >= t->closed_ns)
			return true;
	return false;
}

/* Where switches are missing, the execution time must be right within the uncertainty that the job
 * states. */
static void check_unsure_exec(struct got *g, const struct vmrt_job *e, const struct sim_job *t,
	const char *name, const struct exactness *x)
{
	bool stated = e->unsure_ns != VMRT_UNKNOWN;
	bool right = stated && sim_near(e->exec_ns, t->job.exec_ns, e->unsure_ns + x->tolerance);

	if (x->partly_unknown || e->exec_ns == VMRT_UNKNOWN)
		return;
	if (g->broken && stated && !right)
		sim_wrong(g, "%s: exec %" PRId64 " unsure by %" PRId64 ", true %" PRId64, name,
			e->exec_ns, e->unsure_ns, t->job.exec_ns);
	if (g->knows_ahead && sim_machine_of(g, e->task) && !right &&
		sim_in_hole(g, 0, t->job.arrival_ns, t->closed_ns))
		sim_wrong(g,
			"%s: in a loss of the host exec %" PRId64 " unsure by %" PRId64
			", true %" PRId64,
			name, e->exec_ns, e->unsure_ns, t->job.exec_ns);
}

/* Is part @p right, or may the recording show it as another one? */
static bool is_part_right(const struct got *g, const struct vmrt_job *e, const struct sim_job *t,
	const struct exactness *x, enum vmrt_blame p)
{
	int64_t is = e->blame_ns[p], should = t->job.blame_ns[p];

	/* how long a job has run that began before the recording is unknown */
	if ((x->partly_unknown || x->ambiguous) &&
		(p == VMRT_BLAME_INTERFERENCE || p == VMRT_BLAME_GUEST_OVERRUN) &&
		at_most_together(e, &t->job, VMRT_BLAME_INTERFERENCE, VMRT_BLAME_GUEST_OVERRUN,
			x->tolerance))
		return true;
	/* the priority of a thread that has run since before the recording is unknown */
	if (x->partly_unknown && t->job.arrival_ns < priorities_known(g) &&
		(p == VMRT_BLAME_HOST_THREAD || p == VMRT_BLAME_THROTTLING) &&
		at_most_together(
			e, &t->job, VMRT_BLAME_HOST_THREAD, VMRT_BLAME_THROTTLING, x->tolerance))
		return true;
	/* The thread was on its way out of sched_yield() when its reservation was replenished.
	 * Interrupts make this way longer, and no record shows whether it ends in a switch. */
	if (g->r->how[e->task] == VMRT_RELEASE_DEADLINE &&
		(p == VMRT_BLAME_RELEASE || p == VMRT_BLAME_INTERFERENCE) &&
		sim_near(is, should, YIELD_NS))
		return true;
	if (x->partly_unknown && (p == VMRT_BLAME_UNKNOWN || is <= should + x->tolerance))
		return true;
	return sim_near(is, should, x->tolerance);
}

void sim_check_parts(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	struct exactness x = exactness_of(g, e, t);

	check_sum(g, e, name);
	if (has_late_steal(g, t))
		return;
	check_unsure_exec(g, e, t, name, &x);
	if (g->record_ns && !x.partly_unknown && !x.ambiguous && !g->steal && !x.in_hole &&
		e->exec_ns != VMRT_UNKNOWN && check_parts_by_clocks(g, e, t, name))
		check_excess(g, e, t, name, x.tolerance);
	if (g->r->truth.clock_error_ns || g->record_ns || g->broken || g->clipped || x.in_hole ||
		(g->lossy && g->r->truth.n_holes))
		return;
	for (int p = 0; p < VMRT_BLAMES; p++)
		if (!is_part_right(g, e, t, &x, p)) {
			sim_wrong(g, "%s: where its time went differs", name);
			show_parts(g, e, &t->job);
			return;
		}
	if (x.partly_unknown)
		return;
	if (!sim_near(e->exec_ns, t->job.exec_ns, x.tolerance))
		sim_wrong(
			g, "%s: exec %" PRId64 ", true %" PRId64, name, e->exec_ns, t->job.exec_ns);
	check_excess(g, e, t, name, x.tolerance);
}
