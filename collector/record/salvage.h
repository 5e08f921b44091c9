/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_RECORD_SALVAGE_H
#define VMRT_COLLECTOR_RECORD_SALVAGE_H

/* Finishing the recording of a recorder that did not live to do it. */

#include <stdbool.h>
#include <stdint.h>

#include <vmrt/status.h>

struct vmrt_salvaged {
	char instance[64]; /* the tracefs instance that was removed, or "" */
	char owner[64];	   /* the name of an instance of its recorder, removed or not */
	bool nothing; /* the recorder was killed before it recorded: what it had prepared is removed
		       */
	uint64_t events;       /* in host.dat now */
	uint64_t guest_events; /* events that guests had sent */
	uint64_t from_buffers; /* bytes of the events that were still in the kernel */
	uint64_t missing; /* events that the recorder had taken out of the kernel and not written */
	uint64_t lost;	  /* missing, and those that the kernel had lost */
};

/**
 * vmrt_salvage - make the run in folder @run complete, and remove its tracefs instance
 *
 * The manifest gets a note that says what happened. May be called again if it was interrupted.
 *
 * Return: VMRT_OK; VMRT_ENOENT if @run is no run, or complete; VMRT_EBUSY if its recorder runs...
 */
enum vmrt_status vmrt_salvage(const char *run, struct vmrt_salvaged *out, struct vmrt_error *err);

/* What a recording of one machine holds. */
struct vmrt_content {
	uint64_t events;
	int64_t first_ns, last_ns; /* 0 without events */
	uint64_t *per_cpu;	   /* array of the caller with @cpus elements */
	unsigned cpus;
};

/**
 * vmrt_count_events - read the trace.dat file @path and count; adds to what is in @out
 * @stop: asked now and then; not 0: give up with VMRT_EINTR. NULL: never
 */
enum vmrt_status vmrt_count_events(
	const char *path, struct vmrt_content *out, int (*stop)(void), struct vmrt_error *err);

#endif
