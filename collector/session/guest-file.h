/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_SESSION_GUEST_FILE_H
#define VMRT_COLLECTOR_SESSION_GUEST_FILE_H

/*
 * Writes what a guest sends into guest-NAME.dat. The pings are in a file beside it while the
 * recording lasts, so that they are there if the recorder is killed.
 */

#include <limits.h>

#include <vmrt/guest.h>
#include <vmrt/manifest.h>

#include "parser/dat/datfile.h"

struct vmrt_guest_file {
	char folder[PATH_MAX - 256], name[VMRT_NAME_MAX + 16]; /* NAME.dat in the folder */
	uint64_t trace_id, peer; /* trace id of this file, and of the host's file */
	bool flight; /* a flight recorder's: pages before vmrt_guest_file_now() are not written */
	bool wanted;
	struct vmrt_datfile *dat; /* NULL until the guest is ready */
	unsigned cpus;
	uint64_t size; /* of the data */
	int64_t *
		first_ns; /* by CPU, guest clock: when the first sub-buffer begins; 0 without one */
	int (*stop)(void); /* asked during long work, as in vmrt_datfile_stop(); NULL: long work is
			      never ended */
	bool all_names;	   /* without the names of all threads the file is not ended */
	int pings_fd;
	uint64_t next_ping;
};

/**
 * vmrt_guest_file_init - set up @file; no file is made yet
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

/** vmrt_guest_file_now - from now on write what the guest sends: a flight recorder saves */
void vmrt_guest_file_now(struct vmrt_guest_file *file);

/** vmrt_guest_file_pings - write the pings that have come since the last call */
void vmrt_guest_file_pings(struct vmrt_guest_file *file, struct vmrt_guest *session);

/**
 * vmrt_guest_file_end - complete the file; the one with the pings stays
 * @meta: of the session; its names are those of before and after the recording
 * @stats: by CPU, or NULL
 */
enum vmrt_status vmrt_guest_file_end(struct vmrt_guest_file *file,
	const struct vmrt_trace_meta *meta, const struct vmrt_cpu_stats *stats,
	const struct vmrt_ping *pings, size_t n_pings, struct vmrt_error *err);

/** vmrt_guest_file_remove - remove all files of the guest */
void vmrt_guest_file_remove(struct vmrt_guest_file *file);

/** vmrt_guest_file_close - close and free; a file that was not ended stays for vmrt_guest_salvage()
 */
void vmrt_guest_file_close(struct vmrt_guest_file *file);

/**
 * vmrt_guest_salvage - complete the file of a guest whose recorder was killed
 * @vm: its pings and its note are filled in; without a recording its file is ""
 * @end_ns: end of the recording, by the manifest; 0: the recorder was killed before it knew how the
 * guest's recording had ended
 * @trace_id, @cpus: of the guest's file
 * @events: how many there are
 *
 * Return: VMRT_OK, also if there is no file; otherwise why the file could not be completed. The
 * call may be repeated.
 */
enum vmrt_status vmrt_guest_salvage(const char *run, struct vmrt_manifest_vm *vm, int64_t end_ns,
	uint64_t peer, uint64_t *trace_id, unsigned *cpus, uint64_t *events,
	struct vmrt_error *err);

/**
 * vmrt_guest_vcpu_tids - the host thread of each CPU of the guest; one thread may run all CPUs
 *
 * Return: a list of @cpus elements, -1 for an unknown thread, to be freed; NULL: no memory.
 */
int32_t *vmrt_guest_vcpu_tids(const struct vmrt_vm *vm, unsigned cpus);

#endif
