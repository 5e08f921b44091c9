/* SPDX-License-Identifier: MIT */
/* vmrt-trace info: what a run folder holds, in words. */
#include "trace.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/manifest.h>
#include <vmrt/units.h>
#include <vmrt/utf8.h>

#include "collector/tracefs/journal.h"

static struct info_opts {
	const char *run;
} defaults;

static error_t argument(void *opts, char *arg, struct argp_state *state)
{
	struct info_opts *o = opts;

	if (o->run)
		return vmrt_usage(state, "one RUN at a time: %s or %s", o->run, arg);
	o->run = arg;
	return 0;
}

static error_t check(void *opts, const struct argp_state *state)
{
	const struct info_opts *o = opts;

	return o->run ? 0 : vmrt_usage(state, "say which RUN");
}

static void print_file(const char *run, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (vmrt_path(path, sizeof(path), run, name) != VMRT_OK)
		return;
	if (stat(path, &st) == 0) {
		off_t used = st.st_blocks *
			     512; /* less where much of it is empty, as while it is recorded */

		printf("  %-24s %10.1f KiB\n", name,
			(double)(used < st.st_size ? used : st.st_size) / 1024);
	} else
		printf("  %-24s %10s\n", name, "missing");
}

static int compare_trips(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void print_pings(const struct vmrt_manifest_vm *vm)
{
	char least[VMRT_UNITS_TEXT], median[VMRT_UNITS_TEXT], most[VMRT_UNITS_TEXT];
	int64_t *trips = calloc(vm->n_pings + 1, sizeof(*trips));

	if (!trips || !vm->n_pings) {
		printf("  clock pings              none\n");
		free(trips);
		return;
	}
	for (size_t i = 0; i < vm->n_pings; i++) {
		const struct vmrt_ping *p = &vm->pings[i];

		trips[i] =
			(p->host_recv_ns - p->host_send_ns) - (p->guest_send_ns - p->guest_recv_ns);
	}
	qsort(trips, vm->n_pings, sizeof(*trips), compare_trips);
	printf("  clock pings              %zu, round trip %s at best, median %s, longest %s\n",
		vm->n_pings, vmrt_format_duration(trips[0], least),
		vmrt_format_duration(trips[vm->n_pings / 2], median),
		vmrt_format_duration(trips[vm->n_pings - 1], most));
	free(trips);
}

static void print_vm(const char *run, const struct vmrt_manifest_vm *vm)
{
	printf("vm %s\n", vm->vm.name);
	if (vm->vm.pid)
		printf("  %-24s pid %d, %zu vCPU%s, %zu threads\n",
			vm->vm.accel[0] ? vm->vm.accel : "process", (int)vm->vm.pid, vm->vm.n_vcpus,
			vm->vm.n_vcpus == 1 ? "" : "s", vm->vm.n_threads);
	if (vm->kernel[0])
		printf("  kernel                   %s\n", vm->kernel);
	if (vm->file[0]) {
		print_file(run, vm->file);
		print_pings(vm);
		info_clock(run, vm->vm.name);
	} else {
		printf("  its guest was not recorded\n");
	}
	if (vm->note[0])
		printf("  note: %s\n", vm->note);
}

static void print_buffers(const struct vmrt_manifest *m)
{
	char unread[VMRT_UNITS_TEXT];

	for (size_t i = 0; i < m->n_buffers; i++) {
		const struct vmrt_manifest_buffer *b = &m->buffers[i];

		if (!b->size)
			continue;
		printf("  buffer of CPU %-10zu %llu events, at most %llu %% full, not read for at "
		       "most %s, %llu lost\n",
			i, (unsigned long long)b->events,
			(unsigned long long)(b->fill * 100 / b->size),
			vmrt_format_duration(b->unread_ns, unread), (unsigned long long)b->lost);
		for (size_t k = 0; k < b->n_losses; k++)
			printf("    lost %llu events between %.3f s and %.3f s\n",
				(unsigned long long)b->losses[k].events,
				(double)(b->losses[k].from_ns - m->start_ns) / VMRT_NS_PER_S,
				(double)(b->losses[k].to_ns - m->start_ns) / VMRT_NS_PER_S);
	}
}

static enum vmrt_status load(const char *run, struct vmrt_manifest **m, struct vmrt_error *err)
{
	char path[PATH_MAX], host[PATH_MAX];

	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_MANIFEST) != VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%s: the path is too long", run);
	if (vmrt_file_kind(path) != VMRT_KIND_MISSING)
		return vmrt_manifest_load(path, m, err);
	if (vmrt_path(host, sizeof(host), run, VMRT_FILE_HOST) == VMRT_OK &&
		vmrt_file_kind(host) != VMRT_KIND_MISSING)
		return vmrt_fail(err, VMRT_ENOENT,
			"%s holds no %s: vmrt did not record it; `vmrt-trace events` and "
			"`analyze` take recordings of others",
			run, VMRT_FILE_MANIFEST);
	return vmrt_fail_file(err, run, "the folder of a run");
}

static int run_info(void *opts)
{
	struct info_opts *o = opts;
	struct vmrt_manifest *m;
	char text[VMRT_UNITS_TEXT], instance[VMRT_JOURNAL_NAME];
	struct vmrt_error err;

	vmrt_end_at_stop();
	if (load(o->run, &m, &err) != VMRT_OK) {
		vmrt_complain(&err);
		return VMRT_EXIT_FAILED;
	}
	printf("run ");
	vmrt_utf8_put(stdout, o->run);
	printf("\n");
	if (m->end_ns < m->start_ns)
		snprintf(text, sizeof(text), "not ended");
	else
		vmrt_format_duration(m->end_ns - m->start_ns, text);
	printf("  recorded                 %s, %s, by vmrt %s\n", m->recorded_at, text,
		m->vmrt_version);
	if (vmrt_journal_read(o->run, instance, NULL) == VMRT_OK)
		printf(vmrt_journal_owner_lives(instance)
				? "  note: it is being recorded\n"
				: "  note: the recorder was killed; `vmrt-trace reset %s` "
				  "completes the run\n",
			o->run);
	printf("  host                     %s, %u CPUs, kernel %s\n", m->hostname, m->cpus,
		m->kernel);
	if (m->command[0]) {
		printf("  command                  ");
		vmrt_utf8_put(stdout, m->command);
		printf(" (status %d)\n", m->command_status);
	}
	printf("  servers enforced         %s\n", m->hsf ? "by vmrt-hsf" : "no");
	if (m->note[0])
		printf("  note: %s\n", m->note);
	print_file(o->run, VMRT_FILE_HOST);
	print_buffers(m);
	print_file(o->run, VMRT_FILE_DB);
	for (size_t i = 0; i < m->n_vms; i++)
		print_vm(o->run, &m->vms[i]);
	vmrt_manifest_free(m);
	return VMRT_EXIT_DONE;
}

const struct vmrt_command vmrt_trace_info = {
	.name = "info",
	.args = "RUN",
	.summary = "Tell what a recording holds",
	.opts = &defaults,
	.argument = argument,
	.check = check,
	.run = run_info,
};
