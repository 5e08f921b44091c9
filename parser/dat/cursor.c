/* SPDX-License-Identifier: MIT */
/* Reads a trace.dat file within bounds: no byte outside of the file is ever read. */
#include "dat.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define CURSOR_WINDOW (64u << 10)

enum vmrt_status dat_pread(
	const struct vmrt_dat *dat, void *to, size_t size, uint64_t offset, struct vmrt_error *err)
{
	uint8_t *p = to;

	while (size) {
		ssize_t n = pread(dat->fd, p, size, (off_t)offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return vmrt_fail_errno(err, errno, "cannot read %s", dat->path);
		if (n == 0)
			return vmrt_fail(err, VMRT_ETRUNCATED,
				"%s became shorter while it was read", dat->path);
		p += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return VMRT_OK;
}

enum vmrt_status dat_cursor_file(struct dat_cursor *c, const struct vmrt_dat *dat, uint64_t pos,
	uint64_t end, struct vmrt_error *err)
{
	memset(c, 0, sizeof(*c));
	c->dat = dat;
	c->err = err;
	c->end = end < dat->file_size ? end : dat->file_size;
	c->pos = pos < c->end ? pos : c->end;
	c->window = malloc(CURSOR_WINDOW);
	c->bytes = c->window;
	if (!c->window)
		return dat_cursor_fail(c, VMRT_ENOMEM, "out of memory");
	return VMRT_OK;
}

void dat_cursor_memory(struct dat_cursor *c, const struct vmrt_dat *dat, const void *bytes,
	uint64_t size, struct vmrt_error *err)
{
	memset(c, 0, sizeof(*c));
	c->dat = dat;
	c->err = err;
	c->bytes = bytes;
	c->have = size;
	c->end = size;
}

void dat_cursor_done(struct dat_cursor *c)
{
	free(c->window);
	c->window = NULL;
}

uint64_t dat_cursor_left(const struct dat_cursor *c)
{
	return c->status == VMRT_OK ? c->end - c->pos : 0;
}

enum vmrt_status dat_cursor_fail(struct dat_cursor *c, enum vmrt_status status, const char *what)
{
	if (c->status == VMRT_OK)
		c->status = vmrt_fail(c->err, status, "%s: %s (at offset %llu)", c->dat->path, what,
			(unsigned long long)c->pos);
	return c->status;
}

/* Makes at least one byte at pos available. */
static bool fill(struct dat_cursor *c)
{
	uint64_t left = c->end - c->pos;
	size_t n = left < CURSOR_WINDOW ? (size_t)left : CURSOR_WINDOW;

	if (c->status != VMRT_OK)
		return false;
	if (c->pos >= c->base && c->pos - c->base < c->have)
		return true;
	if (!left || !c->window) {
		dat_cursor_fail(c, VMRT_ETRUNCATED, "ends within its headers");
		return false;
	}
	c->status = dat_pread(c->dat, c->window, n, c->pos, c->err);
	if (c->status != VMRT_OK)
		return false;
	c->base = c->pos;
	c->have = n;
	return true;
}

bool dat_cursor_bytes(struct dat_cursor *c, void *to, size_t size)
{
	uint8_t *p = to;

	while (size && fill(c)) {
		size_t at = (size_t)(c->pos - c->base);
		size_t n = c->have - at < size ? c->have - at : size;

		memcpy(p, c->bytes + at, n);
		p += n;
		size -= n;
		c->pos += n;
	}
	if (size)
		memset(p, 0, size);
	return size == 0;
}

bool dat_cursor_skip(struct dat_cursor *c, uint64_t size)
{
	if (c->status == VMRT_OK && size > c->end - c->pos)
		dat_cursor_fail(c, VMRT_ETRUNCATED, "ends within its headers");
	if (c->status != VMRT_OK)
		return false;
	c->pos += size;
	return true;
}

uint16_t dat_cursor_u16(struct dat_cursor *c)
{
	uint16_t v;

	dat_cursor_bytes(c, &v, sizeof(v));
	return v;
}

uint32_t dat_cursor_u32(struct dat_cursor *c)
{
	uint32_t v;

	dat_cursor_bytes(c, &v, sizeof(v));
	return v;
}

uint64_t dat_cursor_u64(struct dat_cursor *c)
{
	uint64_t v;

	dat_cursor_bytes(c, &v, sizeof(v));
	return v;
}

char *dat_cursor_text(struct dat_cursor *c, uint64_t size)
{
	char *text;

	if (c->status != VMRT_OK)
		return NULL;
	if (size > c->end - c->pos) {
		dat_cursor_fail(c, VMRT_ETRUNCATED, "ends within its headers");
		return NULL;
	}
	if (size > DAT_MAX_TEXT) {
		dat_cursor_fail(c, VMRT_EFORMAT, "has a header part of impossible size");
		return NULL;
	}
	text = malloc((size_t)size + 1);
	if (!text) {
		dat_cursor_fail(c, VMRT_ENOMEM, "out of memory");
		return NULL;
	}
	if (!dat_cursor_bytes(c, text, (size_t)size)) {
		free(text);
		return NULL;
	}
	text[size] = '\0';
	return text;
}

bool dat_cursor_word(struct dat_cursor *c, char *to, size_t room)
{
	for (size_t i = 0; i < room; i++) {
		if (!dat_cursor_bytes(c, &to[i], 1))
			break;
		if (!to[i])
			return true;
	}
	to[0] = '\0';
	dat_cursor_fail(c, VMRT_EFORMAT, "has a name that does not end");
	return false;
}
