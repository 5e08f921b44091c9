/* SPDX-License-Identifier: MIT */
/* The map of a guest's clock from two files: by their events, by pings, and by the file's shift. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/clock.h>
#include <vmrt/dat.h>
#include <vmrt/units.h>

#include "parser/clock/causality.h"
#include "pages.h"

#define S VMRT_NS_PER_S
#define MS VMRT_NS_PER_MS
#define US VMRT_NS_PER_US

/*
 * A host and a guest, 10 s: the vCPU thread 500 runs 1 ms of every 4 ms, its first guest event
 * comes 10 us after it begins, its last one 5 us before it ends. The guest's clock is 100 s ahead
 * and gains 20 ppm.
 */
static void write_pair(char *host_path, char *guest_path, bool with_shift, bool hidden_run)
{
	struct tests_dat *host = tests_dat_new(2, TESTS_KERNEL_618);
	struct tests_dat *guest = tests_dat_new(1, TESTS_KERNEL_618);
	const int64_t at[1] = {150 * S}, off[1] = {-100 * S - 300 * US};

	if (with_shift)
		tests_dat_time_shift(guest, 1, at, off, 1);
	for (int64_t i = 0; i < 2500; i++) {
		int64_t in = 50 * S + i * 4 * MS, out = in + MS;
		int64_t first = in + 10 * US, last = out - 5 * US;

		if (!hidden_run || i != 1000) {
			tests_dat_switch(host, 0, in, "hog", 7, 120, 0, "CPU 0/TCG", 500, 49);
			tests_dat_switch(host, 0, out, "CPU 0/TCG", 500, 49, 1, "hog", 7, 120);
		}
		tests_dat_other(host, 1, in + 2 * MS);
		tests_dat_other(guest, 0, first + 100 * S + (first - 50 * S) / 50000);
		tests_dat_other(guest, 0, last + 100 * S + (last - 50 * S) / 50000);
	}
	strcpy(host_path, "/tmp/vmrt-test-host-XXXXXX");
	strcpy(guest_path, "/tmp/vmrt-test-guest-XXXXXX");
	close(mkstemp(host_path));
	close(mkstemp(guest_path));
	tests_dat_write(host, host_path);
	tests_dat_write(guest, guest_path);
	tests_dat_free(host);
	tests_dat_free(guest);
}

static size_t make_pings(struct vmrt_ping *pings)
{
	size_t n = 0;

	for (int64_t i = 0; i < 100; i++) {
		int64_t host = 50 * S + i * 100 * MS, way = (400 + i * 37 % 100) * US;
		int64_t local = host + 100 * S + (host - 50 * S) / 50000;

		pings[n++] = (struct vmrt_ping){.host_send_ns = host - way,
			.guest_recv_ns = local,
			.guest_send_ns = local + 100,
			.host_recv_ns = host + 100 + way};
	}
	return n;
}

static void relate(bool with_pings, bool with_shift, bool hidden_run, const int32_t *tids, size_t n,
	struct vmrt_clockmap *map)
{
	char host_path[64], guest_path[64];
	struct vmrt_ping pings[100];
	struct vmrt_dat *host, *guest;
	struct vmrt_error err;

	write_pair(host_path, guest_path, with_shift, hidden_run);
	assert_int_equal(vmrt_dat_open(host_path, &host, NULL), VMRT_OK);
	assert_int_equal(vmrt_dat_open(guest_path, &guest, NULL), VMRT_OK);
	if (vmrt_clock_from_recordings(host, guest, tids, n, pings,
		    with_pings ? make_pings(pings) : 0, map, &err) != VMRT_OK)
		fail_msg("%s", err.text);
	vmrt_dat_close(host);
	vmrt_dat_close(guest);
	unlink(host_path);
	unlink(guest_path);
}

static void assert_map_holds(const struct vmrt_clockmap *map)
{
	for (int64_t i = 0; i < 1000; i++) {
		int64_t host = 50 * S + i * 10 * MS;
		int64_t local = host + 100 * S + (host - 50 * S) / 50000;

		assert_true(llabs(vmrt_clockmap_to_host(map, local, NULL) - host) <=
			    vmrt_clockmap_error(map, local, NULL));
	}
}

static void causality_tightens_the_map_of_the_pings(void **unused)
{
	const int32_t tids[1] = {500};
	struct vmrt_clockmap map;

	(void)unused;
	relate(true, false, false, tids, 1, &map);
	assert_int_equal(map.n, 1);
	assert_string_equal(map.segments[0].source, VMRT_CLOCK_CAUSALITY);
	/* Between 10 us behind a start and 5 us before an end: +-7.5 us, and a little for the rate.
	 */
	assert_in_range(vmrt_clockmap_worst(&map), 7500, 7600);
	assert_map_holds(&map);
	vmrt_clockmap_free(&map);
}

static void run_that_was_not_recorded_does_not_spoil_the_map(void **unused)
{
	const int32_t tids[1] = {500};
	struct vmrt_clockmap map;

	(void)unused;
	relate(true, false, true, tids, 1, &map);
	assert_int_equal(map.n, 1);
	assert_in_range(vmrt_clockmap_worst(&map), 7500, 7700);
	assert_map_holds(&map);
	vmrt_clockmap_free(&map);
}

static void wrong_thread_leaves_the_map_of_the_pings(void **unused)
{
	const int32_t tids[1] = {501};
	struct vmrt_clockmap map;

	(void)unused;
	relate(true, false, false, tids, 1, &map);
	assert_string_equal(map.segments[0].source, VMRT_CLOCK_PINGS);
	assert_in_range(vmrt_clockmap_worst(&map), 350 * US, 450 * US);
	assert_map_holds(&map);
	vmrt_clockmap_free(&map);
	relate(true, false, false, NULL, 0, &map);
	assert_string_equal(map.segments[0].source, VMRT_CLOCK_PINGS);
	vmrt_clockmap_free(&map);
}

static void time_shift_of_the_file_is_believed_when_the_recordings_confirm_it(void **unused)
{
	const int32_t tids[1] = {500};
	struct vmrt_clockmap map;

	(void)unused;
	relate(false, true, false, NULL, 0, &map);
	assert_string_equal(map.segments[0].source, VMRT_CLOCK_FILE);
	assert_true(vmrt_clockmap_worst(&map) == VMRT_UNKNOWN);
	assert_int_equal(map.segments[0].offset_ns, 100 * S + 300 * US);
	vmrt_clockmap_free(&map);
	relate(false, false, false, tids, 1, &map);
	assert_string_equal(map.segments[0].source, VMRT_CLOCK_UNRELATED);
	assert_true(vmrt_clockmap_worst(&map) == VMRT_UNKNOWN);
	vmrt_clockmap_free(&map);
}

/* CPU 0 has no events, so that its shift is for nothing; those of the others are 60 us apart. */
static void time_shift_is_that_of_the_cpus_that_have_events(void **unused)
{
	const int64_t offsets[3] = {-100 * S - 9 * MS, -100 * S, -100 * S - 60 * US};
	struct tests_dat *host = tests_dat_new(1, TESTS_KERNEL_618);
	struct tests_dat *guest = tests_dat_new(3, TESTS_KERNEL_618);
	char host_path[] = "/tmp/vmrt-test-host-XXXXXX", guest_path[] = "/tmp/vmrt-guest-XXXXXX";
	struct vmrt_dat *of_host, *of_guest;
	struct vmrt_clockmap map;

	(void)unused;
	tests_dat_time_shift_by_cpu(guest, 1, 150 * S, offsets);
	tests_dat_other(host, 0, 50 * S);
	tests_dat_other(guest, 1, 150 * S);
	tests_dat_other(guest, 2, 151 * S);
	close(mkstemp(host_path));
	close(mkstemp(guest_path));
	tests_dat_write(host, host_path);
	tests_dat_write(guest, guest_path);
	tests_dat_free(host);
	tests_dat_free(guest);
	assert_int_equal(vmrt_dat_open(host_path, &of_host, NULL), VMRT_OK);
	assert_int_equal(vmrt_dat_open(guest_path, &of_guest, NULL), VMRT_OK);
	assert_int_equal(
		vmrt_clock_from_recordings(of_host, of_guest, NULL, 0, NULL, 0, &map, NULL),
		VMRT_OK);
	assert_string_equal(map.segments[0].source, VMRT_CLOCK_FILE);
	assert_int_equal(vmrt_clockmap_to_host(&map, 150 * S, NULL), 50 * S - 30 * US);
	vmrt_clockmap_free(&map);
	vmrt_dat_close(of_host);
	vmrt_dat_close(of_guest);
	unlink(host_path);
	unlink(guest_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(causality_tightens_the_map_of_the_pings),
		cmocka_unit_test(run_that_was_not_recorded_does_not_spoil_the_map),
		cmocka_unit_test(wrong_thread_leaves_the_map_of_the_pings),
		cmocka_unit_test(time_shift_of_the_file_is_believed_when_the_recordings_confirm_it),
		cmocka_unit_test(time_shift_is_that_of_the_cpus_that_have_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
