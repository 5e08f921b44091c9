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

/** vmrt_report_checks - the tables "checks" and "natural", and their lines */
void vmrt_report_checks(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/** vmrt_report_head - the tables "run", "vms", "loss" and "clock", and their lines */
void vmrt_report_head(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

struct vmrt_comparison;

/**
 * vmrt_report_compare - tables of several runs side by side, with the first as the base
 * @runs: at least 2, with labels that differ; kept by reference
 * @allow_loss: compare also where events were lost
 *
 * Return: to be freed with vmrt_comparison_free(); NULL without memory.
 */
struct vmrt_comparison *vmrt_report_compare(
	struct vmrt_run_facts *const *runs, size_t n, bool allow_loss);

/** vmrt_comparison_doc - the document, owned by @comparison */
const struct vmrt_doc *vmrt_comparison_doc(const struct vmrt_comparison *comparison);

void vmrt_comparison_free(struct vmrt_comparison *comparison);

#endif
