/* SPDX-License-Identifier: MIT */
/* Draws the supply of servers: supply curves beside the model, and budgets over time. */
#include "figures.h"

#include <math.h>
#include <string.h>

#define PLOT 14. /* height of one plot, in multiples of the text size */
#define TITLE 1.9
#define AXIS 3.2
#define POINTS 400

static const struct vmrt_server_facts *find(const struct vmrt_figure_run *run, const char *name)
{
	struct vmrt_supply supply;

	for (size_t i = 0; i < run->facts->n_servers; i++) {
		const struct vmrt_server_facts *s = &run->facts->servers[i];

		if (s->selected && s->n_curve && !strcmp(s->name, name) &&
			vmrt_figure_resource(s, &supply))
			return s;
	}
	return NULL;
}

static bool is_new(const struct vmrt_figure_run *runs, size_t r, const struct vmrt_server_facts *s)
{
	if (find(&runs[r], s->name) != s)
		return false;
	for (size_t i = 0; i < r; i++)
		if (find(&runs[i], s->name))
			return false;
	return true;
}

static void model(const struct vmrt_plot *p, const struct vmrt_server_facts *s)
{
	struct vmrt_supply supply;
	int64_t longest = s->curve[s->n_curve - 1].length_ns;

	if (!vmrt_figure_resource(s, &supply))
		return;
	vmrt_svg_path(p->svg, "lm dash");
	for (int i = 0; i <= POINTS; i++) {
		int64_t t = longest / POINTS * i;
		double x = vmrt_plot_x(p, figure_ms(t)),
		       y = vmrt_plot_y(p, figure_ms(vmrt_sbf(&supply, t)));

		if (i)
			vmrt_svg_to(p->svg, x, y);
		else
			vmrt_svg_move(p->svg, x, y);
	}
	vmrt_svg_path_end(p->svg);
}

/* Draws the measured supply as dots, with another shape for each run. */
static void measured(const struct vmrt_plot *p, const struct vmrt_server_facts *s, size_t run)
{
	static const char *const classes[] = {"a", "b", "c", "d"};
	double r = p->svg->font * .33;

	for (size_t i = 0; i < s->n_curve; i++) {
		double x = vmrt_plot_x(p, figure_ms(s->curve[i].length_ns));
		double y = vmrt_plot_y(p, figure_ms(s->curve[i].least_ns));

		if (run % 2)
			vmrt_svg_rect(p->svg, classes[run % 4], x - r, y - r, 2 * r, 2 * r, NULL);
		else
			fprintf(p->svg->out,
				"<circle class=\"%s\" r=\"%.1f\" cx=\"%.1f\" cy=\"%.1f\"/>\n",
				classes[run % 4], r, x, y);
	}
}

static void ends(struct vmrt_plot *p, const struct vmrt_server_facts *s)
{
	struct vmrt_supply supply;
	const struct vmrt_curve_facts *last = &s->curve[s->n_curve - 1];

	p->x1 = fmax(p->x1, figure_ms(last->length_ns) * 1.02);
	p->y1 = fmax(p->y1, figure_ms(last->least_ns) * 1.05);
	if (vmrt_figure_resource(s, &supply))
		p->y1 = fmax(p->y1, figure_ms(vmrt_sbf(&supply, last->length_ns)) * 1.05);
}

bool draw_supply(const struct vmrt_canvas *c, const struct vmrt_figure_run *runs, size_t n)
{
	static const char *const classes[] = {"a", "b", "c", "d"};
	double f = vmrt_svg_font(c->width), y = 0;
	struct legend legend[VMRT_FIGURE_RUNS + 1];
	struct vmrt_svg svg;
	size_t servers = 0;

	for (size_t r = 0; r < n; r++)
		for (size_t i = 0; i < runs[r].facts->n_servers; i++)
			servers += is_new(runs, r, &runs[r].facts->servers[i]);
	if (!servers)
		return false;
	legend[0] = (struct legend){"periodic resource model", 'l', "lm dash"};
	for (size_t r = 0; r < n; r++)
		legend[r + 1] = (struct legend){runs[r].label ? runs[r].label : "measured",
			r % 2 ? 's' : 'o', classes[r % 4]};
	vmrt_svg_begin(&svg, c->out, c->theme, c->width,
		f * (TITLE + PLOT + AXIS) * (double)servers +
			legend_height(c->width, legend, n + 1),
		"Least supply by the length of windows", c->mm);
	for (size_t r = 0; r < n; r++) {
		for (size_t i = 0; i < runs[r].facts->n_servers; i++) {
			const struct vmrt_server_facts *s = &runs[r].facts->servers[i];
			struct vmrt_plot p = {.svg = &svg, .x1 = .01, .y1 = .01};

			if (!is_new(runs, r, s))
				continue;
			figure_place(&p, y, TITLE, PLOT);
			for (size_t k = 0; k < n; k++)
				if (find(&runs[k], s->name))
					ends(&p, find(&runs[k], s->name));
			vmrt_svg_textf(&svg, "", p.left, y + f * 1.3, VMRT_START,
				"server %s: %.4g ms in %.4g ms", s->name, figure_ms(s->budget_ns),
				figure_ms(s->period_ns));
			vmrt_plot_axis_x(&p, "length of a window, ms");
			vmrt_plot_axis_y(&p, "least supply, ms");
			model(&p, s);
			for (size_t k = 0; k < n; k++)
				if (find(&runs[k], s->name))
					measured(&p, find(&runs[k], s->name), k);
			y = p.bottom + f * AXIS;
		}
	}
	legend_draw(&svg, y, legend, n + 1);
	vmrt_svg_end(&svg);
	return true;
}

bool vmrt_draw_server_supply(const struct vmrt_canvas *c, const struct vmrt_server_facts *s)
{
	struct vmrt_run_facts one = {.servers = NULL, .n_servers = 1};
	struct vmrt_figure_run run = {.facts = &one};
	struct vmrt_server_facts copy = *s;

	copy.selected = true;
	one.servers = &copy;
	return draw_supply(c, &run, 1);
}

bool vmrt_draw_budget(const struct vmrt_canvas *c, const struct vmrt_run_facts *facts,
	const struct vmrt_server_facts *s)
{
	static const char *const classes[] = {"n", "d", "a"};
	int64_t start = facts->start_ns == VMRT_UNKNOWN ? 0 : facts->start_ns;
	double f = vmrt_svg_font(c->width), most;
	struct vmrt_svg svg;
	struct vmrt_plot p = {.svg = &svg};

	if (!s->n_buckets)
		return false;
	most = s->budget_ns == VMRT_UNKNOWN ? 0 : figure_ms(s->budget_ns);
	for (size_t i = 0; i < s->n_buckets; i++)
		most = fmax(most, figure_ms(s->buckets[i].most_ns));
	vmrt_svg_begin(&svg, c->out, c->theme, c->width, f * (1 + PLOT + AXIS),
		"Budget used in each period", c->mm);
	p.left = f * 5.5;
	p.right = c->width - f * 4.5;
	p.top = f;
	p.bottom = f * (1 + PLOT);
	p.x0 = (double)(s->buckets[0].start_ns - start) / 1e9;
	p.x1 = (double)(s->buckets[s->n_buckets - 1].end_ns - start) / 1e9;
	p.y1 = most > 0 ? most * 1.05 : 1;
	vmrt_plot_axis_x(&p, "time after the run's start, s");
	vmrt_plot_axis_y(&p, "run time in a period, ms");
	for (int class = 0; class < 3; class ++) {
		vmrt_svg_path(&svg, classes[class]);
		for (size_t i = 0; i < s->n_buckets; i++) {
			const struct vmrt_bucket *b = &s->buckets[i];
			int64_t height = class == 1 ? b->most_ns : b->consumed_least_ns;
			double from = (double)(b->start_ns - start) / 1e9,
			       to = (double)(b->end_ns - start) / 1e9;

			if (class == 0 ? b->unknown : height > 0)
				vmrt_plot_box(
					&p, from, 0, to, class == 0 ? p.y1 : figure_ms(height));
		}
		vmrt_svg_path_end(&svg);
	}
	if (s->budget_ns != VMRT_UNKNOWN) {
		double y = vmrt_plot_y(&p, figure_ms(s->budget_ns));

		vmrt_svg_line(&svg, "lb", p.left, y, p.right, y);
		vmrt_svg_text(&svg, "q", p.right + f * .3, y + f * .35, VMRT_START, "budget");
	}
	vmrt_svg_end(&svg);
	return true;
}
