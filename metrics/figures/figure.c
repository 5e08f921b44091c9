/* SPDX-License-Identifier: MIT */
/* Loads the runs of a figure and calls the function that draws it; and functions that several
 * figures share. */
#include "figures.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* the part of a run that is shown unless times are given */
#define SCHEDULE_NS (250 * VMRT_NS_PER_MS)

struct run_data {
	char *label;
	struct vmrt_run_facts *facts;
	struct vmrt_timeline *timeline;
};

/* A word is a run without a name if a file has the word as its path, even if the word has a '='. */
const char *vmrt_figure_name(const char *word, char **name)
{
	const char *equals = strchr(word, '=');

	*name = NULL;
	if (!equals || equals == word || access(word, F_OK) == 0 ||
		memchr(word, '/', (size_t)(equals - word)))
		return word;
	*name = strndup(word, (size_t)(equals - word));
	return equals + 1;
}

static enum vmrt_status load(struct run_data *d, const char *run, enum vmrt_figure_kind kind,
	const struct vmrt_tl_wanted *w, struct vmrt_error *err)
{
	struct vmrt_tl_wanted part = *w;
	struct vmrt_filter filter = VMRT_FILTER_ALL;

	if (kind == VMRT_FIGURE_SCHEDULE || kind == VMRT_FIGURE_MISSES) {
		part.jobs_only = kind == VMRT_FIGURE_MISSES;
		if (kind == VMRT_FIGURE_SCHEDULE) {
			part.from_first_job = true;
			if (part.window == VMRT_UNKNOWN)
				part.window = SCHEDULE_NS;
		}
		return vmrt_timeline_load(run, &part, &d->timeline, err);
	}
	filter.tasks = w->tasks;
	filter.n_tasks = w->n_tasks;
	filter.servers = w->servers;
	filter.n_servers = w->n_servers;
	filter.from_ns = w->from;
	filter.to_ns = w->to;
	filter.worst = 0;
	return vmrt_facts_load(run, &filter, &d->facts, err);
}

/* Have two runs the same label? Then what was typed on the command line is used as the labels. */
static bool same_names(const struct run_data *d, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(d[i].label, d[j].label))
				return true;
	return false;
}

static enum vmrt_status draw(enum vmrt_figure_kind kind, const struct vmrt_figure_run *runs,
	size_t n, const struct vmrt_canvas *c, struct vmrt_error *err)
{
	static bool (*const drawers[])(
		const struct vmrt_canvas *, const struct vmrt_figure_run *, size_t) = {
		[VMRT_FIGURE_SCHEDULE] = draw_schedule,
		[VMRT_FIGURE_CDF] = draw_cdf,
		[VMRT_FIGURE_HISTOGRAM] = draw_histogram,
		[VMRT_FIGURE_SUPPLY] = draw_supply,
		[VMRT_FIGURE_MISSES] = draw_misses,
	};
	static const char *const nothing[] = {
		[VMRT_FIGURE_SCHEDULE] = "no jobs, vCPU threads or enforced servers",
		[VMRT_FIGURE_CDF] = "no response times",
		[VMRT_FIGURE_HISTOGRAM] = "no response times",
		[VMRT_FIGURE_SUPPLY] =
			"no supply curve: it is measured for a whole run, of servers with one vCPU",
		[VMRT_FIGURE_MISSES] = "no jobs",
	};

	if (kind == VMRT_FIGURE_BLAME)
		return draw_blame(c, runs, n, err);
	if (drawers[kind](c, runs, n))
		return VMRT_OK;
	return vmrt_fail(
		err, VMRT_ENOENT, "%s has nothing to draw: %s", runs[0].origin, nothing[kind]);
}

enum vmrt_status vmrt_figure(enum vmrt_figure_kind kind, const char *const *words, size_t n,
	const struct vmrt_tl_wanted *wanted, const struct vmrt_canvas *canvas,
	struct vmrt_error *err)
{
	struct run_data *data = calloc(n + 1, sizeof(*data));
	struct vmrt_figure_run *runs = calloc(n + 1, sizeof(*runs));
	enum vmrt_status status = VMRT_OK;

	if (kind == VMRT_FIGURE_BARS) {
		free(data);
		free(runs);
		return draw_bars(canvas, words[0], err);
	}
	if (!data || !runs)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; status == VMRT_OK && i < n; i++) {
		const char *run = vmrt_figure_name(words[i], &data[i].label);

		runs[i].origin = run;
		status = load(&data[i], run, kind, wanted, err);
		if (status != VMRT_OK)
			break;
		if (!data[i].label)
			data[i].label = strdup(
				data[i].facts ? data[i].facts->label : data[i].timeline->name);
		if (!data[i].label)
			status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		runs[i].facts = data[i].facts;
		runs[i].timeline = data[i].timeline;
	}
	for (size_t i = 0; status == VMRT_OK && n > 1 && i < n; i++)
		runs[i].label = same_names(data, n) ? words[i] : data[i].label;
	if (status == VMRT_OK)
		status = draw(kind, runs, n, canvas, err);
	for (size_t i = 0; data && i < n; i++) {
		free(data[i].label);
		vmrt_facts_free(data[i].facts);
		vmrt_timeline_free(data[i].timeline);
	}
	free(data);
	free(runs);
	return status;
}

const char *figure_line_class(size_t i)
{
	static const char *const classes[] = {"la", "lb dash", "lc", "ld dash"};

	return classes[i % (sizeof(classes) / sizeof(classes[0]))];
}

bool vmrt_figure_resource(const struct vmrt_server_facts *s, struct vmrt_supply *supply)
{
	if (s->period_ns == VMRT_UNKNOWN || s->budget_ns == VMRT_UNKNOWN)
		return false;
	*supply = vmrt_supply_prm(s->period_ns, s->budget_ns);
	return vmrt_supply_check(supply);
}

#define SAMPLE 1.6 /* width of an entry's sample, in multiples of the text size */
#define LEGEND_LINE 1.6

/* Finds the place of entry @i: sets @x, and returns the number of its line. */
static size_t place(double width, double font, const struct legend *e, size_t i, double *x)
{
	size_t line = 0;
	double at = font * .5;

	for (size_t k = 0;; k++) {
		double wide = font * (SAMPLE + 1.6) + vmrt_svg_text_width(font, e[k].words);

		if (at > font && at + wide > width) {
			at = font * .5;
			line++;
		}
		*x = at;
		if (k == i)
			return line;
		at += wide;
	}
}

double legend_height(double width, const struct legend *entries, size_t n)
{
	double font = vmrt_svg_font(width), x;

	return n ? font * LEGEND_LINE * (double)(place(width, font, entries, n - 1, &x) + 1) +
			       font * .4
		 : 0;
}

static void sample(struct vmrt_svg *svg, const struct legend *e, double x, double y)
{
	double f = svg->font, wide = f * SAMPLE;

	switch (e->symbol) {
	case 'l':
		vmrt_svg_line(svg, e->class, x, y - f * .35, x + wide, y - f * .35);
		return;
	case 'u':
	case 'd':
		vmrt_svg_path(svg, e->class);
		vmrt_svg_arrow(svg, x + wide / 2, e->symbol == 'u' ? y + f * .1 : y - f * .9,
			e->symbol == 'u' ? y - f * .9 : y + f * .1, f * .5);
		vmrt_svg_path_end(svg);
		return;
	case 'o':
		fprintf(svg->out, "<circle class=\"%s\" r=\"%.1f\" cx=\"%.1f\" cy=\"%.1f\"/>\n",
			e->class, f * .3, x + wide / 2, y - f * .35);
		return;
	case 's':
		vmrt_svg_rect(
			svg, e->class, x + wide / 2 - f * .3, y - f * .65, f * .6, f * .6, NULL);
		return;
	default:
		if (!strcmp(e->class, "h"))
			vmrt_svg_rect(svg, "o", x, y - f * .8, wide, f * .9, NULL);
		vmrt_svg_rect(svg, e->class, x, y - f * .8, wide, f * .9, NULL);
	}
}

void legend_draw(struct vmrt_svg *svg, double y, const struct legend *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double x, line = (double)place(svg->width, svg->font, entries, i, &x);
		double base = y + svg->font * (LEGEND_LINE * line + 1.1);

		sample(svg, &entries[i], x, base);
		vmrt_svg_text(svg, "q", x + svg->font * (SAMPLE + .4), base, VMRT_START,
			entries[i].words);
	}
}

void figure_place(struct vmrt_plot *p, double y, double title, double height)
{
	double f = p->svg->font;

	p->left = f * 4.6;
	p->right = p->svg->width - f * 1.5;
	p->top = y + f * title;
	p->bottom = p->top + f * height;
}
