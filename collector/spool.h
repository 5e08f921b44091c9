/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_SPOOL_H
#define VMRT_COLLECTOR_SPOOL_H

/* Sub-buffers that a guest sends, kept in one file per CPU until its trace.dat is written. */

#include "datwrite.h"

struct vmrt_spool {
	char *folder, *prefix;
	struct vmrt_dat_pages *pages; /* by CPU; fd is -1 where nothing came yet */
	unsigned cpus;
};

/** vmrt_spool_init - @cpus: more CPUs than this cannot be; files: FOLDER/PREFIX-cpuN.pages */
enum vmrt_status vmrt_spool_init(struct vmrt_spool *spool, const char *folder,
	const char *prefix, unsigned cpus, struct vmrt_error *err);

/** vmrt_spool_add - a vmrt_guest_pages_fn with a spool as its context */
bool vmrt_spool_add(
	void *spool, unsigned cpu, const void *pages, size_t size, struct vmrt_error *err);

/** vmrt_spool_free - remove the files */
void vmrt_spool_free(struct vmrt_spool *spool);

#endif
