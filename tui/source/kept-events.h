/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_SOURCE_KEPT_EVENTS_H
#define VMRT_TUI_SOURCE_KEPT_EVENTS_H

/*
 * Keeps raw events of a live view: the last ones, and for a longer time those of the last misses,
 * since a user can examine a miss only after it is on the screen.
 */

#include <stdbool.h>
#include <stdint.h>

#include <vmrt/event.h>
#include <vmrt/experiment.h>

#define KEPT_EVENTS 16384 /* number of last events; as many events of misses are kept */

struct kept_events;

/** kept_events_new - an empty store, to be freed with kept_events_free(); NULL: no memory */
struct kept_events *kept_events_new(void);

/** kept_events_add - keep a copy of @event of machine @machine, at host time @host_ns */
void kept_events_add(struct kept_events *kept, uint32_t machine, const struct vmrt_event *event,
	int64_t host_ns);

/** kept_events_of_miss - keep the events between the two times longer than others */
void kept_events_of_miss(struct kept_events *kept, int64_t from_ns, int64_t to_ns);

/* Gets one event; returns false to get no more. */
typedef bool kept_event_fn(
	void *ctx, uint32_t machine, const struct vmrt_event *event, int64_t host_ns);

/** kept_events_each - pass the events between the two times to @take, each once and in their order
 */
void kept_events_each(
	struct kept_events *kept, int64_t from_ns, int64_t to_ns, kept_event_fn *take, void *ctx);

/** kept_events_free - NULL is allowed */
void kept_events_free(struct kept_events *kept);

#endif
