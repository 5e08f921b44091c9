/* SPDX-License-Identifier: MIT */
/* Makes all tables of one run. */
#include "report.h"

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
