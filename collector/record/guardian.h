/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_GUARDIAN_H
#define VMRT_COLLECTOR_RECORD_GUARDIAN_H

/*
 * A process that switches tracing off when the recorder dies. The buffers then keep their events
 * until `vmrt-trace reset` reads them, and tracing costs no time any more.
 */

#include <sys/types.h>

struct guardian {
	pid_t pid;
	int fd; /* closed by the kernel when the recorder dies */
};

/** guardian_start - begin to watch over the instance in @folder; to be called before there are
 * threads. Without memory no guardian is started */
void guardian_start(struct guardian *guardian, const char *folder);

/** guardian_end - end the guardian without switching tracing off; one that was not started is
 * allowed */
void guardian_end(struct guardian *guardian);

#endif
