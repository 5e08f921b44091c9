/* SPDX-License-Identifier: MIT */
/* Compares the guest's recording with every place of the host's, to find the place where it
 * fits. */
#include <stdlib.h>
#include <string.h>

#include "clock-runs.h"
#include "clock-window.h"
#include "parser/dat/dat.h"
#include "clock-search.h"

#define BIN_NS (50 * VMRT_NS_PER_US)
#define MAX_BINS (INT64_C(1) << 22) /* if more were needed, bins become longer */
#define HALF_SPAN_NS VMRT_NS_PER_S
#define MAX_RATE 200e-6 /* no two clocks of one machine differ more */
#define MAX_EVENTS 2000000
#define LEAST_EVENTS 200 /* fewer events in a span are not enough */
#define MOST_EVENTS 4000 /* events of a span that are used */
#define EFFORT 40000000	 /* events times gaps */
#define LEAST_INSIDE 0.9 /* share of a span's events that must fall into the host's recording */
#define CONTRADICTIONS                                                                             \
	0.005 /* share of them that may fall into gaps, because of missing switches */
#define WIDEST_NS (5 * VMRT_NS_PER_MS) /* if more places than this fit, it is not known which */
#define MAX_PLACES CLOCK_OVERLAP_PLACES
#define MOST_WIDE 8 /* searches over the whole recording */
#define SANE_NS                                                                                    \
	(INT64_MAX / 8) /* files may say anything; sums and differences of such times fit          \
			 */

struct point {
	int64_t local_ns;
	uint32_t vcpu;
};

struct overlap {
	int (*stop)(void); /* or NULL */
	struct clock_runs *runs;
	size_t n_runs;
	int64_t from_ns, until_ns; /* of the host's recording */
	size_t n_gaps;
	struct point *points; /* the guest's events */
	size_t n_points;
	/* change from bin to bin of the number of events inside of the recording, and in gaps */
	int32_t *inside, *against;
};

static void count_point(
	struct overlap *o, const struct clock_window *w, const struct point *p, int64_t middle_ns)
{
	const struct clock_runs *r = &o->runs[p->vcpu];
	int64_t away = llabs(p->local_ns - middle_ns), slack = (int64_t)(MAX_RATE * (double)away);
	size_t first;

	clock_window_count(o->inside, w, p->local_ns - o->until_ns, p->local_ns - o->from_ns);
	first = clock_runs_after(r, p->local_ns - (w->low_ns + w->bins * w->bin_ns) - slack);
	for (size_t i = first ? first : 1; i < r->n; i++) {
		int64_t begin = r->at[i - 1].end, end = r->at[i].start;

		if (p->local_ns - begin + slack < w->low_ns)
			break;
		if (end - begin > 2 * slack)
			clock_window_count(o->against, w, p->local_ns - end + slack,
				p->local_ns - begin - slack);
	}
}

/* Computes which part of the window remains; false if nothing remains, or too much. */
static bool conclude(const struct overlap *o, const struct clock_window *w, size_t used,
	int64_t *low, int64_t *high)
{
	int64_t inside = 0, against = 0, first = -1, last = -1;

	for (int64_t i = 0; i < w->bins; i++) {
		inside += o->inside[i];
		against += o->against[i];
		if ((double)inside < LEAST_INSIDE * (double)used ||
			(double)against > CONTRADICTIONS * (double)inside)
			continue;
		if (first < 0)
			first = i;
		last = i;
	}
	if (first < 0 || (last - first) * w->bin_ns > WIDEST_NS)
		return false;
	*low = w->low_ns + (first - 1) * w->bin_ns;
	*high = w->low_ns + (last + 2) * w->bin_ns;
	return true;
}

static size_t first_point_at(const struct overlap *o, int64_t local_ns)
{
	size_t low = 0, high = o->n_points;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (o->points[mid].local_ns < local_ns)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Finds the offset at @middle_ns among those between @low and @high. */
static bool search(struct overlap *o, int64_t middle_ns, int64_t *low, int64_t *high)
{
	size_t from = first_point_at(o, middle_ns - HALF_SPAN_NS);
	size_t to = first_point_at(o, middle_ns + HALF_SPAN_NS), most, step, used = 0;
	struct clock_window w = {.low_ns = *low, .bin_ns = BIN_NS};

	if (to - from < LEAST_EVENTS)
		return false;
	if ((*high - *low) / w.bin_ns >= MAX_BINS)
		w.bin_ns = (*high - *low) / MAX_BINS + 1;
	w.bins = (*high - *low) / w.bin_ns + 1;
	memset(o->inside, 0, (size_t)(w.bins + 1) * sizeof(*o->inside));
	memset(o->against, 0, (size_t)(w.bins + 1) * sizeof(*o->against));
	most = EFFORT / (o->n_gaps + 1);
	most = most < LEAST_EVENTS ? LEAST_EVENTS : most > MOST_EVENTS ? MOST_EVENTS : most;
	step = (to - from + most - 1) / most;
	for (size_t i = from; i < to; i += step, used++) {
		if (o->stop && o->stop())
			return false;
		count_point(o, &w, &o->points[i], middle_ns);
	}
	return conclude(o, &w, used, low, high);
}

static bool collect_points(struct overlap *o, const struct vmrt_dat *guest)
{
	bool only = clock_runs_only(guest, o->n_runs);
	size_t room = 0, seen = 0;
	struct vmrt_stream *stream;
	struct vmrt_event ev;

	if (vmrt_stream_open(guest, &stream, NULL) != VMRT_OK)
		return false;
	while (o->n_points < MAX_EVENTS && vmrt_stream_next(stream, &ev, NULL) > 0) {
		uint32_t vcpu = only ? 0 : ev.cpu;

		seen++;
		if (vcpu >= o->n_runs || !o->runs[vcpu].n || ev.ts < -SANE_NS || ev.ts > SANE_NS)
			continue;
		if (o->n_points == room) {
			struct point *more;

			room = room ? room * 2 : 4096;
			more = reallocarray(o->points, room, sizeof(*more));
			if (!more)
				break;
			o->points = more;
		}
		o->points[o->n_points++] = (struct point){ev.ts, vcpu};
	}
	vmrt_stream_free(stream);
	return o->n_points >= LEAST_EVENTS && o->n_points > seen / 2;
}

/* A stretch of the guest's recording that was placed: offsets guest - host at guest time @at_ns. */
struct place {
	int64_t at_ns, low, high;
};

static int64_t drift(int64_t from_ns, int64_t to_ns)
{
	return (int64_t)(MAX_RATE * (double)llabs(to_ns - from_ns));
}

/* Can a line with a rate that clocks may have go through both places? */
static bool agree(const struct place *a, const struct place *b)
{
	int64_t slack = drift(a->at_ns, b->at_ns);

	return a->low - slack <= b->high && b->low - slack <= a->high;
}

/*
 * Finds the places of spans all over the guest's recording. A span in which the clock was stepped,
 * or in which nothing happened, has none. Each place is searched near the one before; if that
 * fails, it is searched everywhere.
 */
static size_t find_places(struct overlap *o, struct place places[MAX_PLACES])
{
	int64_t first = o->points[0].local_ns, last = o->points[o->n_points - 1].local_ns;
	int64_t step = (last - first) / (MAX_PLACES - 1);
	size_t n = 0, wide = 0;

	if (step < HALF_SPAN_NS)
		step = HALF_SPAN_NS;
	for (int64_t at = first + HALF_SPAN_NS / 2; at <= last && n < MAX_PLACES; at += step) {
		if (o->stop && o->stop())
			return 0;
		struct place p = {.at_ns = at};
		bool found = false;

		if (n) {
			p.low = places[n - 1].low - drift(at, places[n - 1].at_ns);
			p.high = places[n - 1].high + drift(at, places[n - 1].at_ns);
			found = search(o, at, &p.low, &p.high);
		}
		if (!found && wide < MOST_WIDE) {
			wide++;
			p.low = at - o->until_ns;
			p.high = at - o->from_ns;
			found = search(o, at, &p.low, &p.high);
		}
		if (found)
			places[n++] = p;
	}
	return n;
}

/* Would the event lie in a gap of its vCPU for every offset of @place? */
static bool contradicts(const struct overlap *o, const struct point *p, const struct place *place)
{
	const struct clock_runs *r = &o->runs[p->vcpu];
	int64_t slack = drift(p->local_ns, place->at_ns);
	int64_t low = p->local_ns - place->high - slack, high = p->local_ns - place->low + slack;
	size_t i = clock_runs_after(r, low);

	return i > 0 && i < r->n && r->at[i - 1].end <= low && r->at[i].start >= high;
}

/* Finds the step of the clock between places @a and @b. Events up to index *@until belong to @a,
 * those from *@from on to @b: the step is where the fewest events contradict. */
static void find_step(const struct overlap *o, const struct place *a, const struct place *b,
	size_t *until, size_t *from)
{
	size_t begin = first_point_at(o, a->at_ns), end = first_point_at(o, b->at_ns),
	       best = SIZE_MAX;
	size_t cost = 0;

	for (size_t i = begin; i < end; i++)
		cost += contradicts(o, &o->points[i], b);
	/* cost: with the step right before event i */
	*until = *from = begin;
	for (size_t i = begin;; i++) {
		if (cost <= best) {
			if (cost < best)
				*until = i;
			best = cost;
			*from = i;
		}
		if (i >= end)
			break;
		cost += contradicts(o, &o->points[i], a);
		cost -= contradicts(o, &o->points[i], b);
	}
	*until = *until > begin ? *until - 1 : begin;
	*from = *from < end ? *from : end;
}

static void add_bounds(
	struct vmrt_clock_bound *bounds, size_t *n, int64_t local_ns, const struct place *place)
{
	int64_t slack = drift(local_ns, place->at_ns);

	bounds[(*n)++] = (struct vmrt_clock_bound){local_ns, place->low - slack, 0};
	bounds[(*n)++] = (struct vmrt_clock_bound){local_ns, place->high + slack, 1};
}

static size_t find(struct overlap *o, struct vmrt_clock_bound *bounds)
{
	struct place places[MAX_PLACES];
	size_t n_places = find_places(o, places), n = 0;

	for (size_t i = 0; i < n_places; i++) {
		size_t until, from;

		if (!i)
			add_bounds(bounds, &n, o->points[0].local_ns, &places[0]);
		add_bounds(bounds, &n, places[i].at_ns, &places[i]);
		if (i + 1 == n_places) {
			add_bounds(bounds, &n, o->points[o->n_points - 1].local_ns, &places[i]);
		} else if (!agree(&places[i], &places[i + 1])) {
			find_step(o, &places[i], &places[i + 1], &until, &from);
			add_bounds(bounds, &n, o->points[until].local_ns, &places[i]);
			add_bounds(bounds, &n, o->points[from].local_ns, &places[i + 1]);
		}
	}
	return n;
}

static int by_time(const void *a, const void *b)
{
	const struct point *x = a, *y = b;

	return (x->local_ns > y->local_ns) - (x->local_ns < y->local_ns);
}

size_t clock_overlap(const struct vmrt_dat *host, const struct vmrt_dat *guest, const int32_t *tids,
	size_t n_tids, struct vmrt_clock_bound *bounds)
{
	struct overlap o = {.from_ns = INT64_MAX, .n_runs = n_tids, .stop = guest->stop};
	size_t n = 0;

	o.runs = calloc(n_tids ? n_tids : 1, sizeof(*o.runs));
	o.inside = calloc(MAX_BINS + 2, sizeof(*o.inside));
	o.against = calloc(MAX_BINS + 2, sizeof(*o.against));
	if (!o.runs || !o.inside || !o.against)
		goto out;
	for (size_t i = 0; i < n_tids; i++)
		o.runs[i].tid = tids[i] > 0 ? tids[i] : -1;
	o.until_ns = clock_runs_collect(host, o.runs, n_tids);
	for (size_t i = 0; i < n_tids; i++) {
		if (o.runs[i].n && o.runs[i].at[0].start < o.from_ns)
			o.from_ns = o.runs[i].at[0].start;
		o.n_gaps += o.runs[i].n;
	}
	if (o.from_ns < -SANE_NS || o.until_ns > SANE_NS || o.from_ns >= o.until_ns ||
		!collect_points(&o, guest))
		goto out;
	qsort(o.points, o.n_points, sizeof(*o.points), by_time);
	n = find(&o, bounds);
out:
	clock_runs_free(o.runs, n_tids);
	free(o.inside);
	free(o.against);
	free(o.points);
	return n;
}
