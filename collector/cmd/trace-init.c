/* SPDX-License-Identifier: MIT */
/* vmrt-trace init: a commented experiment file for the VMs that run here, to be filled in. */
#include "trace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/utf8.h>
#include <vmrt/vms.h>

/* A name as it stands in the file; quotes and control characters are left out. */
static void put_name(const char *name)
{
	const char *from = name;
	uint32_t c;

	for (; (c = vmrt_utf8_next(&name)); from = name)
		if (vmrt_utf8_is_harmless(c) && c != '"' && c != '\\')
			fwrite(from, 1, (size_t)(name - from), stdout);
}

static void put_vm(const struct vmrt_vm *vm)
{
	printf("\n; VM ");
	put_name(vm->name);
	printf(": %s, pid %d, %zu vCPU%s, %s\n", vm->hypervisor, (int)vm->pid, vm->n_vcpus,
		vm->n_vcpus == 1 ? "" : "s",
		vm->link[0][0] ? "with a port for an agent" : "without a port for an agent");
	printf("[server \"");
	put_name(vm->name);
	printf("\"]\nvm = \"");
	put_name(vm->name);
	printf("\"\npolicy = none         ; deferrable, polling, periodic, sporadic or edf: "
	       "vmrt-hsf "
	       "enforces it\n"
	       "period = 10ms         ; the server gets its budget anew so often\n"
	       "budget = 5ms          ; CPU time in each period\n"
	       "priority = 50         ; among the servers; larger goes first\n\n"
	       ";[task ");
	put_name(vm->name);
	printf("/THREAD]        ; `vmrt-trace tasks --init` finds them\n"
	       ";period = 20ms\n"
	       ";wcet = 8ms           ; longest execution without interruption\n"
	       ";deadline = 20ms      ; default: the period\n");
}

static int run(void *opts)
{
	char host[VMRT_NAME_MAX] = "";
	struct vmrt_error err;
	struct vmrt_vm *vms;
	size_t n;

	(void)opts;
	if (vmrt_vms_find(&vms, &n, &err) != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	gethostname(host, sizeof(host) - 1);
	printf("; An experiment of vmrt: what servers and tasks there are meant to be "
	       "(vmrt-experiment(5)).\n"
	       "; record: vmrt-trace record -e THIS.ini -o a.vmrt -d 30s; then: vmrt-report "
	       "a.vmrt\n\n"
	       "[experiment]\nname = \"");
	put_name(host[0] ? host : "experiment");
	printf("\"\n");
	for (size_t i = 0; i < n; i++)
		put_vm(&vms[i]);
	if (!n) {
		vmrt_say("no VM is running here: the file has none");
		printf("\n; No VM was running. One looks like this:\n"
		       ";[server vm1]\n;vm = vm1\n;period = 10ms\n;budget = 5ms\n;priority = 50\n");
	}
	vmrt_vms_free(vms, n);
	return VMRT_EXIT_DONE;
}

const struct vmrt_command vmrt_trace_init = {
	.name = "init",
	.summary = "Print an experiment file for the VMs that run here, to be filled in",
	.doc = "Asks nothing and changes nothing. `vmrt-trace tasks --init` finds tasks, too.",
	.run = run,
};
