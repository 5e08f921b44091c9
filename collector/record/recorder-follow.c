/* SPDX-License-Identifier: MIT */
/* VMs that start, stop, or get other threads while they are recorded. */
#include "recorder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vmrt/files.h>

/* The time at which a thread was started, on the clock of the events, to a clock tick. */
static int64_t started(pid_t pid, pid_t tid, int64_t now)
{
	struct timespec boot;
	uint64_t ticks;
	int64_t at;

	if (vmrt_thread_started(pid, tid, &ticks) != VMRT_OK &&
		vmrt_thread_started(tid, tid, &ticks) != VMRT_OK)
		return now;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	/* the two clocks differ by the time spent in suspend */
	at = (int64_t)(ticks * (uint64_t)VMRT_NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK)) -
	     (boot.tv_sec * VMRT_NS_PER_S + boot.tv_nsec - vmrt_now_ns());
	return at < now ? at : now;
}

static struct vmrt_vm_thread *find(struct vmrt_vm *vm, pid_t tid)
{
	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].tid == tid && !vm->threads[i].to_ns)
			return &vm->threads[i];
	return NULL;
}

static bool append(struct vmrt_vm *vm, const struct vmrt_vm_thread *t)
{
	struct vmrt_vm_thread *more =
		reallocarray(vm->threads, vm->n_threads + 1, sizeof(*vm->threads));

	if (!more)
		return false;
	vm->threads = more;
	more[vm->n_threads++] = *t;
	vm->n_vcpus += t->role == VMRT_ROLE_VCPU;
	return true;
}

/* Merges the current state @now of @vm into @vm; NULL: the VM is gone. Returns whether anything
 * changed. */
static bool merge(
	struct record_recorder *rec, struct vmrt_vm *vm, struct vmrt_vm *now, int64_t time)
{
	bool changed = false;

	for (size_t i = 0; now && i < now->n_threads; i++) {
		struct vmrt_vm_thread *t = &now->threads[i], *known = find(vm, t->tid);

		if (!known) {
			t->from_ns = started(now->pid, t->tid, time);
			/* a thread that was started before the recording but had not been found yet
			 */
			if (t->from_ns < rec->manifest.start_ns)
				t->from_ns = 0;
			changed |= append(vm, t);
		} else if (known->role != t->role || strcmp(known->comm, t->comm) != 0) {
			/* threads get their names after they have started */
			vm->n_vcpus +=
				(t->role == VMRT_ROLE_VCPU) - (known->role == VMRT_ROLE_VCPU);
			known->role = t->role;
			known->vcpu = t->vcpu;
			strcpy(known->comm, t->comm);
			changed = true;
		}
	}
	for (size_t i = 0; i < vm->n_threads; i++) {
		struct vmrt_vm_thread *t = &vm->threads[i];

		if (t->to_ns || (now && find(now, t->tid)))
			continue;
		t->to_ns = time;
		changed = true;
	}
	if (now)
		vm->pid = now->pid;
	return changed;
}

static bool known_pid(const struct record_recorder *rec, pid_t pid)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->manifest.vms[i].vm.pid == pid)
			return true;
	return false;
}

/* With --all-vms, adds VMs that were started during the recording. */
static bool find_new(struct record_recorder *rec, int64_t time)
{
	struct vmrt_manifest *m = &rec->manifest;
	bool found = false;
	struct vmrt_vm *vms;
	size_t n;

	if (vmrt_vms_find(&vms, &n, NULL) != VMRT_OK)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct vmrt_manifest_vm *vm = &m->vms[m->n_vms];

		if (known_pid(rec, vms[i].pid) || m->n_vms == VMRT_RECORDER_VMS)
			continue;
		memset(vm, 0, sizeof(*vm));
		vm->vm = vms[i];
		vms[i].threads = NULL; /* taken over */
		for (size_t k = 0; k < vm->vm.n_threads; k++)
			vm->vm.threads[k].from_ns =
				started(vm->vm.pid, vm->vm.threads[k].tid, time);
		snprintf(vm->note, sizeof(vm->note),
			"the VM was started during the recording: its guest is not recorded");
		m->n_vms++;
		found = true;
	}
	vmrt_vms_free(vms, n);
	return found;
}

static pid_t last_pid(void)
{
	pid_t last = 32767;
	char *text;

	if (vmrt_read_file("/proc/sys/kernel/pid_max", 64, &text, NULL, NULL) != VMRT_OK)
		return last;
	last = (pid_t)strtol(text, NULL, 10) - 1;
	free(text);
	return last;
}

enum vmrt_status recorder_only_vms(struct record_recorder *rec, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	size_t n = 0, used = 0;
	pid_t *tids;

	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		n += rec->manifest.vms[i].vm.n_threads;
	tids = calloc(n + 1, sizeof(*tids));
	if (!tids)
		return vmrt_fail(err, VMRT_ENOMEM, "list of threads: out of memory");
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		for (size_t k = 0; k < rec->manifest.vms[i].vm.n_threads; k++)
			if (!rec->manifest.vms[i].vm.threads[k].to_ns)
				tids[used++] = rec->manifest.vms[i].vm.threads[k].tid;
	/* an empty list would record all threads: the list gets the largest thread id instead,
	 * which hardly any thread has */
	if (!used)
		tids[used++] = last_pid();
	status = vmrt_tracer_only(rec->tracer, tids, used, err);
	free(tids);
	return status;
}

bool recorder_follow(struct record_recorder *rec, int64_t time)
{
	bool changed = false;

	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		struct vmrt_vm *vm = &rec->manifest.vms[i].vm, *now = NULL;

		if (!vm->pid)
			continue; /* its process cannot be seen from here */
		if (vmrt_vm_refresh(vm, &now) != VMRT_OK)
			now = NULL;
		changed |= merge(rec, vm, now, time);
		vmrt_vms_free(now, 1);
	}
	if (rec->options->all_vms)
		changed |= find_new(rec, time);
	return changed;
}
