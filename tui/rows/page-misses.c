/* SPDX-License-Identifier: MIT */
/* The list of misses, and the sheet that shows where the time of one of them went. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"
#include "pages.h"
#include "text.h"

#define GUTTER 2
#define FIRST (GUTTER + 12) /* first of the columns whose width depends on the screen */
#define CAUSE_WIDTH 13
#define WITH_ALL 40 /* screen columns for all fields behind the name, without BY */
#define STRIP_MAX 160
#define THREADS_SHOWN 8
#define SUMMARY_FROM 10 /* an area of at least this height has a line with the causes */

enum { SORT_TIME, SORT_LATENESS, SORT_TASK, SORTS };

const char *top_thread_text(
	const struct top_view *view, uint32_t thread, uint32_t machine, char *out)
{
	const struct top_thread *t = thread < view->n_threads ? &view->threads[thread] : NULL;
	const char *name = "";

	out[0] = '\0';
	if (!t || !t->comm[0])
		return out;
	if (t->machine != machine && t->machine < view->n_machines)
		name = view->machines[t->machine].name;
	snprintf(out, TOP_TEXT, "%s%s%.16s/%d", name, name[0] ? ":" : "", t->comm, t->tid);
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '?';
	return out;
}

/* Returns the thread that ran most in the part of the response time that is the cause. */
static uint32_t culprit(const struct top_miss *miss)
{
	for (size_t i = 0; i < miss->n_blamed; i++)
		if ((int)miss->blamed[i].part == miss->job.cause)
			return miss->blamed[i].thread;
	return VMRT_NONE;
}

/* The name of this thread without its machine, since the cause says whether the thread runs on the
 * host. */
static const char *culprit_text(const struct top_view *view, const struct top_miss *miss, char *out)
{
	uint32_t thread = culprit(miss);

	return top_thread_text(
		view, thread, thread < view->n_threads ? view->threads[thread].machine : 0, out);
}

static const struct top_task_row *task_of(const struct top_view *view, const struct top_miss *miss)
{
	return miss->job.task < view->n_tasks ? &view->tasks[miss->job.task] : NULL;
}

static const char *cause_words(const struct top_miss *miss)
{
	return miss->job.cause < 0 ? "unknown" : vmrt_blame_name((enum vmrt_blame)miss->job.cause);
}

struct sorting {
	const struct top_view *view;
	int by;
	bool invert;
};

static int compare(const void *a, const void *b, void *ctx)
{
	const struct sorting *s = ctx;
	const struct top_miss *x = &s->view->misses[*(const size_t *)a],
			      *y = &s->view->misses[*(const size_t *)b];
	int order = 0;

	if (s->by == SORT_TIME)
		order = (x->job.deadline_ns < y->job.deadline_ns) -
			(x->job.deadline_ns > y->job.deadline_ns);
	else if (s->by == SORT_LATENESS)
		order = (x->job.tardiness_ns < y->job.tardiness_ns) -
			(x->job.tardiness_ns > y->job.tardiness_ns);
	else if (s->by == SORT_TASK)
		order = (x->job.task > y->job.task) - (x->job.task < y->job.task);
	if (!order) /* the newest first */
		order = (x->number < y->number) - (x->number > y->number);
	return s->invert ? -order : order;
}

size_t top_misses_order(const struct top_view *view, const struct top_ui *ui, size_t *out)
{
	struct sorting s = {view, ui->misses_sort % SORTS, ui->misses_invert};
	size_t n = 0;

	for (size_t i = 0; i < view->n_misses; i++) {
		const struct top_task_row *t = task_of(view, &view->misses[i]);
		char name[VMRT_NAME_MAX + VMRT_COMM_MAX + 32];

		if (!t)
			continue;
		snprintf(name, sizeof(name), "%s/%s %s", t->machine, t->name,
			cause_words(&view->misses[i]));
		if (!ui->filter[0] || strcasestr(name, ui->filter))
			out[n++] = i;
	}
	qsort_r(out, n, sizeof(*out), compare, &s);
	return n;
}

/* The places of the columns; 0: there is no room for the column. */
struct places {
	int name; /* width of the column NAME */
	int job, late, resp, cause, by;
};

/* TIME, TASK and CAUSE are always shown. If there is room, the lateness comes next, then the job,
 * then the response time. */
static struct places make_places(int width)
{
	struct places p = {0};
	int x = FIRST, left;

	p.name = width - FIRST - WITH_ALL;
	p.name = p.name > 36 ? 24 : p.name > 20 ? 14 : 8;
	x += p.name + 1;
	left = width - x - CAUSE_WIDTH;
	if (left >= 9 + 7)
		p.job = x;
	x += p.job ? 7 : 0;
	if (left >= 9)
		p.late = x;
	x += p.late ? 9 : 0;
	if (left >= 9 + 7 + 10)
		p.resp = x;
	x += p.resp ? 10 : 0;
	p.cause = x;
	if (width - x - CAUSE_WIDTH > 8)
		p.by = x + CAUSE_WIDTH + 1;
	return p;
}

static void put_column(
	const struct top_area *area, int y, int x, int width, enum top_attr attr, const char *text)
{
	if (x)
		top_put(area->screen, y, x, width, true, attr, text);
}

static void put_head(const struct top_area *area, int y, const struct places *p)
{
	int sort = area->ui->misses_sort % SORTS;
	/* names are sorted upwards, times and lateness downwards, unless the order is inverted */
	const char *mark = (sort == SORT_TASK) != area->ui->misses_invert ? "^" : "v";
	const int behind[SORTS] = {GUTTER + 9, p->late ? p->late + 8 : 0, FIRST + 4};
	struct top_screen *screen = area->screen;

	top_put(screen, y, GUTTER, 9, true, TOP_HEAD, "TIME");
	top_put(screen, y, FIRST, 4, false, TOP_HEAD, "TASK");
	put_column(area, y, p->job, 6, TOP_HEAD, "JOB");
	put_column(area, y, p->late, 8, TOP_HEAD, "LATE ms");
	put_column(area, y, behind[sort], 1, TOP_HEAD, mark);
	put_column(area, y, p->resp, 8, TOP_HEAD, "RESP ms");
	top_put(screen, y, p->cause, CAUSE_WIDTH, false, TOP_HEAD, "CAUSE");
	if (p->by)
		top_put(screen, y, p->by, screen->width - p->by, false, TOP_HEAD, "BY");
}

static void put_miss(
	const struct top_area *area, const struct top_miss *miss, int y, const struct places *p)
{
	const struct top_task_row *t = task_of(area->view, miss);
	struct top_screen *screen = area->screen;
	char text[TOP_TEXT], full[VMRT_NAME_MAX + VMRT_COMM_MAX + 1], time[VMRT_UNITS_TEXT];

	top_put(screen, y, GUTTER, 9, true, TOP_PLAIN,
		top_text_time(time, top_since(area->view, miss->job.deadline_ns), 3));
	if (miss->number > area->view->seen_misses)
		top_put(screen, y, GUTTER + 10, 1, false, TOP_MISS, "*");
	snprintf(full, sizeof(full), "%s/%s", t->machine, t->name);
	top_text_name(text, top_columns(full) > p->name ? t->name : full, p->name);
	top_put(screen, y, FIRST, p->name, false, TOP_PLAIN, text);
	snprintf(text, sizeof(text), "%" PRId64, miss->job.k);
	put_column(area, y, p->job, 6, TOP_PLAIN, text);
	if (miss->job.outcome == VMRT_OUTCOME_MISSED_INCOMPLETE)
		snprintf(text, sizeof(text), "no end");
	else
		top_text_ms(text, miss->job.tardiness_ns, 8);
	put_column(area, y, p->late, 8, TOP_MISS, text);
	top_text_ms(text, miss->job.response_ns, 8);
	put_column(area, y, p->resp, 8, TOP_PLAIN, text);
	snprintf(text, sizeof(text), "%s%s", cause_words(miss), miss->job.excused ? " e" : "");
	top_put(screen, y, p->cause, CAUSE_WIDTH, false, TOP_PLAIN, text);
	if (p->by)
		top_put(screen, y, p->by, screen->width - p->by, false, TOP_PLAIN,
			culprit_text(area->view, miss, text));
}

/* Prints how many misses are listed, and the number of misses for each cause, the most frequent one
 * first. */
static void put_summary(const struct top_area *area, const size_t *order, size_t n, int y)
{
	const struct top_view *view = area->view;
	size_t counts[VMRT_BLAMES + 1] = {0}, excused = 0;
	int x;

	for (size_t i = 0; i < n; i++) {
		const struct top_job *job = &view->misses[order[i]].job;

		counts[job->cause < 0 ? VMRT_BLAMES : job->cause]++;
		excused += job->excused;
	}
	x = top_say(area->screen, y, 0, TOP_PLAIN,
		"%s%zu miss%s:", view->n_misses == TOP_MISSES_MAX ? "the last " : "", n,
		n == 1 ? "" : "es");
	for (;;) {
		int most = 0;

		for (int i = 1; i <= VMRT_BLAMES; i++)
			most = counts[i] > counts[most] ? i : most;
		if (!counts[most])
			break;
		x = top_say(area->screen, y, x, TOP_MISS, "  %s",
			most == VMRT_BLAMES ? "unknown" : vmrt_blame_name((enum vmrt_blame)most));
		x = top_say(area->screen, y, x, TOP_PLAIN, " %zu", counts[most]);
		counts[most] = 0;
	}
	if (excused)
		top_say(area->screen, y, x, TOP_PLAIN, "  (e: %zu excused)", excused);
}

void top_page_misses(const struct top_area *area)
{
	size_t *order = calloc(area->view->n_misses + 1, sizeof(*order)), n;
	int cursor = area->ui->cursor[TOP_PAGE_MISSES], shown = area->height - 1, first;
	struct places places = make_places(area->screen->width);
	int y = area->y;

	if (!order) {
		area->screen->failed = true;
		return;
	}
	n = top_misses_order(area->view, area->ui, order);
	if (cursor >= (int)n)
		cursor = (int)n - 1;
	if (n && area->height >= SUMMARY_FROM) {
		put_summary(area, order, n, y);
		y += 2;
		shown -= 2;
	}
	first = top_list_window(cursor, (int)n, shown);
	if (n)
		put_head(area, y, &places);
	for (int i = 0; i < shown && first + i < (int)n; i++) {
		if (first + i == cursor)
			top_gutter(area->screen, y + 1 + i);
		put_miss(area, &area->view->misses[order[first + i]], y + 1 + i, &places);
	}
	if (!n)
		top_say(area->screen, area->y, 0, TOP_PLAIN, "%s",
			area->view->n_misses ? "No miss fits the filter."
					     : "No job is known to have missed its deadline.");
	area->screen->rows = (int)n;
	area->screen->page_rows = shown;
	if (cursor >= 0) {
		area->screen->kind = TOP_A_MISS;
		area->screen->index = order[cursor];
	}
	free(order);
}

/* ---- one miss ---- */

/* Draws the time of the job from arrival to end as one line: where the task ran, where its vCPU ran
 * something else, and where the vCPU did not run. */
static int put_strip(const struct top_area *area, const struct top_miss *miss, int y)
{
	struct top_lane lane = {.kind = TOP_LANE_TASK, .server = SIZE_MAX, .task = miss->job.task};
	struct top_lane_cell cells[STRIP_MAX];
	int64_t from = miss->job.arrival_ns, to = miss->job.end_ns, known;
	int width = area->screen->width - 2;
	char text[TOP_TEXT] = "";
	bool passed = false;

	known = top_lane_known_from(area->view);
	if (from == VMRT_UNKNOWN || to == VMRT_UNKNOWN || to <= from ||
		(known != VMRT_UNKNOWN && from < known))
		return y;
	if (width > STRIP_MAX)
		width = STRIP_MAX;
	top_lane_fill(area->view, &lane, from, to, cells, (size_t)width);
	for (int i = 0; i < width; i++) {
		int64_t at = from + (int64_t)((double)(to - from) * (i + 1) / width);
		const struct top_lane_cell *c = &cells[i];

		if (!passed && miss->job.deadline_ns != VMRT_UNKNOWN &&
			at > miss->job.deadline_ns) {
			passed = true;
			strcat(text, "|");
			continue;
		}
		strcat(text, c->run_ns && c->run_ns >= c->soft_ns ? "#"
			     : c->soft_ns			  ? "="
			     : c->wait_ns			  ? "-"
								  : ".");
	}
	top_put(area->screen, y, 0, width, false, TOP_PLAIN, text);
	top_say(area->screen, y + 1, 0, TOP_DIM,
		"# runs  = its vCPU does not  - others run  . sleeps  | deadline");
	return y + 3;
}

static int put_threads(const struct top_area *area, const struct top_miss *miss, int y, int end)
{
	const struct top_task_row *t = task_of(area->view, miss);
	uint32_t machine = t->machine_index == VMRT_NONE ? 0 : t->machine_index;

	if (!miss->n_blamed || y + 1 >= end)
		return y;
	top_say(area->screen, y++, 0, TOP_HEAD, "WHO RAN WHILE IT WAITED");
	for (size_t i = 0; i < miss->n_blamed && i < THREADS_SHOWN && y < end; i++, y++) {
		char text[TOP_TEXT], ms[TOP_TEXT];

		top_thread_text(area->view, miss->blamed[i].thread, machine, text);
		top_text_ms(ms, miss->blamed[i].ns, 11);
		top_put(area->screen, y, 0, 14, false, TOP_PLAIN,
			vmrt_blame_name(miss->blamed[i].part));
		top_put(area->screen, y, 14, 11, true, TOP_PLAIN, ms);
		top_put(area->screen, y, 26, 2, false, TOP_DIM, "ms");
		top_put(area->screen, y, 30, 40, false, TOP_PLAIN, text[0] ? text : "?");
	}
	return y + 1;
}

void top_sheet_split(const struct top_area *area)
{
	const struct top_view *view = area->view;
	const struct top_miss *miss = NULL;
	const struct top_task_row *t;
	int y = area->y, end = area->y + area->height;
	char resp[TOP_TEXT], late[TOP_TEXT], exec[TOP_TEXT], at[VMRT_UNITS_TEXT];

	for (size_t i = 0; i < view->n_misses; i++)
		if (view->misses[i].number == area->ui->miss)
			miss = &view->misses[i];
	if (!miss || !(t = task_of(view, miss))) {
		top_say(area->screen, y, 0, TOP_PLAIN,
			"This miss is too long ago: it is forgotten.");
		return;
	}
	area->screen->kind = TOP_A_MISS;
	area->screen->index = (size_t)(miss - view->misses);
	top_text_ms(resp, miss->job.response_ns, 11);
	top_text_ms(late, miss->job.tardiness_ns, 11);
	top_text_ms(exec, miss->job.exec_ns, 11);
	top_say(area->screen, y++, 0, TOP_TITLE, "%s/%s job %" PRId64 ", arrived at %s", t->machine,
		t->name, miss->job.k, top_text_time(at, top_since(view, miss->job.arrival_ns), 6));
	top_say(area->screen, y++, 0, TOP_PLAIN,
		"response %s ms, %s ms late, executed %s ms; preempted %d, migrated %d", resp, late,
		exec, miss->job.preemptions, miss->job.migrations);
	top_say(area->screen, y++, 0, TOP_MISS, "cause: %s%s", cause_words(miss),
		miss->job.excused ? " (excused: docs/metrics.md)" : "");
	if (miss->unsure_ns > 0)
		top_say(area->screen, y++, 0, TOP_DIM,
			"its parts are exact to %s, for the clock of its guest has an error",
			vmrt_format_duration(miss->unsure_ns, late));
	y++;
	y = put_strip(area, miss, y);
	if (y < end)
		top_say(area->screen, y++, 0, TOP_HEAD, "WHERE ITS TIME WENT");
	y = top_blame_bars(area, y, end, miss->job.blame_ns, miss->job.response_ns) + 1;
	put_threads(area, miss, y, end);
}
