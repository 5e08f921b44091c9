/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_FIGURES_FIGURES_H
#define VMRT_METRICS_FIGURES_FIGURES_H

/* Figures of one run, or of several one above the other on the same axis. */

#include <stdio.h>

#include <vmrt/svg.h>
#include <vmrt/table.h>

#include "metrics/facts/facts.h"
#include "metrics/timeline/timeline.h"

#define VMRT_FIGURE_LIST(X)                                                                        \
	X(SCHEDULE, "schedule")                                                                    \
	X(CDF, "cdf")                                                                              \
	X(HISTOGRAM, "histogram")                                                                  \
	X(SUPPLY, "supply")                                                                        \
	X(MISSES, "misses")                                                                        \
	X(BLAME, "blame")                                                                          \
	X(BARS, "bars")

enum vmrt_figure_kind {
#define X(name, words) VMRT_FIGURE_##name,
	VMRT_FIGURE_LIST(X)
#undef X
};

/* How it is drawn. */
struct vmrt_canvas {
	FILE *out;
	enum vmrt_svg_theme theme;
	double width; /* CSS pixels */
	bool mm;      /* of a paper: the width is in mm */
	bool ticks;   /* the axis of a schedule counts the host's ticks */
};

#define VMRT_FIGURE_WIDTH 760.
#define VMRT_FIGURE_RUNS 16

/* A run, with what its figures need; each of facts and timeline may be NULL where a figure needs
 * the other. */
struct vmrt_figure_run {
	const char *label; /* NULL: there is only one */
	const char *origin;
	const struct vmrt_run_facts *facts;
	const struct vmrt_timeline *timeline;
};

/**
 * vmrt_figure - a figure of the runs that @words name
 * @words: RUN or NAME=RUN, at most VMRT_FIGURE_RUNS
 * @wanted: what of them; a schedule without times begins with the first job and lasts a part of a
 * second
 *
 * Return: VMRT_OK; errors of vmrt_timeline_load() and vmrt_facts_load(); VMRT_ENOENT if they have
 * nothing to show.
 */
enum vmrt_status vmrt_figure(enum vmrt_figure_kind kind, const char *const *words, size_t n,
	const struct vmrt_tl_wanted *wanted, const struct vmrt_canvas *canvas,
	struct vmrt_error *err);

/** vmrt_figure_name - "NAME=RUN" is called NAME, set in @name, to be freed; NULL: it has no name;
 * returns RUN */
const char *vmrt_figure_name(const char *word, char **name);

/* Single figures, for reports: false if there was nothing to draw, and nothing was written. */
bool draw_schedule(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);
bool draw_cdf(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);
bool draw_histogram(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);
bool draw_supply(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);
bool draw_misses(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);

/** draw_blame - reads the runs' databases; VMRT_ENOENT if there was nothing to draw */
enum vmrt_status draw_blame(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs,
	size_t n, struct vmrt_error *err);

/** draw_bars - bars from a file of tab-separated values, see bars.c; VMRT_EFORMAT if it has no
 * bars */
enum vmrt_status draw_bars(
	const struct vmrt_canvas *canvas, const char *path, struct vmrt_error *err);

/** vmrt_draw_distribution - histogram and cumulative distribution of one task's responses */
bool vmrt_draw_distribution(const struct vmrt_canvas *canvas, const struct vmrt_task_facts *task);

/** vmrt_draw_budget - what a server consumed in its periods, over time, with its budget */
bool vmrt_draw_budget(const struct vmrt_canvas *canvas, const struct vmrt_run_facts *facts,
	const struct vmrt_server_facts *server);

/** vmrt_draw_server_supply - as draw_supply(), of one server */
bool vmrt_draw_server_supply(
	const struct vmrt_canvas *canvas, const struct vmrt_server_facts *server);

/** vmrt_draw_worst - the worst jobs of a task, from arrival to end */
bool vmrt_draw_worst(const struct vmrt_canvas *canvas, const struct vmrt_task_facts *task);

/* A figure within a page of HTML. */
struct vmrt_page_figure {
	struct vmrt_canvas canvas;
	char *svg;
	size_t size;
};

/** vmrt_page_figure_begin - a canvas to draw on; false without memory, and then it needs no end */
bool vmrt_page_figure_begin(struct vmrt_page_figure *figure);

/**
 * vmrt_page_figure_end - put what was drawn below @table
 * @drawn: false if nothing was, and nothing is put
 * @fmt: of the caption
 */
void vmrt_page_figure_end(struct vmrt_page_figure *figure, struct vmrt_table *table, bool drawn,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/**
 * vmrt_page_schedule - a schedule of a part of each run, around a miss if there is one, below
 * @table
 *
 * Nothing is put if a run cannot be read.
 */
void vmrt_page_schedule(struct vmrt_table *table, const struct vmrt_figure_run *runs, size_t n);

/* Within the room */

static inline double figure_ms(int64_t ns)
{
	return (double)ns / 1e6;
}

/** vmrt_figure_resource - a period and a budget that make a periodic resource */
bool vmrt_figure_resource(const struct vmrt_server_facts *server, struct vmrt_supply *supply);

/* An entry of a legend: how its sample looks. */
struct legend {
	const char *words;
	char symbol; /* 'b' box, 'l' line, 'u' arrow up, 'd' arrow down, 'o' dot, 's' square */
	const char *class; /* of the sample */
};

/** legend_height - of a legend in a drawing of this width */
double legend_height(double width, const struct legend *entries, size_t n);
void legend_draw(struct vmrt_svg *svg, double y, const struct legend *entries, size_t n);

/** figure_line_class - of the lines of run @i of several */
const char *figure_line_class(size_t i);

/** figure_place - borders of a plot over the whole width whose title is at @y; @title,
 * @height: of title and plot, in the size of text */
void figure_place(struct vmrt_plot *plot, double y, double title, double height);

#endif
