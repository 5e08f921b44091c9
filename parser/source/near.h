/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_NEAR_H
#define VMRT_PARSER_SOURCE_NEAR_H

/* The threads whose names come nearest to one that is missing. */

#include "names.h"

#define NEAR_MOST 3
#define NEAR_TEXT 160

/**
 * near_list - "a (1), b (2)": up to NEAR_MOST threads that come near to @wanted; "" if none does
 * @wanted: a name or a pattern
 */
const char *near_list(const struct thread_names *names, const char *wanted, char buf[NEAR_TEXT]);

#endif
