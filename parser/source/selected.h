/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_SELECTED_H
#define VMRT_PARSER_SOURCE_SELECTED_H

/* Threads that a server selects by name or process, found in a recording. */

#include <stdbool.h>
#include <stddef.h>

#include <vmrt/dat.h>
#include <vmrt/experiment.h>
#include <vmrt/processes.h>
#include <vmrt/vms.h>

/* What one server's key `vm` selects. */
struct selection {
	const char *pattern; /* thread:PATTERN or pid:N */
	struct vmrt_vm_thread *threads;
	size_t n_threads;
};

/** selected_is - does @pattern select threads, so that a recording can show which? */
bool selected_is(const char *pattern);

/**
 * selected_find - find the threads of several selections in one reading of a recording
 * @processes: what the recorder knew of its threads
 * @selections: their patterns are set; the lists of threads are to be freed by the caller
 *
 * Every thread counts as a vCPU, as it does live: of threads called "CPU N/..." it is number N, of
 * others the number in the order of appearance.
 */
enum vmrt_status selected_find(const struct vmrt_dat *dat,
	const struct vmrt_processes processes[VMRT_PROCESSES_TIMES], struct selection *selections,
	size_t n, struct vmrt_error *err);

#endif
