/* SPDX-License-Identifier: MIT */
/* Recordings with impossible time stamps: what is outside is left out, what is inside is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/recording.h>

#include "pages.h"
#include "parser/source/horizon.h"
#include "parser/source/merge.h"

#define S VMRT_NS_PER_S
#define MS VMRT_NS_PER_MS
#define BASE (100 * S)
#define DAY (86400 * S)

static char path[] = "/tmp/vmrt-horizon-XXXXXX";

static void alternate(struct tests_dat *d, unsigned cpu, int64_t from, int64_t to)
{
	for (int64_t at = from; at < to; at += 20 * MS) {
		tests_dat_switch(d, cpu, at, "a", 10, 120, 0, "b", 11, 120);
		tests_dat_switch(d, cpu, at + 10 * MS, "b", 11, 120, 0, "a", 10, 120);
	}
}

/* What was read of a file. */
struct seen {
	size_t n;
	int64_t last;
	uint64_t lost; /* the most before one event */
	size_t n_ended;
};

static struct seen read_all(struct tests_dat *d)
{
	const struct vmrt_recording_options options = {.host_file = path};
	struct seen seen = {0};
	struct vmrt_recording *rec;
	const struct vmrt_event *ev;
	struct vmrt_error err;
	int64_t error_ns;
	uint32_t machine;
	bool for_good;
	unsigned cpu;

	tests_dat_clock(d, "local [mono]");
	tests_dat_write(d, path);
	tests_dat_free(d);
	assert_int_equal(vmrt_recording_open(&options, &rec, &err), VMRT_OK);
	while (vmrt_recording_next(rec, &machine, &ev, &seen.last, &error_ns)) {
		seen.n++;
		seen.lost = ev->lost > seen.lost ? ev->lost : seen.lost;
	}
	while (merge_ended(vmrt_recording_merge(rec), &machine, &cpu, &for_good))
		seen.n_ended += for_good;
	vmrt_recording_close(rec);
	return seen;
}

static void one_time_stamp_two_days_behind_all_other_cpus_is_left_out(void **state)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_618);
	struct seen seen;

	(void)state;
	alternate(d, 0, BASE, BASE + S);
	alternate(d, 1, BASE, BASE + S);
	tests_dat_switch(d, 1, BASE + 2 * DAY, "a", 10, 120, 0, "b", 11, 120);
	seen = read_all(d);
	assert_int_equal(seen.n, 200);
	assert_true(seen.last < BASE + S);
	assert_int_equal(seen.n_ended, 1); /* that CPU's recording is clipped */
}

static void a_page_that_is_a_year_late_is_lost_and_those_behind_it_are_read(void **state)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_618);
	struct seen seen;

	(void)state;
	alternate(d, 0, BASE, BASE + S);
	alternate(d, 1, BASE, BASE + S / 2);
	tests_dat_end_page(d, 1);
	alternate(d, 1, BASE + 365 * DAY, BASE + 365 * DAY + 100 * MS);
	tests_dat_end_page(d, 1);
	alternate(d, 1, BASE + 365 * DAY + 200 * MS, BASE + 365 * DAY + 300 * MS);
	tests_dat_end_page(d, 1);
	alternate(d, 1, BASE + 800 * MS, BASE + S);
	seen = read_all(d);
	assert_int_equal(seen.n, 100 + 50 + 20);
	assert_true(seen.last < BASE + S);
	assert_true(seen.lost > 0);
	assert_int_equal(seen.n_ended, 0);
}

static void a_jump_within_a_page_is_lost_up_to_the_next_page(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	struct seen seen;

	(void)state;
	alternate(d, 0, BASE, BASE + S / 2);
	tests_dat_switch(d, 0, BASE + 2 * DAY, "a", 10, 120, 0, "b", 11, 120);
	tests_dat_end_page(d, 0);
	alternate(d, 0, BASE + S / 2, BASE + S);
	seen = read_all(d);
	assert_int_equal(seen.n, 100);
	assert_true(seen.last < BASE + S);
	assert_true(seen.lost > 0);
}

static void a_recording_with_quiet_times_is_read_to_its_end(void **state)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_618);
	struct seen seen;

	(void)state;
	alternate(d, 0, BASE, BASE + S);
	alternate(d, 1, BASE, BASE + 10 * S);
	alternate(d, 1, BASE + 100 * S, BASE + 101 * S);
	alternate(d, 1, BASE + 190 * S, BASE + 191 * S);
	alternate(d, 0, BASE + 191 * S, BASE + 192 * S);
	seen = read_all(d);
	assert_int_equal(seen.n, 1400);
	assert_int_equal(seen.lost, 0);
}

/* A guest with one CPU has no other one that could tell. */
static void on_a_single_cpu_a_last_event_two_days_late_is_left_out(void **state)
{
	struct tests_dat *d = tests_dat_new(1, TESTS_KERNEL_618);
	struct seen seen;

	(void)state;
	alternate(d, 0, BASE, BASE + S);
	tests_dat_switch(d, 0, BASE + 2 * DAY, "a", 10, 120, 0, "b", 11, 120);
	seen = read_all(d);
	assert_int_equal(seen.n, 100);
	assert_true(seen.last < BASE + S);
}

static void a_first_event_from_two_days_before_is_left_out(void **state)
{
	const char *const name = path;
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_618);
	struct vmrt_recording_options options = {.host_file = name};
	const struct vmrt_event *event;
	struct vmrt_recording *rec;
	struct vmrt_error err;
	int64_t host_ns, error_ns, first = 0;
	uint32_t machine;
	size_t n;

	(void)state;
	tests_dat_clock(d, "local [mono]");
	tests_dat_switch(d, 1, BASE, "a", 10, 120, 0, "b", 11, 120);
	alternate(d, 0, BASE + 2 * DAY, BASE + 2 * DAY + S);
	alternate(d, 1, BASE + 2 * DAY, BASE + 2 * DAY + S);
	tests_dat_write(d, name);
	tests_dat_free(d);
	assert_int_equal(vmrt_recording_open(&options, &rec, &err), VMRT_OK);
	while (vmrt_recording_next(rec, &machine, &event, &host_ns, &error_ns))
		;
	assert_true(vmrt_recording_begins_late(rec));
	assert_int_equal(vmrt_recording_rewind(rec, &err), VMRT_OK);
	for (n = 0; vmrt_recording_next(rec, &machine, &event, &host_ns, &error_ns); n++)
		first = n ? first : host_ns;
	assert_int_equal(n, 200);
	assert_int_equal(first, BASE + 2 * DAY);
	assert_false(vmrt_recording_begins_late(rec));
	vmrt_recording_close(rec);
}

static void the_manifest_bounds_all_times(void **state)
{
	const struct horizon_rest all = {.cpus = 4, .going_on = 4};
	struct horizon h;

	(void)state;
	horizon_init(&h, 100 * S, 200 * S);
	assert_false(horizon_is_stray(&h, 100 * S, &all));
	assert_int_equal(horizon_accept(&h, 100 * S), 110 * S); /* events up to then need no look */
	assert_false(horizon_is_stray(&h, 150 * S, &all));
	assert_true(horizon_is_stray(&h, 202 * S, &all));
	assert_true(horizon_is_stray(&h, 5 * S, &all));
}

static void without_a_manifest_the_hosts_cpus_frame_the_guests(void **state)
{
	const struct horizon_rest guest = {
		.cpus = 4, .going_on = 2, .of_guest = true, .host_ended = true};
	const struct horizon_rest beside = {.cpus = 4, .going_on = 2, .of_guest = true};
	struct horizon h;

	(void)state;
	horizon_init(&h, VMRT_UNKNOWN, VMRT_UNKNOWN);
	horizon_accept(&h, 100 * S);
	assert_false(horizon_is_stray(&h, 109 * S, &guest));
	assert_true(horizon_is_stray(&h, 111 * S, &guest));
	assert_false(horizon_is_stray(&h, 111 * S, &beside));
	/* 200 years, whatever goes on */
	assert_true(horizon_is_stray(&h, 73000 * DAY, &beside));
}

static void a_manifest_without_an_end_bounds_nothing(void **state)
{
	const struct horizon_rest rest = {.cpus = 4, .going_on = 4};
	struct horizon h;

	(void)state;
	horizon_init(&h, 100 * S, 0);
	assert_false(horizon_is_stray(&h, 5000 * S, &rest));
	horizon_init(&h, VMRT_UNKNOWN, INT64_MAX);
	assert_false(horizon_is_stray(&h, 5000 * S, &rest));
}

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_time_stamp_two_days_behind_all_other_cpus_is_left_out),
		cmocka_unit_test(a_page_that_is_a_year_late_is_lost_and_those_behind_it_are_read),
		cmocka_unit_test(a_jump_within_a_page_is_lost_up_to_the_next_page),
		cmocka_unit_test(a_recording_with_quiet_times_is_read_to_its_end),
		cmocka_unit_test(on_a_single_cpu_a_last_event_two_days_late_is_left_out),
		cmocka_unit_test(a_first_event_from_two_days_before_is_left_out),
		cmocka_unit_test(the_manifest_bounds_all_times),
		cmocka_unit_test(without_a_manifest_the_hosts_cpus_frame_the_guests),
		cmocka_unit_test(a_manifest_without_an_end_bounds_nothing),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
