/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_MERGE_H
#define VMRT_PARSER_SOURCE_MERGE_H

/*
 * One sequence of events of several machines, by time on the host's clock. Recordings and live
 * buffers differ in two things: of live buffers more events may follow later, so that an event is
 * decoded only when it is taken; and each has its own rule for events at unexpected times.
 */

#include <vmrt/clock.h>
#include <vmrt/dat.h>
#include <vmrt/pump.h>

#include "parser/ring/stream.h"

/* One machine on its way into the merge. */
struct merge_input {
	uint32_t machine;
	struct vmrt_stream *stream;
	const struct vmrt_clockmap *map; /* from its clock to the host's; NULL: the host's */
	size_t hint;			 /* for the map */
	int64_t clocks_ns; /* how far the record clocks may be off, in addition to the map's error
			    */
	bool have;	   /* there is a next event */
	int64_t host_ns;   /* its time on the host's clock */
	struct vmrt_event event; /* the event itself; of a live input only when it is taken */
};

struct merge_ops {
	/* CPUs' data of @in are malformed; what is left of them is skipped */
	void (*malformed)(void *ctx, struct merge_input *in, const char *why);
	/* @in is at its end; or NULL */
	void (*at_end)(void *ctx, struct merge_input *in);
	/* the event of @in is before floor_ns or after ceiling_ns; false: leave it out */
	bool (*accept)(void *ctx, struct merge_input *in);
};

struct vmrt_merge {
	const struct merge_ops *ops;
	void *ctx;
	struct merge_input **inputs;
	size_t n;
	bool live;
	struct merge_input *taken; /* the input whose event the caller has */
	int64_t others_ns;	   /* the next events of the other inputs are at or after this */
	int64_t upto_ns;  /* live: all events up to this time have been collected; else INT64_MAX */
	int64_t floor_ns; /* when the last event was; before the first: no event is earlier */
	int64_t ceiling_ns; /* events up to this time need no check; set by accept() */
	bool ended;	    /* a stream may have CPUs for merge_ended() */
};

/** merge_begin - begin from the start: fetch the first event of each of the inputs, which the
 * caller has set */
void merge_begin(struct vmrt_merge *m, int64_t floor_ns);

/** merge_renew - take note that live inputs have more events now, or other maps of their clocks */
void merge_renew(struct vmrt_merge *m);

/** merge_choose - merge_next() in all cases; @advanced: NULL, or the input whose event was taken,
 * if its next event is there already */
struct merge_input *merge_choose(
	struct vmrt_merge *m, int64_t until_ns, struct merge_input *advanced);

/**
 * merge_next - take the next event that is not after @until_ns; good until the next call; or NULL
 *
 * Inline for the usual case: the input whose event was taken has the next one, too.
 */
static inline struct merge_input *merge_next(struct vmrt_merge *m, int64_t until_ns)
{
	struct merge_input *in = m->taken;
	int64_t ns;

	if (!in || m->live || !stream_quick(in->stream, &in->event))
		return merge_choose(m, until_ns, NULL);
	ns = in->event.ts;
	if (in->map)
		ns = vmrt_clockmap_to_host(in->map, ns, &in->hint);
	in->host_ns = ns;
	if (ns >= m->others_ns || ns < m->floor_ns || ns > m->ceiling_ns || ns > until_ns)
		return merge_choose(m, until_ns, in);
	m->floor_ns = ns;
	return in;
}

/** merge_error - bound of the error of the time of the event that was taken from @in */
static inline int64_t merge_error(struct merge_input *in)
{
	int64_t error = in->map ? vmrt_clockmap_error(in->map, in->event.ts, &in->hint) : 0;

	if (error == VMRT_UNKNOWN || !in->clocks_ns)
		return error;
	return error < INT64_MAX - in->clocks_ns ? error + in->clocks_ns : VMRT_UNKNOWN;
}

/** merge_ended - a CPU of which nothing more can be read, though there was more (@for_good), or
 * nothing until its next event; each once, when its last event has been taken; false if there is
 * none */
bool merge_ended(struct vmrt_merge *m, uint32_t *machine, unsigned *cpu, bool *for_good);

#endif
