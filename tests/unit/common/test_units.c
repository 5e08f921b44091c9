/* SPDX-License-Identifier: MIT */
/* Durations, sizes and times as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/units.h>

static int64_t duration(const char *text, int64_t tick)
{
	int64_t ns = -1;

	return vmrt_parse_duration(text, tick, &ns) == VMRT_OK ? ns : -1;
}

static void durations_with_every_unit_are_read(void **state)
{
	(void)state;
	assert_int_equal(duration("12ms", 0), 12000000);
	assert_int_equal(duration("1.5s", 0), 1500000000);
	assert_int_equal(duration("250 us", 0), 250000);
	assert_int_equal(duration("7ns", 0), 7);
	assert_int_equal(duration("3tick", 4000000), 12000000);
	assert_int_equal(duration("2.5 ticks", 4000000), 10000000);
	assert_int_equal(duration("0", 0), 0);
	assert_int_equal(duration(" 0.0125 ms ", 0), 12500);
}

static void durations_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = {"", "12", "ms", "-3ms", "1e3ms", "0x10ms", "12 m",
		"1.2.3ms", "3tick", "12ms!", "nan s", "1 ms s"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (duration(bad[i], 0) != -1)
			fail_msg("'%s' was read as %ld", bad[i], (long)duration(bad[i], 0));
}

static void a_duration_beyond_64_bits_is_out_of_range(void **state)
{
	int64_t ns;

	(void)state;
	assert_int_equal(vmrt_parse_duration("9300000000s", 0, &ns), VMRT_ERANGE);
	assert_int_equal(vmrt_parse_duration("9223372036854775808ns", 0, &ns), VMRT_ERANGE);
	assert_int_equal(vmrt_parse_duration("18446744073709551617ns", 0, &ns), VMRT_ERANGE);
	assert_int_equal(vmrt_parse_duration("9200000000s", 0, &ns), VMRT_OK);
}

static void sizes_have_binary_suffixes(void **state)
{
	uint64_t bytes;

	(void)state;
	assert_int_equal(vmrt_parse_size("8MiB", &bytes), VMRT_OK);
	assert_int_equal(bytes, 8388608);
	assert_int_equal(vmrt_parse_size("64k", &bytes), VMRT_OK);
	assert_int_equal(bytes, 65536);
	assert_int_equal(vmrt_parse_size("4096", &bytes), VMRT_OK);
	assert_int_equal(bytes, 4096);
	assert_int_equal(vmrt_parse_size("1G", &bytes), VMRT_OK);
	assert_int_equal(bytes, 1073741824);
	assert_int_equal(vmrt_parse_size("8 elephants", &bytes), VMRT_EINVAL);
	assert_int_equal(vmrt_parse_size("-1", &bytes), VMRT_EINVAL);
	assert_int_equal(vmrt_parse_size("99999999T", &bytes), VMRT_ERANGE);
}

static void durations_are_written_for_people(void **state)
{
	char buf[VMRT_UNITS_TEXT];

	(void)state;
	assert_string_equal(vmrt_format_duration(12000000, buf), "12 ms");
	assert_string_equal(vmrt_format_duration(8250000, buf), "8.25 ms");
	assert_string_equal(vmrt_format_duration(310000, buf), "310 us");
	assert_string_equal(vmrt_format_duration(999, buf), "999 ns");
	assert_string_equal(vmrt_format_duration(1500000000, buf), "1.5 s");
	assert_string_equal(vmrt_format_duration(VMRT_UNKNOWN, buf), "-");
	assert_string_equal(vmrt_format_ms(8254321, 3, buf), "8.254");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_with_every_unit_are_read),
		cmocka_unit_test(durations_that_are_none_are_refused),
		cmocka_unit_test(a_duration_beyond_64_bits_is_out_of_range),
		cmocka_unit_test(sizes_have_binary_suffixes),
		cmocka_unit_test(durations_are_written_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
