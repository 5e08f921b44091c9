/* SPDX-License-Identifier: MIT */
/*
 * The timeline: budgets of servers, runs of vCPUs and tasks, arrivals and deadlines of jobs, from
 * left to right; and a description of what is under the cursor.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lanes.h"
#include "pages.h"
#include "text.h"

#define LABEL 14
#define LABEL_STEP 16 /* columns between two times of the axis */
#define COLUMNS_MAX 1000
#define WORDS_LINES 1

/* A line of the timeline: a lane, or the marks above the lane of a task. */
struct line {
	size_t lane;
	bool marks;
};

struct drawing {
	const struct top_area *area;
	const struct top_lane *lanes;
	size_t n_lanes;
	int64_t from_ns, to_ns;
	int columns;
	int cursor; /* column, or -1 */
	size_t cursor_lane;
	int digits; /* of times */
};

/* ---- one character for one cell ---- */

struct glyph {
	const char *text;
	enum top_attr attr;
};

static struct glyph run_glyph(const struct top_lane_cell *c, int64_t width_ns, bool ascii)
{
	double run = (double)c->run_ns / (double)width_ns,
	       soft = (double)c->soft_ns / (double)width_ns;

	if (c->run_ns && run >= soft)
		return (struct glyph){top_text_level(run + soft, ascii), TOP_RUN};
	if (c->soft_ns)
		return (struct glyph){ascii ? "~" : "\u2591", TOP_BACKGROUND};
	if (c->wait_ns * 2 >= width_ns)
		return (struct glyph){"-", TOP_WAIT};
	return (struct glyph){" ", TOP_PLAIN};
}

static struct glyph budget_glyph(double left, bool depleted, bool ascii)
{
	if (isnan(left))
		return (struct glyph){" ", TOP_PLAIN};
	if (depleted || left <= 0)
		return (struct glyph){"x", TOP_DEPLETED};
	return (struct glyph){top_text_level(left, ascii), TOP_BAR};
}

/* ---- lines ---- */

static int column_of(const struct drawing *d, int64_t ns)
{
	double part;

	if (ns == VMRT_UNKNOWN || ns < d->from_ns || ns >= d->to_ns)
		return -1;
	part = (double)(ns - d->from_ns) / (double)(d->to_ns - d->from_ns);
	return (int)(part * d->columns);
}

/* Prints the cells. Neighbouring cells of one style are one piece of text; the cell under the
 * cursor is a separate piece. */
static void put_glyphs(const struct drawing *d, int y, const struct glyph *glyphs)
{
	struct top_screen *screen = d->area->screen;
	char text[TOP_TEXT] = "";
	int from = 0;

	for (int i = 0; i <= d->columns; i++) {
		bool ends = i == d->columns || glyphs[i].attr != glyphs[from].attr ||
			    i == d->cursor || (i && i - 1 == d->cursor) ||
			    strlen(text) + 4 >= TOP_TEXT;

		if (ends && i > from) {
			screen->reverse = from == d->cursor;
			top_put(screen, y, LABEL + from, i - from, false, glyphs[from].attr, text);
			screen->reverse = false;
			from = i;
			text[0] = '\0';
		}
		if (i < d->columns)
			strcat(text, glyphs[i].text);
	}
}

/* Prints arrivals, deadlines and misses of a task's jobs. If two fall into one cell, the more
 * important one is shown. */
static void put_marks(const struct drawing *d, size_t task, int y)
{
	struct glyph glyphs[COLUMNS_MAX];
	bool ascii = d->area->ui->ascii;

	for (int i = 0; i < d->columns; i++)
		glyphs[i] = (struct glyph){" ", TOP_PLAIN};
	for (size_t i = 0; i < d->area->view->n_marks; i++) {
		const struct top_mark *m = &d->area->view->marks[i];
		int arrival, deadline;

		if (m->task != task)
			continue;
		arrival = column_of(d, m->arrival_ns);
		deadline = column_of(d, m->deadline_ns);
		if (arrival >= 0 && *glyphs[arrival].text != 'M')
			glyphs[arrival] = (struct glyph){ascii ? "^" : "\u2191", TOP_PLAIN};
		if (deadline < 0)
			continue;
		if (m->outcome == VMRT_OUTCOME_MISSED ||
			m->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE)
			glyphs[deadline] = (struct glyph){"M", TOP_MISS};
		else if (*glyphs[deadline].text == ' ')
			glyphs[deadline] = (struct glyph){ascii ? "v" : "\u2193", TOP_DIM};
	}
	put_glyphs(d, y, glyphs);
}

static void put_lane(const struct drawing *d, const struct top_lane *lane, int y)
{
	struct top_lane_cell cells[COLUMNS_MAX];
	struct glyph glyphs[COLUMNS_MAX];
	int64_t width_ns = (d->to_ns - d->from_ns) / d->columns;
	bool ascii = d->area->ui->ascii;

	if (lane->kind == TOP_LANE_SERVER &&
		top_unenforced(&d->area->view->servers[lane->server])) {
		top_put(d->area->screen, y, LABEL, d->columns, false, TOP_DIM, "unenforced");
		return;
	}
	if (lane->kind == TOP_LANE_SERVER) {
		double left[COLUMNS_MAX];
		bool depleted[COLUMNS_MAX];

		top_budget_fill(d->area->view, lane->server, d->from_ns, d->to_ns, left, depleted,
			(size_t)d->columns);
		for (int i = 0; i < d->columns; i++)
			glyphs[i] = budget_glyph(left[i], depleted[i], ascii);
	} else {
		top_lane_fill(d->area->view, lane, d->from_ns, d->to_ns, cells, (size_t)d->columns);
		for (int i = 0; i < d->columns; i++)
			glyphs[i] = run_glyph(&cells[i], width_ns, ascii);
	}
	put_glyphs(d, y, glyphs);
}

/* Writes the name of a vCPU as vmrt-hsf does, "NAME:0". If it is too long, the name of the VM is
 * cut and never the number. */
static void vcpu_name(const struct top_vm_row *vm, int vcpu, char *out)
{
	char name[TOP_TEXT], number[16];

	snprintf(out, TOP_TEXT, "%s vCPU %d", vm->name, vcpu);
	if (top_columns(out) <= LABEL - 2)
		return;
	snprintf(number, sizeof(number), ":%d", vcpu);
	top_text_name(name, vm->name, LABEL - 2 - (int)strlen(number));
	snprintf(out, TOP_TEXT, "%.160s%s", name, number);
}

static void lane_name(const struct top_view *view, const struct top_lane *lane, char *out)
{
	if (lane->kind == TOP_LANE_SERVER)
		snprintf(out, TOP_TEXT, "%s", view->servers[lane->server].name);
	else if (lane->kind == TOP_LANE_TASK)
		snprintf(out, TOP_TEXT, "%s%s", lane->server == SIZE_MAX ? "" : "  ",
			view->tasks[lane->task].name);
	else if (lane->server != SIZE_MAX && view->servers[lane->server].policy != VMRT_POLICY_NONE)
		snprintf(out, TOP_TEXT, "  vCPU %d", view->vms[lane->vm].vcpus[lane->vcpu].vcpu);
	else
		vcpu_name(&view->vms[lane->vm], view->vms[lane->vm].vcpus[lane->vcpu].vcpu, out);
}

static void put_axis(const struct drawing *d, int y)
{
	struct top_screen *screen = d->area->screen;
	char text[VMRT_UNITS_TEXT];

	for (int i = 0; i + 8 < d->columns; i += LABEL_STEP) {
		int64_t at =
			d->from_ns + (int64_t)((double)(d->to_ns - d->from_ns) * i / d->columns);

		if (top_since(d->area->view, at) < 0)
			continue;
		top_put(screen, y, LABEL + i, 1, false, TOP_DIM, "|");
		top_put(screen, y, LABEL + i + 1, LABEL_STEP - 2, false, TOP_DIM,
			top_text_time(text, top_since(d->area->view, at), d->digits));
	}
	vmrt_format_duration(d->to_ns - d->from_ns, text);
	top_put(screen, y, 0, LABEL - 1, false, TOP_DIM, text);
}

/* ---- in words ---- */

static void say_job(const struct drawing *d, size_t task, int64_t at_ns, char *out, size_t room)
{
	const struct top_mark *m = top_job_at(d->area->view, task, at_ns);
	char since[VMRT_UNITS_TEXT], left[VMRT_UNITS_TEXT];
	size_t n;

	if (!m) {
		snprintf(out, room, "no job is under way, or it is not finished yet");
		return;
	}
	n = (size_t)snprintf(out, room, "job %" PRId64 ", %s ms after its arrival", m->k,
		vmrt_format_ms(at_ns - m->arrival_ns, 2, since));
	if (m->deadline_ns != VMRT_UNKNOWN && n < room)
		n += (size_t)snprintf(out + n, room - n, ", deadline %s%s ms, %s",
			m->deadline_ns >= at_ns ? "in " : "was ",
			vmrt_format_ms(llabs(m->deadline_ns - at_ns), 2, left),
			vmrt_outcome_name(m->outcome));
	if (n < room && m->deadline_ns != VMRT_UNKNOWN && m->deadline_ns < at_ns)
		snprintf(out + n, room - n, " (late)");
}

static void say_lane(
	const struct drawing *d, const struct top_lane *lane, int64_t at_ns, char *out, size_t room)
{
	const struct top_view *view = d->area->view;
	struct vmrt_server_period p;
	char used[VMRT_UNITS_TEXT], budget[VMRT_UNITS_TEXT];

	if (lane->kind == TOP_LANE_TASK) {
		say_job(d, lane->task, at_ns, out, room);
	} else if (lane->kind == TOP_LANE_VCPU) {
		struct top_lane_cell c;

		top_lane_fill(view, lane, at_ns, at_ns + 1, &c, 1);
		snprintf(out, room, "%s",
			c.run_ns    ? "runs"
			: c.soft_ns ? "runs below the server's priority"
			: c.wait_ns ? "is ready, but does not run"
				    : "sleeps, or nothing is known");
	} else if (top_period_at(&view->servers[lane->server], at_ns, &p)) {
		snprintf(out, room, "period %" PRId64 ", in all %s of %s ms used, %s", p.k,
			vmrt_format_ms(p.consumed_ns, 2, used),
			vmrt_format_ms(p.budget_ns, 2, budget),
			p.outcome == VMRT_PERIOD_TRUNCATED ? "it goes on or is cut"
							   : vmrt_period_name(p.outcome));
	} else {
		snprintf(out, room, "no period is known then");
	}
}

static void put_words(const struct drawing *d, int64_t at_ns, int y)
{
	char name[TOP_TEXT], text[TOP_TEXT], time[VMRT_UNITS_TEXT];
	const char *trimmed = name;
	int x;

	x = top_say(d->area->screen, y, 0, TOP_TITLE, "%s ",
		top_text_time(
			time, top_since(d->area->view, at_ns), d->digits < 6 ? d->digits + 1 : 6));
	if (d->cursor_lane >= d->n_lanes)
		return;
	lane_name(d->area->view, &d->lanes[d->cursor_lane], name);
	while (*trimmed == ' ')
		trimmed++;
	say_lane(d, &d->lanes[d->cursor_lane], at_ns, text, sizeof(text));
	top_say(d->area->screen, y, x, TOP_PLAIN, "%s: %s", trimmed, text);
}

/* Prints what the characters mean, if there is room. */
static void put_legend(const struct drawing *d, int y)
{
	bool ascii = d->area->ui->ascii;

	top_say(d->area->screen, y, 0, TOP_DIM,
		ascii ? "server: budget left, x used up   runs: _ : = * # part of the time"
		      : "server: budget left, x used up   runs: \u2581\u2584\u2588 part of the "
			"time");
	top_say(d->area->screen, y + 1, 0, TOP_DIM,
		ascii ? "~ soft, or its vCPU does not run   - waits   ^ arrival v deadline M miss"
		      : "\u2591 soft, or its vCPU does not run   - waits   \u2191 arrival  "
			"\u2193 deadline  M miss");
}

/* ---- the page ---- */

static int digits_of(int64_t span_ns)
{
	if (span_ns >= 10 * VMRT_NS_PER_S)
		return 1;
	if (span_ns >= 100 * VMRT_NS_PER_MS)
		return 3;
	return span_ns >= 10 * VMRT_NS_PER_MS ? 4 : 5;
}

static struct line *make_lines(const struct drawing *d, size_t *n)
{
	struct line *lines = calloc(2 * d->n_lanes + 1, sizeof(*lines));

	*n = 0;
	for (size_t i = 0; lines && i < d->n_lanes; i++) {
		if (d->lanes[i].kind == TOP_LANE_TASK)
			lines[(*n)++] = (struct line){i, true};
		lines[(*n)++] = (struct line){i, false};
	}
	return lines;
}

static void put_lines(struct drawing *d, const struct line *lines, size_t n, int y, int shown)
{
	size_t at = 0;
	int first;

	while (at < n && (lines[at].lane != d->cursor_lane || lines[at].marks))
		at++;
	first = top_list_window((int)at, (int)n, shown);
	for (int i = 0; i < shown && first + i < (int)n; i++) {
		const struct line *line = &lines[first + i];
		const struct top_lane *lane = &d->lanes[line->lane];
		char name[TOP_TEXT], label[TOP_TEXT];

		if (line->marks) {
			put_marks(d, lane->task, y + i);
			continue;
		}
		lane_name(d->area->view, lane, name);
		top_text_name(label, name, LABEL - 2);
		top_put(d->area->screen, y + i, 0, LABEL - 1, false,
			line->lane == d->cursor_lane ? TOP_TITLE : TOP_PLAIN, label);
		if (line->lane == d->cursor_lane)
			top_put(d->area->screen, y + i, LABEL - 1, 1, false, TOP_KEY, ">");
		put_lane(d, lane, y + i);
	}
	d->area->screen->page_rows = shown - (int)(n - d->n_lanes);
}

void top_page_timeline(const struct top_area *area)
{
	const struct top_ui *ui = area->ui;
	const struct top_view *view = area->view;
	int64_t right = ui->right_ns, at;
	struct top_lane *lanes;
	struct line *lines;
	size_t n = 0, n_lanes;
	struct drawing d = {.area = area,
		.columns = area->screen->width - LABEL,
		.digits = digits_of(ui->span_ns)};

	if (view->now_ns == VMRT_UNKNOWN) {
		top_say(area->screen, area->y, 0, TOP_PLAIN, "No event has come yet.");
		return;
	}
	if (d.columns > COLUMNS_MAX)
		d.columns = COLUMNS_MAX;
	if (right == VMRT_UNKNOWN)
		right = view->now_ns;
	d.to_ns = right;
	d.from_ns = right - ui->span_ns;
	at = ui->at_ns == VMRT_UNKNOWN ? right - 1 : ui->at_ns;
	d.cursor = column_of(&d, at);
	lanes = top_lanes_make(view, &n_lanes);
	if (lanes)
		n_lanes = top_lanes_filter(view, ui->filter, lanes, n_lanes);
	d.lanes = lanes;
	d.n_lanes = n_lanes;
	area->screen->rows = (int)n_lanes;
	area->screen->left_ns = d.from_ns;
	area->screen->span_ns = ui->span_ns;
	area->screen->columns = d.columns;
	d.cursor_lane = (size_t)ui->cursor[TOP_PAGE_TIMELINE];
	if (d.cursor_lane >= n_lanes)
		d.cursor_lane = n_lanes ? n_lanes - 1 : 0;
	lines = make_lines(&d, &n);
	if (!lanes || !lines)
		area->screen->failed = true;
	else if (!n_lanes)
		top_say(area->screen, area->y + 1, 0, TOP_PLAIN, "%s",
			ui->filter[0] ? "Nothing fits the filter." : "There is nothing to draw.");
	else
		put_lines(&d, lines, n, area->y + 1, area->height - 1 - WORDS_LINES);
	if (n_lanes && (int)n + 6 < area->height)
		put_legend(&d, area->y + area->height - 4);
	put_axis(&d, area->y);
	if (n_lanes)
		put_words(&d, at, area->y + area->height - 1);
	if (n_lanes && d.cursor_lane < n_lanes && lanes) {
		const struct top_lane *lane = &lanes[d.cursor_lane];

		area->screen->kind = lane->kind == TOP_LANE_TASK      ? TOP_A_TASK
				     : lane->server < view->n_servers ? TOP_A_SERVER
								      : TOP_NOTHING;
		area->screen->index = lane->kind == TOP_LANE_TASK ? lane->task : lane->server;
	}
	free(lines);
	free(lanes);
}
