/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_REPORT_PICTURES_H
#define VMRT_METRICS_REPORT_PICTURES_H

/* Pictures of a run as SVG, to be put into a page of common/table-html.c, whose colours they use.
 */

#include "metrics/facts/facts.h"

/**
 * vmrt_picture_distribution - histogram and cumulative distribution of a task's response times,
 * with its deadline
 *
 * Return: markup to be freed; NULL without memory. The same holds for all of these.
 */
char *vmrt_picture_distribution(const struct vmrt_task_facts *task);

/** vmrt_picture_budget - what a server consumed in its periods, over time, with its budget */
char *vmrt_picture_budget(
	const struct vmrt_run_facts *facts, const struct vmrt_server_facts *server);

/** vmrt_picture_supply - least supply by the length of windows, beside that of the periodic
 * resource */
char *vmrt_picture_supply(const struct vmrt_server_facts *server);

/** vmrt_picture_worst - the worst jobs of a task, from arrival to end */
char *vmrt_picture_worst(const struct vmrt_task_facts *task);

#endif
