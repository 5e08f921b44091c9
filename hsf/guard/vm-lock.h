/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_GUARD_VM_LOCK_H
#define VMRT_HSF_GUARD_VM_LOCK_H

/* One vmrt-hsf per VM: a lock for each process that is scheduled. */

#include <sys/types.h>

#include <vmrt/status.h>

/**
 * vm_lock - nobody else's vmrt-hsf may schedule process @pid
 * @fd: holds the lock as long as it, or what inherits it, is open; -1 where there is no folder for
 * it
 *
 * The lock lies in HSF_CONTROL_FOLDER, which only root may change: on a file of the process, every
 * user could hold it.
 *
 * Return: VMRT_OK; VMRT_EEXIST: another vmrt-hsf holds it; VMRT_ENOENT: the process has ended; or
 * as errno says.
 */
enum vmrt_status vm_lock(pid_t pid, int *fd, struct vmrt_error *err);

/** vm_unlock - give the lock up, also where the guardian has @fd open too; -1 is allowed */
void vm_unlock(int fd);

/** vm_lock_sweep - remove files of locks that nobody holds */
void vm_lock_sweep(void);

#endif
