/* SPDX-License-Identifier: MIT */
#include "csv.h"

#include <string.h>

#include <vmrt/table.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	const char *name, *from, *to, *order;
} views[] = {
	{"jobs", "coalesce(arrival_ns, start_ns, end_ns)", "coalesce(end_ns, deadline_ns)",
		"machine, task, k"},
	{"server_periods", "start_ns", "end_ns", "server, k"},
	{"losses", "from_ns", "to_ns", "from_ns, machine, cpu, kind, to_ns"},
};

enum vmrt_status vmrt_csv_export(sqlite3 *db, const char *table, int64_t from_ns, int64_t to_ns,
	FILE *out, struct vmrt_error *err)
{
	sqlite3_stmt *stmt = NULL;
	char sql[512];
	size_t v;
	int rc, columns;

	for (v = 0; v < ARRAY_SIZE(views); v++)
		if (!strcmp(views[v].name, table))
			break;
	if (v == ARRAY_SIZE(views))
		return vmrt_fail(err, VMRT_ENOENT,
			"there is no table '%s': jobs, server_periods, losses", table);
	snprintf(sql, sizeof(sql),
		"SELECT * FROM %s WHERE coalesce(%s < ?2, ?2 = %lld) AND coalesce(%s >= ?1, ?1 = "
		"%lld)"
		" ORDER BY %s",
		table, views[v].from, (long long)INT64_MAX, views[v].to, (long long)INT64_MIN,
		views[v].order);
	rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_bind_int64(stmt, 1, from_ns);
		sqlite3_bind_int64(stmt, 2, to_ns);
		columns = sqlite3_column_count(stmt);
		for (int i = 0; i < columns; i++)
			fprintf(out, "%s%s", i ? "," : "", sqlite3_column_name(stmt, i));
		putc('\n', out);
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			for (int i = 0; i < columns; i++) {
				const char *text = (const char *)sqlite3_column_text(stmt, i);

				if (i)
					putc(',', out);
				if (text)
					vmrt_csv_field(out, text);
			}
			putc('\n', out);
		}
	}
	sqlite3_finalize(stmt);
	if (rc != SQLITE_DONE)
		return vmrt_fail(err, VMRT_EDB, "cannot read the database: %s", sqlite3_errmsg(db));
	return VMRT_OK;
}
