/* SPDX-License-Identifier: MIT */
/* Reads what the kernel grants a thread: SCHED_DEADLINE parameters, and the CPU limit of its
 * cgroup. */
#include "scan.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/units.h>

#define POLICY_DEADLINE 6
#define MAX_SMALL_FILE 16384

/* As in sched_setattr(2); not every C library has it. */
struct attributes {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* Where controllers are mounted: the only hierarchy of version 2, or the hierarchy of the CPU
 * controller of version 1. */
static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct",
	"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"};

size_t vms_cgroup_mounts(const char *const **out)
{
	*out = mounts;
	return sizeof(mounts) / sizeof(mounts[0]);
}

static void read_deadline(pid_t tid, struct vmrt_thread_limits *out)
{
	struct attributes a = {.size = sizeof(a)};

	if (syscall(SYS_sched_getattr, tid, &a, sizeof(a), 0) != 0 || a.policy != POLICY_DEADLINE)
		return;
	out->dl_runtime_ns = (int64_t)a.runtime;
	out->dl_deadline_ns = (int64_t)a.deadline;
	out->dl_period_ns = (int64_t)a.period;
}

/* Is the CPU controller in a list such as "cpu,cpuacct"? */
static bool names_cpu(const char *list, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t word = strcspn(list + i, ",:");

		if (word == 3 && !strncmp(list + i, "cpu", 3))
			return true;
		i += word + 1;
	}
	return false;
}

/* Finds the path of the cgroup with the CPU limit in the text of /proc/PID/cgroup. */
static void parse_cgroup(const char *text, char *out, size_t room)
{
	bool found = false;

	out[0] = '\0';
	for (const char *line = text; *line; line += line[strcspn(line, "\n")] != '\0') {
		const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
		size_t end = strcspn(line, "\n");

		if (path && path < line + end) {
			bool cpu = names_cpu(list + 1, (size_t)(path - list - 1));

			/* if there is a CPU hierarchy of version 1, it has the limits */
			if (cpu || (path == list + 1 && !found))
				snprintf(out, room, "%.*s", (int)(line + end - path - 1), path + 1);
			found |= cpu;
		}
		line += end;
	}
	vms_make_printable(out);
}

static bool read_numbers(const char *path, const char *format, int64_t *a, int64_t *b)
{
	char *text;
	int n;

	if (vmrt_read_file(path, MAX_SMALL_FILE, &text, NULL, NULL) != VMRT_OK)
		return false;
	n = sscanf(text, format, a, b);
	free(text);
	return n == (b ? 2 : 1);
}

/* Quota and period of one cgroup in microseconds; false if it has no limit. */
static bool read_quota(const char *folder, int64_t *quota, int64_t *period)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/cpu.max", folder);
	if (read_numbers(path, "%" SCNd64 " %" SCNd64, quota, period))
		return *period > 0;
	snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", folder);
	if (!read_numbers(path, "%" SCNd64, quota, NULL) || *quota < 0)
		return false;
	snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", folder);
	return read_numbers(path, "%" SCNd64, period, NULL) && *period > 0;
}

/* The tightest limit from the thread's cgroup up to the root. */
static void read_limit(struct vmrt_thread_limits *out)
{
	char folder[sizeof(out->cgroup) + 64], path[sizeof(out->cgroup)];

	snprintf(path, sizeof(path), "%s", out->cgroup);
	while (path[0]) {
		for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
			int64_t quota, period;

			snprintf(folder, sizeof(folder), "%s%s", mounts[i], path);
			if (!read_quota(folder, &quota, &period))
				continue;
			if (!out->quota_period_ns ||
				(double)quota / (double)period <
					(double)out->quota_ns / (double)out->quota_period_ns) {
				out->quota_ns = quota * VMRT_NS_PER_US;
				out->quota_period_ns = period * VMRT_NS_PER_US;
			}
			break;
		}
		if (!strcmp(path, "/"))
			return;
		*strrchr(path, '/') = '\0';
	}
}

void vmrt_thread_limits(pid_t tid, struct vmrt_thread_limits *out)
{
	char path[64], *text;

	memset(out, 0, sizeof(*out));
	read_deadline(tid, out);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)tid);
	if (vmrt_read_file(path, MAX_SMALL_FILE, &text, NULL, NULL) != VMRT_OK)
		return;
	parse_cgroup(text, out->cgroup, sizeof(out->cgroup));
	free(text);
	if (out->cgroup[0] == '/')
		read_limit(out);
}
