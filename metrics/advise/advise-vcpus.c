/* SPDX-License-Identifier: MIT */
/* Guests with several vCPUs: on which of them their tasks ran, and on which CPUs their servers are.
 */
#include "advise.h"

#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 4096

int64_t advise_cpus(const struct advice *a, const char *name)
{
	for (size_t i = 0; a->facts && i < a->facts->n_machines; i++)
		if (!strcmp(a->facts->machines[i].name, name))
			return a->facts->machines[i].cpus;
	return 1;
}

static bool any_of_several(const struct advice *a)
{
	for (size_t i = 0; a->facts && i < a->facts->n_machines; i++)
		if (strcmp(a->facts->machines[i].kind, "guest") == 0 &&
			a->facts->machines[i].cpus > 1)
			return true;
	return false;
}

static void add_ran(struct advice *a, struct vmrt_query *q)
{
	struct advise_ran *more = realloc(a->ran, (a->n_ran + 1) * sizeof(*more)), *r;

	if (!more) {
		vmrt_query_no_memory(q);
		return;
	}
	a->ran = more;
	r = &more[a->n_ran++];
	*r = (struct advise_ran){.machine = vmrt_query_name(q, 0),
		.name = vmrt_query_name(q, 1),
		.vcpu = (int)vmrt_query_int(q, 2),
		.moves = vmrt_query_int(q, 3),
		.threads = vmrt_query_int(q, 4)};
	if (r->vcpu < 0 || r->vcpu >= CPUS_MAX)
		vmrt_query_refuse(q, "a guest's CPU has a number that none has");
}

enum vmrt_status advise_load_ran(struct advice *a, struct vmrt_error *err)
{
	struct vmrt_query q;
	struct vmrt_db *db;
	enum vmrt_status status;

	if (!any_of_several(a))
		return VMRT_OK;
	status = vmrt_db_open(a->origin, &db, err);
	if (status != VMRT_OK)
		return status;
	vmrt_query_begin(&q, db, err,
		"SELECT t.machine_name, t.name, s.cpu, "
		"coalesce((SELECT sum(j.migrations) FROM job j WHERE j.task = t.id), 0), "
		"(SELECT count(DISTINCT h.tid) FROM machine m JOIN vm v ON v.machine = m.id "
		"JOIN thread h ON h.vm = v.id AND h.role = 'vcpu' WHERE m.name = t.machine_name) "
		"FROM (SELECT DISTINCT h.task AS task, l.cpu AS cpu FROM slice l JOIN thread h ON "
		"h.id = "
		"l.thread WHERE h.task IS NOT NULL) s JOIN task t ON t.id = s.task ORDER BY t.id, "
		"s.cpu");
	while (vmrt_query_next(&q))
		add_ran(a, &q);
	status = vmrt_query_end(&q);
	vmrt_db_close(db);
	return status;
}

static double bandwidth(const struct advised_vm *vm)
{
	return vm->chosen.budget_ns == VMRT_UNKNOWN
		       ? 0
		       : (double)vm->chosen.budget_ns / (double)vm->chosen.period_ns;
}

/* What the servers before @n want of @cpu; below 0 if one of them is for another vCPU of @vm. */
static double wanted(const struct advice *a, size_t n, int cpu, const char *vm)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++) {
		if (a->vms[i].cpu != cpu)
			continue;
		if (!strcmp(a->vms[i].name, vm))
			return -1;
		sum += bandwidth(&a->vms[i]);
	}
	return sum;
}

static int declared_cpu(const struct advised_vm *vm)
{
	const struct vmrt_server_spec *spec = vm->spec;

	if (!spec || spec->cpu < 0)
		return -1;
	return spec->n_cpus > 1 && vm->vcpu >= 0 && (size_t)vm->vcpu < spec->n_cpus
		       ? spec->cpus[vm->vcpu]
		       : spec->cpu;
}

void advise_place(struct advice *a)
{
	int64_t cpus = advise_cpus(a, VMRT_HOST);

	if (cpus > CPUS_MAX)
		cpus = CPUS_MAX;
	for (size_t i = 0; i < a->n_vms; i++) {
		struct advised_vm *vm = &a->vms[i];
		double least = -1;

		/* with none that is free of the VM's other vCPUs, they share the first */
		vm->cpu = declared_cpu(vm);
		for (int k = 0; vm->cpu < 0 && vm->vcpu >= 0 && k < cpus; k++) {
			double sum = wanted(a, i, -1 - k, vm->name);

			if (sum >= 0 && (least < 0 || sum < least)) {
				least = sum;
				vm->cpu = -1 - k;
			}
		}
	}
}
