/* SPDX-License-Identifier: MIT */
/* The answer of a run's database to a query. */
#include "report.h"

#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include <vmrt/rundb.h>

#define COLUMNS_MAX 100 /* what one table can show */

/* PRAGMAs that only read. */
static bool is_read_only(const char *pragma)
{
	static const char *const names[] = {"table_info", "table_xinfo", "table_list", "index_list",
		"index_info", "foreign_key_list", "user_version", "application_id"};

	for (size_t i = 0; pragma && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(pragma, names[i]))
			return true;
	return false;
}

/* Allows only reading. The database is opened for reading only, but ATTACH could create other
 * files. */
static int allow(
	void *ctx, int action, const char *a, const char *b, const char *db, const char *trigger)
{
	(void)ctx;
	(void)db;
	(void)trigger;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return b && !strcmp(b, "load_extension") ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_PRAGMA:
		return is_read_only(a) && (!b || strcmp(a, "user_version") != 0) ? SQLITE_OK
										 : SQLITE_DENY;
	default:
		return SQLITE_DENY;
	}
}

static void put(struct vmrt_table *t, sqlite3_stmt *stmt, int i)
{
	char *text;
	int n;

	switch (sqlite3_column_type(stmt, i)) {
	case SQLITE_INTEGER:
		vmrt_put_count(t, sqlite3_column_int64(stmt, i));
		break;
	case SQLITE_FLOAT:
		vmrt_put_real(t, sqlite3_column_double(stmt, i));
		break;
	case SQLITE_NULL:
		vmrt_put_unknown(t);
		break;
	case SQLITE_TEXT:
		vmrt_put_text(t, (const char *)sqlite3_column_text(stmt, i));
		break;
	default:
		n = sqlite3_column_bytes(stmt, i);
		if (asprintf(&text, "%d bytes", n) < 0)
			text = NULL;
		vmrt_put_text(t, text);
		free(text);
	}
}

static enum vmrt_status prepare(
	sqlite3 *db, const char *sql, sqlite3_stmt **out, struct vmrt_error *err)
{
	const char *rest = "";
	int rc = sqlite3_prepare_v2(db, sql, -1, out, &rest);

	if (rc == SQLITE_AUTH)
		return vmrt_fail(err, VMRT_EINVAL,
			"--sql: a query may only read the run's tables: %s", sqlite3_errmsg(db));
	if (rc != SQLITE_OK)
		return vmrt_fail(err, VMRT_EINVAL,
			"--sql: %s (docs/run-db.md describes the tables)", sqlite3_errmsg(db));
	if (!*out || rest[strspn(rest, " \t\r\n;")])
		return vmrt_fail(err, VMRT_EINVAL, "--sql: one query is expected, not %s",
			*out ? "several statements" : "none");
	if (!sqlite3_stmt_readonly(*out) || !sqlite3_column_count(*out))
		return vmrt_fail(err, VMRT_EINVAL, "--sql: a query may only read the run's tables");
	if (sqlite3_column_count(*out) > COLUMNS_MAX)
		return vmrt_fail(err, VMRT_ERANGE,
			"--sql: %d columns are more than the %d that a table can have",
			sqlite3_column_count(*out), COLUMNS_MAX);
	return VMRT_OK;
}

enum vmrt_status report_sql(struct vmrt_doc *doc, const char *section, const char *run,
	const char *sql, struct vmrt_error *err)
{
	const char *keys[COLUMNS_MAX];
	sqlite3_stmt *stmt = NULL;
	struct vmrt_table *t;
	struct vmrt_db *run_db = NULL;
	enum vmrt_status status = vmrt_db_open(run, &run_db, err);
	int n, rc = SQLITE_DONE;
	sqlite3 *db;

	if (status != VMRT_OK)
		return status;
	db = vmrt_db_handle(run_db);
	sqlite3_set_authorizer(db, allow, NULL);
	status = prepare(db, sql, &stmt, err);
	if (status != VMRT_OK)
		goto out;
	n = sqlite3_column_count(stmt);
	for (int i = 0; i < n; i++)
		keys[i] = sqlite3_column_name(stmt, i);
	vmrt_doc_section(doc, section);
	t = vmrt_doc_table_named(doc, "query", keys, (size_t)n);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		for (int i = 0; i < n; i++)
			put(t, stmt, i);
	vmrt_table_settle(t);
	if (rc == SQLITE_INTERRUPT)
		status = vmrt_fail(err, VMRT_EINTR, "--sql: interrupted");
	else if (rc != SQLITE_DONE)
		status = vmrt_fail(err, VMRT_EDB, "--sql: %s: %s", run, sqlite3_errmsg(db));
out:
	sqlite3_finalize(stmt);
	vmrt_db_close(run_db);
	return status;
}
