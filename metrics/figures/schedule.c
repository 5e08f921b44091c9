/* SPDX-License-Identifier: MIT */
/* Schedules as papers draw them: arrows for releases and deadlines, execution as boxes, budgets
 * below. */
#include "figures.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TASK_ROW 3.4 /* heights, in multiples of the text size */
#define TASK_BOX 1.25
#define ARROW 2.5
#define VCPU_ROW 1.7
#define VCPU_BOX .9
#define SERVER_ROW 3.
#define SERVER_BOX 2.3
#define PANEL_TITLE 1.8
#define PANEL_GAP .8
#define AXIS 3.4
#define SEGMENTS 4096		     /* most segments of a job; further ones are not drawn */
#define LAYERS 4		     /* the segments of all jobs are computed once for each layer */
#define TOGETHER .3		     /* pixels: a narrower gap is not drawn */
#define TICK_NS (4 * VMRT_NS_PER_MS) /* assumed if the host's tick is not known */

struct panel {
	const struct vmrt_timeline *tl;
	const char *label;
	struct vmrt_svg *svg;
	double left, right, top, bottom;
	int64_t span; /* ns of the axis */
	double y;     /* where the next row is drawn */
	/* how many are left for vmrt_timeline_segments(); 0: not all jobs are drawn completely */
	size_t steps;
};

static double at(const struct panel *p, int64_t ns)
{
	double x = (double)(ns - p->tl->from) / (double)p->span;

	return p->left + fmin(fmax(x, 0), 1) * (p->right - p->left);
}

static bool inside(const struct panel *p, int64_t ns)
{
	return ns != VMRT_UNKNOWN && ns >= p->tl->from && ns <= p->tl->to;
}

static size_t shown_servers(const struct vmrt_timeline *tl)
{
	size_t n = 0;

	for (size_t i = 0; i < tl->n_servers; i++)
		n += tl->servers[i].enforced;
	return n;
}

static double panel_height(const struct vmrt_timeline *tl, bool title)
{
	return (title ? PANEL_TITLE : .6) + TASK_ROW * (double)tl->n_tasks +
	       VCPU_ROW * (double)tl->n_vcpus + SERVER_ROW * (double)shown_servers(tl) + PANEL_GAP;
}

static void label(const struct panel *p, double y, const char *words, const char *below)
{
	double f = p->svg->font, room = p->left - f * .8;
	char buf[256];

	vmrt_svg_text(p->svg, "", p->left - f * .5, y, VMRT_END,
		vmrt_svg_fit(p->svg, words, room, buf, sizeof(buf)));
	if (below)
		vmrt_svg_text(p->svg, "q", p->left - f * .5, y + f * 1.15, VMRT_END,
			vmrt_svg_fit(p->svg, below, room, buf, sizeof(buf)));
}

/* Draws boxes of one height from left to right. Boxes that nobody could distinguish become one box:
 * thousands of boxes would make a file large, and edges that meet within a pixel look like a
 * gap. */
struct strip {
	const struct panel *p;
	double top, height, least; /* @least: narrower ones are left out */
	double from, to;
	bool open;
};

static void strip_end(struct strip *s)
{
	if (s->open && s->to - s->from >= s->least)
		vmrt_svg_box(s->p->svg, s->from, s->top, fmax(s->to - s->from, .25), s->height);
	s->open = false;
}

static void strip_add(struct strip *s, int64_t from_ns, int64_t to_ns)
{
	double from = at(s->p, from_ns), to = at(s->p, to_ns);

	if (s->open && from - s->to < TOGETHER && from >= s->from) {
		s->to = fmax(s->to, to);
		return;
	}
	strip_end(s);
	s->from = from;
	s->to = to;
	s->open = true;
}

/* Draws the boxes of one state of one task's jobs, as one path. @late: only execution after the
 * deadline, which is drawn as a state of its own. */
static void boxes(struct panel *p, size_t t, enum vmrt_state state, bool late,
	struct vmrt_segment *segments, double base)
{
	const struct vmrt_tl_task *task = &p->tl->tasks[t];
	double f = p->svg->font;
	struct strip strip = {.p = p,
		.top = base - f * TASK_BOX,
		.height = f * TASK_BOX,
		.least = state == VMRT_STATE_WAITS ? TOGETHER : 0};

	for (size_t j = 0; j < task->n_jobs; j++) {
		int64_t due = task->jobs[j].deadline;
		size_t n = vmrt_timeline_segments(p->tl, t, j, segments, SEGMENTS, &p->steps);

		for (size_t i = 0; i < n; i++) {
			int64_t from = segments[i].from_ns, to = segments[i].to_ns;

			if (segments[i].state != state)
				continue;
			if (state == VMRT_STATE_RUNS && due != VMRT_UNKNOWN) {
				from = late && from < due ? due : from;
				to = !late && to > due ? due : to;
			} else if (late) {
				continue;
			}
			if (to <= from || to <= p->tl->from || from >= p->tl->to)
				continue;
			strip_add(&strip, from, to);
		}
		/* boxes of two jobs never become one box, so that one sees where a job ends and the
		 * next one begins */
		strip_end(&strip);
	}
}

/* Draws a frame around each job, from its begin to its end. Where no box fills the frame, the job
 * was preempted. */
static void frames(struct panel *p, size_t t, struct vmrt_segment *segments, double base)
{
	const struct vmrt_tl_task *task = &p->tl->tasks[t];
	double f = p->svg->font;

	for (size_t j = 0; j < task->n_jobs; j++) {
		size_t n = vmrt_timeline_segments(p->tl, t, j, segments, SEGMENTS, &p->steps);
		double x;

		if (!n || segments[n - 1].to_ns <= p->tl->from || segments[0].from_ns >= p->tl->to)
			continue;
		x = at(p, segments[0].from_ns);
		vmrt_svg_box(p->svg, x, base - f * TASK_BOX,
			fmax(at(p, segments[n - 1].to_ns) - x, .25), f * TASK_BOX);
	}
}

static void arrows(const struct panel *p, const struct vmrt_tl_task *task, const char *class,
	bool deadlines, bool missed, double base)
{
	double f = p->svg->font;

	vmrt_svg_path(p->svg, class);
	for (size_t j = 0; j < task->n_jobs; j++) {
		const struct vmrt_tl_job *job = &task->jobs[j];
		bool is_missed = job->outcome == VMRT_OUTCOME_MISSED ||
				 job->outcome == VMRT_OUTCOME_INCOMPLETE;
		int64_t ns = deadlines ? job->deadline : job->arrival;

		if (!inside(p, ns) || (deadlines && is_missed != missed))
			continue;
		vmrt_svg_arrow(p->svg, at(p, ns), deadlines ? base - f * ARROW : base,
			deadlines ? base : base - f * ARROW, f * .5);
	}
	vmrt_svg_path_end(p->svg);
}

static void crosses(const struct panel *p, const struct vmrt_tl_task *task, double base)
{
	double f = p->svg->font, r = f * .32;

	vmrt_svg_path(p->svg, "km");
	for (size_t j = 0; j < task->n_jobs; j++) {
		const struct vmrt_tl_job *job = &task->jobs[j];
		double x, y = base - f * (ARROW + .35);

		if (!inside(p, job->deadline) || (job->outcome != VMRT_OUTCOME_MISSED &&
							 job->outcome != VMRT_OUTCOME_INCOMPLETE))
			continue;
		x = at(p, job->deadline);
		vmrt_svg_move(p->svg, x - r, y - r);
		vmrt_svg_to(p->svg, x + r, y + r);
		vmrt_svg_move(p->svg, x - r, y + r);
		vmrt_svg_to(p->svg, x + r, y - r);
	}
	vmrt_svg_path_end(p->svg);
}

static void draw_task(struct panel *p, size_t t, struct vmrt_segment *segments)
{
	static const struct {
		enum vmrt_state state;
		bool late;
		const char *class;
	} layers[] = {
		{VMRT_STATE_WAITS, false, "h"},
		{VMRT_STATE_RUNS, false, "a"},
		{VMRT_STATE_RUNS, true, "m"},
	};
	const struct vmrt_tl_task *task = &p->tl->tasks[t];
	double f = p->svg->font, base = p->y + f * (TASK_ROW - .25);

	label(p, base - f * .3, task->label, NULL);
	vmrt_svg_path(p->svg, "o");
	frames(p, t, segments, base);
	vmrt_svg_path_end(p->svg);
	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		vmrt_svg_path(p->svg, layers[i].class);
		boxes(p, t, layers[i].state, layers[i].late, segments, base);
		vmrt_svg_path_end(p->svg);
	}
	vmrt_svg_line(p->svg, "axis", p->left, base, p->right, base);
	arrows(p, task, "k", false, false, base);
	arrows(p, task, "k", true, false, base);
	arrows(p, task, "km", true, true, base);
	crosses(p, task, base);
	p->y += f * TASK_ROW;
}

static void draw_vcpu(struct panel *p, const struct vmrt_tl_vcpu *vcpu)
{
	double f = p->svg->font, base = p->y + f * (VCPU_ROW - .3);
	struct strip strip = {.p = p, .top = base - f * VCPU_BOX, .height = f * VCPU_BOX};

	label(p, base - f * .1, vcpu->name, NULL);
	vmrt_svg_path(p->svg, "d");
	for (size_t i = 0; i < vcpu->spans.n; i++)
		if (vcpu->spans.all[i].end > p->tl->from && vcpu->spans.all[i].start < p->tl->to)
			strip_add(&strip, vcpu->spans.all[i].start, vcpu->spans.all[i].end);
	strip_end(&strip);
	vmrt_svg_path_end(p->svg);
	vmrt_svg_line(p->svg, "axis", p->left, base, p->right, base);
	p->y += f * VCPU_ROW;
}

/* Draws the budget over time: it falls while the VM runs, and jumps when it is replenished. */
static void draw_server(struct panel *p, size_t i)
{
	const struct vmrt_tl_server *s = &p->tl->servers[i];
	double f = p->svg->font, base = p->y + f * (SERVER_ROW - .3), most = 1;
	struct vmrt_tl_point *points;
	char words[96], name[160];
	size_t n;

	if (vmrt_timeline_budget(p->tl, i, &points, &n) != VMRT_OK)
		return;
	for (size_t k = 0; k < n; k++)
		most = fmax(most, (double)points[k].left);
	snprintf(words, sizeof(words), "%.4g of %.4g ms", figure_ms(s->budget),
		figure_ms(s->period));
	snprintf(name, sizeof(name), "server %s", s->name);
	label(p, base - f * 1.2, name, words);
	for (int line = 0; line < 2; line++) {
		bool begun = false;

		vmrt_svg_path(p->svg, line ? "lb" : "band");
		for (size_t k = 0; k < n; k++) {
			double y = base - f * SERVER_BOX * (double)points[k].left / most;

			/* points outside the part are drawn on the edges of the plot, where they
			 * cannot be seen */
			if (!begun)
				vmrt_svg_move(p->svg, at(p, points[k].at), line ? y : base);
			vmrt_svg_to(p->svg, at(p, points[k].at), y);
			begun = true;
		}
		if (begun && !line) {
			vmrt_svg_to(p->svg, at(p, points[n - 1].at), base);
			fputs("z", p->svg->out);
		}
		vmrt_svg_path_end(p->svg);
	}
	vmrt_svg_line(p->svg, "axis", p->left, base, p->right, base);
	free(points);
	p->y += f * SERVER_ROW;
}

static bool is_shown(const struct vmrt_tl_loss *loss)
{
	return strcmp(loss->kind, "broken_chain") != 0;
}

/* Is the loss drawn, and wider than a hair? */
static bool is_seen(const struct vmrt_timeline *tl, size_t i)
{
	const struct vmrt_tl_loss *l = &tl->losses[i];
	int64_t from = l->from > tl->from ? l->from : tl->from;
	int64_t to = l->to < tl->to ? l->to : tl->to;

	return is_shown(l) && to - from > (tl->to - tl->from) / 500;
}

/* Grey bands where events were lost: what is drawn there may be wrong. */
static void draw_losses(const struct panel *p)
{
	for (size_t i = 0; i < p->tl->n_losses; i++) {
		const struct vmrt_tl_loss *l = &p->tl->losses[i];
		double x = at(p, l->from);

		if (!is_shown(l))
			continue;
		vmrt_svg_rect(p->svg, "n", x, p->top, fmax(at(p, l->to) - x, .5),
			p->bottom - p->top, l->kind);
	}
}

static void draw_panel(struct panel *p, struct vmrt_segment *segments)
{
	double f = p->svg->font;

	p->y = p->top;
	p->steps = LAYERS * vmrt_timeline_steps(p->tl);
	draw_losses(p);
	if (p->label) {
		vmrt_svg_text(p->svg, "", p->left, p->y + f * 1.1, VMRT_START, p->label);
		p->y += f * PANEL_TITLE;
	} else {
		p->y += f * .6;
	}
	for (size_t i = 0; i < p->tl->n_tasks; i++)
		draw_task(p, i, segments);
	for (size_t i = 0; i < p->tl->n_vcpus; i++)
		draw_vcpu(p, &p->tl->vcpus[i]);
	for (size_t i = 0; i < p->tl->n_servers; i++)
		if (p->tl->servers[i].enforced)
			draw_server(p, i);
}

static const struct legend all_entries[] = {
	{"release", 'u', "k"},
	{"deadline", 'd', "k"},
	{"missed", 'd', "km"},
	{"runs", 'b', "a"},
	{"runs too late", 'b', "m"},
	{"preempted", 'b', "o"},
	{"vCPU not running", 'b', "h"},
	{"vCPU runs", 'b', "d"},
	{"budget", 'l', "lb"},
	{"events lost, or stolen", 'b', "n"},
};
#define LEGEND (sizeof(all_entries) / sizeof(all_entries[0]))

/* Makes the entries of the legend for what the runs have, and returns how many there are. */
static size_t make_legend(struct legend *legend, const struct vmrt_figure_run *runs, size_t n_runs)
{
	bool tasks = false, vcpus = false, servers = false, losses = false;
	size_t n = 0;

	for (size_t r = 0; r < n_runs; r++) {
		tasks = tasks || runs[r].timeline->n_tasks;
		vcpus = vcpus || runs[r].timeline->n_vcpus;
		servers = servers || shown_servers(runs[r].timeline);
		for (size_t i = 0; i < runs[r].timeline->n_losses; i++)
			losses = losses || is_seen(runs[r].timeline, i);
	}
	for (size_t i = 0; i < LEGEND; i++) {
		const char *class = all_entries[i].class;
		bool has = tasks;

		if (!strcmp(class, "lb"))
			has = servers;
		else if (!strcmp(class, "n"))
			has = losses;
		else if (!strcmp(class, "d"))
			has = vcpus;
		else if (!strcmp(class, "h"))
			has = tasks && vcpus;
		if (has)
			legend[n++] = all_entries[i];
	}
	return n;
}

/* How wide the names of all rows are, but no more than a third of the drawing. */
static double labels_room(double width, const struct vmrt_figure_run *runs, size_t n)
{
	double font = vmrt_svg_font(width), most = 0;

	for (size_t r = 0; r < n; r++) {
		const struct vmrt_timeline *tl = runs[r].timeline;

		for (size_t i = 0; i < tl->n_tasks; i++)
			most = fmax(most, vmrt_svg_text_width(font, tl->tasks[i].label));
		for (size_t i = 0; i < tl->n_vcpus; i++)
			most = fmax(most, vmrt_svg_text_width(font, tl->vcpus[i].name));
		for (size_t i = 0; i < tl->n_servers; i++)
			if (tl->servers[i].enforced)
				most = fmax(most,
					vmrt_svg_text_width(font, "server ") +
						vmrt_svg_text_width(font, tl->servers[i].name));
	}
	return fmin(most, width / 3);
}

static void warn_of_overlap(const struct panel *p)
{
	if (!p->steps)
		vmrt_warn("the jobs of %s overlap so much that not all of their parts are drawn: "
			  "choose a shorter part",
			p->tl->name);
}

bool draw_schedule(const struct vmrt_canvas *c, const struct vmrt_figure_run *runs, size_t n)
{
	struct vmrt_segment *segments = calloc(SEGMENTS, sizeof(*segments));
	double f = vmrt_svg_font(c->width), height = f * AXIS, rows = 0;
	struct vmrt_svg svg;
	struct vmrt_plot axis = {.svg = &svg};
	int64_t span = 1, tick = TICK_NS;
	struct legend legend[LEGEND];
	size_t n_legend = make_legend(legend, runs, n);
	char title[256];

	for (size_t i = 0; i < n; i++) {
		const struct vmrt_timeline *tl = runs[i].timeline;

		height += f * panel_height(tl, runs[i].label);
		rows += (double)(tl->n_tasks + tl->n_vcpus + shown_servers(tl));
		span = tl->to - tl->from > span ? tl->to - tl->from : span;
		tick = i == 0 && tl->tick != VMRT_UNKNOWN && tl->tick > 0 ? tl->tick : tick;
	}
	if (!segments || !rows) {
		free(segments);
		return false;
	}
	height += legend_height(c->width, legend, n_legend);
	snprintf(title, sizeof(title), "Schedule of %s%s", runs[0].timeline->name,
		n > 1 ? " and others" : "");
	vmrt_svg_begin(&svg, c->out, c->theme, c->width, height, title, c->mm);
	axis.left = fmax(f * 7, labels_room(c->width, runs, n) + f * .8);
	axis.right = c->width - f * 1.2;
	axis.top = f * .3;
	axis.bottom = height - f * (AXIS - .4) - legend_height(c->width, legend, n_legend);
	axis.x1 = (double)span / (c->ticks ? (double)tick : 1e6);
	vmrt_plot_axis_x(&axis, NULL);
	if (n > 1)
		snprintf(title, sizeof(title), "time, %s", c->ticks ? "ticks" : "ms");
	else
		snprintf(title, sizeof(title), "time from %.6g s after the run's start, %s",
			(double)(runs[0].timeline->from - runs[0].timeline->start) / 1e9,
			c->ticks ? "ticks" : "ms");
	vmrt_svg_text(
		&svg, "q", (axis.left + axis.right) / 2, axis.bottom + f * 2.6, VMRT_MIDDLE, title);
	for (size_t i = 0; i < n; i++) {
		struct panel p = {.tl = runs[i].timeline,
			.label = runs[i].label,
			.svg = &svg,
			.left = axis.left,
			.right = axis.right,
			.top = i ? rows : axis.top,
			.span = span};

		p.bottom = p.top + f * (panel_height(p.tl, p.label) - PANEL_GAP);
		draw_panel(&p, segments);
		warn_of_overlap(&p);
		rows = p.top + f * panel_height(p.tl, p.label);
	}
	legend_draw(&svg, axis.bottom + f * AXIS - f * .4, legend, n_legend);
	vmrt_svg_end(&svg);
	free(segments);
	return true;
}
