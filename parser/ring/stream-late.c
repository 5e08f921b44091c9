/* SPDX-License-Identifier: MIT */
/*
 * Pages of a CPU that stand in another order than they were written in: times run back. Who reads
 * on sees the hole that a page has left before the page itself, unless it comes next, so that a
 * recording with such pages has to be read twice.
 */
#include "stream.h"

#include <stdlib.h>

/* So much clocks run back by themselves: mono by a rounding, tai by what its error covers. */
#define BACK_NS UINT64_C(1000)
#define SET_BACK_NS UINT64_C(100000)

#define LATE_MAX 65536 /* of more than so many pages the rest is lost, too */

static bool is_before(uint64_t a, uint64_t b, uint64_t least)
{
	return a < b && b - a > least;
}

static void note(struct vmrt_stream *s, const struct stream_cpu *cpu, uint64_t before_ts)
{
	struct stream_late_pages *late = &s->late;
	struct stream_late_page *more;

	if (late->n == LATE_MAX)
		return;
	if (!(late->n & (late->n - 1))) {
		more = realloc(late->at, (late->n ? 2 * late->n : 1) * sizeof(*more));
		if (!more)
			return;
		late->at = more;
	}
	late->at[late->n++] = (struct stream_late_page){cpu->cpu, cpu->walk.ts, before_ts};
}

/* Does a page that begins at @ts belong between what was read of @cpu and the page that begins? */
static bool belongs_here(const struct stream_cpu *cpu, uint64_t ts, uint64_t least)
{
	return ts < cpu->walk.ts && !is_before(ts, cpu->most_ts, least);
}

/* Is there a page that is left out and belongs there? */
static bool lacks_a_page(const struct vmrt_stream *s, const struct stream_cpu *cpu, uint64_t least)
{
	const struct stream_late_pages *known = s->known;
	uint64_t later = cpu->feed->later;

	if (is_before(later, cpu->walk.ts, least) && later >= cpu->most_ts)
		return true;
	for (size_t i = 0; known && i < known->n; i++)
		if (known->at[i].cpu == cpu->cpu &&
			(belongs_here(cpu, known->at[i].ts, least) ||
				belongs_here(cpu, known->at[i].before_ts, least)))
			return true;
	return known && known->n == LATE_MAX;
}

/*
 * Did another page come too late because this one seems to go on for longer? Then it is not known
 * which of them has a wrong time, or stands in a wrong place.
 */
static bool is_suspect(const struct vmrt_stream *s, const struct stream_cpu *cpu)
{
	const struct stream_late_pages *known = s->known;

	for (size_t i = 0; known && i < known->n; i++)
		if (known->at[i].cpu == cpu->cpu && known->at[i].before_ts == cpu->walk.ts)
			return true;
	return false;
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
}
