/* SPDX-License-Identifier: MIT */
/* Threads of VMs become members of servers: noted by the guardian, confined, raised, watched. */
#include "hsf.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

struct hsf_enforcer *hsf_run_enforcer(const struct hsf_run *r, int cpu)
{
	for (size_t i = 0; i < r->n_enforcers; i++)
		if (hsf_enforcer_cpu(r->enforcers[i]) == cpu)
			return r->enforcers[i];
	return NULL;
}

static enum vmrt_status confine(struct hsf_server *s, pid_t tid, bool *changed, struct vmrt_error *err)
{
	cpu_set_t now, one;

	CPU_ZERO(&one);
	CPU_SET(s->cpu, &one);
	if (sched_getaffinity(tid, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &one))
		return VMRT_OK;
	if (sched_setaffinity(tid, sizeof(one), &one) != 0)
		return vmrt_fail_errno(err, errno, "cannot confine thread %d of VM %s to CPU %d", (int)tid,
			s->vm, s->cpu);
	*changed = true;
	return VMRT_OK;
}

static enum vmrt_status cannot_raise(
	const struct hsf_server *s, pid_t tid, int errnum, struct vmrt_error *err)
{
	if (errnum == EPERM)
		return vmrt_fail(err, VMRT_EPERM,
			"no permission to give thread %d of VM %s SCHED_FIFO: run as root or with CAP_SYS_NICE "
			"(and in a cgroup of version 1 its cpu.rt_runtime_us must be above 0)",
			(int)tid, s->vm);
	return vmrt_fail_errno(err, errnum, "cannot raise thread %d of VM %s", (int)tid, s->vm);
}

static enum vmrt_status add_vcpu(
	struct hsf_run *r, struct hsf_server *s, pid_t tid, bool *confined, struct vmrt_error *err)
{
	struct hsf_clock clock;
	enum vmrt_status status;
	int rc;

	status = hsf_clock_open(&clock, tid, err);
	if (status != VMRT_OK)
		return status;
	status = hsf_guardian_add(r->guardian, s->pid, tid, err);
	if (status == VMRT_OK)
		status = confine(s, tid, confined, err);
	if (status == VMRT_OK) {
		/* a trial, since the enforcer could not complain; a member begins without budget */
		rc = hsf_raise(tid, s->spec->priority);
		rc = rc ? rc : hsf_demote(tid);
		if (rc)
			status = cannot_raise(s, tid, rc, err);
	}
	if (status != VMRT_OK) {
		hsf_clock_close(&clock);
		return status;
	}
	return hsf_enforcer_adopt(hsf_run_enforcer(r, s->cpu), s, tid, clock, err);
}

static enum vmrt_status add_helper(struct hsf_run *r, struct hsf_server *s,
	const struct vmrt_vm_thread *t, struct vmrt_error *err)
{
	int priority = s->spec->priority + HSF_HELPER_ABOVE, rc;
	enum vmrt_status status;

	/* one that its owner has put higher stays there */
	if ((t->policy == SCHED_FIFO || t->policy == SCHED_RR) && t->priority >= priority)
		return VMRT_OK;
	status = hsf_guardian_add(r->guardian, s->pid, t->tid, err);
	if (status == VMRT_ENOENT && t->role == VMRT_ROLE_VHOST)
		status = hsf_guardian_add(r->guardian, t->tid, t->tid, err); /* a kernel thread */
	if (status != VMRT_OK)
		return status;
	rc = hsf_raise(t->tid, priority);
	return rc ? cannot_raise(s, t->tid, rc, err) : VMRT_OK;
}

/* A thread that ends while it is being looked at is nothing to stop for. */
static enum vmrt_status add_thread(struct hsf_run *r, struct hsf_server *s,
	const struct vmrt_vm_thread *t, bool *confined, struct vmrt_error *err)
{
	enum vmrt_status status;

	if (t->role == VMRT_ROLE_VCPU)
		status = add_vcpu(r, s, t->tid, confined, err);
	else
		status = add_helper(r, s, t, err);
	return status == VMRT_ENOENT ? VMRT_OK : status;
}

/* Helper threads come first: a raised vCPU thread must not run without its raised main loop. */
enum vmrt_status hsf_run_add_members(struct hsf_run *r, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; i < r->n; i++) {
		struct hsf_server *s = &r->servers[i];
		const struct vmrt_vm *vm = r->vms[i];
		bool confined = false;

		for (size_t k = vm->n_threads; k-- > 0 && status == VMRT_OK;)
			if (vm->threads[k].role != VMRT_ROLE_VCPU)
				status = add_thread(r, s, &vm->threads[k], &confined, err);
		for (size_t k = 0; k < vm->n_threads && status == VMRT_OK; k++)
			if (vm->threads[k].role == VMRT_ROLE_VCPU)
				status = add_thread(r, s, &vm->threads[k], &confined, err);
		if (status != VMRT_OK)
			return status;
		if (!s->n_vcpus)
			return vmrt_fail(err, VMRT_ENOENT, "VM %s has ended", s->vm);
		if (confined)
			vmrt_say("the vCPU threads of VM %s are confined to CPU %d while enforced", s->vm, s->cpu);
	}
	return VMRT_OK;
}

static bool known(const struct vmrt_vm *vm, pid_t tid)
{
	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].tid == tid)
			return true;
	return false;
}

static bool has_new_threads(const struct vmrt_vm *vm)
{
	struct dirent *entry;
	bool found = false;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)vm->pid);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		int64_t tid;

		if (vmrt_parse_int(entry->d_name, 1, INT32_MAX, &tid) == VMRT_OK)
			found = !known(vm, (pid_t)tid);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Hypervisors start workers and plug in vCPUs while they run. */
void hsf_run_add_new_threads(struct hsf_run *r, size_t i)
{
	struct hsf_server *s = &r->servers[i];
	struct vmrt_error err;
	struct vmrt_vm *vm;
	bool confined = false;
	char pattern[32];

	if (atomic_load(&s->gone) || !has_new_threads(r->vms[i]))
		return;
	snprintf(pattern, sizeof(pattern), "pid:%d", (int)s->pid);
	if (vmrt_vm_get(pattern, &vm, &err) != VMRT_OK)
		return;
	for (size_t k = 0; k < vm->n_threads; k++) {
		if (known(r->vms[i], vm->threads[k].tid))
			continue;
		if (add_thread(r, s, &vm->threads[k], &confined, &err) != VMRT_OK)
			vmrt_warn("new thread %s of VM %s is left as it is: %s", vm->threads[k].comm, s->vm,
				err.text);
		else if (vm->threads[k].role == VMRT_ROLE_VCPU)
			vmrt_say("VM %s has a new vCPU thread %s: it joins server %s", s->vm,
				vm->threads[k].comm, s->spec->name);
	}
	vmrt_vms_free(r->vms[i], 1);
	r->vms[i] = vm;
}
