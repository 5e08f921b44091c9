/* SPDX-License-Identifier: MIT */
/* vmrt-trace doctor: what is wrong with this machine and its VMs for real-time work, and how to
 * mend it. */
#include "trace.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/table.h>
#include <vmrt/vms.h>

#include "collector/doctor/doctor.h"

static struct doctor_opts {
	const char *vm;
	bool json;
} defaults;

static const struct vmrt_option options[] = {
	{"vm", 0, "NAME", "check this VM only (default: all that run)",
		VMRT_TEXT(struct doctor_opts, vm)},
	{"json", 0, NULL, "the findings as JSON", VMRT_FLAG(struct doctor_opts, json)},
	{0},
};

#define FINDING_COLUMNS(X)                                                                         \
	X(verdict, "verdict", NULL, TEXT, 0, VMRT_KEY_GROUP, doctor_verdict_name(f->verdict))      \
	X(check, "check", NULL, TEXT, 0, VMRT_KEY_GROUP, f->check)                                 \
	X(subject, "subject", NULL, TEXT, 0, 1, f->subject)                                        \
	X(found, "found", NULL, TEXT, 0, 1, f->found)                                              \
	X(why, "why", NULL, TEXT, 0, 1, f->why[0] ? f->why : NULL)                                 \
	X(mend, "mend", NULL, TEXT, 0, 1, f->mend[0] ? f->mend : NULL)

static const struct vmrt_column columns[] = {FINDING_COLUMNS(VMRT_COLUMN)};

static void put_finding(struct vmrt_table *table, const struct doctor_finding *f)
{
	FINDING_COLUMNS(VMRT_CELL)
}

static enum vmrt_status print_json(const struct doctor *d, struct vmrt_error *err)
{
	struct vmrt_doc *doc = vmrt_doc_new("host", false);
	struct vmrt_table *table;
	enum vmrt_status status;

	vmrt_doc_section(doc, "Findings");
	table = vmrt_doc_table(
		doc, "findings", NULL, columns, sizeof(columns) / sizeof(columns[0]), 0);
	for (size_t i = 0; i < d->n; i++)
		put_finding(table, &d->findings[i]);
	status = vmrt_doc_print(doc, VMRT_FORMAT_JSON, "findings", stdout, err);
	vmrt_doc_free(doc);
	return status;
}

static enum vmrt_status check_vms(
	struct doctor *d, const struct doctor_opts *o, struct vmrt_error *err)
{
	struct vmrt_vm *vms;
	enum vmrt_status status;
	size_t n = 1;

	status = o->vm ? vmrt_vm_get(o->vm, &vms, err) : vmrt_vms_find(&vms, &n, err);
	if (status != VMRT_OK)
		return status;
	for (size_t i = 0; i < n && !vmrt_stop_requested(); i++)
		doctor_vm(d, &vms[i]);
	if (vmrt_stop_requested())
		status = vmrt_fail(err, VMRT_EINTR, "interrupted");
	if (!n)
		vmrt_say("no VM is running here: only the machine is looked at");
	vmrt_vms_free(vms, n);
	return status;
}

static int run(void *opts)
{
	const struct doctor_opts *o = opts;
	struct doctor d = {.root = "", .live = true};
	enum vmrt_status status;
	struct vmrt_error err;
	bool fails = false;

	doctor_kernel(&d);
	doctor_scheduling(&d);
	doctor_power(&d);
	status = check_vms(&d, o, &err);
	if (status == VMRT_OK && d.failed)
		status = vmrt_fail(&err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK && o->json)
		status = print_json(&d, &err);
	else if (status == VMRT_OK)
		doctor_print(&d, stdout);
	for (size_t i = 0; i < d.n; i++)
		fails |= d.findings[i].verdict == VMRT_VERDICT_FAIL;
	doctor_free(&d);
	if (status != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	return fails ? VMRT_EXIT_VIOLATED : VMRT_EXIT_DONE;
}

const struct vmrt_command vmrt_trace_doctor = {
	.name = "doctor",
	.summary = "Say what is wrong with this machine and its VMs for real-time work",
	.doc = "Changes nothing. Every finding has a reason, and the command that mends it where "
	       "there is one. Exit status: 0 nothing fails, 1 could not look, 2 a check fails.",
	.options = options,
	.opts = &defaults,
	.run = run,
};
