/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_SOURCE_NEAR_H
#define VMRT_PARSER_SOURCE_NEAR_H

/* Finds the threads whose names are most similar to one that is missing. */

#include "names.h"

#define NEAR_MOST 3
#define NEAR_TEXT 160

/**
 * near_list - write up to NEAR_MOST threads with names similar to @wanted, as "a (thread 1), b
 * (thread 2)"; "" if there are none
 * @wanted: a name or a pattern
 */
const char *near_list(const struct thread_names *names, const char *wanted, char buf[NEAR_TEXT]);

#endif
