/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PROCESSES_H
#define VMRT_PROCESSES_H

/*
 * Which process the threads of a machine belong to. No event of the scheduler says so: the recorder
 * and the guest's agent look into /proc when a recording begins and when it ends.
 */

#include <stddef.h>
#include <stdint.h>

#include <vmrt/experiment.h>
#include <vmrt/status.h>

#define VMRT_PROCESSES_SUFFIX ".processes" /* in a run folder, in place of .dat */

struct vmrt_thread_process {
	int32_t tid, pid;
	char comm[VMRT_COMM_MAX]; /* name of the process' main thread */
};

/* Sorted by thread, each once. */
struct vmrt_processes {
	struct vmrt_thread_process *list;
	size_t n;
};

/* When the list was made. */
enum vmrt_processes_when { VMRT_PROCESSES_BEGIN, VMRT_PROCESSES_END, VMRT_PROCESSES_TIMES };

/**
 * vmrt_processes_parse - a list out of lines "TID PID NAME"
 * @text: from a stranger: lines that are malformed are left out, control characters become ?
 * @out: free with vmrt_processes_free(); of several lines about one thread the last counts
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_processes_parse(const char *text, struct vmrt_processes *out);

/** vmrt_processes_find - the process of thread @tid, or NULL */
const struct vmrt_thread_process *vmrt_processes_find(
	const struct vmrt_processes *processes, int32_t tid);

/**
 * vmrt_processes_save - write the lists of one machine into a run folder
 * @dat: path of the machine's recording, NAME.dat: the file is NAME.processes
 * @texts: lines as vmrt_processes_parse() takes them, NULL where there is no list; if there is no
 * list at all, nothing is written
 */
enum vmrt_status vmrt_processes_save(
	const char *dat, const char *const texts[VMRT_PROCESSES_TIMES], struct vmrt_error *err);

/**
 * vmrt_processes_load - read what vmrt_processes_save() wrote
 * @out: empty lists where nothing is known; free each with vmrt_processes_free()
 *
 * Return: VMRT_OK, also if there is no such file; else @out is empty and @err says why.
 */
enum vmrt_status vmrt_processes_load(
	const char *dat, struct vmrt_processes out[VMRT_PROCESSES_TIMES], struct vmrt_error *err);

/** vmrt_processes_remove - delete what vmrt_processes_save() wrote */
void vmrt_processes_remove(const char *dat);

/** vmrt_processes_free - free the list and leave @processes empty; an empty one is allowed */
void vmrt_processes_free(struct vmrt_processes *processes);

#endif
