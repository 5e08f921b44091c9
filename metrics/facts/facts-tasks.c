/* SPDX-License-Identifier: MIT */
/* Computes the figures of a task from its jobs, in one pass. */
#include "facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column {
	K,
	RELEASE,
	START,
	END,
	EXEC,
	RESPONSE,
	SKIPPED,
	OUTCOME,
	CAUSE,
	EXCUSED,
	INFERRED,
	ARRIVAL,
	DEADLINE,
	CULPRIT,
	CULPRIT_NAME,
	UNSURE,
};

/* threads of one name, per machine and VM, count as one */
#define COLUMNS                                                                                    \
	"WITH names(thread_id, name) AS MATERIALIZED (SELECT id,"                                  \
	" min(id) OVER (PARTITION BY machine, vm, comm) FROM thread) "                             \
	"SELECT k, release_local_ns, start_local_ns, end_local_ns, exec_ns, response_ns, skipped," \
	" outcome, cause, excused, inferred, arrival_local_ns, deadline_ns, cause_thread,"         \
	" names.name, unsure_ns FROM job LEFT JOIN names ON names.thread_id = cause_thread WHERE " \
	"task = ?1"

/* -1 is no limit, so that a LIMIT is there to have an OFFSET */
static const char all_jobs[] = COLUMNS " ORDER BY k LIMIT -1 OFFSET ?2";
static const char jobs_of_a_time[] =
	COLUMNS " AND arrival_ns >= ?3 AND arrival_ns < ?4 ORDER BY k LIMIT -1 OFFSET ?2";

static void count_culprit(struct vmrt_cause_facts *c, int64_t thread, int64_t name)
{
	size_t i = 0;

	if (thread == VMRT_UNKNOWN)
		return;
	while (i < c->n_culprits && c->culprits[i].name != name)
		i++;
	if (i == c->n_culprits && i == VMRT_CULPRITS_MAX) {
		c->culprits[--i].thread = VMRT_UNKNOWN;
	} else if (i == c->n_culprits) {
		c->culprits[c->n_culprits].name = name;
		c->culprits[c->n_culprits++].thread = thread;
	}
	c->culprits[i].several |= c->culprits[i].thread != thread;
	c->culprits[i].misses++;
}

static enum vmrt_status name_culprits(
	struct vmrt_db *db, struct vmrt_cause_facts *c, struct vmrt_error *err)
{
	enum vmrt_status status;
	size_t most = 0;

	for (size_t i = 1; i < c->n_culprits; i++)
		if (c->culprits[i].misses > c->culprits[most].misses)
			most = i;
	if (!c->n_culprits)
		return VMRT_OK;
	c->by_misses = c->culprits[most].misses;
	if (c->culprits[most].thread == VMRT_UNKNOWN) {
		c->by = strdup("other threads");
		return c->by ? VMRT_OK : vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	status = facts_thread(db, c->culprits[most].thread, c->culprits[most].several, &c->by, err);
	if (status == VMRT_OK && !c->by)
		status = vmrt_fail(
			err, VMRT_EFORMAT, "the database names a thread that it does not have");
	return status;
}

struct vmrt_cause_facts *vmrt_task_cause(struct vmrt_task_facts *t, const char *cause)
{
	size_t i;

	if (!cause)
		cause = "unknown";
	for (i = 0; i < t->n_causes; i++)
		if (!strcmp(t->causes[i].name, cause))
			return &t->causes[i];
	/* no database that vmrt has written */
	if (i == VMRT_CAUSES_MAX)
		return &t->causes[i - 1];
	t->n_causes++;
	t->causes[i] = (struct vmrt_cause_facts){0};
	snprintf(t->causes[i].name, sizeof(t->causes[i].name), "%s",
		t->n_causes == VMRT_CAUSES_MAX ? "other" : cause);
	return &t->causes[i];
}

static void count_cause(
	struct vmrt_task_facts *t, const char *cause, bool excused, int64_t culprit, int64_t name)
{
	struct vmrt_cause_facts *c = vmrt_task_cause(t, cause);

	c->misses++;
	c->excused += excused;
	count_culprit(c, culprit, name);
}

enum verdict { MET, MISSED, UNDECIDED };

/* Counts the job's outcome. */
static enum verdict count_outcome(struct vmrt_task_facts *t, const char *outcome)
{
	t->jobs++;
	if (!strcmp(outcome, "met")) {
		t->met++;
		return MET;
	}
	if (!strcmp(outcome, "missed")) {
		t->missed_late++;
		return MISSED;
	}
	if (!strcmp(outcome, "missed_incomplete")) {
		t->missed_incomplete++;
		return MISSED;
	}
	if (!strcmp(outcome, "truncated"))
		t->truncated++;
	else
		t->unknown++;
	return UNDECIDED;
}

/* State of the last jobs, for figures about several jobs in a row. */
struct past {
	int64_t k; /* of the job before; VMRT_UNKNOWN if there was none */
	int64_t run;
	int64_t end, start; /* on the task's clock; VMRT_UNKNOWN: not known */
	int64_t window, n, met, undecided, next;
	unsigned char ring[VMRT_WINDOW_MAX]; /* verdicts */
};

/* Counts misses in a row; a job of unknown outcome or a missing job ends the row. */
static void count_run(struct vmrt_task_facts *t, struct past *past, int64_t k, bool missed)
{
	past->run = !missed ? 0 : past->run && past->k == k - 1 ? past->run + 1 : 1;
	if (past->run > t->longest_run) {
		t->longest_run = past->run;
		t->longest_run_k = k - past->run + 1;
	}
}

static void window_push(struct vmrt_task_facts *t, struct past *p, int64_t k, enum verdict verdict)
{
	unsigned char *slot = &p->ring[p->next];

	if (p->n == p->window) {
		p->met -= *slot == MET;
		p->undecided -= *slot == UNDECIDED;
	} else {
		p->n++;
	}
	*slot = (unsigned char)verdict;
	p->met += verdict == MET;
	p->undecided += verdict == UNDECIDED;
	p->next = p->next + 1 < p->window ? p->next + 1 : 0;
	if (p->n < p->window || p->undecided)
		return;
	t->windows++;
	if (t->window_met == VMRT_UNKNOWN || p->met < t->window_met) {
		t->window_met = p->met;
		t->window_met_k = k - p->window + 1;
	}
}

/*
 * Counts the last jobs for (m,k)-firm deadlines: a skipped release is a miss; if a job is missing
 * for another reason, its outcome is unknown.
 */
static void count_window(
	struct vmrt_task_facts *t, struct past *p, int64_t k, int64_t skipped, enum verdict verdict)
{
	int64_t first = p->k == VMRT_UNKNOWN ? k - skipped : p->k + 1;

	if (k - first > p->window) { /* the window would forget further ones */
		p->n = p->met = p->undecided = 0;
		p->next = 0;
		first = k - p->window;
	}
	for (; first < k; first++)
		window_push(t, p, first, first >= k - skipped ? MISSED : UNDECIDED);
	window_push(t, p, k, verdict);
}

/* Is @a among the worst before @b? */
static bool worse(const struct vmrt_worst_facts *a, const struct vmrt_worst_facts *b)
{
	if (a->missed != b->missed)
		return a->missed;
	if (a->missed)
		return a->tardiness_ns > b->tardiness_ns;
	return a->response_ns > b->response_ns;
}

static void count_worst(struct vmrt_task_facts *t, size_t room, const struct vmrt_worst_facts *job)
{
	size_t i = t->n_worst;

	if (!room || (i == room && !worse(job, &t->worst[i - 1])))
		return;
	if (i == room)
		i--;
	else
		t->n_worst++;
	for (; i > 0 && worse(job, &t->worst[i - 1]); i--)
		t->worst[i] = t->worst[i - 1];
	t->worst[i] = *job;
}

static int64_t between(int64_t from, int64_t to)
{
	return from == VMRT_UNKNOWN || to == VMRT_UNKNOWN ? VMRT_UNKNOWN : to - from;
}

/* The durations of a job that is known from arrival to end. */
static void add_durations(struct vmrt_task_facts *t, struct vmrt_query *q, struct past *past,
	int64_t k, int64_t response, bool missed)
{
	int64_t arrival = vmrt_query_int(q, ARRIVAL), start = vmrt_query_int(q, START),
		end = vmrt_query_int(q, END);

	vmrt_series_add(&t->response, k, response);
	vmrt_series_add(&t->release, k, between(arrival, vmrt_query_int(q, RELEASE)));
	vmrt_series_add(&t->start, k, between(arrival, start));
	vmrt_series_add(&t->exec, k, vmrt_query_int(q, EXEC));
	vmrt_task_add_unsure(t, vmrt_query_int(q, EXEC), vmrt_query_int(q, UNSURE), missed,
		vmrt_query_int(q, EXCUSED) > 0);
	if (missed)
		vmrt_series_add(&t->tardiness, k, between(t->deadline_ns, response));
	if (past->k != VMRT_UNKNOWN && past->k == k - 1) {
		vmrt_series_add(&t->completion, k, between(past->end, end));
		vmrt_series_add(&t->activation, k, between(past->start, start));
	}
	past->end = end;
	past->start = start;
}

static void add_job(struct vmrt_task_facts *t, const struct vmrt_run_facts *f, struct vmrt_query *q,
	struct past *past)
{
	const char *outcome = vmrt_query_string(q, OUTCOME);
	int64_t k = vmrt_query_int(q, K), response = vmrt_query_int(q, RESPONSE),
		skipped = vmrt_query_int(q, SKIPPED);
	enum verdict verdict = count_outcome(t, outcome ? outcome : "");
	bool missed = verdict == MISSED;
	/* without a deadline no outcome is known, but how long the job took is */
	bool complete = outcome && (verdict == MET || !strcmp(outcome, "missed") ||
					   t->deadline_ns == VMRT_UNKNOWN);
	struct vmrt_worst_facts job = {.k = k,
		.response_ns = response,
		.tardiness_ns = VMRT_UNKNOWN,
		.missed = missed,
		.complete = true};

	t->inferred += vmrt_query_int(q, INFERRED) > 0;
	if (__builtin_add_overflow(t->skipped, skipped, &t->skipped))
		t->skipped = INT64_MAX;
	count_run(t, past, k, missed);
	count_window(t, past, k, skipped, verdict);
	if (missed) {
		bool excused = vmrt_query_int(q, EXCUSED) > 0;

		t->excused += excused;
		count_cause(t, vmrt_query_string(q, CAUSE), excused, vmrt_query_int(q, CULPRIT),
			vmrt_query_int(q, CULPRIT_NAME));
	}
	if (complete && response != VMRT_UNKNOWN) {
		if (vmrt_samples_add(&t->responses, response) != VMRT_OK) {
			vmrt_query_no_memory(q);
			return;
		}
		add_durations(t, q, past, k, response, missed);
		if (missed)
			job.tardiness_ns = between(t->deadline_ns, response);
		count_worst(t, f->filter.worst, &job);
	} else {
		past->end = past->start = VMRT_UNKNOWN;
		job.complete = false;
		job.tardiness_ns = between(vmrt_query_int(q, DEADLINE), f->end_ns);
		if (missed)
			count_worst(t, f->filter.worst, &job);
	}
	past->k = k;
}

enum vmrt_status facts_load_task(struct vmrt_db *db, const struct vmrt_run_facts *f,
	struct vmrt_task_facts *t, struct vmrt_error *err)
{
	bool part = f->filter.from_ns != VMRT_UNKNOWN || f->filter.to_ns != VMRT_UNKNOWN;
	struct past past = {.k = VMRT_UNKNOWN, .end = VMRT_UNKNOWN, .start = VMRT_UNKNOWN};
	struct vmrt_query q;

	t->response = t->release = t->start = t->exec = t->tardiness = VMRT_SERIES_EMPTY;
	t->completion = t->activation = VMRT_SERIES_EMPTY;
	t->longest_run_k = t->window_met = t->window_met_k = VMRT_UNKNOWN;
	past.window = f->filter.window;
	t->worst = calloc(f->filter.worst + 1, sizeof(*t->worst));
	if (!t->worst)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	vmrt_query_begin(&q, db, err, part ? jobs_of_a_time : all_jobs);
	vmrt_query_bind(&q, 1, t->id);
	vmrt_query_bind(&q, 2, f->filter.skip_first);
	if (part)
		vmrt_query_span(&q, 3, f);
	while (vmrt_query_next(&q))
		add_job(t, f, &q, &past);
	vmrt_query_end(&q);
	for (size_t i = 0; i < t->n_causes && q.status == VMRT_OK; i++)
		q.status = name_culprits(db, &t->causes[i], err);
	if (q.status == VMRT_OK)
		q.status = facts_load_worst(db, f, t, err);
	t->response_p50 = vmrt_samples_percentile(&t->responses, 50, 100);
	t->response_p95 = vmrt_samples_percentile(&t->responses, 95, 100);
	t->response_p99 = vmrt_samples_percentile(&t->responses, 99, 100);
	t->response_p999 = vmrt_samples_percentile(&t->responses, 999, 1000);
	return q.status;
}
