/* SPDX-License-Identifier: MIT */
#include "pictures.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <vmrt/table.h>

#include "report.h"

#define WIDTH 760
#define HEIGHT 260
#define LEFT 70
#define RIGHT 50
#define TOP 14
#define BOTTOM 40
#define ROW 26	/* of a job */
#define TICKS 8 /* about so many on an axis */

/* A drawing area and what its axes stand for. */
struct plot {
	FILE *out;
	char *text;
	size_t size;
	double x0, x1, y0, y1; /* values at the ends of the axes */
	int height;
};

static bool begin(struct plot *p, int height, const char *label)
{
	p->out = open_memstream(&p->text, &p->size);
	p->height = height;
	if (!p->out)
		return false;
	fprintf(p->out,
		"<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-label=\"",
		WIDTH, height, WIDTH, height);
	vmrt_html_text(p->out, label);
	fputs("\">\n", p->out);
	return true;
}

static char *end(struct plot *p)
{
	fputs("</svg>", p->out);
	if (fclose(p->out) == 0)
		return p->text;
	free(p->text);
	return NULL;
}

static double at_x(const struct plot *p, double x)
{
	return LEFT + (x - p->x0) / (p->x1 - p->x0) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct plot *p, double y)
{
	return p->height - BOTTOM - (y - p->y0) / (p->y1 - p->y0) * (p->height - TOP - BOTTOM);
}

/* The least of 1, 2 and 5 times a power of ten that is not below @value. */
static double round_up(double value)
{
	double power = pow(10, floor(log10(value)));

	return value <= power	    ? power
	       : value <= 2 * power ? 2 * power
	       : value <= 5 * power ? 5 * power
				    : 10 * power;
}

static void text(const struct plot *p, double x, double y, const char *anchor, const char *words)
{
	fprintf(p->out, "<text class=\"q\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y,
		anchor);
	vmrt_html_text(p->out, words);
	fputs("</text>\n", p->out);
}

static void line(
	const struct plot *p, const char *class, double x0, double y0, double x1, double y1)
{
	fprintf(p->out,
		"<line class=\"%s\" stroke-width=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" "
		"y2=\"%.1f\"/>\n",
		class, class[0] == 'l' ? "2" : "1", x0, y0, x1, y1);
}

static void axis_x(const struct plot *p, const char *words)
{
	double step = round_up((p->x1 - p->x0) / TICKS);
	char number[32];

	for (double x = ceil(p->x0 / step) * step; x <= p->x1 * (1 + 1e-9); x += step) {
		snprintf(number, sizeof(number), "%.6g", fabs(x) < step / 2 ? 0 : x);
		line(p, "grid", at_x(p, x), TOP, at_x(p, x), p->height - BOTTOM);
		text(p, at_x(p, x), p->height - BOTTOM + 15, "middle", number);
	}
	text(p, (LEFT + WIDTH - RIGHT) / 2., p->height - 6, "middle", words);
}

static void axis_y(const struct plot *p, const char *words)
{
	double step = round_up((p->y1 - p->y0) / TICKS * 1.5);
	char number[32];

	for (double y = ceil(p->y0 / step) * step; y <= p->y1 * (1 + 1e-9); y += step) {
		snprintf(number, sizeof(number), "%.6g", y);
		line(p, "grid", LEFT, at_y(p, y), WIDTH - RIGHT, at_y(p, y));
		text(p, LEFT - 6, at_y(p, y) + 4, "end", number);
	}
	fprintf(p->out,
		"<text class=\"q\" text-anchor=\"middle\" transform=\"translate(14 %.1f) "
		"rotate(-90)\">",
		(TOP + p->height - BOTTOM) / 2.);
	vmrt_html_text(p->out, words);
	fputs("</text>\n", p->out);
}

static double ms(int64_t ns)
{
	return (double)ns / 1e6;
}

/* Boxes of one class are one path: there can be thousands. */
static void boxes(const struct plot *p, const char *class)
{
	fprintf(p->out, "<path class=\"%s\" d=\"", class);
}

static void box(const struct plot *p, double x0, double y0, double x1, double y1)
{
	double left = at_x(p, x0), top = at_y(p, y1);

	fprintf(p->out, "M%.1f %.1fH%.1fV%.1fH%.1fz", left, top, fmax(at_x(p, x1), left + .3),
		fmax(at_y(p, y0), top + .3), left);
}

static void boxes_end(const struct plot *p)
{
	fputs("\"/>\n", p->out);
}

char *vmrt_picture_distribution(const struct vmrt_task_facts *t)
{
	struct plot p = {.y0 = 0};
	const struct vmrt_samples *s = &t->responses;
	struct vmrt_bin *bins;
	size_t n = vmrt_histogram(s, &bins);
	int64_t most = 0;

	if (!n || !begin(&p, HEIGHT, "histogram and cumulative distribution of response times")) {
		free(bins);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		most = bins[i].n > most ? bins[i].n : most;
	p.x0 = ms(bins[0].from_ns);
	p.x1 = ms(bins[n - 1].to_ns);
	if (t->deadline_ns != VMRT_UNKNOWN && ms(t->deadline_ns) < p.x0 + 2 * (p.x1 - p.x0))
		p.x1 = fmax(p.x1, ms(t->deadline_ns) * 1.02);
	p.y1 = (double)most;
	axis_x(&p, "response time, ms");
	axis_y(&p, "jobs");
	boxes(&p, "a");
	for (size_t i = 0; i < n; i++)
		if (bins[i].n)
			box(&p, ms(bins[i].from_ns), 0, ms(bins[i].to_ns), (double)bins[i].n);
	boxes_end(&p);
	p.y1 = 100; /* the same area again, for the share */
	fputs("<polyline class=\"lb\" stroke-width=\"1.5\" points=\"", p.out);
	for (size_t i = 0; i <= 400; i++) {
		size_t rank = (size_t)((double)(s->n - 1) * (double)i / 400);

		fprintf(p.out, "%.1f,%.1f ", at_x(&p, ms(s->values[rank])),
			at_y(&p, 100 * (double)(rank + 1) / (double)s->n));
	}
	fputs("\"/>\n", p.out);
	for (int share = 0; share <= 100; share += 50) {
		char words[16];

		snprintf(words, sizeof(words), "%d %%", share);
		text(&p, WIDTH - RIGHT + 6, at_y(&p, share) + 4, "start", words);
	}
	if (t->deadline_ns != VMRT_UNKNOWN && ms(t->deadline_ns) >= p.x0 &&
		ms(t->deadline_ns) <= p.x1) {
		line(&p, "lc", at_x(&p, ms(t->deadline_ns)), TOP, at_x(&p, ms(t->deadline_ns)),
			HEIGHT - BOTTOM);
		text(&p, at_x(&p, ms(t->deadline_ns)) - 4, TOP + 10, "end", "deadline");
	}
	free(bins);
	return end(&p);
}

char *vmrt_picture_budget(const struct vmrt_run_facts *f, const struct vmrt_server_facts *s)
{
	struct plot p = {.y0 = 0};
	int64_t start = f->start_ns == VMRT_UNKNOWN ? 0 : f->start_ns;
	double most = s->budget_ns == VMRT_UNKNOWN ? 0 : ms(s->budget_ns);

	if (!s->n_buckets || !begin(&p, HEIGHT, "budget used in each period"))
		return NULL;
	for (size_t i = 0; i < s->n_buckets; i++)
		most = fmax(most, ms(s->buckets[i].most_ns));
	p.x0 = (double)(s->buckets[0].start_ns - start) / 1e9;
	p.x1 = (double)(s->buckets[s->n_buckets - 1].end_ns - start) / 1e9;
	p.y1 = most > 0 ? most * 1.05 : 1;
	axis_x(&p, "time after the run's start, s");
	axis_y(&p, "run time in a period, ms");
	for (int class = 0; class < 3; class ++) {
		boxes(&p, (const char *const[]){"n", "d", "a"}[class]);
		for (size_t i = 0; i < s->n_buckets; i++) {
			const struct vmrt_bucket *b = &s->buckets[i];
			int64_t height = class == 1 ? b->most_ns : b->consumed_least_ns;
			double from = (double)(b->start_ns - start) / 1e9,
			       to = (double)(b->end_ns - start) / 1e9;

			if (class == 0 ? b->unknown : height > 0)
				box(&p, from, 0, to, class == 0 ? p.y1 : ms(height));
		}
		boxes_end(&p);
	}
	if (s->budget_ns != VMRT_UNKNOWN) {
		line(&p, "lb", LEFT, at_y(&p, ms(s->budget_ns)), WIDTH - RIGHT,
			at_y(&p, ms(s->budget_ns)));
		text(&p, WIDTH - RIGHT + 4, at_y(&p, ms(s->budget_ns)) + 4, "start", "budget");
	}
	return end(&p);
}

char *vmrt_picture_supply(const struct vmrt_server_facts *s)
{
	struct vmrt_supply supply = vmrt_supply_prm(s->period_ns, s->budget_ns);
	struct plot p = {.x0 = 0, .y0 = 0};

	if (!s->n_curve || !vmrt_supply_check(&supply) ||
		!begin(&p, HEIGHT, "least supply by the length of windows"))
		return NULL;
	p.x1 = ms(s->curve[s->n_curve - 1].length_ns);
	p.y1 = fmax(ms(s->curve[s->n_curve - 1].least_ns),
		ms(vmrt_sbf(&supply, s->curve[s->n_curve - 1].length_ns)));
	p.y1 = fmax(p.y1, .01);
	axis_x(&p, "length of a window, ms");
	axis_y(&p, "least supply, ms");
	fputs("<polyline class=\"lb\" stroke-dasharray=\"5 3\" points=\"", p.out);
	for (int i = 0; i <= 400; i++) {
		int64_t t = s->curve[s->n_curve - 1].length_ns / 400 * i;

		fprintf(p.out, "%.1f,%.1f ", at_x(&p, ms(t)), at_y(&p, ms(vmrt_sbf(&supply, t))));
	}
	fputs("\"/>\n", p.out);
	for (size_t i = 0; i < s->n_curve; i++)
		fprintf(p.out, "<circle class=\"a\" r=\"4\" cx=\"%.1f\" cy=\"%.1f\"/>\n",
			at_x(&p, ms(s->curve[i].length_ns)), at_y(&p, ms(s->curve[i].least_ns)));
	return end(&p);
}

static void bar(const struct plot *p, const struct vmrt_segment *g, double top)
{
	double left = at_x(p, ms(g->from_ns));

	fprintf(p->out, "M%.1f %.0fH%.1fv%dH%.1fz", left, top,
		fmax(at_x(p, ms(g->to_ns)), left + .1), ROW - 8, left);
}

char *vmrt_picture_worst(const struct vmrt_task_facts *t)
{
	static const char *const classes[] = {"a", "d", "n"};
	struct plot p = {.y0 = 0, .y1 = 1};
	double longest = 0;
	char words[32];

	for (size_t i = 0; i < t->n_worst; i++)
		if (t->worst[i].n_segments)
			longest = fmax(longest, ms(t->worst[i].end_ns - t->worst[i].arrival_ns));
	if (longest <= 0 || !begin(&p, TOP + BOTTOM + 20 + ROW * (int)t->n_worst, "the worst jobs"))
		return NULL;
	p.x1 = longest;
	axis_x(&p, "time after the job's arrival, ms");
	for (size_t i = 0; i < t->n_worst; i++) {
		const struct vmrt_worst_facts *w = &t->worst[i];
		double top = TOP + 4 + ROW * (double)i;

		snprintf(words, sizeof(words), "job %" PRId64, w->k);
		text(&p, LEFT - 6, top + ROW / 2., "end", words);
		for (int class = 0; class < 3; class ++) {
			boxes(&p, classes[class]);
			for (size_t g = 0; g < w->n_segments; g++)
				if ((int)w->segments[g].state == class)
					bar(&p, &w->segments[g], top);
			boxes_end(&p);
		}
		if (w->deadline_ns != VMRT_UNKNOWN && w->n_segments &&
			ms(w->deadline_ns - w->arrival_ns) <= p.x1)
			line(&p, "lb", at_x(&p, ms(w->deadline_ns - w->arrival_ns)), top - 3,
				at_x(&p, ms(w->deadline_ns - w->arrival_ns)), top + ROW - 5);
	}
	return end(&p);
}
