/* SPDX-License-Identifier: MIT */
#ifndef VMRT_ADVISE_H
#define VMRT_ADVISE_H

/* Advises which server each VM should get, for programs other than vmrt-report. */

#include <vmrt/status.h>

/**
 * vmrt_advise_text - advise servers with the usual options
 * @origin: a run folder, a database or an experiment file
 * @out: text of an experiment file with servers and tasks, whose comments say the reasons; free it
 *
 * Return: VMRT_OK; VMRT_EINVAL if no task is in a VM, or an execution time is missing.
 */
enum vmrt_status vmrt_advise_text(const char *origin, char **out, struct vmrt_error *err);

#endif
