/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COLLECTOR_VMS_SCAN_H
#define VMRT_COLLECTOR_VMS_SCAN_H

/*
 * Parts of the VM finder. Everything read here was written by other users' processes: it is
 * bounded, and it is made harmless before it is shown.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/vms.h>

/* A process' command line: arguments one behind the other, each with its NUL. */
struct vmrt_args {
	const char *text;
	size_t size;
};

/* How one hypervisor's processes and threads are recognised; one row per hypervisor. */
struct vmrt_hypervisor {
	const char *name;
	const char *const *programs; /* patterns for the file name of argv[0], ends with NULL */
	/* names of vCPU threads, '#' stands for the vCPU's number, ends with NULL */
	const char *const *vcpu_threads;
	const char *accel;  /* "" if the threads' names or the options say it */
	bool without_vcpus; /* a VM even when no vCPU thread is to be seen */
	/* fills in what the command line says: name, accel, links */
	void (*describe)(const struct vmrt_args *args, struct vmrt_vm *vm);
};

/** vmrt_hypervisor_of - the row that the program @argv0 belongs to, or NULL */
const struct vmrt_hypervisor *vmrt_hypervisor_of(const char *argv0);

/** vmrt_hypervisor_vcpu - the vCPU that a thread called @comm runs, or -1 */
int vmrt_hypervisor_vcpu(const struct vmrt_hypervisor *hv, const char *comm);

/** vmrt_make_printable - replace by '?' in @text what would control a terminal, change the
 * direction of text, or is not UTF-8 */
void vmrt_make_printable(char *text);

/* What /proc says about one thread. */
struct vmrt_thread_stat {
	char comm[VMRT_COMM_MAX];
	char state;
	bool kernel_thread;
	int policy;
	int priority;
	uint64_t start_ticks; /* since boot; with the tid it names a thread for good */
};

/** vmrt_thread_stat_parse - read the text of a /proc/PID/stat file; false if it is malformed */
bool vmrt_thread_stat_parse(char *text, struct vmrt_thread_stat *out);

/** vmrt_cpu_list_parse - read a list such as `0-3,8`; false if it is malformed */
bool vmrt_cpu_list_parse(const char *text, cpu_set_t *out);

/**
 * vmrt_vm_add_thread - append what there is to know of thread @tid, without its role
 * @folder: where its folder is
 */
enum vmrt_status vmrt_vm_add_thread(
	struct vmrt_vm *vm, const char *folder, pid_t tid, struct vmrt_error *err);

/** vmrt_vm_is_selection - does @pattern begin with pid:, cgroup: or thread: ? */
bool vmrt_vm_is_selection(const char *pattern);

/**
 * vmrt_vm_select - threads that are no known VM, as one; all of them count as vCPUs
 * @only: of this user alone; NULL: of users that are trusted. Threads of others are left out
 *
 * Return: VMRT_OK; VMRT_ENOENT, VMRT_EPERM if there are only threads of others; VMRT_EINVAL...
 */
enum vmrt_status vmrt_vm_select(
	const char *pattern, const uid_t *only, struct vmrt_vm **out, struct vmrt_error *err);

/** vmrt_read_owner - real and effective user of @pid; -1 if not known. @proc: "/proc" */
void vmrt_read_owner(const char *proc, pid_t pid, uid_t uids[2]);

/**
 * vmrt_is_process - is @pid a process, and no other thread of one?
 *
 * A process that ends while it is looked at may leave its number to a thread, whose folder in /proc
 * shows all of the process that this thread belongs to.
 */
bool vmrt_is_process(const char *proc, pid_t pid);

/** vmrt_cgroup_mounts - folders in which such a path may be; returns how many */
size_t vmrt_cgroup_mounts(const char *const **out);

/**
 * vmrt_vms_scan - vmrt_vms_find() with another root than /proc
 * @proc: the folder that is laid out like /proc
 */
enum vmrt_status vmrt_vms_scan(
	const char *proc, struct vmrt_vm **out, size_t *n, struct vmrt_error *err);

/* Before a link that is a descriptor of the VM's own process. */
#define VMRT_LINK_FD "/dev/fd/"

/**
 * vmrt_fd_socket - the path that a listening UNIX socket among the descriptors of a process has
 * @proc: usually "/proc"
 * @path: room for VMRT_LINK_PATH bytes; empty if there is none, or we may not look
 */
void vmrt_fd_socket(const char *proc, pid_t pid, int fd, char *path);

#endif
