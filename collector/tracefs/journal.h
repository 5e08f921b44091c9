/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_TRACEFS_JOURNAL_H
#define VMRT_COLLECTOR_TRACEFS_JOURNAL_H

/*
 * The journal tells `vmrt-trace reset` that a recording has not ended. It is a file in the run
 * folder with the name of the tracefs instance. There is also a link, named after the instance, in
 * a folder where only root (or the user) can write: its text is the device, the inode and the path
 * of the run folder.
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
 * vmrt_journal_read_own - vmrt_journal_read(), for a journal that must be written by the caller's
 * user
 *
 * Salvage moves the content of the instance into the run folder. A journal that a stranger wrote
 * could name the instance of somebody else's recording.
 *
 * Return: as vmrt_journal_read(); VMRT_EPERM if the journal belongs to another user.
 */
enum vmrt_status vmrt_journal_read_own(
	const char *run, char instance[VMRT_JOURNAL_NAME], struct vmrt_error *err);

/**
 * vmrt_journal_belongs - did the recorder that made @instance record into the folder @run?
 *
 * The journal alone proves that only in a folder into which nobody else can write: a stranger who
 * owns the folder can move the journal to another one, whose files the stranger can read.
 */
bool vmrt_journal_belongs(const char *run, const char *instance);

/** vmrt_journal_remove - note that the recording is finished */
void vmrt_journal_remove(const char *run, const char *instance);

/** vmrt_journal_owner_lives - does the process that made @instance still run? */
bool vmrt_journal_owner_lives(const char *instance);

/** vmrt_journal_each - call @found with the run folder of each unfinished recording of this machine
 */
void vmrt_journal_each(void (*found)(void *ctx, const char *run), void *ctx);

#endif
