/* SPDX-License-Identifier: MIT */
#ifndef VMRT_RECORDING_H
#define VMRT_RECORDING_H

/* A recording of a host and its guests as one sequence of events in host time. */

#include <stdbool.h>
#include <stddef.h>

#include <vmrt/clock.h>
#include <vmrt/dat.h>
#include <vmrt/discover.h>
#include <vmrt/engine.h>
#include <vmrt/event.h>
#include <vmrt/manifest.h>
#include <vmrt/pump.h>

struct vmrt_recording;

struct vmrt_recording_options {
	const char *run;		/* run folder; or NULL if files are given */
	const char *host_file;		/* a trace.dat of the host, when run is NULL */
	const char *const *guest_files; /* trace.dat files of guests, when run is NULL */
	size_t n_guest_files;
	const char *instance;	/* ring buffer of the files that have several; NULL: by content */
	const char *experiment; /* path; NULL: experiment.ini of the run, if there is one */
	const char *experiment_text; /* of tasks that were found, instead of both; or NULL */
	bool follow;		     /* run is still being recorded: see vmrt_recording_collect() */
	int64_t follow_from_ns; /* with follow: what is long before that host time may be left out
				 */
	int (*stop)(void);	/* true: break off, VMRT_EINTR, or give no more events; or NULL */
	bool stop_opening;	/* @stop is asked only while it is being opened */
};

/* One of the machines; index 0 is the host. */
struct vmrt_recorded_machine {
	const char *name, *path, *note; /* note: what is wrong with it, or "" */
	const struct vmrt_dat *dat;
	const char *clock;		 /* it was recorded in, and how that was mapped */
	const struct vmrt_clockmap *map; /* NULL for the host */
};

/**
 * vmrt_recording_open - open a run folder or single files, and map the guests' clocks
 * @out: free with vmrt_recording_close()
 *
 * What cannot be read of a run folder is left out with a warning on stderr, be it the host's
 * recording or a guest's, as long as one of them can.
 *
 * Return: VMRT_OK; with options.follow, VMRT_EBUSY if the recorder has not begun to record...
 */
enum vmrt_status vmrt_recording_open(const struct vmrt_recording_options *options,
	struct vmrt_recording **out, struct vmrt_error *err);

/**
 * vmrt_recording_config - the configuration for an engine that is to be fed from it
 * @config: filled in; points into the recording
 */
void vmrt_recording_config(struct vmrt_recording *rec, struct vmrt_engine_config *config);

/**
 * vmrt_recording_next - the next event in host time
 * @machine: its machine
 * @event: good until the next call
 * @host_ns, @error_ns: its time on the host's clock, and the bound of that
 *
 * Return: true, or false at the end.
 */
bool vmrt_recording_next(struct vmrt_recording *rec, uint32_t *machine,
	const struct vmrt_event **event, int64_t *host_ns, int64_t *error_ns);

/** vmrt_recording_merge - its events for vmrt_pump(), which takes them as vmrt_recording_next()
 * does */
struct vmrt_merge *vmrt_recording_merge(struct vmrt_recording *rec);

/**
 * vmrt_recording_has_late_pages - after the last event: were there pages behind others that were
 * written after them? Then what belongs into their place is known only if all is read again.
 */
bool vmrt_recording_has_late_pages(const struct vmrt_recording *rec);

/** vmrt_recording_stopped - was it stopped, so that events may be missing at its end? */
bool vmrt_recording_stopped(const struct vmrt_recording *rec);

/** vmrt_recording_without_host - the host's recording cannot be read, and all of it counts as lost
 */
bool vmrt_recording_without_host(const struct vmrt_recording *rec);

/* What a recording lacks of one CPU. */
struct vmrt_recorded_loss {
	uint64_t events;  /* in all */
	uint64_t counted; /* events that the kernel counted as lost, and no page shows when */
	/* events that the kernel counted as recorded, but that the file lacks */
	uint64_t missing;
	uint64_t sizeless; /* losses of unknown size that nobody counted: @events has 1 for each */
};

/**
 * vmrt_recording_loss - after the last event: what was lost of @cpu of machine @index
 * @engine: it has got all events
 *
 * A page that is full has no room for the number of events that were lost before it. The kernel's
 * counter has them, too.
 */
void vmrt_recording_loss(const struct vmrt_recording *rec, const struct vmrt_engine *engine,
	size_t index, unsigned cpu, struct vmrt_recorded_loss *out);

/**
 * vmrt_recording_begins_late - after the last event: are the first events hours before all others?
 * A warning says so, and from the next vmrt_recording_rewind() on they are left out.
 */
bool vmrt_recording_begins_late(const struct vmrt_recording *rec);

/**
 * vmrt_recording_ended_early - what was read of machine @index shows that its recording ends before
 * that of the others: from the next vmrt_recording_rewind() on nothing is known behind its end
 * @words: what shows it; a warning says so
 */
void vmrt_recording_ended_early(struct vmrt_recording *rec, size_t index, const char *words);
/** vmrt_recording_cpu_ended_early - the same of one of its CPUs */
void vmrt_recording_cpu_ended_early(
	struct vmrt_recording *rec, size_t index, unsigned cpu, const char *words);

/**
 * vmrt_recording_cut - what was read shows that the times of all events behind host time @end_ns
 * are wrong: from the next vmrt_recording_rewind() on they are left out
 */
void vmrt_recording_cut(struct vmrt_recording *rec, int64_t end_ns, const char *words);

/** vmrt_recording_machine - machine @index, below config.n_machines */
void vmrt_recording_machine(
	const struct vmrt_recording *rec, size_t index, struct vmrt_recorded_machine *out);

/** vmrt_recording_record - the bytes of the event that vmrt_recording_next() gave last; @size: how
 * many */
const void *vmrt_recording_record(const struct vmrt_recording *rec, uint32_t *size);

/** vmrt_recording_event - vmrt_stream_event() of machine @index */
bool vmrt_recording_event(
	const struct vmrt_recording *rec, size_t index, unsigned i, struct vmrt_event_count *out);

/**
 * vmrt_recording_lacks - after the last event: which events that an analysis needs did machine
 * @index not record?
 * @has_tasks: also those that only tasks need
 * @list: becomes "A (what is not known without it); B (...)", or ""
 *
 * Return: whether there are any.
 */
bool vmrt_recording_lacks(
	const struct vmrt_recording *rec, size_t index, bool has_tasks, char *list, size_t room);

/**
 * vmrt_recording_lack_words - "these events are not ...": what a message says before the list of
 * vmrt_recording_lacks(). CPUs whose clock is not known are left out; they may have such events.
 */
const char *vmrt_recording_lack_words(const struct vmrt_recording *rec, size_t index);

/** vmrt_recording_manifest - the run's manifest, or NULL */
const struct vmrt_manifest *vmrt_recording_manifest(const struct vmrt_recording *rec);

/** vmrt_recording_experiment - text of the experiment file, or NULL */
const char *vmrt_recording_experiment(const struct vmrt_recording *rec);

/** vmrt_recording_in_progress - has the recorder of the run in folder @run not finished it? */
bool vmrt_recording_in_progress(const char *run);

/* How it stands with a recording that is followed. */
enum vmrt_following {
	VMRT_FOLLOWING_GOING,
	VMRT_FOLLOWING_CHANGED,	  /* other VMs are recorded: open it anew, with options.follow */
	VMRT_FOLLOWING_FINISHING, /* the recorder puts it together: nothing comes any more */
	VMRT_FOLLOWING_ENDED,	  /* it is complete: open it anew, without options.follow */
	VMRT_FOLLOWING_BROKEN,	  /* the recorder was killed: `vmrt-trace reset` completes it */
};

/**
 * vmrt_recording_collect - of a recording with options.follow: see what has been recorded since
 *
 * vmrt_recording_next() then gives what there is up to vmrt_recording_upto(), and false means that
 * more must be collected first. Events given before are gone. A guest that keeps its events until
 * the end, or whose clock is not known yet, is not waited for: its note says so.
 */
enum vmrt_following vmrt_recording_collect(struct vmrt_recording *rec);

/** vmrt_recording_upto - host time up to which all events have been collected; VMRT_UNKNOWN at
 * first */
int64_t vmrt_recording_upto(const struct vmrt_recording *rec);

/**
 * vmrt_recording_again - a second look at an opened recording that is complete, from about host
 * time
 * @from_ns on
 * @rec: where that one is does not change
 * @out: to be closed with vmrt_recording_close() before @rec; it uses the files and clocks of @rec
 *
 * All events from @from_ns on are given, and some of those before. Recordings in other clocks than
 * CLOCK_MONOTONIC are read from their beginning.
 *
 * Return: VMRT_OK, VMRT_EFORMAT or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_recording_again(const struct vmrt_recording *rec, int64_t from_ns,
	struct vmrt_recording **out, struct vmrt_error *err);

/** vmrt_recording_rewind - begin anew with the first event; VMRT_OK, VMRT_EFORMAT or VMRT_ENOMEM */
enum vmrt_status vmrt_recording_rewind(struct vmrt_recording *rec, struct vmrt_error *err);

/**
 * vmrt_recording_discover - read the recording to its end, and find the threads that behave like
 * tasks
 * @stop: asked now and then; not 0: give up with VMRT_EINTR. NULL: never
 * @out: free it; empty if there are none
 *
 * The VMs' own threads on the host are left out. Afterwards the recording can only be closed.
 *
 * Return: VMRT_OK, VMRT_EINTR or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_recording_discover(struct vmrt_recording *rec, int (*stop)(void),
	struct vmrt_found **out, size_t *n, struct vmrt_error *err);

/**
 * vmrt_recording_found - an experiment of the tasks that vmrt_recording_discover() finds
 * @tasks: how many
 * @text: the experiment, to be freed; NULL if none was found. Open the recording anew with it, as
 *	experiment_text.
 */
enum vmrt_status vmrt_recording_found(struct vmrt_recording *rec, int (*stop)(void), size_t *tasks,
	char **text, struct vmrt_error *err);

/** vmrt_recording_close - close all files and free all it gave; NULL is allowed */
void vmrt_recording_close(struct vmrt_recording *rec);

#endif
