/* SPDX-License-Identifier: MIT */
#ifndef VMRT_FILES_H
#define VMRT_FILES_H

/* Small helpers for whole files and whole writes. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <vmrt/status.h>

/**
 * vmrt_open_file - open a file for reading; a FIFO or a device is refused, because the program
 * could wait for it without end
 * @flags: such as O_NOFOLLOW, or 0
 *
 * Files of every kind are allowed below /dev and /proc.
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
 * A folder may belong to a stranger who has put links in the place of files. So a file that vmrt
 * writes is created anew through a descriptor of the folder, and a file that vmrt changes must be a
 * plain file.
 */

/**
 * vmrt_create_file - create @path for writing; a file or a link of that name is removed first
 * @flags: O_WRONLY or O_RDWR
 * @mode: permissions, less the umask
 *
 * Devices and descriptors (/dev/stdout, /dev/fd/N) are opened as they are. Anything else that is
 * neither a file nor a link, such as a FIFO, is left alone: EEXIST.
 *
 * Return: a descriptor, or -1 with errno.
 */
int vmrt_create_file(const char *path, int flags, mode_t mode);

/** vmrt_open_update - open @path for reading and writing, if it is a plain file with only one name;
 * returns a descriptor, or -1 with errno */
int vmrt_open_update(const char *path);

/** vmrt_is_link - is @path itself a symbolic link? */
bool vmrt_is_link(const char *path);

/** vmrt_recording_mode - set the permissions of recordings that are made from now on; they are 0600
 * until this is called */
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

/**
 * vmrt_program_path - the path of another program of vmrt
 *
 * A program in the folder of the running program is preferred, because both are then of the same
 * version. If there is none, @buf gets @name alone, which execvp() looks for in PATH.
 */
void vmrt_program_path(const char *name, char *buf, size_t room);

/* The kinds of files that a path may name. */
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

/** vmrt_file_kind - the kind of file that @path is, by its first bytes */
enum vmrt_file_kind vmrt_file_kind(const char *path);

/**
 * vmrt_fail_file - fill in an error for a @path that is not what is wanted: what it is, and what to
 * do with such a file
 * @wanted: "a run", "a trace.dat file"
 *
 * Return: VMRT_ENOENT if there is nothing, or a folder without a recording; else VMRT_EFORMAT.
 */
enum vmrt_status vmrt_fail_file(struct vmrt_error *err, const char *path, const char *wanted);

#endif
