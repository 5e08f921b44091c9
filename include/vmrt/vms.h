/* SPDX-License-Identifier: MIT */
#ifndef VMRT_VMS_H
#define VMRT_VMS_H

/* The virtual machines that run on this host, found through /proc alone. */

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vmrt/experiment.h>
#include <vmrt/option.h>
#include <vmrt/status.h>

enum vmrt_thread_role {
	VMRT_ROLE_VCPU,	 /* runs guest code; `vcpu` says which */
	VMRT_ROLE_MAIN,	 /* the hypervisor's main loop: delivers timers of a TCG guest, and I/O */
	VMRT_ROLE_IO,	 /* iothreads, workers */
	VMRT_ROLE_VHOST, /* kernel threads of the VM's vhost devices */
};

struct vmrt_vm_thread {
	pid_t tid;
	enum vmrt_thread_role role;
	int vcpu; /* -1 unless role is VMRT_ROLE_VCPU */
	char comm[VMRT_COMM_MAX];
	int policy;   /* SCHED_OTHER... */
	int priority; /* SCHED_FIFO and SCHED_RR priority, else 0 */
	cpu_set_t affinity;
	int64_t from_ns, to_ns; /* in a recording: when the thread came and when it ended; 0: before
				   or after the recording */
};

/* What the kernel grants a thread. */
struct vmrt_thread_limits {
	int64_t dl_runtime_ns, dl_deadline_ns, dl_period_ns; /* SCHED_DEADLINE; else 0 */
	char cgroup[256];		   /* with the CPU limit; "" if not known */
	int64_t quota_ns, quota_period_ns; /* the tightest limit of this cgroup and those above it;
					      0: no limit */
};

/** vmrt_thread_limits - fill in @out for thread @tid, as far as it can be read */
void vmrt_thread_limits(pid_t tid, struct vmrt_thread_limits *out);

#define VMRT_VM_LINKS 4 /* agent ports looked for per VM */
#define VMRT_LINK_PATH 108

struct vmrt_vm {
	char name[VMRT_NAME_MAX]; /* -name guest=..., or pid-N */
	char hypervisor[16];	  /* "qemu" ... */
	char accel[8];		  /* "tcg", "kvm" or "" when not known */
	pid_t pid;
	uid_t uids[2];			/* real and effective user of its process; -1: not known */
	struct vmrt_vm_thread *threads; /* vCPUs first, by number */
	size_t n_threads;
	size_t n_vcpus;
	uint32_t vsock_cid; /* of the guest; 0: it has none */
	/*
	 * UNIX sockets behind the virtio-serial ports org.vmrt.agent.0, .1, ...; "" if there is no
	 * such port. The last entry is "vsock:CID" if the guest has vsock and this port does not
	 * exist.
	 */
	char link[VMRT_VM_LINKS][VMRT_LINK_PATH];
};

/* ---- whose VMs are trusted ---- */

/*
 * Any process can look like a VM. vmrt neither connects to a VM nor changes the priority of its
 * threads unless the users of its process are allowed: root, the caller (also the one before sudo),
 * libvirt's QEMU, and those that option --owner adds.
 */

#define VMRT_OWNER_MAX VMRT_USER_MAX

/** vmrt_user_id - the number of @user, a name of /etc/passwd or a number; VMRT_OK or VMRT_ENOENT */
enum vmrt_status vmrt_user_id(const char *user, uid_t *out, struct vmrt_error *err);

/** vmrt_user_name - the name of @uid, or its number, printable */
const char *vmrt_user_name(uid_t uid, char buf[VMRT_OWNER_MAX]);

/** vmrt_owners_added - the users that option --owner has added; returns how many */
size_t vmrt_owners_added(const uid_t **out);

/** vmrt_owner_allowed - are VMs of @uid trusted? */
bool vmrt_owner_allowed(uid_t uid);

/** vmrt_vm_allowed - is @vm trusted? @only: if not NULL, this user alone */
bool vmrt_vm_allowed(const struct vmrt_vm *vm, const uid_t *only);

/** vmrt_process_allowed - does process @pid belong to a user who is trusted, or to the user of @vm?
 * False if the process has ended */
bool vmrt_process_allowed(pid_t pid, const struct vmrt_vm *vm);

/** vmrt_option_owner - takes the argument of --owner */
error_t vmrt_option_owner(void *opts, char *arg, const struct argp_state *state);

/* The row of --owner, for tables of options. */
#define VMRT_OPTION_OWNER                                                                          \
	{                                                                                          \
		"owner", 0, "USER",                                                                \
			"trust VMs of this user, too: a name or a number; may be repeated "        \
			"(always "                                                                 \
			"trusted: root, the caller, libvirt's QEMU)",                              \
			VMRT_CALL(vmrt_option_owner)                                               \
	}

/* ---- finding them ---- */

/**
 * vmrt_vms_find_all - like vmrt_vms_find(), but also with VMs that are not trusted, which may only
 * be shown
 */
enum vmrt_status vmrt_vms_find_all(struct vmrt_vm **out, size_t *n, struct vmrt_error *err);

/**
 * vmrt_vms_find - list the virtual machines of this host that are trusted
 * @out: the VMs, by pid; free with vmrt_vms_free()
 * @n: how many; 0 is no error
 *
 * VMs that end while being looked at are left out.
 *
 * Return: VMRT_OK, VMRT_EIO or VMRT_ENOMEM.
 */
enum vmrt_status vmrt_vms_find(struct vmrt_vm **out, size_t *n, struct vmrt_error *err);

/** vmrt_vms_free - free what vmrt_vms_find() gave */
void vmrt_vms_free(struct vmrt_vm *vms, size_t n);

/**
 * vmrt_vm_refresh - find VM @vm again, which may have been restarted under another pid
 * @out: the VM as it is now, of the same user; free with vmrt_vms_free(vm, 1)
 *
 * Return: VMRT_OK, or VMRT_ENOENT if it does not run.
 */
enum vmrt_status vmrt_vm_refresh(const struct vmrt_vm *vm, struct vmrt_vm **out);

/**
 * vmrt_vm_match - does @pattern mean @vm?
 * @pattern: a VM's name or `pid:N`
 */
int vmrt_vm_match(const struct vmrt_vm *vm, const char *pattern);

/**
 * vmrt_vm_get - find the one VM that @pattern names, among those running now
 * @pattern: a name; or pid:N, cgroup:PATH, thread:PATTERN for anything else, whose threads are
 * vCPUs then
 * @out: the VM; free with vmrt_vms_free(vm, 1)
 *
 * Return: VMRT_OK; VMRT_ENOENT with an error that lists the VMs there are; VMRT_EINVAL if several
 * match; VMRT_EPERM if the VM runs, but belongs to a user who is not trusted.
 */
enum vmrt_status vmrt_vm_get(const char *pattern, struct vmrt_vm **out, struct vmrt_error *err);

/** vmrt_vm_get_of - as vmrt_vm_get(); @user: only VMs of this user; "": of the users who are
 * trusted */
enum vmrt_status vmrt_vm_get_of(
	const char *pattern, const char *user, struct vmrt_vm **out, struct vmrt_error *err);

/**
 * vmrt_thread_started - when thread @tid of process @pid was started
 * @ticks: clock ticks since boot; together with @tid it names the thread for good
 *
 * Return: VMRT_OK, or VMRT_ENOENT if there is no such thread.
 */
enum vmrt_status vmrt_thread_started(pid_t pid, pid_t tid, uint64_t *ticks);

/** vmrt_sched_name - the word for scheduling policy @policy, e.g. "SCHED_FIFO"; never NULL */
const char *vmrt_sched_name(int policy);

/**
 * vmrt_vm_crowd - the vCPUs of @vm that are confined to one CPU together
 * @from: from which thread on to look, 0 at first; moved behind the first of the vCPUs
 * @buf: a line that names these vCPUs, and says what to do
 *
 * Return: whether there are such vCPUs.
 */
bool vmrt_vm_crowd(const struct vmrt_vm *vm, size_t *from, char *buf, size_t room);

/** vmrt_role_name - "vcpu", "main", "io" or "vhost" */
const char *vmrt_role_name(enum vmrt_thread_role role);

#endif
