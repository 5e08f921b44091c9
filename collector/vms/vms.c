/* SPDX-License-Identifier: MIT */
/* Finds the VMs of this host and their threads in /proc. */
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/units.h>

#define PROC "/proc"
#define MAX_CMDLINE (256 << 10) /* bytes that are read; a longer command line is cut */
#define MAX_SMALL_FILE 16384	/* stat and status of a thread */
#define MAX_THREADS 8192	/* of one process */
#define MAX_VMS 4096		/* of users who are trusted */
#define MAX_VMS_OF_USER 256	/* of another user */
#define MAX_VMS_OF_OTHERS 512	/* of all users not trusted: a person may have many user ids */

struct list {
	struct vmrt_vm *vms;
	size_t n;
};

/* Reads at most @room - 1 bytes of a file; returns how many, or -1. */
static ssize_t read_some(const char *path, char *buf, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t used = 0;

	if (fd < 0)
		return -1;
	while (used < room - 1) {
		ssize_t got = read(fd, buf + used, room - 1 - used);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		used += (size_t)got;
	}
	close(fd);
	buf[used] = '\0';
	return (ssize_t)used;
}

static pid_t pid_of(const char *name)
{
	int64_t pid;

	return vmrt_parse_int(name, 1, INT32_MAX, &pid) == VMRT_OK ? (pid_t)pid : 0;
}

static bool read_stat(const char *folder, pid_t tid, struct vms_thread_stat *out)
{
	char path[512], text[MAX_SMALL_FILE];

	snprintf(path, sizeof(path), "%s/%d/stat", folder, (int)tid);
	return read_some(path, text, sizeof(text)) > 0 && vms_thread_stat_parse(text, out);
}

static void read_affinity(const char *folder, pid_t tid, cpu_set_t *out)
{
	static const char key[] = "\nCpus_allowed_list:";
	char path[512], text[MAX_SMALL_FILE], *list;

	CPU_ZERO(out);
	snprintf(path, sizeof(path), "%s/%d/status", folder, (int)tid);
	if (read_some(path, text, sizeof(text)) <= 0 || !(list = strstr(text, key)))
		return;
	list += sizeof(key) - 1;
	if (!vms_cpu_list_parse(list + strspn(list, " \t"), out))
		CPU_ZERO(out);
}

static struct vmrt_vm_thread *new_thread(struct vmrt_vm *vm)
{
	struct vmrt_vm_thread *more;

	/* the room doubles each time: it is always the least power of two that is not below
	 * n_threads */
	if ((vm->n_threads & (vm->n_threads - 1)) == 0) {
		more = realloc(
			vm->threads, (vm->n_threads ? vm->n_threads * 2 : 1) * sizeof(*more));
		if (!more)
			return NULL;
		vm->threads = more;
	}
	more = &vm->threads[vm->n_threads++];
	memset(more, 0, sizeof(*more));
	return more;
}

enum vmrt_status vm_add_thread(
	struct vmrt_vm *vm, const char *folder, pid_t tid, struct vmrt_error *err)
{
	struct vms_thread_stat stat;
	struct vmrt_vm_thread *t;

	if (!read_stat(folder, tid, &stat) || stat.state == 'Z' || stat.state == 'X')
		return VMRT_OK; /* the thread has ended */
	t = new_thread(vm);
	if (!t)
		return vmrt_fail(err, VMRT_ENOMEM, "threads of VM %s: out of memory", vm->name);
	t->tid = tid;
	t->policy = stat.policy;
	t->priority = stat.priority;
	snprintf(t->comm, sizeof(t->comm), "%s", stat.comm);
	read_affinity(folder, tid, &t->affinity);
	t->vcpu = -1;
	return VMRT_OK;
}

static enum vmrt_status add_thread(struct vmrt_vm *vm, const struct vms_hypervisor *hv,
	const char *folder, pid_t tid, struct vmrt_error *err)
{
	size_t before = vm->n_threads;
	enum vmrt_status status = vm_add_thread(vm, folder, tid, err);
	struct vmrt_vm_thread *t = &vm->threads[before];

	if (vm->n_threads == before)
		return status;
	t->vcpu = vms_hypervisor_vcpu(hv, t->comm);
	if (t->vcpu >= 0) {
		t->role = VMRT_ROLE_VCPU;
		vm->n_vcpus++;
	} else if (tid == vm->pid) {
		t->role = VMRT_ROLE_MAIN;
	} else {
		/* since Linux 6.4 vhost threads are threads of the VM's process */
		t->role = strncmp(t->comm, "vhost-", 6) ? VMRT_ROLE_IO : VMRT_ROLE_VHOST;
	}
	return VMRT_OK;
}

static enum vmrt_status add_threads(struct vmrt_vm *vm, const struct vms_hypervisor *hv,
	const char *proc, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	char folder[256];
	struct dirent *entry;
	DIR *dir;

	snprintf(folder, sizeof(folder), "%s/%d/task", proc, (int)vm->pid);
	dir = opendir(folder);
	while (status == VMRT_OK && dir && (entry = readdir(dir))) {
		pid_t tid = pid_of(entry->d_name);

		if (tid && vm->n_threads < MAX_THREADS)
			status = add_thread(vm, hv, folder, tid, err);
	}
	if (dir)
		closedir(dir);
	return status;
}

static int compare_threads(const void *a, const void *b)
{
	const struct vmrt_vm_thread *x = a, *y = b;

	if (x->role != y->role)
		return x->role < y->role ? -1 : 1;
	if (x->vcpu != y->vcpu)
		return x->vcpu < y->vcpu ? -1 : 1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

/* Takes the accelerator from the names of QEMU's threads, because these show what is really used.
 */
static void accel_from_threads(struct vmrt_vm *vm)
{
	for (size_t i = 0; i < vm->n_vcpus; i++) {
		if (strstr(vm->threads[i].comm, "/KVM"))
			strcpy(vm->accel, "kvm");
		if (strstr(vm->threads[i].comm, "/TCG"))
			strcpy(vm->accel, "tcg");
	}
}

/* Makes links absolute: a relative path is relative to the working directory of the process, and a
 * descriptor is one of the process. */
static void resolve_links(const char *proc, struct vmrt_vm *vm)
{
	char path[256], cwd[VMRT_LINK_PATH], full[2 * VMRT_LINK_PATH];
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%d/cwd", proc, (int)vm->pid);
	len = readlink(path, cwd, sizeof(cwd));
	for (int i = 0; i < VMRT_VM_LINKS; i++) {
		char *link = vm->link[i];

		if (!strncmp(link, VMRT_LINK_FD, strlen(VMRT_LINK_FD)))
			vms_fd_socket(proc, vm->pid, atoi(link + strlen(VMRT_LINK_FD)), link);
		if (!*link)
			continue;
		snprintf(full, sizeof(full), "%s", link);
		if (*link != '/') {
			if (len <= 0 || (size_t)len >= sizeof(cwd))
				full[0] = '\0';
			else
				snprintf(full, sizeof(full), "%.*s/%s", (int)len, cwd, link);
		}
		strcpy(link, strlen(full) < VMRT_LINK_PATH ? full : "");
		/* a path with characters that cannot be shown is not used, since vmrt would not
		 * make such a path */
		vms_make_printable(full);
		if (strncmp(full, link, VMRT_LINK_PATH - 1) != 0)
			link[0] = '\0';
	}
}

/* Is the limit of VMs reached? There are separate limits, so that the VMs of other users are found
 * even if one user runs very many processes that look like VMs. */
static bool is_full(const struct list *list, const struct vmrt_vm *vm)
{
	size_t own = 0, others = 0, same_user = 0;

	for (size_t i = 0; i < list->n; i++) {
		if (vmrt_vm_allowed(&list->vms[i], NULL))
			own++;
		else
			others++;
		same_user += list->vms[i].uids[0] == vm->uids[0];
	}
	return vmrt_vm_allowed(vm, NULL)
		       ? own >= MAX_VMS
		       : same_user >= MAX_VMS_OF_USER || others >= MAX_VMS_OF_OTHERS;
}

static enum vmrt_status read_process(
	const char *proc, pid_t pid, char *cmdline, struct list *list, struct vmrt_error *err)
{
	struct vmrt_vm vm = {.pid = pid};
	const struct vms_hypervisor *hv;
	enum vmrt_status status;
	struct vms_args args;
	struct vmrt_vm *more;
	char path[256];
	ssize_t size;

	snprintf(path, sizeof(path), "%s/%d/cmdline", proc, (int)pid);
	size = read_some(path, cmdline, MAX_CMDLINE);
	if (size <= 0 || !(hv = vms_hypervisor_of(cmdline)))
		return VMRT_OK;
	args = (struct vms_args){cmdline, (size_t)size};
	snprintf(vm.name, sizeof(vm.name), "pid-%d", (int)pid);
	snprintf(vm.hypervisor, sizeof(vm.hypervisor), "%s", hv->name);
	snprintf(vm.accel, sizeof(vm.accel), "%s", hv->accel);
	if (hv->describe)
		hv->describe(&args, &vm);
	vms_read_owner(proc, pid, vm.uids);
	if (is_full(list, &vm))
		return VMRT_OK;
	status = add_threads(&vm, hv, proc, err);
	if (status != VMRT_OK)
		goto drop;
	if (!vm.n_threads || (!vm.n_vcpus && !hv->without_vcpus) || !vms_is_process(proc, pid))
		goto drop;
	qsort(vm.threads, vm.n_threads, sizeof(*vm.threads), compare_threads);
	accel_from_threads(&vm);
	resolve_links(proc, &vm);
	/* vsock comes after the virtio-serial ports, which exist only for the agent */
	if (vm.vsock_cid && !vm.link[VMRT_VM_LINKS - 1][0])
		snprintf(vm.link[VMRT_VM_LINKS - 1], VMRT_LINK_PATH, "vsock:%u",
			(unsigned)vm.vsock_cid);
	more = realloc(list->vms, (list->n + 1) * sizeof(*more));
	if (!more) {
		status = vmrt_fail(err, VMRT_ENOMEM, "list of VMs: out of memory");
		goto drop;
	}
	list->vms = more;
	list->vms[list->n++] = vm;
	return VMRT_OK;
drop:
	free(vm.threads);
	return status;
}

/*
 * Until Linux 6.4 vhost threads were kernel threads called vhost-PID, children of kthreadd. A vhost
 * thread that is older than the process belongs to an earlier process with the same number.
 */
static enum vmrt_status add_vhost(
	const char *proc, pid_t tid, struct list *list, struct vmrt_error *err)
{
	struct vms_thread_stat stat, owner_stat;
	struct vmrt_vm_thread *t;
	pid_t owner;

	if (!read_stat(proc, tid, &stat) || !stat.kernel_thread ||
		strncmp(stat.comm, "vhost-", 6) != 0 || !(owner = pid_of(stat.comm + 6)))
		return VMRT_OK;
	for (size_t i = 0; i < list->n; i++) {
		if (list->vms[i].pid != owner || !read_stat(proc, owner, &owner_stat) ||
			stat.start_ticks < owner_stat.start_ticks)
			continue;
		t = new_thread(&list->vms[i]);
		if (!t)
			return vmrt_fail(err, VMRT_ENOMEM, "vhost threads: out of memory");
		t->tid = tid;
		t->role = VMRT_ROLE_VHOST;
		t->vcpu = -1;
		t->policy = stat.policy;
		t->priority = stat.priority;
		snprintf(t->comm, sizeof(t->comm), "%s", stat.comm);
		read_affinity(proc, tid, &t->affinity);
	}
	return VMRT_OK;
}

static int compare_vms(const void *a, const void *b)
{
	const struct vmrt_vm *x = a, *y = b;

	return (x->pid > y->pid) - (x->pid < y->pid);
}

enum vmrt_status vms_scan(const char *proc, struct vmrt_vm **out, size_t *n, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	struct list list = {NULL, 0};
	char *cmdline = malloc(MAX_CMDLINE);
	DIR *dir = cmdline ? opendir(proc) : NULL;
	struct dirent *entry;
	pid_t pid;

	if (!cmdline)
		return vmrt_fail(err, VMRT_ENOMEM, "list of VMs: out of memory");
	if (!dir) {
		status = vmrt_fail_errno(err, errno, "cannot read %s", proc);
		goto out;
	}
	while (status == VMRT_OK && (entry = readdir(dir)))
		if ((pid = pid_of(entry->d_name)))
			status = read_process(proc, pid, cmdline, &list, err);
	if (list.n) {
		rewinddir(dir);
		while (status == VMRT_OK && (entry = readdir(dir)))
			if ((pid = pid_of(entry->d_name)))
				status = add_vhost(proc, pid, &list, err);
		qsort(list.vms, list.n, sizeof(*list.vms), compare_vms);
	}
out:
	if (dir)
		closedir(dir);
	free(cmdline);
	if (status != VMRT_OK) {
		vmrt_vms_free(list.vms, list.n);
		return status;
	}
	*out = list.vms;
	*n = list.n;
	return VMRT_OK;
}

enum vmrt_status vmrt_vms_find_all(struct vmrt_vm **out, size_t *n, struct vmrt_error *err)
{
	return vms_scan(PROC, out, n, err);
}

/* Moves the VMs that are not allowed to the end; returns how many are allowed. */
static size_t sort_out(struct vmrt_vm *vms, size_t n, const uid_t *only)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct vmrt_vm vm = vms[i];

		if (!vmrt_vm_allowed(&vm, only))
			continue;
		/* allowed VMs keep their order; the others need no order */
		memmove(&vms[kept + 1], &vms[kept], (i - kept) * sizeof(*vms));
		vms[kept++] = vm;
	}
	return kept;
}

enum vmrt_status vmrt_vms_find(struct vmrt_vm **out, size_t *n, struct vmrt_error *err)
{
	enum vmrt_status status = vmrt_vms_find_all(out, n, err);
	size_t kept;

	if (status != VMRT_OK)
		return status;
	kept = sort_out(*out, *n, NULL);
	for (size_t i = kept; i < *n; i++)
		free((*out)[i].threads);
	*n = kept;
	return VMRT_OK;
}

void vmrt_vms_free(struct vmrt_vm *vms, size_t n)
{
	for (size_t i = 0; vms && i < n; i++)
		free(vms[i].threads);
	free(vms);
}

int vmrt_vm_match(const struct vmrt_vm *vm, const char *pattern)
{
	if (!strncmp(pattern, "pid:", 4))
		return pid_of(pattern + 4) == vm->pid;
	return !strcmp(vm->name, pattern);
}

/* "a (pid 1), b (pid 2)": those of @vms that match @pattern, or all for NULL */
static void list_names(
	const struct vmrt_vm *vms, size_t n, const char *pattern, char *buf, size_t room)
{
	size_t used = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < n && used + 1 < room; i++) {
		int len;

		if (pattern && !vmrt_vm_match(&vms[i], pattern))
			continue;
		len = snprintf(buf + used, room - used, "%s%s (pid:%d)", used ? ", " : "",
			vms[i].name, (int)vms[i].pid);
		used += len > 0 ? (size_t)len : 0;
	}
	if (used >= room && room > 4)
		strcpy(buf + room - 4, "...");
}

/* Reports that a VM runs but is not allowed, and says what the user can do. */
static enum vmrt_status complain_of_owner(
	const struct vmrt_vm *vm, const char *pattern, const uid_t *only, struct vmrt_error *err)
{
	char is[VMRT_OWNER_MAX], wanted[VMRT_OWNER_MAX];
	uid_t stranger = vm->uids[0];

	if (only)
		return vmrt_fail(err, VMRT_EPERM,
			"VM %.80s (pid:%d) belongs to user %s, not to %s as the experiment says",
			pattern, (int)vm->pid, vmrt_user_name(stranger, is),
			vmrt_user_name(*only, wanted));
	if (vmrt_owner_allowed(stranger))
		stranger = vm->uids[1];
	vmrt_user_name(stranger, is);
	return vmrt_fail(err, VMRT_EPERM,
		"VM %.80s (pid:%d) belongs to user %s, who is neither root nor you: --owner %s, or "
		"user = %s in the experiment, accepts it",
		pattern, (int)vm->pid, is, is, is);
}

static enum vmrt_status get_vm(
	const char *pattern, const uid_t *only, struct vmrt_vm **out, struct vmrt_error *err)
{
	size_t n, allowed, matches = 0, hit = 0, other = SIZE_MAX;
	enum vmrt_status status;
	struct vmrt_vm *vms;
	char names[300];

	status = vmrt_vms_find_all(&vms, &n, err);
	if (status != VMRT_OK)
		return status;
	allowed = n ? sort_out(vms, n, only) : 0;
	for (size_t i = 0; i < n; i++) {
		if (!vmrt_vm_match(&vms[i], pattern))
			continue;
		if (i >= allowed) {
			other = i;
			continue;
		}
		matches++;
		hit = i;
	}
	if (matches == 1) {
		struct vmrt_vm found = vms[hit];

		vms[hit] = vms[0];
		vms[0] = found;
		for (size_t i = 1; i < n; i++)
			free(vms[i].threads);
		*out = vms;
		return VMRT_OK;
	}
	if (matches) {
		list_names(vms, allowed, pattern, names, sizeof(names));
		status = vmrt_fail(err, VMRT_EINVAL,
			"VM %.80s is not the only one of that name: %s", pattern, names);
	} else if (other != SIZE_MAX) {
		status = complain_of_owner(&vms[other], pattern, only, err);
	} else if (vm_is_selection(pattern)) {
		status = vm_select(pattern, only, out, err);
	} else if (allowed) {
		list_names(vms, allowed, NULL, names, sizeof(names));
		status = vmrt_fail(
			err, VMRT_ENOENT, "there is no VM %.80s; running here: %s", pattern, names);
	} else {
		status = vmrt_fail(
			err, VMRT_ENOENT, "there is no VM %.80s; no VM is running here", pattern);
	}
	vmrt_vms_free(vms, n);
	return status;
}

enum vmrt_status vmrt_vm_get(const char *pattern, struct vmrt_vm **out, struct vmrt_error *err)
{
	return get_vm(pattern, NULL, out, err);
}

enum vmrt_status vmrt_vm_get_of(
	const char *pattern, const char *user, struct vmrt_vm **out, struct vmrt_error *err)
{
	enum vmrt_status status;
	uid_t uid;

	if (!*user)
		return get_vm(pattern, NULL, out, err);
	status = vmrt_user_id(user, &uid, err);
	return status == VMRT_OK ? get_vm(pattern, &uid, out, err) : status;
}

enum vmrt_status vmrt_vm_refresh(const struct vmrt_vm *vm, struct vmrt_vm **out)
{
	char *cmdline = NULL;
	struct list list = {NULL, 0};
	enum vmrt_status status = VMRT_ENOENT;

	if (vm_is_selection(vm->name))
		return vm_select(
			vm->name, vmrt_owner_allowed(vm->uids[0]) ? NULL : &vm->uids[0], out, NULL);
	cmdline = malloc(MAX_CMDLINE);
	if (!cmdline)
		return VMRT_ENOMEM;
	/* mostly the VM still has the same pid; otherwise all processes have to be searched */
	if (read_process(PROC, vm->pid, cmdline, &list, NULL) == VMRT_OK && list.n &&
		!strcmp(list.vms[0].name, vm->name) &&
		!memcmp(list.vms[0].uids, vm->uids, sizeof(vm->uids))) {
		*out = list.vms;
		free(cmdline);
		return VMRT_OK;
	}
	vmrt_vms_free(list.vms, list.n);
	free(cmdline);
	if (strncmp(vm->name, "pid-", 4) != 0)
		status = get_vm(vm->name, &vm->uids[0], out, NULL);
	return status;
}

enum vmrt_status vmrt_thread_started(pid_t pid, pid_t tid, uint64_t *ticks)
{
	struct vms_thread_stat stat;
	char folder[64];

	snprintf(folder, sizeof(folder), PROC "/%d/task", (int)pid);
	if (!read_stat(folder, tid, &stat) || stat.state == 'Z' || stat.state == 'X')
		return VMRT_ENOENT;
	*ticks = stat.start_ticks;
	return VMRT_OK;
}

const char *vmrt_role_name(enum vmrt_thread_role role)
{
	switch (role) {
	case VMRT_ROLE_VCPU:
		return "vcpu";
	case VMRT_ROLE_MAIN:
		return "main";
	case VMRT_ROLE_IO:
		return "io";
	default:
		return "vhost";
	}
}
