/* SPDX-License-Identifier: MIT */
/* Makes the socket of a vmrt-hsf, in a folder that only root may change and under a name that no
 * other one uses. */
#include "control.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/units.h>

#define BACKLOG 32
#define LOCK_TRIES 50 /* half a second; who really begins needs less than a millisecond */
#define LOCK_PAUSE_NS (10 * VMRT_NS_PER_MS)

/* Removes the socket @path if nobody listens on it any more. */
static enum vmrt_status remove_stale(const char *path, struct vmrt_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat st;
	int fd, rc;

	if (lstat(path, &st) != 0)
		return VMRT_OK;
	if (!S_ISSOCK(st.st_mode))
		return vmrt_fail(err, VMRT_EEXIST,
			"%s is there and no socket: name another one with --socket", path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot make a socket");
	rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
	rc = rc == 0 ? 0 : errno;
	close(fd);
	if (rc != ECONNREFUSED)
		return vmrt_fail(err, VMRT_EBUSY,
			"somebody listens on %s: end that vmrt-hsf, or name another socket with "
			"--socket",
			path);
	if (unlink(path) != 0 && errno != ENOENT)
		return vmrt_fail_errno(err, errno, "cannot remove the left-over socket %s", path);
	return VMRT_OK;
}

/* Makes the socket. Owner and mode are set before it listens, so that nobody can connect earlier.
 */
static enum vmrt_status listen_on(
	const char *path, const gid_t *group, int *out, struct vmrt_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	*out = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*out < 0)
		return vmrt_fail_errno(err, errno, "cannot make a socket");
	if (bind(*out, (struct sockaddr *)&address, sizeof(address)) != 0)
		return vmrt_fail_errno(err, errno, "cannot make the socket %s", path);
	if ((!group || lchown(path, (uid_t)-1, *group) == 0) &&
		chmod(path, group ? 0660 : 0600) == 0 && listen(*out, BACKLOG) == 0)
		return VMRT_OK;
	vmrt_fail_errno(err, errno, "cannot set who may use %s", path);
	unlink(path);
	return err->status;
}

/*
 * Locks the folder of @path, so that of two instances that start at the same time the second sees
 * the socket of the first. Every user who may read the folder may lock it for as long as the user
 * likes: this waits for half a second at most.
 */
static int lock_folder(const char *path)
{
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	char folder[HSF_CONTROL_PATH];
	char *slash;
	int fd;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash)
		strcpy(folder, ".");
	else
		slash[slash == folder] = '\0';
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int i = 0; fd >= 0 && i < LOCK_TRIES && flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
		nanosleep(&pause, NULL);
	return fd;
}

enum vmrt_status hsf_listen(const char *path, const gid_t *group, int *out, struct vmrt_error *err)
{
	int folder = lock_folder(path);
	enum vmrt_status status = remove_stale(path, err);

	*out = -1;
	if (status == VMRT_OK)
		status = listen_on(path, group, out, err);
	if (status != VMRT_OK && *out >= 0) {
		close(*out);
		*out = -1;
	}
	if (folder >= 0)
		close(folder);
	return status;
}

void hsf_control_sweep(void)
{
	DIR *dir = opendir(HSF_CONTROL_FOLDER);
	struct dirent *entry;
	char path[300];

	while (dir && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot && !strcmp(dot, HSF_CONTROL_SUFFIX) &&
			vmrt_path(path, sizeof(path), HSF_CONTROL_FOLDER, entry->d_name) == VMRT_OK)
			remove_stale(path, NULL);
	}
	if (dir)
		closedir(dir);
}
