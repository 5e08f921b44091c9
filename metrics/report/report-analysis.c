/* SPDX-License-Identifier: MIT */
/* Makes the tables of the analysis of the tasks in each server, for comparison with the measured
 * values. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define SERVER_COLUMNS(X)                                                                          \
	VMRT_DATA(X, server, TEXT, s->name)                                                        \
	VMRT_DATA(X, model, TEXT, "periodic resource")                                             \
	VMRT_DATA(X, period_ns, NS, s->period_ns)                                                  \
	VMRT_DATA(X, budget_ns, NS, s->budget_ns)                                                  \
	VMRT_DATA(X, utilisation, REAL, utilisation)                                               \
	VMRT_DATA(X, bandwidth, REAL, bandwidth)                                                   \
	VMRT_DATA(X, blackout_bound_ns, NS, why ? VMRT_UNKNOWN : vmrt_supply_blackout(&supply))    \
	VMRT_DATA(X, feasible, BOOL, why ? -1 : feasible)                                          \
	VMRT_DATA(X, note, TEXT, why)

static const struct vmrt_column server_columns[] = {SERVER_COLUMNS(VMRT_COLUMN)};

#define TASK_COLUMNS(X)                                                                            \
	VMRT_DATA(X, server, TEXT, s->name)                                                        \
	VMRT_DATA(X, task, TEXT, task->label)                                                      \
	VMRT_DATA(X, wcet_ns, NS, task->wcet_ns)                                                   \
	VMRT_DATA(X, period_ns, NS, task->period_ns)                                               \
	VMRT_DATA(X, deadline_ns, NS, task->deadline_ns)                                           \
	VMRT_DATA(X, response_bound_ns, NS, task->bound_server_ns)                                 \
	VMRT_DATA(X, feasible, BOOL, task->deadline_ns == VMRT_UNKNOWN ? -1 : vmrt_task_fits(task))

static const struct vmrt_column task_columns[] = {TASK_COLUMNS(VMRT_COLUMN)};

/* Appends to @buf what the analysis says of a task: "; rt_task1 R = 12 ms <= 20 ms". */
static void describe(
	char *buf, size_t room, const char *name, int64_t response, int64_t deadline_ns)
{
	char r[VMRT_UNITS_TEXT], d[VMRT_UNITS_TEXT];
	size_t used = strlen(buf);

	if (response == VMRT_UNKNOWN)
		snprintf(buf + used, room - used, "; %s R has no bound", name);
	else if (deadline_ns == VMRT_UNKNOWN)
		snprintf(buf + used, room - used, "; %s R = %s", name,
			vmrt_format_duration(response, r));
	else
		snprintf(buf + used, room - used, "; %s R = %s %s %s", name,
			vmrt_format_duration(response, r), response <= deadline_ns ? "<=" : ">",
			vmrt_format_duration(deadline_ns, d));
}

static void put_task(struct vmrt_table *table, const struct vmrt_server_facts *s,
	const struct vmrt_task_facts *task)
{
	TASK_COLUMNS(VMRT_CELL)
}

static void analyse(const struct vmrt_run_facts *f, const struct vmrt_server_facts *s,
	struct vmrt_table *table, struct vmrt_table *details)
{
	struct vmrt_supply supply = vmrt_supply_prm(s->period_ns, s->budget_ns);
	const char *why = vmrt_server_obstacle(f, s);
	double utilisation = why ? NAN : 0;
	double bandwidth = why ? NAN : (double)s->budget_ns / (double)s->period_ns;
	char text[1024] = "", period[VMRT_UNITS_TEXT], budget[VMRT_UNITS_TEXT];
	bool feasible = true;

	for (size_t i = 0; !why && i < f->n_tasks; i++) {
		const struct vmrt_task_facts *t = &f->tasks[i];

		if (!vmrt_task_in_server(t, s))
			continue;
		utilisation += (double)t->wcet_ns / (double)t->period_ns;
		feasible = feasible && vmrt_task_fits(t);
		put_task(details, s, t);
		describe(text, sizeof(text), t->name, t->bound_server_ns, t->deadline_ns);
	}
	SERVER_COLUMNS(VMRT_CELL)
	if (why)
		vmrt_put_line(table, "analysis", "server %s is not analysed: %s", s->name, why);
	else
		vmrt_put_line(table, "analysis",
			"utilisation %.3f against %.3f of server %s (%s, %s)%s: %s%s", utilisation,
			bandwidth, s->name, vmrt_format_duration(s->period_ns, period),
			vmrt_format_duration(s->budget_ns, budget),
			s->enforced ? "" : ", not enforced here",
			feasible ? "feasible" : "NOT feasible", text);
}

void report_analysis(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *servers = vmrt_doc_table(doc, "analysis", NULL, server_columns,
		ARRAY_SIZE(server_columns), VMRT_TABLE_PROSE);
	struct vmrt_table *details = vmrt_doc_table(doc, "analysis_tasks", NULL, task_columns,
		ARRAY_SIZE(task_columns), VMRT_TABLE_PROSE);

	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].selected)
			analyse(f, &f->servers[i], servers, details);
}
