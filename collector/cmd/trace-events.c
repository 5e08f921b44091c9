/* SPDX-License-Identifier: MIT */
/* vmrt-trace events: the events of the host and its guests as text, on one timeline. */
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/recording.h>
#include <vmrt/show.h>

#include "events-choice.h"
#include "parser/source/near.h"

#define MAX_LISTED 32
#define MARGIN_MOST (3600 * VMRT_NS_PER_S)

static struct events_opts {
	struct events_choice choice;
	const char *events[MAX_LISTED], *filters[MAX_LISTED];
	size_t n_events, n_filters;
	struct trace_files files;
} defaults = {.choice = {.from_ns = VMRT_UNKNOWN, .to_ns = VMRT_UNKNOWN, .job = -1, .cpu = -1}};

static const struct vmrt_option options[] = {
	{"from", 0, "TIME", "only events from TIME after the recording's beginning",
		VMRT_TIME(struct events_opts, choice.from_ns, 0, INT64_MAX / 4), .sample = "1.5s"},
	{"to", 0, "TIME", "only events up to TIME after the recording's beginning",
		VMRT_TIME(struct events_opts, choice.to_ns, 0, INT64_MAX / 4), .sample = "1.5s"},
	{"task", 0, "[MACHINE/]NAME",
		"only events of this task's threads, its timers and its wake-ups",
		VMRT_TEXT(struct events_opts, choice.task)},
	{"job", 0, "K", "only the time of job number K of the task",
		VMRT_COUNT(struct events_opts, choice.job, 0, INT64_MAX / 4), .sample = "12"},
	{"around", 0, "TASK:K", "all events around job number K of TASK",
		VMRT_TEXT(struct events_opts, choice.around)},
	{"margin", 0, "TIME", "time before and after the job of --around", .standard = "1ms",
		VMRT_TIME(struct events_opts, choice.margin_ns, 0, MARGIN_MOST)},
	{"machine", 0, "NAME", "only events of this machine: host, or a VM's name",
		VMRT_TEXT(struct events_opts, choice.machine)},
	{"cpu", 0, "N", "only events of this CPU of each machine",
		VMRT_COUNT(struct events_opts, choice.cpu, 0, 65535), .sample = "0"},
	{"event", 0, "[SYSTEM:]EVENT", "only these events; patterns such as sched:*",
		VMRT_LIST(struct events_opts, events, n_events)},
	{"filter", 0, "[EVENT:]CONDITION", "only events whose fields fulfil the condition",
		VMRT_LIST(struct events_opts, filters, n_filters)},
	{0},
};

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct events_opts *o = opts;

	return trace_add_file(&o->files, arg, state);
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct events_opts *o = opts;

	if (o->choice.job >= 0 && !o->choice.task)
		return vmrt_usage(state, "--job is the number of a job of --task");
	if (o->choice.job >= 0 && o->choice.around)
		return vmrt_usage(state, "either --job or --around");
	if (!o->choice.around && vmrt_option_given("margin"))
		return vmrt_usage(state, "--margin goes with --around");
	if (o->choice.from_ns != VMRT_UNKNOWN && o->choice.to_ns != VMRT_UNKNOWN &&
		o->choice.to_ns < o->choice.from_ns)
		return vmrt_usage(state, "--to is before --from");
	return trace_check_files(&o->files, state);
}

/* The machines of the recording, and for each of them the printer of its events. */
struct printer {
	struct vmrt_recording *rec;
	struct vmrt_engine_config config;
	struct vmrt_show **shows; /* NULL for a machine that is not shown */
	int width;		  /* of machines' names */
};

/* Which of the chosen events and conditions some machine's events can fulfil. */
struct fitting {
	bool events[MAX_LISTED], filters[MAX_LISTED];
	struct vmrt_error why_not[MAX_LISTED]; /* why a condition fits no event, as the last
						  machine's formats say */
};

static enum vmrt_status choose(struct vmrt_show *show, const struct events_opts *o,
	struct fitting *fitting, struct vmrt_error *err)
{
	for (size_t i = 0; i < o->n_events; i++)
		fitting->events[i] |= vmrt_show_select(show, o->events[i]) > 0;
	for (size_t i = 0; i < o->n_filters; i++) {
		enum vmrt_status status = vmrt_show_filter(show, o->filters[i], err);

		fitting->filters[i] |= status == VMRT_OK;
		if (status == VMRT_ENOENT)
			fitting->why_not[i] = *err; /* another machine may have such events */
		else if (status != VMRT_OK)
			return status;
	}
	return VMRT_OK;
}

static enum vmrt_status check_fitting(
	const struct fitting *fitting, const struct events_opts *o, struct vmrt_error *err)
{
	for (size_t i = 0; i < o->n_events; i++)
		if (!fitting->events[i])
			return vmrt_fail(err, VMRT_ENOENT,
				"--event '%.80s': the recording has no such event (`vmrt-trace "
				"dump HOST.dat` lists all)",
				o->events[i]);
	for (size_t i = 0; i < o->n_filters; i++)
		if (!fitting->filters[i]) {
			*err = fitting->why_not[i];
			return err->status;
		}
	return VMRT_OK;
}

static enum vmrt_status make_shows(
	struct printer *p, const struct events_opts *o, struct vmrt_error *err)
{
	struct fitting fitting = {0};

	p->shows = calloc(p->config.n_machines, sizeof(struct vmrt_show *));
	if (!p->shows)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t m = 0; m < p->config.n_machines; m++) {
		struct vmrt_recorded_machine machine;
		enum vmrt_status status;

		vmrt_recording_machine(p->rec, m, &machine);
		if (!choice_has_machine(&o->choice, (uint32_t)m))
			continue;
		if ((int)strlen(machine.name) > p->width)
			p->width = (int)strlen(machine.name);
		status = vmrt_show_new(machine.path, true, &p->shows[m], err);
		if (status == VMRT_OK)
			status = choose(p->shows[m], o, &fitting, err);
		if (status != VMRT_OK)
			return status;
	}
	return check_fitting(&fitting, o, err);
}

static void print_event(const struct printer *p, uint32_t machine, const struct vmrt_event *event,
	int64_t host_ns, bool known)
{
	struct vmrt_show *show = p->shows[machine];
	const char *name = p->config.machines[machine].name;
	uint32_t size;
	const void *record = vmrt_recording_record(p->rec, &size);

	printf("%6" PRId64 ".%09" PRId64 "%s %-*s %16s-%-7d [%03u] %s\n", host_ns / VMRT_NS_PER_S,
		host_ns % VMRT_NS_PER_S, known ? "" : "?", p->width, name,
		vmrt_show_comm(show, event->pid), event->pid, event->cpu,
		vmrt_show_text(show, record, size, event->cpu));
}

static void print_loss(const struct printer *p, uint32_t machine, const struct vmrt_event *event)
{
	const char *name = p->config.machines[machine].name;

	if (event->lost == UINT64_MAX)
		printf("# %s CPU %u: events were lost here\n", name, event->cpu);
	else
		printf("# %s CPU %u: %" PRIu64 " events were lost here\n", name, event->cpu,
			event->lost);
}

/* Returns how many lines were printed. */
static unsigned long long print_all(const struct printer *p, struct events_choice *choice)
{
	unsigned long long printed = 0;
	const struct vmrt_event *event;
	int64_t host_ns, error_ns;
	uint32_t machine, size;

	while (!vmrt_stop_requested() && !ferror(stdout) &&
		vmrt_recording_next(p->rec, &machine, &event, &host_ns, &error_ns)) {
		struct vmrt_show *show = p->shows[machine];
		const void *record = vmrt_recording_record(p->rec, &size);

		if (show)
			vmrt_show_follow(show, event);
		switch (choice_takes(choice, machine, event, host_ns)) {
		case CHOICE_BEFORE:
			continue;
		case CHOICE_BEHIND:
			return printed;
		case CHOICE_NO:
			if (show && event->lost)
				print_loss(p, machine, event);
			continue;
		case CHOICE_YES:
			break;
		}
		if (show && event->lost)
			print_loss(p, machine, event);
		if (show && record &&
			vmrt_show_passes(show, record, size, event->cpu, event->pid)) {
			print_event(p, machine, event, host_ns, error_ns != VMRT_UNKNOWN);
			printed++;
		}
	}
	return printed;
}

/* Warns if no thread of the task's name was recorded. In single files, without a database, a task
 * is only a name, and a name that no thread has is probably misspelt. */
static void warn_of_name(const struct printer *p, const struct events_choice *choice)
{
	for (size_t m = 0; choice->name[0] && !choice->n_tids && m < p->config.n_machines; m++) {
		struct vmrt_recorded_machine machine;
		struct thread_names names;
		char list[NEAR_TEXT];

		if (choice->of_task != VMRT_NONE && choice->of_task != m)
			continue;
		vmrt_recording_machine(p->rec, m, &machine);
		if (names_read(machine.dat, NULL, &names, NULL) != VMRT_OK)
			continue;
		near_list(&names, choice->name, list);
		vmrt_warn("%s: no thread called %s was recorded%s%s", machine.path, choice->name,
			*list ? "; nearest: " : "", list);
		names_free(&names);
	}
}

static int run(void *opts)
{
	struct events_opts *o = opts;
	struct printer p = {.width = 4};
	struct vmrt_error err;
	struct vmrt_recording_options recording = {.stop = vmrt_stop_requested};
	int exit_status = trace_recording_of(&o->files, &recording);
	enum vmrt_status status;

	if (exit_status != VMRT_EXIT_DONE)
		return exit_status;
	vmrt_end_at_stop();
	status = vmrt_recording_open(&recording, &p.rec, &err);
	if (status == VMRT_OK)
		vmrt_recording_config(p.rec, &p.config);
	if (status == VMRT_OK)
		status = choice_begin(&o->choice, recording.run, &p.config, &err);
	if (status == VMRT_OK)
		status = make_shows(&p, o, &err);
	if (status == VMRT_OK && !print_all(&p, &o->choice) && !vmrt_stop_requested())
		vmrt_say("no event of the recording fulfils all of these options");
	if (status == VMRT_OK && !vmrt_stop_requested())
		warn_of_name(&p, &o->choice);
	for (size_t m = 0; p.shows && m < p.config.n_machines; m++)
		vmrt_show_free(p.shows[m]);
	free(p.shows);
	choice_end(&o->choice);
	vmrt_recording_close(p.rec);
	if (status == VMRT_OK)
		return VMRT_EXIT_DONE;
	vmrt_complain(&err);
	return status == VMRT_EINVAL ? VMRT_EXIT_USAGE : VMRT_EXIT_FAILED;
}

const struct vmrt_command vmrt_trace_events = {
	.name = "events",
	.args = "RUN\nHOST.dat [GUEST.dat...]",
	.summary = "Print the events of host and guests on one timeline",
	.doc = "Times are those of the host's clock; the fields are printed by libtraceevent.",
	.options = options,
	.opts = &defaults,
	.argument = argument,
	.check = check,
	.run = run,
};
