/* SPDX-License-Identifier: MIT */
/* Sessions over a socket with peers that are silent, hang up or flood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vmrt/guest.h>
#include <vmrt/units.h>

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
		cmocka_unit_test(a_silent_peer_is_given_up_in_time),
		cmocka_unit_test(a_peer_that_hangs_up_is_noticed_at_once),
		cmocka_unit_test(a_peer_that_floods_is_given_up_in_time),
		cmocka_unit_test(a_session_can_be_given_up_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
