/* SPDX-License-Identifier: MIT */
/* The guest link: framing, what a guest may say, and a session with agents good and bad. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vmrt/guest.h>
#include <vmrt/units.h>

#include "collector/session/guest-in.h"
#include "collector/wire/link.h"

/* ---- framing ---- */

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

/* ---- what a guest may say ---- */

struct talk {
	struct vmrt_guest_in in;
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
	vmrt_guest_in_free(&t->in);
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
	return vmrt_guest_in_message(&t->in, &m, 2000000, 0, &t->err);
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
	assert_int_equal((int)vmrt_pings_count(&t->in.pings), 1);
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

/* ---- sessions over a socket ---- */

struct server {
	pthread_t thread;
	int listener;
	char path[64];
	void (*behave)(int fd);
};

static void *serve(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->listener, NULL, NULL);

	if (fd >= 0) {
		s->behave(fd);
		close(fd);
	}
	return NULL;
}

static void start_server(struct server *s, void (*behave)(int fd))
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(s->path, sizeof(s->path), "/tmp/vmrt-test-link-%d.sock", (int)getpid());
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", s->path);
	unlink(s->path);
	s->behave = behave;
	s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->listener, 1), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop_server(struct server *s)
{
	pthread_join(s->thread, NULL);
	close(s->listener);
	unlink(s->path);
}

static void be_silent(int fd)
{
	char buf[4096];

	while (read(fd, buf, sizeof(buf)) > 0)
		;
}

static void hang_up(int fd)
{
	(void)fd;
}

static void flood_with_garbage(int fd)
{
	char buf[65536];

	memset(buf, 0xf5, sizeof(buf));
	while (send(fd, buf, sizeof(buf), MSG_NOSIGNAL) > 0)
		;
}

static enum vmrt_guest_state state_after_talking_to(void (*behave)(int fd), int64_t *took_ns)
{
	struct server server;
	const char *const sockets[] = {server.path};
	struct vmrt_guest_options options = {
		.name = "g", .sockets = sockets, .n_sockets = 1, .buffer = 1 << 20};
	enum vmrt_guest_state state;
	struct vmrt_guest *guest;
	struct vmrt_error err;
	int64_t from = vmrt_now_ns();
	char text[VMRT_ERROR_TEXT];

	start_server(&server, behave);
	assert_int_equal(vmrt_guest_open(&options, &guest, &err), VMRT_OK);
	state = vmrt_guest_wait(guest, VMRT_GUEST_READY, 20000, -1);
	*took_ns = vmrt_now_ns() - from;
	vmrt_guest_error(guest, text, sizeof(text));
	assert_true(text[0]);
	vmrt_guest_close(guest);
	stop_server(&server);
	return state;
}

static void a_silent_peer_is_given_up_in_time(void **state)
{
	int64_t took;

	(void)state;
	assert_int_equal(state_after_talking_to(be_silent, &took), VMRT_GUEST_FAILED);
	assert_in_range(took / VMRT_NS_PER_MS, 1000, 10000);
}

static void a_peer_that_hangs_up_is_noticed_at_once(void **state)
{
	int64_t took;

	(void)state;
	assert_int_equal(state_after_talking_to(hang_up, &took), VMRT_GUEST_FAILED);
	assert_in_range(took / VMRT_NS_PER_MS, 0, 1000);
}

static void a_peer_that_floods_is_given_up_in_time(void **state)
{
	int64_t took;

	(void)state;
	assert_int_equal(state_after_talking_to(flood_with_garbage, &took), VMRT_GUEST_FAILED);
	assert_in_range(took / VMRT_NS_PER_MS, 0, 10000);
}

static void a_session_can_be_given_up_at_any_time(void **state)
{
	struct server server;
	const char *const sockets[] = {server.path};
	struct vmrt_guest_options options = {.name = "g", .sockets = sockets, .n_sockets = 1};
	struct vmrt_guest *guest;
	struct vmrt_error err;
	int64_t from = vmrt_now_ns();

	(void)state;
	start_server(&server, be_silent);
	assert_int_equal(vmrt_guest_open(&options, &guest, &err), VMRT_OK);
	vmrt_guest_close(guest);
	assert_in_range((vmrt_now_ns() - from) / VMRT_NS_PER_MS, 0, 1000);
	shutdown(server.listener, SHUT_RDWR); /* it may never have been connected */
	stop_server(&server);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_survives_being_cut_anywhere),
		cmocka_unit_test(a_length_beyond_the_limit_is_garbage),
		cmocka_unit_test(after_half_a_message_the_next_one_is_found),
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
		cmocka_unit_test(a_silent_peer_is_given_up_in_time),
		cmocka_unit_test(a_peer_that_hangs_up_is_noticed_at_once),
		cmocka_unit_test(a_peer_that_floods_is_given_up_in_time),
		cmocka_unit_test(a_session_can_be_given_up_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
