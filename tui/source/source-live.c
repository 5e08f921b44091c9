/* SPDX-License-Identifier: MIT */
/* This host and its guests as a source, while they run. */
#include "source.h"

#include <stdio.h>
#include <stdlib.h>

#include <vmrt/live.h>

#define CHECK_EVERY 1024 /* events between two looks at the clock */

struct live {
	struct top_source base;
	struct vmrt_experiment *exp;
	struct vmrt_live *live;
};

static void live_config(struct top_source *source, struct vmrt_engine_config *config)
{
	vmrt_live_config(((struct live *)source)->live, config);
}

static enum top_fed live_feed(struct top_source *source, struct vmrt_engine *engine,
	int64_t until_ns, int64_t deadline_ns, struct vmrt_error *err)
{
	struct live *l = (struct live *)source;
	const struct vmrt_event *event;
	int64_t host_ns, error_ns, upto;
	uint32_t machine;

	(void)until_ns;
	if (vmrt_live_collect(l->live, err) != VMRT_OK)
		return TOP_FED_ERROR;
	for (unsigned n = 1; vmrt_live_next(l->live, &machine, &event, &host_ns, &error_ns); n++) {
		if (source->start_ns == VMRT_UNKNOWN)
			source->start_ns = source->now_ns = host_ns;
		if (vmrt_engine_push(engine, machine, event, host_ns, error_ns) != VMRT_OK) {
			vmrt_fail(err, VMRT_ENOMEM, "out of memory");
			return TOP_FED_ERROR;
		}
		if (host_ns > source->now_ns)
			source->now_ns = host_ns;
		if (n % CHECK_EVERY == 0 && vmrt_now_ns() >= deadline_ns)
			return TOP_FED_PART;
	}
	upto = vmrt_live_upto(l->live);
	if (source->start_ns != VMRT_UNKNOWN && upto > source->now_ns) {
		source->now_ns = upto;
		vmrt_engine_advance(engine, upto);
	}
	return TOP_FED_ALL;
}

static void live_state(struct top_source *source, struct top_source_state *state)
{
	*state =
		(struct top_source_state){.buffer_fill = VMRT_UNKNOWN, .buffer_size = VMRT_UNKNOWN};
	vmrt_live_note(((struct live *)source)->live, state->note, sizeof(state->note));
}

static void live_close(struct top_source *source)
{
	struct live *l = (struct live *)source;

	vmrt_live_close(l->live);
	vmrt_experiment_free(l->exp);
	free(l);
}

enum vmrt_status top_live_open(
	const struct top_source_options *options, struct top_source **out, struct vmrt_error *err)
{
	static const struct top_source_ops ops = {
		.config = live_config, .feed = live_feed, .state = live_state, .close = live_close};
	struct vmrt_live_options live = {.vm = options->vm, .port = options->port};
	struct live *l = calloc(1, sizeof(*l));
	enum vmrt_status status = VMRT_OK;

	if (!l)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	l->base.ops = &ops;
	l->base.live = true;
	l->base.start_ns = l->base.end_ns = l->base.now_ns = VMRT_UNKNOWN;
	if (options->experiment)
		status = vmrt_experiment_load(options->experiment, &l->exp, err);
	live.experiment = l->exp;
	if (status == VMRT_OK)
		status = vmrt_live_open(&live, &l->live, err);
	if (status != VMRT_OK) {
		live_close(&l->base);
		return status;
	}
	l->base.vm = vmrt_live_vm(l->live);
	snprintf(l->base.title, sizeof(l->base.title), "%s", l->exp ? l->exp->name : "this host");
	*out = &l->base;
	return VMRT_OK;
}
