/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PUMP_H
#define VMRT_PUMP_H

/*
 * The pump moves events from a merge into an engine. Recordings and live buffers have a merge each
 * (vmrt_recording_merge(), vmrt_live_merge()); the pump treats both merges alike.
 */

#include <stdbool.h>
#include <stdint.h>

#include <vmrt/engine.h>
#include <vmrt/event.h>

struct vmrt_merge; /* all machines' events, in the order of the host's clock */

struct vmrt_pump {
	struct vmrt_merge *from;
	struct vmrt_engine *to;
	int64_t until_ns; /* later events stay in the merge; INT64_MAX: no event stays */
	uint64_t most;	  /* events of one call */
	/* called after each event, or NULL; true: this call ends */
	bool (*see)(void *ctx, uint32_t machine, const struct vmrt_event *event, int64_t host_ns);
	void *ctx;
	uint64_t events; /* of all calls so far */
};

enum vmrt_pumped {
	VMRT_PUMPED_PART, /* there is more: @most was reached, or @see returned true */
	VMRT_PUMPED_ALL,  /* all events that there are now, up to @until_ns, which the engine's time
			     has reached */
	VMRT_PUMPED_END,  /* the recording is at its end; the engine may be finished */
	VMRT_PUMPED_ENOMEM /* the engine is out of memory */
};

/** vmrt_pump - push the next events into the engine, and clip CPUs whose recording ends early */
enum vmrt_pumped vmrt_pump(struct vmrt_pump *pump);

/** vmrt_merge_peek - time of the next event on the host's clock; INT64_MAX if there is none */
int64_t vmrt_merge_peek(struct vmrt_merge *merge);

/** vmrt_merge_time - time of the last event that was taken; at first a time before all events */
int64_t vmrt_merge_time(const struct vmrt_merge *merge);

#endif
