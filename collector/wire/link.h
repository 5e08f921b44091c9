/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_WIRE_LINK_H
#define VMRT_COLLECTOR_WIRE_LINK_H

/*
 * The link between the recorder on the host and the agent in a guest: messages over a byte stream
 * (docs/run-format.md, "The guest link"). Each side trusts nothing of what it receives.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>

#include "common/buf.h"

#define VMRT_LINK_VERSION 2
#define VMRT_LINK_MAGIC 0xb74d56f5u  /* bytes that do not occur in text */
#define VMRT_LINK_HEAD 12	     /* bytes of magic, type and length */
#define VMRT_LINK_PAYLOAD (1u << 20) /* longest payload of a message from a guest */
#define VMRT_LINK_REQUEST 256u	     /* longest payload of a message to a guest */

enum vmrt_message_type {
	VMRT_MSG_NOTHING = 0, /* guest: an agent begins to wait for a recorder */
	VMRT_MSG_HELLO = 1,   /* both ways: version, nonce... */
	VMRT_MSG_PREPARE = 2, /* host: make an instance */
	VMRT_MSG_META = 3,    /* guest: a piece of what is needed to read its events */
	VMRT_MSG_READY = 4,   /* guest: answer to PREPARE */
	VMRT_MSG_START = 5,   /* host: switch recording on */
	VMRT_MSG_STARTED = 6, /* guest */
	VMRT_MSG_PING = 7,    /* host */
	VMRT_MSG_PONG = 8,    /* guest */
	VMRT_MSG_STOP = 9,    /* host: switch recording off and send what is left, from a time on */
	VMRT_MSG_STOPPED = 10,	 /* guest */
	VMRT_MSG_DATA = 11,	 /* guest: sub-buffers of a CPU */
	VMRT_MSG_UPTO = 12,	 /* guest: all events up to a time have been sent */
	VMRT_MSG_STATS = 13,	 /* guest: counters of a CPU */
	VMRT_MSG_DONE = 14,	 /* guest: that was all */
	VMRT_MSG_ERROR = 15,	 /* guest: why a request could not be fulfilled */
	VMRT_MSG_CHALLENGE = 16, /* guest, before all else: prove that you know the secret */
	VMRT_MSG_PROOF = 17,	 /* host: the proof, as answer to CHALLENGE */
	VMRT_MSG_PROVEN = 18,	 /* guest: its own proof, as answer to PROOF */
	VMRT_MSG_ASK = 19,	 /* host: how is the guest set up? */
	VMRT_MSG_SETTINGS = 20,	 /* guest: lines KEY=VALUE */
};

/* Pieces of META. */
enum vmrt_meta_kind {
	VMRT_META_HEADER_PAGE = 1,
	VMRT_META_HEADER_EVENT = 2,
	VMRT_META_FORMAT = 3, /* with its system's name before it */
	VMRT_META_KALLSYMS = 4,
	VMRT_META_CMDLINES = 5,
	VMRT_META_CLOCK = 6,
	VMRT_META_UNAME = 7,
	VMRT_META_PROCESSES = 8, /* sent only if the host asked for it */
};

/* Bits of PREPARE: what the host understands beyond the first recorders of this version. */
#define VMRT_LINK_WANTS_PROCESSES 1u

enum vmrt_link_mode { VMRT_LINK_HOLD = 0, VMRT_LINK_STREAM = 1, VMRT_LINK_FLIGHT = 2 };

struct vmrt_message {
	uint32_t type;
	const uint8_t *payload;
	size_t size;
};

/** vmrt_link_begin - begin a message in @buf, which is emptied */
void vmrt_link_begin(struct vmrt_buf *buf, enum vmrt_message_type type);

/** vmrt_link_end - fill in the length; VMRT_ENOMEM if the message could not be built */
enum vmrt_status vmrt_link_end(struct vmrt_buf *buf);

/* Cuts a byte stream into messages. */
struct vmrt_link_parser {
	uint8_t *data;
	size_t used, taken, room;
	uint32_t max;	  /* longest payload */
	bool out_of_sync; /* skipping bytes until the magic comes */
};

/** vmrt_link_parser_init - @max: longest payload; VMRT_OK or VMRT_ENOMEM */
enum vmrt_status vmrt_link_parser_init(struct vmrt_link_parser *parser, uint32_t max);
void vmrt_link_parser_free(struct vmrt_link_parser *parser);

/** vmrt_link_parser_reset - forget what was read: another stream begins */
void vmrt_link_parser_reset(struct vmrt_link_parser *parser);

/**
 * vmrt_link_room - where to put the next bytes that are read; there is always room
 *
 * Messages that were returned before are no longer valid after this call.
 */
void *vmrt_link_room(struct vmrt_link_parser *parser, size_t *room);

/** vmrt_link_fed - @size bytes were put where vmrt_link_room() returned */
void vmrt_link_fed(struct vmrt_link_parser *parser, size_t size);

/**
 * vmrt_link_next - the next message
 *
 * Return: 1; 0 if more bytes are needed; -1 if the stream is garbage here. After -1 the parser
 * skips to the next magic by itself; it is up to the caller whether to go on.
 */
int vmrt_link_next(struct vmrt_link_parser *parser, struct vmrt_message *message);

/** vmrt_link_resync - drop the current message and search for the next one */
void vmrt_link_resync(struct vmrt_link_parser *parser);

/**
 * vmrt_link_write - write everything to @fd, a non-blocking descriptor
 * @deadline_ns: CLOCK_MONOTONIC
 * @stop_fd: gives up with VMRT_EINTR when this becomes readable; or -1
 *
 * Return: VMRT_OK, VMRT_ETIMEOUT, VMRT_EINTR, VMRT_EIO (the other side is gone).
 */
enum vmrt_status vmrt_link_write(int fd, const void *data, size_t size, int64_t deadline_ns,
	int stop_fd, struct vmrt_error *err);

/**
 * link_read - the next message from @fd, a non-blocking descriptor
 * @deadline_ns, @stop_fd: as with vmrt_link_write()
 *
 * Return: VMRT_OK, VMRT_ETIMEOUT, VMRT_EINTR, VMRT_EIO, or VMRT_EPROTO if the bytes are no message.
 */
enum vmrt_status link_read(int fd, struct vmrt_link_parser *parser, struct vmrt_message *message,
	int64_t deadline_ns, int stop_fd, struct vmrt_error *err);

/** vmrt_link_version_error - say which side has to be updated; VMRT_EUNSUPPORTED */
enum vmrt_status vmrt_link_version_error(const char *who, uint32_t version, struct vmrt_error *err);

#endif
