/* SPDX-License-Identifier: MIT */
#ifndef PARSER_RUNDB_LOCAL_H
#define PARSER_RUNDB_LOCAL_H

/* What making the file of run.db (rundb-file.c) and writing its rows (rundb-write.c) share. */

#include "rundb.h"

#include <sqlite3.h>

#include "columns.h"

enum table {
#define X(id, table, tail) T_##id,
	RUNDB_TABLE_LIST(X)
#undef X
		TABLES
};

struct rundb_table {
	const char *name;
	int columns;
};

extern const struct rundb_table rundb_tables[TABLES];

/* Rows of large tables are written several at a time in one statement: then SQLite finds the place
 * of each row right behind the one before. */
#define RUNDB_ROWS 32

struct rundb {
	sqlite3 *db;
	char *path, *temporary;
	sqlite3_stmt *insert[TABLES];
	int waiting[TABLES]; /* rows that are bound to a statement of RUNDB_ROWS rows */
	const struct vmrt_manifest *manifest;
	int (*stop)(void);	  /* or NULL */
	const bool *unrelated;	  /* by machine: its clock has no relation to the host's; or NULL */
	const bool *unrelated_of; /* the same by declared task */
	bool without_host;	  /* nothing of the host was recorded */
	uint8_t *hidden;	  /* a bit for each thread whose slices have no host times */
	size_t n_hidden;	  /* bytes of it */
	size_t thread_hint; /* index in the manifest at which the search for the next thread begins
			     */
	unsigned long long jobs, periods;
	enum vmrt_status status; /* the first failure */
	struct vmrt_error err;
};

/** rundb_failed - note SQLite's message as the error, unless there is an earlier one */
void rundb_failed(struct rundb *db);

/** rundb_has_many - are rows of @table written RUNDB_ROWS at a time? */
static inline bool rundb_has_many(enum table table)
{
	return table == T_SLICE || table == T_JOB || table == T_BLAME || table == T_BLAME_THREAD;
}

/** rundb_flush - write all rows that wait for more of their table */
void rundb_flush(struct rundb *db);

#endif
