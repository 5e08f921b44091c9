/* SPDX-License-Identifier: MIT */
/*
 * Finds pages of a CPU that stand in another order than they were written in, so that times run
 * back. A reader comes to the hole that such a page has left before it comes to the page, unless
 * the page is the next one. So a recording with such pages has to be read twice.
 */
#include "stream.h"

#include <stdlib.h>

/* Clocks run back by up to this by themselves: mono by a rounding, tai within its error. */
#define BACK_NS UINT64_C(1000)
#define SET_BACK_NS UINT64_C(100000)

#define LATE_MAX 131072 /* if there are more than so many times, the rest counts as lost, too */

static bool is_before(uint64_t a, uint64_t b, uint64_t least)
{
	return a < b && b - a > least;
}

static void note(struct vmrt_stream *s, const struct stream_cpu *cpu, uint64_t before_ts)
{
	struct stream_late_pages *late = &s->late;
	struct stream_late_time *more;

	if (late->n == LATE_MAX)
		return;
	if (!(late->n & (late->n - 1))) {
		more = realloc(late->at, (late->n ? 2 * late->n : 2) * sizeof(*more));
		if (!more)
			return;
		late->at = more;
	}
	late->at[late->n++] = (struct stream_late_time){cpu->cpu, false, cpu->walk.ts};
	late->at[late->n++] = (struct stream_late_time){cpu->cpu, true, before_ts};
}

/* Orders by CPU, then by time; at the same time, entries that make others seem late come first. */
static int by_time(const void *a, const void *b)
{
	const struct stream_late_time *x = a, *y = b;

	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	if (x->ts != y->ts)
		return x->ts < y->ts ? -1 : 1;
	return y->lets_seem_late - x->lets_seem_late;
}

/* Finds the first late time of @cpu at or after @ts that an earlier reading has found, or NULL. */
static const struct stream_late_time *first_from(
	const struct vmrt_stream *s, unsigned cpu, uint64_t ts)
{
	const struct stream_late_time wanted = {cpu, true, ts};
	size_t low = 0, high = s->known ? s->known->n : 0;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (by_time(&s->known->at[mid], &wanted) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return s->known && low < s->known->n && s->known->at[low].cpu == cpu ? &s->known->at[low]
									     : NULL;
}

/* Was a page left out that belongs between what was read of @cpu and the page that begins? */
static bool lacks_a_page(const struct vmrt_stream *s, const struct stream_cpu *cpu, uint64_t least)
{
	uint64_t later = cpu->feed->later;
	const struct stream_late_time *t;

	if (is_before(later, cpu->walk.ts, least) && later >= cpu->most_ts)
		return true;
	t = first_from(s, cpu->cpu, cpu->most_ts > least ? cpu->most_ts - least : 0);
	return (t && t->ts < cpu->walk.ts) || (s->known && s->known->n == LATE_MAX);
}

/*
 * Did another page come too late because this one seems to go on for longer? Then it is not known
 * which of them has a wrong time, or stands in a wrong place.
 */
static bool is_suspect(const struct vmrt_stream *s, const struct stream_cpu *cpu)
{
	const struct stream_late_time *t = first_from(s, cpu->cpu, cpu->walk.ts);

	return t && t->ts == cpu->walk.ts && t->lets_seem_late;
}

void stream_note_stray(struct vmrt_stream *s, const struct stream_cpu *cpu)
{
	note(s, cpu, cpu->walk.ts);
}

bool stream_is_late(struct vmrt_stream *s, struct stream_cpu *cpu)
{
	uint64_t least = s->may_be_set_back ? SET_BACK_NS : BACK_NS;
	bool behind = is_before(cpu->walk.ts, cpu->most_ts, least);

	if (is_suspect(s, cpu))
		return true;
	if (behind && !s->may_be_set_back) {
		note(s, cpu, cpu->most_from);
		return true;
	}
	if (behind || cpu->was_behind || lacks_a_page(s, cpu, least))
		cpu->lost = UINT64_MAX;
	cpu->was_behind = behind;
	return false;
}

void stream_late_take(struct vmrt_stream *s, struct stream_late_pages *out)
{
	if (out->n)
		return;
	free(out->at);
	*out = s->late;
	s->late = (struct stream_late_pages){0};
	if (out->n)
		qsort(out->at, out->n, sizeof(*out->at), by_time);
}
