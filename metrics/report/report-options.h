/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_REPORT_REPORT_OPTIONS_H
#define VMRT_METRICS_REPORT_REPORT_OPTIONS_H

/* The command line of vmrt-report. */

#include <vmrt/option.h>
#include <vmrt/table.h>

#include "metrics/advise/advise.h"
#include "metrics/facts/facts.h"
#include "metrics/failif/failif.h"

#define REPORT_NAMES_MAX 256
#define REPORT_CONDITIONS_MAX 64

/* Formats that other programs read instead of a report. Their numbers follow those of the formats
 * of tables. */
enum report_format { REPORT_JUNIT = VMRT_FORMAT_HTML + 1, REPORT_PROMETHEUS };

struct report_options {
	enum vmrt_format format;
	struct vmrt_filter filter; /* without the names, which are in @tasks and @servers */
	const char *tasks[REPORT_NAMES_MAX], *servers[REPORT_NAMES_MAX];
	size_t n_tasks, n_servers;
	const char *runs[REPORT_NAMES_MAX];
	size_t n_runs;
	const char *table, *sql;
	const char *junit, *prometheus; /* files that are written beside the report; or NULL */
	const char *select[REPORT_NAMES_MAX];
	size_t n_select;
	int64_t width; /* 0: as wide as the terminal */
	bool full;     /* all tables, not the answer only */
	bool quiet;    /* nothing but the conditions */
	bool compare, pool, allow_loss, advise,
		advise_only; /* advise_only: an option was given that needs --advise */
	struct vmrt_advise_options advice;
	int64_t seed;
	struct vmrt_condition conditions[REPORT_CONDITIONS_MAX];
	size_t n_conditions;
};

/** report_option_table - the rows of all options */
extern const struct vmrt_option report_option_table[];

/** report_options_argument - take the name of a run */
error_t report_options_argument(void *opts, char *arg, struct argp_state *state);

/** report_options_check - do the options go together? */
error_t report_options_check(void *opts, const struct argp_state *state);

#endif
