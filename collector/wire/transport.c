/* SPDX-License-Identifier: MIT */
/* Parses the ways to an agent that --link takes, and writes them as text. */
#include "transport.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static enum vmrt_status number(
	const char *text, uint32_t least, uint32_t most, uint32_t *out, struct vmrt_error *err)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-' || text[0] == '+' || value < least ||
		value > most)
		return vmrt_fail(
			err, VMRT_EINVAL, "'%s' is no number from %u to %u", text, least, most);
	*out = (uint32_t)value;
	return VMRT_OK;
}

enum vmrt_status vmrt_transport_split(
	const char *text, struct vmrt_transport *out, struct vmrt_error *err)
{
	const char *colon = strrchr(text, ':'), *from = text, *to = colon;

	if (!colon || colon == text)
		return vmrt_fail(err, VMRT_EINVAL, "'%s': give HOST:PORT", text);
	if (*from == '[' && to[-1] == ']') {
		from++;
		to--;
	} else if (memchr(from, ':', (size_t)(to - from))) {
		return vmrt_fail(err, VMRT_EINVAL,
			"'%s': an IPv6 address goes in brackets: [::1]:PORT", text);
	}
	if (from == to || (size_t)(to - from) >= sizeof(out->host))
		return vmrt_fail(err, VMRT_EINVAL, "'%s': give HOST:PORT", text);
	memcpy(out->host, from, (size_t)(to - from));
	out->host[to - from] = '\0';
	return number(colon + 1, 1, 65535, &out->port, err);
}

static enum vmrt_status split_vsock(
	const char *text, struct vmrt_transport *out, struct vmrt_error *err)
{
	const char *colon = strchr(text, ':');
	char cid[16];
	enum vmrt_status status;

	snprintf(cid, sizeof(cid), "%.*s", colon ? (int)(colon - text) : (int)strlen(text), text);
	out->port = VMRT_TRANSPORT_PORT;
	status = number(cid, 1, UINT32_MAX - 1, &out->cid, err);
	if (status == VMRT_OK && colon)
		status = number(colon + 1, 1, UINT32_MAX - 1, &out->port, err);
	return status;
}

/* Reads [USER@]HOST. A text that ssh would take for an option, or the shell on the other machine
 * for more than one word, is refused. */
static enum vmrt_status take_login(
	const char *text, struct vmrt_transport *out, struct vmrt_error *err)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._-@:%[]";

	if (!*text || *text == '-' || strspn(text, good) != strlen(text) ||
		strlen(text) >= sizeof(out->host))
		return vmrt_fail(err, VMRT_EINVAL, "'ssh:%s': give ssh:[USER@]HOST", text);
	snprintf(out->host, sizeof(out->host), "%s", text);
	return VMRT_OK;
}

enum vmrt_status vmrt_transport_parse(
	const char *text, struct vmrt_transport *out, struct vmrt_error *err)
{
	memset(out, 0, sizeof(*out));
	if (!strncmp(text, "vsock:", 6)) {
		out->kind = VMRT_TRANSPORT_VSOCK;
		return split_vsock(text + 6, out, err);
	}
	if (!strncmp(text, "tcp:", 4)) {
		out->kind = VMRT_TRANSPORT_TCP;
		return vmrt_transport_split(text + 4, out, err);
	}
	if (!strncmp(text, "ssh:", 4)) {
		out->kind = VMRT_TRANSPORT_SSH;
		return take_login(text + 4, out, err);
	}
	out->kind = VMRT_TRANSPORT_UNIX;
	/* a socket in the current folder whose name has a colon must be written ./NAME */
	if (text[strcspn(text, "/:")] == ':')
		return vmrt_fail(err, VMRT_EINVAL,
			"'%.80s' is no way to an agent: give a socket's path, vsock:CID[:PORT], "
			"tcp:HOST:PORT or ssh:[USER@]HOST",
			text);
	if (!*text || strlen(text) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return vmrt_fail(err, VMRT_EINVAL, "the path of the socket is empty or too long");
	snprintf(out->host, sizeof(out->host), "%s", text);
	return VMRT_OK;
}

void vmrt_transport_tune(int fd)
{
	const int on = 1, idle_s = 5, every_s = 2, tries = 3, dead_ms = 10000;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof(every_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &tries, sizeof(tries));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}
