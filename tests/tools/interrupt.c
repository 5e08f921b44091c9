/* SPDX-License-Identifier: MIT */
/*
 * interrupt MOMENTS SIGNAL COMMAND [ARGUMENT...]
 *
 * How long a program needs to answer a signal: runs COMMAND once to its end, then MOMENTS times
 * with SIGNAL (a number) sent at moments that are spread over what that took. Prints, of those that
 * the signal ended, the longest time from the signal to the end, in ms, and the most CPU time that
 * was used meanwhile, which a busy machine does not make longer; and how many ended how.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t cpu_of(const struct rusage *u)
{
	return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * INT64_C(1000000000) +
	       (u->ru_utime.tv_usec + u->ru_stime.tv_usec) * INT64_C(1000);
}

/* The CPU time that a process, all of its threads, has used so far. */
static int64_t cpu_now(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return 0;
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static pid_t start(char **command)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* a shell that starts a job in the background has it ignore ^C */
		signal(SIGINT, SIG_DFL);
		dup2(open("/dev/null", O_WRONLY), 1);
		dup2(1, 2);
		execv(command[0], command);
		_exit(127);
	}
	return pid;
}

int main(int argc, char **argv)
{
	int64_t begun, length, worst = 0, worst_cpu = 0;
	int moments, sig, status, ended[3] = {0};
	struct rusage used;
	pid_t pid;

	if (argc < 4) {
		fputs("usage: interrupt MOMENTS SIGNAL COMMAND [ARGUMENT...]\n", stderr);
		return 64;
	}
	moments = atoi(argv[1]);
	sig = atoi(argv[2]);
	begun = now_ns();
	pid = start(argv + 3);
	waitpid(pid, &status, 0);
	length = now_ns() - begun;
	for (int i = 0; i < moments; i++) {
		struct pollfd fd = {.events = POLLIN};
		int64_t at = length * (2 * i + 1) / (2 * moments), sent, cpu;

		pid = start(argv + 3);
		fd.fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (poll(&fd, 1, (int)(at / MS)) > 0) {
			/* faster than before */
			waitpid(pid, &status, 0);
			close(fd.fd);
			ended[0]++;
			continue;
		}
		cpu = cpu_now(pid);
		sent = now_ns();
		kill(pid, sig);
		wait4(pid, &status, 0, &used);
		close(fd.fd);
		sent = now_ns() - sent;
		cpu = cpu_of(&used) - cpu;
		ended[WIFSIGNALED(status) ? 2 : 1]++;
		if (sent > worst)
			worst = sent;
		if (cpu > worst_cpu)
			worst_cpu = cpu;
	}
	printf("%.1f ms, %.1f ms of CPU time; run of %.0f ms; %d by itself, %d after the signal, "
	       "%d by it\n",
		(double)worst / MS, (double)worst_cpu / MS, (double)length / MS, ended[0], ended[1],
		ended[2]);
	return 0;
}
