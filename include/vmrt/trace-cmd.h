/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TRACE_CMD_H
#define VMRT_TRACE_CMD_H

/* How trace-cmd records what the analysis needs; docs/what-you-need.md says what each event is for.
 */
#define VMRT_TRACE_CMD                                                                             \
	"trace-cmd record -C mono -e sched_switch -e 'sched_wak*' -e "                             \
	"sched_migrate_task -e 'sched_process_*' -e 'hrtimer_*' -e irq"

#endif
