/* SPDX-License-Identifier: MIT */
/* Checks the kernel: how it was built, tracefs, and the clock with which everything is measured. */
#include "doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <vmrt/units.h>

/* An option of the kernel's configuration that real-time VMs need or profit from. */
struct kernel_option {
	const char *name;
	enum vmrt_verdict without;
	const char *why;
};

static const struct kernel_option kernel_options[] = {
	{"CONFIG_EVENT_TRACING", VMRT_VERDICT_FAIL,
		"without trace events nothing can be recorded: take a kernel that has them"},
	{"CONFIG_HIGH_RES_TIMERS", VMRT_VERDICT_FAIL,
		"timers then expire on ticks only, milliseconds late"},
	{"CONFIG_PERF_EVENTS", VMRT_VERDICT_WARN,
		"vmrt-hsf learns from perf events that a budget is used up"},
};

/* Reads the kernel's configuration as text; to be freed. The compressed one in /proc is unpacked by
 * zcat. */
static char *read_config(const struct doctor *d)
{
	struct utsname u;
	char path[sizeof(u.release) + 16], *text = NULL;
	size_t room = 1 << 20, used = 0, n;
	FILE *in;

	if (doctor_exists(d, "proc/config"))
		return doctor_read(d, "proc/config");
	if (!d->live || uname(&u) != 0)
		return NULL;
	snprintf(path, sizeof(path), "boot/config-%s", u.release);
	if (doctor_exists(d, path))
		return doctor_read(d, path);
	if (!doctor_exists(d, "proc/config.gz"))
		return NULL;
	in = popen("zcat /proc/config.gz 2>/dev/null", "re");
	text = malloc(room + 1);
	if (in && text) {
		while (used < room && (n = fread(text + used, 1, room - used, in)) > 0)
			used += n;
		text[used] = '\0';
	}
	if (in)
		pclose(in);
	return text;
}

/* Is OPTION=y, or =m, a line of the configuration? */
static bool has_option(const char *config, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = config; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, n) && line[n] == '=')
			return line[n + 1] == 'y' || line[n + 1] == 'm';
	}
	return false;
}

static void check_options(struct doctor *d, const char *config)
{
	for (size_t i = 0; i < sizeof(kernel_options) / sizeof(kernel_options[0]); i++) {
		const struct kernel_option *o = &kernel_options[i];
		bool there = has_option(config, o->name);

		doctor_add(d, there ? VMRT_VERDICT_OK : o->without, "kernel_option", "host", o->why,
			"", "%s is %s", o->name, there ? "set" : "not set");
	}
}

/* Without a finer timer the kernel measures quotas, RT throttling and SCHED_DEADLINE by its
 * ticks. */
static void check_tick(struct doctor *d, const char *config)
{
	const char *line = strstr(config, "\nCONFIG_HZ=");
	long hz = line ? strtol(line + strlen("\nCONFIG_HZ="), NULL, 10) : 0;

	if (hz <= 0)
		return;
	doctor_add(d, hz >= 250 ? VMRT_VERDICT_OK : VMRT_VERDICT_WARN, "tick", "host",
		"the kernel's own budgets (cgroup quotas, throttling) are off by up to one tick",
		"take a kernel with CONFIG_HZ=1000", "%ld ticks per second", hz);
}

static void check_preemption(struct doctor *d, const char *config)
{
	static const char why[] =
		"long system calls of others delay real-time tasks more without it";
	bool rt = doctor_number(d, "sys/kernel/realtime") == 1 ||
		  (config && has_option(config, "CONFIG_PREEMPT_RT"));
	char *dynamic = doctor_read(d, "sys/kernel/debug/sched/preempt");

	if (rt)
		doctor_add(d, VMRT_VERDICT_OK, "preemption", "host", "", "", "PREEMPT_RT kernel");
	else if (dynamic && (strstr(dynamic, "(full)") || strstr(dynamic, "(lazy)")))
		doctor_add(d, VMRT_VERDICT_OK, "preemption", "host", "", "", "preemption: %s",
			dynamic);
	else if (dynamic && strstr(dynamic, "full"))
		doctor_add(d, VMRT_VERDICT_WARN, "preemption", "host", why,
			"echo full >/sys/kernel/debug/sched/preempt", "preemption: %s", dynamic);
	else if (config && has_option(config, "CONFIG_PREEMPT"))
		doctor_add(d, VMRT_VERDICT_OK, "preemption", "host", "", "", "preemptible kernel");
	else if (config)
		doctor_add(d, VMRT_VERDICT_WARN, "preemption", "host", why,
			"apt install linux-image-rt-amd64",
			"the kernel is not preemptible (no PREEMPT, no PREEMPT_RT)");
	else
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "preemption", "host", why, "",
			"the kernel's configuration cannot be read");
	free(dynamic);
}

static void check_tracefs(struct doctor *d)
{
	static const char *const events[] = {"sched/sched_switch", "sched/sched_waking",
		"timer/hrtimer_start", "timer/hrtimer_expire_entry"};
	const char *folder = doctor_exists(d, "sys/kernel/tracing/events")
				     ? "sys/kernel/tracing"
				     : "sys/kernel/debug/tracing";
	char path[160], *clocks;

	snprintf(path, sizeof(path), "%s/events", folder);
	if (!doctor_exists(d, path)) {
		doctor_add(d, VMRT_VERDICT_FAIL, "tracefs", "host", "vmrt records through tracefs",
			"sudo mount -t tracefs nodev /sys/kernel/tracing",
			"tracefs is not mounted, or this user may not look into it");
		return;
	}
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		snprintf(path, sizeof(path), "%s/events/%s/format", folder, events[i]);
		if (!doctor_exists(d, path)) {
			doctor_add(d, VMRT_VERDICT_FAIL, "tracefs", "host",
				"jobs are rebuilt from this event", "",
				"the kernel has no event %s, or it cannot be read", events[i]);
			return;
		}
	}
	snprintf(path, sizeof(path), "%s/trace_clock", folder);
	clocks = doctor_read(d, path);
	if (clocks && !strstr(clocks, "mono"))
		doctor_add(d, VMRT_VERDICT_WARN, "trace_clock", "host",
			"with clock mono, records and timers have one scale", "",
			"the kernel has no trace clock mono");
	free(clocks);
	snprintf(path, sizeof(path), "%s/%s/instances", d->root, folder);
	if (d->live && faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) != 0)
		doctor_add(d, VMRT_VERDICT_FAIL, "tracefs", "host",
			"a recording has an instance of its own in tracefs",
			"sudo vmrt-trace record ...", "this user may not make instances in %s",
			path);
	else
		doctor_add(d, VMRT_VERDICT_OK, "tracefs", "host", "", "",
			"events and instances are there in /%s", folder);
}

static void check_clocksource(struct doctor *d)
{
	char *now =
		doctor_read(d, "sys/devices/system/clocksource/clocksource0/current_clocksource");

	if (!now)
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "clocksource", "host",
			"every time stamp is read from it", "", "the clock source cannot be read");
	else if (!strcmp(now, "tsc") || !strcmp(now, "kvm-clock") ||
		 !strcmp(now, "arch_sys_counter"))
		doctor_add(
			d, VMRT_VERDICT_OK, "clocksource", "host", "", "", "clock source %s", now);
	else
		doctor_add(d, VMRT_VERDICT_WARN, "clocksource", "host",
			"reading this clock takes microseconds, and host and guest clocks are "
			"related less exactly",
			"echo tsc >/sys/devices/system/clocksource/clocksource0/"
			"current_clocksource",
			"clock source %s", now);
	free(now);
}

void doctor_kernel(struct doctor *d)
{
	char *config = read_config(d);

	if (config) {
		check_options(d, config);
		check_tick(d, config);
	}
	check_preemption(d, config);
	check_tracefs(d);
	check_clocksource(d);
	free(config);
}
