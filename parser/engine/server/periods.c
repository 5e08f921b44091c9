/* SPDX-License-Identifier: MIT */
/*
 * Emits the periods that have ended, after every CPU of the host has recorded something since:
 * lost events of a period are known by then.
 */
#include "server.h"

#include <stdlib.h>

#define PERIODS_HELD_FIRST 16
#define PERIODS_HELD_MAX                                                                           \
	1024 /* a CPU that is silent for longer than this many periods is not waited for */

static struct vmrt_server_period *nth(struct server *s, size_t i)
{
	return &s->held[(s->held_first + i) % s->held_room];
}

static void emit_oldest(struct server *s)
{
	const struct vmrt_server_period *oldest = nth(s, 0);

	s->held_first = (s->held_first + 1) % s->held_room;
	s->held_n--;
	if (s->curve)
		curve_judge(s->curve, oldest->start_ns, oldest->end_ns,
			oldest->outcome != VMRT_PERIOD_UNKNOWN &&
				oldest->outcome != VMRT_PERIOD_TRUNCATED && !oldest->steal_ns);
	if (s->engine->sink.server_period)
		s->engine->sink.server_period(s->engine->sink.ctx, oldest);
}

void periods_hold(struct server *s)
{
	if (s->held_n == s->held_room) {
		size_t room = s->held_room ? s->held_room * 2 : PERIODS_HELD_FIRST;
		struct vmrt_server_period *more =
			room <= PERIODS_HELD_MAX ? calloc(room, sizeof(*more)) : NULL;

		if (more) {
			for (size_t i = 0; i < s->held_n; i++)
				more[i] = *nth(s, i);
			free(s->held);
			s->held = more;
			s->held_room = room;
			s->held_first = 0;
		} else if (s->held_room) {
			emit_oldest(s);
		} else {
			s->engine->out_of_memory = true;
			return;
		}
	}
	s->held_n++;
	*nth(s, s->held_n - 1) = s->now;
}

void periods_unsure(struct server *s, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < s->held_n; i++) {
		struct vmrt_server_period *p = nth(s, i);

		if (p->outcome != VMRT_PERIOD_TRUNCATED && p->start_ns < to_ns &&
			from_ns < p->end_ns)
			p->outcome = VMRT_PERIOD_UNKNOWN;
	}
}

static void steal(struct vmrt_server_period *p, int64_t from_ns, int64_t to_ns)
{
	if (from_ns < p->start_ns)
		from_ns = p->start_ns;
	if (to_ns > p->end_ns)
		to_ns = p->end_ns;
	if (to_ns > from_ns)
		p->steal_ns += to_ns - from_ns;
}

/* A member was taken to run between the two, but did not: the periods that have ended since, and
 * the present one, have their parts of that. */
void periods_steal(struct server *s, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < s->held_n; i++)
		steal(nth(s, i), from_ns, to_ns);
	steal(&s->now, from_ns, to_ns);
}

void periods_release(struct server *s, int64_t safe_ns)
{
	while (s->held_n && nth(s, 0)->end_ns <= safe_ns)
		emit_oldest(s);
}
