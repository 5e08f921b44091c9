/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_LIVE_LIVE_LOCAL_H
#define VMRT_COLLECTOR_LIVE_LIVE_LOCAL_H

/* Structures of the live view (live.c) that live-vms.c, which finds its VMs, needs too. */

#include <vmrt/live.h>
#include <vmrt/tracer.h>
#include <vmrt/units.h>

#include "collector/wire/secret.h"
#include "live-guest.h"

/* The VMs of a live view. */
struct live_vms {
	struct vmrt_vm *list;
	size_t n;
	char awaited[128]; /* VMs of the experiment that do not run; "" */
};

/* The lists for the next configuration, after VMs have come or gone. */
struct live_change {
	struct live_vms vms;
	struct vmrt_experiment *exp; /* the experiment for these VMs; or NULL */
};

struct vmrt_live {
	struct vmrt_live_options options;
	/* the experiment, with a server for each vCPU; NULL: none is given */
	struct vmrt_experiment *exp;
	char vm[VMRT_NAME_MAX]; /* of options.vm */
	struct vmrt_secret secret;
	struct live_vms vms;
	struct live_guest **guests; /* by VM */
	struct vmrt_tracer *tracer;
	struct vmrt_formats *formats;
	struct merge_input host;
	struct vmrt_processes host_processes;
	struct merge_input **inputs; /* by machine */
	struct vmrt_merge merge;
	uint8_t *page;
	struct vmrt_engine_machine *machines; /* the host, then guests that record; they own the
						 lists of their processes */
	size_t n_machines;
	struct live_guest **guest_of; /* by machine */
	struct vmrt_engine_vm *engine_vms;
	bool joined;		  /* a guest records that is not among the machines yet */
	struct live_change *next; /* lists for the next configuration; or NULL */
	int64_t host_upto_ns;
	uint64_t fill; /* of the host's fullest trace buffer, bytes */
	char note[256], host_note[192];
};

/** live_find_vms - find the VMs of the options; with options.at_once VMs that do not run yet are
 * awaited; end with live_free_vms() */
enum vmrt_status live_find_vms(
	const struct vmrt_live_options *options, struct live_vms *out, struct vmrt_error *err);

void live_free_vms(struct live_vms *vms);

/** live_own_cpus - the CPUs that no VM may use, for own threads; false: there are none */
bool live_own_cpus(const struct vmrt_live *live, cpu_set_t *own);

/** live_ways - the ways to the agent in VM @i; returns how many */
size_t live_ways(const struct vmrt_live *live, size_t i, const char *ways[LIVE_WAYS]);

#endif
