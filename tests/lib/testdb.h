/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TESTS_TESTDB_H
#define VMRT_TESTS_TESTDB_H

/** testdb_make - a run database at @path with the schema and the rows of the SQL file @rows; 0 or -1 */
int testdb_make(const char *rows, const char *path);

/** testdb_change - run more SQL on it; 0 or -1 */
int testdb_change(const char *path, const char *sql);

#endif
