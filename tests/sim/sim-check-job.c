/* SPDX-License-Identifier: MIT */
/* One job of the engine against the true one: its times, the parts of its response, its cause. */
#include "sim-check.h"

#include <inttypes.h>
#include <string.h>

#define CONTRADICTS_NS (100 * US) /* documented: times so far apart are unknown */
#define SOON_NS (60 * US)	  /* a wake-up follows its timer so soon */

/* By record clocks, parts that only a limit or a priority distinguishes are taken together. */
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

/* When it has been seen on every CPU of the host at which priority threads run. */
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

/* On its machine a task did work between the two times of which the recording does not show whose
 * it is. */
static bool veiled(const struct got *g, uint32_t machine, int64_t from, int64_t to)
{
	const struct sim_truth *truth = &g->r->truth;

	if (g->renames)
		return true;
	/* nor whether it was one long job or several */
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
 * Between the two times a task slept within a job, and waits for its jobs by sleeping, too; or it
 * was in the first job of its thread, and only the end of the wait for that showed how it waits.
 */
static bool dozed(const struct got *g, uint32_t machine, int64_t from, int64_t to)
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
 * Has a thread of the machine its first run, under the name of who made it, behind @from? A name's
 * threads weigh together: what each of them ran before it had its own name, they all ran.
 */
static bool young(const struct got *g, uint32_t machine, int64_t from, int64_t to)
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
 * Between the two times a job may have arrived whose arrival is known only so well: perhaps none
 * was pending any more before it, and a busy period ended that in truth went on.
 */
static bool blurred(const struct got *g, uint32_t machine, int64_t from, int64_t to)
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

/* Does the switch behind the end of a job of @task show that it was its end? */
static bool is_confirmed(const struct got *g, uint32_t task)
{
	return g->r->how[task] == VMRT_RELEASE_RESCH || g->r->how[task] == VMRT_RELEASE_DEADLINE;
}

/* Did the recording end between the release of @t and the wake-up that shows it? */
static bool is_cut_off(const struct got *g, const struct sim_job *t)
{
	uint32_t m = sim_machine_of(g, t->job.task);
	int cpu = -1;

	if (t->ended || t->job.release_ns == VMRT_UNKNOWN)
		return false;
	for (size_t i = 0; i < g->r->n_events; i++) {
		const struct sim_event *e = &g->r->events[i];

		if (e->machine != m || e->true_ns < t->job.release_ns)
			continue;
		/* the CPU on which its timer expired may have stood still since */
		if (e->true_ns == t->job.release_ns)
			cpu = e->ev.cpu;
		else if (cpu < 0 || e->ev.cpu == cpu)
			return false;
	}
	return true;
}

/* The recording cannot distinguish two parts: together they are at most what they are. */
static bool at_most_together(const struct vmrt_job *e, const struct vmrt_job *t, enum vmrt_blame a,
	enum vmrt_blame b, int64_t tolerance)
{
	return e->blame_ns[a] + e->blame_ns[b] <= t->blame_ns[a] + t->blame_ns[b] + tolerance;
}

/* The part, or the excess, that docs/metrics.md makes the cause of a miss; by @lead_ns before the
 * next one. */
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

/* Are the two parts taken together where clocks are blurred? */
static bool are_alike(int a, int b)
{
	for (size_t i = 0; a >= 0 && b >= 0 && i < N_ALIKE; i++)
		if ((alike[i] >> a & 1) && (alike[i] >> b & 1))
			return true;
	return false;
}

/* Is the thread @tid to blame for @part, or, where clocks are blurred, for one that is taken
 * together with it? */
static bool is_blamed(
	const struct got *g, const struct vmrt_job *e, enum vmrt_blame part, int32_t tid, bool blur)
{
	for (int p = 0; p < VMRT_BLAMES; p++) {
		uint32_t thread = vmrt_job_blamed(e, p);

		if ((p == (int)part || (blur && are_alike(p, part))) &&
			(thread == VMRT_NONE ? 0 : g->threads[thread].tid) == tid)
			return true;
	}
	return false;
}

/* Why it missed, and who was in its way; where all the rest is right, and what is ahead is so by
 * more than @blur. */
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
	/* of those that queued, or whose waiting turned out to be something else, the simulator
	 * keeps no account */
	if (t->job.arrival_ns < t->armed_ns || sim_waits(g, e->task) || g->renames || g->respawns ||
		t->job.blame_ns[VMRT_BLAME_STEAL] || t->job.blame_ns[VMRT_BLAME_THROTTLING])
		return;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		bool host = parts[i] == VMRT_BLAME_SERVER || parts[i] == VMRT_BLAME_HOST_THREAD;
		uint32_t thread = vmrt_job_blamed(e, parts[i]);
		int32_t tid = thread == VMRT_NONE ? 0 : g->threads[thread].tid;

		if (!is_blamed(g, e, parts[i], t->who_tid[parts[i]], blur > 0) &&
			t->who_lead[parts[i]] > 2 * blur &&
			!young(g, host ? 0 : sim_machine_of(g, e->task), t->job.arrival_ns,
				t->closed_ns))
			sim_wrong(g, "%s: %s by thread %d, true %d", name,
				vmrt_blame_name(parts[i]), tid, t->who_tid[parts[i]]);
	}
}

/* At how many instants does a record say that something else happens from now on? At a switch; and
 * when a late thread goes on with its next job, at the end of the one and the wake-up for the
 * other. */
static int changes_at(const struct vmrt_event *ev)
{
	if (ev->type == VMRT_EV_TIMER_START && ev->timer.expires <= ev->ts)
		return 2;
	return ev->type == VMRT_EV_SWITCH;
}

/*
 * How much of the time between the two may be reported wrongly. Each CPU's times are off in a way
 * of its own, and so may be each change of the host or of machine @m.
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

/* By record clocks each change may be seen earlier or later, and one before the other. */
static bool check_parts_by_clocks(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	int64_t unknown = e->blame_ns[VMRT_BLAME_UNKNOWN];
	/* what is unknown may be any part, if it is no more than the clocks hide */
	int64_t blur = t->loose_ns + (unknown <= g->record_ns ? unknown : 0) +
		       blur_between(g, sim_machine_of(g, e->task), t->job.arrival_ns, t->closed_ns);

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

/* What is beyond the model in its busy period, and what follows from that. */
static void check_excess(struct got *g, const struct vmrt_job *e, const struct sim_job *t,
	const char *name, int64_t tolerance)
{
	uint32_t m = sim_machine_of(g, e->task);
	int64_t since = t->busy_ns < t->job.arrival_ns ? t->busy_ns : t->job.arrival_ns;

	/* nor when the jobs of tasks of higher priority arrive, where they have no period */
	for (uint32_t i = 0; i < g->r->exp.n_tasks; i++)
		if (sim_undeclared(g, i) && sim_machine_of(g, i) == m)
			return;
	/* what overran before a task was there is not known to it */
	if (t->fresh || sim_undeclared(g, e->task) || veiled(g, m, since, t->closed_ns))
		return;
	/* steal of one CPU may be found only after the end of a job on another */
	if (g->steal && g->r->c.features >> SIM_SMP_GUEST & 1)
		return;
	/* a sleep after which no job seemed to be pending may have ended the busy period: there is
	 * no more than that */
	bool less = dozed(g, m, since, t->closed_ns) || blurred(g, m, since, t->closed_ns);

	/* whether a busy period ended between two jobs can hang on a microsecond */
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

static void check_parts(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	uint32_t m = sim_machine_of(g, e->task);
	/* clocks drift by up to 50 ppm of the time in question */
	int64_t tolerance =
			t->loose_ns + (g->blurred_clock ? 3 * US + t->job.response_ns / 10000 : 0),
		sum = 0;

	if (e->unsure_ns != VMRT_UNKNOWN && in_doubt(g, t))
		tolerance += e->unsure_ns;
	/* what a CPU does that has not shown itself yet is not known, nor a thread that has no name
	 * yet */
	bool absorb = g->late || t->job.arrival_ns < g->r->truth.known_ns || t->fresh || t->first ||
		      sim_undeclared(g, e->task);

	/* its arrival was known only when it was released */
	absorb |= g->r->how[e->task] == VMRT_RELEASE_RESCH && e->blame_ns[VMRT_BLAME_UNKNOWN];
	bool veil = veiled(g, m, t->job.arrival_ns, t->closed_ns);

	for (int p = 0; p < VMRT_BLAMES; p++) {
		sum += e->blame_ns[p];
		if (e->blame_ns[p] < 0 && p != VMRT_BLAME_CLOCK)
			sim_wrong(g, "%s: part %s is negative: %" PRId64, name, vmrt_blame_name(p),
				e->blame_ns[p]);
	}
	if (sum != e->response_ns)
		sim_wrong(g, "%s: the parts sum to %" PRId64 ", the response is %" PRId64, name,
			sum, e->response_ns);
	/* steal that is found after the job has ended on another CPU */
	for (size_t i = 0; i < g->r->truth.n_steals; i++)
		if (g->r->truth.steals[i].from_ns < t->closed_ns &&
			g->r->truth.steals[i].to_ns >= t->closed_ns)
			return;
	/* where a switch is missing, what it ran is right but for what it shows */
	if (g->broken && !absorb && e->unsure_ns != VMRT_UNKNOWN && e->exec_ns != VMRT_UNKNOWN &&
		!sim_near(e->exec_ns, t->job.exec_ns, e->unsure_ns + tolerance))
		sim_wrong(g, "%s: exec %" PRId64 " unsure by %" PRId64 ", true %" PRId64, name,
			e->exec_ns, e->unsure_ns, t->job.exec_ns);
	if (g->knows_ahead && m && !absorb && e->exec_ns != VMRT_UNKNOWN &&
		sim_in_hole(g, 0, t->job.arrival_ns, t->closed_ns) &&
		(e->unsure_ns == VMRT_UNKNOWN ||
			!sim_near(e->exec_ns, t->job.exec_ns, e->unsure_ns + tolerance)))
		sim_wrong(g,
			"%s: in a loss of the host exec %" PRId64 " unsure by %" PRId64
			", true %" PRId64,
			name, e->exec_ns, e->unsure_ns, t->job.exec_ns);
	if (g->record_ns && !absorb && !veil && !g->steal && e->exec_ns != VMRT_UNKNOWN &&
		!sim_in_hole(g, 0, t->job.arrival_ns, t->closed_ns) &&
		!sim_in_hole(g, m, t->job.arrival_ns, t->closed_ns) &&
		check_parts_by_clocks(g, e, t, name))
		check_excess(g, e, t, name, tolerance);
	if (g->r->truth.clock_error_ns || g->record_ns || g->broken || g->clipped ||
		sim_in_hole(g, 0, t->job.arrival_ns, t->closed_ns) ||
		sim_in_hole(g, m, t->job.arrival_ns, t->closed_ns) ||
		(g->lossy && g->r->truth.n_holes))
		return;
	for (int p = 0; p < VMRT_BLAMES; p++) {
		/* nor how long a job has run that began before the recording */
		if ((absorb || veil) &&
			(p == VMRT_BLAME_INTERFERENCE || p == VMRT_BLAME_GUEST_OVERRUN) &&
			at_most_together(e, &t->job, VMRT_BLAME_INTERFERENCE,
				VMRT_BLAME_GUEST_OVERRUN, tolerance))
			continue;
		/* nor whether who has run since before the recording does so at a real-time
		 * priority */
		if (absorb && t->job.arrival_ns < priorities_known(g) &&
			(p == VMRT_BLAME_HOST_THREAD || p == VMRT_BLAME_THROTTLING) &&
			at_most_together(e, &t->job, VMRT_BLAME_HOST_THREAD, VMRT_BLAME_THROTTLING,
				tolerance))
			continue;
		/* on its way out of sched_yield() when the reservation was replenished; interrupts
		 * make that way longer, and nothing shows whether it ends in a switch */
		if (g->r->how[e->task] == VMRT_RELEASE_DEADLINE &&
			(p == VMRT_BLAME_RELEASE || p == VMRT_BLAME_INTERFERENCE) &&
			sim_near(e->blame_ns[p], t->job.blame_ns[p], 20 * US))
			continue;
		if (absorb && (p == VMRT_BLAME_UNKNOWN ||
				      e->blame_ns[p] <= t->job.blame_ns[p] + tolerance))
			continue;
		if (sim_near(e->blame_ns[p], t->job.blame_ns[p], tolerance))
			continue;
		sim_wrong(g, "%s: where its time went differs", name);
		show_parts(g, e, &t->job);
		return;
	}
	if (!absorb && !sim_near(e->exec_ns, t->job.exec_ns, tolerance))
		sim_wrong(
			g, "%s: exec %" PRId64 ", true %" PRId64, name, e->exec_ns, t->job.exec_ns);
	if (!absorb)
		check_excess(g, e, t, name, tolerance);
}

void sim_check_job(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	int64_t tolerance = g->r->truth.clock_error_ns + g->record_ns +
			    (g->blurred_clock ? 2 + t->loose_ns / 10000 : 0) + t->loose_ns;
	enum vmrt_outcome outcome = t->job.outcome;
	uint32_t m = sim_machine_of(g, e->task);
	bool hole =
		sim_in_hole(g, m, t->job.arrival_ns < t->armed_ns ? t->job.arrival_ns : t->armed_ns,
			t->proof_ns + SOON_NS);
	bool guess = g->broken || (g->lossy && hole), unseen;
	int64_t latest = t->job.arrival_ns + t->loose_ns;

	if (sim_behind_unreported(g, t->proof_ns + SOON_NS))
		return;
	if ((t->optional || t->doubtful) && e->outcome == VMRT_OUTCOME_UNKNOWN)
		return;
	/* it came back to its grid by chance, as one does that sleeps for what is left; the task is
	 * marked for that, or for the distance of its arrivals */
	if (g->r->how[e->task] == VMRT_RELEASE_RELATIVE &&
		(g->unsure[e->task].missing > 0 ||
			strstr(g->unsure[e->task].text, "arrivals are")) &&
		e->end_ns == VMRT_UNKNOWN &&
		(e->outcome == VMRT_OUTCOME_UNKNOWN || e->outcome == t->job.outcome))
		return;
	/* such times contradict each other, or the order of events does; where another task's timer
	 * expired long before it was due, it is not known what ran meanwhile */
	if (g->record_ns > CONTRADICTS_NS && e->outcome == VMRT_OUTCOME_UNKNOWN &&
		(e->end_ns == VMRT_UNKNOWN || e->exec_ns == VMRT_UNKNOWN || sim_waits(g, e->task)))
		return;
	/* by such a clock its deadline may not have passed when the recording ends, where all is
	 * taken to be that seems to lie behind that */
	if (g->record_ns > CONTRADICTS_NS && e->outcome == VMRT_OUTCOME_TRUNCATED &&
		e->end_ns == VMRT_UNKNOWN &&
		t->job.deadline_ns + g->record_ns >= g->r->truth.end_ns)
		return;
	/* it may have run there meanwhile */
	if (e->outcome == VMRT_OUTCOME_UNKNOWN && sim_has_silent_cpu(g, m))
		return;
	/* the switch that shows its end may be missing */
	if (g->broken && g->r->how[e->task] != VMRT_RELEASE_NANOSLEEP &&
		(t->unproven || e->end_ns == VMRT_UNKNOWN))
		return;
	/* its end, or what would have proven it, lies beyond the recording or its thread's life */
	if (t->unproven || ((t->slept || hole || t->proof_ns + SOON_NS >= g->r->truth.end_ns) &&
				   sim_waits(g, e->task))) {
		if (e->outcome == VMRT_OUTCOME_TRUNCATED && e->end_ns == VMRT_UNKNOWN)
			return;
		if ((hole || !sim_waits(g, e->task)) && e->end_ns == VMRT_UNKNOWN)
			return;
		if (hole && e->outcome == VMRT_OUTCOME_UNKNOWN && e->end_ns == VMRT_UNKNOWN)
			return;
		/* what has never slept within a job is taken to have ended it */
		if (t->unproven && !hole && !(sim_waits(g, e->task) && t->ended && !t->slept))
			sim_wrong(g, "%s: no record of its end, but it is %s", name,
				vmrt_outcome_name(e->outcome));
	}
	if (sim_undeclared(g, e->task))
		outcome = t->ended ? VMRT_OUTCOME_UNKNOWN : VMRT_OUTCOME_TRUNCATED;
	/* for the recording it may have arrived later, behind the hole */
	if (latest > t->closed_ns)
		latest = t->closed_ns;
	if (t->ended && sim_in_hole(g, m, t->job.arrival_ns, t->closed_ns)) {
		/* an end that seems to be before the hole is reported before the hole is known, if
		 * nobody looks ahead */
		bool reported = e->end_ns == VMRT_UNKNOWN || g->clipped || g->knows_ahead ||
				g->r->truth.holes[0].to_ns <= e->end_ns;

		if (e->outcome != VMRT_OUTCOME_UNKNOWN && e->outcome != VMRT_OUTCOME_TRUNCATED &&
			reported && sim_in_hole(g, m, latest, t->closed_ns - 1))
			sim_wrong(g, "%s: events are lost in it, but it is %s", name,
				vmrt_outcome_name(e->outcome));
		return;
	}
	if (!sim_near(e->arrival_ns, t->job.arrival_ns, tolerance) ||
		(!sim_undeclared(g, e->task) &&
			!sim_near(e->deadline_ns, t->job.deadline_ns, tolerance)))
		sim_wrong(g, "%s: arrival and deadline %s %s, true %s %s", name,
			sim_at(g, e->arrival_ns), sim_at(g, e->deadline_ns),
			sim_at(g, t->job.arrival_ns), sim_at(g, t->job.deadline_ns));
	if (!t->ended && (hole || is_cut_off(g, t) ||
				 (t->job.release_ns != VMRT_UNKNOWN &&
					 t->job.release_ns + SOON_NS >= g->r->truth.end_ns)))
		return;
	/* a thread whose name has not been seen yet may have been released already */
	guess |= (g->late || g->record_ns > CONTRADICTS_NS) && e->release_ns == VMRT_UNKNOWN;
	/* the records of its release may come behind that of its run */
	unseen = e->release_ns == VMRT_UNKNOWN && g->record_ns && t->job.start_ns != VMRT_UNKNOWN &&
		 t->job.start_ns - t->job.release_ns <= 2 * g->record_ns;
	if (!guess && ((!unseen && !sim_near(e->release_ns, t->job.release_ns, tolerance)) ||
			      !sim_near(e->start_ns, t->job.start_ns, tolerance)))
		sim_wrong(g, "%s: release %s start %s, true %s %s", name, sim_at(g, e->release_ns),
			sim_at(g, e->start_ns), sim_at(g, t->job.release_ns),
			sim_at(g, t->job.start_ns));
	if (!t->ended) {
		/* which of both it is can hang on a nanosecond or on the error of the clock */
		if (e->outcome != outcome && !tolerance && !g->lossy)
			sim_wrong(g, "%s: outcome %s, true %s", name, vmrt_outcome_name(e->outcome),
				vmrt_outcome_name(outcome));
		return;
	}
	if (hole && (sim_waits(g, e->task) || is_confirmed(g, e->task)) &&
		(e->outcome == VMRT_OUTCOME_UNKNOWN ||
			(g->r->truth.n_holes && g->r->truth.holes[0].to_ns > e->end_ns)))
		return;
	/* its end, where that is a switch, was inferred */
	if (g->broken && e->inferred && g->r->how[e->task] != VMRT_RELEASE_NANOSLEEP)
		return;
	if (e->outcome != outcome &&
		!((t->loose_ns || g->record_ns) && sim_near(e->end_ns, e->deadline_ns, tolerance)))
		sim_wrong(g, "%s: outcome %s, true %s", name, vmrt_outcome_name(e->outcome),
			vmrt_outcome_name(outcome));
	/* an arrival that is seen late makes the response short */
	if (e->response_ns > t->job.response_ns + g->record_ns ||
		e->response_ns < t->job.response_ns - t->loose_ns - g->record_ns)
		sim_wrong(g, "%s: response %" PRId64 ", true %" PRId64, name, e->response_ns,
			t->job.response_ns);
	if (!sim_near(e->end_ns, t->job.end_ns, tolerance))
		sim_wrong(g, "%s: end %s, true %s", name, sim_at(g, e->end_ns),
			sim_at(g, t->job.end_ns));
	if (!guess && !g->lossy &&
		(e->preemptions != t->job.preemptions || e->migrations != t->job.migrations))
		sim_wrong(g, "%s: %d preemptions, %d migrations; true %d, %d", name, e->preemptions,
			e->migrations, t->job.preemptions, t->job.migrations);
	check_parts(g, e, t, name);
}
