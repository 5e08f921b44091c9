/* SPDX-License-Identifier: MIT */
/* Axes of drawings: which ticks they have, also where doubles cannot count on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/svg.h>

/* The numbers beside the x axis from @from to @to, which has room for @places of them. */
static void ticks_of(double from, double to, double places, char *buf, size_t room)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct vmrt_svg svg = {.out = out, .font = 10};
	struct vmrt_plot p = {.svg = &svg, .right = places * 45, .x0 = from, .x1 = to};

	assert_non_null(out);
	vmrt_plot_axis_x(&p, NULL);
	fclose(out);
	buf[0] = '\0';
	for (char *at = text; (at = strstr(at, "<text"));) {
		char *number = strchr(at, '>') + 1;

		at = strchr(number, '<');
		snprintf(
			buf + strlen(buf), room - strlen(buf), "%.*s ", (int)(at - number), number);
	}
	free(text);
}

static void test_ticks(void **state)
{
	char buf[256];

	(void)state;
	ticks_of(0, 10, 10, buf, sizeof(buf));
	assert_string_equal(buf, "0 1 2 3 4 5 6 7 8 9 10 ");
	ticks_of(-1, 1, 4, buf, sizeof(buf));
	assert_string_equal(buf, "-1 -0.5 0 0.5 1 ");
	ticks_of(0.3, 17, 4, buf, sizeof(buf));
	assert_string_equal(buf, "5 10 15 ");
}

/* A database of a stranger held such a response time: the picture had no end. */
static void test_far_from_zero(void **state)
{
	double far = 0x1p61 / 1e6; /* ms */
	char buf[256];

	(void)state;
	ticks_of(far, far + 0.001, 10, buf, sizeof(buf));
	assert_string_equal(buf, "");
	ticks_of(far, far, 10, buf, sizeof(buf));
	assert_string_equal(buf, "");
	ticks_of(-far, far, 4, buf, sizeof(buf));
	assert_string_equal(buf, "-2e+12 0 2e+12 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ticks),
		cmocka_unit_test(test_far_from_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
