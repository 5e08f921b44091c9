/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TESTS_WORLD_H
#define VMRT_TESTS_WORLD_H

/* Inside the simulator. */

#include "sim.h"

#define FAIR 120
#define FIFO(p) (99 - (p))
#define STEAL_SEEN_NS (300 * US) /* documented: shorter steal is not distinguished from latency */
#define THROTTLE_SEEN_NS MS
#define BEGIN_NS VMRT_NS_PER_S /* of every recording */
#define TICK_NS (4 * MS)

enum kind { K_TASK, K_LOAD, K_HOG, K_VCPU, K_MAIN, K_ENFORCER, K_SOFTIRQ };
enum run { BLOCKED, READY, RUN, DEAD };
enum phase {
	PH_BOOT,
	PH_ARMED,
	PH_ASLEEP,
	PH_WORK,
	PH_WAIT,
	PH_WAITING,
	PH_SUSPENDED,
	PH_THROTTLED
};
enum task_phase { T_NONE, T_SLEEPING, T_RELEASED, T_STARTED };
enum timer_kind {
	TM_RELEASE,
	TM_REL,
	TM_LOCK,
	TM_TICK,
	TM_GRID,
	TM_REBORN,
	TM_WAIT,     /* goes on by itself: timerfd, setitimer, timer_create */
	TM_WHEEL,    /* RESCH's job release */
	TM_DEADLINE, /* a SCHED_DEADLINE reservation is replenished */
	TM_RESUME,   /* a suspended task goes on */
	TM_EVENT,    /* no timer: what a task waits for that others release happens */
};
enum op_kind {
	OP_CANCEL,
	OP_EXPIRE,
	OP_RAISE,
	OP_WAKING,
	OP_WAKEUP,
	OP_SWITCH,
	OP_TAIL,
	OP_TICK,
	OP_BORN,
	OP_OTHER
};

struct world;
struct wmachine;
struct wserver;

struct wthread {
	struct wmachine *m;
	enum kind kind;
	int32_t pid;
	char comm[VMRT_COMM_MAX];
	int prio, cpu, last_cpu;
	bool roams; /* may move between CPUs */
	enum run state;
	bool queued; /* READY, and its wake-up is complete */
	bool sleeping, woken, want_block;
	bool parked;		 /* READY, but its reservation is used up or given up */
	bool suspended;		 /* BLOCKED or about to be, but not by itself */
	int64_t kept_work;	 /* meanwhile */
	struct wthread *boosted; /* holds the lock it waits for */
	int boosts, base_prio;	 /* how many boost it; its own priority */
	bool displaced; /* it left the CPU at a real-time priority to a thread without one */
	int64_t block_state;
	int64_t work; /* CPU time until its next step */
	uint64_t seq;
	enum phase phase;
	bool reported_cancelled; /* the timer that it expires was reported as cancelled */
	int64_t in_ns;
	struct wtask *task;
	int seg, n_segs;
	int64_t segs[4];
	/* of vCPU threads */
	struct wmachine *guest;
	int gcpu;
	struct wserver *server;
	int64_t gap_ns; /* so long it has waited at a real-time priority for a fair thread */
};

struct wtimer {
	bool armed, pushed;
	bool soft; /* it expires in a thread that handles softirqs */
	enum timer_kind kind;
	int64_t due, expires, since;
	uint64_t ptr;
	int cpu;
	struct wthread *t;
	int arg;
};

struct op {
	enum op_kind kind;
	int64_t delay;
	struct wthread *t;
	struct wtimer *timer;
	int32_t pid;
	int64_t then; /* delay of what follows it */
	bool irq, soft;
	bool wheel; /* a timer of the timer wheel does it: in a softirq */
};

struct wcpu {
	struct wmachine *m;
	int index;
	struct wthread *cur; /* NULL: idle */
	struct op ops[SIM_OPS];
	int n_ops;
	bool switch_queued, rotate;
	struct wthread *vcpu; /* of guests */
	int64_t halt_left;
	bool stolen, throttled;
	int64_t steal_at, steal_end, steal_from, steal_seen_to; /* of host CPUs */
	int64_t throttle_at, throttle_end;
	int64_t loss_at, loss_end;
	int64_t clip_from, clip_to; /* recorded only in between */
	int64_t suspend_at;
	bool server_timer; /* since the last switch a timer of a task's server expired */
	uint64_t lost;
	bool broke; /* its last switch was left out */
	int64_t first_recorded, last_recorded;
	int64_t before_local_ns; /* of the record before the last one */
	struct wthread *softirq; /* of PREEMPT_RT */
	struct wtimer *raised[SIM_TIMERS];
	int n_raised;
	bool in_soft;  /* what is recorded right now is of that thread's handling */
	bool in_wheel; /* or of the timer wheel's */
};

struct wmachine {
	struct world *w;
	int index;
	int n_cpus, n_threads, n_timers; /* timers behind the last of these were never used */
	struct wcpu cpus[SIM_CPUS];
	struct wthread threads[SIM_THREADS];
	struct wtimer timers[SIM_TIMERS];
	struct wthread *vcpus[2], *main_loop;
	int64_t tick_phase_ns; /* local time of a tick */
	bool kicks[2];
	struct vmrt_clockmap true_map;
	struct vmrt_clock_segment true_segment;
	int64_t late_timers; /* percent */
	const struct sim_kernel *kernel;
};

struct wtask {
	struct vmrt_task_spec *spec;
	uint32_t index;
	struct wmachine *m;
	struct wthread *t;
	enum task_phase phase;
	struct sim_job *pending; /* SIM_PENDING; [0]: the armed or running one, if has_head */
	int64_t (*gap_ns)[2];	 /* of them, by vCPU: provisional, throttling or not */
	int n;
	bool has_head;
	int64_t next_arrival_local, next_arrival; /* of the next job that will queue */
	int64_t k;
	int jobs_left; /* until it ends; < 0: never */
	int64_t excess[VMRT_BLAMES];
	int64_t who[VMRT_BLAMES][SIM_THREADS]; /* who ran, by part, while the job in front waited */
	bool fresh;
	int64_t busy_ns; /* since when jobs of its priority or above have been pending */
	int overrun_percent;
	enum vmrt_release how; /* it waits for its releases */
	enum sim_catch_up late;
	int64_t nominal_ns; /* of the present job, where it sleeps for what is left */
	int64_t period_ns, deadline_ns;
	int64_t grid_ns;    /* local time of a release, of timers that go on by themselves */
	int64_t arrival_ns; /* of the present job, local */
	int64_t armed_local_ns, armed_at_ns, fired_ns;
	int64_t skip_next, loose_ns, born_ns;
	uint64_t timer_ptr;
	bool expired, waiting; /* its timer has, unnoticed yet; it waits for that */
	int throttled_seg;     /* its reservation is used up before this segment; 0: never */
	bool odd;	       /* in this stretch of running it had another name */
	bool renaming;	       /* it has another name, which is not known yet */
	int renamed_jobs;      /* so many under another name are to come */
};

struct wserver {
	struct vmrt_server_spec *spec;
	uint32_t index;
	bool enforced, started, at_priority, stopped;
	int64_t t0, used;
	int64_t next_k; /* of the grid timer */
	bool replenish_pending, deplete_pending, deplete_known;
	int64_t deplete_k;
	struct wthread *members[2];
	int n_members;
	bool counting;
	bool blurred;
	struct vmrt_server_period now;
};

struct world {
	struct sim_result *r;
	uint64_t rand;
	uint64_t late_rand;   /* for how tasks catch up */
	uint64_t clock_rand;  /* for what they are recorded in */
	uint64_t set_rand;    /* for clocks that are set, and such as are of no use */
	uint64_t kernel_rand; /* for what differs between kernels: cases are otherwise the same */
	int64_t now, start, end;
	uint64_t seq, ptr;
	int n_machines;
	struct wmachine m[1 + SIM_GUESTS];
	struct wtask tasks[SIM_TASKS];
	int n_tasks;
	struct wserver servers[SIM_GUESTS];
	int n_servers;
	struct wthread *enforcer;
	int64_t known[1 + SIM_GUESTS];
	size_t events_room, jobs_room, slices_room, periods_room, holes_room, steals_room,
		clips_room;
	char broken_story[80]; /* the simulator itself went wrong */
};

static inline bool has(const struct world *w, enum sim_feature f)
{
	return w->r->c.features >> f & 1;
}

static inline int64_t between(struct world *w, int64_t low, int64_t high)
{
	return sim_between(&w->rand, low, high);
}

static inline bool chance(struct world *w, int percent)
{
	return sim_chance(&w->rand, percent);
}

void *grow(void *items, size_t n, size_t *room, size_t size);

/* sim-emit.c */
int64_t local_at(const struct wmachine *m, int64_t host_ns);
int64_t host_at(const struct wmachine *m, int64_t local_ns);
struct vmrt_event *emit(struct wcpu *c, enum vmrt_event_type type, uint8_t flags);
void emit_as(struct wcpu *c, enum vmrt_event_type type, uint8_t flags, int32_t pid);
void emit_switch(struct wcpu *c, struct wthread *prev, int64_t state, struct wthread *next);
void emit_wake(struct wcpu *c, enum vmrt_event_type type, bool irq, const struct wthread *t);
void emit_migrate(struct wcpu *c, bool irq, const struct wthread *t, int from);
void emit_timer(struct wcpu *c, enum vmrt_event_type type, bool irq, const struct wtimer *timer);
void emit_wheel(struct wcpu *c, enum vmrt_event_type type, bool irq, uint64_t timer,
	enum vmrt_timer_fn fn, int64_t expires);
void emit_pi(struct wcpu *c, const struct wthread *t, int old_prio);
void emit_exit(struct wcpu *c, const struct wthread *t);
void emit_mark(struct wcpu *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void note_hole(struct wcpu *c, bool unreported);
void emit_finish(struct world *w);

/* sim-clocks.c */
void clock_draw(struct wmachine *m, uint64_t *rand, uint64_t *set_rand);
void clock_apply(struct wmachine *m);

/* sim-sched.c */
void push_op(struct wcpu *c, struct op op, bool front);
void resched(struct wcpu *c);
void run_op(struct wcpu *c);
bool cpu_progresses(const struct wcpu *c);
void kick(struct wmachine *g, int cpu);
bool guest_is_silent(const struct world *w);
void wake_by_irq(struct wcpu *c, struct wthread *t, int64_t delay);
void priority_changed(struct wthread *t);
void preempt_check(struct wthread *t);

/* sim-threads.c */
void thread_step(struct wthread *t);
void go_to_sleep(struct wthread *t, int64_t state);
void wake_next(struct wcpu *c, struct wthread *t);
void wake_by_wheel(struct wcpu *c, struct wthread *t);
void softirq_step(struct wthread *t);
struct wtimer *arm_timer(struct wcpu *c, enum timer_kind kind, struct wthread *t, int64_t due);
void start_timer(struct wcpu *c, struct wtimer *timer);
void push_expiry(struct wcpu *c, struct wtimer *timer, int64_t delay, bool front);
void timers_due(struct world *w);
int64_t timers_next(const struct world *w);
void timer_fires(struct wcpu *c, struct wtimer *timer);
void server_used_up(struct wserver *s);

/* sim-make.c */
void make_everything(struct world *w);
void make_losses(struct world *w);

/* sim-waits.c: the waits for the next job */
int64_t ticks_at(const struct wmachine *m, int64_t host_ns);
int64_t task_grid_behind(const struct wtask *k, int64_t local);
void task_arm_release(struct wthread *t, int64_t expires);
void task_arm_wheel(struct wthread *t, int64_t tick, bool on_grid);
void task_arm_deadline(struct wthread *t, int64_t expires, bool used_up);
void task_arm_wait(struct wthread *t, int64_t expires);
void task_park(struct wthread *t, enum phase phase);
void task_wait_for_event(struct wthread *t);
void task_wait_for_timer(struct wthread *t);

/* sim-tasks.c */
void task_init(struct world *w, struct wtask *k);
void task_step(struct wthread *t);
void task_timer(struct wcpu *c, struct wtimer *timer);
void task_suspend(struct wcpu *c);
bool task_waits(const struct wtask *k);
void lock_taken(struct wcpu *c, struct wthread *waiter);
void lock_released(struct wcpu *c, struct wthread *waiter);

/* sim-truth.c */
void truth_advance(struct world *w, int64_t to);
int64_t truth_next(const struct world *w);
void truth_grid(struct world *w);
void truth_switch_in(struct wthread *t);
void truth_switch_out(struct wthread *t, int64_t state);
void truth_server_started(struct wserver *s);
void truth_finish(struct world *w);
void note_clip(struct world *w, const struct wcpu *c, int64_t from, int64_t to);

/* sim-truth-jobs.c */
bool truth_arrived(const struct world *w, const struct wtask *k);
void truth_book_gap(struct wtask *k, int job, int vcpu, enum vmrt_blame part);
void truth_queue(struct world *w);
void truth_armed(struct wtask *k, int64_t expires_local, bool on_grid);
void truth_goes_on(struct wtask *k, int64_t arrival_local);
void truth_consumed(struct wtask *k, int64_t expires_local);
void truth_renamed(struct wtask *k);
void truth_named_again(struct wtask *k);
void truth_unfinished(struct world *w);
void truth_ended(struct wtask *k);
void truth_released(struct wtask *k);
void truth_awake(struct wtask *k);
void truth_woken(struct wtask *k);
void truth_wakeup(struct wtask *k);
void truth_job_in(struct wthread *t);
void truth_job_out(struct wthread *t, int64_t state);

#endif
