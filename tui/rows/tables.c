/* SPDX-License-Identifier: MIT */
/* One list of columns per table; CSV and JSON are made from it by the writer of the report. */
#include "tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/table.h>

#include "columns.h"
#include "pages.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const no_titles[] = {""};

static double ratio(uint64_t part, uint64_t all)
{
	return all ? (double)part / (double)all : NAN;
}

static const char *server_state(enum top_server_state state)
{
	static const char *const words[] = {
		"idle", "waiting", "running", "depleted", "soft", "absent"};

	return words[state];
}

static const char *task_state(enum top_task_state state)
{
	static const char *const words[] = {
		"none", "met", "missed", "unknown", "overdue", "quiet", "unseen"};

	return words[state];
}

static double ratio_of_server(const struct top_server_row *s, double value)
{
	return s->policy == VMRT_POLICY_NONE ? NAN : value;
}

static int64_t of_task(const struct top_task_row *t, int64_t value)
{
	return top_never_seen(t) ? VMRT_UNKNOWN : value;
}

#define VIEW_COLUMNS(X)                                                                            \
	VMRT_DATA(X, title, TEXT, ui->title)                                                       \
	VMRT_DATA(X, elapsed_ns, NS, ui->elapsed_ns)                                               \
	VMRT_DATA(X, now_ns, NS, v->now_ns)                                                        \
	VMRT_DATA(X, counted_since_ns, NS, v->since_ns)                                            \
	VMRT_DATA(X, live, BOOL, ui->live)                                                         \
	VMRT_DATA(X, ended, BOOL, ui->ended)                                                       \
	VMRT_DATA(X, events, COUNT, (int64_t)v->events)                                            \
	VMRT_DATA(X, lost, COUNT, (int64_t)v->lost)                                                \
	VMRT_DATA(X, lost_at_least, BOOL, v->lost_at_least)                                        \
	VMRT_DATA(X, inferred, COUNT, (int64_t)v->broken)                                          \
	VMRT_DATA(X, clock_error_ns, NS, v->clock_error_ns)                                        \
	VMRT_DATA(X, steal_ns, NS, v->steal_ns)                                                    \
	VMRT_DATA(X, note, TEXT, ui->note && ui->note[0] ? ui->note : NULL)                        \
	VMRT_DATA(X, alarm, TEXT, ui->alarm && ui->alarm[0] ? ui->alarm : NULL)

#define SERVER_COLUMNS(X)                                                                          \
	VMRT_DATA(X, server, TEXT, s->name)                                                        \
	VMRT_DATA(X, vm, TEXT, s->vm_index == VMRT_NONE ? NULL : s->vm)                            \
	VMRT_DATA(X, policy, TEXT, vmrt_policy_name(s->policy))                                    \
	VMRT_DATA(X, enforced, BOOL, s->enforced)                                                  \
	VMRT_DATA(X, state, TEXT, server_state(s->state))                                          \
	VMRT_DATA(X, period_ns, NS, top_of_server(s, s->period_ns))                                \
	VMRT_DATA(X, budget_ns, NS, top_of_server(s, s->budget_ns))                                \
	VMRT_DATA(X, used_ns, NS, top_of_server(s, s->used_ns))                                    \
	VMRT_DATA(X, share_ratio, RATIO, s->share)                                                 \
	VMRT_DATA(X, background_share_ratio, RATIO, ratio_of_server(s, s->background))             \
	VMRT_DATA(X, periods, COUNT, top_of_server(s, s->facts.periods))                           \
	VMRT_DATA(X, served, COUNT, top_of_server(s, s->facts.served))                             \
	VMRT_DATA(X, depleted, COUNT, top_of_server(s, s->facts.depleted))                         \
	VMRT_DATA(X, unenforced, COUNT, top_of_server(s, s->facts.unenforced))                     \
	VMRT_DATA(X, unknown, COUNT, top_of_server(s, s->facts.unknown))                           \
	VMRT_DATA(X, truncated, COUNT, top_of_server(s, s->facts.truncated))                       \
	VMRT_DATA(X, consumed_ratio, RATIO, ratio_of_server(s, s->facts.consumed_ratio))           \
	VMRT_DATA(X, background_ratio, RATIO, ratio_of_server(s, s->facts.background_ratio))       \
	VMRT_DATA(X, consumed_max_ns, NS, top_of_server(s, s->max_ns))                             \
	VMRT_DATA(X, overshoot_max_ns, NS, top_of_server(s, s->facts.over_max))                    \
	VMRT_DATA(X, latency_max_ns, NS, s->facts.latency_max)                                     \
	VMRT_DATA(X, blackout_max_ns, NS, s->facts.blackout_max)                                   \
	VMRT_DATA(X, unmanaged_period_ns, NS, s->unmanaged_period_ns)                              \
	VMRT_DATA(X, unmanaged_supply_ns, NS, s->unmanaged_supply_ns)

#define TASK_COLUMNS(X)                                                                            \
	VMRT_DATA(X, machine, TEXT, t->machine)                                                    \
	VMRT_DATA(X, task, TEXT, t->name)                                                          \
	VMRT_DATA(X, state, TEXT, task_state(t->state))                                            \
	VMRT_DATA(X, period_ns, NS, t->period_ns)                                                  \
	VMRT_DATA(X, wcet_ns, NS, t->wcet_ns)                                                      \
	VMRT_DATA(X, deadline_ns, NS, t->deadline_ns)                                              \
	VMRT_DATA(X, jobs, COUNT, of_task(t, (int64_t)t->jobs))                                    \
	VMRT_DATA(X, met, COUNT, of_task(t, t->facts.met))                                         \
	VMRT_DATA(X, missed, COUNT, of_task(t, (int64_t)t->missed))                                \
	VMRT_DATA(X, missed_incomplete, COUNT, of_task(t, t->facts.missed_incomplete))             \
	VMRT_DATA(X, excused, COUNT, of_task(t, (int64_t)t->excused))                              \
	VMRT_DATA(X, unknown, COUNT, of_task(t, t->facts.unknown))                                 \
	VMRT_DATA(X, truncated, COUNT, of_task(t, t->facts.truncated))                             \
	VMRT_DATA(X, skipped, COUNT, of_task(t, t->facts.skipped))                                 \
	VMRT_DATA(X, miss_ratio, RATIO, ratio(t->missed, t->known))                                \
	VMRT_DATA(X, miss_run, COUNT, t->facts.longest_run)                                        \
	VMRT_DATA(X, response_last_ns, NS, t->last_ns)                                             \
	VMRT_DATA(X, response_min_ns, NS, t->facts.response.min)                                   \
	VMRT_DATA(X, response_mean_ns, NS, vmrt_series_mean(&t->facts.response))                   \
	VMRT_DATA(X, response_p50_ns, NS, t->facts.response_p50)                                   \
	VMRT_DATA(X, response_p95_ns, NS, t->facts.response_p95)                                   \
	VMRT_DATA(X, response_p99_ns, NS, t->p99_ns)                                               \
	VMRT_DATA(X, response_p999_ns, NS, t->facts.response_p999)                                 \
	VMRT_DATA(X, response_p99_approximate, BOOL, t->p99_approximate)                           \
	VMRT_DATA(X, response_max_ns, NS, t->max_ns)                                               \
	VMRT_DATA(X, response_max_k, COUNT, t->max_k)                                              \
	VMRT_DATA(X, response_jitter_ns, NS, vmrt_series_jitter(&t->facts.response))               \
	VMRT_DATA(X, release_jitter_ns, NS, vmrt_series_jitter(&t->facts.release))                 \
	VMRT_DATA(X, start_jitter_ns, NS, vmrt_series_jitter(&t->facts.start))                     \
	VMRT_DATA(X, completion_jitter_ns, NS, vmrt_series_jitter(&t->facts.completion))           \
	VMRT_DATA(X, period_jitter_ns, NS, vmrt_series_jitter(&t->facts.activation))               \
	VMRT_DATA(X, tardiness_mean_ns, NS, vmrt_series_mean(&t->facts.tardiness))                 \
	VMRT_DATA(X, tardiness_max_ns, NS, t->facts.tardiness.max)                                 \
	VMRT_DATA(X, exec_mean_ns, NS, vmrt_series_mean(&t->facts.exec))                           \
	VMRT_DATA(X, exec_max_ns, NS, t->facts.exec.max)                                           \
	VMRT_DATA(X, inferred, COUNT, t->facts.inferred)

#define MACHINE_COLUMNS(X)                                                                         \
	VMRT_DATA(X, machine, TEXT, m->name)                                                       \
	VMRT_DATA(X, cpus, COUNT, m->cpus)                                                         \
	VMRT_DATA(X, events, COUNT, (int64_t)m->stats.events)                                      \
	VMRT_DATA(X, events_per_s, REAL, m->events_per_s)                                          \
	VMRT_DATA(X, lost, COUNT, (int64_t)m->stats.lost)                                          \
	VMRT_DATA(X, broken_chains, COUNT, (int64_t)m->stats.broken_chains)                        \
	VMRT_DATA(X, out_of_order, COUNT, (int64_t)m->stats.out_of_order)                          \
	VMRT_DATA(X, inside, COUNT, m->guest ? (int64_t)m->stats.inside : VMRT_UNKNOWN)            \
	VMRT_DATA(X, outside, COUNT, m->guest ? (int64_t)m->stats.outside : VMRT_UNKNOWN)          \
	VMRT_DATA(X, clock_error_ns, NS, m->clock_error_ns)                                        \
	VMRT_DATA(X, steal_ns, NS, m->steal_ns)

#define JOB_COLUMNS(X)                                                                             \
	VMRT_DATA(X, machine, TEXT, t->machine)                                                    \
	VMRT_DATA(X, task, TEXT, t->name)                                                          \
	VMRT_DATA(X, k, COUNT, j->k)                                                               \
	VMRT_DATA(X, arrival_ns, NS, j->arrival_ns)                                                \
	VMRT_DATA(X, release_ns, NS, j->release_ns)                                                \
	VMRT_DATA(X, start_ns, NS, j->start_ns)                                                    \
	VMRT_DATA(X, end_ns, NS, j->end_ns)                                                        \
	VMRT_DATA(X, deadline_ns, NS, j->deadline_ns)                                              \
	VMRT_DATA(X, exec_ns, NS, j->exec_ns)                                                      \
	VMRT_DATA(X, response_ns, NS, j->response_ns)                                              \
	VMRT_DATA(X, preemptions, COUNT, j->preemptions)                                           \
	VMRT_DATA(X, migrations, COUNT, j->migrations)                                             \
	VMRT_DATA(X, outcome, TEXT, vmrt_outcome_name(j->outcome))                                 \
	VMRT_DATA(                                                                                 \
		X, cause, TEXT, j->cause < 0 ? NULL : vmrt_blame_name((enum vmrt_blame)j->cause))  \
	VMRT_DATA(X, excused, BOOL, j->excused)

#define PERIOD_COLUMNS(X)                                                                          \
	VMRT_DATA(X, server, TEXT, s->name)                                                        \
	VMRT_DATA(X, k, COUNT, p->k)                                                               \
	VMRT_DATA(X, start_ns, NS, p->start_ns)                                                    \
	VMRT_DATA(X, end_ns, NS, p->end_ns)                                                        \
	VMRT_DATA(X, budget_ns, NS, p->budget_ns)                                                  \
	VMRT_DATA(X, consumed_ns, NS, p->consumed_ns)                                              \
	VMRT_DATA(X, background_ns, NS, p->background_ns)                                          \
	VMRT_DATA(X, depleted_ns, NS, p->depleted_ns)                                              \
	VMRT_DATA(X, waiting_ns, NS, p->waiting_ns)                                                \
	VMRT_DATA(X, outcome, TEXT, vmrt_period_name(p->outcome))

#define RUN_COLUMNS(X)                                                                             \
	VMRT_DATA(X, machine, TEXT,                                                                \
		thread->machine < v->n_machines ? v->machines[thread->machine].name : NULL)        \
	VMRT_DATA(X, thread, TEXT, name)                                                           \
	VMRT_DATA(X, cpu, COUNT, r->cpu)                                                           \
	VMRT_DATA(X, prio, COUNT, r->prio)                                                         \
	VMRT_DATA(X, start_ns, NS, r->start_ns)                                                    \
	VMRT_DATA(X, end_ns, NS, r->end_ns)                                                        \
	VMRT_DATA(X, wants_on, BOOL, r->ready)

static const struct vmrt_column view_columns[] = {VIEW_COLUMNS(VMRT_COLUMN)};
static const struct vmrt_column server_columns[] = {SERVER_COLUMNS(VMRT_COLUMN)};
static const struct vmrt_column task_columns[] = {TASK_COLUMNS(VMRT_COLUMN)};
static const struct vmrt_column machine_columns[] = {MACHINE_COLUMNS(VMRT_COLUMN)};
static const struct vmrt_column job_columns[] = {JOB_COLUMNS(VMRT_COLUMN)};
static const struct vmrt_column period_columns[] = {PERIOD_COLUMNS(VMRT_COLUMN)};
static const struct vmrt_column run_columns[] = {RUN_COLUMNS(VMRT_COLUMN)};

#define TABLE(doc, name, columns, flags)                                                           \
	vmrt_doc_table(doc, name, no_titles, columns, COUNT(columns), flags)

static void put_view(struct vmrt_doc *doc, const struct top_view *v, const struct top_ui *ui)
{
	struct vmrt_table *table = TABLE(doc, "view", view_columns, VMRT_TABLE_SINGLE);

	VIEW_COLUMNS(VMRT_CELL)
}

static void put_servers(struct vmrt_doc *doc, const struct top_view *v)
{
	struct vmrt_table *table = TABLE(doc, "servers", server_columns, 0);

	for (size_t i = 0; i < v->n_servers; i++) {
		const struct top_server_row *s = &v->servers[i];

		SERVER_COLUMNS(VMRT_CELL)
	}
}

static void put_tasks(struct vmrt_doc *doc, const struct top_view *v)
{
	struct vmrt_table *table = TABLE(doc, "tasks", task_columns, 0);

	for (size_t i = 0; i < v->n_tasks; i++) {
		const struct top_task_row *t = &v->tasks[i];

		TASK_COLUMNS(VMRT_CELL)
	}
}

static void put_machines(struct vmrt_doc *doc, const struct top_view *v)
{
	struct vmrt_table *table = TABLE(doc, "machines", machine_columns, 0);

	for (size_t i = 0; i < v->n_machines; i++) {
		const struct top_machine_row *m = &v->machines[i];

		MACHINE_COLUMNS(VMRT_CELL)
	}
}

static void put_jobs(struct vmrt_doc *doc, const struct top_view *v, size_t task)
{
	struct vmrt_table *table = TABLE(doc, "jobs", job_columns, 0);
	const struct top_task_row *t = task < v->n_tasks ? &v->tasks[task] : NULL;

	for (size_t i = 0; t && i < t->n_recent; i++) {
		const struct top_job *j = &t->recent[i];

		JOB_COLUMNS(VMRT_CELL)
	}
}

static void put_misses(struct vmrt_doc *doc, const struct top_view *v, const struct top_ui *ui)
{
	struct vmrt_table *table = TABLE(doc, "misses", job_columns, 0);
	size_t *order = calloc(v->n_misses + 1, sizeof(*order)), n;

	if (!order) {
		vmrt_doc_fail(doc);
		return;
	}
	n = top_misses_order(v, ui, order);
	for (size_t i = 0; i < n; i++) {
		const struct top_job *j = &v->misses[order[i]].job;
		const struct top_task_row *t = &v->tasks[j->task];

		JOB_COLUMNS(VMRT_CELL)
	}
	free(order);
}

static void put_periods(struct vmrt_doc *doc, const struct top_view *v, size_t server)
{
	struct vmrt_table *table = TABLE(doc, "server_periods", period_columns, 0);
	const struct top_server_row *s = server < v->n_servers ? &v->servers[server] : NULL;

	for (size_t i = 0; s && i < s->n_recent; i++) {
		const struct vmrt_server_period *p = &s->recent[i];

		PERIOD_COLUMNS(VMRT_CELL)
	}
}

/* Adds the table of runs in the time that the timeline shows. */
static void put_runs(struct vmrt_doc *doc, const struct top_view *v, const struct top_ui *ui)
{
	struct vmrt_table *table = TABLE(doc, "runs", run_columns, 0);
	int64_t to = ui->right_ns == VMRT_UNKNOWN ? v->now_ns : ui->right_ns,
		from = to - ui->span_ns;

	for (size_t i = 0; v->now_ns != VMRT_UNKNOWN && i < v->n_slices; i++) {
		const struct top_slice *r = &v->slices[i];
		const struct top_thread *thread;
		char name[TOP_TEXT];

		if (r->end_ns <= from || r->start_ns >= to || r->thread >= v->n_threads)
			continue;
		thread = &v->threads[r->thread];
		top_thread_text(v, r->thread, thread->machine, name);
		RUN_COLUMNS(VMRT_CELL)
	}
}

static void put_page(struct vmrt_doc *doc, const struct top_view *v, const struct top_ui *ui)
{
	switch (ui->page) {
	case TOP_PAGE_SERVER:
		put_periods(doc, v, ui->server);
		break;
	case TOP_PAGE_TASK:
		put_jobs(doc, v, ui->task);
		break;
	case TOP_PAGE_TIMELINE:
		put_runs(doc, v, ui);
		break;
	case TOP_PAGE_MISSES:
		put_misses(doc, v, ui);
		break;
	case TOP_PAGE_SYSTEM:
		put_machines(doc, v);
		break;
	default:
		put_servers(doc, v);
		put_tasks(doc, v);
		break;
	}
}

enum vmrt_status top_tables_csv(const struct top_view *view, const struct top_ui *ui, FILE *out)
{
	struct vmrt_doc *doc = vmrt_doc_new("update", false);
	enum vmrt_status status = VMRT_ENOMEM;

	if (!doc)
		return VMRT_ENOMEM;
	vmrt_doc_section(doc, "");
	put_page(doc, view, ui);
	status = vmrt_doc_print(doc, VMRT_FORMAT_CSV, NULL, out, NULL);
	vmrt_doc_free(doc);
	return status;
}

/* Prints JSON without the line breaks between its values. Line breaks in texts are escaped and
 * stay. */
static void print_flat(const char *json, FILE *out)
{
	bool quoted = false;

	for (const char *p = json; *p; p++) {
		if (*p == '"')
			quoted = !quoted;
		if (quoted || (*p != '\n' && *p != ' ' && *p != '\t'))
			putc(*p, out);
		if (quoted && *p == '\\' && p[1])
			putc(*++p, out);
	}
	putc('\n', out);
}

enum vmrt_status top_tables_json(const struct top_view *view, const struct top_ui *ui, FILE *out)
{
	struct vmrt_doc *doc = vmrt_doc_new("update", false);
	enum vmrt_status status = VMRT_ENOMEM;
	char *json = NULL;
	size_t size;
	FILE *text = open_memstream(&json, &size);

	if (doc && text) {
		vmrt_doc_section(doc, "");
		put_view(doc, view, ui);
		put_servers(doc, view);
		put_tasks(doc, view);
		put_machines(doc, view);
		status = vmrt_doc_print(doc, VMRT_FORMAT_JSON, NULL, text, NULL);
	}
	if (text && fclose(text) != 0)
		status = VMRT_ENOMEM;
	if (status == VMRT_OK)
		print_flat(json, out);
	free(json);
	vmrt_doc_free(doc);
	return status;
}
