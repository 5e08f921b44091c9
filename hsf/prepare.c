/* SPDX-License-Identifier: MIT */
/* What a run is about: servers, their VMs and CPUs, and whether they fit. Nothing is changed here. */
#include "hsf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <vmrt/files.h>

static bool wanted(const struct hsf_options *opts, const struct vmrt_server_spec *spec)
{
	if (!opts->n_servers)
		return spec->policy != VMRT_POLICY_NONE;
	for (size_t i = 0; i < opts->n_servers; i++)
		if (!strcmp(opts->servers[i], spec->name))
			return true;
	return false;
}

static enum vmrt_status check_supported(
	const char *path, const struct vmrt_server_spec *spec, struct vmrt_error *err)
{
	char period[VMRT_UNITS_TEXT], budget[VMRT_UNITS_TEXT];

	if (!hsf_rules_for(spec->policy))
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s:%d: policy %s of server %s is not enforced; supported: %s", path, spec->line,
			vmrt_policy_name(spec->policy), spec->name, hsf_rules_names());
	if (spec->depletion != VMRT_DEPLETION_SOFT)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"%s:%d: depletion %s of server %s is not enforced; supported: soft", path, spec->line,
			vmrt_depletion_name(spec->depletion), spec->name);
	if (spec->period_ns < HSF_LEAST_PERIOD_NS || spec->budget_ns < HSF_LEAST_BUDGET_NS)
		return vmrt_fail(err, VMRT_ERANGE,
			"%s:%d: server %s is too fine to be enforced: give it a period of at least %s and a "
			"budget of at least %s",
			path, spec->line, spec->name, vmrt_format_duration(HSF_LEAST_PERIOD_NS, period),
			vmrt_format_duration(HSF_LEAST_BUDGET_NS, budget));
	if (spec->priority + HSF_HELPER_ABOVE >= HSF_ENFORCER_PRIORITY)
		return vmrt_fail(err, VMRT_ERANGE,
			"%s:%d: priority %d of server %s is too high: the VM's other threads run at %d, which "
			"must be below the enforcer's %d; give at most %d",
			path, spec->line, spec->priority, spec->name, spec->priority + HSF_HELPER_ABOVE,
			HSF_ENFORCER_PRIORITY, HSF_ENFORCER_PRIORITY - HSF_HELPER_ABOVE - 1);
	return VMRT_OK;
}

static enum vmrt_status choose_servers(struct hsf_run *r, struct vmrt_error *err)
{
	const struct hsf_options *opts = r->opts;
	enum vmrt_status status;

	for (size_t i = 0; i < opts->n_servers; i++)
		if (!vmrt_experiment_server(r->exp, opts->servers[i]))
			return vmrt_fail(err, VMRT_ENOENT, "%s: there is no server %s", opts->experiment,
				opts->servers[i]);
	for (size_t i = 0; i < r->exp->n_servers; i++)
		r->n += wanted(opts, &r->exp->servers[i]);
	if (!r->n)
		return vmrt_fail(err, VMRT_ENOENT, "%s: there is no server to enforce", opts->experiment);
	if (r->n > HSF_MAX_SERVERS)
		return vmrt_fail(err, VMRT_ERANGE, "%s: more than %d servers", opts->experiment,
			HSF_MAX_SERVERS);
	r->servers = calloc(r->n, sizeof(*r->servers));
	r->vms = calloc(r->n, sizeof(struct vmrt_vm *));
	r->gone = calloc(r->n, sizeof(bool));
	if (!r->servers || !r->vms || !r->gone)
		return vmrt_fail(err, VMRT_ENOMEM, "servers: out of memory");
	for (size_t i = 0, k = 0; i < r->exp->n_servers; i++) {
		if (!wanted(opts, &r->exp->servers[i]))
			continue;
		status = check_supported(opts->experiment, &r->exp->servers[i], err);
		if (status != VMRT_OK)
			return status;
		hsf_latency_init(&r->servers[k].latency);
		r->servers[k++].spec = &r->exp->servers[i];
	}
	return VMRT_OK;
}

/* The CPU that all vCPU threads of @vm may run on, the first if there are several; -1 if none. */
static int common_cpu(const struct vmrt_vm *vm)
{
	cpu_set_t common;

	memset(&common, 0xff, sizeof(common));
	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].role == VMRT_ROLE_VCPU)
			CPU_AND(&common, &common, &vm->threads[i].affinity);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &common))
			return cpu;
	return -1;
}

/*
 * Two enforcers on one VM would take each other's settings for the VM's own. The lock is on a file
 * of the VM's process, so it leaves nothing behind.
 */
static enum vmrt_status lock_vm(struct hsf_run *r, const struct hsf_server *s, struct vmrt_error *err)
{
	char path[64];
	int fd, errnum;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)s->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot open %s of VM %s", path, s->vm);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		errnum = errno;
		close(fd);
		if (errnum == EWOULDBLOCK)
			return vmrt_fail(err, VMRT_EBUSY, "%s:%d: VM %s is already scheduled by another vmrt-hsf",
				r->opts->experiment, s->spec->line, s->vm);
		return vmrt_fail_errno(err, errnum, "cannot lock %s of VM %s", path, s->vm);
	}
	r->locks[r->n_locks++] = fd;
	return VMRT_OK;
}

static enum vmrt_status find_vm(struct hsf_run *r, size_t i, struct vmrt_error *err)
{
	struct hsf_server *s = &r->servers[i];
	const char *path = r->opts->experiment;
	struct vmrt_error why;
	enum vmrt_status status;

	status = vmrt_vm_get(s->spec->vm, &r->vms[i], &why);
	if (status != VMRT_OK)
		return vmrt_fail(err, status, "%s:%d: server %s: %.350s", path, s->spec->line, s->spec->name,
			why.text);
	s->pid = r->vms[i]->pid;
	snprintf(s->vm, sizeof(s->vm), "%s", r->vms[i]->name);
	if (!r->vms[i]->n_vcpus)
		return vmrt_fail(err, VMRT_ENOENT,
			"%s:%d: server %s: no thread of VM %s is known as a vCPU: start QEMU with "
			"-name guest=%s,debug-threads=on",
			path, s->spec->line, s->spec->name, s->vm, s->vm);
	for (size_t k = 0; k < i; k++)
		if (r->servers[k].pid == s->pid)
			return vmrt_fail(err, VMRT_EINVAL, "%s:%d: VM %s already belongs to server %s", path,
				s->spec->line, s->vm, r->servers[k].spec->name);
	s->cpu = r->opts->cpu >= 0 ? r->opts->cpu : common_cpu(r->vms[i]);
	if (s->cpu < 0)
		return vmrt_fail(err, VMRT_EINVAL,
			"%s:%d: server %s: the vCPU threads of VM %s have no CPU in common; name one with --cpu",
			path, s->spec->line, s->spec->name, s->vm);
	return lock_vm(r, s, err);
}

enum vmrt_status hsf_run_prepare(struct hsf_run *r, struct vmrt_error *err)
{
	enum vmrt_status status;

	status = vmrt_experiment_load(r->opts->experiment, &r->exp, err);
	if (status == VMRT_OK)
		status = choose_servers(r, err);
	for (size_t i = 0; i < r->n && status == VMRT_OK; i++)
		status = find_vm(r, i, err);
	return status;
}
