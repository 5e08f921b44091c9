/* SPDX-License-Identifier: MIT */
/*
 * What is found out about tasks, from a file to run.db: a service that a client wakes, a task whose
 * main thread waits in another way, and one whose declared period is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include <vmrt/analyze.h>

#include "pages.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define BASE (100 * VMRT_NS_PER_S)
#define TIMER UINT64_C(0xffffb00012345678)

static char file[] = "/tmp/vmrt-found-XXXXXX";
static char db[64], experiment[64];

static void declare(const char *text)
{
	FILE *f = fopen(experiment, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void analyze(struct tests_dat *d)
{
	struct vmrt_analyze_options options = {
		.recording = {.host_file = file, .experiment = experiment}, .db = db};
	struct vmrt_analyze_result result;
	struct vmrt_error err;

	tests_dat_clock(d, "local [mono]");
	tests_dat_write(d, file);
	tests_dat_free(d);
	assert_int_equal(vmrt_analyze(&options, &result, &err), VMRT_OK);
}

/* The same file again, with tasks that were found. */
static void analyze_with_found(const char *tasks)
{
	struct vmrt_analyze_options options = {
		.recording = {.host_file = file, .experiment_text = tasks}, .db = db};
	struct vmrt_analyze_result result;
	struct vmrt_error err;

	unlink(db);
	assert_int_equal(vmrt_analyze(&options, &result, &err), VMRT_OK);
}

/* The first column of the first row. */
static const char *ask(const char *sql)
{
	static char text[512];
	sqlite3 *handle = NULL;
	sqlite3_stmt *stmt = NULL;

	assert_int_equal(sqlite3_open(db, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(handle, sql, -1, &stmt, NULL), SQLITE_OK);
	text[0] = '\0';
	if (sqlite3_step(stmt) == SQLITE_ROW && sqlite3_column_text(stmt, 0))
		snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(stmt, 0));
	sqlite3_finalize(stmt);
	sqlite3_close(handle);
	return text;
}

/* A sleep of thread @pid from @at until @until. */
static void sleeps(
	struct tests_dat *d, int64_t at, const char *comm, int32_t pid, int64_t until, int mode)
{
	uint64_t timer = TIMER + (uint64_t)pid * 256;

	tests_dat_timer_start(d, 0, at - 10 * US, timer, VMRT_FN_WAKEUP, until, until, mode);
	tests_dat_switch(d, 0, at, comm, pid, 39, 1, "swapper/0", 0, 120);
}

/* The sleep is over at @at. */
static void wakes(struct tests_dat *d, int64_t at, const char *comm, int32_t pid)
{
	tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
	tests_dat_timer_expire(
		d, 0, at + 2 * US, TIMER + (uint64_t)pid * 256, VMRT_FN_WAKEUP, at + 1 * US);
	tests_dat_waking(d, 0, at + 3 * US, comm, pid, 39, 0);
	tests_dat_wakeup(d, 0, at + 4 * US, comm, pid, 39, 0);
	tests_dat_flags(d, 0);
	tests_dat_switch(d, 0, at + 10 * US, "swapper/0", 0, 120, 0, comm, pid, 39);
}

static void a_service_that_others_wake_has_jobs_and_a_note(void **state)
{
	static const int gaps[] = {3, 9, 4, 17, 5, 8, 2, 11, 6, 4, 13, 7};
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	int64_t at = BASE;

	(void)state;
	tests_dat_current(d, 0, 77);
	tests_dat_switch(d, 0, at, "service", 77, 39, 1, "swapper/0", 0, 120);
	for (size_t i = 0; i < 12; i++) {
		at += gaps[i] * MS;
		tests_dat_switch(d, 0, at - 1 * MS, "swapper/0", 0, 120, 0, "client", 88, 120);
		tests_dat_waking(d, 0, at, "service", 77, 39, 0);
		tests_dat_wakeup(d, 0, at + 1 * US, "service", 77, 39, 0);
		tests_dat_switch(d, 0, at + 5 * US, "client", 88, 120, 0, "service", 77, 39);
		tests_dat_switch(d, 0, at + 500 * US, "service", 77, 39, 1, "swapper/0", 0, 120);
	}
	declare("[task host/service]\ndeadline = 1ms\n");
	analyze(d);
	assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met'"), "12");
	assert_string_equal(ask("SELECT mechanism FROM task"), "wakeup");
	assert_string_equal(
		ask("SELECT DISTINCT woken_by FROM job WHERE arrival_ns > 0"), "client");
	assert_string_equal(ask("SELECT max(response_ns) FROM jobs"), "500000");
	assert_non_null(strstr(ask("SELECT words FROM note WHERE about = 'task'"),
		"nothing periodic releases it"));
}

/* Each wake-up is a release, too, where the thread's own timer has a function that nobody knows. */
static void timers_of_unknown_functions_wake_as_others_do(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 77);
	for (int k = 0; k < 12; k++) {
		int64_t at = BASE + k * 20 * MS, until = at + 20 * MS;

		tests_dat_timer_start(d, 0, at + 2 * MS, TIMER, VMRT_FN_OTHER, until, until, 0);
		tests_dat_switch(d, 0, at + 3 * MS, "driver", 77, 39, 1, "swapper/0", 0, 120);
		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_timer_expire(d, 0, until + 2 * US, TIMER, VMRT_FN_OTHER, until + US);
		tests_dat_waking(d, 0, until + 3 * US, "driver", 77, 39, 0);
		tests_dat_flags(d, 0);
		tests_dat_switch(d, 0, until + 10 * US, "swapper/0", 0, 120, 0, "driver", 77, 39);
	}
	declare("[task host/driver]\nperiod = 20ms\n");
	analyze(d);
	assert_string_equal(ask("SELECT mechanism FROM task"), "wakeup");
	/* the last one was still at work */
	assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met'"), "11");
	assert_non_null(strstr(ask("SELECT words FROM note WHERE about = 'task'"),
		"nothing periodic releases it"));
}

/* The main thread naps for 10 ms from the beginning, before the others have shown how they wait. */
static void the_thread_that_naps_is_not_the_task(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 70);
	tests_dat_switch(d, 0, BASE, "cyc", 70, 39, 1, "swapper/0", 0, 120);
	for (int k = 0; k < 30; k++) {
		int64_t at = BASE + (k + 1) * 10 * MS;

		tests_dat_waking(d, 0, at, "cyc", 70, 39, 0);
		tests_dat_switch(d, 0, at + 10 * US, "swapper/0", 0, 120, 0, "cyc", 70, 39);
		sleeps(d, at + 100 * US, "cyc", 70, at + 10 * MS - 10 * US, 1);
		if (k < 12)
			continue;
		if (k > 12)
			wakes(d, at + 2 * MS, "cyc", 71);
		else
			tests_dat_switch(d, 0, at + 2 * MS, "swapper/0", 0, 120, 0, "cyc", 71, 39);
		sleeps(d, at + 3 * MS, "cyc", 71, at + 12 * MS, 0);
	}
	declare("[task host/cyc]\nperiod = 10ms\n");
	analyze(d);
	assert_string_equal(ask("SELECT mechanism FROM task"), "nanosleep");
	assert_string_equal(ask("SELECT count(*) FROM job j JOIN thread t ON t.id = j.thread "
				"WHERE t.tid = 70 AND j.arrival_ns IS NOT NULL"),
		"0");
	assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met'"), "17");
	assert_non_null(strstr(ask("SELECT words FROM note WHERE about = 'task'"), "cyc/70"));
}

/*
 * All threads begin together: one absolute sleep until 20 ms, or two, and then a job of 2 ms and a
 * sleep for 18 ms, 30 times. The last sleep begins at 602 ms and the recording ends there.
 */
static void absolute_sleeps_that_only_come_first_are_not_what_a_task_waits_by(void **state)
{
	static const char *const texts[] = {"period = 20ms", "deadline = 10ms"};

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
		char text[64];

		tests_dat_current(d, 0, 77);
		if (i & 1) {
			sleeps(d, BASE, "t", 77, BASE + 9 * MS, 0);
			wakes(d, BASE + 9 * MS, "t", 77);
		}
		sleeps(d, BASE + 10 * MS, "t", 77, BASE + 20 * MS, 0);
		for (int k = 1; k <= 30; k++) {
			wakes(d, BASE + k * 20 * MS, "t", 77);
			sleeps(d, BASE + k * 20 * MS + 2 * MS, "t", 77, BASE + (k + 1) * 20 * MS,
				1);
		}
		snprintf(text, sizeof(text), "[task host/t]\n%s\n", texts[i / 2]);
		declare(text);
		analyze(d);
		assert_string_equal(ask("SELECT mechanism FROM task"), "relative");
		assert_string_equal(
			ask("SELECT count(*) FROM jobs WHERE outcome LIKE 'missed%'"), "0");
		/* the first job arrives by the absolute sleep */
		assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met' AND "
					"response_ns BETWEEN 1989000 AND 1991000"),
			"29");
	}
}

/* A job naps ten times, for 1 ms each, and then sleeps until the next second. */
static void naps_within_long_jobs_are_no_releases(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 77);
	sleeps(d, BASE, "t", 77, BASE + 1000 * MS, 0);
	for (int k = 1; k < 4; k++) {
		int64_t at = BASE + k * 1000 * MS;

		wakes(d, at, "t", 77);
		for (int nap = 1; nap <= 10; nap++) {
			sleeps(d, at + nap * 2 * MS, "t", 77, at + nap * 2 * MS + MS, 1);
			wakes(d, at + nap * 2 * MS + MS, "t", 77);
		}
		sleeps(d, at + 30 * MS, "t", 77, at + 1000 * MS, 0);
	}
	declare("[task host/t]\ndeadline = 50ms\n");
	analyze(d);
	assert_string_equal(ask("SELECT mechanism FROM task"), "nanosleep");
	assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'met'"), "3");
	assert_string_equal(ask("SELECT max(response_ns) FROM jobs"), "29990000");
}

/* A timerfd's job ends with the sleep that its expiry ends: without wake-ups no sleep is known to
 * be that one. Where only switches are recorded nothing is known at all. */
static void a_task_whose_wake_ups_are_not_recorded_has_a_note(void **state)
{
	(void)state;
	for (int timers = 0; timers < 2; timers++) {
		struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

		tests_dat_current(d, 0, 77);
		for (int k = 0; k < 12; k++) {
			int64_t at = BASE + k * 20 * MS, until = at + 20 * MS;

			if (timers)
				tests_dat_timer_start(
					d, 0, at + MS, TIMER, VMRT_FN_TIMERFD, until, until, 0);
			tests_dat_switch(d, 0, at + 3 * MS, "t", 77, 39, 1, "swapper/0", 0, 120);
			tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
			if (timers)
				tests_dat_timer_expire(
					d, 0, until + 2 * US, TIMER, VMRT_FN_TIMERFD, until + US);
			tests_dat_flags(d, 0);
			tests_dat_switch(
				d, 0, until + 10 * US, "swapper/0", 0, 120, 0, "t", 77, 39);
		}
		declare("[task host/t]\nperiod = 20ms\n");
		analyze(d);
		assert_string_equal(
			ask("SELECT count(*) FROM jobs WHERE outcome <> 'truncated'"), "0");
		assert_string_equal(ask("SELECT words FROM note WHERE about = 'task'"),
			timers ? "it has no jobs: what wakes it is not recorded, so its releases "
				 "are unknown"
			       : "it has no jobs: neither its timers nor what wakes it are "
				 "recorded, so its releases are unknown");
	}
}

static void a_period_that_the_arrivals_contradict_is_noted(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 77);
	sleeps(d, BASE, "t", 77, BASE + 20 * MS, 0);
	for (int k = 1; k < 9; k++) {
		wakes(d, BASE + k * 20 * MS, "t", 77);
		sleeps(d, BASE + k * 20 * MS + 2 * MS, "t", 77, BASE + (k + 1) * 20 * MS, 0);
	}
	declare("[task host/t]\nperiod = 25ms\n");
	analyze(d);
	assert_string_equal(ask("SELECT words FROM note WHERE about = 'task' AND name = 'host/t'"),
		"arrivals are 20 ms apart, declared 25 ms");
	assert_string_equal(ask("SELECT missing FROM task"), "0");
	/* nobody has declared what was found out */
	analyze_with_found("[task host/t]\nperiod = 25ms\n");
	assert_string_equal(ask("SELECT words FROM note WHERE about = 'task' AND name = 'host/t'"),
		"arrivals are 20 ms apart, its period was found to be 25 ms");
}

/*
 * A thread that the idle CPU's interrupt wakes every 10 ms. Without hrtimer events nothing tells
 * whether its own timer does that, and when that was due.
 */
static void without_timer_events_wake_ups_by_interrupts_are_no_releases(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 77);
	tests_dat_switch(d, 0, BASE, "t", 77, 39, 1, "swapper/0", 0, 120);
	for (int k = 1; k < 40; k++) {
		int64_t at = BASE + k * 10 * MS;

		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_waking(d, 0, at + 3 * US, "t", 77, 39, 0);
		tests_dat_flags(d, 0);
		tests_dat_switch(d, 0, at + 10 * US, "swapper/0", 0, 120, 0, "t", 77, 39);
		tests_dat_switch(d, 0, at + 2 * MS, "t", 77, 39, 1, "swapper/0", 0, 120);
	}
	declare("[task host/t]\nperiod = 10ms\n");
	analyze(d);
	assert_string_equal(ask("SELECT count(response_ns) FROM jobs"), "0");
	assert_non_null(strstr(
		ask("SELECT words FROM note WHERE about = 'task'"), "its timers are not recorded"));
}

/* What the service does between two wake-ups is unknown without sched_switch. */
static void without_switches_a_task_that_others_wake_has_no_times(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 88);
	for (int k = 1; k < 20; k++) {
		tests_dat_current(d, 0, 88);
		tests_dat_waking(d, 0, BASE + k * 10 * MS, "service", 77, 39, 0);
		tests_dat_current(d, 0, 77);
		tests_dat_other(d, 0, BASE + k * 10 * MS + 1 * MS);
	}
	declare("[task host/service]\nrelease = wakeup\ndeadline = 5ms\n");
	analyze(d);
	assert_string_equal(
		ask("SELECT count(*) FROM jobs WHERE outcome IN ('met', 'missed')"), "0");
	assert_string_equal(ask("SELECT count(response_ns) FROM jobs"), "0");
}

/* Two threads of one name: 78 has twice the period that is declared, and leaves nothing out. */
static void a_thread_with_another_period_than_its_task_is_noted(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 77);
	sleeps(d, BASE, "w", 77, BASE + 10 * MS, 0);
	tests_dat_switch(d, 0, BASE + 1 * MS, "swapper/0", 0, 120, 0, "w", 78, 39);
	sleeps(d, BASE + 2 * MS, "w", 78, BASE + 15 * MS, 0);
	for (int k = 1; k < 31; k++) {
		wakes(d, BASE + k * 10 * MS, "w", 77);
		sleeps(d, BASE + k * 10 * MS + 2 * MS, "w", 77, BASE + (k + 1) * 10 * MS, 0);
		if (k % 2 == 0)
			continue;
		wakes(d, BASE + k * 10 * MS + 5 * MS, "w", 78);
		sleeps(d, BASE + k * 10 * MS + 7 * MS, "w", 78, BASE + (k + 2) * 10 * MS + 5 * MS,
			0);
	}
	declare("[task host/w]\nperiod = 10ms\n");
	analyze(d);
	assert_string_equal(ask("SELECT words FROM note WHERE about = 'task'"),
		"arrivals of thread w/78 are 20 ms apart, declared 10 ms");
}

/* The main thread naps for two periods of the task, at first as if it were the task. */
static void naps_of_another_thread_are_no_missing_jobs(void **state)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_61);
	int64_t at = BASE;

	(void)state;
	tests_dat_current(d, 1, 70);
	for (int k = 0; k < 20; k++) {
		uint64_t timer = TIMER + 70 * 256;
		int64_t from = at;

		at += 10 * MS;
		tests_dat_timer_start(
			d, 1, from, timer, VMRT_FN_WAKEUP, at - 10 * US, at - 10 * US, 1);
		tests_dat_switch(d, 1, from + 10 * US, "cyc", 70, 120, 1, "swapper/1", 0, 120);
		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_timer_expire(d, 1, at, timer, VMRT_FN_WAKEUP, at);
		tests_dat_waking(d, 1, at + 1 * US, "cyc", 70, 120, 1);
		tests_dat_flags(d, 0);
		tests_dat_switch(d, 1, at + 2 * US, "swapper/1", 0, 120, 0, "cyc", 70, 120);
		at += 50 * US;
	}
	tests_dat_current(d, 0, 71);
	sleeps(d, BASE + 60 * MS, "cyc", 71, BASE + 65 * MS, 0);
	for (int k = 13; k < 40; k++) {
		wakes(d, BASE + k * 5 * MS, "cyc", 71);
		sleeps(d, BASE + k * 5 * MS + 1 * MS, "cyc", 71, BASE + (k + 1) * 5 * MS, 0);
	}
	declare("[task host/cyc]\nperiod = 5ms\n");
	analyze(d);
	assert_string_equal(ask("SELECT mechanism FROM task"), "nanosleep");
	assert_string_equal(ask("SELECT missing FROM task"), "0");
	assert_string_equal(ask("SELECT words FROM note WHERE about = 'task'"),
		"1 thread waits in another way and is not counted: cyc/70");
}

/* The relation of CLOCK_REALTIME to the record clock makes each expiry 60 ns too early. */
static void an_expiry_that_seems_early_is_not_of_the_period_before(void **state)
{
	const int64_t date = INT64_C(1700000000) * VMRT_NS_PER_S - BASE;
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 77);
	tests_dat_timer_setup(d, 0, BASE, TIMER, 0, 0);
	tests_dat_timer_start(d, 0, BASE + 1 * US, TIMER, VMRT_FN_TIMERFD, date + BASE + 10 * MS,
		date + BASE + 10 * MS, 0);
	tests_dat_switch(d, 0, BASE + 2 * US, "t", 77, 39, 1, "swapper/0", 0, 120);
	for (int k = 1; k < 30; k++) {
		int64_t due = BASE + k * 10 * MS;

		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_timer_expire(d, 0, due, TIMER, VMRT_FN_TIMERFD, date + due - 60);
		tests_dat_waking(d, 0, due + 1 * US, "t", 77, 39, 0);
		tests_dat_flags(d, 0);
		tests_dat_switch(d, 0, due + 2 * US, "swapper/0", 0, 120, 0, "t", 77, 39);
		tests_dat_timer_start(d, 0, due + 3 * US, TIMER, VMRT_FN_TIMERFD,
			date + due + 10 * MS, date + due + 10 * MS, 0);
		tests_dat_switch(d, 0, due + 2 * MS, "t", 77, 39, 1, "swapper/0", 0, 120);
	}
	declare("[task host/t]\nperiod = 10ms\n");
	analyze(d);
	assert_string_equal(ask("SELECT mechanism FROM task"), "timerfd");
	assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome LIKE 'missed%'"), "0");
	assert_string_equal(ask("SELECT count(*) >= 27 FROM jobs WHERE outcome = 'met' AND "
				"response_ns BETWEEN 1990000 AND 2010000"),
		"1");
}

/* Every job executes for 2 ms, its deadline is 1 ms: no lateness of the timer is its cause. */
static void a_job_that_executes_longer_than_its_deadline_is_its_own_cause(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);

	(void)state;
	tests_dat_current(d, 0, 77);
	sleeps(d, BASE, "t", 77, BASE + 10 * MS, 0);
	for (int k = 1; k < 9; k++) {
		wakes(d, BASE + k * 10 * MS, "t", 77);
		sleeps(d, BASE + k * 10 * MS + 2 * MS, "t", 77, BASE + (k + 1) * 10 * MS, 0);
	}
	declare("[task host/t]\nperiod = 10ms\ndeadline = 1ms\n");
	analyze(d);
	assert_string_equal(
		ask("SELECT DISTINCT cause FROM jobs WHERE outcome = 'missed'"), "exec");
	assert_string_equal(ask("SELECT count(*) FROM jobs WHERE outcome = 'missed'"), "8");
}

static int enter(void **state)
{
	int fd = mkstemp(file);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	snprintf(db, sizeof(db), "%s.db", file);
	snprintf(experiment, sizeof(experiment), "%s.ini", file);
	return 0;
}

static int leave(void **state)
{
	(void)state;
	unlink(file);
	unlink(db);
	unlink(experiment);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_that_others_wake_has_jobs_and_a_note),
		cmocka_unit_test(timers_of_unknown_functions_wake_as_others_do),
		cmocka_unit_test(the_thread_that_naps_is_not_the_task),
		cmocka_unit_test(absolute_sleeps_that_only_come_first_are_not_what_a_task_waits_by),
		cmocka_unit_test(naps_within_long_jobs_are_no_releases),
		cmocka_unit_test(a_task_whose_wake_ups_are_not_recorded_has_a_note),
		cmocka_unit_test(a_period_that_the_arrivals_contradict_is_noted),
		cmocka_unit_test(without_timer_events_wake_ups_by_interrupts_are_no_releases),
		cmocka_unit_test(without_switches_a_task_that_others_wake_has_no_times),
		cmocka_unit_test(a_thread_with_another_period_than_its_task_is_noted),
		cmocka_unit_test(naps_of_another_thread_are_no_missing_jobs),
		cmocka_unit_test(an_expiry_that_seems_early_is_not_of_the_period_before),
		cmocka_unit_test(a_job_that_executes_longer_than_its_deadline_is_its_own_cause),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
