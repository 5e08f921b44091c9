/* SPDX-License-Identifier: MIT */
/* Finishes the recording of a recorder that was killed. */
#include "salvage.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/dat.h>
#include <vmrt/files.h>
#include <vmrt/manifest.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "parser/dat/datfile.h"
#include "parser/dat/datmap.h"
#include "parser/ring/names.h"
#include "drain.h"
#include "collector/session/guest-file.h"
#include "collector/tracefs/journal.h"
#include "collector/session/kvm-tsc.h"
#include "run-folder.h"

#define CLOSE_PATIENCE_MS 200

struct work {
	const char *run;
	char host[PATH_MAX], manifest_path[PATH_MAX];
	char instance[VMRT_JOURNAL_NAME];
	struct vmrt_datmap *map;
	struct vmrt_trace_meta meta;
	struct vmrt_datfile *file;
	struct vmrt_tracer *tracer; /* NULL if the instance is gone, as after a reboot */
	struct vmrt_cpu_stats *stats;
	struct vmrt_manifest *manifest, empty; /* what the recorder wrote, or &empty */
	uint64_t trace_id;
	bool was_whole;		       /* all was recorded, and the file only had to be completed */
	struct vmrt_dat_guest *guests; /* one for each VM of the manifest */
	int32_t **tids;		       /* thread ids of their vCPUs */
	size_t n_guests;
	struct vmrt_salvaged *out;
};

static enum vmrt_status find(struct work *w, struct vmrt_error *err)
{
	enum vmrt_status status;

	status = vmrt_journal_read_own(w->run, w->instance, err);
	/* a reset of all finds its instance by the process that made it */
	if (status == VMRT_ETRUNCATED)
		run_unlink(w->run, VMRT_FILE_JOURNAL);
	if (status != VMRT_OK)
		return status;
	if (vmrt_journal_owner_lives(w->instance))
		return vmrt_fail(err, VMRT_EBUSY, "%s is being recorded", w->run);
	vmrt_extent_remove(w->run);
	if (vmrt_path(w->host, sizeof(w->host), w->run, VMRT_FILE_HOST) != VMRT_OK ||
		vmrt_path(w->manifest_path, sizeof(w->manifest_path), w->run, VMRT_FILE_MANIFEST) !=
			VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%.200s: the path is too long", w->run);
	return VMRT_OK;
}

/* VMRT_ENOENT if the instance is gone */
static enum vmrt_status adopt(struct work *w, struct vmrt_error *err)
{
	enum vmrt_status status = vmrt_tracer_adopt(w->instance, &w->tracer, err);

	if (status != VMRT_OK || vmrt_journal_belongs(w->run, w->instance))
		return status;
	vmrt_tracer_abandon(w->tracer);
	w->tracer = NULL;
	return vmrt_fail(err, VMRT_EPERM,
		"%.200s: others may write into this folder, and nothing shows that "
		"its " VMRT_FILE_JOURNAL
		" was written there: move the run into a folder of your own to "
		"finish it",
		w->run);
}

static enum vmrt_status open_all(struct work *w, struct vmrt_error *err)
{
	enum vmrt_status status;

	if ((status = vmrt_datmap_read(w->host, &w->map, err)) != VMRT_OK ||
		(status = vmrt_datmap_meta(w->map, &w->meta, err)) != VMRT_OK ||
		(status = vmrt_datfile_resume(w->run, "host", w->map->table, w->meta.cpus,
			 w->meta.page_size, &w->file, err)) != VMRT_OK)
		return status;
	vmrt_datfile_stop(w->file, vmrt_stop_requested);
	w->stats = calloc(w->meta.cpus + 1, sizeof(*w->stats));
	if (!w->stats)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", w->run);
	status = adopt(w, err);
	return status == VMRT_ENOENT ? VMRT_OK : status;
}

/*
 * The manifest is written before tracing is switched on. Without it and without the beginning of
 * the host's file, the recorder was killed while it prepared: there is nothing to salvage.
 */
static bool has_begun(struct work *w)
{
	struct vmrt_datmap *map = NULL;
	bool begun = access(w->manifest_path, F_OK) == 0;

	if (!begun)
		begun = vmrt_datmap_read(w->host, &map, NULL) == VMRT_OK && map->table;
	vmrt_datmap_free(map);
	return begun;
}

static enum vmrt_status discard(struct work *w, struct vmrt_error *err)
{
	enum vmrt_status status = adopt(w, err);

	if (status != VMRT_OK && status != VMRT_ENOENT)
		return status;
	run_unlink(w->run, VMRT_FILE_HOST);
	vmrt_processes_remove(w->host);
	run_unlink(w->run, "*.pages");
	vmrt_journal_remove(w->run, w->instance);
	w->out->nothing = true;
	snprintf(w->out->owner, sizeof(w->out->owner), "%s", w->instance);
	if (w->tracer)
		snprintf(w->out->instance, sizeof(w->out->instance), "%s", w->instance);
	status = vmrt_tracer_close(w->tracer, CLOSE_PATIENCE_MS, err);
	w->tracer = NULL;
	return status;
}

/* Moves the events that are still in the kernel's buffers behind those in the file. */
static enum vmrt_status take_rest(struct work *w, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	struct vmrt_error why;
	int64_t first;

	for (unsigned cpu = 0; w->tracer && cpu < w->meta.cpus && status == VMRT_OK; cpu++) {
		status = drain_take(
			w->tracer, w->file, cpu, INT64_MIN, &w->out->from_buffers, &first, err);
		if (vmrt_tracer_stats(w->tracer, cpu, &w->stats[cpu], &why) != VMRT_OK)
			w->stats[cpu] = (struct vmrt_cpu_stats){0};
	}
	return status;
}

static enum vmrt_status write_file(struct work *w, struct vmrt_error *err)
{
	struct vmrt_dat_content content = {
		.meta = &w->meta,
		.stats = w->tracer ? w->stats : NULL,
		.trace_id = w->trace_id,
		.guests = w->guests,
		.n_guests = w->n_guests,
	};
	char *names[2] = {w->meta.cmdlines, NULL}, *all;
	struct vmrt_names *found;

	if (vmrt_datfile_whole(w->file))
		return vmrt_datfile_reassemble(w->file, err);
	if (w->tracer) {
		names[1] = vmrt_trace_cmdlines(NULL);
		/* names that the recorder wrote come last, because they win: a thread id may belong
		 * to another thread now */
		all = vmrt_trace_merge_names((const char *const[]){names[1], names[0]}, 2);
		free(names[1]);
		if (all) {
			free(w->meta.cmdlines);
			w->meta.cmdlines = all;
		}
	}
	names[0] = w->meta.cmdlines;
	found = vmrt_names_new(&w->meta);
	vmrt_datfile_names(w->file, found);
	if (vmrt_stop_requested()) {
		free(vmrt_names_take(found));
		return vmrt_fail(err, VMRT_EINTR, "interrupted; `vmrt-trace reset` goes on");
	}
	names[1] = vmrt_names_take(found);
	all = names[1] ? vmrt_trace_merge_names((const char *const *)names, 2) : NULL;
	free(names[1]);
	if (all) {
		free(w->meta.cmdlines);
		w->meta.cmdlines = all;
	}
	return vmrt_datfile_end(w->file, &content, err);
}

enum vmrt_status vmrt_count_events(
	const char *path, struct vmrt_content *out, int (*stop)(void), struct vmrt_error *err)
{
	struct vmrt_stream *stream = NULL;
	struct vmrt_dat *dat = NULL;
	struct vmrt_event event;
	enum vmrt_status status = vmrt_dat_open(path, &dat, err);
	int got;

	if (status == VMRT_OK)
		vmrt_dat_stop(dat, stop);
	if (status == VMRT_OK)
		status = vmrt_stream_open(dat, &stream, err);
	while (status == VMRT_OK && (got = vmrt_stream_next(stream, &event, NULL)) != 0) {
		if (got < 0)
			continue;
		if (!out->events++)
			out->first_ns = event.ts;
		out->last_ns = event.ts;
		if (event.cpu < out->cpus)
			out->per_cpu[event.cpu]++;
	}
	if (status == VMRT_OK && stop && stop())
		status = vmrt_fail(err, VMRT_EINTR, "interrupted; `vmrt-trace reset` goes on");
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
	return status;
}

static enum vmrt_status load_manifest(struct work *w, struct vmrt_error *err)
{
	static char none[] = "";
	enum vmrt_status status;

	w->trace_id = vmrt_datmap_trace_id(w->map);
	w->was_whole = vmrt_datfile_whole(w->file);
	w->empty =
		(struct vmrt_manifest){.command_status = -1, .cpus = w->meta.cpus, .command = none};
	status = vmrt_manifest_load(w->manifest_path, &w->manifest, err);
	if (status == VMRT_EINTR || status == VMRT_ENOMEM)
		return status;
	if (status != VMRT_OK)
		w->manifest = &w->empty;
	w->guests = calloc(w->manifest->n_vms + 1, sizeof(*w->guests));
	w->tids = calloc(w->manifest->n_vms + 1, sizeof(*w->tids));
	return w->guests && w->tids ? VMRT_OK
				    : vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", w->run);
}

/* Completes the files of guests with what they had sent before the recorder was killed. */
static enum vmrt_status salvage_guests(struct work *w, struct vmrt_error *err)
{
	for (size_t i = 0; i < w->manifest->n_vms; i++) {
		struct vmrt_manifest_vm *vm = &w->manifest->vms[i];
		struct vmrt_dat_guest *g = &w->guests[w->n_guests];
		enum vmrt_status status;
		uint64_t events;

		status = vmrt_guest_salvage(w->run, vm, w->manifest->end_ns, w->trace_id,
			&g->trace_id, &g->n_vcpus, &events, err);
		if (status != VMRT_OK)
			return status;
		w->out->guest_events += events;
		vmrt_kvm_tsc_keep(VMRT_KVM_DEBUGFS, vm->vm.pid, &vm->kvm);
		if (!vm->file[0])
			continue;
		g->name = vm->vm.name;
		g->vcpu_tids = w->tids[w->n_guests] = vmrt_guest_vcpu_tids(&vm->vm, g->n_vcpus);
		if (!g->vcpu_tids)
			return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", w->run);
		w->n_guests++;
	}
	return VMRT_OK;
}

static enum vmrt_status write_manifest(
	struct work *w, const struct vmrt_content *content, struct vmrt_error *err)
{
	const uint64_t *per_cpu = content->per_cpu;
	struct vmrt_manifest *m = w->manifest;
	enum vmrt_status status;

	for (unsigned cpu = 0; w->tracer && cpu < w->meta.cpus; cpu++) {
		const struct vmrt_cpu_stats *s = &w->stats[cpu];

		w->out->lost += s->overrun + s->commit_overrun + s->dropped;
		if (s->read_events > per_cpu[cpu])
			w->out->missing += s->read_events - per_cpu[cpu];
	}
	w->out->lost += w->out->missing;
	m->broken_off |= !w->tracer && !w->was_whole;
	if (m == &w->empty)
		m->start_ns = content->first_ns;
	if (m->end_ns <= m->start_ns)
		m->end_ns = content->last_ns;
	if (!m->note[0] && w->was_whole && !w->tracer)
		snprintf(m->note, sizeof(m->note),
			"the recorder ended before its files were put together; vmrt-trace reset "
			"has done that");
	else if (!m->note[0])
		snprintf(m->note, sizeof(m->note),
			"the recorder was killed%s; salvaged by vmrt-trace reset, %llu events lost",
			w->tracer ? "" : ", and what the kernel's buffers held is gone",
			(unsigned long long)w->out->lost);
	for (unsigned cpu = 0; cpu < m->n_buffers && cpu < w->meta.cpus; cpu++) {
		const struct vmrt_cpu_stats *s = &w->stats[cpu];

		m->buffers[cpu].events = per_cpu[cpu];
		if (w->tracer)
			m->buffers[cpu].lost =
				s->overrun + s->commit_overrun + s->dropped +
				(s->read_events > per_cpu[cpu] ? s->read_events - per_cpu[cpu] : 0);
	}
	status = vmrt_manifest_save(m, w->manifest_path, err);
	if (status == VMRT_OK)
		run_unlink(w->run, VMRT_FILES_PINGS);
	return status;
}

enum vmrt_status vmrt_salvage(const char *run, struct vmrt_salvaged *out, struct vmrt_error *err)
{
	struct work w = {.run = run, .out = out};
	struct vmrt_content content = {0};
	enum vmrt_status status;
	struct vmrt_error why;

	memset(out, 0, sizeof(*out));
	if ((status = find(&w, err)) != VMRT_OK)
		goto out;
	if (!has_begun(&w)) {
		status = discard(&w, err);
		goto out;
	}
	if ((status = open_all(&w, err)) != VMRT_OK)
		goto out;
	content.cpus = w.meta.cpus;
	content.per_cpu = calloc(w.meta.cpus + 1, sizeof(*content.per_cpu));
	if (!content.per_cpu) {
		status = vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", run);
		goto out;
	}
	if (!vmrt_datfile_whole(w.file) && (status = take_rest(&w, err)) != VMRT_OK)
		goto out;
	for (unsigned cpu = 0; w.tracer && vmrt_datfile_whole(w.file) && cpu < w.meta.cpus; cpu++)
		vmrt_tracer_stats(w.tracer, cpu, &w.stats[cpu], NULL);
	if ((status = load_manifest(&w, err)) != VMRT_OK ||
		(status = salvage_guests(&w, err)) != VMRT_OK ||
		(status = write_file(&w, err)) != VMRT_OK ||
		(status = vmrt_count_events(w.host, &content, vmrt_stop_requested, err)) !=
			VMRT_OK ||
		(status = write_manifest(&w, &content, err)) != VMRT_OK)
		goto out;
	vmrt_journal_remove(run, w.instance);
	snprintf(out->owner, sizeof(out->owner), "%s", w.instance);
	if (w.tracer)
		snprintf(out->instance, sizeof(out->instance), "%s", w.instance);
	/* the instance is removed last: until here everything can be repeated */
	if (vmrt_tracer_close(w.tracer, CLOSE_PATIENCE_MS, &why) != VMRT_OK)
		status = vmrt_fail(err, why.status, "%s", why.text);
	w.tracer = NULL;
out:
	vmrt_tracer_abandon(w.tracer);
	vmrt_datfile_close(w.file);
	vmrt_trace_meta_free(&w.meta);
	vmrt_datmap_free(w.map);
	if (w.manifest != &w.empty)
		vmrt_manifest_free(w.manifest);
	for (size_t i = 0; i < w.n_guests; i++)
		free(w.tids[i]);
	free(w.tids);
	free(w.guests);
	free(w.stats);
	out->events = content.events;
	free(content.per_cpu);
	return status;
}
