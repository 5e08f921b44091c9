/* SPDX-License-Identifier: MIT */
/* Pools the jobs and figures of repetitions into one variant. */
#include "compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void larger(int64_t *into, int64_t value)
{
	if (value != VMRT_UNKNOWN && (*into == VMRT_UNKNOWN || value > *into))
		*into = value;
}

static void smaller(int64_t *into, int64_t value)
{
	if (value != VMRT_UNKNOWN && (*into == VMRT_UNKNOWN || value < *into))
		*into = value;
}

static void pool_series(struct vmrt_series *into, const struct vmrt_series *s)
{
	into->n += s->n;
	into->sum += s->sum;
	smaller(&into->min, s->min);
	larger(&into->max, s->max);
	larger(&into->relative, s->relative);
}

static enum vmrt_status pool_samples(struct vmrt_samples *into, const struct vmrt_samples *s)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; i < s->n && status == VMRT_OK; i++)
		status = vmrt_samples_add(into, s->values[i]);
	return status;
}

static void pool_cause(struct vmrt_task_facts *into, const struct vmrt_cause_facts *cause)
{
	size_t i = 0;

	while (i < into->n_causes && strcmp(into->causes[i].name, cause->name) != 0)
		i++;
	if (i == VMRT_CAUSES_MAX)
		i--;
	else if (i == into->n_causes)
		memcpy(into->causes[into->n_causes++].name, cause->name, sizeof(cause->name));
	into->causes[i].misses += cause->misses;
	into->causes[i].excused += cause->excused;
}

static enum vmrt_status pool_task(struct vmrt_task_facts *into, const struct vmrt_task_facts *t)
{
	into->jobs += t->jobs;
	into->met += t->met;
	into->missed_late += t->missed_late;
	into->missed_incomplete += t->missed_incomplete;
	into->unknown += t->unknown;
	into->truncated += t->truncated;
	into->skipped += t->skipped;
	into->inferred += t->inferred;
	into->excused += t->excused;
	into->windows += t->windows;
	larger(&into->longest_run, t->longest_run);
	smaller(&into->window_met, t->window_met);
	pool_series(&into->response, &t->response);
	pool_series(&into->release, &t->release);
	pool_series(&into->start, &t->start);
	pool_series(&into->exec, &t->exec);
	pool_series(&into->tardiness, &t->tardiness);
	pool_series(&into->completion, &t->completion);
	pool_series(&into->activation, &t->activation);
	for (size_t i = 0; i < t->n_causes; i++)
		pool_cause(into, &t->causes[i]);
	return pool_samples(&into->responses, &t->responses);
}

static enum vmrt_status begin_task(struct vmrt_task_facts *into, const struct vmrt_task_facts *t)
{
	*into = (struct vmrt_task_facts){
		.selected = t->selected,
		.machine = VMRT_UNKNOWN,
		.period_ns = t->period_ns,
		.wcet_ns = t->wcet_ns,
		.deadline_ns = t->deadline_ns,
		.priority = t->priority,
		.longest_run_k = VMRT_UNKNOWN,
		.window_met = VMRT_UNKNOWN,
		.window_met_k = VMRT_UNKNOWN,
		.response = VMRT_SERIES_EMPTY,
		.release = VMRT_SERIES_EMPTY,
		.start = VMRT_SERIES_EMPTY,
		.exec = VMRT_SERIES_EMPTY,
		.tardiness = VMRT_SERIES_EMPTY,
		.completion = VMRT_SERIES_EMPTY,
		.activation = VMRT_SERIES_EMPTY,
		.machine_name = strdup(t->machine_name),
		.name = strdup(t->name),
		.label = strdup(t->label),
		.marked = strdup(t->marked),
	};
	return into->machine_name && into->name && into->label && into->marked ? VMRT_OK
									       : VMRT_ENOMEM;
}

static enum vmrt_status pool_tasks(struct vmrt_run_facts *into, struct vmrt_run_facts *const *runs,
	size_t n, struct vmrt_error *err)
{
	const struct vmrt_run_facts *first = runs[0];

	into->tasks = calloc(first->n_tasks + 1, sizeof(*into->tasks));
	if (!into->tasks)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < first->n_tasks; i++) {
		const struct vmrt_task_facts *model = &first->tasks[i];
		struct vmrt_task_facts *task = &into->tasks[into->n_tasks++];

		if (begin_task(task, model) != VMRT_OK)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		for (size_t r = 0; model->selected && r < n; r++) {
			const struct vmrt_task_facts *t = compare_find_task(runs[r], model->label);

			if (!t || t->period_ns != model->period_ns ||
				t->wcet_ns != model->wcet_ns ||
				t->deadline_ns != model->deadline_ns)
				return vmrt_fail(err, VMRT_EINVAL,
					"%s is no repetition of %s: task %s has other parameters "
					"there",
					runs[r]->origin, first->origin, model->label);
			if (pool_task(task, t) != VMRT_OK)
				return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		}
		task->response_p50 = vmrt_samples_percentile(&task->responses, 50, 100);
		task->response_p95 = vmrt_samples_percentile(&task->responses, 95, 100);
		task->response_p99 = vmrt_samples_percentile(&task->responses, 99, 100);
		task->response_p999 = vmrt_samples_percentile(&task->responses, 999, 1000);
	}
	return VMRT_OK;
}

static void pool_checks(struct vmrt_server_facts *into, const struct vmrt_server_facts *s)
{
	for (size_t i = 0; i < s->n_checks; i++) {
		const struct vmrt_check_facts *c = &s->checks[i];
		size_t j = 0;

		while (j < into->n_checks && strcmp(into->checks[j].rule, c->rule) != 0)
			j++;
		if (j == VMRT_CHECKS_MAX)
			continue;
		if (j == into->n_checks) {
			into->checks[into->n_checks++] = *c;
			continue;
		}
		into->checks[j].judged += c->judged;
		into->checks[j].unknown += c->unknown;
		into->checks[j].violations += c->violations;
		larger(&into->checks[j].worst_ns, c->worst_ns);
	}
}

/* Budget and period of a server are the same in all periods, so that ratios are weighted by
 * periods. */
static double add_ratio(double sum, double ratio, int64_t periods)
{
	return periods ? sum + ratio * (double)periods : sum;
}

static enum vmrt_status pool_server(
	struct vmrt_server_facts *into, const struct vmrt_server_facts *s)
{
	into->enforced = into->enforced && s->enforced;
	into->periods += s->periods;
	into->served += s->served;
	into->depleted += s->depleted;
	into->unenforced += s->unenforced;
	into->unknown += s->unknown;
	into->truncated += s->truncated;
	into->judged += s->judged;
	into->steal_periods += s->steal_periods;
	into->used_up += s->used_up;
	into->consumed_ratio = add_ratio(into->consumed_ratio, s->consumed_ratio, s->judged);
	into->background_ratio = add_ratio(into->background_ratio, s->background_ratio, s->judged);
	larger(&into->over_max, s->over_max);
	into->received_ratio = add_ratio(into->received_ratio, s->received_ratio, s->judged);
	larger(&into->latency_max, s->latency_max);
	larger(&into->blackout_max, s->blackout_max);
	pool_series(&into->first, &s->first);
	pool_checks(into, s);
	if (pool_samples(&into->latencies, &s->latencies) != VMRT_OK)
		return VMRT_ENOMEM;
	return pool_samples(&into->overshoots, &s->overshoots);
}

static enum vmrt_status begin_server(
	struct vmrt_server_facts *into, const struct vmrt_server_facts *s)
{
	*into = (struct vmrt_server_facts){
		.selected = s->selected,
		.vm_id = VMRT_UNKNOWN,
		.vm_machine = VMRT_UNKNOWN,
		.period_ns = s->period_ns,
		.budget_ns = s->budget_ns,
		.priority = s->priority,
		.enforced = s->enforced,
		.over_max = VMRT_UNKNOWN,
		.over_max_k = VMRT_UNKNOWN,
		.latency_max = VMRT_UNKNOWN,
		.latency_max_k = VMRT_UNKNOWN,
		.blackout_max = VMRT_UNKNOWN,
		.blackout_at = VMRT_UNKNOWN,
		.first = VMRT_SERIES_EMPTY,
		.name = strdup(s->name),
		.vm = s->vm ? strdup(s->vm) : NULL,
		.policy = s->policy ? strdup(s->policy) : NULL,
		.depletion = s->depletion ? strdup(s->depletion) : NULL,
	};
	return into->name && !into->vm == !s->vm && !into->policy == !s->policy &&
			       !into->depletion == !s->depletion
		       ? VMRT_OK
		       : VMRT_ENOMEM;
}

static enum vmrt_status pool_servers(struct vmrt_run_facts *into,
	struct vmrt_run_facts *const *runs, size_t n, struct vmrt_error *err)
{
	const struct vmrt_run_facts *first = runs[0];

	into->servers = calloc(first->n_servers + 1, sizeof(*into->servers));
	if (!into->servers)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < first->n_servers; i++) {
		const struct vmrt_server_facts *model = &first->servers[i];
		struct vmrt_server_facts *server = &into->servers[into->n_servers++];

		if (begin_server(server, model) != VMRT_OK)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		for (size_t r = 0; model->selected && r < n; r++) {
			const struct vmrt_server_facts *s =
				compare_find_server(runs[r], model->name);

			if (!s || s->period_ns != model->period_ns ||
				s->budget_ns != model->budget_ns || s->enforced != model->enforced)
				return vmrt_fail(err, VMRT_EINVAL,
					"%s is no repetition of %s: server %s has other parameters "
					"there",
					runs[r]->origin, first->origin, model->name);
			if (pool_server(server, s) != VMRT_OK)
				return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		}
		server->consumed_ratio /= (double)server->judged; /* 0 / 0 is NaN, as it shall be */
		server->background_ratio /= (double)server->judged;
		server->received_ratio /= (double)server->judged;
		server->latency_p50 = vmrt_samples_percentile(&server->latencies, 50, 100);
		server->latency_p99 = vmrt_samples_percentile(&server->latencies, 99, 100);
		server->supply_jitter = vmrt_series_jitter(&server->first);
		server->over_p50 = vmrt_samples_percentile(&server->overshoots, 50, 100);
		server->over_p99 = vmrt_samples_percentile(&server->overshoots, 99, 100);
	}
	return VMRT_OK;
}

/* What was lost, by the machines' names; ids are of a database and have no meaning here. */
static enum vmrt_status pool_machines(struct vmrt_run_facts *into,
	struct vmrt_run_facts *const *runs, size_t n, struct vmrt_error *err)
{
	size_t room = 0;

	for (size_t r = 0; r < n; r++)
		room += runs[r]->n_machines;
	into->machines = calloc(room + 1, sizeof(*into->machines));
	if (!into->machines)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t r = 0; r < n; r++) {
		for (size_t i = 0; i < runs[r]->n_machines; i++) {
			const struct vmrt_machine_facts *m = &runs[r]->machines[i];
			struct vmrt_machine_facts *to = into->machines;

			while (to < into->machines + into->n_machines &&
				strcmp(to->name, m->name) != 0)
				to++;
			if (to == into->machines + into->n_machines) {
				into->n_machines++;
				*to = (struct vmrt_machine_facts){.id = VMRT_UNKNOWN,
					.name = strdup(m->name),
					.kind = strdup(m->kind),
					.cpus = m->cpus,
					.clock_error_ns = m->clock_error_ns};
				if (!to->name || !to->kind)
					return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
			}
			to->events += m->events;
			to->lost += m->lost;
			to->losses += m->losses;
			to->broken_chains += m->broken_chains;
			to->inferred += m->inferred;
			to->out_of_order += m->out_of_order;
			to->steals += m->steals;
			to->steal_ns += m->steal_ns;
			/* a bound that is not known is no bound for all of them */
			if (m->clock_error_ns == VMRT_UNKNOWN || to->clock_error_ns == VMRT_UNKNOWN)
				to->clock_error_ns = VMRT_UNKNOWN;
			else
				larger(&to->clock_error_ns, m->clock_error_ns);
		}
	}
	return VMRT_OK;
}

enum vmrt_status compare_facts_pool(struct vmrt_run_facts *const *runs, size_t n,
	struct vmrt_run_facts **out, struct vmrt_error *err)
{
	struct vmrt_run_facts *f = calloc(1, sizeof(*f));
	enum vmrt_status status = VMRT_OK;

	*out = NULL;
	if (!f)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	f->label = strdup(runs[0]->label);
	f->origin = strdup(runs[0]->origin);
	if (!f->label || !f->origin)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	f->hsf = runs[0]->hsf;
	f->filter = runs[0]->filter;
	f->tick_ns = runs[0]->tick_ns;
	f->command_status = f->start_ns = f->end_ns = VMRT_UNKNOWN;
	for (size_t r = 1; status == VMRT_OK && r < n; r++)
		if (runs[r]->hsf != f->hsf || runs[r]->n_tasks != runs[0]->n_tasks ||
			runs[r]->n_servers != runs[0]->n_servers)
			status = vmrt_fail(err, VMRT_EINVAL,
				"%s is no repetition of %s: its tasks, its servers or their "
				"enforcement differ",
				runs[r]->origin, runs[0]->origin);
	if (status == VMRT_OK)
		status = pool_machines(f, runs, n, err);
	if (status == VMRT_OK)
		status = pool_tasks(f, runs, n, err);
	if (status == VMRT_OK)
		status = pool_servers(f, runs, n, err);
	if (status == VMRT_OK)
		*out = f;
	else
		vmrt_facts_free(f);
	return status;
}
