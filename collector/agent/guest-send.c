/* SPDX-License-Identifier: MIT */
/* Sends an agent the requests of the host's session: hello, prepare, stop, pings. */
#include "collector/session/guest-session.h"

#include <vmrt/units.h>
#include <vmrt/version.h>

#define SEND_WAIT_NS (2 * VMRT_NS_PER_S)

static enum vmrt_status send_out(struct vmrt_guest *g, struct vmrt_error *err)
{
	if (vmrt_link_end(&g->out) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "link to %s: out of memory", g->name);
	return vmrt_link_write(
		g->fd, g->out.data, g->out.used, vmrt_now_ns() + SEND_WAIT_NS, -1, err);
}

enum vmrt_status vmrt_guest_send_empty(
	struct vmrt_guest *g, enum vmrt_message_type type, struct vmrt_error *err)
{
	vmrt_link_begin(&g->out, type);
	return send_out(g, err);
}

/*
 * The last recorder may have sent only a part of a message. Zeros complete this message, and then
 * the agent searches for the magic number of the next one.
 */
enum vmrt_status vmrt_guest_send_hello(struct vmrt_guest *g, struct vmrt_error *err)
{
	static const uint8_t zeros[VMRT_LINK_HEAD + VMRT_LINK_REQUEST];
	struct vmrt_buf all = {0};
	enum vmrt_status status;

	vmrt_link_begin(&g->out, VMRT_MSG_HELLO);
	vmrt_buf_put_u32(&g->out, VMRT_LINK_VERSION);
	vmrt_buf_put_u64(&g->out, g->in.nonce);
	vmrt_buf_put_text(&g->out, VMRT_VERSION);
	status = vmrt_link_end(&g->out);
	vmrt_buf_put(&all, zeros, sizeof(zeros));
	vmrt_buf_put(&all, g->out.data, g->out.used);
	if (status != VMRT_OK || all.failed)
		status = vmrt_fail(err, VMRT_ENOMEM, "link to %s: out of memory", g->name);
	else
		status = vmrt_link_write(
			g->fd, all.data, all.used, vmrt_now_ns() + SEND_WAIT_NS, -1, err);
	vmrt_buf_free(&all);
	return status;
}

enum vmrt_status vmrt_guest_send_prepare(struct vmrt_guest *g, struct vmrt_error *err)
{
	static const enum vmrt_link_mode modes[] = {
		[VMRT_GUEST_HOLD] = VMRT_LINK_HOLD,
		[VMRT_GUEST_STREAM] = VMRT_LINK_STREAM,
		[VMRT_GUEST_FLIGHT] = VMRT_LINK_FLIGHT,
	};

	vmrt_link_begin(&g->out, VMRT_MSG_PREPARE);
	vmrt_buf_put_u64(&g->out, g->options.buffer);
	vmrt_buf_put_u32(&g->out, modes[g->options.mode]);
	/* an older agent does not read this part of the message */
	vmrt_buf_put_u32(&g->out, VMRT_LINK_WANTS_PROCESSES);
	return send_out(g, err);
}

enum vmrt_status vmrt_guest_send_stop(
	struct vmrt_guest *g, int64_t since_ns, struct vmrt_error *err)
{
	vmrt_link_begin(&g->out, VMRT_MSG_STOP);
	vmrt_buf_put_u64(&g->out, since_ns > 0 ? (uint64_t)since_ns : 0);
	return send_out(g, err);
}

enum vmrt_status vmrt_guest_send_ping(struct vmrt_guest *g, struct vmrt_error *err)
{
	uint8_t *seq;
	uint32_t n;

	vmrt_link_begin(&g->out, VMRT_MSG_PING);
	vmrt_buf_put_u32(&g->out, 0);
	if (vmrt_link_end(&g->out) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "link to %s: out of memory", g->name);
	seq = g->out.data + VMRT_LINK_HEAD;
	n = g->in.next_seq;
	for (int i = 0; i < 4; i++)
		seq[i] = (uint8_t)(n >> (8 * i));
	/* nothing may delay the write after the time was read */
	vmrt_guest_in_ping(&g->in, vmrt_now_ns(), vmrt_tsc());
	return vmrt_link_write(
		g->fd, g->out.data, g->out.used, vmrt_now_ns() + SEND_WAIT_NS, -1, err);
}
