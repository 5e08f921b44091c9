/* SPDX-License-Identifier: MIT */
/* Finds the worst jobs of a task, and where the time of each went from its arrival to its end. */
#include "facts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEGMENTS_MAX 4096 /* segments of a job; further ones are not shown */
#define THREADS_MAX 3	  /* threads that are named for one job */
#define STEPS_MAX (2 * SEGMENTS_MAX)

enum vmrt_status facts_thread(
	struct vmrt_db *db, int64_t id, bool several, char **out, struct vmrt_error *err)
{
	struct vmrt_query q;

	*out = NULL;
	vmrt_query_begin(&q, db, err,
		several ? "SELECT comm || ' (several threads)' FROM thread WHERE id = ?1"
			: "SELECT comm || '/' || tid FROM thread WHERE id = ?1");
	vmrt_query_bind(&q, 1, id);
	if (vmrt_query_next(&q))
		*out = vmrt_query_name(&q, 0);
	return vmrt_query_end(&q);
}

/* A time at which the task's thread or its vCPU thread begins or ceases to run. */
struct step {
	int64_t at_ns;
	int task, vm; /* +1: begins, -1: ceases */
};

static int by_time(const void *a, const void *b)
{
	const struct step *x = a, *y = b;

	return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

/* Adds the slices of @thread, cut to the time from @from to @to. */
static enum vmrt_status add_steps(struct vmrt_db *db, int64_t thread, bool task, int64_t from,
	int64_t to, struct step *steps, size_t *n, struct vmrt_error *err)
{
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err,
		"SELECT max(start_ns, ?2), min(end_ns, ?3) FROM slice WHERE thread = ?1 AND "
		"start_ns < ?3"
		" AND start_ns >= coalesce((SELECT max(start_ns) FROM slice WHERE thread = ?1 AND "
		"start_ns <= ?2), ?2)"
		" AND end_ns > ?2 ORDER BY start_ns");
	vmrt_query_bind(&q, 1, thread);
	vmrt_query_bind(&q, 2, from);
	vmrt_query_bind(&q, 3, to);
	while (*n + 2 <= STEPS_MAX && vmrt_query_next(&q)) {
		steps[(*n)++] = (struct step){vmrt_query_int(&q, 0), task, !task};
		steps[(*n)++] = (struct step){vmrt_query_int(&q, 1), -(int)task, -(int)!task};
	}
	return vmrt_query_end(&q);
}

/* The vCPU thread on which @thread ran first from @from to @to; VMRT_UNKNOWN of a thread of the
 * host. */
static enum vmrt_status find_vcpu(struct vmrt_db *db, int64_t thread, int64_t from, int64_t to,
	int64_t *vcpu, struct vmrt_error *err)
{
	struct vmrt_query q;

	*vcpu = VMRT_UNKNOWN;
	vmrt_query_begin(&q, db, err,
		"SELECT v.id FROM thread t JOIN vm ON vm.machine = t.machine"
		" JOIN thread v ON v.vm = vm.id AND v.role = 'vcpu' WHERE t.id = ?1"
		" ORDER BY v.vcpu <> coalesce((SELECT cpu FROM slice WHERE thread = ?1 AND "
		"start_ns >= ?2"
		"  AND start_ns < ?3 ORDER BY start_ns LIMIT 1), 0), v.vcpu LIMIT 1");
	vmrt_query_bind(&q, 1, thread);
	vmrt_query_bind(&q, 2, from);
	vmrt_query_bind(&q, 3, to);
	if (vmrt_query_next(&q))
		*vcpu = vmrt_query_int(&q, 0);
	return vmrt_query_end(&q);
}

static enum vmrt_status load_segments(
	struct vmrt_db *db, struct vmrt_worst_facts *w, int64_t thread, struct vmrt_error *err)
{
	int64_t from = w->arrival_ns, to = w->end_ns, at = from;
	struct step *steps;
	size_t n = 0;
	enum vmrt_status status;
	int task = 0, vm = 0;
	int64_t vcpu;

	if (from == VMRT_UNKNOWN || to == VMRT_UNKNOWN || thread == VMRT_UNKNOWN || to <= from)
		return VMRT_OK;
	steps = calloc(STEPS_MAX + 1, sizeof(*steps));
	w->segments = calloc(STEPS_MAX + 1, sizeof(*w->segments));
	if (!steps || !w->segments) {
		free(steps);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	status = find_vcpu(db, thread, from, to, &vcpu, err);
	if (status == VMRT_OK)
		status = add_steps(db, thread, true, from, to, steps, &n, err);
	if (status == VMRT_OK && vcpu != VMRT_UNKNOWN)
		status = add_steps(db, vcpu, false, from, to, steps, &n, err);
	qsort(steps, n, sizeof(*steps), by_time);
	steps[n++] = (struct step){to, 0, 0};
	for (size_t i = 0; i < n; i++) {
		enum vmrt_state state = task && (vm || vcpu == VMRT_UNKNOWN) ? VMRT_STATE_RUNS
					: vm				     ? VMRT_STATE_OTHERS
									     : VMRT_STATE_WAITS;
		struct vmrt_segment *last = w->n_segments ? &w->segments[w->n_segments - 1] : NULL;

		if (steps[i].at_ns > at && last && last->state == state)
			last->to_ns = steps[i].at_ns - from;
		else if (steps[i].at_ns > at)
			w->segments[w->n_segments++] =
				(struct vmrt_segment){state, at - from, steps[i].at_ns - from};
		at = steps[i].at_ns > at ? steps[i].at_ns : at;
		task += steps[i].task;
		vm += steps[i].vm;
	}
	free(steps);
	return status;
}

/* "exec 8.000, budget 7.912": the parts of the job in ms, the largest first. */
static enum vmrt_status load_parts(
	struct vmrt_db *db, int64_t task, struct vmrt_worst_facts *w, struct vmrt_error *err)
{
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err,
		"SELECT group_concat(p, ', '), group_concat(CASE WHEN abs(ns) * 100 >= whole THEN "
		"p END, ', ') FROM"
		" (SELECT part || ' ' || printf('%.3f', ns / 1e6) AS p, ns, sum(ns) OVER () AS "
		"whole FROM blame"
		"  WHERE task = ?1 AND k = ?2 ORDER BY abs(ns) DESC, part)");
	vmrt_query_bind(&q, 1, task);
	vmrt_query_bind(&q, 2, w->k);
	if (vmrt_query_next(&q)) {
		w->parts = vmrt_query_text(&q, 0);
		w->largest = vmrt_query_text(&q, 1);
	}
	return vmrt_query_end(&q);
}

/* "stress/900 8.000, kworker/7 0.120": the threads that ran while the job waited. */
static enum vmrt_status load_threads(
	struct vmrt_db *db, int64_t task, struct vmrt_worst_facts *w, struct vmrt_error *err)
{
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err,
		"SELECT group_concat(p, ', ') FROM"
		" (SELECT t.comm || '/' || t.tid || printf(' %.3f', sum(b.ns) / 1e6) AS p FROM "
		"blame_thread b"
		"  JOIN thread t ON t.id = b.thread WHERE b.task = ?1 AND b.k = ?2"
		"  GROUP BY b.thread ORDER BY sum(b.ns) DESC, b.thread LIMIT ?3)");
	vmrt_query_bind(&q, 1, task);
	vmrt_query_bind(&q, 2, w->k);
	vmrt_query_bind(&q, 3, THREADS_MAX);
	if (vmrt_query_next(&q))
		w->threads = vmrt_query_text(&q, 0);
	return vmrt_query_end(&q);
}

static enum vmrt_status load_job(struct vmrt_db *db, const struct vmrt_run_facts *f, int64_t task,
	struct vmrt_worst_facts *w, struct vmrt_error *err)
{
	int64_t thread = VMRT_UNKNOWN, by = VMRT_UNKNOWN;
	enum vmrt_status status;
	struct vmrt_query q;

	w->arrival_ns = w->end_ns = w->deadline_ns = w->unsure_ns = VMRT_UNKNOWN;
	vmrt_query_begin(&q, db, err,
		"SELECT arrival_ns, end_ns, deadline_ns, thread, cause, excused, cause_thread, "
		"unsure_ns FROM job"
		" WHERE task = ?1 AND k = ?2");
	vmrt_query_bind(&q, 1, task);
	vmrt_query_bind(&q, 2, w->k);
	if (vmrt_query_next(&q)) {
		w->arrival_ns = vmrt_query_int(&q, 0);
		w->end_ns = vmrt_query_int(&q, 1);
		w->deadline_ns = vmrt_query_int(&q, 2);
		thread = vmrt_query_int(&q, 3);
		w->cause = vmrt_query_text(&q, 4);
		w->excused = vmrt_query_int(&q, 5) > 0;
		by = vmrt_query_int(&q, 6);
		w->unsure_ns = vmrt_query_int(&q, 7);
	}
	status = vmrt_query_end(&q);
	if (w->end_ns == VMRT_UNKNOWN && !w->complete)
		w->end_ns = f->end_ns;
	if (status == VMRT_OK && by != VMRT_UNKNOWN)
		status = facts_thread(db, by, false, &w->by, err);
	if (status == VMRT_OK)
		status = load_parts(db, task, w, err);
	if (status == VMRT_OK)
		status = load_threads(db, task, w, err);
	if (status == VMRT_OK)
		status = load_segments(db, w, thread, err);
	return status;
}

enum vmrt_status facts_load_worst(struct vmrt_db *db, const struct vmrt_run_facts *f,
	struct vmrt_task_facts *t, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; status == VMRT_OK && i < t->n_worst; i++)
		status = load_job(db, f, t->id, &t->worst[i], err);
	return status;
}

void vmrt_worst_strip(const struct vmrt_worst_facts *w, size_t width, char *buf)
{
	int64_t length = w->segments ? w->end_ns - w->arrival_ns : 0;
	size_t n = 0, s = 0;

	for (size_t i = 0; length > 0 && i < width; i++) {
		int64_t from = (int64_t)((__int128)length * (int64_t)i / (int64_t)width);
		int64_t to = (int64_t)((__int128)length * (int64_t)(i + 1) / (int64_t)width);
		int64_t most = -1, share[3] = {0};
		enum vmrt_state state = VMRT_STATE_WAITS;

		while (s < w->n_segments && w->segments[s].to_ns <= from)
			s++;
		for (size_t j = s; j < w->n_segments && w->segments[j].from_ns < to; j++) {
			const struct vmrt_segment *g = &w->segments[j];

			share[g->state] += (g->to_ns < to ? g->to_ns : to) -
					   (g->from_ns > from ? g->from_ns : from);
		}
		for (int k = 0; k < 3; k++) {
			if (share[k] <= most)
				continue;
			most = share[k];
			state = (enum vmrt_state)k;
		}
		/* the deadline stands before what follows it */
		if (w->deadline_ns != VMRT_UNKNOWN && w->deadline_ns - w->arrival_ns >= from &&
			w->deadline_ns - w->arrival_ns < to && w->deadline_ns < w->end_ns)
			buf[n++] = '|';
		buf[n++] = "#=-"[state];
	}
	buf[n] = '\0';
}
