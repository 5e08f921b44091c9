/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_CORE_CORE_H
#define VMRT_PARSER_ENGINE_CORE_CORE_H

/* What all rooms of the engine know: threads, CPUs, machines, timers, and how they change. */

#include <stddef.h>
#include <string.h>

#include <vmrt/engine.h>
#include <vmrt/marks.h>

#include "parser/engine/core/matching.h"

/* An idle CPU whose last record is so short behind a wake-up switched right then. */
#define WAKE_NEAR_NS (50 * VMRT_NS_PER_US)
/* Intervals remembered per job in which a switch is missing; more are taken together. */
#define UNSURE_MAX 16
/* Events outside the run times of their vCPU; they are judged when the vCPU runs next. */
#define PENDING_MAX 1024
/* Larger errors of record clocks: see record_window_ns(). */
#define RECORD_ERROR_MAX_NS (2 * VMRT_NS_PER_MS)
/* Times that disagree by no more than this may do so because of the clocks' errors. */
#define CONTRADICTION_NS (100 * VMRT_NS_PER_US)
/* A machine whose CPUs run for this time without any record has stopped recording. */
#define SILENT_MAX_NS (100 * VMRT_NS_PER_MS)
#define PRIO_UNKNOWN (-1)
#define FIRST_FAIR_PRIO 100 /* kernel priorities: real-time below, fair from here */
#define FIFO_PRIO(p) (99 - (p))
/* prev_state X, Z; until 4.14 0x40 was TASK_DEAD, and since then only threads of the kernel itself
 * are parked */
#define STATE_DEAD_MASK 0x70
enum thread_state { THREAD_UNKNOWN, THREAD_RUNNING, THREAD_READY, THREAD_BLOCKED, THREAD_DEAD };

struct machine;
struct server;
struct jobs;
struct unmanaged;
struct task_found;

/* Clocks of timers, as hrtimer_setup numbers them; and ticks since boot, of the timer wheel. */
#define CLOCK_IS_REALTIME 0
#define CLOCK_IS_MONOTONIC 1
#define CLOCKS 17 /* ids 0 to 15; CLOCK_TAI is 11 */
#define CLOCK_IS_TICKS (CLOCKS - 1)
/* Larger changes of a clock's lead are steps. */
#define CLOCK_STEP_NS VMRT_NS_PER_MS

/* Room for the names of threads that wait in another way than their task. */
#define OTHERS_MAX 96

struct instant {
	int64_t host_ns, local_ns;
};

/* No thread woke it from sleep: an interrupt did, or it was stopped and not asleep. */
#define WAKER_NONE (-1)

/*
 * What time is charged by: the state of threads, of CPUs, and budgets. These fields are constant
 * for everybody but change.c, whose functions charge the time so far before they change them.
 */
#define THREAD_NOW(kind)                                                                           \
	kind enum thread_state state;                                                              \
	kind uint16_t cpu; /* the thread runs, waits or last ran on this CPU */                    \
	kind int prio;                                                                             \
	kind bool boosted;   /* by priority inheritance */                                         \
	kind bool throttled; /* switched out by the kernel's bandwidth control, for no thread */   \
	kind bool suspended; /* not asleep: stopped, or put to sleep by a server */                \
	kind int32_t waker;  /* it slept, and this thread woke it up; 0: not known */

#define CPU_NOW(kind)                                                                              \
	kind bool known;	  /* who runs is known */                                          \
	kind unsigned interrupts; /* that are being handled, one within the other */               \
	kind int32_t pid;                                                                          \
	kind int prio;                                                                             \
	struct thread *kind thread; /* if followed */

struct thread_now {
	THREAD_NOW()
};

struct cpu_now {
	CPU_NOW()
};

/* A thread that is followed. */
struct thread {
	struct vmrt_thread pub;
	bool announced; /* the sink has got it */
	bool seen;	/* an event has shown what the thread does */
	THREAD_NOW(const)
	uint16_t ran_cpu;      /* of the last run */
	uint16_t left_cpu;     /* by the records it was still there when its last run began */
	int64_t left_begun_ns; /* and had just begun then; or VMRT_UNKNOWN: it was not there */
	int former_prio;       /* before an enforcer came */
	int begun_prio;	       /* of the run in progress when it began */
	int64_t start_ns, start_local_ns; /* of the run in progress */
	int64_t uncertainty_ns;
	bool start_truncated;
	int64_t woken_ns;     /* last wake-up, or VMRT_UNKNOWN */
	int64_t unwoken_ns;   /* its last run began then, though it had slept, or nothing was known
				 of it, and nothing showed a wake-up; or VMRT_UNKNOWN */
	int64_t ready_ns;     /* since when it waits, while READY */
	bool woken_by_thread; /* the last time, and not in an interrupt */
	int64_t ran_ns;	      /* sum of the runs that are over */
	int64_t last_out_ns;  /* end of the last run, or VMRT_UNKNOWN */
	int64_t last_run_ns;  /* length of the last run that has ended */
	bool created;	      /* its creation is in the recording */
	bool exited;	      /* its last switch still bears its name, but it is no task any more */
	int64_t exited_ns;
	int64_t gap_ns; /* of a vCPU thread: so long it has waited at a real-time priority for an
			 * ordinary thread, without a break */
	struct machine *guest; /* of a vCPU thread: the machine it carries */
	struct server *server; /* of a vCPU thread; the first one if there are several */
	struct server **also;  /* the others, of threads that several servers select */
	size_t n_also;
	bool selected; /* not of a VM, but selected by a server */
	bool unraised; /* its server had budget, but its last switch showed no real-time priority */
	int64_t forbidden_to_ns; /* its run without budget has been judged up to here */
	struct jobs *jobs;	 /* of a declared task */
	struct {
		bool begun, slept;
		int64_t start_ns, supply_ns;
	} unmanaged; /* the stretch of supply in progress */
	/* last own timer armed since it was switched in, for threads not yet known to be a task */
	int64_t armed_local_ns, armed_expires_ns;
	uint64_t armed_timer;
	int64_t fired_local_ns, fired_ns; /* that timer, since it was armed */
};

struct timer {
	uint64_t ptr; /* 0: free */
	int64_t expires, since;
	struct thread *owner;
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

/* What a record was written in. */
enum { LEVEL_THREAD, LEVEL_SOFTIRQ, LEVEL_HARDIRQ, LEVELS };

/* A timer that expired on a CPU. */
struct fired {
	uint64_t ptr; /* 0: none */
	enum vmrt_timer_fn fn;
	const struct thread *owner; /* who armed it, if it is followed */
	int64_t arrival_ns;	    /* when it was due, local clock, or VMRT_UNKNOWN */
	int64_t local_ns, host_ns;
	int64_t ran_ns;	     /* cpus_ran() then */
	int64_t due_from_ns; /* host time; had it been due before, it would have expired earlier */
	int32_t thread;	     /* the kernel thread in which it expired, or 0: in an interrupt */
	int32_t pid;	     /* who was on the CPU */
	uint8_t level;	     /* of that, as interrupt_level() */
	uint16_t cpu;
};

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
	struct vmrt_cpu_loss loss;
	bool losing; /* its records are lost, until the next one comes */
	bool ended;  /* its recording ends before that of others */
	int64_t ended_ns;
	/* the timer that expired last in each context, until that is over: an interrupt may come
	 * upon the thread that handles softirqs */
	struct fired fired[LEVELS];
	bool server_timer;	 /* since the last switch a timer of RESCH's servers expired */
	int64_t server_ran_ns;	 /* cpus_ran() then */
	struct instant entered;	 /* the last interrupt's entry, where that is recorded */
	int64_t before_entry_ns; /* local time of the record before it */
	/* host time: a late timer has shown that the CPU did not run up to then; and since when,
	 * at most: its record before that */
	int64_t stolen_from_ns, stolen_to_ns;
	unsigned n_cancelled;
	struct cancelled cancelled[CANCELLED_MAX];
};

/* How far a clock leads the monotonic one. */
struct clock_relation {
	bool known;
	int64_t offset_ns;
	int64_t now_ns, before_ns; /* largest bounds since at_ns, and in the time before that */
	int64_t at_ns;
};

/* Timers whose set-up is remembered until they are armed, which follows soon. */
#define SET_UP_MAX 64

struct release_clocks {
	struct {
		uint64_t ptr;
		int mode;
	} set_up[SET_UP_MAX]; /* hashed by address */
	struct clock_relation clocks[CLOCKS];
	uint64_t *others; /* timers of other clocks, by open addressing: address, and its clock
			     beside it */
	int *ids;
	size_t mask, used;
	/* the wheel's ticks */
	uint64_t first_tick;
	int64_t first_tick_ns, tick_ns;
};

#define PID_LEAF 1024

struct machine {
	struct vmrt_engine *engine;
	uint32_t index;
	const struct vmrt_engine_machine *config;
	struct cpu *cpus;
	unsigned n_cpus;
	struct thread ***pids; /* two levels, by tid */
	size_t n_leaves;
	unsigned exits; /* exits of threads since dead threads were last looked for */
	struct timers timers;
	struct release_clocks clocks;
	struct jobs **jobs;
	size_t n_jobs;
	int64_t settled_ns; /* time of the jobs is accounted up to here */
	int64_t loss_to_ns; /* end of the last loss, or VMRT_UNKNOWN */
	unsigned losing;    /* CPUs whose records are being lost, until their next record comes */
	int64_t error_ns;   /* of the clock map at the present event; 0 if not known */
	bool error_known;
	int64_t last_error_ns; /* the same, as the caller passed it: VMRT_UNKNOWN if it is not known
				*/
	struct thread **vcpus; /* of a guest: its vCPU threads by number */
	unsigned n_vcpus;
	bool vcpus_are_single; /* no thread carries several of its CPUs */
	struct thread **seen;  /* those of them that the recording has shown; as much room */
	unsigned n_seen;
	size_t clock_hint;
	bool has_tasks;
	bool switches_seen;		 /* there are such events in its recording */
	bool starts_seen, expiries_seen; /* of timers: there are such events in its recording */
	bool wakes_seen;		 /* there are records of wake-ups in its recording */
	bool has_wakings;		 /* sched_waking is recorded, which names who wakes */
	unsigned lone_wakings;		 /* sched_waking events since the last sched_wakeup */
	bool ended_early;		 /* its recording ends before that of the others */
	int64_t silent_ns; /* so long its vCPU threads have run since its last event */
	/* the last time without any event of it that was longer than SILENCE_NS; VMRT_UNKNOWN: none
	 */
	int64_t silence_from_ns, silence_to_ns;
	bool silence_is_false; /* timers that were due in it have not expired */
	struct matching matching;
	struct vmrt_machine_stats stats;
	struct pending {
		int64_t host_ns, error_ns;
		uint16_t cpu;
	} * pending;
	size_t n_pending;
};

/* The accounts of rooms above, to which time is charged before anything changes. */
struct accounts {
	void (*jobs)(struct machine *m, int64_t host_ns);
	void (*servers_of)(struct vmrt_engine *e, const struct thread *member, int64_t host_ns);
	void (*servers_at)(struct vmrt_engine *e, unsigned cpu, int64_t host_ns);
	void (*servers)(struct vmrt_engine *e, int64_t host_ns);
	void (*seen)(struct thread *t);
};

/* core/namesakes.c */
struct namesake {
	uint32_t machine, vm;
	char comm[VMRT_COMM_MAX];
};

struct namesakes {
	struct namesake *names;
	uint32_t *slots; /* hashed by name: index into names, plus 1 */
	uint32_t *of;	 /* by thread id: the same */
	size_t n_names, room, n_slots, n_ids;
};

/** namesakes_add - @t has an id and a name; false: out of memory */
bool namesakes_add(struct namesakes *all, const struct vmrt_thread *t);
/** namesakes_of - a number that all threads of one name have in common */
uint32_t namesakes_of(const struct namesakes *all, uint32_t id);
void namesakes_free(struct namesakes *all);

struct vmrt_engine {
	const struct accounts *accounts;
	const struct vmrt_engine_config *config;
	struct vmrt_sink sink;
	struct machine *machines;
	struct server *servers;
	size_t n_servers;
	struct unmanaged *unmanaged; /* by VM, once there is one; or NULL */
	int64_t *next_k;	     /* by task */
	struct task_found *found;    /* by task */
	bool waiters; /* the thread that a vCPU waits for is needed: there are servers or guests */
	bool names_wanted; /* of all threads, so that the thread that a job waits for has a name */
	uint32_t next_thread;
	struct namesakes namesakes;
	int64_t n_events, n_added; /* pushed; rows made without an event of their own */
	int64_t n_remembered;	   /* arrivals that no event stands for */
	int64_t start_ns, now_ns;
	bool out_of_memory;
};

/** machine_lost - events of @m were lost until @to_ns; what was lost for longer stays lost */
static inline void machine_lost(struct machine *m, int64_t to_ns)
{
	if (m->loss_to_ns == VMRT_UNKNOWN || to_ns > m->loss_to_ns)
		m->loss_to_ns = to_ns;
}

/**
 * has_passed - is a timer's instant @expires, on the monotonic clock, before the record that bears
 * the time @local_ns, for certain?
 *
 * The record's time may be off by the whole error of its clock, however large that is. The limit of
 * record_window_ns() is for another question: how far apart two records may be that belong
 * together.
 */
static inline bool has_passed(const struct machine *m, int64_t expires, int64_t local_ns)
{
	int64_t ahead;

	return !__builtin_sub_overflow(expires, local_ns, &ahead) &&
	       ahead <= -m->config->record_error_ns;
}

/** record_window_ns - within this, records of two CPUs may come in the wrong order; of clocks that
 * are known worse than that, nobody can say which records belong together */
static inline int64_t record_window_ns(const struct machine *m)
{
	int64_t error = m->config->record_error_ns;

	return 2 * (error < RECORD_ERROR_MAX_NS ? error : RECORD_ERROR_MAX_NS);
}

/** record_doubt_ns - records of two CPUs that are not further apart than this prove nothing by
 * their order, however bad the clock is */
static inline int64_t record_doubt_ns(const struct machine *m)
{
	int64_t error = m->config->record_error_ns;

	return error < INT64_MAX / 2 ? 2 * error : INT64_MAX;
}

/** waits_unseen - does @t wait on a CPU of which nothing is recorded? */
static inline bool waits_unseen(const struct machine *m, const struct thread *t)
{
	return t->state == THREAD_READY && t->cpu < m->n_cpus &&
	       m->cpus[t->cpu].last_ns == VMRT_UNKNOWN;
}

/** comes_late - may a record of CPU @cpu that comes at @host_ns be from before @since_ns, when
 * thread @t ran on another CPU? */
static inline bool comes_late(const struct machine *m, const struct thread *t, unsigned cpu,
	int64_t since_ns, int64_t host_ns)
{
	return since_ns != VMRT_UNKNOWN && t->ran_cpu != cpu &&
	       host_ns - since_ns <= record_window_ns(m);
}

/* threads.c */
static inline struct thread *threads_find(const struct machine *m, int32_t tid)
{
	size_t leaf = (uint32_t)tid / PID_LEAF;

	/* negative ones are far behind the last leaf */
	if (!tid || leaf >= m->n_leaves || !m->pids[leaf])
		return NULL;
	return m->pids[leaf][(uint32_t)tid % PID_LEAF];
}
struct thread *threads_get(struct machine *m, int32_t tid, const char *comm);
void threads_announce(struct machine *m, struct thread *t);
void threads_forget(struct thread *t);
/** threads_exited - one more has: now and then, what is known of those long dead is given up */
void threads_exited(struct machine *m, int64_t host_ns);
void threads_name(struct thread *t, const char *comm);
void threads_free(struct machine *m);
bool comm_is(const char *comm, const char *name);

/* What a record's flags say it was written in. */
static inline unsigned interrupt_level(uint8_t flags)
{
	return flags & VMRT_FLAG_HARDIRQ   ? LEVEL_HARDIRQ
	       : flags & VMRT_FLAG_SOFTIRQ ? LEVEL_SOFTIRQ
					   : LEVEL_THREAD;
}

/* timers.c */
bool timers_put(struct timers *t, const struct timer *timer);
bool timers_take(struct timers *t, uint64_t ptr, struct timer *out);
void timers_forget(struct machine *m, const struct thread *owner);
void timers_free(struct timers *t);
void timers_hold_cancelled(struct cpu *cpu, const struct vmrt_event *ev, struct instant now,
	const struct timer *timer);
bool timers_take_cancelled(struct cpu *cpu, uint64_t ptr, struct cancelled *out);
int64_t timers_before_expiry(
	const struct cpu *cpu, const struct cancelled *cancelled, int64_t *first_ns);
void timers_settle_cancelled(struct cpu *cpu, const struct vmrt_event *ev);

/* Time of the jobs of @m up to now is charged. */
static inline void blame_settle(struct machine *m, int64_t host_ns)
{
	if (m->settled_ns >= host_ns)
		return;
	if (m->n_jobs)
		m->engine->accounts->jobs(m, host_ns);
	else
		m->settled_ns = host_ns;
}

/** change_of - what @t is and does now, for change_thread() */
static inline struct thread_now change_of(const struct thread *t)
{
	struct thread_now now;

	/* change.c asserts that the fields lie alike */
	memcpy(&now, (const char *)t + offsetof(struct thread, state), sizeof(now));
	return now;
}

/* change.c */
void change_thread(
	struct machine *m, struct thread *t, int64_t host_ns, const struct thread_now *now);
void change_learned(struct machine *m, struct thread *t, int64_t host_ns, int prio);
void change_runner(struct machine *m, unsigned cpu, int64_t host_ns, int32_t pid, int prio);
void change_runner_unknown(struct machine *m, unsigned cpu, int64_t host_ns);
void change_runner_prio(struct machine *m, unsigned cpu, int64_t host_ns, int prio);
void change_followed_now(struct machine *m, unsigned cpu, int64_t host_ns, struct thread *t);
void change_interrupts_now(struct machine *m, unsigned cpu, int64_t host_ns, unsigned interrupts);
void change_rules(struct vmrt_engine *e, int64_t host_ns);

/* unsure.c */
void unsure_add(struct jobs *j, int64_t from_ns, int64_t to_ns);
void unsure_whose(struct jobs *j, int64_t from_ns, int64_t to_ns);
int64_t unsure_within(struct jobs *j, int64_t from_ns, int64_t to_ns);
void unsure_switch(struct machine *m, unsigned cpu, const struct thread *out,
	const struct thread *in, int64_t low_ns, int64_t high_ns);
void unsure_guest_cpu(struct machine *g, unsigned cpu, const struct thread *v, int64_t host_ns);
void unsure_ran(struct jobs *j, int64_t from_ns);
void unsure_unarmed(struct machine *m, uint64_t ptr, int64_t host_ns);
void unsure_woken(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns);
void unsure_unwoken(struct jobs *j, int64_t host_ns);

/** change_followed - who runs on @cpu is followed as @t from now on, or not any more (NULL) */
static inline void change_followed(
	struct machine *m, unsigned cpu, int64_t host_ns, struct thread *t)
{
	if (m->cpus[cpu].thread != t)
		change_followed_now(m, cpu, host_ns, t);
}

/** change_interrupts - so many interrupts are being handled on @cpu */
static inline void change_interrupts(
	struct machine *m, unsigned cpu, int64_t host_ns, unsigned interrupts)
{
	if (m->cpus[cpu].interrupts != interrupts)
		change_interrupts_now(m, cpu, host_ns, interrupts);
}

/* marks.c */
bool mark_text(const char *rest, const char *key, char *buf, size_t room);
bool mark_number(const char *rest, const char *key, int64_t *out);

/* machine.c */
int64_t to_host(struct machine *m, int64_t local_ns);
int64_t engine_most_rows(const struct vmrt_engine *e);
bool engine_may_add(struct vmrt_engine *e);
bool engine_may_remember(struct vmrt_engine *e);
struct thread *vcpu_of(const struct machine *m, unsigned cpu);
void cpus_emit_loss(struct machine *m, unsigned cpu, int64_t from, int64_t to, uint64_t events,
	enum vmrt_loss_kind kind);
int64_t cpus_ran(const struct machine *m, unsigned index, int64_t host_ns);
void cpus_lose_track(struct machine *m, struct thread *t, int64_t host_ns);

#endif
