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

/** trace_add_link - take the argument of --link, which is changed and kept */
error_t trace_add_link(
	struct vmrt_recorder_options *options, char *arg, const struct argp_state *state);

/** vmrt_trace_report_analysis - one line about what an analysis found, on stderr */
void vmrt_trace_report_analysis(const struct vmrt_analyze_result *result);

/** info_clock - print how the clock of the guest of @vm relates to the host's, from run.db */
void info_clock(const char *run, const char *vm);

/**
 * trace_recording_of - the arguments RUN, or HOST.dat and the files of guests, as a recording
 * @args: the @n arguments, at least one; they stay referenced
 * @out: says where the recording is
 *
 * Return: VMRT_EXIT_DONE, or the status to end with: it has been said why.
 */
int trace_recording_of(const char *const *args, size_t n, struct vmrt_recording_options *out);

#endif
