/* SPDX-License-Identifier: MIT */
#ifndef VMRT_MANIFEST_H
#define VMRT_MANIFEST_H

/* manifest.json of a run describes the machines and the recording (docs/run-format.md). */

#include <stdbool.h>
#include <stdint.h>

#include <vmrt/clock.h>
#include <vmrt/uuid.h>
#include <vmrt/vms.h>

#define VMRT_MANIFEST_FORMAT 1

#define VMRT_FILE_MANIFEST "manifest.json"
#define VMRT_FILE_EXPERIMENT "experiment.ini"
#define VMRT_FILE_HOST "host.dat"
#define VMRT_FILE_DB "run.db"

struct vmrt_manifest_vm {
	struct vmrt_vm vm;
	char file[VMRT_NAME_MAX +
		  16];	  /* guest-NAME.dat in the run folder; "" if the guest was not recorded */
	char kernel[128]; /* of the guest */
	char note[256];	  /* why the guest is missing or incomplete; "" if it is not */
	struct vmrt_ping *pings;
	size_t n_pings;
	struct vmrt_kvm_tsc kvm; /* all zeros if it is not known */
	bool broken_off; /* for each CPU of the guest, nothing is known of the time after its last
			    recorded event */
};

/* Events lost on one CPU between two readings of its counters. */
struct vmrt_manifest_loss {
	int64_t from_ns, to_ns; /* CLOCK_MONOTONIC */
	uint64_t events;
};

#define VMRT_MANIFEST_LOSSES 32 /* per CPU; the last entry also counts all losses after it */

/* How full the trace buffer of one host CPU was, and what was lost in it. */
struct vmrt_manifest_buffer {
	uint64_t size, fill;   /* bytes: of the buffer; the most that was found in it */
	uint64_t events, lost; /* recorded; lost */
	int64_t unread_ns;     /* longest time in which the recorder did not read the buffer */
	int64_t unread_at_ns;  /* when this longest time ended */
	struct vmrt_manifest_loss losses[VMRT_MANIFEST_LOSSES];
	size_t n_losses;
};

struct vmrt_manifest {
	char uuid[VMRT_UUID_TEXT]; /* "" in older manifests */
	char vmrt_version[32];
	char recorded_at[32]; /* UTC, ISO 8601 */
	char kernel[128];     /* of the host */
	char hostname[64];
	unsigned cpus;
	char *command; /* the command that was run while recording, words joined by spaces, or "" */
	int command_status;	  /* exit status of the command, or -1 */
	bool hsf;		  /* vmrt-hsf enforced the servers */
	int64_t start_ns, end_ns; /* tracing on and off, host CLOCK_MONOTONIC */
	char note[256];		  /* what went wrong with the host's recording, or "" */
	bool broken_off;	  /* the same for the host as in struct vmrt_manifest_vm */
	struct vmrt_manifest_buffer *buffers; /* by host CPU; none in older manifests */
	size_t n_buffers;
	struct vmrt_manifest_vm *vms;
	size_t n_vms;
};

/** vmrt_manifest_save - write @manifest under a temporary name and rename it to @path; VMRT_OK or
 * an error */
enum vmrt_status vmrt_manifest_save(
	const struct vmrt_manifest *manifest, const char *path, struct vmrt_error *err);

/** vmrt_manifest_load - read manifest @path; @out: free with vmrt_manifest_free() */
enum vmrt_status vmrt_manifest_load(
	const char *path, struct vmrt_manifest **out, struct vmrt_error *err);

/** vmrt_manifest_free - free @manifest and all in it; NULL is allowed */
void vmrt_manifest_free(struct vmrt_manifest *manifest);

#endif
