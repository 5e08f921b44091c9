/* SPDX-License-Identifier: MIT */
/* A growing block of bytes with little-endian numbers. */
#include "buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 256

/* Room for @size more bytes and a NUL. */
static bool grow(struct vmrt_buf *buf, size_t size)
{
	size_t room = buf->room ? buf->room : FIRST_ROOM;
	uint8_t *more;

	if (buf->failed || size > SIZE_MAX / 4 - buf->used) {
		buf->failed = true;
		return false;
	}
	if (buf->used + size < buf->room)
		return true;
	while (room <= buf->used + size)
		room *= 2;
	more = realloc(buf->data, room);
	if (!more) {
		buf->failed = true;
		return false;
	}
	buf->data = more;
	buf->room = room;
	return true;
}

void vmrt_buf_put(struct vmrt_buf *buf, const void *data, size_t size)
{
	if (!size || !grow(buf, size))
		return;
	memcpy(buf->data + buf->used, data, size);
	buf->used += size;
}

static void encode(uint8_t *out, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t decode(const uint8_t *in, size_t size)
{
	uint64_t value = 0;

	for (size_t i = 0; i < size; i++)
		value |= (uint64_t)in[i] << (8 * i);
	return value;
}

static void put_number(struct vmrt_buf *buf, uint64_t value, size_t size)
{
	uint8_t bytes[8];

	encode(bytes, value, size);
	vmrt_buf_put(buf, bytes, size);
}

void vmrt_buf_put_u8(struct vmrt_buf *buf, uint8_t value)
{
	put_number(buf, value, 1);
}

void vmrt_buf_put_u16(struct vmrt_buf *buf, uint16_t value)
{
	put_number(buf, value, 2);
}

void vmrt_buf_put_u32(struct vmrt_buf *buf, uint32_t value)
{
	put_number(buf, value, 4);
}

void vmrt_buf_put_u64(struct vmrt_buf *buf, uint64_t value)
{
	put_number(buf, value, 8);
}

void vmrt_buf_put_text(struct vmrt_buf *buf, const char *text)
{
	vmrt_buf_put(buf, text, strlen(text) + 1);
}

void vmrt_buf_printf(struct vmrt_buf *buf, const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len < 0 || !grow(buf, (size_t)len + 1))
		return;
	va_start(ap, fmt);
	vsnprintf((char *)buf->data + buf->used, (size_t)len + 1, fmt, ap);
	va_end(ap);
	buf->used += (size_t)len;
}

void vmrt_buf_set_u32(struct vmrt_buf *buf, size_t at, uint32_t value)
{
	if (!buf->failed && at + 4 <= buf->used)
		encode(buf->data + at, value, 4);
}

void vmrt_buf_set_u64(struct vmrt_buf *buf, size_t at, uint64_t value)
{
	if (!buf->failed && at + 8 <= buf->used)
		encode(buf->data + at, value, 8);
}

char *vmrt_buf_take(struct vmrt_buf *buf)
{
	char *text = NULL;

	if (grow(buf, 1)) {
		buf->data[buf->used] = '\0';
		text = (char *)buf->data;
		buf->data = NULL;
	}
	vmrt_buf_free(buf);
	return text;
}

void vmrt_buf_free(struct vmrt_buf *buf)
{
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

const void *vmrt_cursor_bytes(struct vmrt_cursor *cursor, size_t size)
{
	const void *at = cursor->at;

	if (cursor->failed || size > (size_t)(cursor->end - cursor->at)) {
		cursor->failed = true;
		return NULL;
	}
	cursor->at += size;
	return at;
}

uint32_t vmrt_cursor_u32(struct vmrt_cursor *cursor)
{
	const uint8_t *bytes = vmrt_cursor_bytes(cursor, 4);

	return bytes ? (uint32_t)decode(bytes, 4) : 0;
}

uint64_t vmrt_cursor_u64(struct vmrt_cursor *cursor)
{
	const uint8_t *bytes = vmrt_cursor_bytes(cursor, 8);

	return bytes ? decode(bytes, 8) : 0;
}

const char *vmrt_cursor_text(struct vmrt_cursor *cursor, size_t max)
{
	size_t left = (size_t)(cursor->end - cursor->at), len;

	if (cursor->failed)
		return NULL;
	len = strnlen((const char *)cursor->at, left < max ? left : max);
	if (len == left || len >= max) {
		cursor->failed = true;
		return NULL;
	}
	return vmrt_cursor_bytes(cursor, len + 1);
}
