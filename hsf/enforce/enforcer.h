/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_ENFORCE_ENFORCER_H
#define VMRT_HSF_ENFORCE_ENFORCER_H

/* What the files of the enforcer know of one another. All of it belongs to the enforcer's thread,
 * but for what is said. */

#include <pthread.h>
#include <semaphore.h>

#include "server.h"

struct hsf_member {
	struct hsf_server *server;
	pid_t pid, tid;
	bool helper;
	struct hsf_clock clock;
	struct hsf_switches switches; /* by activation */
	int64_t count;		      /* last reading of the clock */
	int64_t armed;		      /* the reading at which its event is due */
	int64_t since_ns; /* by activation: when its present run began; 0: it does not run */
	int64_t ahead_ns; /* charged from its switches before its clock said so */
	bool awake;	  /* by activation: wants to run */
	int level; /* its priority; 0: held back. Of a helper: the priority that it was given; 0:
		      none */
	bool held; /* a helper that is ordinary until the period is over */
	bool gone; /* the thread has ended */
};

/* A thread that runs when no member wants to, since it is the last of their priority: idle.c. */
struct hsf_idle;

struct hsf_server {
	char name[VMRT_NAME_MAX], vm[VMRT_NAME_MAX];
	pid_t pid;
	int cpu;
	struct hsf_enforcer *enforcer;
	struct hsf_params params, next; /* next: from the next replenishment on, if `changing` */
	bool changing;
	struct hsf_budget budget;
	struct hsf_latency latency;
	struct hsf_member members[HSF_MAX_MEMBERS];
	_Atomic size_t n_members; /* read by others; a slot is complete before it is counted */
	size_t n_vcpus;		  /* that have not ended */
	pid_t processes[HSF_MAX_PROCESSES]; /* depletion hard: stopped without budget */
	int process_fds[HSF_MAX_PROCESSES]; /* which name them for good; -1: only the number */
	size_t n_processes;
	atomic_bool gone;
	struct hsf_idle *idle;
	/* as the members are now */
	int level;	/* their SCHED_FIFO priority; 0: held back */
	bool suspended; /* that was marked */
	/* its helper threads: helpers.c */
	int helper_level;	  /* their priority */
	int64_t helpers_from_ns;  /* the helpers' consumption is counted since then */
	int64_t helpers_used_ns;  /* and is so much */
	int64_t helpers_until_ns; /* helpers are held back until then; 0: they are not held back */
	/* to be done when everything is in its place */
	int wanted; /* level */
	bool spent; /* depleted; what is left of the budget when given up: not `idle` */
	bool gave_up;
	int64_t over_ns; /* consumption above the budget when it was depleted */
	struct hsf_chunk fresh[HSF_FRESH];
	size_t n_fresh;
	struct hsf_figures figures;
};

struct hsf_enforcer {
	int cpu;
	struct hsf_server *servers[HSF_MAX_SERVERS];
	size_t n;
	const struct vmrt_marker *marker;
	int epoll, timer, wake, news;
	int64_t timer_ns;	    /* when there is something to do next */
	int64_t armed_ns;	    /* what the timer is set to */
	struct hsf_latency latency; /* of the timer */
	/* the server by slot that has the CPU to itself, if any */
	struct hsf_server *slot;
	int64_t slot_ns;  /* charged until then */
	int64_t above_ns; /* served_ns of the servers above it, at that time */
	pthread_t thread;
	bool started;
	atomic_bool begun;
	struct hsf_cost cost;
	/* what other threads want */
	_Atomic(struct hsf_command *) command;
	pthread_mutex_t mutex; /* one command at a time */
	_Atomic size_t count;  /* n, for others */
};

/* What an event is about: one of these, or a pointer to a member or, with its lowest bit set, to a
 * server. */
#define ABOUT_TIMER UINT64_C(2)
#define ABOUT_COMMAND UINT64_C(4)
#define ABOUT_MEMBER(m) ((uint64_t)(uintptr_t)(m))
#define ABOUT_IDLE(s) ((uint64_t)(uintptr_t)(s) | 1)

/* ---- enforcer.c: the thread ---- */

/** enforcer_do - have @run done by the enforcer's thread, or here if there is none yet; @stop: the
 * thread ends then */
void enforcer_do(
	struct hsf_enforcer *e, void (*run)(struct hsf_enforcer *, void *), void *arg, bool stop);

/** enforcer_watch - events of @fd, which are about @about, wake the thread; 0, or -1 with errno */
int enforcer_watch(const struct hsf_enforcer *e, int fd, uint32_t events, uint64_t about);

/** enforcer_note_begun - report once that every server that has replenishments has had one */
void enforcer_note_begun(struct hsf_enforcer *e);

/* ---- server.c: one server and its members ---- */

/** server_open - do the members run at a priority of the server? */
static inline bool server_open(const struct hsf_server *s)
{
	return s->level > 0;
}

/** server_members - of @s, by a thread other than the one that adds them, too */
static inline size_t server_members(const struct hsf_server *s)
{
	return atomic_load_explicit(&s->n_members, memory_order_acquire);
}

/**
 * server_charge - take account of what was consumed until @now
 *
 * Return: HSF_DEPLETED if that used up the budget, which then is noted in @s.
 */
enum hsf_action server_charge(struct hsf_server *s, int64_t now);

/** server_spent - the budget has just been used up, or given up since no member wants to run */
void server_spent(struct hsf_server *s, bool gave_up);

/** server_arm - alarms for what is left of the budget, or none if the members are held back */
void server_arm(struct hsf_server *s);

/** server_hold - the members, which have no priority yet, are not to run before the first
 * replenishment */
void server_hold(struct hsf_server *s);

/** server_level - give the members this priority, or hold them back (0) */
void server_level(struct hsf_server *s, int level);

/** server_read_clocks - read the clocks of members that are not charged, too, for the figures */
void server_read_clocks(struct hsf_server *s);

/** server_release - members run without priority, no events, marker: it is not enforced any more */
void server_release(struct hsf_server *s);

/** server_alarmed - has the clock of @m an alarm that is about the budget? */
bool server_alarmed(const struct hsf_server *s, const struct hsf_member *m);

/* ---- helpers.c: the threads beside the vCPU threads ---- */

/** helpers_arm - alarms for the budget that the helpers may still use */
void helpers_arm(struct hsf_server *s);

/** helpers_limit - hold the helpers back if they have used up their budget; else set their alarms
 */
void helpers_limit(struct hsf_server *s, int64_t now);

/** helpers_next - when helpers_release() is to be called, or HSF_NEVER */
int64_t helpers_next(const struct hsf_server *s);

/** helpers_release - give the helpers their priority again, if it is time */
void helpers_release(struct hsf_server *s, int64_t now);

/** helpers_level - helpers that are at the server's helper level get @level */
void helpers_level(struct hsf_server *s, int level);

/** server_lose - member @m has ended */
void server_lose(struct hsf_member *m);

/** server_mark_start - the marker that has its parameters */
void server_mark_start(const struct hsf_server *s);

/* ---- arrange.c: all servers of a CPU ---- */

/** arrange - after budgets have changed: who has which priority now; markers */
void arrange(struct hsf_enforcer *e, int64_t now);

/** arrange_slot_end - when the slot in progress ends if nothing happens, or HSF_NEVER */
int64_t arrange_slot_end(const struct hsf_enforcer *e);

/** arrange_charge_slot - charge the server that has the slot; returns as server_charge() */
enum hsf_action arrange_charge_slot(struct hsf_enforcer *e, int64_t now);

/* ---- idle.c ---- */

/** idle_new - start the thread that finds out when no member of @s wants to run; HSF_DEPLETED comes
 * by idle_fd() */
enum vmrt_status idle_new(struct hsf_server *s, struct hsf_idle **out, struct vmrt_error *err);

/** idle_fd - becomes readable when it was found out */
int idle_fd(const struct hsf_idle *idle);

/** idle_watch - from now on; the members have @priority */
void idle_watch(struct hsf_idle *idle, int priority);

/** idle_forget - no more */
void idle_forget(struct hsf_idle *idle);

/** idle_found - does the event of idle_fd() belong to the last idle_watch()? The event is consumed.
 */
bool idle_found(struct hsf_idle *idle);

/** idle_cpu_ns - CPU time of its thread */
int64_t idle_cpu_ns(const struct hsf_idle *idle);

/** idle_free - end the thread; NULL is allowed */
void idle_free(struct hsf_idle *idle);

#endif
