/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COMMON_BUF_H
#define VMRT_COMMON_BUF_H

/* A growing block of bytes with little-endian numbers. Running out of memory is remembered. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmrt_buf {
	uint8_t *data;
	size_t used, room;
	bool failed;
};

void vmrt_buf_put(struct vmrt_buf *buf, const void *data, size_t size);
void vmrt_buf_put_u8(struct vmrt_buf *buf, uint8_t value);
void vmrt_buf_put_u16(struct vmrt_buf *buf, uint16_t value);
void vmrt_buf_put_u32(struct vmrt_buf *buf, uint32_t value);
void vmrt_buf_put_u64(struct vmrt_buf *buf, uint64_t value);

/** vmrt_buf_put_text - a text with its NUL */
void vmrt_buf_put_text(struct vmrt_buf *buf, const char *text);

/** vmrt_buf_printf - text without NUL */
void vmrt_buf_printf(struct vmrt_buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** vmrt_buf_set_u32, vmrt_buf_set_u64 - overwrite a number that was put before */
void vmrt_buf_set_u32(struct vmrt_buf *buf, size_t at, uint32_t value);
void vmrt_buf_set_u64(struct vmrt_buf *buf, size_t at, uint64_t value);

/** vmrt_buf_take - the bytes with a NUL behind them, to be freed by the caller; NULL if it failed
 */
char *vmrt_buf_take(struct vmrt_buf *buf);

void vmrt_buf_free(struct vmrt_buf *buf);

/* Reading; running over the end is remembered and gives zeros. */
struct vmrt_cursor {
	const uint8_t *at, *end;
	bool failed;
};

uint32_t vmrt_cursor_u32(struct vmrt_cursor *cursor);
uint64_t vmrt_cursor_u64(struct vmrt_cursor *cursor);

/** vmrt_cursor_bytes - @size bytes, or NULL */
const void *vmrt_cursor_bytes(struct vmrt_cursor *cursor, size_t size);

/** vmrt_cursor_text - a NUL-terminated text of less than @max bytes, in place; NULL if there is
 * none */
const char *vmrt_cursor_text(struct vmrt_cursor *cursor, size_t max);

#endif
