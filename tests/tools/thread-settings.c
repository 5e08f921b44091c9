/* SPDX-License-Identifier: MIT */
/*
 * thread-settings PID...: one line for each thread of these processes, sorted: id, start, policy,
 * priority, nice, flags, CPUs, whether it is stopped, cgroup. What must be the same before and
 * after.
 */
#include <dirent.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* as the kernel has it; not every libc declares it */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static bool read_text(const char *path, char *text, size_t room)
{
	FILE *in = fopen(path, "r");
	size_t n = in ? fread(text, 1, room - 1, in) : 0;

	text[n] = '\0';
	if (in)
		fclose(in);
	return n > 0;
}

static void print_thread(const char *pid, const char *tid)
{
	struct attributes a = {0};
	unsigned long long start = 0;
	char path[300], text[2048], *at;
	char state = '?';
	cpu_set_t cpus;

	snprintf(path, sizeof(path), "/proc/%s/task/%s/stat", pid, tid);
	if (!read_text(path, text, sizeof(text)) || !(at = strrchr(text, ')')))
		return;
	state = at[2];
	/* the start is field 22; behind the name comes field 3 */
	for (int field = 3; at && field <= 22; field++)
		at = strchr(at + 1, ' ');
	if (at)
		start = strtoull(at, NULL, 10);
	CPU_ZERO(&cpus);
	if (syscall(SYS_sched_getattr, atoi(tid), &a, sizeof(a), 0) != 0 ||
		sched_getaffinity(atoi(tid), sizeof(cpus), &cpus) != 0)
		return;
	printf("%s %llu policy %u priority %u nice %d flags %llx cpus ", tid, start, a.policy,
		a.priority, a.nice, (unsigned long long)a.flags);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus))
			printf("%zu,", cpu);
	snprintf(path, sizeof(path), "/proc/%s/task/%s/cgroup", pid, tid);
	read_text(path, text, sizeof(text));
	for (char *c = text; *c; c++)
		if (*c == '\n')
			*c = ' ';
	printf(" %s %s\n", state == 'T' ? "stopped" : "goes-on", text);
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		struct dirent **threads;
		char path[64];
		int n;

		snprintf(path, sizeof(path), "/proc/%.20s/task", argv[i]);
		n = scandir(path, &threads, NULL, alphasort);
		for (int k = 0; k < n; k++) {
			if (threads[k]->d_name[0] != '.')
				print_thread(argv[i], threads[k]->d_name);
			free(threads[k]);
		}
		if (n >= 0)
			free(threads);
	}
	return 0;
}
