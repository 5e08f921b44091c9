/* SPDX-License-Identifier: MIT */
/* Where the time of jobs went: a bar for each task and run, of all jobs and of those that missed.
 */
#include "figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/rundb.h>

#define ROW 2.9 /* heights, in multiples of the text size */
#define BAR 1.7
#define TITLE 1.8
#define AXIS 3.4
#define BARS_MAX 512

/* The parts of response times (docs/run-db.md), put together into as many groups as a reader can
 * distinguish. A bar shows the groups in this order. */
static const struct {
	const char *words, *class, *parts;
} groups[] = {
	{"own execution", "a", " exec "},
	{"own overrun", "m", " overrun "},
	{"other threads of the guest", "c", " interference guest_overrun blocking "},
	{"no budget", "b", " budget "},
	{"other servers", "d", " server "},
	{"host threads", "n", " host_thread throttling "},
	{"steal, interrupts, VMM, late release", "h", " steal irq vmm release "},
	{"unknown", "o", ""},
};
#define GROUPS (sizeof(groups) / sizeof(groups[0]))

struct bar {
	char label[128];
	/* the run, if this is the first bar of several runs' bars; NULL: it is another bar of the
	 * run, or there is one run only */
	const char *run;
	bool missed;	   /* the bar is about jobs that missed their deadline only */
	double ms[GROUPS]; /* of one job, on average */
	double jobs;
};

static size_t group_of(const char *part)
{
	char word[40];

	snprintf(word, sizeof(word), " %s ", part ? part : "");
	for (size_t i = 0; part && i + 1 < GROUPS; i++)
		if (strstr(groups[i].parts, word))
			return i;
	return GROUPS - 1;
}

/* The jobs that a bar counts: those that arrived in the part of the run that was asked for, and
 * among these the jobs that missed their deadlines. Without a condition, a bar counts all jobs of
 * the task. */
#define OF_A_TIME                                                                                  \
	" JOIN job j ON j.task = b.task AND j.k = b.k WHERE b.task = ?1"                           \
	" AND coalesce(j.arrival_ns, ?2) >= ?2 AND coalesce(j.arrival_ns, ?2) < ?3"
#define OF_MISSES OF_A_TIME " AND j.outcome IN ('missed', 'missed_incomplete')"
#define PARTS "SELECT b.part, sum(b.ns) FROM blame b"
#define JOBS "SELECT count(DISTINCT b.k) FROM blame b"

/* Computes the mean parts of the time of the jobs of a task. */
static enum vmrt_status load_bar(struct vmrt_db *db, const struct vmrt_run_facts *f, int64_t task,
	struct bar *bar, struct vmrt_error *err)
{
	static const struct {
		const char *parts, *jobs;
	} queries[] = {
		{PARTS " WHERE b.task = ?1 GROUP BY 1", JOBS " WHERE b.task = ?1"},
		{PARTS OF_A_TIME " GROUP BY 1", JOBS OF_A_TIME},
		{PARTS OF_MISSES " GROUP BY 1", JOBS OF_MISSES},
	};
	size_t which = bar->missed ? 2 : vmrt_filter_times(&f->filter);
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err, queries[which].parts);
	vmrt_query_bind(&q, 1, task);
	if (which)
		vmrt_query_span(&q, 2, f);
	while (vmrt_query_next(&q)) {
		size_t g = group_of(vmrt_query_string(&q, 0));

		bar->ms[g] += (double)vmrt_query_int(&q, 1) / 1e6;
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	vmrt_query_begin(&q, db, err, queries[which].jobs);
	vmrt_query_bind(&q, 1, task);
	if (which)
		vmrt_query_span(&q, 2, f);
	if (vmrt_query_next(&q))
		bar->jobs = (double)vmrt_query_int(&q, 0);
	for (size_t g = 0; g < GROUPS && bar->jobs > 0; g++)
		bar->ms[g] /= bar->jobs;
	return vmrt_query_end(&q);
}

static enum vmrt_status load_bars(const struct vmrt_figure_run *runs, size_t n, struct bar *bars,
	size_t *n_bars, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t r = 0; status == VMRT_OK && r < n; r++) {
		const struct vmrt_run_facts *f = runs[r].facts;
		const char *title = runs[r].label;
		struct vmrt_db *db;

		status = vmrt_db_open(runs[r].origin, &db, err);
		for (size_t i = 0; status == VMRT_OK && i < f->n_tasks; i++) {
			const struct vmrt_task_facts *t = &f->tasks[i];

			for (int missed = 0; status == VMRT_OK && missed < 2; missed++) {
				struct bar *bar = &bars[*n_bars];

				if (!t->selected || *n_bars == BARS_MAX ||
					(missed && !vmrt_task_missed(t)))
					continue;
				*bar = (struct bar){.missed = missed};
				snprintf(bar->label, sizeof(bar->label), "%s", t->label);
				status = load_bar(db, f, t->id, bar, err);
				if (bar->jobs <= 0)
					continue;
				bar->run = title;
				title = NULL;
				++*n_bars;
			}
		}
		vmrt_db_close(db);
	}
	return status;
}

static double total(const struct bar *bar)
{
	double ms = 0;

	for (size_t g = 0; g < GROUPS; g++)
		ms += fmax(bar->ms[g], 0);
	return ms;
}

static void draw_bar(
	struct vmrt_svg *svg, const struct vmrt_plot *p, const struct bar *bar, double y)
{
	double f = svg->font, share = 0, all = total(bar);
	char words[192], buf[256];

	vmrt_svg_text(svg, "", p->left - f * .5, y + f * .9, VMRT_END,
		vmrt_svg_fit(svg, bar->label, p->left - f * .8, buf, sizeof(buf)));
	vmrt_svg_textf(svg, "q", p->left - f * .5, y + f * 2.05, VMRT_END, "%.0f%s job%s",
		bar->jobs, bar->missed ? " missed" : "", bar->jobs == 1 ? "" : "s");
	for (size_t g = 0; g < GROUPS; g++) {
		double part = all > 0 ? 100 * fmax(bar->ms[g], 0) / all : 0;
		double x = vmrt_plot_x(p, share), wide = vmrt_plot_x(p, share + part) - x;

		if (part <= 0)
			continue;
		snprintf(words, sizeof(words), "%s: %.3f ms", groups[g].words, bar->ms[g]);
		if (!strcmp(groups[g].class, "h"))
			vmrt_svg_rect(svg, "o", x, y + f * .2, wide, f * BAR, NULL);
		vmrt_svg_rect(svg, groups[g].class, x, y + f * .2, wide, f * BAR, words);
		share += part;
	}
	vmrt_svg_textf(svg, "q", p->right + f * .5, y + f * 1.4, VMRT_START,
		all < 999.5 ? "%.3g ms" : "%.0f ms", all);
}

/* Has any bar a part of group @g that is large enough to be seen? */
static bool has_group(const struct bar *bars, size_t n, size_t g)
{
	for (size_t i = 0; i < n; i++)
		if (bars[i].ms[g] > total(&bars[i]) / 1000)
			return true;
	return false;
}

enum vmrt_status draw_blame(const struct vmrt_canvas *c, const struct vmrt_figure_run *runs,
	size_t n, struct vmrt_error *err)
{
	struct bar *bars = calloc(BARS_MAX + 1, sizeof(*bars));
	double f = vmrt_svg_font(c->width), rows = .6, y = .4, longest = 0;
	struct legend legend[GROUPS];
	struct vmrt_svg svg;
	struct vmrt_plot p = {.svg = &svg, .x1 = 100};
	size_t n_bars = 0, n_legend = 0;
	enum vmrt_status status;

	if (!bars)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = load_bars(runs, n, bars, &n_bars, err);
	if (status == VMRT_OK && !n_bars)
		status = vmrt_fail(err, VMRT_ENOENT,
			"%s has nothing to draw: no job whose time is known", runs[0].origin);
	if (status != VMRT_OK) {
		free(bars);
		return status;
	}
	for (size_t g = 0; g < GROUPS; g++)
		if (has_group(bars, n_bars, g))
			legend[n_legend++] = (struct legend){groups[g].words, 'b', groups[g].class};
	for (size_t i = 0; i < n_bars; i++) {
		rows += ROW + (bars[i].run ? TITLE : 0);
		longest = fmax(longest, vmrt_svg_text_width(f, bars[i].label));
	}
	vmrt_svg_begin(&svg, c->out, c->theme, c->width,
		f * (rows + AXIS) + legend_height(c->width, legend, n_legend),
		"Where the time of jobs went", c->mm);
	p.left = fmax(f * 9, fmin(longest, c->width / 3) + f * .8);
	p.right = c->width - f * 5.5;
	p.top = f * .3;
	p.bottom = f * rows;
	vmrt_plot_axis_x(&p, "share of the mean response time, %");
	for (size_t i = 0; i < n_bars; i++) {
		if (bars[i].run) {
			vmrt_svg_text(&svg, "", p.left, f * (y + 1.1), VMRT_START, bars[i].run);
			y += TITLE;
		}
		draw_bar(&svg, &p, &bars[i], f * y);
		y += ROW;
	}
	legend_draw(&svg, p.bottom + f * AXIS - f * .4, legend, n_legend);
	vmrt_svg_end(&svg);
	free(bars);
	return VMRT_OK;
}
