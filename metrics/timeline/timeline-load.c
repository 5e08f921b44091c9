/* SPDX-License-Identifier: MIT */
/* Reads a part of a run from its database. */
#include "timeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/rundb.h>

#define LATEST_NS (INT64_MAX / 4) /* of any time: 73 years after the start of the host */

/* Where the slices of a thread go. */
struct owner {
	int64_t thread;
	struct vmrt_spans *spans;
};

struct loader {
	struct vmrt_db *db;
	struct vmrt_error *err;
	const char *run;
	const struct vmrt_tl_wanted *wanted;
	struct vmrt_timeline *tl;
	struct owner *owners; /* by thread */
	size_t n_owners;
};

/* One more element behind @n of @array, zeroed; @room: how many there is room for. NULL without
 * memory. */
static void *append(struct vmrt_query *q, void *array, size_t *n, size_t *room, size_t size)
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

/* Text of column @i, "" for NULL; to be freed. */
static char *text(struct vmrt_query *q, int i)
{
	char *copy = vmrt_query_text(q, i);

	if (!copy && q->status == VMRT_OK)
		copy = strdup("");
	if (!copy && q->status == VMRT_OK)
		vmrt_query_no_memory(q);
	return copy;
}

/* A time of column @i; one that no run can have counts as unknown, so that differences never
 * overflow. */
static int64_t time_of(struct vmrt_query *q, int i)
{
	int64_t ns = vmrt_query_int(q, i);

	return ns < 0 || ns > LATEST_NS ? VMRT_UNKNOWN : ns;
}

static enum vmrt_status load_run(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	struct vmrt_query q;
	bool found = false;

	/* a recording that does not know its start and end has those of its slices */
	vmrt_query_begin(&q, l->db, l->err,
		"SELECT coalesce(start_ns, (SELECT min(start_ns) FROM slice)),"
		" coalesce(end_ns, (SELECT max(end_ns) FROM slice)),"
		" (SELECT min(arrival_ns) FROM job), name, tick_ns FROM run LIMIT 1");
	if (vmrt_query_next(&q)) {
		found = true;
		tl->start = time_of(&q, 0);
		tl->end = time_of(&q, 1);
		tl->first_job = time_of(&q, 2);
		tl->name = text(&q, 3);
		tl->tick = time_of(&q, 4);
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

/* The arrival of the n-th miss of the run; VMRT_UNKNOWN if there are fewer. */
static enum vmrt_status find_miss(struct loader *l, size_t n, int64_t *at)
{
	struct vmrt_query q;

	*at = VMRT_UNKNOWN;
	vmrt_query_begin(&q, l->db, l->err,
		"SELECT coalesce(arrival_ns, start_ns, end_ns, deadline_ns) FROM job"
		" WHERE outcome IN ('missed', 'missed_incomplete') ORDER BY 1 LIMIT 1 OFFSET ?1");
	vmrt_query_bind(&q, 1, (int64_t)n - 1);
	if (vmrt_query_next(&q))
		*at = time_of(&q, 0);
	return vmrt_query_end(&q);
}

static int64_t within(int64_t at, int64_t least, int64_t most)
{
	return at < least ? least : at > most ? most : at;
}

static enum vmrt_status choose_part(struct loader *l)
{
	const struct vmrt_tl_wanted *w = l->wanted;
	struct vmrt_timeline *tl = l->tl;
	int64_t length = tl->end - tl->start, miss;
	char from[VMRT_UNITS_TEXT], to[VMRT_UNITS_TEXT], all[VMRT_UNITS_TEXT];
	enum vmrt_status status;

	tl->from = w->from != VMRT_UNKNOWN ? tl->start + within(w->from, 0, length)
		   : w->from_first_job && tl->first_job > tl->start && tl->first_job < tl->end
			   ? tl->first_job
			   : tl->start;
	tl->to = w->to != VMRT_UNKNOWN ? tl->start + within(w->to, 0, length) : tl->end;
	if (w->around_misses) {
		status = find_miss(l, w->around_misses, &miss);
		if (status != VMRT_OK)
			return status;
		if (miss == VMRT_UNKNOWN)
			return vmrt_fail(l->err, VMRT_ENOENT, "%s has fewer than %zu misses",
				l->run, w->around_misses);
		tl->from = within(miss - w->window / 3, tl->start, tl->end);
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
		(m = append(&q, &tl->machines, &tl->n_machines, &room, sizeof(*m)))) {
		m->id = vmrt_query_int(&q, 0);
		m->name = text(&q, 1);
		m->host = vmrt_query_int(&q, 2) > 0;
		m->cpus = vmrt_query_int(&q, 3);
		m->error = vmrt_query_int(&q, 4);
	}
	return vmrt_query_end(&q);
}

/* Is the one so called among @names? An empty list has all. */
static bool is_wanted(const char *const *names, size_t n, const char *name, const char *label)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name) || !strcmp(names[i], label))
			return true;
	return !n;
}

/* An error if one of @names was not found among the @n that there are. */
static enum vmrt_status all_found(struct loader *l, const char *what, const char *const *names,
	size_t n_names, const char *const *have, size_t n)
{
	char list[256] = "none";
	size_t used = 0;

	for (size_t i = 0; i < n && used < sizeof(list); i += 2)
		used += (size_t)snprintf(
			list + used, sizeof(list) - used, "%s%s", i ? ", " : "", have[i]);
	for (size_t i = 0; i < n_names; i++) {
		bool found = !strcmp(names[i], VMRT_SELECT_NONE);

		for (size_t j = 0; j < n; j++)
			found = found || !strcmp(names[i], have[j]);
		if (!found)
			return vmrt_fail(l->err, VMRT_ENOENT, "%s has no %s '%s'; it has: %s",
				l->run, what, names[i], list);
	}
	return VMRT_OK;
}

static void free_task(struct vmrt_tl_task *t)
{
	free(t->label);
	free(t->name);
	free(t->machine_name);
	free(t->jobs);
	free(t->spans.all);
	free(t->blames);
}

static enum vmrt_status load_tasks(struct loader *l)
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
		(t = append(&q, &tl->tasks, &tl->n_tasks, &room, sizeof(*t)))) {
		t->id = vmrt_query_int(&q, 0);
		t->machine = vmrt_query_int(&q, 1);
		t->machine_name = text(&q, 2);
		t->name = text(&q, 3);
		t->label = text(&q, 4);
		t->period = time_of(&q, 5);
		t->deadline = time_of(&q, 6);
		t->wcet = time_of(&q, 7);
		t->priority = vmrt_query_int(&q, 8);
		t->tid = vmrt_query_int(&q, 9);
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	have = calloc(2 * tl->n_tasks + 1, sizeof(*have));
	if (!have)
		return vmrt_fail(l->err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < tl->n_tasks; i++) {
		have[2 * i] = tl->tasks[i].label;
		have[2 * i + 1] = tl->tasks[i].name;
	}
	status = all_found(l, "task", l->wanted->tasks, l->wanted->n_tasks, have, 2 * tl->n_tasks);
	free(have);
	for (size_t i = 0; i < tl->n_tasks; i++) {
		if (is_wanted(l->wanted->tasks, l->wanted->n_tasks, tl->tasks[i].name,
			    tl->tasks[i].label))
			tl->tasks[kept++] = tl->tasks[i];
		else
			free_task(&tl->tasks[i]);
	}
	tl->n_tasks = kept;
	return status;
}

/* The index of a word in a list that grows; -1: there is none, or too many are in it. */
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

static enum vmrt_status load_jobs(struct loader *l, struct vmrt_tl_task *t)
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
		(j = append(&q, &t->jobs, &t->n_jobs, &t->room, sizeof(*j)))) {
		j->k = vmrt_query_int(&q, 0);
		j->arrival = time_of(&q, 1);
		j->release = time_of(&q, 2);
		j->start = time_of(&q, 3);
		j->end = time_of(&q, 4);
		j->deadline = time_of(&q, 5);
		j->response = time_of(&q, 6);
		j->exec = time_of(&q, 7);
		j->preemptions = (int32_t)within(vmrt_query_int(&q, 8), 0, INT32_MAX);
		j->migrations = (int32_t)within(vmrt_query_int(&q, 9), 0, INT32_MAX);
		j->excused = vmrt_query_int(&q, 10) > 0;
		j->outcome = (uint8_t)find_outcome(vmrt_query_string(&q, 11));
		j->cause = find_word(l->tl->causes, &l->tl->n_causes, vmrt_query_string(&q, 12));
	}
	return vmrt_query_end(&q);
}

/* Where the time of jobs went. */
static enum vmrt_status load_blames(struct loader *l, struct vmrt_tl_task *t)
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
		b = append(&q, &t->blames, &t->n_blames, &t->blames_room, sizeof(*b));
		if (!b)
			break;
		b->k = vmrt_query_int(&q, 0);
		b->part = part;
		b->ns = vmrt_query_int(&q, 2);
	}
	return vmrt_query_end(&q);
}

static enum vmrt_status load_servers(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	const char **have;
	struct vmrt_tl_server *s;
	enum vmrt_status status;
	struct vmrt_query q;
	size_t room = 0, kept = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT id, vm, name, policy, period_ns, budget_ns, enforced, vcpu FROM server"
		" ORDER BY priority DESC, id");
	while (vmrt_query_next(&q) &&
		(s = append(&q, &tl->servers, &tl->n_servers, &room, sizeof(*s)))) {
		s->id = vmrt_query_int(&q, 0);
		s->vm = vmrt_query_int(&q, 1);
		s->name = text(&q, 2);
		s->policy = text(&q, 3);
		s->period = time_of(&q, 4);
		s->budget = time_of(&q, 5);
		s->enforced = vmrt_query_int(&q, 6) > 0;
		s->vcpu = vmrt_query_int(&q, 7);
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	have = calloc(2 * tl->n_servers + 1, sizeof(*have));
	if (!have)
		return vmrt_fail(l->err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < tl->n_servers; i++)
		have[2 * i] = have[2 * i + 1] = tl->servers[i].name;
	status = all_found(
		l, "server", l->wanted->servers, l->wanted->n_servers, have, 2 * tl->n_servers);
	free(have);
	for (size_t i = 0; i < tl->n_servers; i++) {
		s = &tl->servers[i];
		if (is_wanted(l->wanted->servers, l->wanted->n_servers, s->name, s->name)) {
			tl->servers[kept++] = *s;
		} else {
			free(s->name);
			free(s->policy);
		}
	}
	tl->n_servers = kept;
	return status;
}

static enum vmrt_status load_periods(struct loader *l, struct vmrt_tl_server *s)
{
	struct vmrt_tl_period *p;
	struct vmrt_query q;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT k, start_ns, end_ns, budget_ns, replenished_ns, depleted_ns, consumed_ns,"
		" outcome <> 'unenforced' FROM server_period"
		" WHERE server = ?1 AND start_ns < ?3 AND end_ns > ?2 ORDER BY k");
	vmrt_query_bind(&q, 1, s->id);
	vmrt_query_bind(&q, 2, l->tl->from);
	vmrt_query_bind(&q, 3, l->tl->to);
	while (vmrt_query_next(&q)) {
		if (time_of(&q, 1) == VMRT_UNKNOWN || time_of(&q, 2) == VMRT_UNKNOWN ||
			time_of(&q, 3) == VMRT_UNKNOWN)
			continue;
		p = append(&q, &s->periods, &s->n_periods, &s->room, sizeof(*p));
		if (!p)
			break;
		p->k = vmrt_query_int(&q, 0);
		p->start = time_of(&q, 1);
		p->end = time_of(&q, 2);
		p->budget = time_of(&q, 3);
		p->replenished = time_of(&q, 4);
		p->depleted = time_of(&q, 5);
		p->consumed = time_of(&q, 6);
		p->enforced = s->enforced && vmrt_query_int(&q, 7) > 0;
	}
	return vmrt_query_end(&q);
}

/* vCPU threads that are no task themselves; with servers or tasks named, those of their VMs only.
 */
static enum vmrt_status load_vcpus(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	bool all = !l->wanted->n_tasks && !l->wanted->n_servers;
	struct vmrt_tl_vcpu *v, one;
	struct vmrt_query q;
	size_t room = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT t.id, v.id, v.machine, t.vcpu, t.tid, v.name || ' vCPU ' || "
		"coalesce(t.vcpu, '?')"
		" FROM thread t JOIN vm v ON v.id = t.vm WHERE t.role = 'vcpu' AND t.task IS NULL"
		" ORDER BY v.name, t.vcpu, t.id");
	while (vmrt_query_next(&q)) {
		bool wanted = all;

		one = (struct vmrt_tl_vcpu){.thread = vmrt_query_int(&q, 0),
			.vm = vmrt_query_int(&q, 1),
			.machine = vmrt_query_int(&q, 2),
			.vcpu = vmrt_query_int(&q, 3),
			.tid = vmrt_query_int(&q, 4)};
		for (size_t i = 0; i < tl->n_tasks; i++)
			wanted = wanted || (l->wanted->n_tasks && one.machine != VMRT_UNKNOWN &&
						   tl->tasks[i].machine == one.machine);
		for (size_t i = 0; i < tl->n_servers; i++)
			wanted = wanted || (l->wanted->n_servers && tl->servers[i].vm == one.vm &&
						   (tl->servers[i].vcpu == VMRT_UNKNOWN ||
							   tl->servers[i].vcpu == one.vcpu));
		if (!wanted)
			continue;
		v = append(&q, &tl->vcpus, &tl->n_vcpus, &room, sizeof(*v));
		if (!v)
			break;
		*v = one;
		v->name = text(&q, 5);
	}
	return vmrt_query_end(&q);
}

static int by_thread(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return (x->thread > y->thread) - (x->thread < y->thread);
}

static enum vmrt_status find_owners(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	struct owner *o;
	struct vmrt_query q;
	size_t room = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT id, task FROM thread WHERE task IS NOT NULL ORDER BY id");
	while (vmrt_query_next(&q)) {
		int64_t task = vmrt_query_int(&q, 1);

		for (size_t i = 0; i < tl->n_tasks; i++) {
			if (tl->tasks[i].id != task)
				continue;
			o = append(&q, &l->owners, &l->n_owners, &room, sizeof(*o));
			if (o)
				*o = (struct owner){vmrt_query_int(&q, 0), &tl->tasks[i].spans};
		}
	}
	for (size_t i = 0; q.status == VMRT_OK && i < tl->n_vcpus; i++) {
		o = append(&q, &l->owners, &l->n_owners, &room, sizeof(*o));
		if (o)
			*o = (struct owner){tl->vcpus[i].thread, &tl->vcpus[i].spans};
	}
	if (l->n_owners)
		qsort(l->owners, l->n_owners, sizeof(*l->owners), by_thread);
	return vmrt_query_end(&q);
}

static enum vmrt_status load_slices(struct loader *l)
{
	struct vmrt_span *s;
	struct vmrt_query q;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT thread, cpu, start_ns, end_ns, end_state FROM slice"
		" WHERE start_ns < ?2 AND end_ns > ?1 ORDER BY start_ns");
	vmrt_query_bind(&q, 1, l->tl->from);
	vmrt_query_bind(&q, 2, l->tl->to);
	while (vmrt_query_next(&q)) {
		struct owner key = {.thread = vmrt_query_int(&q, 0)};
		const struct owner *o =
			l->n_owners ? bsearch(&key, l->owners, l->n_owners, sizeof(key), by_thread)
				    : NULL;

		if (!o || time_of(&q, 2) == VMRT_UNKNOWN || time_of(&q, 3) == VMRT_UNKNOWN)
			continue;
		s = append(&q, &o->spans->all, &o->spans->n, &o->spans->room, sizeof(*s));
		if (!s)
			break;
		s->cpu = (int32_t)within(vmrt_query_int(&q, 1), 0, INT32_MAX);
		s->start = time_of(&q, 2);
		s->end = time_of(&q, 3);
		s->end_state = vmrt_query_int(&q, 4) != 0;
		/* two slices of one row never overlap; a clock's error may make it seem so */
		if (o->spans->n > 1 && s->start < s[-1].end)
			s->start = s[-1].end;
		if (s->end < s->start)
			s->end = s->start;
	}
	return vmrt_query_end(&q);
}

static enum vmrt_status load_losses(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	struct vmrt_tl_loss *loss;
	struct vmrt_query q;
	size_t room = 0;

	vmrt_query_begin(&q, l->db, l->err,
		"SELECT machine, cpu, coalesce(from_ns, ?1), coalesce(to_ns, ?2), events, kind "
		"FROM "
		"loss"
		" WHERE coalesce(from_ns, ?1) < ?2 AND coalesce(to_ns, ?2) > ?1 ORDER BY 3, 1, 2");
	vmrt_query_bind(&q, 1, tl->from);
	vmrt_query_bind(&q, 2, tl->to);
	while (vmrt_query_next(&q)) {
		if (time_of(&q, 2) == VMRT_UNKNOWN || time_of(&q, 3) == VMRT_UNKNOWN)
			continue;
		loss = append(&q, &tl->losses, &tl->n_losses, &room, sizeof(*loss));
		if (!loss)
			break;
		const char *kind = vmrt_query_string(&q, 5);

		loss->machine = vmrt_query_int(&q, 0);
		loss->cpu = vmrt_query_int(&q, 1);
		loss->from = time_of(&q, 2);
		loss->to = time_of(&q, 3);
		loss->events = vmrt_query_int(&q, 4);
		snprintf(loss->kind, sizeof(loss->kind), "%s", kind ? kind : "");
	}
	return vmrt_query_end(&q);
}

static enum vmrt_status load_all(struct loader *l)
{
	struct vmrt_timeline *tl = l->tl;
	enum vmrt_status (*const steps[])(struct loader *) = {
		load_run, choose_part, load_machines, load_tasks, load_servers};
	enum vmrt_status (*const slices[])(struct loader *) = {
		load_vcpus, find_owners, load_slices, load_losses};
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; status == VMRT_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
		status = steps[i](l);
	for (size_t i = 0; status == VMRT_OK && i < tl->n_tasks; i++)
		status = load_jobs(l, &tl->tasks[i]);
	for (size_t i = 0; status == VMRT_OK && i < tl->n_tasks; i++)
		status = load_blames(l, &tl->tasks[i]);
	if (l->wanted->jobs_only)
		return status;
	for (size_t i = 0; status == VMRT_OK && i < tl->n_servers; i++)
		status = load_periods(l, &tl->servers[i]);
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
		free_task(&tl->tasks[i]);
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
