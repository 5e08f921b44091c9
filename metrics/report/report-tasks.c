/* SPDX-License-Identifier: MIT */
/* Makes the tables of tasks: outcomes, misses, response times, jitter, causes. */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const task_titles[] = {
	"Tasks: jobs by outcome",
	"Tasks: misses, 95 % interval; excused by overruns, steal or throttling",
	"Tasks: longest run of misses; fewest jobs met of so many in a row; tardiness",
	"Tasks: response time, and the job of the maximum",
	"Tasks: execution; worst response by analysis (own CPU, in the server), measured",
	"Tasks: jitter, largest minus smallest",
	"Tasks: jitter, largest step from one job to the next",
};

#define TASK_COLUMNS(X)                                                                            \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY, t->marked)               \
	VMRT_DATA(X, task, TEXT, t->label)                                                         \
	X(period_ns, "period", "ms", NS, -1, 1, t->period_ns)                                      \
	X(deadline_ns, "deadline", "ms", NS, -1, 1, t->deadline_ns)                                \
	VMRT_DATA(X, priority, COUNT, t->priority)                                                 \
	X(jobs, "jobs", NULL, COUNT, 0, 1, t->jobs)                                                \
	X(met, "met", NULL, COUNT, 0, 1, t->met)                                                   \
	X(missed, "missed", NULL, COUNT, 0, 1, vmrt_task_missed(t))                                \
	VMRT_DATA(X, missed_incomplete, COUNT, t->missed_incomplete)                               \
	X(unknown, "unknown", NULL, COUNT, 0, 1, t->unknown)                                       \
	X(truncated, "trunc.", NULL, COUNT, 0, 1, t->truncated)                                    \
	X(skipped, "skip", NULL, COUNT, 0, 1, t->skipped)                                          \
	VMRT_DATA(X, missing, COUNT, t->missing)                                                   \
	VMRT_DATA(X, inferred, COUNT, t->inferred)                                                 \
	X(miss_ratio, "miss", "%", RATIO, 2, 2, vmrt_task_miss_ratio(t))                           \
	X(miss_low, "low", "%", RATIO, 2, 2, low)                                                  \
	X(miss_high, "high", "%", RATIO, 2, 2, high)                                               \
	X(excused, "excused", NULL, COUNT, 0, 2, t->excused)                                       \
	X(not_excused_ratio, "not excused", "%", RATIO, 2, 2, vmrt_task_not_excused_ratio(t))      \
	X(longest_miss_run, "run", NULL, COUNT, 0, 3, t->longest_run)                              \
	X(longest_miss_run_k, "from job", NULL, COUNT, 0, 3, t->longest_run_k)                     \
	X(window_met, "met", NULL, COUNT, 0, 3, t->window_met)                                     \
	X(window, "of", NULL, COUNT, 0, 3, f->filter.window)                                       \
	X(window_met_k, "from job", NULL, COUNT, 0, 3, t->window_met_k)                            \
	VMRT_DATA(X, windows, COUNT, t->windows)                                                   \
	X(tardiness_mean_ns, "mean", "ms", NS, 3, 3, vmrt_series_mean(&t->tardiness))              \
	X(tardiness_max_ns, "max", "ms", NS, 3, 3, t->tardiness.max)                               \
	X(response_min_ns, "min", "ms", NS, 3, 4, t->response.min)                                 \
	X(response_mean_ns, "mean", "ms", NS, 3, 4, vmrt_series_mean(&t->response))                \
	X(response_p50_ns, "p50", "ms", NS, 3, 4, t->response_p50)                                 \
	X(response_p95_ns, "p95", "ms", NS, 3, 4, t->response_p95)                                 \
	X(response_p99_ns, "p99", "ms", NS, 3, 4, t->response_p99)                                 \
	X(response_p999_ns, "p99.9", "ms", NS, 3, 4, t->response_p999)                             \
	X(response_max_ns, "max", "ms", NS, 3, 4, t->response.max)                                 \
	X(response_max_k, "job", NULL, COUNT, 0, 4, t->response.max_k)                             \
	X(wcet_ns, "wcet", "ms", NS, -1, 5, t->wcet_ns)                                            \
	X(exec_mean_ns, "mean", "ms", NS, 3, 5, vmrt_series_mean(&t->exec))                        \
	X(exec_max_ns, "max", "ms", NS, 3, 5, t->exec.max)                                         \
	X(exec_max_k, "job", NULL, COUNT, 0, 5, t->exec.max_k)                                     \
	X(response_bound_alone_ns, "own CPU", "ms", NS, 3, 5, t->bound_alone_ns)                   \
	X(response_bound_server_ns, "server", "ms", NS, 3, 5, t->bound_server_ns)                  \
	X(response_measured_ns, "measured", "ms", NS, 3, 5 + VMRT_PEOPLE_ONLY, t->response.max)    \
	X(release_jitter_ns, "release", "ms", NS, 3, 6, vmrt_series_jitter(&t->release))           \
	X(start_jitter_ns, "start", "ms", NS, 3, 6, vmrt_series_jitter(&t->start))                 \
	X(response_jitter_ns, "response", "ms", NS, 3, 6, vmrt_series_jitter(&t->response))        \
	X(completion_jitter_ns, "completion", "ms", NS, 3, 6, vmrt_series_jitter(&t->completion))  \
	X(period_jitter_ns, "period", "ms", NS, 3, 6, vmrt_series_jitter(&t->activation))          \
	X(release_jitter_relative_ns, "release", "ms", NS, 3, 7, t->release.relative)              \
	X(start_jitter_relative_ns, "start", "ms", NS, 3, 7, t->start.relative)                    \
	X(response_jitter_relative_ns, "response", "ms", NS, 3, 7, t->response.relative)           \
	X(completion_jitter_relative_ns, "completion", "ms", NS, 3, 7, t->completion.relative)     \
	X(period_jitter_relative_ns, "period", "ms", NS, 3, 7, t->activation.relative)             \
	VMRT_DATA(X, release_max_ns, NS, t->release.max)                                           \
	VMRT_DATA(X, start_max_ns, NS, t->start.max)

static const struct vmrt_column task_columns[] = {TASK_COLUMNS(VMRT_COLUMN)};

static const char *const cause_titles[] = {"Causes of misses, and the thread behind most of them"};

#define CAUSE_COLUMNS(X)                                                                           \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY, task->marked)            \
	VMRT_DATA(X, task, TEXT, task->label)                                                      \
	X(cause, "cause", NULL, TEXT, 0, VMRT_KEY_GROUP, cause->name)                              \
	X(misses, "misses", NULL, COUNT, 0, 1, cause->misses)                                      \
	X(share_ratio, "share", "%", RATIO, 1, 1,                                                  \
		(double)cause->misses / (double)vmrt_task_missed(task))                            \
	X(excused, "excused", NULL, COUNT, 0, 1, cause->excused)                                   \
	X(thread, "thread", NULL, TEXT, 0, 1, cause->by)                                           \
	X(thread_misses, "its misses", NULL, COUNT, 0, 1,                                          \
		cause->by ? cause->by_misses : VMRT_UNKNOWN)

static const struct vmrt_column cause_columns[] = {CAUSE_COLUMNS(VMRT_COLUMN)};

static void put_task(
	struct vmrt_table *table, const struct vmrt_run_facts *f, const struct vmrt_task_facts *t)
{
	double low, high;

	vmrt_wilson((uint64_t)vmrt_task_missed(t), (uint64_t)vmrt_task_known(t), &low, &high);
	TASK_COLUMNS(VMRT_CELL)
}

static void put_cause(struct vmrt_table *table, const struct vmrt_task_facts *task,
	const struct vmrt_cause_facts *cause)
{
	CAUSE_COLUMNS(VMRT_CELL)
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

void report_tasks(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	struct vmrt_table *t = vmrt_doc_table(
		doc, "tasks", task_titles, task_columns, ARRAY_SIZE(task_columns), 0);

	for (size_t i = 0; i < f->n_tasks; i++) {
		const struct vmrt_task_facts *task = &f->tasks[i];
		const char *note;

		if (!task->selected)
			continue;
		put_task(t, f, task);
		for (size_t k = 0; (note = vmrt_facts_note(f, "task", task->label, k)); k++)
			vmrt_put_line(t, "note", "%s: %s", task->label, note);
		if (task->jobs || vmrt_filter_times(&f->filter) ||
			vmrt_facts_note(f, "task", task->label, 0))
			continue;
		if (task->machine == VMRT_UNKNOWN)
			vmrt_put_line(t, "note", "%s: no job seen: there is no recording of %s",
				task->label, task->machine_name);
		else
			vmrt_put_line(t, "note",
				"%s: no job seen, although its thread was recorded: how it waits "
				"was not "
				"found out; say it with `release`",
				task->label);
	}
	if (!f->n_tasks)
		vmrt_put_line(t, "tasks",
			"none is declared: an experiment file (-e) says what tasks there are");
	put_causes(doc, f);
}
