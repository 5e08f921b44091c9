/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DAT_DATFILE_H
#define VMRT_PARSER_DAT_DATFILE_H

/*
 * Writes a trace.dat file during a recording.
 *
 * In version 6 the data of each CPU are one piece. If the file system can remove ranges of a file
 * (ext4, xfs), each CPU writes into the file itself, far away from the others, and the empty space
 * between them is removed at the end, so that no byte is written twice. On other file systems each
 * CPU has a file of its own, PREFIX-cpuN.pages, which is moved into place at the end, piece by
 * piece.
 *
 * The file has its formats from the beginning on. Whenever the recorder dies, vmrt_datfile_resume()
 * finds what was recorded.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "datwrite.h"

struct vmrt_datfile;

/**
 * vmrt_datfile_begin - make the file and what else is needed
 * @folder, @name: the file is called NAME.dat
 * @first: what is known at the beginning
 * @out: end with vmrt_datfile_close()
 */
enum vmrt_status vmrt_datfile_begin(const char *folder, const char *name,
	const struct vmrt_dat_content *first, struct vmrt_datfile **out, struct vmrt_error *err);

/**
 * vmrt_datfile_resume - open a file that was begun and not ended
 * @table: where the table is in it
 * @cpus, @page_size: as the file says
 */
enum vmrt_status vmrt_datfile_resume(const char *folder, const char *name, size_t table,
	unsigned cpus, uint32_t page_size, struct vmrt_datfile **out, struct vmrt_error *err);

/** vmrt_datfile_whole - were all data written, so that only vmrt_datfile_reassemble() is left to
 * do? */
bool vmrt_datfile_whole(const struct vmrt_datfile *file);

/** vmrt_datfile_splice - append @n bytes of pipe @from to the data of @cpu; bytes moved, or -1 */
ssize_t vmrt_datfile_splice(struct vmrt_datfile *file, unsigned cpu, int from, size_t n);

/** vmrt_datfile_write - append whole sub-buffers to the data of @cpu; 0, or -1 with errno */
int vmrt_datfile_write(struct vmrt_datfile *file, unsigned cpu, const void *pages, size_t size);

/** vmrt_datfile_size - bytes of @cpu so far; may be asked while another thread writes */
uint64_t vmrt_datfile_size(const struct vmrt_datfile *file, unsigned cpu);

/** vmrt_datfile_free_space - bytes that may still be written to this file system */
uint64_t vmrt_datfile_free_space(const struct vmrt_datfile *file);

struct vmrt_names;

/**
 * vmrt_datfile_stop - end long work early
 * @stop: asked between pieces of a megabyte; NULL: never
 *
 * When it is not 0, vmrt_datfile_names() returns with the names so far; vmrt_datfile_end() and
 * vmrt_datfile_reassemble() fail with VMRT_EINTR if much is still to be copied, and
 * vmrt_datfile_resume() goes on there.
 */
void vmrt_datfile_stop(struct vmrt_datfile *file, int (*stop)(void));

/** vmrt_datfile_names - look for names of threads in all that was recorded */
void vmrt_datfile_names(const struct vmrt_datfile *file, struct vmrt_names *names);

/** vmrt_datfile_end - complete the file */
enum vmrt_status vmrt_datfile_end(
	struct vmrt_datfile *file, const struct vmrt_dat_content *content, struct vmrt_error *err);

/** vmrt_datfile_reassemble - for a whole file: what vmrt_datfile_end() could not finish */
enum vmrt_status vmrt_datfile_reassemble(struct vmrt_datfile *file, struct vmrt_error *err);

/** vmrt_datfile_remove - delete file NAME.dat of @folder, and what else there is of it */
void vmrt_datfile_remove(const char *folder, const char *name, unsigned cpus);

/** vmrt_datfile_close - close all files; NULL is allowed */
void vmrt_datfile_close(struct vmrt_datfile *file);

#endif
