/* SPDX-License-Identifier: MIT */
/* Reads runs from PostgreSQL that vmrt-report push has stored. */
#include "store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/rundb.h>

static enum vmrt_status no_memory(struct vmrt_error *err)
{
	return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
}

/* A row that is being read, column by column. */
struct reading {
	const struct pg_result *result;
	size_t row;
	int column;
	bool failed; /* no memory */
};

static char *take_text(struct reading *r)
{
	const char *text = pg_text(r->result, r->row, r->column++);
	char *copy = text ? strdup(text) : NULL;

	r->failed |= text && !copy;
	return copy;
}

static int64_t take_number(struct reading *r)
{
	return pg_int(r->result, r->row, r->column++);
}

static double take_real(struct reading *r)
{
	const char *text = pg_text(r->result, r->row, r->column++);

	return text ? strtod(text, NULL) : NAN;
}

static bool take_flag(struct reading *r)
{
	const char *text = pg_text(r->result, r->row, r->column++);

	return text && !strcmp(text, "t");
}

#define COUNT_MAX (INT64_C(1) << 48) /* the largest count of anything in one run */
#define TAKE(kind, name) it->name = take_##kind(&reading);
#define COLUMN(kind, name) ", x." #name

/* All queries select runs by this condition, whose parameters are the texts of @wanted. Dates are
 * taken as UTC; as values of the type timestamptz, they would be taken in the time zone of the
 * session. */
#define SELECTION                                                                                  \
	"($1::text IS NULL OR r.host = (SELECT id FROM vmrt.hosts WHERE name = $1))"               \
	" AND ($2::text IS NULL OR r.name = $2)"                                                   \
	" AND ($3::timestamp IS NULL OR r.recorded_at >= $3::timestamp AT TIME ZONE 'UTC')"        \
	" AND ($4::timestamp IS NULL OR r.recorded_at < $4::timestamp AT TIME ZONE 'UTC')"
#define N_WANTED 4

static enum vmrt_status get_runs(struct pg *pg, const char *const *wanted, struct many_run ***out,
	size_t *n, struct vmrt_error *err)
{
	struct pg_result *result;
	enum vmrt_status status = pg_query(pg,
		"SELECT r.id, h.name, r.uuid, r.name, to_char(r.recorded_at AT TIME ZONE 'UTC', "
		"'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), r.hsf, r.doubtful, r.origin, r.duration_ns"
		" FROM vmrt.runs r LEFT JOIN vmrt.hosts h ON h.id = r.host WHERE " SELECTION
		" ORDER BY r.id",
		N_WANTED, wanted, &result, err);

	if (status != VMRT_OK)
		return status;
	*out = calloc(pg_rows(result) + 1, sizeof(**out));
	for (size_t i = 0; *out && status == VMRT_OK && i < pg_rows(result); i++) {
		struct reading reading = {.result = result, .row = i};
		struct many_run *r = calloc(1, sizeof(*r));

		if (!r) {
			status = no_memory(err);
			break;
		}
		(*out)[(*n)++] = r;
		r->id = take_number(&reading);
		r->host = take_text(&reading);
		r->uuid = take_text(&reading);
		r->name = take_text(&reading);
		r->recorded_at = take_text(&reading);
		r->hsf = take_flag(&reading);
		r->doubtful = take_flag(&reading);
		r->origin = take_text(&reading);
		r->duration_ns = take_number(&reading);
		if (reading.failed)
			status = no_memory(err);
	}
	if (!*out)
		status = no_memory(err);
	pg_free(result);
	return status;
}

/* The run with this @id among @runs, which are sorted by id. */
static struct many_run *find(struct many_run **runs, size_t n, int64_t id)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (runs[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < n && runs[low]->id == id ? runs[low] : NULL;
}

/* Reads the next number of a list such as "{1,2,3}", of which @text is what is not yet read; false
 * if no number follows. */
static bool next_number(const char **text, int64_t *number)
{
	char *end;

	if (**text != '{' && **text != ',')
		return false;
	*number = strtoll(*text + 1, &end, 10);
	if (end == *text + 1)
		return false;
	*text = end;
	return true;
}

/* Reads a histogram from the columns n, sum, min, max, buckets, counts. */
static enum vmrt_status take_histogram(
	struct reading *r, struct vmrt_buckets *b, struct vmrt_error *err)
{
	int64_t n = take_number(r), bucket, count;
	const char *buckets, *counts;
	enum vmrt_status status = VMRT_OK;

	*b = VMRT_BUCKETS_EMPTY;
	b->sum_ns = take_real(r);
	b->min_ns = take_number(r);
	b->max_ns = take_number(r);
	buckets = pg_text(r->result, r->row, r->column++);
	counts = pg_text(r->result, r->row, r->column++);
	if (n == VMRT_UNKNOWN) /* the task has no histogram */
		return VMRT_OK;
	while (status == VMRT_OK && buckets && counts && next_number(&buckets, &bucket) &&
		next_number(&counts, &count))
		status = bucket < INT32_MIN || bucket > INT32_MAX
				 ? VMRT_EINVAL
				 : vmrt_buckets_append(b, (int32_t)bucket, count);
	if (status == VMRT_ENOMEM)
		return no_memory(err);
	if (status != VMRT_OK || b->n != n)
		return vmrt_fail(err, VMRT_EFORMAT,
			"a histogram in the database does not add up: vmrt did not write it");
	return VMRT_OK;
}

/* Fails because of a row that vmrt has not written. */
static enum vmrt_status not_ours(const char *what, struct vmrt_error *err)
{
	return vmrt_fail(err, VMRT_EPROTO,
		"the database has %s: its tables are not as vmrt makes them", what);
}

/* Can all @n numbers be counts of one run? If they can, the sums over many runs fit into 64
 * bits. */
static bool are_counts(const int64_t *numbers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (numbers[i] < 0 || numbers[i] > COUNT_MAX)
			return false;
	return true;
}

static enum vmrt_status add_task(struct many_run *run, struct reading *r, struct vmrt_error *err)
{
	struct many_task *more = realloc(run->tasks, (run->n_tasks + 1) * sizeof(*more)), *it;
	struct reading reading = *r;
	enum vmrt_status status;

	if (!more)
		return no_memory(err);
	run->tasks = more;
	it = &more[run->n_tasks++];
	memset(it, 0, sizeof(*it));
	it->exec = it->release = it->start = it->tardiness = VMRT_BUCKETS_EMPTY;
	MANY_TASK(TAKE)
	status = take_histogram(&reading, &it->response, err);
	if (reading.failed)
		return no_memory(err);
	if (!it->machine || !it->task)
		return not_ours("a task without a name", err);
	if (!are_counts((const int64_t[]){it->jobs, it->met, it->missed, it->excused, it->unknown,
				it->truncated, it->skipped, it->longest_run},
		    8))
		return not_ours("a task with an impossible count", err);
	if (asprintf(&it->label, "%s/%s", it->machine, it->task) < 0) {
		it->label = NULL;
		return no_memory(err);
	}
	return status;
}

static enum vmrt_status add_server(struct many_run *run, struct reading *r, struct vmrt_error *err)
{
	struct many_server *more = realloc(run->servers, (run->n_servers + 1) * sizeof(*more)), *it;
	struct reading reading = *r;
	enum vmrt_status status;

	if (!more)
		return no_memory(err);
	run->servers = more;
	it = &more[run->n_servers++];
	memset(it, 0, sizeof(*it));
	it->latency = VMRT_BUCKETS_EMPTY;
	MANY_SERVER(TAKE)
	status = take_histogram(&reading, &it->overshoot, err);
	if (reading.failed)
		return no_memory(err);
	if (!it->server)
		return not_ours("a server without a name", err);
	if (!are_counts((const int64_t[]){it->periods, it->judged, it->depleted, it->unknown,
				it->truncated, it->windows, it->windows_unknown, it->violations},
		    8))
		return not_ours("a server with an impossible count", err);
	return status;
}

/* Calls @add with every row of @query and the run whose id is in the first column of the row. */
static enum vmrt_status get_rows(struct pg *pg, const char *query, const char *const *wanted,
	struct many_run **runs, size_t n,
	enum vmrt_status (*add)(struct many_run *, struct reading *, struct vmrt_error *),
	struct vmrt_error *err)
{
	struct pg_result *result;
	enum vmrt_status status = pg_query(pg, query, N_WANTED, wanted, &result, err);

	if (status != VMRT_OK)
		return status;
	for (size_t i = 0; status == VMRT_OK && i < pg_rows(result); i++) {
		struct reading reading = {.result = result, .row = i};
		struct many_run *run = find(runs, n, take_number(&reading));

		/* a run that was pushed between the queries is left out */
		if (run)
			status = add(run, &reading, err);
	}
	pg_free(result);
	return status;
}

static enum vmrt_status get_tasks(struct pg *pg, const char *const *wanted, struct many_run **runs,
	size_t n, struct vmrt_error *err)
{
	return get_rows(pg,
		"SELECT x.run" MANY_TASK(
			COLUMN) ", (g.histogram).n, (g.histogram).sum_ns, (g.histogram).min_ns,"
				" (g.histogram).max_ns, (g.histogram).buckets, (g.histogram).counts"
				" FROM vmrt.tasks x JOIN vmrt.runs r ON r.id = x.run"
				" LEFT JOIN vmrt.task_histograms g ON g.run = x.run AND g.task_id "
				"= x.task_id"
				" AND g.metric = 'response' WHERE " SELECTION
				" ORDER BY x.run, x.task_id",
		wanted, runs, n, add_task, err);
}

static enum vmrt_status get_servers(struct pg *pg, const char *const *wanted,
	struct many_run **runs, size_t n, struct vmrt_error *err)
{
	return get_rows(pg,
		"SELECT x.run" MANY_SERVER(
			COLUMN) ", (g.histogram).n, (g.histogram).sum_ns, (g.histogram).min_ns,"
				" (g.histogram).max_ns, (g.histogram).buckets, (g.histogram).counts"
				" FROM vmrt.servers x JOIN vmrt.runs r ON r.id = x.run"
				" LEFT JOIN vmrt.server_histograms g ON g.run = x.run AND "
				"g.server_id = x.server_id"
				" AND g.metric = 'overshoot' WHERE " SELECTION
				" ORDER BY x.run, x.server_id",
		wanted, runs, n, add_server, err);
}

enum vmrt_status store_get(struct pg *pg, const struct store_wanted *wanted, struct many_run ***out,
	size_t *n, struct vmrt_error *err)
{
	const char *values[N_WANTED] = {wanted->host, wanted->name, wanted->since, wanted->until};
	enum vmrt_status status;

	*out = NULL;
	*n = 0;
	status = pg_script(pg, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
	if (status == VMRT_OK)
		status = get_runs(pg, values, out, n, err);
	if (status == VMRT_OK)
		status = get_tasks(pg, values, *out, *n, err);
	if (status == VMRT_OK)
		status = get_servers(pg, values, *out, *n, err);
	if (status == VMRT_OK)
		status = pg_script(pg, "COMMIT", err);
	if (status == VMRT_OK)
		return VMRT_OK;
	for (size_t i = 0; i < *n; i++)
		many_free((*out)[i]);
	free(*out);
	*out = NULL;
	*n = 0;
	return status;
}
