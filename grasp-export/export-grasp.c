/* SPDX-License-Identifier: MIT */
/* Writes Grasp traces: one file, or several numbered files of a long run. */
#include "export.h"

#include <vmrt/progress.h>
#include <vmrt/tool.h>

#include "grasp-export/data/csv.h"
#include "grasp-export/grasp/grasp.h"

#define DEFAULT_WINDOW_NS (500 * VMRT_NS_PER_MS)

enum vmrt_status export_names_found(
	struct vmrt_db *db, const struct export_options *o, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; status == VMRT_OK && i < o->n_tasks; i++)
		status = csv_find(db, "task", o->tasks[i], err);
	for (size_t i = 0; status == VMRT_OK && i < o->n_servers; i++)
		status = csv_find(db, "server", o->servers[i], err);
	return status;
}

enum vmrt_status export_times(struct vmrt_db *db, struct export_times *t, struct vmrt_error *err)
{
	const char *name;
	struct vmrt_query q;
	bool found;

	/* a recording that does not know its start and end begins and ends with its slices */
	vmrt_query_begin(&q, db, err,
		"SELECT coalesce(start_ns, (SELECT min(start_ns) FROM slice)),"
		" coalesce(end_ns, (SELECT max(end_ns) FROM slice)),"
		" (SELECT min(arrival_ns) FROM job), name FROM run LIMIT 1");
	found = vmrt_query_next(&q);
	if (found) {
		t->start_ns = vmrt_query_int(&q, 0);
		t->end_ns = vmrt_query_int(&q, 1);
		t->first_job_ns = vmrt_query_int(&q, 2);
		name = vmrt_query_string(&q, 3);
		snprintf(t->name, sizeof(t->name), "%s", name ? name : "");
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	if (!found)
		return vmrt_fail(err, VMRT_EFORMAT, "the database describes no run");
	if (t->start_ns == VMRT_UNKNOWN || t->end_ns == VMRT_UNKNOWN || t->end_ns <= t->start_ns)
		return vmrt_fail(err, VMRT_EFORMAT, "the run is empty: nothing ran in it");
	return VMRT_OK;
}

/* The part of the run that is shown. */
static void choose_part(
	const struct export_options *o, const struct export_times *t, int64_t *from, int64_t *to)
{
	int64_t length = t->end_ns - t->start_ns;

	if (o->from_ns != VMRT_UNKNOWN)
		*from = t->start_ns + (o->from_ns < length ? o->from_ns : length);
	else if (o->to_ns == VMRT_UNKNOWN && !o->split && t->first_job_ns > t->start_ns &&
		 t->first_job_ns < t->end_ns)
		*from = t->first_job_ns;
	else
		*from = t->start_ns;
	if (o->to_ns != VMRT_UNKNOWN)
		*to = t->start_ns + (o->to_ns < length ? o->to_ns : length);
	else
		*to = !o->split && t->end_ns - *from > DEFAULT_WINDOW_NS ? *from + DEFAULT_WINDOW_NS
									 : t->end_ns;
}

static struct vmrt_grasp_options options_of(
	const struct export_options *o, const struct export_times *t)
{
	return (struct vmrt_grasp_options){.max_events = (size_t)o->max_events,
		.unit_ns = o->unit_ns,
		.tasks = o->tasks,
		.n_tasks = o->n_tasks,
		.servers = o->servers,
		.n_servers = o->n_servers,
		.title = t->name,
		.start_ns = t->start_ns};
}

static enum vmrt_status one_file(struct vmrt_db *db, const struct export_options *o,
	const struct export_times *t, FILE *out, struct vmrt_error *err)
{
	struct vmrt_grasp_options options = options_of(o, t);
	char from[VMRT_UNITS_TEXT], to[VMRT_UNITS_TEXT], text[VMRT_UNITS_TEXT];
	enum vmrt_status status;
	int64_t shown_to;

	choose_part(o, t, &options.from_ns, &options.to_ns);
	vmrt_format_duration(options.from_ns - t->start_ns, from);
	vmrt_format_duration(options.to_ns - t->start_ns, to);
	if (options.to_ns <= options.from_ns)
		return vmrt_fail(err, VMRT_ERANGE,
			"nothing of the run lies between %s and %s: it lasts %s", from, to,
			vmrt_format_duration(t->end_ns - t->start_ns, text));
	if (o->to_ns == VMRT_UNKNOWN)
		vmrt_say("shows %s to %s after the run's start; --from and --to choose", from, to);
	status = vmrt_grasp_export(db, &options, out, &shown_to, err);
	if (status == VMRT_OK && shown_to < options.to_ns)
		vmrt_warn(
			"ends %s after the run's start, not %s: more than %lld events, or %d "
			"units, are "
			"slow to open (--max-events allows more, --split goes on in further files)",
			vmrt_format_duration(shown_to - t->start_ns, text), to,
			(long long)o->max_events, VMRT_GRASP_SPAN);
	return status;
}

/* Writes the part that was asked for, into as many files as it needs. */
static enum vmrt_status split(struct vmrt_db *db, const struct export_options *o,
	const struct export_times *t, struct vmrt_error *err)
{
	struct vmrt_grasp_options options = options_of(o, t);
	struct export_files files = {.path = o->output};
	enum vmrt_status status = VMRT_OK;
	int64_t shown_to;
	FILE *out;

	choose_part(o, t, &options.from_ns, &options.to_ns);
	if (options.to_ns <= options.from_ns)
		return vmrt_fail(err, VMRT_ERANGE, "nothing of the run lies in this time");
	while (status == VMRT_OK && options.from_ns < options.to_ns) {
		vmrt_progress_part("file %zu, %d %%", files.n + 1,
			(int)(100. * (double)(options.from_ns - t->start_ns) /
				(double)(options.to_ns - t->start_ns)));
		status = export_files_next(&files, &out, err);
		if (status == VMRT_OK)
			status = vmrt_grasp_export(db, &options, out, &shown_to, err);
		if (status == VMRT_OK)
			options.from_ns = shown_to;
	}
	status = export_files_end(&files, status, err);
	if (status == VMRT_OK)
		vmrt_say("wrote %zu file%s", files.n, files.n == 1 ? "" : "s");
	return status;
}

enum vmrt_status export_grasp(const struct export_options *o, FILE *out, struct vmrt_error *err)
{
	struct vmrt_db *db = NULL;
	struct export_times t;
	enum vmrt_status status = vmrt_db_open(o->runs[0], &db, err);

	if (status == VMRT_OK)
		status = export_names_found(db, o, err);
	if (status == VMRT_OK)
		status = export_times(db, &t, err);
	if (status == VMRT_OK)
		status = o->split ? split(db, o, &t, err) : one_file(db, o, &t, out, err);
	vmrt_db_close(db);
	return status;
}
