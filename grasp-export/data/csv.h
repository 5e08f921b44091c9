/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GRASP_EXPORT_CSV_H
#define VMRT_GRASP_EXPORT_CSV_H

/* Tables of the run database as CSV. */

#include <stdint.h>
#include <stdio.h>

#include <vmrt/rundb.h>
#include <vmrt/status.h>

/* Which rows of a table are wanted. */
struct csv_wanted {
	int64_t from_ns, to_ns; /* only rows that lie in this time at least in part (host clock);
				   INT64_MIN and INT64_MAX: all, those without times included */
	/* tasks choose the rows of tables that have a column of tasks, servers those of tables that
	 * have a column of servers; no names: all rows */
	const char *const *tasks, *const *servers;
	size_t n_tasks, n_servers;
};

/** csv_tables - names of the tables, ended by NULL */
extern const char *const csv_tables[];

/** csv_find - VMRT_ENOENT if the run has no task (if @what is "task") or server ("server") of this
 * @name */
enum vmrt_status csv_find(
	struct vmrt_db *db, const char *what, const char *name, struct vmrt_error *err);

/**
 * csv_export - a view of the database with exactly its columns, or the slices
 * @table: one of csv_tables
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no such table, task or server; VMRT_EINVAL if the table
 * has neither tasks nor servers to choose by; VMRT_EDB.
 */
enum vmrt_status csv_export(struct vmrt_db *db, const char *table, const struct csv_wanted *wanted,
	FILE *out, struct vmrt_error *err);

#endif
