/* SPDX-License-Identifier: MIT */
/* What a guest sends, as the host takes it: framing and messages, with pings under way. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/session/guest-in.h"
#include "collector/wire/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool check_pages(
	void *ctx, unsigned cpu, const void *pages, size_t size, struct vmrt_error *err)
{
	unsigned *sum = ctx;

	(void)err;
	for (size_t i = 0; i < size; i++)
		*sum += ((const uint8_t *)pages)[i] + cpu;
	return true;
}

/* A guest that has said all the right things so far, so that the rest is reached. */
static void introduce(struct guest_in *in)
{
	struct vmrt_buf b = {0};
	struct vmrt_error err;

	for (uint32_t kind = 0; kind <= VMRT_META_PROCESSES + 1; kind++) {
		struct vmrt_message m;

		if (kind == 0) {
			vmrt_link_begin(&b, VMRT_MSG_HELLO);
			vmrt_buf_put_u32(&b, VMRT_LINK_VERSION);
			vmrt_buf_put_u64(&b, in->nonce);
			vmrt_buf_put_text(&b, "");
		} else if (kind > VMRT_META_PROCESSES) {
			vmrt_link_begin(&b, VMRT_MSG_READY);
			vmrt_buf_put_u32(&b, 2);
			vmrt_buf_put_u32(&b, 4096);
			vmrt_buf_put_u64(&b, 65536);
		} else {
			vmrt_link_begin(&b, VMRT_MSG_META);
			vmrt_buf_put_u32(&b, kind);
			if (kind == VMRT_META_FORMAT)
				vmrt_buf_put_text(&b, "sched");
		}
		vmrt_buf_put_text(&b, "1 x\n");
		m.type = b.data[4];
		m.payload = b.data + VMRT_LINK_HEAD;
		m.size = b.used - VMRT_LINK_HEAD;
		if (guest_in_message(in, &m, 0, 0, &err) != VMRT_OK)
			abort();
	}
	vmrt_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned sum = 0;
	struct guest_in in = {.nonce = 0x3030303030303030u,
		.max_size = 1 << 20,
		.pages = check_pages,
		.ctx = &sum,
		.name = "guest"};
	struct vmrt_link_parser parser;
	struct vmrt_message m;
	struct vmrt_error err;
	enum vmrt_status status = VMRT_OK;
	int got;

	if (size < 2 || vmrt_link_parser_init(&parser, VMRT_LINK_PAYLOAD) != VMRT_OK)
		return 0;
	if (data[0] & 1)
		introduce(&in);
	if (data[0] & 2)
		in.state = in.state == VMRT_GUEST_READY ? VMRT_GUEST_STOPPED : in.state;
	vmrt_guest_in_ping(&in, 0, 0);
	data++, size--;
	while (size && status == VMRT_OK) {
		size_t room, part = 1 + data[0] % 97u * 13;
		void *at = vmrt_link_room(&parser, &room);

		part = part < size ? part : size;
		part = part < room ? part : room;
		memcpy(at, data, part);
		vmrt_link_fed(&parser, part);
		data += part, size -= part;
		while (status == VMRT_OK && (got = vmrt_link_next(&parser, &m)) != 0)
			if (got > 0)
				status = guest_in_message(&in, &m, INT64_MAX / 2, 0, &err);
	}
	guest_in_free(&in);
	vmrt_link_parser_free(&parser);
	return 0;
}
