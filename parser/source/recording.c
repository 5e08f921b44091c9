/* SPDX-License-Identifier: MIT */
/* Merges all machines of a recording by time. */
#include "recording-local.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "parser/ring/stream.h"

/* Gets the next event of one machine; a malformed CPU is given up, the others go on. */
static void advance(struct vmrt_recording *rec, struct source *s)
{
	struct vmrt_error why;
	int got;

	while ((got = stream_next(s->stream, &s->event, &why)) < 0) {
		vmrt_warn("%s", why.text);
		snprintf(s->note, sizeof(s->note), "%.250s", why.text);
	}
	s->have = got > 0;
	s->host_ns = s->event.ts;
	if (s->index && s->have)
		s->host_ns = vmrt_clockmap_to_host(&s->map, s->event.ts, &s->hint);
	rec->ended |= s->stream->n_ended > 0;
	if (!s->have && s->stream->strays && !s->note[0]) {
		snprintf(s->note, sizeof(s->note),
			"pages with times behind those of the pages that follow: %u; they count as "
			"lost",
			s->stream->strays);
		vmrt_warn("%s: %s", s->path, s->note);
	}
}

/* What is left of the recording, now that the event of @s comes long behind the one before it. */
static struct horizon_rest what_is_left(const struct vmrt_recording *rec, const struct source *s)
{
	struct horizon_rest rest = {.host_ended = !rec->sources[0].have,
		.of_guest = s->index > 0,
		.few = stream_is_last_page(s->stream)};

	for (size_t i = 0; i < rec->n; i++) {
		rest.cpus += stream_cpus_with_events(rec->sources[i].stream);
		rest.going_on += rec->sources[i].have ? rec->sources[i].stream->n_heap : 0;
	}
	return rest;
}

/* The event of @s is outside the recording: it is left out, and if it is behind the end, so is what
 * its CPU has behind it. */
static void leave_out(struct vmrt_recording *rec, struct source *s)
{
	int64_t off = s->host_ns - rec->horizon.last_ns;
	char text[VMRT_UNITS_TEXT];

	if (s->host_ns < rec->horizon.least_ns) {
		if (!s->note[0])
			snprintf(s->note, sizeof(s->note),
				"CPU %u has events from before the recording began; they are left "
				"out",
				s->event.cpu);
	} else {
		stream_give_up(s->stream);
		if (rec->horizon.last_ns == VMRT_UNKNOWN)
			snprintf(s->note, sizeof(s->note),
				"CPU %u has events from after the recording ended; they are left "
				"out",
				s->event.cpu);
		else
			snprintf(s->note, sizeof(s->note),
				"CPU %u has an event %s behind all others; it and what follows "
				"are left out",
				s->event.cpu, vmrt_format_duration(off, text));
		vmrt_warn("%s: %s", s->path, s->note);
	}
	advance(rec, s);
}

enum vmrt_status vmrt_recording_rewind(struct vmrt_recording *rec, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	rec->given = NULL;
	rec->ended = false;
	rec->rival_ns = 0;
	horizon_init(&rec->horizon, rec->manifest ? rec->manifest->start_ns : VMRT_UNKNOWN,
		rec->manifest ? rec->manifest->end_ns : VMRT_UNKNOWN);
	for (size_t i = 0; status == VMRT_OK && i < rec->n; i++) {
		struct source *s = &rec->sources[i];

		vmrt_stream_free(s->stream);
		s->stream = NULL;
		s->hint = 0;
		status = vmrt_stream_open(s->dat, &s->stream, err);
		if (status == VMRT_OK && (i ? s->vm && s->vm->broken_off
					    : rec->manifest && rec->manifest->broken_off))
			vmrt_stream_broken_off(s->stream);
		if (status == VMRT_OK)
			advance(rec, s);
	}
	return status;
}

enum vmrt_status vmrt_recording_open(const struct vmrt_recording_options *options,
	struct vmrt_recording **out, struct vmrt_error *err)
{
	struct vmrt_recording *rec = calloc(1, sizeof(*rec));
	enum vmrt_status status;

	if (!rec)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	rec->options = options;
	rec->stop = options->stop;
	status = recording_open_files(rec, err);
	for (size_t i = 0; i < rec->n; i++) {
		rec->machines[i].name = rec->sources[i].name;
		rec->machines[i].cpus = vmrt_dat_info(rec->sources[i].dat)->cpus;
		rec->machines[i].clock = i ? &rec->sources[i].map : NULL;
	}
	if (status == VMRT_OK)
		status = vmrt_recording_rewind(rec, err);
	rec->options = NULL;
	if (status != VMRT_OK) {
		vmrt_recording_close(rec);
		return status;
	}
	*out = rec;
	return VMRT_OK;
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
		.end_ns = rec->manifest ? rec->manifest->end_ns : VMRT_UNKNOWN,
		.hsf = rec->manifest && rec->manifest->hsf,
	};
}

/* The source whose event is next in host time; of equal ones the first. */
static struct source *find_next(struct vmrt_recording *rec)
{
	struct source *next = NULL;

	rec->rival_ns = INT64_MAX;
	for (size_t i = 0; i < rec->n; i++) {
		struct source *s = &rec->sources[i];

		if (!s->have)
			continue;
		if (!next || s->host_ns < next->host_ns) {
			rec->rival_ns = next ? next->host_ns : INT64_MAX;
			next = s;
		} else if (s->host_ns < rec->rival_ns) {
			rec->rival_ns = s->host_ns;
		}
	}
	return next;
}

bool vmrt_recording_next(struct vmrt_recording *rec, uint32_t *machine,
	const struct vmrt_event **event, int64_t *host_ns, int64_t *error_ns)
{
	struct source *next = rec->given;

	if (next)
		advance(rec, next);
	if (!next || !next->have || next->host_ns >= rec->rival_ns)
		next = find_next(rec);
	while (next && horizon_is_far(&rec->horizon, next->host_ns)) {
		struct horizon_rest rest = what_is_left(rec, next);

		if (!horizon_is_stray(&rec->horizon, next->host_ns, &rest)) {
			horizon_accept(&rec->horizon, next->host_ns);
			break;
		}
		leave_out(rec, next);
		next = find_next(rec);
	}
	rec->given = next;
	if (!next)
		return false;
	*machine = next->index;
	*event = &next->event;
	*host_ns = next->host_ns;
	*error_ns = next->index ? vmrt_clockmap_error(&next->map, next->event.ts, &next->hint) : 0;
	return true;
}

bool vmrt_recording_ended(struct vmrt_recording *rec, uint32_t *machine, unsigned *cpu)
{
	for (size_t i = 0; rec->ended && i < rec->n; i++) {
		if (!rec->sources[i].stream->n_ended)
			continue;
		*machine = (uint32_t)i;
		*cpu = (unsigned)vmrt_stream_ended(rec->sources[i].stream);
		return true;
	}
	rec->ended = false;
	return false;
}

bool vmrt_recording_stopped(const struct vmrt_recording *rec)
{
	return rec->stop && rec->stop();
}

bool vmrt_recording_without_host(const struct vmrt_recording *rec)
{
	return rec->without_host;
}

uint64_t vmrt_recording_missing(const struct vmrt_recording *rec, size_t index, unsigned cpu)
{
	const struct source *s = &rec->sources[index];
	uint64_t counted = vmrt_dat_cpustat(s->dat, cpu).events;
	uint64_t read = vmrt_stream_count(s->stream, cpu);

	return counted > read && !s->stream->cpus[cpu].ended ? counted - read : 0;
}

void vmrt_recording_machine(
	const struct vmrt_recording *rec, size_t index, struct vmrt_recorded_machine *out)
{
	const struct source *s = &rec->sources[index];

	out->name = s->name;
	out->path = s->path;
	out->note = s->note[0] ? s->note : s->vm ? s->vm->note : "";
	out->dat = s->dat;
	out->clock = s->record_clock.text;
	out->map = index ? &s->map : NULL;
}

const void *vmrt_recording_record(const struct vmrt_recording *rec, uint32_t *size)
{
	*size = 0;
	return rec->given ? vmrt_stream_record(rec->given->stream, size) : NULL;
}

bool vmrt_recording_event(
	const struct vmrt_recording *rec, size_t index, unsigned i, struct vmrt_event_count *out)
{
	return vmrt_stream_event(rec->sources[index].stream, i, out);
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
	for (size_t i = 0; i < rec->n; i++) {
		vmrt_stream_free(rec->sources[i].stream);
		vmrt_dat_close(rec->sources[i].dat);
		vmrt_clockmap_free(&rec->sources[i].map);
	}
	for (size_t i = 0; i < RECORDING_MACHINES; i++)
		free(rec->made[i]);
	vmrt_manifest_free(rec->manifest);
	vmrt_experiment_free(rec->exp);
	free(rec->exp_text);
	free(rec);
}
