/* SPDX-License-Identifier: MIT */
/*
 * What must be violated and what must not, from the log alone, by searches that share nothing with
 * the checker.
 */
#include "srv-oracle.h"

#include <inttypes.h>
#include <string.h>

#define NOT_JUDGED 3 /* periods until the kernel's timer is known */
#define BIT(rule) (1u << VMRT_RULE_##rule)

bool srv_by_user(const struct srv_result *r)
{
	return r->c.policy != VMRT_POLICY_NONE && !vmrt_policy_by_kernel(r->c.policy);
}

/* The first segment that ends behind @from. */
size_t srv_first_of(const struct srv_log *l, int64_t from)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (l->segments[mid].to_ns <= from)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

struct srv_sum srv_sum_of(const struct srv_log *l, int64_t from, int64_t to)
{
	struct srv_sum sum = {.first_ns = VMRT_UNKNOWN, .wanted = true};

	for (size_t i = srv_first_of(l, from); i < l->n && l->segments[i].from_ns < to; i++) {
		const struct srv_segment *s = &l->segments[i];
		int64_t begin = s->from_ns > from ? s->from_ns : from,
			end = s->to_ns < to ? s->to_ns : to;
		int64_t ns = end - begin;

		if (s->budget)
			sum.served_ns += s->running * ns;
		else
			sum.background_ns += s->running * ns;
		if (!s->budget)
			sum.forbidden_ns += s->as_rt * ns;
		if (!s->budget && s->wanting)
			sum.missing_ns += ns;
		sum.waiting_ns += s->ready * ns;
		if (s->running && sum.first_ns == VMRT_UNKNOWN)
			sum.first_ns = begin;
		sum.wanted &= s->wanting > 0;
		sum.paused |= !s->wanting;
	}
	return sum;
}

int64_t srv_over_of(const struct srv_log *l, int64_t from, int64_t to)
{
	int64_t sum = 0;

	for (size_t i = 0; i < l->n_overs; i++) {
		const struct srv_over *o = &l->overs[i];

		if (o->to_ns > from && o->to_ns < to)
			sum += o->to_ns - (o->from_ns > from ? o->from_ns : from);
	}
	return sum;
}

/* Servers that ran on the same CPU. */
static int company(const struct srv_result *r, uint32_t s)
{
	int n = 0;

	for (size_t o = 0; o < r->config.n_vms; o++)
		n += o != s && r->cpus[o] == r->cpus[s];
	return n;
}

static int64_t tolerance(const struct srv_result *r, uint32_t s)
{
	int64_t each = TICK_NS * (r->specs[s].budget_ns < TICK_NS ? 2 : 1);

	if (srv_by_user(r))
		return EPSILON;
	if (r->c.policy == VMRT_POLICY_CFS_QUOTA)
		each = TICK_NS + CFS_SLICE_NS;
	if (r->c.policy == VMRT_POLICY_DEADLINE)
		return EPSILON + each + 2 * TICK_NS * company(r, s);
	return EPSILON + (int64_t)r->vms[s].n_threads * each;
}

/* Rows of one rule: is there one of exactly this? */
const struct vmrt_violation *srv_row_at(
	const struct srv_got *g, uint32_t server, enum vmrt_rule rule, int64_t from, int64_t to)
{
	for (size_t i = 0; i < g->n_violations; i++) {
		const struct vmrt_violation *v = &g->violations[i];

		if (v->server == server && v->rule == rule && v->from_ns < to && v->to_ns > from)
			return v;
	}
	return NULL;
}

size_t srv_count(const struct srv_got *g, uint32_t server, enum vmrt_rule rule)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n_violations; i++)
		n += g->violations[i].server == server && g->violations[i].rule == rule;
	return n;
}

void srv_expect(struct srv_got *g, uint32_t s, enum vmrt_rule rule, int64_t from, int64_t to,
	int64_t measured)
{
	for (size_t i = 0; i < g->n_violations; i++) {
		const struct vmrt_violation *v = &g->violations[i];

		if (v->server == s && v->rule == rule && v->from_ns == from &&
			v->measured_ns == measured)
			return;
	}
	srv_wrong(g, "server %u: %s is violated from %.3f to %.3f us (%" PRId64 "): not reported",
		s, vmrt_rule_name(rule), srv_at(g, from), srv_at(g, to), measured);
}

/* Budget, what is carried over, supply: each whole period that the engine gave, against the log. */
static void judge_periods(struct srv_got *g, uint32_t s)
{
	const struct srv_result *r = g->r;
	const struct srv_log *l = &r->logs[s];
	int64_t budget = r->specs[s].budget_ns, before = VMRT_UNKNOWN, end = VMRT_UNKNOWN;
	size_t budgets = 0, carried = 0;

	for (size_t i = 0; i < g->n_periods; i++) {
		const struct vmrt_server_period *p = &g->periods[i];
		struct srv_sum t;

		if (p->server != s || p->outcome == VMRT_PERIOD_TRUNCATED)
			continue;
		t = srv_sum_of(l, p->start_ns, p->end_ns);
		if (p->start_ns != end)
			before = VMRT_UNKNOWN;
		if (t.served_ns > budget + EPSILON) {
			srv_expect(g, s, VMRT_RULE_BUDGET, p->start_ns, p->end_ns, t.served_ns);
			budgets++;
			if (before != VMRT_UNKNOWN && before < budget - EPSILON) {
				srv_expect(g, s, VMRT_RULE_CARRY_OVER, p->start_ns, p->end_ns,
					t.served_ns);
				carried++;
			}
		}
		/* a periodic one's passes while it waits */
		if (t.wanted && r->alone && r->quiet &&
			t.served_ns + (r->c.policy == VMRT_POLICY_PERIODIC ? t.waiting_ns : 0) <
				budget - EPSILON)
			srv_expect(g, s, VMRT_RULE_SUPPLY, p->start_ns, p->end_ns, t.served_ns);
		before = t.served_ns;
		end = p->end_ns;
	}
	if (srv_count(g, s, VMRT_RULE_BUDGET) != budgets ||
		srv_count(g, s, VMRT_RULE_CARRY_OVER) != carried)
		srv_wrong(g,
			"server %u: %zu times beyond the budget, true %zu; %zu carried over, true "
			"%zu",
			s, srv_count(g, s, VMRT_RULE_BUDGET), budgets,
			srv_count(g, s, VMRT_RULE_CARRY_OVER), carried);
}

/* The largest supply in an interval of @length: it begins where supply begins or ends where it
 * ends. */
static int64_t largest(const struct srv_log *l, int64_t from, int64_t to, int64_t length)
{
	int64_t most = 0;

	for (size_t i = srv_first_of(l, from); i < l->n && l->segments[i].from_ns < to; i++) {
		const struct srv_segment *s = &l->segments[i];
		int64_t a = s->from_ns > from ? s->from_ns : from, b = s->to_ns - length, sum;

		if (!s->budget || !s->running)
			continue;
		sum = a + length <= to ? srv_sum_of(l, a, a + length).served_ns : 0;
		most = sum > most ? sum : most;
		sum = b >= from && s->to_ns <= to ? srv_sum_of(l, b, s->to_ns).served_ns : 0;
		most = sum > most ? sum : most;
	}
	return most;
}

static void judge_sliding(struct srv_got *g, uint32_t s)
{
	const struct srv_result *r = g->r;
	int64_t length = r->specs[s].period_ns, budget = r->specs[s].budget_ns, from = VMRT_UNKNOWN,
		most, reported = 0;
	bool tight = r->alone && r->quiet && r->vms[s].n_threads == 1 &&
		     (r->c.policy == VMRT_POLICY_SPORADIC || r->c.policy == VMRT_POLICY_PERIODIC);
	int64_t allowed = (tight ? 1 : 2) * budget + tolerance(r, s);

	for (size_t i = 0; i < g->n_periods; i++)
		if (g->periods[i].server == s && g->periods[i].outcome != VMRT_PERIOD_TRUNCATED) {
			from = g->periods[i].start_ns;
			break;
		}
	for (size_t i = 0; i < g->n_violations; i++) {
		const struct vmrt_violation *v = &g->violations[i];

		if (v->server == s && v->rule == VMRT_RULE_SLIDING && v->measured_ns > reported)
			reported = v->measured_ns;
	}
	if (from == VMRT_UNKNOWN || (!r->alone && !reported))
		return;
	most = largest(&r->logs[s], from, r->end_ns, length);
	/* waits of the members, which have their limits between the two, move a little more up to
	 * it */
	if (r->alone && (reported ? most <= allowed : most > allowed + EPSILON))
		srv_wrong(g,
			"server %u: largest supply in an interval %" PRId64 " of %" PRId64
			", reported %" PRId64,
			s, most, allowed, reported);
	if (reported && reported > most)
		srv_wrong(g,
			"server %u: reported %" PRId64 " in an interval, true %" PRId64 " at most",
			s, reported, most);
}

/* Any periods in a row. */
static void judge_rows(struct srv_got *g, uint32_t s)
{
	const struct srv_result *r = g->r;
	int64_t budget = r->specs[s].budget_ns, worst = 0, sure = 0, reported = 0;
	bool judged = false;

	for (size_t i = 0, mine = 0; i < g->n_periods; i++) {
		int64_t sum = 0, end = g->periods[i].start_ns;

		mine += g->periods[i].server == s;
		for (size_t j = i; j < g->n_periods; j++) {
			const struct vmrt_server_period *p = &g->periods[j];

			if (p->server != s || p->start_ns != end)
				continue;
			if (p->outcome == VMRT_PERIOD_TRUNCATED)
				break;
			sum += srv_sum_of(&r->logs[s], p->start_ns, p->end_ns).served_ns -
			       budget * (r->c.policy == VMRT_POLICY_RT_GROUP
							? (int64_t)r->vms[s].n_threads
							: 1);
			worst = sum > worst ? sum : worst;
			/* the first ones are not judged: their grid was a guess */
			if (mine > NOT_JUDGED)
				sure = sum > sure ? sum : sure;
			end = p->end_ns;
		}
	}
	for (size_t i = 0; i < g->n_violations; i++)
		if (g->violations[i].server == s && g->violations[i].rule == VMRT_RULE_CUMULATIVE)
			reported = 1;
	for (size_t i = 0; i < g->n_checks; i++)
		judged |= g->checks[i].server == s && g->checks[i].rule == VMRT_RULE_CUMULATIVE &&
			  g->checks[i].judged;
	/* whose timer is whose was not to be found out */
	if (!judged)
		return;
	/* periods that a sleep may have moved are not judged, so what is beyond may lie in one of
	 * them */
	if (reported ? worst <= tolerance(r, s)
		     : sure > tolerance(r, s) && r->c.fault != FAULT_NONE &&
				r->c.policy != VMRT_POLICY_DEADLINE)
		srv_wrong(g,
			"server %u: %" PRId64 " beyond its budgets in a row, tolerance %" PRId64
			", %s",
			s, worst, tolerance(r, s), reported ? "reported" : "not reported");
}

/* Is the budget over before a member runs behind segment @i? */
static bool ends_with_budget(const struct srv_log *l, size_t i)
{
	while (++i < l->n && !l->segments[i].running)
		if (!l->segments[i].budget)
			return true;
	return false;
}

/* Who has budget waits for less than the server: each stretch of that. */
static void judge_priority(struct srv_got *g, uint32_t s)
{
	const struct srv_log *l = &g->r->logs[s];
	int64_t from = VMRT_UNKNOWN, known = srv_known_from(g->r, s);

	for (size_t i = srv_first_of(l, g->r->start_ns); i < l->n; i++) {
		const struct srv_segment *seg = &l->segments[i];
		bool ends = i + 1 == l->n || !l->segments[i + 1].lower;

		if (!seg->lower)
			continue;
		if (from == VMRT_UNKNOWN)
			from = seg->from_ns;
		if (!ends)
			continue;
		/* it may be reported in pieces, of which the last or the first is short; if the
		 * budget ends meanwhile, nothing shows whether the kernel throttled the member */
		if (seg->to_ns - from > 2 * EPSILON && from >= known && !g->r->c.late_start &&
			!ends_with_budget(l, i) &&
			seg->to_ns + g->r->specs[s].period_ns < g->r->end_ns &&
			!srv_row_at(g, s, VMRT_RULE_PRIORITY, from, seg->to_ns))
			srv_wrong(g,
				"server %u waits from %.3f to %.3f us for less than itself: not "
				"reported",
				s, srv_at(g, from), srv_at(g, seg->to_ns));
		from = VMRT_UNKNOWN;
	}
	for (size_t i = 0; i < g->n_violations; i++) {
		const struct vmrt_violation *v = &g->violations[i];
		int64_t sum = 0;

		if (v->server != s || v->rule != VMRT_RULE_PRIORITY)
			continue;
		for (size_t n = srv_first_of(l, v->from_ns);
			n < l->n && l->segments[n].from_ns < v->to_ns; n++) {
			const struct srv_segment *seg = &l->segments[n];

			sum += !seg->lower ? 0
					   : (seg->to_ns < v->to_ns ? seg->to_ns : v->to_ns) -
						     (seg->from_ns > v->from_ns ? seg->from_ns
										: v->from_ns);
		}
		if (sum != v->measured_ns || sum != v->to_ns - v->from_ns)
			srv_wrong(g,
				"server %u: priority reported from %.3f to %.3f us, true only for "
				"%" PRId64 " ns",
				s, srv_at(g, v->from_ns), srv_at(g, v->to_ns), sum);
	}
}

/* Rules whose rows are not each compared with the log, by the fault that may cause them. */
static unsigned plausible(const struct srv_result *r)
{
	unsigned rules = 0;

	switch (r->c.fault) {
	case FAULT_NONE:
		return 0;
	case FAULT_KEEP_BUDGET:
		rules |= BIT(IDLE_BURN) | BIT(DISCARD);
		break;
	case FAULT_CHUNK_EARLY:
	case FAULT_CHUNK_MORE:
		rules |= BIT(CHUNK);
		break;
	case FAULT_OVERRUN:
	case FAULT_EARLY:
		rules |= BIT(CHUNK) | BIT(PRESERVE);
		break;
	default:
		break;
	}
	/* a window that has moved ends later; those below are late then, too */
	return rules | BIT(IDLE_BURN) | BIT(SLIDING) | BIT(SUPPLY) | BIT(PRESERVE);
}

void srv_judge(struct srv_got *g, uint32_t s)
{
	const struct srv_result *r = g->r;
	unsigned compared =
		BIT(BUDGET) | BIT(CARRY_OVER) | BIT(PRIORITY) | BIT(REPLENISH) | BIT(DEPLETED);

	for (size_t i = 0; i < g->n_violations; i++) {
		const struct vmrt_violation *v = &g->violations[i];

		if (v->server != s)
			continue;
		if (!r->c.markers || r->c.fault == FAULT_NONE ||
			!(1u << v->rule & (compared | plausible(r) | BIT(CUMULATIVE))))
			srv_wrong(g,
				"server %u: %s from %.3f to %.3f us: %" PRId64 " of %" PRId64
				", but nothing was done wrong",
				s, vmrt_rule_name(v->rule), srv_at(g, v->from_ns),
				srv_at(g, v->to_ns), v->measured_ns, v->allowed_ns);
	}
	if (!r->c.markers)
		return;
	if (r->c.policy != VMRT_POLICY_RT_GROUP && r->c.policy != VMRT_POLICY_CFS_QUOTA)
		judge_sliding(g, s);
	if (!srv_by_user(r)) {
		judge_rows(g, s);
		return;
	}
	if (r->c.policy != VMRT_POLICY_SPORADIC)
		judge_periods(g, s);
	judge_priority(g, s);
	srv_judge_words(g, s);
	srv_judge_depleted(g, s);
	srv_judge_idle(g, s);
	srv_judge_chunks(g, s);
}
