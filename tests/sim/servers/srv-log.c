/* SPDX-License-Identifier: MIT */
/* Who had what when: the log that all truth is worked out from. */
#include "srv-world.h"

#include <string.h>

static bool by_words(const struct server *s)
{
	return s->started;
}

static bool is_lower(const struct world *w, const struct server *s, const struct thread *t)
{
	const struct thread *cur = w->cpus[t->cpu].cur;

	if (!cur)
		return true;
	if (s->spec->policy == VMRT_POLICY_EDF && cur->server && cur->server->budget)
		return cur->server->t0 + (cur->server->k + 1) * cur->server->spec->period_ns >
		       s->t0 + (s->k + 1) * s->spec->period_ns;
	if (cur->server && cur->server->budget)
		return cur->server->spec->priority < s->spec->priority;
	return s->spec->policy == VMRT_POLICY_EDF ? cur->prio >= FAIR
						  : cur->prio > FIFO(s->spec->priority);
}

static struct srv_segment now_of(const struct world *w, const struct server *s)
{
	struct srv_segment seg = {.budget = s->budget, .selected = is_selected(w, s)};

	if (s->spec->policy == VMRT_POLICY_RT_GROUP || s->spec->policy == VMRT_POLICY_DEADLINE ||
		s->spec->policy == VMRT_POLICY_CFS_QUOTA)
		seg.budget = true;
	for (int i = 0; i < s->n; i++) {
		const struct thread *t = s->members[i];

		seg.running += t->state == RUN;
		seg.ready += t->state == READY;
		/* work that comes for one that slept when it was, or is to be, stopped does not
		 * show */
		seg.wanting += t->state == RUN || (t->state != BLOCKED && !t->idle);
		seg.as_rt += t->state == RUN &&
			     (t->prio < 100 || s->spec->depletion == VMRT_DEPLETION_HARD);
		seg.lower |= by_words(s) && s->budget && t->state == READY && is_lower(w, s, t);
	}
	return seg;
}

static bool same(const struct srv_segment *a, const struct srv_segment *b)
{
	return a->running == b->running && a->ready == b->ready && a->wanting == b->wanting &&
	       a->budget == b->budget && a->selected == b->selected && a->as_rt == b->as_rt &&
	       a->lower == b->lower;
}

/* Nothing changes between now, or since the last call, and @to. */
void log_advance(struct world *w, int64_t to)
{
	if (to <= w->now)
		return;
	for (int i = 0; i < w->n_servers; i++) {
		struct srv_log *l = w->servers[i].log;
		struct srv_segment seg = now_of(w, &w->servers[i]);
		struct srv_segment *last = l->n ? &l->segments[l->n - 1] : NULL;

		seg.from_ns = w->now;
		seg.to_ns = to;
		if (last && same(last, &seg)) {
			last->to_ns = to;
			continue;
		}
		l->segments = srv_grow(l->segments, l->n, &l->room, sizeof(*l->segments));
		l->segments[l->n++] = seg;
	}
}

void log_word(struct server *s, const struct srv_word *word)
{
	struct srv_log *l = s->log;

	l->words = srv_grow(l->words, l->n_words, &l->words_room, sizeof(*l->words));
	l->words[l->n_words++] = *word;
}

/* VMRT_UNKNOWN: the next period does not follow from the one before. */
void log_border(struct server *s, int64_t at)
{
	struct srv_log *l = s->log;

	l->borders = srv_grow(l->borders, l->n_borders, &l->borders_room, sizeof(*l->borders));
	l->borders[l->n_borders++] = at;
}

/* A start of supply that ends a wait; the two before and after one are a natural period, if nobody
 * slept. */
void log_switched_in(struct world *w, struct thread *t)
{
	struct srv_unmanaged *n;

	if (!t->server || t->server->spec->policy != VMRT_POLICY_NONE)
		return;
	n = &w->r->unmanaged[t->server->index];
	t->slept |= !t->preempted;
	if (w->now - t->ready_ns < MS)
		return;
	if (t->begun && !t->slept) {
		n->periods = srv_grow(n->periods, n->n, &n->room, sizeof(int64_t));
		n->supplies = srv_grow(n->supplies, n->n, &n->supplies_room, sizeof(int64_t));
		n->periods[n->n] = w->now - t->begun_ns;
		n->supplies[n->n++] = t->supply_ns;
	}
	t->begun = t->preempted;
	t->slept = false;
	t->begun_ns = w->now;
	t->supply_ns = 0;
}

void log_switched_out(struct world *w, struct thread *t)
{
	struct server *s = t->server;
	int64_t from = t->in_ns;

	if (!s || !s->started || s->budget ||
		(t->prio >= 100 && s->spec->depletion != VMRT_DEPLETION_HARD))
		return;
	for (size_t i = 0; i < s->log->n_words; i++)
		if (!s->log->words[i].replenish && s->log->words[i].now_ns > from)
			from = s->log->words[i].now_ns;
	s->log->visible_ns += w->now - from;
	if (t->prio >= 100 || from >= w->now)
		return;
	s->log->overs = srv_grow(
		s->log->overs, s->log->n_overs, &s->log->overs_room, sizeof(*s->log->overs));
	s->log->overs[s->log->n_overs++] = (struct srv_over){from, w->now};
}
