/* SPDX-License-Identifier: MIT */
#ifndef VMRT_RTA_H
#define VMRT_RTA_H

/*
 * What a task set may expect by theory: supply bound functions and response-time analysis under
 * fixed priorities, on a CPU of its own or in a server. All times in ns, exact integers.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>
#include <vmrt/units.h>

struct vmrt_rta_task {
	int64_t wcet_ns, period_ns, deadline_ns;
	int64_t blocking_ns; /* by tasks of lower priority */
	int priority;	     /* larger is higher; equal ones delay each other */
};

/*
 * An explicit-deadline periodic resource: @budget_ns of supply within @deadline_ns of the start of
 * each @period_ns (Easwaran, Anand, Lee, RTSS 2007). With deadline = period it is the periodic
 * resource model (Shin, Lee, RTSS 2003); with deadline = budget a server of the highest priority;
 * with all three equal a CPU of its own.
 */
struct vmrt_supply {
	int64_t period_ns, budget_ns, deadline_ns;
};

struct vmrt_rta_server {
	int64_t period_ns, budget_ns;
	int64_t jitter_ns; /* as interferer: period - budget of a deferrable server, else 0 */
	int priority;	   /* larger is higher */
};

/** vmrt_supply_prm - the periodic resource model of (@period_ns, @budget_ns) */
struct vmrt_supply vmrt_supply_prm(int64_t period_ns, int64_t budget_ns);

/** vmrt_supply_check - 0 < budget <= deadline <= period? */
bool vmrt_supply_check(const struct vmrt_supply *supply);

/** vmrt_sbf - least supply in any interval of length @t_ns */
int64_t vmrt_sbf(const struct vmrt_supply *supply, int64_t t_ns);

/** vmrt_sbf_inverse - the shortest interval in which at least @demand_ns is supplied for certain */
int64_t vmrt_sbf_inverse(const struct vmrt_supply *supply, int64_t demand_ns);

/** vmrt_supply_blackout - the longest interval without any supply: period + deadline - 2 budget */
int64_t vmrt_supply_blackout(const struct vmrt_supply *supply);

/** vmrt_rta_utilisation - sum of WCET / period */
double vmrt_rta_utilisation(const struct vmrt_rta_task *tasks, size_t n);

/**
 * vmrt_rta_response - worst-case response time of task @i in @supply, by the supply bound function
 *
 * The least t with sbf(t) >= C + B + sum over tasks j of higher priority of ceil(t / T_j) C_j. This
 * t is the bound of the first job of a busy period: for a task whose deadline is not beyond its
 * period, a result within the deadline is the bound of all jobs, and a result beyond the deadline
 * means that the task is not schedulable.
 *
 * Return: the response time; VMRT_UNKNOWN if it has no bound.
 */
int64_t vmrt_rta_response(
	const struct vmrt_rta_task *tasks, size_t n, size_t i, const struct vmrt_supply *supply);

/** vmrt_rta_feasible - does every task of @tasks meet its deadline in @supply by the analysis? */
bool vmrt_rta_feasible(
	const struct vmrt_rta_task *tasks, size_t n, const struct vmrt_supply *supply);

/**
 * vmrt_rta_server_response - worst-case time until server @i got its whole budget
 *
 * Return: the time, which can be vmrt_supply.deadline_ns if it is within the period; VMRT_UNKNOWN
 * if it has no bound.
 */
int64_t vmrt_rta_server_response(const struct vmrt_rta_server *servers, size_t n, size_t i);

/**
 * vmrt_rta_least_budget - the least budget that makes the tasks feasible
 * @period_ns: of the server
 * @step_ns: the budget is a multiple of this
 * @top: the server has the highest priority (deadline = budget); otherwise the periodic resource
 * model
 *
 * Return: the budget; VMRT_UNKNOWN if not even the whole CPU is enough.
 */
int64_t vmrt_rta_least_budget(
	const struct vmrt_rta_task *tasks, size_t n, int64_t period_ns, int64_t step_ns, bool top);

#endif
