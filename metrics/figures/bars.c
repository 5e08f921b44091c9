/* SPDX-License-Identifier: MIT */
/*
 * Groups of bars from a table of text, for documents: a panel for each value, a bar for each line.
 * The lines are GROUP, LABEL and the values, separated by tabs; a first line that begins with "# "
 * has the titles of the panels, separated by "|". A panel whose title ends with "(log)" has a
 * logarithmic scale.
 */
#include "figures.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PANELS_MAX 12
#define ROWS_MAX 500
#define ROW 1.5 /* heights, in multiples of the text size */
#define TOP 2.6
#define GAP .8
#define PER_ROW 4 /* panels side by side */

struct row {
	char *group, *label;
	double values[PANELS_MAX]; /* NaN: none */
};

struct bars {
	char *titles[PANELS_MAX];
	size_t panels, n;
	struct row rows[ROWS_MAX];
};

static void take_titles(struct bars *b, char *line)
{
	for (char *title; b->panels < PANELS_MAX && (title = strsep(&line, "|"));)
		b->titles[b->panels++] = strdup(title);
}

static void take_row(struct bars *b, char *line)
{
	char *group = strsep(&line, "\t"), *label = strsep(&line, "\t"), *value, *end;
	struct row *r;

	if (!group || !label || b->n == ROWS_MAX)
		return;
	r = &b->rows[b->n++];
	r->group = strdup(group);
	r->label = strdup(label);
	for (size_t p = 0; p < PANELS_MAX; p++) {
		value = strsep(&line, "\t");
		r->values[p] = value && *value ? strtod(value, &end) : NAN;
		if (value && (end == value || !isfinite(r->values[p])))
			r->values[p] = NAN;
	}
}

static enum vmrt_status read_table(const char *path, struct bars *b, struct vmrt_error *err)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	if (!in)
		return vmrt_fail_errno(err, errno, "cannot read %s", path);
	while ((length = getline(&line, &size, in)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		if (!strncmp(line, "# ", 2) && !b->panels)
			take_titles(b, line + 2);
		else if (*line && *line != '#')
			take_row(b, line);
	}
	free(line);
	fclose(in);
	if (b->panels && b->n)
		return VMRT_OK;
	return vmrt_fail(err, VMRT_EFORMAT,
		"%s is no table of bars: a line \"# TITLE|...\", then GROUP, LABEL and values, "
		"separated "
		"by tabs",
		path);
}

/* Removes the panels without any value, since they would show nothing. */
static void drop_empty(struct bars *b)
{
	size_t kept = 0;

	for (size_t p = 0; p < b->panels; p++) {
		bool empty = true;
		char *title = b->titles[p];

		for (size_t i = 0; i < b->n; i++)
			empty = empty && isnan(b->rows[i].values[p]);
		if (empty) {
			free(title);
			b->titles[p] = NULL;
			continue;
		}
		for (size_t i = 0; i < b->n; i++)
			b->rows[i].values[kept] = b->rows[i].values[p];
		b->titles[p] = NULL;
		b->titles[kept++] = title;
	}
	b->panels = kept;
}

/* The scale of a panel: from 0, or between powers of ten. */
static void scale(const struct bars *b, size_t panel, bool logarithmic, struct vmrt_plot *p)
{
	double least = INFINITY, most = 0;

	for (size_t i = 0; i < b->n; i++) {
		double v = b->rows[i].values[panel];

		if (!(v > 0))
			continue;
		least = fmin(least, v);
		most = fmax(most, v);
	}
	p->x0 = logarithmic && isfinite(least) ? floor(log10(least * .999)) : 0;
	p->x1 = most <= 0 ? 1 : logarithmic ? ceil(log10(most)) : vmrt_svg_round(most);
	if (p->x1 <= p->x0)
		p->x1 = p->x0 + 1;
}

static void draw_panel(struct vmrt_svg *svg, const struct bars *b, size_t panel, double left,
	double right, double top)
{
	static const char *const classes[] = {"a", "c", "b", "d"};
	const char *title = b->titles[panel];
	size_t length = strlen(title), group = 0;
	bool logarithmic = length > 5 && !strcmp(title + length - 5, "(log)");
	struct vmrt_plot p = {.svg = svg, .left = left, .right = right, .top = top};
	double f = svg->font, y = top;
	char buf[128];

	scale(b, panel, logarithmic, &p);
	vmrt_svg_text(svg, "", left, top - f * .6, VMRT_START,
		vmrt_svg_fit(svg, title, right - left + f * 3.6, buf, sizeof(buf)));
	for (size_t i = 0; i < b->n; i++) {
		const struct row *r = &b->rows[i];
		double v = r->values[panel], at;

		if (i && strcmp(r->group, r[-1].group) != 0) {
			y += f * GAP;
			group++;
		}
		if (!isnan(v)) {
			at = logarithmic ? (v > 0 ? log10(v) : p.x0) : fmax(v, 0);
			at = vmrt_plot_x(&p, fmax(at, p.x0));
			vmrt_svg_rect(svg, classes[group % 4], left, y, fmax(at - left, .5),
				f * 1.1, NULL);
			vmrt_svg_textf(svg, "q", at + f * .3, y + f * .95, VMRT_START,
				v < 999.5 ? "%.3g" : "%.0f", v);
		}
		y += f * ROW;
	}
	vmrt_svg_line(svg, "axis", left, top, left, y);
}

static void draw(const struct bars *b, const struct vmrt_canvas *c)
{
	double f = vmrt_svg_font(c->width), labels = f * 10, high = f * (TOP + .8), y;
	size_t lines = (b->panels + PER_ROW - 1) / PER_ROW;
	size_t across = (b->panels + lines - 1) / lines;
	double wide = (c->width - labels - f) / (double)across;
	struct vmrt_svg svg;
	char buf[128];

	for (size_t i = 0; i < b->n; i++)
		high += f * (ROW + (i && strcmp(b->rows[i].group, b->rows[i - 1].group) != 0 ? GAP
											     : 0));
	vmrt_svg_begin(&svg, c->out, c->theme, c->width, high * (double)lines, b->titles[0], c->mm);
	for (size_t line = 0; line < lines; line++) {
		y = high * (double)line + f * TOP;
		for (size_t i = 0; i < b->n; i++) {
			const struct row *r = &b->rows[i];
			bool begins = !i || strcmp(r->group, r[-1].group) != 0;

			y += i && begins ? f * GAP : 0;
			if (begins)
				vmrt_svg_text(&svg, "q", f * .3, y + f * .95, VMRT_START, r->group);
			vmrt_svg_text(&svg, "", labels - f * .5, y + f * .95, VMRT_END,
				vmrt_svg_fit(&svg, r->label, labels * .7, buf, sizeof(buf)));
			y += f * ROW;
		}
		for (size_t p = line * across; p < b->panels && p < (line + 1) * across; p++)
			draw_panel(&svg, b, p, labels + wide * (double)(p - line * across),
				labels + wide * (double)(p - line * across + 1) - f * 4,
				high * (double)line + f * TOP);
	}
	vmrt_svg_end(&svg);
}

enum vmrt_status draw_bars(
	const struct vmrt_canvas *canvas, const char *path, struct vmrt_error *err)
{
	struct bars *b = calloc(1, sizeof(*b));
	enum vmrt_status status =
		b ? read_table(path, b, err) : vmrt_fail(err, VMRT_ENOMEM, "out of memory");

	for (size_t i = 0; status == VMRT_OK && i < b->n; i++)
		if (!b->rows[i].group || !b->rows[i].label)
			status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t p = 0; status == VMRT_OK && p < b->panels; p++)
		if (!b->titles[p])
			status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		drop_empty(b);
	if (status == VMRT_OK && !b->panels)
		status = vmrt_fail(err, VMRT_EFORMAT, "%s has no values: nothing to draw", path);
	if (status == VMRT_OK)
		draw(b, canvas);
	for (size_t i = 0; b && i < b->n; i++) {
		free(b->rows[i].group);
		free(b->rows[i].label);
	}
	for (size_t p = 0; b && p < b->panels; p++)
		free(b->titles[p]);
	free(b);
	return status;
}
