/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GRASP_EXPORT_CSV_H
#define VMRT_GRASP_EXPORT_CSV_H

#include <stdint.h>
#include <stdio.h>

#include <vmrt/rundb.h>

#include <vmrt/status.h>

/**
 * vmrt_csv_export - a view of the database with exactly its columns
 * @table: jobs, server_periods or losses
 * @from_ns, @to_ns: only rows that lie in this time at least in part (host clock); INT64_MIN and
 * INT64_MAX: all, those without times included
 *
 * Return: VMRT_OK, VMRT_ENOENT if there is no such view, VMRT_EDB.
 */
enum vmrt_status vmrt_csv_export(struct vmrt_db *db, const char *table, int64_t from_ns,
	int64_t to_ns, FILE *out, struct vmrt_error *err);

#endif
