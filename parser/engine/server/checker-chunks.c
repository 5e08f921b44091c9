/* SPDX-License-Identifier: MIT */
/*
 * Sporadic servers: what is used from one activation on returns one period after that activation,
 * as much as it was and not earlier. An activation lasts while the members have budget and want to
 * run; pauses within the tolerance do not end it.
 */
#include "checker.h"

static struct activation *nth(struct chunks *c, size_t i)
{
	return &c->list[(c->first + i) % CHUNKS_MAX];
}

/* Whatever began before @now_ns may have begun earlier than it seems. */
void chunks_forget(struct chunks *c, int64_t now_ns)
{
	c->since_ns = now_ns;
	for (size_t i = 0; i < c->n; i++)
		nth(c, i)->partial = true;
}

static void retire(struct chunks *c)
{
	const struct activation *a = nth(c, 0);
	int64_t difference = a->returned_ns - a->used_ns;
	struct verdict v = {
		.rule = VMRT_RULE_CHUNK,
		.from_ns = a->start_ns,
		.to_ns = a->end_ns + c->period_ns,
		.measured_ns = difference < 0 ? -difference : difference,
		.tolerance_ns = c->tolerance_ns,
	};

	if (!a->partial && (a->used_ns || a->returned_ns))
		verdicts_add(c->verdicts, &v);
	c->first = (c->first + 1) % CHUNKS_MAX;
	c->n--;
}

void chunks_supply(struct chunks *c, int64_t from_ns, int64_t to_ns, const struct checker_supply *s)
{
	struct activation *last = c->n ? nth(c, c->n - 1) : NULL;
	bool active = s->eligible && s->wanting > 0;
	bool open = last && last->end_ns == VMRT_UNKNOWN;

	if (active && last && !open && from_ns - last->end_ns <= c->tolerance_ns) {
		last->end_ns = VMRT_UNKNOWN;
	} else if (active && !open) {
		if (c->n == CHUNKS_MAX) {
			verdicts_unknown(c->verdicts, VMRT_RULE_CHUNK);
			c->first = (c->first + 1) % CHUNKS_MAX;
			c->n--;
		}
		c->n++;
		last = nth(c, c->n - 1);
		*last = (struct activation){.start_ns = from_ns,
			.end_ns = VMRT_UNKNOWN,
			.partial = from_ns <= c->since_ns};
	} else if (!active && open) {
		last->end_ns = from_ns;
	}
	if (active)
		last->used_ns += s->served * (to_ns - from_ns);
	while (c->n && nth(c, 0)->end_ns != VMRT_UNKNOWN &&
		nth(c, 0)->end_ns + c->period_ns + c->tolerance_ns < to_ns)
		retire(c);
}

/* The activation in which @activated_ns lies, or next to which, within the tolerance. */
static struct activation *activation_at(struct chunks *c, int64_t activated_ns)
{
	int64_t nearest = c->tolerance_ns;
	struct activation *best = NULL;

	for (size_t i = 0; i < c->n; i++) {
		struct activation *a = nth(c, i);
		int64_t off = activated_ns < a->start_ns ? a->start_ns - activated_ns
			      : a->end_ns != VMRT_UNKNOWN && activated_ns > a->end_ns
				      ? activated_ns - a->end_ns
				      : 0;

		if (off > nearest)
			continue;
		nearest = off;
		best = a;
	}
	return best;
}

int64_t chunks_due(struct chunks *c, int64_t at_ns, int64_t now_ns)
{
	const struct activation *a = activation_at(c, at_ns - c->period_ns);
	/* nor is it known when that was if nobody looked then */
	bool unseen = at_ns - c->period_ns < c->since_ns;
	int64_t end = unseen ? now_ns : !a ? at_ns : a->end_ns == VMRT_UNKNOWN ? now_ns : a->end_ns;

	return end > at_ns ? end : at_ns;
}

int64_t chunks_out(struct chunks *c)
{
	int64_t sum = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (nth(c, i)->partial)
			return VMRT_UNKNOWN;
		sum += nth(c, i)->used_ns - nth(c, i)->returned_ns;
	}
	return sum;
}

void chunks_replenished(struct chunks *c, int64_t at_ns, int64_t amount_ns)
{
	int64_t activated = at_ns - c->period_ns;
	struct activation *best;
	struct verdict v = {
		.rule = VMRT_RULE_CHUNK,
		.from_ns = activated,
		.to_ns = at_ns,
		.measured_ns = amount_ns,
		.tolerance_ns = c->tolerance_ns,
	};

	/* the first budget, and what was used before anybody looked */
	if (activated < c->since_ns)
		return;
	best = activation_at(c, activated);
	if (best)
		best->returned_ns += amount_ns;
	else
		verdicts_add(c->verdicts, &v); /* nothing was used then */
}
