/* SPDX-License-Identifier: MIT */
/* Chooses the VMs of a live view, finds how their agents are reached, and notices changes. */
#include "live-local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum vmrt_status append(
	struct live_vms *vms, const struct vmrt_vm *vm, struct vmrt_error *err)
{
	struct vmrt_vm *more = realloc(vms->list, (vms->n + 1) * sizeof(*more));

	if (!more)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	vms->list = more;
	vms->list[vms->n++] = *vm;
	return VMRT_OK;
}

static bool has_link(const struct vmrt_live_options *options, const char *pattern)
{
	for (size_t i = 0; i < options->n_links; i++)
		if (!strcmp(options->links[i].vm, pattern))
			return true;
	return false;
}

/* Adds a guest whose VM cannot be seen from here, but whose agent can be reached (--link). */
static enum vmrt_status append_hidden(
	struct live_vms *vms, const char *name, struct vmrt_error *err)
{
	struct vmrt_vm vm = {0};

	if (strlen(name) >= sizeof(vm.name))
		return vmrt_fail(err, VMRT_EINVAL, "the name %.100s... is too long", name);
	strcpy(vm.name, name);
	return append(vms, &vm, err);
}

static void await(struct live_vms *vms, const char *pattern)
{
	size_t used = strlen(vms->awaited);

	if (strstr(vms->awaited, pattern))
		return;
	snprintf(vms->awaited + used, sizeof(vms->awaited) - used, "%s%.60s", used ? ", " : "",
		pattern);
}

static enum vmrt_status add(const struct vmrt_live_options *options, struct live_vms *vms,
	const char *pattern, const char *user, struct vmrt_error *err)
{
	struct vmrt_vm *vm;
	enum vmrt_status status;

	for (size_t i = 0; i < vms->n; i++)
		if (vmrt_vm_match(&vms->list[i], pattern))
			return VMRT_OK;
	status = vmrt_vm_get_of(pattern, user, &vm, err);
	if (status == VMRT_ENOENT && has_link(options, pattern))
		return append_hidden(vms, pattern, err);
	if (status == VMRT_ENOENT && options->at_once && !options->vm) {
		await(vms, pattern);
		return VMRT_OK;
	}
	if (status != VMRT_OK)
		return status;
	status = append(vms, vm, err);
	if (status == VMRT_OK)
		vm->threads = NULL; /* the list has them now */
	vmrt_vms_free(vm, 1);
	return status;
}

enum vmrt_status live_find_vms(
	const struct vmrt_live_options *options, struct live_vms *out, struct vmrt_error *err)
{
	const struct vmrt_experiment *exp = options->experiment;
	enum vmrt_status status = VMRT_OK;

	*out = (struct live_vms){0};
	if (options->vm)
		return add(options, out, options->vm, "", err);
	if (!exp)
		status = vmrt_vms_find(&out->list, &out->n, err);
	for (size_t i = 0; exp && i < exp->n_servers && status == VMRT_OK; i++)
		status = add(options, out, exp->servers[i].vm, exp->servers[i].user, err);
	for (size_t i = 0; exp && i < exp->n_tasks && status == VMRT_OK; i++)
		if (strcmp(exp->tasks[i].machine, VMRT_HOST) != 0)
			status = add(options, out, exp->tasks[i].machine, "", err);
	for (size_t i = 0; i < options->n_links && status == VMRT_OK; i++)
		status = add(options, out, options->links[i].vm, "", err);
	return status;
}

void live_free_vms(struct live_vms *vms)
{
	vmrt_vms_free(vms->list, vms->n);
	*vms = (struct live_vms){0};
}

/* A checksum of the VMs' process ids, which changes when VMs come or go. */
static uint64_t sum_of(const struct live_vms *vms)
{
	uint64_t sum = vms->n;

	for (size_t i = 0; i < vms->n; i++)
		sum += (uint64_t)vms->list[i].pid * UINT64_C(0x9e3779b97f4a7c15);
	return sum;
}

bool vmrt_live_stale(const struct vmrt_live *live)
{
	struct live_vms now;
	enum vmrt_status status = live_find_vms(&live->options, &now, NULL);
	/* the VM that the user chose is gone: what is known of it stays until it runs again */
	bool other = status == VMRT_OK && sum_of(&now) != sum_of(&live->vms);

	live_free_vms(&now);
	return other;
}

bool live_own_cpus(const struct vmrt_live *live, cpu_set_t *own)
{
	cpu_set_t taken;

	CPU_ZERO(&taken);
	for (size_t i = 0; i < live->vms.n; i++)
		for (size_t k = 0; k < live->vms.list[i].n_threads; k++)
			CPU_OR(&taken, &taken, &live->vms.list[i].threads[k].affinity);
	if (!CPU_COUNT(&taken) || sched_getaffinity(0, sizeof(*own), own) != 0)
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &taken))
			CPU_CLR(cpu, own);
	return CPU_COUNT(own) > 0;
}

/* First the link that --link names, then the port of the VM. */
size_t live_ways(const struct vmrt_live *live, size_t i, const char *ways[LIVE_WAYS])
{
	const struct vmrt_vm *vm = &live->vms.list[i];
	size_t n = 0;

	for (size_t k = 0; k < live->options.n_links && n < LIVE_WAYS - 1; k++)
		if (vmrt_vm_match(vm, live->options.links[k].vm))
			ways[n++] = live->options.links[k].way;
	if (vm->link[live->options.port][0])
		ways[n++] = vm->link[live->options.port];
	return n;
}
