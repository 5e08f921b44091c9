/* SPDX-License-Identifier: MIT */
/* Judges the rules for one period, for periods in a row, and for waits. */
#include "checker.h"

int64_t judge_tolerance(const struct checker *c)
{
	return c->config.tolerance_ns + c->company_ns;
}

static void judge_within(struct checker *c, enum vmrt_rule rule, int64_t from, int64_t measured,
	int64_t allowed, int64_t tolerance)
{
	struct verdict v = {
		.rule = rule,
		.from_ns = from,
		.to_ns = c->last_ns,
		.measured_ns = measured,
		.allowed_ns = allowed,
		.tolerance_ns = tolerance,
	};

	if (c->rules & (1u << rule))
		verdicts_add(&c->verdicts, &v);
}

static void judge(
	struct checker *c, enum vmrt_rule rule, int64_t from, int64_t measured, int64_t allowed)
{
	judge_within(c, rule, from, measured, allowed, judge_tolerance(c));
}

void judge_unknown(struct checker *c, enum vmrt_rule rule)
{
	if (c->rules & (1u << rule))
		verdicts_unknown(&c->verdicts, rule);
}

/* One more period of a row whose surplus so far is above 0; else the row begins with it. */
static void extend(struct checker *c, struct run *run, int sign)
{
	if (!run->open || sign * (run->sum_ns - run->n * c->width * c->config.budget_ns) <= 0)
		*run = (struct run){.open = true, .from_ns = c->start_ns, .left_ns = c->left_ns};
	run->sum_ns += c->served_ns;
	run->n++;
}

/*
 * The largest surplus of any number of periods in a row: a row that has made up for it so far
 * cannot be the worst part of a longer one.
 */
static void judge_rows(struct checker *c)
{
	int64_t allowed, tolerance;

	if (verdicts_are_unsure(&c->verdicts, c->start_ns, c->last_ns)) {
		c->over.open = c->under.open = false;
		judge_unknown(c, VMRT_RULE_CUMULATIVE);
		if (c->wanted)
			judge_unknown(c, VMRT_RULE_SUPPLY);
		return;
	}
	extend(c, &c->over, 1);
	allowed = c->over.n * c->width * c->config.budget_ns;
	tolerance = judge_tolerance(c) + c->over.left_ns;
	judge_within(c, VMRT_RULE_CUMULATIVE, c->over.from_ns, c->over.sum_ns, allowed, tolerance);
	if (c->over.sum_ns - allowed > tolerance)
		c->over.open = false; /* reported; what follows is another one */
	if (!c->wanted) {
		c->under.open = false;
		return;
	}
	extend(c, &c->under, -1);
	allowed = c->under.n * c->config.budget_ns;
	if (c->response_ns == VMRT_UNKNOWN)
		judge_unknown(c, VMRT_RULE_SUPPLY);
	else
		judge(c, VMRT_RULE_SUPPLY, c->under.from_ns, c->under.sum_ns, allowed);
	if (allowed - c->under.sum_ns > judge_tolerance(c))
		c->under.open = false;
}

/* Periodic: supply when the budget has passed; what is used beyond the budget is another rule's. */
static void judge_passing(struct checker *c)
{
	int64_t over = c->served_ns - c->config.budget_ns,
		late = c->beyond_ns - (over > 0 ? over : 0);

	judge(c, VMRT_RULE_IDLE_BURN, c->start_ns, late, 0);
}

void judge_period(struct checker *c)
{
	const struct checker_config *config = &c->config;
	int64_t most = config->policy == VMRT_POLICY_RT_GROUP ? 2 * c->width * config->budget_ns
							      : config->budget_ns;

	judge_within(c, VMRT_RULE_BUDGET, c->start_ns, c->served_ns, most,
		judge_tolerance(c) + c->left_ns);
	if (c->before_ns != VMRT_UNKNOWN && c->before_ns < config->budget_ns - config->tolerance_ns)
		judge(c, VMRT_RULE_CARRY_OVER, c->start_ns, c->served_ns, config->budget_ns);
	if (c->carries)
		judge_rows(c);
	else if (c->wanted && (c->response_ns == VMRT_UNKNOWN || c->doubt))
		judge_unknown(c, VMRT_RULE_SUPPLY);
	else if (c->wanted)
		judge(c, VMRT_RULE_SUPPLY, c->start_ns, c->served_ns,
			config->budget_ns - c->burnt_ns -
				(config->policy == VMRT_POLICY_SPORADIC ? c->more_ns : 0));
	judge_passing(c);
	if (c->discarded_ns != VMRT_UNKNOWN)
		judge(c, VMRT_RULE_DISCARD, c->discarded_ns, c->after_ns, 0);
}

/*
 * Longest interval supply: two budgets back to back, but one budget of a sporadic server whose
 * activations nobody can delay, or of a periodic one that nobody delays; a delay, as those above
 * may cause it or as it was in that interval and the one before, lets that much of the next budget
 * move up to it.
 */
void judge_set_sliding(struct checker *c)
{
	int64_t budget = c->config.budget_ns, more = budget, waited = 0;
	bool tight = c->config.policy == VMRT_POLICY_SPORADIC ||
		     c->config.policy == VMRT_POLICY_PERIODIC;

	for (int i = 0; i < 3; i++)
		waited += c->waited_ns[i];
	/* several members use what one of them has begun faster than it */
	if (tight && c->config.members <= 1 && c->response_ns != VMRT_UNKNOWN &&
		c->response_ns - budget < more)
		more = c->response_ns - budget;
	if (waited > more)
		more = waited < budget ? waited : budget;
	c->more_ns = more;
	c->sliding.allowed_ns =
		(budget + more) * (c->config.reservations > 1 ? c->config.reservations : 1);
	c->sliding.length_ns = c->rules & RULE(SLIDING) ? c->config.period_ns : 0;
}

/* A wait ends, or is as long as this by now. */
static void judge_wait(struct checker *c, int64_t now)
{
	struct verdict v = {
		.rule = VMRT_RULE_PRIORITY,
		.from_ns = c->lower_from_ns,
		.to_ns = now,
		.measured_ns = now - c->lower_from_ns,
		.tolerance_ns = c->config.tolerance_ns,
	};

	if (v.measured_ns <= v.tolerance_ns) {
		if (v.measured_ns > c->longest.measured_ns)
			c->longest = v;
		return;
	}
	/* what the kernel takes away is missing in other rules, too */
	if (c->kernels) {
		verdicts_unsure(&c->verdicts, v.from_ns, v.to_ns);
		c->longest = v;
		return;
	}
	verdicts_add(&c->verdicts, &v);
}

void judge_priority(struct checker *c, int64_t from, const struct checker_supply *s)
{
	if (!s->lower && c->lower_from_ns != VMRT_UNKNOWN) {
		judge_wait(c, from);
		c->lower_from_ns = VMRT_UNKNOWN;
	} else if (s->lower && c->lower_from_ns == VMRT_UNKNOWN) {
		c->lower_from_ns = from;
		c->kernels = false;
	}
	c->kernels |= s->lower && s->kernels;
}

/* Waits that are too long are reported one by one; of the others the longest stands for the period.
 */
void judge_waits(struct checker *c)
{
	int64_t now = c->last_ns;

	/* whether it was the kernel shows at the end of the wait */
	if (c->lower_from_ns != VMRT_UNKNOWN && !c->kernels &&
		now - c->lower_from_ns > c->config.tolerance_ns) {
		judge_wait(c, now);
		c->lower_from_ns = now;
	}
	if (!c->longest.measured_ns) {
		c->longest.from_ns = c->start_ns;
		c->longest.to_ns = now;
	}
	if (now > c->start_ns)
		verdicts_add(&c->verdicts, &c->longest);
}
