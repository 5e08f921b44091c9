/* SPDX-License-Identifier: MIT */
#ifndef VMRT_RUNDB_H
#define VMRT_RUNDB_H

/*
 * Reading run.db: the access layer of reports and exporters.
 *
 * A database may come from a stranger. It is opened for reading only, its schema must be vmrt's
 * own, every value is checked against the list of columns where it is read, and a query ends when a
 * signal asks to stop or when it takes more steps than the size of the file explains.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>
#include <vmrt/units.h>

struct sqlite3;
struct sqlite3_stmt;
struct vmrt_db;
struct vmrt_db_column;

/* Every number in run.db lies between -VMRT_DB_MOST and VMRT_DB_MOST, so that neither the
 * difference of two of them overflows nor the difference of two differences. As a time it is 73
 * years. */
#define VMRT_DB_MOST ((INT64_C(1) << 61) - 1)

/**
 * vmrt_db_open - open the database of a run for reading
 * @run: a run folder, or a database file
 * @out: close with vmrt_db_close()
 *
 * All queries of one connection see the same state of the file. A connection is used by one thread
 * at a time.
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no run or no database in it (the error says to run
 * `vmrt-trace analyze`), VMRT_EFORMAT if it is not a vmrt database, VMRT_EUNSUPPORTED if it was
 * made by another version.
 */
enum vmrt_status vmrt_db_open(const char *run, struct vmrt_db **out, struct vmrt_error *err);

/** vmrt_db_close - NULL is allowed */
void vmrt_db_close(struct vmrt_db *db);

/** vmrt_db_path - the database file */
const char *vmrt_db_path(const struct vmrt_db *db);

/** vmrt_db_handle - SQLite's connection, for queries that a user wrote; they have no limit of steps
 */
struct sqlite3 *vmrt_db_handle(struct vmrt_db *db);

#define VMRT_QUERY_COLUMNS 32 /* of a query's result, at most */

/* A query that is being read. Its members are private. */
struct vmrt_query {
	struct vmrt_db *db;
	struct sqlite3_stmt *stmt;
	enum vmrt_status status;
	struct vmrt_error *err;
	const struct vmrt_db_column *columns[VMRT_QUERY_COLUMNS];
};

/** vmrt_query_begin - prepare @sql; failures show up as no rows and in vmrt_query_end() */
void vmrt_query_begin(
	struct vmrt_query *q, struct vmrt_db *db, struct vmrt_error *err, const char *sql);

/** vmrt_query_bind - parameter @i, from 1, is @value; nothing if the query could not be prepared */
void vmrt_query_bind(struct vmrt_query *q, int i, int64_t value);

/** vmrt_query_bind_text - parameter @i is @text, which must stay until vmrt_query_end() */
void vmrt_query_bind_text(struct vmrt_query *q, int i, const char *text);

/** vmrt_query_next - is there a next row? */
bool vmrt_query_next(struct vmrt_query *q);

/**
 * vmrt_query_int - column @i, or VMRT_UNKNOWN if it is NULL
 *
 * A text, a fraction, a number out of the column's range, and NULL in a column that is never NULL
 * end the query with VMRT_EFORMAT. In a LEFT JOIN, or as a query inside a query, write `+column`:
 * an expression may be NULL.
 */
int64_t vmrt_query_int(struct vmrt_query *q, int i);

/** vmrt_query_string - column @i until the next row is read, or NULL if it is NULL */
const char *vmrt_query_string(struct vmrt_query *q, int i);

/** vmrt_query_text - a copy of column @i, or NULL if it is NULL */
char *vmrt_query_text(struct vmrt_query *q, int i);

/** vmrt_query_name - a copy of column @i; NULL ends the query with VMRT_EFORMAT */
char *vmrt_query_name(struct vmrt_query *q, int i);

/** vmrt_query_width - columns of the result; 0 if the query could not be prepared */
int vmrt_query_width(const struct vmrt_query *q);

/** vmrt_query_key - the name of column @i */
const char *vmrt_query_key(const struct vmrt_query *q, int i);

/** vmrt_query_printed - column @i as text, if it holds what vmrt writes there; NULL if it is NULL
 */
const char *vmrt_query_printed(struct vmrt_query *q, int i);

/** vmrt_query_refuse - end the query with VMRT_EFORMAT: the database has what @why says */
void vmrt_query_refuse(struct vmrt_query *q, const char *why);

/** vmrt_query_no_memory - end the query with VMRT_ENOMEM */
void vmrt_query_no_memory(struct vmrt_query *q);

/** vmrt_query_end - free the statement; VMRT_OK or what went wrong */
enum vmrt_status vmrt_query_end(struct vmrt_query *q);

#endif
