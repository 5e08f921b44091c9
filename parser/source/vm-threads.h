/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_VM_THREADS_H
#define VMRT_PARSER_SOURCE_VM_THREADS_H

/* What the threads of VMs did that a reader of the report must know: vCPUs that shared a CPU, and
 * helper threads that took time above the servers. */

#include <vmrt/engine.h>

struct rundb;
struct vm_threads;

/** vm_threads_new - watches what goes into @sink, which is changed for that; NULL: out of memory */
struct vm_threads *vm_threads_new(const struct vmrt_engine_config *config, struct vmrt_sink *sink);

/** vm_threads_note - write what was seen into @db */
void vm_threads_note(const struct vm_threads *w, struct rundb *db);

/** vm_threads_free - free @w; NULL is allowed */
void vm_threads_free(struct vm_threads *w);

#endif
