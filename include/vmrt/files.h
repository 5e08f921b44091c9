/* SPDX-License-Identifier: MIT */
#ifndef VMRT_FILES_H
#define VMRT_FILES_H

/* Small helpers for whole files and whole writes. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <vmrt/status.h>

/**
 * vmrt_open_file - open a file for reading, and nothing else: a FIFO or a device in its place, on
 * which the program would wait, is refused
 * @flags: such as O_NOFOLLOW, or 0
 *
 * What is below /dev and /proc may be anything.
 *
 * Return: a descriptor, or -1 with @err and errno.
 */
int vmrt_open_file(const char *path, int flags, struct vmrt_error *err);

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

/*
 * A folder may belong to a stranger, who has put links in the place of files: what is written there
 * is made anew under a handle of the folder, and what is changed there must be a plain file.
 */

/**
 * vmrt_create_file - make @path anew for writing; a file or a link of that name is removed before
 * @flags: O_WRONLY or O_RDWR
 * @mode: permissions, less the umask
 *
 * Devices and descriptors (/dev/stdout, /dev/fd/N) are opened as they are. What else is there and
 * neither a file nor a link, such as a FIFO, is left alone: EEXIST.
 *
 * Return: a descriptor, or -1 with errno.
 */
int vmrt_create_file(const char *path, int flags, mode_t mode);

/** vmrt_open_update - @path for reading and writing, if it is a file with one name and no link;
 * returns a descriptor, or -1 with errno */
int vmrt_open_update(const char *path);

/** vmrt_is_link - is @path itself a symbolic link? */
bool vmrt_is_link(const char *path);

/** vmrt_recording_mode - permissions of recordings that are made from now on; 0600 before */
void vmrt_recording_mode(mode_t mode);

/** vmrt_create_recording - vmrt_create_file() with the permissions of recordings, for reading and
 * writing */
int vmrt_create_recording(const char *path);

/** vmrt_write_file - create or replace @path with @size bytes of @data; VMRT_OK or an error */
enum vmrt_status vmrt_write_file(
	const char *path, const void *data, size_t size, struct vmrt_error *err);

/**
 * vmrt_replace_file - write @path so that readers see the old file or the whole new one
 * @suffix: the new file is @path with this suffix until it is complete
 *
 * Return: VMRT_OK, or an error; @path is then as it was.
 */
enum vmrt_status vmrt_replace_file(const char *path, const char *suffix, const void *data,
	size_t size, struct vmrt_error *err);

/** vmrt_write_all - write(2) everything, also over EINTR and short writes; 0 or -1 with errno */
int vmrt_write_all(int fd, const void *data, size_t size);

/** vmrt_path - "DIR/NAME" in @buf (@room bytes); VMRT_OK or VMRT_ERANGE if it does not fit */
enum vmrt_status vmrt_path(char *buf, size_t room, const char *dir, const char *name);

/* What a path stands for. */
enum vmrt_file_kind {
	VMRT_KIND_MISSING,
	VMRT_KIND_FOLDER,
	VMRT_KIND_EMPTY,
	VMRT_KIND_TRACE,   /* trace.dat */
	VMRT_KIND_PERF,	   /* perf.data */
	VMRT_KIND_PACKED,  /* gzip, zstd, xz or bzip2 */
	VMRT_KIND_LISTING, /* events as text: tracefs' trace, or trace-cmd report */
	VMRT_KIND_SQLITE,  /* any database of SQLite */
	VMRT_KIND_OTHER,
};

/** vmrt_file_kind - what @path is, by its first bytes */
enum vmrt_file_kind vmrt_file_kind(const char *path);

/**
 * vmrt_fail_file - @path is not what is wanted: say what it is, and what to do with that
 * @wanted: "a run", "a trace.dat file"
 *
 * Return: VMRT_ENOENT if there is nothing, or a folder without a recording; else VMRT_EFORMAT.
 */
enum vmrt_status vmrt_fail_file(struct vmrt_error *err, const char *path, const char *wanted);

#endif
