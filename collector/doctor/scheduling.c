/* SPDX-License-Identifier: MIT */
/* Checks how the kernel schedules: which time it takes from real-time threads, and how finely it
 * measures budgets. */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/units.h>

static void check_throttling(struct doctor *d)
{
	int64_t runtime = doctor_number(d, "proc/sys/kernel/sched_rt_runtime_us");
	int64_t period = doctor_number(d, "proc/sys/kernel/sched_rt_period_us");

	if (runtime == VMRT_UNKNOWN || period == VMRT_UNKNOWN || period <= 0)
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "rt_throttling", "host",
			"the kernel may stop real-time threads", "",
			"sched_rt_runtime_us cannot be read");
	else if (runtime < 0 || runtime >= period)
		doctor_add(d, VMRT_VERDICT_OK, "rt_throttling", "host", "", "",
			"real-time threads are not throttled");
	else
		doctor_add(d, VMRT_VERDICT_WARN, "rt_throttling", "host",
			"real-time threads, also vCPUs, that use more are stopped until the next "
			"period: servers with more than this share cannot be honoured",
			"sysctl -w kernel.sched_rt_runtime_us=-1",
			"real-time threads get at most %.1f %% of a CPU (%lld of %lld us)",
			100.0 * (double)runtime / (double)period, (long long)runtime,
			(long long)period);
}

#define DEBUG_SCHED "sys/kernel/debug/sched"
#define OLD_FEATURES "sys/kernel/debug/sched_features" /* before Linux 5.13 */
#define MOUNT_DEBUGFS "mount -t debugfs none /sys/kernel/debug"
#define CPUS_MOST 1024

/* The CPU whose server for ordinary threads gets the largest share of it. */
struct fair_share {
	bool any, unreadable;
	int64_t runtime, period;
};

static struct fair_share largest_share(const struct doctor *d)
{
	struct fair_share most = {.period = 1};

	for (int cpu = 0; cpu < CPUS_MOST; cpu++) {
		char folder[64], path[96];
		int64_t runtime, period;

		snprintf(folder, sizeof(folder), DEBUG_SCHED "/fair_server/cpu%d", cpu);
		if (!doctor_exists(d, folder))
			continue;
		snprintf(path, sizeof(path), "%s/runtime", folder);
		runtime = doctor_number(d, path);
		snprintf(path, sizeof(path), "%s/period", folder);
		period = doctor_number(d, path);
		most.any = true;
		if (runtime == VMRT_UNKNOWN || period == VMRT_UNKNOWN || period <= 0)
			most.unreadable = true;
		else if ((double)runtime / (double)period >
			 (double)most.runtime / (double)most.period)
			most = (struct fair_share){true, most.unreadable, runtime, period};
	}
	return most;
}

static bool has_debugfs(const struct doctor *d)
{
	return doctor_exists(d, DEBUG_SCHED) || doctor_exists(d, OLD_FEATURES);
}

static void check_fair_server(struct doctor *d)
{
	static const char why[] = "where ordinary threads wait, they take this share from "
				  "real-time threads of the CPU";
	struct fair_share share = largest_share(d);

	if (!has_debugfs(d))
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "fair_server", "host", why, MOUNT_DEBUGFS,
			"whether the kernel has a server for ordinary threads is only shown in "
			"/" DEBUG_SCHED);
	else if (!doctor_exists(d, DEBUG_SCHED "/fair_server"))
		doctor_add(d, VMRT_VERDICT_OK, "fair_server", "host", "", "",
			"this kernel has no server for ordinary threads");
	else if (!share.any || share.unreadable)
		doctor_add(d, VMRT_VERDICT_WARN, "fair_server", "host", why, "",
			"the kernel has a server for ordinary threads, whose settings cannot be "
			"read; the usual ones are 50 ms in 1 s");
	else if (share.runtime == 0)
		doctor_add(d, VMRT_VERDICT_OK, "fair_server", "host", "", "",
			"the server for ordinary threads is off");
	else
		doctor_add(d, VMRT_VERDICT_WARN, "fair_server", "host", why,
			"for f in /" DEBUG_SCHED "/fair_server/*/runtime; do echo 0 >$f; done",
			"ordinary threads may take %.1f ms in %.1f ms of a CPU",
			(double)share.runtime / VMRT_NS_PER_MS,
			(double)share.period / VMRT_NS_PER_MS);
}

/* Is @word one of @words, which are separated by blanks? */
static bool has_word(const char *words, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = words; (at = strstr(at, word)); at += n)
		if ((at == words || at[-1] == ' ') && (!at[n] || at[n] == ' ' || at[n] == '\n'))
			return true;
	return false;
}

/* In older kernels HRTICK is for the deadline class, too; newer ones have a switch of its own. */
static void check_hrtick(struct doctor *d)
{
	const char *path = doctor_exists(d, OLD_FEATURES) ? OLD_FEATURES : DEBUG_SCHED "/features";
	char *features = doctor_read(d, path), command[96];
	bool own, on;

	if (!features) {
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "hrtick", "host",
			"without HRTICK the kernel ends budgets of SCHED_DEADLINE only on ticks",
			has_debugfs(d) ? "" : MOUNT_DEBUGFS, "/%s cannot be read", path);
		return;
	}
	own = has_word(features, "HRTICK_DL") || has_word(features, "NO_HRTICK_DL");
	on = has_word(features, own ? "HRTICK_DL" : "HRTICK");
	snprintf(command, sizeof(command), "echo %s >/%s", own ? "HRTICK_DL" : "HRTICK", path);
	if (on)
		doctor_add(d, VMRT_VERDICT_OK, "hrtick", "host", "", "",
			"budgets of SCHED_DEADLINE end by a high-resolution timer");
	else
		doctor_add(d, VMRT_VERDICT_WARN, "hrtick", "host",
			"the kernel ends budgets of SCHED_DEADLINE only on ticks; vmrt-hsf does "
			"not need HRTICK",
			command, "%s is off: SCHED_DEADLINE budgets are kept to a tick",
			own ? "HRTICK_DL" : "HRTICK");
	free(features);
}

static void check_isolation(struct doctor *d)
{
	char *isolated = doctor_read(d, "sys/devices/system/cpu/isolated");

	if (isolated && *isolated)
		doctor_add(d, VMRT_VERDICT_OK, "isolated_cpus", "host", "", "",
			"CPUs %s are isolated", isolated);
	else
		doctor_add(d, VMRT_VERDICT_WARN, "isolated_cpus", "host",
			"interrupts and kernel threads of others run on the CPUs of the VMs; "
			"measurements say how much, and isolation takes it away",
			"add isolcpus=N nohz_full=N irqaffinity=M to the kernel's command line",
			"no CPU is isolated");
	free(isolated);
}

void doctor_scheduling(struct doctor *d)
{
	check_throttling(d);
	check_fair_server(d);
	check_hrtick(d);
	check_isolation(d);
}
