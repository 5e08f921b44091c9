/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_TASK_TASK_H
#define VMRT_PARSER_ENGINE_TASK_TASK_H

/* Tasks: their releases and jobs, and where the time of the jobs goes. */

#include "parser/engine/core/core.h"
#include "parser/engine/server/server.h"
#include "parser/engine/task/release.h"

/* Timers later than this, on a CPU without any event meanwhile, mean the CPU itself did not run. */
#define STEAL_MIN_NS (300 * VMRT_NS_PER_US)
/* A real-time vCPU thread that waits this long for an ordinary thread is throttled. */
#define THROTTLE_MIN_NS (1 * VMRT_NS_PER_MS)
/* Grid points remembered, at most, for jobs that queue behind earlier jobs of their task. */
#define BACKLOG_FIRST 16
#define BACKLOG_MAX 65536
/* A timer wakes its thread within this time of the CPU after its expiry: under QEMU's TCG some 60
 * us were seen. */
#define WAKES_WITHIN_NS (100 * VMRT_NS_PER_US)
/* Stretches of time remembered per job, for when it turns out that the host did not run. */
#define RECENT_MAX 128

enum job_state {
	JOB_NONE,     /* nothing known yet */
	JOB_HEAD,     /* in a job that began before the recording */
	JOB_SLEEPING, /* the timer of the next job is armed */
	JOB_RELEASED, /* it has expired */
	JOB_STARTED,
};

struct snapshot {
	int64_t at_local_ns, at_host_ns;
	int64_t gap_ns[GAPS_MAX];
	int64_t cum[VMRT_BLAMES];
};

/* Time that was added to a part; @host_cpu: where the vCPU thread was, or -1 while it waited. */
struct stretch {
	int64_t from_ns, to_ns;
	enum vmrt_blame part;
	int host_cpu;
	bool vmm; /* the stretch counts in vmm_ns of the mark or of the open job */
};

/* An interval that has an unrecorded switch somewhere. */
struct unsure {
	int64_t from_ns, to_ns;
};

/* A stretch of time of a job, and who ran on the CPU it waited for. */
struct entry {
	int64_t from_ns, to_ns;
	int32_t error_ns; /* of the clock map then */
	uint32_t thread;  /* struct vmrt_thread.id, or VMRT_NONE */
	uint32_t gap;	  /* struct gap.id: it may turn out to be throttling; 0: it cannot */
	uint8_t part;	  /* enum vmrt_blame */
	bool on_host;	  /* events of the host decide about it, not events of the guest */
};

struct journal {
	struct entry *entries; /* a ring; its size is a power of two */
	size_t size, first, n;
	bool short_of_room; /* stretches that the open job needs were overwritten */
};

/*
 * What the time of a job is charged by. These fields are constant for everybody but change-job.c,
 * whose functions charge the time so far before they change them.
 */
#define JOB_NOW(kind)                                                                              \
	kind int64_t arrives_ns; /* the open job, host time; INT64_MAX: not known yet */           \
	kind enum job_state state;                                                                 \
	kind bool confirming; /* it armed a timer; the next switch shows whether the job ended */  \
	kind bool marked;     /* it may have ended at rel.mark */                                  \
	kind bool passed;     /* and the next job has arrived since */

struct job_now {
	JOB_NOW()
};

/* The jobs of one thread of a declared task. */
struct jobs {
	struct thread *thread;
	struct machine *machine;
	const struct vmrt_task_spec *spec;
	uint32_t task;
	JOB_NOW(const)
	struct vmrt_job job;	  /* the open one */
	int64_t cum[VMRT_BLAMES]; /* where its time went since it is followed */
	int64_t opened[VMRT_BLAMES],
		arrived[VMRT_BLAMES];  /* cum when the open job was opened, arrived */
	int64_t opened_ns, arrived_ns; /* host times of these */
	int64_t unknown_ns;	       /* between arrival and opening, where there is no snapshot */
	int64_t exec_ns;
	bool ran_unseen; /* it may have run in time in which it is unknown whether its vCPU ran */
	int64_t lost_to_ns; /* what its thread did until then was not recorded; or VMRT_UNKNOWN
			     */
	int64_t excess[VMRT_BLAMES]; /* in the busy period of its priority */
	int64_t busy_from_ns;	     /* where that begins */
	enum vmrt_blame part;	     /* of the stretch of time that is being accounted */
	struct gap gaps[GAPS_MAX];
	unsigned n_gaps;
	uint32_t last_gap; /* struct gap.id */
	bool slept; /* it was switched out since the timer was armed, other than by preemption */
	bool maybe_suspended; /* it sleeps, long after a server's timer expired: the server may have
				 put it to sleep */
	struct stretch recent[RECENT_MAX]; /* a ring */
	size_t recent_next;
	struct unsure unsure[UNSURE_MAX]; /* in the order of time */
	size_t n_unsure;
	int64_t grid_local_ns, grid_host_ns; /* next grid point behind the open job's arrival */
	struct snapshot *backlog; /* ring of the grid points passed since the open job's arrival */
	size_t backlog_size, backlog_first, backlog_n;
	struct journal journal;
	uint64_t timer;
	struct release rel;
};

/* change-job.c */
void accounts_at(struct machine *m, int64_t host_ns);
bool change_jobs(struct jobs *j, int64_t host_ns);
void change_job_state(struct jobs *j, int64_t host_ns, enum job_state state);
void change_job_arrival(struct jobs *j, int64_t host_ns, int64_t arrives_ns);
void change_job_confirming(struct jobs *j, int64_t host_ns, bool confirming);
void change_job_mark(struct jobs *j, int64_t host_ns, bool marked, bool passed);

/* jobs.c */
bool jobs_bind(struct thread *t, struct machine *m, const char *comm, uint32_t task);
bool jobs_timer_start(
	struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t expires, uint64_t timer);
void jobs_timer_expire(struct jobs *j, uint64_t timer, int64_t local_ns, int64_t host_ns);
void jobs_wakeup(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns);
void jobs_switch_in(struct jobs *j, int64_t local_ns, int64_t host_ns, bool inferred);
void jobs_switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns);
void jobs_preempted_before(struct jobs *j);
void jobs_exit(struct jobs *j, int64_t local_ns, int64_t host_ns);
void jobs_mark(struct jobs *j, const char *word, int64_t local_ns);
void jobs_finish(struct jobs *j, int64_t end_ns);
void jobs_clear(struct jobs *j);
void jobs_complete(struct jobs *j, int64_t local_ns, int64_t host_ns);
void jobs_emit_open(struct jobs *j, enum vmrt_outcome outcome);
void jobs_emit_bare(struct jobs *j, enum vmrt_outcome outcome);
int64_t jobs_skip(struct jobs *j, int64_t before, int64_t expires);
void jobs_set_arrival(struct jobs *j, int64_t host_ns, int64_t local_ns);
void jobs_await(struct jobs *j, int64_t host_ns, int64_t skipped, int64_t expires, uint64_t timer);
void jobs_start(struct jobs *j, int64_t local_ns, int64_t host_ns);
void jobs_renamed(struct jobs *j, int64_t host_ns);
void jobs_unseen(struct machine *m, unsigned cpu, const struct thread *t, int64_t host_ns);

/* jobs-unsure.c */
bool jobs_lost_events(const struct jobs *j);
bool jobs_lost_since(const struct jobs *j, int64_t host_ns);
bool jobs_contradict(const struct jobs *j);
void jobs_doubt_waiting(struct jobs *j, int64_t end_ns);
void jobs_sleep_anew(struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t expires);
void jobs_forget_unseen(struct jobs *j);
void jobs_forget_times(struct jobs *j);

bool jobs_arrived(const struct jobs *j, int64_t host_ns);
bool jobs_pending(const struct jobs *j, int64_t host_ns);

/* release.c */
void release_init(struct jobs *j);
void release_free(struct jobs *j);
void release_timer_setup(struct machine *m, const struct vmrt_event *ev);
void release_timer_start(
	struct machine *m, const struct vmrt_event *ev, int64_t host_ns, struct timer *timer);
void release_timer_gone(const struct timer *timer, bool gone);
void release_timer_cancel(const struct vmrt_event *ev, int64_t host_ns, const struct timer *timer);
void release_timer_expire(
	struct machine *m, const struct vmrt_event *ev, int64_t host_ns, const struct timer *timer);
void release_wheel_start(struct machine *m, const struct vmrt_event *ev, int64_t host_ns);
void release_wheel_expire(struct machine *m, const struct vmrt_event *ev, int64_t host_ns);
void release_waking(struct jobs *j, const struct vmrt_event *ev, int64_t host_ns);
void release_waking_running(
	struct jobs *j, const struct vmrt_event *ev, int64_t host_ns, bool late);
void release_switch_in(struct jobs *j, int64_t local_ns, int64_t host_ns);
void release_switch_out(struct jobs *j, int64_t state, int64_t local_ns, int64_t host_ns);
bool release_is_over(const struct machine *m, const struct fired *f);
void release_left(struct machine *m, const struct vmrt_event *ev, struct thread *out);
void release_armed(
	struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t raw, uint64_t timer, int clock);
bool trial_holds(struct jobs *j);
void trial_count(struct jobs *j, const struct vmrt_event *ev, bool relative);
void trial_close(const struct jobs *j);
bool relative_fits(const struct task_found *found);
bool release_ends(struct jobs *j, int64_t host_ns);
bool release_merges(const struct jobs *j);
bool release_exits(struct jobs *j);
void release_finish(struct jobs *j, int64_t host_ns);
bool release_may_be(const struct jobs *j, enum vmrt_release mechanism);
void release_follow_stronger(struct jobs *j, enum vmrt_release mechanism, int64_t host_ns);
void release_discard(struct jobs *j, int64_t host_ns);
void release_flush(struct jobs *j);
void release_decide(struct jobs *j, enum vmrt_release mechanism, int64_t host_ns);

/* release-mark.c */
void wait_mark_end(struct jobs *j, int64_t local_ns, int64_t host_ns);
void wait_forget_end(struct jobs *j, int64_t host_ns);
void wait_forget_unwoken(struct jobs *j, int64_t host_ns);
bool wait_began_unwoken(const struct jobs *j);
void wait_remember_end(struct jobs *j, int64_t host_ns);
enum vmrt_outcome wait_blind_outcome(const struct jobs *j);
void wait_complete_at_mark(struct jobs *j, int64_t host_ns);
void wait_drop_mark(struct jobs *j, int64_t host_ns);
void wait_arrival_passed(struct jobs *j, int64_t host_ns);
int64_t wait_idle_ns(const struct jobs *j, int64_t from_ns, int64_t to_ns);
void wait_stolen(struct jobs *j, enum vmrt_blame part, int64_t from_ns, int64_t to_ns);
void wait_throttled(struct jobs *j, unsigned gap);

/* release-wakeup.c */
void wakeup_comes_late(struct jobs *j, const struct vmrt_event *ev);
void wakeup_note(
	struct jobs *j, const struct vmrt_event *ev, const struct fired *by, int64_t host_ns);
bool wakeup_fits(const struct task_found *found);

/* release-clock.c */
void clocks_setup(struct machine *m, uint64_t timer, int clock);
void clocks_note_mode(struct machine *m, uint64_t timer, int mode);
int clocks_mode_of(const struct machine *m, const struct vmrt_event *ev);
int clocks_of(const struct machine *m, uint64_t timer);
int clocks_armed(struct machine *m, const struct vmrt_event *ev);
int clocks_expiring(struct machine *m, const struct vmrt_event *ev);
void clocks_expired(struct machine *m, int clock, int64_t now, int64_t local_ns);
void clocks_ticked(struct machine *m, uint64_t ticks, int64_t local_ns);
bool clocks_to_local(const struct machine *m, int clock, int64_t raw, int64_t *out);
void clocks_free(struct machine *m);

/* arrivals.c */
/* This many equal differences make a period. */
#define PERIOD_CERTAIN 3
/* Mean distances that differ from the declared period by more than this share contradict it. */
#define MEAN_SHARE 4
const struct period_candidate *period_most_frequent(const struct task_found *found);
void period_note(struct jobs *j, int64_t before, int64_t arrival);
int64_t period_found(const struct task_found *found);
bool period_confirmed(const struct jobs *j);
int64_t period_exact_ns(const struct jobs *j);
int64_t period_off_ns(const struct jobs *j, int64_t ns, int64_t steps);
bool same_sleep(const struct jobs *j, int64_t period, int64_t ahead);
void arrivals_note(struct jobs *j, int64_t before, int64_t end, int64_t arrival, int64_t skipped);
void arrivals_forget(struct jobs *j);
void arrivals_note_other(struct jobs *j, int64_t now, int64_t expires);
void arrivals_note_within(struct jobs *j, int64_t expires);
void arrivals_note_divided(struct jobs *j, int64_t arrival);

/* catchup.c */
bool catchup(struct jobs *j, int64_t local_ns, int64_t host_ns, int64_t *expires);

/* blame.c */
void blame_settle_jobs(struct machine *m, int64_t host_ns);

void blame_open(struct jobs *j, int64_t host_ns);
void blame_expect(struct jobs *j, int64_t local_ns, int64_t host_ns);
bool blame_close(struct jobs *j);
void blame_free(struct jobs *j);
void blame_busy_ends(struct machine *m, int64_t host_ns);
void blame_add_overrun(struct machine *m, const struct jobs *by, int64_t ns);

/* journal.c */
void journal_add(struct jobs *j, const struct entry *entry);
bool journal_since(const struct jobs *j, int64_t from_ns, int64_t *parts);
void journal_drop(struct jobs *j, int64_t before_ns);
void journal_rebook_gap(
	struct jobs *j, const struct gap *gap, enum vmrt_blame part, enum vmrt_blame as);
void journal_rebook(struct jobs *j, int64_t from_ns, int64_t to_ns, enum vmrt_blame as);
void journal_close(struct jobs *j, int64_t end_ns);
void journal_free(struct jobs *j);

/* steal.c */
void steal_check(struct machine *m, const struct vmrt_event *ev, const struct timer *timer,
	const struct cancelled *cancelled, struct instant now);
void steal_remember(struct jobs *j, int64_t from, int64_t to, enum vmrt_blame part, bool vmm);
int64_t steal_rebook_since(struct jobs *j, int64_t from_ns, unsigned parts, enum vmrt_blame as);
void steal_was_suspended(struct jobs *j, int64_t from_ns, int64_t host_ns);

/* throttling.c */
uint32_t gap_note(struct jobs *j, const struct thread *v, int64_t from_ns, int64_t ns);
void gap_extend(struct machine *m, int64_t ns);
void gap_settle(struct machine *m);
void gap_forget(struct jobs *j);
void gap_arrived(struct jobs *j, const struct snapshot *at);
void gap_remember(const struct jobs *j, struct snapshot *at);

#endif
