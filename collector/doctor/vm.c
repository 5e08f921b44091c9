/* SPDX-License-Identifier: MIT */
/* Checks of one VM: are its vCPUs placed and prioritised for real-time work, and can its guest be
 * recorded? */
#include "doctor.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/cgroup.h>
#include <vmrt/guest.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>

#define AGENT_MS 6000 /* a busy guest answers late */
#define SETTINGS_MS 2000

static bool realtime(const struct vmrt_vm_thread *t)
{
	return t->policy == SCHED_FIFO || t->policy == SCHED_RR || t->policy == SCHED_DEADLINE;
}

static void check_pinning(struct doctor *d, const struct vmrt_vm *vm)
{
	char mend[128] = "";
	size_t loose = 0;

	for (size_t i = 0; i < vm->n_threads; i++) {
		const struct vmrt_vm_thread *t = &vm->threads[i];

		if (t->role != VMRT_ROLE_VCPU || CPU_COUNT(&t->affinity) == 1)
			continue;
		loose++;
		if (!mend[0])
			snprintf(mend, sizeof(mend), "taskset -cp CPU %d, for each vCPU",
				(int)t->tid);
	}
	if (loose)
		doctor_add(d, VMRT_VERDICT_WARN, "vcpu_pinning", vm->name,
			"a vCPU that wanders between CPUs loses its caches, and the server of one "
			"CPU does not bind it; vmrt-hsf pins vCPUs while it enforces",
			mend, "%zu of %zu vCPUs may run on several CPUs", loose, vm->n_vcpus);
	else
		doctor_add(d, VMRT_VERDICT_OK, "vcpu_pinning", vm->name, "", "",
			"each of %zu vCPUs is confined to one CPU", vm->n_vcpus);
}

/* Two vCPUs that may only run on one CPU stop each other, also in the middle of a guest's lock. */
static void check_sharing(struct doctor *d, const struct vmrt_vm *vm)
{
	for (size_t i = 0; i < vm->n_threads; i++)
		for (size_t k = i + 1; k < vm->n_threads; k++) {
			const struct vmrt_vm_thread *a = &vm->threads[i], *b = &vm->threads[k];

			if (a->role != VMRT_ROLE_VCPU || b->role != VMRT_ROLE_VCPU ||
				CPU_COUNT(&a->affinity) != 1 ||
				!CPU_EQUAL(&a->affinity, &b->affinity))
				continue;
			doctor_add(d, VMRT_VERDICT_WARN, "vcpu_sharing", vm->name,
				"vCPUs of one guest on one CPU wait for each other, also while one "
				"of them holds a lock of the guest",
				"give each vCPU a CPU of its own, or one server per vCPU",
				"vCPUs %d and %d are confined to the same CPU", a->vcpu, b->vcpu);
			return;
		}
}

/* A group of cgroup version 1 has no real-time budget unless somebody gives it one; libvirt makes
 * such groups. */
static void check_group(struct doctor *d, const struct vmrt_vm *vm)
{
	char path[512], group[256], mend[160], *text = NULL;
	const struct vmrt_vm_thread *vcpu = NULL;
	int64_t runtime = VMRT_UNKNOWN;

	for (size_t i = 0; i < vm->n_threads && !vcpu; i++)
		if (vm->threads[i].role == VMRT_ROLE_VCPU)
			vcpu = &vm->threads[i];
	if (!vcpu)
		return;
	snprintf(path, sizeof(path), "proc/%d/cgroup", (int)vcpu->tid);
	text = doctor_read(d, path);
	if (text && vmrt_cpu_group(text, group, sizeof(group))) {
		snprintf(path, sizeof(path), "%s%s/cpu.rt_runtime_us", &VMRT_CPU_GROUPS[1], group);
		runtime = doctor_number(d, path);
	}
	free(text);
	if (runtime == VMRT_UNKNOWN)
		return; /* the machine has no such groups */
	snprintf(mend, sizeof(mend), VMRT_LEAVE_GROUP, (int)vm->pid);
	if (!runtime)
		doctor_add(d, VMRT_VERDICT_FAIL, "vcpu_group", vm->name,
			"the kernel refuses real-time priority to threads of such a group, and "
			"vmrt-hsf cannot enforce",
			mend,
			"the vCPUs' cgroup %s has no real-time budget (cpu.rt_runtime_us is 0)",
			group);
	else
		doctor_add(d, VMRT_VERDICT_OK, "vcpu_group", vm->name, "", "",
			"the vCPUs' cgroup lets them be real-time threads");
}

static void check_priority(struct doctor *d, const struct vmrt_vm *vm)
{
	const struct vmrt_vm_thread *main_loop = NULL, *vcpu = NULL;
	char mend[128];

	for (size_t i = 0; i < vm->n_threads; i++) {
		if (vm->threads[i].role == VMRT_ROLE_MAIN)
			main_loop = &vm->threads[i];
		if (vm->threads[i].role == VMRT_ROLE_VCPU && (!vcpu || realtime(&vm->threads[i])))
			vcpu = &vm->threads[i];
	}
	if (!vcpu)
		return;
	if (!realtime(vcpu)) {
		doctor_add(d, VMRT_VERDICT_WARN, "vcpu_priority", vm->name,
			"an ordinary thread shares its CPU with all others: guests wait for "
			"milliseconds",
			"vmrt-hsf run EXPERIMENT", "the vCPUs are %s threads",
			vmrt_sched_name(vcpu->policy));
		return;
	}
	doctor_add(d, VMRT_VERDICT_OK, "vcpu_priority", vm->name, "", "", "vCPU %d is %s %d",
		vcpu->vcpu, vmrt_sched_name(vcpu->policy), vcpu->priority);
	if (!main_loop)
		return;
	snprintf(mend, sizeof(mend), "chrt -f -p %d %d", vcpu->priority + 1, (int)main_loop->tid);
	if (!realtime(main_loop) || main_loop->priority <= vcpu->priority)
		doctor_add(d, VMRT_VERDICT_WARN, "main_loop", vm->name,
			"the hypervisor's main loop serves devices, and under TCG the guest's "
			"timer "
			"interrupts: below its vCPUs it starves, and timers come late",
			mend, "the main loop (thread %d, %s %d) is not above the vCPUs (%d)",
			(int)main_loop->tid, vmrt_sched_name(main_loop->policy),
			main_loop->priority, vcpu->priority);
	else
		doctor_add(d, VMRT_VERDICT_OK, "main_loop", vm->name, "", "",
			"the main loop is above the vCPUs");
}

/* The number behind "KEY:" in /proc/PID/status, in KiB. */
static int64_t status_kib(const char *status, const char *key)
{
	const char *line = strstr(status, key);

	return line ? strtoll(line + strlen(key), NULL, 10) : VMRT_UNKNOWN;
}

static void check_memory(struct doctor *d, const struct vmrt_vm *vm)
{
	char path[64], *status, *thp;
	int64_t locked, resident;

	snprintf(path, sizeof(path), "proc/%d/status", (int)vm->pid);
	status = doctor_read(d, path);
	locked = status ? status_kib(status, "VmLck:") : VMRT_UNKNOWN;
	resident = status ? status_kib(status, "VmRSS:") : VMRT_UNKNOWN;
	free(status);
	if (locked == VMRT_UNKNOWN || resident == VMRT_UNKNOWN)
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "memory_locked", vm->name,
			"memory that the host swaps out makes a guest wait for a disk", "",
			"/proc/%d/status cannot be read", (int)vm->pid);
	else if (locked < resident / 2)
		doctor_add(d, VMRT_VERDICT_WARN, "memory_locked", vm->name,
			"memory that the host swaps out makes a guest wait for a disk",
			"qemu -overcommit mem-lock=on; libvirt: <memoryBacking><locked/>",
			"%lld of %lld MiB are locked", (long long)locked / 1024,
			(long long)resident / 1024);
	else
		doctor_add(d, VMRT_VERDICT_OK, "memory_locked", vm->name, "", "",
			"%lld MiB are locked", (long long)locked / 1024);
	thp = doctor_read(d, "sys/kernel/mm/transparent_hugepage/enabled");
	if (thp && strstr(thp, "[always]"))
		doctor_add(d, VMRT_VERDICT_WARN, "huge_pages", vm->name,
			"the kernel gathers huge pages in the background and stops the VM for that",
			"echo madvise >/sys/kernel/mm/transparent_hugepage/enabled",
			"transparent huge pages: %s", thp);
	free(thp);
}

/* Connects as a recorder does, and goes away before anything is recorded. */
static void check_agent(struct doctor *d, const struct vmrt_vm *vm)
{
	static const char why[] = "without an agent only the host's side of this VM can be seen";
	const char *sockets[VMRT_VM_LINKS];
	struct vmrt_guest_options options = {.name = vm->name,
		.owner = vm->uids[0],
		.sockets = sockets,
		.buffer = 65536,
		.ask = true};
	struct vmrt_guest_result result;
	struct vmrt_guest *guest;
	struct vmrt_error err;

	for (size_t i = 0; i < VMRT_VM_LINKS && vm->link[i][0]; i++)
		sockets[options.n_sockets++] = vm->link[i];
	if (!options.n_sockets) {
		doctor_add(d, VMRT_VERDICT_WARN, "agent", vm->name, why,
			"-chardev socket,id=vmrt,path=/run/NAME.vmrt,server=on,wait=off -device "
			"virtio-serial -device "
			"virtserialport,chardev=vmrt,name=org.vmrt.agent.0",
			"the VM has no virtio-serial port org.vmrt.agent.0 and no vsock");
		return;
	}
	if (!d->live || vmrt_guest_open(&options, &guest, &err) != VMRT_OK)
		return;
	if (vmrt_guest_wait(guest, VMRT_GUEST_CONNECTED, AGENT_MS, vmrt_stop_fd()) ==
			VMRT_GUEST_FAILED ||
		vmrt_guest_wait(guest, VMRT_GUEST_CONNECTED, 0, -1) < VMRT_GUEST_CONNECTED) {
		char words[VMRT_ERROR_TEXT];

		vmrt_guest_error(guest, words, sizeof(words));
		doctor_add(d, VMRT_VERDICT_WARN, "agent", vm->name, why,
			"start vmrt-agent in the guest: systemctl start vmrt-agent", "%.200s",
			words[0] ? words : "no agent answers within 6 s");
		vmrt_guest_close(guest);
		return;
	}
	vmrt_guest_wait(guest, VMRT_GUEST_READY, SETTINGS_MS, vmrt_stop_fd());
	vmrt_guest_abort(guest, "the doctor has seen enough");
	vmrt_guest_finish(guest, &result);
	doctor_add(d, VMRT_VERDICT_OK, "agent", vm->name, "", "",
		"agent in %.60s answers, kernel %.100s", result.hostname ? result.hostname : "?",
		result.kernel ? result.kernel : "?");
	if (result.settings)
		doctor_guest(d, vm->name, result.settings);
	else
		doctor_add(d, VMRT_VERDICT_UNKNOWN, "guest", vm->name,
			"the guest's own settings decide how late its tasks are",
			"install this version's vmrt-agent in the guest",
			"its agent does not report its settings: it is older than this program");
	vmrt_guest_close(guest);
}

void doctor_vm(struct doctor *d, const struct vmrt_vm *vm)
{
	check_pinning(d, vm);
	check_sharing(d, vm);
	check_group(d, vm);
	check_priority(d, vm);
	check_memory(d, vm);
	check_agent(d, vm);
}
