/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GRASP_EXPORT_GRASP_H
#define VMRT_GRASP_EXPORT_GRASP_H

/* A part of a run as a Grasp trace: a Tcl script of declarations and events. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vmrt/rundb.h>
#include <vmrt/status.h>
#include <vmrt/units.h>

#define VMRT_GRASP_SPAN 10000 /* units on the time axis; the player slows down beyond */

struct vmrt_grasp_options {
	int64_t from_ns, to_ns; /* host clock */
	size_t max_events;
	int64_t unit_ns; /* of the axis; VMRT_UNKNOWN: the finest one with VMRT_GRASP_SPAN units at
			    most */
	const char *const *tasks, *const *servers; /* names; none: all */
	size_t n_tasks, n_servers;
	const char *title; /* of the run */
	int64_t start_ns;  /* of the run, for the times in the header */
};

/* A CPU of a machine: a window of the player if there are several. */
struct grasp_cpu {
	int64_t machine, cpu;
	char *machine_name;
};

struct grasp_event {
	int64_t time; /* thousandths of a unit */
	size_t order; /* the number of the event, by which events of one time keep their order */
	/* index of the CPU, for an event whose window the player cannot find itself; -1: any other
	 * event */
	int cpu;
	char *text; /* behind the time */
};

/* Tasks and vCPU threads, each a row. */
struct grasp_row {
	int64_t task, thread; /* of the database; task is VMRT_UNKNOWN for vCPU threads */
	int64_t machine;      /* of a task, or VMRT_UNKNOWN */
	char *name;
	bool *cpus; /* by index of the CPU: the row ran on it */
	int first_cpu;
};

struct grasp_server {
	int64_t id, vm;
	char *name;
	int64_t capacity; /* units */
	int cpu;
	int64_t vcpu; /* the server serves this vCPU alone; VMRT_UNKNOWN: all vCPUs of the VM */
};

struct grasp {
	const struct vmrt_grasp_options *options;
	struct vmrt_db *db;
	struct vmrt_error *err;
	enum vmrt_status status; /* of the first failure; VMRT_ERANGE: far too many events */
	int64_t from_ns, to_ns, unit_ns;
	int64_t end; /* end of the axis in units */
	struct grasp_cpu *cpus;
	size_t n_cpus;
	bool several; /* a machine has more than one CPU here: rows are split by CPU */
	struct grasp_row *rows;
	size_t n_rows;
	struct grasp_server *servers;
	size_t n_servers;
	char **early; /* jobs that had arrived before the window, to be declared: "JOB TASK" */
	size_t n_early;
	struct grasp_event *events;
	size_t n_events, room;
};

/**
 * vmrt_grasp_export - write a part of a run
 * @out: where to
 * @shown_to_ns: where the part ends, earlier than asked for when it has more than
 * @options->max_events
 *
 * Return: VMRT_OK, VMRT_EDB, VMRT_ENOMEM; VMRT_ERANGE if not even the shortest part has so few
 * events.
 */
enum vmrt_status vmrt_grasp_export(struct vmrt_db *db, const struct vmrt_grasp_options *options,
	FILE *out, int64_t *shown_to_ns, struct vmrt_error *err);

/** grasp_name - copy @text without anything that Tcl, Tk or the player would interpret */
void grasp_name(const char *text, char *buf, size_t room);

/* The rest is used only within this folder. */

/** grasp_query - begin a query; it has no rows if something failed before */
struct vmrt_query grasp_query(struct grasp *g, const char *sql);

/** grasp_end - end a query; if the query failed, the export fails */
void grasp_end(struct grasp *g, struct vmrt_query *q);

void grasp_no_memory(struct grasp *g);

/** grasp_emit - add an event; @time in thousandths of a unit; @cpu: see struct
 * grasp_event */
void grasp_emit(struct grasp *g, int64_t time, int cpu, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** grasp_time - @ns on the axis in thousandths of a unit, within the window */
int64_t grasp_time(const struct grasp *g, int64_t ns);

/** vmrt_grasp_wanted - is @name, or the part of @name that follows "MACHINE/", one of @names?
 * Without names, everything is wanted */
bool vmrt_grasp_wanted(const char *const *names, size_t n, const char *name);

/** grasp_cpu - the index of a CPU, or 0 if the CPU is not known */
int grasp_cpu(const struct grasp *g, int64_t machine, int64_t cpu);

/** grasp_id - id of row @row on CPU @cpu: "t3" or "t3c1"; @buf has 32 bytes */
const char *grasp_id(const struct grasp *g, size_t row, int cpu, char *buf);

void grasp_add_rows(struct grasp *g);	 /* jobs and slices of tasks, slices of vCPUs */
void grasp_add_servers(struct grasp *g); /* budgets */
void grasp_write(const struct grasp *g, const struct vmrt_grasp_options *options, FILE *out);

#endif
