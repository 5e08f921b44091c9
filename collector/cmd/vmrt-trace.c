/* SPDX-License-Identifier: MIT */
/* vmrt-trace: finds the command that is asked for, and runs it. */
#include "trace.h"

int main(int argc, char **argv)
{
	const struct vmrt_command commands[] = {vmrt_trace_record, vmrt_trace_analyze,
		vmrt_trace_vms, vmrt_trace_info, vmrt_trace_events, vmrt_trace_dump,
		vmrt_trace_reset, vmrt_trace_tasks, vmrt_trace_init, vmrt_trace_doctor, {0}};
	const struct vmrt_tool tool = {
		.name = "vmrt-trace",
		.summary = "Records virtual machines and their host, and analyses recordings.",
		.commands = commands,
		.exit_status = "2 a check of doctor fails,\n3 events were lost, ",
	};

	return vmrt_tool_main(&tool, argc, argv);
}
