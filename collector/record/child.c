/* SPDX-License-Identifier: MIT */
/* Starts and ends the programs that run while something is recorded. */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmrt/units.h>

/* In the child: becomes the program, or writes errno to @report. */
static void become(char *const argv[], bool aside, const int *keep, size_t n_keep, int report)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
	int errnum;

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction old;

		/* the recorder ignores SIGPIPE, the program must not; a signal that the user
		 * ignores stays ignored */
		if (signals[i] == SIGPIPE ||
			(sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN))
			signal(signals[i], SIG_DFL);
	}
	if (aside) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	}
	for (size_t i = 0; i < n_keep; i++)
		fcntl(keep[i], F_SETFD, 0);
	execvp(argv[0], argv);
	errnum = errno;
	(void)!write(report, &errnum, sizeof(errnum));
	_exit(127);
}

enum vmrt_status child_start(struct child *child, char *const argv[], bool aside, const int *keep,
	size_t n_keep, struct vmrt_error *err)
{
	int report[2], errnum = 0;
	pid_t pid;

	*child = (struct child){.fd = -1, .status = -1};
	if (pipe2(report, O_CLOEXEC) != 0)
		return vmrt_fail_errno(err, errno, "cannot make a pipe");
	pid = fork();
	if (pid == 0)
		become(argv, aside, keep, n_keep, report[1]);
	errnum = pid < 0 ? errno : 0;
	close(report[1]);
	/* the pipe closes when the program has begun; if it could not begin, the pipe has errno */
	if (pid > 0) {
		ssize_t n;

		do
			n = read(report[0], &errnum, sizeof(errnum));
		while (n < 0 && errno == EINTR);
		if (n > 0)
			waitpid(pid, NULL, 0);
		else
			errnum = 0;
	}
	close(report[0]);
	if (errnum)
		return vmrt_fail_errno(err, errnum, "cannot run %s", argv[0]);
	child->pid = pid;
	child->fd = pidfd_open(pid, 0);
	if (child->fd >= 0)
		fcntl(child->fd, F_SETFD, FD_CLOEXEC);
	return VMRT_OK;
}

static bool reap(struct child *child, int flags)
{
	int status;
	pid_t got;

	if (!child->pid)
		return true;
	do
		got = waitpid(child->pid, &status, flags);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return false;
	child->pid = 0;
	if (got > 0)
		child->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	if (child->fd >= 0)
		close(child->fd);
	child->fd = -1;
	return true;
}

bool child_has_ended(struct child *child)
{
	return reap(child, WNOHANG);
}

void child_signal(struct child *child, int sig)
{
	if (child->pid)
		kill(child->pid, sig);
}

bool child_wait(struct child *child, int ms)
{
	int64_t until = vmrt_now_ns() + ms * VMRT_NS_PER_MS;

	while (!child_has_ended(child)) {
		struct pollfd fd = {.fd = child->fd, .events = POLLIN};
		int64_t left = until - vmrt_now_ns();

		if (left <= 0)
			return false;
		/* without a descriptor to wait for, check again after a while */
		left = left / VMRT_NS_PER_MS + 1;
		poll(&fd, 1, child->fd >= 0 || left < 20 ? (int)left : 20);
	}
	return true;
}

void child_end(struct child *child, int sig, int ms)
{
	child_signal(child, sig);
	if (child_wait(child, ms))
		return;
	child_signal(child, SIGKILL);
	reap(child, 0);
}
