/* SPDX-License-Identifier: MIT */
#ifndef VMRT_FILES_H
#define VMRT_FILES_H

/* Small helpers for whole files and whole writes. */

#include <stddef.h>

#include <vmrt/status.h>

/**
 * vmrt_read_file - read a whole file, also one of /proc or tracefs whose size is not known
 * @path: the file
 * @max: more bytes than this is an error
 * @out: the bytes with a NUL behind them; free() it
 * @size: how many bytes, without the NUL; may be NULL
 *
 * Return: VMRT_OK, VMRT_ENOENT, VMRT_EPERM, VMRT_ERANGE (too big), VMRT_EIO or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_read_file(
	const char *path, size_t max, char **out, size_t *size, struct vmrt_error *err);

/** vmrt_write_file - create or replace @path with @size bytes of @data; VMRT_OK or an error */
enum vmrt_status vmrt_write_file(
	const char *path, const void *data, size_t size, struct vmrt_error *err);

/** vmrt_write_all - write(2) everything, also over EINTR and short writes; 0 or -1 with errno */
int vmrt_write_all(int fd, const void *data, size_t size);

/** vmrt_path - "DIR/NAME" in @buf (@room bytes); VMRT_OK or VMRT_ERANGE if it does not fit */
enum vmrt_status vmrt_path(char *buf, size_t room, const char *dir, const char *name);

#endif
