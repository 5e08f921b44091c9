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
	bool patient;  /* nobody waits for it */
	uint64_t buffer;
	const struct vmrt_secret *secret; /* or NULL; must stay */
	const cpu_set_t *cpus;		  /* for its thread, or NULL */
};

struct live_guest {
	char name[VMRT_NAME_MAX];
	struct vmrt_guest *session;	   /* NULL: none */
	bool recorded;			   /* it got as far as to record */
	bool starting;			   /* it was asked to record, and has not confirmed yet */
	int64_t asked_ns;		   /* since when its agent is waited for */
	int64_t retry_ns;		   /* when it is to be asked again; 0: it is not */
	unsigned tries;			   /* that failed in a row */
	bool again;			   /* it has recorded before */
	bool reached;			   /* it died, and is being reached again */
	int64_t started_ns;		   /* when the session began to record; 0: it does not */
	char why[200];			   /* it is being tried again */
	struct live_guest_options options; /* its cpus point at own_cpus */
	cpu_set_t own_cpus;
	bool *resumes; /* by CPU: what is behind its next event is not known */
	struct vmrt_formats *formats;
	struct merge_input in;		 /* its stream, into the merge */
	struct vmrt_processes processes; /* when it began to record */
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
	uint64_t held;	   /* bytes of pages since that changed */
	int64_t upto_ns;   /* host clock: all events before have been collected; VMRT_UNKNOWN */
	bool begun;	   /* an event of it has been given */
	bool silent;	   /* not waited for */
	uint64_t dropped;  /* events that came too late, right before the next one */
	bool dead;
	char note[256];
};

/** live_guest_open - begin to connect; failures go to the note */
void live_guest_open(struct live_guest *g, const struct live_guest_options *options);

/** live_guest_is_open - was it opened? All zeros is one that was not */
static inline bool live_guest_is_open(const struct live_guest *g)
{
	return g->last;
}

/** live_guest_ready - wait for its agent to be ready, make the stream; failures go to the note */
void live_guest_ready(struct live_guest *g);

/** live_guest_start - have it record */
void live_guest_start(struct live_guest *g);

/**
 * live_guest_poll - get on with connecting and starting as far as that goes without waiting
 *
 * A session that breaks is begun again, after a pause that becomes longer each time.
 *
 * Return: true if a guest has just begun to record that did not before, or is another one now (it
 * was booted anew): the engine has to learn that.
 */
bool live_guest_poll(struct live_guest *g, int64_t now_ns);

/** live_guest_resumes - true once for each CPU after a session was begun again: the event at hand
 * is its first one */
bool live_guest_resumes(struct live_guest *g, unsigned cpu);

/** live_guest_collect - push what has come into the stream, fit the clock again */
enum vmrt_status live_guest_collect(struct live_guest *g, int64_t now_ns, struct vmrt_error *err);

/** live_guest_close - end the session, free what @g holds */
void live_guest_close(struct live_guest *g);

#endif
