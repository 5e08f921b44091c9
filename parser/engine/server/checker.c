/* SPDX-License-Identifier: MIT */
/* Checks whether a server kept the rules of its policy: takes its supply in order of time. */
#include "checker.h"

#include <stdlib.h>
#include <string.h>

/* Rules on how much the members are to be served, at least. */
#define OF_MEMBERS_ALONE (RULE(SUPPLY) | RULE(PRESERVE) | RULE(CHUNK))
/* Rules that need to know where the periods begin, or when the members have budget. */
#define OF_THE_GRID                                                                                \
	(RULE(BUDGET) | RULE(CARRY_OVER) | RULE(CUMULATIVE) | RULE(SUPPLY) | RULE(IDLE_BURN) |     \
		RULE(DISCARD))
#define WORDS (RULE(REPLENISH) | RULE(PRESERVE) | RULE(DEPLETED))
#define OF_THE_ENFORCER (RULE(PRIORITY) | RULE(CHUNK) | WORDS)
#define BASIC                                                                                      \
	(RULE(BUDGET) | RULE(CARRY_OVER) | RULE(SLIDING) | RULE(SUPPLY) | RULE(PRIORITY) | WORDS)

static unsigned rules_of(enum vmrt_policy policy)
{
	switch (policy) {
	case VMRT_POLICY_PERIODIC:
		return BASIC | RULE(IDLE_BURN);
	case VMRT_POLICY_POLLING:
		return BASIC | RULE(DISCARD);
	case VMRT_POLICY_DEFERRABLE:
	case VMRT_POLICY_EDF:
		return BASIC;
	case VMRT_POLICY_SPORADIC:
		return RULE(SLIDING) | RULE(SUPPLY) | RULE(PRIORITY) | RULE(CHUNK) | WORDS;
	case VMRT_POLICY_DEADLINE:
		return RULE(BUDGET) | RULE(SLIDING) | RULE(CUMULATIVE) | RULE(SUPPLY);
	case VMRT_POLICY_RT_GROUP:
		return RULE(BUDGET) | RULE(CUMULATIVE) | RULE(SUPPLY);
	case VMRT_POLICY_CFS_QUOTA:
		return RULE(BUDGET) | RULE(CUMULATIVE);
	case VMRT_POLICY_NONE:
		break;
	}
	return 0;
}

struct checker *checker_new(const struct checker_config *config, int64_t from_ns)
{
	struct checker *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->config = *config;
	c->carries = vmrt_policy_by_kernel(config->policy);
	c->rules = rules_of(config->policy);
	if (!config->grid)
		c->rules &= ~OF_THE_GRID;
	if (!config->enforced)
		c->rules &= ~OF_THE_ENFORCER;
	if (config->others_charged)
		c->rules &= ~OF_MEMBERS_ALONE;
	verdicts_init(&c->verdicts, &c->config);
	sliding_init(&c->sliding, &c->verdicts);
	c->sliding.tolerance_ns = config->tolerance_ns;
	c->width = 1;
	c->words.verdicts = &c->verdicts;
	c->words.config = &c->config;
	c->words.granted_ns = config->budget_ns;
	if (c->rules & RULE(CHUNK)) {
		c->chunks = calloc(1, sizeof(*c->chunks));
		if (!c->chunks) {
			checker_free(c);
			return NULL;
		}
		c->chunks->verdicts = &c->verdicts;
		c->chunks->since_ns = from_ns;
		c->chunks->period_ns = config->period_ns;
		c->chunks->tolerance_ns = config->tolerance_ns;
	}
	c->before_ns = c->lower_from_ns = c->discarded_ns = VMRT_UNKNOWN;
	c->last_ns = from_ns;
	/* what waits there were is not known */
	if (config->joined)
		c->waited_ns[0] = c->waited_ns[1] = config->budget_ns;
	return c;
}

void checker_period(struct checker *c, int64_t start_ns, bool whole, int64_t response_ns)
{
	if (c->begun) {
		/* those above may have come in it */
		if (c->response_ns != VMRT_UNKNOWN &&
			(response_ns == VMRT_UNKNOWN || response_ns > c->response_ns))
			c->response_ns = response_ns;
		if (whole)
			judge_period(c);
		if (whole && c->rules & WORDS)
			words_judge(&c->words, c->start_ns, c->last_ns);
		c->before_ns = whole ? c->served_ns : VMRT_UNKNOWN;
		if (!whole)
			c->over.open = c->under.open = false;
		/* what waits there were in the part that was not seen is not known */
		if (!whole && c->config.joined)
			c->waited_ns[0] = c->config.budget_ns;
		sliding_period(&c->sliding, c->last_ns);
		if (c->rules & RULE(PRIORITY))
			judge_waits(c);
	} else {
		sliding_begin(&c->sliding, start_ns);
	}
	c->begun = true;
	c->start_ns = c->last_ns = start_ns;
	c->response_ns = response_ns;
	c->waited_ns[2] = c->waited_ns[1];
	c->waited_ns[1] = c->waited_ns[0];
	c->waited_ns[0] = 0;
	c->burnt_ns = c->served_ns = c->after_ns = c->passed_ns = c->beyond_ns = c->selected_ns = 0;
	words_period(&c->words);
	c->wanted = true;
	c->paused = c->doubt = false;
	c->discarded_ns = VMRT_UNKNOWN;
	c->longest = (struct verdict){
		.rule = VMRT_RULE_PRIORITY, .tolerance_ns = c->config.tolerance_ns};
	judge_set_sliding(c);
}

/* Polling: a pause in the work that those above cannot have hidden from the server ends the budget.
 */
static void poll_work(struct checker *c, int64_t from, int64_t to, const struct checker_supply *s)
{
	if (c->discarded_ns != VMRT_UNKNOWN) {
		c->after_ns += s->served * (to - from);
		return;
	}
	if (s->wanting)
		c->selected_ns = 0;
	else if (s->selected)
		c->selected_ns += to - from;
	c->paused |= s->eligible && !s->wanting;
	/* too late, or in time */
	if (c->selected_ns > c->config.tolerance_ns || (c->paused && !s->eligible))
		c->discarded_ns = to;
}

static void pass_budget(struct checker *c, int64_t ns, const struct checker_supply *s)
{
	int64_t beyond;

	c->passed_ns += s->served ? s->served * ns : s->selected ? ns : 0;
	beyond = c->passed_ns - c->config.budget_ns;
	if (s->served && beyond > 0)
		c->beyond_ns += beyond < s->served * ns ? beyond : s->served * ns;
}

void checker_supply(
	struct checker *c, int64_t from_ns, int64_t to_ns, const struct checker_supply *s)
{
	if (to_ns <= from_ns || !c->begun)
		return;
	if (c->rules & RULE(PRIORITY))
		judge_priority(c, from_ns, s);
	c->last_ns = to_ns;
	c->served_ns += s->served * (to_ns - from_ns);
	c->wanted = c->wanted && s->wanting;
	c->doubt |= s->doubt;
	if (s->eligible && s->wanting && !s->served) {
		c->waited_ns[0] += to_ns - from_ns;
		if (c->config.policy == VMRT_POLICY_PERIODIC && !s->yields)
			c->burnt_ns += to_ns - from_ns;
		judge_set_sliding(c);
	}
	if (c->rules & RULE(DISCARD))
		poll_work(c, from_ns, to_ns, s);
	if (c->rules & RULE(IDLE_BURN))
		pass_budget(c, to_ns - from_ns, s);
	words_supply(&c->words, from_ns, to_ns, s);
	sliding_supply(&c->sliding, from_ns, to_ns, s->served);
	if (c->chunks)
		chunks_supply(c->chunks, from_ns, to_ns, s);
}

void checker_company(struct checker *c, int64_t ns)
{
	c->company_ns = ns;
	c->sliding.tolerance_ns = judge_tolerance(c);
}

void checker_late(struct checker *c, int64_t ns)
{
	int64_t most = c->width * c->config.budget_ns,
		members = c->config.members > 1 ? c->config.members : 1;

	c->left_ns = ns < most / members ? ns * members : most;
}

void checker_width(struct checker *c, int cpus)
{
	if (c->config.policy == VMRT_POLICY_RT_GROUP && cpus > c->width)
		c->width = cpus;
}

void checker_appears(struct checker *c, int64_t now_ns)
{
	if (c->chunks)
		chunks_forget(c->chunks, now_ns);
}

void checker_not_raised(struct checker *c)
{
	c->kernels = false;
}

void checker_depleted(struct checker *c, int64_t now_ns)
{
	int64_t used = c->served_ns;

	if (!(c->rules & RULE(PRESERVE)) || !c->begun)
		return;
	if (c->chunks)
		used = chunks_out(c->chunks);
	if (used == VMRT_UNKNOWN)
		judge_unknown(c, VMRT_RULE_PRESERVE);
	else
		words_depleted(&c->words, c->start_ns, now_ns, used);
}

void checker_forbidden(struct checker *c, int64_t from_ns, int64_t to_ns)
{
	if (c->rules & RULE(DEPLETED) && c->begun && to_ns > from_ns)
		words_forbidden(&c->words, from_ns, to_ns);
}

void checker_replenished(struct checker *c, int64_t now_ns, int64_t at_ns, int64_t amount_ns)
{
	if (c->rules & RULE(REPLENISH))
		words_replenished(&c->words, now_ns,
			c->chunks ? chunks_due(c->chunks, at_ns, now_ns) : at_ns, amount_ns);
	if (c->chunks)
		chunks_replenished(c->chunks, at_ns, amount_ns);
}

void checker_unsure(struct checker *c, int64_t from_ns, int64_t to_ns)
{
	verdicts_unsure(&c->verdicts, from_ns, to_ns);
}

void checker_safe(struct checker *c, int64_t ns)
{
	if (c->lower_from_ns != VMRT_UNKNOWN && c->kernels && c->lower_from_ns < ns)
		ns = c->lower_from_ns;
	verdicts_release(&c->verdicts, ns);
}

void checker_finish(struct checker *c)
{
	sliding_finish(&c->sliding);
	sliding_free(&c->sliding);
	verdicts_finish(&c->verdicts);
}

void checker_free(struct checker *c)
{
	if (!c)
		return;
	sliding_free(&c->sliding);
	free(c->verdicts.ring);
	free(c->chunks);
	free(c);
}
