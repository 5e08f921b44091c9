/* SPDX-License-Identifier: MIT */
/* The arguments of commands that take a run folder, or the files of a recording. */
#include "trace.h"

#include <errno.h>
#include <sys/stat.h>

#include <vmrt/files.h>

int trace_recording_of(const char *const *args, size_t n, struct vmrt_recording_options *out)
{
	struct vmrt_error err;
	struct stat st;

	if (vmrt_file_kind(args[0]) == VMRT_KIND_MISSING) {
		vmrt_fail_file(&err, args[0], "a run");
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	if (stat(args[0], &st) != 0) {
		vmrt_fail_errno(&err, errno, "cannot open %s", args[0]);
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	if (S_ISDIR(st.st_mode) && n > 1) {
		vmrt_fail(&err, VMRT_EINVAL, "give one RUN only: '%s' is a second one", args[1]);
		vmrt_complain(&err);
		return VMRT_EXIT_USAGE;
	}
	if (S_ISDIR(st.st_mode)) {
		out->run = args[0];
		return VMRT_EXIT_DONE;
	}
	out->host_file = args[0];
	out->guest_files = &args[1];
	out->n_guest_files = n - 1;
	return VMRT_EXIT_DONE;
}
