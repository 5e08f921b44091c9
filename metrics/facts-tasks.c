/* SPDX-License-Identifier: MIT */
/* The jobs of a task, in one pass. */
#include "facts.h"

#include <stdio.h>
#include <string.h>

enum column {
	K,
	OUTCOME,
	CAUSE,
	EXCUSED,
	INFERRED,
	SKIPPED,
	RESPONSE,
	RELEASE,
	START,
	EXEC,
};

static const char sql[] =
	"SELECT k, outcome, cause, excused, inferred, skipped, response_ns,"
	" release_local_ns - arrival_local_ns, start_local_ns - arrival_local_ns, exec_ns"
	" FROM job WHERE task = ?1 ORDER BY k";

static void count_cause(struct vmrt_task_facts *t, const char *cause, bool excused)
{
	size_t i;

	if (!cause)
		cause = "unknown";
	for (i = 0; i < t->n_causes; i++)
		if (!strcmp(t->causes[i].name, cause))
			break;
	if (i == t->n_causes) {
		if (i == VMRT_CAUSES_MAX)
			i--; /* not a database of ours */
		else
			t->n_causes++;
		snprintf(t->causes[i].name, sizeof(t->causes[i].name), "%s",
			t->n_causes == VMRT_CAUSES_MAX ? "other" : cause);
	}
	t->causes[i].misses++;
	t->causes[i].excused += excused;
}

/* Counts the job's outcome; true if the job has missed. */
static bool count_outcome(struct vmrt_task_facts *t, const char *outcome)
{
	t->jobs++;
	if (!strcmp(outcome, "met"))
		t->met++;
	else if (!strcmp(outcome, "missed"))
		t->missed_late++;
	else if (!strcmp(outcome, "missed_incomplete"))
		t->missed_incomplete++;
	else if (!strcmp(outcome, "truncated"))
		t->truncated++;
	else
		t->unknown++;
	return !strncmp(outcome, "missed", 6);
}

/* Misses in a row; a job of unknown outcome or one that is not there ends the row. */
static void count_run(struct vmrt_task_facts *t, int64_t k, bool missed, int64_t *run, int64_t *last)
{
	*run = !missed ? 0 : *run && *last == k - 1 ? *run + 1 : 1;
	*last = k;
	if (*run > t->longest_run) {
		t->longest_run = *run;
		t->longest_run_k = k - *run + 1;
	}
}

enum vmrt_status vmrt_facts_load_task(sqlite3 *db, struct vmrt_task_facts *t, struct vmrt_error *err)
{
	struct vmrt_samples responses = {0};
	int64_t run = 0, last = VMRT_UNKNOWN;
	struct vmrt_query q;

	t->response = t->release = t->start = t->exec = t->tardiness = VMRT_SERIES_EMPTY;
	t->longest_run_k = VMRT_UNKNOWN;
	vmrt_query_begin(&q, db, err, sql);
	if (q.status == VMRT_OK)
		sqlite3_bind_int64(q.stmt, 1, t->id);
	while (vmrt_query_next(&q)) {
		const char *outcome = (const char *)sqlite3_column_text(q.stmt, OUTCOME);
		int64_t k = vmrt_query_int(&q, K), response = vmrt_query_int(&q, RESPONSE);
		bool missed = count_outcome(t, outcome ? outcome : "");
		/* without a deadline no outcome is known, but how long the job took is */
		bool complete = outcome && (!strcmp(outcome, "met") || !strcmp(outcome, "missed") ||
						   t->deadline_ns == VMRT_UNKNOWN);

		t->inferred += vmrt_query_int(&q, INFERRED) > 0;
		t->skipped += vmrt_query_int(&q, SKIPPED);
		count_run(t, k, missed, &run, &last);
		if (missed) {
			bool excused = vmrt_query_int(&q, EXCUSED) > 0;

			t->excused += excused;
			count_cause(t, (const char *)sqlite3_column_text(q.stmt, CAUSE), excused);
		}
		/* durations are taken of jobs that are known from arrival to end */
		if (!complete || response == VMRT_UNKNOWN)
			continue;
		if (vmrt_samples_add(&responses, response) != VMRT_OK) {
			q.status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
			break;
		}
		vmrt_series_add(&t->response, k, response);
		vmrt_series_add(&t->release, k, vmrt_query_int(&q, RELEASE));
		vmrt_series_add(&t->start, k, vmrt_query_int(&q, START));
		vmrt_series_add(&t->exec, k, vmrt_query_int(&q, EXEC));
		if (missed)
			vmrt_series_add(&t->tardiness, k, response - t->deadline_ns);
	}
	t->response_p50 = vmrt_samples_percentile(&responses, 50, 100);
	t->response_p95 = vmrt_samples_percentile(&responses, 95, 100);
	t->response_p99 = vmrt_samples_percentile(&responses, 99, 100);
	t->response_p999 = vmrt_samples_percentile(&responses, 999, 1000);
	vmrt_samples_free(&responses);
	return vmrt_query_end(&q);
}
