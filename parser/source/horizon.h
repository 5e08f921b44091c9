/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_HORIZON_H
#define VMRT_PARSER_SOURCE_HORIZON_H

/*
 * Decides which times can belong to a recording. One wrong time stamp, days after all others, must
 * not make millions of server periods. The manifest says when the recording began and ended;
 * without a manifest the other CPUs do.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* If no machine has an event for this time, the next event is suspicious. */
#define HORIZON_GAP_NS INT64_C(10000000000)

struct horizon {
	int64_t least_ns, most_ns; /* of events; by the manifest, or without bounds */
	int64_t first_ns, last_ns; /* of the events so far; VMRT_UNKNOWN: none yet */
};

/* What is left of the recording when an event comes long after the one before it. */
struct horizon_rest {
	bool host_ended, of_guest; /* no CPU of the host goes on; the event is a guest's */
	size_t cpus, going_on;	   /* CPUs that had events; that still have some */
	bool few;		   /* the event's CPU has no page behind the present one */
};

/** horizon_init - @start_ns, @end_ns: by the manifest, or VMRT_UNKNOWN */
void horizon_init(struct horizon *h, int64_t start_ns, int64_t end_ns);

/** horizon_is_stray - is it impossible that the event at @host_ns belongs to this recording? */
bool horizon_is_stray(const struct horizon *h, int64_t host_ns, const struct horizon_rest *rest);

/** horizon_begins - are all events so far within a millisecond, and hours before @host_ns? Then
 * they do not belong to this recording */
bool horizon_begins(const struct horizon *h, int64_t host_ns);

/** horizon_accept - take note that the event at @host_ns belongs to the recording; returns the time
 * up to which later events are accepted without a check */
int64_t horizon_accept(struct horizon *h, int64_t host_ns);

#endif
