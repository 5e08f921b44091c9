/* SPDX-License-Identifier: MIT */
/* vmrt-top: servers and tasks on a screen, while they run or from a recording. */
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "app.h"
#include "batch.h"
#include "screen.h"

#define FEED_FOR_NS (50 * VMRT_NS_PER_MS) /* at most, between two looks at the keyboard */
#define FEED_EVERY_MS 100		  /* empty live buffers so often */
#define SPEED_MAX 1000000

/* ---- the terminal ---- */

static bool use_color(const struct top_options *options)
{
	const char *no_color = getenv("NO_COLOR");

	return options->color > 0 || (options->color == 0 && !(no_color && *no_color));
}

/* Waits for keys, a signal, or until @until_ns. Returns false when the session is to end. */
static bool wait_keys(struct top_app *app, int64_t until_ns, bool keyboard)
{
	int64_t left = until_ns - vmrt_now_ns();
	struct pollfd fds[2] = {{.fd = keyboard ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = vmrt_stop_fd(), .events = POLLIN}};
	int ms = left <= 0 ? 0 : (int)(left / VMRT_NS_PER_MS) + 1;

	if (app->source->live && ms > FEED_EVERY_MS)
		ms = FEED_EVERY_MS;
	/* a signal that interrupts may be a change of size: the caller asks for keys in any case */
	poll(fds, 2, ms < 1000 ? ms : 1000);
	return !vmrt_stop_requested() && !(fds[0].revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void draw(struct top_app *app, struct top_screen *screen)
{
	int width, height;

	top_terminal_size(&width, &height);
	top_layout(&app->view, &app->look, width, height, screen);
	top_terminal_draw(screen);
}

static void take_keys(struct top_app *app, struct top_screen *screen)
{
	enum top_action action = TOP_ACT_NONE;
	bool resized = false, any = false;

	while (top_terminal_key(&action, &resized)) {
		top_app_key(app, action, screen);
		any = true;
	}
	if (any)
		draw(app, screen);
}

static enum vmrt_status interactive(struct top_app *app, struct vmrt_error *err)
{
	bool keyboard = isatty(STDIN_FILENO), was_ended = false;
	int64_t last = vmrt_now_ns(), next = last, shown = 0;
	struct top_screen screen = {0};
	enum vmrt_status status;
	enum top_fed fed = TOP_FED_ALL;

	status = top_terminal_open(use_color(app->options), err);
	while (status == VMRT_OK && !app->quit) {
		int64_t now = vmrt_now_ns();

		if (!app->look.ended)
			fed = top_app_pass(app, now - last, now + FEED_FOR_NS, err);
		last = now;
		if (fed == TOP_FED_ERROR) {
			status = err->status;
			break;
		}
		now = vmrt_now_ns();
		if (now >= next || app->look.ended != was_ended) {
			was_ended = app->look.ended;
			status = top_app_refresh(app, err);
			draw(app, &screen);
			shown++;
			next = now + app->look.delay_ns;
		}
		if (app->options->iterations && shown > app->options->iterations)
			break;
		if (next > now + app->look.delay_ns)
			next = now + app->look.delay_ns;
		if (!wait_keys(app, fed == TOP_FED_PART ? now : next, keyboard))
			break;
		take_keys(app, &screen);
	}
	top_terminal_close();
	top_screen_free(&screen);
	return status;
}

/* ---- lines ---- */

static int write_errno; /* why stdout takes no more; vmrt_tool_main() says it */

static enum vmrt_status batch(struct top_app *app, struct vmrt_error *err)
{
	int64_t last = vmrt_now_ns(), next = last + app->look.delay_ns, shown = 0;
	bool only_final = !app->source->live && app->look.speed <= 0;

	while (!vmrt_stop_requested()) {
		int64_t now = vmrt_now_ns();
		enum top_fed fed = top_app_pass(app, now - last, now + FEED_FOR_NS, err);

		last = now;
		if (fed == TOP_FED_ERROR)
			return err->status;
		now = vmrt_now_ns();
		if (fed == TOP_FED_END || (now >= next && !only_final)) {
			if (top_app_refresh(app, err) != VMRT_OK)
				return err->status;
			if (top_batch_print(&app->view, &app->look, shown == 0, stdout) != VMRT_OK)
				return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
			/* whoever reads the pipe gets it now, and may have gone */
			if (fflush(stdout) != 0) {
				write_errno = errno;
				return VMRT_OK;
			}
			shown++;
			next += app->look.delay_ns;
			if (next < now)
				next = now + app->look.delay_ns;
		}
		if (fed == TOP_FED_END ||
			(app->options->iterations && shown >= app->options->iterations))
			break;
		if (fed != TOP_FED_PART)
			wait_keys(app, next, false);
	}
	return VMRT_OK;
}

/* ---- the command ---- */

static bool utf8_locale(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static int run(void *opts)
{
	struct top_options *options = opts;
	struct vmrt_error err;
	struct top_app app;
	enum vmrt_status status;
	bool lines = options->batch, loss;

	setlocale(LC_CTYPE, "");
	options->ascii |= !utf8_locale();
	if (!lines && !options->script && !isatty(STDOUT_FILENO)) {
		lines = true;
		vmrt_say("stdout is no terminal: plain lines, as with --batch");
	}
	status = top_app_open(&app, options, &err);
	if (status == VMRT_OK && options->script)
		status = top_script_run(&app, &err);
	else if (status == VMRT_OK)
		status = lines ? batch(&app, &err) : interactive(&app, &err);
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

static error_t take_port(void *opts, char *arg, const struct argp_state *state)
{
	int64_t n;

	if (vmrt_parse_int(arg, 0, VMRT_VM_LINKS - 1, &n) != VMRT_OK)
		return vmrt_usage(
			state, "--port: '%s' is not a number from 0 to %d", arg, VMRT_VM_LINKS - 1);
	((struct top_options *)opts)->source.port = (unsigned)n;
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
	{"vm", 0, "NAME", "only this VM", VMRT_TEXT(OF, source.vm)},
	VMRT_OPTION_OWNER,
	{"delay", 'd', "TIME", "between two updates", .standard = "1s",
		VMRT_TIME(OF, delay_ns, TOP_DELAY_MIN, TOP_DELAY_MAX)},
	{"iterations", 'n', "N", "end after so many updates",
		VMRT_COUNT(OF, iterations, 1, INT64_MAX), .sample = "10"},
	{"batch", 'b', NULL, "plain lines on stdout, one block per update", VMRT_FLAG(OF, batch)},
	{"speed", 0, "X", "replay X times as fast as it was; 0: as fast as possible",
		.standard = "1", VMRT_NUMBER(OF, speed, 0, SPEED_MAX)},
	{"port", 0, "N", "live: the agent's port org.vmrt.agent.N; recorders use 0",
		.standard = "1", VMRT_CALL(take_port)},
	{"color", 0, "WHEN", "always, auto (unless NO_COLOR is set) or never", .standard = "auto",
		VMRT_CALL(take_color), .choices = color_words},
	{"ascii", 0, NULL, "no characters but those of ASCII", VMRT_FLAG(OF, ascii)},
	{"script", 0, "FILE", "keys and commands from FILE instead of a terminal; needs RUN",
		VMRT_TEXT(OF, script)},
	{"dump", 0, "FILE", "where :dump of a script writes", .standard = "stdout",
		VMRT_TEXT(OF, dump)},
	{"size", 0, "WxH", "the screen of a script", .standard = "80x24", VMRT_CALL(take_size)},
	{0},
};

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct top_options *o = opts;

	if (o->source.run)
		return vmrt_usage(state, "one RUN at a time: what is '%s'?", arg);
	o->source.run = arg;
	return 0;
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct top_options *o = opts;

	if (o->script && !o->source.run)
		return vmrt_usage(state, "--script needs a RUN to replay");
	if (o->dump && !o->script)
		return vmrt_usage(state, "--dump goes with --script");
	return 0;
}

int main(int argc, char **argv)
{
	static struct top_options options = {.source.port = 1, .width = 80, .height = 24};
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
