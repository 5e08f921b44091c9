/* SPDX-License-Identifier: MIT */
/* Waits for a recorder to connect over a UNIX socket, vsock or TCP, and decides which recorders may
 * connect. */
#include "agent-listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "agent.h"
#include "doorway.h"
#include "refusals.h"

#define BACKLOG 4
#define AFTER_REFUSAL_MS 500 /* pause, so that refused clients cannot keep the agent busy */
#define RESERVED_PORTS 1024

enum vmrt_status agent_parse_tcp(
	const char *text, struct vmrt_transport *out, struct vmrt_error *err)
{
	char all[VMRT_TRANSPORT_TEXT];
	struct in6_addr address;
	enum vmrt_status status;

	snprintf(all, sizeof(all), "%s%s", strchr(text, ':') ? "" : "127.0.0.1:", text);
	memset(out, 0, sizeof(*out));
	out->kind = VMRT_TRANSPORT_TCP;
	status = vmrt_transport_split(all, out, err);
	if (status == VMRT_OK && inet_pton(AF_INET, out->host, &address) != 1 &&
		inet_pton(AF_INET6, out->host, &address) != 1)
		return vmrt_fail(err, VMRT_EINVAL, "'%s' is no numeric address", out->host);
	return status;
}

static int socket_at(int family, const void *address, socklen_t size)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1, errnum;

	if (fd < 0)
		return -1;
	if (family == AF_INET || family == AF_INET6)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, address, size) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	errnum = errno;
	close(fd);
	errno = errnum;
	return -1;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;

	memcpy(address.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path); /* an earlier agent left it */
	umask(077);
	return socket_at(AF_UNIX, &address, sizeof(address));
}

static int listen_tcp(const struct vmrt_transport *t)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)t->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)t->port)};

	if (inet_pton(AF_INET, t->host, &v4.sin_addr) == 1)
		return socket_at(AF_INET, &v4, sizeof(v4));
	if (inet_pton(AF_INET6, t->host, &v6.sin6_addr) == 1)
		return socket_at(AF_INET6, &v6, sizeof(v6));
	errno = EINVAL;
	return -1;
}

static int listen_at(const struct vmrt_transport *t)
{
	struct sockaddr_vm vm = {
		.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = t->port};

	if (t->kind == VMRT_TRANSPORT_UNIX)
		return listen_unix(t->host);
	if (t->kind == VMRT_TRANSPORT_VSOCK)
		return socket_at(AF_VSOCK, &vm, sizeof(vm));
	return listen_tcp(t);
}

static void describe(const struct vmrt_transport *t, char *buf, size_t room)
{
	if (t->kind == VMRT_TRANSPORT_UNIX)
		snprintf(buf, room, "%s", t->host);
	else if (t->kind == VMRT_TRANSPORT_VSOCK)
		snprintf(buf, room, "vsock port %u", t->port);
	else
		snprintf(buf, room, "%s port %u", t->host, t->port);
}

/*
 * Over vsock the host may connect, and root of this guest, for tests. Other users of this guest may
 * not, and other guests may not, even if the host lets guests connect to each other.
 */
static enum vmrt_status check_vsock(const struct sockaddr_vm *peer, struct vmrt_error *err)
{
	if (peer->svm_cid == VMADDR_CID_HOST || peer->svm_cid == VMADDR_CID_HYPERVISOR)
		return VMRT_OK;
	if (peer->svm_cid != VMADDR_CID_LOCAL)
		return vmrt_fail(err, VMRT_EPERM, "vsock CID %u is not the host", peer->svm_cid);
	if (peer->svm_port >= RESERVED_PORTS)
		return vmrt_fail(err, VMRT_EPERM, "a local user other than root wanted to connect");
	return VMRT_OK;
}

static bool serve_next(const struct agent_listener *o, int listener, struct refusals *refusals)
{
	struct pollfd fds[2] = {
		{.fd = listener, .events = POLLIN}, {.fd = vmrt_stop_fd(), .events = POLLIN}};
	union {
		struct sockaddr any;
		struct sockaddr_vm vm;
		struct sockaddr_storage room;
	} peer = {0};
	socklen_t size = sizeof(peer);
	struct vmrt_error err;
	int fd;

	if (poll(fds, 2, -1) < 0 || !fds[0].revents)
		return false;
	fd = accept4(listener, &peer.any, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return false;
	if (o->at.kind != VMRT_TRANSPORT_VSOCK || check_vsock(&peer.vm, &err) == VMRT_OK) {
		agent_serve(fd);
		close(fd);
		return true;
	}
	refusals_say(refusals, err.text, vmrt_now_ns());
	close(fd);
	poll(&fds[1], 1, AFTER_REFUSAL_MS);
	return false;
}

/* Over TCP, a client has to prove that it knows the secret. */
static bool serve_proven(struct doorway *doorway, int listener)
{
	int fd = doorway_next(doorway, listener, vmrt_stop_fd());

	if (fd < 0)
		return false;
	agent_serve(fd);
	close(fd);
	return true;
}

int agent_listen(const struct agent_listener *o)
{
	int listener = listen_at(&o->at);
	struct doorway *doorway = NULL;
	struct refusals refusals = {0};
	bool served = false;
	char name[192];

	describe(&o->at, name, sizeof(name));
	if (listener < 0) {
		vmrt_warn("cannot listen at %s: %s", name, strerror(errno));
		return VMRT_EXIT_FAILED;
	}
	if (o->at.kind == VMRT_TRANSPORT_TCP && !(doorway = doorway_new(o->secret))) {
		vmrt_warn("out of memory");
		close(listener);
		return VMRT_EXIT_FAILED;
	}
	vmrt_say("listening at %s", name);
	while (!vmrt_stop_requested() && !(served && o->once))
		served = doorway ? serve_proven(doorway, listener)
				 : serve_next(o, listener, &refusals);
	refusals_end(&refusals);
	doorway_free(doorway);
	close(listener);
	if (o->at.kind == VMRT_TRANSPORT_UNIX)
		unlink(o->at.host);
	return VMRT_EXIT_DONE;
}
