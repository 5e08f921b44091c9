/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GRASP_EXPORT_HTML_H
#define VMRT_GRASP_EXPORT_HTML_H

/* One page that shows runs over time and needs nothing else. */

#include <stdio.h>

#include "metrics/timeline/timeline.h"

/**
 * html_write - write the page
 * @labels: what the runs are called
 *
 * Return: VMRT_OK; VMRT_ENOMEM; VMRT_EINTR if a signal asked to stop. Write errors are left in
 * @out.
 */
enum vmrt_status html_write(struct vmrt_timeline *const *timelines, const char *const *labels,
	size_t n, FILE *out, struct vmrt_error *err);

#endif
