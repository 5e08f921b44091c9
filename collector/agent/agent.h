/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_AGENT_AGENT_H
#define VMRT_COLLECTOR_AGENT_AGENT_H

/* The agent's side of the guest link. */

#include <stdbool.h>

/**
 * agent_serve - fulfil the requests of one recorder until this recorder is gone
 * @fd: the link, non-blocking; stays open
 *
 * When this returns, the tracing session that the recorder asked for has ended, and the session's
 * instance is removed.
 */
void agent_serve(int fd);

#endif
