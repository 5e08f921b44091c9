/* SPDX-License-Identifier: MIT */
/* Writes shapes and text of drawings as SVG. */
#include <vmrt/svg.h>

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/table.h>
#include <vmrt/utf8.h>

#define FONT_LEAST 8.5 /* CSS pixels: 6.4 points */
#define FONT_MOST 12.
#define HATCH 4	    /* distance of hatching lines */
#define CHARACTER 8 /* bytes that must be free for one more character and the end */

/* How a theme fills the classes. */
struct theme {
	const char *ground, *ink, *quiet, *line, *band, *a, *b, *c, *d, *m;
};

/* The colours of Okabe and Ito. Those of the dark theme are lighter; those for print can also be
 * distinguished as greys. */
static const struct theme themes[] = {
	[VMRT_SVG_LIGHT] = {"#ffffff", "#1a1a1a", "#595959", "#d0d0d0", "#f0f0f0", "#0072b2",
		"#e69f00", "#009e73", "#56b4e9", "#d55e00"},
	[VMRT_SVG_DARK] = {"#16181c", "#e6e6e6", "#a8a8a8", "#45484e", "#24272d", "#56b4e9",
		"#f0e442", "#2bc49a", "#8fd0f5", "#ff8a4c"},
	[VMRT_SVG_PRINT] = {"#ffffff", "#000000", "#404040", "#b8b8b8", "#eeeeee", "#1c4f73",
		"#c98a00", "#4d8a76", "#9cc8e4", "#b03a00"},
	[VMRT_SVG_PAGE] = {"var(--ground)", "var(--ink)", "var(--quiet)", "var(--line)",
		"var(--band)", "var(--a)", "var(--b)", "var(--c)", "var(--d)", "var(--m)"},
};

double vmrt_svg_font(double width)
{
	double font = width / 62;

	return font < FONT_LEAST ? FONT_LEAST : font > FONT_MOST ? FONT_MOST : font;
}

static void style(FILE *out, const struct theme *t)
{
	fprintf(out,
		"svg text{fill:%s;font-family:\"Helvetica Neue\",Helvetica,Arial,\"DejaVu "
		"Sans\",sans-serif;stroke:none}"
		"svg .q{fill:%s}svg .tm{fill:%s;font-weight:bold}",
		t->ink, t->quiet, t->m);
	fprintf(out,
		"svg .axis{stroke:%s;stroke-width:1;fill:none}svg .grid{stroke:%s;stroke-width:.6;"
		"fill:none}svg .n{fill:%s}svg .band{fill:%s}",
		t->quiet, t->line, t->line, t->band);
	fprintf(out, "svg .a{fill:%s}svg .b{fill:%s}svg .c{fill:%s}svg .d{fill:%s}svg .m{fill:%s}",
		t->a, t->b, t->c, t->d, t->m);
	fprintf(out,
		"svg .la{stroke:%s}svg .lb{stroke:%s}svg .lc{stroke:%s}svg .ld{stroke:%s}svg "
		".lm{stroke:%s}svg .la,svg .lb,svg .lc,svg .ld,svg "
		".lm{fill:none;stroke-width:1.4}",
		t->a, t->b, t->c, t->d, t->m);
	fprintf(out,
		"svg .o{fill:%s;stroke:%s;stroke-width:.7}svg "
		".k{fill:%s;stroke:%s;stroke-width:1}svg "
		".km{fill:%s;stroke:%s;stroke-width:1.2}svg .dash{stroke-dasharray:4 2.5}svg "
		".h{fill:url(#hatch)}svg .hl{stroke:%s;stroke-width:.9}",
		t->ground, t->quiet, t->ink, t->ink, t->m, t->m, t->quiet);
}

void vmrt_svg_style(FILE *out)
{
	style(out, &themes[VMRT_SVG_PAGE]);
}

static void put_patterns(FILE *out)
{
	fprintf(out,
		"<defs><pattern id=\"hatch\" width=\"%d\" height=\"%d\" "
		"patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><line "
		"class=\"hl\" "
		"x1=\"0\" y1=\"0\" x2=\"0\" y2=\"%d\"/></pattern></defs>\n",
		HATCH, HATCH, HATCH);
}

void vmrt_svg_page(FILE *out)
{
	fputs("<svg width=\"0\" height=\"0\" style=\"position:absolute\" aria-hidden=\"true\">",
		out);
	put_patterns(out);
	fputs("</svg>\n", out);
}

void vmrt_svg_begin(struct vmrt_svg *svg, FILE *out, enum vmrt_svg_theme theme, double width,
	double height, const char *title, bool mm)
{
	*svg = (struct vmrt_svg){out, width, height, vmrt_svg_font(width)};
	if (theme != VMRT_SVG_PAGE)
		fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", out);
	fputs(theme == VMRT_SVG_PAGE ? "<svg " : "<svg xmlns=\"http://www.w3.org/2000/svg\" ", out);
	if (mm)
		fprintf(out, "width=\"%.3gmm\" height=\"%.4gmm\"", width / VMRT_PX_PER_MM,
			height / VMRT_PX_PER_MM);
	else
		fprintf(out, "width=\"%.0fpx\" height=\"%.0fpx\"", width, height);
	fprintf(out, " viewBox=\"0 0 %.1f %.1f\" font-size=\"%.2f\" role=\"img\" aria-label=\"",
		width, height, svg->font);
	vmrt_html_text(out, title);
	fputs("\">\n<title>", out);
	vmrt_html_text(out, title);
	fputs("</title>\n", out);
	if (theme == VMRT_SVG_PAGE)
		return;
	put_patterns(out);
	fputs("<style>", out);
	style(out, &themes[theme]);
	fprintf(out, "</style>\n<rect width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", width,
		height, themes[theme].ground);
}

void vmrt_svg_end(struct vmrt_svg *svg)
{
	fputs("</svg>\n", svg->out);
}

static const char *const anchors[] = {"start", "middle", "end"};

void vmrt_svg_text(struct vmrt_svg *svg, const char *class, double x, double y,
	enum vmrt_anchor anchor, const char *words)
{
	fputs("<text", svg->out);
	if (*class)
		fprintf(svg->out, " class=\"%s\"", class);
	fprintf(svg->out, " x=\"%.1f\" y=\"%.1f\"", x, y);
	if (anchor != VMRT_START)
		fprintf(svg->out, " text-anchor=\"%s\"", anchors[anchor]);
	putc('>', svg->out);
	vmrt_html_text(svg->out, words);
	fputs("</text>\n", svg->out);
}

void vmrt_svg_textf(struct vmrt_svg *svg, const char *class, double x, double y,
	enum vmrt_anchor anchor, const char *fmt, ...)
{
	char words[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	vmrt_svg_text(svg, class, x, y, anchor, words);
}

/* Prints words that run upwards along the middle of a vertical axis. */
static void put_upright(struct vmrt_svg *svg, double x, double y, const char *words)
{
	fprintf(svg->out,
		"<text class=\"q\" text-anchor=\"middle\" transform=\"translate(%.1f %.1f) "
		"rotate(-90)\">",
		x, y);
	vmrt_html_text(svg->out, words);
	fputs("</text>\n", svg->out);
}

/* Widths of the characters from ' ' to '~' in DejaVu Sans, in hundredths of the size of text. This
 * is the widest of the fonts that a drawing may be shown in, so a text that fits in this font fits
 * in the others. */
static const unsigned char widths[] = {32, 40, 46, 84, 64, 95, 78, 28, 39, 39, 50, 84, 32, 36, 32,
	34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84, 84, 84, 53, 100, 68, 69, 70, 77, 63,
	58, 77, 75, 30, 30, 66, 56, 86, 75, 79, 60, 79, 69, 63, 61, 73, 68, 99, 69, 61, 69, 39, 34,
	39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52,
	39, 63, 59, 82, 59, 59, 53, 64, 34, 64, 84};

static double width_of(uint32_t character)
{
	if (character >= ' ' && character - ' ' < sizeof(widths))
		return widths[character - ' '] / 100.;
	/* letters of other alphabets; characters from Hangul on, such as Chinese ones, are square
	 */
	return character < 0x1100 ? .7 : 1;
}

double vmrt_svg_text_width(double font, const char *words)
{
	const char *p = words;
	double width = 0;

	for (uint32_t c = vmrt_utf8_next(&p); c; c = vmrt_utf8_next(&p))
		width += font * width_of(c);
	return width;
}

/* Copies @words without a part in the middle, so that @most characters are left. */
static void cut(const char *words, size_t n, size_t most, char *buf, size_t room)
{
	size_t used = 0, head = n <= most ? n : (most - 1) / 2;
	size_t tail = n <= most ? 0 : most - 1 - head;
	const char *p = words;

	for (size_t i = 0; i < n && used + CHARACTER < room; i++) {
		const char *from = p;

		vmrt_utf8_next(&p);
		if (i == head)
			used += (size_t)sprintf(buf + used, "\xe2\x80\xa6");
		if (i >= head && i + tail < n)
			continue;
		memcpy(buf + used, from, (size_t)(p - from));
		used += (size_t)(p - from);
	}
	buf[used] = '\0';
}

const char *vmrt_svg_fit(
	const struct vmrt_svg *svg, const char *words, double width, char *buf, size_t room)
{
	size_t n = vmrt_utf8_length(words), fits = 3, too_many = n;

	cut(words, n, n, buf, room);
	if (n <= 3 ||
		(strlen(buf) == strlen(words) && vmrt_svg_text_width(svg->font, buf) <= width))
		return buf;
	/* a text with more characters is wider, so halving finds the most that fit; a text that
	 * @room cuts off does not fit, either */
	while (too_many - fits > 1) {
		size_t middle = fits + (too_many - fits) / 2;

		cut(words, n, middle, buf, room);
		if (strlen(buf) + CHARACTER < room && vmrt_svg_text_width(svg->font, buf) <= width)
			fits = middle;
		else
			too_many = middle;
	}
	cut(words, n, fits, buf, room);
	return buf;
}

void vmrt_svg_line(
	struct vmrt_svg *svg, const char *class, double x0, double y0, double x1, double y1)
{
	fprintf(svg->out, "<line class=\"%s\" x1=\"%.2f\" y1=\"%.2f\" x2=\"%.2f\" y2=\"%.2f\"/>\n",
		class, x0, y0, x1, y1);
}

void vmrt_svg_rect(struct vmrt_svg *svg, const char *class, double x, double y, double width,
	double height, const char *tooltip)
{
	fprintf(svg->out, "<rect class=\"%s\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"",
		class, x, y, fmax(width, 0), fmax(height, 0));
	if (!tooltip) {
		fputs("/>\n", svg->out);
		return;
	}
	fputs("><title>", svg->out);
	vmrt_html_text(svg->out, tooltip);
	fputs("</title></rect>\n", svg->out);
}

void vmrt_svg_path(struct vmrt_svg *svg, const char *class)
{
	fprintf(svg->out, "<path class=\"%s\" d=\"", class);
}

void vmrt_svg_box(struct vmrt_svg *svg, double x, double y, double width, double height)
{
	fprintf(svg->out, "M%.2f %.2fh%.2fv%.2fh%.2fz", x, y, width, height, -width);
}

void vmrt_svg_move(struct vmrt_svg *svg, double x, double y)
{
	fprintf(svg->out, "M%.2f %.2f", x, y);
}

void vmrt_svg_to(struct vmrt_svg *svg, double x, double y)
{
	fprintf(svg->out, "L%.2f %.2f", x, y);
}

void vmrt_svg_path_end(struct vmrt_svg *svg)
{
	fputs("\"/>\n", svg->out);
}

void vmrt_svg_arrow(struct vmrt_svg *svg, double x, double y0, double y1, double head)
{
	double back = y1 > y0 ? -head : head;

	fprintf(svg->out, "M%.2f %.2fV%.2fM%.2f %.2fl%.2f %.2fh%.2fz", x, y0, y1 + back, x, y1,
		-head / 2, back, head);
}

double vmrt_svg_round(double value)
{
	double power = pow(10, floor(log10(value)));

	/* a value that was rounded before must not be rounded up again because powers of ten are
	 * not exact */
	value *= 1 - 1e-9;
	return value <= power	    ? power
	       : value <= 2 * power ? 2 * power
	       : value <= 5 * power ? 5 * power
				    : 10 * power;
}

double vmrt_plot_x(const struct vmrt_plot *p, double x)
{
	return p->left + (x - p->x0) / (p->x1 - p->x0) * (p->right - p->left);
}

double vmrt_plot_y(const struct vmrt_plot *p, double y)
{
	return p->bottom - (y - p->y0) / (p->y1 - p->y0) * (p->bottom - p->top);
}

/* The ticks of an axis: @n multiples of @step, @first is the factor of the first one. */
struct ticks {
	double first, step;
	int n;
};

/*
 * At most about @places ticks from @from to @to. An axis has no ticks if it is so far from zero
 * that a double cannot distinguish neighbouring ticks.
 */
static struct ticks find_ticks(double from, double to, double places)
{
	double step = vmrt_svg_round((to - from) / fmax(places, 1));
	double first = ceil(from / step - 1e-9), last = floor(to / step + 1e-6);
	struct ticks t = {.first = first, .step = step};

	if (fabs(first) < 0x1p52 && last >= first && last - first <= places + 1)
		t.n = (int)(last - first) + 1;
	return t;
}

static double tick(const struct ticks *t, int k)
{
	double factor = t->first + k;

	return factor ? factor * t->step : 0.; /* not -0 */
}

void vmrt_plot_axis_x(const struct vmrt_plot *p, const char *words)
{
	double font = p->svg->font;
	struct ticks t = find_ticks(p->x0, p->x1, (p->right - p->left) / (font * 4.5));

	for (int k = 0; k < t.n; k++) {
		double x = vmrt_plot_x(p, tick(&t, k));

		vmrt_svg_line(p->svg, "grid", x, p->top, x, p->bottom);
		vmrt_svg_textf(
			p->svg, "q", x, p->bottom + font * 1.3, VMRT_MIDDLE, "%.6g", tick(&t, k));
	}
	vmrt_svg_line(p->svg, "axis", p->left, p->bottom, p->right, p->bottom);
	if (words)
		vmrt_svg_text(p->svg, "q", (p->left + p->right) / 2, p->bottom + font * 2.6,
			VMRT_MIDDLE, words);
}

void vmrt_plot_axis_y(const struct vmrt_plot *p, const char *words)
{
	double font = p->svg->font;
	struct ticks t = find_ticks(p->y0, p->y1, (p->bottom - p->top) / (font * 2.2));

	for (int k = 0; k < t.n; k++) {
		double y = vmrt_plot_y(p, tick(&t, k));

		vmrt_svg_line(p->svg, "grid", p->left, y, p->right, y);
		vmrt_svg_textf(p->svg, "q", p->left - font * .4, y + font * .35, VMRT_END, "%.6g",
			tick(&t, k));
	}
	vmrt_svg_line(p->svg, "axis", p->left, p->top, p->left, p->bottom);
	if (words)
		put_upright(p->svg, font, (p->top + p->bottom) / 2, words);
}

void vmrt_plot_box(const struct vmrt_plot *p, double x0, double y0, double x1, double y1)
{
	double left = vmrt_plot_x(p, x0), top = vmrt_plot_y(p, y1);

	vmrt_svg_box(p->svg, left, top, fmax(vmrt_plot_x(p, x1) - left, .3),
		fmax(vmrt_plot_y(p, y0) - top, .3));
}
