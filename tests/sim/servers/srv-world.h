/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TESTS_SRV_WORLD_H
#define VMRT_TESTS_SRV_WORLD_H

/* Inside the simulator of servers. */

#include "srv.h"

enum kind { K_MEMBER, K_HOG, K_RT, K_ENFORCER, K_SOFT };
enum state { BLOCKED, READY, RUN, STOPPED };
enum timer_kind {
	T_WAKE,
	T_GRID,
	T_OVERFLOW,
	T_CHUNK,
	T_CHECK,
	T_DL,
	T_PERIOD,
	T_TICK,
	T_START,
	T_FAIR
};

struct world;
struct server;

struct thread {
	enum kind kind;
	int32_t pid;
	char comm[VMRT_COMM_MAX];
	int prio, cpu;
	enum state state;
	uint64_t seq;
	int64_t work;		    /* CPU time until its next step */
	int64_t burst_ns, sleep_ns; /* at most; burst 0: always busy */
	bool want_block, stop, off; /* off: throttled by the kernel */
	bool idle;		    /* it slept when it was woken up to be stopped */
	bool resumes;		    /* and goes on: it sleeps again soon */
	bool due;		    /* meanwhile there was work for it */
	bool working;		    /* enforcer: an action is under way */
	struct server *server;
	int64_t in_ns, out_ns; /* last switches */
	int in_prio;
	/* supply without a server */
	bool begun, slept;
	int64_t begun_ns, supply_ns, ready_ns;
	bool preempted;
};

struct timer {
	int64_t at;
	enum timer_kind kind;
	struct thread *t;
	struct server *s;
	int64_t amount, due, spent; /* of chunks; spent: when all of it had been used */
	int cpu;
	bool used;
};

struct cpu {
	struct thread *cur;
	int64_t resched_at;
	bool rotate;
	struct thread *enforcer;
	struct thread *soft; /* PREEMPT_RT: handles softirqs */
	struct timer deferred[SRV_TIMERS];
	int n_deferred;
};

struct server {
	struct vmrt_server_spec *spec;
	struct srv_log *log;
	int index;
	struct thread *members[SRV_MEMBERS];
	int n;
	enum srv_fault fault;
	bool fault_done;
	/* by an enforcer in user space */
	bool started, budget; /* budget: by its words */
	bool replenish, deplete, recheck, start;
	int64_t k, next_k, deplete_k, t0;
	int64_t left;	    /* of the budget, as it should be */
	bool overflowed;    /* noticed that it is used up */
	bool selected_only; /* polling: loses its budget only when nobody above runs */
	int64_t keeps;	    /* its members keep their priority through this period */
	/* sporadic */
	bool active;
	int64_t active_ns, active_used;
	struct {
		int64_t due, amount, spent;
	} due_chunks[SRV_CHUNKS];
	int n_chunks;
	int64_t chunk_k;
	/* by the kernel */
	int64_t q, d, noise;
	bool hrtick, throttled, exceeded, timer_on;
	int64_t rt_time[SRV_CPUS];
	bool rt_throttled[SRV_CPUS];
	int64_t pool, local;
	int64_t grid; /* next nominal expiry */
	uint64_t ptr;
	int rank; /* edf */
};

struct world {
	struct srv_result *r;
	uint64_t rand;
	int64_t now, end, start;
	uint64_t seq;
	int n_cpus, n_servers, n_threads;
	struct cpu cpus[SRV_CPUS];
	struct thread threads[SRV_THREADS];
	struct server servers[SRV_MAX];
	struct timer timers[SRV_TIMERS];
	uint8_t flags; /* of what timers record: in which context they expire */
};

static inline int64_t between(struct world *w, int64_t low, int64_t high)
{
	return sim_between(&w->rand, low, high);
}

static inline bool chance(struct world *w, int percent)
{
	return sim_chance(&w->rand, percent);
}

/* A rule is broken now, for the first time perhaps. */
static inline void broke_rule(const struct world *w, struct server *s)
{
	if (!s->log->fault_ns)
		s->log->fault_ns = w->now;
}

void *srv_grow(void *items, size_t n, size_t *room, size_t size);

/* srv-world.c */
struct thread *add_thread(
	struct world *w, enum kind kind, int32_t pid, const char *comm, int prio, int cpu);

/* srv-run.c */
struct timer *timer_set(struct world *w, enum timer_kind kind, int64_t at);
void resched(struct world *w, int cpu);
void wake(struct world *w, struct thread *t, int by_cpu, uint8_t flags);
void changed(struct world *w, struct thread *t);
struct vmrt_event *emit(struct world *w, int cpu, enum vmrt_event_type type, uint8_t flags);
void emit_timer(struct world *w, int cpu, enum vmrt_event_type type, uint64_t ptr,
	enum vmrt_timer_fn fn, int64_t expires);
void emit_mark(struct world *w, int cpu, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void do_timer(struct world *w, struct timer *t);
void run_world(struct world *w);

/* srv-machine.c */
void machine_start(struct world *w);
bool machine_defers(struct world *w, const struct timer *t);
void machine_softirqs(struct world *w, struct thread *t);
void machine_fair_comes(struct world *w, const struct thread *t, int by_cpu);
void machine_fair_goes(struct world *w, const struct thread *prev, int cpu);
void machine_fair_expires(struct world *w, const struct timer *t);
void machine_record(struct srv_result *r);

/* srv-policy.c */
void policy_start(struct world *w);
void policy_timer(struct world *w, struct timer *t);
void policy_advance(struct world *w, int64_t ns);
int64_t policy_next(const struct world *w);
void policy_due(struct world *w);
void policy_changed(struct world *w, struct server *s);
bool policy_misbehaves(struct world *w, struct server *s, enum srv_fault fault, int percent);
void policy_arm_grid(struct world *w, struct server *s);
void policy_activity(struct world *w, struct server *s);
bool has_work(const struct server *s);
bool is_selected(const struct world *w, const struct server *s);

/* srv-enforcer.c */
bool enforcer_act(struct world *w, struct thread *t, bool dry);

/* srv-kernel.c */
void kernel_start(struct world *w, struct server *s);
void kernel_timer(struct world *w, struct timer *t);
void kernel_advance(struct world *w, struct server *s, int64_t ns);
int64_t kernel_next(const struct world *w, const struct server *s);
void kernel_due(struct world *w, struct server *s);
void kernel_tick(struct world *w, int cpu);
void kernel_check_budget(struct world *w, struct thread *t);
void kernel_woken(struct world *w, struct thread *t);
void kernel_sleeps(struct world *w, struct thread *t);

/* srv-log.c */
void log_advance(struct world *w, int64_t to);
void log_switched_out(struct world *w, struct thread *t);
void log_switched_in(struct world *w, struct thread *t);
void log_word(struct server *s, const struct srv_word *word);
void log_border(struct server *s, int64_t at);

#endif
