/* SPDX-License-Identifier: MIT */
/*
 * Chooses which events are printed. The threads and the jobs of a task are in run.db; for single
 * files only the names of threads are known.
 */
#include "events-choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/rundb.h>
#include <vmrt/similar.h>
#include <vmrt/units.h>

/* A task as the database has it. */
struct found_task {
	int64_t id;
	char label[VMRT_NAME_MAX + VMRT_COMM_MAX + 1];
};

static enum vmrt_status find_machine(
	struct events_choice *c, const struct vmrt_engine_config *config, struct vmrt_error *err)
{
	char list[VMRT_SIMILAR_TEXT];
	const char **names;

	c->only = VMRT_NONE;
	if (!c->machine)
		return VMRT_OK;
	names = calloc(config->n_machines + 1, sizeof(*names));
	if (!names)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t m = 0; m < config->n_machines; m++) {
		names[m] = config->machines[m].name;
		if (!strcmp(names[m], c->machine))
			c->only = (uint32_t)m;
	}
	vmrt_similar(c->machine, names, config->n_machines, list);
	free(names);
	if (c->only == VMRT_NONE)
		return vmrt_fail(
			err, VMRT_ENOENT, "--machine %.60s: recorded are %s", c->machine, list);
	return VMRT_OK;
}

struct name_list {
	char **list;
	size_t n;
};

static bool add_name(struct name_list *names, const char *name)
{
	char **more = realloc(names->list, (names->n + 1) * sizeof(*more));

	if (!more)
		return false;
	names->list = more;
	more[names->n] = strdup(name);
	return more[names->n] && ++names->n;
}

static void free_names(struct name_list *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->list[i]);
	free(names->list);
}

/* Finds a task in the database by MACHINE/NAME, or by NAME alone if only one task has it. */
static enum vmrt_status find_task(struct vmrt_db *db, const char *name, struct events_choice *c,
	struct found_task *out, struct vmrt_error *err)
{
	struct name_list labels = {0};
	char list[VMRT_SIMILAR_TEXT];
	size_t found = 0;
	struct vmrt_query q;
	enum vmrt_status status;

	vmrt_query_begin(
		&q, db, err, "SELECT id, +machine, machine_name, name FROM task ORDER BY id");
	while (vmrt_query_next(&q)) {
		const char *machine = vmrt_query_string(&q, 2), *task = vmrt_query_string(&q, 3);
		int64_t index = vmrt_query_int(&q, 1);
		char label[sizeof(out->label)];

		snprintf(label, sizeof(label), "%s/%s", machine ? machine : "", task ? task : "");
		if (!add_name(&labels, label))
			vmrt_query_no_memory(&q);
		if (strcmp(name, label) != 0 && (!task || strcmp(name, task) != 0))
			continue;
		found++;
		out->id = vmrt_query_int(&q, 0);
		c->of_task = index == VMRT_UNKNOWN ? VMRT_NONE : (uint32_t)index;
		strcpy(out->label, label);
	}
	status = vmrt_query_end(&q);
	vmrt_similar(name, (const char *const *)labels.list, labels.n, list);
	free_names(&labels);
	if (status != VMRT_OK)
		return status;
	if (found > 1)
		return vmrt_fail(err, VMRT_EINVAL, "task %.60s: write MACHINE/NAME: there are %s",
			name, list);
	if (!found || c->of_task == VMRT_NONE)
		return vmrt_fail(
			err, VMRT_ENOENT, "no task %.60s was recorded: there are %s", name, list);
	return VMRT_OK;
}

static enum vmrt_status find_threads(struct vmrt_db *db, const struct found_task *task,
	struct events_choice *c, struct vmrt_error *err)
{
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err, "SELECT DISTINCT tid FROM thread WHERE task = ?1");
	vmrt_query_bind(&q, 1, task->id);
	while (vmrt_query_next(&q)) {
		int32_t *more = realloc(c->tids, (c->n_tids + 1) * sizeof(*more));

		if (!more) {
			vmrt_query_no_memory(&q);
			break;
		}
		c->tids = more;
		c->tids[c->n_tids++] = (int32_t)vmrt_query_int(&q, 0);
	}
	return vmrt_query_end(&q);
}

/* Finds the time of job @k: from the first time that is known of the job to its end; with @whole,
 * at least to its deadline. */
static enum vmrt_status find_job(struct vmrt_db *db, const struct found_task *task, int64_t k,
	bool whole, struct events_choice *c, struct vmrt_error *err)
{
	int64_t first = VMRT_UNKNOWN, last = VMRT_UNKNOWN, deadline = VMRT_UNKNOWN;
	bool found = false;
	struct vmrt_query q;
	enum vmrt_status status;

	vmrt_query_begin(&q, db, err,
		"SELECT arrival_ns, release_ns, start_ns, end_ns, deadline_ns FROM job"
		" WHERE task = ?1 AND k = ?2");
	vmrt_query_bind(&q, 1, task->id);
	vmrt_query_bind(&q, 2, k);
	if (vmrt_query_next(&q)) {
		found = true;
		for (int i = 0; i < 3; i++) {
			int64_t at = vmrt_query_int(&q, i);

			if (at != VMRT_UNKNOWN && (first == VMRT_UNKNOWN || at < first))
				first = at;
		}
		last = vmrt_query_int(&q, 3);
		deadline = vmrt_query_int(&q, 4);
	}
	status = vmrt_query_end(&q);
	if (status != VMRT_OK)
		return status;
	if (!found)
		return vmrt_fail(
			err, VMRT_ENOENT, "there is no job %lld of %s", (long long)k, task->label);
	if (last == VMRT_UNKNOWN || (whole && deadline != VMRT_UNKNOWN && deadline > last))
		last = deadline;
	if (first == VMRT_UNKNOWN || last == VMRT_UNKNOWN)
		return vmrt_fail(err, VMRT_ENOENT, "when job %lld of %s was is not known",
			(long long)k, task->label);
	c->first_ns = first;
	c->last_ns = last;
	return VMRT_OK;
}

/* Splits "TASK:K" at its last colon, because the name of a task may have colons. */
static enum vmrt_status split_around(
	const char *around, char *task, size_t room, int64_t *k, struct vmrt_error *err)
{
	const char *colon = strrchr(around, ':');

	if (!colon || colon == around || (size_t)(colon - around) >= room ||
		vmrt_parse_int(colon + 1, 0, INT64_MAX / 4, k) != VMRT_OK)
		return vmrt_fail(err, VMRT_EINVAL,
			"--around %.80s: write TASK:K, as in rt_task1:12", around);
	snprintf(task, room, "%.*s", (int)(colon - around), around);
	return VMRT_OK;
}

static enum vmrt_status find_jobs(struct events_choice *c, const char *run, struct vmrt_error *err)
{
	char name[VMRT_NAME_MAX + VMRT_COMM_MAX + 1];
	struct found_task task;
	struct vmrt_db *db;
	enum vmrt_status status = vmrt_db_open(run, &db, err);
	int64_t k = 0;

	if (status != VMRT_OK)
		return status;
	if (c->around) {
		status = split_around(c->around, name, sizeof(name), &k, err);
		if (status == VMRT_OK)
			status = find_task(db, name, c, &task, err);
		if (status == VMRT_OK)
			status = find_job(db, &task, k, true, c, err);
		if (status == VMRT_OK) {
			c->first_ns -= c->margin_ns;
			c->last_ns += c->margin_ns;
		}
	}
	if (status == VMRT_OK && c->task) {
		status = find_task(db, c->task, c, &task, err);
		if (status == VMRT_OK)
			status = find_threads(db, &task, c, err);
		if (status == VMRT_OK && c->job >= 0)
			status = find_job(db, &task, c->job, false, c, err);
	}
	vmrt_db_close(db);
	return status;
}

enum vmrt_status choice_begin(struct events_choice *c, const char *run,
	const struct vmrt_engine_config *config, struct vmrt_error *err)
{
	enum vmrt_status status = find_machine(c, config, err);
	const char *slash = c->task ? strchr(c->task, '/') : NULL;

	c->of_task = VMRT_NONE;
	c->first_ns = c->last_ns = VMRT_UNKNOWN;
	c->begin_ns = config->start_ns;
	if (status != VMRT_OK)
		return status;
	if (run && (c->task || c->around))
		return find_jobs(c, run, err);
	if (c->around || c->job >= 0)
		return vmrt_fail(err, VMRT_EINVAL,
			"--%s needs a RUN: the database of its analysis says when jobs were",
			c->around ? "around" : "job");
	for (size_t m = 0; slash && m < config->n_machines; m++)
		if (strlen(config->machines[m].name) == (size_t)(slash - c->task) &&
			!strncmp(config->machines[m].name, c->task, (size_t)(slash - c->task)))
			c->of_task = (uint32_t)m;
	if (c->task)
		snprintf(c->name, sizeof(c->name), "%s",
			c->of_task == VMRT_NONE ? c->task : slash + 1);
	return VMRT_OK;
}

bool choice_has_machine(const struct events_choice *c, uint32_t machine)
{
	return c->only == VMRT_NONE || c->only == machine;
}

/* Is @tid a thread of the task? Where only the task's name is known, threads become known by the
 * events that name them. */
static bool is_thread(struct events_choice *c, int32_t tid, const char *comm)
{
	int32_t *more;

	for (size_t i = 0; i < c->n_tids; i++)
		if (c->tids[i] == tid)
			return true;
	if (!c->name[0] || !comm || tid <= 0 || strncmp(comm, c->name, VMRT_COMM_MAX) != 0)
		return false;
	more = realloc(c->tids, (c->n_tids + 1) * sizeof(*more));
	if (more) {
		c->tids = more;
		c->tids[c->n_tids++] = tid;
	}
	return true;
}

/* Is this an event of a timer that the task armed? It is, whichever thread is interrupted by it. */
static bool is_timer(
	struct events_choice *c, uint32_t machine, const struct vmrt_event *ev, bool own)
{
	bool found = false;

	for (size_t i = 0; i < CHOICE_TIMERS && !found; i++)
		found = c->timers[i].timer == ev->timer.timer && c->timers[i].machine == machine;
	if (own && !found && ev->type == VMRT_EV_TIMER_START)
		c->timers[c->next_timer++ % CHOICE_TIMERS] =
			(struct choice_timer){machine, ev->timer.timer};
	return found;
}

static bool is_of_task(struct events_choice *c, uint32_t machine, const struct vmrt_event *ev)
{
	bool own = is_thread(c, ev->pid, NULL);

	switch (ev->type) {
	case VMRT_EV_SWITCH: {
		bool prev = is_thread(c, ev->sw.prev_pid, ev->sw.prev_comm);

		return is_thread(c, ev->sw.next_pid, ev->sw.next_comm) || prev || own;
	}
	case VMRT_EV_WAKING:
	case VMRT_EV_WAKEUP:
	case VMRT_EV_WAKEUP_NEW:
		return is_thread(c, ev->wake.pid, ev->wake.comm) || own;
	case VMRT_EV_MIGRATE:
		return is_thread(c, ev->migrate.pid, NULL) || own;
	case VMRT_EV_PI:
		return is_thread(c, ev->pi.pid, NULL) || own;
	case VMRT_EV_TIMER_START:
	case VMRT_EV_TIMER_CANCEL:
	case VMRT_EV_TIMER_EXPIRE:
		return is_timer(c, machine, ev, own) || own;
	default:
		return own;
	}
}

enum choice_answer choice_takes(
	struct events_choice *c, uint32_t machine, const struct vmrt_event *ev, int64_t host_ns)
{
	bool of_task = true;
	int64_t since;

	if (c->begin_ns == VMRT_UNKNOWN)
		c->begin_ns = host_ns;
	/* threads and timers are noted also outside of the times that are printed */
	if (c->task)
		of_task = (c->of_task == VMRT_NONE || c->of_task == machine) &&
			  is_of_task(c, machine, ev);
	if (__builtin_sub_overflow(host_ns, c->begin_ns, &since))
		since = 0;
	if ((c->first_ns != VMRT_UNKNOWN && host_ns < c->first_ns) ||
		(c->from_ns != VMRT_UNKNOWN && since < c->from_ns))
		return CHOICE_BEFORE;
	if ((c->last_ns != VMRT_UNKNOWN && host_ns > c->last_ns) ||
		(c->to_ns != VMRT_UNKNOWN && since > c->to_ns))
		return CHOICE_BEHIND;
	return of_task && choice_has_machine(c, machine) && (c->cpu < 0 || c->cpu == ev->cpu)
		       ? CHOICE_YES
		       : CHOICE_NO;
}

void choice_end(struct events_choice *c)
{
	free(c->tids);
	c->tids = NULL;
}
