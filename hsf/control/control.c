/* SPDX-License-Identifier: MIT */
/*
 * The socket of a running vmrt-hsf. Nothing here waits: a client that sends garbage, nothing, or
 * does not read its reply costs a buffer until its patience ends or its place is needed.
 */
#include "control.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/units.h>

#define MAX_GROUPS 256

struct client {
	int fd; /* -1: a free place */
	size_t used;
	char line[HSF_REQUEST_MAX];
	char *out; /* reply that is being written */
	size_t out_len, out_done;
	int64_t since; /* of the last request, or of the connection */
	bool last;     /* close the connection when the reply is written */
};

struct hsf_control {
	char path[HSF_CONTROL_PATH];
	dev_t dev; /* identity of the socket, so that no other one is removed */
	ino_t ino;
	int fd;
	bool has_group;
	gid_t group;
	struct client clients[HSF_CLIENTS];
};

/* ---- who may ask ---- */

static bool in_group(int fd, const struct ucred *peer, gid_t group)
{
	gid_t groups[MAX_GROUPS];
	socklen_t len = sizeof(groups);

	if (peer->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
		return false;
	for (size_t i = 0; i < len / sizeof(groups[0]); i++)
		if (groups[i] == group)
			return true;
	return false;
}

/* May this client ask? The mode of the socket allows the same users, but somebody may have changed
 * the mode. */
static bool may_ask(const struct hsf_control *c, int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
		return false;
	return peer.uid == 0 || peer.uid == geteuid() ||
	       (c->has_group && in_group(fd, &peer, c->group));
}

/* ---- bytes ---- */

static void drop(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	free(client->out);
	memset(client, 0, sizeof(*client));
	client->fd = -1;
}

static void write_reply(struct client *client)
{
	while (client->out_done < client->out_len) {
		ssize_t n = send(client->fd, client->out + client->out_done,
			client->out_len - client->out_done, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n <= 0) {
			drop(client);
			return;
		}
		client->out_done += (size_t)n;
	}
	free(client->out);
	client->out = NULL;
	client->out_len = client->out_done = 0;
	if (client->last)
		drop(client);
}

/* Takes @reply over. */
static void send_reply(struct client *client, json_object *reply)
{
	const char *text =
		reply ? json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN) : NULL;

	if (!text || asprintf(&client->out, "%s\n", text) < 0) {
		client->out = NULL;
		json_object_put(reply);
		drop(client);
		return;
	}
	client->out_len = strlen(client->out);
	client->out_done = 0;
	json_object_put(reply);
	write_reply(client);
}

static void set_outcome(json_object *reply, enum vmrt_status status, const struct vmrt_error *err)
{
	json_object_object_add(reply, "ok", json_object_new_boolean(status == VMRT_OK));
	if (status == VMRT_OK)
		return;
	json_object_object_add(reply, "status", json_object_new_int((int)status));
	json_object_object_add(reply, "error", json_object_new_string(err->text));
}

static void refuse(struct client *client, enum vmrt_status status, const struct vmrt_error *err)
{
	json_object *reply = json_object_new_object();

	client->last = true;
	if (reply)
		set_outcome(reply, status, err);
	send_reply(client, reply);
}

static void answer_line(struct client *client, size_t len, hsf_control_fn *answer, void *arg)
{
	json_object *reply = json_object_new_object();
	struct hsf_request request;
	struct vmrt_error err = {.status = VMRT_OK};
	enum vmrt_status status;

	status = hsf_request_parse(client->line, len, &request, &err);
	if (status == VMRT_OK && reply)
		status = answer(arg, &request, reply, &err);
	if (reply)
		set_outcome(reply, status, &err);
	/* the connection of a client that does not follow the protocol is closed */
	client->last = status == VMRT_EPROTO;
	client->since = vmrt_now_ns();
	send_reply(client, reply);
}

/* Answers the first complete line, unless the reply to the line before is still being written. */
static bool answer_next(struct client *client, hsf_control_fn *answer, void *arg)
{
	char *end = client->used ? memchr(client->line, '\n', client->used) : NULL;
	size_t len;

	if (client->fd < 0 || client->out || !end)
		return false;
	len = (size_t)(end - client->line);
	answer_line(client, len, answer, arg);
	if (client->fd < 0)
		return false;
	client->used -= len + 1;
	memmove(client->line, end + 1, client->used);
	return true;
}

static void read_client(struct client *client)
{
	ssize_t n = recv(client->fd, client->line + client->used,
		sizeof(client->line) - client->used, MSG_DONTWAIT);
	struct vmrt_error err;

	if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		drop(client);
		return;
	}
	client->used += (size_t)n;
	if (client->used == sizeof(client->line) && !memchr(client->line, '\n', client->used))
		refuse(client,
			vmrt_fail(&err, VMRT_EPROTO, "the request is longer than %d bytes",
				HSF_REQUEST_MAX - 1),
			&err);
}

/* A free place, or that of the client that has been silent longest. */
static struct client *place(struct hsf_control *c)
{
	struct client *oldest = &c->clients[0];

	for (size_t i = 0; i < HSF_CLIENTS; i++) {
		if (c->clients[i].fd < 0)
			return &c->clients[i];
		if (c->clients[i].since < oldest->since)
			oldest = &c->clients[i];
	}
	drop(oldest);
	return oldest;
}

static void accept_client(struct hsf_control *c)
{
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client;
	struct vmrt_error err;

	if (fd < 0)
		return;
	client = place(c);
	client->fd = fd;
	client->since = vmrt_now_ns();
	if (may_ask(c, fd))
		return;
	refuse(client,
		vmrt_fail(&err, VMRT_EPERM, "only root%s may ask this vmrt-hsf",
			c->has_group ? " and the group it was given" : ""),
		&err);
}

size_t hsf_control_fds(const struct hsf_control *c, struct pollfd *fds)
{
	size_t n = 0;

	fds[n++] = (struct pollfd){.fd = c->fd, .events = POLLIN};
	for (size_t i = 0; i < HSF_CLIENTS; i++)
		if (c->clients[i].fd >= 0)
			fds[n++] = (struct pollfd){
				.fd = c->clients[i].fd,
				.events = c->clients[i].out ? POLLOUT : POLLIN,
			};
	return n;
}

static int64_t patience_end(const struct client *client)
{
	return client->since + HSF_CLIENT_PATIENCE_MS * VMRT_NS_PER_MS;
}

int hsf_control_timeout(const struct hsf_control *c)
{
	int64_t first = INT64_MAX, left;

	for (size_t i = 0; i < HSF_CLIENTS; i++)
		if (c->clients[i].fd >= 0 && patience_end(&c->clients[i]) < first)
			first = patience_end(&c->clients[i]);
	if (first == INT64_MAX)
		return -1;
	left = first - vmrt_now_ns();
	return left > 0 ? (int)(left / VMRT_NS_PER_MS) + 1 : 0;
}

void hsf_control_serve(struct hsf_control *c, hsf_control_fn *answer, void *arg)
{
	int64_t now = vmrt_now_ns();

	for (size_t i = 0; i < HSF_CLIENTS; i++) {
		struct client *client = &c->clients[i];

		if (client->fd >= 0 && client->out)
			write_reply(client);
		/* all complete lines are answered, one after the other, before more is read or the
		 * connection is closed */
		while (answer_next(client, answer, arg))
			;
		if (client->fd >= 0 && !client->out)
			read_client(client);
		while (answer_next(client, answer, arg))
			;
		if (client->fd >= 0 && now >= patience_end(client))
			drop(client);
	}
	accept_client(c);
}

/* ---- beginning and end ---- */

static enum vmrt_status find_group(struct hsf_control *c, const char *group, struct vmrt_error *err)
{
	const struct group *entry;

	if (!group)
		return VMRT_OK;
	entry = getgrnam(group);
	if (!entry)
		return vmrt_fail(err, VMRT_ENOENT, "there is no group %s", group);
	c->has_group = true;
	c->group = entry->gr_gid;
	return VMRT_OK;
}

enum vmrt_status hsf_control_open(
	const char *path, const char *group, struct hsf_control **out, struct vmrt_error *err)
{
	struct hsf_control *c = calloc(1, sizeof(*c));
	enum vmrt_status status;
	struct stat st;
	int length;

	if (!c)
		return vmrt_fail(err, VMRT_ENOMEM, "control socket: out of memory");
	c->fd = -1;
	for (size_t i = 0; i < HSF_CLIENTS; i++)
		c->clients[i].fd = -1;
	if (path)
		length = snprintf(c->path, sizeof(c->path), "%s", path);
	else
		length = snprintf(c->path, sizeof(c->path), "%s/%d%s", HSF_CONTROL_FOLDER,
			(int)getpid(), HSF_CONTROL_SUFFIX);
	if (length < 1 || (size_t)length >= sizeof(c->path)) {
		free(c);
		return vmrt_fail(err, VMRT_ERANGE,
			"'%.80s...' cannot be a socket: give 1 to %d characters", path,
			HSF_CONTROL_PATH - 1);
	}
	status = path ? VMRT_OK : hsf_control_folder(err);
	if (status == VMRT_OK)
		status = find_group(c, group, err);
	if (status == VMRT_OK)
		status = hsf_listen(c->path, c->has_group ? &c->group : NULL, &c->fd, err);
	if (status == VMRT_OK && lstat(c->path, &st) == 0) {
		c->dev = st.st_dev;
		c->ino = st.st_ino;
	}
	if (status != VMRT_OK) {
		hsf_control_close(c);
		return status;
	}
	*out = c;
	return VMRT_OK;
}

void hsf_control_close(struct hsf_control *c)
{
	struct stat st;

	if (!c)
		return;
	for (size_t i = 0; i < HSF_CLIENTS; i++)
		drop(&c->clients[i]);
	if (c->ino && lstat(c->path, &st) == 0 && st.st_dev == c->dev && st.st_ino == c->ino)
		unlink(c->path);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}
