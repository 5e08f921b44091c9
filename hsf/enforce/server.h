/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_ENFORCE_SERVER_H
#define VMRT_HSF_ENFORCE_SERVER_H

/*
 * Servers, and the enforcers that give them their budgets: one thread for each CPU that has
 * servers.
 *
 * A server belongs to its enforcer's thread from hsf_enforcer_add() to hsf_enforcer_remove(). All
 * functions hsf_enforcer_*() may be called from any thread, but one at a time for each enforcer:
 * what they do to a server is done by the enforcer's thread between two events, and has been done
 * when they return.
 */

#include <sched.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <vmrt/marks.h>
#include <vmrt/status.h>

#include "hsf/rules/policy.h"

#define HSF_ENFORCER_PRIORITY 98 /* SCHED_FIFO; 99 is left to the kernel's own threads */
#define HSF_HELPER_ABOVE 1	 /* helper threads run this much above the vCPU threads */
#define HSF_DEADLINE_PRIORITY 96 /* policy edf: of the server whose period ends first */
#define HSF_MAX_SERVERS 64	 /* on one CPU, and of one run */
#define HSF_MAX_MEMBERS 128	 /* of one server */
#define HSF_MAX_PROCESSES 32	 /* of one server with depletion hard */
#define HSF_FRESH 8		 /* replenishments at one time, of one server */

/* ---- a histogram without allocation: stats.c ---- */

#define HSF_HIST_FINE 32 /* buckets per power of two: values are exact to 1/32 */
#define HSF_HIST_BUCKETS (64 * HSF_HIST_FINE)

struct hsf_hist {
	uint64_t count[HSF_HIST_BUCKETS];
	uint64_t n;
	int64_t max;
};

/** hsf_hist_add - count @ns; below 0 counts as 0 */
void hsf_hist_add(struct hsf_hist *h, int64_t ns);

/** hsf_hist_quantile - upper end of the bucket of quantile @q, at most the maximum; VMRT_UNKNOWN if
 * empty */
int64_t hsf_hist_quantile(const struct hsf_hist *h, double q);

/* ---- CPU time of a thread that raises an event: perfclock.c ---- */

struct hsf_clock {
	bool open;
	int counter; /* perf event that counts */
	int alarm;   /* perf event that is readable when the alarm has gone off */
	void *ring;  /* of the alarm: the kernel wakes waiters only of events that have one */
	bool armed;  /* the alarm is to go off, and has not been seen to */
};

/** hsf_clock_open - count the CPU time of thread @tid; close with hsf_clock_close() */
enum vmrt_status hsf_clock_open(struct hsf_clock *c, pid_t tid, struct vmrt_error *err);

/** hsf_clock_read - CPU time in ns since it was opened, -1 if it cannot be read */
int64_t hsf_clock_read(const struct hsf_clock *c);

/** hsf_clock_arm - alarm once, when the thread has consumed @ns from now on; 0 or -1 with errno */
int hsf_clock_arm(struct hsf_clock *c, int64_t ns);

/** hsf_clock_disarm - no alarm */
void hsf_clock_disarm(struct hsf_clock *c);

/** hsf_clock_close - give everything back; a closed one is allowed */
void hsf_clock_close(struct hsf_clock *c);

/* ---- when a thread ran: switches.c ---- */

struct hsf_switches {
	int fd;
	void *ring; /* NULL: not open */
};

struct hsf_switch {
	int64_t ns;   /* CLOCK_MONOTONIC */
	bool in;      /* it began to run */
	bool blocked; /* the thread stopped because it did not want to run */
	bool lost;    /* no switch: some switches before this one were not recorded */
};

/** hsf_switches_open - record the switches of thread @tid; close with hsf_switches_close() */
enum vmrt_status hsf_switches_open(struct hsf_switches *s, pid_t tid, struct vmrt_error *err);

/** hsf_switches_next - take the oldest one; false if there is none */
bool hsf_switches_next(struct hsf_switches *s, struct hsf_switch *out);

/** hsf_switches_close - give everything back; one that is not open is allowed */
void hsf_switches_close(struct hsf_switches *s);

/* ---- servers ---- */

/* What a server is meant to do; can be changed while it is enforced. */
struct hsf_params {
	enum vmrt_policy policy;
	enum vmrt_depletion depletion;
	enum vmrt_background background; /* depletion soft: what members are without budget */
	bool charge_helpers;		 /* what helper threads consume is charged, too */
	int64_t period_ns;
	int64_t budget_ns;
	int priority;
};

/* What happened to a server since it was added. Times in ns. */
struct hsf_figures {
	uint64_t replenishments, depletions, budget_checks;
	uint64_t discards;    /* budgets given up since no member wanted to run */
	uint64_t suspensions; /* times held back by a server above that has the CPU to itself */
	struct hsf_hist overshoot; /* consumption above the budget, where that was used up */
	struct hsf_hist lateness;  /* from a replenishment's nominal time to when it was in force */
	struct hsf_hist use;	   /* consumption per period, policy none */
	int64_t most_short;	   /* most that was left of a budget that counted as depleted */
	int64_t served_ns;	   /* consumed at the priority */
	int64_t background_ns;	   /* and below it, by the vCPU threads */
	uint64_t helper_holds;	   /* how often helper threads were held back */
	int64_t helpers_ns;	   /* by helper threads; as of the last hsf_enforcer_read() */
};

/* A server as it is at one time. */
struct hsf_state {
	struct hsf_params params;
	bool changing;	  /* other parameters will be in force from the next replenishment on */
	bool eligible;	  /* it has budget */
	bool suspended;	  /* it has budget, but a server above it has the CPU to itself */
	int64_t k;	  /* period, or number of the last replenishment */
	int64_t left_ns;  /* of the budget */
	uint64_t skipped; /* replenishments left out */
	size_t n_vcpus, n_helpers;
	struct hsf_figures figures;
};

struct hsf_server;
struct hsf_enforcer;

/**
 * hsf_server_new - a server that nobody enforces yet
 * @name: of the server; @vm: of what its members belong to, for words and markers
 * @pid: a process of it; @cpu: the host CPU
 * @out: free it with hsf_server_free()
 */
enum vmrt_status hsf_server_new(const char *name, const char *vm, pid_t pid, int cpu,
	const struct hsf_params *params, struct hsf_server **out, struct vmrt_error *err);

/** hsf_server_free - free one that is not being enforced; NULL is allowed */
void hsf_server_free(struct hsf_server *s);

/** hsf_server_gone - have all its vCPU threads ended? */
bool hsf_server_gone(const struct hsf_server *s);

/** hsf_params_from - the parameters that an experiment file gives */
void hsf_params_from(struct hsf_params *out, const struct vmrt_server_spec *spec);

/** hsf_params_priority - the SCHED_FIFO priority of members that have budget, at most */
int hsf_params_priority(const struct hsf_params *p);

/* ---- enforcers: enforcer.c ---- */

/**
 * hsf_enforcer_new - prepare an enforcer for CPU @cpu; free it with hsf_enforcer_free()
 * @marker: where markers go; used by all enforcers
 */
enum vmrt_status hsf_enforcer_new(int cpu, const struct vmrt_marker *marker,
	struct hsf_enforcer **out, struct vmrt_error *err);

/** hsf_enforcer_start - its thread begins to work */
enum vmrt_status hsf_enforcer_start(struct hsf_enforcer *e, struct vmrt_error *err);

/**
 * hsf_enforcer_add - give @s its budgets from @t0 on, or from the first point of that grid that
 * lies in the future
 *
 * Its members may be adopted before or after. VMRT_ERANGE if there are too many servers on this
 * CPU.
 */
enum vmrt_status hsf_enforcer_add(
	struct hsf_enforcer *e, struct hsf_server *s, int64_t t0, struct vmrt_error *err);

/**
 * hsf_enforcer_try - may thread @tid, which can only run on the CPU of @e, be given a real-time
 * priority?
 *
 * It has none afterwards, and the policy of @background. The enforcer does it, which is above all
 * priorities that it gives: whoever else raises a busy thread on his own CPU does not run again to
 * lower it.
 *
 * Return: 0, or the errno value of what could not be set.
 */
int hsf_enforcer_try(struct hsf_enforcer *e, pid_t tid, enum vmrt_background background);

/**
 * hsf_enforcer_adopt - make thread @tid of process @pid a member of @s, whose enforcer is @e
 * @helper: not a vCPU thread: shown, charged if the parameters say so, and held back by a budget of
 * its own
 *
 * The caller has confined it to the CPU and raised it if it is a helper; a vCPU thread is raised as
 * soon as there is budget. Not for threads that are members already.
 */
enum vmrt_status hsf_enforcer_adopt(struct hsf_enforcer *e, struct hsf_server *s, pid_t pid,
	pid_t tid, bool helper, struct vmrt_error *err);

/**
 * hsf_enforcer_set - other parameters for @s, from its next replenishment on
 *
 * VMRT_EUNSUPPORTED from or to a policy that is not enforced here (none, deadline).
 */
enum vmrt_status hsf_enforcer_set(struct hsf_enforcer *e, struct hsf_server *s,
	const struct hsf_params *params, struct vmrt_error *err);

/** hsf_enforcer_introduce - the markers that have the servers' parameters, once more, to @marker
 * alone */
void hsf_enforcer_introduce(struct hsf_enforcer *e, const struct vmrt_marker *marker);

/** hsf_enforcer_read - what @s does, and has done; @out is large (50 KiB) */
void hsf_enforcer_read(struct hsf_enforcer *e, struct hsf_server *s, struct hsf_state *out);

/**
 * hsf_enforcer_remove - stop enforcing @s, which belongs to the caller again
 *
 * Its members run, without priority; they have not got back what they had before they were members.
 */
void hsf_enforcer_remove(struct hsf_enforcer *e, struct hsf_server *s);

/** hsf_enforcer_fd - readable, an eventfd, when all servers were replenished once and when one is
 * gone */
int hsf_enforcer_fd(const struct hsf_enforcer *e);

/** hsf_enforcer_begun - has every server been replenished once? */
bool hsf_enforcer_begun(const struct hsf_enforcer *e);

/** hsf_enforcer_cpu - the CPU it enforces */
int hsf_enforcer_cpu(const struct hsf_enforcer *e);

/** hsf_enforcer_servers - how many it has */
size_t hsf_enforcer_servers(const struct hsf_enforcer *e);

/* What an enforcer costs. */
struct hsf_cost {
	int64_t cpu_ns;	      /* of its threads */
	uint64_t wakes;	      /* of the thread that enforces */
	struct hsf_hist busy; /* time from the return of a wait to the next one */
};

/** hsf_enforcer_cost - so far; @out is large (16 KiB) */
void hsf_enforcer_cost(struct hsf_enforcer *e, struct hsf_cost *out);

/** hsf_enforcer_stop - remove all servers and end the thread */
void hsf_enforcer_stop(struct hsf_enforcer *e);

/** hsf_enforcer_free - stop and free @e; NULL is allowed */
void hsf_enforcer_free(struct hsf_enforcer *e);

#endif
