/* SPDX-License-Identifier: MIT */
/* A recording as a source: its events as fast as they were, or faster. */
#include "source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/recording.h>
#include <vmrt/show.h>

#define CHECK_EVERY 1024 /* events between two looks at the clock */

struct replay {
	struct top_source base;
	struct vmrt_recording_options options;
	struct vmrt_recording *rec;
	struct vmrt_engine_config config;
	bool finished;
	uint64_t counted; /* losses that the recorder counted */
};

static void replay_config(struct top_source *source, struct vmrt_engine_config *config)
{
	*config = ((struct replay *)source)->config;
}

static enum top_fed finish(struct replay *r, struct vmrt_engine *engine, struct vmrt_error *err)
{
	if (!r->finished && vmrt_engine_finish(engine, r->config.end_ns) != VMRT_OK) {
		vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		return TOP_FED_ERROR;
	}
	r->finished = true;
	if (r->base.end_ns != VMRT_UNKNOWN && r->base.now_ns < r->base.end_ns)
		r->base.now_ns = r->base.end_ns;
	r->base.end_ns = r->base.now_ns;
	return TOP_FED_END;
}

static enum top_fed replay_feed(struct top_source *source, struct vmrt_engine *engine,
	int64_t until_ns, int64_t deadline_ns, struct vmrt_error *err)
{
	struct replay *r = (struct replay *)source;

	struct vmrt_pump pump = {.from = vmrt_recording_merge(r->rec),
		.to = engine,
		.until_ns = until_ns,
		.most = CHECK_EVERY};
	enum vmrt_pumped pumped;

	do {
		pumped = vmrt_pump(&pump);
		if (pump.events && vmrt_merge_time(pump.from) > source->now_ns)
			source->now_ns = vmrt_merge_time(pump.from);
	} while (pumped == VMRT_PUMPED_PART && vmrt_now_ns() < deadline_ns);
	switch (pumped) {
	case VMRT_PUMPED_PART:
		return TOP_FED_PART;
	case VMRT_PUMPED_ENOMEM:
		vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		return TOP_FED_ERROR;
	case VMRT_PUMPED_END:
		return finish(r, engine, err);
	case VMRT_PUMPED_ALL:
		break;
	}
	if (until_ns > source->now_ns)
		source->now_ns = until_ns;
	return TOP_FED_ALL;
}

static enum vmrt_status replay_rewind(struct top_source *source, struct vmrt_error *err)
{
	struct replay *r = (struct replay *)source;
	enum vmrt_status status = vmrt_recording_rewind(r->rec, err);

	if (status != VMRT_OK)
		return status;
	r->finished = false;
	r->base.now_ns = r->base.start_ns;
	return VMRT_OK;
}

static void find_fullest(struct replay *r, struct top_source_state *state)
{
	const struct vmrt_manifest *m = vmrt_recording_manifest(r->rec);

	for (size_t i = 0; m && i < m->n_buffers; i++) {
		const struct vmrt_manifest_buffer *b = &m->buffers[i];

		if (state->buffer_size != VMRT_UNKNOWN && (int64_t)b->fill <= state->buffer_fill)
			continue;
		state->buffer_fill = (int64_t)b->fill;
		state->buffer_size = (int64_t)b->size;
	}
}

static void replay_state(struct top_source *source, struct top_source_state *state)
{
	struct replay *r = (struct replay *)source;

	*state =
		(struct top_source_state){.buffer_fill = VMRT_UNKNOWN, .buffer_size = VMRT_UNKNOWN};
	for (size_t i = 0; i < r->config.n_machines && !state->note[0]; i++) {
		struct vmrt_recorded_machine m;

		vmrt_recording_machine(r->rec, i, &m);
		if (m.note && m.note[0])
			snprintf(state->note, sizeof(state->note), "%s: %s", m.name, m.note);
	}
	if (!state->note[0] && r->counted)
		snprintf(state->note, sizeof(state->note),
			"L the recorder counted %" PRIu64 " lost events", r->counted);
	find_fullest(r, state);
}

/* The events of one machine as text. */
struct shown {
	struct vmrt_show *show;
	char name[VMRT_NAME_MAX];
};

static void give_event(struct shown *s, struct vmrt_recording *rec, const struct vmrt_event *event,
	int64_t host_ns, top_event_fn *take, void *ctx, bool *enough)
{
	char text[512];
	uint32_t size;
	const void *record = vmrt_recording_record(rec, &size);

	if (!s->show || !record) {
		*enough = !take(ctx, s->name, event, host_ns, NULL);
		return;
	}
	snprintf(text, sizeof(text), "%s-%d [%03u] %.400s", vmrt_show_comm(s->show, event->pid),
		event->pid, (unsigned)event->cpu,
		vmrt_show_text(s->show, record, size, event->cpu));
	*enough = !take(ctx, s->name, event, host_ns, text);
}

static void give_events(struct vmrt_recording *rec, struct shown *shown, int64_t from_ns,
	int64_t to_ns, top_event_fn *take, void *ctx)
{
	const struct vmrt_event *event;
	int64_t host_ns, error_ns;
	uint32_t machine;
	bool enough = false;

	while (!enough && vmrt_recording_next(rec, &machine, &event, &host_ns, &error_ns)) {
		struct shown *s = &shown[machine];

		if (s->show)
			vmrt_show_follow(s->show, event);
		if (host_ns > to_ns)
			return;
		if (host_ns >= from_ns)
			give_event(s, rec, event, host_ns, take, ctx, &enough);
	}
}

/* The recording is opened once more: where the replay is does not change. */
static enum vmrt_status replay_events(struct top_source *source, int64_t from_ns, int64_t to_ns,
	top_event_fn *take, void *ctx, struct vmrt_error *err)
{
	struct replay *r = (struct replay *)source;
	struct vmrt_engine_config config;
	struct vmrt_recording *rec;
	struct shown *shown;
	enum vmrt_status status = vmrt_recording_open(&r->options, &rec, err);

	if (status != VMRT_OK)
		return status;
	vmrt_recording_config(rec, &config);
	shown = calloc(config.n_machines, sizeof(*shown));
	for (size_t i = 0; shown && i < config.n_machines; i++) {
		struct vmrt_recorded_machine m;

		vmrt_recording_machine(rec, i, &m);
		snprintf(shown[i].name, sizeof(shown[i].name), "%s", m.name);
		/* without formats our own words do */
		if (vmrt_show_new(m.path, true, &shown[i].show, NULL) != VMRT_OK)
			shown[i].show = NULL;
	}
	if (shown)
		give_events(rec, shown, from_ns, to_ns, take, ctx);
	else
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; shown && i < config.n_machines; i++)
		vmrt_show_free(shown[i].show);
	free(shown);
	vmrt_recording_close(rec);
	return status;
}

static void replay_close(struct top_source *source)
{
	struct replay *r = (struct replay *)source;

	vmrt_recording_close(r->rec);
	free(r);
}

static void count_losses(struct replay *r)
{
	for (size_t i = 0; i < r->config.n_machines; i++) {
		struct vmrt_recorded_machine m;

		vmrt_recording_machine(r->rec, i, &m);
		for (unsigned cpu = 0; cpu < vmrt_dat_info(m.dat)->cpus; cpu++) {
			struct vmrt_dat_cpustat stat = vmrt_dat_cpustat(m.dat, cpu);

			r->counted += stat.overrun + stat.commit_overrun + stat.dropped;
		}
	}
}

static void set_title(struct replay *r, const char *run)
{
	size_t len = strlen(run), from;

	while (len > 1 && run[len - 1] == '/')
		len--;
	for (from = len; from && run[from - 1] != '/'; from--)
		;
	snprintf(r->base.title, sizeof(r->base.title), "%.*s", (int)(len - from), run + from);
	for (char *p = r->base.title; *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
}

/* While a recorder writes, the files are not in their final form. */
static enum vmrt_status still_recorded(const char *run, struct vmrt_error *err)
{
	char path[4096];

	if (vmrt_path(path, sizeof(path), run, "recorder.journal") != VMRT_OK ||
		access(path, F_OK) != 0)
		return VMRT_OK;
	return vmrt_fail(err, VMRT_EBUSY,
		"%s is being recorded: see it live with vmrt-top -e %s/experiment.ini; if its "
		"recorder "
		"was killed, vmrt-trace reset completes it",
		run, run);
}

enum vmrt_status top_replay_open(
	const struct top_source_options *options, struct top_source **out, struct vmrt_error *err)
{
	static const struct top_source_ops ops = {
		.config = replay_config,
		.feed = replay_feed,
		.rewind = replay_rewind,
		.state = replay_state,
		.events = replay_events,
		.close = replay_close,
	};
	struct replay *r = calloc(1, sizeof(*r));
	enum vmrt_status status;
	int64_t first_ns;

	if (!r)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	r->base.ops = &ops;
	r->base.vm = options->vm;
	status = still_recorded(options->run, err);
	if (status != VMRT_OK) {
		free(r);
		return status;
	}
	r->options = (struct vmrt_recording_options){
		.run = options->run, .experiment = options->experiment};
	status = vmrt_recording_open(&r->options, &r->rec, err);
	if (status != VMRT_OK) {
		free(r);
		return status;
	}
	vmrt_recording_config(r->rec, &r->config);
	set_title(r, options->run);
	count_losses(r);
	first_ns = vmrt_merge_peek(vmrt_recording_merge(r->rec));
	if (first_ns == INT64_MAX) {
		replay_close(&r->base);
		return vmrt_fail(err, VMRT_EFORMAT, "%s: the recording is empty: it holds no event",
			options->run);
	}
	r->base.start_ns = first_ns;
	if (r->config.start_ns != VMRT_UNKNOWN && r->config.start_ns < first_ns)
		r->base.start_ns = r->config.start_ns;
	r->base.now_ns = r->base.start_ns;
	r->base.end_ns = r->config.end_ns;
	*out = &r->base;
	return VMRT_OK;
}
