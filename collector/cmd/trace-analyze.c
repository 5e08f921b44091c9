/* SPDX-License-Identifier: MIT */
/* vmrt-trace analyze: makes run.db out of the recordings of a run, or of trace.dat files. */
#include "trace.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/tracefs/journal.h"
#include "collector/session/run-guest.h"

static struct analyze_opts {
	struct vmrt_analyze_options options;
	struct trace_files files;
	struct {
		const char *name, *file;
	} guests[TRACE_GUESTS_MAX]; /* recordings that are copied into the run */
	size_t n_guests;
	bool force;
	bool allow_loss;
} defaults;

static error_t add_guest(void *opts, char *arg, const struct argp_state *state)
{
	struct analyze_opts *o = opts;
	char *equals = strchr(arg, '=');

	if (!equals || equals == arg || !equals[1])
		return vmrt_usage(state, "--guest '%s': give VM=FILE", arg);
	if (o->n_guests == TRACE_GUESTS_MAX)
		return vmrt_usage(state, "--guest: more than %d guests", TRACE_GUESTS_MAX);
	*equals = '\0';
	o->guests[o->n_guests].name = arg;
	o->guests[o->n_guests++].file = equals + 1;
	return 0;
}

static const struct vmrt_option options[] = {
	{"experiment", 'e', "FILE", "the experiment", .standard = "the one kept in RUN",
		VMRT_TEXT(struct analyze_opts, options.recording.experiment)},
	{"instance", 0, "NAME", "which ring buffer to read if a file has several",
		.standard = "the one with the events that are needed",
		VMRT_TEXT(struct analyze_opts, options.recording.instance)},
	{"output", 'o', "DB", "the database to make", .standard = "run.db in RUN",
		VMRT_TEXT(struct analyze_opts, options.db)},
	{"guest", 0, "VM=FILE",
		"first copy FILE, another program's recording of VM, into RUN; may be "
		"repeated",
		VMRT_CALL(add_guest)},
	{"force", 0, NULL, "replace the recording of that guest if RUN has one",
		VMRT_FLAG(struct analyze_opts, force)},
	{"allow-loss", 0, NULL, "exit 0 although events were lost",
		VMRT_FLAG(struct analyze_opts, allow_loss)},
	VMRT_OPTION_QUIET,
	{0},
};

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct analyze_opts *o = opts;

	return trace_add_file(&o->files, arg, state);
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct analyze_opts *o = opts;

	return trace_check_files(&o->files, state);
}

void vmrt_trace_report_analysis(const struct vmrt_analyze_result *r)
{
	vmrt_say("analysed: %llu events, %llu jobs, %llu server periods%s", r->events, r->jobs,
		r->periods, r->loss ? ", with losses" : "");
}

/* Has the recording in @folder ended? The files of a recording that has not ended are not complete
 * yet. */
static bool ended(const char *folder)
{
	char instance[VMRT_JOURNAL_NAME];

	if (vmrt_journal_read(folder, instance, NULL) != VMRT_OK)
		return true;
	if (vmrt_journal_owner_lives(instance))
		vmrt_warn("%s is being recorded", folder);
	else
		vmrt_warn("%s: its recorder was killed; `vmrt-trace reset %s` completes and "
			  "analyses it",
			folder, folder);
	return false;
}

static int run(void *opts)
{
	struct analyze_opts *o = opts;
	struct vmrt_analyze_result result;
	struct vmrt_error err;
	int status = trace_recording_of(&o->files, &o->options.recording);

	if (status != VMRT_EXIT_DONE)
		return status;
	if (o->options.recording.run) {
		if (!ended(o->files.names[0]))
			return VMRT_EXIT_FAILED;
		for (size_t i = 0; i < o->n_guests; i++)
			if (vmrt_run_add_guest(o->files.names[0], o->guests[i].name,
				    o->guests[i].file, o->force, &err) != VMRT_OK) {
				vmrt_complain(&err);
				return VMRT_EXIT_FAILED;
			}
	} else if (o->n_guests) {
		vmrt_warn("--guest needs a RUN; %s is none", o->files.names[0]);
		return VMRT_EXIT_USAGE;
	}
	/* a signal may end the program at once: nothing but the database is unfinished, and that is
	 * removed */
	vmrt_end_at_stop();
	o->options.progress = isatty(STDERR_FILENO);
	o->options.stop = vmrt_stop_requested;
	if (vmrt_analyze(&o->options, &result, &err) != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	vmrt_trace_report_analysis(&result);
	return result.loss && !o->allow_loss ? VMRT_EXIT_UNKNOWN : VMRT_EXIT_DONE;
}

const struct vmrt_command vmrt_trace_analyze = {
	.name = "analyze",
	.args = "RUN\nHOST.dat [GUEST.dat...]",
	.summary = "Make the database of a recording, or make it anew",
	.doc = "Takes any trace.dat file, also one that trace-cmd has recorded.",
	.options = options,
	.opts = &defaults,
	.argument = argument,
	.check = check,
	.run = run,
};
