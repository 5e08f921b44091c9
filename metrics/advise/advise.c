/* SPDX-License-Identifier: MIT */
/* Computes the least budgets that are enough for the tasks, and whether the servers fit
 * together. */
#include "advise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PERIOD_PARTS 20 /* periods that are looked at: parts of the shortest task period */
#define PERIOD_MIN (VMRT_NS_PER_MS) /* shortest period; shorter ones cost more than they gain */
#define PERIOD_GRID (100 * VMRT_NS_PER_US) /* periods are multiples of it */
#define TOP_PRIORITY 50			   /* priority of the server with the shortest period */
#define GROWTH_MAX 100.0		   /* larger growth is not searched for */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The VM's tasks as the analysis needs them; execution times are multiplied by 1 + @growth. */
static struct vmrt_rta_task *analysed(const struct advised_vm *vm, double growth)
{
	struct vmrt_rta_task *tasks = calloc(vm->n_tasks + 1, sizeof(*tasks));

	for (size_t i = 0; tasks && i < vm->n_tasks; i++) {
		const struct vmrt_task_spec *spec = vm->tasks[i].spec;

		tasks[i] = (struct vmrt_rta_task){
			.wcet_ns = (int64_t)((double)vm->tasks[i].used_ns * (1 + growth)),
			.period_ns = spec->period_ns,
			/* the analysis is about one job of each task: it cannot use a deadline
			   behind the period */
			.deadline_ns = spec->deadline_ns ? least(spec->deadline_ns, spec->period_ns)
							 : spec->period_ns,
			.priority = spec->priority,
		};
	}
	return tasks;
}

/* The supply that the server leaves for the tasks, after the overhead. */
static struct vmrt_supply supply_of(const struct vmrt_advise_options *o, struct advised_choice c)
{
	return vmrt_supply_prm(c.period_ns, c.budget_ns - o->overhead_ns);
}

static struct advised_choice choice_of(const struct vmrt_advise_options *o,
	const struct vmrt_rta_task *tasks, size_t n, int64_t period_ns)
{
	int64_t budget = vmrt_rta_least_budget(tasks, n, period_ns, o->step_ns, false);

	if (budget != VMRT_UNKNOWN)
		budget += (o->overhead_ns + o->step_ns - 1) / o->step_ns * o->step_ns;
	return (struct advised_choice){period_ns, budget <= period_ns ? budget : VMRT_UNKNOWN};
}

static double bandwidth(struct advised_choice c)
{
	return (double)c.budget_ns / (double)c.period_ns;
}

/* Budgets for periods up to the shortest of a task. */
static void try_periods(struct advised_vm *vm, const struct vmrt_advise_options *o,
	const struct vmrt_rta_task *tasks)
{
	int64_t shortest = INT64_MAX, last = 0;

	for (size_t i = 0; i < vm->n_tasks; i++)
		shortest = least(shortest, least(tasks[i].period_ns, tasks[i].deadline_ns));
	for (int64_t i = 1; i <= PERIOD_PARTS; i++) {
		int64_t period = shortest * i / PERIOD_PARTS / PERIOD_GRID * PERIOD_GRID;

		if (period >= PERIOD_MIN && period > last)
			vm->choices[vm->n_choices++] = choice_of(o, tasks, vm->n_tasks, period);
		last = period;
	}
	if (!vm->n_choices)
		vm->choices[vm->n_choices++] = choice_of(o, tasks, vm->n_tasks, shortest);
}

/* The period that was asked for or declared, else the one with the least bandwidth, the longest of
 * those. */
static void choose(struct advised_vm *vm, const struct vmrt_advise_options *o,
	const struct vmrt_rta_task *tasks)
{
	int64_t period = o->period_ns ? o->period_ns : vm->spec ? vm->spec->period_ns : 0;

	if (period > 0) {
		vm->chosen = choice_of(o, tasks, vm->n_tasks, period);
		return;
	}
	vm->chosen = vm->choices[0];
	for (size_t i = 1; i < vm->n_choices; i++) {
		struct advised_choice c = vm->choices[i];

		if (c.budget_ns == VMRT_UNKNOWN)
			continue;
		if (vm->chosen.budget_ns == VMRT_UNKNOWN || bandwidth(c) <= bandwidth(vm->chosen))
			vm->chosen = c;
	}
}

static bool carries(const struct advised_vm *vm, const struct vmrt_advise_options *o, double growth)
{
	struct vmrt_supply supply = supply_of(o, vm->chosen);
	struct vmrt_rta_task *tasks = analysed(vm, growth);
	bool result = tasks && vmrt_rta_feasible(tasks, vm->n_tasks, &supply);

	free(tasks);
	return result;
}

/* By how much all execution times may grow, to a thousandth. */
static double growth_of(const struct advised_vm *vm, const struct vmrt_advise_options *o)
{
	int low = 0, high = (int)(GROWTH_MAX * 1000);

	while (high - low > 1) {
		int middle = low + (high - low) / 2;

		if (carries(vm, o, middle / 1000.0))
			low = middle;
		else
			high = middle;
	}
	return low / 1000.0;
}

/* The CPUs that the server's tasks run on. */
static int64_t cpus_of(const struct advice *a, const struct advised_vm *vm)
{
	return vm->vcpu < 0 ? advise_cpus(a, vm->name) : 1;
}

static enum vmrt_status advise_vm(
	const struct advice *a, struct advised_vm *vm, struct vmrt_error *err)
{
	struct vmrt_rta_task *tasks = analysed(vm, 0);
	struct vmrt_supply supply;

	if (!tasks)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	vm->used_utilisation = vmrt_rta_utilisation(tasks, vm->n_tasks);
	vm->utilisation = vm->used_utilisation / (1 + a->options.margin);
	try_periods(vm, &a->options, tasks);
	choose(vm, &a->options, tasks);
	vm->feasible = vm->chosen.budget_ns != VMRT_UNKNOWN && cpus_of(a, vm) == 1;
	if (cpus_of(a, vm) != 1) {
		snprintf(vm->why, sizeof(vm->why),
			"it has %lld CPUs and one server for all, and the analysis is for one CPU",
			(long long)cpus_of(a, vm));
	} else if (!vm->feasible && vm->used_utilisation > 1) {
		snprintf(vm->why, sizeof(vm->why), "its tasks need %.3f of a CPU",
			vm->used_utilisation);
	} else if (!vm->feasible) {
		char period[VMRT_UNITS_TEXT];

		snprintf(vm->why, sizeof(vm->why), "no budget is enough in a period of %s",
			vmrt_format_duration(vm->chosen.period_ns, period));
	} else {
		supply = supply_of(&a->options, vm->chosen);
		for (size_t i = 0; i < vm->n_tasks; i++)
			vm->tasks[i].response_ns =
				vmrt_rta_response(tasks, vm->n_tasks, i, &supply);
		vm->growth = growth_of(vm, &a->options);
	}
	free(tasks);
	return VMRT_OK;
}

/* Rate monotonic, two apart: the threads beside the vCPUs run one above. Declared ones stay if all
 * are declared. */
static void set_priorities(struct advice *a)
{
	bool all_declared = true;

	for (size_t i = 0; i < a->n_vms; i++)
		all_declared = all_declared && a->vms[i].spec;
	for (size_t i = 0; i < a->n_vms; i++) {
		int above = 0;

		for (size_t j = 0; j < a->n_vms; j++) {
			int64_t other = a->vms[j].chosen.period_ns,
				own = a->vms[i].chosen.period_ns;

			above += other < own || (other == own && j < i);
		}
		a->vms[i].priority =
			all_declared ? a->vms[i].spec->priority : TOP_PRIORITY - 2 * above;
		if (a->vms[i].priority < 2)
			a->vms[i].priority = 2;
	}
}

static bool by_deadline(enum vmrt_policy policy)
{
	return policy == VMRT_POLICY_EDF || policy == VMRT_POLICY_DEADLINE;
}

static void not_together(struct advised_vm *vm, const char *why)
{
	vm->feasible = false;
	snprintf(vm->why, sizeof(vm->why), "%s", why);
}

/* Does server @i get its budget among those on its CPU? */
static void judge_server(const struct vmrt_rta_server *servers, size_t n, size_t i,
	struct advised_vm *vm, double load, bool mixed)
{
	char r[VMRT_UNITS_TEXT], period[VMRT_UNITS_TEXT], why[160];

	if (mixed) {
		not_together(vm,
			"on its CPU are servers by priority and by deadline: that is not analysed");
	} else if (by_deadline(vm->policy)) {
		if (load > 1 + 1e-12) {
			snprintf(why, sizeof(why), "the servers of its CPU need %.3f of it", load);
			not_together(vm, why);
		}
	} else {
		vm->server_response_ns = vmrt_rta_server_response(servers, n, i);
		if (vm->server_response_ns != VMRT_UNKNOWN &&
			vm->server_response_ns <= vm->chosen.period_ns)
			return;
		snprintf(why, sizeof(why),
			"among the servers of its CPU, which need %.3f of it, it gets its budget "
			"after %s, which is "
			"more than %s",
			load,
			vm->server_response_ns == VMRT_UNKNOWN
				? "no bounded time"
				: vmrt_format_duration(vm->server_response_ns, r),
			vmrt_format_duration(vm->chosen.period_ns, period));
		not_together(vm, why);
	}
}

/* Checks, CPU by CPU, whether the servers fit together. */
static enum vmrt_status check_together(struct advice *a, struct vmrt_error *err)
{
	struct vmrt_rta_server *servers = calloc(a->n_vms + 1, sizeof(*servers));

	if (!servers)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < a->n_vms; i++) {
		struct advised_vm *vm = &a->vms[i];
		double load = 0;
		bool mixed = false;
		size_t n = 0, own = 0;

		vm->server_response_ns = VMRT_UNKNOWN;
		for (size_t j = 0; j < a->n_vms; j++) {
			const struct advised_vm *other = &a->vms[j];

			if (other->cpu != vm->cpu || other->chosen.budget_ns == VMRT_UNKNOWN)
				continue;
			if (j == i)
				own = n;
			load += bandwidth(other->chosen);
			mixed = mixed || by_deadline(other->policy) != by_deadline(vm->policy);
			servers[n++] = (struct vmrt_rta_server){other->chosen.period_ns,
				other->chosen.budget_ns,
				other->policy == VMRT_POLICY_DEFERRABLE
					? other->chosen.period_ns - other->chosen.budget_ns
					: 0,
				other->priority};
		}
		if (vm->feasible)
			judge_server(servers, n, own, vm, load, mixed);
	}
	free(servers);
	return VMRT_OK;
}

enum vmrt_status advise_make(const char *origin, const struct vmrt_advise_options *options,
	struct advice **out, struct vmrt_error *err)
{
	struct advice *a = calloc(1, sizeof(*a));
	enum vmrt_status status;

	*out = NULL;
	if (!a)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	a->options = *options;
	status = advise_load(a, origin, err);
	for (size_t i = 0; status == VMRT_OK && i < a->n_vms; i++)
		status = advise_vm(a, &a->vms[i], err);
	if (status == VMRT_OK) {
		set_priorities(a);
		advise_place(a);
		status = check_together(a, err);
	}
	a->feasible = true;
	for (size_t i = 0; i < a->n_vms; i++)
		a->feasible = a->feasible && a->vms[i].feasible;
	if (status == VMRT_OK)
		*out = a;
	else
		advice_free(a);
	return status;
}

void advice_free(struct advice *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n_vms; i++)
		free(a->vms[i].tasks);
	free(a->vms);
	for (size_t i = 0; i < a->n_ran; i++) {
		free(a->ran[i].machine);
		free(a->ran[i].name);
	}
	free(a->ran);
	free(a->left_out);
	vmrt_experiment_free(a->experiment);
	vmrt_facts_free(a->facts);
	free(a->origin);
	free(a);
}
