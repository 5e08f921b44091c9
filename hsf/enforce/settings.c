/* SPDX-License-Identifier: MIT */
/* Reads and changes how threads are scheduled. */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vmrt/files.h>

#define RESET_ON_FORK 1 /* SCHED_FLAG_RESET_ON_FORK */

/* The kernel's first version of struct sched_attr; glibc 2.36 has none. */
struct attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

int hsf_settings_read(pid_t tid, struct hsf_settings *out)
{
	struct attr attr;

	memset(out, 0, sizeof(*out));
	if (syscall(SYS_sched_getattr, tid, &attr, sizeof(attr), 0) != 0)
		return errno;
	out->policy = attr.policy;
	out->flags = attr.flags;
	out->nice = attr.nice;
	out->priority = attr.priority;
	return sched_getaffinity(tid, sizeof(out->affinity), &out->affinity) == 0 ? 0 : errno;
}

bool hsf_settings_equal(const struct hsf_settings *a, const struct hsf_settings *b)
{
	return a->policy == b->policy && a->flags == b->flags && a->nice == b->nice &&
	       a->priority == b->priority && CPU_EQUAL(&a->affinity, &b->affinity);
}

int hsf_settings_apply(pid_t tid, const struct hsf_settings *s)
{
	struct attr attr = {
		.size = sizeof(attr),
		.policy = s->policy,
		.flags = s->flags,
		.nice = s->nice,
		.priority = s->priority,
	};
	int failed = 0;

	if (syscall(SYS_sched_setattr, tid, &attr, 0) != 0)
		failed = errno;
	if (sched_setaffinity(tid, sizeof(s->affinity), &s->affinity) != 0)
		failed = failed ? failed : errno;
	return failed;
}

int hsf_raise(pid_t tid, int priority)
{
	struct sched_param param = {.sched_priority = priority};

	return sched_setscheduler(tid, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) == 0 ? 0 : errno;
}

int hsf_demote(pid_t tid, enum vmrt_background background)
{
	int policy = background == VMRT_BACKGROUND_IDLE ? SCHED_IDLE : SCHED_OTHER;
	struct sched_param param = {.sched_priority = 0};

	return sched_setscheduler(tid, policy | SCHED_RESET_ON_FORK, &param) == 0 ? 0 : errno;
}

int hsf_raise_deadline(pid_t tid, int64_t runtime_ns, int64_t period_ns)
{
	struct attr attr = {
		.size = sizeof(attr),
		.policy = SCHED_DEADLINE,
		.flags = RESET_ON_FORK,
		.runtime = (uint64_t)runtime_ns,
		.deadline = (uint64_t)period_ns,
		.period = (uint64_t)period_ns,
	};
	cpu_set_t all;

	/* the kernel demands that such a thread may run on all CPUs of its root domain */
	memset(&all, 0xff, sizeof(all));
	if (sched_setaffinity(tid, sizeof(all), &all) != 0)
		return errno;
	return syscall(SYS_sched_setattr, tid, &attr, 0) == 0 ? 0 : errno;
}

int hsf_thread_start(
	pthread_t *thread, int cpu, int priority, size_t stack, void *(*main)(void *), void *arg)
{
	struct sched_param param = {.sched_priority = priority};
	sigset_t all, old;
	pthread_attr_t attr;
	cpu_set_t set;
	int rc;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	rc = pthread_attr_init(&attr);
	if (rc)
		return rc;
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	pthread_attr_setstacksize(&attr, stack);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(thread, &attr, main, arg);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return rc;
}

pid_t hsf_process_of(pid_t tid)
{
	char path[64], *text, *line;
	pid_t pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)tid);
	if (vmrt_read_file(path, 65536, &text, NULL, NULL) != VMRT_OK)
		return 0;
	line = strstr(text, "\nTgid:");
	if (line)
		pid = (pid_t)strtol(line + strlen("\nTgid:"), NULL, 10);
	free(text);
	return pid;
}

int hsf_process_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool has_pidfds(void)
{
	int fd = hsf_process_open(getpid());

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

void hsf_process_signal(int fd, pid_t pid, int number)
{
	if (fd >= 0)
		syscall(SYS_pidfd_send_signal, fd, number, NULL, 0);
	else if (!has_pidfds())
		kill(pid, number);
}
