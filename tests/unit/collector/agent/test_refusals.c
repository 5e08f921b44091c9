/* SPDX-License-Identifier: MIT */
/* Refused connections: the first ones are said, the others counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <vmrt/units.h>

#include "collector/agent/refusals.h"

#define START (100 * VMRT_NS_PER_S)

static FILE *said;
static int stderr_fd;

/* What is written to standard error goes to @said from now on. */
static void listen_to_warnings(void)
{
	said = tmpfile();
	assert_non_null(said);
	stderr_fd = dup(STDERR_FILENO);
	dup2(fileno(said), STDERR_FILENO);
}

/* The number of lines since, the last of them in @last. */
static int warnings(char *last, size_t room)
{
	int n = 0;

	fflush(stderr);
	dup2(stderr_fd, STDERR_FILENO);
	close(stderr_fd);
	rewind(said);
	while (fgets(last, (int)room, said))
		n++;
	fclose(said);
	return n;
}

static void of_a_thousand_refusals_in_a_minute_ten_are_said(void **state)
{
	struct refusals r = {0};
	char last[256];

	(void)state;
	listen_to_warnings();
	for (int i = 0; i < 1000; i++)
		refusals_say(&r, "it is a stranger", START + i * VMRT_NS_PER_MS);
	assert_int_equal(warnings(last, sizeof(last)), 10);
	assert_non_null(strstr(last, "it is a stranger"));
	assert_non_null(strstr(last, "only counted"));
	/* the next minute begins with the number of the others */
	listen_to_warnings();
	refusals_say(&r, "it is another", START + 60 * VMRT_NS_PER_S);
	assert_int_equal(warnings(last, sizeof(last)), 2);
	assert_non_null(strstr(last, "it is another"));
}

static void at_the_end_those_that_were_only_counted_are_said(void **state)
{
	struct refusals r = {0};
	char last[256];

	(void)state;
	listen_to_warnings();
	for (int i = 0; i < 13; i++)
		refusals_say(&r, "it is a stranger", START);
	refusals_end(&r);
	refusals_end(&r);
	assert_int_equal(warnings(last, sizeof(last)), 11);
	assert_non_null(strstr(last, "3 more connections were refused"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_a_thousand_refusals_in_a_minute_ten_are_said),
		cmocka_unit_test(at_the_end_those_that_were_only_counted_are_said),
	};

	return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
