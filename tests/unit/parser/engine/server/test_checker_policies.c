/* SPDX-License-Identifier: MIT */
/* The rules of each policy: what its budget may and must do. */
#include "checkerfix.h"

static void a_period_with_work_throughout_gets_its_budget(void **state)
{
	static struct fixture f;

	(void)state;
	for (int less = 0; less < 2; less++) {
		begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
		waits(&f, 1 * MS);
		runs(&f, Q - E - less);
		waits(&f, T - 1 * MS - Q + E + less);
		/* no work for a moment: nothing is demanded */
		waits(&f, T / 2);
		sleeps(&f, 1);
		waits(&f, T / 2 - 1);
		end(&f);
		assert_int_equal(f.counts[VMRT_RULE_SUPPLY].judged, 1);
		assert_int_equal(violations(&f, VMRT_RULE_SUPPLY), less);
	}
	assert_int_equal(row(&f, VMRT_RULE_SUPPLY)->measured_ns, Q - E - 1);
}

static void supply_is_not_judged_where_the_servers_are_too_many(void **state)
{
	static struct fixture f;

	(void)state;
	begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
	f.response = VMRT_UNKNOWN;
	checker_period(f.checker, 0, false, VMRT_UNKNOWN);
	waits(&f, 3 * T);
	end(&f);
	assert_int_equal(f.counts[VMRT_RULE_SUPPLY].judged, 0);
	assert_int_equal(f.counts[VMRT_RULE_SUPPLY].unknown, 3);
	assert_int_equal(violations(&f, VMRT_RULE_SUPPLY), 0);
}

static void one_with_budget_does_not_wait_for_a_lower_thread(void **state)
{
	static struct fixture f;
	struct checker_supply lower = {.wanting = 1, .eligible = true, .lower = true};

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
		sleeps(&f, 1 * MS);
		pass(&f, E + more, lower);
		runs(&f, Q);
		sleeps(&f, 2 * T - Q - E - more - 1 * MS);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_PRIORITY), more);
		assert_int_equal(f.counts[VMRT_RULE_PRIORITY].worst_ns, E + more);
		assert_int_equal(f.counts[VMRT_RULE_PRIORITY].worst_at_ns, 1 * MS);
	}
	/* the kernel's own doing is no fault of the server */
	lower.kernels = true;
	begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
	pass(&f, 1 * MS, lower);
	runs(&f, Q);
	sleeps(&f, T - Q - 1 * MS);
	end(&f);
	assert_int_equal(violations(&f, VMRT_RULE_PRIORITY), 0);
	assert_int_equal(f.counts[VMRT_RULE_PRIORITY].unknown, 1);
	/* one that never ends is reported in every period */
	lower.kernels = false;
	begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
	pass(&f, 3 * T, lower);
	end(&f);
	assert_int_equal(violations(&f, VMRT_RULE_PRIORITY), 3);
}

static void the_budget_of_a_periodic_server_passes_while_it_is_idle(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_PERIODIC, T, Q, E);
		sleeps(&f, Q - 1 * MS);
		runs(&f, 1 * MS + E + more); /* the last E of it behind its window */
		sleeps(&f, T - Q - E - more);
		end(&f);
		assert_int_equal(f.counts[VMRT_RULE_IDLE_BURN].judged, 1);
		assert_int_equal(violations(&f, VMRT_RULE_IDLE_BURN), more);
	}
	assert_int_equal(row(&f, VMRT_RULE_IDLE_BURN)->measured_ns, E + 1);
	/* a deferrable one keeps it */
	begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
	sleeps(&f, T - Q);
	runs(&f, Q);
	end(&f);
	assert_int_equal(f.n_rows, 0);
}

static void a_polling_server_loses_its_budget_when_there_is_no_work(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_POLLING, T, Q, E);
		runs(&f, 1 * MS);
		sleeps(&f, E + 1); /* long enough to be noticed */
		runs(&f, E + more);
		sleeps(&f, T - 1 * MS - 2 * E - 1 - more);
		end(&f);
		assert_int_equal(f.counts[VMRT_RULE_DISCARD].judged, 1);
		assert_int_equal(violations(&f, VMRT_RULE_DISCARD), more);
	}
	/* a pause that is shorter is no violation, nor one in which higher servers ran */
	begin(&f, VMRT_POLICY_POLLING, T, Q, E);
	runs(&f, 1 * MS);
	sleeps(&f, E);
	runs(&f, 3 * MS);
	waits(&f, T - 4 * MS - E);
	f.response = Q + 2 * MS;
	checker_period(f.checker, T, false, f.response);
	runs(&f, 1 * MS);
	sleeps(&f, 2 * MS);
	runs(&f, 3 * MS);
	waits(&f, T - 6 * MS);
	end(&f);
	assert_int_equal(
		f.counts[VMRT_RULE_DISCARD].judged, 2); /* by when the budget was used up */
	assert_int_equal(f.n_rows, 0);
}

/* Whether a budget passes does not hang on the worst case where it is known who had the CPU. */
static void an_idle_budget_passes_only_while_no_higher_server_has_the_cpu(void **state)
{
	const struct checker_supply idle = {.eligible = true, .selected = true};
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_PERIODIC, T, Q, E);
		f.response = VMRT_UNKNOWN;
		checker_period(f.checker, 0, false, VMRT_UNKNOWN);
		sleeps(&f, 5 * MS); /* a higher one has it */
		pass(&f, 3 * MS, idle);
		runs(&f, 1 * MS + E + more);
		sleeps(&f, T - 9 * MS - E - more);
		end(&f);
		assert_int_equal(f.counts[VMRT_RULE_IDLE_BURN].judged, 1);
		assert_int_equal(violations(&f, VMRT_RULE_IDLE_BURN), more);
		/* the same of a polling one, which has none left after the first pause */
		begin(&f, VMRT_POLICY_POLLING, T, Q, E);
		f.response = VMRT_UNKNOWN;
		checker_period(f.checker, 0, false, VMRT_UNKNOWN);
		sleeps(&f, 5 * MS);
		runs(&f, 1 * MS);
		pass(&f, E + 1, idle);
		runs(&f, E + more);
		sleeps(&f, T - 6 * MS - 2 * E - 1 - more);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_DISCARD), more);
	}
	/* what is used beyond the budget without any pause is that rule's only */
	begin(&f, VMRT_POLICY_PERIODIC, T, Q, E);
	f.response = T;
	checker_period(f.checker, 0, false, T);
	runs(&f, Q + E + 1);
	sleeps(&f, T - Q - E - 1);
	end(&f);
	assert_int_equal(violations(&f, VMRT_RULE_BUDGET), 1);
	assert_int_equal(violations(&f, VMRT_RULE_IDLE_BURN), 0);
}

static void a_budget_returns_when_it_is_due_neither_late_nor_early(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
		waits(&f, E + more);
		checker_replenished(f.checker, f.now, 0, Q);
		runs(&f, Q);
		waits(&f, T - Q - 2 * E - 2 * more);
		checker_replenished(f.checker, f.now, T, Q); /* too early */
		runs(&f, E + more);
		end(&f);
		assert_int_equal(f.counts[VMRT_RULE_REPLENISH].judged, 2);
		assert_int_equal(violations(&f, VMRT_RULE_REPLENISH), 2 * more);
		if (more)
			assert_int_equal(row(&f, VMRT_RULE_REPLENISH)->measured_ns, E + 1);
		/* never: only if somebody misses it */
		begin(&f, VMRT_POLICY_EDF, T, Q, E);
		pass(&f, T - E - more, (struct checker_supply){.eligible = false});
		waits(&f, E + more);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_REPLENISH), more);
	}
}

static void a_budget_is_kept_until_it_is_used_up(void **state)
{
	static const enum vmrt_policy keep[] = {
		VMRT_POLICY_DEFERRABLE, VMRT_POLICY_EDF, VMRT_POLICY_POLLING};
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		for (size_t p = 0; p < 3; p++) {
			begin(&f, keep[p], T, Q, E);
			runs(&f, Q - E - more);
			checker_depleted(f.checker, f.now);
			waits(&f, T - f.now);
			end(&f);
			assert_int_equal(f.counts[VMRT_RULE_PRESERVE].judged, 1);
			assert_int_equal(violations(&f, VMRT_RULE_PRESERVE), more);
		}
		assert_int_equal(f.counts[VMRT_RULE_PRESERVE].worst_ns, E + more);
		/* that of a periodic one passes, too, while a higher one runs at the latest by the
		 * end */
		begin(&f, VMRT_POLICY_PERIODIC, T, Q, E);
		sleeps(&f, Q - E - more);
		checker_depleted(f.checker, f.now);
		waits(&f, T - f.now);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_PRESERVE), more);
		/* a sporadic one has used it in the last period, wherever that began */
		begin(&f, VMRT_POLICY_SPORADIC, T, Q, E);
		sleeps(&f, T - 2 * MS);
		runs(&f, 3 * MS);
		sleeps(&f, 5 * MS);
		runs(&f, 1 * MS - E - more);
		checker_depleted(f.checker, f.now);
		waits(&f, 2 * T - f.now);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_PRESERVE), more);
	}
	/* without work a polling one has lost it anyway */
	begin(&f, VMRT_POLICY_POLLING, T, Q, E);
	runs(&f, 1 * MS);
	sleeps(&f, 10 * US);
	checker_depleted(f.checker, f.now);
	end(&f);
	assert_int_equal(f.counts[VMRT_RULE_PRESERVE].judged, 0);
}

static void without_budget_nobody_runs_on(void **state)
{
	static struct fixture f;

	(void)state;
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_DEFERRABLE, T, Q, E);
		runs(&f, Q);
		waits(&f, 1 * MS);
		checker_forbidden(f.checker, f.now - 1 * MS, f.now - 1 * MS + E / 2);
		checker_forbidden(f.checker, f.now - 200 * US, f.now - 200 * US + E / 2 + more);
		waits(&f, T - f.now);
		runs(&f, T); /* never without */
		end(&f);
		assert_int_equal(f.counts[VMRT_RULE_DEPLETED].judged, 1);
		assert_int_equal(violations(&f, VMRT_RULE_DEPLETED), more);
	}
	assert_int_equal(row(&f, VMRT_RULE_DEPLETED)->measured_ns, E + 1);
	assert_int_equal(row(&f, VMRT_RULE_DEPLETED)->from_ns, Q);
}

/* Used: 3 ms from 1 ms on, 1 ms from 7 ms on. They return at 13 and 19 ms. */
static void chunks(struct fixture *f, int64_t first, int64_t second, int64_t second_at)
{
	begin(f, VMRT_POLICY_SPORADIC, T, Q, E);
	sleeps(f, 1 * MS);
	runs(f, 3 * MS);
	sleeps(f, 3 * MS);
	runs(f, 1 * MS);
	sleeps(f, 5 * MS);
	checker_replenished(f->checker, 1 * MS + T, 1 * MS + T, first);
	sleeps(f, 6 * MS);
	checker_replenished(f->checker, second_at, second_at, second);
	sleeps(f, 3 * T);
	end(f);
}

static void a_chunk_returns_one_period_after_its_activation(void **state)
{
	static struct fixture f;

	(void)state;
	chunks(&f, 3 * MS + E, 1 * MS - E, 7 * MS + T + E);
	assert_int_equal(f.counts[VMRT_RULE_CHUNK].judged, 2);
	assert_int_equal(violations(&f, VMRT_RULE_CHUNK), 0);
	chunks(&f, 3 * MS + E + 1, 1 * MS - E, 7 * MS + T);
	assert_int_equal(violations(&f, VMRT_RULE_CHUNK), 1);
	chunks(&f, 3 * MS, 1 * MS - E - 1, 7 * MS + T);
	assert_int_equal(violations(&f, VMRT_RULE_CHUNK), 1);
	/* too early by more than the tolerance: it returns from nothing, and the second activation
	 * gets nothing */
	chunks(&f, 3 * MS, 1 * MS, 7 * MS + T - E - 1);
	assert_int_equal(violations(&f, VMRT_RULE_CHUNK), 2);
}

/* SCHED_DEADLINE 5 / 20 ms at a tick of 4 ms, as kernels do it: 6.5, 2.5, 6.5, 6.5, 2.5 ms. */
static void a_server_that_carries_its_overrun_is_judged_over_periods_in_a_row(void **state)
{
	static const int64_t some[] = {6500, 2500, 6500, 6500, 2500};
	static struct fixture f;

	(void)state;
	begin(&f, VMRT_POLICY_DEADLINE, 20 * MS, 5 * MS, 4 * MS);
	for (size_t i = 0; i < 5; i++) {
		runs(&f, some[i] * US);
		waits(&f, 20 * MS - some[i] * US);
	}
	end(&f);
	assert_int_equal(f.n_rows, 0);
	assert_int_equal(f.counts[VMRT_RULE_CUMULATIVE].judged, 5);
	/* 6.5 - 5 + 6.5 - 5 = 3 ms at the worst */
	assert_int_equal(f.counts[VMRT_RULE_CUMULATIVE].worst_ns, 3 * MS);
	assert_int_equal(f.counts[VMRT_RULE_SUPPLY].worst_ns, 2500 * US);
	/* 1 ms too much each time is 4 ms after four, and a nanosecond more in the fourth is one
	 * too many */
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_DEADLINE, 20 * MS, 5 * MS, 4 * MS);
		for (int i = 0; i < 4; i++) {
			int64_t ns = 6 * MS + (i == 3 ? more : 0);

			runs(&f, ns);
			waits(&f, 20 * MS - ns);
		}
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_CUMULATIVE), more);
	}
	assert_int_equal(row(&f, VMRT_RULE_CUMULATIVE)->from_ns, 0);
	assert_int_equal(row(&f, VMRT_RULE_CUMULATIVE)->to_ns, 80 * MS);
	assert_int_equal(row(&f, VMRT_RULE_CUMULATIVE)->allowed_ns, 20 * MS);
	/* the same with too little */
	for (int less = 0; less < 2; less++) {
		begin(&f, VMRT_POLICY_DEADLINE, 20 * MS, 5 * MS, 4 * MS);
		for (int i = 0; i < 4; i++) {
			int64_t ns = 4 * MS - (i == 3 ? less : 0);

			runs(&f, ns);
			waits(&f, 20 * MS - ns);
		}
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_SUPPLY), less);
	}
}

/* RT group 3 / 10 ms: 4, 6, 0, 6, 0, 6 ms is how kernels do it. CFS quota 3 / 10 ms: up to 6.6 ms.
 */
static void groups_of_the_kernel_may_do_as_kernels_do(void **state)
{
	static const int64_t rt[] = {4, 6, 0, 6, 0, 6};
	static struct fixture f;

	(void)state;
	begin(&f, VMRT_POLICY_RT_GROUP, 10 * MS, 3 * MS, 4 * MS);
	for (size_t i = 0; i < 6; i++) {
		runs(&f, rt[i] * MS);
		waits(&f, (10 - rt[i]) * MS);
	}
	end(&f);
	assert_int_equal(f.n_rows, 0);
	assert_int_equal(f.counts[VMRT_RULE_CUMULATIVE].worst_ns, 4 * MS);
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_RT_GROUP, 11 * MS, 3 * MS, 4 * MS);
		runs(&f, 10 * MS + more); /* two budgets and a tick */
		waits(&f, 1 * MS - more);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_BUDGET), more);
	}
	for (int more = 0; more < 2; more++) {
		begin(&f, VMRT_POLICY_CFS_QUOTA, 10 * MS, 3 * MS, 4 * MS);
		runs(&f, 7 * MS + more);
		waits(&f, 3 * MS - more);
		end(&f);
		assert_int_equal(violations(&f, VMRT_RULE_BUDGET), more);
		assert_int_equal(violations(&f, VMRT_RULE_CUMULATIVE), more);
		assert_int_equal(f.counts[VMRT_RULE_SUPPLY].judged, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_period_with_work_throughout_gets_its_budget),
		cmocka_unit_test(supply_is_not_judged_where_the_servers_are_too_many),
		cmocka_unit_test(one_with_budget_does_not_wait_for_a_lower_thread),
		cmocka_unit_test(the_budget_of_a_periodic_server_passes_while_it_is_idle),
		cmocka_unit_test(a_polling_server_loses_its_budget_when_there_is_no_work),
		cmocka_unit_test(an_idle_budget_passes_only_while_no_higher_server_has_the_cpu),
		cmocka_unit_test(a_budget_returns_when_it_is_due_neither_late_nor_early),
		cmocka_unit_test(a_budget_is_kept_until_it_is_used_up),
		cmocka_unit_test(without_budget_nobody_runs_on),
		cmocka_unit_test(a_chunk_returns_one_period_after_its_activation),
		cmocka_unit_test(a_server_that_carries_its_overrun_is_judged_over_periods_in_a_row),
		cmocka_unit_test(groups_of_the_kernel_may_do_as_kernels_do),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
