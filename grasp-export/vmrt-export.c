/* SPDX-License-Identifier: MIT */
/* vmrt-export: writes a run for other programs, for papers and for browsers. */
#include <vmrt/tool.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/files.h>
#include <vmrt/progress.h>
#include <vmrt/units.h>

#include "export.h"
#include "grasp-export/data/csv.h"
#include "grasp-export/grasp/grasp.h"

#define OF struct export_options
#define LEAST_EVENTS 50
#define MOST_EVENTS 1000000
#define WIDTH_LEAST 150. /* CSS pixels */
#define WIDTH_MOST 20000.
#define TIME_SAMPLE "250ms or 1.5s"

/* One row for each format: its name, whether it takes several runs (--compare), and whether it is a
 * figure (--figure, --width, --theme, --axis). export_NAME() writes it. */
#define FORMAT_LIST(X)                                                                             \
	X(grasp, false, false)                                                                     \
	X(svg, true, true)                                                                         \
	X(pdf, true, true)                                                                         \
	X(png, true, true)                                                                         \
	X(html, true, false)                                                                       \
	X(perfetto, false, false)                                                                  \
	X(csv, false, false)                                                                       \
	X(st, false, false)

static const struct format {
	const char *name;
	export_writer write;
	bool several, figure;
} formats[] = {{"", NULL, false, false},
#define X(name, several, figure) {#name, export_##name, several, figure},
	FORMAT_LIST(X)
#undef X
};

#define X(name, several, figure) #name,
static const char *const format_words[] = {FORMAT_LIST(X) NULL};
#undef X
static const char *const axis_words[] = {"ms", "ticks", NULL};
#define X(name, words) words,
static const char *const figure_words[] = {VMRT_FIGURE_LIST(X) NULL};
static const char *const theme_words[] = {VMRT_SVG_THEME_LIST(X) NULL};
#undef X

static error_t take_format(void *opts, char *arg, const struct argp_state *state)
{
	static const struct vmrt_option row = {
		.name = "format", .arg = "FORMAT", .choices = format_words};
	struct export_options *o = opts;

	for (size_t i = 1; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!strcmp(arg, formats[i].name)) {
			o->format = (int)i;
			return 0;
		}
	return vmrt_option_complain(&row, arg, state);
}

/* Takes a width such as "84mm", "10cm", "3.3in", "252pt", "800px" or "800". */
static error_t take_width(void *opts, char *arg, const struct argp_state *state)
{
	static const struct {
		const char *unit;
		double px;
	} units[] = {{"", 1}, {"px", 1}, {"mm", VMRT_PX_PER_MM}, {"cm", 10 * VMRT_PX_PER_MM},
		{"in", 96}, {"pt", 96 / 72.}};
	struct export_options *o = opts;
	char *end;
	double number = strtod(arg, &end);

	for (size_t i = 0; end != arg && i < sizeof(units) / sizeof(units[0]); i++) {
		double px = number * units[i].px;

		if (strcmp(end, units[i].unit) != 0 || !(px >= WIDTH_LEAST && px <= WIDTH_MOST))
			continue;
		o->width = px;
		o->mm = i > 1;
		return 0;
	}
	return vmrt_usage(state,
		"--width: '%s' is not a width from 40mm to 5000mm such as 84mm or 760px", arg);
}

static const struct vmrt_option option_table[] = {
	{"format", 'f', "FORMAT", "the format to write", VMRT_CALL(take_format),
		.choices = format_words},
	{"output", 'o', "FILE", "write to FILE instead of standard output", VMRT_TEXT(OF, output)},
	{"task", 't', "NAME", "only this task, as NAME or MACHINE/NAME",
		VMRT_LIST(OF, tasks, n_tasks)},
	{"server", 's', "NAME", "only this server", VMRT_LIST(OF, servers, n_servers)},
	{"from", 0, "TIME", "begin this long after the run's start", VMRT_TIME(OF, from_ns, 0, 0),
		.sample = TIME_SAMPLE},
	{"to", 0, "TIME", "end this long after the run's start", VMRT_TIME(OF, to_ns, 0, 0),
		.sample = TIME_SAMPLE},
	{"compare", 'c', NULL, "several runs in one figure; a run is [NAME=]RUN",
		VMRT_FLAG(OF, compare)},
	{"figure", 0, "FIGURE", "with svg, pdf and png: the figure to draw", .standard = "schedule",
		VMRT_CHOICE(OF, figure, figure_words)},
	{"width", 0, "LENGTH", "width of a figure, as in 84mm (a column of a paper) or 760px",
		.standard = "760px", VMRT_CALL(take_width)},
	{"theme", 0, "THEME", "colours of a figure", .standard = "light",
		VMRT_CHOICE(OF, theme, theme_words)},
	{"axis", 0, "UNIT", "unit of the time axis of a schedule", .standard = "ms",
		VMRT_CHOICE(OF, axis, axis_words)},
	{"table", 'T', "NAME", "with csv: the table to write", .standard = "jobs",
		VMRT_TEXT(OF, table), .choices = csv_tables},
	{"unit", 0, "TIME",
		"with grasp: the unit of the time axis (default: so that there are "
		"10000 at most)",
		VMRT_TIME(OF, unit_ns, 1, 1000 * VMRT_NS_PER_S), .sample = "100us"},
	{"split", 0, NULL,
		"with grasp: continue in FILE-2 and so on if the part is too long for "
		"one file",
		VMRT_FLAG(OF, split)},
	{"around-misses", 0, "N", "write a file for each of the first N misses: FILE-1 and so on",
		VMRT_COUNT(OF, around_misses, 1, 1000), .sample = "3"},
	{"max-events", 0, "N", "with grasp: write at most N events", .standard = "10000",
		VMRT_COUNT(OF, max_events, LEAST_EVENTS, MOST_EVENTS)},
	VMRT_OPTION_QUIET,
	{0},
};

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct export_options *o = opts;

	if (o->n_runs == VMRT_FIGURE_RUNS)
		return vmrt_usage(state, "more than %d runs are named", VMRT_FIGURE_RUNS);
	o->runs[o->n_runs++] = arg;
	return 0;
}

/* Refuses an option that the chosen format does not use, since it would be ignored without a
 * word. */
static error_t check_format(const struct export_options *o, const struct argp_state *state)
{
	static const struct {
		const char *option, *format; /* NULL: all figures */
	} rows[] = {{"figure", NULL}, {"width", NULL}, {"theme", NULL}, {"axis", NULL},
		{"table", "csv"}, {"unit", "grasp"}, {"split", "grasp"}, {"max-events", "grasp"}};
	const struct format *f = &formats[o->format];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!vmrt_option_given(rows[i].option))
			continue;
		if (rows[i].format && strcmp(f->name, rows[i].format) != 0)
			return vmrt_usage(state, "--%s goes with --format %s", rows[i].option,
				rows[i].format);
		if (!rows[i].format && !f->figure)
			return vmrt_usage(state,
				"--%s goes with a figure: --format svg, pdf or png",
				rows[i].option);
	}
	return 0;
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct export_options *o = opts;
	const struct format *f = &formats[o->format];

	if (!o->n_runs)
		return vmrt_usage(state, "no run is named");
	for (size_t i = 0; i < o->n_runs && !o->format; i++)
		if (vmrt_file_kind(o->runs[i]) == VMRT_KIND_MISSING)
			return vmrt_usage(state, "there is no run %s", o->runs[i]);
	if (!o->format)
		return vmrt_usage(state, "--format is needed, as in --format svg");
	if (o->n_runs > 1 && !o->compare)
		return vmrt_usage(
			state, "only one run can be exported at a time (figures: --compare)");
	if (o->compare && !f->several)
		return vmrt_usage(state, "--compare does not go with --format %s", f->name);
	if (o->compare && o->n_runs < 2)
		return vmrt_usage(state, "--compare needs at least two runs");
	if (check_format(o, state) != 0)
		return EINVAL;
	if (o->split && o->around_misses != VMRT_UNKNOWN)
		return vmrt_usage(state, "--split does not go with --around-misses");
	if ((o->split || o->around_misses != VMRT_UNKNOWN) &&
		(!o->output || !strcmp(o->output, "-")))
		return vmrt_usage(state, "--split and --around-misses write several files: they "
					 "need --output FILE");
	if (o->around_misses != VMRT_UNKNOWN && o->compare)
		return vmrt_usage(state, "--around-misses does not go with --compare");
	if (o->around_misses != VMRT_UNKNOWN && f->figure && o->figure != VMRT_FIGURE_SCHEDULE)
		return vmrt_usage(state, "--around-misses goes with --figure schedule: the others "
					 "are about many jobs");
	if (f->figure && o->figure == VMRT_FIGURE_BARS && (o->n_tasks || o->n_servers))
		return vmrt_usage(state, "--figure bars draws a text file: --task and --server do "
					 "not go with it");
	if (o->from_ns != VMRT_UNKNOWN && o->to_ns != VMRT_UNKNOWN && o->to_ns <= o->from_ns)
		return vmrt_usage(state, "--to is not behind --from");
	return 0;
}

static enum vmrt_status write_one(
	const struct export_options *o, export_writer write, struct vmrt_error *err)
{
	struct export_output output;
	enum vmrt_status status = export_open(&output, o->output, err);

	if (status == VMRT_OK) {
		status = write(o, output.out, err);
		status = export_close(&output, status, err);
	}
	return status;
}

static int run(void *opts)
{
	struct export_options *o = opts;
	export_writer write = formats[o->format].write;
	struct vmrt_error err;
	enum vmrt_status status;

	vmrt_end_at_stop();
	vmrt_progress_start();
	status = export_select(o, &err);
	if (status == VMRT_OK)
		status = o->around_misses != VMRT_UNKNOWN ? export_around_misses(o, write, &err)
			 : o->split			  ? write(o, NULL, &err)
							  : write_one(o, write, &err);
	vmrt_progress_clear();
	if (status == VMRT_OK)
		return VMRT_EXIT_DONE;
	vmrt_complain(&err);
	return VMRT_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	static struct export_options options = {.from_ns = VMRT_UNKNOWN,
		.to_ns = VMRT_UNKNOWN,
		.around_misses = VMRT_UNKNOWN,
		.unit_ns = VMRT_UNKNOWN,
		.width = VMRT_FIGURE_WIDTH};
	static const struct vmrt_command commands[] = {
		{.args = "RUN...",
			.summary = "Export a recorded run: figures, timelines, Grasp traces, data.",
			.doc = "RUN is a run folder or a database. Without --from and --to, "
			       "figures "
			       "and Grasp traces show a part of a second from the first job on. "
			       "Exit status: 0 done, 1 could not, 64 usage.",
			.options = option_table,
			.argument = argument,
			.check = check,
			.opts = &options,
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
