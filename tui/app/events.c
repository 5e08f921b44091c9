/* SPDX-License-Identifier: MIT */
/* Raw events as lines of text, for the search of a miss's cause. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/utf8.h>

#include "app.h"
#include "tui/rows/pages.h"
#include "tui/rows/text.h"

#define LINES_MAX 20000

struct lines {
	struct top_app *app;
	char **list;
	size_t n, room;
	bool failed;
};

/* Copies a name that may fill its 16 bytes without a NUL. */
static void name_of(const char *comm, char *out)
{
	snprintf(out, VMRT_COMM_MAX + 1, "%.*s", VMRT_COMM_MAX, comm ? comm : "");
	vmrt_utf8_sanitize(out);
}

static int rt_prio(int prio)
{
	return prio < 100 ? 99 - prio : 0;
}

/* "FIFO 50" or "nice 0" of a kernel priority. */
static void prio_of(int prio, char *out)
{
	if (prio < 0)
		snprintf(out, 16, "deadline");
	else if (prio < 100)
		snprintf(out, 16, "rt %d", rt_prio(prio));
	else
		snprintf(out, 16, "nice %d", prio - 120);
}

static void state_of(int64_t state, char *out)
{
	static const struct {
		int64_t bit;
		const char *word;
	} states[] = {{1, "sleeps"}, {2, "waits for a device"}, {4, "stopped"}, {8, "traced"},
		{16, "dead"}, {32, "zombie"}};

	snprintf(out, 24, "%s", state ? "state" : "preempted");
	for (size_t i = 0; state && i < sizeof(states) / sizeof(states[0]); i++)
		if (state & states[i].bit) {
			snprintf(out, 24, "%s", states[i].word);
			return;
		}
}

static void print_switch(const struct vmrt_event *e, char *out, size_t room)
{
	char prev[VMRT_COMM_MAX + 1], next[VMRT_COMM_MAX + 1], before[16], after[16], state[24];

	name_of(e->sw.prev_comm, prev);
	name_of(e->sw.next_comm, next);
	prio_of(e->sw.prev_prio, before);
	prio_of(e->sw.next_prio, after);
	state_of(e->sw.prev_state, state);
	snprintf(out, room, "sched_switch      %s/%d (%s, %s) -> %s/%d (%s)", prev, e->sw.prev_pid,
		before, state, next, e->sw.next_pid, after);
}

static void print_wake(const struct vmrt_event *e, const char *name, char *out, size_t room)
{
	char comm[VMRT_COMM_MAX + 1], prio[16];

	name_of(e->wake.comm, comm);
	prio_of(e->wake.prio, prio);
	snprintf(out, room, "%-17s %s/%d (%s) on CPU %d", name, comm, e->wake.pid, prio,
		e->wake.target_cpu);
}

static void print_timer(const struct vmrt_event *e, char *out, size_t room)
{
#define X(kind, word) [VMRT_FN_##kind] = word,
	static const char *const words[] = {VMRT_TIMER_FN_LIST(X)};
#undef X
	const char *fn = words[e->timer.fn];

	switch (e->type) {
	case VMRT_EV_TIMER_START:
		snprintf(out, room,
			"hrtimer_start     %" PRIx64 " %s expires %" PRId64 " ns (in %.3f ms)",
			e->timer.timer, fn, e->timer.expires,
			(double)(e->timer.expires - e->ts) / 1e6);
		break;
	case VMRT_EV_TIMER_EXPIRE:
		snprintf(out, room, "hrtimer_expire    %" PRIx64 " %s", e->timer.timer, fn);
		break;
	case VMRT_EV_TIMER_CANCEL:
		snprintf(out, room, "hrtimer_cancel    %" PRIx64, e->timer.timer);
		break;
	default:
		snprintf(out, room, "hrtimer_setup     %" PRIx64 " clock %d", e->timer.timer,
			e->timer.clock);
		break;
	}
}

static void print_mark(const struct vmrt_event *e, char *out, size_t room)
{
	snprintf(out, room, "marker            ");
	for (uint32_t i = 0, at = 18; i < e->mark.len && at + 1 < room; i++, at++) {
		char c = e->mark.text[i];

		out[at] = c >= ' ' && c <= '~' ? c : '\0';
		out[at + 1] = '\0';
	}
}

static void print(const struct vmrt_event *e, char *out, size_t room)
{
	char comm[VMRT_COMM_MAX + 1];

	switch (e->type) {
	case VMRT_EV_SWITCH:
		print_switch(e, out, room);
		break;
	case VMRT_EV_WAKING:
		print_wake(e, "sched_waking", out, room);
		break;
	case VMRT_EV_WAKEUP:
		print_wake(e, "sched_wakeup", out, room);
		break;
	case VMRT_EV_WAKEUP_NEW:
		print_wake(e, "sched_wakeup_new", out, room);
		break;
	case VMRT_EV_MIGRATE:
		snprintf(out, room, "sched_migrate     %d from CPU %d to %d", e->migrate.pid,
			e->migrate.orig_cpu, e->migrate.dest_cpu);
		break;
	case VMRT_EV_TIMER_SETUP:
	case VMRT_EV_TIMER_START:
	case VMRT_EV_TIMER_CANCEL:
	case VMRT_EV_TIMER_EXPIRE:
		print_timer(e, out, room);
		break;
	case VMRT_EV_MARK:
		print_mark(e, out, room);
		break;
	case VMRT_EV_PI:
		snprintf(out, room, "sched_pi_setprio  %d from prio %d to %d", e->pi.pid,
			e->pi.old_prio, e->pi.new_prio);
		break;
	case VMRT_EV_EXEC:
	case VMRT_EV_EXIT:
	case VMRT_EV_FORK:
		name_of(e->process.comm, comm);
		snprintf(out, room, "%-17s %s/%d",
			e->type == VMRT_EV_EXEC	  ? "sched_exec"
			: e->type == VMRT_EV_EXIT ? "sched_exit"
						  : "sched_fork",
			comm, e->process.pid);
		break;
	case VMRT_EV_IRQ_ENTER:
		snprintf(out, room, "irq begins");
		break;
	case VMRT_EV_IRQ_LEAVE:
		snprintf(out, room, "irq ends");
		break;
	default:
		snprintf(out, room, "another event");
		break;
	}
}

static bool take_event(void *ctx, const char *machine, const struct vmrt_event *event,
	int64_t host_ns, const char *text)
{
	struct lines *l = ctx;
	char time[VMRT_UNITS_TEXT], own[256], cpu[8] = "", *line;

	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 256;
		char **more = realloc(l->list, room * sizeof(*more));

		if (!more) {
			l->failed = true;
			return false;
		}
		l->list = more;
		l->room = room;
	}
	if (!text) {
		print(event, own, sizeof(own));
		snprintf(cpu, sizeof(cpu), "[%03u] ", (unsigned)event->cpu % 1000);
	}
	if (asprintf(&line, "%s %-8.12s %s%s%s",
		    top_text_time(time, top_since(&l->app->view, host_ns), 6), machine,
		    event->lost ? "L events lost before: " : "", cpu, text ? text : own) < 0) {
		l->failed = true;
		return false;
	}
	l->list[l->n++] = line;
	return l->n < LINES_MAX;
}

enum vmrt_status top_app_events(struct top_app *app, const char *title, int64_t from_ns,
	int64_t to_ns, struct vmrt_error *err)
{
	struct lines lines = {.app = app};
	struct vmrt_error why;
	enum vmrt_status status = VMRT_OK;

	if (!app->source->ops->events) {
		top_app_notice(app, "The events themselves are not kept here.");
		return VMRT_OK;
	}
	status = app->source->ops->events(app->source, from_ns, to_ns, take_event, &lines, &why);
	for (size_t i = 0; i < app->n_text; i++)
		free(app->text[i]);
	free(app->text);
	app->text = lines.list;
	app->n_text = lines.n;
	if (lines.failed)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status != VMRT_OK) {
		top_app_notice(app, "%.150s", why.text);
		return VMRT_OK;
	}
	if (!lines.n) {
		top_app_notice(app, "The events of that time are not kept any more.");
		return VMRT_OK;
	}
	snprintf(app->text_title, sizeof(app->text_title), "%.150s", title);
	app->ui.sheet = TOP_SHEET_TEXT;
	app->ui.scroll = app->ui.scroll_x = 0;
	return VMRT_OK;
}
