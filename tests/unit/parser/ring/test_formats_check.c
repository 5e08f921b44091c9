/* SPDX-License-Identifier: MIT */
/* Which formats of events may be given to a library that trusts them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "pages.h"
#include "parser/ring/formats-check.h"

#define COMMON                                                                                     \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                     \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"             \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
#define FIELDS                                                                                     \
	"\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"                                 \
	"\tfield:__data_loc char[] name;\toffset:24;\tsize:4;\tsigned:0;\n"                        \
	"\tfield:int n;\toffset:28;\tsize:4;\tsigned:1;\n\n"

static enum format_trust trust_of(const char *fields, const char *print)
{
	char text[8192];
	size_t end;
	uint32_t least = 0;

	snprintf(text, sizeof(text), "name: e\nID: 7\nformat:\n%s%sprint fmt: %s\n", COMMON, fields,
		print);
	return formats_check(text, &end, &least);
}

static void formats_of_every_kernel_pass(void **state)
{
	(void)state;
	for (int kernel = TESTS_KERNEL_618; kernel <= TESTS_KERNEL_419; kernel++) {
		struct tests_dat *d = tests_dat_new(1, (enum tests_kernel)kernel);
		const char *const *formats, *const *systems;
		size_t n = tests_dat_formats(d, &formats, &systems), end;
		uint32_t least;

		for (size_t i = 0; i < n; i++)
			if (formats_check(formats[i], &end, &least) == FORMAT_REFUSED)
				fail_msg("%s", formats[i]);
		tests_dat_free(d);
	}
}

static const char *const sane[] = {
	"\"%s %d\", REC->comm, REC->n",
	"\"%s\", __get_str(name)",
	"\"n=%03d%%\", REC->n",
	"\"%s\", __print_symbolic(REC->n, { 0, \"none\" }, { 1, \"one\" })",
	("\"%s%s\", (REC->n & ((1 << 3) - 1)) ? __print_flags(REC->n, \"|\", { 0x01, \"S\" }) : "
	 "\"R\", REC->n & 8 ? \"+\" : \"\""),
	"\"%d us\", REC->n / 1000",
	"\"%.*s\", REC->n, REC->comm",
	"\"no arguments\"",
};

static const char *const hostile[] = {
	"\"%*s\", REC->n, REC->comm", /* a width of 2^31 */
	"\"%99999999d\", REC->n",     /* the same */
	"\"%s\", REC->nosuch",	      /* no such field */
	"\"%s\", __get_str(nosuch)",  /* nor here */
	"\"%s\", system(REC->n)",     /* no known function */
	"\"%d\", 8 / REC->n",	      /* may be 0 */
	"\"%d\", 8 % 0",	      /* is 0 */
	"\"%d\", REC->n / 2 * 0",     /* may be 0, depending on what binds stronger */
	"\"%d\", (REC->n",	      /* not closed */
	"\"%d\", REC->n))",	      /* never opened */
	"\"%d\", [REC->n)",	      /* crossed */
	"\"%d",			      /* no end */
	"\"a\" ; REC->n",	      /* no list of arguments */
	"\"%d\", REC->n\nfield:x",    /* more behind it */
	"\"\x1b[2J\"",		      /* a terminal would obey */
};

static void print_formats_are_checked(void **state)
{
	char deep[600] = "\"%d\", ";

	(void)state;
	for (size_t i = 0; i < sizeof(sane) / sizeof(sane[0]); i++)
		if (trust_of(FIELDS, sane[i]) != FORMAT_PRINTABLE)
			fail_msg("refused: %s", sane[i]);
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		if (trust_of(FIELDS, hostile[i]) != FORMAT_FIELDS)
			fail_msg("trusted: %s", hostile[i]);
	memset(deep + strlen(deep), '(', 200);
	strcat(deep, "1");
	memset(deep + strlen(deep), ')', 200);
	assert_int_equal(trust_of(FIELDS, deep), FORMAT_FIELDS);
}

static void fields_beyond_a_record_are_refused(void **state)
{
	static const char *const bad[] = {
		"\tfield:int n;\toffset:4294967292;\tsize:4;\tsigned:1;\n",
		"\tfield:int n;\toffset:65535;\tsize:4;\tsigned:1;\n",
		"\tfield:int n;\toffset:-4;\tsize:4;\tsigned:1;\n",
		"\tfield:__data_loc char[] n;\toffset:8;\tsize:2;\tsigned:0;\n",
		"\tfield:int;\toffset:8;\tsize:4;\tsigned:1;\n",
		"\tfield:int n\toffset:8;\tsize:4;\tsigned:1;\n",
		"nonsense\n",
	};
	char text[1024];
	size_t end;
	uint32_t least;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (trust_of(bad[i], "\"\"") != FORMAT_REFUSED)
			fail_msg("trusted: %s", bad[i]);
	snprintf(text, sizeof(text), "name: e\nID: 7\nformat:\n%s%sprint fmt: \"\"\n", COMMON,
		FIELDS);
	assert_int_equal(formats_check(text, &end, &least), FORMAT_PRINTABLE);
	assert_int_equal(least, 32);
	assert_int_equal(strncmp(text + end, "print fmt: ", 11), 0);
	/* cut anywhere it is refused, and nothing beyond it is read */
	for (size_t n = 0; n < end; n++) {
		char cut[1024];

		memcpy(cut, text, n);
		cut[n] = '\0';
		assert_int_equal(formats_check(cut, &end, &least), FORMAT_REFUSED);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats_of_every_kernel_pass),
		cmocka_unit_test(print_formats_are_checked),
		cmocka_unit_test(fields_beyond_a_record_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
