/* SPDX-License-Identifier: MIT */
/*
 * A software task-clock event counts the CPU time of one thread, wherever it runs, and raises an
 * interrupt on the thread's own CPU when it has consumed a given amount: while the thread does not run,
 * neither the count nor the countdown goes on.
 */
#include "hsf.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vmrt/files.h>

#define A_LONG_TIME_NS (INT64_C(3600) * VMRT_NS_PER_S)

static size_t ring_size(void)
{
	return 2 * (size_t)sysconf(_SC_PAGESIZE); /* header and one page of records */
}

static enum vmrt_status explain(int errnum, pid_t tid, struct vmrt_error *err)
{
	char *level;

	if (errnum != EACCES && errnum != EPERM)
		return vmrt_fail_errno(err, errnum, "cannot count the CPU time of thread %d", (int)tid);
	if (vmrt_read_file("/proc/sys/kernel/perf_event_paranoid", 64, &level, NULL, NULL) != VMRT_OK)
		level = NULL;
	if (level)
		level[strcspn(level, "\n")] = '\0';
	vmrt_fail(err, VMRT_EPERM,
		"no permission to count the CPU time of thread %d: run as root or with CAP_PERFMON "
		"(/proc/sys/kernel/perf_event_paranoid is %s)",
		(int)tid, level ? level : "not readable");
	free(level);
	return VMRT_EPERM;
}

enum vmrt_status hsf_clock_open(struct hsf_clock *c, pid_t tid, struct vmrt_error *err)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = A_LONG_TIME_NS,
		.wakeup_events = 1,
	};
	int errnum;

	c->ring = NULL;
	c->fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (c->fd < 0)
		return explain(errno, tid, err);
	c->ring = mmap(NULL, ring_size(), PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->ring == MAP_FAILED) {
		errnum = errno;
		c->ring = NULL;
		hsf_clock_close(c);
		return vmrt_fail_errno(err, errnum, "cannot map the perf event of thread %d", (int)tid);
	}
	return VMRT_OK;
}

int64_t hsf_clock_read(const struct hsf_clock *c)
{
	int64_t count;

	return read(c->fd, &count, sizeof(count)) == sizeof(count) ? count : -1;
}

int hsf_clock_arm(const struct hsf_clock *c, int64_t ns)
{
	uint64_t period = (uint64_t)ns;

	return ioctl(c->fd, PERF_EVENT_IOC_PERIOD, &period);
}

int hsf_clock_disarm(const struct hsf_clock *c)
{
	return hsf_clock_arm(c, A_LONG_TIME_NS);
}

void hsf_clock_ack(const struct hsf_clock *c)
{
	struct perf_event_mmap_page *page = c->ring;

	/* the records say nothing that is needed; without this the ring would fill and wake no more */
	__atomic_store_n(&page->data_tail, __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE),
		__ATOMIC_RELEASE);
}

void hsf_clock_close(struct hsf_clock *c)
{
	if (c->ring)
		munmap(c->ring, ring_size());
	if (c->fd >= 0)
		close(c->fd);
	c->ring = NULL;
	c->fd = -1;
}
