/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GRASP_EXPORT_ST_H
#define VMRT_GRASP_EXPORT_ST_H

/* A timeline as a sched_trace file of LITMUS^RT, for st-job-stats and st-draw. */

#include <stdio.h>

#include "metrics/timeline/timeline.h"

/**
 * st_write - write the records of all tasks
 * @left_out: how many jobs have no record, because their arrival or deadline is not known
 *
 * Return: VMRT_OK; VMRT_ERANGE if something is larger than its field; VMRT_ENOENT without tasks;
 * VMRT_ENOMEM.
 */
enum vmrt_status st_write(
	const struct vmrt_timeline *timeline, FILE *out, size_t *left_out, struct vmrt_error *err);

#endif
