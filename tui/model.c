/* SPDX-License-Identifier: MIT */
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "responses.h"

#define PATIENCE_NS VMRT_NS_PER_S /* until a task without period is quiet */
#define SAMPLES 128		  /* points kept of a sliding window */
#define SAMPLE_EVERY_NS (TOP_WINDOW_NS / 100)
#define SHORTEST_WINDOW_NS (50 * VMRT_NS_PER_MS) /* shares of less are mere chance */
#define VM_PERIOD_NS (100 * VMRT_NS_PER_MS)	 /* accounting grid of a VM without a server */

/* What a server got since the beginning, at some times of the recent past. */
struct sample {
	int64_t at_ns, all_ns, background_ns;
};

struct server_model {
	struct sample samples[SAMPLES];
	unsigned first, n;
	int64_t all_ns, background_ns; /* of the periods that are over */
	int64_t max_ns;
	uint64_t periods, depletions;
};

struct task_model {
	uint64_t jobs, known, missed, excused, unknown;
	int64_t last_ns, max_ns, max_k;
	int64_t last_end_ns;
	enum top_task_state state;
	struct top_responses responses;
};

struct top_model {
	const struct vmrt_engine_config *config;
	struct server_model *servers;
	size_t n_servers;
	struct task_model *tasks;
	size_t n_tasks;
	bool lost_at_least;
	int64_t steal_ns;
	bool out_of_memory;
};

/* ---- records ---- */

static void add_sample(struct server_model *s, int64_t at_ns)
{
	struct sample *last = &s->samples[(s->first + s->n + SAMPLES - 1) % SAMPLES];

	if (s->n && at_ns - last->at_ns < SAMPLE_EVERY_NS)
		return;
	s->samples[(s->first + s->n) % SAMPLES] =
		(struct sample){at_ns, s->all_ns, s->background_ns};
	if (s->n < SAMPLES)
		s->n++;
	else
		s->first = (s->first + 1) % SAMPLES;
}

static void on_period(void *ctx, const struct vmrt_server_period *p)
{
	struct top_model *m = ctx;
	struct server_model *s;

	if (p->server >= m->n_servers)
		return;
	s = &m->servers[p->server];
	/* the first period may have begun before anything is known */
	if (!s->n)
		add_sample(s, p->start_ns);
	s->all_ns += p->consumed_ns + p->background_ns;
	s->background_ns += p->background_ns;
	add_sample(s, p->end_ns);
	s->periods++;
	s->depletions += p->depleted_ns != VMRT_UNKNOWN;
	if (p->outcome != VMRT_PERIOD_TRUNCATED && p->outcome != VMRT_PERIOD_UNKNOWN &&
		(s->max_ns == VMRT_UNKNOWN || p->consumed_ns > s->max_ns))
		s->max_ns = p->consumed_ns;
}

static void on_job(void *ctx, const struct vmrt_job *job)
{
	struct top_model *m = ctx;
	bool missed = job->outcome == VMRT_OUTCOME_MISSED ||
		      job->outcome == VMRT_OUTCOME_MISSED_INCOMPLETE;
	struct task_model *t;

	if (job->task >= m->n_tasks)
		return;
	t = &m->tasks[job->task];
	t->jobs++;
	if (missed || job->outcome == VMRT_OUTCOME_MET) {
		t->known++;
		t->missed += missed;
		t->excused += missed && job->excused;
		t->state = missed ? TOP_TASK_MISSED : TOP_TASK_MET;
	} else {
		t->unknown++;
		t->state = TOP_TASK_UNKNOWN;
	}
	if (job->end_ns != VMRT_UNKNOWN)
		t->last_end_ns = job->end_ns;
	if ((job->outcome != VMRT_OUTCOME_MET && job->outcome != VMRT_OUTCOME_MISSED) ||
		job->response_ns == VMRT_UNKNOWN)
		return;
	t->last_ns = job->response_ns;
	if (t->max_ns == VMRT_UNKNOWN || job->response_ns > t->max_ns) {
		t->max_ns = job->response_ns;
		t->max_k = job->k;
	}
	if (top_responses_add(&t->responses, job->response_ns) != VMRT_OK)
		m->out_of_memory = true;
}

static void on_loss(void *ctx, const struct vmrt_loss *loss)
{
	struct top_model *m = ctx;

	if (loss->kind == VMRT_LOSS_STEAL)
		m->steal_ns += loss->to_ns - loss->from_ns;
	else if (!loss->events)
		m->lost_at_least = true;
}

void top_model_sink(struct top_model *m, struct vmrt_sink *sink)
{
	*sink = (struct vmrt_sink){
		.ctx = m, .server_period = on_period, .job = on_job, .loss = on_loss};
}

/* ---- the view ---- */

/* What was received until @at_ns, between two samples in proportion. */
static struct sample sample_at(
	const struct server_model *s, const struct sample *now, int64_t at_ns)
{
	struct sample after = *now;

	for (unsigned i = s->n; i-- > 0;) {
		const struct sample *before = &s->samples[(s->first + i) % SAMPLES];
		double part;

		if (before->at_ns > at_ns) {
			after = *before;
			continue;
		}
		if (after.at_ns <= before->at_ns)
			return *before;
		part = (double)(at_ns - before->at_ns) / (double)(after.at_ns - before->at_ns);
		return (struct sample){
			.at_ns = at_ns,
			.all_ns = before->all_ns +
				  (int64_t)(part * (double)(after.all_ns - before->all_ns)),
			.background_ns = before->background_ns +
					 (int64_t)(part * (double)(after.background_ns -
								   before->background_ns)),
		};
	}
	return after;
}

static void view_share(const struct server_model *s, const struct vmrt_server_now *state,
	int64_t now_ns, struct top_server_row *row)
{
	struct sample now = {
		.at_ns = now_ns,
		.all_ns = s->all_ns + state->consumed_ns + state->background_ns,
		.background_ns = s->background_ns + state->background_ns,
	};
	struct sample then;

	row->share = row->background = NAN;
	if (now_ns == VMRT_UNKNOWN)
		return;
	then = sample_at(s, &now, now_ns - TOP_WINDOW_NS);
	if (now.at_ns - then.at_ns < SHORTEST_WINDOW_NS)
		return;
	row->share = (double)(now.all_ns - then.all_ns) / (double)(now.at_ns - then.at_ns);
	row->background =
		(double)(now.background_ns - then.background_ns) / (double)(now.at_ns - then.at_ns);
}

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
	row->priority = now.server->priority;
	row->period_ns = now.server->period_ns;
	row->budget_ns = now.server->budget_ns;
	row->used_ns = now.consumed_ns;
	row->max_ns = s->max_ns;
	row->periods = s->periods;
	row->depletions = s->depletions;
	if (now.depleted)
		row->state = now.running ? TOP_SERVER_BACKGROUND : TOP_SERVER_DEPLETED;
	else
		row->state = now.running ? TOP_SERVER_RUNNING : TOP_SERVER_IDLE;
	view_share(s, &now, now_ns, row);
}

static enum top_task_state task_state(const struct task_model *t, const struct vmrt_engine *engine,
	uint32_t task, int64_t patience, int64_t now_ns)
{
	int64_t deadline_ns;

	if (now_ns == VMRT_UNKNOWN)
		return t->state;
	if (vmrt_engine_task_open(engine, task, &deadline_ns))
		return deadline_ns < now_ns ? TOP_TASK_OVERDUE : t->state;
	if (t->last_end_ns != VMRT_UNKNOWN && now_ns - t->last_end_ns > patience)
		return TOP_TASK_QUIET;
	return t->state;
}

static void view_task(struct top_model *m, const struct vmrt_engine *engine, size_t i,
	int64_t now_ns, struct top_task_row *row)
{
	const struct vmrt_task_spec *spec = &m->config->experiment->tasks[i];
	struct task_model *t = &m->tasks[i];

	memcpy(row->machine, spec->machine, sizeof(row->machine));
	memcpy(row->name, spec->name, sizeof(row->name));
	row->period_ns = spec->period_ns ? spec->period_ns : VMRT_UNKNOWN;
	row->wcet_ns = spec->wcet_ns;
	row->deadline_ns = spec->deadline_ns ? spec->deadline_ns : VMRT_UNKNOWN;
	row->jobs = t->jobs;
	row->known = t->known;
	row->missed = t->missed;
	row->excused = t->excused;
	row->unknown = t->unknown;
	row->last_ns = t->last_ns;
	row->max_ns = t->max_ns;
	row->max_k = t->max_k;
	row->p99_ns = top_responses_p99(&t->responses, &row->p99_approximate);
	row->state = task_state(t, engine, (uint32_t)i,
		spec->period_ns ? 2 * spec->period_ns + spec->deadline_ns : PATIENCE_NS, now_ns);
}

static void view_machines(struct top_model *m, struct vmrt_engine *engine, struct top_view *view)
{
	for (size_t i = 0; i < m->config->n_machines; i++) {
		const struct vmrt_clockmap *clock = m->config->machines[i].clock;
		struct vmrt_machine_stats stats;

		vmrt_engine_stats(engine, (uint32_t)i, &stats);
		view->events += stats.events;
		view->lost += stats.lost;
		view->broken += stats.broken_chains;
		if (clock) {
			int64_t error = clock->n ? vmrt_clockmap_worst(clock) : VMRT_UNKNOWN;

			if (!view->mapped || error == VMRT_UNKNOWN ||
				(view->clock_error_ns != VMRT_UNKNOWN &&
					error > view->clock_error_ns))
				view->clock_error_ns = error;
			view->mapped = true;
		}
	}
}

enum vmrt_status top_model_view(
	struct top_model *m, struct vmrt_engine *engine, int64_t now_ns, struct top_view *view)
{
	struct top_view fresh = {.now_ns = now_ns, .clock_error_ns = VMRT_UNKNOWN};

	if (!view->servers)
		view->servers = calloc(m->n_servers + 1, sizeof(*view->servers));
	if (!view->tasks)
		view->tasks = calloc(m->n_tasks + 1, sizeof(*view->tasks));
	if (!view->servers || !view->tasks || m->out_of_memory)
		return VMRT_ENOMEM;
	fresh.servers = view->servers;
	fresh.n_servers = m->n_servers;
	fresh.tasks = view->tasks;
	fresh.n_tasks = m->n_tasks;
	fresh.steal_ns = m->steal_ns;
	fresh.lost_at_least = m->lost_at_least;
	*view = fresh;
	for (size_t i = 0; i < m->n_servers; i++)
		view_server(m, engine, i, now_ns, &view->servers[i]);
	for (size_t i = 0; i < m->n_tasks; i++)
		view_task(m, engine, i, now_ns, &view->tasks[i]);
	view_machines(m, engine, view);
	return VMRT_OK;
}

void top_view_free(struct top_view *view)
{
	free(view->servers);
	free(view->tasks);
	*view = (struct top_view){0};
}

enum vmrt_status top_model_new(
	const struct vmrt_engine_config *config, struct top_model **out, struct vmrt_error *err)
{
	struct top_model *m = calloc(1, sizeof(*m));

	if (!m)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	m->config = config;
	m->n_servers = config->experiment ? config->experiment->n_servers : 0;
	m->n_tasks = config->experiment ? config->experiment->n_tasks : 0;
	m->servers = calloc(m->n_servers + 1, sizeof(*m->servers));
	m->tasks = calloc(m->n_tasks + 1, sizeof(*m->tasks));
	if (!m->servers || !m->tasks) {
		top_model_free(m);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < m->n_servers; i++)
		m->servers[i].max_ns = VMRT_UNKNOWN;
	for (size_t i = 0; i < m->n_tasks; i++) {
		struct task_model *t = &m->tasks[i];

		t->last_ns = t->max_ns = t->max_k = t->last_end_ns = VMRT_UNKNOWN;
	}
	*out = m;
	return VMRT_OK;
}

void top_model_free(struct top_model *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_tasks && m->tasks; i++)
		top_responses_free(&m->tasks[i].responses);
	free(m->servers);
	free(m->tasks);
	free(m);
}

/* ---- VMs without a server ---- */

static bool has_server(const struct vmrt_experiment *exp, const char *vm)
{
	for (size_t i = 0; i < exp->n_servers; i++)
		if (!strcmp(exp->servers[i].vm, vm))
			return true;
	return false;
}

enum vmrt_status top_experiment_new(const struct vmrt_experiment *exp,
	const struct vmrt_engine_vm *vms, size_t n_vms, const char *only,
	struct vmrt_experiment **out, struct vmrt_error *err)
{
	struct vmrt_experiment *e = calloc(1, sizeof(*e));
	size_t n_servers = exp ? exp->n_servers : 0, n_tasks = exp ? exp->n_tasks : 0;

	if (!e)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (exp)
		*e = *exp;
	e->servers = calloc(n_servers + n_vms + 1, sizeof(*e->servers));
	e->tasks = calloc(n_tasks + 1, sizeof(*e->tasks));
	e->n_servers = e->n_tasks = 0;
	if (!e->servers || !e->tasks) {
		top_experiment_free(e);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < n_servers; i++)
		if (!only || !strcmp(exp->servers[i].vm, only))
			e->servers[e->n_servers++] = exp->servers[i];
	for (size_t i = 0; i < n_tasks; i++)
		if (!only || !strcmp(exp->tasks[i].machine, only))
			e->tasks[e->n_tasks++] = exp->tasks[i];
	for (size_t i = 0; i < n_vms; i++) {
		struct vmrt_server_spec *s = &e->servers[e->n_servers];

		if (has_server(e, vms[i].name) || (only && strcmp(vms[i].name, only) != 0))
			continue;
		snprintf(s->name, sizeof(s->name), "%s", vms[i].name);
		snprintf(s->vm, sizeof(s->vm), "%s", vms[i].name);
		s->policy = VMRT_POLICY_NONE;
		s->period_ns = s->budget_ns = VM_PERIOD_NS;
		e->n_servers++;
	}
	*out = e;
	return VMRT_OK;
}

void top_experiment_free(struct vmrt_experiment *exp)
{
	if (!exp)
		return;
	free(exp->servers);
	free(exp->tasks);
	free(exp);
}
