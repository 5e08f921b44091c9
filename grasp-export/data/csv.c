/* SPDX-License-Identifier: MIT */
/* The promised views of run.db as comma-separated values. */
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

enum vmrt_status vmrt_csv_export(struct vmrt_db *db, const char *table, int64_t from_ns,
	int64_t to_ns, FILE *out, struct vmrt_error *err)
{
	struct vmrt_query q;
	char sql[512];
	size_t v;
	int columns;

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
	vmrt_query_begin(&q, db, err, sql);
	vmrt_query_bind(&q, 1, from_ns);
	vmrt_query_bind(&q, 2, to_ns);
	columns = vmrt_query_width(&q);
	for (int i = 0; i < columns; i++)
		fprintf(out, "%s%s", i ? "," : "", vmrt_query_key(&q, i));
	if (columns)
		putc('\n', out);
	while (vmrt_query_next(&q)) {
		for (int i = 0; i < columns; i++) {
			const char *text = vmrt_query_printed(&q, i);

			if (i)
				putc(',', out);
			if (text)
				vmrt_csv_field(out, text);
		}
		putc('\n', out);
	}
	return vmrt_query_end(&q);
}
