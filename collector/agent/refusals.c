/* SPDX-License-Identifier: MIT */
/* Warns about refused connections, but limits the number of warnings so that people can read them.
 */
#include "refusals.h"

#include <inttypes.h>

#include <vmrt/status.h>
#include <vmrt/units.h>

#define MINUTE_NS (60 * VMRT_NS_PER_S)

void refusals_end(struct refusals *r)
{
	if (r->unsaid)
		vmrt_warn("%" PRIu64 " more connections were refused", r->unsaid);
	r->unsaid = 0;
}

void refusals_say(struct refusals *r, const char *why, int64_t now_ns)
{
	if (!r->since_ns || now_ns - r->since_ns >= MINUTE_NS) {
		refusals_end(r);
		r->since_ns = now_ns;
		r->said = 0;
	}
	if (r->said == REFUSALS_SAID) {
		r->unsaid++;
		return;
	}
	vmrt_warn("a connection was refused: %s%s", why,
		++r->said == REFUSALS_SAID ? " (others are only counted for a minute)" : "");
}
