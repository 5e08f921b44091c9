/* SPDX-License-Identifier: MIT */
/* Which tasks of an experiment run on this machine, when their jobs arrive, and how many there are.
 */
#include "load.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/units.h>

#define T0_AHEAD_NS (200 * VMRT_NS_PER_MS)
#define T0_MULTIPLE_NS (10 * VMRT_NS_PER_MS)
#define JOBS_MAX UINT64_C(50000000) /* of a task; their log would be over a GiB */

int64_t load_grid_origin(int64_t now_ns)
{
	int64_t t0 = now_ns + T0_AHEAD_NS;

	return (t0 + T0_MULTIPLE_NS - 1) / T0_MULTIPLE_NS * T0_MULTIPLE_NS;
}

int64_t load_arrival(const struct vmrt_task_spec *task, int64_t t0_ns, uint64_t k)
{
	return t0_ns + task->offset_ns + (int64_t)k * task->period_ns;
}

uint64_t load_job_count(const struct vmrt_task_spec *task, int64_t duration_ns)
{
	int64_t left = duration_ns - task->offset_ns;

	if (left <= 0)
		return 0;
	/* the rest of the time is one more job, which is released but may end after @duration_ns */
	return (uint64_t)(left / task->period_ns + (left % task->period_ns != 0));
}

static bool has_tasks(const struct vmrt_experiment *exp, const char *machine)
{
	for (size_t i = 0; i < exp->n_tasks; i++)
		if (!strcmp(exp->tasks[i].machine, machine))
			return true;
	return false;
}

/* Is task @i the first one of its machine? */
static bool is_first(const struct vmrt_experiment *exp, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!strcmp(exp->tasks[j].machine, exp->tasks[i].machine))
			return false;
	return true;
}

enum vmrt_status load_pick_machine(const struct vmrt_experiment *exp, const char *wanted,
	const char *hostname, const char **out, struct vmrt_error *err)
{
	char list[VMRT_ERROR_TEXT / 2] = "";
	size_t n = 0, used = 0;
	const char *only = NULL;

	*out = wanted ? wanted : hostname;
	if (has_tasks(exp, *out))
		return VMRT_OK;
	for (size_t i = 0; i < exp->n_tasks; i++) {
		if (!is_first(exp, i))
			continue;
		only = exp->tasks[i].machine;
		if (used < sizeof(list))
			used += (size_t)snprintf(
				list + used, sizeof(list) - used, "%s%s", n ? ", " : "", only);
		n++;
	}
	if (!n)
		return vmrt_fail(err, VMRT_ENOENT,
			"the experiment has no tasks: it needs sections such as [task %s/NAME] "
			"with "
			"period and wcet",
			*out);
	if (wanted)
		return vmrt_fail(err, VMRT_ENOENT,
			"the experiment has no tasks for %s: it has some for %s", wanted, list);
	if (n > 1)
		return vmrt_fail(err, VMRT_ENOENT,
			"this machine is called %s and the experiment has tasks for %s: choose one "
			"with --machine",
			hostname, list);
	*out = only;
	return VMRT_OK;
}

static enum vmrt_status make_task(const struct vmrt_task_spec *spec, int64_t duration_ns,
	uint64_t n_jobs, struct load_task *task, struct vmrt_error *err)
{
	int64_t last;

	if (spec->period_ns <= 0)
		return vmrt_fail(err, VMRT_EINVAL, "line %d: task %s/%s needs a period to be run",
			spec->line, spec->machine, spec->name);
	task->spec = spec;
	task->n_planned = n_jobs ? n_jobs : load_job_count(spec, duration_ns);
	if (spec->wcet_ns <= 0)
		return vmrt_fail(err, VMRT_EINVAL,
			"line %d: task %s/%s needs a wcet above 0 to be run", spec->line,
			spec->machine, spec->name);
	if (task->n_planned > JOBS_MAX ||
		__builtin_mul_overflow((int64_t)task->n_planned, spec->period_ns, &last) ||
		last > INT64_MAX / 2 || spec->offset_ns > INT64_MAX / 4)
		return vmrt_fail(err, VMRT_ERANGE,
			"%" PRIu64 " jobs of %s/%s are too many for one run", task->n_planned,
			spec->machine, spec->name);
	task->jobs = calloc(task->n_planned + 1, sizeof(*task->jobs));
	if (!task->jobs)
		return vmrt_fail(err, VMRT_ENOMEM,
			"no memory for the log of %" PRIu64 " jobs of %s/%s", task->n_planned,
			spec->machine, spec->name);
	/* touch the pages now, so that the first job that writes to them causes no page fault */
	memset(task->jobs, 0xff, (task->n_planned + 1) * sizeof(*task->jobs));
	return VMRT_OK;
}

enum vmrt_status load_set_make(const struct vmrt_experiment *exp, const char *machine,
	int64_t duration_ns, uint64_t n_jobs, struct load_set *out, struct vmrt_error *err)
{
	struct load_set set = {.machine = machine};
	enum vmrt_status status = VMRT_OK;
	uint64_t total = 0;

	set.tasks = calloc(exp->n_tasks + 1, sizeof(*set.tasks));
	if (!set.tasks)
		return vmrt_fail(err, VMRT_ENOMEM, "tasks: out of memory");
	for (size_t i = 0; i < exp->n_tasks && status == VMRT_OK; i++) {
		if (strcmp(exp->tasks[i].machine, machine) != 0)
			continue;
		status = make_task(&exp->tasks[i], duration_ns, n_jobs, &set.tasks[set.n], err);
		total += set.tasks[set.n++].n_planned;
	}
	if (status == VMRT_OK && !total)
		status = vmrt_fail(
			err, VMRT_ENOENT, "no job of %s is released within the duration", machine);
	if (status != VMRT_OK) {
		load_set_free(&set);
		return status;
	}
	*out = set;
	return VMRT_OK;
}

void load_set_free(struct load_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		free(set->tasks[i].jobs);
	free(set->tasks);
	*set = (struct load_set){0};
}
