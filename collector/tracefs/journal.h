/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACEFS_JOURNAL_H
#define VMRT_COLLECTOR_TRACEFS_JOURNAL_H

/*
 * The sign for `vmrt-trace reset` that a recording was not finished: a file in the run folder that
 * names the tracefs instance, and a link named after the instance, in a folder where only root (or
 * the user) writes: its text is the device and the inode of the run folder, and the path.
 */

#include <limits.h>
#include <stdbool.h>

#include <vmrt/extent.h>
#include <vmrt/status.h>

#define VMRT_JOURNAL_NAME 64

/** vmrt_journal_write - note that this recording has begun */
enum vmrt_status vmrt_journal_write(const char *run, const char *instance, struct vmrt_error *err);

/**
 * vmrt_journal_read - read which instance of tracefs an unfinished recording uses
 *
 * Return: VMRT_OK, VMRT_ENOENT if the recording in folder @run is not an unfinished one,
 * VMRT_ETRUNCATED if its recorder was killed while it wrote this, VMRT_EFORMAT...
 */
enum vmrt_status vmrt_journal_read(
	const char *run, char instance[VMRT_JOURNAL_NAME], struct vmrt_error *err);

/**
 * vmrt_journal_read_own - vmrt_journal_read(), of a journal that the caller has written
 *
 * Whoever finishes a recording moves what the instance holds into its folder: a stranger's journal
 * would name the instance of another one's recording.
 *
 * Return: as vmrt_journal_read(); VMRT_EPERM if it is of another user.
 */
enum vmrt_status vmrt_journal_read_own(
	const char *run, char instance[VMRT_JOURNAL_NAME], struct vmrt_error *err);

/**
 * vmrt_journal_belongs - did the recorder that made @instance record into the folder @run?
 *
 * The caller's own journal says so only in a folder into which nobody else may write: a stranger
 * who owns the folder can move the journal to another one, with files that the stranger can read.
 */
bool vmrt_journal_belongs(const char *run, const char *instance);

/** vmrt_journal_remove - note that the recording is finished */
void vmrt_journal_remove(const char *run, const char *instance);

/** vmrt_journal_owner_lives - is the program still there that made @instance? */
bool vmrt_journal_owner_lives(const char *instance);

/** vmrt_journal_each - call @found with the run folder of each unfinished recording of this machine
 */
void vmrt_journal_each(void (*found)(void *ctx, const char *run), void *ctx);

#endif
