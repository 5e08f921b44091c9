/* SPDX-License-Identifier: MIT */
#ifndef REFUSALS_H
#define REFUSALS_H

#include <stdint.h>

/* Warnings about refused connections. A client can make itself be refused thousands of times a
 * second. So each minute a few refusals are reported, and the others are counted. */
struct refusals {
	int64_t since_ns; /* when the current minute began */
	unsigned said;	  /* warnings in this minute */
	uint64_t unsaid;
};

#define REFUSALS_SAID 10 /* warnings in a minute */

/**
 * refusals_say - warn that a connection was refused
 * @r: all zeros before the first call
 * @why: one line
 * @now_ns: CLOCK_MONOTONIC
 *
 * After REFUSALS_SAID warnings in a minute a refusal is only counted. The first warning after this
 * minute says how many were counted.
 */
void refusals_say(struct refusals *r, const char *why, int64_t now_ns);

/** refusals_end - warn how many refusals were counted and not yet reported */
void refusals_end(struct refusals *r);

#endif
