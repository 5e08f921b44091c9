/* SPDX-License-Identifier: MIT */
/* Computes the figures of servers: their periods, and how long their members waited. */
#include "facts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Counts the period's outcome; false if the period is unknown or truncated. */
static bool count_outcome(struct vmrt_server_facts *s, const char *outcome)
{
	s->periods++;
	if (!strcmp(outcome, "truncated")) {
		s->truncated++;
		return false;
	}
	if (!strcmp(outcome, "depleted")) {
		s->depleted++;
	} else if (!strcmp(outcome, "served")) {
		s->served++;
	} else if (!strcmp(outcome, "unenforced")) {
		s->unenforced++;
	} else {
		s->unknown++;
		return false;
	}
	s->judged++;
	return true;
}

enum column {
	K,
	BUDGET,
	CONSUMED,
	BACKGROUND,
	STEAL,
	OUTCOME,
	START,
	END,
	FIRST,
	WANTED,
	BLACKOUT,
	BLACKOUT_AT
};

static const char all_periods[] =
	"SELECT k, budget_ns, consumed_ns, background_ns, steal_ns, outcome, start_ns, end_ns, "
	"first_ns,"
	" wanted_ns, blackout_ns, blackout_at_ns FROM server_period"
	" WHERE server = ?1 AND start_ns >= ?3 AND end_ns <= ?4 ORDER BY k LIMIT -1 OFFSET ?2";

/* Sums over periods. */
struct totals {
	double consumed, background, budget, length;
	int64_t clean_ns, end_ns; /* periods without any doubt since, the last one's end */
};

/* Adds demand and supply of a judged period in which the host ran all the time. */
static enum vmrt_status add_supply(
	struct vmrt_server_facts *s, struct totals *sum, struct vmrt_query *q)
{
	int64_t start = vmrt_query_int(q, START), first = vmrt_query_int(q, FIRST);
	int64_t wanted = vmrt_query_int(q, WANTED), at = vmrt_query_int(q, BLACKOUT_AT);
	int64_t blackout = vmrt_query_int(q, BLACKOUT);

	if (start != sum->end_ns)
		sum->clean_ns = start;
	sum->end_ns = vmrt_query_int(q, END);
	if (s->blackout_max == VMRT_UNKNOWN)
		s->blackout_max = 0;
	/* a blackout that began in an unknown period may have been shorter or longer */
	if (at != VMRT_UNKNOWN && at >= sum->clean_ns && blackout > s->blackout_max) {
		s->blackout_max = blackout;
		s->blackout_at = at;
	}
	if (wanted == VMRT_UNKNOWN || first == VMRT_UNKNOWN || first < wanted)
		return VMRT_OK;
	if (wanted == start)
		vmrt_series_add(&s->first, vmrt_query_int(q, K), first - start);
	if (first - wanted > s->latency_max) {
		s->latency_max = first - wanted;
		s->latency_max_k = vmrt_query_int(q, K);
	}
	return vmrt_samples_add(&s->latencies, first - wanted);
}

static int64_t least(int64_t a, int64_t b)
{
	return a == VMRT_UNKNOWN || (b != VMRT_UNKNOWN && b < a) ? b : a;
}

static void join(struct vmrt_bucket *to, const struct vmrt_bucket *from)
{
	to->end_ns = from->end_ns;
	to->consumed_least_ns = least(to->consumed_least_ns, from->consumed_least_ns);
	to->most_ns = to->most_ns > from->most_ns ? to->most_ns
						  : from->most_ns; /* unknown is less than any */
	to->unknown |= from->unknown;
}

/* Adds the period to the buckets of a picture. If there are too many buckets, each two become one.
 */
static void add_bucket(struct vmrt_server_facts *s, struct vmrt_query *q, bool judged)
{
	int64_t used = vmrt_query_int(q, CONSUMED), below = vmrt_query_int(q, BACKGROUND);
	struct vmrt_bucket b = {vmrt_query_int(q, START), vmrt_query_int(q, END), VMRT_UNKNOWN,
		VMRT_UNKNOWN, !judged};

	if (judged && used != VMRT_UNKNOWN) {
		b.consumed_least_ns = used;
		b.most_ns = used + (below == VMRT_UNKNOWN ? 0 : below);
	}
	if (s->n_buckets && s->in_last < s->bucket_periods) {
		join(&s->buckets[s->n_buckets - 1], &b);
		s->in_last++;
		return;
	}
	if (s->n_buckets == VMRT_BUCKETS) {
		for (size_t i = 0; i < VMRT_BUCKETS / 2; i++) {
			s->buckets[i] = s->buckets[2 * i];
			join(&s->buckets[i], &s->buckets[2 * i + 1]);
		}
		s->n_buckets /= 2;
		s->bucket_periods *= 2;
	}
	s->buckets[s->n_buckets++] = b;
	s->in_last = 1;
}

static enum vmrt_status add_period(
	struct vmrt_server_facts *s, struct totals *sum, struct vmrt_query *q)
{
	const char *outcome = vmrt_query_string(q, OUTCOME);
	int64_t budget = vmrt_query_int(q, BUDGET), used = vmrt_query_int(q, CONSUMED);
	int64_t below = vmrt_query_int(q, BACKGROUND);
	bool judged = count_outcome(s, outcome ? outcome : "");
	enum vmrt_status status;

	if (s->buckets)
		add_bucket(s, q, judged);
	if (!judged || used == VMRT_UNKNOWN || budget == VMRT_UNKNOWN)
		return VMRT_OK;
	sum->consumed += (double)used;
	sum->background += below == VMRT_UNKNOWN ? 0 : (double)below;
	sum->budget += (double)budget;
	sum->length += (double)(vmrt_query_int(q, END) - vmrt_query_int(q, START));
	if (vmrt_query_int(q, STEAL) > 0) {
		s->steal_periods++;
		return VMRT_OK;
	}
	status = add_supply(s, sum, q);
	if (status != VMRT_OK || !s->enforced ||
		(outcome && strcmp(outcome, "depleted") != 0 && used < budget))
		return status;
	s->used_up++;
	if (used - budget > s->over_max) {
		s->over_max = used - budget;
		s->over_max_k = vmrt_query_int(q, K);
	}
	return vmrt_samples_add(&s->overshoots, used - budget);
}

static enum vmrt_status load_periods(struct vmrt_db *db, const struct vmrt_run_facts *f,
	struct vmrt_server_facts *s, struct vmrt_error *err)
{
	struct totals sum = {.end_ns = VMRT_UNKNOWN};
	struct vmrt_query q;

	s->first = VMRT_SERIES_EMPTY;
	s->over_max = s->over_max_k = s->latency_max = s->latency_max_k = VMRT_UNKNOWN;
	s->blackout_max = s->blackout_at = VMRT_UNKNOWN;
	s->bucket_periods = 1;
	if (f->filter.show & VMRT_SHOW_PICTURES) {
		s->buckets = calloc(VMRT_BUCKETS, sizeof(*s->buckets));
		if (!s->buckets)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	vmrt_query_begin(&q, db, err, all_periods);
	vmrt_query_bind(&q, 1, s->id);
	vmrt_query_bind(&q, 2, f->filter.skip_first);
	vmrt_query_span(&q, 3, f);
	while (vmrt_query_next(&q))
		if (add_period(s, &sum, &q) != VMRT_OK)
			vmrt_query_no_memory(&q);
	s->consumed_ratio = sum.budget > 0 ? sum.consumed / sum.budget : NAN;
	s->background_ratio = sum.budget > 0 ? sum.background / sum.budget : NAN;
	s->received_ratio = sum.length > 0 ? (sum.consumed + sum.background) / sum.length : NAN;
	s->over_p50 = vmrt_samples_percentile(&s->overshoots, 50, 100);
	s->over_p99 = vmrt_samples_percentile(&s->overshoots, 99, 100);
	s->latency_p50 = vmrt_samples_percentile(&s->latencies, 50, 100);
	s->latency_p99 = vmrt_samples_percentile(&s->latencies, 99, 100);
	s->supply_jitter = vmrt_series_jitter(&s->first);
	return vmrt_query_end(&q);
}

static enum vmrt_status load_curve(
	struct vmrt_db *db, struct vmrt_server_facts *s, struct vmrt_error *err)
{
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err,
		"SELECT length_ns, least_ns, at_ns FROM supply WHERE server = ?1 ORDER BY "
		"length_ns");
	vmrt_query_bind(&q, 1, s->id);
	while (s->n_curve < VMRT_CURVE_MAX && vmrt_query_next(&q))
		s->curve[s->n_curve++] = (struct vmrt_curve_facts){
			vmrt_query_int(&q, 0), vmrt_query_int(&q, 1), vmrt_query_int(&q, 2)};
	return vmrt_query_end(&q);
}

enum vmrt_status facts_load_servers(
	struct vmrt_db *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err,
		"SELECT s.id, s.name, +v.name, +v.id, +v.machine, s.policy, s.depletion, "
		"s.period_ns, "
		"s.budget_ns,"
		" s.priority, s.enforced, s.uncertain FROM server s LEFT JOIN vm v ON v.id = s.vm "
		"ORDER BY "
		"s.id");
	while (vmrt_query_next(&q)) {
		struct vmrt_server_facts *s =
			facts_append(&q, &f->servers, &f->n_servers, sizeof(*s));

		if (!s)
			break;
		s->id = vmrt_query_int(&q, 0);
		s->name = vmrt_query_name(&q, 1);
		s->vm = vmrt_query_text(&q, 2);
		s->vm_id = vmrt_query_int(&q, 3);
		s->vm_machine = vmrt_query_int(&q, 4);
		s->policy = vmrt_query_name(&q, 5);
		s->depletion = vmrt_query_name(&q, 6);
		s->period_ns = vmrt_query_int(&q, 7);
		s->budget_ns = vmrt_query_int(&q, 8);
		s->priority = vmrt_query_int(&q, 9);
		s->enforced = vmrt_query_int(&q, 10) > 0;
		s->uncertain = vmrt_query_int(&q, 11) > 0;
	}
	return vmrt_query_end(&q);
}

enum vmrt_status facts_load_periods(
	struct vmrt_db *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; status == VMRT_OK && i < f->n_servers; i++) {
		if (!f->servers[i].selected)
			continue;
		status = load_periods(db, f, &f->servers[i], err);
		if (status == VMRT_OK)
			status = vmrt_filter_times(&f->filter)
					 ? VMRT_OK
					 : load_curve(db, &f->servers[i], err);
	}
	return status;
}
