/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_AGENT_AGENT_H
#define VMRT_COLLECTOR_AGENT_AGENT_H

/* The agent's side of the guest link. */

#include <stdbool.h>

/**
 * agent_serve - do what one recorder asks for until it is gone
 * @fd: the link, non-blocking; stays open
 *
 * Whatever tracing session it asked for is over when this returns, and its instance removed.
 */
void agent_serve(int fd);

#endif
