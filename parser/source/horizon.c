/* SPDX-License-Identifier: MIT */
/* Recognises events whose times are far outside the recording, by the manifest or by the other
 * CPUs. */
#include "horizon.h"

#include <vmrt/units.h>

/* A tolerance, because the recorder reads the clock before and after the recording, and a guest's
 * clock is mapped with an error. */
#define MARGIN_NS VMRT_NS_PER_S
/* Beyond 73 years, sums of times could overflow. */
#define TIME_MAX_NS (INT64_C(1) << 61)
/* A CPU is suspicious if it goes on alone for so many times the length of the recording. */
#define SPANS_FEW 10
#define SPANS_MANY 100
#define GAP_MANY_NS (3600 * VMRT_NS_PER_S)

void horizon_init(struct horizon *h, int64_t start_ns, int64_t end_ns)
{
	h->least_ns = 0;
	h->most_ns = TIME_MAX_NS;
	/* the manifest of a killed recorder has no end */
	if (start_ns >= 0 && end_ns > start_ns && end_ns < TIME_MAX_NS - MARGIN_NS) {
		h->least_ns = start_ns - MARGIN_NS > 0 ? start_ns - MARGIN_NS : 0;
		h->most_ns = end_ns + MARGIN_NS;
	}
	h->first_ns = h->last_ns = VMRT_UNKNOWN;
}

bool horizon_is_stray(const struct horizon *h, int64_t host_ns, const struct horizon_rest *rest)
{
	int64_t gap, span;

	if (host_ns > h->most_ns || host_ns < h->least_ns)
		return true;
	if (h->last_ns == VMRT_UNKNOWN || h->most_ns < TIME_MAX_NS)
		return false;
	gap = host_ns - h->last_ns;
	span = h->last_ns - h->first_ns;
	if (gap <= HORIZON_GAP_NS)
		return false;
	/* the host's recording begins before those of its guests and ends after them */
	if (rest->of_guest && rest->host_ended)
		return true;
	/* a CPU that records switches is not silent for hours */
	if (rest->cpus < 2)
		return rest->few && gap > GAP_MANY_NS && gap / SPANS_MANY > span;
	if (rest->going_on > 1)
		return false;
	return gap / (rest->few ? SPANS_FEW : SPANS_MANY) > span &&
	       (rest->few || gap > GAP_MANY_NS);
}

bool horizon_begins(const struct horizon *h, int64_t host_ns)
{
	return h->first_ns != VMRT_UNKNOWN && h->last_ns - h->first_ns < VMRT_NS_PER_MS &&
	       host_ns - h->last_ns > GAP_MANY_NS;
}

int64_t horizon_accept(struct horizon *h, int64_t host_ns)
{
	if (h->first_ns == VMRT_UNKNOWN)
		h->first_ns = host_ns;
	h->last_ns = host_ns;
	return h->most_ns - host_ns > HORIZON_GAP_NS ? host_ns + HORIZON_GAP_NS : h->most_ns;
}
