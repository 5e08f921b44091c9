/* SPDX-License-Identifier: MIT */
#ifndef VMRT_GRASP_EXPORT_EXPORT_H
#define VMRT_GRASP_EXPORT_EXPORT_H

/* The options of vmrt-export, its output files, and its formats. */

#include <stdio.h>

#include <vmrt/option.h>
#include <vmrt/status.h>

#include "metrics/figures/figures.h"

#define EXPORT_NAMES_MAX 256

struct export_options {
	int format; /* index into the list of formats, 0: none */
	const char *runs[VMRT_FIGURE_RUNS];
	size_t n_runs;
	const char *tasks[EXPORT_NAMES_MAX], *servers[EXPORT_NAMES_MAX];
	size_t n_tasks, n_servers;
	int64_t from_ns, to_ns; /* after the run's start, or VMRT_UNKNOWN */
	int64_t around_misses;	/* VMRT_UNKNOWN: not asked for */
	const char *output;
	bool compare;
	/* options of single formats */
	const char *table;
	enum vmrt_figure_kind figure;
	enum vmrt_svg_theme theme;
	double width;
	bool mm;
	int axis;		     /* 1: ticks */
	int64_t max_events, unit_ns; /* unit_ns: VMRT_UNKNOWN: not asked for */
	bool split;
};

/* When the run began and ended, and when its first job arrived. */
struct export_times {
	int64_t start_ns, end_ns, first_job_ns;
	char name[128];
};

/** export_times - read the times of a run; VMRT_EFORMAT if nothing ran in it */
enum vmrt_status export_times(
	struct vmrt_db *db, struct export_times *times, struct vmrt_error *err);

/** export_names_found - VMRT_ENOENT if a task or server that was named is not in the run */
enum vmrt_status export_names_found(
	struct vmrt_db *db, const struct export_options *options, struct vmrt_error *err);

/**
 * export_select - complete the selection of tasks and servers, so that it is the same for all
 * formats
 *
 * Where only tasks are named, the servers of their VMs are added; where only servers are, the tasks
 * of their VMs. The names that are added live as long as the program.
 */
enum vmrt_status export_select(struct export_options *options, struct vmrt_error *err);

/** export_wanted - the options that all formats share */
struct vmrt_tl_wanted export_wanted(const struct export_options *options);

/** struct export_output - a file that has its name only when it is whole */
struct export_output {
	FILE *out;
	const char *path; /* NULL: standard output */
	char *beside;	  /* the temporary name under which the file is written, or NULL */
	char *name;	  /* the memory of @path if this is one of several files, to be freed */
};

/** export_open - begin to write @path; NULL or "-": standard output */
enum vmrt_status export_open(
	struct export_output *output, const char *path, struct vmrt_error *err);

/**
 * export_close - end writing, and give the file its name if @status is VMRT_OK and no signal asked
 * to stop
 *
 * Return: @status, or what went wrong: VMRT_EIO, VMRT_EINTR.
 */
enum vmrt_status export_close(
	struct export_output *output, enum vmrt_status status, struct vmrt_error *err);

/** struct export_files - numbered files, FILE-1 and so on, that have their names only when all are
 * whole. Before the first call, set @path, and everything else to 0 */
struct export_files {
	const char *path; /* FILE */
	struct export_output *all;
	size_t n;
};

/** export_files_next - end the file before, and begin the next one */
enum vmrt_status export_files_next(struct export_files *files, FILE **out, struct vmrt_error *err);

/** export_files_end - do for all files what export_close() does for one; @files->n is the number of
 * files */
enum vmrt_status export_files_end(
	struct export_files *files, enum vmrt_status status, struct vmrt_error *err);

/* A format writes one run, or several, to @out. */
typedef enum vmrt_status (*export_writer)(
	const struct export_options *options, FILE *out, struct vmrt_error *err);

/** export_around_misses - have @write write a file for each of the first misses */
enum vmrt_status export_around_misses(
	const struct export_options *options, export_writer write, struct vmrt_error *err);

/* The formats: each writes one run, or several, to @out. */
enum vmrt_status export_grasp(
	const struct export_options *options, FILE *out, struct vmrt_error *err);
enum vmrt_status export_svg(
	const struct export_options *options, FILE *out, struct vmrt_error *err);
enum vmrt_status export_pdf(
	const struct export_options *options, FILE *out, struct vmrt_error *err);
enum vmrt_status export_png(
	const struct export_options *options, FILE *out, struct vmrt_error *err);
enum vmrt_status export_html(
	const struct export_options *options, FILE *out, struct vmrt_error *err);
enum vmrt_status export_perfetto(
	const struct export_options *options, FILE *out, struct vmrt_error *err);
enum vmrt_status export_st(const struct export_options *options, FILE *out, struct vmrt_error *err);
enum vmrt_status export_csv(
	const struct export_options *options, FILE *out, struct vmrt_error *err);

#endif
