/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DISCOVER_LOCAL_H
#define VMRT_PARSER_DISCOVER_LOCAL_H

/* What was seen of each thread. */

#include <uthash.h>

#include <vmrt/discover.h>

#define SAMPLES 256 /* kept of each thread; if there are more, every 2^skip-th one is kept */

/* A limited number of values: every 2^skip-th one is kept. Most threads of a machine are
 * short-lived, so memory is allocated only as values come. */
struct samples {
	int64_t *value;
	unsigned n, skip, room;
	uint64_t seen;
};

struct seen_thread {
	int32_t tid; /* the hash's key */
	char comm[VMRT_COMM_MAX];
	int32_t prio;
	unsigned cpu;
	bool skipped;
	bool running, awake; /* awake: a job is under way */
	int64_t since_ns;    /* beginning of the present run */
	int64_t run_ns, job_ns, longest_ns;
	uint64_t jobs, by[VMRT_WAKERS];
	int64_t arrival_ns; /* arrival of the last job, or VMRT_UNKNOWN */
	struct samples gaps, execs;
	char waker[VMRT_COMM_MAX]; /* the thread that woke it most, by majority vote */
	int64_t votes;
	UT_hash_handle hh;
};

struct seen_timer {
	uint64_t timer; /* the hash's key */
	int64_t expires;
	int32_t armed_by;
	bool relative;
	UT_hash_handle hh;
};

/* The timer that expired last on a CPU; another event of that CPU ends its effect. */
struct seen_cpu {
	bool expiring, relative;
	bool hard; /* it expired in the interrupt itself, not in a softirq or a thread */
	enum vmrt_timer_fn fn;
	int64_t arrival_ns;
	int32_t armed_by;
};

struct seen_machine {
	struct seen_thread *threads;
	struct seen_timer *timers;
	struct seen_cpu *cpus;
	unsigned n_cpus;
	int64_t first_ns, last_ns;
	bool has_switches, has_wakings;
};

struct vmrt_discovery {
	struct seen_machine *machines;
	size_t n_machines;
};

#endif
