/* SPDX-License-Identifier: MIT */
#ifndef VMRT_METRICS_MANY_MANY_H
#define VMRT_METRICS_MANY_MANY_H

/*
 * What is kept of each run where many runs are compared: counts, extremes, and histograms that can
 * be added. These are read from a run's database or from PostgreSQL, where vmrt-report push has
 * stored them; both give the same.
 *
 * The lists below name every column once. Each is a member of a struct here and a column of a table
 * in schema.sql. Kinds: text (or NULL), number (or VMRT_UNKNOWN), real (or NaN), flag.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/uuid.h>

#include "metrics/stats/buckets.h"
#include "metrics/facts/facts.h"

#define MANY_RUN(X)                                                                                \
	X(text, uuid)                                                                              \
	X(text, name)                                                                              \
	X(text, recorded_at)                                                                       \
	X(text, vmrt_version)                                                                      \
	X(text, command)                                                                           \
	X(number, command_status)                                                                  \
	X(flag, hsf)                                                                               \
	X(number, tick_ns)                                                                         \
	X(number, duration_ns)                                                                     \
	X(flag, doubtful) /* events were lost that may have changed outcomes */                    \
	X(text, experiment)                                                                        \
	X(text, origin)	 /* the path it was pushed from */                                         \
	X(text, content) /* SHA-256 of its database */

#define MANY_MACHINE(X)                                                                            \
	X(text, machine)                                                                           \
	X(text, kind)                                                                              \
	X(text, kernel)                                                                            \
	X(number, cpus)                                                                            \
	X(number, events)                                                                          \
	X(number, lost)                                                                            \
	X(number, steal_ns)                                                                        \
	X(number, clock_error_ns)

#define MANY_TASK(X)                                                                               \
	X(number, task_id)                                                                         \
	X(text, machine)                                                                           \
	X(text, task)                                                                              \
	X(number, period_ns)                                                                       \
	X(number, wcet_ns)                                                                         \
	X(number, deadline_ns)                                                                     \
	X(number, priority)                                                                        \
	X(number, jobs)                                                                            \
	X(number, met)                                                                             \
	X(number, missed)                                                                          \
	X(number, excused)                                                                         \
	X(number, unknown)                                                                         \
	X(number, truncated)                                                                       \
	X(number, skipped)                                                                         \
	X(number, longest_run)                                                                     \
	X(number, response_min_ns)                                                                 \
	X(number, response_mean_ns)                                                                \
	X(number, response_p50_ns) /* of the run alone, exact */                                   \
	X(number, response_p99_ns)                                                                 \
	X(number, response_p999_ns)                                                                \
	X(number, response_max_ns)                                                                 \
	X(number, response_jitter_ns)                                                              \
	X(number, release_jitter_ns)                                                               \
	X(number, start_jitter_ns)                                                                 \
	X(number, exec_max_ns)                                                                     \
	X(number, tardiness_max_ns)                                                                \
	X(text, cause)

#define MANY_SERVER(X)                                                                             \
	X(number, server_id)                                                                       \
	X(text, server)                                                                            \
	X(text, vm)                                                                                \
	X(text, policy)                                                                            \
	X(number, period_ns)                                                                       \
	X(number, budget_ns)                                                                       \
	X(number, priority)                                                                        \
	X(flag, enforced)                                                                          \
	X(number, periods)                                                                         \
	X(number, judged)                                                                          \
	X(number, depleted)                                                                        \
	X(number, unknown)                                                                         \
	X(number, truncated)                                                                       \
	X(real, consumed_ratio)                                                                    \
	X(real, received_ratio)                                                                    \
	X(number, overshoot_p99_ns)                                                                \
	X(number, overshoot_max_ns)                                                                \
	X(number, latency_p99_ns)                                                                  \
	X(number, latency_max_ns)                                                                  \
	X(number, blackout_max_ns)                                                                 \
	X(number, supply_jitter_ns)                                                                \
	X(number, windows)                                                                         \
	X(number, windows_unknown)                                                                 \
	X(number, violations)

#define MANY_TASK_METRICS(X) X(response) X(exec) X(release) X(start) X(tardiness)
#define MANY_SERVER_METRICS(X) X(overshoot) X(latency)

typedef char *many_text;
typedef int64_t many_number;
typedef double many_real;
typedef bool many_flag;

#define MANY_MEMBER(kind, name) many_##kind name;
#define MANY_HISTOGRAM(name) struct vmrt_buckets name;

struct many_machine {
	MANY_MACHINE(MANY_MEMBER)
};

struct many_task {
	MANY_TASK(MANY_MEMBER)
	MANY_TASK_METRICS(MANY_HISTOGRAM)
	char *label; /* MACHINE/NAME */
};

struct many_server {
	MANY_SERVER(MANY_MEMBER)
	MANY_SERVER_METRICS(MANY_HISTOGRAM)
};

struct many_run {
	MANY_RUN(MANY_MEMBER)
	char *host; /* or NULL */
	int64_t id; /* in PostgreSQL */
	struct many_machine *machines;
	size_t n_machines;
	struct many_task *tasks;
	size_t n_tasks;
	struct many_server *servers;
	size_t n_servers;
};

/** many_database - is @word the URI of a database, and no path? */
bool many_database(const char *word);

/**
 * many_find - the runs that a word of the command line means
 * @word: a run folder, a database file, or a folder with run folders in it
 * @out: the runs are appended, those of one folder sorted by name; the caller frees the strings
 *
 * Return: VMRT_OK; VMRT_ENOENT if @word means no run; VMRT_ENOMEM.
 */
enum vmrt_status many_find(const char *word, char ***out, size_t *n, struct vmrt_error *err);

/**
 * many_identity - what distinguishes a run from others: its UUID, and the digest of its database
 * @uuid: of VMRT_UUID_TEXT bytes
 * @content: of 65 bytes
 *
 * Return: VMRT_OK; VMRT_EFORMAT if the run has no UUID; errors of vmrt_db_open().
 */
enum vmrt_status many_identity(const char *run, char *uuid, char *content, struct vmrt_error *err);

/**
 * many_load - read from the database of a run what is kept of it
 * @filter: as for vmrt_facts_load(); NULL: everything
 * @out: free with many_free()
 */
enum vmrt_status many_load(const char *run, const struct vmrt_filter *filter, struct many_run **out,
	struct vmrt_error *err);

/** many_free - free a run; NULL is allowed */
void many_free(struct many_run *run);

#endif
