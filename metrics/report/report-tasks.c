/* SPDX-License-Identifier: MIT */
/* The tasks: outcomes, misses, response times, jitter, causes. */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NOT_SHOWN(key, type)                                                                       \
	{                                                                                          \
		key, key, NULL, VMRT_CELL_##type, -1, VMRT_DATA_GROUP                              \
	}

static const char *const task_titles[] = {
	"Tasks: jobs by outcome",
	"Tasks: misses, 95 % interval; explained by overruns, steal or throttling",
	"Tasks: longest run of misses; fewest jobs met of so many in a row; tardiness",
	"Tasks: response time, and the job of the maximum",
	"Tasks: execution; worst response by analysis (own CPU, in the server), measured",
	"Tasks: jitter, largest minus smallest",
	"Tasks: jitter, largest step from one job to the next",
};

static const struct vmrt_column task_columns[] = {
	{"task", "task", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"period_ns", "period", "ms", VMRT_CELL_NS, -1, 1},
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
	{"longest_miss_run", "run", NULL, VMRT_CELL_COUNT, 0, 3},
	{"longest_miss_run_k", "from job", NULL, VMRT_CELL_COUNT, 0, 3},
	{"window_met", "met", NULL, VMRT_CELL_COUNT, 0, 3},
	{"window", "of", NULL, VMRT_CELL_COUNT, 0, 3},
	{"window_met_k", "from job", NULL, VMRT_CELL_COUNT, 0, 3},
	NOT_SHOWN("windows", COUNT),
	{"tardiness_mean_ns", "mean", "ms", VMRT_CELL_NS, 3, 3},
	{"tardiness_max_ns", "max", "ms", VMRT_CELL_NS, 3, 3},
	{"response_min_ns", "min", "ms", VMRT_CELL_NS, 3, 4},
	{"response_mean_ns", "mean", "ms", VMRT_CELL_NS, 3, 4},
	{"response_p50_ns", "p50", "ms", VMRT_CELL_NS, 3, 4},
	{"response_p95_ns", "p95", "ms", VMRT_CELL_NS, 3, 4},
	{"response_p99_ns", "p99", "ms", VMRT_CELL_NS, 3, 4},
	{"response_p999_ns", "p99.9", "ms", VMRT_CELL_NS, 3, 4},
	{"response_max_ns", "max", "ms", VMRT_CELL_NS, 3, 4},
	{"response_max_k", "job", NULL, VMRT_CELL_COUNT, 0, 4},
	{"wcet_ns", "wcet", "ms", VMRT_CELL_NS, -1, 5},
	{"exec_mean_ns", "mean", "ms", VMRT_CELL_NS, 3, 5},
	{"exec_max_ns", "max", "ms", VMRT_CELL_NS, 3, 5},
	{"exec_max_k", "job", NULL, VMRT_CELL_COUNT, 0, 5},
	{"response_bound_alone_ns", "own CPU", "ms", VMRT_CELL_NS, 3, 5},
	{"response_bound_server_ns", "server", "ms", VMRT_CELL_NS, 3, 5},
	{"response_measured_ns", "measured", "ms", VMRT_CELL_NS, 3, 5 + VMRT_PEOPLE_ONLY},
	{"release_jitter_ns", "release", "ms", VMRT_CELL_NS, 3, 6},
	{"start_jitter_ns", "start", "ms", VMRT_CELL_NS, 3, 6},
	{"response_jitter_ns", "response", "ms", VMRT_CELL_NS, 3, 6},
	{"completion_jitter_ns", "completion", "ms", VMRT_CELL_NS, 3, 6},
	{"period_jitter_ns", "period", "ms", VMRT_CELL_NS, 3, 6},
	{"release_jitter_relative_ns", "release", "ms", VMRT_CELL_NS, 3, 7},
	{"start_jitter_relative_ns", "start", "ms", VMRT_CELL_NS, 3, 7},
	{"response_jitter_relative_ns", "response", "ms", VMRT_CELL_NS, 3, 7},
	{"completion_jitter_relative_ns", "completion", "ms", VMRT_CELL_NS, 3, 7},
	{"period_jitter_relative_ns", "period", "ms", VMRT_CELL_NS, 3, 7},
	NOT_SHOWN("release_max_ns", NS),
	NOT_SHOWN("start_max_ns", NS),
};

static const char *const cause_titles[] = {"Causes of misses, and the thread behind most of them"};

static const struct vmrt_column cause_columns[] = {
	{"task", "task", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"cause", "cause", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"misses", "misses", NULL, VMRT_CELL_COUNT, 0, 1},
	{"share_ratio", "share", "%", VMRT_CELL_RATIO, 1, 1},
	{"explained", "explained", NULL, VMRT_CELL_COUNT, 0, 1},
	{"thread", "thread", NULL, VMRT_CELL_TEXT, 0, 1},
	{"thread_misses", "its misses", NULL, VMRT_CELL_COUNT, 0, 1},
};

static void put_jitter(struct vmrt_table *table, const struct vmrt_task_facts *t)
{
	const struct vmrt_series *const series[] = {
		&t->release, &t->start, &t->response, &t->completion, &t->activation};

	for (size_t i = 0; i < ARRAY_SIZE(series); i++)
		vmrt_put_ns(table, vmrt_series_jitter(series[i]));
	for (size_t i = 0; i < ARRAY_SIZE(series); i++)
		vmrt_put_ns(table, series[i]->relative);
}

static void put_task(
	struct vmrt_table *table, const struct vmrt_run_facts *f, const struct vmrt_task_facts *t)
{
	double low, high;

	vmrt_wilson((uint64_t)vmrt_task_missed(t), (uint64_t)vmrt_task_known(t), &low, &high);
	vmrt_put_text(table, t->label);
	vmrt_put_ns(table, t->period_ns);
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
	vmrt_put_count(table, t->window_met);
	vmrt_put_count(table, f->filter.window);
	vmrt_put_count(table, t->window_met_k);
	vmrt_put_count(table, t->windows);
	vmrt_put_ns(table, vmrt_series_mean(&t->tardiness));
	vmrt_put_ns(table, t->tardiness.max);
	vmrt_put_ns(table, t->response.min);
	vmrt_put_ns(table, vmrt_series_mean(&t->response));
	vmrt_put_ns(table, t->response_p50);
	vmrt_put_ns(table, t->response_p95);
	vmrt_put_ns(table, t->response_p99);
	vmrt_put_ns(table, t->response_p999);
	vmrt_put_ns(table, t->response.max);
	vmrt_put_count(table, t->response.max_k);
	vmrt_put_ns(table, t->wcet_ns);
	vmrt_put_ns(table, vmrt_series_mean(&t->exec));
	vmrt_put_ns(table, t->exec.max);
	vmrt_put_count(table, t->exec.max_k);
	vmrt_put_ns(table, t->bound_alone_ns);
	vmrt_put_ns(table, t->bound_server_ns);
	vmrt_put_ns(table, t->response.max);
	put_jitter(table, t);
	vmrt_put_ns(table, t->release.max);
	vmrt_put_ns(table, t->start.max);
}

static void put_cause(struct vmrt_table *t, const struct vmrt_task_facts *task,
	const struct vmrt_cause_facts *cause)
{
	vmrt_put_text(t, task->label);
	vmrt_put_text(t, cause->name);
	vmrt_put_count(t, cause->misses);
	vmrt_put_ratio(t, (double)cause->misses / (double)vmrt_task_missed(task));
	vmrt_put_count(t, cause->excused);
	vmrt_put_text(t, cause->by);
	vmrt_put_count(t, cause->by ? cause->by_misses : VMRT_UNKNOWN);
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
			put_cause(t, task, &task->causes[best]);
		}
	}
}

void vmrt_report_tasks(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *t = vmrt_doc_table(
		doc, "tasks", task_titles, task_columns, ARRAY_SIZE(task_columns), 0);

	for (size_t i = 0; i < f->n_tasks; i++) {
		const struct vmrt_task_facts *task = &f->tasks[i];

		if (!task->selected)
			continue;
		put_task(t, f, task);
		if (task->jobs || vmrt_filter_times(&f->filter))
			continue;
		if (task->machine == VMRT_UNKNOWN)
			vmrt_put_line(t, "note", "%s: no job seen: there is no recording of %s",
				task->label, task->machine_name);
		else
			vmrt_put_line(t, "note", "%s: no job seen: is the task's thread called %s?",
				task->label, task->name);
	}
	if (!f->n_tasks)
		vmrt_put_line(t, "tasks",
			"none is declared: an experiment file (-e) says what tasks there are");
	put_causes(doc, f);
}
