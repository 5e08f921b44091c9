/* SPDX-License-Identifier: MIT */
/* Analyses recordings: feeds their events into the engine, whose records go into run.db. */
#include <vmrt/analyze.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/files.h>
#include <vmrt/recording.h>
#include <vmrt/uuid.h>

#include "early-end.h"
#include "notes.h"
#include "parser/db/rundb.h"
#include "vm-threads.h"

#define PATH_ROOM 4096
#define CHECK_EVERY 1000000 /* events, between two signs of progress */

struct analysis {
	const struct vmrt_analyze_options *options;
	struct vmrt_recording *rec;
	struct vmrt_engine_config config;
	struct vmrt_engine *engine;
	struct rundb *db;
	struct vmrt_sink sink;
	struct vm_threads *threads;
	enum vmrt_release *waits; /* by task: what releases it, if that was found only after the
				     first reading */
	bool *unrelated, *unrelated_of; /* see rundb_unrelated() */
};

static bool is_stopped(const struct analysis *a)
{
	return a->options->stop && a->options->stop();
}

static enum vmrt_status feed(
	struct analysis *a, struct vmrt_analyze_result *result, struct vmrt_error *err)
{
	struct vmrt_pump pump = {.from = vmrt_recording_merge(a->rec),
		.to = a->engine,
		.until_ns = INT64_MAX,
		.most = CHECK_EVERY};
	enum vmrt_pumped pumped;

	while ((pumped = vmrt_pump(&pump)) == VMRT_PUMPED_PART)
		if (a->options->progress)
			fprintf(stderr, "\r%llu million events ",
				(unsigned long long)pump.events / CHECK_EVERY);
	result->events = pump.events;
	if (pumped == VMRT_PUMPED_ENOMEM)
		return vmrt_fail(
			err, VMRT_ENOMEM, "out of memory after %llu events", result->events);
	if (a->options->progress && result->events >= CHECK_EVERY)
		fprintf(stderr, "\r\033[K");
	if (is_stopped(a))
		return VMRT_EINTR;
	if (!result->events) {
		struct vmrt_recorded_machine host;

		vmrt_recording_machine(a->rec, 0, &host);
		return vmrt_fail(err, VMRT_EFORMAT, "%s: the recording is empty: it holds no event",
			host.path);
	}
	if (vmrt_engine_finish(a->engine, a->config.end_ns) != VMRT_OK)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	return VMRT_OK;
}

static void put_loss(
	struct analysis *a, size_t index, unsigned cpu, uint64_t events, enum vmrt_loss_kind kind)
{
	struct vmrt_loss loss = {
		.machine = (uint32_t)index,
		.cpu = (uint16_t)cpu,
		.from_ns = VMRT_UNKNOWN,
		.to_ns = VMRT_UNKNOWN,
		.events = events,
		.kind = kind,
	};

	a->sink.loss(a->sink.ctx, &loss);
}

/*
 * Reports all losses of machine @index. Losses that no page shows become losses without a time:
 * events that the kernel counted but the file lacks. @loss_seen: is set if there was any loss, or
 * may have been.
 */
static uint64_t report_losses(struct analysis *a, size_t index, bool *loss_seen)
{
	struct vmrt_recorded_machine m;
	struct vmrt_recorded_loss loss;
	uint64_t sum = 0;

	vmrt_recording_machine(a->rec, index, &m);
	for (unsigned cpu = 0; cpu < vmrt_dat_info(m.dat)->cpus; cpu++) {
		struct vmrt_dat_cpustat stat = vmrt_dat_cpustat(m.dat, cpu);

		vmrt_recording_loss(a->rec, a->engine, index, cpu, &loss);
		if (stat.nonsense)
			vmrt_warn("%s: CPU %u: the kernel's counters of its events make no sense: "
				  "it is not known whether events are missing",
				m.path, cpu);
		if (loss.counted || stat.nonsense)
			put_loss(a, index, cpu, loss.counted,
				stat.dropped ? VMRT_LOSS_DROPPED : VMRT_LOSS_OVERRUN);
		if (loss.missing) {
			vmrt_warn("%s: CPU %u: the file lacks %llu events that the kernel counted",
				m.path, cpu, (unsigned long long)loss.missing);
			put_loss(a, index, cpu, loss.missing, VMRT_LOSS_DROPPED);
		}
		*loss_seen |= loss.events || stat.nonsense;
		sum += loss.events;
	}
	return sum;
}

/* Missing events that have no place in time. */
struct doubt {
	struct analysis *a;
	uint32_t machine;
	unsigned cpu;
	uint64_t events; /* 0: the counters make no sense */
};

static void note_doubt(void *ctx, enum rundb_doubted what, const char *name)
{
	static const char *const who[] = {
		[RUNDB_DOUBTED_TASK] = "it ran on",
		[RUNDB_DOUBTED_GUEST] = "its VM ran on the host's",
		[RUNDB_DOUBTED_SERVER] = "its members ran on",
	};
	static const char *const effect[] = {
		[RUNDB_DOUBTED_TASK] = "its jobs are judged by what is there, and none is certain",
		[RUNDB_DOUBTED_GUEST] = "execution and causes of its jobs are not certain",
		[RUNDB_DOUBTED_SERVER] =
			"its periods are judged by what is there, and none is certain",
	};
	const struct doubt *d = ctx;
	char words[256];

	if (d->events)
		snprintf(words, sizeof(words),
			"%s CPU %u, of which %llu events are missing, and it is not known when: %s",
			who[what], d->cpu, (unsigned long long)d->events, effect[what]);
	else
		snprintf(words, sizeof(words),
			"%s CPU %u, whose counters of lost events make no sense: %s", who[what],
			d->cpu, effect[what]);
	vmrt_warn("%s: %s", name, words);
	rundb_note(d->a->db, what == RUNDB_DOUBTED_SERVER ? "server" : "task", name, words);
}

/* A loss that has a place in time makes the jobs around it unknown. A loss without a place may have
 * happened at any time, so nothing about its CPU is certain. */
static void doubt_tasks(struct analysis *a)
{
	for (size_t i = 0; a->config.experiment && i < a->config.n_machines; i++) {
		struct vmrt_recorded_machine m;
		struct vmrt_recorded_loss loss;

		vmrt_recording_machine(a->rec, i, &m);
		for (unsigned cpu = 0; cpu < vmrt_dat_info(m.dat)->cpus; cpu++) {
			struct doubt d = {.a = a, .machine = (uint32_t)i, .cpu = cpu};

			vmrt_recording_loss(a->rec, a->engine, i, cpu, &loss);
			d.events = loss.counted + loss.missing;
			if (d.events || vmrt_dat_cpustat(m.dat, cpu).nonsense)
				rundb_mark_doubtful(a->db, d.machine, cpu, note_doubt, &d);
		}
	}
}

static void write_machines(struct analysis *a, struct vmrt_analyze_result *result)
{
	for (size_t i = 0; i < a->config.n_machines; i++) {
		struct vmrt_recorded_machine m;
		struct rundb_machine row;
		const char *base;

		vmrt_recording_machine(a->rec, i, &m);
		base = strrchr(m.path, '/');
		row = (struct rundb_machine){
			.id = (uint32_t)i,
			.name = m.name,
			.kernel = vmrt_dat_info(m.dat)->uname,
			.clock = m.clock,
			.file = base ? base + 1 : m.path,
			.note = m.note,
			.cpus = vmrt_dat_info(m.dat)->cpus,
			.map = m.map,
		};
		vmrt_engine_stats(a->engine, (uint32_t)i, &row.stats);
		row.stats.lost = report_losses(a, i, &result->loss);
		if (row.stats.unrecorded)
			vmrt_warn("%s: events are missing in %llu place%s, though none are counted "
				  "as lost: a CPU did more than it recorded; what happened there "
				  "is unknown",
				m.path, (unsigned long long)row.stats.unrecorded,
				row.stats.unrecorded == 1 ? "" : "s");
		result->lost += row.stats.lost;
		rundb_machine(a->db, &row);
	}
	result->loss |= vmrt_recording_without_host(a->rec);
}

/* What releases a task may be known only at the end of a reading: then everything is read once
 * more. Returns false if the jobs are right as they are. */
static bool must_read_again(struct analysis *a)
{
	const struct vmrt_experiment *exp = a->config.experiment;
	bool again = false;

	if (a->waits || !exp || !exp->n_tasks)
		return false;
	a->waits = calloc(exp->n_tasks, sizeof(*a->waits));
	for (size_t i = 0; a->waits && i < exp->n_tasks; i++) {
		a->waits[i] = vmrt_engine_task_again(a->engine, (uint32_t)i);
		again |= a->waits[i] != VMRT_RELEASE_AUTO;
	}
	return again;
}

/* Finds the guests whose clocks have no known relation to the host's: it is known what they did,
 * but not when on the host's clock. */
static enum vmrt_status find_unrelated(struct analysis *a, struct vmrt_error *err)
{
	const struct vmrt_experiment *exp = a->config.experiment;
	size_t n_tasks = exp ? exp->n_tasks : 0;
	bool any = a->unrelated != NULL; /* the first reading has found them already */

	if (any) {
		rundb_unrelated(a->db, a->unrelated, a->unrelated_of);
		return VMRT_OK;
	}
	a->unrelated = calloc(a->config.n_machines + 1, sizeof(*a->unrelated));
	a->unrelated_of = calloc(n_tasks + 1, sizeof(*a->unrelated_of));
	if (!a->unrelated || !a->unrelated_of)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 1; i < a->config.n_machines; i++) {
		struct vmrt_recorded_machine m;

		vmrt_recording_machine(a->rec, i, &m);
		a->unrelated[i] =
			m.map->n && !strcmp(m.map->segments[0].source, VMRT_CLOCK_UNRELATED);
		if (!a->unrelated[i])
			continue;
		any = true;
		vmrt_warn("%s: nothing relates its clock to the host's: times of %s on the host's "
			  "clock, execution and causes are unknown; record both with `vmrt-trace "
			  "record`, or with `trace-cmd record -A`",
			m.path, m.name);
		for (size_t t = 0; t < n_tasks; t++)
			a->unrelated_of[t] |= !strcmp(exp->tasks[t].machine, m.name);
	}
	if (any)
		rundb_unrelated(a->db, a->unrelated, a->unrelated_of);
	return VMRT_OK;
}

/* Reads all events once; the engine's records go to a new database. */
static enum vmrt_status read_all(struct analysis *a, const char *db_path,
	struct vmrt_analyze_result *result, struct vmrt_error *err)
{
	const struct vmrt_manifest *manifest = vmrt_recording_manifest(a->rec);
	enum vmrt_status status;

	status = rundb_create(db_path, manifest, a->options->stop, &a->db, err);
	if (status != VMRT_OK)
		return status;
	vmrt_recording_config(a->rec, &a->config);
	a->config.waits = a->waits;
	rundb_sink(a->db, &a->sink);
	if (vmrt_recording_without_host(a->rec))
		rundb_without_host(a->db);
	for (size_t i = 0; i < a->config.n_vms; i++)
		rundb_vm(a->db, (uint32_t)i, a->config.vms[i].name, a->config.vms[i].machine,
			manifest && i < manifest->n_vms ? &manifest->vms[i].vm : NULL);
	vm_threads_free(a->threads);
	a->threads = vm_threads_new(&a->config, &a->sink);
	status = a->threads ? find_unrelated(a, err) : vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	if (status == VMRT_OK)
		status = vmrt_engine_new(&a->config, &a->sink, &a->engine, err);
	return status == VMRT_OK ? feed(a, result, err) : status;
}

/*
 * Returns the run's UUID: the recorder's if it wrote one, else a UUID made from the host's
 * recording (a guest's file changes when an analysis writes a better time shift into it). NULL if
 * there is none.
 */
static const char *uuid_of(const struct analysis *a, char *buf)
{
	const struct vmrt_manifest *manifest = vmrt_recording_manifest(a->rec);
	struct vmrt_recorded_machine host;
	struct vmrt_error err;

	if (manifest && manifest->uuid[0])
		return manifest->uuid;
	/* a file that could not be read as a recording may be a link, so it is not opened */
	if (vmrt_recording_without_host(a->rec))
		return NULL;
	vmrt_recording_machine(a->rec, 0, &host);
	if (vmrt_uuid_of_file(host.path, buf, &err) == VMRT_OK)
		return buf;
	vmrt_warn("%s: the run gets no UUID", err.text);
	return NULL;
}

static enum vmrt_status analyze(struct analysis *a, const char *db_path,
	struct vmrt_analyze_result *result, struct vmrt_error *err)
{
	struct vmrt_machine_stats host;
	char uuid[VMRT_UUID_TEXT];
	enum vmrt_status status;
	bool again = false;

	status = read_all(a, db_path, result, err);
	if (status == VMRT_OK) {
		again = must_read_again(a);
		again |= vmrt_recording_begins_late(a->rec);
		again |= vmrt_recording_has_late_pages(a->rec);
		again |= early_ends_find(a->rec, &a->config, a->engine);
	}
	if (again) {
		memset(result, 0, sizeof(*result));
		vmrt_engine_free(a->engine);
		a->engine = NULL;
		rundb_abort(a->db);
		a->db = NULL;
		status = vmrt_recording_rewind(a->rec, err);
		if (status == VMRT_OK)
			status = read_all(a, db_path, result, err);
	}
	if (status != VMRT_OK)
		return status;
	write_machines(a, result);
	rundb_tasks(
		a->db, a->config.experiment, a->config.machines, a->config.n_machines, a->engine);
	doubt_tasks(a);
	status = notes_write(a->rec, &a->config, a->engine, a->db, err);
	if (status != VMRT_OK)
		return status;
	vm_threads_note(a->threads, a->db);
	vmrt_engine_stats(a->engine, 0, &host);
	rundb_run(a->db, a->config.experiment, vmrt_recording_experiment(a->rec), uuid_of(a, uuid),
		a->config.start_ns != VMRT_UNKNOWN ? a->config.start_ns : host.first_ns,
		a->config.end_ns != VMRT_UNKNOWN ? a->config.end_ns : host.last_ns);
	rundb_counts(a->db, &result->jobs, &result->periods);
	status = rundb_finish(a->db, err);
	a->db = NULL;
	return status;
}

/*
 * Writes the relation of the clocks that the analysis found into the guests' files, for other
 * readers: the recorder knew only the pings. Without pings, the map may be made from the file's own
 * time shift, so that stays.
 */
static void refresh_shifts(struct analysis *a)
{
	const struct vmrt_manifest *manifest = vmrt_recording_manifest(a->rec);

	for (size_t i = 1; i < a->config.n_machines; i++) {
		struct vmrt_recorded_machine m;
		bool pinged = false;

		vmrt_recording_machine(a->rec, i, &m);
		for (size_t k = 0; manifest && k < manifest->n_vms; k++)
			pinged |= manifest->vms[k].n_pings &&
				  !strcmp(manifest->vms[k].vm.name, m.name);
		/* a run folder that cannot be written to is no error */
		if (pinged)
			vmrt_dat_refresh_shift(m.dat, m.path, m.map, NULL);
	}
}

/* Finds tasks, if none are declared. This reads the recording once more from its beginning. */
static enum vmrt_status find_tasks(struct analysis *a, struct vmrt_recording_options *again,
	char **text, struct vmrt_error *err)
{
	struct vmrt_engine_config config;
	enum vmrt_status status;
	size_t tasks;

	vmrt_recording_config(a->rec, &config);
	if (config.experiment || config.n_machines > VMRT_DISCOVER_MACHINES)
		return VMRT_OK;
	status = vmrt_recording_found(a->rec, a->options->stop, &tasks, text, err);
	if (status != VMRT_OK)
		return status;
	if (tasks)
		vmrt_say("no tasks are declared: %zu threads behave like tasks and are taken for "
			 "them (vmrt-trace tasks shows them)",
			tasks);
	vmrt_recording_close(a->rec);
	a->rec = NULL;
	*again = a->options->recording;
	again->experiment_text = *text;
	again->stop = a->options->stop;
	return vmrt_recording_open(again, &a->rec, err);
}

/* Returns where the database is written. Only run.db in a run folder may be replaced without a
 * check, because that name belongs to vmrt. */
static enum vmrt_status find_place(
	const struct vmrt_analyze_options *options, char path[PATH_ROOM], struct vmrt_error *err)
{
	const char *host = options->recording.host_file;

	if (options->db && strlen(options->db) >= PATH_ROOM)
		return vmrt_fail(err, VMRT_ERANGE, "%s: the path is too long", options->db);
	if (options->db) {
		strcpy(path, options->db);
		return rundb_check_place(path, err);
	}
	if (!options->recording.run)
		return vmrt_file_kind(host) == VMRT_KIND_TRACE
			       ? vmrt_fail(err, VMRT_EINVAL,
					 "say with -o where the database is to go, as in -o "
					 "NAME.db")
			       : vmrt_fail_file(err, host, "a run or a trace.dat file");
	if (vmrt_path(path, PATH_ROOM, options->recording.run, VMRT_FILE_DB) != VMRT_OK)
		return vmrt_fail(
			err, VMRT_ERANGE, "%s: the path is too long", options->recording.run);
	return VMRT_OK;
}

enum vmrt_status vmrt_analyze(const struct vmrt_analyze_options *options,
	struct vmrt_analyze_result *result, struct vmrt_error *err)
{
	struct vmrt_recording_options recording = options->recording;
	struct analysis a = {.options = options};
	struct vmrt_recording_options again;
	char *found = NULL;
	char db_path[PATH_ROOM];
	enum vmrt_status status;

	memset(result, 0, sizeof(*result));
	status = find_place(options, db_path, err);
	if (status != VMRT_OK)
		return status;
	recording.stop = options->stop;
	status = vmrt_recording_open(&recording, &a.rec, err);
	if (status == VMRT_OK)
		status = find_tasks(&a, &again, &found, err);
	if (status == VMRT_OK)
		status = analyze(&a, db_path, result, err);
	/* after a signal, what failed is of no interest */
	if (status != VMRT_OK && is_stopped(&a))
		status = vmrt_fail(err, VMRT_EINTR,
			"stopped after %llu events; the database is as it was", result->events);
	if (status == VMRT_OK && !options->db)
		refresh_shifts(&a);
	vmrt_engine_free(a.engine);
	rundb_abort(a.db);
	vm_threads_free(a.threads);
	free(a.unrelated);
	free(a.unrelated_of);
	vmrt_recording_close(a.rec);
	free(a.waits);
	free(found);
	return status;
}
