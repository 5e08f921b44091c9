/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_RULES_ADMISSION_H
#define VMRT_HSF_RULES_ADMISSION_H

/* Tests which servers can have their budgets together (admission.c). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vmrt/experiment.h>
#include <vmrt/status.h>
#include <vmrt/units.h>

#define HSF_LEAST_PERIOD_NS (500 * VMRT_NS_PER_US) /* about 25 us of each go to enforcing */
#define HSF_LEAST_BUDGET_NS (100 * VMRT_NS_PER_US)

struct hsf_demand {
	const char *name;
	int cpu;
	int priority;
	bool by_deadline; /* among those of its priority: EDF */
	int64_t period_ns;
	int64_t budget_ns;
	int64_t jitter_ns;   /* period - budget for a server that keeps its budget, else 0 */
	int64_t response_ns; /* result: after this time from its release the whole budget is sure to
				have been available */
};

/** hsf_demand_from - what a server asks of CPU @cpu; @spec must live as long */
void hsf_demand_from(const struct vmrt_server_spec *spec, int cpu, struct hsf_demand *out);

/** hsf_admit - response-time analysis of @d per CPU; returns how many fail (response_ns > period)
 */
size_t hsf_admit(struct hsf_demand *d, size_t n);

/** hsf_utilisation - sum of budget / period of the servers on @cpu */
double hsf_utilisation(const struct hsf_demand *d, size_t n, int cpu);

/** hsf_admission - VMRT_EBUSY, with the set and the reason, if not all of @d can have their budgets
 */
enum vmrt_status hsf_admission(struct hsf_demand *d, size_t n, struct vmrt_error *err);

/* ---- what the kernel keeps for others: reserve.c ---- */

struct hsf_reserve {
	double share;  /* share of a CPU that is left to real-time threads while others want to run;
			  1: all */
	char why[128]; /* the setting that limits it */
};

/** hsf_reserve_read - read how much of @cpu is left to real-time threads now */
void hsf_reserve_read(int cpu, struct hsf_reserve *out);

/** hsf_reserve_share - @runtime / @period, or 1 where that is no limit (unknown, or -1) */
double hsf_reserve_share(int64_t runtime, int64_t period);

/**
 * hsf_reserve_group - share that the real-time group of @pid has (cgroup version 1), 1 if there is
 * no limit
 * @group: receives its path
 */
double hsf_reserve_group(pid_t pid, char *group, size_t room);

#endif
