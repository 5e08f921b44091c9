/* SPDX-License-Identifier: MIT */
/* The rules of vmrt-hsf: budgets, steps, admission, figures. Nothing here needs privileges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../hsf/hsf.h"

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
	assert_int_equal(hsf_step(20 * US, 1, 15 * US), HSF_LEAST_STEP_NS);
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

static void alarms_are_early_by_the_least_latency_seen(void **state)
{
	struct hsf_latency l;

	(void)state;
	hsf_latency_init(&l);
	for (int i = 0; i < HSF_LATENCY_WINDOW - 1; i++)
		hsf_latency_add(&l, 20 * US + i);
	assert_int_equal(hsf_latency_early(&l), 0); /* too few to rely on */
	hsf_latency_add(&l, 7 * MS);		    /* a stall says nothing */
	assert_int_equal(hsf_latency_early(&l), 20 * US);
	hsf_latency_add(&l, 12 * US);
	assert_int_equal(hsf_latency_early(&l), 12 * US);
	/* after two windows of slower ones the fast one is forgotten */
	for (int i = 0; i < 2 * HSF_LATENCY_WINDOW; i++)
		hsf_latency_add(&l, 30 * US);
	assert_int_equal(hsf_latency_early(&l), 30 * US);
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
	struct hsf_demand d[] = {demand(0, 20, 20 * MS, 6 * MS, true), demand(0, 30, 10 * MS, 4 * MS, true)};

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
	struct hsf_demand d[] = {demand(0, 50, 12 * MS, 10 * MS, true), demand(1, 50, 12 * MS, 10 * MS, true)};

	(void)state;
	assert_int_equal(hsf_admit(d, 2), 0);
	assert_true(hsf_utilisation(d, 2, 0) > 0.83 && hsf_utilisation(d, 2, 0) < 0.84);
}

static void too_much_demand_is_refused_also_among_equal_priorities(void **state)
{
	struct hsf_demand d[] = {demand(0, 50, 12 * MS, 10 * MS, true), demand(0, 50, 12 * MS, 4 * MS, true)};

	(void)state;
	assert_int_equal(hsf_admit(d, 2), 2);
	d[0].priority = 51;
	assert_int_equal(hsf_admit(d, 2), 1);
	assert_true(d[0].response_ns <= d[0].period_ns);
	assert_true(d[1].response_ns > d[1].period_ns);
}

static void full_utilisation_ends_the_analysis(void **state)
{
	struct hsf_demand d[] = {demand(0, 50, 10 * MS, 10 * MS, false), demand(0, 40, 3600000 * MS, 1, false)};

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
		cmocka_unit_test(policies_of_cgroups_have_no_rules),
		cmocka_unit_test(one_vcpu_may_use_all_that_is_left_less_the_latency),
		cmocka_unit_test(several_vcpus_never_pass_the_budget_by_more_than_their_last_steps),
		cmocka_unit_test(alarms_are_early_by_the_least_latency_seen),
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
