/* SPDX-License-Identifier: MIT */
/*
 * The largest supply in any interval as long as the period. It is reached by one that begins where
 * a piece of supply begins or one that ends where a piece ends, so only those are looked at.
 */
#include "checker.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 64

void sliding_init(struct sliding *s, struct verdicts *verdicts)
{
	memset(s, 0, sizeof(*s));
	s->verdicts = verdicts;
}

void sliding_begin(struct sliding *s, int64_t since_ns)
{
	s->since_ns = since_ns;
	s->n = s->next = 0;
}

static struct piece *nth(const struct sliding *s, size_t i)
{
	return &s->pieces[(s->first + i) % s->room];
}

static void report_bad(struct sliding *s)
{
	if (s->have_bad)
		verdicts_add(s->verdicts, &s->bad);
	s->have_bad = false;
}

/* One fault shows in many overlapping intervals; the worst of them stands for it. */
static void judge_interval(struct sliding *s, int64_t to, int64_t supply)
{
	struct verdict now = {
		.rule = VMRT_RULE_SLIDING,
		.from_ns = to - s->length_ns,
		.to_ns = to,
		.measured_ns = supply,
		.allowed_ns = s->allowed_ns,
		.tolerance_ns = s->tolerance_ns,
	};

	if (now.from_ns < s->since_ns)
		return;
	if (verdict_excess(&now) <= s->tolerance_ns ||
		verdicts_are_unsure(s->verdicts, now.from_ns, now.to_ns)) {
		if (!s->have_worst || supply > s->worst.measured_ns)
			s->worst = now;
		s->have_worst = true;
		return;
	}
	if (s->have_bad && now.from_ns >= s->bad.to_ns)
		report_bad(s);
	if (!s->have_bad || supply > s->bad.measured_ns)
		s->bad = now;
	s->have_bad = true;
}

/* Supply until the end of the last piece, if that is @to, or until @to within it. */
static int64_t supply_until(const struct sliding *s, int64_t to)
{
	const struct piece *last = nth(s, s->n - 1);
	int64_t end = to < last->to_ns ? to : last->to_ns;

	return last->before_ns + last->members * (end - last->from_ns);
}

static void drop_before(struct sliding *s, int64_t ns)
{
	while (s->n > 1 && nth(s, 0)->to_ns <= ns && s->next > 0) {
		s->first = (s->first + 1) % s->room;
		s->n--;
		s->next--;
	}
}

/* Supply of all pieces before @from, the first of which it may cut. */
static int64_t supply_before(const struct sliding *s, int64_t from)
{
	const struct piece *head = nth(s, 0);
	int64_t before = head->before_ns;

	if (head->from_ns < from)
		before +=
			head->members * ((head->to_ns < from ? head->to_ns : from) - head->from_ns);
	return before;
}

static void interval_ends(struct sliding *s, int64_t to)
{
	int64_t from = to - s->length_ns;

	if (s->judged)
		return;
	s->judged = true;
	drop_before(s, from);
	judge_interval(s, to, supply_until(s, to) - supply_before(s, from));
}

/* Intervals that begin with a piece and end by @to. */
static void intervals_begin(struct sliding *s, int64_t to)
{
	while (s->next < s->n && nth(s, s->next)->from_ns + s->length_ns <= to) {
		const struct piece *p = nth(s, s->next++);

		judge_interval(s, p->from_ns + s->length_ns,
			supply_until(s, p->from_ns + s->length_ns) - p->before_ns);
	}
}

static bool have_room(struct sliding *s)
{
	size_t room = s->room ? s->room * 2 : FIRST_ROOM;
	struct piece *more;

	if (s->n < s->room)
		return true;
	more = room <= CHECKER_PIECES ? calloc(room, sizeof(*more)) : NULL;
	if (!more)
		return false;
	for (size_t i = 0; i < s->n; i++)
		more[i] = *nth(s, i);
	free(s->pieces);
	s->pieces = more;
	s->room = room;
	s->first = 0;
	return true;
}

static void add_piece(struct sliding *s, int64_t from, int64_t to, int members)
{
	int64_t before = s->n ? supply_until(s, INT64_MAX) : 0;

	if (!have_room(s)) {
		/* more switches in one period than can be looked at: begin anew behind them */
		verdicts_unknown(s->verdicts, VMRT_RULE_SLIDING);
		s->n = s->next = 0;
		s->since_ns = from;
		if (!s->room)
			return;
	}
	s->n++;
	s->judged = false;
	*nth(s, s->n - 1) = (struct piece){
		.from_ns = from, .to_ns = to, .members = members, .before_ns = before};
}

void sliding_supply(struct sliding *s, int64_t from_ns, int64_t to_ns, int members)
{
	struct piece *last = s->n ? nth(s, s->n - 1) : NULL;

	if (!s->length_ns)
		return;
	if (last && members == last->members && from_ns == last->to_ns) {
		last->to_ns = to_ns;
		s->judged = false;
	} else {
		if (last && (members < last->members || from_ns > last->to_ns))
			interval_ends(s, last->to_ns);
		if (s->n)
			intervals_begin(s, from_ns);
		/* nothing runs: no piece, but intervals end in it */
		if (members)
			add_piece(s, from_ns, to_ns, members);
	}
	if (s->n)
		intervals_begin(s, to_ns);
}

void sliding_period(struct sliding *s, int64_t now_ns)
{
	if (!s->length_ns)
		return;
	if (s->n && nth(s, s->n - 1)->to_ns == now_ns)
		interval_ends(s, now_ns);
	if (s->have_bad && now_ns - s->length_ns >= s->bad.to_ns)
		report_bad(s);
	if (s->have_worst)
		verdicts_add(s->verdicts, &s->worst);
	s->have_worst = false;
}

/* The recording ends, perhaps within a piece of supply. */
void sliding_finish(struct sliding *s)
{
	if (s->length_ns && s->n)
		interval_ends(s, nth(s, s->n - 1)->to_ns);
	report_bad(s);
}

void sliding_free(struct sliding *s)
{
	report_bad(s);
	free(s->pieces);
	s->pieces = NULL;
	s->room = s->n = 0;
}
