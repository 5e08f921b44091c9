/* SPDX-License-Identifier: MIT */
/* Reads a file that its recorder is still writing: where its pages are, and how many are
 * complete. */
#include "growing.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <vmrt/files.h>

#include "dat.h"

/* The buffer that is read, which only this file changes. */
static struct dat_buffer *buffer_of(struct vmrt_dat *dat)
{
	return &dat->buffers[dat->buffer - dat->buffers];
}

/* "RUN/host.dat" has its pages in "RUN/host-cpuN.pages". */
static enum vmrt_status open_apart(struct vmrt_dat *dat, unsigned cpu, struct vmrt_error *err)
{
	struct dat_cpu_data *data = &buffer_of(dat)->cpus[cpu];
	struct vmrt_dat *apart = calloc(1, sizeof(*apart));
	size_t stem = strlen(dat->path) - strlen(".dat");
	struct vmrt_error why;

	if (!apart || asprintf(&apart->path, "%.*s-cpu%u.pages", (int)stem, dat->path, cpu) < 0) {
		free(apart);
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", dat->path);
	}
	data->apart = apart;
	apart->fd = vmrt_open_file(apart->path, O_NOFOLLOW, &why);
	return apart->fd < 0 ? vmrt_fail(err, why.status, "%s", why.text) : VMRT_OK;
}

enum vmrt_status dat_growing(struct vmrt_dat *dat, const char *proof, struct vmrt_error *err)
{
	struct dat_buffer *buffer = buffer_of(dat);
	enum vmrt_status status = VMRT_OK;
	size_t len = strlen(dat->path);

	if (dat->info.version != 6 || len < 4 || strcmp(dat->path + len - 4, ".dat") != 0)
		return vmrt_fail(err, VMRT_EFORMAT, "%s is not being recorded by vmrt", dat->path);
	free(dat->proof);
	dat->proof = strdup(proof);
	if (!dat->proof)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", dat->path);
	for (unsigned cpu = 0; cpu < buffer->n_cpus && status == VMRT_OK; cpu++) {
		buffer->cpus[cpu].size = buffer->cpus[cpu].missing = 0;
		if (!buffer->cpus[cpu].offset)
			status = open_apart(dat, cpu, err);
	}
	return status;
}

void dat_grown(struct vmrt_dat *dat, const uint64_t *sizes, unsigned n)
{
	struct dat_buffer *buffer = buffer_of(dat);

	for (unsigned cpu = 0; cpu < buffer->n_cpus && cpu < n; cpu++) {
		uint64_t size = sizes[cpu] - sizes[cpu] % buffer->page_size;

		if (size > buffer->cpus[cpu].size && size < INT64_MAX / 2)
			buffer->cpus[cpu].size = size;
	}
}

bool dat_is_written(const struct vmrt_dat *dat)
{
	if (flock(dat->fd, LOCK_SH | LOCK_NB) != 0)
		return errno == EWOULDBLOCK;
	flock(dat->fd, LOCK_UN);
	return false;
}

void dat_close_apart(struct vmrt_dat *dat)
{
	for (size_t i = 0; i < dat->n_buffers; i++)
		for (unsigned cpu = 0; cpu < dat->buffers[i].n_cpus; cpu++) {
			struct vmrt_dat *apart = dat->buffers[i].cpus[cpu].apart;

			if (!apart)
				continue;
			if (apart->fd >= 0)
				close(apart->fd);
			free(apart->path);
			free(apart);
		}
	free(dat->proof);
}
