/* SPDX-License-Identifier: MIT */
/* Words for scheduling policies. */
#include <vmrt/vms.h>

const char *vmrt_sched_name(int policy)
{
	switch (policy) {
	case SCHED_OTHER:
		return "SCHED_OTHER";
	case SCHED_FIFO:
		return "SCHED_FIFO";
	case SCHED_RR:
		return "SCHED_RR";
	case SCHED_BATCH:
		return "SCHED_BATCH";
	case SCHED_IDLE:
		return "SCHED_IDLE";
	case 6: /* SCHED_DEADLINE: only in the kernel's own headers */
		return "SCHED_DEADLINE";
	default:
		return "unknown";
	}
}
