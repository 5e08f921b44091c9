/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DAT_DATWRITE_H
#define VMRT_PARSER_DAT_DATWRITE_H

/* Writes the head of trace.dat files of version 6, which every reader can read. datfile.h writes
 * the rest. */

#include <stdint.h>

#include <vmrt/dat.h>
#include <vmrt/tracer.h>

/* What goes into a file besides the events. Everything belongs to the caller. */
struct vmrt_dat_content {
	const struct vmrt_trace_meta *meta;
	const struct vmrt_cpu_stats *stats;  /* by CPU, or NULL */
	uint64_t trace_id;		     /* identifies this recording */
	const struct vmrt_dat_guest *guests; /* of a host's file */
	size_t n_guests;
	const struct vmrt_dat_shift *shifts; /* of a guest's file, to the host's clock */
	size_t n_shifts;
	uint64_t peer; /* trace id of the host's file */
};

struct vmrt_buf;

/**
 * dat_head - everything that comes before the data, its table of zeros
 *
 * Return: where the table is in @buf: for each CPU the offset and the size of its data, 64 bits
 * each.
 */
size_t dat_head(struct vmrt_buf *buf, const struct vmrt_dat_content *content);

/** vmrt_dat_new_id - a trace id that no other recording has */
uint64_t vmrt_dat_new_id(void);

#endif
