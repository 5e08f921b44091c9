/* SPDX-License-Identifier: MIT */
/* Names that were probably meant. Distances are counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/similar.h>

static void changes_are_counted(void **state)
{
	(void)state;
	assert_int_equal(vmrt_name_distance("rt_a", "rt_a"), 1); /* a part of it */
	assert_int_equal(vmrt_name_distance("ab", "ba"), 1);
	assert_int_equal(vmrt_name_distance("AB", "ab"), 0);
	assert_int_equal(vmrt_name_distance("kitten", "sitting"), 3);
	assert_int_equal(vmrt_name_distance("", "ab"), 2);
	assert_int_equal(vmrt_name_distance("ctl", "rt_ctl2"), 1);
}

static void the_most_similar_names_come_first(void **state)
{
	static const char *const names[] = {"demo/log", "demo/rt_task1", "host/irq", "demo/steer",
		"demo/brake", "host/video", "host/audio", "host/net"};
	char buf[VMRT_SIMILAR_TEXT];

	(void)state;
	assert_ptr_equal(strstr(vmrt_similar("rt_tsk1", names, 8, buf), "demo/rt_task1, "), buf);
	assert_non_null(strstr(buf, " and 2 more (did you mean demo/rt_task1?)"));
	assert_ptr_equal(strstr(vmrt_similar("host/vidoe", names, 8, buf), "host/video, "), buf);
	assert_non_null(strstr(buf, "(did you mean host/video?)"));
	/* all are listed as they are where none is likely */
	assert_string_equal(
		vmrt_similar("zzzzzz", names, 3, buf), "demo/log, demo/rt_task1, host/irq");
	assert_string_equal(vmrt_similar("x", NULL, 0, buf), "none");
}

static void of_two_as_similar_names_none_is_said_to_be_meant(void **state)
{
	static const char *const names[] = {"vm1", "vm2", "vm3"};
	char buf[VMRT_SIMILAR_TEXT];

	(void)state;
	assert_string_equal(vmrt_similar("vm9", names, 3, buf), "vm1, vm2, vm3");
	assert_string_equal(vmrt_similar("v1", names, 3, buf), "vm1, vm2, vm3 (did you mean vm1?)");
}

static void the_one_name_that_is_meant_is_found(void **state)
{
	static const char *const names[] = {"json", "jsonl", "text", "histogram", "vm1", "vm2"};

	(void)state;
	assert_string_equal(vmrt_name_meant("jsno", names, 6), "json");
	assert_string_equal(vmrt_name_meant("histgram", names, 6), "histogram");
	assert_null(vmrt_name_meant("vm9", names + 4, 2)); /* both are as near */
	assert_null(vmrt_name_meant("latex", names + 4, 2));
	/* three letters are a part of both: the one that is nearly as long */
	assert_string_equal(vmrt_name_meant("jso", names, 6), "json");
	assert_null(vmrt_name_meant("x", NULL, 0));
}

static void long_lists_and_names_fit(void **state)
{
	static char name[300];
	const char *names[50];
	char buf[VMRT_SIMILAR_TEXT];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	for (size_t i = 0; i < 50; i++)
		names[i] = name;
	vmrt_similar(name, names, 50, buf);
	assert_true(strlen(buf) < sizeof(buf));
	assert_non_null(strstr(buf, " and 44 more"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_counted),
		cmocka_unit_test(the_most_similar_names_come_first),
		cmocka_unit_test(of_two_as_similar_names_none_is_said_to_be_meant),
		cmocka_unit_test(the_one_name_that_is_meant_is_found),
		cmocka_unit_test(long_lists_and_names_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
