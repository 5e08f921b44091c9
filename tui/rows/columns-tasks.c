/* SPDX-License-Identifier: MIT */
/* The columns of the table of tasks. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "columns-local.h"
#include "text.h"

#define SPARK_MIN 9
#define SPARK_MAX 24

static void fill_name(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_task_row *t = row;
	char name[VMRT_NAME_MAX + VMRT_COMM_MAX + 1];

	(void)ascii;
	snprintf(name, sizeof(name), "%s/%s", t->machine, t->name);
	top_text_name(cell->text, top_columns(name) > width ? t->name : name, width);
}

static void fill_state(const void *row, int width, bool ascii, struct cell *cell)
{
	static const char *const words[] = {
		"- none", "= met", "M missed", "? unknown", "M overdue", "Q quiet", "- unseen"};
	static const enum top_attr attrs[] = {
		TOP_DIM, TOP_PLAIN, TOP_MISS, TOP_LOSS, TOP_MISS, TOP_DIM, TOP_DIM};
	const struct top_task_row *t = row;

	(void)width;
	(void)ascii;
	strcpy(cell->text, words[t->state]);
	cell->attr = attrs[t->state];
}

static double state_value(const void *row)
{
	static const double ranks[] = {0, 2, 4, 3, 5, 1, -1};

	return ranks[((const struct top_task_row *)row)->state];
}

bool top_never_seen(const struct top_task_row *t)
{
	return t->state == TOP_TASK_UNSEEN && !t->jobs;
}

#define COUNT_COLUMN(name, member, attribute)                                                      \
	static void fill_##name(const void *row, int width, bool ascii, struct cell *cell)         \
	{                                                                                          \
		const struct top_task_row *t = row;                                                \
                                                                                                   \
		(void)ascii;                                                                       \
		if (top_never_seen(t)) {                                                           \
			strcpy(cell->text, "-");                                                   \
			return;                                                                    \
		}                                                                                  \
		top_text_count(cell->text, member, width);                                         \
		if (member)                                                                        \
			cell->attr = attribute;                                                    \
	}                                                                                          \
	static double name##_value(const void *row)                                                \
	{                                                                                          \
		const struct top_task_row *t = row;                                                \
                                                                                                   \
		return top_never_seen(t) ? NAN : (double)(member);                                 \
	}

COUNT_COLUMN(jobs, t->jobs, TOP_PLAIN)
COUNT_COLUMN(missed, t->missed, TOP_MISS)
COUNT_COLUMN(excused, t->excused, TOP_PLAIN)
COUNT_COLUMN(unknown, t->unknown, TOP_PLAIN)

/* Shows the number of misses, and how many of them the user has not seen yet. */
static void fill_misses(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_task_row *t = row;
	char fresh[TOP_TEXT], all[TOP_TEXT];

	fill_missed(row, width, ascii, cell);
	if (!t->fresh)
		return;
	top_text_count(fresh, t->fresh, 3);
	top_text_count(all, t->missed, width - 1 - (int)strlen(fresh));
	snprintf(cell->text, sizeof(cell->text), "%.60s+%.60s", all, fresh);
}

static double ratio_value(const void *row)
{
	const struct top_task_row *t = row;

	return t->known ? (double)t->missed / (double)t->known : NAN;
}

static void fill_ratio(const void *row, int width, bool ascii, struct cell *cell)
{
	(void)width;
	(void)ascii;
	top_text_percent(cell->text, ratio_value(row));
	if (((const struct top_task_row *)row)->missed)
		cell->attr = TOP_MISS;
}

#define MS_COLUMN(name, expression, late)                                                          \
	static void fill_##name(const void *row, int width, bool ascii, struct cell *cell)         \
	{                                                                                          \
		const struct top_task_row *t = row;                                                \
                                                                                                   \
		(void)ascii;                                                                       \
		top_text_ms(cell->text, expression, width);                                        \
		if (late && t->deadline_ns != VMRT_UNKNOWN && (expression) > t->deadline_ns)       \
			cell->attr = TOP_MISS;                                                     \
	}                                                                                          \
	static double name##_value(const void *row)                                                \
	{                                                                                          \
		const struct top_task_row *t = row;                                                \
                                                                                                   \
		return (expression) == VMRT_UNKNOWN ? NAN : (double)(expression);                  \
	}

MS_COLUMN(last, t->last_ns, true)
MS_COLUMN(max, t->max_ns, true)
MS_COLUMN(min, t->facts.response.min, false)
MS_COLUMN(mean, vmrt_series_mean(&t->facts.response), false)
MS_COLUMN(jitter, vmrt_series_jitter(&t->facts.response), false)
MS_COLUMN(deadline, t->deadline_ns, false)
MS_COLUMN(period, t->period_ns, false)
MS_COLUMN(wcet, t->wcet_ns, false)

static void fill_p99(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_task_row *t = row;

	(void)ascii;
	cell->text[0] = '~';
	top_text_ms(
		cell->text + t->p99_approximate, t->p99_ns, t->p99_approximate ? width - 1 : width);
	if (t->deadline_ns != VMRT_UNKNOWN && t->p99_ns > t->deadline_ns)
		cell->attr = TOP_MISS;
}

static double p99_value(const void *row)
{
	const struct top_task_row *t = row;

	return t->p99_ns == VMRT_UNKNOWN ? NAN : (double)t->p99_ns;
}

static void fill_max_job(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_task_row *t = row;

	(void)ascii;
	if (t->max_k == VMRT_UNKNOWN)
		strcpy(cell->text, "-");
	else
		top_text_count(cell->text, (uint64_t)t->max_k, width);
}

static double max_job_value(const void *row)
{
	const struct top_task_row *t = row;

	return t->max_k == VMRT_UNKNOWN ? NAN : (double)t->max_k;
}

/* Draws the last response times relative to the deadline: the highest level is a miss. */
static void fill_spark(const void *row, int width, bool ascii, struct cell *cell)
{
	const struct top_task_row *t = row;
	size_t room = width > 0 ? (size_t)width : 0, n = t->n_recent < room ? t->n_recent : room;
	int64_t values[TOP_RECENT_JOBS] = {0}, most = t->deadline_ns, late = 0;

	if (n > TOP_RECENT_JOBS)
		n = TOP_RECENT_JOBS;
	for (size_t i = 0; i < n; i++) {
		const struct top_job *job = &t->recent[t->n_recent - n + i];

		values[i] = job->response_ns;
		late += job->outcome == VMRT_OUTCOME_MISSED ||
			job->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE;
	}
	if (most == VMRT_UNKNOWN)
		most = t->max_ns;
	top_text_spark(cell->text, values, n, most, ascii);
	cell->attr = late ? TOP_MISS : TOP_RUN;
}

const struct column top_task_columns[] = {
	{"TASK", "its machine and name", 8, 0, 68, 0, true, false, false, false, fill_name, NULL},
	{"STATE", "of its last job, or M overdue, Q quiet", 1, 9, 75, 15, true, false, false, true,
		fill_state, state_value},
	{"JOBS", "jobs so far", 6, 6, 0, 60, false, false, false, true, fill_jobs, jobs_value},
	{"MISSED", "jobs that missed their deadline, +N of them since the last key", 7, 7, 0, 30,
		false, false, false, true, fill_misses, missed_value},
	{"MISS %", "of the jobs of known outcome", 6, 6, 0, 10, false, false, false, true,
		fill_ratio, ratio_value},
	{"LAST ms", "response time of the last job", 7, 7, 0, 40, false, false, false, true,
		fill_last, last_value},
	{"P99 ms", "99th percentile of response times", 7, 7, 0, 62, false, false, false, true,
		fill_p99, p99_value},
	{"MAX ms", "longest response time", 7, 7, 0, 20, false, false, false, true, fill_max,
		max_value},
	{"LAST JOBS", "their response times; as high as the deadline: a miss", SPARK_MIN, SPARK_MAX,
		82, 79, true, false, true, true, fill_spark, last_value},
	{"DEADLINE ms", "its relative deadline", 11, 11, 0, 83, false, false, false, true,
		fill_deadline, deadline_value},
	{"JITTER ms", "longest less shortest response time", 9, 9, 0, 85, false, false, false, true,
		fill_jitter, jitter_value},
	{"OF JOB", "the job of the longest response time", 6, 6, 0, 90, false, false, false, true,
		fill_max_job, max_job_value},
	{"MIN ms", "shortest response time", 7, 7, 0, 94, false, false, false, true, fill_min,
		min_value},
	{"MEAN ms", "mean response time", 7, 7, 0, 95, false, false, false, true, fill_mean,
		mean_value},
	{"UNKNOWN", "jobs of unknown outcome", 7, 7, 0, 84, false, false, false, true, fill_unknown,
		unknown_value},
	{"EXCUSED", "misses that overruns, steal or throttling explain", 7, 7, 0, 110, false, false,
		false, true, fill_excused, excused_value},
	{"PERIOD ms", "its period", 9, 9, 0, 120, false, false, false, true, fill_period,
		period_value},
	{"WCET ms", "its declared execution time", 7, 7, 0, 130, false, false, false, true,
		fill_wcet, wcet_value},
};

const size_t top_n_task_columns = sizeof(top_task_columns) / sizeof(top_task_columns[0]);
