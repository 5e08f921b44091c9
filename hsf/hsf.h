/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_HSF_H
#define VMRT_HSF_HSF_H

/*
 * vmrt-hsf: servers for virtual machines, enforced from user space.
 *
 * Rules (policy.c, admission.c) are pure functions of times; the mechanism (perfclock.c, threads.c,
 * guardian.c, enforcer.c) carries out what they say; prepare.c, members.c and run.c put a run together.
 */

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include <vmrt/experiment.h>
#include <vmrt/marks.h>
#include <vmrt/status.h>
#include <vmrt/units.h>
#include <vmrt/vms.h>

#define HSF_ENFORCER_PRIORITY 98 /* SCHED_FIFO; 99 is left to the kernel's own threads */
#define HSF_HELPER_ABOVE 1	 /* helper threads run this much above the vCPU threads */
#define HSF_MAX_SERVERS 64
#define HSF_MAX_VCPUS 64    /* of one server */
#define HSF_LEAST_PERIOD_NS (500 * VMRT_NS_PER_US) /* about 25 us of each go to enforcing */
#define HSF_LEAST_BUDGET_NS (100 * VMRT_NS_PER_US)
#define HSF_NEVER INT64_MAX /* a time that does not come */

/* ---- rules: policy.c ---- */

/* What the mechanism is to do after a rule was applied. */
enum hsf_action {
	HSF_NOTHING = 0,
	HSF_REPLENISHED = 1, /* members to the server's priority; budget counts from here */
	HSF_DEPLETED = 2,    /* members demoted until the next replenishment */
};

/* One server's budget. `used` is what its members consumed since the last replenishment. */
struct hsf_budget {
	const struct hsf_rules *rules;
	int64_t period_ns;
	int64_t budget_ns;
	int64_t t0;	   /* first replenishment */
	int64_t k;	   /* number of the current period, -1 before t0 */
	int64_t used_ns;
	bool eligible;	   /* the members may run at the server's priority */
	uint64_t skipped;  /* replenishments left out, because their time came while nobody ran */
};

/* The rules of one policy. Times are CLOCK_MONOTONIC ns. */
struct hsf_rules {
	enum vmrt_policy policy;
	/** when_next - the next time at which on_time is to be called, or HSF_NEVER */
	int64_t (*when_next)(const struct hsf_budget *b);
	/** on_time - the clock shows @now */
	enum hsf_action (*on_time)(struct hsf_budget *b, int64_t now);
	/** on_use - the members have consumed @used_ns since the last replenishment */
	enum hsf_action (*on_use)(struct hsf_budget *b, int64_t now, int64_t used_ns);
};

/*
 * A budget counts as used up when less than this is left: the kernel's clock events cannot be
 * armed for less.
 */
#define HSF_LEAST_STEP_NS INT64_C(10000)

/* Server with several vCPU threads: the shortest step of one of them (hsf_step). */
#define HSF_SPLIT_STEP_NS INT64_C(50000)

/** hsf_rules_for - the rules of @policy, or NULL if it is not enforced yet */
const struct hsf_rules *hsf_rules_for(enum vmrt_policy policy);

/** hsf_rules_names - words for the policies there are rules for, separated by commas */
const char *hsf_rules_names(void);

/** hsf_budget_init - a budget that is replenished for the first time at @t0 */
void hsf_budget_init(struct hsf_budget *b, const struct hsf_rules *rules, int64_t period_ns,
	int64_t budget_ns, int64_t t0);

/**
 * hsf_step - how much one vCPU thread may consume before the budget is looked at again
 * @left_ns: what is left of the budget
 * @n: vCPU threads that share it
 * @early_ns: time between a clock event and the look at it, as measured; 0 if not known
 *
 * With one thread that is all that is left, less @early_ns. Of several threads each may go on
 * alone, and their sum must not pass the budget: each gets its share and the rest is shared again
 * when the first has used up his. Steps end at HSF_SPLIT_STEP_NS, so the sum passes the budget by
 * at most (n - 1) * HSF_SPLIT_STEP_NS and the latency of the look.
 */
int64_t hsf_step(int64_t left_ns, size_t n, int64_t early_ns);

/* Least latency of late, which the next clock event may be early by. */
struct hsf_latency {
	int64_t least_now, least_before; /* of the current and of the former window */
	unsigned n;
};

#define HSF_LATENCY_WINDOW 32

/** hsf_latency_init - nothing measured yet */
void hsf_latency_init(struct hsf_latency *l);

/** hsf_latency_add - a look came @ns after its clock event */
void hsf_latency_add(struct hsf_latency *l, int64_t ns);

/** hsf_latency_early - the least of the last 32 to 64 latencies, 0 until there are 32 */
int64_t hsf_latency_early(const struct hsf_latency *l);

/* ---- admission test: admission.c ---- */

struct hsf_demand {
	const char *name;
	int cpu;
	int priority;
	bool by_deadline;    /* among those of its priority: EDF */
	int64_t period_ns;
	int64_t budget_ns;
	int64_t jitter_ns;   /* period - budget for a server that keeps its budget, else 0 */
	int64_t response_ns; /* result: the time in which the budget is sure to be available */
};

/** hsf_demand_from - what a server asks of CPU @cpu; @spec must live as long */
void hsf_demand_from(const struct vmrt_server_spec *spec, int cpu, struct hsf_demand *out);

/** hsf_admit - response-time analysis of @d per CPU; returns how many fail (response_ns > period) */
size_t hsf_admit(struct hsf_demand *d, size_t n);

/** hsf_utilisation - sum of budget / period of the servers on @cpu */
double hsf_utilisation(const struct hsf_demand *d, size_t n, int cpu);

/** hsf_admission - VMRT_EBUSY, with the set and the reason, if not all of @d can have their budgets */
enum vmrt_status hsf_admission(struct hsf_demand *d, size_t n, struct vmrt_error *err);

/* ---- what the kernel keeps for others: reserve.c ---- */

struct hsf_reserve {
	double share;  /* of a CPU that it leaves to real-time threads while others want to run; 1: all */
	char why[128]; /* what says so */
};

/** hsf_reserve_read - how it is on @cpu now */
void hsf_reserve_read(int cpu, struct hsf_reserve *out);

/** hsf_reserve_share - @runtime / @period, or 1 where that is no limit (unknown, or -1) */
double hsf_reserve_share(int64_t runtime, int64_t period);

/**
 * hsf_reserve_group - share that the real-time group of @pid has (cgroup version 1), 1 if there is no limit
 * @group: receives its path
 */
double hsf_reserve_group(pid_t pid, char *group, size_t room);

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

/** hsf_hist_quantile - upper end of the bucket of quantile @q, at most the maximum; VMRT_UNKNOWN if empty */
int64_t hsf_hist_quantile(const struct hsf_hist *h, double q);

/* ---- settings of threads: threads.c ---- */

/* What a thread gets back. */
struct hsf_settings {
	uint32_t policy;
	uint64_t flags; /* reset-on-fork */
	int32_t nice;
	uint32_t priority;
	cpu_set_t affinity;
};

/** hsf_settings_read - the settings that thread @tid has now; 0 or an errno value */
int hsf_settings_read(pid_t tid, struct hsf_settings *out);

/** hsf_settings_equal - are @a and @b the same? */
bool hsf_settings_equal(const struct hsf_settings *a, const struct hsf_settings *b);

/** hsf_settings_apply - give @tid the settings @s; 0 or an errno value */
int hsf_settings_apply(pid_t tid, const struct hsf_settings *s);

/**
 * hsf_raise - SCHED_FIFO at @priority; 0 or an errno value
 *
 * Threads that @tid creates do not inherit it.
 */
int hsf_raise(pid_t tid, int priority);

/** hsf_demote - SCHED_OTHER; 0 or an errno value */
int hsf_demote(pid_t tid);

/* ---- who gives settings back: guardian.c ---- */

struct hsf_guardian;

/**
 * hsf_guardian_start - fork the processes that outlive this one
 * @out: end it with hsf_guardian_finish()
 *
 * To be called before there are threads, and before anything is open that must not stay open.
 */
enum vmrt_status hsf_guardian_start(struct hsf_guardian **out, struct vmrt_error *err);

/** hsf_guardian_hold - keep @fd, which holds a lock on a VM, open until all is given back */
void hsf_guardian_hold(struct hsf_guardian *g, int fd);

/**
 * hsf_guardian_add - note the settings of thread @tid of process @pid, before they are changed
 *
 * Return: VMRT_OK, VMRT_ENOENT (no such thread), VMRT_EUNSUPPORTED (SCHED_DEADLINE), VMRT_ERANGE (too many).
 */
enum vmrt_status hsf_guardian_add(
	struct hsf_guardian *g, pid_t pid, pid_t tid, struct vmrt_error *err);

/** hsf_guardian_restore - give thread @tid its settings back and forget it; 0, or -1 if it could not get them */
int hsf_guardian_restore(struct hsf_guardian *g, pid_t tid);

/** hsf_guardian_fds - become readable when one of the processes has died before its time */
void hsf_guardian_fds(const struct hsf_guardian *g, int fds[2]);

/**
 * hsf_guardian_finish - have all settings given back, wait for it, and free
 *
 * Return: how many threads that still exist could not be given their settings back.
 */
int hsf_guardian_finish(struct hsf_guardian *g);

/* ---- CPU time of a thread that raises an event: perfclock.c ---- */

struct hsf_clock {
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

/* ---- servers and enforcers: enforcer.c ---- */

struct hsf_vcpu {
	pid_t tid;
	struct hsf_clock clock;
	int64_t count;	/* last reading of the clock */
	int64_t base;	/* the reading at the last replenishment */
	int64_t armed;	/* the reading at which its event is due */
	bool raised;
	bool gone;	/* the thread has ended */
};

struct hsf_server {
	const struct vmrt_server_spec *spec;
	struct hsf_budget budget;
	struct hsf_latency latency;
	pid_t pid;
	char vm[VMRT_NAME_MAX];
	int cpu;
	struct hsf_vcpu vcpus[HSF_MAX_VCPUS];
	_Atomic size_t n_vcpus; /* grows while enforced: a slot is complete before it is counted */
	atomic_bool gone;	/* all its vCPU threads have ended */
	/* what happened */
	uint64_t replenishments, depletions, looks;
	struct hsf_hist overshoot, lateness;
	int64_t most_short; /* most that was left of a budget that counted as depleted */
};

/* One thread that enforces the servers of one CPU, on that CPU. */
struct hsf_enforcer;

/**
 * hsf_enforcer_new - prepare an enforcer for CPU @cpu
 * @servers: those of all CPUs; it takes care of its own
 * @marker: where markers go; used by all enforcers
 */
enum vmrt_status hsf_enforcer_new(int cpu, struct hsf_server *servers, size_t n,
	const struct vmrt_marker *marker, struct hsf_enforcer **out, struct vmrt_error *err);

/**
 * hsf_enforcer_adopt - make thread @tid a vCPU thread of @s, with its clock in slot s->n_vcpus
 *
 * Also while running; the thread is raised at the next replenishment. Takes over @clock.
 */
enum vmrt_status hsf_enforcer_adopt(struct hsf_enforcer *e, struct hsf_server *s, pid_t tid,
	struct hsf_clock clock, struct vmrt_error *err);

/** hsf_enforcer_start - begin; the budgets' t0 must lie in the future */
enum vmrt_status hsf_enforcer_start(struct hsf_enforcer *e, struct vmrt_error *err);

/** hsf_enforcer_fd - readable when all servers were replenished once, and when one is gone */
int hsf_enforcer_fd(const struct hsf_enforcer *e);

/** hsf_enforcer_begun - has every server been replenished once? */
bool hsf_enforcer_begun(const struct hsf_enforcer *e);

/** hsf_enforcer_cpu - the CPU it enforces */
int hsf_enforcer_cpu(const struct hsf_enforcer *e);

/** hsf_enforcer_stop - demote the vCPU threads and end the thread; returns its CPU time in ns */
int64_t hsf_enforcer_stop(struct hsf_enforcer *e);

/** hsf_enforcer_free - free @e; NULL is allowed */
void hsf_enforcer_free(struct hsf_enforcer *e);

/* ---- a run: prepare.c, members.c, run.c ---- */

struct hsf_options {
	const char *experiment;
	const char *servers[HSF_MAX_SERVERS]; /* names asked for */
	size_t n_servers;
	const char *instance;
	int64_t duration_ns; /* 0: until stopped */
	int notify_fd;	     /* -1: none */
	int cpu;	     /* -1: where the vCPU threads are */
	bool force;
	const char *stats; /* file for the figures; NULL: stderr */
	bool quiet;
};

struct hsf_run {
	FILE *figures; /* --stats */
	const struct hsf_options *opts;
	struct vmrt_experiment *exp;
	struct hsf_server *servers;
	size_t n;		      /* servers */
	struct vmrt_vm **vms;	      /* as last seen, one for each server */
	bool *gone;		      /* the end of its VM was said */
	int locks[HSF_MAX_SERVERS];   /* one for each VM */
	size_t n_locks;
	struct hsf_guardian *guardian;
	struct vmrt_marker *marker;
	struct hsf_enforcer *enforcers[HSF_MAX_SERVERS];
	size_t n_enforcers;
	int64_t begun_ns, cpu_ns;
};

/** hsf_run_prepare - read the experiment file and find the servers' VMs and CPUs (prepare.c) */
enum vmrt_status hsf_run_prepare(struct hsf_run *r, struct vmrt_error *err);

/** hsf_run_enforcer - the enforcer of CPU @cpu, or NULL (members.c) */
struct hsf_enforcer *hsf_run_enforcer(const struct hsf_run *r, int cpu);

/** hsf_run_add_members - make the threads of all VMs members of their servers (members.c) */
enum vmrt_status hsf_run_add_members(struct hsf_run *r, struct vmrt_error *err);

/** hsf_run_add_new_threads - do that with threads that VM number @i has started since (members.c) */
void hsf_run_add_new_threads(struct hsf_run *r, size_t i);

/** hsf_recover - give back what instances had changed that were killed; returns an enum vmrt_exit (run.c) */
int hsf_recover(void);

/** hsf_run - enforce until stopped; returns an enum vmrt_exit (run.c) */
int hsf_run(const struct hsf_options *opts);

/** hsf_report - write the figures of @n servers as text to @out */
void hsf_report(FILE *out, const struct hsf_server *servers, size_t n, int64_t ran_ns, int64_t cpu_ns);

#endif
