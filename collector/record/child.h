/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_CHILD_H
#define VMRT_COLLECTOR_RECORD_CHILD_H

/* Programs that run while something is recorded. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <vmrt/status.h>

struct child {
	pid_t pid; /* 0: no program runs */
	int fd; /* becomes readable when the program ends; -1: the kernel has no such descriptor */
	int status; /* exit status, 128 + N for a signal; -1 while it runs */
};

/**
 * child_start - run a program, found as a shell would
 * @aside: ^C in the terminal does not reach the program, and the kernel ends it when the recorder
 * dies
 * @keep: @n_keep descriptors that the program inherits
 *
 * Return: VMRT_OK; VMRT_ENOENT, VMRT_EPERM... if the program cannot be run.
 */
enum vmrt_status child_start(struct child *child, char *const argv[], bool aside, const int *keep,
	size_t n_keep, struct vmrt_error *err);

/** child_has_ended - has the program ended? If so, its status is stored in @child */
bool child_has_ended(struct child *child);

/** child_signal - send a signal to the program, if it still runs */
void child_signal(struct child *child, int sig);

/** child_wait - wait at most @ms until the program has ended; returns whether it has */
bool child_wait(struct child *child, int ms);

/** child_end - end the program with @sig; if it has not ended after @ms, with SIGKILL */
void child_end(struct child *child, int sig, int ms);

#endif
