/* SPDX-License-Identifier: MIT */
/*
 * What an enforcer says it does, compared with what happens: the budget returns when it is due, is
 * not taken away before it is used up, and nobody runs on without it.
 */
#include "checker.h"

void words_period(struct words *w)
{
	w->granted = w->out = w->paused = w->doubt = false;
	w->passed_ns = w->missing_ns = w->forbidden_ns = 0;
	w->granted_ns = w->config->budget_ns;
}

void words_supply(struct words *w, int64_t from_ns, int64_t to_ns, const struct checker_supply *s)
{
	if (s->eligible)
		w->passed_ns += (s->served > 1 ? s->served : 1) * (to_ns - from_ns);
	else
		w->out = true;
	w->doubt |= s->doubt;
	if (!s->wanting)
		w->paused = true;
	else if (!w->granted && !s->eligible)
		w->missing_ns += to_ns - from_ns;
}

static struct verdict verdict_of(
	const struct words *w, enum vmrt_rule rule, int64_t from, int64_t to)
{
	return (struct verdict){.rule = rule,
		.from_ns = from,
		.to_ns = to,
		.tolerance_ns = w->config->tolerance_ns};
}

void words_replenished(struct words *w, int64_t now_ns, int64_t at_ns, int64_t amount_ns)
{
	struct verdict v = verdict_of(w, VMRT_RULE_REPLENISH, at_ns < now_ns ? at_ns : now_ns,
		at_ns < now_ns ? now_ns : at_ns);

	w->granted = true;
	w->granted_ns = amount_ns < w->config->budget_ns ? amount_ns : w->config->budget_ns;
	v.measured_ns = v.to_ns - v.from_ns;
	verdicts_add(w->verdicts, &v);
}

/* @used_ns: what was used of the budget that is taken away now. */
void words_depleted(struct words *w, int64_t start_ns, int64_t now_ns, int64_t used_ns)
{
	struct verdict v = verdict_of(w, VMRT_RULE_PRESERVE, start_ns, now_ns);

	w->out = true;
	v.allowed_ns = w->granted_ns;
	v.measured_ns = used_ns;
	switch (w->config->policy) {
	case VMRT_POLICY_POLLING:
		if (w->paused)
			return; /* without work it is taken away at once */
		break;
	case VMRT_POLICY_PERIODIC:
		v.measured_ns = w->passed_ns;
		break;
	case VMRT_POLICY_SPORADIC:
		v.from_ns = now_ns - w->config->period_ns;
		v.allowed_ns = w->config->budget_ns;
		break;
	default:
		break;
	}
	verdicts_add(w->verdicts, &v);
}

void words_forbidden(struct words *w, int64_t from_ns, int64_t to_ns)
{
	if (!w->forbidden_ns)
		w->forbidden_from_ns = from_ns;
	w->forbidden_to_ns = to_ns;
	w->forbidden_ns += to_ns - from_ns;
}

/* The period ends: was the budget given in it, and did nobody run without? */
void words_judge(struct words *w, int64_t start_ns, int64_t now_ns)
{
	enum vmrt_policy policy = w->config->policy;
	struct verdict v = verdict_of(w, VMRT_RULE_REPLENISH, start_ns, now_ns);

	v.measured_ns = w->missing_ns;
	if (!w->granted && w->missing_ns && policy != VMRT_POLICY_POLLING &&
		policy != VMRT_POLICY_SPORADIC) {
		if (w->doubt)
			verdicts_unknown(w->verdicts, v.rule);
		else
			verdicts_add(w->verdicts, &v);
	}
	if (!w->out && !w->forbidden_ns)
		return;
	v.rule = VMRT_RULE_DEPLETED;
	v.measured_ns = w->forbidden_ns;
	if (w->forbidden_ns) {
		v.from_ns = w->forbidden_from_ns;
		v.to_ns = w->forbidden_to_ns;
	}
	verdicts_add(w->verdicts, &v);
}
