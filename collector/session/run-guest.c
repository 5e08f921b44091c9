/* SPDX-License-Identifier: MIT */
/* Adds a guest's recording to a run that is there already. */
#include "run-guest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/dat.h>
#include <vmrt/files.h>
#include <vmrt/manifest.h>
#include <vmrt/tool.h>

#include "collector/record/run-folder.h"

#define COPY_BYTES (1 << 20)

static enum vmrt_status copy_bytes(int from, int to, const char *path, struct vmrt_error *err)
{
	char *buf = malloc(COPY_BYTES);
	enum vmrt_status status = VMRT_OK;
	ssize_t n = 1;

	if (!buf)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	while (status == VMRT_OK && n) {
		n = read(from, buf, COPY_BYTES);
		if (vmrt_stop_requested())
			status = vmrt_fail(err, VMRT_EINTR, "interrupted: %s is not made", path);
		else if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			status = vmrt_fail_errno(err, errno, "cannot read the guest's recording");
		else if (vmrt_write_all(to, buf, (size_t)n) != 0)
			status = vmrt_fail_errno(err, errno, "cannot write %s", path);
	}
	free(buf);
	return status;
}

/* Copies @file to @path, all of it or nothing. */
static enum vmrt_status copy_file(const char *file, const char *path, struct vmrt_error *err)
{
	enum vmrt_status status;
	char part[PATH_MAX];
	struct vmrt_error why;
	int from, to;

	if ((size_t)snprintf(part, sizeof(part), "%s.new", path) >= sizeof(part))
		return vmrt_fail(err, VMRT_ERANGE, "%s: the path is too long", path);
	from = vmrt_open_file(file, 0, &why);
	if (from < 0)
		return vmrt_fail(err, why.status, "%s", why.text);
	to = vmrt_create_recording(part);
	if (to < 0) {
		status = vmrt_fail_errno(err, errno, "cannot make %s", part);
		close(from);
		return status;
	}
	status = copy_bytes(from, to, part, err);
	close(from);
	if (close(to) != 0 && status == VMRT_OK)
		status = vmrt_fail_errno(err, errno, "cannot write %s", part);
	if (status == VMRT_OK && rename(part, path) != 0)
		status = vmrt_fail_errno(err, errno, "cannot make %s", path);
	if (status != VMRT_OK)
		unlink(part);
	return status;
}

static struct vmrt_manifest_vm *find_vm(
	struct vmrt_manifest *m, const char *run, const char *name, struct vmrt_error *err)
{
	char names[300] = "";
	size_t used = 0;

	for (size_t i = 0; i < m->n_vms; i++) {
		if (!strcmp(m->vms[i].vm.name, name))
			return &m->vms[i];
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
			m->vms[i].vm.name);
		if (used >= sizeof(names))
			used = sizeof(names) - 1;
	}
	vmrt_fail(err, VMRT_ENOENT, "%s has no VM %s; it has %s", run, name,
		m->n_vms ? names : "none: name VMs with --vm or -e when recording");
	return NULL;
}

/* Checks that the file is a recording; kernel and clock of the file go into the manifest. */
static enum vmrt_status check_guest_file(
	const char *file, struct vmrt_manifest_vm *vm, struct vmrt_error *err)
{
	const struct vmrt_dat_info *info;
	struct vmrt_dat *dat;
	const char *base = strrchr(file, '/');
	enum vmrt_status status = vmrt_dat_open(file, &dat, err);

	if (status != VMRT_OK)
		return status;
	info = vmrt_dat_info(dat);
	snprintf(vm->kernel, sizeof(vm->kernel), "%s", info->uname);
	snprintf(vm->note, sizeof(vm->note), "its guest's recording is a copy of %.100s",
		base ? base + 1 : file);
	if (strcmp(info->clock, "mono") != 0) {
		size_t used = strlen(vm->note);

		snprintf(vm->note + used, sizeof(vm->note) - used,
			"; recorded with the clock %.20s", info->clock);
	}
	vmrt_dat_close(dat);
	return VMRT_OK;
}

static enum vmrt_status add_to(struct vmrt_manifest *m, const char *run, const char *name,
	const char *file, bool force, struct vmrt_error *err)
{
	struct vmrt_manifest_vm *vm = find_vm(m, run, name, err);
	char base[VMRT_NAME_MAX], path[PATH_MAX];
	enum vmrt_status status;

	if (!vm)
		return VMRT_ENOENT;
	if (vm->file[0] && !force)
		return vmrt_fail(err, VMRT_EEXIST,
			"%s has a recording of the guest of %s already (%s); --force replaces it",
			run, name, vm->file);
	snprintf(base, sizeof(base), "%s", name);
	vmrt_run_file_name(base);
	if (!vm->file[0])
		snprintf(vm->file, sizeof(vm->file), "guest-%s.dat", base);
	if (vmrt_path(path, sizeof(path), run, vm->file) != VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%s: the path is too long", run);
	status = check_guest_file(file, vm, err);
	if (status == VMRT_OK)
		status = copy_file(file, path, err);
	if (status != VMRT_OK)
		return status;
	vmrt_path(path, sizeof(path), run, VMRT_FILE_MANIFEST);
	return vmrt_manifest_save(m, path, err);
}

enum vmrt_status vmrt_run_add_guest(
	const char *run, const char *name, const char *file, bool force, struct vmrt_error *err)
{
	struct vmrt_manifest *m;
	char path[PATH_MAX];
	enum vmrt_status status;

	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_MANIFEST) != VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%s: the path is too long", run);
	status = vmrt_manifest_load(path, &m, err);
	if (status != VMRT_OK)
		return status;
	status = add_to(m, run, name, file, force, err);
	vmrt_manifest_free(m);
	return status;
}
