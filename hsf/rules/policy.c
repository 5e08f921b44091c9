/* SPDX-License-Identifier: MIT */
/* Budgets on a grid, and the rules of each policy. Sporadic servers, which have no grid, are in
 * policy-sporadic.c. */
#include "policy.h"

#include <stdio.h>
#include <string.h>

static const struct hsf_rules all_rules[] = {
	{.policy = VMRT_POLICY_PERIODIC, .by_slot = true},
	{.policy = VMRT_POLICY_POLLING, .discards = true},
	{.policy = VMRT_POLICY_DEFERRABLE, .may_rest = true},
	{.policy = VMRT_POLICY_SPORADIC, .by_activation = true},
	{.policy = VMRT_POLICY_EDF, .by_deadline = true},
	{.policy = VMRT_POLICY_DEADLINE, .measures = true, .by_kernel = true},
	{.policy = VMRT_POLICY_NONE, .measures = true},
};

const struct hsf_rules *hsf_rules_for(enum vmrt_policy policy)
{
	for (size_t i = 0; i < sizeof(all_rules) / sizeof(all_rules[0]); i++)
		if (all_rules[i].policy == policy)
			return &all_rules[i];
	return NULL;
}

const char *hsf_rules_names(void)
{
	static char names[128];
	size_t used = 0;

	for (size_t i = 0; i < sizeof(all_rules) / sizeof(all_rules[0]); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
			vmrt_policy_name(all_rules[i].policy));
	return names;
}

void hsf_budget_init(struct hsf_budget *b, const struct hsf_rules *rules, int64_t period_ns,
	int64_t budget_ns, int64_t t0)
{
	memset(b, 0, sizeof(*b));
	b->rules = rules;
	b->period_ns = period_ns;
	b->budget_ns = budget_ns;
	b->t0 = t0;
	b->k = -1;
	if (rules->by_activation)
		hsf_sporadic_init(b);
}

/* The grid is absolute: a late replenishment does not move the following ones. */
static int64_t grid_point(const struct hsf_budget *b, int64_t k)
{
	return b->t0 + k * b->period_ns;
}

int64_t hsf_budget_deadline(const struct hsf_budget *b)
{
	return grid_point(b, b->k + 1);
}

int64_t hsf_budget_next(const struct hsf_budget *b)
{
	if (b->rules->by_activation)
		return hsf_sporadic_next(b);
	/* a server that is only measured may have no period */
	return b->period_ns > 0 && !b->dormant && !b->rules->by_kernel ? grid_point(b, b->k + 1)
								       : HSF_NEVER;
}

/* The budget is full at every grid point; neither a rest nor an overrun is carried over. */
enum hsf_action hsf_budget_time(struct hsf_budget *b, int64_t now)
{
	int64_t k;

	if (b->rules->by_activation)
		return hsf_sporadic_time(b, now);
	if (now < hsf_budget_next(b))
		return HSF_NOTHING;
	if (b->rules->may_rest && b->k >= 0 && b->eligible && !b->used_ns) {
		b->dormant = true;
		return HSF_NOTHING;
	}
	k = (now - b->t0) / b->period_ns;
	b->skipped += (uint64_t)(k - b->k - 1);
	b->k = k;
	b->used_ns = 0;
	b->eligible = true;
	b->replenishment = (struct hsf_chunk){.at_ns = grid_point(b, k), .amount_ns = b->budget_ns};
	return HSF_REPLENISHED;
}

void hsf_budget_leave_dormancy(struct hsf_budget *b, int64_t now)
{
	if (!b->dormant)
		return;
	b->dormant = false;
	b->k = (now - b->t0) / b->period_ns;
}

enum hsf_action hsf_budget_use(struct hsf_budget *b, int64_t now, int64_t used_ns)
{
	if (b->rules->by_activation)
		return hsf_sporadic_use(b, used_ns);
	if (used_ns > 0)
		hsf_budget_leave_dormancy(b, now);
	b->used_ns += used_ns;
	if (!b->eligible || b->rules->measures || b->budget_ns - b->used_ns >= HSF_LEAST_STEP_NS)
		return HSF_NOTHING;
	b->eligible = false;
	return HSF_DEPLETED;
}

enum hsf_action hsf_budget_idle(struct hsf_budget *b)
{
	if (!b->rules->discards || !b->eligible)
		return HSF_NOTHING;
	b->eligible = false;
	return HSF_DEPLETED;
}

void hsf_budget_wake(struct hsf_budget *b, int64_t now)
{
	if (b->rules->by_activation)
		hsf_sporadic_wake(b, now);
}

int64_t hsf_budget_left(const struct hsf_budget *b)
{
	if (!b->eligible)
		return 0;
	return b->rules->by_activation ? hsf_sporadic_left(b) : b->budget_ns - b->used_ns;
}

int64_t hsf_step(int64_t left_ns, size_t n, int64_t early_ns)
{
	int64_t step;

	if (n <= 1) {
		step = left_ns - early_ns;
		return step > HSF_LEAST_STEP_NS ? step : HSF_LEAST_STEP_NS;
	}
	step = left_ns / (int64_t)n;
	if (step < HSF_SPLIT_STEP_NS)
		step = left_ns < HSF_SPLIT_STEP_NS ? left_ns : HSF_SPLIT_STEP_NS;
	return step > HSF_LEAST_STEP_NS ? step : HSF_LEAST_STEP_NS;
}

void hsf_latency_init(struct hsf_latency *l)
{
	l->median = 0;
	l->n = 0;
}

void hsf_latency_add(struct hsf_latency *l, int64_t ns)
{
	int64_t step = l->n < HSF_LATENCY_SETTLED ? HSF_LATENCY_COARSE_NS : HSF_LATENCY_FINE_NS;

	if (!l->n++ && ns > 0)
		l->median = ns < HSF_LATENCY_SETTLED * HSF_LATENCY_COARSE_NS
				    ? ns
				    : HSF_LATENCY_SETTLED * HSF_LATENCY_COARSE_NS;
	else if (ns > l->median)
		l->median += step;
	else if (ns < l->median && l->median >= step)
		l->median -= step;
}

int64_t hsf_latency_early(const struct hsf_latency *l)
{
	if (l->n < HSF_LATENCY_SETTLED)
		return 0;
	return l->median < HSF_MOST_EARLY_NS ? l->median : HSF_MOST_EARLY_NS;
}
