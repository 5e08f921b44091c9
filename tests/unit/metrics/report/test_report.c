/* SPDX-License-Identifier: MIT */
/* The facts of tests/data/small-*.sql, all worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "near.h"

#include <sqlite3.h>

#include <vmrt/rundb.h>

#include "metrics/report/report.h"
#include "testdb.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US

static struct vmrt_run_facts *facts_of(const char *rows, const char *change)
{
	struct vmrt_run_facts *f = testdb_facts(rows, change, NULL);

	assert_non_null(f);
	return f;
}

static struct vmrt_run_facts *hsf(void)
{
	return facts_of("tests/data/small-hsf.sql", NULL);
}

static void jobs_are_counted_by_outcome(void **state)
{
	struct vmrt_run_facts *f = hsf();
	const struct vmrt_task_facts *t = &f->tasks[0];

	(void)state;
	assert_string_equal(t->label, "demo/rt_task1");
	assert_int_equal(t->jobs, 9);
	assert_int_equal(t->met, 3);
	assert_int_equal(t->missed_late, 2);
	assert_int_equal(t->missed_incomplete, 1);
	assert_int_equal(t->unknown, 1);
	assert_int_equal(t->truncated, 2);
	assert_int_equal(t->skipped, 1);
	assert_int_equal(t->inferred, 1);
	assert_int_equal(t->met + vmrt_task_missed(t) + t->unknown + t->truncated, t->jobs);
	vmrt_facts_free(f);
}

static void miss_ratio_is_of_the_jobs_with_known_outcome(void **state)
{
	struct vmrt_run_facts *f = hsf();
	const struct vmrt_task_facts *t = &f->tasks[0];

	(void)state;
	assert_int_equal(vmrt_task_known(t), 6);
	assert_near(vmrt_task_miss_ratio(t), 0.5, 1e-12);
	assert_int_equal(t->excused, 2);
	assert_near(vmrt_task_not_excused_ratio(t), 1.0 / 6, 1e-12);
	assert_int_equal(t->longest_run, 2);
	assert_int_equal(t->longest_run_k, 3);
	vmrt_facts_free(f);
}

static void response_times_are_those_of_complete_jobs(void **state)
{
	struct vmrt_run_facts *f = hsf();
	const struct vmrt_task_facts *t = &f->tasks[0];

	(void)state;
	assert_int_equal(t->response.n, 5);
	assert_int_equal(t->response.min, 9 * MS);
	assert_int_equal(t->response.min_k, 6);
	assert_int_equal(t->response_p50, 12 * MS);
	assert_int_equal(t->response_p99, 25 * MS);
	assert_int_equal(t->response.max, 25 * MS);
	assert_int_equal(t->response.max_k, 3);
	assert_int_equal(vmrt_series_mean(&t->response), 15600 * US);
	assert_int_equal(vmrt_series_jitter(&t->response), 16 * MS);
	assert_int_equal(t->response.relative, 13 * MS);
	assert_int_equal(t->tardiness.max, 5 * MS);
	vmrt_facts_free(f);
}

static void release_jitter_is_the_spread_of_the_timers_lateness(void **state)
{
	struct vmrt_run_facts *f = hsf();

	(void)state;
	assert_int_equal(vmrt_series_jitter(&f->tasks[0].release), 40 * US);
	assert_int_equal(f->tasks[0].release.max, 50 * US);
	assert_int_equal(f->tasks[0].release.relative, 38 * US);
	vmrt_facts_free(f);
}

static void task_without_jobs_has_no_figures(void **state)
{
	struct vmrt_run_facts *f = hsf();
	const struct vmrt_task_facts *t = &f->tasks[1];

	(void)state;
	assert_int_equal(t->jobs, 0);
	assert_true(isnan(vmrt_task_miss_ratio(t)));
	assert_true(t->response_p99 == VMRT_UNKNOWN);
	assert_true(vmrt_series_jitter(&t->response) == VMRT_UNKNOWN);
	vmrt_facts_free(f);
}

static void causes_add_up_to_the_misses(void **state)
{
	struct vmrt_run_facts *f = hsf();
	const struct vmrt_task_facts *t = &f->tasks[0];
	int64_t misses = 0, excused = 0;

	(void)state;
	assert_int_equal(t->n_causes, 3);
	for (size_t i = 0; i < t->n_causes; i++) {
		misses += t->causes[i].misses;
		excused += t->causes[i].excused;
	}
	assert_int_equal(misses, vmrt_task_missed(t));
	assert_int_equal(excused, t->excused);
	vmrt_facts_free(f);
}

static void miss_without_a_cause_is_counted_as_unknown(void **state)
{
	struct vmrt_run_facts *f =
		facts_of("tests/data/small-hsf.sql", "UPDATE job SET cause = NULL WHERE k = 3");

	(void)state;
	assert_int_equal(f->tasks[0].n_causes, 3);
	assert_string_equal(f->tasks[0].causes[0].name, "unknown");
	assert_int_equal(f->tasks[0].causes[0].misses, 1);
	vmrt_facts_free(f);
}

static void server_consumption_is_of_the_judged_periods(void **state)
{
	struct vmrt_run_facts *f = hsf();
	const struct vmrt_server_facts *s = &f->servers[0];

	(void)state;
	assert_int_equal(s->periods, 7);
	assert_int_equal(s->judged, 5);
	assert_int_equal(s->depleted, 3);
	assert_int_equal(s->served, 2);
	assert_int_equal(s->unknown, 1);
	assert_int_equal(s->truncated, 1);
	/* (10.1 + 6 + 10.02 + 10.5 + 9.99) / 50 */
	assert_near(s->consumed_ratio, 0.9322, 1e-9);
	assert_near(s->background_ratio, 0.01, 1e-9);
	vmrt_facts_free(f);
}

static void overshoot_leaves_out_periods_with_steal_or_loss(void **state)
{
	struct vmrt_run_facts *f = hsf();
	const struct vmrt_server_facts *s = &f->servers[0];

	(void)state;
	assert_int_equal(s->steal_periods, 1);
	assert_int_equal(s->used_up, 2);
	assert_int_equal(s->over_p50, 20 * US);
	assert_int_equal(s->over_p99, 100 * US);
	assert_int_equal(s->over_max, 100 * US);
	assert_int_equal(s->over_max_k, 0);
	vmrt_facts_free(f);
}

static void period_beyond_its_budget_that_was_not_depleted_is_an_overshoot(void **state)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-hsf.sql",
		"UPDATE server_period SET consumed_ns = 11000000 WHERE k = 1");

	(void)state;
	assert_int_equal(f->servers[0].used_up, 3);
	assert_int_equal(f->servers[0].over_max, 1 * MS);
	assert_int_equal(f->servers[0].over_max_k, 1);
	vmrt_facts_free(f);
}

static void expect_blackout(const char *change, int64_t blackout_ns)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-hsf.sql", change);

	assert_int_equal(f->servers[0].blackout_max, blackout_ns);
	vmrt_facts_free(f);
}

static void blackout_is_not_taken_where_events_are_missing(void **state)
{
	struct vmrt_run_facts *f = hsf();

	(void)state;
	/* 1.99 ms in all, but in the period in which it ends the host did not run for a while */
	assert_int_equal(f->servers[0].blackout_at, 1042020 * US);
	assert_int_equal(f->servers[0].blackout_max, 1980 * US);
	vmrt_facts_free(f);
	expect_blackout("UPDATE server_period SET outcome = 'depleted' WHERE k = 4", 2000 * US);
	expect_blackout("UPDATE server_period SET steal_ns = 0", 1990 * US);
	/* it began where it is not known what went on */
	expect_blackout("UPDATE server_period SET steal_ns = k = 2", 900 * US);
	expect_blackout("UPDATE server_period SET blackout_ns = 0, blackout_at_ns = NULL", 0);
	expect_blackout("UPDATE server_period SET outcome = 'unknown'", VMRT_UNKNOWN);
}

static void supply_is_late_by_the_time_since_it_was_wanted(void **state)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-hsf.sql",
		"UPDATE server_period SET steal_ns = 0; UPDATE server_period SET first_ns = "
		"start_ns + 70000,"
		"wanted_ns = start_ns + 20000 WHERE k = 5");

	(void)state;
	/* period 3: replenished 10 us late; period 5: idle at its begin, then it waits for 50 us */
	assert_int_equal(f->servers[0].latency_max, 50 * US);
	assert_int_equal(f->servers[0].latency_max_k, 5);
	assert_int_equal(f->servers[0].latency_p50, 0);
	assert_int_equal(f->servers[0].supply_jitter, 10 * US);
	vmrt_facts_free(f);
}

static void share_received_is_all_run_time_of_the_judged_periods(void **state)
{
	struct vmrt_run_facts *f = hsf();

	(void)state;
	/* (10.1 + 6 + 10.02 + 10.5 + 9.99) + 0.5 ms of 60 ms */
	assert_true(fabs(f->servers[0].received_ratio - 47.11 / 60) < 1e-12);
	vmrt_facts_free(f);
}

static void figures_are_of_the_part_that_is_wanted(void **state)
{
	struct vmrt_filter filter = VMRT_FILTER_ALL;
	struct vmrt_run_facts *f;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	filter.from_ns = 20 * MS;
	filter.to_ns = 68 * MS;
	assert_int_equal(vmrt_facts_load(testdb_folder, &filter, &f, &err), VMRT_OK);
	assert_int_equal(f->servers[0].periods, 4); /* 1020 to 1068 ms */
	assert_int_equal(f->tasks[0].jobs, 2);	    /* that arrive at 1030 and 1050 ms */
	assert_int_equal(f->servers[0].n_curve, 0);
	assert_int_equal(f->machines[1].losses, 0);
	assert_false(vmrt_facts_loss(f));
	vmrt_facts_free(f);
	filter = VMRT_FILTER_ALL;
	filter.skip_first = 5;
	assert_int_equal(vmrt_facts_load(testdb_folder, &filter, &f, &err), VMRT_OK);
	assert_int_equal(f->servers[0].periods, 2);
	assert_int_equal(f->tasks[0].jobs, 4);
	vmrt_facts_free(f);
}

static void loss_and_clock_of_each_machine(void **state)
{
	struct vmrt_run_facts *f = hsf();

	(void)state;
	assert_int_equal(f->n_machines, 2);
	assert_string_equal(f->machines[0].name, "host");
	assert_int_equal(f->machines[0].steal_ns, 400 * US);
	assert_int_equal(f->machines[0].losses, 0);
	assert_int_equal(f->machines[1].losses, 1);
	assert_int_equal(f->machines[1].lost, 7);
	assert_int_equal(f->machines[1].clock_error_ns, 120 * US);
	assert_int_equal(f->machines[1].clock_segments, 2);
	assert_string_equal(f->machines[1].clock_source, "causality and pings");
	assert_true(vmrt_facts_loss(f));
	vmrt_facts_free(f);
}

static void clock_error_is_unknown_if_that_of_one_segment_is(void **state)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-hsf.sql",
		"UPDATE clock SET error_ns = NULL WHERE offset_ns < -500000000");

	(void)state;
	assert_true(f->machines[1].clock_error_ns == VMRT_UNKNOWN);
	vmrt_facts_free(f);
}

static void broken_chains_that_touch_no_job_are_no_loss(void **state)
{
	struct vmrt_run_facts *f = facts_of("tests/data/small-hsf.sql",
		"UPDATE machine SET lost = 0; DELETE FROM loss WHERE kind = 'overrun';"
		"DELETE FROM job WHERE outcome = 'unknown'");

	(void)state;
	assert_false(vmrt_facts_loss(f));
	vmrt_facts_free(f);
	f = facts_of("tests/data/small-hsf.sql",
		"UPDATE machine SET lost = 0; DELETE FROM loss WHERE kind = 'overrun'");
	assert_true(vmrt_facts_loss(f));
	vmrt_facts_free(f);
}

static void tasks_are_selected_by_either_name(void **state)
{
	static const char *const names[] = {"rt_task2", "demo/rt_task1", "rt_task3"};
	struct vmrt_filter filter = VMRT_FILTER_ALL;
	struct vmrt_run_facts *f = NULL;
	struct vmrt_error err;

	(void)state;
	filter.tasks = names;
	filter.n_tasks = 1;
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	assert_int_equal(vmrt_facts_load(testdb_path, &filter, &f, &err), VMRT_OK);
	assert_false(f->tasks[0].selected);
	assert_true(f->tasks[1].selected);
	vmrt_facts_free(f);
	filter.n_tasks = 3;
	assert_int_equal(vmrt_facts_load(testdb_path, &filter, &f, &err), VMRT_ENOENT);
	assert_non_null(
		strstr(err.text, "no task 'rt_task3'; it has: demo/rt_task1, demo/rt_task2"));
	assert_null(f);
}

static void expect_open(
	const char *change, const char *run, enum vmrt_status status, const char *words)
{
	struct vmrt_error err = {0};
	struct vmrt_db *db;

	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	if (change)
		assert_int_equal(testdb_change(testdb_path, change), 0);
	assert_int_equal(vmrt_db_open(run, &db, &err), status);
	if (words && !strstr(err.text, words))
		fail_msg("'%s' is not in: %s", words, err.text);
	assert_true((db != NULL) == (status == VMRT_OK));
	vmrt_db_close(db);
}

static void only_databases_of_this_version_are_opened(void **state)
{
	(void)state;
	expect_open(NULL, testdb_folder, VMRT_OK, NULL);
	expect_open(NULL, testdb_path, VMRT_OK, NULL);
	expect_open("PRAGMA user_version=0", testdb_folder, VMRT_EUNSUPPORTED, "an older vmrt");
	expect_open("PRAGMA user_version=999", testdb_folder, VMRT_EUNSUPPORTED, "a newer vmrt");
	expect_open("PRAGMA application_id=1", testdb_folder, VMRT_EFORMAT,
		"a database, but not one that vmrt made");
	expect_open(NULL, "/tmp/there/is/no/such/run", VMRT_ENOENT, "there is no run");
	expect_open(NULL, "/proc", VMRT_ENOENT, "/proc is a folder, but no run");
	expect_open(NULL, "tests/data/small-hsf.sql", VMRT_EFORMAT, "is not a run or its database");
	expect_open(NULL, "/dev/null", VMRT_EFORMAT, "not a regular file");
}

static void database_is_opened_for_reading_only(void **state)
{
	struct vmrt_error err;
	struct vmrt_db *db;

	(void)state;
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	assert_int_equal(vmrt_db_open(testdb_path, &db, &err), VMRT_OK);
	assert_int_equal(sqlite3_exec(vmrt_db_handle(db), "DELETE FROM job", NULL, NULL, NULL),
		SQLITE_READONLY);
	vmrt_db_close(db);
}

static void database_without_its_tables_is_refused(void **state)
{
	struct vmrt_run_facts *f;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	assert_int_equal(testdb_change(testdb_path, "DROP TABLE server_period"), 0);
	assert_int_equal(vmrt_facts_load(testdb_path, NULL, &f, &err), VMRT_EFORMAT);
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	assert_int_equal(testdb_change(testdb_path, "DELETE FROM run"), 0);
	assert_int_equal(vmrt_facts_load(testdb_path, NULL, &f, &err), VMRT_EFORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_are_counted_by_outcome),
		cmocka_unit_test(miss_ratio_is_of_the_jobs_with_known_outcome),
		cmocka_unit_test(response_times_are_those_of_complete_jobs),
		cmocka_unit_test(release_jitter_is_the_spread_of_the_timers_lateness),
		cmocka_unit_test(task_without_jobs_has_no_figures),
		cmocka_unit_test(causes_add_up_to_the_misses),
		cmocka_unit_test(miss_without_a_cause_is_counted_as_unknown),
		cmocka_unit_test(server_consumption_is_of_the_judged_periods),
		cmocka_unit_test(overshoot_leaves_out_periods_with_steal_or_loss),
		cmocka_unit_test(period_beyond_its_budget_that_was_not_depleted_is_an_overshoot),
		cmocka_unit_test(blackout_is_not_taken_where_events_are_missing),
		cmocka_unit_test(supply_is_late_by_the_time_since_it_was_wanted),
		cmocka_unit_test(share_received_is_all_run_time_of_the_judged_periods),
		cmocka_unit_test(figures_are_of_the_part_that_is_wanted),
		cmocka_unit_test(loss_and_clock_of_each_machine),
		cmocka_unit_test(clock_error_is_unknown_if_that_of_one_segment_is),
		cmocka_unit_test(broken_chains_that_touch_no_job_are_no_loss),
		cmocka_unit_test(tasks_are_selected_by_either_name),
		cmocka_unit_test(only_databases_of_this_version_are_opened),
		cmocka_unit_test(database_is_opened_for_reading_only),
		cmocka_unit_test(database_without_its_tables_is_refused),
	};

	return cmocka_run_group_tests(tests, testdb_enter, testdb_leave);
}
