/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_RING_NAMES_H
#define VMRT_PARSER_RING_NAMES_H

/* Names of threads that have ended: only the recorded events still have them. */

#include <stdint.h>

#include <vmrt/tracer.h>

struct vmrt_names;

/**
 * vmrt_names_new - begin to look for names
 * @meta: the formats; threads that its cmdlines name are known already. Not used later
 *
 * Return: to be freed with vmrt_names_take(); NULL without memory or if the formats are of no use.
 */
struct vmrt_names *vmrt_names_new(const struct vmrt_trace_meta *meta);

/**
 * vmrt_names_scan - look through @size bytes of sub-buffers in file @fd from @offset on
 * @stop: asked between pieces; not 0 ends the scan, and later names are missing; NULL: never asked
 */
void vmrt_names_scan(
	struct vmrt_names *names, int fd, uint64_t offset, uint64_t size, int (*stop)(void));

/** vmrt_names_page - look through one sub-buffer of the page size that the formats have */
void vmrt_names_page(struct vmrt_names *names, const void *page);

/** vmrt_names_take - free it; lines "tid comm" of what was found, to be freed; NULL if there is
 * nothing */
char *vmrt_names_take(struct vmrt_names *names);

#endif
