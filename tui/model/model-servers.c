/* SPDX-License-Identifier: MIT */
/* The servers of the model: periods are counted as the report counts them (docs/metrics.md). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model-local.h"

#define SAMPLE_EVERY_NS (TOP_WINDOW_NS / 100)
#define SHORTEST_WINDOW_NS (50 * VMRT_NS_PER_MS) /* a share of less would be mere chance */

void server_model_reset(struct server_model *s)
{
	struct vmrt_server_facts *f = &s->facts;

	s->max_ns = VMRT_UNKNOWN;
	s->periods = s->depletions = s->overruns = 0;
	s->consumed = s->background = s->budget = s->length = 0;
	s->clean_ns = 0;
	s->end_ns = VMRT_UNKNOWN;
	f->periods = f->served = f->depleted = f->unenforced = f->unknown = f->truncated = 0;
	f->judged = f->steal_periods = f->used_up = 0;
	f->over_max = f->over_max_k = f->latency_max = f->latency_max_k = VMRT_UNKNOWN;
	f->blackout_max = f->blackout_at = VMRT_UNKNOWN;
	f->first = VMRT_SERIES_EMPTY;
	f->n_checks = 0;
	vmrt_samples_free(&f->overshoots);
}

void server_model_begin(struct server_model *s)
{
	s->facts.selected = true;
	server_model_reset(s);
}

static void add_sample(struct server_model *s, int64_t at_ns)
{
	struct sample *last = &s->samples[(s->first + s->n + SAMPLES - 1) % SAMPLES];

	if (s->n && at_ns - last->at_ns < SAMPLE_EVERY_NS)
		return;
	s->samples[(s->first + s->n) % SAMPLES] =
		(struct sample){at_ns, s->all_ns, s->background_ns};
	if (s->n < SAMPLES)
		s->n++;
	else
		s->first = (s->first + 1) % SAMPLES;
}

/* A period of unknown supply ends the sliding window: no share is known until the next period. A
 * time without periods, in which nobody enforced the server, ends the window, too. */
static void add_supply_sample(struct server_model *s, const struct vmrt_server_period *p)
{
	s->supply_unknown = p->consumed_ns == VMRT_UNKNOWN || p->background_ns == VMRT_UNKNOWN;
	if (s->supply_unknown || p->start_ns != s->supply_to_ns)
		s->n = s->first = 0;
	s->supply_to_ns = p->end_ns;
	if (s->supply_unknown)
		return;
	/* the window begins with the first period, since nothing is known before it */
	if (!s->n)
		add_sample(s, p->start_ns);
	s->all_ns += p->consumed_ns + p->background_ns;
	s->background_ns += p->background_ns;
	add_sample(s, p->end_ns);
}

/* Counts the outcome of the period; false if the period's outcome is not known. */
static bool count_outcome(struct vmrt_server_facts *f, enum vmrt_period_outcome outcome)
{
	f->periods++;
	switch (outcome) {
	case VMRT_PERIOD_TRUNCATED:
		f->truncated++;
		return false;
	case VMRT_PERIOD_DEPLETED:
		f->depleted++;
		break;
	case VMRT_PERIOD_SERVED:
		f->served++;
		break;
	case VMRT_PERIOD_UNENFORCED:
		f->unenforced++;
		break;
	default:
		f->unknown++;
		return false;
	}
	f->judged++;
	return true;
}

/* Adds demand and supply of a judged period in which the host ran all the time. */
static void add_supply(struct server_model *s, const struct vmrt_server_period *p)
{
	struct vmrt_server_facts *f = &s->facts;

	if (p->start_ns != s->end_ns)
		s->clean_ns = p->start_ns;
	s->end_ns = p->end_ns;
	if (f->blackout_max == VMRT_UNKNOWN)
		f->blackout_max = 0;
	/* the length of a blackout is certain only if nothing is uncertain since it began */
	if (p->blackout_at_ns != VMRT_UNKNOWN && p->blackout_at_ns >= s->clean_ns &&
		p->blackout_ns > f->blackout_max) {
		f->blackout_max = p->blackout_ns;
		f->blackout_at = p->blackout_at_ns;
	}
	if (p->wanted_ns == VMRT_UNKNOWN || p->first_ns == VMRT_UNKNOWN ||
		p->first_ns < p->wanted_ns)
		return;
	if (p->wanted_ns == p->start_ns)
		vmrt_series_add(&f->first, p->k, p->first_ns - p->start_ns);
	if (p->first_ns - p->wanted_ns > f->latency_max) {
		f->latency_max = p->first_ns - p->wanted_ns;
		f->latency_max_k = p->k;
	}
}

static void add_facts(
	struct top_model *m, struct server_model *s, const struct vmrt_server_period *p)
{
	struct vmrt_server_facts *f = &s->facts;

	if (!count_outcome(f, p->outcome) || p->consumed_ns == VMRT_UNKNOWN ||
		p->budget_ns == VMRT_UNKNOWN)
		return;
	s->consumed += (double)p->consumed_ns;
	s->background += p->background_ns == VMRT_UNKNOWN ? 0 : (double)p->background_ns;
	s->budget += (double)p->budget_ns;
	s->length += (double)(p->end_ns - p->start_ns);
	if (p->steal_ns > 0) {
		f->steal_periods++;
		return;
	}
	add_supply(s, p);
	if (p->outcome != VMRT_PERIOD_DEPLETED &&
		(p->outcome != VMRT_PERIOD_SERVED || p->consumed_ns < p->budget_ns))
		return;
	f->used_up++;
	if (p->consumed_ns - p->budget_ns > f->over_max) {
		f->over_max = p->consumed_ns - p->budget_ns;
		f->over_max_k = p->k;
	}
	s->overruns += p->consumed_ns > p->budget_ns;
	if (f->overshoots.n < OVERSHOOTS_MAX &&
		vmrt_samples_add(&f->overshoots, p->consumed_ns - p->budget_ns) != VMRT_OK)
		m->out_of_memory = true;
}

void server_model_period(struct top_model *m, const struct vmrt_server_period *period)
{
	struct vmrt_server_period numbered = *period, *p = &numbered;
	struct server_model *s;

	if (p->server >= m->n_servers)
		return;
	s = &m->servers[p->server];
	numbered.k += s->k_base;
	add_supply_sample(s, p);
	s->periods++;
	s->depletions += p->depleted_ns != VMRT_UNKNOWN;
	if (p->outcome != VMRT_PERIOD_TRUNCATED && p->outcome != VMRT_PERIOD_UNKNOWN &&
		(s->max_ns == VMRT_UNKNOWN || p->consumed_ns > s->max_ns))
		s->max_ns = p->consumed_ns;
	add_facts(m, s, p);
	s->recent[s->n_recent++ % TOP_RECENT_PERIODS] = *p;
}

void server_model_violation(struct top_model *m, const struct vmrt_violation *v)
{
	struct vmrt_server_facts *f;
	const char *rule = vmrt_rule_name(v->rule);
	size_t i = 0;

	if (v->server >= m->n_servers)
		return;
	f = &m->servers[v->server].facts;
	while (i < f->n_checks && strcmp(f->checks[i].rule, rule) != 0)
		i++;
	if (i == VMRT_CHECKS_MAX)
		return;
	if (i == f->n_checks) {
		memset(&f->checks[i], 0, sizeof(f->checks[i]));
		strncpy(f->checks[i].rule, rule, sizeof(f->checks[i].rule) - 1);
		f->n_checks++;
	}
	f->checks[i].violations++;
}

/* The CPU time received until @at_ns, interpolated linearly between two samples. */
static struct sample sample_at(
	const struct server_model *s, const struct sample *now, int64_t at_ns)
{
	struct sample after = *now;

	for (unsigned i = s->n; i-- > 0;) {
		const struct sample *before = &s->samples[(s->first + i) % SAMPLES];
		double part;

		if (before->at_ns > at_ns) {
			after = *before;
			continue;
		}
		if (after.at_ns <= before->at_ns)
			return *before;
		part = (double)(at_ns - before->at_ns) / (double)(after.at_ns - before->at_ns);
		return (struct sample){
			.at_ns = at_ns,
			.all_ns = before->all_ns +
				  (int64_t)(part * (double)(after.all_ns - before->all_ns)),
			.background_ns = before->background_ns +
					 (int64_t)(part * (double)(after.background_ns -
								   before->background_ns)),
		};
	}
	return after;
}

void server_model_share(const struct server_model *s, const struct vmrt_server_now *state,
	int64_t now_ns, struct top_server_row *row)
{
	struct sample now = {.at_ns = now_ns}, then;

	row->share = row->background = NAN;
	if (now_ns == VMRT_UNKNOWN || s->supply_unknown)
		return;
	now.all_ns = s->all_ns;
	now.background_ns = s->background_ns;
	if (state->consumed_ns != VMRT_UNKNOWN && state->background_ns != VMRT_UNKNOWN) {
		now.all_ns += state->consumed_ns + state->background_ns;
		now.background_ns += state->background_ns;
	} else if (s->n) {
		/* the periods have ended: only the part of the window before their end counts */
		now.at_ns = s->supply_to_ns;
	} else {
		return;
	}
	then = sample_at(s, &now, now_ns - TOP_WINDOW_NS);
	if (now.at_ns - then.at_ns < SHORTEST_WINDOW_NS)
		return;
	row->share = (double)(now.all_ns - then.all_ns) / (double)(now.at_ns - then.at_ns);
	row->background =
		(double)(now.background_ns - then.background_ns) / (double)(now.at_ns - then.at_ns);
}

void server_model_facts(
	struct top_model *m, struct vmrt_engine *engine, size_t i, struct vmrt_server_facts *out)
{
	struct server_model *s = &m->servers[i];
	struct vmrt_server_facts *f = &s->facts;
	struct vmrt_server_now now;

	vmrt_engine_server_now(engine, i, &now);
	f->id = (int64_t)i;
	f->name = m->config->experiment->servers[i].name;
	f->period_ns = now.server->period_ns;
	f->budget_ns = now.server->budget_ns;
	f->priority = now.server->priority;
	f->enforced = now.server->enforced;
	f->consumed_ratio = s->budget > 0 ? s->consumed / s->budget : NAN;
	f->background_ratio = s->budget > 0 ? s->background / s->budget : NAN;
	f->received_ratio = s->length > 0 ? (s->consumed + s->background) / s->length : NAN;
	f->supply_jitter = vmrt_series_jitter(&f->first);
	f->over_p50 = f->over_p99 = f->latency_p50 = f->latency_p99 = VMRT_UNKNOWN;
	if (f->overshoots.n < OVERSHOOTS_MAX) {
		f->over_p50 = vmrt_samples_percentile(&f->overshoots, 50, 100);
		f->over_p99 = vmrt_samples_percentile(&f->overshoots, 99, 100);
	}
	*out = *f;
}

void server_model_free(struct server_model *s)
{
	vmrt_samples_free(&s->facts.overshoots);
}
