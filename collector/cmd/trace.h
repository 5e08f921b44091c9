/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_CMD_TRACE_H
#define VMRT_COLLECTOR_CMD_TRACE_H

/* The commands of vmrt-trace, one file each. */

#include <vmrt/recording.h>
#include <vmrt/analyze.h>
#include <vmrt/tool.h>

extern const struct vmrt_command vmrt_trace_record;
extern const struct vmrt_command vmrt_trace_analyze;
extern const struct vmrt_command vmrt_trace_vms;
extern const struct vmrt_command vmrt_trace_info;
extern const struct vmrt_command vmrt_trace_reset;
extern const struct vmrt_command vmrt_trace_events;
extern const struct vmrt_command vmrt_trace_dump;
extern const struct vmrt_command vmrt_trace_doctor;
extern const struct vmrt_command vmrt_trace_tasks;
extern const struct vmrt_command vmrt_trace_init;

struct vmrt_recorder_options;

/** trace_add_link - add the argument of --link; @arg is changed, and stays referenced */
error_t trace_add_link(
	struct vmrt_recorder_options *options, char *arg, const struct argp_state *state);

/** vmrt_trace_report_analysis - one line about what an analysis found, on stderr */
void vmrt_trace_report_analysis(const struct vmrt_analyze_result *result);

/** info_clock - print how the clock of the guest of @vm relates to the host's, from run.db */
void info_clock(const char *run, const char *vm);

#define TRACE_GUESTS_MAX 64

/* The arguments RUN, or HOST.dat and the files of guests. */
struct trace_files {
	const char *names[TRACE_GUESTS_MAX + 1];
	size_t n;
};

/** trace_add_file - take the next of these arguments; fails if there are too many */
error_t trace_add_file(struct trace_files *files, const char *arg, const struct argp_state *state);

/** trace_check_files - fail if there is no such argument */
error_t trace_check_files(const struct trace_files *files, const struct argp_state *state);

/**
 * trace_recording_of - find out whether the arguments are a run or single files
 * @files: at least one; the names stay referenced
 * @out: gets the path of the run, or those of the files
 *
 * Return: VMRT_EXIT_DONE; otherwise the exit status of the command, and the reason was printed.
 */
int trace_recording_of(const struct trace_files *files, struct vmrt_recording_options *out);

#endif
