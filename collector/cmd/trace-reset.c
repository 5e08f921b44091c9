/* SPDX-License-Identifier: MIT */
/* vmrt-trace reset: keeps what killed recorders have recorded, and removes what they left in the
 * kernel. */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/extent.h>
#include <vmrt/files.h>
#include <vmrt/manifest.h>
#include <vmrt/tracer.h>

#include "collector/tracefs/journal.h"
#include "collector/record/salvage.h"

#define MAX_RUNS 64

static struct reset_opts {
	const char *runs[MAX_RUNS];
	size_t n_runs;
	bool no_analyze;
} defaults;

static const struct vmrt_option options[] = {
	{"no-analyze", 0, NULL, "only salvage; `vmrt-trace analyze` can follow",
		VMRT_FLAG(struct reset_opts, no_analyze)},
	VMRT_OPTION_QUIET,
	{0},
};

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct reset_opts *o = opts;

	if (o->n_runs == MAX_RUNS)
		return vmrt_usage(state, "more than %d runs", MAX_RUNS);
	o->runs[o->n_runs++] = arg;
	return 0;
}

/* What this call of the program has done so far. */
struct progress {
	bool analyze;
	unsigned salvaged, failed;
};

static void report(void *ctx, const char *name, const char *why)
{
	(void)ctx;
	if (why)
		vmrt_warn(
			"cannot remove the tracefs instance %s: %s; it is switched off", name, why);
	else
		vmrt_say("removed the tracefs instance %s", name);
}

/* A recorder keeps a journal in its run until it has ended. */
static bool has_journal(const char *run)
{
	char path[4096];

	return vmrt_path(path, sizeof(path), run, VMRT_FILE_JOURNAL) != VMRT_OK ||
	       access(path, F_OK) == 0 || errno != ENOENT;
}

/*
 * Does the manifest say when the recording ended? A recorder that was killed wrote no end. (With
 * --force, it may be the manifest of the recording before.)
 */
static bool has_ended(const char *run)
{
	struct vmrt_manifest *m;
	char path[4096];
	bool ended;

	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_MANIFEST) != VMRT_OK ||
		vmrt_manifest_load(path, &m, NULL) != VMRT_OK)
		return false;
	ended = m->end_ns >= m->start_ns;
	vmrt_manifest_free(m);
	return ended;
}

/* Reports on a run without a journal: either its recording has ended, or its recorder was killed
 * before it wrote a journal. */
static void report_no_journal(struct progress *p, const char *run)
{
	if (has_ended(run)) {
		vmrt_say("%s: what was recorded is whole: there is nothing to salvage", run);
		return;
	}
	vmrt_warn("%s: nothing was recorded that could be salvaged; `vmrt-trace reset` without a "
		  "RUN removes what the recorder may have left in the kernel",
		run);
	p->failed++;
}

static void salvage(void *ctx, const char *run)
{
	struct vmrt_analyze_options options_of_run = {.recording = {.run = run}};
	struct progress *p = ctx;
	struct vmrt_analyze_result result;
	struct vmrt_salvaged got;
	struct vmrt_error err;

	if (vmrt_file_kind(run) == VMRT_KIND_MISSING) {
		vmrt_warn("there is no run %s", run);
		p->failed++;
		return;
	}
	if (!has_journal(run)) {
		report_no_journal(p, run);
		return;
	}
	if (vmrt_salvage(run, &got, &err) != VMRT_OK) {
		vmrt_complain(&err);
		p->failed++;
		return;
	}
	p->salvaged++;
	if (got.nothing)
		vmrt_say("%s: its recorder was killed before it recorded anything", run);
	else
		vmrt_say("%s: salvaged %llu events, %llu KiB of them from the kernel's buffers, "
			 "%llu lost",
			run, (unsigned long long)got.events,
			(unsigned long long)got.from_buffers / 1024, (unsigned long long)got.lost);
	if (got.guest_events)
		vmrt_say("%s: and %llu events that guests had sent", run,
			(unsigned long long)got.guest_events);
	/* the main instance of the recorder, and the others that it made */
	if (got.instance[0])
		vmrt_say("removed the tracefs instance %s", got.instance);
	vmrt_tracer_reset(NULL, got.owner, NULL, NULL, report, NULL, NULL);
	if (!p->analyze || got.nothing)
		return;
	if (vmrt_analyze(&options_of_run, &result, &err) == VMRT_OK) {
		vmrt_trace_report_analysis(&result);
		return;
	}
	vmrt_complain(&err);
	p->failed++;
}

static int run(void *opts)
{
	struct reset_opts *o = opts;
	struct progress p = {.analyze = !o->no_analyze};
	unsigned removed, kept;
	struct vmrt_error err;

	for (size_t i = 0; i < o->n_runs; i++)
		salvage(&p, o->runs[i]);
	if (o->n_runs)
		return p.failed ? VMRT_EXIT_FAILED : VMRT_EXIT_DONE;
	vmrt_journal_each(salvage, &p);
	/* a recording that could not be salvaged now may be salvaged later, when the disk has room
	 * again */
	if (p.failed) {
		vmrt_warn("not everything could be salvaged: nothing else is removed; delete the "
			  "folder of the run to give it up");
		return VMRT_EXIT_FAILED;
	}
	if (vmrt_tracer_reset(NULL, NULL, &removed, &kept, report, NULL, &err) != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	if (vmrt_stop_requested()) {
		vmrt_warn("interrupted; `vmrt-trace reset` goes on");
		return VMRT_EXIT_FAILED;
	}
	if (!removed && !kept && !p.salvaged)
		vmrt_say("nothing to remove");
	return kept ? VMRT_EXIT_FAILED : VMRT_EXIT_DONE;
}

const struct vmrt_command vmrt_trace_reset = {
	.name = "reset",
	.args = "[RUN...]",
	.summary = "Salvage what killed recorders have recorded, and remove what they left in the "
		   "kernel",
	.doc = "Without RUN: all of them. Recorders and agents that still run are left alone.",
	.options = options,
	.opts = &defaults,
	.argument = argument,
	.run = run,
};
