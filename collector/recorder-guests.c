/* SPDX-License-Identifier: MIT */
/* The guests of a recording. What goes wrong with one is a note in its place, never the end of it. */
#include "recorder.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/tool.h>

#include "datnames.h"
#include "datwrite.h"
#include "kvm-tsc.h"

#define READY_WAIT_MS 60000 /* the session's own deadlines are shorter */
#define START_WAIT_MS 25000
#define STOP_WAIT_MS 25000
#define SEND_WAIT_MS (1000 * 3600)
#define FIRST_PINGS 5 /* exchanged before anything else happens: later the guest may be too busy */
#define FIRST_PINGS_MS 1000
#define HURRY_MS 2000 /* for everything, when ^C was pressed twice */
#define SHIFT_EVERY_NS (5 * VMRT_NS_PER_S) /* readers' 64-bit interpolation overflows over long spans */
#define SHIFT_SPARE 16
#define MAX_GUEST_CPUS 512

static struct vmrt_manifest_vm *vm_of(struct vmrt_recorder *rec, size_t i)
{
	return &rec->manifest.vms[i];
}

/* The first note about a guest says why; later ones are consequences. */
static void note(struct vmrt_manifest_vm *vm, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void note(struct vmrt_manifest_vm *vm, const char *fmt, ...)
{
	va_list ap;

	if (vm->note[0])
		return;
	va_start(ap, fmt);
	vsnprintf(vm->note, sizeof(vm->note), fmt, ap);
	va_end(ap);
	vmrt_warn("%s", vm->note);
}

static void note_failure(struct vmrt_recorder *rec, size_t i)
{
	char text[VMRT_ERROR_TEXT];

	vmrt_guest_error(rec->guests[i].session, text, sizeof(text));
	if (text[0])
		note(vm_of(rec, i), "%.250s", text);
}

static void spool_name(struct vmrt_recorder *rec, size_t i)
{
	struct vmrt_manifest_vm *vm = vm_of(rec, i);
	char name[VMRT_NAME_MAX];

	snprintf(name, sizeof(name), "%s", vm->vm.name);
	vmrt_run_file_name(name);
	snprintf(vm->file, sizeof(vm->file), "guest-%s.dat", name);
	for (size_t k = 0; k < i; k++)
		if (!strcmp(vm->file, vm_of(rec, k)->file))
			snprintf(vm->file, sizeof(vm->file), "guest-%.50s-%u.dat", name, (unsigned)i);
}

static void open_session(struct vmrt_recorder *rec, size_t i)
{
	struct vmrt_recorder_guest *g = &rec->guests[i];
	struct vmrt_manifest_vm *vm = vm_of(rec, i);
	struct vmrt_guest_options options = {
		.name = vm->vm.name,
		.sockets = g->sockets,
		.n_sockets = g->n_sockets,
		.secret = rec->options->secret,
		.buffer = rec->options->guest_buffer,
		.stream = rec->options->stream,
		.max_size = rec->options->guest_max_size,
		.cpus = rec->has_cpus ? &rec->cpus : NULL,
		.pages = vmrt_spool_add,
		.ctx = &g->spool,
	};
	char prefix[sizeof(vm->file)];
	struct vmrt_error err;

	if (!g->n_sockets) {
		note(vm,
			"VM %s has no port org.vmrt.agent.0: only the host's side of it is recorded (--no-guest says that this is wanted)",
			vm->vm.name);
		return;
	}
	spool_name(rec, i);
	snprintf(prefix, sizeof(prefix), "%.*s", (int)(strlen(vm->file) - 4), vm->file);
	g->trace_id = vmrt_dat_new_id();
	if (vm->vm.pid && !strcmp(vm->vm.accel, "kvm"))
		vmrt_kvm_tsc_read(VMRT_KVM_DEBUGFS, vm->vm.pid, &g->kvm);
	if (vmrt_spool_init(&g->spool, rec->folder.path, prefix, MAX_GUEST_CPUS, &err) != VMRT_OK ||
		vmrt_guest_open(&options, &g->session, &err) != VMRT_OK)
		note(vm, "%.250s", err.text);
}

void vmrt_recorder_connect(struct vmrt_recorder *rec)
{
	for (size_t i = 0; i < rec->manifest.n_vms && !rec->options->no_guest; i++)
		open_session(rec, i);
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		struct vmrt_guest *s = rec->guests[i].session;

		if (s && vmrt_guest_wait(s, VMRT_GUEST_READY, READY_WAIT_MS, vmrt_stop_fd()) !=
				 VMRT_GUEST_READY)
			note_failure(rec, i);
	}
}

static void wait_for_pings(struct vmrt_guest *s)
{
	int64_t until = vmrt_now_ns() + FIRST_PINGS_MS * VMRT_NS_PER_MS;
	struct pollfd stop = {.fd = vmrt_stop_fd(), .events = POLLIN};
	struct vmrt_ping ping;

	while (!vmrt_guest_copy_pings(s, FIRST_PINGS - 1, &ping, 1) && vmrt_now_ns() < until &&
		poll(&stop, 1, 10) == 0)
		;
}

void vmrt_recorder_start_guests(struct vmrt_recorder *rec)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->guests[i].session)
			vmrt_guest_start(rec->guests[i].session);
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		struct vmrt_guest *s = rec->guests[i].session;

		if (s && vmrt_guest_wait(s, VMRT_GUEST_STARTED, START_WAIT_MS, vmrt_stop_fd()) !=
				 VMRT_GUEST_STARTED)
			note_failure(rec, i);
		else if (s)
			wait_for_pings(s);
	}
}

/* Waits in slices, so that a second ^C shortens it. */
static enum vmrt_guest_state wait_for(
	struct vmrt_guest *s, enum vmrt_guest_state state, int ms, int stops)
{
	int64_t until = vmrt_now_ns() + ms * VMRT_NS_PER_MS, hurry = 0;

	for (;;) {
		enum vmrt_guest_state now = vmrt_guest_wait(s, state, 100, -1);
		int64_t time = vmrt_now_ns();

		if (!hurry && vmrt_recorder_stops() > stops)
			hurry = time + HURRY_MS * VMRT_NS_PER_MS;
		if (now >= state || time >= until || (hurry && time >= hurry))
			return now;
	}
}

void vmrt_recorder_stop_guests(struct vmrt_recorder *rec, bool hurry)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->guests[i].session)
			vmrt_guest_stop(rec->guests[i].session);
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->guests[i].session)
			wait_for(rec->guests[i].session, VMRT_GUEST_STOPPED,
				hurry ? HURRY_MS : STOP_WAIT_MS, 1);
}

/* Which host thread runs CPU n of the guest; one may run all of them. */
static void map_vcpus(
	const struct vmrt_vm *vm, unsigned cpus, struct vmrt_recorder_guest *g)
{
	int32_t single = -1;

	g->tids = malloc(cpus * sizeof(*g->tids));
	if (!g->tids)
		return;
	g->n_tids = cpus;
	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].role == VMRT_ROLE_VCPU)
			single = vm->n_vcpus == 1 ? vm->threads[i].tid : -1;
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		g->tids[cpu] = single;
	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].role == VMRT_ROLE_VCPU && vm->threads[i].vcpu >= 0 &&
			(unsigned)vm->threads[i].vcpu < cpus)
			g->tids[vm->threads[i].vcpu] = vm->threads[i].tid;
}

/* Of each span of time the ping with the shortest round trip; returns how many samples. */
static size_t make_shifts(
	const struct vmrt_ping *pings, size_t n, struct vmrt_dat_shift *out)
{
	int64_t best = INT64_MAX, span_end = INT64_MIN;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct vmrt_ping *p = &pings[i];
		int64_t trip = (p->host_recv_ns - p->host_send_ns) - (p->guest_send_ns - p->guest_recv_ns);

		if (p->guest_recv_ns >= span_end) {
			span_end = p->guest_recv_ns + SHIFT_EVERY_NS;
			best = INT64_MAX;
			used++;
		}
		if (trip >= best)
			continue;
		best = trip;
		out[used - 1].local_ns = p->guest_recv_ns / 2 + p->guest_send_ns / 2;
		out[used - 1].offset_ns = p->host_send_ns / 2 + p->host_recv_ns / 2 - out[used - 1].local_ns;
	}
	/* room for the analysis, which will know of steps of the clock, and of times without pings */
	for (size_t i = 0; used && i < SHIFT_SPARE; i++, used++) {
		out[used] = out[used - 1];
		out[used].local_ns += VMRT_NS_PER_S;
	}
	return used;
}

/* The names that the guest sent, and those of its ended threads, which only their events tell. */
static char *guest_names(const struct vmrt_recorder_guest *g, const struct vmrt_trace_meta *meta)
{
	struct vmrt_names *names = vmrt_names_new(meta);
	char *ended, *all;

	for (unsigned cpu = 0; names && cpu < meta->cpus && cpu < g->spool.cpus; cpu++)
		vmrt_names_scan(names, g->spool.pages[cpu].fd, 0, g->spool.pages[cpu].size);
	ended = vmrt_names_take(names);
	all = vmrt_trace_merge_names((const char *const[]){meta->cmdlines, ended}, 2);
	free(ended);
	return all;
}

static enum vmrt_status write_guest(struct vmrt_recorder *rec, size_t i,
	const struct vmrt_guest_result *result, struct vmrt_error *err)
{
	struct vmrt_recorder_guest *g = &rec->guests[i];
	struct vmrt_dat_shift *shifts = calloc(result->n_pings + SHIFT_SPARE, sizeof(*shifts));
	struct vmrt_trace_meta meta = *result->meta;
	struct vmrt_dat_content content = {
		.meta = &meta,
		.pages = g->spool.pages,
		.stats = result->stats,
		.trace_id = g->trace_id,
		.peer = rec->trace_id,
		.shifts = shifts,
	};
	char path[PATH_MAX], *names = guest_names(g, result->meta);
	enum vmrt_status status;

	if (!shifts) {
		free(names);
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", vm_of(rec, i)->file);
	}
	if (names)
		meta.cmdlines = names;
	content.n_shifts = make_shifts(result->pings, result->n_pings, shifts);
	snprintf(path, sizeof(path), "%s/%s", rec->folder.path, vm_of(rec, i)->file);
	status = vmrt_dat_write(path, &content, err);
	free(shifts);
	free(names);
	return status;
}

static void keep_pings(struct vmrt_manifest_vm *vm, const struct vmrt_guest_result *result)
{
	vm->pings = malloc((result->n_pings + 1) * sizeof(*vm->pings));
	if (!vm->pings)
		return;
	vm->n_pings = result->n_pings;
	if (result->n_pings)
		memcpy(vm->pings, result->pings, result->n_pings * sizeof(*vm->pings));
}

/* If KVM says the same as before the recording. */
static void keep_kvm_tsc(struct vmrt_manifest_vm *vm, const struct vmrt_kvm_tsc *before)
{
	struct vmrt_kvm_tsc now;

	if (before->ratio && vmrt_kvm_tsc_read(VMRT_KVM_DEBUGFS, vm->vm.pid, &now) == VMRT_OK &&
		now.offset == before->offset && now.ratio == before->ratio && now.bits == before->bits)
		vm->kvm = now;
}

static void save_guest(struct vmrt_recorder *rec, size_t i)
{
	struct vmrt_recorder_guest *g = &rec->guests[i];
	struct vmrt_manifest_vm *vm = vm_of(rec, i);
	struct vmrt_guest_result result;
	struct vmrt_error err;

	if (wait_for(g->session, VMRT_GUEST_DONE, SEND_WAIT_MS, 1) < VMRT_GUEST_DONE)
		vmrt_guest_abort(g->session, "its events were not waited for");
	vmrt_guest_finish(g->session, &result);
	note_failure(rec, i);
	keep_pings(vm, &result);
	keep_kvm_tsc(vm, &g->kvm);
	snprintf(vm->kernel, sizeof(vm->kernel), "%s", result.kernel);
	if (result.bad_pages)
		note(vm, "%llu malformed pages of events from %s were thrown away",
			(unsigned long long)result.bad_pages, vm->vm.name);
	if (!result.meta || (!result.size && vm->note[0])) {
		vm->file[0] = '\0';
		return;
	}
	map_vcpus(&vm->vm, result.meta->cpus, g);
	for (unsigned cpu = 0; cpu < result.meta->cpus; cpu++) {
		const struct vmrt_cpu_stats *s = &result.stats[cpu];

		g->events += s->read_events;
		g->lost += s->overrun + s->commit_overrun + s->dropped;
	}
	if (write_guest(rec, i, &result, &err) != VMRT_OK) {
		note(vm, "%.250s", err.text);
		vm->file[0] = '\0';
	}
}

void vmrt_recorder_save_guests(struct vmrt_recorder *rec)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		if (rec->guests[i].session)
			save_guest(rec, i);
		else
			vm_of(rec, i)->file[0] = '\0';
	}
}

size_t vmrt_recorder_dat_guests(
	const struct vmrt_recorder *rec, struct vmrt_dat_guest out[VMRT_RECORDER_VMS])
{
	size_t n = 0;

	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->manifest.vms[i].file[0] && rec->guests[i].tids)
			out[n++] = (struct vmrt_dat_guest){
				.name = rec->manifest.vms[i].vm.name,
				.trace_id = rec->guests[i].trace_id,
				.vcpu_tids = rec->guests[i].tids,
				.n_vcpus = rec->guests[i].n_tids,
			};
	return n;
}

void vmrt_recorder_free_guests(struct vmrt_recorder *rec)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->guests[i].session)
			vmrt_guest_abort(rec->guests[i].session, "the recording was given up");
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		vmrt_guest_close(rec->guests[i].session);
		vmrt_spool_free(&rec->guests[i].spool);
		free(rec->guests[i].tids);
	}
}
