/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_LIB_NEAR_H
#define TESTS_UNIT_LIB_NEAR_H

/* For tests of numbers that are not whole; <cmocka.h> stands before it. */

#include <math.h>

/**
 * assert_near - @got differs from @wanted by at most @error
 *
 * NaN is near no number. cmocka's assert_float_equal() takes NaN for equal to any number, so that a
 * test of a result that is NaN could not fail.
 */
#define assert_near(got, wanted, error)                                                            \
	do {                                                                                       \
		double is_ = (got), wanted_ = (wanted);                                            \
                                                                                                   \
		if (!(fabs(is_ - wanted_) <= (error))) {                                           \
			print_error("%s is %.12g, not %.12g\n", #got, is_, wanted_);               \
			fail();                                                                    \
		}                                                                                  \
	} while (0)

#endif
