/* SPDX-License-Identifier: MIT */
/* The guest link: messages are found in what arrives, wherever it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "collector/wire/link.h"

static void feed(struct vmrt_link_parser *p, const void *data, size_t size)
{
	size_t room;
	void *at = vmrt_link_room(p, &room);

	assert_true(size <= room);
	memcpy(at, data, size);
	vmrt_link_fed(p, size);
}

static void make_ping(struct vmrt_buf *buf, uint32_t seq)
{
	vmrt_link_begin(buf, VMRT_MSG_PING);
	vmrt_buf_put_u32(buf, seq);
	assert_int_equal(vmrt_link_end(buf), VMRT_OK);
}

static void a_message_survives_being_cut_anywhere(void **state)
{
	struct vmrt_buf buf = {0};
	struct vmrt_message m;

	(void)state;
	make_ping(&buf, 7);
	for (size_t cut = 0; cut <= buf.used; cut++) {
		struct vmrt_link_parser p;

		assert_int_equal(vmrt_link_parser_init(&p, VMRT_LINK_REQUEST), VMRT_OK);
		feed(&p, buf.data, cut);
		assert_int_equal(vmrt_link_next(&p, &m), cut == buf.used);
		feed(&p, buf.data + cut, buf.used - cut);
		if (cut < buf.used)
			assert_int_equal(vmrt_link_next(&p, &m), 1);
		assert_int_equal(m.type, VMRT_MSG_PING);
		assert_int_equal(m.size, 4);
		assert_int_equal(m.payload[0], 7);
		assert_int_equal(vmrt_link_next(&p, &m), 0);
		vmrt_link_parser_free(&p);
	}
	vmrt_buf_free(&buf);
}

static void a_length_beyond_the_limit_is_garbage(void **state)
{
	struct vmrt_link_parser p;
	struct vmrt_message m;
	struct vmrt_buf buf = {0};

	(void)state;
	assert_int_equal(vmrt_link_parser_init(&p, VMRT_LINK_REQUEST), VMRT_OK);
	vmrt_buf_put_u32(&buf, VMRT_LINK_MAGIC);
	vmrt_buf_put_u32(&buf, VMRT_MSG_PING);
	vmrt_buf_put_u32(&buf, VMRT_LINK_REQUEST + 1);
	feed(&p, buf.data, buf.used);
	assert_int_equal(vmrt_link_next(&p, &m), -1);
	assert_int_equal(vmrt_link_next(&p, &m), 0);
	make_ping(&buf, 1);
	feed(&p, buf.data, buf.used);
	assert_int_equal(vmrt_link_next(&p, &m), 1);
	vmrt_link_parser_free(&p);
	vmrt_buf_free(&buf);
}

static void after_half_a_message_the_next_one_is_found(void **state)
{
	static const uint8_t zeros[VMRT_LINK_HEAD + VMRT_LINK_REQUEST];
	struct vmrt_link_parser p;
	struct vmrt_message m;
	struct vmrt_buf buf = {0};
	int got, pings = 0;

	(void)state;
	make_ping(&buf, 9);
	for (size_t cut = 1; cut < buf.used; cut++) {
		assert_int_equal(vmrt_link_parser_init(&p, VMRT_LINK_REQUEST), VMRT_OK);
		feed(&p, buf.data, cut);
		assert_int_equal(vmrt_link_next(&p, &m), 0);
		feed(&p, zeros, sizeof(zeros));
		feed(&p, buf.data, buf.used);
		for (pings = 0; (got = vmrt_link_next(&p, &m)) != 0;)
			pings += got > 0 && m.type == VMRT_MSG_PING && m.size == 4 &&
				 m.payload[0] == 9;
		assert_true(pings >= 1);
		vmrt_link_parser_free(&p);
	}
	vmrt_buf_free(&buf);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_survives_being_cut_anywhere),
		cmocka_unit_test(a_length_beyond_the_limit_is_garbage),
		cmocka_unit_test(after_half_a_message_the_next_one_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
