/* SPDX-License-Identifier: MIT */
/* Files that others read while they are replaced. */
#include "publish.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include <vmrt/files.h>

enum vmrt_status publish_file(
	const char *path, const char *text, size_t size, struct vmrt_error *err)
{
	char beside[PATH_MAX];
	enum vmrt_status status;

	/* node_exporter reads what is called *.prom: this is not */
	if ((size_t)snprintf(beside, sizeof(beside), "%s.%ld.part", path, (long)getpid()) >=
		sizeof(beside))
		return vmrt_fail(err, VMRT_ERANGE, "%.200s...: the path is too long", path);
	status = vmrt_write_file(beside, text, size, err);
	if (status == VMRT_OK && rename(beside, path) != 0)
		status = vmrt_fail_errno(err, errno, "cannot rename %s to %s", beside, path);
	if (status != VMRT_OK)
		unlink(beside);
	return status;
}
