/* SPDX-License-Identifier: MIT */
#ifndef VMRT_VMS_H
#define VMRT_VMS_H

/* The virtual machines that run on this host, found through /proc alone. */

#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <vmrt/experiment.h>
#include <vmrt/status.h>

enum vmrt_thread_role {
	VMRT_ROLE_VCPU,	 /* runs guest code; `vcpu` tells which */
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
	int64_t from_ns,
		to_ns; /* in a recording: when it came and when it was gone; 0: before, after it */
};

/* What the kernel grants a thread. */
struct vmrt_thread_limits {
	int64_t dl_runtime_ns, dl_deadline_ns, dl_period_ns; /* SCHED_DEADLINE; else 0 */
	char cgroup[256]; /* with the CPU limit; "" if not known */
	int64_t quota_ns,
		quota_period_ns; /* the tightest of that cgroup and those above; 0: none */
};

/** vmrt_thread_limits - fill it in for thread @tid, with what can be read */
void vmrt_thread_limits(pid_t tid, struct vmrt_thread_limits *out);

#define VMRT_VM_LINKS 4 /* agent ports looked for per VM */
#define VMRT_LINK_PATH 108

struct vmrt_vm {
	char name[VMRT_NAME_MAX]; /* -name guest=..., or pid-N */
	char hypervisor[16];	  /* "qemu" ... */
	char accel[8];		  /* "tcg", "kvm" or "" when not known */
	pid_t pid;
	struct vmrt_vm_thread *threads; /* vCPUs first, by number */
	size_t n_threads;
	size_t n_vcpus;
	uint32_t vsock_cid; /* of the guest; 0: it has none */
	/*
	 * UNIX sockets behind the virtio-serial ports org.vmrt.agent.0, .1, ...; "" if there is
	 * none. The last one is "vsock:CID" if the guest has one and no such port.
	 */
	char link[VMRT_VM_LINKS][VMRT_LINK_PATH];
};

/**
 * vmrt_vms_find - list the virtual machines of this host
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
 * vmrt_vm_refresh - look again at VM @vm, which may have been started anew under another pid
 * @out: as it is now; free with vmrt_vms_free(vm, 1)
 *
 * Return: VMRT_OK, or VMRT_ENOENT if it is not there.
 */
enum vmrt_status vmrt_vm_refresh(const struct vmrt_vm *vm, struct vmrt_vm **out);

/**
 * vmrt_vm_match - does @vm go by @pattern?
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
 * match.
 */
enum vmrt_status vmrt_vm_get(const char *pattern, struct vmrt_vm **out, struct vmrt_error *err);

/**
 * vmrt_thread_started - when thread @tid of process @pid was started
 * @ticks: clock ticks since boot; together with @tid it names the thread for good
 *
 * Return: VMRT_OK, or VMRT_ENOENT if there is no such thread.
 */
enum vmrt_status vmrt_thread_started(pid_t pid, pid_t tid, uint64_t *ticks);

/** vmrt_sched_name - the word for scheduling policy @policy, e.g. "SCHED_FIFO"; never NULL */
const char *vmrt_sched_name(int policy);

/** vmrt_role_name - "vcpu", "main", "io" or "vhost" */
const char *vmrt_role_name(enum vmrt_thread_role role);

#endif
