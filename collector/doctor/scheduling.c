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

static void check_fair_server(struct doctor *d)
{
	static const char why[] = "where ordinary threads wait, they take this share from "
				  "real-time threads of the CPU";
	int64_t runtime = doctor_number(d, "sys/kernel/debug/sched/fair_server/cpu0/runtime");
	int64_t period = doctor_number(d, "sys/kernel/debug/sched/fair_server/cpu0/period");

	if (!doctor_exists(d, "sys/kernel/debug/sched/fair_server"))
		return;
	if (runtime == VMRT_UNKNOWN || period == VMRT_UNKNOWN || period <= 0)
		doctor_add(d, VMRT_VERDICT_WARN, "fair_server", "host", why, "",
			"the kernel has a server for ordinary threads, whose settings cannot be "
			"read; the usual ones are 50 ms in 1 s");
	else if (runtime == 0)
		doctor_add(d, VMRT_VERDICT_OK, "fair_server", "host", "", "",
			"the server for ordinary threads is off");
	else
		doctor_add(d, VMRT_VERDICT_WARN, "fair_server", "host", why,
			"for f in /sys/kernel/debug/sched/fair_server/*/runtime; do echo 0 >$f; "
			"done",
			"ordinary threads may take %.1f ms in %.1f ms of each CPU",
			(double)runtime / VMRT_NS_PER_MS, (double)period / VMRT_NS_PER_MS);
}

/* CONFIG_HZ shows in no file of /proc but the configuration; the tick of the deadline class is what
 * matters. */
static void check_hrtick(struct doctor *d)
{
	char *features = doctor_read(d, "sys/kernel/debug/sched/features");
	bool dl, any;

	if (!features) {
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "hrtick", "host",
			"without HRTICK the kernel ends budgets of SCHED_DEADLINE only on ticks",
			"", "/sys/kernel/debug/sched/features cannot be read");
		return;
	}
	dl = strstr(features, "HRTICK_DL") && !strstr(features, "NO_HRTICK_DL");
	any = dl || (strstr(features, " HRTICK ") != NULL);
	if (any)
		doctor_add(d, VMRT_VERDICT_OK, "hrtick", "host", "", "",
			"budgets of SCHED_DEADLINE end by a high-resolution timer");
	else
		doctor_add(d, VMRT_VERDICT_WARN, "hrtick", "host",
			"the kernel ends budgets of SCHED_DEADLINE only on ticks; vmrt-hsf does "
			"not "
			"need HRTICK",
			"echo HRTICK_DL >/sys/kernel/debug/sched/features",
			"HRTICK_DL is off: SCHED_DEADLINE budgets are kept to a tick");
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
