/* SPDX-License-Identifier: MIT */
#ifndef TESTS_PAGES_H
#define TESTS_PAGES_H

/*
 * Recordings by hand: ring-buffer pages and version 6 trace.dat files with chosen events.
 *
 * Events of a CPU are added in time order. Who is on the CPU (common_pid) follows from the switches
 * of that CPU, or is set with tests_dat_current(). Failures end the test program.
 */

#include <stddef.h>
#include <stdint.h>

#include <vmrt/event.h>

enum tests_kernel {
	TESTS_KERNEL_618, /* formats of 6.18: hrtimer_setup, was_armed */
	TESTS_KERNEL_61,  /* formats of 6.1: hrtimer_init, comms inside the records */
	TESTS_KERNEL_RT,  /* as 6.1 with PREEMPT_RT: longer common fields */
	TESTS_KERNEL_419, /* formats of 4.19: wake-ups have a field `success` */
	TESTS_KERNEL_NEW, /* made up: as 6.18, but the fields of the most frequent events have moved
			   */
};

struct tests_dat;

struct tests_dat *tests_dat_new(unsigned cpus, enum tests_kernel kernel);
void tests_dat_free(struct tests_dat *d);

/* What is on @cpu, common_flags of the events to come, and how many were lost before the next one.
 */
void tests_dat_current(struct tests_dat *d, unsigned cpu, int32_t pid);
void tests_dat_flags(struct tests_dat *d, uint8_t flags);
/** tests_dat_lost - @count events were lost on @cpu; UINT64_MAX: some. Begins a page. */
void tests_dat_lost(struct tests_dat *d, unsigned cpu, uint64_t count);

void tests_dat_switch(struct tests_dat *d, unsigned cpu, int64_t ts, const char *prev_comm,
	int32_t prev_pid, int32_t prev_prio, int64_t prev_state, const char *next_comm,
	int32_t next_pid, int32_t next_prio);
void tests_dat_waking(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm, int32_t pid,
	int32_t prio, int32_t target_cpu);
void tests_dat_wakeup(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm, int32_t pid,
	int32_t prio, int32_t target_cpu);
void tests_dat_wakeup_new(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm,
	int32_t pid, int32_t prio, int32_t target_cpu);
void tests_dat_migrate(struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm, int32_t pid,
	int32_t prio, int32_t orig_cpu, int32_t dest_cpu);
void tests_dat_exec(struct tests_dat *d, unsigned cpu, int64_t ts, const char *file, int32_t pid,
	int32_t old_pid);
void tests_dat_exit(
	struct tests_dat *d, unsigned cpu, int64_t ts, const char *comm, int32_t pid, int32_t prio);
void tests_dat_fork(struct tests_dat *d, unsigned cpu, int64_t ts, const char *parent_comm,
	int32_t parent, const char *child_comm, int32_t child);
void tests_dat_timer_setup(
	struct tests_dat *d, unsigned cpu, int64_t ts, uint64_t timer, int32_t clock, int32_t mode);
void tests_dat_timer_start(struct tests_dat *d, unsigned cpu, int64_t ts, uint64_t timer,
	enum vmrt_timer_fn fn, int64_t expires, int64_t softexpires, int32_t mode);
void tests_dat_timer_cancel(struct tests_dat *d, unsigned cpu, int64_t ts, uint64_t timer);
void tests_dat_timer_expire(struct tests_dat *d, unsigned cpu, int64_t ts, uint64_t timer,
	enum vmrt_timer_fn fn, int64_t now);
/** tests_dat_mark - a line written to trace_marker; the newline is added */
void tests_dat_mark(struct tests_dat *d, unsigned cpu, int64_t ts, const char *text);
/** tests_dat_irq - an interrupt is handled from @from to @to */
void tests_dat_irq(struct tests_dat *d, unsigned cpu, int64_t from, int64_t to);
/** tests_dat_other - an event that nobody uses (sched_stat_runtime) */
void tests_dat_other(struct tests_dat *d, unsigned cpu, int64_t ts);

/* Entries of the ring buffer itself, for tests of the page walk. */
void tests_dat_absolute_time(struct tests_dat *d, unsigned cpu, int64_t ts);
void tests_dat_padding(struct tests_dat *d, unsigned cpu, uint32_t bytes);
/** tests_dat_end_page - the next event begins a page */
void tests_dat_end_page(struct tests_dat *d, unsigned cpu);

/* Options. Without tests_dat_no_symbols() there is a kallsyms with the functions of hrtimers. */
void tests_dat_clock(struct tests_dat *d, const char *clock);
void tests_dat_uname(struct tests_dat *d, const char *uname);
void tests_dat_trace_id(struct tests_dat *d, uint64_t id);
void tests_dat_guest(struct tests_dat *d, const char *name, uint64_t trace_id,
	const int32_t *vcpu_tids, uint32_t n);
void tests_dat_time_shift(struct tests_dat *d, uint64_t peer, const int64_t *times,
	const int64_t *offsets, uint32_t n);
/** tests_dat_time_shift_by_cpu - one sample for each CPU, at @time */
void tests_dat_time_shift_by_cpu(
	struct tests_dat *d, uint64_t peer, int64_t time, const int64_t *offsets);
void tests_dat_cpustat(struct tests_dat *d, unsigned cpu, uint64_t overrun, uint64_t commit_overrun,
	uint64_t dropped);
/** tests_dat_stats_of - counters added from now on are those of instance @name */
void tests_dat_stats_of(struct tests_dat *d, const char *name);
/** tests_dat_counted - the kernel counted so many events of @cpu, and no loss */
void tests_dat_counted(struct tests_dat *d, unsigned cpu, uint64_t entries);
/** tests_dat_date - as trace-cmd record --date writes it */
void tests_dat_date(struct tests_dat *d);
void tests_dat_comm(struct tests_dat *d, int32_t pid, const char *comm);
void tests_dat_no_symbols(struct tests_dat *d);
/** tests_dat_instance - events added from now on go into instance @name (an option BUFFER) */
void tests_dat_instance(struct tests_dat *d, const char *name);

/** tests_dat_write - write all as a version 6 file */
void tests_dat_write(struct tests_dat *d, const char *path);

/* The parts, for live streams. */
#define TESTS_PAGE_SIZE 4096
size_t tests_dat_pages(const struct tests_dat *d, unsigned cpu);
const uint8_t *tests_dat_page(const struct tests_dat *d, unsigned cpu, size_t index);
const char *tests_dat_header_page(void);
/** tests_dat_formats - the format texts and their systems; returns how many */
size_t tests_dat_formats(
	const struct tests_dat *d, const char *const **formats, const char *const **systems);
const char *tests_dat_kallsyms(void);

#endif
