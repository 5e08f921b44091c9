/* SPDX-License-Identifier: MIT */
/* Fits lines between upper and lower bounds of a clock. */
#include <vmrt/clock.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/*
 * Lines between upper and lower bounds.
 *
 * A line y = a + b t keeps all bounds if L(b) <= a <= U(b) with U(b) = min(y - b t) over the upper
 * bounds and L(b) = max(y - b t) over the lower ones. Only the corners of the convex hulls count:
 * the lower hull of the upper bounds and the upper hull of the lower bounds. U is concave and L is
 * convex in b, both are linear between the slopes of their hull's edges, so that walking those
 * slopes in order visits every place where anything can be largest or cross zero.
 */

#define MAX_RATE 2000e-6L /* no two clocks of one machine differ more */
#define SLACK_NS 1.0L	  /* time stamps are whole ns */
#define TIMES 4		  /* at how many times a fit says what its lines allow */

struct point {
	long double t, y; /* relative to the first bound */
};

/* Feasible lines of a range of bounds. */
struct fit {
	bool bounded; /* there are both kinds of bounds, and a line that keeps them */
	long double a, b;
	long double b_low, b_high;
	long double low[TIMES],
		high[TIMES]; /* least and largest value of any line at the times asked */
	uint32_t n_upper, n_lower;
};

struct fitter {
	const struct vmrt_clock_bound *bounds;
	struct point *upper, *lower; /* corners of the hulls, by time */
	size_t n_upper, n_lower;
	uint32_t in_upper, in_lower; /* bounds they were made from */
};

static struct point relative(const struct fitter *f, const struct vmrt_clock_bound *bound)
{
	return (struct point){(long double)bound->local_ns - (long double)f->bounds[0].local_ns,
		(long double)bound->offset_ns - (long double)f->bounds[0].offset_ns};
}

/* Does the way from @a over @b to @c turn left? */
static bool turns_left(struct point a, struct point b, struct point c)
{
	return (b.t - a.t) * (c.y - a.y) - (b.y - a.y) * (c.t - a.t) > 0;
}

/* Add a corner at the right; @sign 1: lower hull, -1: upper hull. */
static void hull_add(struct point *hull, size_t *n, struct point p, int sign)
{
	if (*n && hull[*n - 1].t == p.t) {
		if (sign * (p.y - hull[*n - 1].y) >= 0)
			return;
		(*n)--;
	}
	while (*n >= 2) {
		bool left = sign > 0 ? turns_left(hull[*n - 2], hull[*n - 1], p)
				     : turns_left(p, hull[*n - 1], hull[*n - 2]);

		if (left)
			break;
		(*n)--;
	}
	hull[(*n)++] = p;
}

static void build(struct fitter *f, size_t from, size_t to)
{
	f->n_upper = f->n_lower = 0;
	f->in_upper = f->in_lower = 0;
	for (size_t i = from; i < to; i++) {
		if (f->bounds[i].upper) {
			hull_add(f->upper, &f->n_upper, relative(f, &f->bounds[i]), 1);
			f->in_upper++;
		} else {
			hull_add(f->lower, &f->n_lower, relative(f, &f->bounds[i]), -1);
			f->in_lower++;
		}
	}
}

static long double slope(struct point a, struct point b)
{
	return (b.y - a.y) / (b.t - a.t);
}

/* A walk over the slopes from -MAX_RATE to MAX_RATE, in pieces in which U and L are linear. */
struct walk {
	const struct fitter *f;
	size_t u, l;	      /* the corners that make U and L in this piece */
	long double from, to; /* slopes */
};

static void walk_end_of_piece(struct walk *w)
{
	long double next_u = MAX_RATE, next_l = MAX_RATE;

	if (w->u + 1 < w->f->n_upper)
		next_u = slope(w->f->upper[w->u], w->f->upper[w->u + 1]);
	if (w->l > 0)
		next_l = slope(w->f->lower[w->l - 1], w->f->lower[w->l]);
	w->to = next_u < next_l ? next_u : next_l;
	if (w->to > MAX_RATE)
		w->to = MAX_RATE;
}

static bool walk_next(struct walk *w)
{
	const struct fitter *f = w->f;

	if (w->to >= MAX_RATE)
		return false;
	w->from = w->to;
	while (w->u + 1 < f->n_upper && slope(f->upper[w->u], f->upper[w->u + 1]) <= w->from)
		w->u++;
	while (w->l > 0 && slope(f->lower[w->l - 1], f->lower[w->l]) <= w->from)
		w->l--;
	walk_end_of_piece(w);
	return true;
}

static void walk_start(struct walk *w, const struct fitter *f)
{
	w->f = f;
	w->u = 0;
	w->l = f->n_lower - 1;
	w->to = -MAX_RATE;
	walk_next(w);
}

static long double upper_at(const struct walk *w, long double b)
{
	return w->f->upper[w->u].y - b * w->f->upper[w->u].t;
}

static long double lower_at(const struct walk *w, long double b)
{
	return w->f->lower[w->l].y - b * w->f->lower[w->l].t;
}

static long double gap_at(const struct walk *w, long double b)
{
	return upper_at(w, b) - lower_at(w, b);
}

/* The slope with the widest gap, in the middle if there are many; the gap itself. */
static long double widest(const struct fitter *f, long double *at)
{
	struct walk w;

	for (walk_start(&w, f);;) {
		/* The gap grows with b at this rate, and ever less. */
		long double growth = f->lower[w.l].t - f->upper[w.u].t;

		if (growth <= 0) {
			*at = growth < 0 ? w.from : (w.from + w.to) / 2;
			return gap_at(&w, *at);
		}
		if (w.to >= MAX_RATE) {
			*at = MAX_RATE;
			return gap_at(&w, MAX_RATE);
		}
		if (!walk_next(&w))
			break;
	}
	*at = w.to;
	return gap_at(&w, w.to);
}

static bool feasible(struct fitter *f, size_t from, size_t to)
{
	long double b;

	build(f, from, to);
	return !f->n_upper || !f->n_lower || widest(f, &b) >= -SLACK_NS;
}

/* The part of the piece in which the gap is not negative; false if there is none. */
static bool open_part(const struct walk *w, long double *from, long double *to)
{
	long double at_from = gap_at(w, w->from), at_to = gap_at(w, w->to);

	if (at_from < 0 && at_to < 0)
		return false;
	*from = w->from;
	*to = w->to;
	if (at_from < 0)
		*from += (w->to - w->from) * (at_from / (at_from - at_to));
	else if (at_to < 0)
		*to -= (w->to - w->from) * (at_to / (at_to - at_from));
	return true;
}

static void extend(struct fit *fit, const struct walk *w, long double b, const long double *times)
{
	if (b < fit->b_low)
		fit->b_low = b;
	if (b > fit->b_high)
		fit->b_high = b;
	for (int i = 0; i < TIMES; i++) {
		long double high = upper_at(w, b) + b * times[i];
		long double low = lower_at(w, b) + b * times[i];

		if (high > fit->high[i])
			fit->high[i] = high;
		if (low < fit->low[i])
			fit->low[i] = low;
	}
}

/* All about the lines that keep the bounds [@from, @to). */
static void solve(
	struct fitter *f, size_t from, size_t to, const long double *times, struct fit *fit)
{
	long double gap;
	struct walk w;

	build(f, from, to);
	*fit = (struct fit){.n_upper = f->in_upper, .n_lower = f->in_lower};
	if (!f->n_upper || !f->n_lower)
		return;
	gap = widest(f, &fit->b);
	if (gap < -SLACK_NS)
		return;
	fit->bounded = true;
	fit->b_low = fit->b_high = fit->b;
	for (walk_start(&w, f); w.to < fit->b && walk_next(&w);)
		;
	fit->a = (upper_at(&w, fit->b) + lower_at(&w, fit->b)) / 2;
	for (int i = 0; i < TIMES; i++)
		fit->low[i] = fit->high[i] = fit->a + fit->b * times[i];
	for (walk_start(&w, f);;) {
		long double b_from, b_to;

		if (open_part(&w, &b_from, &b_to)) {
			extend(fit, &w, b_from, times);
			extend(fit, &w, b_to, times);
		}
		if (!walk_next(&w))
			break;
	}
}

/*
 * The end of the longest range from @from on that a line can keep. Ranges of twice the length are
 * tried until one fails, then the end is bisected, so that the effort goes with the result.
 */
static size_t longest(struct fitter *f, size_t from, size_t n)
{
	size_t good = from + 1, bad, step = 1;

	for (;; step *= 2) {
		size_t end = n - from > step ? from + step : n;

		if (!feasible(f, from, end)) {
			bad = end;
			break;
		}
		good = end;
		if (end == n)
			return n;
	}
	while (bad - good > 1) {
		size_t middle = good + (bad - good) / 2;

		if (feasible(f, from, middle))
			good = middle;
		else
			bad = middle;
	}
	return good;
}

/* The same backwards: the beginning of the longest range that ends at @to. */
static size_t longest_back(struct fitter *f, size_t to)
{
	size_t good = to - 1, bad, step = 1;

	for (;; step *= 2) {
		size_t begin = to > step ? to - step : 0;

		if (!feasible(f, begin, to)) {
			bad = begin;
			break;
		}
		good = begin;
		if (!begin)
			return 0;
	}
	while (good - bad > 1) {
		size_t middle = bad + (good - bad) / 2;

		if (feasible(f, middle, to))
			good = middle;
		else
			bad = middle;
	}
	return good;
}

/*
 * Where a line ends is not known exactly: range i of the fewest possible ranges reaches at least
 * from latest[i] to earliest[i + 1], and the change is somewhere in [earliest[i + 1], latest[i +
 * 1]].
 */
struct splits {
	size_t *latest, *earliest;
	size_t n; /* ranges; both arrays have n + 1 entries, the last one is the number of bounds */
};

static enum vmrt_status find_splits(struct fitter *f, size_t n, struct splits *s)
{
	size_t room = 0, at = 0;

	*s = (struct splits){0};
	while (at < n) {
		if (s->n + 2 > room) {
			size_t *more = reallocarray(s->latest, room ? room * 2 : 8, sizeof(*more));

			if (!more)
				return VMRT_ENOMEM;
			s->latest = more;
			room = room ? room * 2 : 8;
		}
		s->latest[s->n++] = at;
		at = longest(f, at, n);
	}
	s->latest[s->n] = n;
	s->earliest = calloc(s->n + 1, sizeof(*s->earliest));
	if (!s->earliest)
		return VMRT_ENOMEM;
	s->earliest[s->n] = n;
	for (size_t i = s->n; i-- > 0;) {
		size_t from = i && s->earliest[i + 1] ? longest_back(f, s->earliest[i + 1]) : 0;

		/* Arithmetic at the edge of what is feasible must not break the order. */
		if (from > s->latest[i])
			from = s->latest[i];
		if (i && from <= s->latest[i - 1])
			from = s->latest[i - 1] + 1;
		s->earliest[i] = from;
	}
	return VMRT_OK;
}

static int64_t to_ns(long double ns)
{
	const long double most = 9.2e18L;

	if (!(ns > -most))
		return -(int64_t)most;
	return ns < most ? llrintl(ns) : (int64_t)most;
}

static int64_t wrapping_add(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* Times at which a range's lines are asked: its own ends, and the far ends of the gaps beside it.
 */
enum { OWN_FROM, OWN_TO, GAP_FROM, GAP_TO };

static int64_t core_from(const struct fitter *f, const struct splits *s, size_t i)
{
	return f->bounds[s->latest[i]].local_ns;
}

static int64_t core_to(const struct fitter *f, const struct splits *s, size_t i)
{
	int64_t last = f->bounds[s->earliest[i + 1] - 1].local_ns;

	return last < INT64_MAX ? last + 1 : last;
}

static void fill_core(const struct fitter *f, const struct fit *fit, const long double *times,
	struct vmrt_clock_segment *seg)
{
	long double at_from = fit->a + fit->b * times[OWN_FROM];
	long double at_to = fit->a + fit->b * times[OWN_TO];
	long double error = 0;
	const long double distances[] = {fit->high[OWN_FROM] - at_from,
		at_from - fit->low[OWN_FROM], fit->high[OWN_TO] - at_to, at_to - fit->low[OWN_TO]};

	seg->n_upper = fit->n_upper;
	seg->n_lower = fit->n_lower;
	seg->error_ns = VMRT_UNKNOWN;
	if (!fit->bounded)
		return;
	for (size_t i = 0; i < 4; i++)
		if (distances[i] > error)
			error = distances[i];
	seg->offset_ns = wrapping_add(f->bounds[0].offset_ns, to_ns(at_from));
	seg->rate = (double)fit->b;
	seg->rate_error = (double)fmaxl(fit->b_high - fit->b, fit->b - fit->b_low);
	/* The distance to other lines is largest at an end; offsets are rounded to whole ns. */
	seg->error_ns = to_ns(ceill(error + SLACK_NS));
}

/* Between two ranges: either line may hold, or something between them. */
static void fill_gap(const struct fitter *f, const struct fit *before, const struct fit *after,
	struct vmrt_clock_segment *seg)
{
	long double from_low = fminl(before->low[OWN_TO], after->low[GAP_FROM]);
	long double from_high = fmaxl(before->high[OWN_TO], after->high[GAP_FROM]);
	long double to_low = fminl(before->low[GAP_TO], after->low[OWN_FROM]);
	long double to_high = fmaxl(before->high[GAP_TO], after->high[OWN_FROM]);
	long double length = (long double)seg->to_local_ns - (long double)seg->from_local_ns;
	long double at_from = (from_low + from_high) / 2, at_to = (to_low + to_high) / 2;

	seg->error_ns = VMRT_UNKNOWN;
	if (!before->bounded || !after->bounded)
		return;
	seg->offset_ns = wrapping_add(f->bounds[0].offset_ns, to_ns(at_from));
	seg->rate = (double)((at_to - at_from) / length);
	seg->rate_error = (double)(2 * MAX_RATE);
	seg->error_ns = to_ns(ceill(fmaxl(from_high - from_low, to_high - to_low) / 2 + SLACK_NS));
}

/* Ranges without bounds of both kinds take the line of a neighbour, with an unknown error. */
static void borrow_lines(struct vmrt_clockmap *map)
{
	const struct vmrt_clock_segment *known = NULL;

	for (size_t i = 0; i < map->n; i++) {
		struct vmrt_clock_segment *seg = &map->segments[i];

		if (seg->error_ns != VMRT_UNKNOWN) {
			known = seg;
			continue;
		}
		for (size_t j = i + 1; !known && j < map->n; j++)
			if (map->segments[j].error_ns != VMRT_UNKNOWN)
				known = &map->segments[j];
		if (!known)
			return;
		seg->rate = known->rate;
		seg->offset_ns = wrapping_add(
			known->offset_ns, to_ns((long double)known->rate *
						  ((long double)seg->from_local_ns -
							  (long double)known->from_local_ns)));
	}
}

static enum vmrt_status make_segments(
	struct fitter *f, const struct splits *s, const char *source, struct vmrt_clockmap *out)
{
	struct fit *fits = calloc(s->n, sizeof(*fits));
	long double origin = (long double)f->bounds[0].local_ns;

	out->n = 0;
	out->segments = calloc(2 * s->n, sizeof(*out->segments));
	if (!fits || !out->segments) {
		free(fits);
		vmrt_clockmap_free(out);
		return VMRT_ENOMEM;
	}
	for (size_t i = 0; i < s->n; i++) {
		struct vmrt_clock_segment *seg = &out->segments[out->n];
		long double times[TIMES];

		seg->from_local_ns = core_from(f, s, i);
		seg->to_local_ns = core_to(f, s, i);
		seg->source = source;
		times[OWN_FROM] = (long double)seg->from_local_ns - origin;
		times[OWN_TO] = (long double)seg->to_local_ns - origin;
		times[GAP_FROM] = i ? (long double)core_to(f, s, i - 1) - origin : times[OWN_FROM];
		times[GAP_TO] =
			i + 1 < s->n ? (long double)core_from(f, s, i + 1) - origin : times[OWN_TO];
		solve(f, s->latest[i], s->earliest[i + 1], times, &fits[i]);
		if (i && seg->from_local_ns > core_to(f, s, i - 1)) {
			struct vmrt_clock_segment *gap = seg++;

			*seg = *gap;
			gap->from_local_ns = core_to(f, s, i - 1);
			gap->to_local_ns = seg->from_local_ns;
			fill_gap(f, &fits[i - 1], &fits[i], gap);
			out->n++;
		}
		fill_core(f, &fits[i], times, seg);
		out->n++;
	}
	free(fits);
	borrow_lines(out);
	return VMRT_OK;
}

static int compare_bounds(const void *a, const void *b)
{
	const struct vmrt_clock_bound *x = a, *y = b;

	if (x->local_ns != y->local_ns)
		return x->local_ns < y->local_ns ? -1 : 1;
	if (x->upper != y->upper)
		return y->upper - x->upper;
	return (x->offset_ns > y->offset_ns) - (x->offset_ns < y->offset_ns);
}

enum vmrt_status vmrt_clockmap_fit(struct vmrt_clock_bound *bounds, size_t n, const char *source,
	struct vmrt_clockmap *out, struct vmrt_error *err)
{
	struct fitter f = {.bounds = bounds};
	struct splits splits = {0};
	size_t n_upper = 0;
	enum vmrt_status status;

	for (size_t i = 0; i < n; i++) {
		bounds[i].upper = bounds[i].upper != 0;
		n_upper += (size_t)bounds[i].upper;
	}
	if (!n_upper || n_upper == n)
		return vmrt_fail(err, VMRT_EINVAL,
			"clocks cannot be related without bounds from both sides");
	qsort(bounds, n, sizeof(*bounds), compare_bounds);
	f.upper = calloc(n_upper, sizeof(*f.upper));
	f.lower = calloc(n - n_upper, sizeof(*f.lower));
	status = f.upper && f.lower ? find_splits(&f, n, &splits) : VMRT_ENOMEM;
	if (status == VMRT_OK)
		status = make_segments(&f, &splits, source, out);
	free(splits.latest);
	free(splits.earliest);
	free(f.upper);
	free(f.lower);
	if (status != VMRT_OK)
		return vmrt_fail(err, status, "relation of the clocks: out of memory");
	return VMRT_OK;
}
