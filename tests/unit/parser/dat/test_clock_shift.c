/* SPDX-License-Identifier: MIT */
/* TIME_SHIFT, brought up to a clock map. */
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

#include "pages.h"

#define S VMRT_NS_PER_S
#define ROOM 20

static char path[64];
static const int64_t old_offset = -77;

/* Writes a guest's file with room for @n samples. */
static void write_file(uint32_t n)
{
	struct tests_dat *d = tests_dat_new(2, TESTS_KERNEL_61);
	int64_t times[ROOM], offsets[ROOM];
	int fd;

	strcpy(path, "/tmp/vmrt-shift-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	for (uint32_t i = 0; i < n; i++) {
		times[i] = (i + 1) * S;
		offsets[i] = old_offset;
	}
	if (n)
		tests_dat_time_shift(d, 5, times, offsets, n);
	tests_dat_other(d, 0, S);
	tests_dat_write(d, path);
	tests_dat_free(d);
}

static struct vmrt_dat *make_file(uint32_t n)
{
	struct vmrt_dat *dat;

	write_file(n);
	assert_int_equal(vmrt_dat_open(path, &dat, NULL), VMRT_OK);
	return dat;
}

static const struct vmrt_dat_shift *refreshed(struct vmrt_dat **dat,
	const struct vmrt_clockmap *map, enum vmrt_status expected, size_t *n)
{
	assert_int_equal(vmrt_dat_refresh_shift(*dat, path, map, NULL), expected);
	vmrt_dat_close(*dat);
	assert_int_equal(vmrt_dat_open(path, dat, NULL), VMRT_OK);
	unlink(path);
	return vmrt_dat_shifts(*dat, n, NULL);
}

static struct vmrt_clock_segment segment(int64_t from, int64_t to, int64_t offset, double rate)
{
	return (struct vmrt_clock_segment){.from_local_ns = from,
		.to_local_ns = to,
		.offset_ns = offset,
		.rate = rate,
		.error_ns = 1000,
		.n_upper = 9,
		.n_lower = 9,
		.source = VMRT_CLOCK_PINGS};
}

/* Readers draw lines between samples; they must be those of the map, and not overflow 64 bits. */
static void check(const struct vmrt_clockmap *map, const struct vmrt_dat_shift *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(s[i].offset_ns,
			vmrt_clockmap_to_host(map, s[i].local_ns, NULL) - s[i].local_ns);
	for (size_t i = 1; i < n; i++) {
		int64_t dt = s[i].local_ns - s[i - 1].local_ns, product;

		assert_true(dt > 0);
		assert_false(
			__builtin_mul_overflow(dt, s[i].offset_ns - s[i - 1].offset_ns, &product));
	}
}

static void a_line_is_sampled_every_few_seconds_and_beyond_its_end(void **state)
{
	struct vmrt_clock_segment seg = segment(10 * S, 30 * S, 1000 * S, 15e-6);
	struct vmrt_clockmap map = {&seg, 1, 0};
	struct vmrt_dat *dat = make_file(ROOM);
	const struct vmrt_dat_shift *s;
	size_t n;

	(void)state;
	s = refreshed(&dat, &map, VMRT_OK, &n);
	assert_int_equal(n, ROOM);
	assert_int_equal(s[0].local_ns, 10 * S);
	assert_int_equal(s[0].offset_ns, -1000 * S);
	assert_int_equal(s[1].local_ns, 15 * S);
	check(&map, s, n);
	vmrt_dat_close(dat);
}

static void a_step_has_a_sample_on_either_side_however_long_it_is(void **state)
{
	static const int64_t steps[] = {1000, S / 2, 3600 * S, 30 * 86400 * S};

	(void)state;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		struct vmrt_clock_segment segs[3] = {segment(10 * S, 14 * S, 5000 * S, 0),
			segment(14 * S, 14 * S + S / 10, 5000 * S, 0),
			segment(14 * S + S / 10, 20 * S, 5000 * S - steps[i], 0)};
		struct vmrt_clockmap map = {segs, 3, 0};
		struct vmrt_dat *dat = make_file(ROOM);
		const struct vmrt_dat_shift *s;
		bool before = false, after = false;
		size_t n;

		segs[1].n_upper = segs[1].n_lower = 0;
		s = refreshed(&dat, &map, VMRT_OK, &n);
		for (size_t k = 0; k < n; k++) {
			before |= s[k].local_ns == 14 * S - 1 && s[k].offset_ns == -5000 * S;
			after |= s[k].local_ns == 14 * S + S / 10 &&
				 s[k].offset_ns == steps[i] - 5000 * S;
		}
		assert_true(before && after);
		check(&map, s, n);
		vmrt_dat_close(dat);
	}
}

static void a_long_recording_is_sampled_less_often(void **state)
{
	struct vmrt_clock_segment seg = segment(10 * S, 410 * S, 1000 * S, 200e-6);
	struct vmrt_clockmap map = {&seg, 1, 0};
	struct vmrt_dat *dat = make_file(ROOM);
	const struct vmrt_dat_shift *s;
	size_t n;

	(void)state;
	s = refreshed(&dat, &map, VMRT_OK, &n);
	assert_true(s[0].local_ns == 10 * S && s[n - 1].local_ns >= 410 * S - 1);
	check(&map, s, n);
	vmrt_dat_close(dat);
}

static void what_has_no_room_or_is_not_known_stays_as_it_was(void **state)
{
	struct vmrt_clock_segment seg = segment(10 * S, 100000 * S, 1000 * S, 0);
	struct vmrt_clockmap map = {&seg, 1, 0};
	struct vmrt_dat *dat = make_file(3);
	const struct vmrt_dat_shift *s;
	size_t n;

	(void)state;
	s = refreshed(&dat, &map, VMRT_OK, &n);
	assert_true(n == 3 && s[0].offset_ns == old_offset && s[2].offset_ns == old_offset);
	vmrt_dat_close(dat);
	dat = make_file(ROOM);
	seg.to_local_ns = 20 * S;
	seg.error_ns = VMRT_UNKNOWN;
	s = refreshed(&dat, &map, VMRT_EUNSUPPORTED, &n);
	assert_true(n == ROOM && s[0].offset_ns == old_offset);
	vmrt_dat_close(dat);
	dat = make_file(0);
	seg.error_ns = 5;
	refreshed(&dat, &map, VMRT_EUNSUPPORTED, &n);
	assert_int_equal(n, 0);
	vmrt_dat_close(dat);
}

/* Samples near the end of 64 bits were once added up past it, without end. */
static void a_map_that_reaches_to_the_end_of_time_ends(void **unused)
{
	struct vmrt_clock_segment segments[] = {
		segment(INT64_MAX - 1000 * S, INT64_MAX, 7, 0),
		segment(INT64_MAX - 10, INT64_MAX, 7, 0),
	};
	struct vmrt_clockmap map = {segments, 1, 0};
	struct vmrt_dat *dat = make_file(ROOM);
	const struct vmrt_dat_shift *shifts;
	size_t n;

	(void)unused;
	shifts = refreshed(&dat, &map, VMRT_OK, &n);
	assert_int_equal(n, ROOM);
	assert_int_equal(shifts[0].offset_ns, old_offset);
	vmrt_dat_close(dat);
}

/* Behind the peer's id, the flags and the number of CPUs: that of samples, times, offsets,
 * scalings. */
static void overwrite_scaling(uint32_t n, int64_t scaling)
{
	static const uint8_t head[16] = {5, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0};
	char file[65536], *at;
	FILE *f = fopen(path, "r+");
	size_t size;

	assert_non_null(f);
	size = fread(file, 1, sizeof(file), f);
	at = memmem(file, size, head, sizeof(head));
	assert_non_null(at);
	assert_int_equal(fseek(f, at - file + 16 + 4 + 16 * (long)n, SEEK_SET), 0);
	assert_int_equal(fwrite(&scaling, sizeof(scaling), 1, f), 1);
	fclose(f);
}

static void a_shift_that_scales_times_to_nothing_is_not_used(void **state)
{
	static const int64_t scalings[] = {1, 0, -1};

	(void)state;
	for (size_t i = 0; i < sizeof(scalings) / sizeof(scalings[0]); i++) {
		struct vmrt_dat *dat;
		size_t n;

		write_file(3);
		overwrite_scaling(3, scalings[i]);
		assert_int_equal(vmrt_dat_open(path, &dat, NULL), VMRT_OK);
		vmrt_dat_shifts(dat, &n, NULL);
		assert_int_equal(n, scalings[i] == 1 ? 3 : 0);
		vmrt_dat_close(dat);
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_sampled_every_few_seconds_and_beyond_its_end),
		cmocka_unit_test(a_step_has_a_sample_on_either_side_however_long_it_is),
		cmocka_unit_test(a_long_recording_is_sampled_less_often),
		cmocka_unit_test(what_has_no_room_or_is_not_known_stays_as_it_was),
		cmocka_unit_test(a_shift_that_scales_times_to_nothing_is_not_used),
		cmocka_unit_test(a_map_that_reaches_to_the_end_of_time_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
