/* SPDX-License-Identifier: MIT */
#ifndef PARSER_DB_LOCAL_H
#define PARSER_DB_LOCAL_H

/* What the opening of run.db (rundb-open.c) and its queries (query.c) share. */

#include <vmrt/rundb.h>

#include "columns.h"

/* A column of columns.h: how it is declared, and the range of its numbers. */
struct vmrt_db_column {
	const char *name, *rest;
	int64_t least, most;
};

struct db_table {
	const char *name;
	const struct vmrt_db_column *columns; /* up to one without a name */
};

extern const struct db_table db_tables[]; /* up to one without a name */

struct vmrt_db {
	struct sqlite3 *db;
	char *path;
	uint64_t steps, steps_max; /* of the present query, in units of STEPS_BETWEEN_CALLS */
	int64_t rows;		   /* of all queries so far */
	bool too_long;		   /* the query was ended because of its steps */
};

/** db_failed - turn SQLite's message about the last call into an error */
enum vmrt_status db_failed(struct vmrt_db *db, struct vmrt_error *err);

#endif
