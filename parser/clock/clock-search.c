/* SPDX-License-Identifier: MIT */
/* Finds the relation of two clocks if pings are too coarse to begin with. */
#include "clock-search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "clock-runs.h"
#include "clock-window.h"

#define BIN_NS (20 * VMRT_NS_PER_US)
#define MAX_BINS 65536
#define MAX_EVENTS 2000000 /* of the guest */
#define LEAST_EVENTS 200
#define CONTRADICTIONS 0.005 /* share of events that may contradict the truth: missing switches */
#define RATE_ERROR 1e-6
#define LEAST_TSC_SPAN_NS (VMRT_NS_PER_S)
#define MAX_SLOPES 4096

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Returns the median slope of ns against tsc over pairs that lie at least half of the time span
 * apart. */
static double median_slope(const struct vmrt_ping *pings, size_t n, bool guest)
{
	double *slopes = calloc(MAX_SLOPES, sizeof(*slopes)), slope = 0;
	size_t half = n / 2, step = half / MAX_SLOPES + 1, count = 0;

	for (size_t i = 0; slopes && i < half && count < MAX_SLOPES; i += step) {
		const struct vmrt_ping *a = &pings[i], *b = &pings[i + half];
		int64_t ns = guest ? b->guest_recv_ns - a->guest_recv_ns
				   : b->host_recv_ns - a->host_recv_ns;
		uint64_t tsc = guest ? b->guest_recv_tsc - a->guest_recv_tsc
				     : b->host_recv_tsc - a->host_recv_tsc;

		if (ns > 0 && tsc > 0 && tsc < UINT64_MAX / 2)
			slopes[count++] = (double)ns / (double)tsc;
	}
	if (count) {
		qsort(slopes, count, sizeof(*slopes), by_value);
		slope = slopes[count / 2];
	}
	free(slopes);
	return slope;
}

bool clock_rate_from_tsc(const struct vmrt_ping *pings, size_t n, double *rate)
{
	double host, guest;

	if (n < 4)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!pings[i].host_recv_tsc || !pings[i].guest_recv_tsc ||
			!vmrt_clock_sane(pings[i].host_recv_ns) ||
			!vmrt_clock_sane(pings[i].guest_recv_ns))
			return false;
	if (pings[n - 1].host_recv_ns - pings[0].host_recv_ns < LEAST_TSC_SPAN_NS)
		return false;
	host = median_slope(pings, n, false);
	guest = median_slope(pings, n, true);
	if (host <= 0 || guest <= 0)
		return false;
	/* guest ns per tsc tick against host ns per tsc tick */
	*rate = 1 - host / guest;
	return fabs(*rate) < 0.01;
}

struct search {
	const struct vmrt_clockmap *prior;
	size_t hint;
	double rate;
	int64_t middle_ns; /* guest time at which the offset is searched */
	int64_t width_ns;  /* error of the prior map there */
	int64_t offset_ns; /* guest - host by the prior map there */
	int32_t *bins;	   /* change of the number of contradictions from bin to bin */
	size_t n_bins;
	uint64_t events;
};

/* Counts one event against all offsets between @low and @high, measured from the prior's. */
static void contradict(struct search *s, int64_t low, int64_t high)
{
	const struct clock_window w = {-s->width_ns, BIN_NS, (int64_t)s->n_bins};

	clock_window_count(s->bins, &w, low, high);
}

/* Each gap of the vCPU near a guest event forbids the offsets that would put the event into it. */
static void try_event(struct search *s, const struct clock_runs *r, int64_t local_ns, int64_t until)
{
	double ahead;
	int64_t host, slack;
	size_t i;

	if (!vmrt_clock_sane(local_ns) || !r->n)
		return;
	ahead = (double)(local_ns - s->middle_ns);
	host = local_ns - s->offset_ns - (int64_t)(s->rate * ahead);
	slack = (int64_t)(RATE_ERROR * fabs(ahead));
	if (host - s->width_ns < r->at[0].start || host + s->width_ns > until)
		return;
	s->events++;
	for (i = clock_runs_after(r, host - s->width_ns);
		i < r->n && r->at[i].start < host + s->width_ns; i++) {
		if (i == 0)
			continue;
		/* host - delta in (end of the run before, start of this one) */
		contradict(s, host - r->at[i].start + slack, host - r->at[i - 1].end - slack);
	}
	if (i > 0 && i < r->n)
		contradict(s, host - r->at[i].start + slack, host - r->at[i - 1].end - slack);
}

static bool try_guest(struct search *s, const struct vmrt_dat *guest, const struct clock_runs *runs,
	size_t n, int64_t until)
{
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	int got;

	if (vmrt_stream_open(guest, &stream, NULL) != VMRT_OK)
		return false;
	while (s->events < MAX_EVENTS && (got = vmrt_stream_next(stream, &ev, NULL)) > 0) {
		if (n == 1)
			try_event(s, &runs[0], ev.ts, until);
		else if (ev.cpu < n)
			try_event(s, &runs[ev.cpu], ev.ts, until);
	}
	vmrt_stream_free(stream);
	return s->events >= LEAST_EVENTS;
}

/* The result lies between the first and the last bin that hardly any event contradicts. */
static bool conclude(struct search *s, int64_t *low, int64_t *high)
{
	uint64_t allowed = (uint64_t)(CONTRADICTIONS * (double)s->events);
	int64_t count = 0, first = -1, last = -1;

	for (size_t i = 0; i < s->n_bins; i++) {
		count += s->bins[i];
		if ((uint64_t)count > allowed)
			continue;
		if (first < 0)
			first = (int64_t)i;
		last = (int64_t)i;
	}
	if (first < 0 || (last - first + 1) * BIN_NS > s->width_ns)
		return false;
	*low = (first - 1) * BIN_NS - s->width_ns;
	*high = (last + 2) * BIN_NS - s->width_ns;
	return true;
}

static void make_bounds(const struct search *s, int64_t low, int64_t high, int64_t from_ns,
	int64_t to_ns, struct vmrt_clock_bound *bounds)
{
	for (int i = 0; i < CLOCK_SEARCH_BOUNDS; i++) {
		int64_t at = i < 2 ? from_ns : to_ns;
		double ahead = (double)(at - s->middle_ns);
		int64_t slack = (int64_t)(RATE_ERROR * fabs(ahead));
		int upper = i & 1;

		bounds[i].local_ns = at;
		bounds[i].upper = upper;
		bounds[i].offset_ns = s->offset_ns + (int64_t)(s->rate * ahead) +
				      (upper ? high + slack : low - slack);
	}
}

bool clock_search(const struct vmrt_dat *host, const struct vmrt_dat *guest, const int32_t *tids,
	size_t n_tids, const struct vmrt_clockmap *prior, double rate,
	struct vmrt_clock_bound *bounds)
{
	const struct vmrt_clock_segment *seg = &prior->segments[0];
	struct search s = {.prior = prior, .rate = rate};
	struct clock_runs *runs;
	int64_t until, low, high;
	bool found = false;

	if (prior->n != 1 || !n_tids || !vmrt_clock_sane(seg->error_ns) ||
		!vmrt_clock_sane(seg->from_local_ns) || !vmrt_clock_sane(seg->to_local_ns) ||
		!vmrt_clock_sane(seg->offset_ns))
		return false;
	s.middle_ns = seg->from_local_ns + (seg->to_local_ns - seg->from_local_ns) / 2;
	s.width_ns = seg->error_ns;
	s.offset_ns = s.middle_ns - vmrt_clockmap_to_host(prior, s.middle_ns, &s.hint);
	s.n_bins = (size_t)(2 * s.width_ns / BIN_NS) + 1;
	if (s.n_bins > MAX_BINS)
		return false;
	s.bins = calloc(s.n_bins + 1, sizeof(*s.bins));
	runs = calloc(n_tids, sizeof(*runs));
	for (size_t i = 0; runs && i < n_tids; i++)
		runs[i].tid = tids[i] > 0 ? tids[i] : -1;
	until = s.bins && runs ? clock_runs_collect(host, runs, n_tids) : INT64_MIN;
	if (until != INT64_MIN && try_guest(&s, guest, runs, n_tids, until) &&
		conclude(&s, &low, &high)) {
		make_bounds(&s, low, high, seg->from_local_ns, seg->to_local_ns, bounds);
		found = true;
	}
	clock_runs_free(runs, n_tids);
	free(s.bins);
	return found;
}
