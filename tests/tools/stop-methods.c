/* SPDX-License-Identifier: MIT */
/*
 * stop-methods [ROUNDS | --wake N]: ways to keep a thread from running until it may, measured on
 * CPU 0 as an enforcer would use them: a SCHED_FIFO 98 thread on the victim's own CPU stops and
 * resumes a busy SCHED_FIFO 50 victim beside an ordinary busy process. Prints Markdown: how long
 * the calls take, how long the victim still runs after the call, how long it takes until it runs
 * again, what it gets while stopped, and what the ordinary process gets meanwhile. As root. With
 * --wake: the CPU time of a SCHED_FIFO thread on CPU 0 that does nothing but to wake up N times,
 * once in 1 ms.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hsf/run/hsf.h"

#define VICTIM_PRIORITY 50
#define BLOCKER_PRIORITY 1
#define STOPPED_NS (4 * VMRT_NS_PER_MS)
#define RUNNING_NS (2 * VMRT_NS_PER_MS)
#define GAP_NS (200 * VMRT_NS_PER_US)
#define MAX_ROUNDS 5000

/* What the victim writes while it runs. */
struct shared {
	_Atomic int64_t last;	 /* the time */
	_Atomic int64_t resumed; /* when it ran again after a gap */
};

static volatile struct shared *shared;
static pid_t victim, hog, blocker;
static char group[256], freeze_file[300];
static const char *freeze_word, *thaw_word;

static void write_word(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, word, strlen(word)) < 0)
		fprintf(stderr, "stop-methods: %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

static void stop_by_signal(void)
{
	kill(victim, SIGSTOP);
}

static void resume_by_signal(void)
{
	kill(victim, SIGCONT);
}

static void stop_by_freezer(void)
{
	write_word(freeze_file, freeze_word);
}

static void resume_by_freezer(void)
{
	write_word(freeze_file, thaw_word);
}

static void stop_by_priority(void)
{
	hsf_demote(victim, VMRT_BACKGROUND_OTHER);
}

static void stop_by_idle(void)
{
	hsf_demote(victim, VMRT_BACKGROUND_IDLE);
}

static void resume_by_priority(void)
{
	hsf_raise(victim, VICTIM_PRIORITY);
}

/* The blocker has nothing to do but to run, above everything that is not real-time. */
static void stop_by_blocker(void)
{
	hsf_raise(blocker, BLOCKER_PRIORITY);
	hsf_demote(victim, VMRT_BACKGROUND_OTHER);
}

static void resume_by_blocker(void)
{
	hsf_raise(victim, VICTIM_PRIORITY);
	hsf_demote(blocker, VMRT_BACKGROUND_IDLE);
}

static pid_t busy(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	for (;;)
		;
}

static pid_t start_victim(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		int64_t now = vmrt_now_ns();

		if (now - shared->last > GAP_NS)
			shared->resumed = now;
		shared->last = now;
	}
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_quantiles(int64_t *v, size_t n)
{
	qsort(v, n, sizeof(*v), by_value);
	printf(" | %.1f, %.1f", (double)v[n / 2] / 1e3, (double)v[n * 99 / 100] / 1e3);
}

static int64_t cpu_time(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		return 0;
	return t.tv_sec * VMRT_NS_PER_S + t.tv_nsec;
}

static void sleep_until(int64_t ns)
{
	struct timespec t = {ns / VMRT_NS_PER_S, ns % VMRT_NS_PER_S};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
		;
}

static void measure(const char *name, void (*stop)(void), void (*resume)(void), size_t rounds)
{
	static int64_t stopping[MAX_ROUNDS], ran_on[MAX_ROUNDS], resuming[MAX_ROUNDS],
		late[MAX_ROUNDS];
	int64_t stopped_ns = 0, victim_ns = 0, hog_ns = 0;

	for (size_t i = 0; i < rounds; i++) {
		int64_t from = vmrt_now_ns(), to, victims, hogs;

		stop();
		to = vmrt_now_ns();
		stopping[i] = to - from;
		victims = cpu_time(victim);
		hogs = cpu_time(hog);
		sleep_until(to + STOPPED_NS);
		victims = cpu_time(victim) - victims;
		hog_ns += cpu_time(hog) - hogs;
		victim_ns += victims;
		stopped_ns += vmrt_now_ns() - to;
		ran_on[i] = victims;
		from = vmrt_now_ns();
		resume();
		to = vmrt_now_ns();
		resuming[i] = to - from;
		sleep_until(to + RUNNING_NS);
		late[i] = shared->resumed >= from ? shared->resumed - from : 0;
	}
	printf("| %s", name);
	print_quantiles(stopping, rounds);
	print_quantiles(ran_on, rounds);
	print_quantiles(resuming, rounds);
	print_quantiles(late, rounds);
	printf(" | %.1f %% | %.1f %% |\n", 100.0 * (double)victim_ns / (double)stopped_ns,
		100.0 * (double)hog_ns / (double)stopped_ns);
}

/* A cgroup of the freezer with the victim in it; false if there is no such thing here. */
static int enter_group(const char *mount, const char *members, const char *file)
{
	char path[300], pid[16];

	snprintf(group, sizeof(group), "%s/vmrt-stop-%d", mount, (int)getpid());
	if (mkdir(group, 0755) != 0)
		return 0;
	snprintf(path, sizeof(path), "%s/%s", group, members);
	snprintf(freeze_file, sizeof(freeze_file), "%s/%s", group, file);
	snprintf(pid, sizeof(pid), "%d", (int)victim);
	if (access(freeze_file, W_OK) != 0) {
		rmdir(group);
		return 0;
	}
	write_word(path, pid);
	return 1;
}

static void leave_group(const char *mount, const char *members)
{
	char path[300], pid[16];

	snprintf(path, sizeof(path), "%s/%s", mount, members);
	snprintf(pid, sizeof(pid), "%d", (int)victim);
	write_word(path, pid);
	rmdir(group);
}

static int wake_up(long n)
{
	int64_t next = vmrt_now_ns(), used;
	struct timespec before, after;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0 ||
		hsf_raise(0, HSF_ENFORCER_PRIORITY) != 0)
		return 1;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	for (long i = 0; i < n; i++)
		sleep_until(next += VMRT_NS_PER_MS);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	used = (after.tv_sec - before.tv_sec) * VMRT_NS_PER_S + after.tv_nsec - before.tv_nsec;
	printf("| a thread that only wakes up, once in 1 ms | %.3f %% | %ld |\n",
		100.0 * (double)used / (double)(n * VMRT_NS_PER_MS), n);
	return 0;
}

int main(int argc, char **argv)
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 300;
	cpu_set_t set;

	if (argc > 2 && !strcmp(argv[1], "--wake"))
		return wake_up(atol(argv[2]));
	if (!rounds || rounds > MAX_ROUNDS)
		return 64;
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	shared = mmap(
		NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || sched_setaffinity(0, sizeof(set), &set) != 0)
		return 1;
	hog = busy();
	blocker = busy();
	victim = start_victim();
	hsf_demote(blocker, VMRT_BACKGROUND_IDLE);
	if (hsf_raise(0, HSF_ENFORCER_PRIORITY) != 0 || hsf_raise(victim, VICTIM_PRIORITY) != 0) {
		fprintf(stderr, "stop-methods: SCHED_FIFO is not permitted here\n");
		return 1;
	}
	sleep_until(vmrt_now_ns() + 100 * VMRT_NS_PER_MS);
	printf("| %zu times, us: median, p99 | the call to stop | runs on for | the call to resume "
	       "| until it runs |"
	       " gets while stopped | the other gets |\n|---|---|---|---|---|---|---|\n",
		rounds);
	measure("SIGSTOP, SIGCONT", stop_by_signal, resume_by_signal, rounds);
	if (enter_group("/sys/fs/cgroup/freezer", "tasks", "freezer.state")) {
		freeze_word = "FROZEN";
		thaw_word = "THAWED";
		measure("freezer, cgroup version 1", stop_by_freezer, resume_by_freezer, rounds);
		leave_group("/sys/fs/cgroup/freezer", "tasks");
	}
	if (enter_group("/sys/fs/cgroup/unified", "cgroup.procs", "cgroup.freeze") ||
		enter_group("/sys/fs/cgroup", "cgroup.procs", "cgroup.freeze")) {
		freeze_word = "1";
		thaw_word = "0";
		measure("freezer, cgroup version 2", stop_by_freezer, resume_by_freezer, rounds);
		*strrchr(group, '/') = '\0';
		strcpy(freeze_file, group);
		snprintf(group, sizeof(group), "%s/vmrt-stop-%d", freeze_file, (int)getpid());
		leave_group(freeze_file, "cgroup.procs");
	}
	measure("a blocker at SCHED_FIFO 1", stop_by_blocker, resume_by_blocker, rounds);
	measure("SCHED_IDLE (soft)", stop_by_idle, resume_by_priority, rounds);
	measure("SCHED_OTHER (soft)", stop_by_priority, resume_by_priority, rounds);
	kill(victim, SIGKILL);
	kill(blocker, SIGKILL);
	kill(hog, SIGKILL);
	return 0;
}
