/* SPDX-License-Identifier: MIT */
/* When tasks missed deadlines, over a whole run; and the worst jobs of a task. */
#include "figures.h"

#include <math.h>
#include <stdlib.h>

#define ROW 3.2 /* heights, in multiples of the text size */
#define BAR 2.3
#define TITLE 1.8
#define AXIS 3.4
#define BIN 2. /* width of a bin, CSS pixels */
#define BINS_MAX 4000

struct bin {
	double jobs, missed, unknown;
};

/* The time at which a job is shown: its begin or, if that is unknown, its end or its deadline. */
static int64_t time_of(const struct vmrt_tl_job *j)
{
	int64_t begin = vmrt_job_begin(j);

	return begin != VMRT_UNKNOWN ? begin : j->end != VMRT_UNKNOWN ? j->end : j->deadline;
}

static void count(
	const struct vmrt_timeline *tl, const struct vmrt_tl_task *t, struct bin *bins, size_t n)
{
	for (size_t j = 0; j < t->n_jobs; j++) {
		int64_t at = time_of(&t->jobs[j]);
		double share = (double)(at - tl->from) / (double)(tl->to - tl->from);
		struct bin *b;

		if (at == VMRT_UNKNOWN || at < tl->from || at > tl->to)
			continue;
		b = &bins[(size_t)fmin(share * (double)n, (double)(n - 1))];
		b->jobs++;
		b->missed += t->jobs[j].outcome == VMRT_OUTCOME_MISSED ||
			     t->jobs[j].outcome == VMRT_OUTCOME_INCOMPLETE;
		b->unknown += t->jobs[j].outcome == VMRT_OUTCOME_UNKNOWN;
	}
}

/* Draws a bar for each bin that has jobs: grey at full height, red from below for the share of jobs
 * that missed, and hatched above the red for the share of jobs whose outcome is unknown. */
static void draw_row(struct vmrt_svg *svg, const struct vmrt_plot *p, double base,
	const struct bin *bins, size_t n)
{
	double wide = (p->right - p->left) / (double)n, high = svg->font * BAR;

	for (int layer = 0; layer < 3; layer++) {
		vmrt_svg_path(svg, (const char *const[]){"n", "h", "m"}[layer]);
		for (size_t i = 0; i < n; i++) {
			double part = layer == 0      ? bins[i].jobs > 0
				      : !bins[i].jobs ? 0
				      : layer == 1
					      ? (bins[i].missed + bins[i].unknown) / bins[i].jobs
					      : bins[i].missed / bins[i].jobs;

			if (part <= 0 || (layer == 1 && !bins[i].unknown))
				continue;
			/* a box has a least height, so that one miss among thousands of jobs is
			 * seen */
			part = fmax(part, .12);
			vmrt_svg_box(svg, p->left + wide * (double)i, base - high * part, wide,
				high * part);
		}
		vmrt_svg_path_end(svg);
	}
	vmrt_svg_line(svg, "axis", p->left, base, p->right, base);
}

static void label(struct vmrt_svg *svg, const struct vmrt_plot *p, double base,
	const struct vmrt_tl_task *t, const struct bin *bins, size_t n)
{
	double f = svg->font;
	struct bin all = {0};
	char buf[256];

	for (size_t i = 0; i < n; i++) {
		all.jobs += bins[i].jobs;
		all.missed += bins[i].missed;
		all.unknown += bins[i].unknown;
	}
	vmrt_svg_text(svg, "", p->left - f * .5, base - f * 1.2, VMRT_END,
		vmrt_svg_fit(svg, t->label, p->left - f * .8, buf, sizeof(buf)));
	vmrt_svg_textf(svg, all.missed > 0 ? "tm" : "q", p->left - f * .5, base, VMRT_END,
		"%.0f of %.0f missed", all.missed, all.jobs);
}

static const struct legend legend[] = {
	{"jobs", 'b', "n"}, {"share missed", 'b', "m"}, {"unknown", 'b', "h"}};
#define LEGEND (sizeof(legend) / sizeof(legend[0]))

bool draw_misses(const struct vmrt_canvas *c, const struct vmrt_figure_run *runs, size_t n)
{
	double f = vmrt_svg_font(c->width), y = f * .4, height = f * (AXIS + .6), longest = 0;
	struct vmrt_svg svg;
	struct vmrt_plot p = {.svg = &svg};
	struct bin *bins;
	size_t rows = 0, n_bins;

	for (size_t r = 0; r < n; r++) {
		const struct vmrt_timeline *tl = runs[r].timeline;

		for (size_t i = 0; i < tl->n_tasks; i++)
			rows += tl->tasks[i].n_jobs > 0;
		height += f * (runs[r].label ? TITLE : 0);
		longest = fmax(longest, (double)(tl->to - tl->from) / 1e9);
	}
	height += f * ROW * (double)rows + legend_height(c->width, legend, LEGEND);
	bins = calloc(BINS_MAX, sizeof(*bins));
	if (!rows || !bins) {
		free(bins);
		return false;
	}
	vmrt_svg_begin(
		&svg, c->out, c->theme, c->width, height, "Missed deadlines over time", c->mm);
	p.left = fmin(f * 12, c->width * .34);
	p.right = c->width - f * 1.5;
	p.top = y;
	p.bottom = height - f * AXIS - legend_height(c->width, legend, LEGEND);
	p.x1 = longest;
	vmrt_plot_axis_x(&p, "time, s");
	for (size_t r = 0; r < n; r++) {
		const struct vmrt_timeline *tl = runs[r].timeline;
		struct vmrt_plot part = p;

		part.right = vmrt_plot_x(&p, (double)(tl->to - tl->from) / 1e9);
		n_bins = (size_t)fmin(fmax((part.right - part.left) / BIN, 1), BINS_MAX);
		if (runs[r].label) {
			vmrt_svg_text(&svg, "", p.left, y + f * 1.2, VMRT_START, runs[r].label);
			y += f * TITLE;
		}
		for (size_t i = 0; i < tl->n_tasks; i++) {
			if (!tl->tasks[i].n_jobs)
				continue;
			for (size_t b = 0; b < n_bins; b++)
				bins[b] = (struct bin){0};
			count(tl, &tl->tasks[i], bins, n_bins);
			draw_row(&svg, &part, y + f * (ROW - .4), bins, n_bins);
			label(&svg, &p, y + f * (ROW - .4), &tl->tasks[i], bins, n_bins);
			y += f * ROW;
		}
	}
	legend_draw(&svg, p.bottom + f * AXIS - f * .4, legend, LEGEND);
	vmrt_svg_end(&svg);
	free(bins);
	return true;
}

bool vmrt_draw_worst(const struct vmrt_canvas *c, const struct vmrt_task_facts *t)
{
	static const char *const classes[] = {"a", "c", "h"};
	double f = vmrt_svg_font(c->width), longest = 0;
	struct vmrt_svg svg;
	struct vmrt_plot p = {.svg = &svg};

	for (size_t i = 0; i < t->n_worst; i++)
		if (t->worst[i].n_segments)
			longest = fmax(
				longest, figure_ms(t->worst[i].end_ns - t->worst[i].arrival_ns));
	if (longest <= 0)
		return false;
	vmrt_svg_begin(&svg, c->out, c->theme, c->width, f * (1 + 2.1 * (double)t->n_worst + AXIS),
		"The worst jobs", c->mm);
	p.left = f * 6;
	p.right = c->width - f * 2;
	p.top = f * .5;
	p.bottom = f * (1 + 2.1 * (double)t->n_worst);
	p.x1 = longest;
	vmrt_plot_axis_x(&p, "time after the job's arrival, ms");
	for (size_t i = 0; i < t->n_worst; i++) {
		const struct vmrt_worst_facts *w = &t->worst[i];
		double top = f * (.8 + 2.1 * (double)i), x;

		vmrt_svg_textf(&svg, "q", p.left - f * .5, top + f * 1.1, VMRT_END, "job %lld",
			(long long)w->k);
		for (int class = 0; class < 3; class ++) {
			vmrt_svg_path(&svg, classes[class]);
			for (size_t g = 0; g < w->n_segments; g++) {
				if ((int)w->segments[g].state != class)
					continue;
				x = vmrt_plot_x(&p, figure_ms(w->segments[g].from_ns));
				vmrt_svg_box(&svg, x, top,
					fmax(vmrt_plot_x(&p, figure_ms(w->segments[g].to_ns)) - x,
						.1),
					f * 1.5);
			}
			vmrt_svg_path_end(&svg);
		}
		if (w->deadline_ns == VMRT_UNKNOWN || !w->n_segments ||
			figure_ms(w->deadline_ns - w->arrival_ns) > p.x1)
			continue;
		x = vmrt_plot_x(&p, figure_ms(w->deadline_ns - w->arrival_ns));
		vmrt_svg_line(&svg, "lm", x, top - f * .3, x, top + f * 1.8);
	}
	vmrt_svg_end(&svg);
	return true;
}
