/* SPDX-License-Identifier: MIT */
/* Record clocks that differ between CPUs, or jump, where few timers show them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/recording.h>

#include "parser/clock/record-clock.h"
#include "pages.h"

#define US VMRT_NS_PER_US
#define MS VMRT_NS_PER_MS
#define LEAD (50 * VMRT_NS_PER_S) /* of the record clock */
#define TIMER 0xffff0000

static char path[64];

static struct tests_dat *begin(const char *clock)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_618);

	tests_dat_clock(d, clock);
	return d;
}

/* At @mono a thread leaves CPU @cpu, whose clock leads by @lead. */
static void leaves(struct tests_dat *d, unsigned cpu, int64_t mono, int64_t lead)
{
	tests_dat_flags(d, 0);
	tests_dat_switch(d, cpu, mono + lead, "a", 10, 120, 1, "swapper", 0, 120);
	tests_dat_switch(d, cpu, mono + lead, "swapper", 0, 120, 0, "a", 10, 120);
}

/* 5 us later its tick expires there. */
static void ticks(struct tests_dat *d, unsigned cpu, int64_t mono, int64_t lead)
{
	leaves(d, cpu, mono, lead);
	tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
	tests_dat_timer_expire(
		d, cpu, mono + 5 * US + lead + 300, TIMER + cpu, VMRT_FN_TICK, mono + 5 * US);
}

static struct vmrt_dat *tried(struct tests_dat *d, struct vmrt_record_clock *found)
{
	struct vmrt_dat *dat;

	strcpy(path, "/tmp/vmrt-record-clock-XXXXXX");
	close(mkstemp(path));
	tests_dat_write(d, path);
	tests_dat_free(d);
	assert_int_equal(vmrt_dat_open(path, &dat, NULL), VMRT_OK);
	unlink(path);
	assert_int_equal(vmrt_record_clock_map(dat, found, NULL), VMRT_OK);
	return dat;
}

static struct vmrt_dat *mapped(struct tests_dat *d, struct vmrt_record_clock *found)
{
	struct vmrt_dat *dat = tried(d, found);

	assert_int_equal(found->state, VMRT_RECORD_CLOCK_MAPPED);
	return dat;
}

static unsigned events_of(const struct vmrt_dat *dat, unsigned cpu)
{
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	unsigned n = 0;

	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0)
		n += ev.cpu == cpu;
	vmrt_stream_free(stream);
	return n;
}

static void a_cpu_without_timers_may_read_another_clock(void **state)
{
	(void)state;
	for (int global = 0; global < 2; global++) {
		struct tests_dat *d = begin(global ? "global" : "local");
		struct vmrt_record_clock found;
		struct vmrt_dat *dat;

		for (int i = 1; i < 20; i++) {
			ticks(d, 0, i * 10 * MS, LEAD);
			leaves(d, 1, i * 10 * MS + MS, LEAD);
		}
		dat = mapped(d, &found);
		assert_true(vmrt_record_clock_error(dat, 0) < 10 * US);
		if (global) {
			assert_true(vmrt_record_clock_error(dat, 1) < 10 * US);
			assert_int_equal(events_of(dat, 1), 38);
		} else {
			assert_true(vmrt_record_clock_error(dat, 1) == VMRT_UNKNOWN);
			/* its events cannot be put between those of the other CPU */
			assert_int_equal(events_of(dat, 1), 0);
			assert_non_null(strstr(found.text, "CPU 1 not known"));
		}
		vmrt_dat_close(dat);
	}
}

/* Of the two CPUs, CPU 1 has no timers and is left out: what it recorded is not missing. */
static void events_of_a_cpu_that_is_left_out_are_not_said_to_be_missing(void **state)
{
	static const char *const words[] = {"CPUs whose clock is not known are left out",
		"these events are not in the recording"};

	(void)state;
	for (int global = 0; global < 2; global++) {
		struct tests_dat *d = begin(global ? "global" : "local");
		struct vmrt_recording_options options = {.host_file = path};
		struct vmrt_recording *rec;

		for (int i = 1; i < 20; i++) {
			ticks(d, 0, i * 10 * MS, LEAD);
			leaves(d, 1, i * 10 * MS + MS, LEAD);
		}
		strcpy(path, "/tmp/vmrt-record-clock-XXXXXX");
		close(mkstemp(path));
		tests_dat_write(d, path);
		tests_dat_free(d);
		assert_int_equal(vmrt_recording_open(&options, &rec, NULL), VMRT_OK);
		unlink(path);
		assert_non_null(strstr(vmrt_recording_lack_words(rec, 0), words[global]));
		vmrt_recording_close(rec);
	}
}

/* CPU 1 is some us ahead. The timers of CPU 0 expire until 80 ms, those of CPU 1 from 90 ms on:
 * that looks like small steps of one clock. A record of CPU 1 at 1 ms is off by all of them. */
static void what_the_clocks_of_cpus_are_apart_is_known_no_better_by_small_steps(void **state)
{
	(void)state;
	for (int64_t apart = 4 * US; apart < 20 * US; apart += 2 * US) {
		struct tests_dat *d = begin("local");
		struct vmrt_record_clock found;
		struct vmrt_stream *stream;
		struct vmrt_dat *dat;
		struct vmrt_event ev;
		bool seen = false;

		leaves(d, 1, MS, LEAD + apart);
		for (int i = 1; i < 9; i++)
			ticks(d, 0, i * 10 * MS, LEAD);
		for (int i = 9; i < 18; i++)
			ticks(d, 1, i * 10 * MS, LEAD + apart);
		dat = mapped(d, &found);
		assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
		while (vmrt_stream_next(stream, &ev, NULL) > 0)
			if (ev.cpu == 1 && ev.type == VMRT_EV_SWITCH && !seen) {
				seen = true;
				assert_true(vmrt_record_clock_error(dat, 1) == VMRT_UNKNOWN ||
					    llabs(ev.ts - MS) <= vmrt_record_clock_error(dat, 1));
			}
		vmrt_stream_free(stream);
		vmrt_dat_close(dat);
	}
}

/* CPU 1 is 1.6 ms ahead: that is no step of a common clock at 50 ms. */
static void cpus_whose_timers_come_one_after_the_other_need_not_read_one_clock(void **state)
{
	struct tests_dat *d = begin("local");
	struct vmrt_record_clock found;
	struct vmrt_stream *stream;
	struct vmrt_dat *dat;
	struct vmrt_event ev;
	int seen[2] = {0};

	(void)state;
	for (int i = 1; i < 5; i++) {
		ticks(d, 0, i * 10 * MS, LEAD);
		leaves(d, 1, i * 10 * MS + MS, LEAD + 1600 * US);
	}
	for (int i = 5; i < 9; i++) {
		leaves(d, 0, i * 10 * MS + MS, LEAD);
		ticks(d, 1, i * 10 * MS, LEAD + 1600 * US);
	}
	dat = mapped(d, &found);
	/* each has ticks in one half only */
	assert_true(vmrt_record_clock_error(dat, 0) < 20 * US);
	assert_true(vmrt_record_clock_error(dat, 1) < 20 * US);
	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0) {
		int64_t mono;

		if (ev.type != VMRT_EV_SWITCH || ev.sw.prev_pid != 10)
			continue;
		seen[ev.cpu]++;
		mono = seen[ev.cpu] * 10 * MS + ((ev.cpu == 1) == (seen[ev.cpu] < 5) ? MS : 0);
		assert_true(llabs(ev.ts - mono) < 10 * US);
	}
	assert_int_equal(seen[0], 8);
	assert_int_equal(seen[1], 8);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
}

/* The machine was suspended before its last tick; no other one confirms that. A long jump is no
 * line between the seconds before and behind it. */
static void a_jump_that_only_the_last_timer_shows_is_an_error_of_its_size(void **state)
{
	static const int64_t jumps[] = {300 * MS, 4000 * MS, 900 * VMRT_NS_PER_S};

	(void)state;
	for (size_t k = 0; k < sizeof(jumps) / sizeof(jumps[0]); k++) {
		struct tests_dat *d = begin("boot");
		struct vmrt_record_clock found;
		struct vmrt_dat *dat;

		for (int i = 1; i < 20; i++)
			ticks(d, 0, i * 10 * MS, LEAD);
		tests_dat_timer_expire(
			d, 0, 200 * MS + LEAD + jumps[k] + 300, TIMER, VMRT_FN_TICK, 200 * MS);
		dat = mapped(d, &found);
		assert_true(vmrt_record_clock_error(dat, 0) >= jumps[k]);
		vmrt_dat_close(dat);
	}
}

/* An expiry before which nothing was recorded for long. */
static void expires(struct tests_dat *d, int64_t mono, int64_t lead)
{
	tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
	tests_dat_timer_expire(d, 0, mono + lead + 300, TIMER, VMRT_FN_TICK, mono);
}

/* Two records, then the clock is set ahead by @step, and ticks from 20 ms on: they show nothing of
 * the time before. */
static void a_jump_before_the_first_timer_is_an_error_of_its_size(void **state)
{
	static const int64_t steps[] = {0, 30 * MS, 150 * MS, 900 * VMRT_NS_PER_S};

	(void)state;
	for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
		struct tests_dat *d = begin("tai");
		struct vmrt_record_clock found;
		struct vmrt_dat *dat;

		leaves(d, 0, 1 * MS, LEAD);
		leaves(d, 0, 2 * MS, LEAD);
		for (int i = 2; i < 30; i++)
			ticks(d, 0, i * 10 * MS, LEAD + steps[k]);
		dat = mapped(d, &found);
		if (steps[k] > 100 * MS)
			assert_true(vmrt_record_clock_error(dat, 0) >= steps[k]);
		else
			assert_true(vmrt_record_clock_error(dat, 0) < 50 * US);
		vmrt_dat_close(dat);
	}
}

/* The clock is set by @step, and back after 80 ms, in which only expiries are recorded. */
static void check_set_and_back(int64_t step)
{
	struct tests_dat *d = begin("tai");
	struct vmrt_record_clock found;
	struct vmrt_stream *stream;
	struct vmrt_dat *dat;
	struct vmrt_event ev;

	for (int i = 1; i < 6; i++)
		ticks(d, 0, i * 10 * MS, LEAD);
	for (int i = 6; i < 25; i++)
		expires(d, i * 10 * MS, LEAD + (i >= 11 && i < 19 ? step : 0));
	for (int i = 25; i < 30; i++)
		ticks(d, 0, i * 10 * MS, LEAD);
	dat = mapped(d, &found);
	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0)
		if (ev.type == VMRT_EV_TIMER_EXPIRE)
			assert_true(llabs(ev.ts - ev.timer.now) <=
				    vmrt_record_clock_error(dat, 0) + 300);
	/* nor is it called worse than it is; set back, it contradicts the bounds around that */
	if (step > 0)
		assert_true(vmrt_record_clock_error(dat, 0) <= step + 500 * US);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
}

static void a_clock_that_is_set_and_back_shows_in_expiries_that_are_late_together(void **state)
{
	(void)state;
	for (int64_t step = 300 * US; step < 4 * MS; step += 300 * US) {
		check_set_and_back(step);
		check_set_and_back(-step);
	}
}

/* It is set back by 300 ms at 100 ms. The next record of CPU 0 comes 8 ms later, that of CPU 1
 * 25 ms. */
static void a_cpu_without_timers_is_unknown_where_the_clock_was_set_back(void **state)
{
	struct tests_dat *d = begin("tai");
	struct vmrt_record_clock found;
	struct vmrt_dat *dat;

	(void)state;
	for (int i = 1; i <= 20; i++) {
		ticks(d, 0, i * 10 * MS, LEAD - (i > 10 ? 8 * MS : 0));
		if (i <= 10)
			leaves(d, 1, i * 10 * MS - 2 * MS, LEAD);
		else if (i > 12)
			leaves(d, 1, i * 10 * MS, LEAD - 25 * MS);
	}
	dat = mapped(d, &found);
	assert_true(vmrt_record_clock_error(dat, 0) >= 8 * MS);
	assert_true(vmrt_record_clock_error(dat, 1) == VMRT_UNKNOWN);
	vmrt_dat_close(dat);
}

/* It is set back by 2 ms at 101 ms, which only a new sub-buffer of CPU 0 shows: the time of CPU 1
 * stands still within its own. */
static void a_cpu_of_a_clock_that_others_show_to_be_set_back_is_not_known_without_expiries(
	void **state)
{
	struct vmrt_record_clock found;

	(void)state;
	for (int set_back = 0; set_back < 2; set_back++) {
		struct tests_dat *d = begin("tai");

		for (int i = 1; i <= 10; i++) {
			ticks(d, 0, i * 10 * MS, LEAD);
			ticks(d, 1, i * 10 * MS, LEAD);
		}
		tests_dat_end_page(d, 0);
		leaves(d, 0, 101 * MS + 500 * US, LEAD - (set_back ? 2 * MS : 0));
		leaves(d, 1, 100 * MS + 6 * US, LEAD);
		vmrt_dat_close(tried(d, &found));
		assert_int_equal(found.state,
			set_back ? VMRT_RECORD_CLOCK_UNMAPPED : VMRT_RECORD_CLOCK_MAPPED);
	}
}

/* The largest error of a time of CPU @cpu: its tick number i expires at i times 10 ms. */
static int64_t worst_of(const struct vmrt_dat *dat, unsigned cpu, const int64_t *late)
{
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	int64_t worst = 0;

	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0) {
		int64_t off;

		if (ev.type != VMRT_EV_TIMER_EXPIRE || ev.cpu != cpu)
			continue;
		off = llabs(ev.ts - ev.timer.now - late[(ev.timer.now + 5 * MS) / (10 * MS)]);
		worst = off > worst ? off : worst;
	}
	vmrt_stream_free(stream);
	return worst;
}

/*
 * The clock of CPU 1 is 7.5 us behind that of CPU 0, as those of perf may be, and the handlers of
 * its timers are late: a map for both is off on CPU 1 by what the two maps are apart, and by what
 * its own timers do not show.
 */
static void a_common_map_is_as_wrong_as_the_cpu_with_the_worst_timers(void **state)
{
	static const int64_t late[] = {0, 5741, 6777, 10097};
	struct tests_dat *d = begin("perf");
	struct vmrt_record_clock found;
	struct vmrt_dat *dat;

	(void)state;
	for (int i = 1; i < 4; i++) {
		ticks(d, 0, i * 10 * MS, LEAD);
		leaves(d, 1, i * 10 * MS, LEAD - 7500);
		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_timer_expire(d, 1, i * 10 * MS + 5 * US + LEAD - 7500 + late[i],
			TIMER + 1, VMRT_FN_TICK, i * 10 * MS + 5 * US);
	}
	dat = mapped(d, &found);
	assert_true(vmrt_record_clock_error(dat, 1) < 20 * US);
	assert_true(worst_of(dat, 1, late) <= vmrt_record_clock_error(dat, 1));
	vmrt_dat_close(dat);
}

/* Some interrupts say that they read the clock before the task's record in front of them: the clock
 * is 300 ns behind or more; others say that it is 100 ns behind at most. */
static void expiries_that_contradict_each_other_map_nothing(void **state)
{
	struct tests_dat *d = begin("boot");
	struct vmrt_record_clock found;

	(void)state;
	for (int i = 1; i <= 200; i++) {
		int64_t t = 100 * VMRT_NS_PER_S + i * 10 * MS;

		tests_dat_flags(d, 0);
		tests_dat_switch(d, 0, t + LEAD, "a", 10, 120, 1, "swapper/0", 0, 120);
		tests_dat_flags(d, VMRT_FLAG_HARDIRQ);
		tests_dat_timer_expire(
			d, 0, t + LEAD + US, TIMER, VMRT_FN_TICK, i & 8 ? t - 300 : t + 900);
		tests_dat_flags(d, 0);
		tests_dat_switch(d, 0, t + LEAD + MS, "swapper/0", 0, 120, 0, "a", 10, 120);
	}
	vmrt_dat_close(tried(d, &found));
	assert_int_equal(found.state, VMRT_RECORD_CLOCK_UNMAPPED);
	assert_non_null(strstr(found.text, "its timers contradict each other"));
}

/* The last of them is in the last part of the time, also where a double has no digits left for 1
 * ns: beyond 2^53 ns, which are 104 days. */
static void expiries_that_are_months_apart_are_in_the_parts_of_their_time(void **state)
{
	static const int64_t day = 24 * 3600 * VMRT_NS_PER_S;
	struct tests_dat *d = begin("boot");
	struct vmrt_record_clock found;
	struct vmrt_stream *stream;
	struct vmrt_dat *dat;
	struct vmrt_event ev;

	(void)state;
	ticks(d, 0, 10 * MS, LEAD);
	ticks(d, 0, 200 * day, LEAD);
	ticks(d, 0, 400 * day, LEAD);
	dat = mapped(d, &found);
	assert_int_equal(vmrt_stream_open(dat, &stream, NULL), VMRT_OK);
	while (vmrt_stream_next(stream, &ev, NULL) > 0)
		if (ev.type == VMRT_EV_TIMER_EXPIRE)
			assert_true(llabs(ev.ts - ev.timer.now) <=
				    vmrt_record_clock_error(dat, 0) + 300);
	vmrt_stream_free(stream);
	vmrt_dat_close(dat);
}

/*
 * One record has a time two days ahead. No timer is near it, so that a line through those before is
 * off by 86 s there (500 ppm); but the record is left out when the recording is read, and the map
 * is no worse than without it. If both CPUs go on there, time has passed.
 */
static void a_record_of_a_wrong_time_does_not_make_the_map_worse(void **state)
{
	int64_t day = 86400 * VMRT_NS_PER_S;

	(void)state;
	for (int both = 0; both < 2; both++) {
		struct tests_dat *d = begin("local");
		struct vmrt_record_clock found;

		for (int i = 1; i < 50; i++) {
			ticks(d, 0, i * 10 * MS, LEAD);
			ticks(d, 1, i * 10 * MS + MS, LEAD);
		}
		leaves(d, 1, 500 * MS + 2 * day, LEAD);
		if (both)
			leaves(d, 0, 500 * MS + 2 * day, LEAD);
		vmrt_dat_close(mapped(d, &found));
		if (both)
			assert_true(found.error_ns > VMRT_NS_PER_S);
		else
			assert_true(found.error_ns < 20 * US);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_of_a_wrong_time_does_not_make_the_map_worse),
		cmocka_unit_test(a_common_map_is_as_wrong_as_the_cpu_with_the_worst_timers),
		cmocka_unit_test(
			a_cpu_of_a_clock_that_others_show_to_be_set_back_is_not_known_without_expiries),
		cmocka_unit_test(expiries_that_contradict_each_other_map_nothing),
		cmocka_unit_test(expiries_that_are_months_apart_are_in_the_parts_of_their_time),
		cmocka_unit_test(a_cpu_without_timers_is_unknown_where_the_clock_was_set_back),
		cmocka_unit_test(a_cpu_without_timers_may_read_another_clock),
		cmocka_unit_test(events_of_a_cpu_that_is_left_out_are_not_said_to_be_missing),
		cmocka_unit_test(
			cpus_whose_timers_come_one_after_the_other_need_not_read_one_clock),
		cmocka_unit_test(a_jump_that_only_the_last_timer_shows_is_an_error_of_its_size),
		cmocka_unit_test(
			what_the_clocks_of_cpus_are_apart_is_known_no_better_by_small_steps),
		cmocka_unit_test(a_jump_before_the_first_timer_is_an_error_of_its_size),
		cmocka_unit_test(
			a_clock_that_is_set_and_back_shows_in_expiries_that_are_late_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
