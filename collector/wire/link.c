/* SPDX-License-Identifier: MIT */
/* Reads and writes the messages of the guest link, and trusts none of them. */
#include "link.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/units.h>

#define READ_ROOM 4096 /* at least so many bytes are free for reading */

void vmrt_link_begin(struct vmrt_buf *buf, enum vmrt_message_type type)
{
	buf->used = 0;
	buf->failed = false;
	vmrt_buf_put_u32(buf, VMRT_LINK_MAGIC);
	vmrt_buf_put_u32(buf, type);
	vmrt_buf_put_u32(buf, 0);
}

enum vmrt_status vmrt_link_end(struct vmrt_buf *buf)
{
	if (buf->failed)
		return VMRT_ENOMEM;
	vmrt_buf_set_u32(buf, 8, (uint32_t)(buf->used - VMRT_LINK_HEAD));
	return VMRT_OK;
}

enum vmrt_status vmrt_link_parser_init(struct vmrt_link_parser *p, uint32_t max)
{
	memset(p, 0, sizeof(*p));
	p->max = max;
	p->room = VMRT_LINK_HEAD + (size_t)max + READ_ROOM;
	p->data = malloc(p->room);
	return p->data ? VMRT_OK : VMRT_ENOMEM;
}

void vmrt_link_parser_free(struct vmrt_link_parser *p)
{
	free(p->data);
	memset(p, 0, sizeof(*p));
}

void vmrt_link_parser_reset(struct vmrt_link_parser *p)
{
	p->used = p->taken = 0;
	p->out_of_sync = false;
}

void *vmrt_link_room(struct vmrt_link_parser *p, size_t *room)
{
	/* the rest is less than one message, so there is always room behind it */
	memmove(p->data, p->data + p->taken, p->used - p->taken);
	p->used -= p->taken;
	p->taken = 0;
	*room = p->room - p->used;
	return p->data + p->used;
}

void vmrt_link_fed(struct vmrt_link_parser *p, size_t size)
{
	p->used += size;
}

static uint32_t u32_at(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* Skips to the next place where the magic number is, or may begin. */
static void skip_to_magic(struct vmrt_link_parser *p)
{
	while (p->used - p->taken >= 4 && u32_at(p->data + p->taken) != VMRT_LINK_MAGIC)
		p->taken++;
	if (p->used - p->taken >= 4)
		p->out_of_sync = false;
}

void vmrt_link_resync(struct vmrt_link_parser *p)
{
	p->out_of_sync = true;
}

int vmrt_link_next(struct vmrt_link_parser *p, struct vmrt_message *message)
{
	const uint8_t *head;
	uint32_t length;

	if (p->out_of_sync)
		skip_to_magic(p);
	if (p->out_of_sync || p->used - p->taken < VMRT_LINK_HEAD)
		return 0;
	head = p->data + p->taken;
	length = u32_at(head + 8);
	if (u32_at(head) != VMRT_LINK_MAGIC || length > p->max) {
		p->taken++; /* do not find the same magic number again */
		p->out_of_sync = true;
		return -1;
	}
	if (p->used - p->taken < VMRT_LINK_HEAD + (size_t)length)
		return 0;
	message->type = u32_at(head + 4);
	message->payload = head + VMRT_LINK_HEAD;
	message->size = length;
	p->taken += VMRT_LINK_HEAD + (size_t)length;
	return 1;
}

/* Waits until @fd is ready for @events. */
static enum vmrt_status wait_ready(
	int fd, short events, int64_t deadline_ns, int stop_fd, struct vmrt_error *err)
{
	struct pollfd fds[2] = {{.fd = fd, .events = events}, {.fd = stop_fd, .events = POLLIN}};
	int64_t left = deadline_ns - vmrt_now_ns();
	int n;

	if (left <= 0)
		return vmrt_fail(err, VMRT_ETIMEOUT, "the other side of the link %s",
			events == POLLOUT ? "takes nothing more" : "does not answer in time");
	n = poll(fds, 2, (int)(left / VMRT_NS_PER_MS < 60000 ? left / VMRT_NS_PER_MS + 1 : 60000));
	if (n < 0 && errno != EINTR)
		return vmrt_fail_errno(err, errno, "cannot wait for the link");
	if (n > 0 && fds[1].revents)
		return vmrt_fail(err, VMRT_EINTR, "interrupted");
	if (n > 0 && (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) &&
		!(fds[0].revents & POLLIN))
		return vmrt_fail(err, VMRT_EIO, "the link was cut");
	return VMRT_OK;
}

enum vmrt_status vmrt_link_write(int fd, const void *data, size_t size, int64_t deadline_ns,
	int stop_fd, struct vmrt_error *err)
{
	const uint8_t *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);
		enum vmrt_status status;

		if (n > 0) {
			p += n;
			size -= (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			return vmrt_fail(err, VMRT_EIO, "the link was cut");
		status = wait_ready(fd, POLLOUT, deadline_ns, stop_fd, err);
		if (status != VMRT_OK)
			return status;
	}
	return VMRT_OK;
}

enum vmrt_status link_read(int fd, struct vmrt_link_parser *p, struct vmrt_message *message,
	int64_t deadline_ns, int stop_fd, struct vmrt_error *err)
{
	for (;;) {
		int got = vmrt_link_next(p, message);
		enum vmrt_status status;
		size_t room;
		void *at;
		ssize_t n;

		if (got > 0)
			return VMRT_OK;
		if (got < 0)
			return vmrt_fail(
				err, VMRT_EPROTO, "the other side of the link sent garbage");
		at = vmrt_link_room(p, &room);
		n = read(fd, at, room);
		if (n > 0) {
			vmrt_link_fed(p, (size_t)n);
			continue;
		}
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			return vmrt_fail(err, VMRT_EIO, "the link was cut");
		status = wait_ready(fd, POLLIN, deadline_ns, stop_fd, err);
		if (status != VMRT_OK)
			return status;
	}
}

enum vmrt_status vmrt_link_version_error(const char *who, uint32_t version, struct vmrt_error *err)
{
	return vmrt_fail(err, VMRT_EUNSUPPORTED,
		"%s speaks version %" PRIu32 " of the link, this program version %d: update %s",
		who, version, VMRT_LINK_VERSION,
		version < VMRT_LINK_VERSION ? "vmrt-agent in the guest" : "vmrt on the host");
}
