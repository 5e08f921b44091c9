/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_SESSION_GUEST_SESSION_H
#define VMRT_COLLECTOR_SESSION_GUEST_SESSION_H

/* The inside of a session with an agent, for guest*.c. */

#include <pthread.h>
#include <stdbool.h>

#include <vmrt/guest.h>

#include "guest-in.h"
#include "collector/wire/link.h"

enum guest_wish { WISH_NONE, WISH_START, WISH_STOP };

struct vmrt_guest {
	struct vmrt_guest_options options;
	char name[64];
	char (*sockets)[108];
	cpu_set_t cpus;
	pthread_t thread;
	bool running;
	int fd;	     /* the link; -1 */
	int wake_fd; /* an eventfd: a wish has changed */
	struct vmrt_link_parser parser;
	struct vmrt_buf out;
	/* used by the thread of the session only */
	int64_t ping_at, pinging_since, deadline, data_deadline, heard_at;
	enum guest_wish done; /* the last wish that was sent to the agent */
	unsigned seed;
	bool urgent; /* the thread has the real-time priority that time stamps of pings need */
	int64_t urgent_cpu;   /* CPU time of the thread when it became urgent */
	int64_t urgent_ns;    /* begin of the span in which urgent CPU time is counted */
	int64_t urgent_spent; /* urgent CPU time used since urgent_ns */
	/* shared */
	pthread_mutex_t lock;
	int changed_fd; /* an eventfd: the state has changed */
	enum guest_wish wish;
	int64_t since_ns; /* with WISH_STOP: guest time, or INT64_MIN */
	char abort_why[128];
	struct guest_in in;
	struct vmrt_error err;
	struct vmrt_ping *pings; /* of the result */
	size_t n_pings;
};

/* guest-session.c */

/** guest_session - the thread of a session; @arg: a struct vmrt_guest */
void *guest_session(void *arg);

/** guest_receive - read and process the messages that have come */
enum vmrt_status guest_receive(struct vmrt_guest *guest, struct vmrt_error *err);

/** guest_fulfil_wish - do what another thread wants; returns an error if it wants to give up */
enum vmrt_status guest_fulfil_wish(struct vmrt_guest *guest, struct vmrt_error *err);

/* guest-reach.c */

/** guest_reach - connect to the agent, by the first way on which one answers */
enum vmrt_status guest_reach(struct vmrt_guest *guest, struct vmrt_error *err);

/* guest-send.c */

enum vmrt_status vmrt_guest_send_hello(struct vmrt_guest *guest, struct vmrt_error *err);
enum vmrt_status vmrt_guest_send_prepare(struct vmrt_guest *guest, struct vmrt_error *err);

/** vmrt_guest_send_stop - send STOP; @since_ns: guest time before which events are not wanted, or
 * INT64_MIN */
enum vmrt_status vmrt_guest_send_stop(
	struct vmrt_guest *guest, int64_t since_ns, struct vmrt_error *err);
enum vmrt_status vmrt_guest_send_ping(struct vmrt_guest *guest, struct vmrt_error *err);

/** vmrt_guest_send_empty - a message without payload */
enum vmrt_status vmrt_guest_send_empty(
	struct vmrt_guest *guest, enum vmrt_message_type type, struct vmrt_error *err);

#endif
