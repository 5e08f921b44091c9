/* SPDX-License-Identifier: MIT */
/* Treats other threads like a VM: those of a process, of a cgroup, or with names that fit a
 * pattern. */
#include "scan.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/files.h>
#include <vmrt/glob.h>
#include <vmrt/units.h>

#define MAX_LIST (4 << 20)
#define MAX_DEPTH 8

static const char *behind(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? NULL : text + len;
}

bool vm_is_selection(const char *pattern)
{
	return behind(pattern, "pid:") || behind(pattern, "cgroup:") || behind(pattern, "thread:");
}

static pid_t number(const char *text)
{
	int64_t n;

	return vmrt_parse_int(text, 1, INT32_MAX, &n) == VMRT_OK ? (pid_t)n : 0;
}

/* A selection while it is made. */
struct selection {
	const uid_t *only; /* only threads of this user; NULL: of users who are trusted */
	size_t refused;	   /* threads of other users */
};

/* Adds a thread, if its user is allowed; every thread of a selection counts as a vCPU. */
static enum vmrt_status add(
	struct vmrt_vm *vm, struct selection *s, pid_t tid, struct vmrt_error *err)
{
	struct vmrt_vm owner = {.name = ""};
	size_t before = vm->n_threads;
	enum vmrt_status status;

	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].tid == tid)
			return VMRT_OK;
	vms_read_owner("/proc", tid, owner.uids);
	if (!vmrt_vm_allowed(&owner, s->only)) {
		s->refused++;
		return VMRT_OK;
	}
	if (!vm->n_threads)
		memcpy(vm->uids, owner.uids, sizeof(vm->uids));
	status = vm_add_thread(vm, "/proc", tid, err);
	if (vm->n_threads > before) {
		vm->threads[before].role = VMRT_ROLE_VCPU;
		vm->threads[before].vcpu = (int)vm->n_vcpus++;
	}
	return status;
}

static enum vmrt_status add_process(struct vmrt_vm *vm, struct selection *s, pid_t pid,
	const char *comm, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	char path[64], *name;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	while (dir && status == VMRT_OK && (entry = readdir(dir))) {
		pid_t tid = number(entry->d_name);

		if (!tid)
			continue;
		if (comm) {
			snprintf(path, sizeof(path), "/proc/%d/comm", (int)tid);
			if (vmrt_read_file(path, 4096, &name, NULL, NULL) != VMRT_OK)
				continue;
			name[strcspn(name, "\n")] = '\0';
			if (vmrt_glob(comm, name, VMRT_COMM_MAX))
				status = add(vm, s, tid, err);
			free(name);
		} else {
			status = add(vm, s, tid, err);
		}
	}
	if (dir)
		closedir(dir);
	return status;
}

static enum vmrt_status add_by_name(
	struct vmrt_vm *vm, struct selection *s, const char *comm, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	while (dir && status == VMRT_OK && (entry = readdir(dir)))
		if (number(entry->d_name))
			status = add_process(vm, s, number(entry->d_name), comm, err);
	if (dir)
		closedir(dir);
	return status;
}

/* Adds the threads in @folder and in the cgroups below it; *@there: is @folder a cgroup? */
static enum vmrt_status add_cgroup(struct vmrt_vm *vm, struct selection *s, const char *folder,
	int depth, bool *there, struct vmrt_error *err)
{
	static const char *const lists[] = {"cgroup.threads", "tasks"};
	enum vmrt_status status = VMRT_OK;
	char path[1024], *text = NULL;
	struct dirent *entry;
	DIR *dir;

	for (size_t i = 0; i < 2 && !text; i++) {
		if (vmrt_path(path, sizeof(path), folder, lists[i]) == VMRT_OK &&
			vmrt_read_file(path, MAX_LIST, &text, NULL, NULL) != VMRT_OK)
			text = NULL;
	}
	if (!text)
		return VMRT_OK;
	*there = true;
	for (char *rest, *word = strtok_r(text, "\n", &rest); word && status == VMRT_OK;
		word = strtok_r(NULL, "\n", &rest))
		if (number(word))
			status = add(vm, s, number(word), err);
	free(text);
	dir = depth < MAX_DEPTH ? opendir(folder) : NULL;
	while (dir && status == VMRT_OK && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
			vmrt_path(path, sizeof(path), folder, entry->d_name) == VMRT_OK)
			status = add_cgroup(vm, s, path, depth + 1, there, err);
	if (dir)
		closedir(dir);
	return status;
}

static enum vmrt_status add_by_cgroup(
	struct vmrt_vm *vm, struct selection *s, const char *name, struct vmrt_error *err)
{
	const char *const *mounts;
	size_t n = vms_cgroup_mounts(&mounts);
	enum vmrt_status status = VMRT_OK;
	bool there = false;
	char path[1024];

	if (strstr(name, ".."))
		return vmrt_fail(err, VMRT_EINVAL,
			"cgroup:%.80s: give the path as /proc/PID/cgroup shows it", name);
	for (size_t i = 0; i < n && !there && status == VMRT_OK; i++)
		if (vmrt_path(path, sizeof(path), mounts[i], name + strspn(name, "/")) == VMRT_OK)
			status = add_cgroup(vm, s, path, 0, &there, err);
	if (status == VMRT_OK && !there)
		status = vmrt_fail(err, VMRT_ENOENT, "there is no cgroup %.100s", name);
	return status;
}

enum vmrt_status vm_select(
	const char *pattern, const uid_t *only, struct vmrt_vm **out, struct vmrt_error *err)
{
	struct selection s = {.only = only};
	struct vmrt_vm *vm = calloc(1, sizeof(*vm));
	enum vmrt_status status = VMRT_OK;
	const char *what;

	if (!vm)
		return vmrt_fail(err, VMRT_ENOMEM, "list of VMs: out of memory");
	if (strlen(pattern) >= sizeof(vm->name)) {
		status = vmrt_fail(err, VMRT_ERANGE, "%.100s is too long", pattern);
		goto out;
	}
	strcpy(vm->name, pattern);
	strcpy(vm->hypervisor, "process");
	if ((what = behind(pattern, "pid:"))) {
		vm->pid = number(what);
		status = vm->pid ? add_process(vm, &s, vm->pid, NULL, err)
				 : vmrt_fail(err, VMRT_EINVAL,
					   "%.80s: give the number of a process", pattern);
	} else if ((what = behind(pattern, "cgroup:"))) {
		status = add_by_cgroup(vm, &s, what, err);
	} else if ((what = behind(pattern, "thread:"))) {
		status = add_by_name(vm, &s, what, err);
	}
	if (status == VMRT_OK && !vm->n_threads && s.refused)
		status = vmrt_fail(err, VMRT_EPERM,
			"%.80s: its threads belong to users who are neither root nor you: --owner "
			"USER, or user = USER in the experiment, accepts them",
			pattern);
	if (status == VMRT_OK && !vm->n_threads)
		status = behind(pattern, "thread:")
				 ? vmrt_fail(err, VMRT_ENOENT, "no thread's name matches '%.80s'",
					   behind(pattern, "thread:"))
				 : vmrt_fail(err, VMRT_ENOENT, "%.80s: there is no such %s",
					   pattern, behind(pattern, "pid:") ? "process" : "thread");
	/* where the process of the VM is needed, the first thread stands for it */
	if (status == VMRT_OK && !vm->pid)
		vm->pid = vm->threads[0].tid;
out:
	if (status == VMRT_OK)
		*out = vm;
	else
		vmrt_vms_free(vm, 1);
	return status;
}
