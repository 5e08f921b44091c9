/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_AGENT_DOORWAY_H
#define VMRT_COLLECTOR_AGENT_DOORWAY_H

/*
 * The clients that have connected over TCP and have not yet proved that they know the secret. The
 * agent waits for all of them at the same time, so that a client that sends nothing delays no
 * other.
 */

#include "collector/wire/secret.h"

#define VMRT_DOORWAY_MOST                                                                          \
	16 /* clients that may wait at the same time; a new one takes the place of the oldest */

struct doorway;

/** doorway_new - a doorway where no client waits yet; NULL without memory. @secret must exist until
 * doorway_free(). */
struct doorway *doorway_new(const struct vmrt_secret *secret);

/** doorway_free - free @d and close the connections of all clients that wait; NULL is allowed */
void doorway_free(struct doorway *d);

/**
 * doorway_next - wait until a client has proved that it knows the secret
 * @listener: a listening socket
 *
 * Return: its connection, which does not block; -1 if @stop_fd became readable.
 */
int doorway_next(struct doorway *d, int listener, int stop_fd);

#endif
