/* SPDX-License-Identifier: MIT */
/* Writes the views of run.db, and its slices, as comma-separated values. */
#include "csv.h"

#include <stdlib.h>
#include <string.h>

#include <vmrt/table.h>

#include "metrics/facts/facts.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define SLICES                                                                                     \
	"(SELECT m.name AS machine, h.comm AS thread, h.tid AS tid, t.name AS task, v.name AS vm," \
	" h.role AS role, h.vcpu AS vcpu, s.cpu AS cpu, s.start_ns AS start_ns, s.end_ns AS "      \
	"end_ns,"                                                                                  \
	" s.prio AS prio, s.end_state AS end_state, s.uncertainty_ns AS uncertainty_ns,"           \
	" s.truncated AS truncated FROM slice s JOIN thread h ON h.id = s.thread"                  \
	" JOIN machine m ON m.id = h.machine LEFT JOIN task t ON t.id = h.task"                    \
	" LEFT JOIN vm v ON v.id = h.vm)"

static const struct {
	const char *name, *source, *from, *to, *order;
	const char *task, *server; /* columns to choose by, or NULL */
} views[] = {
	{"jobs", "jobs", "coalesce(arrival_ns, start_ns, end_ns)", "coalesce(end_ns, deadline_ns)",
		"machine, task, k", "task", NULL},
	{"server_periods", "server_periods", "start_ns", "end_ns", "server, k", NULL, "server"},
	{"losses", "losses", "from_ns", "to_ns", "from_ns, machine, cpu, kind, to_ns", NULL, NULL},
	{"blames",
		"(SELECT b.*, j.arrival_ns AS at_ns FROM blames b JOIN jobs j USING(machine, task, "
		"k))",
		"at_ns", "at_ns", "machine, task, k, part, ns DESC, by_tid", "task", NULL},
	{"slices", SLICES, "start_ns", "end_ns", "start_ns, machine, cpu, tid", "task", NULL},
};

const char *const csv_tables[] = {"jobs", "server_periods", "losses", "blames", "slices", NULL};

enum vmrt_status csv_find(
	struct vmrt_db *db, const char *what, const char *name, struct vmrt_error *err)
{
	struct vmrt_query q;
	int64_t n = 0;

	if (!strcmp(name, VMRT_SELECT_NONE))
		return VMRT_OK;
	vmrt_query_begin(&q, db, err,
		*what == 't' ? "SELECT count(*) FROM task WHERE name = ?1 OR machine_name || '/' "
			       "|| name = ?1"
			     : "SELECT count(*) FROM server WHERE name = ?1");
	vmrt_query_bind_text(&q, 1, name);
	if (vmrt_query_next(&q))
		n = vmrt_query_int(&q, 0);
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	return n ? VMRT_OK : vmrt_fail(err, VMRT_ENOENT, "the run has no %s '%s'", what, name);
}

/* Writes the condition that the task or server of a row has one of @n names. The names are the
 * parameters from @first on. */
static void choose(FILE *sql, const char *column, bool task, size_t n, size_t first)
{
	for (size_t i = 0; i < n; i++)
		fprintf(sql, task ? "%s %s = ?%zu OR machine || '/' || %s = ?%zu" : "%s %s = ?%zu",
			i ? " OR" : " AND (", column, first + i, column, first + i);
	fputs(n ? ")" : "", sql);
}

/* The query of view @v, to be freed; NULL without memory. */
static char *make_query(size_t v, const struct csv_wanted *w)
{
	char *text = NULL;
	size_t size;
	FILE *sql = open_memstream(&text, &size);

	if (!sql)
		return NULL;
	fprintf(sql,
		"SELECT %s FROM %s WHERE coalesce(%s < ?2, ?2 = %lld) AND coalesce(%s >= ?1, ?1 = "
		"%lld)",
		!strcmp(views[v].name, "blames")
			? "machine, task, k, part, ns, by, by_tid, by_server"
			: "*",
		views[v].source, views[v].from, (long long)INT64_MAX, views[v].to,
		(long long)INT64_MIN);
	if (views[v].task)
		choose(sql, views[v].task, true, w->n_tasks, 3);
	if (views[v].server)
		choose(sql, views[v].server, false, w->n_servers, 3);
	fprintf(sql, " ORDER BY %s", views[v].order);
	if (fclose(sql) == 0)
		return text;
	free(text);
	return NULL;
}

static enum vmrt_status check(
	struct vmrt_db *db, size_t v, const struct csv_wanted *w, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	if ((w->n_tasks || w->n_servers) && !views[v].task && !views[v].server)
		return vmrt_fail(err, VMRT_EINVAL,
			"--task and --server do not go with table %s, which has neither",
			views[v].name);
	for (size_t i = 0; status == VMRT_OK && i < w->n_tasks; i++)
		status = csv_find(db, "task", w->tasks[i], err);
	for (size_t i = 0; status == VMRT_OK && i < w->n_servers; i++)
		status = csv_find(db, "server", w->servers[i], err);
	return status;
}

enum vmrt_status csv_export(struct vmrt_db *db, const char *table, const struct csv_wanted *w,
	FILE *out, struct vmrt_error *err)
{
	struct vmrt_query q;
	enum vmrt_status status;
	char *sql;
	size_t v;
	int columns;

	for (v = 0; v < ARRAY_SIZE(views); v++)
		if (!strcmp(views[v].name, table))
			break;
	if (v == ARRAY_SIZE(views))
		return vmrt_fail(err, VMRT_ENOENT,
			"there is no table '%s': jobs, server_periods, losses, blames, slices",
			table);
	status = check(db, v, w, err);
	if (status != VMRT_OK)
		return status;
	sql = make_query(v, w);
	if (!sql)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	vmrt_query_begin(&q, db, err, sql);
	vmrt_query_bind(&q, 1, w->from_ns);
	vmrt_query_bind(&q, 2, w->to_ns);
	for (size_t i = 0; views[v].task && i < w->n_tasks; i++)
		vmrt_query_bind_text(&q, (int)(3 + i), w->tasks[i]);
	for (size_t i = 0; views[v].server && i < w->n_servers; i++)
		vmrt_query_bind_text(&q, (int)(3 + i), w->servers[i]);
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
	status = vmrt_query_end(&q);
	free(sql);
	return status;
}
