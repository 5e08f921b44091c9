/* SPDX-License-Identifier: MIT */
/* Reads a part of a run from its database: which part it is, and the machines. */
#include "timeline-local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/rundb.h>
#include <vmrt/similar.h>

/* the latest time that a run can have: 73 years after the start of the host */
#define LATEST_NS (INT64_MAX / 4)

void *tl_append(struct vmrt_query *q, void *array, size_t *n, size_t *room, size_t size)
{
	void **p = array;
	char *place;

	if (*n == *room) {
		size_t more = *room ? *room * 2 : 16;
		void *all = realloc(*p, more * size);

		if (!all) {
			vmrt_query_no_memory(q);
			return NULL;
		}
		*p = all;
		*room = more;
	}
	place = (char *)*p + (*n)++ * size;
	memset(place, 0, size);
	return place;
}

char *tl_text(struct vmrt_query *q, int i)
{
	char *copy = vmrt_query_text(q, i);

	if (!copy && q->status == VMRT_OK)
		copy = strdup("");
	if (!copy && q->status == VMRT_OK)
		vmrt_query_no_memory(q);
	return copy;
}

int64_t tl_time(struct vmrt_query *q, int i)
{
	int64_t ns = vmrt_query_int(q, i);

	return ns < 0 || ns > LATEST_NS ? VMRT_UNKNOWN : ns;
}

static enum vmrt_status load_run(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	struct vmrt_query q;
	bool found = false;

	/* a recording that does not know its start and end begins and ends with its slices */
	vmrt_query_begin(&q, l->db, l->err,
		"SELECT coalesce(start_ns, (SELECT min(start_ns) FROM slice)),"
		" coalesce(end_ns, (SELECT max(end_ns) FROM slice)),"
		" (SELECT min(arrival_ns) FROM job), name, tick_ns FROM run LIMIT 1");
	if (vmrt_query_next(&q)) {
		found = true;
		tl->start = tl_time(&q, 0);
		tl->end = tl_time(&q, 1);
		tl->first_job = tl_time(&q, 2);
		tl->name = tl_text(&q, 3);
		tl->tick = tl_time(&q, 4);
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	if (!found)
		return vmrt_fail(l->err, VMRT_EFORMAT, "%s: the database describes no run", l->run);
	if (tl->start == VMRT_UNKNOWN || tl->end == VMRT_UNKNOWN || tl->end <= tl->start)
		return vmrt_fail(
			l->err, VMRT_EFORMAT, "%s: the run is empty: nothing ran in it", l->run);
	return VMRT_OK;
}

/* The arrival of the n-th miss of the run; VMRT_UNKNOWN if there are fewer misses. */
static enum vmrt_status find_miss(struct loader *l, size_t n, int64_t *at)
{
	struct vmrt_query q;

	*at = VMRT_UNKNOWN;
	vmrt_query_begin(&q, l->db, l->err,
		"SELECT coalesce(arrival_ns, start_ns, end_ns, deadline_ns) FROM job"
		" WHERE outcome IN ('missed', 'missed_incomplete') ORDER BY 1 LIMIT 1 OFFSET ?1");
	vmrt_query_bind(&q, 1, (int64_t)n - 1);
	if (vmrt_query_next(&q))
		*at = tl_time(&q, 0);
	return vmrt_query_end(&q);
}

static enum vmrt_status choose_part(struct loader *l)
{
	const struct vmrt_tl_wanted *w = l->wanted;
	struct vmrt_timeline *tl = l->tl;
	int64_t length = tl->end - tl->start, miss;
	char from[VMRT_UNITS_TEXT], to[VMRT_UNITS_TEXT], all[VMRT_UNITS_TEXT];
	enum vmrt_status status;

	tl->from = w->from != VMRT_UNKNOWN ? tl->start + tl_within(w->from, 0, length)
		   : w->from_first_job && tl->first_job > tl->start && tl->first_job < tl->end
			   ? tl->first_job
			   : tl->start;
	tl->to = w->to != VMRT_UNKNOWN ? tl->start + tl_within(w->to, 0, length) : tl->end;
	if (w->around_misses) {
		status = find_miss(l, w->around_misses, &miss);
		if (status != VMRT_OK)
			return status;
		if (miss == VMRT_UNKNOWN)
			return vmrt_fail(l->err, VMRT_ENOENT, "%s has fewer than %zu misses",
				l->run, w->around_misses);
		tl->from = tl_within(miss - w->window / 3, tl->start, tl->end);
	}
	if (w->to == VMRT_UNKNOWN && w->window != VMRT_UNKNOWN && tl->to - tl->from > w->window)
		tl->to = tl->from + w->window;
	if (tl->to > tl->from)
		return VMRT_OK;
	return vmrt_fail(l->err, VMRT_ERANGE,
		"%s: nothing of the run lies between %s and %s: it lasts %s", l->run,
		vmrt_format_duration(tl->from - tl->start, from),
		vmrt_format_duration(tl->to - tl->start, to), vmrt_format_duration(length, all));
}

static enum vmrt_status load_machines(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	struct vmrt_tl_machine *m;
	struct vmrt_query q;
	size_t room = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT id, name, kind = 'host', cpus, CASE WHEN kind = 'host' THEN 0 ELSE"
		" (SELECT CASE WHEN count(*) = count(error_ns) THEN max(error_ns) END FROM clock"
		"  WHERE machine = m.id) END FROM machine m ORDER BY kind <> 'host', id");
	while (vmrt_query_next(&q) &&
		(m = tl_append(&q, &tl->machines, &tl->n_machines, &room, sizeof(*m)))) {
		m->id = vmrt_query_int(&q, 0);
		m->name = tl_text(&q, 1);
		m->host = vmrt_query_int(&q, 2) > 0;
		m->cpus = vmrt_query_int(&q, 3);
		m->error = vmrt_query_int(&q, 4);
	}
	return vmrt_query_end(&q);
}

bool tl_is_wanted(const char *const *names, size_t n, const char *name, const char *label)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name) || !strcmp(names[i], label))
			return true;
	return !n;
}

enum vmrt_status tl_all_found(struct loader *l, const char *what, const char *const *names,
	size_t n_names, const char *const *have, size_t n)
{
	for (size_t i = 0; i < n_names; i++) {
		bool found = !strcmp(names[i], VMRT_SELECT_NONE);

		char list[VMRT_SIMILAR_TEXT];

		for (size_t j = 0; j < 2 * n; j++)
			found = found || !strcmp(names[i], have[j]);
		if (!found)
			return vmrt_fail(l->err, VMRT_ENOENT, "%s has no %s '%s'; it has: %s",
				l->run, what, names[i], vmrt_similar(names[i], have, n, list));
	}
	return VMRT_OK;
}

static enum vmrt_status load_all(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	enum vmrt_status (*const steps[])(struct loader *) = {
		load_run, choose_part, load_machines, tl_load_tasks, tl_load_servers};
	enum vmrt_status (*const slices[])(struct loader *) = {
		tl_load_vcpus, tl_find_owners, tl_load_slices, tl_load_losses};
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; status == VMRT_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
		status = steps[i](l);
	for (size_t i = 0; status == VMRT_OK && i < tl->n_tasks; i++)
		status = tl_load_jobs(l, &tl->tasks[i]);
	for (size_t i = 0; status == VMRT_OK && i < tl->n_tasks; i++)
		status = tl_load_blames(l, &tl->tasks[i]);
	if (l->wanted->jobs_only)
		return status;
	for (size_t i = 0; status == VMRT_OK && i < tl->n_servers; i++)
		status = tl_load_periods(l, &tl->servers[i]);
	for (size_t i = 0; status == VMRT_OK && i < sizeof(slices) / sizeof(slices[0]); i++)
		status = slices[i](l);
	return status;
}

enum vmrt_status vmrt_timeline_load(const char *run, const struct vmrt_tl_wanted *wanted,
	struct vmrt_timeline **out, struct vmrt_error *err)
{
	struct loader l = {.err = err, .run = run, .wanted = wanted};
	enum vmrt_status status;

	*out = NULL;
	l.tl = calloc(1, sizeof(*l.tl));
	if (!l.tl)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = vmrt_db_open(run, &l.db, err);
	if (status == VMRT_OK)
		status = load_all(&l);
	vmrt_db_close(l.db);
	free(l.owners);
	if (status == VMRT_OK)
		*out = l.tl;
	else
		vmrt_timeline_free(l.tl);
	return status;
}

void vmrt_timeline_free(struct vmrt_timeline *tl)
{
	if (!tl)
		return;
	for (size_t i = 0; i < tl->n_machines; i++)
		free(tl->machines[i].name);
	for (size_t i = 0; i < tl->n_tasks; i++)
		tl_free_task(&tl->tasks[i]);
	for (size_t i = 0; i < tl->n_vcpus; i++) {
		free(tl->vcpus[i].name);
		free(tl->vcpus[i].spans.all);
	}
	for (size_t i = 0; i < tl->n_servers; i++) {
		free(tl->servers[i].name);
		free(tl->servers[i].policy);
		free(tl->servers[i].periods);
	}
	free(tl->machines);
	free(tl->tasks);
	free(tl->vcpus);
	free(tl->servers);
	free(tl->losses);
	free(tl->name);
	free(tl);
}
