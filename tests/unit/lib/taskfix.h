/* SPDX-License-Identifier: MIT */
#ifndef TASKFIX_H
#define TASKFIX_H

/* Events by hand for the tests of parser/engine/task: one machine, one task x, times in us. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <vmrt/engine.h>

#define US VMRT_NS_PER_US
#define MS 1000	   /* us */
#define X 11	   /* the task's thread */
#define Y 12	   /* another thread */
#define T1 0xf1000 /* timers */
#define T2 0xf2000
#define FIFO 39
#define FAIR 120
#define DL (-1)
#define HARD VMRT_FLAG_HARDIRQ
#define SOFT VMRT_FLAG_SOFTIRQ
#define MAX_JOBS 64
/* CLOCK_REALTIME leads the monotonic one by so much */
#define LEAD (INT64_C(1700000000) * VMRT_NS_PER_S)

/* The kernel says of a timer that expires that it was cancelled first, as those before 2026 do. */
extern bool cancels_first;

struct fixture {
	struct vmrt_experiment *exp;
	struct vmrt_engine *engine;
	struct vmrt_engine_machine machine;
	struct vmrt_engine_config config;
	struct vmrt_job jobs[MAX_JOBS];
	size_t n;
	const char *name;  /* of X */
	const char *other; /* of Y; NULL: y */
	int prio;	   /* of X */
	uint8_t depth;
	uint16_t cpu; /* on which what follows happens; 0: as the events say */
	int slack_us;
	int64_t now_us;	  /* the engine's time does not run back with that of the records */
	int64_t lead_us;  /* of the host's clock */
	bool clock_moves; /* the parts of a job need not fit in both clocks */
	bool only_waking; /* sched_wakeup is not recorded */
	struct vmrt_machine_stats stats; /* at the end */
};

#define assert_us(ns, us) assert_int_equal(ns, (int64_t)(us)*US)

void fx_begin(struct fixture *f, const char *task);
enum vmrt_release fx_end(struct fixture *f, int64_t at, int64_t *period);
void fx_push(struct fixture *f, struct vmrt_event *ev, int64_t at);
const char *fx_comm(const struct fixture *f, int pid);
void fx_sw(struct fixture *f, int64_t at, int prev, int state, int next);
void fx_wake(struct fixture *f, int64_t at, int by, int flags);
void fx_born(struct fixture *f, int64_t at);
void fx_died(struct fixture *f, int64_t at);
void fx_setup_timer(struct fixture *f, int64_t at, uint64_t timer, int clock, int mode);
void fx_arm_raw(struct fixture *f, int64_t at, uint64_t timer, enum vmrt_timer_fn fn, int mode,
	int64_t expires, int flags);
void fx_arm(struct fixture *f, int64_t at, uint64_t timer, enum vmrt_timer_fn fn, int64_t until);
void fx_sleep_until(struct fixture *f, int64_t at, int64_t until);
void fx_sleep_for(struct fixture *f, int64_t at, int64_t until);
void fx_cancel(struct fixture *f, int64_t at, int on, int flags, uint64_t timer);
void fx_expire_only(
	struct fixture *f, int64_t at, int on, int flags, uint64_t timer, enum vmrt_timer_fn fn);
void fx_expire(struct fixture *f, int64_t at, int on, uint64_t timer, enum vmrt_timer_fn fn);
void fx_wakes(struct fixture *f, int64_t at, uint64_t timer, enum vmrt_timer_fn fn);
void fx_wheel(struct fixture *f, int64_t at, enum vmrt_event_type type, int pid, int flags,
	enum vmrt_timer_fn fn, uint64_t now, uint64_t expires);
void fx_runs_from_the_beginning(struct fixture *f);
void fx_works_once_by_timer(struct fixture *f);
const struct vmrt_job *fx_job(const struct fixture *f, size_t i);

#endif
