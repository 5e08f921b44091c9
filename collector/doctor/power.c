/* SPDX-License-Identifier: MIT */
/* Checks of what makes a CPU slow or late: frequency, idle states, SMT, and a host that is itself a
 * VM. */
#include "doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#define DEEP_US 50 /* an idle state with a longer exit latency counts as deep */
#define STALL_NS (200 * VMRT_NS_PER_US) /* a shorter gap is not reported */
#define CHECK_NS (500 * VMRT_NS_PER_MS) /* the CPU is watched so long */
#define CPUS_MAX 4096

static void check_governor(struct doctor *d)
{
	char path[96], *governor;
	int slow = 0, seen = 0;

	for (int cpu = 0; cpu < CPUS_MAX; cpu++) {
		snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d", cpu);
		if (!doctor_exists(d, path))
			break;
		snprintf(path, sizeof(path),
			"sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
		governor = doctor_read(d, path);
		if (!governor)
			continue;
		seen++;
		slow += strcmp(governor, "performance") != 0;
		free(governor);
	}
	if (!seen)
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "frequency", "host",
			"a CPU that changes its frequency makes execution times vary", "",
			"the kernel does not control frequencies here");
	else if (slow)
		doctor_add(d, VMRT_VERDICT_WARN, "frequency", "host",
			"a CPU that lowers its frequency makes jobs longer than their WCET",
			"cpupower frequency-set -g performance",
			"%d of %d CPUs do not use the governor performance", slow, seen);
	else
		doctor_add(d, VMRT_VERDICT_OK, "frequency", "host", "", "",
			"all %d CPUs use the governor performance", seen);
}

static void check_idle_states(struct doctor *d)
{
	char path[112], deepest[64] = "";
	int64_t worst = 0;

	if (!doctor_exists(d, "sys/devices/system/cpu/cpu0/cpuidle/state0")) {
		doctor_add(d, VMRT_VERDICT_OK, "idle_states", "host", "", "",
			"the kernel knows no idle states here");
		return;
	}
	for (int state = 0; state < 16; state++) {
		char *name;
		int64_t latency, off;

		snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu0/cpuidle/state%d/latency",
			state);
		latency = doctor_number(d, path);
		snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu0/cpuidle/state%d/disable",
			state);
		off = doctor_number(d, path);
		if (latency == VMRT_UNKNOWN || off == 1 || latency <= worst)
			continue;
		worst = latency;
		snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu0/cpuidle/state%d/name",
			state);
		name = doctor_read(d, path);
		snprintf(deepest, sizeof(deepest), "%s", name ? name : "?");
		free(name);
	}
	if (worst > DEEP_US)
		doctor_add(d, VMRT_VERDICT_WARN, "idle_states", "host",
			"an idle CPU wakes up late from a deep idle state, and every release on it "
			"with it",
			"cpupower idle-set -D 50",
			"idle state %s takes up to %" PRId64 " us to leave", deepest, worst);
	else
		doctor_add(d, VMRT_VERDICT_OK, "idle_states", "host", "", "",
			"idle states take at most %" PRId64 " us to leave", worst);
}

static void check_smt(struct doctor *d)
{
	int64_t active = doctor_number(d, "sys/devices/system/cpu/smt/active");

	if (active == 1)
		doctor_add(d, VMRT_VERDICT_WARN, "smt", "host",
			"two hardware threads share one core: a neighbour's work makes a job "
			"longer, and no trace shows it",
			"echo off >/sys/devices/system/cpu/smt/control",
			"simultaneous multithreading is on");
	else
		doctor_add(d, active == 0 ? VMRT_VERDICT_OK : VMRT_VERDICT_UNKNOWN, "smt", "host",
			"two hardware threads of one core slow each other down", "",
			active == 0
				? "simultaneous multithreading is off"
				: "the kernel does not say whether hardware threads share cores");
}

/* Ticks of steal time of all CPUs since boot. */
static int64_t read_steal(const struct doctor *d)
{
	char *text = doctor_read(d, "proc/stat");
	long long v[8];
	int n = text ? sscanf(text, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &v[0], &v[1],
			       &v[2], &v[3], &v[4], &v[5], &v[6], &v[7])
		     : 0;

	free(text);
	return n == 8 ? v[7] : VMRT_UNKNOWN;
}

/* Time that this thread was ready and did not run, in ns. */
static int64_t read_waited(void)
{
	long long ran, waited;
	FILE *in = fopen("/proc/thread-self/schedstat", "re");
	int n = in ? fscanf(in, "%lld %lld", &ran, &waited) : 0;

	if (in)
		fclose(in);
	return n == 2 ? waited : VMRT_UNKNOWN;
}

static void check_steal(struct doctor *d, int64_t ticks)
{
	if (ticks == VMRT_UNKNOWN)
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "steal", "host",
			"if this machine is itself a VM, its host may not run it all the time", "",
			"/proc/stat has no steal time");
	else if (ticks > 0)
		doctor_add(d, VMRT_VERDICT_WARN, "steal", "host",
			"this machine is itself a VM, and its host did not run it all the time; "
			"vmrt reports what it can see of that as steal",
			"", "the host of this machine took %lld ms within half a second",
			(long long)ticks * 1000 / sysconf(_SC_CLK_TCK));
	else
		doctor_add(d, VMRT_VERDICT_OK, "steal", "host", "", "",
			"no steal within half a second");
}

/*
 * Reads the clock for half a second. Gaps between two readings, less the time in which this thread
 * was ready while other threads ran, are times in which the CPU itself stood still or served
 * interrupts: its own host took it away, or the firmware did.
 */
static void check_stalls(struct doctor *d)
{
	int64_t waited = read_waited(), begun = vmrt_now_ns(), last = begun, now, worst = 0,
		gaps = 0;

	while ((now = vmrt_now_ns()) - begun < CHECK_NS && !vmrt_stop_requested()) {
		if (now - last > STALL_NS) {
			gaps += now - last;
			worst = now - last > worst ? now - last : worst;
		}
		last = now;
	}
	if (waited == VMRT_UNKNOWN) {
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "stalls", "host",
			"a CPU that stands still delays every task on it", "",
			"/proc/thread-self/schedstat cannot be read: a gap of the clock may be "
			"another thread's run");
		return;
	}
	gaps -= read_waited() - waited;
	if (gaps > STALL_NS)
		doctor_add(d, VMRT_VERDICT_WARN, "stalls", "host",
			"the CPU stood still or served interrupts while no other thread ran: this "
			"delays every task, and no scheduler can help",
			"", "stalls of %.1f ms within half a second; the longest gap is %.1f ms",
			(double)gaps / VMRT_NS_PER_MS, (double)worst / VMRT_NS_PER_MS);
	else
		doctor_add(d, VMRT_VERDICT_OK, "stalls", "host", "", "",
			"no stall above 0.2 ms within half a second of reading the clock");
}

void doctor_power(struct doctor *d)
{
	check_governor(d);
	check_idle_states(d);
	check_smt(d);
	if (d->live) {
		int64_t before = read_steal(d);

		check_stalls(d);
		check_steal(d, before == VMRT_UNKNOWN ? before : read_steal(d) - before);
	}
}
