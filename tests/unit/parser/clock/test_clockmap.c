/* SPDX-License-Identifier: MIT */
/* Lines through bounds: exact cases, random clocks, and steps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include <vmrt/clock.h>

#define S VMRT_NS_PER_S
#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US

#define BASE INT64_C(1732230000000000000) /* a guest that takes its clock from the calendar */

/* A small generator, so that a seed means the same everywhere. */
static uint64_t state;

static uint64_t random_u64(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int64_t random_in(int64_t low, int64_t high)
{
	return low + (int64_t)(random_u64() % (uint64_t)(high - low + 1));
}

/* The true offset: a line, with a step. */
struct truth {
	int64_t origin, offset;
	double rate;
	int64_t step_at, step;
};

static int64_t true_offset(const struct truth *t, int64_t local)
{
	int64_t offset = t->offset + llrint(t->rate * (double)(local - t->origin));

	return local >= t->step_at ? offset + t->step : offset;
}

static struct vmrt_clock_bound bound(const struct truth *t, int64_t local, int upper, int64_t slack)
{
	return (struct vmrt_clock_bound){
		local, true_offset(t, local) + (upper ? slack : -slack), upper};
}

static void assert_truth_is_within(
	const struct vmrt_clockmap *map, const struct truth *t, int64_t from, int64_t to)
{
	size_t hint = 0;

	for (int i = 0; i <= 1000; i++) {
		int64_t local = from + (to - from) / 1000 * i;
		int64_t host = vmrt_clockmap_to_host(map, local, &hint);
		int64_t error = vmrt_clockmap_error(map, local, &hint);
		int64_t is = host - (local - true_offset(t, local));

		if (error == VMRT_UNKNOWN || llabs(is) > error)
			fail_msg("at %lld the map is %lld ns off, its bound is %lld",
				(long long)(local - t->origin), (long long)is, (long long)error);
	}
}

static void exact_bounds_give_back_the_line(void **unused)
{
	struct truth t = {BASE, -BASE + 5 * S, 17e-6, INT64_MAX, 0};
	struct vmrt_clock_bound bounds[200];
	struct vmrt_clockmap map;

	(void)unused;
	for (int i = 0; i < 200; i++)
		bounds[i] = bound(&t, BASE + i * 100 * MS, i % 2, 0);
	assert_int_equal(vmrt_clockmap_fit(bounds, 200, VMRT_CLOCK_PINGS, &map, NULL), VMRT_OK);
	assert_int_equal(map.n, 1);
	assert_true(fabs(map.segments[0].rate - 17e-6) < 1e-9);
	assert_true(map.segments[0].error_ns <= 10);
	assert_int_equal(map.segments[0].n_upper, 100);
	assert_int_equal(map.segments[0].n_lower, 100);
	assert_truth_is_within(&map, &t, BASE, BASE + 19900 * MS);
	vmrt_clockmap_free(&map);
}

static void symmetric_bounds_give_the_middle_and_their_distance(void **unused)
{
	struct truth t = {BASE, 3 * S, 0, INT64_MAX, 0};
	struct vmrt_clock_bound bounds[4] = {bound(&t, BASE, 1, 100 * US),
		bound(&t, BASE, 0, 100 * US), bound(&t, BASE + S, 1, 100 * US),
		bound(&t, BASE + S, 0, 100 * US)};
	struct vmrt_clockmap map;

	(void)unused;
	assert_int_equal(vmrt_clockmap_fit(bounds, 4, VMRT_CLOCK_PINGS, &map, NULL), VMRT_OK);
	assert_int_equal(map.n, 1);
	assert_true(llabs(map.segments[0].offset_ns - 3 * S) <= 1);
	assert_true(fabs(map.segments[0].rate) < 1e-12);
	/* Lines may tilt from -100 us to +100 us over the second. */
	assert_in_range(map.segments[0].error_ns, 100 * US, 100 * US + 2);
	assert_true(fabs(map.segments[0].rate_error - 200e-6) < 1e-9);
	/* Beyond the end the error grows by the doubt about the rate. */
	assert_in_range(vmrt_clockmap_error(&map, BASE + 11 * S, NULL), 2100 * US, 2101 * US);
	vmrt_clockmap_free(&map);
}

static void one_bound_of_each_kind_is_enough(void **unused)
{
	struct vmrt_clock_bound bounds[2] = {{S, 500, 1}, {S, -500, 0}};
	struct vmrt_clockmap map;

	(void)unused;
	assert_int_equal(vmrt_clockmap_fit(bounds, 2, VMRT_CLOCK_PINGS, &map, NULL), VMRT_OK);
	assert_int_equal(map.n, 1);
	assert_int_equal(map.segments[0].offset_ns, 0);
	assert_in_range(map.segments[0].error_ns, 500, 502);
	vmrt_clockmap_free(&map);
}

static void bounds_of_one_kind_are_refused(void **unused)
{
	struct vmrt_clock_bound bounds[2] = {{S, 500, 1}, {2 * S, 400, 1}};
	struct vmrt_clockmap map;
	struct vmrt_error err;

	(void)unused;
	assert_int_equal(vmrt_clockmap_fit(bounds, 2, VMRT_CLOCK_PINGS, &map, &err), VMRT_EINVAL);
	assert_int_equal(vmrt_clockmap_fit(bounds, 0, VMRT_CLOCK_PINGS, &map, &err), VMRT_EINVAL);
}

static void step_gives_two_exact_segments_and_an_honest_gap(void **unused)
{
	struct truth t = {BASE, 40 * S, -12e-6, BASE + 7333 * MS, 5 * MS};
	enum { PINGS = 300 };
	struct vmrt_clock_bound bounds[2 * PINGS];
	struct vmrt_clockmap map;

	(void)unused;
	state = 1;
	for (int i = 0; i < PINGS; i++) {
		int64_t at = BASE + i * 50 * MS;

		bounds[2 * i] = bound(&t, at, 1, random_in(200 * US, 900 * US));
		bounds[2 * i + 1] = bound(&t, at + 20 * US, 0, random_in(200 * US, 900 * US));
	}
	assert_int_equal(
		vmrt_clockmap_fit(bounds, 2 * PINGS, VMRT_CLOCK_PINGS, &map, NULL), VMRT_OK);
	assert_int_equal(map.n, 3);
	assert_true(map.segments[0].error_ns < 400 * US);
	assert_true(map.segments[2].error_ns < 400 * US);
	/* The step is between two pings, and there half of it is in doubt. */
	assert_in_range(map.segments[1].to_local_ns - map.segments[1].from_local_ns, 1, 51 * MS);
	assert_in_range(map.segments[1].error_ns, 2400 * US, 3200 * US);
	assert_true(map.segments[1].from_local_ns <= t.step_at);
	assert_true(map.segments[1].to_local_ns >= t.step_at);
	assert_int_equal(map.segments[1].n_upper, 0);
	assert_truth_is_within(&map, &t, BASE, BASE + 14950 * MS);
	vmrt_clockmap_free(&map);
}

static void truth_is_within_the_bound_in_random_cases(void **unused)
{
	uint64_t seed = (uint64_t)time(NULL) * 2654435761u + 1;

	(void)unused;
	print_message("seed %llu\n", (unsigned long long)seed);
	state = seed;
	for (int k = 0; k < 1000; k++) {
		struct truth t = {
			.origin = random_in(0, 2 * BASE), .offset = random_in(-BASE, BASE)};
		int64_t length = random_in(S, 600 * S);
		size_t n = (size_t)random_in(4, 400);
		struct vmrt_clock_bound *bounds = calloc(n, sizeof(*bounds));
		struct vmrt_clockmap map;

		assert_non_null(bounds);
		t.rate = (double)random_in(-1000000, 1000000) * 1e-9;
		t.step_at = random_in(0, 2) ? INT64_MAX : t.origin + random_in(0, length);
		t.step = random_in(-20 * MS, 20 * MS);
		for (size_t i = 0; i < n; i++)
			bounds[i] = bound(
				&t, t.origin + random_in(0, length), i % 2, random_in(0, 2 * MS));
		assert_int_equal(
			vmrt_clockmap_fit(bounds, n, VMRT_CLOCK_PINGS, &map, NULL), VMRT_OK);
		/* With a step, a few loose bounds may not say where it was; they must show a
		 * bound. */
		if (vmrt_clockmap_worst(&map) != VMRT_UNKNOWN &&
			(t.step_at == INT64_MAX || map.n > 1))
			assert_truth_is_within(&map, &t, map.segments[0].from_local_ns,
				map.segments[map.n - 1].to_local_ns);
		if (t.step_at == INT64_MAX)
			assert_int_equal(map.n, 1);
		vmrt_clockmap_free(&map);
		free(bounds);
	}
}

static void pings_give_two_bounds_each(void **unused)
{
	struct vmrt_ping ping = {.host_send_ns = 1000,
		.guest_recv_ns = 51200,
		.guest_send_ns = 51300,
		.host_recv_ns = 1500};
	struct vmrt_clock_bound bounds[2];

	(void)unused;
	assert_int_equal(vmrt_clock_bounds_from_pings(&ping, 1, bounds), 2);
	assert_int_equal(bounds[0].upper, 1);
	assert_int_equal(bounds[0].offset_ns, 50200);
	assert_int_equal(bounds[1].upper, 0);
	assert_int_equal(bounds[1].offset_ns, 49800);
}

static void hostile_numbers_do_no_harm(void **unused)
{
	(void)unused;
	state = 7;
	for (int k = 0; k < 300; k++) {
		struct vmrt_clock_bound bounds[40];
		struct vmrt_clockmap map;

		for (int i = 0; i < 40; i++)
			bounds[i] =
				(struct vmrt_clock_bound){(int64_t)random_u64() >> random_in(0, 60),
					(int64_t)random_u64() >> random_in(0, 60), i % 2};
		bounds[0].local_ns = INT64_MIN;
		bounds[1].local_ns = INT64_MAX;
		assert_int_equal(
			vmrt_clockmap_fit(bounds, 40, VMRT_CLOCK_PINGS, &map, NULL), VMRT_OK);
		for (int i = 0; i < 100; i++) {
			int64_t local = (int64_t)random_u64();

			vmrt_clockmap_to_host(&map, local, NULL);
			vmrt_clockmap_error(&map, local, NULL);
		}
		vmrt_clockmap_free(&map);
	}
}

/* Fits a map to @n bounds; the CPU time that it took. */
static int64_t fit_many(int n)
{
	struct truth t = {BASE, S, 15e-6, INT64_MAX, 0};
	struct vmrt_clock_bound *bounds = calloc((size_t)n, sizeof(*bounds));
	struct vmrt_clockmap map;
	struct timespec begin, end;

	assert_non_null(bounds);
	state = 3;
	for (int i = 0; i < n; i++)
		bounds[i] = bound(&t, BASE + i * 5 * MS, i % 2, random_in(5 * US, 5 * MS));
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	assert_int_equal(
		vmrt_clockmap_fit(bounds, (size_t)n, VMRT_CLOCK_PINGS, &map, NULL), VMRT_OK);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	assert_int_equal(map.n, 1);
	assert_truth_is_within(&map, &t, BASE, BASE + (int64_t)(n - 1) * 5 * MS);
	vmrt_clockmap_free(&map);
	free(bounds);
	return (end.tv_sec - begin.tv_sec) * S + end.tv_nsec - begin.tv_nsec;
}

/* The squares of the numbers would be 400 times as much. */
static void the_time_is_in_proportion_to_the_bounds(void **unused)
{
	int64_t few = fit_many(10000), many = fit_many(200000);

	(void)unused;
	print_message("10000 bounds: %lld us, 200000: %lld us\n", (long long)(few / US),
		(long long)(many / US));
	assert_true(many < 100 * few);
}

static void pings_with_impossible_times_are_left_out(void **unused)
{
	struct vmrt_ping pings[] = {
		{.host_send_ns = 100,
			.host_recv_ns = 300,
			.guest_recv_ns = 1100,
			.guest_send_ns = 1110},
		{.host_send_ns = 400,
			.host_recv_ns = 500,
			.guest_recv_ns = INT64_MAX - 5,
			.guest_send_ns = INT64_MAX},
		{.host_send_ns = INT64_MIN,
			.host_recv_ns = 500,
			.guest_recv_ns = 1200,
			.guest_send_ns = 1300},
	};
	struct vmrt_clock_bound bounds[6];

	(void)unused;
	assert_int_equal(vmrt_clock_bounds_from_pings(pings, 3, bounds), 2);
	assert_int_equal(bounds[0].offset_ns, 1000);
	assert_int_equal(bounds[1].offset_ns, 810);
}

static void constant_map_holds_everywhere(void **unused)
{
	struct vmrt_clockmap map;

	(void)unused;
	assert_int_equal(vmrt_clockmap_constant(-5, 7, VMRT_CLOCK_FILE, &map), VMRT_OK);
	assert_int_equal(vmrt_clockmap_to_host(&map, 100, NULL), 105);
	assert_int_equal(vmrt_clockmap_error(&map, INT64_MAX, NULL), 7);
	assert_int_equal(vmrt_clockmap_worst(&map), 7);
	vmrt_clockmap_free(&map);
	assert_int_equal(
		vmrt_clockmap_constant(0, VMRT_UNKNOWN, VMRT_CLOCK_UNRELATED, &map), VMRT_OK);
	assert_true(vmrt_clockmap_worst(&map) == VMRT_UNKNOWN);
	vmrt_clockmap_free(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_bounds_give_back_the_line),
		cmocka_unit_test(symmetric_bounds_give_the_middle_and_their_distance),
		cmocka_unit_test(one_bound_of_each_kind_is_enough),
		cmocka_unit_test(bounds_of_one_kind_are_refused),
		cmocka_unit_test(step_gives_two_exact_segments_and_an_honest_gap),
		cmocka_unit_test(truth_is_within_the_bound_in_random_cases),
		cmocka_unit_test(pings_give_two_bounds_each),
		cmocka_unit_test(hostile_numbers_do_no_harm),
		cmocka_unit_test(the_time_is_in_proportion_to_the_bounds),
		cmocka_unit_test(pings_with_impossible_times_are_left_out),
		cmocka_unit_test(constant_map_holds_everywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
