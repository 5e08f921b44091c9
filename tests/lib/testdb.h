/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TESTS_TESTDB_H
#define VMRT_TESTS_TESTDB_H

/* Run databases for tests. */

#include "metrics/report/report.h"

/* A run folder of its own for a group of tests, and the database in it. */
extern char testdb_folder[32], testdb_path[64];

/** testdb_make - a run database at @path with the schema and the rows of the SQL file @rows; 0 or
 * -1 */
int testdb_make(const char *rows, const char *path);

/** testdb_change - run more SQL on it; 0 or -1 */
int testdb_change(const char *path, const char *sql);

/** testdb_enter - make the folder; testdb_leave - remove it with its database; set-up and tear-down
 * of cmocka */
int testdb_enter(void **state);
int testdb_leave(void **state);

/**
 * testdb_facts - the facts of the database that the SQL file @rows, and then @change or NULL, make
 * in the folder
 *
 * Return: the facts, to be freed with vmrt_facts_free(), or NULL with a line on stderr.
 */
struct vmrt_run_facts *testdb_facts(
	const char *rows, const char *change, const struct vmrt_filter *filter);

#endif
