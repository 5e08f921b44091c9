/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_ENGINE_FLOW_FLOW_H
#define VMRT_PARSER_ENGINE_FLOW_FLOW_H

/* From events to changes: what each event means for CPUs, threads, jobs and servers. */

#include "parser/engine/core/core.h"
#include "parser/engine/server/server.h"
#include "parser/engine/task/task.h"

/* From a wake-up to the switch it causes on an idle CPU. */
#define WAKE_TO_SWITCH_NS (5 * VMRT_NS_PER_US)
/* So long behind a sched_switch the kernel may still record on behalf of the thread that leaves. */
#define SWITCH_TAIL_NS (50 * VMRT_NS_PER_US)
/* Holes of one CPU closer than this are one row. */
#define HOLE_MERGE_NS (100 * VMRT_NS_PER_MS)
/* A machine on which nothing at all is recorded for so long may have stopped, or its next times may
 * be wrong. */
#define SILENCE_NS VMRT_NS_PER_S
/* After so many sched_waking events without a sched_wakeup, the recording counts as one without
 * sched_wakeup. */
#define LONE_WAKINGS 8

/* run.c */
void run_judge_event(struct machine *g, unsigned cpu, int64_t host_ns, int64_t error_ns);
void run_begins(struct machine *m, unsigned cpu, struct thread *t, struct instant at, int prio,
	int64_t uncertainty_ns, bool truncated);
void run_emit_slice(
	struct machine *m, struct thread *t, struct instant at, int64_t state, bool truncated);
void run_ends(struct machine *m, struct thread *t, struct instant at, int64_t state);
bool run_has_moved(const struct machine *m, const struct thread *t, unsigned cpu, int64_t state,
	int64_t host_ns);
bool run_was_unseen(struct machine *m, const struct thread *t, int64_t host_ns);
void run_goes_on(struct machine *m, unsigned cpu, struct thread *t, struct instant at);
void run_unbind(struct machine *m, struct thread *t);
struct thread *run_follow_named(struct machine *m, struct thread *t, int32_t pid, const char *comm,
	int prio, struct instant now);

/* @t is followed, or (NULL) begins to be because its name is a task's. */
static inline struct thread *run_follow_found(struct machine *m, struct thread *t, int32_t pid,
	const char *comm, int prio, struct instant now)
{
	return m->has_tasks ? run_follow_named(m, t, pid, comm, prio, now) : t;
}

/* Finds a followed thread, or begins to follow it because its name is a task's. */
static inline struct thread *run_follow(
	struct machine *m, int32_t pid, const char *comm, int prio, struct instant now)
{
	return run_follow_found(m, threads_find(m, pid), pid, comm, prio, now);
}

/* cpus.c */
int64_t cpus_surely_before(const struct cpu *cpu);
void cpus_forget(struct machine *m, unsigned cpu, int64_t since_ns);
bool cpus_add(struct machine *m, unsigned cpu);

static inline bool cpus_have(struct machine *m, unsigned cpu)
{
	return cpu < m->n_cpus || cpus_add(m, cpu);
}

void cpus_set_current(struct machine *m, unsigned index, int32_t pid, const char *comm, int prio,
	int64_t host_ns);
void cpus_note_hole(struct machine *m, unsigned index, int64_t from, int64_t to);
void cpus_close_hole(struct machine *m, unsigned index);
void cpus_break_chain(struct machine *m, const struct vmrt_event *ev, int32_t pid, const char *comm,
	struct instant now);

/* Does the record name the thread that was switched in last as the one that runs on the CPU? */
static inline void cpus_check_chain(
	struct machine *m, struct cpu *cpu, const struct vmrt_event *ev, struct instant now)
{
	bool is_switch = ev->type == VMRT_EV_SWITCH;
	int32_t pid = is_switch ? ev->sw.prev_pid : ev->pid;

	/* an interrupt is over: its timer wakes no thread from now on */
	if (!is_switch && !(ev->flags & (VMRT_FLAG_HARDIRQ | VMRT_FLAG_SOFTIRQ))) {
		cpu->fired[LEVEL_HARDIRQ].ptr = 0;
		if (cpu->fired[LEVEL_SOFTIRQ].pid == pid)
			cpu->fired[LEVEL_SOFTIRQ].ptr = 0;
	}
	if (cpu->n_cancelled && ev->type != VMRT_EV_TIMER_EXPIRE)
		timers_settle_cancelled(cpu, ev);
	if (cpu->known && cpu->pid == pid) {
		cpu->tail = false;
		cpu->left_pid = -1; /* the switch is done */
	} else {
		cpus_break_chain(m, ev, pid, is_switch ? ev->sw.prev_comm : NULL, now);
	}
}

void cpus_losing(struct machine *m, unsigned index, int64_t host_ns, bool losing);
void cpus_lost(struct machine *m, const struct vmrt_event *ev, struct instant now);

/* events.c */
void event_switch(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_migrate(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_woken(
	struct machine *m, const struct vmrt_event *ev, struct thread *t, struct instant now);
void event_birth(struct machine *m, int32_t pid, const char *comm, struct instant now);
void event_exit(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_timer_start(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_timer_cancel(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_timer_expire(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_pi(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_irq(struct machine *m, const struct vmrt_event *ev, struct instant now);
void event_mark(struct machine *m, const struct vmrt_event *ev, struct instant now);

/* A wake-up, of a thread that may or may not be followed. */
static inline void event_waking(struct machine *m, const struct vmrt_event *ev, struct instant now)
{
	struct thread *t = run_follow(m, ev->wake.pid, ev->wake.comm, ev->wake.prio, now);

	m->wakes_seen = true;
	if (ev->type == VMRT_EV_WAKING) {
		m->has_wakings = true;
		m->lone_wakings += m->lone_wakings < LONE_WAKINGS;
	} else {
		m->lone_wakings = 0;
	}
	if (t)
		event_woken(m, ev, t, now);
}

/* clip.c */
void clip_finish(struct vmrt_engine *e, int64_t end_ns);

#endif
