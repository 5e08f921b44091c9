/* SPDX-License-Identifier: MIT */
/* Makes copies of the model. Screens are made from these copies, so that a paused screen does not
 * change. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model-local.h"

#define PATIENCE_NS VMRT_NS_PER_S /* without a job; then a task without a period is quiet */
#define ALIGN 16

/* ---- memory: one block that holds all lists of a view ---- */

struct arena {
	char *at;
	size_t used;
};

/* Takes memory from the arena; if a->at is NULL, only adds up how much is needed. */
static void *take(struct arena *a, size_t n, size_t size)
{
	void *p = a->at ? a->at + a->used : NULL;

	a->used += (n * size + ALIGN - 1) / ALIGN * ALIGN;
	return p;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static size_t vcpus_of(const struct vmrt_engine_vm *vm)
{
	size_t n = 0;

	for (size_t i = 0; i < vm->n_threads; i++)
		n += vm->threads[i].role == VMRT_ROLE_VCPU;
	return n;
}

static void lay_out(const struct top_model *m, struct arena *a, struct top_view *v)
{
	v->n_servers = m->n_servers;
	v->servers = take(a, v->n_servers, sizeof(*v->servers));
	v->n_tasks = m->n_tasks;
	v->tasks = take(a, v->n_tasks, sizeof(*v->tasks));
	v->n_machines = m->config->n_machines;
	v->machines = take(a, v->n_machines, sizeof(*v->machines));
	v->n_vms = m->config->n_vms;
	v->vms = take(a, v->n_vms, sizeof(*v->vms));
	v->n_threads = m->n_threads;
	v->threads = take(a, v->n_threads, sizeof(*v->threads));
	v->n_slices = (size_t)least(m->n_slices, TOP_SLICES_MAX);
	/* and one for each thread that is running */
	v->slices = take(a, v->n_slices + m->n_threads, sizeof(*v->slices));
	v->n_marks = (size_t)least(m->n_marks, TOP_MARKS_MAX);
	v->marks = take(a, v->n_marks, sizeof(*v->marks));
	v->n_misses = (size_t)least(m->n_misses, TOP_MISSES_MAX);
	v->misses = take(a, v->n_misses, sizeof(*v->misses));
	for (size_t i = 0; i < m->n_servers; i++) {
		size_t n = (size_t)least(m->servers[i].n_recent, TOP_RECENT_PERIODS);
		void *list = take(a, n, sizeof(struct vmrt_server_period));

		if (!a->at)
			continue;
		v->servers[i].recent = list;
		v->servers[i].n_recent = n;
	}
	for (size_t i = 0; i < m->n_tasks; i++) {
		size_t n = (size_t)least(m->tasks[i].n_recent, TOP_RECENT_JOBS);
		void *list = take(a, n, sizeof(struct top_job));
		void *buckets = m->tasks[i].responses.buckets
					? take(a, TOP_BUCKETS, sizeof(uint64_t))
					: NULL;

		if (!a->at)
			continue;
		v->tasks[i].recent = list;
		v->tasks[i].n_recent = n;
		v->tasks[i].buckets = buckets;
	}
	for (size_t i = 0; i < v->n_vms; i++) {
		size_t n = vcpus_of(&m->config->vms[i]);
		void *list = take(a, n, sizeof(struct top_thread));

		if (!a->at)
			continue;
		v->vms[i].vcpus = list;
		v->vms[i].n_vcpus = n;
	}
}

/* The memory for the lists when the rings of the timeline are full. */
static size_t most_of(const struct top_model *m)
{
	struct top_model full = *m;
	struct top_view view = {0};
	struct arena arena = {0};

	full.n_slices = TOP_SLICES_MAX;
	full.n_marks = TOP_MARKS_MAX;
	full.n_misses = TOP_MISSES_MAX;
	lay_out(&full, &arena, &view);
	return arena.used;
}

/* Copies the last @n entries of a ring that has received @total entries, in their order. */
static void unroll(void *to, const void *ring, uint64_t total, size_t n, size_t room, size_t size)
{
	size_t first = total > room ? (size_t)(total % room) : 0, part = n - first;

	if (total <= room) {
		memcpy(to, ring, n * size);
		return;
	}
	memcpy(to, (const char *)ring + first * size, part * size);
	memcpy((char *)to + part * size, ring, first * size);
}

/* ---- rows ---- */

static void view_server(struct top_model *m, struct vmrt_engine *engine, size_t i, int64_t now_ns,
	struct top_server_row *row)
{
	const struct server_model *s = &m->servers[i];
	struct vmrt_server_now now;

	vmrt_engine_server_now(engine, i, &now);
	snprintf(row->name, sizeof(row->name), "%s", now.server->name);
	snprintf(row->vm, sizeof(row->vm), "%s", m->config->experiment->servers[i].vm);
	row->policy = now.server->policy;
	row->enforced = now.server->enforced;
	row->stopped = now.stopped;
	row->priority = now.server->priority;
	row->vm_index = now.server->vm;
	row->vcpu = now.server->vcpu;
	row->period_ns = now.server->period_ns;
	row->budget_ns = now.server->budget_ns;
	row->period_start_ns = now.period_start_ns;
	row->used_ns = now.consumed_ns;
	row->soft_ns = now.background_ns;
	row->depleted_ns = now.depleted_ns;
	row->max_ns = s->max_ns;
	row->periods = s->periods;
	row->depletions = s->depletions;
	row->overruns = s->overruns;
	if (now.absent)
		row->state = TOP_SERVER_ABSENT;
	else if (now.depleted)
		row->state = now.running ? TOP_SERVER_BACKGROUND : TOP_SERVER_DEPLETED;
	else if (now.running)
		row->state = TOP_SERVER_RUNNING;
	else
		row->state = now.waiting ? TOP_SERVER_WAITING : TOP_SERVER_IDLE;
	server_model_share(s, &now, now_ns, row);
	server_model_facts(m, engine, i, &row->facts);
	row->facts.overshoots = (struct vmrt_samples){0}; /* stays with the model */
	unroll(row->recent, s->recent, s->n_recent, row->n_recent, TOP_RECENT_PERIODS,
		sizeof(*row->recent));
	row->n_curve = vmrt_engine_supply_now(engine, i, row->curve, TOP_CURVE_MAX);
	row->unmanaged_period_ns = row->unmanaged_supply_ns = VMRT_UNKNOWN;
	if (row->vm_index != VMRT_NONE && !row->enforced) {
		struct vmrt_unmanaged unmanaged;

		if (vmrt_engine_unmanaged_now(engine, row->vm_index, &unmanaged)) {
			row->unmanaged_period_ns = unmanaged.period_p50_ns;
			row->unmanaged_supply_ns = unmanaged.supply_p50_ns;
		}
	}
}

static enum top_task_state task_state(const struct task_model *t, const struct top_task_row *row,
	int64_t patience, int64_t now_ns)
{
	if (row->machine_index == VMRT_NONE)
		return TOP_TASK_UNSEEN;
	if (now_ns == VMRT_UNKNOWN)
		return t->state;
	if (row->open_deadline_ns != VMRT_UNKNOWN)
		return row->open_deadline_ns < now_ns ? TOP_TASK_OVERDUE : t->state;
	if (t->last_end_ns != VMRT_UNKNOWN && now_ns - t->last_end_ns > patience)
		return TOP_TASK_QUIET;
	return t->state;
}

static uint32_t machine_called(const struct top_model *m, const char *name)
{
	for (size_t i = 0; i < m->config->n_machines; i++)
		if (!strcmp(m->config->machines[i].name, name))
			return (uint32_t)i;
	return VMRT_NONE;
}

static void view_task(struct top_model *m, const struct vmrt_engine *engine, size_t i,
	int64_t now_ns, struct top_task_row *row)
{
	const struct vmrt_task_spec *spec = &m->config->experiment->tasks[i];
	struct task_model *t = &m->tasks[i];
	int64_t deadline_ns;

	snprintf(row->machine, sizeof(row->machine), "%s", spec->machine);
	snprintf(row->name, sizeof(row->name), "%s", spec->name);
	row->machine_index = machine_called(m, spec->machine);
	row->period_ns = spec->period_ns ? spec->period_ns : VMRT_UNKNOWN;
	row->wcet_ns = spec->wcet_ns ? spec->wcet_ns : VMRT_UNKNOWN;
	row->deadline_ns = spec->deadline_ns ? spec->deadline_ns : VMRT_UNKNOWN;
	row->jobs = t->jobs;
	row->known = t->known;
	row->missed = t->missed;
	row->excused = t->excused;
	row->unknown = t->unknown;
	row->fresh = t->missed - t->seen;
	row->last_ns = t->last_ns;
	row->max_ns = t->max_ns;
	row->max_k = t->max_k;
	row->p99_ns = top_responses_p99(&t->responses, &row->p99_approximate);
	row->open_deadline_ns = vmrt_engine_task_open(engine, (uint32_t)i, &deadline_ns)
					? deadline_ns
					: VMRT_UNKNOWN;
	row->state = task_state(t, row,
		spec->period_ns ? 2 * spec->period_ns + spec->deadline_ns : PATIENCE_NS, now_ns);
	task_model_percentiles(t);
	row->facts = t->facts;
	row->facts.responses = (struct vmrt_samples){0}; /* stays with the model */
	memcpy(row->blame_ns, t->blame_ns, sizeof(row->blame_ns));
	memcpy(row->blamed_jobs, t->blamed_jobs, sizeof(row->blamed_jobs));
	unroll(row->recent, t->recent, t->n_recent, row->n_recent, TOP_RECENT_JOBS,
		sizeof(*row->recent));
	if (row->buckets)
		memcpy((void *)(uintptr_t)row->buckets, t->responses.buckets,
			TOP_BUCKETS * sizeof(uint64_t));
}

static void view_vm(struct top_model *m, size_t i, struct top_vm_row *row)
{
	const struct vmrt_engine_vm *vm = &m->config->vms[i];
	size_t n = 0;

	snprintf(row->name, sizeof(row->name), "%s", vm->name);
	row->recorded = vm->machine != VMRT_NONE;
	for (size_t k = 0; k < vm->n_threads && n < row->n_vcpus; k++) {
		if (vm->threads[k].role != VMRT_ROLE_VCPU)
			continue;
		row->vcpus[n] = (struct top_thread){.machine = 0,
			.vm = (uint32_t)i,
			.task = VMRT_NONE,
			.tid = vm->threads[k].tid,
			.vcpu = vm->threads[k].vcpu};
		snprintf(row->vcpus[n].comm, sizeof(row->vcpus[n].comm), "%s", vm->threads[k].comm);
		n++;
	}
}

/* Copies the runs; a run that has not ended is shown until now. */
static void view_slices(
	struct top_model *m, const struct vmrt_engine *engine, int64_t now_ns, struct top_view *v)
{
	unroll(v->slices, m->slices, m->n_slices, v->n_slices, TOP_SLICES_MAX, sizeof(*v->slices));
	for (size_t i = m->first_thread; i < m->n_threads; i++) {
		const struct top_thread *t = &m->threads[i];
		struct vmrt_thread_now now;

		if ((t->vm == VMRT_NONE && t->task == VMRT_NONE) ||
			!vmrt_engine_thread_now(engine, t->machine, t->tid, &now) || !now.running ||
			now.since_ns == VMRT_UNKNOWN || now.since_ns >= now_ns)
			continue;
		v->slices[v->n_slices++] = (struct top_slice){.start_ns = now.since_ns,
			.end_ns = now_ns,
			.thread = (uint32_t)i,
			.prio = (int16_t)now.prio,
			.cpu = (uint8_t)now.cpu};
	}
}

enum vmrt_status top_model_view(struct top_model *m, struct vmrt_engine *engine, int64_t start_ns,
	int64_t now_ns, struct top_view *view)
{
	struct top_view fresh = {.start_ns = start_ns,
		.now_ns = now_ns,
		.since_ns = m->since_ns,
		.clock_error_ns = VMRT_UNKNOWN,
		.arena = view->arena,
		.arena_room = view->arena_room};
	struct arena arena = {0};

	if (m->out_of_memory)
		return VMRT_ENOMEM;
	lay_out(m, &arena, &fresh);
	if (arena.used > fresh.arena_room || !fresh.arena) {
		size_t room = most_of(m) + arena.used / 4 + ALIGN;

		free(fresh.arena);
		view->arena = NULL;
		view->arena_room = 0;
		fresh.arena = malloc(room);
		if (!fresh.arena)
			return VMRT_ENOMEM;
		fresh.arena_room = room;
		memset(fresh.arena, 0xff, room);
	}
	arena = (struct arena){.at = fresh.arena};
	lay_out(m, &arena, &fresh);
	fresh.steal_ns = m->steal_ns;
	fresh.lost_at_least = m->lost_at_least;
	fresh.all_misses = m->all_misses;
	fresh.seen_misses = m->seen_misses;
	for (size_t i = 0; i < m->n_servers; i++)
		view_server(m, engine, i, now_ns, &fresh.servers[i]);
	for (size_t i = 0; i < m->n_tasks; i++)
		view_task(m, engine, i, now_ns, &fresh.tasks[i]);
	for (size_t i = 0; i < fresh.n_vms; i++)
		view_vm(m, i, &fresh.vms[i]);
	machine_model_rows(m, engine, now_ns, &fresh);
	if (m->n_threads)
		memcpy(fresh.threads, m->threads, m->n_threads * sizeof(*m->threads));
	view_slices(m, engine, now_ns, &fresh);
	unroll(fresh.marks, m->marks, m->n_marks, fresh.n_marks, TOP_MARKS_MAX,
		sizeof(*fresh.marks));
	unroll(fresh.misses, m->misses, m->n_misses, fresh.n_misses, TOP_MISSES_MAX,
		sizeof(*fresh.misses));
	*view = fresh;
	return VMRT_OK;
}

void top_view_free(struct top_view *view)
{
	free(view->arena);
	*view = (struct top_view){0};
}
