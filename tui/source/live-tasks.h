/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_SOURCE_LIVE_TASKS_H
#define VMRT_TUI_SOURCE_LIVE_TASKS_H

/* Finds tasks that nobody has declared: threads that behave like tasks. */

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
	int32_t *vcpus; /* thread ids of vCPUs on the host: threads of VMs are no tasks */
	size_t n_vcpus;
};

/**
 * live_tasks_begin - from now on search the machines of @config for tasks; vCPUs are no tasks
 *
 * Tasks that were found before stay, except those of machines that are gone. If the machines are
 * the same as before, the search continues.
 */
void live_tasks_begin(struct live_tasks *t, const struct vmrt_engine_config *config);

/**
 * live_tasks_see - pass an event to the search
 *
 * Return: true if a search has ended with this event and more tasks were found: they are in
 * @t->found.
 */
bool live_tasks_see(
	struct live_tasks *t, uint32_t machine, const struct vmrt_event *event, int64_t host_ns);

/** live_tasks_forget - forget the tasks that the last search did not find again; returns false if
 * it found all
 */
bool live_tasks_forget(struct live_tasks *t);

/** live_tasks_note - write the progress of the search at host time @now_ns into @out; nothing after
 * the search */
void live_tasks_note(const struct live_tasks *t, int64_t now_ns, char *out, size_t room);

/** live_tasks_free - forget all */
void live_tasks_free(struct live_tasks *t);

#endif
