/* SPDX-License-Identifier: MIT */
/* The tables of one run. */
#include "report.h"

#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NOT_SHOWN(key, type) {key, key, NULL, VMRT_CELL_##type, -1, VMRT_DATA_GROUP}

static const char *const server_titles[] = {
	"Servers",
	"Servers: what they received (of the judged periods)",
	"Servers: overshoot where the budget was used up; longest wait when preempted",
};

static const struct vmrt_column server_columns[] = {
	{"server", "server", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"vm", "VM", NULL, VMRT_CELL_TEXT, 0, 1},
	{"policy", "policy", NULL, VMRT_CELL_TEXT, 0, 1},
	{"depletion", "depletion", NULL, VMRT_CELL_TEXT, 0, 1},
	{"period_ns", "period", "ms", VMRT_CELL_NS, -1, 1},
	{"budget_ns", "budget", "ms", VMRT_CELL_NS, -1, 1},
	{"priority", "prio", NULL, VMRT_CELL_COUNT, 0, 1},
	{"enforced", "enforced", NULL, VMRT_CELL_BOOL, 0, 1},
	{"periods", "periods", NULL, VMRT_CELL_COUNT, 0, 2},
	{"judged", "judged", NULL, VMRT_CELL_COUNT, 0, 2},
	NOT_SHOWN("served", COUNT),
	{"depleted", "depleted", NULL, VMRT_CELL_COUNT, 0, 2},
	NOT_SHOWN("unenforced", COUNT),
	{"unknown", "unknown", NULL, VMRT_CELL_COUNT, 0, 2},
	{"truncated", "trunc.", NULL, VMRT_CELL_COUNT, 0, 2},
	{"consumed_ratio", "consumed", "%", VMRT_CELL_RATIO, 1, 2},
	{"background_ratio", "background", "%", VMRT_CELL_RATIO, 1, 2},
	{"steal_periods", "steal", NULL, VMRT_CELL_COUNT, 0, 3},
	{"used_up", "used up", NULL, VMRT_CELL_COUNT, 0, 3},
	{"overshoot_p50_ns", "p50", "us", VMRT_CELL_NS, 1, 3},
	{"overshoot_p99_ns", "p99", "us", VMRT_CELL_NS, 1, 3},
	{"overshoot_max_ns", "max", "us", VMRT_CELL_NS, 1, 3},
	{"overshoot_max_k", "period", NULL, VMRT_CELL_COUNT, 0, 3},
	{"blackout_max_ns", "blackout", "ms", VMRT_CELL_NS, 3, 3},
	NOT_SHOWN("blackout_max_at_ns", NS),
	{"blackout_bound_ns", "bound", "ms", VMRT_CELL_NS, -1, 3},
};

static const char *const task_titles[] = {
	"Tasks: jobs by outcome",
	"Tasks: misses, 95 % interval; explained by overruns, steal or throttling",
	"Tasks: response time with the job of the maximum, and jitter",
};

static const struct vmrt_column task_columns[] = {
	{"task", "task", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"period_ns", "period", "ms", VMRT_CELL_NS, -1, 1},
	{"wcet_ns", "wcet", "ms", VMRT_CELL_NS, -1, 1},
	{"deadline_ns", "deadline", "ms", VMRT_CELL_NS, -1, 1},
	NOT_SHOWN("priority", COUNT),
	{"jobs", "jobs", NULL, VMRT_CELL_COUNT, 0, 1},
	{"met", "met", NULL, VMRT_CELL_COUNT, 0, 1},
	{"missed", "missed", NULL, VMRT_CELL_COUNT, 0, 1},
	NOT_SHOWN("missed_incomplete", COUNT),
	{"unknown", "unknown", NULL, VMRT_CELL_COUNT, 0, 1},
	{"truncated", "trunc.", NULL, VMRT_CELL_COUNT, 0, 1},
	{"skipped", "skip", NULL, VMRT_CELL_COUNT, 0, 1},
	NOT_SHOWN("inferred", COUNT),
	{"miss_ratio", "miss", "%", VMRT_CELL_RATIO, 2, 2},
	{"miss_low", "low", "%", VMRT_CELL_RATIO, 2, 2},
	{"miss_high", "high", "%", VMRT_CELL_RATIO, 2, 2},
	{"explained", "explained", NULL, VMRT_CELL_COUNT, 0, 2},
	{"unexplained_ratio", "unexplained", "%", VMRT_CELL_RATIO, 2, 2},
	{"longest_miss_run", "in a row", NULL, VMRT_CELL_COUNT, 0, 2},
	{"longest_miss_run_k", "from job", NULL, VMRT_CELL_COUNT, 0, 2},
	{"response_min_ns", "min", "ms", VMRT_CELL_NS, 3, 3},
	NOT_SHOWN("response_mean_ns", NS),
	{"response_p50_ns", "p50", "ms", VMRT_CELL_NS, 3, 3},
	NOT_SHOWN("response_p95_ns", NS),
	{"response_p99_ns", "p99", "ms", VMRT_CELL_NS, 3, 3},
	NOT_SHOWN("response_p999_ns", NS),
	{"response_max_ns", "max", "ms", VMRT_CELL_NS, 3, 3},
	{"response_max_k", "job", NULL, VMRT_CELL_COUNT, 0, 3},
	{"response_jitter_ns", "jitter", "ms", VMRT_CELL_NS, 3, 3},
	{"response_jitter_relative_ns", "rel.", "ms", VMRT_CELL_NS, 3, 3},
	{"release_jitter_ns", "release", "ms", VMRT_CELL_NS, 3, 3},
	NOT_SHOWN("release_jitter_relative_ns", NS),
	NOT_SHOWN("release_max_ns", NS),
	NOT_SHOWN("start_jitter_ns", NS),
	NOT_SHOWN("start_max_ns", NS),
	NOT_SHOWN("exec_mean_ns", NS),
	NOT_SHOWN("exec_max_ns", NS),
	NOT_SHOWN("exec_max_k", COUNT),
	NOT_SHOWN("tardiness_max_ns", NS),
};

static const char *const cause_titles[] = {"Causes of misses"};

static const struct vmrt_column cause_columns[] = {
	{"task", "task", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"cause", "cause", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"misses", "misses", NULL, VMRT_CELL_COUNT, 0, 1},
	{"explained", "explained", NULL, VMRT_CELL_COUNT, 0, 1},
};

static void put_server(struct vmrt_table *t, const struct vmrt_server_facts *s)
{
	struct vmrt_supply supply = vmrt_supply_prm(s->period_ns, s->budget_ns);
	bool bound = s->period_ns != VMRT_UNKNOWN && s->budget_ns != VMRT_UNKNOWN;

	vmrt_put_text(t, s->name);
	vmrt_put_text(t, s->vm);
	vmrt_put_text(t, s->policy);
	vmrt_put_text(t, s->depletion);
	vmrt_put_ns(t, s->period_ns);
	vmrt_put_ns(t, s->budget_ns);
	vmrt_put_count(t, s->priority);
	vmrt_put_bool(t, s->enforced);
	vmrt_put_count(t, s->periods);
	vmrt_put_count(t, s->judged);
	vmrt_put_count(t, s->served);
	vmrt_put_count(t, s->depleted);
	vmrt_put_count(t, s->unenforced);
	vmrt_put_count(t, s->unknown);
	vmrt_put_count(t, s->truncated);
	vmrt_put_ratio(t, s->consumed_ratio);
	vmrt_put_ratio(t, s->background_ratio);
	vmrt_put_count(t, s->steal_periods);
	vmrt_put_count(t, s->used_up);
	vmrt_put_ns(t, s->over_p50);
	vmrt_put_ns(t, s->over_p99);
	vmrt_put_ns(t, s->over_max);
	vmrt_put_count(t, s->over_max_k);
	vmrt_put_ns(t, s->blackout_max);
	vmrt_put_ns(t, s->blackout_at);
	vmrt_put_ns(t, bound ? vmrt_supply_blackout(&supply) : VMRT_UNKNOWN);
}

static void put_servers(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *t = vmrt_doc_table(
		doc, "servers", server_titles, server_columns, ARRAY_SIZE(server_columns), 0);

	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].selected)
			put_server(t, &f->servers[i]);
	if (!f->n_servers)
		vmrt_put_line(t, "servers", "none is declared in the experiment");
}

static void put_task(struct vmrt_table *table, const struct vmrt_task_facts *t)
{
	double low, high;

	vmrt_wilson((uint64_t)vmrt_task_missed(t), (uint64_t)vmrt_task_known(t), &low, &high);
	vmrt_put_text(table, t->label);
	vmrt_put_ns(table, t->period_ns);
	vmrt_put_ns(table, t->wcet_ns);
	vmrt_put_ns(table, t->deadline_ns);
	vmrt_put_count(table, t->priority);
	vmrt_put_count(table, t->jobs);
	vmrt_put_count(table, t->met);
	vmrt_put_count(table, vmrt_task_missed(t));
	vmrt_put_count(table, t->missed_incomplete);
	vmrt_put_count(table, t->unknown);
	vmrt_put_count(table, t->truncated);
	vmrt_put_count(table, t->skipped);
	vmrt_put_count(table, t->inferred);
	vmrt_put_ratio(table, vmrt_task_miss_ratio(t));
	vmrt_put_ratio(table, low);
	vmrt_put_ratio(table, high);
	vmrt_put_count(table, t->excused);
	vmrt_put_ratio(table, vmrt_task_unexplained_ratio(t));
	vmrt_put_count(table, t->longest_run);
	vmrt_put_count(table, t->longest_run_k);
	vmrt_put_ns(table, t->response.min);
	vmrt_put_ns(table, vmrt_series_mean(&t->response));
	vmrt_put_ns(table, t->response_p50);
	vmrt_put_ns(table, t->response_p95);
	vmrt_put_ns(table, t->response_p99);
	vmrt_put_ns(table, t->response_p999);
	vmrt_put_ns(table, t->response.max);
	vmrt_put_count(table, t->response.max_k);
	vmrt_put_ns(table, vmrt_series_jitter(&t->response));
	vmrt_put_ns(table, t->response.relative);
	vmrt_put_ns(table, vmrt_series_jitter(&t->release));
	vmrt_put_ns(table, t->release.relative);
	vmrt_put_ns(table, t->release.max);
	vmrt_put_ns(table, vmrt_series_jitter(&t->start));
	vmrt_put_ns(table, t->start.max);
	vmrt_put_ns(table, vmrt_series_mean(&t->exec));
	vmrt_put_ns(table, t->exec.max);
	vmrt_put_count(table, t->exec.max_k);
	vmrt_put_ns(table, t->tardiness.max);
}

static void put_tasks(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *t =
		vmrt_doc_table(doc, "tasks", task_titles, task_columns, ARRAY_SIZE(task_columns), 0);

	for (size_t i = 0; i < f->n_tasks; i++) {
		const struct vmrt_task_facts *task = &f->tasks[i];

		if (!task->selected)
			continue;
		put_task(t, task);
		if (task->jobs)
			continue;
		if (task->machine == VMRT_UNKNOWN)
			vmrt_put_line(t, "note", "%s: no job seen: there is no recording of %s", task->label,
				task->machine_name);
		else
			vmrt_put_line(t, "note", "%s: no job seen: is the task's thread called %s?",
				task->label, task->name);
	}
	if (!f->n_tasks)
		vmrt_put_line(t, "tasks",
			"none is declared: an experiment file (-e) says what tasks there are");
}

static void put_causes(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *t = vmrt_doc_table(
		doc, "causes", cause_titles, cause_columns, ARRAY_SIZE(cause_columns), 0);

	for (size_t i = 0; i < f->n_tasks; i++) {
		const struct vmrt_task_facts *task = &f->tasks[i];
		bool done[VMRT_CAUSES_MAX] = {false};

		for (size_t n = 0; n < task->n_causes; n++) { /* most frequent first */
			size_t best = VMRT_CAUSES_MAX;

			for (size_t c = 0; c < task->n_causes; c++)
				if (!done[c] &&
					(best == VMRT_CAUSES_MAX ||
						task->causes[c].misses > task->causes[best].misses))
					best = c;
			done[best] = true;
			vmrt_put_text(t, task->label);
			vmrt_put_text(t, task->causes[best].name);
			vmrt_put_count(t, task->causes[best].misses);
			vmrt_put_count(t, task->causes[best].excused);
		}
	}
}

void vmrt_report_run(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	vmrt_doc_section(doc, f->label);
	vmrt_report_head(doc, f);
	put_servers(doc, f);
	vmrt_report_checks(doc, f);
	put_tasks(doc, f);
	put_causes(doc, f);
	vmrt_report_analysis(doc, f);
}
