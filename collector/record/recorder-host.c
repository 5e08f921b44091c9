/* SPDX-License-Identifier: MIT */
/* The host's side of a recording: its file, its buffers, its losses. */
#include "recorder.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>

#include "parser/ring/names.h"
#include "salvage.h"

#define EXITS_BUFFER (64 << 10)
#define DISK_RESERVE (UINT64_C(8) << 20) /* for the header, the manifest and a small database */

void recorder_note(struct record_recorder *rec, const char *fmt, ...)
{
	char *note = rec->manifest.note;
	va_list ap;

	/* only the first note is kept: later ones are consequences */
	if (note[0])
		return;
	va_start(ap, fmt);
	vsnprintf(note, sizeof(rec->manifest.note), fmt, ap);
	va_end(ap);
}

static enum vmrt_status save_manifest(struct record_recorder *rec, struct vmrt_error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", rec->folder.path, VMRT_FILE_MANIFEST);
	return vmrt_manifest_save(&rec->manifest, path, err);
}

static enum vmrt_status save_processes(struct record_recorder *rec, struct vmrt_error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", rec->folder.path, VMRT_FILE_HOST);
	return vmrt_processes_save(path, (const char *const *)rec->meta.processes, err);
}

/*
 * Opens a second tracefs instance that records only the ends of threads, for their names. The
 * recording has the names, too, but all of it would have to be read. That is done if there is no
 * second instance or if the second instance lost events.
 */
static void open_exits(struct record_recorder *rec)
{
	struct vmrt_tracer_options options = {
		.label = "names", .buffer = EXITS_BUFFER, .events = "sched:sched_process_exit"};

	rec->names = vmrt_names_new(&rec->meta);
	if (rec->names && vmrt_tracer_has_event(rec->tracer, "sched", "sched_process_exit") &&
		vmrt_tracer_open_with(&options, &rec->exits, NULL) == VMRT_OK)
		vmrt_tracer_on(rec->exits, NULL);
}

void recorder_take_names(struct record_recorder *rec)
{
	uint8_t page[VMRT_TRACER_PAGE_MAX];

	for (unsigned cpu = 0; rec->exits && cpu < rec->meta.cpus; cpu++)
		while (vmrt_tracer_read(rec->exits, cpu, page) > 0)
			vmrt_names_page(rec->names, page);
}

/* Were all ends of threads seen? */
static bool all_names_taken(struct record_recorder *rec)
{
	struct vmrt_cpu_stats s;

	if (!rec->exits || vmrt_tracer_off(rec->exits, NULL) != VMRT_OK)
		return false;
	recorder_take_names(rec);
	for (unsigned cpu = 0; cpu < rec->meta.cpus; cpu++)
		if (vmrt_tracer_stats(rec->exits, cpu, &s, NULL) != VMRT_OK || s.overrun ||
			s.dropped || s.commit_overrun)
			return false;
	return true;
}

enum vmrt_status recorder_open_host(struct record_recorder *rec, struct vmrt_error *err)
{
	const struct vmrt_recorder_options *o = rec->options;
	struct vmrt_dat_content first = {.meta = &rec->meta, .trace_id = rec->trace_id};
	struct drain_options drain = {
		.cpus = rec->has_cpus ? &rec->cpus : NULL,
		.max_size = o->max_size,
		.reserve = DISK_RESERVE + rec->meta.cpus * vmrt_tracer_buffer(rec->tracer),
		.hold = o->flight_ns > 0,
	};
	enum vmrt_status status;

	rec->manifest.buffers = calloc(rec->meta.cpus, sizeof(*rec->manifest.buffers));
	rec->stats = calloc(rec->meta.cpus, sizeof(*rec->stats));
	if (!rec->stats || !rec->manifest.buffers)
		return vmrt_fail(err, VMRT_ENOMEM, "recorder: out of memory");
	rec->manifest.n_buffers = rec->meta.cpus;
	status = vmrt_journal_write(rec->folder.path, vmrt_tracer_instance(rec->tracer), err);
	if (status != VMRT_OK)
		return status;
	rec->journal = true;
	if ((status = vmrt_datfile_begin(rec->folder.path, "host", &first, &rec->file, err)) !=
		VMRT_OK)
		return status;
	vmrt_datfile_stop(rec->file, recorder_out_of_time);
	drain.file = rec->file;
	if (vmrt_datfile_free_space(rec->file) < drain.reserve)
		return vmrt_fail(err, VMRT_EIO,
			"the disk of %s is nearly full: at least %" PRIu64
			" MiB are needed (less with a smaller --buffer)",
			rec->folder.path, drain.reserve >> 20);
	open_exits(rec);
	return drain_start(rec->tracer, &drain, &rec->drain, err);
}

enum vmrt_status recorder_save_beginning(struct record_recorder *rec, struct vmrt_error *err)
{
	enum vmrt_status status = save_processes(rec, err);

	return status == VMRT_OK ? save_manifest(rec, err) : status;
}

static uint64_t lost_of(const struct vmrt_cpu_stats *s)
{
	return s->overrun + s->commit_overrun + s->dropped;
}

static void note_losses(struct vmrt_manifest_buffer *b, uint64_t lost, int64_t from, int64_t to)
{
	struct vmrt_manifest_loss *last = b->n_losses ? &b->losses[b->n_losses - 1] : NULL;

	if (lost <= b->lost)
		return;
	/* losses that follow each other directly are one loss; if the list is full, the last loss
	 * becomes longer */
	if (last && (last->to_ns == from || b->n_losses == VMRT_MANIFEST_LOSSES)) {
		last->to_ns = to;
		last->events += lost - b->lost;
	} else {
		b->losses[b->n_losses++] = (struct vmrt_manifest_loss){from, to, lost - b->lost};
	}
	b->lost = lost;
	b->fill = b->size; /* events can be lost only if the buffer was full */
}

/* Does a file of the recorder's instance in tracefs say that something is on? */
static bool is_on(struct record_recorder *rec, const char *file)
{
	char path[PATH_MAX], *text;
	bool on = true;

	snprintf(path, sizeof(path), "%s/%s", vmrt_tracer_folder(rec->tracer), file);
	if (vmrt_read_file(path, 64, &text, NULL, NULL) == VMRT_OK) {
		on = text[0] != '0';
		free(text);
	}
	return on;
}

/* Notes if another program switched tracing or an event of the instance off: events that are not
 * recorded because of that are lost. */
static void note_tracing_off(struct record_recorder *rec, int64_t now)
{
	bool tracing = is_on(rec, "tracing_on");

	if (rec->silenced || rec->options->flight_ns ||
		(tracing && (!rec->analyzable || is_on(rec, "events/sched/sched_switch/enable"))))
		return;
	rec->silenced = true;
	recorder_note(rec,
		"%s by somebody else, at most %.1f s before %.1f s after the beginning: events "
		"are missing from there on",
		tracing ? "sched_switch was disabled" : "tracing was switched off",
		(double)(now - rec->checked_ns) / VMRT_NS_PER_S,
		(double)(now - rec->manifest.start_ns) / VMRT_NS_PER_S);
	vmrt_warn("%s", rec->manifest.note);
}

void recorder_note_losses(struct record_recorder *rec, int64_t now)
{
	note_tracing_off(rec, now);
	for (unsigned cpu = 0; cpu < rec->meta.cpus && !rec->options->flight_ns; cpu++) {
		struct vmrt_cpu_stats s;

		if (vmrt_tracer_stats(rec->tracer, cpu, &s, NULL) == VMRT_OK)
			note_losses(&rec->manifest.buffers[cpu], lost_of(&s), rec->checked_ns, now);
	}
	rec->checked_ns = now;
}

static void note_why_stopped(struct record_recorder *rec)
{
	switch (drain_stop(rec->drain)) {
	case VMRT_DRAIN_MAX_SIZE:
		recorder_note(rec, "recording ended when --max-size was reached");
		break;
	case VMRT_DRAIN_DISK:
		recorder_note(rec, "recording ended because the disk was nearly full");
		break;
	default:
		return;
	}
	vmrt_warn("%s", rec->manifest.note);
}

void recorder_finish_host(struct record_recorder *rec)
{
	int64_t since = rec->since_ns, least = INT64_MIN;
	struct vmrt_error err;
	bool failed;

	note_why_stopped(rec);
	/* this comes first, because a second ^C may end what follows; an error is reported when the
	 * names are written again */
	rec->end_cmdlines = vmrt_trace_cmdlines(&rec->meta.processes[VMRT_PROCESSES_END]);
	(void)save_processes(rec, NULL);
	failed = drain_finish(rec->drain, since, &err) != VMRT_OK;
	rec->manifest.broken_off = failed;
	if (failed) {
		recorder_note(rec, "%.150s: the recording of the host ends there", err.text);
		vmrt_warn("%s", rec->manifest.note);
	}
	for (unsigned cpu = 0; cpu < rec->meta.cpus; cpu++) {
		struct drain_figures figures = drain_figures(rec->drain, cpu);
		struct vmrt_manifest_buffer *b = &rec->manifest.buffers[cpu];
		struct vmrt_cpu_stats *s = &rec->stats[cpu];

		if (vmrt_tracer_stats(rec->tracer, cpu, s, &err) != VMRT_OK)
			vmrt_warn("%s", err.text);
		/* events that a flight recorder overwrote are not lost, unless they lie in the time
		 * that it had to keep */
		if (rec->options->flight_ns && s->overrun && figures.first_ns > since &&
			figures.first_ns > least)
			least = figures.first_ns;
		if (rec->options->flight_ns)
			s->overrun = 0;
		if (failed)
			s->dropped += s->entries;
		b->size = vmrt_tracer_buffer(rec->tracer);
		if (figures.fill > b->fill)
			b->fill = figures.fill;
		note_losses(b, lost_of(s), rec->checked_ns, rec->manifest.end_ns);
		b->events = s->read_events;
		/* the file of a flight recorder has only the last events that were read */
		if (rec->options->flight_ns)
			s->read_events = s->entries = 0;
		b->unread_ns = figures.unread_ns;
		b->unread_at_ns = figures.unread_at;
		rec->events += b->events;
		rec->lost += b->lost;
	}
	if (least != INT64_MIN)
		vmrt_warn("the buffers held only the last %.3f s; --buffer makes room for more",
			(double)(rec->manifest.end_ns - least) / VMRT_NS_PER_S);
}

/*
 * Adds the current names behind those of the beginning, because later names win. Names of threads
 * that began and ended during the recording are only in events.
 */
static void add_names(struct record_recorder *rec)
{
	char *ended, *all;

	all = vmrt_trace_merge_names(
		(const char *const[]){rec->meta.cmdlines, rec->end_cmdlines}, 2);
	if (!all)
		return;
	free(rec->meta.cmdlines);
	rec->meta.cmdlines = all;
	/* the whole recording has to be read for the names, and a second ^C leaves no time for that
	 */
	if (!all_names_taken(rec) && rec->names)
		vmrt_datfile_names(rec->file, rec->names);
	ended = vmrt_names_take(rec->names);
	rec->names = NULL;
	all = ended ? vmrt_trace_merge_names((const char *const[]){all, ended}, 2) : NULL;
	free(ended);
	if (all) {
		free(rec->meta.cmdlines);
		rec->meta.cmdlines = all;
	}
}

/* A flight recorder has read more than it kept. */
static void count_kept(struct record_recorder *rec)
{
	struct vmrt_content content = {.cpus = rec->meta.cpus};
	char path[PATH_MAX];

	content.per_cpu = calloc(rec->meta.cpus, sizeof(*content.per_cpu));
	snprintf(path, sizeof(path), "%s/%s", rec->folder.path, VMRT_FILE_HOST);
	if (content.per_cpu &&
		vmrt_count_events(path, &content, recorder_out_of_time, NULL) == VMRT_OK) {
		rec->events = content.events;
		for (unsigned cpu = 0; cpu < rec->meta.cpus; cpu++)
			rec->manifest.buffers[cpu].events = content.per_cpu[cpu];
		if (content.first_ns > rec->manifest.start_ns)
			rec->manifest.start_ns = content.first_ns;
	}
	free(content.per_cpu);
}

enum vmrt_status recorder_save_host(struct record_recorder *rec, struct vmrt_error *err)
{
	struct vmrt_dat_guest guests[VMRT_RECORDER_VMS];
	struct vmrt_dat_content content = {
		.meta = &rec->meta,
		.stats = rec->stats,
		.trace_id = rec->trace_id,
		.guests = guests,
	};
	enum vmrt_status status, saved;
	struct vmrt_error other;

	add_names(rec);
	content.n_guests = recorder_dat_guests(rec, guests);
	status = vmrt_datfile_end(rec->file, &content, err);
	if (status == VMRT_OK)
		status = save_processes(rec, err);
	if (status == VMRT_OK && rec->options->flight_ns)
		count_kept(rec);
	saved = save_manifest(rec, &other);
	if (status == VMRT_OK && saved != VMRT_OK)
		status = vmrt_fail(err, saved, "%s", other.text);
	/* `vmrt-trace reset` needs the journal to find a guest's file that is not put together yet
	 */
	if (status == VMRT_OK && !rec->unfinished) {
		run_unlink(rec->folder.path, VMRT_FILES_PINGS);
		vmrt_journal_remove(rec->folder.path, vmrt_tracer_instance(rec->tracer));
		rec->journal = false;
	}
	return status;
}
