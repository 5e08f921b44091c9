/* SPDX-License-Identifier: MIT */
/* A process that switches tracing off when the recorder dies. */
#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAY 'x' /* written to the pipe by a recorder that ends in order */

static _Noreturn void guard(int fd, const char *folder)
{
	char path[512], byte = 0;
	sigset_t all;
	ssize_t n;

	/* a signal that ends the recorder must not end the guardian, and the guardian must not keep
	 * files of the recorder open */
	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	dup2(fd, 0);
	close_range(1, ~0u, 0);
	prctl(PR_SET_NAME, "vmrt-guardian");
	do
		n = read(0, &byte, 1);
	while (n < 0 && errno == EINTR);
	if (byte != STAY) {
		snprintf(path, sizeof(path), "%s/tracing_on", folder);
		fd = open(path, O_WRONLY);
		(void)!write(fd, "0", 1);
	}
	_exit(0);
}

void guardian_start(struct guardian *g, const char *folder)
{
	int ends[2];

	*g = (struct guardian){.fd = -1};
	if (pipe2(ends, O_CLOEXEC) != 0)
		return;
	g->pid = fork();
	if (g->pid == 0) {
		close(ends[1]);
		guard(ends[0], folder);
	}
	close(ends[0]);
	if (g->pid > 0) {
		g->fd = ends[1];
		return;
	}
	g->pid = 0;
	close(ends[1]);
}

void guardian_end(struct guardian *g)
{
	char byte = STAY;

	if (g->pid <= 0)
		return;
	(void)!write(g->fd, &byte, 1);
	close(g->fd);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
	*g = (struct guardian){.fd = -1};
}
