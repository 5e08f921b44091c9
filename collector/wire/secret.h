/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_WIRE_SECRET_H
#define VMRT_COLLECTOR_WIRE_SECRET_H

/*
 * A secret that recorder and agent share, and how each proves to the other that it knows the secret
 * (docs/run-format.md, "Proof of the secret"). The secret itself is never sent.
 */

#include <stddef.h>
#include <stdint.h>

#include <nettle/sha2.h>

#include <vmrt/status.h>

#include "link.h"

#define VMRT_SECRET_LEAST 16
#define VMRT_SECRET_MOST 1024

struct vmrt_secret {
	uint8_t key[VMRT_SECRET_MOST];
	size_t size;
};

/**
 * vmrt_secret_load - read a secret from a file
 *
 * The file must belong to this user or to root, and nobody else may have access to it. Line ends
 * behind the secret are not part of it.
 *
 * Return: VMRT_OK, VMRT_EPERM, VMRT_EINVAL if it is too short or too long, or a file's error.
 */
enum vmrt_status vmrt_secret_load(
	const char *path, struct vmrt_secret *out, struct vmrt_error *err);

enum secret_role { VMRT_SECRET_HOST, VMRT_SECRET_GUEST };

/* The random numbers that a proof is made from, together with the secret. */
struct vmrt_secret_nonces {
	uint8_t guest[SHA256_DIGEST_SIZE], host[SHA256_DIGEST_SIZE];
};

/** secret_proof - compute the proof of @role, which is possible only with the secret */
void secret_proof(const struct vmrt_secret *secret, enum secret_role role,
	const struct vmrt_secret_nonces *nonces, uint8_t out[SHA256_DIGEST_SIZE]);

/**
 * vmrt_secret_prove - the recorder's side of the exchange
 * @parser: parser of the link, on which nothing was sent before
 * @who: what the other side is called in errors
 *
 * Return: VMRT_OK: the agent knows the secret; VMRT_EPERM: one of the two does not;
 * VMRT_EUNSUPPORTED: the agent has another version; VMRT_ETIMEOUT, VMRT_EINTR, VMRT_EIO,
 * VMRT_EPROTO.
 */
enum vmrt_status vmrt_secret_prove(int fd, struct vmrt_link_parser *parser,
	const struct vmrt_secret *secret, const char *who, int64_t deadline_ns, int stop_fd,
	struct vmrt_error *err);

/** vmrt_secret_ask - begin the agent's side of the exchange: send a challenge, which is stored in
 * @nonces */
enum vmrt_status vmrt_secret_ask(int fd, struct vmrt_secret_nonces *nonces, int64_t deadline_ns,
	int stop_fd, struct vmrt_error *err);

/**
 * vmrt_secret_judge - end the agent's side of the exchange: read the recorder's proof and answer it
 *
 * Return: VMRT_OK: the recorder knows the secret; VMRT_ETIMEOUT: not all of the proof has come
 * before @deadline_ns; call this again with a later deadline to go on. Other errors as
 * vmrt_secret_prove().
 */
enum vmrt_status vmrt_secret_judge(int fd, struct vmrt_link_parser *parser,
	const struct vmrt_secret *secret, struct vmrt_secret_nonces *nonces, int64_t deadline_ns,
	int stop_fd, struct vmrt_error *err);

#endif
