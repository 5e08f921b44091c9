/* SPDX-License-Identifier: MIT */
/* Lines along the earliest expiries, and their error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "parser/clock/record-samples.h"

#define US VMRT_NS_PER_US
#define MS VMRT_NS_PER_MS
#define EVERY (5 * MS) /* a tick */
#define TICKS 31

/*
 * Ticks until 155 ms. The clock is set ahead by @step behind that of 80 ms, and back behind that of
 * 120 ms, but for 100 us. Up to 80 ms each tick follows 5 us behind another record, later 4.8 ms.
 */
static void set_ahead_and_back(struct record_window *at, int64_t step)
{
	for (int i = 0; i < TICKS; i++) {
		int64_t t = (i + 1) * EVERY, lead = i < 16 ? 0 : i < 24 ? step : 100 * US;
		int64_t before = i < 16 ? 5 * US : 4800 * US;

		at[i] = (struct record_window){.index = i,
			.has_upper = true,
			.upper_at = t,
			.upper = lead,
			.latest_at = t,
			.latest = lead,
			.has_lower = true,
			.lower_at = t - before,
			.lower = lead - before};
	}
}

/* The line goes through the ticks of 80 and of 155 ms. A record right behind that of 80 ms is @step
 * from it, the next tick, at 85 ms, only @step - 6.7 us. */
static void a_record_between_a_step_and_the_next_expiry_is_within_the_error(void **state)
{
	(void)state;
	for (int64_t step = 400 * US; step < 3 * MS; step += 200 * US) {
		struct record_window at[TICKS];
		struct record_samples s = {.at = at,
			.n = TICKS,
			.expiries = TICKS,
			.begin_ns = EVERY,
			.end_ns = TICKS * EVERY,
			.steady_ns = TICKS * EVERY};
		struct vmrt_clockmap map;

		set_ahead_and_back(at, step);
		assert_int_equal(record_fit(&s, 1, RECORD_JUMPS, &map), VMRT_OK);
		assert_int_equal(map.n, 1);
		assert_true(map.segments[0].rate > 0.001);
		assert_true(map.segments[0].error_ns >= step);
		assert_true(map.segments[0].error_ns <= step + 20 * US);
		vmrt_clockmap_free(&map);
	}
}

/*
 * The expiries of 4 and 8 ms follow other records by 0.3 us, those of 12, 16 and 20 ms none, and
 * all but the first one are 1.5 us late: the line falls short of the truth by 0.4 us a ms.
 */
static void behind_the_last_bound_from_the_other_side_the_error_grows(void **state)
{
	struct record_window at[5];
	struct record_samples s = {.at = at,
		.n = 5,
		.expiries = 5,
		.begin_ns = 4 * MS,
		.end_ns = 20 * MS,
		.steady_ns = 20 * MS};
	struct vmrt_clockmap map;
	int64_t off;

	(void)state;
	for (int i = 0; i < 5; i++) {
		int64_t t = (i + 1) * 4 * MS, late = i < 2 ? 0 : 400 * (i - 1);

		at[i] = (struct record_window){.index = i,
			.has_upper = true,
			.upper_at = t,
			.upper = late,
			.latest_at = t,
			.latest = late,
			.has_lower = i < 2,
			.lower_at = t - 300,
			.lower = -300};
	}
	at[1].upper = at[1].latest = 300;
	assert_int_equal(record_fit(&s, 1, RECORD_RUNS, &map), VMRT_OK);
	assert_int_equal(map.n, 1);
	off = map.segments[0].offset_ns +
	      (int64_t)(map.segments[0].rate * (double)(20 * MS - map.segments[0].from_local_ns));
	assert_true(off > 1000);
	assert_true(map.segments[0].error_ns >= off);
	vmrt_clockmap_free(&map);
}

/*
 * The clock drifts by 0.4 us a ms and jumps ahead by 5 ms behind its first expiry, at 20 ms, where
 * its line has no rate of its own. The recording begins at 0: 8 us from that line.
 */
static void before_a_single_expiry_the_error_grows_with_the_rate_of_the_others(void **state)
{
	struct record_window at[TICKS];
	struct record_samples s = {.at = at,
		.n = TICKS,
		.expiries = TICKS,
		.begin_ns = 0,
		.end_ns = 20 * MS + (TICKS - 1) * EVERY,
		.steady_ns = 20 * MS};
	struct vmrt_clockmap map;

	(void)state;
	for (int i = 0; i < TICKS; i++) {
		int64_t t = 20 * MS + i * EVERY, d = t / MS * 400 + (i ? 5 * MS : 0);

		at[i] = (struct record_window){.index = i,
			.has_upper = true,
			.upper_at = t,
			.upper = d,
			.latest_at = t,
			.latest = d,
			.has_lower = true,
			.lower_at = t - 300,
			.lower = d - 300};
	}
	assert_int_equal(record_fit(&s, 1, RECORD_JUMPS, &map), VMRT_OK);
	assert_int_equal(map.n, 2);
	assert_true(map.segments[0].offset_ns > 7 * US);
	assert_true(map.segments[0].error_ns >= 8 * US);
	assert_true(map.segments[0].error_ns <= 8 * US + 8 * US);
	vmrt_clockmap_free(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_between_a_step_and_the_next_expiry_is_within_the_error),
		cmocka_unit_test(behind_the_last_bound_from_the_other_side_the_error_grows),
		cmocka_unit_test(
			before_a_single_expiry_the_error_grows_with_the_rate_of_the_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
