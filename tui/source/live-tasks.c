/* SPDX-License-Identifier: MIT */
/* Without an experiment, the first seconds of a live view are searched for periodic tasks. */
#include "live-tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/discover.h>

#define CHECK_NS (5 * VMRT_NS_PER_S)  /* so long, again and again until something is found */
#define PAUSE_NS (25 * VMRT_NS_PER_S) /* from then on with breaks: tasks may begin later */

/* What was found stays. */
static void stop_looking(struct live_tasks *t)
{
	vmrt_discovery_free(t->discovery);
	t->discovery = NULL;
}

/* Returns false without memory: then no task is found. */
static bool start_discovery(struct live_tasks *t)
{
	t->since_ns = VMRT_UNKNOWN;
	t->discovery = vmrt_discovery_new(t->n_names);
	for (size_t i = 0; t->discovery && i < t->n_vcpus; i++)
		if (vmrt_discovery_skip(t->discovery, 0, t->vcpus[i]) != VMRT_OK)
			stop_looking(t);
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

/* The tasks that were seen; NULL: none. */
static struct vmrt_experiment *judge(const struct live_tasks *t)
{
	const char *names[64];
	struct vmrt_experiment *exp = NULL;
	struct vmrt_found *found = NULL;
	char *text = NULL;
	size_t n;

	for (size_t i = 0; i < t->n_names; i++)
		names[i] = t->names[i];
	if (vmrt_discovery_judge(t->discovery, &found, &n) == VMRT_OK &&
		vmrt_discovery_experiment(found, n, names, t->n_names, &text) == VMRT_OK &&
		vmrt_experiment_parse(text, "found tasks", &exp, NULL) != VMRT_OK)
		exp = NULL;
	free(text);
	free(found);
	if (exp && exp->n_tasks)
		return exp;
	vmrt_experiment_free(exp);
	return NULL;
}

static bool has_task(const struct vmrt_experiment *exp, const struct vmrt_task_spec *task)
{
	for (size_t i = 0; i < exp->n_tasks; i++)
		if (!strcmp(exp->tasks[i].machine, task->machine) &&
			!strcmp(exp->tasks[i].name, task->name))
			return true;
	return false;
}

/* Keeps @exp if it has tasks that are not among those found before. */
static void keep_more(struct live_tasks *t, struct vmrt_experiment *exp)
{
	t->n_more = 0;
	for (size_t i = 0; exp && i < exp->n_tasks; i++)
		t->n_more += !has_task(t->found, &exp->tasks[i]);
	vmrt_experiment_free(t->more);
	t->more = t->n_more ? exp : NULL;
	if (!t->n_more)
		vmrt_experiment_free(exp);
}

/* It has been looked long enough. Returns true if these are the first tasks. */
static bool conclude(struct live_tasks *t, int64_t host_ns)
{
	struct vmrt_experiment *exp = judge(t);
	bool first = exp && !t->found;

	if (first)
		t->found = exp;
	else if (t->found)
		keep_more(t, exp);
	else if (!t->times++)
		t->first_ns = t->since_ns;
	stop_looking(t);
	t->next_ns = t->found ? host_ns + PAUSE_NS : host_ns;
	return first;
}

bool live_tasks_see(
	struct live_tasks *t, uint32_t machine, const struct vmrt_event *event, int64_t host_ns)
{
	if (!t->discovery && (!t->n_names || host_ns < t->next_ns || !start_discovery(t)))
		return false;
	if (t->since_ns == VMRT_UNKNOWN)
		t->since_ns = host_ns;
	if (vmrt_discovery_push(t->discovery, machine, event) != VMRT_OK) {
		stop_looking(t);
		return false;
	}
	return host_ns - t->since_ns >= CHECK_NS && conclude(t, host_ns);
}

bool live_tasks_adopt(struct live_tasks *t)
{
	if (!t->more)
		return false;
	vmrt_experiment_free(t->found);
	t->found = t->more;
	t->more = NULL;
	t->n_more = 0;
	return true;
}

void live_tasks_note(const struct live_tasks *t, int64_t now_ns, char *out, size_t room)
{
	if (t->n_more)
		snprintf(out, room, "%zu more periodic task%s found: r counts anew, with %s",
			t->n_more, t->n_more == 1 ? "" : "s", t->n_more == 1 ? "it" : "them");
	else if (t->n_names && !t->found && !t->times)
		snprintf(out, room, "looking for periodic tasks");
	else if (t->n_names && !t->found)
		snprintf(out, room, "no periodic task found in %" PRId64 " s, still looking",
			(now_ns - t->first_ns) / VMRT_NS_PER_S);
}

void live_tasks_free(struct live_tasks *t)
{
	stop_looking(t);
	vmrt_experiment_free(t->found);
	vmrt_experiment_free(t->more);
	free(t->vcpus);
	*t = (struct live_tasks){0};
}
