/* SPDX-License-Identifier: MIT */
/* Writes a trace.dat file while it is recorded. */
#include "datfile-parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <vmrt/files.h>

#include "common/buf.h"
#include "parser/ring/names.h"

#define HEAD_RESERVE                                                                               \
	(1 << 20) /* bytes of disk that are reserved, so that the file can be completed on a full  \
		     disk */
#define SPACE (UINT64_C(8) << 40) /* largest size of the file for all CPUs; ext4 allows 16 TiB */
#define STRIDE_MOST (UINT64_C(1) << 40)
#define STRIDE_UNIT (UINT64_C(1) << 30)

static void file_name(const struct vmrt_datfile *f, char *buf)
{
	snprintf(buf, PATH_MAX, "%s/%s.dat", f->folder, f->name);
}

static uint64_t disk_room(const struct vmrt_datfile *f)
{
	struct statvfs st;

	return fstatvfs(f->fd, &st) == 0 ? (uint64_t)st.f_bavail * st.f_frsize : UINT64_MAX;
}

void datfile_pages_name(const struct vmrt_datfile *f, unsigned cpu, char *buf)
{
	snprintf(buf, PATH_MAX, "%s/%s-cpu%u.pages", f->folder, f->name, cpu);
}

static uint64_t stride(unsigned cpus)
{
	uint64_t each = SPACE / (cpus ? cpus : 1) / STRIDE_UNIT * STRIDE_UNIT;

	return each > STRIDE_MOST ? STRIDE_MOST : each;
}

/* Tries with an empty file of the largest size whether the file system can remove ranges. */
static bool can_take_out(int fd, uint64_t size)
{
	struct rlimit limit;
	bool can;

	/* a write beyond the limit would cause a signal */
	if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur != RLIM_INFINITY)
		return false;
	can = ftruncate(fd, (off_t)size) == 0 &&
	      fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, (off_t)ALIGN) == 0;
	return ftruncate(fd, 0) == 0 && can;
}

static struct vmrt_datfile *new_file(
	const char *folder, const char *name, unsigned cpus, uint32_t page_size)
{
	struct vmrt_datfile *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	snprintf(f->folder, sizeof(f->folder), "%s", folder);
	snprintf(f->name, sizeof(f->name), "%s", name);
	f->fd = -1;
	f->room = UINT64_MAX;
	f->n_cpus = cpus;
	f->page_size = page_size;
	f->cpus = calloc(cpus ? cpus : 1, sizeof(*f->cpus));
	if (!f->cpus) {
		free(f);
		return NULL;
	}
	for (unsigned i = 0; i < cpus; i++)
		f->cpus[i] = (struct datfile_cpu){.fd = -1, .start = HEAD_SPACE + i * stride(cpus)};
	return f;
}

/* Is this file the caller's own? Another owner could read what is written into it, whatever its
 * mode is. */
static bool is_own(int fd, const char *path, struct vmrt_error *err)
{
	struct stat st;

	if (fstat(fd, &st) != 0) {
		vmrt_fail_errno(err, errno, "cannot open %.400s", path);
		return false;
	}
	if (st.st_uid == geteuid())
		return true;
	vmrt_fail(err, VMRT_EPERM,
		"%.400s is of user %u, who could read what is added to it: only that user can "
		"finish it",
		path, (unsigned)st.st_uid);
	return false;
}

static enum vmrt_status open_apart(struct vmrt_datfile *f, bool make, struct vmrt_error *err)
{
	char path[PATH_MAX];

	for (unsigned i = 0; i < f->n_cpus; i++) {
		datfile_pages_name(f, i, path);
		f->cpus[i].start = 0;
		f->cpus[i].fd = make ? vmrt_create_recording(path) : vmrt_open_update(path);
		if (f->cpus[i].fd < 0 && make)
			return vmrt_fail_errno(err, errno, "cannot create %s", path);
		if (f->cpus[i].fd >= 0 && !make && !is_own(f->cpus[i].fd, path, err))
			return VMRT_EPERM;
	}
	return VMRT_OK;
}

enum vmrt_status datfile_cannot_write(const struct vmrt_datfile *f, struct vmrt_error *err)
{
	char path[PATH_MAX];
	int errnum = errno;

	file_name(f, path);
	if (errnum == EINTR)
		return vmrt_fail(err, VMRT_EINTR,
			"interrupted while %.400s was put together; `vmrt-trace reset` goes on",
			path);
	return vmrt_fail_errno(err, errnum, "cannot write %.400s", path);
}

int datfile_write_at(int fd, const void *data, size_t size, uint64_t at)
{
	const char *p = data;

	while (size) {
		ssize_t n = pwrite(fd, p, size, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		at += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

/* The head with the table as it shall be: @starts and the sizes, or zeros for sizes not yet known.
 */
int datfile_write_head(
	struct vmrt_datfile *f, struct vmrt_buf *head, const uint64_t *starts, bool sizes)
{
	for (unsigned i = 0; i < f->n_cpus; i++) {
		vmrt_buf_set_u64(head, f->table + TABLE_ROW * (size_t)i, starts[i]);
		vmrt_buf_set_u64(
			head, f->table + TABLE_ROW * (size_t)i + 8, sizes ? f->cpus[i].size : 0);
	}
	return datfile_write_at(f->fd, head->data, head->used, 0);
}

enum vmrt_status vmrt_datfile_begin(const char *folder, const char *name,
	const struct vmrt_dat_content *first, struct vmrt_datfile **out, struct vmrt_error *err)
{
	unsigned n = first->meta->cpus;
	struct vmrt_datfile *f = new_file(folder, name, n, first->meta->page_size);
	uint64_t *starts = calloc(n + 1, sizeof(*starts));
	enum vmrt_status status = VMRT_OK;
	struct vmrt_buf head = {0};
	char path[PATH_MAX];

	if (!f || !starts) {
		status = vmrt_fail(err, VMRT_ENOMEM, "%s.dat: out of memory", name);
		goto out;
	}
	file_name(f, path);
	f->fd = vmrt_create_recording(path);
	if (f->fd < 0) {
		status = vmrt_fail_errno(err, errno, "cannot create %.400s", path);
		goto out;
	}
	/* the lock is held as long as the file is open; a process that follows the recording sees
	 * by it that the recorder lives */
	flock(f->fd, LOCK_EX | LOCK_NB);
	f->room = disk_room(f);
	f->in_place = can_take_out(f->fd, HEAD_SPACE + n * stride(n));
	for (unsigned i = 0; i < n; i++)
		starts[i] = f->in_place ? f->cpus[i].start : 0;
	if (!f->in_place && (status = open_apart(f, true, err)) != VMRT_OK)
		goto out;
	f->table = dat_head(&head, first);
	if (head.failed) {
		status = vmrt_fail(err, VMRT_ENOMEM, "%s.dat: out of memory", name);
		goto out;
	}
	if (datfile_write_head(f, &head, starts, false) != 0 ||
		(fallocate(f->fd, FALLOC_FL_KEEP_SIZE, 0, HEAD_RESERVE) != 0 && errno == ENOSPC))
		status = datfile_cannot_write(f, err);
out:
	vmrt_buf_free(&head);
	free(starts);
	if (status == VMRT_OK)
		*out = f;
	else
		vmrt_datfile_close(f);
	return status;
}

/* Other threads read the size: it counts only data that are in the file. */
static void set_size(struct datfile_cpu *c, uint64_t size)
{
	__atomic_store_n(&c->size, size, __ATOMIC_RELEASE);
}

ssize_t vmrt_datfile_splice(struct vmrt_datfile *f, unsigned cpu, int from, size_t n)
{
	struct datfile_cpu *c = &f->cpus[cpu];
	loff_t at = (loff_t)(c->start + c->size);
	ssize_t moved;

	if (f->in_place && c->size + n > stride(f->n_cpus)) {
		errno = EFBIG;
		return -1;
	}
	do
		moved = splice(from, NULL, f->in_place ? f->fd : c->fd, &at, n, SPLICE_F_MOVE);
	while (moved < 0 && errno == EINTR);
	if (moved > 0) {
		set_size(c, c->size + (uint64_t)moved);
		atomic_fetch_add(&f->written, (uint64_t)moved);
	}
	return moved;
}

int vmrt_datfile_write(struct vmrt_datfile *f, unsigned cpu, const void *pages, size_t size)
{
	struct datfile_cpu *c = &f->cpus[cpu];

	if (f->in_place && c->size + size > stride(f->n_cpus)) {
		errno = EFBIG;
		return -1;
	}
	/* a sub-buffer of which only a part was written cannot be used */
	set_size(c, c->size - c->size % f->page_size);
	if (datfile_write_at(f->in_place ? f->fd : c->fd, pages, size, c->start + c->size) != 0)
		return -1;
	set_size(c, c->size + size);
	atomic_fetch_add(&f->written, size);
	return 0;
}

uint64_t vmrt_datfile_size(const struct vmrt_datfile *f, unsigned cpu)
{
	return __atomic_load_n(&f->cpus[cpu].size, __ATOMIC_ACQUIRE);
}

uint64_t vmrt_datfile_free_space(const struct vmrt_datfile *f)
{
	uint64_t written = atomic_load(&f->written), room = disk_room(f);
	uint64_t left = f->room > written ? f->room - written : 0;

	/* btrfs does not count data that are not on the disk yet */
	return left < room ? left : room;
}

void vmrt_datfile_stop(struct vmrt_datfile *f, int (*stop)(void))
{
	f->stop = stop;
}

bool vmrt_datfile_whole(const struct vmrt_datfile *f)
{
	return f->whole;
}

void vmrt_datfile_names(const struct vmrt_datfile *f, struct vmrt_names *names)
{
	for (unsigned i = 0; i < f->n_cpus && names; i++)
		vmrt_names_scan(names, f->in_place ? f->fd : f->cpus[i].fd, f->cpus[i].start,
			f->cpus[i].size, f->stop);
}

void vmrt_datfile_close(struct vmrt_datfile *f)
{
	if (!f)
		return;
	for (unsigned i = 0; i < f->n_cpus; i++)
		if (f->cpus[i].fd >= 0)
			close(f->cpus[i].fd);
	if (f->fd >= 0)
		close(f->fd);
	free(f->cpus);
	free(f);
}

void vmrt_datfile_remove(const char *folder, const char *name, unsigned cpus)
{
	struct vmrt_datfile *f = new_file(folder, name, cpus, 1);
	char path[PATH_MAX];

	if (!f)
		return;
	file_name(f, path);
	unlink(path);
	for (unsigned i = 0; i < cpus; i++) {
		datfile_pages_name(f, i, path);
		unlink(path);
	}
	vmrt_datfile_close(f);
}

static uint64_t number_at(const uint8_t *p)
{
	uint64_t value = 0;

	for (int i = 7; i >= 0; i--)
		value = value << 8 | p[i];
	return value;
}

/* Returns how much was written behind the begin of the CPU's data, up to the first hole. */
static uint64_t find_end(const struct vmrt_datfile *f, unsigned cpu)
{
	off_t start = (off_t)f->cpus[cpu].start, hole;

	if (lseek(f->fd, start, SEEK_DATA) != start)
		return 0;
	hole = lseek(f->fd, start, SEEK_HOLE);
	return hole > start ? (uint64_t)(hole - start) : 0;
}

enum vmrt_status vmrt_datfile_resume(const char *folder, const char *name, size_t table,
	unsigned cpus, uint32_t page_size, struct vmrt_datfile **out, struct vmrt_error *err)
{
	struct vmrt_datfile *f = new_file(folder, name, cpus, page_size);
	uint8_t *rows = calloc(cpus + 1, TABLE_ROW);
	enum vmrt_status status = VMRT_OK;
	char path[PATH_MAX];
	struct stat st;

	if (!f || !rows) {
		status = vmrt_fail(err, VMRT_ENOMEM, "%s.dat: out of memory", name);
		goto out;
	}
	file_name(f, path);
	f->table = table;
	f->fd = vmrt_open_update(path);
	if (f->fd < 0 || pread(f->fd, rows, (size_t)cpus * TABLE_ROW, (off_t)table) !=
				 (ssize_t)((size_t)cpus * TABLE_ROW)) {
		status = vmrt_fail_errno(err, f->fd < 0 ? errno : EIO, "cannot open %.400s", path);
		goto out;
	}
	if (!is_own(f->fd, path, err)) {
		status = VMRT_EPERM;
		goto out;
	}
	f->in_place = cpus && number_at(rows) == f->cpus[0].start;
	for (unsigned i = 0; i < cpus; i++)
		f->whole |= number_at(rows + TABLE_ROW * (size_t)i + 8) != 0;
	if (!f->in_place && (status = open_apart(f, false, err)) != VMRT_OK)
		goto out;
	for (unsigned i = 0; i < cpus; i++) {
		struct datfile_cpu *c = &f->cpus[i];

		if (f->whole)
			c->size = number_at(rows + TABLE_ROW * (size_t)i + 8);
		if (f->whole && !f->in_place)
			c->start = number_at(
				rows +
				TABLE_ROW * (size_t)i); /* where it will be in the complete file */
		if (f->whole)
			continue;
		if (f->in_place)
			c->size = find_end(f, i);
		else if (c->fd >= 0 && fstat(c->fd, &st) == 0)
			c->size = (uint64_t)st.st_size;
	}
	datfile_count_whole_pages(f);
out:
	free(rows);
	if (status == VMRT_OK)
		*out = f;
	else
		vmrt_datfile_close(f);
	return status;
}
