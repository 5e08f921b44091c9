/* SPDX-License-Identifier: MIT */
/* Opens the output of an export: files that get their names only when all are complete, or
 * standard output. */
#include "export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>

/* A file is written under a temporary name and then renamed, so that a failure leaves a former file
 * as it was. If there is something at @path that is no ordinary file (/dev/stdout, a pipe, a link),
 * the output is written there directly, since renaming would replace it by a file. */
enum vmrt_status export_open(struct export_output *o, const char *path, struct vmrt_error *err)
{
	struct stat there;
	int fd;

	*o = (struct export_output){.out = stdout};
	if (!path || !strcmp(path, "-"))
		return VMRT_OK;
	o->path = path;
	if (lstat(path, &there) == 0 && !S_ISREG(there.st_mode)) {
		o->out = fopen(path, "we");
		return o->out ? VMRT_OK : vmrt_fail_errno(err, errno, "cannot write %s", path);
	}
	if (asprintf(&o->beside, "%s.%ld.new", path, (long)getpid()) < 0) {
		*o = (struct export_output){0};
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	/* this is set before the file is made, since a signal may come directly after that */
	vmrt_remove_at_crash(o->beside);
	/* a stranger may have guessed the name and put something there, which must not be opened */
	fd = vmrt_create_file(o->beside, O_WRONLY, 0666);
	o->out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (o->out)
		return VMRT_OK;
	vmrt_fail_errno(err, errno, "cannot write %s", path);
	if (fd >= 0)
		close(fd);
	vmrt_keep_at_crash(o->beside);
	free(o->beside);
	o->beside = NULL;
	return VMRT_EIO;
}

/* Ends writing; the file keeps its temporary name. */
static enum vmrt_status finish(
	struct export_output *o, enum vmrt_status status, struct vmrt_error *err)
{
	bool failed = ferror(o->out) != 0;

	errno = 0;
	if ((fclose(o->out) != 0 || failed) && status == VMRT_OK)
		status = vmrt_fail_errno(err, errno ? errno : EIO, "cannot write %s", o->path);
	o->out = NULL;
	return status;
}

enum vmrt_status export_close(
	struct export_output *o, enum vmrt_status status, struct vmrt_error *err)
{
	if (!o->path || !o->out)
		return status;
	status = finish(o, status, err);
	if (status == VMRT_OK && vmrt_stop_requested())
		status = vmrt_fail(err, VMRT_EINTR, "stopped: %s was not written", o->path);
	if (status == VMRT_OK && o->beside && rename(o->beside, o->path) != 0)
		status = vmrt_fail_errno(err, errno, "cannot write %s", o->path);
	if (status != VMRT_OK && o->beside)
		unlink(o->beside);
	vmrt_keep_at_crash(o->beside);
	free(o->beside);
	o->beside = NULL;
	return status;
}

struct vmrt_tl_wanted export_wanted(const struct export_options *o)
{
	struct vmrt_tl_wanted w = VMRT_TL_ALL;

	w.tasks = o->tasks;
	w.n_tasks = o->n_tasks;
	w.servers = o->servers;
	w.n_servers = o->n_servers;
	w.from = o->from_ns;
	w.to = o->to_ns;
	return w;
}

#define FILES_MAX 9999

/* The name of file @number, to be freed: "run-3.grasp" for "run.grasp" and 3. */
static char *numbered(const char *path, size_t number)
{
	const char *slash = strrchr(path, '/'), *dot = strrchr(path, '.');
	size_t stem = dot && dot > (slash ? slash + 1 : path) ? (size_t)(dot - path) : strlen(path);
	char *name;

	return asprintf(&name, "%.*s-%zu%s", (int)stem, path, number, path + stem) < 0 ? NULL
										       : name;
}

/* Ends writing the last file, which keeps its temporary name until all files are whole. */
static enum vmrt_status finish_last(
	struct export_files *f, enum vmrt_status status, struct vmrt_error *err)
{
	struct export_output *last = f->n ? &f->all[f->n - 1] : NULL;

	return last && last->out ? finish(last, status, err) : status;
}

enum vmrt_status export_files_next(struct export_files *f, FILE **out, struct vmrt_error *err)
{
	enum vmrt_status status = finish_last(f, VMRT_OK, err);
	struct export_output *all;
	char *name;

	if (status != VMRT_OK)
		return status;
	if (vmrt_stop_requested())
		return vmrt_fail(err, VMRT_EINTR, "stopped: no file was written");
	if (f->n == FILES_MAX)
		return vmrt_fail(err, VMRT_ERANGE,
			"more than %d files would be needed: choose a shorter part or a larger "
			"--unit",
			FILES_MAX);
	name = numbered(f->path, f->n + 1);
	all = name ? realloc(f->all, (f->n + 1) * sizeof(*all)) : NULL;
	if (!all) {
		free(name);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	f->all = all;
	status = export_open(&all[f->n], name, err);
	if (status != VMRT_OK) {
		free(name);
		return status;
	}
	all[f->n].name = name;
	*out = all[f->n++].out;
	return VMRT_OK;
}

enum vmrt_status export_files_end(
	struct export_files *f, enum vmrt_status status, struct vmrt_error *err)
{
	char *more = numbered(f->path, f->n + 1);

	status = finish_last(f, status, err);
	if (status == VMRT_OK && vmrt_stop_requested())
		status = vmrt_fail(err, VMRT_EINTR, "stopped: no file was written");
	for (size_t i = 0; i < f->n; i++) {
		struct export_output *o = &f->all[i];

		if (status == VMRT_OK && o->beside && rename(o->beside, o->path) != 0)
			status = vmrt_fail_errno(err, errno, "cannot write %s", o->path);
		if (status != VMRT_OK && o->beside)
			unlink(o->beside);
		vmrt_keep_at_crash(o->beside);
		free(o->beside);
		free(o->name);
	}
	if (status == VMRT_OK && more && access(more, F_OK) == 0)
		vmrt_warn("%s is of another export: this one has %zu file%s", more, f->n,
			f->n == 1 ? "" : "s");
	free(more);
	free(f->all);
	f->all = NULL;
	return status;
}
