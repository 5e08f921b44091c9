/* SPDX-License-Identifier: MIT */
/*
 * fake-vm: looks like a VM to the VM finder when started as `exec -a qemu-system-x86_64 fake-vm
 * -name guest=NAME`: a main thread that sleeps and vCPU threads that never do. VCPUS (1) says how
 * many, CPU where they run (unset: anywhere), LIFE how many seconds at most (60). SIGUSR1 plugs in
 * another vCPU. BUSY_MAIN: the main thread never sleeps either. SLEEPY: vCPU threads sleep most of
 * the time, so many microseconds at once. CHURN: helper threads come, rename themselves and end all
 * the time; where root may say which id is next, each takes the id of the one before.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

static long number(const char *variable, long otherwise)
{
	const char *value = getenv(variable);

	return value ? atol(value) : otherwise;
}

static void *run_vcpu(void *arg)
{
	volatile unsigned long work = 0;
	long cpu = number("CPU", -1);
	char name[16];
	cpu_set_t set;

	snprintf(name, sizeof(name), "CPU %d/TCG", (int)(intptr_t)arg);
	prctl(PR_SET_NAME, name);
	CPU_ZERO(&set);
	if (cpu >= 0)
		CPU_SET((size_t)cpu, &set);
	if (cpu >= 0 && sched_setaffinity(0, sizeof(set), &set) != 0)
		_exit(1);
	for (long sleepy = number("SLEEPY", 0);;) {
		if (sleepy)
			usleep((unsigned)sleepy);
		work++;
	}
	return NULL;
}

static void *run_helper(void *arg)
{
	*(pid_t *)arg = gettid();
	prctl(PR_SET_NAME, "CPU 0/renamed");
	usleep(5000);
	return NULL;
}

/* The next thread of all gets the id behind @tid, unless somebody has it. */
static void reuse(pid_t tid)
{
	FILE *last = fopen("/proc/sys/kernel/ns_last_pid", "w");

	if (!last)
		return;
	fprintf(last, "%d", (int)tid - 1);
	fclose(last);
}

static void *churn(void *arg)
{
	pthread_t thread;
	pid_t tid = 0;

	for (;;) {
		if (pthread_create(&thread, NULL, run_helper, &tid) != 0)
			continue;
		pthread_join(thread, NULL);
		if (tid)
			reuse(tid);
	}
	return arg;
}

int main(void)
{
	long vcpus = number("VCPUS", 1);
	pthread_t thread;
	sigset_t plug;
	int sig;

	sigemptyset(&plug);
	sigaddset(&plug, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &plug, NULL);
	alarm((unsigned)number("LIFE", 60));
	for (long i = 0; i < vcpus; i++)
		if (pthread_create(&thread, NULL, run_vcpu, (void *)(intptr_t)i) != 0)
			return 1;
	if (number("CHURN", 0) && pthread_create(&thread, NULL, churn, NULL) != 0)
		return 1;
	for (volatile unsigned long work = 0; number("BUSY_MAIN", 0);)
		work++;
	for (long i = vcpus; sigwait(&plug, &sig) == 0; i++)
		if (pthread_create(&thread, NULL, run_vcpu, (void *)(intptr_t)i) != 0)
			return 1;
	return 1;
}
