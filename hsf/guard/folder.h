/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_GUARD_FOLDER_H
#define VMRT_HSF_GUARD_FOLDER_H

/* The folder that all running instances of vmrt-hsf share: sockets, locks, and tables of former
 * settings. */

#include <vmrt/status.h>

#define HSF_CONTROL_FOLDER "/run/vmrt-hsf"

/** hsf_control_folder - make HSF_CONTROL_FOLDER; VMRT_EPERM if others than root and we could change
 * it */
enum vmrt_status hsf_control_folder(struct vmrt_error *err);

#endif
