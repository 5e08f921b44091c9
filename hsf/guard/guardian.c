/* SPDX-License-Identifier: MIT */
/*
 * The processes that give threads their former settings back when vmrt-hsf ends.
 *
 * The guardian is a small process. It waits for the end of the process that changes settings of
 * threads, in whatever way that one ends, and then restores the settings of all threads. A deputy
 * waits for the end of both. Each process learns of an end from a socket, which the kernel closes.
 * Over the same sockets come the locks on VMs; they are kept until all settings are restored.
 */
#include "guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hsf/enforce/server.h"
#include "hsf/enforce/settings.h"

#define GUARDIAN_NAME "vmrt-guardian"
#define DEPUTY_NAME "vmrt-deputy"
#define MAX_LOCKS 512

/* A guardian or deputy, and the other end of its socket: while that end is open, the process does
 * not restore. */
struct keeper {
	pid_t pid;
	int pidfd;
	int life;
};

struct hsf_guardian {
	struct hsf_table *table;
	struct keeper guardian, deputy;
};

static void ignore_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGTTIN,
		SIGTTOU, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], SIG_IGN);
}

static void spare_from_oom(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, "-1000", 5);
	close(fd);
}

/* Gives the process a name and a command line of its own, so that somebody who kills all processes
 * called vmrt-hsf does not kill the one that restores the settings. */
static void rename_process(const char *name)
{
	char *line = program_invocation_name, buf[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t size;

	prctl(PR_SET_NAME, name);
	if (fd < 0)
		return;
	size = read(fd, buf, sizeof(buf));
	close(fd);
	/* overwrite this memory only if it holds the command line that main() got */
	if (size <= 1 || memcmp(buf, line, strlen(line) + 1) != 0)
		return;
	memset(line, 0, (size_t)size);
	snprintf(line, (size_t)size, "%s", name);
}

/* Closes all descriptors except stderr, for error messages, and those in @keep. */
static void close_others(const int *keep, size_t n)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), last = STDERR_FILENO;

	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	for (size_t i = 0; i < n; i++)
		last = keep[i] > last ? keep[i] : last;
	for (int fd = STDERR_FILENO + 1; fd < last; fd++) {
		bool kept = false;

		for (size_t i = 0; i < n; i++)
			kept = kept || fd == keep[i];
		if (!kept)
			close(fd);
	}
	syscall(SYS_close_range, last + 1, ~0u, 0);
}

/* Returns the next lock; -1 if the message had none; -2 if the other end is closed. */
static int receive_lock(int life)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec io = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(life, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c;
	int fd = -1;

	if (n == 0 || (n < 0 && errno != EINTR))
		return -2;
	c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* Closes locks that were given up: their files have been removed. */
static size_t drop_removed(int *locks, size_t n)
{
	size_t kept = 0;
	struct stat st;

	for (size_t i = 0; i < n; i++) {
		if (fstat(locks[i], &st) == 0 && st.st_nlink)
			locks[kept++] = locks[i];
		else
			close(locks[i]);
	}
	return kept;
}

/*
 * Waits until the other end of the socket is closed, and collects locks meanwhile.
 *
 * The locks protect the processes of members: until the settings are restored, another vmrt-hsf
 * must not take the changed settings for those of the VM's owner. The kernel frees the locks when
 * this process ends.
 */
static void wait_for_end(int life)
{
	int locks[MAX_LOCKS], fd;
	size_t n = 0;

	while ((fd = receive_lock(life)) != -2) {
		if (fd < 0)
			continue;
		n = drop_removed(locks, n);
		if (n < MAX_LOCKS)
			locks[n++] = fd;
	}
}

/* The main function of a guardian or deputy. @other: the end of another keeper's socket that this
 * process holds open, or -1. */
static void keep(struct hsf_table *table, const char *name, int life, int other)
	__attribute__((noreturn));

static void keep(struct hsf_table *table, const char *name, int life, int other)
{
	const int fds[] = {life, hsf_table_fd(table), other};
	struct sched_param param = {.sched_priority = HSF_ENFORCER_PRIORITY};

	ignore_signals();
	setsid();
	rename_process(name);
	spare_from_oom();
	close_others(fds, sizeof(fds) / sizeof(fds[0]));
	mlockall(MCL_CURRENT | MCL_FUTURE);
	/* this process needs a real-time priority: the threads that it has to demote may otherwise
	 * take all time of its CPU */
	sched_setscheduler(0, SCHED_FIFO, &param);
	wait_for_end(life);
	if (!hsf_table_restored(table))
		hsf_table_restore(table);
	hsf_table_close(table);
	_exit(0);
}

/* @other: as for keep() */
static enum vmrt_status start_keeper(struct keeper *k, struct hsf_table *table, const char *name,
	int other, struct vmrt_error *err)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return vmrt_fail_errno(err, errno, "cannot start the guardian process");
	k->pid = fork();
	if (k->pid < 0) {
		close(ends[0]);
		close(ends[1]);
		return vmrt_fail_errno(err, errno, "cannot start the guardian process");
	}
	if (k->pid == 0) {
		close(ends[1]);
		keep(table, name, ends[0], other);
	}
	close(ends[0]);
	k->life = ends[1];
	k->pidfd = (int)syscall(SYS_pidfd_open, k->pid, 0);
	return VMRT_OK;
}

/* Closes the socket, so that @k restores the settings; returns true if @k has ended without an
 * error. */
static bool end_keeper(struct keeper *k)
{
	int status = 0;
	pid_t got;

	if (k->pid <= 0)
		return true;
	close(k->life);
	do {
		got = waitpid(k->pid, &status, 0);
	} while (got < 0 && errno == EINTR);
	if (k->pidfd >= 0)
		close(k->pidfd);
	return got == k->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

enum vmrt_status hsf_guardian_start(struct hsf_guardian **out, struct vmrt_error *err)
{
	struct hsf_guardian *g = calloc(1, sizeof(*g));
	enum vmrt_status status;

	if (!g)
		return vmrt_fail(err, VMRT_ENOMEM, "guardian: out of memory");
	status = hsf_table_open(&g->table, err);
	if (status == VMRT_OK)
		status = start_keeper(&g->deputy, g->table, DEPUTY_NAME, -1, err);
	/* the guardian holds the deputy's socket, too: that is closed when this process and the
	 * guardian have ended */
	if (status == VMRT_OK)
		status = start_keeper(&g->guardian, g->table, GUARDIAN_NAME, g->deputy.life, err);
	if (status != VMRT_OK) {
		hsf_guardian_finish(g);
		return status;
	}
	*out = g;
	return VMRT_OK;
}

static void send_lock(const struct keeper *k, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.bytes = {0}};
	char byte = 'l';
	struct iovec io = {.iov_base = &byte, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &io,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	(void)!sendmsg(k->life, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void hsf_guardian_hold(struct hsf_guardian *g, int fd)
{
	if (fd < 0)
		return;
	send_lock(&g->guardian, fd);
	send_lock(&g->deputy, fd);
}

enum vmrt_status hsf_guardian_add(
	struct hsf_guardian *g, pid_t pid, pid_t tid, struct vmrt_error *err)
{
	return hsf_table_add(g->table, pid, tid, err);
}

enum vmrt_status hsf_guardian_stops(struct hsf_guardian *g, pid_t pid, struct vmrt_error *err)
{
	return hsf_table_stops(g->table, pid, err);
}

int hsf_guardian_restore(struct hsf_guardian *g, pid_t tid)
{
	return hsf_table_restore_thread(g->table, tid);
}

void hsf_guardian_fds(const struct hsf_guardian *g, int fds[2])
{
	fds[0] = g->guardian.pidfd;
	fds[1] = g->deputy.pidfd;
}

int hsf_guardian_finish(struct hsf_guardian *g)
{
	int failed = 0;

	/* a guardian that was killed has restored nothing, so it is done here */
	if (g->table && (!end_keeper(&g->guardian) || !hsf_table_restored(g->table)))
		hsf_table_restore(g->table);
	if (g->table)
		failed = hsf_table_failed(g->table);
	end_keeper(&g->deputy);
	hsf_table_close(g->table);
	free(g);
	return failed;
}
