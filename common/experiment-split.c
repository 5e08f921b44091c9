/* SPDX-License-Identifier: MIT */
/* Servers and vCPUs: finds which vCPU a server is for, and gives each vCPU of a VM with several
 * vCPUs a server of its own. */
#include <vmrt/experiment.h>

#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/units.h>
#include <vmrt/vms.h>

#include "experiment-local.h"

#define MAX_SERVERS 65536

/* Does the colon at @colon belong to a pattern of threads, and not to a vCPU's number? */
static bool is_of_pattern(const char *vm, const char *colon)
{
	if (!strncmp(vm, "pid:", 4))
		return colon == vm + 3;
	return !strncmp(vm, "thread:", 7) || !strncmp(vm, "cgroup:", 7);
}

void experiment_take_vcpu(struct vmrt_server_spec *s)
{
	char *colon = strrchr(s->vm, ':');
	int64_t number;

	if (!colon || colon == s->vm || is_of_pattern(s->vm, colon) ||
		vmrt_parse_int(colon + 1, 0, UINT16_MAX, &number) != VMRT_OK)
		return;
	*colon = '\0';
	s->vcpu = (int)number;
}

const char *vmrt_server_vm(const struct vmrt_server_spec *spec, char buf[VMRT_SERVER_VM])
{
	if (spec->vcpu < 0)
		snprintf(buf, VMRT_SERVER_VM, "%s", spec->vm);
	else
		snprintf(buf, VMRT_SERVER_VM, "%s:%d", spec->vm, spec->vcpu);
	return buf;
}

const char *vmrt_server_cpus(
	const struct vmrt_server_spec *spec, char buf[VMRT_SERVER_CPUS * 5 + 1])
{
	size_t n = 0;

	*buf = '\0';
	if (spec->n_cpus < 2 && spec->cpu >= 0)
		snprintf(buf, VMRT_SERVER_CPUS * 5 + 1, "%d", spec->cpu);
	for (size_t i = 0; spec->n_cpus > 1 && i < spec->n_cpus; i++)
		n += (size_t)snprintf(
			buf + n, VMRT_SERVER_CPUS * 5 + 1 - n, i ? ",%d" : "%d", spec->cpus[i]);
	return buf;
}

bool vmrt_server_is_for(const struct vmrt_server_spec *spec, const char *vm,
	const struct vmrt_vm_thread *threads, size_t n)
{
	int64_t tid;

	if (!strcmp(spec->vm, vm))
		return true;
	if (strncmp(spec->vm, "pid:", 4) != 0 ||
		vmrt_parse_int(spec->vm + 4, 1, INT32_MAX, &tid) != VMRT_OK)
		return false;
	for (size_t i = 0; i < n; i++)
		if (threads[i].tid == tid)
			return true;
	return false;
}

bool vmrt_server_splits(const struct vmrt_server_spec *spec)
{
	return spec->vcpu < 0 && !spec->together && spec->policy != VMRT_POLICY_NONE &&
	       spec->policy != VMRT_POLICY_RT_GROUP && spec->policy != VMRT_POLICY_CFS_QUOTA &&
	       spec->depletion == VMRT_DEPLETION_SOFT;
}

enum vmrt_status vmrt_server_part(const struct vmrt_server_spec *spec, int vcpu,
	struct vmrt_server_spec *out, struct vmrt_error *err)
{
	char name[VMRT_NAME_MAX + 16];

	snprintf(name, sizeof(name), "%s:%d", spec->name, vcpu);
	if (strlen(name) >= sizeof(out->name))
		return vmrt_fail(err, VMRT_ERANGE,
			"the name of server %s is too long to have the number of a vCPU behind it",
			spec->name);
	if (spec->n_cpus > 1 && (size_t)vcpu >= spec->n_cpus)
		return vmrt_fail(err, VMRT_EINVAL,
			"server %s: its list of CPUs has %zu, and VM %s has a vCPU %d: name one "
			"for "
			"each vCPU",
			spec->name, spec->n_cpus, spec->vm, vcpu);
	*out = *spec;
	strcpy(out->name, name);
	strcpy(out->of, spec->name);
	out->vcpu = vcpu;
	if (spec->n_cpus > 1) {
		out->cpu = spec->cpus[vcpu];
		out->n_cpus = 0;
	}
	return VMRT_OK;
}

/* Has vCPU @vcpu of the VM a server that is for this vCPU alone? */
static bool has_own(const struct vmrt_experiment *exp, const char *vm,
	const struct vmrt_vm_thread *threads, size_t n, int vcpu)
{
	for (size_t i = 0; i < exp->n_servers; i++)
		if (exp->servers[i].vcpu == vcpu &&
			vmrt_server_is_for(&exp->servers[i], vm, threads, n))
			return true;
	return false;
}

/* Replaces the server at @index by its parts, one for each vCPU. */
static enum vmrt_status put_parts(struct vmrt_experiment *exp, size_t index, const int *vcpus,
	size_t n, struct vmrt_error *err)
{
	struct vmrt_server_spec whole = exp->servers[index], *more;

	if (exp->n_servers + n > MAX_SERVERS)
		return vmrt_fail(err, VMRT_ERANGE, "more than %d servers", MAX_SERVERS);
	more = realloc(exp->servers, (exp->n_servers + n) * sizeof(*more));
	if (!more)
		return vmrt_fail(err, VMRT_ENOMEM, "servers: out of memory");
	exp->servers = more;
	memmove(&more[index + n], &more[index + 1], (exp->n_servers - index - 1) * sizeof(*more));
	exp->n_servers += n - 1;
	/* every entry is valid now, even if something fails below */
	for (size_t k = 0; k < n; k++)
		more[index + k] = whole;
	for (size_t k = 0; k < n; k++) {
		enum vmrt_status status = vmrt_server_part(&whole, vcpus[k], &more[index + k], err);

		if (status != VMRT_OK)
			return status;
		for (size_t i = 0; i < exp->n_servers; i++)
			if ((i < index || i >= index + n) &&
				!strcmp(more[i].name, more[index + k].name))
				return vmrt_fail(err, VMRT_EINVAL,
					"server %s (line %d) has the name that the server of vCPU "
					"%d "
					"of server %s gets: give it another one",
					more[i].name, more[i].line, vcpus[k], whole.name);
	}
	return VMRT_OK;
}

static int compare_numbers(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

enum vmrt_status vmrt_experiment_split(struct vmrt_experiment *exp, const char *vm,
	const struct vmrt_vm_thread *threads, size_t n, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	int *vcpus = calloc(n ? n : 1, sizeof(*vcpus));
	size_t all = 0, left = 0;

	if (!vcpus)
		return vmrt_fail(err, VMRT_ENOMEM, "servers: out of memory");
	for (size_t i = 0; i < n; i++) {
		if (threads[i].role != VMRT_ROLE_VCPU || threads[i].vcpu < 0)
			continue;
		all++;
		if (!has_own(exp, vm, threads, n, threads[i].vcpu))
			vcpus[left++] = threads[i].vcpu;
	}
	qsort(vcpus, left, sizeof(*vcpus), compare_numbers);
	for (size_t i = 0; all > 1 && left && i < exp->n_servers && status == VMRT_OK; i++) {
		if (!vmrt_server_splits(&exp->servers[i]) ||
			!vmrt_server_is_for(&exp->servers[i], vm, threads, n))
			continue;
		status = put_parts(exp, i, vcpus, left, err);
		break; /* the vCPUs have their servers now */
	}
	free(vcpus);
	return status;
}

struct vmrt_experiment *vmrt_experiment_copy(const struct vmrt_experiment *exp)
{
	struct vmrt_experiment *copy = malloc(sizeof(*copy));

	if (!copy)
		return NULL;
	*copy = *exp;
	copy->servers = calloc(exp->n_servers + 1, sizeof(*copy->servers));
	copy->tasks = calloc(exp->n_tasks + 1, sizeof(*copy->tasks));
	if (!copy->servers || !copy->tasks) {
		vmrt_experiment_free(copy);
		return NULL;
	}
	if (exp->n_servers)
		memcpy(copy->servers, exp->servers, exp->n_servers * sizeof(*copy->servers));
	if (exp->n_tasks)
		memcpy(copy->tasks, exp->tasks, exp->n_tasks * sizeof(*copy->tasks));
	return copy;
}
