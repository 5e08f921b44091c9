/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_REPORT_REPORT_H
#define VMRT_METRICS_REPORT_REPORT_H

/* Makes tables from facts. */

#include <vmrt/table.h>

#include "metrics/facts/facts.h"

/** report_run - a section with all tables of one run */
void report_run(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/** report_answer - the tables "answer", "answer_tasks", "answer_servers" and "trust": what a
 * report begins with, for people */
void report_answer(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/** report_servers - the tables "servers" and "supply", and their lines */
void report_servers(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/** report_tasks - the tables "tasks" and "causes" */
void report_tasks(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/** report_jobs - the tables "worst", and as asked for "histogram" and "cdf" */
void report_jobs(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/**
 * report_sql - a section with the table "query": what the database of @run answers
 * @section: its heading, "" for none
 * @sql: one query; it may read tables and views, and nothing else
 *
 * Return: VMRT_OK; VMRT_EINVAL if it is no such query; VMRT_EINTR; VMRT_EDB; errors of
 * vmrt_db_open().
 */
enum vmrt_status report_sql(struct vmrt_doc *doc, const char *section, const char *run,
	const char *sql, struct vmrt_error *err);

/** report_analysis - the tables "analysis" and "analysis_tasks", and their lines */
void report_analysis(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/** report_checks - the tables "checks" and "natural", and their lines */
void report_checks(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

/** report_head - the tables "run", "vms", "loss" and "clock", and their lines */
void report_head(struct vmrt_doc *doc, const struct vmrt_run_facts *facts);

#endif
