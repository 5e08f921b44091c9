/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GUEST_H
#define VMRT_GUEST_H

/*
 * A session with the agent in one guest, seen from the host. It lives in a thread of its own, which
 * pings the agent all the time and takes what it sends; a guest that misbehaves or falls silent fails
 * its own session and nothing else.
 */

#include <sched.h>
#include <stdbool.h>

#include <vmrt/clock.h>
#include <vmrt/tracer.h>

struct vmrt_secret;

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

struct vmrt_guest_options {
	const char *name;	    /* of the VM */
	const char *const *sockets; /* ways to the agent (transport.h), tried in turn */
	size_t n_sockets;
	const struct vmrt_secret *secret; /* that it shares with the agent; for TCP, or NULL */
	uint64_t buffer;   /* bytes per CPU in the guest */
	bool stream;	   /* send all the time instead of at the end */
	uint64_t max_size; /* of all pages together; 0: no limit */
	const cpu_set_t *cpus; /* where its thread shall run, or NULL */
	vmrt_guest_pages_fn *pages; /* called in the session's thread */
	void *ctx;
};

struct vmrt_guest;

/** vmrt_guest_open - begin a session; end it with vmrt_guest_close() */
enum vmrt_status vmrt_guest_open(const struct vmrt_guest_options *options,
	struct vmrt_guest **out, struct vmrt_error *err);

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

/** vmrt_guest_stop - have it switch recording off and send the rest */
void vmrt_guest_stop(struct vmrt_guest *guest);

/** vmrt_guest_abort - give it up, with @why as its error */
void vmrt_guest_abort(struct vmrt_guest *guest, const char *why);

/** vmrt_guest_error - why it failed; "" if it did not */
void vmrt_guest_error(struct vmrt_guest *guest, char *buf, size_t room);

/** vmrt_guest_upto - guest time up to which all its events have been given to pages() */
int64_t vmrt_guest_upto(struct vmrt_guest *guest);

/** vmrt_guest_bytes - bytes of pages so far */
uint64_t vmrt_guest_bytes(struct vmrt_guest *guest);

/**
 * vmrt_guest_copy_pings - the pings from number @first on
 * @out: room for @max of them
 *
 * Return: how many were copied.
 */
size_t vmrt_guest_copy_pings(
	struct vmrt_guest *guest, size_t first, struct vmrt_ping *out, size_t max);

/** vmrt_guest_meta - formats and names; good from READY on until it is closed, or NULL */
const struct vmrt_trace_meta *vmrt_guest_meta(struct vmrt_guest *guest);

/* What a session has gathered. Pointers are good until it is closed. */
struct vmrt_guest_result {
	const char *hostname, *kernel;
	const struct vmrt_trace_meta *meta; /* NULL if it never was ready */
	const struct vmrt_cpu_stats *stats; /* by CPU; zeros if it was not DONE */
	const struct vmrt_ping *pings;
	size_t n_pings;
	uint64_t bad_pings, bad_pages, size;
	uint64_t buffer; /* bytes per CPU that the guest has */
};

/** vmrt_guest_finish - end the thread; the session must be DONE or FAILED, or is aborted */
void vmrt_guest_finish(struct vmrt_guest *guest, struct vmrt_guest_result *out);

/** vmrt_guest_close - end the thread if need be, free; NULL is allowed */
void vmrt_guest_close(struct vmrt_guest *guest);

#endif
