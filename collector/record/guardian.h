/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_GUARDIAN_H
#define VMRT_COLLECTOR_RECORD_GUARDIAN_H

/*
 * A process that does nothing but switch off tracing when the recorder dies, so that the buffers
 * keep what they hold at that moment until somebody fetches it, and nobody pays for events any
 * longer.
 */

#include <sys/types.h>

struct guardian {
	pid_t pid;
	int fd; /* closed by the kernel when the recorder dies */
};

/** guardian_start - for the instance in @folder; without threads yet; without memory there is
 * none */
void guardian_start(struct guardian *guardian, const char *folder);

/** guardian_end - it is not needed any longer; one that was not started is allowed */
void guardian_end(struct guardian *guardian);

#endif
