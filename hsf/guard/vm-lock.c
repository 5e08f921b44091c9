/* SPDX-License-Identifier: MIT */
/* Locks processes, so that only one vmrt-hsf schedules a VM: a second one would take the settings
 * of the first for those of the VM's owner. */
#include "vm-lock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>
#include <vmrt/vms.h>

#include "folder.h"

#define LOCK_SUFFIX ".lock"

/* Is the file that @fd is open on still the one called @path? The process that held it may have
 * removed it. */
static bool is_there(int fd, const char *path)
{
	struct stat open_one, named;

	return fstat(fd, &open_one) == 0 && lstat(path, &named) == 0 &&
	       open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

enum vmrt_status vm_lock(pid_t pid, int *fd, struct vmrt_error *err)
{
	char path[PATH_MAX];
	uint64_t started;
	int errnum;

	*fd = -1;
	if (vmrt_thread_started(pid, pid, &started) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOENT, "process %d has ended", (int)pid);
	if (hsf_control_folder(err) != VMRT_OK) {
		vmrt_warn(
			"no lock keeps a second vmrt-hsf from process %d: %s", (int)pid, err->text);
		return VMRT_OK;
	}
	snprintf(path, sizeof(path), HSF_CONTROL_FOLDER "/%d-%llu" LOCK_SUFFIX, (int)pid,
		(unsigned long long)started);
	for (;;) {
		*fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (*fd < 0 && errno == EACCES)
			return vmrt_fail(err, VMRT_EPERM,
				"no permission to make the lock %s: run as root, since enforcing "
				"needs CAP_SYS_NICE and CAP_PERFMON",
				path);
		if (*fd < 0)
			return vmrt_fail_errno(err, errno, "cannot make the lock %s", path);
		if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
			break;
		if (is_there(*fd, path))
			return VMRT_OK;
		close(*fd);
	}
	errnum = errno;
	close(*fd);
	*fd = -1;
	if (errnum == EWOULDBLOCK)
		return vmrt_fail(err, VMRT_EEXIST, "another vmrt-hsf holds %s", path);
	return vmrt_fail_errno(err, errnum, "cannot lock %s", path);
}

void vm_unlock(int fd)
{
	char link[64], path[PATH_MAX];
	ssize_t len;

	if (fd < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len > 0) {
		path[len] = '\0';
		if (is_there(fd, path))
			unlink(path);
	}
	flock(fd, LOCK_UN);
	close(fd);
}

void vm_lock_sweep(void)
{
	DIR *dir = opendir(HSF_CONTROL_FOLDER);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');
		int fd;

		if (!dot || strcmp(dot, LOCK_SUFFIX) != 0)
			continue;
		fd = openat(dirfd(dir), entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			unlinkat(dirfd(dir), entry->d_name, 0);
		if (fd >= 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
}
