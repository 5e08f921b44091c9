/* SPDX-License-Identifier: MIT */
/* A time shift in a guest's file that the recordings contradict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/clock.h>
#include <vmrt/dat.h>
#include <vmrt/units.h>

#include "parser/clock/causality.h"
#include "pages.h"
#include "parser/clock/clock-elsewhere.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define BASE (100 * VMRT_NS_PER_S)
#define OFFSET (50 * VMRT_NS_PER_S) /* the guest's clock is behind the host's */
#define VCPU 500
#define HOG 600
#define HOST_ID 11
#define SWITCHES 400

static char host[] = "/tmp/vmrt-shift-host-XXXXXX", guest[] = "/tmp/vmrt-shift-guest-XXXXXX";
static uint64_t state = 88172645463325252u;

static int64_t random_in(int64_t from, int64_t to)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return from + (int64_t)(state % (uint64_t)(to - from));
}

/* The guest's file says how its clock is to be shifted, @wrong_by off. */
static void relate(struct tests_dat *h, struct tests_dat *g, int64_t wrong_by)
{
	int64_t times[] = {BASE - OFFSET}, offsets[] = {OFFSET + wrong_by};

	tests_dat_clock(h, "local [mono]");
	tests_dat_clock(g, "local [mono]");
	tests_dat_trace_id(h, HOST_ID);
	tests_dat_time_shift(g, HOST_ID, times, offsets, 1);
}

/* The vCPU thread runs for 1 to 6 ms and waits for 1 to 6 ms; the guest records something every
 * 50 us while it runs. */
static void write_files(int64_t wrong_by)
{
	struct tests_dat *h = tests_dat_new(1, TESTS_KERNEL_61);
	struct tests_dat *g = tests_dat_new(1, TESTS_KERNEL_61);
	int64_t at = BASE;

	relate(h, g, wrong_by);
	tests_dat_current(h, 0, HOG);
	tests_dat_current(g, 0, 1);
	for (int i = 0; i < SWITCHES; i++) {
		int64_t end = at + random_in(1 * MS, 6 * MS);

		tests_dat_switch(h, 0, at, "hog", HOG, 120, 0, "CPU 0/KVM", VCPU, 49);
		for (int64_t t = at + 10 * US; t < end - 10 * US; t += 50 * US)
			tests_dat_other(g, 0, t - OFFSET);
		tests_dat_switch(h, 0, end, "CPU 0/KVM", VCPU, 49, 0, "hog", HOG, 120);
		at = end + random_in(1 * MS, 6 * MS);
	}
	tests_dat_write(h, host);
	tests_dat_write(g, guest);
	tests_dat_free(h);
	tests_dat_free(g);
}

/* The vCPU thread runs for 2 ms of every 10, exactly; of the first and the last @unseen runs the
 * guest recorded nothing. */
static void write_periodic(int64_t wrong_by, int unseen)
{
	struct tests_dat *h = tests_dat_new(1, TESTS_KERNEL_61);
	struct tests_dat *g = tests_dat_new(1, TESTS_KERNEL_61);
	int64_t times[] = {BASE - OFFSET}, offsets[] = {OFFSET + wrong_by};

	tests_dat_clock(h, "local [mono]");
	tests_dat_clock(g, "local [mono]");
	tests_dat_trace_id(h, HOST_ID);
	tests_dat_time_shift(g, HOST_ID, times, offsets, 1);
	tests_dat_current(g, 0, 1);
	tests_dat_switch(h, 0, BASE - 1000 * MS, "swapper/0", 0, 120, 0, "hog", HOG, 120);
	for (int i = 0; i < SWITCHES; i++) {
		int64_t at = BASE + i * 10 * MS;

		tests_dat_switch(h, 0, at, "hog", HOG, 120, 0, "CPU 0/KVM", VCPU, 49);
		for (int64_t t = at + 2 * US; t < at + 2 * MS; t += 111 * US)
			if (i >= unseen && i < SWITCHES - unseen)
				tests_dat_other(g, 0, t - OFFSET);
		tests_dat_switch(h, 0, at + 2 * MS, "CPU 0/KVM", VCPU, 49, 0, "hog", HOG, 120);
	}
	tests_dat_switch(h, 0, BASE + SWITCHES * 10 * MS + 1000 * MS, "hog", HOG, 120, 0,
		"swapper/0", 0, 120);
	tests_dat_write(h, host);
	tests_dat_write(g, guest);
	tests_dat_free(h);
	tests_dat_free(g);
}

/*
 * As write_files(), but the vCPU thread has two CPUs by turns, and all records of CPU 0 from the
 * run @from to the run @to are lost: of half of these runs nothing is in the host's file. Is there
 * no record behind them, the counter of its events shows that some are missing.
 */
static void write_with_loss(int64_t wrong_by, int from, int to)
{
	struct tests_dat *h = tests_dat_new(2, TESTS_KERNEL_61);
	struct tests_dat *g = tests_dat_new(1, TESTS_KERNEL_61);
	int64_t at = BASE;

	relate(h, g, wrong_by);
	tests_dat_current(g, 0, 1);
	for (int i = 0; i < SWITCHES; i++) {
		unsigned cpu = (unsigned)i % 2;
		bool lost = !cpu && i >= from && i < to;
		int64_t end = at + random_in(1 * MS, 6 * MS);

		if (i == to)
			tests_dat_lost(h, 0, 80);
		if (!lost)
			tests_dat_switch(
				h, cpu, at, "hog", HOG + i % 2, 120, 0, "CPU 0/KVM", VCPU, 49);
		for (int64_t t = at + 10 * US; t < end - 10 * US; t += 50 * US)
			tests_dat_other(g, 0, t - OFFSET);
		if (!lost)
			tests_dat_switch(
				h, cpu, end, "CPU 0/KVM", VCPU, 49, 1, "hog", HOG + i % 2, 120);
		at = end + random_in(1 * MS, 6 * MS);
	}
	if (to == SWITCHES)
		tests_dat_counted(h, 0, SWITCHES);
	tests_dat_write(h, host);
	tests_dat_write(g, guest);
	tests_dat_free(h);
	tests_dat_free(g);
}

static void map_of(struct vmrt_clockmap *map)
{
	static const int32_t tids[] = {VCPU};
	struct vmrt_dat *h, *g;
	struct vmrt_error err;

	assert_int_equal(vmrt_dat_open(host, &h, &err), VMRT_OK);
	assert_int_equal(vmrt_dat_open(guest, &g, &err), VMRT_OK);
	assert_int_equal(vmrt_clock_from_recordings(h, g, tids, 1, NULL, 0, map, &err), VMRT_OK);
	vmrt_dat_close(h);
	vmrt_dat_close(g);
}

static void check_files(const char *source)
{
	struct vmrt_clockmap map;
	int64_t error, off;

	map_of(&map);
	error = vmrt_clockmap_error(&map, BASE - OFFSET + 500 * MS, NULL);
	off = vmrt_clockmap_to_host(&map, BASE - OFFSET + 500 * MS, NULL) - (BASE + 500 * MS);
	assert_string_equal(map.segments[0].source, source);
	assert_true(error != VMRT_UNKNOWN && error < 200 * US);
	assert_true(llabs(off) <= error);
	vmrt_clockmap_free(&map);
}

static void check(int64_t wrong_by, const char *source)
{
	write_files(wrong_by);
	check_files(source);
}

/* Where records of one host CPU were lost, the vCPU may have run there: no event of the guest
 * contradicts that. */
static void what_the_host_lost_does_not_contradict_a_shift(void **unused)
{
	(void)unused;
	write_with_loss(0, 100, 180);
	check_files(VMRT_CLOCK_FILE);
	write_with_loss(400 * MS, 100, 180);
	check_files(VMRT_CLOCK_OVERLAP);
}

/* Of the 400 events that the kernel counted on CPU 0, the last 80 are not in the file: nobody knows
 * when the vCPU ran there since then. */
static void what_a_cpu_did_behind_its_last_record_does_not_contradict_a_shift(void **unused)
{
	(void)unused;
	write_with_loss(0, 320, SWITCHES);
	check_files(VMRT_CLOCK_FILE);
	write_with_loss(400 * MS, 320, SWITCHES);
	check_files(VMRT_CLOCK_OVERLAP);
}

/* The guest has a second CPU, whose vCPU thread nobody knows: what is recorded there, by turns with
 * CPU 0, says nothing about the thread of CPU 0. */
static void cpus_of_unknown_threads_do_not_contradict_a_shift(void **unused)
{
	struct tests_dat *h = tests_dat_new(1, TESTS_KERNEL_61);
	struct tests_dat *g = tests_dat_new(2, TESTS_KERNEL_61);
	int64_t at = BASE, times[] = {BASE - OFFSET}, offsets[] = {OFFSET};

	(void)unused;
	tests_dat_clock(h, "local [mono]");
	tests_dat_clock(g, "local [mono]");
	tests_dat_trace_id(h, HOST_ID);
	tests_dat_time_shift(g, HOST_ID, times, offsets, 1);
	tests_dat_current(g, 0, 1);
	tests_dat_current(g, 1, 1);
	for (int i = 0; i < SWITCHES; i++) {
		int64_t end = at + random_in(1 * MS, 6 * MS),
			next = end + random_in(1 * MS, 6 * MS);

		tests_dat_switch(h, 0, at, "hog", HOG, 120, 0, "CPU 0/KVM", VCPU, 49);
		for (int64_t t = at + 10 * US; t < end - 10 * US; t += 50 * US)
			tests_dat_other(g, 0, t - OFFSET);
		tests_dat_switch(h, 0, end, "CPU 0/KVM", VCPU, 49, 0, "hog", HOG, 120);
		for (int64_t t = end + 10 * US; t < next - 10 * US; t += 50 * US)
			tests_dat_other(g, 1, t - OFFSET);
		at = next;
	}
	tests_dat_write(h, host);
	tests_dat_write(g, guest);
	tests_dat_free(h);
	tests_dat_free(g);
	check_files(VMRT_CLOCK_FILE);
}

static void a_right_shift_is_used_as_it_is(void **unused)
{
	(void)unused;
	check(0, VMRT_CLOCK_FILE);
}

static void a_wrong_shift_is_not_named_as_the_source(void **unused)
{
	(void)unused;
	check(3 * MS, VMRT_CLOCK_CORRECTED);
}

/* Wrong by one period or by forty, some of the guest's events lie where the vCPU did not run yet.
 */
static void what_repeats_on_the_host_does_not_hide_a_wrong_shift(void **unused)
{
	static const int64_t wrong_by[] = {10 * MS, 400 * MS, -400 * MS, 403 * MS};
	struct vmrt_clockmap map;

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong_by) / sizeof(wrong_by[0]); i++) {
		write_periodic(wrong_by[i], 0);
		map_of(&map);
		assert_string_equal(map.segments[0].source, VMRT_CLOCK_OVERLAP);
		assert_true(map.segments[0].error_ns < 100 * US);
		assert_true(llabs(vmrt_clockmap_to_host(&map, BASE - OFFSET, NULL) - BASE) <=
			    map.segments[0].error_ns);
		vmrt_clockmap_free(&map);
	}
}

/* Where the host did the same before and after, nothing can tell: the file is taken at its word. */
static void a_shift_that_nothing_can_check_says_so(void **unused)
{
	struct vmrt_clockmap map;

	(void)unused;
	write_periodic(40 * MS, 50);
	map_of(&map);
	assert_string_equal(map.segments[0].source, VMRT_CLOCK_FILE);
	assert_true(map.elsewhere_ns != 0 && map.elsewhere_ns / MS % 10 < 5);
	vmrt_clockmap_free(&map);
	write_periodic(0, 0);
	map_of(&map);
	assert_string_equal(map.segments[0].source, VMRT_CLOCK_FILE);
	assert_int_equal(map.elsewhere_ns, 0);
	vmrt_clockmap_free(&map);
}

static int enter(void **unused)
{
	int a = mkstemp(host), b = mkstemp(guest);

	(void)unused;
	return a < 0 || b < 0 || close(a) || close(b);
}

static int leave(void **unused)
{
	(void)unused;
	return unlink(host) | unlink(guest);
}

/* How the recordings fit a map that is wrong by @wrong_by until @until, with an error of @first
 * there, and far more behind that, with an error of @second. */
static enum clock_fit fit_of(
	int64_t wrong_by, int64_t until, int64_t first, int64_t second, int64_t *away)
{
	struct vmrt_clock_segment segments[] = {
		{.from_local_ns = BASE - OFFSET, .to_local_ns = until, .error_ns = first},
		{.from_local_ns = until, .to_local_ns = BASE, .error_ns = second},
	};
	const struct vmrt_clockmap map = {.segments = segments, .n = 2};
	static const int32_t tids[] = {VCPU};
	struct vmrt_dat *h, *g;
	enum clock_fit fit;

	segments[0].offset_ns = -OFFSET - wrong_by; /* guest - host */
	segments[1].offset_ns = -OFFSET - wrong_by - 777 * MS;
	assert_int_equal(vmrt_dat_open(host, &h, NULL), VMRT_OK);
	assert_int_equal(vmrt_dat_open(guest, &g, NULL), VMRT_OK);
	fit = clock_elsewhere(h, g, tids, 1, &map, first == VMRT_UNKNOWN ? second : first, 0, away);
	vmrt_dat_close(h);
	vmrt_dat_close(g);
	return fit;
}

static void times_for_which_nothing_is_known_do_not_say_where_a_recording_fits(void **unused)
{
	const int64_t half = BASE - OFFSET + SWITCHES * 7 * MS / 2;
	int64_t away;

	(void)unused;
	write_files(0);
	/* the half that is known is right; that it fits nowhere else is said by the other half only
	 */
	assert_int_equal(fit_of(0, half, 20 * US, VMRT_UNKNOWN, &away), CLOCK_FITS_HERE);
	assert_int_equal(fit_of(40 * MS, half, 20 * US, VMRT_UNKNOWN, &away), CLOCK_FITS_ELSEWHERE);
	assert_true(llabs(away + 40 * MS) < MS);
	/* a map that may be off by anything contradicts no place */
	assert_int_equal(fit_of(40 * MS, half, VMRT_UNKNOWN, VMRT_UNKNOWN, &away), CLOCK_FITS_HERE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_shift_is_used_as_it_is),
		cmocka_unit_test(a_wrong_shift_is_not_named_as_the_source),
		cmocka_unit_test(what_repeats_on_the_host_does_not_hide_a_wrong_shift),
		cmocka_unit_test(what_the_host_lost_does_not_contradict_a_shift),
		cmocka_unit_test(what_a_cpu_did_behind_its_last_record_does_not_contradict_a_shift),
		cmocka_unit_test(cpus_of_unknown_threads_do_not_contradict_a_shift),
		cmocka_unit_test(a_shift_that_nothing_can_check_says_so),
		cmocka_unit_test(
			times_for_which_nothing_is_known_do_not_say_where_a_recording_fits),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
