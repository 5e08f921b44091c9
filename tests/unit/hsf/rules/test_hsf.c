/* SPDX-License-Identifier: MIT */
/* The rules of vmrt-hsf: budgets, steps, admission, figures. Nothing here needs privileges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsf/enforce/server.h"
#include "hsf/enforce/settings.h"
#include "hsf/rules/admission.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define T0 (1000 * MS)

static struct hsf_budget deferrable(int64_t period, int64_t budget)
{
	struct hsf_budget b;

	hsf_budget_init(&b, hsf_rules_for(VMRT_POLICY_DEFERRABLE), period, budget, T0);
	return b;
}

static void first_replenishment_is_at_t0(void **state)
{
	struct hsf_budget b = deferrable(12 * MS, 10 * MS);

	(void)state;
	assert_false(b.eligible);
	assert_int_equal(hsf_budget_next(&b), T0);
	assert_int_equal(hsf_budget_time(&b, T0 - 1), HSF_NOTHING);
	assert_int_equal(hsf_budget_time(&b, T0), HSF_REPLENISHED);
	assert_true(b.eligible);
	assert_int_equal(b.k, 0);
	assert_int_equal(hsf_budget_next(&b), T0 + 12 * MS);
}

static void late_replenishment_does_not_move_the_grid(void **state)
{
	struct hsf_budget b = deferrable(12 * MS, 10 * MS);

	(void)state;
	hsf_budget_time(&b, T0);
	hsf_budget_use(&b, T0 + 1 * MS, 1 * MS);
	assert_int_equal(hsf_budget_time(&b, T0 + 12 * MS + 700 * US), HSF_REPLENISHED);
	assert_int_equal(b.k, 1);
	assert_int_equal(hsf_budget_next(&b), T0 + 24 * MS);
	assert_int_equal(b.skipped, 0);
}

static void a_stall_leaves_out_the_replenishments_it_covers(void **state)
{
	struct hsf_budget b = deferrable(12 * MS, 10 * MS);

	(void)state;
	hsf_budget_time(&b, T0);
	hsf_budget_use(&b, T0 + 1 * MS, 1 * MS);
	/* grid points 1, 2 and 3 have passed; one replenishment, for the last of them */
	assert_int_equal(hsf_budget_time(&b, T0 + 37 * MS), HSF_REPLENISHED);
	assert_int_equal(b.k, 3);
	assert_int_equal(b.skipped, 2);
	assert_int_equal(hsf_budget_next(&b), T0 + 48 * MS);
}

static void budget_is_depleted_when_used_up_and_not_before(void **state)
{
	struct hsf_budget b = deferrable(12 * MS, 10 * MS);

	(void)state;
	hsf_budget_time(&b, T0);
	assert_int_equal(hsf_budget_use(&b, T0 + 5 * MS, 5 * MS), HSF_NOTHING);
	assert_int_equal(hsf_budget_use(&b, T0 + 10 * MS, 5 * MS - HSF_LEAST_STEP_NS), HSF_NOTHING);
	assert_true(b.eligible);
	assert_int_equal(hsf_budget_left(&b), HSF_LEAST_STEP_NS);
	assert_int_equal(hsf_budget_use(&b, T0 + 10 * MS, 1), HSF_DEPLETED);
	assert_false(b.eligible);
	assert_int_equal(hsf_budget_use(&b, T0 + 11 * MS, 1 * MS), HSF_NOTHING);
}

static void nothing_is_carried_over_neither_rest_nor_overshoot(void **state)
{
	struct hsf_budget b = deferrable(12 * MS, 4 * MS);

	(void)state;
	hsf_budget_time(&b, T0);
	hsf_budget_use(&b, T0 + 2 * MS, 1 * MS);
	hsf_budget_time(&b, T0 + 12 * MS);
	assert_int_equal(hsf_budget_left(&b), 4 * MS);
	assert_int_equal(hsf_budget_use(&b, T0 + 16 * MS, 3 * MS), HSF_NOTHING);
	assert_int_equal(hsf_budget_use(&b, T0 + 17 * MS, 2 * MS), HSF_DEPLETED);
	hsf_budget_time(&b, T0 + 24 * MS);
	assert_int_equal(hsf_budget_left(&b), 4 * MS);
}

static void a_budget_that_nobody_consumes_is_left_alone_until_somebody_does(void **state)
{
	struct hsf_budget b = deferrable(12 * MS, 4 * MS);

	(void)state;
	hsf_budget_time(&b, T0);
	assert_int_equal(hsf_budget_next(&b), T0 + 12 * MS);
	assert_int_equal(hsf_budget_time(&b, T0 + 12 * MS), HSF_NOTHING);
	assert_int_equal(hsf_budget_next(&b), HSF_NEVER);
	assert_int_equal(hsf_budget_left(&b), 4 * MS);
	/* 100.5 periods later: what is consumed then is taken from the budget of that period */
	assert_int_equal(hsf_budget_use(&b, T0 + 1206 * MS, 1 * MS), HSF_NOTHING);
	assert_int_equal(b.k, 100);
	assert_int_equal(hsf_budget_left(&b), 3 * MS);
	assert_int_equal(hsf_budget_next(&b), T0 + 1212 * MS);
}

static void a_polling_server_gives_its_budget_up_when_nobody_wants_it(void **state)
{
	struct hsf_budget b;

	(void)state;
	hsf_budget_init(&b, hsf_rules_for(VMRT_POLICY_POLLING), 12 * MS, 4 * MS, T0);
	hsf_budget_time(&b, T0);
	hsf_budget_use(&b, T0 + 1 * MS, 1 * MS);
	assert_int_equal(hsf_budget_idle(&b), HSF_DEPLETED);
	assert_false(b.eligible);
	assert_int_equal(hsf_budget_next(&b), T0 + 12 * MS);
	assert_int_equal(hsf_budget_time(&b, T0 + 12 * MS), HSF_REPLENISHED);
	assert_int_equal(hsf_budget_left(&b), 4 * MS);
}

static void other_policies_keep_their_budget_when_nobody_wants_it(void **state)
{
	static const enum vmrt_policy policies[] = {VMRT_POLICY_PERIODIC, VMRT_POLICY_DEFERRABLE,
		VMRT_POLICY_SPORADIC, VMRT_POLICY_EDF};
	struct hsf_budget b;

	(void)state;
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++) {
		hsf_budget_init(&b, hsf_rules_for(policies[i]), 12 * MS, 4 * MS, T0);
		hsf_budget_time(&b, T0);
		assert_int_equal(hsf_budget_idle(&b), HSF_NOTHING);
		assert_true(b.eligible);
		assert_int_equal(hsf_budget_left(&b), 4 * MS);
	}
}

static struct hsf_budget sporadic(int64_t period, int64_t budget)
{
	struct hsf_budget b;

	hsf_budget_init(&b, hsf_rules_for(VMRT_POLICY_SPORADIC), period, budget, T0);
	assert_int_equal(hsf_budget_time(&b, T0), HSF_REPLENISHED);
	assert_int_equal(b.replenishment.amount_ns, budget);
	assert_int_equal(hsf_budget_time(&b, T0), HSF_NOTHING);
	return b;
}

static void what_an_activation_consumes_returns_one_period_after_its_begin(void **state)
{
	struct hsf_budget b = sporadic(20 * MS, 5 * MS);

	(void)state;
	/* wakes at 3, runs 2 ms; wakes at 10, runs 3 ms, which is all */
	hsf_budget_wake(&b, T0 + 3 * MS);
	assert_int_equal(hsf_budget_use(&b, T0 + 5 * MS, 2 * MS), HSF_NOTHING);
	hsf_budget_wake(&b, T0 + 10 * MS);
	assert_int_equal(hsf_budget_use(&b, T0 + 13 * MS, 3 * MS), HSF_DEPLETED);
	assert_int_equal(
		hsf_budget_next(&b), T0 + 20 * MS); /* a look, one period after the last one */
	assert_int_equal(hsf_budget_time(&b, T0 + 20 * MS), HSF_NOTHING);
	assert_int_equal(hsf_budget_next(&b), T0 + 23 * MS);
	assert_int_equal(hsf_budget_time(&b, T0 + 23 * MS), HSF_REPLENISHED);
	assert_int_equal(b.replenishment.at_ns, T0 + 23 * MS);
	assert_int_equal(b.replenishment.amount_ns, 2 * MS);
	assert_int_equal(hsf_budget_left(&b), 2 * MS);
	assert_int_equal(hsf_budget_time(&b, T0 + 30 * MS), HSF_REPLENISHED);
	assert_int_equal(b.replenishment.amount_ns, 3 * MS);
	assert_int_equal(hsf_budget_left(&b), 5 * MS);
}

static void a_sporadic_overrun_is_charged_to_the_next_chunk(void **state)
{
	struct hsf_budget b = sporadic(20 * MS, 5 * MS);

	(void)state;
	hsf_budget_wake(&b, T0);
	hsf_budget_use(&b, T0 + 2 * MS, 2 * MS);
	hsf_budget_wake(&b, T0 + 10 * MS);
	/* 3 ms are left, 3.5 are taken: half a millisecond of the two that return at 20 */
	assert_int_equal(hsf_budget_use(&b, T0 + 13500 * US, 3500 * US), HSF_DEPLETED);
	assert_int_equal(hsf_budget_time(&b, T0 + 20 * MS), HSF_REPLENISHED);
	assert_int_equal(b.replenishment.amount_ns, 1500 * US);
}

static void a_sporadic_server_never_gets_more_than_its_budget_in_any_period(void **state)
{
	enum { N = 4000 };
	static struct {
		int64_t at, used;
	} ran[N];
	struct hsf_budget b = sporadic(20 * MS, 5 * MS);
	int64_t now = T0;
	unsigned seed = 1;
	size_t n = 0;

	(void)state;
	while (n < N) {
		int64_t left, want, sum = 0;

		seed = seed * 1103515245u + 12345u;
		now += (int64_t)(seed >> 16 & 1023) * 5 * US; /* sleeps up to 5 ms */
		while (hsf_budget_time(&b, now) == HSF_REPLENISHED)
			;
		hsf_budget_wake(&b, now);
		left = hsf_budget_left(&b);
		for (size_t i = 0; i < b.n_chunks; i++)
			sum += b.chunks[i].amount_ns;
		assert_int_equal(sum, 5 * MS); /* nothing is lost, nothing comes from nowhere */
		want = (int64_t)(seed >> 8 & 1023) * 2 * US;
		want = want < left ? want : left;
		if (!b.eligible || want <= 0)
			continue;
		ran[n].at = now;
		ran[n].used = want;
		now += want;
		hsf_budget_use(&b, now, want);
		n++;
	}
	for (size_t i = 0; i < N; i++) {
		int64_t sum = 0;

		for (size_t k = i; k < N && ran[k].at < ran[i].at + 20 * MS; k++) {
			int64_t room = ran[i].at + 20 * MS - ran[k].at;

			sum += ran[k].used < room ? ran[k].used : room;
		}
		assert_true(sum <= 5 * MS);
	}
}

static void policies_of_cgroups_have_no_rules(void **state)
{
	(void)state;
	assert_null(hsf_rules_for(VMRT_POLICY_RT_GROUP));
	assert_null(hsf_rules_for(VMRT_POLICY_CFS_QUOTA));
	assert_string_equal(
		hsf_rules_names(), "periodic, polling, deferrable, sporadic, edf, deadline, none");
}

static void one_vcpu_may_use_all_that_is_left_less_the_latency(void **state)
{
	(void)state;
	assert_int_equal(hsf_step(10 * MS, 1, 0), 10 * MS);
	assert_int_equal(hsf_step(10 * MS, 1, 15 * US), 10 * MS - 15 * US);
	assert_int_equal(hsf_step(20 * US, 1, 18 * US), HSF_LEAST_STEP_NS);
}

static void several_vcpus_never_pass_the_budget_by_more_than_their_last_steps(void **state)
{
	(void)state;
	assert_int_equal(hsf_step(9 * MS, 3, 0), 3 * MS);
	for (size_t n = 2; n <= 5; n++) {
		int64_t left = 10 * MS, steps = 0;

		/* the worst case: all but one stop just before their alarm, every time */
		while (left >= HSF_LEAST_STEP_NS) {
			int64_t step = hsf_step(left, n, 0);

			left -= (int64_t)n * step;
			steps++;
		}
		assert_true(-left <= (int64_t)(n - 1) * HSF_SPLIT_STEP_NS);
		/* and one alone still gets all of it, in few steps */
		for (left = 10 * MS, steps = 0; left >= HSF_LEAST_STEP_NS; steps++)
			left -= hsf_step(left, n, 0);
		assert_true(left > -HSF_LEAST_STEP_NS);
		assert_true(steps < 12 * (int64_t)n);
	}
}

static void alarms_are_early_by_the_median_of_the_latencies(void **state)
{
	struct hsf_latency l;

	(void)state;
	hsf_latency_init(&l);
	for (int i = 0; i < HSF_LATENCY_SETTLED - 1; i++)
		hsf_latency_add(&l, 20 * US);
	assert_int_equal(hsf_latency_early(&l), 0); /* too few to rely on */
	hsf_latency_add(&l, 7 * MS);		    /* a stall says next to nothing */
	assert_in_range(hsf_latency_early(&l), 20 * US, 21 * US);
	/* one in four is slow, the others between 10 and 13 us: the median is 12 */
	for (int i = 0; i < 4000; i++)
		hsf_latency_add(&l, i % 4 == 3 ? 300 * US : (10 + i % 4) * US + 500);
	assert_in_range(hsf_latency_early(&l), 11 * US, 13 * US);
}

static void long_latencies_do_not_make_many_checks(void **state)
{
	struct hsf_latency l;
	int64_t left = 5 * MS;
	int checks = 0;

	(void)state;
	hsf_latency_init(&l);
	for (int i = 0; i < 100000; i++)
		hsf_latency_add(&l, 3 * MS);
	/* and then alarms that come at once: each look finds what the alarm was early by */
	for (; left >= HSF_LEAST_STEP_NS; checks++)
		left -= hsf_step(left, 1, hsf_latency_early(&l));
	assert_in_range(checks, 1, 1 + 100 * US / HSF_LEAST_STEP_NS);
}

static struct hsf_demand demand(int cpu, int priority, int64_t period, int64_t budget, bool jitter)
{
	return (struct hsf_demand){.cpu = cpu,
		.priority = priority,
		.period_ns = period,
		.budget_ns = budget,
		.jitter_ns = jitter ? period - budget : 0};
}

static void a_server_alone_has_its_budget_at_once(void **state)
{
	struct hsf_demand d[] = {demand(0, 50, 12 * MS, 10 * MS, true)};

	(void)state;
	assert_int_equal(hsf_admit(d, 1), 0);
	assert_int_equal(d[0].response_ns, 10 * MS);
}

static void deferrable_servers_above_interfere_back_to_back(void **state)
{
	struct hsf_demand d[] = {
		demand(0, 20, 20 * MS, 6 * MS, true), demand(0, 30, 10 * MS, 4 * MS, true)};

	(void)state;
	/* R = 6 + ceil((R + 6) / 10) * 4: 6 -> 14 -> 14 */
	assert_int_equal(hsf_admit(d, 2), 0);
	assert_int_equal(d[0].response_ns, 14 * MS);
	assert_int_equal(d[1].response_ns, 4 * MS);
	/* without jitter: R = 6 + ceil(R / 10) * 4: 6 -> 10 */
	d[1].jitter_ns = 0;
	assert_int_equal(hsf_admit(d, 2), 0);
	assert_int_equal(d[0].response_ns, 10 * MS);
}

static void the_published_server_set_has_the_published_response_times(void **state)
{
	/* periodic servers (80,12), (60,8), (80,12) by falling priority: 12, 20, 32 */
	struct hsf_demand d[] = {demand(1, 30, 80 * MS, 12 * MS, false),
		demand(1, 20, 60 * MS, 8 * MS, false), demand(1, 10, 80 * MS, 12 * MS, false)};

	(void)state;
	assert_int_equal(hsf_admit(d, 3), 0);
	assert_int_equal(d[0].response_ns, 12 * MS);
	assert_int_equal(d[1].response_ns, 20 * MS);
	assert_int_equal(d[2].response_ns, 32 * MS);
}

static void servers_on_other_cpus_do_not_count(void **state)
{
	struct hsf_demand d[] = {
		demand(0, 50, 12 * MS, 10 * MS, true), demand(1, 50, 12 * MS, 10 * MS, true)};

	(void)state;
	assert_int_equal(hsf_admit(d, 2), 0);
	assert_true(hsf_utilisation(d, 2, 0) > 0.83 && hsf_utilisation(d, 2, 0) < 0.84);
}

static void too_much_demand_is_refused_also_among_equal_priorities(void **state)
{
	struct hsf_demand d[] = {
		demand(0, 50, 12 * MS, 10 * MS, true), demand(0, 50, 12 * MS, 4 * MS, true)};

	(void)state;
	assert_int_equal(hsf_admit(d, 2), 2);
	d[0].priority = 51;
	assert_int_equal(hsf_admit(d, 2), 1);
	assert_true(d[0].response_ns <= d[0].period_ns);
	assert_true(d[1].response_ns > d[1].period_ns);
}

static void full_utilisation_ends_the_analysis(void **state)
{
	struct hsf_demand d[] = {
		demand(0, 50, 10 * MS, 10 * MS, false), demand(0, 40, 3600000 * MS, 1, false)};

	(void)state;
	assert_int_equal(hsf_admit(d, 2), 1);
}

static void quantiles_are_exact_to_a_thirtysecond(void **state)
{
	static struct hsf_hist h;

	(void)state;
	memset(&h, 0, sizeof(h));
	assert_int_equal(hsf_hist_quantile(&h, 0.5), VMRT_UNKNOWN);
	for (int64_t v = 1; v <= 1000; v++)
		hsf_hist_add(&h, v * US);
	assert_in_range(hsf_hist_quantile(&h, 0.5), 500 * US, 516 * US);
	assert_in_range(hsf_hist_quantile(&h, 0.99), 990 * US, 1000 * US);
	assert_int_equal(hsf_hist_quantile(&h, 1), 1000 * US);
	assert_int_equal(h.max, 1000 * US);
	hsf_hist_add(&h, -5);
	hsf_hist_add(&h, INT64_MAX);
	assert_int_equal(hsf_hist_quantile(&h, 0), 0);
	assert_int_equal(hsf_hist_quantile(&h, 1), INT64_MAX);
}

static void settings_of_this_thread_can_be_read_and_given_back(void **state)
{
	struct hsf_settings s, again;

	(void)state;
	assert_int_equal(hsf_settings_read(0, &s), 0);
	assert_int_equal(hsf_settings_apply(0, &s), 0);
	assert_int_equal(hsf_settings_read(0, &again), 0);
	assert_true(hsf_settings_equal(&s, &again));
	assert_int_not_equal(hsf_settings_read(INT32_MAX, &s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_replenishment_is_at_t0),
		cmocka_unit_test(late_replenishment_does_not_move_the_grid),
		cmocka_unit_test(a_stall_leaves_out_the_replenishments_it_covers),
		cmocka_unit_test(budget_is_depleted_when_used_up_and_not_before),
		cmocka_unit_test(nothing_is_carried_over_neither_rest_nor_overshoot),
		cmocka_unit_test(a_budget_that_nobody_consumes_is_left_alone_until_somebody_does),
		cmocka_unit_test(a_polling_server_gives_its_budget_up_when_nobody_wants_it),
		cmocka_unit_test(other_policies_keep_their_budget_when_nobody_wants_it),
		cmocka_unit_test(what_an_activation_consumes_returns_one_period_after_its_begin),
		cmocka_unit_test(a_sporadic_overrun_is_charged_to_the_next_chunk),
		cmocka_unit_test(a_sporadic_server_never_gets_more_than_its_budget_in_any_period),
		cmocka_unit_test(policies_of_cgroups_have_no_rules),
		cmocka_unit_test(one_vcpu_may_use_all_that_is_left_less_the_latency),
		cmocka_unit_test(several_vcpus_never_pass_the_budget_by_more_than_their_last_steps),
		cmocka_unit_test(alarms_are_early_by_the_median_of_the_latencies),
		cmocka_unit_test(long_latencies_do_not_make_many_checks),
		cmocka_unit_test(a_server_alone_has_its_budget_at_once),
		cmocka_unit_test(deferrable_servers_above_interfere_back_to_back),
		cmocka_unit_test(the_published_server_set_has_the_published_response_times),
		cmocka_unit_test(servers_on_other_cpus_do_not_count),
		cmocka_unit_test(too_much_demand_is_refused_also_among_equal_priorities),
		cmocka_unit_test(full_utilisation_ends_the_analysis),
		cmocka_unit_test(quantiles_are_exact_to_a_thirtysecond),
		cmocka_unit_test(settings_of_this_thread_can_be_read_and_given_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
