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
	const char *experiment_text; /* text of an experiment of found tasks, instead of any file;
					or NULL */
	bool follow;		     /* run is still being recorded: see vmrt_recording_collect() */
	int64_t follow_from_ns; /* with follow: events long before this host time may be left out
				 */
	int (*stop)(void);	/* if this returns true, opening ends with VMRT_EINTR, and an opened
				   recording gives no more events; or NULL */
	bool stop_opening;	/* @stop is called only while the recording is opened */
};

/* One of the machines; index 0 is the host. */
struct vmrt_recorded_machine {
	const char *name, *path, *note; /* note: what is wrong with its recording, or "" */
	const struct vmrt_dat *dat;
	const char *clock; /* the clock of its records, and how this clock was mapped */
	const struct vmrt_clockmap *map; /* NULL for the host */
};

/**
 * vmrt_recording_open - open a run folder or single files, and map the guests' clocks
 * @out: free with vmrt_recording_close()
 *
 * Recordings of a run folder that cannot be read are left out with a warning on stderr, the host's
 * or a guest's, as long as one recording can be read.
 *
 * Return: VMRT_OK; with options.follow, VMRT_EBUSY if the recorder has not begun to record...
 */
enum vmrt_status vmrt_recording_open(const struct vmrt_recording_options *options,
	struct vmrt_recording **out, struct vmrt_error *err);

/**
 * vmrt_recording_config - the configuration for an engine that gets the events of @rec
 * @config: filled in; points into the recording
 */
void vmrt_recording_config(struct vmrt_recording *rec, struct vmrt_engine_config *config);

/**
 * vmrt_recording_next - the next event in host time
 * @machine: its machine
 * @event: good until the next call
 * @host_ns, @error_ns: the event's time on the host's clock, and the bound of the error of this
 * time
 *
 * Return: true, or false at the end.
 */
bool vmrt_recording_next(struct vmrt_recording *rec, uint32_t *machine,
	const struct vmrt_event **event, int64_t *host_ns, int64_t *error_ns);

/** vmrt_recording_merge - the events of @rec for vmrt_pump(), which takes them from @rec like
 * vmrt_recording_next() */
struct vmrt_merge *vmrt_recording_merge(struct vmrt_recording *rec);

/**
 * vmrt_recording_has_late_pages - call after the last event: did pages of the file come behind
 * pages that the kernel wrote later? If so, their events are in the right order only if everything
 * is read again.
 */
bool vmrt_recording_has_late_pages(const struct vmrt_recording *rec);

/** vmrt_recording_stopped - was reading stopped, so that events may be missing at the end? */
bool vmrt_recording_stopped(const struct vmrt_recording *rec);

/** vmrt_recording_without_host - is the host's recording one that cannot be read, so that all of
 * its events count as lost?
 */
bool vmrt_recording_without_host(const struct vmrt_recording *rec);

/* What is missing in a recording of one CPU. */
struct vmrt_recorded_loss {
	uint64_t events;  /* in all */
	uint64_t counted; /* events that the kernel counted as lost, but no page shows when */
	/* events that the kernel counted as recorded, but that the file lacks */
	uint64_t missing;
	uint64_t sizeless; /* losses of unknown size that nobody counted: @events has 1 for each */
};

/**
 * vmrt_recording_loss - call after the last event: what was lost of @cpu of machine @index
 * @engine: the engine that has got all events
 *
 * A full page has no room for the number of events that were lost before it, but the kernel's
 * counter includes these events.
 */
void vmrt_recording_loss(const struct vmrt_recording *rec, const struct vmrt_engine *engine,
	size_t index, unsigned cpu, struct vmrt_recorded_loss *out);

/**
 * vmrt_recording_begins_late - call after the last event: are the first events hours before all
 * others? If so, a warning says it, and these first events are left out from the next
 * vmrt_recording_rewind() on.
 */
bool vmrt_recording_begins_late(const struct vmrt_recording *rec);

/**
 * vmrt_recording_ended_early - call if the events of machine @index show that its recording ends
 * before those of the others: from the next vmrt_recording_rewind() on, everything behind this end
 * is unknown
 * @words: how the events show it; for the warning
 */
void vmrt_recording_ended_early(struct vmrt_recording *rec, size_t index, const char *words);
/** vmrt_recording_cpu_ended_early - the same for one CPU of machine @index */
void vmrt_recording_cpu_ended_early(
	struct vmrt_recording *rec, size_t index, unsigned cpu, const char *words);

/**
 * vmrt_recording_cut - call if the events show that the times of all events behind host time
 * @end_ns are wrong: these events are left out from the next vmrt_recording_rewind() on
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
 * vmrt_recording_lacks - call after the last event: which events that an analysis needs did machine
 * @index not record?
 * @has_tasks: include events that only tasks need
 * @list: becomes "A (what is not known without it); B (...)", or ""
 *
 * Return: whether there are any.
 */
bool vmrt_recording_lacks(
	const struct vmrt_recording *rec, size_t index, bool has_tasks, char *list, size_t room);

/**
 * vmrt_recording_lack_words - "these events are not ...": the words of a message before the list of
 * vmrt_recording_lacks(). CPUs whose clock is not known are left out, and may have such events.
 */
const char *vmrt_recording_lack_words(const struct vmrt_recording *rec, size_t index);

/** vmrt_recording_manifest - the run's manifest, or NULL */
const struct vmrt_manifest *vmrt_recording_manifest(const struct vmrt_recording *rec);

/** vmrt_recording_experiment - text of the experiment file, or NULL */
const char *vmrt_recording_experiment(const struct vmrt_recording *rec);

/** vmrt_recording_in_progress - is the run in folder @run one that its recorder has not finished?
 */
bool vmrt_recording_in_progress(const char *run);

/* The state of a recording that is followed. */
enum vmrt_following {
	VMRT_FOLLOWING_GOING,
	VMRT_FOLLOWING_CHANGED,	  /* other VMs are recorded: open the recording anew, with
				     options.follow */
	VMRT_FOLLOWING_FINISHING, /* the recorder puts the recording together: no more events come
				   */
	VMRT_FOLLOWING_ENDED,  /* the recording is complete: open it anew, without options.follow */
	VMRT_FOLLOWING_BROKEN, /* the recorder was killed: `vmrt-trace reset` completes the
				  recording */
};

/**
 * vmrt_recording_collect - for a recording with options.follow: find the events that were recorded
 * since the last call
 *
 * Then vmrt_recording_next() gives the events up to vmrt_recording_upto(); if it returns false,
 * more events must be collected first. Events that were given before are dropped. A guest that
 * keeps its events until the end, or whose clock is not known yet, is not waited for, and the
 * guest's note says so.
 */
enum vmrt_following vmrt_recording_collect(struct vmrt_recording *rec);

/** vmrt_recording_upto - host time up to which all events have been collected; VMRT_UNKNOWN at
 * first */
int64_t vmrt_recording_upto(const struct vmrt_recording *rec);

/**
 * vmrt_recording_again - open a complete recording a second time, to read it from about host time
 * @from_ns on
 * @rec: the opened recording; the next event that it gives does not change
 * @out: to be closed with vmrt_recording_close() before @rec; it uses the files and clocks of @rec
 *
 * All events from @from_ns on are given, and some events before this time. Recordings in other
 * clocks than CLOCK_MONOTONIC are read from their beginning.
 *
 * Return: VMRT_OK, VMRT_EFORMAT or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_recording_again(const struct vmrt_recording *rec, int64_t from_ns,
	struct vmrt_recording **out, struct vmrt_error *err);

/** vmrt_recording_rewind - start again with the first event; VMRT_OK, VMRT_EFORMAT or VMRT_ENOMEM
 */
enum vmrt_status vmrt_recording_rewind(struct vmrt_recording *rec, struct vmrt_error *err);

/**
 * vmrt_recording_discover - read the recording to its end, and find the threads that behave like
 * tasks
 * @stop: called now and then; the search ends with VMRT_EINTR if the result is not 0; or NULL
 * @out: the threads, to be freed; empty if there are none
 *
 * Threads that belong to VMs on the host are left out. After the call the recording can only be
 * closed.
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

/** vmrt_recording_close - close all files and free everything that was returned for @rec; NULL is
 * allowed */
void vmrt_recording_close(struct vmrt_recording *rec);

#endif
