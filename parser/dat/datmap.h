/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DAT_DATMAP_H
#define VMRT_PARSER_DAT_DATMAP_H

/*
 * Lists what is where in a trace.dat file. The parser's reader (vmrt/dat.h) gives the meaning of a
 * file; this list shows its structure, for people who look into a file and for recordings that were
 * not completed.
 */

#include <stddef.h>
#include <stdint.h>

#include <vmrt/status.h>
#include <vmrt/tracer.h>

#define VMRT_DATMAP_HEAD (64 << 20) /* bytes in front of the data that are looked at */

/* One piece of the file. */
struct vmrt_datmap_piece {
	char what[48];	 /* e.g. "header_page", "format", "option" */
	char name[80];	 /* of an event, an option, a section; or "" */
	int depth;	 /* 0, or 1 for a part of the piece before */
	unsigned id;	 /* of an option or section */
	uint64_t offset; /* of its content */
	uint64_t size;
	const uint8_t *data; /* the content, if it is within the head; else NULL */
};

struct vmrt_datmap {
	int version;
	unsigned long_size;
	uint32_t page_size;
	uint64_t file_size;
	struct vmrt_datmap_piece *pieces;
	size_t n_pieces;
	unsigned cpus;
	size_t table;  /* version 6: offset of the table of the CPUs' data; else 0 */
	char end[128]; /* why the map ends before the file does; or "" */
	uint8_t *head; /* pieces point into it */
	size_t head_size;
};

/**
 * vmrt_datmap_read - make the map
 * @out: free with vmrt_datmap_free()
 *
 * Return: VMRT_OK, also if the file ends too early (then `end` says where); VMRT_EFORMAT if it is
 * no trace.dat at all; VMRT_EIO...
 */
enum vmrt_status vmrt_datmap_read(
	const char *path, struct vmrt_datmap **out, struct vmrt_error *err);

/** vmrt_datmap_meta - the formats, symbols and names of a version 6 file; free with
 * vmrt_trace_meta_free() */
enum vmrt_status vmrt_datmap_meta(
	const struct vmrt_datmap *map, struct vmrt_trace_meta *out, struct vmrt_error *err);

/** datmap_find - the first piece called @what (and @name, unless that is NULL), or NULL */
const struct vmrt_datmap_piece *datmap_find(
	const struct vmrt_datmap *map, const char *what, const char *name);

/** vmrt_datmap_trace_id - what the file calls itself; a new id if it does not */
uint64_t vmrt_datmap_trace_id(const struct vmrt_datmap *map);

/** vmrt_datmap_free - NULL is allowed */
void vmrt_datmap_free(struct vmrt_datmap *map);

#endif
