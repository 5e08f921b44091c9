/* SPDX-License-Identifier: MIT */
/* Reads and writes whole files, also in folders that belong to strangers. */
#include <vmrt/files.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_CHUNK 4096
#define CREATE_TRIES 8

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

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a folder";
	case S_IFIFO:
		return "a FIFO";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	default:
		return "something else";
	}
}

/*
 * Is @path standard input or output, a device, or a pipe that a shell makes for <()? Only the user
 * and root can put something there. In folders below /dev this is not true: everybody may make
 * files in /dev/shm.
 */
static bool is_chosen(const char *path)
{
	int end = 0;

	if (!strncmp(path, "/dev/", 5) && !strchr(path + 5, '/'))
		return true;
	sscanf(path, "/dev/fd/%*[0-9]%n", &end);
	if (!end)
		sscanf(path, "/proc/%*[0-9self]/fd/%*[0-9]%n", &end);
	return end && !path[end];
}

int vmrt_open_file(const char *path, int flags, struct vmrt_error *err)
{
	bool chosen = is_chosen(path);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (chosen ? 0 : O_NONBLOCK) | flags);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0) {
		vmrt_fail_errno(err, errno, "cannot open %s", path);
	} else if (!S_ISREG(st.st_mode) && !chosen) {
		vmrt_fail(err, VMRT_EINVAL, "%s is not a regular file, but %s", path,
			kind_of(st.st_mode));
		errno = EINVAL;
	} else {
		return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

enum vmrt_status vmrt_read_file(
	const char *path, size_t max, char **out, size_t *size, struct vmrt_error *err)
{
	struct vmrt_error why;
	enum vmrt_status status;
	int fd = vmrt_open_file(path, 0, &why);
	struct stat st;

	if (fd < 0)
		return vmrt_fail(err, why.status, "%s", why.text);
	/* fail before reading so much; files of the kernel do not have a size, so they are checked
	 * while reading */
	if (fstat(fd, &st) == 0 && st.st_size > 0 && (uint64_t)st.st_size > max) {
		close(fd);
		return vmrt_fail(err, VMRT_ERANGE, "%s is larger than %zu bytes", path, max);
	}
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

/* Opens the folder of @path; *@base: the name of the file in this folder. */
static int open_folder(const char *path, const char **base)
{
	const char *slash = strrchr(path, '/');
	char *folder;
	int fd;

	*base = slash ? slash + 1 : path;
	if (!slash)
		return open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	folder = slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
	fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	free(folder);
	return fd;
}

int vmrt_create_file(const char *path, int flags, mode_t mode)
{
	const char *base;
	int folder, fd = -1, errnum;
	struct stat st;

	if (is_chosen(path))
		return open(path, flags | O_CLOEXEC);
	folder = open_folder(path, &base);
	if (folder < 0)
		return -1;
	/* somebody may create a file of this name between removing and opening, but hardly each
	 * time */
	for (int i = 0; i < CREATE_TRIES && fd < 0; i++) {
		if (fstatat(folder, base, &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISREG(st.st_mode) &&
			!S_ISLNK(st.st_mode) && !S_ISDIR(st.st_mode)) {
			/* opening a FIFO would wait for its reader */
			errno = EEXIST;
			break;
		}
		if (unlinkat(folder, base, 0) != 0 && errno != ENOENT)
			break;
		fd = openat(folder, base, flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
		if (fd < 0 && errno != EEXIST)
			break;
	}
	errnum = errno;
	close(folder);
	errno = errnum;
	return fd;
}

int vmrt_open_update(const char *path)
{
	const char *base;
	int folder = open_folder(path, &base), fd, errnum;
	struct stat st;

	if (folder < 0)
		return -1;
	fd = openat(folder, base, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	errnum = errno;
	close(folder);
	if (fd < 0) {
		errno = errnum;
		return -1;
	}
	/* a file with a second name may belong to somebody else */
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1)
		return fd;
	close(fd);
	errno = EMLINK;
	return -1;
}

bool vmrt_is_link(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static mode_t recording_mode = 0600; /* recordings contain addresses of the kernel */

void vmrt_recording_mode(mode_t mode)
{
	recording_mode = mode;
}

int vmrt_create_recording(const char *path)
{
	return vmrt_create_file(path, O_RDWR, recording_mode);
}

enum vmrt_status vmrt_write_file(
	const char *path, const void *data, size_t size, struct vmrt_error *err)
{
	int fd = vmrt_create_file(path, O_WRONLY, 0644);
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

enum vmrt_status vmrt_replace_file(
	const char *path, const char *suffix, const void *data, size_t size, struct vmrt_error *err)
{
	char beside[PATH_MAX];
	enum vmrt_status status;

	if ((size_t)snprintf(beside, sizeof(beside), "%s%s", path, suffix) >= sizeof(beside))
		return vmrt_fail(err, VMRT_ERANGE, "%.200s...: the path is too long", path);
	status = vmrt_write_file(beside, data, size, err);
	if (status == VMRT_OK && rename(beside, path) != 0)
		status = vmrt_fail_errno(err, errno, "cannot rename %s to %s", beside, path);
	if (status != VMRT_OK)
		unlink(beside);
	return status;
}

enum vmrt_status vmrt_path(char *buf, size_t room, const char *dir, const char *name)
{
	int n = snprintf(buf, room, "%s/%s", dir, name);

	return n >= 0 && (size_t)n < room ? VMRT_OK : VMRT_ERANGE;
}

void vmrt_program_path(const char *name, char *buf, size_t room)
{
	ssize_t len = readlink("/proc/self/exe", buf, room - 1);
	char *slash;

	if (len > 0) {
		buf[len] = '\0';
		slash = strrchr(buf, '/');
		if (slash && (size_t)(slash + 1 - buf) + strlen(name) < room) {
			strcpy(slash + 1, name);
			if (access(buf, X_OK) == 0)
				return;
		}
	}
	snprintf(buf, room, "%s", name);
}
