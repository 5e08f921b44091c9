/* SPDX-License-Identifier: MIT */
#ifndef VMRT_WORKLOAD_LOAD_H
#define VMRT_WORKLOAD_LOAD_H

/* What the files of vmrt-load share: counted work, its calibration, the tasks, their log. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vmrt/experiment.h>
#include <vmrt/marks.h>
#include <vmrt/status.h>

#define LOAD_UNIT_ITERATIONS                                                                       \
	256 /* of the loop in one unit of work, which takes less than a microsecond without a VM   \
	     */
#define LOAD_CALIBRATION_MAX (1 << 20) /* bytes; a calibration file is a few KiB */
#define LOAD_SAMPLES_MAX 100000

/* Work, counted in units */

/** load_work - do @units units of work, whatever time that takes */
void load_work(uint64_t units);

/* Calibration */

/*
 * How long equal pieces of work took. All measured times are kept: any percentile can be computed
 * from them later, and the result of each run that uses the calibration includes their
 * distribution.
 */
struct load_calibration {
	uint64_t sample_units; /* work in one sample */
	uint64_t attempts;     /* how many measurements were made until the speed was steady */
	size_t n;
	int64_t *sample_ns; /* sorted, shortest first */
};

/**
 * load_calibration_measure - time many samples of about 8 ms, about 2.6 s in all; repeat this if
 * the speed was not steady
 * @out: free with load_calibration_free()
 *
 * The caller must have the scheduling policy that the tasks will have. The samples are timed
 * with CLOCK_MONOTONIC: anything else that runs on this CPU, or on the host's CPU below it, makes
 * them longer.
 *
 * Return: VMRT_OK; VMRT_EINTR if a stop was requested; VMRT_ENOMEM.
 */
enum vmrt_status load_calibration_measure(struct load_calibration *out, struct vmrt_error *err);

/**
 * load_calibration_read - read what load_calibration_write() wrote
 *
 * Return: VMRT_OK; VMRT_ENOENT; VMRT_EFORMAT naming the line; VMRT_EMISMATCH if the file's units of
 * work are not those of this program; or an error of reading.
 */
enum vmrt_status load_calibration_read(
	const char *path, struct load_calibration *out, struct vmrt_error *err);

/** load_calibration_write - write @cal as lines `key = value` */
enum vmrt_status load_calibration_write(
	const char *path, const struct load_calibration *cal, struct vmrt_error *err);

/** load_calibration_is_steady - false if the 99th percentile is far above the median */
bool load_calibration_is_steady(const struct load_calibration *cal);

/** load_calibration_free - free what belongs to @cal, not @cal */
void load_calibration_free(struct load_calibration *cal);

/**
 * load_percentile - nearest-rank percentile: the least value that @percent % of all do not exceed
 * @sorted: values, least first
 * @n: how many, > 0
 * @percent: above 0, up to 100
 */
int64_t load_percentile(const int64_t *sorted, size_t n, double percent);

/** load_ns_per_unit - time per unit of work in the sample at @percent */
double load_ns_per_unit(const struct load_calibration *cal, double percent);

/** load_units_for - the work of a job in units: as many as fit into @ns * @scale at @ns_per_unit,
 * at least 1 */
uint64_t load_units_for(int64_t ns, double scale, double ns_per_unit);

/** load_calibration_print - min, p50 ... max as lines "PREFIXkey = value" */
void load_calibration_print(const struct load_calibration *cal, const char *prefix, FILE *out);

/* Tasks */

struct load_job {
	int64_t begin_ns; /* CLOCK_MONOTONIC, as all times here */
	int64_t end_ns;
	int64_t cpu_ns; /* CPU time of the thread from begin to end; in a guest it includes stolen
			   time */
};

struct load_task {
	const struct vmrt_task_spec *spec;
	uint64_t work_units; /* of each job */
	uint64_t n_planned;
	uint64_t n_done;       /* valid once the task's thread has ended */
	struct load_job *jobs; /* n_planned */
};

struct load_set {
	const char *machine;
	struct load_task *tasks;
	size_t n;
	int64_t t0_ns; /* origin of the grid, known after load_run() */
	bool rt;       /* SCHED_FIFO and locked memory */
	int stopped;   /* number of the signal that ended the run early, or 0 */
};

/** load_grid_origin - the origin for a run that is prepared at @now_ns: a short time later, at a
 * multiple of 10 ms
 */
int64_t load_grid_origin(int64_t now_ns);

/** load_arrival - nominal release of job @k of @task on the grid from @t0_ns */
int64_t load_arrival(const struct vmrt_task_spec *task, int64_t t0_ns, uint64_t k);

/** load_job_count - how many jobs of @task are released before @duration_ns has passed */
uint64_t load_job_count(const struct vmrt_task_spec *task, int64_t duration_ns);

/**
 * load_pick_machine - choose the machine whose tasks are run
 * @wanted: name given by the user, or NULL
 * @hostname: chosen if @wanted is NULL and the file has tasks for this name; otherwise the only
 * machine of the file is chosen
 * @out: points into @exp
 *
 * Return: VMRT_OK, or VMRT_ENOENT with an error that lists the machines there are.
 */
enum vmrt_status load_pick_machine(const struct vmrt_experiment *exp, const char *wanted,
	const char *hostname, const char **out, struct vmrt_error *err);

/**
 * load_set_make - the tasks of @machine, with memory for the log of all their jobs
 * @n_jobs: jobs of each task, or 0 for as many as are released within @duration_ns
 * @out: free with load_set_free(); its tasks point into @exp
 *
 * Return: VMRT_OK, VMRT_ENOENT if no job would be released, VMRT_ERANGE or VMRT_ENOMEM.
 */
enum vmrt_status load_set_make(const struct vmrt_experiment *exp, const char *machine,
	int64_t duration_ns, uint64_t n_jobs, struct load_set *out, struct vmrt_error *err);

/** load_set_free - free what belongs to @set, not @set */
void load_set_free(struct load_set *set);

/**
 * load_make_realtime - lock the memory and take SCHED_FIFO at @priority
 *
 * Return: VMRT_OK, or VMRT_EPERM with an error that names the permission that is missing.
 */
enum vmrt_status load_make_realtime(int priority, struct vmrt_error *err);

/** load_make_ordinary - back to SCHED_OTHER */
void load_make_ordinary(void);

/**
 * load_run - run all jobs of @set, or those that began before a stop was requested
 * @marker: where begin and end of the jobs are marked; may be NULL
 */
enum vmrt_status load_run(
	struct load_set *set, const struct vmrt_marker *marker, struct vmrt_error *err);

/* Log */

/** load_log_write - the header lines of @set and a CSV row for every job that was done */
void load_log_write(const struct load_set *set, const struct load_calibration *cal, double percent,
	double scale, FILE *out);

#endif
