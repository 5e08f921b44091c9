/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_ENFORCE_ENFORCER_H
#define VMRT_HSF_ENFORCE_ENFORCER_H

/* What the files of hsf/enforce share. All of it is used by the enforcer's thread only, except
 * where a comment names other threads. */

#include <pthread.h>
#include <semaphore.h>

#include "server.h"

struct hsf_member {
	struct hsf_server *server;
	pid_t pid, tid;
	bool helper;
	struct hsf_clock clock;
	struct hsf_switches switches; /* by activation */
	int64_t count;		      /* last reading of the clock, in ns */
	int64_t armed;		      /* the reading at which its event is due */
	int64_t since_ns; /* by activation: when its present run began; 0: it does not run */
	int64_t ahead_ns; /* charged by its switches before its clock was read */
	bool awake;	  /* by activation: wants to run */
	int level; /* its priority; 0: held back. Of a helper: the priority that it was given; 0:
		      none */
	bool held; /* a helper that is an ordinary thread until the end of the period */
	bool gone; /* the thread has ended */
};

/* A thread at the members' priority, behind all members in the kernel's queue: it runs when no
 * member wants to run (idle.c). */
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
	_Atomic size_t
		n_members; /* read by other threads; a member is complete before it is counted */
	size_t n_vcpus;	   /* vCPU threads that have not ended */
	pid_t processes[HSF_MAX_PROCESSES]; /* depletion hard: stopped without budget */
	int process_fds[HSF_MAX_PROCESSES]; /* descriptors of these processes; -1: only the process
					       id is known */
	size_t n_processes;
	atomic_bool gone;
	struct hsf_idle *idle;
	/* as the members are now */
	int level;	/* their SCHED_FIFO priority; 0: held back */
	bool suspended; /* a marker has said that the server is suspended */
	/* its helper threads: helpers.c */
	int helper_level;	  /* their priority */
	int64_t helpers_from_ns;  /* the helpers' consumption is counted since then */
	int64_t helpers_used_ns;  /* the helpers' consumption since then */
	int64_t helpers_until_ns; /* helpers are held back until then; 0: they are not held back */
	/* decided by arrange(), and carried out after all levels are known */
	int wanted; /* the level to set */
	bool spent; /* depleted, or the rest of the budget was given up */
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
	int64_t timer_ns;	    /* the next time at which there is something to do */
	int64_t armed_ns;	    /* the time to which the timer is set */
	struct hsf_latency latency; /* of the timer */
	/* the server by slot that has the CPU to itself, or NULL */
	struct hsf_server *slot;
	int64_t slot_ns;  /* the slot is charged up to this time */
	int64_t above_ns; /* served_ns of the servers above it, at that time */
	pthread_t thread;
	bool started;
	atomic_bool begun;
	struct hsf_cost cost;
	/* set by other threads */
	_Atomic(struct hsf_command *) command;
	pthread_mutex_t mutex; /* one command at a time */
	_Atomic size_t count;  /* n, for others */
};

/* The data of an epoll event is one of these values, or a pointer to a member, or a pointer to a
 * server with its lowest bit set. */
#define ABOUT_TIMER UINT64_C(2)
#define ABOUT_COMMAND UINT64_C(4)
#define ABOUT_MEMBER(m) ((uint64_t)(uintptr_t)(m))
#define ABOUT_IDLE(s) ((uint64_t)(uintptr_t)(s) | 1)

/* ---- enforcer.c: the thread ---- */

/** enforcer_do - let the enforcer's thread call @run and wait for it; if the thread has not been
 * started, @run is called here; @stop: the thread ends after the call */
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

/** server_members - number of members of @s; may be called by threads other than the one that adds
 * members */
static inline size_t server_members(const struct hsf_server *s)
{
	return atomic_load_explicit(&s->n_members, memory_order_acquire);
}

/**
 * server_charge - charge what the members consumed until @now
 *
 * Return: HSF_DEPLETED if that used up the budget; @s then says that it is spent.
 */
enum hsf_action server_charge(struct hsf_server *s, int64_t now);

/** server_spent - note that the budget was used up, or given up because no member wants to run */
void server_spent(struct hsf_server *s, bool gave_up);

/** server_arm - set the alarms for the rest of the budget; without alarms if the members are held
 * back */
void server_arm(struct hsf_server *s);

/** server_hold - hold back members that have no priority yet, until the first replenishment */
void server_hold(struct hsf_server *s);

/** server_level - give the members this priority, or hold them back (0) */
void server_level(struct hsf_server *s, int level);

/** server_read_clocks - read the clocks of members that are not charged, too, for the figures */
void server_read_clocks(struct hsf_server *s);

/** server_release - end the enforcement: members run without priority, alarms are off, a marker is
 * written */
void server_release(struct hsf_server *s);

/** server_alarmed - has the clock of @m an alarm that is about the budget? */
bool server_alarmed(const struct hsf_server *s, const struct hsf_member *m);

/* ---- helpers.c: the threads beside the vCPU threads ---- */

/** helpers_arm - set alarms for the budget that the helpers may still use */
void helpers_arm(struct hsf_server *s);

/** helpers_limit - hold the helpers back if they have used up their budget; else set their alarms
 */
void helpers_limit(struct hsf_server *s, int64_t now);

/** helpers_next - when helpers_release() is to be called, or HSF_NEVER */
int64_t helpers_next(const struct hsf_server *s);

/** helpers_release - give the helpers their priority again, if it is time */
void helpers_release(struct hsf_server *s, int64_t now);

/** helpers_level - give @level to the helpers that are at the server's helper level */
void helpers_level(struct hsf_server *s, int level);

/** server_lose - drop member @m, which has ended */
void server_lose(struct hsf_member *m);

/** server_mark_start - write the marker that has the parameters of @s */
void server_mark_start(const struct hsf_server *s);

/* ---- arrange.c: all servers of a CPU ---- */

/** arrange - after budgets have changed: choose the level of each server, set it, and write
 * markers */
void arrange(struct hsf_enforcer *e, int64_t now);

/** arrange_slot_end - when the slot in progress ends if nothing happens, or HSF_NEVER */
int64_t arrange_slot_end(const struct hsf_enforcer *e);

/** arrange_charge_slot - charge the server that has the slot; returns as server_charge() */
enum hsf_action arrange_charge_slot(struct hsf_enforcer *e, int64_t now);

/* ---- idle.c ---- */

/** idle_new - start the thread that finds out when no member of @s wants to run; HSF_DEPLETED comes
 * by idle_fd() */
enum vmrt_status idle_new(struct hsf_server *s, struct hsf_idle **out, struct vmrt_error *err);

/** idle_fd - the descriptor that becomes readable when no member wants to run */
int idle_fd(const struct hsf_idle *idle);

/** idle_watch - start to watch; the members have @priority now */
void idle_watch(struct hsf_idle *idle, int priority);

/** idle_forget - stop watching */
void idle_forget(struct hsf_idle *idle);

/** idle_found - does the event of idle_fd() belong to the last idle_watch()? The event is consumed.
 */
bool idle_found(struct hsf_idle *idle);

/** idle_cpu_ns - CPU time of its thread */
int64_t idle_cpu_ns(const struct hsf_idle *idle);

/** idle_free - end the thread; NULL is allowed */
void idle_free(struct hsf_idle *idle);

#endif
