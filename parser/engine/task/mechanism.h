/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_TASK_MECHANISM_H
#define VMRT_PARSER_ENGINE_TASK_MECHANISM_H

/*
 * Ways to wait for a release: each is one file with one struct mechanism called
 * mechanism_WORD, whose WORD stands in VMRT_RELEASE_LIST.
 *
 * Events of a thread go to its mechanism. While the mechanism is not known, the events are offered
 * to all mechanisms in the order of the list; the first proof decides (release_decide()).
 */

#include "task.h"

#define STATE_SLEEP 1
#define STATE_DISK 2
#define STATE_STOPPED 0x0c /* T, t */
#define DEADLINE_PRIO (-1)

/* What kind of timer a thread arms. */
enum armed_kind {
	ARMED_UNTIL,	/* a sleep until an absolute time */
	ARMED_FOR,	/* a sleep for a time */
	ARMED_TIMER,	/* a timer that goes on by itself */
	ARMED_DEADLINE, /* the timer of its SCHED_DEADLINE reservation */
	ARMED_WHEEL,	/* of the timer wheel */
	ARMED_OTHER,
};

struct armed {
	const struct vmrt_event *ev;
	int64_t host_ns;
	enum armed_kind kind;
};

struct mechanism {
	enum vmrt_release release;
	int strength;  /* if threads of a task wait in different ways, those with the strongest
			  mechanism are the task */
	bool off_grid; /* its arrivals lie on no grid */
	bool merges;   /* a late thread serves several releases with one job */
	/* The thread arms a timer. True: this mechanism waits for timers of this kind. */
	bool (*arm)(struct jobs *j, const struct armed *a);
	/* A timer of the thread, or any timer of the wheel, expires. */
	void (*expire)(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns,
		const struct fired *fired);
	/* The sleeping thread is woken, by the expiry @by or, if that is NULL, by something else.
	 * True: that was its release. */
	bool (*wake)(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns,
		const struct fired *by);
	/* The thread runs again, and no record showed that it was woken. True: it was its release.
	 */
	bool (*switch_in)(struct jobs *j, int64_t local_ns, int64_t host_ns);
	/* The thread is switched in. @by woke it while it seemed to run, so it had slept. */
	void (*slept)(struct jobs *j, int64_t host_ns, const struct fired *by);
	void (*switch_out)(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns);
	/* The recording or the thread ends: what is certain now? */
	void (*finish)(struct jobs *j, int64_t host_ns);
	/* The thread ends. False: its open job had ended before. */
	bool (*exits)(const struct jobs *j);
};

#define X(name, word) extern const struct mechanism mechanism_##word;
VMRT_RELEASE_LIST(X)
#undef X

static inline bool is_undecided(const struct jobs *j)
{
	return j->rel.mechanism == VMRT_RELEASE_AUTO;
}

/* release.c */
const struct mechanism *mechanism_of(enum vmrt_release release);

/* release-confirm.c: a timer that ends the job if the thread is switched out right now */
void confirm_begin(struct jobs *j, const struct armed *a, uint64_t timer, int64_t raw, int clock);
void confirm_ended(struct jobs *j, enum vmrt_release mechanism, int64_t host_ns);
void confirm_forget(struct jobs *j, int64_t host_ns);
void confirm_expired(
	struct jobs *j, uint64_t timer, int clock, enum vmrt_release mechanism, int64_t host_ns);

/* release-nanosleep.c */
int64_t sleep_expiry(const struct machine *m, int clock, int64_t raw);
void sleep_given_up(struct jobs *j, uint64_t timer, int64_t local_ns, int64_t host_ns);
void sleep_arrives(struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t late);

/* release-timers.c */
enum vmrt_release timers_kind(enum vmrt_timer_fn fn);
/** sleep_otherwise - the thread arms a timer: is that for a sleep of another way than its task's?
 */
void sleep_otherwise(struct jobs *j, const struct armed *a);
/** release_lost_since - were events of the task's machine lost since that local time? */
bool release_lost_since(const struct jobs *j, int64_t local_ns);

#endif
