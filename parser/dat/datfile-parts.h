/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DAT_DATFILE_PARTS_H
#define VMRT_PARSER_DAT_DATFILE_PARTS_H

/* What datfile.c and datfile-end.c share of a file that is being recorded. */

#include <limits.h>
#include <stdatomic.h>

#include "common/buf.h"
#include "datfile.h"

#define HEAD_SPACE                                                                                 \
	(UINT64_C(256) << 20) /* of file, not of disk: more than the head can grow to              \
			       */
#define ALIGN UINT64_C(65536) /* file systems take out whole blocks; no block is larger */
#define TABLE_ROW 16	      /* bytes: offset and size */

struct datfile_cpu {
	int fd;
	uint64_t start; /* offset of its data in the file */
	uint64_t size;
};

struct vmrt_datfile {
	char folder[PATH_MAX - 256], name[128];
	int fd;
	bool in_place, whole;
	int (*stop)(void); /* NULL: long work is never stopped */
	struct datfile_cpu *cpus;
	unsigned n_cpus;
	uint32_t page_size;
	size_t table;  /* offset of the table in the head */
	uint64_t room; /* bytes that the file system had left when the file was begun */
	atomic_uint_fast64_t
		written; /* bytes that the threads of all CPUs have written since then */
};

/** datfile_pages_name - the path of the pages of @cpu where they are in a file of their own; @buf:
 * PATH_MAX */
void datfile_pages_name(const struct vmrt_datfile *file, unsigned cpu, char *buf);

/** datfile_cannot_write - the error of errno */
enum vmrt_status datfile_cannot_write(const struct vmrt_datfile *file, struct vmrt_error *err);

/** datfile_write_at - all @size bytes; 0, or -1 with errno */
int datfile_write_at(int fd, const void *data, size_t size, uint64_t at);

/** datfile_write_head - write the head with @starts and the sizes in its table, or zeros for sizes
 * that are not known yet; 0 or -1 */
int datfile_write_head(
	struct vmrt_datfile *file, struct vmrt_buf *head, const uint64_t *starts, bool sizes);

/** datfile_count_whole_pages - leave out pages of which only a part was written */
void datfile_count_whole_pages(struct vmrt_datfile *file);

#endif
