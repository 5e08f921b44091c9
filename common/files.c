/* SPDX-License-Identifier: MIT */
#include <vmrt/files.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST_CHUNK 4096

static enum vmrt_status read_to_end(
	int fd, const char *path, size_t max, char **out, size_t *size, struct vmrt_error *err)
{
	size_t room = FIRST_CHUNK, used = 0;
	char *buf = malloc(room + 1);

	while (buf) {
		ssize_t n = read(fd, buf + used, room - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int errnum = errno;

			free(buf);
			return vmrt_fail_errno(err, errnum, "cannot read %s", path);
		}
		if (n == 0) {
			buf[used] = '\0';
			*out = buf;
			if (size)
				*size = used;
			return VMRT_OK;
		}
		used += (size_t)n;
		if (used > max) {
			free(buf);
			return vmrt_fail(
				err, VMRT_ERANGE, "%s is larger than %zu bytes", path, max);
		}
		if (used == room) {
			char *more = realloc(buf, room * 2 + 1);

			if (!more)
				break;
			buf = more;
			room *= 2;
		}
	}
	free(buf);
	return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
}

enum vmrt_status vmrt_read_file(
	const char *path, size_t max, char **out, size_t *size, struct vmrt_error *err)
{
	enum vmrt_status status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot open %s", path);
	status = read_to_end(fd, path, max, out, size, err);
	close(fd);
	return status;
}

int vmrt_write_all(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size) {
		ssize_t n = write(fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		size -= (size_t)n;
	}
	return 0;
}

enum vmrt_status vmrt_write_file(
	const char *path, const void *data, size_t size, struct vmrt_error *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int errnum = 0;

	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot create %s", path);
	if (vmrt_write_all(fd, data, size) != 0)
		errnum = errno;
	if (close(fd) != 0 && !errnum)
		errnum = errno;
	if (errnum)
		return vmrt_fail_errno(err, errnum, "cannot write %s", path);
	return VMRT_OK;
}

enum vmrt_status vmrt_path(char *buf, size_t room, const char *dir, const char *name)
{
	int n = snprintf(buf, room, "%s/%s", dir, name);

	return n >= 0 && (size_t)n < room ? VMRT_OK : VMRT_ERANGE;
}
