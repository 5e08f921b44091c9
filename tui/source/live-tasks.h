/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_SOURCE_LIVE_TASKS_H
#define VMRT_TUI_SOURCE_LIVE_TASKS_H

/* Tasks that nobody has declared: threads that are seen to behave like some. */

#include <vmrt/engine.h>

struct live_tasks {
	struct vmrt_discovery *discovery; /* NULL: not looking */
	struct vmrt_experiment *found;	  /* or NULL */
	struct vmrt_experiment *more;	  /* what was seen later; NULL: nothing that is new */
	size_t n_more;			  /* tasks of it that are new */
	int64_t since_ns;		  /* of the looking; VMRT_UNKNOWN: no event yet */
	int64_t next_ns;		  /* not looking: when to look again */
	int64_t first_ns;		  /* the same of the first time that nothing was found */
	unsigned times;			  /* that nothing was found */
	char names[64][VMRT_NAME_MAX];	  /* of machines */
	size_t n_names;
	int32_t *vcpus; /* of the host: threads of VMs are no tasks */
	size_t n_vcpus;
};

/** live_tasks_begin - from now on search the machines of @config for tasks; vCPUs are no tasks */
void live_tasks_begin(struct live_tasks *t, const struct vmrt_engine_config *config);

/**
 * live_tasks_see - an event
 *
 * Return: true if it has been looked long enough and the first tasks were found: they are in found.
 */
bool live_tasks_see(
	struct live_tasks *t, uint32_t machine, const struct vmrt_event *event, int64_t host_ns);

/** live_tasks_adopt - have the tasks that were seen later as found; false: there are none */
bool live_tasks_adopt(struct live_tasks *t);

/** live_tasks_note - say at host time @now_ns how far the looking is; nothing when it is over */
void live_tasks_note(const struct live_tasks *t, int64_t now_ns, char *out, size_t room);

/** live_tasks_free - forget all */
void live_tasks_free(struct live_tasks *t);

#endif
