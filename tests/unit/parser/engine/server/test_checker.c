/* SPDX-License-Identifier: MIT */
/*
 * The checker, fed with supply worked out on paper: each rule once exactly at what is allowed plus
 * the tolerance, and once a nanosecond beyond it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "parser/engine/server/checker.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define T (12 * MS)
#define Q (4 * MS)
#define E (250 * US)
#define TOP Q /* response of a server with none above it */
#define MANY 64

struct fixture {
	struct checker *checker;
	int64_t now, period, budget, response;
	struct vmrt_violation rows[MANY];
	size_t n_rows;
	struct vmrt_check counts[VMRT_RULES];
};

static void on_violation(void *ctx, const struct vmrt_violation *v)
{
	struct fixture *f = ctx;

	assert_true(f->n_rows < MANY);
	f->rows[f->n_rows++] = *v;
}

static void on_check(void *ctx, const struct vmrt_check *c)
{
	struct fixture *f = ctx;

	f->counts[c->rule] = *c;
}

static void begin(struct fixture *f, enum vmrt_policy policy, int64_t period, int64_t budget,
	int64_t tolerance)
{
	struct checker_config config = {
		.server = 7,
		.policy = policy,
		.period_ns = period,
		.budget_ns = budget,
		.tolerance_ns = tolerance,
		.grid = true,
		.enforced = true,
		.ctx = f,
		.violation = on_violation,
		.check = on_check,
	};

	memset(f, 0, sizeof(*f));
	f->period = period;
	f->budget = f->response = budget;
	f->checker = checker_new(&config, 0);
	assert_non_null(f->checker);
	checker_period(f->checker, 0, true, f->response);
}

/* Goes on in the state @s for @ns, over period ends. */
static void pass(struct fixture *f, int64_t ns, struct checker_supply s)
{
	while (ns > 0) {
		int64_t step = f->period - f->now % f->period;

		if (step > ns)
			step = ns;
		checker_supply(f->checker, f->now, f->now + step, &s);
		f->now += step;
		ns -= step;
		if (f->now % f->period == 0)
			checker_period(f->checker, f->now, true, f->response);
	}
}

static void runs(struct fixture *f, int64_t ns)
{
	pass(f, ns, (struct checker_supply){.served = 1, .wanting = 1, .eligible = true});
}

static void waits(struct fixture *f, int64_t ns)
{
	pass(f, ns, (struct checker_supply){.wanting = 1});
}

static void sleeps(struct fixture *f, int64_t ns)
{
	pass(f, ns,
		(struct checker_supply){.eligible = true, .selected = f->response == f->budget});
}

static void end(struct fixture *f)
{
	checker_safe(f->checker, INT64_MAX);
	checker_finish(f->checker);
	checker_free(f->checker);
}

static size_t violations(const struct fixture *f, enum vmrt_rule rule)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_rows; i++)
		n += f->rows[i].rule == rule;
	assert_int_equal(n, f->counts[rule].violations);
	return n;
}

static const struct vmrt_violation *row(const struct fixture *f, enum vmrt_rule rule)
{
	for (size_t i = 0; i < f->n_rows; i++)
		if (f->rows[i].rule == rule)
			return &f->rows[i];
	fail();
	return NULL;
}

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
		/* what is allowed is so much that nothing is a violation: worst_ns tells what was
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
	/* one that never ends is told of in every period */
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
	/* a pause that is shorter cannot be held against it, nor one in which higher servers ran */
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
		cmocka_unit_test(a_period_with_work_throughout_gets_its_budget),
		cmocka_unit_test(supply_is_not_judged_where_the_servers_are_too_many),
		cmocka_unit_test(one_with_budget_does_not_wait_for_a_lower_thread),
		cmocka_unit_test(the_budget_of_a_periodic_server_passes_while_it_is_idle),
		cmocka_unit_test(a_polling_server_loses_its_budget_when_there_is_no_work),
		cmocka_unit_test(an_idle_budget_passes_only_while_no_higher_server_has_the_cpu),
		cmocka_unit_test(a_budget_returns_when_it_is_due_neither_late_nor_early),
		cmocka_unit_test(a_budget_is_kept_until_it_is_used_up),
		cmocka_unit_test(without_budget_nobody_runs_on),
		cmocka_unit_test(each_cpu_has_the_budget_of_a_group),
		cmocka_unit_test(a_chunk_returns_one_period_after_its_activation),
		cmocka_unit_test(a_server_that_carries_its_overrun_is_judged_over_periods_in_a_row),
		cmocka_unit_test(groups_of_the_kernel_may_do_as_kernels_do),
		cmocka_unit_test(doubtful_windows_are_unknown_whenever_the_doubt_comes),
		cmocka_unit_test(verdicts_wait_until_no_doubt_can_come),
		cmocka_unit_test(
			a_cpu_that_stays_silent_makes_violations_unknown_and_memory_bounded),
		cmocka_unit_test(periods_that_are_not_whole_are_not_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
