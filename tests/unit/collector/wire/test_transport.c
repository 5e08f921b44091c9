/* SPDX-License-Identifier: MIT */
/* Ways to agents: what is said where nobody can be reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/wire/transport.h"

#define MOST 64

/* QEMU accepts nobody else as long as somebody is connected. */
static void a_port_that_others_wait_for_is_said_to_be_taken(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct vmrt_transport way;
	struct vmrt_error err;
	enum vmrt_status status = VMRT_OK;
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), fds[MOST], n = 0;

	(void)state;
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/vmrt-test-transport-%d", (int)getpid());
	unlink(at.sun_path);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(vmrt_transport_parse(at.sun_path, &way, &err), VMRT_OK);
	while (n < MOST &&
		(status = vmrt_transport_connect(&way, 1000, -1, &fds[n], &err)) == VMRT_OK)
		n++;
	assert_true(n >= 1);
	assert_int_equal(status, VMRT_EBUSY);
	assert_non_null(strstr(err.text, "others wait there already"));
	while (n--)
		close(fds[n]);
	close(listener);
	unlink(at.sun_path);
	assert_int_equal(vmrt_transport_connect(&way, 1000, -1, &fds[0], &err), VMRT_ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_port_that_others_wait_for_is_said_to_be_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
