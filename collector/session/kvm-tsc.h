/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_SESSION_KVM_TSC_H
#define VMRT_COLLECTOR_SESSION_KVM_TSC_H

/* What debugfs shows of KVM and the time-stamp counter of a guest. */

#include <sys/types.h>

#include <vmrt/clock.h>

#define VMRT_KVM_DEBUGFS "/sys/kernel/debug/kvm"

/**
 * vmrt_kvm_tsc_read - what KVM adds to the host's time-stamp counter for the guest of process @pid
 * @debugfs: VMRT_KVM_DEBUGFS, or a folder that looks like it
 * @out: all zeros if unknown
 *
 * Return: VMRT_OK; VMRT_ENOENT if debugfs does not show it, or if the values of the vCPUs differ.
 */
enum vmrt_status vmrt_kvm_tsc_read(const char *debugfs, pid_t pid, struct vmrt_kvm_tsc *out);

/** vmrt_kvm_tsc_keep - compare @tsc, read earlier, with what debugfs shows now; forget @tsc if the
 * two differ */
void vmrt_kvm_tsc_keep(const char *debugfs, pid_t pid, struct vmrt_kvm_tsc *tsc);

#endif
