/* SPDX-License-Identifier: MIT */
/* The measured supply curve against one found by trying every window, on random patterns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parser/engine/server/server.h"

#define PERIOD 20
#define UNITS 400 /* of a pattern */
#define LENGTHS 16

static int64_t least[5 * PERIOD], at[5 * PERIOD];

static void keep(void *ctx, const struct vmrt_supply_point *p)
{
	(void)ctx;
	assert_true(p->length_ns > 0 && p->length_ns < 5 * PERIOD);
	least[p->length_ns] = p->least_ns;
	at[p->length_ns] = p->at_ns;
}

static const struct vmrt_sink sink = {.supply = keep};

/* What goes on in each unit of time: r runs, g waits, i is idle, x is not known. */
static void measure(const char *pattern, size_t n, size_t held)
{
	struct supply_curve *c = curve_new(PERIOD, 0);

	assert_non_null(c);
	for (size_t i = 0; i < 5 * PERIOD; i++)
		least[i] = at[i] = VMRT_UNKNOWN;
	/* periods are judged some time after they ended */
	for (size_t i = 0; i < n + held * PERIOD; i++) {
		size_t judged = i >= (held + 1) * PERIOD - 1 ? i - ((held + 1) * PERIOD - 1) : 1;

		if (i < n && pattern[i] != 'r')
			curve_put(
				c, (int64_t)i, (int64_t)i + 1, pattern[i] == 'i', i % PERIOD == 0);
		if (judged % PERIOD == 0)
			curve_judge(c, (int64_t)judged, (int64_t)judged + PERIOD,
				!memchr(pattern + judged, 'x', PERIOD));
	}
	curve_finish(c, 0, &sink);
	curve_free(c);
}

static int64_t supply_of(const char *pattern, size_t from, size_t length)
{
	int64_t sum = 0;

	for (size_t i = from; i < from + length; i++)
		sum += pattern[i] == 'r';
	return sum;
}

/* A period with an x anywhere is not known at all. */
static bool wanted(const char *pattern, size_t from, size_t length)
{
	for (size_t i = from; i < from + length; i++)
		if (pattern[i] == 'i' || memchr(pattern + i / PERIOD * PERIOD, 'x', PERIOD))
			return false;
	return true;
}

static void compare(const char *pattern, size_t n)
{
	for (int i = 1; i <= LENGTHS; i++) {
		size_t length = (size_t)(PERIOD * i / 4);
		int64_t want = VMRT_UNKNOWN;

		for (size_t from = 0; from + length <= n; from++)
			if (wanted(pattern, from, length) &&
				(want == VMRT_UNKNOWN || supply_of(pattern, from, length) < want))
				want = supply_of(pattern, from, length);
		assert_int_equal(least[length], want);
		if (want != VMRT_UNKNOWN)
			assert_int_equal(supply_of(pattern, (size_t)at[length], length), want);
	}
}

static void curve_is_the_one_that_all_windows_give(void **state)
{
	static const char *const mixes[] = {
		"rrrrrg", "rg", "rggggggg", "rrrrrrrrrrrrrrrrrrrrrrrrrri", "rrrrggi"};
	char pattern[UNITS];
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 500; round++) {
		const char *mix = mixes[round % 5];
		char now = 'r';

		for (size_t i = 0; i < UNITS; i++) {
			/* stretches of some length */
			if (rand_r(&seed) % 4 == 0)
				now = mix[(size_t)rand_r(&seed) % strlen(mix)];
			pattern[i] = now;
			if (round % 3 == 0 && rand_r(&seed) % 150 == 0)
				pattern[i] = 'x';
		}
		measure(pattern, UNITS, (size_t)round % 7);
		compare(pattern, UNITS);
	}
}

static void constant_supply_has_no_gap_in_any_window(void **state)
{
	char pattern[UNITS];

	(void)state;
	memset(pattern, 'r', sizeof(pattern));
	measure(pattern, UNITS, 2);
	for (int i = 1; i <= LENGTHS; i++)
		assert_int_equal(least[PERIOD * i / 4], PERIOD * i / 4);
}

/* Budget 5 of 20 at its earliest in one period and as late as possible in those that follow: the
 * worst case. */
static void worst_case_of_the_periodic_resource_is_found(void **state)
{
	static const struct {
		int length;
		int64_t least;
	} expected[] = {{5, 0}, {30, 0}, {35, 5}, {50, 5}, {55, 10}, {75, 15}, {80, 15}};
	char pattern[UNITS];

	(void)state;
	for (size_t i = 0; i < UNITS; i++)
		pattern[i] = i < 200 ? (i % 20 < 5 ? 'r' : 'g') : (i % 20 >= 15 ? 'r' : 'g');
	measure(pattern, UNITS, 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		assert_int_equal(least[expected[i].length], expected[i].least);
}

static void windows_do_not_reach_over_idle_time(void **state)
{
	char pattern[UNITS];

	(void)state;
	for (size_t i = 0; i < UNITS; i++)
		pattern[i] = i % 20 < 12 ? (i % 20 < 4 ? 'g' : 'r') : 'i';
	measure(pattern, UNITS, 3);
	assert_int_equal(least[5], 1);
	assert_int_equal(least[10], 6);
	assert_int_equal(least[15], VMRT_UNKNOWN); /* demand never lasts so long */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(curve_is_the_one_that_all_windows_give),
		cmocka_unit_test(constant_supply_has_no_gap_in_any_window),
		cmocka_unit_test(worst_case_of_the_periodic_resource_is_found),
		cmocka_unit_test(windows_do_not_reach_over_idle_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
