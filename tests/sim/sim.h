/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TESTS_SIM_H
#define VMRT_TESTS_SIM_H

/*
 * A discrete-event simulator of a host that runs virtual machines. It writes what the engine is
 * fed, and together with it what is true: the truth is added up interval by interval from who runs
 * where, never from the events.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <vmrt/engine.h>

#define US VMRT_NS_PER_US
#define MS VMRT_NS_PER_MS
#define NEVER INT64_MAX

#define SIM_GUESTS 2
#define SIM_CPUS 3
#define SIM_THREADS 24
#define SIM_TASKS 6
#define SIM_TIMERS 64
#define SIM_OPS 96
#define SIM_PENDING 512

#define SIM_FEATURES(X)                                                                            \
	X(SMP_HOST, "smp-host") /* two or three host CPUs */                                       \
	X(TWO_GUESTS, "two-guests")                                                                \
	X(SMP_GUEST, "smp-guest")	    /* guests with two CPUs */                             \
	X(MIGRATE, "migrate")		    /* host threads move between CPUs */                   \
	X(GUEST_MIGRATE, "guest-migrate")   /* guest threads do */                                 \
	X(SERVERS, "servers")		    /* an enforcer with markers */                         \
	X(LATE_DEPLETION, "late-depletion") /* markers of depletion behind the period's end */     \
	X(HOGS, "hogs")			    /* fair threads that always run */                     \
	X(HOST_RT, "host-rt")		    /* real-time threads on the host with random bursts */ \
	X(HOST_TASKS, "host-tasks")	    /* declared tasks on the host */                       \
	X(GUEST_LOAD, "guest-load")	    /* undeclared threads in the guests */                 \
	X(MAIN_LOOP, "main-loop")	    /* a main-loop thread delivers the guests' timers */   \
	X(BLOCKING, "blocking")		    /* sleeps and lock waits inside jobs */                \
	X(OVERRUN, "overrun")		    /* execution beyond the WCET, long backlogs */         \
	X(SKIP, "skip")			    /* late tasks leave releases out */                    \
	X(RESPAWN, "respawn")		    /* tasks end and their thread ids are used again */    \
	X(LATE_TIMERS, "late-timers")	    /* guest timers that fire very late */                 \
	X(STEAL, "steal")		    /* host CPUs that do not run for a while */            \
	X(THROTTLE, "throttle")		    /* real-time throttling of host CPUs */                \
	X(DRIFT, "drift")		    /* guest clocks of another rate */                     \
	X(CLOCK_ERROR, "clock-error")	    /* a clock map that is wrong within its bound */       \
	X(MECHANISMS, "mechanisms") /* tasks wait for their releases in every way there is */      \
	X(UNDECLARED, "undeclared") /* tasks whose period nobody declared */                       \
	X(SUSPEND, "suspend")	    /* tasks are stopped, or suspended by a server of theirs */    \
	X(INHERIT, "inherit")	    /* who holds a lock inherits the priority of who waits */      \
	X(RENAME, "rename")	    /* threads of tasks change their name for a while */           \
	X(CLIPPED, "clipped")	    /* the recordings of some CPUs begin later, or end earlier */  \
	X(LATE_START, "late-start") /* the recording begins while all is running */                \
	X(LOSS, "loss")		    /* events of a CPU are lost, and counted */                    \
	X(BROKEN, "broken")	    /* switches are missing, and not counted */                    \
	X(RECORD_CLOCK, "record-clock") /* machines are recorded in other clocks than mono */      \
	X(CATCH_UP, "catch-up")		/* late tasks go on with their next job without a sleep */

enum sim_feature {
#define X(name, words) SIM_##name,
	SIM_FEATURES(X)
#undef X
		SIM_N_FEATURES
};

/* Generations of kernels, by what a recording shows of them. */
#define SIM_GENERATIONS(X)                                                                         \
	X(3_10, "3.10")	      /* no sched_waking, no mode in hrtimer_start */                      \
	X(4_4, "4.4")	      /* no mode in hrtimer_start */                                       \
	X(4_19, "4.19")	      /* wake-ups show their success */                                    \
	X(5_10, "5.10")	      /* PREEMPT_RT: softirq threads without a flag, as all before */      \
	X(6_1, "6.1")	      /* the last in Debian 12 that reports expiries as cancelled */       \
	X(6_1_NEW, "6.1.170") /* was_armed */                                                      \
	X(6_12, "6.12")	      /* reports expiries as cancelled */                                  \
	X(6_18, "6.18")	      /* was_armed, hrtimer_setup, names behind the records */

enum sim_generation {
#define X(name, words) GEN_##name,
	SIM_GENERATIONS(X)
#undef X
		GENERATIONS
};

struct sim_kernel {
	enum sim_generation gen;
	bool rt;     /* PREEMPT_RT */
	bool narrow; /* 32 bit */
};

/* What a task does that is late for its next release. */
enum sim_catch_up {
	CATCH_UP_BY_TIMER, /* the timer of that expires at once */
	CATCH_UP_ANEW, /* its period begins anew there and then, as rt-app's relative timer does */
	CATCH_UP_REST, /* it goes on at once, and sleeps for what is left of its period */
};

/* What a machine is recorded in, and what was made of it. */
struct sim_clock {
	const char *name; /* NULL: mono */
	int64_t from_ns;  /* CLOCK_MONOTONIC */
	double rate,
		rate_change; /* ns more per ns, from there on; and again from rate_change_ns on */
	int64_t rate_change_ns, step_ns; /* there it jumps ahead, or back */
	int64_t again_ns;		 /* and there the other way */
	int64_t offset_ns[SIM_CPUS];
	double per_ns; /* units; 0: it counts ns */
	bool in_file;  /* the file says so */
	bool back;     /* it is set back */
	bool useless;  /* it counts events, or moves with the tick only */
	bool mapped;
	char why_not[512];
	int64_t error_ns[SIM_CPUS]; /* as it was stated */
};

struct sim_case {
	uint64_t seed;
	uint64_t features;
	bool one_kernel; /* all machines have that of `kernel`; else by the seed */
	struct sim_kernel kernel;
	int tasks;	     /* 0: by the seed */
	int64_t duration_ns; /* 0: by the seed */
};

/* What is fed, in order. */
struct sim_event {
	uint32_t machine;
	struct vmrt_event ev;
	int64_t host_ns; /* as the clock map has it */
	int64_t true_ns, local_ns;
	size_t place; /* among those of its machine, where its recording was read back */
	char text[160];
	char comm[2][VMRT_COMM_MAX];
};

/* What is true. */
struct sim_job {
	struct vmrt_job job; /* times of the simulator; thread: index into `tids` */
	int32_t tid;
	int64_t born_ns;   /* when its thread was made */
	int64_t armed_ns;  /* when its timer was armed */
	int64_t closed_ns; /* end, or the end of the simulation */
	bool ended;
	int64_t proof_ns; /* when something showed that it had ended; VMRT_UNKNOWN: nothing has */
	int64_t loose_ns; /* the recording shows its arrival only so well */
	bool unproven;	  /* no record shows when it ended */
	int32_t who_tid[VMRT_BLAMES];  /* who ran most in each part of it; 0: nobody */
	int64_t who_lead[VMRT_BLAMES]; /* before the second */
	bool optional;		       /* whether it is a job, the recording may not show */
	bool ghost; /* of it the recording may show anything: its thread got its name within it */
	bool slept; /* it slept inside */
	bool begins_in_doubt; /* its release may not have been what woke its thread */
	bool doubtful; /* the next wake-up came so late that it may not have been its timer's */
	bool first;    /* of its thread, whose name may not have been seen before, or queued behind
			  that one */
	int64_t busy_ns; /* since then its priority had been busy when it ended */
	bool fresh;	 /* in a busy period that began before its thread did */
};

struct sim_slice {
	uint32_t machine;
	int32_t tid;
	struct vmrt_slice slice;
};

struct sim_hole {
	uint32_t machine;
	uint16_t cpu;
	int64_t from_ns, to_ns;
	bool unreported; /* nothing follows that would show it */
};

struct sim_truth {
	struct sim_job *jobs;
	size_t n_jobs;
	struct sim_slice *slices;
	size_t n_slices;
	struct vmrt_server_period *periods;
	size_t n_periods;
	struct sim_hole *holes; /* lost events */
	size_t n_holes;
	struct sim_hole *clips; /* of CPUs that are recorded only in part */
	size_t n_clips;
	struct sim_hole *steals;
	size_t n_steals;
	size_t broken;	  /* switches left out */
	int64_t known_ns; /* from here on every CPU has shown itself */
	int64_t start_ns, end_ns;
	int64_t clock_error_ns;
};

struct sim_result {
	struct sim_case c;
	struct vmrt_experiment exp;
	struct vmrt_task_spec tasks[SIM_TASKS];
	enum vmrt_release how[SIM_TASKS]; /* they really wait for their releases */
	enum sim_catch_up late[SIM_TASKS];
	int64_t periods[SIM_TASKS]; /* they really have */
	struct vmrt_server_spec servers[SIM_GUESTS];
	struct vmrt_engine_machine machines[1 + SIM_GUESTS];
	struct vmrt_clockmap maps[1 + SIM_GUESTS];
	struct vmrt_clock_segment segments[1 + SIM_GUESTS];
	struct vmrt_engine_vm vms[SIM_GUESTS];
	struct vmrt_vm_thread threads[SIM_GUESTS][3];
	struct vmrt_engine_config config;
	struct sim_kernel kernels[1 + SIM_GUESTS];
	struct sim_clock clocks[1 + SIM_GUESTS];
	struct sim_event *events;
	size_t n_events;
	struct sim_truth truth;
};

/* sim-rand.c */
uint64_t sim_rand(uint64_t *state);
void sim_rand_skip(uint64_t *state, unsigned n);
int64_t sim_between(uint64_t *state, int64_t low, int64_t high);
bool sim_chance(uint64_t *state, int percent);

/* sim-world.c: makes the world of a case, lets it run, and gives its events and its truth */
struct sim_result *sim_run(const struct sim_case *c);
void sim_free(struct sim_result *r);

/* sim-check.c: feeds the engine; returns how many differences there are, and prints at most @show
 * of them, before them all the jobs it gives, if @show_jobs */
int sim_check(const struct sim_result *r, FILE *out, int show, bool show_jobs);

const char *sim_feature_name(int feature);

/* sim-kernels.c: what kernels record, and how their records look */
struct sim_kernel sim_draw_kernel(uint64_t *state);
const char *sim_kernel_name(const struct sim_kernel *k, char room[24]);
/* sim_parse_kernel - "6.1", "5.10-rt", "4.4-rt-32"; false: there is no such kernel */
bool sim_parse_kernel(const char *text, struct sim_kernel *k);
#define SIM_RECORD_MAX 512
/* sim_encode - writes the record of an event; returns its size */
unsigned sim_encode(const struct sim_kernel *k, const struct sim_event *e, uint8_t *record);

/* What the records of this kernel look like. */
struct sim_texts {
	const char *header, *kallsyms;
	const char *const *systems, *const *formats;
	unsigned n;
};
struct sim_texts sim_texts_of(const struct sim_kernel *k);

/* sim_through_record - writes the event as this kernel does, and reads it as the engine's decoder
 * does */
void sim_through_record(const struct sim_kernel *k, struct sim_event *e);

/* As TASK_ states are recorded: 4.14 made numbers of its own for what is traced. */
static inline int64_t sim_recorded_state(const struct sim_kernel *k, int64_t state)
{
	return k->gen < GEN_4_19 && (state & 0x30) ? 64 /* TASK_DEAD */ : state;
}

/* A firing timer is reported as cancelled first. */
static inline bool sim_cancels_first(const struct sim_kernel *k)
{
	return k->gen != GEN_6_1_NEW && k->gen != GEN_6_18;
}

static inline bool sim_has_waking(const struct sim_kernel *k)
{
	return k->gen >= GEN_4_4;
}

/* hrtimer_start says whether the timer is relative; else only its initialisation does. */
static inline bool sim_start_has_mode(const struct sim_kernel *k)
{
	return k->gen >= GEN_4_19;
}

/* Records of a thread that handles softirqs bear that flag. */
static inline bool sim_threads_have_flag(const struct sim_kernel *k)
{
	return k->gen >= GEN_6_1;
}

#endif
