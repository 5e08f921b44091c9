/* SPDX-License-Identifier: MIT */
/* Makes the folder of vmrt-hsf in /run, which only root, or the user that vmrt-hsf runs as, may
 * change. */
#include "folder.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum vmrt_status hsf_control_folder(struct vmrt_error *err)
{
	struct stat st;

	if (mkdir(HSF_CONTROL_FOLDER, 0755) != 0 && errno != EEXIST)
		return vmrt_fail_errno(err, errno, "cannot make %s", HSF_CONTROL_FOLDER);
	if (lstat(HSF_CONTROL_FOLDER, &st) != 0 || !S_ISDIR(st.st_mode) || (st.st_mode & 022) ||
		(st.st_uid != 0 && st.st_uid != geteuid()))
		return vmrt_fail(err, VMRT_EPERM,
			"%s is not a folder that only root may change: remove it, or name a socket "
			"with --socket",
			HSF_CONTROL_FOLDER);
	return VMRT_OK;
}
