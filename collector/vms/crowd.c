/* SPDX-License-Identifier: MIT */
/* Finds vCPUs that share one CPU. */
#include <vmrt/vms.h>

#include <stdio.h>
#include <string.h>

static bool is_alike(const struct vmrt_vm_thread *a, const struct vmrt_vm_thread *b)
{
	return b->role == VMRT_ROLE_VCPU && CPU_EQUAL(&a->affinity, &b->affinity);
}

bool vmrt_vm_crowd(const struct vmrt_vm *vm, size_t *from, char *buf, size_t room)
{
	/* the threads of a selected process are not really vCPUs */
	while (*from < vm->n_threads && strcmp(vm->hypervisor, "process") != 0) {
		const struct vmrt_vm_thread *t = &vm->threads[*from];
		size_t alike = 0, before = 0;
		int cpu = 0;

		(*from)++;
		if (t->role != VMRT_ROLE_VCPU || CPU_COUNT(&t->affinity) != 1)
			continue;
		while (!CPU_ISSET(cpu, &t->affinity))
			cpu++;
		for (size_t k = 0; k < vm->n_threads; k++) {
			bool same = is_alike(t, &vm->threads[k]);

			alike += same;
			before += same && &vm->threads[k] < t;
		}
		if (alike < 2 || before)
			continue;
		snprintf(buf, room,
			"%zu vCPUs of VM %s are confined to CPU %d: they take turns; give each a "
			"CPU of "
			"its own, or the guest is measured as it would not be otherwise",
			alike, vm->name, cpu);
		return true;
	}
	return false;
}
