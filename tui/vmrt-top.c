/* SPDX-License-Identifier: MIT */
/* vmrt-top: shows servers and tasks on a screen, live or from a recording. This file has its
 * options. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "tui/app/app.h"
#include "tui/app/config.h"
#include "tui/app/exporter.h"
#include "tui/app/run.h"

#define SPEED_MAX 1000000
#define WIDTH 80 /* of the screen of a script */
#define HEIGHT 24
#define DELAY_NS VMRT_NS_PER_S /* if neither an option nor the configuration sets the delay */

static bool utf8_locale(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static enum vmrt_status live(struct top_app *app, const struct top_options *options, bool lines,
	int *write_errno, struct vmrt_error *err)
{
	if (!lines && !options->no_config)
		top_config_load(app, options->delay_ns != 0, options->page >= 0);
	if (!app->ui.delay_ns)
		app->ui.delay_ns = DELAY_NS;
	if (options->script)
		return top_script_run(app, err);
	return lines ? top_run_lines(app, write_errno, err) : top_run_terminal(app, err);
}

static int run(void *opts)
{
	struct top_options *options = opts;
	struct vmrt_error err;
	struct top_app app;
	enum vmrt_status status;
	bool lines = options->batch || options->json, loss;
	int write_errno = 0;

	setlocale(LC_CTYPE, "");
	options->ascii |= !utf8_locale();
	if (!options->width) {
		options->width = WIDTH;
		options->height = HEIGHT;
	}
	if (!lines && !options->script && !isatty(STDOUT_FILENO)) {
		lines = true;
		vmrt_say("stdout is no terminal: plain lines, as with --batch");
	}
	status = top_app_open(&app, options, &err);
	if (status == VMRT_OK)
		status = live(&app, options, lines, &write_errno, &err);
	loss = lines && !options->script && (app.view.lost || app.view.lost_at_least);
	top_app_close(&app);
	errno = write_errno;
	if (status == VMRT_EINTR)
		return VMRT_EXIT_DONE;
	if (status != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	return loss ? VMRT_EXIT_UNKNOWN : VMRT_EXIT_DONE;
}

#define OF struct top_options

static const char *const color_words[] = {"never", "auto", "always", NULL}; /* -1, 0, 1 */

static error_t take_color(void *opts, char *arg, const struct argp_state *state)
{
	for (int i = 0; color_words[i]; i++)
		if (!strcmp(arg, color_words[i])) {
			((struct top_options *)opts)->color = i - 1;
			return 0;
		}
	return vmrt_usage(state, "--color: '%s' is not one of always, auto, never", arg);
}

static const char *const page_words[] = {
#define X(name, words) words,
	TOP_PAGE_LIST(X)
#undef X
		NULL};

static error_t take_page(void *opts, char *arg, const struct argp_state *state)
{
	for (int i = 0; page_words[i]; i++)
		if (!strcmp(arg, page_words[i])) {
			((struct top_options *)opts)->page = i;
			return 0;
		}
	return vmrt_usage(state,
		"--page: '%s' is not one of overview, server, task, timeline, misses, system", arg);
}

static error_t take_port(void *opts, char *arg, const struct argp_state *state)
{
	int64_t n;

	if (vmrt_parse_int(arg, 0, VMRT_VM_LINKS - 1, &n) != VMRT_OK)
		return vmrt_usage(
			state, "--port: '%s' is not a number from 0 to %d", arg, VMRT_VM_LINKS - 1);
	((struct top_options *)opts)->source.port = (unsigned)n;
	return 0;
}

static error_t take_link(void *opts, char *arg, const struct argp_state *state)
{
	struct top_source_options *o = &((struct top_options *)opts)->source;
	struct vmrt_error err;

	if (o->n_links == TOP_LINKS_MAX)
		return vmrt_usage(state, "--link: more than %d VMs", TOP_LINKS_MAX);
	if (vmrt_guest_link_parse(arg, &o->links[o->n_links], &err) != VMRT_OK)
		return vmrt_usage(state, "%s", err.text);
	o->n_links++;
	return 0;
}

static error_t take_size(void *opts, char *arg, const struct argp_state *state)
{
	struct top_options *o = opts;
	char rest;

	if (sscanf(arg, "%4dx%4d%c", &o->width, &o->height, &rest) != 2 || o->width < 1 ||
		o->height < 1 || o->width > 1000 || o->height > 1000)
		return vmrt_usage(
			state, "--size: '%s' is not columns and lines such as 80x24", arg);
	return 0;
}

static const struct vmrt_option option_table[] = {
	{"experiment", 'e', "FILE", "servers and tasks",
		.standard = "with RUN, those it was recorded with",
		VMRT_TEXT(OF, source.experiment)},
	{"vm", 0, "NAME", "show only this VM", VMRT_TEXT(OF, source.vm)},
	{"output", 'o', "RUN", "live: record into this run folder at the same time",
		VMRT_TEXT(OF, source.output)},
	VMRT_OPTION_OWNER,
	{"delay", 'd', "TIME", "time between two updates; 1s unless configured otherwise",
		VMRT_TIME(OF, delay_ns, TOP_DELAY_MIN, TOP_DELAY_MAX), .sample = "500ms"},
	{"iterations", 'n', "N", "end after N updates", VMRT_COUNT(OF, iterations, 1, INT64_MAX),
		.sample = "10"},
	{"batch", 'b', NULL, "plain lines on stdout, one block per update", VMRT_FLAG(OF, batch)},
	{"json", 0, NULL, "JSON on stdout, one object on a line per update", VMRT_FLAG(OF, json)},
	{"prometheus", 0, "[ADDR:]PORT",
		"with --batch or --json: serve the figures to Prometheus over HTTP; without ADDR, "
		"to this machine only",
		VMRT_TEXT(OF, prometheus), .sample = "9743"},
	{"page", 0, "PAGE", "begin with this page", VMRT_CALL(take_page), .choices = page_words},
	{"alarm", 0, "CONDITION",
		"show it and beep when the condition becomes true, as in "
		"'miss(rt_task1)' or 'overshoot > 1ms'",
		VMRT_LIST(OF, alarms, n_alarms)},
	{"alarm-run", 0, "PROGRAM",
		"start this program at each alarm, with the facts in its environment",
		VMRT_TEXT(OF, alarm_run)},
	{"alarm-save", 0, "RUN",
		"at each alarm, make the flight recorder that records into RUN save",
		VMRT_TEXT(OF, alarm_save)},
	{"speed", 0, "X", "replay X times as fast as the events happened; 0: as fast as possible",
		.standard = "1", VMRT_NUMBER(OF, speed, 0, SPEED_MAX)},
	{"port", 0, "N", "live: the agent's port org.vmrt.agent.N; recorders use 0",
		.standard = "1", VMRT_CALL(take_port)},
	{"link", 0, "VM=WAY",
		"live: the way to the agent in VM: a UNIX socket, vsock:CID[:PORT], tcp:HOST:PORT "
		"or ssh:[USER@]HOST; may be repeated",
		VMRT_CALL(take_link)},
	{"secret-file", 0, "FILE", "live: the secret shared with agents reached by TCP",
		VMRT_TEXT(OF, source.secret_file)},
	{"color", 0, "WHEN", "always, auto (unless NO_COLOR is set) or never", .standard = "auto",
		VMRT_CALL(take_color), .choices = color_words},
	{"mouse", 0, NULL, "use the mouse's wheel and clicks on the names of pages",
		VMRT_FLAG(OF, mouse)},
	{"no-config", 0, NULL, "do not read the configuration file", VMRT_FLAG(OF, no_config)},
	{"ascii", 0, NULL, "only ASCII characters", VMRT_FLAG(OF, ascii)},
	{"script", 0, "FILE", "keys and commands from FILE instead of a terminal; needs RUN",
		VMRT_TEXT(OF, script)},
	{"dump", 0, "FILE", "where :dump of a script writes", .standard = "stdout",
		VMRT_TEXT(OF, dump)},
	{"size", 0, "WxH", "columns and lines of the screen of a script", .standard = "80x24",
		VMRT_CALL(take_size)},
	{0},
};

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct top_options *o = opts;

	if (o->source.run)
		return vmrt_usage(state, "give one RUN only: '%s' is a second one", arg);
	o->source.run = arg;
	return 0;
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct top_options *o = opts;
	struct top_alarms *alarms;
	struct vmrt_error err;

	if (o->source.output && o->source.run)
		return vmrt_usage(state, "--output records what is live: leave out RUN");
	if (o->source.n_links && o->source.run)
		return vmrt_usage(state, "--link is for what is live: leave out RUN");
	for (size_t i = 0; i < o->source.n_links; i++)
		if (o->source.links[i].needs_secret && !o->source.secret_file)
			return vmrt_usage(state,
				"an agent is reached by TCP only with a shared secret: "
				"--secret-file FILE");
	if (o->script && !o->source.run)
		return vmrt_usage(state, "--script needs a RUN to replay");
	if ((o->alarm_run || o->alarm_save) && !o->n_alarms)
		return vmrt_usage(state, "%s needs an --alarm",
			o->alarm_run ? "--alarm-run" : "--alarm-save");
	if (top_alarms_new(o->alarms, o->n_alarms, NULL, NULL, &alarms, &err) != VMRT_OK)
		return vmrt_usage(state, "%s", err.text);
	top_alarms_free(alarms);
	if (o->prometheus && !o->batch && !o->json)
		return vmrt_usage(state, "--prometheus goes with --batch or --json");
	if (o->prometheus && !top_exporter_where(o->prometheus))
		return vmrt_usage(state,
			"--prometheus: '%s' is no [ADDR:]PORT such as 9743, 192.0.2.1:9743 or "
			"[::1]:9743",
			o->prometheus);
	if ((o->dump || o->width) && !o->script)
		return vmrt_usage(state, "%s goes with --script", o->dump ? "--dump" : "--size");
	return 0;
}

int main(int argc, char **argv)
{
	static struct top_options options = {.source.port = 1, .page = -1};
	const struct vmrt_command commands[] = {
		{
			.args = "[RUN]",
			.summary = "Show the servers and tasks of virtual machines while they run.",
			.doc = "With RUN, a recording is replayed. Keys: q quit, h help, space "
			       "pause, + - delay.",
			.options = option_table,
			.opts = &options,
			.argument = argument,
			.check = check,
			.run = run,
		},
		{.run = NULL},
	};
	const struct vmrt_tool tool = {
		.name = "vmrt-top", .summary = commands[0].summary, .commands = commands};

	return vmrt_tool_main(&tool, argc, argv);
}
