/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACEFS_TAIL_H
#define VMRT_COLLECTOR_TRACEFS_TAIL_H

/* Sub-buffers of one CPU, from a time on. */

#include <vmrt/tracer.h>

struct vmrt_tail {
	struct vmrt_tracer *tracer;
	unsigned cpu;
	int64_t since_ns;
	uint8_t *pages, *held; /* room for two sub-buffers; @held was read but not returned yet */
	bool begun;	       /* a sub-buffer was returned already */
	bool ended;
};

/**
 * vmrt_tail_begin - begin to read the buffer of @cpu
 * @since_ns: leave out sub-buffers that end before this time; INT64_MIN: none
 * @tail: end with vmrt_tail_end()
 *
 * Return: VMRT_OK or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_tail_begin(
	struct vmrt_tail *tail, struct vmrt_tracer *tracer, unsigned cpu, int64_t since_ns);

/**
 * vmrt_tail_next - the next sub-buffer, also if it is partly filled; never blocks
 * @page: page_size bytes, valid until the next call. Events that were overwritten before the first
 * page count as no loss, because only the newest events are wanted.
 *
 * Return: 1; 0 if there is none; -1 with errno.
 */
int vmrt_tail_next(struct vmrt_tail *tail, const uint8_t **page);

/** vmrt_tail_end - free what @tail holds */
void vmrt_tail_end(struct vmrt_tail *tail);

#endif
