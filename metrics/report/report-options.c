/* SPDX-License-Identifier: MIT */
/* The command line of vmrt-report: one row per option, and which options go together. */
#include "report-options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#define OF struct report_options
#define WORST_STANDARD 3 /* jobs of each task, as the row of --worst says */
#define TIME_SAMPLE "250ms or 1.5s"

/* Takes a list such as "a,b,c" apart. */
static error_t take_select(void *opts, char *arg, const struct argp_state *state)
{
	struct report_options *o = opts;

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

static error_t take_worst(void *opts, char *arg, const struct argp_state *state)
{
	struct report_options *o = opts;
	int64_t number;

	if (vmrt_parse_int(arg, 0, VMRT_WORST_MAX, &number) != VMRT_OK)
		return vmrt_usage(
			state, "--worst is a number from 0 to %d, not '%s'", VMRT_WORST_MAX, arg);
	o->filter.worst = (size_t)number;
	return 0;
}

static error_t take_histogram(void *opts, char *arg, const struct argp_state *state)
{
	(void)arg;
	(void)state;
	((struct report_options *)opts)->filter.show |= VMRT_SHOW_HISTOGRAM;
	return 0;
}

static error_t take_cdf(void *opts, char *arg, const struct argp_state *state)
{
	(void)arg;
	(void)state;
	((struct report_options *)opts)->filter.show |= VMRT_SHOW_CDF;
	return 0;
}

static error_t take_condition(void *opts, char *arg, const struct argp_state *state)
{
	struct report_options *o = opts;
	struct vmrt_error err;

	if (o->n_conditions == REPORT_CONDITIONS_MAX)
		return vmrt_usage(
			state, "--fail-if is given more than %d times", REPORT_CONDITIONS_MAX);
	if (vmrt_condition_parse(arg, &o->conditions[o->n_conditions++], &err) != VMRT_OK)
		return vmrt_usage(state, "--fail-if %s", err.text);
	return 0;
}

/* in the order of enum vmrt_advise_execution */
static const char *const execution_words[] = {"", "declared", "measured", "larger", NULL};

static error_t take_execution(void *opts, char *arg, const struct argp_state *state)
{
	struct report_options *o = opts;

	o->advise_only = true;
	for (int i = 1; execution_words[i]; i++)
		if (!strcmp(arg, execution_words[i])) {
			o->advice.execution = (enum vmrt_advise_execution)i;
			return 0;
		}
	return vmrt_usage(state, "--execution is declared, measured or larger, not '%s'", arg);
}

static error_t take_margin(void *opts, char *arg, const struct argp_state *state)
{
	struct report_options *o = opts;
	int64_t number;

	if (vmrt_parse_int(arg, 0, 1000, &number) != VMRT_OK)
		return vmrt_usage(state, "--margin is a number from 0 to 1000, not '%s'", arg);
	o->advise_only = true;
	o->advice.margin = (double)number / 100;
	return 0;
}

static error_t take_overhead(void *opts, char *arg, const struct argp_state *state)
{
	struct report_options *o = opts;

	if (vmrt_parse_duration(arg, 0, &o->advice.overhead_ns) != VMRT_OK)
		return vmrt_usage(
			state, "--overhead: '%s' is not a time such as " TIME_SAMPLE, arg);
	o->advise_only = true;
	return 0;
}

static error_t take_period(void *opts, char *arg, const struct argp_state *state)
{
	struct report_options *o = opts;

	if (vmrt_parse_duration(arg, 0, &o->advice.period_ns) != VMRT_OK ||
		o->advice.period_ns < VMRT_NS_PER_MS / 2 ||
		o->advice.period_ns > 100 * VMRT_NS_PER_S)
		return vmrt_usage(state, "--period: '%s' is not a time from 500us to 100s", arg);
	o->advise_only = true;
	return 0;
}

/* The tables, and which kind of output contains each of them. Tables that are for people only are
 * not in formats that programs read. */
#define OF_REPORT 1
#define OF_COMPARE 2
#define OF_CONDITIONS 4
#define OF_ADVICE 8
#define TABLE_LIST(X)                                                                              \
	X(answer, OF_REPORT | OF_COMPARE)                                                          \
	X(answer_tasks, OF_REPORT)                                                                 \
	X(answer_servers, OF_REPORT)                                                               \
	X(trust, OF_REPORT | OF_COMPARE)                                                           \
	X(run, OF_REPORT)                                                                          \
	X(vms, OF_REPORT)                                                                          \
	X(loss, OF_REPORT)                                                                         \
	X(clock, OF_REPORT)                                                                        \
	X(servers, OF_REPORT | OF_COMPARE)                                                         \
	X(supply, OF_REPORT)                                                                       \
	X(checks, OF_REPORT)                                                                       \
	X(natural, OF_REPORT)                                                                      \
	X(tasks, OF_REPORT | OF_COMPARE)                                                           \
	X(causes, OF_REPORT)                                                                       \
	X(worst, OF_REPORT)                                                                        \
	X(histogram, OF_REPORT)                                                                    \
	X(cdf, OF_REPORT)                                                                          \
	X(analysis, OF_REPORT)                                                                     \
	X(analysis_tasks, OF_REPORT)                                                               \
	X(runs, OF_COMPARE)                                                                        \
	X(tests, OF_COMPARE)                                                                       \
	X(spread, OF_COMPARE)                                                                      \
	X(conditions, OF_CONDITIONS)                                                               \
	X(advice, OF_ADVICE)                                                                       \
	X(advice_tasks, OF_ADVICE)                                                                 \
	X(advice_periods, OF_ADVICE)
#define X(name, of) #name,
static const char *const table_words[] = {TABLE_LIST(X) NULL};
#undef X
#define X(name, of) of,
static const unsigned tables_of[] = {TABLE_LIST(X) 0};
#undef X

/* Refuses a table that these options do not make. */
static error_t check_table(const struct report_options *o, const struct argp_state *state)
{
	unsigned made = o->advise ? OF_ADVICE : o->compare ? OF_COMPARE : OF_REPORT;
	size_t i = 0;

	if (!o->table || o->sql)
		return 0;
	if (o->n_conditions)
		made |= OF_CONDITIONS;
	while (table_words[i] && strcmp(table_words[i], o->table) != 0)
		i++;
	if (!table_words[i] || tables_of[i] & made)
		return 0;
	if (tables_of[i] == OF_CONDITIONS)
		return vmrt_usage(state, "--table %s goes with --fail-if", o->table);
	if (tables_of[i] & OF_REPORT)
		return vmrt_usage(state, "--table %s does not go with --%s", o->table,
			o->advise ? "advise" : "compare");
	return vmrt_usage(state, "--table %s goes with --%s", o->table,
		tables_of[i] & OF_COMPARE ? "compare" : "advise");
}

#define X(name, words) words,
static const char *const format_words[] = {VMRT_FORMAT_LIST(X) "junit", "prometheus",
	NULL}; /* in the order of enum vmrt_format, and behind that of enum report_format */
#undef X

const struct vmrt_option report_option_table[] = {
	{"format", 'f', "FORMAT", "html comes with pictures", .standard = "text",
		VMRT_CHOICE(OF, format, format_words)},
	{"task", 't', "NAME", "only this task, as NAME or MACHINE/NAME",
		VMRT_LIST(OF, tasks, n_tasks)},
	{"server", 's', "NAME", "only this server", VMRT_LIST(OF, servers, n_servers)},
	{"from", 0, "TIME",
		"only jobs that arrive, and periods that begin, at this time after the "
		"run's start or later",
		VMRT_TIME(OF, filter.from_ns, 0, 0), .sample = TIME_SAMPLE},
	{"to", 0, "TIME",
		"only jobs that arrive, and periods that end, before this time after "
		"the run's start",
		VMRT_TIME(OF, filter.to_ns, 0, 0), .sample = TIME_SAMPLE},
	{"skip-first", 0, "N", "leave out the first N jobs of each task and periods of each server",
		VMRT_COUNT(OF, filter.skip_first, 0, INT32_MAX), .sample = "10"},
	{"worst", 0, "N", "show the N worst jobs of each task", .standard = "3",
		VMRT_CALL(take_worst)},
	{"window", 0, "K", "show the least number of met jobs among K jobs in a row: (m,K)-firm",
		.standard = "10", VMRT_COUNT(OF, filter.window, 1, VMRT_WINDOW_MAX)},
	{"full", 0, NULL,
		"show all tables; without it, text and Markdown are the answer in a few lines",
		VMRT_FLAG(OF, full)},
	{"table", 'T', "NAME",
		"only this table: answer, answer_tasks, answer_servers, trust, run, vms, loss, "
		"clock, servers, supply, checks, natural, tasks, "
		"causes, worst, histogram, cdf, analysis or analysis_tasks; with --compare: runs, "
		"tasks, tests, spread or servers; with --fail-if: conditions; with --advise: "
		"advice, advice_tasks or advice_periods",
		VMRT_TEXT(OF, table), .choices = table_words},
	{"select", 0, "KEY,...",
		"only these columns, or metrics of a comparison, by their keys in json, as in "
		"miss,response_p99; may be given several times",
		VMRT_CALL(take_select)},
	{"width", 0, "N", "columns of text (default: the terminal's; elsewhere 80)",
		VMRT_COUNT(OF, width, VMRT_TEXT_WIDTH_MIN, VMRT_TEXT_WIDTH_MAX), .sample = "120"},
	{"histogram", 0, NULL, "show how the response times are distributed",
		VMRT_CALL(take_histogram)},
	{"cdf", 0, NULL, "show the cumulative distribution of the response times",
		VMRT_CALL(take_cdf)},
	{"sql", 0, "QUERY", "show only the result of this query to the databases",
		VMRT_TEXT(OF, sql)},
	{"compare", 'c', NULL,
		"compare variants with the first one; a variant is [NAME=]RUN[,RUN...], "
		"with its repetitions",
		VMRT_FLAG(OF, compare)},
	{"pool", 0, NULL,
		"with --compare: runs of the same experiment are repetitions of one "
		"variant if all of them were enforced, or none",
		VMRT_FLAG(OF, pool)},
	{"seed", 0, "N", "seed of the random numbers of the bootstrap", .standard = "1",
		VMRT_COUNT(OF, seed, 0, INT64_MAX)},
	{"fail-if", 0, "CONDITION",
		"exit with 2 if the condition is true, as in 'miss(rt_task1) > 1%'; may "
		"be given several times",
		VMRT_CALL(take_condition)},
	{"junit", 0, "FILE",
		"also write JUnit's XML into FILE: a test for each condition of --fail-if, "
		"deadline and rule of a server",
		VMRT_TEXT(OF, junit)},
	{"prometheus", 0, "FILE",
		"also write figures into FILE for node_exporter's textfile collector; "
		"FILE is replaced atomically",
		VMRT_TEXT(OF, prometheus)},
	{"advise", 0, NULL,
		"instead of a report: what period and budget each VM needs, as an experiment file; "
		"RUN may be one, too",
		VMRT_FLAG(OF, advise)},
	{"execution", 0, "WHICH",
		"with --advise: execution times that are declared, measured, or the larger",
		.standard = "declared, else measured", VMRT_CALL(take_execution),
		.choices = execution_words + 1},
	{"margin", 0, "PERCENT", "with --advise: add this percentage to execution times",
		.standard = "10", VMRT_CALL(take_margin)},
	{"overhead", 0, "TIME", "with --advise: the part of each budget that is lost to switching",
		.standard = "100us", VMRT_CALL(take_overhead)},
	{"period", 0, "TIME", "with --advise: period of all servers",
		.standard = "the declared one, else the best", VMRT_CALL(take_period)},
	{"quiet", 'q', NULL, "with --fail-if: print the conditions only", VMRT_FLAG(OF, quiet)},
	{"allow-loss", 0, NULL,
		"exit with 0 and compare although events were lost that may have changed outcomes",
		VMRT_FLAG(OF, allow_loss)},
	{0},
};

error_t report_options_argument(void *opts, char *arg, struct argp_state *state)
{
	struct report_options *o = opts;

	if (o->n_runs == REPORT_NAMES_MAX)
		return vmrt_usage(state, "more than %d runs are named", REPORT_NAMES_MAX);
	o->runs[o->n_runs++] = arg;
	return 0;
}

error_t report_options_check(void *opts, const struct argp_state *state)
{
	struct report_options *o = opts;

	/* a table that is named must also be made */
	if (o->table && !strcmp(o->table, "histogram"))
		o->filter.show |= VMRT_SHOW_HISTOGRAM;
	if (o->table && !strcmp(o->table, "cdf"))
		o->filter.show |= VMRT_SHOW_CDF;
	if (o->quiet && (!o->n_conditions || o->table))
		return vmrt_usage(state, "--quiet goes with --fail-if, whose conditions it prints, "
					 "and not with --table");
	if (o->quiet)
		o->table = "conditions";
	/* these are in the full report only, so who asks for them gets the full report */
	o->full = o->full || o->filter.show || o->filter.worst != WORST_STANDARD;
	if (!o->n_runs)
		return vmrt_usage(state, "no run is named");
	if (check_table(o, state) != 0)
		return EINVAL;
	if (o->compare && o->n_runs < 2)
		return vmrt_usage(state, "--compare needs at least two runs");
	if (o->sql && (o->compare || o->advise || o->n_conditions))
		return vmrt_usage(
			state, "--sql goes with none of --compare, --advise and --fail-if");
	if ((o->junit || o->prometheus || (int)o->format >= REPORT_JUNIT) &&
		(o->compare || o->sql || o->advise))
		return vmrt_usage(state,
			"JUnit's and Prometheus' formats go with none of --compare, --sql and "
			"--advise");
	if (o->advise && (o->compare || o->n_conditions || o->n_runs > 1))
		return vmrt_usage(state, "--advise takes one run or experiment file, and "
					 "no --compare or --fail-if");
	if (o->advise_only && !o->advise)
		return vmrt_usage(
			state, "--execution, --margin, --overhead and --period go with --advise");
	if ((o->pool || vmrt_option_given("seed")) && !o->compare)
		return vmrt_usage(state, "--%s goes with --compare", o->pool ? "pool" : "seed");
	if (o->filter.from_ns != VMRT_UNKNOWN && o->filter.to_ns != VMRT_UNKNOWN &&
		o->filter.to_ns <= o->filter.from_ns)
		return vmrt_usage(state, "--to is not behind --from");
	return 0;
}
