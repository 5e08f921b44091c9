/* SPDX-License-Identifier: MIT */
/* Databases of strangers: what is not as vmrt writes it is named and refused. */
#include <ctype.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <sqlite3.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>

#include "metrics/report/report.h"
#include "parser/db/db-local.h"
#include "testdb.h"

/* What loading the whole run says after @change. */
static enum vmrt_status load(const char *change, struct vmrt_error *err)
{
	struct vmrt_run_facts *f = NULL;
	enum vmrt_status status;

	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	if (change)
		assert_int_equal(testdb_change(testdb_path, change), 0);
	status = vmrt_facts_load(testdb_path, NULL, &f, err);
	vmrt_facts_free(f);
	return status;
}

static void expect_refused(const char *change, const char *words)
{
	struct vmrt_error err = {0};

	assert_int_equal(load(change, &err), VMRT_EFORMAT);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in: %s", words, err.text);
}

static void value_of_another_type_is_refused_by_its_column(void **state)
{
	(void)state;
	expect_refused("UPDATE job SET response_ns = 'long'", "job.response_ns holds text");
	expect_refused("UPDATE job SET k = k + 0.5", "job.k holds a fraction");
	expect_refused("UPDATE task SET name = x'00' WHERE id = 1", "task.name holds bytes");
	expect_refused("UPDATE machine SET events = 'many'", "machine.events holds text");
}

static void number_out_of_its_columns_range_is_refused(void **state)
{
	(void)state;
	expect_refused("UPDATE job SET response_ns = 9223372036854775807 WHERE k = 3",
		"job.response_ns holds a number out of range");
	expect_refused("UPDATE job SET excused = 2", "job.excused holds a number out of range");
	expect_refused("UPDATE run SET end_ns = -9223372036854775807", "run.end_ns");
	expect_refused("UPDATE server_period SET consumed_ns = 2305843009213693952 WHERE k = 2",
		"server_period.consumed_ns");
	expect_refused("UPDATE machine SET cpus = -1", "machine.cpus");
}

static void extremes_of_the_range_make_a_report(void **state)
{
	static const char *const changes[] = {
		"UPDATE job SET response_ns = 2305843009213693951 WHERE k % 2;"
		"UPDATE job SET response_ns = -2305843009213693951 WHERE k % 3 = 0",
		"UPDATE job SET arrival_ns = -2305843009213693951, end_ns = 2305843009213693951,"
		" arrival_local_ns = 2305843009213693951, end_local_ns = -2305843009213693951",
		"UPDATE job SET skipped = 2305843009213693951",
		"UPDATE job SET k = k + 2305843009213693000 WHERE k < 900",
		"UPDATE task SET period_ns = 2305843009213693951, wcet_ns = 2305843009213693951,"
		" deadline_ns = 1",
		"UPDATE task SET period_ns = 1, wcet_ns = 999999999999",
		"UPDATE server SET period_ns = 2305843009213693951, budget_ns = 1",
		"UPDATE server_period SET start_ns = -2305843009213693951, first_ns = "
		"2305843009213693951, wanted_ns = -2305843009213693951, blackout_ns = "
		"2305843009213693951",
		"UPDATE run SET start_ns = -2305843009213693951, end_ns = 2305843009213693951",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct vmrt_error err = {0};

		if (load(changes[i], &err) != VMRT_OK)
			fail_msg("%s: %s", changes[i], err.text);
	}
}

static void histogram_of_extremes_stays_within_its_bins(void **state)
{
	int64_t values[] = {-VMRT_DB_MOST, -VMRT_DB_MOST, -1, 0, 1, VMRT_DB_MOST, VMRT_DB_MOST};
	struct vmrt_samples s = {values, sizeof(values) / sizeof(values[0]), 0, true};
	struct vmrt_bin *bins;
	int64_t sum = 0;
	size_t n = vmrt_histogram(&s, &bins);

	(void)state;
	assert_in_range(n, 1, 30);
	for (size_t i = 0; i < n; i++) {
		assert_true(bins[i].from_ns < bins[i].to_ns);
		sum += bins[i].n;
	}
	assert_int_equal(sum, s.n);
	free(bins);
}

static void nothing_where_a_name_must_be_is_refused(void **state)
{
	(void)state;
	expect_refused("PRAGMA writable_schema = 1; UPDATE sqlite_schema SET sql = replace(sql,"
		       " 'machine_name TEXT NOT NULL', 'machine_name TEXT') WHERE name = 'task'",
		"task is not declared as vmrt declares it");
}

static void view_in_the_place_of_a_table_is_refused(void **state)
{
	(void)state;
	expect_refused(
		"DROP TABLE checked; CREATE VIEW checked(server, rule, judged, unknown,"
		" violations, worst_ns, worst_at_ns, tolerance_ns) AS WITH RECURSIVE q(x) AS"
		" (SELECT 1 UNION ALL SELECT x + 1 FROM q) SELECT x, x, x, x, x, x, x, x FROM q",
		"checked is not declared as vmrt declares it");
	expect_refused("DROP VIEW jobs", "jobs is not declared");
	expect_refused("DROP INDEX slice_by_time", "slice_by_time is not declared");
}

static void tables_of_the_user_beside_ours_do_no_harm(void **state)
{
	struct vmrt_error err = {0};

	(void)state;
	assert_int_equal(load("CREATE TABLE notes(text); CREATE VIEW mine AS SELECT * FROM jobs;"
			      "CREATE INDEX job_by_end ON job(end_ns)",
				 &err),
		VMRT_OK);
}

static void symbolic_link_in_a_run_folder_is_not_followed(void **state)
{
	struct vmrt_error err = {0};
	struct vmrt_db *db;
	char other[96];

	(void)state;
	snprintf(other, sizeof(other), "%s/other.db", testdb_folder);
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", other), 0);
	unlink(testdb_path);
	assert_int_equal(symlink("other.db", testdb_path), 0);
	assert_int_equal(vmrt_db_open(testdb_folder, &db, &err), VMRT_EFORMAT);
	assert_non_null(strstr(err.text, "symbolic link"));
	unlink(other);
	unlink(testdb_path);
}

static void reading_makes_no_file_beside_the_database(void **state)
{
	struct vmrt_error err = {0};
	struct vmrt_run_facts *f;
	char beside[96];

	(void)state;
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	assert_int_equal(testdb_change(testdb_path, "PRAGMA journal_mode = WAL"), 0);
	assert_int_equal(vmrt_facts_load(testdb_path, NULL, &f, &err), VMRT_OK);
	snprintf(beside, sizeof(beside), "%s-shm", testdb_path);
	assert_int_not_equal(access(beside, F_OK), 0);
	vmrt_facts_free(f);
}

/* Runs last: the signal stays requested. */
static void signal_ends_a_query(void **state)
{
	struct vmrt_error err = {0};
	struct vmrt_query q;
	struct vmrt_db *db;
	int64_t sum;

	(void)state;
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	assert_int_equal(vmrt_db_open(testdb_path, &db, &err), VMRT_OK);
	vmrt_query_begin(&q, db, &err, "SELECT count(*) FROM job a, job b, job c, job d");
	vmrt_request_stop(SIGINT);
	sum = vmrt_query_next(&q);
	assert_int_equal(sum, 0);
	assert_int_equal(vmrt_query_end(&q), VMRT_EINTR);
	vmrt_db_close(db);
}

static void query_without_end_is_ended(void **state)
{
	struct vmrt_error err = {0};
	struct vmrt_query q;
	struct vmrt_db *db;

	(void)state;
	assert_int_equal(testdb_make("tests/data/small-hsf.sql", testdb_path), 0);
	assert_int_equal(vmrt_db_open(testdb_path, &db, &err), VMRT_OK);
	vmrt_query_begin(&q, db, &err,
		"WITH RECURSIVE q(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM q) SELECT count(*) "
		"FROM q");
	assert_false(vmrt_query_next(&q));
	assert_int_equal(vmrt_query_end(&q), VMRT_EFORMAT);
	assert_non_null(strstr(err.text, "far longer than the size of the file explains"));
	vmrt_db_close(db);
}

/* Does @word stand alone in the @length bytes of @text? */
static bool has_word(const char *text, size_t length, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = 0; i + n <= length; i++)
		if (!strncmp(text + i, word, n) &&
			(!i || !(isalnum((unsigned char)text[i - 1]) || text[i - 1] == '_')) &&
			!(isalnum((unsigned char)text[i + n]) || text[i + n] == '_'))
			return true;
	return false;
}

static void every_column_stands_in_the_page_about_the_database(void **state)
{
	const char *views, *tables;
	char *page = NULL;

	(void)state;
	assert_int_equal(vmrt_read_file("docs/run-db.md", 1 << 20, &page, NULL, NULL), VMRT_OK);
	views = strstr(page, "## Views");
	tables = strstr(page, "## Tables");
	assert_non_null(views);
	assert_non_null(tables);
	for (const struct db_table *t = db_tables; t->name; t++) {
		char head[64];
		const char *part, *end;

		snprintf(head, sizeof(head), "\n**%s**:", t->name);
		part = strstr(tables, head);
		if (!part)
			fail_msg("docs/run-db.md does not explain table %s", t->name);
		end = strstr(part + 1, "\n\n");
		for (const struct vmrt_db_column *c = t->columns; c->name; c++)
			if (strcmp(c->name, "id") != 0 &&
				!has_word(part, (size_t)(end - part), c->name) &&
				!has_word(views, (size_t)(tables - views), c->name))
				fail_msg("docs/run-db.md does not explain %s.%s", t->name, c->name);
	}
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_of_another_type_is_refused_by_its_column),
		cmocka_unit_test(number_out_of_its_columns_range_is_refused),
		cmocka_unit_test(extremes_of_the_range_make_a_report),
		cmocka_unit_test(histogram_of_extremes_stays_within_its_bins),
		cmocka_unit_test(nothing_where_a_name_must_be_is_refused),
		cmocka_unit_test(view_in_the_place_of_a_table_is_refused),
		cmocka_unit_test(tables_of_the_user_beside_ours_do_no_harm),
		cmocka_unit_test(symbolic_link_in_a_run_folder_is_not_followed),
		cmocka_unit_test(reading_makes_no_file_beside_the_database),
		cmocka_unit_test(every_column_stands_in_the_page_about_the_database),
		cmocka_unit_test(query_without_end_is_ended),
		cmocka_unit_test(signal_ends_a_query),
	};

	return cmocka_run_group_tests(tests, testdb_enter, testdb_leave);
}
