/* SPDX-License-Identifier: MIT */
/* Queries of run.db: each value is checked against the list of columns before a caller sees it. */
#include <vmrt/rundb.h>

#include <stdlib.h>
#include <string.h>

#include <vmrt/progress.h>

#include <sqlite3.h>

#include "db-local.h"

#define CHECK_EVERY_ROWS 1024
#define ROWS_MOST ((int64_t)UINT32_MAX - 1) /* the highest number of a row */

/* The least and the largest value of each kind of column, see columns.h. */
#define RANGE_id 0, ROWS_MOST
#define RANGE_index 0, ROWS_MOST
#define RANGE_number -VMRT_DB_MOST, VMRT_DB_MOST
#define RANGE_time -VMRT_DB_MOST, VMRT_DB_MOST
#define RANGE_count 0, VMRT_DB_MOST
#define RANGE_optional 0, VMRT_DB_MOST
#define RANGE_positive 1, VMRT_DB_MOST
#define RANGE_flag 0, 1
#define RANGE_text 0, 0
#define RANGE_words 0, 0

#define COLUMN(column, kind, rest, value) {#column, rest, RANGE_##kind},
#define TABLE(id, table, tail)                                                                     \
	static const struct vmrt_db_column columns_of_##table[] = {                                \
		RUNDB_##id(COLUMN, COLUMN){NULL, NULL, 0, 0}};
RUNDB_TABLE_LIST(TABLE)
#undef TABLE

const struct db_table db_tables[] = {
#define TABLE(id, table, tail) {#table, columns_of_##table},
	RUNDB_TABLE_LIST(TABLE)
#undef TABLE
		{NULL, NULL}};

/* The declared types that an expression may have. */
static const struct vmrt_db_column expression = {"", "", -VMRT_DB_MOST, VMRT_DB_MOST};

static const struct vmrt_db_column *find_column(sqlite3_stmt *stmt, int i)
{
	const char *table = sqlite3_column_table_name(stmt, i);
	const char *column = sqlite3_column_origin_name(stmt, i);

	for (const struct db_table *t = db_tables; table && column && t->name; t++)
		for (const struct vmrt_db_column *c = t->columns; c->name; c++)
			if (!strcmp(t->name, table) && !strcmp(c->name, column))
				return c;
	return &expression;
}

static bool is_needed(const struct vmrt_db_column *c)
{
	return strstr(c->rest, "NOT NULL") || strstr(c->rest, "PRIMARY KEY");
}

static void fail_query(struct vmrt_query *q)
{
	if (q->status == VMRT_OK)
		q->status = db_failed(q->db, q->err);
}

void vmrt_query_begin(
	struct vmrt_query *q, struct vmrt_db *db, struct vmrt_error *err, const char *sql)
{
	*q = (struct vmrt_query){.db = db, .err = err, .status = VMRT_OK};
	db->steps = 0;
	if (sqlite3_prepare_v2(db->db, sql, -1, &q->stmt, NULL) != SQLITE_OK) {
		fail_query(q);
		return;
	}
	if (sqlite3_column_count(q->stmt) > VMRT_QUERY_COLUMNS) {
		q->status = vmrt_fail(
			err, VMRT_ERANGE, "a query has more than %d columns", VMRT_QUERY_COLUMNS);
		return;
	}
	for (int i = 0; i < sqlite3_column_count(q->stmt); i++)
		q->columns[i] = find_column(q->stmt, i);
}

void vmrt_query_bind(struct vmrt_query *q, int i, int64_t value)
{
	if (q->status == VMRT_OK)
		sqlite3_bind_int64(q->stmt, i, value);
}

void vmrt_query_bind_text(struct vmrt_query *q, int i, const char *text)
{
	if (q->status == VMRT_OK && sqlite3_bind_text(q->stmt, i, text, -1, SQLITE_STATIC))
		fail_query(q);
}

bool vmrt_query_next(struct vmrt_query *q)
{
	int rc;

	if (q->status != VMRT_OK)
		return false;
	rc = sqlite3_step(q->stmt);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		fail_query(q);
	if (!(++q->db->rows % CHECK_EVERY_ROWS))
		vmrt_progress_count("rows read", q->db->rows);
	return rc == SQLITE_ROW;
}

/* Column @i does not hold what vmrt would have written. */
static void reject(struct vmrt_query *q, int i)
{
	static const char *const words[] = {[SQLITE_INTEGER] = "a number out of range",
		[SQLITE_FLOAT] = "a fraction",
		[SQLITE_TEXT] = "text",
		[SQLITE_BLOB] = "bytes",
		[SQLITE_NULL] = "nothing"};
	const char *table = sqlite3_column_table_name(q->stmt, i);

	if (q->status == VMRT_OK)
		q->status = vmrt_fail(q->err, VMRT_EFORMAT,
			"%s: %s%s%s holds %s: the file is damaged, or vmrt did not make it; run "
			"`vmrt-trace analyze` to make it again",
			q->db->path, table ? table : "", table ? "." : "",
			table ? sqlite3_column_origin_name(q->stmt, i)
			      : sqlite3_column_name(q->stmt, i),
			words[sqlite3_column_type(q->stmt, i)]);
}

int64_t vmrt_query_int(struct vmrt_query *q, int i)
{
	const struct vmrt_db_column *c = q->columns[i];
	int type = sqlite3_column_type(q->stmt, i);

	if (type == SQLITE_INTEGER) {
		int64_t value = sqlite3_column_int64(q->stmt, i);

		if (value >= c->least && value <= c->most)
			return value;
	} else if (type == SQLITE_NULL && !is_needed(c)) {
		return VMRT_UNKNOWN;
	}
	reject(q, i);
	return 0;
}

const char *vmrt_query_string(struct vmrt_query *q, int i)
{
	int type = sqlite3_column_type(q->stmt, i);
	const char *text = NULL;

	if (type == SQLITE_TEXT) {
		text = (const char *)sqlite3_column_text(q->stmt, i);
		if (!text)
			vmrt_query_no_memory(q);
	} else if (type != SQLITE_NULL || is_needed(q->columns[i])) {
		reject(q, i);
	}
	return text;
}

char *vmrt_query_text(struct vmrt_query *q, int i)
{
	const char *text = vmrt_query_string(q, i);
	char *copy = text ? strdup(text) : NULL;

	if (text && !copy)
		vmrt_query_no_memory(q);
	return copy;
}

char *vmrt_query_name(struct vmrt_query *q, int i)
{
	char *copy = vmrt_query_text(q, i);

	if (!copy)
		reject(q, i);
	return copy;
}

int vmrt_query_width(const struct vmrt_query *q)
{
	return q->status == VMRT_OK ? sqlite3_column_count(q->stmt) : 0;
}

const char *vmrt_query_key(const struct vmrt_query *q, int i)
{
	return sqlite3_column_name(q->stmt, i);
}

const char *vmrt_query_printed(struct vmrt_query *q, int i)
{
	const struct vmrt_db_column *c = q->columns[i];
	int type = sqlite3_column_type(q->stmt, i);
	const char *text;

	/* a view gives NULL where it found no row, also for a column that is never NULL in its
	 * table */
	if (type == SQLITE_NULL)
		return NULL;
	/* a value that cannot be in the column is not printed either */
	if (type == SQLITE_INTEGER)
		vmrt_query_int(q, i);
	else if (type == SQLITE_BLOB || (c != &expression && (type != SQLITE_TEXT || c->most > 0)))
		reject(q, i);
	if (q->status != VMRT_OK)
		return NULL;
	text = (const char *)sqlite3_column_text(q->stmt, i);
	if (!text)
		vmrt_query_no_memory(q);
	return text;
}

void vmrt_query_refuse(struct vmrt_query *q, const char *why)
{
	if (q->status == VMRT_OK)
		q->status = vmrt_fail(q->err, VMRT_EFORMAT, "%s: %s", q->db->path, why);
}

void vmrt_query_no_memory(struct vmrt_query *q)
{
	if (q->status == VMRT_OK)
		q->status = vmrt_fail(q->err, VMRT_ENOMEM, "out of memory");
}

enum vmrt_status vmrt_query_end(struct vmrt_query *q)
{
	sqlite3_finalize(q->stmt);
	q->stmt = NULL;
	return q->status;
}
