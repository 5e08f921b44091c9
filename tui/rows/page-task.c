/* SPDX-License-Identifier: MIT */
/* The page of one task: its figures, a histogram with the deadline, its last jobs, the causes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pages.h"
#include "text.h"
#include "tui/model/responses.h"

#define BINS_MAX 40
#define SIDE_BY_SIDE 110 /* columns from which the last jobs are beside the histogram */
#define BLAME_LINES 4
#define FAR_FROM 4 /* lines from which a histogram may not reach to the deadline */

static void put_figures(const struct top_area *area, const struct top_task_row *t, int *y)
{
	static const char *const states[] = {
		"no job yet", "met", "MISSED", "unknown", "OVERDUE", "quiet", "not seen"};
	struct top_screen *screen = area->screen;
	char a[TOP_TEXT], b[TOP_TEXT], c[TOP_TEXT], d[TOP_TEXT];
	int x;

	x = top_say(screen, *y, 0, TOP_TITLE, "%s/%s", t->machine, t->name);
	x = top_say(screen, *y, x + 2, TOP_PLAIN, "period %s, WCET %s, deadline %s, ",
		vmrt_format_duration(t->period_ns, a), vmrt_format_duration(t->wcet_ns, b),
		vmrt_format_duration(t->deadline_ns, c));
	top_say(screen, (*y)++, x,
		t->state == TOP_TASK_MISSED || t->state == TOP_TASK_OVERDUE ? TOP_MISS : TOP_PLAIN,
		"%s", states[t->state]);
	top_text_percent(a, t->known ? (double)t->missed / (double)t->known : 0);
	x = top_say(screen, *y, 0, TOP_PLAIN, "jobs %" PRIu64 "   ", t->jobs);
	x = top_say(screen, *y, x, t->missed ? TOP_MISS : TOP_PLAIN, "missed %" PRIu64 " (%s %%)",
		t->missed, t->known ? a : "-");
	if (t->excused)
		x = top_say(screen, *y, x, TOP_PLAIN, ", excused %" PRIu64, t->excused);
	if (t->facts.longest_run > 1)
		x = top_say(
			screen, *y, x, TOP_PLAIN, ", %" PRId64 " in a row", t->facts.longest_run);
	top_say(screen, (*y)++, x, TOP_PLAIN, "   unknown %" PRIu64, t->unknown);
	top_text_ms(a, t->facts.response.min, 9);
	top_text_ms(b, vmrt_series_mean(&t->facts.response), 9);
	top_text_ms(c, t->p99_ns, 9);
	top_text_ms(d, t->max_ns, 9);
	x = top_say(screen, *y, 0, TOP_PLAIN, "response ms: least %s, mean %s, p99 %s%s, most %s",
		a, b, t->p99_approximate ? "~" : "", c, d);
	if (t->max_k != VMRT_UNKNOWN)
		x = top_say(screen, *y, x, TOP_PLAIN, " (job %" PRId64 ")", t->max_k);
	top_text_ms(a, vmrt_series_jitter(&t->facts.response), 9);
	top_text_ms(b, vmrt_series_jitter(&t->facts.release), 9);
	top_text_ms(c, vmrt_series_jitter(&t->facts.start), 9);
	++*y;
	top_say(screen, (*y)++, 0, TOP_PLAIN, "jitter ms: response %s, release %s, start %s", a, b,
		c);
}

/* ---- the histogram ---- */

struct bins {
	int64_t width_ns;
	uint64_t counts[BINS_MAX], most, all;
	int n;
	bool far; /* the deadline lies outside of the bins */
};

/* Returns a width with only one digit that is not zero, so that @n bins of this width reach beyond
 * @most. */
static int64_t nice_width(int64_t most, int n)
{
	static const int64_t steps[] = {1, 2, 3, 4, 5, 6, 8};
	int64_t unit = 1;

	while (unit <= most / n / 8)
		unit *= 10;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (unit * steps[i] > most / n)
			return unit * steps[i];
	return unit * 10;
}

/* Is the deadline so far away that all response times would be in one or two bins? */
static bool is_far(const struct top_task_row *t, int lines)
{
	return lines >= FAR_FROM && t->max_ns != VMRT_UNKNOWN && t->deadline_ns != VMRT_UNKNOWN &&
	       t->deadline_ns / 2 > t->max_ns;
}

/* Makes the bins. If the deadline is far away, the last line is kept free for it. */
static void make_bins(const struct top_task_row *t, int lines, struct bins *b)
{
	int64_t most = t->max_ns;

	memset(b, 0, sizeof(*b));
	b->far = is_far(t, lines);
	lines -= b->far;
	b->n = lines > BINS_MAX ? BINS_MAX : lines;
	if (!b->far && t->deadline_ns != VMRT_UNKNOWN && t->deadline_ns > most)
		most = t->deadline_ns;
	if (b->n < 1 || most == VMRT_UNKNOWN)
		return;
	/* times above one hour are not drawn to scale */
	if (most > 3600 * VMRT_NS_PER_S)
		most = 3600 * VMRT_NS_PER_S;
	b->width_ns = nice_width(most, b->n);
	for (size_t i = 0; t->buckets && i < TOP_BUCKETS; i++) {
		int64_t middle = top_bucket_from(i) + (top_bucket_to(i) - top_bucket_from(i)) / 2;
		int64_t bin = middle / b->width_ns;

		if (!t->buckets[i])
			continue;
		if (bin >= b->n)
			bin = b->n - 1;
		b->counts[bin] += t->buckets[i];
		b->all += t->buckets[i];
	}
	for (int i = 0; i < b->n; i++)
		if (b->counts[i] > b->most)
			b->most = b->counts[i];
	b->n = (int)(most / b->width_ns) + 1 < b->n ? (int)(most / b->width_ns) + 1 : b->n;
}

static void put_histogram(
	const struct top_area *area, const struct top_task_row *t, int y, int until, int width)
{
	struct bins b;
	char text[TOP_TEXT], from[TOP_TEXT];
	int bar = width - 20;

	make_bins(t, until - y - 1, &b);
	top_say(area->screen, y++, 0, TOP_HEAD, "  FROM ms  RESPONSE TIMES");
	for (int i = 0; i < b.n && y < until; i++, y++) {
		int64_t low = b.width_ns * i;
		bool deadline = t->deadline_ns != VMRT_UNKNOWN && t->deadline_ns >= low &&
				t->deadline_ns < low + b.width_ns;
		bool late = t->deadline_ns != VMRT_UNKNOWN && low >= t->deadline_ns;

		top_text_ms(from, low, 8);
		top_put(area->screen, y, 0, 9, true, TOP_DIM, from);
		if (deadline)
			top_put(area->screen, y, 9, 2, true, TOP_MISS, "D");
		if (b.counts[i])
			top_text_bar(text, (double)b.counts[i] / (double)b.most, bar,
				area->ui->ascii ? "#" : "\u2588", " ");
		else
			text[0] = '\0';
		top_put(area->screen, y, 11, bar, false, late ? TOP_MISS : TOP_RUN, text);
		snprintf(text, sizeof(text), "%" PRIu64 "%s", b.counts[i],
			late && b.counts[i] ? " M" : "  ");
		if (b.counts[i])
			top_put(area->screen, y, 11 + bar, 9, true, late ? TOP_MISS : TOP_PLAIN,
				text);
	}
	if (b.far && y < until) {
		top_text_ms(from, t->deadline_ns, 8);
		top_put(area->screen, y, 0, 9, true, TOP_DIM, from);
		top_put(area->screen, y, 9, 2, true, TOP_MISS, "D");
		top_put(area->screen, y, 12, bar - 1, false, TOP_DIM, "the deadline, not to scale");
	}
}

/* ---- causes ---- */

struct part {
	int index;
	int64_t ns;
};

static int largest_first(const void *a, const void *b)
{
	const struct part *p = a, *q = b;

	if (p->ns != q->ns)
		return p->ns < q->ns ? 1 : -1;
	return p->index - q->index;
}

int top_blame_bars(
	const struct top_area *area, int y, int until_y, const int64_t *blame_ns, int64_t total_ns)
{
	struct part parts[VMRT_BLAMES];
	int bar = area->screen->width - 48;

	if (bar > 60)
		bar = 60;
	for (int i = 0; i < VMRT_BLAMES; i++)
		parts[i] = (struct part){i, blame_ns[i]};
	qsort(parts, VMRT_BLAMES, sizeof(parts[0]), largest_first);
	for (int i = 0; i < VMRT_BLAMES && y < until_y && parts[i].ns > 0; i++, y++) {
		double share = total_ns > 0 ? (double)parts[i].ns / (double)total_ns : 0;
		char text[TOP_TEXT];

		top_put(area->screen, y, 0, 14, false,
			parts[i].index == VMRT_BLAME_EXEC ? TOP_PLAIN : TOP_MISS,
			vmrt_blame_name((enum vmrt_blame)parts[i].index));
		top_text_ms(text, parts[i].ns, 11);
		top_put(area->screen, y, 14, 11, true, TOP_PLAIN, text);
		top_put(area->screen, y, 26, 2, false, TOP_DIM, "ms");
		top_text_percent(text, share);
		top_put(area->screen, y, 29, 6, true, TOP_PLAIN, text);
		top_put(area->screen, y, 36, 1, false, TOP_DIM, "%");
		if (bar < 4)
			continue;
		top_text_bar(text, share, bar, area->ui->ascii ? "#" : "\u2588", " ");
		top_put(area->screen, y, 38, bar, false, TOP_RUN, text);
	}
	return y;
}

static void put_causes(const struct top_area *area, const struct top_task_row *t, int y, int until)
{
	bool missed = t->blamed_jobs[1] > 0;
	int64_t total = 0;

	for (int i = 0; i < VMRT_BLAMES; i++)
		total += t->blame_ns[missed][i];
	if (y >= until)
		return;
	top_say(area->screen, y++, 0, TOP_HEAD, "WHERE THE TIME OF %" PRIu64 "%s JOB%s WENT",
		t->blamed_jobs[missed], missed ? " MISSED" : "",
		t->blamed_jobs[missed] == 1 ? "" : "S");
	top_blame_bars(area, y, until, t->blame_ns[missed], total);
}

/* ---- the last jobs ---- */

static const char *outcome_words(enum vmrt_outcome outcome)
{
	switch (outcome) {
	case VMRT_OUTCOME_MET:
		return "= met";
	case VMRT_OUTCOME_MISSED:
		return "M missed";
	case VMRT_OUTCOME_MISSED_INCOMPLETE:
		return "M no end";
	case VMRT_OUTCOME_TRUNCATED:
		return "? cut";
	default:
		return "? unknown";
	}
}

/* Prints the last jobs, the newest first. */
static void put_jobs(
	const struct top_area *area, const struct top_task_row *t, int x, int y, int until)
{
	static const char *const heads[] = {
		"JOB", "AT", "RESP ms", "EXEC ms", "PRE", "OUTCOME", "CAUSE"};
	static const int widths[] = {6, 9, 7, 7, 3, 9, 12};
	struct top_screen *screen = area->screen;
	int at = x;

	if (y >= until)
		return;
	for (int c = 0; c < 7; at += widths[c++] + 1)
		top_put(screen, y, at, widths[c], c < 5, TOP_HEAD, heads[c]);
	y++;
	for (size_t i = t->n_recent; i-- > 0 && y < until; y++) {
		const struct top_job *j = &t->recent[i];
		bool missed = j->outcome == VMRT_OUTCOME_MISSED ||
			      j->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE;
		char text[7][TOP_TEXT];

		snprintf(text[0], TOP_TEXT, "%" PRId64, j->k);
		top_text_time(text[1], top_since(area->view, j->arrival_ns), 3);
		top_text_ms(text[2], j->response_ns, 7);
		top_text_ms(text[3], j->exec_ns, 7);
		snprintf(text[4], TOP_TEXT, "%d", j->preemptions);
		snprintf(text[5], TOP_TEXT, "%s", outcome_words(j->outcome));
		snprintf(text[6], TOP_TEXT, "%s%s",
			j->cause < 0 ? "" : vmrt_blame_name((enum vmrt_blame)j->cause),
			j->excused ? " (excused)" : "");
		at = x;
		for (int c = 0; c < 7; at += widths[c++] + 1)
			top_put(screen, y, at, widths[c], c < 5,
				missed && (c == 2 || c >= 5) ? TOP_MISS : TOP_PLAIN, text[c]);
	}
}

void top_page_task(const struct top_area *area)
{
	size_t task = area->ui->task;
	const struct top_task_row *t;
	int y = area->y, end = area->y + area->height, blame = 0, jobs_y;
	int width = area->screen->width;

	if (!area->view->n_tasks) {
		top_say(area->screen, y, 0, TOP_PLAIN,
			"No task is known%s: name some in an experiment file (-e).",
			area->ui->live ? " yet" : "");
		return;
	}
	if (task >= area->view->n_tasks)
		task = area->view->n_tasks - 1;
	t = &area->view->tasks[task];
	area->screen->kind = TOP_A_TASK;
	area->screen->index = task;
	put_figures(area, t, &y);
	y += area->height >= 16;
	for (int i = 0; i < VMRT_BLAMES; i++)
		blame += t->blame_ns[t->blamed_jobs[1] > 0][i] > 0;
	if (blame > BLAME_LINES && area->height < 30)
		blame = BLAME_LINES;
	blame = blame && area->height >= 12 ? blame + 1 : 0;
	if (width >= SIDE_BY_SIDE) {
		put_histogram(area, t, y, end - blame - 1, width - 64);
		put_jobs(area, t, width - 61, y, end - blame - 1);
	} else {
		jobs_y = end - blame - (end - blame - y) / 3;
		if (jobs_y < y + 2)
			jobs_y = end - blame;
		put_histogram(area, t, y, jobs_y, width);
		put_jobs(area, t, 0, jobs_y, end - blame);
	}
	if (blame)
		put_causes(area, t, end - blame, end);
}
