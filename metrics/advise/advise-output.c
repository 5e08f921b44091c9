/* SPDX-License-Identifier: MIT */
/* The advice as an experiment file, and as tables. */
#include "advise.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define CHOICES_SHOWN 4 /* other periods, in a comment */

/* Exact, so that what is read again is the same: "9.4ms", "150us", "17ns". */
static const char *exact(int64_t ns, char *buf)
{
	static const struct {
		int64_t ns;
		const char *unit;
	} units[] = {{VMRT_NS_PER_MS, "ms"}, {VMRT_NS_PER_US, "us"}, {1, "ns"}};
	size_t i = 0;

	/* one decimal of a unit at most */
	while (ns % units[i].ns != 0 && (units[i].ns == 1 || ns % (units[i].ns / 10) != 0))
		i++;
	if (ns % units[i].ns == 0)
		snprintf(buf, VMRT_UNITS_TEXT, "%" PRId64 "%s", ns / units[i].ns, units[i].unit);
	else
		snprintf(buf, VMRT_UNITS_TEXT, "%" PRId64 ".%d%s", ns / units[i].ns,
			(int)(ns / (units[i].ns / 10) % 10), units[i].unit);
	return buf;
}

static void print_choices(FILE *out, const struct advised_vm *vm)
{
	size_t step = (vm->n_choices + CHOICES_SHOWN - 1) / CHOICES_SHOWN;
	char period[VMRT_UNITS_TEXT], budget[VMRT_UNITS_TEXT];
	const char *sign = "; other periods:";

	for (size_t i = step - 1; i < vm->n_choices; i += step) {
		struct advised_choice c = vm->choices[i];

		if (c.budget_ns == VMRT_UNKNOWN)
			fprintf(out, "%s %s has no budget", sign,
				vmrt_format_duration(c.period_ns, period));
		else
			fprintf(out, "%s %s needs %s (%.3f)", sign,
				vmrt_format_duration(c.period_ns, period),
				vmrt_format_duration(c.budget_ns, budget),
				(double)c.budget_ns / (double)c.period_ns);
		sign = ",";
	}
	fputc('\n', out);
}

static void print_vm(FILE *out, const struct advised_vm *vm)
{
	struct vmrt_supply supply = vmrt_supply_prm(vm->chosen.period_ns, vm->chosen.budget_ns);
	char buf[VMRT_UNITS_TEXT];

	fprintf(out, "; %s: utilisation %.3f, with the margin %.3f", vm->label, vm->utilisation,
		vm->used_utilisation);
	if (vm->chosen.budget_ns == VMRT_UNKNOWN) {
		fprintf(out, "\n; NO SERVER: %s\n", vm->why);
		return;
	}
	fprintf(out, "; bandwidth %.3f, blackout at most %s\n",
		(double)vm->chosen.budget_ns / (double)vm->chosen.period_ns,
		vmrt_format_duration(vmrt_supply_blackout(&supply), buf));
	for (size_t i = 0; i < vm->n_tasks && vm->tasks[i].response_ns != VMRT_UNKNOWN; i++) {
		const struct vmrt_task_spec *spec = vm->tasks[i].spec;
		char r[VMRT_UNITS_TEXT], d[VMRT_UNITS_TEXT], m[VMRT_UNITS_TEXT];

		fprintf(out, "; %s executes %s", spec->name,
			vmrt_format_duration(vm->tasks[i].used_ns, buf));
		if (vm->tasks[i].measured_ns != VMRT_UNKNOWN)
			fprintf(out, " (measured at most %s)",
				vmrt_format_duration(vm->tasks[i].measured_ns, m));
		if (vm->tasks[i].elsewhere)
			fputs(", also seen on other vCPUs and counted on each", out);
		fprintf(out, ": R = %s <= %s\n", vmrt_format_duration(vm->tasks[i].response_ns, r),
			vmrt_format_duration(
				spec->deadline_ns ? spec->deadline_ns : spec->period_ns, d));
	}
	if (vm->feasible)
		fprintf(out,
			"; execution times may grow by another %.1f %% until a deadline is "
			"missed\n",
			vm->growth * 100);
	else
		fprintf(out, "; NOT FEASIBLE: %s\n", vm->why);
	print_choices(out, vm);
}

static void put_server(FILE *out, const struct advised_vm *vm)
{
	char buf[VMRT_UNITS_TEXT], cpus[VMRT_SERVER_CPUS * 5 + 1];

	fprintf(out, "[server %s]\nvm = %s\npolicy = %s\n", vm->server, vm->label,
		vmrt_policy_name(vm->policy));
	fprintf(out, "period = %s\n", exact(vm->chosen.period_ns, buf));
	fprintf(out, "budget = %s\n", exact(vm->chosen.budget_ns, buf));
	fprintf(out, "priority = %d\ndepletion = %s\n", vm->priority,
		vmrt_depletion_name(vm->depletion));
	if (vm->spec && vm->spec->background == VMRT_BACKGROUND_IDLE)
		fprintf(out, "background = idle\n");
	if (vm->spec && vm->spec->charge_helpers)
		fprintf(out, "helpers = charged\n");
	if (vm->spec && vm->spec->cpu >= 0 && vm->vcpu >= 0)
		fprintf(out, "cpu = %d\n", vm->cpu);
	else if (vm->spec && vm->spec->cpu >= 0)
		fprintf(out, "cpu = %s\n", vmrt_server_cpus(vm->spec, cpus));
	fputc('\n', out);
}

static void put_task(FILE *out, const struct vmrt_task_spec *t)
{
	char buf[VMRT_UNITS_TEXT], header[VMRT_EXPERIMENT_HEADER];

	fprintf(out, "%s\n", vmrt_experiment_header(t->machine, t->name, header));
	if (t->thread[0])
		fprintf(out, "thread = \"%s\"\n", t->thread);
	if (t->process[0])
		fprintf(out, "process = \"%s\"\n", t->process);
	if (t->tid)
		fprintf(out, "tid = %d\n", (int)t->tid);
	if (t->period_ns > 0)
		fprintf(out, "period = %s\n", exact(t->period_ns, buf));
	if (t->wcet_ns > 0)
		fprintf(out, "wcet = %s\n", exact(t->wcet_ns, buf));
	if (t->deadline_ns > 0 && t->deadline_ns != t->period_ns)
		fprintf(out, "deadline = %s\n", exact(t->deadline_ns, buf));
	if (t->offset_ns > 0)
		fprintf(out, "offset = %s\n", exact(t->offset_ns, buf));
	if (t->release != VMRT_RELEASE_AUTO)
		fprintf(out, "release = %s\n", vmrt_release_name(t->release));
	fprintf(out, "priority = %d\n\n", t->priority);
}

/* Has the task been seen on a vCPU whose server stands further above? */
static bool is_put_before(const struct advice *a, size_t n, const struct vmrt_task_spec *spec)
{
	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; t < a->vms[i].n_tasks; t++)
			if (a->vms[i].tasks[t].spec == spec)
				return true;
	return false;
}

/* The vCPUs of a VM on which no task was seen, once for each VM. */
static void print_idle_vcpus(FILE *out, const struct advice *a, size_t n)
{
	const char *name = a->vms[n].name;
	bool last = true;

	for (size_t i = n + 1; i < a->n_vms; i++)
		last = last && strcmp(a->vms[i].name, name) != 0;
	for (int64_t cpu = 0; last && a->vms[n].vcpu >= 0 && cpu < advise_cpus(a, name); cpu++) {
		bool any = false;

		for (size_t i = 0; i <= n; i++)
			any = any || (!strcmp(a->vms[i].name, name) && a->vms[i].vcpu == cpu);
		if (!any)
			fprintf(out,
				"; %s:%" PRId64
				": no task was seen on this vCPU, so it has no server\n\n",
				name, cpu);
	}
}

static void put_file(FILE *out, const struct advice *a)
{
	static const char *const words[] = {
		[VMRT_EXECUTION_ANY] = "declared, or measured where none is declared",
		[VMRT_EXECUTION_DECLARED] = "declared",
		[VMRT_EXECUTION_MEASURED] = "the longest measured",
		[VMRT_EXECUTION_LARGER] = "the larger of declared and measured",
	};
	char overhead[VMRT_UNITS_TEXT], buf[VMRT_UNITS_TEXT];

	fprintf(out,
		"; Advised by vmrt-report: the least budgets by the periodic resource model.\n");
	fprintf(out,
		"; Execution times: %s, and %.4g %%. Of each budget %s are reckoned lost to "
		"switching.\n\n",
		words[a->options.execution], a->options.margin * 100,
		vmrt_format_duration(a->options.overhead_ns, overhead));
	if (*a->experiment->name || a->experiment->tick_ns)
		fprintf(out, "[experiment]\n");
	if (*a->experiment->name)
		fprintf(out, "name = %s\n", a->experiment->name);
	if (a->experiment->tick_ns)
		fprintf(out, "tick = %s\n", exact(a->experiment->tick_ns, buf));
	fputc('\n', out);
	for (size_t i = 0; i < a->n_vms; i++) {
		const struct advised_vm *vm = &a->vms[i];

		print_vm(out, vm);
		if (vm->chosen.budget_ns != VMRT_UNKNOWN)
			put_server(out, vm);
		for (size_t t = 0; t < vm->n_tasks; t++)
			if (!is_put_before(a, i, vm->tasks[t].spec))
				put_task(out, vm->tasks[t].spec);
		print_idle_vcpus(out, a, i);
	}
	for (size_t i = 0; i < a->n_left_out; i++) {
		const struct advise_left_out *l = &a->left_out[i];
		char why[512];

		snprintf(why, sizeof(why), "not in the advice: task %s/%s %s", l->spec->machine,
			l->spec->name, l->why);
		vmrt_experiment_comment(out, why);
		put_task(out, l->spec);
	}
}

enum vmrt_status advice_ini(const struct advice *a, char **out, struct vmrt_error *err)
{
	struct vmrt_experiment *again;
	enum vmrt_status status;
	size_t size;
	FILE *f = open_memstream(out, &size);

	if (!f)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	put_file(f, a);
	if (fclose(f) != 0) {
		free(*out);
		*out = NULL;
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	/* what is printed must be readable, whatever the names are */
	status = vmrt_experiment_parse(*out, "the advice", &again, err);
	if (status == VMRT_OK) {
		vmrt_experiment_free(again);
		return VMRT_OK;
	}
	free(*out);
	*out = NULL;
	return status;
}

static const char *const vm_titles[] = {"Advised servers", "Advised servers: bandwidth and bounds"};

#define VM_COLUMNS(X)                                                                              \
	X(server, "server", NULL, TEXT, 0, VMRT_KEY_GROUP, vm->server)                             \
	X(vm, "VM", NULL, TEXT, 0, 1, vm->label)                                                   \
	X(policy, "policy", NULL, TEXT, 0, 1, vmrt_policy_name(vm->policy))                        \
	X(period_ns, "period", "ms", NS, -1, 1, vm->chosen.period_ns)                              \
	X(budget_ns, "budget", "ms", NS, -1, 1, vm->chosen.budget_ns)                              \
	X(priority, "prio", NULL, COUNT, 0, 1, vm->priority)                                       \
	X(feasible, "feasible", NULL, BOOL, 0, 1, vm->feasible)                                    \
	X(utilisation, "util.", NULL, REAL, 3, 2, vm->utilisation)                                 \
	X(utilisation_with_margin, "+ margin", NULL, REAL, 3, 2, vm->used_utilisation)             \
	X(bandwidth, "bandwidth", NULL, REAL, 3, 2, bandwidth(vm->chosen))                         \
	X(growth_ratio, "growth", "%", RATIO, 1, 2, vm->feasible ? vm->growth : NAN)               \
	X(blackout_bound_ns, "blackout", "ms", NS, -1, 2,                                          \
		any ? vmrt_supply_blackout(&supply) : VMRT_UNKNOWN)                                \
	X(server_response_ns, "R server", "ms", NS, -1, 2, vm->server_response_ns)                 \
	X(why, "why", NULL, TEXT, 0, VMRT_DATA_GROUP, *vm->why ? vm->why : NULL)

static const struct vmrt_column vm_columns[] = {VM_COLUMNS(VMRT_COLUMN)};

static const char *const task_titles[] = {"Tasks in the advised servers"};

#define TASK_COLUMNS(X)                                                                            \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP, label)                                      \
	X(period_ns, "period", "ms", NS, -1, 1, task->spec->period_ns)                             \
	X(wcet_ns, "wcet", "ms", NS, -1, 1,                                                        \
		task->spec->wcet_ns > 0 ? task->spec->wcet_ns : VMRT_UNKNOWN)                      \
	X(exec_max_ns, "measured", "ms", NS, 3, 1, task->measured_ns)                              \
	X(used_ns, "used", "ms", NS, -1, 1, task->used_ns)                                         \
	X(deadline_ns, "deadline", "ms", NS, -1, 1,                                                \
		task->spec->deadline_ns > 0 ? task->spec->deadline_ns : VMRT_UNKNOWN)              \
	X(response_bound_ns, "R", "ms", NS, -1, 1, task->response_ns)

static const struct vmrt_column task_columns[] = {TASK_COLUMNS(VMRT_COLUMN)};

static const char *const period_titles[] = {"Least budgets for other periods"};

#define PERIOD_COLUMNS(X)                                                                          \
	X(server, "server", NULL, TEXT, 0, VMRT_KEY_GROUP, vm->server)                             \
	X(period_ns, "period", "ms", NS, -1, 1, vm->choices[c].period_ns)                          \
	X(budget_ns, "budget", "ms", NS, -1, 1, vm->choices[c].budget_ns)                          \
	X(bandwidth, "bandwidth", NULL, REAL, 3, 1, bandwidth(vm->choices[c]))

static const struct vmrt_column period_columns[] = {PERIOD_COLUMNS(VMRT_COLUMN)};

static double bandwidth(struct advised_choice c)
{
	return c.budget_ns == VMRT_UNKNOWN ? NAN : (double)c.budget_ns / (double)c.period_ns;
}

static void put_vm(struct vmrt_table *table, const struct advised_vm *vm)
{
	struct vmrt_supply supply = vmrt_supply_prm(vm->chosen.period_ns, vm->chosen.budget_ns);
	bool any = vm->chosen.budget_ns != VMRT_UNKNOWN;

	VM_COLUMNS(VMRT_CELL)
	if (*vm->why)
		vmrt_put_line(table, "note", "%s: %s", vm->label, vm->why);
}

static void put_advised_task(struct vmrt_table *table, const struct advised_task *task)
{
	char label[VMRT_NAME_MAX + VMRT_COMM_MAX + 2];

	snprintf(label, sizeof(label), "%s/%s", task->spec->machine, task->spec->name);
	TASK_COLUMNS(VMRT_CELL)
}

static void put_choices(struct vmrt_table *table, const struct advised_vm *vm)
{
	for (size_t c = 0; c < vm->n_choices; c++) {
		PERIOD_COLUMNS(VMRT_CELL)
	}
}

void advice_tables(const struct advice *a, struct vmrt_doc *doc)
{
	struct vmrt_table *t;

	vmrt_doc_section(doc, *a->experiment->name ? a->experiment->name : a->origin);
	t = vmrt_doc_table(doc, "advice", vm_titles, vm_columns, ARRAY_SIZE(vm_columns), 0);
	for (size_t i = 0; i < a->n_vms; i++)
		put_vm(t, &a->vms[i]);
	t = vmrt_doc_table(
		doc, "advice_tasks", task_titles, task_columns, ARRAY_SIZE(task_columns), 0);
	for (size_t i = 0; i < a->n_vms; i++)
		for (size_t j = 0; j < a->vms[i].n_tasks; j++)
			put_advised_task(t, &a->vms[i].tasks[j]);
	t = vmrt_doc_table(doc, "advice_periods", period_titles, period_columns,
		ARRAY_SIZE(period_columns), 0);
	for (size_t i = 0; i < a->n_vms; i++)
		put_choices(t, &a->vms[i]);
}
