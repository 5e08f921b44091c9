/* SPDX-License-Identifier: MIT */
/* Verdicts wait here until nothing can make their window uncertain any more; then they are counted.
 */
#include "checker.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16

int64_t verdict_excess(const struct verdict *verdict)
{
	int64_t more = verdict->measured_ns - verdict->allowed_ns;

	return verdict->rule == VMRT_RULE_SUPPLY || verdict->rule == VMRT_RULE_PRESERVE ? -more
											: more;
}

void verdicts_init(struct verdicts *v, const struct checker_config *config)
{
	memset(v, 0, sizeof(*v));
	v->config = config;
	for (int r = 0; r < VMRT_RULES; r++) {
		v->counts[r].server = config->server;
		v->counts[r].rule = (enum vmrt_rule)r;
		v->counts[r].worst_ns = v->counts[r].worst_at_ns = VMRT_UNKNOWN;
		v->counts[r].tolerance_ns = config->tolerance_ns;
	}
}

void verdicts_unknown(struct verdicts *v, enum vmrt_rule rule)
{
	v->counts[rule].unknown++;
}

static bool overlap(int64_t from, int64_t to, int64_t other_from, int64_t other_to)
{
	return from < other_to && other_from < to;
}

bool verdicts_are_unsure(const struct verdicts *v, int64_t from_ns, int64_t to_ns)
{
	for (size_t i = 0; i < v->n_unsure; i++)
		if (overlap(from_ns, to_ns, v->unsure[i].from_ns, v->unsure[i].to_ns))
			return true;
	return false;
}

static void count(struct verdicts *v, const struct verdict *verdict)
{
	struct vmrt_check *c = &v->counts[verdict->rule];
	int64_t excess = verdict_excess(verdict);

	c->judged++;
	if (c->worst_ns == VMRT_UNKNOWN || excess > c->worst_ns) {
		c->worst_ns = excess;
		c->worst_at_ns = verdict->from_ns;
	}
	if (excess <= verdict->tolerance_ns)
		return;
	c->violations++;
	if (v->config->violation) {
		struct vmrt_violation row = {
			.server = v->config->server,
			.rule = verdict->rule,
			.from_ns = verdict->from_ns,
			.to_ns = verdict->to_ns,
			.measured_ns = verdict->measured_ns,
			.allowed_ns = verdict->allowed_ns,
			.tolerance_ns = verdict->tolerance_ns,
		};

		v->config->violation(v->config->ctx, &row);
	}
}

static struct verdict *nth(struct verdicts *v, size_t i)
{
	return &v->ring[(v->first + i) % v->room];
}

static struct verdict *take_oldest(struct verdicts *v)
{
	struct verdict *oldest = nth(v, 0);

	v->first = (v->first + 1) % v->room;
	v->n--;
	return oldest;
}

static bool have_room(struct verdicts *v)
{
	size_t room = v->room ? v->room * 2 : FIRST_ROOM;
	struct verdict *more;

	if (v->n < v->room)
		return true;
	more = room <= CHECKER_HELD ? calloc(room, sizeof(*more)) : NULL;
	if (more) {
		for (size_t i = 0; i < v->n; i++)
			more[i] = *nth(v, i);
		free(v->ring);
		v->ring = more;
		v->room = room;
		v->first = 0;
		return true;
	}
	if (!v->room)
		return false;
	/* some CPU has been silent for very long: what it may still show must not make a violation
	 * false */
	struct verdict *oldest = take_oldest(v);

	if (oldest->dropped)
		return true;
	if (verdict_excess(oldest) > oldest->tolerance_ns)
		verdicts_unknown(v, oldest->rule);
	else
		count(v, oldest);
	return true;
}

void verdicts_add(struct verdicts *v, const struct verdict *verdict)
{
	if (verdicts_are_unsure(v, verdict->from_ns, verdict->to_ns) || !have_room(v)) {
		verdicts_unknown(v, verdict->rule);
		return;
	}
	v->n++;
	*nth(v, v->n - 1) = *verdict;
}

void verdicts_unsure(struct verdicts *v, int64_t from_ns, int64_t to_ns)
{
	struct interval *d = v->unsure;

	if (to_ns <= from_ns)
		to_ns = from_ns + 1;
	for (size_t i = 0; i < v->n; i++) {
		struct verdict *held = nth(v, i);

		if (held->dropped || !overlap(held->from_ns, held->to_ns, from_ns, to_ns))
			continue;
		held->dropped = true;
		verdicts_unknown(v, held->rule);
	}
	if (v->n_unsure && from_ns <= d[v->n_unsure - 1].to_ns &&
		from_ns >= d[v->n_unsure - 1].from_ns) {
		if (to_ns > d[v->n_unsure - 1].to_ns)
			d[v->n_unsure - 1].to_ns = to_ns;
		return;
	}
	if (v->n_unsure == CHECKER_UNSURE) {
		/* the two oldest become one with what is between them: more doubt, never less */
		if (d[1].from_ns < d[0].from_ns)
			d[0].from_ns = d[1].from_ns;
		if (d[1].to_ns > d[0].to_ns)
			d[0].to_ns = d[1].to_ns;
		memmove(&d[1], &d[2], (CHECKER_UNSURE - 2) * sizeof(*d));
		v->n_unsure--;
	}
	d[v->n_unsure++] = (struct interval){from_ns, to_ns};
}

void verdicts_release(struct verdicts *v, int64_t safe_ns)
{
	while (v->n && (nth(v, 0)->dropped || nth(v, 0)->to_ns <= safe_ns)) {
		const struct verdict *oldest = take_oldest(v);

		if (!oldest->dropped)
			count(v, oldest);
	}
}

void verdicts_finish(struct verdicts *v)
{
	verdicts_release(v, INT64_MAX);
	for (int r = 0; r < VMRT_RULES; r++)
		if ((v->counts[r].judged || v->counts[r].unknown) && v->config->check)
			v->config->check(v->config->ctx, &v->counts[r]);
	free(v->ring);
	v->ring = NULL;
	v->room = 0;
}
