/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_REPORT_H
#define VMRT_METRICS_REPORT_H

/* From facts to tables. */

#include <vmrt/table.h>

#include "facts.h"

/** vmrt_report_run - a section with all tables of one run */
void vmrt_report_run(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/** vmrt_report_analysis - the tables "analysis" and "analysis_tasks", and their lines */
void vmrt_report_analysis(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

enum vmrt_feasibility { VMRT_FEASIBILITY_UNKNOWN, VMRT_FEASIBLE, VMRT_INFEASIBLE };

/** vmrt_task_feasibility - do the tasks of @task's VM meet their deadlines in its declared server, by analysis? */
enum vmrt_feasibility vmrt_task_feasibility(
	const struct vmrt_run_facts *facts, const struct vmrt_task_facts *task);

/** vmrt_report_checks - the tables "checks" and "natural", and their lines */
void vmrt_report_checks(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/** vmrt_report_head - the tables "run", "vms", "loss" and "clock", and their lines */
void vmrt_report_head(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

#endif
