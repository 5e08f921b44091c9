/* SPDX-License-Identifier: MIT */
/* The answer that a report begins with: few enough lines for one screen. */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "metrics/figures/figures.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define ROWS_MAX 7     /* tasks and servers together, so that all fits 24 lines */
#define SHORT_NAMES 60 /* characters of names that leave room for a second command */
#define NOTE_LINES 3   /* lines of notes at most, but the first note is always shown */
#define NOTE_WIDTH 64  /* characters of a note in a line of 80 characters, about */
#define FREE_LINES 1   /* so many lines of notes leave room for all rows */
#define ROWS_LEAST 4
#define SERVERS_LEAST 2 /* rows for servers, if there are so many servers */

#define TASK_COLUMNS(X)                                                                            \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY, t->marked)               \
	VMRT_DATA(X, task, TEXT, t->label)                                                         \
	X(jobs, "jobs", NULL, COUNT, 0, 1, t->jobs)                                                \
	X(missed, "missed", NULL, COUNT, 0, 1, vmrt_task_missed(t))                                \
	X(miss_ratio, "miss", "%", RATIO, 1, 1, vmrt_task_miss_ratio(t))                           \
	X(interval, "95 %", NULL, TEXT, 0, 1, interval)                                            \
	X(response_p50_ns, "p50", "ms", NS, VMRT_SIGNIFICANT, 1, t->response_p50)                  \
	X(response_p99_ns, "p99", "ms", NS, VMRT_SIGNIFICANT, 1, t->response_p99)                  \
	X(response_max_ns, "max", "ms", NS, VMRT_SIGNIFICANT, 1, t->response.max)                  \
	X(deadline_ns, "due", "ms", NS, -1, 1, t->deadline_ns)                                     \
	X(cause, "mainly", NULL, TEXT, 16, 1, cause ? vmrt_cause_words(cause->name) : NULL)

#define SERVER_COLUMNS(X)                                                                          \
	X(server, "server", NULL, TEXT, 0, VMRT_KEY_GROUP, s->name)                                \
	X(parameters, "budget/period", "ms", TEXT, 0, 1, parameters)                               \
	X(consumed_ratio, "used", "%", RATIO, 1, 1, s->consumed_ratio)                             \
	X(received_ratio, "received", "%", RATIO, 1, 1, s->received_ratio)                         \
	X(overshoot_p99_ns, "over p99", "us", NS, VMRT_SIGNIFICANT, 1, s->over_p99)                \
	X(blackout_max_ns, "blackout", "ms", NS, VMRT_SIGNIFICANT, 1, s->blackout_max)             \
	X(rules, "rules", NULL, TEXT, 20, 1, rules)

static const struct vmrt_column task_columns[] = {TASK_COLUMNS(VMRT_COLUMN)};
static const struct vmrt_column server_columns[] = {SERVER_COLUMNS(VMRT_COLUMN)};

static void put_task(struct vmrt_table *table, const struct vmrt_task_facts *t)
{
	const struct vmrt_cause_facts *cause = vmrt_task_main_cause(t);
	char text[32];
	const char *interval = NULL;
	double low, high;

	vmrt_wilson((uint64_t)vmrt_task_missed(t), (uint64_t)vmrt_task_known(t), &low, &high);
	if (vmrt_task_known(t)) {
		snprintf(text, sizeof(text), "%.3g-%.3g", low * 100, high * 100);
		interval = text;
	}
	TASK_COLUMNS(VMRT_CELL)
}

static void put_server(struct vmrt_table *table, const struct vmrt_server_facts *s)
{
	char text[64], words[40];
	const char *parameters = NULL, *rules = s->enforced ? "not checked" : "not enforced";
	int64_t judged = 0, violations = 0;

	for (size_t i = 0; i < s->n_checks; i++) {
		judged += s->checks[i].judged;
		violations += s->checks[i].violations;
	}
	if (violations) {
		snprintf(words, sizeof(words), "%" PRId64 " VIOLATED", violations);
		rules = words;
	} else if (judged) {
		rules = "kept";
	}
	if (s->period_ns != VMRT_UNKNOWN && s->budget_ns != VMRT_UNKNOWN) {
		snprintf(text, sizeof(text), "%.4g/%.4g", (double)s->budget_ns / 1e6,
			(double)s->period_ns / 1e6);
		parameters = text;
	}
	SERVER_COLUMNS(VMRT_CELL)
}

/* Is task @a worse than @b? The task with the larger share of misses is worse; if the shares are
 * equal, the task with responses closer to the deadline. */
static bool is_worse(const struct vmrt_task_facts *a, const struct vmrt_task_facts *b)
{
	double x = vmrt_task_miss_ratio(a), y = vmrt_task_miss_ratio(b);

	if (x > y || (!isnan(x) && isnan(y)))
		return true;
	if (x < y || (isnan(x) && !isnan(y)) || a->deadline_ns == VMRT_UNKNOWN ||
		b->deadline_ns == VMRT_UNKNOWN)
		return false;
	return (double)a->response.max * (double)b->deadline_ns >
	       (double)b->response.max * (double)a->deadline_ns;
}

/* How many tasks that were asked for are worse than task @i, or as bad and before it? */
static size_t rank_of(const struct vmrt_run_facts *f, size_t i)
{
	size_t rank = 0;

	for (size_t j = 0; j < f->n_tasks; j++)
		if (j != i && f->tasks[j].selected &&
			(is_worse(&f->tasks[j], &f->tasks[i]) ||
				(j < i && !is_worse(&f->tasks[i], &f->tasks[j]))))
			rank++;
	return rank;
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

/* The verdict, as one would say it aloud: "rt_task1 misses 50 % of its deadlines, mainly: no
 * budget". */
static void put_verdict(struct vmrt_table *t, const struct vmrt_run_facts *f)
{
	size_t n = 0, missing = 0, judged = 0, infeasible = 0, analysed = 0;
	const struct vmrt_task_facts *worst = NULL;
	char buf[VMRT_UNITS_TEXT], share[200];

	for (size_t i = 0; i < f->n_tasks; i++) {
		const struct vmrt_task_facts *task = &f->tasks[i];
		enum vmrt_feasibility feasible = vmrt_task_feasibility(f, task);

		if (!task->selected)
			continue;
		n++;
		judged += vmrt_task_known(task) > 0;
		missing += vmrt_task_missed(task) > 0;
		analysed += feasible != VMRT_FEASIBILITY_UNKNOWN;
		infeasible += feasible == VMRT_INFEASIBLE;
		if (vmrt_task_missed(task) && (!worst || is_worse(task, worst)))
			worst = task;
	}
	if (!n)
		snprintf(share, sizeof(share), "no tasks are declared");
	else if (!judged)
		snprintf(
			share, sizeof(share), "no job of %zu task%s could be judged", n, plural(n));
	else if (!worst)
		snprintf(share, sizeof(share), "no deadline missed by %zu task%s", judged,
			plural(judged));
	else
		snprintf(share, sizeof(share),
			"%zu of %zu task%s missed deadlines, most %s: %.3g %%", missing, judged,
			plural(judged), worst->name, vmrt_task_miss_ratio(worst) * 100);
	vmrt_put_line(t, "answer", "%s; %s, HSF %s%s", share,
		f->start_ns == VMRT_UNKNOWN || f->end_ns == VMRT_UNKNOWN
			? "duration unknown"
			: vmrt_format_duration(f->end_ns - f->start_ns, buf),
		f->hsf ? "on" : "off",
		!analysed    ? ""
		: infeasible ? "; by analysis the servers as declared are NOT enough"
			     : "; by analysis the servers as declared are enough");
}

/* How many notes are shown, and how many lines of 80 characters they take. */
static size_t notes_shown(const struct vmrt_run_facts *f, size_t *lines)
{
	size_t shown = 0, all = 0;

	*lines = 0;
	while (shown < f->n_notes) {
		const struct vmrt_note_facts *n = &f->notes[shown];

		all += (strlen(n->name) + strlen(": ") + strlen(n->words)) / NOTE_WIDTH + 1;
		if (shown && all > NOTE_LINES)
			break;
		*lines = all;
		shown++;
	}
	*lines += shown < f->n_notes;
	return shown;
}

/* Says what the recording does not contain, since figures are missing for this reason, and what
 * threads of VMs did, since this explains other figures. */
static void put_missing(struct vmrt_table *t, const struct vmrt_run_facts *f)
{
	size_t lines, shown = notes_shown(f, &lines);

	for (size_t i = 0; i < shown; i++)
		vmrt_put_line(t, strcmp(f->notes[i].about, "threads") != 0 ? "missing" : "note",
			"%s: %s", f->notes[i].name, f->notes[i].words);
	if (f->n_notes > shown)
		vmrt_put_line(t, "missing", "and %zu more, see --full", f->n_notes - shown);
}

/* The commands that show more: all tables and, if there is a miss, what happened around the worst
 * one. */
static void put_next(struct vmrt_table *t, const struct vmrt_run_facts *f)
{
	const struct vmrt_task_facts *worst = NULL;
	char run[400], job[200], word[300];

	vmrt_shell_word(f->origin, run, sizeof(run));
	for (size_t i = 0; i < f->n_tasks; i++)
		if (f->tasks[i].selected && f->tasks[i].n_worst &&
			(!worst || is_worse(&f->tasks[i], worst)))
			worst = &f->tasks[i];
	if (!worst || !vmrt_task_missed(worst) ||
		strlen(run) + strlen(worst->label) > SHORT_NAMES) {
		vmrt_put_line(t, "next", "vmrt-report --full %s", run);
		return;
	}
	snprintf(job, sizeof(job), "%.120s:%" PRId64, worst->label, worst->worst[0].k);
	/* each command has a line of its own, so that no command is broken and each can be
	 * copied */
	vmrt_put_line(t, "next", "vmrt-trace events --around %s %s",
		vmrt_shell_word(job, word, sizeof(word)), run);
	vmrt_put_line(t, "next", "vmrt-report --full %s", run);
}

void report_answer(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	unsigned flags = VMRT_TABLE_BRIEF | VMRT_TABLE_PEOPLE;
	size_t servers = 0, tasks = 0, most_servers, most_tasks, lines, rows = ROWS_MAX;
	char trust[512], more[128] = "";
	struct vmrt_table *t;

	for (size_t i = 0; i < f->n_servers; i++)
		servers += f->servers[i].selected;
	for (size_t i = 0; i < f->n_tasks; i++)
		tasks += f->tasks[i].selected;
	notes_shown(f, &lines);
	if (lines > FREE_LINES)
		rows = ROWS_MAX - ROWS_LEAST > lines - FREE_LINES ? ROWS_MAX - (lines - FREE_LINES)
								  : ROWS_LEAST;
	most_servers = servers < SERVERS_LEAST ? servers : SERVERS_LEAST;
	if (tasks < rows - SERVERS_LEAST)
		most_servers = rows - tasks;
	most_tasks = rows - (servers < most_servers ? servers : most_servers);
	t = vmrt_doc_table(doc, "answer", NULL, task_columns, 1, flags | VMRT_TABLE_PROSE);
	put_verdict(t, f);
	t = vmrt_doc_table(
		doc, "answer_tasks", NULL, task_columns, ARRAY_SIZE(task_columns), flags);
	for (size_t rank = 0; rank < most_tasks; rank++)
		for (size_t i = 0; i < f->n_tasks; i++)
			if (f->tasks[i].selected && rank_of(f, i) == rank)
				put_task(t, &f->tasks[i]);
	t = vmrt_doc_table(
		doc, "answer_servers", NULL, server_columns, ARRAY_SIZE(server_columns), flags);
	for (size_t i = 0, shown = 0; i < f->n_servers && shown < most_servers; i++) {
		if (!f->servers[i].selected)
			continue;
		put_server(t, &f->servers[i]);
		shown++;
	}
	t = vmrt_doc_table(doc, "trust", NULL, task_columns, 1, flags | VMRT_TABLE_PROSE);
	if (tasks > most_tasks || servers > most_servers) {
		snprintf(more, sizeof(more), "%zu task%s and %zu server%s are not shown here",
			tasks > most_tasks ? tasks - most_tasks : 0,
			plural(tasks > most_tasks ? tasks - most_tasks : 0),
			servers > most_servers ? servers - most_servers : 0,
			plural(servers > most_servers ? servers - most_servers : 0));
		vmrt_put_line(t, "more", "%s", more);
	}
	vmrt_facts_trust(f, trust, sizeof(trust));
	vmrt_put_line(t, "trust", "%s", trust);
	put_missing(t, f);
	put_next(t, f);
	if (f->filter.show & VMRT_SHOW_PICTURES)
		vmrt_page_schedule(t, &(struct vmrt_figure_run){.origin = f->origin}, 1);
}
