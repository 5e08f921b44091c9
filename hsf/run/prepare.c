/* SPDX-License-Identifier: MIT */
/* Prepares a run: its servers, their VMs and CPUs, and whether they fit. Nothing is changed
 * here. */
#include "hsf.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hsf/guard/vm-lock.h"

#define SIBLING_LOAD 1000.0 /* of CPUs: more than all servers want */

enum vmrt_status hsf_bound_check(
	const struct hsf_run *r, const struct vmrt_server_spec *spec, struct vmrt_error *err)
{
	const struct hsf_rules *rules = hsf_rules_for(spec->policy);
	const char *path = r->opts->called;
	char period[VMRT_UNITS_TEXT], budget[VMRT_UNITS_TEXT];

	if (!rules)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s:%d: policy %s of server %s is not enforced; supported: %s", path,
			spec->line, vmrt_policy_name(spec->policy), spec->name, hsf_rules_names());
	if (rules->measures && spec->depletion != VMRT_DEPLETION_SOFT)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s:%d: depletion hard of server %s: with policy %s nobody is held back by "
			"vmrt-hsf",
			path, spec->line, spec->name, vmrt_policy_name(spec->policy));
	if (rules->measures)
		return VMRT_OK;
	if (spec->period_ns < HSF_LEAST_PERIOD_NS || spec->budget_ns < HSF_LEAST_BUDGET_NS)
		return vmrt_fail(err, VMRT_ERANGE,
			"%s:%d: server %s is too fine to be enforced: give it a period of at least "
			"%s and a "
			"budget of at least %s",
			path, spec->line, spec->name,
			vmrt_format_duration(HSF_LEAST_PERIOD_NS, period),
			vmrt_format_duration(HSF_LEAST_BUDGET_NS, budget));
	if (!rules->by_deadline && spec->priority + HSF_HELPER_ABOVE >= HSF_ENFORCER_PRIORITY)
		return vmrt_fail(err, VMRT_ERANGE,
			"%s:%d: priority %d of server %s is too high: the VM's other threads run "
			"at %d, which "
			"must be below the enforcer's %d; give at most %d",
			path, spec->line, spec->priority, spec->name,
			spec->priority + HSF_HELPER_ABOVE, HSF_ENFORCER_PRIORITY,
			HSF_ENFORCER_PRIORITY - HSF_HELPER_ABOVE - 1);
	return VMRT_OK;
}

static bool is_member(const struct hsf_bound *p, const struct vmrt_vm_thread *t)
{
	return t->role == VMRT_ROLE_VCPU && (p->spec.vcpu < 0 || t->vcpu == p->spec.vcpu);
}

/* The first CPU on which all vCPU threads of @p may run; -1 if there is none. */
static int common_cpu(const struct hsf_bound *p)
{
	cpu_set_t common;

	memset(&common, 0xff, sizeof(common));
	for (size_t i = 0; i < p->vm->n_threads; i++)
		if (is_member(p, &p->vm->threads[i]))
			CPU_AND(&common, &common, &p->vm->threads[i].affinity);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &common))
			return cpu;
	return -1;
}

/*
 * The CPU for a single vCPU: a CPU on which it may run, without another vCPU of its VM if possible,
 * and with the least load of servers.
 */
static int own_cpu(const struct hsf_run *r, const struct hsf_bound *p)
{
	double best = 0;
	int chosen = -1;

	for (int cpu = common_cpu(p); cpu >= 0 && cpu < CPU_SETSIZE; cpu++) {
		double load = 0;
		bool allowed = true;
		cpu_set_t now;

		/* the kernel's current mask leaves out CPUs that are offline */
		for (size_t i = 0; i < p->vm->n_threads; i++)
			if (is_member(p, &p->vm->threads[i]))
				allowed &= sched_getaffinity(
						   p->vm->threads[i].tid, sizeof(now), &now) == 0 &&
					   CPU_ISSET(cpu, &now);
		for (size_t k = 0; k < r->n; k++) {
			const struct hsf_bound *other = r->bound[k];

			if (other->cpu != cpu)
				continue;
			if (other->spec.period_ns > 0 && other->spec.policy != VMRT_POLICY_NONE)
				load += (double)other->spec.budget_ns /
					(double)other->spec.period_ns;
			load += other->vm->pid == p->vm->pid ? SIBLING_LOAD : 0;
		}
		if (!allowed || (chosen >= 0 && load >= best))
			continue;
		chosen = cpu;
		best = load;
	}
	return chosen >= 0 ? chosen : common_cpu(p);
}

/* Locks the process of a VM, also for the guardian, which holds the lock until all settings are
 * restored. */
static enum vmrt_status lock_process(
	struct hsf_run *r, const struct hsf_bound *p, pid_t pid, struct vmrt_error *err)
{
	enum vmrt_status status;
	struct vmrt_error why;

	for (size_t i = 0; i < r->n_locks; i++)
		if (r->locked[i] == pid)
			return VMRT_OK;
	if (r->n_locks == HSF_MAX_LOCKS)
		return vmrt_fail(
			err, VMRT_ERANGE, "members of more than %d processes", HSF_MAX_LOCKS);
	status = vm_lock(pid, &r->locks[r->n_locks], &why);
	if (status == VMRT_EEXIST)
		return vmrt_fail(err, VMRT_EEXIST,
			"%s:%d: VM %s is already scheduled by another vmrt-hsf", r->opts->called,
			p->spec.line, p->vm->name);
	if (status != VMRT_OK)
		return vmrt_fail(err, status, "%s:%d: VM %s: %s", r->opts->called, p->spec.line,
			p->vm->name, why.text);
	r->locked[r->n_locks++] = pid;
	return VMRT_OK;
}

static bool has_thread(const struct hsf_bound *p, pid_t tid)
{
	for (size_t i = 0; i < p->vm->n_threads; i++)
		if (p->vm->threads[i].tid == tid && is_member(p, &p->vm->threads[i]))
			return true;
	return false;
}

/* Stopping (SIGSTOP) stops a whole process, so all of its threads must be members of one server. */
static enum vmrt_status check_hard(
	const struct hsf_run *r, const struct hsf_bound *p, pid_t pid, struct vmrt_error *err)
{
	struct dirent *entry;
	bool whole = true;
	char path[64];
	DIR *dir;

	if (p->spec.depletion != VMRT_DEPLETION_HARD)
		return VMRT_OK;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = p->spec.vcpu < 0 && p->any_process ? opendir(path) : NULL;
	while (dir && whole && (entry = readdir(dir))) {
		int64_t tid;

		if (vmrt_parse_int(entry->d_name, 1, INT32_MAX, &tid) == VMRT_OK)
			whole = has_thread(p, (pid_t)tid);
	}
	if (dir)
		closedir(dir);
	if (whole && p->spec.vcpu < 0)
		return VMRT_OK;
	return vmrt_fail(err, VMRT_EUNSUPPORTED,
		"%s:%d: server %s: depletion hard stops whole processes, and this is a part of "
		"process %d only; "
		"make a server of all its threads, or use depletion = soft",
		r->opts->called, p->spec.line, p->spec.name, (int)pid);
}

static enum vmrt_status check_threads(
	struct hsf_run *r, const struct hsf_bound *p, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	pid_t last = 0;

	for (size_t i = 0; i < p->vm->n_threads && status == VMRT_OK; i++) {
		const struct vmrt_vm_thread *t = &p->vm->threads[i];
		pid_t pid = is_member(p, t) ? hsf_process_of(t->tid) : 0;

		if (!pid)
			continue;
		for (size_t k = 0; k < r->n; k++)
			if (has_thread(r->bound[k], t->tid))
				return vmrt_fail(err, VMRT_EINVAL,
					"%s:%d: %s %s already belongs to server %s",
					r->opts->called, p->spec.line,
					p->spec.vcpu < 0 ? "VM" : "this vCPU of VM", p->vm->name,
					r->bound[k]->spec.name);
		if (pid == getpid())
			return vmrt_fail(err, VMRT_EINVAL,
				"%s:%d: server %s: %s includes vmrt-hsf itself", r->opts->called,
				p->spec.line, p->spec.name, p->spec.vm);
		if (pid == last)
			continue;
		last = pid;
		status = check_hard(r, p, pid, err);
		if (status == VMRT_OK)
			status = lock_process(r, p, pid, err);
	}
	return status;
}

static enum vmrt_status find_vm(struct hsf_run *r, struct hsf_bound *p, struct vmrt_error *err)
{
	const char *path = r->opts->called;
	struct vmrt_error why;
	enum vmrt_status status = vmrt_vm_get_of(p->spec.vm, p->spec.user, &p->vm, &why);
	size_t n = 0;

	if (status != VMRT_OK)
		return vmrt_fail(err, status, "%s:%d: server %s: %.350s", path, p->spec.line,
			p->spec.name, why.text);
	p->any_process = !strcmp(p->vm->hypervisor, "process");
	for (size_t i = 0; i < p->vm->n_threads; i++)
		n += is_member(p, &p->vm->threads[i]);
	if (!n && p->spec.vcpu >= 0)
		return vmrt_fail(err, VMRT_ENOENT, "%s:%d: server %s: VM %s has no vCPU %d", path,
			p->spec.line, p->spec.name, p->vm->name, p->spec.vcpu);
	if (!n)
		return vmrt_fail(err, VMRT_ENOENT,
			"%s:%d: server %s: no thread of VM %s is known as a vCPU: start QEMU with "
			"-name guest=%s,debug-threads=on",
			path, p->spec.line, p->spec.name, p->vm->name, p->vm->name);
	if (n > 1 && p->spec.policy == VMRT_POLICY_DEADLINE)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s:%d: server %s: SCHED_DEADLINE gives a budget to one thread, and VM %s "
			"has %zu vCPUs: "
			"leave out together = yes, or make a server for each, with vm = %s:0 and "
			"so on",
			path, p->spec.line, p->spec.name, p->vm->name, n, p->vm->name);
	p->cpu = p->spec.cpu >= 0    ? p->spec.cpu
		 : r->opts->cpu >= 0 ? r->opts->cpu
		 : p->spec.vcpu >= 0 ? own_cpu(r, p)
				     : common_cpu(p);
	if (p->cpu < 0)
		return vmrt_fail(err, VMRT_EINVAL,
			"%s:%d: server %s: the vCPU threads of VM %s have no CPU in common; name "
			"one with --cpu",
			path, p->spec.line, p->spec.name, p->vm->name);
	return check_threads(r, p, err);
}

enum vmrt_status hsf_bound_new(struct hsf_run *r, const struct vmrt_server_spec *spec,
	struct hsf_bound **out, struct vmrt_error *err)
{
	enum vmrt_status status = hsf_bound_check(r, spec, err);
	struct hsf_bound *p;

	if (status != VMRT_OK)
		return status;
	p = calloc(1, sizeof(*p));
	if (!p)
		return vmrt_fail(err, VMRT_ENOMEM, "servers: out of memory");
	p->spec = *spec;
	status = find_vm(r, p, err);
	if (status == VMRT_OK)
		*out = p;
	else
		hsf_bound_free(r, p);
	return status;
}

/* Releases the locks that only @p needs. */
static void unlock(struct hsf_run *r, const struct hsf_bound *p)
{
	for (size_t l = 0; l < r->n_locks;) {
		bool needed = false;

		for (size_t k = 0; k < r->n && !needed; k++)
			for (size_t i = 0;
				r->bound[k] != p && i < r->bound[k]->vm->n_threads && !needed; i++)
				needed = hsf_process_of(r->bound[k]->vm->threads[i].tid) ==
					 r->locked[l];
		if (needed) {
			l++;
			continue;
		}
		vm_unlock(r->locks[l]);
		r->locks[l] = r->locks[--r->n_locks];
		r->locked[l] = r->locked[r->n_locks];
	}
}

void hsf_bound_free(struct hsf_run *r, struct hsf_bound *p)
{
	if (!p)
		return;
	hsf_bound_release(r, p);
	for (size_t i = 0; i < r->n; i++) {
		if (r->bound[i] == p) {
			memmove(&r->bound[i], &r->bound[i + 1],
				(r->n - i - 1) * sizeof(r->bound[0]));
			r->n--;
			break;
		}
	}
	if (p->vm) {
		unlock(r, p);
		vmrt_vms_free(p->vm, 1);
	}
	free(p);
}
