/* SPDX-License-Identifier: MIT */
/*
 * The live events of this host and its guests: collects what the ring buffers hold and the guests
 * send, and says up to which time all have been collected. A guest that is silent for too long is
 * not waited for. The merge itself is parser/source/merge.c.
 */
#include "live-local.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/tool.h>

#define CLOSE_PATIENCE_MS 1000
#define PAGES_AT_ONCE 4096 /* of one CPU */
/* A writer that was interrupted may still be about to commit an event of this age. */
#define HOST_SLACK_NS (1 * VMRT_NS_PER_MS)
#define LAG_NS (500 * VMRT_NS_PER_MS) /* a guest that is behind by more is named */
/*
 * An event so long before the last one came too late. A little is permitted, since the map of a
 * clock moves when it is fitted again.
 */
#define LATE_NS (5 * VMRT_NS_PER_MS)

/* ---- what the merge asks ---- */

static void note_malformed(void *ctx, struct merge_input *in, const char *why)
{
	struct vmrt_live *live = ctx;

	snprintf(in->machine ? live->guest_of[in->machine]->note : live->host_note,
		sizeof(live->host_note), "%.190s", why);
}

/* Called for each event. An event that comes much too late is dropped and counts as lost before the
 * next event of its machine. */
static bool accept(void *ctx, struct merge_input *in)
{
	struct vmrt_live *live = ctx;
	struct live_guest *g = live->guest_of[in->machine];
	int64_t last = live->merge.floor_ns;

	if (g && last != INT64_MIN && in->host_ns < last - LATE_NS) {
		/* events of a guest before it joined are not lost: they were never wanted */
		if (g->begun)
			g->dropped += 1 + (in->event.lost == UINT64_MAX ? 0 : in->event.lost);
		return false;
	}
	if (in->host_ns < last)
		in->host_ns = last;
	if (!g)
		return true;
	g->begun = true;
	/* events while the guest was not connected are lost */
	if (live_guest_resumes(g, in->event.cpu))
		in->event.lost = UINT64_MAX;
	if (g->dropped && in->event.lost != UINT64_MAX) {
		in->event.lost += g->dropped;
		g->dropped = 0;
	}
	return true;
}

static const struct merge_ops merge_ops = {.malformed = note_malformed, .accept = accept};

/* ---- begin ---- */

static enum vmrt_status open_host(struct vmrt_live *live, struct vmrt_error *err)
{
	struct vmrt_trace_meta meta;
	enum vmrt_status status;

	/* removes instances of killed programs, which go on tracing */
	(void)vmrt_tracer_reset("top", NULL, NULL, NULL, NULL, NULL, NULL);
	status = vmrt_tracer_open("top",
		live->options.buffer ? live->options.buffer : VMRT_TRACER_BUFFER, &live->tracer,
		err);
	if (status != VMRT_OK)
		return status;
	status = vmrt_tracer_meta(live->tracer, &meta, err);
	if (status != VMRT_OK)
		return status;
	live->page = malloc(meta.page_size);
	status = live->page ? vmrt_formats_from_meta(&meta, &live->formats, err)
			    : vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		status = vmrt_stream_live(
			live->formats, meta.cpus, meta.page_size, &live->host.stream, err);
	if (status == VMRT_OK && meta.processes[VMRT_PROCESSES_BEGIN] &&
		vmrt_processes_parse(meta.processes[VMRT_PROCESSES_BEGIN], &live->host_processes) !=
			VMRT_OK)
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	vmrt_trace_meta_free(&meta);
	return status;
}

static void open_guest(struct vmrt_live *live, size_t i, const cpu_set_t *own)
{
	struct live_guest_options options = {.vm = &live->vms.list[i],
		.port = live->options.port,
		.buffer = live->options.guest_buffer ? live->options.guest_buffer
						     : VMRT_TRACER_BUFFER,
		.patient = live->options.at_once,
		.secret = live->options.secret_file ? &live->secret : NULL,
		.cpus = own};

	options.n_ways = live_ways(live, i, options.ways);
	live_guest_open(live->guests[i], &options);
}

/* Opens guests that are not open yet. */
static void open_guests(struct vmrt_live *live)
{
	cpu_set_t own;
	bool has_own = live_own_cpus(live, &own);

	if (has_own)
		sched_setaffinity(0, sizeof(own), &own);
	for (size_t i = 0; i < live->vms.n; i++)
		if (!live_guest_is_open(live->guests[i]))
			open_guest(live, i, has_own ? &own : NULL);
}

/* Copies the list, because an engine may read it after the guest's session, which made the list,
 * has ended. */
static struct vmrt_processes copy_of(const struct vmrt_processes *processes)
{
	struct vmrt_processes copy = {.list = calloc(processes->n + 1, sizeof(*copy.list))};

	if (copy.list && processes->n) {
		copy.n = processes->n;
		memcpy(copy.list, processes->list, copy.n * sizeof(*copy.list));
	}
	return copy;
}

static void free_machines(struct vmrt_live *live)
{
	for (size_t i = 0; i < live->n_machines; i++)
		vmrt_processes_free(&live->machines[i].processes[VMRT_PROCESSES_BEGIN]);
	live->n_machines = 0;
}

static void name_machines(struct vmrt_live *live)
{
	free_machines(live);
	live->machines[0] = (struct vmrt_engine_machine){.name = VMRT_HOST,
		.cpus = vmrt_tracer_cpus(live->tracer),
		.processes = {[VMRT_PROCESSES_BEGIN] = copy_of(&live->host_processes)}};
	live->inputs[0] = &live->host;
	live->n_machines = 1;
	for (size_t i = 0; i < live->vms.n; i++) {
		struct live_guest *g = live->guests[i];
		struct vmrt_engine_vm *vm = &live->engine_vms[i];

		vm->name = live->vms.list[i].name;
		vm->machine = VMRT_NONE;
		vm->threads = live->vms.list[i].threads;
		vm->n_threads = live->vms.list[i].n_threads;
		if (!g->recorded)
			continue;
		vm->machine = (uint32_t)live->n_machines;
		live->guest_of[live->n_machines] = g;
		live->inputs[live->n_machines] = &g->in;
		g->in.machine = vm->machine;
		live->machines[live->n_machines++] = (struct vmrt_engine_machine){.name = vm->name,
			.cpus = g->cpus,
			.clock = &g->map,
			.processes = {[VMRT_PROCESSES_BEGIN] = copy_of(&g->processes)}};
	}
	live->merge.n = live->n_machines;
}

/* Makes the lists of @live for its VMs. False without memory: the lists may then be incomplete. */
static bool make_lists(struct vmrt_live *live)
{
	size_t n = live->vms.n;
	bool all = true;

	live->guests = calloc(n + 1, sizeof(struct live_guest *));
	live->machines = calloc(n + 1, sizeof(*live->machines));
	live->guest_of = calloc(n + 1, sizeof(struct live_guest *));
	live->engine_vms = calloc(n + 1, sizeof(*live->engine_vms));
	live->inputs = calloc(n + 1, sizeof(struct merge_input *));
	for (size_t i = 0; live->guests && i < n; i++)
		all &= (live->guests[i] = calloc(1, sizeof(**live->guests))) != NULL;
	return all && live->guests && live->machines && live->guest_of && live->engine_vms &&
	       live->inputs;
}

static void free_lists(struct vmrt_live *live)
{
	for (size_t i = 0; live->guests && i < live->vms.n; i++) {
		if (live->guests[i])
			live_guest_close(live->guests[i]);
		free(live->guests[i]);
	}
	free_machines(live);
	free(live->guests);
	free(live->machines);
	free(live->guest_of);
	free(live->engine_vms);
	free(live->inputs);
}

/* Servers of VMs with several vCPUs become one server for each vCPU. */
static enum vmrt_status split_servers(const struct vmrt_live_options *options,
	const struct live_vms *vms, struct vmrt_experiment **out, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	*out = NULL;
	if (!options->experiment)
		return VMRT_OK;
	*out = vmrt_experiment_copy(options->experiment);
	if (!*out)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; i < vms->n && status == VMRT_OK; i++)
		if (strcmp(vms->list[i].hypervisor, "process") != 0)
			status = vmrt_experiment_split(*out, vms->list[i].name,
				vms->list[i].threads, vms->list[i].n_threads, err);
	return status;
}

static enum vmrt_status begin(struct vmrt_live *live, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	if (live->options.secret_file)
		status = vmrt_secret_load(live->options.secret_file, &live->secret, err);
	if (status == VMRT_OK)
		status = live_find_vms(&live->options, &live->vms, err);
	if (status != VMRT_OK)
		return status;
	if (live->options.vm)
		snprintf(live->vm, sizeof(live->vm), "%s", live->vms.list[0].name);
	status = split_servers(&live->options, &live->vms, &live->exp, err);
	if (status == VMRT_OK && !make_lists(live))
		status = vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		status = open_host(live, err);
	if (status != VMRT_OK)
		return status;
	open_guests(live);
	for (size_t i = 0; i < live->vms.n && !live->options.at_once; i++)
		live_guest_ready(live->guests[i]);
	live->merge = (struct vmrt_merge){.ops = &merge_ops,
		.ctx = live,
		.inputs = live->inputs,
		.live = true,
		.upto_ns = VMRT_UNKNOWN,
		.floor_ns = INT64_MIN,
		.ceiling_ns = INT64_MIN};
	/* the host records first, because run time of vCPU threads explains the guests' events */
	status = vmrt_tracer_on(live->tracer, err);
	for (size_t i = 0; i < live->vms.n && status == VMRT_OK && !live->options.at_once; i++)
		live_guest_start(live->guests[i]);
	if (status == VMRT_OK && vmrt_stop_requested())
		status = vmrt_fail(err, VMRT_EINTR, "interrupted");
	name_machines(live);
	return status;
}

enum vmrt_status vmrt_live_open(
	const struct vmrt_live_options *options, struct vmrt_live **out, struct vmrt_error *err)
{
	struct vmrt_live *live = calloc(1, sizeof(*live));
	enum vmrt_status status;

	if (!live)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	live->options = *options;
	if (!live->options.silence_ns)
		live->options.silence_ns = VMRT_LIVE_SILENCE_NS;
	live->host_upto_ns = VMRT_UNKNOWN;
	status = begin(live, err);
	if (status != VMRT_OK) {
		vmrt_live_close(live);
		return status;
	}
	*out = live;
	return VMRT_OK;
}

/* ---- VMs come and go ---- */

static void free_change(struct live_change *change)
{
	if (!change)
		return;
	live_free_vms(&change->vms);
	vmrt_experiment_free(change->exp);
	free(change);
}

enum vmrt_status vmrt_live_change(struct vmrt_live *live, struct vmrt_error *err)
{
	struct live_change *next = calloc(1, sizeof(*next));
	enum vmrt_status status;

	if (!next)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = live_find_vms(&live->options, &next->vms, err);
	if (status == VMRT_OK)
		status = split_servers(&live->options, &next->vms, &next->exp, err);
	if (status != VMRT_OK) {
		free_change(next);
		return status;
	}
	free_change(live->next);
	live->next = next;
	live->joined = true;
	return VMRT_OK;
}

/* Moves the guest of @vm, if it was there before, to @to. */
static void keep_guest(struct vmrt_live *live, const struct vmrt_vm *vm, struct live_guest **to)
{
	for (size_t i = 0; i < live->vms.n; i++) {
		struct live_guest *g = live->guests[i];

		if (live->vms.list[i].pid != vm->pid ||
			strcmp(live->vms.list[i].name, vm->name) != 0)
			continue;
		g->options.vm = vm;
		live->guests[i] = *to;
		*to = g;
		return;
	}
}

/* Takes over the lists for the changed VMs, at a moment when nobody uses the old ones. Without
 * memory the old lists stay. */
static void take_change(struct vmrt_live *live)
{
	struct live_change *next = live->next;
	struct vmrt_live fresh = {.vms = next->vms};

	live->next = NULL;
	if (!make_lists(&fresh)) {
		free_lists(&fresh);
		free_change(next);
		return;
	}
	for (size_t i = 0; i < fresh.vms.n; i++)
		keep_guest(live, &fresh.vms.list[i], &fresh.guests[i]);
	free_lists(live);
	live_free_vms(&live->vms);
	vmrt_experiment_free(live->exp);
	live->vms = fresh.vms;
	live->exp = next->exp;
	live->guests = fresh.guests;
	live->machines = fresh.machines;
	live->guest_of = fresh.guest_of;
	live->engine_vms = fresh.engine_vms;
	live->inputs = live->merge.inputs = fresh.inputs;
	free(next);
	open_guests(live);
}

bool vmrt_live_joined(const struct vmrt_live *live)
{
	return live->joined;
}

void vmrt_live_config(struct vmrt_live *live, struct vmrt_engine_config *config)
{
	if (live->next)
		take_change(live);
	if (live->joined) {
		name_machines(live);
		merge_renew(&live->merge);
	}
	live->joined = false;
	*config = (struct vmrt_engine_config){
		.live = true,
		.experiment = live->exp,
		.machines = live->machines,
		.n_machines = live->n_machines,
		.vms = live->engine_vms,
		.n_vms = live->vms.n,
		.start_ns = VMRT_UNKNOWN,
		.end_ns = VMRT_UNKNOWN,
	};
}

/* ---- go on ---- */

static enum vmrt_status collect_host(struct vmrt_live *live, struct vmrt_error *err)
{
	int64_t before = vmrt_now_ns() - HOST_SLACK_NS;
	bool all = true;

	for (unsigned cpu = 0; cpu < vmrt_tracer_cpus(live->tracer); cpu++) {
		uint64_t fill = 0;
		int got = 1;

		for (int n = 0; n < PAGES_AT_ONCE && got > 0; n++) {
			enum vmrt_status status = VMRT_OK;

			got = vmrt_tracer_read(live->tracer, cpu, live->page);
			if (got < 0)
				return vmrt_fail(err, VMRT_EIO,
					"cannot read the trace buffer of CPU %u", cpu);
			if (got > 0)
				status = vmrt_stream_push(live->host.stream, cpu, live->page,
					vmrt_tracer_page_size(live->tracer), err);
			if (status != VMRT_OK)
				return status;
			fill += got > 0 ? vmrt_tracer_page_size(live->tracer) : 0;
		}
		if (fill > live->fill)
			live->fill = fill;
		all &= got == 0;
	}
	if (all)
		live->host_upto_ns = before;
	vmrt_stream_limit(live->host.stream, live->host_upto_ns);
	return VMRT_OK;
}

/* The time up to which all events have been collected, of all sources that the merge waits for. */
static int64_t watermark(struct vmrt_live *live)
{
	int64_t upto = live->host_upto_ns;

	for (size_t i = 1; i < live->n_machines; i++) {
		struct live_guest *g = live->guest_of[i];

		/* a guest that has not sent anything yet gets the same time, from its start on */
		if (g->upto_ns == VMRT_UNKNOWN && live->host_upto_ns != VMRT_UNKNOWN)
			g->upto_ns = live->host_upto_ns - 1;
		g->silent = g->dead || live->host_upto_ns - g->upto_ns > live->options.silence_ns;
		if (!g->silent && g->upto_ns - live->options.slack_ns < upto)
			upto = g->upto_ns - live->options.slack_ns;
	}
	return upto;
}

static void find_note(struct vmrt_live *live)
{
	snprintf(live->note, sizeof(live->note), "%s", live->host_note);
	if (!live->note[0] && live->vms.awaited[0])
		snprintf(live->note, sizeof(live->note), "waiting for %s to be started",
			live->vms.awaited);
	for (size_t i = 0; i < live->vms.n && !live->note[0]; i++) {
		const struct live_guest *g = live->guests[i];

		if (g->note[0])
			snprintf(live->note, sizeof(live->note), "%s", g->note);
		else if (g->recorded && !g->silent && g->upto_ns != VMRT_UNKNOWN &&
			 live->host_upto_ns - g->upto_ns > LAG_NS)
			snprintf(live->note, sizeof(live->note),
				"%s: waiting for its events, it is slow", g->name);
		else if (g->silent)
			snprintf(live->note, sizeof(live->note),
				"%s: nothing heard for %" PRId64 " s, only the host's side is seen",
				g->name, (live->host_upto_ns - g->upto_ns) / VMRT_NS_PER_S);
	}
}

enum vmrt_status vmrt_live_collect(struct vmrt_live *live, struct vmrt_error *err)
{
	enum vmrt_status status = collect_host(live, err);
	int64_t now = vmrt_now_ns();

	for (size_t i = 0; live->options.at_once && i < live->vms.n; i++)
		live->joined |= live_guest_poll(live->guests[i], now);
	for (size_t i = 1; i < live->n_machines && status == VMRT_OK; i++) {
		struct live_guest *g = live->guest_of[i];
		struct vmrt_error why;

		/* an error of one guest must not end the others */
		if (live_guest_collect(g, now, &why) != VMRT_OK) {
			snprintf(g->note, sizeof(g->note), "%.190s", why.text);
			g->dead = true;
		}
	}
	if (status != VMRT_OK)
		return status;
	now = watermark(live);
	if (live->merge.upto_ns == VMRT_UNKNOWN || now > live->merge.upto_ns)
		live->merge.upto_ns = now;
	find_note(live);
	return VMRT_OK;
}

struct vmrt_merge *vmrt_live_merge(struct vmrt_live *live)
{
	return &live->merge;
}

int64_t vmrt_live_upto(const struct vmrt_live *live)
{
	return live->merge.upto_ns;
}

const char *vmrt_live_vm(const struct vmrt_live *live)
{
	return live->vm[0] ? live->vm : NULL;
}

void vmrt_live_buffer(const struct vmrt_live *live, uint64_t *fill, uint64_t *size)
{
	*size = vmrt_tracer_buffer(live->tracer);
	*fill = live->fill < *size ? live->fill : *size;
}

void vmrt_live_note(const struct vmrt_live *live, char *buf, size_t room)
{
	snprintf(buf, room, "%s", live->note);
}

void vmrt_live_crowd(const struct vmrt_live *live, char *buf, size_t room)
{
	*buf = '\0';
	for (size_t i = 0, from = 0; i < live->vms.n; i++, from = 0)
		if (vmrt_vm_crowd(&live->vms.list[i], &from, buf, room))
			return;
}

void vmrt_live_close(struct vmrt_live *live)
{
	struct vmrt_error err;

	if (!live)
		return;
	free_lists(live);
	free_change(live->next);
	vmrt_stream_free(live->host.stream);
	vmrt_formats_free(live->formats);
	if (live->tracer && vmrt_tracer_close(live->tracer, CLOSE_PATIENCE_MS, &err) != VMRT_OK)
		vmrt_warn("%s", err.text);
	vmrt_experiment_free(live->exp);
	vmrt_processes_free(&live->host_processes);
	live_free_vms(&live->vms);
	free(live->page);
	free(live);
}
