/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GUEST_H
#define VMRT_GUEST_H

/*
 * A session with the agent in one guest, seen from the host. The session has a thread of its own,
 * which pings the agent all the time and receives what the agent sends. A guest that misbehaves or
 * falls silent makes its own session fail, and nothing else.
 */

#include <sched.h>
#include <stdbool.h>

#include <vmrt/clock.h>
#include <vmrt/tracer.h>

struct vmrt_secret;

/* The way to the agent in a VM, as option --link gives it. */
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
	VMRT_GUEST_READY, /* the agent's instance exists, and the formats of its events are known */
	VMRT_GUEST_STARTED, /* the agent records */
	VMRT_GUEST_STOPPED, /* the agent no longer records, and sends the rest of its events */
	VMRT_GUEST_DONE,
	VMRT_GUEST_FAILED,
};

/* Takes @size bytes of whole sub-buffers; returns false to refuse, with @err filled in. */
typedef bool vmrt_guest_pages_fn(
	void *ctx, unsigned cpu, const void *pages, size_t size, struct vmrt_error *err);

/* Called once before any pages, with the formats that describe them. Returns false to refuse, with
 * @err filled in. */
typedef bool vmrt_guest_ready_fn(
	void *ctx, const struct vmrt_trace_meta *meta, struct vmrt_error *err);

/* What the agent does with the events while it records. */
enum vmrt_guest_mode {
	VMRT_GUEST_HOLD,   /* keeps the events until the end, unless a buffer is almost full */
	VMRT_GUEST_STREAM, /* sends the events all the time */
	VMRT_GUEST_FLIGHT, /* keeps the last events that fit into its buffers, and sends them at the
			    * end
			    */
};

struct vmrt_guest_options {
	const char *name;	    /* of the VM */
	const char *const *sockets; /* ways to the agent (transport.h), tried in turn */
	size_t n_sockets;
	uid_t owner; /* user who may listen on a UNIX socket, besides the users who are trusted */
	const struct vmrt_secret *secret; /* shared with the agent, for TCP; or NULL */
	uint64_t buffer;		  /* bytes per CPU in the guest */
	enum vmrt_guest_mode mode;
	uint64_t max_size;     /* of all pages together; 0: no limit */
	const cpu_set_t *cpus; /* where the session's thread shall run, or NULL */
	int64_t patience_ns;   /* how long to wait for each answer of the agent until it records; if
				  there are several ways, the last one is given this time. 0: 5 s for
				  the first answer, 20 s for the others */
	bool ask; /* only ask for the guest's settings: no instance is made, and nothing is recorded
		   */
	vmrt_guest_ready_fn
		*ready; /* or NULL; this and the next are called in the session's thread */
	vmrt_guest_pages_fn *pages;
	void *ctx;
};

struct vmrt_guest;

/** vmrt_guest_open - begin a session; end the session with vmrt_guest_close() */
enum vmrt_status vmrt_guest_open(
	const struct vmrt_guest_options *options, struct vmrt_guest **out, struct vmrt_error *err);

/**
 * vmrt_guest_wait - wait until the session has reached @state, or has failed
 * @timeout_ms: at most so long
 * @stop_fd: or until this is readable; or -1
 *
 * Return: the state of the session.
 */
enum vmrt_guest_state vmrt_guest_wait(
	struct vmrt_guest *guest, enum vmrt_guest_state state, int timeout_ms, int stop_fd);

/** vmrt_guest_start - from state READY on: have the agent switch recording on */
void vmrt_guest_start(struct vmrt_guest *guest);

/**
 * vmrt_guest_stop - have the agent switch recording off and send the rest of its events
 * @since_ns: leave out the events that are known to be from before this time of the host;
 * INT64_MIN: leave out none
 */
void vmrt_guest_stop(struct vmrt_guest *guest, int64_t since_ns);

/** vmrt_guest_abort - end the session, with @why as its error */
void vmrt_guest_abort(struct vmrt_guest *guest, const char *why);

/** vmrt_guest_error - why the session failed; "" if it did not */
void vmrt_guest_error(struct vmrt_guest *guest, char *buf, size_t room);

/** vmrt_guest_upto - guest time up to which all events of the guest have been given to pages() */
int64_t vmrt_guest_upto(struct vmrt_guest *guest);

/** vmrt_guest_bytes - bytes of pages so far */
uint64_t vmrt_guest_bytes(struct vmrt_guest *guest);

/**
 * vmrt_guest_copy_pings - pings in the order in which they came
 * @next: number of the first ping to copy, 0 at first; set to the number for the next call. Only
 * the last thousands of pings are kept: a caller that asks too seldom misses some.
 * @out: room for @max of them
 *
 * Return: how many were copied.
 */
size_t vmrt_guest_copy_pings(
	struct vmrt_guest *guest, uint64_t *next, struct vmrt_ping *out, size_t max);

/** vmrt_guest_meta - formats and names; valid from state READY on until the session is closed; or
 * NULL */
const struct vmrt_trace_meta *vmrt_guest_meta(struct vmrt_guest *guest);

/* What a session has received. Pointers are valid until the session is closed. */
struct vmrt_guest_result {
	const char *hostname, *kernel;
	const char *settings; /* if they were asked for: lines KEY=VALUE, printable; NULL: no
				 settings were received */
	const struct vmrt_trace_meta *meta; /* NULL if the session never was READY */
	const struct vmrt_cpu_stats *stats; /* by CPU; zeros if the session was not DONE */
	const struct vmrt_ping *pings; /* not all pings if the session was long; NULL: there was no
					  memory for them */
	size_t n_pings;
	uint64_t bad_pings, bad_pages, size;
	uint64_t buffer;  /* bytes per CPU that the guest has */
	int64_t since_ns; /* guest time from which on events were asked for, or INT64_MIN */
};

/** vmrt_guest_finish - end the thread; the session must be DONE or FAILED, or is aborted */
void vmrt_guest_finish(struct vmrt_guest *guest, struct vmrt_guest_result *out);

/** vmrt_guest_close - end the thread if it still runs, and free @guest; NULL is allowed */
void vmrt_guest_close(struct vmrt_guest *guest);

#endif
