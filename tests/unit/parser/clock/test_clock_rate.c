/* SPDX-License-Identifier: MIT */
/* Clocks of guests that do not run as fast as the host's. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "parser/clock/clock-rate.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define PINGS 100
#define BEGIN (120 * VMRT_NS_PER_S)

static struct vmrt_ping pings[PINGS];

/* A ping every 50 ms, 70 us on its way and back; the guest's clock is stepped at ping @step. */
static void ping(double rate, int step, int64_t by_ns)
{
	for (int i = 0; i < PINGS; i++) {
		int64_t at = i * 50 * MS;

		pings[i] = (struct vmrt_ping){
			.host_send_ns = BEGIN + at,
			.host_recv_ns = BEGIN + at + 70 * US,
			.guest_recv_ns = llrint(rate * (double)(at + 30 * US)),
			.guest_send_ns = llrint(rate * (double)(at + 40 * US)),
		};
		if (i < step)
			continue;
		pings[i].guest_recv_ns += by_ns;
		pings[i].guest_send_ns += by_ns;
	}
}

static double rate_of(size_t n)
{
	struct vmrt_clockmap none = {0};

	return clock_rate(pings, n, &none);
}

static void a_counter_that_was_measured_wrongly_shows(void **state)
{
	(void)state;
	ping(0.7, PINGS, 0);
	assert_true(fabs(rate_of(PINGS) - 0.7) < 0.001);
	ping(1.3, PINGS, 0);
	assert_true(fabs(rate_of(PINGS) - 1.3) < 0.001);
	/* also in a recording of a quarter of a second */
	assert_true(fabs(rate_of(6) - 1.3) < 0.001);
}

static void drift_is_none(void **state)
{
	(void)state;
	ping(1 + 100e-6, PINGS, 0);
	assert_true(fabs(rate_of(PINGS) - 1) < CLOCK_RATE_MAX);
	assert_true(rate_of(1) == 1);
	assert_true(rate_of(0) == 1);
}

static void a_step_is_none(void **state)
{
	(void)state;
	ping(1, PINGS / 2, -4 * VMRT_NS_PER_S);
	assert_true(rate_of(PINGS) == 1);
	ping(1, PINGS / 2, 900 * VMRT_NS_PER_S);
	assert_true(rate_of(PINGS) == 1);
}

static void a_ping_that_cannot_be_is_not_used(void **state)
{
	(void)state;
	ping(0.7, PINGS, 0);
	pings[3].guest_recv_ns = INT64_MAX;
	assert_true(rate_of(PINGS) == 1);
}

/* The offset guest - host grows by @rate for each ns of the guest. */
static double rate_of_shift(double rate)
{
	struct vmrt_clock_segment segment = {.rate = rate, .source = VMRT_CLOCK_FILE};
	struct vmrt_clockmap map = {.segments = &segment, .n = 1};

	return clock_rate(NULL, 0, &map);
}

static void a_time_shift_shows_it_too(void **state)
{
	(void)state;
	/* 7 ms of the guest are 10 ms of the host: the offset falls by 3 ms in 7 */
	assert_true(fabs(rate_of_shift(-3.0 / 7) - 0.7) < 1e-9);
	assert_true(rate_of_shift(50e-6) == 1);
	assert_true(rate_of_shift(1.5) == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_that_was_measured_wrongly_shows),
		cmocka_unit_test(drift_is_none),
		cmocka_unit_test(a_step_is_none),
		cmocka_unit_test(a_ping_that_cannot_be_is_not_used),
		cmocka_unit_test(a_time_shift_shows_it_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
