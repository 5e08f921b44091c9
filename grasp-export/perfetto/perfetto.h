/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GRASP_EXPORT_PERFETTO_H
#define VMRT_GRASP_EXPORT_PERFETTO_H

/* A timeline as a Perfetto trace, for ui.perfetto.dev and trace_processor. */

#include <stdio.h>

#include "metrics/timeline/timeline.h"

/**
 * perfetto_write - write @timeline
 *
 * Each machine has a track, with tracks for its CPUs and threads below it, and a machine id of its
 * own.
 *
 * Return: VMRT_OK; VMRT_ENOMEM; VMRT_EINTR if a signal asked to stop. Write errors are left in
 * @out.
 */
enum vmrt_status perfetto_write(
	const struct vmrt_timeline *timeline, FILE *out, struct vmrt_error *err);

#endif
