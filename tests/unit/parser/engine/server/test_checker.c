/* SPDX-License-Identifier: MIT */
/* How much a server may consume in any interval, and windows that are not judged. */
#include "checkerfix.h"

static const enum vmrt_policy gridded[] = {
	VMRT_POLICY_PERIODIC, VMRT_POLICY_POLLING, VMRT_POLICY_DEFERRABLE, VMRT_POLICY_EDF};

static void a_period_may_have_its_budget_and_the_tolerance_but_no_nanosecond_more(void **state)
{
	static struct fixture f;

	(void)state;
	for (size_t i = 0; i < sizeof(gridded) / sizeof(gridded[0]); i++) {
		for (int more = 0; more < 2; more++) {
			begin(&f, gridded[i], T, Q, E);
			runs(&f, Q + E + more);
			waits(&f, T - Q - E - more);
			end(&f);
			assert_int_equal(f.counts[VMRT_RULE_BUDGET].judged, 1);
			assert_int_equal(violations(&f, VMRT_RULE_BUDGET), more);
			assert_int_equal(f.counts[VMRT_RULE_BUDGET].worst_ns, E + more);
		}
		assert_int_equal(row(&f, VMRT_RULE_BUDGET)->server, 7);
		assert_int_equal(row(&f, VMRT_RULE_BUDGET)->from_ns, 0);
		assert_int_equal(row(&f, VMRT_RULE_BUDGET)->to_ns, T);
		assert_int_equal(row(&f, VMRT_RULE_BUDGET)->measured_ns, Q + E + 1);
		assert_int_equal(row(&f, VMRT_RULE_BUDGET)->allowed_ns, Q);
		assert_int_equal(row(&f, VMRT_RULE_BUDGET)->tolerance_ns, E);
	}
}

static void what_a_period_leaves_is_not_the_next_ones(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
		runs(&f, 1 * MS);
		sleeps(&f, T - 1 * MS);
		runs(&f, Q + E + more);
		waits(&f, T - Q - E - more);
		/* after a period that used all there is nothing to carry over */
		runs(&f, Q);
		waits(&f, T - Q);
		runs(&f, Q - E);
		waits(&f, T - Q + E);
		runs(&f, Q);
		waits(&f, T - Q);
		end(&f);
		assert_int_equal(f.counts[VMRT_RULE_CARRY_OVER].judged, 1);
		assert_int_equal(violations(&f, VMRT_RULE_CARRY_OVER), more);
	}
	assert_int_equal(row(&f, VMRT_RULE_CARRY_OVER)->from_ns, T);
}

static void two_budgets_may_meet_at_a_periods_end_but_not_more(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
		sleeps(&f, T - Q);
		runs(&f, 2 * Q + E + more); /* until T + Q + E + more */
		waits(&f, 2 * T);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_SLIDING), more);
		assert_int_equal(f.counts[VMRT_RULE_SLIDING].worst_ns, E + more);
	}
	/* it ends where the supply ends */
	assert_int_equal(row(&f, VMRT_RULE_SLIDING)->to_ns, T + Q + E + 1);
	assert_int_equal(row(&f, VMRT_RULE_SLIDING)->allowed_ns, 2 * Q);
}

/* 3 + 3 ms at 0 and 6, with a period of 10: [0, 10] holds 6; then 1 ms at 10 keeps it so: [3, 13]
 * holds 4. */
static void the_largest_interval_is_found_wherever_it_lies(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, VMRT_POLICY_SPORADIC, 10 * MS, 5 * MS, 0);
	runs(&f, 3 * MS);
	sleeps(&f, 3 * MS);
	runs(&f, 3 * MS);
	sleeps(&f, 1 * MS);
	runs(&f, 1 * MS);
	sleeps(&f, 9 * MS);
	end(&f);
	assert_int_equal(violations(&f, VMRT_RULE_SLIDING), 1);
	assert_int_equal(row(&f, VMRT_RULE_SLIDING)->measured_ns, 6 * MS);
	assert_int_equal(row(&f, VMRT_RULE_SLIDING)->from_ns, 0);
}

/* The same by trying every interval of random supply, also of several members at once. */
static void the_largest_interval_is_that_of_a_search(void **state)
{
	static struct fixture f;
	enum { LENGTH = 400, PERIOD = 20 };
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		int level[LENGTH], most = 0;

		for (int t = 0; t < LENGTH; t++) {
			seed = seed * 1103515245u + 12345u;
			level[t] = t && (seed >> 16) % 3 ? level[t - 1] : (int)((seed >> 20) % 4);
		}
		for (int from = 0; from + PERIOD <= LENGTH; from++) {
			int sum = 0;

			for (int t = from; t < from + PERIOD; t++)
				sum += level[t];
			if (sum > most)
				most = sum;
		}
		/* what is allowed is so much that nothing is a violation: worst_ns says what was
		 * found */
		begin(&f, VMRT_POLICY_SPORADIC, PERIOD, 10, 1000);
		f.response = 10;
		for (int t = 0; t < LENGTH; t++)
			pass(&f, 1,
				(struct checker_supply){.served = level[t], .wanting = level[t]});
		end(&f);
		assert_int_equal(f.counts[VMRT_RULE_SLIDING].worst_ns + 10, most);
	}
}

static void a_sporadic_server_gets_one_budget_in_any_interval_of_its_period(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_SPORADIC, T, Q, E);
		sleeps(&f, 10 * MS);
		runs(&f, 3 * MS);
		sleeps(&f, 5 * MS);
		runs(&f, 1 * MS + E + more);
		sleeps(&f, 2 * T);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_SLIDING), more);
		assert_int_equal(f.counts[VMRT_RULE_BUDGET].judged, 0);
	}
	/* one that others may delay by 2 ms may have 2 ms more */
	begin(&f, VMRT_POLICY_SPORADIC, T, Q, E);
	f.response = Q + 2 * MS;
	checker_period(f.checker, 0, false, f.response);
	runs(&f, Q + 2 * MS + E);
	sleeps(&f, 2 * T);
	end(&f);
	assert_int_equal(violations(&f, VMRT_RULE_SLIDING), 0);
}

static void each_cpu_has_the_budget_of_a_group(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_RT_GROUP, T, Q, E);
		checker_width(f.checker, 2);
		for (int k = 0; k < 8; k++) {
			pass(&f, Q + more * E / 8,
				(struct checker_supply){.served = 2, .wanting = 2});
			sleeps(&f, T - Q - more * E / 8);
		}
		end(&f);
		assert_int_equal(f.counts[VMRT_RULE_CUMULATIVE].judged, 8);
		assert_int_equal(violations(&f, VMRT_RULE_BUDGET), 0);
		assert_int_equal(violations(&f, VMRT_RULE_CUMULATIVE), more);
	}
}

static void doubtful_windows_are_unknown_whenever_the_doubt_comes(void **state)
{
	static struct fixture f;

	(void)state;
	for (int late = 0; late < 2; late++) {
		begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
		if (!late)
			checker_unsure(f.checker, T - 1, T);
		runs(&f, 6 * MS);
		sleeps(&f, 30 * MS); /* three periods */
		if (late)
			checker_unsure(f.checker, T - 1, T);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_BUDGET), 0);
		assert_int_equal(f.counts[VMRT_RULE_BUDGET].unknown, 1);
		assert_int_equal(f.counts[VMRT_RULE_BUDGET].judged, 2);
	}
	/* one that only touches it is none of its business */
	begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
	runs(&f, 6 * MS);
	sleeps(&f, 30 * MS);
	checker_unsure(f.checker, T, T + 1);
	end(&f);
	assert_int_equal(violations(&f, VMRT_RULE_BUDGET), 1);
	assert_int_equal(f.counts[VMRT_RULE_BUDGET].unknown, 1);
}

static void verdicts_wait_until_no_doubt_can_come(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
	runs(&f, 6 * MS);
	sleeps(&f, 30 * MS);
	checker_safe(f.checker, T - 1);
	assert_int_equal(f.n_rows, 0);
	checker_safe(f.checker, T);
	assert_int_equal(f.n_rows, 1);
	end(&f);
	assert_int_equal(f.n_rows, 1);
}

static void a_cpu_that_stays_silent_makes_violations_unknown_and_memory_bounded(void **state)
{
	static struct fixture f;
	const struct vmrt_check *c = &f.counts[VMRT_RULE_BUDGET];

	(void)state;
	begin(&f, VMRT_POLICY_CFS_QUOTA, T, Q, E);
	/* two verdicts a period; every violation among those that do not fit is unknown */
	for (int k = 0; k < CHECKER_HELD / 2 + 10; k++) {
		runs(&f, k < 10 ? 5 * MS : Q);
		waits(&f, T - (k < 10 ? 5 * MS : Q));
	}
	end(&f);
	assert_int_equal(f.n_rows, 0);
	assert_int_equal(c->judged + c->unknown, CHECKER_HELD / 2 + 10);
	assert_int_equal(c->unknown, 10);
}

static void periods_that_are_not_whole_are_not_judged(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
	f.now = 0;
	checker_supply(f.checker, 0, 10 * MS, &(struct checker_supply){.served = 1, .wanting = 1});
	checker_period(f.checker, T, false, TOP);
	end(&f);
	assert_int_equal(f.counts[VMRT_RULE_BUDGET].judged, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_period_may_have_its_budget_and_the_tolerance_but_no_nanosecond_more),
		cmocka_unit_test(what_a_period_leaves_is_not_the_next_ones),
		cmocka_unit_test(two_budgets_may_meet_at_a_periods_end_but_not_more),
		cmocka_unit_test(the_largest_interval_is_found_wherever_it_lies),
		cmocka_unit_test(the_largest_interval_is_that_of_a_search),
		cmocka_unit_test(a_sporadic_server_gets_one_budget_in_any_interval_of_its_period),
		cmocka_unit_test(each_cpu_has_the_budget_of_a_group),
		cmocka_unit_test(doubtful_windows_are_unknown_whenever_the_doubt_comes),
		cmocka_unit_test(verdicts_wait_until_no_doubt_can_come),
		cmocka_unit_test(
			a_cpu_that_stays_silent_makes_violations_unknown_and_memory_bounded),
		cmocka_unit_test(periods_that_are_not_whole_are_not_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
