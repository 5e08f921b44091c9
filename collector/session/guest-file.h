/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_SESSION_GUEST_FILE_H
#define VMRT_COLLECTOR_SESSION_GUEST_FILE_H

/*
 * What a guest sends, on its way into guest-NAME.dat; its pings are beside it while the recording
 * lasts, so that nothing is missing if the recorder dies.
 */

#include <limits.h>

#include <vmrt/guest.h>
#include <vmrt/manifest.h>

#include "parser/dat/datfile.h"

struct vmrt_guest_file {
	char folder[PATH_MAX - 256], name[VMRT_NAME_MAX + 16]; /* NAME.dat in the folder */
	uint64_t trace_id, peer;			       /* of this file; of the host's */
	bool flight; /* take nothing before vmrt_guest_file_now() */
	bool wanted;
	struct vmrt_datfile *dat; /* NULL until the guest is ready */
	unsigned cpus;
	uint64_t size; /* of the data */
	int64_t *
		first_ns; /* by CPU, guest clock: when its first sub-buffer begins; 0 without one */
	int (*stop)(void); /* ends long work, as in vmrt_datfile_stop(); NULL: it is done */
	bool all_names;	   /* without the names of all threads the file is not ended */
	int pings_fd;
	uint64_t next_ping;
};

/**
 * vmrt_guest_file_init - nothing is made yet
 * @file: end with vmrt_guest_file_close()
 * @name: the file's name, with its ".dat"
 * @peer: trace id of the host's file
 */
void vmrt_guest_file_init(
	struct vmrt_guest_file *file, const char *folder, const char *name, uint64_t peer);

/** vmrt_guest_file_ready, vmrt_guest_file_pages - as in vmrt/guest.h; @file: a struct
 * vmrt_guest_file */
vmrt_guest_ready_fn vmrt_guest_file_ready;
vmrt_guest_pages_fn vmrt_guest_file_pages;

/** vmrt_guest_file_now - from now on what the guest sends is what a flight recorder keeps */
void vmrt_guest_file_now(struct vmrt_guest_file *file);

/** vmrt_guest_file_pings - write down the pings that have come since the last time */
void vmrt_guest_file_pings(struct vmrt_guest_file *file, struct vmrt_guest *session);

/**
 * vmrt_guest_file_end - complete the file; the one with the pings stays
 * @meta: of the session; its names are those of before and after the recording
 * @stats: by CPU, or NULL
 */
enum vmrt_status vmrt_guest_file_end(struct vmrt_guest_file *file,
	const struct vmrt_trace_meta *meta, const struct vmrt_cpu_stats *stats,
	const struct vmrt_ping *pings, size_t n_pings, struct vmrt_error *err);

/** vmrt_guest_file_remove - there is nothing worth keeping: remove all that was made */
void vmrt_guest_file_remove(struct vmrt_guest_file *file);

/** vmrt_guest_file_close - close and free; what was not ended is left for vmrt_guest_salvage() */
void vmrt_guest_file_close(struct vmrt_guest_file *file);

/**
 * vmrt_guest_salvage - complete the file of a guest whose recorder was killed
 * @vm: its pings and its note are filled in; without a recording its file is ""
 * @end_ns: of the recording, by the manifest; 0: the recorder did not come so far as to know how
 *	the guest's side had ended
 * @trace_id, @cpus: of the guest's file
 * @events: how many there are
 *
 * Return: VMRT_OK, also if there is none; else why it could not be completed: it may be tried
 * again.
 */
enum vmrt_status vmrt_guest_salvage(const char *run, struct vmrt_manifest_vm *vm, int64_t end_ns,
	uint64_t peer, uint64_t *trace_id, unsigned *cpus, uint64_t *events,
	struct vmrt_error *err);

/**
 * vmrt_guest_vcpu_tids - which host thread runs CPU n of the guest; one may run all of them
 *
 * Return: a list of @cpus, -1 where it is not known, to be freed; NULL: no memory.
 */
int32_t *vmrt_guest_vcpu_tids(const struct vmrt_vm *vm, unsigned cpus);

#endif
