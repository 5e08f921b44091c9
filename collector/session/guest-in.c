/* SPDX-License-Identifier: MIT */
/* Checks and decodes the messages of an agent one by one; nothing here does input or output. */
#include "guest-in.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/units.h>

#define MAX_FORMATS 64
#define MAX_META (8u << 20)	       /* bytes of all pieces together */
#define MAX_BUFFER (UINT64_C(1) << 36) /* bytes per CPU */
#define PAGE_HEAD 16
#define COMMIT_MASK 0x07ffffffu

/* Clocks of different CPUs and rounding: a PONG may seem to arrive so long before it was sent. */
#define PING_TOLERANCE_NS (100 * VMRT_NS_PER_US)

static enum vmrt_status refuse(const struct guest_in *in, struct vmrt_error *err, const char *what)
{
	return vmrt_fail(err, VMRT_EPROTO, "the agent in %s %s", in->name, what);
}

/* Copies a text of the guest for people: nothing but printable ASCII. */
#define SETTINGS_MAX 16384 /* bytes */

static void keep_text(char *buf, size_t room, const char *text)
{
	size_t i;

	for (i = 0; i + 1 < room && text[i]; i++)
		buf[i] = (unsigned char)text[i] >= 0x20 && (unsigned char)text[i] < 0x7f ? text[i]
											 : '?';
	buf[i] = '\0';
}

static enum vmrt_status take_hello(
	struct guest_in *in, struct vmrt_cursor *c, struct vmrt_error *err)
{
	uint32_t version = vmrt_cursor_u32(c);
	uint64_t nonce = vmrt_cursor_u64(c);
	const char *hostname, *kernel;

	if (c->failed || nonce != in->nonce || in->state != VMRT_GUEST_CONNECTING)
		return VMRT_OK; /* an answer to an earlier recorder, or to a HELLO that was sent
				   twice */
	if (version != VMRT_LINK_VERSION) {
		char who[sizeof(in->name) + 16];

		snprintf(who, sizeof(who), "the agent in %s", in->name);
		return vmrt_link_version_error(who, version, err);
	}
	hostname = vmrt_cursor_text(c, VMRT_LINK_PAYLOAD);
	kernel = vmrt_cursor_text(c, VMRT_LINK_PAYLOAD);
	if (!kernel)
		return refuse(in, err, "sent a malformed greeting");
	keep_text(in->hostname, sizeof(in->hostname), hostname);
	keep_text(in->kernel, sizeof(in->kernel), kernel);
	in->state = VMRT_GUEST_CONNECTED;
	return VMRT_OK;
}

static bool is_system_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '_')
			return false;
	return *name && strlen(name) < sizeof(((struct vmrt_trace_format *)0)->system);
}

static enum vmrt_status take_format(
	struct guest_in *in, struct vmrt_cursor *c, struct vmrt_error *err)
{
	const char *system = vmrt_cursor_text(c, 64),
		   *text = vmrt_cursor_text(c, VMRT_LINK_PAYLOAD);
	struct vmrt_trace_format *f;

	if (!text || !is_system_name(system) || in->meta.n_formats >= MAX_FORMATS)
		return refuse(in, err, "sent a malformed event format");
	if (!in->meta.formats)
		in->meta.formats = calloc(MAX_FORMATS, sizeof(*in->meta.formats));
	if (!in->meta.formats)
		return vmrt_fail(err, VMRT_ENOMEM, "event formats of %s: out of memory", in->name);
	f = &in->meta.formats[in->meta.n_formats];
	f->text = strdup(text);
	if (!f->text)
		return vmrt_fail(err, VMRT_ENOMEM, "event formats of %s: out of memory", in->name);
	snprintf(f->system, sizeof(f->system), "%s", system);
	in->meta.n_formats++;
	return VMRT_OK;
}

static char **meta_text(struct guest_in *in, uint32_t kind)
{
	switch (kind) {
	case VMRT_META_HEADER_PAGE:
		return &in->meta.header_page;
	case VMRT_META_HEADER_EVENT:
		return &in->meta.header_event;
	case VMRT_META_KALLSYMS:
		return &in->meta.kallsyms;
	case VMRT_META_CMDLINES:
		return &in->meta.cmdlines;
	case VMRT_META_CLOCK:
		return &in->meta.clock;
	case VMRT_META_UNAME:
		return &in->meta.uname;
	default:
		return NULL;
	}
}

static char **processes_text(struct guest_in *in)
{
	return &in->meta.processes[in->state == VMRT_GUEST_CONNECTED ? VMRT_PROCESSES_BEGIN
								     : VMRT_PROCESSES_END];
}

static enum vmrt_status take_meta(
	struct guest_in *in, struct vmrt_cursor *c, struct vmrt_error *err)
{
	size_t size = (size_t)(c->end - c->at);
	uint32_t kind = vmrt_cursor_u32(c);
	const char *text;
	char **slot;

	in->meta_size += size;
	if (in->meta_size > MAX_META)
		return refuse(in, err, "describes its events at too great length");
	if (kind == VMRT_META_FORMAT)
		return in->state == VMRT_GUEST_CONNECTED
			       ? take_format(in, c, err)
			       : refuse(in, err, "sent a late event format");
	text = vmrt_cursor_text(c, VMRT_LINK_PAYLOAD);
	slot = kind == VMRT_META_PROCESSES ? processes_text(in) : meta_text(in, kind);
	if (!text || !slot)
		return refuse(in, err, "sent a malformed description of its events");
	if (kind != VMRT_META_CMDLINES &&
		(*slot || (in->state != VMRT_GUEST_CONNECTED && kind != VMRT_META_PROCESSES)))
		return refuse(in, err, "describes its events twice");
	if (kind == VMRT_META_CMDLINES) {
		/* a guest may send any number of small lists, so they are joined once, at the end
		 */
		vmrt_buf_put(&in->names, text, strlen(text));
		vmrt_buf_put_u8(&in->names, '\n');
		if (!in->names.failed)
			return VMRT_OK;
	} else {
		*slot = strdup(text);
		if (*slot)
			return VMRT_OK;
	}
	return vmrt_fail(err, VMRT_ENOMEM, "event formats of %s: out of memory", in->name);
}

bool guest_in_names(struct guest_in *in)
{
	const char *lists[2] = {in->meta.cmdlines, NULL};
	char *joined;

	if (!in->names.used)
		return true;
	vmrt_buf_put_u8(&in->names, 0);
	if (in->names.failed)
		return false;
	lists[1] = (const char *)in->names.data;
	joined = vmrt_trace_merge_names(lists, 2);
	if (!joined)
		return false;
	free(in->meta.cmdlines);
	in->meta.cmdlines = joined;
	vmrt_buf_free(&in->names);
	return true;
}

static enum vmrt_status take_ready(
	struct guest_in *in, struct vmrt_cursor *c, struct vmrt_error *err)
{
	uint32_t cpus = vmrt_cursor_u32(c), page_size = vmrt_cursor_u32(c);

	in->buffer = vmrt_cursor_u64(c);
	if (c->failed || in->state != VMRT_GUEST_CONNECTED)
		return refuse(in, err, "is ready at the wrong time");
	if (!cpus || cpus > VMRT_GUEST_CPUS)
		return refuse(in, err, "has an impossible number of CPUs");
	if (page_size < 4096 || page_size > VMRT_TRACER_PAGE_MAX || (page_size & (page_size - 1)))
		return refuse(in, err, "has an impossible page size");
	if (in->buffer > MAX_BUFFER)
		return refuse(in, err, "has an impossible buffer size");
	if (!guest_in_names(in))
		return vmrt_fail(err, VMRT_ENOMEM, "event formats of %s: out of memory", in->name);
	for (uint32_t kind = VMRT_META_HEADER_PAGE; kind <= VMRT_META_UNAME; kind++)
		if (kind == VMRT_META_FORMAT ? !in->meta.n_formats : !*meta_text(in, kind))
			return refuse(in, err, "did not describe its events");
	in->stats = calloc(cpus, sizeof(*in->stats));
	if (!in->stats)
		return vmrt_fail(err, VMRT_ENOMEM, "counters of %s: out of memory", in->name);
	in->meta.cpus = cpus;
	in->meta.page_size = page_size;
	if (in->ready && !in->ready(in->ctx, &in->meta, err))
		return err->status;
	in->state = VMRT_GUEST_READY;
	return VMRT_OK;
}

uint32_t vmrt_guest_in_ping(struct guest_in *in, int64_t send_ns, uint64_t send_tsc)
{
	uint32_t seq = in->next_seq++, slot = seq % VMRT_GUEST_PINGS_OUT;

	in->out[slot].seq = seq;
	in->out[slot].out = true;
	in->out[slot].send_ns = send_ns;
	in->out[slot].send_tsc = send_tsc;
	return seq;
}

static enum vmrt_status take_pong(struct guest_in *in, struct vmrt_cursor *c, int64_t recv_ns,
	uint64_t recv_tsc, struct vmrt_error *err)
{
	uint32_t seq = vmrt_cursor_u32(c), slot = seq % VMRT_GUEST_PINGS_OUT;
	struct vmrt_ping ping = {.host_recv_ns = recv_ns, .host_recv_tsc = recv_tsc};

	ping.guest_recv_ns = (int64_t)vmrt_cursor_u64(c);
	ping.guest_recv_tsc = vmrt_cursor_u64(c);
	ping.guest_send_ns = (int64_t)vmrt_cursor_u64(c);
	ping.guest_send_tsc = vmrt_cursor_u64(c);
	if (c->failed)
		return refuse(in, err, "sent a malformed answer to a ping");
	if (!in->out[slot].out || in->out[slot].seq != seq) {
		in->bad_pings++; /* an answer to no ping proves nothing */
		return VMRT_OK;
	}
	in->out[slot].out = false;
	ping.host_send_ns = in->out[slot].send_ns;
	ping.host_send_tsc = in->out[slot].send_tsc;
	/* no correct guest sends such times; they would spoil the clock map */
	if (ping.guest_recv_ns < 0 || ping.guest_send_ns < ping.guest_recv_ns ||
		ping.guest_send_ns - ping.guest_recv_ns >
			ping.host_recv_ns - ping.host_send_ns + PING_TOLERANCE_NS) {
		in->bad_pings++;
		return VMRT_OK;
	}
	if (pings_add(&in->pings, &ping) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "pings of %s: out of memory", in->name);
	return VMRT_OK;
}

/* Is the length that the page states possible? Readers would otherwise read beyond its end. */
static bool page_is_sane(const uint8_t *page, uint32_t page_size)
{
	struct vmrt_cursor c = {page, page + PAGE_HEAD, false};

	vmrt_cursor_u64(&c);
	return (vmrt_cursor_u64(&c) & COMMIT_MASK) <= page_size - PAGE_HEAD;
}

static enum vmrt_status take_data(
	struct guest_in *in, struct vmrt_cursor *c, struct vmrt_error *err)
{
	uint32_t cpu = vmrt_cursor_u32(c), page_size = in->meta.page_size;
	size_t size = (size_t)(c->end - c->at);

	if (c->failed || in->state < VMRT_GUEST_READY || in->state > VMRT_GUEST_STOPPED)
		return refuse(in, err, "sent events at the wrong time");
	if (cpu >= in->meta.cpus || !size || size % page_size)
		return refuse(in, err, "sent malformed events");
	if (in->max_size && in->size + size > in->max_size)
		return refuse(in, err, "sent more events than are allowed (see --max-size)");
	for (size_t at = 0; at < size; at += page_size) {
		if (!page_is_sane(c->at + at, page_size)) {
			in->bad_pages++;
			continue;
		}
		in->size += page_size;
		if (in->pages && !in->pages(in->ctx, cpu, c->at + at, page_size, err))
			return err->status;
	}
	return VMRT_OK;
}

static enum vmrt_status take_upto(struct guest_in *in, struct vmrt_cursor *c)
{
	int64_t upto = (int64_t)vmrt_cursor_u64(c);

	/* a time that no clock can show says nothing, and differences with it would overflow */
	if (!c->failed && vmrt_clock_sane(upto))
		in->upto_ns = upto;
	return VMRT_OK;
}

static enum vmrt_status take_stats(
	struct guest_in *in, struct vmrt_cursor *c, struct vmrt_error *err)
{
	uint32_t cpu = vmrt_cursor_u32(c);
	struct vmrt_cpu_stats stats;

	stats.entries = vmrt_cursor_u64(c);
	stats.overrun = vmrt_cursor_u64(c);
	stats.commit_overrun = vmrt_cursor_u64(c);
	stats.bytes = vmrt_cursor_u64(c);
	stats.dropped = vmrt_cursor_u64(c);
	stats.read_events = vmrt_cursor_u64(c);
	if (c->failed || in->state != VMRT_GUEST_STOPPED || cpu >= in->meta.cpus)
		return refuse(in, err, "sent malformed counters");
	in->stats[cpu] = stats;
	return VMRT_OK;
}

static enum vmrt_status step(struct guest_in *in, enum vmrt_guest_state from,
	enum vmrt_guest_state to, struct vmrt_error *err)
{
	if (in->state != from)
		return refuse(in, err, "sent an answer that was not asked for");
	in->state = to;
	return VMRT_OK;
}

/* The settings are the text of a stranger and will be printed. */
static enum vmrt_status take_settings(
	struct guest_in *in, struct vmrt_cursor *c, struct vmrt_error *err)
{
	const char *text = vmrt_cursor_text(c, VMRT_LINK_PAYLOAD);
	size_t n = text ? strnlen(text, SETTINGS_MAX) : 0;

	if (!text || in->state != VMRT_GUEST_CONNECTED || in->settings)
		return refuse(in, err, "sent settings that nobody asked for");
	in->settings = malloc(n + 1);
	if (!in->settings)
		return vmrt_fail(err, VMRT_ENOMEM, "settings of %s: out of memory", in->name);
	for (size_t i = 0; i < n; i++)
		in->settings[i] =
			text[i] == '\n' || (text[i] >= 0x20 && text[i] < 0x7f) ? text[i] : '?';
	in->settings[n] = '\0';
	in->state = VMRT_GUEST_READY;
	return VMRT_OK;
}

static enum vmrt_status take_error(
	struct guest_in *in, struct vmrt_cursor *c, struct vmrt_error *err)
{
	const char *text = vmrt_cursor_text(c, VMRT_LINK_PAYLOAD);
	char shown[300];

	if (in->state == VMRT_GUEST_CONNECTING)
		return VMRT_OK; /* meant for an earlier recorder */
	keep_text(shown, sizeof(shown), text ? text : "it does not say why");
	return vmrt_fail(err, VMRT_EIO,
		in->state >= VMRT_GUEST_STARTED ? "the agent in %s has stopped recording: %s"
						: "the agent in %s cannot record: %s",
		in->name, shown);
}

enum vmrt_status guest_in_message(struct guest_in *in, const struct vmrt_message *message,
	int64_t recv_ns, uint64_t recv_tsc, struct vmrt_error *err)
{
	struct vmrt_cursor c = {message->payload, message->payload + message->size, false};

	if (message->type == VMRT_MSG_HELLO)
		return take_hello(in, &c, err);
	if (in->state == VMRT_GUEST_CONNECTING)
		return VMRT_OK; /* left over from an earlier session */
	switch (message->type) {
	case VMRT_MSG_NOTHING: /* sent by an agent that begins to wait for a recorder */
		return refuse(in, err, "has ended, and another one has taken its place");
	case VMRT_MSG_META:
		return take_meta(in, &c, err);
	case VMRT_MSG_READY:
		return take_ready(in, &c, err);
	case VMRT_MSG_STARTED:
		return step(in, VMRT_GUEST_READY, VMRT_GUEST_STARTED, err);
	case VMRT_MSG_PONG:
		return take_pong(in, &c, recv_ns, recv_tsc, err);
	case VMRT_MSG_STOPPED:
		return step(in, VMRT_GUEST_STARTED, VMRT_GUEST_STOPPED, err);
	case VMRT_MSG_DATA:
		return take_data(in, &c, err);
	case VMRT_MSG_UPTO:
		return take_upto(in, &c);
	case VMRT_MSG_STATS:
		return take_stats(in, &c, err);
	case VMRT_MSG_DONE:
		return step(in, VMRT_GUEST_STOPPED, VMRT_GUEST_DONE, err);
	case VMRT_MSG_SETTINGS:
		return in->asks ? take_settings(in, &c, err)
				: refuse(in, err, "sent settings that nobody asked for");
	case VMRT_MSG_ERROR:
		return take_error(in, &c, err);
	default:
		return refuse(in, err, "sent a message of an unknown type");
	}
}

void guest_in_free(struct guest_in *in)
{
	vmrt_trace_meta_free(&in->meta);
	free(in->settings);
	vmrt_buf_free(&in->names);
	free(in->stats);
	pings_free(&in->pings);
}
