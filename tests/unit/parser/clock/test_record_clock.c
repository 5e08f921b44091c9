/* SPDX-License-Identifier: MIT */
/* Recordings of any trace clock: their events come out in CLOCK_MONOTONIC, within the stated error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/clock.h>

#include "parser/clock/record-clock.h"
#include "pages.h"

#define S VMRT_NS_PER_S
#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define CPUS 2
#define TIMER UINT64_C(0xffff888000001000)
#define OTHER_TIMER UINT64_C(0xffff888000002000)
#define ROUNDS 2000
#define EVENTS (CPUS * ROUNDS * 4)

/* What the trace clock shows at monotonic time @mono on @cpu. */
typedef int64_t (*trace_clock)(int64_t mono, unsigned cpu);

static struct {
	int64_t mono[CPUS][ROUNDS * 4]; /* true times of the events of each CPU, in order */
	size_t n[CPUS];
} truth;

static char path[64];
static uint64_t state;
static int64_t apart_ns;
static unsigned idle; /* the first ones of the CPUs do nothing but handle interrupts */

static int64_t draw(int64_t below)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (int64_t)((state >> 33) % (uint64_t)below);
}

static int64_t note(trace_clock clock, int64_t mono, unsigned cpu)
{
	truth.mono[cpu][truth.n[cpu]++] = mono;
	return clock(mono, cpu);
}

/*
 * Every 2 ms on each CPU: a switch, and some microseconds later a timer whose interrupt reads its
 * clock up to 1.2 us before the record.
 */
static void write_file(const char *name, trace_clock clock, bool timers)
{
	struct tests_dat *d = tests_dat_new(CPUS, TESTS_KERNEL_618);
	int64_t now[CPUS] = {1000 * S, 1000 * S};

	state = 1;
	memset(&truth, 0, sizeof(truth));
	strcpy(path, "/tmp/vmrt-record-clock-XXXXXX");
	close(mkstemp(path));
	tests_dat_clock(d, name);
	for (unsigned cpu = 0; cpu < CPUS && timers; cpu++)
		tests_dat_timer_setup(d, cpu, note(clock, now[cpu], cpu), TIMER + cpu, 1, 0);
	for (int i = 0; i < ROUNDS; i++)
		for (unsigned cpu = 0; cpu < CPUS; cpu++) {
			int64_t t = now[cpu] += 2 * MS + draw(100 * US), at;

			tests_dat_flags(d, 0);
			if (cpu >= idle)
				tests_dat_switch(d, cpu, note(clock, t, cpu), "a", 10, 120, i & 1,
					"b", 11, 120);
			at = t + 2 * US + draw(40 * US);
			tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
			if (timers)
				tests_dat_timer_expire(d, cpu,
					note(clock, at + 200 + draw(US), cpu), TIMER + cpu,
					VMRT_FN_WAKEUP, at);
			tests_dat_flags(d, 0);
			if (cpu >= idle)
				tests_dat_switch(d, cpu, note(clock, at + 50 * US, cpu), "b", 11,
					120, i & 1, "a", 10, 120);
		}
	tests_dat_write(d, path);
	tests_dat_free(d);
}

static struct vmrt_dat *opened(void)
{
	struct vmrt_error err = {0};
	struct vmrt_dat *dat;

	if (vmrt_dat_open(path, &dat, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	unlink(path);
	return dat;
}

/* Writes and maps a file, and compares every event with the truth, @most; returns the bound that
 * was reported.
 */
static int64_t check(const char *name, trace_clock clock, int64_t most)
{
	struct vmrt_record_clock found;
	struct vmrt_stream *stream;
	struct vmrt_error err = {0};
	size_t seen[CPUS] = {0};
	struct vmrt_event ev;
	struct vmrt_dat *dat;
	int64_t worst = 0;

	write_file(name, clock, true);
	dat = opened();
	if (vmrt_record_clock_map(dat, &found, &err) != VMRT_OK)
		fail_msg("%s: %s", name, err.text);
	assert_int_equal(found.state, VMRT_RECORD_CLOCK_MAPPED);
	assert_int_equal(found.expiries, CPUS * ROUNDS);
	assert_ptr_equal(strstr(found.text, name), found.text);
	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0) {
		int64_t off = ev.ts - truth.mono[ev.cpu][seen[ev.cpu]++];

		off = off < 0 ? -off : off;
		if (off > vmrt_record_clock_error(dat, ev.cpu) &&
			vmrt_record_clock_error(dat, ev.cpu) != VMRT_UNKNOWN)
			fail_msg("%s: event %zu of CPU %u is off by %lld ns, bound %lld", name,
				seen[ev.cpu], ev.cpu, (long long)off,
				(long long)vmrt_record_clock_error(dat, ev.cpu));
		worst = off > worst ? off : worst;
	}
	for (unsigned cpu = 0; cpu < CPUS; cpu++)
		assert_int_equal(seen[cpu], truth.n[cpu]);
	if (worst > most)
		fail_msg("%s: off by %lld ns", name, (long long)worst);
	worst = found.error_ns;
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
	return worst;
}

static int64_t local(int64_t mono, unsigned cpu)
{
	return mono + 31700 * US + (int64_t)cpu * 3 * MS;
}

/* Nothing on an idle CPU contradicts that it reads the same clock as the other one. */
static int64_t apart(int64_t mono, unsigned cpu)
{
	int64_t since = mono - 1000 * S;

	return cpu ? mono + apart_ns - since / 11000 : mono - MS + since / 5500;
}

static int64_t behind(int64_t mono, unsigned cpu)
{
	(void)cpu;
	return mono - 1500 * US;
}

static int64_t raw(int64_t mono, unsigned cpu)
{
	(void)cpu;
	return mono - mono / 25000; /* 40 ppm */
}

/* adjtime: the rate changes from second to second */
static int64_t slewed(int64_t mono, unsigned cpu)
{
	int64_t s = mono / S - 1000, ns = mono % S;

	(void)cpu;
	return mono + (s < 2 ? 0 : ((s - 2) * S + ns) / 5000); /* 200 ppm from then on */
}

static int64_t mono(int64_t t, unsigned cpu)
{
	(void)cpu;
	return t;
}

static int64_t boot(int64_t mono, unsigned cpu)
{
	(void)cpu;
	return mono + 3 * 3600 * S;
}

static int64_t suspended(int64_t mono, unsigned cpu)
{
	(void)cpu;
	return mono + (mono > 1002 * S + 500 * MS ? 7 * S : 0);
}

/* By less than the bounds of a CPU leave that is idle. */
static int64_t stepped(int64_t mono, unsigned cpu)
{
	(void)cpu;
	return mono + INT64_C(1795000000) * S + (mono >= 1002 * S + 500 * MS ? 600 * US : 0);
}

static int64_t tai(int64_t mono, unsigned cpu)
{
	(void)cpu;
	return mono + INT64_C(1795000000) * S;
}

static int64_t ticks(int64_t mono, unsigned cpu)
{
	(void)cpu;
	return (int64_t)((long double)mono * 2.0944998L) + 12345678901;
}

static int64_t slow_ticks(int64_t mono, unsigned cpu)
{
	(void)cpu;
	return mono * 3 / 50; /* 60 MHz */
}

static void clocks_of_nanoseconds_are_mapped_within_their_error(void **unused)
{
	(void)unused;
	assert_true(check("local", local, 2 * US) < 10 * US);
	assert_true(check("local", behind, 2 * US) < 10 * US);
	assert_true(check("global", behind, 2 * US) < 10 * US);
	assert_true(check("mono_raw", raw, 2 * US) < 10 * US);
	assert_true(check("perf", slewed, 100 * US) < 200 * US);
	assert_true(check("boot", boot, 2 * US) < 10 * US);
	assert_true(check("tai", tai, 2 * US) < 10 * US);
}

static void a_suspended_machine_is_a_step_of_its_clock(void **unused)
{
	(void)unused;
	assert_true(check("boot", suspended, 2 * US) < 10 * US);
}

static void cpus_that_differ_by_milliseconds_are_mapped_one_by_one(void **unused)
{
	(void)unused;
	for (apart_ns = MS; apart_ns < 15 * MS; apart_ns += 700 * US) {
		idle = 1;
		check("local", apart, 2 * US);
		idle = 0;
		check("local", apart, 2 * US);
	}
}

static void a_small_step_shows_in_the_expiries_alone(void **unused)
{
	(void)unused;
	idle = CPUS;
	check("tai", stepped, 2 * US);
	idle = 0;
}

static void ticks_are_scaled_by_the_timers(void **unused)
{
	(void)unused;
	assert_true(check("x86-tsc", ticks, 2 * US) < 20 * US);
	assert_true(check("arm-counter", slow_ticks, 2 * US) < 20 * US);
}

/* Ticks in a file that says that its clock is one of ns. */
static void ticks_that_are_called_ns_are_scaled_too(void **unused)
{
	(void)unused;
	assert_true(check("local", ticks, 2 * US) < 20 * US);
	assert_true(check("mono", ticks, 2 * US) < 20 * US);
	assert_true(check("global", slow_ticks, 2 * US) < 20 * US);
	assert_true(check("boot", slow_ticks, 2 * US) < 20 * US);
}

static void a_recording_in_mono_is_left_alone(void **unused)
{
	struct vmrt_record_clock found;
	struct vmrt_dat *dat;

	(void)unused;
	write_file("mono", mono, true);
	dat = opened();
	assert_int_equal(vmrt_record_clock_map(dat, &found, NULL), VMRT_OK);
	assert_int_equal(found.state, VMRT_RECORD_CLOCK_MONO);
	assert_int_equal(vmrt_record_clock_error(dat, 0), 0);
	vmrt_dat_close(dat);
}

/* What "-C mono" in front of another buffer's events writes: the times are of clock local. */
static void a_file_that_is_wrong_about_mono_is_mapped(void **unused)
{
	(void)unused;
	assert_true(check("mono", local, 2 * US) < 20 * US);
}

static void without_timers_nothing_is_claimed(void **unused)
{
	struct vmrt_record_clock found;
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	struct vmrt_dat *dat;

	(void)unused;
	write_file("local", local, false);
	dat = opened();
	assert_int_equal(vmrt_record_clock_map(dat, &found, NULL), VMRT_OK);
	assert_int_equal(found.state, VMRT_RECORD_CLOCK_UNMAPPED);
	assert_non_null(strstr(found.text, "hrtimer_expire_entry"));
	assert_non_null(strstr(found.text, "-C mono"));
	assert_true(vmrt_record_clock_error(dat, 0) == VMRT_UNKNOWN);
	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0)
		assert_int_equal(ev.type, VMRT_EV_SWITCH);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
}

static void clocks_without_time_are_refused_with_the_way_out(void **unused)
{
	static const char *const names[] = {"counter", "uptime", "x86-tsc"};

	(void)unused;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct vmrt_record_clock found;
		struct vmrt_error err = {0};
		struct vmrt_dat *dat;

		write_file(names[i], ticks, false);
		dat = opened();
		assert_int_equal(vmrt_record_clock_map(dat, &found, &err), VMRT_EUNSUPPORTED);
		assert_non_null(strstr(err.text, names[i]));
		assert_non_null(strstr(err.text, "-C mono"));
		vmrt_dat_close(dat);
	}
}

/*
 * The record clock is the monotonic one, but how late the expiries are grows from 20 ms on. So the
 * line along the earliest ones, at 20 and 60 ms, rises by 0.1 us a ms: it is 2 us below the truth
 * at 0 ms, 8 us above it at the last expiry, at 100 ms, and 13 us at the last record, at 150 ms.
 */
static void beyond_the_expiries_a_line_that_crosses_the_truth_is_off_by_more(void **unused)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	struct vmrt_record_clock found;
	struct vmrt_dat *dat;

	(void)unused;
	strcpy(path, "/tmp/vmrt-record-clock-XXXXXX");
	close(mkstemp(path));
	tests_dat_clock(d, "local");
	tests_dat_timer_setup(d, 0, 2 * S - 100, TIMER, 1, 0);
	for (int64_t ms = 0; ms <= 100; ms += 2) {
		int64_t late = ms <= 20 ? 0 : (ms - 20) * 100;

		if (ms > 20 && ms != 60)
			late += 3 * US;
		tests_dat_flags(d, 0);
		tests_dat_other(d, 0, 2 * S + ms * MS - 50);
		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_timer_expire(
			d, 0, 2 * S + ms * MS + late, TIMER, VMRT_FN_WAKEUP, 2 * S + ms * MS);
	}
	tests_dat_other(d, 0, 2 * S + 150 * MS);
	tests_dat_write(d, path);
	tests_dat_free(d);
	dat = opened();
	assert_int_equal(vmrt_record_clock_map(dat, &found, NULL), VMRT_OK);
	assert_int_equal(found.state, VMRT_RECORD_CLOCK_MAPPED);
	assert_in_range(found.error_ns, 13 * US, 16 * US);
	vmrt_dat_close(dat);
}

/* Timers on other clocks show other times; only those of CLOCK_MONOTONIC count. */
static void timers_on_other_clocks_are_not_used(void **unused)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_61);
	struct vmrt_record_clock found;
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	struct vmrt_dat *dat;

	(void)unused;
	strcpy(path, "/tmp/vmrt-record-clock-XXXXXX");
	close(mkstemp(path));
	tests_dat_clock(d, "local");
	tests_dat_timer_setup(d, 0, S, TIMER, 1, 0);
	tests_dat_timer_setup(d, 0, S, OTHER_TIMER, 7, 0);
	for (int i = 0; i < 50; i++) {
		int64_t at = 1000 * S + i * 10 * MS; /* the record clock shows 998 s less */

		tests_dat_flags(d, 0);
		tests_dat_other(d, 0, at - 998 * S - 3 * US);
		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_timer_expire(
			d, 0, at - 998 * S, OTHER_TIMER, VMRT_FN_WAKEUP, at + 5000 * S);
		tests_dat_timer_expire(d, 0, at - 998 * S, TIMER, VMRT_FN_WAKEUP, at);
	}
	tests_dat_write(d, path);
	tests_dat_free(d);
	dat = opened();
	assert_int_equal(vmrt_record_clock_map(dat, &found, NULL), VMRT_OK);
	assert_int_equal(found.state, VMRT_RECORD_CLOCK_MAPPED);
	assert_int_equal(found.expiries, 50);
	/* 3 us, and as much in 7/8 of 490 ms, for 1 s and 1/16 of 490 ms: the timers were set up 1
	 * s before the first expired */
	assert_in_range(found.error_ns, 10 * US, 10 * US + 300);
	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0)
		if (ev.type == VMRT_EV_TIMER_EXPIRE && ev.timer.timer == TIMER)
			assert_int_equal(ev.ts, ev.timer.now);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clocks_of_nanoseconds_are_mapped_within_their_error),
		cmocka_unit_test(a_suspended_machine_is_a_step_of_its_clock),
		cmocka_unit_test(cpus_that_differ_by_milliseconds_are_mapped_one_by_one),
		cmocka_unit_test(a_small_step_shows_in_the_expiries_alone),
		cmocka_unit_test(ticks_are_scaled_by_the_timers),
		cmocka_unit_test(ticks_that_are_called_ns_are_scaled_too),
		cmocka_unit_test(a_recording_in_mono_is_left_alone),
		cmocka_unit_test(a_file_that_is_wrong_about_mono_is_mapped),
		cmocka_unit_test(without_timers_nothing_is_claimed),
		cmocka_unit_test(clocks_without_time_are_refused_with_the_way_out),
		cmocka_unit_test(beyond_the_expiries_a_line_that_crosses_the_truth_is_off_by_more),
		cmocka_unit_test(timers_on_other_clocks_are_not_used),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
