/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TESTS_SRV_H
#define VMRT_TESTS_SRV_H

/*
 * A simulator of server policies: host CPUs, vCPU threads with random demand, and an enforcer in
 * user space, or the kernel, that gives them budgets by the rules of a policy, with latencies. It
 * can break a rule on purpose. It writes the events and a log of who had what when; all truth is
 * worked out from that log.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vmrt/engine.h>

#include "tests/sim/sim.h"

#define SRV_MAX 3
#define SRV_CPUS 2
#define SRV_MEMBERS 2
#define SRV_THREADS 24
#define SRV_TIMERS 64
#define SRV_CHUNKS 256

#define FAIR 120
#define FIFO(p) (99 - (p))
#define DL_PRIO (-1)
#define TICK_NS (4 * MS)
#define CFS_SLICE_NS (5 * MS)
#define EPSILON (250 * US) /* documented: tolerance for an enforcer in user space */

/* What is done wrong, once or all the time. */
#define SRV_FAULTS(X)                                                                              \
	X(NONE, "none")                                                                            \
	X(OVERRUN, "overrun")		  /* a depletion comes late */                             \
	X(LATE, "late")			  /* a replenishment comes late */                         \
	X(SKIP, "skip")			  /* one does not come */                                  \
	X(KEEP_PRIORITY, "keep-priority") /* depleted in words only */                             \
	X(EARLY, "early")		  /* the budget is taken away too early */                 \
	X(KEEP_BUDGET, "keep-budget")	  /* periodic, polling: kept while there is no work */     \
	X(CARRY, "carry")		  /* what is left of a period is added to the next */      \
	X(CHUNK_EARLY, "chunk-early")	  /* sporadic: a chunk returns early */                    \
	X(CHUNK_MORE, "chunk-more")	  /* sporadic: more than was used returns */               \
	X(ORDER, "order")		  /* the lower of two servers goes first */                \
	X(NOT_RAISED, "not-raised")	  /* replenished in words only */                          \
	X(RECLAIM, "reclaim")		  /* the kernel gives more than it should */

enum srv_fault {
#define X(name, words) FAULT_##name,
	SRV_FAULTS(X)
#undef X
		SRV_N_FAULTS
};

struct srv_case {
	uint64_t seed;
	enum vmrt_policy policy; /* NONE: unmanaged */
	enum srv_fault fault;
	bool hard, shared, markers, late_start, lossy;
	struct sim_kernel kernel; /* that writes the events */
	bool remote;	  /* a CPU leaves half of a wake-up to the one where the thread is to run */
	int64_t clock_ns; /* the record clock of each CPU is known only so well; 0: exactly */
	bool nudges; /* hard: threads that sleep are woken up to be stopped, as a signal does it */
	int servers, cpus;
	int64_t duration_ns;
};

struct srv_event {
	struct vmrt_event ev;
	size_t order;
	char text[160];
};

/* One state of a server's members, from one change to the next. */
struct srv_segment {
	int64_t from_ns, to_ns;
	int8_t running, ready, wanting;
	bool budget;   /* by the enforcer's words, or the kernel's priority */
	bool selected; /* nobody above has or could have its CPU */
	int8_t as_rt;  /* of running: at a real-time priority */
	bool lower;    /* one that has budget waits for less than the server */
};

struct srv_word {
	bool replenish;
	int64_t now_ns, at_ns, amount_ns, k;
	int64_t due_ns; /* at, or as soon as it can be */
};

/* A run behind a depletion, at the server's priority, as the switch at its end shows. */
struct srv_over {
	int64_t from_ns, to_ns;
};

struct srv_log {
	struct srv_over *overs;
	size_t n_overs, overs_room;
	struct srv_segment *segments;
	size_t n, room;
	struct srv_word *words;
	size_t n_words, words_room;
	int64_t *borders; /* nominal begins of periods */
	size_t n_borders, borders_room;
	int64_t t0;
	int64_t fault_ns;   /* when a rule was broken last; 0: never */
	int64_t visible_ns; /* run time at a real-time priority without budget that switches show */
};

/* Starts of supply of a vCPU thread, for the natural period. */
struct srv_unmanaged {
	int64_t *periods, *supplies;
	size_t n, room, supplies_room;
};

struct srv_result {
	struct srv_case c;
	struct vmrt_experiment exp;
	struct vmrt_server_spec specs[SRV_MAX];
	struct vmrt_engine_machine machine;
	struct vmrt_vm_thread threads[SRV_MAX][SRV_MEMBERS];
	struct vmrt_engine_vm vms[SRV_MAX];
	char names[SRV_MAX][16];
	int cpus[SRV_MAX]; /* of the first members */
	struct vmrt_engine_config config;
	struct srv_event *events;
	size_t n_events, events_room;
	struct srv_log logs[SRV_MAX];
	struct srv_unmanaged unmanaged[SRV_MAX];
	int64_t start_ns, end_ns;
	int64_t hole_from_ns, hole_to_ns; /* lossy: nothing is recorded of a CPU between them */
	bool alone, quiet;		  /* one server per CPU; no real-time threads of the host */
};

struct srv_result *srv_run(const struct srv_case *c);
void srv_free(struct srv_result *r);

/* What a case has shown. */
struct srv_seen {
	int violations, fitted;
	unsigned rules; /* bits: violated */
	int64_t judged[VMRT_RULES];
};

int srv_check(const struct srv_result *r, FILE *out, int show, struct srv_seen *seen);
const char *srv_fault_name(enum srv_fault fault);
/** srv_draw_kernel - which kernel writes the events of a case, and by which clock */
void srv_draw_kernel(struct srv_case *c, uint64_t *state);

#endif
