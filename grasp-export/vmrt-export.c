/* SPDX-License-Identifier: MIT */
/* vmrt-export: a run for other programs. */
#include <vmrt/tool.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/rundb.h>
#include <vmrt/units.h>

#include "csv.h"
#include "grasp.h"

#define DEFAULT_WINDOW_NS (500 * VMRT_NS_PER_MS)
#define LEAST_EVENTS 50
#define MOST_EVENTS 1000000

enum format { FORMAT_NONE, FORMAT_GRASP, FORMAT_CSV };

struct options {
	enum format format;
	const char *table, *out, *run;
	int64_t from_ns, to_ns; /* after the run's start, or VMRT_UNKNOWN */
	int64_t max_events;
};

/* When the run was, and its first job. */
struct times {
	int64_t start_ns, end_ns, first_job_ns;
	char name[128];
};

static const char *const formats[] = {"", "grasp", "csv", NULL}; /* as enum format */
static const char *const tables[] = {"jobs", "server_periods", "losses", NULL};

static error_t take_format(void *opts, char *arg, const struct argp_state *state)
{
	struct options *o = opts;

	for (size_t i = 1; formats[i]; i++)
		if (!strcmp(arg, formats[i]))
			o->format = (enum format)i;
	if (o->format == FORMAT_NONE)
		return vmrt_usage(state, "there is no format '%s': grasp, csv", arg);
	return 0;
}

static const struct vmrt_option option_table[] = {
	{"format", 'f', "FORMAT", "grasp, or csv", VMRT_CALL(take_format), .choices = formats + 1},
	{"table", 'T', "NAME", "of csv: jobs, server_periods or losses", .standard = "jobs",
		VMRT_TEXT(struct options, table), .choices = tables},
	{"from", 0, "TIME", "begin this long after the run's start, as in 1.5s",
		VMRT_TIME(struct options, from_ns, 0, 0), .sample = "250ms or 1.5s"},
	{"to", 0, "TIME", "end this long after the run's start",
		VMRT_TIME(struct options, to_ns, 0, 0), .sample = "250ms or 1.5s"},
	{"max-events", 0, "N", "of grasp: end earlier rather than write more", .standard = "10000",
		VMRT_COUNT(struct options, max_events, LEAST_EVENTS, MOST_EVENTS)},
	{"output", 'o', "FILE", "write to FILE instead of standard output",
		VMRT_TEXT(struct options, out)},
	{0},
};

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct options *o = opts;

	if (o->run)
		return vmrt_usage(state, "only one run can be exported at a time");
	o->run = arg;
	return 0;
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct options *o = opts;

	if (!o->run)
		return vmrt_usage(state, "no run is named");
	if (o->format == FORMAT_NONE)
		return vmrt_usage(state, "--format grasp or --format csv is needed");
	if (o->table && o->format != FORMAT_CSV)
		return vmrt_usage(state, "--table goes with --format csv");
	if (o->from_ns != VMRT_UNKNOWN && o->to_ns != VMRT_UNKNOWN && o->to_ns <= o->from_ns)
		return vmrt_usage(state, "--to is not behind --from");
	return 0;
}

static enum vmrt_status load_times(struct vmrt_db *db, struct times *t, struct vmrt_error *err)
{
	const char *name;
	struct vmrt_query q;
	bool found;

	/* a recording that does not know its start and end has those of its slices */
	vmrt_query_begin(&q, db, err,
		"SELECT coalesce(start_ns, (SELECT min(start_ns) FROM slice)),"
		" coalesce(end_ns, (SELECT max(end_ns) FROM slice)),"
		" (SELECT min(arrival_ns) FROM job), name FROM run LIMIT 1");
	found = vmrt_query_next(&q);
	if (found) {
		t->start_ns = vmrt_query_int(&q, 0);
		t->end_ns = vmrt_query_int(&q, 1);
		t->first_job_ns = vmrt_query_int(&q, 2);
		name = vmrt_query_string(&q, 3);
		snprintf(t->name, sizeof(t->name), "%s", name ? name : "");
	}
	if (vmrt_query_end(&q) != VMRT_OK)
		return q.status;
	if (!found)
		return vmrt_fail(err, VMRT_EFORMAT, "the database describes no run");
	if (t->start_ns == VMRT_UNKNOWN || t->end_ns == VMRT_UNKNOWN || t->end_ns <= t->start_ns)
		return vmrt_fail(err, VMRT_EFORMAT, "the run is empty: nothing ran in it");
	return VMRT_OK;
}

static enum vmrt_status export_grasp(
	struct vmrt_db *db, const struct options *o, FILE *out, struct vmrt_error *err)
{
	struct vmrt_grasp_options options = {.max_events = (size_t)o->max_events};
	int64_t length, shown_to;
	char from[VMRT_UNITS_TEXT], to[VMRT_UNITS_TEXT], asked[VMRT_UNITS_TEXT];
	struct times t;
	enum vmrt_status status = load_times(db, &t, err);

	if (status != VMRT_OK)
		return status;
	length = t.end_ns - t.start_ns;
	options.title = t.name;
	options.start_ns = t.start_ns;
	if (o->from_ns != VMRT_UNKNOWN)
		options.from_ns = t.start_ns + (o->from_ns < length ? o->from_ns : length);
	else if (o->to_ns == VMRT_UNKNOWN && t.first_job_ns > t.start_ns &&
		 t.first_job_ns < t.end_ns)
		options.from_ns = t.first_job_ns;
	else
		options.from_ns = t.start_ns;
	if (o->to_ns != VMRT_UNKNOWN)
		options.to_ns = t.start_ns + (o->to_ns < length ? o->to_ns : length);
	else
		options.to_ns = t.end_ns - options.from_ns > DEFAULT_WINDOW_NS
					? options.from_ns + DEFAULT_WINDOW_NS
					: t.end_ns;
	vmrt_format_duration(options.from_ns - t.start_ns, from);
	vmrt_format_duration(options.to_ns - t.start_ns, to);
	if (options.to_ns <= options.from_ns)
		return vmrt_fail(err, VMRT_ERANGE,
			"nothing of the run lies between %s and %s: it lasts %s", from, to,
			vmrt_format_duration(length, asked));
	if (o->to_ns == VMRT_UNKNOWN)
		vmrt_say("shows %s to %s after the run's start; --from and --to choose", from, to);
	status = vmrt_grasp_export(db, &options, out, &shown_to, err);
	if (status == VMRT_OK && shown_to < options.to_ns)
		vmrt_warn("ends %s after the run's start, not %s: more than %lld events are slow "
			  "to open "
			  "(--max-events allows more)",
			vmrt_format_duration(shown_to - t.start_ns, asked), to,
			(long long)o->max_events);
	return status;
}

static int64_t after(int64_t start_ns, int64_t ns)
{
	int64_t sum;

	return __builtin_add_overflow(start_ns, ns, &sum) ? INT64_MAX : sum;
}

static enum vmrt_status export_csv(
	struct vmrt_db *db, const struct options *o, FILE *out, struct vmrt_error *err)
{
	int64_t from = INT64_MIN, to = INT64_MAX;
	struct times t;
	enum vmrt_status status = VMRT_OK;

	if (o->from_ns != VMRT_UNKNOWN || o->to_ns != VMRT_UNKNOWN)
		status = load_times(db, &t, err);
	if (status != VMRT_OK)
		return status;
	if (o->from_ns != VMRT_UNKNOWN)
		from = after(t.start_ns, o->from_ns);
	if (o->to_ns != VMRT_UNKNOWN)
		to = after(t.start_ns, o->to_ns);
	return vmrt_csv_export(db, o->table ? o->table : "jobs", from, to, out, err);
}

/*
 * A file is written beside and renamed, so that a failure leaves a former one as it was. What is
 * there and is no ordinary file (/dev/stdout, a pipe, a link) is written to as it is: renaming
 * would put a file in its place.
 */
static enum vmrt_status open_output(
	const struct options *o, char **beside, FILE **out, struct vmrt_error *err)
{
	struct stat there;

	*beside = NULL;
	*out = stdout;
	if (!o->out)
		return VMRT_OK;
	if (lstat(o->out, &there) == 0 && !S_ISREG(there.st_mode)) {
		*out = fopen(o->out, "we");
		return *out ? VMRT_OK : vmrt_fail_errno(err, errno, "cannot write %s", o->out);
	}
	if (asprintf(beside, "%s.%ld.new", o->out, (long)getpid()) < 0) {
		*beside = NULL;
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	*out = fopen(*beside, "we");
	return *out ? VMRT_OK : vmrt_fail_errno(err, errno, "cannot write %s", o->out);
}

static enum vmrt_status close_output(const struct options *o, const char *beside, FILE *out,
	enum vmrt_status status, struct vmrt_error *err)
{
	bool failed;

	if (!o->out || !out)
		return status;
	failed = ferror(out) != 0;
	if ((fclose(out) != 0 || failed) && status == VMRT_OK)
		status = vmrt_fail_errno(err, errno ? errno : EIO, "cannot write %s", o->out);
	if (status == VMRT_OK && beside && rename(beside, o->out) != 0)
		status = vmrt_fail_errno(err, errno, "cannot write %s", o->out);
	if (status != VMRT_OK && beside)
		unlink(beside);
	return status;
}

static int run(void *opts)
{
	const struct options *o = opts;
	struct vmrt_error err;
	struct vmrt_db *db = NULL;
	char *beside = NULL;
	FILE *out = NULL;
	enum vmrt_status status = vmrt_db_open(o->run, &db, &err);

	if (status == VMRT_OK)
		status = open_output(o, &beside, &out, &err);
	if (status == VMRT_OK) {
		status = o->format == FORMAT_CSV ? export_csv(db, o, out, &err)
						 : export_grasp(db, o, out, &err);
		status = close_output(o, beside, out, status, &err);
	}
	free(beside);
	vmrt_db_close(db);
	if (status == VMRT_OK)
		return VMRT_EXIT_DONE;
	vmrt_complain(&err);
	return VMRT_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	static struct options options = {
		.from_ns = VMRT_UNKNOWN,
		.to_ns = VMRT_UNKNOWN,
	};
	static const struct vmrt_command commands[] = {
		{.args = "RUN",
			.summary = "Export a recorded run for the Grasp player, or as CSV.",
			.doc = "RUN is a run folder or a database. Without --from and --to, a "
			       "Grasp trace shows the "
			       "first 500 ms from the first job on. Exit status: 0 done, 1 could "
			       "not, 64 usage.",
			.options = option_table,
			.opts = &options,
			.argument = argument,
			.check = check,
			.run = run},
		{.run = NULL},
	};
	static const struct vmrt_tool tool = {
		.name = "vmrt-export",
		.summary = "Export a recorded run.",
		.commands = commands,
	};

	return vmrt_tool_main(&tool, argc, argv);
}
