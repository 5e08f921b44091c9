/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_RING_NAMES_H
#define VMRT_PARSER_RING_NAMES_H

/* Names of threads that have ended: only recorded events still have them. */

#include <stdint.h>

#include <vmrt/tracer.h>

struct vmrt_names;

/**
 * vmrt_names_new - begin to search for names
 * @meta: the formats, and in cmdlines the threads whose names are known already; not used after the
 * call
 *
 * Return: to be freed with vmrt_names_take(); NULL without memory or if the formats cannot be used.
 */
struct vmrt_names *vmrt_names_new(const struct vmrt_trace_meta *meta);

/**
 * vmrt_names_scan - search @size bytes of sub-buffers in file @fd from @offset on
 * @stop: called between pieces; if it returns not 0, the scan ends and later names are missing;
 * NULL: never called
 */
void vmrt_names_scan(
	struct vmrt_names *names, int fd, uint64_t offset, uint64_t size, int (*stop)(void));

/** vmrt_names_page - search one sub-buffer, which has the page size that the formats give */
void vmrt_names_page(struct vmrt_names *names, const void *page);

/** vmrt_names_take - free @names, and return the names found as lines "tid comm", to be freed; NULL
 * if there are none */
char *vmrt_names_take(struct vmrt_names *names);

#endif
