/* SPDX-License-Identifier: MIT */
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

/* Hashes. */

static void to_hex(const uint8_t *bytes, char *hex)
{
	for (int i = 0; i < VMRT_SHA256_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", bytes[i]);
}

static void assert_hash(const void *data, size_t size, size_t piece, const char *expected)
{
	uint8_t out[VMRT_SHA256_SIZE];
	char hex[2 * VMRT_SHA256_SIZE + 1];
	struct vmrt_sha256 s;

	vmrt_sha256_init(&s);
	for (size_t at = 0; at < size; at += piece)
		vmrt_sha256_add(&s, (const char *)data + at, size - at < piece ? size - at : piece);
	vmrt_sha256_end(&s, out);
	to_hex(out, hex);
	assert_string_equal(hex, expected);
}

/* FIPS 180-4's examples, and a million times the letter a, in pieces of all sorts. */
static void sha256_gives_the_published_values(void **state)
{
	static const char two[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	static const char four[] = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
				   "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
	char *million = malloc(1000000);

	(void)state;
	assert_hash("", 0, 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	assert_hash(
		"abc", 3, 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_hash(two, 56, 5, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	assert_hash(
		four, 112, 64, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
	memset(million, 'a', 1000000);
	for (size_t piece = 1; piece < 1000000; piece = piece * 7 + 2)
		assert_hash(million, 1000000, piece,
			"cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	free(million);
}

static void assert_hmac(
	const void *key, size_t key_size, const void *data, size_t size, const char *expected)
{
	uint8_t out[VMRT_SHA256_SIZE];
	char hex[2 * VMRT_SHA256_SIZE + 1];
	struct vmrt_hmac h;

	vmrt_hmac_init(&h, key, key_size);
	vmrt_hmac_add(&h, data, size);
	vmrt_hmac_end(&h, out);
	to_hex(out, hex);
	assert_string_equal(hex, expected);
}

/* RFC 4231, test cases 1, 2, 3, 6 and 7. */
static void hmac_gives_the_published_values(void **state)
{
	static const char larger[] = "Test Using Larger Than Block-Size Key - Hash Key First";
	static const char both[] =
		"This is a test using a larger than block-size key and a larger than "
		"block-size data. The key needs to be hashed before being used by the HMAC "
		"algorithm.";
	uint8_t key[131], data[50];

	(void)state;
	memset(key, 0x0b, 20);
	assert_hmac(key, 20, "Hi There", 8,
		"b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	assert_hmac("Jefe", 4, "what do ya want for nothing?", 28,
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	assert_hmac(key, 20, data, 50,
		"773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
	assert_hmac(key, 131, larger, strlen(larger),
		"60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	assert_hmac(key, 131, both, strlen(both),
		"9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

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

static void *one_side(void *arg)
{
	struct side *s = arg;
	struct vmrt_link_parser parser;
	int64_t deadline = vmrt_now_ns() + 2 * VMRT_NS_PER_S;

	vmrt_link_parser_init(&parser, VMRT_LINK_REQUEST);
	s->status = s->guest ? vmrt_secret_demand(s->fd, &parser, &s->secret, deadline, -1, &s->err)
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
	uint8_t proofs[4][VMRT_SHA256_SIZE];

	(void)state;
	set_secret(&secret, "correct horse battery");
	vmrt_secret_proof(&secret, VMRT_SECRET_HOST, &nonces, proofs[0]);
	vmrt_secret_proof(&secret, VMRT_SECRET_GUEST, &nonces, proofs[1]);
	vmrt_secret_proof(&secret, VMRT_SECRET_HOST, &other, proofs[2]);
	vmrt_secret_proof(&secret, VMRT_SECRET_HOST, &third, proofs[3]);
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < i; k++)
			assert_memory_not_equal(proofs[i], proofs[k], VMRT_SHA256_SIZE);
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

static void an_agent_of_another_version_is_told_apart_before_the_proof(void **state)
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
	vmrt_buf_put(&buf, path, VMRT_SHA256_SIZE < sizeof(path) ? VMRT_SHA256_SIZE : sizeof(path));
	for (size_t i = sizeof(path); i < VMRT_SHA256_SIZE; i++)
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

static void an_agent_listens_on_loopback_unless_told_otherwise(void **state)
{
	struct vmrt_transport t;

	(void)state;
	assert_int_equal(vmrt_agent_parse_tcp("4677", &t, NULL), VMRT_OK);
	assert_string_equal(t.host, "127.0.0.1");
	assert_int_equal(t.port, 4677);
	assert_int_equal(vmrt_agent_parse_tcp("0.0.0.0:4677", &t, NULL), VMRT_OK);
	assert_string_equal(t.host, "0.0.0.0");
	assert_int_equal(vmrt_agent_parse_tcp("[::1]:4677", &t, NULL), VMRT_OK);
	assert_int_equal(vmrt_agent_parse_tcp("localhost:4677", &t, NULL), VMRT_EINVAL);
	assert_int_equal(vmrt_agent_parse_tcp(":4677", &t, NULL), VMRT_EINVAL);
	assert_int_equal(vmrt_agent_parse_tcp("x", &t, NULL), VMRT_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_gives_the_published_values),
		cmocka_unit_test(hmac_gives_the_published_values),
		cmocka_unit_test_setup_teardown(
			a_secret_is_read_without_its_line_end, make_file, remove_file),
		cmocka_unit_test_setup_teardown(
			a_secret_that_others_can_read_is_refused, make_file, remove_file),
		cmocka_unit_test_setup_teardown(
			short_and_long_secrets_are_refused, make_file, remove_file),
		cmocka_unit_test(the_same_secret_convinces_both_sides),
		cmocka_unit_test(different_secrets_convince_nobody),
		cmocka_unit_test(proofs_differ_by_role_and_by_either_nonce),
		cmocka_unit_test(an_agent_of_another_version_is_told_apart_before_the_proof),
		cmocka_unit_test(one_who_skips_the_proof_is_refused),
		cmocka_unit_test(ways_to_an_agent_are_understood),
		cmocka_unit_test(ways_that_lead_nowhere_are_refused),
		cmocka_unit_test(an_agent_listens_on_loopback_unless_told_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
