/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_AGENT_AGENT_LISTEN_H
#define VMRT_COLLECTOR_AGENT_AGENT_LISTEN_H

/* An agent to which recorders connect over a UNIX socket, vsock or TCP, one recorder at a time. */

#include <stdbool.h>

#include "collector/wire/secret.h"
#include "collector/wire/transport.h"

struct agent_listener {
	struct vmrt_transport at;
	const struct vmrt_secret *secret; /* needed for TCP */
	bool once;			  /* end when the first recorder has gone */
};

/**
 * agent_parse_tcp - read `[ADDR:]PORT`; the address is 127.0.0.1 if it is missing
 *
 * Return: VMRT_OK or VMRT_EINVAL.
 */
enum vmrt_status agent_parse_tcp(
	const char *text, struct vmrt_transport *out, struct vmrt_error *err);

/** agent_listen - serve recorders that connect, until the agent is stopped; an enum vmrt_exit */
int agent_listen(const struct agent_listener *options);

#endif
