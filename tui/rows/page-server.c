/* SPDX-License-Identifier: MIT */
/* The page of one server: its figures, its last periods as strips, its supply against the model. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/rta.h>

#include "lanes.h"
#include "pages.h"
#include "text.h"

#define STRIP_MAX 100 /* cells of a strip */
#define STRIP_LEFT 10 /* columns to the left of it, for the begin of the period */
#define NARROW 60     /* a screen narrower than this has no column SOFT */
#define CURVE_LINES 3 /* of the table */
#define PLOT_FROM 28  /* an area of at least this height has a plot instead of the table */
#define PLOT_LINES 9
#define PLOT_STEP_MAX 6 /* columns between two lengths */

static void put_figures(const struct top_area *area, const struct top_server_row *s, int *y)
{
	struct top_screen *screen = area->screen;
	char budget[VMRT_UNITS_TEXT], period[VMRT_UNITS_TEXT], text[TOP_TEXT], other[TOP_TEXT];
	int x;

	x = top_say(screen, *y, 0, TOP_TITLE, "%s", s->name);
	if (s->policy == VMRT_POLICY_NONE) {
		top_say(screen, (*y)++, x + 2, TOP_PLAIN, "a VM without a server");
	} else {
		x = top_say(screen, *y, x + 2, TOP_PLAIN, "%s, %s every %s, priority %d, %s",
			vmrt_policy_name(s->policy), vmrt_format_duration(s->budget_ns, budget),
			vmrt_format_duration(s->period_ns, period), s->priority,
			s->stopped    ? "not enforced any more"
			: s->enforced ? "enforced"
				      : "not enforced");
		if (strcmp(s->vm, s->name) != 0)
			top_say(screen, *y, x, TOP_PLAIN, ", VM %s", s->vm);
		++*y;
	}
	top_text_percent(text, s->share);
	top_text_percent(other, s->policy == VMRT_POLICY_NONE ? 0 : s->background);
	x = top_say(screen, *y, 0, TOP_PLAIN, "share %s %%", text);
	if (s->policy != VMRT_POLICY_NONE)
		x = top_say(screen, *y, x, TOP_PLAIN, " (%s %% below its priority)", other);
	if (s->unmanaged_period_ns != VMRT_UNKNOWN)
		top_say(screen, *y, x + 3, TOP_PLAIN, "unmanaged: median %s ms in %s ms",
			vmrt_format_ms(s->unmanaged_supply_ns, 1, budget),
			vmrt_format_ms(s->unmanaged_period_ns, 1, period));
	++*y;
	if (s->policy == VMRT_POLICY_NONE)
		return;
	x = top_say(screen, *y, 0, TOP_PLAIN,
		"periods %" PRIu64 ": %" PRId64 " served, %" PRId64 " used up, %" PRId64
		" not enforced, %" PRId64 " unknown or cut",
		s->periods, s->facts.served, s->facts.depleted, s->facts.unenforced,
		s->facts.unknown + s->facts.truncated);
	++*y;
	x = 0;
	if (s->facts.blackout_max != VMRT_UNKNOWN) {
		top_text_ms(text, s->facts.blackout_max, 9);
		x = top_say(screen, *y, x, TOP_PLAIN, "longest wait for supply %s ms", text) + 3;
	}
	if (s->enforced && s->facts.used_up) {
		top_text_ms(text, s->facts.over_max, 9);
		x = top_say(screen, *y, x, s->overruns ? TOP_DEPLETED : TOP_PLAIN,
			    "above the budget %" PRIu64 " times, most %s ms", s->overruns, text) +
		    3;
	}
	*y += x > 0;
}

/* Chooses the character for what took most of a cell of @width_ns, without sleep. A short run is
 * shown, but a short wait is not, because there is one before most runs. */
static const char *glyph(
	const struct top_lane_cell *c, int64_t width_ns, bool ascii, enum top_attr *attr)
{
	bool waits =
		c->wait_ns * 2 >= width_ns && c->wait_ns > c->run_ns && c->wait_ns > c->soft_ns;

	*attr = TOP_DIM;
	if (waits) {
		*attr = TOP_WAIT;
		return "-";
	}
	if (c->run_ns && c->run_ns >= c->soft_ns) {
		*attr = TOP_RUN;
		if (c->run_ns * 2 < width_ns)
			return ascii ? "+" : "\u2584";
		return ascii ? "#" : "\u2588";
	}
	if (c->soft_ns) {
		*attr = TOP_BACKGROUND;
		return ascii ? "=" : "\u2592";
	}
	return ascii ? "." : "\u00b7";
}

/* Prints the cells. Neighbouring cells of one style are one piece of text. */
static void put_cells(const struct top_area *area, int y, int x, const struct top_lane_cell *cells,
	int n, const struct vmrt_server_period *p)
{
	int64_t length = p->end_ns - p->start_ns;
	enum top_attr last = TOP_PLAIN;
	char text[TOP_TEXT] = "";
	int from = 0;

	for (int i = 0; i <= n; i++) {
		enum top_attr attr = TOP_ATTRS;
		const char *g = "";
		int64_t at = p->start_ns + length / n * i + length % n * i / n;

		if (i < n)
			g = glyph(&cells[i], length / n, area->ui->ascii, &attr);
		/* a server without budget waits for the next budget */
		if (i < n && p->depleted_ns != VMRT_UNKNOWN && at >= p->depleted_ns &&
			!cells[i].run_ns && !cells[i].soft_ns) {
			g = "x";
			attr = TOP_DEPLETED;
		}
		if (i < n && at > area->view->now_ns) {
			g = " ";
			attr = TOP_PLAIN;
		}
		if (attr != last || strlen(text) + 4 >= TOP_TEXT) {
			top_put(area->screen, y, x + from, i - from, false, last, text);
			from = i;
			text[0] = '\0';
			last = attr;
		}
		strcat(text, g);
	}
}

/* The places of the columns behind a strip. */
struct places {
	int width;		 /* of the strip */
	int used, soft, outcome; /* 0: left out */
};

/* Chooses the columns; a VM without a server has neither a priority nor outcomes. */
static struct places make_places(const struct top_area *area, const struct top_server_row *s)
{
	bool vm = s->policy == VMRT_POLICY_NONE, soft = !vm && area->screen->width >= NARROW;
	struct places p = {.width = area->screen->width - STRIP_LEFT - 8 - 8 * soft - 11};

	if (p.width > STRIP_MAX)
		p.width = STRIP_MAX;
	p.used = STRIP_LEFT + p.width + 1;
	p.soft = soft ? p.used + 8 : 0;
	p.outcome = p.used + 8 + 8 * soft;
	return p;
}

static void put_time(const struct top_area *area, int y, int x, int64_t ns)
{
	char text[TOP_TEXT];

	if (!x)
		return;
	top_text_ms(text, ns, 7);
	top_put(area->screen, y, x, 7, true, TOP_PLAIN, text);
}

static const char *outcome_words(
	const struct top_server_row *s, const struct vmrt_server_period *p, bool open)
{
	if (open)
		return "now";
	if (s->policy == VMRT_POLICY_NONE && p->outcome == VMRT_PERIOD_UNENFORCED)
		return "";
	return vmrt_period_name(p->outcome);
}

static void put_strip(const struct top_area *area, size_t server,
	const struct vmrt_server_period *p, bool open, int y, const struct places *places)
{
	const struct top_server_row *s = &area->view->servers[server];
	struct top_lane lane = {.kind = TOP_LANE_SERVER, .server = server};
	struct top_lane_cell cells[STRIP_MAX];
	int64_t known = top_lane_known_from(area->view), used = p->consumed_ns;
	char when[VMRT_UNITS_TEXT];
	int width = places->width;

	top_put(area->screen, y, 0, 9, true, TOP_DIM,
		top_text_time(when, top_since(area->view, p->start_ns), 3));
	if (known != VMRT_UNKNOWN && p->start_ns < known) {
		top_put(area->screen, y, STRIP_LEFT, width, false, TOP_DIM, "too long ago");
	} else if (p->consumed_ns == VMRT_UNKNOWN) {
		top_put(area->screen, y, STRIP_LEFT, width, false, TOP_DIM, "not known");
	} else {
		top_lane_fill(area->view, &lane, p->start_ns, p->end_ns, cells, (size_t)width);
		put_cells(area, y, STRIP_LEFT, cells, width, p);
	}
	if (s->policy == VMRT_POLICY_NONE && used != VMRT_UNKNOWN)
		used = p->background_ns == VMRT_UNKNOWN ? VMRT_UNKNOWN : used + p->background_ns;
	put_time(area, y, places->used, used);
	put_time(area, y, places->soft, p->background_ns);
	top_put(area->screen, y, places->outcome, 10, false,
		p->outcome == VMRT_PERIOD_DEPLETED ? TOP_DEPLETED : TOP_PLAIN,
		outcome_words(s, p, open));
}

static void put_strips_head(const struct top_area *area, const struct top_server_row *s,
	const struct places *places, int y)
{
	static const char *const legends[2][2] = {
		{"\u2588\u2584 runs \u2592 soft - waits x used up", "\u2588\u2584 runs - waits"},
		{"#+ runs = soft - waits x used up", "#+ runs - waits"},
	};
	bool vm = s->policy == VMRT_POLICY_NONE;

	top_put(area->screen, y, 0, 9, true, TOP_HEAD, "PERIOD AT");
	top_put(area->screen, y, STRIP_LEFT, places->width, false, TOP_HEAD,
		legends[area->ui->ascii][vm]);
	top_put(area->screen, y, places->used, 7, true, TOP_HEAD, vm ? "RAN ms" : "USED ms");
	if (places->soft)
		top_put(area->screen, y, places->soft, 7, true, TOP_HEAD, "SOFT ms");
	if (!vm)
		top_put(area->screen, y, places->outcome, 10, false, TOP_HEAD, "OUTCOME");
}

/* Prints the strips, the newest period first. */
static void put_strips(const struct top_area *area, const struct top_server_row *s, size_t server,
	int y, int until)
{
	struct places places = make_places(area, s);
	struct vmrt_server_period now;

	if (places.width < 4 || y >= until)
		return;
	put_strips_head(area, s, &places, y++);
	if (y < until && area->view->now_ns != VMRT_UNKNOWN &&
		top_period_at(s, area->view->now_ns, &now) &&
		(!s->n_recent || s->recent[s->n_recent - 1].start_ns != now.start_ns))
		put_strip(area, server, &now, true, y++, &places);
	for (size_t i = s->n_recent; i-- > 0 && y < until;)
		put_strip(area, server, &s->recent[i], false, y++, &places);
}

static struct vmrt_supply model_of(const struct top_server_row *s)
{
	return vmrt_supply_prm(s->period_ns, s->budget_ns);
}

/* Prints a table with a column for each length: the measured least supply, and the supply that the
 * model guarantees. */
static void put_curve_table(const struct top_area *area, const struct top_server_row *s, int y)
{
	struct vmrt_supply model = model_of(s);
	int x = 14, room = (area->screen->width - x) / 7;
	size_t step = s->n_curve && room > 0 ? (s->n_curve + (size_t)room - 1) / (size_t)room : 1;
	char text[TOP_TEXT];

	top_say(area->screen, y, 0, TOP_HEAD, "in any .. ms");
	top_say(area->screen, y + 1, 0, TOP_PLAIN, "least supply");
	top_say(area->screen, y + 2, 0, TOP_DIM, "model at least");
	for (size_t i = step - 1; i < s->n_curve; i += step, x += 7) {
		int64_t bound = vmrt_sbf(&model, s->curve[i].length_ns);

		top_text_ms(text, s->curve[i].length_ns, 6);
		top_put(area->screen, y, x, 7, true, TOP_HEAD, text);
		top_text_ms(text, s->curve[i].least_ns, 6);
		top_put(area->screen, y + 1, x, 7, true,
			s->curve[i].least_ns < bound ? TOP_MISS : TOP_PLAIN, text);
		top_text_ms(text, bound, 6);
		top_put(area->screen, y + 2, x, 7, true, TOP_DIM, text);
	}
}

/* Plots the supply against the length of the window: measured values as bars, and the model's
 * values as marks on them. */
static void put_curve_plot(const struct top_area *area, const struct top_server_row *s, int y)
{
	struct vmrt_supply model = model_of(s);
	int64_t most = 1;
	int step = (area->screen->width - 14) / (int)s->n_curve;
	char text[TOP_TEXT];

	step = step > PLOT_STEP_MAX ? PLOT_STEP_MAX : step < 2 ? 2 : step;

	for (size_t i = 0; i < s->n_curve; i++) {
		int64_t bound = vmrt_sbf(&model, s->curve[i].length_ns);

		most = s->curve[i].least_ns > most ? s->curve[i].least_ns : most;
		most = bound > most ? bound : most;
	}
	top_say(area->screen, y, 0, TOP_HEAD,
		"LEAST SUPPLY in any window so long, measured (%s) and by the periodic resource "
		"model (o)",
		area->ui->ascii ? "#" : "\u2588");
	for (int line = 0; line < PLOT_LINES; line++) {
		int64_t level = most * (PLOT_LINES - line) / PLOT_LINES,
			below = most * (PLOT_LINES - line - 1) / PLOT_LINES;

		top_text_ms(text, level, 7);
		top_put(area->screen, y + 1 + line, 0, 8, true, TOP_DIM, text);
		for (size_t i = 0; i < s->n_curve; i++) {
			int x = 10 + (int)i * step;
			int64_t bound = vmrt_sbf(&model, s->curve[i].length_ns);

			if (s->curve[i].least_ns > below)
				top_put(area->screen, y + 1 + line, x, 1, false, TOP_RUN,
					area->ui->ascii ? "#" : "\u2588");
			if (bound > below && bound <= level)
				top_put(area->screen, y + 1 + line, x + 1, 1, false, TOP_PLAIN,
					"o");
		}
	}
	for (size_t i = 0; i < s->n_curve; i += 4) {
		top_text_ms(text, s->curve[i].length_ns, 5);
		top_say(area->screen, y + 1 + PLOT_LINES, 10 + (int)i * step, TOP_DIM, "%s", text);
	}
	top_say(area->screen, y + 1 + PLOT_LINES, 10 + (int)s->n_curve * step + 2, TOP_DIM, "ms");
}

void top_page_server(const struct top_area *area)
{
	size_t server = area->ui->server;
	const struct top_server_row *s;
	int y = area->y, end = area->y + area->height, curve = 0;
	bool plot = area->height >= PLOT_FROM;

	if (!area->view->n_servers) {
		top_say(area->screen, y, 0, TOP_PLAIN, "There is no server and no VM.");
		return;
	}
	if (server >= area->view->n_servers)
		server = area->view->n_servers - 1;
	s = &area->view->servers[server];
	area->screen->kind = TOP_A_SERVER;
	area->screen->index = server;
	put_figures(area, s, &y);
	if (s->n_curve && s->policy != VMRT_POLICY_NONE && s->budget_ns > 0 && area->height >= 14)
		curve = plot ? PLOT_LINES + 3 : CURVE_LINES + 1;
	y += area->height >= 14;
	put_strips(area, s, server, y, end - curve);
	if (curve && plot)
		put_curve_plot(area, s, end - curve + 1);
	else if (curve)
		put_curve_table(area, s, end - curve + 1);
}
