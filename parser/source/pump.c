/* SPDX-License-Identifier: MIT */
/* Moves events from a merge into an engine; analysis, replay, monitor and flight recorder use it.
 */
#include <vmrt/pump.h>

#include "merge.h"

/* Tells the engine of CPUs that have no more events, or none for a while, though more happened
 * there. */
static void clip(struct vmrt_pump *pump)
{
	uint32_t machine;
	unsigned cpu;
	bool for_good;

	while (merge_ended(pump->from, &machine, &cpu, &for_good))
		if (for_good)
			vmrt_engine_clip(pump->to, machine, cpu, VMRT_UNKNOWN, VMRT_UNKNOWN);
		else
			vmrt_engine_losing(pump->to, machine, cpu);
}

enum vmrt_pumped vmrt_pump(struct vmrt_pump *pump)
{
	struct vmrt_merge *merge = pump->from;
	int64_t until = merge->upto_ns < pump->until_ns ? merge->upto_ns : pump->until_ns;
	uint64_t first = pump->events;
	struct merge_input *in;

	if (merge->live)
		merge_renew(merge);
	while (pump->events - first < pump->most) {
		in = merge_next(merge, until);
		if (!in)
			break;
		if (merge->ended)
			clip(pump);
		if (vmrt_engine_push(pump->to, in->machine, &in->event, in->host_ns,
			    merge_error(in)) != VMRT_OK)
			return VMRT_PUMPED_ENOMEM;
		pump->events++;
		if (pump->see && pump->see(pump->ctx, in->machine, &in->event, in->host_ns))
			return VMRT_PUMPED_PART;
	}
	if (pump->events - first == pump->most)
		return VMRT_PUMPED_PART;
	if (!merge->live && vmrt_merge_peek(merge) == INT64_MAX) {
		clip(pump);
		return VMRT_PUMPED_END;
	}
	if (until != VMRT_UNKNOWN)
		vmrt_engine_advance(pump->to, until);
	return VMRT_PUMPED_ALL;
}
