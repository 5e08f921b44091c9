/* SPDX-License-Identifier: MIT */
/*
 * One selection for all formats: a server that is named brings the tasks of its VM, and a task that
 * is named brings the servers of the VM it runs in.
 */
#include "export.h"

#include <stdlib.h>
#include <string.h>

#include <vmrt/rundb.h>

#include "grasp-export/data/csv.h"
#include "metrics/facts/facts.h"

static const char tasks_of_server[] =
	"SELECT DISTINCT t.machine_name || '/' || t.name FROM server s JOIN vm v ON v.id = s.vm"
	" JOIN task t ON t.machine = v.machine WHERE s.name = ?1 ORDER BY 1";
static const char servers_of_task[] =
	"SELECT DISTINCT s.name FROM task t JOIN vm v ON v.machine = t.machine"
	" JOIN server s ON s.vm = v.id WHERE t.name = ?1 OR t.machine_name || '/' || t.name = ?1"
	" ORDER BY 1";

static bool is_in(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* Have all other runs a task or server (@what) of this name? The first run has it. */
static bool all_have(struct vmrt_db *const *others, size_t n, const char *what, const char *name)
{
	struct vmrt_error err;

	for (size_t i = 0; i < n; i++)
		if (csv_find(others[i], what, name, &err) != VMRT_OK)
			return false;
	return true;
}

/* Puts into @out what @sql finds for each of @names, unless one of the runs does not have it. */
static enum vmrt_status find(struct vmrt_db *const *dbs, size_t n_dbs, const char *sql,
	const char *what, const char *const *names, size_t n, const char **out, size_t *n_out,
	struct vmrt_error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct vmrt_query q;

		vmrt_query_begin(&q, dbs[0], err, sql);
		vmrt_query_bind_text(&q, 1, names[i]);
		while (*n_out < EXPORT_NAMES_MAX && vmrt_query_next(&q)) {
			const char *name = vmrt_query_string(&q, 0);

			if (!name || is_in(out, *n_out, name) ||
				!all_have(dbs + 1, n_dbs - 1, what, name))
				continue;
			out[*n_out] = strdup(name);
			if (!out[*n_out])
				vmrt_query_no_memory(&q);
			else
				++*n_out;
		}
		if (vmrt_query_end(&q) != VMRT_OK)
			return q.status;
	}
	/* an empty list would select everything */
	if (!*n_out)
		out[(*n_out)++] = VMRT_SELECT_NONE;
	return VMRT_OK;
}

enum vmrt_status export_select(struct export_options *o, struct vmrt_error *err)
{
	struct vmrt_db *dbs[VMRT_FIGURE_RUNS] = {NULL};
	enum vmrt_status status = VMRT_OK;

	if (!o->n_tasks == !o->n_servers)
		return VMRT_OK;
	for (size_t i = 0; status == VMRT_OK && i < o->n_runs; i++) {
		char *name;

		status = vmrt_db_open(vmrt_figure_name(o->runs[i], &name), &dbs[i], err);
		free(name);
	}
	/* a wrong name is reported by the format, which knows the right names */
	if (status == VMRT_OK)
		status = o->n_tasks ? find(dbs, o->n_runs, servers_of_task, "server", o->tasks,
					      o->n_tasks, o->servers, &o->n_servers, err)
				    : find(dbs, o->n_runs, tasks_of_server, "task", o->servers,
					      o->n_servers, o->tasks, &o->n_tasks, err);
	for (size_t i = 0; i < o->n_runs; i++)
		vmrt_db_close(dbs[i]);
	return status;
}
