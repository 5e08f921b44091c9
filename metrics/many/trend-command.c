/* SPDX-License-Identifier: MIT */
/* vmrt-report trend: runs of a folder or of a database, compared with a baseline. */
#include "commands.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <vmrt/units.h>

#include "store.h"
#include "trend.h"

#define NAMES_MAX 64
#define TIME_SAMPLE "250ms or 1.5s"
#define DATE_SAMPLE "2026-01-31 or 2026-01-31T08:00:00Z"

struct trend_opts {
	enum vmrt_format format;
	const char *tasks[NAMES_MAX], *servers[NAMES_MAX], *select[NAMES_MAX];
	size_t n_tasks, n_servers, n_select;
	int64_t from_ns, to_ns, last, width;
	double least;
	const char *table;
	struct store_wanted wanted;
	struct trend_options trend;
	struct many_sources sources;
	bool allow_loss;
};

#define OF struct trend_opts

static error_t take_baseline(void *opts, char *arg, const struct argp_state *state)
{
	struct trend_opts *o = opts;
	int64_t n;

	o->trend.baseline = NULL;
	if (!*arg)
		return vmrt_usage(state, "--baseline is a run, or a number of runs");
	if (vmrt_parse_int(arg, 1, INT32_MAX, &n) == VMRT_OK)
		o->trend.first = (size_t)n;
	else
		o->trend.baseline = arg;
	return 0;
}

/* Is it a date in UTC, either YYYY-MM-DD or YYYY-MM-DDTHH:MM:SS, the latter with or without Z? */
static bool is_date(const char *text)
{
	static const char form[] = "0000-00-00T00:00:00Z";
	size_t len = strlen(text);
	struct tm tm = {0}, day;

	if (len != 10 && len != 19 && len != 20)
		return false;
	for (size_t i = 0; i < len; i++)
		if (form[i] == '0' ? !isdigit((unsigned char)text[i]) : text[i] != form[i])
			return false;
	sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
		&tm.tm_min, &tm.tm_sec);
	tm.tm_year -= 1900;
	tm.tm_mon--;
	day = tm; /* timegm() changes the copy if there is no such day */
	timegm(&day);
	return day.tm_mday == tm.tm_mday && day.tm_mon == tm.tm_mon && day.tm_hour == tm.tm_hour &&
	       day.tm_min == tm.tm_min && day.tm_sec == tm.tm_sec;
}

/* Takes a time that is counted from the start of each run. */
static error_t take_part(
	const char *option, char *arg, const struct argp_state *state, int64_t *out_ns)
{
	if (is_date(arg))
		return vmrt_usage(state,
			"%s '%s': give a time after each run's start such as " TIME_SAMPLE
			"; runs are chosen by their date with --since and --until",
			option, arg);
	return vmrt_parse_duration(arg, 0, out_ns) == VMRT_OK
		       ? 0
		       : vmrt_usage(
				 state, "%s '%s': give a time such as " TIME_SAMPLE, option, arg);
}

static error_t take_from(void *opts, char *arg, const struct argp_state *state)
{
	return take_part("--from", arg, state, &((struct trend_opts *)opts)->from_ns);
}

static error_t take_to(void *opts, char *arg, const struct argp_state *state)
{
	return take_part("--to", arg, state, &((struct trend_opts *)opts)->to_ns);
}

static error_t take_since(void *opts, char *arg, const struct argp_state *state)
{
	((struct trend_opts *)opts)->wanted.since = arg;
	return is_date(arg)
		       ? 0
		       : vmrt_usage(state, "--since: '%s' is not a date such as " DATE_SAMPLE, arg);
}

static error_t take_until(void *opts, char *arg, const struct argp_state *state)
{
	((struct trend_opts *)opts)->wanted.until = arg;
	return is_date(arg)
		       ? 0
		       : vmrt_usage(state, "--until: '%s' is not a date such as " DATE_SAMPLE, arg);
}

static error_t take_least(void *opts, char *arg, const struct argp_state *state)
{
	int64_t percent;

	if (vmrt_parse_int(arg, 0, 1000, &percent) != VMRT_OK)
		return vmrt_usage(
			state, "--least is a number of percent from 0 to 1000, not '%s'", arg);
	((struct trend_opts *)opts)->trend.least = (double)percent / 100;
	return 0;
}

static error_t take_select(void *opts, char *arg, const struct argp_state *state)
{
	struct trend_opts *o = opts;

	for (char *rest, *key = strtok_r(arg, ",", &rest); key; key = strtok_r(NULL, ",", &rest)) {
		if (o->n_select == NAMES_MAX)
			return vmrt_usage(
				state, "--select: more than %d columns are named", NAMES_MAX);
		o->select[o->n_select++] = key;
	}
	return o->n_select ? 0 : vmrt_usage(state, "--select needs the names of columns");
}

#define X(name, words) words,
/* in the order of enum vmrt_format */
static const char *const format_words[] = {VMRT_FORMAT_LIST(X) NULL};
#undef X

static const char *const table_words[] = {"worse", "tasks", "servers", "tests", NULL};

static const struct vmrt_option options[] = {
	{"format", 'f', "FORMAT", "format of the tables", .standard = "text",
		VMRT_CHOICE(OF, format, format_words)},
	{"baseline", 'b', "RUN|N",
		"what later runs are compared with: a run by its UUID, path or folder's name, or "
		"the first N of each series",
		.standard = "1", VMRT_CALL(take_baseline)},
	{"last", 0, "N", "judge only the last N runs of each series",
		VMRT_COUNT(OF, last, 1, INT32_MAX), .sample = "1"},
	{"least", 0, "PERCENT", "response times that grow by less are not worse", .standard = "5",
		VMRT_CALL(take_least)},
	{"task", 't', "NAME", "only this task, as NAME or MACHINE/NAME",
		VMRT_LIST(OF, tasks, n_tasks)},
	{"server", 's', "NAME", "only this server", VMRT_LIST(OF, servers, n_servers)},
	{"host", 0, "NAME", "only runs of this host", VMRT_TEXT(OF, wanted.host)},
	{"name", 0, "NAME", "only runs of the experiment with this name",
		VMRT_TEXT(OF, wanted.name)},
	{"since", 0, "DATE", "only runs recorded at this time or later, in UTC",
		VMRT_CALL(take_since), .sample = DATE_SAMPLE},
	{"until", 0, "DATE", "only runs recorded before this time, in UTC", VMRT_CALL(take_until),
		.sample = DATE_SAMPLE},
	{"from", 0, "TIME",
		"only jobs that arrive, and periods that begin, at this time after "
		"their run's start or later; only for folders",
		VMRT_CALL(take_from), .sample = TIME_SAMPLE},
	{"to", 0, "TIME",
		"only jobs that arrive, and periods that end, before this time after "
		"their run's start; only for folders",
		VMRT_CALL(take_to), .sample = TIME_SAMPLE},
	{"table", 'T', "NAME", "only this table: worse, tasks, servers or tests",
		VMRT_TEXT(OF, table), .choices = table_words},
	{"select", 0, "KEY,...",
		"only these columns, by their keys in json; may be given several times",
		VMRT_CALL(take_select)},
	{"width", 0, "N", "columns of text (default: the terminal's; elsewhere 80)",
		VMRT_COUNT(OF, width, VMRT_TEXT_WIDTH_MIN, VMRT_TEXT_WIDTH_MAX), .sample = "120"},
	{"allow-loss", 0, NULL, "test although events were lost that may have changed outcomes",
		VMRT_FLAG(OF, allow_loss)},
	{0},
};

static error_t take_argument(void *opts, char *arg, struct argp_state *state)
{
	struct trend_opts *o = opts;

	return many_take_source(&o->sources, arg, state, "one database is enough");
}

static error_t check(void *opts, const struct argp_state *state)
{
	struct trend_opts *o = opts;

	if (!o->sources.uri && !o->sources.n_words)
		return vmrt_usage(state, "no folder of runs and no database is named");
	if (o->sources.uri && o->sources.n_words)
		return vmrt_usage(state, "runs come from folders or from a database, not both");
	if (o->sources.uri && (o->from_ns != VMRT_UNKNOWN || o->to_ns != VMRT_UNKNOWN))
		return vmrt_usage(state,
			"--from and --to choose a part of each run, and the database has figures "
			"of whole runs only: name folders of runs, or choose runs by their date "
			"with --since and --until");
	if (o->from_ns != VMRT_UNKNOWN && o->to_ns != VMRT_UNKNOWN && o->to_ns <= o->from_ns)
		return vmrt_usage(state, "--to is not behind --from");
	return 0;
}

/* Frees the histograms that a trend does not need. */
static void forget(struct many_run *run)
{
	for (size_t i = 0; i < run->n_tasks; i++) {
		vmrt_buckets_free(&run->tasks[i].exec);
		vmrt_buckets_free(&run->tasks[i].release);
		vmrt_buckets_free(&run->tasks[i].start);
		vmrt_buckets_free(&run->tasks[i].tardiness);
	}
}

static bool is_wanted(const struct many_run *run, const struct store_wanted *w)
{
	const char *at = run->recorded_at ? run->recorded_at : "";

	return (!w->host || (run->host && !strcmp(run->host, w->host))) &&
	       (!w->name || !strcmp(run->name, w->name)) &&
	       (!w->since || (*at && strcmp(at, w->since) >= 0)) &&
	       (!w->until || (*at && strcmp(at, w->until) < 0));
}

/* Loads the runs of the folders. A run that cannot be read is reported, left out, and counted in
 * @failed. */
static enum vmrt_status load_folders(const struct trend_opts *o, struct many_run ***runs, size_t *n,
	size_t *failed, struct vmrt_error *err)
{
	struct vmrt_filter filter = VMRT_FILTER_ALL;
	enum vmrt_status status = VMRT_OK;
	char **paths = NULL;
	size_t n_paths = 0;

	filter.from_ns = o->from_ns;
	filter.to_ns = o->to_ns;
	for (size_t i = 0; status == VMRT_OK && i < o->sources.n_words; i++)
		status = many_find(o->sources.words[i], &paths, &n_paths, err);
	*runs = calloc(n_paths + 1, sizeof(**runs));
	if (status == VMRT_OK && !*runs)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; status == VMRT_OK && i < n_paths; i++) {
		struct many_run *run;

		if (many_load(paths[i], &filter, &run, err) == VMRT_OK) {
			forget(run);
			if (is_wanted(run, &o->wanted))
				(*runs)[(*n)++] = run;
			else
				many_free(run);
			continue;
		}
		if (err->status == VMRT_EINTR || err->status == VMRT_ENOMEM) {
			status = err->status;
			break;
		}
		vmrt_complain(err);
		++*failed;
	}
	for (size_t i = 0; i < n_paths; i++)
		free(paths[i]);
	free(paths);
	return status;
}

static enum vmrt_status load_database(
	const struct trend_opts *o, struct many_run ***runs, size_t *n, struct vmrt_error *err)
{
	struct pg *pg = NULL;
	enum vmrt_status status = pg_open(o->sources.uri, &pg, err);

	if (status == VMRT_OK)
		status = store_check(pg, err);
	if (status == VMRT_OK)
		status = store_get(pg, &o->wanted, runs, n, err);
	pg_close(pg);
	return status;
}

static enum vmrt_status show(
	const struct trend_opts *o, const struct trend *trend, struct vmrt_error *err)
{
	struct vmrt_print how = {.format = o->format,
		.only = o->table,
		.select = o->select,
		.n_select = o->n_select,
		.width = o->width > 0 ? (unsigned)o->width : vmrt_text_width()};
	struct vmrt_doc *doc = vmrt_doc_new("trend", true);
	enum vmrt_status status;

	if (!doc)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	trend_report(doc, trend, &o->trend);
	status = vmrt_doc_print_as(doc, &how, stdout, err);
	vmrt_doc_free(doc);
	return status;
}

static int exit_status(const struct trend_opts *o, const struct trend *trend, size_t failed)
{
	if (trend->worse)
		return VMRT_EXIT_VIOLATED;
	if (failed)
		return VMRT_EXIT_FAILED;
	if (trend->lost && !o->allow_loss) {
		vmrt_warn("some runs were not tested: events were lost that may have changed "
			  "outcomes (--allow-loss accepts that)");
		return VMRT_EXIT_UNKNOWN;
	}
	return VMRT_EXIT_DONE;
}

static int run(void *opts)
{
	struct trend_opts *o = opts;
	struct many_run **runs = NULL;
	struct trend *trend = NULL;
	enum vmrt_status status;
	struct vmrt_error err;
	size_t n = 0, failed = 0;
	int result = VMRT_EXIT_FAILED;

	vmrt_end_at_stop();
	o->trend.tasks = o->tasks;
	o->trend.n_tasks = o->n_tasks;
	o->trend.servers = o->servers;
	o->trend.n_servers = o->n_servers;
	o->trend.last = o->last > 0 ? (size_t)o->last : 0;
	o->trend.allow_loss = o->allow_loss;
	status = o->sources.uri ? load_database(o, &runs, &n, &err)
				: load_folders(o, &runs, &n, &failed, &err);
	if (status == VMRT_OK && !n)
		status = vmrt_fail(&err, VMRT_ENOENT, "%s",
			o->wanted.host || o->wanted.name || o->wanted.since || o->wanted.until
				? "no run is of the --host, the --name and the time that are asked "
				  "for"
				: "there is no run to show");
	if (status == VMRT_OK) {
		status = trend_make(runs, n, &o->trend, &trend, &err);
	} else {
		for (size_t i = 0; i < n; i++)
			many_free(runs[i]);
		free(runs);
	}
	if (status == VMRT_OK)
		status = show(o, trend, &err);
	if (status == VMRT_OK)
		result = exit_status(o, trend, failed);
	else
		vmrt_complain(&err);
	trend_free(trend);
	return result;
}

static struct trend_opts trend_opts = {
	.from_ns = VMRT_UNKNOWN, .to_ns = VMRT_UNKNOWN, .trend = {.first = 1, .least = 0.05}};

const struct vmrt_command many_trend_command = {
	.name = "trend",
	.args = "FOLDER...|postgresql://[USER@][HOST][:PORT]/[NAME]",
	.summary = "Show tasks and servers from run to run, and what became worse.",
	.doc = "FOLDER is a run, or has runs in it. Runs of one host and experiment, with or "
	       "without "
	       "enforcement, are a series, in order of time; each run behind its baseline is "
	       "tested. Exit "
	       "status: 0 nothing became worse, 1 could not or a run could not be read, 2 "
	       "something became "
	       "worse, 3 events were lost and something was not tested, 64 usage.",
	.options = options,
	.opts = &trend_opts,
	.argument = take_argument,
	.check = check,
	.run = run,
};
