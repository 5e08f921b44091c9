/* SPDX-License-Identifier: MIT */
/* Sorting numbers: of all that were put in, in rising order, however they came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/sort.h>

#define MOST 30000

static int64_t values[MOST], expected[MOST];

/* Puts each value to its place, one by one: slow, and plainly right. */
static void insert(int64_t *to, size_t n, int64_t value)
{
	while (n && to[n - 1] > value) {
		to[n] = to[n - 1];
		n--;
	}
	to[n] = value;
}

static int64_t value_of(unsigned *seed, int kind)
{
	int64_t r = rand_r(seed);

	switch (kind) {
	case 0:
		return r % 10; /* many alike */
	case 1:
		return r - RAND_MAX / 2;
	case 2:
		return r % 2 ? INT64_MAX - r % 3 : INT64_MIN + r % 3;
	default:
		return r * 1000003;
	}
}

static void parts_of_all_sizes_are_sorted_as_they_come(void **state)
{
	static const size_t steps[] = {1, 0, 2, 7, 300, 5000, 1, 1, 64, 4095, 4096, 3};

	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		unsigned seed = 7;
		size_t n = 0;

		for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
			size_t sorted = n;

			for (size_t k = 0; k < steps[i]; k++, n++) {
				values[n] = value_of(&seed, kind);
				insert(expected, n, values[n]);
			}
			vmrt_sort_values(values, sorted, n);
			assert_memory_equal(values, expected, n * sizeof(*values));
		}
	}
}

static void nothing_is_no_error(void **state)
{
	(void)state;
	vmrt_sort_values(NULL, 0, 0);
	values[0] = 3;
	values[1] = 1;
	/* what is said to be in order is not touched */
	vmrt_sort_values(values, 2, 2);
	assert_int_equal(values[0], 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_of_all_sizes_are_sorted_as_they_come),
		cmocka_unit_test(nothing_is_no_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
