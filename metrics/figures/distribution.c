/* SPDX-License-Identifier: MIT */
/* How response times are distributed: cumulative distribution and histogram, with the deadline. */
#include "figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PLOT 13. /* height of one plot, in multiples of the text size */
#define TITLE 1.9
#define AXIS 3.2
#define POINTS 400 /* points of a distribution's line */
#define BINS 40	   /* bins of a histogram */

/* The selected task of a run that has this label, or NULL. */
static const struct vmrt_task_facts *find(const struct vmrt_figure_run *run, const char *label)
{
	for (size_t i = 0; i < run->facts->n_tasks; i++)
		if (run->facts->tasks[i].selected && !strcmp(run->facts->tasks[i].label, label))
			return run->facts->tasks[i].responses.n ? &run->facts->tasks[i] : NULL;
	return NULL;
}

/* Has task @t of run @r response times, and does no earlier run have a task of this label? */
static bool is_new(const struct vmrt_figure_run *runs, size_t r, const struct vmrt_task_facts *t)
{
	if (!t->selected || !t->responses.n)
		return false;
	for (size_t i = 0; i < r; i++)
		if (find(&runs[i], t->label))
			return false;
	return true;
}

static size_t count_tasks(const struct vmrt_figure_run *runs, size_t n)
{
	size_t tasks = 0;

	for (size_t r = 0; r < n; r++)
		for (size_t i = 0; i < runs[r].facts->n_tasks; i++)
			tasks += is_new(runs, r, &runs[r].facts->tasks[i]);
	return tasks;
}

/* The end of the axis: the longest response of all runs, or a little beyond the deadline. */
static double axis_end(const struct vmrt_figure_run *runs, size_t n, const char *label)
{
	double end = 0;

	for (size_t r = 0; r < n; r++) {
		const struct vmrt_task_facts *t = find(&runs[r], label);

		if (!t)
			continue;
		end = fmax(end, figure_ms(t->responses.values[t->responses.n - 1]));
		if (t->deadline_ns != VMRT_UNKNOWN)
			end = fmax(end, figure_ms(t->deadline_ns) * 1.05);
	}
	return end > 0 ? end * 1.01 : 1;
}

static void deadline(const struct vmrt_plot *p, const struct vmrt_task_facts *t)
{
	double f = p->svg->font, x;
	bool left;

	if (t->deadline_ns == VMRT_UNKNOWN || figure_ms(t->deadline_ns) < p->x0 ||
		figure_ms(t->deadline_ns) > p->x1)
		return;
	x = vmrt_plot_x(p, figure_ms(t->deadline_ns));
	left = x > (p->left + p->right) / 2;
	vmrt_svg_line(p->svg, "lm dash", x, p->top, x, p->bottom);
	vmrt_svg_text(p->svg, "tm", x + (left ? -f * .4 : f * .4), p->top + f * 1.1,
		left ? VMRT_END : VMRT_START, "deadline");
}

static void cdf_line(const struct vmrt_plot *p, const struct vmrt_samples *s, const char *class)
{
	vmrt_svg_path(p->svg, class);
	vmrt_svg_move(p->svg, vmrt_plot_x(p, figure_ms(s->values[0])), vmrt_plot_y(p, 0));
	for (size_t i = 0; i <= POINTS; i++) {
		size_t rank = (size_t)((double)(s->n - 1) * (double)i / POINTS);

		vmrt_svg_to(p->svg, vmrt_plot_x(p, figure_ms(s->values[rank])),
			vmrt_plot_y(p, 100 * (double)(rank + 1) / (double)s->n));
	}
	vmrt_svg_to(p->svg, vmrt_plot_x(p, p->x1), vmrt_plot_y(p, 100));
	vmrt_svg_path_end(p->svg);
}

bool draw_cdf(const struct vmrt_canvas *c, const struct vmrt_figure_run *runs, size_t n)
{
	double f = vmrt_svg_font(c->width), y = 0;
	size_t tasks = count_tasks(runs, n), n_legend = n > 1 ? n : 0;
	struct legend legend[VMRT_FIGURE_RUNS];
	struct vmrt_svg svg;

	if (!tasks)
		return false;
	for (size_t r = 0; r < n_legend; r++)
		legend[r] = (struct legend){runs[r].label, 'l', figure_line_class(r)};
	vmrt_svg_begin(&svg, c->out, c->theme, c->width,
		f * (TITLE + PLOT + AXIS) * (double)tasks +
			legend_height(c->width, legend, n_legend),
		"Cumulative distribution of response times", c->mm);
	for (size_t r = 0; r < n; r++) {
		for (size_t i = 0; i < runs[r].facts->n_tasks; i++) {
			const struct vmrt_task_facts *t = &runs[r].facts->tasks[i];
			struct vmrt_plot p = {.svg = &svg, .y1 = 100};

			if (!is_new(runs, r, t))
				continue;
			figure_place(&p, y, TITLE, PLOT);
			p.x1 = axis_end(runs, n, t->label);
			vmrt_svg_text(&svg, "", p.left, y + f * 1.3, VMRT_START, t->label);
			vmrt_plot_axis_x(&p, "response time, ms");
			vmrt_plot_axis_y(&p, "jobs, %");
			for (size_t k = 0; k < n; k++) {
				const struct vmrt_task_facts *other = find(&runs[k], t->label);

				if (other)
					cdf_line(&p, &other->responses, figure_line_class(k));
			}
			deadline(&p, t);
			y = p.bottom + f * AXIS;
		}
	}
	legend_draw(&svg, y, legend, n_legend);
	vmrt_svg_end(&svg);
	return true;
}

/* Draws bins of equal width. Bins of late jobs have another colour, so that a miss is seen. */
static void histogram(struct vmrt_plot *p, const struct vmrt_task_facts *t, double width)
{
	const struct vmrt_samples *s = &t->responses;
	size_t counts[BINS + 4] = {0}, most = 1;
	double due = t->deadline_ns == VMRT_UNKNOWN ? INFINITY : figure_ms(t->deadline_ns);

	for (size_t i = 0; i < s->n; i++) {
		double bin = floor(figure_ms(s->values[i]) / width);
		size_t k = bin < 0 ? 0 : bin > BINS + 3 ? BINS + 3 : (size_t)bin;

		counts[k]++;
		most = counts[k] > most ? counts[k] : most;
	}
	p->y1 = (double)most * 1.05;
	vmrt_plot_axis_x(p, NULL);
	vmrt_plot_axis_y(p, "jobs");
	for (int late = 0; late < 2; late++) {
		vmrt_svg_path(p->svg, late ? "m" : "a");
		for (size_t k = 0; k < BINS + 4; k++)
			if (counts[k] && (width * (double)k >= due) == late)
				vmrt_plot_box(p, width * (double)k, 0, width * (double)(k + 1),
					(double)counts[k]);
		vmrt_svg_path_end(p->svg);
	}
}

bool draw_histogram(const struct vmrt_canvas *c, const struct vmrt_figure_run *runs, size_t n)
{
	double f = vmrt_svg_font(c->width), y = 0;
	struct vmrt_svg svg;
	size_t plots = 0;

	for (size_t r = 0; r < n; r++)
		for (size_t i = 0; i < runs[r].facts->n_tasks; i++)
			plots += runs[r].facts->tasks[i].selected &&
				 runs[r].facts->tasks[i].responses.n;
	if (!plots)
		return false;
	vmrt_svg_begin(&svg, c->out, c->theme, c->width,
		f * (TITLE + PLOT + 1.6) * (double)plots +
			f * (AXIS - 1.6) * (double)count_tasks(runs, n),
		"Histogram of response times", c->mm);
	for (size_t r = 0; r < n; r++) {
		for (size_t i = 0; i < runs[r].facts->n_tasks; i++) {
			const struct vmrt_task_facts *t = &runs[r].facts->tasks[i];
			struct vmrt_plot p = {.svg = &svg, .y1 = 1};
			double width;

			if (!is_new(runs, r, t))
				continue;
			p.x1 = axis_end(runs, n, t->label);
			width = vmrt_svg_round(p.x1 / BINS);
			p.x1 = ceil(p.x1 / width) * width;
			for (size_t k = 0; k < n; k++) {
				const struct vmrt_task_facts *one = find(&runs[k], t->label);

				if (!one)
					continue;
				figure_place(&p, y, TITLE, PLOT);
				vmrt_svg_textf(&svg, "", p.left, y + f * 1.3, VMRT_START, "%s%s%s",
					t->label, runs[k].label ? ", " : "",
					runs[k].label ? runs[k].label : "");
				histogram(&p, one, width);
				deadline(&p, one);
				y = p.bottom + f * 1.6;
			}
			vmrt_svg_text(&svg, "q", (p.left + p.right) / 2, p.bottom + f * 2.6,
				VMRT_MIDDLE, "response time, ms");
			y += f * (AXIS - 1.6);
		}
	}
	vmrt_svg_end(&svg);
	return true;
}

bool vmrt_draw_distribution(const struct vmrt_canvas *c, const struct vmrt_task_facts *t)
{
	double f = vmrt_svg_font(c->width);
	struct vmrt_svg svg;
	struct vmrt_plot p = {.svg = &svg};
	struct vmrt_bin *bins;
	size_t n = vmrt_histogram(&t->responses, &bins);
	int64_t most = 0;

	if (!n) {
		free(bins);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		most = bins[i].n > most ? bins[i].n : most;
	vmrt_svg_begin(&svg, c->out, c->theme, c->width, f * (1 + PLOT * 1.3 + AXIS),
		"Histogram and cumulative distribution of response times", c->mm);
	p.left = f * 5.5;
	p.right = c->width - f * 4.5;
	p.top = f;
	p.bottom = f * (1 + PLOT * 1.3);
	p.x0 = figure_ms(bins[0].from_ns);
	p.x1 = figure_ms(bins[n - 1].to_ns);
	if (t->deadline_ns != VMRT_UNKNOWN && figure_ms(t->deadline_ns) < p.x0 + 2 * (p.x1 - p.x0))
		p.x1 = fmax(p.x1, figure_ms(t->deadline_ns) * 1.02);
	p.y1 = (double)most;
	vmrt_plot_axis_x(&p, "response time, ms");
	vmrt_plot_axis_y(&p, "jobs");
	vmrt_svg_path(&svg, "a");
	for (size_t i = 0; i < n; i++)
		if (bins[i].n)
			vmrt_plot_box(&p, figure_ms(bins[i].from_ns), 0, figure_ms(bins[i].to_ns),
				(double)bins[i].n);
	vmrt_svg_path_end(&svg);
	/* the line is drawn over the histogram, with an axis of its own for the share of jobs */
	p.y1 = 100;
	cdf_line(&p, &t->responses, "lb");
	for (int share = 0; share <= 100; share += 50)
		vmrt_svg_textf(&svg, "q", p.right + f * .5, vmrt_plot_y(&p, share) + f * .35,
			VMRT_START, "%d %%", share);
	deadline(&p, t);
	free(bins);
	vmrt_svg_end(&svg);
	return true;
}
