/* SPDX-License-Identifier: MIT */
/*
 * The host's ring buffers and the guests' streams merged by time. An event is given when every
 * source has come as far, except for guests that have been silent for too long.
 */
#include <vmrt/live.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/tool.h>
#include <vmrt/tracer.h>
#include <vmrt/units.h>

#include "live-guest.h"

#define CLOSE_PATIENCE_MS 1000
#define PAGES_AT_ONCE 4096 /* of one CPU */
/* A writer that was interrupted may still be about to commit an event of this age. */
#define HOST_SLACK_NS (1 * VMRT_NS_PER_MS)
/* The map of a clock moves a little when it is fitted again; events older than this came too late.
 */
#define LAG_NS (500 * VMRT_NS_PER_MS) /* a guest that is behind by more is named */
#define LATE_NS (5 * VMRT_NS_PER_MS)

struct vmrt_live {
	struct vmrt_live_options options;
	char vm[VMRT_NAME_MAX]; /* of options.vm */
	struct vmrt_vm *vms;
	size_t n_vms;
	struct live_guest *guests; /* by VM */
	struct vmrt_tracer *tracer;
	struct vmrt_formats *formats;
	struct vmrt_stream *stream;
	uint8_t *page;
	struct vmrt_engine_machine *machines; /* the host, then guests that record */
	size_t n_machines;
	struct live_guest **guest_of; /* by machine */
	struct vmrt_engine_vm *engine_vms;
	bool joined; /* a guest records that is not among the machines yet */
	int64_t host_upto_ns, upto_ns, given_ns;
	struct vmrt_event event;
	char note[256], host_note[192];
};

/* ---- which VMs ---- */

static enum vmrt_status add_vm(
	struct vmrt_live *live, const char *pattern, const char *user, struct vmrt_error *err)
{
	struct vmrt_vm *more, *vm;
	enum vmrt_status status;

	for (size_t i = 0; i < live->n_vms; i++)
		if (vmrt_vm_match(&live->vms[i], pattern))
			return VMRT_OK;
	status = vmrt_vm_get_of(pattern, user, &vm, err);
	if (status != VMRT_OK)
		return status;
	more = realloc(live->vms, (live->n_vms + 1) * sizeof(*more));
	if (!more) {
		vmrt_vms_free(vm, 1);
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	}
	live->vms = more;
	live->vms[live->n_vms++] = *vm;
	free(vm); /* its threads are in the list now */
	return VMRT_OK;
}

static enum vmrt_status find_vms(struct vmrt_live *live, struct vmrt_error *err)
{
	const struct vmrt_experiment *exp = live->options.experiment;
	enum vmrt_status status = VMRT_OK;

	if (live->options.vm) {
		status = add_vm(live, live->options.vm, "", err);
		if (status == VMRT_OK)
			snprintf(live->vm, sizeof(live->vm), "%s", live->vms[0].name);
		return status;
	}
	if (!exp)
		return vmrt_vms_find(&live->vms, &live->n_vms, err);
	for (size_t i = 0; i < exp->n_servers && status == VMRT_OK; i++)
		status = add_vm(live, exp->servers[i].vm, exp->servers[i].user, err);
	for (size_t i = 0; i < exp->n_tasks && status == VMRT_OK; i++)
		if (strcmp(exp->tasks[i].machine, VMRT_HOST) != 0)
			status = add_vm(live, exp->tasks[i].machine, "", err);
	return status;
}

/* Keeps out of the way: the CPUs that no VM may use, if there are any. */
static bool own_cpus(const struct vmrt_live *live, cpu_set_t *own)
{
	cpu_set_t taken;

	CPU_ZERO(&taken);
	for (size_t i = 0; i < live->n_vms; i++)
		for (size_t k = 0; k < live->vms[i].n_threads; k++)
			CPU_OR(&taken, &taken, &live->vms[i].threads[k].affinity);
	if (!CPU_COUNT(&taken) || sched_getaffinity(0, sizeof(*own), own) != 0)
		return false;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &taken))
			CPU_CLR(cpu, own);
	return CPU_COUNT(own) > 0;
}

/* ---- begin ---- */

static enum vmrt_status open_host(struct vmrt_live *live, struct vmrt_error *err)
{
	struct vmrt_trace_meta meta;
	enum vmrt_status status;

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
			live->formats, meta.cpus, meta.page_size, &live->stream, err);
	vmrt_trace_meta_free(&meta);
	return status;
}

static void open_guests(struct vmrt_live *live)
{
	uint64_t buffer =
		live->options.guest_buffer ? live->options.guest_buffer : VMRT_TRACER_BUFFER;
	cpu_set_t own;
	bool has_own = own_cpus(live, &own);

	if (has_own)
		sched_setaffinity(0, sizeof(own), &own);
	for (size_t i = 0; i < live->n_vms; i++)
		live_guest_open(&live->guests[i], &live->vms[i], live->options.port, buffer,
			has_own ? &own : NULL);
	for (size_t i = 0; i < live->n_vms && !live->options.at_once; i++)
		live_guest_ready(&live->guests[i]);
}

static void name_machines(struct vmrt_live *live)
{
	live->machines[0] = (struct vmrt_engine_machine){
		.name = VMRT_HOST, .cpus = vmrt_tracer_cpus(live->tracer)};
	live->n_machines = 1;
	for (size_t i = 0; i < live->n_vms; i++) {
		struct live_guest *g = &live->guests[i];
		struct vmrt_engine_vm *vm = &live->engine_vms[i];

		vm->name = live->vms[i].name;
		vm->machine = VMRT_NONE;
		vm->threads = live->vms[i].threads;
		vm->n_threads = live->vms[i].n_threads;
		if (!g->recorded)
			continue;
		vm->machine = (uint32_t)live->n_machines;
		live->guest_of[live->n_machines] = g;
		live->machines[live->n_machines++] = (struct vmrt_engine_machine){
			.name = vm->name, .cpus = g->cpus, .clock = &g->map};
	}
}

static enum vmrt_status begin(struct vmrt_live *live, struct vmrt_error *err)
{
	enum vmrt_status status = find_vms(live, err);

	if (status != VMRT_OK)
		return status;
	live->guests = calloc(live->n_vms + 1, sizeof(*live->guests));
	live->machines = calloc(live->n_vms + 1, sizeof(*live->machines));
	live->guest_of = calloc(live->n_vms + 1, sizeof(struct live_guest *));
	live->engine_vms = calloc(live->n_vms + 1, sizeof(*live->engine_vms));
	if (!live->guests || !live->machines || !live->guest_of || !live->engine_vms)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	status = open_host(live, err);
	if (status != VMRT_OK)
		return status;
	open_guests(live);
	/* the host first: what a guest's CPU did is explained by what its vCPU thread did */
	status = vmrt_tracer_on(live->tracer, err);
	for (size_t i = 0; i < live->n_vms && status == VMRT_OK && !live->options.at_once; i++)
		live_guest_start(&live->guests[i]);
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
	live->host_upto_ns = live->upto_ns = live->given_ns = VMRT_UNKNOWN;
	status = begin(live, err);
	if (status != VMRT_OK) {
		vmrt_live_close(live);
		return status;
	}
	*out = live;
	return VMRT_OK;
}

bool vmrt_live_joined(const struct vmrt_live *live)
{
	return live->joined;
}

void vmrt_live_config(struct vmrt_live *live, struct vmrt_engine_config *config)
{
	if (live->joined)
		name_machines(live);
	live->joined = false;
	*config = (struct vmrt_engine_config){
		.live = true,
		.experiment = live->options.experiment,
		.machines = live->machines,
		.n_machines = live->n_machines,
		.vms = live->engine_vms,
		.n_vms = live->n_vms,
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
		int got = 1;

		for (int n = 0; n < PAGES_AT_ONCE && got > 0; n++) {
			enum vmrt_status status = VMRT_OK;

			got = vmrt_tracer_read(live->tracer, cpu, live->page);
			if (got < 0)
				return vmrt_fail(err, VMRT_EIO,
					"cannot read the trace buffer of CPU %u", cpu);
			if (got > 0)
				status = vmrt_stream_push(live->stream, cpu, live->page,
					vmrt_tracer_page_size(live->tracer), err);
			if (status != VMRT_OK)
				return status;
		}
		all &= got == 0;
	}
	if (all)
		live->host_upto_ns = before;
	vmrt_stream_limit(live->stream, live->host_upto_ns);
	return VMRT_OK;
}

/* How far all sources have come that are waited for. */
static int64_t watermark(struct vmrt_live *live)
{
	int64_t upto = live->host_upto_ns;

	for (size_t i = 1; i < live->n_machines; i++) {
		struct live_guest *g = live->guest_of[i];

		/* one that has not been heard of yet is given as long, from the first moment on */
		if (g->upto_ns == VMRT_UNKNOWN && live->host_upto_ns != VMRT_UNKNOWN)
			g->upto_ns = live->host_upto_ns - 1;
		g->silent = g->dead || live->host_upto_ns - g->upto_ns > live->options.silence_ns;
		if (!g->silent && g->upto_ns < upto)
			upto = g->upto_ns;
	}
	return upto;
}

static void find_note(struct vmrt_live *live)
{
	snprintf(live->note, sizeof(live->note), "%s", live->host_note);
	for (size_t i = 0; i < live->n_vms && !live->note[0]; i++) {
		const struct live_guest *g = &live->guests[i];

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

	for (size_t i = 0; live->options.at_once && i < live->n_vms; i++)
		live->joined |= live_guest_poll(&live->guests[i], now);
	for (size_t i = 1; i < live->n_machines && status == VMRT_OK; i++) {
		struct live_guest *g = live->guest_of[i];
		struct vmrt_error why;

		/* one guest's failure is no reason to lose the others */
		if (live_guest_collect(g, now, &why) != VMRT_OK) {
			snprintf(g->note, sizeof(g->note), "%.190s", why.text);
			g->dead = true;
		}
	}
	if (status != VMRT_OK)
		return status;
	now = watermark(live);
	if (live->upto_ns == VMRT_UNKNOWN || now > live->upto_ns)
		live->upto_ns = now;
	find_note(live);
	return VMRT_OK;
}

static int64_t peek(struct vmrt_live *live, size_t i)
{
	struct live_guest *g = live->guest_of[i];
	struct vmrt_stream *stream = i ? g->stream : live->stream;
	int64_t local;

	if (i && !g->map.n)
		return INT64_MAX;
	local = vmrt_stream_peek(stream);
	return !i || local == INT64_MAX ? local : vmrt_clockmap_to_host(&g->map, local, &g->hint);
}

/* Takes the next event of machine @i; what comes too late becomes a loss right before the next one.
 */
static bool take(struct vmrt_live *live, size_t i, int64_t host_ns)
{
	struct live_guest *g = live->guest_of[i];
	struct vmrt_error why;
	int got = vmrt_stream_next(i ? g->stream : live->stream, &live->event, &why);

	if (got < 0) {
		snprintf(
			i ? g->note : live->host_note, sizeof(live->host_note), "%.190s", why.text);
		return false;
	}
	if (got == 0)
		return false;
	if (i && live->given_ns != VMRT_UNKNOWN && host_ns < live->given_ns - LATE_NS) {
		/* what a guest did before it joined is not lost: nobody waited for it */
		if (g->begun)
			g->dropped += 1 + (live->event.lost == UINT64_MAX ? 0 : live->event.lost);
		return false;
	}
	if (i)
		g->begun = true;
	if (i && g->dropped && live->event.lost != UINT64_MAX) {
		live->event.lost += g->dropped;
		g->dropped = 0;
	}
	return true;
}

bool vmrt_live_next(struct vmrt_live *live, uint32_t *machine, const struct vmrt_event **event,
	int64_t *host_ns, int64_t *error_ns)
{
	for (;;) {
		int64_t first_ns = INT64_MAX;
		size_t first = 0;

		for (size_t i = 0; i < live->n_machines; i++) {
			int64_t at = peek(live, i);

			if (at < first_ns) {
				first_ns = at;
				first = i;
			}
		}
		if (first_ns == INT64_MAX || live->upto_ns == VMRT_UNKNOWN ||
			first_ns > live->upto_ns)
			return false;
		if (!take(live, first, first_ns))
			continue;
		if (live->given_ns == VMRT_UNKNOWN || first_ns > live->given_ns)
			live->given_ns = first_ns;
		*machine = (uint32_t)first;
		*event = &live->event;
		*host_ns = live->given_ns;
		*error_ns = first ? vmrt_clockmap_error(&live->guest_of[first]->map, live->event.ts,
					    &live->guest_of[first]->hint)
				  : 0;
		return true;
	}
}

int64_t vmrt_live_upto(const struct vmrt_live *live)
{
	return live->upto_ns;
}

const char *vmrt_live_vm(const struct vmrt_live *live)
{
	return live->vm[0] ? live->vm : NULL;
}

void vmrt_live_note(const struct vmrt_live *live, char *buf, size_t room)
{
	snprintf(buf, room, "%s", live->note);
}

void vmrt_live_close(struct vmrt_live *live)
{
	struct vmrt_error err;

	if (!live)
		return;
	for (size_t i = 0; live->guests && i < live->n_vms; i++)
		live_guest_close(&live->guests[i]);
	vmrt_stream_free(live->stream);
	vmrt_formats_free(live->formats);
	if (live->tracer && vmrt_tracer_close(live->tracer, CLOSE_PATIENCE_MS, &err) != VMRT_OK)
		vmrt_warn("%s", err.text);
	vmrt_vms_free(live->vms, live->n_vms);
	free(live->guests);
	free(live->machines);
	free(live->guest_of);
	free(live->engine_vms);
	free(live->page);
	free(live);
}
