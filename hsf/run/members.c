/* SPDX-License-Identifier: MIT */
/* Makes threads of VMs members of servers: stores their settings with the guardian, confines
 * them, raises their priority, and watches them. */
#include "hsf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <vmrt/cgroup.h>

/* between adding a server to its enforcer and its first replenishment */
#define LEAD_NS (2 * VMRT_NS_PER_MS)

static enum vmrt_status confine(
	const struct hsf_bound *p, pid_t tid, bool *changed, struct vmrt_error *err)
{
	cpu_set_t now, one;

	CPU_ZERO(&one);
	CPU_SET((size_t)p->cpu, &one);
	if (sched_getaffinity(tid, sizeof(now), &now) == 0 && CPU_EQUAL(&now, &one))
		return VMRT_OK;
	if (sched_setaffinity(tid, sizeof(one), &one) != 0)
		return vmrt_fail_errno(err, errno, "cannot confine thread %d of VM %s to CPU %d",
			(int)tid, p->vm->name, p->cpu);
	*changed = true;
	return VMRT_OK;
}

static enum vmrt_status cannot_raise(
	const struct hsf_bound *p, pid_t tid, int errnum, struct vmrt_error *err)
{
	char group[128];

	if (errnum == EPERM && hsf_reserve_group(tid, group, sizeof(group)) == 0)
		return vmrt_fail(err, VMRT_EPERM,
			"thread %d of VM %s cannot get SCHED_FIFO: its cgroup %s has no real-time "
			"budget (cpu.rt_runtime_us is 0), as those that libvirt makes; take the VM "
			"out "
			"of it: " VMRT_LEAVE_GROUP,
			(int)tid, p->vm->name, group, (int)p->vm->pid);
	if (errnum == EPERM)
		return vmrt_fail(err, VMRT_EPERM,
			"no permission to give thread %d of VM %s SCHED_FIFO: run as root or with "
			"CAP_SYS_NICE",
			(int)tid, p->vm->name);
	return vmrt_fail_errno(
		err, errnum, "cannot raise thread %d of VM %s", (int)tid, p->vm->name);
}

/* Explains why the kernel refused a reservation: its admission test, or one of its other
 * conditions. */
static enum vmrt_status cannot_reserve(
	const struct hsf_bound *p, pid_t tid, int errnum, struct vmrt_error *err)
{
	switch (errnum) {
	case EBUSY:
		return vmrt_fail(err, VMRT_EBUSY,
			"the kernel does not admit server %s to SCHED_DEADLINE: all reservations "
			"together may take "
			"/proc/sys/kernel/sched_rt_runtime_us of each sched_rt_period_us per CPU "
			"(usually 95 %%), "
			"and this one would be more; give it less budget, or end others",
			p->spec.name);
	case EPERM:
		return vmrt_fail(err, VMRT_EPERM,
			"no permission to give thread %d of VM %s SCHED_DEADLINE: run as root or "
			"with CAP_SYS_NICE; "
			"the thread must also be allowed on all CPUs of its root domain, so that a "
			"cpuset which is "
			"smaller must be an exclusive one (cpuset.cpus.partition = root; version "
			"1: cpu_exclusive, "
			"and no load balancing in the cpuset above)",
			(int)tid, p->vm->name);
	case EINVAL:
		return vmrt_fail(err, VMRT_EINVAL,
			"the kernel does not take the period and budget of server %s for "
			"SCHED_DEADLINE: the budget "
			"must be 1024 ns at least, the period between sched_deadline_period_min_us "
			"and _max_us of "
			"/proc/sys/kernel",
			p->spec.name);
	default:
		return vmrt_fail_errno(err, errnum, "cannot give thread %d of VM %s SCHED_DEADLINE",
			(int)tid, p->vm->name);
	}
}

static enum vmrt_status prepare_vcpu(struct hsf_run *r, struct hsf_bound *p, pid_t pid, pid_t tid,
	bool *confined, struct vmrt_error *err)
{
	enum vmrt_status status;
	int rc;

	if (p->spec.policy == VMRT_POLICY_NONE)
		return VMRT_OK;
	status = hsf_guardian_add(r->guardian, pid, tid, err);
	if (status == VMRT_OK && p->spec.depletion == VMRT_DEPLETION_HARD)
		status = hsf_guardian_stops(r->guardian, pid, err);
	if (status != VMRT_OK)
		return status;
	if (p->spec.policy == VMRT_POLICY_DEADLINE) {
		rc = hsf_raise_deadline(tid, p->spec.budget_ns, p->spec.period_ns);
		return rc ? cannot_reserve(p, tid, rc, err) : VMRT_OK;
	}
	status = confine(p, tid, confined, err);
	if (status != VMRT_OK)
		return status;
	/* an error must be found here, because the enforcer cannot report it later; a member begins
	 * without budget */
	rc = hsf_enforcer_try(p->enforcer, tid, p->spec.background);
	return rc ? cannot_raise(p, tid, rc, err) : VMRT_OK;
}

static int helper_priority(const struct hsf_bound *p)
{
	struct hsf_params params;

	hsf_params_from(&params, &p->spec);
	return hsf_params_priority(&params) + HSF_HELPER_ABOVE;
}

static enum vmrt_status prepare_helper(struct hsf_run *r, struct hsf_bound *p, pid_t pid,
	const struct vmrt_vm_thread *t, struct vmrt_error *err)
{
	struct hsf_settings now;
	enum vmrt_status status;
	int rc;

	if (p->spec.policy == VMRT_POLICY_NONE)
		return VMRT_OK;
	rc = hsf_settings_read(t->tid, &now);
	if (rc == ESRCH)
		return VMRT_ENOENT;
	/* a thread to which its owner, or another server of this VM, gave a higher priority keeps
	 * it */
	if (!rc && (now.policy == SCHED_FIFO || now.policy == SCHED_RR) &&
		(int)now.priority >= helper_priority(p))
		return VMRT_OK;
	status = hsf_guardian_add(r->guardian, pid, t->tid, err);
	if (status == VMRT_ENOENT && t->role == VMRT_ROLE_VHOST)
		status = hsf_guardian_add(r->guardian, t->tid, t->tid, err); /* a kernel thread */
	if (status != VMRT_OK)
		return status;
	rc = hsf_raise(t->tid, helper_priority(p));
	return rc ? cannot_raise(p, t->tid, rc, err) : VMRT_OK;
}

/* With a server for each vCPU, helper threads belong to the first server of their VM. */
static bool is_helper_here(const struct hsf_run *r, const struct hsf_bound *p)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->bound[i]->server && r->bound[i]->vm->pid == p->vm->pid)
			return r->bound[i] == p;
	return true;
}

/* Makes a thread a member. A thread that ends meanwhile is no error. */
static enum vmrt_status add_thread(struct hsf_run *r, struct hsf_bound *p,
	const struct vmrt_vm_thread *t, bool *confined, struct vmrt_error *err)
{
	bool helper = t->role != VMRT_ROLE_VCPU;
	pid_t pid = t->role == VMRT_ROLE_VHOST ? p->vm->pid : hsf_process_of(t->tid);
	enum vmrt_status status;

	if (!pid || (!helper && p->spec.vcpu >= 0 && t->vcpu != p->spec.vcpu))
		return VMRT_OK;
	/* the id may belong to another process by now */
	if (!vmrt_process_allowed(pid, p->vm))
		return VMRT_OK;
	if (helper)
		status = prepare_helper(r, p, pid, t, err);
	else
		status = prepare_vcpu(r, p, pid, t->tid, confined, err);
	if (status == VMRT_OK && (!helper || is_helper_here(r, p)))
		status = hsf_enforcer_adopt(p->enforcer, p->server, pid, t->tid, helper, err);
	return status == VMRT_ENOENT ? VMRT_OK : status;
}

/* Helper threads come first: a raised vCPU thread must not run without its raised main loop. */
static enum vmrt_status add_members(struct hsf_run *r, struct hsf_bound *p, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	bool confined = false;

	for (int helpers = 1; helpers >= 0; helpers--)
		for (size_t k = 0; k < p->vm->n_threads && status == VMRT_OK; k++)
			if ((p->vm->threads[k].role != VMRT_ROLE_VCPU) == helpers)
				status = add_thread(r, p, &p->vm->threads[k], &confined, err);
	if (status == VMRT_OK && confined)
		vmrt_say("the vCPU threads of VM %s are confined to CPU %d while enforced",
			p->vm->name, p->cpu);
	return status;
}

static enum vmrt_status find_enforcer(
	struct hsf_run *r, struct hsf_bound *p, struct vmrt_error *err)
{
	struct hsf_enforcer *e;
	enum vmrt_status status;

	for (size_t i = 0; i < r->n_enforcers; i++) {
		if (hsf_enforcer_cpu(r->enforcers[i]) == p->cpu) {
			p->enforcer = r->enforcers[i];
			return VMRT_OK;
		}
	}
	status = hsf_enforcer_new(p->cpu, r->marker, &e, err);
	if (status == VMRT_OK)
		status = hsf_enforcer_start(e, err);
	if (status != VMRT_OK) {
		hsf_enforcer_free(e);
		return status;
	}
	p->enforcer = r->enforcers[r->n_enforcers++] = e;
	return VMRT_OK;
}

/* The first time on the grid from @t0 on that can still be met. */
static int64_t first_from(int64_t t0, int64_t period)
{
	int64_t soon = vmrt_now_ns() + LEAD_NS;

	if (t0 >= soon)
		return t0;
	return period > 0 ? t0 + (soon - t0 + period - 1) / period * period : soon;
}

enum vmrt_status hsf_bound_enforce(
	struct hsf_run *r, struct hsf_bound *p, int64_t t0, struct vmrt_error *err)
{
	struct hsf_params params;
	enum vmrt_status status;

	hsf_params_from(&params, &p->spec);
	status = find_enforcer(r, p, err);
	if (status == VMRT_OK)
		status = hsf_server_new(
			p->spec.name, p->vm->name, p->vm->pid, p->cpu, &params, &p->server, err);
	if (status == VMRT_OK)
		status = add_members(r, p, err);
	if (status == VMRT_OK)
		status = hsf_enforcer_add(
			p->enforcer, p->server, first_from(t0, params.period_ns), err);
	if (status != VMRT_OK)
		hsf_bound_release(r, p);
	return status;
}

void hsf_bound_release(struct hsf_run *r, struct hsf_bound *p)
{
	(void)r;
	if (!p->server)
		return;
	hsf_enforcer_remove(p->enforcer, p->server);
	hsf_server_free(p->server);
	p->server = NULL;
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
void hsf_bound_add_new_threads(struct hsf_run *r, struct hsf_bound *p)
{
	struct vmrt_error err;
	struct vmrt_vm *vm;
	bool confined = false;
	char pattern[32];

	if (!p->server || hsf_server_gone(p->server) ||
		(!p->any_process && !has_new_threads(p->vm)))
		return;
	snprintf(pattern, sizeof(pattern), "pid:%d", (int)p->vm->pid);
	if (vmrt_vm_get_of(p->any_process ? p->spec.vm : pattern, p->spec.user, &vm, &err) !=
		VMRT_OK)
		return;
	for (size_t k = 0; k < vm->n_threads; k++) {
		if (known(p->vm, vm->threads[k].tid))
			continue;
		if (add_thread(r, p, &vm->threads[k], &confined, &err) != VMRT_OK)
			vmrt_warn("new thread %s of VM %s does not become a member: %s",
				vm->threads[k].comm, p->vm->name, err.text);
		else if (vm->threads[k].role == VMRT_ROLE_VCPU)
			vmrt_say("VM %s has a new vCPU thread %s: it joins server %s", p->vm->name,
				vm->threads[k].comm, p->spec.name);
	}
	vmrt_vms_free(p->vm, 1);
	p->vm = vm;
}
