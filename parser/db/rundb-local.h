/* SPDX-License-Identifier: MIT */
#ifndef PARSER_RUNDB_LOCAL_H
#define PARSER_RUNDB_LOCAL_H

/* What the file of run.db (rundb-file.c) and its rows (rundb-write.c) share. */

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

/*
 * Rows of tables that have many are written so many at a time, in one statement: SQLite then looks
 * for the place of each where it has put the one before.
 */
#define RUNDB_ROWS 32

struct rundb {
	sqlite3 *db;
	char *path, *temporary;
	sqlite3_stmt *insert[TABLES];
	int waiting[TABLES]; /* rows that are bound to a statement of RUNDB_ROWS rows */
	const struct vmrt_manifest *manifest;
	int (*stop)(void);	  /* or NULL */
	const bool *unrelated;	  /* by machine: host times say nothing; or NULL */
	const bool *unrelated_of; /* the same by declared task */
	bool without_host;	  /* nothing of it was recorded */
	uint8_t *hidden;	  /* a bit for each thread whose slices have no host times */
	size_t n_hidden;	  /* bytes of it */
	size_t thread_hint;	  /* where the next thread of the manifest is looked for */
	unsigned long long jobs, periods;
	enum vmrt_status status; /* first failure */
	struct vmrt_error err;
};

/** rundb_failed - note what SQLite says went wrong, unless something has before */
void rundb_failed(struct rundb *db);

/** rundb_has_many - are rows of @table written RUNDB_ROWS at a time? */
static inline bool rundb_has_many(enum table table)
{
	return table == T_SLICE || table == T_JOB || table == T_BLAME || table == T_BLAME_THREAD;
}

/** rundb_flush - write the rows that wait for others */
void rundb_flush(struct rundb *db);

#endif
