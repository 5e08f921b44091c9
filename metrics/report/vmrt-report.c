/* SPDX-License-Identifier: MIT */
/* vmrt-report: prints the results of runs as tables. */
#include <vmrt/tool.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/advise/advise.h"
#include "metrics/compare/compare.h"
#include "metrics/failif/failif.h"
#include "metrics/many/commands.h"
#include "metrics/publish/publish.h"
#include "metrics/stats/significance.h"
#include "report-options.h"
#include "report.h"

static struct vmrt_print how_to_print(const struct report_options *o)
{
	return (struct vmrt_print){
		.format = o->format,
		.only = o->table,
		.select = o->select,
		.n_select = o->n_select,
		.width = o->width ? (unsigned)o->width : vmrt_text_width(),
		.brief = !o->full && !o->sql && !o->advise && !o->n_select,
	};
}

static enum vmrt_status print(
	const struct report_options *o, const struct vmrt_doc *doc, struct vmrt_error *err)
{
	struct vmrt_print how = how_to_print(o);

	/* the answer to a query is one table, so --table is not needed */
	if (o->sql && !o->table)
		how.only = "query";
	return vmrt_doc_print_as(doc, &how, stdout, err);
}

static enum vmrt_status query(const struct report_options *o, struct vmrt_error *err)
{
	struct vmrt_doc *doc = vmrt_doc_new("run", o->n_runs > 1);
	enum vmrt_status status = VMRT_OK;

	if (!doc)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; status == VMRT_OK && i < o->n_runs; i++)
		status = report_sql(doc, o->n_runs > 1 ? o->runs[i] : "", o->runs[i], o->sql, err);
	if (status == VMRT_OK)
		status = print(o, doc, err);
	vmrt_doc_free(doc);
	return status;
}

/* Fills the table "conditions", which is in the section of each run or, with --compare, has the
 * labels of all runs. */
static enum vmrt_status judge(const struct report_options *o, struct vmrt_table *table,
	const struct vmrt_variant *variant, enum vmrt_verdict *worst, struct vmrt_error *err)
{
	enum vmrt_verdict verdict;
	enum vmrt_status status = vmrt_report_conditions(table, o->compare, variant->facts,
		o->conditions, o->n_conditions, o->allow_loss, &verdict, err);

	if (status == VMRT_OK && verdict > *worst)
		*worst = verdict;
	return status;
}

/* The runs in one of the formats that other programs read. */
static enum vmrt_status write_as(int format, FILE *out, const struct report_options *o,
	const struct vmrt_variant *variants, size_t n, struct vmrt_error *err)
{
	const struct vmrt_run_facts **facts = calloc(n + 1, sizeof(const struct vmrt_run_facts *));
	enum vmrt_status status;

	if (!facts)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		facts[i] = variants[i].facts;
	if (format == REPORT_JUNIT)
		status = publish_junit(
			out, facts, n, o->conditions, o->n_conditions, o->allow_loss, err);
	else
		status = publish_runs(out, facts, n, err);
	free(facts);
	return status;
}

static enum vmrt_status write_file(int format, const char *path, const struct report_options *o,
	const struct vmrt_variant *variants, size_t n, struct vmrt_error *err)
{
	enum vmrt_status status;
	char *text = NULL;
	size_t size = 0;
	FILE *out;

	if (!path)
		return VMRT_OK;
	out = open_memstream(&text, &size);
	if (!out)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = write_as(format, out, o, variants, n, err);
	if (fclose(out) != 0 && status == VMRT_OK)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		status = publish_file(path, text, size, err);
	free(text);
	return status;
}

static enum vmrt_status report(const struct report_options *o, const struct vmrt_variant *variants,
	size_t n, enum vmrt_verdict *verdict, struct vmrt_error *err)
{
	struct vmrt_doc *doc = vmrt_doc_new("run", true);
	enum vmrt_status status = VMRT_OK;

	if (!doc)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; status == VMRT_OK && i < n; i++) {
		report_run(doc, variants[i].facts);
		if (o->n_conditions)
			status = judge(
				o, vmrt_conditions_table(doc, false), &variants[i], verdict, err);
	}
	if (status == VMRT_OK)
		status = write_file(REPORT_JUNIT, o->junit, o, variants, n, err);
	if (status == VMRT_OK)
		status = write_file(REPORT_PROMETHEUS, o->prometheus, o, variants, n, err);
	if (status == VMRT_OK && (int)o->format >= REPORT_JUNIT)
		status = write_as((int)o->format, stdout, o, variants, n, err);
	else if (status == VMRT_OK)
		status = print(o, doc, err);
	vmrt_doc_free(doc);
	return status;
}

static enum vmrt_status compare(const struct report_options *o, const struct vmrt_variant *variants,
	size_t n, enum vmrt_verdict *verdict, struct vmrt_error *err)
{
	struct vmrt_compare_options options = {o->allow_loss, (uint64_t)o->seed};
	struct vmrt_comparison *comparison = vmrt_report_compare(variants, n, &options);
	enum vmrt_status status = VMRT_OK;
	struct vmrt_table *table;

	if (!comparison)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	table = o->n_conditions ? vmrt_conditions_table(vmrt_comparison_doc(comparison), true)
				: NULL;
	for (size_t i = 0; o->n_conditions && status == VMRT_OK && i < n; i++)
		status = judge(o, table, &variants[i], verdict, err);
	if (status == VMRT_OK)
		status = print(o, vmrt_comparison_doc(comparison), err);
	vmrt_comparison_free(comparison);
	return status;
}

/* If there are conditions, their verdicts decide, which already consider losses. Otherwise the
 * answer is unknown if events were lost that may have changed outcomes. */
static int exit_status(const struct report_options *o, const struct vmrt_variant *variants,
	size_t n, enum vmrt_verdict verdict)
{
	int result = VMRT_EXIT_DONE;

	for (size_t i = 0; i < n; i++) {
		if (o->allow_loss || !vmrt_facts_loss(variants[i].facts))
			continue;
		vmrt_warn("%s: events were lost that may have changed outcomes (--allow-loss "
			  "accepts that)",
			variants[i].facts->label);
		result = VMRT_EXIT_UNKNOWN;
	}
	if (!o->n_conditions)
		return result;
	return verdict == VMRT_VERDICT_VIOLATED	 ? VMRT_EXIT_VIOLATED
	       : verdict == VMRT_VERDICT_UNKNOWN ? VMRT_EXIT_UNKNOWN
						 : VMRT_EXIT_DONE;
}

static int run(void *opts)
{
	const struct report_options *o = opts;
	struct vmrt_variant *variants = NULL;
	struct vmrt_filter filter = o->filter;
	enum vmrt_verdict verdict = VMRT_VERDICT_OK;
	struct vmrt_error err;
	enum vmrt_status status;
	int result = VMRT_EXIT_FAILED;
	size_t n;

	vmrt_end_at_stop();
	if (o->advise) {
		struct vmrt_print how = how_to_print(o);

		return vmrt_advise_run(o->runs[0], &o->advice, &how);
	}
	filter.tasks = o->tasks;
	filter.n_tasks = o->n_tasks;
	filter.servers = o->servers;
	filter.n_servers = o->n_servers;
	if (o->format == VMRT_FORMAT_HTML)
		filter.show |= VMRT_SHOW_PICTURES;
	if (o->sql) {
		if (query(o, &err) == VMRT_OK)
			return VMRT_EXIT_DONE;
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	status = vmrt_variants_load(
		o->runs, o->n_runs, o->compare, o->pool, &filter, &variants, &n, &err);
	if (status == VMRT_OK && o->compare && n < 2)
		status = vmrt_fail(&err, VMRT_EINVAL,
			"all runs are repetitions of one variant: there is nothing to compare them "
			"with");
	if (status == VMRT_OK)
		status = (o->compare ? compare : report)(o, variants, n, &verdict, &err);
	if (status == VMRT_OK)
		result = exit_status(o, variants, n, verdict);
	else
		vmrt_complain(&err);
	vmrt_variants_free(variants, n);
	return result;
}

int main(int argc, char **argv)
{
	static struct report_options options = {.filter = VMRT_FILTER_ALL,
		.seed = VMRT_BOOTSTRAP_SEED,
		.advice = VMRT_ADVISE_DEFAULTS};
	const struct vmrt_command commands[] = {
		{.args = "RUN...",
			.summary =
				"Report servers, tasks, misses and their causes of recorded runs.",
			.doc = "RUN is a run folder or a database. Exit status: 0 done, 1 could "
			       "not, 2 a condition of "
			       "--fail-if is true or no server is feasible, 3 loss leaves it open, "
			       "or events were lost that may have changed "
			       "outcomes, 64 usage.",
			.options = report_option_table,
			.argument = report_options_argument,
			.check = report_options_check,
			.opts = &options,
			.run = run},
		many_push_command,
		many_trend_command,
		{.run = NULL},
	};
	const struct vmrt_tool tool = {
		.name = "vmrt-report",
		.summary = "Report recorded runs.",
		.commands = commands,
	};

	return vmrt_tool_main(&tool, argc, argv);
}
