/* SPDX-License-Identifier: MIT */
/* Lists the figures that are compared, and the test for each. */
#include "compare.h"

#include <math.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static struct vmrt_value count(int64_t n)
{
	return (struct vmrt_value){VMRT_CELL_COUNT, n, NAN};
}

static struct vmrt_value ns(int64_t n)
{
	return (struct vmrt_value){VMRT_CELL_NS, n, NAN};
}

static struct vmrt_value ratio(double r)
{
	return (struct vmrt_value){VMRT_CELL_RATIO, 0, r};
}

static int64_t not_excused_hits(const struct vmrt_task_facts *t)
{
	return vmrt_task_missed(t) - t->excused;
}

#define TASK_VALUE(name, expression)                                                               \
	static struct vmrt_value task_##name(const struct vmrt_task_facts *t)                      \
	{                                                                                          \
		return expression;                                                                 \
	}
#define SERVER_VALUE(name, expression)                                                             \
	static struct vmrt_value server_##name(const struct vmrt_server_facts *s)                  \
	{                                                                                          \
		return expression;                                                                 \
	}

TASK_VALUE(jobs, count(t->jobs))
TASK_VALUE(known, count(vmrt_task_known(t)))
TASK_VALUE(unknown, count(t->unknown))
TASK_VALUE(skipped, count(t->skipped))
TASK_VALUE(missed, count(vmrt_task_missed(t)))
TASK_VALUE(miss_ratio, ratio(vmrt_task_miss_ratio(t)))
TASK_VALUE(excused, count(t->excused))
TASK_VALUE(not_excused, ratio(vmrt_task_not_excused_ratio(t)))
TASK_VALUE(miss_run, count(t->longest_run))
TASK_VALUE(window_met, count(t->window_met))
TASK_VALUE(responses, count((int64_t)t->response.n))
TASK_VALUE(response_min, ns(t->response.min))
TASK_VALUE(response_mean, ns(vmrt_series_mean(&t->response)))
TASK_VALUE(response_p50, ns(t->response_p50))
TASK_VALUE(response_p95, ns(t->response_p95))
TASK_VALUE(response_p99, ns(t->response_p99))
TASK_VALUE(response_p999, ns(t->response_p999))
TASK_VALUE(response_max, ns(t->response.max))
TASK_VALUE(response_jitter, ns(vmrt_series_jitter(&t->response)))
TASK_VALUE(response_relative, ns(t->response.relative))
TASK_VALUE(release_jitter, ns(vmrt_series_jitter(&t->release)))
TASK_VALUE(release_relative, ns(t->release.relative))
TASK_VALUE(start_jitter, ns(vmrt_series_jitter(&t->start)))
TASK_VALUE(start_relative, ns(t->start.relative))
TASK_VALUE(completion_jitter, ns(vmrt_series_jitter(&t->completion)))
TASK_VALUE(period_jitter, ns(vmrt_series_jitter(&t->activation)))
TASK_VALUE(tardiness, ns(t->tardiness.max))
TASK_VALUE(exec_mean, ns(vmrt_series_mean(&t->exec)))
TASK_VALUE(exec_max, ns(t->exec.max))

static const struct compare_task_metric task_metrics[] = {
	{"jobs", "count", "jobs", task_jobs, VMRT_TEST_NONE, NULL, 0, 0},
	{"known", "count", "with known outcome", task_known, VMRT_TEST_NONE, NULL, 0, 0},
	{"unknown", "count", "unknown", task_unknown, VMRT_TEST_NONE, NULL, 0, 0},
	{"skipped", "count", "skipped", task_skipped, VMRT_TEST_NONE, NULL, 0, 0},
	{"missed", "count", "missed", task_missed, VMRT_TEST_NONE, NULL, 0, 0},
	{"miss_ratio", "ratio", "missed, %", task_miss_ratio, VMRT_TEST_FISHER, vmrt_task_missed, 0,
		0},
	{"excused", "count", "excused", task_excused, VMRT_TEST_NONE, NULL, 0, 0},
	{"not_excused_ratio", "ratio", "not excused, %", task_not_excused, VMRT_TEST_FISHER,
		not_excused_hits, 0, 0},
	{"longest_miss_run", "count", "misses in a row", task_miss_run, VMRT_TEST_NONE, NULL, 0, 0},
	{"window_met", "count", "fewest met in a window", task_window_met, VMRT_TEST_NONE, NULL, 0,
		0},
	{"responses", "count", "response times", task_responses, VMRT_TEST_RANKS, NULL, 0, 0},
	{"response_min", "ns", "response min, ms", task_response_min, VMRT_TEST_NONE, NULL, 0, 0},
	{"response_mean", "ns", "response mean, ms", task_response_mean, VMRT_TEST_NONE, NULL, 0,
		0},
	{"response_p50", "ns", "response p50, ms", task_response_p50, VMRT_TEST_BOOTSTRAP, NULL, 50,
		100},
	{"response_p95", "ns", "response p95, ms", task_response_p95, VMRT_TEST_BOOTSTRAP, NULL, 95,
		100},
	{"response_p99", "ns", "response p99, ms", task_response_p99, VMRT_TEST_BOOTSTRAP, NULL, 99,
		100},
	{"response_p999", "ns", "response p99.9, ms", task_response_p999, VMRT_TEST_BOOTSTRAP, NULL,
		999, 1000},
	{"response_max", "ns", "response max, ms", task_response_max, VMRT_TEST_NONE, NULL, 0, 0},
	{"response_jitter", "ns", "response jitter, ms", task_response_jitter, VMRT_TEST_NONE, NULL,
		0, 0},
	{"response_jitter_relative", "ns", "  relative, ms", task_response_relative, VMRT_TEST_NONE,
		NULL, 0, 0},
	{"release_jitter", "ns", "release jitter, ms", task_release_jitter, VMRT_TEST_NONE, NULL, 0,
		0},
	{"release_jitter_relative", "ns", "  relative, ms", task_release_relative, VMRT_TEST_NONE,
		NULL, 0, 0},
	{"start_jitter", "ns", "start jitter, ms", task_start_jitter, VMRT_TEST_NONE, NULL, 0, 0},
	{"start_jitter_relative", "ns", "  relative, ms", task_start_relative, VMRT_TEST_NONE, NULL,
		0, 0},
	{"completion_jitter", "ns", "completion jitter, ms", task_completion_jitter, VMRT_TEST_NONE,
		NULL, 0, 0},
	{"period_jitter", "ns", "period jitter, ms", task_period_jitter, VMRT_TEST_NONE, NULL, 0,
		0},
	{"tardiness_max", "ns", "tardiness max, ms", task_tardiness, VMRT_TEST_NONE, NULL, 0, 0},
	{"exec_mean", "ns", "execution mean, ms", task_exec_mean, VMRT_TEST_NONE, NULL, 0, 0},
	{"exec_max", "ns", "execution max, ms", task_exec_max, VMRT_TEST_NONE, NULL, 0, 0},
};

const struct compare_task_metric *compare_task_metrics(size_t *n)
{
	*n = ARRAY_SIZE(task_metrics);
	return task_metrics;
}

static int64_t sum_of_violations(const struct vmrt_server_facts *s)
{
	int64_t sum = 0;

	for (size_t i = 0; i < s->n_checks; i++)
		sum += s->checks[i].violations;
	return s->n_checks ? sum : VMRT_UNKNOWN;
}

SERVER_VALUE(enforced, ((struct vmrt_value){VMRT_CELL_BOOL, s->enforced, NAN}))
SERVER_VALUE(period, ns(s->period_ns))
SERVER_VALUE(budget, ns(s->budget_ns))
SERVER_VALUE(periods, count(s->periods))
SERVER_VALUE(judged, count(s->judged))
SERVER_VALUE(depleted, count(s->depleted))
SERVER_VALUE(consumed, ratio(s->consumed_ratio))
SERVER_VALUE(background, ratio(s->background_ratio))
SERVER_VALUE(used_up, count(s->used_up))
SERVER_VALUE(over_p50, ns(s->over_p50))
SERVER_VALUE(over_p99, ns(s->over_p99))
SERVER_VALUE(over_max, ns(s->over_max))
SERVER_VALUE(received, ratio(s->received_ratio))
SERVER_VALUE(latency_p50, ns(s->latency_p50))
SERVER_VALUE(latency_p99, ns(s->latency_p99))
SERVER_VALUE(latency_max, ns(s->latency_max))
SERVER_VALUE(supply_jitter, ns(s->supply_jitter))
SERVER_VALUE(blackout, ns(s->blackout_max))
SERVER_VALUE(violations, count(sum_of_violations(s)))

static const struct compare_server_metric server_metrics[] = {
	{"enforced", "bool", "enforced", server_enforced},
	{"period", "ns", "period, ms", server_period},
	{"budget", "ns", "budget, ms", server_budget},
	{"periods", "count", "periods", server_periods},
	{"judged", "count", "judged periods", server_judged},
	{"depleted", "count", "depleted", server_depleted},
	{"consumed_ratio", "ratio", "consumed, %", server_consumed},
	{"background_ratio", "ratio", "background, %", server_background},
	{"received_ratio", "ratio", "share of a CPU, %", server_received},
	{"used_up", "count", "used up", server_used_up},
	{"overshoot_p50", "ns", "overshoot p50, ms", server_over_p50},
	{"overshoot_p99", "ns", "overshoot p99, ms", server_over_p99},
	{"overshoot_max", "ns", "overshoot max, ms", server_over_max},
	{"latency_p50", "ns", "first supply p50, ms", server_latency_p50},
	{"latency_p99", "ns", "first supply p99, ms", server_latency_p99},
	{"latency_max", "ns", "first supply max, ms", server_latency_max},
	{"supply_jitter", "ns", "supply jitter, ms", server_supply_jitter},
	{"blackout_max", "ns", "longest blackout, ms", server_blackout},
	{"violations", "count", "violations of rules", server_violations},
};

const struct compare_server_metric *compare_server_metrics(size_t *n)
{
	*n = ARRAY_SIZE(server_metrics);
	return server_metrics;
}

struct vmrt_value compare_value_subtract(struct vmrt_value a, struct vmrt_value b)
{
	if (a.type == VMRT_CELL_BOOL)
		return count(VMRT_UNKNOWN);
	a.ratio -= b.ratio;
	if (a.number == VMRT_UNKNOWN || b.number == VMRT_UNKNOWN)
		a.number = VMRT_UNKNOWN;
	else
		a.number -= b.number;
	return a;
}

double compare_value_number(struct vmrt_value v)
{
	if (v.type == VMRT_CELL_RATIO)
		return v.ratio;
	return v.number == VMRT_UNKNOWN || v.type == VMRT_CELL_BOOL ? NAN : (double)v.number;
}

struct vmrt_task_facts *compare_find_task(const struct vmrt_run_facts *f, const char *label)
{
	for (size_t i = 0; i < f->n_tasks; i++)
		if (f->tasks[i].selected && !strcmp(f->tasks[i].label, label))
			return &f->tasks[i];
	return NULL;
}

struct vmrt_server_facts *compare_find_server(const struct vmrt_run_facts *f, const char *name)
{
	for (size_t i = 0; i < f->n_servers; i++)
		if (f->servers[i].selected && !strcmp(f->servers[i].name, name))
			return &f->servers[i];
	return NULL;
}

bool compare_task_is_new(const struct vmrt_variant *v, size_t i, size_t j)
{
	const struct vmrt_task_facts *task = &v[i].facts->tasks[j];

	for (size_t k = 0; k < i; k++)
		if (compare_find_task(v[k].facts, task->label))
			return false;
	return task->selected;
}
