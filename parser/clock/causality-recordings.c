/* SPDX-License-Identifier: MIT */
/* Reads two recordings side by side, and maps the guest's clock by the bounds that causality
 * gives. */
#include "causality.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "clock-elsewhere.h"
#include "clock-runs.h"
#include "clock-search.h"
#include "clock-shift.h"

#define MAX_PASSES 4
#define STEP_COUNTS_NS (5 * VMRT_NS_PER_MS)
#define LEAST_INSIDE                                                                               \
	0.99 /* so many of the guest's events must lie in runs; otherwise the threads are not its  \
		vCPUs */
#define LEAST_INSIDE_FILE 0.995 /* the same for a time shift that nothing else confirms */
#define LEAST_EVENTS 50
#define MOMENT_NS UINT64_C(100000000)
#define SHIFT_SLACK_NS                                                                             \
	2000 /* time stamps of a vCPU's switches and of its first events differ by less */
#define FILE_DRIFT 200e-6		   /* no two clocks of one machine differ more */
#define FILE_ERROR_NS (5 * VMRT_NS_PER_MS) /* taken as the error of a time shift at first */

struct recordings {
	const struct vmrt_dat *host, *guest;
	const int32_t *tids;
	size_t n_tids;
};

/* Takes note if the event just read is the last one of its CPU although the CPU recorded more. */
static void note_blind(struct causality *c, struct vmrt_stream *host,
	const struct vmrt_dat *host_file, unsigned cpu)
{
	vmrt_stream_peek(host);
	if (clock_cpu_is_blind(host_file, host, cpu))
		causality_blind(c, cpu);
}

/* Feeds both streams, merged so that each guest event comes when all host events that concern it
 * are known. */
static enum vmrt_status feed(struct causality *c, const struct vmrt_dat *host_file,
	struct vmrt_stream *host, struct vmrt_stream *guest, struct vmrt_error *err)
{
	struct vmrt_event event;
	enum vmrt_status status = VMRT_OK;
	int64_t host_now = INT64_MIN;

	vmrt_stream_peek(host);
	for (unsigned i = 0; i < vmrt_dat_info(host_file)->cpus; i++)
		note_blind(c, host, host_file, i);
	while (status == VMRT_OK) {
		int64_t guest_next = vmrt_stream_peek(guest);
		int64_t when = guest_next == INT64_MAX ? INT64_MAX : causality_when(c, guest_next);
		int more;

		while (status == VMRT_OK && vmrt_stream_peek(host) <= when) {
			more = vmrt_stream_next(host, &event, err);
			/* Without all switches of the host no conclusion is possible. */
			if (more < 0)
				return VMRT_EFORMAT;
			if (!more)
				break;
			host_now = event.ts;
			status = causality_host(c, &event);
			note_blind(c, host, host_file, event.cpu);
		}
		if (vmrt_stream_peek(host) == INT64_MAX && when > host_now)
			break; /* the rest is behind the end of the host's recording */
		more = vmrt_stream_next(guest, &event, err);
		if (!more)
			break;
		if (more > 0 && status == VMRT_OK)
			status = causality_guest(c, event.cpu, event.ts);
	}
	return status;
}

/* Reads both files once and collects the bounds. */
static enum vmrt_status collect(const struct recordings *r, const struct vmrt_clockmap *prior,
	struct vmrt_clock_bound **bounds, size_t *n, struct causality_stats *stats,
	struct vmrt_error *err)
{
	struct causality *c = NULL;
	struct vmrt_stream *host = NULL, *guest = NULL;
	enum vmrt_status status = causality_new(prior, r->tids, r->n_tids, &c, err);

	if (status == VMRT_OK)
		status = vmrt_stream_open(r->host, &host, err);
	if (status == VMRT_OK)
		status = vmrt_stream_open(r->guest, &guest, err);
	if (status == VMRT_OK)
		status = feed(c, r->host, host, guest, err);
	if (status == VMRT_OK)
		status = causality_finish(c, bounds, n);
	if (status == VMRT_OK)
		causality_stats(c, stats);
	vmrt_stream_free(host);
	vmrt_stream_free(guest);
	causality_free(c);
	return status;
}

static bool plausible(const struct causality_stats *stats, double least)
{
	uint64_t all = stats->inside + stats->outside;

	return all >= LEAST_EVENTS && (double)stats->inside >= least * (double)all;
}

/*
 * Leaves out bounds in moments at which the fit is split. If a whole run of a vCPU is missing in
 * the host's recording, nothing shows it; it makes a bound that contradicts all others, and the fit
 * splits there for a moment. A real step of the clock remains a step without these bounds.
 */
static size_t leave_out(struct vmrt_clock_bound *bounds, size_t n, const struct vmrt_clockmap *map)
{
	size_t kept = 0, hint = 0;

	for (size_t i = 0; i < n; i++) {
		while (hint + 1 < map->n &&
			map->segments[hint + 1].from_local_ns <= bounds[i].local_ns)
			hint++;
		if (map->segments[hint].n_upper && map->segments[hint].n_lower &&
			(uint64_t)map->segments[hint].to_local_ns -
					(uint64_t)map->segments[hint].from_local_ns >=
				MOMENT_NS)
			bounds[kept++] = bounds[i];
	}
	return kept;
}

static enum vmrt_status fit_all(const struct vmrt_clock_bound *found, size_t n_found,
	const struct vmrt_clock_bound *facts, size_t n_facts, const char *source,
	struct vmrt_clockmap *out)
{
	size_t n = n_found + n_facts, kept;
	struct vmrt_clock_bound *all = reallocarray(NULL, n, sizeof(*all));
	struct vmrt_clockmap healed = {0};
	enum vmrt_status status;

	if (!all)
		return VMRT_ENOMEM;
	memcpy(all, found, n_found * sizeof(*all));
	if (n_facts)
		memcpy(all + n_found, facts, n_facts * sizeof(*all));
	status = vmrt_clockmap_fit(all, n, source, out, NULL);
	if (status != VMRT_OK || out->n == 1)
		goto out;
	kept = leave_out(all, n, out); /* sorted by the fit */
	if (kept == n || kept < n - n / 10 ||
		vmrt_clockmap_fit(all, kept, source, &healed, NULL) != VMRT_OK)
		goto out;
	if (healed.n < out->n) {
		vmrt_clockmap_free(out);
		*out = healed;
	} else {
		vmrt_clockmap_free(&healed);
	}
out:
	free(all);
	return status;
}

/* Returns the map's mean error. Where the clock was stepped, the error is about half the step,
 * however exact the rest is. There it counts as some ms, so that only the duration matters. */
static double mean_error(const struct vmrt_clockmap *map)
{
	double sum = 0, length = 0;

	if (vmrt_clockmap_worst(map) == VMRT_UNKNOWN)
		return INFINITY;
	for (size_t i = 0; i < map->n; i++) {
		const struct vmrt_clock_segment *s = &map->segments[i];
		double part = (double)s->to_local_ns - (double)s->from_local_ns;
		bool step = map->n > 1 && !s->n_upper && !s->n_lower;

		sum += (double)(step && s->error_ns > STEP_COUNTS_NS ? STEP_COUNTS_NS
								     : s->error_ns) *
		       part;
		length += part;
	}
	return length > 0 ? sum / length : INFINITY;
}

/* Tightens @map by the recordings, pass by pass, as long as it gets better. @facts are bounds that
 * hold in any case. If this does not help, for whatever reason, the map stays as it was. */
static enum vmrt_status refine(const struct recordings *r, const struct vmrt_clock_bound *facts,
	size_t n_facts, const char *source, double least, struct vmrt_clockmap *map, bool *refined)
{
	*refined = false;
	for (int pass = 0; pass < MAX_PASSES; pass++) {
		struct vmrt_clock_bound *found = NULL;
		struct causality_stats stats;
		struct vmrt_clockmap better = {0};
		double was = mean_error(map), is;
		enum vmrt_status status;
		size_t n = 0;

		status = collect(r, map, &found, &n, &stats, NULL);
		if (status == VMRT_OK && n && plausible(&stats, least))
			status = fit_all(found, n, facts, n_facts, source, &better);
		free(found);
		if (status == VMRT_ENOMEM)
			return status;
		is = mean_error(&better);
		if (status != VMRT_OK || is == INFINITY || is >= was) {
			vmrt_clockmap_free(&better);
			break;
		}
		vmrt_clockmap_free(map);
		*map = better;
		*refined = true;
		/* A small gain is not worth another pass. */
		if (is > was - was / 10)
			break;
	}
	return VMRT_OK;
}

/*
 * Finds the place where the guest's recording fits into the host's, with or without @facts. A
 * result that the recordings do not confirm in a second way, or that contradicts the facts, is not
 * used.
 */
static enum vmrt_status from_overlap(const struct recordings *r,
	const struct vmrt_clock_bound *facts, size_t n_facts, const char *source,
	struct vmrt_clockmap *out, bool *found)
{
	struct vmrt_clock_bound bounds[CLOCK_OVERLAP_BOUNDS];
	size_t n = clock_overlap(r->host, r->guest, r->tids, r->n_tids, bounds);
	struct vmrt_clockmap map = {0}, alone = {0};
	enum vmrt_status status;

	*found = false;
	if (!n)
		return VMRT_OK;
	status = fit_all(bounds, n, NULL, 0, source, &alone);
	if (status == VMRT_OK)
		status = fit_all(bounds, n, facts, n_facts, source, &map);
	if (status == VMRT_OK && map.n == alone.n)
		status = refine(r, facts, n_facts, source, LEAST_INSIDE_FILE, &map, found);
	vmrt_clockmap_free(&alone);
	if (status == VMRT_OK && *found && mean_error(&map) < mean_error(out)) {
		vmrt_clockmap_free(out);
		*out = map;
	} else {
		vmrt_clockmap_free(&map);
	}
	return status;
}

static enum vmrt_status from_pings(const struct recordings *r, const struct vmrt_ping *pings,
	size_t n_pings, struct vmrt_clockmap *out, struct vmrt_error *err)
{
	struct vmrt_clock_bound *bounds =
		reallocarray(NULL, n_pings + CLOCK_SEARCH_BOUNDS, 2 * sizeof(*bounds));
	enum vmrt_status status;
	bool refined;
	double rate;
	size_t n;

	if (!bounds)
		return vmrt_fail(err, VMRT_ENOMEM, "relation of the clocks: out of memory");
	n = vmrt_clock_bounds_from_pings(pings, n_pings, bounds);
	status = vmrt_clockmap_fit(bounds, n, VMRT_CLOCK_PINGS, out, err);
	if (status == VMRT_OK && vmrt_clockmap_worst(out) > CLOCK_SEARCH_ABOVE_NS &&
		clock_rate_from_tsc(pings, n_pings, &rate) &&
		clock_search(r->host, r->guest, r->tids, r->n_tids, out, rate, bounds + n)) {
		n += CLOCK_SEARCH_BOUNDS;
		vmrt_clockmap_free(out);
		status = vmrt_clockmap_fit(bounds, n, VMRT_CLOCK_CAUSALITY, out, err);
	}
	if (status == VMRT_OK && r->n_tids) {
		status = refine(r, bounds, n, VMRT_CLOCK_CAUSALITY, LEAST_INSIDE, out, &refined);
		/* a guest that is busy all the time may have no time for a single good ping */
		if (status == VMRT_OK && vmrt_clockmap_worst(out) > CLOCK_OVERLAP_ABOVE_NS)
			status = from_overlap(r, bounds, n, VMRT_CLOCK_CAUSALITY, out, &refined);
		if (status != VMRT_OK)
			vmrt_clockmap_free(out);
	}
	free(bounds);
	return status;
}

static void set_error(struct vmrt_clockmap *map, int64_t error_ns)
{
	for (size_t i = 0; i < map->n; i++)
		map->segments[i].error_ns = error_ns;
}

/* Returns how far two maps are apart at @local_ns. */
static int64_t apart(const struct vmrt_clockmap *a, const struct vmrt_clockmap *b, int64_t local_ns)
{
	int64_t is = (int64_t)((uint64_t)vmrt_clockmap_to_host(a, local_ns, NULL) -
			       (uint64_t)vmrt_clockmap_to_host(b, local_ns, NULL));

	return is == INT64_MIN ? INT64_MAX : llabs(is);
}

/* Is the file's map one of the maps that the recordings allow? Then its error is set to the
 * distance to the farthest allowed map. */
static bool confirm(struct vmrt_clockmap *file, const struct vmrt_clockmap *proven, int64_t slack)
{
	int64_t worst = 0;

	for (size_t i = 0; i < proven->n; i++) {
		const struct vmrt_clock_segment *p = &proven->segments[i];
		const int64_t ends[] = {p->from_local_ns, p->to_local_ns - 1};

		if (!p->n_upper || !p->n_lower || p->error_ns == VMRT_UNKNOWN)
			continue;
		for (int k = 0; k < 2; k++) {
			int64_t distance = apart(file, proven, ends[k]);

			if (distance > VMRT_CLOCK_SANE_NS || distance - slack > p->error_ns)
				return false;
			if (p->error_ns < VMRT_CLOCK_SANE_NS && distance + p->error_ns > worst)
				worst = distance + p->error_ns;
		}
	}
	set_error(file, worst);
	return worst > 0;
}

/* The shift is wrong. If the recordings fit in exactly one other place, @away_ns later, the map is
 * moved there. */
static enum vmrt_status move(
	const struct recordings *r, struct vmrt_clockmap *map, int64_t away_ns, bool *found)
{
	enum vmrt_status status;

	for (size_t i = 0; i < map->n; i++)
		map->segments[i].offset_ns =
			(int64_t)((uint64_t)map->segments[i].offset_ns - (uint64_t)away_ns);
	set_error(map, FILE_ERROR_NS);
	status = refine(r, NULL, 0, VMRT_CLOCK_OVERLAP, LEAST_INSIDE_FILE, map, found);
	for (size_t i = 0; i < map->n; i++)
		map->segments[i].source = VMRT_CLOCK_OVERLAP;
	return status;
}

/* Returns the largest error of the times whose error is known; VMRT_UNKNOWN if there are none. */
static int64_t worst_known(const struct vmrt_clockmap *map)
{
	int64_t worst = VMRT_UNKNOWN;

	for (size_t i = 0; i < map->n; i++)
		if (map->segments[i].error_ns > worst)
			worst = map->segments[i].error_ns;
	return worst;
}

/*
 * The recordings may contradict a shift: they fit better in another place, or nowhere near the
 * shift. Then the shift is not used; if the right place is not known either, the relation of the
 * clocks is unknown. @proven: the map as refined near the shift, or NULL.
 */
static enum vmrt_status check_elsewhere(
	const struct recordings *r, const struct vmrt_clockmap *proven, struct vmrt_clockmap *map)
{
	int64_t away_ns, error_ns = proven ? worst_known(proven) : SHIFT_SLACK_NS;
	enum vmrt_status status = VMRT_OK;
	bool found = false;
	enum clock_fit fit;

	fit = clock_elsewhere(r->host, r->guest, r->tids, r->n_tids, proven ? proven : map,
		error_ns, proven ? 0 : FILE_DRIFT, &away_ns);
	if (fit == CLOCK_FITS_HERE)
		return VMRT_OK;
	if (fit == CLOCK_FITS_BOTH) {
		map->elsewhere_ns = away_ns;
		return VMRT_OK;
	}
	if (fit == CLOCK_FITS_ELSEWHERE)
		status = move(r, map, away_ns, &found);
	if (status == VMRT_OK && !found) {
		set_error(map, VMRT_UNKNOWN);
		status = from_overlap(r, NULL, 0, VMRT_CLOCK_OVERLAP, map, &found);
	}
	if (status != VMRT_OK || found)
		return status;
	vmrt_clockmap_free(map);
	return clock_unrelated(r->host, r->guest, map);
}

/* Maps the clock by the time shift in the guest's file. The bounds from the recordings alone are
 * often less exact than the shift, so the shift is used unchanged unless they contradict it. */
static enum vmrt_status from_shifts(
	const struct recordings *r, struct vmrt_clockmap *out, struct vmrt_error *err)
{
	struct vmrt_clockmap proven = {0};
	int64_t record_error;
	bool refined = false;
	enum vmrt_status status = clock_from_shift(r->host, r->guest, out, &record_error, err);

	if (status != VMRT_OK)
		return status;
	if (r->n_tids) {
		status = clock_from_shift(r->host, r->guest, &proven, &record_error, err);
		set_error(&proven, FILE_ERROR_NS + record_error);
	}
	if (status == VMRT_OK && r->n_tids)
		status = refine(r, NULL, 0, VMRT_CLOCK_FILE, LEAST_INSIDE_FILE, &proven, &refined);
	if (!refined) {
		set_error(out, VMRT_UNKNOWN);
	} else if (!confirm(out, &proven, 2 * record_error + SHIFT_SLACK_NS)) {
		vmrt_clockmap_free(out);
		*out = proven;
		proven = (struct vmrt_clockmap){0};
		for (size_t i = 0; i < out->n; i++)
			out->segments[i].source = VMRT_CLOCK_CORRECTED;
		/* a wrong shift is no starting point: if the recordings fit together in one place
		 * only, that place is used */
		status = from_overlap(r, NULL, 0, VMRT_CLOCK_OVERLAP, out, &refined);
		if (status == VMRT_OK && !refined)
			status = check_elsewhere(r, out, out);
		refined = false;
	}
	if (status == VMRT_OK && r->n_tids && proven.n)
		status = check_elsewhere(r, refined ? &proven : NULL, out);
	vmrt_clockmap_free(&proven);
	if (status != VMRT_OK)
		vmrt_clockmap_free(out);
	return status;
}

enum vmrt_status vmrt_clock_from_recordings(const struct vmrt_dat *host,
	const struct vmrt_dat *guest, const int32_t *vcpu_tids, size_t n,
	const struct vmrt_ping *pings, size_t n_pings, struct vmrt_clockmap *out,
	struct vmrt_error *err)
{
	struct recordings r = {.host = host, .guest = guest, .tids = vcpu_tids, .n_tids = n};
	enum vmrt_status status;
	size_t n_shifts;
	bool found, sane = false;

	*out = (struct vmrt_clockmap){0};
	vmrt_dat_shifts(guest, &n_shifts, NULL);
	for (size_t i = 0; i < n_pings; i++)
		sane |= vmrt_ping_sane(&pings[i]);
	if (sane)
		status = from_pings(&r, pings, n_pings, out, err);
	else if (n_shifts)
		status = from_shifts(&r, out, err);
	else
		status = clock_unrelated(host, guest, out);
	if (status == VMRT_OK && n && vmrt_clockmap_worst(out) == VMRT_UNKNOWN)
		status = from_overlap(&r, NULL, 0, VMRT_CLOCK_OVERLAP, out, &found);
	if (status == VMRT_ENOMEM)
		return vmrt_fail(err, status, "relation of the clocks: out of memory");
	return status;
}
