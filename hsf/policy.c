/* SPDX-License-Identifier: MIT */
#include "hsf.h"

#include <string.h>

void hsf_budget_init(struct hsf_budget *b, const struct hsf_rules *rules, int64_t period_ns,
	int64_t budget_ns, int64_t t0)
{
	memset(b, 0, sizeof(*b));
	b->rules = rules;
	b->period_ns = period_ns;
	b->budget_ns = budget_ns;
	b->t0 = t0;
	b->k = -1;
}

/* The grid is absolute: a late replenishment does not move the following ones. */
static int64_t next_grid_point(const struct hsf_budget *b)
{
	return b->t0 + (b->k + 1) * b->period_ns;
}

/*
 * Deferrable server: full budget at every grid point, nothing is carried over; it is consumed
 * only while a member runs and kept while none wants to.
 */
static enum hsf_action deferrable_on_time(struct hsf_budget *b, int64_t now)
{
	int64_t k;

	if (now < next_grid_point(b))
		return HSF_NOTHING;
	k = (now - b->t0) / b->period_ns;
	b->skipped += (uint64_t)(k - b->k - 1);
	b->k = k;
	b->used_ns = 0;
	b->eligible = true;
	return HSF_REPLENISHED;
}

static enum hsf_action deferrable_on_use(struct hsf_budget *b, int64_t now, int64_t used_ns)
{
	(void)now;
	if (!b->eligible)
		return HSF_NOTHING;
	b->used_ns = used_ns;
	if (b->budget_ns - used_ns >= HSF_LEAST_STEP_NS)
		return HSF_NOTHING;
	b->eligible = false;
	return HSF_DEPLETED;
}

static const struct hsf_rules all_rules[] = {
	{VMRT_POLICY_DEFERRABLE, next_grid_point, deferrable_on_time, deferrable_on_use},
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
	l->least_now = HSF_NEVER;
	l->least_before = HSF_NEVER;
	l->n = 0;
}

void hsf_latency_add(struct hsf_latency *l, int64_t ns)
{
	if (ns < 0)
		ns = 0;
	if (ns < l->least_now)
		l->least_now = ns;
	if (++l->n == HSF_LATENCY_WINDOW) {
		l->least_before = l->least_now;
		l->least_now = HSF_NEVER;
		l->n = 0;
	}
}

int64_t hsf_latency_early(const struct hsf_latency *l)
{
	if (l->least_before == HSF_NEVER)
		return 0;
	return l->least_now < l->least_before ? l->least_now : l->least_before;
}
