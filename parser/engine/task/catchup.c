/* SPDX-License-Identifier: MIT */
/*
 * Tasks that are late and go on with their next job without a sleep, so that several jobs look like
 * a long one.
 *
 * Two kinds show themselves when the task sleeps again. One begins its period anew when it is late
 * (rt-app's relative timer): its next release is one period behind the end of the late job, which
 * that release shows exactly. The other sleeps for what is left of its period, so that its releases
 * lie near the grid but never on it: then each grid point that it passed at work was a release.
 * Where a job ended within such a stretch is not known, only that it was late.
 */
#include "task.h"

#include <stdlib.h>
#include <string.h>

/* Releases off the grid by less than this share of the period were meant to be on it. */
#define NEAR_GRID_SHARE 100
/* A thread needs less time than this to arm its timer. */
#define ARMING_NS (100 * VMRT_NS_PER_US)
/* A sleep that ends no later than this behind its beginning is one of length zero. */
#define ZERO_SLEEP_NS (200 * VMRT_NS_PER_US)
/* Of this many sleeps, all but one have the same length as the sleep before. */
#define SAME_SLEEPS 8
/* Releases near the grid that show that a task sleeps for what is left. */
#define LOOSE_CERTAIN 3
/* And one release that is not near it, though the job before was in time, speaks against as many.
 */
#define LOOSE_PER_ASTRAY 4

/* Does the task sleep for what is left of its period? */
static bool sleeps_for_rest(const struct jobs *j)
{
	const struct wait_usual *usual = &j->rel.usual;

	return usual->loose >= LOOSE_CERTAIN && usual->loose > 2 * usual->exact &&
	       usual->off <= usual->loose && usual->astray <= usual->loose / LOOSE_PER_ASTRAY;
}

/* A job that went over into the next one: its end is not known, but it was late. */
static void emit_passed(struct jobs *j)
{
	struct vmrt_job *job = &j->job;
	bool late = j->spec->deadline_ns > 0 && j->spec->deadline_ns <= j->rel.period_ns;

	job->end_ns = job->end_local_ns = job->response_ns = job->exec_ns = VMRT_UNKNOWN;
	job->unsure_ns = VMRT_UNKNOWN;
	memset(job->blame_ns, 0, sizeof(job->blame_ns));
	job->n_blamed = 0;
	job->inferred = true;
	job->cause = late ? VMRT_BLAME_UNKNOWN : -1;
	jobs_emit_open(j, late ? VMRT_OUTCOME_MISSED : VMRT_OUTCOME_UNKNOWN);
}

/* The last of several jobs ends now. Who had which part of the execution is not known. */
static void emit_last(struct jobs *j, int64_t local_ns, int64_t host_ns)
{
	struct vmrt_job *job = &j->job;

	job->end_local_ns = local_ns;
	job->end_ns = host_ns;
	job->response_ns = local_ns - job->arrival_local_ns;
	job->blame_ns[VMRT_BLAME_UNKNOWN] = host_ns - job->arrival_ns;
	job->blame_ns[VMRT_BLAME_CLOCK] = job->response_ns - job->blame_ns[VMRT_BLAME_UNKNOWN];
	job->inferred = true;
	if (j->spec->deadline_ns <= 0) {
		jobs_emit_open(j, VMRT_OUTCOME_UNKNOWN);
	} else if (job->response_ns <= j->spec->deadline_ns) {
		jobs_emit_open(j, VMRT_OUTCOME_MET);
	} else {
		job->cause = VMRT_BLAME_UNKNOWN;
		jobs_emit_open(j, VMRT_OUTCOME_MISSED);
	}
}

/* The task has passed @n - 1 releases at work since the open job arrived. */
static void emit_all(struct jobs *j, int64_t n, int64_t local_ns, int64_t host_ns)
{
	int64_t arrival = j->job.arrival_local_ns;

	emit_passed(j);
	for (int64_t i = 1; i < n; i++) {
		jobs_clear(j);
		jobs_set_arrival(j, host_ns, arrival + i * j->rel.period_ns);
		if (i == n - 1)
			emit_last(j, local_ns, host_ns);
		else if (engine_may_add(j->machine->engine))
			emit_passed(j);
	}
}

/*
 * How many jobs more than the open one there may have been until @end_ns. Each of them was late, so
 * that it took longer than a period, and the first cannot have ended before it had begun: how soon
 * after that nobody knows, since a job may be shorter than all before. What they executed says how
 * many there were, if it is known how long a job is.
 */
static int64_t count_hidden(const struct jobs *j, int64_t end_ns, int64_t exec_ns)
{
	int64_t first_ns = j->job.arrival_local_ns + j->rel.period_ns, most, n;

	if (j->job.start_local_ns != VMRT_UNKNOWN && j->job.start_local_ns > first_ns)
		first_ns = j->job.start_local_ns;
	most = (end_ns - first_ns) / j->rel.period_ns;

	if (most <= 0 || !j->rel.usual.exec_ns)
		return most > 0 ? most : 0;
	n = (exec_ns + j->rel.usual.exec_ns / 2) / j->rel.usual.exec_ns - 1;
	/* two short ones look like a long one */
	return n < 1 ? 1 : n < most ? n : most;
}

/*
 * The open job ended at @end_ns, when the period began anew, and the next one began right then.
 * @after: where the time went since then.
 */
static void split(struct jobs *j, int64_t end_ns, const int64_t *after, int64_t now_ns)
{
	int64_t cum[VMRT_BLAMES], host_ns = to_host(j->machine, end_ns);
	int64_t exec_ns = after[VMRT_BLAME_EXEC] + after[VMRT_BLAME_OVERRUN], over = 0;
	int64_t hidden;

	memcpy(cum, j->cum, sizeof(cum));
	for (int p = 0; p < VMRT_BLAMES; p++)
		j->cum[p] -= after[p];
	j->exec_ns -= exec_ns;
	/* it may have begun anew more than once: then the last time only is known */
	hidden = count_hidden(j, end_ns, j->exec_ns);
	j->rel.usual.anew = true;
	if (hidden) {
		j->machine->engine->found[j->task].hidden += (uint64_t)hidden;
		emit_passed(j);
	} else {
		jobs_complete(j, end_ns, host_ns);
	}
	memcpy(j->opened, j->cum, sizeof(j->opened));
	memcpy(j->arrived, j->cum, sizeof(j->arrived));
	memcpy(j->cum, cum, sizeof(cum));
	/* the overrun was counted from the beginning of the first one */
	if (j->spec->wcet_ns > 0 && exec_ns > j->spec->wcet_ns)
		over = exec_ns - j->spec->wcet_ns;
	over = after[VMRT_BLAME_OVERRUN] - over;
	j->cum[VMRT_BLAME_OVERRUN] -= over;
	j->cum[VMRT_BLAME_EXEC] += over;
	if (over)
		blame_add_overrun(j->machine, j, -over);
	jobs_clear(j);
	jobs_set_arrival(j, now_ns, end_ns);
	j->job.release_local_ns = j->job.start_local_ns = end_ns;
	j->job.release_ns = j->job.start_ns = host_ns;
	change_job_state(j, now_ns, JOB_STARTED);
	j->exec_ns = exec_ns;
	j->unknown_ns = j->rel.open.idle_ns = 0;
	j->opened_ns = j->arrived_ns = host_ns;
	journal_drop(j, host_ns);
}

/* Did the period begin anew at @began_ns, and was there a job from then until @local_ns? */
static bool began_anew(struct jobs *j, int64_t began_ns, int64_t local_ns, int64_t *after)
{
	if (began_ns - j->job.arrival_local_ns <= j->rel.period_ns || began_ns >= local_ns)
		return false;
	/* a late job ends before that, so it has begun */
	if (j->job.start_local_ns == VMRT_UNKNOWN || began_ns <= j->job.start_local_ns)
		return false;
	if (!journal_since(j, to_host(j->machine, began_ns), after))
		return false;
	return after[VMRT_BLAME_EXEC] + after[VMRT_BLAME_OVERRUN] > ARMING_NS;
}

/* Does it always sleep for the same time, whatever there was of the period, and now again, for
 * @ahead? */
static bool sleeps_alike(const struct jobs *j, int64_t period, int64_t ahead)
{
	const struct wait_usual *usual = &j->rel.usual;

	return usual->alike > SAME_SLEEPS * usual->unlike && same_sleep(j, period, ahead);
}

/*
 * The task is at work past releases, until @local_ns, and the next one, @n periods behind the open
 * job's, is near its grid, but was not computed from that. Does it know of the grid nevertheless?
 */
static bool passed_releases(
	const struct jobs *j, int64_t n, int64_t off, int64_t local_ns, int64_t expires)
{
	int64_t period = j->rel.period_ns ? j->rel.period_ns : j->spec->period_ns;

	return n >= 2 && off <= period / NEAR_GRID_SHARE && expires > local_ns &&
	       /* it was ready before the last of them, and left it out */
	       local_ns > j->job.arrival_local_ns + (n - 1) * period;
}

/*
 * The open job seems to end at @local_ns, where the thread arms a sleep until *@expires. If it was
 * several jobs, they are given but for the last one, which stays open; or all of them, and the
 * return value is true. A sleep of length zero gets the release that it is for.
 */
bool catchup(struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t *expires)
{
	struct release *r = &j->rel;
	int64_t period = r->period_ns ? r->period_ns : j->spec->period_ns, after[VMRT_BLAMES];
	int64_t arrival = j->job.arrival_local_ns, ns, n, off;
	/* while it is on trial whether its sleeps are releases, they are relative ones, too */
	bool relative = r->mechanism == VMRT_RELEASE_RELATIVE || r->trial.running, passed;

	accounts_at(j->machine, host_ns);
	if (!period || *expires == VMRT_UNKNOWN || jobs_lost_events(j) || r->open.no_arrival ||
		r->sleep.pending || __builtin_sub_overflow(*expires, arrival, &ns) || ns <= 0 ||
		ns / period >= BACKLOG_MAX)
		return false;
	n = (ns + period / 2) / period;
	off = period_off_ns(j, ns, n);
	passed = passed_releases(j, n, off, local_ns, *expires) &&
		 !(relative && sleeps_alike(j, period, *expires - local_ns));
	if (sleeps_for_rest(j) && period_confirmed(j)) {
		if (llabs(*expires - local_ns) > ZERO_SLEEP_NS) {
			if (passed)
				emit_all(j, n, local_ns, host_ns);
			return passed;
		}
		if (ns > period && !passed) {
			*expires = arrival + period;
			return false;
		}
	}
	/* it may have gone over into the next job, or have left that out */
	if (passed && j->spec->period_ns &&
		(off > period_exact_ns(j) || r->usual.loose > r->usual.exact) &&
		r->usual.exact <= 2 * r->usual.loose && r->usual.off <= r->usual.loose) {
		j->machine->engine->found[j->task].hidden += (uint64_t)(n - 1);
		emit_passed(j);
		return true;
	}
	/* a period that was only found out may have changed instead of begun anew */
	if (relative || !j->spec->period_ns || off <= period_exact_ns(j) ||
		!(period_confirmed(j) || r->usual.exact) ||
		!began_anew(j, *expires - period, local_ns, after))
		return false;
	split(j, *expires - period, after, host_ns);
	return false;
}
