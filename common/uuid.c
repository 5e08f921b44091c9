/* SPDX-License-Identifier: MIT */
/* Makes the UUIDs that identify runs: random ones, and ones that are made from a file. */
#include <vmrt/uuid.h>

#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define UUID_BYTES 16
#define VERSION_AT 14  /* in the text */
#define PART (1 << 20) /* bytes of the beginning and of the end of a file */

static void print(uint8_t bytes[UUID_BYTES], unsigned version, char *buf)
{
	char *p = buf;

	bytes[6] = (uint8_t)(version << 4 | (bytes[6] & 0x0f));
	bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
	for (size_t i = 0; i < UUID_BYTES; i++)
		p += sprintf(
			p, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
}

enum vmrt_status vmrt_uuid_random(char *buf, struct vmrt_error *err)
{
	uint8_t bytes[UUID_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
		return vmrt_fail_errno(err, errno, "cannot make a UUID");
	print(bytes, 4, buf);
	return VMRT_OK;
}

/* Adds the bytes from @from to @to of the file to the hash; returns an errno value, or 0. */
static int add_part(struct sha256_ctx *hash, int fd, int64_t from, int64_t to)
{
	uint8_t block[16384];

	while (from < to) {
		size_t want =
			to - from < (int64_t)sizeof(block) ? (size_t)(to - from) : sizeof(block);
		ssize_t got = pread(fd, block, want, from);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? errno : EIO;
		sha256_update(hash, (size_t)got, block);
		from += got;
	}
	return 0;
}

enum vmrt_status vmrt_uuid_of_file(const char *path, char *buf, struct vmrt_error *err)
{
	uint8_t digest[SHA256_DIGEST_SIZE], size[8];
	struct sha256_ctx hash;
	struct stat st;
	int errnum = 0, fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot open %s", path);
	if (fstat(fd, &st) != 0)
		errnum = errno;
	else if (!S_ISREG(st.st_mode))
		errnum = EINVAL;
	sha256_init(&hash);
	for (int i = 0; i < 8; i++)
		size[i] = (uint8_t)((uint64_t)st.st_size >> 8 * i);
	sha256_update(&hash, sizeof(size), size);
	if (!errnum)
		errnum = add_part(&hash, fd, 0, st.st_size < PART ? st.st_size : PART);
	if (!errnum)
		errnum = add_part(
			&hash, fd, st.st_size < 2 * PART ? PART : st.st_size - PART, st.st_size);
	close(fd);
	if (errnum)
		return vmrt_fail_errno(err, errnum, "cannot read %s", path);
	sha256_digest(&hash, sizeof(digest), digest);
	print(digest, 8, buf);
	return VMRT_OK;
}

bool vmrt_uuid_valid(const char *text)
{
	if (strlen(text) != VMRT_UUID_TEXT - 1)
		return false;
	for (size_t i = 0; text[i]; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !strchr("0123456789abcdef", text[i]))
			return false;
	}
	return true;
}

bool vmrt_uuid_is_derived(const char *text)
{
	return vmrt_uuid_valid(text) && text[VERSION_AT] == '8';
}
