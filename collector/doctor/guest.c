/* SPDX-License-Identifier: MIT */
/* Checks the settings that a guest sends through its agent. A guest is a stranger, so its
 * answers are only compared and printed as text. */
#include "doctor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/units.h>

#define VALUE_MAX 192
#define STEAL_WORTH 0.001 /* of all time */

/* Gets the value of @key from lines KEY=VALUE; false if the guest did not send it. */
static bool value_of(const char *text, const char *key, char value[VALUE_MAX])
{
	size_t len = strlen(key);

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (strncmp(line, key, len) != 0 || line[len] != '=')
			continue;
		snprintf(value, VALUE_MAX, "%.*s", (int)strcspn(line + len + 1, "\n"),
			line + len + 1);
		return true;
	}
	return false;
}

static int64_t number_of(const char *text, const char *key)
{
	char value[VALUE_MAX];
	int64_t number;

	return value_of(text, key, value) &&
			       vmrt_parse_int(value, INT64_MIN + 1, INT64_MAX, &number) == VMRT_OK
		       ? number
		       : VMRT_UNKNOWN;
}

static void check_kernel(struct doctor *d, const char *vm, const char *text)
{
	static const char why[] = "a guest without PREEMPT_RT delays its own real-time tasks "
				  "during long system calls";
	char release[VALUE_MAX] = "?", version[VALUE_MAX] = "", realtime[VALUE_MAX] = "";
	bool rt;

	value_of(text, "kernel", release);
	value_of(text, "version", version);
	value_of(text, "realtime", realtime);
	rt = realtime[0] == '1' || strstr(version, "PREEMPT_RT") || strstr(version, "PREEMPT RT");
	doctor_add(d, rt ? VMRT_VERDICT_OK : VMRT_VERDICT_WARN, "guest_kernel", vm, why,
		"in the guest: apt install linux-image-rt-amd64", "kernel %.80s %s PREEMPT_RT",
		release, rt ? "is" : "is not");
}

static void check_tick(struct doctor *d, const char *vm, const char *text)
{
	static const char why[] = "every tick of the guest is an interrupt, which costs an exit of "
				  "the VM, and threads that share a priority change at ticks only";
	int64_t hz = number_of(text, "hz");

	if (hz == VMRT_UNKNOWN || hz <= 0)
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "guest_hz", vm, why, "",
			"the guest does not report its tick");
	else if (hz < 250)
		doctor_add(d, VMRT_VERDICT_WARN, "guest_hz", vm, why,
			"in the guest: a kernel with CONFIG_HZ=250 or 1000",
			"HZ is %lld: timers without high resolution are late by up to %.1f ms",
			(long long)hz, 1000.0 / (double)hz);
	else
		doctor_add(d, VMRT_VERDICT_OK, "guest_hz", vm, "", "", "HZ is %lld", (long long)hz);
}

static void check_clock(struct doctor *d, const char *vm, const char *text)
{
	static const char why[] =
		"reading such a clock is slow, or its rate changes: timers and time stamps suffer";
	char source[VALUE_MAX];

	if (!value_of(text, "clocksource", source))
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "guest_clock", vm, why, "",
			"the guest does not report its clock source");
	else if (!strcmp(source, "tsc") || !strcmp(source, "kvm-clock") ||
		 !strcmp(source, "arch_sys_counter"))
		doctor_add(d, VMRT_VERDICT_OK, "guest_clock", vm, "", "", "clock source %.60s",
			source);
	else
		doctor_add(d, VMRT_VERDICT_WARN, "guest_clock", vm, why,
			"in the guest: echo tsc >/sys/devices/system/clocksource/clocksource0/"
			"current_clocksource (or boot with tsc=reliable)",
			"clock source %.60s", source);
}

static void check_throttling(struct doctor *d, const char *vm, const char *text)
{
	static const char why[] = "the guest's kernel stops its real-time threads that use more "
				  "until the next period";
	int64_t runtime = number_of(text, "rt_runtime_us");
	int64_t period = number_of(text, "rt_period_us");

	if (runtime == VMRT_UNKNOWN || period == VMRT_UNKNOWN || period <= 0)
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "guest_throttling", vm, why, "",
			"the guest does not report sched_rt_runtime_us");
	else if (runtime < 0 || runtime >= period)
		doctor_add(d, VMRT_VERDICT_OK, "guest_throttling", vm, "", "",
			"real-time threads are not throttled");
	else
		doctor_add(d, VMRT_VERDICT_WARN, "guest_throttling", vm, why,
			"in the guest: sysctl -w kernel.sched_rt_runtime_us=-1",
			"real-time threads get at most %.1f %% of a CPU",
			100.0 * (double)runtime / (double)period);
}

/* In "[local] global counter ... mono ...", the clock in brackets is used by a recorder that does
 * not choose one. */
static void check_trace_clock(struct doctor *d, const char *vm, const char *text)
{
	static const char why[] = "the guest is recorded in CLOCK_MONOTONIC, in which timers are "
				  "programmed";
	char clocks[VALUE_MAX];
	bool mono = false;

	if (!value_of(text, "trace_clocks", clocks)) {
		doctor_add(d, VMRT_VERDICT_FAIL, "guest_tracing", vm, why,
			"in the guest: mount -t tracefs tracefs /sys/kernel/tracing, and run "
			"vmrt-agent as root",
			"the agent cannot read tracefs");
		return;
	}
	for (char *rest, *word = strtok_r(clocks, " []\n", &rest); word;
		word = strtok_r(NULL, " []\n", &rest))
		mono |= !strcmp(word, "mono");
	doctor_add(d, mono ? VMRT_VERDICT_OK : VMRT_VERDICT_FAIL, "guest_tracing", vm, why,
		"in the guest: a kernel of 3.18 or newer", "trace clock mono is %s",
		mono ? "there" : "missing");
}

static void check_steal(struct doctor *d, const char *vm, const char *text)
{
	static const char why[] = "time that the guest wanted and the host gave to others";
	int64_t steal = number_of(text, "steal_ticks"), all = number_of(text, "ticks");
	double share;

	if (steal == VMRT_UNKNOWN || all == VMRT_UNKNOWN || all <= 0 || steal < 0) {
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "guest_steal", vm, why, "",
			"the guest does not report its steal time");
		return;
	}
	share = (double)steal / (double)all;
	doctor_add(d, share > STEAL_WORTH ? VMRT_VERDICT_WARN : VMRT_VERDICT_OK, "guest_steal", vm,
		why, "vmrt-hsf run EXPERIMENT: a server for the VM, or CPUs of its own",
		"%.2f %% of its time since it was started was stolen%s", 100 * share,
		steal ? "" : " (or it is not known: only KVM reports it)");
}

void doctor_guest(struct doctor *d, const char *vm, const char *settings)
{
	check_kernel(d, vm, settings);
	check_tick(d, vm, settings);
	check_clock(d, vm, settings);
	check_throttling(d, vm, settings);
	check_trace_clock(d, vm, settings);
	check_steal(d, vm, settings);
}
