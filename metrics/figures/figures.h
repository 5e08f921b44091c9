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

/* How and where a figure is drawn. */
struct vmrt_canvas {
	FILE *out;
	enum vmrt_svg_theme theme;
	double width; /* CSS pixels */
	bool mm;      /* for a paper: the width is written in mm */
	bool ticks;   /* the axis of a schedule counts the host's ticks */
};

#define VMRT_FIGURE_WIDTH 760.
#define VMRT_FIGURE_RUNS 16

/* A run, with what its figures need. @facts or @timeline is NULL if a figure needs only the other
 * one. */
struct vmrt_figure_run {
	const char *label; /* NULL: there is only one */
	const char *origin;
	const struct vmrt_run_facts *facts;
	const struct vmrt_timeline *timeline;
};

/**
 * vmrt_figure - draw a figure of the runs that @words name
 * @words: RUN or NAME=RUN, at most VMRT_FIGURE_RUNS
 * @wanted: which part of the runs; without times, a schedule begins with the first job and lasts a
 * part of a second
 *
 * Return: VMRT_OK; errors of vmrt_timeline_load() and vmrt_facts_load(); VMRT_ENOENT if the runs
 * have nothing that the figure could show.
 */
enum vmrt_status vmrt_figure(enum vmrt_figure_kind kind, const char *const *words, size_t n,
	const struct vmrt_tl_wanted *wanted, const struct vmrt_canvas *canvas,
	struct vmrt_error *err);

/** vmrt_figure_name - split "NAME=RUN": returns RUN, and sets @name to NAME, to be freed, or to
 * NULL if @word has no name */
const char *vmrt_figure_name(const char *word, char **name);

/* Single figures, for reports. They return false and write nothing if there is nothing to draw. */
bool draw_schedule(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);
bool draw_cdf(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);
bool draw_histogram(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);
bool draw_supply(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);
bool draw_misses(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs, size_t n);

/** draw_blame - draw where the time of jobs went; reads the runs' databases. VMRT_ENOENT if there
 * is nothing to draw */
enum vmrt_status draw_blame(const struct vmrt_canvas *canvas, const struct vmrt_figure_run *runs,
	size_t n, struct vmrt_error *err);

/** draw_bars - draw the bars that a file of tab-separated values describes, see bars.c;
 * VMRT_EFORMAT if the file describes none */
enum vmrt_status draw_bars(
	const struct vmrt_canvas *canvas, const char *path, struct vmrt_error *err);

/** vmrt_draw_distribution - histogram and cumulative distribution of one task's responses */
bool vmrt_draw_distribution(const struct vmrt_canvas *canvas, const struct vmrt_task_facts *task);

/** vmrt_draw_budget - what a server consumed in its periods, over time, with its budget */
bool vmrt_draw_budget(const struct vmrt_canvas *canvas, const struct vmrt_run_facts *facts,
	const struct vmrt_server_facts *server);

/** vmrt_draw_server_supply - draw what draw_supply() draws, for one server only */
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

/** vmrt_page_figure_begin - make a canvas to draw on; false without memory: then
 * vmrt_page_figure_end() need not be called */
bool vmrt_page_figure_begin(struct vmrt_page_figure *figure);

/**
 * vmrt_page_figure_end - put the figure that was drawn into the page, below @table
 * @drawn: false if nothing was drawn; then no figure is put there
 * @fmt: format of the caption, as for printf()
 */
void vmrt_page_figure_end(struct vmrt_page_figure *figure, struct vmrt_table *table, bool drawn,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/**
 * vmrt_page_schedule - put a schedule below @table: of each run a part, around a miss if there is
 * one
 *
 * If a run cannot be read, no schedule is put there.
 */
void vmrt_page_schedule(struct vmrt_table *table, const struct vmrt_figure_run *runs, size_t n);

/* The rest is used only within this folder. */

static inline double figure_ms(int64_t ns)
{
	return (double)ns / 1e6;
}

/** vmrt_figure_resource - set @supply to the periodic resource that has the server's period and
 * budget; false if they are unknown, or impossible for a periodic resource */
bool vmrt_figure_resource(const struct vmrt_server_facts *server, struct vmrt_supply *supply);

/* An entry of a legend: how its sample looks. */
struct legend {
	const char *words;
	char symbol; /* 'b' box, 'l' line, 'u' arrow up, 'd' arrow down, 'o' dot, 's' square */
	const char *class; /* class of the sample */
};

/** legend_height - the height of a legend in a drawing of this width */
double legend_height(double width, const struct legend *entries, size_t n);
void legend_draw(struct vmrt_svg *svg, double y, const struct legend *entries, size_t n);

/** figure_line_class - the class of the lines of run @i, where a plot shows several runs */
const char *figure_line_class(size_t i);

/** figure_place - set the borders of a plot that is as wide as the drawing, and whose title is at
 * @y; @title, @height: the heights of the title and of the plot, in multiples of the text size */
void figure_place(struct vmrt_plot *plot, double y, double title, double height);

#endif
