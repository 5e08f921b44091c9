/* SPDX-License-Identifier: MIT */
/* Which VMs a live view is about, how their agents are reached, and whether they have changed. */
#include "live-local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum vmrt_status append(
	struct vmrt_live *live, const struct vmrt_vm *vm, struct vmrt_error *err)
{
	struct vmrt_vm *more = realloc(live->vms, (live->n_vms + 1) * sizeof(*more));

	if (!more)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	live->vms = more;
	live->vms[live->n_vms++] = *vm;
	return VMRT_OK;
}

static bool has_link(const struct vmrt_live *live, const char *pattern)
{
	for (size_t i = 0; i < live->options.n_links; i++)
		if (!strcmp(live->options.links[i].vm, pattern))
			return true;
	return false;
}

/* A guest whose VM is not to be seen from here, but that has an agent all the same. */
static enum vmrt_status append_hidden(
	struct vmrt_live *live, const char *name, struct vmrt_error *err)
{
	struct vmrt_vm vm = {0};

	if (strlen(name) >= sizeof(vm.name))
		return vmrt_fail(err, VMRT_EINVAL, "the name %.100s... is too long", name);
	strcpy(vm.name, name);
	return append(live, &vm, err);
}

static void await(struct vmrt_live *live, const char *pattern)
{
	size_t used = strlen(live->awaited);

	if (strstr(live->awaited, pattern))
		return;
	snprintf(live->awaited + used, sizeof(live->awaited) - used, "%s%.60s", used ? ", " : "",
		pattern);
}

static enum vmrt_status add(
	struct vmrt_live *live, const char *pattern, const char *user, struct vmrt_error *err)
{
	struct vmrt_vm *vm;
	enum vmrt_status status;

	for (size_t i = 0; i < live->n_vms; i++)
		if (vmrt_vm_match(&live->vms[i], pattern))
			return VMRT_OK;
	status = vmrt_vm_get_of(pattern, user, &vm, err);
	if (status == VMRT_ENOENT && has_link(live, pattern))
		return append_hidden(live, pattern, err);
	if (status == VMRT_ENOENT && live->options.at_once && !live->options.vm) {
		await(live, pattern);
		return VMRT_OK;
	}
	if (status != VMRT_OK)
		return status;
	status = append(live, vm, err);
	if (status == VMRT_OK)
		vm->threads = NULL; /* they are in the list now */
	vmrt_vms_free(vm, 1);
	return status;
}

static enum vmrt_status find(struct vmrt_live *live, struct vmrt_error *err)
{
	const struct vmrt_experiment *exp = live->options.experiment;
	enum vmrt_status status = VMRT_OK;

	if (live->options.vm)
		return add(live, live->options.vm, "", err);
	if (!exp)
		status = vmrt_vms_find(&live->vms, &live->n_vms, err);
	for (size_t i = 0; exp && i < exp->n_servers && status == VMRT_OK; i++)
		status = add(live, exp->servers[i].vm, exp->servers[i].user, err);
	for (size_t i = 0; exp && i < exp->n_tasks && status == VMRT_OK; i++)
		if (strcmp(exp->tasks[i].machine, VMRT_HOST) != 0)
			status = add(live, exp->tasks[i].machine, "", err);
	for (size_t i = 0; i < live->options.n_links && status == VMRT_OK; i++)
		status = add(live, live->options.links[i].vm, "", err);
	return status;
}

static uint64_t sum_of(const struct vmrt_live *live)
{
	uint64_t sum = live->n_vms;

	for (size_t i = 0; i < live->n_vms; i++)
		sum += (uint64_t)live->vms[i].pid * UINT64_C(0x9e3779b97f4a7c15);
	return sum;
}

enum vmrt_status live_find_vms(struct vmrt_live *live, struct vmrt_error *err)
{
	enum vmrt_status status = find(live, err);

	live->processes = sum_of(live);
	if (status == VMRT_OK && live->options.vm)
		snprintf(live->vm, sizeof(live->vm), "%s", live->vms[0].name);
	return status;
}

bool vmrt_live_stale(const struct vmrt_live *live)
{
	struct vmrt_live now = {.options = live->options};
	enum vmrt_status status = find(&now, NULL);
	/* the VM that was asked for is gone: what is known of it stays until it is there again */
	bool other = status == VMRT_OK && sum_of(&now) != live->processes;

	vmrt_vms_free(now.vms, now.n_vms);
	return other;
}

bool live_own_cpus(const struct vmrt_live *live, cpu_set_t *own)
{
	cpu_set_t taken;

	CPU_ZERO(&taken);
	for (size_t i = 0; i < live->n_vms; i++)
		for (size_t k = 0; k < live->vms[i].n_threads; k++)
			CPU_OR(&taken, &taken, &live->vms[i].threads[k].affinity);
	if (!CPU_COUNT(&taken) || sched_getaffinity(0, sizeof(*own), own) != 0)
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &taken))
			CPU_CLR(cpu, own);
	return CPU_COUNT(own) > 0;
}

/* What --link says comes first; else the VM's own port. */
size_t live_ways(const struct vmrt_live *live, size_t i, const char *ways[LIVE_WAYS])
{
	const struct vmrt_vm *vm = &live->vms[i];
	size_t n = 0;

	for (size_t k = 0; k < live->options.n_links && n < LIVE_WAYS - 1; k++)
		if (vmrt_vm_match(vm, live->options.links[k].vm))
			ways[n++] = live->options.links[k].way;
	if (vm->link[live->options.port][0])
		ways[n++] = vm->link[live->options.port];
	return n;
}
