/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HYPERVISORS_H
#define VMRT_HYPERVISORS_H

/*
 * The hypervisors that vmrt knows, one row each:
 *
 *   X(name, describe, accel, without_vcpus, programs, vcpu_threads)
 *
 * The finder of VMs (collector/vms/table.c) uses all of it, and struct vms_hypervisor explains each
 * column. The finder of tasks (parser/discover/judge.c) uses the names of the vCPU threads only:
 * such threads are no tasks. Who uses the list defines WORDS() for the lists of patterns.
 */
#define VMRT_HYPERVISOR_LIST(X)                                                                    \
	/* names of QEMU's threads need debug-threads=on */                                        \
	X("qemu", describe_qemu, "", true, WORDS("qemu-system-*", "qemu-kvm"),                     \
		WORDS("CPU #/KVM", "CPU #/TCG", "ALL CPUs/TCG"))                                   \
	X("firecracker", describe_firecracker, "kvm", false,                                       \
		WORDS("firecracker", "firecracker-*"), WORDS("fc_vcpu #"))                         \
	X("cloud-hypervisor", NULL, "", false, WORDS("cloud-hypervisor", "cloud-hypervisor-*"),    \
		WORDS("vcpu#"))                                                                    \
	X("crosvm", describe_crosvm, "", false, WORDS("crosvm"), WORDS("crosvm_vcpu#"))            \
	X("virtualbox", describe_virtualbox, "", false, WORDS("VBoxHeadless", "VirtualBoxVM"),     \
		WORDS("EMT-#", "EMT"))                                                             \
	X("vmware", describe_vmware, "", false, WORDS("vmware-vmx", "vmware-vmx-*"),               \
		WORDS("vmx-vcpu-#"))

#endif
