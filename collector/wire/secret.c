/* SPDX-License-Identifier: MIT */
/* Host and agent prove to each other over TCP that they know one secret: HMAC-SHA-256 over nonces
 * of both. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nettle/hmac.h>
#include <nettle/memops.h>

static enum vmrt_status check_file(int fd, const char *path, struct vmrt_error *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return vmrt_fail_errno(err, errno, "cannot examine %s", path);
	if (!S_ISREG(st.st_mode))
		return vmrt_fail(err, VMRT_EINVAL, "%s is no regular file", path);
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return vmrt_fail(err, VMRT_EPERM,
			"%s holds a secret, but belongs to another user: chown it", path);
	if (st.st_mode & 077)
		return vmrt_fail(err, VMRT_EPERM,
			"%s holds a secret, but others have access to it: chmod 600 it", path);
	return VMRT_OK;
}

enum vmrt_status vmrt_secret_load(const char *path, struct vmrt_secret *out, struct vmrt_error *err)
{
	/* one more byte, to notice that the secret is too long, and two for the end of a line */
	uint8_t bytes[VMRT_SECRET_MOST + 3];
	enum vmrt_status status;
	size_t used = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot open %s", path);
	status = check_file(fd, path, err);
	while (status == VMRT_OK && used < sizeof(bytes) &&
		(n = read(fd, bytes + used, sizeof(bytes) - used)) != 0) {
		if (n > 0)
			used += (size_t)n;
		else if (errno != EINTR)
			status = vmrt_fail_errno(err, errno, "cannot read %s", path);
	}
	close(fd);
	while (used && (bytes[used - 1] == '\n' || bytes[used - 1] == '\r'))
		used--;
	if (status == VMRT_OK && (used < VMRT_SECRET_LEAST || used > VMRT_SECRET_MOST))
		status = vmrt_fail(err, VMRT_EINVAL,
			"%s: a secret has %d to %d bytes, this one has %s%zu", path,
			VMRT_SECRET_LEAST, VMRT_SECRET_MOST,
			used > VMRT_SECRET_MOST ? "at least " : "", used);
	if (status == VMRT_OK) {
		memcpy(out->key, bytes, used);
		out->size = used;
	}
	explicit_bzero(bytes, sizeof(bytes));
	return status;
}

void secret_proof(const struct vmrt_secret *secret, enum secret_role role,
	const struct vmrt_secret_nonces *nonces, uint8_t out[SHA256_DIGEST_SIZE])
{
	/* the role is part of the proof, so that the proof that one side sent cannot be sent back
	 * as the proof of the other side */
	static const char *const roles[] = {"vmrt host", "vmrt guest"};
	struct hmac_sha256_ctx h;

	hmac_sha256_set_key(&h, secret->size, secret->key);
	hmac_sha256_update(&h, strlen(roles[role]) + 1, (const uint8_t *)roles[role]);
	hmac_sha256_update(&h, sizeof(nonces->guest), nonces->guest);
	hmac_sha256_update(&h, sizeof(nonces->host), nonces->host);
	hmac_sha256_digest(&h, SHA256_DIGEST_SIZE, out);
	explicit_bzero(&h, sizeof(h));
}

static enum vmrt_status make_nonce(uint8_t nonce[SHA256_DIGEST_SIZE], struct vmrt_error *err)
{
	if (getrandom(nonce, SHA256_DIGEST_SIZE, 0) != SHA256_DIGEST_SIZE)
		return vmrt_fail_errno(err, errno, "no random numbers");
	return VMRT_OK;
}

static enum vmrt_status send(
	int fd, struct vmrt_buf *buf, int64_t deadline_ns, int stop_fd, struct vmrt_error *err)
{
	enum vmrt_status status = vmrt_link_end(buf);

	if (status == VMRT_OK)
		status = vmrt_link_write(fd, buf->data, buf->used, deadline_ns, stop_fd, err);
	else
		vmrt_fail(err, status, "link: out of memory");
	vmrt_buf_free(buf);
	return status;
}

/* Reads the next message, which must be of @type. */
static enum vmrt_status expect(int fd, struct vmrt_link_parser *parser, enum vmrt_message_type type,
	const char *who, int64_t deadline_ns, int stop_fd, struct vmrt_cursor *c,
	struct vmrt_error *err)
{
	struct vmrt_message m;
	enum vmrt_status status = link_read(fd, parser, &m, deadline_ns, stop_fd, err);

	if (status != VMRT_OK)
		return status;
	*c = (struct vmrt_cursor){m.payload, m.payload + m.size, false};
	if (m.type == type)
		return VMRT_OK;
	if (m.type == VMRT_MSG_ERROR)
		return vmrt_fail(err, VMRT_EPERM, "%s does not know the same secret", who);
	return vmrt_fail(err, VMRT_EPROTO, "%s does not begin with a proof of the secret", who);
}

enum vmrt_status vmrt_secret_prove(int fd, struct vmrt_link_parser *parser,
	const struct vmrt_secret *secret, const char *who, int64_t deadline_ns, int stop_fd,
	struct vmrt_error *err)
{
	uint8_t proof[SHA256_DIGEST_SIZE];
	struct vmrt_secret_nonces nonces;
	struct vmrt_buf buf = {0};
	struct vmrt_cursor c;
	const void *bytes;
	enum vmrt_status status = make_nonce(nonces.host, err);
	uint32_t version;

	if (status == VMRT_OK)
		status = expect(fd, parser, VMRT_MSG_CHALLENGE, who, deadline_ns, stop_fd, &c, err);
	if (status != VMRT_OK)
		return status;
	version = vmrt_cursor_u32(&c);
	if (!c.failed && version != VMRT_LINK_VERSION)
		return vmrt_link_version_error(who, version, err);
	bytes = vmrt_cursor_bytes(&c, sizeof(nonces.guest));
	if (!bytes)
		return vmrt_fail(err, VMRT_EPROTO, "%s sent a malformed challenge", who);
	memcpy(nonces.guest, bytes, sizeof(nonces.guest));
	secret_proof(secret, VMRT_SECRET_HOST, &nonces, proof);
	vmrt_link_begin(&buf, VMRT_MSG_PROOF);
	vmrt_buf_put(&buf, nonces.host, sizeof(nonces.host));
	vmrt_buf_put(&buf, proof, sizeof(proof));
	status = send(fd, &buf, deadline_ns, stop_fd, err);
	if (status == VMRT_OK)
		status = expect(fd, parser, VMRT_MSG_PROVEN, who, deadline_ns, stop_fd, &c, err);
	if (status != VMRT_OK)
		return status;
	bytes = vmrt_cursor_bytes(&c, sizeof(proof));
	secret_proof(secret, VMRT_SECRET_GUEST, &nonces, proof);
	if (!bytes || !memeql_sec(bytes, proof, SHA256_DIGEST_SIZE))
		return vmrt_fail(err, VMRT_EPERM, "%s does not know the same secret", who);
	return VMRT_OK;
}

static void send_refusal(int fd, int64_t deadline_ns, int stop_fd)
{
	struct vmrt_buf buf = {0};

	vmrt_link_begin(&buf, VMRT_MSG_ERROR);
	vmrt_buf_put_text(&buf, "the proof of the secret is wrong");
	send(fd, &buf, deadline_ns, stop_fd, NULL);
}

enum vmrt_status vmrt_secret_ask(int fd, struct vmrt_secret_nonces *nonces, int64_t deadline_ns,
	int stop_fd, struct vmrt_error *err)
{
	struct vmrt_buf buf = {0};
	enum vmrt_status status = make_nonce(nonces->guest, err);

	if (status != VMRT_OK)
		return status;
	vmrt_link_begin(&buf, VMRT_MSG_CHALLENGE);
	vmrt_buf_put_u32(&buf, VMRT_LINK_VERSION);
	vmrt_buf_put(&buf, nonces->guest, sizeof(nonces->guest));
	return send(fd, &buf, deadline_ns, stop_fd, err);
}

enum vmrt_status vmrt_secret_judge(int fd, struct vmrt_link_parser *parser,
	const struct vmrt_secret *secret, struct vmrt_secret_nonces *nonces, int64_t deadline_ns,
	int stop_fd, struct vmrt_error *err)
{
	uint8_t proof[SHA256_DIGEST_SIZE];
	const uint8_t *host, *bytes;
	struct vmrt_buf buf = {0};
	struct vmrt_cursor c;
	enum vmrt_status status =
		expect(fd, parser, VMRT_MSG_PROOF, "the recorder", deadline_ns, stop_fd, &c, err);

	if (status != VMRT_OK)
		return status;
	host = vmrt_cursor_bytes(&c, sizeof(nonces->host));
	bytes = vmrt_cursor_bytes(&c, sizeof(proof));
	if (host)
		memcpy(nonces->host, host, sizeof(nonces->host));
	secret_proof(secret, VMRT_SECRET_HOST, nonces, proof);
	/* a client that does not know the secret gets no proof, because it could use the proof to
	 * guess the secret
	 */
	if (!bytes || !memeql_sec(bytes, proof, SHA256_DIGEST_SIZE)) {
		send_refusal(fd, deadline_ns, stop_fd);
		return vmrt_fail(err, VMRT_EPERM, "the recorder does not know the same secret");
	}
	secret_proof(secret, VMRT_SECRET_GUEST, nonces, proof);
	vmrt_link_begin(&buf, VMRT_MSG_PROVEN);
	vmrt_buf_put(&buf, proof, sizeof(proof));
	return send(fd, &buf, deadline_ns, stop_fd, err);
}
