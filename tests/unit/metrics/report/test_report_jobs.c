/* SPDX-License-Identifier: MIT */
/* What is said of successive jobs, of the worst ones and of how they are distributed; worked out by
 * hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "metrics/report/report.h"
#include "testdb.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US

static struct vmrt_run_facts *load(
	const char *rows, const char *change, const struct vmrt_filter *filter)
{
	struct vmrt_run_facts *f = testdb_facts(rows, change, filter);

	assert_non_null(f);
	return f;
}

/* Jobs of a task of 20 ms, in rows of (k, release, start, end behind the arrival in us, skipped
 * before, outcome). */
#define JOBS(rows)                                                                                 \
	"DELETE FROM job; INSERT INTO job(task, k, thread, arrival_local_ns, release_local_ns, "   \
	"start_local_ns,"                                                                          \
	" end_local_ns, exec_ns, response_ns, preemptions, migrations, skipped, outcome, "         \
	"excused, inferred)"                                                                       \
	" SELECT 1, column1, 2, column1 * 20000000, column1 * 20000000 + column2 * 1000,"          \
	" column1 * 20000000 + column3 * 1000, column1 * 20000000 + column4 * 1000, 1, column4 * " \
	"1000, 0, 0, column5,"                                                                     \
	" column6, 0, 0 FROM (" rows ")"

static struct vmrt_run_facts *jobs(const char *change, int64_t window)
{
	struct vmrt_filter filter = VMRT_FILTER_ALL;

	filter.window = window;
	return load("tests/data/small-nohsf.sql", change, &filter);
}

static void expect_jitter(const struct vmrt_series *s, int64_t absolute, int64_t relative)
{
	assert_int_equal(vmrt_series_jitter(s), absolute);
	assert_int_equal(s->relative, relative);
}

static void jobs_at_a_perfect_pace_have_no_jitter(void **state)
{
	struct vmrt_run_facts *f = jobs(
		JOBS("WITH RECURSIVE n(k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM n WHERE k < 99) "
		     "SELECT k AS column1, 30 AS column2, 50 AS column3, 8000 AS column4, 0 AS "
		     "column5, 'met' AS column6 FROM n"),
		10);
	const struct vmrt_task_facts *t = &f->tasks[0];

	(void)state;
	assert_int_equal(t->response.n, 100);
	expect_jitter(&t->release, 0, 0);
	expect_jitter(&t->start, 0, 0);
	expect_jitter(&t->response, 0, 0);
	expect_jitter(&t->completion, 0, 0);
	expect_jitter(&t->activation, 0, 0);
	assert_int_equal(t->response.min, 8 * MS);
	assert_int_equal(t->window_met, 10);
	assert_int_equal(t->windows, 91);
	vmrt_facts_free(f);
}

static void jitter_is_of_successive_jobs_only(void **state)
{
	/* ends 21 and 18 ms apart, starts 20.1 and 19.9 ms; job 3 is not there */
	struct vmrt_run_facts *f =
		jobs(JOBS("VALUES (0, 10, 50, 8000, 0, 'met'), (1, 10, 150, 9000, 0, 'met'),"
			  "(2, 40, 50, 7000, 0, 'met'), (4, 10, 50, 17000, 0, 'met')"),
			10);
	const struct vmrt_task_facts *t = &f->tasks[0];

	(void)state;
	expect_jitter(&t->release, 30 * US, 30 * US);
	expect_jitter(&t->start, 100 * US, 100 * US);
	expect_jitter(&t->response, 10 * MS, 2 * MS);
	expect_jitter(&t->completion, 3 * MS, 3 * MS);
	expect_jitter(&t->activation, 200 * US, 200 * US);
	assert_int_equal(t->windows, 0);
	assert_int_equal(t->window_met, VMRT_UNKNOWN);
	vmrt_facts_free(f);
}

static void fewest_met_in_a_row_counts_skipped_releases_as_missed(void **state)
{
	/* windows of 3: 012, 123; 567, 678; then job 9 is skipped: 789, 8 9 10 */
	static const char rows[] = JOBS(
		"VALUES (0, 0, 0, 1, 0, 'met'), (1, 0, 0, 1, 0, 'met'), (2, 0, 0, 1, 0, 'missed'),"
		"(3, 0, 0, 1, 0, 'met'), (4, 0, 0, 1, 0, 'unknown'), (5, 0, 0, 1, 0, 'met'), (6, "
		"0, 0, 1, 0, 'met'),"
		"(7, 0, 0, 1, 0, 'met'), (8, 0, 0, 1, 0, 'missed'), (10, 0, 0, 1, 1, 'met')");
	struct vmrt_run_facts *f = jobs(rows, 3);

	(void)state;
	assert_int_equal(f->tasks[0].windows, 6);
	assert_int_equal(f->tasks[0].window_met, 1);
	assert_int_equal(f->tasks[0].window_met_k, 7);
	vmrt_facts_free(f);
	f = jobs(rows, 1);
	assert_int_equal(f->tasks[0].windows, 10); /* all but job 4 */
	assert_int_equal(f->tasks[0].window_met, 0);
	assert_int_equal(f->tasks[0].window_met_k, 2);
	vmrt_facts_free(f);
	/* more are skipped than there are in a window */
	f = jobs(JOBS("VALUES (0, 0, 0, 1, 0, 'met'), (2000000, 0, 0, 1, 1999999, 'met')"), 4);
	assert_int_equal(f->tasks[0].window_met, 0);
	vmrt_facts_free(f);
	/* a job that is not there, though nothing was skipped, is not known */
	f = jobs(JOBS("VALUES (0, 0, 0, 1, 0, 'met'), (2, 0, 0, 1, 0, 'met'), (3, 0, 0, 1, 0, "
		      "'met')"),
		2);
	assert_int_equal(f->tasks[0].windows, 1);
	assert_int_equal(f->tasks[0].window_met, 2);
	vmrt_facts_free(f);
}

static void worst_jobs_are_those_that_missed_by_most(void **state)
{
	struct vmrt_filter filter = VMRT_FILTER_ALL;
	struct vmrt_run_facts *f = load("tests/data/small-hsf.sql", NULL, &filter);
	const struct vmrt_task_facts *t = &f->tasks[0];

	(void)state;
	assert_int_equal(t->n_worst, 3);
	assert_int_equal(t->worst[0].k, 7); /* late by 50 ms when the run ends */
	assert_false(t->worst[0].complete);
	assert_int_equal(t->worst[0].tardiness_ns, 50 * MS);
	assert_int_equal(t->worst[1].k, 3);
	assert_int_equal(t->worst[1].tardiness_ns, 5 * MS);
	assert_string_equal(t->worst[1].cause, "budget");
	assert_int_equal(t->worst[2].k, 4);
	assert_true(t->worst[2].excused);
	assert_string_equal(
		t->worst[2].parts, "exec 8.000, budget 5.000, release 5.000, overrun 4.000");
	vmrt_facts_free(f);
	/* where none missed, those that took longest */
	filter.worst = 2;
	f = load("tests/data/small-hsf.sql", "DELETE FROM job WHERE outcome <> 'met'", &filter);
	assert_int_equal(f->tasks[0].n_worst, 2);
	assert_int_equal(f->tasks[0].worst[0].k, 2);
	assert_int_equal(f->tasks[0].worst[0].response_ns, 12 * MS);
	assert_int_equal(f->tasks[0].worst[1].k, 1);
	vmrt_facts_free(f);
}

/* Job 3 arrives at 1050 ms; the slices around it are (in ms) 1050.1 to 1092 of the task, and of its
 * vCPU 1044.01 to 1054.5, 1056 to 1066, 1068 to 1077.99. */
static void segments_show_who_ran_from_arrival_to_end(void **state)
{
	static const struct vmrt_segment expected[] = {
		{VMRT_STATE_OTHERS, 0, 100 * US},
		{VMRT_STATE_RUNS, 100 * US, 4500 * US},
		{VMRT_STATE_WAITS, 4500 * US, 6 * MS},
		{VMRT_STATE_RUNS, 6 * MS, 16 * MS},
		{VMRT_STATE_WAITS, 16 * MS, 18 * MS},
		{VMRT_STATE_RUNS, 18 * MS, 25 * MS},
	};
	struct vmrt_run_facts *f = load("tests/data/small-hsf.sql", NULL, NULL);
	const struct vmrt_worst_facts *w = &f->tasks[0].worst[1];
	char strip[64];

	(void)state;
	assert_int_equal(w->n_segments, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < w->n_segments; i++) {
		assert_int_equal(w->segments[i].state, expected[i].state);
		assert_int_equal(w->segments[i].from_ns, expected[i].from_ns);
		assert_int_equal(w->segments[i].to_ns, expected[i].to_ns);
	}
	/* one character for each ms; from 4 to 5 ms it runs for a half, and waits for the other */
	vmrt_worst_strip(w, 25, strip);
	assert_string_equal(strip, "#####-##########--##|#####");
	vmrt_facts_free(f);
}

static void strip_shows_what_took_most_of_each_part(void **state)
{
	struct vmrt_segment segments[] = {{VMRT_STATE_RUNS, 0, 26 * MS},
		{VMRT_STATE_OTHERS, 26 * MS, 44 * MS}, {VMRT_STATE_WAITS, 44 * MS, 100 * MS}};
	struct vmrt_worst_facts w = {.arrival_ns = 7 * MS,
		.end_ns = 107 * MS,
		.deadline_ns = 57 * MS,
		.segments = segments,
		.n_segments = 3};
	char strip[64];

	(void)state;
	vmrt_worst_strip(&w, 10, strip);
	assert_string_equal(strip, "###=-|-----");
	w.deadline_ns = 107 * MS; /* met */
	vmrt_worst_strip(&w, 4, strip);
	assert_string_equal(strip, "#=--");
	w.segments = NULL;
	vmrt_worst_strip(&w, 4, strip);
	assert_string_equal(strip, "");
}

static void causes_name_the_thread_behind_most_of_them(void **state)
{
	struct vmrt_run_facts *f = load("tests/data/small-nohsf.sql", NULL, NULL);
	const struct vmrt_task_facts *t = &f->tasks[0];

	(void)state;
	for (size_t i = 0; i < t->n_causes; i++) {
		bool host = !strcmp(t->causes[i].name, "host_thread");

		assert_string_equal(t->causes[i].by, host ? "stress-ng/900" : "rt_task2/102");
		assert_int_equal(t->causes[i].by_misses, host ? 5 : 2);
	}
	assert_string_equal(t->worst[1].by, "rt_task2/102"); /* job 8 */
	assert_string_equal(t->worst[0].threads,
		"stress-ng/900 12.500, rt_task2/102 2.000, kworker/0:1/901 0.500");
	assert_null(t->worst[1].threads);
	vmrt_facts_free(f);
}

/* The published task set: (8, 20) and (80, 220) ms, on its own CPU and in a server of (12, 10) ms.
 */
static void bounds_are_those_of_the_published_task_set(void **state)
{
	struct vmrt_run_facts *f = load("tests/data/small-hsf.sql", NULL, NULL);

	(void)state;
	assert_int_equal(f->tasks[0].bound_alone_ns, 8 * MS);
	assert_int_equal(f->tasks[1].bound_alone_ns, 136 * MS);
	assert_int_equal(f->tasks[0].bound_server_ns, 12 * MS);
	assert_int_equal(f->tasks[1].bound_server_ns, 194 * MS);
	assert_int_equal(vmrt_task_feasibility(f, &f->tasks[0]), VMRT_FEASIBLE);
	vmrt_facts_free(f);
	f = load("tests/data/small-hsf.sql", "UPDATE task SET deadline_ns = 193000000 WHERE id = 2",
		NULL);
	assert_int_equal(vmrt_task_feasibility(f, &f->tasks[0]), VMRT_INFEASIBLE);
	vmrt_facts_free(f);
	f = load("tests/data/small-hsf.sql", "UPDATE machine SET cpus = 2 WHERE id = 2", NULL);
	assert_int_equal(f->tasks[0].bound_alone_ns, VMRT_UNKNOWN);
	assert_int_equal(vmrt_task_feasibility(f, &f->tasks[0]), VMRT_FEASIBILITY_UNKNOWN);
	vmrt_facts_free(f);
}

static void histogram_counts_every_value_once(void **state)
{
	struct vmrt_samples s = {0};
	struct vmrt_bin *bins;
	size_t n;

	(void)state;
	assert_int_equal(vmrt_histogram(&s, &bins), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(vmrt_samples_add(&s, (10 + i % 10) * MS), VMRT_OK);
	vmrt_samples_sort(&s);
	n = vmrt_histogram(&s, &bins);
	assert_int_equal(n, 10);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(bins[i].from_ns, (int64_t)(10 + i) * MS);
		assert_int_equal(bins[i].to_ns, (int64_t)(11 + i) * MS);
		assert_int_equal(bins[i].n, 10);
	}
	free(bins);
	vmrt_samples_free(&s);
}

static void few_values_far_out_have_a_bin_of_their_own(void **state)
{
	struct vmrt_samples s = {0};
	struct vmrt_bin *bins;
	int64_t sum = 0;
	size_t n;

	(void)state;
	for (int i = 0; i < 9999; i++)
		assert_int_equal(vmrt_samples_add(&s, 1 * MS + i * 100), VMRT_OK);
	assert_int_equal(vmrt_samples_add(&s, 1000 * MS), VMRT_OK);
	vmrt_samples_sort(&s);
	n = vmrt_histogram(&s, &bins);
	assert_true(n > 10 && n < 30);
	for (size_t i = 0; i < n; i++) {
		sum += bins[i].n;
		assert_true(!i || bins[i].from_ns == bins[i - 1].to_ns);
	}
	assert_int_equal(sum, 10000);
	assert_int_equal(bins[n - 1].n, 1);
	assert_int_equal(bins[n - 1].to_ns, 1000 * MS + 1);
	free(bins);
	vmrt_samples_free(&s);
	/* one value, and as few as there can be */
	assert_int_equal(vmrt_samples_add(&s, 0), VMRT_OK);
	vmrt_samples_sort(&s);
	assert_int_equal(vmrt_histogram(&s, &bins), 1);
	free(bins);
	vmrt_samples_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_at_a_perfect_pace_have_no_jitter),
		cmocka_unit_test(jitter_is_of_successive_jobs_only),
		cmocka_unit_test(fewest_met_in_a_row_counts_skipped_releases_as_missed),
		cmocka_unit_test(worst_jobs_are_those_that_missed_by_most),
		cmocka_unit_test(segments_show_who_ran_from_arrival_to_end),
		cmocka_unit_test(strip_shows_what_took_most_of_each_part),
		cmocka_unit_test(causes_name_the_thread_behind_most_of_them),
		cmocka_unit_test(bounds_are_those_of_the_published_task_set),
		cmocka_unit_test(histogram_counts_every_value_once),
		cmocka_unit_test(few_values_far_out_have_a_bin_of_their_own),
	};

	return cmocka_run_group_tests(tests, testdb_enter, testdb_leave);
}
