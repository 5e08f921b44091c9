/* SPDX-License-Identifier: MIT */
/* The model takes the engine's records, and has the figures that conditions need. */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model-local.h"

/* ---- records ---- */

static void on_thread(void *ctx, const struct vmrt_thread *thread)
{
	struct top_model *m = ctx;
	size_t id = thread_number(m, thread->id);
	struct top_thread *t;

	if (id >= THREADS_MAX)
		return;
	if (id >= m->threads_room) {
		size_t room = m->threads_room ? m->threads_room : 64;
		struct top_thread *more;

		while (room <= id)
			room *= 2;
		more = realloc(m->threads, room * sizeof(*more));
		if (!more) {
			m->out_of_memory = true;
			return;
		}
		memset(more + m->threads_room, 0, (room - m->threads_room) * sizeof(*more));
		m->threads = more;
		m->threads_room = room;
	}
	if (id >= m->n_threads)
		m->n_threads = id + 1;
	t = &m->threads[id];
	t->machine = thread->machine;
	t->vm = thread->vm;
	t->task = thread->task;
	t->tid = thread->tid;
	t->vcpu = thread->vm != VMRT_NONE && thread->role == VMRT_ROLE_VCPU ? thread->vcpu : -1;
	memcpy(t->comm, thread->comm, sizeof(t->comm));
}

static void on_slice(void *ctx, const struct vmrt_slice *slice)
{
	struct top_model *m = ctx;

	m->slices[m->n_slices++ % TOP_SLICES_MAX] = (struct top_slice){
		.start_ns = slice->start_ns,
		.end_ns = slice->end_ns,
		.thread = thread_number(m, slice->thread),
		.prio = (int16_t)slice->prio,
		.cpu = (uint8_t)slice->cpu,
		.ready = slice->end_state == 0,
	};
}

static void on_period(void *ctx, const struct vmrt_server_period *period)
{
	server_model_period(ctx, period);
}

static void on_job(void *ctx, const struct vmrt_job *job)
{
	task_model_job(ctx, job);
}

static void on_loss(void *ctx, const struct vmrt_loss *loss)
{
	machine_model_loss(ctx, loss);
}

static void on_violation(void *ctx, const struct vmrt_violation *violation)
{
	server_model_violation(ctx, violation);
}

void top_model_sink(struct top_model *m, struct vmrt_sink *sink)
{
	*sink = (struct vmrt_sink){
		.ctx = m,
		.thread = on_thread,
		.slice = on_slice,
		.server_period = on_period,
		.job = on_job,
		.loss = on_loss,
		.violation = on_violation,
	};
}

/* ---- what a user does ---- */

void top_model_reset(struct top_model *m, struct vmrt_engine *engine, int64_t now_ns)
{
	for (size_t i = 0; i < m->n_servers; i++)
		server_model_reset(&m->servers[i]);
	for (size_t i = 0; i < m->n_tasks; i++)
		task_model_reset(&m->tasks[i]);
	machine_model_reset(m, engine);
	/* the numbers of misses continue, since a number identifies a miss of a recording */
	m->n_misses = 0;
	m->seen_misses = m->all_misses;
	m->since_ns = now_ns;
}

void top_model_whole(struct top_model *m)
{
	for (size_t i = 0; i < m->n_tasks; i++)
		task_model_whole(&m->tasks[i]);
}

void top_model_seen(struct top_model *m, const struct top_view *view, bool tasks, bool misses)
{
	if (misses)
		m->seen_misses =
			view->all_misses < m->all_misses ? view->all_misses : m->all_misses;
	for (size_t i = 0; tasks && i < m->n_tasks && i < view->n_tasks; i++)
		m->tasks[i].seen = view->tasks[i].missed < m->tasks[i].missed
					   ? view->tasks[i].missed
					   : m->tasks[i].missed;
}

uint64_t top_model_misses(const struct top_model *m)
{
	return m->all_misses;
}

const struct top_miss *top_model_recent_miss(const struct top_model *m, uint64_t back)
{
	return back < m->n_misses && back < TOP_MISSES_MAX
		       ? &m->misses[(m->n_misses - 1 - back) % TOP_MISSES_MAX]
		       : NULL;
}

void top_model_facts(struct top_model *m, struct vmrt_engine *engine, struct vmrt_run_facts *out)
{
	memset(out, 0, sizeof(*out));
	out->n_tasks = m->n_tasks;
	out->tasks = m->task_facts;
	for (size_t i = 0; i < m->n_tasks; i++) {
		struct task_model *t = &m->tasks[i];
		struct vmrt_task_contradiction found;

		vmrt_engine_task_contradiction(engine, (uint32_t)i, &found);
		t->facts.missing = found.missing;
		t->facts.machine_name = m->config->experiment->tasks[i].machine;
		task_model_percentiles(t);
		t->facts.responses = (struct vmrt_samples){0};
		if (t->responses.exact && t->responses.sorted_n == t->responses.n)
			t->facts.responses = (struct vmrt_samples){.values = t->responses.exact,
				.n = t->responses.n,
				.n_sorted = t->responses.n};
		out->tasks[i] = t->facts;
	}
	out->n_servers = m->n_servers;
	out->servers = m->server_facts;
	for (size_t i = 0; i < m->n_servers; i++)
		server_model_facts(m, engine, i, &out->servers[i]);
	out->n_machines = m->config->n_machines;
	out->machines = m->machine_facts;
	for (size_t i = 0; i < out->n_machines; i++)
		machine_model_facts(m, engine, i, &out->machines[i]);
}

/* ---- beginning and end ---- */

static bool take_room(struct top_model *m)
{
	m->servers = calloc(m->n_servers + 1, sizeof(*m->servers));
	m->server_facts = calloc(m->n_servers + 1, sizeof(*m->server_facts));
	m->tasks = calloc(m->n_tasks + 1, sizeof(*m->tasks));
	m->task_facts = calloc(m->n_tasks + 1, sizeof(*m->task_facts));
	m->machines = calloc(m->n_machines, sizeof(*m->machines));
	m->vm_names = calloc(m->n_vms + 1, sizeof(*m->vm_names));
	m->machine_facts = calloc(m->config->n_machines, sizeof(*m->machine_facts));
	m->slices = malloc(TOP_SLICES_MAX * sizeof(*m->slices));
	m->marks = malloc(TOP_MARKS_MAX * sizeof(*m->marks));
	m->misses = malloc(TOP_MISSES_MAX * sizeof(*m->misses));
	/* writing to all pages now makes the program use as much memory from the beginning as when
	 * the rings are full */
	if (m->slices && m->marks && m->misses) {
		memset(m->slices, 0xff, TOP_SLICES_MAX * sizeof(*m->slices));
		memset(m->marks, 0xff, TOP_MARKS_MAX * sizeof(*m->marks));
		memset(m->misses, 0xff, TOP_MISSES_MAX * sizeof(*m->misses));
	}
	return m->servers && m->server_facts && m->vm_names && m->tasks && m->task_facts &&
	       m->machines && m->machine_facts && m->slices && m->marks && m->misses;
}

enum vmrt_status top_model_new(
	const struct vmrt_engine_config *config, struct top_model **out, struct vmrt_error *err)
{
	struct top_model *m = calloc(1, sizeof(*m));

	if (!m)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	m->config = config;
	m->since_ns = VMRT_UNKNOWN;
	m->n_servers = config->experiment ? config->experiment->n_servers : 0;
	m->n_tasks = config->experiment ? config->experiment->n_tasks : 0;
	m->n_machines = config->n_machines;
	m->n_vms = config->n_vms;
	if (!take_room(m)) {
		top_model_free(m);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < m->n_servers; i++) {
		server_model_begin(&m->servers[i]);
		strcpy(m->servers[i].name, config->experiment->servers[i].name);
	}
	for (size_t i = 0; i < m->n_tasks; i++)
		task_model_begin(m, i);
	for (size_t i = 0; i < m->n_machines; i++)
		snprintf(m->machines[i].name, sizeof(m->machines[i].name), "%s",
			config->machines[i].name);
	for (size_t i = 0; i < m->n_vms; i++)
		snprintf(m->vm_names[i], sizeof(m->vm_names[i]), "%s", config->vms[i].name);
	*out = m;
	return VMRT_OK;
}

void top_model_free(struct top_model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_tasks && m->tasks; i++)
		task_model_free(&m->tasks[i]);
	for (size_t i = 0; i < m->n_servers && m->servers; i++)
		server_model_free(&m->servers[i]);
	free(m->servers);
	free(m->server_facts);
	free(m->tasks);
	free(m->task_facts);
	free(m->machines);
	free(m->vm_names);
	free(m->machine_facts);
	free(m->threads);
	free(m->slices);
	free(m->marks);
	free(m->misses);
	free(m);
}
