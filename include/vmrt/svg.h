/* SPDX-License-Identifier: MIT */
#ifndef VMRT_SVG_H
#define VMRT_SVG_H

/*
 * Drawings as SVG: the one writer of reports, exports and documents.
 *
 * Shapes have classes, not colours. A drawing that is a file of its own brings a theme, which gives
 * the classes their colours; a drawing within a page of HTML takes the theme of the page
 * (vmrt_svg_style(), vmrt_svg_page()). The colours are those of Okabe and Ito, which colour-blind
 * people can distinguish, too. Differences that matter also have a shape or a pattern. Lengths are
 * CSS pixels, 96 to an inch.
 *
 * Classes to fill with: a (what is in focus), b, c, d (others), n (neutral), h (hatched), m
 * (missed), o (outline only). Lines: la lb lc ld lm (in these colours), axis, grid. Texts: ""
 * (ink), q (quiet), tm (missed).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vmrt/status.h>

#define VMRT_SVG_THEME_LIST(X)                                                                     \
	X(LIGHT, "light")                                                                          \
	X(DARK, "dark")                                                                            \
	X(PRINT, "print")

enum vmrt_svg_theme {
#define X(name, words) VMRT_SVG_##name,
	VMRT_SVG_THEME_LIST(X)
#undef X
		VMRT_SVG_PAGE, /* within a page of HTML */
};

#define VMRT_PX_PER_MM (96 / 25.4)

struct vmrt_svg {
	FILE *out;
	double width, height;
	double font; /* size of text */
};

/** vmrt_svg_font - size of text in a drawing of this width: 6.4 points at least */
double vmrt_svg_font(double width);

/**
 * vmrt_svg_begin - begin a drawing
 * @title: what it shows, for those who cannot see it
 * @mm: the width is in mm, for papers
 */
void vmrt_svg_begin(struct vmrt_svg *svg, FILE *out, enum vmrt_svg_theme theme, double width,
	double height, const char *title, bool mm);

/** vmrt_svg_end - end it; @out stays open */
void vmrt_svg_end(struct vmrt_svg *svg);

/** vmrt_svg_style - the rules of all classes, with colours as variables of the page: for a page of
 * HTML */
void vmrt_svg_style(FILE *out);

/** vmrt_svg_page - the patterns that drawings within a page of HTML use: once, in its body */
void vmrt_svg_page(FILE *out);

enum vmrt_anchor { VMRT_START, VMRT_MIDDLE, VMRT_END };

/** vmrt_svg_text - print @words at a point of the base line; characters that markup would take for
 * its own are escaped
 */
void vmrt_svg_text(struct vmrt_svg *svg, const char *class, double x, double y,
	enum vmrt_anchor anchor, const char *words);

/** vmrt_svg_textf - as vmrt_svg_text(), with a format */
void vmrt_svg_textf(struct vmrt_svg *svg, const char *class, double x, double y,
	enum vmrt_anchor anchor, const char *fmt, ...) __attribute__((format(printf, 6, 7)));

/** vmrt_svg_text_width - how wide @words are at most, whichever of the fonts the reader has */
double vmrt_svg_text_width(double font, const char *words);

/** vmrt_svg_fit - @words, cut in the middle if they are wider than @width, in @buf; valid UTF-8
 * stays valid */
const char *vmrt_svg_fit(
	const struct vmrt_svg *svg, const char *words, double width, char *buf, size_t room);

/** vmrt_svg_line - a line between two points */
void vmrt_svg_line(
	struct vmrt_svg *svg, const char *class, double x0, double y0, double x1, double y1);

/** vmrt_svg_rect - a single rectangle with a tooltip, or NULL */
void vmrt_svg_rect(struct vmrt_svg *svg, const char *class, double x, double y, double width,
	double height, const char *tooltip);

/**
 * vmrt_svg_path, vmrt_svg_path_end - begin and end a path, between which the functions below add
 * its parts: shapes of one class are one element, since there can be thousands of them
 */
void vmrt_svg_path(struct vmrt_svg *svg, const char *class);
void vmrt_svg_box(struct vmrt_svg *svg, double x, double y, double width, double height);
void vmrt_svg_move(struct vmrt_svg *svg, double x, double y);
void vmrt_svg_to(struct vmrt_svg *svg, double x, double y);
void vmrt_svg_path_end(struct vmrt_svg *svg);

/** vmrt_svg_arrow - part of a path: an arrow from (@x, @y0) to (@x, @y1) with a filled head */
void vmrt_svg_arrow(struct vmrt_svg *svg, double x, double y0, double y1, double head);

/** vmrt_svg_round - the least of 1, 2 and 5 times a power of ten that is not below @value, > 0 */
double vmrt_svg_round(double value);

/* An area with two axes. */
struct vmrt_plot {
	struct vmrt_svg *svg;
	double left, right, top, bottom; /* of the area */
	double x0, x1, y0, y1;		 /* values at its edges */
};

/** vmrt_plot_x, vmrt_plot_y - where a value stands in the drawing */
double vmrt_plot_x(const struct vmrt_plot *plot, double x);
double vmrt_plot_y(const struct vmrt_plot *plot, double y);

/** vmrt_plot_axis_x - ticks, numbers and grid lines up to the top; @words: title with unit, or NULL
 */
void vmrt_plot_axis_x(const struct vmrt_plot *plot, const char *words);
void vmrt_plot_axis_y(const struct vmrt_plot *plot, const char *words);

/** vmrt_plot_box - part of a path: a rectangle between values */
void vmrt_plot_box(const struct vmrt_plot *plot, double x0, double y0, double x1, double y1);

#endif
