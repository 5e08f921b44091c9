/* SPDX-License-Identifier: MIT */
/* vmrt-report: what a run was like, in tables. */
#include <vmrt/tool.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define MAX_NAMES 256

enum { OPT_COMPARE = 'c', OPT_FORMAT = 'f', OPT_TASK = 't', OPT_TABLE = 'T', OPT_SERVER = 's', OPT_LOSS = 256, OPT_FROM, OPT_TO, OPT_SKIP,
	OPT_WORST, OPT_WINDOW };

struct options {
	enum vmrt_format format;
	struct vmrt_filter filter; /* without the names */
	const char *tasks[MAX_NAMES], *servers[MAX_NAMES];
	size_t n_tasks, n_servers;
	const char *runs[MAX_NAMES];
	size_t n_runs;
	const char *table;
	bool compare, allow_loss;
};

static const struct argp_option option_table[] = {
	{"format", OPT_FORMAT, "FORMAT", 0,
		"text (the default), markdown, csv, json, jsonl or latex", 0},
	{"task", OPT_TASK, "NAME", 0,
		"only this task, as NAME or MACHINE/NAME; may be given several times", 0},
	{"server", OPT_SERVER, "NAME", 0, "only this server; may be given several times", 0},
	{"from", OPT_FROM, "TIME", 0, "only jobs that arrive, and periods that begin, so long after the run's start", 0},
	{"to", OPT_TO, "TIME", 0, "or that arrive, and end, before this long after it", 0},
	{"skip-first", OPT_SKIP, "N", 0, "leave out the first N jobs of each task and periods of each server", 0},
	{"worst", OPT_WORST, "N", 0, "show the N worst jobs of each task (3)", 0},
	{"window", OPT_WINDOW, "K", 0, "of how many jobs in a row to tell the fewest met: (m,K)-firm (10)", 0},
	{"table", OPT_TABLE, "NAME", 0,
		"only this table: run, vms, loss, clock, servers, checks, natural, tasks, causes, analysis or "
		"analysis_tasks; with --compare: runs, tasks or servers",
		0},
	{"compare", OPT_COMPARE, NULL, 0, "several runs side by side; the first is the base", 0},
	{"allow-loss", OPT_LOSS, NULL, 0,
		"exit with 0 and compare although events were lost that may have changed outcomes", 0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t parse_time(struct argp_state *state, const char *option, const char *arg, int64_t *out)
{
	if (vmrt_parse_duration(arg, 0, out) != VMRT_OK)
		return vmrt_usage(state, "%s: '%s' is not a time such as 250ms or 1.5s", option, arg);
	return 0;
}

static error_t parse_number(struct argp_state *state, const char *option, const char *arg, int64_t least,
	int64_t most, int64_t *out)
{
	if (vmrt_parse_int(arg, least, most, out) != VMRT_OK)
		return vmrt_usage(state, "%s is a number from %lld to %lld, not '%s'", option, (long long)least,
			(long long)most, arg);
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	int64_t number;

	switch (key) {
	case OPT_FORMAT:
		if (vmrt_format_parse(arg, &o->format) != VMRT_OK)
			return vmrt_usage(state,
				"there is no format '%s': text, markdown, csv, json, jsonl, latex", arg);
		return 0;
	case OPT_TASK:
		if (o->n_tasks == MAX_NAMES)
			return vmrt_usage(state, "more than %d tasks are named", MAX_NAMES);
		o->tasks[o->n_tasks++] = arg;
		return 0;
	case OPT_SERVER:
		if (o->n_servers == MAX_NAMES)
			return vmrt_usage(state, "more than %d servers are named", MAX_NAMES);
		o->servers[o->n_servers++] = arg;
		return 0;
	case OPT_FROM:
		return parse_time(state, "--from", arg, &o->filter.from_ns);
	case OPT_TO:
		return parse_time(state, "--to", arg, &o->filter.to_ns);
	case OPT_SKIP:
		return parse_number(state, "--skip-first", arg, 0, INT32_MAX, &o->filter.skip_first);
	case OPT_WORST:
		if (parse_number(state, "--worst", arg, 0, VMRT_WORST_MAX, &number) == 0)
			o->filter.worst = (size_t)number;
		return 0;
	case OPT_WINDOW:
		return parse_number(state, "--window", arg, 1, VMRT_WINDOW_MAX, &o->filter.window);
	case OPT_TABLE:
		o->table = arg;
		return 0;
	case OPT_COMPARE:
		o->compare = true;
		return 0;
	case OPT_LOSS:
		o->allow_loss = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->n_runs == MAX_NAMES)
			return vmrt_usage(state, "more than %d runs are named", MAX_NAMES);
		o->runs[o->n_runs++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->n_runs)
			return vmrt_usage(state, "no run is named");
		if (o->compare && o->n_runs < 2)
			return vmrt_usage(state, "--compare needs at least two runs");
		if (o->filter.from_ns != VMRT_UNKNOWN && o->filter.to_ns != VMRT_UNKNOWN &&
			o->filter.to_ns <= o->filter.from_ns)
			return vmrt_usage(state, "--to is not behind --from");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static bool same_label(struct vmrt_run_facts *const *runs, size_t n, size_t i)
{
	for (size_t j = 0; j < n; j++)
		if (j != i && !strcmp(runs[j]->label, runs[i]->label))
			return true;
	return false;
}

/* "…/a.vmrt" and "…/a.vmrt/run.db" are a. */
static char *folder_name(const char *origin)
{
	size_t end = strlen(origin), begin;

	if (end > 7 && !strcmp(origin + end - 7, "/run.db"))
		end -= 7;
	while (end > 1 && origin[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && origin[begin - 1] != '/'; begin--)
		continue;
	if (end - begin > 5 && !strncmp(origin + end - 5, ".vmrt", 5))
		end -= 5;
	return strndup(origin + begin, end - begin);
}

/* Runs whose labels are the same get what @name makes of the words on the command line. */
static enum vmrt_status relabel(struct vmrt_run_facts **runs, size_t n,
	char *(*name)(const char *origin), struct vmrt_error *err)
{
	bool twice[MAX_NAMES];

	for (size_t i = 0; i < n; i++)
		twice[i] = same_label(runs, n, i);
	for (size_t i = 0; i < n; i++) {
		char *label;

		if (!twice[i])
			continue;
		label = name(runs[i]->origin);
		if (!label)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		free(runs[i]->label);
		runs[i]->label = label;
	}
	return VMRT_OK;
}

/* Runs of the same name go by their folders, by their whole paths, and if need be by a number too. */
static enum vmrt_status make_labels_differ(
	struct vmrt_run_facts **runs, size_t n, struct vmrt_error *err)
{
	enum vmrt_status status = relabel(runs, n, folder_name, err);

	if (status == VMRT_OK)
		status = relabel(runs, n, strdup, err);
	if (status != VMRT_OK)
		return status;
	for (size_t i = 1; i < n; i++) {
		char *label;

		if (!same_label(runs, i, i))
			continue;
		if (asprintf(&label, "%s#%zu", runs[i]->label, i + 1) < 0)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		free(runs[i]->label);
		runs[i]->label = label;
	}
	return VMRT_OK;
}

static enum vmrt_status print(
	const struct options *o, struct vmrt_run_facts *const *runs, struct vmrt_error *err)
{
	struct vmrt_comparison *comparison = NULL;
	struct vmrt_doc *doc = NULL;
	enum vmrt_status status;

	if (o->compare)
		comparison = vmrt_report_compare(runs, o->n_runs, o->allow_loss);
	else
		doc = vmrt_doc_new("run", true);
	if (!doc && !comparison)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; doc && i < o->n_runs; i++)
		vmrt_report_run(doc, runs[i]);
	status = vmrt_doc_print(
		doc ? doc : vmrt_comparison_doc(comparison), o->format, o->table, stdout, err);
	vmrt_doc_free(doc);
	vmrt_comparison_free(comparison);
	return status;
}

static int run(void *opts)
{
	const struct options *o = opts;
	struct vmrt_run_facts *runs[MAX_NAMES] = {NULL};
	struct vmrt_filter filter = o->filter;
	struct vmrt_error err;
	enum vmrt_status status = VMRT_OK;
	int exit_status = VMRT_EXIT_DONE;

	filter.tasks = o->tasks;
	filter.n_tasks = o->n_tasks;
	filter.servers = o->servers;
	filter.n_servers = o->n_servers;
	for (size_t i = 0; status == VMRT_OK && i < o->n_runs; i++)
		status = vmrt_facts_load(o->runs[i], &filter, &runs[i], &err);
	if (status == VMRT_OK)
		status = make_labels_differ(runs, o->n_runs, &err);
	if (status == VMRT_OK)
		status = print(o, runs, &err);
	if (status != VMRT_OK) {
		vmrt_complain(&err);
		exit_status = VMRT_EXIT_FAILED;
	}
	for (size_t i = 0; status == VMRT_OK && i < o->n_runs; i++) {
		if (o->allow_loss || !vmrt_facts_loss(runs[i]))
			continue;
		vmrt_warn("%s: events were lost that may have changed outcomes (--allow-loss accepts that)",
			runs[i]->label);
		exit_status = VMRT_EXIT_UNKNOWN;
	}
	for (size_t i = 0; i < o->n_runs; i++)
		vmrt_facts_free(runs[i]);
	return exit_status;
}

int main(int argc, char **argv)
{
	static struct options options = {.filter = VMRT_FILTER_ALL};
	static const struct vmrt_command commands[] = {
		{.args = "RUN...",
			.summary = "Report servers, tasks, misses and their causes of recorded runs.",
			.doc = "RUN is a run folder or a database. Exit status: 0 done, 1 could not, 3 events were "
			       "lost that may have changed outcomes, 64 usage.",
			.options = option_table,
			.parse = parse,
			.opts = &options,
			.run = run},
		{.run = NULL},
	};
	static const struct vmrt_tool tool = {
		.name = "vmrt-report",
		.summary = "Report recorded runs.",
		.commands = commands,
	};

	return vmrt_tool_main(&tool, argc, argv);
}
