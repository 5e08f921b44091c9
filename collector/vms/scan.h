/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_VMS_SCAN_H
#define VMRT_COLLECTOR_VMS_SCAN_H

/*
 * Parts of the VM finder. Everything that is read here was written by processes of other users: its
 * size is bounded, and characters that could control a terminal are replaced before it is shown.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/vms.h>

/* A process' command line: the arguments, each ended by a NUL. */
struct vms_args {
	const char *text;
	size_t size;
};

/* How one hypervisor's processes and threads are recognised: one row of VMRT_HYPERVISOR_LIST. */
struct vms_hypervisor {
	const char *name;
	const char *const *programs; /* patterns for the file name of argv[0], ends with NULL */
	/* names of vCPU threads, '#' stands for the vCPU's number, ends with NULL */
	const char *const *vcpu_threads;
	const char *accel; /* "" if the accelerator is found by the threads' names or the options */
	bool without_vcpus; /* a process is a VM even if none of its threads is known to be a vCPU
			     */
	/* fills in what the command line says: the VM's name, accelerator and links; NULL: nothing
	 */
	void (*describe)(const struct vms_args *args, struct vmrt_vm *vm);
};

/** vms_hypervisor_of - the row that the program @argv0 belongs to, or NULL */
const struct vms_hypervisor *vms_hypervisor_of(const char *argv0);

/** vms_hypervisor_vcpu - the vCPU that a thread called @comm runs, or -1 */
int vms_hypervisor_vcpu(const struct vms_hypervisor *hv, const char *comm);

/** vms_make_printable - replace by '?' all characters in @text that would control a terminal,
 * change the direction of text, or are not UTF-8 */
void vms_make_printable(char *text);

/* What /proc says about one thread. */
struct vms_thread_stat {
	char comm[VMRT_COMM_MAX];
	char state;
	bool kernel_thread;
	int policy;
	int priority;
	uint64_t start_ticks; /* since boot; together with the tid it identifies a thread, even if
				 the tid is used again later */
};

/** vms_thread_stat_parse - read the text of a /proc/PID/stat file; false if it is malformed */
bool vms_thread_stat_parse(char *text, struct vms_thread_stat *out);

/** vms_cpu_list_parse - read a list such as `0-3,8`; false if it is malformed */
bool vms_cpu_list_parse(const char *text, cpu_set_t *out);

/**
 * vm_add_thread - append thread @tid with everything known about it except its role
 * @folder: the folder that contains the thread's folder
 */
enum vmrt_status vm_add_thread(
	struct vmrt_vm *vm, const char *folder, pid_t tid, struct vmrt_error *err);

/** vm_is_selection - does @pattern begin with pid:, cgroup: or thread: ? */
bool vm_is_selection(const char *pattern);

/**
 * vm_select - treat threads that are no known VM as one VM, in which all of them count as vCPUs
 * @only: take only threads of this user; NULL: of users who are trusted. Threads of other users are
 * left out
 *
 * Return: VMRT_OK; VMRT_ENOENT, VMRT_EPERM if there are only threads of others; VMRT_EINVAL...
 */
enum vmrt_status vm_select(
	const char *pattern, const uid_t *only, struct vmrt_vm **out, struct vmrt_error *err);

/** vms_read_owner - real and effective user of @pid; -1 if not known. @proc: "/proc" */
void vms_read_owner(const char *proc, pid_t pid, uid_t uids[2]);

/**
 * vms_is_process - is @pid the number of a process, and not of one of its other threads?
 *
 * If a process ends while its folder in /proc is read, a new thread of another process may get its
 * number. The folder of this number then shows everything of that other process.
 */
bool vms_is_process(const char *proc, pid_t pid);

/** vms_cgroup_mounts - the folders in which the path of a cgroup may be; returns how many */
size_t vms_cgroup_mounts(const char *const **out);

/**
 * vms_scan - like vmrt_vms_find(), but with another folder in place of /proc
 * @proc: the folder that is laid out like /proc
 */
enum vmrt_status vms_scan(
	const char *proc, struct vmrt_vm **out, size_t *n, struct vmrt_error *err);

/* Prefix of a link that is a descriptor of the VM's own process. */
#define VMRT_LINK_FD "/dev/fd/"

/**
 * vms_fd_socket - the path that a listening UNIX socket among the descriptors of a process has
 * @proc: usually "/proc"
 * @path: room for VMRT_LINK_PATH bytes; empty if there is no such socket, or its name may not be
 * read
 */
void vms_fd_socket(const char *proc, pid_t pid, int fd, char *path);

#endif
