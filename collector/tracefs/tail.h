/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACEFS_TAIL_H
#define VMRT_COLLECTOR_TRACEFS_TAIL_H

/* Sub-buffers of one CPU, from a time on. */

#include <vmrt/tracer.h>

struct vmrt_tail {
	struct vmrt_tracer *tracer;
	unsigned cpu;
	int64_t since_ns;
	uint8_t *pages, *held; /* room for two; the one that was read and not given yet */
	bool begun;	       /* one was given already */
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
 * vmrt_tail_next - the next sub-buffer, partly filled ones too; never blocks
 * @page: page_size bytes, good until the next call. What was overwritten before the first one is no
 *loss where only the end was wanted, so it says nothing of one then.
 *
 * Return: 1; 0 if there is none; -1 with errno.
 */
int vmrt_tail_next(struct vmrt_tail *tail, const uint8_t **page);

/** vmrt_tail_end - free what @tail holds */
void vmrt_tail_end(struct vmrt_tail *tail);

#endif
