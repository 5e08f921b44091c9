/* SPDX-License-Identifier: MIT */
/* Measures whether a guest's clock runs as fast as the host's. A guest whose kernel measured its
 * counter wrongly has another rate, which no map of time steps can correct. */
#include "clock-rate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SPAN_NS (500 * VMRT_NS_PER_MS) /* over which pings give a rate, unless there is less */
#define PAIRS 1024

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Returns the guest time that passed for each unit of host time between two pings; 1 if the round
 * trips allow that. */
static double between(const struct vmrt_ping *a, const struct vmrt_ping *b)
{
	double guest = (double)b->guest_recv_ns - (double)a->guest_recv_ns;
	double least = (double)b->host_send_ns - (double)a->host_recv_ns;
	double most = (double)b->host_recv_ns - (double)a->host_send_ns;

	if (guest <= 0 || least <= 0 || (guest >= least && guest <= most))
		return 1;
	return guest < least ? guest / least : guest / most;
}

/* Takes the median, because a clock that is stepped has another rate in a few pairs only. */
static double rate_of_pings(const struct vmrt_ping *pings, size_t n)
{
	size_t used = 0, to = 0, every = n / PAIRS + 1;
	double *rates = calloc(PAIRS + 1, sizeof(*rates)), rate = 1;
	int64_t whole = n ? pings[n - 1].host_send_ns - pings[0].host_send_ns : 0;
	int64_t span = whole / 2 < SPAN_NS ? whole / 2 : SPAN_NS;

	for (size_t i = 0; rates && span > 0 && i < n && used < PAIRS; i += every) {
		if (to < i)
			to = i;
		while (to < n && pings[to].host_send_ns - pings[i].host_send_ns < span)
			to++;
		if (to == n)
			break;
		rates[used++] = between(&pings[i], &pings[to]);
	}
	if (used) {
		qsort(rates, used, sizeof(*rates), by_value);
		rate = rates[used / 2];
	}
	free(rates);
	return rate;
}

double clock_rate(const struct vmrt_ping *pings, size_t n, const struct vmrt_clockmap *map)
{
	for (size_t i = 0; i < n; i++)
		if (!vmrt_ping_sane(&pings[i]))
			return 1;
	if (n > 1)
		return rate_of_pings(pings, n);
	/* host = local - rate * local */
	for (size_t i = 0; i < map->n; i++)
		if (!strcmp(map->segments[i].source, VMRT_CLOCK_FILE) &&
			fabs(map->segments[i].rate) > CLOCK_RATE_MAX && map->segments[i].rate < 1)
			return 1 / (1 - map->segments[i].rate);
	return 1;
}
