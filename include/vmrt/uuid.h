/* SPDX-License-Identifier: MIT */
#ifndef VMRT_UUID_H
#define VMRT_UUID_H

/* UUIDs of runs (RFC 9562): made at recording, or derived from what was recorded. */

#include <stdbool.h>

#include <vmrt/status.h>

#define VMRT_UUID_TEXT                                                                             \
	37 /* bytes of the text with its end, as in 01234567-89ab-4cde-8f01-23456789abcd */

/** vmrt_uuid_random - write a new UUID (version 4) into @buf, of VMRT_UUID_TEXT bytes; VMRT_OK, or
 * the error if the kernel gave no random numbers */
enum vmrt_status vmrt_uuid_random(char *buf, struct vmrt_error *err);

/**
 * vmrt_uuid_of_file - the UUID that belongs to the contents of a file (version 8)
 * @path: a regular file
 * @buf: of VMRT_UUID_TEXT bytes
 *
 * The UUID is made from the SHA-256 of the file's size, its first and its last MiB. So it does not
 * depend on the file's path, and is made quickly for a large file.
 */
enum vmrt_status vmrt_uuid_of_file(const char *path, char *buf, struct vmrt_error *err);

/** vmrt_uuid_valid - is @text a UUID in lower case, as vmrt writes it? */
bool vmrt_uuid_valid(const char *text);

/** vmrt_uuid_is_derived - was the UUID @text made by vmrt_uuid_of_file()? */
bool vmrt_uuid_is_derived(const char *text);

#endif
