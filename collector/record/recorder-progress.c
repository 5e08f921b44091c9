/* SPDX-License-Identifier: MIT */
/* Writes into a file how far the recording has come, for the programs that follow it. */
#include "recorder.h"

#include <stdio.h>
#include <stdlib.h>

#include <vmrt/extent.h>

static uint64_t *sizes_of(const struct vmrt_datfile *file, unsigned cpus)
{
	uint64_t *sizes = calloc(cpus + 1, sizeof(*sizes));

	for (unsigned cpu = 0; sizes && cpu < cpus; cpu++)
		sizes[cpu] = vmrt_datfile_size(file, cpu);
	return sizes;
}

/* Of each machine the time is read before the sizes, so that the sizes include all events before
 * that time. */
static bool host_extent(struct record_recorder *rec, struct vmrt_extent_file *f)
{
	snprintf(f->name, sizeof(f->name), "%s", VMRT_FILE_HOST);
	f->upto_ns = drain_upto(rec->drain);
	f->state = rec->options->flight_ns ? VMRT_EXTENT_HELD : VMRT_EXTENT_GOING;
	f->cpus = rec->meta.cpus;
	f->sizes = sizes_of(rec->file, f->cpus);
	return f->sizes;
}

static bool guest_extent(struct record_recorder *rec, size_t i, struct vmrt_extent_file *f)
{
	struct recorder_guest *g = &rec->guests[i];
	enum vmrt_guest_state state = vmrt_guest_wait(g->session, VMRT_GUEST_READY, 0, -1);
	int64_t upto = vmrt_guest_upto(g->session);

	snprintf(f->name, sizeof(f->name), "%.80s", rec->manifest.vms[i].file);
	f->upto_ns = upto > 0 ? upto : VMRT_UNKNOWN;
	f->state = state == VMRT_GUEST_FAILED ? VMRT_EXTENT_OVER
		   : rec->options->stream     ? VMRT_EXTENT_GOING
					      : VMRT_EXTENT_HELD;
	f->cpus = state >= VMRT_GUEST_READY && g->file.dat ? g->file.cpus : 0;
	f->sizes = sizes_of(g->file.dat, f->cpus);
	return f->sizes;
}

void recorder_save_extent(struct record_recorder *rec)
{
	struct vmrt_extent extent = {0};
	bool complete = true;

	if (!vmrt_extent_wanted(rec->folder.path)) {
		rec->followed = false;
		return;
	}
	rec->followed = true;
	drain_follow(rec->drain);
	extent.files = calloc(1 + rec->manifest.n_vms, sizeof(*extent.files));
	if (!extent.files)
		return;
	complete = host_extent(rec, &extent.files[extent.n++]);
	for (size_t i = 0; i < rec->manifest.n_vms && complete; i++)
		if (rec->guests[i].session)
			complete = guest_extent(rec, i, &extent.files[extent.n++]);
	/* a program that follows the recording only waits longer */
	if (complete)
		vmrt_extent_save(&extent, rec->folder.path, NULL);
	vmrt_extent_free(&extent);
}
