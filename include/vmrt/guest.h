/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GUEST_H
#define VMRT_GUEST_H

/*
 * A session with the agent in one guest, seen from the host. It lives in a thread of its own, which
 * pings the agent all the time and takes what it sends; a guest that misbehaves or falls silent
 * fails its own session and nothing else.
 */

#include <sched.h>
#include <stdbool.h>

#include <vmrt/clock.h>
#include <vmrt/tracer.h>

struct vmrt_secret;

/* A way to the agent in a VM that --link names. */
struct vmrt_guest_link {
	const char *vm, *way;
	bool needs_secret, is_ssh;
};

/**
 * vmrt_guest_link_parse - the argument of --link, VM=WAY
 * @text: is cut in two, and kept by reference
 *
 * Return: VMRT_OK or VMRT_EINVAL.
 */
enum vmrt_status vmrt_guest_link_parse(
	char *text, struct vmrt_guest_link *out, struct vmrt_error *err);

enum vmrt_guest_state {
	VMRT_GUEST_CONNECTING, /* the agent has not answered yet */
	VMRT_GUEST_CONNECTED,
	VMRT_GUEST_READY,   /* its instance is there, its formats are known */
	VMRT_GUEST_STARTED, /* it records */
	VMRT_GUEST_STOPPED, /* it records no longer, and sends what it has */
	VMRT_GUEST_DONE,
	VMRT_GUEST_FAILED,
};

/* Takes @size bytes of whole sub-buffers; returns false to refuse, with @err filled in. */
typedef bool vmrt_guest_pages_fn(
	void *ctx, unsigned cpu, const void *pages, size_t size, struct vmrt_error *err);

/* Called once, before any pages: what they are. Returns false to refuse, with @err filled in. */
typedef bool vmrt_guest_ready_fn(
	void *ctx, const struct vmrt_trace_meta *meta, struct vmrt_error *err);

/* What the agent does with its events while it records. */
enum vmrt_guest_mode {
	VMRT_GUEST_HOLD,   /* keeps them until the end, unless a buffer is about to run full */
	VMRT_GUEST_STREAM, /* sends them all the time */
	VMRT_GUEST_FLIGHT, /* keeps the last ones that there is room for, and sends them at the end
			    */
};

struct vmrt_guest_options {
	const char *name;	    /* of the VM */
	const char *const *sockets; /* ways to the agent (transport.h), tried in turn */
	size_t n_sockets;
	uid_t owner; /* who may listen on a UNIX socket, besides those that are trusted */
	const struct vmrt_secret *secret; /* that it shares with the agent; for TCP, or NULL */
	uint64_t buffer;		  /* bytes per CPU in the guest */
	enum vmrt_guest_mode mode;
	uint64_t max_size;     /* of all pages together; 0: no limit */
	const cpu_set_t *cpus; /* where its thread shall run, or NULL */
	int64_t patience_ns;   /* for each answer of the agent until it records; of several ways the
				  last one has so much. 0: 5 s for the first one, 20 s for others */
	bool ask;	       /* only for the guest's settings: nothing is made or recorded */
	vmrt_guest_ready_fn
		*ready; /* or NULL; this and the next are called in the session's thread */
	vmrt_guest_pages_fn *pages;
	void *ctx;
};

struct vmrt_guest;

/** vmrt_guest_open - begin a session; end it with vmrt_guest_close() */
enum vmrt_status vmrt_guest_open(
	const struct vmrt_guest_options *options, struct vmrt_guest **out, struct vmrt_error *err);

/**
 * vmrt_guest_wait - wait until the session has got as far as @state, or has failed
 * @timeout_ms: at most so long
 * @stop_fd: or until this is readable; or -1
 *
 * Return: the state it is in.
 */
enum vmrt_guest_state vmrt_guest_wait(
	struct vmrt_guest *guest, enum vmrt_guest_state state, int timeout_ms, int stop_fd);

/** vmrt_guest_start - from READY on: have it switch recording on */
void vmrt_guest_start(struct vmrt_guest *guest);

/**
 * vmrt_guest_stop - have it switch recording off and send the rest
 * @since_ns: leave out what was recorded before this time of the host, as far as that is known to
 *be before; INT64_MIN: nothing
 */
void vmrt_guest_stop(struct vmrt_guest *guest, int64_t since_ns);

/** vmrt_guest_abort - give it up, with @why as its error */
void vmrt_guest_abort(struct vmrt_guest *guest, const char *why);

/** vmrt_guest_error - why it failed; "" if it did not */
void vmrt_guest_error(struct vmrt_guest *guest, char *buf, size_t room);

/** vmrt_guest_upto - guest time up to which all its events have been given to pages() */
int64_t vmrt_guest_upto(struct vmrt_guest *guest);

/** vmrt_guest_bytes - bytes of pages so far */
uint64_t vmrt_guest_bytes(struct vmrt_guest *guest);

/**
 * vmrt_guest_copy_pings - pings in the order in which they came
 * @next: number of the first one to copy, 0 at first; becomes that of the next call. Who asks too
 *	seldom misses some: thousands are kept for this.
 * @out: room for @max of them
 *
 * Return: how many were copied.
 */
size_t vmrt_guest_copy_pings(
	struct vmrt_guest *guest, uint64_t *next, struct vmrt_ping *out, size_t max);

/** vmrt_guest_meta - formats and names; good from READY on until it is closed, or NULL */
const struct vmrt_trace_meta *vmrt_guest_meta(struct vmrt_guest *guest);

/* What a session has gathered. Pointers are good until it is closed. */
struct vmrt_guest_result {
	const char *hostname, *kernel;
	const char *settings; /* if asked for: lines KEY=VALUE, printable; NULL: none came */
	const struct vmrt_trace_meta *meta; /* NULL if it never was ready */
	const struct vmrt_cpu_stats *stats; /* by CPU; zeros if it was not DONE */
	const struct vmrt_ping *pings; /* of a long session not all; NULL: no memory for them */
	size_t n_pings;
	uint64_t bad_pings, bad_pages, size;
	uint64_t buffer;  /* bytes per CPU that the guest has */
	int64_t since_ns; /* guest time from which on its events were asked for, or INT64_MIN */
};

/** vmrt_guest_finish - end the thread; the session must be DONE or FAILED, or is aborted */
void vmrt_guest_finish(struct vmrt_guest *guest, struct vmrt_guest_result *out);

/** vmrt_guest_close - end the thread if need be, free; NULL is allowed */
void vmrt_guest_close(struct vmrt_guest *guest);

#endif
