/* SPDX-License-Identifier: MIT */
/* Pings of sessions of any length, in bounded memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "collector/session/pings.h"

#define EVERY_NS (100 * VMRT_NS_PER_MS)

/* Number @i: sent at i * EVERY_NS; every 97th takes 100 us, the others 5 ms. */
static struct vmrt_ping ping(uint64_t i)
{
	int64_t at = (int64_t)i * EVERY_NS,
		trip = i % 97 ? 5 * VMRT_NS_PER_MS : 100 * VMRT_NS_PER_US;

	return (struct vmrt_ping){.host_send_ns = at,
		.host_recv_ns = at + trip,
		.guest_recv_ns = at + 1000,
		.guest_send_ns = at + 1000};
}

static void add(struct pings *p, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		struct vmrt_ping one = ping(i);

		assert_int_equal(pings_add(p, &one), VMRT_OK);
	}
}

static void pings_of_a_short_session_are_all_kept(void **state)
{
	struct pings p = {0};
	struct vmrt_ping *all;
	size_t n;

	(void)state;
	add(&p, 0, 3000);
	all = pings_all(&p, &n);
	assert_non_null(all);
	assert_int_equal(n, 3000);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(all[i].host_send_ns, (int64_t)i * EVERY_NS);
	free(all);
	pings_free(&p);
}

/* Ten days: 8.6 million. */
static void pings_of_a_long_session_stay_bounded_and_cover_all_of_it(void **state)
{
	const uint64_t total = UINT64_C(10) * 86400 * 10;
	struct pings p = {0};
	struct vmrt_ping *all;
	int64_t gap = 0;
	size_t n, old;

	(void)state;
	add(&p, 0, total);
	assert_true(pings_count(&p) == total);
	all = pings_all(&p, &n);
	assert_non_null(all);
	assert_true(n <= VMRT_PINGS_OLD + 2 * VMRT_PINGS_RECENT);
	old = n - p.n_recent;
	assert_true(old > VMRT_PINGS_OLD / 4);
	assert_true(p.n_recent >= VMRT_PINGS_RECENT);
	for (size_t i = 1; i < n; i++) {
		assert_true(all[i].host_send_ns > all[i - 1].host_send_ns);
		if (all[i].host_send_ns - all[i - 1].host_send_ns > gap)
			gap = all[i].host_send_ns - all[i - 1].host_send_ns;
	}
	/* 864,000 s in at least 2048 spans: neighbours are less than two spans apart */
	assert_true(gap < 2 * VMRT_NS_PER_S * 864000 / (VMRT_PINGS_OLD / 4));
	/* a span of minutes holds many quick ones: it is one of them that is kept */
	for (size_t i = 0; i + 1 < old; i++)
		assert_int_equal(ping_trip(&all[i]), 100 * VMRT_NS_PER_US);
	/* the last ones are all there */
	for (size_t i = old + 1; i < n; i++)
		assert_int_equal(all[i].host_send_ns - all[i - 1].host_send_ns, EVERY_NS);
	free(all);
	pings_free(&p);
}

static void one_who_asks_often_gets_every_ping_once(void **state)
{
	struct pings p = {0};
	struct vmrt_ping out[64];
	uint64_t next = 0, expected = 0;

	(void)state;
	for (uint64_t i = 0; i < 50000; i += 50) {
		size_t n;

		add(&p, i, i + 50);
		while ((n = pings_copy(&p, &next, out, 64)))
			for (size_t k = 0; k < n; k++)
				assert_int_equal(
					out[k].host_send_ns, (int64_t)expected++ * EVERY_NS);
	}
	assert_true(expected == 50000);
	pings_free(&p);
}

static void one_who_asks_too_late_goes_on_with_what_is_there(void **state)
{
	struct pings p = {0};
	struct vmrt_ping out;
	uint64_t next = 0;

	(void)state;
	add(&p, 0, 50000);
	assert_int_equal(pings_copy(&p, &next, &out, 1), 1);
	assert_true(out.host_send_ns >= (50000 - 2 * VMRT_PINGS_RECENT) * EVERY_NS);
	assert_true(next == (uint64_t)(out.host_send_ns / EVERY_NS) + 1);
	next = 60000;
	assert_int_equal(pings_copy(&p, &next, &out, 1), 0);
	pings_free(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pings_of_a_short_session_are_all_kept),
		cmocka_unit_test(pings_of_a_long_session_stay_bounded_and_cover_all_of_it),
		cmocka_unit_test(one_who_asks_often_gets_every_ping_once),
		cmocka_unit_test(one_who_asks_too_late_goes_on_with_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
