/* SPDX-License-Identifier: MIT */
/*
 * Reads the CPU time of a thread, and raises an alarm when it has consumed a given amount.
 *
 * A software task-clock event of perf counts the CPU time of one thread, wherever it runs, and
 * raises an interrupt on the thread's own CPU. While the thread does not run, neither the count nor
 * the countdown goes on.
 *
 * Two events are needed. One only counts. The other is the alarm, and goes off once: an event that
 * repeats would come again and again after a short countdown. If an interrupt takes as long as the
 * countdown, the CPU does nothing else until the kernel's limit for samples stops the event (after
 * 14 ms in a measurement).
 */
#include "server.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/units.h>

#define A_LONG_TIME_NS (INT64_C(3600) * VMRT_NS_PER_S)

static size_t ring_size(void)
{
	return 2 * (size_t)sysconf(_SC_PAGESIZE); /* header and one page of records */
}

static enum vmrt_status explain(int errnum, pid_t tid, struct vmrt_error *err)
{
	char *level;

	if (errnum != EACCES && errnum != EPERM)
		return vmrt_fail_errno(
			err, errnum, "cannot count the CPU time of thread %d", (int)tid);
	if (vmrt_read_file("/proc/sys/kernel/perf_event_paranoid", 64, &level, NULL, NULL) !=
		VMRT_OK)
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

static int open_event(pid_t tid, bool alarm)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.sample_period = alarm ? A_LONG_TIME_NS : 0,
		.wakeup_events = alarm,
		.disabled = alarm,
	};

	return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

enum vmrt_status hsf_clock_open(struct hsf_clock *c, pid_t tid, struct vmrt_error *err)
{
	int errnum;

	*c = (struct hsf_clock){.open = true, .alarm = -1};
	c->counter = open_event(tid, false);
	if (c->counter < 0)
		return explain(errno, tid, err);
	c->alarm = open_event(tid, true);
	if (c->alarm < 0) {
		errnum = errno;
		hsf_clock_close(c);
		return explain(errnum, tid, err);
	}
	c->ring = mmap(NULL, ring_size(), PROT_READ | PROT_WRITE, MAP_SHARED, c->alarm, 0);
	if (c->ring == MAP_FAILED) {
		errnum = errno;
		c->ring = NULL;
		hsf_clock_close(c);
		return vmrt_fail_errno(
			err, errnum, "cannot map the perf event of thread %d", (int)tid);
	}
	return VMRT_OK;
}

int64_t hsf_clock_read(const struct hsf_clock *c)
{
	int64_t count;

	return read(c->counter, &count, sizeof(count)) == sizeof(count) ? count : -1;
}

/* Has the alarm gone off? Its record in the ring says so, and is taken. */
static bool take_record(const struct hsf_clock *c)
{
	struct perf_event_mmap_page *page = c->ring;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);

	if (head == page->data_tail)
		return false;
	__atomic_store_n(&page->data_tail, head, __ATOMIC_RELEASE);
	return true;
}

int hsf_clock_arm(struct hsf_clock *c, int64_t ns)
{
	uint64_t period = (uint64_t)ns;

	if (take_record(c))
		c->armed = false;
	if (ioctl(c->alarm, PERF_EVENT_IOC_PERIOD, &period) != 0)
		return -1;
	/* enables the event for one more alarm, and only if none is pending: a second refresh would
	 * make it come twice */
	if (!c->armed && ioctl(c->alarm, PERF_EVENT_IOC_REFRESH, 1) != 0)
		return -1;
	c->armed = true;
	return 0;
}

void hsf_clock_disarm(struct hsf_clock *c)
{
	uint64_t period = A_LONG_TIME_NS;

	if (take_record(c))
		c->armed = false;
	if (c->armed)
		ioctl(c->alarm, PERF_EVENT_IOC_PERIOD, &period);
}

void hsf_clock_close(struct hsf_clock *c)
{
	if (!c->open)
		return;
	if (c->ring)
		munmap(c->ring, ring_size());
	if (c->alarm >= 0)
		close(c->alarm);
	if (c->counter >= 0)
		close(c->counter);
	c->ring = NULL;
	c->open = false;
}
