/* SPDX-License-Identifier: MIT */
/* What theory says of the declared tasks: their worst-case response times. */
#include "facts.h"

#include <stdlib.h>
#include <string.h>

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

/* All declared tasks of @like's machine; false if the analysis does not apply to them. */
static bool collect(const struct vmrt_run_facts *f, const struct vmrt_task_facts *like,
	struct vmrt_rta_task *tasks, size_t *n, size_t *self)
{
	*n = 0;
	if (like->machine != VMRT_UNKNOWN && machine_cpus(f, like->machine) > 1)
		return false;
	for (size_t i = 0; i < f->n_tasks; i++) {
		const struct vmrt_task_facts *t = &f->tasks[i];

		if (strcmp(t->machine_name, like->machine_name) != 0)
			continue;
		if (t->wcet_ns <= 0 || t->period_ns <= 0)
			return false;
		if (t == like)
			*self = *n;
		tasks[(*n)++] = (struct vmrt_rta_task){
			.wcet_ns = t->wcet_ns,
			.period_ns = t->period_ns,
			.deadline_ns = t->deadline_ns,
			.priority = t->priority,
		};
	}
	return true;
}

bool vmrt_facts_bounds(struct vmrt_run_facts *f)
{
	struct vmrt_rta_task *tasks = calloc(f->n_tasks + 1, sizeof(*tasks));

	for (size_t i = 0; tasks && i < f->n_tasks; i++) {
		struct vmrt_task_facts *t = &f->tasks[i];
		struct vmrt_supply supply = vmrt_supply_prm(VMRT_NS_PER_MS, VMRT_NS_PER_MS); /* all of a CPU */
		size_t n, self = 0;

		t->bound_alone_ns = t->bound_server_ns = VMRT_UNKNOWN;
		if (!collect(f, t, tasks, &n, &self))
			continue;
		t->bound_alone_ns = vmrt_rta_response(tasks, n, self, &supply);
		for (size_t s = 0; s < f->n_servers; s++) {
			if (!vmrt_task_in_server(t, &f->servers[s]))
				continue;
			supply = vmrt_supply_prm(f->servers[s].period_ns, f->servers[s].budget_ns);
			if (f->servers[s].period_ns != VMRT_UNKNOWN && f->servers[s].budget_ns != VMRT_UNKNOWN &&
				vmrt_supply_check(&supply))
				t->bound_server_ns = vmrt_rta_response(tasks, n, self, &supply);
			break;
		}
	}
	free(tasks);
	return tasks != NULL;
}
