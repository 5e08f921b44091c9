/* SPDX-License-Identifier: MIT */
/* All tables of one run. */
#include "report.h"

#include <stdio.h>

void vmrt_report_figure(struct vmrt_table *table, const char *before, const char *name,
	const char *behind, char *svg)
{
	char caption[256];

	snprintf(caption, sizeof(caption), "%s%s%s", before, name, behind);
	vmrt_put_figure(table, caption, svg);
}

void vmrt_report_run(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	vmrt_doc_section(doc, f->label);
	vmrt_report_answer(doc, f);
	vmrt_report_head(doc, f);
	vmrt_report_servers(doc, f);
	vmrt_report_checks(doc, f);
	vmrt_report_tasks(doc, f);
	vmrt_report_jobs(doc, f);
	vmrt_report_analysis(doc, f);
}
