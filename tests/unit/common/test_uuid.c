/* SPDX-License-Identifier: MIT */
/* UUIDs of runs: what they look like, and that what is derived depends on the content only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/uuid.h>

static char path[2][64];

static void write_file(int i, size_t size, int byte, size_t odd_at)
{
	FILE *out;

	snprintf(path[i], sizeof(path[i]), "/tmp/vmrt-test-uuid-%d-%d", (int)getpid(), i);
	out = fopen(path[i], "w");
	assert_non_null(out);
	for (size_t k = 0; k < size; k++)
		putc(k == odd_at ? '!' : byte, out);
	assert_int_equal(fclose(out), 0);
}

static void uuids_of_two_files(char a[VMRT_UUID_TEXT], char b[VMRT_UUID_TEXT])
{
	struct vmrt_error err;

	assert_int_equal(vmrt_uuid_of_file(path[0], a, &err), VMRT_OK);
	assert_int_equal(vmrt_uuid_of_file(path[1], b, &err), VMRT_OK);
	unlink(path[0]);
	unlink(path[1]);
	assert_true(vmrt_uuid_valid(a) && vmrt_uuid_is_derived(a));
}

static void random_ones_differ_and_are_of_version_4(void **state)
{
	char a[VMRT_UUID_TEXT], b[VMRT_UUID_TEXT];

	(void)state;
	assert_int_equal(vmrt_uuid_random(a, NULL), VMRT_OK);
	assert_int_equal(vmrt_uuid_random(b, NULL), VMRT_OK);
	assert_true(vmrt_uuid_valid(a) && vmrt_uuid_valid(b));
	assert_string_not_equal(a, b);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	assert_false(vmrt_uuid_is_derived(a));
}

static void equal_files_have_one_uuid(void **state)
{
	char a[VMRT_UUID_TEXT], b[VMRT_UUID_TEXT];

	(void)state;
	write_file(0, 3000000, 'x', SIZE_MAX);
	write_file(1, 3000000, 'x', SIZE_MAX);
	uuids_of_two_files(a, b);
	assert_string_equal(a, b);
}

static void a_byte_at_either_end_and_the_size_make_another(void **state)
{
	static const struct {
		size_t size, odd;
	} cases[] = {{3000000, 5}, {3000000, 2999999}, {3000001, SIZE_MAX}, {0, SIZE_MAX}};
	char a[VMRT_UUID_TEXT], b[VMRT_UUID_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(0, 3000000, 'x', SIZE_MAX);
		write_file(1, cases[i].size, 'x', cases[i].odd);
		uuids_of_two_files(a, b);
		assert_string_not_equal(a, b);
	}
}

/* sha256sum of the size, 8 bytes with the lowest first, and "aaa" says so. */
static void the_uuid_of_a_known_file(void **state)
{
	char a[VMRT_UUID_TEXT], b[VMRT_UUID_TEXT];

	(void)state;
	write_file(0, 3, 'a', SIZE_MAX);
	write_file(1, 3, 'a', SIZE_MAX);
	uuids_of_two_files(a, b);
	assert_string_equal(a, "a360af25-1865-8787-8a82-a29d467f9ab5");
}

static void what_is_no_uuid(void **state)
{
	(void)state;
	assert_false(vmrt_uuid_valid(""));
	assert_false(vmrt_uuid_valid("5ea1cafe-0000-4000-8000-00000000000"));
	assert_false(vmrt_uuid_valid("5EA1CAFE-0000-4000-8000-000000000001"));
	assert_false(vmrt_uuid_valid("5ea1cafe00000-4000-8000-000000000001"));
	assert_false(vmrt_uuid_valid("5ea1cafe-0000-4000-8000-00000000000'"));
}

static void what_cannot_be_read_is_said(void **state)
{
	char a[VMRT_UUID_TEXT];
	struct vmrt_error err;

	(void)state;
	assert_int_not_equal(vmrt_uuid_of_file("/nonexistent/x", a, &err), VMRT_OK);
	assert_int_not_equal(vmrt_uuid_of_file("/tmp", a, &err), VMRT_OK);
	assert_non_null(strstr(err.text, "/tmp"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_ones_differ_and_are_of_version_4),
		cmocka_unit_test(equal_files_have_one_uuid),
		cmocka_unit_test(a_byte_at_either_end_and_the_size_make_another),
		cmocka_unit_test(the_uuid_of_a_known_file),
		cmocka_unit_test(what_is_no_uuid),
		cmocka_unit_test(what_cannot_be_read_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
