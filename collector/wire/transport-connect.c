/* SPDX-License-Identifier: MIT */
/* Connects to an agent over each of the supported ways. */
#include "transport.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <vmrt/units.h>

#include "transport-ssh.h"

#define RESERVED_PORTS                                                                             \
	1024 /* only root may use a port below this, and an agent may demand such a port           \
	      */

/* Waits until the connection that connect() has begun is made. */
static enum vmrt_status finish_connect(
	int fd, int64_t deadline_ns, int stop_fd, struct vmrt_error *err)
{
	struct pollfd fds[2] = {{.fd = fd, .events = POLLOUT}, {.fd = stop_fd, .events = POLLIN}};
	int errnum = 0;
	socklen_t size = sizeof(errnum);

	for (;;) {
		int64_t left = deadline_ns - vmrt_now_ns();

		if (left <= 0)
			return vmrt_fail_errno(err, ETIMEDOUT, "cannot connect");
		if (poll(fds, 2, (int)(left / VMRT_NS_PER_MS) + 1) < 0 && errno != EINTR)
			return vmrt_fail_errno(err, errno, "cannot wait");
		if (fds[1].revents)
			return vmrt_fail(err, VMRT_EINTR, "interrupted");
		if (fds[0].revents)
			break;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) != 0)
		errnum = errno;
	return errnum ? vmrt_fail_errno(err, errnum, "cannot connect") : VMRT_OK;
}

static enum vmrt_status connect_socket(int fd, const struct sockaddr *address, socklen_t size,
	int64_t deadline_ns, int stop_fd, struct vmrt_error *err)
{
	if (fd < 0)
		return vmrt_fail_errno(err, errno, "no socket");
	if (connect(fd, address, size) == 0)
		return VMRT_OK;
	/* the queue of a UNIX socket is full */
	if (errno == EAGAIN)
		return vmrt_fail(err, VMRT_EBUSY,
			"others wait there already; an agent's port serves one at a time");
	if (errno != EINPROGRESS)
		return vmrt_fail_errno(err, errno, "cannot connect");
	return finish_connect(fd, deadline_ns, stop_fd, err);
}

/* Binds the socket to a port that only root may use, if that is permitted: an agent demands such a
 * port where other users could connect. */
static void bind_reserved(int fd)
{
	struct sockaddr_vm address = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY};

	for (unsigned port = RESERVED_PORTS - 1; port >= RESERVED_PORTS / 2; port--) {
		address.svm_port = port;
		if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 ||
			errno != EADDRINUSE)
			return;
	}
}

static enum vmrt_status connect_tcp(const struct vmrt_transport *t, int64_t deadline_ns,
	int stop_fd, int *fd, struct vmrt_error *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *all = NULL;
	enum vmrt_status status = VMRT_ENOENT;
	char port[8];
	int bad;

	snprintf(port, sizeof(port), "%u", t->port);
	bad = getaddrinfo(t->host, port, &hints, &all);
	if (bad)
		return vmrt_fail(
			err, VMRT_ENOENT, "no address of %s: %s", t->host, gai_strerror(bad));
	for (const struct addrinfo *a = all; a && status != VMRT_OK && status != VMRT_EINTR;
		a = a->ai_next) {
		*fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (*fd >= 0)
			vmrt_transport_tune(*fd);
		status = connect_socket(*fd, a->ai_addr, a->ai_addrlen, deadline_ns, stop_fd, err);
		if (status != VMRT_OK && *fd >= 0)
			close(*fd);
	}
	freeaddrinfo(all);
	return status;
}

enum vmrt_status vmrt_transport_connect(const struct vmrt_transport *t, int timeout_ms, int stop_fd,
	int *fd, struct vmrt_error *err)
{
	int64_t deadline_ns = vmrt_now_ns() + timeout_ms * VMRT_NS_PER_MS;
	struct sockaddr_vm vm = {.svm_family = AF_VSOCK, .svm_cid = t->cid, .svm_port = t->port};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	enum vmrt_status status;

	*fd = -1;
	if (t->kind == VMRT_TRANSPORT_SSH)
		return transport_ssh(t->host, deadline_ns, stop_fd, fd, err);
	if (t->kind == VMRT_TRANSPORT_TCP) {
		status = connect_tcp(t, deadline_ns, stop_fd, fd, err);
	} else if (t->kind == VMRT_TRANSPORT_VSOCK) {
		*fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (*fd >= 0)
			bind_reserved(*fd);
		status = connect_socket(
			*fd, (struct sockaddr *)&vm, sizeof(vm), deadline_ns, stop_fd, err);
	} else {
		memcpy(un.sun_path, t->host, strlen(t->host) + 1);
		*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		status = connect_socket(
			*fd, (struct sockaddr *)&un, sizeof(un), deadline_ns, stop_fd, err);
	}
	if (status != VMRT_OK) {
		if (*fd >= 0 && t->kind != VMRT_TRANSPORT_TCP)
			close(*fd);
		*fd = -1;
	}
	return status;
}
