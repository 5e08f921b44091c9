/* SPDX-License-Identifier: MIT */
/* Takes the place of a file that cannot be read: a recording of the machine without events. */
#include <stdlib.h>
#include <string.h>

#include "dat.h"

enum vmrt_status vmrt_dat_none(
	const char *path, unsigned cpus, struct vmrt_dat **out, struct vmrt_error *err)
{
	struct vmrt_dat *dat = calloc(1, sizeof(*dat));

	if (!dat)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	if (!cpus)
		cpus = 1;
	if (cpus > RING_MAX_CPUS)
		cpus = RING_MAX_CPUS;
	dat->fd = -1;
	dat->path = strdup(path);
	dat->formats = formats_alloc();
	dat->buffers = calloc(1, sizeof(*dat->buffers));
	if (dat->buffers) {
		dat->n_buffers = 1;
		dat->buffers[0].name = strdup("");
		dat->buffers[0].cpus = calloc(cpus, sizeof(*dat->buffers[0].cpus));
	}
	if (!dat->path || !dat->formats || !dat->buffers || !dat->buffers[0].name ||
		!dat->buffers[0].cpus) {
		vmrt_dat_close(dat);
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	}
	dat->buffer = dat->buffers;
	dat->buffers[0].page_size = RING_MIN_PAGE;
	dat->buffers[0].n_cpus = cpus;
	for (unsigned i = 0; i < cpus; i++)
		dat->buffers[0].cpus[i].missing = 1; /* all: each CPU is a loss */
	dat->long_size = sizeof(long);
	dat->info = (struct vmrt_dat_info){.version = 6,
		.cpus = cpus,
		.page_size = RING_MIN_PAGE,
		.clock = "mono",
		.uname = "",
		.instance = "",
		.buffers = ""};
	*out = dat;
	return VMRT_OK;
}
