/* SPDX-License-Identifier: MIT */
/* Without an experiment, the first seconds of a live view are searched for periodic tasks. */
#include "live-tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <vmrt/discover.h>

#define CHECK_NS (5 * VMRT_NS_PER_S) /* so long, again and again until something is found */

/* Returns false without memory: then no task is found. */
static bool start_discovery(struct live_tasks *t)
{
	t->since_ns = VMRT_UNKNOWN;
	t->discovery = vmrt_discovery_new(t->n_names);
	for (size_t i = 0; t->discovery && i < t->n_vcpus; i++)
		if (vmrt_discovery_skip(t->discovery, 0, t->vcpus[i]) != VMRT_OK)
			live_tasks_end(t);
	return t->discovery;
}

void live_tasks_begin(struct live_tasks *t, const struct vmrt_engine_config *config)
{
	size_t threads = 0;

	live_tasks_free(t);
	if (config->n_machines > 64)
		return;
	for (size_t i = 0; i < config->n_vms; i++)
		threads += config->vms[i].n_threads;
	t->vcpus = calloc(threads + 1, sizeof(*t->vcpus));
	if (!t->vcpus)
		return;
	for (size_t i = 0; i < config->n_vms; i++)
		for (size_t k = 0; k < config->vms[i].n_threads; k++)
			t->vcpus[t->n_vcpus++] = config->vms[i].threads[k].tid;
	t->n_names = config->n_machines;
	for (size_t i = 0; i < config->n_machines; i++)
		snprintf(t->names[i], sizeof(t->names[i]), "%s", config->machines[i].name);
	start_discovery(t);
}

/* Does the experiment hold other tasks than those known so far? */
static bool is_news(const struct live_tasks *t, const struct vmrt_experiment *exp)
{
	return exp->n_tasks > (t->found ? t->found->n_tasks : 0);
}

static bool judge(struct live_tasks *t)
{
	const char *names[64];
	struct vmrt_experiment *exp = NULL;
	struct vmrt_found *found = NULL;
	char *text = NULL;
	bool news = false;
	size_t n;

	for (size_t i = 0; i < t->n_names; i++)
		names[i] = t->names[i];
	if (vmrt_discovery_judge(t->discovery, &found, &n) == VMRT_OK &&
		vmrt_discovery_experiment(found, n, names, t->n_names, &text) == VMRT_OK &&
		vmrt_experiment_parse(text, "found tasks", &exp, NULL) == VMRT_OK)
		news = is_news(t, exp);
	if (news) {
		vmrt_experiment_free(t->found);
		t->found = exp;
	} else {
		vmrt_experiment_free(exp);
	}
	free(text);
	free(found);
	return news;
}

bool live_tasks_see(
	struct live_tasks *t, uint32_t machine, const struct vmrt_event *event, int64_t host_ns)
{
	bool news;

	if (!t->discovery)
		return false;
	if (t->since_ns == VMRT_UNKNOWN)
		t->since_ns = host_ns;
	if (vmrt_discovery_push(t->discovery, machine, event) != VMRT_OK) {
		live_tasks_end(t);
		return false;
	}
	if (host_ns - t->since_ns < CHECK_NS)
		return false;
	news = judge(t);
	if (!t->times++)
		t->first_ns = t->since_ns;
	live_tasks_end(t);
	if (!news)
		start_discovery(t);
	return news;
}

void live_tasks_note(const struct live_tasks *t, int64_t now_ns, char *out, size_t room)
{
	if (!t->discovery)
		return;
	if (!t->times)
		snprintf(out, room, "looking for periodic tasks");
	else
		snprintf(out, room, "no periodic task found in %" PRId64 " s, still looking",
			(now_ns - t->first_ns) / VMRT_NS_PER_S);
}

void live_tasks_end(struct live_tasks *t)
{
	vmrt_discovery_free(t->discovery);
	t->discovery = NULL;
}

void live_tasks_free(struct live_tasks *t)
{
	live_tasks_end(t);
	vmrt_experiment_free(t->found);
	free(t->vcpus);
	*t = (struct live_tasks){0};
}
