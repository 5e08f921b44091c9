/* SPDX-License-Identifier: MIT */
/*
 * What the notes of a task say at the end: that its arrivals contradict the declared period, that
 * jobs are missing, and that the task has threads or sleeps which are none of its jobs.
 */
#include "task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A period that differs from the declared one by more than this share contradicts it. */
#define DECLARED_SHARE 50
/* A thread that is woken this often has jobs. */
#define WOKEN_FOR_JOBS 8
/* This many arrivals of one thread show its period. */
#define ODD_ARRIVALS 8
/* A distance that at least one in so many arrivals has is a period that the task also has. The
 * counts of random distances are at most one in PERIOD_CANDIDATES. */
#define ALSO_SHARE 4

/* Are most jobs divided by sleeps? */
static bool is_divided(const struct task_found *found)
{
	return found->divided >= ODD_ARRIVALS && found->divided * 2 >= found->steps;
}

/* A thread of the task whose own arrivals contradict the declared period; or NULL. */
static const struct jobs *odd_thread(const struct vmrt_engine *e, uint32_t task, int64_t *mean)
{
	const struct machine *m = e->found[task].machine;
	int64_t period = e->config->experiment->tasks[task].period_ns;

	for (size_t i = 0; m && period && i < m->n_jobs; i++) {
		const struct wait_usual *u = &m->jobs[i]->rel.usual;

		if (m->jobs[i]->task != task || u->arrivals < ODD_ARRIVALS)
			continue;
		*mean = u->span_ns / (int64_t)u->arrivals;
		if (llabs(*mean - period) > period / MEAN_SHARE &&
			(*mean < period || u->early_skips * 2 >= u->arrivals))
			return m->jobs[i];
	}
	return NULL;
}

static void append(struct vmrt_task_contradiction *out, const char *text)
{
	size_t used = strlen(out->text);

	snprintf(out->text + used, sizeof(out->text) - used, "%s%s", used ? "; " : "", text);
}

/* Are arrivals @ns apart those of every second, third, ... release of @period? */
static bool is_several(int64_t ns, int64_t period)
{
	return ns > period &&
	       llabs(ns - (ns + period / 2) / period * period) <= period / DECLARED_SHARE;
}

/*
 * The arrivals are @seen apart, which contradicts @period. But a task that is late and goes on
 * without a sleep makes such distances, too, if that is a multiple and the task was at work at most
 * of the releases between: then the distance alone does not tell which of the two is wrong.
 */
static bool passed_at_work(const struct task_found *found, int64_t period, int64_t seen)
{
	return is_several(seen, period) && found->slept * 2 < found->missing + found->hidden;
}

/* Is the declared period not that of the arrivals? */
static bool contradicts(const struct task_found *found, int64_t period, int64_t *seen)
{
	const struct period_candidate *best = period_most_frequent(found);
	int64_t mean;

	*seen = best->ns;
	if (best->n < PERIOD_CERTAIN || !period)
		return false;
	if (best->n * 2 >= found->distances && llabs(best->ns - period) > period / DECLARED_SHARE) {
		/* a multiple of the period: those that were skipped because a job was late */
		bool multiple = !found->missing && is_several(best->ns, period);

		return !multiple || found->early_skips * 2 >= best->n;
	}
	if (!found->steps)
		return false;
	mean = found->span_ns / (int64_t)(found->steps + found->missing);
	*seen = mean;
	return found->steps > PERIOD_CERTAIN && llabs(mean - period) > period / MEAN_SHARE;
}

/*
 * The distance of many arrivals that the declared period does not explain, though it may explain
 * the others: the task changed its period meanwhile. 0: there is none. Arrivals of tasks that
 * sleep for a time, or that others wake, come at any distance.
 */
static int64_t other_period(const struct task_found *found, int64_t period)
{
	const struct period_candidate *other = NULL;

	if (found->mechanism == VMRT_RELEASE_WAKEUP || found->mechanism == VMRT_RELEASE_RELATIVE)
		return 0;
	for (size_t i = 0; period && i < PERIOD_CANDIDATES; i++) {
		const struct period_candidate *p = &found->periods[i];
		int64_t steps = (p->ns + period / 2) / period;

		/* multiples may be releases that were skipped because a job was late */
		if (p->n < ODD_ARRIVALS || p->n * ALSO_SHARE < found->distances ||
			(steps > 0 &&
				llabs(p->ns - steps * period) <= period / DECLARED_SHARE * steps))
			continue;
		if (!other || p->n > other->n)
			other = p;
	}
	return other ? other->ns : 0;
}

/* The task was at work, but no job of it was found. Where timers are not recorded, that is said. */
static void note_no_job(const struct task_found *found, struct vmrt_task_contradiction *out)
{
	uint64_t woken = found->wakeups + found->own_wakeups;
	char text[VMRT_TASK_CONTRADICTION_MAX];

	if (found->has_job || woken < WOKEN_FOR_JOBS || !found->machine ||
		!found->machine->starts_seen || !found->machine->expiries_seen)
		return;
	snprintf(text, sizeof(text),
		"it was woken %" PRIu64 " times, but no job was found: nothing shows what releases "
		"it; release = says what does",
		woken);
	append(out, text);
}

/* "WHAT SEEN apart, declared PERIOD": distances that the period of the task does not explain. */
static void note_distance(const struct vmrt_engine *e, uint32_t task, const char *what,
	int64_t seen, const char *effect, struct vmrt_task_contradiction *out)
{
	const char *said = e->config->tasks_are_found ? "its period was found to be" : "declared";
	char a[VMRT_UNITS_TEXT], b[VMRT_UNITS_TEXT], text[VMRT_TASK_CONTRADICTION_MAX];

	snprintf(text, sizeof(text), "%s %s apart, %s %s%s", what, vmrt_format_duration(seen, a),
		said, vmrt_format_duration(e->config->experiment->tasks[task].period_ns, b),
		effect);
	append(out, text);
}

static void note_too_close(const struct task_found *found, const struct vmrt_task_spec *spec,
	struct vmrt_task_contradiction *out)
{
	char a[VMRT_UNITS_TEXT], b[VMRT_UNITS_TEXT], text[VMRT_TASK_CONTRADICTION_MAX];

	if (!found->too_close)
		return;
	snprintf(text, sizeof(text),
		"%" PRIu64 " arrivals are closer than min_distance %s, the closest %s",
		found->too_close, vmrt_format_duration(spec->distance_ns, a),
		vmrt_format_duration(found->closest_ns, b));
	append(out, text);
}

void vmrt_engine_task_contradiction(
	const struct vmrt_engine *e, uint32_t task, struct vmrt_task_contradiction *out)
{
	const struct task_found *found = &e->found[task];
	const struct vmrt_task_spec *spec = &e->config->experiment->tasks[task];
	char a[VMRT_UNITS_TEXT], b[VMRT_UNITS_TEXT], text[VMRT_TASK_CONTRADICTION_MAX];
	const struct jobs *odd;
	int64_t seen;

	memset(out, 0, sizeof(*out));
	if (found->mechanism != VMRT_RELEASE_WAKEUP)
		out->missing = (int64_t)(found->missing - found->slept + found->hidden);
	if (!spec->distance_ns && is_divided(found)) {
		out->missing = 0;
		note_distance(e, task, "it sleeps until times", found->divided_ns,
			": what counts as one job may be several", out);
	} else if (!spec->distance_ns && contradicts(found, spec->period_ns, &seen)) {
		if (!passed_at_work(found, spec->period_ns, seen))
			out->missing = 0;
		note_distance(e, task, "arrivals are", seen, "", out);
	} else if (!spec->distance_ns && found->mechanism != VMRT_RELEASE_WAKEUP &&
		   (odd = odd_thread(e, task, &seen))) {
		snprintf(text, sizeof(text), "arrivals of thread %s/%d are", odd->thread->pub.comm,
			odd->thread->pub.tid);
		note_distance(e, task, text, seen, "", out);
	}
	if (!out->text[0] && !spec->distance_ns && (seen = other_period(found, spec->period_ns))) {
		out->missing = 0;
		note_distance(e, task, "many arrivals are", seen, "", out);
	}
	if (found->differs_ns) {
		snprintf(text, sizeof(text), "its threads have periods of their own: %s and %s",
			vmrt_format_duration(found->first_ns, a),
			vmrt_format_duration(found->differs_ns, b));
		append(out, text);
	}
	note_too_close(found, spec, out);
	if (out->missing) {
		snprintf(text, sizeof(text),
			"%" PRId64 " %s missing: when it is late the task goes on without a "
			"sleep, and nothing tells where one job ends",
			out->missing, out->missing == 1 ? "job may be" : "jobs may be");
		append(out, text);
	}
	if (found->changes)
		append(out,
			"behind one job it sleeps in another way at the distance of its "
			"period: it may have changed the way it waits, and that job is unknown");
	note_no_job(found, out);
	if (found->n_others) {
		snprintf(text, sizeof(text), "%u %s in another way and %s not counted: %s",
			found->n_others, found->n_others == 1 ? "thread waits" : "threads wait",
			found->n_others == 1 ? "is" : "are", found->others);
		append(out, text);
	}
}
