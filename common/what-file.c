/* SPDX-License-Identifier: MIT */
/* Describes the file that a user named, if it is not the kind of file that was expected. */
#include <vmrt/files.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD 16

static size_t read_head(const char *path, unsigned char head[HEAD])
{
	/* a pipe without a writer must not block */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? 0 : pread(fd, head, HEAD, 0);

	if (fd >= 0)
		close(fd);
	return n > 0 ? (size_t)n : 0;
}

static bool begins(const unsigned char head[HEAD], const char *with, size_t size)
{
	return !memcmp(head, with, size);
}

enum vmrt_file_kind vmrt_file_kind(const char *path)
{
	unsigned char head[HEAD] = {0};
	struct stat st;

	if (stat(path, &st) != 0)
		return errno == ENOENT || errno == ENOTDIR ? VMRT_KIND_MISSING : VMRT_KIND_OTHER;
	if (S_ISDIR(st.st_mode))
		return VMRT_KIND_FOLDER;
	if (!S_ISREG(st.st_mode))
		return VMRT_KIND_OTHER;
	if (!st.st_size)
		return VMRT_KIND_EMPTY;
	read_head(path, head);
	if (begins(head, "\x17\x08\x44tracing", 10))
		return VMRT_KIND_TRACE;
	if (begins(head, "PERFILE2", 8) || begins(head, "2ELIFREP", 8))
		return VMRT_KIND_PERF;
	if (begins(head, "SQLite format 3", 16))
		return VMRT_KIND_SQLITE;
	if (begins(head, "\x1f\x8b", 2) || begins(head, "\x28\xb5\x2f\xfd", 4) ||
		begins(head,
			"\xfd"
			"7zXZ",
			5) ||
		begins(head, "BZh", 3))
		return VMRT_KIND_PACKED;
	if (begins(head, "# tracer:", 9) || begins(head, "cpus=", 5))
		return VMRT_KIND_LISTING;
	return VMRT_KIND_OTHER;
}

enum vmrt_status vmrt_fail_file(struct vmrt_error *err, const char *path, const char *wanted)
{
	switch (vmrt_file_kind(path)) {
	case VMRT_KIND_MISSING:
		return vmrt_fail(err, VMRT_ENOENT, "there is no run or file %s", path);
	case VMRT_KIND_FOLDER:
		return vmrt_fail(err, VMRT_ENOENT,
			"%s is a folder, but no run: it holds no recording (host.dat)", path);
	case VMRT_KIND_EMPTY:
		return vmrt_fail(err, VMRT_EFORMAT, "%s is empty, not %s", path, wanted);
	case VMRT_KIND_TRACE:
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s is a recording (trace.dat), not %s: `vmrt-trace analyze -o NAME.db %s` "
			"makes a database of it, which vmrt-report and vmrt-export read",
			path, wanted, path);
	case VMRT_KIND_PERF:
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s is a recording of perf, which vmrt does not read: record with "
			"vmrt-trace, "
			"or with trace-cmd",
			path);
	case VMRT_KIND_SQLITE:
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s is a database, not %s: vmrt-report and vmrt-export read it", path,
			wanted);
	case VMRT_KIND_PACKED:
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s is compressed as a whole: unpack it first, with gunzip, unzstd, unxz "
			"or bunzip2",
			path);
	case VMRT_KIND_LISTING:
		return vmrt_fail(err, VMRT_EFORMAT,
			"%s lists events as text: vmrt reads the file from trace-cmd record that "
			"such a list is made of",
			path);
	case VMRT_KIND_OTHER:
		break;
	}
	return vmrt_fail(err, VMRT_EFORMAT, "%s is not %s", path, wanted);
}
