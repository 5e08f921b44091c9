/* SPDX-License-Identifier: MIT */
/* --around-misses writes a file for each of the first misses, with the part of the run around the
 * miss, in any format that has a time axis. */
#include "export.h"

#include <stdlib.h>

#include <vmrt/progress.h>
#include <vmrt/rundb.h>
#include <vmrt/tool.h>

#include "grasp-export/grasp/grasp.h"

#define WINDOW_NS (500 * VMRT_NS_PER_MS)
#define BEFORE_NS (WINDOW_NS / 3) /* so much of the window lies before the arrival of the job */
#define BEHIND_NS (WINDOW_NS / 5) /* so much of the window, at least, lies after the deadline */

struct miss {
	int64_t at, deadline;
};

static int64_t within(int64_t at, int64_t least, int64_t most)
{
	return at < least ? least : at > most ? most : at;
}

/* The first @most misses of the selected tasks that arrived between --from and --to. */
static enum vmrt_status find_misses(struct vmrt_db *db, const struct export_options *o,
	const struct export_times *t, struct miss *misses, size_t most, size_t *n,
	struct vmrt_error *err)
{
	struct vmrt_query q;

	*n = 0;
	vmrt_query_begin(&q, db, err,
		"SELECT coalesce(arrival_ns, start_ns, end_ns), deadline_ns, (SELECT machine_name "
		"|| '/' || name FROM task WHERE id = job.task) FROM job"
		" WHERE outcome IN ('missed', 'missed_incomplete')"
		" AND coalesce(arrival_ns, start_ns, end_ns) IS NOT NULL ORDER BY 1, task");
	while (*n < most && vmrt_query_next(&q)) {
		int64_t at = vmrt_query_int(&q, 0), deadline = vmrt_query_int(&q, 1);
		const char *task = vmrt_query_string(&q, 2);

		if (!task || !vmrt_grasp_wanted(o->tasks, o->n_tasks, task) || at < t->start_ns ||
			at >= t->end_ns ||
			(o->from_ns != VMRT_UNKNOWN && at - t->start_ns < o->from_ns) ||
			(o->to_ns != VMRT_UNKNOWN && at - t->start_ns >= o->to_ns))
			continue;
		misses[(*n)++] = (struct miss){at, deadline};
	}
	return vmrt_query_end(&q);
}

/* Chooses half a second, with the arrival at the end of the first third, or more if the deadline
 * would lie outside. */
static void choose_part(
	struct export_options *part, const struct export_times *t, const struct miss *m)
{
	int64_t length = t->end_ns - t->start_ns, at = m->at - t->start_ns, to;

	part->from_ns = within(at - BEFORE_NS, 0, length);
	to = part->from_ns + WINDOW_NS;
	if (m->deadline != VMRT_UNKNOWN && m->deadline >= m->at && m->deadline < t->end_ns &&
		m->deadline - t->start_ns + BEHIND_NS > to)
		to = m->deadline - t->start_ns + BEHIND_NS;
	part->to_ns = within(to, 0, length);
}

enum vmrt_status export_around_misses(
	const struct export_options *o, export_writer write, struct vmrt_error *err)
{
	size_t most = (size_t)o->around_misses, n = 0;
	struct miss *misses = calloc(most, sizeof(*misses));
	struct export_options part = *o;
	struct export_files files = {.path = o->output};
	struct vmrt_db *db = NULL;
	struct export_times t;
	enum vmrt_status status;

	if (!misses)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = vmrt_db_open(o->runs[0], &db, err);
	if (status == VMRT_OK)
		status = export_names_found(db, o, err);
	if (status == VMRT_OK)
		status = export_times(db, &t, err);
	if (status == VMRT_OK)
		status = find_misses(db, o, &t, misses, most, &n, err);
	vmrt_db_close(db);
	if (status == VMRT_OK && !n)
		status = vmrt_fail(err, VMRT_ENOENT,
			"%s has no miss to be shown: no file was written", o->runs[0]);
	for (size_t i = 0; status == VMRT_OK && i < n; i++) {
		FILE *out;

		vmrt_progress_part("file %zu of %zu", i + 1, n);
		choose_part(&part, &t, &misses[i]);
		status = export_files_next(&files, &out, err);
		if (status == VMRT_OK)
			status = write(&part, out, err);
	}
	free(misses);
	status = export_files_end(&files, status, err);
	if (status == VMRT_OK && n < most)
		vmrt_say("wrote %zu file%s: the run has no more misses", n, n == 1 ? "" : "s");
	return status;
}
