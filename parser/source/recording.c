/* SPDX-License-Identifier: MIT */
/* A recording as events in host time: its files, and what of them is left out. */
#include "recording-local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "following.h"
#include "parser/dat/dat.h"
#include "parser/ring/stream.h"

/* Clocks have errors, and events are not quite in order: so much more is read. */
#define AGAIN_BEFORE_NS VMRT_NS_PER_S

static struct source *source_of(struct vmrt_recording *rec, const struct merge_input *in)
{
	return &rec->sources[in->machine];
}

/* Gives up a CPU whose data are malformed; the others go on. */
static void note_malformed(void *ctx, struct merge_input *in, const char *why)
{
	struct source *s = source_of(ctx, in);

	vmrt_warn("%s", why);
	snprintf(s->note, sizeof(s->note), "%.250s", why);
}

static void note_strays(void *ctx, struct merge_input *in)
{
	struct source *s = source_of(ctx, in);

	if (!in->stream->strays || s->note[0])
		return;
	snprintf(s->note, sizeof(s->note),
		"pages with times that do not fit between those of the pages around them: %u; they "
		"count as lost",
		in->stream->strays);
	vmrt_warn("%s: %s", s->path, s->note);
}

/* Finds what is left of the recording when the event of @in comes long after the one before it. */
static struct horizon_rest what_is_left(
	const struct vmrt_recording *rec, const struct merge_input *in)
{
	struct horizon_rest rest = {.host_ended = !rec->inputs[0]->have,
		.of_guest = in->machine > 0,
		.few = stream_is_last_page(in->stream)};

	for (size_t i = 0; i < rec->n; i++) {
		rest.cpus += stream_cpus_with_events(rec->inputs[i]->stream);
		rest.going_on += rec->inputs[i]->have ? rec->inputs[i]->stream->n_heap : 0;
	}
	return rest;
}

/* The event of @in is outside the recording: it is left out, and if it is behind the end, so is
 * what its CPU has behind it. */
static void leave_out(struct vmrt_recording *rec, struct merge_input *in)
{
	struct source *s = source_of(rec, in);
	char text[VMRT_UNITS_TEXT];

	if (in->host_ns < rec->horizon.least_ns) {
		if (!s->note[0])
			snprintf(s->note, sizeof(s->note),
				"CPU %u has events from before the recording began; they are left "
				"out",
				in->event.cpu);
		return;
	}
	stream_drop_current(in->stream);
	if (rec->cut_ns != VMRT_UNKNOWN)
		return; /* the warning was printed already */
	if (rec->horizon.last_ns == VMRT_UNKNOWN)
		snprintf(s->note, sizeof(s->note),
			"CPU %u has events from after the recording ended; they are left out",
			in->event.cpu);
	else
		snprintf(s->note, sizeof(s->note),
			"CPU %u has an event %s later than all others; it and what follows are "
			"left "
			"out",
			in->event.cpu,
			vmrt_format_duration(in->host_ns - rec->horizon.last_ns, text));
	vmrt_warn("%s: %s", s->path, s->note);
}

static bool accept(void *ctx, struct merge_input *in)
{
	struct vmrt_recording *rec = ctx;
	struct horizon_rest rest = what_is_left(rec, in);

	/* before the first event, the floor is only a bound */
	if (rec->horizon.first_ns != VMRT_UNKNOWN)
		rec->horizon.last_ns = rec->merge.floor_ns;
	if (horizon_is_stray(&rec->horizon, in->host_ns, &rest)) {
		leave_out(rec, in);
		return false;
	}
	if (horizon_begins(&rec->horizon, in->host_ns))
		rec->begin_ns = in->host_ns;
	rec->merge.ceiling_ns = horizon_accept(&rec->horizon, in->host_ns);
	return true;
}

struct place {
	const struct source *source;
	int64_t ns;
	size_t hint;
};

static bool is_before(void *ctx, int64_t ts)
{
	struct place *place = ctx;
	const struct vmrt_clockmap *map = place->source->in.map;

	if (map && !map->n)
		return false;
	return (map ? vmrt_clockmap_to_host(map, ts, &place->hint) : ts) < place->ns;
}

void recording_begin_at(struct source *s, int64_t from_ns)
{
	stream_begin_at(s->in.stream, is_before,
		&(struct place){.source = s, .ns = from_ns - AGAIN_BEFORE_NS});
}

enum vmrt_status vmrt_recording_rewind(struct vmrt_recording *rec, struct vmrt_error *err)
{
	static const struct merge_ops ops = {
		.malformed = note_malformed, .at_end = note_strays, .accept = accept};

	int64_t start_ns = rec->manifest ? rec->manifest->start_ns : VMRT_UNKNOWN;

	horizon_init(&rec->horizon, rec->again ? VMRT_UNKNOWN : start_ns,
		rec->manifest ? rec->manifest->end_ns : VMRT_UNKNOWN);
	if (rec->begin_ns != VMRT_UNKNOWN && rec->begin_ns > rec->horizon.least_ns)
		rec->horizon.least_ns = rec->begin_ns;
	if (rec->cut_ns != VMRT_UNKNOWN && rec->cut_ns < rec->horizon.most_ns)
		rec->horizon.most_ns = rec->cut_ns;
	for (size_t i = 0; i < rec->n; i++) {
		struct source *s = &rec->sources[i];
		enum vmrt_status status;
		unsigned cpus = vmrt_dat_info(s->dat)->cpus;

		if (s->in.stream && !rec->again)
			stream_late_take(s->in.stream, &s->late);
		vmrt_stream_free(s->in.stream);
		s->in.stream = NULL;
		s->in.hint = 0;
		status = vmrt_stream_open(s->dat, &s->in.stream, err);
		if (status != VMRT_OK)
			return status;
		s->in.stream->known = &s->late;
		if (rec->again)
			recording_begin_at(s, rec->again_ns);
		if (rec->following)
			continue;
		if (s->ended_early || (i ? s->vm && s->vm->broken_off
					 : rec->manifest && rec->manifest->broken_off))
			vmrt_stream_broken_off(s->in.stream);
		for (unsigned c = 0; s->cpus_ended && c < cpus; c++)
			if (s->cpus_ended[c])
				vmrt_stream_cpu_broken_off(s->in.stream, c);
	}
	rec->merge =
		(struct vmrt_merge){.ops = &ops, .ctx = rec, .inputs = rec->inputs, .n = rec->n};
	if (rec->following)
		following_rewind(rec);
	else
		merge_begin(&rec->merge, rec->horizon.least_ns);
	return VMRT_OK;
}

/* From now on the caller handles signals, so the recording must not seem to end at one. */
static void never_stop(struct vmrt_recording *rec)
{
	rec->stop = NULL;
	for (size_t i = 0; i < rec->n; i++)
		vmrt_dat_stop(rec->sources[i].dat, NULL);
}

enum vmrt_status vmrt_recording_open(const struct vmrt_recording_options *options,
	struct vmrt_recording **out, struct vmrt_error *err)
{
	struct vmrt_recording *rec = calloc(1, sizeof(*rec));
	enum vmrt_status status;

	if (!rec)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	rec->options = options;
	rec->begin_ns = rec->cut_ns = VMRT_UNKNOWN;
	rec->stop = options->stop;
	status = options->follow ? following_begin(rec, err) : VMRT_OK;
	if (status == VMRT_OK)
		status = recording_open_files(rec, err);
	for (size_t i = 0; i < rec->n; i++) {
		rec->inputs[i] = &rec->sources[i].in;
		rec->inputs[i]->machine = (uint32_t)i;
		rec->inputs[i]->map = i ? &rec->sources[i].map : NULL;
		rec->inputs[i]->clocks_ns =
			i ? rec->sources[i].record_error_ns + rec->sources[0].record_error_ns : 0;
		rec->machines[i].name = rec->sources[i].name;
		rec->machines[i].cpus = vmrt_dat_info(rec->sources[i].dat)->cpus;
		rec->machines[i].clock = i ? &rec->sources[i].map : NULL;
		rec->machines[i].record_error_ns = rec->sources[i].record_error_ns;
		memcpy(rec->machines[i].processes, rec->sources[i].processes,
			sizeof(rec->machines[i].processes));
	}
	if (status == VMRT_OK)
		status = vmrt_recording_rewind(rec, err);
	rec->options = NULL;
	if (status != VMRT_OK) {
		vmrt_recording_close(rec);
		return status;
	}
	if (options->stop_opening)
		never_stop(rec);
	*out = rec;
	return VMRT_OK;
}

enum vmrt_status vmrt_recording_again(const struct vmrt_recording *rec, int64_t from_ns,
	struct vmrt_recording **out, struct vmrt_error *err)
{
	struct vmrt_recording *again = malloc(sizeof(*again));
	enum vmrt_status status;

	if (!again)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	*again = *rec;
	again->again = true;
	again->again_ns = from_ns;
	for (size_t i = 0; i < again->n; i++) {
		again->sources[i].in.stream = NULL;
		again->inputs[i] = &again->sources[i].in;
	}
	status = vmrt_recording_rewind(again, err);
	if (status == VMRT_OK)
		*out = again;
	else
		vmrt_recording_close(again);
	return status;
}

void vmrt_recording_config(struct vmrt_recording *rec, struct vmrt_engine_config *config)
{
	*config = (struct vmrt_engine_config){
		.experiment = rec->exp,
		.machines = rec->machines,
		.n_machines = rec->n,
		.vms = rec->vms,
		.n_vms = rec->n_vms,
		.start_ns = rec->manifest ? rec->manifest->start_ns : VMRT_UNKNOWN,
		.end_ns = rec->manifest && !rec->following ? rec->manifest->end_ns : VMRT_UNKNOWN,
		.live = rec->following != NULL,
		.hsf = rec->manifest && rec->manifest->hsf,
		.tasks_are_found = rec->tasks_are_found,
	};
}

struct vmrt_merge *vmrt_recording_merge(struct vmrt_recording *rec)
{
	return &rec->merge;
}

bool vmrt_recording_next(struct vmrt_recording *rec, uint32_t *machine,
	const struct vmrt_event **event, int64_t *host_ns, int64_t *error_ns)
{
	struct merge_input *in =
		merge_next(&rec->merge, rec->following ? rec->merge.upto_ns : INT64_MAX);

	if (!in)
		return false;
	*machine = in->machine;
	*event = &in->event;
	*host_ns = in->host_ns;
	*error_ns = merge_error(in);
	return true;
}

bool vmrt_recording_stopped(const struct vmrt_recording *rec)
{
	return rec->stop && rec->stop();
}

bool vmrt_recording_without_host(const struct vmrt_recording *rec)
{
	return rec->without_host;
}

/* Returns how many events of @cpu the kernel counted but the file lacks, though its data are
 * complete. */
static uint64_t missing_events(const struct vmrt_recording *rec, size_t index, unsigned cpu)
{
	const struct source *s = &rec->sources[index];

	/* what a cut takes away is reported as a cut, but pages of zeros are in the file, and that
	 * a CPU ended early may be known from what is missing */
	if (s->in.stream->cpus[cpu].ended && !s->in.stream->zeros &&
		!(s->cpus_ended && s->cpus_ended[cpu]))
		return 0;
	return vmrt_dat_lacking(s->dat, cpu, vmrt_stream_count(s->in.stream, cpu));
}

void vmrt_recording_loss(const struct vmrt_recording *rec, const struct vmrt_engine *engine,
	size_t index, unsigned cpu, struct vmrt_recorded_loss *out)
{
	struct vmrt_dat_cpustat stat = vmrt_dat_cpustat(rec->sources[index].dat, cpu);
	uint64_t counted = stat.overrun + stat.commit_overrun + stat.dropped;
	struct vmrt_cpu_loss seen = vmrt_engine_cpu_loss(engine, (uint32_t)index, cpu);

	*out = (struct vmrt_recorded_loss){
		.events = seen.events + seen.sizeless,
		.missing = missing_events(rec, index, cpu),
		.sizeless = seen.sizeless,
	};
	/* the counter also counts lost events whose number did not fit into a page */
	if (counted && counted >= seen.events) {
		if (!seen.sizeless)
			out->counted = counted - seen.events;
		out->events = counted;
		out->sizeless = 0;
	}
	out->events += out->missing;
}

bool vmrt_recording_begins_late(const struct vmrt_recording *rec)
{
	if (rec->begin_ns == VMRT_UNKNOWN || rec->horizon.least_ns == rec->begin_ns)
		return false;
	vmrt_warn("%s: its first events are hours before all others; they are left out",
		rec->sources[0].path);
	return true;
}

bool vmrt_recording_has_late_pages(const struct vmrt_recording *rec)
{
	for (size_t i = 0; i < rec->n; i++)
		if (rec->sources[i].in.stream->late.n)
			return true;
	return false;
}

static void note_early_end(struct source *s, const char *words)
{
	vmrt_warn("%s: %s", s->path, words);
	if (!s->note[0])
		snprintf(s->note, sizeof(s->note), "%.250s", words);
}

void vmrt_recording_ended_early(struct vmrt_recording *rec, size_t index, const char *words)
{
	rec->sources[index].ended_early = true;
	note_early_end(&rec->sources[index], words);
}

void vmrt_recording_cpu_ended_early(
	struct vmrt_recording *rec, size_t index, unsigned cpu, const char *words)
{
	struct source *s = &rec->sources[index];

	if (!s->cpus_ended)
		s->cpus_ended = calloc(vmrt_dat_info(s->dat)->cpus, sizeof(*s->cpus_ended));
	if (s->cpus_ended)
		s->cpus_ended[cpu] = true;
	note_early_end(s, words);
}

void vmrt_recording_cut(struct vmrt_recording *rec, int64_t end_ns, const char *words)
{
	rec->cut_ns = end_ns;
	note_early_end(&rec->sources[0], words);
}

void vmrt_recording_machine(
	const struct vmrt_recording *rec, size_t index, struct vmrt_recorded_machine *out)
{
	const struct source *s = &rec->sources[index];

	out->name = s->name;
	out->path = s->path;
	out->note = s->followed && s->followed->lack ? s->followed->lack
		    : s->note[0]		     ? s->note
		    : s->vm			     ? s->vm->note
						     : "";
	out->dat = s->dat;
	out->clock = s->record_clock.text;
	out->map = index ? &s->map : NULL;
}

const void *vmrt_recording_record(const struct vmrt_recording *rec, uint32_t *size)
{
	*size = 0;
	return rec->merge.taken ? vmrt_stream_record(rec->merge.taken->stream, size) : NULL;
}

bool vmrt_recording_event(
	const struct vmrt_recording *rec, size_t index, unsigned i, struct vmrt_event_count *out)
{
	return vmrt_stream_event(rec->sources[index].in.stream, i, out);
}

const struct vmrt_manifest *vmrt_recording_manifest(const struct vmrt_recording *rec)
{
	return rec->manifest;
}

const char *vmrt_recording_experiment(const struct vmrt_recording *rec)
{
	return rec->exp_text;
}

void vmrt_recording_close(struct vmrt_recording *rec)
{
	if (!rec)
		return;
	for (size_t i = 0; i < rec->n; i++)
		vmrt_stream_free(rec->sources[i].in.stream);
	if (rec->again) {
		free(rec);
		return;
	}
	following_end(rec);
	for (size_t i = 0; i < rec->n; i++) {
		vmrt_dat_close(rec->sources[i].dat);
		vmrt_clockmap_free(&rec->sources[i].map);
		free(rec->sources[i].cpus_ended);
		free(rec->sources[i].late.at);
		for (size_t k = 0; k < VMRT_PROCESSES_TIMES; k++)
			vmrt_processes_free(&rec->sources[i].processes[k]);
	}
	for (size_t i = 0; i < RECORDING_MACHINES; i++)
		free(rec->made[i]);
	vmrt_manifest_free(rec->manifest);
	vmrt_experiment_free(rec->exp);
	free(rec->exp_text);
	free(rec);
}
