/* SPDX-License-Identifier: MIT */
/* Two recordings with a known relation of their clocks, and pings far too coarse to see it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/dat.h>

#include "parser/clock/causality.h"
#include "pages.h"

#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US
#define VCPU 500
#define HOG 600
#define BASE (50 * VMRT_NS_PER_S)
#define OFFSET INT64_C(3123456789012) /* guest - host at BASE */
#define DRIFT 15e-6
#define TSC_PER_NS 2.3
#define PINGS 40
#define LENGTH (10 * VMRT_NS_PER_S)

struct world {
	struct vmrt_dat *host, *guest;
	struct vmrt_ping pings[PINGS];
	uint64_t seed;
};

/* The VM was stopped for so long at this host time, and its clock with it. */
static int64_t stop_at = INT64_MAX, stop_ns;

static uint64_t dice(struct world *w, uint64_t below)
{
	w->seed = w->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (w->seed >> 33) % below;
}

/* The truth. */
static int64_t guest_time(int64_t host)
{
	int64_t stood = host < stop_at ? 0 : host - stop_at < stop_ns ? host - stop_at : stop_ns;

	return host + OFFSET + (int64_t)(DRIFT * (double)(host - BASE)) - stood;
}

static void open_both(struct world *w, struct tests_dat *h, struct tests_dat *g)
{
	char path[] = "/tmp/vmrt-search-XXXXXX";
	struct vmrt_error err = {0};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	tests_dat_write(h, path);
	if (vmrt_dat_open(path, &w->host, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	unlink(path);
	tests_dat_write(g, path);
	if (vmrt_dat_open(path, &w->guest, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	unlink(path);
	tests_dat_free(h);
	tests_dat_free(g);
}

/* The vCPU shares its CPU with a hog: runs of 2 to 6 ms, gaps of 4 to 12 ms. */
static void make_world_between(struct world *w, uint64_t seed, int64_t host_from, int64_t host_to,
	int64_t guest_from, int64_t guest_to)
{
	struct tests_dat *h = tests_dat_new(1, TESTS_KERNEL_618);
	struct tests_dat *g = tests_dat_new(1, TESTS_KERNEL_61);
	int64_t now = BASE, end_of_last = BASE;

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	tests_dat_current(h, 0, HOG);
	tests_dat_current(g, 0, 0);
	while (now < BASE + LENGTH) {
		int64_t end, at;

		now += 4 * MS + (int64_t)dice(w, 8 * MS);
		if (end_of_last <= stop_at && now >= stop_at)
			now += stop_ns;
		end = now + 2 * MS + (int64_t)dice(w, 4 * MS);
		if (now < stop_at && end > stop_at)
			end = stop_at;
		if (now >= host_from && now < host_to)
			tests_dat_switch(h, 0, now, "hog", HOG, 120, 0, "CPU 0/TCG", VCPU, 120);
		for (at = now + (int64_t)dice(w, 200 * US); at < end;
			at += 100 * US + (int64_t)dice(w, 2 * MS))
			if (at >= guest_from && at < guest_to)
				tests_dat_other(g, 0, guest_time(at));
		if (now >= host_from && now < host_to)
			tests_dat_switch(h, 0, end, "CPU 0/TCG", VCPU, 120, 0, "hog", HOG, 120);
		now = end_of_last = end;
	}
	for (int i = 0; i < PINGS; i++) {
		struct vmrt_ping *p = &w->pings[i];
		int64_t there = 20 * MS + (int64_t)dice(w, 20 * MS),
			back = 20 * MS + (int64_t)dice(w, 20 * MS);

		p->host_send_ns = BASE + i * (LENGTH / PINGS);
		p->host_recv_ns = p->host_send_ns + there + back;
		p->guest_recv_ns = guest_time(p->host_send_ns + there);
		p->guest_send_ns = p->guest_recv_ns + 10 * US;
		p->host_send_tsc = (uint64_t)(TSC_PER_NS * (double)p->host_send_ns);
		p->host_recv_tsc = (uint64_t)(TSC_PER_NS * (double)p->host_recv_ns);
		p->guest_recv_tsc = (uint64_t)(TSC_PER_NS * (double)(p->host_send_ns + there));
		p->guest_send_tsc = p->guest_recv_tsc;
	}
	open_both(w, h, g);
}

static void make_world(struct world *w, uint64_t seed)
{
	make_world_between(w, seed, BASE, INT64_MAX, BASE, INT64_MAX);
}

static void free_world(struct world *w)
{
	vmrt_dat_close(w->host);
	vmrt_dat_close(w->guest);
}

/* Where the map puts a guest time, against the truth. */
static int64_t mistake(const struct vmrt_clockmap *map, int64_t host)
{
	return llabs(vmrt_clockmap_to_host(map, guest_time(host), NULL) - host);
}

static void coarse_pings_are_enough_when_the_recordings_fit_in_one_place_only(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		const int32_t tid = VCPU;
		struct vmrt_clockmap map;
		struct vmrt_error err = {0};
		struct world w;

		make_world(&w, seed);
		if (vmrt_clock_from_recordings(
			    w.host, w.guest, &tid, 1, w.pings, PINGS, &map, &err) != VMRT_OK)
			fail_msg("seed %d: %s", (int)seed, err.text);
		if (vmrt_clockmap_worst(&map) > 100 * US)
			fail_msg("seed %d: the error bound is %ld ns", (int)seed,
				(long)vmrt_clockmap_worst(&map));
		for (int64_t at = BASE; at < BASE + LENGTH; at += LENGTH / 50)
			if (mistake(&map, at) > vmrt_clockmap_error(&map, guest_time(at), NULL))
				fail_msg("seed %d: wrong by %ld ns, bound %ld ns", (int)seed,
					(long)mistake(&map, at),
					(long)vmrt_clockmap_error(&map, guest_time(at), NULL));
		vmrt_clockmap_free(&map);
		free_world(&w);
	}
}

static void without_counters_the_pings_bound_stays_and_holds(void **state)
{
	const int32_t tid = VCPU;
	struct vmrt_clockmap map;
	struct vmrt_error err = {0};
	struct world w;

	(void)state;
	make_world(&w, 3);
	for (int i = 0; i < PINGS; i++)
		w.pings[i].guest_recv_tsc = 0;
	assert_int_equal(
		vmrt_clock_from_recordings(w.host, w.guest, &tid, 1, w.pings, PINGS, &map, &err),
		VMRT_OK);
	for (int64_t at = BASE; at < BASE + LENGTH; at += LENGTH / 50)
		assert_true(mistake(&map, at) <= vmrt_clockmap_error(&map, guest_time(at), NULL));
	vmrt_clockmap_free(&map);
	free_world(&w);
}

static void the_wrong_thread_does_not_make_a_wrong_map(void **state)
{
	const int32_t tid = HOG; /* ran exactly when the vCPU did not */
	struct vmrt_clockmap map;
	struct vmrt_error err = {0};
	struct world w;

	(void)state;
	make_world(&w, 4);
	assert_int_equal(
		vmrt_clock_from_recordings(w.host, w.guest, &tid, 1, w.pings, PINGS, &map, &err),
		VMRT_OK);
	for (int64_t at = BASE; at < BASE + LENGTH; at += LENGTH / 50)
		assert_true(mistake(&map, at) <= vmrt_clockmap_error(&map, guest_time(at), NULL));
	vmrt_clockmap_free(&map);
	free_world(&w);
}

/* The map of both recordings, made without any ping; whatever it says must be true. */
static int64_t bound_without_pings(const struct world *w, int32_t tid, const char **source)
{
	struct vmrt_clockmap map;
	struct vmrt_error err = {0};
	int64_t worst;

	if (vmrt_clock_from_recordings(w->host, w->guest, &tid, 1, NULL, 0, &map, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	worst = vmrt_clockmap_worst(&map);
	*source = map.segments[0].source;
	for (int64_t at = BASE; at < BASE + LENGTH && worst != VMRT_UNKNOWN; at += LENGTH / 50)
		if (mistake(&map, at) > vmrt_clockmap_error(&map, guest_time(at), NULL))
			fail_msg("wrong by %ld ns, bound %ld ns", (long)mistake(&map, at),
				(long)vmrt_clockmap_error(&map, guest_time(at), NULL));
	vmrt_clockmap_free(&map);
	return worst;
}

static void without_any_ping_the_place_is_found_where_the_recordings_fit(void **state)
{
	const char *source;
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		make_world(&w, seed);
		assert_in_range(bound_without_pings(&w, VCPU, &source), 1, 100 * US);
		assert_string_equal(source, VMRT_CLOCK_OVERLAP);
		free_world(&w);
	}
}

static void a_guest_recorded_for_longer_than_its_host_is_placed_too(void **state)
{
	const char *source;
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		make_world_between(&w, seed, BASE + LENGTH / 2, INT64_MAX, BASE, INT64_MAX);
		assert_in_range(bound_without_pings(&w, VCPU, &source), 1, 200 * US);
		free_world(&w);
		make_world_between(
			&w, seed, BASE, BASE + 7 * LENGTH / 10, BASE + LENGTH / 5, INT64_MAX);
		assert_in_range(bound_without_pings(&w, VCPU, &source), 1, 200 * US);
		free_world(&w);
	}
}

static void recordings_of_different_times_are_not_related(void **state)
{
	const char *source;
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 10; seed++) {
		make_world_between(
			&w, seed, BASE, BASE + LENGTH / 2, BASE + LENGTH / 2 + 100 * MS, INT64_MAX);
		assert_int_equal(bound_without_pings(&w, VCPU, &source), VMRT_UNKNOWN);
		assert_string_equal(source, VMRT_CLOCK_UNRELATED);
		free_world(&w);
	}
}

static void another_thread_than_the_vcpu_relates_nothing(void **state)
{
	const char *source;
	struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		make_world(&w, seed);
		assert_int_equal(bound_without_pings(&w, HOG, &source), VMRT_UNKNOWN);
		free_world(&w);
	}
}

/* Whether the map is right, also near the step, and good away from it; @pings: with good ones. */
static void check_stopped(uint64_t seed, size_t pings)
{
	const int32_t tid = VCPU;
	struct vmrt_clockmap map;
	struct vmrt_error err = {0};
	struct world w;

	make_world(&w, seed);
	if (vmrt_clock_from_recordings(w.host, w.guest, &tid, 1, w.pings, pings, &map, &err) !=
		VMRT_OK)
		fail_msg("seed %d: %s", (int)seed, err.text);
	assert_true(map.n >= 3);
	for (int64_t at = BASE; at < BASE + LENGTH; at += LENGTH / 500) {
		int64_t bound = vmrt_clockmap_error(&map, guest_time(at), NULL);

		if (at > stop_at - 50 * MS && at < stop_at + stop_ns)
			continue; /* also that the guest ran then is not known */
		if (bound == VMRT_UNKNOWN || mistake(&map, at) > bound)
			fail_msg("seed %d, %ld ms: wrong by %ld ns, bound %ld ns", (int)seed,
				(long)((at - BASE) / MS), (long)mistake(&map, at), (long)bound);
		if (llabs(at - stop_at) > 300 * MS + stop_ns && bound > 100 * US)
			fail_msg("seed %d, %ld ms: the error bound is %ld ns", (int)seed,
				(long)((at - BASE) / MS), (long)bound);
	}
	vmrt_clockmap_free(&map);
	free_world(&w);
}

static void a_vm_stopped_meanwhile_has_a_clock_with_a_step_and_no_average(void **state)
{
	static const int64_t lengths[] = {500 * MS, 60 * MS, 20 * MS};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (uint64_t seed = 1; seed <= 4; seed++) {
			stop_at = BASE + LENGTH / 5 * (int64_t)seed + 7 * MS;
			stop_ns = lengths[i];
			check_stopped(seed, PINGS);
			check_stopped(seed, 0);
		}
	stop_at = INT64_MAX;
	stop_ns = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(coarse_pings_are_enough_when_the_recordings_fit_in_one_place_only),
		cmocka_unit_test(without_counters_the_pings_bound_stays_and_holds),
		cmocka_unit_test(the_wrong_thread_does_not_make_a_wrong_map),
		cmocka_unit_test(without_any_ping_the_place_is_found_where_the_recordings_fit),
		cmocka_unit_test(a_guest_recorded_for_longer_than_its_host_is_placed_too),
		cmocka_unit_test(recordings_of_different_times_are_not_related),
		cmocka_unit_test(a_vm_stopped_meanwhile_has_a_clock_with_a_step_and_no_average),
		cmocka_unit_test(another_thread_than_the_vcpu_relates_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
