/* SPDX-License-Identifier: MIT */
/* Finds the tasks of a recording: its merged events go to the discovery instead of the engine. */
#include <vmrt/recording.h>

#include <stdlib.h>
#include <string.h>

#include <vmrt/discover.h>

#define CHECK_EVERY 100000 /* events between two checks whether to stop */

/* vCPUs and helpers of VMs are no tasks; threads that a server selects may be. */
static enum vmrt_status skip_vms(
	struct vmrt_discovery *d, const struct vmrt_engine_config *config, struct vmrt_error *err)
{
	for (size_t i = 0; i < config->n_vms; i++)
		for (size_t k = 0; !config->vms[i].selected && k < config->vms[i].n_threads; k++)
			if (vmrt_discovery_skip(d, 0, config->vms[i].threads[k].tid) != VMRT_OK)
				return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	return VMRT_OK;
}

static enum vmrt_status observe(struct vmrt_recording *rec, struct vmrt_discovery *d,
	int (*stop)(void), struct vmrt_error *err)
{
	const struct vmrt_event *event;
	int64_t host_ns, error_ns;
	uint32_t machine;
	uint64_t events = 0;

	while (vmrt_recording_next(rec, &machine, &event, &host_ns, &error_ns)) {
		if (vmrt_discovery_push(d, machine, event) != VMRT_OK)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		if (++events % CHECK_EVERY == 0 && stop && stop())
			return vmrt_fail(err, VMRT_EINTR, "stopped");
	}
	/* a recording that is stopped ends early, as if this were all */
	if (vmrt_recording_stopped(rec))
		return vmrt_fail(err, VMRT_EINTR, "stopped");
	return VMRT_OK;
}

/* Gives each thread its process. The list from the recording's end is preferred, since the number
 * and the name of a thread are those of its last time, too. */
static void name_processes(
	const struct vmrt_engine_config *config, struct vmrt_found *found, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct vmrt_processes *lists = config->machines[found[i].machine].processes;
		const struct vmrt_thread_process *t;

		t = vmrt_processes_find(&lists[VMRT_PROCESSES_END], found[i].tid);
		if (!t)
			t = vmrt_processes_find(&lists[VMRT_PROCESSES_BEGIN], found[i].tid);
		if (!t)
			continue;
		found[i].pid = t->pid;
		memcpy(found[i].process, t->comm, sizeof(found[i].process));
	}
}

enum vmrt_status vmrt_recording_discover(struct vmrt_recording *rec, int (*stop)(void),
	struct vmrt_found **out, size_t *n, struct vmrt_error *err)
{
	struct vmrt_engine_config config;
	struct vmrt_discovery *d;
	enum vmrt_status status;

	vmrt_recording_config(rec, &config);
	d = vmrt_discovery_new(config.n_machines);
	if (!d)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = skip_vms(d, &config, err);
	if (status == VMRT_OK)
		status = observe(rec, d, stop, err);
	if (status == VMRT_OK && vmrt_discovery_judge(d, out, n) != VMRT_OK)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		name_processes(&config, *out, *n);
	vmrt_discovery_free(d);
	return status;
}

enum vmrt_status vmrt_recording_found(struct vmrt_recording *rec, int (*stop)(void), size_t *tasks,
	char **text, struct vmrt_error *err)
{
	const char *names[VMRT_DISCOVER_MACHINES];
	struct vmrt_engine_config config;
	struct vmrt_found *found = NULL;
	enum vmrt_status status;
	size_t n = 0;

	*tasks = 0;
	*text = NULL;
	vmrt_recording_config(rec, &config);
	if (config.n_machines > VMRT_DISCOVER_MACHINES)
		return VMRT_OK;
	status = vmrt_recording_discover(rec, stop, &found, &n, err);
	for (size_t i = 0; i < config.n_machines; i++)
		names[i] = config.machines[i].name;
	for (size_t i = 0; i < n; i++)
		*tasks += found[i].task;
	if (status == VMRT_OK && *tasks &&
		vmrt_discovery_experiment(found, n, names, config.n_machines, text) != VMRT_OK)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	free(found);
	return status;
}
