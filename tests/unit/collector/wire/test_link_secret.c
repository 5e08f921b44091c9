/* SPDX-License-Identifier: MIT */
/* The secret of a TCP link: its file, and the proof of both sides. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/units.h>

#include "collector/agent/agent-listen.h"
#include "collector/wire/secret.h"
#include "collector/wire/transport.h"

/* Files. */

static char path[] = "/tmp/vmrt-secret-XXXXXX";

static int make_file(void **state)
{
	int fd;

	(void)state;
	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void put(const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void a_secret_is_read_without_its_line_end(void **state)
{
	struct vmrt_secret s;

	(void)state;
	put("correct horse battery\r\n", 0600);
	assert_int_equal(vmrt_secret_load(path, &s, NULL), VMRT_OK);
	assert_int_equal(s.size, 21);
	assert_memory_equal(s.key, "correct horse battery", 21);
}

static void a_secret_that_others_can_read_is_refused(void **state)
{
	struct vmrt_secret s;
	struct vmrt_error err;

	(void)state;
	put("correct horse battery\n", 0640);
	assert_int_equal(vmrt_secret_load(path, &s, &err), VMRT_EPERM);
	assert_non_null(strstr(err.text, "chmod 600"));
	assert_int_equal(vmrt_secret_load("/tmp", &s, NULL), VMRT_EINVAL);
	assert_int_equal(vmrt_secret_load("/nonexistent", &s, NULL), VMRT_ENOENT);
}

static void short_and_long_secrets_are_refused(void **state)
{
	char longest[VMRT_SECRET_MOST + 2];
	struct vmrt_secret s;

	(void)state;
	put("fifteen letters\n", 0600);
	assert_int_equal(vmrt_secret_load(path, &s, NULL), VMRT_EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[VMRT_SECRET_MOST + 1] = '\0';
	put(longest, 0600);
	assert_int_equal(vmrt_secret_load(path, &s, NULL), VMRT_EINVAL);
	longest[VMRT_SECRET_MOST] = '\0';
	put(longest, 0600);
	assert_int_equal(vmrt_secret_load(path, &s, NULL), VMRT_OK);
	assert_int_equal(s.size, VMRT_SECRET_MOST);
}

/* The exchange. */

struct side {
	int fd;
	struct vmrt_secret secret;
	bool guest;
	enum vmrt_status status;
	struct vmrt_error err;
};

/* The guest's part: asks for the proof, and judges it. */
static enum vmrt_status demand(int fd, struct vmrt_link_parser *parser,
	const struct vmrt_secret *secret, int64_t deadline_ns, struct vmrt_error *err)
{
	struct vmrt_secret_nonces nonces = {0};
	enum vmrt_status status = vmrt_secret_ask(fd, &nonces, deadline_ns, -1, err);

	return status == VMRT_OK
		       ? vmrt_secret_judge(fd, parser, secret, &nonces, deadline_ns, -1, err)
		       : status;
}

static void *one_side(void *arg)
{
	struct side *s = arg;
	struct vmrt_link_parser parser;
	int64_t deadline = vmrt_now_ns() + 2 * VMRT_NS_PER_S;

	vmrt_link_parser_init(&parser, VMRT_LINK_REQUEST);
	s->status = s->guest ? demand(s->fd, &parser, &s->secret, deadline, &s->err)
			     : vmrt_secret_prove(s->fd, &parser, &s->secret, "the agent in g",
				       deadline, -1, &s->err);
	vmrt_link_parser_free(&parser);
	close(s->fd);
	return NULL;
}

static void set_secret(struct vmrt_secret *s, const char *text)
{
	s->size = strlen(text);
	memcpy(s->key, text, s->size);
}

static void exchange(
	const char *host_secret, const char *guest_secret, struct side *host, struct side *guest)
{
	pthread_t thread;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	*host = (struct side){.fd = fds[0]};
	*guest = (struct side){.fd = fds[1], .guest = true};
	set_secret(&host->secret, host_secret);
	set_secret(&guest->secret, guest_secret);
	assert_int_equal(pthread_create(&thread, NULL, one_side, guest), 0);
	one_side(host);
	pthread_join(thread, NULL);
}

static void the_same_secret_convinces_both_sides(void **state)
{
	struct side host, guest;

	(void)state;
	exchange("correct horse battery", "correct horse battery", &host, &guest);
	assert_int_equal(host.status, VMRT_OK);
	assert_int_equal(guest.status, VMRT_OK);
}

static void different_secrets_convince_nobody(void **state)
{
	struct side host, guest;

	(void)state;
	exchange("correct horse battery", "correct horse batterz", &host, &guest);
	assert_int_equal(host.status, VMRT_EPERM);
	assert_int_equal(guest.status, VMRT_EPERM);
	assert_non_null(strstr(host.err.text, "does not know the same secret"));
}

static void proofs_differ_by_role_and_by_either_nonce(void **state)
{
	struct vmrt_secret_nonces nonces = {{1}, {2}}, other = {{1}, {3}}, third = {{2}, {2}};
	struct vmrt_secret secret;
	uint8_t proofs[4][SHA256_DIGEST_SIZE];

	(void)state;
	set_secret(&secret, "correct horse battery");
	secret_proof(&secret, VMRT_SECRET_HOST, &nonces, proofs[0]);
	secret_proof(&secret, VMRT_SECRET_GUEST, &nonces, proofs[1]);
	secret_proof(&secret, VMRT_SECRET_HOST, &other, proofs[2]);
	secret_proof(&secret, VMRT_SECRET_HOST, &third, proofs[3]);
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < i; k++)
			assert_memory_not_equal(proofs[i], proofs[k], SHA256_DIGEST_SIZE);
}

/* Plays an agent that says @message first, to a recorder with a secret. */
static enum vmrt_status answer_to(struct vmrt_buf *message, struct vmrt_error *err)
{
	struct vmrt_link_parser parser;
	struct vmrt_secret secret;
	enum vmrt_status status;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	set_secret(&secret, "correct horse battery");
	assert_int_equal(vmrt_link_end(message), VMRT_OK);
	assert_int_equal(write(fds[1], message->data, message->used), (ssize_t)message->used);
	assert_int_equal(vmrt_link_parser_init(&parser, VMRT_LINK_PAYLOAD), VMRT_OK);
	status = vmrt_secret_prove(fds[0], &parser, &secret, "the agent in g",
		vmrt_now_ns() + 50 * VMRT_NS_PER_MS, -1, err);
	vmrt_link_parser_free(&parser);
	vmrt_buf_free(message);
	close(fds[0]);
	close(fds[1]);
	return status;
}

static void an_agent_of_another_version_is_recognized_before_the_proof(void **state)
{
	struct vmrt_buf buf = {0};
	struct vmrt_error err;

	(void)state;
	vmrt_link_begin(&buf, VMRT_MSG_CHALLENGE);
	vmrt_buf_put_u32(&buf, VMRT_LINK_VERSION + 1);
	assert_int_equal(answer_to(&buf, &err), VMRT_EUNSUPPORTED);
	assert_non_null(strstr(err.text, "update vmrt on the host"));
	vmrt_link_begin(&buf, VMRT_MSG_CHALLENGE);
	vmrt_buf_put_u32(&buf, VMRT_LINK_VERSION - 1);
	assert_int_equal(answer_to(&buf, &err), VMRT_EUNSUPPORTED);
	assert_non_null(strstr(err.text, "update vmrt-agent in the guest"));
}

static void one_who_skips_the_proof_is_refused(void **state)
{
	struct vmrt_buf buf = {0};
	struct vmrt_error err;

	(void)state;
	vmrt_link_begin(&buf, VMRT_MSG_HELLO);
	vmrt_buf_put_u32(&buf, VMRT_LINK_VERSION);
	assert_int_equal(answer_to(&buf, &err), VMRT_EPROTO);
	vmrt_link_begin(&buf, VMRT_MSG_PROVEN);
	assert_int_equal(answer_to(&buf, &err), VMRT_EPROTO);
	vmrt_link_begin(&buf, VMRT_MSG_CHALLENGE);
	vmrt_buf_put_u32(&buf, VMRT_LINK_VERSION);
	assert_int_equal(answer_to(&buf, &err), VMRT_EPROTO);
	vmrt_link_begin(&buf, VMRT_MSG_CHALLENGE);
	vmrt_buf_put_u32(&buf, VMRT_LINK_VERSION);
	vmrt_buf_put(
		&buf, path, SHA256_DIGEST_SIZE < sizeof(path) ? SHA256_DIGEST_SIZE : sizeof(path));
	for (size_t i = sizeof(path); i < SHA256_DIGEST_SIZE; i++)
		vmrt_buf_put_u8(&buf, 0);
	assert_int_equal(answer_to(&buf, &err), VMRT_ETIMEOUT); /* it never proves itself */
}

/* Ways. */

static void ways_to_an_agent_are_understood(void **state)
{
	struct vmrt_transport t;

	(void)state;
	assert_int_equal(vmrt_transport_parse("/run/a.sock", &t, NULL), VMRT_OK);
	assert_int_equal(t.kind, VMRT_TRANSPORT_UNIX);
	assert_string_equal(t.host, "/run/a.sock");
	assert_int_equal(vmrt_transport_parse("vsock:3", &t, NULL), VMRT_OK);
	assert_int_equal(t.kind, VMRT_TRANSPORT_VSOCK);
	assert_int_equal(t.cid, 3);
	assert_int_equal(t.port, VMRT_TRANSPORT_PORT);
	assert_int_equal(vmrt_transport_parse("vsock:4294967294:99", &t, NULL), VMRT_OK);
	assert_true(t.cid == 4294967294u && t.port == 99);
	assert_int_equal(vmrt_transport_parse("tcp:guest1:4677", &t, NULL), VMRT_OK);
	assert_int_equal(t.kind, VMRT_TRANSPORT_TCP);
	assert_string_equal(t.host, "guest1");
	assert_int_equal(t.port, 4677);
	assert_int_equal(vmrt_transport_parse("tcp:[fe80::1]:80", &t, NULL), VMRT_OK);
	assert_string_equal(t.host, "fe80::1");
}

static void ways_that_lead_nowhere_are_refused(void **state)
{
	static const char too_long[] = "/0123456789012345678901234567890123456789012345678901234567"
				       "890123456789012345678901234567890"
				       "123456789012345678";
	static const char *const bad[] = {"", "vsock:", "vsock:x", "vsock:-1",
		"vsock:3:", "vsock:3:0", "vsock:99999999999", "tcp:", "tcp:host", "tcp::80",
		"tcp:host:", "tcp:host:0", "tcp:host:65536", "tcp:::1:80", "tcp:[]:80",
		"tcp:host:80x", too_long};
	struct vmrt_transport t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vmrt_transport_parse(bad[i], &t, NULL), VMRT_EINVAL);
}

static void an_agent_listens_on_loopback_by_default(void **state)
{
	struct vmrt_transport t;

	(void)state;
	assert_int_equal(agent_parse_tcp("4677", &t, NULL), VMRT_OK);
	assert_string_equal(t.host, "127.0.0.1");
	assert_int_equal(t.port, 4677);
	assert_int_equal(agent_parse_tcp("0.0.0.0:4677", &t, NULL), VMRT_OK);
	assert_string_equal(t.host, "0.0.0.0");
	assert_int_equal(agent_parse_tcp("[::1]:4677", &t, NULL), VMRT_OK);
	assert_int_equal(agent_parse_tcp("localhost:4677", &t, NULL), VMRT_EINVAL);
	assert_int_equal(agent_parse_tcp(":4677", &t, NULL), VMRT_EINVAL);
	assert_int_equal(agent_parse_tcp("x", &t, NULL), VMRT_EINVAL);
}

/*
 * printf 'vmrt host\0' plus 32 bytes 0x11 plus 32 bytes 0x22, through
 * `openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`.
 */
static void a_proof_is_the_hmac_that_another_program_computes(void **state)
{
	static const uint8_t want[SHA256_DIGEST_SIZE] = {0x65, 0x40, 0x79, 0x20, 0x6d, 0x55, 0xfb,
		0xd6, 0x18, 0xcd, 0x0b, 0x24, 0x32, 0x7b, 0xf4, 0x7b, 0x1c, 0xac, 0xe8, 0x88, 0x97,
		0x0e, 0x04, 0x52, 0xaf, 0x5c, 0x1b, 0x36, 0x41, 0xd9, 0xbb, 0xd0};
	struct vmrt_secret secret = {.size = 32};
	struct vmrt_secret_nonces nonces;
	uint8_t proof[SHA256_DIGEST_SIZE];

	(void)state;
	memcpy(secret.key, "0123456789abcdef0123456789abcdef", 32);
	memset(nonces.guest, 0x11, sizeof(nonces.guest));
	memset(nonces.host, 0x22, sizeof(nonces.host));
	secret_proof(&secret, VMRT_SECRET_HOST, &nonces, proof);
	assert_memory_equal(proof, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_proof_is_the_hmac_that_another_program_computes),
		cmocka_unit_test_setup_teardown(
			a_secret_is_read_without_its_line_end, make_file, remove_file),
		cmocka_unit_test_setup_teardown(
			a_secret_that_others_can_read_is_refused, make_file, remove_file),
		cmocka_unit_test_setup_teardown(
			short_and_long_secrets_are_refused, make_file, remove_file),
		cmocka_unit_test(the_same_secret_convinces_both_sides),
		cmocka_unit_test(different_secrets_convince_nobody),
		cmocka_unit_test(proofs_differ_by_role_and_by_either_nonce),
		cmocka_unit_test(an_agent_of_another_version_is_recognized_before_the_proof),
		cmocka_unit_test(one_who_skips_the_proof_is_refused),
		cmocka_unit_test(ways_to_an_agent_are_understood),
		cmocka_unit_test(ways_that_lead_nowhere_are_refused),
		cmocka_unit_test(an_agent_listens_on_loopback_by_default),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
