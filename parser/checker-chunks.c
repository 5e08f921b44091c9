/* SPDX-License-Identifier: MIT */
/*
 * Sporadic servers: what is used from one activation on returns one period after that activation, as much
 * as it was and not earlier. An activation lasts while the members have budget and want to run.
 */
#include "checker.h"

static struct activation *nth(struct chunks *c, size_t i)
{
	return &c->list[(c->first + i) % CHUNKS_MAX];
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

	if (a->used_ns || a->returned_ns)
		verdicts_add(c->verdicts, &v);
	c->first = (c->first + 1) % CHUNKS_MAX;
	c->n--;
}

void chunks_supply(struct chunks *c, int64_t from_ns, int64_t to_ns, const struct checker_supply *s)
{
	struct activation *last = c->n ? nth(c, c->n - 1) : NULL;
	bool active = s->eligible && s->wanting > 0;
	bool open = last && last->end_ns == VMRT_UNKNOWN;

	if (active && !open) {
		if (c->n == CHUNKS_MAX) {
			verdicts_unknown(c->verdicts, VMRT_RULE_CHUNK);
			c->first = (c->first + 1) % CHUNKS_MAX;
			c->n--;
		}
		c->n++;
		last = nth(c, c->n - 1);
		*last = (struct activation){.start_ns = from_ns, .end_ns = VMRT_UNKNOWN};
	} else if (!active && open) {
		last->end_ns = from_ns;
	}
	if (active)
		last->used_ns += s->served * (to_ns - from_ns);
	while (c->n && nth(c, 0)->end_ns != VMRT_UNKNOWN &&
		nth(c, 0)->end_ns + c->period_ns + c->tolerance_ns < to_ns)
		retire(c);
}

void chunks_replenished(struct chunks *c, int64_t at_ns, int64_t amount_ns)
{
	int64_t activated = at_ns - c->period_ns;
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
	for (size_t i = 0; i < c->n; i++) {
		struct activation *a = nth(c, i);

		if (activated < a->start_ns - c->tolerance_ns)
			break;
		if (a->end_ns != VMRT_UNKNOWN && activated > a->end_ns + c->tolerance_ns)
			continue;
		a->returned_ns += amount_ns;
		return;
	}
	verdicts_add(c->verdicts, &v); /* nothing was used then */
}
