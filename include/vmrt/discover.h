/* SPDX-License-Identifier: MIT */
#ifndef VMRT_DISCOVER_H
#define VMRT_DISCOVER_H

/*
 * Finds the threads of a recording that behave like real-time tasks although nobody declared them:
 * what releases each thread, how often, and how long it runs. The discovery gets the same events as
 * the engine and keeps a bounded number of samples per thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/event.h>
#include <vmrt/experiment.h>
#include <vmrt/status.h>

#define VMRT_DISCOVER_MACHINES 65 /* a host and its guests, at most */

struct vmrt_discovery;

/* What released most of a thread's jobs. */
#define VMRT_WAKER_LIST(X)                                                                         \
	X(NANOSLEEP, "nanosleep") /* clock_nanosleep() until a time */                             \
	X(RELATIVE, "relative")	  /* nanosleep() for a duration, or a timeout */                   \
	X(TIMERFD, "timerfd")                                                                      \
	X(ITIMER, "itimer")                                                                        \
	X(POSIX, "posix")	/* timer_create() */                                               \
	X(DEADLINE, "deadline") /* the kernel's replenishment of SCHED_DEADLINE */                 \
	X(THREAD, "thread")	/* another thread: a lock, a pipe, a socket */                     \
	X(INTERRUPT, "interrupt")

enum vmrt_waker {
#define X(name, words) VMRT_WAKER_##name,
	VMRT_WAKER_LIST(X)
#undef X
		VMRT_WAKERS
};

/**
 * struct vmrt_found - a thread that behaves like a task
 * @machine: index of its machine
 * @tid, @comm: the thread's id and its last name
 * @pid, @process: id and name of its process; 0 and "" if that is not known
 * @prio: kernel priority: below 0 SCHED_DEADLINE, 0 to 98 real-time priority 99 - prio, else
 * ordinary
 * @cpu: where it ran last
 * @waker: what released most of the thread's jobs; @woken_by: the thread that released them, or ""
 * @period_ns: distance of its releases; VMRT_UNKNOWN if it has no period
 * @jitter_ns: nineteen of twenty releases differ by less than this from a strictly periodic grid
 * @exec_p50_ns, @exec_max_ns: CPU time from a release to the next sleep
 * @share: part of the recording in which the thread ran, from 0 to 1
 * @jobs: how many releases were seen
 * @sure: how sure these values are, from 0 to 1: the share of the releases that agree with them,
 * lowered where there are few releases
 * @task: sure enough for the experiment file without a check by a person
 */
struct vmrt_found {
	uint32_t machine;
	int32_t tid;
	char comm[VMRT_COMM_MAX];
	int32_t pid;
	char process[VMRT_COMM_MAX];
	int32_t prio;
	unsigned cpu;
	enum vmrt_waker waker;
	char woken_by[VMRT_COMM_MAX];
	int64_t period_ns, jitter_ns;
	int64_t exec_p50_ns, exec_max_ns;
	double share;
	uint64_t jobs;
	double sure;
	bool task;
};

/** vmrt_discovery_new - begin a discovery; NULL without memory; free with vmrt_discovery_free() */
struct vmrt_discovery *vmrt_discovery_new(size_t n_machines);

/** vmrt_discovery_skip - leave out thread @tid of @machine, because it is known to be no task (a
 * vCPU, for example); VMRT_OK or VMRT_ENOMEM */
enum vmrt_status vmrt_discovery_skip(struct vmrt_discovery *d, uint32_t machine, int32_t tid);

/** vmrt_discovery_push - take an event; the events of one CPU must come in time order; VMRT_OK or
 * VMRT_ENOMEM */
enum vmrt_status vmrt_discovery_push(
	struct vmrt_discovery *d, uint32_t machine, const struct vmrt_event *event);

/**
 * vmrt_discovery_judge - the threads that behave like tasks, those that look most like real-time
 * first
 * @out: free it
 *
 * Kernel threads, and vmrt's own programs, are left out.
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_discovery_judge(struct vmrt_discovery *d, struct vmrt_found **out, size_t *n);

/**
 * vmrt_discovery_experiment - an experiment file with the threads whose @task is true
 * @machines: their names by index; @n_machines: how many
 * @out: the text, to be freed; every vmrt program reads it
 *
 * Threads of one machine with one name become one task if they have one period, else one task each,
 * by thread id.
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_discovery_experiment(const struct vmrt_found *found, size_t n,
	const char *const *machines, size_t n_machines, char **out);

/** vmrt_discovery_free - NULL is allowed */
void vmrt_discovery_free(struct vmrt_discovery *d);

/** vmrt_waker_name - the word for @waker */
const char *vmrt_waker_name(enum vmrt_waker waker);

#endif
