/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_SESSION_RUN_GUEST_H
#define VMRT_COLLECTOR_SESSION_RUN_GUEST_H

/* A guest recording made by trace-cmd, added to a run. */

#include <stdbool.h>

#include <vmrt/status.h>

/**
 * vmrt_run_add_guest - take a guest's recording that was made by other means into a run
 * @run: the run folder
 * @name: the VM that it is the guest of
 * @file: a trace.dat file; it is copied
 * @force: replace the guest's recording, if the run has one
 *
 * Return: VMRT_OK; VMRT_ENOENT if the run has no VM @name; VMRT_EEXIST without @force; or why the
 * file cannot be used. On failure the run is as it was.
 */
enum vmrt_status vmrt_run_add_guest(
	const char *run, const char *name, const char *file, bool force, struct vmrt_error *err);

#endif
