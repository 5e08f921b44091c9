/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_DATWRITE_H
#define VMRT_COLLECTOR_DATWRITE_H

/* Writing trace.dat files, version 6: the one that every reader reads. */

#include <stdint.h>

#include <vmrt/dat.h>
#include <vmrt/tracer.h>

/* Sub-buffers of one CPU: @size bytes from the beginning of file @fd. */
struct vmrt_dat_pages {
	int fd;
	uint64_t size;
};

/* What goes into a file. Everything belongs to the caller. */
struct vmrt_dat_content {
	const struct vmrt_trace_meta *meta;
	const struct vmrt_dat_pages *pages;  /* by CPU, meta->cpus of them */
	const struct vmrt_cpu_stats *stats;  /* by CPU, or NULL */
	uint64_t trace_id;		     /* names this recording */
	const struct vmrt_dat_guest *guests; /* of a host's file */
	size_t n_guests;
	const struct vmrt_dat_shift *shifts; /* of a guest's file, to the host's clock */
	size_t n_shifts;
	uint64_t peer; /* trace id of the host's file */
};

/**
 * vmrt_dat_write - make the file @path, or replace it
 *
 * Return: VMRT_OK, VMRT_ENOMEM, VMRT_EIO or VMRT_EPERM; then there may be an unfinished file.
 */
enum vmrt_status vmrt_dat_write(
	const char *path, const struct vmrt_dat_content *content, struct vmrt_error *err);

struct vmrt_buf;

/**
 * vmrt_dat_head - everything that comes before the data, its table of zeros
 *
 * Return: where the table is in @buf: for each CPU the offset and the size of its data, 64 bits each.
 */
size_t vmrt_dat_head(struct vmrt_buf *buf, const struct vmrt_dat_content *content);

/** vmrt_dat_new_id - a trace id that no other recording has */
uint64_t vmrt_dat_new_id(void);

#endif
