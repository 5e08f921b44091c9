/* SPDX-License-Identifier: MIT */
/* Connects to an agent: takes the first way on which an agent answers and whose user may be
 * trusted. */
#include "guest-session.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vmrt/units.h>
#include <vmrt/vms.h>

#include "collector/wire/secret.h"
#include "collector/wire/transport.h"

#define HELLO_EVERY_NS (500 * VMRT_NS_PER_MS)
/* between HELLOs after the first ones: the agent answers each of them */
#define HELLO_LATER_NS (5 * VMRT_NS_PER_S)
#define HELLO_WAIT_NS (5 * VMRT_NS_PER_S) /* per socket; a guest may be very busy */
#define CONNECT_MS 5000
#define SSH_MS 30000 /* logs in, and may copy the agent */
#define PROOF_NS (5 * VMRT_NS_PER_S)

/* Sends HELLO until the agent behind the link answers. */
static enum vmrt_status greet(
	struct vmrt_guest *g, const char *path, int64_t wait_ns, struct vmrt_error *err)
{
	int64_t begin = vmrt_now_ns(), now = begin, until = now + wait_ns, again = now;

	while (g->in.state == VMRT_GUEST_CONNECTING) {
		struct pollfd fds[2] = {
			{.fd = g->fd, .events = POLLIN}, {.fd = g->wake_fd, .events = POLLIN}};
		enum vmrt_status status = VMRT_OK;

		now = vmrt_now_ns();
		if (now >= until)
			return vmrt_fail(err, VMRT_ETIMEOUT,
				"no agent answers in %s (%s): does vmrt-agent run in the guest, "
				"and is no other recorder connected?",
				g->name, path);
		if (now >= again) {
			again = now +
				(now - begin < HELLO_WAIT_NS ? HELLO_EVERY_NS : HELLO_LATER_NS);
			status = vmrt_guest_send_hello(g, err);
		}
		if (status == VMRT_OK && poll(fds, 2, 100) > 0) {
			if (fds[0].revents)
				status = guest_receive(g, err);
			if (status == VMRT_OK && fds[1].revents)
				status = guest_fulfil_wish(g, err);
		}
		if (status != VMRT_OK)
			return status;
	}
	return VMRT_OK;
}

/* Checks the owner of the process that listens: any user can listen on a path that was meant for a
 * VM. */
static enum vmrt_status check_listener(
	struct vmrt_guest *g, const struct vmrt_transport *t, struct vmrt_error *err)
{
	char name[VMRT_OWNER_MAX];
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (t->kind != VMRT_TRANSPORT_UNIX)
		return VMRT_OK;
	if (getsockopt(g->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return vmrt_fail_errno(err, errno, "cannot find out who listens");
	if (peer.uid == g->options.owner || vmrt_owner_allowed(peer.uid))
		return VMRT_OK;
	return vmrt_fail(err, VMRT_EPERM,
		"user %s listens there, who is neither root nor you: --owner %s says that it is "
		"meant",
		vmrt_user_name(peer.uid, name), name);
}

/* Over TCP anybody can listen or connect, so both sides prove that they know the secret. */
static enum vmrt_status prove(
	struct vmrt_guest *g, const struct vmrt_transport *t, struct vmrt_error *err)
{
	char who[sizeof(g->name) + 16];

	if (t->kind != VMRT_TRANSPORT_TCP) {
		vmrt_link_resync(&g->parser);
		return VMRT_OK;
	}
	if (!g->options.secret)
		return vmrt_fail(err, VMRT_EINVAL,
			"the agent in %s is reached by TCP, which needs a secret: --secret-file",
			g->name);
	snprintf(who, sizeof(who), "the agent in %s", g->name);
	return vmrt_secret_prove(g->fd, &g->parser, g->options.secret, who,
		vmrt_now_ns() + PROOF_NS, g->wake_fd, err);
}

static enum vmrt_status try_way(
	struct vmrt_guest *g, const char *way, int64_t wait_ns, struct vmrt_error *err)
{
	struct vmrt_transport t;
	struct vmrt_error why;
	enum vmrt_status status = vmrt_transport_parse(way, &t, &why);

	if (status == VMRT_OK)
		status = vmrt_transport_connect(&t,
			t.kind == VMRT_TRANSPORT_SSH ? SSH_MS : CONNECT_MS, g->wake_fd, &g->fd,
			&why);
	if (status == VMRT_OK && (status = check_listener(g, &t, &why)) != VMRT_OK) {
		close(g->fd);
		g->fd = -1;
	}
	if (status != VMRT_OK)
		return vmrt_fail(err, status, "cannot reach the agent in %s through %s: %s",
			g->name, way, why.text);
	vmrt_link_parser_reset(&g->parser);
	status = prove(g, &t, err);
	if (status == VMRT_OK)
		status = greet(g, way, wait_ns, err);
	if (status != VMRT_OK) {
		close(g->fd);
		g->fd = -1;
	}
	return status;
}

enum vmrt_status guest_reach(struct vmrt_guest *g, struct vmrt_error *err)
{
	enum vmrt_status status =
		vmrt_fail(err, VMRT_ENOENT, "%s has no link to an agent", g->name);

	for (size_t i = 0; i < g->options.n_sockets; i++) {
		bool last = i + 1 == g->options.n_sockets;

		status = try_way(g, g->sockets[i],
			last && g->options.patience_ns ? g->options.patience_ns : HELLO_WAIT_NS,
			err);
		if (status == VMRT_OK || status == VMRT_EUNSUPPORTED || g->abort_why[0])
			break;
	}
	return status;
}
