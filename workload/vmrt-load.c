/* SPDX-License-Identifier: MIT */
/* vmrt-load: a periodic real-time workload with counted work; docs/vmrt-load.1. */

#include "load.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#define CALIBRATION_PRIORITY 60 /* of the shortest period, see vmrt_experiment_load() */
#define SCALE_MAX 10
#define JOBS_OPTION_MAX INT64_C(1000000000)

struct options {
	const char *experiment;
	const char *machine;
	const char *log;
	const char *calibration;
	int64_t duration_ns;
	int64_t jobs; /* 0: by duration */
	int64_t cpu;  /* -1: any */
	double percentile;
	double scale;
	bool calibrate;
	bool no_markers;
	bool no_rt;
};

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct options *o = opts;

	if (o->experiment)
		return vmrt_usage(state, "only one EXPERIMENT can be run, '%s' is too much", arg);
	o->experiment = arg;
	return 0;
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct options *o = opts;

	if (!o->experiment && !o->calibrate)
		return vmrt_usage(state, "which EXPERIMENT is to be run?");
	if (o->percentile <= 0)
		return vmrt_usage(state, "--percentile: give a number above 0, up to 100");
	if (o->scale <= 0)
		return vmrt_usage(state, "--scale: give a number above 0, up to %d", SCALE_MAX);
	return 0;
}

static const struct vmrt_option option_table[] = {
	{"machine", 'm', "NAME", "run the tasks of [task NAME/...]", .standard = "the hostname's",
		VMRT_TEXT(struct options, machine)},
	{"duration", 'd', "TIME", "release jobs for this time", .standard = "10s",
		VMRT_TIME(struct options, duration_ns, 1, 0), .sample = "15s"},
	{"jobs", 'j', "N", "release N jobs of every task instead",
		VMRT_COUNT(struct options, jobs, 1, JOBS_OPTION_MAX), .sample = "1000"},
	{"log", 'l', "FILE", "write the log of all jobs into FILE", .standard = "stdout",
		VMRT_TEXT(struct options, log)},
	{"calibration", 'c', "FILE",
		"use this calibration; calibrate and write it if it is not there",
		VMRT_TEXT(struct options, calibration)},
	{"calibrate", 0, NULL, "only calibrate, print the result and write --calibration",
		VMRT_FLAG(struct options, calibrate)},
	{"percentile", 0, "P", "share of calibration samples, in %, in which the WCET held",
		.standard = "99", VMRT_NUMBER(struct options, percentile, 0, 100)},
	{"scale", 0, "X", "do work for this fraction of each WCET", .standard = "1",
		VMRT_NUMBER(struct options, scale, 0, SCALE_MAX)},
	{"cpu", 0, "N", "run on this CPU only", VMRT_COUNT(struct options, cpu, 0, CPU_SETSIZE - 1),
		.sample = "0"},
	{"no-markers", 0, NULL, "do not mark begin and end of jobs in the trace",
		VMRT_FLAG(struct options, no_markers)},
	{"no-rt", 0, NULL, "for a trial without privileges: SCHED_OTHER, memory not locked",
		VMRT_FLAG(struct options, no_rt)},
	VMRT_OPTION_QUIET,
	{0},
};

static enum vmrt_status stay_on_cpu(int64_t cpu, struct vmrt_error *err)
{
	cpu_set_t set;

	if (cpu < 0)
		return VMRT_OK;
	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		return vmrt_fail_errno(err, errno, "cannot run on CPU %" PRId64, cpu);
	return VMRT_OK;
}

/* Measures at real-time priority, as the tasks will run, and goes back to SCHED_OTHER. */
static enum vmrt_status calibrate(
	const struct options *o, int priority, struct load_calibration *cal, struct vmrt_error *err)
{
	enum vmrt_status status;

	if (!o->no_rt && (status = load_make_realtime(priority, err)) != VMRT_OK)
		return status;
	vmrt_say("calibrating, about 3 s");
	status = load_calibration_measure(cal, err);
	if (!o->no_rt)
		load_make_ordinary();
	if (status == VMRT_OK && !load_calibration_is_steady(cal))
		vmrt_warn("the speed of this machine varied greatly while calibrating: the 99th "
			  "percentile "
			  "of the time for the same work is %.1f times the median",
			load_ns_per_unit(cal, 99) / load_ns_per_unit(cal, 50));
	if (status == VMRT_OK && o->calibration) {
		status = load_calibration_write(o->calibration, cal, err);
		if (status != VMRT_OK)
			load_calibration_free(cal);
	}
	return status;
}

static enum vmrt_status get_calibration(
	const struct options *o, int priority, struct load_calibration *cal, struct vmrt_error *err)
{
	if (o->calibration && !o->calibrate) {
		enum vmrt_status status = load_calibration_read(o->calibration, cal, err);

		if (status != VMRT_ENOENT)
			return status;
	}
	return calibrate(o, priority, cal, err);
}

static void say_result(const struct load_set *set)
{
	for (size_t i = 0; i < set->n; i++) {
		const struct load_task *task = &set->tasks[i];
		char worst_text[VMRT_UNITS_TEXT];
		int64_t worst = 0;
		uint64_t late = 0;

		for (uint64_t k = 0; k < task->n_done; k++) {
			int64_t response =
				task->jobs[k].end_ns - load_arrival(task->spec, set->t0_ns, k);

			late += response > task->spec->deadline_ns;
			if (response > worst)
				worst = response;
		}
		vmrt_say("%s: %" PRIu64 " of %" PRIu64 " jobs, %" PRIu64
			 " ended after their deadline, longest response %s",
			task->spec->name, task->n_done, task->n_planned, late,
			vmrt_format_duration(worst, worst_text));
	}
}

/* Opens the log file before the run, so that a run is not lost because its log cannot be written.
 */
static enum vmrt_status open_log(const struct options *o, FILE **out, struct vmrt_error *err)
{
	*out = stdout;
	if (!o->log || !strcmp(o->log, "-"))
		return VMRT_OK;
	*out = fopen(o->log, "we");
	return *out ? VMRT_OK : vmrt_fail_errno(err, errno, "cannot create %s", o->log);
}

static enum vmrt_status close_log(const struct options *o, FILE *log, struct vmrt_error *err)
{
	bool bad = ferror(log) != 0;

	if (log == stdout)
		return VMRT_OK; /* vmrt_tool_main() checks errors of stdout */
	if (fclose(log) != 0 || bad)
		return vmrt_fail_errno(err, errno ? errno : EIO, "cannot write %s", o->log);
	return VMRT_OK;
}

static enum vmrt_status open_marker(
	const struct options *o, struct vmrt_marker **marker, struct vmrt_error *err)
{
	*marker = NULL;
	if (o->no_markers)
		return VMRT_OK;
	if (access("/sys/kernel/tracing/instances", X_OK) != 0 &&
		access("/sys/kernel/debug/tracing/instances", X_OK) != 0)
		vmrt_say("no markers: %s",
			errno == EACCES ? "no permission for tracefs" : "there is no tracefs here");
	return vmrt_marker_open(NULL, marker, err);
}

static int top_priority(const struct load_set *set)
{
	int top = 1;

	for (size_t i = 0; i < set->n; i++)
		if (set->tasks[i].spec->priority > top)
			top = set->tasks[i].spec->priority;
	return top;
}

static enum vmrt_status run_set(
	const struct options *o, struct load_set *set, struct vmrt_error *err)
{
	struct load_calibration cal = {0};
	struct vmrt_marker *marker = NULL;
	enum vmrt_status status;
	FILE *log = NULL;
	double ns_per_unit;

	set->rt = !o->no_rt;
	status = open_log(o, &log, err);
	if (status != VMRT_OK)
		return status;
	status = get_calibration(o, top_priority(set), &cal, err);
	if (status != VMRT_OK)
		goto out;
	ns_per_unit = load_ns_per_unit(&cal, o->percentile);
	for (size_t i = 0; i < set->n; i++)
		set->tasks[i].work_units =
			load_units_for(set->tasks[i].spec->wcet_ns, o->scale, ns_per_unit);
	status = open_marker(o, &marker, err);
	if (status != VMRT_OK)
		goto out;
	/* needed here because a calibration that comes from a file has locked no memory */
	if (set->rt && (status = load_make_realtime(top_priority(set), err)) != VMRT_OK)
		goto out;
	load_make_ordinary();
	status = load_run(set, marker, err);
	if (status != VMRT_OK)
		goto out;
	load_log_write(set, &cal, o->percentile, o->scale, log);
	say_result(set);
out:
	vmrt_marker_close(marker);
	load_calibration_free(&cal);
	if (log) {
		enum vmrt_status closed = close_log(o, log, status == VMRT_OK ? err : NULL);

		if (status == VMRT_OK)
			status = closed;
	}
	return status;
}

static enum vmrt_status run_experiment(const struct options *o, struct vmrt_error *err)
{
	char hostname[VMRT_NAME_MAX] = "";
	struct vmrt_experiment *exp = NULL;
	struct load_set set = {0};
	const char *machine;
	enum vmrt_status status;

	gethostname(hostname, sizeof(hostname) - 1);
	status = vmrt_experiment_load(o->experiment, &exp, err);
	if (status != VMRT_OK)
		return status;
	status = load_pick_machine(exp, o->machine, hostname, &machine, err);
	if (status == VMRT_OK)
		status = load_set_make(exp, machine, o->duration_ns, (uint64_t)o->jobs, &set, err);
	if (status == VMRT_OK)
		status = run_set(o, &set, err);
	load_set_free(&set);
	vmrt_experiment_free(exp);
	return status;
}

static enum vmrt_status only_calibrate(const struct options *o, struct vmrt_error *err)
{
	struct load_calibration cal;
	enum vmrt_status status = calibrate(o, CALIBRATION_PRIORITY, &cal, err);

	if (status != VMRT_OK)
		return status;
	load_calibration_print(&cal, "", stdout);
	printf("percentile = %g\n", o->percentile);
	printf("ns_per_unit = %.6g\n", load_ns_per_unit(&cal, o->percentile));
	load_calibration_free(&cal);
	return VMRT_OK;
}

static int run(void *opts)
{
	const struct options *o = opts;
	struct vmrt_error err;
	enum vmrt_status status = stay_on_cpu(o->cpu, &err);

	if (status == VMRT_OK)
		status = o->calibrate ? only_calibrate(o, &err) : run_experiment(o, &err);
	if (status == VMRT_OK)
		return VMRT_EXIT_DONE;
	vmrt_complain(&err);
	return VMRT_EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct options options = {
		.cpu = -1,
	};
	const struct vmrt_command commands[] = {
		{
			.args = "EXPERIMENT",
			.summary = "Run the periodic real-time tasks of an experiment on this "
				   "machine.",
			.options = option_table,
			.opts = &options,
			.argument = argument,
			.check = check,
			.run = run,
		},
		{0},
	};
	const struct vmrt_tool tool = {
		.name = "vmrt-load",
		.summary = "periodic real-time workload with counted work",
		.commands = commands,
	};

	return vmrt_tool_main(&tool, argc, argv);
}
