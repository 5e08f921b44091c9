/* SPDX-License-Identifier: MIT */
#ifndef VMRT_RECORD_H
#define VMRT_RECORD_H

/*
 * The output of the engine: records, each exactly once, when it is final.
 *
 * Times are host CLOCK_MONOTONIC ns unless the name says `local`, which is the clock of the
 * record's own machine; VMRT_UNKNOWN is unknown.
 */

#include <stdbool.h>
#include <stdint.h>

#include <vmrt/experiment.h>

#define VMRT_NONE UINT32_MAX /* an index that points at nothing */

#define VMRT_OUTCOME_LIST(X)                                                                       \
	X(MET, "met")                                                                              \
	X(MISSED, "missed")                                                                        \
	X(MISSED_INCOMPLETE, "missed_incomplete")                                                  \
	X(UNKNOWN, "unknown")                                                                      \
	X(TRUNCATED, "truncated")

enum vmrt_outcome {
#define X(name, words) VMRT_OUTCOME_##name,
	VMRT_OUTCOME_LIST(X)
#undef X
};

/*
 * Where the time between a job's arrival and its end went. The parts of a job sum to its response
 * time exactly. HOST_* parts are times in which the vCPU thread was not on a host CPU.
 */
#define VMRT_BLAME_LIST(X)                                                                         \
	X(RELEASE, "release")		  /* timer expired late, or not yet scheduled after it */  \
	X(EXEC, "exec")			  /* own execution, up to the declared WCET */             \
	X(OVERRUN, "overrun")		  /* own execution beyond the declared WCET */             \
	X(INTERFERENCE, "interference")	  /* another guest thread or an earlier job ran */         \
	X(GUEST_OVERRUN, "guest_overrun") /* a declared task ran beyond its WCET */                \
	X(BLOCKING, "blocking")		  /* the task slept inside its job */                      \
	X(BUDGET, "budget")		  /* vCPU waited: its server's budget was used up */       \
	X(SERVER, "server")		  /* vCPU waited: a member of another server ran */        \
	X(HOST_THREAD, "host_thread")	  /* vCPU waited: another host thread ran */               \
	X(WAKEUP, "wakeup")		  /* vCPU waited: its host CPU was idle and came late */   \
	X(VMM, "vmm")			  /* vCPU thread slept although the guest had work */      \
	X(THROTTLING, "throttling")	  /* kernel RT throttling or fair server took the CPU */   \
	X(STEAL, "steal")		  /* the host itself was not running */                    \
	X(IRQ, "irq")			  /* interrupts, where they are recorded */                \
	X(CLOCK, "clock")		  /* difference between the two clocks' response times */  \
	X(UNKNOWN, "unknown")		  /* lost or inferred events */

enum vmrt_blame {
#define X(name, words) VMRT_BLAME_##name,
	VMRT_BLAME_LIST(X)
#undef X
		VMRT_BLAMES
};

#define VMRT_LOSS_LIST(X)                                                                          \
	X(OVERRUN, "overrun")		/* the ring buffer was overwritten or full */              \
	X(DROPPED, "dropped")		/* events could not be written */                          \
	X(BROKEN_CHAIN, "broken_chain") /* a sched_switch is missing */                            \
	X(CLIPPED, "clipped")		/* this CPU's recording begins later or ends earlier */    \
	X(STEAL, "steal")		/* the CPU itself did not run */

enum vmrt_loss_kind {
#define X(name, words) VMRT_LOSS_##name,
	VMRT_LOSS_LIST(X)
#undef X
};

#define VMRT_PERIOD_LIST(X)                                                                        \
	X(SERVED, "served") /* enforced; the members never had to wait because there was no budget \
			     */                                                                    \
	X(DEPLETED, "depleted")	    /* enforced; the budget was used up */                         \
	X(UNENFORCED, "unenforced") /* only declared: nobody enforced it in this recording */      \
	X(UNKNOWN, "unknown")	    /* events were lost in it */                                   \
	X(TRUNCATED, "truncated")   /* the recording begins or ends inside it */

enum vmrt_period_outcome {
#define X(name, words) VMRT_PERIOD_##name,
	VMRT_PERIOD_LIST(X)
#undef X
};

#define VMRT_PHASE_LIST(X)                                                                         \
	X(NONE, "none")	    /* there is no grid */                                                 \
	X(MARKER, "marker") /* the markers of the enforcer say it */                               \
	X(TIMER, "timer")   /* the kernel's period timer */                                        \
	X(FITTED, "fitted") /* where the members' supply begins after they waited */               \
	X(START, "start")   /* begins where the recording begins, because nothing better is known  \
			     */

enum vmrt_phase {
#define X(name, words) VMRT_PHASE_##name,
	VMRT_PHASE_LIST(X)
#undef X
};

/* The rules that a server's supply has to keep; docs/metrics.md says in which windows, and for
 * which policies. */
#define VMRT_RULE_LIST(X)                                                                          \
	X(BUDGET, "budget")	    /* at most the budget in a period */                           \
	X(CARRY_OVER, "carry_over") /* the same in a period after one that left some budget */     \
	X(SLIDING, "sliding")	    /* in any interval as long as the period */                    \
	X(CUMULATIVE, "cumulative") /* in n periods, for servers that carry an overrun on */       \
	X(SUPPLY, "supply")	    /* at least the budget in a period with work throughout */     \
	X(PRIORITY, "priority")	    /* a member with budget does not wait for a lower thread */    \
	X(IDLE_BURN, "idle_burn")   /* periodic: the budget passes with time */                    \
	X(DISCARD, "discard")	    /* polling: the budget is lost when there is no work */        \
	X(CHUNK, "chunk")	    /* sporadic: what was used returns one period later */         \
	X(REPLENISH, "replenish")   /* the budget returns when it is due */                        \
	X(PRESERVE, "preserve")	    /* the budget is not taken away before it is used up */        \
	X(DEPLETED, "depleted")	    /* without budget: hard, does not run; soft, not as real-time */

enum vmrt_rule {
#define X(name, words) VMRT_RULE_##name,
	VMRT_RULE_LIST(X)
#undef X
		VMRT_RULES
};

/** The words for the enumerators above, as run.db has them; never NULL. */
const char *vmrt_outcome_name(enum vmrt_outcome outcome);
const char *vmrt_blame_name(enum vmrt_blame part);
const char *vmrt_loss_name(enum vmrt_loss_kind kind);
const char *vmrt_period_name(enum vmrt_period_outcome outcome);
const char *vmrt_phase_name(enum vmrt_phase source);
const char *vmrt_rule_name(enum vmrt_rule rule);

/* A thread the engine follows: members of VMs and declared tasks. */
struct vmrt_thread {
	uint32_t id; /* dense, from 0, in order of appearance */
	uint32_t machine;
	int32_t tid;
	char comm[VMRT_COMM_MAX];
	uint32_t vm;   /* index of the VM it belongs to, or VMRT_NONE */
	int role;      /* enum vmrt_thread_role if vm is not VMRT_NONE */
	int vcpu;      /* or -1 */
	uint32_t task; /* index of the declared task, or VMRT_NONE */
};

/* A followed thread ran on a CPU. */
struct vmrt_slice {
	uint32_t thread;
	uint16_t cpu;
	int prio; /* kernel priority at switch-out (FIFO p is 99 - p) */
	int64_t start_ns, end_ns;
	int64_t start_local_ns, end_local_ns;
	int64_t uncertainty_ns; /* of the start, when it had to be inferred; else 0 */
	int64_t end_state;	/* prev_state; 0: preempted */
	bool truncated;		/* the recording begins or ends inside it */
};

/* A server, as soon as it is known: from markers, or only declared. */
struct vmrt_server {
	uint32_t id; /* index into the experiment's servers; servers that only markers name come
			behind these */
	char name[VMRT_NAME_MAX];
	uint32_t vm; /* or VMRT_NONE */
	int vcpu;    /* of this vCPU alone; -1: of all */
	enum vmrt_policy policy;
	enum vmrt_depletion depletion;
	int64_t period_ns, budget_ns;
	int priority;
	int64_t phase_ns;      /* a grid point: start of period 0 */
	enum vmrt_phase phase; /* how the phase was found */
	bool enforced;	       /* markers say so */
};

struct vmrt_server_period {
	uint32_t server;
	int64_t k;
	int64_t start_ns, end_ns; /* grid points */
	int64_t budget_ns;
	int64_t consumed_ns;	/* members' run time at the server's priority */
	int64_t background_ns;	/* members' run time below it */
	int64_t replenished_ns; /* when the members were back at the priority, or unknown */
	int64_t first_ns;	/* first supply in the period, or unknown if there was none */
	int64_t depleted_ns;	/* when the members were demoted, or unknown if they were not */
	int64_t waiting_ns;	/* a member was ready but not running */
	int64_t wanted_ns;   /* when a member first wanted to run in the period, or unknown if none
				did */
	int64_t blackout_ns; /* longest time with demand but without any supply; only the part until
				the period's end counts */
	int64_t blackout_at_ns; /* when this longest time began, maybe in an earlier period; unknown
				   if there was none */
	int64_t steal_ns;	/* of consumed: the host itself did not run */
	enum vmrt_period_outcome outcome;
};

/* A window in which a server did not keep a rule. A window about which anything is uncertain is
 * never a violation. */
struct vmrt_violation {
	uint32_t server;
	enum vmrt_rule rule;
	int64_t from_ns, to_ns;
	int64_t measured_ns, allowed_ns, tolerance_ns;
};

/* How often a rule was checked. Without this number it would not be known whether "no violation"
 * means that the rule was kept. Given at the end. */
struct vmrt_check {
	uint32_t server;
	enum vmrt_rule rule;
	int64_t judged, unknown, violations; /* windows; violations are among the judged */
	int64_t worst_ns; /* largest measured - allowed (of supply, preserve: the reverse), may be
			     negative */
	int64_t worst_at_ns; /* where the window of worst_ns begins; both are unknown if no window
				was judged */
	int64_t tolerance_ns;
};

/* The least supply of a server in any window of @length_ns throughout which there was demand. Given
 * at the end. */
struct vmrt_supply_point {
	uint32_t server;
	int64_t length_ns, least_ns;
	int64_t at_ns; /* where the first window with this least supply begins */
};

/* How the host scheduled a VM that has no enforced server. */
struct vmrt_unmanaged {
	uint32_t vm;
	int64_t n; /* distances between starts of supply after waits */
	int64_t period_p10_ns, period_p50_ns, period_p90_ns;
	int64_t supply_p10_ns, supply_p50_ns, supply_p90_ns;
};

/* A thread that ran while a job waited. */
struct vmrt_blamed {
	enum vmrt_blame part;
	uint32_t thread; /* struct vmrt_thread.id */
	int64_t ns;	 /* how long @part lasted because of this thread; other threads that are not
			    listed caused the rest */
};

#define VMRT_BLAMED_MAX 24

struct vmrt_job {
	uint32_t task;	 /* index of the declared task */
	uint32_t thread; /* struct vmrt_thread.id */
	int64_t k;	 /* rises by one for each job of the task, skipped releases included */
	int64_t arrival_ns, release_ns, start_ns, end_ns, deadline_ns;
	int64_t arrival_local_ns, release_local_ns, start_local_ns, end_local_ns;
	int64_t exec_ns;     /* on a guest CPU whose vCPU thread was on a host CPU */
	int64_t response_ns; /* end - arrival in the task's own clock */
	int64_t blame_ns[VMRT_BLAMES];
	struct vmrt_blamed blamed[VMRT_BLAMED_MAX]; /* ordered by part; within a part, the threads
						       whose name ran most come first */
	size_t n_blamed;
	int64_t unsure_ns; /* at most this much of the parts may belong to other parts, because the
			      guest's clock has an error or a switch is missing */
	int64_t excess_ns[VMRT_BLAMES]; /* in the busy period: OVERRUN, GUEST_OVERRUN, STEAL,
					   THROTTLING */
	int preemptions, migrations;
	int64_t skipped;	/* releases lost right before this job */
	int64_t skipped_behind; /* of a task's last job in a recording: releases lost behind this
				   job */
	enum vmrt_outcome outcome;
	int cause;     /* enum vmrt_blame of a miss, or -1 */
	bool excused;  /* a miss that overruns, steal or throttling explain (docs/metrics.md) */
	bool inferred; /* an inferred switch lies in it */
	char woken_by[VMRT_COMM_MAX]; /* if other threads release the task: name of the thread that
					 released this job; else empty */
	int64_t mark_begin_local_ns, mark_end_local_ns; /* the workload's own markers, if any */
};

/** vmrt_job_blamed - the thread that ran most in a part of a job, or VMRT_NONE */
uint32_t vmrt_job_blamed(const struct vmrt_job *job, enum vmrt_blame part);

struct vmrt_loss {
	uint32_t machine;
	uint16_t cpu;
	int64_t from_ns, to_ns;
	uint64_t events; /* 0: not known how many */
	enum vmrt_loss_kind kind;
};

#endif
