/* SPDX-License-Identifier: MIT */
/* Completes a recorded file: moves the data of all CPUs together behind the head, without gaps. */
#include "datfile-parts.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (1 << 20) /* bytes that are copied at a time */

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* Computes where each CPU's data will be in the complete file; returns the size of that file. */
static uint64_t pack(const struct vmrt_datfile *f, uint64_t head, uint64_t unit, uint64_t *starts)
{
	uint64_t at = round_up(head, unit);

	for (unsigned i = 0; i < f->n_cpus; i++) {
		starts[i] = at;
		at += round_up(f->cpus[i].size, unit);
	}
	return at;
}

/* Removes the empty space in front of each CPU's data, beginning with the last CPU. Data in front
 * of that stay where they are, so that the size of the file alone tells how far this has come. */
static int take_out(struct vmrt_datfile *f, const uint64_t *starts)
{
	uint64_t size = HEAD_SPACE;
	struct stat st;

	for (unsigned i = 0; i < f->n_cpus; i++)
		if (f->cpus[i].size)
			size = f->cpus[i].start + round_up(f->cpus[i].size, ALIGN);
	if (fstat(f->fd, &st) != 0)
		return -1;
	for (unsigned i = f->n_cpus; i-- > 0;) {
		uint64_t from = starts[0], gap;

		if (!f->cpus[i].size)
			continue;
		/* up to the end of the data before, where they are now */
		for (unsigned k = 0; k < i; k++)
			if (f->cpus[k].size)
				from = f->cpus[k].start + round_up(f->cpus[k].size, ALIGN);
		gap = f->cpus[i].start - from;
		size -= gap;
		if ((uint64_t)st.st_size <= size)
			continue; /* this was done before */
		if (gap && fallocate(f->fd, FALLOC_FL_COLLAPSE_RANGE, (off_t)from, (off_t)gap) != 0)
			return -1;
	}
	return 0;
}

/* Moves the data of one CPU, and gives back the space of each piece as soon as it was copied. */
static int move_in(struct vmrt_datfile *f, unsigned cpu, uint64_t to, void *buf)
{
	struct datfile_cpu *c = &f->cpus[cpu];
	off_t first = c->fd >= 0 ? lseek(c->fd, 0, SEEK_DATA) : -1;
	uint64_t done = first > 0 ? (uint64_t)first / CHUNK * CHUNK : 0;

	if (first < 0) /* it is empty, or it was moved before */
		return c->fd >= 0 && errno != ENXIO ? -1 : 0;
	while (done < c->size) {
		size_t n = c->size - done < CHUNK ? (size_t)(c->size - done) : CHUNK;
		off_t from = (off_t)done, into = (off_t)(to + done);
		ssize_t got = copy_file_range(c->fd, &from, f->fd, &into, n, 0);

		if (got != (ssize_t)n) {
			got = pread(c->fd, buf, n, (off_t)done);
			if (got >= 0 && got != (ssize_t)n)
				errno = EIO; /* the file is shorter than the data that were written
						to it */
			if (got != (ssize_t)n || datfile_write_at(f->fd, buf, n, to + done) != 0)
				return -1;
		}
		/* if the file system cannot do this, the space is freed at the end */
		fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)done, CHUNK);
		done += n;
		if (done < c->size && f->stop && f->stop()) {
			errno = EINTR;
			return -1;
		}
	}
	return 0;
}

static int move_all_in(struct vmrt_datfile *f, const uint64_t *starts)
{
	char path[PATH_MAX];
	void *buf = malloc(CHUNK);
	int result = buf ? 0 : -1;

	for (unsigned i = 0; i < f->n_cpus && result == 0; i++) {
		result = move_in(f, i, starts[i], buf);
		if (result == 0) {
			datfile_pages_name(f, i, path);
			unlink(path);
		}
	}
	free(buf);
	return result;
}

void datfile_count_whole_pages(struct vmrt_datfile *f)
{
	for (unsigned i = 0; i < f->n_cpus; i++)
		f->cpus[i].size -= f->cpus[i].size % f->page_size;
}

enum vmrt_status vmrt_datfile_end(
	struct vmrt_datfile *f, const struct vmrt_dat_content *content, struct vmrt_error *err)
{
	uint64_t *starts = calloc(f->n_cpus + 1, sizeof(*starts));
	uint64_t *now = calloc(f->n_cpus + 1, sizeof(*now)), end;
	enum vmrt_status status = VMRT_OK;
	struct vmrt_buf head = {0};

	f->table = dat_head(&head, content);
	if (!starts || !now || head.failed) {
		status = vmrt_fail(err, VMRT_ENOMEM, "%s.dat: out of memory", f->name);
		goto out;
	}
	if (head.used > HEAD_SPACE) {
		status = vmrt_fail(err, VMRT_ERANGE, "%s.dat: too many names of threads", f->name);
		goto out;
	}
	datfile_count_whole_pages(f);
	end = pack(f, head.used,
		f->in_place	      ? ALIGN
		: f->page_size < 4096 ? 4096
				      : f->page_size,
		starts);
	if (f->in_place) {
		end = HEAD_SPACE;
		for (unsigned i = 0; i < f->n_cpus; i++) {
			now[i] = f->cpus[i].start;
			if (f->cpus[i].size)
				end = now[i] + round_up(f->cpus[i].size, ALIGN);
		}
		/* the file is made complete first, and smaller after that */
		if (datfile_write_head(f, &head, now, true) != 0 ||
			ftruncate(f->fd, (off_t)end) != 0 || take_out(f, starts) != 0 ||
			datfile_write_head(f, &head, starts, true) != 0)
			status = datfile_cannot_write(f, err);
		if (end == HEAD_SPACE && status == VMRT_OK &&
			ftruncate(f->fd, (off_t)starts[0]) != 0)
			status = datfile_cannot_write(f, err);
	} else if (datfile_write_head(f, &head, starts, true) != 0 ||
		   ftruncate(f->fd, (off_t)end) != 0 || move_all_in(f, starts) != 0) {
		status = datfile_cannot_write(f, err);
	}
	f->whole = status == VMRT_OK;
out:
	vmrt_buf_free(&head);
	free(starts);
	free(now);
	return status;
}

enum vmrt_status vmrt_datfile_reassemble(struct vmrt_datfile *f, struct vmrt_error *err)
{
	uint64_t *starts = calloc(f->n_cpus + 1, sizeof(*starts));
	enum vmrt_status status = VMRT_OK;
	struct vmrt_buf rows = {0};
	int failed;

	if (!starts)
		return vmrt_fail(err, VMRT_ENOMEM, "%s.dat: out of memory", f->name);
	for (unsigned i = 0; i < f->n_cpus && !f->in_place; i++)
		starts[i] = f->cpus[i].start;
	if (!f->in_place) {
		status = move_all_in(f, starts) == 0 ? VMRT_OK : datfile_cannot_write(f, err);
		free(starts);
		return status;
	}
	/* behind the table come only the eight bytes of a length and a name of a clock */
	pack(f, f->table + TABLE_ROW * (size_t)f->n_cpus + 8 + strlen("[mono]"), ALIGN, starts);
	failed = take_out(f, starts);
	for (unsigned i = 0; i < f->n_cpus; i++) {
		vmrt_buf_put_u64(&rows, starts[i]);
		vmrt_buf_put_u64(&rows, f->cpus[i].size);
	}
	if (failed || rows.failed || datfile_write_at(f->fd, rows.data, rows.used, f->table) != 0)
		status = datfile_cannot_write(f, err);
	vmrt_buf_free(&rows);
	free(starts);
	return status;
}
