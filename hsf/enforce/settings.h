/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_ENFORCE_SETTINGS_H
#define VMRT_HSF_ENFORCE_SETTINGS_H

/* How threads are scheduled, read and changed; and signals to processes: settings.c. */

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <vmrt/experiment.h>

/* The settings that a thread had before it became a member, and that it gets back. */
struct hsf_settings {
	uint32_t policy;
	uint64_t flags; /* reset-on-fork */
	int32_t nice;
	uint32_t priority;
	cpu_set_t affinity;
};

/** hsf_settings_read - the settings that thread @tid has now; 0 or an errno value */
int hsf_settings_read(pid_t tid, struct hsf_settings *out);

/** hsf_settings_equal - are @a and @b the same? */
bool hsf_settings_equal(const struct hsf_settings *a, const struct hsf_settings *b);

/** hsf_settings_apply - give @tid the settings @s; 0 or an errno value */
int hsf_settings_apply(pid_t tid, const struct hsf_settings *s);

/**
 * hsf_raise - give the thread SCHED_FIFO at @priority; 0 or an errno value
 *
 * Threads that @tid creates do not inherit it.
 */
int hsf_raise(pid_t tid, int priority);

/** hsf_demote - give the thread SCHED_OTHER, or SCHED_IDLE; 0 or an errno value */
int hsf_demote(pid_t tid, enum vmrt_background background);

/**
 * hsf_raise_deadline - SCHED_DEADLINE, on all CPUs that the thread may get; 0 or an errno value
 *
 * Threads that @tid creates do not inherit it.
 */
int hsf_raise_deadline(pid_t tid, int64_t runtime_ns, int64_t period_ns);

/**
 * hsf_thread_start - a thread of our own under SCHED_FIFO at @priority that only runs on @cpu
 *
 * @stack: bytes of its stack, which are locked in memory
 * @main: runs with @arg and takes no signals: these are the main thread's business
 *
 * Return: 0, then @thread is to be joined, or an errno value.
 */
int hsf_thread_start(
	pthread_t *thread, int cpu, int priority, size_t stack, void *(*main)(void *), void *arg);

/** hsf_process_open - a descriptor that stands for process @pid even after its id is reused, or
 * -1 */
int hsf_process_open(pid_t pid);

/** hsf_process_signal - send @number to the process that @fd names; to @pid only where @fd is -1,
 * because the kernel has no such descriptors (before 5.3) */
void hsf_process_signal(int fd, pid_t pid, int number);

/** hsf_process_of - the process that thread @tid belongs to, 0 if there is no such thread */
pid_t hsf_process_of(pid_t tid);

#endif
