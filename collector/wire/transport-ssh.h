/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_WIRE_TRANSPORT_SSH_H
#define VMRT_COLLECTOR_WIRE_TRANSPORT_SSH_H

/* The way to an agent through the user's own ssh. */

#include <stdint.h>

#include <vmrt/status.h>

/**
 * transport_ssh - start an agent on another machine through ssh, and connect to this agent
 * @login: [USER@]HOST, as ssh takes it
 * @deadline_ns: CLOCK_MONOTONIC time at which the call gives up
 * @stop_fd: the call gives up with VMRT_EINTR when this becomes readable; or -1
 * @fd: the connection, non-blocking; when it is closed, ssh and the agent end
 *
 * If the machine has no vmrt-agent, the static one that lies beside this program is copied to a
 * temporary folder there first, and is removed when the agent ends. A login that is not root needs
 * sudo without a password there.
 *
 * Return: VMRT_OK; VMRT_ENOENT if there is no static agent to copy; VMRT_EIO with the last words of
 * ssh; VMRT_ETIMEOUT.
 */
enum vmrt_status transport_ssh(
	const char *login, int64_t deadline_ns, int stop_fd, int *fd, struct vmrt_error *err);

#endif
