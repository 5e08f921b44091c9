/* SPDX-License-Identifier: MIT */
/* A recording that another process makes, as a source: live until the recording ends, then a
 * replay. */
#include "replay-local.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/tool.h>

#define CHECK_EVERY 1024			/* events between two looks at the clock */
#define COLLECT_EVERY_NS (100 * VMRT_NS_PER_MS) /* between two checks for new data */
#define BEHIND_NS (5 * VMRT_NS_PER_S)		/* without data: the recorder is silent */
#define OPEN_AGAIN_MS 200

static void begin(struct replay *r)
{
	vmrt_recording_config(r->rec, &r->config);
	r->base.live = r->base.following = true;
	r->base.start_ns = r->base.end_ns = r->base.now_ns = r->base.upto_ns = VMRT_UNKNOWN;
	r->following = VMRT_FOLLOWING_GOING;
}

/* Opens the recording, and waits for the recorder if it still has to connect to agents. */
enum vmrt_status follow_open(struct replay *r, struct vmrt_error *err)
{
	struct pollfd stop = {.fd = vmrt_stop_fd(), .events = POLLIN};
	enum vmrt_status status;
	bool said = false;

	while ((status = vmrt_recording_open(&r->options, &r->rec, err)) == VMRT_EBUSY) {
		if (!said)
			vmrt_say("%s: waiting for its recorder to begin", r->options.run);
		said = true;
		if (poll(&stop, 1, OPEN_AGAIN_MS) > 0)
			return vmrt_fail(err, VMRT_EINTR, "interrupted");
	}
	/* the recording may just have ended */
	if (status != VMRT_OK && !vmrt_recording_in_progress(r->options.run)) {
		r->options.follow = false;
		return replay_open(r, err);
	}
	if (status != VMRT_OK)
		return status;
	if (vmrt_recording_collect(r->rec) == VMRT_FOLLOWING_BROKEN)
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s: its recorder was killed: vmrt-trace reset %s completes it",
			r->options.run, r->options.run);
	begin(r);
	return VMRT_OK;
}

/* Opens the recording again, because its files are complete or other VMs are recorded: the events
 * that were read before are not used any more. */
static enum top_fed open_anew(struct replay *r, bool follow, struct vmrt_error *err)
{
	vmrt_recording_close(r->rec);
	r->rec = NULL;
	r->options.follow = follow;
	r->base.live = r->base.following = follow;
	return (follow ? follow_open(r, err) : replay_open(r, err)) == VMRT_OK ? TOP_FED_ANEW
									       : TOP_FED_ERROR;
}

static bool note_start(void *ctx, uint32_t machine, const struct vmrt_event *event, int64_t host_ns)
{
	struct replay *r = ctx;

	(void)machine;
	(void)event;
	if (r->base.start_ns == VMRT_UNKNOWN)
		r->base.start_ns = r->base.now_ns = host_ns;
	return false;
}

enum top_fed follow_feed(struct replay *r, struct vmrt_engine *engine, int64_t until_ns,
	int64_t deadline_ns, struct vmrt_error *err)
{
	int64_t now = vmrt_now_ns(), reached;
	enum vmrt_pumped pumped;
	struct vmrt_pump pump;

	if (now - r->collected_ns >= COLLECT_EVERY_NS) {
		r->collected_ns = now;
		r->following = vmrt_recording_collect(r->rec);
	}
	if (r->following == VMRT_FOLLOWING_ENDED || r->following == VMRT_FOLLOWING_CHANGED)
		return open_anew(r, r->following == VMRT_FOLLOWING_CHANGED, err);
	pump = (struct vmrt_pump){.from = vmrt_recording_merge(r->rec),
		.to = engine,
		.until_ns = until_ns,
		.most = CHECK_EVERY,
		.see = note_start,
		.ctx = r};
	do {
		pumped = vmrt_pump(&pump);
		if (pump.events && vmrt_merge_time(pump.from) > r->base.now_ns)
			r->base.now_ns = vmrt_merge_time(pump.from);
	} while (pumped == VMRT_PUMPED_PART && vmrt_now_ns() < deadline_ns);
	if (pumped == VMRT_PUMPED_PART)
		return TOP_FED_PART;
	if (pumped == VMRT_PUMPED_ENOMEM) {
		vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		return TOP_FED_ERROR;
	}
	r->base.upto_ns = vmrt_recording_upto(r->rec);
	reached = until_ns < r->base.upto_ns ? until_ns : r->base.upto_ns;
	if (r->base.start_ns != VMRT_UNKNOWN && reached > r->base.now_ns)
		r->base.now_ns = reached;
	return r->following == VMRT_FOLLOWING_BROKEN && reached == r->base.upto_ns ? TOP_FED_END
										   : TOP_FED_ALL;
}

void follow_state(struct replay *r, struct top_source_state *state)
{
	int64_t upto = vmrt_recording_upto(r->rec);

	if (r->following == VMRT_FOLLOWING_BROKEN)
		snprintf(state->note, sizeof(state->note),
			"its recorder was killed: vmrt-trace reset %.160s completes it",
			r->options.run);
	else if (r->following == VMRT_FOLLOWING_FINISHING)
		snprintf(state->note, sizeof(state->note),
			"the recording has ended, waiting for its files");
	else if (upto == VMRT_UNKNOWN)
		snprintf(state->note, sizeof(state->note),
			"waiting for its recorder to say how far it is");
	else if (r->base.now_ns != VMRT_UNKNOWN && upto - r->base.now_ns > BEHIND_NS)
		snprintf(state->note, sizeof(state->note), "catching up: %" PRId64 " s behind",
			(upto - r->base.now_ns) / VMRT_NS_PER_S);
	else if (!state->note[0] && vmrt_now_ns() - upto > BEHIND_NS)
		snprintf(state->note, sizeof(state->note),
			"its recorder has written nothing for %" PRId64 " s",
			(vmrt_now_ns() - upto) / VMRT_NS_PER_S);
}
