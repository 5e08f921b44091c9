/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_VMS_SCAN_H
#define VMRT_COLLECTOR_VMS_SCAN_H

/*
 * Parts of the VM finder. Everything read here was written by other users' processes: it is
 * its size is bounded, and what could control a terminal is replaced before it is shown.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/vms.h>

/* A process' command line: arguments one behind the other, each with its NUL. */
struct vms_args {
	const char *text;
	size_t size;
};

/* How one hypervisor's processes and threads are recognised; one row per hypervisor. */
struct vms_hypervisor {
	const char *name;
	const char *const *programs; /* patterns for the file name of argv[0], ends with NULL */
	/* names of vCPU threads, '#' stands for the vCPU's number, ends with NULL */
	const char *const *vcpu_threads;
	const char *accel;  /* "" if the threads' names or the options say it */
	bool without_vcpus; /* a VM even when no vCPU thread is to be seen */
	/* fills in what the command line says: name, accel, links */
	void (*describe)(const struct vms_args *args, struct vmrt_vm *vm);
};

/** vms_hypervisor_of - the row that the program @argv0 belongs to, or NULL */
const struct vms_hypervisor *vms_hypervisor_of(const char *argv0);

/** vms_hypervisor_vcpu - the vCPU that a thread called @comm runs, or -1 */
int vms_hypervisor_vcpu(const struct vms_hypervisor *hv, const char *comm);

/** vms_make_printable - replace by '?' in @text what would control a terminal, change the
 * direction of text, or is not UTF-8 */
void vms_make_printable(char *text);

/* What /proc says about one thread. */
struct vms_thread_stat {
	char comm[VMRT_COMM_MAX];
	char state;
	bool kernel_thread;
	int policy;
	int priority;
	uint64_t start_ticks; /* since boot; with the tid it names a thread for good */
};

/** vms_thread_stat_parse - read the text of a /proc/PID/stat file; false if it is malformed */
bool vms_thread_stat_parse(char *text, struct vms_thread_stat *out);

/** vms_cpu_list_parse - read a list such as `0-3,8`; false if it is malformed */
bool vms_cpu_list_parse(const char *text, cpu_set_t *out);

/**
 * vm_add_thread - append what there is to know of thread @tid, without its role
 * @folder: where its folder is
 */
enum vmrt_status vm_add_thread(
	struct vmrt_vm *vm, const char *folder, pid_t tid, struct vmrt_error *err);

/** vm_is_selection - does @pattern begin with pid:, cgroup: or thread: ? */
bool vm_is_selection(const char *pattern);

/**
 * vm_select - threads that are no known VM, as one; all of them count as vCPUs
 * @only: of this user alone; NULL: of users that are trusted. Threads of others are left out
 *
 * Return: VMRT_OK; VMRT_ENOENT, VMRT_EPERM if there are only threads of others; VMRT_EINVAL...
 */
enum vmrt_status vm_select(
	const char *pattern, const uid_t *only, struct vmrt_vm **out, struct vmrt_error *err);

/** vms_read_owner - real and effective user of @pid; -1 if not known. @proc: "/proc" */
void vms_read_owner(const char *proc, pid_t pid, uid_t uids[2]);

/**
 * vms_is_process - is @pid a process, and no other thread of one?
 *
 * A process that ends while it is looked at may leave its number to a thread, whose folder in /proc
 * shows all of the process that this thread belongs to.
 */
bool vms_is_process(const char *proc, pid_t pid);

/** vms_cgroup_mounts - folders in which such a path may be; returns how many */
size_t vms_cgroup_mounts(const char *const **out);

/**
 * vms_scan - vmrt_vms_find() with another root than /proc
 * @proc: the folder that is laid out like /proc
 */
enum vmrt_status vms_scan(
	const char *proc, struct vmrt_vm **out, size_t *n, struct vmrt_error *err);

/* Before a link that is a descriptor of the VM's own process. */
#define VMRT_LINK_FD "/dev/fd/"

/**
 * vms_fd_socket - the path that a listening UNIX socket among the descriptors of a process has
 * @proc: usually "/proc"
 * @path: room for VMRT_LINK_PATH bytes; empty if there is none, or we may not look
 */
void vms_fd_socket(const char *proc, pid_t pid, int fd, char *path);

#endif
