/* SPDX-License-Identifier: MIT */
/*
 * The engine against the truth. Exact where the recording is whole; where it is not, what the
 * engine says must be true within what it states, and what it cannot know it must call unknown.
 */
#include "sim.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define ENOUGH_EXPIRIES 8 /* map a record clock */
#define STEAL_COUNTS_NS (300 * US)
#define CONTRADICTS_NS (100 * US) /* documented: times so far apart are unknown */
#define OFF_GRID_NS (25 * US)	  /* releases of tasks that sleep for what is left of a period */
#define SOON_NS (60 * US)	  /* a wake-up follows its timer so soon */

struct got {
	int64_t record_ns; /* so far times may be off by the clocks that machines were recorded in
			    */
	const struct sim_result *r;
	FILE *out;
	int show, bad;
	bool lossy, broken, late, blurred_clock, steal, clipped, renames, respawns;
	enum vmrt_release found[SIM_TASKS];
	int64_t found_periods[SIM_TASKS];
	struct vmrt_task_contradiction unsure[SIM_TASKS];
	struct vmrt_job *jobs;
	struct vmrt_slice *slices;
	struct vmrt_server_period *periods;
	struct vmrt_loss *losses;
	struct vmrt_thread *threads;
	enum vmrt_phase phases[SIM_GUESTS]; /* by server */
	size_t n_jobs, n_slices, n_periods, n_losses, n_threads;
	size_t jobs_room, slices_room, periods_room, losses_room, threads_room;
	struct vmrt_machine_stats stats[1 + SIM_GUESTS];
};

#define KEEP(what, type)                                                                           \
	static void keep_##what(void *ctx, const struct type *x)                                   \
	{                                                                                          \
		struct got *g = ctx;                                                               \
                                                                                                   \
		if (g->n_##what == g->what##_room) {                                               \
			g->what##_room = g->what##_room ? g->what##_room * 2 : 64;                 \
			g->what = realloc(g->what, g->what##_room * sizeof(*g->what));             \
			if (!g->what)                                                              \
				abort();                                                           \
		}                                                                                  \
		g->what[g->n_##what++] = *x;                                                       \
	}

KEEP(jobs, vmrt_job)
KEEP(slices, vmrt_slice)
KEEP(periods, vmrt_server_period)
KEEP(losses, vmrt_loss)
KEEP(threads, vmrt_thread)

static void keep_server(void *ctx, const struct vmrt_server *server)
{
	struct got *g = ctx;

	if (server->id < SIM_GUESTS)
		g->phases[server->id] = server->phase;
}

static void wrong(struct got *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void wrong(struct got *g, const char *fmt, ...)
{
	va_list args;

	if (g->bad++ >= g->show)
		return;
	fputs("#   ", g->out);
	va_start(args, fmt);
	vfprintf(g->out, fmt, args);
	va_end(args);
	fputc('\n', g->out);
}

static bool near(int64_t a, int64_t b, int64_t tolerance)
{
	if (a == VMRT_UNKNOWN || b == VMRT_UNKNOWN)
		return a == b;
	return a - b <= tolerance && b - a <= tolerance;
}

/* Nanoseconds as microseconds since the recording began, for people. */
static const char *at(const struct got *g, int64_t ns)
{
	static char texts[8][32];
	static int next;
	char *text = texts[next++ % 8];

	if (ns == VMRT_UNKNOWN)
		return "unknown";
	snprintf(text, 32, "%.3f", (double)(ns - g->r->truth.start_ns) / 1000);
	return text;
}

static bool in_hole(const struct got *g, uint32_t machine, int64_t from, int64_t to)
{
	const struct sim_truth *t = &g->r->truth;

	for (size_t i = 0; i < t->n_holes; i++)
		if (t->holes[i].machine == machine && t->holes[i].from_ns <= to &&
			t->holes[i].to_ns >= from)
			return true;
	for (size_t i = 0; i < t->n_clips; i++)
		if (t->clips[i].machine == machine && t->clips[i].from_ns < to &&
			t->clips[i].to_ns >= from)
			return true;
	return false;
}

/* Nothing is recorded of CPU @cpu at all, and nothing shows that it might have been. */
static bool is_silent(const struct got *g, uint32_t machine, unsigned cpu)
{
	const struct sim_truth *t = &g->r->truth;

	if (!g->clipped)
		return false;
	for (size_t i = 0; i < t->n_clips; i++)
		if (t->clips[i].machine == machine && t->clips[i].cpu == cpu)
			return false;
	for (size_t i = 0; i < g->r->n_events; i++)
		if (g->r->events[i].machine == machine && g->r->events[i].ev.cpu == cpu)
			return false;
	return true;
}

static bool has_silent_cpu(const struct got *g, uint32_t machine)
{
	for (unsigned cpu = 0; cpu < g->r->machines[machine].cpus; cpu++)
		if (is_silent(g, machine, cpu))
			return true;
	return false;
}

static bool undeclared(const struct got *g, uint32_t task)
{
	return !g->r->tasks[task].deadline_ns;
}

static bool waits(const struct got *g, uint32_t task)
{
	enum vmrt_release how = g->r->how[task];

	return how == VMRT_RELEASE_TIMERFD || how == VMRT_RELEASE_ITIMER ||
	       how == VMRT_RELEASE_POSIX;
}

/* Beyond a hole that nothing shows, the engine may say anything. */
static bool behind_unreported(const struct got *g, int64_t to)
{
	const struct sim_truth *t = &g->r->truth;

	return t->n_holes && t->holes[0].unreported && t->holes[0].from_ns <= to;
}

static uint32_t machine_of(const struct got *g, uint32_t task)
{
	for (uint32_t m = 0; m < g->r->config.n_machines; m++)
		if (!strcmp(g->r->machines[m].name, g->r->tasks[task].machine))
			return m;
	return 0;
}

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
		if (g->r->late[i] && machine_of(g, i) == machine)
			return true;
	for (size_t i = 0; i < truth->n_jobs; i++)
		if (truth->jobs[i].optional && machine_of(g, truth->jobs[i].job.task) == machine &&
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
			waits(g, truth->jobs[i].job.task) &&
			machine_of(g, truth->jobs[i].job.task) == machine &&
			truth->jobs[i].job.arrival_ns < to && truth->jobs[i].closed_ns > from)
			return true;
	return false;
}

/* The recording cannot distinguish two parts: together they are at most what they are. */
static bool at_most_together(const struct vmrt_job *e, const struct vmrt_job *t, enum vmrt_blame a,
	enum vmrt_blame b, int64_t tolerance)
{
	return e->blame_ns[a] + e->blame_ns[b] <= t->blame_ns[a] + t->blame_ns[b] + tolerance;
}

/* The part, or the excess, that docs/metrics.md makes the cause of a miss. */
static int true_cause(const struct vmrt_job *t)
{
	int64_t parts[VMRT_BLAMES];
	int cause = -1;

	memcpy(parts, t->excused ? t->excess_ns : t->blame_ns, sizeof(parts));
	parts[VMRT_BLAME_EXEC] = parts[VMRT_BLAME_CLOCK] = 0;
	for (int p = 0; p < VMRT_BLAMES; p++)
		if (parts[p] > 0 && (cause < 0 || parts[p] > parts[cause]))
			cause = p;
	return cause;
}

/* Why it missed, and who was in its way; where all the rest is exact. */
static void check_cause(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	static const enum vmrt_blame parts[] = {VMRT_BLAME_INTERFERENCE, VMRT_BLAME_GUEST_OVERRUN,
		VMRT_BLAME_SERVER, VMRT_BLAME_HOST_THREAD};

	if (e->outcome == VMRT_OUTCOME_MISSED && e->cause != true_cause(&t->job))
		wrong(g, "%s: cause %s, true %s", name,
			e->cause < 0 ? "none" : vmrt_blame_name(e->cause),
			vmrt_blame_name(true_cause(&t->job)));
	/* of those that queued, or whose waiting turned out to be something else, the simulator
	 * keeps no account */
	if (t->job.arrival_ns < t->armed_ns || waits(g, e->task) || g->renames || g->respawns ||
		t->job.blame_ns[VMRT_BLAME_STEAL] || t->job.blame_ns[VMRT_BLAME_THROTTLING])
		return;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint32_t thread = vmrt_job_blamed(e, parts[i]);
		int32_t tid = thread == VMRT_NONE ? 0 : g->threads[thread].tid;

		if (tid != t->who_tid[parts[i]] && t->who_lead[parts[i]] > 0)
			wrong(g, "%s: %s by thread %d, true %d", name, vmrt_blame_name(parts[i]),
				tid, t->who_tid[parts[i]]);
	}
}

static void check_parts(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	uint32_t m = machine_of(g, e->task);
	/* clocks drift by up to 50 ppm of the time in question */
	int64_t tolerance =
			t->loose_ns + (g->blurred_clock ? 3 * US + t->job.response_ns / 10000 : 0),
		sum = 0;
	/* what a CPU does that has not shown itself yet is not known, nor a thread that has no name
	 * yet */
	bool absorb = g->late || t->job.arrival_ns < g->r->truth.known_ns || t->fresh || t->first ||
		      undeclared(g, e->task);

	/* its arrival was known only when it was released */
	absorb |= g->r->how[e->task] == VMRT_RELEASE_RESCH && e->blame_ns[VMRT_BLAME_UNKNOWN];
	bool veil = veiled(g, m, t->job.arrival_ns, t->closed_ns);

	for (int p = 0; p < VMRT_BLAMES; p++) {
		sum += e->blame_ns[p];
		if (e->blame_ns[p] < 0 && p != VMRT_BLAME_CLOCK)
			wrong(g, "%s: part %s is negative: %" PRId64, name, vmrt_blame_name(p),
				e->blame_ns[p]);
	}
	if (sum != e->response_ns)
		wrong(g, "%s: the parts sum to %" PRId64 ", the response is %" PRId64, name, sum,
			e->response_ns);
	/* steal that is found after the job has ended on another CPU */
	for (size_t i = 0; i < g->r->truth.n_steals; i++)
		if (g->r->truth.steals[i].from_ns < t->closed_ns &&
			g->r->truth.steals[i].to_ns >= t->closed_ns)
			return;
	/* where a switch is missing, what it ran is right but for what it shows */
	if (g->broken && !absorb && e->unsure_ns != VMRT_UNKNOWN && e->exec_ns != VMRT_UNKNOWN &&
		!near(e->exec_ns, t->job.exec_ns, e->unsure_ns + tolerance))
		wrong(g, "%s: exec %" PRId64 " unsure by %" PRId64 ", true %" PRId64, name,
			e->exec_ns, e->unsure_ns, t->job.exec_ns);
	if (g->r->truth.clock_error_ns || g->record_ns || g->broken || g->clipped ||
		in_hole(g, 0, t->job.arrival_ns, t->closed_ns) ||
		in_hole(g, m, t->job.arrival_ns, t->closed_ns) || (g->lossy && g->r->truth.n_holes))
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
		/* on its way out of sched_yield() when the reservation was replenished */
		if (g->r->how[e->task] == VMRT_RELEASE_DEADLINE &&
			(p == VMRT_BLAME_RELEASE || p == VMRT_BLAME_INTERFERENCE) &&
			near(e->blame_ns[p], t->job.blame_ns[p], 5 * US))
			continue;
		if (absorb && (p == VMRT_BLAME_UNKNOWN ||
				      e->blame_ns[p] <= t->job.blame_ns[p] + tolerance))
			continue;
		if (near(e->blame_ns[p], t->job.blame_ns[p], tolerance))
			continue;
		wrong(g, "%s: where its time went differs", name);
		show_parts(g, e, &t->job);
		return;
	}
	if (!absorb && !near(e->exec_ns, t->job.exec_ns, tolerance))
		wrong(g, "%s: exec %" PRId64 ", true %" PRId64, name, e->exec_ns, t->job.exec_ns);
	/* nor when the jobs of tasks of higher priority arrive, where they have no period */
	for (uint32_t i = 0; i < g->r->exp.n_tasks; i++)
		if (undeclared(g, i) && machine_of(g, i) == m)
			return;
	/* what overran before a task was there is not known to it */
	int64_t since = t->busy_ns < t->job.arrival_ns ? t->busy_ns : t->job.arrival_ns;

	if (t->fresh || undeclared(g, e->task) || veiled(g, m, since, t->closed_ns))
		return;
	/* steal of one CPU may be found only after the end of a job on another */
	if (g->steal && g->r->c.features >> SIM_SMP_GUEST & 1)
		return;
	/* a sleep after which no job seemed to be pending may have ended the busy period: there is
	 * no more than that */
	bool less = dozed(g, m, since, t->closed_ns);

	for (int p = 0; p < VMRT_BLAMES && !absorb; p++)
		if ((!less || e->excess_ns[p] > t->job.excess_ns[p] + tolerance) &&
			!near(e->excess_ns[p], t->job.excess_ns[p], tolerance))
			wrong(g, "%s: excess %s %" PRId64 ", true %" PRId64, name,
				vmrt_blame_name(p), e->excess_ns[p], t->job.excess_ns[p]);
	if (absorb || tolerance || less)
		return;
	if (e->excused != t->job.excused)
		wrong(g, "%s: excused %d, true %d", name, e->excused, t->job.excused);
	check_cause(g, e, t, name);
}

static void check_job(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	int64_t tolerance = g->r->truth.clock_error_ns + g->record_ns +
			    (g->blurred_clock ? 2 + t->loose_ns / 10000 : 0) + t->loose_ns;
	enum vmrt_outcome outcome = t->job.outcome;
	uint32_t m = machine_of(g, e->task);
	bool hole = in_hole(g, m, t->job.arrival_ns < t->armed_ns ? t->job.arrival_ns : t->armed_ns,
		t->proof_ns + SOON_NS);
	bool guess = g->broken || (g->lossy && hole);
	int64_t latest = t->job.arrival_ns + t->loose_ns;

	if (behind_unreported(g, t->proof_ns + SOON_NS))
		return;
	if (t->optional && e->outcome == VMRT_OUTCOME_UNKNOWN)
		return;
	/* it came back to its grid by chance, as one does that sleeps for what is left; the task is
	 * marked for that, or for the distance of its arrivals */
	if (g->r->how[e->task] == VMRT_RELEASE_RELATIVE &&
		(g->unsure[e->task].missing > 0 ||
			strstr(g->unsure[e->task].text, "arrivals are")) &&
		e->end_ns == VMRT_UNKNOWN &&
		(e->outcome == VMRT_OUTCOME_UNKNOWN || e->outcome == t->job.outcome))
		return;
	/* such times contradict each other, or the order of events does */
	if (g->record_ns > CONTRADICTS_NS && e->outcome == VMRT_OUTCOME_UNKNOWN &&
		(e->end_ns == VMRT_UNKNOWN || waits(g, e->task)))
		return;
	/* it may have run there meanwhile */
	if (e->outcome == VMRT_OUTCOME_UNKNOWN && has_silent_cpu(g, m))
		return;
	/* the switch that shows its end may be missing */
	if (g->broken && g->r->how[e->task] != VMRT_RELEASE_NANOSLEEP &&
		(t->unproven || e->end_ns == VMRT_UNKNOWN))
		return;
	/* its end, or what would have proven it, lies beyond the recording or its thread's life */
	if (t->unproven || ((t->slept || hole || t->proof_ns + SOON_NS >= g->r->truth.end_ns) &&
				   waits(g, e->task))) {
		if (e->outcome == VMRT_OUTCOME_TRUNCATED && e->end_ns == VMRT_UNKNOWN)
			return;
		if ((hole || !waits(g, e->task)) && e->end_ns == VMRT_UNKNOWN)
			return;
		if (hole && e->outcome == VMRT_OUTCOME_UNKNOWN && e->end_ns == VMRT_UNKNOWN)
			return;
		/* what has never slept within a job is taken to have ended it */
		if (t->unproven && !hole && !(waits(g, e->task) && t->ended && !t->slept))
			wrong(g, "%s: no record of its end, but it is %s", name,
				vmrt_outcome_name(e->outcome));
	}
	if (undeclared(g, e->task))
		outcome = t->ended ? VMRT_OUTCOME_UNKNOWN : VMRT_OUTCOME_TRUNCATED;
	/* for the recording it may have arrived later, behind the hole */
	if (latest > t->closed_ns)
		latest = t->closed_ns;
	if (t->ended && in_hole(g, m, t->job.arrival_ns, t->closed_ns)) {
		/* an end that seems to be before the hole is reported before the hole is known */
		bool reported = e->end_ns == VMRT_UNKNOWN || g->clipped ||
				g->r->truth.holes[0].to_ns <= e->end_ns;

		if (e->outcome != VMRT_OUTCOME_UNKNOWN && e->outcome != VMRT_OUTCOME_TRUNCATED &&
			reported && in_hole(g, m, latest, t->closed_ns))
			wrong(g, "%s: events are lost in it, but it is %s", name,
				vmrt_outcome_name(e->outcome));
		return;
	}
	if (!near(e->arrival_ns, t->job.arrival_ns, tolerance) ||
		(!undeclared(g, e->task) && !near(e->deadline_ns, t->job.deadline_ns, tolerance)))
		wrong(g, "%s: arrival and deadline %s %s, true %s %s", name, at(g, e->arrival_ns),
			at(g, e->deadline_ns), at(g, t->job.arrival_ns), at(g, t->job.deadline_ns));
	if (!t->ended && (hole || (t->job.release_ns != VMRT_UNKNOWN &&
					  t->job.release_ns + SOON_NS >= g->r->truth.end_ns)))
		return;
	/* a thread whose name has not been seen yet may have been released already */
	guess |= (g->late || g->record_ns > CONTRADICTS_NS) && e->release_ns == VMRT_UNKNOWN;
	if (!guess && (!near(e->release_ns, t->job.release_ns, tolerance) ||
			      !near(e->start_ns, t->job.start_ns, tolerance)))
		wrong(g, "%s: release %s start %s, true %s %s", name, at(g, e->release_ns),
			at(g, e->start_ns), at(g, t->job.release_ns), at(g, t->job.start_ns));
	if (!t->ended) {
		/* which of both it is can hang on a nanosecond or on the error of the clock */
		if (e->outcome != outcome && !tolerance && !g->lossy)
			wrong(g, "%s: outcome %s, true %s", name, vmrt_outcome_name(e->outcome),
				vmrt_outcome_name(outcome));
		return;
	}
	if (hole && waits(g, e->task) &&
		(e->outcome == VMRT_OUTCOME_UNKNOWN ||
			(g->r->truth.n_holes && g->r->truth.holes[0].to_ns > e->end_ns)))
		return;
	/* its end, where that is a switch, was inferred */
	if (g->broken && e->inferred && g->r->how[e->task] != VMRT_RELEASE_NANOSLEEP)
		return;
	if (e->outcome != outcome &&
		!((t->loose_ns || g->record_ns) && near(e->end_ns, e->deadline_ns, tolerance)))
		wrong(g, "%s: outcome %s, true %s", name, vmrt_outcome_name(e->outcome),
			vmrt_outcome_name(outcome));
	/* an arrival that is seen late makes the response short */
	if (e->response_ns > t->job.response_ns + g->record_ns ||
		e->response_ns < t->job.response_ns - t->loose_ns - g->record_ns)
		wrong(g, "%s: response %" PRId64 ", true %" PRId64, name, e->response_ns,
			t->job.response_ns);
	if (!near(e->end_ns, t->job.end_ns, tolerance))
		wrong(g, "%s: end %s, true %s", name, at(g, e->end_ns), at(g, t->job.end_ns));
	if (!guess && !g->lossy && !g->record_ns &&
		(e->preemptions != t->job.preemptions || e->migrations != t->job.migrations))
		wrong(g, "%s: %d preemptions, %d migrations; true %d, %d", name, e->preemptions,
			e->migrations, t->job.preemptions, t->job.migrations);
	check_parts(g, e, t, name);
}

/* When a thread of the task that was made at @born was seen first by its name. */
static int64_t named(const struct got *g, uint32_t task, int64_t born)
{
	for (size_t i = 0; i < g->r->n_events; i++) {
		const struct sim_event *e = &g->r->events[i];
		const char *name = g->r->tasks[task].name;

		if (e->true_ns >= born && e->machine == machine_of(g, task) &&
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
	uint32_t m = machine_of(g, t->job.task);

	if (t->optional || (!t->armed_ns && undeclared(g, t->job.task)))
		return false;
	if (!t->ended && t->job.arrival_ns + t->loose_ns >= g->r->truth.end_ns)
		return false;
	/* nor under which name it was, before it was seen */
	if (g->late && g->renames)
		return false;
	/* what it waits for is found out when that wakes it, not in what it was doing when the
	 * recording began */
	if (g->late ? waits(g, t->job.task)
		    : (g->clipped || g->lossy) && waits(g, t->job.task) &&
				!g->r->tasks[t->job.task].release)
		return false;
	if ((g->lossy || g->clipped) && waits(g, t->job.task) && !resumed(g, t))
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
	if (has_silent_cpu(g, m))
		return false;
	if ((g->lossy || g->clipped) && (!t->armed_ns || in_hole(g, m, t->armed_ns, t->proof_ns)))
		return false;
	if (g->broken || ((g->r->truth.clock_error_ns || g->record_ns) && !t->ended))
		return t->ended;
	/* which of two CPUs was first, clocks of such an error do not show */
	if (g->record_ns && (g->r->how[t->job.task] == VMRT_RELEASE_WAKEUP ||
				    (waits(g, t->job.task) && g->r->machines[m].cpus > 1) ||
				    t->proof_ns + SOON_NS + g->record_ns >= g->r->truth.end_ns))
		return false;
	/* its thread may not have been seen under the task's name */
	if (t->first && !t->ended)
		return false;
	return true;
}

static void check_jobs_of(struct got *g, uint32_t task)
{
	const struct sim_truth *truth = &g->r->truth;
	/* of these the records' own times say when they arrived */
	int64_t blur =
		g->r->how[task] == VMRT_RELEASE_WAKEUP || g->r->how[task] == VMRT_RELEASE_RESCH
			? g->record_ns
			: 0;
	bool exact = !g->late && !g->lossy && !g->broken && !truth->clock_error_ns &&
		     !g->record_ns && !g->clipped;
	bool counted = exact && !undeclared(g, task) && !g->renames &&
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
				!near(g->jobs[j].arrival_local_ns, t->job.arrival_local_ns,
					t->loose_ns + blur))
				continue;
			if (e && blur &&
				llabs(g->jobs[j].arrival_local_ns - t->job.arrival_local_ns) >
					llabs(e->arrival_local_ns - t->job.arrival_local_ns))
				continue;
			e = &g->jobs[j];
			n = blur ? 1 : n + 1;
		}
		snprintf(name, sizeof(name), "t%u, job %" PRId64 " at %s us", task, t->job.k,
			at(g, t->job.arrival_ns));
		if (n > 1)
			wrong(g, "%s: given %d times", name, n);
		gap = missing;
		missing = !n;
		left_out += !n;
		if (!n && must_be_there(g, t))
			wrong(g, "%s: is missing (armed at %s)", name, at(g, t->armed_ns));
		if (!n || (g->late && !must_be_there(g, t)))
			continue;
		/* how many were skipped behind a job without records is not known either */
		if (counted && gap && e->skipped < t->job.skipped)
			left_out += t->job.skipped - e->skipped;
		else if (counted && (e->k != t->job.k - left_out || e->skipped != t->job.skipped))
			wrong(g,
				"%s: k %" PRId64 ", %" PRId64 " skipped; true %" PRId64
				", %" PRId64,
				name, e->k, e->skipped, t->job.k, t->job.skipped);
		check_job(g, e, t, name);
	}
	for (size_t j = 0; j < g->n_jobs; j++) {
		const struct vmrt_job *e = &g->jobs[j];
		bool found = false;

		if (e->task != task)
			continue;
		if (e->k <= last_k)
			wrong(g, "t%u: k %" PRId64 " behind %" PRId64, task, e->k, last_k);
		last_k = e->k;
		/* of a job that was never released the period shows, as well as it was found out */
		int64_t found_only = undeclared(g, task) && e->release_ns == VMRT_UNKNOWN &&
						     g->r->how[task] == VMRT_RELEASE_RESCH
					     ? g->r->periods[task] / 100
					     : 0;

		for (size_t i = 0; i < truth->n_jobs && !found; i++)
			found = truth->jobs[i].job.task == task &&
				near(truth->jobs[i].job.arrival_local_ns, e->arrival_local_ns,
					truth->jobs[i].loose_ns + found_only + blur);
		/* under a name that is the task's again, in a job that began under another */
		if (g->renames &&
			(e->outcome == VMRT_OUTCOME_TRUNCATED || e->start_ns == VMRT_UNKNOWN))
			continue;
		/* when a timer that was armed before the recording was due is known only to a
		 * multiple of the period */
		if (g->late && waits(g, task) && truth->start_ns + 100 * MS > e->arrival_ns)
			continue;
		if (found || (e->outcome == VMRT_OUTCOME_UNKNOWN && !counted) ||
			(e->outcome == VMRT_OUTCOME_TRUNCATED && !exact))
			continue;
		if (e->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE && !exact)
			continue;
		wrong(g, "t%u: a job at %s us that is not there: %s", task, at(g, e->arrival_ns),
			vmrt_outcome_name(e->outcome));
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
		!near(t->job.response_ns, t->job.deadline_ns - t->job.arrival_ns, off))
		return false;
	if (e->end_ns == VMRT_UNKNOWN)
		return e->response_ns == VMRT_UNKNOWN && e->exec_ns == VMRT_UNKNOWN;
	return near(e->end_ns, t->job.end_ns, 0) && near(e->response_ns, t->job.response_ns, off) &&
	       (e->exec_ns == VMRT_UNKNOWN || near(e->exec_ns, t->job.exec_ns, 0));
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
static void check_caught_up(struct got *g, uint32_t task)
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
				near(g->jobs[j].arrival_local_ns, t->job.arrival_local_ns, off))
				e = &g->jobs[j];
		if (!e && !marked && t->ended && !t->optional && !t->first &&
			has_come_to_rest(g, t))
			wrong(g, "t%u: the job at %s us is missing, and nothing says so", task,
				at(g, t->job.arrival_ns));
		if (e && !marked && !is_right(g, e, t))
			wrong(g,
				"t%u: the job at %s us: %s, end %s, exec %" PRId64
				"; true %s, %s, %" PRId64,
				task, at(g, t->job.arrival_ns), vmrt_outcome_name(e->outcome),
				at(g, e->end_ns), e->exec_ns, vmrt_outcome_name(t->job.outcome),
				at(g, t->job.end_ns), t->job.exec_ns);
	}
	for (size_t j = 0; j < g->n_jobs; j++) {
		const struct vmrt_job *e = &g->jobs[j];
		bool found = marked || e->task != task || e->outcome == VMRT_OUTCOME_UNKNOWN ||
			     e->outcome == VMRT_OUTCOME_TRUNCATED ||
			     (e->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE && !anew);

		for (size_t i = 0; i < truth->n_jobs && !found; i++)
			found = truth->jobs[i].job.task == task &&
				near(truth->jobs[i].job.arrival_local_ns, e->arrival_local_ns, off);
		if (!found)
			wrong(g, "t%u: a job at %s us that is not there: %s", task,
				at(g, e->arrival_ns), vmrt_outcome_name(e->outcome));
	}
}

/* What the engine found out about the task: nothing wrong, and where there was enough to see, all
 * of it. */
static void check_found(struct got *g, uint32_t task)
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
			near(t->job.arrival_local_ns - before, period, t->loose_ns))
			regular++;
		else if (before != VMRT_UNKNOWN && !t->first)
			others++;
		before = t->job.arrival_local_ns;
	}
	if (g->found[task] != g->r->how[task] && g->found[task] != VMRT_RELEASE_AUTO)
		wrong(g, "t%u: taken for %s, true %s", task, vmrt_release_name(g->found[task]),
			vmrt_release_name(g->r->how[task]));
	if (g->r->how[task] == VMRT_RELEASE_RELATIVE || regular < 8 || others > regular / 2)
		return;
	if (g->found[task] == VMRT_RELEASE_AUTO)
		wrong(g, "t%u: not found out that it is %s", task,
			vmrt_release_name(g->r->how[task]));
	if (!near(g->found_periods[task], period, period / 100))
		wrong(g, "t%u: its period is said to be %" PRId64 ", true %" PRId64, task,
			g->found_periods[task], period);
}

static bool is_thread(
	const struct got *g, const struct vmrt_slice *s, uint32_t machine, int32_t tid)
{
	const struct vmrt_thread *t = &g->threads[s->thread];

	return t->machine == machine && t->tid == tid;
}

/* The slices of each thread in order; those that the recording's begin or end cut are left out. */
static void check_slices(struct got *g)
{
	const struct sim_truth *truth = &g->r->truth;
	int64_t tolerance = (g->blurred_clock ? 2 : 0) + g->record_ns;
	size_t j = 0;

	if (g->lossy || g->broken || g->clipped)
		return;
	for (size_t i = 0; i < truth->n_slices; i++) {
		const struct sim_slice *t = &truth->slices[i];
		const struct vmrt_slice *e = NULL;
		int64_t error = tolerance + (t->machine ? truth->clock_error_ns : 0);

		if (t->slice.truncated || t->slice.start_ns < truth->start_ns)
			continue;
		/* both lists are nearly in the same order: by end */
		for (j = j > 50 ? j - 50 : 0; j < g->n_slices; j++) {
			e = &g->slices[j];
			if (is_thread(g, e, t->machine, t->tid) &&
				near(e->start_ns, t->slice.start_ns, error) &&
				near(e->end_ns, t->slice.end_ns, error) &&
				(!error || (e->cpu == t->slice.cpu && e->prio == t->slice.prio &&
						   e->end_state == t->slice.end_state)))
				break;
			e = NULL;
		}
		if (!e) {
			wrong(g, "thread %d of machine %u ran from %s to %s us: no such slice",
				t->tid, t->machine, at(g, t->slice.start_ns),
				at(g, t->slice.end_ns));
			return;
		}
		if (e->cpu != t->slice.cpu || e->prio != t->slice.prio ||
			e->end_state != t->slice.end_state || e->uncertainty_ns)
			wrong(g,
				"slice of thread %d from %s us: cpu %u prio %d state %" PRId64
				", true %u %d %" PRId64,
				t->tid, at(g, t->slice.start_ns), e->cpu, e->prio, e->end_state,
				t->slice.cpu, t->slice.prio, t->slice.end_state);
	}
}

static bool blurred_by_steal(const struct got *g, const struct vmrt_server_period *p)
{
	const struct sim_truth *t = &g->r->truth;

	for (size_t i = 0; i < t->n_steals; i++)
		if (t->steals[i].to_ns >= t->end_ns ||
			(t->steals[i].from_ns < p->start_ns && t->steals[i].to_ns >= p->start_ns) ||
			(t->steals[i].from_ns < p->end_ns && t->steals[i].to_ns >= p->end_ns))
			return true;
	return false;
}

/* When all vCPU threads of a server have shown themselves. */
static int64_t members_known(const struct got *g, uint32_t server)
{
	int64_t known = g->r->truth.start_ns;

	for (size_t v = 0; v < g->r->config.n_vms; v++) {
		for (size_t i = 0; i < g->r->vms[v].n_threads; i++) {
			int32_t tid = g->r->threads[v][i].tid;
			int64_t first = g->r->truth.end_ns;

			if (strcmp(g->r->vms[v].name, g->r->servers[server].vm) != 0)
				continue;
			for (size_t n = 0; n < g->r->n_events && first == g->r->truth.end_ns; n++) {
				const struct sim_event *e = &g->r->events[n];

				if (e->machine == 0 && e->ev.type == VMRT_EV_SWITCH &&
					(e->ev.sw.prev_pid == tid || e->ev.sw.next_pid == tid))
					first = e->true_ns;
			}
			if (first > known)
				known = first;
		}
	}
	return known;
}

static void check_period(
	struct got *g, const struct vmrt_server_period *e, const struct vmrt_server_period *t)
{
	char name[64];
	int64_t tolerance = g->broken ? 50 * US : 8 * g->record_ns;

	snprintf(name, sizeof(name), "server %u, period %" PRId64 " at %s us", t->server, t->k,
		at(g, t->start_ns));
	if (behind_unreported(g, t->end_ns) || g->clipped)
		return;
	if (in_hole(g, 0, t->start_ns, t->end_ns - 1)) {
		if (e->outcome != VMRT_PERIOD_UNKNOWN && e->outcome != VMRT_PERIOD_TRUNCATED &&
			g->r->truth.holes[0].to_ns < t->end_ns)
			wrong(g, "%s: events are lost in it, but it is %s", name,
				vmrt_period_name(e->outcome));
		return;
	}
	if (g->lossy && g->r->truth.n_holes && t->end_ns > g->r->truth.holes[0].from_ns)
		return;
	/* who was on a CPU last before events of it were lost may have been there for long */
	if (g->lossy && e->outcome == VMRT_PERIOD_UNKNOWN &&
		in_hole(g, 0, t->start_ns, 2 * t->end_ns - t->start_ns))
		return;
	if (g->late && e->start_ns < members_known(g, t->server))
		return;
	/* a period may be over before another CPU shows that a switch is missing in it */
	if (g->broken && g->r->machines[0].cpus > 1)
		return;
	if (g->broken && (e->outcome == VMRT_PERIOD_UNKNOWN || e->outcome == VMRT_PERIOD_TRUNCATED))
		return;
	/* that a switch is missing shows in the next record of its CPU: of one behind the last
	 * record nothing shows */
	if (g->broken && g->stats[0].last_ns < t->end_ns)
		return;
	if (e->start_ns != t->start_ns || e->outcome != t->outcome)
		wrong(g, "%s: %s from %s, true %s", name, vmrt_period_name(e->outcome),
			at(g, e->start_ns), vmrt_period_name(t->outcome));
	if (!near(e->consumed_ns, t->consumed_ns, tolerance) ||
		!near(e->background_ns, t->background_ns, tolerance))
		wrong(g,
			"%s: consumed %" PRId64 " background %" PRId64 ", true %" PRId64
			" %" PRId64,
			name, e->consumed_ns, e->background_ns, t->consumed_ns, t->background_ns);
	if (!near(e->replenished_ns, t->replenished_ns, g->record_ns) ||
		!near(e->depleted_ns, t->depleted_ns, g->record_ns))
		wrong(g, "%s: replenished %s depleted %s, true %s %s", name,
			at(g, e->replenished_ns), at(g, e->depleted_ns), at(g, t->replenished_ns),
			at(g, t->depleted_ns));
	if (!g->broken && (!near(e->waiting_ns, t->waiting_ns, tolerance) ||
				  (!g->record_ns && e->first_ns != t->first_ns)))
		wrong(g, "%s: waiting %" PRId64 " first %s, true %" PRId64 " %s", name,
			e->waiting_ns, at(g, e->first_ns), t->waiting_ns, at(g, t->first_ns));
	/* what cuts a period short comes before steal of another CPU shows */
	if (!g->broken && t->outcome != VMRT_PERIOD_TRUNCATED && !blurred_by_steal(g, t) &&
		!near(e->steal_ns, t->steal_ns, tolerance))
		wrong(g, "%s: steal %" PRId64 ", true %" PRId64, name, e->steal_ns, t->steal_ns);
	if (e->steal_ns > e->consumed_ns + e->background_ns)
		wrong(g, "%s: more steal than it ran", name);
}

/* The grid of a server that nobody enforces may have been fitted: then what its members got in each
 * period. */
static void check_fitted(struct got *g, const struct vmrt_server_period *e)
{
	const struct vmrt_server_spec *spec = &g->r->servers[e->server];
	const struct sim_truth *truth = &g->r->truth;
	int64_t consumed = 0, background = 0;

	if (e->outcome != VMRT_PERIOD_UNENFORCED || g->broken || g->late || g->clipped ||
		truth->n_holes)
		return;
	for (size_t i = 0; i < truth->n_slices; i++) {
		const struct sim_slice *s = &truth->slices[i];
		int64_t from = s->slice.start_ns > e->start_ns ? s->slice.start_ns : e->start_ns;
		int64_t to = s->slice.end_ns < e->end_ns ? s->slice.end_ns : e->end_ns;
		bool member = false;

		for (size_t v = 0; v < g->r->config.n_vms; v++)
			for (size_t n = 0; n < g->r->vms[v].n_threads; n++)
				member |= !strcmp(g->r->vms[v].name, spec->vm) && !s->machine &&
					  g->r->threads[v][n].role == VMRT_ROLE_VCPU &&
					  g->r->threads[v][n].tid == s->tid;
		if (member && to > from)
			*(s->slice.prio == 99 - spec->priority ? &consumed : &background) +=
				to - from;
	}
	if (e->consumed_ns != consumed || e->background_ns != background)
		wrong(g,
			"server %u, fitted period %" PRId64 " at %s us: consumed %" PRId64
			" background %" PRId64 ", true %" PRId64 " %" PRId64,
			e->server, e->k, at(g, e->start_ns), e->consumed_ns, e->background_ns,
			consumed, background);
}

static void check_periods(struct got *g)
{
	const struct sim_truth *truth = &g->r->truth;
	size_t fitted = 0;

	for (size_t i = 0; i < g->n_periods; i++) {
		if (g->phases[g->periods[i].server] != VMRT_PHASE_FITTED)
			continue;
		check_fitted(g, &g->periods[i]);
		fitted++;
	}
	for (size_t i = 0; i < truth->n_periods; i++) {
		const struct vmrt_server_period *e = NULL, *t = &truth->periods[i];

		if (g->phases[t->server] == VMRT_PHASE_FITTED)
			continue;
		for (size_t j = 0; j < g->n_periods; j++)
			if (g->periods[j].server == t->server && g->periods[j].k == t->k)
				e = &g->periods[j];
		if (e)
			check_period(g, e, t);
		else if (!g->lossy && !g->clipped)
			wrong(g, "server %u, period %" PRId64 ": is missing", t->server, t->k);
	}
	if (!fitted && g->n_periods > truth->n_periods && !g->lossy && !g->clipped)
		wrong(g, "%zu server periods, true %zu", g->n_periods, truth->n_periods);
}

static void check_losses(struct got *g)
{
	const struct sim_truth *truth = &g->r->truth;
	size_t overruns = 0;

	for (size_t i = 0; i < g->n_losses; i++) {
		const struct vmrt_loss *e = &g->losses[i];
		bool found = false;

		if ((e->kind == VMRT_LOSS_OVERRUN || e->kind == VMRT_LOSS_CLIPPED) &&
			!is_silent(g, e->machine, e->cpu))
			overruns++;
		if (e->kind == VMRT_LOSS_BROKEN_CHAIN && !g->broken)
			wrong(g,
				"machine %u cpu %u: a broken chain from %s to %s us, but nothing "
				"is missing",
				e->machine, e->cpu, at(g, e->from_ns), at(g, e->to_ns));
		if (e->kind != VMRT_LOSS_STEAL)
			continue;
		for (size_t j = 0; j < truth->n_steals; j++)
			found |= truth->steals[j].cpu == e->cpu &&
				 near(truth->steals[j].from_ns, e->from_ns, g->record_ns) &&
				 near(truth->steals[j].to_ns, e->to_ns, g->record_ns);
		/* with such an error nobody can say whether it was long enough to count */
		found |=
			g->record_ns && e->to_ns - e->from_ns <= STEAL_COUNTS_NS + 2 * g->record_ns;
		if (!found && !g->lossy)
			wrong(g, "steal on cpu %u from %s to %s us that was not", e->cpu,
				at(g, e->from_ns), at(g, e->to_ns));
	}
	for (size_t j = 0; j < truth->n_steals && !g->lossy && !g->late && !g->clipped; j++) {
		const struct sim_hole *t = &truth->steals[j];
		bool found = t->to_ns >= truth->end_ns ||
			     (g->record_ns &&
				     t->to_ns - t->from_ns <= STEAL_COUNTS_NS + 2 * g->record_ns);

		for (size_t i = 0; i < g->n_losses && !found; i++)
			found = g->losses[i].kind == VMRT_LOSS_STEAL &&
				near(g->losses[i].from_ns, t->from_ns, g->record_ns);
		if (!found)
			wrong(g, "steal on cpu %u from %s to %s us is missing", t->cpu,
				at(g, t->from_ns), at(g, t->to_ns));
	}
	if (overruns !=
		truth->n_clips + truth->n_holes - (truth->n_holes && truth->holes[0].unreported))
		wrong(g, "%zu holes, true %zu and %zu", overruns, truth->n_holes, truth->n_clips);
	if (!g->lossy && !g->broken && !g->late && !g->clipped)
		for (size_t m = 1; m < g->r->config.n_machines; m++)
			if (g->stats[m].outside)
				wrong(g, "machine %zu: %" PRIu64 " events outside", m,
					g->stats[m].outside);
	if (g->broken) {
		uint64_t found = 0;

		for (size_t m = 0; m < g->r->config.n_machines; m++)
			found += g->stats[m].broken_chains;
		if (found > truth->broken + 0)
			wrong(g, "%" PRIu64 " broken chains, true %zu", found, truth->broken);
	}
}

/* Where the events of a CPU that is recorded in part begin and end. */
struct span {
	size_t first, next;
};

static struct span span_of(const struct sim_result *r, const struct sim_hole *clip)
{
	struct span span = {r->n_events, 0};

	for (size_t j = 0; j < r->n_events; j++) {
		if (r->events[j].machine != clip->machine || r->events[j].ev.cpu != clip->cpu)
			continue;
		if (span.first == r->n_events)
			span.first = j;
		span.next = j + 1;
	}
	return span;
}

/* Tells the engine, before event @i, which CPUs have no more to come; before the first, which begin
 * late. */
static void apply_clips(
	struct got *g, struct vmrt_engine *engine, const struct span *spans, size_t i)
{
	const struct sim_result *r = g->r;

	for (size_t n = 0; n < r->truth.n_clips; n++) {
		const struct sim_hole *clip = &r->truth.clips[n];

		if (clip->to_ns == r->truth.end_ns ? spans[n].next == i : false)
			vmrt_engine_clip(
				engine, clip->machine, clip->cpu, VMRT_UNKNOWN, VMRT_UNKNOWN);
		else if (clip->to_ns != r->truth.end_ns && !i)
			vmrt_engine_clip(engine, clip->machine, clip->cpu, VMRT_UNKNOWN,
				spans[n].first < r->n_events ? r->events[spans[n].first].host_ns
							     : r->truth.end_ns);
	}
}

/* Has the recording of a machine so many timers that its clock can be related to CLOCK_MONOTONIC?
 */
static bool can_be_mapped(const struct sim_result *r, uint32_t machine)
{
	int expiries = 0;

	for (size_t i = 0; i < r->n_events; i++)
		expiries += r->events[i].machine == machine &&
			    r->events[i].ev.type == VMRT_EV_TIMER_EXPIRE;
	return expiries >= ENOUGH_EXPIRIES;
}

/* Are the times that were made of record clocks right within the stated errors? False: there is
 * nothing to go on with. */
static bool check_clocks(struct got *g)
{
	const struct sim_result *r = g->r;
	int64_t worst[1 + SIM_GUESTS][SIM_CPUS] = {0}, most = 0;

	for (uint32_t m = 0; m < r->config.n_machines; m++) {
		if (!r->clocks[m].name || (r->clocks[m].mapped && !r->clocks[m].useless))
			continue;
		if (r->clocks[m].useless && !strstr(r->clocks[m].why_not, r->clocks[m].name))
			wrong(g, "machine %u: nothing says why clock %s is of no use", m,
				r->clocks[m].name);
		/* it was set back */
		if (llabs(r->clocks[m].step_ns) > CONTRADICTS_NS && r->clocks[m].back)
			return false;
		if (!r->clocks[m].useless && can_be_mapped(r, m))
			wrong(g, "machine %u: clock %s was not mapped", m, r->clocks[m].name);
		return false;
	}
	for (size_t i = 0; i < r->n_events; i++) {
		const struct sim_event *e = &r->events[i];
		int64_t off = llabs(e->ev.ts - e->local_ns);

		if (off > worst[e->machine][e->ev.cpu])
			worst[e->machine][e->ev.cpu] = off;
	}
	for (uint32_t m = 0; m < r->config.n_machines; m++) {
		int64_t largest = 0;

		for (unsigned c = 0; r->clocks[m].name && c < r->machines[m].cpus; c++) {
			int64_t error = r->clocks[m].error_ns[c];

			if (error == VMRT_UNKNOWN)
				continue;
			if (worst[m][c] > error)
				wrong(g,
					"machine %u, cpu %u: clock %s is off by %" PRId64
					", stated %" PRId64,
					m, c, r->clocks[m].name, worst[m][c], error);
			if (error > largest)
				largest = error;
		}
		most += largest;
	}
	g->record_ns = most;
	return true;
}

static void feed(struct got *g)
{
	const struct sim_result *r = g->r;
	struct vmrt_sink sink = {.ctx = g,
		.thread = keep_threads,
		.slice = keep_slices,
		.server = keep_server,
		.server_period = keep_periods,
		.job = keep_jobs,
		.loss = keep_losses};
	struct vmrt_engine *engine;
	struct vmrt_error err;
	struct span *spans;

	if (vmrt_engine_new(&r->config, &sink, &engine, &err) != VMRT_OK) {
		wrong(g, "engine: %s", err.text);
		return;
	}
	spans = calloc(r->truth.n_clips + 1, sizeof(*spans));
	if (!spans)
		abort();
	for (size_t n = 0; n < r->truth.n_clips; n++)
		spans[n] = span_of(r, &r->truth.clips[n]);
	for (size_t i = 0; i < r->n_events; i++) {
		const struct sim_event *e = &r->events[i];
		int64_t error = e->machine ? r->segments[e->machine].error_ns + g->record_ns : 0;
		int64_t host_ns = e->host_ns < r->truth.start_ns ? r->truth.start_ns : e->host_ns;

		if (host_ns > r->truth.end_ns)
			host_ns = r->truth.end_ns;

		apply_clips(g, engine, spans, i);
		if (vmrt_engine_push(engine, e->machine, &e->ev, host_ns, error) != VMRT_OK)
			wrong(g, "engine: push failed");
	}
	apply_clips(g, engine, spans, r->n_events);
	free(spans);
	vmrt_engine_finish(engine, r->truth.end_ns);
	for (uint32_t t = 0; t < r->exp.n_tasks; t++) {
		g->found[t] = vmrt_engine_task_release(engine, t, &g->found_periods[t]);
		vmrt_engine_task_contradiction(engine, t, &g->unsure[t]);
	}
	for (uint32_t m = 0; m < r->config.n_machines; m++)
		vmrt_engine_stats(engine, m, &g->stats[m]);
	vmrt_engine_free(engine);
}

static void print_job(const struct got *g, const char *who, const struct vmrt_job *j)
{
	fprintf(g->out,
		"# %s: t%u k %" PRId64 " (%" PRId64
		" skipped) arrival %s release %s start %s end %s %s, exec %" PRId64
		", excess %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
		who, j->task, j->k, j->skipped, at(g, j->arrival_ns), at(g, j->release_ns),
		at(g, j->start_ns), at(g, j->end_ns), vmrt_outcome_name(j->outcome), j->exec_ns,
		j->excess_ns[VMRT_BLAME_OVERRUN], j->excess_ns[VMRT_BLAME_GUEST_OVERRUN],
		j->excess_ns[VMRT_BLAME_STEAL], j->excess_ns[VMRT_BLAME_THROTTLING]);
}

int sim_check(const struct sim_result *r, FILE *out, int show, bool show_jobs)
{
	uint64_t f = r->c.features;
	struct got g = {.r = r,
		.out = out,
		.show = show,
		.lossy = f >> SIM_LOSS & 1,
		.broken = f >> SIM_BROKEN & 1,
		.late = f >> SIM_LATE_START & 1,
		.clipped = f >> SIM_CLIPPED & 1 || r->truth.n_clips,
		.renames = f >> SIM_RENAME & 1,
		.respawns = f >> SIM_RESPAWN & 1,
		.blurred_clock = (f >> SIM_DRIFT & 1) || (f >> SIM_CLOCK_ERROR & 1),
		.steal = f >> SIM_STEAL & 1};

	if (f >> SIM_RECORD_CLOCK & 1 && !check_clocks(&g))
		return g.bad;
	feed(&g);
	for (size_t i = 0; show_jobs && i < g.n_jobs; i++)
		print_job(&g, "engine", &g.jobs[i]);
	for (size_t i = 0; show_jobs && i < r->truth.n_jobs; i++)
		print_job(&g, "truth", &r->truth.jobs[i].job);
	for (uint32_t t = 0; t < r->exp.n_tasks; t++) {
		if (r->late[t])
			check_caught_up(&g, t);
		else
			check_jobs_of(&g, t);
		check_found(&g, t);
	}
	check_slices(&g);
	check_periods(&g);
	check_losses(&g);
	free(g.jobs);
	free(g.slices);
	free(g.periods);
	free(g.losses);
	free(g.threads);
	return g.bad;
}
