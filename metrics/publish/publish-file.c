/* SPDX-License-Identifier: MIT */
/* Writes files in such a way that other programs can read them while they are replaced. */
#include "publish.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>

/* Writes into what is no ordinary file (/dev/stdout, a pipe, a link), since renaming would replace
 * it by a file. */
static enum vmrt_status write_to(
	const char *path, const char *text, size_t size, struct vmrt_error *err)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
	int errnum = fd < 0 || vmrt_write_all(fd, text, size) != 0 ? errno : 0;

	if (fd >= 0 && close(fd) != 0 && !errnum)
		errnum = errno;
	return errnum ? vmrt_fail_errno(err, errnum, "cannot write %s", path) : VMRT_OK;
}

enum vmrt_status publish_file(
	const char *path, const char *text, size_t size, struct vmrt_error *err)
{
	char beside[PATH_MAX];
	enum vmrt_status status;
	struct stat there;

	if (lstat(path, &there) == 0 && !S_ISREG(there.st_mode))
		return write_to(path, text, size, err);

	/* node_exporter reads files *.prom, so the name of an incomplete file has another ending */
	if ((size_t)snprintf(beside, sizeof(beside), "%s.%ld.part", path, (long)getpid()) >=
		sizeof(beside))
		return vmrt_fail(err, VMRT_ERANGE, "%.200s...: the path is too long", path);
	vmrt_remove_at_crash(beside);
	status = vmrt_write_file(beside, text, size, err);
	if (status == VMRT_OK && rename(beside, path) != 0)
		status = vmrt_fail_errno(err, errno, "cannot rename %s to %s", beside, path);
	if (status != VMRT_OK)
		unlink(beside);
	vmrt_keep_at_crash(beside);
	return status;
}
