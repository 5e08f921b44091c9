/* SPDX-License-Identifier: MIT */
#ifndef CHECKERFIX_H
#define CHECKERFIX_H

/* Stretches of time by hand for the tests of the checker of rules. */
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

static inline void on_violation(void *ctx, const struct vmrt_violation *v)
{
	struct fixture *f = ctx;

	assert_true(f->n_rows < MANY);
	f->rows[f->n_rows++] = *v;
}

static inline void on_check(void *ctx, const struct vmrt_check *c)
{
	struct fixture *f = ctx;

	f->counts[c->rule] = *c;
}

static inline void begin(struct fixture *f, enum vmrt_policy policy, int64_t period, int64_t budget,
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
static inline void pass(struct fixture *f, int64_t ns, struct checker_supply s)
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

static inline void runs(struct fixture *f, int64_t ns)
{
	pass(f, ns, (struct checker_supply){.served = 1, .wanting = 1, .eligible = true});
}

static inline void waits(struct fixture *f, int64_t ns)
{
	pass(f, ns, (struct checker_supply){.wanting = 1});
}

static inline void sleeps(struct fixture *f, int64_t ns)
{
	pass(f, ns,
		(struct checker_supply){.eligible = true, .selected = f->response == f->budget});
}

static inline void end(struct fixture *f)
{
	checker_safe(f->checker, INT64_MAX);
	checker_finish(f->checker);
	checker_free(f->checker);
}

static inline size_t violations(const struct fixture *f, enum vmrt_rule rule)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_rows; i++)
		n += f->rows[i].rule == rule;
	assert_int_equal(n, f->counts[rule].violations);
	return n;
}

static inline const struct vmrt_violation *row(const struct fixture *f, enum vmrt_rule rule)
{
	for (size_t i = 0; i < f->n_rows; i++)
		if (f->rows[i].rule == rule)
			return &f->rows[i];
	fail();
	return NULL;
}

#endif
