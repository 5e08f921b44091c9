/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_CORE_ENGINE_H
#define VMRT_PARSER_ENGINE_CORE_ENGINE_H

/* Inside the engine: what its parts share. */

#include <vmrt/engine.h>
#include <vmrt/marks.h>

#include "parser/engine/core/matching.h"
#include "parser/engine/server/checker.h"
#include "parser/engine/task/release.h"

/* Timers later than this, on a CPU without any event meanwhile, mean the CPU itself did not run. */
#define STEAL_MIN_NS (300 * VMRT_NS_PER_US)
/* A real-time vCPU thread that waits this long for an ordinary thread is throttled. */
#define THROTTLE_MIN_NS (1 * VMRT_NS_PER_MS)
/* From a wake-up to the switch it causes on an idle CPU. */
#define WAKE_TO_SWITCH_NS (5 * VMRT_NS_PER_US)
/* An idle CPU whose last record is so short behind a wake-up switched right then. */
#define WAKE_NEAR_NS (50 * VMRT_NS_PER_US)
/* So long behind a sched_switch the kernel may still record on behalf of the thread that leaves. */
#define SWITCH_TAIL_NS (50 * VMRT_NS_PER_US)
/* Inferred switches may make a server period uncertain by this much before it is unknown. */
#define PERIOD_UNCERTAINTY_NS (50 * VMRT_NS_PER_US)
/* Holes of one CPU closer than this are one row. */
#define HOLE_MERGE_NS (100 * VMRT_NS_PER_MS)
/* Grid points remembered, at most, for jobs that queue behind earlier jobs of their task. */
#define BACKLOG_FIRST 16
#define BACKLOG_MAX 65536
/* Stretches of time remembered per job, for when it turns out that the host did not run. */
#define RECENT_MAX 128
/* Intervals remembered per job in which a switch is missing; more are taken together. */
#define DOUBTS_MAX 16
/* Events outside their vCPU's run times that wait for the next run to be judged. */
#define PENDING_MAX 1024

/* Times that disagree by no more than this may do so because of the clocks' errors. */
#define CONTRADICTION_NS (100 * VMRT_NS_PER_US)

/* A machine that records nothing for so long, while its CPUs run, records no more. */
#define SILENT_MAX_NS (100 * VMRT_NS_PER_MS)

/* After so many sched_waking events without any sched_wakeup, that is taken not to be recorded. */
#define LONE_WAKINGS 8

#define PRIO_UNKNOWN (-1)
#define FIRST_FAIR_PRIO 100 /* kernel priorities: real-time below, fair from here */
#define FIFO_PRIO(p) (99 - (p))

/* prev_state X, Z; until 4.14 0x40 was TASK_DEAD, and since then only threads of the kernel itself
 * are parked */
#define STATE_DEAD_MASK 0x70

enum thr_state { THR_UNKNOWN, THR_RUNNING, THR_READY, THR_BLOCKED, THR_DEAD };

struct machine;
struct server;
struct jobs;

struct instant {
	int64_t host_ns, local_ns;
};

/*
 * What time is charged by: the state of threads, of CPUs, and budgets. These fields are constant
 * for everybody but change.c, whose functions charge the time so far before they change them.
 */
#define THR_NOW(kind)                                                                              \
	kind enum thr_state state;                                                                 \
	kind uint16_t cpu; /* it runs or waits there, or did */                                    \
	kind int prio;                                                                             \
	kind bool boosted;   /* by priority inheritance */                                         \
	kind bool throttled; /* switched out by the kernel's bandwidth control, for no thread */   \
	kind bool suspended; /* not asleep: stopped, or put to sleep by a server */                \
	kind bool nudged;    /* it slept, and its server's enforcer woke it up so that it stops */

#define CPU_NOW(kind)                                                                              \
	kind bool known;	  /* who runs is known */                                          \
	kind unsigned interrupts; /* that are being handled, one within the other */               \
	kind int32_t pid;                                                                          \
	kind int prio;                                                                             \
	struct thr *kind thr; /* if followed */

struct thr_now {
	THR_NOW()
};

struct cpu_now {
	CPU_NOW()
};

/* A thread that is followed. */
struct thr {
	struct vmrt_thread pub;
	bool announced; /* the sink has heard of it */
	THR_NOW(const)
	uint16_t ran_cpu;		  /* of the last run */
	int former_prio;		  /* before an enforcer came */
	int64_t start_ns, start_local_ns; /* of the run in progress */
	int64_t uncertainty_ns;
	bool start_truncated;
	int64_t woken_ns;    /* last wake-up, or VMRT_UNKNOWN */
	int64_t ready_ns;    /* since when it waits, while READY */
	int64_t ran_ns;	     /* sum of the runs that are over */
	int64_t last_out_ns; /* end of the last run, or VMRT_UNKNOWN */
	bool created;	     /* its creation is in the recording */
	bool exited;	     /* its last switch still bears its name, but it is no task any more */
	int64_t exited_ns;
	int64_t gap_ns; /* of a vCPU thread: so long it has waited at a real-time priority for an
			 * ordinary thread, without a break */
	struct machine *guest; /* of a vCPU thread: the machine it carries */
	struct server *server; /* of a vCPU thread; the first one if there are several */
	struct server **also;  /* the others, of threads that several servers select */
	size_t n_also;
	bool selected; /* not of a VM, but selected by a server */
	bool unraised; /* its server had budget, but its last switch showed no real-time priority */
	int64_t forbidden_to_ns; /* of its run without budget: judged up to here */
	struct jobs *jobs;	 /* of a declared task */
	struct {
		bool begun, slept;
		int64_t start_ns, supply_ns;
	} natural; /* the stretch of supply in progress */
	/* last own timer armed since it was switched in, for threads not yet known to be a task */
	int64_t armed_local_ns, armed_expires_ns;
	uint64_t armed_timer;
	int64_t fired_local_ns, fired_ns; /* that timer, since it was armed */
};

struct timer {
	uint64_t ptr; /* 0: free */
	int64_t expires, since;
	struct thr *owner;
	int32_t pid;
};

struct timers {
	struct timer *slots;
	size_t mask, used;
};

/*
 * A timer that was reported as cancelled and may yet turn out to have expired: until `was_armed`
 * came to hrtimer_start the kernel reports both, one right behind the other.
 */
struct cancelled {
	struct timer timer;
	int32_t pid;		 /* who was on the CPU */
	uint8_t level;		 /* of the interrupt, as interrupt_level() */
	struct instant at;	 /* of the report */
	int64_t before_local_ns; /* of the CPU's record before it, or VMRT_UNKNOWN */
};

/* One per context that can be interrupted within the kernel's few instructions in between. */
#define CANCELLED_MAX 4

struct cpu {
	CPU_NOW(const)
	bool idle_is_silent; /* a switch from its idle thread was missing: what that does is not
				recorded */
	int32_t left_pid;    /* who was switched out last, while its last records may still come */
	int64_t left_ran_ns; /* cpus_ran() then */
	bool tail;	     /* such a record came late: perhaps that thread runs again */
	int64_t tail_from_ns;
	struct instant tail_at;
	char comm[VMRT_COMM_MAX];
	int64_t last_ns, last_local_ns; /* last event */
	int64_t sure_ns; /* last event that cannot come from who has just been switched out */
	int64_t in_ns,
		in_local_ns; /* when who runs was switched in; VMRT_UNKNOWN: not known exactly */
	int64_t hole_from_ns, hole_to_ns;
	uint64_t hole_count;
	bool ended; /* its recording ends before that of others */
	int64_t ended_ns;
	struct fired fired;	 /* the timer that expired last, until the interrupt is over */
	bool server_timer;	 /* since the last switch a timer of RESCH's servers expired */
	int64_t server_ran_ns;	 /* cpus_ran() then */
	struct instant entered;	 /* the last interrupt's entry, where that is recorded */
	int64_t before_entry_ns; /* local time of the record before it */
	unsigned n_cancelled;
	struct cancelled cancelled[CANCELLED_MAX];
};

#define PID_LEAF 1024

struct machine {
	struct vmrt_engine *engine;
	uint32_t index;
	const struct vmrt_engine_machine *config;
	struct cpu *cpus;
	unsigned n_cpus;
	struct thr ***pids; /* two levels, by tid */
	size_t n_leaves;
	struct timers timers;
	struct release_clocks clocks;
	struct jobs **jobs;
	size_t n_jobs;
	int64_t settled_ns; /* time of the jobs is accounted up to here */
	int64_t loss_to_ns; /* end of the last loss, or VMRT_UNKNOWN */
	int64_t error_ns;   /* of the clock map at the present event; 0 if not known */
	bool error_known;
	struct thr **vcpus; /* of a guest: its vCPU threads by number */
	unsigned n_vcpus;
	size_t clock_hint;
	bool has_tasks;
	bool switches_seen;    /* there are such events in its recording */
	unsigned lone_wakings; /* sched_waking events since the last sched_wakeup */
	bool ended_early;      /* its recording ends before that of the others */
	int64_t silent_ns;     /* so long its vCPU threads have run since its last event */
	struct matching matching;
	struct vmrt_machine_stats stats;
	struct pending {
		int64_t host_ns, error_ns;
		uint16_t cpu;
	} * pending;
	size_t n_pending;
};

#define GRID_TIMERS 8

/* A kernel timer that may be that of a group's periods. */
struct grid_timer {
	uint64_t timer; /* 0: free */
	int64_t expires_ns, seen_ns;
	bool matches;  /* it expires as often as the periods begin */
	int odd;       /* times in a row that it did not */
	unsigned hits; /* so often a member went on right behind it */
};

struct server {
	struct vmrt_server pub;
	bool active; /* periods are being counted */
	bool announced;
	bool unsure;		/* enforced: its last word may have been lost */
	bool late;		/* enforced: since before the recording began */
	const bool at_priority; /* enforced: the members have budget */
	bool others_charged;	/* enforced: the VM's other threads use it up, too */
	int64_t out_ns;		/* or have not since then */
	int64_t point_ns; /* the last border of periods that a kernel timer told, or VMRT_UNKNOWN */
	bool slept; /* by the kernel: a sleep may have moved the periods since the last grid point
		     */
	struct thr **members; /* vCPU threads */
	size_t n_members;
	int64_t settled_ns;
	struct vmrt_server_period now;
	int64_t uncertainty_ns;
	int64_t uncertain_to_ns,
		uncertain_by_ns; /* the last inferred switch: end of the time it may lie in */
	int64_t loss_to_ns;	 /* end of the last loss, or VMRT_UNKNOWN */
	int64_t n_periods;	 /* given so far */
	int64_t first_k;	 /* the enforcer's periods are counted from here */
	bool tainted, truncated;
	uint64_t cpus; /* on which members have run, modulo 64 */
	struct vmrt_engine *engine;
	struct checker *checker;	      /* NULL: nothing to check */
	struct vmrt_check counts[VMRT_RULES]; /* of the checkers there have been */
	struct vmrt_server_period
		*held; /* ring of periods about which a loss may still come to light */
	size_t held_room, held_first, held_n;
	struct phase_fit *fit;	    /* until the phase is found; else NULL */
	bool awaits_marks;	    /* the grid will be an enforcer's own: it is not fitted */
	int64_t dark_ns;	    /* since when there is demand without supply, or VMRT_UNKNOWN */
	struct supply_curve *curve; /* NULL: none is measured */
	struct grid_timer grid_timers[GRID_TIMERS];
	struct {
		bool known; /* the next one tells the period */
		int64_t k, at_ns;
	} joined;	  /* the first replenishment by an enforcer whose beginning was not seen */
	int32_t enforcer; /* thread that wrote the last marker */
};

enum job_state {
	JOB_NONE,     /* nothing known yet */
	JOB_HEAD,     /* in a job that began before the recording */
	JOB_SLEEPING, /* the timer of the next job is armed */
	JOB_RELEASED, /* it has expired */
	JOB_STARTED,
};

struct snapshot {
	int64_t at_local_ns, at_host_ns;
	int64_t gap_ns;
	int64_t cum[VMRT_BLAMES];
};

/* Time that was added to a part; @host_cpu: where the vCPU thread was, or -1 while it waited. */
struct stretch {
	int64_t from_ns, to_ns;
	enum vmrt_blame part;
	int host_cpu;
};

/* Somewhere in it an unrecorded switch lies. */
struct doubt {
	int64_t from_ns, to_ns;
};

/* A stretch of time of a job, and who ran on the CPU it waited for. */
struct entry {
	int64_t from_ns, to_ns;
	int32_t error_ns; /* of the clock map then */
	uint32_t thread;  /* struct vmrt_thread.id, or VMRT_NONE */
	uint8_t part;	  /* enum vmrt_blame */
	bool in_gap;	  /* it may turn out to be throttling */
	bool on_host;	  /* the host's events decide about it, not the guest's */
};

struct journal {
	struct entry *entries; /* a ring; its size is a power of two */
	size_t size, first, n;
	bool short_of_room; /* some were overwritten that the open job would need */
};

/* The jobs of one thread of a declared task. */
struct jobs {
	struct thr *thr;
	struct machine *machine;
	const struct vmrt_task_spec *spec;
	uint32_t task;
	enum job_state state;
	struct vmrt_job job;	  /* the open one */
	int64_t cum[VMRT_BLAMES]; /* where its time went since it is followed */
	int64_t opened[VMRT_BLAMES],
		arrived[VMRT_BLAMES];  /* cum when the open job was opened, arrived */
	int64_t opened_ns, arrived_ns; /* host times of these */
	int64_t unknown_ns;	       /* between arrival and opening, where there is no snapshot */
	int64_t exec_ns;
	int64_t excess[VMRT_BLAMES]; /* in the busy period of its priority */
	int64_t busy_from_ns;	     /* where that begins */
	enum vmrt_blame part;	     /* of the stretch of time that is being accounted */
	int64_t gap_ns;	     /* of cum[HOST_THREAD]: in the gap of its vCPU that is still open */
	int64_t gap_idle_ns; /* of it: while no job was pending */
	const struct thr *gap_vcpu;
	bool slept; /* it was switched out since the timer was armed, other than by preemption */
	struct stretch recent[RECENT_MAX]; /* a ring */
	size_t recent_next;
	struct doubt doubts[DOUBTS_MAX]; /* in the order of time */
	size_t n_doubts;
	int64_t grid_local_ns, grid_host_ns; /* next grid point behind the open job's arrival */
	struct snapshot *backlog; /* ring of the grid points passed since the open job's arrival */
	size_t backlog_size, backlog_first, backlog_n;
	struct journal journal;
	uint64_t timer;
	struct release rel;
};

struct vmrt_engine {
	const struct vmrt_engine_config *config;
	struct vmrt_sink sink;
	struct machine *machines;
	struct server *servers;
	size_t n_servers;
	struct natural *naturals; /* by VM, once there is one; or NULL */
	int64_t *next_k;	  /* by task */
	struct task_found *found; /* by task */
	bool waiters;	   /* it matters for whom a vCPU waits: there are servers or guests */
	bool names_wanted; /* those of all threads: whoever a job waits for is named */
	uint32_t next_thread;
	int64_t n_events, n_added; /* pushed; rows made without an event of their own */
	int64_t start_ns, now_ns;
	bool out_of_memory;
};

/* engine-threads.c */
static inline struct thr *threads_find(const struct machine *m, int32_t tid)
{
	size_t leaf = (uint32_t)tid / PID_LEAF;

	/* negative ones are far behind the last leaf */
	if (!tid || leaf >= m->n_leaves || !m->pids[leaf])
		return NULL;
	return m->pids[leaf][(uint32_t)tid % PID_LEAF];
}
struct thr *threads_get(struct machine *m, int32_t tid, const char *comm);
void threads_announce(struct machine *m, struct thr *t);
void threads_forget(struct thr *t);
void threads_name(struct thr *t, const char *comm);
void threads_free(struct machine *m);
bool comm_is(const char *comm, const char *name);

enum { LEVEL_THREAD, LEVEL_SOFTIRQ, LEVEL_HARDIRQ };

/* What a record's flags say it was written in. */
static inline unsigned interrupt_level(uint8_t flags)
{
	return flags & VMRT_FLAG_HARDIRQ   ? LEVEL_HARDIRQ
	       : flags & VMRT_FLAG_SOFTIRQ ? LEVEL_SOFTIRQ
					   : LEVEL_THREAD;
}

/* engine-timers.c */
bool timers_put(struct timers *t, const struct timer *timer);
bool timers_take(struct timers *t, uint64_t ptr, struct timer *out);
void timers_forget(struct machine *m, const struct thr *owner);
void timers_free(struct timers *t);
void timers_hold_cancelled(struct cpu *cpu, const struct vmrt_event *ev, struct instant now,
	const struct timer *timer);
bool timers_take_cancelled(struct cpu *cpu, uint64_t ptr, struct cancelled *out);
void timers_settle_cancelled(struct cpu *cpu, const struct vmrt_event *ev);

/* engine-jobs.c */
bool jobs_bind(struct thr *t, struct machine *m, const char *comm, uint32_t task);
bool jobs_timer_start(
	struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t expires, uint64_t timer);
void jobs_armed(struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t expires, uint64_t timer);
void jobs_timer_expire(struct jobs *j, uint64_t timer, int64_t local_ns, int64_t host_ns);
void jobs_fired(struct jobs *j, int64_t local_ns, int64_t host_ns);
void jobs_wakeup(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns);
void jobs_switch_in(struct jobs *j, int64_t local_ns, int64_t host_ns, bool inferred);
void jobs_switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns);
void jobs_exit(struct jobs *j, int64_t local_ns, int64_t host_ns);
void jobs_mark(struct jobs *j, const char *word, int64_t local_ns);
void jobs_finish(struct jobs *j, int64_t end_ns);
void jobs_clear(struct jobs *j);
void jobs_complete(struct jobs *j, int64_t local_ns, int64_t host_ns);
void jobs_give_open(struct jobs *j, enum vmrt_outcome outcome);
void jobs_bare(struct jobs *j, enum vmrt_outcome outcome);
int64_t jobs_skip(struct jobs *j, int64_t before, int64_t expires);
void jobs_set_arrival(struct jobs *j, int64_t local_ns);
void jobs_await(struct jobs *j, int64_t host_ns, int64_t skipped, int64_t expires, uint64_t timer);
void jobs_start(struct jobs *j, int64_t local_ns, int64_t host_ns);
void jobs_renamed(struct jobs *j, int64_t host_ns);
bool jobs_tainted(const struct jobs *j);

/* jobs-doubt.c */
bool jobs_contradict(const struct jobs *j);
bool jobs_run_is_known(const struct jobs *j);
void jobs_forget_run(struct jobs *j);
void jobs_forget_times(struct jobs *j);

bool jobs_arrived(const struct jobs *j, int64_t host_ns);
bool jobs_pending(const struct jobs *j, int64_t host_ns);

/* release.c */
void release_init(struct jobs *j);
void release_free(struct jobs *j);
void release_timer_setup(struct machine *m, const struct vmrt_event *ev);
void release_timer_start(
	struct machine *m, const struct vmrt_event *ev, int64_t host_ns, struct timer *timer);
void release_timer_gone(const struct timer *timer, bool gone);
void release_timer_expire(
	struct machine *m, const struct vmrt_event *ev, int64_t host_ns, const struct timer *timer);
void release_wheel_start(struct machine *m, const struct vmrt_event *ev, int64_t host_ns);
void release_wheel_expire(struct machine *m, const struct vmrt_event *ev, int64_t host_ns);
void release_waking(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns);
void release_switch_in(struct jobs *j, int64_t local_ns, int64_t host_ns);
void release_switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns);
void release_left(struct machine *m, const struct vmrt_event *ev, struct thr *out);
void release_armed(
	struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t raw, uint64_t timer, int clock);
bool release_give(struct jobs *j);
bool release_ends(struct jobs *j);
bool release_merges(const struct jobs *j);
bool release_exits(struct jobs *j);
void release_finish(struct jobs *j);
bool release_may_be(const struct jobs *j, enum vmrt_release mechanism);
void release_follow_stronger(struct jobs *j, enum vmrt_release mechanism);
void release_discard(struct jobs *j);
void release_flush(struct jobs *j);
void release_decide(struct jobs *j, enum vmrt_release mechanism);

/* release-mark.c */
void wait_mark_end(struct jobs *j, int64_t local_ns, int64_t host_ns);
void wait_forget_end(struct jobs *j);
void wait_complete_at_mark(struct jobs *j);
void wait_drop_mark(struct jobs *j);
void wait_arrival_passed(struct jobs *j, int64_t host_ns);
int64_t wait_idle_ns(const struct jobs *j, int64_t from_ns, int64_t to_ns);
void wait_stolen(struct jobs *j, enum vmrt_blame part, int64_t from_ns, int64_t to_ns);

/* release-wakeup.c */
void wakeup_note(struct jobs *j, const struct fired *by);
bool wakeup_fits(const struct task_found *found);

/* release-clock.c */
void clocks_setup(struct machine *m, uint64_t timer, int clock);
void clocks_note_mode(struct machine *m, uint64_t timer, int mode);
int clocks_mode_of(const struct machine *m, const struct vmrt_event *ev);
int clocks_of(const struct machine *m, uint64_t timer);
void clocks_expired(struct machine *m, int clock, int64_t now, int64_t local_ns);
void clocks_ticked(struct machine *m, uint64_t ticks, int64_t local_ns);
bool clocks_to_local(const struct machine *m, int clock, int64_t raw, int64_t *out);
void clocks_free(struct machine *m);

/* arrivals.c */
void period_note(struct jobs *j, int64_t before, int64_t arrival);
int64_t period_found(const struct task_found *found);
bool period_confirmed(const struct jobs *j);
void arrivals_note(struct jobs *j, int64_t before, int64_t end, int64_t arrival, int64_t skipped);

/* catchup.c */
bool catchup(struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t *expires);

/* engine-blame.c */
void blame_settle_jobs(struct machine *m, int64_t host_ns);

/* What the machine's jobs did up to now is accounted. */
static inline void blame_settle(struct machine *m, int64_t host_ns)
{
	if (m->settled_ns >= host_ns)
		return;
	if (m->n_jobs)
		blame_settle_jobs(m, host_ns);
	else
		m->settled_ns = host_ns;
}

void blame_open(struct jobs *j, int64_t host_ns);
void blame_expect(struct jobs *j, int64_t local_ns, int64_t host_ns);
bool blame_close(struct jobs *j);
void blame_free(struct jobs *j);
void blame_busy_ends(struct machine *m, int64_t host_ns);
void blame_add_overrun(struct machine *m, const struct jobs *by, int64_t ns);

/* engine-journal.c */
void journal_add(struct jobs *j, const struct entry *entry);
bool journal_since(const struct jobs *j, int64_t from_ns, int64_t *parts);
void journal_drop(struct jobs *j, int64_t before_ns);
void journal_throttled(struct jobs *j);
void journal_rebook(struct jobs *j, int64_t from_ns, int64_t to_ns, enum vmrt_blame as);
void journal_close(struct jobs *j, int64_t end_ns);
void journal_free(struct jobs *j);

/* change.c */
struct thr_now change_of(const struct thr *t);
void change_thread(struct machine *m, struct thr *t, int64_t host_ns, const struct thr_now *now);
void change_learned(struct machine *m, struct thr *t, int64_t host_ns, int prio);
void change_runner(struct machine *m, unsigned cpu, int64_t host_ns, int32_t pid, int prio);
void change_runner_unknown(struct machine *m, unsigned cpu, int64_t host_ns);
void change_runner_prio(struct machine *m, unsigned cpu, int64_t host_ns, int prio);
void change_followed(struct machine *m, unsigned cpu, int64_t host_ns, struct thr *t);
void change_interrupts(struct machine *m, unsigned cpu, int64_t host_ns, unsigned interrupts);
void change_budget(struct server *s, int64_t host_ns, bool at_priority);
void change_rules(struct vmrt_engine *e, int64_t host_ns);

/* engine-run.c */
void run_judge_event(struct machine *g, unsigned cpu, int64_t host_ns, int64_t error_ns);
void run_begins(struct machine *m, unsigned cpu, struct thr *t, struct instant at, int prio,
	int64_t uncertainty_ns, bool truncated);
void run_give_slice(
	struct machine *m, struct thr *t, struct instant at, int64_t state, bool truncated);
void run_ends(struct machine *m, struct thr *t, struct instant at, int64_t state);
void run_unbind(struct machine *m, struct thr *t);
struct thr *run_follow_named(struct machine *m, struct thr *t, int32_t pid, const char *comm,
	int prio, struct instant now);

/* Finds a followed thread, or begins to follow it because its name is a task's. */
static inline struct thr *run_follow(
	struct machine *m, int32_t pid, const char *comm, int prio, struct instant now)
{
	struct thr *t = threads_find(m, pid);

	return m->has_tasks ? run_follow_named(m, t, pid, comm, prio, now) : t;
}

/* engine-cpus.c */
void cpus_forget(struct machine *m, unsigned cpu, int64_t since_ns);
void cpus_give_loss(struct machine *m, unsigned cpu, int64_t from, int64_t to, uint64_t events,
	enum vmrt_loss_kind kind);
bool cpus_add(struct machine *m, unsigned cpu);

static inline bool cpus_have(struct machine *m, unsigned cpu)
{
	return cpu < m->n_cpus || cpus_add(m, cpu);
}

void cpus_set_current(struct machine *m, unsigned index, int32_t pid, const char *comm, int prio,
	int64_t host_ns);
int64_t cpus_ran(const struct machine *m, unsigned index, int64_t host_ns);
void cpus_lose_track(struct machine *m, struct thr *t, int64_t host_ns);
void cpus_close_hole(struct machine *m, unsigned index);
void cpus_break_chain(struct machine *m, const struct vmrt_event *ev, int32_t pid, const char *comm,
	struct instant now);

/* Is who the record says was on the CPU the thread that was switched in last? */
static inline void cpus_check_chain(
	struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct cpu *cpu = &m->cpus[ev->cpu];
	bool is_switch = ev->type == VMRT_EV_SWITCH;
	int32_t pid = is_switch ? ev->sw.prev_pid : ev->pid;

	/* an interrupt is over: what wakes threads from now on is not its timer */
	if (!is_switch && !(ev->flags & (VMRT_FLAG_HARDIRQ | VMRT_FLAG_SOFTIRQ)) &&
		!cpu->fired.thread)
		cpu->fired.ptr = 0;
	if (cpu->n_cancelled && ev->type != VMRT_EV_TIMER_EXPIRE)
		timers_settle_cancelled(cpu, ev);
	if (cpu->known && cpu->pid == pid) {
		cpu->tail = false;
		cpu->left_pid = -1; /* the switch is done */
	} else {
		cpus_break_chain(m, ev, pid, is_switch ? ev->sw.prev_comm : NULL, now);
	}
}

void cpus_lost(struct machine *m, const struct vmrt_event *ev, struct instant now);

/* engine-events.c */
void event_switch(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_migrate(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_waking(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_birth(struct machine *m, int32_t pid, const char *comm, struct instant now);
void event_exit(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_timer_start(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_timer_cancel(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_timer_expire(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_pi(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_irq(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_mark(struct machine *m, const struct vmrt_event *ev, struct instant now);

/* engine-steal.c */
void steal_check(struct machine *m, const struct vmrt_event *ev, const struct timer *timer,
	const struct cancelled *cancelled, struct instant now);
void steal_remember(struct jobs *j, int64_t from, int64_t to, enum vmrt_blame part);
void steal_rebook_kept(
	int64_t *cum, int64_t at_ns, const struct stretch *s, int64_t from, enum vmrt_blame as);

/* doubt.c */
void doubt_add(struct jobs *j, int64_t from_ns, int64_t to_ns);
int64_t doubt_within(struct jobs *j, int64_t from_ns, int64_t to_ns);
void doubt_switch(struct machine *m, unsigned cpu, const struct thr *out, const struct thr *in,
	int64_t low_ns, int64_t high_ns);
void doubt_guest_cpu(struct machine *g, unsigned cpu, const struct thr *v, int64_t host_ns);
void doubt_ran(struct jobs *j, int64_t from_ns);

/* engine-throttling.c */
bool gap_is_ordinary(const struct cpu *cpu);
bool gap_open(const struct vmrt_engine *e, const struct thr *v);
void gap_note(struct jobs *j, const struct thr *v, int64_t ns);
void gap_extend(struct machine *m, int64_t ns);
void gap_settle(struct machine *m);
void gap_forget(struct jobs *j);
void gap_arrived(struct jobs *j, int64_t before_ns);

/* engine-servers.c */
bool servers_init(struct vmrt_engine *e, struct vmrt_error *err);
void servers_begin(struct vmrt_engine *e, int64_t host_ns);
void servers_finish(struct vmrt_engine *e, int64_t end_ns);
void servers_free(struct vmrt_engine *e);
bool servers_depleted(const struct server *s);
bool servers_has_budget(const struct server *s);
bool servers_real_time(const struct thr *t);
void servers_waiters(struct vmrt_engine *e, unsigned cpu, int64_t host_ns);
void servers_taint(struct vmrt_engine *e, int64_t from_ns, int64_t to_ns);
void servers_doubt(struct vmrt_engine *e, int64_t from_ns, int64_t to_ns);
void servers_forget(struct vmrt_engine *e, unsigned cpu, int64_t host_ns);
void servers_doubt_cpu(struct vmrt_engine *e, unsigned cpu, int64_t from_ns, int64_t to_ns);

/* engine-supply.c */
void server_ran_over(struct server *s, int64_t from_ns, int64_t to_ns);
/** servers_settle_of - servers_settle() for all servers that @t is a member of */
void servers_ran_on(const struct thr *t, unsigned cpu);
void servers_settle_of(struct vmrt_engine *e, const struct thr *t, int64_t host_ns);
void servers_settle(struct vmrt_engine *e, struct server *s, int64_t host_ns);
void servers_steal(const struct thr *t, int64_t from_ns, int64_t to_ns);
void servers_uncertain(struct vmrt_engine *e, const struct thr *t, int64_t from_ns, int64_t to_ns);

/* engine-grid.c */
void servers_start(const struct thr *t, int64_t host_ns, int prio);
void servers_timer(struct vmrt_engine *e, const struct vmrt_event *ev, const struct timer *timer);

/* engine-enforcer.c */
void servers_mark(
	struct vmrt_engine *e, int32_t pid, const char *word, const char *rest, int64_t host_ns);
bool servers_nudges(const struct thr *t, int32_t waker);

/* engine-check.c */
void check_begin(struct vmrt_engine *e, struct server *s, int64_t from_ns);
void check_end(struct server *s);
void check_finish(struct server *s);
void check_period(struct vmrt_engine *e, struct server *s, bool whole);
void check_supply(const struct vmrt_engine *e, const struct server *s, const struct thr *t,
	struct checker_supply *sum);
int64_t check_safe_ns(const struct vmrt_engine *e);
bool check_selected(const struct vmrt_engine *e, const struct server *s);
bool check_watches(const struct server *s, unsigned cpu);
void check_appears(const struct thr *t, int64_t host_ns);
void check_run_begins(struct thr *t);
void check_run_ends(struct thr *t, int64_t host_ns);
void check_runs_on(struct server *s, int64_t host_ns);

/* engine-phase.c */

/* What the members of a server got in an interval in which nothing changed. */
struct segment {
	int64_t from_ns, to_ns;
	struct checker_supply supply;
	int background, ready;
	int64_t steal_ns, uncertainty_ns; /* found at its end */
	int64_t uncertain_to_ns;
	int64_t loss_from_ns, loss_to_ns; /* 0: none */
};

struct phase_fit *phase_new(int64_t from_ns, int64_t period_ns);
bool phase_add(struct phase_fit *f, const struct segment *segment);
struct segment *phase_last(struct phase_fit *f);
void phase_loss(struct phase_fit *f, int64_t from_ns, int64_t to_ns);
int64_t phase_loss_before(const struct phase_fit *f);
void phase_start(struct phase_fit *f, int64_t waited_ns, int64_t start_ns, int64_t period_ns);
int64_t phase_from(const struct phase_fit *f);
bool phase_ready(const struct phase_fit *f, int64_t now_ns);
void phase_restart(struct phase_fit *f, int64_t from_ns, int64_t period_ns);
int64_t phase_fit(struct phase_fit *f, int64_t period_ns);
const struct segment *phase_replay(struct phase_fit *f);
void phase_free(struct phase_fit *f);

/* engine-periods.c */
void periods_hold(struct server *s);
void periods_doubt(struct server *s, int64_t from_ns, int64_t to_ns);
void periods_release(struct server *s, int64_t safe_ns);

/* engine-clip.c */
void clip_finish(struct vmrt_engine *e, int64_t end_ns);

/* engine-curve.c */
struct supply_curve;

/** curve_new - NULL without memory; it begins with the period that begins at @from_ns */
struct supply_curve *curve_new(int64_t period_ns, int64_t from_ns);
void curve_free(struct supply_curve *c);

/** curve_put - there was demand without supply, or none (@idle), in this part of a period; in the
 * order of time */
void curve_put(struct supply_curve *c, int64_t from_ns, int64_t to_ns, bool idle, bool new_period);

/** curve_points - the points of the curve that are known so far, by length; returns how many */
size_t curve_points(
	const struct supply_curve *c, uint32_t server, struct vmrt_supply_point *out, size_t room);

/** curve_judge - what was put of the period from @from_ns to @to_ns counts, or is @judged to be
 * doubtful */
void curve_judge(struct supply_curve *c, int64_t from_ns, int64_t to_ns, bool judged);
void curve_finish(struct supply_curve *c, uint32_t server, const struct vmrt_sink *sink);

/* engine-natural.c */
void natural_starts(struct vmrt_engine *e, struct thr *t, int64_t host_ns, int64_t uncertainty_ns);
void natural_ran(struct thr *t, int64_t ns);

/** natural_row - how VM @vm has been scheduled so far; false if nothing is known */
bool natural_row(struct vmrt_engine *e, size_t vm, struct vmrt_natural *out);
void natural_finish(struct vmrt_engine *e);
void natural_free(struct vmrt_engine *e);

/* engine-marks.c */
bool mark_text(const char *rest, const char *key, char *buf, size_t room);
bool mark_number(const char *rest, const char *key, int64_t *out);

/* engine.c */
int64_t to_host(struct machine *m, int64_t local_ns);
int64_t engine_most_rows(const struct vmrt_engine *e);
bool engine_may_add(struct vmrt_engine *e);
struct thr *vcpu_of(const struct machine *m, unsigned cpu);

#endif
