/* SPDX-License-Identifier: MIT */
/* The tasks of each VM, and how long they execute. */
#include "advise.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Is @path a file that is no database? */
static bool is_experiment(const char *path)
{
	static const char magic[] = "SQLite format 3";
	char head[sizeof(magic)] = "";
	struct stat st;
	FILE *f;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return false;
	f = fopen(path, "r");
	if (!f)
		return true; /* reading it as one will say why not */
	if (fread(head, 1, sizeof(head), f) < sizeof(head))
		head[0] = '\0';
	fclose(f);
	return memcmp(head, magic, sizeof(magic)) != 0;
}

static enum vmrt_status read_origin(struct advice *a, struct vmrt_error *err)
{
	enum vmrt_status status;

	if (is_experiment(a->origin)) {
		if (a->options.execution == VMRT_EXECUTION_MEASURED)
			return vmrt_fail(err, VMRT_EINVAL,
				"%s is an experiment file: nothing is measured in it; give a run",
				a->origin);
		return vmrt_experiment_load(a->origin, &a->experiment, err);
	}
	status = vmrt_facts_load(a->origin, NULL, &a->facts, err);
	if (status != VMRT_OK)
		return status;
	if (!a->facts->experiment || !*a->facts->experiment)
		return vmrt_fail(err, VMRT_EINVAL,
			"%s was recorded without an experiment file: its tasks are not declared",
			a->origin);
	return vmrt_experiment_parse(a->facts->experiment, a->origin, &a->experiment, err);
}

static int64_t measured(const struct advice *a, const struct vmrt_task_spec *spec)
{
	for (size_t i = 0; a->facts && i < a->facts->n_tasks; i++) {
		const struct vmrt_task_facts *t = &a->facts->tasks[i];

		if (!strcmp(t->machine_name, spec->machine) && !strcmp(t->name, spec->name))
			return t->exec.n ? t->exec.max : VMRT_UNKNOWN;
	}
	return VMRT_UNKNOWN;
}

static int64_t execution(const struct advice *a, const struct advised_task *t)
{
	int64_t declared = t->spec->wcet_ns > 0 ? t->spec->wcet_ns : VMRT_UNKNOWN;

	switch (a->options.execution) {
	case VMRT_EXECUTION_DECLARED:
		return declared;
	case VMRT_EXECUTION_MEASURED:
		return t->measured_ns;
	case VMRT_EXECUTION_LARGER:
		return declared > t->measured_ns ? declared : t->measured_ns;
	case VMRT_EXECUTION_ANY:
		break;
	}
	return declared != VMRT_UNKNOWN ? declared : t->measured_ns;
}

/* The declared server of this vCPU, else the one that is about the whole VM called @name. */
static const struct vmrt_server_spec *server_of(
	const struct vmrt_experiment *e, const char *name, int vcpu)
{
	const struct vmrt_server_spec *whole = NULL;

	for (size_t i = 0; i < e->n_servers; i++) {
		const struct vmrt_server_spec *s = &e->servers[i];

		if (strcmp(s->vm, name) != 0)
			continue;
		if (s->vcpu == vcpu)
			return s;
		if (s->vcpu < 0)
			whole = s;
	}
	return whole;
}

/* Has each vCPU of the VM a server of its own? */
static bool is_split(const struct advice *a, const char *name)
{
	const struct vmrt_server_spec *spec = server_of(a->experiment, name, -1);

	return advise_cpus(a, name) > 1 &&
	       (!spec || spec->policy == VMRT_POLICY_NONE || vmrt_server_splits(spec));
}

static enum vmrt_status name_server(struct advised_vm *vm, struct vmrt_error *err)
{
	const struct vmrt_server_spec *spec = vm->spec;
	char name[VMRT_NAME_MAX + 16];

	if (vm->vcpu < 0) {
		snprintf(vm->label, sizeof(vm->label), "%s", vm->name);
		snprintf(vm->server, sizeof(vm->server), "%s", spec ? spec->name : vm->name);
		return VMRT_OK;
	}
	snprintf(vm->label, sizeof(vm->label), "%s:%d", vm->name, vm->vcpu);
	if (spec && spec->vcpu >= 0)
		snprintf(name, sizeof(name), "%s", spec->name);
	else
		snprintf(name, sizeof(name), "%s:%d", spec ? spec->name : vm->name, vm->vcpu);
	if (strlen(name) >= sizeof(vm->server))
		return vmrt_fail(err, VMRT_ERANGE,
			"the name of VM %s is too long to have the number of a vCPU behind it",
			vm->name);
	strcpy(vm->server, name);
	return VMRT_OK;
}

static enum vmrt_status vm_of(struct advice *a, const char *name, int vcpu, struct advised_vm **out,
	struct vmrt_error *err)
{
	struct advised_vm *vm;

	for (size_t i = 0; i < a->n_vms; i++) {
		*out = &a->vms[i];
		if (!strcmp(a->vms[i].name, name) && a->vms[i].vcpu == vcpu)
			return VMRT_OK;
	}
	*out = vm = &a->vms[a->n_vms];
	vm->tasks = calloc(a->experiment->n_tasks, sizeof(*vm->tasks));
	if (!vm->tasks)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	a->n_vms++;
	vm->name = name;
	vm->vcpu = vcpu;
	vm->spec = server_of(a->experiment, name, vcpu);
	vm->policy = vm->spec && vm->spec->policy != VMRT_POLICY_NONE ? vm->spec->policy
								      : VMRT_POLICY_DEFERRABLE;
	vm->depletion = vm->spec ? vm->spec->depletion : VMRT_DEPLETION_SOFT;
	return name_server(vm, err);
}

/* Why the task cannot be judged, or NULL. */
static const char *obstacle(const struct advice *a, const struct advised_task *t)
{
	if (t->spec->period_ns <= 0)
		return "has no period";
	if (execution(a, t) != VMRT_UNKNOWN)
		return NULL;
	if (a->options.execution == VMRT_EXECUTION_MEASURED)
		return "has no execution time: none of its jobs was seen as a whole";
	return a->facts ? "has no execution time: declare its wcet, or use --execution measured"
			: "has no execution time: declare its wcet, or give a run";
}

static enum vmrt_status add_to(
	struct advice *a, const struct advised_task *t, int vcpu, struct vmrt_error *err)
{
	struct advised_vm *vm;
	enum vmrt_status status = vm_of(a, t->spec->machine, vcpu, &vm, err);

	if (status == VMRT_OK)
		vm->tasks[vm->n_tasks++] = *t;
	return status;
}

static bool is_of(const struct advise_ran *ran, const struct vmrt_task_spec *spec)
{
	return !strcmp(ran->machine, spec->machine) && !strcmp(ran->name, spec->name);
}

/*
 * The analysis is of one vCPU. A task that was seen on several, but on one in each job, is counted
 * on each: there it delays others at most as much as if it were always there.
 */
static enum vmrt_status add_to_vcpus(
	struct advice *a, struct advised_task *t, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	size_t times = 0;

	for (size_t i = 0; i < a->n_ran; i++)
		times += is_of(&a->ran[i], t->spec);
	t->elsewhere = times > 1;
	for (size_t i = 0; i < a->n_ran && status == VMRT_OK; i++)
		if (is_of(&a->ran[i], t->spec))
			status = add_to(a, t, a->ran[i].vcpu, err);
	return status;
}

/* Why the task cannot be given to a vCPU of its VM, or NULL. */
static const char *obstacle_of_vcpus(const struct advice *a, const struct vmrt_task_spec *spec)
{
	bool seen = false;

	for (size_t i = 0; i < a->n_ran; i++) {
		if (!is_of(&a->ran[i], spec))
			continue;
		seen = true;
		if (a->ran[i].threads == 1)
			return "is in a guest whose vCPUs take turns in one thread of the host "
			       "(QEMU: -accel tcg,thread=single), which no server of one vCPU can "
			       "bound: give the guest one vCPU, or each vCPU a thread";
		if (a->ran[i].moves > 0)
			return "moved from one vCPU to another inside its jobs, which no server of "
			       "one "
			       "vCPU can bound: pin it in the guest (taskset -cp CPU TID) and "
			       "record "
			       "again";
	}
	return seen ? NULL : "was not seen on any vCPU: record it while it runs";
}

static enum vmrt_status add_task(
	struct advice *a, const struct vmrt_task_spec *spec, struct vmrt_error *err)
{
	struct advised_task t = {
		.spec = spec, .measured_ns = measured(a, spec), .response_ns = VMRT_UNKNOWN};
	bool split = is_split(a, spec->machine);
	const char *why = obstacle(a, &t);

	if (!why && split)
		why = obstacle_of_vcpus(a, spec);
	if (why) {
		a->left_out[a->n_left_out++] = (struct advise_left_out){spec, why};
		return VMRT_OK;
	}
	t.used_ns = (int64_t)((double)execution(a, &t) * (1 + a->options.margin));
	return split ? add_to_vcpus(a, &t, err) : add_to(a, &t, -1, err);
}

/* Only a run says which vCPU a task is on. */
static enum vmrt_status refuse_parts(const struct advice *a, struct vmrt_error *err)
{
	const struct vmrt_experiment *e = a->experiment;

	for (size_t i = 0; !a->facts && i < e->n_servers; i++)
		if (e->servers[i].vcpu >= 0)
			return vmrt_fail(err, VMRT_EINVAL,
				"%s: server %s is for vCPU %d alone, and only a run says which "
				"tasks "
				"are on it: give a run",
				a->origin, e->servers[i].name, e->servers[i].vcpu);
	return VMRT_OK;
}

enum vmrt_status advise_load(struct advice *a, const char *origin, struct vmrt_error *err)
{
	const struct vmrt_experiment *e;
	enum vmrt_status status;

	a->origin = strdup(origin);
	if (!a->origin)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = read_origin(a, err);
	if (status != VMRT_OK)
		return status;
	status = refuse_parts(a, err);
	if (status == VMRT_OK)
		status = advise_load_ran(a, err);
	if (status != VMRT_OK)
		return status;
	e = a->experiment;
	a->vms = calloc(e->n_tasks + a->n_ran + 1, sizeof(*a->vms));
	a->left_out = calloc(e->n_tasks + 1, sizeof(*a->left_out));
	if (!a->vms || !a->left_out)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; status == VMRT_OK && i < e->n_tasks; i++)
		if (strcmp(e->tasks[i].machine, VMRT_HOST) != 0)
			status = add_task(a, &e->tasks[i], err);
	/* with none that can be judged, the first one's obstacle is the answer */
	if (status == VMRT_OK && !a->n_vms && a->n_left_out)
		return vmrt_fail(err, VMRT_EINVAL, "%s: task %s/%s %s", origin,
			a->left_out[0].spec->machine, a->left_out[0].spec->name,
			a->left_out[0].why);
	if (status == VMRT_OK && !a->n_vms)
		status = vmrt_fail(err, VMRT_EINVAL,
			"%s has no task in a VM: there is nothing to advise", origin);
	return status;
}
