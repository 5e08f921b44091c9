/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_CLOCK_PING_FIT_H
#define VMRT_PARSER_CLOCK_PING_FIT_H

/* The map of a guest's clock while pings still come: a line through the bounds of the last minutes.
 */

#include <vmrt/clock.h>

#define PING_FIT_SECONDS 120 /* the best ping of each second, so many seconds back */

struct ping_fit {
	struct vmrt_ping pings[PING_FIT_SECONDS];
	int64_t second[PING_FIT_SECONDS];
	int64_t fitted_ns;
	bool unfitted; /* there are better pings than at the last fit */
};

/** ping_fit_init - no pings yet */
void ping_fit_init(struct ping_fit *fit);

/** ping_fit_add - a ping has come */
void ping_fit_add(struct ping_fit *fit, const struct vmrt_ping *ping);

/**
 * ping_fit - put what is known at @now_ns into @map, if that has changed
 * @map: freed before it is replaced
 *
 * At first each new ping counts, later there is a new map once a second.
 *
 * Return: true if @map is new; if there is no better one the former stays.
 */
bool ping_fit(struct ping_fit *fit, int64_t now_ns, struct vmrt_clockmap *map);

#endif
