/* SPDX-License-Identifier: MIT */
/* Reads how much time the kernel keeps for ordinary threads, and which threads may be real-time
 * at all. */
#include "admission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/cgroup.h>
#include <vmrt/files.h>

#define FAIR_SERVER "/sys/kernel/debug/sched/fair_server"

/* Reads the number in a file, or VMRT_UNKNOWN. */
static int64_t read_number(const char *path)
{
	char *text, *end;
	long long value;

	if (vmrt_read_file(path, 64, &text, NULL, NULL) != VMRT_OK)
		return VMRT_UNKNOWN;
	value = strtoll(text, &end, 10);
	if (end == text)
		value = VMRT_UNKNOWN;
	free(text);
	return value;
}

double hsf_reserve_share(int64_t runtime, int64_t period)
{
	if (runtime == VMRT_UNKNOWN || period == VMRT_UNKNOWN || period <= 0 || runtime < 0 ||
		runtime > period)
		return 1;
	return (double)runtime / (double)period;
}

/* Since Linux 6.12; before the file can be read it has the value that all kernels begin with. */
static double fair_server_leaves(int cpu, char *words, size_t room)
{
	char path[96];
	int64_t runtime, period;
	double leaves;

	snprintf(path, sizeof(path), FAIR_SERVER "/cpu%d/runtime", cpu);
	runtime = read_number(path);
	snprintf(path, sizeof(path), FAIR_SERVER "/cpu%d/period", cpu);
	period = read_number(path);
	words[0] = '\0';
	if (access(FAIR_SERVER, F_OK) != 0)
		return 1;
	if (runtime == VMRT_UNKNOWN || period == VMRT_UNKNOWN) {
		snprintf(words, room, "its server for fair threads, assumed to be 50 ms in 1 s");
		return 0.95;
	}
	if (runtime <= 0)
		return 1;
	leaves = 1 - hsf_reserve_share(runtime, period);
	snprintf(words, room, "its server for fair threads, %lld ms in %lld ms",
		(long long)(runtime / VMRT_NS_PER_MS), (long long)(period / VMRT_NS_PER_MS));
	return leaves;
}

void hsf_reserve_read(int cpu, struct hsf_reserve *out)
{
	int64_t runtime = read_number("/proc/sys/kernel/sched_rt_runtime_us");
	int64_t period = read_number("/proc/sys/kernel/sched_rt_period_us");
	double fair = fair_server_leaves(cpu, out->why, sizeof(out->why));

	out->share = hsf_reserve_share(runtime, period);
	if (out->share <= fair && out->share < 1)
		snprintf(out->why, sizeof(out->why), "sched_rt_runtime_us is %lld of %lld",
			(long long)runtime, (long long)period);
	else
		out->share = fair;
	if (out->share >= 1)
		snprintf(out->why, sizeof(out->why), "throttling is switched off");
}

static bool cpu_group(pid_t pid, char *out, size_t room)
{
	char path[64], *text;
	bool found;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	if (vmrt_read_file(path, 65536, &text, NULL, NULL) != VMRT_OK)
		return false;
	found = vmrt_cpu_group(text, out, room);
	free(text);
	return found;
}

double hsf_reserve_group(pid_t pid, char *group, size_t room)
{
	int64_t runtime, period;
	char path[512];

	if (!cpu_group(pid, group, room))
		return 1;
	snprintf(path, sizeof(path), VMRT_CPU_GROUPS "%.400s/cpu.rt_runtime_us", group);
	runtime = read_number(path);
	snprintf(path, sizeof(path), VMRT_CPU_GROUPS "%.400s/cpu.rt_period_us", group);
	period = read_number(path);
	return hsf_reserve_share(runtime, period);
}
