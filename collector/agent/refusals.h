/* SPDX-License-Identifier: MIT */
#ifndef REFUSALS_H
#define REFUSALS_H

#include <stdint.h>

/* Warnings about refused connections. Who wants to can be refused thousands of times a second, so
 * some are said each minute and the others counted. */
struct refusals {
	int64_t since_ns; /* when the present minute began */
	unsigned said;	  /* in it */
	uint64_t unsaid;
};

#define REFUSALS_SAID 10 /* in a minute */

/**
 * refusals_say - warn that a connection was refused
 * @r: begins as zeros
 * @why: one line
 * @now_ns: CLOCK_MONOTONIC
 *
 * Beyond REFUSALS_SAID in a minute the connection is only counted; the first warning behind that
 * minute says how many were.
 */
void refusals_say(struct refusals *r, const char *why, int64_t now_ns);

/** refusals_end - warns of how many connections were only counted */
void refusals_end(struct refusals *r);

#endif
