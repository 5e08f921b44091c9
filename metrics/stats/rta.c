/* SPDX-License-Identifier: MIT */
/* Response-time analysis and supply of servers: the bounds with which measured values are
 * compared. */
#include <vmrt/rta.h>

/* A response time above this counts as one without a bound: nobody waits 1000 s for a job. */
#define HORIZON_NS (1000 * VMRT_NS_PER_S)
/* An iteration needs more steps than this only where load and supply are nearly equal. */
#define MAX_STEPS 200000

static int64_t ceil_div(int64_t a, int64_t b)
{
	return a <= 0 ? 0 : (a - 1) / b + 1;
}

struct vmrt_supply vmrt_supply_prm(int64_t period_ns, int64_t budget_ns)
{
	return (struct vmrt_supply){period_ns, budget_ns, period_ns};
}

bool vmrt_supply_check(const struct vmrt_supply *supply)
{
	return supply->budget_ns > 0 && supply->budget_ns <= supply->deadline_ns &&
	       supply->deadline_ns <= supply->period_ns;
}

int64_t vmrt_supply_blackout(const struct vmrt_supply *supply)
{
	return supply->period_ns + supply->deadline_ns - 2 * supply->budget_ns;
}

/* The worst interval begins after a period in which the budget was received as early as possible.
 * In all later periods the budget is received as late as possible. So the interval begins with a
 * time without any supply (the blackout), and then there is the budget in each period. */
int64_t vmrt_sbf(const struct vmrt_supply *supply, int64_t t_ns)
{
	int64_t slack = supply->deadline_ns - supply->budget_ns;
	int64_t periods, rest;

	if (t_ns < slack || t_ns <= 0)
		return 0;
	periods = (t_ns - slack) / supply->period_ns;
	rest = t_ns - vmrt_supply_blackout(supply) - periods * supply->period_ns;
	return periods * supply->budget_ns + (rest > 0 ? rest : 0);
}

int64_t vmrt_sbf_inverse(const struct vmrt_supply *supply, int64_t demand_ns)
{
	__int128 periods, t;

	if (demand_ns <= 0)
		return 0;
	periods = ceil_div(demand_ns, supply->budget_ns) - 1;
	t = vmrt_supply_blackout(supply) + periods * (supply->period_ns - supply->budget_ns) +
	    demand_ns;
	return t < INT64_MAX ? (int64_t)t : INT64_MAX;
}

double vmrt_rta_utilisation(const struct vmrt_rta_task *tasks, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)tasks[i].wcet_ns / (double)tasks[i].period_ns;
	return sum;
}

/* The work to be done until a job of task @i ends, if jobs of all tasks that delay it arrive
 * together with it, and @t_ns have passed since. HORIZON_NS + 1 stands for any work beyond the
 * horizon. */
static int64_t demand(const struct vmrt_rta_task *tasks, size_t n, size_t i, int64_t t_ns)
{
	__int128 sum = (__int128)tasks[i].wcet_ns + tasks[i].blocking_ns;

	for (size_t j = 0; j < n; j++)
		if (j != i && tasks[j].priority >= tasks[i].priority)
			sum += (__int128)ceil_div(t_ns, tasks[j].period_ns) * tasks[j].wcet_ns;
	return sum <= HORIZON_NS ? (int64_t)sum : HORIZON_NS + 1;
}

int64_t vmrt_rta_response(
	const struct vmrt_rta_task *tasks, size_t n, size_t i, const struct vmrt_supply *supply)
{
	int64_t t = tasks[i].wcet_ns;

	for (int step = 0; step < MAX_STEPS / (int)n && t <= HORIZON_NS; step++) {
		int64_t next = vmrt_sbf_inverse(supply, demand(tasks, n, i, t));

		if (next <= t)
			return next;
		t = next;
	}
	return VMRT_UNKNOWN;
}

bool vmrt_rta_feasible(
	const struct vmrt_rta_task *tasks, size_t n, const struct vmrt_supply *supply)
{
	for (size_t i = 0; i < n; i++) {
		int64_t r = vmrt_rta_response(tasks, n, i, supply);

		if (r == VMRT_UNKNOWN || r > tasks[i].deadline_ns)
			return false;
	}
	return true;
}

int64_t vmrt_rta_server_response(const struct vmrt_rta_server *servers, size_t n, size_t i)
{
	int64_t r = servers[i].budget_ns;

	for (int step = 0; step < MAX_STEPS / (int)n && r <= HORIZON_NS; step++) {
		int64_t next = servers[i].budget_ns;

		for (size_t x = 0; x < n; x++)
			if (x != i && servers[x].priority >= servers[i].priority)
				next += ceil_div(r + servers[x].jitter_ns, servers[x].period_ns) *
					servers[x].budget_ns;
		if (next <= r)
			return r;
		r = next;
	}
	return VMRT_UNKNOWN;
}

int64_t vmrt_rta_least_budget(
	const struct vmrt_rta_task *tasks, size_t n, int64_t period_ns, int64_t step_ns, bool top)
{
	int64_t low = 0,
		high = period_ns / step_ns + 1; /* in steps: @low is too little, @high enough */

	while (high - low > 1) {
		int64_t steps = low + (high - low) / 2;
		struct vmrt_supply supply = vmrt_supply_prm(period_ns, steps * step_ns);

		if (top)
			supply.deadline_ns = supply.budget_ns;
		if (vmrt_rta_feasible(tasks, n, &supply))
			high = steps;
		else
			low = steps;
	}
	return high > period_ns / step_ns ? VMRT_UNKNOWN : high * step_ns;
}
