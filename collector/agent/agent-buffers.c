/* SPDX-License-Identifier: MIT */
/* Reads the trace buffers of the guest and sends their events to the recorder. */
#include "agent-session.h"

#include <stdlib.h>

#include <vmrt/units.h>

#include "collector/tracefs/tail.h"

/* Limits of the time between two checks of the buffers, which is half the time that a buffer needs
 * to fill at the current rate. */
#define CHECK_LEAST_NS (10 * VMRT_NS_PER_MS)
#define CHECK_MOST_NS (500 * VMRT_NS_PER_MS)
#define FULL_PERCENT 60	 /* the events of a buffer that is this full are sent early */
#define DATA_BYTES 65536 /* of sub-buffers in one message */

/* Sends the events that the buffer of @cpu holds now, but no more than the buffer's size, since new
 * events come all the time.
 */
static enum vmrt_status send_cpu(struct agent *a, unsigned cpu, int64_t since_ns)
{
	uint32_t page_size = vmrt_tracer_page_size(a->tracer);
	uint64_t left = vmrt_tracer_buffer(a->tracer) + page_size;
	enum vmrt_status status = VMRT_OK;
	struct vmrt_tail tail;
	const uint8_t *page;
	int got = 1;

	if (vmrt_tail_begin(&tail, a->tracer, cpu, since_ns) != VMRT_OK)
		return vmrt_fail(&a->err, VMRT_ENOMEM, "out of memory");
	while (got > 0 && left >= page_size && status == VMRT_OK) {
		vmrt_link_begin(&a->data, VMRT_MSG_DATA);
		vmrt_buf_put_u32(&a->data, cpu);
		while (a->data.used < DATA_BYTES && left >= page_size &&
			(got = vmrt_tail_next(&tail, &page)) > 0) {
			vmrt_buf_put(&a->data, page, page_size);
			left -= page_size;
		}
		if (a->data.used > VMRT_LINK_HEAD + 4)
			status = agent_send(a, &a->data);
	}
	vmrt_tail_end(&tail);
	return status;
}

enum vmrt_status agent_send_buffers(struct agent *a, int64_t since_ns)
{
	int64_t upto = vmrt_now_ns();
	enum vmrt_status status = VMRT_OK;

	for (unsigned cpu = 0; cpu < vmrt_tracer_cpus(a->tracer) && status == VMRT_OK; cpu++)
		status = send_cpu(a, cpu, since_ns);
	if (status != VMRT_OK)
		return status;
	vmrt_link_begin(&a->out, VMRT_MSG_UPTO);
	vmrt_buf_put_u64(&a->out, (uint64_t)upto);
	return agent_send(a, &a->out);
}

enum vmrt_status agent_send_stats(struct agent *a)
{
	enum vmrt_status status = VMRT_OK;

	for (unsigned cpu = 0; cpu < vmrt_tracer_cpus(a->tracer) && status == VMRT_OK; cpu++) {
		struct vmrt_cpu_stats s;

		if (vmrt_tracer_stats(a->tracer, cpu, &s, &a->err) != VMRT_OK)
			continue;
		vmrt_link_begin(&a->out, VMRT_MSG_STATS);
		vmrt_buf_put_u32(&a->out, cpu);
		vmrt_buf_put_u64(&a->out, s.entries);
		vmrt_buf_put_u64(&a->out, s.overrun);
		vmrt_buf_put_u64(&a->out, s.commit_overrun);
		vmrt_buf_put_u64(&a->out, s.bytes);
		vmrt_buf_put_u64(&a->out, s.dropped);
		vmrt_buf_put_u64(&a->out, s.read_events);
		status = agent_send(a, &a->out);
	}
	return status;
}

enum vmrt_status agent_send_names(struct agent *a)
{
	char *processes = NULL, *names = vmrt_trace_cmdlines(&processes);
	enum vmrt_status status = VMRT_OK;

	/* if there is no memory for the names, the recorder uses the names that were sent before */
	if (names)
		status = agent_send_text(a, VMRT_META_CMDLINES, names);
	if (status == VMRT_OK && processes && a->sends_processes)
		status = agent_send_text(a, VMRT_META_PROCESSES, processes);
	free(names);
	free(processes);
	return status;
}

/* Returns the time of the next check, if the fullest buffer now holds @bytes. */
static int64_t next_check(const struct agent *a, uint64_t bytes, int64_t now)
{
	uint64_t limit = vmrt_tracer_buffer(a->tracer) / 100 * FULL_PERCENT;
	uint64_t grown = bytes > a->fullest ? bytes - a->fullest : 0;
	uint64_t room = bytes < limit ? limit - bytes : limit;
	int64_t wait = CHECK_MOST_NS;

	if (grown)
		wait = (int64_t)((double)(now - a->checked_at) * (double)room / (double)grown / 2);
	if (wait < CHECK_LEAST_NS)
		wait = CHECK_LEAST_NS;
	return now + (wait > CHECK_MOST_NS ? CHECK_MOST_NS : wait);
}

/* While the guest keeps its events, a buffer may become full and lose events. So events are sent
 * before that. */
enum vmrt_status agent_send_full_buffers(struct agent *a)
{
	uint64_t limit = vmrt_tracer_buffer(a->tracer) / 100 * FULL_PERCENT, fullest = 0, left = 0;
	int64_t now = vmrt_now_ns();

	if (now < a->check_at)
		return VMRT_OK;
	for (unsigned cpu = 0; cpu < vmrt_tracer_cpus(a->tracer); cpu++) {
		struct vmrt_cpu_stats s;
		enum vmrt_status status;

		if (vmrt_tracer_stats(a->tracer, cpu, &s, &a->err) != VMRT_OK)
			continue;
		if (s.bytes > fullest)
			fullest = s.bytes;
		if (s.bytes < limit) {
			if (s.bytes > left)
				left = s.bytes;
			continue;
		}
		status = send_cpu(a, cpu, INT64_MIN);
		if (status != VMRT_OK)
			return status;
	}
	a->check_at = next_check(a, fullest, now);
	a->checked_at = now;
	a->fullest = left;
	return VMRT_OK;
}
