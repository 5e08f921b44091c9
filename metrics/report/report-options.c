/* SPDX-License-Identifier: MIT */
#include "report-options.h"

#include <stdio.h>
#include <string.h>

#include <vmrt/tool.h>

enum {
	OPT_COMPARE = 'c',
	OPT_FORMAT = 'f',
	OPT_TASK = 't',
	OPT_TABLE = 'T',
	OPT_SERVER = 's',
	OPT_LOSS = 256,
	OPT_FROM,
	OPT_TO,
	OPT_SKIP,
	OPT_WORST,
	OPT_WINDOW,
	OPT_FAIL_IF,
	OPT_POOL,
	OPT_SEED,
	OPT_SELECT,
	OPT_WIDTH,
	OPT_HISTOGRAM,
	OPT_CDF,
	OPT_SQL,
	OPT_ADVISE,
	OPT_EXECUTION,
	OPT_MARGIN,
	OPT_OVERHEAD,
	OPT_PERIOD
};

const struct argp_option report_option_table[] = {
	{"format", OPT_FORMAT, "FORMAT", 0,
		"text (the default), markdown, csv, json, jsonl, latex, or html with pictures", 0},
	{"task", OPT_TASK, "NAME", 0,
		"only this task, as NAME or MACHINE/NAME; may be given several times", 0},
	{"server", OPT_SERVER, "NAME", 0, "only this server; may be given several times", 0},
	{"from", OPT_FROM, "TIME", 0,
		"only jobs that arrive, and periods that begin, so long after the run's start", 0},
	{"to", OPT_TO, "TIME", 0, "or that arrive, and end, before this long after it", 0},
	{"skip-first", OPT_SKIP, "N", 0,
		"leave out the first N jobs of each task and periods of each server", 0},
	{"worst", OPT_WORST, "N", 0, "show the N worst jobs of each task (3)", 0},
	{"window", OPT_WINDOW, "K", 0,
		"of how many jobs in a row to tell the fewest met: (m,K)-firm (10)", 0},
	{"table", OPT_TABLE, "NAME", 0,
		"only this table: run, vms, loss, clock, servers, supply, checks, natural, tasks, "
		"causes, worst, "
		"histogram, cdf, analysis or analysis_tasks; with --compare: runs, tasks, tests, "
		"spread or servers; with "
		"--fail-if: conditions; with --advise: advice, advice_tasks or advice_periods",
		0},
	{"select", OPT_SELECT, "KEY,...", 0,
		"only these columns, or metrics of a comparison, by their keys in json, as in "
		"miss,response_p99; may be "
		"given several times",
		0},
	{"width", OPT_WIDTH, "N", 0, "of text, 80 to 200 columns (the terminal's; elsewhere 80)",
		0},
	{"histogram", OPT_HISTOGRAM, NULL, 0, "show how the response times are distributed", 0},
	{"cdf", OPT_CDF, NULL, 0, "show which share of the jobs took how long at most", 0},
	{"sql", OPT_SQL, "QUERY", 0, "show only what the databases answer to this query", 0},
	{"compare", OPT_COMPARE, NULL, 0,
		"variants side by side; the first is the base; a variant is [NAME=]RUN[,RUN...], "
		"with its repetitions",
		0},
	{"pool", OPT_POOL, NULL, 0,
		"with --compare: runs of the same experiment, with or without HSF, are repetitions "
		"of one variant",
		0},
	{"seed", OPT_SEED, "N", 0, "of the random numbers of the bootstrap (1)", 0},
	{"fail-if", OPT_FAIL_IF, "CONDITION", 0,
		"exit with 2 if it is true, as in 'miss(rt_task1) > 1%'; may be given several "
		"times",
		0},
	{"advise", OPT_ADVISE, NULL, 0,
		"instead of a report: what period and budget each VM needs, as an experiment file; "
		"RUN may be one, too",
		0},
	{"execution", OPT_EXECUTION, "WHICH", 0,
		"with --advise: execution times that are declared, measured, or the larger "
		"(declared, else measured)",
		0},
	{"margin", OPT_MARGIN, "PERCENT", 0, "with --advise: add so much to execution times (10)",
		0},
	{"overhead", OPT_OVERHEAD, "TIME", 0,
		"with --advise: of each budget, lost to switching (100us)", 0},
	{"period", OPT_PERIOD, "TIME", 0,
		"with --advise: of the servers (the declared one, else the best)", 0},
	{"allow-loss", OPT_LOSS, NULL, 0,
		"exit with 0 and compare although events were lost that may have changed outcomes",
		0},
	{NULL, 0, NULL, 0, NULL, 0},
};

static error_t parse_time(
	struct argp_state *state, const char *option, const char *arg, int64_t *out)
{
	if (vmrt_parse_duration(arg, 0, out) != VMRT_OK)
		return vmrt_usage(
			state, "%s: '%s' is not a time such as 250ms or 1.5s", option, arg);
	return 0;
}

static error_t parse_number(struct argp_state *state, const char *option, const char *arg,
	int64_t least, int64_t most, int64_t *out)
{
	if (vmrt_parse_int(arg, least, most, out) != VMRT_OK)
		return vmrt_usage(state, "%s is a number from %lld to %lld, not '%s'", option,
			(long long)least, (long long)most, arg);
	return 0;
}

/* "a,b,c", which is taken apart. */
static error_t parse_select(struct argp_state *state, char *arg, struct report_options *o)
{
	for (char *rest, *key = strtok_r(arg, ",", &rest); key; key = strtok_r(NULL, ",", &rest)) {
		if (o->n_select == REPORT_NAMES_MAX)
			return vmrt_usage(state, "--select: more than %d columns are named",
				REPORT_NAMES_MAX);
		o->select[o->n_select++] = key;
	}
	if (!o->n_select)
		return vmrt_usage(
			state, "--select needs the names of columns, as in miss,response_p99");
	return 0;
}

/* Options of --advise. */
static error_t parse_advice(int key, char *arg, struct argp_state *state)
{
	struct report_options *o = state->input;
	error_t result = 0;
	int64_t number;

	o->advise_only = o->advise_only || key != OPT_ADVISE;
	switch (key) {
	case OPT_ADVISE:
		o->advise = true;
		return 0;
	case OPT_EXECUTION:
		if (!strcmp(arg, "declared"))
			o->advice.execution = VMRT_EXECUTION_DECLARED;
		else if (!strcmp(arg, "measured"))
			o->advice.execution = VMRT_EXECUTION_MEASURED;
		else if (!strcmp(arg, "larger"))
			o->advice.execution = VMRT_EXECUTION_LARGER;
		else
			return vmrt_usage(state,
				"--execution is declared, measured or larger, not '%s'", arg);
		return 0;
	case OPT_MARGIN:
		result = parse_number(state, "--margin", arg, 0, 1000, &number);
		o->advice.margin = (double)number / 100;
		return result;
	case OPT_OVERHEAD:
		return parse_time(state, "--overhead", arg, &o->advice.overhead_ns);
	default:
		result = parse_time(state, "--period", arg, &o->advice.period_ns);
		if (result == 0 && (o->advice.period_ns < VMRT_NS_PER_MS / 2 ||
					   o->advice.period_ns > 100 * VMRT_NS_PER_S))
			return vmrt_usage(state, "--period: '%s' is not from 500us to 100s", arg);
		return result;
	}
}

error_t report_options_parse(int key, char *arg, struct argp_state *state)
{
	struct report_options *o = state->input;
	struct vmrt_error err;
	int64_t number;

	switch (key) {
	case OPT_FORMAT:
		if (vmrt_format_parse(arg, &o->format) != VMRT_OK)
			return vmrt_usage(state,
				"there is no format '%s': text, markdown, csv, json, jsonl, latex, "
				"html",
				arg);
		return 0;
	case OPT_TASK:
		if (o->n_tasks == REPORT_NAMES_MAX)
			return vmrt_usage(state, "more than %d tasks are named", REPORT_NAMES_MAX);
		o->tasks[o->n_tasks++] = arg;
		return 0;
	case OPT_SERVER:
		if (o->n_servers == REPORT_NAMES_MAX)
			return vmrt_usage(
				state, "more than %d servers are named", REPORT_NAMES_MAX);
		o->servers[o->n_servers++] = arg;
		return 0;
	case OPT_FROM:
		return parse_time(state, "--from", arg, &o->filter.from_ns);
	case OPT_TO:
		return parse_time(state, "--to", arg, &o->filter.to_ns);
	case OPT_SKIP:
		return parse_number(
			state, "--skip-first", arg, 0, INT32_MAX, &o->filter.skip_first);
	case OPT_WORST:
		if (parse_number(state, "--worst", arg, 0, VMRT_WORST_MAX, &number) == 0)
			o->filter.worst = (size_t)number;
		return 0;
	case OPT_WINDOW:
		return parse_number(state, "--window", arg, 1, VMRT_WINDOW_MAX, &o->filter.window);
	case OPT_TABLE:
		o->table = arg;
		return 0;
	case OPT_SELECT:
		return parse_select(state, arg, o);
	case OPT_WIDTH:
		return parse_number(
			state, "--width", arg, VMRT_TEXT_WIDTH, VMRT_TEXT_WIDTH_MAX, &o->width);
	case OPT_HISTOGRAM:
		o->filter.show |= VMRT_SHOW_HISTOGRAM;
		return 0;
	case OPT_CDF:
		o->filter.show |= VMRT_SHOW_CDF;
		return 0;
	case OPT_SQL:
		o->sql = arg;
		return 0;
	case OPT_COMPARE:
		o->compare = true;
		return 0;
	case OPT_POOL:
		o->pool = true;
		return 0;
	case OPT_SEED:
		return parse_number(state, "--seed", arg, 0, INT64_MAX, &o->seed);
	case OPT_FAIL_IF:
		if (o->n_conditions == REPORT_CONDITIONS_MAX)
			return vmrt_usage(state, "--fail-if is given more than %d times",
				REPORT_CONDITIONS_MAX);
		if (vmrt_condition_parse(arg, &o->conditions[o->n_conditions++], &err) != VMRT_OK)
			return vmrt_usage(state, "--fail-if %s", err.text);
		return 0;
	case OPT_ADVISE:
	case OPT_EXECUTION:
	case OPT_MARGIN:
	case OPT_OVERHEAD:
	case OPT_PERIOD:
		return parse_advice(key, arg, state);
	case OPT_LOSS:
		o->allow_loss = true;
		return 0;
	case ARGP_KEY_ARG:
		if (o->n_runs == REPORT_NAMES_MAX)
			return vmrt_usage(state, "more than %d runs are named", REPORT_NAMES_MAX);
		o->runs[o->n_runs++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->n_runs)
			return vmrt_usage(state, "no run is named");
		if (o->compare && o->n_runs < 2)
			return vmrt_usage(state, "--compare needs at least two runs");
		if (o->sql && (o->compare || o->advise || o->n_conditions))
			return vmrt_usage(
				state, "--sql goes with none of --compare, --advise and --fail-if");
		if (o->advise && (o->compare || o->n_conditions || o->n_runs > 1))
			return vmrt_usage(state, "--advise takes one run or experiment file, and "
						 "no --compare or --fail-if");
		if (o->advise_only && !o->advise)
			return vmrt_usage(state,
				"--execution, --margin, --overhead and --period go with --advise");
		if (o->pool && !o->compare)
			return vmrt_usage(state, "--pool goes with --compare");
		if (o->filter.from_ns != VMRT_UNKNOWN && o->filter.to_ns != VMRT_UNKNOWN &&
			o->filter.to_ns <= o->filter.from_ns)
			return vmrt_usage(state, "--to is not behind --from");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}
