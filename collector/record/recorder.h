/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_RECORDER_H
#define VMRT_COLLECTOR_RECORD_RECORDER_H

/* One recording: what `vmrt-trace record` does, in parts. */

#include <stdbool.h>

#include <vmrt/experiment.h>
#include <vmrt/guest.h>
#include <vmrt/manifest.h>
#include <vmrt/tracer.h>

#include "child.h"
#include "parser/dat/datfile.h"
#include "drain.h"
#include "flight.h"
#include "guardian.h"
#include "collector/tracefs/journal.h"
#include "run-folder.h"
#include "collector/session/guest-file.h"

#define VMRT_RECORDER_VMS 64
/* Longest of all waits together after ^C was pressed twice: the recorder ends within 200 ms. */
#define VMRT_RECORDER_HURRY_MS 60

struct vmrt_recorder_options {
	const char *run, *experiment;
	const char *vms[VMRT_RECORDER_VMS];
	size_t n_vms;
	struct vmrt_guest_link links[VMRT_RECORDER_VMS];
	size_t n_links;
	const char *secret_file;
	const struct vmrt_secret *secret; /* for agents reached by TCP; or NULL */
	bool needs_secret;
	bool all_vms, only_vms, on_miss, on_overrun, no_guest, hsf, force, stream, hold, no_analyze,
		allow_loss, scratch; /* scratch: nobody keeps the run, so no message names it */
	int64_t duration_ns;	     /* 0: until the command ends, or ^C */
	uint64_t buffer, guest_buffer, max_size, guest_max_size;
	const char *events; /* as struct vmrt_tracer_options; or NULL */
	int64_t flight_ns;  /* keep only so much of the end; 0: everything */
	const char *flight_on;
	char **command; /* ends with NULL; or NULL */
};

/* A guest of the recording; the manifest's VM of the same index is its VM. */
struct recorder_guest {
	struct vmrt_guest *session; /* NULL: the guest is not recorded */
	struct vmrt_guest_file file;
	const char *sockets[VMRT_VM_LINKS + 1];
	size_t n_sockets;
	uint64_t events, lost;
	int32_t *tids; /* vCPU threads by the guest's CPU */
	unsigned n_tids;
};

struct record_recorder {
	const struct vmrt_recorder_options *options;
	struct vmrt_experiment *experiment;
	int experiment_fd; /* a copy of its text for vmrt-hsf, or -1 */
	struct vmrt_manifest manifest;
	struct recorder_guest guests[VMRT_RECORDER_VMS];
	struct run_folder folder;
	struct vmrt_tracer *tracer;
	struct vmrt_datfile *file;
	struct drain *drain;
	struct vmrt_tracer *exits; /* an instance that records only the ends of threads; or NULL */
	struct vmrt_names *names;  /* names that were seen in exits */
	struct guardian guardian;
	struct flight *flight;
	bool analyzable;
	bool begun;	    /* recording has begun: there is something to keep */
	bool journal;	    /* recorder.journal was written and is not yet removed */
	bool unfinished;    /* a guest's file is not put together: `vmrt-trace reset` is needed */
	int64_t checked_ns; /* when losses were checked last */
	bool followed;	    /* a program follows the recording */
	int64_t since_ns; /* a flight recorder keeps events from this time on; INT64_MIN: all events
			   */
	struct vmrt_trace_meta meta;
	char *end_cmdlines; /* names of threads when tracing had ended */
	struct vmrt_cpu_stats *stats;
	uint64_t trace_id; /* of the host's file */
	cpu_set_t cpus;	   /* where the recorder's own threads run */
	bool has_cpus;
	bool silenced; /* another program switched tracing or an event off */
	struct child command, hsf;
	uint64_t events, lost; /* of the host */
};

/**
 * recorder_find_vms - enter the VMs to record into the manifest: those of the experiment and of
 * --vm
 *
 * Return: VMRT_OK, or VMRT_ENOENT if one of them does not run.
 */
enum vmrt_status recorder_find_vms(struct record_recorder *rec, struct vmrt_error *err);

/** recorder_follow - bring the VMs' threads up to date; has anything changed? */
bool recorder_follow(struct record_recorder *rec, int64_t time);

/** recorder_own_cpus - CPUs that no VM may run on, for the recorder's threads, if there are
 * any */
void recorder_own_cpus(struct record_recorder *rec);

/** recorder_connect - reach all agents; guests without one stay unrecorded, with a note */
void recorder_connect(struct record_recorder *rec);

/** recorder_start_guests - switch recording on in all guests that are ready */
void recorder_start_guests(struct record_recorder *rec);

/** recorder_stop_guests - switch recording off in all guests; wait at most @wait_ms for their
 * answers */
void recorder_stop_guests(struct record_recorder *rec, int wait_ms);

/** recorder_keep_pings - write the pings so far into files, for the case that the recorder is
 * killed */
void recorder_keep_pings(struct record_recorder *rec);

/**
 * recorder_save_guests - take what the guests send, write their files, fill in the manifest
 *
 * Return: VMRT_OK, also if a guest sent nothing; VMRT_EINTR or VMRT_EIO: the data of a guest are on
 * disk, but not put together.
 */
enum vmrt_status recorder_save_guests(struct record_recorder *rec, struct vmrt_error *err);

/** recorder_dat_guests - the GUEST entries of the host's file; returns how many */
size_t recorder_dat_guests(
	const struct record_recorder *rec, struct vmrt_dat_guest out[VMRT_RECORDER_VMS]);

/** recorder_free_guests - end all sessions; @drop: also remove what the guests have sent */
void recorder_free_guests(struct record_recorder *rec, bool drop);

/** recorder_only_vms - let the kernel record only events of the threads that the VMs have now */
enum vmrt_status recorder_only_vms(struct record_recorder *rec, struct vmrt_error *err);

/** recorder_save_extent - if a program follows the recording, write how far it has got */
void recorder_save_extent(struct record_recorder *rec);

/** recorder_note - write a note about the host's recording into the manifest, unless it has one */
void recorder_note(struct record_recorder *rec, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/** recorder_open_host - begin the host's file and the threads that fill it */
enum vmrt_status recorder_open_host(struct record_recorder *rec, struct vmrt_error *err);

/** recorder_save_beginning - write a manifest for the case that the recorder is killed
 */
enum vmrt_status recorder_save_beginning(struct record_recorder *rec, struct vmrt_error *err);

/** recorder_note_losses - note the losses since the last call, also those after tracing was
 * switched off */
void recorder_note_losses(struct record_recorder *rec, int64_t now);

/** recorder_take_names - read the names of threads that have ended */
void recorder_take_names(struct record_recorder *rec);

/** recorder_finish_host - after recording was switched off: empty the buffers, count */
void recorder_finish_host(struct record_recorder *rec);

/** recorder_save_host - complete the host's file and the manifest */
enum vmrt_status recorder_save_host(struct record_recorder *rec, struct vmrt_error *err);

/**
 * vmrt_recorder_run - the whole recording
 *
 * Return: an enum vmrt_exit.
 */
int vmrt_recorder_run(const struct vmrt_recorder_options *options);

/** recorder_stops - how often a stop was asked for (^C pressed) */
int recorder_stops(void);

/** recorder_out_of_time - has ^C been pressed again, VMRT_RECORDER_HURRY_MS ago or earlier? */
int recorder_out_of_time(void);

/** recorder_hurries - was ^C pressed again? Slow work is then left out */
bool recorder_hurries(void);

/**
 * recorder_patience - for how many milliseconds to wait before asking again
 *
 * Return: 0 when @until_ns is over, or what is left after a second ^C.
 */
int recorder_patience(int64_t until_ns);

/** recorder_await - wait for a program, at most @ms, less after a second ^C; returns whether it has
 * ended */
bool recorder_await(struct child *child, int ms);

/** recorder_end_child - end a program with SIGTERM; if it has not ended after @ms (less after a
 * second ^C), with SIGKILL */
void recorder_end_child(struct child *child, int ms);

#endif
