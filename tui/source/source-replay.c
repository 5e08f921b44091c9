/* SPDX-License-Identifier: MIT */
/* A recording as a source: its events are played at their original speed, or faster. */
#include "replay-local.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/show.h>
#include <vmrt/tool.h>

#define CHECK_EVERY 1024 /* events between two looks at the clock */

static void replay_config(struct top_source *source, struct vmrt_engine_config *config)
{
	struct replay *r = (struct replay *)source;

	*config = r->config;
	config->waits = r->waits;
}

/*
 * Must the recording be played again? For some tasks it is known only at the end of the recording
 * what releases them. Then all events are read again, as the analysis does. The engine's tasks are
 * those of the VM that is shown, in the same order.
 */
static bool must_play_again(struct replay *r, const struct vmrt_engine *engine)
{
	const struct vmrt_experiment *exp = r->config.experiment;
	bool again = false;
	uint32_t n = 0;

	if (r->waits || !exp || !exp->n_tasks)
		return false;
	r->waits = calloc(exp->n_tasks, sizeof(*r->waits));
	for (size_t i = 0; r->waits && i < exp->n_tasks; i++) {
		if (r->base.vm && strcmp(exp->tasks[i].machine, r->base.vm) != 0)
			continue;
		r->waits[n] = vmrt_engine_task_again(engine, n);
		again |= r->waits[n++] != VMRT_RELEASE_AUTO;
	}
	return again;
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

static enum top_fed finish(struct replay *r, struct vmrt_engine *engine, struct vmrt_error *err)
{
	if (!r->finished && vmrt_engine_finish(engine, r->config.end_ns) != VMRT_OK) {
		vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		return TOP_FED_ERROR;
	}
	r->finished = true;
	if (must_play_again(r, engine))
		return replay_rewind(&r->base, err) == VMRT_OK ? TOP_FED_ANEW : TOP_FED_ERROR;
	if (r->base.end_ns != VMRT_UNKNOWN && r->base.now_ns < r->base.end_ns)
		r->base.now_ns = r->base.end_ns;
	r->base.end_ns = r->base.now_ns;
	return TOP_FED_END;
}

static enum top_fed replay_play(struct replay *r, struct vmrt_engine *engine, int64_t until_ns,
	int64_t deadline_ns, struct vmrt_error *err)
{
	struct top_source *source = &r->base;
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

static enum top_fed replay_feed(struct top_source *source, struct vmrt_engine *engine,
	int64_t until_ns, int64_t deadline_ns, struct vmrt_error *err)
{
	struct replay *r = (struct replay *)source;

	return r->options.follow ? follow_feed(r, engine, until_ns, deadline_ns, err)
				 : replay_play(r, engine, until_ns, deadline_ns, err);
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
	if (r->options.follow)
		follow_state(r, state);
}

/* The events of one machine as text. */
struct shown {
	struct vmrt_show *show;
	char name[VMRT_NAME_MAX];
};

static void print_event(struct shown *s, struct vmrt_recording *rec, const struct vmrt_event *event,
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

static void print_events(struct vmrt_recording *rec, struct shown *shown, int64_t from_ns,
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
			print_event(s, rec, event, host_ns, take, ctx, &enough);
	}
}

/* Opens the recording a second time to read raw events, so that the position of the replay does not
 * change. */
static enum vmrt_status replay_events(struct top_source *source, int64_t from_ns, int64_t to_ns,
	top_event_fn *take, void *ctx, struct vmrt_error *err)
{
	struct replay *r = (struct replay *)source;
	struct vmrt_engine_config config;
	struct vmrt_recording *rec;
	struct shown *shown;
	struct vmrt_recording_options options = r->options;
	enum vmrt_status status;

	options.follow_from_ns = from_ns;
	status = options.follow ? vmrt_recording_open(&options, &rec, err)
				: vmrt_recording_again(r->rec, from_ns, &rec, err);

	if (status != VMRT_OK)
		return status;
	vmrt_recording_config(rec, &config);
	shown = calloc(config.n_machines, sizeof(*shown));
	for (size_t i = 0; shown && i < config.n_machines; i++) {
		struct vmrt_recorded_machine m;

		vmrt_recording_machine(rec, i, &m);
		snprintf(shown[i].name, sizeof(shown[i].name), "%s", m.name);
		/* without formats, the events are printed in vmrt's own words */
		if (vmrt_show_new(m.path, true, &shown[i].show, NULL) != VMRT_OK)
			shown[i].show = NULL;
	}
	if (shown)
		print_events(rec, shown, from_ns, to_ns, take, ctx);
	else
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; shown && i < config.n_machines; i++)
		vmrt_show_free(shown[i].show);
	free(shown);
	vmrt_recording_close(rec);
	return status;
}

static void replay_lost(struct top_source *source, const struct vmrt_engine *engine, size_t index,
	struct top_lost *out)
{
	struct replay *r = (struct replay *)source;
	struct vmrt_recorded_machine m;
	struct vmrt_recorded_loss loss;

	*out = (struct top_lost){0};
	vmrt_recording_machine(r->rec, index, &m);
	for (unsigned cpu = 0; cpu < vmrt_dat_info(m.dat)->cpus; cpu++) {
		struct vmrt_cpu_loss seen = vmrt_engine_cpu_loss(engine, (uint32_t)index, cpu);

		vmrt_recording_loss(r->rec, engine, index, cpu, &loss);
		out->more += loss.events - seen.events - seen.sizeless;
		out->intervals += (loss.counted > 0) + (loss.missing > 0);
		out->sizeless += loss.sizeless;
	}
}

static void replay_close(struct top_source *source)
{
	struct replay *r = (struct replay *)source;

	vmrt_recording_close(r->rec);
	free(r->found);
	free(r->waits);
	free(r);
}

static void count_losses(struct replay *r)
{
	r->counted = 0;
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

/* Finds tasks that nobody has declared, as the analysis does. */
static enum vmrt_status find_tasks(struct replay *r, struct vmrt_error *err)
{
	enum vmrt_status status;
	size_t tasks;

	vmrt_recording_config(r->rec, &r->config);
	if (r->config.experiment)
		return VMRT_OK;
	status = vmrt_recording_found(r->rec, r->options.stop, &tasks, &r->found, err);
	if (status == VMRT_OK && !r->found)
		return vmrt_recording_rewind(r->rec, err);
	if (status != VMRT_OK)
		return status;
	vmrt_recording_close(r->rec);
	r->rec = NULL;
	r->options.experiment_text = r->found;
	return vmrt_recording_open(&r->options, &r->rec, err);
}

enum vmrt_status replay_open(struct replay *r, struct vmrt_error *err)
{
	enum vmrt_status status;
	int64_t first_ns;

	/* a stop may have been requested to end the live view of which this is the recording; it
	 * must not stop the reading */
	r->options.stop = vmrt_stop_requested() ? NULL : vmrt_stop_requested;
	status = vmrt_recording_open(&r->options, &r->rec, err);
	if (status == VMRT_OK)
		status = find_tasks(r, err);
	if (status != VMRT_OK)
		return status;
	vmrt_recording_config(r->rec, &r->config);
	count_losses(r);
	r->finished = false;
	first_ns = vmrt_merge_peek(vmrt_recording_merge(r->rec));
	if (first_ns == INT64_MAX)
		return vmrt_fail(err, VMRT_EFORMAT, "%s: the recording is empty: it holds no event",
			r->options.run);
	r->base.start_ns = first_ns;
	if (r->config.start_ns != VMRT_UNKNOWN && r->config.start_ns < first_ns)
		r->base.start_ns = r->config.start_ns;
	r->base.now_ns = r->base.start_ns;
	r->base.end_ns = r->config.end_ns;
	return VMRT_OK;
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
		.lost = replay_lost,
		.close = replay_close,
	};
	struct replay *r = calloc(1, sizeof(*r));
	enum vmrt_status status;

	if (!r)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	r->base.ops = &ops;
	if (options->vm) {
		snprintf(r->vm, sizeof(r->vm), "%s", options->vm);
		r->base.vm = r->vm;
	}
	r->options = (struct vmrt_recording_options){.run = options->run,
		.experiment = options->experiment,
		.stop_opening = true,
		.follow = vmrt_recording_in_progress(options->run)};
	set_title(r, options->run);
	status = r->options.follow ? follow_open(r, err) : replay_open(r, err);
	if (status != VMRT_OK) {
		replay_close(&r->base);
		return status;
	}
	*out = &r->base;
	return VMRT_OK;
}
