/* SPDX-License-Identifier: MIT */
/*
 * The supply curve of a server, measured: for some lengths, the least supply in any window so long
 * throughout which there was demand. Supply that nobody wanted says nothing, so a window never
 * reaches over idle time; nor over a period that is not judged.
 *
 * The supply of a window changes only where one of its ends is in a gap and the other is not. So
 * the least one ends with a gap, begins with one, or has an end in common with the stretch of
 * demand: those are looked at.
 */
#include "server.h"

#include <stdlib.h>
#include <string.h>

#define LENGTHS 16
#define LENGTHS_OF_PERIOD 4 /* one every so much of a period */
#define WAITING_MAX 65536   /* gaps of periods that are not judged yet */
#define GAPS_MAX 65536	    /* in the longest window */
#define GAPS_FIRST 256

struct gap {
	int64_t from_ns, to_ns;
	int64_t before_ns; /* gaps before it; of one that waits: -1 if it is idle time */
};

struct length {
	int64_t ns;
	int64_t least_ns, at_ns;
	size_t ending;	  /* first gap that may reach into the next window that ends with a gap */
	size_t beginning; /* next gap to begin a window with */
	size_t reached;	  /* last gap that such a window was seen to reach */
	bool begun;	  /* the window that begins with the demand was looked at */
};

struct supply_curve {
	int64_t first_ns;	 /* periods before it belong to another curve */
	int64_t since_ns, to_ns; /* demand, as far as it is judged */
	struct gap
		*waiting; /* of periods that are held, gaps and idle times in the order of time */
	size_t n_waiting, waiting_room;
	bool overflow; /* some that waited are not there */
	struct gap *gaps;
	size_t n, room;
	struct length lengths[LENGTHS];
};

struct supply_curve *curve_new(int64_t period_ns, int64_t from_ns)
{
	struct supply_curve *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->first_ns = c->since_ns = c->to_ns = from_ns;
	for (int i = 0; i < LENGTHS; i++) {
		c->lengths[i].ns = period_ns * (i + 1) / LENGTHS_OF_PERIOD;
		c->lengths[i].least_ns = c->lengths[i].at_ns = VMRT_UNKNOWN;
	}
	return c;
}

void curve_free(struct supply_curve *c)
{
	if (!c)
		return;
	free(c->waiting);
	free(c->gaps);
	free(c);
}

/* Room for one more behind @n; false at @most or without memory. */
static bool grow(struct gap **gaps, size_t n, size_t *room, size_t most)
{
	size_t more = *room ? *room * 2 : GAPS_FIRST;
	struct gap *p;

	if (n < *room)
		return true;
	if (more > most)
		return false;
	p = realloc(*gaps, more * sizeof(*p));
	if (!p)
		return false;
	*gaps = p;
	*room = more;
	return true;
}

void curve_put(struct supply_curve *c, int64_t from_ns, int64_t to_ns, bool idle, bool new_period)
{
	struct gap *last = c->n_waiting ? &c->waiting[c->n_waiting - 1] : NULL;

	if (last && !new_period && last->to_ns == from_ns && (last->before_ns < 0) == idle) {
		last->to_ns = to_ns;
		return;
	}
	if (!grow(&c->waiting, c->n_waiting, &c->waiting_room, WAITING_MAX)) {
		c->overflow = true;
		return;
	}
	c->waiting[c->n_waiting++] = (struct gap){from_ns, to_ns, idle ? -1 : 0};
}

static void note_window(struct length *l, int64_t from_ns, int64_t gaps_ns)
{
	if (l->least_ns != VMRT_UNKNOWN && l->ns - gaps_ns >= l->least_ns)
		return;
	l->least_ns = l->ns - gaps_ns;
	l->at_ns = from_ns;
}

static int64_t length_of(const struct gap *g)
{
	return g->to_ns - g->from_ns;
}

/* All gaps up to the end of the last one. */
static int64_t total(const struct supply_curve *c)
{
	return c->n ? c->gaps[c->n - 1].before_ns + length_of(&c->gaps[c->n - 1]) : 0;
}

/* The window that ends at @to_ns, behind which there is no gap. */
static void measure_ending(struct supply_curve *c, struct length *l, int64_t to_ns)
{
	int64_t from = to_ns - l->ns, sum = 0;

	if (from < c->since_ns)
		return;
	while (l->ending < c->n && c->gaps[l->ending].to_ns <= from)
		l->ending++;
	if (l->ending < c->n) {
		const struct gap *g = &c->gaps[l->ending];

		sum = total(c) - g->before_ns - (from > g->from_ns ? from - g->from_ns : 0);
	}
	note_window(l, from, sum);
}

/* Gaps before @ns; @hint: one that begins before it, or 0, moved to the last such. */
static int64_t before(const struct supply_curve *c, size_t *hint, int64_t ns)
{
	const struct gap *g;

	while (*hint + 1 < c->n && c->gaps[*hint + 1].from_ns < ns)
		++*hint;
	if (*hint >= c->n || c->gaps[*hint].from_ns >= ns)
		return 0;
	g = &c->gaps[*hint];
	return g->before_ns + (ns < g->to_ns ? ns - g->from_ns : length_of(g));
}

/* Windows that begin with the demand or with a gap, and are known to their ends. */
static void measure_beginning(struct supply_curve *c, struct length *l)
{
	if (!l->begun && c->since_ns + l->ns <= c->to_ns) {
		size_t hint = 0;

		l->begun = true;
		note_window(l, c->since_ns, before(c, &hint, c->since_ns + l->ns));
	}
	for (; l->beginning < c->n; l->beginning++) {
		const struct gap *g = &c->gaps[l->beginning];

		if (g->from_ns + l->ns > c->to_ns)
			return;
		if (l->reached < l->beginning)
			l->reached = l->beginning;
		note_window(
			l, g->from_ns, before(c, &l->reached, g->from_ns + l->ns) - g->before_ns);
	}
}

/* The demand ends here, or what is known of it; it begins anew at @from_ns. */
static void begin_anew(struct supply_curve *c, int64_t from_ns)
{
	for (int i = 0; i < LENGTHS; i++) {
		struct length *l = &c->lengths[i];

		measure_beginning(c, l);
		measure_ending(c, l, c->to_ns);
		l->ending = l->beginning = l->reached = 0;
		l->begun = false;
	}
	c->n = 0;
	c->since_ns = c->to_ns = from_ns;
}

/* Forgets gaps before all windows to come. Windows of the greatest length are behind with both. */
static void forget(struct supply_curve *c)
{
	size_t n = c->lengths[LENGTHS - 1].ending;

	for (int i = 0; i < LENGTHS; i++) {
		if (c->lengths[i].beginning < n)
			n = c->lengths[i].beginning;
		if (c->lengths[i].ending < n)
			n = c->lengths[i].ending;
		if (c->lengths[i].reached < n)
			n = c->lengths[i].reached;
		if (!c->lengths[i].begun)
			return;
	}
	if (n < GAPS_FIRST || n < c->n / 2)
		return;
	memmove(c->gaps, c->gaps + n, (c->n - n) * sizeof(*c->gaps));
	c->n -= n;
	for (int i = 0; i < LENGTHS; i++) {
		c->lengths[i].beginning -= n;
		c->lengths[i].ending -= n;
		c->lengths[i].reached -= n;
	}
}

static void add_gap(struct supply_curve *c, int64_t from_ns, int64_t to_ns)
{
	struct gap *last = c->n ? &c->gaps[c->n - 1] : NULL;

	if (last && last->to_ns == from_ns) {
		last->to_ns = to_ns;
	} else {
		int64_t sum = total(c);

		if (!grow(&c->gaps, c->n, &c->room, GAPS_MAX)) {
			c->to_ns = from_ns;
			begin_anew(c, to_ns);
			return;
		}
		c->gaps[c->n++] = (struct gap){from_ns, to_ns, sum};
	}
	c->to_ns = to_ns;
	for (int i = 0; i < LENGTHS; i++) {
		measure_beginning(c, &c->lengths[i]);
		measure_ending(c, &c->lengths[i], to_ns);
	}
	forget(c);
}

void curve_judge(struct supply_curve *c, int64_t from_ns, int64_t to_ns, bool judged)
{
	size_t n = 0;

	if (from_ns < c->first_ns)
		return;
	judged = judged && !c->overflow; /* what is missing may have been of this period */
	if (from_ns != c->to_ns)
		begin_anew(c, from_ns);
	for (; n < c->n_waiting && c->waiting[n].from_ns < to_ns; n++) {
		const struct gap *g = &c->waiting[n];

		if (!judged)
			continue;
		if (g->before_ns >= 0) {
			add_gap(c, g->from_ns, g->to_ns);
			continue;
		}
		c->to_ns = g->from_ns;
		begin_anew(c, g->to_ns);
	}
	if (n)
		memmove(c->waiting, c->waiting + n, (c->n_waiting - n) * sizeof(*c->waiting));
	c->n_waiting -= n;
	if (!judged)
		begin_anew(c, to_ns);
	c->overflow = c->overflow && c->n_waiting;
	c->to_ns = to_ns;
}

size_t curve_points(
	const struct supply_curve *c, uint32_t server, struct vmrt_supply_point *out, size_t room)
{
	size_t n = 0;

	for (int i = 0; i < LENGTHS && n < room; i++) {
		const struct length *l = &c->lengths[i];

		if (l->least_ns != VMRT_UNKNOWN)
			out[n++] = (struct vmrt_supply_point){server, l->ns, l->least_ns, l->at_ns};
	}
	return n;
}

void curve_finish(struct supply_curve *c, uint32_t server, const struct vmrt_sink *sink)
{
	struct vmrt_supply_point points[LENGTHS];
	size_t n;

	begin_anew(c, c->to_ns);
	n = curve_points(c, server, points, LENGTHS);
	for (size_t i = 0; sink->supply && i < n; i++)
		sink->supply(sink->ctx, &points[i]);
}
