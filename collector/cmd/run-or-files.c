/* SPDX-License-Identifier: MIT */
/* The arguments of commands that take a run folder, or the files of a recording. */
#include "trace.h"

#include <errno.h>
#include <sys/stat.h>

#include <vmrt/files.h>

error_t trace_add_file(struct trace_files *files, const char *arg, const struct argp_state *state)
{
	if (files->n == TRACE_GUESTS_MAX + 1)
		return vmrt_usage(state, "more than %d recordings", TRACE_GUESTS_MAX + 1);
	files->names[files->n++] = arg;
	return 0;
}

error_t trace_check_files(const struct trace_files *files, const struct argp_state *state)
{
	return files->n ? 0 : vmrt_usage(state, "say which RUN, or which recording");
}

int trace_recording_of(const struct trace_files *files, struct vmrt_recording_options *out)
{
	const char *const *args = files->names;
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
	if (S_ISDIR(st.st_mode) && files->n > 1) {
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
	out->n_guest_files = files->n - 1;
	return VMRT_EXIT_DONE;
}
