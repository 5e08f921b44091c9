/* SPDX-License-Identifier: MIT */
/* Trends as tables: a section for each series of runs. */
#include "trend.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const char *const task_titles[] = {
	"Tasks: misses, 95 % intervals", "Tasks: response times, main cause of misses"};

/* People see dates without seconds. */
#define RECORDED(X, at)                                                                            \
	VMRT_DATA(X, recorded_at, TEXT, at)                                                        \
	X(recorded, "recorded (UTC)", NULL, TEXT, 0, VMRT_KEY_GROUP + VMRT_PEOPLE_ONLY,            \
		short_date(at, date))

#define TASK_COLUMNS(X)                                                                            \
	X(run, "run", NULL, TEXT, 0, VMRT_KEY_GROUP, name)                                         \
	VMRT_DATA(X, uuid, TEXT, r->uuid)                                                          \
	RECORDED(X, r->recorded_at)                                                                \
	X(task, "task", NULL, TEXT, 0, VMRT_KEY_GROUP, t->label)                                   \
	VMRT_DATA(X, baseline, BOOL, base)                                                         \
	X(jobs, "jobs", NULL, COUNT, 0, 1, t->jobs)                                                \
	VMRT_DATA(X, known, COUNT, t->met + t->missed)                                             \
	VMRT_DATA(X, missed, COUNT, t->missed)                                                     \
	X(miss_ratio, "miss", "%", RATIO, 2, 1, miss)                                              \
	VMRT_DATA(X, miss_low_ratio, RATIO, low)                                                   \
	VMRT_DATA(X, miss_high_ratio, RATIO, high)                                                 \
	X(interval, "interval", "%", TEXT, 0, 1 + VMRT_PEOPLE_ONLY, interval)                      \
	X(verdict, "verdict", NULL, TEXT, 0, 1, trend_word(verdict))                               \
	X(response_p50_ns, "p50", "ms", NS, VMRT_SIGNIFICANT, 2, t->response_p50_ns)               \
	X(response_p99_ns, "p99", "ms", NS, VMRT_SIGNIFICANT, 2, t->response_p99_ns)               \
	X(response_max_ns, "max", "ms", NS, VMRT_SIGNIFICANT, 2, t->response_max_ns)               \
	X(response_jitter_ns, "jitter", "ms", NS, VMRT_SIGNIFICANT, 2, t->response_jitter_ns)      \
	VMRT_DATA(X, release_jitter_ns, NS, t->release_jitter_ns)                                  \
	VMRT_DATA(X, start_jitter_ns, NS, t->start_jitter_ns)                                      \
	VMRT_DATA(X, exec_max_ns, NS, t->exec_max_ns)                                              \
	X(cause, "cause", NULL, TEXT, 0, 2, t->cause)

static const struct vmrt_column task_columns[] = {TASK_COLUMNS(VMRT_COLUMN)};

static const char *const server_titles[] = {"Servers: budget", "Servers: overshoot, blackout"};

#define SERVER_COLUMNS(X)                                                                          \
	X(run, "run", NULL, TEXT, 0, VMRT_KEY_GROUP, name)                                         \
	VMRT_DATA(X, uuid, TEXT, r->uuid)                                                          \
	RECORDED(X, r->recorded_at)                                                                \
	X(server, "server", NULL, TEXT, 0, VMRT_KEY_GROUP, s->server)                              \
	VMRT_DATA(X, baseline, BOOL, base)                                                         \
	VMRT_DATA(X, periods, COUNT, s->periods)                                                   \
	X(consumed_ratio, "budget", "%", RATIO, 1, 1, s->consumed_ratio)                           \
	X(received_ratio, "CPU", "%", RATIO, 1, 1, s->received_ratio)                              \
	VMRT_DATA(X, windows, COUNT, s->windows)                                                   \
	X(violations, "violations", NULL, COUNT, 0, 1, s->violations)                              \
	X(verdict, "verdict", NULL, TEXT, 0, 1, trend_word(verdict))                               \
	X(overshoot_p99_ns, "p99", "us", NS, VMRT_SIGNIFICANT, 2, s->overshoot_p99_ns)             \
	X(overshoot_max_ns, "max", "us", NS, VMRT_SIGNIFICANT, 2, s->overshoot_max_ns)             \
	VMRT_DATA(X, latency_max_ns, NS, s->latency_max_ns)                                        \
	X(blackout_max_ns, "blackout", "ms", NS, VMRT_SIGNIFICANT, 2, s->blackout_max_ns)          \
	VMRT_DATA(X, supply_jitter_ns, NS, s->supply_jitter_ns)

static const struct vmrt_column server_columns[] = {SERVER_COLUMNS(VMRT_COLUMN)};

static const char *const worse_titles[] = {"Worse than the baseline"};
static const char *const test_titles[] = {"Tests against the baseline"};

#define TEST_COLUMNS(X, most)                                                                      \
	X(run, "run", NULL, TEXT, 0, VMRT_KEY_GROUP, name)                                         \
	VMRT_DATA(X, uuid, TEXT, test->run->uuid)                                                  \
	RECORDED(X, test->run->recorded_at)                                                        \
	X(of, "of", NULL, TEXT, 0, VMRT_KEY_GROUP, test->of)                                       \
	X(metric, "metric", NULL, TEXT, 0, 1, test->metric)                                        \
	VMRT_DATA(X, test, TEXT, test->test)                                                       \
	VMRT_DATA(X, n_base, COUNT, test->n_base)                                                  \
	VMRT_DATA(X, n_run, COUNT, test->n_run)                                                    \
	X(base, "baseline", NULL, ANY, 3, 1, figure(test, test->base))                             \
	X(value, "is", NULL, ANY, 3, 1, figure(test, test->value))                                 \
	VMRT_DATA(X, p, P, test->p)                                                                \
	X(p_corrected, "p", NULL, P, 3, 1, test->corrected)                                        \
	X(verdict, "verdict", NULL, TEXT, 0, most, trend_word(test->verdict))                      \
	VMRT_DATA(X, why, TEXT, *test->why ? test->why : NULL)

static const struct vmrt_column worse_columns[] = {TEST_COLUMNS(VMRT_COLUMN, VMRT_DATA_GROUP)};
static const struct vmrt_column test_columns[] = {TEST_COLUMNS(VMRT_COLUMN, 1)};

/* "2026-01-31T08:00:00Z" as "2026-01-31 08:00". */
static const char *short_date(const char *at, char *buf)
{
	if (!at || strlen(at) < 16)
		return at;
	snprintf(buf, 17, "%.16s", at);
	buf[10] = ' ';
	return buf;
}

static struct vmrt_value figure(const struct trend_test *t, double value)
{
	struct vmrt_value v = {.type = t->type, .number = VMRT_UNKNOWN, .ratio = value};

	if (t->type == VMRT_CELL_NS && !isnan(value))
		v.number = (int64_t)value;
	return v;
}

/* The worst verdict of all tests of the task or server @of in a run. */
static enum trend_verdict verdict_of(
	const struct trend_series *s, const struct many_run *run, const char *of, bool task)
{
	enum trend_verdict verdict = TREND_NOT_TESTED;

	for (size_t i = 0; i < s->n_tests; i++) {
		const struct trend_test *t = &s->tests[i];
		bool of_task = *t->metric == 'm' || *t->metric == 'r' || *t->metric == 't';

		if (t->run != run || of_task != task || strcmp(t->of, of) != 0)
			continue;
		/* what is better in one test and the same in the others counts as better */
		if (t->verdict > verdict)
			verdict = t->verdict;
	}
	return verdict;
}

static void put_tasks(struct vmrt_table *table, const struct trend_series *series, size_t run,
	const struct trend_options *o)
{
	const struct many_run *r = series->runs[run];
	bool base = series->is_base[run];
	char name[64], date[17];

	trend_run_name(r, name);
	for (size_t i = 0; i < r->n_tasks; i++) {
		const struct many_task *t = &r->tasks[i];
		int64_t known = t->met + t->missed;
		double miss = known > 0 ? (double)t->missed / (double)known : NAN, low, high;
		enum trend_verdict verdict;
		char interval[32];

		if (!trend_wants(o->tasks, o->n_tasks, t->task, t->label))
			continue;
		vmrt_wilson((uint64_t)t->missed, (uint64_t)known, &low, &high);
		snprintf(interval, sizeof(interval), "-");
		if (known > 0)
			snprintf(interval, sizeof(interval), "%.2f-%.2f", low * 100, high * 100);
		verdict = verdict_of(series, r, t->label, true);
		TASK_COLUMNS(VMRT_CELL)
	}
}

static void put_servers(struct vmrt_table *table, const struct trend_series *series, size_t run,
	const struct trend_options *o)
{
	const struct many_run *r = series->runs[run];
	bool base = series->is_base[run];
	char name[64], date[17];

	trend_run_name(r, name);
	for (size_t i = 0; i < r->n_servers; i++) {
		const struct many_server *s = &r->servers[i];
		enum trend_verdict verdict;

		if (!s->server || !trend_wants(o->servers, o->n_servers, s->server, NULL))
			continue;
		verdict = verdict_of(series, r, s->server, false);
		SERVER_COLUMNS(VMRT_CELL)
	}
}

static void put_test(struct vmrt_table *table, const struct trend_test *test)
{
	char name[64], date[17];

	trend_run_name(test->run, name);
	TEST_COLUMNS(VMRT_CELL, 1)
}

/* What was tested, and how sure the verdicts are. */
static void put_lines(struct vmrt_table *table, const struct trend *t, const struct trend_series *s,
	const struct trend_options *o)
{
	size_t tests = 0, worse = 0, better = 0, left_out = 0;
	char name[64];

	for (size_t i = 0; i < s->n_tests; i++) {
		tests += s->tests[i].verdict != TREND_NOT_TESTED;
		worse += s->tests[i].verdict == TREND_WORSE;
		better += s->tests[i].verdict == TREND_BETTER;
		left_out += *s->tests[i].why != '\0';
	}
	for (size_t i = 0; i < s->n; i++)
		if (s->is_base[i] && s->n_base == 1)
			vmrt_put_line(table, "baseline", "%s of %s",
				trend_run_name(s->runs[i], name),
				s->runs[i]->recorded_at ? s->runs[i]->recorded_at : "unknown time");
	if (s->n_base > 1)
		vmrt_put_line(
			table, "baseline", "the first %zu of %zu runs together", s->n_base, s->n);
	if (!s->n_base)
		vmrt_put_line(table, "baseline",
			"no run of this series (of %zu): nothing is tested", s->n);
	vmrt_put_line(
		table, "verdict", "%zu of %zu tests say worse, %zu better", worse, tests, better);
	if (left_out)
		vmrt_put_line(table, "note",
			"%zu tests could not be made: --format json --table tests says why",
			left_out);
	if (tests)
		vmrt_put_line(table, "tests",
			"misses, and violations: Fisher; response times, and overshoots: "
			"Mann-Whitney; tail, jobs above the baseline's p99: Fisher. p is corrected "
			"by Holm for all %zu tests; worse is p < %.2f, a figure worse than in each "
			"run of the "
			"baseline and, of times, larger by %g %% or more. Jobs are taken for "
			"independent",
			t->tests, TREND_LIMIT, o->least * 100);
}

void trend_report(struct vmrt_doc *doc, const struct trend *t, const struct trend_options *o)
{
	for (size_t i = 0; i < t->n_series; i++) {
		const struct trend_series *s = &t->series[i];
		struct vmrt_table *table;
		char section[200];

		snprintf(section, sizeof(section), "%.80s on %.80s%s", s->name ? s->name : "-",
			s->host ? s->host : "unknown host", s->hsf ? " (enforced)" : "");
		vmrt_doc_section(doc, section);
		table = vmrt_doc_table(
			doc, "worse", worse_titles, worse_columns, ARRAY_SIZE(worse_columns), 0);
		for (size_t k = 0; k < s->n_tests; k++)
			if (s->tests[k].verdict == TREND_WORSE)
				put_test(table, &s->tests[k]);
		put_lines(table, t, s, o);
		table = vmrt_doc_table(
			doc, "tasks", task_titles, task_columns, ARRAY_SIZE(task_columns), 0);
		for (size_t k = 0; k < s->n; k++)
			put_tasks(table, s, k, o);
		table = vmrt_doc_table(doc, "servers", server_titles, server_columns,
			ARRAY_SIZE(server_columns), 0);
		for (size_t k = 0; k < s->n; k++)
			put_servers(table, s, k, o);
		table = vmrt_doc_table(doc, "tests", test_titles, test_columns,
			ARRAY_SIZE(test_columns), VMRT_TABLE_PROSE);
		for (size_t k = 0; k < s->n_tests; k++)
			put_test(table, &s->tests[k]);
	}
}
