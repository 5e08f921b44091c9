/* SPDX-License-Identifier: MIT */
/* Options as rows of a table: defaults, ranges and the help text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <vmrt/option.h>

struct opts {
	bool flag;
	const char *text;
	const char *list[2];
	size_t n_list;
	int64_t count, time;
	uint64_t size;
	double number;
	int choice;
};

static const char *const words[] = {"red", "green", "blue", NULL};

static const struct vmrt_option table[] = {
	{"flag", 'f', NULL, "a flag", VMRT_FLAG(struct opts, flag)},
	{"text", 0, "TEXT", "a text", .standard = "nothing", VMRT_TEXT(struct opts, text)},
	{"list", 0, "ITEM", "a list", VMRT_LIST(struct opts, list, n_list)},
	{"count", 0, "N", "a count", .standard = "7", VMRT_COUNT(struct opts, count, 2, 9)},
	{"time", 0, "TIME", "a time", .standard = "10ms",
		VMRT_TIME(struct opts, time, 1000, 1000000000)},
	{"size", 0, "SIZE", "a size", .standard = "8MiB",
		VMRT_SIZE(struct opts, size, 8192, INT64_C(1) << 34)},
	{"number", 0, "X", "a number", .standard = "1.5", VMRT_NUMBER(struct opts, number, 0, 10)},
	{"choice", 0, "WORD", "a colour", .standard = "green",
		VMRT_CHOICE(struct opts, choice, words)},
	{0},
};

static void defaults_are_the_texts_of_the_table(void **state)
{
	struct opts o = {0};

	(void)state;
	vmrt_options_standard(table, &o);
	assert_int_equal(o.count, 7);
	assert_int_equal(o.time, 10000000);
	assert_int_equal(o.size, 8 << 20);
	assert_true(o.number == 1.5);
	assert_int_equal(o.choice, 1);
	assert_null(o.text); /* a text's default only describes what happens without the option */
	assert_false(o.flag);
}

static void arguments_are_parsed_by_their_kind(void **state)
{
	static const char *const args[] = {NULL, "hello", "a", "9", "1s", "16GiB", "10", "blue"};
	struct opts o = {0};

	(void)state;
	for (size_t i = 0; table[i].name; i++)
		assert_int_equal(
			vmrt_option_take(&table[i], &o, (char *)(uintptr_t)args[i], NULL), 0);
	assert_int_equal(vmrt_option_take(&table[2], &o, (char[]){"b"}, NULL), 0);
	assert_true(o.flag);
	assert_string_equal(o.text, "hello");
	assert_int_equal(o.n_list, 2);
	assert_string_equal(o.list[1], "b");
	assert_int_equal(o.count, 9);
	assert_int_equal(o.time, 1000000000);
	assert_true(o.size == UINT64_C(1) << 34);
	assert_true(o.number == 10);
	assert_int_equal(o.choice, 2);
}

static void help_says_range_default_and_choices(void **state)
{
	static const char *const want[] = {"a flag", "a text (default: nothing)",
		"a list; may be repeated", "a count, from 2 to 9 (default: 7)",
		"a time, from 1 us to 1 s (default: 10ms)",
		"a size, from 8KiB to 16GiB (default: 8MiB)",
		"a number, from 0 to 10 (default: 1.5)",
		"a colour: red, green or blue (default: green)"};

	(void)state;
	for (size_t i = 0; table[i].name; i++) {
		char *help = vmrt_option_help(&table[i]);

		assert_non_null(help);
		assert_string_equal(help, want[i]);
		free(help);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_the_texts_of_the_table),
		cmocka_unit_test(arguments_are_parsed_by_their_kind),
		cmocka_unit_test(help_says_range_default_and_choices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
