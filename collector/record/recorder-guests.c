/* SPDX-License-Identifier: MIT */
/* The guests of a recording. An error in one guest becomes a note on that guest; it never ends
 * the recording. */
#include "recorder.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/tool.h>
#include <vmrt/trace-cmd.h>

#include "collector/session/kvm-tsc.h"
#include "salvage.h"

#define READY_WAIT_MS 60000 /* the session's own deadlines are shorter */
#define START_WAIT_MS 25000
#define SEND_WAIT_MS (1000 * 3600)
/* number of pings before recording begins: later the guest may be too busy to answer */
#define FIRST_PINGS 5
#define FIRST_PINGS_MS 1000
#define PINGS_BEFORE_NS (10 * VMRT_NS_PER_S)

static struct vmrt_manifest_vm *vm_of(struct record_recorder *rec, size_t i)
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

/* Has the session failed? */
static bool note_failure(struct record_recorder *rec, size_t i)
{
	char text[VMRT_ERROR_TEXT];

	vmrt_guest_error(rec->guests[i].session, text, sizeof(text));
	if (text[0])
		note(vm_of(rec, i), "%.250s", text);
	return text[0];
}

static void name_file(struct record_recorder *rec, size_t i)
{
	struct vmrt_manifest_vm *vm = vm_of(rec, i);
	char name[VMRT_NAME_MAX];

	snprintf(name, sizeof(name), "%s", vm->vm.name);
	vmrt_run_file_name(name);
	snprintf(vm->file, sizeof(vm->file), "guest-%s.dat", name);
	for (size_t k = 0; k < i; k++)
		if (!strcmp(vm->file, vm_of(rec, k)->file))
			snprintf(vm->file, sizeof(vm->file), "guest-%.50s-%u.dat", name,
				(unsigned)i);
}

static void open_session(struct record_recorder *rec, size_t i)
{
	struct recorder_guest *g = &rec->guests[i];
	struct vmrt_manifest_vm *vm = vm_of(rec, i);
	struct vmrt_guest_options options = {
		.name = vm->vm.name,
		.owner = vm->vm.uids[0],
		.sockets = g->sockets,
		.n_sockets = g->n_sockets,
		.secret = rec->options->secret,
		.buffer = rec->options->guest_buffer,
		.mode = rec->options->flight_ns ? VMRT_GUEST_FLIGHT
			: rec->options->stream	? VMRT_GUEST_STREAM
						: VMRT_GUEST_HOLD,
		.max_size = rec->options->guest_max_size,
		.cpus = rec->has_cpus ? &rec->cpus : NULL,
		.ready = vmrt_guest_file_ready,
		.pages = vmrt_guest_file_pages,
		.ctx = &g->file,
	};
	struct vmrt_error err;

	if (!g->n_sockets) {
		note(vm,
			"VM %s has no port org.vmrt.agent.0: only the host's side of it is "
			"recorded (--no-guest says that this is wanted)",
			vm->vm.name);
		return;
	}
	name_file(rec, i);
	vmrt_guest_file_init(&g->file, rec->folder.path, vm->file, rec->trace_id);
	g->file.flight = rec->options->flight_ns > 0;
	g->file.stop = recorder_out_of_time;
	if (vm->vm.pid && !strcmp(vm->vm.accel, "kvm"))
		vmrt_kvm_tsc_read(VMRT_KVM_DEBUGFS, vm->vm.pid, &vm->kvm);
	if (vmrt_guest_open(&options, &g->session, &err) != VMRT_OK)
		note(vm, "%.250s", err.text);
}

/* Writes the text as one word of a shell's command line. */
static void put_word(FILE *out, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-_./:@+,=";

	if (*text && !text[strspn(text, plain)]) {
		fputs(text, out);
		return;
	}
	fputc('\'', out);
	for (; *text; text++)
		fputs(*text == '\'' ? "'\\''" : (char[]){*text, '\0'}, out);
	fputc('\'', out);
}

/*
 * Prints how to record a guest without an agent: the user starts trace-cmd in it by hand. Events
 * from before and after the host's recording do no harm.
 */
static void print_by_hand(struct record_recorder *rec, size_t i)
{
	const char *name = vm_of(rec, i)->vm.name;
	char seconds[32] = "", *command = NULL;
	size_t size;
	FILE *out = open_memstream(&command, &size);

	if (!out)
		return;
	if (rec->options->scratch) {
		fprintf(out, "vmrt-trace tasks guest.dat");
	} else {
		fprintf(out, "vmrt-trace analyze ");
		put_word(out, rec->folder.path);
		fprintf(out, " --guest ");
		put_word(out, name);
		fprintf(out, "=guest.dat");
	}
	if (rec->options->duration_ns > 0)
		snprintf(seconds, sizeof(seconds), " sleep %lld",
			(long long)((rec->options->duration_ns + VMRT_NS_PER_S - 1) /
				    VMRT_NS_PER_S));
	if (fclose(out) == 0) {
		vmrt_say("%s can be recorded without an agent, by this in the guest meanwhile, as "
			 "root:",
			name);
		vmrt_say("  " VMRT_TRACE_CMD " -b %llu -o guest.dat%s",
			(unsigned long long)(rec->options->guest_buffer + 1023) / 1024, seconds);
		vmrt_say("and by this here with that file, when both have ended:");
		vmrt_say("  %s", command);
	}
	free(command);
}

void recorder_connect(struct record_recorder *rec)
{
	for (size_t i = 0; i < rec->manifest.n_vms && !rec->options->no_guest; i++)
		open_session(rec, i);
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		struct vmrt_guest *s = rec->guests[i].session;

		if (s && vmrt_guest_wait(s, VMRT_GUEST_READY, READY_WAIT_MS, vmrt_stop_fd()) !=
				 VMRT_GUEST_READY)
			note_failure(rec, i);
		if (!rec->options->no_guest && !vmrt_stop_requested() && vm_of(rec, i)->note[0])
			print_by_hand(rec, i);
	}
}

static void wait_for_pings(struct vmrt_guest *s)
{
	int64_t until = vmrt_now_ns() + FIRST_PINGS_MS * VMRT_NS_PER_MS;
	struct pollfd stop = {.fd = vmrt_stop_fd(), .events = POLLIN};
	struct vmrt_ping ping;
	uint64_t next = FIRST_PINGS - 1;

	while (!vmrt_guest_copy_pings(s, &next, &ping, 1) && vmrt_now_ns() < until &&
		poll(&stop, 1, 10) == 0)
		;
}

void recorder_start_guests(struct record_recorder *rec)
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

/* Waits in short slices, so that a second ^C can end the wait. */
static enum vmrt_guest_state wait_for(
	struct vmrt_guest *s, enum vmrt_guest_state state, int64_t until)
{
	enum vmrt_guest_state now;
	int slice;

	do {
		slice = recorder_patience(until);
		now = vmrt_guest_wait(s, state, slice, -1);
	} while (now < state && slice);
	return now;
}

void recorder_stop_guests(struct record_recorder *rec, int wait_ms)
{
	int64_t until = vmrt_now_ns() + wait_ms * VMRT_NS_PER_MS;

	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		struct recorder_guest *g = &rec->guests[i];

		if (!g->session)
			continue;
		vmrt_guest_file_now(&g->file);
		vmrt_guest_stop(g->session, rec->since_ns);
	}
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		if (rec->guests[i].session)
			wait_for(rec->guests[i].session, VMRT_GUEST_STOPPED, until);
	}
}

void recorder_keep_pings(struct record_recorder *rec)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->guests[i].session)
			vmrt_guest_file_pings(&rec->guests[i].file, rec->guests[i].session);
}

/* A flight recorder may have pinged for days: it keeps only the pings of the time that it saves.
 */
static void keep_pings(
	struct record_recorder *rec, size_t i, const struct vmrt_guest_result *result)
{
	struct vmrt_manifest_vm *vm = vm_of(rec, i);
	size_t first = 0;

	while (rec->options->flight_ns && first < result->n_pings &&
		result->pings[first].host_recv_ns < rec->since_ns - PINGS_BEFORE_NS)
		first++;
	vm->pings = malloc((result->n_pings - first + 1) * sizeof(*vm->pings));
	if (!vm->pings)
		return;
	vm->n_pings = result->n_pings - first;
	if (vm->n_pings)
		memcpy(vm->pings, result->pings + first, vm->n_pings * sizeof(*vm->pings));
}

/* Events that a flight recorder overwrote are not lost, unless they lie in the time that it had to
 * keep. */
static void excuse_overwritten(struct record_recorder *rec, size_t i,
	const struct vmrt_guest_result *result, struct vmrt_cpu_stats *stats)
{
	const struct vmrt_guest_file *file = &rec->guests[i].file;
	int64_t first = result->since_ns;

	for (unsigned cpu = 0; cpu < result->meta->cpus; cpu++) {
		if (stats[cpu].overrun && file->first_ns[cpu] > first)
			first = file->first_ns[cpu];
		stats[cpu].overrun = 0;
	}
	if (first > result->since_ns)
		vmrt_warn("the buffers of %s lacked the first %.3f s of that; --guest-buffer makes "
			  "room for more",
			vm_of(rec, i)->vm.name, (double)(first - result->since_ns) / VMRT_NS_PER_S);
}

static void count_events(struct record_recorder *rec, size_t i, const struct vmrt_cpu_stats *stats)
{
	struct recorder_guest *g = &rec->guests[i];
	struct vmrt_content content = {0};
	char path[PATH_MAX];

	for (unsigned cpu = 0; cpu < g->file.cpus; cpu++) {
		g->events += stats[cpu].read_events;
		g->lost += stats[cpu].overrun + stats[cpu].commit_overrun + stats[cpu].dropped;
	}
	if (!rec->options->flight_ns && !vm_of(rec, i)->broken_off)
		return;
	/* more events were read than kept, or the size of the file is unknown */
	snprintf(path, sizeof(path), "%s/%s", rec->folder.path, vm_of(rec, i)->file);
	if (vmrt_count_events(path, &content, recorder_out_of_time, NULL) == VMRT_OK)
		g->events = content.events;
}

static enum vmrt_status write_guest(struct record_recorder *rec, size_t i,
	const struct vmrt_guest_result *result, struct vmrt_error *err)
{
	struct recorder_guest *g = &rec->guests[i];
	struct vmrt_manifest_vm *vm = vm_of(rec, i);
	struct vmrt_cpu_stats *stats = calloc(result->meta->cpus, sizeof(*stats));
	enum vmrt_status status;

	g->n_tids = result->meta->cpus;
	g->tids = vmrt_guest_vcpu_tids(&vm->vm, g->n_tids);
	if (!stats || !g->tids) {
		free(stats);
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", vm->file);
	}
	memcpy(stats, result->stats, result->meta->cpus * sizeof(*stats));
	if (rec->options->flight_ns)
		excuse_overwritten(rec, i, result, stats);
	status = vmrt_guest_file_end(&g->file, result->meta, stats, vm->pings, vm->n_pings, err);
	if (status == VMRT_OK)
		count_events(rec, i, stats);
	free(stats);
	return status;
}

/* Writes the guest's file. If that fails or takes too long, what the guest sent stays for
 * `vmrt-trace reset`. */
static enum vmrt_status save_guest(struct record_recorder *rec, size_t i, struct vmrt_error *err)
{
	struct recorder_guest *g = &rec->guests[i];
	struct vmrt_manifest_vm *vm = vm_of(rec, i);
	struct vmrt_guest_result result;
	int64_t until = vmrt_now_ns() + SEND_WAIT_MS * VMRT_NS_PER_MS;
	enum vmrt_status status;

	if (wait_for(g->session, VMRT_GUEST_DONE, until) < VMRT_GUEST_DONE)
		vmrt_guest_abort(g->session, "its events were not waited for");
	vmrt_guest_finish(g->session, &result);
	vm->broken_off = note_failure(rec, i);
	keep_pings(rec, i, &result);
	vmrt_kvm_tsc_keep(VMRT_KVM_DEBUGFS, vm->vm.pid, &vm->kvm);
	snprintf(vm->kernel, sizeof(vm->kernel), "%s", result.kernel);
	if (result.bad_pages)
		note(vm, "%llu malformed pages of events from %s were thrown away",
			(unsigned long long)result.bad_pages, vm->vm.name);
	if (result.meta && (g->file.size || !vm->note[0])) {
		status = write_guest(rec, i, &result, err);
		if (status == VMRT_OK || status == VMRT_EINTR || status == VMRT_EIO)
			return status;
		note(vm, "%.250s", err->text);
	}
	vmrt_guest_file_remove(&g->file);
	vm->file[0] = '\0';
	vm->broken_off = false;
	return VMRT_OK;
}

enum vmrt_status recorder_save_guests(struct record_recorder *rec, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK, saved;
	struct vmrt_error other;

	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		if (!rec->guests[i].session) {
			vm_of(rec, i)->file[0] = '\0';
			continue;
		}
		saved = save_guest(rec, i, &other);
		if (status == VMRT_OK && saved != VMRT_OK)
			status = vmrt_fail(err, saved, "%s", other.text);
	}
	return status;
}

size_t recorder_dat_guests(
	const struct record_recorder *rec, struct vmrt_dat_guest out[VMRT_RECORDER_VMS])
{
	size_t n = 0;

	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->manifest.vms[i].file[0] && rec->guests[i].tids)
			out[n++] = (struct vmrt_dat_guest){
				.name = rec->manifest.vms[i].vm.name,
				.trace_id = rec->guests[i].file.trace_id,
				.vcpu_tids = rec->guests[i].tids,
				.n_vcpus = rec->guests[i].n_tids,
			};
	return n;
}

void recorder_free_guests(struct record_recorder *rec, bool drop)
{
	for (size_t i = 0; i < rec->manifest.n_vms; i++)
		if (rec->guests[i].session)
			vmrt_guest_abort(rec->guests[i].session, "the recording was given up");
	for (size_t i = 0; i < rec->manifest.n_vms; i++) {
		struct recorder_guest *g = &rec->guests[i];

		if (!g->session)
			continue;
		vmrt_guest_close(g->session);
		if (drop)
			vmrt_guest_file_remove(&g->file);
		vmrt_guest_file_close(&g->file);
		free(g->tids);
	}
}
