/* SPDX-License-Identifier: MIT */
#include "sha256.h"

#include <string.h>

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
static const uint32_t constants[64] = {
	0x428a2f98,
	0x71374491,
	0xb5c0fbcf,
	0xe9b5dba5,
	0x3956c25b,
	0x59f111f1,
	0x923f82a4,
	0xab1c5ed5,
	0xd807aa98,
	0x12835b01,
	0x243185be,
	0x550c7dc3,
	0x72be5d74,
	0x80deb1fe,
	0x9bdc06a7,
	0xc19bf174,
	0xe49b69c1,
	0xefbe4786,
	0x0fc19dc6,
	0x240ca1cc,
	0x2de92c6f,
	0x4a7484aa,
	0x5cb0a9dc,
	0x76f988da,
	0x983e5152,
	0xa831c66d,
	0xb00327c8,
	0xbf597fc7,
	0xc6e00bf3,
	0xd5a79147,
	0x06ca6351,
	0x14292967,
	0x27b70a85,
	0x2e1b2138,
	0x4d2c6dfc,
	0x53380d13,
	0x650a7354,
	0x766a0abb,
	0x81c2c92e,
	0x92722c85,
	0xa2bfe8a1,
	0xa81a664b,
	0xc24b8b70,
	0xc76c51a3,
	0xd192e819,
	0xd6990624,
	0xf40e3585,
	0x106aa070,
	0x19a4c116,
	0x1e376c08,
	0x2748774c,
	0x34b0bcb5,
	0x391c0cb3,
	0x4ed8aa4a,
	0x5b9cca4f,
	0x682e6ff3,
	0x748f82ee,
	0x78a5636f,
	0x84c87814,
	0x8cc70208,
	0x90befffa,
	0xa4506ceb,
	0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static uint32_t word_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void word_to(uint8_t *p, uint32_t word)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(word >> (24 - 8 * i));
}

static void compress(uint32_t state[8], const uint8_t *block)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++)
		w[i] = word_at(block + (ptrdiff_t)4 * i);
	for (int i = 16; i < 64; i++) {
		uint32_t s0 = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;

		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
	memcpy(v, state, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
		uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[i] + w[i];
		uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
		uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(*v));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

void vmrt_sha256_init(struct vmrt_sha256 *s)
{
	/* the first 32 bits of the fractional parts of the square roots of the first 8 primes */
	static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

	memcpy(s->state, start, sizeof(start));
	s->length = 0;
}

void vmrt_sha256_add(struct vmrt_sha256 *s, const void *data, size_t size)
{
	const uint8_t *p = data;

	while (size) {
		size_t at = s->length % VMRT_SHA256_BLOCK, n = VMRT_SHA256_BLOCK - at;

		if (n > size)
			n = size;
		memcpy(s->block + at, p, n);
		s->length += n;
		p += n;
		size -= n;
		if (at + n == VMRT_SHA256_BLOCK)
			compress(s->state, s->block);
	}
}

void vmrt_sha256_end(struct vmrt_sha256 *s, uint8_t out[VMRT_SHA256_SIZE])
{
	static const uint8_t padding[VMRT_SHA256_BLOCK] = {0x80};
	uint64_t bits = s->length * 8;
	size_t at = s->length % VMRT_SHA256_BLOCK;
	uint8_t tail[8];

	word_to(tail, (uint32_t)(bits >> 32));
	word_to(tail + 4, (uint32_t)bits);
	vmrt_sha256_add(s, padding, (at < 56 ? 56 : 120) - at);
	vmrt_sha256_add(s, tail, sizeof(tail));
	for (int i = 0; i < 8; i++)
		word_to(out + (ptrdiff_t)4 * i, s->state[i]);
}

void vmrt_hmac_init(struct vmrt_hmac *h, const void *key, size_t key_size)
{
	uint8_t block[VMRT_SHA256_BLOCK] = {0};

	if (key_size > sizeof(block)) {
		vmrt_sha256_init(&h->inner);
		vmrt_sha256_add(&h->inner, key, key_size);
		vmrt_sha256_end(&h->inner, block);
	} else if (key_size) {
		memcpy(block, key, key_size);
	}
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] ^= 0x36;
	vmrt_sha256_init(&h->inner);
	vmrt_sha256_add(&h->inner, block, sizeof(block));
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] ^= 0x36 ^ 0x5c;
	vmrt_sha256_init(&h->outer);
	vmrt_sha256_add(&h->outer, block, sizeof(block));
	explicit_bzero(block, sizeof(block));
}

void vmrt_hmac_add(struct vmrt_hmac *h, const void *data, size_t size)
{
	vmrt_sha256_add(&h->inner, data, size);
}

void vmrt_hmac_end(struct vmrt_hmac *h, uint8_t out[VMRT_SHA256_SIZE])
{
	uint8_t inner[VMRT_SHA256_SIZE];

	vmrt_sha256_end(&h->inner, inner);
	vmrt_sha256_add(&h->outer, inner, sizeof(inner));
	vmrt_sha256_end(&h->outer, out);
	explicit_bzero(h, sizeof(*h));
}
