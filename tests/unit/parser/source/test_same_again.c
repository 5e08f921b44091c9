/* SPDX-License-Identifier: MIT */
/*
 * One recording in many shapes: another kernel, other times, other numbers of CPUs and threads,
 * other names, another record clock. What happened in it stays the same, and so must every number.
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
#include <vmrt/units.h>

#include "pages.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define S VMRT_NS_PER_S
#define TIMER UINT64_C(0xffffb00012345600)
#define JOBS 30
#define PERIOD (10 * MS)

/* What may differ between two recordings of the same. */
struct shape {
	enum tests_kernel kernel;
	int64_t at; /* when it begins */
	unsigned cpus, cpu_a, cpu_b;
	int32_t tids;	   /* the first one */
	const char *a, *b; /* names of the threads */
	const char *clock;
	int64_t clock_ahead; /* of CLOCK_MONOTONIC */
};

static char file[] = "/tmp/vmrt-same-XXXXXX";
static char db[64], experiment[64];

struct run {
	const struct shape *s;
	struct tests_dat *d;
};

static int64_t record_time(const struct run *r, int64_t ns)
{
	return r->s->at + r->s->clock_ahead + ns;
}

/* Thread @k sleeps until @until, from @at on. */
static void sleeps(
	const struct run *r, unsigned cpu, int64_t at, int k, int64_t until, const char *name)
{
	int64_t expires = r->s->at + until;

	tests_dat_timer_start(r->d, cpu, record_time(r, at), TIMER + (unsigned)k * 128,
		VMRT_FN_WAKEUP, expires, expires, 0);
	tests_dat_switch(r->d, cpu, record_time(r, at + 1 * US), name, r->s->tids + k, 39, 1,
		"swapper", 0, 120);
}

static void wakes(const struct run *r, unsigned cpu, int64_t at, int k, const char *name)
{
	tests_dat_flags(r->d, VMRT_FLAG_HARDIRQ);
	tests_dat_timer_expire(r->d, cpu, record_time(r, at + 1 * US), TIMER + (unsigned)k * 128,
		VMRT_FN_WAKEUP, r->s->at + at + 1 * US);
	tests_dat_waking(
		r->d, cpu, record_time(r, at + 2 * US), name, r->s->tids + k, 39, (int32_t)cpu);
	tests_dat_wakeup(
		r->d, cpu, record_time(r, at + 3 * US), name, r->s->tids + k, 39, (int32_t)cpu);
	tests_dat_flags(r->d, 0);
}

/* Task a works for 3 ms, every fifth job for 12; on its CPU a hog takes 2 ms of every third. */
static void write_a(const struct run *r)
{
	const struct shape *s = r->s;
	unsigned cpu = s->cpu_a;

	tests_dat_current(r->d, cpu, s->tids);
	sleeps(r, cpu, 0, 0, PERIOD, s->a);
	for (int k = 1; k < JOBS; k++) {
		int64_t due = k * PERIOD, at = due, work = (k % 5 == 2 ? 12 : 3) * MS;

		/* the job before is late: it goes on without a sleep */
		if (k % 5 == 3) {
			at += (k % 3 == 1 ? 4 : 2) * MS + 50 * US; /* the hog was there */
		} else {
			wakes(r, cpu, at, 0, s->a);
			tests_dat_switch(r->d, cpu, record_time(r, at + 5 * US), "swapper", 0, 120,
				0, s->a, s->tids, 39);
		}
		if (k % 3 == 0) {
			tests_dat_switch(r->d, cpu, record_time(r, at + 1 * MS), s->a, s->tids, 39,
				0, "hog", s->tids + 9, 20);
			tests_dat_switch(r->d, cpu, record_time(r, at + 3 * MS), "hog", s->tids + 9,
				20, 1, s->a, s->tids, 39);
			at += 2 * MS;
		}
		at += work;
		if (k % 5 == 2) { /* the timer is armed for a time that has passed, and expires */
			tests_dat_timer_start(r->d, cpu, record_time(r, at), TIMER, VMRT_FN_WAKEUP,
				s->at + due + PERIOD, s->at + due + PERIOD, 0);
			wakes(r, cpu, at, 0, s->a);
		} else {
			sleeps(r, cpu, at, 0, due + PERIOD, s->a);
		}
	}
}

/* Task b works for 1 ms, and nothing is in its way. */
static void write_b(const struct run *r)
{
	tests_dat_current(r->d, r->s->cpu_b, r->s->tids + 1);
	sleeps(r, r->s->cpu_b, 0, 1, PERIOD, r->s->b);
	for (int k = 1; k < JOBS; k++) {
		wakes(r, r->s->cpu_b, k * PERIOD, 1, r->s->b);
		tests_dat_switch(r->d, r->s->cpu_b, record_time(r, k * PERIOD + 5 * US), "swapper",
			0, 120, 0, r->s->b, r->s->tids + 1, 39);
		sleeps(r, r->s->cpu_b, k * PERIOD + 1 * MS, 1, (k + 1) * PERIOD, r->s->b);
	}
}

static void analyze(const struct shape *s)
{
	struct vmrt_analyze_options options = {
		.recording = {.host_file = file, .experiment = experiment}, .db = db};
	struct run r = {.s = s, .d = tests_dat_new(s->cpus, s->kernel)};
	struct vmrt_analyze_result result;
	struct vmrt_error err = {0};
	FILE *f = fopen(experiment, "w");

	tests_dat_clock(r.d, s->clock);
	write_a(&r);
	write_b(&r);
	tests_dat_write(r.d, file);
	tests_dat_free(r.d);
	assert_non_null(f);
	fprintf(f, "[task host/a]\nthread = %s\nperiod = 10ms\n", s->a);
	fprintf(f, "[task host/b]\nthread = %s\nperiod = 10ms\n", s->b);
	assert_int_equal(fclose(f), 0);
	if (vmrt_analyze(&options, &result, &err) != VMRT_OK)
		fail_msg("%s", err.text);
}

/* All rows, columns joined by '|', of times relative to @at and rounded to @grain; to be freed. */
static char *rows(int64_t at, int64_t grain)
{
	static const char query[] =
		"SELECT task, k, (arrival_ns - ?1 + ?2 / 2) / ?2, (start_ns - ?1 + ?2 / 2) / ?2, "
		"(end_ns - ?1 + ?2 / 2) / ?2, (exec_ns + ?2 / 2) / ?2, (response_ns + ?2 / 2) / "
		"?2, "
		"preemptions, migrations, outcome, cause FROM jobs ORDER BY 1, 2";
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	sqlite3 *handle = NULL;
	sqlite3_stmt *stmt = NULL;

	assert_non_null(out);
	assert_int_equal(sqlite3_open(db, &handle), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(handle, query, -1, &stmt, NULL), SQLITE_OK);
	sqlite3_bind_int64(stmt, 1, at);
	sqlite3_bind_int64(stmt, 2, grain);
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++)
			fprintf(out, "%s|",
				(const char *)sqlite3_column_text(stmt, i)
					? (const char *)sqlite3_column_text(stmt, i)
					: "-");
		fputc('\n', out);
	}
	sqlite3_finalize(stmt);
	sqlite3_close(handle);
	assert_int_equal(fclose(out), 0);
	return text;
}

static const struct shape usual = {.kernel = TESTS_KERNEL_618,
	.at = 100 * S,
	.cpus = 2,
	.cpu_a = 0,
	.cpu_b = 1,
	.tids = 100,
	.a = "control",
	.b = "sensor",
	.clock = "local [mono]"};

/* Times of another clock are known to a microsecond: numbers are compared to @grain. */
static void same_as_usual(const struct shape *s, int64_t grain)
{
	char *want, *got;

	analyze(&usual);
	want = rows(usual.at, grain);
	analyze(s);
	got = rows(s->at, grain);
	assert_string_equal(got, want);
	free(want);
	free(got);
}

static void the_usual_one_has_what_was_worked_out_on_paper(void **unused)
{
	char *got;

	(void)unused;
	analyze(&usual);
	got = rows(usual.at, 1);
	/* 12 ms of work from 20 ms and 5 us on; the next job begins at once */
	assert_non_null(
		strstr(got, "a|2|20000000|20005000|32000000|11995000|12000000|0|0|missed|"));
	assert_non_null(strstr(got, "b|5|50000000|50005000|51000000|995000|1000000|0|0|met|-|"));
	/* 3 ms, and 2 ms of the hog's */
	assert_non_null(strstr(got, "a|6|60000000|60005000|65000000|2995000|5000000|1|0|met|-|"));
	free(got);
}

static void every_kernel_gives_the_same(void **unused)
{
	static const enum tests_kernel kernels[] = {
		TESTS_KERNEL_61, TESTS_KERNEL_RT, TESTS_KERNEL_419, TESTS_KERNEL_NEW};

	(void)unused;
	for (size_t i = 0; i < sizeof(kernels) / sizeof(kernels[0]); i++) {
		struct shape s = usual;

		s.kernel = kernels[i];
		same_as_usual(&s, 1);
	}
}

static void another_time_gives_the_same(void **unused)
{
	static const int64_t times[] = {1 * S, 5000 * S + 123456789, 900 * 86400 * S + 1};

	(void)unused;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		struct shape s = usual;

		s.at = times[i];
		same_as_usual(&s, 1);
	}
}

static void other_numbers_of_cpus_and_threads_give_the_same(void **unused)
{
	struct shape s = usual;

	(void)unused;
	s.cpu_a = 1;
	s.cpu_b = 0;
	same_as_usual(&s, 1);
	s.cpus = 64;
	s.cpu_a = 63;
	s.cpu_b = 17;
	s.tids = 4194000;
	same_as_usual(&s, 1);
}

static void other_names_give_the_same(void **unused)
{
	struct shape s = usual;

	(void)unused;
	s.a = "irq/24-eth0:0";
	s.b = "\xc3\xa4 \"b\";]";
	same_as_usual(&s, 1);
}

static void another_record_clock_gives_the_same_to_a_microsecond(void **unused)
{
	static const struct {
		const char *name;
		int64_t ahead;
	} clocks[] = {{"[local] mono", -31 * MS}, {"local [boot]", 10800 * S},
		{"local [tai]", 1700000037 * S}, {"local [global]", 7 * S + 1}};

	(void)unused;
	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		struct shape s = usual;

		s.clock = clocks[i].name;
		s.clock_ahead = clocks[i].ahead;
		same_as_usual(&s, 10 * US);
	}
}

static int enter(void **unused)
{
	int fd = mkstemp(file);

	(void)unused;
	snprintf(db, sizeof(db), "%s.db", file);
	snprintf(experiment, sizeof(experiment), "%s.ini", file);
	return fd < 0 || close(fd);
}

static int leave(void **unused)
{
	(void)unused;
	unlink(db);
	unlink(experiment);
	return unlink(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_usual_one_has_what_was_worked_out_on_paper),
		cmocka_unit_test(every_kernel_gives_the_same),
		cmocka_unit_test(another_time_gives_the_same),
		cmocka_unit_test(other_numbers_of_cpus_and_threads_give_the_same),
		cmocka_unit_test(other_names_give_the_same),
		cmocka_unit_test(another_record_clock_gives_the_same_to_a_microsecond),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
