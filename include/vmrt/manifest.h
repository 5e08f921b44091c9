/* SPDX-License-Identifier: MIT */
#ifndef VMRT_MANIFEST_H
#define VMRT_MANIFEST_H

/* manifest.json of a run: what was there when it was recorded (docs/run-format.md). */

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
	bool broken_off; /* nothing is known of what each of its CPUs did after the last event
			    recorded of it */
};

/* Events lost on one CPU between two looks at its counters. */
struct vmrt_manifest_loss {
	int64_t from_ns, to_ns; /* CLOCK_MONOTONIC */
	uint64_t events;
};

#define VMRT_MANIFEST_LOSSES 32 /* per CPU; the last one takes in what comes later */

/* How the trace buffer of one host CPU did. */
struct vmrt_manifest_buffer {
	uint64_t size, fill;   /* bytes; the most that was found in it */
	uint64_t events, lost; /* recorded; lost */
	int64_t unread_ns;     /* longest time in which the recorder did not look at it */
	int64_t unread_at_ns;  /* when that ended */
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
	char *command;	    /* the command line recorded around, words joined by spaces, or "" */
	int command_status; /* its exit status, or -1 */
	bool hsf;	    /* vmrt-hsf enforced the servers */
	int64_t start_ns, end_ns;	      /* tracing on and off, host CLOCK_MONOTONIC */
	char note[256];			      /* what went wrong with the host's recording, or "" */
	bool broken_off;		      /* as that of a guest */
	struct vmrt_manifest_buffer *buffers; /* by host CPU; none in older manifests */
	size_t n_buffers;
	struct vmrt_manifest_vm *vms;
	size_t n_vms;
};

/** vmrt_manifest_save - write it as @path, beside and renamed; VMRT_OK or an error */
enum vmrt_status vmrt_manifest_save(
	const struct vmrt_manifest *manifest, const char *path, struct vmrt_error *err);

/** vmrt_manifest_load - read it; @out: free with vmrt_manifest_free() */
enum vmrt_status vmrt_manifest_load(
	const char *path, struct vmrt_manifest **out, struct vmrt_error *err);

/** vmrt_manifest_free - free it and all in it; NULL is allowed */
void vmrt_manifest_free(struct vmrt_manifest *manifest);

#endif
