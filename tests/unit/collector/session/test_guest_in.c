/* SPDX-License-Identifier: MIT */
/* What a guest may say: each message is checked before anything of it is used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/session/guest-in.h"
#include "collector/wire/link.h"

struct talk {
	struct guest_in in;
	struct vmrt_buf buf;
	struct vmrt_error err;
	size_t got;
};

static bool count_pages(
	void *ctx, unsigned cpu, const void *pages, size_t size, struct vmrt_error *err)
{
	struct talk *t = ctx;

	(void)cpu, (void)pages, (void)err;
	t->got += size;
	return true;
}

static struct talk *new_talk(void)
{
	struct talk *t = calloc(1, sizeof(*t));

	assert_non_null(t);
	strcpy(t->in.name, "g");
	t->in.nonce = 42;
	t->in.pages = count_pages;
	t->in.ctx = t;
	return t;
}

static void end_talk(struct talk *t)
{
	guest_in_free(&t->in);
	vmrt_buf_free(&t->buf);
	free(t);
}

static enum vmrt_status say(struct talk *t)
{
	struct vmrt_message m;

	assert_int_equal(vmrt_link_end(&t->buf), VMRT_OK);
	m.type = t->buf.data[4];
	m.payload = t->buf.data + VMRT_LINK_HEAD;
	m.size = t->buf.used - VMRT_LINK_HEAD;
	return guest_in_message(&t->in, &m, 2000000, 0, &t->err);
}

static void hello(struct talk *t, uint32_t version, uint64_t nonce)
{
	vmrt_link_begin(&t->buf, VMRT_MSG_HELLO);
	vmrt_buf_put_u32(&t->buf, version);
	vmrt_buf_put_u64(&t->buf, nonce);
	vmrt_buf_put_text(&t->buf, "host\033[31mname");
	vmrt_buf_put_text(&t->buf, "6.1");
}

static void meta(struct talk *t, uint32_t kind, const char *text)
{
	vmrt_link_begin(&t->buf, VMRT_MSG_META);
	vmrt_buf_put_u32(&t->buf, kind);
	if (kind == VMRT_META_FORMAT)
		vmrt_buf_put_text(&t->buf, "sched");
	vmrt_buf_put_text(&t->buf, text);
}

static void ready(struct talk *t, uint32_t cpus, uint32_t page_size)
{
	vmrt_link_begin(&t->buf, VMRT_MSG_READY);
	vmrt_buf_put_u32(&t->buf, cpus);
	vmrt_buf_put_u32(&t->buf, page_size);
	vmrt_buf_put_u64(&t->buf, 1 << 20);
}

static void empty(struct talk *t, enum vmrt_message_type type)
{
	vmrt_link_begin(&t->buf, type);
}

static struct talk *described_talk(void)
{
	struct talk *t = new_talk();

	hello(t, VMRT_LINK_VERSION, 42);
	assert_int_equal(say(t), VMRT_OK);
	for (uint32_t kind = VMRT_META_HEADER_PAGE; kind <= VMRT_META_UNAME; kind++) {
		meta(t, kind, "1 x\n");
		assert_int_equal(say(t), VMRT_OK);
	}
	return t;
}

static struct talk *ready_talk(void)
{
	struct talk *t = described_talk();

	ready(t, 2, 4096);
	assert_int_equal(say(t), VMRT_OK);
	assert_int_equal(t->in.state, VMRT_GUEST_READY);
	return t;
}

static void the_greeting_makes_names_printable(void **state)
{
	struct talk *t = new_talk();

	(void)state;
	hello(t, VMRT_LINK_VERSION, 42);
	assert_int_equal(say(t), VMRT_OK);
	assert_int_equal(t->in.state, VMRT_GUEST_CONNECTED);
	assert_string_equal(t->in.hostname, "host?[31mname");
	end_talk(t);
}

static void a_greeting_for_somebody_else_is_passed_over(void **state)
{
	struct talk *t = new_talk();

	(void)state;
	hello(t, VMRT_LINK_VERSION, 41);
	assert_int_equal(say(t), VMRT_OK);
	empty(t, VMRT_MSG_DONE);
	assert_int_equal(say(t), VMRT_OK);
	assert_int_equal(t->in.state, VMRT_GUEST_CONNECTING);
	end_talk(t);
}

static void a_version_mismatch_names_the_side_to_update(void **state)
{
	struct talk *t = new_talk();

	(void)state;
	hello(t, VMRT_LINK_VERSION - 1, 42);
	assert_int_equal(say(t), VMRT_EUNSUPPORTED);
	assert_non_null(strstr(t->err.text, "update vmrt-agent in the guest"));
	hello(t, VMRT_LINK_VERSION + 1, 42);
	assert_int_equal(say(t), VMRT_EUNSUPPORTED);
	assert_non_null(strstr(t->err.text, "update vmrt on the host"));
	end_talk(t);
}

static void impossible_machines_are_refused(void **state)
{
	static const uint32_t bad[][2] = {
		{0, 4096}, {VMRT_GUEST_CPUS + 1, 4096}, {1, 0}, {1, 4097}, {1, 2048}, {1, 1 << 20}};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct talk *t = described_talk();

		ready(t, bad[i][0], bad[i][1]);
		assert_int_equal(say(t), VMRT_EPROTO);
		end_talk(t);
	}
}

static void a_guest_without_formats_is_refused(void **state)
{
	struct talk *t = new_talk();

	(void)state;
	hello(t, VMRT_LINK_VERSION, 42);
	assert_int_equal(say(t), VMRT_OK);
	ready(t, 1, 4096);
	assert_int_equal(say(t), VMRT_EPROTO);
	end_talk(t);
}

static void answers_out_of_turn_are_refused(void **state)
{
	static const enum vmrt_message_type bad[] = {VMRT_MSG_STOPPED, VMRT_MSG_DONE,
		VMRT_MSG_STATS, VMRT_MSG_READY, VMRT_MSG_META, VMRT_MSG_DATA, VMRT_MSG_PONG,
		VMRT_MSG_NOTHING, (enum vmrt_message_type)77};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct talk *t = ready_talk();

		empty(t, bad[i]);
		assert_int_equal(say(t), VMRT_EPROTO);
		end_talk(t);
	}
}

static void put_page(struct talk *t, uint32_t cpu, uint64_t commit)
{
	static const uint8_t rest[4096 - 16];

	vmrt_link_begin(&t->buf, VMRT_MSG_DATA);
	vmrt_buf_put_u32(&t->buf, cpu);
	vmrt_buf_put_u64(&t->buf, 1);
	vmrt_buf_put_u64(&t->buf, commit);
	vmrt_buf_put(&t->buf, rest, sizeof(rest));
}

static void pages_are_taken_and_lying_ones_are_thrown_away(void **state)
{
	struct talk *t = ready_talk();

	(void)state;
	put_page(t, 1, 100);
	assert_int_equal(say(t), VMRT_OK);
	put_page(t, 1, 5000); /* longer than a page */
	assert_int_equal(say(t), VMRT_OK);
	assert_int_equal(t->got, 4096);
	assert_int_equal(t->in.bad_pages, 1);
	put_page(t, 2, 100); /* there are two CPUs */
	assert_int_equal(say(t), VMRT_EPROTO);
	put_page(t, 0, 100);
	vmrt_buf_put_u8(&t->buf, 0); /* a page and a byte */
	assert_int_equal(say(t), VMRT_EPROTO);
	end_talk(t);
}

static void a_flood_ends_at_the_limit(void **state)
{
	struct talk *t = ready_talk();
	int pages = 0;

	(void)state;
	t->in.max_size = 10 * 4096;
	do
		put_page(t, 0, 100);
	while (say(t) == VMRT_OK && ++pages < 100);
	assert_int_equal(pages, 10);
	assert_int_equal(t->got, 10 * 4096);
	end_talk(t);
}

static void endless_descriptions_are_refused(void **state)
{
	struct talk *t = ready_talk();
	char *names = malloc(1 << 19);
	enum vmrt_status status = VMRT_OK;
	int n;

	(void)state;
	assert_non_null(names);
	memset(names, '1', (1 << 19) - 1);
	names[(1 << 19) - 1] = '\0';
	for (n = 0; n < 100 && status == VMRT_OK; n++) {
		meta(t, VMRT_META_CMDLINES, names);
		status = say(t);
	}
	assert_int_equal(status, VMRT_EPROTO);
	assert_true(n < 20);
	free(names);
	end_talk(t);
}

static void processes_come_at_the_beginning_and_at_the_end_once_each(void **state)
{
	struct talk *t = described_talk();

	(void)state;
	meta(t, VMRT_META_PROCESSES, "7 5 a\n");
	assert_int_equal(say(t), VMRT_OK);
	ready(t, 2, 4096);
	assert_int_equal(say(t), VMRT_OK);
	meta(t, VMRT_META_PROCESSES, "7 6 b\n");
	assert_int_equal(say(t), VMRT_OK);
	assert_string_equal(t->in.meta.processes[VMRT_PROCESSES_BEGIN], "7 5 a\n");
	assert_string_equal(t->in.meta.processes[VMRT_PROCESSES_END], "7 6 b\n");
	meta(t, VMRT_META_PROCESSES, "7 7 c\n");
	assert_int_equal(say(t), VMRT_EPROTO);
	end_talk(t);
}

/* Agents of before do not send them. */
static void a_guest_without_processes_is_as_good_as_others(void **state)
{
	struct talk *t = ready_talk();

	(void)state;
	assert_null(t->in.meta.processes[VMRT_PROCESSES_BEGIN]);
	meta(t, VMRT_META_CMDLINES, "7 late\n");
	assert_int_equal(say(t), VMRT_OK);
	end_talk(t);
}

static void pong(struct talk *t, uint32_t seq, int64_t recv, int64_t send)
{
	vmrt_link_begin(&t->buf, VMRT_MSG_PONG);
	vmrt_buf_put_u32(&t->buf, seq);
	vmrt_buf_put_u64(&t->buf, (uint64_t)recv);
	vmrt_buf_put_u64(&t->buf, 11);
	vmrt_buf_put_u64(&t->buf, (uint64_t)send);
	vmrt_buf_put_u64(&t->buf, 12);
}

static void only_pings_that_were_sent_and_can_be_true_count(void **state)
{
	struct talk *t = ready_talk();
	uint32_t seq = vmrt_guest_in_ping(&t->in, 1000000, 5), other;

	(void)state;
	pong(t, seq + 1, 100, 200); /* never sent */
	assert_int_equal(say(t), VMRT_OK);
	pong(t, seq, 100, 200);
	assert_int_equal(say(t), VMRT_OK);
	pong(t, seq, 100, 200); /* twice */
	assert_int_equal(say(t), VMRT_OK);
	other = vmrt_guest_in_ping(&t->in, 1500000, 5);
	pong(t, other, 200, 100); /* sent before received */
	assert_int_equal(say(t), VMRT_OK);
	other = vmrt_guest_in_ping(&t->in, 1500000, 5);
	pong(t, other, 100, 10000000); /* longer in the guest than the whole trip took */
	assert_int_equal(say(t), VMRT_OK);
	assert_int_equal((int)pings_count(&t->in.pings), 1);
	assert_int_equal(t->in.bad_pings, 4);
	assert_int_equal(t->in.pings.recent[0].host_send_ns, 1000000);
	assert_int_equal(t->in.pings.recent[0].guest_recv_ns, 100);
	assert_int_equal(t->in.pings.recent[0].guest_send_tsc, 12);
	end_talk(t);
}

static void times_that_no_clock_shows_are_not_taken(void **state)
{
	static const int64_t times[] = {5000, INT64_MAX, INT64_MIN, 6000},
			     after[] = {5000, 5000, 5000, 6000};
	struct talk *t = ready_talk();

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		vmrt_link_begin(&t->buf, VMRT_MSG_UPTO);
		vmrt_buf_put_u64(&t->buf, (uint64_t)times[i]);
		assert_int_equal(say(t), VMRT_OK);
		assert_int_equal(t->in.upto_ns, after[i]);
	}
	end_talk(t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_greeting_makes_names_printable),
		cmocka_unit_test(a_greeting_for_somebody_else_is_passed_over),
		cmocka_unit_test(a_version_mismatch_names_the_side_to_update),
		cmocka_unit_test(impossible_machines_are_refused),
		cmocka_unit_test(a_guest_without_formats_is_refused),
		cmocka_unit_test(answers_out_of_turn_are_refused),
		cmocka_unit_test(pages_are_taken_and_lying_ones_are_thrown_away),
		cmocka_unit_test(a_flood_ends_at_the_limit),
		cmocka_unit_test(endless_descriptions_are_refused),
		cmocka_unit_test(processes_come_at_the_beginning_and_at_the_end_once_each),
		cmocka_unit_test(a_guest_without_processes_is_as_good_as_others),
		cmocka_unit_test(only_pings_that_were_sent_and_can_be_true_count),
		cmocka_unit_test(times_that_no_clock_shows_are_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
