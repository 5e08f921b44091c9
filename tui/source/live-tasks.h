/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_SOURCE_LIVE_TASKS_H
#define VMRT_TUI_SOURCE_LIVE_TASKS_H

/* Tasks that nobody has declared: threads that are seen to behave like some. */

#include <vmrt/engine.h>

#define NAMES_MAX 64

struct live_tasks {
	struct vmrt_discovery *discovery;     /* NULL: no search is going on */
	struct vmrt_experiment *found;	      /* all tasks that were found so far; or NULL */
	struct vmrt_experiment *seen;	      /* tasks that the last search found; or NULL */
	int64_t since_ns;		      /* begin of the search; VMRT_UNKNOWN: no event yet */
	int64_t next_ns;		      /* when the next search begins, if none is going on */
	int64_t first_ns;		      /* begin of the first search that found nothing */
	unsigned times;			      /* searches that found nothing */
	char names[NAMES_MAX][VMRT_NAME_MAX]; /* of machines */
	size_t n_names;
	int32_t *vcpus; /* of the host: threads of VMs are no tasks */
	size_t n_vcpus;
};

/**
 * live_tasks_begin - from now on search the machines of @config for tasks; vCPUs are no tasks
 *
 * What was found before stays, but for machines that are not there any more. Goes on as it is where
 * the machines are the same.
 */
void live_tasks_begin(struct live_tasks *t, const struct vmrt_engine_config *config);

/**
 * live_tasks_see - an event
 *
 * Return: true if it has been looked long enough and more tasks were found: they are in found.
 */
bool live_tasks_see(
	struct live_tasks *t, uint32_t machine, const struct vmrt_event *event, int64_t host_ns);

/** live_tasks_forget - those that were not there any more when it was looked last; false: all were
 */
bool live_tasks_forget(struct live_tasks *t);

/** live_tasks_note - say at host time @now_ns how far the looking is; nothing when it is over */
void live_tasks_note(const struct live_tasks *t, int64_t now_ns, char *out, size_t room);

/** live_tasks_free - forget all */
void live_tasks_free(struct live_tasks *t);

#endif
