/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_CHILD_H
#define VMRT_COLLECTOR_RECORD_CHILD_H

/* Programs that run while something is recorded. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <vmrt/status.h>

struct child {
	pid_t pid;  /* 0: none, or ended */
	int fd;	    /* becomes readable when it ends; -1 */
	int status; /* exit status, 128 + N for a signal; -1 while it runs */
};

/**
 * child_start - run a program, found as a shell would
 * @aside: out of reach of the terminal's ^C, and ended when we die
 * @keep: @n_keep descriptors that it inherits
 *
 * Return: VMRT_OK; VMRT_ENOENT, VMRT_EPERM... if the program cannot be run.
 */
enum vmrt_status child_start(struct child *child, char *const argv[], bool aside, const int *keep,
	size_t n_keep, struct vmrt_error *err);

/** child_check - has it ended? then its status is there */
bool child_check(struct child *child);

/** child_signal - send it a signal, if it still runs */
void child_signal(struct child *child, int sig);

/** child_wait - wait until it has ended, at most @ms; returns whether it has */
bool child_wait(struct child *child, int ms);

/** child_end - end it: @sig, and if that does not do within @ms, SIGKILL */
void child_end(struct child *child, int sig, int ms);

#endif
