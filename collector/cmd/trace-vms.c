/* SPDX-License-Identifier: MIT */
/* vmrt-trace vms: the virtual machines that run here and their threads, as a table. */
#include "trace.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include <vmrt/table.h>
#include <vmrt/vms.h>

#define AFFINITY_TEXT 128

static struct vms_opts {
	enum vmrt_format format;
} defaults;

static error_t take_format(void *opts, char *arg, const struct argp_state *state)
{
	struct vms_opts *o = opts;

	if (!strcmp(arg, "table"))
		o->format = VMRT_FORMAT_TEXT;
	else if (vmrt_format_parse(arg, &o->format) != VMRT_OK)
		return vmrt_usage(
			state, "--format '%s': give table, json, jsonl, csv or markdown", arg);
	return 0;
}

static const char *const formats[] = {"table", "json", "jsonl", "csv", "markdown", NULL};

static const struct vmrt_option options[] = {
	{"format", 'f', "FORMAT", "format of the table: table, json, jsonl, csv or markdown",
		.standard = "table", VMRT_CALL(take_format), .choices = formats},
	{0},
};

static const char *policy_name(int policy)
{
	switch (policy) {
	case SCHED_OTHER:
		return "other";
	case SCHED_FIFO:
		return "fifo";
	case SCHED_RR:
		return "rr";
	case SCHED_BATCH:
		return "batch";
	case SCHED_IDLE:
		return "idle";
	case 6:
		return "deadline";
	default:
		return "?";
	}
}

/* Writes a CPU set as "0-3,8"; if it does not fit, it ends with "...". */
static void affinity_text(const cpu_set_t *set, char *buf, size_t room)
{
	size_t used = 0;

	buf[0] = '\0';
	for (int from = 0, to; from < CPU_SETSIZE; from = to + 1) {
		char part[32];

		to = from;
		if (!CPU_ISSET(from, set))
			continue;
		while (to + 1 < CPU_SETSIZE && CPU_ISSET(to + 1, set))
			to++;
		if (to > from)
			snprintf(part, sizeof(part), "%s%d-%d", used ? "," : "", from, to);
		else
			snprintf(part, sizeof(part), "%s%d", used ? "," : "", from);
		if (used + strlen(part) + 4 > room) {
			strcpy(buf + used, "...");
			return;
		}
		strcpy(buf + used, part);
		used += strlen(part);
	}
}

/* In the limits of a thread, 0 means that there is no such limit. */
static int64_t limit_or_unknown(int64_t ns)
{
	return ns ? ns : VMRT_UNKNOWN;
}

static const char *text_or_null(const char *text)
{
	return text[0] ? text : NULL;
}

#define THREAD_COLUMNS(X)                                                                          \
	X(vm, "vm", NULL, TEXT, 0, VMRT_KEY_GROUP, vm->name)                                       \
	X(owner, "owner", NULL, TEXT, 0, 1, vmrt_user_name(vm->uids[0], owner))                    \
	VMRT_DATA(X, hypervisor, TEXT, vm->hypervisor)                                             \
	VMRT_DATA(X, accel, TEXT, text_or_null(vm->accel))                                         \
	X(pid, "pid", NULL, COUNT, 0, 1, vm->pid)                                                  \
	VMRT_DATA(X, link, TEXT, text_or_null(vm->link[0]))                                        \
	X(tid, "tid", NULL, COUNT, 0, VMRT_KEY_GROUP, t->tid)                                      \
	X(thread, "thread", NULL, TEXT, 0, 1, t->comm)                                             \
	X(role, "role", NULL, TEXT, 0, 1, vmrt_role_name(t->role))                                 \
	X(vcpu, "vcpu", NULL, COUNT, 0, 1, t->role == VMRT_ROLE_VCPU ? t->vcpu : VMRT_UNKNOWN)     \
	X(policy, "policy", NULL, TEXT, 0, 1, policy_name(t->policy))                              \
	X(priority, "prio", NULL, COUNT, 0, 1, t->priority)                                        \
	X(affinity, "cpus", NULL, TEXT, 0, 1, affinity)                                            \
	X(dl_runtime_ns, "runtime", "ms", NS, 3, 2, limit_or_unknown(limits.dl_runtime_ns))        \
	X(dl_deadline_ns, "deadline", "ms", NS, 3, 2, limit_or_unknown(limits.dl_deadline_ns))     \
	X(dl_period_ns, "period", "ms", NS, 3, 2, limit_or_unknown(limits.dl_period_ns))           \
	X(cgroup, "cgroup", NULL, TEXT, 0, 2, text_or_null(limits.cgroup))                         \
	X(quota_ns, "quota", "ms", NS, 3, 2, limit_or_unknown(limits.quota_ns))                    \
	X(quota_period_ns, "per", "ms", NS, 3, 2, limit_or_unknown(limits.quota_period_ns))

static const struct vmrt_column columns[] = {THREAD_COLUMNS(VMRT_COLUMN)};

static void put_thread(
	struct vmrt_table *table, const struct vmrt_vm *vm, const struct vmrt_vm_thread *t)
{
	struct vmrt_thread_limits limits;
	char affinity[AFFINITY_TEXT], owner[VMRT_OWNER_MAX];

	affinity_text(&t->affinity, affinity, sizeof(affinity));
	vmrt_thread_limits(t->tid, &limits);
	THREAD_COLUMNS(VMRT_CELL)
}

static int run(void *opts)
{
	struct vms_opts *o = opts;
	struct vmrt_table *table;
	struct vmrt_error err;
	struct vmrt_doc *doc;
	struct vmrt_vm *vms;
	enum vmrt_status status;
	size_t n;

	if (vmrt_vms_find_all(&vms, &n, &err) != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	if (!n)
		vmrt_say("no VM is running here");
	doc = vmrt_doc_new("host", false);
	vmrt_doc_section(doc, "Virtual machines");
	table = vmrt_doc_table(
		doc, "threads", NULL, columns, sizeof(columns) / sizeof(columns[0]), 0);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < vms[i].n_threads; k++)
			put_thread(table, &vms[i], &vms[i].threads[k]);
	vmrt_vms_free(vms, n);
	status = n || o->format != VMRT_FORMAT_TEXT
			 ? vmrt_doc_print(doc, o->format, "threads", stdout, &err)
			 : VMRT_OK;
	vmrt_doc_free(doc);
	if (status != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	return VMRT_EXIT_DONE;
}

const struct vmrt_command vmrt_trace_vms = {
	.name = "vms",
	.summary = "List the virtual machines that run here, with their threads",
	.options = options,
	.opts = &defaults,
	.run = run,
};
