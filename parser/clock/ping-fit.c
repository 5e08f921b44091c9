/* SPDX-License-Identifier: MIT */
/* Fits the map of a clock to pings. */
#include "ping-fit.h"

#define FIT_EVERY_NS VMRT_NS_PER_S
#define FIT_OFTEN_UNTIL 10 /* seconds of pings, before which every new ping counts */

static int64_t trip(const struct vmrt_ping *p)
{
	return (p->host_recv_ns - p->host_send_ns) - (p->guest_send_ns - p->guest_recv_ns);
}

void ping_fit_init(struct ping_fit *fit)
{
	for (size_t i = 0; i < PING_FIT_SECONDS; i++)
		fit->second[i] = -1;
	fit->fitted_ns = 0;
	fit->unfitted = false;
}

void ping_fit_add(struct ping_fit *fit, const struct vmrt_ping *ping)
{
	int64_t second = ping->host_send_ns / VMRT_NS_PER_S;
	size_t slot = (size_t)(second % PING_FIT_SECONDS);

	if (!vmrt_ping_sane(ping) || second < 0 ||
		(fit->second[slot] == second && trip(ping) >= trip(&fit->pings[slot])))
		return;
	fit->second[slot] = second;
	fit->pings[slot] = *ping;
	fit->unfitted = true;
}

bool ping_fit(struct ping_fit *fit, int64_t now_ns, struct vmrt_clockmap *map)
{
	struct vmrt_ping pings[PING_FIT_SECONDS];
	struct vmrt_clock_bound bounds[2 * PING_FIT_SECONDS];
	struct vmrt_clockmap better;
	int64_t oldest = now_ns / VMRT_NS_PER_S - PING_FIT_SECONDS;
	size_t n = 0, n_bounds;

	if (!fit->unfitted)
		return false;
	for (size_t i = 0; i < PING_FIT_SECONDS; i++)
		if (fit->second[i] >= 0 && fit->second[i] > oldest)
			pings[n++] = fit->pings[i];
	if (n > FIT_OFTEN_UNTIL && now_ns - fit->fitted_ns < FIT_EVERY_NS)
		return false;
	n_bounds = vmrt_clock_bounds_from_pings(pings, n, bounds);
	if (vmrt_clockmap_fit(bounds, n_bounds, VMRT_CLOCK_PINGS, &better, NULL) != VMRT_OK)
		return false;
	vmrt_clockmap_free(map);
	*map = better;
	fit->fitted_ns = now_ns;
	fit->unfitted = false;
	return true;
}
