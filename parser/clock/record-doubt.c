/* SPDX-License-Identifier: MIT */
/* Makes errors larger where the lines of record-fit.c may be off by more than the bounds along them
 * say. */
#include "record-samples.h"

#include <math.h>
#include <stdlib.h>

/* The map is off by @ns more in @s. */
void record_add_error(struct vmrt_clock_segment *s, int64_t ns)
{
	if (s->error_ns != VMRT_UNKNOWN && __builtin_add_overflow(s->error_ns, ns, &s->error_ns))
		s->error_ns = VMRT_UNKNOWN;
}

/* Returns the segment of the map that holds at @t. */
static struct vmrt_clock_segment *segment_at(struct vmrt_clockmap *map, int64_t t)
{
	size_t i = 0;

	while (i + 1 < map->n && map->segments[i].to_local_ns <= t)
		i++;
	return &map->segments[i];
}

/* Returns how far the offset @d at @t is above the line of @s. */
static double above_line(const struct vmrt_clock_segment *s, int64_t t, int64_t d)
{
	return (double)d - (double)s->offset_ns - s->rate * ((double)t - (double)s->from_local_ns);
}

/* If a clock may be set at any time, it may have been ahead whenever an expiry was late, so the
 * error is at least that lateness. */
void record_doubt_late(const struct record_samples *s, size_t n, struct vmrt_clockmap *map)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < s[i].n; k++) {
			const struct record_window *w = &s[i].at[k];
			struct vmrt_clock_segment *at;
			double late;

			if (!w->has_upper)
				continue;
			at = segment_at(map, w->latest_at);
			late = above_line(at, w->latest_at, w->latest);
			/* known no better than the line itself is */
			late += late > 0 ? RECORD_LEAST_NS : 0;
			if (at->error_ns != VMRT_UNKNOWN && late > (double)at->error_ns)
				at->error_ns = late < 1e18 ? (int64_t)ceil(late) : VMRT_UNKNOWN;
		}
}

/* The expiries of a recording: the first one, the time to the last one, and how far events lie
 * outside of that. */
struct reach {
	double first, span, outside;
};

static struct reach reach_of(const struct record_samples *s, size_t n)
{
	int64_t first = INT64_MAX, last = INT64_MIN, begin = INT64_MAX, end = INT64_MIN;

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < s[i].n; k++) {
			const struct record_window *w = &s[i].at[k];

			if (!w->has_upper)
				continue;
			first = w->upper_at < first ? w->upper_at : first;
			last = w->upper_at > last ? w->upper_at : last;
		}
		begin = s[i].begin_ns < begin ? s[i].begin_ns : begin;
		end = s[i].end_ns > end ? s[i].end_ns : end;
	}
	return (struct reach){.first = (double)first,
		.span = (double)last - (double)first,
		.outside =
			fmax(0, fmax((double)first - (double)begin, (double)end - (double)last))};
}

/* How far above the lines of @map the truth may be: in each part of the time as far as the earliest
 * expiry there. */
static double above(const struct record_samples *s, size_t n, struct vmrt_clockmap *map,
	const struct reach *reach)
{
	double least[RECORD_PARTS], worst = 0;

	for (int i = 0; i < RECORD_PARTS; i++)
		least[i] = INFINITY;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < s[i].n; k++) {
			const struct record_window *w = &s[i].at[k];
			double behind = (double)w->upper_at - reach->first;
			int part;

			if (!w->has_upper)
				continue;
			part = (int)(behind / (reach->span + 1) * RECORD_PARTS);
			/* a double may not tell a span of months from one that is 1 ns longer */
			part = part < RECORD_PARTS ? part : RECORD_PARTS - 1;
			least[part] = fmin(least[part],
				above_line(segment_at(map, w->upper_at), w->upper_at, w->upper));
		}
	for (int i = 0; i < RECORD_PARTS; i++)
		if (least[i] != INFINITY)
			worst = fmax(worst, least[i]);
	return worst;
}

/*
 * The rate of the segment of @map with the most expiries, which knows it best: a clock that is set
 * runs at the same rate before and after. Without memory that of the first one.
 */
static double best_rate(const struct record_samples *s, size_t n, struct vmrt_clockmap *map)
{
	size_t *found = map->n > 1 ? calloc(map->n, sizeof(*found)) : NULL;
	size_t best = 0;

	for (size_t i = 0; found && i < n; i++)
		for (size_t k = 0; k < s[i].n; k++)
			if (s[i].at[k].has_upper)
				found[segment_at(map, s[i].at[k].upper_at) - map->segments]++;
	for (size_t i = 0; found && i < map->n; i++)
		if (found[i] > found[best])
			best = i;
	free(found);
	return map->segments[best].rate;
}

/*
 * Beyond the first and the last expiry a line is off by more, the farther the more: its rate is
 * known as well as its error, on both sides, and the time between them say. The error holds
 * somewhere in the first and the last part. Where there are several lines, the first and the last
 * may hold few expiries: their rates may be off as far as they differ from the best known one.
 */
void record_doubt_ends(const struct record_samples *s, size_t n, struct vmrt_clockmap *map)
{
	struct reach reach = reach_of(s, n);
	double more = reach.span > 0 ? above(s, n, map, &reach) : 0;
	double part = reach.span / RECORD_PARTS, best = map->n ? best_rate(s, n, map) : 0;

	for (size_t i = 0; i<map->n; i += map->n> 1 ? map->n - 1 : 1) {
		int64_t *error = &map->segments[i].error_ns;
		double rate = RECORD_STEERED_RATE;

		if (*error == VMRT_UNKNOWN || *error > INT64_MAX / 4)
			continue;
		if (reach.outside <= 0)
			continue;
		if (reach.span > 0)
			rate = fmin(rate, ((double)*error + more) / (reach.span - 2 * part) +
						  fabs(map->segments[i].rate - best));
		*error += (int64_t)fmin(ceil((reach.outside + part) * rate), 1e18);
	}
}

/*
 * A clock that may jump may have done so in a long time without any event before the first expiry,
 * on all CPUs: then what was recorded before that is off by as much.
 */
void record_doubt_start(const struct record_samples *s, size_t n, struct vmrt_clockmap *map)
{
	int64_t silent = INT64_MAX;

	for (size_t i = 0; i < n; i++)
		if (s[i].end_ns != INT64_MIN && s[i].silent_ns < silent)
			silent = s[i].silent_ns;
	if (silent != INT64_MAX && silent >= RECORD_JUMP_NS)
		record_add_error(&map->segments[0], silent);
}
