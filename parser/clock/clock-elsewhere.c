/* SPDX-License-Identifier: MIT */
/* Checks whether the place of a guest's recording in the host's is the only one where it fits. If
 * the host repeats the same pattern, many places may fit. */
#include "clock-elsewhere.h"

#include <stdlib.h>
#include <string.h>

#include "clock-runs.h"
#include "clock-window.h"
#include "parser/dat/dat.h"
#include "parser/ring/stream.h"

#define BIN_NS (50 * VMRT_NS_PER_US)
#define MAX_BINS (INT64_C(1) << 22)  /* if more were needed, bins become longer */
#define HERE_NS (5 * VMRT_NS_PER_MS) /* places that are nearer are the same place */
#define MAX_EVENTS 2000000
#define LEAST_EVENTS 50
#define MOST_EVENTS                                                                                \
	4000 /* events used, and so many more at both ends, where a repeated pattern ends */
#define EFFORT 40000000	 /* events times gaps */
#define LEAST_INSIDE 0.9 /* share of the events that must fall into the host's recording */
#define CONTRADICTIONS                                                                             \
	0.005	  /* share of them that may fall into gaps, because of missing switches */
#define CLEARLY 5 /* a difference of so many events is no chance */

struct point {
	int64_t host_ns; /* host time by the map */
	int64_t slack_ns;
	uint32_t vcpu;
};

struct fit {
	struct clock_runs *runs;
	size_t n_runs, n_gaps;
	int64_t from_ns, until_ns; /* of the host's recording */
	struct point *points;
	size_t n_points;
	/* by bins: change of the number of events inside of the recording, and in gaps */
	int32_t *inside, *against;
	struct clock_window places; /* distances from the map's place */
	int (*stop)(void);	    /* or NULL */
};

/* Counts an event for all places. The times before the vCPU's first switch and after its last one
 * count as gaps, too. */
static void count_point(const struct fit *f, const struct point *p)
{
	const struct clock_runs *r = &f->runs[p->vcpu];
	int64_t begin = f->from_ns;

	clock_window_count(
		f->inside, &f->places, f->from_ns - p->host_ns, f->until_ns - p->host_ns);
	for (size_t i = 0; i <= r->n; i++) {
		int64_t end = i < r->n ? r->at[i].start : f->until_ns;

		if (end - begin > 2 * p->slack_ns)
			clock_window_count(f->against, &f->places, begin - p->host_ns + p->slack_ns,
				end - p->host_ns - p->slack_ns);
		if (i == r->n || r->at[i].end == INT64_MAX)
			break;
		begin = r->at[i].end;
	}
}

/* Finds when all CPUs of the host were being recorded, and when the last record was made. */
static bool find_range(struct fit *f, const struct vmrt_dat *host)
{
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	bool *seen;

	if (vmrt_stream_open(host, &stream, NULL) != VMRT_OK)
		return false;
	seen = calloc(stream->n_cpus ? stream->n_cpus : 1, sizeof(*seen));
	f->from_ns = f->until_ns = INT64_MIN;
	while (seen && vmrt_stream_next(stream, &ev, NULL) > 0) {
		f->until_ns = ev.ts;
		if (!seen[ev.cpu])
			f->from_ns = ev.ts;
		seen[ev.cpu] = true;
	}
	free(seen);
	vmrt_stream_free(stream);
	return f->from_ns < f->until_ns && vmrt_clock_sane(f->from_ns) &&
	       vmrt_clock_sane(f->until_ns);
}

/* Collects the guest's events. @known: events at times for which the map's error is unknown are
 * left out. */
static bool collect_points(
	struct fit *f, bool known, const struct vmrt_dat *guest, const struct vmrt_clockmap *map)
{
	size_t room = 0, hint = 0;
	bool only = clock_runs_only(guest, f->n_runs);
	struct vmrt_stream *stream;
	struct vmrt_event ev;

	if (vmrt_stream_open(guest, &stream, NULL) != VMRT_OK)
		return false;
	while (f->n_points < MAX_EVENTS && vmrt_stream_next(stream, &ev, NULL) > 0) {
		uint32_t vcpu = only ? 0 : ev.cpu;
		int64_t host_ns = vmrt_clockmap_to_host(map, ev.ts, &hint);

		if (known && vmrt_clockmap_error(map, ev.ts, &hint) == VMRT_UNKNOWN)
			continue;
		if (vcpu >= f->n_runs || !f->runs[vcpu].n || !vmrt_clock_sane(host_ns))
			continue;
		if (f->n_points == room) {
			struct point *more;

			room = room ? room * 2 : 4096;
			more = reallocarray(f->points, room, sizeof(*more));
			if (!more)
				break;
			f->points = more;
		}
		f->points[f->n_points++] = (struct point){host_ns, 0, vcpu};
	}
	vmrt_stream_free(stream);
	return f->n_points >= LEAST_EVENTS;
}

/* Counts for every distance how many guest events would contradict it; returns how many events were
 * used, 0 if a signal came. */
static size_t lay_over(struct fit *f, int64_t error_ns, double drift)
{
	int64_t first = f->points[0].host_ns, last = f->points[f->n_points - 1].host_ns;
	size_t most = EFFORT / (f->n_gaps + 1), step, used = 0;

	f->places.low_ns = f->from_ns - last;
	f->places.bin_ns = BIN_NS;
	if (f->until_ns - first < f->places.low_ns)
		return 0;
	if ((f->until_ns - first - f->places.low_ns) / f->places.bin_ns >= MAX_BINS)
		f->places.bin_ns = (f->until_ns - first - f->places.low_ns) / MAX_BINS + 1;
	f->places.bins = (f->until_ns - first - f->places.low_ns) / f->places.bin_ns + 1;
	f->inside = calloc((size_t)f->places.bins + 1, sizeof(*f->inside));
	f->against = calloc((size_t)f->places.bins + 1, sizeof(*f->against));
	if (!f->inside || !f->against)
		return 0;
	most = most < LEAST_EVENTS ? LEAST_EVENTS : most > MOST_EVENTS ? MOST_EVENTS : most;
	step = (f->n_points + most - 1) / most;
	for (size_t i = 0; i < f->n_points; i++) {
		struct point *p = &f->points[i];

		if (i % step && i >= most / 4 && i + most / 4 < f->n_points)
			continue;
		/* with a million gaps each event takes some ms */
		if (f->stop && f->stop())
			return 0;
		p->slack_ns = error_ns + (int64_t)(drift * (double)(p->host_ns - first));
		count_point(f, p);
		used++;
	}
	return used;
}

/* The best one of several distances. */
struct best {
	int64_t against, inside, at_ns;
};

static enum clock_fit conclude(const struct fit *f, size_t used, int64_t *away_ns)
{
	struct best here = {INT64_MAX, 0, 0}, other = {INT64_MAX, 0, 0};
	int64_t inside = 0, against = 0, first_ns = 0, last_ns = 0;

	for (int64_t i = 0; i < f->places.bins; i++) {
		int64_t at = f->places.low_ns + i * f->places.bin_ns + f->places.bin_ns / 2;
		struct best *b = llabs(at) <= HERE_NS + f->places.bin_ns ? &here : &other;

		inside += f->inside[i];
		against += f->against[i];
		/* a guest that was recorded for longer than the host lies outside for a part of the
		 * time */
		if ((double)inside < (b == &here ? LEAST_EVENTS : LEAST_INSIDE * (double)used))
			continue;
		if (b == &other && against <= b->against) {
			first_ns = against < b->against ? at : first_ns;
			last_ns = at;
		}
		if (against < b->against || (against == b->against && inside > b->inside))
			*b = (struct best){against, inside, at};
	}
	*away_ns = other.at_ns;
	if (here.against == INT64_MAX)
		return CLOCK_FITS_HERE; /* the two recordings do not overlap at this place, so
					   nothing contradicts it */
	if (other.against != INT64_MAX &&
		(double)other.against > CONTRADICTIONS * (double)other.inside)
		other.against = INT64_MAX;
	if ((double)here.against > CONTRADICTIONS * (double)here.inside ||
		(other.against != INT64_MAX && here.against >= CLEARLY + 4 * other.against))
		return other.against != INT64_MAX && last_ns - first_ns <= HERE_NS
			       ? CLOCK_FITS_ELSEWHERE
			       : CLOCK_FITS_NOT;
	return other.against <= here.against && other.inside >= here.inside ? CLOCK_FITS_BOTH
									    : CLOCK_FITS_HERE;
}

enum clock_fit clock_elsewhere(const struct vmrt_dat *host, const struct vmrt_dat *guest,
	const int32_t *tids, size_t n_tids, const struct vmrt_clockmap *map, int64_t error_ns,
	double drift, int64_t *away_ns)
{
	struct fit f = {.n_runs = n_tids, .stop = guest->stop};
	enum clock_fit fit = CLOCK_FITS_HERE;
	bool known = false;
	size_t used;

	*away_ns = 0;
	/* a map whose error has no limit agrees with every place */
	if (error_ns < 0 || error_ns > VMRT_CLOCK_SANE_NS / 4)
		return CLOCK_FITS_HERE;
	for (size_t i = 0; i < map->n; i++)
		known |= map->segments[i].error_ns != VMRT_UNKNOWN;
	f.runs = calloc(n_tids ? n_tids : 1, sizeof(*f.runs));
	for (size_t i = 0; f.runs && i < n_tids; i++)
		f.runs[i].tid = tids[i] > 0 ? tids[i] : -1;
	if (f.runs && clock_runs_collect(host, f.runs, n_tids) != INT64_MIN &&
		find_range(&f, host) && collect_points(&f, known, guest, map)) {
		for (size_t i = 0; i < n_tids; i++)
			f.n_gaps += f.runs[i].n;
		used = lay_over(&f, error_ns, drift);
		if (used >= LEAST_EVENTS)
			fit = conclude(&f, used, away_ns);
	}
	clock_runs_free(f.runs, n_tids);
	free(f.inside);
	free(f.against);
	free(f.points);
	return fit;
}
