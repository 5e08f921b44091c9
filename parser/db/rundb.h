/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DB_RUNDB_H
#define VMRT_PARSER_DB_RUNDB_H

/* Writes run.db: a sink of the engine, and the tables about the recording itself. */

#include <stdbool.h>

#include <vmrt/clock.h>
#include <vmrt/dat.h>
#include <vmrt/engine.h>
#include <vmrt/manifest.h>

struct rundb;

struct rundb_machine {
	uint32_t id;
	const char *name, *kernel, *clock, *file, *note; /* any of the last four may be NULL */
	unsigned cpus;
	struct vmrt_machine_stats stats;
	const struct vmrt_clockmap *map; /* NULL for the host */
};

/**
 * rundb_check_place - may a database take the place of what is at @path?
 *
 * Return: VMRT_OK if nothing is there, or a database of vmrt; VMRT_EEXIST if a file of another
 * kind is there, which a mistyped name would destroy.
 */
enum vmrt_status rundb_check_place(const char *path, struct vmrt_error *err);

/**
 * rundb_create - begin a database beside @path
 * @path: where the database will be after rundb_finish()
 * @manifest: of the run, kept by reference; may be NULL
 * @stop: if it returns true, rundb_finish() gives up; or NULL
 * @out: end with rundb_finish() or rundb_abort()
 */
enum vmrt_status rundb_create(const char *path, const struct vmrt_manifest *manifest,
	int (*stop)(void), struct rundb **out, struct vmrt_error *err);

/** rundb_sink - the sink that writes the engine's records; failures show at rundb_finish() */
void rundb_sink(struct rundb *db, struct vmrt_sink *sink);

/**
 * rundb_unrelated - name the machines whose clocks have no known relation to the host's
 * @machines: by machine; @tasks: by declared task, whether it runs on such a machine; both are kept
 * by reference
 *
 * Host times of their jobs become NULL, and so do the values that follow from them: execution,
 * cause and parts. Their slices are left out.
 */
void rundb_unrelated(struct rundb *db, const bool *machines, const bool *tasks);

/** rundb_without_host - take note that nothing of the host was recorded: executions and causes are
 * unknown */
void rundb_without_host(struct rundb *db);

/** rundb_run - write the row of table run; @exp may be NULL; @experiment: the file's text or NULL;
 * @uuid: of the run, or NULL */
void rundb_run(struct rundb *db, const struct vmrt_experiment *exp, const char *experiment,
	const char *uuid, int64_t start_ns, int64_t end_ns);

/** rundb_vm - write a row of table vm; @machine: VMRT_NONE without a guest recording; @info may be
 * NULL */
void rundb_vm(struct rundb *db, uint32_t id, const char *name, uint32_t machine,
	const struct vmrt_vm *info);

/** rundb_tasks - write all declared tasks; @machines: which of them were recorded; @engine: has
 * found how the tasks are released, and what contradicts their declarations */
void rundb_tasks(struct rundb *db, const struct vmrt_experiment *exp,
	const struct vmrt_engine_machine *machines, size_t n_machines,
	const struct vmrt_engine *engine);

/** rundb_machine - write a row of table machine and the rows of its clock */
void rundb_machine(struct rundb *db, const struct rundb_machine *machine);

/** rundb_event - write how often machine @machine recorded an event */
void rundb_event(struct rundb *db, uint32_t machine, const struct vmrt_event_count *e);

/**
 * rundb_note - write a remark that reports show
 * @about: "machine", "task" or "server"
 * @name: of the machine, MACHINE/NAME of the task, or the server's
 */
void rundb_note(struct rundb *db, const char *about, const char *name, const char *words);

enum rundb_doubted {
	RUNDB_DOUBTED_TASK,  /* a task that ran on that CPU */
	RUNDB_DOUBTED_GUEST, /* a task of a guest one of whose vCPUs ran on that CPU */
	RUNDB_DOUBTED_SERVER /* a server of such a guest */
};

/**
 * rundb_mark_doubtful - mark all tasks and servers that lost events of @cpu may concern
 * @each: called with the name of each of these tasks (MACHINE/NAME) and servers
 *
 * Used where it is not known when the events were lost, so that no time can be left out instead.
 */
void rundb_mark_doubtful(struct rundb *db, uint32_t machine, unsigned cpu,
	void (*each)(void *ctx, enum rundb_doubted what, const char *name), void *ctx);

/** rundb_counts - how many jobs and server periods were written so far */
void rundb_counts(const struct rundb *db, unsigned long long *jobs, unsigned long long *periods);

/** rundb_finish - make indices and views, commit, and rename the file; frees @db */
enum vmrt_status rundb_finish(struct rundb *db, struct vmrt_error *err);

/** rundb_abort - remove the unfinished database and free @db; NULL is allowed */
void rundb_abort(struct rundb *db);

#endif
