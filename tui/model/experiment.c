/* SPDX-License-Identifier: MIT */
/* Makes the experiment for the engine: that of the user, and a server of policy none for each VM
 * without a server, so that the CPU time of this VM is counted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model.h"

#define VM_PERIOD_NS (100 * VMRT_NS_PER_MS) /* accounting grid of a VM without a server */

static bool has_server(const struct vmrt_experiment *exp, const char *vm)
{
	for (size_t i = 0; i < exp->n_servers; i++)
		if (!strcmp(exp->servers[i].vm, vm))
			return true;
	return false;
}

enum vmrt_status top_experiment_new(const struct vmrt_experiment *exp,
	const struct vmrt_engine_vm *vms, size_t n_vms, const char *only,
	struct vmrt_experiment **out, struct vmrt_error *err)
{
	struct vmrt_experiment *e = calloc(1, sizeof(*e));
	size_t n_servers = exp ? exp->n_servers : 0, n_tasks = exp ? exp->n_tasks : 0;

	if (!e)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (exp)
		*e = *exp;
	e->servers = calloc(n_servers + n_vms + 1, sizeof(*e->servers));
	e->tasks = calloc(n_tasks + 1, sizeof(*e->tasks));
	e->n_servers = e->n_tasks = 0;
	if (!e->servers || !e->tasks) {
		vmrt_experiment_free(e);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n_servers; i++)
		if (!only || !strcmp(exp->servers[i].vm, only))
			e->servers[e->n_servers++] = exp->servers[i];
	for (size_t i = 0; i < n_tasks; i++)
		if (!only || !strcmp(exp->tasks[i].machine, only))
			e->tasks[e->n_tasks++] = exp->tasks[i];
	for (size_t i = 0; i < n_vms; i++) {
		struct vmrt_server_spec *s = &e->servers[e->n_servers];

		if (has_server(e, vms[i].name) || (only && strcmp(vms[i].name, only) != 0))
			continue;
		snprintf(s->name, sizeof(s->name), "%s", vms[i].name);
		snprintf(s->vm, sizeof(s->vm), "%s", vms[i].name);
		s->vcpu = s->cpu = -1;
		s->policy = VMRT_POLICY_NONE;
		s->period_ns = s->budget_ns = VM_PERIOD_NS;
		e->n_servers++;
	}
	*out = e;
	return VMRT_OK;
}
