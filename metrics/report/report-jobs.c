/* SPDX-License-Identifier: MIT */
/* Makes the tables of single jobs and of distributions: the worst jobs, histograms, cumulative
 * distributions. */
#include "metrics/figures/figures.h"
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define STRIP 56 /* characters of a job's line */
#define BAR 40	 /* characters of the longest bar */
#define MARK 10	 /* characters of the mark behind the bar in whose bin the deadline lies */
#define PARTS 72 /* characters of the list of a job's parts */

static const char *const worst_titles[] = {
	"Worst jobs",
	"Worst jobs: from arrival to end",
	"Worst jobs: where the time went",
	"Worst jobs: threads that ran while they waited",
};

#define WORST_COLUMNS(X)                                                                           \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY, task->marked)            \
	VMRT_DATA(X, task, TEXT, task->label)                                                      \
	X(k, "job", NULL, COUNT, 0, VMRT_KEY_GROUP, w->k)                                          \
	VMRT_DATA(X, arrival_ns, NS, w->arrival_ns)                                                \
	X(after_ns, "arrival", "s", NS, 6, 1, timed ? w->arrival_ns - f->start_ns : VMRT_UNKNOWN)  \
	X(response_ns, "response", "ms", NS, 3, 1, w->complete ? w->response_ns : VMRT_UNKNOWN)    \
	X(tardiness_ns, "late by", "ms", NS, 3, 1, w->tardiness_ns)                                \
	X(complete, "ended", NULL, BOOL, 0, 1, w->complete)                                        \
	X(cause, "cause", NULL, TEXT, 0, 1, w->cause)                                              \
	X(thread, "thread", NULL, TEXT, 20, 1, w->by)                                              \
	X(excused, "excused", NULL, BOOL, 0, VMRT_DATA_GROUP, w->missed ? w->excused : -1)         \
	X(timeline, "# runs, = others run, - vCPU waits, | deadline", NULL, TEXT, STRIP + 2, 2,    \
		*strip ? strip : NULL)                                                             \
	X(largest, "parts of 1 % and more, ms", NULL, TEXT, PARTS, 3 + VMRT_PEOPLE_ONLY,           \
		w->largest)                                                                        \
	VMRT_DATA(X, parts, TEXT, w->parts)                                                        \
	VMRT_DATA(X, unsure_ns, NS, w->unsure_ns)                                                  \
	X(threads, "the longest first, ms", NULL, TEXT, PARTS, 4, w->threads)

static const struct vmrt_column worst_columns[] = {WORST_COLUMNS(VMRT_COLUMN)};

static const char *const histogram_titles[] = {"Response times: histogram"};

#define HISTOGRAM_COLUMNS(X)                                                                       \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY, task->marked)            \
	VMRT_DATA(X, task, TEXT, task->label)                                                      \
	X(from_ns, "from", "ms", NS, -1, 1, bins[i].from_ns)                                       \
	X(to_ns, "to below", "ms", NS, -1, 1, bins[i].to_ns)                                       \
	X(jobs, "jobs", NULL, COUNT, 0, 1, bins[i].n)                                              \
	X(bar, "", NULL, TEXT, BAR + MARK, 1 + VMRT_PEOPLE_ONLY, buf)

static const struct vmrt_column histogram_columns[] = {HISTOGRAM_COLUMNS(VMRT_COLUMN)};

static const char *const cdf_titles[] = {"Response times: so many jobs took at most"};

#define CDF_COLUMNS(X)                                                                             \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY, task->marked)            \
	VMRT_DATA(X, task, TEXT, task->label)                                                      \
	X(share_ratio, "jobs", "%", RATIO, 2, 1, shares[i] / 10000.)                               \
	X(response_ns, "response", "ms", NS, 3, 1, value)                                          \
	X(bar, "", NULL, TEXT, BAR, 1 + VMRT_PEOPLE_ONLY,                                          \
		bar((double)value / (double)s->values[s->n - 1], buf))

static const struct vmrt_column cdf_columns[] = {CDF_COLUMNS(VMRT_COLUMN)};

static void put_job(struct vmrt_table *table, const struct vmrt_run_facts *f,
	const struct vmrt_task_facts *task, const struct vmrt_worst_facts *w)
{
	bool timed = w->arrival_ns != VMRT_UNKNOWN && f->start_ns != VMRT_UNKNOWN;
	char strip[STRIP + 2];

	vmrt_worst_strip(w, STRIP, strip);
	WORST_COLUMNS(VMRT_CELL)
}

static bool has_times(const struct vmrt_task_facts *task)
{
	for (size_t i = 0; i < task->n_worst; i++)
		if (task->worst[i].n_segments)
			return true;
	return false;
}

static void put_worst(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_page_figure figure;
	struct vmrt_table *t = vmrt_doc_table(doc, "worst", worst_titles, worst_columns,
		ARRAY_SIZE(worst_columns), VMRT_TABLE_SPAN);

	for (size_t i = 0; i < f->n_tasks; i++)
		for (size_t j = 0; j < f->tasks[i].n_worst; j++)
			put_job(t, f, &f->tasks[i], &f->tasks[i].worst[j]);
	for (size_t i = 0; i < f->n_tasks; i++)
		if (f->filter.show & VMRT_SHOW_PICTURES && has_times(&f->tasks[i]) &&
			vmrt_page_figure_begin(&figure))
			vmrt_page_figure_end(&figure, t,
				vmrt_draw_worst(&figure.canvas, &f->tasks[i]),
				"Worst jobs of %s: it runs (blue), its vCPU runs others (green), "
				"waits "
				"(hatched); the red line is the deadline",
				f->tasks[i].label);
	for (size_t i = 0; i < f->n_tasks; i++)
		if (f->filter.show & VMRT_SHOW_PICTURES && f->tasks[i].responses.n &&
			vmrt_page_figure_begin(&figure))
			vmrt_page_figure_end(&figure, t,
				vmrt_draw_distribution(&figure.canvas, &f->tasks[i]),
				"Response times of %s: jobs (bars, left) and the share of them "
				"that "
				"took no longer (line, right)",
				f->tasks[i].label);
}

/* The bar for a share. The share may be negative, since a database from outside may have values
 * that are no times; then the bar is empty. */
static const char *bar(double share, char *buf)
{
	size_t n = share >= 1 ? BAR : share > 0 ? (size_t)(share * BAR + 0.5) : 0;

	/* every share above 0 has a bar that can be seen */
	n = share > 0 && !n ? 1 : n;
	memset(buf, '#', n);
	buf[n] = '\0';
	return buf;
}

static void put_histogram(
	struct vmrt_doc *doc, struct vmrt_table *table, const struct vmrt_task_facts *task)
{
	struct vmrt_bin *bins;
	size_t n = vmrt_histogram(&task->responses, &bins);
	int64_t most = 0;
	char buf[BAR + MARK + 1];

	if (task->responses.n && !n)
		vmrt_doc_fail(doc);
	for (size_t i = 0; i < n; i++)
		most = bins[i].n > most ? bins[i].n : most;
	for (size_t i = 0; i < n; i++) {
		bar((double)bins[i].n / (double)most, buf);
		if (bins[i].from_ns < task->deadline_ns && task->deadline_ns <= bins[i].to_ns)
			strcat(buf, " <deadline");
		HISTOGRAM_COLUMNS(VMRT_CELL)
	}
	free(bins);
}

static void put_cdf(struct vmrt_table *table, const struct vmrt_task_facts *task)
{
	static const unsigned shares[] = {
		1, 100, 500, 1000, 2500, 5000, 7500, 9000, 9500, 9900, 9990, 9999, 10000};
	const struct vmrt_samples *s = &task->responses;
	char buf[BAR + 1];

	for (size_t i = 0; s->n && i < ARRAY_SIZE(shares); i++) {
		size_t rank = vmrt_samples_rank(s->n, shares[i], 10000);
		int64_t value = s->values[rank - 1];

		/* if there are few jobs, most shares would show the same job again */
		if (i && i + 1 < ARRAY_SIZE(shares) &&
			rank == vmrt_samples_rank(s->n, shares[i - 1], 10000))
			continue;
		CDF_COLUMNS(VMRT_CELL)
	}
}

void report_jobs(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *t;

	put_worst(doc, f);
	if (f->filter.show & VMRT_SHOW_HISTOGRAM) {
		t = vmrt_doc_table(doc, "histogram", histogram_titles, histogram_columns,
			ARRAY_SIZE(histogram_columns), VMRT_TABLE_SPAN);
		for (size_t i = 0; i < f->n_tasks; i++)
			put_histogram(doc, t, &f->tasks[i]);
	}
	if (f->filter.show & VMRT_SHOW_CDF) {
		t = vmrt_doc_table(doc, "cdf", cdf_titles, cdf_columns, ARRAY_SIZE(cdf_columns),
			VMRT_TABLE_SPAN);
		for (size_t i = 0; i < f->n_tasks; i++)
			put_cdf(t, &f->tasks[i]);
	}
}
