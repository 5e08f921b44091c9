/* SPDX-License-Identifier: MIT */
/*
 * Lines along the earliest expiries: the offset record time - monotonic time of each stretch
 * between two steps of the clock.
 */
#include "record-samples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KNOT_NS VMRT_NS_PER_S /* where the rate changes, a new line begins this often at most */
#define BEND_NS 2000	      /* what a single line may leave */
#define KNOTS 4096	      /* of one stretch, at most */
#define MAX_STEPS 256	      /* a clock that steps more often is none */
#define MAX_RATE 2000e-6      /* no two clocks of one machine differ more */
#define STEP_NS 100000	      /* expiries may be late by so much, all together, for a while */
#define STEP_RATE 300e-6      /* a clock that drifts faster is stepped */
#define GROUP 8		      /* expiries of which one is in time */
#define TOGETHER 3	      /* expiries in a row that are not late by chance */

struct point {
	int64_t t, d;
};

struct points {
	struct point *at;
	size_t n;
};

struct line {
	int64_t t, d; /* goes through this */
	double rate;
};

static int by_time(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	if (x->t != y->t)
		return x->t < y->t ? -1 : 1;
	return (x->d > y->d) - (x->d < y->d);
}

static int64_t line_at(const struct line *l, int64_t t)
{
	return l->d + llrint(l->rate * (double)(t - l->t));
}

/* Does the way from @a over @b to @c turn left? */
static bool turns_left(const struct point *a, const struct point *b, const struct point *c)
{
	long double bt = (long double)(b->t - a->t), bd = (long double)(b->d - a->d);
	long double ct = (long double)(c->t - a->t), cd = (long double)(c->d - a->d);

	return bt * cd - bd * ct > 0;
}

/* The line below all points @p, sorted by time, that is highest in the middle of their times. */
static bool line_below(const struct points *p, size_t from, size_t to, struct line *out)
{
	struct point *hull = malloc((to - from + 1) * sizeof(*hull));
	int64_t middle = p->at[from].t + (p->at[to - 1].t - p->at[from].t) / 2;
	size_t n = 0, i;

	if (!hull)
		return false;
	for (i = from; i < to; i++) {
		if (n && hull[n - 1].t == p->at[i].t)
			continue; /* the lower one of equal times came first */
		while (n >= 2 && !turns_left(&hull[n - 2], &hull[n - 1], &p->at[i]))
			n--;
		hull[n++] = p->at[i];
	}
	for (i = 0; i + 2 < n && hull[i + 1].t <= middle; i++)
		;
	*out = (struct line){.t = hull[i].t, .d = hull[i].d};
	if (n > 1)
		out->rate =
			(double)(hull[i + 1].d - hull[i].d) / (double)(hull[i + 1].t - hull[i].t);
	if (fabs(out->rate) > MAX_RATE)
		out->rate = 0;
	free(hull);
	return true;
}

/* What the clock did in one stretch: a line, or lines from knot to knot. */
struct course {
	struct line line;
	struct point *knots;
	size_t n;
};

static int64_t course_at(const struct course *c, int64_t t)
{
	size_t low = 0, high = c->n;

	if (!c->n || t <= c->knots[0].t || t >= c->knots[c->n - 1].t) {
		struct line l = c->line;

		if (c->n) {
			l.t = c->knots[t <= c->knots[0].t ? 0 : c->n - 1].t;
			l.d = c->knots[t <= c->knots[0].t ? 0 : c->n - 1].d;
		}
		return line_at(&l, t);
	}
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (c->knots[middle].t <= t)
			low = middle;
		else
			high = middle;
	}
	return c->knots[low].d + llrint((double)(c->knots[low + 1].d - c->knots[low].d) *
					 ((double)(t - c->knots[low].t) /
						 (double)(c->knots[low + 1].t - c->knots[low].t)));
}

/* The earliest expiry of the group that begins at @i. */
static size_t earliest(const struct points *p, size_t i, size_t to)
{
	size_t least = i;

	for (size_t end = i + GROUP < to ? i + GROUP : to; i < end; i++)
		if (p->at[i].d < p->at[least].d)
			least = i;
	return least;
}

/* What @line leaves of the latest group. */
static int64_t left_by(const struct line *line, const struct points *p, size_t from, size_t to)
{
	int64_t worst = 0;

	for (size_t i = from; i + GROUP <= to; i += GROUP) {
		const struct point *e = &p->at[earliest(p, i, to)];
		int64_t left = e->d - line_at(line, e->t);

		worst = left > worst ? left : worst;
	}
	return worst;
}

/* Where all expiries seem late at once, and so the clock may have been set ahead; or @to. */
static size_t find_jump(const struct points *p, size_t from, size_t to)
{
	size_t before = earliest(p, from, to), at = to;
	double most = 0;

	for (size_t i = from + GROUP; i + GROUP <= to; i += GROUP) {
		size_t after = earliest(p, i, to);
		double jump = fabs((double)(p->at[after].d - p->at[before].d)) -
			      STEP_RATE * (double)(p->at[after].t - p->at[before].t);

		if (jump > most) {
			most = jump;
			at = i;
		}
		before = after;
	}
	return most > STEP_NS / 2 ? at : to;
}

/*
 * A step that no bound from the other side contradicts shows in the expiries alone: from then on
 * all of them are late, or were before. Two lines leave much less than one.
 *
 * Return: the first point behind the step, or @to if there is none.
 */
static size_t find_step(const struct points *p, size_t from, size_t to)
{
	struct line all, before, after;
	size_t at, best, jump;
	int64_t one;

	if (to - from < 4 * GROUP || !line_below(p, from, to, &all))
		return to;
	one = left_by(&all, p, from, to);
	jump = one > STEP_NS ? find_jump(p, from, to) : to;
	if (jump == to || jump < from + 2 * GROUP || jump + GROUP > to)
		return to;
	/* it may lie anywhere in the two groups */
	best = jump;
	for (at = jump - GROUP + 1; at < jump + GROUP; at++)
		if (llabs(p->at[at].d - p->at[at - 1].d) > llabs(p->at[best].d - p->at[best - 1].d))
			best = at;
	if (to - best < GROUP || !line_below(p, from, best, &before) ||
		!line_below(p, best, to, &after))
		return to;
	if (left_by(&before, p, from, best) > one / 2 || left_by(&after, p, best, to) > one / 2)
		return to;
	return best;
}

/* The first of the steps: what lies before one may have others. */
static size_t first_step(const struct points *p, size_t from, size_t to)
{
	size_t step = find_step(p, from, to), before;

	while (step < to && (before = find_step(p, from, step)) < step)
		step = before;
	return step;
}

/* Is @b so much later than @a that no rate explains it? */
static bool is_beyond(const struct point *a, const struct point *b)
{
	return (double)b->d - (double)a->d > MAX_RATE * (double)(b->t - a->t) + STEP_NS;
}

/* Where one line leaves too much, the earliest records of each second are the knots of many. */
static bool find_course(const struct points *p, size_t from, size_t to, struct course *c)
{
	int64_t span = p->at[to - 1].t - p->at[from].t, every = KNOT_NS, worst = 0;
	size_t i = from;

	*c = (struct course){0};
	if (!line_below(p, from, to, &c->line))
		return false;
	if (span / every >= KNOTS - 1)
		every = span / (KNOTS - 1) + 1;
	if (span < 3 * every)
		return true;
	c->knots = calloc(KNOTS, sizeof(*c->knots));
	if (!c->knots)
		return false;
	while (i < to && c->n < KNOTS) {
		int64_t end = p->at[i].t + every, least = INT64_MAX;
		struct point knot = p->at[i];

		for (; i < to && p->at[i].t < end; i++) {
			int64_t left = p->at[i].d - line_at(&c->line, p->at[i].t);

			if (left < least) {
				least = left;
				knot = p->at[i];
			}
		}
		/* late, or behind a jump: the clock did not run there along a line */
		if (c->n && is_beyond(&c->knots[c->n - 1], &knot))
			continue;
		c->knots[c->n++] = knot;
		if (least > worst)
			worst = least;
	}
	if (worst <= BEND_NS)
		c->n = 0;
	return true;
}

/* The distances of the bounds in each part of a stretch: the least, as it is and as it bounds the
 * other parts. */
struct parts {
	double own[RECORD_PARTS], others[RECORD_PARTS];
};

static void measure_parts(const struct course *c, const struct points *lower, int64_t from,
	int64_t to, struct parts *out)
{
	double length = ((double)(to - from) + 1) / RECORD_PARTS;

	for (int i = 0; i < RECORD_PARTS; i++)
		out->own[i] = out->others[i] = INFINITY;
	for (size_t i = 0; i < lower->n; i++) {
		const struct point *l = &lower->at[i];
		double at = (double)(l->t - from), left;
		int own;

		if (l->t < from || l->t >= to)
			continue;
		own = (int)(at / length);
		left = fabs((double)(course_at(c, l->t) - l->d));
		for (int k = 0; k < RECORD_PARTS; k++) {
			double far = k < own ? at - length * k : length * (k + 1) - at;
			double *least = k == own ? &out->own[k] : &out->others[k];

			*least = fmin(*least, k == own ? left : left + 2 * MAX_RATE * far);
		}
	}
}

/* How much the course of the clock changes from expiry @i to the one before, or behind: so much
 * later than it may other records be that lie between the two. */
static double change_beside(const struct course *c, const struct points *upper, size_t i)
{
	double here = (double)course_at(c, upper->at[i].t), most = 0;

	if (i)
		most = fabs(here - (double)course_at(c, upper->at[i - 1].t));
	if (i + 1 < upper->n)
		most = fmax(most, fabs(here - (double)course_at(c, upper->at[i + 1].t)));
	return most;
}

/*
 * How late expiries are that are late by more than any handler takes, several in a row: a clock
 * that is set ahead and back shows in them alone, where no bound from the other side is near. It
 * may have been set right behind the expiry before them. 0: none are.
 */
static double late_together(
	const struct course *c, const struct points *upper, int64_t from, int64_t to)
{
	double row = 0, worst = 0;
	int n = 0;

	for (size_t i = 0; i < upper->n; i++) {
		const struct point *u = &upper->at[i];
		double late = (double)(u->d - course_at(c, u->t));

		if (u->t < from || u->t >= to)
			continue;
		n = late > STEP_NS ? n + 1 : 0;
		row = n ? fmax(row, late + change_beside(c, upper, i)) : 0;
		if (n >= TOGETHER)
			worst = fmax(worst, row);
	}
	return worst;
}

/*
 * How far the truth may be at expiries before the first and behind the last part that has bounds,
 * where it is @worst at most: the rate of the course is known as well as that and the time between
 * the two say.
 */
static double beyond_bounds(const struct parts *below, double worst, const struct points *upper,
	int64_t from, int64_t to)
{
	double length = ((double)(to - from) + 1) / RECORD_PARTS, rate = RECORD_STEERED_RATE;
	double outside = 0, at;
	int first = 0, last = RECORD_PARTS - 1;

	while (first < last && below->own[first] == INFINITY)
		first++;
	while (last > first && below->own[last] == INFINITY)
		last--;
	if (last > first)
		rate = fmin(rate, 2 * worst / (length * (last - first)));
	for (size_t i = 0; i < upper->n; i++) {
		at = (double)(upper->at[i].t - from);
		if (upper->at[i].t >= from && upper->at[i].t < to)
			outside =
				fmax(outside, fmax(length * first - at, at - length * (last + 1)));
	}
	return worst + rate * outside;
}

/*
 * How far the truth may be from the course in [@from, @to): in each part as far as the tightest of
 * the bounds from the other side, or as one of another part and as much more as the clocks may
 * drift apart until the far end of this one. Where a part between others has none, theirs hold.
 *
 * A clock that jumps ahead may have done so right before the last upper bound: no lower one behind
 * it would show that.
 */
static int64_t course_error(const struct course *c, const struct points *upper,
	const struct points *lower, enum record_course may, int64_t from, int64_t to)
{
	double worst = -1;
	struct parts below;

	measure_parts(c, lower, from, to, &below);
	for (int i = 0; i < RECORD_PARTS; i++)
		if (below.own[i] != INFINITY)
			worst = fmax(worst, fmin(below.own[i], below.others[i]));
	if (worst < 0)
		return VMRT_UNKNOWN;
	worst = beyond_bounds(&below, worst, upper, from, to);
	for (size_t i = upper->n; may != RECORD_RUNS && i-- > 0;) {
		if (upper->at[i].t < from || upper->at[i].t >= to)
			continue;
		worst = fmax(worst, fabs((double)(course_at(c, upper->at[i].t) - upper->at[i].d)));
		break;
	}
	if (may != RECORD_RUNS)
		worst = fmax(worst, late_together(c, upper, from, to));
	if (worst >= (double)INT64_MAX)
		return VMRT_UNKNOWN;
	return worst > RECORD_LEAST_NS ? (int64_t)ceil(worst) : RECORD_LEAST_NS;
}

static void put_segments(struct vmrt_clockmap *out, const struct vmrt_clock_segment *core,
	const struct course *c, int64_t error_ns)
{
	struct vmrt_clock_segment seg = *core;

	seg.source = VMRT_CLOCK_TIMERS;
	seg.error_ns = error_ns;
	seg.rate_error = MAX_RATE;
	for (size_t i = 0; i <= c->n; i++) {
		bool first = i == 0, last = i == c->n;

		seg.from_local_ns = first ? core->from_local_ns : c->knots[i - 1].t;
		seg.to_local_ns = last ? core->to_local_ns : c->knots[i].t;
		seg.offset_ns = course_at(c, seg.from_local_ns);
		seg.rate = first || last ? c->line.rate
					 : (double)(c->knots[i].d - c->knots[i - 1].d) /
						   (double)(c->knots[i].t - c->knots[i - 1].t);
		if (seg.to_local_ns > seg.from_local_ns || c->n == 0)
			out->segments[out->n++] = seg;
	}
}

/* One stretch without a step of the clock; points [@from, @to) of @upper lie in it. */
static bool fit_stretch(const struct points *upper, const struct points *lower,
	enum record_course may, size_t from, size_t to, const struct vmrt_clock_segment *core,
	struct vmrt_clockmap *out)
{
	struct vmrt_clock_segment *more;
	struct course c;
	bool ok;

	more = reallocarray(out->segments, out->n + KNOTS + 1, sizeof(*more));
	if (!more)
		return false;
	out->segments = more;
	if (from == to) { /* no expiry: what the bounds of both sides say */
		out->segments[out->n] = *core;
		out->segments[out->n++].source = VMRT_CLOCK_TIMERS;
		return true;
	}
	ok = find_course(upper, from, to, &c);
	if (ok)
		put_segments(out, core, &c,
			course_error(
				&c, upper, lower, may, core->from_local_ns, core->to_local_ns));
	free(c.knots);
	return ok;
}

/* One that no bound contradicts, but that may have steps all the same. */
static bool fit_stretches(const struct points *upper, const struct points *lower,
	enum record_course may, const struct vmrt_clock_segment *core, struct vmrt_clockmap *out)
{
	struct vmrt_clock_segment rest = *core, part;
	size_t from = 0, to, step;

	while (from < upper->n && upper->at[from].t < core->from_local_ns)
		from++;
	for (to = from; to < upper->n && upper->at[to].t < core->to_local_ns; to++)
		;
	for (int i = 0; i < MAX_STEPS && (step = first_step(upper, from, to)) < to; i++) {
		part = rest;
		/* it was somewhere between the two expiries */
		part.to_local_ns =
			upper->at[step - 1].t + (upper->at[step].t - upper->at[step - 1].t) / 2;
		if (!fit_stretch(upper, lower, may, from, step, &part, out))
			return false;
		rest.from_local_ns = part.to_local_ns;
		from = step;
	}
	return fit_stretch(upper, lower, may, from, to, &rest, out);
}

static bool gather(const struct record_samples *s, size_t n, struct points *upper,
	struct points *lower, struct vmrt_clock_bound **bounds)
{
	size_t all = 0;

	for (size_t i = 0; i < n; i++)
		all += s[i].n;
	upper->at = calloc(all + 1, sizeof(*upper->at));
	lower->at = calloc(all + 1, sizeof(*lower->at));
	*bounds = calloc(2 * all + 1, sizeof(**bounds));
	if (!upper->at || !lower->at || !*bounds)
		return false;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < s[i].n; k++) {
			const struct record_window *w = &s[i].at[k];

			if (w->has_upper)
				upper->at[upper->n++] = (struct point){w->upper_at, w->upper};
			if (w->has_lower)
				lower->at[lower->n++] = (struct point){w->lower_at, w->lower};
		}
	qsort(upper->at, upper->n, sizeof(*upper->at), by_time);
	qsort(lower->at, lower->n, sizeof(*lower->at), by_time);
	for (size_t i = 0; i < upper->n; i++)
		(*bounds)[i] = (struct vmrt_clock_bound){upper->at[i].t, upper->at[i].d, 1};
	for (size_t i = 0; i < lower->n; i++)
		(*bounds)[upper->n + i] =
			(struct vmrt_clock_bound){lower->at[i].t, lower->at[i].d, 0};
	return true;
}

static bool is_gap(const struct vmrt_clock_segment *s)
{
	return !s->n_upper && !s->n_lower;
}

static size_t stretches(const struct vmrt_clockmap *map)
{
	size_t n = 0;

	for (size_t i = 0; i < map->n; i++)
		n += !is_gap(&map->segments[i]);
	return n;
}

/*
 * A machine that was suspended makes its record clock jump ahead between two records. No record
 * lies within the jump, so those before the middle of the gap are from before it, the others from
 * after: otherwise CLOCK_MONOTONIC would run back.
 */
static void close_jumps(struct vmrt_clockmap *steps)
{
	size_t kept = 0;

	for (size_t i = 0; i < steps->n; i++) {
		struct vmrt_clock_segment *s = &steps->segments[i], *after = s + 1, *before;
		int64_t length = s->to_local_ns - s->from_local_ns;

		before = kept ? &steps->segments[kept - 1] : NULL;
		if (is_gap(s) && before && i + 1 < steps->n && !is_gap(before) && !is_gap(after) &&
			(double)after->offset_ns - (double)before->offset_ns > (double)length / 2) {
			before->to_local_ns = after->from_local_ns = s->from_local_ns + length / 2;
			continue;
		}
		steps->segments[kept++] = *s;
	}
	steps->n = kept;
}

enum vmrt_status record_fit(const struct record_samples *samples, size_t n, enum record_course may,
	struct vmrt_clockmap *out)
{
	struct points upper = {0}, lower = {0};
	struct vmrt_clock_bound *bounds = NULL;
	struct vmrt_clockmap steps = {0};
	enum vmrt_status status = VMRT_OK;

	*out = (struct vmrt_clockmap){0};
	if (!gather(samples, n, &upper, &lower, &bounds))
		status = VMRT_ENOMEM;
	else if (!upper.n)
		status = VMRT_ENOENT;
	else if (lower.n)
		status = vmrt_clockmap_fit(
			bounds, upper.n + lower.n, VMRT_CLOCK_TIMERS, &steps, NULL);
	else
		status = vmrt_clockmap_constant(0, VMRT_UNKNOWN, VMRT_CLOCK_TIMERS, &steps);
	if (status == VMRT_OK && stretches(&steps) > MAX_STEPS)
		status = VMRT_ENOENT;
	close_jumps(&steps);
	for (size_t i = 0; i < steps.n && status == VMRT_OK; i++) {
		struct vmrt_clock_segment core = steps.segments[i];

		/* the first and the last stretch have no ends */
		if (!lower.n) {
			core.from_local_ns = upper.at[0].t;
			core.to_local_ns = upper.at[upper.n - 1].t + 1;
		}
		if (!fit_stretches(&upper, &lower, may, &core, out))
			status = VMRT_ENOMEM;
	}
	if (status != VMRT_OK)
		vmrt_clockmap_free(out);
	else
		record_doubt_ends(samples, n, out);
	if (status == VMRT_OK && may != RECORD_RUNS)
		record_doubt_start(samples, n, out);
	if (status == VMRT_OK && may == RECORD_SETTABLE)
		record_doubt_late(samples, n, out);
	vmrt_clockmap_free(&steps);
	free(upper.at);
	free(lower.at);
	free(bounds);
	return status;
}
