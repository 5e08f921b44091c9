/* SPDX-License-Identifier: MIT */
#ifndef VMRT_EVENT_H
#define VMRT_EVENT_H

/* The input of the engine: scheduler and timer events of one machine, with times of this machine's
 * clock. */

#include <stdint.h>

#include <vmrt/units.h>

enum vmrt_event_type {
	VMRT_EV_SWITCH,	      /* sched_switch */
	VMRT_EV_WAKING,	      /* sched_waking */
	VMRT_EV_WAKEUP,	      /* sched_wakeup */
	VMRT_EV_WAKEUP_NEW,   /* sched_wakeup_new */
	VMRT_EV_MIGRATE,      /* sched_migrate_task */
	VMRT_EV_EXEC,	      /* sched_process_exec */
	VMRT_EV_EXIT,	      /* sched_process_exit */
	VMRT_EV_FORK,	      /* sched_process_fork */
	VMRT_EV_TIMER_SETUP,  /* hrtimer_setup or hrtimer_init */
	VMRT_EV_TIMER_START,  /* hrtimer_start */
	VMRT_EV_TIMER_CANCEL, /* hrtimer_cancel */
	VMRT_EV_TIMER_EXPIRE, /* hrtimer_expire_entry */
	VMRT_EV_MARK,	      /* ftrace print: a line written to trace_marker */
	VMRT_EV_WHEEL_START,  /* timer_start: a timer of the timer wheel, in ticks */
	VMRT_EV_WHEEL_EXPIRE, /* timer_expire_entry */
	VMRT_EV_PI,	      /* sched_pi_setprio */
	VMRT_EV_IRQ_ENTER, /* irq_handler_entry, softirq_entry, and the entry events of irq_vectors
			    */
	VMRT_EV_IRQ_LEAVE, /* the exit events of these */
	VMRT_EV_OTHER,	   /* not used, except that the record shows which thread was on the CPU */
	VMRT_EV_TYPES
};

/* common_flags of a trace record */
#define VMRT_FLAG_NEED_RESCHED 0x04
#define VMRT_FLAG_HARDIRQ 0x08
#define VMRT_FLAG_SOFTIRQ 0x10

/* hrtimer modes, as the kernel prints them */
#define VMRT_TIMER_REL 0x01
#define VMRT_TIMER_PINNED 0x02
#define VMRT_TIMER_SOFT 0x04
#define VMRT_TIMER_HARD 0x08
/* vmrt's own, of START: before Linux 4.16 only the event of the timer's set-up has the mode */
#define VMRT_TIMER_NO_MODE 0x100

/* What the function of an hrtimer is. It is UNKNOWN where the recording has no symbols. */
/*
 * The kernel functions that say what a timer is for: X(KIND, symbol). Kinds that have several
 * symbols stand together. Recordings keep the addresses of these symbols, and of no others.
 */
#define VMRT_TIMER_SYMBOL_LIST(X)                                                                  \
	X(WAKEUP, "hrtimer_wakeup") /* nanosleep, clock_nanosleep, futex and poll timeouts */      \
	X(TIMERFD, "timerfd_tmrproc")                                                              \
	X(ITIMER, "it_real_fn")                                                                    \
	X(POSIX, "posix_timer_fn")                                                                 \
	X(TICK, "tick_sched_timer")                                                                \
	X(TICK, "tick_nohz_handler")                                                               \
	X(TICK, "tick_nohz_highres_handler")                                                       \
	X(DEADLINE, "dl_task_timer")                                                               \
	X(RT_PERIOD, "sched_rt_period_timer")                                                      \
	X(CFS_PERIOD, "sched_cfs_period_timer")                                                    \
	X(CFS_PERIOD, "sched_cfs_slack_timer")                                                     \
	X(RESCH_JOB, "job_release_handler") /* of the timer wheel */                               \
	X(RESCH_SERVER, "server_complete_handler")                                                 \
	X(RESCH_SERVER, "server_release_handler")

/* The kinds of timers: X(KIND, word that vmrt-top shows). */
#define VMRT_TIMER_FN_LIST(X)                                                                      \
	X(UNKNOWN, "")                                                                             \
	X(OTHER, "")                                                                               \
	X(WAKEUP, "hrtimer_wakeup")                                                                \
	X(TIMERFD, "timerfd")                                                                      \
	X(ITIMER, "itimer")                                                                        \
	X(POSIX, "posix_timer")                                                                    \
	X(TICK, "tick")                                                                            \
	X(DEADLINE, "deadline")                                                                    \
	X(RT_PERIOD, "rt_period")                                                                  \
	X(CFS_PERIOD, "cfs_period")                                                                \
	X(RESCH_JOB, "resch")                                                                      \
	X(RESCH_SERVER, "resch")

enum vmrt_timer_fn {
#define X(kind, word) VMRT_FN_##kind,
	VMRT_TIMER_FN_LIST(X)
#undef X
};

/*
 * One event. Pointers point into the recording and are valid until the next event is asked for. A
 * name that fills 16 bytes has no NUL at its end.
 */
struct vmrt_event {
	int64_t ts;    /* ns, clock of its own machine */
	uint64_t lost; /* events lost on this CPU right before this one; UINT64_MAX: an unknown
			  number */
	enum vmrt_event_type type;
	uint16_t cpu;
	uint8_t flags;	/* VMRT_FLAG_* */
	uint8_t depth;	/* how often preemption is disabled; 0 also where the kernel does not count
			 */
	int32_t pid;	/* common_pid: the thread that was on the CPU */
	uint8_t layout; /* number of the format that describes the event; 0: no format that is used
			 */
	union {
		struct {
			const char *prev_comm;
			int32_t prev_pid,
				prev_prio;  /* kernel priority: FIFO p is 99 - p, CFS >= 100 */
			int64_t prev_state; /* 0 running; 1 S, 2 D, 4 T, 8 t, 16 X, 32 Z... */
			const char *next_comm;
			int32_t next_pid, next_prio;
		} sw;
		struct {
			const char *comm;
			int32_t pid, prio;
			int32_t target_cpu;
		} wake; /* WAKING, WAKEUP, WAKEUP_NEW */
		struct {
			int32_t pid;
			int32_t orig_cpu, dest_cpu;
		} migrate;
		struct {
			const char *comm; /* may be NULL (exec: the file name is not a comm) */
			int32_t pid, other_pid; /* FORK: parent and child; EXEC: new and old pid */
		} process;
		struct {
			uint64_t timer, function;
			enum vmrt_timer_fn fn;
			int64_t expires, softexpires; /* START only */
			int64_t now;		      /* EXPIRE only */
			int32_t mode;		      /* START: VMRT_TIMER_* */
			int32_t clock;		      /* SETUP: clockid */
		} timer;
		struct {
			uint64_t timer, function;
			enum vmrt_timer_fn fn;
			uint64_t expires; /* START only; in ticks since boot, like all times of the
					     timer wheel */
			uint64_t now;
		} wheel;
		struct {
			int32_t pid, old_prio, new_prio;
		} pi;
		struct {
			const char *text; /* not NUL-terminated */
			uint32_t len;
		} mark;
	};
};

#endif
