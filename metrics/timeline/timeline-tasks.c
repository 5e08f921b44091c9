/* SPDX-License-Identifier: MIT */
/* Reads the tasks of a part of a run, their jobs, and the parts of the jobs' response times. */
#include "timeline-local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tl_free_task(struct vmrt_tl_task *t)
{
	free(t->label);
	free(t->name);
	free(t->machine_name);
	free(t->jobs);
	free(t->spans.all);
	free(t->blames);
}

enum vmrt_status tl_load_tasks(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	const char **have;
	enum vmrt_status status;
	struct vmrt_tl_task *t;
	struct vmrt_query q;
	size_t room = 0, kept = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT id, machine, machine_name, name, machine_name || '/' || name, period_ns, "
		"deadline_ns, wcet_ns, priority,"
		" (SELECT +tid FROM thread WHERE task = t.id ORDER BY id LIMIT 1)"
		" FROM task t ORDER BY machine_name, priority DESC, id");
	while (vmrt_query_next(&q) &&
		(t = tl_append(&q, &tl->tasks, &tl->n_tasks, &room, sizeof(*t)))) {
		t->id = vmrt_query_int(&q, 0);
		t->machine = vmrt_query_int(&q, 1);
		t->machine_name = tl_text(&q, 2);
		t->name = tl_text(&q, 3);
		t->label = tl_text(&q, 4);
		t->period = tl_time(&q, 5);
		t->deadline = tl_time(&q, 6);
		t->wcet = tl_time(&q, 7);
		t->priority = vmrt_query_int(&q, 8);
		t->tid = vmrt_query_int(&q, 9);
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	have = calloc(2 * tl->n_tasks + 1, sizeof(*have));
	if (!have)
		return vmrt_fail(l->err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < tl->n_tasks; i++) {
		have[i] = tl->tasks[i].label;
		have[tl->n_tasks + i] = tl->tasks[i].name;
	}
	status = tl_all_found(l, "task", l->wanted->tasks, l->wanted->n_tasks, have, tl->n_tasks);
	free(have);
	for (size_t i = 0; i < tl->n_tasks; i++) {
		if (tl_is_wanted(l->wanted->tasks, l->wanted->n_tasks, tl->tasks[i].name,
			    tl->tasks[i].label))
			tl->tasks[kept++] = tl->tasks[i];
		else
			tl_free_task(&tl->tasks[i]);
	}
	tl->n_tasks = kept;
	return status;
}

/* The index of @word in @list, to which a new word is added. Returns -1 if there is no word, or if
 * the list is full. */
static int8_t find_word(char (*list)[24], size_t *n, const char *word)
{
	size_t i = 0;

	if (!word)
		return -1;
	while (i < *n && strcmp(list[i], word) != 0)
		i++;
	if (i == *n && i < VMRT_TL_CAUSES)
		snprintf(list[(*n)++], sizeof(list[0]), "%s", word);
	return i < VMRT_TL_CAUSES ? (int8_t)i : -1;
}

static enum vmrt_outcome find_outcome(const char *word)
{
	for (int i = 0; word && i <= VMRT_OUTCOME_TRUNCATED; i++)
		if (!strcmp(word, vmrt_outcome_word((enum vmrt_outcome)i)))
			return (enum vmrt_outcome)i;
	return VMRT_OUTCOME_UNKNOWN;
}

enum vmrt_status tl_load_jobs(struct loader *l, struct vmrt_tl_task *t)
{
	struct vmrt_tl_job *j;
	struct vmrt_query q;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT k, arrival_ns, release_ns, start_ns, end_ns, deadline_ns, response_ns, "
		"exec_ns,"
		" preemptions, migrations, excused, outcome, cause FROM job WHERE task = ?1"
		" AND coalesce(arrival_ns, start_ns, end_ns) < ?3"
		" AND max(coalesce(end_ns, ?3), coalesce(deadline_ns, end_ns, ?3)) >= ?2 ORDER BY "
		"k");
	vmrt_query_bind(&q, 1, t->id);
	vmrt_query_bind(&q, 2, l->tl->from);
	vmrt_query_bind(&q, 3, l->tl->to);
	while (vmrt_query_next(&q) &&
		(j = tl_append(&q, &t->jobs, &t->n_jobs, &t->room, sizeof(*j)))) {
		j->k = vmrt_query_int(&q, 0);
		j->arrival = tl_time(&q, 1);
		j->release = tl_time(&q, 2);
		j->start = tl_time(&q, 3);
		j->end = tl_time(&q, 4);
		j->deadline = tl_time(&q, 5);
		j->response = tl_time(&q, 6);
		j->exec = tl_time(&q, 7);
		j->preemptions = (int32_t)tl_within(vmrt_query_int(&q, 8), 0, INT32_MAX);
		j->migrations = (int32_t)tl_within(vmrt_query_int(&q, 9), 0, INT32_MAX);
		j->excused = vmrt_query_int(&q, 10) > 0;
		j->outcome = (uint8_t)find_outcome(vmrt_query_string(&q, 11));
		j->cause = find_word(l->tl->causes, &l->tl->n_causes, vmrt_query_string(&q, 12));
	}
	return vmrt_query_end(&q);
}

/* Loads where the time of the jobs of a task went. */
enum vmrt_status tl_load_blames(struct loader *l, struct vmrt_tl_task *t)
{
	struct vmrt_tl_blame *b;
	struct vmrt_query q;

	if (!t->n_jobs || !l->wanted->blame)
		return VMRT_OK;
	vmrt_query_begin(&q, l->db, l->err,
		t->n_jobs > l->wanted->blame ? "SELECT b.k, b.part, b.ns FROM job j JOIN blame b "
					       "ON b.task = j.task AND b.k = j.k"
					       " WHERE j.task = ?1 AND j.k BETWEEN ?2 AND ?3 AND "
					       "j.outcome IN ('missed', "
					       "'missed_incomplete') ORDER BY b.k, b.part"
					     : "SELECT k, part, ns FROM blame WHERE task = ?1 AND "
					       "k BETWEEN ?2 AND ?3 ORDER BY k, part");
	vmrt_query_bind(&q, 1, t->id);
	vmrt_query_bind(&q, 2, t->jobs[0].k);
	vmrt_query_bind(&q, 3, t->jobs[t->n_jobs - 1].k);
	while (vmrt_query_next(&q)) {
		int8_t part = find_word(l->tl->parts, &l->tl->n_parts, vmrt_query_string(&q, 1));

		if (part < 0)
			continue;
		b = tl_append(&q, &t->blames, &t->n_blames, &t->blames_room, sizeof(*b));
		if (!b)
			break;
		b->k = vmrt_query_int(&q, 0);
		b->part = part;
		b->ns = vmrt_query_int(&q, 2);
	}
	return vmrt_query_end(&q);
}
