/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_CMD_EVENTS_CHOICE_H
#define VMRT_COLLECTOR_CMD_EVENTS_CHOICE_H

/* Decides which events `vmrt-trace events` prints: by time, machine, CPU, task and job. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/engine.h>
#include <vmrt/event.h>

#define CHOICE_TIMERS 64

struct events_choice {
	/* given by options */
	int64_t from_ns, to_ns; /* from the recording's beginning, or VMRT_UNKNOWN */
	int64_t job, cpu;	/* or -1 */
	int64_t margin_ns;
	const char *task, *around, *machine; /* or NULL */
	/* found by choice_begin(), and in the events */
	int64_t first_ns, last_ns; /* host clock, or VMRT_UNKNOWN */
	int64_t begin_ns;	   /* of the recording, or VMRT_UNKNOWN until the first event */
	uint32_t only;		   /* this machine, or VMRT_NONE */
	uint32_t of_task;	   /* the task's machine, or VMRT_NONE: its name alone is known */
	char name[VMRT_COMM_MAX];  /* of the task's threads, where no database says which these are
				    */
	int32_t *tids;		   /* of the task's threads */
	size_t n_tids;
	struct choice_timer {
		uint32_t machine;
		uint64_t timer;
	} timers[CHOICE_TIMERS]; /* that the task armed last */
	size_t next_timer;
};

enum choice_answer { CHOICE_NO, CHOICE_YES, CHOICE_BEFORE, CHOICE_BEHIND };

/**
 * choice_begin - find the machine, the task and the job that the options name
 * @run: the run folder, or NULL for single files, which have no database
 * @config: of the recording
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no such machine, task or job; VMRT_EINVAL.
 */
enum vmrt_status choice_begin(struct events_choice *choice, const char *run,
	const struct vmrt_engine_config *config, struct vmrt_error *err);

bool choice_has_machine(const struct events_choice *choice, uint32_t machine);

/** choice_takes - do the options choose this event? The answer also says if the event is too early,
 * or if all later events are too late */
enum choice_answer choice_takes(struct events_choice *choice, uint32_t machine,
	const struct vmrt_event *event, int64_t host_ns);

void choice_end(struct events_choice *choice);

#endif
