/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_TASK_RELEASE_H
#define VMRT_PARSER_ENGINE_TASK_RELEASE_H

/* Inside the engine: how a task waits for its next release (docs/metrics.md, "How a task is
 * released"). */

#include "parser/engine/core/core.h"

/* Jobs held back, at most, until it is certain that relative sleeps are releases. */
#define HELD_MAX 8
/* After so many jobs of which none slept within, a sleep ends a job, also where nothing follows. */
#define UNBROKEN_JOBS 24
/* Differences of arrivals that compete for being the period. */
#define PERIOD_CANDIDATES 8

/* Gaps of vCPUs in which one job may have waited, because its thread moved between vCPUs. */
#define GAPS_MAX 4

/* The gap of a vCPU that is still open, and what was booked as HOST_THREAD in it. */
struct gap {
	const struct thread *vcpu;
	int64_t from_ns;
	int64_t ns, idle_ns; /* the part of it in which no job was pending */
	uint32_t id;
};

/* release-mark.c: what a job had used when it may have ended; it is known only later whether it
 * did. */
struct end_mark {
	bool inferred; /* the switch was not recorded: the thread may have been preempted instead */
	int64_t idle_to_ns;		 /* no job was pending from there to this host time */
	int64_t former_ns, former_to_ns; /* and between these, behind the job before */
	/* the job went on at that host time, though no record showed that its thread was woken; and
	 * what it was like until then. VMRT_UNKNOWN: one did, or it has not gone on */
	int64_t forgotten_ns, idle_before_ns;
	bool passed_before, slept_before;
	int64_t forgiven[VMRT_BLAMES];	/* excess since then that belongs to no job, if the job did
					   end there */
	struct gap throttled[GAPS_MAX]; /* gaps that were open then and have turned out to be
					   throttling */
	unsigned n_throttled;
	int64_t local_ns, host_ns;
	int64_t cum[VMRT_BLAMES], excess[VMRT_BLAMES];
	int64_t exec_ns;
	int64_t vmm_ns; /* since the next job has arrived, the vCPU slept so long */
	int migrations;
};

/* release-nanosleep.c: a sleep whose end is the arrival. */
struct wait_sleep {
	int absolute;  /* absolute sleeps seen while the mechanism is not known */
	bool given_up; /* one of these sleeps was given up: it was the time limit of a wait for
			  something else */
	/* an arrival that becomes known when its timer expires */
	bool pending, woke;
	int clock;
	int64_t raw_expires;
	int64_t slack_ns; /* the kernel may end the sleep so late on purpose (timer slack of
			     ordinary threads) */
};

/* release-relative.c: relative sleeps are taken for releases, on trial. */
struct wait_trial {
	bool running;
	bool was_head; /* it began in JOB_HEAD */
	struct vmrt_job *held;
	int n_held;
	unsigned naps;	  /* relative sleeps */
	int64_t first_ns; /* the length of the first one */
	int timers;	  /* periodic timers that were armed since the trial began */
	/* of the thread's life: absolute sleeps; since the last of these, relative ones that follow
	 * one another as releases do, and whether there were enough; when the last one ends */
	unsigned absolute, in_row;
	bool enough;
	int64_t last_ns;
};

/* release-timers.c: a timer that goes on by itself: timerfd, setitimer, timer_create. */
struct wait_timer {
	uint64_t ptr;	  /* 0: none yet */
	uint64_t suspect; /* a timer that woke the thread while the mechanism is not known */
	bool gone;	  /* it was cancelled */
	bool doubtful;	  /* what woke the thread last may have been its expiry or not */
	bool foreseen; /* its expiry, whose record follows at once, has been taken into account */
	bool consumed; /* the expiry before the last arming has been taken into account; its record
			  comes late */
	int64_t next_ns;     /* local time to which it is armed, or VMRT_UNKNOWN */
	int64_t due_from_ns; /* the timer was not due before that host time */
	int64_t seen_ns;     /* last sign of it */
	int64_t woke_ns;     /* host time of the expiry that woke the thread last */
	struct fired fired;  /* expired, not consumed yet; its ptr is 0 if there is none */
	bool sleeps_within;  /* a job has slept since it was released */
	int unbroken;	     /* jobs that have not */
};

/* How the open job was opened, of mechanisms whose threads do not show when it arrived. */
struct wait_open {
	bool no_arrival; /* not known, until its timer is armed again */
	bool again;	 /* nor was that of a job before: it is not for its timer having been armed
			    before the recording */
	bool slept;	 /* it slept since it was released, and went on */
	bool in_doubt;	 /* its thread was not seen falling asleep: until its timer is armed anew,
			    that may be in the job before */
	struct fired guess;   /* this expiry was taken for what woke the thread much later, as no
				 timer had been seen being armed; its ptr is 0 if that is not so */
	int64_t at_ns;	      /* host time at which it was opened */
	int64_t idle_ns;      /* so long before that its task slept between jobs */
	int64_t idle_from_ns; /* the job before had ended then */
	int64_t vmm_ns;	      /* of it: since its timer was due, while its vCPU slept */
};

/* release-confirm.c: the timer that the thread armed when its job may have ended; see struct
 * jobs.confirming. */
struct wait_confirm {
	uint64_t timer;
	int clock;
	int64_t raw_expires;
	bool rephased;
};

/* A job that ended at @end, the next one, and how many releases between the two are accounted for.
 */
struct wait_next {
	int64_t before, end, arrival, skipped;
};

#define EARLY_MAX 8 /* such distances are known before the period is */

/* catchup.c: the signs of a late task. */
struct wait_usual {
	bool anew;		    /* if it is late, its period begins anew */
	uint32_t exact, loose, off; /* arrivals on the grid, near it, and neither */
	uint32_t astray;	    /* of these last: though the job before had ended in time */
	bool on_grid;		    /* grid_ns is known: an arrival on the grid */
	int64_t grid_ns;
	uint32_t alike, unlike;		/* as far as the time before, or not */
	uint32_t back, elsewhere;	/* behind late jobs and sleeps of another length: on it? */
	int64_t ahead_ns;		/* so far ahead its timer was armed last */
	int64_t exec_ns, least_exec_ns; /* of a job; 0: not known */
	/* what was noted of its arrivals in struct task_found */
	uint64_t arrivals, steps, missing, slept, early_skips;
	uint64_t hidden; /* periods at work without a job, before the period was certain */
	int64_t span_ns;
	struct wait_next early[EARLY_MAX]; /* noted when a period can be tried */
	unsigned n_early;
};

/* The distance of arrivals of one thread that was seen most, by majority vote. */
struct wait_own {
	int64_t ns;
	unsigned votes;
};

/* Sleeps within the open job in another way than the task's, at the distance of its period. */
struct wait_other {
	int64_t arrival_ns, at_ns; /* of the job; the end of the last such sleep */
	unsigned distances;
};

/* Sleeps within the open job that are too soon behind its arrival to be the next one. */
struct wait_within {
	int64_t arrival_ns, at_ns; /* of the job; the end of the last such sleep */
	int64_t least_ns, most_ns; /* from one to the next */
	unsigned n;
};

struct release {
	enum vmrt_release mechanism; /* AUTO until it is decided */
	int64_t period_ns;	     /* declared, or found; 0: not known */
	bool off_grid;		     /* arrivals do not lie on a grid */
	bool had_job;
	unsigned other_sleeps; /* that are not the task's way to wait, or wake-ups from such */
	struct fired nudge; /* an expiry that woke the thread while it seemed to run; no record has
			       shown yet why */
	struct wait_sleep sleep;
	struct wait_trial trial;
	struct wait_timer timer;
	struct wait_open open;
	struct wait_confirm confirm;
	struct wait_usual usual;
	struct wait_own own;
	struct wait_other other;
	struct wait_within within;
	struct end_mark mark; /* release-mark.c */
};

/* Distances of arrivals that are nearly the same. */
struct period_candidate {
	int64_t ns;
	uint64_t n;
	int64_t often_ns; /* the one of them that comes again exactly */
	unsigned often;	  /* how much more often than others */
};

/* What was found out about a task. */
struct task_found {
	bool seen;		       /* a thread of it */
	enum vmrt_release mechanism;   /* AUTO: nothing */
	uint64_t wakeups, own_wakeups; /* by others and by its own timers, until it is decided */
	bool has_job;		       /* one that the recording did not cut off */
	uint64_t from_interrupts;      /* of those by others: perhaps by a timer */
	const struct machine *machine; /* of its threads, or NULL */
	bool again;	/* the mechanism was found out after jobs had been reported */
	bool naps_then; /* a thread slept absolutely at first only, and relatively since then */
	bool stays_absolute; /* and another one went on to sleep absolutely */
	/* of arrivals that follow each other without a loss in between */
	uint64_t distances, steps; /* and the periods that jobs and skipped releases account for */
	int64_t span_ns;
	uint64_t missing; /* periods without job or skipped release */
	uint64_t slept;	  /* periods through which the thread slept: no job can be hidden there */
	uint64_t hidden;  /* jobs that may be hidden within late jobs */
	uint64_t early_skips; /* releases were left out although the job was ready in time */
	uint64_t divided;     /* jobs that sleeps within divide into equal parts */
	int64_t divided_ns;   /* the length of these */
	bool changes;	      /* threads that may have changed the way they wait */
	uint64_t too_close;   /* arrivals closer than the least distance */
	int64_t closest_ns;
	int32_t first_tid; /* a thread with a period, and that; and another one that differs */
	int64_t first_ns, differs_ns;
	unsigned n_others; /* threads that wait in another way */
	char others[OTHERS_MAX];
	struct period_candidate periods[PERIOD_CANDIDATES];
};

#endif
