/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_CLOCK_RATE_H
#define VMRT_PARSER_CLOCK_CLOCK_RATE_H

/* The speed of a guest clock, where it has to be known before its map. */

#include <vmrt/clock.h>

#define CLOCK_RATE_MAX 2000e-6 /* no two clocks that count ns differ more */

/**
 * clock_rate - how fast a guest's clock runs, as a part of the host's speed
 * @pings: @n of them, in order of time
 * @map: where there are none, what the file's time shift says
 *
 * Return: 1 if nothing contradicts that.
 */
double clock_rate(const struct vmrt_ping *pings, size_t n, const struct vmrt_clockmap *map);

#endif
