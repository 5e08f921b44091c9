/* SPDX-License-Identifier: MIT */
/* Supply bounds and response-time analysis, against published and exhaustively checked figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "near.h"

#include <vmrt/rta.h>

#define MS VMRT_NS_PER_MS
#define TICK (4 * MS)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* rt_task1 and rt_task2 of Asberg, Forsberg, Nolte, Kato 2011, ticks of 4 ms */
static const struct vmrt_rta_task paper[] = {
	{.wcet_ns = 2 * TICK, .period_ns = 5 * TICK, .deadline_ns = 5 * TICK, .priority = 60},
	{.wcet_ns = 20 * TICK, .period_ns = 55 * TICK, .deadline_ns = 55 * TICK, .priority = 59},
};

static void least_supply_of_the_published_server_in_ticks(void **state)
{
	static const int64_t prm[] = {0, 0, 0, 0, 0, 1, 1, 1, 2},
			     top[] = {0, 0, 0, 1, 1, 1, 2, 2, 2};
	struct vmrt_supply by_model = vmrt_supply_prm(3, 1), by_priority = {3, 1, 1};

	(void)state;
	for (int64_t t = 0; t <= 8; t++) {
		assert_int_equal(vmrt_sbf(&by_model, t), prm[t]);
		assert_int_equal(vmrt_sbf(&by_priority, t), top[t]);
	}
	assert_int_equal(vmrt_supply_blackout(&by_model), 4);
	assert_int_equal(vmrt_supply_blackout(&by_priority), 2);
	assert_int_equal(vmrt_sbf_inverse(&by_model, 2), 8);
	assert_int_equal(vmrt_sbf_inverse(&by_priority, 2), 6);
}

/*
 * The least supply over every way to place the budget, each unit at or after the start of its
 * period and before its deadline: first period as early as possible or any other way, by brute
 * force over whole units in bit masks.
 */
static int64_t searched_sbf(int64_t period, int64_t budget, int64_t deadline, int64_t t)
{
	int64_t least = INT64_MAX;

	for (int64_t from = 0; from < period; from++) {
		int64_t sum = 0;

		/* the adversary: supply outside [from, from + t) wherever the model allows it */
		for (int64_t start = 0; start < from + t; start += period) {
			int64_t end = start + deadline, inside;
			int64_t a = from > start ? from : start,
				b = from + t < end ? from + t : end;

			inside = b > a ? b - a : 0;
			/* units of [start, end) outside the window take the budget first */
			sum += budget > deadline - inside ? budget - (deadline - inside) : 0;
		}
		if (sum < least)
			least = sum;
	}
	return least;
}

static void bound_equals_a_search_over_all_placements(void **state)
{
	(void)state;
	for (int64_t period = 1; period <= 12; period++)
		for (int64_t budget = 1; budget <= period; budget++)
			for (int64_t deadline = budget; deadline <= period; deadline++)
				for (int64_t t = 0; t <= 4 * period; t++) {
					struct vmrt_supply s = {period, budget, deadline};

					assert_int_equal(vmrt_sbf(&s, t),
						searched_sbf(period, budget, deadline, t));
				}
}

static void inverse_is_the_shortest_interval_with_that_supply(void **state)
{
	(void)state;
	for (int64_t budget = 1; budget <= 7; budget++)
		for (int64_t deadline = budget; deadline <= 7; deadline++)
			for (int64_t need = 1; need <= 30; need++) {
				struct vmrt_supply s = {7, budget, deadline};
				int64_t t = vmrt_sbf_inverse(&s, need);

				assert_true(vmrt_sbf(&s, t) >= need);
				assert_true(vmrt_sbf(&s, t - 1) < need);
			}
}

static void paper_tasks_on_a_cpu_of_their_own(void **state)
{
	struct vmrt_supply whole = vmrt_supply_prm(1 * MS, 1 * MS);

	(void)state;
	assert_near(vmrt_rta_utilisation(paper, 2), 0.763636, 1e-6);
	assert_int_equal(vmrt_rta_response(paper, 2, 0, &whole), 2 * TICK);
	assert_int_equal(vmrt_rta_response(paper, 2, 1, &whole), 34 * TICK);
}

static void paper_tasks_are_not_feasible_in_the_published_server(void **state)
{
	struct vmrt_supply published = vmrt_supply_prm(3 * TICK, 1 * TICK);

	(void)state;
	assert_false(vmrt_rta_feasible(paper, 2, &published));
	assert_int_equal(vmrt_rta_response(paper, 2, 0, &published), 8 * TICK);
	/* rt_task1 alone asks for more than a third of the CPU: no bound for rt_task2 */
	assert_true(vmrt_rta_response(paper, 2, 1, &published) == VMRT_UNKNOWN);
}

static void paper_tasks_are_feasible_in_twelve_and_ten_ms(void **state)
{
	struct vmrt_supply model = vmrt_supply_prm(12 * MS, 10 * MS);
	struct vmrt_supply top = {12 * MS, 10 * MS, 10 * MS};

	(void)state;
	assert_true(vmrt_rta_feasible(paper, 2, &model));
	assert_int_equal(vmrt_rta_response(paper, 2, 0, &model), 12 * MS);
	assert_int_equal(vmrt_rta_response(paper, 2, 1, &model), 194 * MS);
	assert_int_equal(vmrt_rta_response(paper, 2, 0, &top), 10 * MS);
	assert_int_equal(vmrt_rta_response(paper, 2, 1, &top), 192 * MS);
}

/* All in hundredths of a tick. */
static const struct {
	int64_t period;
	int64_t prm, prm_r1, prm_r2;
	int64_t top, top_r1, top_r2;
} least_budgets[] = {
	{100, 80, 280, 5280, 80, 260, 5000},
	{200, 160, 320, 5320, 155, 290, 5460},
	{250, 195, 365, 5465, 195, 310, 5410},
	{300, 235, 330, 5435, 235, 265, 5370},
	{500, 395, 410, 5460, 385, 315, 5465},
};

static void least_budgets_of_the_paper_tasks(void **state)
{
	const int64_t unit = TICK / 100;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(least_budgets); i++) {
		int64_t period = least_budgets[i].period * unit;
		int64_t prm = vmrt_rta_least_budget(paper, 2, period, 5 * unit, false);
		int64_t top = vmrt_rta_least_budget(paper, 2, period, 5 * unit, true);
		struct vmrt_supply model = vmrt_supply_prm(period, prm), first = {period, top, top};

		assert_int_equal(prm, least_budgets[i].prm * unit);
		assert_int_equal(
			vmrt_rta_response(paper, 2, 0, &model), least_budgets[i].prm_r1 * unit);
		assert_int_equal(
			vmrt_rta_response(paper, 2, 1, &model), least_budgets[i].prm_r2 * unit);
		assert_int_equal(top, least_budgets[i].top * unit);
		assert_int_equal(
			vmrt_rta_response(paper, 2, 0, &first), least_budgets[i].top_r1 * unit);
		assert_int_equal(
			vmrt_rta_response(paper, 2, 1, &first), least_budgets[i].top_r2 * unit);
	}
}

static void no_budget_is_enough_for_too_much_work(void **state)
{
	struct vmrt_rta_task two[] = {
		{.wcet_ns = 8 * MS, .period_ns = 10 * MS, .deadline_ns = 10 * MS, .priority = 2},
		{.wcet_ns = 8 * MS, .period_ns = 20 * MS, .deadline_ns = 20 * MS, .priority = 1},
	};

	(void)state;
	assert_true(vmrt_rta_least_budget(two, 2, 5 * MS, MS, false) == VMRT_UNKNOWN);
	two[1].wcet_ns = 1 * MS;
	assert_int_equal(vmrt_rta_least_budget(two, 2, 5 * MS, 5 * MS, false), 5 * MS);
}

/* MemSched's first experiment; priorities turned so that larger is higher */
static const struct vmrt_rta_server core0[] = {
	{.period_ns = 24 * MS, .budget_ns = 8 * MS, .priority = 10},
	{.period_ns = 40 * MS, .budget_ns = 16 * MS, .priority = 9},
};
static const struct vmrt_rta_server core1[] = {
	{.period_ns = 80 * MS, .budget_ns = 12 * MS, .priority = 10},
	{.period_ns = 60 * MS, .budget_ns = 8 * MS, .priority = 8},
	{.period_ns = 80 * MS, .budget_ns = 12 * MS, .priority = 7},
};
#define TASK(c, t, p)                                                                              \
	{                                                                                          \
		.wcet_ns = (c)*MS, .period_ns = (t)*MS, .deadline_ns = (t)*MS, .priority = (p)     \
	}
static const struct vmrt_rta_task s0[] = {TASK(2, 40, 98), TASK(4, 48, 97)};
static const struct vmrt_rta_task s1[] = {TASK(8, 60, 98)};
static const struct vmrt_rta_task s2[] = {TASK(4, 60, 98), TASK(10, 160, 97)};
static const struct vmrt_rta_task s3[] = {TASK(14, 160, 97)};
static const struct vmrt_rta_task s4[] = {TASK(8, 200, 98), TASK(8, 200, 97)};

static const struct {
	const char *task;
	const struct vmrt_rta_server *servers;
	size_t n_servers, s;
	const struct vmrt_rta_task *tasks;
	size_t n, i;
	int64_t server_r, blackout_prm, blackout_edp, r_prm, r_edp;
} memsched[] = {
	{"T1", core0, 2, 0, s0, 2, 0, 8, 32, 16, 34, 18},
	{"T2", core0, 2, 0, s0, 2, 1, 8, 32, 16, 38, 22},
	{"T3", core0, 2, 1, s1, 1, 0, 24, 48, 32, 56, 40},
	{"T6", core1, 3, 0, s3, 1, 0, 12, 136, 68, 218, 150},
	{"T4", core1, 3, 1, s2, 2, 0, 20, 104, 64, 108, 68},
	{"T5", core1, 3, 1, s2, 2, 1, 20, 104, 64, 290, 250},
	{"T7", core1, 3, 2, s4, 2, 0, 32, 136, 88, 144, 96},
	{"T8", core1, 3, 2, s4, 2, 1, 32, 136, 88, 228, 172},
};

static int64_t ceil_div(int64_t a, int64_t b)
{
	return a <= 0 ? 0 : (a - 1) / b + 1;
}

/*
 * The same bound in another form, to compare with: the recurrence of Davis and Burns (RTSS 2005)
 * for task @i in server @s, whose tasks may arrive right after the server has used its budget up.
 */
static int64_t davis_burns(const struct vmrt_rta_task *tasks, size_t n, size_t i,
	const struct vmrt_rta_server *servers, size_t n_servers, size_t s)
{
	int64_t budget = servers[s].budget_ns, gap = servers[s].period_ns - budget;
	int64_t w = tasks[i].wcet_ns;

	while (w <= 100 * tasks[i].period_ns) {
		int64_t load = tasks[i].wcet_ns + tasks[i].blocking_ns, whole, next;

		for (size_t j = 0; j < n; j++)
			if (j != i && tasks[j].priority >= tasks[i].priority)
				load += ceil_div(w + gap, tasks[j].period_ns) * tasks[j].wcet_ns;
		whole = ceil_div(load, budget) - 1; /* budgets that are used up before the last */
		next = load + whole * gap;
		/* servers of higher priority delay the last, partly used budget */
		for (size_t x = 0; x < n_servers; x++)
			if (x != s && servers[x].priority >= servers[s].priority)
				next += ceil_div(w - whole * servers[s].period_ns +
							 servers[x].jitter_ns,
						servers[x].period_ns) *
					servers[x].budget_ns;
		if (next <= w)
			return w + gap;
		w = next;
	}
	return VMRT_UNKNOWN;
}

static void two_server_analyses_agree_on_the_memsched_experiment(void **state)
{
	(void)state;
	for (size_t m = 0; m < ARRAY_SIZE(memsched); m++) {
		const struct vmrt_rta_server *server = &memsched[m].servers[memsched[m].s];
		int64_t r = vmrt_rta_server_response(
			memsched[m].servers, memsched[m].n_servers, memsched[m].s);
		struct vmrt_supply prm = vmrt_supply_prm(server->period_ns, server->budget_ns);
		struct vmrt_supply edp = {server->period_ns, server->budget_ns, r};

		assert_int_equal(r, memsched[m].server_r * MS);
		assert_int_equal(vmrt_supply_blackout(&prm), memsched[m].blackout_prm * MS);
		assert_int_equal(vmrt_supply_blackout(&edp), memsched[m].blackout_edp * MS);
		assert_int_equal(
			vmrt_rta_response(memsched[m].tasks, memsched[m].n, memsched[m].i, &prm),
			memsched[m].r_prm * MS);
		assert_int_equal(
			vmrt_rta_response(memsched[m].tasks, memsched[m].n, memsched[m].i, &edp),
			memsched[m].r_edp * MS);
		assert_int_equal(davis_burns(memsched[m].tasks, memsched[m].n, memsched[m].i,
					 memsched[m].servers, memsched[m].n_servers, memsched[m].s),
			memsched[m].r_edp * MS);
	}
}

static void deferrable_server_above_disturbs_by_its_jitter(void **state)
{
	/* back to back: 2 budgets of (10, 4) fall into the first 8 ms of the lower server */
	struct vmrt_rta_server two[] = {
		{.period_ns = 10, .budget_ns = 4, .jitter_ns = 6, .priority = 2},
		{.period_ns = 30, .budget_ns = 3, .priority = 1},
	};

	(void)state;
	assert_int_equal(vmrt_rta_server_response(two, 2, 0), 4);
	assert_int_equal(vmrt_rta_server_response(two, 2, 1), 11);
	two[0].jitter_ns = 0;
	assert_int_equal(vmrt_rta_server_response(two, 2, 1), 7);
}

static void tasks_of_equal_priority_delay_each_other(void **state)
{
	struct vmrt_rta_task equal[] = {TASK(2, 20, 5), TASK(3, 20, 5)};
	struct vmrt_supply whole = vmrt_supply_prm(MS, MS);

	(void)state;
	assert_int_equal(vmrt_rta_response(equal, 2, 0, &whole), 5 * MS);
	assert_int_equal(vmrt_rta_response(equal, 2, 1, &whole), 5 * MS);
}

/* A random number below @n, the same in every run. */
static int64_t below(int64_t n)
{
	static uint64_t x = 88172645463325252;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (int64_t)(x % (uint64_t)n);
}

#define SIM_TASKS 3
#define SIM_SERVERS 3

/* Unit by unit: the server that runs is the highest with budget, its task the highest that has
 * work. */
struct world {
	struct vmrt_rta_server servers[SIM_SERVERS];
	size_t n_servers, s; /* the tasks are in server @s */
	struct vmrt_rta_task tasks[SIM_TASKS];
	size_t n_tasks;
};

static struct world random_world(void)
{
	struct world w = {.n_servers = 1 + (size_t)below(SIM_SERVERS),
		.n_tasks = 1 + (size_t)below(SIM_TASKS)};

	w.s = w.n_servers - 1; /* the lowest one */
	for (size_t i = 0; i < w.n_servers; i++) {
		w.servers[i].period_ns = 4 + below(12);
		w.servers[i].budget_ns = 1 + below(w.servers[i].period_ns / 2);
		w.servers[i].priority = 10 - (int)i;
	}
	for (size_t i = 0; i < w.n_tasks; i++) {
		w.tasks[i].period_ns = 20 + below(60);
		w.tasks[i].deadline_ns = w.tasks[i].period_ns;
		w.tasks[i].wcet_ns = 1 + below(4);
		w.tasks[i].priority = 10 - (int)i;
	}
	return w;
}

/*
 * The response time of the lowest task when all tasks arrive right after their server has used up a
 * budget that it got as early as possible, and from the next period of the server on all other
 * servers begin with it and always want to run (periodic servers, which burn their budgets). -1 if
 * it takes longer than its period.
 */
static int64_t simulated(const struct world *w)
{
	const struct vmrt_rta_server *own = &w->servers[w->s];
	int64_t arrival =
		own->budget_ns - own->period_ns; /* the servers' next period begins at 0 */
	int64_t budget[SIM_SERVERS] = {0}, work[SIM_TASKS] = {0}, last = (int64_t)w->n_tasks - 1;

	for (int64_t t = arrival; t < arrival + w->tasks[last].period_ns; t++) {
		size_t running = SIM_SERVERS;

		for (size_t i = 0; i < w->n_tasks; i++)
			if ((t - arrival) % w->tasks[i].period_ns == 0)
				work[i] += w->tasks[i].wcet_ns;
		if (t < 0)
			continue;
		for (size_t i = 0; i < w->n_servers; i++)
			if (t % w->servers[i].period_ns == 0)
				budget[i] = w->servers[i].budget_ns;
		for (size_t i = 0; i < w->n_servers && running == SIM_SERVERS; i++)
			if (budget[i] > 0)
				running = i;
		if (running == SIM_SERVERS)
			continue;
		budget[running]--;
		for (size_t i = 0; running == w->s && i < w->n_tasks; i++) {
			if (!work[i])
				continue;
			work[i]--;
			break;
		}
		if (!work[last])
			return t + 1 - arrival;
	}
	return -1;
}

static void two_forms_and_a_schedule_agree_on_random_sets(void **state)
{
	int compared = 0, exact = 0, tops = 0;

	(void)state;
	for (int round = 0; round < 8000; round++) {
		struct world w = random_world();
		const struct vmrt_rta_server *own = &w.servers[w.s];
		int64_t server_r = vmrt_rta_server_response(w.servers, w.n_servers, w.s);
		size_t last = w.n_tasks - 1;
		struct vmrt_supply edp = {own->period_ns, own->budget_ns, server_r};
		struct vmrt_supply prm = vmrt_supply_prm(own->period_ns, own->budget_ns);
		int64_t by_edp, by_prm, by_recurrence, seen;

		if (server_r == VMRT_UNKNOWN || server_r > own->period_ns)
			continue;
		by_edp = vmrt_rta_response(w.tasks, w.n_tasks, last, &edp);
		by_prm = vmrt_rta_response(w.tasks, w.n_tasks, last, &prm);
		by_recurrence = davis_burns(w.tasks, w.n_tasks, last, w.servers, w.n_servers, w.s);
		if (by_recurrence == VMRT_UNKNOWN || by_recurrence > w.tasks[last].period_ns)
			continue;
		seen = simulated(&w);
		compared++;
		/* a schedule that can happen is never later than either bound, and the finer bound
		 * is the earlier one */
		assert_true(seen > 0);
		assert_true(seen <= by_recurrence);
		assert_true(by_recurrence <= by_edp);
		assert_true(by_edp <= by_prm);
		exact += seen == by_recurrence;
		if (w.n_servers == 1) { /* nothing is above: then both say what happens */
			tops++;
			assert_int_equal(by_recurrence, by_edp);
			assert_int_equal(by_recurrence, seen);
		}
	}
	assert_true(compared > 1000);
	assert_true(tops > 500);
	assert_true(exact > compared / 2);
}

static void least_budget_is_the_least_on_random_sets(void **state)
{
	(void)state;
	for (int round = 0; round < 1000; round++) {
		struct world w = random_world();
		int64_t period = 4 + below(16);
		int64_t budget = vmrt_rta_least_budget(w.tasks, w.n_tasks, period, 1, false);
		int64_t first = VMRT_UNKNOWN;

		for (int64_t b = 1; b <= period && first == VMRT_UNKNOWN; b++) {
			struct vmrt_supply supply = vmrt_supply_prm(period, b);

			if (vmrt_rta_feasible(w.tasks, w.n_tasks, &supply))
				first = b;
		}
		assert_true(budget == first);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(least_supply_of_the_published_server_in_ticks),
		cmocka_unit_test(bound_equals_a_search_over_all_placements),
		cmocka_unit_test(inverse_is_the_shortest_interval_with_that_supply),
		cmocka_unit_test(paper_tasks_on_a_cpu_of_their_own),
		cmocka_unit_test(paper_tasks_are_not_feasible_in_the_published_server),
		cmocka_unit_test(paper_tasks_are_feasible_in_twelve_and_ten_ms),
		cmocka_unit_test(least_budgets_of_the_paper_tasks),
		cmocka_unit_test(no_budget_is_enough_for_too_much_work),
		cmocka_unit_test(two_server_analyses_agree_on_the_memsched_experiment),
		cmocka_unit_test(deferrable_server_above_disturbs_by_its_jitter),
		cmocka_unit_test(tasks_of_equal_priority_delay_each_other),
		cmocka_unit_test(two_forms_and_a_schedule_agree_on_random_sets),
		cmocka_unit_test(least_budget_is_the_least_on_random_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
