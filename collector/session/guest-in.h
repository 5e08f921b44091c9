/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_SESSION_GUEST_IN_H
#define VMRT_COLLECTOR_SESSION_GUEST_IN_H

/*
 * Checks the messages of a guest's agent: a state machine that does no I/O. The guest is a
 * stranger: the first wrong message ends the session, and what came before it stays.
 */

#include <vmrt/clock.h>
#include <vmrt/guest.h>
#include <vmrt/tracer.h>

#include "collector/wire/link.h"
#include "pings.h"

#define VMRT_GUEST_CPUS 512
#define VMRT_GUEST_TEXT 128
#define VMRT_GUEST_PINGS_OUT 64 /* pings that may be under way */

struct guest_in {
	enum vmrt_guest_state state;
	uint64_t nonce; /* the HELLO that is waited for carries it */
	char name[64];	/* name of the VM, for messages */
	char hostname[VMRT_GUEST_TEXT], kernel[VMRT_GUEST_TEXT];
	bool asks;	/* the session asks for settings and for nothing else */
	char *settings; /* or NULL */
	struct vmrt_trace_meta meta;
	size_t meta_size;
	struct vmrt_buf names; /* lists of names that are not yet in meta.cmdlines */
	uint64_t buffer;       /* bytes per CPU */
	struct vmrt_cpu_stats *stats;
	uint64_t size, max_size; /* bytes of pages so far, and their limit */
	uint64_t bad_pages;
	vmrt_guest_ready_fn *ready;
	vmrt_guest_pages_fn *pages;
	void *ctx;
	int64_t upto_ns; /* guest clock: all events before this time were passed to @pages */
	struct {
		uint32_t seq;
		bool out;
		int64_t send_ns;
		uint64_t send_tsc;
	} out[VMRT_GUEST_PINGS_OUT];
	uint32_t next_seq;
	struct pings pings;
	uint64_t bad_pings;
};

/** vmrt_guest_in_ping - note a ping about to be sent, return its number */
uint32_t vmrt_guest_in_ping(struct guest_in *in, int64_t send_ns, uint64_t send_tsc);

/**
 * guest_in_message - process a message that was read at @recv_ns / @recv_tsc
 *
 * Return: VMRT_OK, or why the guest has to be given up.
 */
enum vmrt_status guest_in_message(struct guest_in *in, const struct vmrt_message *message,
	int64_t recv_ns, uint64_t recv_tsc, struct vmrt_error *err);

/** guest_in_names - join the lists of names; false without memory */
bool guest_in_names(struct guest_in *in);

/** guest_in_free - free what @in holds, not @in itself */
void guest_in_free(struct guest_in *in);

#endif
