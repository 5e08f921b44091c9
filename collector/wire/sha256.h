/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_WIRE_SHA256_H
#define VMRT_COLLECTOR_WIRE_SHA256_H

/*
 * SHA-256 (FIPS 180-4) and HMAC with it (RFC 2104). Of our own, because the agent is one static
 * program that has to run in any guest: the kernel's AF_ALG is a module that small guests lack.
 */

#include <stddef.h>
#include <stdint.h>

#define VMRT_SHA256_SIZE 32
#define VMRT_SHA256_BLOCK 64

struct vmrt_sha256 {
	uint32_t state[8];
	uint64_t length; /* bytes so far */
	uint8_t block[VMRT_SHA256_BLOCK];
};

void vmrt_sha256_init(struct vmrt_sha256 *s);
void vmrt_sha256_add(struct vmrt_sha256 *s, const void *data, size_t size);
void vmrt_sha256_end(struct vmrt_sha256 *s, uint8_t out[VMRT_SHA256_SIZE]);

struct vmrt_hmac {
	struct vmrt_sha256 inner, outer;
};

void vmrt_hmac_init(struct vmrt_hmac *h, const void *key, size_t key_size);
void vmrt_hmac_add(struct vmrt_hmac *h, const void *data, size_t size);
void vmrt_hmac_end(struct vmrt_hmac *h, uint8_t out[VMRT_SHA256_SIZE]);

#endif
