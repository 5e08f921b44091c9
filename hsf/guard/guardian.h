/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_GUARD_GUARDIAN_H
#define VMRT_HSF_GUARD_GUARDIAN_H

/* Stores the former settings of threads where they outlive any process (guardian-table.c), and
 * restores them (guardian.c). */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <vmrt/status.h>

struct hsf_guardian;

/**
 * hsf_guardian_start - fork the processes that outlive this one
 * @out: end it with hsf_guardian_finish()
 *
 * To be called before this process has threads, and before it opens descriptors that must not stay
 * open in the forked processes.
 */
enum vmrt_status hsf_guardian_start(struct hsf_guardian **out, struct vmrt_error *err);

/** hsf_guardian_hold - keep @fd, which holds a lock on a VM, open until all settings are
 * restored */
void hsf_guardian_hold(struct hsf_guardian *g, int fd);

/**
 * hsf_guardian_add - note the settings of thread @tid of process @pid, before they are changed
 *
 * Return: VMRT_OK, VMRT_ENOENT (no such thread), VMRT_EUNSUPPORTED (SCHED_DEADLINE), VMRT_ERANGE
 * (too many).
 */
enum vmrt_status hsf_guardian_add(
	struct hsf_guardian *g, pid_t pid, pid_t tid, struct vmrt_error *err);

/** hsf_guardian_stops - as hsf_guardian_add for the main thread of @pid, and whatever comes, it
 * will not stay stopped */
enum vmrt_status hsf_guardian_stops(struct hsf_guardian *g, pid_t pid, struct vmrt_error *err);

/** hsf_guardian_restore - give thread @tid its settings back and forget it; 0, or -1 if it could
 * not get them */
int hsf_guardian_restore(struct hsf_guardian *g, pid_t tid);

/** hsf_guardian_fds - descriptors that become readable if one of the two processes has died too
 * early */
void hsf_guardian_fds(const struct hsf_guardian *g, int fds[2]);

/**
 * hsf_guardian_finish - let the guardian restore all settings, wait for it, and free @g
 *
 * Return: how many threads that still exist could not be given their settings back.
 */
int hsf_guardian_finish(struct hsf_guardian *g);

/* ---- for guardian.c: the table ---- */

struct hsf_table;

/**
 * hsf_table_open - an empty table, in a file of HSF_CONTROL_FOLDER if that can be had
 *
 * Whoever holds the file open, also by inheritance, keeps it from being taken for a left-over.
 */
enum vmrt_status hsf_table_open(struct hsf_table **out, struct vmrt_error *err);

/** hsf_table_add - note the settings that thread @tid of process @pid has now (hsf_guardian_add) */
enum vmrt_status hsf_table_add(struct hsf_table *t, pid_t pid, pid_t tid, struct vmrt_error *err);

/** hsf_table_stops - process @pid may be stopped from now on; it will be made to go on when
 * settings are given back */
enum vmrt_status hsf_table_stops(struct hsf_table *t, pid_t pid, struct vmrt_error *err);

/** hsf_table_restore - give all threads that still exist their settings back; returns how many
 * could not */
int hsf_table_restore(struct hsf_table *t);

/**
 * hsf_table_restore_thread - give thread @tid its settings back and forget it
 *
 * Return: 0, also if it is not noted or has ended; -1 if it could not get them.
 */
int hsf_table_restore_thread(struct hsf_table *t, pid_t tid);

/** hsf_table_restored - has any process that shares the table restored all settings? */
bool hsf_table_restored(const struct hsf_table *t);

/** hsf_table_failed - how many threads could not get their settings back in hsf_table_restore() */
int hsf_table_failed(const struct hsf_table *t);

/** hsf_table_fd - the file's descriptor, or -1; for a process that closes all other descriptors */
int hsf_table_fd(const struct hsf_table *t);

/** hsf_table_close - remove the file if all was given back, and free; NULL is allowed */
void hsf_table_close(struct hsf_table *t);

/**
 * hsf_table_recover - restore the settings that the tables of killed instances hold
 * @threads: how many threads had other settings, and got their former ones back
 *
 * Return: how many threads could not be given theirs.
 */
int hsf_table_recover(int *threads);

#endif
