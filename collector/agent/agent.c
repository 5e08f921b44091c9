/* SPDX-License-Identifier: MIT */
/* The agent's side of the guest link: reads requests, records, and sends the recorded events. */
#include "agent.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <vmrt/tool.h>
#include <vmrt/tracer.h>
#include <vmrt/units.h>

#include "agent-session.h"

#define STREAM_MS 100 /* between two times of sending */
#define SEND_WAIT_NS (10 * VMRT_NS_PER_S)
#define END_NS VMRT_NS_PER_S /* to send the last events when the agent is asked to end */
#define BUFFER_MIN (UINT64_C(64) << 10)
#define MEMORY_SHARE 4 /* all buffers together take at most a fourth of the memory */
#define CLOSE_PATIENCE_MS 1000
#define LABEL "agent" /* in the names of the agent's instances */

enum vmrt_status agent_send(struct agent *a, struct vmrt_buf *buf)
{
	if (vmrt_link_end(buf) != VMRT_OK)
		return vmrt_fail(&a->err, VMRT_ENOMEM, "out of memory");
	if (a->ending)
		return vmrt_link_write(a->fd, buf->data, buf->used, a->end_by, -1, &a->err);
	return vmrt_link_write(
		a->fd, buf->data, buf->used, vmrt_now_ns() + SEND_WAIT_NS, vmrt_stop_fd(), &a->err);
}

static void end_session(struct agent *a)
{
	struct vmrt_error err;

	if (vmrt_tracer_close(a->tracer, CLOSE_PATIENCE_MS, &err) != VMRT_OK)
		vmrt_warn("%s", err.text);
	a->tracer = NULL;
	a->on = false;
}

/* Reports a request that could not be fulfilled. This ends the session, but not the link. */
static enum vmrt_status send_error(struct agent *a, const struct vmrt_error *why)
{
	vmrt_link_begin(&a->out, VMRT_MSG_ERROR);
	vmrt_buf_put_text(&a->out, why->text);
	end_session(a);
	return agent_send(a, &a->out);
}

static enum vmrt_status send_hello(struct agent *a, struct vmrt_cursor *c)
{
	struct utsname u = {0};
	uint64_t nonce;

	vmrt_cursor_u32(c); /* the version: the recorder compares the versions */
	nonce = vmrt_cursor_u64(c);
	if (c->failed)
		return VMRT_OK;
	end_session(a); /* end the session of an earlier recorder */
	uname(&u);
	vmrt_link_begin(&a->out, VMRT_MSG_HELLO);
	vmrt_buf_put_u32(&a->out, VMRT_LINK_VERSION);
	vmrt_buf_put_u64(&a->out, nonce);
	vmrt_buf_put_text(&a->out, u.nodename);
	vmrt_buf_put_text(&a->out, u.release);
	return agent_send(a, &a->out);
}

enum vmrt_status agent_send_text(struct agent *a, enum vmrt_meta_kind kind, const char *text)
{
	size_t len = strlen(text), most = VMRT_LINK_PAYLOAD - 64;

	/* cut behind a line, since only lists of names can be so long */
	if (len > most)
		for (len = most; len && text[len - 1] != '\n';)
			len--;
	vmrt_link_begin(&a->out, VMRT_MSG_META);
	vmrt_buf_put_u32(&a->out, kind);
	vmrt_buf_put(&a->out, text, len);
	vmrt_buf_put_u8(&a->out, 0);
	return agent_send(a, &a->out);
}

static enum vmrt_status send_formats(struct agent *a, const struct vmrt_trace_meta *meta)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; i < meta->n_formats && status == VMRT_OK; i++) {
		vmrt_link_begin(&a->out, VMRT_MSG_META);
		vmrt_buf_put_u32(&a->out, VMRT_META_FORMAT);
		vmrt_buf_put_text(&a->out, meta->formats[i].system);
		vmrt_buf_put_text(&a->out, meta->formats[i].text);
		status = agent_send(a, &a->out);
	}
	return status;
}

static enum vmrt_status send_meta(struct agent *a)
{
	struct vmrt_trace_meta meta;
	enum vmrt_status status = vmrt_tracer_meta(a->tracer, &meta, &a->err);

	if (status != VMRT_OK) {
		struct vmrt_error why = a->err;

		return send_error(a, &why);
	}
	if ((status = agent_send_text(a, VMRT_META_HEADER_PAGE, meta.header_page)) == VMRT_OK &&
		(status = agent_send_text(a, VMRT_META_HEADER_EVENT, meta.header_event)) ==
			VMRT_OK &&
		(status = send_formats(a, &meta)) == VMRT_OK &&
		(status = agent_send_text(a, VMRT_META_KALLSYMS, meta.kallsyms)) == VMRT_OK &&
		(status = agent_send_text(a, VMRT_META_CMDLINES, meta.cmdlines)) == VMRT_OK &&
		(status = agent_send_text(a, VMRT_META_CLOCK, meta.clock)) == VMRT_OK)
		status = agent_send_text(a, VMRT_META_UNAME, meta.uname);
	if (status == VMRT_OK && a->sends_processes && meta.processes[VMRT_PROCESSES_BEGIN])
		status = agent_send_text(
			a, VMRT_META_PROCESSES, meta.processes[VMRT_PROCESSES_BEGIN]);
	vmrt_trace_meta_free(&meta);
	return status;
}

/* Limits the size of a buffer, since the recorder may ask for more memory than this guest can
 * spare. */
static uint64_t affordable(uint64_t wanted)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t most = memory / MEMORY_SHARE / (uint64_t)sysconf(_SC_NPROCESSORS_CONF);

	if (wanted > most)
		wanted = most;
	return wanted < BUFFER_MIN ? BUFFER_MIN : wanted;
}

static enum vmrt_status prepare(struct agent *a, struct vmrt_cursor *c)
{
	uint64_t buffer = vmrt_cursor_u64(c);
	uint32_t mode = vmrt_cursor_u32(c);
	struct vmrt_error why;
	enum vmrt_status status;

	if (c->failed)
		return VMRT_OK;
	end_session(a);
	/* the message of an older recorder ends here. An older recorder takes unknown messages for
	 * garbage */
	a->sends_processes = vmrt_cursor_u32(c) & VMRT_LINK_WANTS_PROCESSES;
	a->mode = mode == VMRT_LINK_STREAM || mode == VMRT_LINK_FLIGHT ? (enum vmrt_link_mode)mode
								       : VMRT_LINK_HOLD;
	/* removes the instance of an agent that was killed, because in a guest no other program
	 * does */
	vmrt_tracer_reset(LABEL, NULL, NULL, NULL, NULL, NULL, &why);
	if (vmrt_tracer_open(LABEL, affordable(buffer), &a->tracer, &why) != VMRT_OK)
		return send_error(a, &why);
	status = send_meta(a);
	if (status != VMRT_OK || !a->tracer)
		return status;
	vmrt_link_begin(&a->out, VMRT_MSG_READY);
	vmrt_buf_put_u32(&a->out, vmrt_tracer_cpus(a->tracer));
	vmrt_buf_put_u32(&a->out, vmrt_tracer_page_size(a->tracer));
	vmrt_buf_put_u64(&a->out, vmrt_tracer_buffer(a->tracer));
	return agent_send(a, &a->out);
}

static enum vmrt_status start(struct agent *a)
{
	struct vmrt_error why;

	if (!a->tracer || a->on)
		return VMRT_OK;
	if (vmrt_tracer_on(a->tracer, &why) != VMRT_OK)
		return send_error(a, &why);
	a->on = true;
	a->checked_at = a->check_at = vmrt_now_ns();
	a->fullest = 0;
	vmrt_link_begin(&a->out, VMRT_MSG_STARTED);
	vmrt_buf_put_u64(&a->out, (uint64_t)vmrt_now_ns());
	return agent_send(a, &a->out);
}

static enum vmrt_status stop(struct agent *a, struct vmrt_cursor *c)
{
	int64_t since_ns = (int64_t)vmrt_cursor_u64(c);
	struct vmrt_error why;
	enum vmrt_status status;

	if (c->failed || !a->tracer || !a->on)
		return VMRT_OK;
	if (vmrt_tracer_off(a->tracer, &why) != VMRT_OK)
		return send_error(a, &why);
	a->on = false;
	vmrt_link_begin(&a->out, VMRT_MSG_STOPPED);
	vmrt_buf_put_u64(&a->out, (uint64_t)vmrt_now_ns());
	if ((status = agent_send(a, &a->out)) != VMRT_OK ||
		(status = agent_send_buffers(a, since_ns > 0 ? since_ns : INT64_MIN)) != VMRT_OK ||
		(status = agent_send_names(a)) != VMRT_OK ||
		(status = agent_send_stats(a)) != VMRT_OK)
		return status;
	end_session(a);
	vmrt_link_begin(&a->out, VMRT_MSG_DONE);
	return agent_send(a, &a->out);
}

static enum vmrt_status answer_ping(
	struct agent *a, struct vmrt_cursor *c, int64_t recv_ns, uint64_t recv_tsc)
{
	uint32_t seq = vmrt_cursor_u32(c);

	if (c->failed)
		return VMRT_OK;
	vmrt_link_begin(&a->out, VMRT_MSG_PONG);
	vmrt_buf_put_u32(&a->out, seq);
	vmrt_buf_put_u64(&a->out, (uint64_t)recv_ns);
	vmrt_buf_put_u64(&a->out, recv_tsc);
	vmrt_buf_put_u64(&a->out, (uint64_t)vmrt_now_ns());
	vmrt_buf_put_u64(&a->out, vmrt_tsc());
	return agent_send(a, &a->out);
}

static enum vmrt_status handle_message(
	struct agent *a, const struct vmrt_message *m, int64_t recv_ns, uint64_t recv_tsc)
{
	struct vmrt_cursor c = {m->payload, m->payload + m->size, false};

	switch (m->type) {
	case VMRT_MSG_HELLO:
		return send_hello(a, &c);
	case VMRT_MSG_PREPARE:
		return prepare(a, &c);
	case VMRT_MSG_START:
		return start(a);
	case VMRT_MSG_PING:
		return answer_ping(a, &c, recv_ns, recv_tsc);
	case VMRT_MSG_STOP:
		return stop(a, &c);
	case VMRT_MSG_ASK:
		return agent_send_settings(a);
	default:
		return VMRT_OK; /* unknown: from a newer recorder, or garbage */
	}
}

static enum vmrt_status receive(struct agent *a)
{
	size_t room;
	void *at = vmrt_link_room(&a->parser, &room);
	ssize_t n = read(a->fd, at, room);
	int64_t now = vmrt_now_ns();
	uint64_t tsc = vmrt_tsc();
	enum vmrt_status status = VMRT_OK;
	struct vmrt_message message;
	int got;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return VMRT_OK;
	if (n <= 0)
		return VMRT_EIO; /* the recorder has gone */
	vmrt_link_fed(&a->parser, (size_t)n);
	/* a killed recorder may have left garbage; it is skipped, because a HELLO will follow */
	while (status == VMRT_OK && (got = vmrt_link_next(&a->parser, &message)) != 0)
		if (got > 0)
			status = handle_message(a, &message, now, tsc);
	return status;
}

static int poll_timeout(const struct agent *a)
{
	int64_t left;

	if (!a->on || a->mode == VMRT_LINK_FLIGHT)
		return -1;
	if (a->mode == VMRT_LINK_STREAM)
		return STREAM_MS;
	left = a->check_at - vmrt_now_ns();
	return left > 0 ? (int)(left / VMRT_NS_PER_MS) + 1 : 0;
}

static enum vmrt_status serve_once(struct agent *a)
{
	struct pollfd fds[2] = {
		{.fd = a->fd, .events = POLLIN}, {.fd = vmrt_stop_fd(), .events = POLLIN}};
	enum vmrt_status status = VMRT_OK;
	int n = poll(fds, 2, poll_timeout(a));

	if (n < 0 && errno != EINTR)
		return VMRT_EIO;
	if (n > 0 && fds[1].revents)
		return VMRT_EINTR;
	if (n > 0 && fds[0].revents & POLLIN)
		status = receive(a);
	else if (n > 0 && fds[0].revents)
		return VMRT_EIO; /* the recorder has closed the link */
	if (status != VMRT_OK || !a->on || a->mode == VMRT_LINK_FLIGHT)
		return status;
	if (a->mode == VMRT_LINK_HOLD)
		return agent_send_full_buffers(a);
	if (vmrt_now_ns() - a->checked_at < STREAM_MS * VMRT_NS_PER_MS)
		return VMRT_OK;
	a->checked_at = vmrt_now_ns();
	return agent_send_buffers(a, INT64_MIN);
}

/* When the agent is asked to end in the middle of a session, it sends the events that it holds, and
 * an error that says why it ends. */
static void say_goodbye(struct agent *a)
{
	struct vmrt_error why, err;

	a->ending = true;
	a->end_by = vmrt_now_ns() + END_NS;
	if (!a->tracer || a->parser.out_of_sync)
		return;
	/* a flight recorder's events are not sent: nobody has asked for the seconds before now */
	if (a->on && a->mode != VMRT_LINK_FLIGHT &&
		(vmrt_tracer_off(a->tracer, &err) != VMRT_OK ||
			agent_send_buffers(a, INT64_MIN) != VMRT_OK))
		return; /* a message may have been sent in part, so no other can follow it */
	vmrt_fail(&why, VMRT_EINTR, "it was asked to end");
	send_error(a, &why);
}

void agent_serve(int fd)
{
	struct agent a = {.fd = fd};
	enum vmrt_status status;

	if (vmrt_link_parser_init(&a.parser, VMRT_LINK_REQUEST) != VMRT_OK) {
		vmrt_warn("out of memory");
		return;
	}
	vmrt_link_resync(&a.parser);
	while ((status = serve_once(&a)) == VMRT_OK)
		;
	/* nothing can be sent if a message was interrupted half-way */
	if (status == VMRT_EINTR && a.err.status != VMRT_EINTR)
		say_goodbye(&a);
	end_session(&a);
	vmrt_link_parser_free(&a.parser);
	vmrt_buf_free(&a.out);
	vmrt_buf_free(&a.data);
}
