/* SPDX-License-Identifier: MIT */
/* Reads how this guest is set up and sends the settings as text: `vmrt-trace doctor` on the host
 * checks them. */
#include "agent-session.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 8192
#define VALUE_MAX 256

/* Adds one line KEY=VALUE; characters that would break the line are left out. */
static void put(char *text, const char *key, const char *value)
{
	size_t used = strlen(text);

	if (used + strlen(key) + strlen(value) + 3 > TEXT_MAX)
		return;
	used += (size_t)sprintf(text + used, "%s=", key);
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p >= 0x20)
			text[used++] = *p;
	strcpy(text + used, "\n");
}

static void put_number(char *text, const char *key, long long number)
{
	char value[32];

	snprintf(value, sizeof(value), "%lld", number);
	put(text, key, value);
}

/* Reads the beginning of a file; false if the file cannot be read. */
static bool read_file(const char *path, char *buf, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, room - 1);

	if (fd >= 0)
		close(fd);
	if (n < 0)
		return false;
	buf[n] = '\0';
	return true;
}

static void put_file(char *text, const char *key, const char *path)
{
	char value[VALUE_MAX];

	if (read_file(path, value, sizeof(value)))
		put(text, key, value);
}

/* Adds the number of ticks per second. The coarse clocks advance only at ticks, so their resolution
 * is the length of a tick. */
static void put_hz(char *text)
{
	struct timespec tick;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) == 0 && !tick.tv_sec && tick.tv_nsec > 0)
		put_number(text, "hz", (1000000000 + tick.tv_nsec / 2) / tick.tv_nsec);
}

/* "cpu USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...": ticks since the start */
static void put_steal(char *text)
{
	unsigned long long v[8], sum = 0;
	char line[VALUE_MAX];

	if (!read_file("/proc/stat", line, sizeof(line)) ||
		sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2],
			&v[3], &v[4], &v[5], &v[6], &v[7]) != 8)
		return;
	for (int i = 0; i < 8; i++)
		sum += v[i];
	put_number(text, "steal_ticks", (long long)v[7]);
	put_number(text, "ticks", (long long)sum);
}

static void put_tracing(char *text)
{
	static const char *const mounts[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};

	for (size_t i = 0; i < 2; i++) {
		char path[64], value[VALUE_MAX];

		snprintf(path, sizeof(path), "%s/trace_clock", mounts[i]);
		if (!read_file(path, value, sizeof(value)))
			continue;
		put(text, "trace_clocks", value);
		return;
	}
}

enum vmrt_status agent_send_settings(struct agent *a)
{
	char *text = calloc(1, TEXT_MAX);
	struct utsname u = {0};

	if (!text)
		return vmrt_fail(&a->err, VMRT_ENOMEM, "out of memory");
	uname(&u);
	put(text, "kernel", u.release);
	put(text, "version", u.version);
	put_file(text, "realtime", "/sys/kernel/realtime");
	put_hz(text);
	put_number(text, "cpus", sysconf(_SC_NPROCESSORS_ONLN));
	put_file(text, "clocksource",
		"/sys/devices/system/clocksource/clocksource0/current_clocksource");
	put_file(text, "rt_runtime_us", "/proc/sys/kernel/sched_rt_runtime_us");
	put_file(text, "rt_period_us", "/proc/sys/kernel/sched_rt_period_us");
	put_tracing(text);
	put_steal(text);
	vmrt_link_begin(&a->out, VMRT_MSG_SETTINGS);
	vmrt_buf_put_text(&a->out, text);
	free(text);
	return agent_send(a, &a->out);
}
