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

static enum vmrt_status read_origin(struct vmrt_advice *a, struct vmrt_error *err)
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
			"%s was recorded without an experiment file: nobody says what tasks there "
			"are",
			a->origin);
	return vmrt_experiment_parse(a->facts->experiment, a->origin, &a->experiment, err);
}

static int64_t measured(const struct vmrt_advice *a, const struct vmrt_task_spec *spec)
{
	for (size_t i = 0; a->facts && i < a->facts->n_tasks; i++) {
		const struct vmrt_task_facts *t = &a->facts->tasks[i];

		if (!strcmp(t->machine_name, spec->machine) && !strcmp(t->name, spec->name))
			return t->exec.n ? t->exec.max : VMRT_UNKNOWN;
	}
	return VMRT_UNKNOWN;
}

static int64_t execution(const struct vmrt_advice *a, const struct vmrt_advised_task *t)
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

/* The declared server that is about the whole VM called @name. */
static const struct vmrt_server_spec *server_of(const struct vmrt_experiment *e, const char *name)
{
	for (size_t i = 0; i < e->n_servers; i++)
		if (!strcmp(e->servers[i].vm, name) && e->servers[i].vcpu < 0)
			return &e->servers[i];
	return NULL;
}

static struct vmrt_advised_vm *vm_of(struct vmrt_advice *a, const char *name)
{
	struct vmrt_advised_vm *vm;

	for (size_t i = 0; i < a->n_vms; i++)
		if (!strcmp(a->vms[i].name, name))
			return &a->vms[i];
	vm = &a->vms[a->n_vms];
	vm->tasks = calloc(a->experiment->n_tasks, sizeof(*vm->tasks));
	if (!vm->tasks)
		return NULL;
	a->n_vms++;
	vm->name = name;
	vm->spec = server_of(a->experiment, name);
	vm->policy = vm->spec && vm->spec->policy != VMRT_POLICY_NONE ? vm->spec->policy
								      : VMRT_POLICY_DEFERRABLE;
	vm->depletion = vm->spec ? vm->spec->depletion : VMRT_DEPLETION_SOFT;
	snprintf(vm->server, sizeof(vm->server), "%s", vm->spec ? vm->spec->name : name);
	return vm;
}

/* Why the task cannot be judged, or NULL. */
static const char *obstacle(const struct vmrt_advice *a, const struct vmrt_advised_task *t)
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

static enum vmrt_status add_task(
	struct vmrt_advice *a, const struct vmrt_task_spec *spec, struct vmrt_error *err)
{
	struct vmrt_advised_task t = {
		.spec = spec, .measured_ns = measured(a, spec), .response_ns = VMRT_UNKNOWN};
	const char *why = obstacle(a, &t);
	struct vmrt_advised_vm *vm;

	if (why) {
		a->left_out[a->n_left_out++] = (struct vmrt_advise_left_out){spec, why};
		return VMRT_OK;
	}
	vm = vm_of(a, spec->machine);
	if (!vm)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	t.used_ns = (int64_t)((double)execution(a, &t) * (1 + a->options.margin));
	vm->tasks[vm->n_tasks++] = t;
	return VMRT_OK;
}

enum vmrt_status vmrt_advise_load(struct vmrt_advice *a, const char *origin, struct vmrt_error *err)
{
	const struct vmrt_experiment *e;
	enum vmrt_status status;

	a->origin = strdup(origin);
	if (!a->origin)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = read_origin(a, err);
	if (status != VMRT_OK)
		return status;
	e = a->experiment;
	a->vms = calloc(e->n_tasks + 1, sizeof(*a->vms));
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
