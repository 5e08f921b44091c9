/* SPDX-License-Identifier: MIT */
/*
 * Reads when a thread was switched in and out, and whether it was preempted or stopped by itself.
 *
 * The kernel writes a record for each switch of the thread into a ring that it shares with this
 * process. It wakes nobody for that.
 */
#include "server.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define RING_PAGES 16 /* 4096 records of 16 bytes */

struct record {
	struct perf_event_header header;
	uint64_t ns;
};

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

enum vmrt_status hsf_switches_open(struct hsf_switches *s, pid_t tid, struct vmrt_error *err)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_DUMMY,
		.sample_type = PERF_SAMPLE_TIME,
		.context_switch = 1,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = UINT32_MAX, /* never */
	};
	int errnum;

	s->ring = NULL;
	s->fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (s->fd < 0)
		return vmrt_fail_errno(
			err, errno, "cannot record the switches of thread %d", (int)tid);
	s->ring = mmap(
		NULL, (1 + RING_PAGES) * page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (s->ring == MAP_FAILED) {
		errnum = errno;
		s->ring = NULL;
		close(s->fd);
		return vmrt_fail_errno(
			err, errnum, "cannot map the switches of thread %d", (int)tid);
	}
	return VMRT_OK;
}

static void copy_out(const struct hsf_switches *s, uint64_t at, void *out, size_t n)
{
	const char *data = (const char *)s->ring + page_size();
	size_t room = RING_PAGES * page_size(), begin = (size_t)(at % room);
	size_t first = n < room - begin ? n : room - begin;

	memcpy(out, data + begin, first);
	memcpy((char *)out + first, data, n - first);
}

bool hsf_switches_next(struct hsf_switches *s, struct hsf_switch *out)
{
	struct perf_event_mmap_page *page = s->ring;
	uint64_t head, tail;
	struct record r;

	if (!page)
		return false;
	head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
	tail = page->data_tail;
	memset(out, 0, sizeof(*out));
	while (tail != head) {
		copy_out(s, tail, &r.header, sizeof(r.header));
		if (r.header.type == PERF_RECORD_SWITCH && r.header.size >= sizeof(r)) {
			copy_out(s, tail, &r, sizeof(r));
			out->ns = (int64_t)r.ns;
			out->in = !(r.header.misc & PERF_RECORD_MISC_SWITCH_OUT);
			out->blocked =
				!out->in && !(r.header.misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT);
		}
		out->lost = r.header.type == PERF_RECORD_LOST;
		tail += r.header.size;
		__atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
		if (r.header.type == PERF_RECORD_SWITCH || out->lost)
			return true;
	}
	return false;
}

void hsf_switches_close(struct hsf_switches *s)
{
	if (!s->ring)
		return;
	munmap(s->ring, (1 + RING_PAGES) * page_size());
	close(s->fd);
	s->ring = NULL;
}
