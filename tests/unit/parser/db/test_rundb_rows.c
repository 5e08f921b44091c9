/* SPDX-License-Identifier: MIT */
/* Rows of run.db that are written many at a time: each is there once, with its own values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sqlite3.h>

#include "parser/db/rundb.h"
#include "testdb.h"

static void expect(const char *sql, int64_t value)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open_v2(testdb_path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	if (sqlite3_column_int64(stmt, 0) != value)
		fail_msg("%s: %lld, not %lld", sql, (long long)sqlite3_column_int64(stmt, 0),
			(long long)value);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

/* @n jobs with two parts and one thread that is blamed, and as many slices. */
static void write_rows(int64_t n)
{
	struct vmrt_sink sink;
	struct rundb *db;

	assert_int_equal(rundb_create(testdb_path, NULL, NULL, &db, NULL), VMRT_OK);
	rundb_sink(db, &sink);
	for (int64_t k = 0; k < n; k++) {
		struct vmrt_job job = {.k = k, .response_ns = 1000 + k, .cause = -1};
		struct vmrt_slice slice = {.start_ns = 7 * k, .end_ns = 7 * k + 1};

		snprintf(job.woken_by, sizeof(job.woken_by), "w%d", (int)k);
		job.blame_ns[0] = k + 1;
		job.blame_ns[1] = 2 * k + 1;
		job.blamed[0] = (struct vmrt_blamed){.ns = 3 * k + 1};
		job.n_blamed = 1;
		sink.job(sink.ctx, &job);
		sink.slice(sink.ctx, &slice);
	}
	assert_int_equal(rundb_finish(db, NULL), VMRT_OK);
}

static void any_number_of_rows_is_written(void **state)
{
	static const int64_t numbers[] = {0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 200};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		int64_t n = numbers[i], sum = n * (n - 1) / 2;

		write_rows(n);
		expect("SELECT count(*) FROM job", n);
		expect("SELECT count(*) FROM job WHERE response_ns = 1000 + k AND woken_by = 'w' "
		       "|| k AND cause IS NULL",
			n);
		expect("SELECT coalesce(sum(k), 0) FROM job", sum);
		expect("SELECT count(*) FROM blame", 2 * n);
		expect("SELECT coalesce(sum(ns), 0) FROM blame", 3 * sum + 2 * n);
		expect("SELECT count(*) FROM blame_thread", n);
		expect("SELECT coalesce(sum(ns), 0) FROM blame_thread", 3 * sum + n);
		expect("SELECT count(*) FROM slice", n);
		expect("SELECT count(*) FROM slice WHERE start_ns = 7 * (rowid - 1) AND end_ns = "
		       "start_ns + 1",
			n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_number_of_rows_is_written),
	};

	return cmocka_run_group_tests(tests, testdb_enter, testdb_leave);
}
