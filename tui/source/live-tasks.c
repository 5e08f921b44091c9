/* SPDX-License-Identifier: MIT */
/* Searches a live view without an experiment for periodic tasks, again and again. */
#include "live-tasks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/discover.h>

#define CHECK_NS (5 * VMRT_NS_PER_S)  /* length of a search; repeated until tasks are found */
#define PAUSE_NS (25 * VMRT_NS_PER_S) /* between later searches: tasks may begin later */
#define FOUND_MAX 256

/* Ends the search; tasks that were found stay. */
static void stop_looking(struct live_tasks *t)
{
	vmrt_discovery_free(t->discovery);
	t->discovery = NULL;
}

/* Begins a search. Returns false without memory: then no task is found. */
static bool start_discovery(struct live_tasks *t)
{
	t->since_ns = VMRT_UNKNOWN;
	t->discovery = vmrt_discovery_new(t->n_names);
	for (size_t i = 0; t->discovery && i < t->n_vcpus; i++)
		if (vmrt_discovery_skip(t->discovery, 0, t->vcpus[i]) != VMRT_OK)
			stop_looking(t);
	return t->discovery;
}

static bool has_machine(const struct live_tasks *t, const char *name)
{
	for (size_t i = 0; i < t->n_names; i++)
		if (!strcmp(t->names[i], name))
			return true;
	return false;
}

/* Removes tasks of machines that are gone. */
static void drop_gone(const struct live_tasks *t, struct vmrt_experiment **exp)
{
	size_t n = 0;

	for (size_t i = 0; *exp && i < (*exp)->n_tasks; i++)
		if (has_machine(t, (*exp)->tasks[i].machine))
			(*exp)->tasks[n++] = (*exp)->tasks[i];
	if (*exp)
		(*exp)->n_tasks = n;
	if (n)
		return;
	vmrt_experiment_free(*exp);
	*exp = NULL;
}

/* Does @config have the same machines and vCPUs as the search that is in progress? */
static bool is_known(const struct live_tasks *t, const struct vmrt_engine_config *config,
	const int32_t *vcpus, size_t n_vcpus)
{
	if (t->n_names != config->n_machines || t->n_vcpus != n_vcpus ||
		memcmp(t->vcpus, vcpus, n_vcpus * sizeof(*vcpus)) != 0)
		return false;
	for (size_t i = 0; i < t->n_names; i++)
		if (strcmp(t->names[i], config->machines[i].name) != 0)
			return false;
	return true;
}

void live_tasks_begin(struct live_tasks *t, const struct vmrt_engine_config *config)
{
	size_t threads = 0, n = 0;
	int32_t *vcpus;

	for (size_t i = 0; i < config->n_vms; i++)
		threads += config->vms[i].n_threads;
	vcpus = config->n_machines <= NAMES_MAX ? calloc(threads + 1, sizeof(*vcpus)) : NULL;
	for (size_t i = 0; vcpus && i < config->n_vms; i++)
		for (size_t k = 0; k < config->vms[i].n_threads; k++)
			vcpus[n++] = config->vms[i].threads[k].tid;
	if (vcpus && t->vcpus && is_known(t, config, vcpus, n)) {
		free(vcpus);
		return;
	}
	stop_looking(t);
	free(t->vcpus);
	t->vcpus = vcpus;
	t->n_vcpus = n;
	t->n_names = vcpus ? config->n_machines : 0;
	for (size_t i = 0; i < t->n_names; i++)
		snprintf(t->names[i], sizeof(t->names[i]), "%s", config->machines[i].name);
	drop_gone(t, &t->found);
	drop_gone(t, &t->seen);
	if (vcpus)
		start_discovery(t);
}

/* Makes an experiment with the tasks that the search has found; NULL: none. */
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

/* Adds those tasks of @exp that are not among those found before; returns how many. */
static size_t add_more(struct vmrt_experiment *found, const struct vmrt_experiment *exp)
{
	size_t before = found->n_tasks;
	struct vmrt_task_spec *more =
		realloc(found->tasks, (before + exp->n_tasks + 1) * sizeof(*more));

	if (!more)
		return 0;
	found->tasks = more;
	for (size_t i = 0; i < exp->n_tasks && found->n_tasks < FOUND_MAX; i++)
		if (!has_task(found, &exp->tasks[i]))
			more[found->n_tasks++] = exp->tasks[i];
	return found->n_tasks - before;
}

/* Ends a search that was long enough. Returns true if more tasks are known now. */
static bool conclude(struct live_tasks *t, int64_t host_ns)
{
	struct vmrt_experiment *exp = judge(t);
	bool more = false;

	if (exp && !t->found)
		more = (t->found = vmrt_experiment_copy(exp)) != NULL;
	else if (exp)
		more = add_more(t->found, exp) > 0;
	else if (!t->found && !t->times++)
		t->first_ns = t->since_ns;
	vmrt_experiment_free(t->seen);
	t->seen = exp;
	stop_looking(t);
	t->next_ns = t->found ? host_ns + PAUSE_NS : host_ns;
	return more;
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

bool live_tasks_forget(struct live_tasks *t)
{
	size_t n = 0;

	/* without a search since, t->seen is NULL, and no task is forgotten */
	for (size_t i = 0; t->seen && t->found && i < t->found->n_tasks; i++)
		if (has_task(t->seen, &t->found->tasks[i]))
			t->found->tasks[n++] = t->found->tasks[i];
	if (!n || n == t->found->n_tasks)
		return false;
	t->found->n_tasks = n;
	return true;
}

void live_tasks_note(const struct live_tasks *t, int64_t now_ns, char *out, size_t room)
{
	if (t->n_names && !t->found && !t->times)
		snprintf(out, room, "looking for periodic tasks");
	else if (t->n_names && !t->found)
		snprintf(out, room, "no periodic task found in %" PRId64 " s, still looking",
			(now_ns - t->first_ns) / VMRT_NS_PER_S);
}

void live_tasks_free(struct live_tasks *t)
{
	stop_looking(t);
	vmrt_experiment_free(t->found);
	vmrt_experiment_free(t->seen);
	free(t->vcpus);
	*t = (struct live_tasks){0};
}
