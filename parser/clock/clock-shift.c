/* SPDX-License-Identifier: MIT */
/* The time shift that a guest's file holds, as a map between the two monotonic clocks. */
#include "clock-shift.h"

#include <stdlib.h>

#include "parser/dat/dat.h"
#include "parser/ring/stream.h"
#include "record-samples.h"

#define GRID 1024			    /* places at which a time shift is looked at */
#define GRID_NS VMRT_NS_PER_S		    /* distance of these, unless the recording is long */
#define APART_MAX_NS (100 * VMRT_NS_PER_MS) /* shifts of two CPUs that differ more are none */

struct places {
	int64_t *at; /* record times of the guest, in ns */
	size_t n;
};

/* The sample that holds at raw time @raw: the last one at or before it, else the first. */
static size_t find_sample(const struct dat_shifts *s, int64_t raw)
{
	size_t low = 0, high = s->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (s->at[middle].local_ns <= raw)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static int64_t scaled(const struct dat_scaling *s, int64_t raw)
{
	return (int64_t)(((__int128)raw * s->mult) >> s->bits);
}

/* As trace-cmd: time * scaling >> fraction, and the offset added. Differences wrap. */
static int64_t shift_raw(const struct dat_shifts *s, bool interpolates, int64_t raw)
{
	size_t i = find_sample(s, raw);
	const struct vmrt_dat_shift *a = &s->at[i], *b;
	int64_t offset = a->offset_ns;

	if (interpolates && s->n > 1) {
		if (i + 1 == s->n)
			a = &s->at[--i];
		b = &s->at[i + 1];
		if (b->local_ns > a->local_ns)
			offset = a->offset_ns +
				 (int64_t)(((long double)raw - (long double)a->local_ns) *
					   ((long double)b->offset_ns - (long double)a->offset_ns) /
					   ((long double)b->local_ns - (long double)a->local_ns));
	}
	return (int64_t)((uint64_t)scaled(&s->scalings[i], raw) + (uint64_t)offset);
}

static int64_t to_raw(const struct vmrt_dat *dat, int64_t ns)
{
	if (!dat->tsc_mult)
		return ns;
	return (int64_t)((((unsigned __int128)(uint64_t)ns << dat->tsc_shift) + dat->tsc_mult / 2) /
			 dat->tsc_mult);
}

static int64_t to_ns(const struct vmrt_dat *dat, int64_t raw)
{
	if (!dat->tsc_mult)
		return raw;
	return (int64_t)(((__int128)raw * dat->tsc_mult) >> dat->tsc_shift);
}

/* The map of a CPU's record clock, or NULL. */
static const struct vmrt_clockmap *map_of(const struct vmrt_dat *dat, unsigned cpu)
{
	return cpu < dat->n_clocks && dat->clocks[cpu].n ? &dat->clocks[cpu] : NULL;
}

/* Are there events that the time shift of guest CPU @cpu is for, and is its record clock known? */
static bool is_usable(const struct vmrt_dat *guest, unsigned cpu)
{
	const struct vmrt_clockmap *map = map_of(guest, cpu);

	return cpu < guest->buffer->n_cpus && guest->buffer->cpus[cpu].size &&
	       guest->shifts[cpu].n && (!map || map->segments[0].error_ns != VMRT_UNKNOWN) &&
	       (map || !guest->n_clocks);
}

/* The CPU whose record times stand for the guest's. */
static unsigned first_cpu(const struct vmrt_dat *guest)
{
	for (unsigned cpu = 0; cpu < guest->n_shifts; cpu++)
		if (is_usable(guest, cpu))
			return cpu;
	return 0;
}

/* When the record clock of @map shows what stands for @mono, which is near @ns. */
static int64_t record_at(const struct vmrt_clockmap *map, int64_t mono, int64_t ns)
{
	for (int i = 0; i < 3; i++)
		ns = (int64_t)((uint64_t)ns + (uint64_t)mono -
			       (uint64_t)vmrt_clockmap_to_host(map, ns, NULL));
	return ns;
}

/*
 * Record time of the host, in ns, at record time @ns of guest CPU @first. The shift of another CPU
 * is for that CPU's clock. Where they do not say the same, the middle is taken, and @apart is the
 * distance.
 */
static int64_t shift_ns(const struct vmrt_dat *host, const struct vmrt_dat *guest, unsigned first,
	int64_t ns, int64_t *apart)
{
	const struct vmrt_clockmap *own = map_of(guest, first), *map;
	int64_t least = INT64_MAX, most = INT64_MIN, at, is;

	for (unsigned cpu = first; cpu < guest->n_shifts; cpu++) {
		map = map_of(guest, cpu);
		if (cpu != first && !is_usable(guest, cpu))
			continue;
		at = cpu != first && own && map
			     ? record_at(map, vmrt_clockmap_to_host(own, ns, NULL), ns)
			     : ns;
		is = to_ns(host->tsc_mult ? host : guest,
			shift_raw(
				&guest->shifts[cpu], guest->shift_interpolates, to_raw(guest, at)));
		/* what is a step of such a size is no measurement */
		if (least <= most && llabs(is / 2 - least / 2) > APART_MAX_NS / 2)
			continue;
		least = is < least ? is : least;
		most = is > most ? is : most;
	}
	*apart = most - least > *apart ? most - least : *apart;
	return least + (most - least) / 2;
}

/*
 * How far the clocks of a machine's CPUs are apart. The errors of the record clocks' own maps do
 * not count here: an event's record time goes through the same maps both ways.
 */
static int64_t spread(const struct vmrt_dat *dat)
{
	int64_t worst = 0;

	for (unsigned i = 1; i < dat->n_clocks; i++) {
		int64_t apart;

		if (!dat->clocks[0].n || !dat->clocks[i].n)
			continue;
		apart = (int64_t)((uint64_t)dat->clocks[0].segments->offset_ns -
				  (uint64_t)dat->clocks[i].segments->offset_ns);
		apart = apart == INT64_MIN ? INT64_MAX : llabs(apart);
		if (apart > worst)
			worst = apart;
	}
	return worst;
}

/* First and last record time of a file, in ns; false if it is empty. */
static bool record_range(const struct vmrt_dat *dat, int64_t *first, int64_t *last)
{
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	bool any = false;
	int more;

	if (vmrt_stream_open(dat, &stream, NULL) != VMRT_OK)
		return false;
	for (unsigned i = 0; i < stream->n_cpus; i++)
		stream->cpus[i].clock = NULL;
	while ((more = vmrt_stream_next(stream, &ev, NULL)) != 0) {
		if (more < 0 || ev.ts > RECORD_MOST_NS)
			continue;
		*first = any ? *first : ev.ts;
		*last = ev.ts;
		any = true;
	}
	vmrt_stream_free(stream);
	return any && *last >= *first;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Where the shift has to be looked at: samples, steps of the record clock, and a grid between. */
static bool find_places(const struct vmrt_dat *guest, struct places *p)
{
	const struct vmrt_clockmap *own = map_of(guest, first_cpu(guest));
	const struct dat_shifts *samples = &guest->shifts[first_cpu(guest)];
	int64_t first = 0, last = 0, every = GRID_NS;
	size_t kept = 0;

	*p = (struct places){0};
	if (!record_range(guest, &first, &last))
		return true;
	if ((last - first) / every >= GRID)
		every = (last - first) / GRID + 1;
	p->at = calloc(2 * samples->n + (own ? 2 * own->n : 0) + GRID + 4, sizeof(*p->at));
	if (!p->at)
		return false;
	p->at[p->n++] = first;
	p->at[p->n++] = last + 1;
	for (size_t i = 0; i < samples->n; i++) {
		p->at[p->n++] = to_ns(guest, samples->at[i].local_ns);
		if (!guest->shift_interpolates)
			p->at[p->n++] =
				(int64_t)((uint64_t)to_ns(guest, samples->at[i].local_ns) - 1);
	}
	for (size_t i = 0; own && i < own->n; i++) {
		p->at[p->n++] = own->segments[i].from_local_ns;
		p->at[p->n++] = own->segments[i].to_local_ns;
	}
	for (int64_t at = first + every; at < last && own; at += every)
		p->at[p->n++] = at;
	qsort(p->at, p->n, sizeof(*p->at), by_value);
	for (size_t i = 0; i < p->n; i++)
		if (p->at[i] >= first && p->at[i] <= last + 1 &&
			(!kept || p->at[i] > p->at[kept - 1]))
			p->at[kept++] = p->at[i];
	p->n = kept;
	return true;
}

/* One time shift, no scaling, and no record clock that has to be mapped. */
static bool is_constant(
	const struct vmrt_dat *host, const struct vmrt_dat *guest, const struct dat_shifts *first)
{
	for (unsigned cpu = 0; cpu < guest->n_shifts; cpu++) {
		const struct dat_shifts *s = &guest->shifts[cpu];

		if (s != first && !is_usable(guest, cpu))
			continue;
		if (s->n != 1 || s->scalings[0].mult != 1 || s->scalings[0].bits ||
			s->at[0].offset_ns != first->at[0].offset_ns)
			return false;
	}
	return !host->n_clocks && !guest->n_clocks;
}

enum vmrt_status clock_from_shift(const struct vmrt_dat *host, const struct vmrt_dat *guest,
	struct vmrt_clockmap *out, int64_t *record_error_ns, struct vmrt_error *err)
{
	unsigned cpu = first_cpu(guest);
	const struct vmrt_clockmap *of_guest = map_of(guest, cpu), *of_host = map_of(host, 0);
	enum vmrt_status status = VMRT_OK;
	int64_t apart = 0;
	struct places p;

	*out = (struct vmrt_clockmap){0};
	*record_error_ns = spread(host) / 2 + spread(guest) / 2;
	*record_error_ns =
		*record_error_ns < VMRT_CLOCK_SANE_NS ? 2 * *record_error_ns : VMRT_CLOCK_SANE_NS;
	if (is_constant(host, guest, &guest->shifts[cpu]))
		return vmrt_clockmap_constant(
			(int64_t) - (uint64_t)to_ns(host->tsc_mult ? host : guest,
					    guest->shifts[cpu].at[0].offset_ns),
			VMRT_UNKNOWN, VMRT_CLOCK_FILE, out);
	if (!find_places(guest, &p) || !(out->segments = calloc(p.n + 1, sizeof(*out->segments))))
		status = vmrt_fail(err, VMRT_ENOMEM, "relation of the clocks: out of memory");
	for (size_t i = 0; i < p.n && status == VMRT_OK; i++) {
		int64_t host_ns = shift_ns(host, guest, cpu, p.at[i], &apart), local_ns = p.at[i];
		struct vmrt_clock_segment *seg = &out->segments[out->n], *last = seg - 1;

		if (of_guest)
			local_ns = vmrt_clockmap_to_host(of_guest, local_ns, NULL);
		if (of_host)
			host_ns = vmrt_clockmap_to_host(of_host, host_ns, NULL);
		if (out->n && local_ns <= last->from_local_ns)
			continue;
		*seg = (struct vmrt_clock_segment){
			.from_local_ns = local_ns,
			.to_local_ns = local_ns + 1,
			.offset_ns = (int64_t)((uint64_t)local_ns - (uint64_t)host_ns),
			.error_ns = VMRT_UNKNOWN,
			.n_upper = 1,
			.n_lower = 1,
			.source = VMRT_CLOCK_FILE,
		};
		if (out->n) {
			last->to_local_ns = local_ns;
			last->rate = ((double)seg->offset_ns - (double)last->offset_ns) /
				     ((double)local_ns - (double)last->from_local_ns);
			seg->rate = last->rate;
		}
		out->n++;
	}
	free(p.at);
	*record_error_ns += apart;
	if (status == VMRT_OK && !out->n) {
		free(out->segments);
		return vmrt_clockmap_constant(0, VMRT_UNKNOWN, VMRT_CLOCK_FILE, out);
	}
	if (status != VMRT_OK)
		vmrt_clockmap_free(out);
	return status;
}

static int64_t first_time(const struct vmrt_dat *dat)
{
	struct vmrt_stream *stream;
	int64_t first = 0;

	if (vmrt_stream_open(dat, &stream, NULL) != VMRT_OK)
		return 0;
	first = vmrt_stream_peek(stream);
	vmrt_stream_free(stream);
	return first == INT64_MAX ? 0 : first;
}

enum vmrt_status clock_unrelated(
	const struct vmrt_dat *host, const struct vmrt_dat *guest, struct vmrt_clockmap *out)
{
	return vmrt_clockmap_constant(
		(int64_t)((uint64_t)first_time(guest) - (uint64_t)first_time(host)), VMRT_UNKNOWN,
		VMRT_CLOCK_UNRELATED, out);
}
