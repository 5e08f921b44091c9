/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_SERVER_SERVER_H
#define VMRT_PARSER_ENGINE_SERVER_SERVER_H

/* Servers: what the other rooms of the engine know of them. */

#include "parser/engine/core/core.h"
#include "parser/engine/server/checker.h"

/* Inferred switches may make a server period uncertain by this much before it is unknown. */
#define PERIOD_UNCERTAINTY_NS (50 * VMRT_NS_PER_US)

#define GRID_TIMERS 8

/* A kernel timer that may be that of a group's periods. */
struct grid_timer {
	uint64_t timer; /* 0: free */
	int64_t expires_ns, seen_ns;
	bool matches;  /* the timer expires as often as the periods begin */
	int odd;       /* how often in a row the timer did not */
	unsigned hits; /* how often a member ran again right after its expiry */
};

struct server {
	struct vmrt_server pub;
	bool active; /* periods are being counted */
	bool announced;
	bool unsure;		/* enforced: the enforcer's last marker may have been lost */
	bool late;		/* enforced: since before the recording began */
	const bool at_priority; /* enforced: the members have budget */
	bool others_charged;	/* enforced: the VM's other threads use up budget, too */
	int64_t late_from_ns, late_to_ns; /* a run out of budget, if no marker explains it; 0 */
	int64_t over_from_ns; /* from here on that run is not yet counted as consumption */
	unsigned late_cpu;
	int64_t out_ns;	  /* or have not since then */
	int64_t point_ns; /* the last border of periods that a kernel timer showed, or VMRT_UNKNOWN
			   */
	struct {
		int64_t period_ns; /* the begin of that one */
		int64_t late_ns;
	} refill;   /* the last period whose budget the kernel's timer has given, and how late */
	bool slept; /* by the kernel: a sleep may have moved the periods since the last grid point
		     */
	struct thread **members; /* vCPU threads */
	size_t n_members;
	struct thread **seen; /* those of them that the recording has shown; as much room */
	size_t n_seen;
	int64_t settled_ns;
	struct vmrt_server_period now;
	int64_t uncertainty_ns;
	int64_t uncertain_to_ns,
		uncertain_by_ns; /* the last inferred switch: end of the time it may lie in */
	int64_t loss_to_ns;	 /* end of the last loss, or VMRT_UNKNOWN */
	int64_t n_periods;	 /* given so far */
	int64_t first_k;	 /* the enforcer's periods are counted from here */
	bool touched, truncated;
	uint64_t cpus; /* on which members have run, modulo 64 */
	struct vmrt_engine *engine;
	struct checker *checker;	      /* NULL: nothing to check */
	struct vmrt_check counts[VMRT_RULES]; /* of all checkers so far */
	struct vmrt_server_period
		*held; /* ring of periods about which a loss may still come to light */
	size_t held_room, held_first, held_n;
	struct phase_fit *fit;	    /* until the phase is found; else NULL */
	bool awaits_marks;	    /* the enforcer has a grid of its own: no grid is fitted */
	int64_t blackout_from_ns;   /* since when there is demand without supply, or VMRT_UNKNOWN */
	struct supply_curve *curve; /* NULL: none is measured */
	struct grid_timer grid_timers[GRID_TIMERS];
	struct {
		bool known; /* the next marker shows the period */
		int64_t k, at_ns;
	} joined;	  /* the first replenishment by an enforcer whose beginning was not seen */
	int64_t early_ns; /* start of a period whose replenishment is on record before it */
	int32_t enforcer; /* thread that wrote the last marker */
};

/* budget.c */
void change_budget(struct server *s, int64_t host_ns, bool at_priority);

/* waits.c */
bool gap_is_ordinary(const struct cpu *cpu);
bool gap_open(const struct vmrt_engine *e, const struct thread *v);

/* servers.c */
bool servers_init(struct vmrt_engine *e, struct vmrt_error *err);
void servers_begin(struct vmrt_engine *e, int64_t host_ns);
void servers_finish(struct vmrt_engine *e, int64_t end_ns);
void servers_free(struct vmrt_engine *e);
bool servers_depleted(const struct server *s);
bool servers_has_budget(const struct server *s);
bool servers_real_time(const struct thread *t);
void servers_waiters(struct vmrt_engine *e, unsigned cpu, int64_t host_ns);
void servers_lost(struct vmrt_engine *e, int64_t from_ns, int64_t to_ns);
void servers_unsure(struct vmrt_engine *e, int64_t from_ns, int64_t to_ns);
void servers_forget(struct vmrt_engine *e, unsigned cpu, int64_t host_ns);
void servers_unsure_cpu(struct vmrt_engine *e, unsigned cpu, int64_t from_ns, int64_t to_ns);

/* supply.c */
void server_ran_over(struct server *s, int64_t from_ns, int64_t to_ns);
/** servers_settle_of - servers_settle() for all servers that @t is a member of */
void servers_ran_on(const struct thread *t, unsigned cpu);
void servers_settle_of(struct vmrt_engine *e, const struct thread *t, int64_t host_ns);
void servers_seen(struct thread *t);
void servers_settle_all(struct vmrt_engine *e, int64_t host_ns);
void servers_settle(struct vmrt_engine *e, struct server *s, int64_t host_ns);
void servers_steal(struct vmrt_engine *e, const struct thread *t, int64_t from_ns, int64_t to_ns);
void servers_uncertain(
	struct vmrt_engine *e, const struct thread *t, int64_t from_ns, int64_t to_ns);

/* grid.c */
void servers_start(const struct thread *t, int64_t host_ns, int prio);
void servers_timer(struct vmrt_engine *e, const struct vmrt_event *ev, const struct timer *timer);

/* enforcer.c */
void servers_mark(
	struct vmrt_engine *e, int32_t pid, const char *word, const char *rest, int64_t host_ns);
bool servers_nudged(const struct server *s, const struct thread *t);
bool servers_may_be_nudged(const struct server *s, const struct thread *t);

/* check.c */
void check_begin(struct vmrt_engine *e, struct server *s, int64_t from_ns);
void check_end(struct server *s);
void check_finish(struct server *s);
void check_period(struct vmrt_engine *e, struct server *s, bool whole);
void check_supply(const struct vmrt_engine *e, const struct server *s, const struct thread *t,
	struct checker_supply *sum);
int64_t check_safe_ns(const struct vmrt_engine *e);
bool check_selected(const struct vmrt_engine *e, const struct server *s);
bool check_watches(const struct server *s, unsigned cpu);
void check_refilled(struct server *s);
void check_appears(const struct thread *t, int64_t host_ns);
void check_run_begins(struct thread *t);
void check_run_ends(struct thread *t, int64_t host_ns);
void check_raised(struct server *s, int64_t host_ns);
void check_ran_over(struct server *s);
void check_runs_on(struct server *s, int64_t host_ns);

/* phase.c */
/* What the members of a server got in an interval in which nothing changed. */
struct segment {
	int64_t from_ns, to_ns;
	struct checker_supply supply;
	int background, ready;
	int stolen;		/* members that were taken to run, but their CPU did not */
	int64_t uncertainty_ns; /* found at its end */
	int64_t uncertain_to_ns;
	int64_t loss_from_ns, loss_to_ns; /* 0: none */
};

struct phase_fit *phase_new(int64_t from_ns, int64_t period_ns);
bool phase_add(struct phase_fit *f, const struct segment *segment);
struct segment *phase_last(struct phase_fit *f);
void phase_loss(struct phase_fit *f, int64_t from_ns, int64_t to_ns);
bool phase_steal(struct phase_fit *f, int64_t from_ns);
int64_t phase_loss_before(const struct phase_fit *f);
void phase_start(struct phase_fit *f, int64_t waited_ns, int64_t start_ns, int64_t period_ns);
int64_t phase_from(const struct phase_fit *f);
bool phase_ready(const struct phase_fit *f, int64_t now_ns);
void phase_restart(struct phase_fit *f, int64_t from_ns, int64_t period_ns);
int64_t phase_fit(struct phase_fit *f, int64_t period_ns);
const struct segment *phase_replay(struct phase_fit *f);
void phase_free(struct phase_fit *f);

/* periods.c */
void periods_hold(struct server *s);
void periods_unsure(struct server *s, int64_t from_ns, int64_t to_ns);
void periods_steal(struct server *s, int64_t from_ns, int64_t to_ns);
void periods_release(struct server *s, int64_t safe_ns);

/* curve.c */
struct supply_curve;

/** curve_new - NULL without memory; it begins with the period that begins at @from_ns */
struct supply_curve *curve_new(int64_t period_ns, int64_t from_ns);
void curve_free(struct supply_curve *c);

/** curve_put - there was demand without supply, or none (@idle), in this part of a period; in the
 * order of time */
void curve_put(struct supply_curve *c, int64_t from_ns, int64_t to_ns, bool idle, bool new_period);

/** curve_points - the points of the curve that are known so far, by length; returns how many */
size_t curve_points(
	const struct supply_curve *c, uint32_t server, struct vmrt_supply_point *out, size_t room);

/** curve_judge - what was put of the period from @from_ns to @to_ns counts, or is @judged to be
 * uncertain */
void curve_judge(struct supply_curve *c, int64_t from_ns, int64_t to_ns, bool judged);
void curve_finish(struct supply_curve *c, uint32_t server, const struct vmrt_sink *sink);

/* unmanaged.c */
void unmanaged_starts(
	struct vmrt_engine *e, struct thread *t, int64_t host_ns, int64_t uncertainty_ns);
void unmanaged_ran(struct thread *t, int64_t ns);

/** unmanaged_row - how VM @vm has been scheduled so far; false if nothing is known */
bool unmanaged_row(struct vmrt_engine *e, size_t vm, struct vmrt_unmanaged *out);
void unmanaged_finish(struct vmrt_engine *e);
void unmanaged_free(struct vmrt_engine *e);

#endif
