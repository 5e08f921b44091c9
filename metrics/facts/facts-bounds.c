/* SPDX-License-Identifier: MIT */
/* Computes the worst-case response times of the declared tasks by analysis. */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

#include <vmrt/tool.h>

#define TIME_MAX_NS (1000 * VMRT_NS_PER_S) /* beyond what the analysis follows */

static int64_t machine_cpus(const struct vmrt_run_facts *f, int64_t machine)
{
	for (size_t i = 0; i < f->n_machines; i++)
		if (f->machines[i].id == machine)
			return f->machines[i].cpus;
	return 1;
}

bool vmrt_task_in_server(const struct vmrt_task_facts *task, const struct vmrt_server_facts *server)
{
	if (task->machine != VMRT_UNKNOWN && server->vm_machine != VMRT_UNKNOWN)
		return task->machine == server->vm_machine;
	return server->vm && !strcmp(task->machine_name, server->vm);
}

static bool has_times(const struct vmrt_task_facts *t)
{
	return t->wcet_ns > 0 && t->period_ns > 0 && t->wcet_ns <= TIME_MAX_NS &&
	       t->period_ns <= TIME_MAX_NS;
}

const char *vmrt_server_obstacle(const struct vmrt_run_facts *f, const struct vmrt_server_facts *s)
{
	struct vmrt_supply supply = vmrt_supply_prm(s->period_ns, s->budget_ns);
	size_t n = 0;

	if (s->period_ns == VMRT_UNKNOWN || s->budget_ns == VMRT_UNKNOWN ||
		s->period_ns > TIME_MAX_NS || !vmrt_supply_check(&supply))
		return "it has no period and budget";
	if (s->vm_machine != VMRT_UNKNOWN && machine_cpus(f, s->vm_machine) > 1)
		return "its VM has several CPUs, the analysis is for one";
	for (size_t i = 0; i < f->n_tasks; i++)
		n += vmrt_task_in_server(&f->tasks[i], s);
	if (!n)
		return "no tasks are declared for its VM";
	for (size_t i = 0; i < f->n_tasks; i++)
		if (vmrt_task_in_server(&f->tasks[i], s) && !has_times(&f->tasks[i]))
			return "a task has no WCET";
	return NULL;
}

static bool same_cpu(const struct vmrt_task_facts *a, const struct vmrt_task_facts *b)
{
	return !strcmp(a->machine_name, b->machine_name);
}

/* The tasks that share a CPU with @t, and which of them @t is; 0 if the analysis does not apply to
 * them. */
static size_t collect(const struct vmrt_run_facts *f, const struct vmrt_task_facts *t,
	struct vmrt_rta_task *tasks, size_t *self)
{
	size_t n = 0;

	if (t->machine != VMRT_UNKNOWN && machine_cpus(f, t->machine) > 1)
		return 0;
	for (size_t i = 0; i < f->n_tasks; i++) {
		const struct vmrt_task_facts *other = &f->tasks[i];

		if (!same_cpu(other, t))
			continue;
		if (!has_times(other))
			return 0;
		if (other == t)
			*self = n;
		tasks[n++] = (struct vmrt_rta_task){
			.wcet_ns = other->wcet_ns,
			.period_ns = other->period_ns,
			.deadline_ns = other->deadline_ns,
			.priority = other->priority,
		};
	}
	return n;
}

bool facts_bounds(struct vmrt_run_facts *f)
{
	struct vmrt_rta_task *tasks = calloc(f->n_tasks + 1, sizeof(*tasks));

	for (size_t i = 0; tasks && i < f->n_tasks && !vmrt_stop_requested(); i++) {
		struct vmrt_task_facts *t = &f->tasks[i];
		struct vmrt_supply supply =
			vmrt_supply_prm(VMRT_NS_PER_MS, VMRT_NS_PER_MS); /* all of a CPU */
		size_t self = 0, n = collect(f, t, tasks, &self);

		t->bound_alone_ns = t->bound_server_ns = VMRT_UNKNOWN;
		if (n)
			t->bound_alone_ns = vmrt_rta_response(tasks, n, self, &supply);
		for (size_t s = 0; n && s < f->n_servers; s++) {
			if (!vmrt_task_in_server(t, &f->servers[s]) ||
				vmrt_server_obstacle(f, &f->servers[s]))
				continue;
			supply = vmrt_supply_prm(f->servers[s].period_ns, f->servers[s].budget_ns);
			t->bound_server_ns = vmrt_rta_response(tasks, n, self, &supply);
			break;
		}
	}
	free(tasks);
	return tasks != NULL;
}

bool vmrt_task_fits(const struct vmrt_task_facts *t)
{
	return t->deadline_ns == VMRT_UNKNOWN ||
	       (t->bound_server_ns != VMRT_UNKNOWN && t->bound_server_ns <= t->deadline_ns);
}

enum vmrt_feasibility vmrt_task_feasibility(
	const struct vmrt_run_facts *f, const struct vmrt_task_facts *task)
{
	for (size_t i = 0; i < f->n_servers; i++) {
		const struct vmrt_server_facts *s = &f->servers[i];
		bool feasible = true;

		if (!vmrt_task_in_server(task, s) || vmrt_server_obstacle(f, s))
			continue;
		for (size_t t = 0; t < f->n_tasks; t++)
			feasible = feasible && (!vmrt_task_in_server(&f->tasks[t], s) ||
						       vmrt_task_fits(&f->tasks[t]));
		return feasible ? VMRT_FEASIBLE : VMRT_INFEASIBLE;
	}
	return VMRT_FEASIBILITY_UNKNOWN;
}
