/* SPDX-License-Identifier: MIT */
/* Reads the newest sub-buffers of a CPU, from a given time on. */
#include "tail.h"

#include <stdlib.h>

#include <vmrt/dat.h>

enum vmrt_status vmrt_tail_begin(
	struct vmrt_tail *t, struct vmrt_tracer *tracer, unsigned cpu, int64_t since_ns)
{
	*t = (struct vmrt_tail){.tracer = tracer, .cpu = cpu, .since_ns = since_ns};
	t->pages = malloc(2 * (size_t)vmrt_tracer_page_size(tracer));
	return t->pages ? VMRT_OK : VMRT_ENOMEM;
}

/* Reads the next sub-buffer that may hold events after the wanted time. The end of a sub-buffer is
 * known only when the next one was read, so one sub-buffer is held back. */
static int next_since(struct vmrt_tail *t, const uint8_t **page)
{
	uint32_t size = vmrt_tracer_page_size(t->tracer);

	while (!t->ended) {
		uint8_t *held = t->held, *free_one = t->pages + (held == t->pages ? size : 0);
		int got = vmrt_tracer_read(t->tracer, t->cpu, free_one);

		if (got < 0)
			return -1;
		t->ended = !got;
		t->held = got ? free_one : NULL;
		if (!held || (got && vmrt_page_time(free_one) < t->since_ns))
			continue;
		if (!t->begun)
			vmrt_page_forget_loss(held);
		t->begun = true;
		*page = held;
		return 1;
	}
	return 0;
}

int vmrt_tail_next(struct vmrt_tail *t, const uint8_t **page)
{
	if (t->since_ns != INT64_MIN)
		return next_since(t, page);
	*page = t->pages;
	return vmrt_tracer_read(t->tracer, t->cpu, t->pages);
}

void vmrt_tail_end(struct vmrt_tail *t)
{
	free(t->pages);
	t->pages = NULL;
}
