/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_LIVE_LIVE_GUEST_H
#define VMRT_COLLECTOR_LIVE_LIVE_GUEST_H

/* One guest of a live view: its session, pages on their way, and the map of its clock. */

#include <pthread.h>
#include <sched.h>

#include <vmrt/clock.h>
#include <vmrt/dat.h>
#include <vmrt/guest.h>
#include <vmrt/vms.h>

#include "parser/clock/ping-fit.h"
#include "parser/source/merge.h"

#define LIVE_WAYS 4

struct live_page;

struct live_guest_options {
	const struct vmrt_vm *vm; /* must stay */
	const char *ways[LIVE_WAYS];
	size_t n_ways;
	unsigned port; /* for messages */
	bool patient;  /* nobody waits for the guest: the session may take long */
	uint64_t buffer;
	const struct vmrt_secret *secret; /* or NULL; must stay */
	const cpu_set_t *cpus;		  /* for its thread, or NULL */
};

struct live_guest {
	char name[VMRT_NAME_MAX];
	struct vmrt_guest *session; /* NULL: none */
	bool recorded;		    /* the guest has begun to record */
	bool starting;		    /* the agent was asked to record, and has not confirmed yet */
	int64_t asked_ns;	    /* since when the agent is waited for */
	int64_t retry_ns;	    /* time of the next attempt to connect; 0: none is planned */
	unsigned tries;		    /* attempts that failed in a row */
	bool again;		    /* the guest has recorded in an earlier session */
	bool reached;		    /* the session broke, and the next one is being set up */
	int64_t started_ns;	    /* when the session began to record; 0: it does not record */
	char why[200];		    /* why the connection is tried again */
	struct live_guest_options options; /* options.cpus points to own_cpus */
	cpu_set_t own_cpus;
	bool *resumes; /* by CPU: events before the next one are lost */
	struct vmrt_formats *formats;
	struct merge_input in;		 /* the guest's stream in the merge */
	struct vmrt_processes processes; /* processes of the guest when it began to record */
	uint32_t page_size;
	unsigned cpus;
	/* shared with the session's thread */
	pthread_mutex_t lock;
	struct live_page *first, **last;
	size_t queued;
	/* the clock */
	struct vmrt_clockmap map;
	struct ping_fit fit;
	uint64_t pings_seen;
	int64_t last_upto; /* guest clock */
	uint64_t held;	   /* bytes of pages since last_upto changed */
	int64_t upto_ns;   /* host clock: all events before this time have been collected; or
			      VMRT_UNKNOWN */
	bool begun;	   /* an event of the guest has been passed on */
	bool silent;	   /* the merge does not wait for the guest */
	uint64_t dropped;  /* events that came too late, before the next event */
	bool dead;
	char note[256];
};

/** live_guest_open - begin to connect; a failure is written into the guest's note */
void live_guest_open(struct live_guest *g, const struct live_guest_options *options);

/** live_guest_is_open - was live_guest_open() called for @g, which may be all zeros? */
static inline bool live_guest_is_open(const struct live_guest *g)
{
	return g->last;
}

/** live_guest_ready - wait until the agent is ready, make the stream; a failure is written into the
 * note */
void live_guest_ready(struct live_guest *g);

/** live_guest_start - let the guest record */
void live_guest_start(struct live_guest *g);

/**
 * live_guest_poll - continue to connect and to start, without waiting
 *
 * A session that breaks is begun again, after a pause that becomes longer each time.
 *
 * Return: true if a guest has begun to record that did not before, or if it is another guest now
 * (it was booted anew): the engine has to know that.
 */
bool live_guest_poll(struct live_guest *g, int64_t now_ns);

/** live_guest_resumes - is this the first event of @cpu in a session that was begun again? True
 * once for each CPU */
bool live_guest_resumes(struct live_guest *g, unsigned cpu);

/** live_guest_collect - push the pages that have come into the stream, fit the clock map again */
enum vmrt_status live_guest_collect(struct live_guest *g, int64_t now_ns, struct vmrt_error *err);

/** live_guest_close - end the session, free what @g holds */
void live_guest_close(struct live_guest *g);

#endif
