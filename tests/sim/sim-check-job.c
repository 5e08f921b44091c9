/* SPDX-License-Identifier: MIT */
/* One job of the engine against the true one: its times and its outcome. */
#include "sim-check.h"

#include <inttypes.h>
#include <string.h>

#define CONTRADICTS_NS (100 * US)  /* documented: times so far apart are unknown */
#define JUDGED_CLOCK_NS (100 * MS) /* documented: by worse clocks no job is judged */
#define SILENT_NS (100 * MS) /* documented: a guest that is silent for longer may have ended */
#define AT_ONCE_NS                                                                                 \
	(100 * US)	  /* documented: who reads its timer so soon may have been woken by it */
#define SOON_NS (60 * US) /* a wake-up follows its timer so soon */
#define UNBROKEN_JOBS 24  /* documented: see is_taken_for_ended() */

/* Two records of one job, and how exactly they must agree. */
struct comparison {
	struct got *g;
	const struct vmrt_job *e; /* the engine's */
	const struct sim_job *t;  /* the true one */
	const char *name;
	int64_t tolerance;
	enum vmrt_outcome outcome; /* the true one, as far as a declared deadline tells */
	bool hole;		   /* events are lost between its arming and its proof */
	bool guess;		   /* its release and start may be inferred from other records */
};

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

/*
 * The task came back to its grid by chance, as a task does that sleeps for the rest of a period.
 * The task is marked for that, or for the distance of its arrivals.
 */
static bool is_marked_and_unknown(const struct comparison *c)
{
	const struct vmrt_task_contradiction *unsure = &c->g->unsure[c->e->task];

	return c->g->r->how[c->e->task] == VMRT_RELEASE_RELATIVE &&
	       (unsure->missing > 0 || strstr(unsure->text, "arrivals are")) &&
	       c->e->end_ns == VMRT_UNKNOWN &&
	       (c->e->outcome == VMRT_OUTCOME_UNKNOWN || c->e->outcome == c->t->job.outcome);
}

/* Is an expiry behind the arrival of @t the last record of its CPU? It may be that of the task's
 * timer. */
static bool ends_with_expiry(const struct got *g, const struct sim_job *t)
{
	uint32_t m = sim_machine_of(g, t->job.task);
	const struct vmrt_event *last[SIM_CPUS] = {NULL};

	for (size_t i = 0; i < g->r->n_events; i++)
		if (g->r->events[i].machine == m && g->r->events[i].true_ns > t->job.arrival_ns)
			last[g->r->events[i].ev.cpu] = &g->r->events[i].ev;
	for (unsigned cpu = 0; cpu < SIM_CPUS; cpu++)
		if (last[cpu] && last[cpu]->type == VMRT_EV_TIMER_EXPIRE)
			return true;
	return false;
}

/* Was the timer of the next job the last thing that its CPU recorded? Then the thread may have
 * slept for something else, within this job. */
static bool is_next_cut_off(const struct comparison *c)
{
	const struct sim_truth *truth = &c->g->r->truth;

	if (!c->t->ended && sim_waits(c->g, c->e->task) && ends_with_expiry(c->g, c->t))
		return true;
	for (size_t i = 0; i < truth->n_jobs; i++)
		if (truth->jobs[i].job.task == c->t->job.task &&
			truth->jobs[i].job.arrival_ns > c->t->job.arrival_ns &&
			is_cut_off(c->g, &truth->jobs[i]))
			return true;
	return false;
}

/* Record clocks of such an error hide in which order the events were, or what ended the job. */
static bool is_unknown_by_clocks(const struct comparison *c)
{
	const struct vmrt_job *e = c->e;

	if (c->g->record_ns <= CONTRADICTS_NS)
		return false;
	if (c->g->record_ns > JUDGED_CLOCK_NS && e->outcome == VMRT_OUTCOME_UNKNOWN)
		return true;
	/* if the timer of another task expired long before it was due, the engine does not know
	 * what ran meanwhile */
	if (e->outcome == VMRT_OUTCOME_UNKNOWN &&
		(e->end_ns == VMRT_UNKNOWN || e->exec_ns == VMRT_UNKNOWN ||
			sim_waits(c->g, e->task)))
		return true;
	/* the deadline may not have passed when the recording ends by such a clock */
	return e->outcome == VMRT_OUTCOME_TRUNCATED && e->end_ns == VMRT_UNKNOWN &&
	       c->t->job.deadline_ns + c->g->record_ns >= c->g->r->truth.end_ns;
}

/* A guest that writes nothing for so long may have ended, or, where host CPUs are not recorded,
 * have gone on: then it is not known of its open jobs whether they missed their deadlines. */
static bool may_have_ended(const struct comparison *c)
{
	const struct got *g = c->g;
	uint32_t m = sim_machine_of(g, c->e->task);

	return m && g->clipped && !c->t->ended && c->e->outcome == VMRT_OUTCOME_UNKNOWN &&
	       g->r->truth.end_ns - g->stats[m].last_ns > SILENT_NS;
}

/* Does the recording lack what the engine would need to say anything about this job? */
static bool may_be_unknown(const struct comparison *c)
{
	const struct got *g = c->g;

	if (sim_behind_unreported(g, c->t->proof_ns + SOON_NS))
		return true;
	if (c->e->outcome == VMRT_OUTCOME_UNKNOWN &&
		(c->t->optional || c->t->doubtful ||
			sim_doubted(g, c->t->job.arrival_ns, c->t->proof_ns) || is_next_cut_off(c)))
		return true;
	if (is_marked_and_unknown(c) || is_unknown_by_clocks(c) || may_have_ended(c))
		return true;
	/* the job may have run on a CPU of which nothing is recorded */
	if ((c->e->outcome == VMRT_OUTCOME_UNKNOWN ||
		    (c->e->outcome == VMRT_OUTCOME_TRUNCATED && c->e->end_ns == VMRT_UNKNOWN &&
			    (c->t->job.deadline_ns >= g->r->truth.end_ns ||
				    sim_undeclared(g, c->e->task)))) &&
		sim_has_silent_cpu(g, sim_machine_of(g, c->e->task)))
		return true;
	/* the switch that shows the end of the job may be missing */
	return g->broken && g->r->how[c->e->task] != VMRT_RELEASE_NANOSLEEP &&
	       (c->t->unproven || c->e->end_ns == VMRT_UNKNOWN);
}

/* Documented: a job that is asleep when the recording ends has ended if so many jobs of its thread
 * never slept before their end. */
static bool is_taken_for_ended(const struct comparison *c)
{
	int before = 0;

	for (size_t i = 0; i < c->g->n_jobs; i++)
		before += c->g->jobs[i].task == c->e->task && c->g->jobs[i].k < c->e->k;
	return !c->t->ended && c->e->end_ns != VMRT_UNKNOWN && sim_waits(c->g, c->e->task) &&
	       before >= UNBROKEN_JOBS;
}

/*
 * Does the end of the job, or the record that would prove the end, lie beyond the recording or the
 * life of the job's thread? Then the job must say so, and nothing else is compared.
 */
static bool is_unproven(const struct comparison *c)
{
	const struct got *g = c->g;
	const struct sim_job *t = c->t;
	bool waits = sim_waits(g, c->e->task);

	if (!t->unproven &&
		!((t->slept || c->hole || t->proof_ns + SOON_NS >= g->r->truth.end_ns) && waits))
		return false;
	if (c->e->end_ns == VMRT_UNKNOWN &&
		(c->e->outcome == VMRT_OUTCOME_TRUNCATED || c->hole || !waits))
		return true;
	/* a job whose thread has never slept within a job is taken to have ended at a sleep */
	if (t->unproven && !c->hole && !(waits && t->ended && !t->slept))
		sim_wrong(c->g, "%s: no record of its end, but it is %s", c->name,
			vmrt_outcome_name(c->e->outcome));
	return false;
}

/* A job that ended, and in which events of its machine are lost: the outcome must be unknown. */
static void check_lost(const struct comparison *c)
{
	const struct got *g = c->g;
	int64_t latest = c->t->job.arrival_ns + c->t->loose_ns;
	/* an end before the hole is reported before the hole is known, unless the engine knows of
	 * losses ahead */
	bool reported = c->e->end_ns == VMRT_UNKNOWN || g->clipped || g->knows_ahead ||
			g->r->truth.holes[0].to_ns <= c->e->end_ns;

	/* by what is recorded, the job may have arrived later, behind the hole */
	if (latest > c->t->closed_ns)
		latest = c->t->closed_ns;
	if (c->e->outcome != VMRT_OUTCOME_UNKNOWN && c->e->outcome != VMRT_OUTCOME_TRUNCATED &&
		reported &&
		sim_in_hole(g, sim_machine_of(g, c->e->task), latest, c->t->closed_ns - 1))
		sim_wrong(c->g, "%s: events are lost in it, but it is %s", c->name,
			vmrt_outcome_name(c->e->outcome));
}

static void check_arrival(const struct comparison *c)
{
	struct got *g = c->g;
	const struct vmrt_job *e = c->e, *t = &c->t->job;

	if (!sim_near(e->arrival_ns, t->arrival_ns, c->tolerance) ||
		(!sim_undeclared(g, e->task) &&
			!sim_near(e->deadline_ns, t->deadline_ns, c->tolerance)))
		sim_wrong(g, "%s: arrival and deadline %s %s, true %s %s", c->name,
			sim_at(g, e->arrival_ns), sim_at(g, e->deadline_ns),
			sim_at(g, t->arrival_ns), sim_at(g, t->deadline_ns));
}

/* Was the job released so late that the recording may end before its records? */
static bool is_released_at_the_end(const struct comparison *c)
{
	const struct sim_job *t = c->t;

	return !t->ended && (c->hole || is_cut_off(c->g, t) ||
				    (t->job.release_ns != VMRT_UNKNOWN &&
					    t->job.release_ns + SOON_NS >= c->g->r->truth.end_ns));
}

static void check_release(const struct comparison *c)
{
	struct got *g = c->g;
	const struct vmrt_job *e = c->e, *t = &c->t->job;
	/* the records of the release may come behind that of the first switch */
	bool unseen = e->release_ns == VMRT_UNKNOWN && g->record_ns &&
		      t->start_ns != VMRT_UNKNOWN &&
		      t->start_ns - t->release_ns <= 2 * g->record_ns;
	/* what woke a thread that was asleep where the recording begins is not certain: the run
	 * until it reads its timer, at once, may belong to the job before; it counts in unsure_ns,
	 * unless that is not known */
	int64_t unsure = !g->clipped || !e->unsure_ns ? 0
			 : e->unsure_ns > 0	      ? e->unsure_ns
						      : AT_ONCE_NS;

	if (c->guess)
		return;
	if ((!unseen && !sim_near(e->release_ns, t->release_ns, c->tolerance)) ||
		!sim_near(e->start_ns, t->start_ns, c->tolerance + unsure))
		sim_wrong(g, "%s: release %s start %s, true %s %s", c->name,
			sim_at(g, e->release_ns), sim_at(g, e->start_ns), sim_at(g, t->release_ns),
			sim_at(g, t->start_ns));
}

/* @near_deadline: does it depend on the error of the clocks whether the deadline was met? */
static void check_outcome(const struct comparison *c, bool near_deadline)
{
	if (c->e->outcome != c->outcome && !near_deadline)
		sim_wrong(c->g, "%s: outcome %s, true %s", c->name,
			vmrt_outcome_name(c->e->outcome), vmrt_outcome_name(c->outcome));
}

/* Was the end of the job inferred from other records, because its own are missing? */
static bool is_end_inferred(const struct comparison *c)
{
	const struct got *g = c->g;
	const struct vmrt_job *e = c->e;

	if (c->hole && (sim_waits(g, e->task) || is_confirmed(g, e->task)) &&
		(e->outcome == VMRT_OUTCOME_UNKNOWN ||
			(g->r->truth.n_holes && g->r->truth.holes[0].to_ns > e->end_ns)))
		return true;
	return g->broken && e->inferred && g->r->how[e->task] != VMRT_RELEASE_NANOSLEEP;
}

static void check_end(const struct comparison *c)
{
	struct got *g = c->g;
	const struct vmrt_job *e = c->e, *t = &c->t->job;

	check_outcome(c, (c->t->loose_ns || g->record_ns) &&
				 sim_near(e->end_ns, e->deadline_ns, c->tolerance));
	/* an arrival that is seen late makes the response short */
	if (e->response_ns > t->response_ns + g->record_ns ||
		e->response_ns < t->response_ns - c->t->loose_ns - g->record_ns)
		sim_wrong(g, "%s: response %" PRId64 ", true %" PRId64, c->name, e->response_ns,
			t->response_ns);
	if (!sim_near(e->end_ns, t->end_ns, c->tolerance))
		sim_wrong(g, "%s: end %s, true %s", c->name, sim_at(g, e->end_ns),
			sim_at(g, t->end_ns));
	if (!c->guess && !g->lossy &&
		(e->preemptions != t->preemptions || e->migrations != t->migrations))
		sim_wrong(g, "%s: %d preemptions, %d migrations; true %d, %d", c->name,
			e->preemptions, e->migrations, t->preemptions, t->migrations);
}

static struct comparison comparison_of(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	struct comparison c = {.g = g, .e = e, .t = t, .name = name, .outcome = t->job.outcome};
	int64_t from = t->job.arrival_ns < t->armed_ns ? t->job.arrival_ns : t->armed_ns;

	c.tolerance = g->r->truth.clock_error_ns + g->record_ns +
		      (g->blurred_clock ? 2 + t->loose_ns / 10000 : 0) + t->loose_ns;
	if (sim_undeclared(g, e->task))
		c.outcome = t->ended ? VMRT_OUTCOME_UNKNOWN : VMRT_OUTCOME_TRUNCATED;
	c.hole = sim_in_hole(g, sim_machine_of(g, e->task), from, t->proof_ns + SOON_NS);
	c.guess = g->broken || (g->lossy && c.hole);
	/* a thread whose name has not been recorded yet may have been released already */
	c.guess |= (g->late || g->record_ns > CONTRADICTS_NS) && e->release_ns == VMRT_UNKNOWN;
	return c;
}

void sim_check_job(
	struct got *g, const struct vmrt_job *e, const struct sim_job *t, const char *name)
{
	const struct comparison c = comparison_of(g, e, t, name);

	if (may_be_unknown(&c) || is_taken_for_ended(&c) || is_unproven(&c))
		return;
	if (t->ended &&
		sim_in_hole(g, sim_machine_of(g, e->task), t->job.arrival_ns, t->closed_ns)) {
		check_lost(&c);
		return;
	}
	check_arrival(&c);
	if (is_released_at_the_end(&c))
		return;
	check_release(&c);
	if (!t->ended) {
		/* missed or truncated can depend on a nanosecond or on the error of the clock */
		check_outcome(&c, c.tolerance || g->lossy);
	} else if (!is_end_inferred(&c)) {
		check_end(&c);
		sim_check_parts(g, e, t, name);
	}
}
