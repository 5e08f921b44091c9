/* SPDX-License-Identifier: MIT */
/* What theory says of the tasks in each server, to stand beside what was measured. */
#include "report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NOT_SHOWN(key, type) {key, key, NULL, VMRT_CELL_##type, -1, VMRT_DATA_GROUP}

static const struct vmrt_column server_columns[] = {
	NOT_SHOWN("server", TEXT),
	NOT_SHOWN("model", TEXT),
	NOT_SHOWN("period_ns", NS),
	NOT_SHOWN("budget_ns", NS),
	NOT_SHOWN("utilisation", REAL),
	NOT_SHOWN("bandwidth", REAL),
	NOT_SHOWN("blackout_bound_ns", NS),
	NOT_SHOWN("feasible", BOOL),
	NOT_SHOWN("note", TEXT),
};

static const struct vmrt_column task_columns[] = {
	NOT_SHOWN("server", TEXT),
	NOT_SHOWN("task", TEXT),
	NOT_SHOWN("wcet_ns", NS),
	NOT_SHOWN("period_ns", NS),
	NOT_SHOWN("deadline_ns", NS),
	NOT_SHOWN("response_bound_ns", NS),
	NOT_SHOWN("feasible", BOOL),
};

static bool belongs(const struct vmrt_task_facts *task, const struct vmrt_server_facts *server)
{
	if (task->machine != VMRT_UNKNOWN && server->vm_machine != VMRT_UNKNOWN)
		return task->machine == server->vm_machine;
	return server->vm && !strcmp(task->machine_name, server->vm);
}

static int64_t machine_cpus(const struct vmrt_run_facts *f, int64_t machine)
{
	for (size_t i = 0; i < f->n_machines; i++)
		if (f->machines[i].id == machine)
			return f->machines[i].cpus;
	return 1;
}

/* Why the theory does not apply to @s, or NULL. */
static const char *obstacle(const struct vmrt_run_facts *f, const struct vmrt_server_facts *s,
	const struct vmrt_rta_task *tasks, size_t n)
{
	struct vmrt_supply supply = vmrt_supply_prm(s->period_ns, s->budget_ns);

	if (s->period_ns == VMRT_UNKNOWN || s->budget_ns == VMRT_UNKNOWN ||
		!vmrt_supply_check(&supply))
		return "it has no period and budget";
	if (s->vm_machine != VMRT_UNKNOWN && machine_cpus(f, s->vm_machine) > 1)
		return "its VM has several CPUs, the analysis is for one";
	if (!n)
		return "no tasks are declared for its VM";
	for (size_t i = 0; i < n; i++)
		if (tasks[i].wcet_ns <= 0 || tasks[i].period_ns <= 0)
			return "a task has no WCET";
	return NULL;
}

/* Appends to @buf what the analysis says of a task: "; rt_task1 R = 12 ms <= 20 ms". */
static void describe(
	char *buf, size_t room, const char *name, int64_t response, int64_t deadline_ns)
{
	char r[VMRT_UNITS_TEXT], d[VMRT_UNITS_TEXT];
	size_t used = strlen(buf);

	if (response == VMRT_UNKNOWN)
		snprintf(buf + used, room - used, "; %s R has no bound", name);
	else
		snprintf(buf + used, room - used, "; %s R = %s %s %s", name,
			vmrt_format_duration(response, r), response <= deadline_ns ? "<=" : ">",
			vmrt_format_duration(deadline_ns, d));
}

/* The tasks of @s's VM: @tasks and @facts have room for all of @f. */
static size_t collect(const struct vmrt_run_facts *f, const struct vmrt_server_facts *s,
	struct vmrt_rta_task *tasks, const struct vmrt_task_facts **facts)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_tasks; i++) {
		const struct vmrt_task_facts *t = &f->tasks[i];

		if (!belongs(t, s))
			continue;
		facts[n] = t;
		tasks[n++] = (struct vmrt_rta_task){
			.wcet_ns = t->wcet_ns,
			.period_ns = t->period_ns,
			.deadline_ns = t->deadline_ns,
			.priority = t->priority,
		};
	}
	return n;
}

enum vmrt_feasibility vmrt_task_feasibility(
	const struct vmrt_run_facts *f, const struct vmrt_task_facts *task)
{
	struct vmrt_rta_task *tasks = calloc(f->n_tasks + 1, sizeof(*tasks));
	const struct vmrt_task_facts **facts = calloc(f->n_tasks + 1, sizeof(*facts));
	enum vmrt_feasibility result = VMRT_FEASIBILITY_UNKNOWN;

	for (size_t i = 0; tasks && facts && i < f->n_servers; i++) {
		const struct vmrt_server_facts *s = &f->servers[i];
		struct vmrt_supply supply = vmrt_supply_prm(s->period_ns, s->budget_ns);
		size_t n = belongs(task, s) ? collect(f, s, tasks, facts) : 0;

		if (!n || obstacle(f, s, tasks, n))
			continue;
		result = vmrt_rta_feasible(tasks, n, &supply) ? VMRT_FEASIBLE : VMRT_INFEASIBLE;
	}
	free(tasks);
	free(facts);
	return result;
}

static void analyse(const struct vmrt_run_facts *f, const struct vmrt_server_facts *s,
	struct vmrt_table *servers, struct vmrt_table *details, struct vmrt_rta_task *tasks,
	const struct vmrt_task_facts **facts)
{
	struct vmrt_supply supply = vmrt_supply_prm(s->period_ns, s->budget_ns);
	double utilisation, bandwidth;
	char text[1024] = "", period[VMRT_UNITS_TEXT], budget[VMRT_UNITS_TEXT];
	const char *why;
	bool feasible = true;
	size_t n = collect(f, s, tasks, facts);

	why = obstacle(f, s, tasks, n);
	utilisation = why ? NAN : vmrt_rta_utilisation(tasks, n);
	bandwidth = why ? NAN : (double)s->budget_ns / (double)s->period_ns;
	for (size_t i = 0; !why && i < n; i++) {
		int64_t response = vmrt_rta_response(tasks, n, i, &supply);
		bool fits = response != VMRT_UNKNOWN && response <= tasks[i].deadline_ns;

		feasible = feasible && fits;
		vmrt_put_text(details, s->name);
		vmrt_put_text(details, facts[i]->label);
		vmrt_put_ns(details, tasks[i].wcet_ns);
		vmrt_put_ns(details, tasks[i].period_ns);
		vmrt_put_ns(details, tasks[i].deadline_ns);
		vmrt_put_ns(details, response);
		vmrt_put_bool(details, fits);
		describe(text, sizeof(text), facts[i]->name, response, tasks[i].deadline_ns);
	}
	vmrt_put_text(servers, s->name);
	vmrt_put_text(servers, "periodic resource");
	vmrt_put_ns(servers, s->period_ns);
	vmrt_put_ns(servers, s->budget_ns);
	vmrt_put_real(servers, utilisation);
	vmrt_put_real(servers, bandwidth);
	vmrt_put_ns(servers, why ? VMRT_UNKNOWN : vmrt_supply_blackout(&supply));
	if (why)
		vmrt_put_unknown(servers);
	else
		vmrt_put_bool(servers, feasible);
	vmrt_put_text(servers, why);
	if (why)
		vmrt_put_line(servers, "analysis", "server %s is not analysed: %s", s->name, why);
	else
		vmrt_put_line(servers, "analysis",
			"utilisation %.3f against %.3f of server %s (%s, %s)%s: %s%s", utilisation, bandwidth,
			s->name, vmrt_format_duration(s->period_ns, period),
			vmrt_format_duration(s->budget_ns, budget), s->enforced ? "" : ", not enforced here",
			feasible ? "feasible" : "NOT feasible", text);
}

void vmrt_report_analysis(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_rta_task *tasks = calloc(f->n_tasks + 1, sizeof(*tasks));
	const struct vmrt_task_facts **facts = calloc(f->n_tasks + 1, sizeof(*facts));
	struct vmrt_table *servers = vmrt_doc_table(
		doc, "analysis", NULL, server_columns, ARRAY_SIZE(server_columns), VMRT_TABLE_PROSE);
	struct vmrt_table *details = vmrt_doc_table(
		doc, "analysis_tasks", NULL, task_columns, ARRAY_SIZE(task_columns), VMRT_TABLE_PROSE);

	if (!tasks || !facts)
		vmrt_doc_fail(doc);
	for (size_t i = 0; tasks && facts && i < f->n_servers; i++)
		analyse(f, &f->servers[i], servers, details, tasks, facts);
	free(tasks);
	free(facts);
}
