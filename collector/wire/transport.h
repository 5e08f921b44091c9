/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_WIRE_TRANSPORT_H
#define VMRT_COLLECTOR_WIRE_TRANSPORT_H

/* Where the agent of a guest is reached: a UNIX socket, vsock, TCP, or ssh. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include <vmrt/status.h>

#define VMRT_TRANSPORT_PORT 4677 /* port of vsock, if no port is given */
#define VMRT_TRANSPORT_TEXT 108	 /* room for any way to an agent as text */

enum transport_kind {
	VMRT_TRANSPORT_UNIX,
	VMRT_TRANSPORT_VSOCK,
	VMRT_TRANSPORT_TCP,
	VMRT_TRANSPORT_SSH, /* host: [USER@]HOST */
};

struct vmrt_transport {
	enum transport_kind kind;
	char host[VMRT_TRANSPORT_TEXT]; /* path of the socket; or name or address of the host */
	uint32_t cid, port;
};

/**
 * vmrt_transport_parse - `vsock:CID[:PORT]`, `tcp:HOST:PORT`, `ssh:[USER@]HOST`, or else the path
 * of a UNIX socket
 *
 * A numeric IPv6 address stands in brackets: `tcp:[::1]:4677`.
 *
 * Return: VMRT_OK or VMRT_EINVAL.
 */
enum vmrt_status vmrt_transport_parse(
	const char *text, struct vmrt_transport *out, struct vmrt_error *err);

/** vmrt_transport_split - HOST:PORT into @out; VMRT_OK or VMRT_EINVAL */
enum vmrt_status vmrt_transport_split(
	const char *text, struct vmrt_transport *out, struct vmrt_error *err);

/** vmrt_transport_tune - set options of the socket, so that it sends without delay and notices when
 * the other machine is gone */
void vmrt_transport_tune(int fd);

/**
 * vmrt_transport_connect - connect, for at most @timeout_ms
 * @stop_fd: gives up with VMRT_EINTR when this becomes readable; or -1
 * @fd: non-blocking, close it
 *
 * Return: VMRT_OK, or why not.
 */
enum vmrt_status vmrt_transport_connect(const struct vmrt_transport *transport, int timeout_ms,
	int stop_fd, int *fd, struct vmrt_error *err);

#endif
