/* SPDX-License-Identifier: MIT */
/* The loops of a session: feed the engine, copy the model, draw or print, wait for keys. */
#include "run.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <vmrt/tool.h>

#include "batch.h"
#include "config.h"
#include "exporter.h"
#include "screen.h"
#include "tui/rows/tables.h"

/* Longest time of feeding the engine between two checks of the keyboard; when lines are written,
 * there is no keyboard, and the time may be longer. */
#define FEED_FOR_NS (8 * VMRT_NS_PER_MS)
#define LINES_FOR_NS (50 * VMRT_NS_PER_MS)
#define SEEKING_EVERY_NS (200 * VMRT_NS_PER_MS) /* time between two screens during a seek */
#define FEED_EVERY_MS 100			/* time between two readings of the live buffers */
#define NICE (-10)				/* of a live view on a terminal */
#define KEYS_AT_ONCE 200			/* after so many keys the engine is fed, too */
#define AWAKE_NS (2 * VMRT_NS_PER_S)		/* the longest that one pass of the loop takes */

/* ---- the resources that vmrt-top itself uses ---- */

struct self {
	int64_t at_ns, cpu_ns;
};

static int64_t cpu_time(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * VMRT_NS_PER_S +
	       (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * VMRT_NS_PER_US;
}

static int64_t resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long long all, resident;
	int n = f ? fscanf(f, "%lld %lld", &all, &resident) : 0;

	if (f)
		fclose(f);
	return n == 2 ? resident * sysconf(_SC_PAGESIZE) : VMRT_UNKNOWN;
}

static void measure_self(struct top_app *app, struct self *self)
{
	int64_t now = vmrt_now_ns(), cpu = cpu_time();

	if (now - self->at_ns < VMRT_NS_PER_S)
		return;
	if (self->at_ns)
		app->ui.own_cpu = (double)(cpu - self->cpu_ns) / (double)(now - self->at_ns);
	self->at_ns = now;
	self->cpu_ns = cpu;
	app->ui.own_size = resident_bytes();
}

/* ---- the terminal ---- */

static bool use_color(const struct top_options *options)
{
	const char *no_color = getenv("NO_COLOR");

	return options->color == TOP_COLOR_ALWAYS ||
	       (options->color == TOP_COLOR_AUTO && !(no_color && *no_color));
}

/*
 * Raises the priority of vmrt-top: on a machine whose CPUs are all busy the screen would be redrawn
 * late. vmrt-top needs less than a hundredth of a CPU. Programs that it starts have the usual
 * priority.
 */
static void come_first(void)
{
	struct sched_param ordinary = {0};

	if (sched_getscheduler(0) == SCHED_OTHER && getpriority(PRIO_PROCESS, 0) == 0 &&
		sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &ordinary) == 0)
		/* if this is not permitted, the priority does not change */
		setpriority(PRIO_PROCESS, 0, NICE);
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
	/* the result does not matter: the signal that interrupts poll() may be a change of the
	 * screen's size, and the caller asks for keys in any case */
	poll(fds, 2, ms < 1000 ? ms : 1000);
	return !vmrt_stop_requested() && !(fds[0].revents & (POLLHUP | POLLERR | POLLNVAL));
}

static void draw(struct top_app *app)
{
	int width, height;

	top_terminal_size(&width, &height);
	top_app_draw(app, width, height);
	top_terminal_draw(&app->screen, app->redraw);
	app->redraw = false;
}

static enum vmrt_status take_keys(struct top_app *app, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	const char *name;
	int n = 0;

	while (status == VMRT_OK && !app->quit && n < KEYS_AT_ONCE && (name = top_terminal_key())) {
		status = top_app_key(app, name, err);
		n++;
	}
	if (app->reconfigure)
		top_config_save(app);
	app->reconfigure = false;
	if (status == VMRT_OK && app->stale)
		status = top_app_refresh(app, err);
	if (n && status == VMRT_OK)
		draw(app);
	return status;
}

static enum vmrt_status loop(struct top_app *app, struct vmrt_error *err)
{
	bool keyboard = isatty(STDIN_FILENO), was_ended = false;
	int64_t last = vmrt_now_ns(), next = last, shown = 0;
	enum vmrt_status status = VMRT_OK;
	enum top_fed fed = TOP_FED_ALL;
	struct self self = {0};

	while (status == VMRT_OK && !app->quit) {
		int64_t now = vmrt_now_ns();

		/* while the program was suspended (^Z), no time passes for a replay */
		fed = top_app_pass(
			app, now - last > AWAKE_NS ? 0 : now - last, now + FEED_FOR_NS, err);
		last = now;
		if (fed == TOP_FED_ERROR)
			return err->status;
		now = vmrt_now_ns();
		if (now >= next || app->ui.ended != was_ended || app->stale) {
			was_ended = app->ui.ended;
			measure_self(app, &self);
			status = top_app_refresh(app, err);
			draw(app);
			if (top_alarms_rang(app->alarms))
				top_terminal_beep();
			shown++;
			next = now + app->ui.delay_ns;
		}
		/* how far it is */
		if (app->seek.under_way && next > now + SEEKING_EVERY_NS)
			next = now + SEEKING_EVERY_NS;
		if (app->options->iterations && shown > app->options->iterations)
			break;
		if (next > now + app->ui.delay_ns)
			next = now + app->ui.delay_ns;
		if (!wait_keys(app, fed == TOP_FED_PART ? now : next, keyboard))
			break;
		if (status == VMRT_OK)
			status = take_keys(app, err);
	}
	return status;
}

enum vmrt_status top_run_terminal(struct top_app *app, struct vmrt_error *err)
{
	const char *colors = getenv("VMRT_COLORS");
	bool color = use_color(app->options);
	struct top_theme theme;
	enum vmrt_status status = VMRT_OK;

	top_theme_default(&theme);
	if (color && colors)
		status = top_theme_parse(&theme, colors, err);
	if (status == VMRT_OK)
		status = top_terminal_open(color ? &theme : NULL, app->options->mouse, err);
	app->in_pieces = true;
	if (status == VMRT_OK && app->source->live)
		come_first();
	if (status == VMRT_OK)
		status = loop(app, err);
	top_terminal_close();
	return status;
}

/* ---- lines ---- */

static enum vmrt_status print(struct top_app *app, bool first, struct vmrt_error *err)
{
	enum vmrt_status status = app->options->json
					  ? top_tables_json(&app->view, &app->ui, stdout)
					  : top_batch_print(&app->view, &app->ui, first, stdout);

	return status == VMRT_OK ? VMRT_OK : vmrt_fail(err, VMRT_ENOMEM, "out of memory");
}

/* The last update shows the recording that was made during the live view. */
static enum vmrt_status print_recorded(
	struct top_app *app, int *write_errno, struct vmrt_error *err)
{
	enum vmrt_status status = top_app_settle(app, err);

	if (status == VMRT_OK)
		status = print(app, false, err);
	if (status == VMRT_OK && fflush(stdout) != 0)
		*write_errno = errno;
	return status;
}

static enum vmrt_status loop_lines(struct top_app *app, struct top_exporter *exporter,
	int *write_errno, struct vmrt_error *err)
{
	int64_t last = vmrt_now_ns(), next = last + app->ui.delay_ns, shown = 0;
	bool only_final = !app->source->live && app->ui.speed <= 0;

	*write_errno = 0;
	while (!vmrt_stop_requested()) {
		int64_t now = vmrt_now_ns();
		enum top_fed fed = top_app_pass(app, now - last, now + LINES_FOR_NS, err);

		last = now;
		if (fed == TOP_FED_ERROR)
			return err->status;
		now = vmrt_now_ns();
		if (fed == TOP_FED_END || (now >= next && !only_final)) {
			if (top_app_refresh(app, err) != VMRT_OK ||
				top_exporter_publish(exporter, &app->view, err) != VMRT_OK ||
				print(app, shown == 0, err) != VMRT_OK)
				return err->status;
			/* the reader of a pipe gets the lines at once; if the reader is gone, this
			 * fails */
			if (fflush(stdout) != 0) {
				*write_errno = errno;
				return VMRT_OK;
			}
			shown++;
			next += app->ui.delay_ns;
			if (next < now)
				next = now + app->ui.delay_ns;
		}
		/* how far it is */
		if (app->seek.under_way && next > now + SEEKING_EVERY_NS)
			next = now + SEEKING_EVERY_NS;
		if (fed == TOP_FED_END ||
			(app->options->iterations && shown >= app->options->iterations))
			break;
		if (fed != TOP_FED_PART)
			wait_keys(app, next, false);
	}
	return app->options->source.output ? print_recorded(app, write_errno, err) : VMRT_OK;
}

enum vmrt_status top_run_lines(struct top_app *app, int *write_errno, struct vmrt_error *err)
{
	struct top_exporter *exporter = NULL;
	enum vmrt_status status = VMRT_OK;

	*write_errno = 0;
	if (app->options->prometheus)
		status = top_exporter_open(app->options->prometheus, &exporter, err);
	if (status == VMRT_OK)
		status = loop_lines(app, exporter, write_errno, err);
	top_exporter_close(exporter);
	return status;
}
