/* SPDX-License-Identifier: MIT */
/* Makes all tables of one run. */
#include "report.h"

void report_run(struct vmrt_doc *doc, const struct vmrt_run_facts *f)
{
	vmrt_doc_section(doc, f->label);
	report_answer(doc, f);
	report_head(doc, f);
	report_servers(doc, f);
	report_checks(doc, f);
	report_tasks(doc, f);
	report_jobs(doc, f);
	report_analysis(doc, f);
}
