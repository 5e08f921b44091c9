/* SPDX-License-Identifier: MIT */
/* Chooses the VMs that are recorded. */
#include "recorder.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum vmrt_status add_vm(
	struct record_recorder *rec, const struct vmrt_vm *vm, struct vmrt_error *err)
{
	struct vmrt_manifest *m = &rec->manifest;

	if (m->n_vms == VMRT_RECORDER_VMS)
		return vmrt_fail(
			err, VMRT_ERANGE, "more than %d VMs cannot be recorded", VMRT_RECORDER_VMS);
	/* the list is allocated once for all VMs, because others keep pointers into it */
	if (!m->vms)
		m->vms = calloc(VMRT_RECORDER_VMS, sizeof(*m->vms));
	if (!m->vms)
		return vmrt_fail(err, VMRT_ENOMEM, "list of VMs: out of memory");
	m->vms[m->n_vms++].vm = *vm;
	return VMRT_OK;
}

static struct vmrt_manifest_vm *known(struct record_recorder *rec, const char *pattern)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (vmrt_vm_match(&rec->manifest.vms[i].vm, pattern))
			return &rec->manifest.vms[i];
	return NULL;
}

static const char *link_of(const struct vmrt_recorder_options *options, const char *pattern)
{
	for (size_t i = 0; i < options->n_links; i++)
		if (!strcmp(options->links[i].vm, pattern))
			return options->links[i].way;
	return NULL;
}

/* Adds a guest whose VM cannot be seen from here, but whose agent can be reached (--link). */
static enum vmrt_status add_hidden(
	struct record_recorder *rec, const char *name, struct vmrt_error *err)
{
	struct vmrt_vm vm = {0};

	if (strlen(name) >= sizeof(vm.name))
		return vmrt_fail(err, VMRT_EINVAL, "the name %.100s... is too long", name);
	strcpy(vm.name, name);
	vmrt_warn("no VM %s runs here: its guest is recorded, but not which host threads run it",
		name);
	return add_vm(rec, &vm, err);
}

/* Adds the VMs that match. @user: the owner that the VM must have; "": any user who is trusted */
static enum vmrt_status add_pattern(
	struct record_recorder *rec, const char *pattern, const char *user, struct vmrt_error *err)
{
	enum vmrt_status status;
	struct vmrt_vm *vm;

	if (known(rec, pattern))
		return VMRT_OK;
	status = vmrt_vm_get_of(pattern, user, &vm, err);
	if (status == VMRT_ENOENT && link_of(rec->options, pattern))
		return add_hidden(rec, pattern, err);
	if (status != VMRT_OK)
		return status;
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		if (rec->manifest.vms[i].vm.pid == vm->pid) {
			vmrt_vms_free(vm, 1);
			return VMRT_OK;
		}
	}
	status = add_vm(rec, vm, err);
	if (status == VMRT_OK)
		vm->threads = NULL; /* the manifest has them now */
	vmrt_vms_free(vm, 1);
	return status;
}

static void warn_of_crowds(const struct vmrt_vm *vm)
{
	char words[256];
	size_t from = 0;

	while (vmrt_vm_crowd(vm, &from, words, sizeof(words)))
		vmrt_warn("%s", words);
}

static enum vmrt_status add_all(struct record_recorder *rec, struct vmrt_error *err)
{
	struct vmrt_vm *vms;
	size_t n;
	enum vmrt_status status = vmrt_vms_find(&vms, &n, err);
	char pattern[32];

	if (status != VMRT_OK)
		return status;
	for (size_t i = 0; i < n && status == VMRT_OK; i++) {
		snprintf(pattern, sizeof(pattern), "pid:%d", (int)vms[i].pid);
		status = add_pattern(rec, pattern, "", err);
		if (status == VMRT_ENOENT)
			status = VMRT_OK; /* the VM has just ended */
	}
	vmrt_vms_free(vms, n);
	if (status == VMRT_OK && !rec->manifest.vms) {
		rec->manifest.vms = calloc(VMRT_RECORDER_VMS, sizeof(*rec->manifest.vms));
		if (!rec->manifest.vms)
			status = vmrt_fail(err, VMRT_ENOMEM, "list of VMs: out of memory");
	}
	return status;
}

static void take_sockets(struct record_recorder *rec)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		struct vmrt_vm *vm = &rec->manifest.vms[i].vm;
		struct recorder_guest *g = &rec->guests[i];

		for (size_t k = 0; k < rec->options->n_links; k++)
			if (vmrt_vm_match(vm, rec->options->links[k].vm) && !g->n_sockets)
				g->sockets[g->n_sockets++] = rec->options->links[k].way;
		for (size_t k = 0; k < VMRT_VM_LINKS && g->n_sockets <= k; k++)
			if (vm->link[k][0])
				g->sockets[g->n_sockets++] = vm->link[k];
	}
}

enum vmrt_status recorder_find_vms(struct record_recorder *rec, struct vmrt_error *err)
{
	const struct vmrt_recorder_options *o = rec->options;
	const struct vmrt_experiment *e = rec->experiment;
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; e && i < e->n_servers && status == VMRT_OK; i++)
		status = add_pattern(rec, e->servers[i].vm, e->servers[i].user, err);
	for (size_t i = 0; e && i < e->n_tasks && status == VMRT_OK; i++)
		if (strcmp(e->tasks[i].machine, VMRT_HOST))
			status = add_pattern(rec, e->tasks[i].machine, "", err);
	for (size_t i = 0; i < o->n_vms && status == VMRT_OK; i++)
		status = add_pattern(rec, o->vms[i], "", err);
	for (size_t i = 0; i < o->n_links && status == VMRT_OK; i++)
		status = add_pattern(rec, o->links[i].vm, "", err);
	if (o->all_vms && status == VMRT_OK)
		status = add_all(rec, err);
	if (status == VMRT_OK)
		take_sockets(rec);
	for (size_t i = 0; i < rec->manifest.n_vms && status == VMRT_OK; i++)
		warn_of_crowds(&rec->manifest.vms[i].vm);
	return status;
}

void recorder_own_cpus(struct record_recorder *rec)
{
	cpu_set_t taken, own;

	CPU_ZERO(&taken);
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		const struct vmrt_vm *vm = &rec->manifest.vms[i].vm;

		for (size_t k = 0; k < vm->n_threads; k++)
			CPU_OR(&taken, &taken, &vm->threads[k].affinity);
	}
	if (!CPU_COUNT(&taken) || sched_getaffinity(0, sizeof(own), &own) != 0)
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &taken))
			CPU_CLR(cpu, &own);
	rec->has_cpus = CPU_COUNT(&own) > 0;
	rec->cpus = own;
}
