/* SPDX-License-Identifier: MIT */
/* What an enforcer said and did, against what it should have. */
#include "srv-oracle.h"

#include <inttypes.h>

/* Replenishments and depletions that should not have been when they were. */
void srv_judge_words(struct srv_got *g, uint32_t s)
{
	const struct srv_result *r = g->r;
	const struct srv_log *l = &r->logs[s];
	int64_t period = r->specs[s].period_ns, budget = r->specs[s].budget_ns;
	size_t late = 0, early = 0;

	for (size_t i = 0; i < l->n_words; i++) {
		const struct srv_word *w = &l->words[i];
		int64_t off = w->now_ns - w->due_ns, k = (w->now_ns - l->t0) / period,
			from = l->t0 + k * period;
		struct srv_sum t = srv_sum_of(l, from, w->now_ns);

		if (w->now_ns < r->start_ns + (r->c.late_start ? 3 * period : 0) ||
			w->now_ns < l->t0)
			continue;
		if (w->replenish) {
			if (off < -EPSILON || off > EPSILON) {
				srv_expect(g, s, VMRT_RULE_REPLENISH,
					off < 0 ? w->now_ns : w->due_ns, w->now_ns,
					off < 0 ? -off : off);
				late++;
			}
			continue;
		}
		if (r->c.policy == VMRT_POLICY_DEFERRABLE || r->c.policy == VMRT_POLICY_EDF ||
			(r->c.policy == VMRT_POLICY_POLLING && !t.paused)) {
			if (w->k != k || t.served_ns >= budget - EPSILON)
				continue;
			srv_expect(g, s, VMRT_RULE_PRESERVE, from, w->now_ns, t.served_ns);
			early++;
		}
	}
	if (r->c.late_start)
		return;
	/* one that never came is reported for the period */
	if (srv_count(g, s, VMRT_RULE_REPLENISH) > late + (r->c.fault == FAULT_SKIP))
		srv_wrong(g, "server %u: replenish is reported %zu times, true %zu", s,
			srv_count(g, s, VMRT_RULE_REPLENISH), late);
	if (r->c.fault == FAULT_SKIP && l->fault_ns && l->fault_ns + 3 * period < r->end_ns) {
		int64_t k = (l->fault_ns - l->t0) / period + 1, at = l->t0 + k * period;
		struct srv_sum t = srv_sum_of(l, at, at + period);

		if (t.missing_ns > EPSILON && r->c.policy != VMRT_POLICY_POLLING)
			srv_expect(g, s, VMRT_RULE_REPLENISH, at, at + period, t.missing_ns);
	}
	if (r->c.policy != VMRT_POLICY_PERIODIC && r->c.policy != VMRT_POLICY_SPORADIC &&
		srv_count(g, s, VMRT_RULE_PRESERVE) != early)
		srv_wrong(g, "server %u: preserve is reported %zu times, true %zu", s,
			srv_count(g, s, VMRT_RULE_PRESERVE), early);
}

/* Run time without budget: what is reported must be there, and what switches show must be reported.
 */
void srv_judge_depleted(struct srv_got *g, uint32_t s)
{
	const struct srv_result *r = g->r;
	const struct srv_log *l = &r->logs[s];

	for (size_t i = 0; i < g->n_violations; i++) {
		const struct vmrt_violation *v = &g->violations[i];

		if (v->server == s && v->rule == VMRT_RULE_DEPLETED &&
			srv_sum_of(l, v->from_ns, v->to_ns).forbidden_ns != v->measured_ns)
			srv_wrong(g,
				"server %u: depleted reported %" PRId64
				" ns from %.3f us, true %" PRId64,
				s, v->measured_ns, srv_at(g, v->from_ns),
				srv_sum_of(l, v->from_ns, v->to_ns).forbidden_ns);
	}
	if (r->c.fault == FAULT_KEEP_PRIORITY && l->visible_ns > 2 * EPSILON &&
		!srv_count(g, s, VMRT_RULE_DEPLETED) &&
		l->fault_ns + 2 * r->specs[s].period_ns < r->end_ns)
		srv_wrong(g, "server %u: runs %" PRId64 " ns without budget: not reported", s,
			l->visible_ns);
}

/* Supply after the budget should have passed without work. */
void srv_judge_idle(struct srv_got *g, uint32_t s)
{
	const struct srv_result *r = g->r;
	const struct srv_log *l = &r->logs[s];
	int64_t period = r->specs[s].period_ns, budget = r->specs[s].budget_ns;
	bool polling = r->c.policy == VMRT_POLICY_POLLING;
	enum vmrt_rule rule = polling ? VMRT_RULE_DISCARD : VMRT_RULE_IDLE_BURN;

	if (r->c.fault != FAULT_KEEP_BUDGET || !r->alone || !r->quiet)
		return;
	for (int64_t at = l->t0; at + period < r->end_ns; at += period) {
		int64_t passed = 0, idle = 0, beyond = 0;

		for (size_t i = srv_first_of(l, at);
			i < l->n && l->segments[i].from_ns < at + period; i++) {
			const struct srv_segment *seg = &l->segments[i];
			int64_t a = seg->from_ns > at ? seg->from_ns : at;
			int64_t ns = (seg->to_ns < at + period ? seg->to_ns : at + period) - a;

			if (!seg->budget)
				continue;
			if (polling) {
				idle = seg->wanting ? (idle > 2 * EPSILON ? idle : 0) : idle + ns;
				beyond += idle > 2 * EPSILON ? seg->running * ns : 0;
			} else {
				passed += seg->running ? seg->running * ns : ns;
				if (passed > budget + EPSILON)
					beyond += seg->running * ns < passed - budget
							  ? seg->running * ns
							  : passed - budget;
			}
		}
		if (beyond > 2 * EPSILON && !srv_row_at(g, s, rule, at, at + period))
			srv_wrong(g,
				"server %u: %s in the period at %.3f us: not reported (%" PRId64
				" ns)",
				s, vmrt_rule_name(rule), srv_at(g, at), beyond);
	}
}

void srv_judge_chunks(struct srv_got *g, uint32_t s)
{
	const struct srv_log *l = &g->r->logs[s];

	if (g->r->c.fault == FAULT_CHUNK_MORE && l->fault_ns &&
		l->fault_ns + 4 * g->r->specs[s].period_ns < g->r->end_ns &&
		!srv_count(g, s, VMRT_RULE_CHUNK))
		srv_wrong(g, "server %u: more than was used returned after %.3f us: not reported",
			s, srv_at(g, l->fault_ns));
}
