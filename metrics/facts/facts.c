/* SPDX-License-Identifier: MIT */
/* Computes from the database of a run, once, what all reports of it need. */
#include "facts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/similar.h>
#include <vmrt/tool.h>

#define ROWS_MAX                                                                                   \
	16384 /* machines, VMs, servers, tasks: an experiment file has at most 4096 of each */

void vmrt_query_span(struct vmrt_query *q, int i, const struct vmrt_run_facts *f)
{
	int64_t start = f->start_ns == VMRT_UNKNOWN ? 0 : f->start_ns;
	int64_t from, to;

	if (f->filter.from_ns == VMRT_UNKNOWN ||
		__builtin_add_overflow(start, f->filter.from_ns, &from))
		from = INT64_MIN;
	if (f->filter.to_ns == VMRT_UNKNOWN || __builtin_add_overflow(start, f->filter.to_ns, &to))
		to = INT64_MAX;
	vmrt_query_bind(q, i, from);
	vmrt_query_bind(q, i + 1, to);
}

bool vmrt_filter_times(const struct vmrt_filter *filter)
{
	return filter->from_ns != VMRT_UNKNOWN || filter->to_ns != VMRT_UNKNOWN ||
	       filter->skip_first > 0;
}

void *facts_append(struct vmrt_query *q, void *array, size_t *n, size_t size)
{
	void **p = array;
	char *more;

	if (*n >= ROWS_MAX) {
		vmrt_query_refuse(
			q, "it has more machines, VMs, servers or tasks than vmrt writes");
		return NULL;
	}
	more = realloc(*p, (*n + 1) * size);
	if (!more) {
		vmrt_query_no_memory(q);
		return NULL;
	}
	*p = more;
	memset(more + *n * size, 0, size);
	return more + (*n)++ * size;
}

static enum vmrt_status load_run(
	struct vmrt_db *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	struct vmrt_query q;
	bool found = false;

	vmrt_query_begin(&q, db, err,
		"SELECT name, vmrt_version, recorded_at, hostname, command, command_status, hsf, "
		"tick_ns,"
		" start_ns, end_ns, experiment, uuid FROM run LIMIT 1");
	if (vmrt_query_next(&q)) {
		found = true;
		f->label = vmrt_query_name(&q, 0);
		f->version = vmrt_query_text(&q, 1);
		f->recorded_at = vmrt_query_text(&q, 2);
		f->hostname = vmrt_query_text(&q, 3);
		f->command = vmrt_query_text(&q, 4);
		f->command_status = vmrt_query_int(&q, 5);
		f->hsf = vmrt_query_int(&q, 6) > 0;
		f->tick_ns = vmrt_query_int(&q, 7);
		f->start_ns = vmrt_query_int(&q, 8);
		f->end_ns = vmrt_query_int(&q, 9);
		f->experiment = vmrt_query_text(&q, 10);
		f->uuid = vmrt_query_text(&q, 11);
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	if (!found || !f->label)
		return vmrt_fail(err, VMRT_EFORMAT, "the database describes no run");
	return VMRT_OK;
}

static enum vmrt_status load_machines(
	struct vmrt_db *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	struct vmrt_machine_facts *m;
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err,
		"SELECT id, name, kind, kernel, note, cpus, events, lost, broken_chains,"
		" inferred_switches, out_of_order, inside, outside,"
		" (SELECT count(*) FROM loss WHERE machine = m.id AND kind IN ('overrun', "
		"'dropped', 'clipped')"
		"  AND (from_ns IS NULL OR from_ns < ?2) AND (to_ns IS NULL OR to_ns > ?1)),"
		" (SELECT count(*) FROM loss WHERE machine = m.id AND kind = 'steal' AND from_ns < "
		"?2 AND to_ns > ?1),"
		" (SELECT coalesce(sum(min(to_ns, ?2) - max(from_ns, ?1)), 0) FROM loss"
		"  WHERE machine = m.id AND kind = 'steal' AND from_ns < ?2 AND to_ns > ?1),"
		" (SELECT CASE WHEN count(*) = count(error_ns) THEN max(error_ns) END FROM clock"
		"  WHERE machine = m.id),"
		" (SELECT count(*) FROM clock WHERE machine = m.id),"
		" (SELECT +rate_ppb FROM clock WHERE machine = m.id ORDER BY abs(rate_ppb) DESC "
		"LIMIT 1),"
		" (SELECT group_concat(source, ', ') FROM"
		"  (SELECT DISTINCT source FROM clock WHERE machine = m.id ORDER BY source)), "
		"clock,"
		" contradictions"
		" FROM machine m ORDER BY kind <> 'host', id");
	vmrt_query_span(&q, 1, f);
	while (vmrt_query_next(&q) &&
		(m = facts_append(&q, &f->machines, &f->n_machines, sizeof(*f->machines)))) {
		m->id = vmrt_query_int(&q, 0);
		m->name = vmrt_query_name(&q, 1);
		m->kind = vmrt_query_name(&q, 2);
		m->kernel = vmrt_query_text(&q, 3);
		m->note = vmrt_query_text(&q, 4);
		m->cpus = vmrt_query_int(&q, 5);
		m->events = vmrt_query_int(&q, 6);
		m->lost = vmrt_query_int(&q, 7);
		m->broken_chains = vmrt_query_int(&q, 8);
		m->inferred = vmrt_query_int(&q, 9);
		m->out_of_order = vmrt_query_int(&q, 10);
		m->inside = vmrt_query_int(&q, 11);
		m->outside = vmrt_query_int(&q, 12);
		m->losses = vmrt_query_int(&q, 13);
		m->steals = vmrt_query_int(&q, 14);
		m->steal_ns = vmrt_query_int(&q, 15);
		m->clock_error_ns = vmrt_query_int(&q, 16);
		m->clock_segments = vmrt_query_int(&q, 17);
		m->clock_rate_ppb = vmrt_query_int(&q, 18);
		m->clock_source = vmrt_query_text(&q, 19);
		m->record_clock = vmrt_query_text(&q, 20);
		m->contradictions = vmrt_query_int(&q, 21);
	}
	return vmrt_query_end(&q);
}

static enum vmrt_status load_vms(
	struct vmrt_db *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	struct vmrt_vm_facts *vm;
	struct vmrt_query q;

	vmrt_query_begin(
		&q, db, err, "SELECT name, hypervisor, accel, machine FROM vm ORDER BY id");
	while (vmrt_query_next(&q) &&
		(vm = facts_append(&q, &f->vms, &f->n_vms, sizeof(*f->vms)))) {
		vm->name = vmrt_query_name(&q, 0);
		vm->hypervisor = vmrt_query_text(&q, 1);
		vm->accel = vmrt_query_text(&q, 2);
		vm->machine = vmrt_query_int(&q, 3);
	}
	return vmrt_query_end(&q);
}

static enum vmrt_status load_tasks(
	struct vmrt_db *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	struct vmrt_task_facts *t;
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err,
		"SELECT id, machine, machine_name, name, period_ns, wcet_ns, deadline_ns, priority,"
		" missing, uncertain FROM task ORDER BY id");
	while (vmrt_query_next(&q) &&
		(t = facts_append(&q, &f->tasks, &f->n_tasks, sizeof(*f->tasks)))) {
		t->id = vmrt_query_int(&q, 0);
		t->machine = vmrt_query_int(&q, 1);
		t->machine_name = vmrt_query_name(&q, 2);
		t->name = vmrt_query_name(&q, 3);
		t->period_ns = vmrt_query_int(&q, 4);
		t->wcet_ns = vmrt_query_int(&q, 5);
		t->deadline_ns = vmrt_query_int(&q, 6);
		t->priority = (int)vmrt_query_int(&q, 7);
		t->missing = vmrt_query_int(&q, 8);
		t->uncertain = vmrt_query_int(&q, 9) > 0;
		if (t->machine_name && t->name &&
			asprintf(&t->label, "%s/%s", t->machine_name, t->name) < 0) {
			t->label = NULL;
			vmrt_query_no_memory(&q);
		}
	}
	return vmrt_query_end(&q);
}

static enum vmrt_status load_notes(
	struct vmrt_db *db, struct vmrt_run_facts *f, struct vmrt_error *err)
{
	struct vmrt_note_facts *n;
	struct vmrt_query q;

	vmrt_query_begin(&q, db, err, "SELECT about, name, words FROM note ORDER BY rowid");
	while (vmrt_query_next(&q) &&
		(n = facts_append(&q, &f->notes, &f->n_notes, sizeof(*f->notes)))) {
		n->about = vmrt_query_name(&q, 0);
		n->name = vmrt_query_name(&q, 1);
		n->words = vmrt_query_name(&q, 2);
	}
	return vmrt_query_end(&q);
}

const char *vmrt_facts_note(
	const struct vmrt_run_facts *f, const char *about, const char *name, size_t i)
{
	for (size_t k = 0; k < f->n_notes; k++)
		if (!strcmp(f->notes[k].about, about) && !strcmp(f->notes[k].name, name) && !i--)
			return f->notes[k].words;
	return NULL;
}

/* A task about which there is a note gets a mark, which all tables show. */
static enum vmrt_status mark_tasks(struct vmrt_run_facts *f, struct vmrt_error *err)
{
	for (size_t i = 0; i < f->n_tasks; i++) {
		struct vmrt_task_facts *t = &f->tasks[i];

		if (asprintf(&t->marked, "%s%s", t->label,
			    vmrt_facts_note(f, "task", t->label, 0) ? " !" : "") < 0) {
			t->marked = NULL;
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		}
	}
	return VMRT_OK;
}

static void free_task(struct vmrt_task_facts *t)
{
	free(t->machine_name);
	free(t->name);
	free(t->label);
	free(t->marked);
	for (size_t i = 0; i < t->n_worst; i++) {
		free(t->worst[i].cause);
		free(t->worst[i].by);
		free(t->worst[i].parts);
		free(t->worst[i].largest);
		free(t->worst[i].threads);
		free(t->worst[i].segments);
	}
	for (size_t i = 0; i < t->n_causes; i++)
		free(t->causes[i].by);
	free(t->worst);
	vmrt_samples_free(&t->responses);
}

/* An error that says which names there are, the most similar ones first. */
static enum vmrt_status not_there(const char *run, const char *what, const char *wanted,
	const char *const *names, size_t n, struct vmrt_error *err)
{
	char list[VMRT_SIMILAR_TEXT];

	return vmrt_fail(err, VMRT_ENOENT, "%s has no %s '%s'; it has: %s", run, what, wanted,
		vmrt_similar(wanted, names, n, list));
}

/* Marks the servers that are named, all without names. */
static enum vmrt_status select_servers(
	struct vmrt_run_facts *f, const char *run, struct vmrt_error *err)
{
	const char **names = calloc(f->n_servers + 1, sizeof(*names));
	enum vmrt_status status = VMRT_OK;

	if (!names)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t s = 0; s < f->n_servers; s++) {
		f->servers[s].selected = !f->filter.n_servers;
		names[s] = f->servers[s].name;
	}
	for (size_t i = 0; i < f->filter.n_servers && status == VMRT_OK; i++) {
		const char *wanted = f->filter.servers[i];
		bool found = !strcmp(wanted, VMRT_SELECT_NONE);

		for (size_t s = 0; s < f->n_servers; s++)
			if (!strcmp(wanted, names[s]))
				found = f->servers[s].selected = true;
		if (!found)
			status = not_there(run, "server", wanted, names, f->n_servers, err);
	}
	free(names);
	return status;
}

/* Marks the tasks that are named, all without names. */
static enum vmrt_status select_tasks(
	struct vmrt_run_facts *f, const char *run, struct vmrt_error *err)
{
	const char **labels = calloc(f->n_tasks + 1, sizeof(*labels));
	enum vmrt_status status = VMRT_OK;

	if (!labels)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t t = 0; t < f->n_tasks; t++) {
		f->tasks[t].selected = !f->filter.n_tasks;
		labels[t] = f->tasks[t].label;
	}
	for (size_t i = 0; i < f->filter.n_tasks && status == VMRT_OK; i++) {
		const char *wanted = f->filter.tasks[i];
		bool found = !strcmp(wanted, VMRT_SELECT_NONE);

		for (size_t t = 0; t < f->n_tasks; t++)
			if (!strcmp(wanted, labels[t]) || !strcmp(wanted, f->tasks[t].name))
				found = f->tasks[t].selected = true;
		if (!found)
			status = not_there(run, "task", wanted, labels, f->n_tasks, err);
	}
	free(labels);
	return status;
}

enum vmrt_status vmrt_facts_load(const char *run, const struct vmrt_filter *filter,
	struct vmrt_run_facts **out, struct vmrt_error *err)
{
	struct vmrt_run_facts *f = calloc(1, sizeof(*f));
	struct vmrt_db *db = NULL;
	enum vmrt_status status = VMRT_OK;

	*out = NULL;
	if (f) {
		f->origin = strdup(run);
		f->filter = filter ? *filter : VMRT_FILTER_ALL;
	}
	if (!f || !f->origin)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		status = vmrt_db_open(run, &db, err);
	if (status != VMRT_OK)
		goto out;
	status = load_run(db, f, err);
	if (status == VMRT_OK)
		status = load_machines(db, f, err);
	if (status == VMRT_OK)
		status = load_vms(db, f, err);
	if (status == VMRT_OK)
		status = load_tasks(db, f, err);
	if (status == VMRT_OK)
		status = load_notes(db, f, err);
	if (status == VMRT_OK)
		status = mark_tasks(f, err);
	if (status == VMRT_OK)
		status = facts_load_servers(db, f, err);
	if (status == VMRT_OK)
		status = select_servers(f, run, err);
	if (status == VMRT_OK)
		status = facts_load_periods(db, f, err);
	if (status == VMRT_OK)
		status = facts_load_checks(db, f, err);
	if (status == VMRT_OK)
		status = select_tasks(f, run, err);
	for (size_t i = 0; status == VMRT_OK && i < f->n_tasks; i++)
		if (f->tasks[i].selected)
			status = facts_load_task(db, f, &f->tasks[i], err);
	if (status == VMRT_OK && !facts_bounds(f))
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK && vmrt_stop_requested())
		status = vmrt_fail(err, VMRT_EINTR, "%s: interrupted", run);
out:
	vmrt_db_close(db);
	if (status == VMRT_OK)
		*out = f;
	else
		vmrt_facts_free(f);
	return status;
}

void vmrt_facts_free(struct vmrt_run_facts *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_tasks; i++)
		free_task(&f->tasks[i]);
	for (size_t i = 0; i < f->n_servers; i++) {
		free(f->servers[i].name);
		free(f->servers[i].vm);
		free(f->servers[i].policy);
		free(f->servers[i].depletion);
		free(f->servers[i].buckets);
		vmrt_samples_free(&f->servers[i].overshoots);
		vmrt_samples_free(&f->servers[i].latencies);
	}
	for (size_t i = 0; i < f->n_machines; i++) {
		free(f->machines[i].name);
		free(f->machines[i].kind);
		free(f->machines[i].kernel);
		free(f->machines[i].note);
		free(f->machines[i].clock_source);
		free(f->machines[i].record_clock);
	}
	for (size_t i = 0; i < f->n_vms; i++) {
		free(f->vms[i].name);
		free(f->vms[i].hypervisor);
		free(f->vms[i].accel);
	}
	for (size_t i = 0; i < f->n_notes; i++) {
		free(f->notes[i].about);
		free(f->notes[i].name);
		free(f->notes[i].words);
	}
	free(f->notes);
	free(f->tasks);
	free(f->servers);
	free(f->machines);
	free(f->vms);
	free(f->label);
	free(f->origin);
	free(f->version);
	free(f->recorded_at);
	free(f->hostname);
	free(f->command);
	free(f->experiment);
	free(f->uuid);
	free(f);
}

int64_t vmrt_task_missed(const struct vmrt_task_facts *task)
{
	return task->missed_late + task->missed_incomplete;
}

int64_t vmrt_task_known(const struct vmrt_task_facts *task)
{
	return task->met + vmrt_task_missed(task);
}

double vmrt_task_miss_ratio(const struct vmrt_task_facts *task)
{
	int64_t known = vmrt_task_known(task);

	return known ? (double)vmrt_task_missed(task) / (double)known : NAN;
}

double vmrt_task_not_excused_ratio(const struct vmrt_task_facts *task)
{
	int64_t known = vmrt_task_known(task);

	return known ? (double)(vmrt_task_missed(task) - task->excused) / (double)known : NAN;
}

int64_t vmrt_task_doubtful(const struct vmrt_task_facts *task)
{
	return task->deadline_ns == VMRT_UNKNOWN ? 0 : task->unknown;
}

void vmrt_task_add_unsure(
	struct vmrt_task_facts *task, int64_t exec_ns, int64_t unsure_ns, bool missed, bool excused)
{
	bool known = exec_ns != VMRT_UNKNOWN && unsure_ns != VMRT_UNKNOWN;
	int64_t least = known && exec_ns > unsure_ns ? exec_ns - unsure_ns : 0;
	int64_t most = 0;

	if (known && __builtin_add_overflow(exec_ns, unsure_ns, &most))
		most = INT64_MAX;
	if (least > task->exec_least)
		task->exec_least = least;
	if (most > task->exec_most)
		task->exec_most = most;
	task->exec_open += !known;
	if (missed && unsure_ns == VMRT_UNKNOWN)
		task->open_excuses[excused]++;
}

static bool machine_lost(const struct vmrt_run_facts *f, size_t i)
{
	/* of a part of the run, only what was lost in it counts */
	bool part = f->filter.from_ns != VMRT_UNKNOWN || f->filter.to_ns != VMRT_UNKNOWN;

	return f->machines[i].losses > 0 || (!part && f->machines[i].lost > 0);
}

bool vmrt_task_loss(const struct vmrt_run_facts *f, const struct vmrt_task_facts *task)
{
	for (size_t i = 0; i < f->n_machines; i++)
		if (machine_lost(f, i) && (!strcmp(f->machines[i].name, VMRT_HOST) ||
						  !strcmp(f->machines[i].name, task->machine_name)))
			return true;
	return vmrt_task_doubtful(task) > 0;
}

bool vmrt_facts_loss(const struct vmrt_run_facts *f)
{
	for (size_t i = 0; i < f->n_machines; i++)
		if (machine_lost(f, i))
			return true;
	for (size_t i = 0; i < f->n_tasks; i++)
		if (vmrt_task_doubtful(&f->tasks[i]))
			return true;
	return false;
}
