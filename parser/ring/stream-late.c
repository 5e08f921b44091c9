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

static void note_late(struct vmrt_stream *s, const struct stream_cpu *cpu)
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
	late->at[late->n++] = (struct stream_late_page){cpu->cpu, cpu->walk.ts};
}

/* Does a late page belong between what was read of @cpu and the page that begins? */
static bool lacks_a_page(
	const struct vmrt_stream *s, const struct stream_cpu *cpu, uint64_t later, uint64_t least)
{
	const struct stream_late_pages *known = s->known;

	if (is_before(later, cpu->walk.ts, least) && later >= cpu->most_ts)
		return true;
	for (size_t i = 0; known && i < known->n; i++)
		if (known->at[i].cpu == cpu->cpu && known->at[i].ts < cpu->walk.ts &&
			!is_before(known->at[i].ts, cpu->most_ts, least))
			return true;
	return known && known->n == LATE_MAX;
}

bool stream_is_late(struct vmrt_stream *s, struct stream_cpu *cpu)
{
	uint64_t least = s->may_be_set_back ? SET_BACK_NS : BACK_NS;
	bool behind = is_before(cpu->walk.ts, cpu->most_ts, least);

	if (behind && !s->may_be_set_back) {
		note_late(s, cpu);
		return true;
	}
	if (behind || cpu->was_behind || lacks_a_page(s, cpu, cpu->feed->later, least))
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
